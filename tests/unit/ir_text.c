/* ir/print, ir/parse, ir/verify: texts that come back as they were, and texts that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/build.h"
#include "ir/module_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static Arena *arena;
static Diagnostics *diagnostics;

static int set_up(void **state) {
  (void)state;
  arena = arena_new();
  return 0;
}
static int tear_down(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

static Module *parse(const char *text) {
  Sources *sources = sources_new(arena);
  int32_t file = sources_add(sources, "test.ir", NULL, text, strlen(text));
  diagnostics = diagnostics_new(arena, sources);
  return module_parse(arena, diagnostics, file);
}

static const char *print(const Module *module) {
  Text text = text_new(arena);
  module_print(&text, module, (PrintOptions){.locations = true});
  return text_get(&text);
}

static const char *messages(void) {
  char *bytes = NULL;
  size_t length;
  FILE *to = open_memstream(&bytes, &length);
  diag_flush(diagnostics, to, DIAG_TEXT, false, false);
  fclose(to);
  const char *copy = arena_string(arena, bytes, length);
  free(bytes);
  return copy;
}

static Module *must_parse(const char *text) {
  Module *module = parse(text);
  if (!module) fail_msg("%s", messages());
  return module;
}

static void comes_back(const char *text) {
  Module *module = must_parse(text);
  assert_string_equal(print(module), text);
  Arena *other = arena_new(); /* the copy must not need the original's dims or names */
  Module *copy = module_copy(other, module);
  assert_string_equal(print(copy), text);
  const Op *where;
  assert_null(module_verify(arena, copy, &where));
  arena_free(other);
}

static const char lenet[] =
    "module lenet after elaborate\n"
    "file std = \"std.dl\"\n"
    "dim N <= 256\n"
    "param @conv2d_0.weight : f32[6,1,5,5]                         at 6:8 via std:150:3\n"
    "param @conv2d_0.bias : f32[6] = dense<[0.1, -0.2, 0, 1e-05, inf, 7]>\n"
    "param @big : f32[3,3] = dense<x9c41f7d2, 0.0612, -0.1127, 0.0403, ...>\n"
    "func model @lenet(%image: f32[N,1,28,28]) -> f32[N,6,14,14] {\n"
    "  %0 = read @conv2d_0.weight : f32[6,1,5,5]                   at 6:8 via std:150:3\n"
    "  %1 = conv %image, %0 {pad=[[2,2],[2,2]]} : f32[N,6,28,28]   at 6:8 via std:151:7\n"
    "  %2 = read @conv2d_0.bias : f32[6]                           at 6:8 via std:154:5\n"
    "  %3 = reshape %2 {shape=[6,1,1]} : f32[6,1,1]                at 6:8 via std:155:13\n"
    "  %4 = add %1, %3 : f32[N,6,28,28]                            at 6:8 via std:155:9\n"
    "  %5 = tanh %4 : f32[N,6,28,28]                               at 6:38\n"
    "  %6 = windows %5 {axes=[2,3], kernel=[2,2], stride=[2,2]} : f32[N,6,14,14,2,2]\n"
    "                                                              at 6:46 via std:54:15\n"
    "  %7 = sum %6 {axis=[4,5]} : f32[N,6,14,14]                   at 6:46 via std:54:11\n"
    "  %8 = constant {value=4} : f32                               at 6:46 via std:55:33\n"
    "  %9 = div %7, %8 : f32[N,6,14,14]                            at 6:46 via std:55:25\n"
    "  return %9\n"
    "}\n";

static const char planned[] =
    "module lenet after plan\n"
    "dim N <= 256\n"
    "param @w : f32[120,400] in param+64\n"
    "state @mean : f32[N] in state+0\n"
    "func model @lenet(%x: f32[N,16,5,5] in caller) -> f32[N,120] in caller\n"
    "     plan {arena=1613824, align=64} {\n"
    "  %2 = read @w : f32[120,400] in param+64\n"
    "  %20 = reshape %x {shape=[N,400]} : f32[N,400] in %x\n"
    "  %26 = fused @k2_dot_tanh (%x = %20, %w = %2) {\n"
    "    %23 = dot %x, %w {contract=[[1],[1]]} : f32[N,120]\n"
    "    %26 = tanh %23 : f32[N,120]\n"
    "    yield %26\n"
    "  } : f32[N,120] in caller\n"
    "  %30, %31 = top_k %26 {k=3, axis=1} : f32[N,3] in arena+0, i64[N,3] in arena+64\n"
    "  return %26\n"
    "}\n";

