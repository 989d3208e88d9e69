/* product_grouped.c - convolutions in groups of few channels: conv {layout=nhwc, groups},
 * x [N, H, W, C], w [KH, KW, C/groups, O].
 *
 * Lanes are output channels, of several groups where one has fewer than a vector. A trip is some
 * lines of a block of vectors; its part of x, with zeros for what is padded, and of w are copied,
 * so that they are dense whatever the channels of the map (a power of two would have all pixels
 * share few places of the cache). A tile is some neighbouring pixels, whose windows overlap, so
 * that what is read of x meets the weights of all pixels that see it:
 *
 *   acc[pixels] += x[line, pixel + kw, the lane's group * I + i] * w[kh, kw, i]
 *
 * That is one number of x for a vector inside of a group; else a vector of x of which each lane
 * picks its group's. The order of a sum is i, kh, kw or kh, i, kw, whatever the tile.
 */
#include "backend/product_grouped.h"

#include "ir/op_traits.h"
#include "support/bug.h"
#include "support/whole.h"

enum {
  MOST_PIXELS = 14, /* of a tile */
  LEAST_SUMS = 8,   /* that keep the multiply-adds busy */
  FEW_TAPS = 4      /* of a kernel row, whose weights stay in registers */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  GroupPart part;
  int64_t all;                /* output channels */
  int64_t tile_lines, pixels; /* of a tile */
  LoopBuffer *w;              /* copied: [vectors, KH * KW * I, lanes] */
  LoopExpr *channel;          /* the vector's first */
} Grouped;

/* ---- how it is cut ---- */

LoopExpr *group_pick(LoopKernel *k, const Grouping *b, LoopBuffer *x, LoopExpr *line,
                     LoopExpr *column, LoopExpr *vector, LoopExpr *number) {
  if (b->single) {
    LoopExpr *group = loop_div(k, loop_mul(k, vector, loop_int(k, b->lanes)), loop_int(k, b->out));
    LoopExpr *at = loop_add(k, loop_mul(k, group, loop_int(k, b->in)), number);
    return loop_element(k, x, line, column, at);
  }
  int64_t number_of = 0, place = 0;
  if (!loop_is_int(number, &place) || (!b->alike && !loop_is_int(vector, &number_of)))
    bug("a group's channels are picked at an unknown place");
  if (b->alike) number_of = 0;
  int64_t begin = number_of * b->lanes, first = begin / b->out;
  int64_t last = (begin + b->lanes - 1) / b->out;
  int places[64];
  for (int64_t i = 0; i < b->lanes; i++)
    places[i] = (int)(((begin + i) / b->out - first) * b->in + place);
  LoopExpr *at = loop_int(k, first * b->in);
  if (b->alike) at = loop_mul(k, vector, loop_int(k, b->lanes / b->out * b->in));
  int width = (int)((last - first + 1) * b->in);
  return loop_pick(k, loop_lanes(k, x, width, line, column, at), (int)b->lanes, places);
}

