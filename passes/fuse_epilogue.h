/* fuse_epilogue.h - the part of `fuse` that gives a product what follows it elementwise.
 *
 *   before  %1 = conv_panel %x, %w   %2 = add %1, %b   %3 = tanh %2      as far as one value leaves
 *   after   %3 = fused @k0_conv_tanh (%x, %w, %b) { .. }
 *
 * It also takes what an epilogue reads beside the product's value, if that is made for it alone by
 * little arithmetic, and the cast that widens a weight. */
#ifndef PASSES_FUSE_EPILOGUE_H
#define PASSES_FUSE_EPILOGUE_H

#include "passes/fuse_kernels.h"

bool fuse_takes_epilogue(const Op *op);
/* Panels are widened in the product's registers, so that their cast falls away; each other product
 * gets a widened weight to itself. */
void fuse_part_widening(Function *function);
/* Makes the product's kernel. */
void fuse_epilogue(Fuse *fuse, Op *product);

#endif
