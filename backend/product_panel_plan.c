/* How the loops of a product with packed weights are cut: pieces, strips, groups, and what goes by
 * what. */
#include "backend/product_panel_plan.h"

#include "ir/blocking.h"
#include "support/whole.h"

enum {
  LEAST_TRIPS = 8, /* for threads */
  FEW_TILES = 64   /* of a panel: it comes from memory, not from the call before */
};

/* The cut that `select` has written down, or the usual one. Any numbers of an attribute make loops
 * that are right. */
static Blocking find_blocking(const Panel *p, int64_t bytes) {
  const Tile *t = &p->tile;
  const Op *op = t->product;
  const Target *target = t->l->target;
  BlockingMachine machine = {target->lanes, target->registers, target->l1, target->l2};
  int64_t run = dim_is_constant(p->rows.run) ? dim_value(p->rows.run) : 0;
  BlockingProduct product = {.lines = dim_max(p->rows.lines),
                             .rows = dim_max(p->rows.rows),
                             .groups = p->rows.groups,
                             .size = t->size,
                             .segments = p->rows.segments,
                             .run = run,
                             .columns = t->columns,
                             .tile = t->rows,
                             .apart = p->rows.apart,
                             .step_bytes = bytes,
                             .copies = p->rows.fill};
  Blocking b = blocking_usual(&machine, &product);
  bool can = op->kind == OP_dot_panel || op->kind == OP_conv_panel;
  if (!can || run < 1 || dim_max(p->rows.rows) <= 2 * t->rows) return b;
  int64_t given[BLOCKING_NUMBERS];
  for (int i = 0; i < BLOCKING_NUMBERS; i++) given[i] = op_list_integer(op, ATTRIBUTE_blocking, i);
  if (given[0] == 0) return b;
  const int64_t most[] = {t->rows, run * p->rows.segments, dim_max(p->rows.rows),
                          t->size * p->rows.groups};
  for (int i = 0; i < BLOCKING_NUMBERS - 1; i++)
    if (given[i] > most[i]) given[i] = most[i];
  b.tile = given[0];
  blocking_cut_sum(&b, p->rows.segments, run, given[1]);
  b.strip = blocking_even_part(dim_max(p->rows.rows), given[2], b.tile);
  b.columns = given[3] < t->columns ? t->columns : given[3] / t->columns * t->columns;
  b.split = given[4] == SPLIT_ROWS || given[4] == SPLIT_COLUMNS ? (int)given[4] : SPLIT_ANY;
  b.given = true;
  return b;
}

/* Threads take neighbouring trips: some rows of all columns, or some columns of all rows. */
static bool goes_by_rows(const Op *product) {
  const Type *x = &product->operands[0]->type, *w = &product->operands[1]->type;
  return blocking_split(type_bytes_at_bound(x), type_bytes_at_bound(w)) == SPLIT_ROWS;
}

static void plan_cut(Panel *p) {
  const Tile *t = &p->tile;
  const Target *target = t->l->target;
  int64_t rows = dim_max(p->rows.rows), blocks = p->blocks * p->rows.groups;
  int64_t bytes = t->columns * (p->weights ? loop_element_bytes(p->weights->element) : 4);
  Blocking b = find_blocking(p, bytes);
  p->tile.rows = (int)b.tile;
  p->segments = b.segments, p->depth = b.depth, p->pieces = b.pieces;
  p->strip = b.strip, p->group = b.columns / t->columns;
  p->by_rows = b.split ? b.split == SPLIT_ROWS : p->weights && goes_by_rows(t->product);
  p->streams = p->weights && p->rows.groups == 1 && dim_is(p->rows.rows, t->rows);
  if (p->streams)
    p->group = blocking_even_part(p->blocks, tile_streams(target, rows, t->columns), 1);
  if (p->streams) return;
  if (!p->depth || !p->weights || rows <= t->rows || blocks < 2) return;
  /* Where a tile's rows of x fit L1, and those of the strip are many, blocks go by within a tile;
   * all blocks, if w is small. So they do where the group's panels stay for the next strip and the
   * epilogue reads rows as large as the result's: lines of a row follow each other then. */
  int64_t depth = p->segments * p->depth, of_x = depth * (int64_t)sizeof(float);
  if (!p->pieces && blocks * depth * bytes <= target->l1 / 2 && !b.given) {
    int64_t lines = dim_max(p->rows.lines), trips = ceil_of(rows, p->strip);
    trips *= lines < LEAST_TRIPS ? lines * p->rows.groups : LEAST_TRIPS;
    p->group = blocking_even_part(blocks, trips < LEAST_TRIPS ? p->group : blocks, 1);
    p->inner = p->group > 1;
  } else if (p->group > 1 && p->group * depth * bytes <= target->l2 / 2)
    p->inner = of_x * t->rows <= target->l1 / 2 &&
               (of_x * p->strip > target->l2 / 4 ||
                (!p->pieces && !p->by_rows && rows > p->strip && tile_reads_rows(t)));
}

/* So few rows find w in memory; each strip of many finds it in L3,
 * if it does not fit L2. */
