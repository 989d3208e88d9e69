/* product_depthwise.c - convolutions of each channel alone: conv {layout=nhwc}, x [N, H, W, C],
 * w [KH, KW, 1, C].
 *
 * Lanes are channels. A trip is a row of the result; a tile is R neighbouring pixels of it, whose
 * windows overlap, so that a number of x is loaded once for each kernel row:
 *
 *   acc[R] += x[n, line, ow + 0:R + kw, c] * w[kh, kw, c]
 *
 * Kernel rows that lie in the padding are left out by the loop's bounds. In lines of a known size
 * the first and last tile leave out what lies over an edge; in others such pixels are done one by
 * one.
 */
#include "backend/product.h"

#include "ir/grouping.h"
#include "ir/op_traits.h"

#include <string.h>

enum {
  MOST_TAPS = 16,  /* of a kernel row */
  MOST_PIXELS = 8, /* of a tile */
  FAR = 16,        /* L2s: larger maps come from memory */
  MOST_STRIDE = 16 /* down times across: of more, most of what would be fetched is not read */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  LoopExpr *n, *oh;
  LoopExpr *kh_from, *kh_to; /* kernel rows inside of x */
  const Dim *width;          /* of x */
  int64_t kw, stride, dilation, before;
  LoopBuffer *near_x, *near_y; /* as one axis, if what comes next is fetched; else NULL */
} Depthwise;

static LoopExpr *ceil_divide(LoopKernel *k, LoopExpr *a, int64_t by) {
  return by == 1 ? a : loop_div(k, loop_add(k, a, loop_int(k, by - 1)), loop_int(k, by));
}

/* Kernel places from..to for which first + place * dilation is in 0..size. */
static void clip(LoopKernel *k, LoopExpr *first, const Dim *size, int64_t dilation, int64_t count,
                 LoopExpr **from, LoopExpr **to) {
  LoopExpr *end = loop_sub(k, dim_expr(k, size), first);
  *from = loop_max(k, loop_int(k, 0), ceil_divide(k, loop_neg(k, first), dilation));
  *to = loop_min(k, loop_int(k, count), ceil_divide(k, end, dilation));
  *from = loop_let(k, "from", *from);
  *to = loop_let(k, "to", *to);
}

/* The line of x that kernel row y of the trip reads. */
static LoopExpr *line_of(const Depthwise *d, LoopExpr *y) {
  LoopKernel *k = d->l->kernel;
  const Op *op = d->product;
  LoopExpr *line = loop_mul(k, d->oh, loop_int(k, op_list_integer(op, ATTRIBUTE_stride, 0)));
  line = loop_add(k, line, loop_mul(k, y, loop_int(k, op_list_integer(op, ATTRIBUTE_dilation, 0))));
  line = loop_sub(k, line, loop_int(k, op_pair_integer(op, ATTRIBUTE_pad, 0, 0)));
  return loop_let(k, "line", line);
}

/* `count` pixels from `ow` on, whose windows have columns from..to inside. */
static void tile(Depthwise *d, LoopExpr *ow, LoopExpr *count, int rows, LoopExpr *from,
                 LoopExpr *to) {
  LoopKernel *k = d->l->kernel;
  const Op *op = d->product;
  int lanes = d->r->lanes;
  LoopExpr *zero = loop_int(k, 0), *end = dim_expr(k, op->results[0]->type.dims[3]);
  LoopExpr *channel = loop_for_lanes(k, "c", zero, end, lanes);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, rows, lanes, loop_number(k, 0));
  LoopExpr *y = loop_for(k, "kh", d->kh_from, d->kh_to);
  LoopExpr *line = line_of(d, y),
           *z = from ? loop_for(k, "kw", from, to) : loop_each(k, "kw", zero, loop_int(k, d->kw));
  LoopExpr *w = loop_let(
      k, "w", loop_lanes(k, region_buffer(d->r, op->operands[1]), lanes, y, z, zero, channel));
  LoopExpr *row = loop_each(k, "r", zero, count);
  LoopExpr *at = loop_mul(k, loop_add(k, ow, row), loop_int(k, d->stride));
  at = loop_add(k, at, loop_mul(k, z, loop_int(k, d->dilation)));
  at = loop_sub(k, at, loop_int(k, d->before));
  LoopExpr *x = loop_lanes(k, region_buffer(d->r, op->operands[0]), lanes, d->n, line, at, channel);
  LoopExpr *a = loop_row(k, acc, row);
  loop_set(k, a, loop_fma(k, x, w, a));
  for (int i = 0; i < 3; i++) loop_end(k);
  row = loop_each(k, "r", zero, count);
  Index index[] = {index_scalar(d->n), index_scalar(d->oh), index_scalar(loop_add(k, ow, row)),
                   index_lanes(channel)};
  product_finish(d->r, op, index, loop_row(k, acc, row));
  loop_end(k);
  loop_end(k);
}

