/* The reference interpreter: whole functions - dims, states, regions, memory. */
#include "interpret_case.h"

static Value *add_op(Case *c, Block *block, Operator kind, const char *result, int attribute_count,
                     const Attribute *attributes, int count, Value *const *operands) {
  Op *op =
      operation(c, kind, result ? 1 : 0, &result, attribute_count, attributes, count, operands);
  op_append(block, op);
  return result ? op_result(op) : NULL;
}
#define OPERANDS(...)                                                                              \
  (int)(sizeof((Value *[]){__VA_ARGS__}) / sizeof(Value *)), (Value *[]) {                         \
    __VA_ARGS__                                                                                    \
  }

static void set_yields(Case *c, Block *block, int count, Value *const *values) {
  block->yields = arena_copy(c->arena, values, (size_t)count * sizeof *values);
  block->yield_count = count;
}

static Symbol *add_dim(Case *c, const char *name, int64_t min, int64_t max) {
  return dim_symbol_new(c->module->dims, name, min, max, false);
}

static void dims_are_of_the_run(void **state) {
  Case *c = *state;
  const Symbol *n = add_dim(c, "N", 1, 4);
  Value *x = function_add_input(c->function, "x", type(c, "f32[N,2]"));
  Block *body = c->function->body;
  Value *y = add_op(c, body, OP_sum, "f32[2]", WITH(integers(c, ATTRIBUTE_axis, "0")), OPERANDS(x));
  Attribute size = {ATTRIBUTE_value,
                    {.kind = ATTRIBUTE_DIM, .dim = dim_of_symbol(c->module->dims, n)}};
  Value *count = add_op(c, body, OP_dim_value, "i64", WITH(size), 0, NULL);
  set_yields(c, body, OPERANDS(y, count));
  RunTensor outputs[2], input = tensor(c, "f32[3,2]", VALUES(1, 2, 3, 4, 5, 6));
  c->options.dims = (int64_t[]){3};
  assert_true(interpret(c->function, &c->options, &input, outputs, &c->message));
  expect(c, &outputs[0], VALUES(9, 12));
  expect(c, &outputs[1], VALUES(3));

  c->options.dims = (int64_t[]){2};
  assert_false(interpret(c->function, &c->options, &input, outputs, &c->message));
  assert_string_equal(c->message, "axis 0 of input x has size 3, not 2");
  c->options.dims = (int64_t[]){5};
  assert_false(interpret(c->function, &c->options, &input, outputs, &c->message));
  assert_string_equal(c->message, "N is 5, not in 1..5");
  Check check = {CHECK_LESS, dim_of_symbol(c->module->dims, n), dim_constant(c->module->dims, 3),
                 NULL};
  vec_push(c->arena, &c->function->checks, check);
  c->options.dims = (int64_t[]){3};
  assert_false(interpret(c->function, &c->options, &input, outputs, &c->message));
  assert_string_equal(c->message, "N < 3 does not hold: 3 and 3");
}

/* ---- states ---- */
typedef struct {
  float value[4]; /* at the bound */
  int writes;
} State;

static bool give(void *user, const Tensor *tensor, RunTensor *value) {
  if (strcmp(tensor->name, "s") != 0) return false;
  value->bytes = ((State *)user)->value;
  return true;
}

static void take(void *user, const Tensor *tensor, const RunTensor *value) {
  State *s = user;
  assert_string_equal(tensor->name, "s");
  assert_int_equal(value->count, 4);
  memcpy(s->value, value->bytes, sizeof s->value);
  s->writes++;
}

/* s has 4 rows at the bound of N; a call with 2 sees and changes the first two, and a read after
 * the write sees it. */
