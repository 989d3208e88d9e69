/* lower_row_reduce.c - one reduction over a row, or over the rows of a trip; lower_row.h says how.
 *
 * A row runs through vector registers. From memory one walk gets two thirds of the rate that four
 * get, if these are pages apart: rows of a page or so are walked four at once, each from another
 * quarter of the map, and long ones by their quarters. Software prefetches do not do it (rows of
 * 4 KB: 18.9 GB/s by one walk, 14 to 17 with them, 29.9 by four). */
#include "backend/lower_row.h"

#include <math.h>

int row_open(Row *row, int lanes, LoopElement e, LoopExpr **part) {
  LoopKernel *k = row->l->kernel;
  int blocks = 0;
  for (int i = 0; i < row->shape->rank; i++) {
    if (!row->reduced[i]) continue;
    if (part && i == row->last) *part = loop_var(k, "part", e, lanes, *part);
    LoopExpr *end = dim_expr(k, row->shape->dims[i]), *begin = loop_int(k, 0);
    bool along = i == row->shape->rank - 1;
    row->index[i] = along ? index_lanes(loop_for_lanes(k, "j", begin, end, lanes))
                          : index_scalar(loop_for(k, "r", begin, end));
    blocks++;
  }
  row->region.lanes = lanes;
  return blocks;
}

void row_close(Row *row, int blocks) {
  while (blocks--) loop_end(row->l->kernel);
}

int row_lanes(const Row *row, int registers) {
  int natural = row->region.natural, lanes = registers * natural;
  int64_t size = dim_max(row->shape->dims[row->shape->rank - 1]);
  while (lanes > natural && size < lanes) lanes /= 2;
  return lanes;
}

/* The value of lanes past the row's end becomes neutral. */
static LoopExpr *only_inside(Row *row, LoopExpr *value, LoopExpr *neutral) {
  if (row->lanes_stay) return value;
  LoopKernel *k = row->l->kernel;
  int axis = row->shape->rank - 1, lanes = row->region.lanes;
  const Dim *size = row->shape->dims[axis];
  if (dim_is_constant(size) && dim_value(size) % lanes == 0) return value;
  if (loop_type(value).lanes == 1) value = loop_splat(k, value, lanes);
  return loop_select(k, loop_inside(k, row->index[axis].at, lanes), value, neutral);
}

static LoopExpr *neutral_of(LoopKernel *k, RowReduction kind, LoopElement e) {
  if (kind == ROW_SUM) return loop_literal(k, e, 0);
  if (loop_element_is_float(e)) return loop_literal(k, e, -INFINITY);
  if (e == LOOP_I64) return loop_cast(k, loop_int(k, INT64_MIN), LOOP_I64);
  return loop_literal(k, e, e == LOOP_I32 ? INT32_MIN : 0);
}

static LoopExpr *combined(LoopKernel *k, RowReduction kind, LoopExpr *a, LoopExpr *b) {
  if (kind == ROW_SUM) return loop_add(k, a, b);
  if (kind == ROW_GREATEST) return loop_max(k, a, b);
  return loop_greater(k, b, a);
}

static LoopExpr *over_lanes(Row *row, const char *name, RowReduction kind, LoopExpr *vector) {
  LoopKernel *k = row->l->kernel;
  LoopOp op = kind == ROW_SUM ? LOOP_ADD : kind == ROW_GREATEST ? LOOP_MAX : LOOP_GREATER;
  return loop_let(k, name, loop_reduce(k, op, vector));
}

static int walk_lanes(const Row *row, int registers) {
  return row_lanes(row, registers > WALKS ? registers / WALKS : 1);
}

