/* product_panel.c - the loops of all products with packed weights.
 *
 * A trip is a strip of rows by a group of blocks of columns. The sum goes on piece by piece, so
 * that a piece of a panel stays near while all rows of the strip go by, and those rows of x too:
 *
 *   for each piece of k:  for each panel of the group:  for each tile of rows in the strip:
 *     acc[MR][B] = the sums so far;  acc += x[row, k] * w[panel, k, 0:B];  put them away
 *
 * Sums so far lie in scratch. x is not copied: a tile has so few rows that, whatever their
 * distance, they do not push each other out of a set of L1. The order of the sum is k's.
 */
#include "backend/product_panel_plan.h"

#include "ir/blocking.h"
#include "support/whole.h"

int64_t panel_tile_columns(const Target *target, int64_t width, int64_t rows) {
  return blocking_tile_columns(target->lanes, target->registers, width, rows);
}

/* The block number `block`, of all groups of columns. */
static void begin_block(Panel *p, LoopExpr *block) {
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *within = block, *zero = loop_int(k, 0);
  int64_t panels = ceil_of(p->blocks, p->parts);
  p->block = block, p->of_group = zero, p->offset = zero;
  if (p->rows.groups > 1) {
    p->of_group = loop_let(k, "group", loop_div(k, block, loop_int(k, p->blocks)));
    within = loop_let(k, "of", loop_mod(k, block, loop_int(k, p->blocks)));
  }
  p->panel = within;
  if (p->parts > 1) {
    LoopExpr *parts = loop_int(k, p->parts), *columns = loop_int(k, p->tile.columns);
    p->panel = loop_div(k, within, parts);
    p->offset = loop_let(k, "offset", loop_mul(k, loop_mod(k, within, parts), columns));
  }
  if (p->rows.groups > 1)
    p->panel = loop_add(k, p->panel, loop_mul(k, p->of_group, loop_int(k, panels)));
  p->panel = loop_let(k, "panel", p->panel);
  p->within = loop_let(k, "within", loop_mul(k, within, loop_int(k, p->tile.columns)));
  p->column = p->within;
  if (p->rows.groups > 1)
    p->column = loop_let(
        k, "column", loop_add(k, p->within, loop_mul(k, p->of_group, loop_int(k, p->tile.size))));
}

/* ---- a tile ---- */

static LoopExpr *element(void *user, LoopExpr *row) {
  Panel *p = user;
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *at = loop_add(k, p->rows.row_at(p->rows.user, row), p->start);
  return loop_element(k, p->rows.x, loop_add(k, at, p->k));
}

/* Reads or writes the sums so far. */
static void each_sum(const Panel *p, LoopExpr *acc, LoopExpr *first, LoopExpr *count, bool store) {
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *row = loop_each(k, "r", loop_int(k, 0), count);
  LoopExpr *at = loop_add(k, loop_sub(k, first, p->begin), row);
  LoopExpr *sum = loop_lanes(k, p->sums, (int)p->tile.columns,
                             loop_sub(k, p->block, p->first_block), at, loop_int(k, 0));
  if (store)
    loop_store(k, sum, loop_row(k, acc, row));
  else
    loop_set(k, loop_row(k, acc, row), sum);
  loop_end(k);
}

/* What comes after this piece of a panel is fetched while its tiles go by: that piece of the next
 * panel, or the first one's next piece. */
static void begin_ahead(Panel *p, LoopExpr *first) {
  Tile *t = &p->tile;
  if (!t->flat) return;
  LoopKernel *k = t->l->kernel;
  int64_t run = dim_value(p->rows.run), all = run * p->rows.segments;
  int64_t piece = p->segments * p->depth;
  LoopExpr *place = loop_add(k, loop_mul(k, p->segment[0], loop_int(k, run)), p->from);
  LoopExpr *next = loop_add(k, loop_mul(k, p->panel, loop_int(k, all)), place);
  if (p->inner) { /* this panel's next piece, or the first of the next group's */
    LoopExpr *more = loop_lt(k, loop_add(k, place, loop_int(k, piece)), loop_int(k, all));
    LoopExpr *start = loop_add(k, p->panel, loop_int(k, p->group));
    next = loop_select(k, more, loop_add(k, next, loop_int(k, piece)),
                       loop_mul(k, start, loop_int(k, all)));
  } else if (p->pieces && p->group > 1) {
    LoopExpr *more = loop_lt(k, loop_add(k, p->block, loop_int(k, 1)), p->past);
    LoopExpr *start = loop_mul(k, p->first_block, loop_int(k, all));
    start = loop_add(k, loop_add(k, start, place), loop_int(k, piece));
    next = loop_select(k, more, loop_add(k, next, loop_int(k, all)), start);
  } else {
    next = loop_add(k, next, loop_int(k, p->pieces ? piece : all));
  }
  LoopExpr *tile = loop_div(k, loop_sub(k, first, p->begin), loop_int(k, t->rows));
  tile_begin_ahead(t, next, tile, piece);
}

