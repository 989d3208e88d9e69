#include "passes/cost.h"
#include "passes/select.h"

#include "support/bug.h"

#include <math.h>

static const int to_last[] = {0, 2, 3, 1};

static const Dim *number(Select *s, int64_t value) {
  return dim_constant(s->module->dims, value);
}

static Value *pad_before_after(Select *s, Builder *b, Value *x, const int64_t *before,
                               const int64_t *after, const int64_t *between) {
  bool none = true;
  for (int i = 0; i < x->type.rank; i++)
    none = none && before[i] == 0 && after[i] == 0 && (!between || between[i] == 0);
  if (none) return x;
  Attribute attributes[3] = {
      {ATTRIBUTE_before, attribute_integers(s->module, before, x->type.rank)},
      {ATTRIBUTE_after, attribute_integers(s->module, after, x->type.rank)}};
  if (between)
    attributes[2] =
        (Attribute){ATTRIBUTE_between, attribute_integers(s->module, between, x->type.rank)};
  return build(b, OP_pad, &x, 1, attributes, between ? 3 : 2);
}

/* Columns of a panel of `depth` rows: those that leave the least of the last panel empty, of these
 * the most, as long as it is a modest part of L2. */
static int64_t panel_columns(const Select *s, int64_t size, int64_t depth) {
  enum { PANEL_BYTES = 1 << 20 };
  const PassOptions *options = s->context->options;
  int64_t best = options->vector_lanes, least = INT64_MAX, most = options->panel_columns;
  while (most >= 4 * options->vector_lanes && depth > PANEL_BYTES / (4 * most)) most /= 2;
  for (int64_t columns = options->vector_lanes; columns <= most; columns += options->vector_lanes) {
    int64_t padded = (size + columns - 1) / columns * columns;
    if (padded <= least) least = padded, best = columns;
  }
  return best;
}

/* w [groups * size, rest...] to panels [groups * P, rest permuted..., B]; `perm` tells the order of
 * the rest's axes (from 1). */
static Value *pack_rows(Select *s, Builder *b, Value *w, int64_t groups, const int *perm) {
  int rank = w->type.rank;
  int64_t size = dim_value(w->type.dims[0]) / groups, depth = 1;
  for (int i = 1; i < rank; i++) depth *= dim_value(w->type.dims[i]);
  int64_t columns = panel_columns(s, size, depth);
  int64_t panels = (size + columns - 1) / columns;
  const Dim *dims[MOST_AXES];
  int64_t zero[MOST_AXES] = {0}, after[MOST_AXES] = {0};
  int order[MOST_AXES];
  if (groups > 1) {
    dims[0] = number(s, groups), dims[1] = number(s, size);
    for (int i = 1; i < rank; i++) dims[i + 1] = w->type.dims[i];
    if (panels * columns != size) w = build_reshape(b, w, dims, rank + 1);
    after[1] = panels * columns - size;
  } else
    after[0] = panels * columns - size;
  w = pad_before_after(s, b, w, zero, after, NULL);
  int shift = w->type.rank - rank;
  dims[0] = number(s, groups * panels), dims[1] = number(s, columns);
  for (int i = 1; i < rank; i++) dims[i + 1] = w->type.dims[i + shift];
  w = build_reshape(b, w, dims, rank + 1);
  order[0] = 0, order[rank] = 1;
  for (int i = 1; i < rank; i++) order[i] = perm[i - 1] + 1;
  return build_transpose(b, w, order);
}

/* w [K, size] to [P, K, B]. */
static Value *pack_columns(Select *s, Builder *b, Value *w) {
  int64_t size = dim_value(w->type.dims[1]);
  int64_t columns = panel_columns(s, size, dim_value(w->type.dims[0]));
  int64_t panels = (size + columns - 1) / columns;
  w = pad_before_after(s, b, w, (int64_t[]){0, 0}, (int64_t[]){0, panels * columns - size}, NULL);
  const Dim *dims[] = {w->type.dims[0], number(s, panels), number(s, columns)};
  w = build_reshape(b, w, dims, 3);
  return build_transpose(b, w, (int[]){1, 0, 2});
}

