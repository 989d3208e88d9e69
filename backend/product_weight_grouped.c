/* product_weight_grouped.c - conv_weight in nhwc in groups of few channels, or of one (depthwise):
 * the gradient of such a convolution for its weight.
 *
 * Lanes are output channels, as in product_grouped.c, and a trip has all sums of some blocks of
 * them. Picture by picture some lines of dy and what of x they see go by, a block at a time: x is
 * copied with zeros for its padding, dense whatever the channels of the map. Pairs of a kernel row
 * and an input channel of the group share a pass over a few lines, as many as have their sums in
 * registers; some pixels at a time, so that what is read of x meets all pixels that see it:
 *
 *   acc[pair, kw] += x[oh * stride + kh .., ow * stride + kw .., the lane's group * I + i] * dy[oh,
 * ow]
 *
 * A pass starts from 0 and is added to the sums so far, in the passes' order.
 */
#include "backend/product_grouped.h"
#include "backend/product_weight.h"
#include "ir/blocking.h"
#include "ir/op_traits.h"
#include "support/whole.h"

enum {
  MOST_PIXELS = 8,  /* at a time */
  PASS_PIXELS = 64, /* of a pass, about: what is added up at its end costs little then */
  MOST_TAPS = 11,   /* of a kernel row */
  MOST_CODE = 6000, /* multiply-adds that are written out */
  FAR = 4,          /* L2s: larger maps come from memory, */
  FAR_BLOCKS = 8,   /* and a trip takes about so many blocks of them */
  LINE = 16,        /* f32 of a cache line */
  MOST_STRIDE = 16, /* down times across, where what lies between is fetched, too */
  FEW_CHANNELS = 12 /* of a group, on one side: more have kernels of their own */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  GroupPart part;
  int64_t pass;                 /* lines of dy in one */
  int64_t pixels;               /* at a time */
  int64_t pairs, some;          /* kernel rows by inputs; of a pass */
  int64_t blocks;               /* of a trip */
  LoopBuffer *dy;               /* copied: [lines, columns, C]; may be NULL */
  LoopBuffer *sums;             /* [blocks * vectors, KH * KW * I, lanes] */
  LoopExpr *number;             /* the block's in the trip */
  bool far;                     /* do maps come from memory? */
  LoopBuffer *near_x, *near_dy; /* as one axis, if what comes next is fetched; else NULL */
  LoopExpr *next_x, *next_dy;   /* where the next block begins in them */
} Grouped;

/* ---- copies ---- */

static void copy_dy(Grouped *g) {
  LoopKernel *k = g->l->kernel;
  LoopExpr *line = loop_for(k, "line", loop_int(k, 0), loop_sub(k, g->part.past, g->part.first));
  group_copy_line(k, g->part.block.partial ? g->part.block.groups * g->part.block.out : 0,
                  &(GroupLine){.from = region_buffer(g->r, g->op->operands[1]),
                               .to = g->dy,
                               .n = g->part.n,
                               .line = loop_let(k, "from", loop_add(k, g->part.first, line)),
                               .channel = g->part.out,
                               .at = line,
                               .channels = g->part.block.whole * g->part.block.out,
                               .height = g->part.result[0],
                               .width = g->part.result[1],
                               .columns = g->part.result[1]});
  loop_end(k);
}

/* ---- what comes next ---- */

/* The next block of a trip has the same lines, or it is the first one of the next lines. */
static LoopExpr *next_of(const Grouped *g, LoopExpr *some, int64_t lines, int64_t line,
                         int64_t channels, LoopExpr *channel, LoopExpr *at) {
  LoopKernel *k = g->l->kernel;
  LoopExpr *last = loop_ge(k, loop_add(k, g->number, loop_int(k, 1)), some);
  LoopExpr *back = loop_mul(k, g->number, loop_int(k, channels));
  LoopExpr *on = loop_sub(k, loop_int(k, lines * line), back);
  on = loop_select(k, last, on, loop_int(k, channels));
  at = loop_mul(k, at, loop_int(k, line));
  return loop_let(k, "next", loop_add(k, loop_add(k, at, channel), on));
}

