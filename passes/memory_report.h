/* memory_report.h - what a plan is worth: how much memory, against which bounds, and who is alive
 * at the peak. As numbers, as text, as a drawing.
 *
 *   MemoryReport report = memory_report(arena, planned, memory_naive(elaborated));
 */
#ifndef PASSES_MEMORY_REPORT_H
#define PASSES_MEMORY_REPORT_H

#include "ir/graph.h"

typedef struct {
  int64_t bytes;
  int values;
} MemorySum;

typedef struct {
  const Value *value; /* the first that lies here; others may be written over it in place. NULL: */
  const Op *scan;     /* what the body of this loop makes in a trip */
  int64_t offset, bytes;
  int first, last; /* steps */
} MemoryBuffer;

typedef struct {
  const Op *op;
  int64_t alive; /* bytes */
} MemoryStep;

typedef struct {
  const Function *function;
  MemorySum naive, fused;
  int64_t bound, plan;
  int64_t trip;          /* beside the plan, a thread: for trips that are apart (ir/trip.h) */
  MemoryBuffer *buffers; /* by offset, then first step */
  int buffer_count;
  MemoryStep *steps;
  int step_count, peak; /* the first step at which `bound` bytes are alive; -1: there is none */
  const MemoryBuffer *above; /* the one that reaches highest, if the plan is above the bound */
} MemoryReport;

/* Of a graph as it was elaborated: a buffer for each value that is no view, window, parameter,
 * constant or result. */
MemorySum memory_naive(const Function *function);
MemoryReport memory_report(Arena *arena, const Function *planned, MemorySum naive);

void memory_report_text(Text *text, const MemoryReport *report);
void memory_report_svg(Text *text, const MemoryReport *report);

#endif
