/* How many trips a product is cut in, so that threads have the same work. */
#include "ir/blocking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Tiles by blocks of the thread that has most, for products of one line that go by strips. */
static int64_t most_of(const BlockingTrips *t, int64_t threads) {
  int64_t trips = t->strips * t->groups, most = 0;
  for (int64_t i = 0; i < threads; i++) {
    int64_t own = 0;
    for (int64_t trip = trips * i / threads; trip < trips * (i + 1) / threads; trip++) {
      int64_t s = t->by_rows ? trip / t->groups : trip % t->strips;
      int64_t g = t->by_rows ? trip % t->groups : trip / t->strips;
      int64_t tiles = t->tiles * (s + 1) / t->strips - t->tiles * s / t->strips;
      own += tiles * (t->blocks * (g + 1) / t->groups - t->blocks * g / t->groups);
    }
    most = own > most ? own : most;
  }
  return most;
}

/* 9 strips of 131 tiles: two threads took 4 and 5 of them. */
static void strips_are_even(void **state) {
  (void)state;
  BlockingTrips t = {
      .lines = 1, .tiles = 131, .blocks = 8, .strips = 9, .groups = 1, .by_rows = true};
  assert_true(most_of(&t, 2) > 560);
  blocking_even_trips(&t, 0.0006, 1);
  assert_int_equal(t.groups, 1);
  assert_true(t.strips > 9 && t.strips <= 13);
  assert_true(most_of(&t, 2) <= 66 * 8);
  assert_true(most_of(&t, 4) <= 33 * 8);
}

static void groups_are_even(void **state) {
  (void)state;
  BlockingTrips t = {.lines = 1, .tiles = 33, .blocks = 10, .strips = 3, .groups = 3};
  blocking_even_trips(&t, 0.01, 0);
  for (int64_t threads = 2; threads <= 4; threads *= 2)
    assert_true((double)(most_of(&t, threads) * threads) < 1.05 * 33 * 10);
}

/* What costs more than it brings is left. */
static void dear_parts_stay(void **state) {
  (void)state;
  BlockingTrips t = {
      .lines = 1, .tiles = 131, .blocks = 8, .strips = 9, .groups = 1, .by_rows = true};
  blocking_even_trips(&t, 0.5, 0.5);
  assert_int_equal(t.strips, 9);
  assert_int_equal(t.groups, 1);
}

/* No more parts than there are tiles and blocks; one trip alone; many lines. */
static void ends_hold(void **state) {
  (void)state;
  for (int64_t lines = 0; lines <= 300; lines += 25)
    for (int64_t tiles = 1; tiles <= 9; tiles++)
      for (int64_t blocks = 1; blocks <= 5; blocks++)
        for (int by_rows = 0; by_rows <= 1; by_rows++) {
          BlockingTrips t = {lines, tiles, blocks, (tiles + 2) / 3, (blocks + 1) / 2, by_rows};
          blocking_even_trips(&t, 0, 0);
          assert_in_range(t.strips, (tiles + 2) / 3, tiles);
          assert_in_range(t.groups, (blocks + 1) / 2, blocks);
        }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strips_are_even),
      cmocka_unit_test(groups_are_even),
      cmocka_unit_test(dear_parts_stay),
      cmocka_unit_test(ends_hold),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
