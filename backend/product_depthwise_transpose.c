/* product_depthwise_transpose.c - conv_transpose {layout=nhwc, stride} of each channel alone: the
 * gradient of a depthwise convolution for its input. x [N, H, W, C], w [KH, KW, 1, C].
 *
 * Lanes are channels. A trip is as many lines of the result as the stride, each of which meets its
 * own rows of the kernel; a tile is some pixels of x and all of the result's that they lie under,
 * each of which meets its own columns:
 *
 *   acc[R * stride] += x[n, q + shift - j, at, c] * w[first + stride * j, kw, c]
 *
 * so nothing is multiplied by zeros, and a number of x is loaded once for a row of the kernel. Rows
 * outside of x are left out by the loop's bounds, columns where the tiles of a line are written
 * out.
 */
#include "backend/product.h"
#include "ir/op_traits.h"
#include "support/whole.h"

enum {
  MOST_STRIDE = 4,
  MOST_TAPS = 8,  /* of a kernel row */
  MOST_SUMS = 8,  /* of a tile */
  MOST_ALONE = 6, /* tiles of a line that are written out */
  FAR = 4,        /* L2s: larger maps come from memory */
  LINE = 16       /* f32 of a cache line */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  int64_t kernel[2], stride[2], pad[2], size[2], result[2], channels;
  int64_t pixels;      /* of x, of a tile */
  LoopExpr *n, *q;     /* the trip's picture, and its lines of the result over the stride */
  LoopExpr *oh;        /* the line of the result, */
  int64_t row, shift;  /* its first row of the kernel, and how far from q its line of x is */
  LoopExpr *from, *to; /* rows of the kernel, every stride-th one, that are inside */
  LoopBuffer *near;    /* the result as one axis, if what comes next is fetched; else NULL */
} Transpose;

/* Tap z adds x's column at / stride to the result's pixel `phase` of the tile's first column, if
 * this is a number. */
static bool meets(const Transpose *t, int64_t phase, int64_t z, int64_t *column) {
  int64_t at = phase + t->pad[1] - z;
  *column = at / t->stride[1];
  return at % t->stride[1] == 0;
}

/* The multiply-adds of kernel row `y` for `count` pixels of x from `first` on, which is number
 * `known`, if that is not -1. */
static void add_line(const Transpose *t, LoopExpr *acc, LoopExpr *first, int64_t known,
                     int64_t count, LoopExpr *y, LoopExpr *line, LoopExpr *channel) {
  LoopKernel *k = t->l->kernel;
  int lanes = t->r->lanes;
  LoopExpr *zero = loop_int(k, 0), *w[MOST_TAPS];
  for (int64_t z = 0; z < t->kernel[1]; z++)
    w[z] = loop_let(k, "w",
                    loop_lanes(k, region_buffer(t->r, t->product->operands[1]), lanes, y,
                               loop_int(k, z), zero, channel));
  int64_t reach = ceil_of(t->kernel[1] + t->pad[1] + t->stride[1], t->stride[1]);
  for (int64_t at = -reach; at < count + reach; at++) {
    if (known >= 0 && (known + at < 0 || known + at >= t->size[1])) continue;
    LoopExpr *x = NULL;
    for (int64_t i = 0; i < count; i++)
      for (int64_t phase = 0; phase < t->stride[1]; phase++)
        for (int64_t z = 0; z < t->kernel[1]; z++) {
          int64_t column;
          if (!meets(t, phase, z, &column) || i + column != at) continue;
          if (!x)
            x = loop_let(k, "x",
                         loop_lanes(k, region_buffer(t->r, t->product->operands[0]), lanes, t->n,
                                    line, loop_add(k, first, loop_int(k, at)), channel));
          LoopExpr *a = loop_row(k, acc, loop_int(k, i * t->stride[1] + phase));
          loop_set(k, a, loop_fma(k, x, w[z], a));
        }
  }
}

