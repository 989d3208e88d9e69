/* product_narrow.c - conv_panel and dot_panel of few columns: panels of one column each.
 *
 * A vector of three columns would leave most of its lanes empty, so lanes go along the sum: a
 * pixel's run of x and a column's of w are neighbours in memory, both are read as they lie, and
 * each pair of a pixel and a column has a vector of sums:
 *
 *   acc[pixel][column][lanes] += x[pixel, k : k + lanes] * w[column, k : k + lanes]
 *
 * As many sums as a vector has lanes are turned round in registers and added, which makes a vector
 * of results; a pixel's columns are stored from it. What is left of a run is masked.
 */
#include "backend/product_tile.h"

#include "support/bug.h"

enum {
  CHUNK_TILES = 8, /* of rows that a trip of a matrix takes */
  MOST_BLOCKS = 16 /* of columns, which are written out */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  LoopBuffer *x, *w;      /* as one axis; [size, segments, run] */
  int64_t size, segments; /* columns; runs of a sum */
  int64_t taps;           /* runs of a kernel row */
  LoopExpr *tap_step;     /* from one to the next in x, */
  LoopExpr *line_step;    /* and from one kernel row to the next */
  const Dim *run;         /* numbers that are neighbours */
  LoopExpr *apart;        /* from pixel to pixel in x */
  bool lines;             /* pixels are a line's; else rows of a matrix */
  int64_t columns;        /* of a block, at most a vector's lanes; */
  int64_t pixels;         /* so many of their pixels fill a vector, */
  int64_t tile;           /* and so many are a tile */
  LoopExpr *at;           /* where pixel 0 has its sum's first number */
  LoopExpr *image, *line; /* of the trip, of a convolution */
} Narrow;

/* Where a pixel begins in x, but for the segment. */
static LoopExpr *pixel_at(const Narrow *n, LoopExpr *pixel) {
  LoopKernel *k = n->l->kernel;
  return loop_add(k, n->at, loop_mul(k, pixel, n->apart));
}

static LoopExpr *segment_at(const Narrow *n, LoopExpr *segment) {
  LoopKernel *k = n->l->kernel;
  if (n->segments == 1) return loop_int(k, 0);
  LoopExpr *row = segment, *tap = loop_int(k, 0);
  if (n->taps > 1) {
    row = loop_div(k, segment, loop_int(k, n->taps));
    tap = loop_mul(k, loop_mod(k, segment, loop_int(k, n->taps)), n->tap_step);
  }
  return loop_add(k, loop_mul(k, row, n->line_step), tap);
}

/* Sums of `count` pixels from `first` on by `columns` columns from `column` on: row p * columns + c
 * of each vector's worth of pixels. */
static LoopExpr *sum_tile(const Narrow *n, LoopExpr *first, int count, LoopExpr *end, int column,
                          int columns) {
  LoopKernel *k = n->l->kernel;
  int lanes = n->l->target->lanes, pixels = (int)n->pixels;
  int vectors = (count + pixels - 1) / pixels;
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, vectors * lanes, lanes, loop_number(k, 0));
  LoopExpr *places = loop_array(k, "places", LOOP_I64, count, 1, loop_int(k, 0));
  for (int p = 0; p < count; p++) {
    LoopExpr *pixel = loop_add(k, first, loop_int(k, p));
    if (end) pixel = loop_min(k, pixel, loop_sub(k, end, loop_int(k, 1)));
    loop_set(k, loop_row(k, places, loop_int(k, p)), pixel_at(n, pixel));
  }
  LoopExpr *segment = loop_int(k, 0);
  if (n->segments > 1) segment = loop_for(k, "s", loop_int(k, 0), loop_int(k, n->segments));
  LoopExpr *start = loop_let(k, "start", segment_at(n, segment));
  LoopExpr *at = loop_for_lanes(k, "k", loop_int(k, 0), dim_expr(k, n->run), lanes);
  LoopExpr *w = loop_array(k, "w", LOOP_F32, columns, lanes, loop_number(k, 0));
  for (int c = 0; c < columns; c++) {
    LoopExpr *of = loop_lanes(k, n->w, lanes, loop_int(k, column + c), segment, at);
    loop_set(k, loop_row(k, w, loop_int(k, c)), loop_cast(k, of, LOOP_F32));
  }
  for (int p = 0; p < count; p++) {
    LoopExpr *place = loop_add(k, loop_row(k, places, loop_int(k, p)), start);
    LoopExpr *x = loop_let(k, "x", loop_lanes(k, n->x, lanes, loop_add(k, place, at)));
    for (int c = 0; c < columns; c++) {
      int row = p / pixels * lanes + p % pixels * columns + c;
      LoopExpr *sum = loop_row(k, acc, loop_int(k, row));
      loop_set(k, sum, loop_fma(k, x, loop_row(k, w, loop_int(k, c)), sum));
    }
  }
  loop_end(k);
  if (n->segments > 1) loop_end(k);
  return acc;
}

