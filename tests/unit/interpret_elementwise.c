/* The reference interpreter: elementwise operators. */
#include "interpret_case.h"

static RunTensor binary(Case *c, Operator kind, const char *to, RunTensor x, RunTensor y) {
  return apply(c, kind, to, WITHOUT, TENSORS(x, y));
}

static void broadcasts_as_numpy_does(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[2,1,3]", VALUES(1, 2, 3, 4, 5, 6));
  RunTensor y = tensor(c, "f32[2,1]", VALUES(10, 20));
  RunTensor z = binary(c, OP_sub, "f32[2,2,3]", x, y);
  expect(c, &z, VALUES(-9, -8, -7, -19, -18, -17, -6, -5, -4, -16, -15, -14));
  RunTensor scalar = tensor(c, "f32", VALUES(2));
  z = binary(c, OP_mul, "f32[2,1,3]", scalar, x);
  expect(c, &z, VALUES(2, 4, 6, 8, 10, 12));
  RunTensor none = tensor(c, "f32[0,3]", VALUES(0));
  z = binary(c, OP_add, "f32[0,3]", none, tensor(c, "f32[3]", VALUES(1, 2, 3)));
  assert_int_equal(z.count, 0);
}

static void long_rows_pass_the_block(void **state) {
  Case *c = *state;
  double *values = ARENA_ARRAY(c->arena, 2 * 700, double),
         *sums = ARENA_ARRAY(c->arena, 1400, double);
  for (int i = 0; i < 1400; i++) {
    values[i] = i;
    sums[i] = i + (i < 700 ? 1 : 2);
  }
  RunTensor z = binary(c, OP_add, "f32[2,700]", tensor(c, "f32[2,700]", values),
                       tensor(c, "f32[2,1]", VALUES(1, 2)));
  expect(c, &z, sums);
}

static void a_nan_wins_in_maximum_and_minimum(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[5]", VALUES(1, NAN, 2, -INFINITY, NAN));
  RunTensor y = tensor(c, "f32[5]", VALUES(2, 1, NAN, 3, NAN));
  RunTensor z = binary(c, OP_maximum, "f32[5]", x, y);
  expect(c, &z, VALUES(2, NAN, NAN, 3, NAN));
  z = binary(c, OP_minimum, "f32[5]", x, y);
  expect(c, &z, VALUES(1, NAN, NAN, -INFINITY, NAN));
}

static void comparisons_with_nan_are_false(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[4]", VALUES(1, NAN, 2, NAN));
  RunTensor y = tensor(c, "f32[4]", VALUES(1, 1, 3, NAN));
  RunTensor z = binary(c, OP_eq, "bool[4]", x, y);
  expect(c, &z, VALUES(1, 0, 0, 0));
  z = binary(c, OP_lt, "bool[4]", x, y);
  expect(c, &z, VALUES(0, 0, 1, 0));
  z = binary(c, OP_le, "bool[4]", x, y);
  expect(c, &z, VALUES(1, 0, 1, 0));
  z = binary(c, OP_lt, "bool[2]", tensor(c, "u8[2]", VALUES(200, 3)),
             tensor(c, "u8[1]", VALUES(100)));
  expect(c, &z, VALUES(0, 1));
}

static void integer_division_floors_and_never_traps(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "i32[6]", VALUES(7, -7, 7, -7, 5, -2147483648.0));
  RunTensor y = tensor(c, "i32[6]", VALUES(2, 2, -2, -2, 0, -1));
  RunTensor z = binary(c, OP_div, "i32[6]", x, y);
  expect(c, &z, VALUES(3, -4, -4, 3, 0, -2147483648.0));
  z = binary(c, OP_rem, "i32[6]", x, y);
  expect(c, &z, VALUES(1, 1, -1, -1, 5, 0));
  RunTensor most = tensor(c, "i64[1]", VALUES(0)), one = tensor(c, "i64[1]", VALUES(-1));
  *(int64_t *)most.bytes = INT64_MIN;
  z = binary(c, OP_div, "i64[1]", most, one);
  assert_true(*(int64_t *)z.bytes == INT64_MIN);
  z = binary(c, OP_rem, "i64[1]", most, one);
  assert_true(*(int64_t *)z.bytes == 0);
}

