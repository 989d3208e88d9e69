/* product_dot.c - dot of two values that are made in the call, and products with weights that are
 * not packed.
 *
 * x is [batch.., M, K] and y [batch.., K, N] or [batch.., N, K]. Where K and N are known, the loops
 * are those of product_panel.c. A block of y's columns is read where it is if few rows of x use it;
 * for many, each piece of it is first copied to where it lies dense, and turned around if need be.
 *
 * Otherwise a trip is a panel of B columns of one batch; all rows go through it in register tiles:
 *
 *   acc[MR][B] += x[batch, row, k] * y[batch, k, column 0:B]     for all k, in order
 */
#include "backend/product_panel.h"
#include "backend/product_row.h"

#include "support/bug.h"

enum {
  UNROLL = 4,
  MOST_ROWS = 8,
  MOST_SCRATCH = 1 << 21 /* bytes of a panel */
};

/* The axes of a dot in the form that `select` makes. */
typedef struct {
  const Value *x, *y;
  int batch;     /* leading axes */
  bool y_last_k; /* y is [batch.., N, K] */
} Form;

static bool is_one(DimList list, int64_t axis) {
  return list.count == 1 && dim_is(list.items[0], axis);
}

static bool are_leading(DimList list) {
  for (int i = 0; i < list.count; i++)
    if (!dim_is(list.items[i], i)) return false;
  return true;
}

static bool find_form(const Op *op, Form *form) {
  if (op->kind != OP_dot) return false;
  *form = (Form){.x = op->operands[0], .y = op->operands[1]};
  const AttributeValue *contract = op_attribute(op, ATTRIBUTE_contract);
  const AttributeValue *batch = op_attribute(op, ATTRIBUTE_batch);
  if (!are_leading(batch->lists.items[0]) || !are_leading(batch->lists.items[1])) return false;
  form->batch = batch->lists.items[0].count;
  int rank = form->batch + 2;
  if (form->x->type.rank != rank || form->y->type.rank != rank) return false;
  if (form->x->type.element != ELEMENT_f32 || form->y->type.element != ELEMENT_f32) return false;
  if (!is_one(contract->lists.items[0], rank - 1)) return false;
  form->y_last_k = is_one(contract->lists.items[1], rank - 1);
  return form->y_last_k || is_one(contract->lists.items[1], rank - 2);
}

/* Columns of a panel: no more registers than N fills. */
static int panel_columns(const Target *target, const Dim *n) {
  int most = target->registers >= 32 ? 4 : 2, vectors = 1;
  while (vectors < most && dim_max(n) > vectors * target->lanes) vectors++;
  return vectors * target->lanes;
}

static int few_rows(const Target *target, int columns, const Dim *m) {
  int vectors = columns / target->lanes, spare = target->registers / 8;
  int64_t rows = (target->registers - vectors - spare) / vectors;
  if (rows > MOST_ROWS) rows = MOST_ROWS;
  if (rows > dim_max(m)) rows = dim_max(m);
  if (!dim_is_constant(m)) return (int)rows;
  int64_t tiles = (dim_value(m) + rows - 1) / rows;
  return (int)((dim_value(m) + tiles - 1) / tiles);
}

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  Form form;
  LoopExpr *at[MOST_AXES]; /* the batch */
  int columns, rows;
  LoopBuffer *panel; /* [K, B] in scratch, or NULL: y itself */
} Dot;

static LoopExpr *element_at(Dot *d, const Value *value, LoopExpr *row, LoopExpr *column) {
  LoopExpr *index[MOST_AXES];
  for (int i = 0; i < d->form.batch; i++) index[i] = d->at[i];
  index[d->form.batch] = row;
  index[d->form.batch + 1] = column;
  LoopBuffer *buffer = product_buffer(d->r, value);
  return loop_cast(d->l->kernel, loop_element_of(d->l->kernel, buffer, index), LOOP_F32);
}

static LoopExpr *lanes_at(Dot *d, const Value *value, LoopExpr *row, LoopExpr *column) {
  LoopExpr *index[MOST_AXES];
  for (int i = 0; i < d->form.batch; i++) index[i] = d->at[i];
  index[d->form.batch] = row;
  index[d->form.batch + 1] = column;
  return loop_lanes_of(d->l->kernel, product_buffer(d->r, value), d->columns, index);
}