static void begin_ahead(Grouped *g, LoopExpr *some) {
  LoopKernel *k = g->l->kernel;
  const Grouping *b = &g->part.block;
  int64_t x = g->part.size[1] * b->groups * b->in, dy = g->part.result[1] * b->groups * b->out;
  bool whole = g->part.lines == g->part.result[0];
  LoopExpr *at = loop_add(k, loop_mul(k, g->part.n, loop_int(k, g->part.size[0])),
                          loop_mul(k, g->part.first, loop_int(k, g->part.stride[0])));
  g->next_x = next_of(g, some, whole ? g->part.size[0] : g->part.lines * g->part.stride[0], x,
                      b->whole * b->in, g->part.in, at);
  at = loop_add(k, loop_mul(k, g->part.n, loop_int(k, g->part.result[0])), g->part.first);
  g->next_dy = next_of(g, some, g->part.lines, dy, b->whole * b->out, g->part.out, at);
}

/* Copies wait for memory, so while a block is multiplied the next one is fetched: each group of
 * pixels its own places, of which vectors take some each, and passes take turns. */
static void fetch_ahead(const Grouped *g, LoopExpr *oh, LoopExpr *ow, int64_t count, int64_t from) {
  int64_t passes = ceil_of(g->pairs, g->some), turn = from / g->some, number = 0;
  LoopKernel *k = g->l->kernel;
  const Grouping *b = &g->part.block;
  int64_t some = ceil_of(count, b->vectors), down = g->part.stride[0], right = g->part.stride[1];
  LoopExpr *line = loop_sub(k, oh, g->part.first);
  LoopExpr *pixel = loop_add(k, ow, loop_mul(k, g->part.vector, loop_int(k, some)));
  LoopExpr *x = loop_mul(k, line, loop_int(k, down * g->part.size[1]));
  x = loop_mul(k, loop_add(k, x, loop_mul(k, pixel, loop_int(k, right))),
               loop_int(k, b->groups * b->in));
  x = loop_let(k, "x", loop_add(k, g->next_x, x));
  for (int64_t y = 0; y < down; y++)
    for (int64_t i = 0; i < some * right; i++)
      for (int64_t c = 0; c < b->whole * b->in; c += LINE) {
        int64_t at = (y * g->part.size[1] + i) * b->groups * b->in + c;
        if (number++ % passes == turn)
          loop_prefetch(k, loop_element(k, g->near_x, loop_add(k, x, loop_int(k, at))));
      }
  LoopExpr *dy = loop_add(k, loop_mul(k, line, loop_int(k, g->part.result[1])), pixel);
  dy = loop_mul(k, dy, loop_int(k, b->groups * b->out));
  dy = loop_let(k, "dy", loop_add(k, g->next_dy, dy));
  for (int64_t i = 0; i < some; i++)
    for (int64_t c = 0; c < b->whole * b->out; c += LINE) {
      int64_t at = i * b->groups * b->out + c;
      if (number++ % passes == turn)
        loop_prefetch(k, loop_element(k, g->near_dy, loop_add(k, dy, loop_int(k, at))));
    }
}

/* ---- sums ---- */

static LoopExpr *dy_at(const Grouped *g, LoopExpr *oh, LoopExpr *ow) {
  LoopKernel *k = g->l->kernel;
  int lanes = (int)g->part.block.lanes;
  LoopExpr *along = loop_mul(k, g->part.vector, loop_int(k, lanes));
  if (g->dy) return loop_lanes(k, g->dy, lanes, loop_sub(k, oh, g->part.first), ow, along);
  LoopExpr *at = loop_lanes(k, region_buffer(g->r, g->op->operands[1]), lanes, g->part.n, oh, ow,
                            loop_add(k, g->part.out, along));
  return g->part.block.partial
             ? loop_below(at, loop_int(k, g->part.block.groups * g->part.block.out))
             : at;
}

