/* Gradients of the elementwise operators.
 *
 * Where the result says as much as the operand, the result is used: the operand need not be kept
 * then. At corners: abs has slope 0 at 0; maximum and minimum give to the second operand at a tie,
 * and a NaN in the first one gets its gradient. */
#include "passes/gradient.h"

#include <math.h>

#define INCOMING Value *d = g->of[0], *x = gradient_x(g, 0), *y = op_result(g->op)

/* ---- one operand ---- */

GRADIENT(neg) {
  gradient_give(g, 0, slope_neg(g, g->of[0]));
}

GRADIENT(abs) {
  gradient_give(g, 0, slope_mul(g, slope_unary(g, OP_sign, gradient_x(g, 0)), g->of[0]));
}

NO_GRADIENT(sign, "a step has no slope")
NO_GRADIENT(floor, "a step has no slope")

/* 1 / (2 y) */
GRADIENT(sqrt) {
  gradient_give(g, 0, slope_div(g, slope_scale(g, g->of[0], 0.5), op_result(g->op)));
}

/* -y^3 / 2 */
GRADIENT(rsqrt) {
  Value *y = op_result(g->op), *cube = slope_mul(g, slope_mul(g, y, y), y);
  gradient_give(g, 0, slope_mul(g, cube, slope_scale(g, g->of[0], -0.5)));
}

GRADIENT(exp) {
  gradient_give(g, 0, slope_mul(g, op_result(g->op), g->of[0]));
}

GRADIENT(expm1) {
  INCOMING;
  Value *one = slope_number(g, x->type.element, 1);
  gradient_give(g, 0, slope_mul(g, slope_binary(g, OP_add, y, one), d));
}

GRADIENT(log) {
  gradient_give(g, 0, slope_div(g, g->of[0], gradient_x(g, 0)));
}

GRADIENT(log1p) {
  Value *x = gradient_x(g, 0), *one = slope_number(g, x->type.element, 1);
  gradient_give(g, 0, slope_div(g, g->of[0], slope_binary(g, OP_add, x, one)));
}

GRADIENT(sin) {
  gradient_give(g, 0, slope_mul(g, slope_unary(g, OP_cos, gradient_x(g, 0)), g->of[0]));
}

GRADIENT(cos) {
  Value *sine = slope_unary(g, OP_sin, gradient_x(g, 0));
  gradient_give(g, 0, slope_mul(g, sine, slope_neg(g, g->of[0])));
}

/* 1 - y^2 */
GRADIENT(tanh) {
  INCOMING;
  Value *one = slope_number(g, x->type.element, 1);
  Value *slope = slope_binary(g, OP_sub, one, slope_mul(g, y, y));
  gradient_give(g, 0, slope_mul(g, slope, d));
}

/* 2 / sqrt(pi) * exp(-x^2) */
GRADIENT(erf) {
  Value *x = gradient_x(g, 0), *square = slope_mul(g, x, x);
  Value *bell = slope_unary(g, OP_exp, slope_neg(g, square));
  double scale = 1.1283791670955126;
  gradient_give(g, 0, slope_mul(g, bell, slope_scale(g, g->of[0], scale)));
}

/* ---- two operands ---- */

GRADIENT(add) {
  for (int i = 0; i < 2; i++) gradient_give_sum(g, i, g->of[0]);
}

GRADIENT(sub) {
  gradient_give_sum(g, 0, g->of[0]);
  if (!gradient_wants(g, 1)) return;
  Value *y = gradient_x(g, 1);
  Value *share = slope_unbroadcast(g, g->of[0], &y->type, &op_result(g->op)->type);
  gradient_give(g, 1, share ? slope_neg(g, share) : NULL); /* of fewer elements */
}

static bool is_zero(const Value *x) {
  double number;
  return value_number(x, &number) && number == 0;
}

GRADIENT(mul) {
  Value *d = g->of[0], *x = gradient_x(g, 0), *y = gradient_x(g, 1);
  if (x == y) {
    gradient_give(g, 0, slope_mul(g, x, slope_scale(g, d, 2)));
    return;
  }
  if (gradient_wants(g, 0) && !is_zero(y)) gradient_give_sum(g, 0, slope_mul(g, d, y));
  if (gradient_wants(g, 1) && !is_zero(x)) gradient_give_sum(g, 1, slope_mul(g, d, x));
}

