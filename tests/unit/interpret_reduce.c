/* The reference interpreter: reductions, order, softmax, and what is made from nothing. */
#include "interpret_case.h"

#include "ir/random.h"

static RunTensor reduced(Case *c, Operator kind, const char *to, const char *axes, RunTensor x) {
  return apply(c, kind, to, WITH(integers(c, ATTRIBUTE_axis, axes)), TENSORS(x));
}

static void sums(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[2,2,2]", VALUES(1, 2, 3, 4, 5, 6, 7, 8));
  RunTensor y = reduced(c, OP_sum, "f32[2]", "0,2", x);
  expect(c, &y, VALUES(14, 22));
  y = reduced(c, OP_sum, "f32[2,1,2]", "1", x);
  expect(c, &y, VALUES(4, 6, 12, 14));
  y = reduced(c, OP_sum, "f32", "0,1,2", x);
  expect(c, &y, VALUES(36));
  y = reduced(c, OP_sum, "f32[2]", "-1", tensor(c, "f32[2,0]", VALUES(0)));
  expect(c, &y, VALUES(0, 0));
  y = reduced(c, OP_sum, "i32", "0", tensor(c, "i32[2]", VALUES(2147483647, 1)));
  expect(c, &y, VALUES(-2147483648.0));
}

/* In f32 the ones would be lost one by one. */
static void sums_are_kept_in_double(void **state) {
  Case *c = *state;
  RunTensor y = reduced(c, OP_sum, "f32", "0", tensor(c, "f32[5]", VALUES(16777216, 1, 1, 1, 1)));
  expect(c, &y, VALUES(16777220));
}

static void maxima(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[3,2]", VALUES(1, -2, NAN, -3, 5, -INFINITY));
  RunTensor y = reduced(c, OP_max, "f32[2]", "0", x);
  expect(c, &y, VALUES(NAN, -2));
  y = reduced(c, OP_max, "f32[3]", "1", x);
  expect(c, &y, VALUES(1, NAN, 5));
  y = reduced(c, OP_max, "f32[1]", "1", tensor(c, "f32[1,0]", VALUES(0)));
  expect(c, &y, VALUES(-INFINITY));
  y = reduced(c, OP_max, "i32", "0", tensor(c, "i32[0]", VALUES(0)));
  expect(c, &y, VALUES(-2147483648.0));
}

static void argmax_takes_the_first(void **state) {
  Case *c = *state;
  RunTensor x =
      tensor(c, "f32[3,3]", VALUES(1, 3, 3, NAN, 9, NAN, -INFINITY, -INFINITY, -INFINITY));
  RunTensor y = apply(c, OP_argmax, "i64[3]", WITH(integer(c, ATTRIBUTE_axis, 1)), TENSORS(x));
  expect(c, &y, VALUES(1, 0, 0));
  y = apply(c, OP_argmax, "i64[3]", WITH(integer(c, ATTRIBUTE_axis, 0)), TENSORS(x));
  expect(c, &y, VALUES(1, 1, 1));
  y = apply(c, OP_argmax, "i64", WITH(integer(c, ATTRIBUTE_axis, 0)),
            TENSORS(tensor(c, "i32[3]", VALUES(-5, -4, -4))));
  expect(c, &y, VALUES(1));
}

static void top_k_orders(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[2,4]", VALUES(1, 4, 2, 4, NAN, 0, INFINITY, NAN)), y[2];
  assert_true(apply_all(c, OP_top_k, 2, (const char *[]){"f32[2,3]", "i64[2,3]"}, y,
                        WITH(integer(c, ATTRIBUTE_k, 3), integer(c, ATTRIBUTE_axis, 1)),
                        TENSORS(x)));
  expect(c, &y[0], VALUES(4, 4, 2, NAN, NAN, INFINITY));
  expect(c, &y[1], VALUES(1, 3, 2, 0, 3, 2));
  assert_true(apply_all(c, OP_top_k, 2, (const char *[]){"f32[1,4]", "i64[1,4]"}, y,
                        WITH(integer(c, ATTRIBUTE_k, 1), integer(c, ATTRIBUTE_axis, 0)),
                        TENSORS(x)));
  expect(c, &y[0], VALUES(NAN, 4, INFINITY, NAN));
  expect(c, &y[1], VALUES(1, 0, 1, 1));
}