/* Columns from `column` on of [N, K], as rows of the panel. */
static void pack(Dot *d, LoopExpr *depth, LoopExpr *column) {
  LoopKernel *k = d->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *i = loop_for_unroll(k, "k", zero, depth, UNROLL);
  LoopExpr *from = loop_along(lanes_at(d, d->form.y, column, i), d->form.batch, 1);
  loop_store(k, loop_lanes(k, d->panel, d->columns, i, zero), loop_cast(k, from, LOOP_F32));
  loop_end(k);
}

static void multiply(Dot *d, LoopExpr *rows, LoopExpr *depth, LoopExpr *column) {
  LoopKernel *k = d->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *count;
  LoopExpr *first = loop_for_tail(k, "i", zero, rows, d->rows, &count);
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, d->rows, d->columns, loop_number(k, 0));
  LoopExpr *i = loop_for_unroll(k, "k", zero, depth, UNROLL);
  LoopExpr *y =
      d->panel ? loop_lanes(k, d->panel, d->columns, i, zero) : lanes_at(d, d->form.y, i, column);
  LoopExpr *v = loop_let(k, "v", loop_cast(k, y, LOOP_F32));
  LoopExpr *row = loop_each(k, "r", zero, count);
  LoopExpr *a = loop_row(k, acc, row);
  loop_set(k, a, loop_fma(k, element_at(d, d->form.x, loop_add(k, first, row), i), v, a));
  loop_end(k);
  loop_end(k);
  row = loop_each(k, "r", zero, count);
  Index index[MOST_AXES];
  for (int b = 0; b < d->form.batch; b++) index[b] = index_scalar(d->at[b]);
  index[d->form.batch] = index_scalar(loop_add(k, first, row));
  index[d->form.batch + 1] = index_lanes(column);
  product_finish(d->r, d->product, index, loop_row(k, acc, row));
  loop_end(k);
  loop_end(k);
}

/* ---- by the loops of panels ---- */

typedef struct {
  Lowering *l;
  const Type *result;
  int batch, columns;
  int64_t k, n;
  LoopBuffer *y; /* as [batch, K, N] or [batch, N, K], perhaps in a smaller type */
  bool turned;   /* the latter */
  LoopExpr *m, *line, *first;
  RowProduct row;
} Values;

static void values_begin(void *user, LoopExpr *line, LoopExpr *first, LoopExpr *count) {
  Values *v = user;
  (void)count;
  v->line = line, v->first = first;
}

static LoopExpr *values_row(void *user, LoopExpr *row) {
  Values *v = user;
  LoopKernel *k = v->l->kernel;
  LoopExpr *at = loop_add(k, loop_mul(k, v->line, v->m), loop_add(k, v->first, row));
  return loop_mul(k, at, loop_int(k, v->k));
}

static LoopExpr *values_segment(void *user, LoopExpr *segment, LoopExpr *group) {
  Values *v = user;
  (void)segment, (void)group;
  return loop_int(v->l->kernel, 0);
}

static void values_index(void *user, LoopExpr *row, Index *index) {
  Values *v = user;
  LoopExpr *at[MOST_AXES];
  index_split(v->l->kernel, v->line, v->result->dims, v->batch, at);
  for (int i = 0; i < v->batch; i++) index[i] = index_scalar(at[i]);
  index[v->batch] = index_scalar(loop_add(v->l->kernel, v->first, row));
}

static LoopExpr *values_weights(void *user, LoopExpr *line, LoopExpr *column, LoopExpr *at,
                                LoopExpr *mask) {
  Values *v = user;
  LoopExpr *lanes = loop_lanes(v->l->kernel, v->y, v->columns, line, at, column);
  return mask ? loop_where(lanes, mask) : lanes;
}

static void one_row(void *user, LoopExpr *first, LoopExpr *past) {
  Values *v = user;
  LoopKernel *k = v->l->kernel;
  LoopExpr *columns = loop_int(k, v->columns), *size = loop_int(k, v->n);
  LoopExpr *from = loop_let(k, "from", loop_mul(k, first, columns));
  past = loop_let(k, "to", loop_min(k, loop_mul(k, past, columns), size));
  if (v->turned)
    row_by_columns(&v->row, from, past);
  else
    row_by_rows(&v->row, from, past);
}

