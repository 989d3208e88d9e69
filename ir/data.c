#include "ir/data.h"

#include "ir/made.h"
#include "ir/move.h"
#include "support/bug.h"
#include "support/sha256.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

Data *data_new(Arena *arena, Element element, int64_t count, const void *bytes) {
  Data *data = ARENA_NEW(arena, Data);
  *data = (Data){.element = element, .count = count, .bytes = bytes};
  return data;
}

int64_t data_bytes(const Data *data) {
  return data->count * element_infos[data->element].bytes;
}

bool data_is_known(const Data *data) {
  if (data->bytes) return true;
  if (data->move) return data_is_known(move_source(data->move));
  return data->made && data_is_known(data->made->source);
}

const void *data_contents(const Data *data) {
  if (data->bytes || (!data->move && !data->made)) return data->bytes;
  Data *own = (Data *)data; /* the same elements as before */
  void *bytes = arena_alloc(data->arena, (size_t)data_bytes(data));
  data_read(data, 0, data->count, bytes);
  data_release(data);
  own->bytes = bytes;
  return bytes;
}

void data_read(const Data *data, int64_t from, int64_t count, void *to) {
  if (!data->bytes && data->move) {
    move_read(data->move, from, count, to);
    return;
  }
  if (!data->bytes && data->made) {
    data->made->read(data->made, from, count, to);
    return;
  }
  size_t size = (size_t)element_infos[data->element].bytes;
  if (count) memcpy(to, (const char *)data->bytes + (size_t)from * size, (size_t)count * size);
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 32;
}

uint64_t data_digest(const Data *data) {
  uint64_t hash = (uint64_t)data->count;
  if (!data->bytes && data->made)
    return mix(mix(hash, data_digest(data->made->source)), made_digest(data->made));
  const Data *from = data->bytes || !data->move ? data : move_source(data->move);
  const unsigned char *bytes = from->bytes;
  int64_t length = bytes ? data_bytes(from) : 0;
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    hash = mix(hash, word);
  }
  for (; length; bytes++, length--) hash = mix(hash, *bytes);
  if (from != data) hash = mix(hash, move_digest(data->move));
  data_release(from);
  return hash;
}

void data_release(const Data *data) {
  while (!data->bytes && (data->move || data->made))
    data = data->move ? move_source(data->move) : data->made->source;
  if (!data->mapped || !data->bytes) return;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)data->bytes;
  uintptr_t end = (from + (uintptr_t)data_bytes(data)) / page * page;
  from = (from + page - 1) / page * page;
  if (from < end) madvise((void *)from, end - from, MADV_DONTNEED); /* saves memory if it can */
}

const char *data_hash(Arena *arena, Data *data) {
  if (!data->hashed) {
    const void *bytes = data_contents(data);
    if (!bytes) bug("data without bytes and without a hash");
    sha256(bytes, (size_t)data_bytes(data), data->sha256);
    data->hashed = true;
  }
  const uint8_t *h = data->sha256;
  return arena_format(arena, "x%02x%02x%02x%02x", h[0], h[1], h[2], h[3]);
}

bool data_equal(const Data *a, const Data *b) {
  if (a == b) return true;
  if (a->element != b->element || a->count != b->count) return false;
  if (a->hashed && b->hashed)
    return memcmp(a->sha256, b->sha256, data_is_known(a) && data_is_known(b) ? 32 : 4) == 0;
  if (a->move && b->move && move_equal(a->move, b->move)) return true;
  if (a->made && b->made && made_equal(a->made, b->made)) return true;
  if (data_is_known(a) && data_is_known(b)) {
    const void *x = data_contents(a), *y = data_contents(b);
    return x == y || memcmp(x, y, (size_t)data_bytes(a)) == 0;
  }
  const Data *elided = data_is_known(a) ? b : a, *other = data_is_known(a) ? a : b;
  if (!elided->hashed || !data_is_known(other)) return false;
  uint8_t digest[32];
  sha256(data_contents(other), (size_t)data_bytes(other), digest);
  return memcmp(elided->sha256, digest, 4) == 0;
}

double data_get(const Data *data, int64_t index) {
  return element_load(data->element, data_contents(data), index);
}

int64_t data_get_integer(const Data *data, int64_t index) {
  return element_load_integer(data->element, data_contents(data), index);
}

/* ---- half precisions: `digits` bits after the point, exponents from `least` to `most` ---- */

typedef struct {
  int digits, least, most;
} Format;
static const Format format_f16 = {10, -14, 15}, format_bf16 = {7, -126, 127};

static double round_to(Format format, double value) {
  if (value == 0 || !isfinite(value)) return value;
  int exponent = ilogb(value);
  if (exponent < format.least) exponent = format.least;
  double unit = ldexp(1, exponent - format.digits);
  double rounded = rint(value / unit) * unit; /* both steps exact but for the rounding meant */
  return fabs(rounded) >= ldexp(1, format.most + 1) ? copysign(INFINITY, value) : rounded;
}

