/* Types of the products. */
#include "ir/infer.h"
#include "ir/op_traits.h"
#include "ir/winograd.h"

/* Products of i8 and u8 are summed in i32; others have one element type. */
static bool product_element(Inference *i, Element *element) {
  Element a = i->in[0].element, b = i->in[1].element;
  if (element_infos[a].bytes == 1 && element_infos[b].bytes == 1 && a != ELEMENT_bool &&
      b != ELEMENT_bool) {
    *element = ELEMENT_i32;
    return true;
  }
  *element = a;
  return infer_same_element(i, 0, 1) && infer_arithmetic(i, 0);
}

/* Weights in panels may be stored smaller than the f32 that they are multiplied in; products of
 * pairs are of bf16, an even number of them. */
static bool panel_element(Inference *i, Element *element) {
  Element w = i->in[1].element;
  if (infer_attribute(i, ATTRIBUTE_pairs)->flag) {
    const Type *panels = &i->in[1];
    bool fine = i->in[0].element == ELEMENT_bf16 && w == ELEMENT_bf16 && panels->rank >= 3 &&
                dim_is_constant(panels->dims[panels->rank - 2]) &&
                dim_value(panels->dims[panels->rank - 2]) % 2 == 0;
    if (!fine)
      return infer_fail(i, E0204, 1, "'%s' gets no pairs of bf16", operator_spelling(i->kind));
    *element = ELEMENT_f32;
    return true;
  }
  if (i->in[0].element != ELEMENT_f32 || (w != ELEMENT_bf16 && w != ELEMENT_f16 && w != ELEMENT_i8))
    return product_element(i, element);
  *element = ELEMENT_f32;
  return true;
}

/* ---- dot ---- */

static bool dot_lists(Inference *i, AttributeName name, bool used[2][MOST_AXES]) {
  const AttributeValue *value = infer_attribute(i, name);
  bool fine = value->lists.count == 2 && value->lists.items[0].count == value->lists.items[1].count;
  for (int side = 0; fine && side < 2; side++)
    for (int n = 0; fine && n < value->lists.items[side].count; n++) {
      int64_t axis = dim_value(value->lists.items[side].items[n]);
      fine = !used[side][axis];
      used[side][axis] = true;
    }
  if (!fine)
    infer_fail(i, E0205, -1, "'%s' of '@' must be two lists of equally many axes, each named once",
               attribute_names[name]);
  return fine;
}

static bool dot_fail(Inference *i, AttributeName name, const Dim *a, const Dim *b) {
  infer_fail(i, E0204, 1, "the %s dimensions of '@' differ",
             name == ATTRIBUTE_contract ? "inner" : "batch");
  infer_label(i, "%s @ %s: %s is not %s", infer_type_text(i, &i->in[0]),
              infer_type_text(i, &i->in[1]), infer_dim_text(i, a), infer_dim_text(i, b));
  const Type *y = &i->in[1];
  if (name == ATTRIBUTE_contract && y->rank >= 2 && a == y->dims[y->rank - 1])
    infer_help(i, "the other way round it would fit: x @ transpose(y)");
  return false;
}

bool infer_dot(Inference *i) {
  static const AttributeName names[] = {ATTRIBUTE_batch, ATTRIBUTE_contract};
  const Type *x = &i->in[0], *y = &i->in[1];
  bool used[2][MOST_AXES] = {{false}};
  Type type = {0};
  if (!product_element(i, &type.element)) return false;
  for (int list = 0; list < 2; list++) {
    if (!dot_lists(i, names[list], used)) return false;
    const DimList *sides = infer_attribute(i, names[list])->lists.items;
    for (int n = 0; n < sides[0].count; n++) {
      const Dim *a = x->dims[dim_value(sides[0].items[n])];
      const Dim *b = y->dims[dim_value(sides[1].items[n])];
      if (!infer_require(i, CHECK_EQUAL, a, b)) return dot_fail(i, names[list], a, b);
      if (list == 0) type.dims[type.rank++] = a;
    }
  }
  int contracted = infer_attribute(i, ATTRIBUTE_contract)->lists.items[0].count;
  int rank = x->rank + y->rank - type.rank - 2 * contracted;
  if (rank > MOST_AXES) {
    type.rank = rank;
    return infer_result(i, &type);
  }
  for (int axis = 0; axis < x->rank; axis++)
    if (!used[0][axis]) type.dims[type.rank++] = x->dims[axis];
  for (int axis = 0; axis < y->rank; axis++)
    if (!used[1][axis]) type.dims[type.rank++] = y->dims[axis];
  return infer_result(i, &type);
}

