/* product_weight_winograd.c - conv_weight {tile} in nhwc: the gradient of a 3 x 3 convolution and
 * its like for its weight, by less arithmetic.
 *
 * It is the transpose of Winograd's algorithm (ir/winograd.h): dy is cut into tiles of m x m
 * pixels, of which each sees p x p numbers of x, p = m + kernel - 1. Both are transformed,
 * multiplied point by point, summed over all tiles, and what comes out is transformed to the kernel
 * once:
 *
 *   X[point][tile][channel]        = B x transpose(B)
 *   D[point][tile][column]         = transpose(A) dy A
 *
 *   S[point][channel][column]     += X[point][tile][channel] * D[point][tile][column]
 *
 *   dw[column][channel][kernel]    = transpose(G) S G
 *
 * A trip is a block of input channels by one of output channels, whose sums stay near; it goes
 * through all tiles, a block of them at a time. The order of each sum is that of the tiles,
 * whatever the blocks. What lies past the edge of x or dy is 0. */
#include "backend/product_weight.h"
#include "backend/winograd_transform.h"

#include "ir/blocking.h"
#include "ir/op_traits.h"
#include "support/bug.h"
#include "support/whole.h"

enum {
  MOST_ROWS = 14, /* of a register tile */
  MOST_TILES = 96,
  UNROLL = 4,
  MOST_CHANNELS = 128, /* of a block, */
  LEAST_CHANNELS = 16, /* if there are so many */
  LINE = 16,           /* floats of a cache line */
  X_SLOTS = 12, /* multiply-adds that take as long as to transform a number of x, for a point, */
  DY_SLOTS = 8, /* and of dy */
  MANY = 8      /* of what four threads take, so much less counts */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  Winograd axes[2];
  int points, taps;
  int64_t in, out;             /* channels, */
  int64_t in_block, out_block; /* and those of a trip */
  int64_t tiles;               /* of a block */
  int64_t x_plane, dy_plane;   /* floats from point to point */
  int rows, columns;           /* of a register tile */
  const Dim *map[3];           /* images, tiles down and across */
  LoopBuffer *x, *dy;  /* transformed: [point][tile, channel], and of dy [point][panel, tile,
                          column],  a panel being the columns of a register tile */
  LoopBuffer *sums;    /* [point][panel, channel, column] */
  LoopBuffer *kernels; /* of some columns: [channel, tap][column] */
  LoopExpr *channel, *channels, *padded; /* the trip's first one, how many, rounded up to lanes */
  LoopExpr *column, *end;                /* and of columns, rounded up to register tiles */
  LoopExpr *first, *count;               /* tiles, */
  LoopExpr *next, *all;                  /* the next block's first one, and how many there are */
} Weight;

/* ---- the plan ---- */

static void plan_registers(Weight *w) {
  const Target *target = w->l->target;
  int most = target->registers >= 32 ? 4 : 2, vectors = 1;
  while (vectors < most && w->out > vectors * target->lanes) vectors++;
  w->columns = vectors * target->lanes;
  int rows = (target->registers - vectors - target->registers / 8) / vectors;
  w->rows = rows > MOST_ROWS ? MOST_ROWS : rows;
}

/* Blocks that take the least time on one thread, two and four: each block of one side transforms
 * the other side again. */
static void plan_blocks(Weight *w) {
  double least = 0;
  for (int64_t in = MOST_CHANNELS; in >= LEAST_CHANNELS; in /= 2)
    for (int64_t out = MOST_CHANNELS; out >= LEAST_CHANNELS; out /= 2) {
      int64_t in_block = blocking_even_part(w->in, in, w->l->target->lanes);
      int64_t out_block = blocking_even_part(w->out, out, w->columns);
      int64_t trips = ceil_of(w->in, in_block) * ceil_of(w->out, out_block);
      double each = (double)(in_block * out_block);
      each += (double)(X_SLOTS * in_block + DY_SLOTS * out_block);
      double time = 0;
      for (int64_t threads = 1; threads <= 4; threads *= 2)
        time += each * (double)(ceil_of(trips, threads) * threads) / (threads > 2 ? MANY : 1);
      if (least > 0 && time >= least) continue;
      least = time, w->in_block = in_block, w->out_block = out_block;
    }
}

