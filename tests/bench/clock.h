/* clock.h - seconds by one of the system's clocks: CLOCK_MONOTONIC, or CLOCK_THREAD_CPUTIME_ID,
 * which does not count what other processes take. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <time.h>

static inline double clock_seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