static uint16_t to_bits(Format format, double value) {
  int exponent_bits = 15 - format.digits;
  unsigned sign = signbit(value) ? 0x8000u : 0, top = ((1u << exponent_bits) - 1) << format.digits;
  if (isnan(value)) return (uint16_t)(sign | top | 1u << (format.digits - 1));
  double magnitude = fabs(round_to(format, value));
  if (isinf(magnitude)) return (uint16_t)(sign | top);
  if (magnitude < ldexp(1, format.least)) /* subnormal or zero */
    return (uint16_t)(sign | (unsigned)ldexp(magnitude, format.digits - format.least));
  int exponent = ilogb(magnitude);
  unsigned fraction = (unsigned)ldexp(magnitude, format.digits - exponent) - (1u << format.digits);
  return (uint16_t)(sign | (unsigned)(exponent - format.least + 1) << format.digits | fraction);
}

static double from_bits(Format format, uint16_t bits) {
  unsigned fraction = bits & ((1u << format.digits) - 1);
  int exponent = (bits & 0x7fff) >> format.digits;
  double value;
  if (exponent == (1 << (15 - format.digits)) - 1)
    value = fraction ? NAN : INFINITY;
  else if (exponent == 0)
    value = ldexp(fraction, format.least - format.digits);
  else
    value = ldexp(fraction + (1u << format.digits), exponent - 1 + format.least - format.digits);
  return bits & 0x8000 ? -value : value;
}

/* ---- elements in memory, which need not be aligned ---- */

static const char *element_at(Element element, const void *bytes, int64_t index) {
  return (const char *)bytes + index * element_infos[element].bytes;
}

int64_t element_load_integer(Element element, const void *bytes, int64_t index) {
  const char *from = element_at(element, bytes, index);
  switch (element) {
  case ELEMENT_i8:
    return *(const int8_t *)from;
  case ELEMENT_u8:
    return *(const uint8_t *)from;
  case ELEMENT_bool:
    return *(const uint8_t *)from != 0;
  case ELEMENT_i32: {
    int32_t value;
    memcpy(&value, from, sizeof value);
    return value;
  }
  case ELEMENT_i64: {
    int64_t value;
    memcpy(&value, from, sizeof value);
    return value;
  }
  default:
    bug("an integer of %s", element_infos[element].name);
  }
}

double element_load(Element element, const void *bytes, int64_t index) {
  const char *from = element_at(element, bytes, index);
  switch (element) {
  case ELEMENT_f32: {
    float value;
    memcpy(&value, from, sizeof value);
    return value;
  }
  case ELEMENT_f64: {
    double value;
    memcpy(&value, from, sizeof value);
    return value;
  }
  case ELEMENT_f16:
  case ELEMENT_bf16: {
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return from_bits(element == ELEMENT_f16 ? format_f16 : format_bf16, value);
  }
  default:
    return (double)element_load_integer(element, bytes, index);
  }
}

void element_store_integer(Element element, void *bytes, int64_t index, int64_t value) {
  char *to = (char *)bytes + index * element_infos[element].bytes;
  switch (element) {
  case ELEMENT_i8:
  case ELEMENT_u8:
    *(uint8_t *)to = (uint8_t)value;
    break;
  case ELEMENT_bool:
    *(uint8_t *)to = value != 0;
    break;
  case ELEMENT_i32: {
    uint32_t low = (uint32_t)value;
    memcpy(to, &low, sizeof low);
    break;
  }
  case ELEMENT_i64:
    memcpy(to, &value, sizeof value);
    break;
  case ELEMENT_f32: {
    float real = (float)value; /* one rounding, not by way of double */
    memcpy(to, &real, sizeof real);
    break;
  }
  default:
    element_store(element, bytes, index, (double)value);
  }
}

static int64_t saturate(double value, double least, double most) { /* exact bounds */
  if (isnan(value)) return 0;
  value = trunc(value);
  if (value <= least) return (int64_t)least;
  if (value >= most) return most >= 0x1p63 ? INT64_MAX : (int64_t)most;
  return (int64_t)value;
}

void element_store(Element element, void *bytes, int64_t index, double value) {
  char *to = (char *)bytes + index * element_infos[element].bytes;
  switch (element) {
  case ELEMENT_f32: {
    float real = (float)value;
    memcpy(to, &real, sizeof real);
    return;
  }
  case ELEMENT_f64:
    memcpy(to, &value, sizeof value);
    return;
  case ELEMENT_f16:
  case ELEMENT_bf16: {
    uint16_t bits = to_bits(element == ELEMENT_f16 ? format_f16 : format_bf16, value);
    memcpy(to, &bits, sizeof bits);
    return;
  }
  case ELEMENT_bool:
    *(uint8_t *)to = value != 0;
    return;
  case ELEMENT_i8:
    element_store_integer(element, bytes, index, saturate(value, -128, 127));
    return;
  case ELEMENT_u8:
    element_store_integer(element, bytes, index, saturate(value, 0, 255));
    return;
  case ELEMENT_i32:
    element_store_integer(element, bytes, index, saturate(value, INT32_MIN, INT32_MAX));
    return;
  case ELEMENT_i64:
    element_store_integer(element, bytes, index, saturate(value, -0x1p63, 0x1p63));
    return;
  case ELEMENTS:
    break;
  }
  bug("no element type %d", element);
}

double element_round(Element element, double value) {
  switch (element) {
  case ELEMENT_f64:
    return value;
  case ELEMENT_f32:
    return (float)value;
  case ELEMENT_f16:
    return round_to(format_f16, value);
  case ELEMENT_bf16:
    return round_to(format_bf16, value);
  default: {
    int64_t slot;
    element_store(element, &slot, 0, value);
    return element_load(element, &slot, 0);
  }
  }
}