static void integers_wrap(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "i32[2]", VALUES(2147483647, -2147483648.0));
  RunTensor one = tensor(c, "i32", VALUES(1));
  RunTensor z = binary(c, OP_add, "i32[2]", x, one);
  expect(c, &z, VALUES(-2147483648.0, -2147483647));
  z = binary(c, OP_mul, "i32[2]", x, tensor(c, "i32", VALUES(3)));
  expect(c, &z, VALUES(2147483645, -2147483648.0));
  z = apply(c, OP_abs, "i32[2]", WITHOUT, TENSORS(x));
  expect(c, &z, VALUES(2147483647, -2147483648.0));
  z = binary(c, OP_pow, "i32[3]", tensor(c, "i32[3]", VALUES(3, -2, 2)),
             tensor(c, "i32[3]", VALUES(4, 3, -1)));
  expect(c, &z, VALUES(81, -8, 0));
}

static void real_division_and_remainder(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[4]", VALUES(5.5, -5.5, 1, -1));
  RunTensor y = tensor(c, "f32[4]", VALUES(2, 2, 0, -0.75));
  RunTensor z = binary(c, OP_div, "f32[4]", x, y);
  expect(c, &z, VALUES(2.75, -2.75, INFINITY, (float)(1 / 0.75)));
  z = binary(c, OP_rem, "f32[4]", x, y);
  expect(c, &z, VALUES(1.5, 0.5, NAN, -0.25));
}

static void powers(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f64[5]", VALUES(-3, 0.1, 2, 4, -8));
  RunTensor y = tensor(c, "f64[5]", VALUES(2, 2, -2, 0.5, 1.0 / 3));
  RunTensor z = binary(c, OP_pow, "f64[5]", x, y);
  expect(c, &z, VALUES(9, 0.1 * 0.1, 0.25, 2, NAN));
}

static void functions_of_one(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[3]", VALUES(0.25, 4, 1));
  RunTensor z = apply(c, OP_sqrt, "f32[3]", WITHOUT, TENSORS(x));
  expect(c, &z, VALUES(0.5, 2, 1));
  z = apply(c, OP_rsqrt, "f32[3]", WITHOUT, TENSORS(x));
  expect(c, &z, VALUES(2, 0.5, 1));
  z = apply(c, OP_exp, "f32[3]", WITHOUT, TENSORS(x));
  expect(c, &z, VALUES((float)exp(0.25), (float)exp(4), (float)exp(1)));
  z = apply(c, OP_log1p, "f32[3]", WITHOUT, TENSORS(x));
  expect(c, &z, VALUES((float)log1p(0.25), (float)log(5), (float)log(2)));
  z = apply(c, OP_erf, "f32[3]", WITHOUT, TENSORS(x));
  expect(c, &z, VALUES((float)erf(0.25), (float)erf(4), (float)erf(1)));
  z = apply(c, OP_floor, "f32[3]", WITHOUT, TENSORS(tensor(c, "f32[3]", VALUES(-0.5, 2.9, -3))));
  expect(c, &z, VALUES(-1, 2, -3));
  z = apply(c, OP_neg, "f32[2]", WITHOUT, TENSORS(tensor(c, "f32[2]", VALUES(0, -3))));
  expect(c, &z, VALUES(0, 3));
  assert_true(signbit(((float *)z.bytes)[0]));
}

static void bools(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "bool[4]", VALUES(0, 0, 1, 1)),
            y = tensor(c, "bool[4]", VALUES(0, 1, 0, 1));
  RunTensor z = binary(c, OP_and, "bool[4]", x, y);
  expect(c, &z, VALUES(0, 0, 0, 1));
  z = binary(c, OP_or, "bool[4]", x, y);
  expect(c, &z, VALUES(0, 1, 1, 1));
  z = binary(c, OP_eq, "bool[4]", x, y);
  expect(c, &z, VALUES(1, 0, 0, 1));
  z = apply(c, OP_not, "bool[4]", WITHOUT, TENSORS(x));
  expect(c, &z, VALUES(1, 1, 0, 0));
}

