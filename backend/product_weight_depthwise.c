/* product_weight_depthwise.c - conv_weight in nhwc of each channel alone: the gradient of a
 * depthwise convolution for its weight.
 *
 * Lanes are channels, and a trip has those of a cache line. The sums of all taps of some kernel
 * rows are in registers while a line of dy goes by, some pixels at a time: each number of x is
 * loaded once for all pixels that see it.
 *
 *   acc[kh, kw] += x[n, oh * stride + kh .., ow * stride + kw .., c] * dy[n, oh, ow, c]
 *
 * A line's sums start from 0 and are added to those so far, in the lines' order. What lies over an
 * edge is left out: lines at the top and bottom are written out, as are the first and last pixels
 * of each.
 */
#include "backend/product_weight.h"

#include "ir/grouping.h"
#include "ir/op_traits.h"

enum {
  PIXELS = 4,       /* at a time */
  MOST_SUMS = 12,   /* in registers: as many kernel rows as have so many taps */
  MOST_TAPS = 8,    /* of a kernel row, */
  MOST_ROWS = 64,   /* of a kernel, */
  MOST_SEEN = 512,  /* columns of a group of pixels, */
  MOST_ALONE = 6,   /* lines that are written out, */
  MOST_GROUPS = 6,  /* and groups of pixels */
  LINE = 16,        /* f32 of a cache line */
  NEAR_LINES = 12,  /* of these, of a pixel: walks through memory of less are slow */
  MOST_STRIDE = 16, /* down times across: of more, most of what would be fetched is not read */
  SMALL_MAP = 200   /* pixels: these are copied without a stride (product_weight_grouped.c) */
};

typedef struct {
  Lowering *l;
  LoopBuffer *x, *dy, *sums;    /* sums: [taps, channels of a trip] */
  LoopBuffer *near_x, *near_dy; /* as one axis, if what comes next is fetched; else NULL */
  int64_t channels;             /* of x, */
  int64_t height, width, out_height, out_width;
  int64_t stride[2], dilation[2], before[2], kernel[2];
  LoopExpr *n, *first, *channel; /* the trip's first channel, and that of the vector */
} Alone;

static bool inside(int64_t at, int64_t size) {
  return at >= 0 && at < size;
}

/* `count` pixels from `ow` on, whose number, if known, is `start` (else -1). */
static void add_pixels(const Alone *d, LoopExpr *acc, LoopExpr *oh, const int64_t *rows,
                       LoopExpr *ow, int64_t start, int64_t count) {
  LoopKernel *k = d->l->kernel;
  int lanes = d->l->target->lanes;
  LoopExpr *dy[PIXELS];
  for (int64_t i = 0; i < count; i++)
    dy[i] = loop_let(
        k, "dy",
        loop_lanes(k, d->dy, lanes, d->n, oh, loop_add(k, ow, loop_int(k, i)), d->channel));
  int64_t reach = (count - 1) * d->stride[1] + (d->kernel[1] - 1) * d->dilation[1];
  for (int64_t y = rows[0]; y < rows[1]; y++) {
    LoopExpr *line = loop_mul(k, oh, loop_int(k, d->stride[0]));
    line = loop_add(k, line, loop_int(k, y * d->dilation[0] - d->before[0]));
    for (int64_t column = 0; column <= reach; column++) {
      int64_t at = start * d->stride[1] + column - d->before[1];
      if (start >= 0 && !inside(at, d->width)) continue;
      LoopExpr *x = NULL;
      for (int64_t z = 0; z < d->kernel[1]; z++) {
        int64_t from = column - z * d->dilation[1], pixel = from / d->stride[1];
        if (from < 0 || from % d->stride[1] || pixel >= count) continue;
        LoopExpr *place = loop_mul(k, ow, loop_int(k, d->stride[1]));
        place = loop_add(k, place, loop_int(k, column - d->before[1]));
        if (!x) x = loop_let(k, "x", loop_lanes(k, d->x, lanes, d->n, line, place, d->channel));
        LoopExpr *a = loop_row(k, acc, loop_int(k, (y - rows[0]) * d->kernel[1] + z));
        loop_set(k, a, loop_fma(k, x, dy[pixel], a));
      }
    }
  }
}

