/* plan_scan.h - the part of `plan` that is for bodies of scans (scan_bodies.h).
 *
 * A carry lies where the scan's result does: its argument is that memory, and what a trip yields is
 * made there if nothing reads the old value afterwards (place caller, of the result's number), else
 * in the arena, and copied when the trip ends. What is emitted is made in its place, or copied
 * there by the body's last operations. All else of a body is in the arena, for one trip, and the
 * operation holds that part of the arena of the function around. */
#ifndef PASSES_PLAN_SCAN_H
#define PASSES_PLAN_SCAN_H

#include "ir/graph.h"

/* Places what the body returns, where that is not the arena. What decides whether a trip is made
 * comes first in the block. */
void plan_body_results(Arena *scratch, Function *body);
/* Of a planned body's results, one that does not lie where it can; NULL: there is none. */
const Value *plan_body_wrong(Function *body);
/* Moves a planned body, with those in it, in the arena. */
void plan_body_move(const Function *body, int64_t offset);

#endif
