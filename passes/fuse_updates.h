/* fuse_updates.h - the part of `fuse` that makes one kernel of a parameter's update.
 *
 *   before  %3 = mul %m, 0.9   %4 = add %3, %g   write @m %4   %5 = sub %w, %4   write @w %5
 *   after   %5, %4 = fused @k7_update (%x = %m, %y = %g, %z = %w) { .. yield %5, %4 }
 *           write @m %4   write @w %5
 *
 * So a parameter, its states and its gradient pass through the machine once. Numbers that all its
 * elements share (1 - beta^t, a learning rate's schedule) are computed once, for all parameters in
 * kernels of their own. */
#ifndef PASSES_FUSE_UPDATES_H
#define PASSES_FUSE_UPDATES_H

#include "passes/fuse_region.h"
#include "passes/pass.h"

/* Makes the kernels of all updates, numbered from `number` on, and moves the writes to the
 * function's end. Returns the next number. */
int fuse_updates(PassContext *context, Function *function, int number);

#endif
