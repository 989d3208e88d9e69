/* The pool: every trip is made once, whatever the numbers of threads, parts and trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/pool.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_THREADS = 9, MOST_TRIPS = 300 };

/* operands[0]: how often each trip was made; operands[1]: which thread made it. */
static void count_trips(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                        dlrt_worker *worker) {
  int64_t *made = operands[0], *by = operands[1];
  (void)dims;
  for (int64_t i = begin; i < end; i++) {
    made[i]++;
    by[i] = worker->thread;
  }
}

static void count_calls(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                        dlrt_worker *worker) {
  (void)dims, (void)begin, (void)end;
  ((int64_t *)operands[0])[64 * worker->thread]++;
}

static void with_pool(int threads, void (*body)(dlrt_pool_state *)) {
  dlrt_pool_state *pool = aligned_alloc(64, sizeof *pool);
  dlrt_slot *slots = aligned_alloc(64, MOST_THREADS * sizeof *slots);
  memset(pool, 0, sizeof *pool);
  memset(slots, 0, MOST_THREADS * sizeof *slots);
  for (int i = 0; i < MOST_THREADS; i++) slots[i].worker.thread = i;
  assert_int_equal(dlrt_pool_start(pool, slots, threads), threads);
  body(pool);
  dlrt_pool_stop(pool);
  free(slots);
  free(pool);
}

static void all_splits(dlrt_pool_state *pool) {
  int64_t made[MOST_TRIPS], by[MOST_TRIPS];
  void *operands[] = {made, by};
  for (int round = 0; round < 4; round++) {
    dlrt_pool_calling(pool, round % 2);
    for (int parts = 2; parts <= pool->threads; parts++) {
      for (int64_t trips = 1; trips < MOST_TRIPS; trips = trips * 3 + 1) {
        memset(made, 0, sizeof made);
        dlrt_pool_run(pool, parts, count_trips, operands, NULL, trips, round / 2 * 3);
        for (int64_t i = 0; i < trips; i++) {
          assert_int_equal(made[i], 1);
          assert_true(by[i] < parts);
        }
        assert_int_equal(made[trips], 0);
      }
    }
  }
}

static void test_splits(void **state) {
  (void)state;
  for (int threads = 2; threads <= MOST_THREADS; threads += 3) with_pool(threads, all_splits);
}

static void sleep_between(dlrt_pool_state *pool) {
  int64_t calls[64 * MOST_THREADS] = {0};
  void *operands[] = {calls};
  for (int i = 0; i < 30; i++) {
    struct timespec pause = {0, i % 3 * 200000}; /* under and over the time that threads spin */
    nanosleep(&pause, NULL);
    dlrt_pool_run(pool, pool->threads, count_calls, operands, NULL, pool->threads, 1);
  }
  int64_t sum = 0; /* whoever was late, another took its piece */
  for (int i = 0; i < pool->threads; i++) sum += calls[64 * i];
  assert_int_equal(sum, 30 * pool->threads);
}

static void test_sleep(void **state) {
  (void)state;
  with_pool(4, sleep_between);
}

static void many_jobs(dlrt_pool_state *pool) {
  int64_t calls[64 * MOST_THREADS] = {0};
  void *operands[] = {calls};
  dlrt_pool_calling(pool, 1);
  for (int i = 0; i < 20000; i++)
    dlrt_pool_run(pool, 2, count_calls, operands, NULL, INT64_MAX / 4, INT64_MAX / 8);
  dlrt_pool_calling(pool, 0);
  assert_int_equal(calls[0] + calls[64], 2 * 20000);
}

static void test_many_jobs(void **state) {
  (void)state;
  with_pool(2, many_jobs);
}

/* Each piece waits for the other: only two threads at once get through. */
static void meet(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                 dlrt_worker *worker) {
  atomic_int *there = operands[0];
  (void)dims, (void)begin, (void)end, (void)worker;
  atomic_fetch_add(there, 1);
  time_t since = time(NULL);
  while (atomic_load(there) < 2 && time(NULL) - since < 20) sched_yield();
}

static void both_at_once(dlrt_pool_state *pool) {
  for (int i = 0; i < 20; i++) {
    atomic_int there = 0;
    void *operands[] = {&there};
    struct timespec pause = {0, i % 2 * 500000};
    nanosleep(&pause, NULL);
    time_t since = time(NULL);
    dlrt_pool_run(pool, 2, meet, operands, NULL, 2, 1);
    assert_int_equal(there, 2);
    assert_true(time(NULL) - since < 10);
  }
}

static void test_parallel(void **state) {
  (void)state;
  with_pool(2, both_at_once);
}

static void nothing(dlrt_pool_state *pool) {
  (void)pool;
}

static void test_start_and_stop(void **state) {
  (void)state;
  for (int i = 0; i < 50; i++) with_pool(1 + i % MOST_THREADS, nothing);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_splits),         cmocka_unit_test(test_sleep),
      cmocka_unit_test(test_many_jobs),      cmocka_unit_test(test_parallel),
      cmocka_unit_test(test_start_and_stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
