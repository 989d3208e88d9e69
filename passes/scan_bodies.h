/* scan_bodies.h - regions of scans as functions of their own, for the time that a pass runs.
 *
 *   ScanBodies *bodies = scan_bodies_open(module, scratch);
 *   pass->run(..)                walks Module.functions and knows nothing of scans
 *   scan_bodies_close(bodies);
 *
 * An opened body is a Function that stands before the one (or the body) that its scan is in. Its
 * inputs are the region's arguments; it returns the carries' next values, then what is emitted,
 * then the condition of `while`, if there is one. Function.scan is the operation, whose `region` is
 * NULL meanwhile. */
#ifndef PASSES_SCAN_BODIES_H
#define PASSES_SCAN_BODIES_H

#include "ir/graph.h"

typedef struct ScanBodies ScanBodies;

ScanBodies *scan_bodies_open(Module *module, Arena *scratch);
void scan_bodies_close(ScanBodies *bodies);

/* Of an operation whose region is opened; NULL: it is not a scan. */
Function *scan_body(const Module *module, const Op *op);
int scan_carries(const Op *scan); /* opened or not: of its results the first ones */

/* What the scan emits of its body's `value`: a result of the given type, made unless it is there.
 */
Value *scan_emit(Op *scan, Block *body, Value *value, const Type *type);

/* The value outside of all loops around that an argument stands for, the same in each trip; else
 * the value itself. */
const Value *scan_outer_value(const Value *value);
/* How often the value, if it is made outside of loops, is seen by the block that it is used in: the
 * product of the trips, at their bounds, of the loops that it passes into. */
double scan_repeats(const Value *value);

#endif
