/* PGM and PPM, as text (P2, P3) or bytes (P5, P6). */
#include "runtime/array.h"

#include <string.h>

typedef struct {
  const unsigned char *at, *end;
} cursor;

/* The next number after blanks and comments, or -1. */
static int64_t next_number(cursor *c) {
  while (c->at < c->end && (strchr(" \t\r\n\v\f", *c->at) ? *c->at != 0 : *c->at == '#')) {
    if (*c->at == '#')
      while (c->at < c->end && *c->at != '\n') c->at++;
    else
      c->at++;
  }
  if (c->at >= c->end || *c->at < '0' || *c->at > '9') return -1;
  int64_t value = 0;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
    value = value * 10 + (*c->at++ - '0');
    if (value > INT32_MAX) return -1;
  }
  return value;
}

static void put(void *to, dlrt_element element, int64_t index, int64_t value) {
  if (element == DLRT_U8)
    ((uint8_t *)to)[index] = (uint8_t)value;
  else
    ((int32_t *)to)[index] = (int32_t)value;
}

dlrt_status dlrt_pnm_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error) {
  int kind = file->size > 2 ? file->data[1] - '0' : 0;
  if (kind != 2 && kind != 3 && kind != 5 && kind != 6)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: of PNM pictures P2, P3, P5 and P6 are read",
                     path);
  cursor c = {file->data + 2, file->data + file->size};
  int64_t width = next_number(&c), height = next_number(&c), full = next_number(&c);
  if (width < 1 || height < 1 || full < 1 || full > 65535)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the head of the picture is damaged", path);
  bool text = kind < 5;
  int channels = kind % 3 == 0 ? 3 : 1, bytes = full > 255 ? 2 : 1;
  if (!text && c.at < c.end) c.at++; /* exactly one blank */
  /* Each number takes a byte of the file, or two as text. */
  int64_t count, least;
  if (__builtin_mul_overflow(width * channels, height, &count) || count > INT64_MAX / 4) count = -1;
  least = text ? count : count * bytes;
  if (count < 0 || least > c.end - c.at)
    return dlrt_fail(error, DLRT_BAD_FILE,
                     "%.300s: cut short: %lld bytes for a picture of %lldx%lld", path,
                     (long long)(c.end - c.at), (long long)width, (long long)height);
  dlrt_array made;
  dlrt_element element = bytes == 1 ? DLRT_U8 : DLRT_I32;
  void *to = dlrt_array_make(&made, element, 3, (int64_t[]){channels, height, width});
  if (!to) return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory for the picture", path);
  made.full = (int)full;
  for (int64_t i = 0; i < count; i++) {
    int64_t value;
    if (text) {
      value = next_number(&c);
    } else {
      value = *c.at++;
      if (bytes == 2) value = value << 8 | *c.at++;
    }
    if (value < 0 || value > full) {
      dlrt_array_free(&made);
      return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the picture is cut short or damaged", path);
    }
    put(to, element, i % channels * (width * height) + i / channels, value);
  }
  dlrt_file_close(file);
  *array = made;
  return DLRT_OK;
}
