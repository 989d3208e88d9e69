/* fuse_members.h - what kernels of maps and of rows may hold, as fuse.h says it, for `fuse`. */
#ifndef PASSES_FUSE_MEMBERS_H
#define PASSES_FUSE_MEMBERS_H

#include "passes/fuse_kernels.h"

/* Is each element of the result computed on its own? */
bool fuse_is_map(const Op *op);
/* A sum or maximum over the kernel axes of `windows`. */
bool fuse_is_window_reduction(const Op *op);
/* Softmax, and reductions over the trailing axes or over the ones before the last: `*axes`. */
bool fuse_is_row_reduction(const Op *op, unsigned *axes);
/* Whether a value has the rows' dims, the reduced ones gone or 1. */
bool fuse_is_row_shape(const Type *type, const Type *shape, unsigned axes);
/* May the kernel, so far without reductions or with equal ones, reduce this? All it does after the
 * reduction must be elementwise on whole rows or on one value a row. */
bool fuse_accepts_reduction(const Kernel *kernel, const Op *op, unsigned axes);
/* Rows of so few places that a vector's others cost a function a quarter of its time: of many rows
 * it is cheaper by itself, going over all elements as they lie. */
bool fuse_leaves_lanes(const Type *type, int64_t size, int64_t lanes);
/* Windows are many times as large as their map. A maximum and its place, for the gradient, are made
 * by kernels of their own, each of which looks through windows of its own. */
void fuse_part_windows(Function *function);

#endif
