/* fuse_weights.h - the part of `fuse` that makes one kernel of a weight's way into Winograd's
 * algorithm: the views that bring it into panels, turned and flipped for a gradient, and its
 * transform.
 *
 *   before  %2 = transpose %1   %3 = slice %2 {step=[1,-1,-1,1,1], ..}   %4 = winograd_weight %3
 *   after   %4 = fused @k3_winograd_weight (%x = %1) { .. yield %4 }
 */
#ifndef PASSES_FUSE_WEIGHTS_H
#define PASSES_FUSE_WEIGHTS_H

#include "passes/fuse_region.h"
#include "passes/pass.h"

/* Makes the kernels, numbered from `number` on. Returns the next number. */
int fuse_weights(PassContext *context, Function *function, int number);

#endif
