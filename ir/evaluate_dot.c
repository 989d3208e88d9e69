/* The general matrix product, brought into [batch, m, k] * [batch, k, n], and its packed form. */
#include "ir/evaluate.h"
#include "ir/product.h"

#include "support/bug.h"

/* Operand i with its axes in the order `order`, as a dense array in scratch. */
static bool permuted(Evaluation *e, int i, const int *order, Scalar **values) {
  const RunTensor *x = operand(e, i);
  int64_t strides[MOST_AXES], shape[MOST_AXES];
  strides_dense(x->rank, x->shape, strides);
  for (int k = 0; k < x->rank; k++) shape[k] = x->shape[order[k]];
  Walk walk = walk_new(x->rank, shape, 2);
  strides_dense(x->rank, shape, walk.strides[0]);
  for (int k = 0; k < x->rank; k++) walk.strides[1][k] = strides[order[k]];
  if (!(*values = scratch_scalars(e, x->count))) return false;
  for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
    load_scalars(e, x, walk.offset[1], walk.step[1], walk.length, *values + walk.offset[0]);
  return true;
}

typedef struct {
  int batch[MOST_AXES], contract[MOST_AXES], rest[MOST_AXES];
  int batches, contracts, rests;
} Side;

static bool get_side(Evaluation *e, int i, Side *side) {
  int rank = operand(e, i)->rank;
  if (!get_axes(e, ATTRIBUTE_batch, i, rank, side->batch, &side->batches) ||
      !get_axes(e, ATTRIBUTE_contract, i, rank, side->contract, &side->contracts))
    return false;
  bool taken[MOST_AXES] = {false};
  for (int k = 0; k < side->batches; k++) taken[side->batch[k]] = true;
  for (int k = 0; k < side->contracts; k++) taken[side->contract[k]] = true;
  side->rests = 0;
  for (int axis = 0; axis < rank; axis++)
    if (!taken[axis]) side->rest[side->rests++] = axis;
  if (side->batches + side->contracts + side->rests != rank) bug("dot names an axis twice");
  return true;
}

static int add_axes(int *order, int count, const int *axes, int more) {
  for (int i = 0; i < more; i++) order[count++] = axes[i];
  return count;
}

static int64_t axes_product(const RunTensor *x, const int *axes, int count) {
  int64_t product = 1;
  for (int i = 0; i < count; i++) product *= x->shape[axes[i]];
  return product;
}

bool evaluate_dot(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *w = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  Side left, right;
  if (!y || !get_side(e, 0, &left) || !get_side(e, 1, &right)) return false;
  int x_order[MOST_AXES], w_order[MOST_AXES];
  int count = add_axes(x_order, 0, left.batch, left.batches);
  count = add_axes(x_order, count, left.rest, left.rests);
  add_axes(x_order, count, left.contract, left.contracts);
  count = add_axes(w_order, 0, right.batch, right.batches);
  count = add_axes(w_order, count, right.contract, right.contracts);
  add_axes(w_order, count, right.rest, right.rests);
  int64_t batch = axes_product(x, left.batch, left.batches);
  int64_t m = axes_product(x, left.rest, left.rests);
  int64_t k = axes_product(x, left.contract, left.contracts);
  int64_t n = axes_product(w, right.rest, right.rests);
  if (k != axes_product(w, right.contract, right.contracts) ||
      batch != axes_product(w, right.batch, right.batches))
    return evaluation_fail(e, "the contracted or batch axes of a dot differ in size");
  Scalar *p, *q, *sums;
  if (!permuted(e, 0, x_order, &p) || !permuted(e, 1, w_order, &q) ||
      !(sums = scratch_scalars(e, y->count)))
    return false;
  for (int64_t i = 0; i < batch; i++)
    product(is_real(x), m, n, k, p + i * m * k, q + i * k * n, sums + i * m * n);
  store_scalars(e, y, 0, y->count, sums);
  return true;
}

int64_t panel_place(int64_t turns, int64_t row, int64_t column, int64_t width) {
  return (row / turns * width + column) * turns + row % turns;
}

bool evaluate_dot_panel(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *w = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  int64_t n;
  if (!y || !get_integer(e, ATTRIBUTE_size, &n)) return false;
  int64_t k = w->shape[1], width = w->shape[2], m = sizes_product(x->shape, 0, x->rank - 1);
  if (w->shape[0] * width < n || x->shape[x->rank - 1] != k)
    return evaluation_fail(e, "the panels do not fit the operand of dot_panel");
  Scalar *p = all_scalars(e, x), *panels = all_weights(e, w, is_real(x));
  Scalar *q = scratch_scalars(e, k * n), *sums = scratch_scalars(e, y->count);
  if (!p || !panels || !q || !sums) return false;
  int64_t turns = panel_turns(e->op);
  for (int64_t j = 0; j < k; j++)
    for (int64_t c = 0; c < n; c++)
      q[j * n + c] = panels[c / width * k * width + panel_place(turns, j, c % width, width)];
  product(is_real(x), m, n, k, p, q, sums);
  store_scalars(e, y, 0, y->count, sums);
  return true;
}
