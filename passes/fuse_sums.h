/* fuse_sums.h - the last part of `fuse`: sums over rows become further results of a kernel that
 * passes by what they add up.
 *
 *   before  %r = fused @k_add (%dy, %x, ..)
 *           %m = mul %dy, %x
 *           %w = sum %m {axis=[0,1]}
 *           %b = sum %dy {axis=[0,1]}
 *   after   %r, %p, %q = fused @k_add (%dy, %x, ..)
 *           %w = sum %p {axis=[0]}
 *           %b = sum %q {axis=[0]}
 *
 * So are the gradients of a layer norm's weight and bias, and of the bias that is added to what is
 * normalised; those of other layers' biases are taken where their weights' gradients have it
 * brought into panels. %p and %q are sums of blocks of rows (ir/block_sum.h), which lie in a cache.
 *
 * What no kernel takes and comes from memory, sums and maxima, is made in blocks of whole rows,
 * too: threads would share out channels else, and read a piece of each row, a page after the other.
 */
#ifndef PASSES_FUSE_SUMS_H
#define PASSES_FUSE_SUMS_H

#include "passes/pass.h"

/* When the function's kernels are made. Linear, but for the users of a value. */
void fuse_sums(PassContext *context, Function *function);

#endif
