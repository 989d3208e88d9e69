#include "ir/part.h"

int64_t concat_start(const Op *op, int operand) {
  int axis = (int)op_integer(op, ATTRIBUTE_axis);
  const Type *type = &op_result(op)->type;
  int64_t start = element_infos[type->element].bytes, before = 0;
  for (int i = axis + 1; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i]) ||
        __builtin_mul_overflow(start, dim_value(type->dims[i]), &start))
      return -1;
  for (int i = 0; i < operand; i++) {
    const Dim *size = op->operands[i]->type.dims[axis];
    if (!dim_is_constant(size) || __builtin_add_overflow(before, dim_value(size), &before))
      return -1;
  }
  return __builtin_mul_overflow(start, before, &start) ? -1 : start;
}

const Value *value_whole(const Value *value) {
  if (!value->op || value->place.kind != PLACE_ARENA) return NULL;
  /* A part has one use: the first that comes is the concat, or there is none. */
  for (const Op *op = value->op->next; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) {
      if (op->operands[i] != value) continue;
      const Value *whole = op->kind == OP_concat ? op_result(op) : NULL;
      bool is_part = whole && whole->place.kind == PLACE_ARENA &&
                     value->place.offset == whole->place.offset + concat_start(op, i);
      return is_part ? whole : NULL;
    }
  return NULL;
}