bool infer_dot_panel(Inference *i) {
  const Type *x = &i->in[0], *w = &i->in[1];
  Type type = *x;
  if (!panel_element(i, &type.element) || !infer_constants(i, ATTRIBUTE_size, 1) ||
      !infer_constants(i, ATTRIBUTE_turns, 1) || !infer_constants(i, ATTRIBUTE_blocking, 0))
    return false;
  int64_t turns = dim_value(infer_attribute(i, ATTRIBUTE_turns)->dim);
  const Dim *size = infer_attribute(i, ATTRIBUTE_size)->dim;
  bool fine = x->rank >= 1 && w->rank == 3 && dim_is_constant(w->dims[2]) &&
              dim_value(w->dims[2]) >= 1 &&
              infer_require(i, CHECK_EQUAL, x->dims[x->rank - 1], w->dims[1]);
  if (fine) {
    int64_t block = dim_value(w->dims[2]), columns = dim_value(size);
    fine = dim_is(w->dims[0], columns / block + (columns % block != 0));
    const Dim *depth = w->dims[1];
    if (fine && turns > 1 &&
        (!dim_is_constant(depth) || dim_value(depth) % turns || x->element != ELEMENT_f32))
      return infer_fail(i, E0204, 1, "'dot_panel' gets no rows of which %lld take turns",
                        (long long)turns);
  }
  if (!fine) {
    infer_fail(i, E0204, 1, "'dot_panel' does not get the panels of its size");
    infer_label(i, "%s and %s for %s columns", infer_type_text(i, x), infer_type_text(i, w),
                infer_dim_text(i, size));
    return false;
  }
  type.dims[type.rank - 1] = size;
  return infer_result(i, &type);
}

/* ---- convolutions ---- */

/* conv_panel's padding may be negative: what it cuts off. */
static bool conv_attributes(Inference *i) {
  int64_t least = i->kind == OP_conv_panel ? INT32_MIN : 0;
  return infer_constants(i, ATTRIBUTE_stride, 1) && infer_constants(i, ATTRIBUTE_pad, least) &&
         infer_constants(i, ATTRIBUTE_dilation, 1) && infer_constants(i, ATTRIBUTE_groups, 1);
}

static bool conv_ranks(Inference *i, int rank) {
  const Type *x = &i->in[0], *w = &i->in[1];
  if (x->rank >= 3 && w->rank == rank) return true;
  infer_fail(i, E0209, x->rank < 3 ? 0 : 1, "'%s' needs [N, C, n...] and a kernel of as many axes",
             operator_spelling(i->kind));
  infer_label(i, "%s and %s", infer_type_text(i, x), infer_type_text(i, w));
  infer_help(i, "without a batch: a leading axis of 1");
  return false;
}

/* `channels` of x are `groups` times `each` of the kernel, and `out` splits into groups. */
static bool conv_channels(Inference *i, const Dim *channels, const Dim *each, const Dim *out) {
  int64_t groups = infer_integer(i, ATTRIBUTE_groups);
  const Dim *zero = dim_constant(i->dims, 0), *by = dim_constant(i->dims, groups);
  const Dim *wanted = dim_mul(i->dims, each, by);
  if (!infer_require(i, CHECK_EQUAL, channels, wanted)) {
    infer_fail(i, E0209, 1, "the channels of '%s' differ", operator_spelling(i->kind));
    infer_label(i, "%s and %s: %s is not %s", infer_type_text(i, &i->in[0]),
                infer_type_text(i, &i->in[1]), infer_dim_text(i, channels),
                infer_dim_text(i, wanted));
    if (groups > 1) infer_help(i, "each of %lld groups has its own channels", (long long)groups);
    return false;
  }
  if (infer_require(i, CHECK_EQUAL, dim_mod(i->dims, out, groups), zero)) return true;
  infer_fail(i, E0209, 1, "%s channels do not split into %lld groups", infer_dim_text(i, out),
             (long long)groups);
  return false;
}

