/* product_weight_packed.c - conv_weight in nhwc as products of packed blocks: strides, 1 x 1
 * kernels and whatever Winograd's algorithm does not take.
 *
 * For each place of the kernel (tap) the weight's gradient is a product, summed over pixels:
 *
 *   sums[channel, tap][0:columns] += x[pixel, tap, channel] * dy[pixel, 0:columns]
 *
 * A trip has some channels of x and some panels of columns. It goes through blocks of pixels, which
 * run on over lines and images. Of each block it packs the panels of dy, and for each tap a strip
 * of x's channels side by side, zeros where the tap lies outside; then a register tile of rows
 * (channels) by columns goes through all of the block's pixels in the nearest cache, without edges,
 * strides and lines. Each block is summed from 0; blocks are added in their order. Neither depends
 * on threads.
 */
#include "backend/product_weight.h"
#include "ir/op_traits.h"
#include "support/whole.h"

enum {
  MOST_STRIP = 64,     /* channels that are packed at a time, about */
  LEAST_PIXELS = 32,   /* of a block, */
  MOST_PIXELS = 128,   /* which are the longest loop */
  FEW_BLOCKS = 4,      /* which are one less if each has somewhat more */
  MOST_OUT = 128,      /* columns of a trip */
  LEAST_CHANNELS = 32, /* of a group, on either side: packing takes too long for fewer, */
  LEAST_BLOCK = 8,     /* and of a trip */
  LINE = 16            /* f32 of a cache line */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  int64_t height, width, channels, out_height, out_width; /* channels: of all groups */
  int64_t stride[2], dilation[2], before[2], kernel[2], taps;
  bool padded;
  bool once;                 /* each panel meets one strip alone, and is packed before it */
  int64_t in, out;           /* channels of a group */
  int columns, rows;         /* of a register tile */
  int64_t in_block, strip;   /* channels of a trip, and packed at a time */
  int64_t panels;            /* of a trip */
  int64_t pixels;            /* of a block */
  int64_t apart;             /* rows of the sums from panel to panel */
  LoopBuffer *x, *dy;        /* as one axis; as [pixels, channels] */
  LoopBuffer *places;        /* [pixels, 3]: where a window begins in x, its line and column */
  LoopBuffer *x_strip;       /* [pixels, strip] */
  LoopBuffer *dy_panels;     /* [panels, pixels, columns] */
  LoopBuffer *sums;          /* [panels * apart, columns] */
  LoopExpr *channel, *count; /* the trip's first channel, of all groups, and their number */
  LoopExpr *column, *within; /* the first column, of all groups, and in its group */
  LoopExpr *some;            /* panels of this trip */
  LoopExpr *first, *block;   /* the block's first pixel, and their number */
} Packed;

/* ---- the plan ---- */

/* What a strip of so many channels takes in tiles of `rows`, for each pixel: a short one waits for
 * its sums, and each has its beginning and end. */
static int64_t strip_time(const Packed *p, int64_t strip, int64_t rows) {
  int64_t vectors = p->columns / p->l->target->lanes, least = 8, tile = rows * vectors;
  int64_t rest = strip % rows * vectors;
  int64_t time = strip / rows * ((tile < least ? least : tile) + 1);
  return time + (rest ? (rest < least ? least : rest) + 1 : 0);
}

static void plan_rows(Packed *p) {
  int most = weight_tile_rows(p->l->target, p->columns);
  p->rows = most;
  for (int rows = most - 1; rows > 1; rows--)
    if (strip_time(p, p->strip, rows) < strip_time(p, p->strip, p->rows)) p->rows = rows;
}

/* What a trip of so many channels takes for each pixel, in multiply-adds of a vector. Copies go
 * from L2 to L2, and finding a strip's pixels is most of what few channels take (measured). */
static double trip_time(const Packed *p, int64_t block, double vectors) {
  static const double packing_dy = 8, packing_x = 6, pixel = 60;
  double strips = (double)(p->taps * ceil_of(block, MOST_STRIP));
  double rows = (double)(block * p->taps);
  return rows * vectors + packing_dy * vectors + packing_x * rows / p->l->target->lanes +
         pixel * strips;
}

