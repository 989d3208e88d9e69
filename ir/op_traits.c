#include "ir/op_traits.h"

#include <string.h>

static bool differs_by_units(const Dim *const *from, int from_rank, const Dim *const *to,
                             int to_rank) {
  int i = 0, j = 0;
  for (;;) {
    while (i < from_rank && dim_is(from[i], 1)) i++;
    while (j < to_rank && dim_is(to[j], 1)) j++;
    if (i == from_rank || j == to_rank) return i == from_rank && j == to_rank;
    if (from[i++] != to[j++]) return false;
  }
}

bool reshape_is_of_units(const Op *op) {
  if (op->kind != OP_reshape) return false;
  const Type *from = &op->operands[0]->type, *to = &op_result(op)->type;
  return differs_by_units(from->dims, from->rank, to->dims, to->rank);
}

bool op_keeps_places(const Op *op) {
  return operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_broadcast ||
         reshape_is_of_units(op);
}

bool op_can_fault(const Op *op) {
  return op->kind == OP_gather || op->kind == OP_scatter_add ||
         (op->kind == OP_update && op->operand_count > 2);
}

bool layout_is_channels_last(const char *layout) {
  return strcmp(layout, "nhwc") == 0;
}

bool op_is_channels_last(const Op *op) {
  return layout_is_channels_last(op_word(op, ATTRIBUTE_layout));
}
