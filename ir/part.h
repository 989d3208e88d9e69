/* part.h - operands of a concat that are made in its result's memory, so that nothing is copied. */
#ifndef IR_PART_H
#define IR_PART_H

#include "ir/graph.h"

/* Bytes from the start of a concat's result to its slice that the operand is; -1: only a call
 * knows.
 */
int64_t concat_start(const Op *op, int operand);

/* The result of the concat that uses the planned value, if the value is made in its slice of that
 * result's memory, with its strides; else NULL. */
const Value *value_whole(const Value *value);

#endif