bool infer_conv(Inference *i) {
  const Type *x = &i->in[0], *w = &i->in[1];
  Type type = {.rank = x->rank, .dims = {x->dims[0]}};
  if (!product_element(i, &type.element) || !conv_ranks(i, x->rank) || !conv_attributes(i))
    return false;
  const char *layout = infer_attribute(i, ATTRIBUTE_layout)->word;
  int last = x->rank - 1;
  bool nhwc = layout_is_channels_last(layout);
  int channel = nhwc ? last : 1, first = nhwc ? 1 : 2;
  const Dim *out = w->dims[nhwc ? last : 0];
  if (!conv_channels(i, x->dims[channel], w->dims[nhwc ? last - 1 : 1], out)) return false;
  type.dims[channel] = out;
  for (int n = 0; n < x->rank - 2; n++) {
    const Dim *kernel = w->dims[nhwc ? n : n + 2];
    type.dims[first + n] = infer_window(i, x->dims[first + n], kernel, n, first + n);
    if (!type.dims[first + n]) return false;
  }
  return infer_result(i, &type);
}

bool infer_conv_panel(Inference *i) {
  const Type *x = &i->in[0], *w = &i->in[1];
  Type type = *x;
  if (!panel_element(i, &type.element) || !conv_ranks(i, x->rank + 1) || !conv_attributes(i) ||
      !infer_constants(i, ATTRIBUTE_size, 1) || !infer_constants(i, ATTRIBUTE_blocking, 0))
    return false;
  int last = x->rank - 1;
  int64_t groups = infer_integer(i, ATTRIBUTE_groups), size = infer_integer(i, ATTRIBUTE_size);
  const Dim *out = infer_attribute(i, ATTRIBUTE_size)->dim;
  if (!conv_channels(i, x->dims[last], w->dims[w->rank - 2], out)) return false;
  const Dim *block = w->dims[w->rank - 1];
  bool fine = dim_is_constant(block) && dim_value(block) >= 1;
  if (fine) {
    int64_t each = size / groups, b = dim_value(block), panels = each / b + (each % b != 0);
    fine = w->dims[0] ==
           dim_mul(i->dims, dim_constant(i->dims, groups), dim_constant(i->dims, panels));
  }
  if (!fine) {
    infer_fail(i, E0209, 1, "'conv_panel' does not get the panels of its size");
    infer_label(i, "%s for %lld channels", infer_type_text(i, w), (long long)size);
    return false;
  }
  type.dims[last] = out;
  for (int n = 0; n < x->rank - 2; n++) {
    type.dims[n + 1] = infer_window(i, x->dims[n + 1], w->dims[n + 1], n, n + 1);
    if (!type.dims[n + 1]) return false;
  }
  return infer_result(i, &type);
}

/* ---- Winograd's algorithm, along two axes ---- */

static bool winograd_fail(Inference *i, int operand) {
  infer_fail(i, E0209, operand, "'%s' does not get the weights of its tile",
             operator_spelling(i->kind));
  if (i->in_count == 2)
    infer_label(i, "%s and %s", infer_type_text(i, &i->in[0]), infer_type_text(i, &i->in[1]));
  else
    infer_label(i, "%s", infer_type_text(i, &i->in[0]));
  return false;
}

bool infer_winograd_weight(Inference *i) {
  Type type = i->in[0];
  Winograd w;
  if (!infer_float(i, 0) || !infer_constants(i, ATTRIBUTE_tile, 1) ||
      !infer_constants(i, ATTRIBUTE_stride, 1))
    return false;
  if (type.rank != 5) return winograd_fail(i, 0);
  for (int n = 0; n < 2; n++) {
    const Dim *kernel = type.dims[n + 1], *tile = infer_list(i, ATTRIBUTE_tile, n);
    if (!dim_is_constant(kernel) ||
        !winograd_find(dim_value(tile), dim_value(kernel),
                       dim_value(infer_list(i, ATTRIBUTE_stride, n)), &w))
      return winograd_fail(i, 0);
    type.dims[n + 1] = dim_constant(i->dims, w.weights);
  }
  return infer_result(i, &type);
}

