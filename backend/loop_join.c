#include "backend/loop_join.h"

/* What a name stands for. */
static const LoopExpr *meaning(const LoopExpr *a) {
  while (a->kind == LOOP_EXPR_REGISTER && !a->reg->is_set && a->reg->rows == 0) a = a->reg->value;
  return a;
}

static bool is_op(const LoopExpr *a, LoopOp op) {
  return a->kind == LOOP_EXPR_OP && a->op == op && a->type.lanes == 1;
}

static bool same(const LoopExpr *a, const LoopExpr *b) {
  a = meaning(a), b = meaning(b);
  int64_t x, y;
  if (a == b) return true;
  if (loop_is_int(a, &x)) return loop_is_int(b, &y) && x == y;
  if (a->kind != LOOP_EXPR_OP || !is_op(b, a->op) || a->type.lanes != 1) return false;
  for (int i = 0; i < 3; i++)
    if (!a->args[i] != !b->args[i] || (a->args[i] && !same(a->args[i], b->args[i]))) return false;
  return true;
}

/* Whether an expression has the same value wherever it is computed in its block: names, variables
 * and literals alone. */
static bool is_fixed(const LoopExpr *a) {
  switch (a->kind) {
  case LOOP_EXPR_REGISTER:
    return !a->reg->is_set && a->reg->rows == 0;
  case LOOP_EXPR_LITERAL:
  case LOOP_EXPR_VARIABLE:
  case LOOP_EXPR_COUNT:
  case LOOP_EXPR_DIM:
  case LOOP_EXPR_GIVEN:
    return true;
  case LOOP_EXPR_OP:
    for (int i = 0; i < 3; i++)
      if (a->args[i] && !is_fixed(a->args[i])) return false;
    return true;
  default:
    return false;
  }
}

/* whole / by[0] / by[1] .. */
static bool is_quotient(const LoopExpr *a, const LoopExpr *whole, const LoopExpr *const *by,
                        int count) {
  a = meaning(a);
  for (int i = count - 1; i >= 0; i--) {
    if (!is_op(a, LOOP_DIV) || !same(a->args[1], by[i])) return false;
    a = meaning(a->args[0]);
  }
  return same(a, whole);
}

static bool is_one(const LoopExpr *a) {
  int64_t value;
  return loop_is_int(a, &value) && value == 1;
}

/* From one index of an axis to the next. */
static bool stride_of(const LoopBuffer *buffer, int axis, int64_t *stride) {
  if (buffer->strides[axis]) return loop_is_int(buffer->strides[axis], stride);
  *stride = 1;
  for (int inner = buffer->rank - 1; inner > axis; inner--) {
    int64_t size;
    if (!loop_is_int(buffer->sizes[inner], &size) || __builtin_mul_overflow(*stride, size, stride))
      return false;
  }
  return true;
}

/* Whether a step on axis `outer` is as far as `by` steps on `inner`, between which there are axes
 * of size 1 alone. */
static bool follows(const LoopBuffer *buffer, int outer, int inner, const LoopExpr *by) {
  int64_t x, y, times;
  if (stride_of(buffer, outer, &x) && stride_of(buffer, inner, &y) && loop_is_int(by, &times))
    return !__builtin_mul_overflow(y, times, &y) && x == y;
  for (int axis = outer; axis <= inner; axis++)
    if (buffer->strides[axis]) return false;
  return same(buffer->sizes[inner], by);
}

const LoopExpr *loop_joined_index(const LoopAccess *access, int last, int *first) {
  const LoopBuffer *buffer = access->buffer;
  const LoopExpr *at = meaning(access->index[last]), *by[LOOP_RANK];
  if (!is_op(at, LOOP_MOD) || !is_fixed(at->args[0])) return NULL;
  const LoopExpr *whole = at->args[0];
  int count = 0, inner = last;
  by[count++] = at->args[1];
  for (int axis = last - 1; axis >= 0; axis--) {
    if (is_one(buffer->sizes[axis])) continue;
    const LoopExpr *index = access->index[axis];
    if (!follows(buffer, axis, inner, by[count - 1])) return NULL;
    if (is_quotient(index, whole, by, count)) {
      *first = axis;
      return whole;
    }
    index = meaning(index);
    if (!is_op(index, LOOP_MOD) || !is_quotient(index->args[0], whole, by, count)) return NULL;
    by[count++] = index->args[1];
    inner = axis;
  }
  return NULL;
}
