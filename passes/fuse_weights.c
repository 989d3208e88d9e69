#include "passes/fuse_weights.h"

#include "ir/op_traits.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

enum { MOST_VIEWS = 8 };

/* What only says where an element lies, or that there is none. Other reshapes would take divisions
 * for each element. */
static bool is_view(const Op *op) {
  switch (op->kind) {
  case OP_transpose:
  case OP_slice:
  case OP_pad:
    return true;
  default:
    return reshape_is_of_units(op);
  }
}

/* The views that make the transform's operand and nothing else, the first one first. */
static void collect(const Uses *uses, const Function *function, Arena *scratch, Op *transform,
                    OpList *list) {
  Op *views[MOST_VIEWS];
  int count = 0;
  for (Op *op = transform->operands[0]->op;
       op && count < MOST_VIEWS && op->block == function->body && is_view(op) &&
       use_count(uses, op_result(op)) == 1;
       op = op->operands[0]->op)
    views[count++] = op;
  while (count > 0 && views[count - 1]->kind == OP_reshape) count--; /* of what it is given */
  while (count > 0) vec_push(scratch, list, views[--count]);
}

int fuse_weights(PassContext *context, Function *function, int number) {
  Arena *scratch = context->scratch;
  Uses uses = uses_of(scratch, function);
  for (int i = 0; i < uses.op_count; i++) {
    Op *op = uses.ops[i];
    if (op->kind != OP_winograd_weight || use_count(&uses, op_result(op)) == 0) continue;
    OpList list = {0};
    collect(&uses, function, scratch, op, &list);
    if (list.count == 0) continue;
    vec_push(scratch, &list, op);
    ValueList yields = {0};
    vec_push(scratch, &yields, op_result(op));
    fuse_region(function, &list, &yields, NULL, number++);
  }
  Block *body = function->body;
  for (Op *op = body->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) op->operands[i] = fused_value(op->operands[i]);
  for (int i = 0; i < body->yield_count; i++) body->yields[i] = fused_value(body->yields[i]);
  return number;
}