bool panel_is_far(const Panel *p) {
  const Tile *t = &p->tile;
  return dim_max(p->rows.rows) <= FEW_TILES * t->rows ||
         type_bytes_at_bound(&t->product->operands[1]->type) > t->l->target->l2;
}

/* Tiles of a line, of which those of the tail stay in one strip: `full` come before them. */
static int64_t tiles_of(const Panel *p, int64_t *full) {
  int64_t rows = dim_value(p->rows.rows), tail = tile_tail(&p->tile, rows);
  *full = (rows - tail) / p->tile.rows;
  return *full + ceil_of(tail, p->tile.rows);
}

/* What a strip more costs, and a group: weights or x are gone through once more. Shares of all. */
static void plan_even_trips(const Panel *p, BlockingTrips *trips) {
  static const double near = 0.5, far = 2, copied = 16; /* rows of x, for a strip */
  static const double group = 0.05, stream = 0.02;      /* blocks */
  const Tile *t = &p->tile;
  int64_t run = dim_is_constant(p->rows.run) ? dim_value(p->rows.run) : 0;
  double x = 4 * (double)trips->tiles * t->rows * (double)run, l2 = (double)t->l->target->l2;
  bool is_far = (double)type_bytes_at_bound(&t->product->operands[1]->type) > l2;
  double strip = p->rows.fill ? copied : is_far || !p->weights ? far : near;
  double blocks = (double)trips->blocks, more = p->inner ? blocks : x > l2 / 2 ? group : 0;
  blocking_even_trips(trips, strip / (double)(trips->tiles * t->rows),
                      p->streams ? stream : more / blocks);
}

/* Strips and groups of nearly the same size, and so many that threads have the same work. */
static void plan_parts(Panel *p) {
  Tile *t = &p->tile;
  int64_t blocks = p->blocks * p->rows.groups, full = 0;
  p->groups = ceil_of(blocks, p->group);
  bool known = dim_is_constant(p->rows.rows);
  BlockingTrips trips = {.lines = dim_max(p->rows.lines),
                         .tiles = known ? tiles_of(p, &full) : 1,
                         .blocks = blocks,
                         .strips = 1,
                         .groups = p->groups,
                         .by_rows = p->by_rows};
  if (blocks > INT32_MAX || trips.tiles > INT32_MAX) { /* no machine holds them */
    p->group = blocks, p->groups = 1, p->strips = known;
    p->strip = known ? dim_value(p->rows.rows) : p->strip;
    return;
  }
  if (full) trips.strips = ceil_of(full * t->rows, p->strip);
  const Op *op = t->l->op;
  bool split = op->kind != OP_fused || op_integer(op, ATTRIBUTE_parts) != 1;
  if (split && (full || !known) && blocks) plan_even_trips(p, &trips);
  p->groups = trips.groups;
  p->group = blocks ? ceil_of(blocks, p->groups) : p->group;
  if (!known) return;
  p->strips = trips.strips;
  if (full) p->strip = ceil_of(trips.tiles, p->strips) * t->rows;
}

void panel_plan(Panel *p) {
  plan_cut(p);
  plan_parts(p);
}

const Dim *panel_strips(const Panel *p) {
  DimTable *dims = p->tile.l->dims;
  const Dim *rows = p->rows.rows;
  if (dim_is_constant(rows)) return dim_constant(dims, dim_value(rows) > 0 ? p->strips : 0);
  const Dim *more = dim_add(dims, rows, dim_constant(dims, p->strip - 1));
  return dim_floor(dims, more, p->strip);
}

LoopExpr *panel_open_strip(Panel *p, LoopExpr *number, const Dim *strips) {
  LoopKernel *k = p->tile.l->kernel;
  LoopExpr *next = loop_add(k, number, loop_int(k, 1)), *after;
  p->begin = loop_int(k, 0);
  if (dim_is(strips, 1)) return dim_expr(k, p->rows.rows);
  if (dim_is_constant(p->rows.rows)) {
    int64_t full, tiles = tiles_of(p, &full);
    LoopExpr *begin = tile_part(k, tiles, number, p->strips), *rows = loop_int(k, p->tile.rows);
    after = tile_part(k, tiles, next, p->strips);
    if (tiles > full + 1) {
      begin = loop_min(k, begin, loop_int(k, full));
      after = loop_min(k, after, loop_int(k, full));
    }
    p->begin = loop_let(k, "begin", loop_mul(k, begin, rows));
    after = loop_mul(k, after, rows);
  } else {
    LoopExpr *strip = loop_int(k, p->strip);
    p->begin = loop_let(k, "begin", loop_mul(k, number, strip));
    after = loop_add(k, p->begin, strip);
  }
  LoopExpr *last = loop_ge(k, next, dim_expr(k, strips));
  return loop_let(k, "end", loop_select(k, last, dim_expr(k, p->rows.rows), after));
}

int64_t panel_strip_tiles(const Panel *p) {
  int64_t full;
  if (!dim_is_constant(p->rows.rows) || p->strips < 1) return p->strip / p->tile.rows;
  int64_t tiles = tiles_of(p, &full) / p->strips;
  return tiles < 1 ? 1 : tiles;
}