/* Rows of x come from beyond L2 with the first block that goes by them: it fetches the next tile's
 * while it multiplies one's. NULL: this is not that block, whatever it is. */
static LoopExpr *brings_rows(const Panel *p) {
  LoopKernel *k = p->tile.l->kernel;
  int64_t run = dim_is_constant(p->rows.run) ? dim_value(p->rows.run) : 0;
  double all = 4 * (double)run * (double)dim_max(p->rows.rows) * (double)dim_max(p->rows.lines);
  bool dense = p->weights && p->rows.segments == 1 && run > 0 && p->rows.apart == run;
  if (!dense || p->pieces || all <= (double)p->tile.l->target->l2) return NULL;
  return loop_eq(k, p->block, p->by_rows ? loop_int(k, 0) : p->first_block);
}

/* Which lie one after the other, `next` the first number of them. */
static void fetch_rows_ahead(const Panel *p, LoopExpr *next) {
  enum { LINE = 16 }; /* numbers */
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *at = loop_mul(k, loop_sub(k, p->k, p->from), loop_int(k, p->tile.rows));
  at = loop_add(k, next, at);
  int step = p->tile.rows * TILE_UNROLL, times = (step + LINE - 1) / LINE;
  for (int i = 0; i < times; i++)
    loop_prefetch_once(k,
                       loop_element(k, p->rows.x, loop_add(k, at, loop_int(k, i * step / times))));
}

/* The loop over places of a segment; end_places() ends it. */
static void each_place(Panel *p, LoopExpr *from, LoopExpr *to, int unroll) {
  LoopKernel *k = p->tile.l->kernel;
  int64_t turns = p->tile.turns;
  if (turns == 1) {
    p->k = loop_for_unroll(k, "k", from, to, unroll);
    return;
  }
  LoopExpr *by = loop_int(k, turns);
  int words = unroll > turns ? unroll / (int)turns : 1;
  p->word = loop_for_unroll(k, "word", loop_div(k, from, by), loop_div(k, to, by), words);
  p->place = loop_each(k, "u", loop_int(k, 0), by);
  p->k = loop_add(k, loop_mul(k, p->word, by), p->place);
}

static void end_places(const Panel *p) {
  loop_end(p->tile.l->kernel);
  if (p->tile.turns > 1) loop_end(p->tile.l->kernel);
}

/* Row p->k of the block. */
static LoopExpr *weights_of(const Panel *p, LoopExpr *segment) {
  LoopKernel *k = p->tile.l->kernel;
  int columns = (int)p->tile.columns;
  if (p->tile.turns > 1)
    return loop_half(k, loop_lanes(k, p->weights, columns, p->panel, segment, p->word, p->offset),
                     p->place);
  if (p->weights) return loop_lanes(k, p->weights, columns, p->panel, segment, p->k, p->offset);
  if (p->filled)
    return loop_lanes(k, p->filled, columns, loop_sub(k, p->k, p->from), loop_int(k, 0));
  return p->rows.weights_at(p->rows.user, p->line, p->column, p->k, p->mask);
}

/* A piece of the tile's sums. `next`: the rows that are fetched meanwhile, or NULL. */
static void sum_piece(Panel *p, LoopExpr *acc, LoopExpr *count, LoopExpr *next) {
  Tile *t = &p->tile;
  LoopKernel *k = t->l->kernel;
  LoopExpr *run = dim_expr(k, p->rows.run);
  LoopExpr *segment = p->segment[0];
  if (p->segments > 1) segment = loop_for(k, "s", p->segment[0], p->segment[1]);
  p->start = loop_let(k, "start", p->rows.segment_at(p->rows.user, segment, p->of_group));
  each_place(p, p->from, p->to, p->rows.near ? 1 : TILE_UNROLL);
  LoopExpr *at = loop_mul(k, loop_sub(k, segment, p->segment[0]), run);
  tile_fetch(t, loop_add(k, at, loop_sub(k, p->k, p->from)));
  if (next) fetch_rows_ahead(p, next);
  tile_accumulate(t, acc, 0, count, weights_of(p, segment), element, p);
  end_places(p);
  if (p->segments > 1) loop_end(k);
}

