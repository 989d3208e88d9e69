/* fuse_copies.h - the part of `fuse` that lets kernels make cheap values for themselves.
 *
 *   before  %3 = sub %x, %mean   %4 = mul %3, %3   %5 = sum %4   ..   %9 = mul %3, %scale
 *   after   %3 = sub %x, %mean   %4 = mul %3, %3   %5 = sum %4   ..   %8 = sub %x, %mean   %9 = ..
 *
 * A value that several kernels use is written by one and read by all. Where it is made by little
 * arithmetic of one value that lies in memory for others, too, and of small ones, each of them
 * reads that instead: batch norm keeps x alone, not x - mean(x) beside it. Bits are the same. */
#ifndef PASSES_FUSE_COPIES_H
#define PASSES_FUSE_COPIES_H

#include "passes/fuse_region.h"
#include "passes/pass.h"

/* Gives each user of such an operation one of its own, in what trains. */
void fuse_copies(PassContext *context, Function *function);

#endif
