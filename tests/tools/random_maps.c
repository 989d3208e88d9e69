#include "tests/tools/random_generator.h"

#include <math.h>

/* Convolutional networks: maps [N, C, H, W] of sizes and channels at which `select` has a choice,
 * and what stands between convolutions. Weights are scaled so that numbers stay about 1. Whatever
 * has four axes is a map: one that was turned, too. */
enum { MOST_WORK = 1 << 20, MOST_ELEMENTS = 1 << 15 };

static const int channels[] = {1, 2, 3, 4, 6, 8, 12, 16, 17, 20, 24, 32, 40, 48};
enum { CHANNELS = sizeof channels / sizeof *channels };

static const Dim *dim(Generator *g, int64_t value) {
  return dim_constant(g->module->dims, value);
}

static AttributeValue integers(Generator *g, const int64_t *values, int count) {
  return attribute_integers(g->module, values, count);
}

static int64_t most(const Type *type) {
  int64_t count = 1;
  for (int i = 0; i < type->rank; i++) count *= dim_max(type->dims[i]);
  return count;
}

static bool is_map(const Value *x) {
  return x->type.rank == 4 && x->type.element == ELEMENT_f32 && dim_is_constant(x->type.dims[1]) &&
         most(&x->type) <= MOST_ELEMENTS && dim_min(x->type.dims[2]) > 0 &&
         dim_min(x->type.dims[3]) > 0;
}

static Value *fresh_map(Generator *g) {
  Type type = {.element = ELEMENT_f32, .rank = 4, .dims = {g->n}};
  int64_t size[2], count = channels[below(g, CHANNELS)];
  for (int a = 0; a < 2; a++) size[a] = 5 + below(g, chance(g, 70) ? 16 : 36);
  if (chance(g, 30)) size[1] = size[0];
  if (chance(g, 10)) size[below(g, 2)] = 1;
  while (count > 1 && count * size[0] * size[1] * dim_max(g->n) > MOST_ELEMENTS) count /= 2;
  type.dims[1] = dim(g, count);
  for (int a = 0; a < 2; a++) type.dims[2 + a] = dim(g, size[a]);
  if (g->long_n && chance(g, 50)) type.dims[2 + below(g, 2)] = g->long_n;
  if (most(&type) > MOST_ELEMENTS) type.dims[1] = dim(g, 4);
  Value *x =
      function_add_input(g->function, arena_format(g->module->arena, "input%d", g->inputs++), type);
  return keep(g, x, 1, true);
}

static Value *pick_map(Generator *g) {
  for (int tries = 0; tries < 6 && g->values.count; tries++) {
    size_t back = (size_t)below(g, g->values.count < 6 ? (int)g->values.count : 6);
    Value *x = g->values.items[g->values.count - 1 - back];
    if (is_map(x)) return x;
  }
  return fresh_map(g);
}

/* Another one with the same sizes but, if `axis` is not negative, on this axis. */
static Value *pick_beside(Generator *g, const Value *x, int axis) {
  for (size_t i = g->values.count; i > 0; i--) {
    Value *y = g->values.items[i - 1];
    bool fine = y != x && y->type.rank == x->type.rank && y->type.element == x->type.element;
    for (int a = 0; fine && a < x->type.rank; a++)
      fine = a == axis ? dim_is_constant(y->type.dims[a]) : y->type.dims[a] == x->type.dims[a];
    if (fine && chance(g, 70)) return y;
  }
  return NULL;
}

/* [C, 1, 1] for a map. */
static Value *of_channels(Generator *g, const Value *x) {
  Type type = {.element = ELEMENT_f32, .rank = 1, .dims = {x->type.dims[1]}};
  const Dim *shape[] = {type.dims[0], dim(g, 1), dim(g, 1)};
  return build_reshape(&g->builder, scaled(g, &type, 3), shape, 3);
}