static void sum_tile(Panel *p, LoopExpr *first, LoopExpr *count) {
  Tile *t = &p->tile;
  LoopKernel *k = t->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *run = dim_expr(k, p->rows.run);
  begin_ahead(p, first);
  tile_fetch_operands(t, count, p->column, p->rows.index_of, p->rows.user);
  LoopExpr *acc = tile_sums(t, 1);
  if (p->pieces) {
    loop_if(k, loop_gt(k, loop_add(k, p->segment[0], p->from), zero));
    each_sum(p, acc, first, count, false);
    loop_end(k);
  }
  LoopExpr *brings = brings_rows(p);
  if (brings) {
    LoopExpr *next = p->rows.row_at(p->rows.user, loop_int(k, 0));
    next = loop_add(k, next, loop_int(k, t->rows * p->rows.apart));
    loop_if(k, brings);
    sum_piece(p, acc, count, loop_let(k, "rows_ahead", next));
    loop_otherwise(k);
  }
  sum_piece(p, acc, count, NULL);
  if (brings) loop_end(k);
  if (p->pieces) {
    LoopExpr *ends = loop_ge(k, p->segment[1], loop_int(k, p->rows.segments));
    loop_if(k, loop_and(k, ends, loop_ge(k, p->to, run)));
  }
  tile_finish(t, acc, 0, count, p->column, p->within, p->rows.index_of, p->rows.user);
  if (p->pieces) {
    loop_otherwise(k);
    each_sum(p, acc, first, count, true);
    loop_end(k);
  }
}

static void one_tile(void *user, LoopExpr *first, LoopExpr *count) {
  Panel *p = user;
  LoopKernel *k = p->tile.l->kernel;
  p->rows.begin(p->rows.user, p->line, first, count);
  if (p->inner) begin_block(p, loop_for(k, "block", p->first_block, p->past));
  sum_tile(p, first, count);
  if (p->inner) loop_end(k);
}

/* ---- few rows ---- */

/* Sums of neighbouring blocks of columns at once, each of which is a walk through memory of its
 * own: the machine fetches several at a time faster than one, and more sums wait less for each
 * other. */
static void sum_streams(Panel *p, int streams, LoopExpr *count) {
  Tile *t = &p->tile;
  LoopKernel *k = t->l->kernel;
  Panel *of = ARENA_ARRAY(k->arena, (size_t)streams, Panel);
  for (int i = 0; i < streams; i++) {
    of[i] = *p;
    begin_block(&of[i], loop_add(k, p->first_block, loop_int(k, i)));
  }
  LoopExpr *acc = tile_sums(t, streams), *zero = loop_int(k, 0), *segment = zero;
  if (p->rows.segments > 1) segment = loop_for(k, "s", zero, loop_int(k, p->rows.segments));
  LoopExpr *start = loop_let(k, "start", p->rows.segment_at(p->rows.user, segment, zero));
  each_place(p, zero, dim_expr(k, p->rows.run), TILE_UNROLL);
  for (int i = 0; i < streams; i++) {
    of[i].start = start, of[i].k = p->k, of[i].word = p->word, of[i].place = p->place;
    tile_accumulate(t, acc, i * t->rows, count, weights_of(&of[i], segment), element, &of[i]);
  }
  end_places(p);
  if (p->rows.segments > 1) loop_end(k);
  if (streams == 1 || !tile_is_costly(t->l->op)) {
    for (int i = 0; i < streams; i++)
      tile_finish(t, acc, i * t->rows, count, of[i].column, of[i].within, p->rows.index_of,
                  p->rows.user);
    return;
  }
  int columns = (int)t->columns; /* written out once, the epilogue takes them from memory */
  LoopBuffer *tiles = loop_stack(k, "tiles", LOOP_F32, 3, loop_int(k, streams),
                                 loop_int(k, t->rows), loop_int(k, columns));
  for (int i = 0; i < streams; i++) {
    LoopExpr *r = loop_each(k, "r", zero, count);
    LoopExpr *sum = loop_row(k, acc, loop_add(k, loop_int(k, i * t->rows), r));
    loop_store(k, loop_lanes(k, tiles, columns, loop_int(k, i), r, zero), sum);
    loop_end(k);
  }
  LoopExpr *i = loop_for(k, "i", zero, loop_int(k, streams));
  begin_block(&of[0], loop_add(k, p->first_block, i));
  acc = tile_sums(t, 1);
  LoopExpr *r = loop_each(k, "r", zero, count);
  loop_set(k, loop_row(k, acc, r), loop_lanes(k, tiles, columns, i, r, zero));
  loop_end(k);
  tile_finish(t, acc, 0, count, of[0].column, of[0].within, p->rows.index_of, p->rows.user);
  loop_end(k);
}

