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
#include "backend/winograd_tiles.h"
#include "backend/winograd_transform.h"

#include "support/bug.h"

enum { UNROLL = 4 };

/* ---- tiles ---- */

typedef struct {
  LoopExpr *n, *top, *left; /* the first pixel of the tile in the result */
} Corner;

/* Of the tile in the block's row `row`, which is of this kind. */
static Corner place_of(const Tiles *b, const TileKind *kind, LoopExpr *row) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *at[3], *corner[2];
  LoopExpr *tile = loop_sub(k, loop_add(k, b->first, row), dim_expr(k, kind->before));
  index_split(k, loop_let(k, "tile", tile), kind->map, 3, at);
  for (int i = 0; i < 2; i++) {
    int size = b->work.axes[i].tile;
    const Dim *made = b->op->results[0]->type.dims[i + 1];
    corner[i] = kind->last[i]
                    ? loop_int(k, dim_value(made) / size * size)
                    : loop_let(k, i ? "left" : "top", loop_mul(k, at[i + 1], loop_int(k, size)));
  }
  return (Corner){at[0], corner[0], corner[1]};
}

/* NULL: always. */
static LoopExpr *in_range(LoopKernel *k, LoopExpr *at, LoopExpr *end) {
  int64_t place, size;
  if (loop_is_int(at, &place) && loop_is_int(end, &size) && place >= 0 && place < size) return NULL;
  return loop_and(k, loop_ge(k, at, loop_int(k, 0)), loop_lt(k, at, end));
}

/* One row or column of numbers, each made by `get`. */
typedef struct {
  const Tiles *b;
  const TileKind *kind;
  LoopBuffer *buffer;
  LoopExpr *n, *top, *left, *channel;
  LoopExpr *height, *width; /* of x, where masks are needed; else NULL */
  int lanes;
} Input;

static LoopExpr *input_pixel(const Input *in, LoopExpr *i, LoopExpr *j) {
  LoopKernel *k = in->b->l->kernel;
  LoopExpr *line = loop_add(k, in->top, i), *pixel = loop_add(k, in->left, j);
  LoopExpr *x = loop_lanes(k, in->buffer, in->lanes, in->n, line, pixel, in->channel);
  if (in->b->work.few) x = loop_below(x, loop_int(k, in->b->work.channels));
  if (in->height) {
    LoopExpr *inside = in_range(k, line, in->height), *within = in_range(k, pixel, in->width);
    inside = inside && within ? loop_and(k, inside, within) : inside ? inside : within;
    if (inside) x = loop_where(x, loop_splat(k, loop_let(k, "inside", inside), in->lanes));
  }
  return loop_let(k, "x", x);
}

/* Goes through a side of a tile; a short one is written out, and what is between stays in
 * registers. */
static LoopExpr *side(const Tiles *b, const char *name, LoopExpr *end) {
  enum { FEW_POINTS = 4 };
  LoopKernel *k = b->l->kernel;
  bool few = b->work.axes[0].points <= FEW_POINTS && b->work.axes[1].points <= FEW_POINTS;
  int64_t number;
  few = few && loop_is_int(end, &number);
  return few ? loop_each(k, name, loop_int(k, 0), end) : loop_for(k, name, loop_int(k, 0), end);
}

/* Which of the whole tile's points along an axis point i is. */
static LoopExpr *point_at(const Tiles *b, const Winograd *axis, LoopExpr *i) {
  LoopKernel *k = b->l->kernel;
  int last = axis->points - 1;
  LoopExpr *at = loop_add(k, i, loop_int(k, axis->at[last] - last));
  for (int j = last; j > 0; j--) { /* an edge's lie in runs */
    int apart = axis->at[j - 1] - (j - 1);
    if (apart == axis->at[j] - j) continue;
    at = loop_select(k, loop_lt(k, i, loop_int(k, j)), loop_add(k, i, loop_int(k, apart)), at);
  }
  return axis->at[last] == last ? i : loop_let(k, "at", at);
}

/* The first point of line i of a tile. */
static LoopExpr *point_line(const Tiles *b, const Winograd *down, LoopExpr *i) {
  return loop_mul(b->l->kernel, point_at(b, down, i),
                  loop_int(b->l->kernel, b->work.axes[1].points));
}

