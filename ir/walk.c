#include "ir/walk.h"

#include <string.h>

Walk walk_new(int rank, const int64_t *shape, int tensors) {
  Walk walk = {.rank = rank, .tensors = tensors};
  for (int i = 0; i < rank; i++) walk.shape[i] = shape[i];
  return walk;
}

static void drop_axis(Walk *walk, int axis) {
  for (int i = axis; i + 1 < walk->rank; i++) {
    walk->shape[i] = walk->shape[i + 1];
    for (int t = 0; t < walk->tensors; t++) walk->strides[t][i] = walk->strides[t][i + 1];
  }
  walk->rank--;
}

static bool joins_next(const Walk *walk, int axis) {
  for (int t = 0; t < walk->tensors; t++)
    if (walk->strides[t][axis] != walk->strides[t][axis + 1] * walk->shape[axis + 1]) return false;
  return true;
}

void walk_begin(Walk *walk) {
  walk->more = true;
  for (int i = 0; i < walk->rank; i++)
    if (walk->shape[i] <= 0) walk->more = false;
  if (!walk->more) return;
  for (int i = walk->rank - 1; i >= 0; i--)
    if (walk->shape[i] == 1) drop_axis(walk, i);
  for (int i = walk->rank - 2; i >= 0; i--)
    if (joins_next(walk, i)) {
      walk->shape[i + 1] *= walk->shape[i];
      drop_axis(walk, i);
    }
  memset(walk->index, 0, sizeof walk->index);
  int last = walk->rank - 1;
  walk->length = last >= 0 ? walk->shape[last] : 1;
  for (int t = 0; t < walk->tensors; t++) walk->step[t] = last >= 0 ? walk->strides[t][last] : 0;
}

void walk_next(Walk *walk) {
  for (int axis = walk->rank - 2; axis >= 0; axis--) {
    bool wraps = ++walk->index[axis] == walk->shape[axis];
    if (wraps) walk->index[axis] = 0;
    for (int t = 0; t < walk->tensors; t++)
      walk->offset[t] += walk->strides[t][axis] * (wraps ? 1 - walk->shape[axis] : 1);
    if (!wraps) return;
  }
  walk->more = false;
}

void strides_dense(int rank, const int64_t *shape, int64_t *strides) {
  int64_t stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
}

void strides_broadcast(int shape_rank, const int64_t *shape, int rank, int64_t *strides) {
  int64_t stride = 1;
  for (int i = 0; i < rank; i++) {
    int from = shape_rank - 1 - i;
    bool runs = from >= 0 && shape[from] != 1;
    strides[rank - 1 - i] = runs ? stride : 0;
    if (from >= 0) stride *= shape[from];
  }
}
