/* fuse_region.h - the second half of `fuse`: regions and names of kernels that were decided on. */
#ifndef PASSES_FUSE_REGION_H
#define PASSES_FUSE_REGION_H

#include "passes/fuse.h"
#include "support/vec.h"

typedef VEC(Op *) OpList;

/* Whether an operation that makes a value from nothing goes into each region that uses it. */
bool op_is_generator(const Op *op);

/* An empty kernel, not yet in a block; its region sees what block_add_argument adds. */
Op *fused_new(Function *function, Value *const *operands, int operand_count, const Type *result);

/* What the function's block sees of a value: a kernel's result, for what it yields. */
Value *fused_value(Value *value);

/* Puts operations, in order, into a `fused` kernel at the last one's place; the last one's result
 * is what it yields. */
void fuse_region(Function *function, const OpList *ops, int number);

#endif