/* `count` pixels of line oh from `ow` on, for the pairs from..past. */
static void add_pixels(const Grouped *g, LoopExpr *acc, LoopExpr *oh, LoopExpr *ow, int64_t count,
                       int64_t from, int64_t past) {
  LoopKernel *k = g->l->kernel;
  int64_t taps = g->part.kernel[1], stride = g->part.stride[1], apart = g->part.dilation[1];
  LoopExpr *dy[MOST_PIXELS] = {NULL};
  for (int64_t column = 0; column <= (count - 1) * stride + (taps - 1) * apart; column++)
    for (int64_t pair = from; pair < past; pair++) {
      LoopExpr *x = NULL;
      for (int64_t z = 0; z < taps; z++) {
        int64_t at = column - z * apart, pixel = at / stride;
        if (at < 0 || at % stride || pixel >= count) continue;
        if (!dy[pixel])
          dy[pixel] = loop_let(k, "dy", dy_at(g, oh, loop_add(k, ow, loop_int(k, pixel))));
        if (!x) {
          LoopExpr *line =
              loop_mul(k, loop_sub(k, oh, g->part.first), loop_int(k, g->part.stride[0]));
          line = loop_add(k, line, loop_int(k, pair / g->part.block.in * g->part.dilation[0]));
          LoopExpr *place = loop_mul(k, ow, loop_int(k, stride));
          place = loop_add(k, place, loop_int(k, column));
          x = group_pick(k, &g->part.block, g->part.x, line, place, g->part.vector,
                         loop_int(k, pair % g->part.block.in));
          x = loop_let(k, "x", x);
        }
        LoopExpr *a = loop_row(k, acc, loop_int(k, (pair - from) * taps + z));
        loop_set(k, a, loop_fma(k, x, dy[pixel], a));
      }
    }
}

/* Adds to the sums of the pairs from..past what lines begin..end give. */
static void add_pass(const Grouped *g, LoopExpr *begin, LoopExpr *end, int64_t from, int64_t past) {
  LoopKernel *k = g->l->kernel;
  int lanes = (int)g->part.block.lanes;
  int64_t taps = g->part.kernel[1], wide = g->part.result[1], full = wide / g->pixels * g->pixels;
  LoopExpr *zero = loop_int(k, 0);
  int sums = (int)((past - from) * taps);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, sums, lanes, loop_number(k, 0));
  LoopExpr *oh = loop_for(k, "oh", begin, end);
  LoopExpr *ow = loop_for_step(k, "ow", zero, loop_int(k, full), (int)g->pixels);
  if (g->near_x) fetch_ahead(g, oh, ow, g->pixels, from);
  add_pixels(g, acc, oh, ow, g->pixels, from, past);
  loop_end(k);
  if (full < wide) add_pixels(g, acc, oh, loop_int(k, full), wide - full, from, past);
  loop_end(k);
  LoopExpr *vector = loop_mul(k, g->number, loop_int(k, g->part.block.vectors));
  vector = loop_add(k, vector, g->part.vector);
  LoopExpr *sum = loop_each(k, "sum", zero, loop_int(k, sums));
  LoopExpr *at = loop_add(k, loop_int(k, from * taps), sum);
  LoopExpr *to = loop_lanes(k, g->sums, lanes, vector, at, zero);
  loop_store(k, to, loop_add(k, to, loop_row(k, acc, sum)));
  loop_end(k);
}

static void each_pass(const Grouped *g) {
  LoopKernel *k = g->l->kernel;
  LoopExpr *begin = g->part.first, *end = g->part.past;
  bool loops = g->pass < g->part.lines;
  if (loops) {
    LoopExpr *whole = loop_int(k, ceil_of(g->part.lines, g->pass) * g->pass);
    begin = loop_for_step(k, "begin", loop_int(k, 0), whole, (int)g->pass);
    begin = loop_let(k, "from", loop_add(k, g->part.first, begin));
    end = loop_add(k, begin, loop_int(k, g->pass));
    end = loop_let(k, "to", loop_min(k, end, g->part.past));
  }
  for (int64_t pair = 0; pair < g->pairs; pair += g->some)
    add_pass(g, begin, end, pair, smaller(g->pairs, pair + g->some));
  if (loops) loop_end(k);
}

/* A block's vectors, one after the other; `body` is written out for each unless they are alike. */
static void each_vector(Grouped *g, void (*body)(const Grouped *g)) {
  LoopKernel *k = g->l->kernel;
  if (g->part.block.alike && g->part.block.vectors > 1) {
    g->part.vector = loop_for(k, "v", loop_int(k, 0), loop_int(k, g->part.block.vectors));
    body(g);
    loop_end(k);
    return;
  }
  for (int64_t v = 0; v < g->part.block.vectors; v++) {
    g->part.vector = loop_int(k, v);
    body(g);
  }
}

