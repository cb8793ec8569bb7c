# SPDX-License-Identifier: Apache-2.0
"""liblichen through its C interface, lichen.h; the only user of ctypes."""

import ctypes
import ctypes.util
import os

ICC, EXIF, XMP = range(3)

# lichen_status
_OK = 0
LIMIT_EXCEEDED = 7
OUT_OF_MEMORY = 8

_API_VERSION = 2  # that of the functions used here

_bytes_pointer = ctypes.POINTER(ctypes.c_ubyte)


class LichenError(OSError):
    """An error of the library; `status` is its lichen_status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def _load():
    """$LICHEN_LIBRARY, or the installed library."""
    names = [os.environ.get("LICHEN_LIBRARY"), "liblichen.so.0", ctypes.util.find_library("lichen")]
    errors = []
    for name in filter(None, names):
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            errors.append(str(error))
    raise ImportError(
        "liblichen.so.0 was not found; build Lichen with -DBUILD_SHARED_LIBS=ON and install it, or set "
        f"LICHEN_LIBRARY to its path ({'; '.join(errors)})"
    )


def _declare(library):
    """The functions of lichen.h that are used here: result, arguments."""
    handle, size, data = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    status, integer = ctypes.c_int, ctypes.c_int
    for name, result, *arguments in (
        ("c_api_version", integer),
        ("free", None, ctypes.c_void_p),
        ("encoder_new", handle),
        ("encoder_free", None, handle),
        ("encoder_error", data, handle),
        ("encoder_set_quality", status, handle, ctypes.c_double),
        ("encoder_set_threads", status, handle, integer),
        ("encoder_set_tile_size", status, handle, ctypes.c_uint32),
        ("encoder_set_metadata", status, handle, integer, data, size),
        ("encoder_encode", status, handle, data, ctypes.c_uint32, ctypes.c_uint32, integer, integer, size,
         ctypes.POINTER(_bytes_pointer), ctypes.POINTER(size)),
        ("decoder_new", handle),
        ("decoder_free", None, handle),
        ("decoder_error", data, handle),
        ("decoder_set_max_pixels", status, handle, ctypes.c_uint64),
        ("decoder_set_scale", status, handle, integer),
        ("decoder_open", status, handle, data, size),
        ("decoder_output_width", ctypes.c_uint32, handle),
        ("decoder_output_height", ctypes.c_uint32, handle),
        ("decoder_channels", integer, handle),
        ("decoder_bit_depth", integer, handle),
        ("decoder_quality", ctypes.c_double, handle),
        ("decoder_pixel_bytes", ctypes.c_uint64, handle),
        ("decoder_metadata", status, handle, integer, ctypes.POINTER(_bytes_pointer), ctypes.POINTER(size)),
        ("decoder_decode", status, handle, ctypes.c_void_p, size, size),
    ):
        function = getattr(library, "lichen_" + name)
        function.restype = result
        function.argtypes = arguments
    if library.lichen_c_api_version() < _API_VERSION:
        raise ImportError("this liblichen is too old for lichen_pillow; update it")
    return library


_lib = _declare(_load())


class _Handle:
    """Owns an encoder or a decoder."""

    def __init__(self, kind):
        self._kind = kind
        self._handle = getattr(_lib, f"lichen_{kind}_new")()
        if not self._handle:
            raise MemoryError()

    def __del__(self, _lib=_lib):  # also at the end of the program, when the module's names may be gone
        if getattr(self, "_handle", None):
            getattr(_lib, f"lichen_{self._kind}_free")(self._handle)

    def _call(self, name, *arguments):
        status = getattr(_lib, f"lichen_{self._kind}_{name}")(self._handle, *arguments)
        if status == _OK:
            return
        if status == OUT_OF_MEMORY:
            raise MemoryError()
        message = getattr(_lib, f"lichen_{self._kind}_error")(self._handle)
        raise LichenError(status, message.decode("utf-8", "replace"))

    def _take(self, name, *arguments):
        """The bytes that a function gives, which are freed here."""
        data, size = _bytes_pointer(), ctypes.c_size_t()
        self._call(name, *arguments, ctypes.byref(data), ctypes.byref(size))
        try:
            return ctypes.string_at(data, size.value) if size.value else b""
        finally:
            _lib.lichen_free(data)


class Encoder(_Handle):
    def __init__(self):
        super().__init__("encoder")

    def set_quality(self, quality):
        self._call("set_quality", quality)

    def set_threads(self, threads):
        self._call("set_threads", threads)

    def set_tile_size(self, tile_size):
        self._call("set_tile_size", tile_size)

    def set_metadata(self, kind, data):
        self._call("set_metadata", kind, data, len(data))

    def encode(self, pixels, width, height, channels, bit_depth):
        """The bytes of a .lic file. `pixels`: bytes, rows without padding."""
        if len(pixels) != width * height * channels * (bit_depth // 8):
            raise ValueError("the size of the pixels does not match that of the picture")
        return self._take("encode", pixels, width, height, channels, bit_depth, 0)


class Decoder(_Handle):
    """Of a whole file in memory. max_pixels: refuse pictures that declare more. `size`: of what decode() gives."""

    def __init__(self, data, max_pixels):
        super().__init__("decoder")
        self._data = data  # the library borrows it
        self._call("set_max_pixels", max_pixels)
        self._call("open", data, len(data))
        self._update_size()
        self.channels = _lib.lichen_decoder_channels(self._handle)
        self.bit_depth = _lib.lichen_decoder_bit_depth(self._handle)
        self.quality = _lib.lichen_decoder_quality(self._handle)

    def _update_size(self):
        self.size = (
            _lib.lichen_decoder_output_width(self._handle),
            _lib.lichen_decoder_output_height(self._handle),
        )

    def set_scale(self, denominator):
        """1, 2, 4, 8 or 16: what the sides are divided by, rounded up."""
        self._call("set_scale", denominator)
        self._update_size()

    def metadata(self, kind):
        """Bytes; empty where there is none."""
        return self._take("metadata", kind)

    def decode(self):
        """The pixels: rows without padding."""
        size = _lib.lichen_decoder_pixel_bytes(self._handle)
        pixels = bytearray(size)
        self._call("decode", (ctypes.c_ubyte * size).from_buffer(pixels), size, 0)
        return pixels
