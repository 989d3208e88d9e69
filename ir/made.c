#include "ir/made.h"

#include "ir/move.h"

#include <string.h>

enum { AT_ONCE = 1 << 16 }; /* bytes: less is not worth keeping for later */

Data *data_made(Arena *arena, const MadeData *made, Element element, int64_t count) {
  Data *data = data_new(arena, element, count, NULL);
  data->made = made;
  data->arena = arena;
  if (data_bytes(data) <= AT_ONCE) data_contents(data);
  return data;
}

static const unsigned char *parameters(const MadeData *made, size_t *length) {
  *length = made->bytes - sizeof *made;
  return (const unsigned char *)made + sizeof *made;
}

uint64_t made_digest(const MadeData *made) {
  size_t length;
  const unsigned char *bytes = parameters(made, &length);
  uint64_t hash = 0;
  for (size_t i = 0; i < length; i++) hash = hash * 31 + bytes[i];
  return hash;
}

static bool same_source(const Data *a, const Data *b) {
  if (a == b) return true;
  if (a->element != b->element || a->count != b->count) return false;
  if (a->bytes || b->bytes) return a->bytes == b->bytes;
  return a->move && b->move && move_equal(a->move, b->move);
}

bool made_equal(const MadeData *a, const MadeData *b) {
  size_t length, other;
  const unsigned char *x = parameters(a, &length), *y = parameters(b, &other);
  return a->read == b->read && length == other && memcmp(x, y, length) == 0 &&
         same_source(a->source, b->source);
}
