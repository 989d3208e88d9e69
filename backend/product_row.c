/* product_row.c - the loops of products of one row; product_row.h says what they are for. */
#include "backend/product_row.h"

enum {
  CHUNK = 1024, /* columns whose sums stay in L1 while rows of the weight go by, */
  ROWS = 8,     /* so many of them at a time */
};

/* The row's results at `column` on: r->lanes of them. */
static void finish(const RowProduct *p, LoopExpr *column, LoopExpr *sum) {
  LoopKernel *k = p->l->kernel;
  int rank = p->product->results[0]->type.rank;
  Index index[MOST_AXES];
  for (int i = 0; i < rank - 1; i++) index[i] = index_scalar(loop_int(k, 0));
  index[rank - 1] = index_lanes(column);
  product_finish(p->r, p->product, index, sum);
}

/* ---- [depth, size]: some rows of the weight at a time, added to sums that lie in L1 ---- */

static void add_rows(const RowProduct *p, LoopBuffer *sums, LoopExpr *from, LoopExpr *past) {
  LoopKernel *k = p->l->kernel;
  int lanes = 2 * p->l->target->lanes;
  LoopExpr *zero = loop_int(k, 0), *count, *i, *u;
  LoopExpr *row = loop_for_tail(k, "k", zero, loop_int(k, p->depth), ROWS, &count);
  LoopExpr *x = loop_array(k, "x", LOOP_F32, ROWS, 1, loop_number(k, 0));
  u = loop_each(k, "u", zero, count);
  loop_set(k, loop_row(k, x, u), loop_element(k, p->x, loop_add(k, row, u)));
  loop_end(k);
  i = loop_for_lanes(k, "j", from, past, lanes);
  LoopExpr *at = loop_lanes(k, sums, lanes, zero, loop_sub(k, i, from));
  LoopExpr *sum = loop_var(k, "sum", LOOP_F32, lanes, at);
  u = loop_each(k, "u", zero, count);
  LoopExpr *here = loop_add(k, row, u), *next = loop_add(k, here, loop_int(k, ROWS));
  loop_prefetch(k, loop_element(k, p->w, next, i));
  LoopExpr *w = loop_cast(k, loop_lanes(k, p->w, lanes, here, i), LOOP_F32);
  loop_set(k, sum, loop_fma(k, loop_row(k, x, u), w, sum));
  loop_end(k);
  loop_store(k, loop_lanes(k, sums, lanes, zero, loop_sub(k, i, from)), sum);
  loop_end(k);
  loop_end(k);
}

void row_by_rows(const RowProduct *p, LoopExpr *from, LoopExpr *past) {
  LoopKernel *k = p->l->kernel;
  int lanes = 2 * p->l->target->lanes;
  p->r->lanes = lanes;
  LoopBuffer *sums = loop_scratch(k, "row", LOOP_F32, 2, loop_int(k, 1), loop_int(k, CHUNK));
  LoopExpr *zero = loop_int(k, 0), *size = loop_int(k, CHUNK);
  LoopExpr *chunks = loop_add(k, loop_sub(k, past, from), loop_int(k, CHUNK - 1));
  LoopExpr *chunk = loop_for(k, "chunk", zero, loop_div(k, chunks, size));
  LoopExpr *first = loop_let(k, "first", loop_add(k, from, loop_mul(k, chunk, size)));
  LoopExpr *end = loop_let(k, "end", loop_min(k, past, loop_add(k, first, size)));
  size_t scope = region_push(p->r);
  LoopExpr *j = loop_for_lanes(k, "j", first, end, lanes);
  loop_store(k, loop_lanes(k, sums, lanes, zero, loop_sub(k, j, first)), loop_number(k, 0));
  loop_end(k);
  add_rows(p, sums, first, end);
  j = loop_for_lanes(k, "j", first, end, lanes);
  LoopExpr *sum = loop_let(k, "sum", loop_lanes(k, sums, lanes, zero, loop_sub(k, j, first)));
  finish(p, j, sum);
  loop_end(k);
  region_pop(p->r, scope);
  loop_end(k);
}

/* ---- [size, depth]: as many columns at a time as a register has lanes ---- */

