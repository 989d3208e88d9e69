#include "ir/cost.h"

#include "ir/op_traits.h"

static const Dim *count_of(DimTable *table, const Value *value) {
  return type_count(table, &value->type);
}

static const Dim *times(DimTable *table, const Dim *dim, int64_t by) {
  return dim_mul(table, dim, dim_constant(table, by));
}

/* The product of a type's dims from one axis up to another. */
static const Dim *product_of(DimTable *table, const Type *type, int from, int to) {
  const Dim *product = dim_constant(table, 1);
  for (int axis = from; axis < to; axis++) product = dim_mul(table, product, type->dims[axis]);
  return product;
}

static const Dim *dot_flops(DimTable *table, const Op *op) {
  const DimList *axes = &op_attribute(op, ATTRIBUTE_contract)->lists.items[0];
  const Dim *flops = times(table, count_of(table, op_result(op)), 2);
  for (int i = 0; i < axes->count; i++)
    flops = dim_mul(table, flops, op->operands[0]->type.dims[dim_value(axes->items[i])]);
  return flops;
}

/* 2 * queries * keys * (width of the keys + width of the values), causal or not */
static const Dim *attention_flops(DimTable *table, const Op *op) {
  const Type *q = &op->operands[0]->type, *k = &op->operands[1]->type, *v = &op->operands[2]->type;
  const Dim *scores = dim_mul(table, product_of(table, q, 0, q->rank - 1), k->dims[k->rank - 2]);
  const Dim *width = dim_add(table, q->dims[q->rank - 1], v->dims[v->rank - 1]);
  if (op->kind == OP_attention) return times(table, dim_mul(table, scores, width), 2);
  /* the scores again, and a product for each slope: of them, of q and of k; and two with d */
  width =
      dim_add(table, times(table, q->dims[q->rank - 1], 3), times(table, v->dims[v->rank - 1], 2));
  return times(table, dim_mul(table, scores, width), 2);
}

static const Dim *conv_flops(DimTable *table, const Op *op) {
  const Type *w = &op->operands[1]->type;
  const Dim *points = count_of(table, op_result(op)), *each;
  switch (op->kind) {
  case OP_conv_transpose: /* each element of x goes through the kernel */
    points = count_of(table, op->operands[0]);
    each = op_is_channels_last(op) ? product_of(table, w, 0, w->rank - 1)
                                   : product_of(table, w, 1, w->rank);
    break;
  case OP_conv_weight: /* each element of dy, through the result without its out channels */
    points = count_of(table, op->operands[1]);
    each = product_of(table, &op_result(op)->type, 1, op_result(op)->type.rank);
    break;
  case OP_conv_panel:
    each = product_of(table, w, 1, w->rank - 1);
    break;
  case OP_conv_winograd: /* of the convolution, not of the algorithm */
    each = w->dims[w->rank - 2];
    for (int i = 0; i < op_list_count(op, ATTRIBUTE_kernel); i++)
      each = dim_mul(table, each, op_list_dim(op, ATTRIBUTE_kernel, i));
    break;
  default:
    each = op_is_channels_last(op) ? product_of(table, w, 0, w->rank - 1)
                                   : product_of(table, w, 1, w->rank);
  }
  return times(table, dim_mul(table, points, each), 2);
}

static const Dim *block_flops(DimTable *table, const Block *block, bool products_only) {
  const Dim *sum = dim_constant(table, 0);
  for (const Op *op = block->first; op; op = op->next)
    sum = dim_add(table, sum, products_only ? op_product_flops(table, op) : op_flops(table, op));
  return sum;
}

static const Dim *region_flops(DimTable *table, const Op *op, bool products_only) {
  const Dim *flops = block_flops(table, op->region, products_only);
  if (op->kind != OP_scan) return flops;
  for (int i = 0; i < op->operand_count; i++)
    if (op->region->binds[i] == BIND_EACH)
      return dim_mul(table, flops, op->operands[i]->type.dims[op_integer(op, ATTRIBUTE_axis)]);
  return flops;
}

