/* How rules make operations and give shares: see gradient.h. */
#include "passes/gradient.h"

#include "support/bug.h"

#include <math.h>

Value *slope_build(Gradient *g, Operator kind, Value *const *operands, int count,
                   const Attribute *attributes, int attribute_count) {
  Value *value = build(&g->b, kind, operands, count, attributes, attribute_count);
  if (!value)
    bug("the gradient of '%s' needs a '%s': %s%s%s", operator_infos[g->op->kind].name,
        operator_infos[kind].name, g->b.failure.message, g->b.failure.label ? ": " : "",
        g->b.failure.label ? g->b.failure.label : "");
  return value;
}

Value *slope_unary(Gradient *g, Operator kind, Value *x) {
  return slope_build(g, kind, &x, 1, NULL, 0);
}

Value *slope_binary(Gradient *g, Operator kind, Value *x, Value *y) {
  return slope_build(g, kind, (Value *[]){x, y}, 2, NULL, 0);
}

Value *slope_where(Gradient *g, Value *c, Value *x, Value *y) {
  return slope_build(g, OP_where, (Value *[]){c, x, y}, 3, NULL, 0);
}

Value *slope_number(Gradient *g, Element element, double value) {
  return build_number(&g->b, element, value);
}

/* A number that stands alone: of rank 0, so that leaving it out changes no shape. */
static bool is_scalar_number(const Value *x, double *number) {
  return x->type.rank == 0 && value_number(x, number);
}

Value *slope_mul(Gradient *g, Value *x, Value *y) {
  double a, b;
  bool first = is_scalar_number(x, &a), second = is_scalar_number(y, &b);
  if (first && a == 1) return y;
  if (second && b == 1) return x;
  Element element = x->type.element;
  if (first && second && isfinite(a * b) && fma(a, b, -(a * b)) == 0 &&
      element_round(element, a * b) == a * b)
    return slope_number(g, element, a * b);
  return first ? slope_binary(g, OP_mul, y, x) : slope_binary(g, OP_mul, x, y);
}

Value *slope_scale(Gradient *g, Value *x, double by) {
  return by == 1 ? x : slope_mul(g, x, slope_number(g, x->type.element, by));
}

Value *slope_div(Gradient *g, Value *x, Value *y) {
  double b;
  return is_scalar_number(y, &b) && b == 1 ? x : slope_binary(g, OP_div, x, y);
}

Value *slope_neg(Gradient *g, Value *x) {
  double a;
  if (is_scalar_number(x, &a)) return slope_number(g, x->type.element, -a);
  return slope_unary(g, OP_neg, x);
}

Value *slope_zeros(Gradient *g, const Type *type) {
  Attribute value = {ATTRIBUTE_value, attribute_number(number_real(0))};
  return build_typed(&g->b, OP_full, *type, NULL, &value, 1);
}

Value *slope_cast(Gradient *g, Value *x, Element to) {
  if (x->type.element == to) return x;
  Attribute attribute = {ATTRIBUTE_to, attribute_element(to)};
  return slope_build(g, OP_cast, &x, 1, &attribute, 1);
}

Value *slope_reshape(Gradient *g, Value *x, const Type *type) {
  bool same = x->type.rank == type->rank;
  for (int i = 0; same && i < type->rank; i++) same = x->type.dims[i] == type->dims[i];
  if (same) return x;
  if (x->op && x->op->kind == OP_reshape) return slope_reshape(g, x->op->operands[0], type);
  return build_reshape(&g->b, x, type->dims, type->rank);
}

Value *slope_transpose(Gradient *g, Value *x, const int *perm) {
  return permutation_is_identity(perm, x->type.rank) ? x : build_transpose(&g->b, x, perm);
}

Value *slope_sum(Gradient *g, Value *x, const int64_t *axes, int count, bool keepdims) {
  if (count == 0) return x;
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integers(g->module, axes, count)},
                            {ATTRIBUTE_keepdims, attribute_flag(keepdims)}};
  return slope_build(g, OP_sum, &x, 1, attributes, 2);
}