static LoopExpr *begin_block(Grouped *g, LoopExpr *trip) {
  LoopKernel *k = g->l->kernel;
  LoopExpr *block = loop_mul(k, trip, loop_int(k, g->blocks));
  LoopExpr *some = loop_sub(k, loop_int(k, g->part.block.blocks), block);
  some = loop_let(k, "some", loop_min(k, loop_int(k, g->blocks), some));
  g->number = loop_for(k, "block", loop_int(k, 0), some);
  block = loop_let(k, "at", loop_add(k, block, g->number));
  g->part.in =
      loop_let(k, "in", loop_mul(k, block, loop_int(k, g->part.block.whole * g->part.block.in)));
  g->part.out =
      loop_let(k, "out", loop_mul(k, block, loop_int(k, g->part.block.whole * g->part.block.out)));
  return some;
}

static void all_lines(Grouped *g, LoopExpr *trip) {
  LoopKernel *k = g->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  g->part.n = loop_for(k, "n", zero, dim_expr(k, g->op->operands[0]->type.dims[0]));
  int64_t parts = ceil_of(g->part.result[0], g->part.lines);
  LoopExpr *part = loop_for(k, "part", zero, loop_int(k, parts));
  g->part.first = loop_let(k, "first", loop_mul(k, part, loop_int(k, g->part.lines)));
  LoopExpr *past = loop_add(k, g->part.first, loop_int(k, g->part.lines));
  g->part.past = loop_let(k, "past", loop_min(k, past, loop_int(k, g->part.result[0])));
  LoopExpr *some = begin_block(g, trip);
  if (g->near_x) begin_ahead(g, some);
  group_copy_x(k, &g->part, region_buffer(g->r, g->op->operands[0]));
  if (g->dy) copy_dy(g);
  each_vector(g, each_pass);
  for (int i = 0; i < 3; i++) loop_end(k);
}

/* ---- the result ---- */

static void store_vector(const Grouped *g) {
  LoopKernel *k = g->l->kernel;
  int lanes = (int)g->part.block.lanes;
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *channel = loop_add(k, g->part.out, loop_mul(k, g->part.vector, loop_int(k, lanes)));
  channel = loop_let(k, "channel", channel);
  if (g->part.block.partial) {
    LoopExpr *all = loop_int(k, g->part.block.groups * g->part.block.out);
    g->r->mask = loop_let(k, "inside", loop_lt(k, loop_iota(k, channel, lanes), all));
  }
  LoopExpr *vector = loop_mul(k, g->number, loop_int(k, g->part.block.vectors));
  vector = loop_let(k, "vector", loop_add(k, vector, g->part.vector));
  LoopExpr *y = loop_for(k, "kh", zero, loop_int(k, g->part.kernel[0]));
  LoopExpr *i = loop_for(k, "i", zero, loop_int(k, g->part.block.in));
  LoopExpr *z = loop_for(k, "kw", zero, loop_int(k, g->part.kernel[1]));
  LoopExpr *at = loop_add(k, loop_mul(k, y, loop_int(k, g->part.block.in)), i);
  at = loop_add(k, loop_mul(k, at, loop_int(k, g->part.kernel[1])), z);
  LoopExpr *sum = loop_let(k, "sum", loop_lanes(k, g->sums, lanes, vector, at, zero));
  Index index[] = {index_lanes(channel), index_scalar(i), index_scalar(y), index_scalar(z)};
  product_finish(g->r, g->op, index, sum);
  for (int n = 0; n < 3; n++) loop_end(k);
  g->r->mask = NULL;
}

/* ---- how it is cut ---- */

