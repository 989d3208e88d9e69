/* tune_measure.h - one operation alone, computed in each of several ways on this machine.
 *
 * For each candidate a program of the operation alone is compiled in memory: images come and go in
 * nhwc, as between convolutions, and weights that are known while compiling are constants. The
 * programs take turns, so that what else the machine does falls on all of them, and the least time
 * of each counts.
 */
#ifndef DRIVER_TUNE_MEASURE_H
#define DRIVER_TUNE_MEASURE_H

#include "backend/target.h"
#include "passes/choice.h"
#include "passes/pass.h"

typedef struct {
  const Target *target;
  const PassOptions *options;
  int threads; /* 0: all of the machine */
  bool cold; /* weights come from memory, as they do in a network that is larger than the caches */
} TuneMachine;

/* The seconds of each of the choice's candidates; a negative number: it cannot be built, or the
 * estimates leave it no hope. */
void tune_measure(const TuneMachine *machine, const Choice *choice, double *seconds);

#endif
