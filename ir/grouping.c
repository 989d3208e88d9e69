#include "ir/grouping.h"

#include "support/whole.h"

enum {
  LINE = 16 /* f32 of a cache line */,
  MOST_VECTORS = 8,
  MOST_OUT = 64,
  MOST_CODE = 160,
  MOST_CHANNELS = 256 /* of a block */
};

bool grouping_find(int64_t lanes, int64_t groups, int64_t in, int64_t out, Grouping *grouping) {
  *grouping = (Grouping){.lanes = lanes, .groups = groups, .in = in, .out = out};
  if (groups < 2 || in < 1 || out < 1 || out > MOST_OUT || in > MOST_OUT) return false;
  Grouping *g = grouping;
  g->vectors = out / common_divisor(lanes, out);
  g->single = out % lanes == 0;
  g->alike = g->single || lanes % out == 0;
  if (g->vectors == 1 && lanes < LINE) g->vectors = LINE / lanes;
  g->whole = g->vectors * lanes / out;
  g->blocks = (groups + g->whole - 1) / g->whole;
  g->partial = groups % g->whole != 0;
  return g->vectors <= MOST_VECTORS && g->whole * in <= MOST_CHANNELS;
}

bool grouping_is_short(const Grouping *g, int64_t taps) {
  return taps <= MOST_CODE &&
         (g->single || g->in * taps * (g->alike ? 1 : g->vectors) <= MOST_CODE);
}

int64_t grouping_seen(int64_t places, int64_t stride, int64_t kernel, int64_t dilation) {
  int64_t apart, reach, seen;
  bool large = __builtin_mul_overflow(places - 1, stride, &apart) ||
               __builtin_mul_overflow(kernel - 1, dilation, &reach) ||
               __builtin_add_overflow(apart, reach, &seen) || seen == INT64_MAX;
  return large ? INT64_MAX : seen + 1;
}

int64_t grouping_line_bytes(const Grouping *g, int64_t columns) {
  int64_t bytes, each = g->whole * g->in * (int64_t)sizeof(float);
  return __builtin_mul_overflow(columns, each, &bytes) ? INT64_MAX : bytes;
}

bool grouping_fits(const Grouping *g, int64_t lines, int64_t columns, int64_t taps, int64_t bytes) {
  int64_t weights = taps * g->in * g->vectors * g->lanes * (int64_t)sizeof(float);
  int64_t line = grouping_line_bytes(g, columns);
  return line <= bytes && lines <= bytes / line && weights <= bytes - lines * line;
}
