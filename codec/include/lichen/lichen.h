/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LICHEN_LICHEN_H_
#define LICHEN_LICHEN_H_

/*
 * Lichen for C and for whatever can call C: pictures in memory to .lic files in memory and back.
 *
 *   lichen_encoder* encoder = lichen_encoder_new();
 *   lichen_encoder_set_quality(encoder, 75);
 *   if (lichen_encoder_encode(encoder, pixels, width, height, 3, 8, 0, &file, &size) != LICHEN_OK)
 *     puts(lichen_encoder_error(encoder));
 *   ...
 *   lichen_free(file);
 *   lichen_encoder_free(encoder);
 *
 * Handles are opaque and made by the caller; there is no other state. A handle serves one thread at a time, different
 * handles are independent, and after an error a handle can be used again. No function prints, exits or throws.
 *
 * The interface is stable: a function, once released, keeps its name, its arguments and its meaning for as long as the
 * library has the same soname. LICHEN_C_API_VERSION grows when functions are added.
 */

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LICHEN_API __attribute__((visibility("default")))
#else
#define LICHEN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_C_API_VERSION 4

/** Version of the library, for example "0.1.0". */
LICHEN_API const char* lichen_version(void);

/** LICHEN_C_API_VERSION of the library that is linked, which may be newer than that of the header. */
LICHEN_API int lichen_c_api_version(void);

/** What functions return. Later versions may add values: treat unknown ones as errors. */
typedef enum lichen_status {
  LICHEN_OK = 0,
  LICHEN_INVALID_ARGUMENT = 1,    /* the caller asked for something that cannot be */
  LICHEN_IO_ERROR = 2,            /* reading or writing a file failed */
  LICHEN_TRUNCATED = 3,           /* the input ends too early */
  LICHEN_DAMAGED = 4,             /* the input contradicts itself: a checksum, a range or a code is wrong */
  LICHEN_UNSUPPORTED_VERSION = 5, /* well-formed, but of a format version this library does not read */
  LICHEN_UNKNOWN_MODEL = 6,       /* the file needs another model */
  LICHEN_LIMIT_EXCEEDED = 7,      /* more pixels or bytes than the caller allowed */
  LICHEN_OUT_OF_MEMORY = 8,
  LICHEN_CANCELLED = 9, /* the progress function asked to stop */
  LICHEN_INTERNAL = 10  /* a mistake in Lichen itself; please report it */
} lichen_status;

/** Metadata, byte for byte: an ICC profile; EXIF from the TIFF header on, without "Exif\0\0"; the XML packet of XMP. */
typedef enum lichen_metadata { LICHEN_ICC = 0, LICHEN_EXIF = 1, LICHEN_XMP = 2 } lichen_metadata;

/** How a file holds its picture: by the networks, by a block transform, or, to encode, whichever of them costs less. */
typedef enum lichen_coding { LICHEN_CODING_AUTO = 0, LICHEN_CODING_LEARNED = 1, LICHEN_CODING_DCT = 2 } lichen_coding;

/** Called, from any thread of the work, with the share of it that is done, 0..1. Returning 0 stops it with
 * LICHEN_CANCELLED. */
typedef int (*lichen_progress)(void* user, double share);

/** Frees what lichen_encoder_encode and lichen_decoder_metadata gave; NULL is allowed. */
LICHEN_API void lichen_free(void* memory);

/* ---- Encoding ---- */

typedef struct lichen_encoder lichen_encoder;

/** NULL when there is not enough memory. */
LICHEN_API lichen_encoder* lichen_encoder_new(void);
/** NULL is allowed. */
LICHEN_API void lichen_encoder_free(lichen_encoder* encoder);

/** What went wrong in the last call with this handle, one sentence in UTF-8 that a user can act on; "" after success.
 * Owned by the handle, until its next call. */
LICHEN_API const char* lichen_encoder_error(const lichen_encoder* encoder);

/* Settings stay until they are set again. All return LICHEN_INVALID_ARGUMENT for values out of range. */

/** 0 (smallest) .. 100 (best), decimals allowed; 50 unless set. */
LICHEN_API lichen_status lichen_encoder_set_quality(lichen_encoder* encoder, double quality);
/** Instead of a quality: a file of at most this many bytes, and of at least 99 % of them; 0, unless set: none. */
LICHEN_API lichen_status lichen_encoder_set_target_bytes(lichen_encoder* encoder, uint64_t bytes);
/** The same as bits per pixel of the picture; 0, unless set: none. At most one target can be set when encoding. */
LICHEN_API lichen_status lichen_encoder_set_target_bits_per_pixel(lichen_encoder* encoder, double bits);
/** Instead of a quality: a PSNR of at least this many dB, and at most 0.05 dB more; 0, unless set: none. */
LICHEN_API lichen_status lichen_encoder_set_target_psnr(lichen_encoder* encoder, double psnr);
/** How the picture is coded; LICHEN_CODING_AUTO unless set. Since version 3 of this interface. */
LICHEN_API lichen_status lichen_encoder_set_coding(lichen_encoder* encoder, lichen_coding coding);
/** 0: quick; 1, unless set: a longer search for what costs least. Since version 2 of this interface. 2, 3, since
 *  version 4: less error for the same bytes, in many times the time. */