/* By quarters; what does not come out even by itself. */
static LoopExpr *reduce_stretches(Row *row, const char *name, RowReduction kind, LoopElement e,
                                  int registers, RowStep *step, void *user) {
  LoopKernel *k = row->l->kernel;
  LoopExpr *neutral = neutral_of(k, kind, e), *sums[WALKS];
  int axis = row->last, outer_lanes = row->region.lanes, lanes = walk_lanes(row, registers);
  int64_t size = dim_value(row->shape->dims[axis]), stretch = size / WALKS / lanes * lanes;
  for (int w = 0; w < WALKS; w++) sums[w] = loop_var(k, name, e, lanes, neutral);
  row->passes++;
  row->region.lanes = lanes;
  for (int64_t begin = 0, walks = WALKS; begin < size; begin = stretch * WALKS, walks = 1) {
    LoopExpr *end = loop_int(k, walks == 1 ? size : stretch);
    LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, begin), end, lanes);
    for (int w = 0; w < walks; w++) {
      size_t scope = region_push(&row->region);
      row->index[axis] = index_lanes(loop_add(k, j, loop_int(k, stretch * w)));
      row_remember_softmax(row);
      LoopExpr *value = step(row, user);
      if (walks == 1) value = only_inside(row, value, neutral);
      loop_set(k, sums[w], combined(k, kind, sums[w], value));
      region_pop(&row->region, scope);
    }
    loop_end(k);
    if (walks == 1) break;
  }
  row->region.lanes = outer_lanes;
  for (int apart = 1; apart < WALKS; apart *= 2)
    for (int w = 0; w < WALKS; w += 2 * apart)
      sums[w] = loop_let(k, name, combined(k, kind, sums[w], sums[w + apart]));
  return over_lanes(row, name, kind, sums[0]);
}

LoopBuffer *row_reduce_walks(Row *row, const char *name, RowReduction kind, LoopElement e,
                             int registers, RowStep *step, void *user) {
  LoopKernel *k = row->l->kernel;
  LoopExpr *neutral = neutral_of(k, kind, e), *sums[WALKS];
  LoopExpr *last = loop_sub(k, dim_expr(k, row->rows), loop_int(k, 1));
  int outer_lanes = row->region.lanes, lanes = walk_lanes(row, registers);
  Index places[WALKS][MOST_AXES];
  for (int w = 0; w < WALKS; w++) {
    LoopExpr *place = loop_add(k, row->begin, loop_mul(k, row->apart, loop_int(k, w)));
    /* past the last row that one is read again, and not asked for */
    row_set(row, loop_let(k, "at", w ? loop_min(k, place, last) : place));
    for (int i = 0; i < row->kept; i++) places[w][i] = row->index[row->axes[i]];
    sums[w] = loop_var(k, name, e, lanes, neutral);
  }
  int blocks = row_open(row, lanes, e, NULL);
  row->passes++;
  for (int w = 0; w < WALKS; w++) {
    size_t scope = region_push(&row->region);
    for (int i = 0; i < row->kept; i++) row->index[row->axes[i]] = places[w][i];
    LoopExpr *value = only_inside(row, step(row, user), neutral);
    loop_set(k, sums[w], combined(k, kind, sums[w], value));
    region_pop(&row->region, scope);
  }
  row_close(row, blocks);
  row->region.lanes = outer_lanes;
  for (int w = 0; w < WALKS; w++) sums[w] = over_lanes(row, name, kind, sums[w]);
  return row_keep_all(row, sums);
}

LoopExpr *row_reduce(Row *row, const char *name, RowReduction kind, LoopElement e, int registers,
                     RowStep *step, void *user) {
  LoopKernel *k = row->l->kernel;
  bool is_sum = kind == ROW_SUM;
  if (row_stretches(row)) return reduce_stretches(row, name, kind, e, registers, step, user);
  LoopExpr *neutral = neutral_of(k, kind, e);
  int lanes = row->lanes_stay ? row->region.lanes : row_lanes(row, registers);
  LoopExpr *sum = loop_var(k, name, e, lanes, neutral);
  size_t scope = region_push(&row->region);
  int outer_lanes = row->region.lanes;
  /* A sum over several axes is a sum of sums over the last one: over a million pixels, adding one
   * after the other would lose three of seven digits. */
  bool in_parts = is_sum && row->first != row->last;
  LoopExpr *part = neutral;
  int blocks = row_open(row, lanes, e, in_parts ? &part : NULL);
  row_fetch_next(row, false);
  row_remember_softmax(row);
  LoopExpr *value = only_inside(row, step(row, user), neutral);
  LoopExpr *into = in_parts ? part : sum;
  loop_set(k, into, combined(k, kind, into, value));
  if (in_parts) {
    row_close(row, 1);
    loop_set(k, sum, loop_add(k, sum, part));
    blocks--;
  }
  row_close(row, blocks);
  region_pop(&row->region, scope);
  row->region.lanes = outer_lanes;
  return row->lanes_stay ? sum : over_lanes(row, name, kind, sum);
}
