/* target_measure.h - what a core of this machine can do with the code of a target that it can run.
 */
#ifndef DRIVER_TARGET_MEASURE_H
#define DRIVER_TARGET_MEASURE_H

#include "backend/target.h"

/* Sets the target's rates: the best of a few tries, one thread alone, in about a second. False: no
 * memory for it. */
bool target_measure(Target *target);

#endif
