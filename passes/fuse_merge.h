/* fuse_merge.h - the part of `fuse` that makes one kernel of several, in a loop's body above all.
 *
 *   before  %a = fused (..)   %b = fused (%a, ..)   %c = fused (%a, %b, ..)      of one shape
 *   after   %c, %b = fused (..) { .. yield %c, %b }
 *
 * A trip's values are small, and a cell's gradient uses each of them several times: as one kernel
 * it reads and writes each once, and the loop goes over fewer steps. So do an activation and its
 * slope in a train entry. */
#ifndef PASSES_FUSE_MERGE_H
#define PASSES_FUSE_MERGE_H

#include "passes/fuse_kernels.h"

/* Merges kernels that compute each element on its own, where what they wait for is made before the
 * first of them and what waits for them comes after the last one. Linear but for a kernel's size.
 */
void fuse_merge(Fuse *fuse);

#endif
