/* The standard library's functions and layers by the interpreter, against values from PyTorch's
 * definitions (standard.def). */
#include "frontend/elaborate.h"
#include "ir/interpret.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  const char *name, *expression;
  const double *values;
  size_t count;
} Case;

#define CASE(name, expression, ...) static const double values_##name[] = {__VA_ARGS__};
#include "tests/unit/standard.def"
#undef CASE
static const Case cases[] = {
#define CASE(name, expression, ...)                                                                \
  {#name, expression, values_##name, sizeof values_##name / sizeof(double)},
#include "tests/unit/standard.def"
#undef CASE
};

/* What the expressions use: numbers by a formula of the index. */
static const char *const before = "fn some(n: int) = cast(arange(n) * 7 % 11 - 3, f32)\n"
                                  "fn gram(q) = q @ transpose(q)\n"
                                  "model test() {\n"
                                  "  a = cast([-3.5, -1, -0.5, 0, 0.25, 1, 4], f32)\n"
                                  "  x = reshape(some(40), [1, 2, 5, 4])\n"
                                  "  p = reshape(some(16), [1, 4, 2, 2])\n"
                                  "  t = reshape(some(12), [1, 1, 12])\n"
                                  "  l = reshape(some(12), [3, 4])\n"
                                  "  q = reshape(cast(arange(12) % 3, f32) / 2, [3, 4])\n"
                                  "  return ";

/* Element i of a parameter is (5i mod 7 - 2)/4, of a variance (5i mod 7 + 1)/4. */
static bool parameter(void *user, const Tensor *tensor, RunTensor *value) {
  Arena *arena = user;
  int64_t shift = strstr(tensor->name, "running_var") ? 1 : -2;
  value->element = tensor->type.element;
  value->rank = tensor->type.rank;
  value->count = type_static_count(&tensor->type);
  for (int i = 0; i < value->rank; i++) value->shape[i] = dim_value(tensor->type.dims[i]);
  float *numbers = ARENA_ARRAY(arena, (size_t)value->count, float);
  for (int64_t i = 0; i < value->count; i++) numbers[i] = (float)(i * 5 % 7 + shift) / 4;
  value->bytes = numbers;
  return true;
}

static void compare(const Case *c, const RunTensor *result) {
  if ((size_t)result->count != c->count)
    fail_msg("%s: %lld values, not %zu", c->name, (long long)result->count, c->count);
  for (size_t i = 0; i < c->count; i++) {
    double found = element_load(result->element, result->bytes, (int64_t)i);
    /* f32's roundings of a few operations on numbers up to about 10 */
    if (!(fabs(found - c->values[i]) <= 4e-6 * fmax(1, fabs(c->values[i]))))
      fail_msg("%s: element %zu is %.9g, not %.9g", c->name, i, found, c->values[i]);
  }
}

static void run_case(void **state) {
  const Case *c = *state;
  Arena *arena = arena_new();
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  const char *text = arena_format(arena, "%s%s\n}\n", before, c->expression);
  int32_t file = sources_add(sources, "test.dl", NULL, text, strlen(text));
  Interner *interner = interner_new(arena);
  const Program *program = program_load_text(arena, interner, diagnostics, file);
  ElaborateOptions options = {.program = program, .interner = interner};
  Module *module = program ? elaborate(arena, diagnostics, &options, NULL) : NULL;
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, true);
  if (!module) fail_msg("%s: not elaborated", c->name);
  InterpretOptions run = {.arena = arena, .tensor = parameter, .user = arena};
  RunTensor result[1];
  const char *message;
  if (!interpret(module->functions.items[0], &run, NULL, result, &message))
    fail_msg("%s: %s", c->name, message);
  compare(c, &result[0]);
  arena_free(arena);
}

int main(void) {
  enum { CASES = sizeof cases / sizeof *cases };
  static struct CMUnitTest tests[CASES];
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){cases[i].name, run_case, NULL, NULL, (void *)&cases[i]};
  return cmocka_run_group_tests_name("standard", tests, NULL, NULL);
}