LICHEN_API lichen_status lichen_encoder_set_effort(lichen_encoder* encoder, int effort);
/** At most this many threads, 1..1024; 0, unless set: as many as the machine has. */
LICHEN_API lichen_status lichen_encoder_set_threads(lichen_encoder* encoder, int threads);
/** Pixels a side of what can be decoded alone: 64, 128, 256, ... 32768; 1024 unless set. */
LICHEN_API lichen_status lichen_encoder_set_tile_size(lichen_encoder* encoder, uint32_t tile_size);
/** Refuse pictures of more pixels than this with LICHEN_LIMIT_EXCEEDED; 2^30 unless set. */
LICHEN_API lichen_status lichen_encoder_set_max_pixels(lichen_encoder* encoder, uint64_t max_pixels);
/** Refuse pictures that take more memory to encode, besides picture and file and by an estimate made before any is taken,
 * with LICHEN_LIMIT_EXCEEDED; 2^31 unless set. */
LICHEN_API lichen_status lichen_encoder_set_max_memory(lichen_encoder* encoder, uint64_t max_bytes);
/** Copies metadata for the pictures to come, at most 2^26 bytes of each kind; size 0 removes it. */
LICHEN_API lichen_status lichen_encoder_set_metadata(lichen_encoder* encoder, lichen_metadata kind, const void* data,
                                                     size_t size);
/** Uses the model file in memory, which may be freed afterwards; size 0: the model built into the library.
 * Also LICHEN_TRUNCATED, LICHEN_DAMAGED, LICHEN_UNSUPPORTED_VERSION. */
LICHEN_API lichen_status lichen_encoder_set_model(lichen_encoder* encoder, const void* data, size_t size);
/** NULL: none. */
LICHEN_API lichen_status lichen_encoder_set_progress(lichen_encoder* encoder, lichen_progress progress, void* user);

/** Compresses a picture.
 *
 * pixels     rows from top to bottom, samples interleaved
 * channels   1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha (not premultiplied)
 * bit_depth  bits a sample: 8, or 16 in the byte order of the machine
 * stride     bytes from the start of a row to the start of the next; 0: rows follow each other without padding
 * data, size receive the bytes of the .lic file, to be freed with lichen_free; NULL and 0 after an error
 *
 * errors     LICHEN_INVALID_ARGUMENT for pictures that a .lic file cannot hold and targets out of reach, LICHEN_LIMIT_EXCEEDED,
 *            LICHEN_OUT_OF_MEMORY, LICHEN_CANCELLED
 */
LICHEN_API lichen_status lichen_encoder_encode(lichen_encoder* encoder, const void* pixels, uint32_t width,
                                               uint32_t height, int channels, int bit_depth, size_t stride,
                                               uint8_t** data, size_t* size);

/* ---- Decoding ---- */

typedef struct lichen_decoder lichen_decoder;

/** NULL when there is not enough memory. */
LICHEN_API lichen_decoder* lichen_decoder_new(void);
/** NULL is allowed. */
LICHEN_API void lichen_decoder_free(lichen_decoder* decoder);

/** As lichen_encoder_error. */
LICHEN_API const char* lichen_decoder_error(const lichen_decoder* decoder);

/* Settings, as for encoding. Limits apply from the next lichen_decoder_open on, before memory is taken. */

LICHEN_API lichen_status lichen_decoder_set_threads(lichen_decoder* decoder, int threads);
/** Refuse files that declare more pixels than this; 2^30 unless set. */
LICHEN_API lichen_status lichen_decoder_set_max_pixels(lichen_decoder* decoder, uint64_t max_pixels);
/** Refuse files that declare more bytes of metadata than this, uncompressed and in all; 2^26 unless set. */
LICHEN_API lichen_status lichen_decoder_set_max_metadata(lichen_decoder* decoder, uint64_t max_bytes);
/** As lichen_encoder_set_max_memory; it is lichen_decoder_decode that refuses. */
LICHEN_API lichen_status lichen_decoder_set_max_memory(lichen_decoder* decoder, uint64_t max_bytes);
LICHEN_API lichen_status lichen_decoder_set_model(lichen_decoder* decoder, const void* data, size_t size);
LICHEN_API lichen_status lichen_decoder_set_progress(lichen_decoder* decoder, lichen_progress progress, void* user);
/** Decodes a part of pictures only, which takes time and memory for that part: a rectangle in pixels of the full-size
 * picture, x and y of its upper left corner; all four 0, unless set: the whole. Its samples differ by at most 1 level
 * of 8 bits from those of the whole.
 *
 * errors  LICHEN_INVALID_ARGUMENT for a width or height of 0, and for a region that is not inside the picture of the
 *         open file, if one is open; the setting stays as it was then. With a file that is opened later and that does
 *         not have the region, lichen_decoder_decode returns it.
 *
 * Since version 2 of this interface. */
