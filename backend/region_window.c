/* region_window.c - what pooling's gradient needs of windows: the sum over those that cover an
 * element, and which element of one is the greatest. */
#include "backend/region.h"

#include <string.h>

LoopExpr *region_beats(LoopKernel *k, LoopExpr *x, LoopExpr *y) {
  LoopExpr *greater = loop_gt(k, x, y);
  if (!loop_element_is_float(loop_type(x).element)) return greater;
  LoopExpr *only_x_is_nan = loop_and(k, loop_ne(k, x, x), loop_eq(k, y, y));
  return loop_or(k, greater, only_x_is_nan);
}

/* Windows along axis i that cover the place `at` (of x, the edge counted) are a range, if all lanes
 * have one place and the window's elements are side by side. */
static void over_windows(Region *r, const Op *op, int i, LoopExpr *at, Index *window,
                         Index *element) {
  LoopKernel *k = r->k;
  int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
  LoopExpr *stride = loop_int(k, op_list_integer(op, ATTRIBUTE_stride, i));
  LoopExpr *kernel = dim_expr(k, op_list_dim(op, ATTRIBUTE_kernel, i));
  LoopExpr *windows = dim_expr(k, op->operands[0]->type.dims[axis]);
  at = loop_let(k, "at", at);
  LoopExpr *from = loop_div(k, loop_add(k, loop_sub(k, at, kernel), stride), stride);
  from = loop_let(k, "from", loop_max(k, loop_int(k, 0), from));
  LoopExpr *to = loop_add(k, loop_div(k, at, stride), loop_int(k, 1));
  to = loop_let(k, "to", loop_min(k, windows, to));
  LoopExpr *o = loop_for(k, "o", from, to);
  *window = index_scalar(o);
  *element = index_scalar(loop_let(k, "e", loop_sub(k, at, loop_mul(k, o, stride))));
}

LoopExpr *region_overlap(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  const Value *x = op->operands[0];
  int rank = op->results[0]->type.rank, blocks = 0;
  bool lanes = false, checked = false;
  for (int i = 0; i < rank; i++) lanes = lanes || index_has_lanes(&index[i]);
  LoopElement e = compute_element(x->type.element);
  LoopExpr *sum = loop_var(k, "sum", e, lanes ? r->lanes : 1, loop_literal(k, e, 0));
  size_t scope = region_push(r);
  Index inner[MOST_AXES];
  int64_t divisors[MOST_AXES] = {0};
  memcpy(inner, index, (size_t)rank * sizeof *inner);
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_axes); i++) {
    int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
    int64_t dilation = op_list_integer(op, ATTRIBUTE_dilation, i);
    Index at = index_add(r, index[axis],
                         index_scalar(loop_int(k, op_pair_integer(op, ATTRIBUTE_pad, i, 0))));
    blocks++;
    if (!index_has_lanes(&at) && dilation == 1) {
      over_windows(r, op, i, at.at, &inner[axis], &inner[rank + i]);
      continue;
    }
    LoopExpr *place =
        loop_for(k, "e", loop_int(k, 0), dim_expr(k, op_list_dim(op, ATTRIBUTE_kernel, i)));
    inner[rank + i] = index_scalar(place);
    inner[axis] = index_add(r, at, index_scalar(loop_mul(k, place, loop_int(k, -dilation))));
    divisors[axis] = op_list_integer(op, ATTRIBUTE_stride, i);
    checked = true;
  }
  LoopExpr *value =
      checked ? region_value_inside(r, x, inner, divisors) : region_value(r, x, inner);
  loop_set(k, sum, loop_add(k, sum, value));
  while (blocks--) loop_end(k);
  region_pop(r, scope);
  return sum;
}

LoopExpr *region_argmax(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  const Value *x = op->operands[0];
  int axis = (int)op_integer(op, ATTRIBUTE_axis), rank = x->type.rank;
  bool lanes = false;
  Index inner[MOST_AXES];
  for (int i = 0, from = 0; i < rank; i++) {
    if (i == axis) continue;
    inner[i] = index[from++];
    lanes = lanes || index_has_lanes(&inner[i]);
  }
  inner[axis] = index_scalar(loop_int(k, 0));
  int width = lanes ? r->lanes : 1;
  LoopExpr *first = region_value(r, x, inner);
  LoopExpr *best = loop_var(k, "best", compute_element(x->type.element), width, first);
  LoopExpr *which = loop_var(k, "which", LOOP_I64, width, loop_int(k, 0));
  size_t scope = region_push(r);
  LoopExpr *j = loop_each(k, "j", loop_int(k, 1), dim_expr(k, x->type.dims[axis]));
  inner[axis] = index_scalar(j);
  LoopExpr *value = loop_let(k, "value", region_value(r, x, inner));
  LoopExpr *wins = loop_let(k, "wins", region_beats(k, value, best));
  loop_set(k, which, loop_select(k, wins, lanes ? loop_splat(k, j, width) : j, which));
  loop_set(k, best, loop_select(k, wins, value, best));
  loop_end(k);
  region_pop(r, scope);
  return which;
}