static bool plan(Grouped *g) {
  const Target *target = g->l->target;
  int64_t taps = g->part.kernel[1], l2 = target->l2;
  int64_t spare = (g->part.block.single ? 4 : 6) + (target->fma ? 0 : 2); /* beside the sums */
  int64_t most = target->registers - spare;
  if (taps > MOST_TAPS) return false;
  g->pairs = g->part.kernel[0] * g->part.block.in;
  if (g->pairs > MOST_CODE) return false;
  g->some = blocking_even_part(g->pairs, most / taps, 1);
  g->pixels = blocking_even_part(g->part.result[1], MOST_PIXELS, 1);
  int64_t copies = g->part.block.alike ? 1 : g->part.block.vectors;
  if (g->pairs * taps * g->pixels * copies > MOST_CODE) return false;
  g->part.columns = grouping_seen(g->part.result[1], g->part.stride[1], taps, g->part.dilation[1]);
  int64_t span = group_lines_seen(&g->part, 1);
  int64_t room = l2 / (g->far ? 16 : 8) / grouping_line_bytes(&g->part.block, g->part.columns);
  int64_t lines = room > span ? (room - span) / g->part.stride[0] + 1 : 1;
  g->part.lines = blocking_even_part(g->part.result[0], lines, 1);
  g->pass = blocking_even_part(g->part.lines, ceil_of(PASS_PIXELS, g->part.result[1]), 1);
  /* A trip reads whole lines of the cache, several side by side where few sums are made of them,
   * and more from memory, which is slow to find pieces of a line each. */
  int64_t wide = g->far ? FAR_BLOCKS : g->pairs * taps <= 32 ? 4 : 2;
  g->blocks = ceil_of(g->part.block.blocks, 2 * ceil_of(g->part.block.blocks, 2 * wide));
  int64_t seen = group_lines_seen(&g->part, g->part.lines);
  return grouping_fits(&g->part.block, seen, g->part.columns, 1, l2 / 2);
}

bool product_weight_grouped(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_weight || r->block || !op_is_channels_last(op)) return false;
  const Type *x = &op->operands[0]->type, *dy = &op->operands[1]->type;
  if (!conv_is_known(x) || !conv_is_known(dy)) return false;
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  int64_t in = dim_value(x->dims[3]) / groups, out = dim_value(dy->dims[3]) / groups;
  if (in >= FEW_CHANNELS && out >= FEW_CHANNELS) return false;
  Grouped g = {.l = l, .r = r, .op = op};
  if (!grouping_find(l->target->lanes, groups, in, out, &g.part.block)) return false;
  for (int i = 0; i < 2; i++) g.part.kernel[i] = op_list_integer(op, ATTRIBUTE_kernel, i);
  if (!group_sizes(&g.part, op, x, dy)) return false;
  g.far = type_bytes_at_bound(x) > FAR * l->target->l2;
  if (!plan(&g) || g.part.before[1] > g.part.columns) return false;
  LoopKernel *k = l->kernel;
  int lanes = r->lanes = l->target->lanes;
  l->algorithm = in == 1 && out == 1 ? "depthwise" : "grouped";
  l->grain = 1;
  l->trips = dim_constant(l->dims, ceil_of(g.part.block.blocks, g.blocks));
  int64_t span = group_lines_seen(&g.part, g.part.lines);
  int64_t rows = g.part.kernel[0] * g.part.kernel[1] * in;
  g.part.x = loop_scratch(k, "near", LOOP_F32, 3, loop_int(k, span), loop_int(k, g.part.columns),
                          loop_int(k, g.part.block.whole * in));
  if (g.some < g.pairs)
    g.dy = loop_scratch(k, "small", LOOP_F32, 3, loop_int(k, g.part.lines),
                        loop_int(k, g.part.result[1]), loop_int(k, g.part.block.whole * out));
  g.sums = loop_scratch(k, "sums", LOOP_F32, 3, loop_int(k, g.blocks * g.part.block.vectors),
                        loop_int(k, rows), loop_int(k, lanes));
  if (g.far &&
      g.part.stride[0] <= MOST_STRIDE / g.part.stride[1]) { /* else most would not be read */
    g.near_x = loop_view(k, region_buffer(r, op->operands[0]), "x_numbers", LOOP_F32, 1,
                         dims_product(k, x->dims, 4));
    g.near_dy = loop_view(k, region_buffer(r, op->operands[1]), "dy_numbers", LOOP_F32, 1,
                          dims_product(k, dy->dims, 4));
  }
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *zero = loop_int(k, 0);
  LoopExpr *vector = loop_for(k, "v", zero, loop_int(k, g.blocks * g.part.block.vectors));
  LoopExpr *row = loop_for(k, "row", zero, loop_int(k, rows));
  loop_store(k, loop_lanes(k, g.sums, lanes, vector, row, zero), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
  all_lines(&g, trip);
  begin_block(&g, trip);
  each_vector(&g, store_vector);
  loop_end(k);
  loop_end(k);
  return true;
}
