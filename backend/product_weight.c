/* product_weight.c - conv_weight in nhwc: the gradient of a convolution for its weight, of too few
 * channels (of a group) for product_weight_packed.c.
 *
 * A tile is MR rows of the weight (input channels of one place of the kernel) by B output channels:
 *
 *   acc[MR][B] += x[n, oh * stride + kh .., c + row] * dy[n, oh, ow, column 0:B]
 *
 * over all pixels whose window has that place inside of x, so that nothing is padded. Pixels are
 * summed in blocks that stay in the nearest cache, each from 0; blocks are added in their order.
 * Neither depends on threads: a trip is some tiles of one panel of columns, whole.
 *
 * With few input channels a tile's rows run on through the places of the kernel instead (`x` is
 * padded then): 25 rows of LeNet's first convolution are one window.
 */
#include "backend/product_weight.h"

#include "ir/blocking.h"
#include "ir/op_traits.h"
#include "support/whole.h"

enum {
  BLOCK_PIXELS = 64,     /* of a block, about */
  TRIP_ROWS = 144,       /* at most, that share what a trip reads of dy, */
  MOST_SUMS = 1 << 18,   /* as long as their sums, in bytes, stay in L2 */
  FEW_CHANNELS = 12,     /* below: rows are windows */
  MOST_WINDOW = 400,     /* numbers of a window, which are written out */
  TRIP_TILES = 32,       /* of a window, that share what is read, */
  LEAST_TRIPS = 4,       /* of windows, */
  SHORT_LINE = 8,        /* pixels that are written out, */
  SHORT_KERNEL = 3,      /* for each of so many columns of a kernel */
  LINE = 16,             /* f32 of a cache line */
  LEAST_ROWS = 8,        /* unless tiles become less than that */
  ENOUGH_MULTIPLIES = 16 /* of a pixel: with less its loop is unrolled */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  LoopBuffer *x;     /* as [N, H * W * C] */
  LoopBuffer *dy;    /* as [N * OH * OW, O] */
  LoopBuffer *block; /* of dy: [pixels, B]; NULL: it is read where it is */
  int64_t block_pixels;
  bool short_lines;                                       /* of few pixels, which are written out */
  LoopBuffer *sums;                                       /* of a trip's rows */
  int64_t height, width, channels, out_height, out_width; /* channels: of all groups */
  int64_t stride[2], dilation[2], before[2], kernel[2];
  int64_t in, out; /* channels of a group */
  int columns;     /* B */
  int rows;        /* MR */
  int trip_rows;   /* of a window, in a trip */
  int trip_channels;
  LoopExpr *column; /* the panel's first, of all groups */
} Weight;

/* ---- pixels ---- */

/* Pixels of a block: images from..to (to NULL: one), lines of each, columns of each; and the number
 * of its first one. */
typedef struct {
  LoopExpr *n[2], *oh[2], *ow[2];
  LoopExpr *first;
} Pixels;

typedef void Tile(Weight *w, const Pixels *block, void *user);

/* The block's part of the panel of dy, side by side. */
static void copy_block(Weight *w, const Pixels *block, LoopExpr *count) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *i = loop_for_unroll(k, "i", loop_int(k, 0), count, 2);
  LoopExpr *from = loop_lanes(k, w->dy, w->columns, loop_add(k, block->first, i), w->column);
  if (w->r->mask) from = loop_where(from, w->r->mask);
  loop_store(k, loop_lanes(k, w->block, w->columns, i, loop_int(k, 0)), from);
  loop_end(k);
}