Value *slope_iota(Gradient *g, const Type *type, int axis) {
  Attribute attribute = {ATTRIBUTE_axis, attribute_integer(g->module, axis)};
  return build_typed(&g->b, OP_iota, *type, NULL, &attribute, 1);
}

Value *slope_dim(Gradient *g, Element element, const Dim *dim) {
  if (dim_is_constant(dim) && element_is_float(element))
    return slope_number(g, element, (double)dim_value(dim));
  Attribute attribute = {ATTRIBUTE_value, attribute_dim(dim)};
  Value *value = build_typed(&g->b, OP_dim_value, type_scalar(ELEMENT_i64), NULL, &attribute, 1);
  return slope_cast(g, value, element);
}

/* ---- shapes ---- */

Value *slope_full(Gradient *g, Value *share, const Type *type) {
  if (type_equal(&share->type, type)) return share;
  double number;
  if (is_scalar_number(share, &number)) {
    Attribute value = {ATTRIBUTE_value, attribute_number(number_real(number))};
    return build_typed(&g->b, OP_full, *type, NULL, &value, 1);
  }
  Attribute shape = {ATTRIBUTE_shape, attribute_dims(g->module, type->dims, type->rank)};
  return slope_build(g, OP_broadcast, &share, 1, &shape, 1);
}

Value *slope_full_of(Gradient *g, int result) {
  return slope_full(g, g->of[result], &g->op->results[result]->type);
}

/* Whether x, an operand of what has `rank` axes, is the same along these axes. */
static bool is_flat(const Value *x, int rank, const int64_t *axes, int count) {
  int absent = rank - x->type.rank;
  for (int i = 0; i < count; i++)
    if (axes[i] >= absent && !dim_is(x->type.dims[axes[i] - absent], 1)) return false;
  return true;
}

static const Op *behind_reshapes(const Value *x) {
  while (x->op && x->op->kind == OP_reshape) x = x->op->operands[0];
  return x->op;
}

static bool is_dim(const Value *x, const Dim *dim) {
  double number;
  if (dim_is_constant(dim) && value_number(x, &number)) return number == (double)dim_value(dim);
  const Op *op = behind_reshapes(x);
  if (op && op->kind == OP_cast) op = op->operands[0]->op;
  return op && op->kind == OP_dim_value && op_attribute(op, ATTRIBUTE_value)->dim == dim;
}

/* x - mean(x) over the axes: its sum over them is 0. */
static bool is_centred(Gradient *g, const Value *value, const int64_t *axes, int count) {
  const Op *sub = value->op;
  if (!sub || sub->kind != OP_sub) return false;
  const Value *x = sub->operands[0];
  const Op *mean = behind_reshapes(sub->operands[1]);
  if (!mean || mean->kind != OP_div || !is_flat(sub->operands[1], x->type.rank, axes, count))
    return false;
  const Op *sum = behind_reshapes(mean->operands[0]);
  if (!sum || sum->kind != OP_sum || sum->operands[0] != x) return false;
  unsigned mask = 0;
  const Dim *terms = dim_constant(g->module->dims, 1);
  for (int i = 0; i < count; i++) {
    mask |= 1u << axes[i];
    terms = dim_mul(g->module->dims, terms, x->type.dims[axes[i]]);
  }
  return type_equal(&value->type, &x->type) && mask == op_axes(sum) && terms &&
         is_dim(mean->operands[1], terms);
}

/* The sum of a share over axes; NULL: 0. A factor that is the same along them is multiplied
 * afterwards: so batch norm's gradient needs the sums of d and of d * x alone. */
