/* lower_index.c - kernels that search, or write where indices say. */
#include "backend/families.h"

#include "support/bug.h"

#include <math.h>

static LoopExpr *alike(LoopKernel *k, LoopExpr *x, LoopExpr *y) {
  LoopExpr *equal = loop_eq(k, x, y);
  if (!loop_element_is_float(loop_type(x).element)) return equal;
  return loop_or(k, equal, loop_and(k, loop_ne(k, x, x), loop_ne(k, y, y)));
}

/* Trips are all axes but `axis`, whose index is left open. */
static void open_rows(Lowering *l, const Type *type, int axis, Index *index) {
  LoopKernel *k = l->kernel;
  const Dim *dims[MOST_AXES];
  LoopExpr *at[MOST_AXES];
  int count = 0;
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < type->rank; i++)
    if (i != axis) {
      dims[count++] = type->dims[i];
      l->trips = dim_mul(l->dims, l->trips, type->dims[i]);
    }
  l->grain = grain_for(dim_max(type->dims[axis]), true);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count, at);
  for (int i = 0, from = 0; i < type->rank; i++)
    if (i != axis) index[i] = index_scalar(at[from++]);
}

static void lower_argmax(Lowering *l) {
  LoopKernel *k = l->kernel;
  Region r = region_open(k, l->op, l->target, l->dims);
  const Value *x = l->op->operands[0];
  int axis = (int)op_integer(l->op, ATTRIBUTE_axis), rank = x->type.rank;
  LoopElement e = compute_element(x->type.element);
  Index index[MOST_AXES], to[MOST_AXES];
  l->algorithm = "rows";
  open_rows(l, &x->type, axis, index);
  index[axis] = index_scalar(loop_int(k, 0));
  LoopExpr *best = loop_var(k, "best", e, 1, region_value(&r, x, index));
  LoopExpr *which = loop_var(k, "which", LOOP_I64, 1, loop_int(k, 0));
  size_t scope = region_push(&r);
  LoopExpr *j = loop_for(k, "j", loop_int(k, 1), dim_expr(k, x->type.dims[axis]));
  index[axis] = index_scalar(j);
  LoopExpr *value = region_value(&r, x, index);
  LoopExpr *wins = loop_let(k, "wins", region_beats(k, value, best));
  loop_set(k, which, loop_select(k, wins, j, which));
  loop_set(k, best, loop_select(k, wins, value, best));
  loop_end(k);
  region_pop(&r, scope);
  for (int i = 0, at = 0; i < rank; i++)
    if (i != axis) to[at++] = index[i];
  region_store(&r, region_result_buffer(&r, 0), rank - 1, to, which);
  loop_end(k);
}

/* The k greatest by k searches, each for the best that comes after the last one found; no memory,
 * and equal elements come in the order of their indices. */