static Value *activated(Generator *g, Value *x) {
  static const Operator smooth[] = {OP_tanh, OP_erf, OP_sin};
  Value *one = number(g, ELEMENT_f32, 1);
  int what = below(g, g->options->exclude ? 50 : 100);
  if (what < 25) return unary(g, smooth[below(g, 3)], x);
  if (what < 50) { /* x times its logistic function */
    Value *e = unary(g, OP_exp, unary(g, OP_neg, unary(g, OP_tanh, x)));
    return binary(g, OP_div, x, binary(g, OP_add, one, e));
  }
  if (what < 85) return binary(g, OP_maximum, x, number(g, ELEMENT_f32, 0));
  Value *low = binary(g, OP_maximum, x, number(g, ELEMENT_f32, -1));
  return binary(g, OP_minimum, low, one);
}

/* What follows a convolution. */
static void follow(Generator *g, Value *x) {
  if (chance(g, 60)) x = binary(g, OP_add, x, of_channels(g, x));
  if (chance(g, 25)) {
    x = binary(g, OP_mul, binary(g, OP_sub, x, of_channels(g, x)), of_channels(g, x));
    x = binary(g, OP_add, x, of_channels(g, x));
  }
  if (chance(g, 10)) keep(g, x, 8, false); /* used before the activation, too */
  if (chance(g, 25)) {
    Value *y = pick_beside(g, x, -1);
    if (y) x = binary(g, OP_add, chance(g, 50) ? x : y, chance(g, 50) ? y : x);
  }
  if (chance(g, 70)) x = activated(g, x);
  keep(g, x, 8, false);
}

typedef struct {
  int64_t kernel[2], stride[2], dilation[2], pads[2][2];
} Window;

static Window window(Generator *g, const Value *x, bool pool) {
  static const int kernels[] = {3, 3, 3, 3, 1, 5, 7, 2, 4}, pools[] = {2, 2, 3};
  Window w;
  bool same = chance(g, 70), stretched = chance(g, 10), line = chance(g, 20);
  int step = chance(g, pool ? 70 : 30) ? 2 : 1;
  for (int a = 0; a < 2; a++) {
    w.kernel[a] = pool ? pools[below(g, 3)] : kernels[below(g, 9)];
    if (a && chance(g, 70) && w.kernel[0] != 1) w.kernel[1] = w.kernel[0];
    w.dilation[a] = stretched ? 2 : 1;
    w.stride[a] = chance(g, 90) ? step : 1 + below(g, 3);
  }
  if (line) w.kernel[below(g, 2)] = 1;
  for (int a = 0; a < 2; a++) {
    int64_t extent = w.dilation[a] * (w.kernel[a] - 1) + 1, n = dim_min(x->type.dims[2 + a]);
    w.pads[a][0] = same ? (extent - 1) / 2 : below(g, (int)extent);
    w.pads[a][1] = same ? extent / 2 : below(g, (int)extent);
    if (!same && chance(g, 50)) w.pads[a][0] = w.pads[a][1] = 0;
    if (n + w.pads[a][0] + w.pads[a][1] < extent) w.pads[a][1] = extent - n - w.pads[a][0];
  }
  return w;
}

static int window_rows(Generator *g, const Window *w, Attribute *to) {
  to[0] = (Attribute){ATTRIBUTE_stride, integers(g, w->stride, 2)};
  to[1] = (Attribute){ATTRIBUTE_dilation, integers(g, w->dilation, 2)};
  to[2] = (Attribute){ATTRIBUTE_pad, attribute_pairs(g->module, w->pads, 2)};
  return 3;
}

/* Groups: mostly one, or one a channel, or some. */
static int64_t groups_of(Generator *g, int64_t count) {
  int64_t groups = chance(g, 70) ? 1 : chance(g, 50) ? count : 1 + below(g, (int)count);
  while (count % groups) groups--;
  return groups;
}

/* How many channels come out, at `places` products each for one of them. */
static int64_t channels_out(Generator *g, int64_t groups, int64_t places) {
  int64_t out = channels[below(g, CHANNELS)];
  if (groups > 1) out = groups * (1 + below(g, 2));
  while (out > groups && out * places > MOST_WORK)
    out = groups + (out / 2 - groups) / groups * groups;
  return out < groups ? groups : out;
}

