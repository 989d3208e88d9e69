#include "runtime/unicode.h"

static const uint32_t rows[] = {
#include "runtime/unicode_classes.def"
};

enum { ROWS = sizeof rows / sizeof *rows };

dlrt_class dlrt_class_of(uint32_t character) {
  size_t low = 0, high = ROWS; /* rows[low] begins at the character or before it */
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (rows[middle] >> 2 <= character)
      low = middle;
    else
      high = middle;
  }
  return (dlrt_class)(rows[low] & 3);
}

size_t dlrt_utf8(const unsigned char *at, const unsigned char *end, uint32_t *character) {
  size_t left = (size_t)(end - at), size;
  uint32_t value, least;
  if (!left) return 0;
  if (at[0] < 0x80) {
    *character = at[0];
    return 1;
  }
  if (at[0] >= 0xc2 && at[0] < 0xe0)
    size = 2, value = at[0] & 0x1f, least = 0x80;
  else if (at[0] >= 0xe0 && at[0] < 0xf0)
    size = 3, value = at[0] & 0x0f, least = 0x800;
  else if (at[0] >= 0xf0 && at[0] < 0xf5)
    size = 4, value = at[0] & 0x07, least = 0x10000;
  else
    return 0;
  if (left < size) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0;
    value = value << 6 | (at[i] & 0x3f);
  }
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
  *character = value;
  return size;
}

size_t dlrt_utf8_put(uint32_t character, unsigned char *to) {
  if (character < 0x80) {
    to[0] = (unsigned char)character;
    return 1;
  }
  size_t size = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; i--, character >>= 6)
    to[i] = (unsigned char)(0x80 | (character & 0x3f));
  to[0] = (unsigned char)((0xf00 >> size & 0xff) | character);
  return size;
}