static const char everything[] =
    "module all\n"
    "file all = \"nets/all.dl\"\n"
    "dim N <= 64\n"
    "dim K = 8\n"
    "dim H <= 1000\n"
    "state @cache : f32[64,1024]\n"
    "state @count : i64 = dense<[-9223372036854775808]>\n"
    "param @\"odd name\" : bool[2] = dense<[true, false]>\n"
    "func train @step(pos: dim in 0..1024, %x: f32[H,64], %n: i64) -> (loss: f32, f32[(H + 1)/2]) "
    "{\n"
    "  check pos + N <= 1024                                       at 3:4\n"
    "  check 2*N - (H + 1)/2 < 3*((H + 2)/3)\n"
    "  check N == H\n"
    "  %0 = iota {axis=0} : f32[H]\n"
    "  %1 = full {value=-0} : f32[64]\n"
    "  %2, %3 = scan (carry %h = %1, each %row = %x, each %i = %0, %k = %1) {\n"
    "    %4 = add %h, %row : f32[64]\n"
    "    %5 = sum %4 {axis=[0]} : f32\n"
    "    %6 = lt %5, %i : bool\n"
    "    yield %4 emit %5 while %6\n"
    "  } : f32[64], f32[H]\n"
    "  %7 = slice %3 {start=[0], stop=[H], step=[2]} : f32[(H + 1)/2]\n"
    "  %8 = sum %2 {axis=[0]} : f32\n"
    "  %9 = dim_value {value=N*H + pos - 1} : i64\n"
    "  write @count %9\n"
    "  %10 = random {site=7} : f16[4]\n"
    "  %11 = constant {value=dense<[1.5, -0, nan, -inf]>} : bf16[4]\n"
    "  %12 = cast %10 {to=bool} : bool[4]\n"
    "  %13 = constant {value=true} : bool\n"
    "  %14 = pad %x {before=[1,0], after=[N,0], between=[0,2], value=inf} : f32[N + H + 1,190]\n"
    "  return %8, %7\n"
    "}\n"
    "func init @init() {\n"
    "  return\n"
    "}\n";

static void texts_come_back(void **state) {
  (void)state;
  comes_back(lenet);
  comes_back(planned);
  comes_back(everything);
}

static void longer_forms_are_read(void **state) {
  (void)state;
  Module *module = must_parse("module m after fold ir 1 # a comment\n"
                              "func model @f(%a: f32[2,3]) -> f32[3] { %1 = sum %a {axis=-2}\n"
                              "%2 = sum %a {axis=[0], keepdims=false} return %1 }");
  assert_string_equal(print(module), "module m after fold\n"
                                     "func model @f(%a: f32[2,3]) -> f32[3] {\n"
                                     "  %1 = sum %a {axis=[0]} : f32[3]\n"
                                     "  %2 = sum %a {axis=[0]} : f32[3]\n"
                                     "  return %1\n"
                                     "}\n");
}

/* The message of a text that has one mistake in this function's body. */
static void refused(const char *head, const char *body, const char *message) {
  const char *text = arena_format(arena,
                                  "module m\ndim N <= 64\ndim M <= 64\n%s\n"
                                  "func model @f(%%x: f32[N,4], %%y: f32[M]) -> f32[N,4] {\n"
                                  "  %s\n}\n",
                                  head, body);
  assert_null(parse(text));
  assert_int_equal(diagnostics_errors(diagnostics), 1);
  const char *got = messages();
  if (!strstr(got, message)) fail_msg("got: %s\nwanted: %s", got, message);
}