/* As many channels and columns a trip as take the least time on one thread and two, and if these
 * take the same on four: each packs for itself. */
static bool plan_trips(Packed *p, int64_t groups) {
  static const double shares[] = {2, 4, .5}; /* of one thread, two, four */
  int lanes = p->l->target->lanes;
  double least = 0;
  int64_t most_sums = p->l->target->l2 * 5 / 8; /* bytes, which stay near */
  int64_t all = ceil_of(p->out, p->columns), panels = MOST_OUT / p->columns;
  for (panels = panels < all ? panels : all; panels > 0; panels--) {
    int64_t parts = ceil_of(all, panels), size = panels * p->columns * 4;
    if (ceil_of(all, parts) != panels) continue;
    double vectors = (double)(panels * p->columns) / lanes;
    int64_t block = most_sums / size / p->taps;
    for (block = block < p->in ? block : p->in; block > 0; block--) {
      int64_t blocks = ceil_of(p->in, block);
      if (block < LEAST_BLOCK && blocks > 1) break;
      if (ceil_of(p->in, blocks) != block) continue;
      double trip = trip_time(p, block, vectors), time = 0;
      for (int i = 0; i < 3; i++)
        time += shares[i] * trip * (double)ceil_of(groups * parts * blocks, 1 << i);
      if (least > 0 && time >= least) continue;
      least = time, p->panels = panels, p->in_block = block;
    }
  }
  return least > 0;
}

/* Pixels of a block: what is packed of them stays near. If their number is known all blocks have
 * about as many, and some more than that if few blocks are one less then. */
static void plan_pixels(Packed *p) {
  int64_t near = p->l->target->l1 * 7 / 8 / 4, all = 1;
  p->pixels = near / (p->strip + p->columns) / 8 * 8;
  if (p->pixels < LEAST_PIXELS) p->pixels = LEAST_PIXELS;
  if (p->pixels > MOST_PIXELS) p->pixels = MOST_PIXELS;
  const Type *dy = &p->op->operands[1]->type;
  if (!dim_is_constant(dy->dims[0])) return;
  for (int i = 0; i < 3; i++)
    if (__builtin_mul_overflow(all, dim_value(dy->dims[i]), &all)) return;
  if (all < 1) return;
  int64_t blocks = ceil_of(all, p->pixels);
  if (blocks <= FEW_BLOCKS) blocks = ceil_of(all, p->pixels * 9 / 8);
  p->pixels = ceil_of(ceil_of(all, blocks), 2) * 2;
}

/* False: the kernel is so large that no trip's sums stay near. */
static bool plan(Packed *p, int64_t groups) {
  const Target *target = p->l->target;
  p->columns = weight_columns(target, p->out);
  if (!plan_trips(p, groups)) return false;
  int64_t strips = ceil_of(p->in_block, MOST_STRIP), lanes = target->lanes;
  p->strip = ceil_of(ceil_of(p->in_block, strips), lanes) * lanes;
  /* strips that are alike have no edges */
  for (int64_t even = MOST_STRIP; even > MOST_STRIP / 2; even -= lanes)
    if (p->in_block % even == 0) {
      p->strip = even;
      break;
    }
  if (p->strip > p->in_block) p->strip = p->in_block;
  plan_rows(p);
  plan_pixels(p);
  p->once = p->taps == 1 && p->strip == p->in_block;
  p->apart = ceil_of(p->in_block * p->taps, lanes) * lanes;
  return true;
}

/* ---- packing ---- */

/* Where in x a pixel's window begins; at[1] and at[2] become its line and column. */
static LoopExpr *window_place(const Packed *p, LoopExpr *pixel, LoopExpr **at) {
  LoopKernel *k = p->l->kernel;
  index_split(k, pixel, p->op->operands[1]->type.dims, 3, at);
  for (int axis = 0; axis < 2; axis++) {
    LoopExpr *begin = loop_mul(k, at[axis + 1], loop_int(k, p->stride[axis]));
    at[axis + 1] = loop_let(k, "begin", loop_sub(k, begin, loop_int(k, p->before[axis])));
  }
  LoopExpr *place = loop_add(k, loop_mul(k, at[0], loop_int(k, p->height)), at[1]);
  place = loop_add(k, loop_mul(k, place, loop_int(k, p->width)), at[2]);
  return loop_mul(k, place, loop_int(k, p->channels));
}

