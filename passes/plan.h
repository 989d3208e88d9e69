/* plan.h - what `plan` gives to those after it.
 *
 * Every value of a function's block has a place (Value.place):
 *   inputs       in caller, offset: the input's number
 *   results      in caller, offset: the result's number; a result that no kernel makes (an input, a
 *                constant, a view of one, another result) becomes a `fused @kI_copy`, whose region
 *                yields its argument
 *   read         in param, or in state: the whole tensor's memory. Of one whose dims are dynamic a
 *                call sees a corner; where that is not dense, a `fused @kI_copy` makes it so
 *   reshape      in another value, from its start; a slice that is dense in its operand likewise,
 *                at its offset in bytes: no kernel is made of an operation with such a place
 *   constant     none: it lies in the object
 *   written      in param, or in state: in the memory of the tensor that the one `write` of it (or
 *                of a reshape of it) names. Where a value cannot be made there, a copy is, which
 *                the write takes instead: so no `write` is a kernel, and all are at the end
 *   all others   in arena + offset, a multiple of 64
 * Values inside of regions have none, but for scans' bodies; where trips are apart (ir/trip.h),
 * they count from the start of what a thread has for a trip. Function.arena_bytes is the size at
 * the dims' bounds. */
#ifndef PASSES_PLAN_H
#define PASSES_PLAN_H

#include "ir/graph.h"

enum { PLAN_ALIGN = 64 };

/* Whether an operation of a function's block is a step of its own: all but reads, writes, constants
 * and views. */
bool op_makes_kernel(const Op *op);
/* Whether an operation of a function's block moves nothing: its result is its operand's bytes. */
bool op_is_view(const Op *op);
/* Where a view's result begins in its operand, in bytes. */
int64_t op_view_offset(const Op *op);
/* What a value's bytes lie in: follows views to their end. */
Value *value_storage(Value *value);

#endif
