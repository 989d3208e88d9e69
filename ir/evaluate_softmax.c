/* softmax, and attention, which is made of it. */
#include "ir/evaluate.h"
#include "ir/product.h"

#include <math.h>
#include <string.h>

/* In place; a row of -inf alone, or of nothing, becomes 0, and one with a NaN becomes NaN. */
static void softmax_row(double *row, int64_t count) {
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; i++)
    if (row[i] > most || isnan(row[i])) most = row[i];
  for (int64_t i = 0; i < count; i++) {
    row[i] = most == -INFINITY ? 0 : exp(row[i] - most);
    sum += row[i];
  }
  for (int64_t i = 0; i < count && most != -INFINITY; i++) row[i] /= sum;
}

bool evaluate_softmax(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  int axis;
  if (!y || !get_axis(e, ATTRIBUTE_axis, x->rank, &axis)) return false;
  int64_t length = x->shape[axis], inner = sizes_product(x->shape, axis + 1, x->rank);
  double *row = scratch_doubles(e, length);
  if (!row) return false;
  if (x->count == 0) return true;
  for (int64_t i = 0; i < x->count / length; i++) {
    int64_t start = i / inner * inner * length + i % inner;
    load_reals(e, x, start, inner, length, row);
    softmax_row(row, length);
    for (int64_t k = 0; k < length; k++) store_reals(e, y, start + k * inner, 1, &row[k]);
  }
  return true;
}

/* Strides of the leading axes in matrices, for operands whose leading axes broadcast to q's. */
static void leading_strides(const RunTensor *x, int lead, int64_t matrix, int64_t *strides) {
  strides_broadcast(x->rank > 2 ? x->rank - 2 : 0, x->shape, lead, strides);
  for (int i = 0; i < lead; i++) strides[i] *= matrix;
}

bool evaluate_attention(Evaluation *e) {
  const RunTensor *q = operand(e, 0), *k = operand(e, 1), *v = operand(e, 2);
  const RunTensor *mask = e->op->operand_count > 3 ? operand(e, 3) : NULL;
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  int lead = q->rank - 2;
  int64_t queries = q->shape[lead], width = q->shape[lead + 1], keys = k->shape[k->rank - 2];
  int64_t out = v->shape[v->rank - 1];
  Number number = op_attribute(e->op, ATTRIBUTE_scale)->number;
  double scale = number.is_integer ? (double)number.integer : number.real;
  if (scale == 0) scale = 1 / sqrt((double)width);
  bool causal = op_flag(e->op, ATTRIBUTE_causal);
  double *all_q = all_reals(e, q), *all_k = all_reals(e, k), *all_v = all_reals(e, v);
  double *turned = scratch_doubles(e, width * keys), *scores = scratch_doubles(e, queries * keys);
  double *sums = scratch_doubles(e, queries * out);
  if (!all_q || !all_k || !all_v || !turned || !scores || !sums) return false;

  Walk walk = walk_new(lead, q->shape, 4); /* q, k, v, mask: one step is a pair of matrices */
  int64_t mask_strides[MOST_AXES] = {0};
  leading_strides(q, lead, queries * width, walk.strides[0]);
  leading_strides(k, lead, keys * width, walk.strides[1]);
  leading_strides(v, lead, keys * out, walk.strides[2]);
  if (mask) {
    strides_broadcast(mask->rank, mask->shape, q->rank, mask_strides);
    memcpy(walk.strides[3], mask_strides, sizeof mask_strides);
  }
  int64_t written = 0;
  for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
    for (int64_t at = 0; at < walk.length; at++) {
      const double *one_k = all_k + walk.offset[1] + at * walk.step[1];
      for (int64_t s = 0; s < keys; s++)
        for (int64_t i = 0; i < width; i++) turned[i * keys + s] = one_k[s * width + i];
      memset(scores, 0, (size_t)(queries * keys) * sizeof *scores);
      memset(sums, 0, (size_t)(queries * out) * sizeof *sums);
      product_reals(queries, keys, width, all_q + walk.offset[0] + at * walk.step[0], turned,
                    scores);
      for (int64_t t = 0; t < queries; t++) {
        for (int64_t s = 0; s < keys; s++) {
          bool sees = !causal || s <= t + keys - queries;
          if (mask) {
            int64_t place = walk.offset[3] + at * walk.step[3] + t * mask_strides[lead] +
                            s * mask_strides[lead + 1];
            sees = sees && ((const unsigned char *)mask->bytes)[place];
          }
          double *score = &scores[t * keys + s];
          *score = sees ? *score * scale : -INFINITY;
        }
        softmax_row(scores + t * keys, keys);
      }
      product_reals(queries, out, keys, scores, all_v + walk.offset[2] + at * walk.step[2], sums);
      store_reals(e, y, written, queries * out, sums);
      written += queries * out;
    }
  return true;
}
