/* parallel - decides which kernels are worth several threads.
 *
 *   before  %5 = fused @k4_dot (..) {..} : f32[1,10]
 *   after   %5 = fused @k4_dot (..) {serial=true} {..} : f32[1,10]
 *
 * Handing out work and waiting for its end costs what some ten thousand simple operations do: a
 * kernel that is no more than that, at the dims' bounds, each element of its result counting for
 * one at least, stays on the caller's thread. How the others are split is the lowering's. Linear.
 */
#include "passes/cost.h"
#include "passes/pass.h"

/* Simple operations on elements: about 10 us on one thread. */
static const double least_work = 16384;

/* To move an element is an operation too. */
static double work_of(const Op *op) {
  double moved = 0, work = op_work(op);
  for (int i = 0; i < op->result_count; i++) moved += type_elements(&op->results[i]->type);
  return work > moved ? work : moved;
}

bool pass_parallel(PassContext *context) {
  int split = 0;
  for (size_t i = 0; i < context->module->functions.count; i++) {
    Block *body = context->module->functions.items[i]->body;
    for (Op *op = body->first; op; op = op->next) {
      if (op->kind != OP_fused) continue;
      bool serial = context->options->threads == 1 || work_of(op) < least_work;
      split += !serial;
      AttributeValue value = {.kind = ATTRIBUTE_FLAG, .flag = serial};
      op_set_attribute(op, ATTRIBUTE_serial, value);
    }
  }
  context->effect =
      arena_format(context->module->arena, "%d choice%s", split, split == 1 ? "" : "s");
  return true;
}
