/* reassociate - makes one factor of several, and one term.
 *
 *   before  %1 = mul %x, 0.125   %2 = mul %1, 2     %3 = add %2, 1   %4 = add %3, 2
 *   after                        %2 = mul %x, 0.25                   %4 = add %2, 3
 *
 * Losses, schedules and normalised inputs leave such chains, gradients double them. Only where the
 * value between has no other use, and where the result differs by rounding alone: factors must be
 * of modest size, so that no value between overflows or vanishes, and terms of one sign, since
 * (x + c) - c may be there to round x.
 * Afterwards no number is added to, or multiplied with, such a result. Linear. */
#include "passes/rewrite.h"

#include <math.h>

static bool is_modest(double number) {
  return fabs(number) > 1e-9 && fabs(number) < 1e9;
}

/* The number that stands for both, of the operator `kind`. */
static bool join(Operator kind, Element element, double inner, double outer, double *number) {
  if (kind == OP_mul && (!is_modest(inner) || !is_modest(outer))) return false;
  if (kind == OP_add && (inner < 0) != (outer < 0)) return false;
  double both = element_round(element, kind == OP_mul ? inner * outer : inner + outer);
  if (element == ELEMENT_f32) both = (float)both;
  *number = both;
  return element == ELEMENT_f64 ? isnormal(both) : isnormal((float)both);
}

static void reassociate_op(Op *op, int *changed) {
  if (op->kind != OP_mul && op->kind != OP_add) return;
  Value *value = op->operands[0];
  Op *before = value->op;
  double outer, inner, number;
  Element element = op_result(op)->type.element;
  if (!element_is_float(element) || !before || before->kind != op->kind || value->mark != 1 ||
      before->block != op->block || !value_number(op->operands[1], &outer) ||
      !value_number(before->operands[1], &inner) || !join(op->kind, element, inner, outer, &number))
    return;
  Value *x = before->operands[0];
  if (!type_equal(&x->type, &op_result(op)->type)) return;
  Builder b = builder_before(op);
  Value *by = build_binary(&b, op->kind, x, build_number(&b, element, number));
  by->mark = op_result(op)->mark;
  op_replace(op, by, true);
  ++*changed;
}

static void reassociate_block(Block *block, void *changed) {
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    reassociate_op(op, changed);
  }
}

bool pass_reassociate(PassContext *context) {
  module_rewrite(context->module, reassociate_block);
  return true;
}