/* Rows of y, side by side. */
static void fill_rows(void *user, LoopBuffer *panel, LoopExpr *line, LoopExpr *column,
                      LoopExpr *from, LoopExpr *to) {
  Values *v = user;
  LoopKernel *k = v->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *i = loop_for_unroll(k, "i", from, to, TILE_UNROLL);
  LoopExpr *lanes = loop_lanes(k, v->y, v->columns, line, i, column);
  if (v->n % v->columns) lanes = loop_below(lanes, loop_int(k, v->n));
  loop_store(k, loop_lanes(k, panel, v->columns, loop_sub(k, i, from), zero),
             loop_cast(k, lanes, LOOP_F32));
  loop_end(k);
}

/* Columns of y [N, K], turned around square by square. Of a last panel that is not full the last
 * square is taken back to N, and again; one narrower than a square has its last column again, or 0
 * where there is no other: these columns of the result are not stored. */
static void fill_turned(void *user, LoopBuffer *panel, LoopExpr *line, LoopExpr *column,
                        LoopExpr *from, LoopExpr *to) {
  Values *v = user;
  LoopKernel *k = v->l->kernel;
  int lanes = v->l->target->lanes;
  int64_t rest = v->n % v->columns;
  LoopExpr *zero = loop_int(k, 0), *size = loop_int(k, lanes), *last = loop_int(k, v->n - 1);
  bool few = v->n < lanes && v->columns == lanes;
  LoopExpr *rows = few ? loop_int(k, v->n) : size;
  LoopExpr *j = loop_for_step(k, "j", zero, loop_int(k, v->columns), lanes);
  if (rest >= lanes)
    j = loop_let(k, "j", loop_min(k, j, loop_sub(k, loop_int(k, v->n - lanes), column)));
  int64_t depth;
  bool whole = loop_is_int(loop_sub(k, to, from), &depth) && depth % lanes == 0;
  LoopExpr *past = whole ? to : loop_add(k, to, loop_int(k, lanes - 1));
  LoopExpr *i = loop_for_step(k, "i", from, past, lanes), *inside = NULL;
  if (!whole) inside = loop_let(k, "inside", loop_lt(k, loop_iota(k, i, lanes), to));
  LoopExpr *square = loop_array(k, "square", LOOP_F32, lanes, lanes, loop_number(k, 0));
  LoopExpr *r = loop_each(k, "r", zero, rows);
  LoopExpr *row = loop_add(k, loop_add(k, column, j), r);
  if (rest && rest < lanes && !few) row = loop_min(k, row, last);
  LoopExpr *given = loop_lanes(k, v->y, lanes, line, row, i);
  if (inside) given = loop_where(given, inside);
  loop_set(k, loop_row(k, square, r), loop_cast(k, given, LOOP_F32));
  loop_end(k);
  loop_transpose(k, square);
  LoopExpr *place = loop_let(k, "place", loop_sub(k, i, from));
  r = loop_each(k, "r", zero, size);
  loop_store(k, loop_lanes(k, panel, lanes, loop_add(k, place, r), j), loop_row(k, square, r));
  loop_end(k);
  loop_end(k);
  loop_end(k);
}

