/* attention.h - attention as the products that it stands for: for what has no kernel of its own,
 * and for its gradient.
 *
 *   scores = q @ transpose(k) * scale      [..., T, S]; -inf where a query may not look
 *   p      = softmax(scores)
 *   y      = p * factor @ v
 *
 * and with d, the gradient of y, and delta, the sum of d * y along rows:
 *
 *   dv     = transpose(p * factor) @ d
 *   ds     = p * (d @ transpose(v) * factor - delta)
 *   dq     = ds * scale @ k                dk = transpose(ds * scale) @ q
 */
#ifndef PASSES_ATTENTION_H
#define PASSES_ATTENTION_H

#include "ir/attention.h"
#include "ir/build.h"

/* An attention's operands, as they are when the products are built. */
typedef struct {
  Value *q, *k, *v;
  Value *mask, *factor; /* NULL: not there */
  Value *scale;         /* of rank 0 */
  bool causal;
} AttentionOperands;

AttentionOperands attention_operands(Builder *b, const Op *op, Value *const *operands);

/* x @ y along the last two axes, contracted over axis `x_axis` of x and `y_axis` of y, both counted
 * from the front of these two; all axes before are the batch. */
Value *attention_matrices(Builder *b, Value *x, Value *y, int x_axis, int y_axis);
Value *attention_scores(Builder *b, const AttentionOperands *a);
Value *attention_softmax(Builder *b, Value *scores);
/* The same from the rows' logarithms. */
Value *attention_probabilities(Builder *b, Value *scores, Value *logs);
/* log(sum(exp(scores))) along rows; inf for a row that sees nothing. */
Value *attention_logarithm(Builder *b, Value *scores);
Value *attention_weighted(Builder *b, const AttentionOperands *a, Value *p);
/* dv; and ds, the gradient of the scores as they are masked. */
Value *attention_value_slope(Builder *b, const AttentionOperands *a, Value *p, Value *d);
Value *attention_score_slope(Builder *b, const AttentionOperands *a, Value *p, Value *d,
                             Value *delta);

/* Replaces an attention_gradient by products; its results are forwarded to theirs. */
void attention_expand_gradient(Builder *b, Op *op, Value *const *operands);

#endif
