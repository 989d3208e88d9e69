/* difference.h - how far a computed tensor is from what it should be. */
#ifndef IR_DIFFERENCE_H
#define IR_DIFFERENCE_H

#include "ir/interpret.h"

/* The largest difference by the scale of the first, which is its largest finite number; equal
 * infinities and two NaNs do not differ; a NaN in one alone is infinite, and so are other shapes.
 */
double tensor_difference(const RunTensor *wanted, const RunTensor *got);
/* The first element that differs by more than the tolerance, or -1. Of equal shapes. */
int64_t tensor_first_difference(const RunTensor *wanted, const RunTensor *got, double tolerance);

#endif