/* What comes next of the result, in order: its lines are in no cache. */
static void fetch_ahead(const Transpose *t, LoopExpr *first, int64_t count, LoopExpr *channel) {
  LoopKernel *k = t->l->kernel;
  int64_t wide = count * t->stride[1];
  LoopExpr *line = loop_add(k, loop_mul(k, t->n, loop_int(k, t->result[0])), t->oh);
  line = loop_mul(k, loop_add(k, line, loop_int(k, 1)), loop_int(k, t->result[1] * t->channels));
  LoopExpr *share = loop_mul(k, first, loop_int(k, t->stride[1] * t->channels));
  share = loop_add(k, share, loop_mul(k, channel, loop_int(k, wide)));
  LoopExpr *at = loop_let(k, "next", loop_add(k, line, share));
  for (int64_t i = 0; i < wide * t->r->lanes; i += LINE)
    loop_prefetch(k, loop_element(k, t->near, loop_add(k, at, loop_int(k, i))));
}

static void tile(const Transpose *t, LoopExpr *first, int64_t known, int64_t count) {
  LoopKernel *k = t->l->kernel;
  int lanes = t->r->lanes;
  int64_t wide = count * t->stride[1];
  if (known >= 0 && known * t->stride[1] + wide > t->result[1])
    wide = t->result[1] - known * t->stride[1];
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *channel = loop_for_lanes(k, "c", zero, loop_int(k, t->channels), lanes);
  if (t->near) fetch_ahead(t, first, count, channel);
  LoopExpr *acc =
      loop_array(k, "acc", LOOP_F32, (int)(count * t->stride[1]), lanes, loop_number(k, 0));
  LoopExpr *j = loop_for(k, "j", t->from, t->to);
  LoopExpr *y = loop_add(k, loop_mul(k, j, loop_int(k, t->stride[0])), loop_int(k, t->row));
  LoopExpr *line = loop_sub(k, loop_add(k, t->q, loop_int(k, t->shift)), j);
  add_line(t, acc, first, known, count, y, loop_let(k, "line", line), channel);
  loop_end(k);
  LoopExpr *pixel = loop_each(k, "pixel", zero, loop_int(k, wide));
  LoopExpr *ow = loop_add(k, loop_mul(k, first, loop_int(k, t->stride[1])), pixel);
  Index index[] = {index_scalar(t->n), index_scalar(t->oh), index_scalar(ow), index_lanes(channel)};
  product_finish(t->r, t->product, index, loop_row(k, acc, pixel));
  loop_end(k);
  loop_end(k);
}

/* Tiles before `left` and from `right` on reach over an edge. */
static int64_t edges(const Transpose *t, int64_t *left, int64_t *right) {
  int64_t least = 0, most = 0, wide = ceil_of(t->result[1], t->stride[1]);
  for (int64_t phase = 0; phase < t->stride[1]; phase++)
    for (int64_t z = 0; z < t->kernel[1]; z++) {
      int64_t column;
      if (!meets(t, phase, z, &column)) continue;
      if (column < least) least = column;
      if (column > most) most = column;
    }
  int64_t tiles = ceil_of(wide, t->pixels);
  *left = 0, *right = tiles;
  while (*left < tiles && *left * t->pixels + least < 0) ++*left;
  for (; *right > *left; --*right) {
    int64_t past = *right * t->pixels; /* of the tile before it */
    if (past * t->stride[1] <= t->result[1] && past - 1 + most < t->size[1]) break;
  }
  return tiles;
}

static void each_tile(const Transpose *t) {
  LoopKernel *k = t->l->kernel;
  int64_t left, right, tiles = edges(t, &left, &right);
  int64_t wide = ceil_of(t->result[1], t->stride[1]);
  for (int64_t i = 0; i < tiles; i++) {
    int64_t first = i * t->pixels, rest = wide - first;
    if (i < left || i >= right) {
      tile(t, loop_int(k, first), first, rest < t->pixels ? rest : t->pixels);
    } else if (i == left) {
      LoopExpr *end = loop_int(k, right * t->pixels);
      tile(t, loop_for_step(k, "q", loop_int(k, first), end, (int)t->pixels), -1, t->pixels);
      loop_end(k);
    }
  }
}