static Value *dot_panel(Select *s, Builder *b, Value *x, Value *panels, int64_t size) {
  Attribute attribute = {ATTRIBUTE_size, attribute_integer(s->module, size)};
  return build(b, OP_dot_panel, (Value *[]){x, panels}, 2, &attribute, 1);
}

/* ---- convolutions ---- */

/* What a 2-D convolution in nhwc is made of. */
typedef struct {
  int64_t stride[2], dilation[2], pad[2][2], groups;
} Window;

/* Ways to convolve: as it is, and in nhwc. */
typedef enum { CONV_LOOP, CONV_DIRECT, CONV_DEPTHWISE, CONV_DOT } ConvForm;

static bool is_constant(const Select *s, const Value *weight) {
  while (weight->op && operator_has(weight->op->kind, TRAIT_VIEW)) weight = weight->op->operands[0];
  return constant_data(&s->constants, weight) != NULL;
}

/* How many times its own arithmetic a product does in panels, whose last one may be half empty. */
static double panel_waste(const Select *s, int64_t size, int64_t depth) {
  int64_t columns = panel_columns(s, size, depth);
  return (double)((size + columns - 1) / columns * columns) / (double)size;
}

/* The form of a convolution with `out` channels, `taps` positions of the kernel and `channels` of
 * the input in all groups; `loop_flops` is the arithmetic of doing it as it is, `flops` in nhwc. */
static ConvForm choose_conv(Select *s, const Op *op, const Window *window, int64_t out,
                            int64_t channels, int64_t taps, double loop_flops, double flops) {
  const Value *w = op->operands[1];
  double weights = type_elements(&w->type), packing = 0;
  double bytes =
      4 * (type_elements(&op->operands[0]->type) + weights + type_elements(&op_result(op)->type));
  if (!is_constant(s, w)) packing = select_packing(s, weights);
  int64_t groups = window->groups;
  double panels = flops * panel_waste(s, out / groups, channels / groups * taps);
  Candidate candidates[4] = {
      {"loop", select_time(s, loop_flops, 0.05, bytes)},
      {"direct", packing + select_time(s, panels, 0.85, bytes)},
  };
  ConvForm forms[4] = {CONV_LOOP, CONV_DIRECT};
  int count = 2;
  if (groups > 1 && groups == channels && out == channels) {
    candidates[count] = (Candidate){"depthwise", select_time(s, flops, 0.15, bytes)};
    forms[count++] = CONV_DEPTHWISE;
  }
  if (groups == 1 && taps == 1 && window->stride[0] == 1 && window->stride[1] == 1) {
    candidates[count] = (Candidate){"dot", packing + select_time(s, panels, 0.95, bytes)};
    forms[count++] = CONV_DOT;
  }
  return forms[select_choose(s, candidates, count)];
}

static Value *because(const Select *s, Value *value) {
  if (value) value->op->why = s->why;
  return value;
}

static Value *conv_last(Select *s, Builder *b, Value *x, Value *w, const Window *window,
                        ConvForm form) {
  int64_t out = dim_value(w->type.dims[0]), groups = window->groups;
  s->choices++;
  if (form == CONV_DEPTHWISE) {
    Attribute own[] = {{ATTRIBUTE_stride, attribute_integers(s->module, window->stride, 2)},
                       {ATTRIBUTE_dilation, attribute_integers(s->module, window->dilation, 2)},
                       {ATTRIBUTE_groups, attribute_integer(s->module, groups)},
                       {ATTRIBUTE_layout, attribute_word("nhwc")},
                       {ATTRIBUTE_pad, attribute_pairs(s->module, window->pad, 2)}};
    w = build_transpose(b, w, (int[]){2, 3, 1, 0});
    return because(s, build(b, OP_conv, (Value *[]){x, w}, 2, own, 5));
  }
  x = pad_before_after(s, b, x, (int64_t[]){0, window->pad[0][0], window->pad[1][0], 0},
                       (int64_t[]){0, window->pad[0][1], window->pad[1][1], 0}, NULL);
  Attribute attributes[] = {
      {ATTRIBUTE_stride, attribute_integers(s->module, window->stride, 2)},
      {ATTRIBUTE_dilation, attribute_integers(s->module, window->dilation, 2)},
      {ATTRIBUTE_groups, attribute_integer(s->module, groups)},
      {ATTRIBUTE_size, attribute_integer(s->module, out)}};
  if (form == CONV_DOT) {
    const Dim *dims[] = {w->type.dims[0], w->type.dims[1]};
    w = build_reshape(b, w, dims, 2);
    return because(s, dot_panel(s, b, x, pack_rows(s, b, w, 1, (int[]){1}), out));
  }
  w = pack_rows(s, b, w, groups, (int[]){2, 3, 1});
  return because(s, build(b, OP_conv_panel, (Value *[]){x, w}, 2, attributes, 4));
}