static void states_lie_at_their_bound(void **state) {
  Case *c = *state;
  add_dim(c, "N", 1, 4);
  module_add_tensor(c->module, TENSOR_STATE, "s", type(c, "f32[N]"), NULL);
  Tensor *w = module_add_tensor(c->module, TENSOR_PARAM, "w", type(c, "f32"), NULL);
  w->data = data_new(c->arena, ELEMENT_f32, 1, (float[]){10});
  Block *body = c->function->body;
  function_add_input(c->function, "x", type(c, "f32[N]"));
  Value *before = add_op(c, body, OP_read, "f32[N]", WITHOUT, 0, NULL);
  before->op->symbol = "s";
  Value *factor = add_op(c, body, OP_read, "f32", WITHOUT, 0, NULL);
  factor->op->symbol = "w";
  Value *next = add_op(c, body, OP_mul, "f32[N]", WITHOUT, OPERANDS(before, factor));
  add_op(c, body, OP_write, NULL, WITHOUT, OPERANDS(next));
  body->last->symbol = "s";
  Value *after = add_op(c, body, OP_read, "f32[N]", WITHOUT, 0, NULL);
  after->op->symbol = "s";
  set_yields(c, body, OPERANDS(before, after));

  State s = {{1, 2, 3, 4}, 0};
  c->options.tensor = give;
  c->options.written = take;
  c->options.user = &s;
  c->options.dims = (int64_t[]){2};
  RunTensor outputs[2], input = tensor(c, "f32[2]", VALUES(0, 0));
  assert_true(interpret(c->function, &c->options, &input, outputs, &c->message));
  expect(c, &outputs[0], VALUES(1, 2));
  expect(c, &outputs[1], VALUES(10, 20));
  assert_int_equal(s.writes, 1);
  assert_true(s.value[1] == 20 && s.value[2] == 3 && s.value[3] == 4);

  w->data = NULL;
  assert_false(interpret(c->function, &c->options, &input, outputs, &c->message));
  assert_string_equal(c->message, "read: w has no value");
  assert_int_equal(s.writes, 1);
}

/* ---- regions ---- */
static Value *bind_to(Case *c, Block *region, const char *text, BindKind kind) {
  return block_add_argument(region, NULL, type(c, text), kind);
}

static void fused_regions_run_as_operations(void **state) {
  Case *c = *state;
  Value *x = function_add_input(c->function, "x", type(c, "f32[2]"));
  const char *types[] = {"f32[2]", "f32[2]"};
  Op *op = operation(c, OP_fused, 2, types, WITHOUT, OPERANDS(x));
  op->symbol = "k0";
  op->region = block_new(c->function, op);
  Value *a = bind_to(c, op->region, "f32[2]", BIND_PLAIN);
  Value *b = add_op(c, op->region, OP_add, "f32[2]", WITHOUT, OPERANDS(a, a));
  set_yields(c, op->region, OPERANDS(b, a));
  op_append(c->function->body, op);
  set_yields(c, c->function->body, 2, op->results);
  RunTensor outputs[2], input = tensor(c, "f32[2]", VALUES(1, -3));
  assert_true(interpret(c->function, &c->options, &input, outputs, &c->message));
  expect(c, &outputs[0], VALUES(2, -6));
  expect(c, &outputs[1], VALUES(1, -3));
}

/* h = h * k + x[:, t], emitted, while h < limit. */
static Function *make_scan(Case *c) {
  Function *f = c->function;
  Value *x = function_add_input(f, "x", type(c, "f32[1,4]"));
  Value *h = function_add_input(f, "h", type(c, "f32[1]"));
  Value *k = function_add_input(f, "k", type(c, "f32"));
  Value *limit = function_add_input(f, "limit", type(c, "f32[1]"));
  const char *types[] = {"f32[1]", "f32[1,4]"};
  Op *op = operation(c, OP_scan, 2, types, WITH(integer(c, ATTRIBUTE_axis, 1)),
                     OPERANDS(x, h, k, limit));
  Block *region = op->region = block_new(f, op);
  Value *each = bind_to(c, region, "f32[1]", BIND_EACH),
        *carry = bind_to(c, region, "f32[1]", BIND_CARRY);
  Value *factor = bind_to(c, region, "f32", BIND_PLAIN),
        *most = bind_to(c, region, "f32[1]", BIND_PLAIN);
  Value *product = add_op(c, region, OP_mul, "f32[1]", WITHOUT, OPERANDS(carry, factor));
  Value *next = add_op(c, region, OP_add, "f32[1]", WITHOUT, OPERANDS(product, each));
  Value *less = add_op(c, region, OP_lt, "bool[1]", WITHOUT, OPERANDS(carry, most));
  region->while_ =
      add_op(c, region, OP_reshape, "bool", WITH(integers(c, ATTRIBUTE_shape, "")), OPERANDS(less));
  set_yields(c, region, OPERANDS(next));
  region->emits = arena_copy(c->arena, &product, sizeof product);
  region->emit_count = 1;
  op_append(f->body, op);
  set_yields(c, f->body, 2, op->results);
  return f;
}

static void count_values(void *user, const Value *value, const RunTensor *result) {
  (void)value, (void)result;
  ++*(int *)user;
}

