/* mover_cases.h - graph text of what only moves memory, each in two sizes: one that lies in the
 * second cache, one far beyond the third. Their limit is a copy, or a reading, of as many bytes. */
#ifndef TESTS_BENCH_MOVER_CASES_H
#define TESTS_BENCH_MOVER_CASES_H

#include "support/text.h"
#include "tests/bench/streams.h"
#include "tests/tools/native.h"

#include <stdbool.h>
#include <stddef.h>

/* The cases in order, the small size of each before its large one: false after the last. */
bool mover_case(size_t number, Text *name, Text *text);

typedef struct {
  const Streams *streams;
  const Function *function;
  const int64_t *dims;
  const char *name;
  int rounds;
} MoverRun;

/* Prints the rate of an entry's steps, counted by its inputs and results, and that of a copy. */
void mover_time(const MoverRun *run, const NativeStep *steps, size_t count, dlrt_worker *worker);

#endif