/* Attributes of one or two spatial axes; one becomes the second of two. */
static Window window_of(const Op *op, int axes) {
  Window window = {{1, 1}, {1, 1}, {{0, 0}, {0, 0}}, op_integer(op, ATTRIBUTE_groups)};
  for (int i = 0; i < axes; i++) {
    int at = i + 2 - axes;
    window.stride[at] = op_list_integer(op, ATTRIBUTE_stride, i);
    window.dilation[at] = op_list_integer(op, ATTRIBUTE_dilation, i);
    for (int side = 0; side < 2; side++)
      window.pad[at][side] = op_pair_integer(op, ATTRIBUTE_pad, i, side);
  }
  return window;
}

/* Whether a convolution of one or two axes is in f32 and of fixed weights' shape. */
static bool is_candidate(const Op *op) {
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type;
  return x->element == ELEMENT_f32 && (x->rank == 3 || x->rank == 4) && type_is_static(w) &&
         dim_is_constant(x->dims[1]);
}

/* [N, C, L] as [N, 1, L, C], [N, C, H, W] as [N, H, W, C]. */
static Value *image_last(Select *s, Builder *b, Value *x) {
  if (x->type.rank == 4) return permuted(s, b, x, to_last);
  x = permuted(s, b, x, (int[]){0, 2, 1});
  const Dim *dims[] = {x->type.dims[0], number(s, 1), x->type.dims[1], x->type.dims[2]};
  return build_reshape(b, x, dims, 4);
}

/* A weight with a unit axis before its only spatial one. */
static Value *weight_2d(Select *s, Builder *b, Value *w) {
  if (w->type.rank == 4) return w;
  const Dim *dims[] = {w->type.dims[0], w->type.dims[1], number(s, 1), w->type.dims[2]};
  return build_reshape(b, w, dims, 4);
}

/* Notes what a convolution in nhwc gave, for the original's result. */
static void set_image(Select *s, Builder *b, Op *op, Value *y) {
  if (op_result(op)->type.rank == 4) {
    alternate_set(s, op_result(op), y, to_last);
    return;
  }
  const Dim *dims[] = {y->type.dims[0], y->type.dims[2], y->type.dims[3]};
  alternate_set(s, op_result(op), build_reshape(b, y, dims, 3), (int[]){0, 2, 1});
}

bool select_conv(Select *s, Op *op) {
  if (!is_candidate(op) || op_word(op, ATTRIBUTE_layout)[1] != 'c') return false;
  Builder b = builder_before(op);
  Window window = window_of(op, op->operands[0]->type.rank - 2);
  const Type *weight = &op->operands[1]->type;
  int64_t out = dim_value(weight->dims[0]), weights = type_static_count(weight);
  if (weights == 0) return false;
  int64_t channels = dim_value(op->operands[0]->type.dims[1]);
  double each = (double)weights / (double)out;
  double flops = 2 * type_elements(&op_result(op)->type) * each;
  int64_t taps = weights / (out * dim_value(weight->dims[1]));
  ConvForm form = choose_conv(s, op, &window, out, channels, taps, flops, flops);
  if (form == CONV_LOOP) {
    op->why = s->why;
    return false;
  }
  Value *x = image_last(s, &b, op->operands[0]);
  Value *w = weight_2d(s, &b, original_order(s, &b, op->operands[1]));
  Value *y = conv_last(s, &b, x, w, &window, form);
  if (!y) bug("a conv does not go into nhwc: %s", b.failure.message);
  set_image(s, &b, op, y);
  return true;
}

