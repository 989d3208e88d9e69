/* fuse.h - what a fused kernel may hold: the contract between `fuse` and the lowering.
 *
 * `%r = fused @kI_name (%a = %x, ..) { .. yield .. }` is one kernel. Its region sees only what the
 * head binds; it holds no `read`, but may hold rank-0 constants, `full`, `iota` and `dim_value`. I
 * counts the function's kernels in the order in which `fuse` met them, and the name tells the most
 * telling operations: k0_conv_tanh, k7_softmax. There are four kinds:
 *
 * - product: exactly one dot, dot_panel, conv_panel, conv or conv_transpose, whose operands are
 *   arguments of the region; of a dot or conv the second may be a cast to f32 of one. After it
 *   elementwise operations alone, each as large as the product's result or made of operands that
 *   broadcast to it: a bias vector, a residual of equal shape, a scalar; broadcasts and unit-dim
 *   reshapes of such operands too. One yield, of the product's shape.
 *
 * - attention: the operation, its operands as views whose last axis is that of what they view
 *   (transposes, slices), elementwise operations, broadcasts, unit-dim reshapes and random numbers
 *   that make its mask and its factor, and the transpose of its result. Its logarithms are a second
 *   result where they are used.
 *
 * - map: every element of the result is computed on its own: elementwise operations, broadcast,
 *   transpose, slice, pad, concat, gather, overlap_add, argmax of windows as rows, reshapes that
 *   only insert or drop axes of size 1, iota, full, constant; and `sum` or `max` over the kernel
 *   axes of a `windows` (pooling, local response normalisation), or over few elements. All yields
 *   have one shape.
 *
 * - row: reductions and softmax whose results are used, broadcast back, by elementwise operations
 *   of the same kernel, or that are its result: softmax, layer norm, mean and variance, global
 *   pooling. All reductions are over the same axes of values of one shape (with or without
 *   keepdims): the trailing ones, or the middle ones in nhwc (all but the first and the last). What
 *   is before the first reduction and after the last is as in a map. Yields have the rows' shape,
 *   or the shape without the reduced axes. A kernel of rows along the last axis may also yield sums
 *   of blocks of them (ir/block_sum.h), and needs no other reduction then; so may a transpose that
 *   cuts rows into panels, [rows, panels, lanes] to [panels, rows, lanes].
 *
 * Any other operation stands alone in the function's block and is a kernel of its own, as every
 * operation is at -O0. Reshapes in the function's block are views: no kernel. */
#ifndef PASSES_FUSE_H
#define PASSES_FUSE_H

#include "ir/graph.h"

typedef enum { KERNEL_PRODUCT, KERNEL_MAP, KERNEL_ROW } KernelKind;

/* The kind of a `fused` operation, from its region. */
KernelKind kernel_kind(const Op *fused);

#endif
