/* region_window.c - what pooling's gradient needs of windows: the sum over those that cover an
 * element, and which element of one is the greatest. */
#include "backend/region.h"

#include <string.h>

LoopExpr *region_beats(LoopKernel *k, LoopExpr *x, LoopExpr *y) {
  if (!loop_element_is_float(loop_type(x).element)) return loop_gt(k, x, y);
  return loop_and(k, loop_unary(k, LOOP_NOT, loop_le(k, x, y)), loop_eq(k, y, y));
}

/* Windows along an axis that cover a place. */
typedef struct {
  int axis;
  LoopExpr *at, *from, *to; /* of x, the edge counted; NULL: windows are looked for by elements */
  int64_t stride, count;    /* so many inside of the map; 0: not always as many */
} Cover;

enum { MOST_WRITTEN_OUT = 25 };

/* A range, if all lanes have one place and the window's elements are side by side. */
static Cover cover_of(Region *r, const Op *op, int i, Index place) {
  LoopKernel *k = r->k;
  Cover c = {.axis = (int)op_list_integer(op, ATTRIBUTE_axes, i)};
  if (index_has_lanes(&place) || op_list_integer(op, ATTRIBUTE_dilation, i) != 1) return c;
  const Dim *size = op_list_dim(op, ATTRIBUTE_kernel, i);
  c.stride = op_list_integer(op, ATTRIBUTE_stride, i);
  LoopExpr *stride = loop_int(k, c.stride), *kernel = dim_expr(k, size);
  LoopExpr *windows = dim_expr(k, op->operands[0]->type.dims[c.axis]);
  c.at = loop_let(k, "at", place.at);
  LoopExpr *from = loop_div(k, loop_add(k, loop_sub(k, c.at, kernel), stride), stride);
  c.from = loop_let(k, "from", loop_max(k, loop_int(k, 0), from));
  LoopExpr *to = loop_add(k, loop_div(k, c.at, stride), loop_int(k, 1));
  c.to = loop_let(k, "to", loop_min(k, windows, to));
  if (dim_is_constant(size) && dim_value(size) % c.stride == 0)
    c.count = dim_value(size) / c.stride;
  return c;
}

typedef struct {
  Region *r;
  const Op *op;
  const Index *index;
  Cover covers[MOST_AXES];
  int count;
  LoopExpr *sum;
} Overlap;

/* Adds all windows' elements; `written_out`: as many as there are inside. */
static void add_windows(const Overlap *o, bool written_out) {
  Region *r = o->r;
  LoopKernel *k = r->k;
  const Op *op = o->op;
  int rank = op->results[0]->type.rank;
  bool checked = false;
  size_t scope = region_push(r);
  Index inner[MOST_AXES];
  int64_t divisors[MOST_AXES] = {0};
  memcpy(inner, o->index, (size_t)rank * sizeof *inner);
  for (int i = 0; i < o->count; i++) {
    const Cover *c = &o->covers[i];
    if (c->from) {
      LoopExpr *window = written_out ? loop_each(k, "o", loop_int(k, 0), loop_int(k, c->count))
                                     : loop_for(k, "o", c->from, c->to);
      if (written_out) window = loop_add(k, c->from, window);
      inner[c->axis] = index_scalar(window);
      LoopExpr *first = loop_mul(k, window, loop_int(k, c->stride));
      inner[rank + i] = index_scalar(loop_let(k, "e", loop_sub(k, c->at, first)));
      continue;
    }
    LoopExpr *pad = loop_int(k, op_pair_integer(op, ATTRIBUTE_pad, i, 0));
    LoopExpr *place =
        loop_for(k, "e", loop_int(k, 0), dim_expr(k, op_list_dim(op, ATTRIBUTE_kernel, i)));
    int64_t dilation = op_list_integer(op, ATTRIBUTE_dilation, i);
    inner[rank + i] = index_scalar(place);
    Index at = index_add(r, o->index[c->axis], index_scalar(pad));
    inner[c->axis] = index_add(r, at, index_scalar(loop_mul(k, place, loop_int(k, -dilation))));
    divisors[c->axis] = op_list_integer(op, ATTRIBUTE_stride, i);
    checked = true;
  }
  const Value *x = op->operands[0];
  LoopExpr *value =
      checked ? region_value_inside(r, x, inner, divisors) : region_value(r, x, inner);
  loop_set(k, o->sum, loop_add(k, o->sum, value));
  for (int i = 0; i < o->count; i++) loop_end(k);
  region_pop(r, scope);
}

