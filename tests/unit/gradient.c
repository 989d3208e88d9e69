/* Gradients at corners, where differences say nothing: exact values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/interpret.h"
#include "ir/module_text.h"
#include "passes/pass.h"

#include <math.h>
#include <string.h>

/* `body` makes %r of the inputs %x (and %y), of three elements each; what is compared is the
 * gradient of sum(%r) for them. */
static void expect(const char *body, const char *result, int inputs, const float (*in)[3],
                   const float (*wanted)[3]) {
  Arena *arena = arena_new();
  const char *axes = strchr(result, '[') ? "0" : "";
  const char *text = arena_format(
      arena,
      "module corner\nfunc model @f(%%x: f32[3], %%y: f32[3]) -> (f32[3], f32[3]) {\n%s\n"
      "%%l = sum %%r {axis=[%s]} : f32\n%%d, %%e = grad %%l, %%x, %%y : f32[3], f32[3]\n"
      "return %%d, %%e\n}\n",
      body, axes);
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  Module *module =
      module_parse(arena, diagnostics, sources_add(sources, "corner", NULL, text, strlen(text)));
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
  assert_non_null(module);
  PassOptions options = PASS_OPTIONS_DEFAULT;
  assert_true(pipeline_run_list(module, "gradient", &options, diagnostics, NULL, NULL));
  RunTensor given[2], got[2];
  float values[2][3];
  memset(values, 0, sizeof values);
  for (int i = 0; i < inputs; i++) memcpy(values[i], in[i], sizeof values[i]);
  for (int i = 0; i < 2; i++) given[i] = (RunTensor){ELEMENT_f32, 1, {3}, 3, values[i]};
  InterpretOptions interpreted = {.arena = arena};
  const char *message = NULL;
  if (!interpret(module->functions.items[0], &interpreted, given, got, &message))
    fail_msg("%s", message);
  for (int i = 0; i < inputs; i++)
    for (int k = 0; k < 3; k++) {
      float is = ((float *)got[i].bytes)[k];
      if (is != wanted[i][k] && !(isnan(is) && isnan(wanted[i][k])))
        fail_msg("%s\nelement %d of input %d is %g, not %g", body, k, i, is, wanted[i][k]);
    }
  arena_free(arena);
}

static void test_ties(void **state) {
  (void)state;
  static const float x[2][3] = {{1, 2, 3}, {1, 3, 2}};
  expect("%r = maximum %x, %y : f32[3]", "[3]", 2, x, (const float[2][3]){{0, 0, 1}, {1, 1, 0}});
  expect("%r = minimum %x, %y : f32[3]", "[3]", 2, x, (const float[2][3]){{0, 1, 0}, {1, 0, 1}});
}

static void test_zero(void **state) {
  (void)state;
  static const float x[1][3] = {{-1, 0, 2}};
  expect("%r = abs %x : f32[3]", "[3]", 1, x, (const float[1][3]){{-1, 0, 1}});
  expect("%0 = constant {value=0} : f32 %r = maximum %x, %0 : f32[3]", "[3]", 1, x,
         (const float[1][3]){{0, 0, 1}});
  expect("%0 = constant {value=2} : f32 %r = pow %x, %0 : f32[3]", "[3]", 1, x,
         (const float[1][3]){{-2, 0, 4}});
  expect("%0 = constant {value=0} : f32 %r = pow %x, %0 : f32[3]", "[3]", 1, x,
         (const float[1][3]){{0, 0, 0}});
  /* 0^y: flat in y above 0; x^0: flat in x */
  expect("%r = pow %x, %y : f32[3]", "[3]", 2, (const float[2][3]){{0, 0, 0}, {0, 1, 2}},
         (const float[2][3]){{0, 1, 0}, {0, 0, 0}});
}

static void test_first_of_equals(void **state) {
  (void)state;
  static const float equal[1][3] = {{1, 2, 2}}, nan[1][3] = {{NAN, 2, NAN}};
  static const float all[1][3] = {{-INFINITY, -INFINITY, -INFINITY}};
  expect("%r = max %x {axis=[0]} : f32", "", 1, equal, (const float[1][3]){{0, 1, 0}});
  expect("%r = max %x {axis=[0]} : f32", "", 1, nan, (const float[1][3]){{1, 0, 0}});
  expect("%r = max %x {axis=[0]} : f32", "", 1, all, (const float[1][3]){{1, 0, 0}});
  expect("%r, %i = top_k %x {k=1, axis=0} : f32[1], i64[1]", "[1]", 1, equal,
         (const float[1][3]){{0, 1, 0}});
}

/* A mask of -inf: its row is 0 and stays so; beside it nothing becomes NaN. */
static void test_softmax(void **state) {
  (void)state;
  static const float none[1][3] = {{-INFINITY, -INFINITY, -INFINITY}};
  static const float one[1][3] = {{-INFINITY, 5, -INFINITY}};
  const char *body = "%s = softmax %x {axis=0} : f32[3] %r = mul %s, %s : f32[3]";
  expect(body, "[3]", 1, none, (const float[1][3]){{0, 0, 0}});
  expect(body, "[3]", 1, one, (const float[1][3]){{0, 0, 0}});
}

/* The branch that is not taken gives 0, even where its own slope is infinite. */
static void test_where(void **state) {
  (void)state;
  static const float x[1][3] = {{-1, 0, 4}};
  expect("%0 = constant {value=0} : f32 %c = lt %0, %x : bool[3]\n"
         "%1 = mul %x, %x : f32[3] %r = where %c, %1, %0 : f32[3]",
         "[3]", 1, x, (const float[1][3]){{0, 0, 8}});
}

static void test_stop(void **state) {
  (void)state;
  static const float x[2][3] = {{1, 2, 3}, {4, 5, 6}};
  expect("%0 = stop_gradient %x : f32[3] %r = mul %0, %y : f32[3]", "[3]", 2, x,
         (const float[2][3]){{0, 0, 0}, {1, 2, 3}});
  expect("%r = mul %x, %x : f32[3]", "[3]", 2, x, (const float[2][3]){{2, 4, 6}, {0, 0, 0}});
}

/* A gather of the same row twice adds up. */
static void test_repeated(void **state) {
  (void)state;
  static const float x[1][3] = {{1, 2, 3}};
  expect("%i = constant {value=dense<[2,0,2,2]>} : i64[4]\n"
         "%r = gather %x, %i {axis=0} : f32[4]",
         "[4]", 1, x, (const float[1][3]){{1, 0, 3}});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ties),
      cmocka_unit_test(test_zero),
      cmocka_unit_test(test_first_of_equals),
      cmocka_unit_test(test_softmax),
      cmocka_unit_test(test_where),
      cmocka_unit_test(test_stop),
      cmocka_unit_test(test_repeated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
