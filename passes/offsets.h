/* offsets.h - packing intervals of time and bytes into one arena, with no knowledge of graphs. */
#ifndef PASSES_OFFSETS_H
#define PASSES_OFFSETS_H

#include "support/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* Lives during steps first .. last; `bytes` is a multiple of the alignment. */
typedef struct {
  int first, last;
  int64_t bytes;
  int64_t offset; /* the answer */
} Interval;

/* The most bytes alive at one step; `peak` (may be NULL) is the first such step. */
int64_t intervals_bound(Arena *scratch, const Interval *intervals, int count, int steps, int *peak);

/* Chooses offsets so that no two intervals that share a step share a byte. Returns the size of the
 * arena. It tries several orders and stops at the lower bound. */
int64_t intervals_pack(Arena *scratch, Interval *intervals, int count, int steps);

/* Whether two intervals share a step and a byte; `a` and `b` are the first such pair. */
bool intervals_clash(Arena *scratch, const Interval *intervals, int count, int *a, int *b);

#endif