/* Result number `row` of a line, or of the matrix: its columns' values from `column` on. */
static void finish(const Narrow *n, LoopExpr *row, int column, int columns, LoopExpr *sum) {
  LoopKernel *k = n->l->kernel;
  const Type *made = &n->product->results[0]->type;
  int last = made->rank - 1;
  Index index[MOST_AXES];
  if (n->lines) {
    index[0] = index_scalar(n->image), index[1] = index_scalar(n->line);
    index[2] = index_scalar(row);
  } else {
    LoopExpr *at[MOST_AXES];
    index_split(k, row, made->dims, last, at);
    for (int i = 0; i < last; i++) index[i] = index_scalar(at[i]);
  }
  index[last] = columns > 1 ? index_lanes(loop_int(k, column)) : index_scalar(loop_int(k, column));
  n->r->lanes = columns;
  product_finish(n->r, n->product, index, sum);
}

/* `count` pixels from `first` on, those before `end`; NULL: all. */
static void block(const Narrow *n, LoopExpr *first, int count, LoopExpr *end, int column,
                  int columns) {
  LoopKernel *k = n->l->kernel;
  int lanes = n->l->target->lanes, pixels = (int)n->pixels;
  size_t scope = region_push(n->r);
  LoopExpr *acc = sum_tile(n, first, count, end, column, columns);
  for (int from = 0; from < count; from += pixels) {
    LoopExpr *turned = loop_array(k, "turned", LOOP_F32, lanes, lanes, loop_number(k, 0));
    int some = count - from < pixels ? count - from : pixels;
    for (int i = 0; i < some * columns; i++)
      loop_set(k, loop_row(k, turned, loop_int(k, i)),
               loop_row(k, acc, loop_int(k, from / pixels * lanes + i)));
    loop_transpose(k, turned);
    LoopExpr *sums = loop_let(k, "sums", loop_sum_rows(k, turned, 0, lanes));
    for (int p = 0; p < some; p++) {
      int *places = ARENA_ARRAY(k->arena, (size_t)columns, int);
      for (int c = 0; c < columns; c++) places[c] = p * columns + c;
      LoopExpr *sum = columns > 1 ? loop_pick(k, sums, columns, places)
                                  : loop_lane(k, sums, loop_int(k, places[0]));
      LoopExpr *row = loop_add(k, first, loop_int(k, from + p));
      if (end) loop_if(k, loop_lt(k, row, end));
      size_t inner = region_push(n->r);
      finish(n, row, column, columns, loop_let(k, "sum", sum));
      region_pop(n->r, inner);
      if (end) loop_end(k);
    }
  }
  region_pop(n->r, scope);
}

static void tile(const Narrow *n, LoopExpr *first, int count, LoopExpr *end) {
  for (int64_t column = 0; column < n->size; column += n->columns) {
    int64_t left = n->size - column, columns = left < n->columns ? left : n->columns;
    block(n, first, count, end, (int)column, (int)columns);
  }
}

/* Rows begin..end, of a number that is known or negative. What a last tile has too many of, where
 * it is not known, reads the last row again. */
static void each_tile(const Narrow *n, LoopExpr *begin, LoopExpr *end, int64_t known) {
  LoopKernel *k = n->l->kernel;
  LoopExpr *size = loop_int(k, n->tile), *full = loop_int(k, known / n->tile * n->tile);
  if (known < 0)
    full = loop_let(k, "full", loop_mul(k, loop_div(k, loop_sub(k, end, begin), size), size));
  full = loop_add(k, begin, full);
  if (known < 0 || known >= n->tile) {
    tile(n, loop_for_step(k, "i", begin, full, (int)n->tile), (int)n->tile, NULL);
    loop_end(k);
  }
  if (known >= 0) {
    if (known % n->tile) tile(n, full, (int)(known % n->tile), NULL);
    return;
  }
  loop_if(k, loop_lt(k, full, end));
  tile(n, full, (int)n->tile, end);
  loop_end(k);
}

/* Pixels of a tile: with as many columns, their sums take most registers. */
static void plan(Narrow *n) {
  const Target *target = n->l->target;
  n->columns = n->size < target->lanes ? n->size : target->lanes;
  n->pixels = target->lanes / n->columns;
  int64_t most = target->registers * 3 / 4 / n->columns;
  n->tile = most < 1 ? 1 : most;
}

static int64_t static_size(const Dim *dim) {
  return dim_is_constant(dim) ? dim_value(dim) : -1;
}

static void open_weights(Narrow *n, const Value *w) {
  LoopKernel *k = n->l->kernel;
  n->w = loop_view(k, region_buffer(n->r, w), "columns", w->type.element, 3, loop_int(k, n->size),
                   loop_int(k, n->segments), dim_expr(k, n->run));
}

