/* region_pool.c - sums and maxima over few elements inside of a kernel: pooling.
 *
 * Elements of a window beyond the edge are left out if that changes nothing. Windows of few
 * elements are written out; those that lie inside go without the loops that edges need.
 */
#include "backend/region.h"

#include <math.h>
#include <string.h>

enum { MOST_WRITTEN_OUT = 25 };

typedef struct {
  Region *r;
  const Op *op;
  const Value *x;
  const Op *windows; /* that make x, whose edges may be left out; NULL */
  bool reduced[MOST_AXES];
  bool clipped[MOST_AXES]; /* by the windows' axes: the range ends at the edge */
  LoopExpr *begin[MOST_AXES], *end[MOST_AXES]; /* of the reduced axes */
  Index index[MOST_AXES];                      /* into x */
  LoopExpr *total;
} Pool;

/* Is what lies outside of the windows neutral, so that loops may leave it out? */
static bool edge_is_neutral(const Op *windows, Operator reduction) {
  Number value = op_attribute(windows, ATTRIBUTE_value)->number;
  double v = value.is_integer ? (double)value.integer : value.real;
  return reduction == OP_sum ? v == 0 : isinf(v) && v < 0;
}

static LoopExpr *ceil_divide(LoopKernel *k, LoopExpr *a, int64_t by) {
  return by == 1 ? a : loop_div(k, loop_add(k, a, loop_int(k, by - 1)), loop_int(k, by));
}

static bool is_padded(const Op *windows, int i) {
  return op_pair_integer(windows, ATTRIBUTE_pad, i, 0) ||
         op_pair_integer(windows, ATTRIBUTE_pad, i, 1);
}

/* Elements of a window along its axis i that lie inside, as a range, if lanes share the window. */
static void clip_window(Region *r, const Op *op, int i, Index window, LoopExpr **begin,
                        LoopExpr **end) {
  LoopKernel *k = r->k;
  int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
  int64_t stride = op_list_integer(op, ATTRIBUTE_stride, i);
  int64_t dilation = op_list_integer(op, ATTRIBUTE_dilation, i);
  int64_t before = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
  LoopExpr *size = dim_expr(k, op->operands[0]->type.dims[axis]);
  LoopExpr *first = loop_add(k, loop_mul(k, window.at, loop_int(k, stride)), loop_int(k, -before));
  first = loop_let(k, "first", first);
  LoopExpr *from = ceil_divide(k, loop_neg(k, first), dilation);
  LoopExpr *to = ceil_divide(k, loop_sub(k, size, first), dilation);
  *begin = loop_let(k, "from", loop_max(k, loop_int(k, 0), from));
  *end = loop_let(k, "to", loop_min(k, *end, to));
}

static LoopExpr *clipped_value(const Pool *p) {
  Region *r = p->r;
  const Op *windows = p->windows;
  const Value *x = windows->operands[0];
  Index inner[MOST_AXES];
  Condition condition = {0};
  memcpy(inner, p->index, (size_t)x->type.rank * sizeof *inner);
  for (int i = 0; i < op_list_count(windows, ATTRIBUTE_axes); i++) {
    int axis = (int)op_list_integer(windows, ATTRIBUTE_axes, i);
    inner[axis] = region_window_place(r, windows, i, inner[axis], p->index[x->type.rank + i]);
    if (is_padded(windows, i) && !p->clipped[i])
      inner[axis] = region_limit(r, inner[axis], x->type.dims[axis], &condition);
  }
  LoopExpr *other =
      scalar_number(r->k, x->type.element, op_attribute(windows, ATTRIBUTE_value)->number);
  return region_under(r, condition, x, inner, other);
}

static LoopExpr *value_at(const Pool *p) {
  return p->windows ? clipped_value(p) : region_value(p->r, p->x, p->index);
}

/* ---- the ways through a window ---- */

static void by_loops(Pool *p, bool written_out) {
  LoopKernel *k = p->r->k;
  size_t scope = region_push(p->r);
  int blocks = 0;
  for (int i = 0; i < p->x->type.rank; i++) {
    if (!p->reduced[i]) continue;
    LoopExpr *begin = written_out ? loop_int(k, 0) : p->begin[i];
    LoopExpr *end = written_out ? dim_expr(k, p->x->type.dims[i]) : p->end[i];
    LoopExpr *at = written_out ? loop_each(k, "e", begin, end) : loop_for(k, "e", begin, end);
    p->index[i] = index_scalar(at);
    blocks++;
  }
  LoopExpr *value = value_at(p), *total = p->total;
  loop_set(k, total, p->op->kind == OP_sum ? loop_add(k, total, value) : loop_max(k, total, value));
  while (blocks--) loop_end(k);
  region_pop(p->r, scope);
}

/* The next element in order; false: there is none. */
static bool next_element(const Pool *p, int64_t *at) {
  for (int i = p->x->type.rank - 1; i >= 0; i--) {
    if (!p->reduced[i]) continue;
    if (++at[i] < dim_value(p->x->type.dims[i])) return true;
    at[i] = 0;
  }
  return false;
}

