/* fuse_channels.h - the part of `fuse` that makes one kernel of sums over the same places of maps
 * whose channels lie side by side.
 *
 *   before  %1 = sum %dy {axis=[1,2]}
 *           %2 = sum %1 {axis=[0]}
 *           %3 = fused (%x, %m, %dy) {sum of dy * (x - m), axis=[1,2]}
 *   after   %1, %3 = fused (%dy, %x, %m) {..}
 *           %2 = sum %1 {axis=[0]}
 *
 * So are a batch norm's gradients for its bias and its weight, which read the arriving gradient. */
#ifndef PASSES_FUSE_CHANNELS_H
#define PASSES_FUSE_CHANNELS_H

#include "passes/pass.h"

/* When the function's kernels are made. Linear. */
void fuse_channels(PassContext *context, Function *function);

#endif
