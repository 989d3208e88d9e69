/* region_view.c - views inside of a kernel: what only changes the index on the way to an operand,
 * and gather and iota, which make one of an index.
 *
 * What lies outside of an operand is not read: a condition goes with the index (Condition).
 */
#include "backend/region.h"

#include "ir/part.h"

#include <string.h>

static LoopExpr *both(LoopKernel *k, LoopExpr *a, LoopExpr *b) {
  return !a ? b : !b ? a : loop_and(k, a, b);
}

Index region_limit(Region *r, Index index, const Dim *size, Condition *condition) {
  LoopKernel *k = r->k;
  LoopExpr *end = dim_expr(k, size), *zero = loop_int(k, 0);
  if (!index_has_lanes(&index)) {
    LoopExpr *at = loop_let(k, "at", index.at);
    condition->scalar =
        both(k, condition->scalar, loop_and(k, loop_ge(k, at, zero), loop_lt(k, at, end)));
    LoopExpr *last = loop_sub(k, end, loop_int(k, 1));
    return index_scalar(loop_let(k, "at", loop_max(k, loop_min(k, at, last), zero)));
  }
  LoopExpr *places = loop_let(k, "places", index_vector(r, index));
  LoopExpr *inside = loop_and(k, loop_ge(k, places, zero), loop_lt(k, places, end));
  condition->vector = both(k, condition->vector, inside);
  return index;
}

/* floor(index / by) where it comes out even; the condition says where. */
static Index divide(Region *r, Index index, int64_t by, Condition *condition) {
  if (by == 1) return index;
  LoopKernel *k = r->k;
  LoopExpr *divisor = loop_int(k, by), *zero = loop_int(k, 0);
  if (!index_has_lanes(&index)) {
    LoopExpr *at = loop_let(k, "at", index.at);
    condition->scalar = both(k, condition->scalar, loop_eq(k, loop_mod(k, at, divisor), zero));
    return index_scalar(loop_div(k, at, divisor));
  }
  LoopExpr *places = loop_let(k, "places", index_vector(r, index));
  condition->vector = both(k, condition->vector, loop_eq(k, loop_mod(k, places, divisor), zero));
  return (Index){loop_div(k, places, divisor), 0};
}

LoopExpr *region_under(Region *r, Condition condition, const Value *value, const Index *index,
                       LoopExpr *other) {
  LoopKernel *k = r->k;
  LoopExpr *outer = r->mask;
  if (condition.vector) {
    LoopExpr *mask = loop_let(k, "inside", condition.vector);
    condition.vector = mask;
    r->mask = outer ? loop_let(k, "inside", loop_and(k, outer, mask)) : mask;
  }
  LoopExpr *result = region_value(r, value, index);
  r->mask = outer;
  if (condition.vector) {
    if (loop_type(result).lanes == 1) result = loop_splat(k, result, r->lanes);
    result = loop_select(k, condition.vector, result, other);
  }
  if (condition.scalar) result = loop_select(k, condition.scalar, result, other);
  return result;
}

static LoopExpr *pad_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0];
  Index inner[MOST_AXES];
  Condition condition = {0};
  for (int i = 0; i < x->type.rank; i++) {
    const Dim *before = op_list_dim(op, ATTRIBUTE_before, i);
    const Dim *after = op_list_dim(op, ATTRIBUTE_after, i);
    int64_t between = op_list_integer(op, ATTRIBUTE_between, i);
    inner[i] = index[i];
    if (!dim_is(before, 0))
      inner[i] = index_add(r, inner[i], index_scalar(loop_neg(r->k, dim_expr(r->k, before))));
    inner[i] = divide(r, inner[i], between + 1, &condition);
    if (!dim_is(before, 0) || !dim_is(after, 0))
      inner[i] = region_limit(r, inner[i], x->type.dims[i], &condition);
    else if (between) /* where it is not even its floor is still inside */
      inner[i].at = loop_let(r->k, "at", inner[i].at);
  }
  LoopExpr *other = scalar_number(r->k, x->type.element, op_attribute(op, ATTRIBUTE_value)->number);
  return region_under(r, condition, x, inner, other);
}

