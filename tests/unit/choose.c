/* Tokens drawn from logits: how often each comes, what is left out, and beams' largest. */
#include "runtime/choose.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COUNT = 6, DRAWS = 60000 };

static const float logits[COUNT] = {1.5F, -0.5F, 2.0F, 0.0F, -3.0F, 1.5F};

static void draw(const dlrt_choosing *how, int64_t *drawn) {
  dlrt_chooser *chooser = dlrt_chooser_new(COUNT);
  for (int i = 0; i < COUNT; i++) drawn[i] = 0;
  for (uint64_t step = 0; step < DRAWS; step++)
    drawn[dlrt_choose(chooser, how, logits, COUNT, step)]++;
  dlrt_chooser_free(chooser);
}

/* Within five standard deviations of the binomial: wrong once in a million rightful runs, and the
 * seed is fixed. */
static void expect_shares(const dlrt_choosing *how, const double *weights) {
  int64_t drawn[COUNT];
  double sum = 0;
  draw(how, drawn);
  for (int i = 0; i < COUNT; i++) sum += weights[i];
  for (int i = 0; i < COUNT; i++) {
    double share = weights[i] / sum, deviation = sqrt(DRAWS * share * (1 - share));
    if (weights[i] == 0) assert_int_equal(drawn[i], 0);
    assert_true(fabs((double)drawn[i] - DRAWS * share) <= 5 * deviation);
  }
}

static void test_temperature(void **state) {
  (void)state;
  static const double temperatures[] = {1, 0.5, 2};
  for (int t = 0; t < 3; t++) {
    double weights[COUNT];
    for (int i = 0; i < COUNT; i++) weights[i] = exp(logits[i] / temperatures[t]);
    expect_shares(&(dlrt_choosing){temperatures[t], 0, 1, 7}, weights);
  }
}

static void test_top_k(void **state) {
  (void)state;
  /* Of equals the first ones. */
  double three[COUNT] = {exp(1.5), 0, exp(2), 0, 0, exp(1.5)}, two[COUNT] = {exp(1.5), 0, exp(2)};
  expect_shares(&(dlrt_choosing){1, 3, 1, 1}, three);
  expect_shares(&(dlrt_choosing){1, 2, 1, 2}, two);
}

static void test_top_p(void **state) {
  (void)state;
  /* 0.410, 0.249, 0.249, 0.055, .. : 0.6 is reached by two, 0.9 by three. */
  double three[COUNT] = {exp(1.5), 0, exp(2), 0, 0, exp(1.5)}, two[COUNT] = {exp(1.5), 0, exp(2)};
  double one[COUNT] = {0, 0, 1};
  expect_shares(&(dlrt_choosing){1, 0, 0.6, 3}, two);
  expect_shares(&(dlrt_choosing){1, 0, 0.9, 4}, three);
  expect_shares(&(dlrt_choosing){1, 0, 0.01, 5}, one);
  expect_shares(&(dlrt_choosing){1, 2, 0.9, 6}, two);
}

static void test_greedy(void **state) {
  (void)state;
  float equal[4] = {-INFINITY, 3, 1, 3}, none[2] = {-INFINITY, -INFINITY}, bad[2] = {1, NAN};
  dlrt_chooser *chooser = dlrt_chooser_new(4);
  dlrt_choosing greedy = {0, 0, 1, 0}, drawn = {1, 0, 1, 0};
  assert_int_equal(dlrt_choose(chooser, &greedy, equal, 4, 0), 1);
  assert_int_equal(dlrt_choose(chooser, &greedy, none, 2, 0), -1);
  assert_int_equal(dlrt_choose(chooser, &drawn, bad, 2, 0), -1);
  /* What is impossible never comes; the same step draws the same. */
  for (uint64_t step = 0; step < 1000; step++) {
    int64_t token = dlrt_choose(chooser, &drawn, equal, 4, step);
    assert_true(token > 0);
    assert_int_equal(dlrt_choose(chooser, &drawn, equal, 4, step), token);
  }
  dlrt_chooser_free(chooser);
}

/* Many logits: the selection against sorting. */
static void test_many(void **state) {
  (void)state;
  enum { MANY = 5000 };
  float *many = malloc(MANY * sizeof *many);
  uint32_t bits = 1;
  for (int i = 0; i < MANY; i++) {
    bits = bits * 1664525 + 1013904223;
    many[i] = (float)(bits >> 20) / 512;
  }
  int64_t best[40];
  assert_int_equal(dlrt_largest(many, MANY, best, 40), 40);
  for (int i = 1; i < 40; i++)
    assert_true(many[best[i - 1]] > many[best[i]] ||
                (many[best[i - 1]] == many[best[i]] && best[i - 1] < best[i]));
  dlrt_chooser *chooser = dlrt_chooser_new(MANY);
  for (uint64_t step = 0; step < 300; step++) {
    int64_t token = dlrt_choose(chooser, &(dlrt_choosing){1, 40, 1, 9}, many, MANY, step);
    bool found = false;
    for (int i = 0; i < 40; i++) found = found || best[i] == token;
    assert_true(found);
  }
  dlrt_chooser_free(chooser);
  free(many);
}

static void test_log_softmax(void **state) {
  (void)state;
  float values[3] = {1000, 1001, -INFINITY};
  assert_true(dlrt_log_softmax(values, 3));
  assert_true(fabs(values[0] + 1.3132617) < 1e-6 && fabs(values[1] + 0.3132617) < 1e-6);
  assert_true(values[2] == -INFINITY);
  float again[2] = {values[0], values[1]};
  assert_true(dlrt_log_softmax(again, 2));
  assert_true(fabsf(again[0] - values[0]) < 1e-6F);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_temperature), cmocka_unit_test(test_top_k),
      cmocka_unit_test(test_top_p),       cmocka_unit_test(test_greedy),
      cmocka_unit_test(test_many),        cmocka_unit_test(test_log_softmax)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
