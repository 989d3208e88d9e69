/* lower_product.c - products and what follows them: the plain form that any shape takes. Kernels
 * for the shapes that matter are chosen first (product.h). */
#include "backend/product.h"

#include "ir/op_traits.h"
#include "support/bug.h"

#include <string.h>

static const Op *find_product(const Region *r) {
  if (!r->block) return r->op;
  for (const Op *op = r->block->first; op; op = op->next)
    if (operator_has(op->kind, TRAIT_PRODUCT)) return op;
  bug("no product in '%s'", r->k->name);
}

/* A sum over some loops of x * w, or of x alone. */
typedef struct {
  Region *r;
  LoopExpr *sum;
  int blocks;
  size_t scope;
  bool lanes;
} Sum;

static Sum sum_open(Region *r, const Value *result, const Index *index) {
  Sum s = {.r = r};
  for (int i = 0; i < result->type.rank; i++) s.lanes = s.lanes || index_has_lanes(&index[i]);
  Element element = result->type.element;
  s.sum = loop_var(r->k, "sum", compute_element(element), s.lanes ? r->lanes : 1,
                   scalar_number(r->k, element, number_integer(0)));
  s.scope = region_push(r);
  return s;
}

static Index sum_over(Sum *s, const Dim *size) {
  if (dim_is(size, 1)) return index_scalar(loop_int(s->r->k, 0));
  s->blocks++;
  return index_scalar(loop_for(s->r->k, "k", loop_int(s->r->k, 0), dim_expr(s->r->k, size)));
}

static LoopExpr *sum_close(Sum *s, LoopExpr *x, LoopExpr *w) {
  LoopKernel *k = s->r->k;
  LoopElement e = loop_type(s->sum).element;
  x = loop_cast(k, x, e);
  if (w) {
    w = loop_cast(k, w, e);
    bool floats = loop_element_is_float(e);
    x = floats ? loop_fma(k, x, w, s->sum) : loop_add(k, s->sum, loop_mul(k, x, w));
  } else {
    x = loop_add(k, s->sum, x);
  }
  loop_set(k, s->sum, x);
  while (s->blocks--) loop_end(k);
  region_pop(s->r, s->scope);
  return s->sum;
}

static bool in_list(DimList list, int axis, int *place) {
  for (int i = 0; i < list.count; i++)
    if (dim_value(list.items[i]) == axis) {
      *place = i;
      return true;
    }
  return false;
}

static LoopExpr *dot_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0], *y = op->operands[1];
  const AttributeValue *contract = op_attribute(op, ATTRIBUTE_contract);
  const AttributeValue *batch = op_attribute(op, ATTRIBUTE_batch);
  Sum s = sum_open(r, op->results[0], index);
  Index xi[MOST_AXES], yi[MOST_AXES], over[MOST_AXES];
  for (int i = 0; i < contract->lists.items[0].count; i++)
    over[i] = sum_over(&s, x->type.dims[dim_value(contract->lists.items[0].items[i])]);
  int next = batch->lists.items[0].count, place;
  for (int a = 0; a < x->type.rank; a++)
    if (in_list(batch->lists.items[0], a, &place))
      xi[a] = index[place];
    else if (in_list(contract->lists.items[0], a, &place))
      xi[a] = over[place];
    else
      xi[a] = index[next++];
  for (int a = 0; a < y->type.rank; a++)
    if (in_list(batch->lists.items[1], a, &place))
      yi[a] = index[place];
    else if (in_list(contract->lists.items[1], a, &place))
      yi[a] = over[place];
    else
      yi[a] = index[next++];
  return sum_close(&s, region_value(r, x, xi), region_value(r, y, yi));
}

/* Where a panel of `width` columns holds an element: some rows take turns in their columns. */
static void panel_index(Region *r, const Op *op, int64_t width, Index row, Index column,
                        Index *at) {
  at[0] = row, at[1] = column;
  int64_t turns = panel_turns(op);
  if (turns == 1) return;
  Index place = index_add(r, index_scale(r, column, turns), index_mod(r, row, turns));
  row = index_scale(r, index_divide(r, row, turns), turns);
  at[0] = index_add(r, row, index_divide(r, place, width));
  at[1] = index_mod(r, place, width);
}

static LoopExpr *dot_panel_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0], *w = op->operands[1];
  int rank = x->type.rank;
  int64_t columns = dim_value(w->type.dims[2]);
  Sum s = sum_open(r, op->results[0], index);
  Index xi[MOST_AXES], wi[3];
  memcpy(xi, index, (size_t)rank * sizeof *xi);
  wi[0] = index_divide(r, index[rank - 1], columns);
  xi[rank - 1] = sum_over(&s, x->type.dims[rank - 1]);
  panel_index(r, op, columns, xi[rank - 1], index_mod(r, index[rank - 1], columns), wi + 1);
  return sum_close(&s, region_value(r, x, xi), region_value(r, w, wi));
}

