#include "runtime/element.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  char name[6];
  unsigned char size;
  bool is_float;
} elements[DLRT_ELEMENTS + 1] = {
    [DLRT_F32] = {"f32", 4, true},    [DLRT_F64] = {"f64", 8, true},
    [DLRT_F16] = {"f16", 2, true},    [DLRT_BF16] = {"bf16", 2, true},
    [DLRT_I8] = {"i8", 1, false},     [DLRT_U8] = {"u8", 1, false},
    [DLRT_I32] = {"i32", 4, false},   [DLRT_I64] = {"i64", 8, false},
    [DLRT_BOOL] = {"bool", 1, false}, [DLRT_ELEMENTS] = {"?", 1, false},
};

static int known(int64_t element) {
  return element >= 0 && element < DLRT_ELEMENTS ? (int)element : DLRT_ELEMENTS;
}

const char *dlrt_element_name(int64_t element) {
  return elements[known(element)].name;
}
size_t dlrt_element_size(int64_t element) {
  return elements[known(element)].size;
}
bool dlrt_element_is_float(int64_t element) {
  return elements[known(element)].is_float;
}

dlrt_element dlrt_element_named(const char *name, size_t length) {
  for (int i = 0; i < DLRT_ELEMENTS; i++)
    if (strlen(elements[i].name) == length && memcmp(elements[i].name, name, length) == 0)
      return (dlrt_element)i;
  return DLRT_ELEMENTS;
}

size_t dlrt_bytes(size_t size, int64_t rank, const int64_t *shape) {
  for (int64_t i = 0; i < rank; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(size, (size_t)shape[i], &size)) return SIZE_MAX;
  return size > PTRDIFF_MAX ? SIZE_MAX : size;
}

void dlrt_shape_text(char *to, size_t size, int64_t element, int64_t rank, const int64_t *shape) {
  size_t used = (size_t)snprintf(to, size, "%s[", dlrt_element_name(element));
  for (int64_t i = 0; i < rank && used < size; i++)
    used += (size_t)snprintf(to + used, size - used, "%s%lld", i ? "," : "", (long long)shape[i]);
  if (used < size) snprintf(to + used, size - used, "]");
}

float dlrt_from_f16(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31;
  uint32_t fraction = bits & 1023, word;
  if (exponent == 31) {
    word = sign | 0x7f800000 | fraction << 13;
  } else if (exponent) {
    word = sign | (exponent + 112) << 23 | fraction << 13;
  } else {
    float small = (float)fraction * 0x1p-24f; /* subnormal, or zero: exact in f32 */
    memcpy(&word, &small, 4);
    word |= sign;
  }
  float value;
  memcpy(&value, &word, 4);
  return value;
}

uint16_t dlrt_to_f16(float value) {
  uint32_t word;
  memcpy(&word, &value, 4);
  uint16_t sign = (uint16_t)(word >> 16 & 0x8000);
  word &= 0x7fffffff;
  if (word > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (word >> 13 & 0x3ff));
  if (word >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and above */
  if (word < 0x38800000) {                                  /* subnormal: in units of 2^-24 */
    float size;
    memcpy(&size, &word, 4);
    float units = size * 0x1p24f; /* below 1024, so adding 2^23 rounds it to nearest even */
    volatile float shifted = units + 0x1p23f;
    return (uint16_t)(sign | (uint16_t)(shifted - 0x1p23f));
  }
  word += 0xfff + (word >> 13 & 1);
  return (uint16_t)(sign | (word - 0x38000000) >> 13);
}

float dlrt_from_bf16(uint16_t bits) {
  uint32_t word = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &word, 4);
  return value;
}

uint16_t dlrt_to_bf16(float value) {
  uint32_t word;
  memcpy(&word, &value, 4);
  if ((word & 0x7fffffff) > 0x7f800000) return (uint16_t)(word >> 16 | 0x40);
  return (uint16_t)((word + 0x7fff + (word >> 16 & 1)) >> 16);
}

