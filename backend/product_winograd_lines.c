/* product_winograd_lines.c - conv_winograd {tile=[m,1]}: Winograd's algorithm down the lines of an
 * image of few channels, and a direct sum along them.
 *
 * Transforming both axes costs more than it saves where few channels are summed. Here the lines
 * that m lines of the result see are transformed once, as they lie, whole vectors whatever the
 * channels; each point is a line that is convolved directly, and its sums stay near:
 *
 *   lines[point][W * C]          = B x, of m + KH - 1 lines
 *   sums[point][pixel][columns]  = sum over KW * C places of lines[point][pixel + place] * w
 *   y[m lines][pixel][columns]   = A sums, and what is fused
 *
 * A trip is m lines of the result. Its pixels go by in blocks whose sums stay in L1. */
#include "backend/product_panel.h"
#include "backend/winograd_transform.h"

#include "ir/blocking.h"
#include "support/whole.h"

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  Winograd down;
  Tile tile;
  int64_t channels, run;           /* of x; places of a sum: KW * C */
  int64_t columns, parts, panels;  /* of a panel of w, in parts of tile.columns */
  int64_t width, before, after;    /* of x: floats of a line, and zeros around it */
  int64_t pixels, block;           /* of a line of the result; of a block */
  LoopBuffer *lines, *sums, *w;    /* w: [panels, points, run, columns] */
  LoopExpr *n, *top;               /* the trip's picture and first line */
  LoopExpr *begin;                 /* the block's first pixel */
  LoopExpr *panel, *part, *column; /* of w; the first channel of these in the result */
  LoopExpr *point, *place, *first; /* of the sum at hand; the tile's first pixel */
} Lines;

/* ---- lines ---- */

static void store_zeros(const Lines *b, int64_t from, int64_t to) {
  LoopKernel *k = b->l->kernel;
  int lanes = b->l->target->lanes;
  if (from >= to) return;
  LoopExpr *point = loop_for(k, "p", loop_int(k, 0), loop_int(k, b->down.points));
  LoopExpr *at = loop_int(k, from);
  int64_t vectors = ceil_of(to - from, lanes);
  bool several = vectors > 1;
  if (several) at = loop_for_step(k, "z", at, loop_int(k, from + vectors * lanes), lanes);
  loop_store(k, loop_lanes(k, b->lines, lanes, point, at), loop_number(k, 0));
  for (int i = 0; i < 1 + several; i++) loop_end(k);
}

/* What the trip's lines see, transformed; lines outside of x are zeros. The last vector of a line
 * reaches back into the one before. */
static void transform_lines(const Lines *b) {
  LoopKernel *k = b->l->kernel;
  const Value *given = b->op->operands[0];
  const Dim *const *dims = given->type.dims;
  int lanes = b->l->target->lanes, seen = b->down.seen;
  LoopExpr *height = dim_expr(k, dims[1]), *zero = loop_int(k, 0);
  LoopExpr *line[WINOGRAD_POINTS], *inside[WINOGRAD_POINTS], *x[WINOGRAD_POINTS],
      *y[WINOGRAD_POINTS];
  LoopBuffer *flat = loop_view(k, region_buffer(b->r, given), "image", LOOP_F32, 3,
                               dim_expr(k, dims[0]), height, loop_int(k, b->width));
  bool padded = op_pair_integer(b->op, ATTRIBUTE_pad, 0, 0) != 0 ||
                op_pair_integer(b->op, ATTRIBUTE_pad, 0, 1) != 0 ||
                !dim_is_constant(b->op->results[0]->type.dims[1]) ||
                dim_value(b->op->results[0]->type.dims[1]) % b->down.tile != 0;
  store_zeros(b, 0, b->before);
  store_zeros(b, b->before + b->width, b->before + b->width + b->after);
  LoopExpr *from = loop_sub(k, b->top, loop_int(k, op_pair_integer(b->op, ATTRIBUTE_pad, 0, 0)));
  for (int i = 0; i < seen; i++) {
    line[i] = loop_let(k, "line", loop_add(k, from, loop_int(k, i)));
    if (!padded) continue;
    LoopExpr *last = loop_sub(k, height, loop_int(k, 1));
    inside[i] = loop_and(k, loop_ge(k, line[i], zero), loop_le(k, line[i], last));
    inside[i] = loop_let(k, "inside", loop_splat(k, inside[i], lanes));
    line[i] = loop_let(k, "near", loop_max(k, zero, loop_min(k, line[i], last)));
  }
  LoopExpr *number = loop_for(k, "v", zero, loop_int(k, ceil_of(b->width, lanes)));
  LoopExpr *at = loop_mul(k, number, loop_int(k, lanes));
  at = loop_let(k, "at", loop_min(k, at, loop_int(k, b->width - lanes)));
  for (int i = 0; i < seen; i++) {
    x[i] = loop_lanes(k, flat, lanes, b->n, line[i], at);
    if (padded) x[i] = loop_select(k, inside[i], x[i], loop_number(k, 0));
    x[i] = loop_let(k, "x", x[i]);
  }
  winograd_input(k, &b->down, x, y);
  for (int i = 0; i < b->down.points; i++)
    loop_store(
        k, loop_lanes(k, b->lines, lanes, loop_int(k, i), loop_add(k, at, loop_int(k, b->before))),
        y[i]);
  loop_end(k);
}