/* Spatial places of x for an output place: o * stride + k * dilation - pad. */
static void conv_places(Region *r, const Op *op, int spatial, const Index *out, const Index *kernel,
                        Index *x, int64_t *inside) {
  for (int i = 0; i < spatial; i++) {
    int64_t before = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    int64_t after = op_pair_integer(op, ATTRIBUTE_pad, i, 1);
    x[i] = index_add(r, index_scale(r, out[i], op_list_integer(op, ATTRIBUTE_stride, i)),
                     index_scale(r, kernel[i], op_list_integer(op, ATTRIBUTE_dilation, i)));
    if (before) x[i] = index_add(r, x[i], index_scalar(loop_int(r->k, -before)));
    inside[i] = before || after;
  }
}

static LoopExpr *conv_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0], *w = op->operands[1];
  int spatial = x->type.rank - 2;
  bool panel = op->kind == OP_conv_panel;
  bool nhwc = panel || op_is_channels_last(op);
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  int channel = nhwc ? 1 + spatial : 1, first = nhwc ? 1 : 2; /* axes of x and the result */
  int out_axis = nhwc ? w->type.rank - 1 : 0, in_axis = nhwc ? w->type.rank - 2 : 1;
  int kernel = nhwc ? (panel ? 1 : 0) : 2;
  int64_t outs = dim_value(op->results[0]->type.dims[channel]) / groups;
  Sum s = sum_open(r, op->results[0], index);
  Index xi[MOST_AXES], wi[MOST_AXES];
  int64_t inside[MOST_AXES] = {0};
  Index group = index_divide(r, index[channel], outs);
  Index places[MOST_AXES];
  Index c = sum_over(&s, w->type.dims[in_axis]);
  for (int i = 0; i < spatial; i++) places[i] = sum_over(&s, w->type.dims[kernel + i]);
  conv_places(r, op, spatial, index + first, places, xi + first, inside + first);
  xi[0] = index[0];
  int64_t ins = dim_value(w->type.dims[in_axis]);
  xi[channel] = groups == 1 ? c : index_add(r, index_scale(r, group, ins), c);
  for (int i = 0; i < spatial; i++) wi[kernel + i] = places[i];
  wi[in_axis] = c;
  if (panel) {
    int64_t columns = dim_value(w->type.dims[out_axis]);
    Index within = groups == 1 ? index[channel] : index_mod(r, index[channel], outs);
    int64_t panels = (outs + columns - 1) / columns;
    panel_index(r, op, columns, c, index_mod(r, within, columns), wi + in_axis);
    wi[0] = index_divide(r, within, columns);
    if (groups > 1) wi[0] = index_add(r, index_scale(r, group, panels), wi[0]);
  } else {
    wi[out_axis] = index[channel];
  }
  return sum_close(&s, region_value_inside(r, x, xi, inside), region_value(r, w, wi));
}

static LoopExpr *conv_transpose_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0], *w = op->operands[1];
  int spatial = x->type.rank - 2;
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  bool nhwc = op_is_channels_last(op);
  int last = x->type.rank - 1, channel = nhwc ? last : 1, first = nhwc ? 1 : 2;
  int in_axis = nhwc ? last : 0, out_axis = nhwc ? last - 1 : 1, kernel = nhwc ? 0 : 2;
  int64_t outs = dim_value(w->type.dims[out_axis]), ins = dim_value(w->type.dims[in_axis]) / groups;
  Sum s = sum_open(r, op->results[0], index);
  Index xi[MOST_AXES], wi[MOST_AXES];
  int64_t divisors[MOST_AXES] = {0};
  Index group = index_divide(r, index[channel], outs);
  Index c = sum_over(&s, dim_constant(r->dims, ins));
  xi[0] = index[0];
  xi[channel] = wi[in_axis] = groups == 1 ? c : index_add(r, index_scale(r, group, ins), c);
  wi[out_axis] = groups == 1 ? index[channel] : index_mod(r, index[channel], outs);
  for (int i = 0; i < spatial; i++) {
    Index at = wi[kernel + i] = sum_over(&s, w->type.dims[kernel + i]);
    int64_t before = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    at = index_scale(r, at, -op_list_integer(op, ATTRIBUTE_dilation, i));
    at = index_add(r, index_add(r, index[first + i], at), index_scalar(loop_int(r->k, before)));
    xi[first + i] = at;
    divisors[first + i] = op_list_integer(op, ATTRIBUTE_stride, i);
  }
  return sum_close(&s, region_value_inside(r, x, xi, divisors), region_value(r, w, wi));
}

