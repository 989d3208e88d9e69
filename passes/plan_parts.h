/* plan_parts.h - which operands of concats are made in the result's memory.
 *
 *   %1 = ..   %2 = f(%1)   %3 = concat %1, %2   %4 = g(%3)   %5 = concat %3, %4   h(%5)
 *
 * has one buffer, %5's: %1, %2 and %4 are made in their slices of it, and %3 is its beginning.
 * A value may be a part if who makes it, and all who read it, go by strides. */
#ifndef PASSES_PLAN_PARTS_H
#define PASSES_PLAN_PARTS_H

#include "ir/graph.h"
#include "support/arena.h"

/* `value` starts `offset` bytes behind the start of `whole`, which is no part itself. */
typedef struct {
  Value *value, *whole;
  int64_t offset;
} PlanPart;
typedef VEC(PlanPart) PlanParts;

/* Gives parts PLACE_VIEW in the whole, while buffers are planned. Overwrites marks of values. */
PlanParts plan_parts(Arena *scratch, Function *function);
/* The step (Op.mark) from which the value's memory is needed, if it is itself made in `step`. */
int plan_parts_first(const PlanParts *parts, const Value *value, int step);
/* Of a planned function, a part that those who make or read it cannot take as one; NULL: there is
 * none. */
const Value *plan_parts_wrong(const Function *function);
/* Parts' places, when those of the wholes are known. */
void plan_parts_place(const PlanParts *parts);

#endif
