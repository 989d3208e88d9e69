/* parting.h - which value of a graph is the first to differ, for `dlc bisect`. A value keeps its
 * name through the passes as long as it means the same, so values are compared by their names. */
#ifndef DRIVER_PARTING_H
#define DRIVER_PARTING_H

#include "driver/session.h"
#include "ir/interpret.h"

typedef struct {
  const Value *value; /* of the graph after the pass; NULL: none is known by name */
  double inputs;      /* largest difference of a value before it, by its scale */
  int64_t index[MOST_AXES];
  int rank;
  double wanted, got; /* there */
} Parting;

/* Runs both with the same inputs and compares what has the same name and type. False if one cannot
 * be run. `options`: of the run after; `dims` of the other. */
bool parting_find(const Function *before, const int64_t *dims, const Function *after,
                  InterpretOptions options, const RunTensor *inputs, double tolerance,
                  Parting *parting);

#endif