static void plan(Weight *w) {
  DimTable *dims = w->l->dims;
  const Type *dy = &w->op->operands[1]->type;
  plan_registers(w);
  plan_blocks(w);
  w->map[0] = dy->dims[0];
  for (int i = 0; i < 2; i++) {
    int64_t tile = w->axes[i].tile;
    const Dim *more = dim_add(dims, dy->dims[i + 1], dim_constant(dims, tile - 1));
    w->map[i + 1] = dim_floor(dims, more, tile);
  }
  const Dim *total = dim_mul(dims, dim_mul(dims, w->map[0], w->map[1]), w->map[2]);
  if (!total) bug("a size above 64 bits in '%s'", w->l->kernel->name);
  int64_t most = dim_max(total) < 1 ? 1 : dim_max(total);
  w->tiles = blocking_even_part(most, MOST_TILES, 1);
  w->x_plane = w->tiles * w->in_block + LINE; /* else points would share few sets of the cache */
  w->dy_plane = w->tiles * w->out_block + LINE;
}

/* ---- both axes of a transform ---- */

typedef void Transform(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y);
typedef LoopExpr *Get(void *user, LoopExpr *i, LoopExpr *j);
typedef void Put(void *user, LoopExpr *i, LoopExpr *j, LoopExpr *value);

/* Over few places, written out: what lies between the axes stays in registers then, and masks are
 * the same for all lanes. */
static LoopExpr *each_place(LoopKernel *k, const char *name, int count) {
  enum { FEW = 4 };
  LoopExpr *zero = loop_int(k, 0), *end = loop_int(k, count);
  return count <= FEW ? loop_each(k, name, zero, end) : loop_for(k, name, zero, end);
}

/* From [from, from] numbers, given by `get`, to [to, to], of `lanes`. */
static void both_axes(const Weight *w, Transform *transform, const int *from, const int *to,
                      int lanes, Get *get, Put *put, void *user) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *x[WINOGRAD_POINTS], *y[WINOGRAD_POINTS], *zero = loop_int(k, 0);
  LoopBuffer *between = NULL;
  if (w->axes[0].points > 1) {
    between = loop_stack(k, "between", LOOP_F32, 3, loop_int(k, to[0]), loop_int(k, from[1]),
                         loop_int(k, lanes));
    LoopExpr *j = each_place(k, "j", from[1]);
    for (int i = 0; i < from[0]; i++) x[i] = loop_let(k, "x", get(user, loop_int(k, i), j));
    transform(k, &w->axes[0], x, y);
    for (int i = 0; i < to[0]; i++)
      loop_store(k, loop_lanes(k, between, lanes, loop_int(k, i), j, zero), y[i]);
    loop_end(k);
  }
  LoopExpr *i = each_place(k, "i", to[0]);
  for (int j = 0; j < from[1]; j++) {
    LoopExpr *at = loop_int(k, j);
    x[j] = between ? loop_lanes(k, between, lanes, i, at, zero) : get(user, i, at);
    x[j] = loop_let(k, "x", x[j]);
  }
  transform(k, &w->axes[1], x, y);
  for (int j = 0; j < to[1]; j++) put(user, i, loop_int(k, j), y[j]);
  loop_end(k);
}

static void sizes_of(const Weight *w, int *points, int *tile, int *kernel) {
  for (int i = 0; i < 2; i++) {
    points[i] = w->axes[i].points, tile[i] = w->axes[i].tile;
    kernel[i] = w->axes[i].kernel;
  }
}

static LoopExpr *point_of(const Weight *w, LoopExpr *i, LoopExpr *j) {
  LoopKernel *k = w->l->kernel;
  return loop_add(k, loop_mul(k, i, loop_int(k, w->axes[1].points)), j);
}

/* ---- tiles of x and of dy ---- */

/* A tile of an image: numbers from (top, left) on, in lanes from `from` on. */
typedef struct {
  const Weight *w;
  LoopBuffer *image, *to;
  LoopExpr *n, *top, *left, *from, *tile;
  LoopExpr *height, *width; /* of the image where masks are needed; else NULL */
  LoopExpr *mask;           /* of the lanes; NULL: all */
  LoopExpr *lane;           /* the first one's place in the block, */
  int64_t block, panel;     /* of so many, that lie in panels of so many */
  int lanes;
} Input;

static LoopExpr *in_range(LoopKernel *k, LoopExpr *at, LoopExpr *end) {
  return loop_and(k, loop_ge(k, at, loop_int(k, 0)), loop_lt(k, at, end));
}