/* Stores the transformed points of a tile, for some channels. */
static void input_tile(const Tiles *b, const Input *in, LoopExpr *row) {
  LoopKernel *k = b->l->kernel;
  const Winograd *down = in->kind->axes[0], *across = in->kind->axes[1];
  LoopExpr *x[WINOGRAD_POINTS], *y[WINOGRAD_POINTS], *zero = loop_int(k, 0);
  LoopBuffer *between = NULL;
  if (down->points > 1 && !b->work.direct) {
    between = loop_stack(k, "between", LOOP_F32, 3, loop_int(k, down->points),
                         loop_int(k, across->seen), loop_int(k, in->lanes));
    LoopExpr *j = side(b, "j", loop_int(k, across->seen));
    for (int i = 0; i < down->seen; i++) x[i] = input_pixel(in, loop_int(k, i), j);
    winograd_input(k, down, x, y);
    for (int i = 0; i < down->points; i++)
      loop_store(k, loop_lanes(k, between, in->lanes, loop_int(k, i), j, zero), y[i]);
    loop_end(k);
  }
  LoopExpr *i = side(b, "i", loop_int(k, down->points));
  for (int j = 0; j < across->seen; j++)
    x[j] = between ? loop_let(k, "x", loop_lanes(k, between, in->lanes, i, loop_int(k, j), zero))
                   : input_pixel(in, i, loop_int(k, j));
  winograd_input(k, across, x, y);
  LoopExpr *line = point_line(b, down, i);
  for (int j = 0; j < across->points; j++) {
    LoopExpr *point = loop_add(k, line, loop_int(k, across->at[j]));
    if (b->work.direct) /* a point's lines lie side by side: they are its sum's terms */
      point = loop_add(k, i, loop_int(k, (int64_t)across->at[j] * b->work.lines));
    LoopExpr *at = loop_mul(k, point, loop_int(k, b->work.room));
    if (!b->work.few) at = loop_add(k, at, in->channel);
    loop_store(k, loop_lanes(k, b->in, in->lanes, row, at), y[j]);
  }
  loop_end(k);
}

static void input_channels(const Tiles *b, Input *in, LoopExpr *row) {
  LoopKernel *k = b->l->kernel;
  in->channel = loop_int(k, 0);
  if (!b->work.few)
    in->channel = loop_for_lanes(k, "c", in->channel, loop_int(k, b->work.channels), in->lanes);
  input_tile(b, in, row);
  if (!b->work.few) loop_end(k);
}

/* Transforms what the tiles of a kind see. */
static void input_kind(const Tiles *b, const TileKind *kind) {
  LoopKernel *k = b->l->kernel;
  const Value *x = b->op->operands[0];
  LoopExpr *zero = loop_int(k, 0), *from[2], *whole[2];
  LoopExpr *row = loop_for(k, "t", kind->begin, kind->end);
  Corner place = place_of(b, kind, row);
  Input in = {.b = b,
              .kind = kind,
              .buffer = b->x,
              .n = place.n,
              .lanes = b->work.few ? b->work.few : b->l->target->lanes};
  for (int i = 0; i < 2; i++) {
    int64_t pad = op_pair_integer(b->op, ATTRIBUTE_pad, i, 0);
    from[i] = loop_mul(k, i ? place.left : place.top, loop_int(k, b->work.axes[i].stride));
    from[i] = loop_sub(k, from[i], loop_int(k, pad));
    if (!kind->last[i]) from[i] = loop_let(k, "from", from[i]);
    LoopExpr *most =
        loop_sub(k, dim_expr(k, x->type.dims[i + 1]), loop_int(k, kind->axes[i]->seen));
    whole[i] = loop_and(k, loop_ge(k, from[i], zero), loop_le(k, from[i], most));
  }
  in.top = from[0], in.left = from[1];
  bool edge = kind->last[0] || kind->last[1]; /* most of these see what is outside */
  if (!edge) {
    loop_if(k, loop_and(k, whole[0], whole[1]));
    input_channels(b, &in, row);
    loop_otherwise(k);
  }
  in.height = dim_expr(k, x->type.dims[1]), in.width = dim_expr(k, x->type.dims[2]);
  input_channels(b, &in, row);
  if (!edge) loop_end(k);
  loop_end(k);
}

static void input_block(const Tiles *b) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *rows = loop_int(k, b->tile.rows);
  for (int i = 0; i < b->kind_count; i++) input_kind(b, &b->kinds[i]);
  /* Rows that no tile has. */
  LoopExpr *past = loop_add(k, b->count, loop_int(k, b->tile.rows - 1));
  if (b->kind_count == 1) past = loop_mul(k, loop_div(k, past, rows), rows);
  LoopExpr *row = loop_for(k, "t", b->count, loop_let(k, "past", past));
  LoopExpr *at =
      loop_for_lanes(k, "c", zero, loop_int(k, b->work.lines * b->work.points * b->work.room),
                     b->l->target->lanes);
  loop_store(k, loop_lanes(k, b->in, b->l->target->lanes, row, at), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
}

