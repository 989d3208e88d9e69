/* Weights are many: what select and affine do with them (reorder, pad, scale) is done here without
 * the interpreter, at about the speed of memory. */
#include "passes/constants.h"

#include <string.h>

/* Copies `count` elements of `size` bytes that lie `stride` bytes apart. */
static void gather_run(char *to, const char *from, int64_t count, int64_t stride, int size) {
  switch (size) {
  case 1:
    for (int64_t i = 0; i < count; i++) to[i] = from[i * stride];
    break;
  case 2:
    for (int64_t i = 0; i < count; i++) memcpy(to + 2 * i, from + i * stride, 2);
    break;
  case 4:
    for (int64_t i = 0; i < count; i++) memcpy(to + 4 * i, from + i * stride, 4);
    break;
  default:
    for (int64_t i = 0; i < count; i++) memcpy(to + 8 * i, from + i * stride, 8);
  }
}

/* Axes of a copy, from the outermost: sizes, and strides in bytes of the source. */
typedef struct {
  int rank;
  int64_t size[MOST_AXES], stride[MOST_AXES];
} Walk;

/* Merges axes that lie one in the other and drops those of size 1. */
static void walk_simplify(Walk *walk) {
  int rank = 0;
  for (int i = 0; i < walk->rank; i++) {
    if (walk->size[i] == 1) continue;
    if (rank > 0 && walk->stride[rank - 1] == walk->size[i] * walk->stride[i]) {
      walk->size[rank - 1] *= walk->size[i];
      walk->stride[rank - 1] = walk->stride[i];
      continue;
    }
    walk->size[rank] = walk->size[i];
    walk->stride[rank++] = walk->stride[i];
  }
  walk->rank = rank;
}

const void *move_transpose(Arena *arena, const Type *from, const int *perm, const void *bytes) {
  int size = element_infos[from->element].bytes;
  int64_t strides[MOST_AXES], count = size;
  for (int i = from->rank - 1; i >= 0; i--) {
    strides[i] = count;
    count *= dim_value(from->dims[i]);
  }
  char *result = arena_alloc(arena, (size_t)count);
  if (count == 0) return result;
  Walk walk = {.rank = from->rank};
  for (int i = 0; i < from->rank; i++) {
    walk.size[i] = dim_value(from->dims[perm[i]]);
    walk.stride[i] = strides[perm[i]];
  }
  walk_simplify(&walk);
  if (walk.rank == 0) return memcpy(result, bytes, (size_t)count);
  int inner = walk.rank - 1;
  int64_t index[MOST_AXES] = {0}, run = walk.size[inner];
  const char *at = bytes;
  bool dense = walk.stride[inner] == size;
  for (char *to = result; to < result + count; to += run * size) {
    if (dense)
      memcpy(to, at, (size_t)(run * size));
    else
      gather_run(to, at, run, walk.stride[inner], size);
    for (int i = inner - 1; i >= 0; i--) {
      at += walk.stride[i];
      if (++index[i] < walk.size[i]) break;
      at -= walk.stride[i] * walk.size[i];
      index[i] = 0;
    }
  }
  return result;
}

const void *move_pad(Arena *arena, const Type *from, const Type *to, const int64_t *before,
                     double value, const void *bytes) {
  int size = element_infos[from->element].bytes, rank = from->rank;
  int64_t count = type_static_count(to), run = size, stride[MOST_AXES], step = size, start = 0;
  for (int i = rank - 1; i >= 0; i--) {
    if (before[i] < 0 || dim_value(to->dims[i]) < before[i] + dim_value(from->dims[i])) return NULL;
    stride[i] = step;
    start += before[i] * step;
    step *= dim_value(to->dims[i]);
  }
  char *result = arena_alloc(arena, (size_t)(count * size));
  if (value != 0)
    for (int64_t i = 0; i < count; i++) element_store(from->element, result, i, value);
  if (type_static_count(from) == 0) return result;
  /* The innermost axes that are not padded are copied in one piece, with the next one. */
  int inner = rank;
  while (inner > 0) {
    inner--;
    run *= dim_value(from->dims[inner]);
    if (from->dims[inner] != to->dims[inner]) break;
  }
  int64_t index[MOST_AXES] = {0};
  const char *at = bytes, *end = at + type_static_count(from) * size;
  for (char *out = result + start; at < end; at += run) {
    memcpy(out, at, (size_t)run);
    for (int i = inner - 1; i >= 0; i--) {
      out += stride[i];
      if (++index[i] < dim_value(from->dims[i])) break;
      out -= stride[i] * dim_value(from->dims[i]);
      index[i] = 0;
    }
  }
  return result;
}

/* Strides of an operand along the result's axes, in elements; 0 where it is broadcast. */
static void broadcast_strides(const Type *type, const Type *result, int64_t *strides) {
  int64_t step = 1;
  for (int i = 0; i < result->rank; i++) strides[i] = 0;
  for (int i = type->rank - 1; i >= 0; i--) {
    int64_t size = dim_value(type->dims[i]);
    if (size != 1) strides[result->rank - type->rank + i] = step;
    step *= size;
  }
}

static void binary_run(Operator kind, float *to, const float *x, int64_t dx, const float *y,
                       int64_t dy, int64_t count) {
  switch (kind) {
  case OP_add:
    for (int64_t i = 0; i < count; i++) to[i] = x[i * dx] + y[i * dy];
    break;
  case OP_sub:
    for (int64_t i = 0; i < count; i++) to[i] = x[i * dx] - y[i * dy];
    break;
  case OP_mul:
    for (int64_t i = 0; i < count; i++) to[i] = x[i * dx] * y[i * dy];
    break;
  default:
    for (int64_t i = 0; i < count; i++) to[i] = x[i * dx] / y[i * dy];
  }
}

const void *compute_binary(Arena *arena, Operator kind, const Type *x, const void *x_bytes,
                           const Type *y, const void *y_bytes, const Type *result) {
  if (kind != OP_add && kind != OP_sub && kind != OP_mul && kind != OP_div) return NULL;
  if (x->element != ELEMENT_f32 || (uintptr_t)x_bytes % 4 || (uintptr_t)y_bytes % 4) return NULL;
  int64_t dx[MOST_AXES], dy[MOST_AXES], count = type_static_count(result), index[MOST_AXES] = {0};
  broadcast_strides(x, result, dx);
  broadcast_strides(y, result, dy);
  float *bytes = arena_array(arena, (size_t)count, sizeof(float));
  int inner = result->rank - 1;
  int64_t run = inner < 0 ? 1 : dim_value(result->dims[inner]);
  int64_t step_x = inner < 0 ? 0 : dx[inner], step_y = inner < 0 ? 0 : dy[inner];
  const float *from_x = x_bytes, *from_y = y_bytes;
  for (float *to = bytes; to < bytes + count; to += run) {
    binary_run(kind, to, from_x, step_x, from_y, step_y, run);
    for (int i = inner - 1; i >= 0; i--) {
      int64_t size = dim_value(result->dims[i]);
      from_x += dx[i], from_y += dy[i];
      if (++index[i] < size) break;
      from_x -= dx[i] * size, from_y -= dy[i] * size;
      index[i] = 0;
    }
  }
  return bytes;
}
