/* parallel - decides for how many threads' parts each kernel has work.
 *
 *   before  %5 = fused @k4_dot (..) {..} : f32[1,10]
 *   after   %5 = fused @k4_dot (..) {parts=1} {..} : f32[1,10]
 *
 * To hand out work and to wait for its end costs as much as some ten thousand operations, and what
 * another core has written is far away. So a part has to last a while (COST_part_forks), at the
 * dims' bounds, by an estimate that is rather too small; a kernel without two such parts stays on
 * the caller's thread. How trips are cut is the lowering's: a grain for a part. Linear. */
#include "ir/build.h"
#include "ir/cost.h"
#include "passes/cost.h"
#include "passes/pass.h"

#include <math.h>

/* Of one thread. To move an element is an operation too. */
static double seconds_of(const PassContext *context, const Op *op) {
  const PassOptions *options = context->options;
  double moved = 0, work = op_work(op);
  for (int i = 0; i < op->result_count; i++) moved += type_elements(&op->results[i]->type);
  double operations = work > moved ? work : moved;
  const Dim *bytes = op_bytes(context->module->dims, op);
  double arithmetic = operations * costs[COST_operation_flops] / options->flop_rate;
  double traffic = bytes ? (double)dim_max(bytes) / options->cache_rate : 0;
  return arithmetic > traffic ? arithmetic : traffic;
}

static int64_t parts_of(const PassContext *context, double seconds) {
  double parts = floor(seconds / (costs[COST_part_forks] * context->options->fork_seconds));
  if (context->options->threads == 1 || parts < 1) return 1;
  return parts < (double)INT32_MAX ? (int64_t)parts : INT32_MAX;
}

bool pass_parallel(PassContext *context) {
  Module *module = context->module;
  int split = 0;
  for (size_t i = 0; i < module->functions.count; i++) {
    Block *body = module->functions.items[i]->body;
    for (Op *op = body->first; op; op = op->next) {
      if (op->kind != OP_fused) continue;
      double seconds = seconds_of(context, op);
      int64_t parts = parts_of(context, seconds);
      split += parts > 1;
      op_set_attribute(op, ATTRIBUTE_parts, attribute_integer(module, parts));
      op->why = arena_format(
          module->arena, "%.2f us on one thread, %s", seconds * 1e6,
          parts == 1 ? "too little to split"
                     : arena_format(context->scratch, "enough for %lld parts", (long long)parts));
    }
  }
  context->effect = arena_format(module->arena, "%d choice%s", split, split == 1 ? "" : "s");
  return true;
}