/* Calls `tile` inside of a loop over the blocks. */
static void each_block(Weight *w, Tile *tile, void *user) {
  LoopKernel *k = w->l->kernel;
  int64_t pixels = w->out_height * w->out_width;
  const Dim *count = w->op->operands[0]->type.dims[0];
  LoopExpr *zero = loop_int(k, 0), *each = loop_int(k, pixels), *images = dim_expr(k, count);
  Pixels block = {
      {zero, images}, {zero, loop_int(k, w->out_height)}, {zero, loop_int(k, w->out_width)}, NULL};
  if (pixels < BLOCK_PIXELS) {
    int64_t some = w->block_pixels / pixels;
    const Dim *more = dim_add(w->l->dims, count, dim_constant(w->l->dims, some - 1));
    LoopExpr *b = loop_for(k, "b", zero, dim_expr(k, dim_floor(w->l->dims, more, some)));
    block.n[0] = loop_let(k, "from", loop_mul(k, b, loop_int(k, some)));
    block.n[1] = loop_add(k, block.n[0], loop_int(k, some));
    block.n[1] = loop_let(k, "to", loop_min(k, block.n[1], images));
    block.first = loop_let(k, "pixel", loop_mul(k, block.n[0], each));
    if (w->block) copy_block(w, &block, loop_mul(k, loop_sub(k, block.n[1], block.n[0]), each));
    tile(w, &block, user);
    loop_end(k);
    return;
  }
  int64_t lines = w->block_pixels / w->out_width;
  block.n[0] = loop_for(k, "n", zero, images);
  block.n[1] = NULL;
  LoopExpr *b = loop_for(k, "b", zero, loop_int(k, ceil_of(w->out_height, lines)));
  block.oh[0] = loop_let(k, "from", loop_mul(k, b, loop_int(k, lines)));
  LoopExpr *to = loop_add(k, block.oh[0], loop_int(k, lines));
  block.oh[1] = w->out_height % lines ? loop_let(k, "to", loop_min(k, to, block.oh[1])) : to;
  LoopExpr *width = loop_int(k, w->out_width);
  block.first = loop_add(k, loop_mul(k, block.n[0], each), loop_mul(k, block.oh[0], width));
  block.first = loop_let(k, "pixel", block.first);
  if (w->block) copy_block(w, &block, loop_mul(k, loop_sub(k, block.oh[1], block.oh[0]), width));
  tile(w, &block, user);
  loop_end(k);
  loop_end(k);
}

/* One multiply-add for each row at each of the pixels; offset_of(row) is where in x the row's
 * number lies from the pixel's first one, `from` where that lies for pixel 0. */
static LoopExpr *add_pixels(Weight *w, const Pixels *pixels, LoopExpr *count, int rows,
                            LoopExpr *from, LoopExpr *(*offset_of)(void *user, LoopExpr *row),
                            void *user) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, rows, w->columns, loop_number(k, 0));
  int blocks = 2;
  LoopExpr *n = pixels->n[0];
  if (pixels->n[1]) n = loop_for(k, "n", pixels->n[0], pixels->n[1]), blocks++;
  LoopExpr *oh = loop_for(k, "oh", pixels->oh[0], pixels->oh[1]);
  LoopExpr *line = loop_mul(k, oh, loop_int(k, w->stride[0] * w->width * w->channels));
  line = loop_let(k, "line", loop_add(k, from, line));
  LoopExpr *in_block = loop_mul(k, n, loop_int(k, w->out_height * w->out_width));
  in_block = loop_add(k, in_block, loop_mul(k, oh, loop_int(k, w->out_width)));
  if (w->block) in_block = loop_sub(k, in_block, pixels->first);
  in_block = loop_let(k, "row", in_block);
  bool unrolled = rows * w->columns / w->l->target->lanes < ENOUGH_MULTIPLIES;
  LoopExpr *ow = w->short_lines
                     ? loop_each(k, "ow", pixels->ow[0], pixels->ow[1])
                     : loop_for_unroll(k, "ow", pixels->ow[0], pixels->ow[1], unrolled ? 2 : 1);
  LoopExpr *pixel = loop_mul(k, ow, loop_int(k, w->stride[1] * w->channels));
  pixel = loop_add(k, line, pixel);
  LoopExpr *dy = loop_lanes(k, w->block ? w->block : w->dy, w->columns, loop_add(k, in_block, ow),
                            w->block ? zero : w->column);
  if (!w->block && w->r->mask) dy = loop_where(dy, w->r->mask);
  LoopExpr *v = loop_let(k, "v", dy);
  LoopExpr *row = loop_each(k, "r", zero, count);
  LoopExpr *a = loop_row(k, acc, row);
  LoopExpr *x = loop_element(k, w->x, n, loop_add(k, pixel, offset_of(user, row)));
  loop_set(k, a, loop_fma(k, x, v, a));
  loop_end(k);
  while (blocks--) loop_end(k);
  return acc;
}

/* Adds a tile to the trip's sums, from row `first` on, `apart` each from the next. */
static void add_sums(Weight *w, LoopExpr *acc, LoopExpr *count, LoopExpr *first, int64_t apart) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *row = loop_each(k, "r", loop_int(k, 0), count);
  LoopExpr *at = loop_add(k, first, loop_mul(k, row, loop_int(k, apart)));
  LoopExpr *to = loop_lanes(k, w->sums, w->columns, at, loop_int(k, 0));
  loop_store(k, to, loop_add(k, to, loop_row(k, acc, row)));
  loop_end(k);
}

