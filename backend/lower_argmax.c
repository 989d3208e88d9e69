/* lower_argmax.c - which element of a row is the greatest; of equal ones the first, and a NaN beats
 * all.
 *
 * Along the last axis lanes search for themselves, with the number of the step in which each found
 * its best, and are compared at the end:
 *
 *   for j in steps of lanes: wins = x[j + lane] beats best; best, which = wins ? x, j : best, which
 *   top = greatest of best; min of which[lane] + lane where best[lane] is top
 *
 * Along another axis the last one's elements are rows beside each other, a block of them a trip:
 * lines are read as they lie, and what is best so far lies in the first cache. */
#include "backend/families.h"

#include <math.h>

enum {
  ROW_REGISTERS = 4,
  BLOCK = 1024,      /* rows beside each other, at most */
  FETCH_BYTES = 8192 /* ahead, at least */
};

typedef struct {
  Lowering *l;
  Region region;
  const Value *x;
  int axis, lanes;
  LoopElement element;
  Index index[MOST_AXES];
} Argmax;

/* Element by element. */
static void search_scalars(Lowering *l) {
  LoopKernel *k = l->kernel;
  Region r = region_open(k, l->op, l->target, l->dims);
  const Value *x = l->op->operands[0];
  int axis = (int)op_integer(l->op, ATTRIBUTE_axis), rank = x->type.rank;
  LoopElement e = compute_element(x->type.element);
  Index index[MOST_AXES], to[MOST_AXES];
  index_open_rows(l, &x->type, axis, index);
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

static LoopExpr *lowest(const Argmax *a) {
  LoopKernel *k = a->l->kernel;
  bool floats = loop_element_is_float(a->element);
  return loop_splat(k, loop_literal(k, a->element, floats ? -INFINITY : INT32_MIN), a->lanes);
}

static void store_result(Argmax *a, LoopExpr *which) {
  Index to[MOST_AXES];
  int rank = a->x->type.rank;
  for (int i = 0, at = 0; i < rank; i++)
    if (i != a->axis) to[at++] = a->index[i];
  region_store(&a->region, region_result_buffer(&a->region, 0), rank - 1, to, which);
}

static void search_row(Argmax *a) {
  LoopKernel *k = a->l->kernel;
  Region *r = &a->region;
  int lanes = a->lanes;
  const Dim *size = a->x->type.dims[a->axis];
  index_open_rows(a->l, &a->x->type, a->axis, a->index);
  LoopExpr *best = loop_var(k, "best", a->element, lanes, lowest(a));
  LoopExpr *zero = loop_splat(k, loop_literal(k, LOOP_I32, 0), lanes);
  LoopExpr *which = loop_var(k, "which", LOOP_I32, lanes, zero);
  size_t scope = region_push(r);
  LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, size), lanes);
  a->index[a->axis] = index_lanes(j);
  LoopExpr *value = loop_let(k, "value", region_value(r, a->x, a->index));
  LoopExpr *wins = region_beats(k, value, best);
  if (!dim_is_constant(size) || dim_value(size) % lanes)
    wins = loop_and(k, wins, loop_inside(k, j, lanes));
  wins = loop_let(k, "wins", wins);
  LoopExpr *step = loop_splat(k, loop_cast(k, j, LOOP_I32), lanes);
  loop_set(k, which, loop_select(k, wins, step, which));
  loop_set(k, best, loop_select(k, wins, value, best));
  loop_end(k);
  region_pop(r, scope);
  LoopExpr *top = loop_let(k, "top", loop_reduce(k, LOOP_MAX, best));
  LoopExpr *same = loop_eq(k, best, loop_splat(k, top, lanes));
  if (loop_element_is_float(a->element)) same = loop_or(k, same, loop_ne(k, best, best));
  LoopExpr *places = loop_cast(k, loop_iota(k, loop_int(k, 0), lanes), LOOP_I32);
  LoopExpr *none = loop_splat(k, loop_literal(k, LOOP_I32, INT32_MAX), lanes);
  places = loop_select(k, same, loop_add(k, which, places), none);
  store_result(a, loop_cast(k, loop_reduce(k, LOOP_MIN, places), LOOP_I64));
  loop_end(k);
}

/* Lines of the row that is looked at a while later. */
static void fetch_ahead(const Argmax *a, LoopExpr *j, LoopExpr *column) {
  LoopKernel *k = a->l->kernel;
  LoopBuffer *buffer = region_buffer(&a->region, a->x);
  int64_t bytes = loop_element_bytes(buffer->element);
  LoopExpr *at[MOST_AXES];
  int last = a->x->type.rank - 1;
  for (int i = 0; i < last; i++) at[i] = a->index[i].at;
  at[a->axis] = loop_add(k, j, loop_int(k, FETCH_BYTES / (BLOCK * 4)));
  for (int i = 0; i < a->lanes; i += (int)(64 / bytes)) {
    at[last] = loop_add(k, column, loop_int(k, i));
    loop_prefetch(k, loop_element_of(k, buffer, at));
  }
}

