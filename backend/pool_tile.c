/* pool_tile.c - the results of one tile of pooling.
 *
 * Sums and maxima go along one axis, then along the other, and what two windows have in common is
 * computed once: 3x3 windows take 3.75 steps a result in tiles of 2 x 2, 5.5 in tiles of 2 x 1,
 * instead of 8. Of greatest
 * elements' numbers each row's is found once. NaN is looked for in the whole tile; one that may
 * have any is made again by plain loops.
 *
 * The order of a sum depends on the result's place alone. */
#include "backend/pool.h"

#include <math.h>

typedef struct {
  Pool *pool;
  LoopKernel *k;
  const PoolPlaces *rows, *columns;
  LoopExpr *all, *waits; /* the sum of elements, NaN if one is; one that waits for a second */
  LoopExpr *out[POOL_TILE][POOL_TILE];
} Tile;

static LoopExpr *both(LoopKernel *k, LoopExpr *a, LoopExpr *b) {
  return !a ? b : !b ? a : loop_and(k, a, b);
}

/* Whether a place is in the map: false: never; *condition NULL: always. */
static bool is_there(LoopKernel *k, const PoolPlace *row, const PoolPlace *column,
                     LoopExpr **condition) {
  *condition = both(k, row->inside, column->inside);
  return row->kind != PLACE_OUTSIDE && column->kind != PLACE_OUTSIDE;
}

static void set_places(const Tile *t, Index *index, const PoolPlace *row, const PoolPlace *column) {
  const PoolAxis *axes = t->pool->axes;
  if (axes[0].axis >= 0) index[axes[0].axis] = index_scalar(row->at);
  index[axes[1].axis] = index_scalar(column->at);
}

/* ---- elements ---- */

static LoopExpr *other_value(const Tile *t) {
  const Pool *p = t->pool;
  LoopExpr *one = scalar_number(t->k, p->source->type.element, p->other);
  return loop_splat(t->k, loop_cast(t->k, one, LOOP_F32), p->region->lanes);
}

/* The source at (i, j) of the tile; where it is outside the other value, or NULL if that changes
 * nothing. */
static LoopExpr *element(const Tile *t, int i, int j, const LoopExpr *const *within) {
  const Pool *p = t->pool;
  LoopKernel *k = t->k;
  Region *r = p->region;
  LoopExpr *condition, *value = NULL;
  if (!is_there(k, &t->rows->sources[i], &t->columns->sources[j], &condition))
    return p->neutral ? NULL : loop_let(k, "x", other_value(t));
  Index index[MOST_AXES];
  int rank = p->op->results[0]->type.rank;
  for (int a = 0; a < rank; a++) index[a] = p->index[a];
  set_places(t, index, &t->rows->sources[i], &t->columns->sources[j]);
  for (int a = 0; a < p->more; a++)
    index[rank + a] = index_scalar(within ? (LoopExpr *)within[a] : loop_int(k, 0));
  if (condition) {
    value = loop_var(k, "x", LOOP_F32, r->lanes, other_value(t));
    loop_if(k, condition);
  }
  size_t scope = region_push(r);
  LoopExpr *x = region_value(r, p->source, index);
  if (loop_type(x).lanes == 1) x = loop_splat(k, x, r->lanes);
  if (!condition) {
    if (within) return loop_let(k, "x", x); /* what it is made of is used again */
    region_pop(r, scope);
    return loop_let(k, "x", x);
  }
  loop_set(k, value, x);
  region_pop(r, scope);
  loop_end(k);
  return value;
}

/* The sum of all elements is NaN if one of them is. (Infinities of both signs make one too, and
 * what follows is only slower then.) Additions have ports of the processor of their own, which
 * comparisons and maxima leave idle. */
static void note_nan(Tile *t, LoopExpr *x) {
  LoopKernel *k = t->k;
  if (!x) return;
  if (!t->waits) {
    t->waits = x;
    return;
  }
  LoopExpr *two = loop_let(k, "two", loop_add(k, t->waits, x));
  t->all = t->all ? loop_let(k, "all", loop_add(k, t->all, two)) : two;
  t->waits = NULL;
}

/* ---- sums and maxima ---- */

