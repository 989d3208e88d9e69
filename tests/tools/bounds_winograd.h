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
/* Of conv_weight, by its tile or (it has none) by that which `select` may give it:
 *
 *   |G^T| ((|A^T| |dy| |A|) * (|B| |x| |B^T|)) |G|,  summed over the tiles
 *
 * with the tiles' sum, one rounding of each product, and along each axis with p points p / 2 + 2 of
 * x's transform, m + 1 of dy's and 2 p of the kernel's. false: it is not done so. */
bool conv_weight_magnitude(Arena *arena, const Op *op, const RunTensor *x, const RunTensor *dy,
                           double *result, double *roundings);

#endif