int64_t dlrt_element_get_integer(int64_t element, const void *from) {
  switch (element) {
  case DLRT_I8:
    return *(const int8_t *)from;
  case DLRT_U8:
    return *(const uint8_t *)from;
  case DLRT_BOOL:
    return *(const uint8_t *)from != 0;
  case DLRT_I32: {
    int32_t value;
    memcpy(&value, from, 4);
    return value;
  }
  case DLRT_I64: {
    int64_t value;
    memcpy(&value, from, 8);
    return value;
  }
  default:
    break;
  }
  double value = dlrt_element_get(element, from);
  if (value != value) return 0;
  if (value >= 0x1p63) return INT64_MAX;
  return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

double dlrt_element_get(int64_t element, const void *from) {
  switch (element) {
  case DLRT_F32: {
    float value;
    memcpy(&value, from, 4);
    return (double)value;
  }
  case DLRT_F64: {
    double value;
    memcpy(&value, from, 8);
    return value;
  }
  case DLRT_F16:
  case DLRT_BF16: {
    uint16_t bits;
    memcpy(&bits, from, 2);
    return (double)(element == DLRT_F16 ? dlrt_from_f16(bits) : dlrt_from_bf16(bits));
  }
  case DLRT_I8:
  case DLRT_U8:
  case DLRT_BOOL:
  case DLRT_I32:
  case DLRT_I64:
    return (double)dlrt_element_get_integer(element, from);
  default:
    return 0;
  }
}

static double saturate(double value, double low, double high) {
  if (value != value) return 0;
  return value < low ? low : value > high ? high : trunc(value);
}

void dlrt_element_set(int64_t element, void *to, double value) {
  switch (element) {
  case DLRT_F32: {
    float narrow = (float)value;
    memcpy(to, &narrow, 4);
    break;
  }
  case DLRT_F64:
    memcpy(to, &value, 8);
    break;
  case DLRT_F16:
  case DLRT_BF16: {
    uint16_t bits = element == DLRT_F16 ? dlrt_to_f16((float)value) : dlrt_to_bf16((float)value);
    memcpy(to, &bits, 2);
    break;
  }
  case DLRT_I8:
    *(int8_t *)to = (int8_t)saturate(value, -128, 127);
    break;
  case DLRT_U8:
    *(uint8_t *)to = (uint8_t)saturate(value, 0, 255);
    break;
  case DLRT_BOOL:
    *(uint8_t *)to = value != 0;
    break;
  case DLRT_I32: {
    int32_t narrow = (int32_t)saturate(value, INT32_MIN, INT32_MAX);
    memcpy(to, &narrow, 4);
    break;
  }
  case DLRT_I64: {
    int64_t wide = value >= 0x1p63 ? INT64_MAX : (int64_t)saturate(value, -0x1p63, 0x1p63);
    memcpy(to, &wide, 8);
    break;
  }
  default:
    break;
  }
}

static bool fits(int64_t element, int64_t value) {
  switch (element) {
  case DLRT_I8:
    return value >= INT8_MIN && value <= INT8_MAX;
  case DLRT_U8:
    return value >= 0 && value <= UINT8_MAX;
  case DLRT_BOOL:
    return value == 0 || value == 1;
  case DLRT_I32:
    return value >= INT32_MIN && value <= INT32_MAX;
  default:
    return true;
  }
}

static size_t convert_integers(int64_t from_element, const char *from, int64_t to_element, char *to,
                               size_t count) {
  size_t from_size = dlrt_element_size(from_element), to_size = dlrt_element_size(to_element);
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    int64_t value = dlrt_element_get_integer(from_element, from + i * from_size);
    wrong += !fits(to_element, value);
    if (to_element == DLRT_I64)
      memcpy(to + i * 8, &value, 8);
    else
      dlrt_element_set(to_element, to + i * to_size, (double)value);
  }
  return wrong;
}

dlrt_typed dlrt_element_read(int64_t element, void *to, const char *text) {
  char *end;
  double number = strtod(text, &end);
  if (*end || end == text) return DLRT_TYPED_OTHER;
  if (dlrt_element_is_float(element)) {
    dlrt_element_set(element, to, number);
    return DLRT_TYPED_NUMBER;
  }
  errno = 0;
  int64_t whole = strtoll(text, &end, 10);
  bool beyond = errno != 0;
  if (*end) { /* 1e3 */
    beyond = !(fabs(number) < 0x1p63) || number != trunc(number);
    whole = beyond ? 0 : (int64_t)number;
  }
  if (beyond || !fits(element, whole)) return DLRT_TYPED_BEYOND;
  convert_integers(DLRT_I64, (const char *)&whole, element, to, 1);
  return DLRT_TYPED_NUMBER;
}

/* The cases that data sets and weights are made of, each a loop of its own. */
static bool convert_usual(int64_t from_element, const char *from, char *to, size_t count,
                          double scale) {
  float factor = (float)scale;
  switch (from_element) {
  case DLRT_U8:
    for (size_t i = 0; i < count; i++) {
      float value = (float)((const unsigned char *)from)[i] * factor;
      memcpy(to + 4 * i, &value, 4);
    }
    return true;
  case DLRT_F16:
  case DLRT_BF16:
    for (size_t i = 0; i < count; i++) {
      uint16_t bits;
      memcpy(&bits, from + 2 * i, 2);
      float value = from_element == DLRT_F16 ? dlrt_from_f16(bits) : dlrt_from_bf16(bits);
      value *= factor;
      memcpy(to + 4 * i, &value, 4);
    }
    return true;
  default:
    return false;
  }
}

size_t dlrt_convert(int64_t from_element, const void *from, int64_t to_element, void *to,
                    size_t count, double scale) {
  size_t from_size = dlrt_element_size(from_element), to_size = dlrt_element_size(to_element);
  if (from_element == to_element && scale == 1) {
    if (count) memcpy(to, from, count * from_size);
    return 0;
  }
  if (!dlrt_element_is_float(from_element) && !dlrt_element_is_float(to_element) && scale == 1)
    return convert_integers(from_element, from, to_element, to, count);
  if (to_element == DLRT_F32 && convert_usual(from_element, from, to, count, scale)) return 0;
  for (size_t i = 0; i < count; i++)
    dlrt_element_set(to_element, (char *)to + i * to_size,
                     dlrt_element_get(from_element, (const char *)from + i * from_size) * scale);
  return 0;
}