/* ---- products ---- */

/* The next matrix of w comes from memory while this one is used: each register tile fetches a part
 * of it, a row for each few channels. Few tiles fetch more each: `pace` rows in a step, in parts of
 * 2^PACE_BITS. None is left out: memory would be slow to find the walk again. */
enum { PACE_BITS = 12, FLOATS_OF_LINE = 16 };

static LoopExpr *fetch_pace(const Tiles *b, LoopExpr *begin, LoopExpr *end) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *tiles = loop_div(k, loop_sub(k, end, begin), loop_int(k, b->tile.rows));
  tiles = loop_max(k, loop_int(k, 1), loop_min(k, tiles, loop_int(k, UNROLL)));
  LoopExpr *whole = loop_int(k, (int64_t)UNROLL << PACE_BITS);
  return loop_let(k, "pace", loop_div(k, whole, tiles));
}

static void fetch(const Tiles *b, LoopExpr *panel, LoopExpr *of, LoopExpr *row, LoopExpr *channel,
                  LoopExpr *pace) {
  LoopKernel *k = b->l->kernel;
  int64_t matrix = b->work.channels * b->work.columns;
  LoopBuffer *flat = loop_view(k, region_buffer(b->r, b->op->operands[1]), "next", LOOP_F32, 1,
                               loop_int(k, b->work.panels * b->work.matrices * matrix));
  LoopExpr *next = loop_add(k, loop_mul(k, panel, loop_int(k, b->work.matrices)), of);
  LoopExpr *at = loop_mul(k, loop_add(k, next, loop_int(k, 1)), loop_int(k, matrix));
  LoopExpr *tile = loop_div(k, row, loop_int(k, b->tile.rows));
  LoopExpr *step = loop_mul(k, tile, loop_int(k, b->work.channels / UNROLL));
  step = loop_add(k, step, loop_div(k, channel, loop_int(k, UNROLL)));
  step = loop_binary(k, LOOP_SHR, loop_mul(k, step, pace), loop_int(k, PACE_BITS));
  at = loop_let(k, "ahead", loop_add(k, at, loop_mul(k, step, loop_int(k, b->work.columns))));
  int64_t tiles = b->tiles / b->tile.rows, most = (UNROLL + tiles - 1) / tiles;
  if (most < 2 && b->kind_count > 1) most = 2;
  for (int64_t i = 0; i < most * b->work.columns; i += FLOATS_OF_LINE)
    loop_prefetch(k, loop_element(k, flat, loop_add(k, at, loop_int(k, i))));
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

/* The matrix of w that a point is multiplied by. */
static LoopExpr *matrix_of(const Tiles *b, LoopExpr *point) {
  LoopKernel *k = b->l->kernel;
  if (b->work.points * b->work.lines == b->work.matrices) return point;
  if (b->work.direct) return winograd_weight_of(k, &b->work.axes[1], point);
  LoopExpr *across = loop_int(k, b->work.axes[1].points);
  LoopExpr *down = winograd_weight_of(k, &b->work.axes[0], loop_div(k, point, across));
  LoopExpr *right = winograd_weight_of(k, &b->work.axes[1], loop_mod(k, point, across));
  LoopExpr *of = loop_mul(k, down, loop_int(k, b->work.axes[1].weights));
  return loop_let(k, "matrix", loop_add(k, of, right));
}

/* sums = points * w for the panels from `panel` on. */
static void multiply(const Tiles *b, LoopExpr *panel) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *p = panel, *g = zero, *part = zero;
  int wide = (int)b->tile.columns;
  LoopBuffer *w = loop_view(k, region_buffer(b->r, b->op->operands[1]), "w", LOOP_F32, 4,
                            loop_int(k, b->work.panels), loop_int(k, b->work.matrices),
                            loop_int(k, b->work.channels), loop_int(k, b->work.columns));
  LoopExpr *point = loop_for(k, "point", zero, loop_int(k, b->work.points)),
           *of = matrix_of(b, point);
  if (b->group > 1) {
    g = loop_for(k, "g", zero, loop_int(k, b->group));
    p = loop_add(k, panel, g);
  }
  if (wide < b->work.columns)
    part = loop_for_step(k, "part", zero, loop_int(k, b->work.columns), wide);
  LoopExpr *from =
      loop_let(k, "from", loop_mul(k, point, loop_int(k, b->work.lines * b->work.room)));
  LoopExpr *to = loop_add(k, loop_mul(k, point, loop_int(k, b->group)), g);
  to = loop_let(k, "to", loop_add(k, loop_mul(k, to, loop_int(k, b->work.columns)), part));
  LoopExpr *begin, *end;
  tiles_of_point(b, point, &begin, &end);
  LoopExpr *pace = fetch_pace(b, begin, end);
  LoopExpr *first = loop_for_step(k, "t", begin, end, b->tile.rows);
  LoopExpr *acc = tile_sums(&b->tile, 1), *rows = loop_int(k, b->tile.rows);
  bool ahead = b->work.ahead && b->work.channels % UNROLL == 0 && !b->work.direct;
  LoopExpr *c;
  if (b->work.direct) { /* a line of the kernel after the other */
    LoopExpr *line = loop_for(k, "line", zero, loop_int(k, b->work.lines));
    of = loop_add(k, of, loop_mul(k, line, loop_int(k, b->work.axes[1].weights)));
    from = loop_add(k, from, loop_mul(k, line, loop_int(k, b->work.room)));
    if (b->work.channels <= UNROLL)
      c = loop_each(k, "k", zero, loop_int(k, b->work.channels));
    else
      c = loop_for_unroll(k, "k", zero, loop_int(k, b->work.channels), UNROLL);
  } else if (ahead) {
    LoopExpr *four = loop_for_step(k, "k", zero, loop_int(k, b->work.channels), UNROLL);
    fetch(b, p, of, loop_sub(k, first, begin), four, pace);
    c = loop_add(k, four, loop_each(k, "u", zero, loop_int(k, UNROLL)));
  } else {
    c = loop_for_unroll(k, "k", zero, loop_int(k, b->work.channels), UNROLL);
  }
  Points points = {b, first, loop_add(k, from, c)};
  tile_accumulate(&b->tile, acc, 0, rows, loop_lanes(k, w, wide, p, of, c, part), point_of,
                  &points);
  if (ahead || b->work.direct) loop_end(k);
  loop_end(k);
  LoopExpr *row = loop_each(k, "r", zero, rows);
  loop_store(k, loop_lanes(k, b->sums, wide, loop_add(k, first, row), to), loop_row(k, acc, row));
  loop_end(k);
  loop_end(k);
  if (wide < b->work.columns) loop_end(k);
  if (b->group > 1) loop_end(k);
  loop_end(k);
}

