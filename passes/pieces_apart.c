#include "passes/pieces.h"

#include "passes/rewrite.h"
#include "support/bug.h"

#include <string.h>

/* With room for the trips' axis. */
static bool leads(const Value *value, const Dim *batch) {
  int rank = value->type.rank;
  return rank > 0 && rank < MOST_AXES && value->type.dims[0] == batch;
}

static bool has_axis(const Op *op, AttributeName list, int64_t axis) {
  for (int i = 0; i < op_list_count(op, list); i++)
    if (dim_is(op_list_dim(op, list, i), axis)) return true;
  return false;
}

/* Whether the sum is not over the batch, and the result has it in front. */
static bool dot_holds(const Op *op) {
  const DimList *contract = op_attribute(op, ATTRIBUTE_contract)->lists.items;
  const DimList *batch = op_attribute(op, ATTRIBUTE_batch)->lists.items;
  for (int i = 0; i < contract->count; i++)
    if (dim_is(contract->items[i], 0)) return false;
  if (batch[0].count == 0) return op->operands[0]->type.rank > 1;
  return dim_is(batch[0].items[0], 0) && dim_is(batch[1].items[0], 0);
}

static bool kind_holds(const Op *op) {
  if (operator_has(op->kind, TRAIT_ELEMENTWISE)) return true;
  if (operator_has(op->kind, TRAIT_REDUCTION)) return !has_axis(op, ATTRIBUTE_axis, 0);
  switch (op->kind) {
  case OP_argmax:
  case OP_top_k:
  case OP_softmax:
  case OP_concat:
    return op_integer(op, ATTRIBUTE_axis) != 0;
  case OP_transpose:
    return op_list_integer(op, ATTRIBUTE_perm, 0) == 0;
  case OP_slice:
    return dim_is(op_list_dim(op, ATTRIBUTE_start, 0), 0) &&
           dim_is(op_list_dim(op, ATTRIBUTE_step, 0), 1);
  case OP_pad:
    return dim_is(op_list_dim(op, ATTRIBUTE_before, 0), 0) &&
           dim_is(op_list_dim(op, ATTRIBUTE_after, 0), 0) &&
           dim_is(op_list_dim(op, ATTRIBUTE_between, 0), 0);
  case OP_windows:
    return !has_axis(op, ATTRIBUTE_axes, 0);
  case OP_dot:
    return dot_holds(op);
  case OP_dot_panel:
    return op->operands[0]->type.rank > 1;
  case OP_reshape:
  case OP_broadcast:
  case OP_conv:
  case OP_conv_transpose:
  case OP_conv_panel:
  case OP_conv_winograd:
    return true;
  default:
    return false;
  }
}

bool piece_is_each(const Op *op, int operand, const Dim *batch) {
  const Value *x = op->operands[operand];
  if (operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_broadcast)
    return x->type.rank == op_result(op)->type.rank && leads(x, batch);
  if (op->kind == OP_dot && op_attribute(op, ATTRIBUTE_batch)->lists.items[0].count > 0)
    return true;
  return operand == 0 || !operator_has(op->kind, TRAIT_PRODUCT);
}

bool piece_can_hold(const Op *op, const Dim *batch) {
  if (op->operand_count == 0 || op->region || !kind_holds(op)) return false;
  for (int i = 0; i < op->result_count; i++)
    if (!leads(op->results[i], batch)) return false;
  for (int i = 0; i < op->operand_count; i++)
    if (piece_is_each(op, i, batch) && !leads(op->operands[i], batch)) return false;
  return true;
}

bool piece_is_made_again(const Op *op, bool each, const Dim *batch) {
  Number number;
  if (!each)
    return op->kind == OP_full || op->kind == OP_broadcast || op->kind == OP_constant
               ? value_is_uniform(op_result(op), &number)
               : false;
  return (op->kind == OP_full || op->kind == OP_broadcast) && leads(op_result(op), batch) &&
         (op->kind == OP_full || !piece_is_each(op, 0, batch));
}

/* A list of one dim an axis, with the batch's replaced. */
static void set_first(Module *module, Attribute *attribute, const Dim *pictures) {
  const Dim *dims[MOST_AXES];
  int count = attribute->value.dims.count;
  memcpy(dims, attribute->value.dims.items, (size_t)count * sizeof *dims);
  dims[0] = pictures;
  attribute->value = attribute_dims(module, dims, count);
}

Op *piece_copy(Builder *b, const Op *op, Value *const *operands, const Dim *pictures) {
  Module *module = b->function->module;
  Attribute attributes[MOST_ATTRIBUTES];
  int count = 0;
  for (int i = 0; i < MOST_ATTRIBUTES && operator_infos[op->kind].attributes[i].standard; i++) {
    AttributeName name = op->attributes[i].name;
    /* Winograd's blocks were chosen for the tiles of the whole batch. */
    if (op->kind == OP_conv_winograd && name == ATTRIBUTE_blocking) continue;
    attributes[count] = op->attributes[i];
    if (pictures && (name == ATTRIBUTE_shape || name == ATTRIBUTE_stop))
      set_first(module, &attributes[count], pictures);
    count++;
  }
  b->at = op->at;
  b->layer = op->layer;
  b->again = op->again;
  Value *made;
  if (op->operand_count == 0) {
    Type type = op_result(op)->type;
    if (pictures) type.dims[0] = pictures;
    made = build_typed(b, op->kind, type, NULL, attributes, count);
  } else {
    made = build(b, op->kind, operands, op->operand_count, attributes, count);
  }
  if (!made)
    bug("a piece of a %s cannot be: %s", operator_infos[op->kind].name, b->failure.message);
  made->op->why = op->why;
  return made->op;
}
