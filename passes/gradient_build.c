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
  return same ? x : build_reshape(&g->b, x, type->dims, type->rank);
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

/* An axis along which `from` is repeated is summed over; where the share is repeated along it too,
 * that is a product. */
Value *slope_unbroadcast(Gradient *g, Value *share, const Type *from, const Type *to) {
  int64_t axes[MOST_AXES];
  int count = 0, lead = to->rank - from->rank, absent = to->rank - share->type.rank;
  bool stay = true; /* the axes that are summed over are 1 in the operand */
  const Dim *one = dim_constant(g->module->dims, 1), *repeats = one;
  Type rest = {.element = share->type.element};
  for (int i = 0; i < to->rank; i++) {
    const Dim *n = i < absent ? one : share->type.dims[i - absent];
    bool repeated = !dim_is(to->dims[i], 1) && (i < lead || dim_is(from->dims[i - lead], 1));
    if (repeated && dim_is(n, 1))
      repeats = dim_mul(g->module->dims, repeats, to->dims[i]);
    else if (repeated) {
      axes[count++] = i - absent;
      stay = stay && i >= lead;
      n = one;
    }
    if (i >= lead && i >= absent) rest.dims[rest.rank++] = n;
  }
  share = slope_sum(g, share, axes, count, stay);
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
static void give(Gradient *g, int operand, Value *share, const Op *slice) {
  double number;
  if (!gradient_wants(g, operand) || (value_number(share, &number) && number == 0)) return;
  GradientSlot *slot = &g->slots[g->op->operands[operand]->mark];
  for (size_t i = 0; !slice && i < slot->shares.count; i++) {
    GradientShare *first = &slot->shares.items[i];
    if (first->slice) continue;
    first->share = slope_binary(g, OP_add, first->share, share);
    return;
  }
  vec_push(g->scratch, &slot->shares, ((GradientShare){share, slice}));
}

void gradient_give(Gradient *g, int operand, Value *share) {
  give(g, operand, share, NULL);
}

void gradient_give_sum(Gradient *g, int operand, Value *share) {
  if (!gradient_wants(g, operand)) return;
  const Type *from = &g->op->operands[operand]->type, *to = &op_result(g->op)->type;
  give(g, operand, slope_unbroadcast(g, share, from, to), NULL);
}

void gradient_give_slice(Gradient *g, Value *share) {
  give(g, 0, share, g->op);
}
