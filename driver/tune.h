/* tune.h - `--tune FILE`: choices by measured times, which FILE keeps.
 *
 *   Tuning tuning;
 *   if (!tune_open(&tuning, &compilation, path)) return EXIT_INPUT;    before the passes
 *   ... compile_passes ...
 *   if (!tune_close(&tuning)) return EXIT_INPUT;
 *
 * `select` asks for each choice (passes/choice.h). The file's candidate is taken if there is one;
 * else all candidates are measured and the file gets a line. So builds with one file make the same
 * bytes, on any machine, as long as the file holds every operation.
 */
#ifndef DRIVER_TUNE_H
#define DRIVER_TUNE_H

#include "driver/compile.h"
#include "driver/tune_file.h"
#include "driver/tune_measure.h"
#include "passes/choice.h"

typedef struct {
  Compilation *compilation;
  TuneFile file;
  TuneMachine machine;
  Chooser chooser;
  const char *where; /* the CPU and the threads, as keys begin */
  int measured;
  bool failed; /* reported */
} Tuning;

bool tune_open(Tuning *tuning, Compilation *compilation, const char *path);
/* Each finding is in the file as soon as it is measured. */
bool tune_close(Tuning *tuning);

#endif
