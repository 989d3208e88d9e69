/* What moves elements: reshape .. slice, pad, concat, windows and its transpose. */
#include "ir/evaluate.h"

#include "support/bug.h"

#include <string.h>

bool evaluate_reshape(Evaluation *e) {
  if (e->results[0].tensor.count != operand(e, 0)->count)
    return evaluation_fail(e, "reshape of %lld elements to %lld", (long long)operand(e, 0)->count,
                           (long long)e->results[0].tensor.count);
  return result_share(e, 0, 0);
}

bool evaluate_stop_gradient(Evaluation *e) {
  return result_share(e, 0, 0);
}

bool evaluate_checkpoint(Evaluation *e) {
  return result_share(e, 0, 0);
}

bool evaluate_transpose(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  int perm[MOST_AXES], count;
  if (!y || !get_axes(e, ATTRIBUTE_perm, 0, x->rank, perm, &count)) return false;
  if (count != x->rank) bug("transpose of %d axes with %d", x->rank, count);
  int64_t strides[MOST_AXES];
  strides_dense(x->rank, x->shape, strides);
  Walk walk = walk_new(y->rank, y->shape, 2);
  strides_dense(y->rank, y->shape, walk.strides[0]);
  for (int i = 0; i < y->rank; i++) walk.strides[1][i] = strides[perm[i]];
  copy_elements(e, &walk, y, x);
  return true;
}

bool evaluate_broadcast(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  if (x->count == e->results[0].tensor.count) return result_share(e, 0, 0);
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  Walk walk = walk_new(y->rank, y->shape, 2);
  strides_dense(y->rank, y->shape, walk.strides[0]);
  strides_broadcast(x->rank, x->shape, y->rank, walk.strides[1]);
  copy_elements(e, &walk, y, x);
  return true;
}

bool evaluate_slice(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  int64_t start[MOST_AXES], step[MOST_AXES], strides[MOST_AXES];
  int starts, steps;
  if (!y || !get_list(e, ATTRIBUTE_start, x->rank, start, &starts) ||
      !get_list(e, ATTRIBUTE_step, x->rank, step, &steps))
    return false;
  if (starts != x->rank || steps != x->rank)
    bug("slice of %d axes with %d starts", x->rank, starts);
  strides_dense(x->rank, x->shape, strides);
  Walk walk = walk_new(y->rank, y->shape, 2);
  strides_dense(y->rank, y->shape, walk.strides[0]);
  for (int i = 0; i < x->rank; i++) {
    int64_t last = start[i] + (y->shape[i] - 1) * step[i];
    int64_t low = last < start[i] ? last : start[i], high = last < start[i] ? start[i] : last;
    if (y->count > 0 && (low < 0 || high >= x->shape[i]))
      return evaluation_fail(e, "slice takes %lld..%lld of axis %d, whose size is %lld",
                             (long long)low, (long long)high + 1, i, (long long)x->shape[i]);
    walk.offset[1] += start[i] * strides[i];
    walk.strides[1][i] = step[i] * strides[i];
  }
  copy_elements(e, &walk, y, x);
  return true;
}

/* Copies x into y so that element i of an axis comes to before + i * (between + 1); what falls
 * outside, with negative padding, is left out. */
static void copy_into(const Evaluation *e, RunTensor *y, const RunTensor *x, const int64_t *before,
                      const int64_t *between) {
  int64_t shape[MOST_AXES], y_strides[MOST_AXES], x_strides[MOST_AXES];
  strides_dense(y->rank, y->shape, y_strides);
  strides_dense(x->rank, x->shape, x_strides);
  Walk walk = walk_new(x->rank, x->shape, 2);
  for (int i = 0; i < x->rank; i++) {
    int64_t step = between ? between[i] + 1 : 1, first = 0, end = x->shape[i];
    while (first < end && before[i] + first * step < 0) first++;
    while (end > first && before[i] + (end - 1) * step >= y->shape[i]) end--;
    shape[i] = end - first;
    walk.shape[i] = shape[i];
    walk.offset[0] += (before[i] + first * step) * y_strides[i];
    walk.offset[1] += first * x_strides[i];
    walk.strides[0][i] = step * y_strides[i];
    walk.strides[1][i] = x_strides[i];
  }
  copy_elements(e, &walk, y, x);
}

bool evaluate_pad(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  int64_t before[MOST_AXES], between[MOST_AXES];
  int count;
  if (!y || !get_list(e, ATTRIBUTE_before, x->rank, before, &count) ||
      !get_list(e, ATTRIBUTE_between, x->rank, between, &count))
    return false;
  fill_number(e, y, op_attribute(e->op, ATTRIBUTE_value)->number);
  copy_into(e, y, x, before, between);
  return true;
}

bool evaluate_concat(Evaluation *e) {
  RunTensor *y = result_new(e, 0);
  int axis;
  if (!y || !get_axis(e, ATTRIBUTE_axis, y->rank, &axis)) return false;
  int64_t before[MOST_AXES] = {0};
  for (int i = 0; i < e->op->operand_count; i++) {
    const RunTensor *x = operand(e, i);
    for (int k = 0; k < y->rank; k++)
      if (k == axis ? before[axis] + x->shape[k] > y->shape[k] : x->shape[k] != y->shape[k])
        return evaluation_fail(e, "concat's operand %d does not fit on axis %d", i, k);
    copy_into(e, y, x, before, NULL);
    before[axis] += x->shape[axis];
  }
  return true;
}

