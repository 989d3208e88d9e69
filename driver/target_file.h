/* target_file.h - what a CPU can do, as `dlc target` has measured it: a small file to read and
 * keep.
 *
 *   # dlc target: ...
 *   cpu znver3
 *   peak 103.6 GFLOP/s
 *   memory 24.1 GB/s
 *
 * A line is a name, a number and its unit (driver/target_file.def); what a file lacks is as the
 * table of CPUs has it (backend/target.c). After # nothing counts.
 */
#ifndef DRIVER_TARGET_FILE_H
#define DRIVER_TARGET_FILE_H

#include "backend/target.h"
#include "driver/session.h"

/* Sets what the file says in those of the targets that are its CPU. False after a diagnostic: it
 * cannot be read (E0501, E0508), or none of them is (E0509). */
bool target_file_read(Session *session, const char *path, Target *targets, size_t count);
/* The target as such a file. */
const char *target_file_text(Arena *arena, const Target *target);

#endif