static void clear_sums(Weight *w, LoopExpr *count) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *row = loop_for(k, "r", loop_int(k, 0), count);
  loop_store(k, loop_lanes(k, w->sums, w->columns, row, loop_int(k, 0)), loop_number(k, 0));
  loop_end(k);
}

/* ---- rows are channels of one place of the kernel ---- */

typedef struct {
  LoopExpr *first;    /* channel of x, of the trip */
  LoopExpr *channels; /* of the trip */
} Taps;

static LoopExpr *channel_offset(void *user, LoopExpr *row) {
  (void)user;
  return row;
}

/* Pixels of range[0]..range[1] along a spatial axis whose kernel place `at` is inside of x. */
static void clip(Weight *w, int axis, LoopExpr *at, LoopExpr **range) {
  LoopKernel *k = w->l->kernel;
  int64_t size = axis ? w->width : w->height, stride = w->stride[axis];
  LoopExpr *shift = loop_mul(k, at, loop_int(k, w->dilation[axis]));
  shift = loop_sub(k, loop_int(k, w->before[axis]), shift); /* pixel o sees o * stride - shift */
  LoopExpr *up = loop_int(k, stride);
  LoopExpr *from = loop_div(k, loop_add(k, shift, loop_int(k, stride - 1)), up);
  LoopExpr *to = loop_div(k, loop_add(k, shift, loop_int(k, size + stride - 1)), up);
  range[0] = loop_let(k, "from", loop_max(k, range[0], from));
  range[1] = loop_let(k, "to", loop_min(k, range[1], to));
}

/* The next block comes from far; each place of the kernel fetches its share. */
static void fetch_ahead(Weight *w, const Pixels *block, LoopExpr *tap, LoopExpr *first) {
  enum { MOST_STRIDE = 16 }; /* down times across: of more, most would not be read */
  LoopKernel *k = w->l->kernel;
  int64_t share = ceil_of(w->block_pixels, w->kernel[0] * w->kernel[1]);
  LoopExpr *zero = loop_int(k, 0), *pixel = loop_for(k, "i", zero, loop_int(k, share));
  LoopExpr *at = loop_add(k, loop_mul(k, tap, loop_int(k, share)), pixel);
  LoopExpr *next = loop_add(k, block->first, loop_int(k, w->block_pixels));
  next = loop_let(k, "next", loop_add(k, next, at));
  for (int j = 0; j < w->columns; j += LINE)
    loop_prefetch(k, loop_element(k, w->dy, next, loop_add(k, w->column, loop_int(k, j))));
  /* the block of x, which lies as far on, but for an edge */
  bool near = w->stride[0] <= MOST_STRIDE / w->stride[1];
  int64_t pixels = near ? w->stride[0] * w->stride[1] : 0;
  LoopExpr *x = loop_mul(k, next, loop_int(k, pixels * w->channels));
  x = loop_let(k, "x", loop_add(k, x, first));
  for (int64_t i = 0; i < pixels; i++)
    for (int64_t j = 0; j < w->trip_channels; j += LINE) {
      LoopExpr *to = loop_add(k, x, loop_int(k, i * w->channels + j));
      loop_prefetch(k, loop_element(k, w->x, zero, to));
    }
  loop_end(k);
}

/* The place kh, kw of the kernel, whose pixels are `inside`, of the block. */
static void one_tap(Weight *w, Taps *p, const Pixels *block, const Pixels *inside, LoopExpr *kh,
                    LoopExpr *kw) {
  LoopKernel *k = w->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *count;
  LoopExpr *line = loop_mul(k, kh, loop_int(k, w->dilation[0]));
  line = loop_mul(k, loop_sub(k, line, loop_int(k, w->before[0])), loop_int(k, w->width));
  LoopExpr *pixel = loop_mul(k, kw, loop_int(k, w->dilation[1]));
  pixel = loop_add(k, line, loop_sub(k, pixel, loop_int(k, w->before[1])));
  pixel = loop_add(k, loop_mul(k, pixel, loop_int(k, w->channels)), p->first);
  pixel = loop_let(k, "first", pixel);
  LoopExpr *tap = loop_add(k, loop_mul(k, kh, loop_int(k, w->kernel[1])), kw);
  tap = loop_let(k, "tap", tap);
  fetch_ahead(w, block, tap, p->first);
  LoopExpr *c = loop_for_tail(k, "c", zero, p->channels, w->rows, &count);
  LoopExpr *from = loop_let(k, "at", loop_add(k, pixel, c));
  LoopExpr *acc = add_pixels(w, inside, count, w->rows, from, channel_offset, p);
  int64_t taps = w->kernel[0] * w->kernel[1];
  add_sums(w, acc, count, loop_add(k, loop_mul(k, c, loop_int(k, taps)), tap), taps);
  loop_end(k);
}

