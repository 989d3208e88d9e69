#include "passes/cost.h"

#include "ir/op_traits.h"

const double costs[COSTS] = {
#define COST(name, value, meaning) [COST_##name] = (value),
#include "passes/costs.def"
#undef COST
};

/* Multiply-adds that take as long as one simple operation on an element in memory. */
static const double products_per_operation = 8;

double operator_cost(Operator kind) {
  switch (kind) {
  case OP_reshape:
  case OP_broadcast:
  case OP_transpose:
  case OP_slice:
  case OP_windows:
    return 0;
  case OP_div:
  case OP_sqrt:
  case OP_rsqrt:
  case OP_rem:
    return 6;
  case OP_softmax:
    return 25;
  case OP_random: /* ten rounds of two wide products */
    return 40;
  case OP_gather:
    return 8;
  case OP_argmax:
    return 30;
  case OP_winograd_weight:
    return 20;
  default:
    if (operator_has(kind, TRAIT_DEAR)) return 20;
    return operator_has(kind, TRAIT_PRODUCT) ? 0 : 1;
  }
}

double type_elements(const Type *type) {
  double count = 1;
  for (int i = 0; i < type->rank; i++) count *= (double)dim_max(type->dims[i]);
  return count;
}

/* Multiply-adds for one element of a product's result. */
static double product_depth(const Op *op) {
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type;
  double weights = type_elements(w);
  switch (op->kind) {
  case OP_dot: {
    const DimList *contract = op_attribute(op, ATTRIBUTE_contract)->lists.items;
    double depth = 1;
    for (int i = 0; i < contract->count; i++)
      depth *= (double)dim_max(x->dims[dim_value(contract->items[i])]);
    return depth;
  }
  case OP_dot_panel:
    return (double)dim_max(w->dims[1]);
  case OP_conv_winograd: {
    double depth = (double)dim_max(w->dims[w->rank - 2]);
    for (int i = 0; i < op_list_count(op, ATTRIBUTE_kernel); i++)
      depth *= (double)op_list_integer(op, ATTRIBUTE_kernel, i);
    return depth;
  }
  case OP_conv_panel:
    return weights / (double)(dim_max(w->dims[0]) * dim_max(w->dims[w->rank - 1]));
  case OP_conv: {
    bool last = op_is_channels_last(op);
    return weights / (double)dim_max(w->dims[last ? w->rank - 1 : 0]);
  }
  case OP_attention:
  case OP_attention_gradient: { /* for each element, a score of the keys' width is shared by the
                                   values' */
    const Type *v = &op->operands[2]->type;
    double width = (double)dim_max(x->dims[x->rank - 1]),
           out = (double)dim_max(v->dims[v->rank - 1]);
    return (double)dim_max(w->dims[w->rank - 2]) * (1 + width / (out > 1 ? out : 1));
  }
  case OP_conv_transpose:
    return weights / (double)dim_max(w->dims[op_is_channels_last(op) ? w->rank - 2 : 1]);
  default:
    return weights;
  }
}

double op_work(const Op *op) {
  double work = 0;
  if (op->region)
    for (const Op *inner = op->region->first; inner; inner = inner->next) work += op_work(inner);
  if (op->region || op->result_count == 0) return work;
  double elements = type_elements(&op->results[0]->type);
  if (operator_has(op->kind, TRAIT_PRODUCT))
    return elements * product_depth(op) / products_per_operation;
  if (operator_has(op->kind, TRAIT_REDUCTION)) elements = type_elements(&op->operands[0]->type);
  return elements * operator_cost(op->kind);
}