LoopExpr *region_value_inside(Region *r, const Value *value, const Index *index,
                              const int64_t *divisors) {
  Index inner[MOST_AXES];
  Condition condition = {0};
  for (int i = 0; i < value->type.rank; i++) {
    inner[i] = index[i];
    if (!divisors[i]) continue;
    inner[i] = region_limit(r, divide(r, inner[i], divisors[i], &condition), value->type.dims[i],
                            &condition);
  }
  return region_under(r, condition, value, inner,
                      scalar_number(r->k, value->type.element, number_integer(0)));
}

/* x, but u where the index is inside of it. */
static LoopExpr *update_value(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  const Value *x = op->operands[0], *u = op->operands[1];
  Index inner[MOST_AXES];
  Condition condition = {0};
  for (int i = 0; i < x->type.rank; i++) {
    LoopExpr *start = dim_expr(k, op_list_dim(op, ATTRIBUTE_at, i));
    if (2 + i < op->operand_count) {
      LoopExpr *given = loop_cast(k, region_scalar(r, op->operands[2 + i]), LOOP_I64);
      LoopExpr *room = loop_sub(k, dim_expr(k, x->type.dims[i]), dim_expr(k, u->type.dims[i]));
      room = loop_add(k, room, loop_int(k, 1));
      start = loop_let(k, "start", loop_checked(k, given, room, r->next_fault));
    }
    inner[i] = region_limit(r, index_add(r, index[i], index_scalar(loop_neg(k, start))),
                            u->type.dims[i], &condition);
  }
  LoopExpr *old = loop_let(k, "old", region_value(r, x, index));
  return region_under(r, condition, u, inner, old);
}

Index region_window_place(Region *r, const Op *op, int i, Index window, Index element) {
  LoopKernel *k = r->k;
  Index at = index_scale(r, window, op_list_integer(op, ATTRIBUTE_stride, i));
  Index more = index_scale(r, element, op_list_integer(op, ATTRIBUTE_dilation, i));
  int64_t before = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
  at = index_add(r, at, more);
  return before ? index_add(r, at, index_scalar(loop_int(k, -before))) : at;
}

static LoopExpr *windows_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0];
  int count = op_list_count(op, ATTRIBUTE_axes);
  Index inner[MOST_AXES];
  Condition condition = {0};
  memcpy(inner, index, (size_t)x->type.rank * sizeof *inner);
  for (int i = 0; i < count; i++) {
    int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
    inner[axis] = region_window_place(r, op, i, index[axis], index[x->type.rank + i]);
    if (op_pair_integer(op, ATTRIBUTE_pad, i, 0) || op_pair_integer(op, ATTRIBUTE_pad, i, 1))
      inner[axis] = region_limit(r, inner[axis], x->type.dims[axis], &condition);
  }
  LoopExpr *other = scalar_number(r->k, x->type.element, op_attribute(op, ATTRIBUTE_value)->number);
  return region_under(r, condition, x, inner, other);
}

/* Of windows apart: an element is in one window, or in none and 0. */
static LoopExpr *overlap_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0];
  const Type *type = &op->results[0]->type;
  int count = op_list_count(op, ATTRIBUTE_axes);
  Index inner[MOST_AXES];
  Condition condition = {0};
  memcpy(inner, index, (size_t)type->rank * sizeof *inner);
  for (int i = 0; i < count; i++) {
    int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
    int64_t stride = op_list_integer(op, ATTRIBUTE_stride, i);
    int64_t before = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    const Dim *windows = x->type.dims[axis], *kernel = x->type.dims[type->rank + i];
    Index at =
        before ? index_add(r, index[axis], index_scalar(loop_int(r->k, before))) : index[axis];
    inner[axis] = index_divide(r, at, stride);
    inner[type->rank + i] = index_mod(r, at, stride);
    bool covers = dim_is_constant(windows) && dim_is_constant(type->dims[axis]) &&
                  dim_value(type->dims[axis]) + before <= dim_value(windows) * stride;
    if (!covers) inner[axis] = region_limit(r, inner[axis], windows, &condition);
    if (!dim_is(kernel, stride))
      inner[type->rank + i] = region_limit(r, inner[type->rank + i], kernel, &condition);
  }
  return region_under(r, condition, x, inner,
                      scalar_number(r->k, x->type.element, number_integer(0)));
}