/* The greatest of floats. A maximum that keeps NaN takes three instructions, one that forgets it
 * takes one; so NaN is looked for beside it, in two elements at a time. */
static void greatest(Pool *p) {
  LoopKernel *k = p->r->k;
  size_t scope = region_push(p->r);
  int64_t at[MOST_AXES] = {0};
  LoopExpr *top = NULL, *bad = NULL, *waits = NULL;
  bool more = true;
  while (more) {
    for (int i = 0; i < p->x->type.rank; i++)
      if (p->reduced[i]) p->index[i] = index_scalar(loop_int(k, at[i]));
    LoopExpr *x = loop_let(k, "x", value_at(p)), *wrong = loop_ne(k, x, x);
    more = next_element(p, at);
    top = loop_let(k, "most", top ? loop_greater(k, x, top) : x);
    if (!waits && more) {
      waits = wrong;
      continue;
    }
    if (waits) wrong = loop_or(k, waits, wrong);
    bad = loop_let(k, "bad", bad ? loop_or(k, bad, wrong) : wrong);
    waits = NULL;
  }
  LoopExpr *nan = loop_literal(k, loop_type(top).element, (double)NAN);
  loop_set(k, p->total, loop_select(k, bad, nan, top));
  region_pop(p->r, scope);
}

static void write_out(Pool *p) {
  if (p->op->kind == OP_max && loop_element_is_float(loop_type(p->total).element))
    greatest(p);
  else
    by_loops(p, true);
}

/* ---- reductions ---- */

static LoopExpr *neutral_of(LoopKernel *k, const Op *op, LoopElement element) {
  if (op->kind == OP_sum) return loop_literal(k, element, 0);
  if (loop_element_is_float(element)) return loop_literal(k, element, -INFINITY);
  if (element == LOOP_I64) return loop_cast(k, loop_int(k, INT64_MIN), LOOP_I64);
  return loop_literal(k, element, element == LOOP_I32 ? INT32_MIN : 0);
}

/* Ranges of the reduced axes; a bool: they are whole. NULL: they always are. */
static LoopExpr *find_ranges(Pool *p) {
  LoopKernel *k = p->r->k;
  LoopExpr *whole = NULL;
  for (int i = 0; i < p->x->type.rank; i++) {
    if (!p->reduced[i]) continue;
    p->begin[i] = loop_int(k, 0), p->end[i] = dim_expr(k, p->x->type.dims[i]);
    int w = p->windows ? i - p->windows->operands[0]->type.rank : -1;
    if (w < 0 || !is_padded(p->windows, w)) continue;
    int axis = (int)op_list_integer(p->windows, ATTRIBUTE_axes, w);
    if (index_has_lanes(&p->index[axis])) continue;
    LoopExpr *all = p->end[i];
    clip_window(p->r, p->windows, w, p->index[axis], &p->begin[i], &p->end[i]);
    p->clipped[w] = true;
    LoopExpr *inside =
        loop_and(k, loop_eq(k, p->begin[i], loop_int(k, 0)), loop_eq(k, p->end[i], all));
    whole = whole ? loop_and(k, whole, inside) : inside;
  }
  return whole;
}

LoopExpr *region_reduction(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  Pool p = {.r = r, .op = op, .x = op->operands[0]};
  const Op *from = p.x->op;
  bool made_here = from && from->kind == OP_windows && !region_buffer(r, p.x);
  if (made_here && edge_is_neutral(from, op->kind)) p.windows = from;
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_axis); i++)
    p.reduced[op_list_integer(op, ATTRIBUTE_axis, i)] = true;
  bool lanes = false, keepdims = op_flag(op, ATTRIBUTE_keepdims);
  int64_t elements = 1; /* of a window */
  for (int i = 0, next = 0; i < p.x->type.rank; i++) {
    if (!p.reduced[i]) {
      p.index[i] = index[next++];
      lanes = lanes || index_has_lanes(&p.index[i]);
      continue;
    }
    next += keepdims;
    int64_t size = dim_is_constant(p.x->type.dims[i]) ? dim_value(p.x->type.dims[i]) : INT32_MAX;
    if (size > INT32_MAX) size = INT32_MAX;
    elements = elements > MOST_WRITTEN_OUT ? elements : elements * size;
  }
  LoopElement element = compute_element(p.x->type.element);
  p.total = loop_var(k, op->kind == OP_sum ? "total" : "top", element, lanes ? r->lanes : 1,
                     neutral_of(k, op, element));
  LoopExpr *whole = find_ranges(&p);
  bool few = elements > 0 && elements <= MOST_WRITTEN_OUT && !r->seldom;
  if (few && whole) {
    loop_if(k, whole);
    write_out(&p);
    loop_otherwise(k);
    by_loops(&p, false);
    loop_end(k);
  } else if (few)
    write_out(&p);
  else
    by_loops(&p, false);
  return p.total;
}