static void scans_carry_emit_and_end(void **state) {
  Case *c = *state;
  const Function *f = make_scan(c);
  int values = 0;
  c->options.watch = count_values;
  c->options.user = &values;
  RunTensor outputs[2];
  RunTensor inputs[] = {tensor(c, "f32[1,4]", VALUES(1, 2, 3, 4)), tensor(c, "f32[1]", VALUES(1)),
                        tensor(c, "f32", VALUES(2)), tensor(c, "f32[1]", VALUES(1000))};
  assert_true(interpret(f, &c->options, inputs, outputs, &c->message));
  expect(c, &outputs[0], VALUES(42)); /* 1, 3, 8, 19, 42 */
  expect(c, &outputs[1], VALUES(2, 6, 16, 38));
  assert_int_equal(values, 4 * 4 + 2);

  /* It is asked before each trip: at 19 it ends, with nothing of that trip computed. */
  values = 0;
  inputs[3] = tensor(c, "f32[1]", VALUES(10));
  assert_true(interpret(f, &c->options, inputs, outputs, &c->message));
  expect(c, &outputs[0], VALUES(19));
  expect(c, &outputs[1], VALUES(2, 6, 16, 0));
  assert_int_equal(values, 3 * 4 + 2 + 2);
}

/* Each trip draws its own numbers. */
static void trips_draw_different_numbers(void **state) {
  Case *c = *state;
  Value *x = function_add_input(c->function, "x", type(c, "i64[3]"));
  const char *to = "f32[3]";
  Op *op = operation(c, OP_scan, 1, &to, WITHOUT, OPERANDS(x));
  op->region = block_new(c->function, op);
  bind_to(c, op->region, "i64", BIND_EACH);
  Value *drawn = add_op(c, op->region, OP_random, "f32", WITHOUT, 0, NULL);
  op->region->emits = arena_copy(c->arena, &drawn, sizeof drawn);
  op->region->emit_count = 1;
  op_append(c->function->body, op);
  set_yields(c, c->function->body, 1, op->results);
  RunTensor y, input = tensor(c, "i64[3]", VALUES(0, 1, 2));
  assert_true(interpret(c->function, &c->options, &input, &y, &c->message));
  const float *drawn_numbers = y.bytes;
  assert_true(drawn_numbers[0] != drawn_numbers[1] && drawn_numbers[1] != drawn_numbers[2]);
}

/* ---- memory ---- */
static Function *make_chain(Case *c, int length) {
  Value *x = function_add_input(c->function, "x", type(c, "f32[1000]"));
  for (int i = 0; i < length; i++)
    x = add_op(c, c->function->body, OP_neg, "f32[1000]", WITHOUT, OPERANDS(x));
  set_yields(c, c->function->body, 1, &x);
  return c->function;
}

static void values_end_with_their_last_use(void **state) {
  Case *c = *state;
  const Function *f = make_chain(c, 50);
  double *zeros = ARENA_ARRAY(c->arena, 1000, double);
  RunTensor y, x = tensor(c, "f32[1000]", zeros);
  c->options.most_bytes = 2 * 4000;
  assert_true(interpret(f, &c->options, &x, &y, &c->message));
  c->options.most_bytes = 2 * 4000 - 1;
  assert_false(interpret(f, &c->options, &x, &y, &c->message));
  assert_string_equal(c->message, "neg: more than 7999 bytes of intermediate values");
}

static void failures_name_the_place(void **state) {
  Case *c = *state;
  Value *x = function_add_input(c->function, "x", type(c, "f32[2]"));
  Value *i = function_add_input(c->function, "i", type(c, "i64"));
  Value *y = add_op(c, c->function->body, OP_gather, "f32", WITH(integer(c, ATTRIBUTE_axis, 0)),
                    OPERANDS(x, i));
  y->op->at = &(Location){.file = 0, .line = 6, .column = 8};
  set_yields(c, c->function->body, 1, &y);
  RunTensor output;
  RunTensor inputs[] = {tensor(c, "f32[2]", VALUES(1, 2)), tensor(c, "i64", VALUES(2))};
  assert_false(interpret(c->function, &c->options, inputs, &output, &c->message));
  assert_string_equal(c->message, "case.dl:6:8: gather: index 2 is not in 0..2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(dims_are_of_the_run),
      CASE(states_lie_at_their_bound),
      CASE(fused_regions_run_as_operations),
      CASE(scans_carry_emit_and_end),
      CASE(trips_draw_different_numbers),
      CASE(values_end_with_their_last_use),
      CASE(failures_name_the_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
