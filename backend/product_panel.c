/* product_panel.c - dot_panel and conv_panel: the register-tiled micro-kernel.
 *
 * In nhwc a convolution is a product whose left operand overlaps: for each kernel row the KW * C
 * numbers that an output pixel reads are side by side, so rows of x stand at pixel distance and
 * are not copied. A tile is MR rows by one panel of B columns:
 *
 *   acc[MR][B] += x[row, k] * w[panel, k, 0:B]        for all k, in order
 *
 * MR * B accumulators, B of w and one of x must fit the registers. The sum's order is k's, whatever
 * the tile, so results do not depend on it. A trip is a strip of rows of one panel; panels are the
 * slow axis, so that a thread keeps its panel in L2 while it goes through the rows.
 */
#include "backend/product.h"

#include "support/bug.h"

enum {
  MOST_ROWS = 14,  /* of a tile: more would gain little and cost code */
  STRIP_ROWS = 48, /* rows of a trip of dot_panel, about: enough work for a thread */
  UNROLL = 4
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  int64_t columns;  /* B */
  int64_t size;     /* columns that count */
  int rows;         /* MR */
  LoopBuffer *flat; /* w as one axis, if the next panel is fetched ahead; else NULL */
  LoopExpr *ahead;  /* where this tile's part of it starts, */
  int64_t step;     /* and how far a place in the sum goes on */
} Tile;

static int most_rows(const Target *target, int64_t columns) {
  int vectors = (int)((columns + target->lanes - 1) / target->lanes);
  int spare = target->registers / 8; /* of x, and for loads ahead: without, accumulators spill */
  int rows = (target->registers - vectors - spare) / vectors;
  return rows < 1 ? 1 : rows > MOST_ROWS ? MOST_ROWS : rows;
}

/* Rows a tile for `count` of them: as few tiles as there must be, as even as can be. */
static int even_rows(int most, int64_t count) {
  int64_t tiles = (count + most - 1) / most;
  return (int)((count + tiles - 1) / tiles);
}

/* With few rows a panel is used only a few times, so that reading it from memory takes as long as
 * the arithmetic. Each tile then fetches its share of the panel after its own. `tiles`: of a
 * panel. */
static void plan_ahead(Tile *t, int64_t tiles, int64_t depth) {
  enum { MOST_TILES = 64, LEAST_DEPTH = 128 };
  LoopKernel *k = t->l->kernel;
  const Value *w = t->product->operands[1];
  int64_t panels = dim_value(w->type.dims[0]);
  if (2 * depth * t->columns * 4 > t->l->target->l2 * 3 / 4) return; /* two panels and x */
  if (tiles < 2 || tiles > MOST_TILES || panels < 2 || depth < LEAST_DEPTH) return;
  t->step = (t->columns + tiles - 1) / tiles;
  t->flat = loop_view(k, region_buffer(t->r, w), "next", LOOP_F32, 1,
                      loop_int(k, panels * depth * t->columns));
}

/* Tile number `tile` of panel p. */
static void begin_ahead(Tile *t, LoopExpr *p, LoopExpr *tile, int64_t depth) {
  if (!t->flat) return;
  LoopKernel *k = t->l->kernel;
  LoopExpr *next = loop_mul(k, loop_add(k, p, loop_int(k, 1)), loop_int(k, depth * t->columns));
  t->ahead =
      loop_let(k, "ahead", loop_add(k, next, loop_mul(k, tile, loop_int(k, depth * t->step))));
}

/* One multiply-add for each row of the tile, at place `at` of the sum. */
static void accumulate(Tile *t, LoopExpr *acc, LoopExpr *count, LoopExpr *at, LoopExpr *w,
                       LoopExpr *(*x)(void *user, LoopExpr *row), void *user) {
  LoopKernel *k = t->l->kernel;
  if (t->flat)
    loop_prefetch(
        k, loop_element(k, t->flat, loop_add(k, t->ahead, loop_mul(k, at, loop_int(k, t->step)))));
  LoopExpr *v = loop_let(k, "v", w);
  LoopExpr *row = loop_each(k, "r", loop_int(k, 0), count);
  LoopExpr *a = loop_row(k, acc, row);
  loop_set(k, a, loop_fma(k, x(user, row), v, a));
  loop_end(k);
}

