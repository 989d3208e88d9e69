/* The gradient of attention: one operation, of which a kernel makes scores again block by block. */
#include "passes/attention.h"
#include "passes/gradient.h"

#include "support/bug.h"

/* sum(d * y) along rows, less what the rows' logarithms get: [..., T]. */
static Value *delta_of(Gradient *g, Value *d, Value *y, const Type *rows) {
  int64_t last = y->type.rank - 1;
  Value *delta = slope_cast(g, slope_sum(g, slope_mul(g, d, y), &last, 1, false), rows->element);
  return g->of[1] ? slope_binary(g, OP_sub, delta, slope_full_of(g, 1)) : delta;
}

/* What a mask that is added and a factor get is as large as the scores: they are in memory then,
 * and the other gradients are made of them too. */
static void give_products(Gradient *g, Value *d, Value *delta) {
  int mask = attention_mask(g->op), factor = attention_factor(g->op);
  AttentionOperands a = attention_operands(&g->b, g->op, g->op->operands);
  Value *scores = attention_scores(&g->b, &a);
  Value *p = attention_probabilities(&g->b, scores, g->op->results[1]);
  if (factor >= 0 && gradient_wants(g, factor)) {
    Value *share = slope_mul(g, p, attention_matrices(&g->b, d, a.v, 1, 1));
    gradient_give(g, factor, slope_unbroadcast(g, share, &a.factor->type, &share->type));
  }
  if (gradient_wants(g, 2)) gradient_give(g, 2, attention_value_slope(&g->b, &a, p, d));
  Type column = delta->type;
  column.dims[column.rank++] = dim_constant(g->module->dims, 1);
  delta = slope_cast(g, slope_reshape(g, delta, &column), d->type.element);
  Value *slope = attention_score_slope(&g->b, &a, p, d, delta);
  if (mask >= 0 && gradient_wants(g, mask))
    gradient_give(g, mask, slope_unbroadcast(g, slope, &a.mask->type, &slope->type));
  slope = slope_mul(g, slope, a.scale);
  if (gradient_wants(g, 0)) gradient_give(g, 0, attention_matrices(&g->b, slope, a.k, 1, 0));
  if (gradient_wants(g, 1)) gradient_give(g, 1, attention_matrices(&g->b, slope, a.q, 0, 0));
}

static bool wants_extra(const Gradient *g) {
  for (int i = 3; i < g->op->operand_count; i++)
    if (gradient_wants(g, i)) return true;
  return false;
}

GRADIENT(attention) {
  const Op *op = g->op;
  Value *d = g->of[0] ? slope_full_of(g, 0) : slope_zeros(g, &op->results[0]->type);
  Value *delta = delta_of(g, d, op->results[0], &op->results[1]->type);
  if (wants_extra(g)) {
    give_products(g, d, delta);
    return;
  }
  Value *operands[8] = {
      op->operands[0], op->operands[1], op->operands[2], d, op->results[1], delta};
  int count = 6;
  for (int i = 3; i < op->operand_count; i++) operands[count++] = op->operands[i];
  Attribute attributes[] = {{ATTRIBUTE_causal, *op_attribute(op, ATTRIBUTE_causal)},
                            {ATTRIBUTE_scale, *op_attribute(op, ATTRIBUTE_scale)},
                            {ATTRIBUTE_factor, *op_attribute(op, ATTRIBUTE_factor)}};
  const Op *gradient = slope_build(g, OP_attention_gradient, operands, count, attributes, 3)->op;
  for (int i = 0; i < 3; i++)
    if (gradient_wants(g, i)) gradient_give(g, i, gradient->results[i]);
}

/* What is differentiated again was made products before (gradient_expand). */
GRADIENT(attention_gradient) {
  bug("%%%d is an attention_gradient that was not expanded", op_result(g->op)->number);
}

bool gradient_expand(Block *block, const Op *end, const GradientSlot *slots) {
  bool any = false;
  for (Op *op = block->first, *next; op && op != end; op = next) {
    next = op->next;
    op_follow(op);
    if (op->kind != OP_attention_gradient || (slots && !slots[op_result(op)->mark].is_wanted))
      continue;
    Builder b = builder_before(op);
    const Op *before = op->previous;
    attention_expand_gradient(&b, op, op->operands);
    for (Op *made = before ? before->next : block->first; made != op; made = made->next)
      made->mark = op->mark;
    op_remove(op);
    any = true;
  }
  return any;
}