static LoopExpr *together(const Tile *t, LoopExpr *a, LoopExpr *b) {
  LoopKernel *k = t->k;
  if (!a || !b) return a ? a : b;
  bool sums = t->pool->reduction == OP_sum;
  return loop_let(k, sums ? "sum" : "most", sums ? loop_add(k, a, b) : loop_greater(k, b, a));
}

static LoopExpr *all_of(const Tile *t, LoopExpr *const *values, int64_t from, int64_t to) {
  LoopExpr *all = NULL;
  for (int64_t i = from; i < to; i++) all = together(t, all, values[i]);
  return all;
}

/* One or two windows over values in a row; what two have in common is taken once. */
static void reduce_line(const Tile *t, const PoolAxis *axis, LoopExpr *const *values,
                        LoopExpr **results) {
  int64_t kernel = axis->kernel, stride = axis->stride;
  if (axis->results == 1) {
    results[0] = all_of(t, values, 0, kernel);
    return;
  }
  LoopExpr *common = all_of(t, values, stride, kernel);
  results[0] = together(t, all_of(t, values, 0, stride), common);
  results[1] = together(t, common, all_of(t, values, kernel, kernel + stride));
}

/* First along the axis where more is in common. */
static void reduce(Tile *t) {
  const PoolAxis *rows = &t->pool->axes[0], *columns = &t->pool->axes[1];
  bool across = columns->results < rows->results;
  const PoolAxis *first = across ? columns : rows, *second = across ? rows : columns;
  LoopExpr *part[POOL_TILE][POOL_SOURCES];
  for (int j = 0; j < second->sources; j++) {
    LoopExpr *values[POOL_SOURCES], *along[POOL_TILE];
    for (int i = 0; i < first->sources; i++) {
      values[i] = across ? element(t, j, i, NULL) : element(t, i, j, NULL);
      if (t->pool->reduction == OP_max) note_nan(t, values[i]);
    }
    reduce_line(t, first, values, along);
    for (int r = 0; r < first->results; r++) part[r][j] = along[r];
  }
  for (int r = 0; r < first->results; r++) {
    LoopExpr *results[POOL_TILE];
    reduce_line(t, second, part[r], results);
    for (int c = 0; c < second->results; c++)
      *(across ? &t->out[c][r] : &t->out[r][c]) = results[c];
  }
}

/* ---- which is the greatest ---- */

typedef struct {
  LoopExpr *best, *which; /* which NULL: 0 */
} Found;

/* `next` takes the place of what was found if it is greater; numbers grow. */
static Found better(const Tile *t, Found found, Found next, int64_t number) {
  LoopKernel *k = t->k;
  int lanes = t->pool->region->lanes;
  LoopExpr *zero = loop_splat(k, loop_literal(k, LOOP_I32, 0), lanes);
  LoopExpr *place = loop_splat(k, loop_literal(k, LOOP_I32, (double)number), lanes);
  if (next.which) place = number ? loop_add(k, next.which, place) : next.which;
  LoopExpr *wins = loop_let(k, "wins", loop_gt(k, next.best, found.best));
  LoopExpr *which = loop_select(k, wins, place, zero);
  if (found.which) which = loop_max(k, found.which, which);
  return (Found){loop_let(k, "best", loop_greater(k, next.best, found.best)),
                 loop_let(k, "which", which)};
}

static void which(Tile *t) {
  const PoolAxis *rows = &t->pool->axes[0], *columns = &t->pool->axes[1];
  LoopKernel *k = t->k;
  Found found[POOL_SOURCES][POOL_TILE];
  for (int i = 0; i < rows->sources; i++) {
    LoopExpr *values[POOL_SOURCES];
    for (int j = 0; j < columns->sources; j++) {
      values[j] = element(t, i, j, NULL);
      note_nan(t, values[j]);
    }
    for (int c = 0; c < columns->results; c++) {
      LoopExpr **window = values + c * columns->stride;
      found[i][c] = (Found){window[0], NULL};
      for (int64_t e = 1; e < columns->kernel; e++)
        found[i][c] = better(t, found[i][c], (Found){window[e], NULL}, e);
    }
  }
  for (int r = 0; r < rows->results; r++)
    for (int c = 0; c < columns->results; c++) {
      Found best = found[r * rows->stride][c];
      for (int64_t e = 1; e < rows->kernel; e++)
        best = better(t, best, found[r * rows->stride + e][c], e * columns->kernel);
      if (!best.which)
        best.which = loop_splat(k, loop_literal(k, LOOP_I32, 0), t->pool->region->lanes);
      t->out[r][c] = loop_let(k, "argmax", loop_cast(k, best.which, LOOP_I64));
    }
}

