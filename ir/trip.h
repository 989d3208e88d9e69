/* trip.h - what a planned scan's trips make, if they are apart (its attribute). Such a trip has
 * places in memory of the thread that makes it, from 0 on; others have places in the arena. */
#ifndef IR_TRIP_H
#define IR_TRIP_H

#include "ir/graph.h"

/* A scan whose trips need nothing of each other. */
bool op_is_apart(const Op *op);
/* Bytes that a thread must have for a trip. */
int64_t trip_bytes(const Op *scan);

#endif
