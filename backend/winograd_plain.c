/* Winograd's algorithm without a kernel of its own: transformed weights where they are no
 * constants, and conv_winograd element by element, for types and panels that no kernel takes. */
#include "backend/product.h"
#include "backend/winograd_transform.h"

#include "support/bug.h"

static void find_axes(const Region *r, const Op *op, const int64_t *kernel, Winograd axes[2]) {
  for (int i = 0; i < 2; i++)
    if (!winograd_find(op_list_integer(op, ATTRIBUTE_tile, i), kernel[i],
                       op_list_integer(op, ATTRIBUTE_stride, i), &axes[i]))
      bug("no tile of Winograd's algorithm in '%s'", r->k->name);
}

/* Of the kernel all columns, or the one `column` alone, which stays as it is along its line. */
static void transform_columns(Region *r, const Op *op, const Winograd axes[2], Index *index,
                              LoopExpr *column, int count) {
  LoopKernel *k = r->k;
  LoopExpr *rows[WINOGRAD_POINTS][WINOGRAD_POINTS], *x[WINOGRAD_POINTS], *y[WINOGRAD_POINTS];
  for (int j = 0; j < count; j++) {
    index[2] = index_scalar(column ? column : loop_int(k, j));
    for (int i = 0; i < axes[0].kernel; i++) {
      index[1] = index_scalar(loop_int(k, i));
      x[i] = region_value(r, op->operands[0], index);
    }
    winograd_kernel(k, &axes[0], x, y);
    for (int i = 0; i < axes[0].weights; i++) rows[i][j] = y[i];
  }
  for (int i = 0; i < axes[0].weights; i++) {
    if (column)
      y[0] = rows[i][0];
    else
      winograd_kernel(k, &axes[1], rows[i], y);
    index[1] = index_scalar(loop_int(k, i));
    for (int j = 0; j < (column ? 1 : axes[1].weights); j++) {
      index[2] = index_scalar(column ? column : loop_int(k, j));
      region_store(r, region_result_buffer(r, 0), 5, index, y[j]);
    }
  }
}

/* A trip is a channel of a panel; lanes are the panel's columns. */
void lower_winograd_weight(Lowering *l) {
  LoopKernel *k = l->kernel;
  Region r = region_open(k, l->op, l->target, l->dims);
  const Op *op = region_result(&r, 0)->op;
  const Value *weight = op->operands[0];
  const Type *w = &weight->type;
  int64_t kernel[2] = {dim_value(w->dims[1]), dim_value(w->dims[2])};
  Winograd axes[2];
  find_axes(&r, op, kernel, axes);
  const Dim *split[] = {w->dims[0], w->dims[3]};
  l->algorithm = "winograd";
  l->trips = dim_mul(l->dims, split[0], split[1]);
  l->grain = grain_for((int64_t)axes[0].weights * axes[1].weights * dim_max(w->dims[4]), false);
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips)), *at[2];
  index_split(k, trip, split, 2, at);
  LoopExpr *q = loop_for_lanes(k, "q", loop_int(k, 0), dim_expr(k, w->dims[4]), r.lanes);
  Index index[] = {index_scalar(at[0]), index_scalar(NULL), index_scalar(NULL), index_scalar(at[1]),
                   index_lanes(q)};
  if (axes[1].tile == 1) { /* column by column */
    LoopExpr *column = loop_for(k, "j", loop_int(k, 0), loop_int(k, axes[1].kernel));
    transform_columns(&r, op, axes, index, column, 1);
    loop_end(k);
  } else {
    transform_columns(&r, op, axes, index, NULL, axes[1].kernel);
  }
  loop_end(k);
  loop_end(k);
}

/* ---- element by element ---- */

/* Two matrices as one table, one behind the other. */
static LoopBuffer *table_of(LoopKernel *k, const char *name, double left[][WINOGRAD_POINTS],
                            double right[][WINOGRAD_POINTS]) {
  enum { EACH = WINOGRAD_POINTS * WINOGRAD_POINTS };
  double both[2 * EACH];
  for (int i = 0; i < EACH; i++) {
    both[i] = left[i / WINOGRAD_POINTS][i % WINOGRAD_POINTS];
    both[EACH + i] = right[i / WINOGRAD_POINTS][i % WINOGRAD_POINTS];
  }
  return loop_table(k, name, LOOP_F64, (int64_t)2 * EACH, both);
}