/* Does the epilogue compute a function? Written out for each row it would be most of the code. */
static bool is_costly(const Op *op) {
  if (!op->region) return false;
  for (const Op *o = op->region->first; o; o = o->next) switch (o->kind) {
    case OP_exp:
    case OP_expm1:
    case OP_log:
    case OP_log1p:
    case OP_tanh:
    case OP_erf:
    case OP_sin:
    case OP_cos:
    case OP_pow:
      return true;
    default:
      break;
    }
  return false;
}

/* The tile's rows one after the other, in the registers or (`*sum` is set) by way of memory. */
static LoopExpr *each_row(Tile *t, LoopExpr *acc, LoopExpr *count, LoopExpr **sum) {
  LoopKernel *k = t->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  if (t->rows == 1 || !is_costly(t->l->op)) {
    LoopExpr *row = loop_each(k, "r", zero, count);
    *sum = loop_row(k, acc, row);
    return row;
  }
  int columns = (int)t->columns;
  k->calls = true;
  LoopBuffer *tile = loop_stack(k, "tile", LOOP_F32, 2, loop_int(k, t->rows), loop_int(k, columns));
  LoopExpr *row = loop_each(k, "r", zero, count);
  loop_store(k, loop_lanes(k, tile, columns, row, zero), loop_row(k, acc, row));
  loop_end(k);
  row = loop_for(k, "r", zero, count);
  *sum = loop_let(k, "sum", loop_lanes(k, tile, columns, row, zero));
  return row;
}

/* The tile's sums at rows index_of(row), columns from `column` on. */
static void finish(Tile *t, LoopExpr *acc, LoopExpr *count, LoopExpr *column,
                   void (*index_of)(void *user, LoopExpr *row, Index *index), void *user) {
  LoopKernel *k = t->l->kernel;
  Region *r = t->r;
  int rank = t->product->results[0]->type.rank;
  LoopExpr *outer = r->mask;
  if (t->size % t->columns) {
    LoopExpr *places = loop_iota(k, column, (int)t->columns);
    r->mask = loop_let(k, "inside", loop_lt(k, places, loop_int(k, t->size)));
  }
  LoopExpr *sum, *row = each_row(t, acc, count, &sum);
  Index index[MOST_AXES];
  index_of(user, row, index);
  index[rank - 1] = index_lanes(column);
  product_finish(r, t->product, index, sum);
  loop_end(k);
  r->mask = outer;
}

/* ---- dot_panel: x [M, K], M all leading axes as one ---- */

typedef struct {
  Tile tile;
  LoopBuffer *x;       /* as [M, K] */
  LoopExpr *first, *k; /* the tile's first row; the place in the sum */
} Dot;

static LoopExpr *dot_x(void *user, LoopExpr *row) {
  Dot *d = user;
  LoopKernel *k = d->tile.l->kernel;
  return loop_element(k, d->x, loop_add(k, d->first, row), d->k);
}

static void dot_index(void *user, LoopExpr *row, Index *index) {
  Dot *d = user;
  LoopKernel *k = d->tile.l->kernel;
  const Type *type = &d->tile.product->results[0]->type;
  LoopExpr *at[MOST_AXES];
  index_split(k, loop_add(k, d->first, row), type->dims, type->rank - 1, at);
  for (int i = 0; i < type->rank - 1; i++) index[i] = index_scalar(at[i]);
}