/* Line q * stride + r of the result: its rows of the kernel are first + stride * j, of x's lines q
 * + shift - j. */
static void one_line(Transpose *t, int64_t r) {
  LoopKernel *k = t->l->kernel;
  int64_t stride = t->stride[0];
  t->row = (r + t->pad[0]) % stride, t->shift = (r + t->pad[0]) / stride;
  int64_t taps = t->row < t->kernel[0] ? ceil_of(t->kernel[0] - t->row, stride) : 0;
  t->oh = loop_add(k, loop_mul(k, t->q, loop_int(k, stride)), loop_int(k, r));
  t->oh = loop_let(k, "oh", t->oh);
  LoopExpr *last = loop_add(k, t->q, loop_int(k, t->shift)); /* the line for j = 0 */
  LoopExpr *from = loop_sub(k, last, loop_int(k, t->size[0] - 1));
  LoopExpr *to = loop_min(k, loop_int(k, taps), loop_add(k, last, loop_int(k, 1)));
  t->from = loop_let(k, "from", loop_max(k, loop_int(k, 0), from));
  t->to = loop_let(k, "to", to);
  bool some = t->result[0] % stride && r >= t->result[0] % stride; /* not in the last trip */
  if (some) loop_if(k, loop_lt(k, t->oh, loop_int(k, t->result[0])));
  each_tile(t);
  if (some) loop_end(k);
}

bool product_depthwise_transpose(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_conv_transpose || !op_is_channels_last(product)) return false;
  const Type *x = &product->operands[0]->type, *w = &product->operands[1]->type;
  const Type *out = &product->results[0]->type;
  if (!conv_is_known(x) || !conv_is_known(w) || !conv_is_known(out) ||
      !dim_is_constant(w->dims[0]) || !dim_is(w->dims[2], 1) ||
      !dim_is(x->dims[3], op_integer(product, ATTRIBUTE_groups)))
    return false;
  LoopKernel *k = l->kernel;
  Transpose t = {.l = l, .r = r, .product = product, .channels = dim_value(x->dims[3])};
  for (int i = 0; i < 2; i++) {
    if (op_list_integer(product, ATTRIBUTE_dilation, i) != 1) return false;
    t.kernel[i] = dim_value(w->dims[i]);
    t.stride[i] = op_list_integer(product, ATTRIBUTE_stride, i);
    t.pad[i] = op_pair_integer(product, ATTRIBUTE_pad, i, 0);
    t.size[i] = dim_value(x->dims[1 + i]), t.result[i] = dim_value(out->dims[1 + i]);
    if (t.stride[i] > MOST_STRIDE || t.kernel[i] < 1 || t.pad[i] > 4 * t.kernel[i] ||
        t.size[i] < 1 || t.result[i] < 1)
      return false;
  }
  if (t.kernel[1] > MOST_TAPS) return false;
  t.pixels = MOST_SUMS / t.stride[1];
  int64_t left, right, tiles = edges(&t, &left, &right);
  if (left + tiles - right > MOST_ALONE) return false;
  l->algorithm = "depthwise";
  l->grain = 1;
  r->lanes = l->target->lanes;
  DimTable *dims = l->dims;
  const Dim *split[] = {x->dims[0], dim_constant(dims, ceil_of(t.result[0], t.stride[0]))};
  l->trips = dim_mul(dims, split[0], split[1]);
  if (type_bytes_at_bound(out) > FAR * l->target->l2) {
    LoopBuffer *y = region_result_buffer(r, 0);
    t.near = loop_view(k, y, "y_numbers", y->element, 1, dims_product(k, out->dims, 4));
  }
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *at[2];
  index_split(k, trip, split, 2, at);
  t.n = at[0], t.q = at[1];
  for (int64_t i = 0; i < t.stride[0]; i++) one_line(&t, i);
  loop_end(k);
  return true;
}