/* ---- sums ---- */

static LoopExpr *number_of(const Lines *b, LoopExpr *row, LoopExpr *place) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *at = loop_mul(k, loop_add(k, b->first, row), loop_int(k, b->channels));
  return loop_element(k, b->lines, b->point, loop_add(k, at, place));
}

static LoopExpr *number_at(void *user, LoopExpr *row) {
  const Lines *b = user;
  return number_of(b, row, b->place);
}

static LoopExpr *weights_at(const Lines *b, LoopExpr *place) {
  LoopKernel *k = b->l->kernel;
  return loop_lanes(k, b->w, (int)b->tile.columns, b->panel, b->point, place, b->part);
}

/* Do the rows of w stay in registers beside a tile? */
static bool holds_weights(const Lines *b, int rows) {
  const Target *target = b->l->target;
  int64_t vectors = b->tile.columns / target->lanes;
  return (rows + b->run) * vectors + 1 <= target->registers;
}

/* A number of a line is read once for all pixels that see it, which overlap. */
static void sum_overlapping(const Lines *b, LoopExpr *acc, int64_t count) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *w[WINOGRAD_POINTS * 4];
  for (int64_t i = 0; i < b->run; i++) w[i] = loop_let(k, "w", weights_at(b, loop_int(k, i)));
  int64_t all = (count - 1) * b->channels + b->run;
  for (int64_t j = 0; j < all; j++) {
    LoopExpr *x = loop_let(k, "x", number_of(b, loop_int(k, 0), loop_int(k, j)));
    for (int64_t row = 0; row < count; row++) {
      int64_t place = j - row * b->channels;
      if (place < 0 || place >= b->run) continue;
      LoopExpr *a = loop_row(k, acc, loop_int(k, row));
      loop_set(k, a, loop_fma(k, x, w[place], a));
    }
  }
}

static void sum_pixels(void *user, LoopExpr *first, LoopExpr *count) {
  Lines *b = user;
  LoopKernel *k = b->l->kernel;
  LoopExpr *acc = tile_sums(&b->tile, 1);
  int64_t rows;
  b->first = first;
  if (loop_is_int(count, &rows) && holds_weights(b, (int)rows)) {
    sum_overlapping(b, acc, rows);
  } else {
    b->place = loop_for_unroll(k, "k", loop_int(k, 0), loop_int(k, b->run),
                               b->channels < TILE_UNROLL ? 1 : TILE_UNROLL);
    tile_accumulate(&b->tile, acc, 0, count, weights_at(b, b->place), number_at, b);
    loop_end(k);
  }
  LoopExpr *row = loop_each(k, "r", loop_int(k, 0), count);
  LoopExpr *at = loop_add(k, loop_sub(k, first, b->begin), row);
  loop_store(k, loop_lanes(k, b->sums, (int)b->tile.columns, b->point, at, loop_int(k, 0)),
             loop_row(k, acc, row));
  loop_end(k);
}

/* ---- the result ---- */

static void finish_pixel(const Lines *b, LoopExpr *line, LoopExpr *pixel, LoopExpr *column,
                         LoopExpr *sum) {
  Index index[] = {index_scalar(b->n), index_scalar(loop_add(b->l->kernel, b->top, line)),
                   index_scalar(pixel), index_lanes(column)};
  product_finish(b->r, b->op, index, sum);
}