static void dot_panel(Tile t) {
  Lowering *l = t.l;
  LoopKernel *k = l->kernel;
  DimTable *dims = l->dims;
  const Value *x = t.product->operands[0], *w = t.product->operands[1];
  int rank = x->type.rank;
  const Dim *m = dim_constant(dims, 1);
  for (int i = 0; i < rank - 1; i++) m = dim_mul(dims, m, x->type.dims[i]);
  if (!m) bug("a size above 64 bits in '%s'", k->name);
  LoopExpr *depth = dim_expr(k, x->type.dims[rank - 1]), *rows = dim_expr(k, m);
  if (dim_max(m) < t.rows)
    t.rows = (int)dim_max(m);
  else if (dim_is_constant(m))
    t.rows = even_rows(t.rows, dim_value(m));
  int64_t strip = (STRIP_ROWS + t.rows - 1) / t.rows * t.rows;
  const Dim *strips = dim_floor(dims, dim_add(dims, m, dim_constant(dims, strip - 1)), strip);
  int64_t panels = dim_value(w->type.dims[0]);
  l->trips = dim_mul(dims, dim_constant(dims, panels), strips);
  l->grain = 1;
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips));
  LoopExpr *strip_count = dim_expr(k, strips);
  bool single = dim_is(strips, 1);
  LoopExpr *p = single ? trip : loop_let(k, "p", loop_div(k, trip, strip_count));
  LoopExpr *s = single ? loop_int(k, 0) : loop_let(k, "s", loop_mod(k, trip, strip_count));
  LoopExpr *column = loop_let(k, "column", loop_mul(k, p, loop_int(k, t.columns)));
  LoopExpr *begin = loop_mul(k, s, loop_int(k, strip));
  LoopExpr *end = single ? rows : loop_min(k, rows, loop_add(k, begin, loop_int(k, strip)));
  LoopBuffer *given = region_buffer(t.r, x);
  Dot d = {.tile = t};
  d.x = rank == 2 ? given : loop_view(k, given, "rows", given->element, 2, rows, depth);
  int64_t sum = dim_is_constant(x->type.dims[rank - 1]) ? dim_value(x->type.dims[rank - 1]) : 0;
  int64_t tiles = (dim_min(m) + t.rows - 1) / t.rows; /* of which each fetches a share */
  plan_ahead(&t, tiles, sum);
  LoopExpr *count;
  d.first = loop_for_tail(k, "i", begin, end, t.rows, &count);
  LoopExpr *tile = loop_div(k, d.first, loop_int(k, t.rows));
  begin_ahead(&t, p, dim_is_constant(m) ? tile : loop_min(k, tile, loop_int(k, tiles)), sum);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, t.rows, (int)t.columns, loop_number(k, 0));
  d.k = loop_for_unroll(k, "k", loop_int(k, 0), depth, UNROLL);
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *v = loop_lanes(k, region_buffer(t.r, w), (int)t.columns, p, d.k, zero);
  accumulate(&t, acc, count, d.k, v, dot_x, &d);
  loop_end(k);
  finish(&t, acc, count, column, dot_index, &d);
  loop_end(k);
  loop_end(k);
}

/* ---- conv_panel: x [N, H, W, C] without padding, w [groups * P, KH, KW, C/groups, B] ---- */

typedef struct {
  Tile tile;
  LoopBuffer *x;       /* as [N, H, W * C] */
  LoopExpr *n, *line;  /* the picture, the line of x that is read */
  LoopExpr *start;     /* in the line, of the tile's first row and this place in the sum */
  int64_t pixel;       /* distance of rows in the line */
  LoopExpr *oh, *ow;   /* of the tile's first row */
  int64_t lines;       /* of the result in a tile, each of `width` rows; 1: a part of one */
  int64_t width, down; /* down: from line to line of x */
} Conv;

static LoopExpr *conv_x(void *user, LoopExpr *row) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  LoopExpr *line = c->line;
  if (c->lines > 1) { /* the row is a known number here */
    LoopExpr *down = loop_div(k, row, loop_int(k, c->width));
    line = loop_add(k, line, loop_mul(k, down, loop_int(k, c->down)));
    row = loop_mod(k, row, loop_int(k, c->width));
  }
  LoopExpr *place = loop_add(k, c->start, loop_mul(k, row, loop_int(k, c->pixel)));
  return loop_element(k, c->x, c->n, line, place);
}

static void conv_index(void *user, LoopExpr *row, Index *index) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  LoopExpr *oh = c->oh;
  if (c->lines > 1) {
    oh = loop_add(k, oh, loop_div(k, row, loop_int(k, c->width)));
    row = loop_mod(k, row, loop_int(k, c->width));
  }
  index[0] = index_scalar(c->n);
  index[1] = index_scalar(oh);
  index[2] = index_scalar(loop_add(k, c->ow, row));
}