static void each_tap(Weight *w, const Pixels *block, void *user) {
  Taps *p = user;
  LoopKernel *k = w->l->kernel;
  Pixels inside = *block;
  LoopExpr *kh = loop_for(k, "kh", loop_int(k, 0), loop_int(k, w->kernel[0]));
  clip(w, 0, kh, inside.oh);
  if (!w->short_lines) {
    LoopExpr *kw = loop_for(k, "kw", loop_int(k, 0), loop_int(k, w->kernel[1]));
    clip(w, 1, kw, inside.ow);
    one_tap(w, p, block, &inside, kh, kw);
    loop_end(k);
  }
  for (int64_t kw = 0; kw < w->kernel[1] && w->short_lines; kw++) {
    int64_t shift = w->before[1] - kw * w->dilation[1], from = 0, to = 0;
    for (int64_t o = 0; o < w->out_width; o++) {
      int64_t x = o * w->stride[1] - shift;
      if (x < 0) from = o + 1;
      if (x < w->width) to = o + 1;
    }
    inside.ow[0] = loop_int(k, from), inside.ow[1] = loop_int(k, to);
    if (from < to) one_tap(w, p, block, &inside, kh, loop_int(k, kw));
  }
  loop_end(k);
}

static void places(Weight *w, const Dim *panels, int64_t group_panels) {
  LoopKernel *k = w->l->kernel;
  DimTable *t = w->l->dims;
  int64_t blocks = ceil_of(w->in, w->trip_channels), taps = w->kernel[0] * w->kernel[1];
  const Dim *split[] = {panels, dim_constant(t, blocks)};
  w->l->trips = dim_mul(t, split[0], split[1]);
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, w->l->trips)), *at[2];
  index_split(k, trip, split, 2, at);
  LoopExpr *group = loop_div(k, at[0], loop_int(k, group_panels));
  LoopExpr *within = loop_mod(k, at[0], loop_int(k, group_panels));
  within = loop_let(k, "within", loop_mul(k, within, loop_int(k, w->columns)));
  w->column = loop_let(k, "column", loop_add(k, within, loop_mul(k, group, loop_int(k, w->out))));
  if (w->out % w->columns) {
    LoopExpr *lanes = loop_iota(k, within, w->columns);
    w->r->mask = loop_let(k, "inside", loop_lt(k, lanes, loop_int(k, w->out)));
  }
  LoopExpr *first = loop_let(k, "begin", loop_mul(k, at[1], loop_int(k, w->trip_channels)));
  Taps p = {.channels = loop_int(k, w->trip_channels)};
  p.first = loop_let(k, "channel", loop_add(k, first, loop_mul(k, group, loop_int(k, w->in))));
  if (w->in % w->trip_channels) {
    LoopExpr *left = loop_sub(k, loop_int(k, w->in), first);
    p.channels = loop_let(k, "channels", loop_min(k, p.channels, left));
  }
  LoopExpr *rows = loop_mul(k, p.channels, loop_int(k, taps));
  clear_sums(w, rows);
  each_block(w, each_tap, &p);
  weight_store(&(WeightStore){.l = w->l,
                              .r = w->r,
                              .op = w->op,
                              .sums = w->sums,
                              .columns = w->columns,
                              .out = w->out,
                              .row = w->in * taps,
                              .column = w->column,
                              .within = within,
                              .first = loop_let(k, "at", loop_mul(k, first, loop_int(k, taps))),
                              .count = rows});
  loop_end(k);
}

/* ---- rows are a window's numbers ---- */

typedef struct {
  Weight *w;
  int64_t first, rows; /* of the window's numbers */
} Window;

