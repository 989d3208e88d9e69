#include "passes/fuse_members.h"

#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/rewrite.h"

bool fuse_leaves_lanes(const Type *type, int64_t size, int64_t lanes) {
  enum { FEW = 1024 };
  int64_t whole = (size + lanes - 1) / lanes * lanes;
  return (whole - size) * 4 >= whole && type_elements(type) >= FEW;
}

/* Windows of few elements, each as one row. */
static bool is_window_row(const Op *op) {
  enum { MOST_ELEMENTS = 25 };
  const Op *windows = op->kind == OP_reshape ? op->operands[0]->op : NULL;
  if (!windows || windows->kind != OP_windows) return false;
  const Type *row = &op_result(op)->type, *type = &op_result(windows)->type;
  for (int i = 0; i < row->rank - 1; i++)
    if (row->dims[i] != type->dims[i]) return false;
  return dim_max(row->dims[row->rank - 1]) <= MOST_ELEMENTS &&
         dim_is_constant(row->dims[row->rank - 1]);
}

bool fuse_is_map(const Op *op) {
  if (operator_has(op->kind, TRAIT_ELEMENTWISE)) return true;
  switch (op->kind) {
  case OP_broadcast:
  case OP_transpose:
  case OP_slice:
  case OP_pad:
  case OP_windows:
  case OP_gather:
    return true;
  case OP_overlap_add: /* each element of a window is added once */
    return true;
  case OP_reshape:
    return reshape_is_of_units(op) || is_window_row(op);
  case OP_argmax:
    return op->operands[0]->op && is_window_row(op->operands[0]->op);
  default:
    return false;
  }
}

bool fuse_is_window_reduction(const Op *op) {
  if (!operator_has(op->kind, TRAIT_REDUCTION)) return false;
  const Op *windows = op->operands[0]->op;
  if (!windows || windows->kind != OP_windows) return false;
  int kernel_axes = op_list_count(windows, ATTRIBUTE_axes), rank = windows->results[0]->type.rank;
  return op_axes(op) == ((1u << rank) - (1u << (rank - kernel_axes)));
}

void fuse_part_windows(Function *function) {
  graph_count_uses(function);
  for (Op *op = function->body->first; op; op = op->next) {
    Op *windows = op->operand_count == 1 ? op->operands[0]->op : NULL;
    if (!windows || windows->kind != OP_windows || op_result(windows)->mark < 2) continue;
    if (!fuse_is_window_reduction(op) && !is_window_row(op)) continue;
    Builder b = builder_before(op);
    op_result(windows)->mark--;
    op->operands[0] = build_like(&b, windows, windows->operands);
    op->operands[0]->mark = 1;
  }
}

bool fuse_is_row_reduction(const Op *op, unsigned *axes) {
  int rank = op->operand_count ? op->operands[0]->type.rank : 0;
  if (op->kind == OP_softmax)
    *axes = 1u << op_integer(op, ATTRIBUTE_axis);
  else if (op->kind == OP_sum || op->kind == OP_max)
    *axes = op_axes(op);
  else
    return false;
  if (*axes == 0 || fuse_is_window_reduction(op)) return false;
  unsigned run = *axes / (*axes & -*axes);
  if (run & (run + 1)) return false; /* not neighbours */
  unsigned last = *axes >> (rank - 1);
  return last || (rank >= 3 && (*axes & 1) == 0 && *axes >> (rank - 2));
}

bool fuse_is_row_shape(const Type *type, const Type *shape, unsigned axes) {
  int j = 0;
  if (type->rank == shape->rank) {
    for (int i = 0; i < type->rank; i++)
      if (axes & (1u << i) ? !dim_is(type->dims[i], 1) : type->dims[i] != shape->dims[i])
        return false;
    return true;
  }
  for (int i = 0; i < shape->rank; i++) {
    if (axes & (1u << i)) continue;
    if (j == type->rank || type->dims[j++] != shape->dims[i]) return false;
  }
  return j == type->rank;
}

bool fuse_accepts_reduction(const Kernel *kernel, const Op *op, unsigned axes) {
  const Type *shape = &op->operands[0]->type;
  if (kernel->reductions > 0)
    return kernel->axes == axes && type_equal(&kernel->shape, shape) && kernel->reductions < 8;
  const Type *result = &op_result(kernel->root)->type;
  return !kernel->moves && (type_equal(result, shape) || fuse_is_row_shape(result, shape, axes)) &&
         result->element == shape->element;
}
