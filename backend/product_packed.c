/* product_packed.c - dot_panel: products of a matrix with weights packed into panels.
 *
 * Rows of x are those of the loops (product_panel.h), at one distance. A call with one row alone
 * walks through several panels at once instead (product_row.h).
 */
#include "backend/product_panel.h"
#include "backend/product_row.h"

#include "support/bug.h"

typedef struct {
  LoopKernel *k;
  const Type *result;
  LoopExpr *first, *depth;
  RowProduct row;
} Dot;

static void dot_begin(void *user, LoopExpr *line, LoopExpr *first, LoopExpr *count) {
  Dot *d = user;
  (void)line, (void)count;
  d->first = first;
}

static LoopExpr *dot_row(void *user, LoopExpr *row) {
  Dot *d = user;
  return loop_mul(d->k, loop_add(d->k, d->first, row), d->depth);
}

static LoopExpr *dot_segment(void *user, LoopExpr *segment, LoopExpr *group) {
  Dot *d = user;
  (void)segment, (void)group;
  return loop_int(d->k, 0);
}

static void dot_index(void *user, LoopExpr *row, Index *index) {
  Dot *d = user;
  LoopExpr *at[MOST_AXES];
  int axes = d->result->rank - 1;
  index_split(d->k, loop_add(d->k, d->first, row), d->result->dims, axes, at);
  for (int i = 0; i < axes; i++) index[i] = index_scalar(at[i]);
}

static void dot_one_row(void *user, LoopExpr *first, LoopExpr *past) {
  row_by_panels(&((Dot *)user)->row, first, past);
}

bool product_packed(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_dot_panel) return false;
  const Type *x = &product->operands[0]->type, *w = &product->operands[1]->type;
  int64_t width = dim_value(w->dims[2]);
  if (!tile_takes(product) || width % l->target->lanes) return false;
  LoopKernel *k = l->kernel;
  const Dim *m = dim_constant(l->dims, 1);
  for (int i = 0; i < x->rank - 1 && m; i++) m = dim_mul(l->dims, m, x->dims[i]);
  if (!m) bug("a size above 64 bits in '%s'", k->name);
  const Dim *depth = dim_floor(l->dims, x->dims[x->rank - 1], tile_places(product));
  Dot d = {.k = k, .result = &product->results[0]->type, .depth = dim_expr(k, depth)};
  LoopBuffer *given = region_buffer(r, product->operands[0]);
  LoopBuffer *flat = loop_view(k, given, "rows", tile_element(product, given->element), 1,
                               loop_mul(k, dim_expr(k, m), d.depth));
  int64_t columns = panel_tile_columns(l->target, width, dim_max(m));
  bool known = dim_is_constant(depth) && !dim_is_constant(m);
  if (known) {
    LoopBuffer *panels = region_buffer(r, product->operands[1]);
    d.row = (RowProduct){.l = l,
                         .r = r,
                         .product = product,
                         .x = flat,
                         .depth = dim_value(depth),
                         .size = op_integer(product, ATTRIBUTE_size)};
    d.row.w =
        loop_view(k, panels, "row_panels", tile_element(product, panels->element), 3,
                  loop_int(k, dim_value(w->dims[0])), loop_int(k, d.row.depth), loop_int(k, width));
  }
  l->algorithm = "dot";
  panel_loops(tile_open(l, r, product, columns, op_integer(product, ATTRIBUTE_size)),
              (PanelRows){.lines = dim_constant(l->dims, 1),
                          .rows = m,
                          .groups = 1,
                          .segments = 1,
                          .run = depth,
                          .x = flat,
                          .apart = dim_is_constant(depth) ? dim_value(depth) : 0,
                          .begin = dot_begin,
                          .row_at = dot_row,
                          .segment_at = dot_segment,
                          .index_of = dot_index,
                          .one_row = known ? dot_one_row : NULL,
                          .user = &d});
  return true;
}