static void search_columns(Argmax *a) {
  Lowering *l = a->l;
  LoopKernel *k = l->kernel;
  Region *r = &a->region;
  const Type *type = &a->x->type;
  int last = type->rank - 1, count = 0, lanes = a->lanes;
  const Dim *dims[MOST_AXES], *columns = type->dims[last];
  LoopExpr *at[MOST_AXES], *zero = loop_int(k, 0), *block = loop_int(k, BLOCK);
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i <= last; i++) {
    if (i == a->axis) continue;
    dims[count] = type->dims[i];
    if (i == last)
      dims[count] =
          dim_floor(l->dims, dim_add(l->dims, columns, dim_constant(l->dims, BLOCK - 1)), BLOCK);
    l->trips = dim_mul(l->dims, l->trips, dims[count++]);
  }
  int64_t most = dim_max(columns) < BLOCK ? dim_max(columns) : BLOCK,
          length = dim_max(type->dims[a->axis]);
  l->grain = grain_for(length > INT64_MAX / BLOCK ? INT64_MAX : length * most, true);
  LoopBuffer *best = loop_scratch(k, "best", a->element, 1, block);
  LoopBuffer *which = loop_scratch(k, "which", LOOP_I32, 1, block);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count, at);
  for (int i = 0, from = 0; i < last; i++)
    if (i != a->axis) a->index[i] = index_scalar(at[from++]);
  LoopExpr *begin = loop_let(k, "from", loop_mul(k, at[count - 1], block));
  LoopExpr *some =
      loop_let(k, "some", loop_min(k, block, loop_sub(k, dim_expr(k, columns), begin)));
  LoopExpr *c = loop_for_lanes(k, "c", zero, some, lanes);
  loop_store(k, loop_lanes(k, best, lanes, c), lowest(a));
  loop_store(k, loop_lanes(k, which, lanes, c), loop_splat(k, loop_literal(k, LOOP_I32, 0), lanes));
  loop_end(k);
  size_t scope = region_push(r);
  LoopExpr *j = loop_for(k, "j", zero, dim_expr(k, type->dims[a->axis]));
  a->index[a->axis] = index_scalar(j);
  c = loop_for_lanes(k, "c", zero, some, lanes);
  a->index[last] = index_lanes(loop_add(k, begin, c));
  fetch_ahead(a, j, a->index[last].at);
  LoopExpr *value = loop_let(k, "value", region_value(r, a->x, a->index));
  LoopExpr *old = loop_let(k, "old", loop_lanes(k, best, lanes, c));
  LoopExpr *wins = loop_let(k, "wins", region_beats(k, value, old));
  LoopExpr *step = loop_splat(k, loop_cast(k, j, LOOP_I32), lanes),
           *place = loop_lanes(k, which, lanes, c);
  LoopExpr *found =
      loop_let(k, "found", loop_select(k, wins, step, loop_lanes(k, which, lanes, c)));
  loop_store(k, place, found);
  loop_store(k, loop_lanes(k, best, lanes, c), loop_select(k, wins, value, old));
  loop_end(k);
  loop_end(k);
  region_pop(r, scope);
  c = loop_for_lanes(k, "c", zero, some, lanes);
  a->index[last] = index_lanes(loop_add(k, begin, c));
  store_result(a, loop_cast(k, loop_lanes(k, which, lanes, c), LOOP_I64));
  loop_end(k);
  loop_end(k);
}

void lower_argmax(Lowering *l) {
  const Value *x = l->op->operands[0];
  const Type *type = &x->type;
  Argmax a = {.l = l, .x = x, .axis = (int)op_integer(l->op, ATTRIBUTE_axis)};
  a.element = compute_element(type->element);
  l->algorithm = "rows";
  bool fits =
      (a.element == LOOP_F32 || a.element == LOOP_I32) && dim_max(type->dims[a.axis]) < INT32_MAX;
  int last = type->rank - 1, natural = l->target->lanes;
  a.lanes = ROW_REGISTERS * natural;
  while (a.lanes > natural && dim_max(type->dims[last]) < a.lanes) a.lanes /= 2;
  if (!fits || dim_max(type->dims[last]) < natural) {
    search_scalars(l);
    return;
  }
  a.region = region_open(l->kernel, l->op, l->target, l->dims);
  a.region.lanes = a.lanes;
  if (a.axis == last)
    search_row(&a);
  else
    search_columns(&a);
}