static void convolve(Generator *g) {
  Value *x = pick_map(g);
  int64_t from = dim_value(x->type.dims[1]), groups = groups_of(g, from);
  Window w = window(g, x, false);
  int64_t taps = w.kernel[0] * w.kernel[1] * from / groups;
  int64_t places = taps * most(&x->type) / from / (w.stride[0] * w.stride[1]);
  if (places * groups > MOST_WORK) return;
  int64_t out = channels_out(g, groups, places);
  bool last = chance(g, 12);
  Type type = {.element = ELEMENT_f32, .rank = 4};
  for (int a = 0; a < 2; a++) type.dims[(last ? 0 : 2) + a] = dim(g, w.kernel[a]);
  type.dims[last ? 2 : 1] = dim(g, from / groups);
  type.dims[last ? 3 : 0] = dim(g, out);
  Attribute attributes[5];
  int used = window_rows(g, &w, attributes);
  attributes[used++] = (Attribute){ATTRIBUTE_groups, integer(g, groups)};
  attributes[used++] = (Attribute){ATTRIBUTE_layout, attribute_word(last ? "nhwc" : "nchw")};
  if (last) x = build_transpose(&g->builder, x, (int[]){0, 2, 3, 1});
  Value *y = op(g, OP_conv, (Value *[]){x, scaled(g, &type, taps)}, 2, attributes, used);
  if (last && chance(g, 60)) y = build_transpose(&g->builder, y, (int[]){0, 3, 1, 2});
  if (is_map(y)) follow(g, y);
}

static void convolve_back(Generator *g) {
  Value *x = pick_map(g);
  int64_t from = dim_value(x->type.dims[1]), groups = groups_of(g, from), each = from / groups;
  int64_t kernel[2], stride[2], pads[2][2], output_pad[2];
  int step = 1 + below(g, 2);
  for (int a = 0; a < 2; a++) {
    kernel[a] = a && chance(g, 70) ? kernel[0] : 1 + below(g, 5);
    stride[a] = chance(g, 85) ? step : 1 + below(g, 3);
    for (int i = 0; i < 2; i++)
      pads[a][i] = dim_min(x->type.dims[2 + a]) > 4 ? below(g, (int)(kernel[a] + 1) / 2) : 0;
    output_pad[a] = stride[a] > 1 ? below(g, (int)stride[a]) : 0;
  }
  int64_t places = most(&x->type) / from * kernel[0] * kernel[1] * each;
  if (places * groups > MOST_WORK) return;
  int64_t out = channels_out(g, groups, places) / groups;
  Type type = {.element = ELEMENT_f32, .rank = 4};
  type.dims[0] = dim(g, from), type.dims[1] = dim(g, out);
  for (int a = 0; a < 2; a++) type.dims[2 + a] = dim(g, kernel[a]);
  Attribute attributes[] = {
      {ATTRIBUTE_stride, integers(g, stride, 2)},
      {ATTRIBUTE_pad, attribute_pairs(g->module, (const int64_t(*)[2])pads, 2)},
      {ATTRIBUTE_output_pad, integers(g, output_pad, 2)},
      {ATTRIBUTE_groups, integer(g, groups)}};
  Value *w = scaled(g, &type, each * kernel[0] * kernel[1]);
  Value *y = op(g, OP_conv_transpose, (Value *[]){x, w}, 2, attributes, 4);
  if (is_map(y)) follow(g, y);
}

static void pool(Generator *g) {
  Value *x = pick_map(g);
  bool greatest = chance(g, 50) && (!g->options->exclude || fact(g, x).exact);
  Window w = window(g, x, true);
  static const int64_t axes[] = {2, 3}, over[] = {4, 5};
  Attribute attributes[6];
  int used = window_rows(g, &w, attributes);
  attributes[used++] = (Attribute){ATTRIBUTE_kernel, integers(g, w.kernel, 2)};
  attributes[used++] = (Attribute){ATTRIBUTE_axes, integers(g, axes, 2)};
  if (greatest)
    attributes[used++] = (Attribute){ATTRIBUTE_value, attribute_number(number_real(-INFINITY))};
  Value *y = op(g, OP_windows, &x, 1, attributes, used);
  Attribute all = {ATTRIBUTE_axis, integers(g, over, 2)};
  y = op(g, greatest ? OP_max : OP_sum, &y, 1, &all, 1);
  double count = (double)(w.kernel[0] * w.kernel[1]);
  if (!greatest) y = binary(g, OP_div, y, number(g, ELEMENT_f32, count));
  keep(g, y, 8, greatest && fact(g, x).exact);
}

