/* product_winograd.c - conv_winograd: a 3 x 3 convolution and its like by less arithmetic.
 *
 * The result is cut into tiles of m x m pixels (ir/winograd.h). Of each, p x p numbers a channel
 * are seen, p = m + kernel - 1; transformed along both axes they are multiplied by as many
 * matrices [C, out], point by point, and what comes out is transformed to the tile:
 *
 *   points[tile][point][C]       = B x transpose(B), for each channel
 *
 *   sums[tile][point][columns]   = points[tile][point] * w[panel][point]
 *
 *   y[the tile's pixels]         = A sums transpose(A), and what is fused
 *
 * A trip takes a block of tiles, whose points fit L2, and goes through panels of w, a group of
 * them at a time, so that both stay in the thread's scratch. Where there are few blocks, they are
 * split by panels too; splits of a block follow each other, and the first that a thread has
 * transforms the input. Blocks, groups and the order of each sum depend on the shape alone.
 *
 * The micro-kernel is product_tile.h's. Rows of a block are rounded up to whole tiles of it: zeros.
 * Tiles over the map's edge read through masks, and write what is inside. */
#include "backend/product_panel.h"
#include "backend/winograd_transform.h"

#include "support/bug.h"

#include <math.h>

enum {
  MOST_TILES = 96, /* of a block */
  UNROLL = 4,
  MOST_SCRATCH = 1 << 22, /* bytes of a block's points, if it has more tiles than a register tile */
  LEAST_SPLIT = 64        /* output channels of a split */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  Winograd axes[2];
  int points;             /* of both axes */
  int64_t channels, room; /* room: floats from point to point in a tile's row */
  int64_t columns, panels, size;
  int64_t split, group; /* panels of a trip, and of a step in it */
  Tile tile;            /* of registers; its columns are a part of a panel */
  int64_t tiles;        /* of a block */
  bool far;             /* w comes from memory, */
  bool ahead;           /* or from beyond L2, and is fetched while what is before it is used */
  const Dim *map[3];    /* images, tiles down and across */
  const Dim *blocks;
  LoopBuffer *x, *in, *sums;
  LoopExpr *first, *count; /* the block's first tile, and how many there are, */
  LoopExpr *padded;        /* rounded up to whole register tiles */
} Tiles;

/* ---- the plan ---- */

/* What a block of `rows` rows (tiles) takes for all panels, in multiply-adds of a whole row, as the
 * one number of KERNELS' model max(m, c + 0.4 m): m to read w, c to compute. */
static double block_time(const Tiles *b, double rows) {
  const Target *target = b->l->target;
  double rate = b->far ? target->rates.memory : target->rates.cache;
  double reading = 4 / rate * target->rates.flops / 2;
  double computing = rows + 0.4 * reading;
  return computing > reading ? computing : reading;
}

/* How many times its own time a block takes whose points and sums are not near: a little more for
 * each doubling beyond half of L2. */
static double spilling(const Tiles *b, int64_t tiles) {
  static const double doubling = 0.04, most = 0.15;
  double bytes = (double)(tiles * b->points * (b->room + b->columns) * (int64_t)sizeof(float));
  double more = doubling * log2(bytes / ((double)b->l->target->l2 / 2));
  return 1 + (more < 0 ? 0 : more > most ? most : more);
}

/* Blocks of so many tiles, in splits that take the least time on one thread, two and four; each
 * thread transforms the input of each of its blocks. Gives the time, and sets what is better than
 * `least`. */
static double plan_splits(Tiles *b, int64_t all, int rows, int64_t tiles, double least) {
  static const double narrow = 0.5;   /* of a row: what a register tile costs beside its rows */
  static const double transform = 12; /* of the input: multiply-adds for each of its points */
  int64_t blocks = (all + tiles - 1) / tiles;
  double padded = (double)tiles * (1 + narrow / (double)rows), more = spilling(b, tiles);
  double input = padded * transform / (double)(b->panels * b->columns) * more;
  for (int64_t split = b->panels; split > 0; split--) {
    int64_t splits = b->panels / split, trips = blocks * splits;
    if (b->panels % split || (splits > 1 && split * b->columns < LEAST_SPLIT)) continue;
    double trip = block_time(b, padded) / (double)splits * more, time = 0;
    for (int64_t threads = 1; threads <= 4; threads *= 2) {
      int64_t own = (trips + threads - 1) / threads, inputs = (own + splits - 1) / splits;
      double each = (double)own * trip + (double)inputs * input;
      time += each * (double)threads / (threads > 2 ? 2 : 1);
    }
    if (least > 0 && time >= least) continue;
    least = time, b->tiles = tiles, b->split = split, b->tile.rows = rows;
  }
  return least;
}

