#include "ir/block_sum.h"

#include "ir/op_traits.h"

/* Are the value's last axes a row of this length? */
static bool ends_with(const Type *type, const Dim *row) {
  if (type->rank > 0 && type->dims[type->rank - 1] == row) return true;
  int64_t length = 1;
  for (int i = type->rank - 1; i > 0 && dim_is_constant(row); i--) {
    if (!dim_is_constant(type->dims[i]) ||
        __builtin_mul_overflow(length, dim_value(type->dims[i]), &length))
      return false;
    if (length == dim_value(row)) return true;
  }
  return false;
}

Value *block_sum_source(const Op *op) {
  if (op->kind != OP_sum || op_list_count(op, ATTRIBUTE_axis) != 1 ||
      op_list_integer(op, ATTRIBUTE_axis, 0) != 1 || op->operands[0]->type.rank != 3 ||
      op_result(op)->type.rank != 2)
    return NULL;
  const Op *blocks = op->operands[0]->op;
  if (!blocks || blocks->kind != OP_reshape || reshape_is_of_units(blocks)) return NULL;
  Value *source = blocks->operands[0];
  return ends_with(&source->type, op_result(blocks)->type.dims[2]) ? source : NULL;
}

int64_t block_sum_blocks(const Type *type) {
  enum { MOST_BLOCKS = 32, LEAST_BLOCKS = 4, LEAST_ROWS = 8 };
  int64_t rows = 1;
  if (type->rank < 2) return 0;
  for (int i = 0; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i]) ||
        (i < type->rank - 1 && __builtin_mul_overflow(rows, dim_value(type->dims[i]), &rows)))
      return 0;
  const Dim *first = type->dims[0];
  int units = 0;
  for (int i = 0; i < type->rank - 1; i++) {
    units += dim_is(type->dims[i], 1);
    if (!dim_is(type->dims[i], 1) && dim_is(first, 1)) first = type->dims[i];
  }
  bool pairs = type->rank - 1 - units == 2; /* to cut these where they are cut is no new shape */
  for (int64_t blocks = MOST_BLOCKS; blocks >= LEAST_BLOCKS; blocks--)
    if (rows % blocks == 0 && rows / blocks >= LEAST_ROWS && !(pairs && dim_is(first, blocks)))
      return blocks;
  return 0;
}
