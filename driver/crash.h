/* crash.h - what a bug of dlc leaves behind for its report: NAME.before-PASS.ir, the graph that
 * the pass was given, made again from the input, and how to go on from it. */
#ifndef DRIVER_CRASH_H
#define DRIVER_CRASH_H

#include "driver/session.h"

/* From here on bugs write the graph. Once for a run of dlc. */
void crash_watch(Session *session);
/* The operation that a bug, about to be reported, is about. */
void crash_operation(const char *text);

#endif