/* Pixels that can reach over an edge. */
static void edge(Depthwise *d, LoopExpr *begin, LoopExpr *end) {
  LoopKernel *k = d->l->kernel;
  LoopExpr *ow = loop_for(k, "ow", begin, end), *from, *to;
  LoopExpr *first = loop_mul(k, ow, loop_int(k, d->stride));
  first = loop_let(k, "first", loop_sub(k, first, loop_int(k, d->before)));
  clip(k, first, d->width, d->dilation, d->kw, &from, &to);
  tile(d, ow, loop_int(k, 1), 1, from, to);
  loop_end(k);
}

static void row_of_pixels(Depthwise *d, int rows) {
  LoopKernel *k = d->l->kernel;
  DimTable *dims = d->l->dims;
  const Op *op = d->product;
  const Dim *all = op->results[0]->type.dims[2];
  int64_t left = (d->before + d->stride - 1) / d->stride;
  bool padded = d->before || op_pair_integer(op, ATTRIBUTE_pad, 1, 1);
  LoopExpr *begin = loop_int(k, 0), *end = dim_expr(k, all), *last = end;
  if (padded) {
    /* windows that start before `room` end inside */
    int64_t room = d->before - (d->kw - 1) * d->dilation;
    const Dim *inside = dim_add(dims, d->width, dim_constant(dims, room));
    if (dim_is_constant(inside) && dim_is_constant(all)) {
      int64_t value = dim_value(inside), size = dim_value(all);
      int64_t stop = value > 0 ? (value - 1) / d->stride + 1 : 0;
      left = left < size ? left : size;
      stop = stop < left ? left : stop < size ? stop : size;
      begin = loop_int(k, left), last = loop_int(k, stop);
    } else {
      begin = loop_let(k, "left", loop_min(k, loop_int(k, left), end));
      last = ceil_divide(k, dim_expr(k, inside), d->stride);
      last = loop_let(k, "right", loop_max(k, begin, loop_min(k, last, end)));
    }
    edge(d, loop_int(k, 0), begin);
  }
  LoopExpr *count;
  LoopExpr *ow = loop_for_tail(k, "ow", begin, last, rows, &count);
  tile(d, ow, count, rows, NULL, NULL);
  loop_end(k);
  if (padded) edge(d, last, end);
}

/* ---- lines of a known size ---- */

/* The multiply-adds of one kernel row for `count` pixels from `ow` on. Each number of x is loaded
 * once and meets the taps of all pixels that see it. Where `first`, the number of the first pixel,
 * is known (not -1), columns outside of x are left out. */
static void add_line(const Depthwise *d, LoopExpr *acc, LoopExpr *ow, int64_t first, int64_t count,
                     LoopExpr *y, LoopExpr *channel) {
  enum { FEW_TAPS = 4 }; /* stay in registers */
  LoopKernel *k = d->l->kernel;
  const Op *op = d->product;
  int lanes = d->r->lanes;
  LoopExpr *line = line_of(d, y), *zero = loop_int(k, 0), *w[MOST_TAPS];
  for (int64_t z = 0; z < d->kw; z++) {
    w[z] = loop_lanes(k, region_buffer(d->r, op->operands[1]), lanes, y, loop_int(k, z), zero,
                      channel);
    if (d->kw <= FEW_TAPS) w[z] = loop_let(k, "w", w[z]);
  }
  int64_t width = dim_value(d->width), last = (count - 1) * d->stride + (d->kw - 1) * d->dilation;
  for (int64_t column = 0; column <= last; column++) {
    int64_t at = first * d->stride + column - d->before;
    if (first >= 0 && (at < 0 || at >= width)) continue;
    LoopExpr *x = NULL;
    for (int64_t z = 0; z < d->kw; z++) {
      int64_t from = column - z * d->dilation, row = from / d->stride;
      if (from < 0 || from % d->stride || row >= count) continue;
      if (!x) {
        LoopExpr *place = loop_mul(k, ow, loop_int(k, d->stride));
        place = loop_add(k, place, loop_int(k, column - d->before));
        x = loop_let(
            k, "x",
            loop_lanes(k, region_buffer(d->r, op->operands[0]), lanes, d->n, line, place, channel));
      }
      LoopExpr *a = loop_row(k, acc, loop_int(k, row));
      loop_set(k, a, loop_fma(k, x, w[z], a));
    }
  }
}

