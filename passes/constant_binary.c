/* Weights are many: what affine does with them is done here without the interpreter, at about the
 * speed of memory. */
#include "passes/constants.h"

#include <string.h>

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