static void plan_blocks(Tiles *b, int64_t all) {
  int64_t row = b->points * b->room * 4;
  int most = b->tile.rows;
  double least = 0;
  for (int rows = most; rows > 0 && 3 * rows >= 2 * most; rows--) /* fewer leave fewer empty */
    for (int64_t tiles = rows; tiles <= MOST_TILES; tiles += rows) {
      if (tiles > rows && tiles * row > MOST_SCRATCH) break;
      least = plan_splits(b, all, rows, tiles, least);
      if (tiles >= all) break;
    }
}

/* How many panels of w a step takes: several where the points lie far beyond L2, so that they come
 * less often. */
static void plan_group(Tiles *b) {
  enum { MOST_GROUP = 4, BEYOND = 3 };
  int64_t l2 = b->l->target->l2, sums = b->tiles * b->points * b->columns * 4;
  b->group = 1;
  if (b->tiles * b->points * b->room * 4 <= BEYOND * l2) return;
  for (int64_t group = 2; group <= b->split && group <= MOST_GROUP && group * sums <= l2; group++)
    if (b->split % group == 0) b->group = group;
}

static void plan(Tiles *b) {
  DimTable *dims = b->l->dims;
  const Type *out = &b->op->results[0]->type;
  b->map[0] = out->dims[0];
  for (int i = 0; i < 2; i++) {
    int64_t tile = b->axes[i].tile;
    b->map[i + 1] =
        dim_floor(dims, dim_add(dims, out->dims[i + 1], dim_constant(dims, tile - 1)), tile);
  }
  const Dim *total = dim_mul(dims, dim_mul(dims, b->map[0], b->map[1]), b->map[2]);
  if (!total) bug("a size above 64 bits in '%s'", b->l->kernel->name);
  int64_t weights = b->points * b->channels * b->panels * b->columns;
  b->far = weights > 2 * b->l->target->l2; /* elements: eight times L2 */
  b->ahead = weights > b->l->target->l2 / 4;
  plan_blocks(b, dim_max(total));
  plan_group(b);
  b->blocks = dim_floor(dims, dim_add(dims, total, dim_constant(dims, b->tiles - 1)), b->tiles);
  b->l->trips = dim_mul(dims, dim_constant(dims, b->panels / b->split), b->blocks);
  b->l->grain = 1;
}

/* ---- tiles ---- */

typedef struct {
  LoopExpr *n, *top, *left; /* the first pixel of the tile in the result */
} Corner;

static Corner place_of(const Tiles *b, LoopExpr *tile) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *at[3];
  index_split(k, loop_let(k, "tile", loop_add(k, b->first, tile)), b->map, 3, at);
  Corner place = {.n = at[0]};
  place.top = loop_let(k, "top", loop_mul(k, at[1], loop_int(k, b->axes[0].tile)));
  place.left = loop_let(k, "left", loop_mul(k, at[2], loop_int(k, b->axes[1].tile)));
  return place;
}

static LoopExpr *in_range(LoopKernel *k, LoopExpr *at, LoopExpr *end) {
  return loop_and(k, loop_ge(k, at, loop_int(k, 0)), loop_lt(k, at, end));
}

/* One row or column of numbers, each made by `get`. */
typedef struct {
  const Tiles *b;
  LoopBuffer *buffer;
  LoopExpr *n, *top, *left, *channel;
  LoopExpr *height, *width; /* of x, where masks are needed; else NULL */
  int lanes;
} Input;

static LoopExpr *input_pixel(const Input *in, LoopExpr *i, LoopExpr *j) {
  LoopKernel *k = in->b->l->kernel;
  LoopExpr *line = loop_add(k, in->top, i), *pixel = loop_add(k, in->left, j);
  LoopExpr *x = loop_lanes(k, in->buffer, in->lanes, in->n, line, pixel, in->channel);
  if (in->height) {
    LoopExpr *inside = loop_and(k, in_range(k, line, in->height), in_range(k, pixel, in->width));
    x = loop_where(x, loop_splat(k, loop_let(k, "inside", inside), in->lanes));
  }
  return loop_let(k, "x", x);
}