/* As a convolution of the input with zeros between its elements, by the flipped weight. */
bool select_conv_transpose(Select *s, Op *op) {
  if (!is_candidate(op)) return false;
  Builder b = builder_before(op);
  int axes = op->operands[0]->type.rank - 2;
  Window window = window_of(op, axes);
  Value *w = weight_2d(s, &b, original_order(s, &b, op->operands[1]));
  int64_t before[4] = {0}, after[4] = {0}, between[4] = {0}, output_pad[2] = {0, 0};
  for (int i = 0; i < axes; i++)
    output_pad[i + 2 - axes] = op_list_integer(op, ATTRIBUTE_output_pad, i);
  for (int i = 0; i < 2; i++) {
    int64_t reach = window.dilation[i] * (dim_value(w->type.dims[2 + i]) - 1);
    before[i + 1] = reach - window.pad[i][0];
    after[i + 1] = reach - window.pad[i][1] + output_pad[i];
    between[i + 1] = window.stride[i] - 1;
    if (before[i + 1] < 0 || after[i + 1] < 0) return false;
    window.stride[i] = 1;
    window.pad[i][0] = window.pad[i][1] = 0;
  }
  const Dim *const *dims = w->type.dims;
  int64_t groups = window.groups, inputs = dim_value(dims[0]), outs = dim_value(dims[1]);
  int64_t taps = dim_value(dims[2]) * dim_value(dims[3]);
  double given = type_elements(&op->operands[0]->type), made = type_elements(&op_result(op)->type);
  ConvForm form =
      choose_conv(s, op, &window, groups * outs, inputs, taps, 2 * given * (double)(outs * taps),
                  2 * made * (double)(inputs / groups * taps));
  if (form == CONV_LOOP) {
    op->why = s->why;
    return false;
  }
  Value *x = image_last(s, &b, op->operands[0]);
  x = pad_before_after(s, &b, x, before, after, between);
  /* [C, out/groups, kh, kw] to [out, C/groups, kh, kw], back to front. */
  const Dim *split[] = {number(s, groups), number(s, inputs / groups), dims[1], dims[2], dims[3]};
  const Dim *joined[] = {number(s, groups * outs), number(s, inputs / groups), dims[2], dims[3]};
  w = build_reshape(&b, w, split, 5);
  w = build_reshape(&b, build_transpose(&b, w, (int[]){0, 2, 1, 3, 4}), joined, 4);
  /* Down to above -1 - size, which is below the first. */
  int64_t height = dim_value(joined[2]), width = dim_value(joined[3]);
  Attribute flip[] = {
      {ATTRIBUTE_start, attribute_integers(s->module, (int64_t[]){0, 0, height - 1, width - 1}, 4)},
      {ATTRIBUTE_stop,
       attribute_integers(s->module, (int64_t[]){groups * outs, inputs / groups, -1, -1}, 4)},
      {ATTRIBUTE_step, attribute_integers(s->module, (int64_t[]){1, 1, -1, -1}, 4)}};
  w = build(&b, OP_slice, &w, 1, flip, 3);
  if (!w) bug("a kernel cannot be flipped: %s", b.failure.message);
  Value *y = conv_last(s, &b, x, w, &window, form);
  if (!y) bug("a conv_transpose does not become a conv: %s", b.failure.message);
  set_image(s, &b, op, y);
  return true;
}

/* ---- dot ---- */

typedef struct {
  Value *value;
  int batch[MOST_AXES], batch_count;
  int contract[MOST_AXES], contract_count;
  int rest[MOST_AXES], rest_count;
} Side;

static Side side_of(Value *value, const Op *op, int which) {
  Side side = {.value = value};
  bool used[MOST_AXES] = {false};
  const DimList *batch = &op_attribute(op, ATTRIBUTE_batch)->lists.items[which];
  const DimList *contract = &op_attribute(op, ATTRIBUTE_contract)->lists.items[which];
  for (int i = 0; i < batch->count; i++)
    used[side.batch[side.batch_count++] = (int)dim_value(batch->items[i])] = true;
  for (int i = 0; i < contract->count; i++)
    used[side.contract[side.contract_count++] = (int)dim_value(contract->items[i])] = true;
  for (int i = 0; i < value->type.rank; i++)
    if (!used[i]) side.rest[side.rest_count++] = i;
  return side;
}

