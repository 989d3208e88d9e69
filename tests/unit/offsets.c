/* passes/offsets: intervals of time and bytes packed into one arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "passes/offsets.h"

static bool clashes(const Interval *a, const Interval *b) {
  return a->first <= b->last && b->first <= a->last && a->offset < b->offset + b->bytes &&
         b->offset < a->offset + a->bytes;
}

static void assert_apart(const Interval *a, const Interval *b) {
  assert_false(clashes(a, b));
}

static void assert_packed(const Interval *intervals, int count, int64_t bytes) {
  for (int i = 0; i < count; i++) {
    assert_true(intervals[i].offset >= 0 && intervals[i].offset + intervals[i].bytes <= bytes);
    for (int j = 0; j < i; j++) assert_apart(&intervals[i], &intervals[j]);
  }
}

/* As each with each says. */
static void assert_same_answer(Arena *arena, const Interval *intervals, int count) {
  bool clash = false;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < i; j++) clash = clash || clashes(&intervals[i], &intervals[j]);
  int a = -1, b = -1;
  assert_int_equal(intervals_clash(arena, intervals, count, &a, &b), clash);
  if (clash) assert_true(a != b && clashes(&intervals[a], &intervals[b]));
}

/* A chain needs its two largest neighbours, and no more. */
static void a_chain_meets_its_bound(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Interval chain[] = {{0, 1, 64, 0}, {1, 2, 640, 0}, {2, 3, 128, 0}, {3, 4, 512, 0}, {4, 4, 64, 0}};
  int peak;
  assert_int_equal(intervals_bound(arena, chain, 5, 5, &peak), 768);
  assert_int_equal(peak, 2);
  assert_int_equal(intervals_pack(arena, chain, 5, 5), 768);
  assert_packed(chain, 5, 768);
  arena_free(arena);
}

/* First come, first served leaves a hole here; one of the other orders does not. */
static void an_early_small_one_makes_way(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Interval all[] = {{0, 0, 128, 0}, {0, 2, 64, 0}, {1, 2, 192, 0}};
  int64_t bytes = intervals_pack(arena, all, 3, 3);
  assert_int_equal(bytes, intervals_bound(arena, all, 3, 3, NULL));
  assert_packed(all, 3, bytes);
  arena_free(arena);
}

static void random_ones_never_overlap(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int count = 1; count < 200; count += 13) {
    Arena *arena = arena_new();
    Interval *all = ARENA_ARRAY(arena, (size_t)count, Interval);
    for (int i = 0; i < count; i++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      all[i].first = (int)(seed >> 40) % count;
      all[i].last = all[i].first + (int)(seed >> 50) % 9;
      if (all[i].last >= count) all[i].last = count - 1;
      all[i].bytes = 64 * (int64_t)(1 + (seed >> 33) % 40);
    }
    int64_t bytes = intervals_pack(arena, all, count, count);
    assert_true(bytes >= intervals_bound(arena, all, count, count, NULL));
    assert_packed(all, count, bytes);
    assert_same_answer(arena, all, count);
    for (int i = 0; i < count; i += 3) all[i].offset = (all[i].offset + 64 * i) % (bytes + 1);
    assert_same_answer(arena, all, count);
    arena_free(arena);
  }
}

static void nothing_takes_nothing(void **state) {
  (void)state;
  Arena *arena = arena_new();
  assert_int_equal(intervals_pack(arena, NULL, 0, 0), 0);
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_chain_meets_its_bound),
      cmocka_unit_test(an_early_small_one_makes_way),
      cmocka_unit_test(random_ones_never_overlap),
      cmocka_unit_test(nothing_takes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