static void find_places(const Packed *p) {
  LoopKernel *k = p->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *i = loop_for(k, "i", zero, p->block), *at[3];
  LoopExpr *place = window_place(p, loop_let(k, "pixel", loop_add(k, p->first, i)), at);
  loop_store(k, loop_element(k, p->places, i, zero), place);
  for (int axis = 0; axis < 2 && p->padded; axis++)
    loop_store(k, loop_element(k, p->places, i, loop_int(k, axis + 1)), at[axis + 1]);
  loop_end(k);
}

/* The next block comes from far: each of a block's `parts` register tiles fetches its share, number
 * `part`. */
static void fetch_ahead(const Packed *p, LoopExpr *part, int64_t parts) {
  LoopKernel *k = p->l->kernel;
  int64_t share = ceil_of(p->pixels, parts), fresh[2], several = parts / p->pixels;
  for (int i = 0; i < 2; i++) /* what the pixels before have not seen */
    fresh[i] = p->stride[i] < p->kernel[i] ? p->stride[i] : p->kernel[i];
  LoopExpr *zero = loop_int(k, 0), *at[3];
  LoopExpr *i = share > 1 ? loop_for(k, "i", zero, loop_int(k, share)) : zero;
  LoopExpr *next = loop_add(k, p->first, loop_int(k, p->pixels));
  LoopExpr *own =
      several > 1 ? loop_div(k, part, loop_int(k, several)) : loop_mul(k, part, loop_int(k, share));
  next = loop_add(k, next, loop_add(k, own, i));
  next = loop_let(k, "next", next);
  for (int64_t j = 0; j < p->panels * p->columns; j += LINE)
    loop_prefetch(k, loop_element(k, p->dy, next, loop_add(k, p->column, loop_int(k, j))));
  LoopExpr *place = loop_add(k, window_place(p, next, at), p->channel);
  place = loop_let(k, "place", place);
  for (int64_t down = 0; down < fresh[0]; down++)
    for (int64_t right = 0; right < fresh[1]; right++)
      for (int64_t j = 0; j < p->in_block; j += LINE) {
        LoopExpr *off = loop_int(k, (down * p->width + right) * p->channels + j);
        loop_prefetch(k, loop_element(k, p->x, loop_add(k, place, off)));
      }
  if (share > 1) loop_end(k);
}

/* A place of a packed panel. */
static LoopExpr *panel_at(const Packed *p, LoopExpr *panel, LoopExpr *i) {
  LoopKernel *k = p->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  return loop_lanes(k, p->dy_panels, p->columns, p->once ? zero : panel, i, zero);
}

static void pack_panel(const Packed *p, LoopExpr *panel) {
  LoopKernel *k = p->l->kernel;
  LoopExpr *along = loop_let(k, "along", loop_mul(k, panel, loop_int(k, p->columns)));
  LoopExpr *column = loop_let(k, "from", loop_add(k, p->column, along)), *mask = NULL;
  if (p->out % p->columns) {
    LoopExpr *lanes = loop_iota(k, loop_add(k, p->within, along), p->columns);
    mask = loop_let(k, "inside", loop_lt(k, lanes, loop_int(k, p->out)));
  }
  LoopExpr *i = loop_for_unroll(k, "i", loop_int(k, 0), p->block, 2);
  LoopExpr *from = loop_lanes(k, p->dy, p->columns, loop_add(k, p->first, i), column);
  if (mask) from = loop_where(from, mask);
  loop_store(k, panel_at(p, panel, i), from);
  loop_end(k);
}

static LoopExpr *is_in(LoopKernel *k, LoopExpr *at, int64_t size) {
  return loop_and(k, loop_ge(k, at, loop_int(k, 0)), loop_lt(k, at, loop_int(k, size)));
}

