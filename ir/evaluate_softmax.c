/* softmax */
#include "ir/evaluate.h"

#include <math.h>

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
