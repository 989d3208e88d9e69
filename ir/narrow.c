#include "ir/narrow.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LARGEST = 127 };

static uint16_t to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (value != value) return (uint16_t)((bits | 0x400000) >> 16);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Adding 1.5 * 2^52 rounds a double of modest size to a whole number, to even. */
static int8_t to_i8(float value, float scale) {
  double rounded = (double)value / (double)scale + 0x1.8p52 - 0x1.8p52;
  return (int8_t)(rounded > LARGEST ? LARGEST : rounded < -LARGEST ? -LARGEST : rounded);
}

void narrow_run(Element to, char *result, const char *from, int64_t count, int64_t stride,
                const float *scale, int64_t apart) {
  static const float one = 1;
  if (!scale) scale = &one, apart = 0;
  for (int64_t i = 0; i < count; i++, from += stride) {
    float value;
    memcpy(&value, from, sizeof value);
    float by = scale[i * apart];
    if (to == ELEMENT_i8) {
      result[i] = (char)to_i8(value, by);
    } else if (to == ELEMENT_bf16) {
      uint16_t bits = to_bf16(value / by);
      memcpy(result + 2 * i, &bits, sizeof bits);
    } else {
      element_store(to, result, i, (double)value / (double)by);
    }
  }
}

Data *narrow_scales(Arena *arena, const Data *data, const Type *type, unsigned axes) {
  enum { PART = 4096 };
  int64_t apart[MOST_AXES] = {0}, index[MOST_AXES] = {0}, count = 1, at = 0;
  for (int i = type->rank - 1; i >= 0; i--) {
    if (!(axes & 1u << i)) continue;
    apart[i] = count;
    count *= dim_value(type->dims[i]);
  }
  float *most = arena_array(arena, (size_t)count, sizeof *most), part[PART];
  for (int64_t i = 0; i < count; i++) most[i] = 0;
  for (int64_t done = 0; done < data->count; done += PART) {
    int64_t some = data->count - done < PART ? data->count - done : PART;
    data_read(data, done, some, part);
    for (int64_t i = 0; i < some; i++) {
      float size = fabsf(part[i]);
      if (!(size <= FLT_MAX)) return NULL;
      if (size > most[at]) most[at] = size;
      for (int a = type->rank - 1; a >= 0; a--) {
        at += apart[a];
        if (++index[a] < dim_value(type->dims[a])) break;
        at -= index[a] * apart[a];
        index[a] = 0;
      }
    }
  }
  data_release(data);
  for (int64_t i = 0; i < count; i++) {
    most[i] /= LARGEST;
    if (most[i] < FLT_MIN) most[i] = FLT_MIN; /* subnormal scales would be coarse, 0 none */
  }
  return data_new(arena, ELEMENT_f32, count, most);
}