static LoopExpr *get_pixel(void *user, LoopExpr *i, LoopExpr *j) {
  const Input *in = user;
  LoopKernel *k = in->w->l->kernel;
  LoopExpr *line = loop_add(k, in->top, i), *pixel = loop_add(k, in->left, j), *mask = in->mask;
  LoopExpr *x = loop_lanes(k, in->image, in->lanes, in->n, line, pixel, in->from);
  if (in->height) {
    LoopExpr *inside = loop_and(k, in_range(k, line, in->height), in_range(k, pixel, in->width));
    inside = loop_splat(k, loop_let(k, "inside", inside), in->lanes);
    mask = mask ? loop_and(k, mask, inside) : inside;
  }
  return mask ? loop_where(x, mask) : x;
}

static void put_point(void *user, LoopExpr *i, LoopExpr *j, LoopExpr *value) {
  const Input *in = user;
  LoopKernel *k = in->w->l->kernel;
  LoopExpr *within = loop_mod(k, in->lane, loop_int(k, in->panel));
  LoopExpr *panel = loop_mul(k, loop_sub(k, in->lane, within), loop_int(k, in->w->tiles));
  LoopExpr *at = loop_add(k, loop_mul(k, in->tile, loop_int(k, in->panel)), within);
  if (in->panel < in->block) at = loop_add(k, panel, at);
  loop_store(k, loop_lanes(k, in->to, in->lanes, point_of(in->w, i, j), at), value);
}

/* All lanes of a block of one tile. */
static void input_lanes(Input *in, bool is_x) {
  const Weight *w = in->w;
  LoopKernel *k = w->l->kernel;
  int points[2], tile[2], kernel[2];
  sizes_of(w, points, tile, kernel);
  LoopExpr *zero = loop_int(k, 0);
  int64_t all = is_x ? w->in : w->out;
  LoopExpr *end = is_x ? w->padded : w->end, *first = is_x ? w->channel : w->column;
  in->lane = loop_for_step(k, "lane", zero, end, in->lanes);
  in->from = loop_let(k, "from", loop_add(k, first, in->lane));
  in->mask = NULL;
  if (all % (is_x ? in->lanes : w->columns))
    in->mask = loop_let(k, "own", loop_lt(k, loop_iota(k, in->from, in->lanes), loop_int(k, all)));
  both_axes(w, is_x ? winograd_input : winograd_tile, is_x ? points : tile, points, in->lanes,
            get_pixel, put_point, in);
  loop_end(k);
}

/* Tile number in->tile of the block, of x or dy; `size` is of the numbers that it takes along each
 * axis. */
static void input_tile(Input *in, bool is_x, const int *size) {
  const Weight *w = in->w;
  LoopKernel *k = w->l->kernel;
  const Type *type = &w->op->operands[is_x ? 0 : 1]->type;
  LoopExpr *at[3], *zero = loop_int(k, 0), *corner[2];
  index_split(k, loop_let(k, "number", loop_add(k, w->first, in->tile)), w->map, 3, at);
  bool fits = true;
  for (int i = 0; i < 2; i++) {
    int64_t before = is_x ? op_pair_integer(w->op, ATTRIBUTE_pad, i, 0) : 0;
    LoopExpr *place = loop_mul(k, at[i + 1], loop_int(k, w->axes[i].tile));
    corner[i] = loop_let(k, "from", loop_sub(k, place, loop_int(k, before)));
    const Dim *all = type->dims[i + 1];
    fits = fits && !is_x && dim_is_constant(all) && dim_value(all) % size[i] == 0;
  }
  in->n = at[0], in->top = corner[0], in->left = corner[1];
  in->height = in->width = NULL;
  LoopExpr *height = dim_expr(k, type->dims[1]), *width = dim_expr(k, type->dims[2]);
  if (!fits) {
    LoopExpr *below = loop_le(k, in->top, loop_sub(k, height, loop_int(k, size[0])));
    LoopExpr *right = loop_le(k, in->left, loop_sub(k, width, loop_int(k, size[1])));
    LoopExpr *inside = loop_and(k, loop_ge(k, in->top, zero), loop_ge(k, in->left, zero));
    loop_if(k, loop_and(k, inside, loop_and(k, below, right)));
  }
  input_lanes(in, is_x);
  if (fits) return;
  loop_otherwise(k);
  in->height = height, in->width = width;
  input_lanes(in, is_x);
  loop_end(k);
}

