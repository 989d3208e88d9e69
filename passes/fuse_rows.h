/* fuse_rows.h - the part of `fuse` that makes one kernel of those of a train entry that go through
 * the same rows one after the other.
 *
 *   before  %c = fused (%x) {x - mean}
 *           %r = fused (%c) {1 / deviation}
 *           %y = fused (%c, %r) {c * r}
 *   after   %y, %c, %r = fused (%x) {..}
 *
 * A layer norm's parts are kept for its gradient, so each is a value with several users, and a
 * kernel that would read and write memory; as one kernel they pass once. So is a loss's softmax one
 * with its gradient. */
#ifndef PASSES_FUSE_ROWS_H
#define PASSES_FUSE_ROWS_H

#include "passes/pass.h"

/* Of a kernel that is made of two. */
enum { MOST_RESULTS = 8 };

/* Does the operation, a kernel or none, go through rows of the type, along its last axis, element
 * by element but for reductions of whole rows? `*reduces`: it has such. */
bool goes_by_rows(const Op *op, const Type *type, bool *reduces);

/* An update, which is made in place, or a result that a write takes from here. */
bool kernel_is_written(const Op *op);
/* A kernel of the operation, which all that used it use instead; itself, if it is one. */
Op *kernel_of(Op *op);
/* One kernel of two, at the second's place, with the second's results and those of the first that
 * leave. The second's come first: what lies over an operand is the first result. */
Op *kernels_merge(Op *first, Op *second, const bool *leaves);

/* When the function's kernels are made. */
void fuse_rows(PassContext *context, Function *function);

#endif
