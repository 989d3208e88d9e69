#include "passes/fuse_copies.h"

#include "passes/cost.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

enum { SMALL = 64 }; /* so many times less than the value is little to read */

/* Does a kernel of its own write the value, whatever uses it? */
static bool is_written(const Value *value) {
  const Op *op = value->op;
  return !op || operator_has(op->kind, TRAIT_PRODUCT) || op->kind == OP_concat ||
         op->kind == OP_read;
}

/* The operand as large as the result, if it is the only one and the others are small. */
static const Value *large_operand(const Op *op) {
  const Type *type = &op_result(op)->type;
  const Value *large = NULL;
  for (int i = 0; i < op->operand_count; i++) {
    const Value *x = op->operands[i];
    if (type_elements(&x->type) * SMALL <= type_elements(type)) continue;
    if (!type_same_dims(&x->type, type) || (large && large != x)) return NULL;
    large = x;
  }
  return large;
}

/* Can the kernel of such an operation make an operand for itself? */
static bool makes_operands(const Op *user) {
  return user && operator_has(user->kind, TRAIT_ELEMENTWISE | TRAIT_REDUCTION);
}

static bool is_copied(const Uses *uses, const Op *op) {
  if (op->result_count != 1 || !operator_has(op->kind, TRAIT_ELEMENTWISE) ||
      operator_cost(op->kind) > 1)
    return false;
  const Value *result = op_result(op), *large = large_operand(op);
  int count = use_count(uses, result);
  if (count < 2 || !large || !is_written(large)) return false;
  if (!element_is_float(result->type.element) || large->type.element != result->type.element)
    return false;
  bool others = false; /* else it would not be written: what makes it makes this, too */
  for (int i = 0; i < use_count(uses, large); i++) others = others || use_at(uses, large, i) != op;
  for (int i = 0; i < count; i++)
    if (!makes_operands(use_at(uses, result, i))) return false;
  return others && use_at(uses, result, 0) != use_at(uses, result, count - 1);
}

void fuse_copies(PassContext *context, Function *function) {
  if (function->kind != FUNCTION_TRAIN) return;
  Uses uses = uses_of(context->scratch, function);
  for (int i = 0; i < uses.op_count; i++) {
    Op *op = uses.ops[i];
    if (!is_copied(&uses, op)) continue;
    for (int n = 1; n < use_count(&uses, op_result(op)); n++) {
      Op *user = use_at(&uses, op_result(op), n);
      if (user == use_at(&uses, op_result(op), 0)) continue;
      Builder b = builder_before(user);
      Value *own = NULL;
      for (int k = 0; k < user->operand_count; k++) {
        if (user->operands[k] != op_result(op)) continue;
        if (!own) own = build_like(&b, op, op->operands);
        user->operands[k] = own;
      }
    }
  }
}