static void input_block(const Weight *w, bool is_x) {
  LoopKernel *k = w->l->kernel;
  int points[2], tile[2], kernel[2];
  sizes_of(w, points, tile, kernel);
  Input in = {.w = w,
              .image = region_buffer(w->r, w->op->operands[is_x ? 0 : 1]),
              .to = is_x ? w->x : w->dy,
              .block = is_x ? w->in_block : w->out_block,
              .panel = is_x ? w->in_block : w->columns,
              .lanes = w->l->target->lanes};
  in.tile = loop_for(k, "t", loop_int(k, 0), w->count);
  input_tile(&in, is_x, is_x ? points : tile);
  loop_end(k);
}

/* ---- products ---- */

/* Reads or writes the sums of a register tile. */
static void each_sum(const Weight *w, LoopExpr *acc, LoopExpr *point, LoopExpr *first,
                     LoopExpr *count, LoopExpr *column, bool store) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *row = loop_each(k, "r", loop_int(k, 0), count);
  LoopExpr *at = loop_mul(k, loop_add(k, first, row), loop_int(k, w->columns));
  at = loop_add(k, loop_mul(k, column, loop_int(k, w->in_block)), at);
  LoopExpr *sum = loop_lanes(k, w->sums, w->columns, point, at);
  if (store)
    loop_store(k, sum, loop_row(k, acc, row));
  else
    loop_set(k, loop_row(k, acc, row), sum);
  loop_end(k);
}

/* Fetches a pixel's channels of the trip. */
static void fetch_pixel(const Weight *w, bool is_x, LoopExpr *const *at) {
  LoopKernel *k = w->l->kernel;
  LoopBuffer *image = region_buffer(w->r, w->op->operands[is_x ? 0 : 1]);
  int64_t block = is_x ? w->in_block : w->out_block;
  LoopExpr *line = loop_each(k, "line", loop_int(k, 0), loop_int(k, ceil_of(block, LINE)));
  LoopExpr *from = loop_add(k, is_x ? w->channel : w->column, loop_mul(k, line, loop_int(k, LINE)));
  loop_prefetch(k, loop_element(k, image, at[0], at[1], at[2], from));
  loop_end(k);
}

/* While the last points are multiplied, what the next block of tiles sees and the ones before have
 * not is fetched, a pixel of x and of dy for each register tile: maps come from memory. */
static void fetch_ahead(const Weight *w, LoopExpr *point, LoopExpr *column, LoopExpr *first) {
  LoopKernel *k = w->l->kernel;
  int64_t each = w->axes[0].tile * w->axes[1].tile, rows = ceil_of(w->in_block, w->rows);
  int64_t steps = w->out_block / w->columns * rows, points = ceil_of(w->tiles * each, steps);
  LoopExpr *step = loop_sub(k, point, loop_int(k, w->points - points)); /* may be below 0 */
  LoopExpr *panel = loop_div(k, column, loop_int(k, w->columns));
  step = loop_add(k, loop_mul(k, step, loop_int(k, steps)), loop_mul(k, panel, loop_int(k, rows)));
  step = loop_let(k, "step", loop_add(k, step, loop_div(k, first, loop_int(k, w->rows))));
  LoopExpr *tile = loop_let(k, "tile", loop_add(k, w->next, loop_div(k, step, loop_int(k, each))));
  loop_if(k, loop_and(k, loop_ge(k, step, loop_int(k, 0)), loop_lt(k, tile, w->all)));
  LoopExpr *number = loop_let(k, "pixel", loop_mod(k, step, loop_int(k, each)));
  LoopExpr *at[3], *to[3], *across = loop_int(k, w->axes[1].tile);
  index_split(k, tile, w->map, 3, at);
  LoopExpr *within[] = {loop_div(k, number, across), loop_mod(k, number, across)};
  to[0] = at[0];
  for (int i = 0; i < 2; i++) {
    at[i + 1] = loop_mul(k, at[i + 1], loop_int(k, w->axes[i].tile));
    at[i + 1] = loop_let(k, "at", loop_add(k, at[i + 1], within[i]));
    int64_t more = w->axes[i].kernel - 1 - op_pair_integer(w->op, ATTRIBUTE_pad, i, 0);
    to[i + 1] = loop_add(k, at[i + 1], loop_int(k, more));
  }
  fetch_pixel(w, true, to);
  fetch_pixel(w, false, at);
  loop_end(k);
}