/* A transpose that feeds a product is the same product along other axes. */
static void absorb_transpose(Side *side) {
  const Op *op = side->value->op;
  if (!op || op->kind != OP_transpose || side->rest_count > 1 || alternate_of(side->value)) return;
  int perm[MOST_AXES];
  op_permutation(op, perm);
  for (int i = 0; i < side->batch_count; i++)
    if (perm[side->batch[i]] != i) return; /* would have to move anyway */
  for (int i = 0; i < side->batch_count; i++) side->batch[i] = perm[side->batch[i]];
  for (int i = 0; i < side->contract_count; i++) side->contract[i] = perm[side->contract[i]];
  for (int i = 0; i < side->rest_count; i++) side->rest[i] = perm[side->rest[i]];
  side->value = op->operands[0];
}

/* Product of the dims of some axes. */
static const Dim *dims_product(Select *s, const Type *type, const int *axes, int count) {
  const Dim *product = number(s, 1);
  for (int i = 0; i < count && product; i++)
    product = dim_mul(s->module->dims, product, type->dims[axes[i]]);
  return product;
}

/* Brings a side into [batch.., rest.., contract] (contract_last) or [batch.., contract, rest], with
 * the contracted axes joined to one and, with `join_rest`, the rest too. */
static Value *side_form(Select *s, Builder *b, const Side *side, bool contract_last,
                        bool join_rest) {
  int perm[MOST_AXES], rank = 0;
  const Dim *dims[MOST_AXES];
  const Type *type = &side->value->type;
  for (int i = 0; i < side->batch_count; i++) perm[rank++] = side->batch[i];
  for (int i = 0; i < side->contract_count && !contract_last; i++) perm[rank++] = side->contract[i];
  for (int i = 0; i < side->rest_count; i++) perm[rank++] = side->rest[i];
  for (int i = 0; i < side->contract_count && contract_last; i++) perm[rank++] = side->contract[i];
  Value *value = permuted(s, b, side->value, perm);
  if (side->contract_count == 1 && (!join_rest || side->rest_count == 1)) return value;
  int count = 0;
  const Dim *contract = dims_product(s, type, side->contract, side->contract_count);
  for (int i = 0; i < side->batch_count; i++) dims[count++] = type->dims[side->batch[i]];
  if (!contract_last) dims[count++] = contract;
  if (join_rest)
    dims[count++] = dims_product(s, type, side->rest, side->rest_count);
  else
    for (int i = 0; i < side->rest_count; i++) dims[count++] = type->dims[side->rest[i]];
  if (contract_last) dims[count++] = contract;
  for (int i = 0; i < count; i++)
    if (!dims[i]) return NULL;
  return build_reshape(b, value, dims, count);
}

static bool is_weight(const Value *value) {
  while (value->op && (operator_has(value->op->kind, TRAIT_VIEW) || value->op->kind == OP_cast))
    value = value->op->operands[0];
  return value->op && (value->op->kind == OP_read || value->op->kind == OP_constant);
}

/* Whether to bring the second operand into panels, which costs a copy of it in each call unless it
 * is constant. */
static bool wants_panels(Select *s, const Op *op, const Side *x, const Side *y) {
  const Type *type = &y->value->type;
  double weights = type_elements(type), size = 1;
  for (int i = 0; i < y->rest_count; i++) size *= (double)dim_max(type->dims[y->rest[i]]);
  double given = type_elements(&x->value->type), made = type_elements(&op_result(op)->type);
  double flops = size > 0 ? 2 * made * weights / size : 0;
  for (int i = 0; i < y->batch_count; i++) flops /= (double)dim_max(type->dims[y->batch[i]]);
  Candidate candidates[2] = {{"rows", select_rows_time(s, flops, weights)}};
  bool can = s->context->options->level >= 2 && type->element == ELEMENT_f32 &&
             y->batch_count == 0 && type_is_static(type) && y->rest_count > 0 &&
             y->contract_count > 0 && weights > 0;
  if (can) {
    double packing = is_constant(s, y->value) ? 0 : select_packing(s, weights);
    double waste = panel_waste(s, (int64_t)size, (int64_t)(weights / size));
    double bytes = 4 * (given + weights + made);
    candidates[1] = (Candidate){"panel", packing + select_time(s, flops * waste, 0.95, bytes)};
  }
  return select_choose(s, candidates, can ? 2 : 1) == 1;
}