/* ---- windows ---- */
typedef struct {
  int count; /* of axes that windows slide over */
  int axes[MOST_AXES];
  int64_t stride[MOST_AXES], dilation[MOST_AXES], pad[MOST_AXES][2];
} WindowShape;

static bool get_windows(Evaluation *e, int rank, WindowShape *w) {
  int count[3];
  if (!get_axes(e, ATTRIBUTE_axes, 0, rank, w->axes, &w->count) ||
      !get_list(e, ATTRIBUTE_stride, rank, w->stride, &count[0]) ||
      !get_list(e, ATTRIBUTE_dilation, rank, w->dilation, &count[1]) ||
      !get_pairs(e, ATTRIBUTE_pad, rank, w->pad, &count[2]))
    return false;
  for (int i = 0; i < 3; i++)
    if (count[i] != w->count) bug("windows over %d axes with a list of %d", w->count, count[i]);
  return true;
}

/* Strides of all windows (rank + count axes, `shape`) within a padded tensor; false if they leave
 * it. */
static bool window_strides(Evaluation *e, const WindowShape *w, int rank, const int64_t *padded,
                           const int64_t *shape, int64_t *strides) {
  strides_dense(rank, padded, strides);
  for (int i = 0; i < w->count; i++) {
    int axis = w->axes[i];
    int64_t last = (shape[axis] - 1) * w->stride[i] + (shape[rank + i] - 1) * w->dilation[i];
    if (last >= padded[axis])
      return evaluation_fail(e, "a window ends at %lld of %lld", (long long)last,
                             (long long)padded[axis]);
    strides[rank + i] = strides[axis] * w->dilation[i];
    strides[axis] *= w->stride[i];
  }
  return true;
}

bool evaluate_windows(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  WindowShape w;
  if (!y || !get_windows(e, x->rank, &w)) return false;
  RunTensor padded = *x;
  int64_t before[MOST_AXES] = {0};
  for (int i = 0; i < w.count; i++) {
    before[w.axes[i]] = w.pad[i][0];
    padded.shape[w.axes[i]] += w.pad[i][0] + w.pad[i][1];
  }
  padded.count = sizes_product(padded.shape, 0, padded.rank);
  if (padded.count < 0) padded.count = 0;
  padded.bytes = scratch_doubles(e, padded.count);
  if (!padded.bytes) return false;
  fill_number(e, &padded, op_attribute(e->op, ATTRIBUTE_value)->number);
  copy_into(e, &padded, x, before, NULL);
  Walk walk = walk_new(y->rank, y->shape, 2);
  strides_dense(y->rank, y->shape, walk.strides[0]);
  if (y->count == 0) return true;
  if (!window_strides(e, &w, x->rank, padded.shape, y->shape, walk.strides[1])) return false;
  copy_elements(e, &walk, y, &padded);
  return true;
}

static void add_scalar(const RunTensor *x, Scalar *sum, Scalar value) {
  if (is_real(x))
    sum->real += value.real;
  else
    sum->integer = (int64_t)((uint64_t)sum->integer + (uint64_t)value.integer); /* wraps */
}

/* Adds every window's elements to where windows took them from; the padding's share is dropped. */
bool evaluate_overlap_add(Evaluation *e) {
  enum { BLOCK = 256 };
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  WindowShape w;
  if (!y || !get_windows(e, y->rank, &w)) return false;
  int64_t padded[MOST_AXES], before[MOST_AXES] = {0};
  memcpy(padded, y->shape, sizeof padded);
  for (int i = 0; i < w.count; i++) {
    padded[w.axes[i]] += w.pad[i][0] + w.pad[i][1];
    before[w.axes[i]] = w.pad[i][0];
  }
  Scalar *sums = (Scalar *)scratch_doubles(e, sizes_product(padded, 0, y->rank));
  if (!sums) return false;
  Walk walk = walk_new(x->rank, x->shape, 2);
  strides_dense(x->rank, x->shape, walk.strides[0]);
  if (x->count > 0 && !window_strides(e, &w, y->rank, padded, x->shape, walk.strides[1]))
    return false;
  for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
    for (int64_t at = 0; at < walk.length; at += BLOCK) {
      int64_t count = walk.length - at < BLOCK ? walk.length - at : BLOCK;
      Scalar values[BLOCK];
      load_scalars(e, x, walk.offset[0] + at * walk.step[0], walk.step[0], count, values);
      for (int64_t i = 0; i < count; i++)
        add_scalar(x, &sums[walk.offset[1] + (at + i) * walk.step[1]], values[i]);
    }
  Walk crop = walk_new(y->rank, y->shape, 2);
  strides_dense(y->rank, y->shape, crop.strides[0]);
  strides_dense(y->rank, padded, crop.strides[1]);
  for (int i = 0; i < y->rank; i++) crop.offset[1] += before[i] * crop.strides[1][i];
  for (walk_begin(&crop); walk_more(&crop); walk_next(&crop))
    for (int64_t i = 0; i < crop.length; i++)
      store_scalars(e, y, crop.offset[0] + i * crop.step[0], 1,
                    &sums[crop.offset[1] + i * crop.step[1]]);
  return true;
}