/* Registers of channels that are copied at a time, if all strips are alike. */
static int copy_lanes(const Packed *p) {
  int lanes = p->l->target->lanes;
  if (p->in % p->strip || p->in_block % p->strip) return lanes;
  for (int n = 4; n > 1; n--)
    if (p->strip % (n * lanes) == 0) return n * lanes;
  return lanes;
}

/* The strip's channels, from `first` of the trip on, as the tap sees them. */
static void pack_x(const Packed *p, LoopExpr *kh, LoopExpr *kw, LoopExpr *first, LoopExpr *count) {
  LoopKernel *k = p->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *down = loop_let(k, "down", loop_mul(k, kh, loop_int(k, p->dilation[0])));
  LoopExpr *right = loop_let(k, "right", loop_mul(k, kw, loop_int(k, p->dilation[1])));
  LoopExpr *tap = loop_add(k, loop_mul(k, down, loop_int(k, p->width)), right);
  tap = loop_add(k, loop_mul(k, tap, loop_int(k, p->channels)), loop_add(k, p->channel, first));
  tap = loop_let(k, "tap", tap);
  LoopExpr *i = loop_for(k, "i", zero, p->block);
  LoopExpr *at = loop_let(k, "at", loop_add(k, tap, loop_element(k, p->places, i, zero)));
  if (p->padded) {
    LoopExpr *line = loop_add(k, loop_element(k, p->places, i, loop_int(k, 1)), down);
    LoopExpr *pixel = loop_add(k, loop_element(k, p->places, i, loop_int(k, 2)), right);
    line = loop_let(k, "line", line), pixel = loop_let(k, "pixel", pixel);
    loop_if(k, loop_and(k, is_in(k, line, p->height), is_in(k, pixel, p->width)));
  }
  int lanes = copy_lanes(p);
  LoopExpr *c = loop_for_lanes(k, "c", zero, count, lanes);
  loop_store(k, loop_lanes(k, p->x_strip, lanes, i, c),
             loop_lanes(k, p->x, lanes, loop_add(k, at, c)));
  loop_end(k);
  if (p->padded) {
    loop_otherwise(k);
    c = loop_for_lanes(k, "c", zero, count, lanes);
    loop_store(k, loop_lanes(k, p->x_strip, lanes, i, c), loop_number(k, 0));
    loop_end(k);
    loop_end(k);
  }
  loop_end(k);
}

/* ---- products ---- */

/* Adds the products of a packed strip, number `part` of the block, to the trip's sums. */
static void multiply(const Packed *p, LoopExpr *tap, LoopExpr *part, LoopExpr *first,
                     LoopExpr *count) {
  LoopKernel *k = p->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *rows;
  LoopExpr *panel = loop_for(k, "panel", zero, p->some);
  if (p->once) pack_panel(p, panel);
  LoopExpr *c = loop_for_tail(k, "c", zero, count, p->rows, &rows);
  int64_t tiles = ceil_of(p->strip, p->rows), strips = ceil_of(p->in_block, p->strip);
  part = loop_add(k, loop_mul(k, part, loop_int(k, p->panels)), panel);
  part = loop_add(k, loop_mul(k, part, loop_int(k, tiles)), loop_div(k, c, loop_int(k, p->rows)));
  fetch_ahead(p, loop_let(k, "part", part), strips * p->taps * p->panels * tiles);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, p->rows, p->columns, loop_number(k, 0));
  LoopExpr *i = loop_for_unroll(k, "i", zero, p->block, 2);
  LoopExpr *v = loop_let(k, "v", panel_at(p, panel, i));
  LoopExpr *row = loop_each(k, "r", zero, rows), *a = loop_row(k, acc, row);
  loop_set(k, a, loop_fma(k, loop_element(k, p->x_strip, i, loop_add(k, c, row)), v, a));
  loop_end(k);
  loop_end(k);
  LoopExpr *at = loop_mul(k, loop_add(k, first, c), loop_int(k, p->taps));
  at = loop_add(k, loop_add(k, at, tap), loop_mul(k, panel, loop_int(k, p->apart)));
  at = loop_let(k, "at", at);
  row = loop_each(k, "r", zero, rows);
  LoopExpr *place = loop_add(k, at, loop_mul(k, row, loop_int(k, p->taps)));
  LoopExpr *to = loop_lanes(k, p->sums, p->columns, place, zero);
  loop_store(k, to, loop_add(k, to, loop_row(k, acc, row)));
  loop_end(k);
  loop_end(k);
  loop_end(k);
}

