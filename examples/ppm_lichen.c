/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface in use: PPM pictures to .lic files and back.
 *
 *   cc -std=c99 ppm_lichen.c -o ppm_lichen $(pkg-config --cflags --libs lichen)
 *   ./ppm_lichen encode photo.ppm photo.lic 75
 *   ./ppm_lichen info photo.lic
 *   ./ppm_lichen decode photo.lic photo.ppm
 *   ./ppm_lichen decode photo.lic preview.ppm 8
 */
#include <lichen/lichen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file in memory; NULL, with a message, when it cannot be read. */
static uint8_t* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  uint8_t* bytes = NULL;
  size_t capacity = 0, got = 0;
  *size = 0;
  while (file != NULL) {
    if (*size == capacity) {
      uint8_t* larger = (uint8_t*)realloc(bytes, capacity = capacity * 2 + 65536);
      if (larger == NULL) break;
      bytes = larger;
    }
    got = fread(bytes + *size, 1, capacity - *size, file);
    *size += got;
    if (got == 0 && !ferror(file)) {
      fclose(file);
      return bytes;
    }
    if (got == 0) break;
  }
  perror(path);
  free(bytes);
  if (file != NULL) fclose(file);
  return NULL;
}

/* Writes two pieces, one after the other; 0, with a message, when that fails. */
static int write_file(const char* path, const void* first, size_t first_size, const void* second, size_t second_size) {
  FILE* file = fopen(path, "wb");
  int ok = file != NULL && fwrite(first, 1, first_size, file) == first_size &&
           fwrite(second, 1, second_size, file) == second_size;
  if (file != NULL && fclose(file) != 0) ok = 0;
  if (!ok) perror(path);
  return ok;
}

static int encode(const char* from, const char* to, double quality) {
  size_t size = 0, lic_size = 0;
  uint8_t* lic = NULL;
  uint8_t* ppm = read_file(from, &size);
  unsigned width = 0, height = 0;
  char header[32] = {0};
  int header_bytes = 0, ok = 0;
  lichen_encoder* encoder = lichen_encoder_new();

  if (ppm == NULL || encoder == NULL) goto end;
  memcpy(header, ppm, size < sizeof header - 1 ? size : sizeof header - 1);
  if (sscanf(header, "P6 %8u %8u 255%n", &width, &height, &header_bytes) != 2 || header_bytes == 0 ||
      size - (size_t)header_bytes - 1 != (size_t)width * height * 3) {
    fprintf(stderr, "%s: not a PPM picture (P6) of 8 bits a sample, without comments\n", from);
    goto end;
  }
  if (lichen_encoder_set_quality(encoder, quality) != LICHEN_OK ||
      lichen_encoder_encode(encoder, ppm + header_bytes + 1, width, height, 3, 8, 0, &lic, &lic_size) != LICHEN_OK) {
    fprintf(stderr, "%s: %s\n", from, lichen_encoder_error(encoder));
    goto end;
  }
  ok = write_file(to, lic, lic_size, "", 0);
end:
  lichen_free(lic);
  lichen_encoder_free(encoder);
  free(ppm);
  return ok;
}

/* Shows facts where `to` is NULL, otherwise decodes, at 1/denominator of the size. */
static int decode(const char* from, const char* to, int denominator) {
  size_t size = 0;
  uint8_t* lic = read_file(from, &size);
  uint8_t* pixels = NULL;
  size_t pixel_bytes;
  char header[64];
  int ok = 0;
  lichen_decoder* decoder = lichen_decoder_new();

  if (lic == NULL || decoder == NULL) goto end;
  lichen_decoder_set_max_pixels(decoder, 100000000); /* what this program is ready to hold in memory */
  if (lichen_decoder_set_scale(decoder, denominator) != LICHEN_OK ||
      lichen_decoder_open(decoder, lic, size) != LICHEN_OK) {
    fprintf(stderr, "%s: %s\n", from, lichen_decoder_error(decoder));
    goto end;
  }
  if (to == NULL) {
    ok = printf("%ux%u, %d channels, quality %.1f, model %s, %lu bytes of ICC profile\n",
                (unsigned)lichen_decoder_width(decoder), (unsigned)lichen_decoder_height(decoder),
                lichen_decoder_channels(decoder), lichen_decoder_quality(decoder), lichen_decoder_model_id(decoder),
                (unsigned long)lichen_decoder_metadata_bytes(decoder, LICHEN_ICC)) > 0;
    goto end;
  }
  if (lichen_decoder_channels(decoder) != 3 || lichen_decoder_bit_depth(decoder) != 8) {
    fprintf(stderr, "%s: this example writes RGB of 8 bits a sample only\n", from);
    goto end;
  }
  pixel_bytes = (size_t)lichen_decoder_pixel_bytes(decoder);
  pixels = (uint8_t*)malloc(pixel_bytes);
  if (pixels == NULL) {
    fprintf(stderr, "%s: not enough memory\n", from);
    goto end;
  }
  if (lichen_decoder_decode(decoder, pixels, pixel_bytes, 0) != LICHEN_OK) {
    fprintf(stderr, "%s: %s\n", from, lichen_decoder_error(decoder));
    goto end;
  }
  sprintf(header, "P6\n%u %u\n255\n", (unsigned)lichen_decoder_output_width(decoder),
          (unsigned)lichen_decoder_output_height(decoder));
  ok = write_file(to, header, strlen(header), pixels, pixel_bytes);
end:
  free(pixels);
  lichen_decoder_free(decoder);
  free(lic);
  return ok;
}

int main(int argc, char** argv) {
  int ok = 0;
  if (argc == 5 && strcmp(argv[1], "encode") == 0) {
    ok = encode(argv[2], argv[3], atof(argv[4]));
  } else if ((argc == 4 || argc == 5) && strcmp(argv[1], "decode") == 0) {
    ok = decode(argv[2], argv[3], argc == 5 ? atoi(argv[4]) : 1);
  } else if (argc == 3 && strcmp(argv[1], "info") == 0) {
    ok = decode(argv[2], NULL, 1);
  } else {
    fprintf(stderr,
            "Lichen %s\n"
            "usage: ppm_lichen encode PPM LIC QUALITY\n"
            "       ppm_lichen decode LIC PPM [1|2|4|8|16]    at this fraction of its size\n"
            "       ppm_lichen info LIC\n",
            lichen_version());
    return 2;
  }
  return ok ? 0 : 1;
}