static void multiply(const Weight *w) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *count;
  LoopExpr *point = loop_for(k, "point", zero, loop_int(k, w->points));
  LoopExpr *column = loop_for_step(k, "o", zero, w->end, w->columns);
  LoopExpr *first = loop_for_tail(k, "c", zero, w->channels, w->rows, &count);
  fetch_ahead(w, point, column, first);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, w->rows, w->columns, loop_number(k, 0));
  each_sum(w, acc, point, first, count, column, false);
  LoopExpr *t = loop_for_unroll(k, "t", zero, w->count, UNROLL);
  LoopExpr *from = loop_mul(k, column, loop_int(k, w->tiles));
  from = loop_add(k, from, loop_mul(k, t, loop_int(k, w->columns)));
  LoopExpr *v = loop_let(k, "v", loop_lanes(k, w->dy, w->columns, point, from));
  LoopExpr *row = loop_each(k, "r", zero, count), *a = loop_row(k, acc, row);
  from = loop_add(k, loop_mul(k, t, loop_int(k, w->in_block)), loop_add(k, first, row));
  loop_set(k, a, loop_fma(k, loop_element(k, w->x, point, from), v, a));
  loop_end(k);
  loop_end(k);
  each_sum(w, acc, point, first, count, column, true);
  for (int n = 0; n < 3; n++) loop_end(k);
}

static void clear_sums(const Weight *w) {
  LoopKernel *k = w->l->kernel;
  int lanes = w->l->target->lanes;
  LoopExpr *point = loop_for(k, "point", loop_int(k, 0), loop_int(k, w->points));
  LoopExpr *all = loop_int(k, w->in_block * w->out_block);
  LoopExpr *at = loop_for_step(k, "at", loop_int(k, 0), all, lanes);
  loop_store(k, loop_lanes(k, w->sums, lanes, point, at), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
}

/* ---- the kernels ---- */

typedef struct {
  const Weight *w;
  LoopExpr *channel, *column, *lane; /* lane: among the columns that are stored together */
} Output;

static LoopExpr *get_sum(void *user, LoopExpr *i, LoopExpr *j) {
  const Output *o = user;
  const Weight *w = o->w;
  LoopKernel *k = w->l->kernel;
  LoopExpr *at = loop_mul(k, o->column, loop_int(k, w->in_block));
  at = loop_add(k, at, loop_mul(k, o->channel, loop_int(k, w->columns)));
  at = loop_add(k, at, o->lane);
  return loop_lanes(k, w->sums, w->l->target->lanes, point_of(w, i, j), at);
}

static void put_tap(void *user, LoopExpr *i, LoopExpr *j, LoopExpr *value) {
  const Output *o = user;
  const Weight *w = o->w;
  LoopKernel *k = w->l->kernel;
  LoopExpr *tap = loop_add(k, loop_mul(k, i, loop_int(k, w->axes[1].kernel)), j);
  LoopExpr *row = loop_add(k, loop_mul(k, o->channel, loop_int(k, w->taps)), tap);
  loop_store(k, loop_lanes(k, w->kernels, w->l->target->lanes, row, o->lane), value);
}

static void output_block(const Weight *w) {
  LoopKernel *k = w->l->kernel;
  int points[2], tile[2], kernel[2], lanes = w->l->target->lanes;
  sizes_of(w, points, tile, kernel);
  LoopExpr *zero = loop_int(k, 0), *taps = loop_int(k, w->taps);
  Output o = {.w = w};
  o.column = loop_for_step(k, "o", zero, w->end, w->columns);
  o.channel = loop_for(k, "c", zero, w->channels);
  o.lane = loop_for_step(k, "lane", zero, loop_int(k, w->columns), lanes);
  both_axes(w, winograd_taps, points, kernel, lanes, get_sum, put_tap, &o);
  loop_end(k);
  loop_end(k);
  LoopExpr *column = loop_let(k, "column", loop_add(k, w->column, o.column));
  weight_store(&(WeightStore){.l = w->l,
                              .r = w->r,
                              .op = w->op,
                              .sums = w->kernels,
                              .columns = w->columns,
                              .out = w->out,
                              .row = w->in * w->taps,
                              .column = column,
                              .within = column,
                              .first = loop_let(k, "at", loop_mul(k, w->channel, taps)),
                              .count = loop_let(k, "rows", loop_mul(k, w->channels, taps))});
  loop_end(k);
}

/* ---- all together ---- */

/* How much of `all` a block has from `first` on. */
static LoopExpr *part_of(LoopKernel *k, int64_t all, int64_t block, LoopExpr *first) {
  if (all % block == 0) return loop_int(k, block);
  LoopExpr *left = loop_sub(k, loop_int(k, all), first);
  return loop_let(k, "some", loop_min(k, left, loop_int(k, block)));
}

static LoopExpr *rounded_up(LoopKernel *k, LoopExpr *size, int64_t by) {
  LoopExpr *parts = loop_div(k, loop_add(k, size, loop_int(k, by - 1)), loop_int(k, by));
  return loop_let(k, "end", loop_mul(k, parts, loop_int(k, by)));
}

static void each_trip(Weight *w) {
  LoopKernel *k = w->l->kernel;
  DimTable *dims = w->l->dims;
  const Dim *split[] = {dim_constant(dims, ceil_of(w->out, w->out_block)),
                        dim_constant(dims, ceil_of(w->in, w->in_block))};
  w->l->trips = dim_mul(dims, split[0], split[1]);
  w->l->grain = 1;
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, w->l->trips)), *at[2], *zero = loop_int(k, 0);
  index_split(k, trip, split, 2, at);
  w->column = loop_let(k, "column", loop_mul(k, at[0], loop_int(k, w->out_block)));
  w->channel = loop_let(k, "channel", loop_mul(k, at[1], loop_int(k, w->in_block)));
  w->channels = part_of(k, w->in, w->in_block, w->channel);
  w->padded = rounded_up(k, w->channels, w->l->target->lanes);
  w->end = rounded_up(k, part_of(k, w->out, w->out_block, w->column), w->columns);
  clear_sums(w);
  LoopExpr *all = w->all = loop_let(k, "all", dims_product(k, w->map, 3));
  LoopExpr *most = loop_int(k, w->tiles);
  LoopExpr *blocks = loop_div(k, loop_add(k, all, loop_int(k, w->tiles - 1)), most);
  LoopExpr *block = loop_for(k, "b", zero, blocks);
  w->first = loop_let(k, "first", loop_mul(k, block, most));
  w->count = loop_let(k, "count", loop_min(k, most, loop_sub(k, all, w->first)));
  w->next = loop_let(k, "next", loop_add(k, w->first, most));
  input_block(w, true);
  input_block(w, false);
  multiply(w);
  loop_end(k);
  output_block(w);
  loop_end(k);
}