static LoopExpr *entry(LoopKernel *k, LoopBuffer *table, int axis, LoopExpr *row, LoopExpr *column,
                       LoopElement element) {
  LoopExpr *at = loop_add(k, loop_mul(k, row, loop_int(k, WINOGRAD_POINTS)), column);
  at = loop_add(k, at, loop_int(k, (int64_t)axis * WINOGRAD_POINTS * WINOGRAD_POINTS));
  return loop_cast(k, loop_element(k, table, at), element);
}

/* Row by row of B: point (a, b) of channel c of the tile at (top, left). */
static LoopExpr *point_value(Region *r, const Op *op, const Winograd axes[2], LoopBuffer *table,
                             Index n, LoopExpr *const *corner, LoopExpr *const *point, Index c) {
  LoopKernel *k = r->k;
  const Value *x = op->operands[0];
  LoopElement e = compute_element(x->type.element);
  LoopExpr *sum = loop_var(k, "point", e, 1, loop_literal(k, e, 0));
  size_t scope = region_push(r);
  LoopExpr *at[2];
  for (int i = 0; i < 2; i++) at[i] = loop_for(k, "k", loop_int(k, 0), loop_int(k, axes[i].seen));
  Index index[] = {n, index_scalar(loop_add(k, corner[0], at[0])),
                   index_scalar(loop_add(k, corner[1], at[1])), c};
  LoopExpr *factor =
      loop_mul(k, entry(k, table, 0, point[0], at[0], e), entry(k, table, 1, point[1], at[1], e));
  LoopExpr *value = region_value_inside(r, x, index, (int64_t[]){0, 1, 1, 0});
  loop_set(k, sum, loop_fma(k, factor, value, sum));
  loop_end(k);
  loop_end(k);
  region_pop(r, scope);
  return sum;
}

LoopExpr *winograd_value(Region *r, const Op *op, const Index *index) {
  LoopKernel *k = r->k;
  const Type *w = &op->operands[1]->type;
  LoopElement e = compute_element(op->results[0]->type.element);
  int64_t kernel[2], columns = dim_value(w->dims[4]);
  Winograd axes[2];
  LoopExpr *corner[2], *pixel[2], *point[2], *zero = loop_int(k, 0);
  for (int i = 0; i < 2; i++) kernel[i] = op_list_integer(op, ATTRIBUTE_kernel, i);
  find_axes(r, op, kernel, axes);
  LoopBuffer *a = table_of(k, "a", axes[0].a, axes[1].a);
  LoopBuffer *b = table_of(k, "b", axes[0].b, axes[1].b);
  for (int i = 0; i < 2; i++) {
    LoopExpr *tile = loop_int(k, axes[i].tile);
    pixel[i] = loop_let(k, "pixel", loop_mod(k, index[i + 1].at, tile));
    corner[i] = loop_sub(k, index[i + 1].at, pixel[i]);
    corner[i] = loop_mul(k, corner[i], loop_int(k, axes[i].stride));
    corner[i] = loop_sub(k, corner[i], loop_int(k, op_pair_integer(op, ATTRIBUTE_pad, i, 0)));
    corner[i] = loop_let(k, "corner", corner[i]);
  }
  int lanes = index_has_lanes(&index[3]) ? r->lanes : 1;
  LoopExpr *result = loop_var(k, "sum", e, lanes, loop_literal(k, e, 0));
  size_t scope = region_push(r);
  for (int i = 0; i < 2; i++) point[i] = loop_for(k, "p", zero, loop_int(k, axes[i].points));
  LoopExpr *product = loop_var(k, "product", e, lanes, loop_literal(k, e, 0));
  LoopExpr *c = loop_for(k, "c", zero, dim_expr(k, w->dims[3]));
  LoopExpr *x = point_value(r, op, axes, b, index[0], corner, point, index_scalar(c));
  LoopExpr *of[2];
  for (int i = 0; i < 2; i++) of[i] = winograd_weight_of(k, &axes[i], point[i]);
  Index wi[] = {index_divide(r, index[3], columns), index_scalar(of[0]), index_scalar(of[1]),
                index_scalar(c), index_mod(r, index[3], columns)};
  LoopExpr *weight = region_value(r, op->operands[1], wi);
  loop_set(k, product, loop_fma(k, x, weight, product));
  loop_end(k);
  LoopExpr *factor =
      loop_mul(k, entry(k, a, 0, pixel[0], point[0], e), entry(k, a, 1, pixel[1], point[1], e));
  loop_set(k, result, loop_fma(k, factor, product, result));
  loop_end(k);
  loop_end(k);
  region_pop(r, scope);
  return result;
}
