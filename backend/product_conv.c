/* product_conv.c - conv_panel: convolutions in nhwc as products whose rows are windows of x.
 *
 * The left operand overlaps: for each kernel row the KW * C numbers that an output pixel reads are
 * side by side, so rows of x are not copied. x [N, H, W, C] comes without padding, w as
 * [groups * P, KH, KW, C/groups, B]. Pixels are taken in one of two ways:
 *
 *   lines  a tile is neighbours of one line of the result: rows stand at one distance
 *   all    tiles run on over lines and pictures: where each row begins is found for every tile,
 *          which costs a little, and small maps leave no tile half empty
 */
#include "backend/product_panel.h"
#include "ir/conv_rows.h"

typedef struct {
  Tile tile;
  const Type *out;
  int64_t stride[2], apart[2], before[2]; /* before: cut off */
  ConvRows sum;
  LoopExpr *height, *width; /* of x */
  LoopExpr *first;          /* the tile's first pixel, of the line or of all */
  LoopExpr *n, *oh, *at;    /* lines: which it is, and where it begins in x */
  LoopExpr *rows;           /* all: where rows begin in x */
} Conv;

/* ---- pixels of a line ---- */

/* Where in x the window of a pixel begins. */
static LoopExpr *window_at(const Conv *c, LoopExpr *n, LoopExpr *oh, LoopExpr *ow) {
  LoopKernel *k = c->tile.l->kernel;
  LoopExpr *line = loop_mul(k, oh, loop_int(k, c->stride[0]));
  line = loop_add(k, line, loop_int(k, c->before[0]));
  line = loop_add(k, loop_mul(k, n, c->height), line);
  LoopExpr *pixel = loop_mul(k, ow, loop_int(k, c->stride[1]));
  pixel = loop_add(k, pixel, loop_int(k, c->before[1]));
  return loop_mul(k, loop_add(k, loop_mul(k, line, c->width), pixel), loop_int(k, c->sum.channels));
}

static void line_begin(void *user, LoopExpr *line, LoopExpr *first, LoopExpr *count) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  (void)count;
  LoopExpr *at[2];
  index_split(k, line, c->out->dims, 2, at);
  c->n = at[0], c->oh = at[1], c->first = first;
  c->at = loop_let(k, "at", window_at(c, c->n, c->oh, first));
}

static LoopExpr *line_row(void *user, LoopExpr *row) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  return loop_add(k, c->at, loop_mul(k, row, loop_int(k, c->stride[1] * c->sum.channels)));
}

static void line_index(void *user, LoopExpr *row, Index *index) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  index[0] = index_scalar(c->n), index[1] = index_scalar(c->oh);
  index[2] = index_scalar(loop_add(k, c->first, row));
}

/* ---- all pixels ---- */

static void all_begin(void *user, LoopExpr *line, LoopExpr *first, LoopExpr *count) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  (void)line;
  LoopExpr *zero = loop_int(k, 0), *at[3];
  c->first = first;
  c->rows = loop_array(k, "rows", LOOP_I64, c->tile.rows, 1, zero);
  LoopExpr *row = loop_each(k, "r", zero, count);
  index_split(k, loop_add(k, first, row), c->out->dims, 3, at);
  loop_set(k, loop_row(k, c->rows, row), window_at(c, at[0], at[1], at[2]));
  loop_end(k);
}

static LoopExpr *all_row(void *user, LoopExpr *row) {
  Conv *c = user;
  return loop_row(c->tile.l->kernel, c->rows, row);
}

static void all_index(void *user, LoopExpr *row, Index *index) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  LoopExpr *at[3];
  index_split(k, loop_add(k, c->first, row), c->out->dims, 3, at);
  for (int i = 0; i < 3; i++) index[i] = index_scalar(at[i]);
}

/* ---- both ---- */

/* Segment number `segment` is kernel row segment / taps, tap segment % taps. */
static LoopExpr *segment_at(void *user, LoopExpr *segment, LoopExpr *group) {
  Conv *c = user;
  LoopKernel *k = c->tile.l->kernel;
  LoopExpr *line = segment, *at = loop_mul(k, group, loop_int(k, c->sum.in));
  if (c->sum.taps > 1) {
    line = loop_div(k, segment, loop_int(k, c->sum.taps));
    LoopExpr *tap = loop_mod(k, segment, loop_int(k, c->sum.taps));
    at = loop_add(k, at, loop_mul(k, tap, loop_int(k, c->apart[1] * c->sum.channels)));
  }
  LoopExpr *down = loop_mul(k, c->width, loop_int(k, c->apart[0] * c->sum.channels));
  return loop_add(k, at, loop_mul(k, line, down));
}

bool conv_pads(const Op *op) {
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_pad); i++)
    if (op_pair_integer(op, ATTRIBUTE_pad, i, 0) > 0 ||
        op_pair_integer(op, ATTRIBUTE_pad, i, 1) > 0)
      return true;
  return false;
}

bool conv_is_known(const Type *type) {
  for (int i = 1; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i])) return false;
  return type->rank == 4 && type->element == ELEMENT_f32;
}

bool product_conv(Lowering *l, Region *r, const Op *op) {
  if (op->kind != OP_conv_panel) return false;
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type;
  int64_t width = dim_value(w->dims[w->rank - 1]);
  if (!tile_takes(op) || width % l->target->lanes || x->rank != 4 || conv_pads(op)) return false;
  LoopKernel *k = l->kernel;
  DimTable *dims = l->dims;
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  Conv c = {.out = &op->results[0]->type, .sum = conv_rows_of(op)};
  for (int i = 0; i < 2; i++) {
    c.stride[i] = op_list_integer(op, ATTRIBUTE_stride, i);
    c.apart[i] = op_list_integer(op, ATTRIBUTE_dilation, i);
    c.before[i] = -op_pair_integer(op, ATTRIBUTE_pad, i, 0);
  }
  c.height = dim_expr(k, x->dims[1]), c.width = dim_expr(k, x->dims[2]);
  bool lines = c.sum.by_lines;
  const Dim *const *out = c.out->dims, *pixels = dim_mul(dims, out[0], out[1]);
  if (!lines) pixels = dim_mul(dims, pixels, out[2]);
  LoopBuffer *given = region_buffer(r, op->operands[0]);
  LoopExpr *size = loop_mul(k, loop_mul(k, dim_expr(k, x->dims[0]), c.height), c.width);
  size = loop_mul(k, size, loop_int(k, c.sum.channels));
  int64_t columns = panel_tile_columns(l->target, width, 2);
  c.tile = tile_open(l, r, op, columns, op_integer(op, ATTRIBUTE_size) / groups);
  if (!lines && c.tile.rows > CONV_ROWS_APART) c.tile.rows = CONV_ROWS_APART;
  l->algorithm = "direct";
  panel_loops(c.tile, (PanelRows){.lines = lines ? pixels : dim_constant(dims, 1),
                                  .rows = lines ? out[2] : pixels,
                                  .groups = groups,
                                  .segments = c.sum.segments,
                                  .run = dim_constant(dims, c.sum.run),
                                  .x = loop_view(k, given, "image",
                                                 tile_element(op, given->element), 1, size),
                                  .near = c.stride[1] * c.sum.channels < TILE_UNROLL,
                                  .begin = lines ? line_begin : all_begin,
                                  .row_at = lines ? line_row : all_row,
                                  .segment_at = segment_at,
                                  .index_of = lines ? line_index : all_index,
                                  .user = &c});
  return true;
}