void group_copy_line(LoopKernel *k, int64_t all, const GroupLine *line) {
  int width = (int)line->channels;
  int64_t left = line->before, some = smaller(line->columns - left, line->width);
  LoopExpr *zero = loop_int(k, 0), *end = loop_int(k, line->columns);
  LoopExpr *inside =
      loop_and(k, loop_ge(k, line->line, zero), loop_lt(k, line->line, loop_int(k, line->height)));
  loop_if(k, inside);
  LoopExpr *column;
  if (left) {
    column = loop_for(k, "column", zero, loop_int(k, left));
    loop_store(k, loop_lanes(k, line->to, width, line->at, column, zero), loop_number(k, 0));
    loop_end(k);
  }
  column = loop_for(k, "column", zero, loop_int(k, some));
  LoopExpr *from = loop_lanes(k, line->from, width, line->n, line->line, column, line->channel);
  if (all) from = loop_below(from, loop_int(k, all));
  loop_store(k,
             loop_lanes(k, line->to, width, line->at, loop_add(k, column, loop_int(k, left)), zero),
             from);
  loop_end(k);
  if (left + some < line->columns) {
    column = loop_for(k, "column", loop_int(k, left + some), end);
    loop_store(k, loop_lanes(k, line->to, width, line->at, column, zero), loop_number(k, 0));
    loop_end(k);
  }
  loop_otherwise(k);
  column = loop_for(k, "column", zero, end);
  loop_store(k, loop_lanes(k, line->to, width, line->at, column, zero), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
}

/* Pixels of a tile: with fewer than LEAST_SUMS its multiply-adds wait for each other; each tile
 * loads the weights. */
static void plan_tile(Grouped *g) {
  int64_t taps = smaller(g->part.kernel[1], FEW_TAPS), wide = g->part.result[1];
  int64_t most = smaller(g->l->target->registers - taps - 3, MOST_PIXELS), least = INT64_MAX;
  g->tile_lines = 1;
  for (int64_t some = most; some > most / 2; some--) {
    int64_t rest = wide % some, tiles = wide / some;
    int64_t time = tiles * (2 * (some < LEAST_SUMS ? LEAST_SUMS : some) + 3);
    if (rest) time += 2 * (rest < LEAST_SUMS ? LEAST_SUMS : rest) + 3;
    if (time < least) least = time, g->pixels = some;
  }
  if (g->pixels > wide) g->pixels = wide;
  if (2 * wide <= most) g->tile_lines = smaller(most / wide, g->part.result[0]);
}

/* Lines of a trip, whose part of x stays in L2. */
static bool plan_lines(Grouped *g) {
  int64_t l2 = g->l->target->l2;
  int64_t room = l2 / 8 / grouping_line_bytes(&g->part.block, g->part.columns);
  int64_t most = (room - group_lines_seen(&g->part, 1)) / g->part.stride[0] + 1;
  if (room < group_lines_seen(&g->part, 1)) most = 1;
  most = most / g->tile_lines * g->tile_lines;
  if (most < g->tile_lines) most = g->tile_lines;
  int64_t parts = ceil_of(g->part.result[0], most);
  g->part.lines = ceil_of(ceil_of(g->part.result[0], parts), g->tile_lines) * g->tile_lines;
  return grouping_fits(&g->part.block, group_lines_seen(&g->part, g->part.lines), g->part.columns,
                       g->part.kernel[0] * g->part.kernel[1], l2 / 2);
}

/* ---- copies ---- */

static void copy_weights(Grouped *g) {
  LoopKernel *k = g->l->kernel;
  int lanes = (int)g->part.block.lanes;
  int64_t rows = g->part.kernel[0] * g->part.kernel[1] * g->part.block.in;
  LoopBuffer *w = loop_view(k, region_buffer(g->r, g->product->operands[1]), "rows", LOOP_F32, 2,
                            loop_int(k, rows), loop_int(k, g->all));
  LoopExpr *zero = loop_int(k, 0), *row = loop_for(k, "row", zero, loop_int(k, rows));
  LoopExpr *v = loop_each(k, "v", zero, loop_int(k, g->part.block.vectors));
  LoopExpr *column = loop_add(k, g->part.out, loop_mul(k, v, loop_int(k, lanes)));
  LoopExpr *from = loop_lanes(k, w, lanes, row, column);
  if (g->part.block.partial) from = loop_below(from, loop_int(k, g->all));
  loop_store(k, loop_lanes(k, g->w, lanes, v, row, zero), from);
  loop_end(k);
  loop_end(k);
}

bool group_sizes(GroupPart *p, const Op *op, const Type *x, const Type *result) {
  for (int i = 0; i < 2; i++) {
    p->stride[i] = op_list_integer(op, ATTRIBUTE_stride, i);
    p->dilation[i] = op_list_integer(op, ATTRIBUTE_dilation, i);
    p->before[i] = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    p->size[i] = dim_value(x->dims[1 + i]), p->result[i] = dim_value(result->dims[1 + i]);
    if (p->result[i] < 1 || p->size[i] < 1) return false;
  }
  return true;
}

int64_t group_lines_seen(const GroupPart *p, int64_t lines) {
  return grouping_seen(lines, p->stride[0], p->kernel[0], p->dilation[0]);
}

void group_copy_x(LoopKernel *k, const GroupPart *p, LoopBuffer *x) {
  const Grouping *b = &p->block;
  LoopExpr *some = loop_sub(k, loop_sub(k, p->past, p->first), loop_int(k, 1));
  some = loop_mul(k, some, loop_int(k, p->stride[0]));
  some = loop_add(k, some, loop_int(k, (p->kernel[0] - 1) * p->dilation[0] + 1));
  LoopExpr *at = loop_for(k, "line", loop_int(k, 0), some);
  LoopExpr *from = loop_add(k, loop_mul(k, p->first, loop_int(k, p->stride[0])), at);
  from = loop_let(k, "from", loop_sub(k, from, loop_int(k, p->before[0])));
  group_copy_line(k, b->partial ? b->groups * b->in : 0,
                  &(GroupLine){.from = x,
                               .to = p->x,
                               .n = p->n,
                               .line = from,
                               .channel = p->in,
                               .at = at,
                               .channels = b->whole * b->in,
                               .height = p->size[0],
                               .width = p->size[1],
                               .before = p->before[1],
                               .columns = p->columns});
  loop_end(k);
}

/* ---- tiles ---- */

typedef struct {
  LoopExpr *acc, *oh, *lines; /* lines: of the tile */
  LoopExpr *ow;
  int64_t count; /* pixels */
} GroupedTile;

/* The multiply-adds of one kernel row by a group's input number `number`. */
static void add_row(const Grouped *g, const GroupedTile *t, LoopExpr *kh, LoopExpr *number) {
  LoopKernel *k = g->l->kernel;
  int lanes = (int)g->part.block.lanes;
  LoopExpr *zero = loop_int(k, 0), *w[FEW_TAPS];
  int64_t taps = g->part.kernel[1], some = ceil_of(taps, ceil_of(taps, FEW_TAPS));
  for (int64_t from = 0; from < taps; from += some) {
    int64_t past = smaller(taps, from + some);
    for (int64_t z = from; z < past; z++) {
      LoopExpr *row = loop_add(k, loop_mul(k, kh, loop_int(k, taps)), loop_int(k, z));
      row = loop_add(k, loop_mul(k, row, loop_int(k, g->part.block.in)), number);
      w[z - from] = loop_let(k, "w", loop_lanes(k, g->w, lanes, g->part.vector, row, zero));
    }
    LoopExpr *below = loop_each(k, "below", zero, t->lines);
    LoopExpr *line = loop_add(k, loop_sub(k, t->oh, g->part.first), below);
    line = loop_mul(k, line, loop_int(k, g->part.stride[0]));
    line = loop_add(k, line, loop_mul(k, kh, loop_int(k, g->part.dilation[0])));
    int64_t reach = (t->count - 1) * g->part.stride[1] + (past - 1) * g->part.dilation[1];
    for (int64_t column = from * g->part.dilation[1]; column <= reach; column++) {
      LoopExpr *x = NULL;
      for (int64_t z = from; z < past; z++) {
        int64_t at = column - z * g->part.dilation[1], pixel = at / g->part.stride[1];
        if (at < 0 || at % g->part.stride[1] || pixel >= t->count) continue;
        LoopExpr *place = loop_mul(k, t->ow, loop_int(k, g->part.stride[1]));
        place = loop_add(k, place, loop_int(k, column));
        if (!x)
          x = loop_let(
              k, "x",
              group_pick(k, &g->part.block, g->part.x, line, place, g->part.vector, number));
        LoopExpr *row = loop_mul(k, below, loop_int(k, t->count));
        LoopExpr *a = loop_row(k, t->acc, loop_add(k, row, loop_int(k, pixel)));
        loop_set(k, a, loop_fma(k, x, w[z - from], a));
      }
    }
    loop_end(k);
  }
}

static void tile(const Grouped *g, LoopExpr *oh, LoopExpr *lines, LoopExpr *ow, int64_t count) {
  LoopKernel *k = g->l->kernel;
  int lanes = (int)g->part.block.lanes;
  LoopExpr *zero = loop_int(k, 0), *kernel = loop_int(k, g->part.kernel[0]);
  GroupedTile t = {.oh = oh, .lines = lines, .ow = ow, .count = count};
  t.acc = loop_array(k, "acc", LOOP_F32, (int)(g->tile_lines * count), lanes, loop_number(k, 0));
  if (g->part.block.single) {
    LoopExpr *kh = loop_for(k, "kh", zero, kernel);
    add_row(g, &t, kh, loop_for(k, "i", zero, loop_int(k, g->part.block.in)));
    loop_end(k);
    loop_end(k);
  }
  for (int64_t i = 0; i < g->part.block.in && !g->part.block.single; i++) {
    /* a loop for each: so that x is read again, and need not stay in registers */
    add_row(g, &t, loop_for(k, "kh", zero, kernel), loop_int(k, i));
    loop_end(k);
  }
  LoopExpr *below = loop_each(k, "below", zero, lines);
  LoopExpr *pixel = loop_each(k, "pixel", zero, loop_int(k, count));
  Index index[] = {index_scalar(g->part.n), index_scalar(loop_add(k, oh, below)),
                   index_scalar(loop_add(k, ow, pixel)), index_lanes(g->channel)};
  LoopExpr *row = loop_add(k, loop_mul(k, below, loop_int(k, count)), pixel);
  product_finish(g->r, g->product, index, loop_row(k, t.acc, row));
  loop_end(k);
  loop_end(k);
}

static void each_tile(const Grouped *g) {
  LoopKernel *k = g->l->kernel;
  LoopExpr *lines, *zero = loop_int(k, 0);
  LoopExpr *oh = loop_for_tail(k, "oh", g->part.first, g->part.past, (int)g->tile_lines, &lines);
  int64_t wide = g->part.result[1], full = wide / g->pixels * g->pixels;
  if (full) {
    LoopExpr *ow = loop_for_step(k, "ow", zero, loop_int(k, full), (int)g->pixels);
    tile(g, oh, lines, ow, g->pixels);
    loop_end(k);
  }
  if (full < wide) tile(g, oh, lines, loop_int(k, full), wide - full);
  loop_end(k);
}

static void each_vector(Grouped *g) {
  LoopKernel *k = g->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *vectors = loop_int(k, g->part.block.vectors);
  for (int64_t v = 0; v < g->part.block.vectors; v++) {
    bool loops = g->part.block.alike && g->part.block.vectors > 1;
    g->part.vector = loops ? loop_for(k, "v", zero, vectors) : loop_int(k, v);
    LoopExpr *along = loop_mul(k, g->part.vector, loop_int(k, g->part.block.lanes));
    g->channel = loop_let(k, "channel", loop_add(k, g->part.out, along));
    LoopExpr *outer = g->r->mask;
    if (g->part.block.partial) {
      LoopExpr *places = loop_iota(k, g->channel, (int)g->part.block.lanes);
      g->r->mask = loop_let(k, "inside", loop_lt(k, places, loop_int(k, g->all)));
    }
    each_tile(g);
    g->r->mask = outer;
    if (!loops) continue;
    loop_end(k);
    return;
  }
}

bool product_grouped(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_conv || !op_is_channels_last(product)) return false;
  const Type *x = &product->operands[0]->type, *w = &product->operands[1]->type;
  const Type *out = &product->results[0]->type;
  if (!conv_is_known(x) || !conv_is_known(w) || !conv_is_known(out) || !dim_is_constant(w->dims[0]))
    return false;
  int64_t groups = op_integer(product, ATTRIBUTE_groups);
  Grouped g = {.l = l, .r = r, .product = product, .all = dim_value(w->dims[3])};
  int64_t in = dim_value(w->dims[2]), each = g.all / groups;
  if ((in == 1 && each == 1) || in * g.all == 0) return false;
  if (!grouping_find(l->target->lanes, groups, in, each, &g.part.block)) return false;
  for (int i = 0; i < 2; i++) g.part.kernel[i] = dim_value(w->dims[i]);
  if (!group_sizes(&g.part, product, x, out)) return false;
  g.part.columns =
      grouping_seen(g.part.result[1], g.part.stride[1], g.part.kernel[1], g.part.dilation[1]);
  plan_tile(&g);
  if (!grouping_is_short(&g.part.block, g.part.kernel[1]) || !plan_lines(&g)) return false;
  if (g.part.before[1] > g.part.columns) return false;
  LoopKernel *k = l->kernel;
  l->algorithm = "grouped";
  l->grain = 1;
  r->lanes = l->target->lanes;
  g.part.x =
      loop_scratch(k, "near", LOOP_F32, 3, loop_int(k, group_lines_seen(&g.part, g.part.lines)),
                   loop_int(k, g.part.columns), loop_int(k, g.part.block.whole * in));
  g.w = loop_scratch(k, "weights", LOOP_F32, 3, loop_int(k, g.part.block.vectors),
                     loop_int(k, g.part.kernel[0] * g.part.kernel[1] * in), loop_int(k, r->lanes));
  DimTable *dims = l->dims;
  const Dim *split[] = {x->dims[0], dim_constant(dims, ceil_of(g.part.result[0], g.part.lines)),
                        dim_constant(dims, g.part.block.blocks)};
  l->trips = dim_mul(dims, dim_mul(dims, split[0], split[1]), split[2]);
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *at[3];
  index_split(k, trip, split, 3, at);
  g.part.n = at[0];
  g.part.first = loop_let(k, "first", loop_mul(k, at[1], loop_int(k, g.part.lines)));
  LoopExpr *past = loop_add(k, g.part.first, loop_int(k, g.part.lines)),
           *end = loop_int(k, g.part.result[0]);
  g.part.past =
      loop_let(k, "past", g.part.result[0] % g.part.lines ? loop_min(k, past, end) : past);
  g.part.in = loop_let(k, "in", loop_mul(k, at[2], loop_int(k, g.part.block.whole * in)));
  g.part.out = loop_let(k, "out",
                        loop_mul(k, at[2], loop_int(k, g.part.block.vectors * g.part.block.lanes)));
  copy_weights(&g);
  group_copy_x(k, &g.part, region_buffer(r, product->operands[0]));
  each_vector(&g);
  loop_end(k);
  return true;
}