/* d / y, and -(d / y) * (x / y) */
GRADIENT(div) {
  Value *y = gradient_x(g, 1), *share = slope_div(g, g->of[0], y);
  gradient_give_sum(g, 0, share);
  if (gradient_wants(g, 1))
    gradient_give_sum(g, 1, slope_neg(g, slope_mul(g, share, op_result(g->op))));
}

/* x - y * floor(x / y) */
GRADIENT(rem) {
  gradient_give_sum(g, 0, g->of[0]);
  if (!gradient_wants(g, 1)) return;
  Value *turns = slope_binary(g, OP_div, gradient_x(g, 0), gradient_x(g, 1));
  turns = slope_unary(g, OP_floor, turns);
  gradient_give_sum(g, 1, slope_neg(g, slope_mul(g, turns, g->of[0])));
}

/* y * x^(y - 1), and 0 where y is 0, since x^-1 may be infinite; for the exponent y's log(x) * x^y,
 * and 0 where 0 has a positive exponent. */
GRADIENT(pow) {
  Value *d = g->of[0], *x = gradient_x(g, 0), *y = gradient_x(g, 1);
  Element element = x->type.element;
  Value *zero = slope_number(g, element, 0);
  double exponent;
  if (value_number(y, &exponent)) {
    if (exponent == 0) return;
    Value *slope = x;
    if (exponent == 1)
      slope = slope_number(g, element, 1);
    else if (exponent != 2)
      slope = slope_binary(g, OP_pow, x, slope_number(g, element, exponent - 1));
    gradient_give_sum(g, 0, slope_mul(g, slope, slope_scale(g, d, exponent)));
    return;
  }
  if (gradient_wants(g, 0)) {
    Value *less = slope_binary(g, OP_sub, y, slope_number(g, element, 1));
    Value *slope = slope_mul(g, y, slope_binary(g, OP_pow, x, less));
    slope = slope_where(g, slope_binary(g, OP_eq, y, zero), zero, slope);
    gradient_give_sum(g, 0, slope_mul(g, slope, d));
  }
  if (!gradient_wants(g, 1)) return;
  Value *slope = slope_mul(g, op_result(g->op), slope_unary(g, OP_log, x));
  Value *flat =
      slope_binary(g, OP_and, slope_binary(g, OP_eq, x, zero), slope_binary(g, OP_le, zero, y));
  slope = slope_where(g, flat, zero, slope);
  gradient_give_sum(g, 1, slope_mul(g, slope, d));
}

/* `flat` says where the first operand has no part in the result. */
static void give_one(Gradient *g, Value *flat) {
  Value *d = g->of[0], *zero = slope_number(g, d->type.element, 0);
  if (gradient_wants(g, 0)) gradient_give_sum(g, 0, slope_where(g, flat, zero, d));
  if (gradient_wants(g, 1)) gradient_give_sum(g, 1, slope_where(g, flat, d, zero));
}

GRADIENT(maximum) {
  give_one(g, slope_binary(g, OP_le, op_result(g->op), gradient_x(g, 1)));
}

GRADIENT(minimum) {
  give_one(g, slope_binary(g, OP_le, gradient_x(g, 1), op_result(g->op)));
}

#define YES_OR_NO "yes or no has no slope"
NO_GRADIENT(not, YES_OR_NO)
NO_GRADIENT(eq, YES_OR_NO)
NO_GRADIENT(lt, YES_OR_NO)
NO_GRADIENT(le, YES_OR_NO)
NO_GRADIENT(and, YES_OR_NO)
NO_GRADIENT(or, YES_OR_NO)

/* ---- others ---- */

GRADIENT(where) {
  Value *d = g->of[0], *c = gradient_x(g, 0), *zero = slope_number(g, d->type.element, 0);
  if (gradient_wants(g, 1)) gradient_give_sum(g, 1, slope_where(g, c, d, zero));
  if (gradient_wants(g, 2)) gradient_give_sum(g, 2, slope_where(g, c, zero, d));
}

GRADIENT(cast) {
  gradient_give(g, 0, slope_cast(g, g->of[0], gradient_x(g, 0)->type.element));
}

/* ---- marks ---- */

NO_GRADIENT(stop_gradient, NULL)

GRADIENT(checkpoint) {
  gradient_give(g, 0, g->of[0]);
}