static void softmax_of_rows(void **state) {
  Case *c = *state;
  double third = 1 / (1 + exp(1) + exp(2));
  RunTensor x = tensor(c, "f64[3,2]", VALUES(1000, -INFINITY, 1001, -INFINITY, 1002, -INFINITY));
  RunTensor y = apply(c, OP_softmax, "f64[3,2]", WITH(integer(c, ATTRIBUTE_axis, 0)), TENSORS(x));
  /* A few roundings of numbers below 1. */
  expect_near(c, &y, VALUES(third, 0, third * exp(1), 0, third * exp(2), 0), 1e-15);
  y = apply(c, OP_softmax, "f64[2,2]", WITH(integer(c, ATTRIBUTE_axis, 1)),
            TENSORS(tensor(c, "f64[2,2]", VALUES(NAN, 1, -INFINITY, 3))));
  expect(c, &y, VALUES(NAN, NAN, 0, 1));
}

static void made_from_nothing(void **state) {
  Case *c = *state;
  RunTensor y = apply(c, OP_iota, "f32[2,3]", WITH(integer(c, ATTRIBUTE_axis, 1)), 0, NULL);
  expect(c, &y, VALUES(0, 1, 2, 0, 1, 2));
  y = apply(c, OP_iota, "i64[2,3]", WITH(integer(c, ATTRIBUTE_axis, 0)), 0, NULL);
  expect(c, &y, VALUES(0, 0, 0, 1, 1, 1));
  y = apply(c, OP_full, "bf16[2]", WITH(real(ATTRIBUTE_value, 257)), 0, NULL);
  expect(c, &y, VALUES(256, 256));
  int64_t huge = INT64_MAX;
  Attribute exact = {ATTRIBUTE_value, {.kind = ATTRIBUTE_NUMBER, .number = number_integer(huge)}};
  y = apply(c, OP_full, "i64[2]", WITH(exact), 0, NULL);
  assert_true(((int64_t *)y.bytes)[1] == huge);
  float values[] = {1.5f, -2};
  Attribute data = {ATTRIBUTE_value,
                    {.kind = ATTRIBUTE_DATA, .data = data_new(c->arena, ELEMENT_f32, 2, values)}};
  y = apply(c, OP_constant, "f32[2]", WITH(data), 0, NULL);
  expect(c, &y, VALUES(1.5, -2));
  y = apply(c, OP_dim_value, "i64", WITH(integer(c, ATTRIBUTE_value, 7)), 0, NULL);
  expect(c, &y, VALUES(7));
}

/* The known answers that the authors of Philox published. */
static void philox_known_answers(void **state) {
  (void)state;
  static const uint32_t cases[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
       0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xd16cfe09,
       0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for (int i = 0; i < 3; i++) {
    uint32_t result[4];
    philox(cases[i], cases[i] + 2, result);
    assert_memory_equal(result, cases[i] + 6, sizeof result);
  }
}

static void random_numbers(void **state) {
  Case *c = *state;
  c->options.seed = 7;
  Attribute site = integer(c, ATTRIBUTE_site, 3);
  RunTensor y = apply(c, OP_random, "f32[1000]", WITH(site), 0, NULL);
  double sum = 0;
  for (int i = 0; i < 1000; i++) {
    double value = element_of(c, &y, i);
    assert_true(value >= 0 && value < 1 && value * 16777216 == floor(value * 16777216));
    sum += value;
  }
  /* Ten standard deviations of the mean, 1 / sqrt(12 * 1000) each. */
  assert_true(fabs(sum / 1000 - 0.5) < 0.1);
  RunTensor again = apply(c, OP_random, "f32[1000]", WITH(site), 0, NULL);
  assert_memory_equal(y.bytes, again.bytes, 4000);
  c->options.call = 1;
  again = apply(c, OP_random, "f32[1000]", WITH(site), 0, NULL);
  assert_memory_not_equal(y.bytes, again.bytes, 4000);
  c->options.call = 0;
  again = apply(c, OP_random, "f32[1000]", WITH(integer(c, ATTRIBUTE_site, 4)), 0, NULL);
  assert_memory_not_equal(y.bytes, again.bytes, 4000);
  assert_true(random_number(ELEMENT_bf16, UINT32_MAX) < 1);
  assert_true(element_round(ELEMENT_bf16, random_number(ELEMENT_bf16, UINT32_MAX)) < 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(sums),
      CASE(sums_are_kept_in_double),
      CASE(maxima),
      CASE(argmax_takes_the_first),
      CASE(top_k_orders),
      CASE(softmax_of_rows),
      CASE(made_from_nothing),
      CASE(philox_known_answers),
      CASE(random_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