static void where_picks_and_broadcasts(void **state) {
  Case *c = *state;
  RunTensor when = tensor(c, "bool[2,1]", VALUES(1, 0));
  RunTensor x = tensor(c, "f32[3]", VALUES(1, 2, 3)), y = tensor(c, "f32", VALUES(NAN));
  RunTensor z = apply(c, OP_where, "f32[2,3]", WITHOUT, TENSORS(when, x, y));
  expect(c, &z, VALUES(1, 2, 3, NAN, NAN, NAN));
}

/* bf16 has 8 bits: 257 lies between 256 and 258, and goes to the even one. */
static void half_precisions_round_to_even(void **state) {
  Case *c = *state;
  RunTensor z = binary(c, OP_add, "bf16[3]", tensor(c, "bf16[3]", VALUES(256, 258, 1)),
                       tensor(c, "bf16[3]", VALUES(1, 1, 0.00390625)));
  expect(c, &z, VALUES(256, 260, 1));
  z = binary(c, OP_mul, "f16[2]", tensor(c, "f16[2]", VALUES(300, 2049)),
             tensor(c, "f16[2]", VALUES(300, 1)));
  expect(c, &z, VALUES(INFINITY, 2048));
}

static void casts(void **state) {
  Case *c = *state;
  Attribute to = {ATTRIBUTE_to, {.kind = ATTRIBUTE_ELEMENT, .element = ELEMENT_i8}};
  RunTensor x = tensor(c, "f32[6]", VALUES(1.9, -1.9, 300, -300, NAN, INFINITY));
  RunTensor z = apply(c, OP_cast, "i8[6]", WITH(to), TENSORS(x));
  expect(c, &z, VALUES(1, -1, 127, -128, 0, 127));
  z = apply(c, OP_cast, "u8[6]", WITH(to), TENSORS(x));
  expect(c, &z, VALUES(1, 0, 255, 0, 0, 255));
  z = apply(c, OP_cast, "i8[3]", WITH(to), TENSORS(tensor(c, "i32[3]", VALUES(257, 128, -129))));
  expect(c, &z, VALUES(1, -128, 127));
  z = apply(c, OP_cast, "bool[3]", WITH(to), TENSORS(tensor(c, "f32[3]", VALUES(0, -0.5, NAN))));
  expect(c, &z, VALUES(0, 1, 1));
  z = apply(c, OP_cast, "f32[2]", WITH(to), TENSORS(tensor(c, "bool[2]", VALUES(0, 1))));
  expect(c, &z, VALUES(0, 1));
  /* 2^53 + 2^29 + 1: half way for f32 but for its last bit, which a double would lose. */
  RunTensor big = tensor(c, "i64[1]", VALUES(0));
  *(int64_t *)big.bytes = ((int64_t)1 << 53) + ((int64_t)1 << 29) + 1;
  z = apply(c, OP_cast, "f32[1]", WITH(to), TENSORS(big));
  expect(c, &z, VALUES(9007199254740992.0 + 1073741824.0));
}

static void wide_keeps_double(void **state) {
  Case *c = *state;
  c->options.wide = true;
  RunTensor z = binary(c, OP_add, "bf16[1]", tensor(c, "bf16[1]", VALUES(0.1)),
                       tensor(c, "bf16[1]", VALUES(0.2)));
  expect(c, &z, VALUES(0.1 + 0.2));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(broadcasts_as_numpy_does),
      CASE(long_rows_pass_the_block),
      CASE(a_nan_wins_in_maximum_and_minimum),
      CASE(comparisons_with_nan_are_false),
      CASE(integer_division_floors_and_never_traps),
      CASE(integers_wrap),
      CASE(real_division_and_remainder),
      CASE(powers),
      CASE(functions_of_one),
      CASE(bools),
      CASE(where_picks_and_broadcasts),
      CASE(half_precisions_round_to_even),
      CASE(casts),
      CASE(wide_keeps_double),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
