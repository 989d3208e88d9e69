/* part.h - operands of a concat that are made in its result's memory, so that nothing is copied.
 *
 *   %3 = concat %1, %2 {axis=3} : f32[8,7,7,96] in arena+0       %2 f32[8,7,7,32] in arena+256
 *   %5 = concat %3, %4 {axis=3} : f32[8,7,7,128] in arena+0      %4 f32[8,7,7,32] in arena+384
 *
 * Here %1, %2, %3 and %4 are parts of %5, the whole: they have its strides, for those who make them
 * and for those who read them. Which values are parts follows from the places alone, so text says
 * no more: an operand that lies where its slice of the result does. */
#ifndef IR_PART_H
#define IR_PART_H

#include "ir/graph.h"

/* Bytes from the start of a concat's result to its slice that the operand is; -1: only a call
 * knows.
 */
int64_t concat_start(const Op *op, int operand);

/* The value whose strides the planned value has, if it is not dense; else NULL. */
const Value *value_whole(const Value *value);

/* Sets `place.of` of each part in a planned block, and in the regions of its scans. */
void block_find_parts(const Block *block);

#endif