/* Rows of the weight in the order of a flattened nhwc map instead of reordering the map. */
static Value *unflattened_weight(Select *s, Builder *b, const Alternate *a, Side *y) {
  int rank = y->value->type.rank, axis = y->contract[0], perm[MOST_AXES];
  if (rank - 1 + a->group_rank > MOST_AXES || y->contract_count != 1) return NULL;
  Value *w = original_order(s, b, y->value);
  const Dim *dims[MOST_AXES];
  int count = 0;
  for (int i = 0; i < rank; i++) {
    if (i != axis) {
      perm[count] = count;
      dims[count++] = w->type.dims[i];
      continue;
    }
    for (int j = 0; j < a->group_rank; j++) {
      perm[count + j] = count + a->group_perm[j];
      dims[count + j] = a->group_dims[j];
    }
    count += a->group_rank;
  }
  Value *split = build_transpose(b, build_reshape(b, w, dims, count), perm);
  return build_reshape(b, split, w->type.dims, rank);
}

bool select_dot(Select *s, Op *op) {
  Side x = side_of(op->operands[0], op, 0), y = side_of(op->operands[1], op, 1);
  Builder b = builder_before(op);
  const Alternate *flat = alternate_of(x.value);
  if (flat && flat->flat) {
    bool last = x.contract_count == 1 && x.contract[0] == x.value->type.rank - 1 &&
                is_weight(y.value) && x.batch_count == 0;
    Value *w = last ? unflattened_weight(s, &b, flat, &y) : NULL;
    if (w) x.value = flat->value, y.value = w;
  }
  absorb_transpose(&x);
  absorb_transpose(&y);
  bool panels = wants_panels(s, op, &x, &y);
  bool contract_last =
      y.rest_count == 0 || y.contract_count == 0 || y.contract[0] > y.rest[y.rest_count - 1];
  Value *left = side_form(s, &b, &x, true, !panels), *result;
  Value *right = side_form(s, &b, &y, contract_last, true);
  if (!left || !right) return false;
  if (panels) {
    s->choices++;
    const Type *type = &right->type;
    int64_t size = dim_value(type->dims[contract_last ? 0 : 1]);
    right = contract_last ? pack_rows(s, &b, right, 1, (int[]){1}) : pack_columns(s, &b, right);
    result = dot_panel(s, &b, left, right, size);
  } else {
    int64_t batch[MOST_AXES], last_x = x.batch_count + 1;
    int64_t last_y = x.batch_count + (contract_last ? 1 : 0);
    for (int i = 0; i < x.batch_count; i++) batch[i] = i;
    DimList *lists = ARENA_ARRAY(s->module->arena, 4, DimList);
    lists[0] = lists[1] = attribute_integers(s->module, batch, x.batch_count).dims;
    lists[2] = attribute_integers(s->module, &last_x, 1).dims;
    lists[3] = attribute_integers(s->module, &last_y, 1).dims;
    AttributeValue both = {.kind = ATTRIBUTE_LISTS}, contract = {.kind = ATTRIBUTE_LISTS};
    both.lists.items = lists, both.lists.count = 2;
    contract.lists.items = lists + 2, contract.lists.count = 2;
    Attribute attributes[] = {{ATTRIBUTE_contract, contract}, {ATTRIBUTE_batch, both}};
    result = build(&b, OP_dot, (Value *[]){left, right}, 2, attributes, 2);
  }
  because(s, result);
  if (!result) bug("a dot has no canonical form: %s", b.failure.message);
  const Type *type = &op_result(op)->type;
  if (!type_equal(&result->type, type)) result = build_reshape(&b, result, type->dims, type->rank);
  op_replace(op, result, true);
  return true;
}

/* ---- attention ---- */

static AttributeValue axes_of_both(Select *s, const int64_t *x, const int64_t *y, int count) {
  DimList *lists = ARENA_ARRAY(s->module->arena, 2, DimList);
  lists[0] = attribute_integers(s->module, x, count).dims;
  lists[1] = attribute_integers(s->module, y, count).dims;
  AttributeValue value = {.kind = ATTRIBUTE_LISTS};
  value.lists.items = lists, value.lists.count = 2;
  return value;
}

