# SPDX-License-Identifier: Apache-2.0
"""lichen_pillow with the library in $LICHEN_LIBRARY. Exit code 77: skipped, because Pillow is missing."""

import io
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    from PIL import Image, ImageChops, ImageCms, ImageStat
except ImportError:
    print("skipped: Pillow is missing (python3-pil)")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "python"))

import lichen_pillow  # noqa: E402
from lichen_pillow import library  # noqa: E402

PHOTO = os.path.join(HERE, "data", "colosseum.png")


def photo(mode="RGB", size=(96, 64)):
    image = Image.open(PHOTO).convert("RGB").resize(size)
    if mode in ("LA", "RGBA"):
        alpha = Image.linear_gradient("L").resize(size)
        image.putalpha(alpha)
    return image.convert(mode)


def reopened(image, **options):
    file = io.BytesIO()
    image.save(file, "LICHEN", **options)
    file.seek(0)
    return Image.open(file)


def rms(a, b):
    return max(ImageStat.Stat(ImageChops.difference(a, b)).rms)


class PillowTest(unittest.TestCase):
    def test_modes_are_kept(self):
        for mode in ("L", "LA", "RGB", "RGBA"):
            with self.subTest(mode):
                before = photo(mode)
                after = reopened(before, quality=90)
                self.assertEqual((after.format, after.mode, after.size), ("LICHEN", mode, before.size))
                self.assertLess(rms(before.convert("RGB"), after.convert("RGB")), 12)
                if mode.endswith("A"):
                    self.assertEqual(list(before.getchannel("A").getdata()), list(after.getchannel("A").getdata()))

    def test_files_go_by_their_name(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "photo.lic")
            photo().save(path)
            with Image.open(path) as image:
                self.assertEqual(image.get_format_mimetype(), "image/x-lichen")
                image.thumbnail((48, 48))
                self.assertEqual(image.size, (48, 32))
                image.save(os.path.join(folder, "thumbnail.png"))
            os.rename(path, os.path.join(folder, "no-name-to-judge-by"))
            with Image.open(os.path.join(folder, "no-name-to-judge-by")) as image:
                self.assertEqual(image.format, "LICHEN")

    def test_drafts_are_decoded_at_a_scale(self):
        file = io.BytesIO()
        photo(size=(203, 131)).save(file, "LICHEN", quality=90)
        whole = Image.open(file)
        for asked, scale, size in (
            ((203, 131), 1, (203, 131)),
            ((102, 66), 1, (203, 131)),
            ((101, 65), 2, (102, 66)),
            ((50, 32), 4, (51, 33)),
            ((25.0, 12.5), 8, (26, 17)),
            ((12, 8), 16, (13, 9)),
            ((1, 1), 16, (13, 9)),
            ((500, 500), 1, (203, 131)),
        ):
            with self.subTest(asked):
                image = Image.open(file)
                self.assertEqual(image.draft(None, asked), ("RGB", (0, 0, 203 / scale, 131 / scale)))
                self.assertEqual(image.size, size)
                self.assertIsNone(image.draft(None, (1, 1)), "only once, as of JPEG")
                self.assertEqual((image.load() is not None, image.size, image.mode), (True, size, "RGB"))
                self.assertLess(rms(image, whole.reduce(scale)), 5.2)  # 4.93 at 1/16, which leaves most of g_s out
                self.assertIsNone(image.draft(None, (1, 1)), "there are pixels already")
        self.assertIsNone(Image.open(file).draft("L", None))

    def test_thumbnails_need_less_than_the_picture(self):
        for mode in ("L", "LA", "RGB", "RGBA"):
            with self.subTest(mode):
                file = io.BytesIO()
                photo(mode, (400, 320)).save(file, "LICHEN", quality=90)
                full = Image.open(file)
                full.load()  # all of it, since it is loaded when thumbnail() asks for less
                quick = Image.open(file)
                decoded = []
                decode = quick._decoder.decode
                quick._decoder.decode = lambda: decoded.append(decode()) or decoded[0]
                for image in (full, quick):
                    image.thumbnail((50, 50))
                self.assertEqual(len(decoded[0]), 100 * 80 * len(mode))
                self.assertEqual((quick.size, quick.mode), ((50, 40), mode))
                # What is nearly transparent has hardly any colour left, so they are compared premultiplied.
                a, b = (image.convert("RGBA").convert("RGBa") for image in (full, quick))
                for channel in range(4):
                    self.assertLess(rms(a.getchannel(channel), b.getchannel(channel)), 4)

    def test_the_tools_and_the_plugin_give_the_same(self):
        tools = [os.environ.get("LICHEN_ENC"), os.environ.get("LICHEN_DEC")]
        if not all(tools):
            self.skipTest("the tools were not built")
        with tempfile.TemporaryDirectory() as folder:
            lic, png = os.path.join(folder, "a.lic"), os.path.join(folder, "a.png")
            subprocess.run([tools[0], "--quiet", "-q", "70", PHOTO, lic], check=True)
            subprocess.run([tools[1], "--quiet", lic, png], check=True)
            self.assertEqual(Image.open(lic).tobytes(), Image.open(png).tobytes())
            file = io.BytesIO()
            Image.open(PHOTO).save(file, "LICHEN", quality=70)
            with open(lic, "rb") as tools_file:
                self.assertEqual(file.getvalue(), tools_file.read())

    def test_pillow_reads_the_png_of_lichen_dec(self):
        lichen_dec = os.environ.get("LICHEN_DEC")
        if not lichen_dec:
            self.skipTest("the tools were not built")
        with tempfile.TemporaryDirectory() as folder:
            lic, png = os.path.join(folder, "a.lic"), os.path.join(folder, "a.png")
            for mode, size in (("L", (96, 64)), ("LA", (1, 50)), ("RGB", (201, 99)), ("RGBA", (64, 1)), ("RGBA", (150, 100))):
                photo(mode, size).save(lic, "LICHEN")
                with Image.open(lic) as image:
                    decoded = image.copy()
                for level in ("0", "1", "2", "9"):  # 1 is that of ISA-L, where it is installed, the others are zlib's
                    with self.subTest(mode=mode, size=size, level=level):
                        subprocess.run([lichen_dec, "--quiet", "--png-level", level, lic, png], check=True)
                        with Image.open(png) as image:
                            self.assertEqual((image.mode, image.size), (mode, size))
                            self.assertEqual(image.tobytes(), decoded.tobytes())

    def test_metadata_is_kept(self):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010F] = "Lichen"
        before = photo()
        after = reopened(before, icc_profile=profile, exif=exif, xmp=b"<x/>")
        self.assertEqual(after.info["icc_profile"], profile)
        self.assertEqual(dict(after.getexif()), {0x0112: 6, 0x010F: "Lichen"})
        self.assertEqual(after.info["xmp"], b"<x/>")
        # An image that was opened is saved with what it came with, also as PNG and from it.
        again = reopened(after)
        self.assertEqual(again.info["icc_profile"], profile)
        self.assertEqual(again.info["exif"], after.info["exif"])
        png = io.BytesIO()
        after.save(png, "PNG", exif=after.info["exif"])
        self.assertEqual(Image.open(png).info["icc_profile"], profile)
        self.assertEqual(reopened(Image.open(png)).getexif()[0x0112], 6)
        # Unless it is to be left out.
        bare = reopened(after, icc_profile=None, exif=None, xmp=None)
        self.assertEqual(set(bare.info), {"quality"})

    def test_quality_decides_size_and_likeness(self):
        sizes, errors = [], []
        for quality in (10, 50, 95.5):
            file = io.BytesIO()
            photo().save(file, "LICHEN", quality=quality)
            sizes.append(len(file.getvalue()))
            errors.append(rms(photo(), Image.open(file)))
            self.assertAlmostEqual(Image.open(file).info["quality"], quality, delta=0.06)
        self.assertEqual(sizes, sorted(sizes))
        self.assertEqual(errors, sorted(errors, reverse=True))

    def test_other_modes_are_converted_or_refused(self):
        self.assertEqual(reopened(photo().convert("P")).mode, "RGB")
        self.assertEqual(reopened(photo().convert("1")).mode, "L")
        self.assertEqual(reopened(photo().convert("YCbCr")).mode, "RGB")
        transparent = photo().convert("P")
        transparent.info["transparency"] = 0
        self.assertEqual(reopened(transparent).mode, "RGBA")
        for mode in ("CMYK", "F", "I"):
            with self.assertRaisesRegex(OSError, "cannot write mode " + mode):
                photo().convert(mode).save(io.BytesIO(), "LICHEN")

    def test_deep_samples_become_what_pillow_has(self):
        gray = struct.pack("=4H", 0, 255, 256, 65535)
        pixels, raw_mode = lichen_pillow._for_pillow(bytearray(gray), 16, "I;16")
        image = Image.frombytes("I;16", (2, 2), bytes(pixels), "raw", raw_mode)
        self.assertEqual([image.getpixel(at) for at in ((0, 0), (1, 0), (0, 1), (1, 1))], [0, 255, 256, 65535])
        colours = struct.pack("=6H", 0, 255, 256, 65535, 0x1234, 0xABCD)
        pixels, raw_mode = lichen_pillow._for_pillow(bytearray(colours), 16, "RGB")
        self.assertEqual((bytes(pixels), raw_mode), (bytes([0, 0, 1, 255, 0x12, 0xAB]), "RGB"))

    def test_wrong_options_are_explained(self):
        for options, words in (({"quality": 101}, "quality must be from 0 to 100"), ({"tile_size": 100}, "tile size")):
            with self.assertRaisesRegex(OSError, words):
                photo().save(io.BytesIO(), "LICHEN", **options)

    def test_damaged_files_are_errors_with_a_sentence(self):
        file = io.BytesIO()
        photo().save(file, "LICHEN")
        whole = file.getvalue()
        for size in range(8, len(whole), max(1, len(whole) // 50)):
            with self.assertRaises(library.LichenError) as caught:
                Image.open(io.BytesIO(whole[:size]))
            self.assertGreater(len(str(caught.exception)), 10)
        with self.assertRaises(Image.UnidentifiedImageError):
            Image.open(io.BytesIO(whole[:7]))
        damaged = bytearray(whole)
        damaged[-1] ^= 1
        image = Image.open(io.BytesIO(bytes(damaged)))  # of the tiles only decoding tells
        with self.assertRaisesRegex(OSError, "tile"):
            image.load()

    def test_limits_of_pillow_hold(self):
        file = io.BytesIO()
        photo().save(file, "LICHEN")
        limit = Image.MAX_IMAGE_PIXELS
        try:
            Image.MAX_IMAGE_PIXELS = 96 * 64 // 2 - 1
            with self.assertRaises(Image.DecompressionBombError):
                Image.open(file)
            Image.MAX_IMAGE_PIXELS = 96 * 64 - 1
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                Image.open(file).load()
            self.assertEqual([w.category for w in caught], [Image.DecompressionBombWarning])
            Image.MAX_IMAGE_PIXELS = None
            Image.open(file).load()
        finally:
            Image.MAX_IMAGE_PIXELS = limit

    def test_the_missing_library_is_explained(self):
        code = "import ctypes.util; ctypes.util.find_library = lambda name: None; import lichen_pillow"
        environment = dict(os.environ, LICHEN_LIBRARY="/nonexistent/liblichen.so", PYTHONPATH=sys.path[0])
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        if run.returncode == 0:
            self.skipTest("a library is installed in the system")
        self.assertIn("ImportError: liblichen.so.0 was not found; build Lichen with -DBUILD_SHARED_LIBS=ON", run.stderr)


if __name__ == "__main__":
    unittest.main()