LoopExpr *region_overlap(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  int rank = op->results[0]->type.rank;
  bool lanes = false;
  for (int i = 0; i < rank; i++) lanes = lanes || index_has_lanes(&index[i]);
  LoopElement e = compute_element(op->operands[0]->type.element);
  Overlap o = {.r = r, .op = op, .index = index, .count = op_list_count(op, ATTRIBUTE_axes)};
  o.sum = loop_var(k, "sum", e, lanes ? r->lanes : 1, loop_literal(k, e, 0));
  LoopExpr *whole = NULL;
  int64_t all = 1;
  for (int i = 0; i < o.count; i++) {
    Index pad = index_scalar(loop_int(k, op_pair_integer(op, ATTRIBUTE_pad, i, 0)));
    int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
    Cover c = o.covers[i] = cover_of(r, op, i, index_add(r, index[axis], pad));
    all = all > MOST_WRITTEN_OUT || c.count > MOST_WRITTEN_OUT ? 0 : all * c.count;
    if (!c.from) continue;
    LoopExpr *found = loop_eq(k, loop_sub(k, c.to, c.from), loop_int(k, c.count));
    whole = whole ? loop_and(k, whole, found) : found;
  }
  if (all > 0 && all <= MOST_WRITTEN_OUT) {
    loop_if(k, whole);
    add_windows(&o, true);
    loop_otherwise(k);
  }
  add_windows(&o, false);
  if (all > 0 && all <= MOST_WRITTEN_OUT) loop_end(k);
  return o.sum;
}

/* Elements of windows as rows that are made here, so that a window inside of its map can be read
 * without a look at the edge. */
typedef struct {
  Region *r;
  const Value *x;
  const Op *windows; /* NULL: any rows */
  int axis;
  Index index[MOST_AXES];
  LoopExpr *best, *which;
} Search;

/* Whether a window lies inside; NULL: it is not known, or all do. */
static LoopExpr *is_inside(const Search *s) {
  LoopKernel *k = s->r->k;
  LoopExpr *inside = NULL;
  const Op *op = s->windows;
  for (int i = 0; op && i < op_list_count(op, ATTRIBUTE_axes); i++) {
    int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
    const Dim *kernel = op_list_dim(op, ATTRIBUTE_kernel, i);
    if (index_has_lanes(&s->index[axis])) return NULL;
    if (!op_pair_integer(op, ATTRIBUTE_pad, i, 0) && !op_pair_integer(op, ATTRIBUTE_pad, i, 1))
      continue;
    Index zero = index_scalar(loop_int(k, 0));
    Index last = index_scalar(loop_sub(k, dim_expr(k, kernel), loop_int(k, 1)));
    LoopExpr *from = region_window_place(s->r, op, i, s->index[axis], zero).at;
    LoopExpr *to = region_window_place(s->r, op, i, s->index[axis], last).at;
    LoopExpr *both = loop_and(k, loop_ge(k, from, loop_int(k, 0)),
                              loop_lt(k, to, dim_expr(k, op->operands[0]->type.dims[axis])));
    inside = inside ? loop_and(k, inside, both) : both;
  }
  return inside;
}

