/* ir/operator, ir/describe, ir/cost: the table's own consistency, the page made from it, and what
 * operations cost. With DLC_UPDATE=1 the page is written anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/cost.h"
#include "ir/describe.h"
#include "ir/module_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void names_are_found(void **state) {
  (void)state;
  for (int i = 0; i < OPERATORS; i++) {
    Operator kind;
    assert_true(operator_find(operator_infos[i].name, &kind));
    assert_int_equal(kind, i);
    assert_true(*operator_infos[i].meaning && *operator_infos[i].shape);
  }
  Operator kind;
  assert_false(operator_find("relu", &kind));
}

static void the_page_is_current(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Text text = text_new(arena);
  operators_describe(&text, true);
  const char *path = TEST_SOURCE_DIR "/docs/operators.md", *message;
  if (getenv("DLC_UPDATE")) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text_get(&text), file);
    fclose(file);
  }
  size_t length;
  const char *page = source_read(arena, path, 1 << 20, &length, &message);
  if (!page) fail_msg("docs/operators.md: %s", message);
  assert_string_equal(page, text_get(&text)); /* DLC_UPDATE=1 unit_operators makes it so */
  arena_free(arena);
}

static void lines_fit_a_terminal(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Text text = text_new(arena);
  operators_describe(&text, false);
  for (const char *line = text_get(&text); *line;) {
    const char *end = strchr(line, '\n');
    if (end - line > 100) fail_msg("%.*s", (int)(end - line), line);
    line = end + 1;
  }
  for (int i = 0; i < OPERATORS; i++) operator_describe(&text, (Operator)i);
  arena_free(arena);
}

static void costs(void **state) {
  (void)state;
  static const char source[] =
      "module m\ndim N <= 64\n"
      "func model @m(%x: f32[N,6,28,28], %w: f32[16,3,5,5], %q: f32[N,8,10,32], "
      "%v: f32[N,8,10,16]) -> f32[N,16,24,24] {\n"
      "  %0 = conv %x, %w {groups=2}\n"
      "  %1 = conv_transpose %0, %w {groups=2}\n"
      "  %2 = conv_weight %x, %0 {groups=2, kernel=[5,5]}\n"
      "  %3 = dot %q, %v {contract=[[2],[2]], batch=[[0,1],[0,1]]}\n"
      "  %4, %10 = attention %q, %q, %v\n"
      "  %5 = tanh %0\n"
      "  %6 = sum %0 {axis=[2,3]}\n"
      "  %7 = softmax %6 {axis=1}\n"
      "  %8 = reshape %6 {shape=[N,4,4]}\n"
      "  %9 = fused @k (%a = %6) { %9 = exp %a %10 = sum %9 {axis=[1]} yield %10 } : f32[N]\n"
      "  return %0\n}\n";
  const struct {
    int64_t flops, bytes; /* for each of N, but for the gradient's and kernels' bytes */
  } wanted[] = {
      {2 * 16 * 24 * 24 * 3 * 25, 0},
      {2 * 16 * 24 * 24 * 3 * 25, 0},
      {2 * 16 * 24 * 24 * 3 * 25, 0},
      {2 * 8 * 32 * 16 * 10, 4 * 8 * (10 * 32 + 10 * 16 + 32 * 16)},
      {2 * 8 * 10 * 10 * (32 + 16), 4 * 8 * (2 * 320 + 2 * 160 + 10)},
      {16 * 24 * 24, 8 * 16 * 24 * 24},
      {16 * 24 * 24, 4 * 16 * 24 * 24 + 4 * 16},
      {5 * 16, 8 * 16},
      {0, 8 * 16},
      {16 + 16, 4 * 16 + 4},
  };
  Arena *arena = arena_new();
  Sources *sources = sources_new(arena);
  int32_t file = sources_add(sources, "m.ir", NULL, source, strlen(source));
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  Module *module = module_parse(arena, diagnostics, file);
  if (!module) diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
  assert_non_null(module);
  const Function *function = module->functions.items[0];
  const Op *op = function->body->first;
  int64_t values[] = {3}, flops, bytes, total = 0;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++, op = op->next) {
    assert_true(dim_evaluate(op_flops(module->dims, op), values, &flops));
    assert_true(dim_evaluate(op_bytes(module->dims, op), values, &bytes));
    if (flops != 3 * wanted[i].flops)
      fail_msg("%zu: %lld FLOP, not %lld", i, (long long)flops, (long long)wanted[i].flops);
    if (wanted[i].bytes) assert_int_equal(bytes, 3 * wanted[i].bytes);
    total += flops;
  }
  assert_true(dim_evaluate(function_flops(function, false), values, &flops));
  assert_int_equal(flops, total);
  assert_true(dim_evaluate(function_flops(function, true), values, &flops));
  assert_int_equal(flops, 3 * (3 * wanted[0].flops + wanted[3].flops + wanted[4].flops));
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_found),
      cmocka_unit_test(the_page_is_current),
      cmocka_unit_test(lines_fit_a_terminal),
      cmocka_unit_test(costs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