static void mistakes_are_named(void **state) {
  (void)state;
  refused("", "%1 = relu %x : f32[N,4] return %1",
          "test.ir:6:8: error[E0802]: no operator is named");
  refused("", "%1 = tan %x : f32[N,4] return %1", "help: there is 'tanh'");
  refused("", "%1 = exp %x : f32[N,5] return %1", "E0803]: 'exp' gives f32[N,4], not f32[N,5]");
  refused("", "%1 = exp %2 : f32[N,4] return %1", "E0802]: %2 is not made before this");
  refused("", "%1 = exp %x : f32[N,4] %1 = exp %x return %1", "E0804]: this value is made twice");
  refused("", "%1 = add %x, %y return %1", "E0203]: the shapes for '+' do not go together");
  refused("", "%1 = sum %x {axes=[0]} return %1", "E0802]: 'sum' has no attribute 'axes'");
  refused("", "%1 = dot_panel %x, %x {size=4, blocking=[1,2]} return %x",
          "E0210]: 'blocking' has 2 numbers, not 5");
  refused("", "%1 = sum %x return %1", "E0210]: 'sum' needs 'axis'");
  refused("", "%1 = sum %x {axis=[2]} return %1", "E0205]: 'sum' has no axis 2");
  refused("", "return %y", "E0803]: result 0 of @f is f32[M], not f32[N,4]");
  refused("", "return", "E0803]: @f returns 0 values, declared are 1");
  refused("", "%1 = read @w : f32[3] return %x", "E0803]: no tensor is named @w");
  refused("param @w : f32[4]", "%1 = read @w : f32[3] return %x",
          "E0803]: @w is f32[3], not f32[4]");
  refused("param @w : f32[N]", "return %x",
          "E0803]: the parameter @w has sizes that are not fixed");
  refused("param @w : f32[4] = dense<[1, 2]>", "return %x", "E0803]: 2 numbers for f32[4]");
  refused("param @w : i32[1] = dense<[1.5]>", "return %x", "number 1 does not fit into i32");
  refused("param @w : f32[4]\nparam @w : f32", "return %x", "E0804]: two tensors are named 'w'");
  refused("dim N <= 3", "return %x", "E0804]: two dims are named 'N'");
  refused("", "%1 = slice %y {start=[0], stop=[N]} : f32[N] return %x",
          "E0803]: @f does not check that N <= M");
  refused("", "%1 = fused @k (%a = %x) { %2 = exp %x yield %2 } : f32[N,4] return %1",
          "E0802]: %x is not made before this in this block");
  refused("", "%1 = fused @k (%a = %x) { %2 = exp %a yield %2 } : f32[N,5] return %x",
          "E0803]: %1 is f32[N,5], not f32[N,4]");
  refused("", "%1 = scan (each %a = %y, carry %s = %x) { yield %a } : f32[N,4] return %x",
          "E0803]: what the region gives does not fit 'scan'");
  refused("", "%1 = exp %x : f32[N,4] return %1 yield", "E0801]: '}' is expected, not 'yield'");
  refused("", "%1 = exp %x : f32[N,4 return %1", "E0801]: ',' is expected");
  refused("", "%1 = exp %x ? return %1", "E0801]: a character that means nothing here");
  refused("", "%1 = full {value=99999999999999999999} : f32 return %x", "beyond 64 bits");
  refused("", "%1 = full {value=1} : f32[N,N,N,N,N,N,N,N,N] return %x",
          "E0805]: a type has 9 axes");
  refused("", "%1 = full {value=1} : f32[140737488355329] return %x", "more than 2^47 bytes");
  refused("", "%1 = full {value=1} : f32[-1] return %x", "E0212]: axis 0 of the result");
  refused("", "%1 = conv %x, %x {layout=cnhw} return %x", "E0210]: no layout is named 'cnhw'");
  refused("", "%1 = dot %x, %x {contract=[[1],[1]], by=panel} return %x",
          "'dot' has no attribute 'by'");
  refused("", "%99999999 = exp %x return %x", "E0805]: values are numbered up to");
  assert_null(parse("module m ir 2"));
  assert_non_null(strstr(messages(), "E0806]: this is graph text 2"));
  assert_null(parse(""));
  assert_null(parse("module m func model @f("));
  assert_non_null(strstr(messages(), "is missing at the end of the text"));
}

static void nesting_is_bounded(void **state) {
  (void)state;
  Text text = text_new(arena);
  text_string(&text, "module m func model @f() -> f32[");
  for (int i = 0; i < 100000; i++) text_char(&text, '(');
  assert_null(parse(text_get(&text)));
  assert_non_null(strstr(messages(), "more than 1000 levels of nesting"));
  text = text_new(arena);
  text_string(&text, "module m func model @f(%a: f32) -> f32 {");
  for (int i = 0; i < 5000; i++) text_string(&text, "%b = fused @k (%a = %a) { ");
  assert_null(parse(text_get(&text)));
  assert_non_null(strstr(messages(), "more than 1000 levels of nesting"));
}

static void every_prefix_is_refused(void **state) {
  (void)state;
  size_t length = strlen(everything);
  for (size_t i = 0; i + 2 < length; i++) {
    char *text = arena_string(arena, everything, i);
    Module *module = parse(text);
    /* what ends between two declarations is whole */
    if (module)
      assert_true(i >= 8 && (!strstr(text, "func") || text[i - 1] == '}' || text[i - 1] == '\n'));
  }
}