/* Maps of a whole batch come from memory, and vectors of some pixels are many walks with gaps: each
 * vector of a tile fetches its share of the lines that the next trip reads and writes, in order. */
static void fetch_ahead(const Depthwise *d, LoopExpr *ow, int64_t count, LoopExpr *channel) {
  enum { LINE = 16 }; /* f32 of a cache line */
  LoopKernel *k = d->l->kernel;
  const Op *op = d->product;
  const Type *x = &op->operands[0]->type, *y = &op->results[0]->type;
  int64_t channels = dim_value(x->dims[3]), down = op_list_integer(op, ATTRIBUTE_stride, 0);
  int64_t taps = dim_value(op->operands[1]->type.dims[0]);
  taps = (taps - 1) * op_list_integer(op, ATTRIBUTE_dilation, 0) + 1;
  LoopExpr *share = loop_mul(k, ow, loop_int(k, channels));
  share = loop_let(k, "share", loop_add(k, share, loop_mul(k, channel, loop_int(k, count))));
  LoopExpr *line = loop_add(k, loop_mul(k, d->n, dim_expr(k, y->dims[1])), d->oh);
  line = loop_mul(k, loop_add(k, line, loop_int(k, 1)), loop_int(k, channels));
  line = loop_mul(k, line, dim_expr(k, y->dims[2]));
  LoopExpr *at = loop_let(k, "next", loop_add(k, line, share));
  for (int64_t i = 0; i < count * d->r->lanes; i += LINE)
    loop_prefetch(k, loop_element(k, d->near_y, loop_add(k, at, loop_int(k, i))));
  line = loop_add(k, loop_mul(k, d->oh, loop_int(k, down)),
                  loop_int(k, taps - op_pair_integer(op, ATTRIBUTE_pad, 0, 0)));
  line = loop_add(k, loop_mul(k, d->n, dim_expr(k, x->dims[1])), line);
  line = loop_mul(k, loop_mul(k, line, loop_int(k, channels)), dim_expr(k, x->dims[2]));
  at = loop_add(k, line, loop_mul(k, share, loop_int(k, down * d->stride)));
  at = loop_let(k, "next", at);
  for (int64_t i = 0; i < count * d->r->lanes * down * d->stride; i += LINE)
    loop_prefetch(k, loop_element(k, d->near_x, loop_add(k, at, loop_int(k, i))));
}

static void known_tile(const Depthwise *d, LoopExpr *ow, int64_t first, int64_t count) {
  LoopKernel *k = d->l->kernel;
  const Op *op = d->product;
  int lanes = d->r->lanes;
  LoopExpr *zero = loop_int(k, 0), *end = dim_expr(k, op->results[0]->type.dims[3]);
  LoopExpr *channel = loop_for_lanes(k, "c", zero, end, lanes);
  if (d->near_x) fetch_ahead(d, ow, count, channel);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, (int)count, lanes, loop_number(k, 0));
  LoopExpr *y = loop_for(k, "kh", d->kh_from, d->kh_to);
  add_line(d, acc, ow, first, count, y, channel);
  loop_end(k);
  LoopExpr *row = loop_each(k, "r", zero, loop_int(k, count));
  Index index[] = {index_scalar(d->n), index_scalar(d->oh), index_scalar(loop_add(k, ow, row)),
                   index_lanes(channel)};
  product_finish(d->r, op, index, loop_row(k, acc, row));
  loop_end(k);
  loop_end(k);
}

/* Tiles of the line, as even as can be; those at its ends, of which some windows reach over an
 * edge, each by itself. False if these are many. */