bool infer_conv_winograd(Inference *i) {
  const Type *x = &i->in[0], *w = &i->in[1];
  Type type = *x;
  if (!infer_float(i, 0) || !product_element(i, &type.element) ||
      !infer_constants(i, ATTRIBUTE_pad, 0) || !infer_constants(i, ATTRIBUTE_kernel, 1) ||
      !infer_constants(i, ATTRIBUTE_tile, 1) || !infer_constants(i, ATTRIBUTE_size, 1) ||
      !infer_constants(i, ATTRIBUTE_stride, 1) || !infer_constants(i, ATTRIBUTE_blocking, 0))
    return false;
  if (x->rank != 4 || w->rank != 5 || !dim_is_constant(w->dims[4]) || dim_value(w->dims[4]) < 1 ||
      !infer_require(i, CHECK_EQUAL, x->dims[3], w->dims[3]))
    return winograd_fail(i, 1);
  int64_t columns = dim_value(w->dims[4]), size = infer_integer(i, ATTRIBUTE_size);
  if (!dim_is(w->dims[0], size / columns + (size % columns != 0))) return winograd_fail(i, 1);
  type.dims[3] = infer_attribute(i, ATTRIBUTE_size)->dim;
  for (int n = 0; n < 2; n++) {
    const Dim *kernel = infer_list(i, ATTRIBUTE_kernel, n);
    Winograd axis;
    int64_t stride = dim_value(infer_list(i, ATTRIBUTE_stride, n));
    if (!winograd_find(dim_value(infer_list(i, ATTRIBUTE_tile, n)), dim_value(kernel), stride,
                       &axis) ||
        !dim_is(w->dims[n + 1], axis.weights))
      return winograd_fail(i, 1);
    const DimList *pads = &infer_attribute(i, ATTRIBUTE_pad)->lists.items[n];
    const Dim *whole =
        dim_add(i->dims, dim_add(i->dims, x->dims[n + 1], pads->items[0]), pads->items[1]);
    const Dim *one = dim_constant(i->dims, 1);
    const Dim *places = dim_sub(i->dims, whole, kernel);
    type.dims[n + 1] = dim_add(i->dims, dim_floor(i->dims, places, stride), one);
    if (!infer_require(i, CHECK_LESS_OR_EQUAL, one, type.dims[n + 1])) {
      infer_fail(i, E0207, 0, "the kernel of 'conv_winograd' is larger than the padded map");
      infer_label(i, "%s", infer_type_text(i, x));
      return false;
    }
  }
  return infer_result(i, &type);
}

bool infer_conv_transpose(Inference *i) {
  const Type *x = &i->in[0], *w = &i->in[1];
  DimTable *t = i->dims;
  Type type = {.rank = x->rank, .dims = {x->dims[0]}};
  if (!product_element(i, &type.element) || !infer_arithmetic(i, 0) || !conv_ranks(i, x->rank) ||
      !conv_attributes(i) || !infer_constants(i, ATTRIBUTE_output_pad, 0))
    return false;
  bool nhwc = layout_is_channels_last(infer_attribute(i, ATTRIBUTE_layout)->word);
  int last = x->rank - 1, channel = nhwc ? last : 1, first = nhwc ? 1 : 2;
  const Dim *one = dim_constant(t, 1), *channels = x->dims[channel];
  const Dim *groups = dim_constant(t, infer_integer(i, ATTRIBUTE_groups));
  if (!infer_require(i, CHECK_EQUAL, channels, w->dims[nhwc ? last : 0]) ||
      !infer_require(i, CHECK_EQUAL, dim_mod(t, channels, dim_value(groups)), dim_constant(t, 0))) {
    infer_fail(i, E0209, 1, "the channels of 'conv_transpose' differ, or do not split into groups");
    infer_label(i, "%s and %s in %lld groups", infer_type_text(i, x), infer_type_text(i, w),
                (long long)dim_value(groups));
    return false;
  }
  type.dims[channel] = dim_mul(t, w->dims[nhwc ? last - 1 : 1], groups);
  for (int n = 0; n < x->rank - 2; n++) {
    const DimList *pads = &infer_attribute(i, ATTRIBUTE_pad)->lists.items[n];
    const Dim *spread =
        dim_mul(t, dim_sub(t, x->dims[first + n], one), infer_list(i, ATTRIBUTE_stride, n));
    const Dim *window = dim_mul(t, dim_sub(t, w->dims[nhwc ? n : n + 2], one),
                                infer_list(i, ATTRIBUTE_dilation, n));
    const Dim *size = dim_add(t, dim_add(t, spread, window), one);
    size = dim_add(t, size, infer_list(i, ATTRIBUTE_output_pad, n));
    size = dim_sub(t, dim_sub(t, size, pads->items[0]), pads->items[1]);
    if (!infer_require(i, CHECK_LESS_OR_EQUAL, one, size)) {
      infer_fail(i, E0207, 0, "the padding of 'conv_transpose' leaves no output");
      infer_label(i, "%s and %s: axis %d would be %s", infer_type_text(i, x), infer_type_text(i, w),
                  first + n, infer_dim_text(i, size));
      return false;
    }
    type.dims[first + n] = size;
  }
  return infer_result(i, &type);
}

