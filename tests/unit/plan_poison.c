/* The memory in which tests run machine code is filled where a value's life has ended
 * (tools/native.c): so a plan that lets two values overlap is found even where neither writes on
 * the other, as when a dim is below its bound. */
#include "tests/tools/native.h"

#include "ir/module_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* @first is needed again when the second value has died. Places are in bytes, for 8 rows. */
static const char graph[] = "module net after plan\n"
                            "dim N <= 8\n"
                            "func model @net(%%x: f32[N,16] in caller, %%w: f32[16,16] in "
                            "caller+1) -> f32[N,16] in caller\n"
                            "     plan {arena=1536, align=64} {\n"
                            "  %%0 = dot %%x, %%w {contract=[[1],[0]]} : f32[N,16] in arena+%d\n"
                            "  %%1 = dot %%0, %%w {contract=[[1],[0]]} : f32[N,16] in arena+0\n"
                            "  %%2 = dot %%1, %%w {contract=[[1],[0]]} : f32[N,16] in arena+1024\n"
                            "  %%4 = fused @k0_dot (%%x = %%2, %%w = %%w, %%b = %%0) {\n"
                            "    %%3 = dot %%x, %%w {contract=[[1],[0]]} : f32[N,16]\n"
                            "    %%4 = add %%3, %%b : f32[N,16]\n"
                            "    yield %%4\n"
                            "  } : f32[N,16] in caller\n"
                            "  return %%4\n"
                            "}\n";

enum { WIDTH = 16, MOST_ROWS = 8, GOOD = 512, OVERLAPPING = 256 };

/* w turns a row round by one place: results are exact. */
static bool is_right(int first_at, int64_t rows) {
  float x[MOST_ROWS * WIDTH], w[WIDTH * WIDTH] = {0};
  for (int i = 0; i < MOST_ROWS * WIDTH; i++) x[i] = (float)i;
  for (int i = 0; i < WIDTH; i++) w[i * WIDTH + (i + 1) % WIDTH] = 1;
  Arena *arena = arena_new();
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  const char *text = arena_format(arena, graph, first_at);
  Module *module =
      module_parse(arena, diagnostics, sources_add(sources, "net.ir", NULL, text, strlen(text)));
  Target target;
  if (!module || !target_find(&target, arena, NULL, "x86-64-v2", diagnostics))
    diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
  assert_non_null(module);
  RunTensor y = {0}, inputs[] = {
                         {.element = ELEMENT_f32,
                          .rank = 2,
                          .shape = {rows, WIDTH},
                          .count = rows * WIDTH,
                          .bytes = x},
                         {.element = ELEMENT_f32,
                          .rank = 2,
                          .shape = {WIDTH, WIDTH},
                          .count = WIDTH * WIDTH,
                          .bytes = w},
                     };
  NativeRun run = {
      .arena = arena, .dims = (int64_t[]){rows, 0, 0}, .parts = 1, .inputs = inputs, .outputs = &y};
  bool ran = native_run(module, module->functions.items[0], &target, 2, &run);
  if (!ran) fail_msg("%s", run.message);
  bool right = true;
  for (int64_t row = 0; row < rows; row++)
    for (int64_t i = 0; i < WIDTH; i++) {
      float once = x[row * WIDTH + (i + WIDTH - 1) % WIDTH];
      float all = x[row * WIDTH + (i + WIDTH - 4) % WIDTH];
      right = right && ((const float *)y.bytes)[row * WIDTH + i] == once + all;
    }
  arena_free(arena);
  return right;
}

static void a_plan_that_holds_is_right(void **state) {
  (void)state;
  for (int64_t rows = 1; rows <= MOST_ROWS; rows++) assert_true(is_right(GOOD, rows));
}

static void values_that_write_on_each_other_are_found(void **state) {
  (void)state;
  assert_false(is_right(OVERLAPPING, MOST_ROWS));
}

/* One row of each takes 64 bytes: 0 to 64, and 256 to 320. */
static void values_that_only_may_overlap_are_found(void **state) {
  (void)state;
  for (int64_t rows = 1; rows <= OVERLAPPING / 64; rows++)
    assert_false(is_right(OVERLAPPING, rows));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plan_that_holds_is_right),
      cmocka_unit_test(values_that_write_on_each_other_are_found),
      cmocka_unit_test(values_that_only_may_overlap_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