/* dw[o, c, k] = sum over n and places of x[n, g * C/groups + c, place] * dy[n, o, out] */
static LoopExpr *conv_weight_value(Region *r, const Op *op, const Index *index) {
  const Value *x = op->operands[0], *dy = op->operands[1];
  int spatial = x->type.rank - 2;
  bool nhwc = op_is_channels_last(op);
  int channel = nhwc ? 1 + spatial : 1, first = nhwc ? 1 : 2;
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  int64_t outs = dim_value(dy->type.dims[channel]) / groups;
  int64_t ins = dim_value(x->type.dims[channel]) / groups;
  Sum s = sum_open(r, op->results[0], index);
  Index xi[MOST_AXES], yi[MOST_AXES], out[MOST_AXES];
  int64_t inside[MOST_AXES] = {0};
  Index group = index_divide(r, index[0], outs);
  xi[0] = yi[0] = sum_over(&s, x->type.dims[0]);
  yi[channel] = index[0];
  xi[channel] = groups == 1 ? index[1] : index_add(r, index_scale(r, group, ins), index[1]);
  for (int i = 0; i < spatial; i++) out[i] = yi[first + i] = sum_over(&s, dy->type.dims[first + i]);
  conv_places(r, op, spatial, out, index + 2, xi + first, inside + first);
  return sum_close(&s, region_value_inside(r, x, xi, inside), region_value(r, dy, yi));
}

static LoopExpr *product_value(Region *r, const Op *op, const Index *index) {
  switch (op->kind) {
  case OP_dot:
    return dot_value(r, op, index);
  case OP_dot_panel:
    return dot_panel_value(r, op, index);
  case OP_conv:
  case OP_conv_panel:
    return conv_value(r, op, index);
  case OP_conv_winograd:
    return winograd_value(r, op, index);
  case OP_conv_transpose:
    return conv_transpose_value(r, op, index);
  case OP_conv_weight:
    return conv_weight_value(r, op, index);
  default:
    bug("no kernel for '%s'", operator_infos[op->kind].name);
  }
}

/* What lies in memory of a product's operand: itself, or what it is widened from. */
static const Value *stored(const Value *operand) {
  return operand->op && op_widens(operand->op) ? operand->op->operands[0] : operand;
}

LoopBuffer *product_buffer(const Region *r, const Value *operand) {
  LoopBuffer *buffer = region_buffer(r, operand);
  return buffer ? buffer : region_buffer(r, stored(operand));
}

LoopExpr *product_result(Region *r, const Op *product, const Index *index, LoopExpr *sum) {
  size_t scope = region_push(r);
  region_remember(r, product->results[0], sum);
  LoopExpr *result = region_value(r, region_result(r, 0), index);
  region_pop(r, scope);
  return result;
}

void product_store(Region *r, const Index *index, LoopExpr *result) {
  int rank = region_result(r, 0)->type.rank;
  region_store(r, region_result_buffer(r, 0), rank, index, result);
}

void product_finish(Region *r, const Op *product, const Index *index, LoopExpr *sum) {
  product_store(r, index, product_result(r, product, index, sum));
}

/* Every result element on its own: leading axes are trips, lanes run along the last. */
static void plain_product(Lowering *l, Region *r, const Op *product) {
  LoopKernel *k = l->kernel;
  const Type *shape = &l->op->results[0]->type;
  int rank = shape->rank;
  l->algorithm = "plain";
  l->grain = 1;
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < rank - 1; i++) l->trips = dim_mul(l->dims, l->trips, shape->dims[i]);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips)), *at[MOST_AXES];
  Index index[MOST_AXES];
  if (rank > 0) {
    index_split(k, trip, shape->dims, rank - 1, at);
    for (int i = 0; i < rank - 1; i++) index[i] = index_scalar(at[i]);
    index[rank - 1] = index_lanes(
        loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, shape->dims[rank - 1]), r->lanes));
  }
  product_finish(r, product, index, product_value(r, product, index));
  if (rank > 0) loop_end(k);
  loop_end(k);
}

/* A dot whose second operand lies in memory in a smaller type. */
static bool is_widened(const Region *r, const Op *product) {
  const Value *w = product->operands[1];
  return product->kind == OP_dot && stored(w) != w && region_buffer(r, stored(w)) &&
         region_buffer(r, product->operands[0]);
}

void lower_product(Lowering *l) {
  Region region = region_open(l->kernel, l->op, l->target, l->dims);
  region.next_fault = l->first_fault;
  const Op *product = find_product(&region);
  if (is_widened(&region, product) && product_dot(l, &region, product)) return;
  if (product_attention(l, &region, product) || product_attention_gradient(l, &region, product))
    return;
  bool stored = true; /* tiles read memory: an operand that is computed here has none */
  for (int i = 0; i < product->operand_count; i++)
    stored = stored && region_buffer(&region, product->operands[i]);
  if (stored &&
      (product_narrow(l, &region, product) || product_packed(l, &region, product) ||
       product_conv(l, &region, product) || product_winograd_lines(l, &region, product) ||
       product_winograd(l, &region, product) || product_dot(l, &region, product) ||
       product_weight_winograd(l, &region, product) ||
       product_weight_depthwise(l, &region, product) ||
       product_weight_grouped(l, &region, product) || product_weight_packed(l, &region, product) ||
       product_weight(l, &region, product) || product_depthwise(l, &region, product) ||
       product_grouped(l, &region, product) || product_depthwise_transpose(l, &region, product)))
    return;
  plain_product(l, &region, product);
}
