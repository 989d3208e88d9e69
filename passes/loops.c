/* loops - lets scans go along the first axis of their sequences, from either end.
 *
 *   before  %1 = scan (each %a = %x) {axis=1} { %2 = exp %a   yield   emit %2 } : f32[2,T,3]
 *   after   %3 = transpose %x {perm=[1,0,2]}
 *           %4 = scan (each %a = %3) {axis=0} { %2 = exp %a   yield   emit %2 } : f32[T,2,3]
 *           %1 = transpose %4 {perm=[1,0,2]}
 *
 * So what a trip reads and emits lies together, one trip's after the other's. A scan over sequences
 * that were turned round goes backward over them as they are, and what it emits is turned round
 * instead; where that is turned round again, as it mostly is, nothing moves. Afterwards the axis of
 * every scan is 0. Linear. */
#include "passes/cost.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <string.h>

/* The axis comes first; or, turned back, the first becomes the axis. */
static Value *move_axis(Builder *b, Value *x, int axis, bool back) {
  int perm[MOST_AXES];
  for (int i = 0; i < x->type.rank; i++)
    if (back)
      perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    else
      perm[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
  return build_transpose(b, x, perm);
}

static void turn_result(Op *op, int result, int axis) {
  Value *old = op->results[result];
  Type type = old->type;
  for (int i = axis; i > 0; i--) type.dims[i] = type.dims[i - 1];
  type.dims[0] = old->type.dims[axis];
  Value *value = value_new(op->block->function, type);
  value->op = op;
  value->index = result;
  op->results[result] = value;
  Builder b = {.function = op->block->function,
               .block = op->block,
               .before = op->next,
               .at = op->at,
               .layer = op->layer,
               .again = op->again};
  Value *turned = move_axis(&b, value, axis, true);
  int number = turned->number;
  turned->number = old->number;
  old->number = number;
  turned->name = old->name;
  old->forward = turned;
}

/* ---- direction ---- */

static bool draws(const Block *block) {
  for (const Op *op = block->first; op; op = op->next)
    if (op->kind == OP_random || (op->region && draws(op->region))) return true;
  return false;
}

/* Most of what the scan goes over is turned round. Random numbers belong to an element of the
 * scan's own order. */
static bool goes_back(const Op *op, int axis) {
  double turned = 0, straight = 0;
  for (int i = 0; i < op->operand_count; i++) {
    if (op->region->binds[i] != BIND_EACH) continue;
    const Value *x = op->operands[i];
    if (x->op && slice_turned_axis(x->op) == axis)
      turned += type_elements(&x->type);
    else
      straight += type_elements(&x->type);
  }
  return turned > straight && !draws(op->region);
}

static void change_direction(Op *op, int axis) {
  Builder b = builder_before(op);
  for (int i = 0; i < op->operand_count; i++) {
    if (op->region->binds[i] != BIND_EACH) continue;
    Value *x = op->operands[i];
    bool is_turned = x->op && slice_turned_axis(x->op) == axis;
    op->operands[i] = is_turned ? x->op->operands[0] : build_turned(&b, x, axis);
  }
  op_set_attribute(op, ATTRIBUTE_backward, attribute_flag(!op_flag(op, ATTRIBUTE_backward)));
  for (int i = op->region->yield_count; i < op->result_count; i++) {
    Value *old = op->results[i], *value = value_new(op->block->function, old->type);
    value->op = op;
    value->index = i;
    op->results[i] = value;
    Builder after = builder_before(op);
    after.before = op->next;
    old->forward = build_turned(&after, value, axis);
  }
}

static void turn_block(Block *block, void *user) {
  int *turned = user;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    const Op *from = op->kind == OP_slice ? op->operands[0]->op : NULL;
    if (from && slice_turned_axis(op) >= 0 && slice_turned_axis(op) == slice_turned_axis(from)) {
      op_replace(op, from->operands[0], false);
      continue;
    }
    if (op->kind != OP_scan) continue;
    int axis = (int)op_integer(op, ATTRIBUTE_axis);
    if (goes_back(op, axis)) {
      change_direction(op, axis);
      (*turned)++;
    }
    if (axis == 0) continue;
    Builder b = builder_before(op);
    for (int i = 0; i < op->operand_count; i++)
      if (op->region->binds[i] == BIND_EACH)
        op->operands[i] = move_axis(&b, op->operands[i], axis, false);
    op_set_attribute(op, ATTRIBUTE_axis, attribute_integer(block->function->module, 0));
    for (int i = op->region->yield_count; i < op->result_count; i++) turn_result(op, i, axis);
    (*turned)++;
  }
}

bool pass_loops(PassContext *context) {
  int turned = 0;
  for (size_t i = 0; i < context->module->functions.count; i++) {
    Function *function = context->module->functions.items[i];
    function_blocks(function, turn_block, &turned);
    graph_resolve(function);
  }
  if (turned > 0) context->effect = arena_format(context->module->arena, "%d turned", turned);
  return true;
}
