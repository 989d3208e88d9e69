/* plan_writes.h - the half of `plan` that brings written values into their tensors' memory.
 *
 *   before  %1 = read @w   %2 = sub %1, %g   write @w, %2
 *   after   %1 = read @w in param   %2 = sub %1, %g in param   write @w, %2
 *
 * Reads come before all writes in meaning (the elaborator sees to it), so a value may be made in
 * its tensor's memory only if nothing reads the old one later, and nothing may still find that an
 * input was wrong (faults.h). */
#ifndef PASSES_PLAN_WRITES_H
#define PASSES_PLAN_WRITES_H

#include "ir/graph.h"

/* A kernel at the function's end that copies `value`; its result. */
Value *plan_copy(Function *function, Value *value);

/* Whether each element of result `result` is written after the last reading of that element of the
 * operand, so that one may be written over the other. */
bool plan_reads_in_place(const Op *op, int operand, int result);

/* Whether the value's bytes are all of what a kernel makes, through reshapes. */
bool plan_is_whole(const Value *value);

/* Makes dense copies of what is read of tensors that lie otherwise. */
void plan_reads(Function *function);

/* Whether the operation does nothing but copy. */
bool plan_is_copy(const Op *op);

/* Of a planned function, a value in a tensor's memory that cannot be made there; NULL: there is
 * none. Op.mark and Value.mark are changed. */
const Value *plan_writes_wrong(Arena *scratch, Function *function);

/* Places written values, adding copies where it must, and moves the writes to the end. All values
 * have a place, or none yet. Op.mark and Value.mark are changed. */
void plan_writes(Arena *scratch, Function *function);

#endif
