/* dce - drops operations that nothing uses.
 *
 *   before  %1 = exp %x   %2 = tanh %x   return %2
 *   after   %2 = tanh %x   return %2
 *
 * Afterwards every operation but a write has a result that is used. Linear. */
#include "passes/dce.h"

#include "passes/rewrite.h"

static bool writes(const Op *op) {
  if (op->kind == OP_write) return true;
  if (op->region)
    for (const Op *inner = op->region->first; inner; inner = inner->next)
      if (writes(inner)) return true;
  return false;
}

static bool is_dead(const Op *op) {
  for (int i = 0; i < op->result_count; i++)
    if (op->results[i]->mark > 0) return false;
  return !writes(op);
}

static void dce_block(Block *block, void *user) {
  (void)user;
  for (Op *op = block->last, *previous; op; op = previous) {
    previous = op->previous;
    if (!is_dead(op)) continue;
    for (int i = 0; i < op->operand_count; i++) op->operands[i]->mark--;
    op_remove(op);
  }
}

void dce_function(Function *function) {
  graph_count_uses(function);
  function_blocks(function, dce_block, NULL);
}

bool pass_dce(PassContext *context) {
  for (size_t i = 0; i < context->module->functions.count; i++)
    dce_function(context->module->functions.items[i]);
  return true;
}
