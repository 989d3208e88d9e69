/* Types of the elementwise operators and of the marks. */
#include "ir/infer.h"

static bool as_operand(Inference *i) {
  return infer_result(i, &i->in[0]);
}

static bool float_unary(Inference *i) {
  return infer_float(i, 0) && as_operand(i);
}

static bool arithmetic_unary(Inference *i) {
  return infer_arithmetic(i, 0) && as_operand(i);
}

#define AS(rule, name)                                                                             \
  bool infer_##name(Inference *i) {                                                                \
    return rule(i);                                                                                \
  }
AS(arithmetic_unary, neg)
AS(arithmetic_unary, abs)
AS(arithmetic_unary, sign)
AS(float_unary, floor)
AS(float_unary, sqrt)
AS(float_unary, rsqrt)
AS(float_unary, exp)
AS(float_unary, expm1)
AS(float_unary, log)
AS(float_unary, log1p)
AS(float_unary, sin)
AS(float_unary, cos)
AS(float_unary, tanh)
AS(float_unary, erf)
AS(as_operand, stop_gradient)
AS(as_operand, checkpoint)

bool infer_not(Inference *i) {
  return infer_bool(i, 0) && as_operand(i);
}

/* The broadcast of two operands' shapes, with the first's element type. */
static bool broadcast_fail(Inference *i, int operand, const Type *a, const Type *b, int axis) {
  int rank = a->rank > b->rank ? a->rank : b->rank;
  const Dim *x = a->dims[axis - (rank - a->rank)], *y = b->dims[axis - (rank - b->rank)];
  infer_fail(i, E0203, operand, "the shapes for '%s' do not go together",
             operator_spelling(i->kind));
  infer_label(i, "%s and %s: %s is not %s", infer_type_text(i, a), infer_type_text(i, b),
              infer_dim_text(i, x), infer_dim_text(i, y));
  if (!dim_is_constant(x) || !dim_is_constant(y))
    infer_help(i, "axes are matched from the last one; they must be equal for every value of the "
                  "dims, or one of them 1");
  else
    infer_help(i, "axes are matched from the last one; they must be equal, or one of them 1");
  return false;
}

static bool broadcast(Inference *i, int first, int second, Type *type) {
  int axis;
  if (type_broadcast(&i->in[first], &i->in[second], type, &axis)) return true;
  return broadcast_fail(i, second, &i->in[first], &i->in[second], axis);
}

static bool binary(Inference *i, bool (*allowed)(Inference *, int)) {
  Type type;
  if (!infer_same_element(i, 0, 1) || (allowed && !allowed(i, 0)) || !broadcast(i, 0, 1, &type))
    return false;
  if (operator_has(i->kind, TRAIT_COMPARE)) type.element = ELEMENT_bool;
  return infer_result(i, &type);
}

#define BINARY_OF(name, allowed)                                                                   \
  bool infer_##name(Inference *i) {                                                                \
    return binary(i, allowed);                                                                     \
  }
BINARY_OF(add, infer_arithmetic)
BINARY_OF(sub, infer_arithmetic)
BINARY_OF(mul, infer_arithmetic)
BINARY_OF(div, infer_arithmetic)
BINARY_OF(rem, infer_arithmetic)
BINARY_OF(pow, infer_float)
BINARY_OF(maximum, infer_arithmetic)
BINARY_OF(minimum, infer_arithmetic)
BINARY_OF(eq, NULL)
BINARY_OF(lt, NULL)
BINARY_OF(le, NULL)
BINARY_OF(and, infer_bool)
BINARY_OF(or, infer_bool)

bool infer_where(Inference *i) {
  Type type, all;
  int axis;
  if (!infer_bool(i, 0) || !infer_same_element(i, 1, 2) || !broadcast(i, 1, 2, &type)) return false;
  if (!type_broadcast(&type, &i->in[0], &all, &axis))
    return broadcast_fail(i, 0, &type, &i->in[0], axis);
  return infer_result(i, &all);
}

bool infer_cast(Inference *i) {
  Type type = i->in[0];
  type.element = infer_attribute(i, ATTRIBUTE_to)->element;
  return infer_result(i, &type);
}