static void large_texts_are_fast(void **state) {
  (void)state;
  Text text = text_new(arena);
  text_string(&text, "module large\ndim N <= 64\n"
                     "func model @large(%x: f32[N,4]) -> f32[N,4] {\n"
                     "  %0 = exp %x : f32[N,4]                                      at 1:1\n");
  enum { COUNT = 100000 };
  for (int i = 1; i < COUNT; i++) {
    text_format(&text, "  %%%d = add %%%d, %%x : f32[N,4]", i, i - 1);
    text_pad(&text, 62, 1);
    text_string(&text, "at 1:1\n");
  }
  text_format(&text, "  return %%%d\n}\n", COUNT - 1);
  clock_t start = clock();
  Module *module = must_parse(text_get(&text));
  const Op *where;
  assert_null(module_verify(arena, module, &where));
  const char *printed = print(module);
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  assert_string_equal(printed, text_get(&text));
  assert_int_equal(function_operations(module->functions.items[0], true), COUNT);
  print_message("100,000 operations: %.2f s\n", seconds);
  assert_true(seconds < 20); /* a second or less; sanitizers and a loaded machine take longer */
}

static void data_are_attached(void **state) {
  (void)state;
  static float weights[9];
  for (int i = 0; i < 9; i++) weights[i] = (float)i;
  Module *module = module_new(arena, "m");
  Type type = {.element = ELEMENT_f32, .rank = 1, .dims = {dim_constant(module->dims, 9)}};
  Tensor *tensor = module_add_tensor(module, TENSOR_PARAM, "w", type, NULL);
  tensor->data = data_new(arena, ELEMENT_f32, 9, weights);
  Function *function = module_add_function(module, FUNCTION_MODEL, "m");
  Builder builder = {.function = function, .block = function->body};
  Attribute value = {ATTRIBUTE_value, attribute_data(data_new(arena, ELEMENT_f32, 9, weights))};
  build_typed(&builder, OP_constant, type, NULL, &value, 1);
  const char *text = print(module);
  StoredDataList stored = module_stored_data(module);
  assert_int_equal(stored.count, 2);
  assert_string_equal(stored.items[0].name, "w");

  Module *read = must_parse(text);
  assert_string_equal(print(read), text);
  const char *message;
  for (size_t i = 0; i < stored.count; i++)
    assert_int_equal(module_attach(read, stored.items[i].name, ELEMENT_f32, 9, weights, &message),
                     1);
  assert_ptr_equal(module_tensor(read, "w")->data->bytes, weights);
  assert_string_equal(print(read), text);

  read = must_parse(text);
  static float other[9];
  assert_int_equal(module_attach(read, "w", ELEMENT_f32, 9, other, &message), -1);
  assert_non_null(strstr(message, "the text says"));
  assert_int_equal(module_attach(read, "w", ELEMENT_f32, 8, weights, &message), -1);
  assert_int_equal(module_attach(read, "v", ELEMENT_f32, 9, weights, &message), 0);
}

static void verify_finds_broken_graphs(void **state) {
  (void)state;
  Module *module = must_parse(lenet);
  const Op *where;
  assert_null(module_verify(arena, module, &where));
  Function *function = module->functions.items[0];
  Op *first = function->body->first, *conv = first->next;
  op_remove(first);
  op_insert_after(conv, first);
  assert_non_null(strstr(module_verify(arena, module, &where), "%0 is used before it is made"));
  assert_ptr_equal(where, conv);
  op_remove(first);
  op_insert_before(conv, first);
  assert_null(module_verify(arena, module, &where));
  conv->results[0]->type.element = ELEMENT_f64;
  assert_non_null(strstr(module_verify(arena, module, &where), "%1 is f64[N,6,28,28], not f32"));
  conv->results[0]->type.element = ELEMENT_f32;
  op_set_attribute(conv, ATTRIBUTE_groups, attribute_integer(module, 5));
  assert_non_null(strstr(module_verify(arena, module, &where), "the channels of 'conv' differ"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(texts_come_back),    TEST(longer_forms_are_read),      TEST(mistakes_are_named),
      TEST(nesting_is_bounded), TEST(every_prefix_is_refused),    TEST(large_texts_are_fast),
      TEST(data_are_attached),  TEST(verify_finds_broken_graphs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