/* The pixels of the block, of all lines, from sums. */
static void finish_block(const Lines *b, LoopExpr *end) {
  LoopKernel *k = b->l->kernel;
  const Dim *made = b->op->results[0]->type.dims[1];
  int lanes = b->l->target->lanes, tile = b->down.tile;
  LoopExpr *x[WINOGRAD_POINTS], *y[WINOGRAD_POINTS], *zero = loop_int(k, 0), *left = NULL;
  if (!dim_is_constant(made) || dim_value(made) % tile != 0)
    left = loop_let(k, "left", loop_sub(k, dim_expr(k, made), b->top));
  LoopExpr *pixel = loop_for(k, "pixel", b->begin, end), *until = loop_int(k, b->tile.columns);
  if (b->tile.size % b->tile.columns) {
    LoopExpr *rest = loop_sub(k, loop_int(k, b->tile.size), b->column);
    until = loop_let(k, "until", loop_min(k, until, rest));
  }
  LoopExpr *q = loop_for_lanes(k, "q", zero, until, lanes);
  LoopExpr *column = loop_add(k, b->column, q), *at = loop_sub(k, pixel, b->begin);
  for (int i = 0; i < b->down.points; i++)
    x[i] = loop_let(k, "x", loop_lanes(k, b->sums, lanes, loop_int(k, i), at, q));
  winograd_output(k, &b->down, x, y);
  b->r->lanes = lanes;
  if (tile_is_costly(b->l->op)) { /* written out once */
    LoopBuffer *near = loop_stack(k, "line", LOOP_F32, 2, loop_int(k, tile), loop_int(k, lanes));
    for (int i = 0; i < tile; i++)
      loop_store(k, loop_lanes(k, near, lanes, loop_int(k, i), zero), y[i]);
    LoopExpr *whole = loop_int(k, tile);
    LoopExpr *i = loop_for(k, "i", zero, left ? loop_min(k, left, whole) : whole);
    LoopExpr *sum = loop_let(k, "sum", loop_lanes(k, near, lanes, i, zero));
    finish_pixel(b, i, pixel, column, sum);
    loop_end(k);
  } else {
    for (int i = 0; i < tile; i++) {
      if (left && i > 0) loop_if(k, loop_gt(k, left, loop_int(k, i)));
      finish_pixel(b, loop_int(k, i), pixel, column, y[i]);
      if (left && i > 0) loop_end(k);
    }
  }
  loop_end(k);
  loop_end(k);
}

/* ---- all together ---- */

/* A block of pixels by a part of a panel: all points' sums, then the result. */
static void each_block(Lines *b) {
  LoopKernel *k = b->l->kernel;
  const Dim *pixels = b->op->results[0]->type.dims[2];
  LoopExpr *zero = loop_int(k, 0), *end = loop_int(k, b->pixels);
  int64_t full = b->pixels - tile_tail(&b->tile, b->pixels), blocks = ceil_of(full, b->block);
  b->begin = zero;
  if (blocks > 1) {
    LoopExpr *number = loop_for(k, "block", zero, loop_int(k, blocks));
    LoopExpr *size = loop_int(k, b->block), *next = loop_add(k, number, loop_int(k, 1));
    b->begin = loop_let(k, "begin", loop_mul(k, number, size));
    LoopExpr *last = loop_ge(k, next, loop_int(k, blocks));
    end = loop_let(k, "end", loop_select(k, last, end, loop_add(k, b->begin, size)));
  }
  b->point = loop_for(k, "point", zero, loop_int(k, b->down.points));
  tile_each(&b->tile, pixels, b->begin, end, sum_pixels, b);
  loop_end(k);
  finish_block(b, end);
  if (blocks > 1) loop_end(k);
}

static void each_panel(Lines *b) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *parts = loop_int(k, b->parts), *number = zero;
  int64_t all = ceil_of(b->tile.size, b->tile.columns); /* a panel may be wider than what it has */
  if (all > 1) number = loop_for(k, "panel", zero, loop_int(k, all));
  LoopExpr *part = loop_mul(k, loop_mod(k, number, parts), loop_int(k, b->tile.columns));
  b->panel = all > 1 ? loop_let(k, "of", loop_div(k, number, parts)) : zero;
  b->part = b->parts > 1 ? loop_let(k, "part", part) : zero;
  b->column =
      all > 1 ? loop_let(k, "column", loop_mul(k, number, loop_int(k, b->tile.columns))) : zero;
  each_block(b);
  if (all > 1) loop_end(k);
}

/* Blocks' sums take half of L1. */
static int64_t plan_block(const Lines *b) {
  int64_t pixel = b->down.points * b->tile.columns * (int64_t)sizeof(float);
  int64_t most = b->l->target->l1 / 2 / pixel;
  return blocking_even_part(b->pixels, most, b->tile.rows);
}

