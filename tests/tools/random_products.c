#include "tests/tools/random_generator.h"

static Element other_side(Generator *g, Element element) {
  return element == ELEMENT_i8 || element == ELEMENT_u8 ? (chance(g, 50) ? ELEMENT_i8 : ELEMENT_u8)
                                                        : element;
}

static Value *pick_factor(Generator *g, int least, int most) {
  Value *x = pick(g, chance(g, 85) ? FLOAT : ANY, least, most, false);
  if (x->type.element == ELEMENT_bool) x = keep(g, cast(g, x, ELEMENT_u8), 1, true);
  return x;
}

void make_dot(Generator *g) {
  Value *x = pick_factor(g, 1, 4);
  int rank = x->type.rank, batch = rank > 2 ? below(g, 2) : 0;
  int contracted = below(g, rank - batch > 2 ? 3 : rank - batch + 1), rest = below(g, 3);
  int64_t x_batch[] = {0}, y_batch[] = {0}, x_axes[2], y_axes[2];
  Type type = {.element = other_side(g, x->type.element)};
  if (batch) type.dims[type.rank++] = x->type.dims[0];
  for (int a = 0; a < contracted; a++) {
    x_axes[a] = rank - 1 - a;
    y_axes[a] = type.rank;
    type.dims[type.rank++] = x->type.dims[x_axes[a]];
  }
  for (int a = 0; a < rest; a++) type.dims[type.rank++] = size(g);
  Value *y = fresh(g, &type);
  Attribute attributes[] = {
      {ATTRIBUTE_contract, attribute_two_lists(g->module, x_axes, y_axes, contracted)},
      {ATTRIBUTE_batch, attribute_two_lists(g->module, x_batch, y_batch, batch)}};
  calm(g, op(g, OP_dot, (Value *[]){x, y}, 2, attributes, 2), fact(g, x).bound * 25, false);
}

/* A value [N, C, n...] (or [N, n..., C]) whose C divides by the groups, small and with sizes. */
static Value *image(Generator *g, int spatial, int64_t channels, bool last) {
  Type type = {.element = chance(g, 90) ? float_element(g) : ELEMENT_i32, .rank = spatial + 2};
  for (int a = 0; a < type.rank; a++) type.dims[a] = size(g);
  for (int a = 0; a < spatial; a++)
    type.dims[(last ? 1 : 2) + a] = dim_constant(g->module->dims, 2 + below(g, 5));
  type.dims[last ? type.rank - 1 : 1] = dim_constant(g->module->dims, channels);
  for (size_t i = 0; i < g->values.count && i < 20; i++) {
    Value *value = g->values.items[g->values.count - 1 - i];
    if (value->type.rank == type.rank && fits(value, ARITHMETIC) && is_handy(value) &&
        dim_is(value->type.dims[last ? type.rank - 1 : 1], channels) && chance(g, 50))
      return value;
  }
  return fresh(g, &type);
}

void make_conv(Generator *g, Operator kind) {
  int spatial = 1 + below(g, 2), rank = spatial + 2;
  int64_t groups = chance(g, 30) ? 2 : 1, each = 1 + below(g, 3), out = groups * (1 + below(g, 3));
  bool nhwc = kind == OP_conv_panel || (kind == OP_conv && chance(g, 30));
  Value *x = image(g, spatial, groups * each, nhwc);
  Attribute attributes[7];
  int used = window_attributes(g, &x->type.dims[nhwc ? 1 : 2], spatial, attributes) - 1;
  DimList kernel = attributes[used].value.dims; /* conv's is the shape of w */
  attributes[used++] = (Attribute){ATTRIBUTE_groups, integer(g, groups)};
  if (kind == OP_conv) {
    attributes[used++] = (Attribute){ATTRIBUTE_layout, attribute_word(nhwc ? "nhwc" : "nchw")};
  }
  DimTable *t = g->module->dims;
  Type type = {.element = x->type.element, .rank = rank};
  for (int a = 0; a < spatial; a++) type.dims[(nhwc ? 0 : 2) + a] = kernel.items[a];
  type.dims[nhwc ? spatial : 1] = dim_constant(t, each);
  type.dims[nhwc ? spatial + 1 : 0] = dim_constant(t, out);
  if (kind == OP_conv_panel) {
    int64_t block = 1 + below(g, 3), panels = (out / groups + block - 1) / block;
    for (int a = rank - 2; a > 0; a--) type.dims[a] = type.dims[a - 1];
    type.rank = rank + 1;
    type.dims[0] = dim_constant(t, groups * panels);
    type.dims[rank - 1] = dim_constant(t, each);
    type.dims[rank] = dim_constant(t, block);
    attributes[used++] = (Attribute){ATTRIBUTE_size, integer(g, out)};
  }
  Value *w = fresh(g, &type);
  calm(g, op(g, kind, (Value *[]){x, w}, 2, attributes, used), fact(g, x).bound * 27, false);
}