static Value *part(Generator *g, Value *x, int axis) {
  const Dim *start[4], *stop[4], *step[4];
  for (int a = 0; a < 4; a++) {
    start[a] = dim(g, 0), stop[a] = x->type.dims[a], step[a] = dim(g, 1);
    if (a != axis || dim_min(stop[a]) < 3) continue;
    int64_t low = below(g, (int)dim_min(stop[a]) / 2 + 1), high = below(g, 2);
    start[a] = dim(g, low), stop[a] = dim_sub(g->module->dims, stop[a], dim(g, high));
    if (chance(g, 20)) step[a] = dim(g, 2);
    if (!chance(g, 15)) continue;
    start[a] = dim_sub(g->module->dims, stop[a], dim(g, 1)); /* backwards */
    stop[a] = dim(g, low - 1), step[a] = dim(g, -1);
  }
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(g->module, start, 4)},
                            {ATTRIBUTE_stop, attribute_dims(g->module, stop, 4)},
                            {ATTRIBUTE_step, attribute_dims(g->module, step, 4)}};
  Fact f = fact(g, x);
  return keep(g, op(g, OP_slice, &x, 1, attributes, 3), f.bound, f.exact);
}

static void join(Generator *g) {
  Value *operands[4] = {pick_map(g)};
  int axis = chance(g, 75) ? 1 : 2 + below(g, 2), count = 1, wanted = 2 + below(g, 3);
  if (!dim_is_constant(operands[0]->type.dims[axis])) return;
  while (count < wanted) {
    Value *y = pick_beside(g, operands[0], axis);
    if (!y) y = chance(g, 50) ? part(g, operands[0], axis) : operands[0];
    operands[count++] = y;
  }
  bool exact = true;
  for (int i = 0; i < count; i++) exact = exact && fact(g, operands[i]).exact;
  Value *y = op(g, OP_concat, operands, count, &(Attribute){ATTRIBUTE_axis, integer(g, axis)}, 1);
  keep(g, y, 8, exact);
}

static void turn(Generator *g) {
  static const int perms[][4] = {
      {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 1, 3, 2}, {0, 3, 2, 1}, {0, 2, 1, 3}};
  Value *x = pick_map(g);
  Fact f = fact(g, x);
  keep(g, build_transpose(&g->builder, x, perms[below(g, 5)]), f.bound, f.exact);
}

/* Nearest neighbours, or channels shuffled: reshapes around a broadcast or a transpose. */
static void rearrange(Generator *g) {
  Value *x = pick_map(g), *y;
  const Dim *const *d = x->type.dims;
  DimTable *t = g->module->dims;
  Fact f = fact(g, x);
  int64_t count = dim_value(d[1]), groups = 1 + below(g, (int)count);
  while (count % groups) groups--;
  if (chance(g, 50) && 4 * most(&x->type) <= MOST_ELEMENTS) {
    const Dim *apart[] = {d[0], d[1], d[2], dim(g, 1), d[3], dim(g, 1)};
    const Dim *spread[] = {d[0], d[1], d[2], dim(g, 2), d[3], dim(g, 2)};
    const Dim *whole[] = {d[0], d[1], dim_mul(t, d[2], dim(g, 2)), dim_mul(t, d[3], dim(g, 2))};
    y = build_reshape(&g->builder, x, apart, 6);
    Attribute shape = {ATTRIBUTE_shape, attribute_dims(g->module, spread, 6)};
    y = build_reshape(&g->builder, op(g, OP_broadcast, &y, 1, &shape, 1), whole, 4);
  } else {
    const Dim *apart[] = {d[0], dim(g, groups), dim(g, count / groups), d[2], d[3]};
    y = build_reshape(&g->builder, x, apart, 5);
    y = build_transpose(&g->builder, y, (int[]){0, 2, 1, 3, 4});
    y = build_reshape(&g->builder, y, d, 4);
  }
  keep(g, y, f.bound, f.exact);
}

