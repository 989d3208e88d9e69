/* Operators whose places are known only when they run: gather, scatter_add, update. */
#include "ir/evaluate.h"
#include "ir/product.h"

#include <string.h>

/* x is [batch, before, size, row]; indices are [batch, picks]. */
typedef struct {
  int64_t batch, before, size, row, picks;
} IndexShape;

/* The shape of a gather from `x`, and its indices, all within 0..size. */
static bool get_indices(Evaluation *e, const RunTensor *x, IndexShape *shape, int64_t **indices) {
  const RunTensor *index = operand(e, 1);
  int axis;
  int64_t batch;
  if (!get_axis(e, ATTRIBUTE_axis, x->rank, &axis) || !get_integer(e, ATTRIBUTE_batch, &batch))
    return false;
  if (batch < 0 || batch > axis || batch > index->rank)
    return evaluation_fail(e, "%lld batch axes of %d", (long long)batch, axis);
  for (int i = 0; i < batch; i++)
    if (x->shape[i] != index->shape[i])
      return evaluation_fail(e, "batch axis %d has size %lld and %lld", i, (long long)x->shape[i],
                             (long long)index->shape[i]);
  shape->batch = sizes_product(x->shape, 0, (int)batch);
  shape->before = sizes_product(x->shape, (int)batch, axis);
  shape->size = x->shape[axis];
  shape->row = sizes_product(x->shape, axis + 1, x->rank);
  shape->picks = sizes_product(index->shape, (int)batch, index->rank);
  *indices = all_integers(e, index);
  if (!*indices) return false;
  for (int64_t i = 0; i < index->count; i++)
    if ((*indices)[i] < 0 || (*indices)[i] >= shape->size)
      return evaluation_fail(e, "index %lld is not in 0..%lld", (long long)(*indices)[i],
                             (long long)shape->size);
  return true;
}

bool evaluate_gather(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  IndexShape s;
  int64_t *indices;
  if (!y || !get_indices(e, x, &s, &indices)) return false;
  int64_t bytes = s.row * item_bytes(e->wide, x->element);
  unsigned char *to = y->bytes;
  for (int64_t b = 0; b < s.batch; b++)
    for (int64_t m = 0; m < s.before; m++)
      for (int64_t j = 0; j < s.picks; j++) {
        int64_t from = (b * s.before + m) * s.size + indices[b * s.picks + j];
        memcpy(to, (const unsigned char *)x->bytes + from * bytes, (size_t)bytes);
        to += bytes;
      }
  return true;
}

bool evaluate_scatter_add(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *u = operand(e, 2);
  RunTensor *y = result_new(e, 0);
  IndexShape s;
  int64_t *indices;
  if (!y || !get_indices(e, x, &s, &indices)) return false;
  if (u->count != s.batch * s.before * s.picks * s.row)
    return evaluation_fail(e, "%lld values for %lld places", (long long)u->count,
                           (long long)(s.batch * s.before * s.picks * s.row));
  Scalar *sums = all_scalars(e, x), *rows = all_scalars(e, u);
  if (!sums || !rows) return false;
  int64_t from = 0;
  for (int64_t b = 0; b < s.batch; b++)
    for (int64_t m = 0; m < s.before; m++)
      for (int64_t j = 0; j < s.picks; j++) {
        Scalar *to = sums + ((b * s.before + m) * s.size + indices[b * s.picks + j]) * s.row;
        for (int64_t i = 0; i < s.row; i++) add_scalar(is_real(x), &to[i], rows[from++]);
      }
  store_scalars(e, y, 0, y->count, sums);
  return true;
}

bool evaluate_update(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *u = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  int64_t at[MOST_AXES] = {0};
  int count;
  if (!y || !get_list(e, ATTRIBUTE_at, x->rank, at, &count)) return false;
  memcpy(y->bytes, x->bytes, (size_t)(x->count * item_bytes(e->wide, x->element)));
  Walk walk = walk_new(u->rank, u->shape, 2);
  strides_dense(y->rank, y->shape, walk.strides[0]);
  strides_dense(u->rank, u->shape, walk.strides[1]);
  for (int i = 0; i < x->rank; i++) {
    int64_t start = 0;
    if (i + 2 < e->op->operand_count) load_integers(e, operand(e, i + 2), 0, 0, 1, &start);
    if (__builtin_add_overflow(start, at[i], &start) || start < 0 ||
        start > x->shape[i] - u->shape[i])
      return evaluation_fail(e, "update of %lld elements at %lld of axis %d, whose size is %lld",
                             (long long)u->shape[i], (long long)start, i, (long long)x->shape[i]);
    walk.offset[0] += start * walk.strides[0][i];
  }
  copy_elements(e, &walk, y, u);
  return true;
}