LICHEN_API lichen_status lichen_decoder_set_region(lichen_decoder* decoder, uint32_t x, uint32_t y, uint32_t width,
                                                   uint32_t height);
/** Decodes pictures smaller, to 1/denominator of their sides: 1, 2, 4, 8 or 16; 1 unless set. A sample is the mean of a
 * square of this many pixels a side, counted from the corner of the picture, for all squares that the region touches;
 * at 8 and 16 an approximation, which takes a fraction of the time. Since version 2 of this interface. */
LICHEN_API lichen_status lichen_decoder_set_scale(lichen_decoder* decoder, int denominator);

/** Reads what a file says about itself, without decoding it, and checks it against the limits.
 *
 * data, size  the whole .lic file, borrowed: it has to stay until the next lichen_decoder_open or lichen_decoder_free
 *
 * errors      LICHEN_TRUNCATED, LICHEN_DAMAGED, LICHEN_UNSUPPORTED_VERSION, LICHEN_LIMIT_EXCEEDED,
 *             LICHEN_OUT_OF_MEMORY; no file is open then
 */
LICHEN_API lichen_status lichen_decoder_open(lichen_decoder* decoder, const void* data, size_t size);

/* Facts about the open file; 0 or "" when none is. Region and scale only change the output and the bytes of its pixels.
 */

/** Pixels of the full-size picture, whatever region and scale are. */
LICHEN_API uint32_t lichen_decoder_width(const lichen_decoder* decoder);
LICHEN_API uint32_t lichen_decoder_height(const lichen_decoder* decoder);
/** As for lichen_encoder_encode. */
LICHEN_API int lichen_decoder_channels(const lichen_decoder* decoder);
/** As for lichen_encoder_encode. */
LICHEN_API int lichen_decoder_bit_depth(const lichen_decoder* decoder);
/** 0..100, with which it was encoded. */
LICHEN_API double lichen_decoder_quality(const lichen_decoder* decoder);
/** The model that the file needs, 16 hexadecimal digits; owned by the handle, until the next lichen_decoder_open. */
LICHEN_API const char* lichen_decoder_model_id(const lichen_decoder* decoder);
/** Pixels of what lichen_decoder_decode gives with the region and scale that are set now: without a region, width and
 * height divided by the denominator and rounded up; 0 where the region is not inside the picture. Since version 2. */
LICHEN_API uint32_t lichen_decoder_output_width(const lichen_decoder* decoder);
LICHEN_API uint32_t lichen_decoder_output_height(const lichen_decoder* decoder);
/** Bytes of the decoded pixels: those of the output, in rows without padding. */
LICHEN_API uint64_t lichen_decoder_pixel_bytes(const lichen_decoder* decoder);
/** Bytes of metadata of a kind; 0: there is none. */
LICHEN_API uint64_t lichen_decoder_metadata_bytes(const lichen_decoder* decoder, lichen_metadata kind);

/** The metadata of a kind, to be freed with lichen_free; NULL and 0 when there is none, and after an error. It takes
 * neither the pixels nor the model. errors: LICHEN_DAMAGED, LICHEN_OUT_OF_MEMORY, LICHEN_INVALID_ARGUMENT */
LICHEN_API lichen_status lichen_decoder_metadata(lichen_decoder* decoder, lichen_metadata kind, uint8_t** data,
                                                 size_t* size);

/** Decompresses the open file, or the region of it at the scale that are set, into the caller's memory.
 *
 * pixels  receives lichen_decoder_output_height rows as lichen_encoder_encode takes them; after an error some of them
 *         may be written
 * size    bytes there: at least the number of rows less one times the stride, and a row
 * stride  bytes from the start of a row to the start of the next; 0: lichen_decoder_pixel_bytes are written
 *
 * errors  LICHEN_DAMAGED, LICHEN_UNKNOWN_MODEL, LICHEN_LIMIT_EXCEEDED, LICHEN_OUT_OF_MEMORY, LICHEN_CANCELLED,
 * LICHEN_INVALID_ARGUMENT
 */
LICHEN_API lichen_status lichen_decoder_decode(lichen_decoder* decoder, void* pixels, size_t size, size_t stride);

#ifdef __cplusplus
}
#endif

#endif /* LICHEN_LICHEN_H_ */