/* The lines that come next are in no cache, and vectors of a pixel are a walk with gaps: each group
 * of pixels of each vector fetches its share of them, in order. */
static void fetch_ahead(const Alone *d, LoopExpr *oh, LoopExpr *ow) {
  LoopKernel *k = d->l->kernel;
  int64_t lanes = d->l->target->lanes, pixels = d->stride[0] * d->stride[1];
  LoopExpr *share = loop_mul(k, d->channel, loop_int(k, d->out_width));
  share = loop_add(k, share, loop_mul(k, ow, loop_int(k, lanes)));
  LoopExpr *line = loop_add(k, loop_mul(k, d->n, loop_int(k, d->out_height)), oh);
  line = loop_mul(k, loop_add(k, line, loop_int(k, 1)), loop_int(k, d->out_width * d->channels));
  LoopExpr *dy = loop_let(k, "next", loop_add(k, line, share));
  for (int64_t i = 0; i < PIXELS * lanes; i += LINE)
    loop_prefetch(k, loop_element(k, d->near_dy, loop_add(k, dy, loop_int(k, i))));
  int64_t down = (d->kernel[0] - 1) * d->dilation[0] + 1 - d->before[0];
  line = loop_add(k, loop_mul(k, oh, loop_int(k, d->stride[0])), loop_int(k, down));
  line = loop_add(k, loop_mul(k, d->n, loop_int(k, d->height)), line);
  line = loop_mul(k, line, loop_int(k, d->width * d->channels));
  LoopExpr *x = loop_add(k, line, loop_mul(k, share, loop_int(k, pixels)));
  x = loop_let(k, "next", x);
  for (int64_t i = 0; i < pixels * PIXELS * lanes; i += LINE)
    loop_prefetch(k, loop_element(k, d->near_x, loop_add(k, x, loop_int(k, i))));
}

/* Groups of pixels before `left` and from `right` on can reach over an edge. */
static void edges(const Alone *d, int64_t *left, int64_t *right) {
  int64_t groups = (d->out_width + PIXELS - 1) / PIXELS;
  *left = 0, *right = groups;
  while (*left < groups && *left * PIXELS * d->stride[1] < d->before[1]) ++*left;
  for (; *right > *left; --*right) {
    int64_t past = *right * PIXELS; /* of the group before it */
    int64_t reach = (past - 1) * d->stride[1] + (d->kernel[1] - 1) * d->dilation[1] - d->before[1];
    if (past <= d->out_width && reach < d->width) break;
  }
}

/* The kernel rows rows[0]..rows[1] of line oh. */
static void add_line(const Alone *d, LoopExpr *oh, const int64_t *rows) {
  LoopKernel *k = d->l->kernel;
  int lanes = d->l->target->lanes, taps = (int)((rows[1] - rows[0]) * d->kernel[1]);
  if (taps <= 0) return;
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, taps, lanes, loop_number(k, 0));
  int64_t groups = (d->out_width + PIXELS - 1) / PIXELS, left, right;
  edges(d, &left, &right);
  for (int64_t g = 0; g < groups; g++) {
    int64_t start = g * PIXELS, rest = d->out_width - start;
    if (g < left || g >= right) {
      add_pixels(d, acc, oh, rows, loop_int(k, start), start, rest < PIXELS ? rest : PIXELS);
    } else if (g == left) {
      LoopExpr *end = loop_int(k, right * PIXELS);
      LoopExpr *ow = loop_for_step(k, "ow", loop_int(k, start), end, PIXELS);
      if (d->near_x && rows[0] == 0) fetch_ahead(d, oh, ow);
      add_pixels(d, acc, oh, rows, ow, -1, PIXELS);
      loop_end(k);
    }
  }
  LoopExpr *tap = loop_each(k, "tap", loop_int(k, 0), loop_int(k, taps));
  LoopExpr *at = loop_add(k, tap, loop_int(k, rows[0] * d->kernel[1]));
  LoopExpr *sum = loop_lanes(k, d->sums, lanes, at, loop_sub(k, d->channel, d->first));
  loop_store(k, sum, loop_add(k, sum, loop_row(k, acc, tap)));
  loop_end(k);
}