static void each_block(Packed *p) {
  LoopKernel *k = p->l->kernel;
  const Type *dy = &p->op->operands[1]->type;
  LoopExpr *zero = loop_int(k, 0), *most = loop_int(k, p->pixels);
  LoopExpr *all = loop_let(k, "all", dims_product(k, dy->dims, 3));
  LoopExpr *blocks = loop_div(k, loop_add(k, all, loop_int(k, p->pixels - 1)), most);
  LoopExpr *block = loop_for(k, "b", zero, blocks);
  p->first = loop_let(k, "first", loop_mul(k, block, most));
  p->block = loop_let(k, "count", loop_min(k, most, loop_sub(k, all, p->first)));
  find_places(p);
  if (!p->once) {
    LoopExpr *panel = loop_for(k, "panel", zero, p->some);
    pack_panel(p, panel);
    loop_end(k);
  }
  LoopExpr *strip = zero, *number = zero, *count = p->count;
  bool several = p->strip < p->in_block;
  if (several) {
    LoopExpr *size = loop_int(k, p->strip);
    LoopExpr *strips = loop_div(k, loop_add(k, p->count, loop_int(k, p->strip - 1)), size);
    number = loop_for(k, "strip", zero, strips);
    strip = loop_let(k, "channels", loop_mul(k, number, size));
    count = size;
    if (p->in % p->strip || p->in_block % p->strip)
      count = loop_let(k, "width", loop_min(k, size, loop_sub(k, p->count, strip)));
  }
  LoopExpr *kh = loop_for(k, "kh", zero, loop_int(k, p->kernel[0]));
  LoopExpr *kw = loop_for(k, "kw", zero, loop_int(k, p->kernel[1]));
  LoopExpr *tap = loop_add(k, loop_mul(k, kh, loop_int(k, p->kernel[1])), kw);
  tap = loop_let(k, "tap", tap);
  pack_x(p, kh, kw, strip, count);
  LoopExpr *part = loop_add(k, loop_mul(k, number, loop_int(k, p->taps)), tap);
  multiply(p, tap, loop_let(k, "part", part), strip, count);
  for (int n = several ? 4 : 3; n > 0; n--) loop_end(k);
}

/* ---- all together ---- */

