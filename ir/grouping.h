/* grouping.h - how a convolution in groups of few channels is cut into vectors: `select` asks
 * whether it can be, the back end makes the loops (backend/product_grouped.c).
 *
 * Output channels go by vectors, of as many whole groups as fill some of them: a block. With 8
 * lanes and groups of 4 a vector has two groups, and a block two vectors, a cache line; groups of
 * 6 make blocks of 3 vectors.
 */
#ifndef IR_GROUPING_H
#define IR_GROUPING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  int64_t lanes, groups, in, out; /* in, out: channels of a group */
  int64_t vectors, whole, blocks; /* of a block; groups of it; how many blocks there are */
  bool single;                    /* a vector's lanes are all of one group */
  bool alike;                     /* vectors of a block have their groups in the same places */
  bool partial;                   /* the last block is not full */
} Grouping;

/* False: a group is so wide, or its channels such a number, that this is not the way. */
bool grouping_find(int64_t lanes, int64_t groups, int64_t in, int64_t out, Grouping *grouping);

/* Input numbers whose multiply-adds are written out, one after the other, for `taps` of a kernel's
 * row: few enough? Else a loop goes over them, or there is no such kernel. */
bool grouping_is_short(const Grouping *grouping, int64_t taps);

/* Places of x along an axis that so many of the result see, as pads and dilation let them be far
 * beyond x; INT64_MAX: more than 64 bits hold. */
int64_t grouping_seen(int64_t places, int64_t stride, int64_t kernel, int64_t dilation);
/* Bytes (or INT64_MAX) of a line of so many columns of a block's part of x. */
int64_t grouping_line_bytes(const Grouping *grouping, int64_t columns);
/* Does the block's part of so many lines, and of a weight of `taps`, stay in a cache of `bytes`? */
bool grouping_fits(const Grouping *grouping, int64_t lines, int64_t columns, int64_t taps,
                   int64_t bytes);

#endif
