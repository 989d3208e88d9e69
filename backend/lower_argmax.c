/* lower_argmax.c - which element of a row is the greatest; of equal ones the first, and a NaN beats
 * all.
 *
 * Along the last axis lanes search for themselves, with the number of the step in which each found
 * its best, and are compared at the end:
 *
 *   for j in steps of lanes: wins = x[j + lane] beats best; best, which = wins ? x, j : best, which
 *   top = greatest of best; min of which[lane] + lane where best[lane] is top
 *
 * That a NaN beats all is looked after only in rows whose sum is one.
 *
 * Along another axis the last one's elements are rows beside each other, a block of them a trip:
 * lines are read as they lie, and what is best so far lies in the first cache. */
#include "backend/families.h"

#include <math.h>

enum {
  ROW_REGISTERS = 4,
  WALKS = 4,
  LEAST_ROWS = 64,   /* of which walks take a quarter each */
  FAR = 8,           /* second caches that a map fills */
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

/* What is best in one row, lane by lane. */
typedef struct {
  Index index[MOST_AXES];
  LoopExpr *best, *which, *seen;
} Search;

static Search search_begin(Argmax *a) {
  LoopKernel *k = a->l->kernel;
  Search s;
  for (int i = 0; i < MOST_AXES; i++) s.index[i] = a->index[i];
  LoopExpr *zero = loop_splat(k, loop_literal(k, LOOP_I32, 0), a->lanes);
  s.best = loop_var(k, "best", a->element, a->lanes, lowest(a));
  s.which = loop_var(k, "which", LOOP_I32, a->lanes, zero);
  s.seen = loop_element_is_float(a->element)
               ? loop_var(k, "seen", a->element, a->lanes,
                          loop_splat(k, loop_literal(k, a->element, 0), a->lanes))
               : NULL;
  return s;
}

/* A step over the row. Numbers alone are compared at first: a sum of all shows whether there may be
 * a NaN, and then the row is searched `again`. */
static void search_step(Argmax *a, const Search *s, LoopExpr *j, bool again) {
  LoopKernel *k = a->l->kernel;
  Region *r = &a->region;
  int lanes = a->lanes;
  const Dim *size = a->x->type.dims[a->axis];
  bool whole = dim_is_constant(size) && dim_value(size) % lanes == 0;
  size_t scope = region_push(r);
  for (int i = 0; i < MOST_AXES; i++)
    if (i != a->axis) a->index[i] = s->index[i];
  a->index[a->axis] = index_lanes(j);
  LoopExpr *value = region_value(r, a->x, a->index);
  if (loop_type(value).lanes == 1) value = loop_splat(k, value, lanes);
  if (!whole) value = loop_select(k, loop_inside(k, j, lanes), value, lowest(a));
  value = loop_let(k, "value", value);
  LoopExpr *wins = again ? region_beats(k, value, s->best) : loop_gt(k, value, s->best);
  wins = loop_let(k, "wins", wins);
  LoopExpr *step = loop_splat(k, loop_cast(k, j, LOOP_I32), lanes);
  loop_set(k, s->which, loop_select(k, wins, step, s->which));
  loop_set(k, s->best,
           again ? loop_select(k, wins, value, s->best) : loop_greater(k, value, s->best));
  if (s->seen && !again) loop_set(k, s->seen, loop_add(k, s->seen, value));
  region_pop(r, scope);
}

static void search_end(Argmax *a, const Search *s) {
  LoopKernel *k = a->l->kernel;
  int lanes = a->lanes;
  if (s->seen) {
    LoopExpr *odd = loop_ne(k, s->seen, s->seen), *zero = loop_literal(k, LOOP_I32, 0);
    loop_if(k, loop_let(k, "odd", loop_reduce(k, LOOP_OR, odd)));
    loop_set(k, s->best, lowest(a));
    loop_set(k, s->which, loop_splat(k, zero, lanes));
    const Dim *size = a->x->type.dims[a->axis];
    LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, size), lanes);
    search_step(a, s, j, true);
    loop_end(k);
    loop_end(k);
  }
  LoopExpr *top = loop_let(k, "top", loop_reduce(k, LOOP_MAX, s->best));
  LoopExpr *same = loop_eq(k, s->best, loop_splat(k, top, lanes));
  if (s->seen) same = loop_or(k, same, loop_ne(k, s->best, s->best));
  LoopExpr *places = loop_cast(k, loop_iota(k, loop_int(k, 0), lanes), LOOP_I32);
  LoopExpr *none = loop_splat(k, loop_literal(k, LOOP_I32, INT32_MAX), lanes);
  places = loop_select(k, same, loop_add(k, s->which, places), none);
  for (int i = 0; i < MOST_AXES; i++)
    if (i != a->axis) a->index[i] = s->index[i];
  store_result(a, loop_cast(k, loop_reduce(k, LOOP_MIN, places), LOOP_I64));
}

