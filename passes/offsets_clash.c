/* Whether intervals lie over each other; see offsets.h. By the step in which they begin, each asks
 * which of those before it that lie where it does ends last: a tree over the places between all
 * beginnings and ends knows. O(n log n). */
#include "passes/offsets.h"

#include <stdlib.h>

typedef struct {
  const Interval *intervals;
  int64_t *bounds; /* places: from bounds[i] to bounds[i + 1] */
  int places;
  /* of each node: the one that ends last of those that lie in all of its places; and in some */
  int *all, *some;
} Places;

static int later(const Places *p, int a, int b) {
  if (a < 0 || b < 0) return a < 0 ? b : a;
  return p->intervals[a].last >= p->intervals[b].last ? a : b;
}

typedef struct {
  int from, to; /* places */
} Range;

static void lay(Places *p, int node, Range of, Range in, int interval) {
  if (in.to <= of.from || of.to <= in.from) return;
  p->some[node] = later(p, p->some[node], interval);
  if (in.from <= of.from && of.to <= in.to) {
    p->all[node] = later(p, p->all[node], interval);
    return;
  }
  int middle = of.from + (of.to - of.from) / 2;
  lay(p, 2 * node, (Range){of.from, middle}, in, interval);
  lay(p, 2 * node + 1, (Range){middle, of.to}, in, interval);
}

static int latest(const Places *p, int node, Range of, Range in) {
  if (in.to <= of.from || of.to <= in.from) return -1;
  if (in.from <= of.from && of.to <= in.to) return p->some[node];
  int middle = of.from + (of.to - of.from) / 2;
  int below = later(p, latest(p, 2 * node, (Range){of.from, middle}, in),
                    latest(p, 2 * node + 1, (Range){middle, of.to}, in));
  return later(p, p->all[node], below);
}

static int compare_bounds(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

typedef struct {
  int first, interval;
} Begin;

static int compare_begins(const void *a, const void *b) {
  const Begin *x = a, *y = b;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return (x->interval > y->interval) - (x->interval < y->interval);
}

static int place_at(const Places *p, int64_t bound) {
  const int64_t *found =
      bsearch(&bound, p->bounds, (size_t)p->places + 1, sizeof bound, compare_bounds);
  return (int)(found - p->bounds);
}

bool intervals_clash(Arena *scratch, const Interval *intervals, int count, int *a, int *b) {
  size_t room = (size_t)count;
  Places p = {.intervals = intervals, .bounds = ARENA_ARRAY(scratch, 2 * room + 1, int64_t)};
  Begin *begins = ARENA_ARRAY(scratch, room + 1, Begin);
  size_t used = 0, bounds = 0, distinct = 0;
  for (int i = 0; i < count; i++) {
    if (intervals[i].bytes == 0) continue;
    begins[used++] = (Begin){intervals[i].first, i};
    p.bounds[bounds++] = intervals[i].offset;
    p.bounds[bounds++] = intervals[i].offset + intervals[i].bytes;
  }
  if (used == 0) return false;
  qsort(begins, used, sizeof *begins, compare_begins);
  qsort(p.bounds, bounds, sizeof *p.bounds, compare_bounds);
  for (size_t i = 0; i < bounds; i++)
    if (i == 0 || p.bounds[i] != p.bounds[distinct - 1]) p.bounds[distinct++] = p.bounds[i];
  p.places = (int)distinct - 1;
  p.all = ARENA_ARRAY(scratch, 4 * distinct, int);
  p.some = ARENA_ARRAY(scratch, 4 * distinct, int);
  for (size_t i = 0; i < 4 * distinct; i++) p.all[i] = p.some[i] = -1;
  const Range whole = {0, p.places};
  for (size_t i = 0; i < used; i++) {
    const Interval *interval = &intervals[begins[i].interval];
    Range in = {place_at(&p, interval->offset), place_at(&p, interval->offset + interval->bytes)};
    int before = latest(&p, 1, whole, in);
    if (before >= 0 && intervals[before].last >= interval->first) {
      *a = before, *b = begins[i].interval;
      return true;
    }
    lay(&p, 1, whole, in, begins[i].interval);
  }
  return false;
}