/* Goes through a side of a tile; a short one is written out, and what is between stays in
 * registers. */
static LoopExpr *side(const Tiles *b, const char *name, LoopExpr *end) {
  enum { FEW_POINTS = 4 };
  LoopKernel *k = b->l->kernel;
  bool few = b->axes[0].points <= FEW_POINTS && b->axes[1].points <= FEW_POINTS;
  int64_t number;
  few = few && loop_is_int(end, &number);
  return few ? loop_each(k, name, loop_int(k, 0), end) : loop_for(k, name, loop_int(k, 0), end);
}

/* Stores the transformed points of a tile, for some channels. */
static void input_tile(const Tiles *b, const Input *in, LoopExpr *row) {
  LoopKernel *k = b->l->kernel;
  const Winograd *down = &b->axes[0], *across = &b->axes[1];
  LoopExpr *x[WINOGRAD_POINTS], *y[WINOGRAD_POINTS], *zero = loop_int(k, 0);
  LoopBuffer *between = NULL;
  if (down->points > 1) {
    between = loop_stack(k, "between", LOOP_F32, 3, loop_int(k, down->points),
                         loop_int(k, across->points), loop_int(k, in->lanes));
    LoopExpr *j = side(b, "j", loop_int(k, across->points));
    for (int i = 0; i < down->points; i++) x[i] = input_pixel(in, loop_int(k, i), j);
    winograd_input(k, down, x, y);
    for (int i = 0; i < down->points; i++)
      loop_store(k, loop_lanes(k, between, in->lanes, loop_int(k, i), j, zero), y[i]);
    loop_end(k);
  }
  LoopExpr *i = side(b, "i", loop_int(k, down->points));
  for (int j = 0; j < across->points; j++)
    x[j] = between ? loop_let(k, "x", loop_lanes(k, between, in->lanes, i, loop_int(k, j), zero))
                   : input_pixel(in, i, loop_int(k, j));
  winograd_input(k, across, x, y);
  for (int j = 0; j < across->points; j++) {
    LoopExpr *point = loop_add(k, loop_mul(k, i, loop_int(k, across->points)), loop_int(k, j));
    LoopExpr *at = loop_add(k, loop_mul(k, point, loop_int(k, b->room)), in->channel);
    loop_store(k, loop_lanes(k, b->in, in->lanes, row, at), y[j]);
  }
  loop_end(k);
}