static void window_place(Window *window, LoopExpr *row, LoopExpr **c, LoopExpr **kh,
                         LoopExpr **kw) {
  Weight *w = window->w;
  LoopKernel *k = w->l->kernel;
  LoopExpr *number = loop_add(k, loop_int(k, window->first), row), *channels = loop_int(k, w->in);
  LoopExpr *width = loop_int(k, w->kernel[1]);
  *c = loop_mod(k, number, channels);
  *kw = loop_mod(k, loop_div(k, number, channels), width);
  *kh = loop_div(k, loop_div(k, number, channels), width);
}

static LoopExpr *window_offset(void *user, LoopExpr *row) {
  Window *window = user;
  Weight *w = window->w;
  LoopKernel *k = w->l->kernel;
  LoopExpr *c, *kh, *kw;
  window_place(window, row, &c, &kh, &kw);
  kh = loop_mul(k, kh, loop_int(k, w->dilation[0] * w->width * w->channels));
  kw = loop_mul(k, kw, loop_int(k, w->dilation[1] * w->channels));
  return loop_add(k, loop_add(k, kh, kw), c);
}

/* Part `number` of `parts` of the next block of dy, of which lines of the cache lie apart. */
static void fetch_part(Weight *w, const Pixels *block, int64_t number, int64_t parts) {
  LoopKernel *k = w->l->kernel;
  int64_t share = ceil_of(w->block_pixels, parts);
  LoopExpr *i = loop_for(k, "i", loop_int(k, 0), loop_int(k, share));
  LoopExpr *next = loop_add(k, block->first, loop_int(k, w->block_pixels + number * share));
  next = loop_let(k, "next", loop_add(k, next, i));
  for (int j = 0; j < w->columns; j += LINE)
    loop_prefetch(k, loop_element(k, w->dy, next, loop_add(k, w->column, loop_int(k, j))));
  loop_end(k);
}

static void each_tile(Weight *w, const Pixels *block, void *user) {
  Window *window = user;
  LoopKernel *k = w->l->kernel;
  int64_t tiles = ceil_of(window->rows, w->rows);
  for (int64_t i = 0; i < window->rows; i += w->rows) {
    int64_t count = window->rows - i < w->rows ? window->rows - i : w->rows;
    Window tile = {w, window->first + i, count};
    if (w->out > LINE) fetch_part(w, block, i / w->rows, tiles);
    LoopExpr *acc =
        add_pixels(w, block, loop_int(k, count), w->rows, loop_int(k, 0), window_offset, &tile);
    add_sums(w, acc, loop_int(k, count), loop_int(k, i), 1);
  }
}

static void windows(Weight *w, const Dim *panels) {
  LoopKernel *k = w->l->kernel;
  DimTable *t = w->l->dims;
  int64_t all_rows = w->kernel[0] * w->kernel[1] * w->in, parts = ceil_of(all_rows, w->trip_rows);
  const Dim *split[] = {panels, dim_constant(t, parts)};
  w->l->trips = dim_mul(t, split[0], split[1]);
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, w->l->trips)), *at[2];
  index_split(k, trip, split, 2, at);
  w->column = loop_let(k, "column", loop_mul(k, at[0], loop_int(k, w->columns)));
  if (w->out % w->columns) {
    LoopExpr *lanes = loop_iota(k, w->column, w->columns);
    w->r->mask = loop_let(k, "inside", loop_lt(k, lanes, loop_int(k, w->out)));
  }
  LoopExpr *zero = loop_int(k, 0);
  for (int64_t i = 0; i < parts; i++) { /* a row's offset in x is a number in the code */
    int64_t first = i * w->trip_rows, left = all_rows - first;
    Window window = {w, first, left < w->trip_rows ? left : w->trip_rows};
    LoopExpr *count = loop_int(k, window.rows);
    if (parts > 1) loop_if(k, loop_eq(k, at[1], loop_int(k, i)));
    clear_sums(w, count);
    each_block(w, each_tile, &window);
    LoopExpr *row = loop_for(k, "r", zero, count), *c, *kh, *kw;
    LoopExpr *sum = loop_let(k, "sum", loop_lanes(k, w->sums, w->columns, row, zero));
    window_place(&window, row, &c, &kh, &kw);
    Index index[] = {index_lanes(w->column), index_scalar(c), index_scalar(kh), index_scalar(kw)};
    product_finish(w->r, w->op, index, sum);
    loop_end(k);
    if (parts > 1) loop_end(k);
  }
  loop_end(k);
}

