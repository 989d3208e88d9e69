/* The gradient of attention. */
#include "passes/attention.h"
#include "passes/gradient.h"

/* sum(d * y) along rows, less what the rows' logarithms get: [..., T, 1]. */
static Value *delta_of(Gradient *g, Value *d, Value *y) {
  int64_t last = y->type.rank - 1;
  Value *delta = slope_sum(g, slope_mul(g, d, y), &last, 1, true);
  if (!g->of[1]) return delta;
  Value *logs = slope_cast(g, slope_full_of(g, 1), delta->type.element);
  return slope_binary(g, OP_sub, delta, slope_reshape(g, logs, &delta->type));
}

/* The probabilities are made again. */
GRADIENT(attention) {
  Value *d = g->of[0] ? slope_full_of(g, 0) : slope_zeros(g, &g->op->results[0]->type);
  AttentionOperands a = attention_operands(&g->b, g->op, g->op->operands);
  Value *p = attention_softmax(&g->b, attention_scores(&g->b, &a));
  int mask = attention_mask(g->op), factor = attention_factor(g->op);
  if (gradient_wants(g, 2)) gradient_give(g, 2, attention_value_slope(&g->b, &a, p, d));
  if (factor >= 0 && gradient_wants(g, factor)) {
    Value *share = slope_mul(g, p, attention_matrices(&g->b, d, a.v, 1, 1));
    gradient_give(g, factor, slope_unbroadcast(g, share, &a.factor->type, &share->type));
  }
  bool biased = mask >= 0 && gradient_wants(g, mask);
  if (!gradient_wants(g, 0) && !gradient_wants(g, 1) && !biased) return;
  Value *slope = attention_score_slope(&g->b, &a, p, d, delta_of(g, d, op_result(g->op)));
  if (biased) gradient_give(g, mask, slope_unbroadcast(g, slope, &a.mask->type, &slope->type));
  slope = slope_mul(g, slope, a.scale);
  if (gradient_wants(g, 0)) gradient_give(g, 0, attention_matrices(&g->b, slope, a.k, 1, 0));
  if (gradient_wants(g, 1)) gradient_give(g, 1, attention_matrices(&g->b, slope, a.q, 0, 0));
}