/* Winograd's algorithm, if a tile says so, is for kernels that move by one. */
static bool weight_tiles(Inference *i, int axes) {
  bool some = false, fine = infer_integer(i, ATTRIBUTE_groups) == 1;
  for (int n = 0; n < axes; n++) {
    int64_t tile = dim_value(infer_list(i, ATTRIBUTE_tile, n));
    Winograd axis;
    some = some || tile != 1;
    fine = fine && dim_is(infer_list(i, ATTRIBUTE_stride, n), 1) &&
           dim_is(infer_list(i, ATTRIBUTE_dilation, n), 1) &&
           winograd_find(tile, dim_value(infer_list(i, ATTRIBUTE_kernel, n)), 1, &axis);
  }
  if (!some || fine) return true;
  infer_fail(i, E0210, -1, "no tile of Winograd's algorithm is of this 'conv_weight'");
  infer_help(i,
             "it takes one group, stride and dilation 1, and tiles as docs/winograd.md has them");
  return false;
}

bool infer_conv_weight(Inference *i) {
  const Type *x = &i->in[0], *dy = &i->in[1];
  Type type = {.rank = x->rank};
  if (!product_element(i, &type.element) || !infer_arithmetic(i, 0) || !conv_ranks(i, x->rank) ||
      !conv_attributes(i) || !infer_constants(i, ATTRIBUTE_kernel, 1) ||
      !infer_constants(i, ATTRIBUTE_tile, 1) || !weight_tiles(i, x->rank - 2))
    return false;
  bool nhwc = layout_is_channels_last(infer_attribute(i, ATTRIBUTE_layout)->word);
  int channel = nhwc ? x->rank - 1 : 1, first = nhwc ? 1 : 2;
  int64_t groups = infer_integer(i, ATTRIBUTE_groups);
  const Dim *each = dim_floor(i->dims, x->dims[channel], groups);
  if (!conv_channels(i, x->dims[channel], each, dy->dims[channel])) return false;
  bool fine = infer_require(i, CHECK_EQUAL, x->dims[0], dy->dims[0]);
  type.dims[0] = dy->dims[channel];
  type.dims[1] = each;
  for (int n = 0; fine && n < x->rank - 2; n++) {
    const Dim *kernel = infer_list(i, ATTRIBUTE_kernel, n);
    const Dim *windows = infer_window(i, x->dims[first + n], kernel, n, first + n);
    if (!windows) return false;
    fine = infer_require(i, CHECK_EQUAL, windows, dy->dims[first + n]);
    type.dims[n + 2] = kernel;
  }
  if (fine) return infer_result(i, &type);
  infer_fail(i, E0203, 1, "'conv_weight' does not get the gradient of its convolution");
  infer_label(i, "%s and %s", infer_type_text(i, x), infer_type_text(i, dy));
  return false;
}
