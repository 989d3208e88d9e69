/* fuse_attention.h - the part of `fuse` that makes kernels of attention: with the transposes and
 * slices that its queries, keys and values are made by, all that makes its mask and its factor, and
 * the transpose of its result. */
#ifndef PASSES_FUSE_ATTENTION_H
#define PASSES_FUSE_ATTENTION_H

#include "passes/fuse_region.h"
#include "passes/pass.h"

/* Makes the kernels, numbered from `number` on. Returns the next number. */
int fuse_attention(PassContext *context, Function *function, int number);

#endif