/* Normalised over some axes, or each channel times what its mean says. */
static void normalise(Generator *g) {
  static const int64_t axes[][3] = {{0, 2, 3}, {2, 3, 0}, {1, 0, 0}};
  static const int counts[] = {3, 2, 1};
  Value *x = pick_map(g);
  int which = below(g, 3);
  const Type *type = &x->type;
  Attribute over[] = {{ATTRIBUTE_axis, integers(g, axes[which], counts[which])},
                      {ATTRIBUTE_keepdims, attribute_flag(true)}};
  double size = 1;
  for (int i = 0; i < counts[which]; i++) size *= (double)dim_max(type->dims[axes[which][i]]);
  Value *by = number(g, ELEMENT_f32, 1 / size), *zero = number(g, ELEMENT_f32, 0.5);
  Value *mean = binary(g, OP_mul, op(g, OP_sum, &x, 1, over, 2), by);
  if (chance(g, 40)) {
    keep(g, binary(g, OP_mul, x, unary(g, OP_tanh, mean)), 8, false);
    return;
  }
  Value *off = binary(g, OP_sub, x, mean), *square = binary(g, OP_mul, off, off);
  Value *variance = binary(g, OP_mul, op(g, OP_sum, &square, 1, over, 2), by);
  Value *y = binary(g, OP_mul, off, unary(g, OP_rsqrt, binary(g, OP_add, variance, zero)));
  if (chance(g, 60))
    y = binary(g, OP_add, binary(g, OP_mul, y, of_channels(g, y)), of_channels(g, y));
  keep(g, chance(g, 50) ? activated(g, y) : y, 8, false);
}

/* A fully connected layer, of all or of the channels' means. */
static void flatten(Generator *g) {
  Value *x = pick_map(g);
  const Dim *const *d = x->type.dims;
  if (!dim_is_constant(d[2]) || !dim_is_constant(d[3])) return;
  int64_t all = dim_value(d[1]) * dim_value(d[2]) * dim_value(d[3]);
  if (all > 1 << 12) return;
  const Dim *flat[] = {d[0], dim(g, all)};
  Type type = {.element = ELEMENT_f32, .rank = 2, .dims = {dim(g, all), dim(g, 1 + below(g, 40))}};
  int64_t x_axes[] = {1}, y_axes[] = {0};
  Attribute contract = {ATTRIBUTE_contract, attribute_two_lists(g->module, x_axes, y_axes, 1)};
  Value *y = build_reshape(&g->builder, x, flat, 2);
  keep(g, op(g, OP_dot, (Value *[]){y, scaled(g, &type, all)}, 2, &contract, 1), 8, false);
}

static void edge(Generator *g) {
  Value *x = pick_map(g);
  Fact f = fact(g, x);
  int64_t before[4] = {0}, after[4] = {0};
  for (int a = 1 + below(g, 2); a < 4; a++) before[a] = below(g, 3), after[a] = below(g, 3);
  Attribute attributes[] = {{ATTRIBUTE_before, integers(g, before, 4)},
                            {ATTRIBUTE_after, integers(g, after, 4)},
                            {ATTRIBUTE_value, integer(g, below(g, 2))}};
  keep(g, op(g, OP_pad, &x, 1, attributes, 3), fmax(f.bound, 1), f.exact);
}

void make_maps(Generator *g) {
  static const struct {
    int percent;
    void (*make)(Generator *g);
  } kinds[] = {{40, convolve}, {8, convolve_back}, {11, pool},   {13, join}, {5, turn},
               {5, rearrange}, {6, normalise},     {4, flatten}, {4, edge}};
  int what = below(g, 100);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; what -= kinds[i++].percent)
    if (what < kinds[i].percent) {
      kinds[i].make(g);
      return;
    }
  part(g, pick_map(g), 1 + below(g, 3));
}
