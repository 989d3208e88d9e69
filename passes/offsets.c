#include "passes/offsets.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Above this many intervals only the sweep in time is tried, which is nearly linear. */
enum { MOST_SORTED = 6000 };
/* Tries of the local search, and comparisons of intervals that they may take in all. */
enum { MOST_TRIES = 400, MOST_COMPARISONS = 50000000 };
/* With more alive at a time the sweep no longer looks for gaps. */
enum { MOST_ALIVE = 2000 };

int64_t intervals_bound(Arena *scratch, const Interval *intervals, int count, int steps,
                        int *peak) {
  int64_t *change = ARENA_ARRAY(scratch, (size_t)steps + 1, int64_t);
  for (int i = 0; i < count; i++) {
    change[intervals[i].first] += intervals[i].bytes;
    change[intervals[i].last + 1] -= intervals[i].bytes;
  }
  int64_t alive = 0, most = 0;
  int at = 0;
  for (int i = 0; i < steps; i++) {
    alive += change[i];
    if (alive > most) most = alive, at = i;
  }
  if (peak) *peak = at;
  return most;
}

typedef struct {
  Arena *scratch;
  const Interval *intervals;
  int count;
  int64_t *offsets, *best;
  int64_t best_bytes;
  int *by_offset; /* those placed, in order of their offsets */
  bool lowest;    /* take the lowest gap that fits, not the smallest */
} Packing;

static void keep_if_better(Packing *p, int64_t bytes) {
  if (bytes >= p->best_bytes) return;
  p->best_bytes = bytes;
  for (int i = 0; i < p->count; i++) p->best[i] = p->offsets[i];
}

/* The smallest gap that fits, among those between neighbours that are alive; the place behind the
 * last if none does. `alive` tells by `share`, in order of offsets. */
static int64_t best_gap(const Packing *p, const int *placed, int placed_count, int which,
                        bool check) {
  const Interval *it = &p->intervals[which];
  int64_t end = 0, best = -1, best_size = INT64_MAX;
  for (int i = 0; i < placed_count; i++) {
    const Interval *other = &p->intervals[placed[i]];
    if (check && (other->first > it->last || other->last < it->first)) continue;
    int64_t gap = p->offsets[placed[i]] - end;
    if (gap >= it->bytes && gap < best_size) best = end, best_size = gap;
    if (p->lowest && best >= 0) return best;
    int64_t other_end = p->offsets[placed[i]] + other->bytes;
    if (other_end > end) end = other_end;
  }
  return best >= 0 ? best : end;
}

static void insert_placed(const Packing *p, int *placed, int *placed_count, int which) {
  int at = *placed_count;
  while (at > 0 && p->offsets[placed[at - 1]] > p->offsets[which]) at--;
  memmove(placed + at + 1, placed + at, (size_t)(*placed_count - at) * sizeof *placed);
  placed[at] = which;
  (*placed_count)++;
}

/* Places the intervals one after the other in the given order. */
static int64_t pack_in_order(Packing *p, const int *order) {
  int64_t bytes = 0;
  int placed = 0;
  for (int i = 0; i < p->count; i++) {
    int which = order[i];
    p->offsets[which] = best_gap(p, p->by_offset, placed, which, true);
    insert_placed(p, p->by_offset, &placed, which);
    int64_t end = p->offsets[which] + p->intervals[which].bytes;
    if (end > bytes) bytes = end;
  }
  keep_if_better(p, bytes);
  return bytes;
}

/* Goes through time, as an allocator would, with the list of what is alive. `order` is by first
 * step. */
static void pack_in_time(Packing *p, const int *order) {
  int64_t bytes = 0;
  int alive = 0;
  for (int i = 0; i < p->count; i++) {
    int which = order[i];
    const Interval *it = &p->intervals[which];
    int kept = 0;
    for (int j = 0; j < alive; j++)
      if (p->intervals[p->by_offset[j]].last >= it->first) p->by_offset[kept++] = p->by_offset[j];
    alive = kept;
    p->offsets[which] = alive < MOST_ALIVE ? best_gap(p, p->by_offset, alive, which, false) : bytes;
    insert_placed(p, p->by_offset, &alive, which);
    if (alive > MOST_ALIVE) alive = MOST_ALIVE;
    int64_t end = p->offsets[which] + it->bytes;
    if (end > bytes) bytes = end;
  }
  keep_if_better(p, bytes);
}

/* What an order sorts by; greater ones first, then earlier ones. */
typedef struct {
  double key;
  int index;
} Keyed;

static int compare_keyed(const void *a, const void *b) {
  const Keyed *x = a, *y = b;
  if (x->key != y->key) return x->key > y->key ? -1 : 1;
  return x->index - y->index;
}

static void sort_by(const Packing *p, int criterion, int *order) {
  Keyed *keyed = ARENA_ARRAY(p->scratch, p->count, Keyed);
  for (int i = 0; i < p->count; i++) {
    const Interval *it = &p->intervals[i];
    double length = (double)it->last - it->first + 1, bytes = (double)it->bytes;
    double key = criterion == 0   ? -(double)it->first
                 : criterion == 1 ? bytes
                 : criterion == 2 ? bytes * length
                                  : length;
    keyed[i] = (Keyed){key, i};
  }
  qsort(keyed, (size_t)p->count, sizeof *keyed, compare_keyed);
  for (int i = 0; i < p->count; i++) order[i] = keyed[i].index;
}

/* Places earlier what stood out at the top, and tries again. */
static void search(Packing *p, int *order, int64_t bound) {
  int64_t bytes = pack_in_order(p, order);
  int64_t most = MOST_COMPARISONS / ((int64_t)p->count * p->count + 1);
  for (int tries = 0; tries < MOST_TRIES && tries < most && p->best_bytes > bound; tries++) {
    int from = -1;
    for (int i = p->count - 1; i > 0 && from < 0; i--)
      if (p->offsets[order[i]] + p->intervals[order[i]].bytes == bytes) from = i;
    if (from <= 0) return;
    int to = tries % 3 == 0 ? 0 : from / 2, which = order[from];
    memmove(order + to + 1, order + to, (size_t)(from - to) * sizeof *order);
    order[to] = which;
    bytes = pack_in_order(p, order);
  }
}

int64_t intervals_pack(Arena *scratch, Interval *intervals, int count, int steps) {
  if (count == 0) return 0;
  int64_t bound = intervals_bound(scratch, intervals, count, steps, NULL);
  Packing p = {.scratch = scratch,
               .intervals = intervals,
               .count = count,
               .offsets = ARENA_ARRAY(scratch, count, int64_t),
               .best = ARENA_ARRAY(scratch, count, int64_t),
               .best_bytes = INT64_MAX,
               .by_offset = ARENA_ARRAY(scratch, (size_t)count + 1, int)};
  int *order = ARENA_ARRAY(scratch, count, int);
  sort_by(&p, 0, order);
  pack_in_time(&p, order);
  if (count <= MOST_SORTED)
    for (int way = 0; way < 6 && p.best_bytes > bound; way++) {
      p.lowest = way >= 3;
      sort_by(&p, 1 + way % 3, order);
      pack_in_order(&p, order);
    }
  if (count <= MOST_SORTED)
    for (int way = 0; way < 6 && p.best_bytes > bound; way++) {
      p.lowest = way >= 3;
      sort_by(&p, 1 + way % 3, order);
      search(&p, order, bound);
    }
  for (int i = 0; i < count; i++) intervals[i].offset = p.best[i];
  return p.best_bytes;
}