bool product_weight_winograd(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_weight || !conv_weight_is_winograd(op) || r->block) return false;
  const Type *x = &op->operands[0]->type, *dy = &op->operands[1]->type;
  if (x->rank != 4 || x->element != ELEMENT_f32 || dy->element != ELEMENT_f32 ||
      !op_is_channels_last(op) || !dim_is_constant(x->dims[3]) || !dim_is_constant(dy->dims[3]))
    return false;
  Weight w = {.l = l, .r = r, .op = op, .points = 1, .taps = 1};
  for (int i = 0; i < 2; i++) {
    if (!winograd_find(op_list_integer(op, ATTRIBUTE_tile, i),
                       op_list_integer(op, ATTRIBUTE_kernel, i), 1, &w.axes[i]))
      bug("no tile of Winograd's algorithm in '%s'", l->kernel->name);
    w.points *= w.axes[i].points, w.taps *= w.axes[i].kernel;
  }
  w.in = dim_value(x->dims[3]), w.out = dim_value(dy->dims[3]);
  if (w.in == 0 || w.out == 0) return false;
  plan(&w);
  LoopKernel *k = l->kernel;
  l->algorithm = arena_format(k->arena, "winograd %dx%d", w.axes[0].tile, w.axes[1].tile);
  r->lanes = l->target->lanes;
  LoopExpr *points = loop_int(k, w.points);
  int64_t sums = w.in_block * w.out_block, rows = w.in_block * w.taps;
  w.x = loop_scratch(k, "x_points", LOOP_F32, 2, points, loop_int(k, w.x_plane));
  w.dy = loop_scratch(k, "dy_points", LOOP_F32, 2, points, loop_int(k, w.dy_plane));
  w.sums = loop_scratch(k, "sums", LOOP_F32, 2, points, loop_int(k, sums + LINE));
  w.kernels = loop_scratch(k, "kernels", LOOP_F32, 2, loop_int(k, rows + l->target->lanes),
                           loop_int(k, w.columns));
  each_trip(&w);
  return true;
}