static Value *sum_share(Gradient *g, Value *share, const int64_t *axes, int count, bool keepdims) {
  int rank = share->type.rank;
  if (count == 0) return share;
  if (is_centred(g, share, axes, count)) return NULL;
  for (int side = 0; side < 2 && share->op && share->op->kind == OP_mul; side++) {
    Value *flat = share->op->operands[side], *rest = share->op->operands[1 - side];
    int64_t moved[MOST_AXES];
    if (!is_flat(flat, rank, axes, count)) continue;
    for (int i = 0; i < count; i++) moved[i] = axes[i] - (rank - rest->type.rank);
    rest = sum_share(g, rest, moved, count, true);
    return rest ? slope_mul(g, rest, flat) : NULL;
  }
  for (int i = 0; i < count && keepdims; i++) /* of rows alone: else with the sum for a bias */
    keepdims = axes[i] >= rank - count;
  Type type = share->type;
  Value *sum = slope_sum(g, share, axes, count, keepdims);
  if (keepdims) return sum;
  for (int i = 0; i < count; i++) type.dims[axes[i]] = dim_constant(g->module->dims, 1);
  return slope_reshape(g, sum, &type);
}

/* An axis along which `from` is repeated is summed over; where the share is repeated along it too,
 * that is a product. */
Value *slope_unbroadcast(Gradient *g, Value *share, const Type *from, const Type *to) {
  int64_t axes[MOST_AXES];
  int count = 0, lead = to->rank - from->rank, absent = to->rank - share->type.rank;
  const Dim *one = dim_constant(g->module->dims, 1), *repeats = one;
  Type rest = {.element = share->type.element};
  for (int i = 0; i < to->rank; i++) {
    const Dim *n = i < absent ? one : share->type.dims[i - absent];
    bool repeated = !dim_is(to->dims[i], 1) && (i < lead || dim_is(from->dims[i - lead], 1));
    if (repeated && dim_is(n, 1))
      repeats = dim_mul(g->module->dims, repeats, to->dims[i]);
    else if (repeated) {
      axes[count++] = i - absent;
      n = one;
    }
    if (i >= lead && i >= absent) rest.dims[rest.rank++] = n;
  }
  share = sum_share(g, share, axes, count, true);
  if (!share) return NULL;
  share = slope_reshape(g, share, &rest);
  if (dim_is(repeats, 1)) return share;
  return slope_mul(g, share, slope_dim(g, share->type.element, repeats));
}

/* ---- giving ---- */

bool gradient_wants(const Gradient *g, int operand) {
  return g->slots[g->op->operands[operand]->mark].is_wanted && gradient_passes(g->op, operand);
}

/* Shares of the whole are summed as they come, so that no more than one waits: a weight that is
 * used in many places would else have a gradient for each until the end. */
static void add_share(Gradient *g, const Value *x, Value *share, const Op *slice) {
  GradientSlot *slot = &g->slots[x->mark];
  for (size_t i = 0; !slice && i < slot->shares.count; i++) {
    GradientShare *first = &slot->shares.items[i];
    if (first->slice) continue;
    first->share = slope_binary(g, OP_add, first->share, share);
    return;
  }
  vec_push(g->scratch, &slot->shares, ((GradientShare){share, slice}));
}

static void give(Gradient *g, int operand, Value *share, const Op *slice) {
  double number;
  if (!share || !gradient_wants(g, operand)) return;
  if (value_number(share, &number) && number == 0) return;
  add_share(g, g->op->operands[operand], share, slice);
}

void gradient_seed(Gradient *g, const Value *x, Value *share) {
  if (g->slots[x->mark].is_wanted) add_share(g, x, share, NULL);
}

void gradient_give(Gradient *g, int operand, Value *share) {
  give(g, operand, share, NULL);
}

Value *gradient_take(Gradient *g, int operand) {
  GradientSlot *slot = &g->slots[g->op->operands[operand]->mark];
  for (size_t i = 0; i < slot->shares.count; i++) {
    Value *share = slot->shares.items[i].share;
    if (slot->shares.items[i].slice) continue;
    for (slot->shares.count--; i < slot->shares.count; i++)
      slot->shares.items[i] = slot->shares.items[i + 1];
    return share;
  }
  return NULL;
}

void gradient_give_sum(Gradient *g, int operand, Value *share) {
  if (!gradient_wants(g, operand)) return;
  const Type *from = &g->op->operands[operand]->type, *to = &op_result(g->op)->type;
  give(g, operand, slope_unbroadcast(g, share, from, to), NULL);
}

void gradient_give_slice(Gradient *g, Value *share) {
  give(g, 0, share, g->op);
}