/* Whole lines of a small result that fit a tile of `most` rows; 1: none do. */
static int64_t lines_of(const Type *out, int most) {
  if (!dim_is_constant(out->dims[1]) || !dim_is_constant(out->dims[2])) return 1;
  int64_t height = dim_value(out->dims[1]), width = dim_value(out->dims[2]);
  int64_t lines = most / width;
  while (lines > 1 && height % lines) lines--;
  return lines < 1 ? 1 : lines;
}

static void conv_panel(Tile t) {
  Lowering *l = t.l;
  LoopKernel *k = l->kernel;
  DimTable *dims = l->dims;
  const Op *op = t.product;
  const Value *x = op->operands[0], *w = op->operands[1];
  const Type *out = &op->results[0]->type;
  int64_t groups = op_integer(op, ATTRIBUTE_groups), all = dim_value(x->type.dims[3]);
  int64_t kh = dim_value(w->type.dims[1]), kw = dim_value(w->type.dims[2]);
  int64_t in = dim_value(w->type.dims[3]), panels = dim_value(w->type.dims[0]) / groups;
  int64_t stride_h = op_list_integer(op, ATTRIBUTE_stride, 0);
  int64_t stride_w = op_list_integer(op, ATTRIBUTE_stride, 1);
  int64_t apart_h = op_list_integer(op, ATTRIBUTE_dilation, 0);
  int64_t apart_w = op_list_integer(op, ATTRIBUTE_dilation, 1);
  int64_t lines = is_costly(l->op) ? 1 : lines_of(out, t.rows);
  if (lines > 1)
    t.rows = (int)(lines * dim_value(out->dims[2]));
  else if (dim_is_constant(out->dims[2]))
    t.rows = even_rows(t.rows, dim_value(out->dims[2]));

  const Dim *split[] = {dim_constant(dims, panels * groups), out->dims[0],
                        dim_floor(dims, out->dims[1], lines)};
  l->trips = dim_mul(dims, dim_mul(dims, split[0], split[1]), split[2]);
  l->grain = 1;
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *at[3];
  index_split(k, trip, split, 3, at);
  LoopExpr *p = at[0];
  Conv c = {.tile = t, .n = at[1], .oh = at[2], .pixel = stride_w * all, .lines = lines};
  LoopExpr *group_of_lines = at[2];
  if (lines > 1) {
    c.oh = loop_let(k, "oh", loop_mul(k, at[2], loop_int(k, lines)));
    c.width = dim_value(out->dims[2]), c.down = stride_h;
  }
  LoopExpr *width = dim_expr(k, x->type.dims[2]);
  c.x = loop_view(k, region_buffer(t.r, x), "lines", LOOP_F32, 3, dim_expr(k, x->type.dims[0]),
                  dim_expr(k, x->type.dims[1]), loop_mul(k, width, loop_int(k, all)));
  LoopExpr *group = groups == 1 ? loop_int(k, 0) : loop_div(k, p, loop_int(k, panels));
  LoopExpr *within = groups == 1 ? p : loop_mod(k, p, loop_int(k, panels));
  LoopExpr *column = loop_mul(k, within, loop_int(k, t.columns));
  column = loop_let(k, "column", loop_add(k, column, loop_mul(k, group, loop_int(k, t.size))));
  LoopExpr *first_channel = loop_let(k, "channel", loop_mul(k, group, loop_int(k, in)));

  int64_t depth = kh * kw * in, wide = 0;
  if (dim_is_constant(out->dims[1]) && dim_is_constant(out->dims[2])) {
    wide = (dim_value(out->dims[2]) + t.rows - 1) / t.rows;
    plan_ahead(&t, dim_value(out->dims[1]) / lines * wide, depth);
  }
  LoopExpr *count, *zero = loop_int(k, 0);
  if (lines > 1)
    c.ow = zero, count = loop_int(k, t.rows);
  else
    c.ow = loop_for_tail(k, "ow", zero, dim_expr(k, out->dims[2]), t.rows, &count);
  LoopExpr *tile = loop_mul(k, group_of_lines, loop_int(k, wide)); /* the same for each picture */
  tile = loop_add(k, tile, loop_div(k, c.ow, loop_int(k, t.rows)));
  begin_ahead(&t, p, tile, depth);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, t.rows, (int)t.columns, loop_number(k, 0));
  LoopExpr *y = loop_for(k, "kh", zero, loop_int(k, kh));
  c.line =
      loop_add(k, loop_mul(k, c.oh, loop_int(k, stride_h)), loop_mul(k, y, loop_int(k, apart_h)));
  c.line = loop_let(k, "line",
                    loop_add(k, c.line, loop_int(k, -op_pair_integer(op, ATTRIBUTE_pad, 0, 0))));
  LoopExpr *start = loop_add(k, loop_mul(k, c.ow, loop_int(k, c.pixel)), first_channel);
  start = loop_add(k, start, loop_int(k, -op_pair_integer(op, ATTRIBUTE_pad, 1, 0) * all));
  start = loop_let(k, "start", start);
  LoopBuffer *weights = region_buffer(t.r, w);
  int blocks = 0;
  bool run = apart_w == 1 && in == all; /* a kernel row's numbers are side by side */
  LoopExpr *v, *place;                  /* of the sum */
  if (run) {
    LoopBuffer *flat = loop_view(k, weights, "wk", LOOP_F32, 4, loop_int(k, panels * groups),
                                 loop_int(k, kh), loop_int(k, kw * in), loop_int(k, t.columns));
    LoopExpr *i = loop_for_unroll(k, "k", zero, loop_int(k, kw * in), UNROLL);
    c.start = loop_add(k, start, i);
    place = loop_add(k, loop_mul(k, y, loop_int(k, kw * in)), i);
    v = loop_lanes(k, flat, (int)t.columns, p, y, i, zero);
    blocks = 1;
  } else {
    LoopExpr *z = loop_for(k, "kw", zero, loop_int(k, kw));
    LoopExpr *i = loop_for_unroll(k, "k", zero, loop_int(k, in), UNROLL);
    LoopExpr *pixel = loop_mul(k, z, loop_int(k, apart_w * all));
    c.start = loop_add(k, loop_add(k, start, pixel), i);
    place = loop_add(k, loop_mul(k, y, loop_int(k, kw)), z);
    place = loop_add(k, loop_mul(k, place, loop_int(k, in)), i);
    v = loop_lanes(k, weights, (int)t.columns, p, y, z, i, zero);
    blocks = 2;
  }
  accumulate(&t, acc, count, place, v, conv_x, &c);
  while (blocks--) loop_end(k);
  loop_end(k);
  finish(&t, acc, count, column, conv_index, &c);
  if (lines == 1) loop_end(k);
  loop_end(k);
}