/* The group's blocks at once, for all rows, which are one tile. */
static void each_stream(Panel *p) {
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *count = loop_int(k, p->tile.rows);
  p->rows.begin(p->rows.user, p->line, p->begin, count);
  int rest = p->groups > 0 && p->blocks % p->groups ? (int)p->group - 1 : 0;
  if (rest && p->group > 1) {
    LoopExpr *whole = loop_sub(k, p->past, p->first_block);
    loop_if(k, loop_eq(k, whole, loop_int(k, p->group)));
  }
  sum_streams(p, (int)p->group, count);
  if (rest && p->group > 1) {
    loop_otherwise(k);
    sum_streams(p, rest, count);
    loop_end(k);
  }
}

/* ---- loops ---- */

/* Blocks of the trip, each with all rows of the strip. */
static void each_block(Panel *p, LoopExpr *end) {
  Tile *t = &p->tile;
  LoopKernel *k = t->l->kernel;
  bool loops = p->group > 1 && !p->inner;
  if (!p->inner)
    begin_block(p, loops ? loop_for(k, "block", p->first_block, p->past) : p->first_block);
  if (p->filled) p->rows.fill(p->rows.user, p->filled, p->line, p->column, p->from, p->to);
  bool edge = p->rows.weights_at && !p->filled && t->size % t->columns;
  if (edge && t->size > t->columns) {
    loop_if(k, loop_le(k, p->within, loop_int(k, t->size - t->columns)));
    tile_each(t, p->rows.rows, p->begin, end, one_tile, p);
    loop_otherwise(k);
  }
  if (edge) {
    LoopExpr *places = loop_iota(k, p->within, (int)t->columns);
    p->mask = loop_let(k, "inside", loop_lt(k, places, loop_int(k, t->size)));
  }
  tile_each(t, p->rows.rows, p->begin, end, one_tile, p);
  if (edge && t->size > t->columns) loop_end(k);
  p->mask = NULL;
  if (loops) loop_end(k);
}

static void each_piece(Panel *p, LoopExpr *end) {
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *zero = loop_int(k, 0), *run = dim_expr(k, p->rows.run);
  LoopExpr *segments = loop_int(k, p->rows.segments);
  p->segment[0] = zero, p->segment[1] = segments;
  p->from = zero, p->to = run;
  bool some = p->segments < p->rows.segments, cut = p->pieces && p->depth < dim_value(p->rows.run);
  if (some) {
    LoopExpr *whole = loop_int(k, ceil_of(p->rows.segments, p->segments) * p->segments);
    p->segment[0] = loop_for_step(k, "segment", zero, whole, (int)p->segments);
    LoopExpr *next = loop_add(k, p->segment[0], loop_int(k, p->segments));
    p->segment[1] = loop_let(k, "next", loop_min(k, segments, next));
  }
  if (cut) {
    LoopExpr *whole = loop_int(k, ceil_of(dim_value(p->rows.run), p->depth) * p->depth);
    p->from = loop_for_step(k, "from", zero, whole, (int)p->depth);
    p->to = loop_let(k, "to", loop_min(k, run, loop_add(k, p->from, loop_int(k, p->depth))));
  }
  each_block(p, end);
  if (cut) loop_end(k);
  if (some) loop_end(k);
}