void row_by_columns(const RowProduct *p, LoopExpr *from, LoopExpr *past) {
  LoopKernel *k = p->l->kernel;
  int lanes = p->l->target->lanes;
  bool whole = p->size % lanes == 0, wide = p->size >= lanes;
  p->r->lanes = lanes;
  LoopExpr *zero = loop_int(k, 0), *last = loop_int(k, p->size - lanes);
  if (!whole) past = loop_add(k, past, loop_int(k, lanes - 1));
  LoopExpr *n = loop_for_step(k, "n", from, past, lanes), *column = n;
  /* The last columns are taken with some before them, which are not stored again. */
  if (!whole && wide) column = loop_let(k, "column", loop_min(k, n, last));
  LoopExpr *sums = loop_array(k, "sums", LOOP_F32, lanes, lanes, loop_number(k, 0));
  LoopExpr *at = loop_for_lanes(k, "k", zero, loop_int(k, p->depth), lanes);
  LoopExpr *x = loop_let(k, "x", loop_lanes(k, p->x, lanes, at));
  LoopExpr *i = loop_each(k, "i", zero, loop_int(k, wide ? lanes : p->size));
  LoopExpr *sum = loop_row(k, sums, i), *here = loop_add(k, column, i), *w;
  w = loop_cast(k, loop_lanes(k, p->w, lanes, here, at), LOOP_F32);
  loop_set(k, sum, loop_fma(k, w, x, sum));
  loop_end(k);
  loop_end(k);
  loop_transpose(k, sums);
  size_t scope = region_push(p->r);
  LoopExpr *outer = p->r->mask, *places = loop_iota(k, column, lanes);
  if (!whole)
    p->r->mask = loop_let(k, "inside",
                          wide ? loop_ge(k, places, n) : loop_lt(k, places, loop_int(k, p->size)));
  finish(p, column, loop_let(k, "sum", loop_sum_rows(k, sums, 0, lanes)));
  p->r->mask = outer;
  region_pop(p->r, scope);
  loop_end(k);
}

/* ---- panels: so many side by side that their sums need not wait for each other ---- */

static void no_rows(void *user, LoopExpr *row, Index *index) {
  const RowProduct *p = user;
  (void)row;
  for (int i = 0; i < p->product->results[0]->type.rank - 1; i++)
    index[i] = index_scalar(loop_int(p->l->kernel, 0));
}

/* The panels as words, where their rows take turns. */
static LoopBuffer *words_of(const RowProduct *p, const Tile *t) {
  LoopKernel *k = p->l->kernel;
  if (t->turns == 1) return p->w;
  int64_t panels = dim_value(p->product->operands[1]->type.dims[0]);
  return loop_view(k, region_buffer(p->r, p->product->operands[1]), "words", LOOP_I32, 3,
                   loop_int(k, panels), loop_int(k, p->depth / t->turns), loop_int(k, t->columns));
}

void row_by_panels(const RowProduct *p, LoopExpr *first, LoopExpr *past) {
  LoopKernel *k = p->l->kernel;
  int64_t columns = dim_value(p->product->operands[1]->type.dims[2]);
  int side = tile_streams(p->l->target, 1, columns);
  Tile t = tile_open(p->l, p->r, p->product, columns, p->size);
  t.rows = 1;
  RowProduct copy = *p;
  LoopBuffer *words = words_of(p, &t);
  LoopExpr *zero = loop_int(k, 0), *one = loop_int(k, 1), *turns = loop_int(k, t.turns), *count;
  LoopExpr *panel = loop_for_tail(k, "panel", first, past, side, &count);
  LoopExpr *sums = loop_array(k, "sums", LOOP_F32, side, (int)columns, loop_number(k, 0)), *some;
  LoopExpr *from = loop_for_tail(k, "k", zero, loop_int(k, p->depth / t.turns),
                                 TILE_UNROLL / (int)t.turns, &some);
  LoopExpr *i = loop_each(k, "i", zero, count);
  tile_fetch_near(&t, p->w, loop_add(k, panel, i), loop_mul(k, from, turns), p->depth, side);
  loop_end(k);
  LoopExpr *v = loop_each(k, "v", zero, some), *row = loop_add(k, from, v);
  LoopExpr *u = loop_each(k, "u", zero, turns);
  LoopExpr *at = loop_add(k, loop_mul(k, row, turns), u);
  LoopExpr *x = loop_let(k, "x", loop_element(k, p->x, at));
  i = loop_each(k, "i", zero, count);
  LoopExpr *w = loop_lanes(k, words, (int)columns, loop_add(k, panel, i), row, zero);
  LoopExpr *sum = loop_row(k, sums, i);
  if (t.turns > 1)
    w = loop_half(k, w, u);
  else if (!t.pairs)
    w = loop_cast(k, w, LOOP_F32);
  loop_set(k, sum, t.pairs ? loop_dot2(k, x, w, sum) : loop_fma(k, x, w, sum));
  loop_end(k);
  loop_end(k);
  loop_end(k);
  loop_end(k);
  i = loop_each(k, "i", zero, count);
  size_t scope = region_push(p->r);
  LoopExpr *column = loop_mul(k, loop_add(k, panel, i), loop_int(k, columns));
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, 1, (int)columns, loop_number(k, 0));
  loop_set(k, loop_row(k, acc, zero), loop_row(k, sums, i));
  column = loop_let(k, "column", column);
  tile_finish(&t, acc, 0, one, column, column, no_rows, &copy);
  region_pop(p->r, scope);
  loop_end(k);
  loop_end(k);
}