static Value *batched_dot(Select *s, Builder *b, Value *x, Value *y, int64_t contract_y) {
  int64_t batch[MOST_AXES], contract_x = x->type.rank - 1;
  for (int i = 0; i < x->type.rank - 2; i++) batch[i] = i;
  Attribute attributes[] = {{ATTRIBUTE_contract, axes_of_both(s, &contract_x, &contract_y, 1)},
                            {ATTRIBUTE_batch, axes_of_both(s, batch, batch, x->type.rank - 2)}};
  Value *result = build(b, OP_dot, (Value *[]){x, y}, 2, attributes, 2);
  if (!result) return NULL;
  double flops = 2 * type_elements(&result->type) * (double)dim_max(x->type.dims[contract_x]);
  Candidate rows = {"rows", select_rows_time(s, flops, type_elements(&y->type))};
  select_choose(s, &rows, 1);
  return because(s, result);
}

/* true where the query may see the key: key <= query + (keys - queries). */
static Value *causal_mask(Select *s, Builder *b, const Dim *queries, const Dim *keys) {
  Type type = {ELEMENT_i64, 2, {queries, number(s, 1)}};
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(s->module, 0)};
  Value *row = build_typed(b, OP_iota, type, NULL, &axis, 1);
  type.dims[0] = number(s, 1), type.dims[1] = keys;
  axis.value = attribute_integer(s->module, 1);
  Value *column = build_typed(b, OP_iota, type, NULL, &axis, 1);
  Attribute value = {ATTRIBUTE_value, attribute_dim(dim_sub(s->module->dims, keys, queries))};
  Value *ahead = build_typed(b, OP_dim_value, type_scalar(ELEMENT_i64), NULL, &value, 1);
  return build_binary(b, OP_le, column, build_binary(b, OP_add, row, ahead));
}

static Value *masked(Builder *b, Value *mask, Value *scores) {
  Value *lowest = build_number(b, scores->type.element, -INFINITY);
  return build(b, OP_where, (Value *[]){mask, scores, lowest}, 3, NULL, 0);
}

/* The scale that is given, or 1/sqrt of the keys' width, which the call may have to compute. */
static Value *attention_scale(Builder *b, const Op *op, const Value *q) {
  Number given = op_attribute(op, ATTRIBUTE_scale)->number;
  double scale = given.is_integer ? (double)given.integer : given.real;
  const Dim *width = q->type.dims[q->type.rank - 1];
  Element element = q->type.element;
  if (scale != 0) return build_number(b, element, scale);
  if (dim_is_constant(width)) return build_number(b, element, 1 / sqrt((double)dim_value(width)));
  Attribute value = {ATTRIBUTE_value, attribute_dim(width)};
  Value *number = build_typed(b, OP_dim_value, type_scalar(ELEMENT_i64), NULL, &value, 1);
  Attribute to = {ATTRIBUTE_to, attribute_element(element)};
  return build_unary(b, OP_rsqrt, build(b, OP_cast, &number, 1, &to, 1));
}

bool select_attention(Select *s, Op *op) {
  Builder b = builder_before(op);
  Value *q = original_order(s, &b, op->operands[0]), *k = original_order(s, &b, op->operands[1]);
  Value *v = original_order(s, &b, op->operands[2]);
  int rank = q->type.rank;
  Value *scores = batched_dot(s, &b, q, k, rank - 1);
  if (!scores) return false; /* batch axes that are broadcast */
  scores = build_binary(&b, OP_mul, scores, attention_scale(&b, op, q));
  if (op_flag(op, ATTRIBUTE_causal))
    scores = masked(&b, causal_mask(s, &b, q->type.dims[rank - 2], k->type.dims[rank - 2]), scores);
  if (op->operand_count == 4) scores = masked(&b, original_order(s, &b, op->operands[3]), scores);
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(s->module, rank - 1)};
  Value *weights = build(&b, OP_softmax, &scores, 1, &axis, 1);
  Value *result = batched_dot(s, &b, weights, v, rank - 2);
  if (!result) bug("attention cannot be expanded: %s", b.failure.message);
  s->choices++;
  op_replace(op, result, true);
  return true;
}
