/* PNG: grey, RGB, palette, with or without alpha (which is dropped), 1 to 16 bits, not interlaced.
 */
#include "runtime/array.h"
#include "runtime/inflate.h"

#include <stdlib.h>
#include <string.h>

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6, LONGEST_SIDE = 1 << 20 };

typedef struct {
  int64_t width, height;
  int bits, colour;
  const unsigned char *palette;
  size_t colours;
  unsigned char *packed; /* all IDATs, joined */
  size_t packed_size;
} picture;

static dlrt_status damaged(const char *path, dlrt_error *error) {
  return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the PNG is damaged or cut short", path);
}

static uint32_t word(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static dlrt_status read_head(const char *path, const unsigned char *at, size_t length, picture *p,
                             dlrt_error *error) {
  static const unsigned char depths[] = {[GREY] = 1 | 2 | 4 | 8 | 16,
                                         [RGB] = 8 | 16,
                                         [PALETTE] = 1 | 2 | 4 | 8,
                                         [GREY_ALPHA] = 8 | 16,
                                         [RGB_ALPHA] = 8 | 16};
  if (length != 13) return damaged(path, error);
  p->width = word(at);
  p->height = word(at + 4);
  p->bits = at[8];
  p->colour = at[9];
  bool power = p->bits && !(p->bits & (p->bits - 1));
  if (p->width < 1 || p->height < 1 || p->colour > RGB_ALPHA || !power || p->bits > 16 ||
      !(depths[p->colour] & p->bits) || at[10] || at[11] || at[12] > 1)
    return damaged(path, error);
  if (p->width > LONGEST_SIDE || p->height > LONGEST_SIDE)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: a picture of %lldx%lld is too large", path,
                     (long long)p->width, (long long)p->height);
  if (at[12])
    return dlrt_fail(error, DLRT_BAD_FILE,
                     "%.300s: interlaced PNG is not read; save it without interlacing", path);
  return DLRT_OK;
}

static dlrt_status read_chunks(const char *path, const dlrt_file *file, picture *p,
                               dlrt_error *error) {
  if (file->size < 8 || memcmp(file->data, "\x89PNG\r\n\x1a\n", 8)) return damaged(path, error);
  for (size_t at = 8; file->size - at >= 12;) {
    const unsigned char *chunk = file->data + at;
    size_t length = word(chunk);
    if (length > file->size - at - 12) return damaged(path, error);
    if (dlrt_crc32(0, chunk + 4, length + 4) != word(chunk + 8 + length))
      return damaged(path, error);
    bool first = at == 8;
    if (first != (memcmp(chunk + 4, "IHDR", 4) == 0)) return damaged(path, error);
    if (first) {
      dlrt_status status = read_head(path, chunk + 8, length, p, error);
      if (status) return status;
    } else if (memcmp(chunk + 4, "PLTE", 4) == 0) {
      p->palette = chunk + 8;
      p->colours = length / 3;
    } else if (memcmp(chunk + 4, "IDAT", 4) == 0) {
      if (length) memcpy(p->packed + p->packed_size, chunk + 8, length);
      p->packed_size += length;
    } else if (memcmp(chunk + 4, "IEND", 4) == 0) {
      return p->colour == PALETTE && !p->palette ? damaged(path, error) : DLRT_OK;
    }
    at += 12 + length;
  }
  return damaged(path, error);
}

static int paeth(int left, int up, int corner) {
  int near = left + up - corner;
  int a = abs(near - left), b = abs(near - up), c = abs(near - corner);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/* Undoes a row's filter; `step` is the distance to the pixel at its left. */
static bool unfilter(int filter, unsigned char *row, const unsigned char *above, size_t bytes,
                     size_t step) {
  if (filter > 4) return false;
  for (size_t i = 0; i < bytes; i++) {
    int left = i >= step ? row[i - step] : 0, up = above ? above[i] : 0;
    int corner = above && i >= step ? above[i - step] : 0;
    int guess = filter == 1   ? left
                : filter == 2 ? up
                : filter == 3 ? (left + up) / 2
                : filter == 4 ? paeth(left, up, corner)
                              : 0;
    row[i] = (unsigned char)(row[i] + guess);
  }
  return true;
}

static int sample(const unsigned char *row, int bits, int64_t index) {
  if (bits == 16) return row[2 * index] << 8 | row[2 * index + 1];
  if (bits == 8) return row[index];
  return row[index * bits / 8] >> (8 - bits - index * bits % 8) & ((1 << bits) - 1);
}

static bool put_row(const picture *p, const unsigned char *row, int64_t y, int samples,
                    int channels, dlrt_array *array, void *to) {
  int64_t plane = p->width * p->height;
  for (int64_t x = 0; x < p->width; x++)
    for (int c = 0; c < channels; c++) {
      int value;
      if (p->colour == PALETTE) {
        int entry = sample(row, p->bits, x);
        if ((size_t)entry >= p->colours) return false;
        value = p->palette[3 * entry + c];
      } else {
        value = sample(row, p->bits, x * samples + c);
      }
      int64_t at = c * plane + y * p->width + x;
      if (array->element == DLRT_U8)
        ((uint8_t *)to)[at] = (uint8_t)value;
      else
        ((int32_t *)to)[at] = value;
    }
  return true;
}

static dlrt_status decode(const char *path, const picture *p, dlrt_array *array,
                          dlrt_error *error) {
  static const int samples_of[] = {
      [GREY] = 1, [RGB] = 3, [PALETTE] = 1, [GREY_ALPHA] = 2, [RGB_ALPHA] = 4};
  int samples = samples_of[p->colour], channels = p->colour & 2 ? 3 : 1;
  size_t bytes = ((size_t)p->width * (size_t)(samples * p->bits) + 7) / 8;
  size_t step = (size_t)(samples * p->bits + 7) / 8, size = (bytes + 1) * (size_t)p->height;
  /* Deflate makes at most 1032 bytes of one: more is a lie, and not worth the memory. */
  if (size / 1032 > p->packed_size + 1) return damaged(path, error);
  unsigned char *rows = malloc(size);
  void *to = rows ? dlrt_array_make(array, p->bits == 16 ? DLRT_I32 : DLRT_U8, 3,
                                    (int64_t[]){channels, p->height, p->width})
                  : NULL;
  if (!to) {
    free(rows);
    return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory for the picture", path);
  }
  array->full = p->colour == PALETTE ? 255 : (1 << p->bits) - 1;
  bool good = dlrt_inflate(p->packed, p->packed_size, rows, size, true);
  for (int64_t y = 0; good && y < p->height; y++) {
    unsigned char *row = rows + (size_t)y * (bytes + 1);
    good = unfilter(row[0], row + 1, y ? row - bytes : NULL, bytes, step) &&
           put_row(p, row + 1, y, samples, channels, array, to);
  }
  free(rows);
  if (good) return DLRT_OK;
  dlrt_array_free(array);
  return damaged(path, error);
}

dlrt_status dlrt_png_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error) {
  picture p = {.packed = malloc(file->size ? file->size : 1)};
  if (!p.packed) return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to unpack it", path);
  dlrt_array made;
  dlrt_status status = read_chunks(path, file, &p, error);
  if (!status) status = decode(path, &p, &made, error);
  free(p.packed);
  if (status) return status;
  dlrt_file_close(file);
  *array = made;
  return DLRT_OK;
}