/* Nothing is padded, but some may be cut off. */
static bool is_unpadded(const Op *op) {
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_pad); i++)
    if (op_pair_integer(op, ATTRIBUTE_pad, i, 0) > 0 ||
        op_pair_integer(op, ATTRIBUTE_pad, i, 1) > 0)
      return false;
  return true;
}

bool product_panel(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_dot_panel && product->kind != OP_conv_panel) return false;
  const Type *w = &product->operands[1]->type;
  if (w->element != ELEMENT_f32 || product->operands[0]->type.element != ELEMENT_f32) return false;
  int64_t columns = dim_value(w->dims[w->rank - 1]);
  if (columns % l->target->lanes) return false;
  Tile t = {.l = l, .r = r, .product = product, .columns = columns};
  t.rows = most_rows(l->target, columns);
  t.size = op_integer(product, ATTRIBUTE_size);
  if (product->kind == OP_dot_panel) {
    r->lanes = (int)columns;
    l->algorithm = "dot";
    dot_panel(t);
    return true;
  }
  if (product->operands[0]->type.rank != 4 || !is_unpadded(product)) return false;
  int64_t groups = op_integer(product, ATTRIBUTE_groups);
  t.size /= groups;
  if (groups > 1 && t.size % columns) return false; /* a panel would reach into the next group */
  r->lanes = (int)columns;
  l->algorithm = "direct";
  conv_panel(t);
  return true;
}
