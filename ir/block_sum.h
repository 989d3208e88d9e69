/* block_sum.h - sums over rows that a kernel takes as it passes them.
 *
 *   %2 = reshape %1 {shape=[32,32,256]}
 *   %3 = sum %2 {axis=[1]} : f32[32,256]
 *
 * In a region, with %1 f32[8,128,256], this is the sum of each of 32 blocks of rows: threads take
 * whole blocks, so that bits do not depend on their number. Outside, what the blocks gave is
 * summed. A row may be several axes of the value. */
#ifndef IR_BLOCK_SUM_H
#define IR_BLOCK_SUM_H

#include "ir/graph.h"

/* What a block sum adds up; NULL: `op` is none. */
Value *block_sum_source(const Op *op);
/* Into how many blocks rows of such a type, along its last axis, may be cut; 0: they may not. */
int64_t block_sum_blocks(const Type *type);

#endif