/* Element number j of the row. */
static LoopExpr *element_of(Search *s, LoopExpr *j, bool inside) {
  Region *r = s->r;
  LoopKernel *k = r->k;
  s->index[s->axis] = index_scalar(j);
  if (!inside) return region_value(r, s->x, s->index);
  const Op *op = s->windows;
  const Value *map = op->operands[0];
  int count = op_list_count(op, ATTRIBUTE_axes);
  const Dim *kernel[MOST_AXES];
  LoopExpr *at[MOST_AXES];
  Index index[MOST_AXES];
  memcpy(index, s->index, (size_t)map->type.rank * sizeof *index);
  for (int i = 0; i < count; i++) kernel[i] = op_list_dim(op, ATTRIBUTE_kernel, i);
  index_split(k, j, kernel, count, at);
  for (int i = 0; i < count; i++) {
    int axis = (int)op_list_integer(op, ATTRIBUTE_axes, i);
    index[axis] = region_window_place(r, op, i, s->index[axis], index_scalar(at[i]));
  }
  return region_value(r, map, index);
}

static void search(Search *s, bool inside) {
  LoopKernel *k = s->r->k;
  size_t scope = region_push(s->r);
  loop_set(k, s->best, element_of(s, loop_int(k, 0), inside));
  region_pop(s->r, scope);
  scope = region_push(s->r);
  LoopElement number = loop_type(s->which).element;
  int lanes = loop_type(s->which).lanes;
  LoopExpr *end = dim_expr(k, s->x->type.dims[s->axis]);
  LoopExpr *j =
      s->r->seldom ? loop_for(k, "j", loop_int(k, 1), end) : loop_each(k, "j", loop_int(k, 1), end);
  LoopExpr *value = loop_let(k, "value", element_of(s, j, inside));
  LoopExpr *wins = loop_let(k, "wins", region_beats(k, value, s->best));
  LoopExpr *at = number == LOOP_I64 ? j : loop_cast(k, j, number);
  if (lanes > 1) at = loop_splat(k, at, lanes);
  LoopExpr *zero = loop_splat(k, loop_literal(k, number, 0), lanes);
  loop_set(k, s->which, loop_max(k, s->which, loop_select(k, wins, at, zero))); /* j grows */
  loop_set(k, s->best, loop_select(k, wins, value, s->best));
  loop_end(k);
  region_pop(s->r, scope);
}

/* The windows that a row is made of, whose axes are the row's but for the kernel's. */
static const Op *windows_behind(const Region *r, const Value *x) {
  const Op *reshape = x->op;
  if (!reshape || reshape->kind != OP_reshape || region_buffer(r, x)) return NULL;
  const Op *windows = reshape->operands[0]->op;
  if (!windows || windows->kind != OP_windows || region_buffer(r, windows->results[0])) return NULL;
  const Type *map = &windows->operands[0]->type, *row = &x->type;
  if (map->rank != row->rank - 1) return NULL;
  for (int i = 0; i < map->rank; i++)
    if (row->dims[i] != windows->results[0]->type.dims[i]) return NULL;
  return windows;
}

const Op *region_argmax_windows(const Region *r, const Op *op) {
  const Value *x = op->operands[0];
  if (op_integer(op, ATTRIBUTE_axis) != x->type.rank - 1) return NULL;
  return windows_behind(r, x);
}

LoopExpr *region_argmax(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  Search s = {.r = r, .x = op->operands[0], .axis = (int)op_integer(op, ATTRIBUTE_axis)};
  const Type *type = &s.x->type;
  bool lanes = false, few = dim_max(type->dims[s.axis]) <= INT32_MAX;
  for (int i = 0, from = 0; i < type->rank; i++) {
    if (i == s.axis) continue;
    s.index[i] = index[from++];
    lanes = lanes || index_has_lanes(&s.index[i]);
  }
  s.windows = region_argmax_windows(r, op);
  LoopElement element = compute_element(type->element);
  LoopElement number = few ? LOOP_I32 : LOOP_I64; /* as wide as most elements */
  int width = lanes ? r->lanes : 1;
  s.best = loop_var(k, "best", element, width, loop_literal(k, element, 0));
  s.which = loop_var(k, "which", number, width, loop_literal(k, number, 0));
  LoopExpr *inside = r->seldom ? NULL : is_inside(&s);
  if (inside) {
    loop_if(k, inside);
    search(&s, true);
    loop_otherwise(k);
  }
  search(&s, false);
  if (inside) loop_end(k);
  return few ? loop_cast(k, s.which, LOOP_I64) : s.which;
}