/* All kernel rows of line oh that lie in x, if its number is known (not -1), or all. */
static void add_rows(const Alone *d, LoopExpr *oh, int64_t number) {
  int64_t some = MOST_SUMS / d->kernel[1], from = 0, to = d->kernel[0];
  if (some < 1) some = 1;
  if (number >= 0) {
    int64_t line = number * d->stride[0] - d->before[0];
    while (from < to && !inside(line + from * d->dilation[0], d->height)) from++;
    while (to > from && !inside(line + (to - 1) * d->dilation[0], d->height)) to--;
  }
  for (; from < to; from += some) {
    int64_t rows[] = {from, to - from < some ? to : from + some};
    add_line(d, oh, rows);
  }
}

/* Lines before `top` and from `bottom` on can reach over an edge. */
static void find_lines(const Alone *d, int64_t *top, int64_t *bottom) {
  *top = (d->before[0] + d->stride[0] - 1) / d->stride[0];
  if (*top > d->out_height) *top = d->out_height;
  int64_t room = d->height - 1 - (d->kernel[0] - 1) * d->dilation[0] + d->before[0];
  *bottom = room < 0 ? 0 : room / d->stride[0] + 1;
  if (*bottom > d->out_height) *bottom = d->out_height;
  if (*bottom < *top) *bottom = *top;
}

static void each_vector(Alone *d, LoopExpr *oh, int64_t number, LoopExpr *end) {
  LoopKernel *k = d->l->kernel;
  d->channel = loop_for_lanes(k, "c", d->first, end, d->l->target->lanes);
  add_rows(d, oh, number);
  loop_end(k);
}

static void all_lines(Alone *d, const Dim *images, LoopExpr *end) {
  LoopKernel *k = d->l->kernel;
  int64_t top, bottom;
  find_lines(d, &top, &bottom);
  d->n = loop_for(k, "n", loop_int(k, 0), dim_expr(k, images));
  for (int64_t i = 0; i < top; i++) each_vector(d, loop_int(k, i), i, end);
  LoopExpr *oh = loop_for(k, "oh", loop_int(k, top), loop_int(k, bottom));
  each_vector(d, oh, -1, end);
  loop_end(k);
  for (int64_t i = bottom; i < d->out_height; i++) each_vector(d, loop_int(k, i), i, end);
  loop_end(k);
}

/* Channels of a trip. Maps that come from memory come whole, whatever part of each pixel is read:
 * so one thread reads all of short pixels. */
static int64_t trip_channels(const Alone *d, const Type *x, int64_t groups) {
  int64_t lanes = d->l->target->lanes, line = lanes > LINE ? lanes : LINE;
  int64_t lines = (groups + line - 1) / line, trips = lines;
  if (type_bytes_at_bound(x) > 4 * d->l->target->l2) {
    trips = 2 * ((lines + 2 * NEAR_LINES - 1) / (2 * NEAR_LINES));
    if (lines < NEAR_LINES) trips = 1;
  }
  return (lines + trips - 1) / trips * line;
}

