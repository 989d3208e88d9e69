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
  return value->place.kind == PLACE_ARENA ? value->place.of : NULL;
}

/* From the last concat back, so that what a part belongs to is known before its own parts. */
void block_find_parts(const Block *block) {
  for (Op *op = block->last; op; op = op->previous) {
    if (op->kind == OP_scan) block_find_parts(op->region);
    if (op->kind != OP_concat || op_result(op)->place.kind != PLACE_ARENA) continue;
    Value *result = op_result(op), *whole = result->place.of ? result->place.of : result;
    for (int i = 0; i < op->operand_count; i++) {
      MemoryPlace *place = &op->operands[i]->place;
      int64_t start = concat_start(op, i);
      if (start >= 0 && place->kind == PLACE_ARENA && !place->of &&
          place->offset == result->place.offset + start)
        place->of = whole;
    }
  }
}