/* ---- the sum over windows that cover an element ---- */

static void overlap(Tile *t) {
  Pool *p = t->pool;
  LoopKernel *k = t->k;
  const PoolAxis *rows = &p->axes[0], *columns = &p->axes[1];
  int count = p->more;
  for (int r = 0; r < rows->results; r++)
    for (int c = 0; c < columns->results; c++) {
      LoopExpr *sum = NULL;
      for (int i = 0; i < rows->sources; i++)
        for (int j = 0; j < columns->sources; j++) {
          int64_t e = rows->pad + r - rows->stride * (rows->first + i);
          int64_t f = columns->pad + c - columns->stride * (columns->first + j);
          if (e < 0 || e >= rows->kernel || f < 0 || f >= columns->kernel) continue;
          LoopExpr *within[2] = {loop_int(k, e), loop_int(k, f)};
          sum = together(t, sum, element(t, i, j, (const LoopExpr *const *)within + 2 - count));
        }
      t->out[r][c] = sum;
    }
}

/* ---- the whole ---- */

static void store(Tile *t) {
  Pool *p = t->pool;
  LoopKernel *k = t->k;
  Region *r = p->region;
  int rank = p->op->results[0]->type.rank;
  for (int y = 0; y < p->axes[0].results; y++)
    for (int x = 0; x < p->axes[1].results; x++) {
      LoopExpr *condition, *results[64];
      if (!is_there(k, &t->rows->results[y], &t->columns->results[x], &condition)) continue;
      size_t scope = region_push(r);
      if (condition) loop_if(k, condition);
      set_places(t, p->index, &t->rows->results[y], &t->columns->results[x]);
      if (t->out[y][x]) region_remember(r, p->op->results[0], t->out[y][x]);
      for (int i = 0; i < region_result_count(r); i++)
        results[i] = loop_let(k, "r", region_value(r, region_result(r, i), p->index));
      for (int i = 0; i < region_result_count(r); i++)
        region_store(r, region_result_buffer(r, i), rank, p->index, results[i]);
      if (condition) loop_end(k);
      region_pop(r, scope);
    }
}

/* All again, by plain loops, if there is a NaN. No result lies over an operand. Results that are
 * chosen before they are stored would have kept all elements in registers until then. */
static void mend(Tile *t) {
  LoopKernel *k = t->k;
  Region *r = t->pool->region;
  if (t->waits) t->all = t->all ? loop_let(k, "all", loop_add(k, t->all, t->waits)) : t->waits;
  if (!t->all) return;
  loop_if(k, loop_reduce(k, LOOP_OR, loop_ne(k, t->all, t->all)));
  r->seldom = true;
  for (int y = 0; y < POOL_TILE; y++)
    for (int x = 0; x < POOL_TILE; x++) t->out[y][x] = NULL;
  store(t);
  r->seldom = false;
  loop_end(k);
}

void pool_tile(Pool *pool, const PoolPlaces *rows, const PoolPlaces *columns) {
  LoopKernel *k = pool->l->kernel;
  Tile t = {.pool = pool, .k = k, .rows = rows, .columns = columns};
  Region *r = pool->region;
  size_t scope = region_push(r);
  if (pool->kind == POOL_REDUCE)
    reduce(&t);
  else if (pool->kind == POOL_WHICH)
    which(&t);
  else
    overlap(&t);
  double neutral = pool->kind == POOL_REDUCE && pool->reduction == OP_max ? -(double)INFINITY : 0;
  for (int y = 0; y < pool->axes[0].results; y++)
    for (int x = 0; x < pool->axes[1].results; x++)
      if (!t.out[y][x]) t.out[y][x] = loop_splat(k, loop_literal(k, LOOP_F32, neutral), r->lanes);
  store(&t);
  mend(&t);
  region_pop(r, scope);
}
