/* scalar.c - elementwise operators on scalars and vectors of the loop IR. */
#include "backend/region.h"

#include "support/bug.h"

#include <math.h>

LoopElement loop_element_of_type(Element element) {
  return (LoopElement)element;
}

LoopElement compute_element(Element element) {
  return element == ELEMENT_f16 || element == ELEMENT_bf16 ? LOOP_F32 : (LoopElement)element;
}

LoopExpr *scalar_number(LoopKernel *k, Element element, Number number) {
  LoopElement to = compute_element(element);
  if (number.is_integer && element_is_integer(element) && to == LOOP_I64)
    return loop_cast(k, loop_int(k, number.integer), LOOP_I64);
  return loop_literal(k, to, number.is_integer ? (double)number.integer : number.real);
}

/* x^n for a small whole n, by squaring: the same products in the same order everywhere. */
static LoopExpr *power_of(LoopKernel *k, LoopExpr *x, int n) {
  bool inverse = n < 0;
  unsigned left = (unsigned)(inverse ? -n : n);
  LoopExpr *square = x, *result = NULL;
  for (; left; left >>= 1) {
    if (left & 1) result = result ? loop_mul(k, result, square) : square;
    if (left > 1) square = loop_let(k, "square", loop_mul(k, square, square));
  }
  LoopExpr *one = loop_literal(k, loop_type(x).element, 1);
  if (!result) return one;
  return inverse ? loop_div(k, one, result) : result;
}

static LoopExpr *power(LoopKernel *k, const Op *op, LoopExpr *const *a) {
  Number number;
  enum { MOST_SQUARED = 64 };
  if (value_is_uniform(op->operands[1], &number)) {
    double n = number.is_integer ? (double)number.integer : number.real;
    if (n == floor(n) && fabs(n) <= MOST_SQUARED) return power_of(k, a[0], (int)n);
  }
  return loop_binary(k, LOOP_POW, a[0], a[1]);
}

static LoopExpr *remainder_of(LoopKernel *k, LoopExpr *x, LoopExpr *y) {
  if (!loop_element_is_float(loop_type(x).element)) return loop_mod(k, x, y);
  LoopExpr *quotient = loop_unary(k, LOOP_FLOOR, loop_div(k, x, y));
  return loop_sub(k, x, loop_mul(k, y, quotient));
}

/* Lanes that count up from a number, in 64 bits. */
static bool is_count(const LoopExpr *x) {
  if (x->kind == LOOP_EXPR_REGISTER && !x->reg->is_set && !x->reg->rows) x = x->reg->value;
  return x->kind == LOOP_EXPR_IOTA && x->type.element == LOOP_I64 && x->type.lanes > 1;
}

static bool is_number(const LoopExpr *x) {
  return x->type.lanes == 1 && x->type.element == LOOP_I64;
}

/* Which lane is equal to the same number in all lanes (one of many classes): 32 bits say it. */
static LoopExpr *equals_count(LoopKernel *k, const LoopExpr *count, LoopExpr *number) {
  const LoopExpr *iota = count->kind == LOOP_EXPR_REGISTER ? count->reg->value : count;
  int lanes = iota->type.lanes;
  LoopExpr *far = loop_let(k, "far", loop_sub(k, number, iota->args[0]));
  LoopExpr *some = loop_cast(k, loop_int(k, lanes), LOOP_I64);
  LoopExpr *inside = loop_and(k, loop_ge(k, far, loop_int(k, 0)), loop_lt(k, far, some));
  LoopExpr *which =
      loop_select(k, inside, loop_cast(k, far, LOOP_I32), loop_literal(k, LOOP_I32, -1));
  LoopExpr *all = loop_iota(k, loop_literal(k, LOOP_I32, 0), lanes);
  return loop_eq(k, all, loop_splat(k, loop_let(k, "which", which), lanes));
}

LoopExpr *scalar_op(LoopKernel *k, const Op *op, LoopExpr *const *a) {
  switch (op->kind) {
  case OP_neg:
    return loop_neg(k, a[0]);
  case OP_abs:
    return loop_unary(k, LOOP_ABS, a[0]);
  case OP_sign: { /* 0 and NaN are their own */
    LoopElement e = loop_type(a[0]).element;
    LoopExpr *zero = loop_literal(k, e, 0), *one = loop_literal(k, e, 1);
    LoopExpr *below = loop_select(k, loop_lt(k, a[0], zero), loop_literal(k, e, -1), a[0]);
    return loop_select(k, loop_gt(k, a[0], zero), one, below);
  }
  case OP_floor:
    return loop_unary(k, LOOP_FLOOR, a[0]);
  case OP_sqrt:
    return loop_unary(k, LOOP_SQRT, a[0]);
  case OP_rsqrt:
    return loop_unary(k, LOOP_RSQRT, a[0]);
  case OP_exp:
    return loop_unary(k, LOOP_EXP, a[0]);
  case OP_expm1:
    return loop_unary(k, LOOP_EXPM1, a[0]);
  case OP_log:
    return loop_unary(k, LOOP_LOG, a[0]);
  case OP_log1p:
    return loop_unary(k, LOOP_LOG1P, a[0]);
  case OP_sin:
    return loop_unary(k, LOOP_SIN, a[0]);
  case OP_cos:
    return loop_unary(k, LOOP_COS, a[0]);
  case OP_tanh:
    return loop_unary(k, LOOP_TANH, a[0]);
  case OP_erf:
    return loop_unary(k, LOOP_ERF, a[0]);
  case OP_not:
    return loop_not(k, a[0]);
  case OP_add:
    return loop_add(k, a[0], a[1]);
  case OP_sub:
    return loop_sub(k, a[0], a[1]);
  case OP_mul:
    return loop_mul(k, a[0], a[1]);
  case OP_div:
    return loop_div(k, a[0], a[1]);
  case OP_rem:
    return remainder_of(k, a[0], a[1]);
  case OP_pow:
    return power(k, op, a);
  case OP_maximum:
    return loop_max(k, a[0], a[1]);
  case OP_minimum:
    return loop_min(k, a[0], a[1]);
  case OP_eq:
    if (is_count(a[0]) && is_number(a[1])) return equals_count(k, a[0], a[1]);
    if (is_count(a[1]) && is_number(a[0])) return equals_count(k, a[1], a[0]);
    return loop_eq(k, a[0], a[1]);
  case OP_lt:
    return loop_lt(k, a[0], a[1]);
  case OP_le:
    return loop_le(k, a[0], a[1]);
  case OP_and:
    return loop_and(k, a[0], a[1]);
  case OP_or:
    return loop_or(k, a[0], a[1]);
  case OP_where:
    return loop_select(k, a[0], a[1], a[2]);
  case OP_cast: {
    Element to = op_attribute(op, ATTRIBUTE_to)->element;
    LoopExpr *stored = loop_cast(k, a[0], loop_element_of_type(to));
    return loop_cast(k, stored, compute_element(to)); /* rounds to f16 or bf16 where those are */
  }
  default:
    bug("'%s' is not elementwise", operator_infos[op->kind].name);
  }
}
