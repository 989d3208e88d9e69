/* select - chooses layouts and algorithms of products.
 *
 *   before  %1 = conv %x, %w {pad=[[1,1],[1,1]]}   %2 = tanh %1                     (nchw)
 *   after   %3 = transpose %x {perm=[0,2,3,1]}     %4 = pad %3 {before=[0,1,1,0], ..}
 *           %5 = conv_panel %4, %6 {size=64}       %7 = tanh %5    %2 = transpose %7 {..}
 *
 * - attention that has no kernel of its own (ir/attention.h) becomes dot, mask, softmax, dot; a dot
 *   gets its batch axes in front, the contracted axis last in x and at -1 or -2 in y, one row and
 *   one column axis: [batch.., M, K];
 * - from -O2 on, f32 convolutions go to nhwc: `conv_panel` on an explicitly padded input,
 * `dot_panel` for 1x1, `conv {layout=nhwc}` with w [kh, kw, C/groups, out] for depthwise ones and
 * groups of few channels;
 * conv_transpose and conv_weight as select_conv.c says; products with a weight become `dot_panel`;
 * - panels are made from the weight by pad, reshape and transpose, which fold if it is constant;
 * - the layout goes on through all that lies between, so that only the network's ends are
 * transposed; a flattened map's order is undone in the weight that it meets.
 *
 * Afterwards attention is of f32 alone, and a `conv` is one of groups in nhwc or as it was.
 * Linear. */
#include "passes/select.h"

#include "passes/canon.h"
#include "passes/cse.h"
#include "passes/dce.h"

static bool select_op(Select *s, Op *op) {
  bool layouts = s->context->options->level >= 2;
  switch (op->kind) {
  case OP_attention:
  case OP_attention_gradient:
    if (select_attention(s, op)) return true;
    break;
  case OP_dot:
    if (select_dot(s, op)) return true;
    break;
  case OP_conv:
    if (layouts && select_conv(s, op)) return true;
    break;
  case OP_conv_transpose:
    if (layouts && select_conv_transpose(s, op)) return true;
    break;
  case OP_conv_weight:
    if (layouts && select_conv_weight(s, op)) return true;
    break;
  default:
    if (propagate(s, op)) return true;
  }
  Builder b = builder_before(op);
  for (int i = 0; i < op->operand_count; i++)
    op->operands[i] = original_order(s, &b, op->operands[i]);
  if (op->kind == OP_reshape && layouts) expect_image(s, op);
  return false;
}

static void clear_marks(Block *block, void *user) {
  (void)user;
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = 0;
  for (Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
}

static void select_block(Block *block, void *user) {
  Select *s = user;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    s->changed |= select_op(s, op);
  }
  Builder b = {.function = block->function, .block = block};
  for (int i = 0; i < block->yield_count; i++) {
    if (block->yields[i]->op) b.at = block->yields[i]->op->at;
    block->yields[i] = original_order(s, &b, block->yields[i]);
  }
  for (int i = 0; i < block->emit_count; i++)
    block->emits[i] = original_order(s, &b, block->emits[i]);
  if (block->while_) block->while_ = original_order(s, &b, block->while_);
}

bool pass_select(PassContext *context) {
  Module *module = context->module;
  Select s = {.context = context, .module = module, .constants = constants_of(context)};
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = s.function = module->functions.items[i];
    s.images = false;
    function_blocks(function, clear_marks, NULL);
    s.changed = false;
    function_blocks(function, select_block, &s);
    if (!s.changed) continue;
    graph_resolve(function);
    dce_function(function);
    canon_function(function);
    fold_function(&s.constants, function);
    cse_function(function, context->scratch);
    dce_function(function);
  }
  context->effect =
      arena_format(module->arena, "%d choice%s", s.choices, s.choices == 1 ? "" : "s");
  return true;
}
