/* bounds_winograd.h - magnitudes of what Winograd's algorithm adds up, for bounds.h:
 *
 *   |A| ((|G| |w| |G^T|) * (|B| |x| |B^T|)) |A^T|,  summed over the channels
 *
 * for each element of a convolution's result. Times gamma(winograd_roundings) it bounds the
 * algorithm's error. */
#ifndef TESTS_BOUNDS_WINOGRAD_H
#define TESTS_BOUNDS_WINOGRAD_H

#include "ir/graph.h"
#include "ir/interpret.h"
#include "ir/winograd.h"

/* On the longest way from an input or a weight to a result: C + 1 of the product, one of a weight,
 * and along each axis with p points at most p / 2 + 2 in each of the two transforms, of which the
 * multiplications may be rounded on their own, and p in that of a weight that is no constant. */
double winograd_roundings(const Winograd axes[2], int64_t channels);

/* |G| |w| |G^T| of panels [P, k, k, C, B]. */
void winograd_weight_magnitude(const Winograd axes[2], const RunTensor *w, double *result);
/* Of conv_winograd, whose weights are given transformed. All operands are wide. */
void conv_winograd_magnitude(Arena *arena, const Op *op, const RunTensor *x, const RunTensor *w,
                             double *result);
/* The most of all tiles by which `select` may compute a conv or conv_transpose, and the roundings
 * of all; false: it does not do so. */
bool conv_magnitude(Arena *arena, const Op *op, const RunTensor *x, const RunTensor *w,
                    const RunTensor *y, double *result, double *roundings);

#endif