static bool dot_values(Lowering *l, Region *r, const Op *product, const Form *form) {
  LoopKernel *k = l->kernel;
  const Type *x = &form->x->type, *y = &form->y->type;
  int batch = form->batch;
  const Dim *m = x->dims[batch], *depth = x->dims[batch + 1];
  const Dim *n = y->dims[form->y_last_k ? batch : batch + 1], *lines = dim_constant(l->dims, 1);
  if (!dim_is_constant(n) || !dim_is_constant(depth) || dim_value(n) == 0) return false;
  for (int i = 0; i < batch && lines; i++) lines = dim_mul(l->dims, lines, x->dims[i]);
  const Dim *rows = lines ? dim_mul(l->dims, lines, m) : NULL;
  if (!rows) bug("a size above 64 bits in '%s'", k->name);
  Values v = {.l = l, .result = &product->results[0]->type, .batch = batch, .m = dim_expr(k, m)};
  v.k = dim_value(depth), v.n = dim_value(n);
  v.columns = panel_columns(l->target, n);
  Tile t = tile_open(l, r, product, v.columns, v.n);
  LoopBuffer *x_given = region_buffer(r, form->x), *y_given = product_buffer(r, form->y);
  LoopExpr *all = dim_expr(k, lines), *sides[] = {loop_int(k, v.k), loop_int(k, v.n)};
  v.y = loop_view(k, y_given, "values", y_given->element, 3, all, sides[form->y_last_k],
                  sides[!form->y_last_k]);
  PanelRows panel = {
      .lines = lines,
      .rows = m,
      .groups = 1,
      .segments = 1,
      .run = depth,
      .apart = v.k,
      .x = loop_view(k, x_given, "rows", LOOP_F32, 1, loop_mul(k, dim_expr(k, rows), sides[0])),
      .begin = values_begin,
      .row_at = values_row,
      .segment_at = values_segment,
      .index_of = values_index,
      .user = &v,
  };
  if (form->y_last_k)
    panel.fill = fill_turned;
  else if (dim_max(m) > 2 * t.rows)
    panel.fill = fill_rows;
  else
    panel.weights_at = values_weights;
  /* Of a weight that is packed in no time a code of its own for one row is not worth its bytes. */
  bool small = form->y_last_k && dim_max(m) > 1 && 8 * 4 * v.k * v.n <= l->target->l1;
  if (dim_is(lines, 1) && v.k > 0 && !small) {
    v.row = (RowProduct){l, r, product, panel.x, NULL, v.k, v.n};
    v.turned = form->y_last_k;
    v.row.w =
        loop_view(k, y_given, "weight", y_given->element, 2, sides[v.turned], sides[!v.turned]);
    panel.one_row = one_row;
  }
  l->algorithm = "dot";
  panel_loops(t, panel);
  return true;
}

bool product_dot(Lowering *l, Region *r, const Op *product) {
  Dot d = {.l = l, .r = r, .product = product};
  if (!find_form(product, &d.form)) return false;
  if (dot_values(l, r, product, &d.form)) return true;
  LoopKernel *k = l->kernel;
  DimTable *dims = l->dims;
  const Value *x = d.form.x;
  int batch = d.form.batch;
  const Dim *m = x->type.dims[batch], *depth = x->type.dims[batch + 1];
  const Dim *n = d.form.y->type.dims[d.form.y_last_k ? batch : batch + 1];
  d.columns = panel_columns(l->target, n);
  d.rows = few_rows(l->target, d.columns, m);
  if (d.form.y_last_k) {
    if (dim_max(depth) > MOST_SCRATCH / (4 * d.columns)) return false;
    d.panel =
        loop_scratch(k, "panel", LOOP_F32, 2, loop_int(k, dim_max(depth)), loop_int(k, d.columns));
  }
  const Dim *split[MOST_AXES];
  for (int i = 0; i < batch; i++) split[i] = x->type.dims[i];
  const Dim *more = dim_add(dims, n, dim_constant(dims, d.columns - 1));
  split[batch] = dim_floor(dims, more, d.columns);
  l->trips = dim_constant(dims, 1);
  for (int i = 0; i <= batch; i++) l->trips = dim_mul(dims, l->trips, split[i]);
  l->grain = 1;
  l->algorithm = "dot";
  r->lanes = d.columns;
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *columns = dim_expr(k, n);
  index_split(k, trip, split, batch + 1, d.at);
  LoopExpr *begin = loop_mul(k, d.at[batch], loop_int(k, d.columns));
  LoopExpr *end = loop_add(k, begin, loop_int(k, d.columns)), *column;
  if (dim_is_constant(n) && dim_value(n) % d.columns == 0)
    column = loop_for_step(k, "column", begin, end, d.columns);
  else
    column = loop_for_lanes(k, "column", begin, loop_min(k, end, columns), d.columns);
  LoopExpr *size = dim_expr(k, depth);
  if (d.panel) pack(&d, size, column);
  multiply(&d, dim_expr(k, m), size, column);
  loop_end(k);
  loop_end(k);
  return true;
}