static void input_block(const Tiles *b) {
  LoopKernel *k = b->l->kernel;
  const Value *x = b->op->operands[0];
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *row = loop_for(k, "t", zero, b->count);
  Corner place = place_of(b, row);
  Input in = {.b = b, .buffer = b->x, .n = place.n, .lanes = b->l->target->lanes};
  LoopExpr *height = dim_expr(k, x->type.dims[1]), *width = dim_expr(k, x->type.dims[2]);
  in.top = loop_let(
      k, "from", loop_sub(k, place.top, loop_int(k, op_pair_integer(b->op, ATTRIBUTE_pad, 0, 0))));
  in.left = loop_let(
      k, "from", loop_sub(k, place.left, loop_int(k, op_pair_integer(b->op, ATTRIBUTE_pad, 1, 0))));
  LoopExpr *below = loop_sub(k, height, loop_int(k, b->axes[0].points));
  LoopExpr *right = loop_sub(k, width, loop_int(k, b->axes[1].points));
  LoopExpr *whole = loop_and(k, loop_and(k, loop_ge(k, in.top, zero), loop_le(k, in.top, below)),
                             loop_and(k, loop_ge(k, in.left, zero), loop_le(k, in.left, right)));
  loop_if(k, whole);
  in.channel = loop_for_lanes(k, "c", zero, loop_int(k, b->channels), in.lanes);
  input_tile(b, &in, row);
  loop_end(k);
  loop_otherwise(k);
  in.height = height, in.width = width;
  in.channel = loop_for_lanes(k, "c", zero, loop_int(k, b->channels), in.lanes);
  input_tile(b, &in, row);
  loop_end(k);
  loop_end(k);
  loop_end(k);
  /* Rows that no tile has. */
  row = loop_for(k, "t", b->count, b->padded);
  LoopExpr *at = loop_for_lanes(k, "c", zero, loop_int(k, b->points * b->room), in.lanes);
  loop_store(k, loop_lanes(k, b->in, in.lanes, row, at), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
}

/* ---- products ---- */

/* The next matrix of w comes from memory while this one is used: each register tile fetches a part
 * of it, a cache line for each few channels. */
static void fetch(const Tiles *b, LoopExpr *panel, LoopExpr *point, LoopExpr *first,
                  LoopExpr *channel) {
  LoopKernel *k = b->l->kernel;
  int64_t matrix = b->channels * b->columns;
  LoopBuffer *flat = loop_view(k, region_buffer(b->r, b->op->operands[1]), "next", LOOP_F32, 1,
                               loop_int(k, b->panels * b->points * matrix));
  LoopExpr *next = loop_add(k, loop_mul(k, panel, loop_int(k, b->points)), point);
  LoopExpr *at = loop_mul(k, loop_add(k, next, loop_int(k, 1)), loop_int(k, matrix));
  LoopExpr *tile = loop_div(k, first, loop_int(k, b->tile.rows));
  at = loop_add(k, at, loop_mul(k, tile, loop_int(k, matrix / UNROLL)));
  at = loop_add(k, at, loop_mul(k, channel, loop_int(k, b->columns / UNROLL)));
  loop_prefetch(k, loop_element(k, flat, at));
}

typedef struct {
  const Tiles *b;
  LoopExpr *first, *at; /* the register tile's first row; the channel's place in it */
} Points;

static LoopExpr *point_of(void *user, LoopExpr *row) {
  const Points *p = user;
  LoopKernel *k = p->b->l->kernel;
  return loop_element(k, p->b->in, loop_add(k, p->first, row), p->at);
}

/* sums = points * w for the panels from `panel` on. */
static void multiply(const Tiles *b, LoopExpr *panel) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *p = panel, *g = zero, *part = zero;
  int wide = (int)b->tile.columns;
  LoopBuffer *w = loop_view(k, region_buffer(b->r, b->op->operands[1]), "w", LOOP_F32, 4,
                            loop_int(k, b->panels), loop_int(k, b->points),
                            loop_int(k, b->channels), loop_int(k, b->columns));
  LoopExpr *point = loop_for(k, "point", zero, loop_int(k, b->points));
  if (b->group > 1) {
    g = loop_for(k, "g", zero, loop_int(k, b->group));
    p = loop_add(k, panel, g);
  }
  if (wide < b->columns) part = loop_for_step(k, "part", zero, loop_int(k, b->columns), wide);
  LoopExpr *from = loop_let(k, "from", loop_mul(k, point, loop_int(k, b->room)));
  LoopExpr *to = loop_add(k, loop_mul(k, point, loop_int(k, b->group)), g);
  to = loop_let(k, "to", loop_add(k, loop_mul(k, to, loop_int(k, b->columns)), part));
  LoopExpr *first = loop_for_step(k, "t", zero, b->padded, b->tile.rows);
  LoopExpr *acc = tile_sums(&b->tile, 1), *rows = loop_int(k, b->tile.rows);
  bool ahead = b->ahead && b->channels % UNROLL == 0;
  LoopExpr *c;
  if (ahead) {
    LoopExpr *four = loop_for_step(k, "k", zero, loop_int(k, b->channels), UNROLL);
    fetch(b, p, point, first, four);
    c = loop_add(k, four, loop_each(k, "u", zero, loop_int(k, UNROLL)));
  } else {
    c = loop_for_unroll(k, "k", zero, loop_int(k, b->channels), UNROLL);
  }
  Points points = {b, first, loop_add(k, from, c)};
  tile_accumulate(&b->tile, acc, 0, rows, loop_lanes(k, w, wide, p, point, c, part), point_of,
                  &points);
  if (ahead) loop_end(k);
  loop_end(k);
  LoopExpr *row = loop_each(k, "r", zero, rows);
  loop_store(k, loop_lanes(k, b->sums, wide, loop_add(k, first, row), to), loop_row(k, acc, row));
  loop_end(k);
  loop_end(k);
  if (wide < b->columns) loop_end(k);
  if (b->group > 1) loop_end(k);
  loop_end(k);
}

/* ---- the result ---- */

