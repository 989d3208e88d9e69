/* tests/reference/formula.h: the same bits as formula.py, which printed these. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/reference/formula.h"

#define SHAPE(...)                                                                                 \
  (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

static const FormulaScale scales[] = {{"", true, 1.0}, {"mapping", true, 10000.0}};

static void same(float first, float second, int64_t count, float last, const char *name,
                 const int64_t *shape, size_t rank, size_t scale_count) {
  Formula f = formula_parameter_of(name, shape, (int)rank, scales, scale_count);
  assert_true(formula_parameter(&f, 0) == first);
  assert_true(formula_parameter(&f, 1) == second);
  assert_true(formula_parameter(&f, (uint64_t)count - 1) == last);
}

static void parameters(void **state) {
  (void)state;
  same(0x1.a60126p-7f, 0x1.1ee8c6p-4f, 9408, -0x1.5f650ep-4f, "conv1.weight", SHAPE(64, 3, 7, 7),
       0);
  same(0x1.25700cp+0f, 0x1.56999cp+0f, 64, 0x1.685168p+0f, "layer1.0.bn1.running_var", SHAPE(64),
       0);
  same(0x1.a0c2a4p-1f, 0x1.3e9bfcp+0f, 64, 0x1.fcc98cp-1f, "layer1.0.bn1.weight", SHAPE(64), 0);
  same(-0x1.24edcep-8f, -0x1.f91acep-9f, 1000, -0x1.13681ap-5f, "fc.bias", SHAPE(1000), 0);
  same(-0x1.03738ap+5f, 0x1.381c74p+7f, 144, 0x1.2a6b32p+7f, "mapping.0.weight", SHAPE(12, 12), 2);
}

static void inputs(void **state) {
  (void)state;
  const int64_t tokens[] = {3850, 3965, 9830, 5470, 16477, 25212, 27786, 4569};
  const bool mask[] = {true, false, true, false, false, false, true, true};
  const int64_t frames[] = {170, 141, 214, 167, 29, 224, 213, 152};
  for (uint64_t i = 0; i < 8; i++) {
    assert_true(formula_integer(formula_hash("input ", "token"), i, 0, 30522) == tokens[i]);
    assert_true(formula_bool(formula_hash("input ", "mask"), i) == mask[i]);
    assert_true(formula_integer(formula_hash("input ", "frames"), i, 0, 256) == frames[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(parameters), cmocka_unit_test(inputs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
