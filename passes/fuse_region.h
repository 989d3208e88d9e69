/* fuse_region.h - the second half of `fuse`: regions and names of kernels that were decided on. */
#ifndef PASSES_FUSE_REGION_H
#define PASSES_FUSE_REGION_H

#include "ir/block_sum.h"
#include "passes/fuse.h"
#include "support/vec.h"

typedef VEC(Op *) OpList;
typedef VEC(Value *) ValueList;

/* Whether an operation that makes a value from nothing goes into each region that uses it. */
bool op_is_generator(const Op *op);

/* An empty kernel, not yet in a block; its region sees what block_add_argument adds. */
Op *fused_new(Function *function, Value *const *operands, int operand_count, const Type *results,
              int result_count);

/* What the function's block sees of a value: a kernel's result, for what it yields. */
Value *fused_value(Value *value);

/* Puts operations, in order, into a `fused` kernel at the last one's place, which yields `yields`:
 * the last one's result first. `word` is for the kernel's name; NULL: its operations tell. */
void fuse_region(Function *function, const OpList *ops, const ValueList *yields, const char *word,
                 int number);

/* ---- kernels that take in more ---- */

/* What the kernel's region sees of a value of the function's block. */
Value *fused_bind(Op *kernel, Value *value);
/* Moves an operation, or those of another kernel, to the region's end; of a kernel, what its region
 * yields is followed to the values there. */
void fused_absorb(Op *kernel, Op *op);
/* Names the kernel by its operations as they are now. */
void fused_rename(Op *kernel);
/* A further result, which is the region's value `inner`. */
Value *fused_yield(Op *kernel, Value *inner);
/* A kernel of the operation alone. What uses the operation's result is to use fused_value() of it.
 */
Op *fused_wrap(Op *op);

/* Names all kernels anew by their order in the block: k0_conv, k1_dot .. */
void fused_renumber(Function *function);

#endif