typedef struct {
  const Tiles *b;
  Corner place;
  LoopExpr *column; /* the first lane's channel */
} Output;

/* Are all tiles along an axis of the map whole? */
static bool fills(const Dim *size, int tile) {
  return dim_is_constant(size) && dim_value(size) % tile == 0;
}

static void finish_pixel(const Output *o, LoopExpr *i, LoopExpr *j, LoopExpr *sum) {
  LoopKernel *k = o->b->l->kernel;
  Index index[] = {index_scalar(o->place.n), index_scalar(loop_add(k, o->place.top, i)),
                   index_scalar(loop_add(k, o->place.left, j)), index_lanes(o->column)};
  product_finish(o->b->r, o->b->op, index, sum);
}

/* A line of the tile, of which the first `width` pixels are in the map. */
static void finish_line(const Output *o, LoopExpr *i, LoopExpr *width, LoopExpr *const *y) {
  const Tiles *b = o->b;
  LoopKernel *k = b->l->kernel;
  int tile = b->axes[1].tile, lanes = b->r->lanes;
  if (fills(b->op->results[0]->type.dims[2], tile) && !tile_is_costly(b->l->op)) {
    for (int j = 0; j < tile; j++) finish_pixel(o, i, loop_int(k, j), y[j]);
    return;
  }
  LoopExpr *zero = loop_int(k, 0);
  LoopBuffer *line = loop_stack(k, "line", LOOP_F32, 2, loop_int(k, tile), loop_int(k, lanes));
  for (int j = 0; j < tile; j++)
    loop_store(k, loop_lanes(k, line, lanes, loop_int(k, j), zero), y[j]);
  LoopExpr *j = loop_for(k, "pixel", zero, width);
  finish_pixel(o, i, j, loop_let(k, "sum", loop_lanes(k, line, lanes, j, zero)));
  loop_end(k);
}

/* A tile's pixels for the panels from `panel` on. */
static void output_tile(const Tiles *b, LoopExpr *panel, LoopExpr *row) {
  LoopKernel *k = b->l->kernel;
  const Winograd *down = &b->axes[0], *across = &b->axes[1];
  const Type *out = &b->op->results[0]->type;
  int lanes = b->r->lanes;
  LoopExpr *x[WINOGRAD_POINTS], *y[WINOGRAD_POINTS], *zero = loop_int(k, 0);
  Output o = {.b = b, .place = place_of(b, row)};
  LoopExpr *height = loop_sub(k, dim_expr(k, out->dims[1]), o.place.top);
  LoopExpr *width = loop_sub(k, dim_expr(k, out->dims[2]), o.place.left);
  height = fills(out->dims[1], down->tile)
               ? loop_int(k, down->tile)
               : loop_let(k, "height", loop_min(k, height, loop_int(k, down->tile)));
  width = loop_let(k, "width", loop_min(k, width, loop_int(k, across->tile)));
  LoopExpr *g = b->group > 1 ? loop_for(k, "g", zero, loop_int(k, b->group)) : zero;
  LoopExpr *column = loop_mul(k, loop_add(k, panel, g), loop_int(k, b->columns));
  LoopExpr *end = loop_int(k, b->columns);
  if (b->size % b->columns)
    end = loop_let(k, "end", loop_min(k, end, loop_sub(k, loop_int(k, b->size), column)));
  LoopExpr *q = loop_for_lanes(k, "q", zero, end, lanes);
  o.column = loop_add(k, column, q);
  LoopExpr *from = loop_add(k, loop_mul(k, g, loop_int(k, b->columns)), q);
  int64_t apart = b->group * b->columns; /* from point to point */
  LoopBuffer *between = NULL;
  if (down->points > 1) {
    between = loop_stack(k, "between", LOOP_F32, 3, loop_int(k, down->tile),
                         loop_int(k, across->points), loop_int(k, lanes));
    LoopExpr *j = side(b, "j", loop_int(k, across->points));
    for (int i = 0; i < down->points; i++) {
      LoopExpr *point = loop_add(k, j, loop_int(k, i * across->points));
      LoopExpr *at = loop_add(k, loop_mul(k, point, loop_int(k, apart)), from);
      x[i] = loop_let(k, "x", loop_lanes(k, b->sums, lanes, row, at));
    }
    winograd_output(k, down, x, y);
    for (int i = 0; i < down->tile; i++)
      loop_store(k, loop_lanes(k, between, lanes, loop_int(k, i), j, zero), y[i]);
    loop_end(k);
  }
  LoopExpr *i = side(b, "line", height);
  for (int j = 0; j < across->points; j++) {
    LoopExpr *at = loop_add(k, from, loop_int(k, j * apart));
    x[j] = between ? loop_lanes(k, between, lanes, i, loop_int(k, j), zero)
                   : loop_lanes(k, b->sums, lanes, row, at);
    x[j] = loop_let(k, "x", x[j]);
  }
  winograd_output(k, across, x, y);
  finish_line(&o, i, width, y);
  loop_end(k);
  loop_end(k);
  if (b->group > 1) loop_end(k);
}