static bool known_line(const Depthwise *d) {
  enum { MOST_ALONE = 4, MOST_SEEN = 1024 /* columns, which are gone through here */ };
  LoopKernel *k = d->l->kernel;
  const Dim *all = d->product->results[0]->type.dims[2];
  if (!dim_is_constant(all) || !dim_is_constant(d->width) || dim_value(all) < 1) return false;
  int64_t size = dim_value(all), most = d->l->target->registers / 2;
  if (most > MOST_PIXELS) most = MOST_PIXELS;
  int64_t tiles = (size + most - 1) / most, pixels = (size + tiles - 1) / tiles;
  if (grouping_seen(pixels, d->stride, d->kw, d->dilation) > MOST_SEEN) return false;
  tiles = (size + pixels - 1) / pixels;
  int64_t left = 0, right = tiles;
  while (left < tiles && left * pixels * d->stride < d->before) left++;
  for (; right > left; right--) {
    int64_t past = right * pixels; /* of the tile before `right` */
    int64_t reach = (past - 1) * d->stride + (d->kw - 1) * d->dilation - d->before;
    if (past <= size && reach < dim_value(d->width)) break;
  }
  if (left + tiles - right > MOST_ALONE) return false;
  for (int64_t t = 0; t < tiles; t++) {
    int64_t first = t * pixels, count = size - first < pixels ? size - first : pixels;
    if (t < left || t >= right) {
      known_tile(d, loop_int(k, first), first, count);
    } else if (t == left) {
      LoopExpr *end = loop_int(k, right * pixels);
      known_tile(d, loop_for_step(k, "ow", loop_int(k, first), end, (int)pixels), -1, pixels);
      loop_end(k);
    }
  }
  return true;
}

bool product_depthwise(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_conv || !op_is_channels_last(product)) return false;
  const Value *x = product->operands[0], *w = product->operands[1];
  const Type *out = &product->results[0]->type;
  if (x->type.rank != 4 || x->type.element != ELEMENT_f32 || w->type.element != ELEMENT_f32)
    return false;
  const Dim *channels = x->type.dims[3];
  if (!dim_is_constant(channels) || !dim_is(channels, op_integer(product, ATTRIBUTE_groups)) ||
      !dim_is(w->type.dims[2], 1) || w->type.dims[3] != channels)
    return false;
  if (!dim_is_constant(w->type.dims[0]) || !dim_is_constant(w->type.dims[1])) return false;
  LoopKernel *k = l->kernel;
  Depthwise d = {.l = l, .r = r, .product = product, .width = x->type.dims[2]};
  d.kw = dim_value(w->type.dims[1]);
  if (d.kw > MOST_TAPS) return false;
  d.stride = op_list_integer(product, ATTRIBUTE_stride, 1);
  d.dilation = op_list_integer(product, ATTRIBUTE_dilation, 1);
  d.before = op_pair_integer(product, ATTRIBUTE_pad, 1, 0);
  l->algorithm = "depthwise";
  l->grain = 1;
  l->trips = dim_mul(l->dims, out->dims[0], out->dims[1]);
  r->lanes = l->target->lanes;
  bool near = op_list_integer(product, ATTRIBUTE_stride, 0) <= MOST_STRIDE / d.stride;
  if (near && type_bytes_at_bound(&x->type) > FAR * l->target->l2) {
    d.near_x = loop_view(k, region_buffer(r, x), "x_numbers", LOOP_F32, 1,
                         dims_product(k, x->type.dims, 4));
    LoopBuffer *y = region_result_buffer(r, 0);
    d.near_y = loop_view(k, y, "y_numbers", y->element, 1, dims_product(k, out->dims, 4));
  }
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *at[2];
  index_split(k, trip, out->dims, 2, at);
  d.n = at[0], d.oh = at[1];
  LoopExpr *first = loop_mul(k, d.oh, loop_int(k, op_list_integer(product, ATTRIBUTE_stride, 0)));
  int64_t kh = dim_value(w->type.dims[0]), above = op_pair_integer(product, ATTRIBUTE_pad, 0, 0);
  d.kh_from = loop_int(k, 0), d.kh_to = loop_int(k, kh);
  if (above || op_pair_integer(product, ATTRIBUTE_pad, 0, 1)) {
    first = loop_let(k, "first", loop_sub(k, first, loop_int(k, above)));
    clip(k, first, x->type.dims[1], op_list_integer(product, ATTRIBUTE_dilation, 0), kh, &d.kh_from,
         &d.kh_to);
  }
  if (!known_line(&d)) row_of_pixels(&d, l->target->registers / 4);
  loop_end(k);
  return true;
}