/* ---- the result ---- */

typedef struct {
  const Tiles *b;
  const TileKind *kind;
  Corner place;
  LoopExpr *column; /* the first lane's channel */
} Output;

/* Are all tiles of the kind whole along an axis? */
static bool fills(const Tiles *b, int axis) {
  const Dim *size = b->op->results[0]->type.dims[axis + 1];
  if (b->has_edge[axis]) return true;
  return dim_is_constant(size) && dim_value(size) % b->work.axes[axis].tile == 0;
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
  int tile = o->kind->axes[1]->tile, lanes = b->r->lanes;
  if (fills(b, 1) && !tile_is_costly(b->l->op)) {
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

/* The pixels of a tile of this kind for the panels from `panel` on. */
static void output_tile(const Tiles *b, const TileKind *kind, LoopExpr *panel, LoopExpr *row) {
  LoopKernel *k = b->l->kernel;
  const Winograd *down = kind->axes[0], *across = kind->axes[1];
  const Type *out = &b->op->results[0]->type;
  int lanes = b->r->lanes;
  LoopExpr *x[WINOGRAD_POINTS], *y[WINOGRAD_POINTS], *zero = loop_int(k, 0);
  Output o = {.b = b, .kind = kind, .place = place_of(b, kind, row)};
  LoopExpr *pixels[2];
  for (int i = 0; i < 2; i++) {
    LoopExpr *whole = loop_int(k, kind->axes[i]->tile);
    LoopExpr *left = loop_sub(k, dim_expr(k, out->dims[i + 1]), i ? o.place.left : o.place.top);
    pixels[i] = fills(b, i) ? whole : loop_let(k, i ? "width" : "height", loop_min(k, left, whole));
  }
  LoopExpr *g = b->group > 1 ? loop_for(k, "g", zero, loop_int(k, b->group)) : zero;
  LoopExpr *column = loop_mul(k, loop_add(k, panel, g), loop_int(k, b->work.columns));
  LoopExpr *end = loop_int(k, b->work.columns);
  if (b->size % b->work.columns)
    end = loop_let(k, "end", loop_min(k, end, loop_sub(k, loop_int(k, b->size), column)));
  LoopExpr *q = loop_for_lanes(k, "q", zero, end, lanes);
  o.column = loop_add(k, column, q);
  LoopExpr *from = loop_add(k, loop_mul(k, g, loop_int(k, b->work.columns)), q);
  int64_t apart = b->group * b->work.columns; /* from point to point */
  LoopBuffer *between = NULL;
  if (down->points > 1 && !b->work.direct) {
    between = loop_stack(k, "between", LOOP_F32, 3, loop_int(k, down->tile),
                         loop_int(k, across->points), loop_int(k, lanes));
    LoopExpr *j = side(b, "j", loop_int(k, across->points));
    for (int i = 0; i < down->points; i++) {
      LoopExpr *point =
          loop_add(k, point_at(b, across, j), loop_int(k, down->at[i] * b->work.axes[1].points));
      LoopExpr *at = loop_add(k, loop_mul(k, point, loop_int(k, apart)), from);
      x[i] = loop_let(k, "x", loop_lanes(k, b->sums, lanes, row, at));
    }
    winograd_output(k, down, x, y);
    for (int i = 0; i < down->tile; i++)
      loop_store(k, loop_lanes(k, between, lanes, loop_int(k, i), j, zero), y[i]);
    loop_end(k);
  }
  LoopExpr *i = side(b, "line", pixels[0]);
  for (int j = 0; j < across->points; j++) {
    LoopExpr *at = loop_add(k, from, loop_int(k, across->at[j] * apart));
    x[j] = between ? loop_lanes(k, between, lanes, i, loop_int(k, j), zero)
                   : loop_lanes(k, b->sums, lanes, row, at);
    x[j] = loop_let(k, "x", x[j]);
  }
  winograd_output(k, across, x, y);
  finish_line(&o, i, pixels[1], y);
  loop_end(k);
  loop_end(k);
  if (b->group > 1) loop_end(k);
}

/* ---- all together ---- */

static void go_through_blocks(Tiles *b) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *at[2], *ready = NULL;
  if (b->splits > 1) ready = loop_var(k, "ready", LOOP_I64, 1, loop_int(k, -1));
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, b->l->trips));
  index_split(k, trip, (const Dim *[]){b->blocks, dim_constant(b->l->dims, b->splits)}, 2, at);
  tiles_begin_block(b, at[0]);
  tiles_open_block(b);
  if (ready) loop_if(k, loop_ne(k, ready, at[0]));
  input_block(b);
  if (ready) {
    loop_set(k, ready, at[0]);
    loop_end(k);
  }
  LoopExpr *begin, *end;
  tiles_split(b, at[1], &begin, &end);
  LoopExpr *panel = loop_for_step(k, "panel", begin, end, (int)b->group);
  multiply(b, panel);
  for (int i = 0; i < b->kind_count; i++) {
    LoopExpr *row = loop_for(k, "t", b->kinds[i].begin, b->kinds[i].end);
    output_tile(b, &b->kinds[i], panel, row);
    loop_end(k);
  }
  loop_end(k);
  loop_end(k);
}

bool product_winograd(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_conv_winograd) return false;
  Tiles b = {.l = l, .r = r, .op = product, .size = op_integer(product, ATTRIBUTE_size)};
  if (!tiles_work(&b)) return false;
  const WinogradWork *w = &b.work;
  b.tile = tile_open(l, r, product, w->wide, b.size);
  tiles_plan(&b);
  l->algorithm = arena_format(l->kernel->arena, "winograd %lldx%lld", (long long)w->axes[0].tile,
                              (long long)w->axes[1].tile);
  r->lanes = l->target->lanes;
  LoopKernel *k = l->kernel;
  b.x = region_buffer(r, product->operands[0]);
  b.in = loop_scratch(k, "points", LOOP_F32, 2, loop_int(k, tiles_rows(&b)),
                      loop_int(k, w->lines * w->points * w->room + 16));
  int64_t sums = w->points * b.group * w->columns;
  if (sums % 128 == 0) sums += 16; /* the same of a point's, tile by tile */
  b.sums = loop_scratch(k, "sums", LOOP_F32, 2, loop_int(k, tiles_rows(&b)), loop_int(k, sums));
  go_through_blocks(&b);
  return true;
}