static void each_trip(Packed *p, int64_t groups) {
  LoopKernel *k = p->l->kernel;
  DimTable *t = p->l->dims;
  int64_t all = ceil_of(p->out, p->columns), parts = ceil_of(all, p->panels);
  int64_t blocks = ceil_of(p->in, p->in_block);
  const Dim *split[] = {dim_constant(t, groups), dim_constant(t, parts), dim_constant(t, blocks)};
  p->l->trips = dim_mul(t, dim_mul(t, split[0], split[1]), split[2]);
  p->l->grain = 1;
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, p->l->trips)), *at[3], *zero = loop_int(k, 0);
  index_split(k, trip, split, 3, at);
  LoopExpr *begin = loop_let(k, "panels", loop_mul(k, at[1], loop_int(k, p->panels)));
  p->some = loop_int(k, p->panels);
  if (all % p->panels)
    p->some = loop_let(k, "some", loop_min(k, p->some, loop_sub(k, loop_int(k, all), begin)));
  p->within = loop_let(k, "within", loop_mul(k, begin, loop_int(k, p->columns)));
  p->column = loop_add(k, p->within, loop_mul(k, at[0], loop_int(k, p->out)));
  p->column = loop_let(k, "column", p->column);
  LoopExpr *first = loop_let(k, "begin", loop_mul(k, at[2], loop_int(k, p->in_block)));
  p->channel = loop_let(k, "channel", loop_add(k, first, loop_mul(k, at[0], loop_int(k, p->in))));
  p->count = loop_int(k, p->in_block);
  if (p->in % p->in_block)
    p->count =
        loop_let(k, "channels", loop_min(k, p->count, loop_sub(k, loop_int(k, p->in), first)));
  LoopExpr *row = loop_for(k, "r", zero, loop_mul(k, p->some, loop_int(k, p->apart)));
  loop_store(k, loop_lanes(k, p->sums, p->columns, row, zero), loop_number(k, 0));
  loop_end(k);
  each_block(p);
  LoopExpr *panel = loop_for(k, "panel", zero, p->some);
  LoopExpr *along = loop_let(k, "along", loop_mul(k, panel, loop_int(k, p->columns)));
  weight_store(&(WeightStore){.l = p->l,
                              .r = p->r,
                              .op = p->op,
                              .sums = p->sums,
                              .from = loop_let(k, "sum", loop_mul(k, panel, loop_int(k, p->apart))),
                              .columns = p->columns,
                              .out = p->out,
                              .row = p->in * p->taps,
                              .column = loop_let(k, "column", loop_add(k, p->column, along)),
                              .within = loop_let(k, "within", loop_add(k, p->within, along)),
                              .first = loop_let(k, "at", loop_mul(k, first, loop_int(k, p->taps))),
                              .count = loop_mul(k, p->count, loop_int(k, p->taps))});
  loop_end(k);
  loop_end(k);
}

bool product_weight_packed(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_weight || r->block || !op_is_channels_last(op)) return false;
  const Type *x = &op->operands[0]->type, *dy = &op->operands[1]->type;
  if (!conv_is_known(x) || !conv_is_known(dy)) return false;
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  Packed p = {.l = l, .r = r, .op = op, .taps = 1};
  p.height = dim_value(x->dims[1]), p.width = dim_value(x->dims[2]);
  p.channels = dim_value(x->dims[3]);
  p.out_height = dim_value(dy->dims[1]), p.out_width = dim_value(dy->dims[2]);
  p.in = p.channels / groups, p.out = dim_value(dy->dims[3]) / groups;
  if (p.in < LEAST_CHANNELS || p.out < LEAST_CHANNELS) return false;
  for (int i = 0; i < 2; i++) {
    p.stride[i] = op_list_integer(op, ATTRIBUTE_stride, i);
    p.dilation[i] = op_list_integer(op, ATTRIBUTE_dilation, i);
    p.before[i] = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    p.kernel[i] = op_list_integer(op, ATTRIBUTE_kernel, i);
    p.padded = p.padded || p.before[i] > 0 || op_pair_integer(op, ATTRIBUTE_pad, i, 1) > 0;
    p.taps *= p.kernel[i];
  }
  if (!plan(&p, groups)) return false;
  LoopKernel *k = l->kernel;
  l->algorithm = "packed";
  r->lanes = p.columns;
  LoopExpr *pixels = loop_int(k, p.pixels), *columns = loop_int(k, p.columns);
  p.x = loop_view(k, region_buffer(r, op->operands[0]), "image", LOOP_F32, 1,
                  dims_product(k, x->dims, 4));
  p.dy = loop_view(k, region_buffer(r, op->operands[1]), "pixels", LOOP_F32, 2,
                   dims_product(k, dy->dims, 3), dim_expr(k, dy->dims[3]));
  p.places = loop_scratch(k, "places", LOOP_I64, 2, pixels, loop_int(k, 3));
  p.x_strip = loop_scratch(k, "x_strip", LOOP_F32, 2, pixels, loop_int(k, p.strip));
  p.dy_panels = loop_scratch(k, "dy_panels", LOOP_F32, 3, loop_int(k, p.once ? 1 : p.panels),
                             pixels, columns);
  p.sums = loop_scratch(k, "sums", LOOP_F32, 2, loop_int(k, p.panels * p.apart), columns);
  each_trip(&p, groups);
  return true;
}
