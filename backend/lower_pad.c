/* lower_pad.c - an edge around a tensor, as a copy: what follows the last axis that gets one is a
 * row with it, so that neither places nor conditions are looked at in the middle of it. */
#include "backend/families.h"

enum { LANE_REGISTERS = 4 };

typedef struct {
  Lowering *l;
  int last;             /* axis that gets an edge; those before it are trips, those behind a row */
  const Dim *head;      /* of a row: the edge's elements before */
  const Dim *from, *to; /* a row of the operand, and of the result */
  LoopBuffer *x, *y;
  LoopExpr *value;
  int lanes;
} Pad;

static const Dim *edge(const Op *op, AttributeName side, int axis) {
  return op_list_dim(op, side, axis);
}

/* Sizes of a row; false: something lies between the elements, or a size is above 64 bits. */
static bool find_row(Pad *p) {
  const Op *op = p->l->op;
  DimTable *t = p->l->dims;
  const Type *from = &op->operands[0]->type, *to = &op->results[0]->type;
  p->last = -1;
  for (int i = 0; i < to->rank; i++) {
    if (op_list_integer(op, ATTRIBUTE_between, i) != 0) return false;
    if (!dim_is(edge(op, ATTRIBUTE_before, i), 0) || !dim_is(edge(op, ATTRIBUTE_after, i), 0))
      p->last = i;
  }
  if (p->last < 1) return false;
  const Dim *inner = dim_constant(t, 1);
  for (int i = p->last + 1; i < to->rank && inner; i++) inner = dim_mul(t, inner, to->dims[i]);
  if (!inner) return false;
  p->head = dim_mul(t, edge(op, ATTRIBUTE_before, p->last), inner);
  p->from = dim_mul(t, from->dims[p->last], inner);
  p->to = dim_mul(t, to->dims[p->last], inner);
  return p->head && p->from && p->to;
}

static LoopBuffer *rows_of(const Pad *p, const char *name, const Type *type, const Dim *row) {
  LoopKernel *k = p->l->kernel;
  LoopExpr *sizes[LOOP_RANK];
  for (int i = 0; i < p->last; i++) sizes[i] = dim_expr(k, type->dims[i]);
  sizes[p->last] = dim_expr(k, row);
  return loop_operand_of(k, name, loop_element_of_type(type->element), p->last + 1, sizes);
}

static void fill(const Pad *p, LoopExpr **to, LoopExpr *begin, LoopExpr *end) {
  LoopKernel *k = p->l->kernel;
  to[p->last] = loop_for_lanes(k, "j", begin, end, p->lanes);
  loop_store(k, loop_lanes_of(k, p->y, p->lanes, to), loop_splat(k, p->value, p->lanes));
  loop_end(k);
}

static void copy(const Pad *p, LoopExpr **from, LoopExpr **to, LoopExpr *head) {
  LoopKernel *k = p->l->kernel;
  LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, p->from), p->lanes);
  from[p->last] = j;
  to[p->last] = loop_add(k, head, j);
  loop_store(k, loop_lanes_of(k, p->y, p->lanes, to), loop_lanes_of(k, p->x, p->lanes, from));
  loop_end(k);
}

bool lower_pad(Lowering *l) {
  LoopKernel *k = l->kernel;
  const Op *op = l->op;
  Pad p = {.l = l, .lanes = LANE_REGISTERS * l->target->lanes};
  if (op->kind != OP_pad || !find_row(&p)) return false;
  const Type *x = &op->operands[0]->type, *y = &op->results[0]->type;
  l->algorithm = "copy";
  p.x = rows_of(&p, "x", x, p.from), p.y = rows_of(&p, "y", y, p.to);
  lower_streams(l, p.y, op_result(op));
  Number value = op_attribute(op, ATTRIBUTE_value)->number;
  p.value = loop_cast(k, scalar_number(k, x->element, value), p.y->element);
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < p.last; i++) l->trips = dim_mul(l->dims, l->trips, y->dims[i]);
  l->grain = grain_for(dim_max(p.to), false);
  LoopExpr *from[LOOP_RANK], *to[LOOP_RANK], *inside = NULL, *zero = loop_int(k, 0);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, y->dims, p.last, to);
  for (int i = 0; i < p.last; i++) {
    const Dim *before = edge(op, ATTRIBUTE_before, i);
    from[i] = to[i];
    if (dim_is(before, 0) && dim_is(edge(op, ATTRIBUTE_after, i), 0)) continue;
    LoopExpr *at = loop_let(k, "at", loop_sub(k, to[i], dim_expr(k, before)));
    LoopExpr *fits = loop_and(k, loop_ge(k, at, zero), loop_lt(k, at, dim_expr(k, x->dims[i])));
    inside = inside ? loop_and(k, inside, fits) : fits;
    from[i] = at;
  }
  LoopExpr *head = dim_expr(k, p.head), *end = dim_expr(k, p.to);
  if (inside) loop_if(k, inside);
  if (!dim_is(p.head, 0)) fill(&p, to, zero, head);
  copy(&p, from, to, head);
  if (!dim_is(edge(op, ATTRIBUTE_after, p.last), 0))
    fill(&p, to, loop_add(k, head, dim_expr(k, p.from)), end);
  if (inside) {
    loop_otherwise(k);
    fill(&p, to, zero, end);
    loop_end(k);
  }
  loop_end(k);
  return true;
}