void make_conv_transpose(Generator *g) {
  int spatial = 1 + below(g, 2);
  int64_t groups = chance(g, 30) ? 2 : 1;
  Value *x = image(g, spatial, groups * (1 + below(g, 3)), false);
  Type type = {.element = x->type.element, .rank = spatial + 2};
  type.dims[0] = x->type.dims[1];
  type.dims[1] = dim_constant(g->module->dims, 1 + below(g, 3));
  for (int a = 0; a < spatial; a++)
    type.dims[2 + a] = dim_constant(g->module->dims, 1 + below(g, 3));
  Attribute attributes[] = {{ATTRIBUTE_stride, few(g, spatial, 1, 2)},
                            {ATTRIBUTE_dilation, few(g, spatial, 1, 2)},
                            {ATTRIBUTE_output_pad, few(g, spatial, 0, 1)},
                            {ATTRIBUTE_groups, integer(g, groups)}};
  Value *w = fresh(g, &type);
  calm(g, op(g, OP_conv_transpose, (Value *[]){x, w}, 2, attributes, 4), fact(g, x).bound * 27,
       false);
}

void make_conv_weight(Generator *g) {
  int spatial = 1 + below(g, 2);
  int64_t groups = chance(g, 30) ? 2 : 1;
  Value *x = image(g, spatial, groups * (1 + below(g, 3)), false);
  Attribute attributes[6];
  int used = window_attributes(g, &x->type.dims[2], spatial, attributes);
  attributes[used++] = (Attribute){ATTRIBUTE_groups, integer(g, groups)};
  /* the gradient has the shape of what conv with this kernel gives */
  Type type = {.element = x->type.element, .rank = spatial + 2};
  DimTable *t = g->module->dims;
  type.dims[0] = dim_constant(t, groups * 2);
  type.dims[1] = dim_floor(t, x->type.dims[1], groups);
  for (int a = 0; a < spatial; a++) type.dims[2 + a] = attributes[3].value.dims.items[a];
  Attribute conv[] = {attributes[0], attributes[1], attributes[2], attributes[4]};
  Value *y = op(g, OP_conv, (Value *[]){x, fresh(g, &type)}, 2, conv, 4);
  calm(g, y, fact(g, x).bound * 27, false);
  Value *dy = fresh(g, &y->type);
  calm(g, op(g, OP_conv_weight, (Value *[]){x, dy}, 2, attributes, used), fact(g, x).bound * 100,
       false);
}

void make_dot_panel(Generator *g) {
  Value *x = pick_factor(g, 1, 4);
  DimTable *t = g->module->dims;
  int64_t columns = 1 + below(g, 9), block = 1 + below(g, 4);
  Type type = {.element = other_side(g, x->type.element), .rank = 3};
  type.dims[0] = dim_constant(t, (columns + block - 1) / block);
  type.dims[1] = x->type.dims[x->type.rank - 1];
  type.dims[2] = dim_constant(t, block);
  Value *w = fresh(g, &type);
  calm(g,
       op(g, OP_dot_panel, (Value *[]){x, w}, 2, &(Attribute){ATTRIBUTE_size, integer(g, columns)},
          1),
       fact(g, x).bound * 8, false);
}