static void open_panels(Panel *p, const Value *w, const Tile *t) {
  LoopKernel *k = t->l->kernel;
  int64_t panels = dim_value(w->type.dims[0]), width = dim_value(w->type.dims[w->type.rank - 1]);
  LoopBuffer *given = region_buffer(t->r, w);
  LoopElement element = t->turns > 1 ? LOOP_I32 : tile_element(t->product, given->element);
  LoopExpr *run = dim_expr(k, p->rows.run);
  if (t->turns > 1) run = loop_div(k, run, loop_int(k, t->turns));
  p->weights = loop_view(k, given, "panels", element, 4, loop_int(k, panels),
                         loop_int(k, p->rows.segments), run, loop_int(k, width));
  p->parts = width / t->columns;
}

/* The trips of a call with one row are its blocks of columns, which a thread takes all at once; the
 * loop over those of others. NULL: there are no others, and all is closed. */
static LoopExpr *open_one_row(Panel *p) {
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *past;
  LoopExpr *first = loop_parallel_range(k, "t", dim_expr(k, p->tile.l->trips), &past);
  bool only = dim_is(p->rows.rows, 1);
  if (!only) loop_if(k, loop_eq(k, dim_expr(k, p->rows.rows), loop_int(k, 1)));
  LoopExpr *begin = loop_let(k, "begin", tile_part(k, p->blocks, first, p->groups));
  LoopExpr *end = loop_let(k, "end", tile_part(k, p->blocks, past, p->groups));
  size_t scope = region_push(p->tile.r);
  p->rows.one_row(p->rows.user, begin, end);
  region_pop(p->tile.r, scope);
  p->tile.r->lanes = (int)p->tile.columns;
  if (!only) {
    loop_otherwise(k);
    return loop_for(k, "trip", first, past);
  }
  loop_end(k);
  return NULL;
}

void panel_loops(Tile t, PanelRows rows) {
  Lowering *l = t.l;
  LoopKernel *k = l->kernel;
  DimTable *dims = l->dims;
  Panel p = {.rows = rows, .parts = 1};
  if (!rows.fill && !rows.weights_at) open_panels(&p, t.product->operands[1], &t);
  p.blocks = ceil_of(t.size, t.columns);
  if (dim_max(rows.rows) < t.rows)
    t.rows = dim_max(rows.rows) < 1 ? 1 : (int)dim_max(rows.rows);
  else if (dim_is_constant(rows.rows))
    t.rows = blocking_even_rows(t.rows, dim_value(rows.rows));
  p.tile = t;
  panel_plan(&p);
  const Dim *strips = panel_strips(&p);
  int64_t all = p.blocks * rows.groups;
  bool by_rows = p.by_rows;
  const Dim *groups = dim_constant(dims, p.groups);
  const Dim *split[] = {by_rows ? rows.lines : groups, by_rows ? strips : rows.lines,
                        by_rows ? groups : strips};
  l->trips = dim_mul(dims, dim_mul(dims, groups, rows.lines), strips);
  l->grain = 1;
  bool one = rows.one_row && p.parts == 1 && dim_min(rows.rows) <= 1;
  LoopExpr *trip = one ? open_one_row(&p) : loop_parallel(k, "t", dim_expr(k, l->trips)), *at[3];
  if (!trip) return;
  index_split(k, trip, split, 3, at);
  p.line = at[by_rows ? 0 : 1], p.first_block = at[by_rows ? 2 : 0];
  if (p.group > 1) {
    LoopExpr *next = loop_add(k, p.first_block, loop_int(k, 1));
    p.first_block = loop_let(k, "first", tile_part(k, all, p.first_block, p.groups));
    p.past = loop_let(k, "past", tile_part(k, all, next, p.groups));
  }
  LoopExpr *end = panel_open_strip(&p, at[by_rows ? 1 : 2], strips);
  if (rows.fill)
    p.filled = loop_scratch(k, "panel", LOOP_F32, 2, loop_int(k, p.depth + l->target->lanes),
                            loop_int(k, t.columns));
  if (p.pieces)
    p.sums = loop_scratch(k, "sums", LOOP_F32, 3, loop_int(k, p.group),
                          loop_int(k, p.strip + 2 * p.tile.rows), loop_int(k, t.columns));
  bool again = p.inner && !by_rows && !dim_is(strips, 1); /* the next trip has the same panels */
  if (p.weights && p.depth && p.parts == 1 && rows.groups == 1 && !again && panel_is_far(&p))
    tile_plan_ahead(&p.tile, panel_strip_tiles(&p), p.segments * p.depth);
  if (p.streams)
    each_stream(&p);
  else
    each_piece(&p, end);
  loop_end(k);
  if (!one) return;
  loop_end(k);
  loop_end(k);
}
