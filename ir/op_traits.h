/* op_traits.h - what is asked of an operation that its kind alone (TRAIT_.. of operator.h) does not
 * answer, and more than one pass or family of kernels wants to know. */
#ifndef IR_OP_TRAITS_H
#define IR_OP_TRAITS_H

#include "ir/graph.h"

/* Whether a reshape only inserts or drops axes of size 1. */
bool reshape_is_of_units(const Op *op);
/* Is each element made of those at its place alone? */
bool op_keeps_places(const Op *op);
/* May an index that it is given be out of range? */
bool op_can_fault(const Op *op);
/* A convolution's attribute `layout`: nhwc, where a place's channels lie side by side, else nchw,
 * where a channel's places do. The weight is laid out to suit (docs/operators.md). */
bool layout_is_channels_last(const char *layout);
bool op_is_channels_last(const Op *op);

#endif