const Dim *op_product_flops(DimTable *table, const Op *op) {
  if (op->region) return region_flops(table, op, true);
  if (!operator_has(op->kind, TRAIT_PRODUCT)) return dim_constant(table, 0);
  switch (op->kind) {
  case OP_dot:
    return dot_flops(table, op);
  case OP_dot_panel:
    return times(table,
                 dim_mul(table, count_of(table, op_result(op)), op->operands[1]->type.dims[1]), 2);
  case OP_attention:
  case OP_attention_gradient:
    return attention_flops(table, op);
  default:
    return conv_flops(table, op);
  }
}

const Dim *op_flops(DimTable *table, const Op *op) {
  if (op->region) return region_flops(table, op, false);
  if (operator_has(op->kind, TRAIT_PRODUCT)) return op_product_flops(table, op);
  if (operator_has(op->kind, TRAIT_ELEMENTWISE)) return count_of(table, op_result(op));
  if (operator_has(op->kind, TRAIT_REDUCTION)) return count_of(table, op->operands[0]);
  switch (op->kind) {
  case OP_argmax:
  case OP_top_k:
  case OP_overlap_add:
    return count_of(table, op->operands[0]);
  case OP_scatter_add:
    return count_of(table, op->operands[2]);
  case OP_softmax:
    return times(table, count_of(table, op->operands[0]), 5);
  default:
    return dim_constant(table, 0);
  }
}

static const Dim *bytes_of(DimTable *table, const Value *value) {
  return times(table, count_of(table, value), element_infos[value->type.element].bytes);
}

/* The smaller one, where bounds say which that is. */
static const Dim *smaller(const Dim *a, const Dim *b) {
  return a && b && dim_max(a) <= dim_max(b) ? a : b;
}

/* ---- what of an operand is read: of views, slices and rows that are taken, no more than that ----
 */

static const Dim *bytes_used(DimTable *table, const Block *block, const Value *value);

static const Dim *bytes_used_by(DimTable *table, const Op *op, int number) {
  const Value *value = op->operands[number];
  const Dim *all = bytes_of(table, value);
  if (op->kind == OP_fused) return bytes_used(table, op->region, op->region->arguments[number]);
  if (op->kind == OP_slice || (op->kind == OP_gather && number == 0))
    return smaller(bytes_of(table, op_result(op)), all);
  if (op->kind == OP_update && number == 0) return dim_constant(table, 0);
  if (operator_has(op->kind, TRAIT_VIEW) && op->block->op)
    return smaller(bytes_used(table, op->block, op_result(op)), all);
  return all;
}

/* Of an argument of a region, or a view of it. */
static const Dim *bytes_used(DimTable *table, const Block *block, const Value *value) {
  const Dim *all = bytes_of(table, value), *sum = dim_constant(table, 0);
  for (const Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++)
      if (op->operands[i] == value) sum = dim_add(table, sum, bytes_used_by(table, op, i));
  for (int i = 0; i < block->yield_count; i++)
    if (block->yields[i] == value) return all;
  return smaller(sum, all);
}

const Dim *op_operand_bytes(DimTable *table, const Op *op, int number) {
  return bytes_used_by(table, op, number);
}

const Dim *op_result_bytes(DimTable *table, const Op *op, int number) {
  const Value *value = op->results[number];
  if (op->kind == OP_fused) value = op->region->yields[number];
  if (value->op && value->op->kind == OP_update) value = value->op->operands[1];
  return bytes_of(table, value);
}

const Dim *op_bytes(DimTable *table, const Op *op) {
  const Dim *bytes = dim_constant(table, 0);
  for (int i = 0; i < op->operand_count; i++)
    bytes = dim_add(table, bytes, op_operand_bytes(table, op, i));
  for (int i = 0; i < op->result_count; i++)
    bytes = dim_add(table, bytes, op_result_bytes(table, op, i));
  return bytes;
}

const Dim *function_flops(const Function *function, bool products_only) {
  return block_flops(function->module->dims, function->body, products_only);
}