static void lower_top_k(Lowering *l) {
  LoopKernel *k = l->kernel;
  Region r = region_open(k, l->op, l->target, l->dims);
  const Value *x = l->op->operands[0];
  int axis = (int)op_integer(l->op, ATTRIBUTE_axis), rank = x->type.rank;
  LoopElement e = compute_element(x->type.element);
  Index index[MOST_AXES];
  l->algorithm = "search";
  open_rows(l, &x->type, axis, index);
  LoopExpr *zero = loop_literal(k, e, 0);
  LoopExpr *last = loop_var(k, "last", e, 1, zero);
  LoopExpr *last_at = loop_var(k, "last_at", LOOP_I64, 1, loop_int(k, -1));
  LoopExpr *n =
      loop_for(k, "n", loop_int(k, 0), dim_expr(k, op_attribute(l->op, ATTRIBUTE_k)->dim));
  LoopExpr *best = loop_var(k, "best", e, 1, zero);
  LoopExpr *best_at = loop_var(k, "best_at", LOOP_I64, 1, loop_int(k, -1));
  size_t scope = region_push(&r);
  LoopExpr *j = loop_for(k, "j", loop_int(k, 0), dim_expr(k, x->type.dims[axis]));
  index[axis] = index_scalar(j);
  LoopExpr *value = region_value(&r, x, index);
  LoopExpr *after = loop_or(k, region_beats(k, last, value),
                            loop_and(k, alike(k, last, value), loop_gt(k, j, last_at)));
  LoopExpr *left = loop_or(k, loop_eq(k, n, loop_int(k, 0)), after);
  LoopExpr *none_yet = loop_lt(k, best_at, loop_int(k, 0));
  LoopExpr *wins =
      loop_let(k, "wins", loop_and(k, left, loop_or(k, none_yet, region_beats(k, value, best))));
  loop_set(k, best, loop_select(k, wins, value, best));
  loop_set(k, best_at, loop_select(k, wins, j, best_at));
  loop_end(k);
  region_pop(&r, scope);
  loop_set(k, last, best);
  loop_set(k, last_at, best_at);
  index[axis] = index_scalar(n);
  region_store(&r, region_result_buffer(&r, 0), rank, index, best);
  region_store(&r, region_result_buffer(&r, 1), rank, index, best_at);
  loop_end(k);
  loop_end(k);
}

/* One trip: repeated indices add in their order. */
static void lower_scatter_add(Lowering *l) {
  LoopKernel *k = l->kernel;
  Region r = region_open(k, l->op, l->target, l->dims);
  const Value *x = l->op->operands[0], *i = l->op->operands[1], *u = l->op->operands[2];
  int axis = (int)op_integer(l->op, ATTRIBUTE_axis),
      batch = (int)op_integer(l->op, ATTRIBUTE_batch);
  int middle = i->type.rank - batch, rank = x->type.rank;
  Index index[MOST_AXES], to[MOST_AXES], which[MOST_AXES];
  l->algorithm = "scatter";
  l->trips = dim_constant(l->dims, 1);
  l->grain = 0;
  loop_parallel(k, "once", loop_int(k, 1));
  size_t scope = region_push(&r);
  for (int a = 0; a < rank; a++)
    index[a] = a == rank - 1
                   ? index_lanes(loop_for_lanes(k, "j", loop_int(k, 0),
                                                dim_expr(k, x->type.dims[a]), r.lanes))
                   : index_scalar(loop_for(k, "i", loop_int(k, 0), dim_expr(k, x->type.dims[a])));
  LoopBuffer *y = region_result_buffer(&r, 0);
  region_store(&r, y, rank, index, region_value(&r, x, index));
  for (int a = 0; a < rank; a++) loop_end(k);
  region_pop(&r, scope);
  for (int a = 0; a < u->type.rank; a++)
    index[a] = index_scalar(loop_for(k, "i", loop_int(k, 0), dim_expr(k, u->type.dims[a])));
  for (int a = 0; a < batch; a++) which[a] = index[a];
  for (int a = batch; a < i->type.rank; a++) which[a] = index[axis + a - batch];
  for (int a = 0; a < rank; a++)
    if (a != axis) to[a] = index[a < axis ? a : a + middle - 1];
  LoopExpr *place = loop_cast(k, region_value(&r, i, which), LOOP_I64);
  place = loop_checked(k, place, dim_expr(k, x->type.dims[axis]), l->first_fault);
  to[axis] = index_scalar(loop_let(k, "place", place));
  LoopExpr *old = region_load(&r, y, x, rank, to);
  region_store(&r, y, rank, to, loop_add(k, old, region_value(&r, u, index)));
  for (int a = 0; a < u->type.rank; a++) loop_end(k);
  loop_end(k);
}

void lower_index(Lowering *l) {
  switch (l->op->kind) {
  case OP_argmax:
    lower_argmax(l);
    return;
  case OP_top_k:
    lower_top_k(l);
    return;
  case OP_scatter_add:
    lower_scatter_add(l);
    return;
  default:
    bug("no kernel for '%s'", operator_infos[l->op->kind].name);
  }
}