static bool is_dense(const LoopBuffer *buffer) {
  for (int i = 0; i < buffer->rank; i++)
    if (buffer->strides[i]) return false;
  return true;
}

static bool takes(const Lowering *l, const Region *r, const Op *op) {
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type, *y = &op->results[0]->type;
  int64_t lanes = l->target->lanes;
  if (op_list_integer(op, ATTRIBUTE_tile, 1) != 1 || op_list_integer(op, ATTRIBUTE_kernel, 1) == 1)
    return false;
  for (int i = 0; i < 2; i++)
    if (op_list_integer(op, ATTRIBUTE_stride, i) != 1) return false;
  if (x->element != ELEMENT_f32 || w->element != ELEMENT_f32) return false;
  if (!dim_is_constant(x->dims[2]) || !dim_is_constant(x->dims[3]) || !dim_is_constant(y->dims[2]))
    return false;
  enum { MOST_FLOATS = 1 << 16 }; /* of a line, in scratch for each point */
  int64_t width = dim_value(x->dims[2]), channels = dim_value(x->dims[3]);
  if (channels < 1 || width > MOST_FLOATS / channels || width * channels < lanes) return false;
  for (int i = 0; i < 2; i++)
    if (op_pair_integer(op, ATTRIBUTE_pad, 1, i) > MOST_FLOATS / channels) return false;
  return dim_value(w->dims[4]) % lanes == 0 && is_dense(region_buffer(r, op->operands[0]));
}

bool product_winograd_lines(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_winograd || !takes(l, r, op)) return false;
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type, *y = &op->results[0]->type;
  LoopKernel *k = l->kernel;
  DimTable *dims = l->dims;
  int64_t across = op_list_integer(op, ATTRIBUTE_kernel, 1);
  Lines b = {.l = l, .r = r, .op = op, .channels = dim_value(x->dims[3])};
  if (!winograd_find(op_list_integer(op, ATTRIBUTE_tile, 0),
                     op_list_integer(op, ATTRIBUTE_kernel, 0), 1, &b.down))
    return false;
  b.run = across * b.channels, b.width = dim_value(x->dims[2]) * b.channels;
  b.before = op_pair_integer(op, ATTRIBUTE_pad, 1, 0) * b.channels;
  b.after = op_pair_integer(op, ATTRIBUTE_pad, 1, 1) * b.channels;
  b.columns = dim_value(w->dims[4]), b.panels = dim_value(w->dims[0]);
  b.pixels = dim_value(y->dims[2]);
  int64_t columns = panel_tile_columns(l->target, b.columns, 2);
  b.tile = tile_open(l, r, op, columns, op_integer(op, ATTRIBUTE_size));
  b.parts = b.columns / columns;
  while (b.tile.rows > 8 && !holds_weights(&b, b.tile.rows)) b.tile.rows--;
  if (!holds_weights(&b, b.tile.rows)) b.tile.rows = tile_rows(l->target, columns);
  if (b.pixels < b.tile.rows) b.tile.rows = (int)b.pixels;
  b.tile.rows = blocking_even_rows(b.tile.rows, b.pixels);
  b.block = plan_block(&b);
  const Dim *strips = dim_add(dims, y->dims[1], dim_constant(dims, b.down.tile - 1));
  strips = dim_floor(dims, strips, b.down.tile);
  l->algorithm = arena_format(k->arena, "winograd %dx1", b.down.tile);
  l->trips = dim_mul(dims, y->dims[0], strips);
  l->grain = 1;
  int lanes = l->target->lanes;
  b.lines = loop_scratch(k, "lines", LOOP_F32, 2, loop_int(k, b.down.points),
                         loop_int(k, b.before + b.width + b.after + lanes));
  b.sums = loop_scratch(k, "sums", LOOP_F32, 3, loop_int(k, b.down.points),
                        loop_int(k, b.block + 2 * b.tile.rows), loop_int(k, columns));
  b.w = loop_view(k, region_buffer(r, op->operands[1]), "w", LOOP_F32, 4, loop_int(k, b.panels),
                  loop_int(k, b.down.points), loop_int(k, b.run), loop_int(k, b.columns));
  LoopExpr *at[2], *trip = loop_parallel(k, "t", dim_expr(k, l->trips));
  index_split(k, trip, (const Dim *[]){y->dims[0], strips}, 2, at);
  b.n = at[0], b.top = loop_let(k, "top", loop_mul(k, at[1], loop_int(k, b.down.tile)));
  transform_lines(&b);
  each_panel(&b);
  loop_end(k);
  return true;
}