/* Rows from memory are searched four at once, each from another quarter of them: one walk gets two
 * thirds of memory's rate (lower_row_reduce.c). */
static bool walks(const Argmax *a, const Dim *rows) {
  const Type *type = &a->x->type;
  int64_t far = FAR * a->l->target->l2;
  return type_bytes_at_bound(type) > far && dim_min(rows) >= LEAST_ROWS;
}

static void search_walks(Argmax *a, const Dim *rows) {
  Lowering *l = a->l;
  LoopKernel *k = l->kernel;
  const Type *type = &a->x->type;
  LoopExpr *at[MOST_AXES], *all = dim_expr(k, rows), *places[WALKS];
  Search s[WALKS];
  l->trips = dim_floor(l->dims, dim_add(l->dims, rows, dim_constant(l->dims, WALKS - 1)), WALKS);
  int64_t length = dim_max(type->dims[a->axis]);
  l->grain = grain_for(length > INT64_MAX / WALKS ? INT64_MAX : length * WALKS, true);
  LoopExpr *apart = dim_expr(k, l->trips), *trip = loop_parallel(k, "i", apart);
  for (int w = 0; w < WALKS; w++) {
    places[w] = loop_let(k, "at", loop_add(k, trip, loop_mul(k, apart, loop_int(k, w))));
    /* past the last row that one is read again, and not asked for */
    LoopExpr *row = loop_min(k, places[w], loop_sub(k, all, loop_int(k, 1)));
    index_split(k, loop_let(k, "row", row), type->dims, a->axis, at);
    for (int i = 0; i < a->axis; i++) a->index[i] = index_scalar(at[i]);
    s[w] = search_begin(a);
  }
  LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, type->dims[a->axis]), a->lanes);
  for (int w = 0; w < WALKS; w++) search_step(a, &s[w], j, false);
  loop_end(k);
  for (int w = 0; w < WALKS; w++) {
    loop_if(k, loop_lt(k, places[w], all));
    search_end(a, &s[w]);
    loop_end(k);
  }
  loop_end(k);
}

static void search_row(Argmax *a) {
  LoopKernel *k = a->l->kernel;
  const Type *type = &a->x->type;
  const Dim *size = type->dims[a->axis], *rows = dim_constant(a->l->dims, 1);
  for (int i = 0; i < a->axis; i++) rows = dim_mul(a->l->dims, rows, type->dims[i]);
  if (walks(a, rows)) {
    a->lanes = a->region.lanes = a->region.natural;
    search_walks(a, rows);
    return;
  }
  int most = a->l->target->registers >= 32 ? a->lanes : 2 * a->region.natural; /* three each */
  if (a->lanes > most) a->lanes = a->region.lanes = most;
  index_open_rows(a->l, type, a->axis, a->index);
  Search s = search_begin(a);
  LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, size), a->lanes);
  search_step(a, &s, j, false);
  loop_end(k);
  search_end(a, &s);
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
