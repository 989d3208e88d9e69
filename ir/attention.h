/* attention.h - the operands of attention, by what they are:
 *
 *   attention q, k, v, [mask], [factor]
 *   attention_gradient q, k, v, d, logs, delta, [mask], [factor]
 *
 * A mask is bool (true: may look) or added to the scores; the attribute `factor` says that the last
 * operand is the factor of the probabilities. d is the gradient of attention's result y, logs its
 * second result, delta has sum(d * y) for each row.
 */
#ifndef IR_ATTENTION_H
#define IR_ATTENTION_H

#include "ir/graph.h"

static inline bool is_attention(Operator kind) {
  return kind == OP_attention || kind == OP_attention_gradient;
}

/* Numbers of operands; -1: not there. */
int attention_mask(const Op *op);
int attention_factor(const Op *op);

/* The factor of the scores that is given; 0: 1/sqrt of the keys' width. */
double attention_scale(const Op *op);

/* Whether the back end has a kernel that goes through the keys block by block, so that scores are
 * never in memory: for f32, of keys and values that are not too wide for a core's caches. */
bool attention_streams(const Op *op);

#endif
