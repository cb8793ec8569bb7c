# SPDX-License-Identifier: Apache-2.0
"""Opens and saves .lic files with Pillow.

    import lichen_pillow  # registers itself
    from PIL import Image

    image = Image.open("photo.lic")
    image.save("smaller.lic", quality=30)

Modes L, LA, RGB and RGBA are kept, and ICC profile, EXIF and XMP go through as `icc_profile`, `exif` and `xmp`. Pictures of
16 bits a sample open as I;16 when they are gray; of colours Pillow keeps the upper 8 bits, as of PNG.

Where less will do, thumbnail() and draft() have the picture decoded at 1/2, 1/4, 1/8 or 1/16 of its size, as of JPEG.

Arguments of save(): quality (0..100, default 50), tile_size, threads, icc_profile, exif, xmp; None leaves metadata out.
"""

import io
import sys

from PIL import Image, ImageFile

from . import library

_SIGNATURE = b"\x89LIC\r\n\x1a\n"
_EXIF_PREFIX = b"Exif\0\0"  # with which Pillow has EXIF, and .lic files do not

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_CHANNELS = {mode: channels for channels, mode in _MODES.items()}

# What is saved in place of other modes, without loss but for colours that Lichen does not have.
_SAVED_AS = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "PA": "RGBA", "YCbCr": "RGB"}


def _accept(prefix):
    return prefix[: len(_SIGNATURE)] == _SIGNATURE


class LichenImageFile(ImageFile.ImageFile):
    format = "LICHEN"
    format_description = "Lichen image"

    def _open(self):
        # Pillow warns above MAX_IMAGE_PIXELS and refuses above twice as many.
        limit = Image.MAX_IMAGE_PIXELS
        try:
            self._decoder = library.Decoder(self.fp.read(), 2**63 - 1 if limit is None else int(2 * limit))
        except library.LichenError as error:
            if error.status == library.LIMIT_EXCEEDED:
                raise Image.DecompressionBombError(str(error)) from error
            raise
        self._size = self._decoder.size
        mode = _MODES[self._decoder.channels]
        if self._decoder.bit_depth == 16 and mode == "L":
            mode = "I;16"
        try:
            self.mode = mode
        except AttributeError:  # Pillow 10.1 and later
            self._mode = mode
        for name, kind, prefix in (
            ("icc_profile", library.ICC, b""),
            ("exif", library.EXIF, _EXIF_PREFIX),
            ("xmp", library.XMP, b""),
        ):
            data = self._decoder.metadata(kind)
            if data:
                self.info[name] = prefix + data
        self.info["quality"] = self._decoder.quality
        self.tile = []
        self._drafted = False

    def draft(self, mode, size):
        """As for JPEG: the smallest scale at which the picture is not smaller than `size`. Modes are not changed."""
        if self._decoder is None or self._drafted or size is None:
            return None
        width, height = self.size
        wanted = min(width // size[0], height // size[1])
        scale = next(s for s in (16, 8, 4, 2, 1) if s <= max(wanted, 1))
        self._decoder.set_scale(scale)
        self._size = self._decoder.size
        self._drafted = True
        return self.mode, (0, 0, width / scale, height / scale)

    def load(self):
        if self._decoder is not None:
            pixels, raw_mode = _for_pillow(self._decoder.decode(), self._decoder.bit_depth, self.mode)
            self._decoder = None
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(pixels)
            self.tile = [("raw", (0, 0) + self.size, 0, raw_mode)]
        return super().load()


def _for_pillow(pixels, bit_depth, mode):
    """Pixels of the library, and the name of their order in Pillow."""
    if bit_depth == 8:
        return pixels, mode
    if mode == "I;16":
        return pixels, "I;16N"
    # The upper bytes; not all versions of Pillow have all orders of 16-bit samples.
    return pixels[1 if sys.byteorder == "little" else 0 :: 2], mode


def _save(image, file, filename):
    options = image.encoderinfo
    encoder = library.Encoder()
    for name, setting in (
        ("quality", encoder.set_quality),
        ("threads", encoder.set_threads),
        ("tile_size", encoder.set_tile_size),
    ):
        if name in options:
            setting(options[name])
    exif = options.get("exif", image.info.get("exif")) or b""
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    if exif.startswith(_EXIF_PREFIX):
        exif = exif[len(_EXIF_PREFIX) :]
    encoder.set_metadata(library.ICC, options.get("icc_profile", image.info.get("icc_profile")) or b"")
    encoder.set_metadata(library.EXIF, exif)
    encoder.set_metadata(library.XMP, options.get("xmp", image.info.get("xmp")) or b"")

    mode = _SAVED_AS.get(image.mode, image.mode)
    if mode == "P":
        mode = "RGBA" if "transparency" in image.info else "RGB"
    if mode == "I;16":
        channels, bit_depth, pixels = 1, 16, image.tobytes("raw", "I;16N")
    elif mode in _CHANNELS:
        channels, bit_depth, pixels = _CHANNELS[mode], 8, image.convert(mode).tobytes()
    else:
        raise OSError(f"cannot write mode {image.mode} as LICHEN; convert it to RGB first")
    file.write(encoder.encode(pixels, *image.size, channels, bit_depth))


Image.register_open(LichenImageFile.format, LichenImageFile, _accept)
Image.register_save(LichenImageFile.format, _save)
Image.register_extension(LichenImageFile.format, ".lic")
Image.register_mime(LichenImageFile.format, "image/x-lichen")