/* 3 x 3 of stride 1 or 2 in panels of 16, a width that each target has kernels for. */
void make_winograd(Generator *g, Operator kind) {
  enum { COLUMNS = 16 };
  int64_t size = 1 + below(g, 20), tile[2], kernel[2] = {3, 3}, pads[2][2], stride[2];
  Value *x = image(g, 2, 1 + below(g, 3), true);
  if (!element_is_float(x->type.element)) x = cast(g, x, ELEMENT_f32);
  DimTable *t = g->module->dims;
  Type type = {.element = x->type.element, .rank = 5};
  type.dims[0] = dim_constant(t, (size + COLUMNS - 1) / COLUMNS);
  type.dims[3] = x->type.dims[3];
  type.dims[4] = dim_constant(t, COLUMNS);
  for (int a = 0; a < 2; a++) {
    type.dims[a + 1] = dim_constant(t, kernel[a]);
    tile[a] = 2 + 2 * below(g, 2);
    pads[a][0] = 1, pads[a][1] = 1 + below(g, 2);
    stride[a] = 1 + below(g, 2);
  }
  if (chance(g, 40)) tile[below(g, 2)] = 1; /* a direct sum along an axis */
  Value *weight = fresh(g, &type);
  Attribute tiles[] = {{ATTRIBUTE_tile, attribute_integers(g->module, tile, 2)},
                       {ATTRIBUTE_stride, attribute_integers(g->module, stride, 2)}};
  Value *w = keep(g, op(g, OP_winograd_weight, &weight, 1, tiles, 2), 4, false);
  if (kind == OP_winograd_weight) return;
  Attribute attributes[] = {
      {ATTRIBUTE_pad, attribute_pairs(g->module, (const int64_t(*)[2])pads, 2)},
      {ATTRIBUTE_kernel, attribute_integers(g->module, kernel, 2)},
      tiles[0],
      tiles[1],
      {ATTRIBUTE_size, integer(g, size)}};
  calm(g, op(g, OP_conv_winograd, (Value *[]){x, w}, 2, attributes, 5), fact(g, x).bound * 27,
       false);
}

/* With a mask, added or not, and a factor, or without. The gradient is of attention that was made
 * before it, since it needs its logarithms. */
void make_attention(Generator *g, Operator kind) {
  Value *q = pick(g, FLOAT, 2, 4, false), *operands[8] = {q};
  Type k = q->type, v, scores;
  int rank = k.rank, count = 3;
  k.dims[rank - 2] = size(g);
  v = k;
  v.dims[rank - 1] = size(g);
  operands[1] = fresh(g, &k);
  operands[2] = fresh(g, &v);
  scores = (Type){q->type.element, 2, {q->type.dims[rank - 2], k.dims[rank - 2]}};
  bool factor = chance(g, 30);
  if (chance(g, 50)) {
    Type mask = scores;
    if (chance(g, 70)) mask.element = ELEMENT_bool;
    if (chance(g, 30)) mask.dims[0] = dim_constant(g->module->dims, 1);
    operands[count++] = fresh(g, &mask);
  }
  if (factor) operands[count++] = fresh(g, &scores);
  Attribute attributes[] = {{ATTRIBUTE_causal, attribute_flag(chance(g, 40))},
                            {ATTRIBUTE_scale, attribute_number(number_real(below(g, 2) * 0.5))},
                            {ATTRIBUTE_factor, attribute_flag(factor)}};
  const Value *y = keep(g, op(g, OP_attention, operands, count, attributes, 3), 8, false);
  if (kind == OP_attention) return;
  const Op *made = y->op;
  for (int i = count++ - 1; i >= 3; i--) operands[i + 3] = operands[i];
  operands[3] = fresh(g, &made->results[0]->type);
  operands[4] = made->results[1];
  operands[5] = fresh(g, &made->results[1]->type);
  made = op(g, kind, operands, count + 2, attributes, 3)->op;
  for (int i = 0; i < 3; i++) calm(g, made->results[i], 64, false);
}