/* ---- all together ---- */

static void go_through_blocks(Tiles *b) {
  LoopKernel *k = b->l->kernel;
  int64_t splits = b->panels / b->split;
  LoopExpr *at[2], *zero = loop_int(k, 0), *ready = NULL;
  if (splits > 1) ready = loop_var(k, "ready", LOOP_I64, 1, loop_int(k, -1));
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, b->l->trips));
  index_split(k, trip, (const Dim *[]){b->blocks, dim_constant(b->l->dims, splits)}, 2, at);
  b->first = loop_let(k, "first", loop_mul(k, at[0], loop_int(k, b->tiles)));
  LoopExpr *left = loop_sub(k, dims_product(k, b->map, 3), b->first);
  b->count = loop_let(k, "count", loop_min(k, left, loop_int(k, b->tiles)));
  LoopExpr *rows = loop_int(k, b->tile.rows);
  b->padded = loop_div(k, loop_add(k, b->count, loop_int(k, b->tile.rows - 1)), rows);
  b->padded = loop_let(k, "padded", loop_mul(k, b->padded, rows));
  if (ready) loop_if(k, loop_ne(k, ready, at[0]));
  input_block(b);
  if (ready) {
    loop_set(k, ready, at[0]);
    loop_end(k);
  }
  LoopExpr *begin = loop_mul(k, at[1], loop_int(k, b->split));
  LoopExpr *panel =
      loop_for_step(k, "panel", begin, loop_add(k, begin, loop_int(k, b->split)), (int)b->group);
  multiply(b, panel);
  LoopExpr *row = loop_for(k, "t", zero, b->count);
  output_tile(b, panel, row);
  loop_end(k);
  loop_end(k);
  loop_end(k);
}

bool product_winograd(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_conv_winograd) return false;
  const Type *x = &product->operands[0]->type, *w = &product->operands[1]->type;
  if (x->element != ELEMENT_f32 || !dim_is_constant(x->dims[3])) return false;
  Tiles b = {.l = l, .r = r, .op = product, .channels = dim_value(x->dims[3])};
  b.columns = dim_value(w->dims[4]), b.panels = dim_value(w->dims[0]);
  if (b.columns % l->target->lanes || b.channels == 0) return false;
  b.points = 1;
  for (int i = 0; i < 2; i++) {
    if (!winograd_find(op_list_integer(product, ATTRIBUTE_tile, i),
                       op_list_integer(product, ATTRIBUTE_kernel, i), &b.axes[i]))
      bug("no tile of Winograd's algorithm in '%s'", l->kernel->name);
    b.points *= b.axes[i].points;
  }
  b.size = op_integer(product, ATTRIBUTE_size);
  int64_t columns = panel_tile_columns(l->target, b.columns, MOST_TILES);
  b.tile = tile_open(l, r, product, columns, b.size);
  b.room = b.channels;
  if (b.channels % 128 == 0) b.room += 16; /* else points would share few sets of the cache */
  plan(&b);
  l->algorithm = arena_format(l->kernel->arena, "winograd %lldx%lld", (long long)b.axes[0].tile,
                              (long long)b.axes[1].tile);
  r->lanes = l->target->lanes;
  LoopKernel *k = l->kernel;
  b.x = region_buffer(r, product->operands[0]);
  b.in = loop_scratch(k, "points", LOOP_F32, 2, loop_int(k, b.tiles),
                      loop_int(k, b.points * b.room + 16));
  b.sums = loop_scratch(k, "sums", LOOP_F32, 2, loop_int(k, b.tiles),
                        loop_int(k, b.points * b.group * b.columns));
  go_through_blocks(&b);
  return true;
}