static bool is_static(const Type *type) {
  for (int i = 1; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i])) return false;
  return true;
}

bool product_weight(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_weight || r->block || !op_is_channels_last(op)) return false;
  const Type *x = &op->operands[0]->type, *dy = &op->operands[1]->type;
  if (x->rank != 4 || x->element != ELEMENT_f32 || dy->element != ELEMENT_f32) return false;
  if (!is_static(x) || !is_static(dy)) return false;
  LoopKernel *k = l->kernel;
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  Weight w = {
      .l = l,
      .r = r,
      .op = op,
  };
  w.height = dim_value(x->dims[1]), w.width = dim_value(x->dims[2]);
  w.channels = dim_value(x->dims[3]);
  w.out_height = dim_value(dy->dims[1]), w.out_width = dim_value(dy->dims[2]);
  w.in = w.channels / groups, w.out = dim_value(dy->dims[3]) / groups;
  bool padded = false;
  for (int i = 0; i < 2; i++) {
    w.stride[i] = op_list_integer(op, ATTRIBUTE_stride, i);
    w.dilation[i] = op_list_integer(op, ATTRIBUTE_dilation, i);
    w.before[i] = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    w.kernel[i] = op_list_integer(op, ATTRIBUTE_kernel, i);
    padded = padded || w.before[i] || op_pair_integer(op, ATTRIBUTE_pad, i, 1);
  }
  w.columns = r->lanes = weight_columns(l->target, w.out);
  w.rows = weight_tile_rows(l->target, w.columns);
  int64_t taps = w.kernel[0] * w.kernel[1], window = taps * w.in;
  int64_t group_panels = ceil_of(w.out, w.columns), rounded;
  bool few = w.in < FEW_CHANNELS && groups == 1 && !padded && window <= MOST_WINDOW;
  if (few) {
    w.rows = blocking_even_rows(w.rows, window);
    int64_t tiles = ceil_of(window, w.rows);
    if (tiles < LEAST_TRIPS) w.rows = blocking_even_rows(LEAST_ROWS, window);
    /* tiles of a trip find in the nearest cache what the first one read */
    int64_t most = tiles * group_panels / LEAST_TRIPS;
    most = most < 1 ? 1 : smaller(most, group_panels % 2 ? ceil_of(tiles, 2) : tiles);
    w.trip_rows = blocking_even_rows(TRIP_TILES, most) * w.rows;
    rounded = w.trip_rows;
  } else {
    w.short_lines = w.out_width <= SHORT_LINE && w.kernel[1] <= SHORT_KERNEL;
    int64_t most = MOST_SUMS / (taps * w.columns * 4);
    if (most > TRIP_ROWS / taps) most = TRIP_ROWS / taps;
    if (most < 1) most = 1;
    w.trip_channels = blocking_even_rows((int)most, w.in);
    w.rows = blocking_even_rows(w.rows, w.trip_channels);
    rounded = ceil_of(w.trip_channels * taps, l->target->lanes) * l->target->lanes;
  }
  const Dim *panels = dim_constant(l->dims, groups * group_panels);
  l->grain = 1;
  l->algorithm = few ? "window" : "direct";
  w.x = loop_view(k, region_buffer(r, op->operands[0]), "image", LOOP_F32, 2,
                  dim_expr(k, x->dims[0]), loop_int(k, w.height * w.width * w.channels));
  int64_t pixels = w.out_height * w.out_width;
  w.block_pixels =
      pixels < BLOCK_PIXELS
          ? BLOCK_PIXELS / pixels * pixels
          : blocking_even_rows((int)ceil_of(BLOCK_PIXELS, w.out_width), w.out_height) * w.out_width;
  LoopExpr *all = loop_mul(k, dim_expr(k, x->dims[0]), loop_int(k, pixels));
  w.dy = loop_view(k, region_buffer(r, op->operands[1]), "pixels", LOOP_F32, 2, all,
                   dim_expr(k, dy->dims[3]));
  if (!few)
    w.block =
        loop_scratch(k, "block", LOOP_F32, 2, loop_int(k, w.block_pixels), loop_int(k, w.columns));
  w.sums = loop_scratch(k, "sums", LOOP_F32, 2, loop_int(k, rounded), loop_int(k, w.columns));
  if (few)
    windows(&w, panels);
  else
    places(&w, panels, group_panels);
  return true;
}