static LoopExpr *slice_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0];
  Index inner[MOST_AXES];
  for (int i = 0; i < x->type.rank; i++) {
    const Dim *start = op_list_dim(op, ATTRIBUTE_start, i);
    inner[i] = index_scale(r, index[i], op_list_integer(op, ATTRIBUTE_step, i));
    if (!dim_is(start, 0)) inner[i] = index_add(r, inner[i], index_scalar(dim_expr(r->k, start)));
  }
  return region_value(r, x, inner);
}

static LoopExpr *broadcast_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0];
  int more = op->results[0]->type.rank - x->type.rank;
  Index inner[MOST_AXES];
  for (int i = 0; i < x->type.rank; i++)
    inner[i] = dim_is(x->type.dims[i], 1) ? index_scalar(loop_int(r->k, 0)) : index[i + more];
  return region_value(r, x, inner);
}

static LoopExpr *transpose_value(Region *r, const Op *op, const Index *index) {
  Index inner[MOST_AXES];
  for (int i = 0; i < op->results[0]->type.rank; i++)
    inner[op_list_integer(op, ATTRIBUTE_perm, i)] = index[i];
  return region_value(r, op->operands[0], inner);
}

/* The element's number in row-major order. */
LoopExpr *region_number(Region *r, const Type *type, const Index *index) {
  LoopKernel *k = r->k;
  Index number = index_scalar(loop_int(k, 0));
  LoopExpr *size = loop_int(k, 1);
  for (int i = type->rank - 1; i >= 0; i--) {
    bool unit = i == type->rank - 1;
    LoopExpr *at = index_has_lanes(&index[i]) ? index_vector(r, index[i]) : index[i].at;
    number.at = loop_add(k, number.at, unit ? at : loop_mul(k, at, size));
    size = loop_mul(k, size, dim_expr(k, type->dims[i]));
  }
  return number.at;
}

/* Axes of size 1 come and go; anything else goes through the element's number. */
static LoopExpr *reshape_value(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  const Type *from = &op->operands[0]->type, *to = &op->results[0]->type;
  Index inner[MOST_AXES];
  int j = 0;
  bool units = true;
  for (int i = 0; i < from->rank && units; i++) {
    if (dim_is(from->dims[i], 1)) {
      inner[i] = index_scalar(loop_int(k, 0));
      continue;
    }
    while (j < to->rank && dim_is(to->dims[j], 1)) j++;
    units = j < to->rank && to->dims[j] == from->dims[i];
    if (units) inner[i] = index[j++];
  }
  while (j < to->rank && dim_is(to->dims[j], 1)) j++;
  if (units && j == to->rank) return region_value(r, op->operands[0], inner);

  int same = 0; /* leading axes that stay as they are */
  while (same < from->rank && same < to->rank && from->dims[same] == to->dims[same]) {
    inner[same] = index[same];
    same++;
  }
  Type tail = {.rank = to->rank - same};
  for (int i = 0; i < tail.rank; i++) tail.dims[i] = to->dims[same + i];
  LoopExpr *rest = loop_let(k, "number", region_number(r, &tail, index + same));
  for (int i = from->rank - 1; i >= same; i--) {
    LoopExpr *extent = dim_expr(k, from->dims[i]);
    inner[i] = index_scalar(i > same ? loop_let(k, "at", loop_mod(k, rest, extent)) : rest);
    if (i > same) rest = loop_let(k, "rest", loop_div(k, rest, extent));
  }
  return region_value(r, op->operands[0], inner);
}