/* Lines of pixels. */
static void narrow_conv(Narrow *n) {
  Lowering *l = n->l;
  LoopKernel *k = l->kernel;
  const Op *op = n->product;
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type;
  const Dim *const *out = op->results[0]->type.dims;
  LoopExpr *height = dim_expr(k, x->dims[1]), *width = dim_expr(k, x->dims[2]);
  int64_t kh = dim_value(w->dims[1]), kw = dim_value(w->dims[2]), channels = dim_value(w->dims[3]);
  int64_t stride[2], apart[2], before[2];
  for (int i = 0; i < 2; i++) {
    stride[i] = op_list_integer(op, ATTRIBUTE_stride, i);
    apart[i] = op_list_integer(op, ATTRIBUTE_dilation, i);
    before[i] = -op_pair_integer(op, ATTRIBUTE_pad, i, 0);
  }
  bool run = apart[1] == 1 || kw == 1; /* a kernel row's are neighbours */
  n->taps = run ? 1 : kw, n->segments = kh * n->taps;
  n->run = dim_constant(l->dims, run ? kw * channels : channels);
  n->tap_step = loop_mul(k, loop_int(k, apart[1]), loop_int(k, channels));
  LoopExpr *line = loop_mul(k, width, loop_int(k, channels));
  n->line_step = loop_mul(k, line, loop_int(k, apart[0]));
  n->apart = loop_mul(k, loop_int(k, stride[1]), loop_int(k, channels));
  n->lines = true;
  LoopExpr *all = loop_mul(k, loop_mul(k, dim_expr(k, x->dims[0]), height), line);
  n->x = loop_view(k, region_buffer(n->r, op->operands[0]), "image", x->element, 1, all);
  open_weights(n, op->operands[1]);
  plan(n);
  l->trips = dim_mul(l->dims, out[0], out[1]);
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *at[2];
  index_split(k, trip, out, 2, at);
  n->image = at[0], n->line = at[1];
  LoopExpr *row = loop_mul(k, n->line, loop_int(k, stride[0]));
  row = loop_add(k, loop_mul(k, n->image, height), loop_add(k, row, loop_int(k, before[0])));
  LoopExpr *pixel = loop_add(k, loop_mul(k, row, width), loop_int(k, before[1]));
  n->at = loop_let(k, "at", loop_mul(k, pixel, loop_int(k, channels)));
  each_tile(n, loop_int(k, 0), dim_expr(k, out[2]), static_size(out[2]));
  loop_end(k);
}

/* Some rows of a matrix. */
static void narrow_dot(Narrow *n) {
  Lowering *l = n->l;
  LoopKernel *k = l->kernel;
  const Type *x = &n->product->operands[0]->type;
  const Dim *rows = dim_constant(l->dims, 1);
  for (int i = 0; i < x->rank - 1 && rows; i++) rows = dim_mul(l->dims, rows, x->dims[i]);
  if (!rows) bug("a size above 64 bits in '%s'", k->name);
  n->segments = n->taps = 1;
  n->run = x->dims[x->rank - 1];
  n->apart = dim_expr(k, n->run), n->at = loop_int(k, 0);
  n->x = loop_view(k, region_buffer(n->r, n->product->operands[0]), "rows", x->element, 1,
                   loop_mul(k, dim_expr(k, rows), n->apart));
  open_weights(n, n->product->operands[1]);
  plan(n);
  int64_t some = CHUNK_TILES * n->tile;
  const Dim *more = dim_add(l->dims, rows, dim_constant(l->dims, some - 1));
  l->trips = dim_floor(l->dims, more, some);
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *size = loop_int(k, some);
  LoopExpr *begin = loop_let(k, "begin", loop_mul(k, trip, size));
  LoopExpr *end = loop_min(k, dim_expr(k, rows), loop_add(k, begin, size));
  each_tile(n, begin, loop_let(k, "end", end), -1);
  loop_end(k);
}

bool product_narrow(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_panel && op->kind != OP_dot_panel) return false;
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type;
  bool conv = op->kind == OP_conv_panel;
  if (!dim_is(w->dims[w->rank - 1], 1) || !tile_takes(op) || x->element != ELEMENT_f32 ||
      l->target->lanes < 2)
    return false;
  if (conv && (x->rank != 4 || op_integer(op, ATTRIBUTE_groups) != 1 || conv_pads(op)))
    return false;
  Narrow n = {.l = l, .r = r, .product = op, .size = op_integer(op, ATTRIBUTE_size)};
  if (n.size > MOST_BLOCKS * l->target->lanes) return false;
  l->algorithm = "narrow";
  l->grain = 1;
  if (conv)
    narrow_conv(&n);
  else
    narrow_dot(&n);
  return true;
}
