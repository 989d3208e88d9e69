/* ir/graph and ir/build: what operations are made, what types they get, what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/build.h"

#include <math.h>
#include <string.h>

static Arena *arena;
static Module *module;
static Function *function;
static Builder builder;
static const Symbol *symbol_n, *symbol_m;

static int set_up(void **state) {
  (void)state;
  arena = arena_new();
  module = module_new(arena, "test");
  symbol_n = dim_symbol_new(module->dims, "N", 1, 256, false);
  symbol_m = dim_symbol_new(module->dims, "M", 1, 256, false);
  function = module_add_function(module, FUNCTION_MODEL, "test");
  builder = (Builder){.function = function, .block = function->body};
  return 0;
}
static int tear_down(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

/* 'N' and 'M' in a size stand for the symbols: -1 and -2. */
enum { N = -1, M = -2 };
static Value *input(Element element, int rank, const int64_t *sizes) {
  Type type = {.element = element, .rank = rank};
  for (int i = 0; i < rank; i++)
    type.dims[i] = sizes[i] == N   ? dim_of_symbol(module->dims, symbol_n)
                   : sizes[i] == M ? dim_of_symbol(module->dims, symbol_m)
                                   : dim_constant(module->dims, sizes[i]);
  return function_add_input(function, NULL, type);
}
#define INPUT(element, ...)                                                                        \
  input(ELEMENT_##element, sizeof((int64_t[]){__VA_ARGS__}) / 8, (int64_t[]){__VA_ARGS__})

#define SHOULD_BE(value, text)                                                                     \
  do {                                                                                             \
    const Value *got = (value);                                                                    \
    if (!got) fail_msg("%s", builder.failure.message);                                             \
    assert_string_equal(type_text(arena, &got->type), text);                                       \
  } while (0)

static void should_fail(const Value *value, DiagnosticCode code, int operand, const char *label) {
  assert_null(value);
  assert_int_equal(builder.failure.code, code);
  assert_int_equal(builder.failure.operand, operand);
  assert_non_null(builder.failure.message);
  if (label) assert_string_equal(builder.failure.label, label);
}

static Value *build_1(Operator kind, Value *x, AttributeName name, AttributeValue value) {
  return build(&builder, kind, &x, 1, &(Attribute){name, value}, 1);
}
static Value *build_2(Operator kind, Value *x, Value *y) {
  return build(&builder, kind, (Value *[]){x, y}, 2, NULL, 0);
}
static AttributeValue whole(int64_t v) {
  return attribute_integer(module, v);
}
#define LIST(...)                                                                                  \
  attribute_integers(module, (int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / 8)

static void elementwise(void **state) {
  (void)state;
  Value *x = INPUT(f32, N, 6, 28), *b = INPUT(f32, 6, 1), *i = INPUT(i64, N);
  SHOULD_BE(build_2(OP_add, x, b), "f32[N,6,28]");
  SHOULD_BE(build_2(OP_lt, b, x), "bool[N,6,28]");
  SHOULD_BE(build_1(OP_cast, i, ATTRIBUTE_to, attribute_element(ELEMENT_f16)), "f16[N]");
  should_fail(build_2(OP_add, x, INPUT(f32, 7, 1)), E0203, 1,
              "f32[N,6,28] and f32[7,1]: 6 is not 7");
  should_fail(build_2(OP_mul, INPUT(f32, N), INPUT(f32, M)), E0203, 1,
              "f32[N] and f32[M]: N is not M");
  should_fail(build_2(OP_mul, i, INPUT(f32, N)), E0201, 1, "i64[N] and f32[N]: f32 is not i64");
  should_fail(build_2(OP_add, INPUT(u8, 3), INPUT(u8, 3)), E0202, 0, "u8[3]");
  should_fail(build(&builder, OP_exp, &i, 1, NULL, 0), E0202, 0, "i64[N]");
}

static void shapes(void **state) {
  (void)state;
  Value *x = INPUT(f32, N, 16, 5, 5);
  SHOULD_BE(build_1(OP_reshape, x, ATTRIBUTE_shape, LIST(-1, 400)), "f32[N,400]");
  should_fail(build_1(OP_reshape, x, ATTRIBUTE_shape, LIST(3, -1)), E0206, 0, NULL);
  SHOULD_BE(build_1(OP_transpose, x, ATTRIBUTE_perm, LIST(0, -1, 1, 2)), "f32[N,5,16,5]");
  should_fail(build_1(OP_transpose, x, ATTRIBUTE_perm, LIST(0, 1, 2)), E0205, 0, NULL);
  Value *sum = build_1(OP_sum, x, ATTRIBUTE_axis, LIST(-1, 1));
  SHOULD_BE(sum, "f32[N,5]");
  assert_int_equal(op_list_integer(sum->op, ATTRIBUTE_axis, 0), 1);
  assert_int_equal(op_list_integer(sum->op, ATTRIBUTE_axis, 1), 3);
  assert_false(op_flag(sum->op, ATTRIBUTE_keepdims));
  SHOULD_BE(build_1(OP_softmax, x, ATTRIBUTE_axis, whole(-1)), "f32[N,16,5,5]");
  should_fail(build_1(OP_softmax, x, ATTRIBUTE_axis, whole(4)), E0205, 0, "f32[N,16,5,5]");
  should_fail(build_1(OP_sum, x, ATTRIBUTE_axis, LIST(1, -3)), E0205, -1, NULL);
  Attribute slice[] = {
      {ATTRIBUTE_start, LIST(4, 0)}, {ATTRIBUTE_stop, LIST(-1, 9)}, {ATTRIBUTE_step, LIST(-2, 3)}};
  Value *y = INPUT(f32, 5, 10);
  SHOULD_BE(build(&builder, OP_slice, &y, 1, slice, 3), "f32[3,3]");
  slice[1].value = LIST(-1, 11);
  should_fail(build(&builder, OP_slice, &y, 1, slice, 3), E0208, 0,
              "f32[5,10]: from 0 to 11 of 10");
  SHOULD_BE(build_1(OP_pad, y, ATTRIBUTE_before, whole(1)), "f32[6,11]");
  Value *two[] = {y, INPUT(f32, 5, 3)};
  SHOULD_BE(build(&builder, OP_concat, two, 2, &(Attribute){ATTRIBUTE_axis, whole(-1)}, 1),
            "f32[5,13]");
  should_fail(build(&builder, OP_concat, two, 2, &(Attribute){ATTRIBUTE_axis, whole(0)}, 1), E0203,
              1, "f32[5,10] and f32[5,3]: 3 is not 10");
  Attribute pool[] = {
      {ATTRIBUTE_axes, LIST(2, 3)}, {ATTRIBUTE_kernel, whole(2)}, {ATTRIBUTE_stride, whole(2)}};
  SHOULD_BE(build(&builder, OP_windows, &x, 1, pool, 3), "f32[N,16,2,2,2,2]");
  pool[1].value = whole(6);
  should_fail(build(&builder, OP_windows, &x, 1, pool, 3), E0207, 0,
              "f32[N,16,5,5]: axis 2 has 5 with its padding, a window covers 6");
}

static void products(void **state) {
  (void)state;
  Value *xw[] = {INPUT(f32, N, 6, 28, 28), INPUT(f32, 16, 6, 5, 5)};
  Attribute conv[] = {{ATTRIBUTE_pad, whole(2)}, {ATTRIBUTE_stride, LIST(2, 1)}};
  Value *y = build(&builder, OP_conv, xw, 2, conv, 2);
  SHOULD_BE(y, "f32[N,16,14,28]");
  assert_int_equal(op_pair_integer(y->op, ATTRIBUTE_pad, 1, 1), 2);
  assert_int_equal(op_list_integer(y->op, ATTRIBUTE_dilation, 1), 1);
  assert_string_equal(op_word(y->op, ATTRIBUTE_layout), "nchw");
  conv[1].value = LIST(2, 1, 1);
  should_fail(build(&builder, OP_conv, xw, 2, conv, 2), E0210, -1, NULL);
  should_fail(build_2(OP_conv, xw[0], INPUT(f32, 16, 3, 5, 5)), E0209, 1,
              "f32[N,6,28,28] and f32[16,3,5,5]: 6 is not 3");
  SHOULD_BE(build_2(OP_conv_transpose, xw[0], INPUT(f32, 6, 4, 3, 3)), "f32[N,4,30,30]");
  Attribute weight[] = {{ATTRIBUTE_pad, whole(2)}, {ATTRIBUTE_kernel, whole(5)}};
  Value *gradient[] = {xw[0], INPUT(f32, N, 16, 28, 28)};
  SHOULD_BE(build(&builder, OP_conv_weight, gradient, 2, weight, 2), "f32[16,6,5,5]");

  Attribute inner = {ATTRIBUTE_contract,
                     attribute_two_lists(module, (int64_t[]){-1}, (int64_t[]){0}, 1)};
  Value *dot[] = {INPUT(f32, N, 400), INPUT(f32, 400, 120)};
  SHOULD_BE(build(&builder, OP_dot, dot, 2, &inner, 1), "f32[N,120]");
  dot[1] = INPUT(f32, 120, 400);
  should_fail(build(&builder, OP_dot, dot, 2, &inner, 1), E0204, 1,
              "f32[N,400] @ f32[120,400]: 400 is not 120");
  Value *bytes[] = {INPUT(u8, 3, 4), INPUT(i8, 4, 5)};
  SHOULD_BE(build(&builder, OP_dot, bytes, 2, &inner, 1), "i32[3,5]");

  Value *qkv[] = {INPUT(f32, N, 8, 7, 32), INPUT(f32, N, 8, 9, 32), INPUT(f32, N, 8, 9, 16),
                  INPUT(bool, N, 7, 9)};
  SHOULD_BE(build(&builder, OP_attention, qkv, 3, NULL, 0), "f32[N,8,7,16]");
  should_fail(build(&builder, OP_attention, qkv, 4, NULL, 0), E0203, 3,
              "bool[N,7,9] against f32[N,8,7,9]: N is not 8");
}

static void indices(void **state) {
  (void)state;
  Value *table_at[] = {INPUT(f32, 1000, 64), INPUT(i64, N, 12)};
  Attribute axis = {ATTRIBUTE_axis, whole(0)};
  SHOULD_BE(build(&builder, OP_gather, table_at, 2, &axis, 1), "f32[N,12,64]");
  Attribute picked[] = {{ATTRIBUTE_axis, whole(1)}, {ATTRIBUTE_batch, whole(1)}};
  Value *pick[] = {INPUT(f32, N, 10), INPUT(i64, N)};
  SHOULD_BE(build(&builder, OP_gather, pick, 2, picked, 2), "f32[N]");
  Value *x = pick[0];
  Attribute top[] = {{ATTRIBUTE_k, whole(3)}, {ATTRIBUTE_axis, whole(1)}};
  Value *values = build(&builder, OP_top_k, &x, 1, top, 2);
  SHOULD_BE(values, "f32[N,3]");
  SHOULD_BE(values->op->results[1], "i64[N,3]");
}

static void undecided_relations_are_checks(void **state) {
  (void)state;
  Symbol *pos = dim_symbol_new(module->dims, "pos", 0, 1023, true);
  const Dim *n = dim_of_symbol(module->dims, symbol_n), *p = dim_of_symbol(module->dims, pos);
  Value *x = INPUT(f32, 1024);
  Attribute slice[] = {
      {ATTRIBUTE_start, attribute_dims(module, &p, 1)},
      {ATTRIBUTE_stop, attribute_dims(module, (const Dim *[]){dim_add(module->dims, p, n)}, 1)}};
  for (int i = 0; i < 2; i++) SHOULD_BE(build(&builder, OP_slice, &x, 1, slice, 2), "f32[N]");
  assert_int_equal(function->checks.count, 1); /* once, though made twice */
  Check check = function->checks.items[0];
  assert_int_equal(check.kind, CHECK_LESS_OR_EQUAL);
  assert_ptr_equal(check.left, dim_add(module->dims, p, n));
  assert_true(dim_is(check.right, 1024));
}

static void constants_and_uniform_values(void **state) {
  (void)state;
  Number number;
  Value *c = build_number(&builder, ELEMENT_f32, 0.1);
  SHOULD_BE(c, "f32");
  assert_true(value_is_uniform(c, &number));
  assert_true(number.real == (double)0.1f);
  Value *wide = build_1(OP_broadcast, c, ATTRIBUTE_shape, LIST(3, 4));
  SHOULD_BE(wide, "f32[3,4]");
  assert_true(value_is_uniform(wide, &number));
  assert_false(value_is_uniform(build_unary(&builder, OP_exp, c), &number));
  should_fail(build_typed(&builder, OP_full, type_scalar(ELEMENT_i32), NULL,
                          &(Attribute){ATTRIBUTE_value, attribute_number(number_real(0.5))}, 1),
              E0210, -1, NULL);
  should_fail(build_typed(&builder, OP_read, type_scalar(ELEMENT_f32), "w", NULL, 0), E0213, -1,
              NULL);
}

static void limits(void **state) {
  (void)state;
  Value *x = INPUT(f32, 1);
  should_fail(build_1(OP_reshape, x, ATTRIBUTE_shape, LIST(1, 1, 1, 1, 1, 1, 1, 1, 1)), E0611, -1,
              NULL);
  should_fail(build_1(OP_broadcast, x, ATTRIBUTE_shape, LIST((int64_t)1 << 46)), E0610, -1, NULL);
  should_fail(build_1(OP_broadcast, x, ATTRIBUTE_shape, LIST(INT64_MAX, INT64_MAX, 1)), E0610, -1,
              NULL);
  should_fail(build_1(OP_broadcast, x, ATTRIBUTE_shape, LIST(-5, 1)), E0212, -1, NULL);
}

static void editing(void **state) {
  (void)state;
  Value *x = INPUT(f32, 4);
  Value *a = build_unary(&builder, OP_exp, x), *b = build_unary(&builder, OP_log, a);
  Value *c = build_binary(&builder, OP_add, b, b);
  graph_count_uses(function);
  assert_int_equal(b->mark, 2);
  builder.before = b->op;
  Value *d = build_unary(&builder, OP_tanh, x);
  assert_ptr_equal(a->op->next, d->op);
  assert_ptr_equal(b->op->previous, d->op);
  b->forward = d;
  d->forward = a;
  graph_resolve(function);
  assert_ptr_equal(c->op->operands[0], a);
  op_remove(b->op);
  op_remove(d->op);
  assert_int_equal(function_operations(function, true), 2);
}

static void tensors_are_found_by_name(void **state) {
  (void)state;
  for (int i = 0; i < 500; i++)
    module_add_tensor(module, TENSOR_PARAM, arena_format(arena, "w.%d", i),
                      type_scalar(ELEMENT_f32), NULL);
  assert_ptr_equal(module_tensor(module, "w.321"), module->tensors.items[321]);
  assert_null(module_tensor(module, "w.500"));
  module->tensors.count = 100;
  assert_null(module_tensor(module, "w.321"));
  assert_ptr_equal(module_tensor(module, "w.99"), module->tensors.items[99]);
}

static void elements_round(void **state) {
  (void)state;
  const struct {
    Element element;
    double from, to;
  } cases[] = {
      {ELEMENT_f16, 1 + 0x1p-11, 1},
      {ELEMENT_f16, 1 + 0x3p-11, 1 + 0x1p-9},
      {ELEMENT_f16, 65519, 65504},
      {ELEMENT_f16, 65520, INFINITY},
      {ELEMENT_f16, 0x1p-25, 0},
      {ELEMENT_f16, 0x1.8p-25, 0x1p-24},
      {ELEMENT_f16, -0x1p-14, -0x1p-14},
      {ELEMENT_bf16, 1 + 0x1p-8, 1},
      {ELEMENT_bf16, 0x1.ffp127, INFINITY},
      {ELEMENT_bf16, 0x1p-133, 0x1p-133},
      {ELEMENT_i32, -1.9, -1},
      {ELEMENT_i32, 1e30, INT32_MAX},
      {ELEMENT_i32, NAN, 0},
      {ELEMENT_u8, -3, 0},
      {ELEMENT_i8, 200, 127},
      {ELEMENT_bool, 0.5, 1},
      {ELEMENT_i64, 1e300, 0x1p63},
      {ELEMENT_i64, -1e300, -0x1p63},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t slot = 0;
    element_store(cases[i].element, &slot, 0, cases[i].from);
    double got = element_load(cases[i].element, &slot, 0);
    if (got != cases[i].to) fail_msg("case %zu: %g, not %g", i, got, cases[i].to);
    assert_true(element_round(cases[i].element, cases[i].from) == cases[i].to);
  }
  for (unsigned bits = 0; bits < 65536; bits++)
    for (int half = 0; half < 2; half++) { /* every half reads and writes as itself */
      Element element = half ? ELEMENT_f16 : ELEMENT_bf16;
      uint16_t from = (uint16_t)bits, to;
      double value = element_load(element, &from, 0);
      element_store(element, &to, 0, value);
      if (!isnan(value)) assert_int_equal(from, to);
      if (isnan(value)) assert_true(isnan(element_load(element, &to, 0)));
    }
  uint8_t byte;
  element_store_integer(ELEMENT_u8, &byte, 0, 0x1234);
  assert_int_equal(byte, 0x34);
}

static void hashes(void **state) {
  (void)state;
  Data *data = data_new(arena, ELEMENT_u8, 3, "abc");
  assert_string_equal(data_hash(arena, data), "xba7816bf"); /* FIPS 180-4's example */
  char million[1000] = {0};
  Data *zeros = data_new(arena, ELEMENT_u8, 1000, million);
  assert_string_equal(data_hash(arena, zeros), "x541b3e9d");
  assert_false(data_equal(data, zeros));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(elementwise),
      TEST(shapes),
      TEST(products),
      TEST(indices),
      TEST(undecided_relations_are_checks),
      TEST(constants_and_uniform_values),
      TEST(limits),
      TEST(editing),
      TEST(tensors_are_found_by_name),
      TEST(elements_round),
      TEST(hashes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