static LoopExpr *concat_value(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  int axis = (int)op_integer(op, ATTRIBUTE_axis), rank = op->results[0]->type.rank;
  LoopExpr *result = NULL, *start = loop_int(k, 0);
  for (int i = 0; i < op->operand_count; i++) {
    const Value *x = op->operands[i];
    Index inner[MOST_AXES];
    Condition condition = {0};
    memcpy(inner, index, (size_t)rank * sizeof *inner);
    inner[axis] = region_limit(r, index_add(r, index[axis], index_scalar(loop_neg(k, start))),
                               x->type.dims[axis], &condition);
    LoopExpr *other = result ? result : scalar_number(k, x->type.element, number_integer(0));
    result = loop_let(k, "part", region_under(r, condition, x, inner, other));
    start = loop_add(k, start, dim_expr(k, x->type.dims[axis]));
  }
  return result;
}

LoopExpr *region_gather_given(Region *r, const Op *op, const Index *index) {
  const Value *i = op->operands[1];
  int axis = (int)op_integer(op, ATTRIBUTE_axis), batch = (int)op_integer(op, ATTRIBUTE_batch);
  Index which[MOST_AXES];
  for (int a = 0; a < batch; a++) which[a] = index[a];
  for (int a = batch; a < i->type.rank; a++) which[a] = index[axis + a - batch];
  return loop_cast(r->k, region_value(r, i, which), LOOP_I64);
}

void region_gather_index(const Op *op, const Index *index, LoopExpr *place, Index *inner) {
  const Value *x = op->operands[0], *i = op->operands[1];
  int axis = (int)op_integer(op, ATTRIBUTE_axis), batch = (int)op_integer(op, ATTRIBUTE_batch);
  int middle = i->type.rank - batch;
  for (int a = 0; a < x->type.rank; a++)
    if (a != axis) inner[a] = index[a < axis ? a : a + middle - 1];
  inner[axis] = (Index){place, 0};
}

static LoopExpr *gather_value(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  const Value *x = op->operands[0];
  const Dim *size = x->type.dims[op_integer(op, ATTRIBUTE_axis)];
  Index inner[MOST_AXES];
  /* bare loads are masked at a row's end and give 0, which is inside */
  LoopExpr *place = region_gather_given(r, op, index);
  place = loop_checked(k, place, dim_expr(k, size), r->next_fault);
  region_gather_index(op, index, loop_let(k, "place", place), inner);
  return region_value(r, x, inner);
}

static LoopExpr *iota_value(Region *r, const Op *op, const Index *index) {
  Index at = index[op_integer(op, ATTRIBUTE_axis)];
  LoopExpr *number = index_has_lanes(&at) ? index_vector(r, at) : at.at;
  return loop_cast(r->k, number, compute_element(op->results[0]->type.element));
}

LoopExpr *region_view(Region *r, const Op *op, const Index *index) {
  switch (op->kind) {
  case OP_reshape:
    return reshape_value(r, op, index);
  case OP_transpose:
    return transpose_value(r, op, index);
  case OP_broadcast:
    return broadcast_value(r, op, index);
  case OP_slice:
    return slice_value(r, op, index);
  case OP_pad:
    return pad_value(r, op, index);
  case OP_concat:
    return concat_value(r, op, index);
  case OP_windows:
    return windows_value(r, op, index);
  case OP_overlap_add:
    return windows_are_apart(op) ? overlap_value(r, op, index) : region_overlap(r, op, index);
  case OP_update:
    return update_value(r, op, index);
  case OP_gather:
    return gather_value(r, op, index);
  case OP_iota:
    return iota_value(r, op, index);
  default:
    return NULL;
  }
}