bool product_weight_depthwise(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_weight || r->block || !op_is_channels_last(op)) return false;
  const Type *x = &op->operands[0]->type, *dy = &op->operands[1]->type;
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  if (!conv_is_known(x) || !conv_is_known(dy) || groups < 2 || !dim_is(x->dims[3], groups) ||
      !dim_is(dy->dims[3], groups))
    return false;
  Alone d = {.l = l,
             .x = region_buffer(r, op->operands[0]),
             .dy = region_buffer(r, op->operands[1]),
             .height = dim_value(x->dims[1]),
             .width = dim_value(x->dims[2]),
             .out_height = dim_value(dy->dims[1]),
             .out_width = dim_value(dy->dims[2])};
  for (int i = 0; i < 2; i++) {
    d.stride[i] = op_list_integer(op, ATTRIBUTE_stride, i);
    d.dilation[i] = op_list_integer(op, ATTRIBUTE_dilation, i);
    d.before[i] = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    d.kernel[i] = op_list_integer(op, ATTRIBUTE_kernel, i);
  }
  if (d.kernel[0] > MOST_ROWS || d.kernel[1] > MOST_TAPS ||
      grouping_seen(PIXELS, d.stride[1], d.kernel[1], d.dilation[1]) > MOST_SEEN)
    return false;
  int64_t top, bottom, left, right, whole = (d.out_width + PIXELS - 1) / PIXELS;
  find_lines(&d, &top, &bottom);
  edges(&d, &left, &right);
  bool copied = d.stride[0] * d.stride[1] == 1 && d.out_width * d.out_height <= SMALL_MAP;
  if (copied || top + d.out_height - bottom > MOST_ALONE || left + whole - right > MOST_GROUPS)
    return false;
  LoopKernel *k = l->kernel;
  int lanes = l->target->lanes;
  int64_t channels = trip_channels(&d, x, groups), taps = d.kernel[0] * d.kernel[1];
  l->trips = dim_constant(l->dims, (groups + channels - 1) / channels);
  l->grain = 1;
  l->algorithm = "depthwise";
  r->lanes = lanes;
  d.channels = groups;
  bool near = d.stride[0] <= MOST_STRIDE / d.stride[1];
  if (near && channels >= groups && type_bytes_at_bound(x) > 4 * l->target->l2) {
    d.near_x = loop_view(k, d.x, "x_numbers", LOOP_F32, 1, dims_product(k, x->dims, 4));
    d.near_dy = loop_view(k, d.dy, "dy_numbers", LOOP_F32, 1, dims_product(k, dy->dims, 4));
  }
  d.sums = loop_scratch(k, "sums", LOOP_F32, 2, loop_int(k, taps), loop_int(k, channels));
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *zero = loop_int(k, 0);
  d.first = loop_let(k, "first", loop_mul(k, trip, loop_int(k, channels)));
  LoopExpr *end = loop_add(k, d.first, loop_int(k, channels));
  end = loop_let(k, "end", loop_min(k, end, loop_int(k, groups)));
  LoopExpr *tap = loop_for(k, "tap", zero, loop_int(k, taps));
  LoopExpr *c = loop_for_step(k, "c", zero, loop_int(k, channels), lanes);
  loop_store(k, loop_lanes(k, d.sums, lanes, tap, c), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
  all_lines(&d, x->dims[0], end);
  c = loop_for_lanes(k, "c", d.first, end, lanes);
  LoopExpr *y = loop_for(k, "kh", zero, loop_int(k, d.kernel[0]));
  LoopExpr *z = loop_for(k, "kw", zero, loop_int(k, d.kernel[1]));
  LoopExpr *at = loop_add(k, loop_mul(k, y, loop_int(k, d.kernel[1])), z);
  LoopExpr *sum = loop_let(k, "sum", loop_lanes(k, d.sums, lanes, at, loop_sub(k, c, d.first)));
  Index index[] = {index_lanes(c), index_scalar(zero), index_scalar(y), index_scalar(z)};
  product_finish(r, op, index, sum);
  for (int i = 0; i < 4; i++) loop_end(k);
  return true;
}
