/* Five steps of each of the library's optimizers by the interpreter, against PyTorch's definitions
 * (optimizers.def). */
#include "frontend/elaborate.h"
#include "ir/interpret.h"
#include "passes/pass.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  const char *name, *expression;
  double values[3];
} Case;

static const Case cases[] = {
#define CASE(name, expression, ...) {#name, expression, {__VA_ARGS__}},
#include "tests/unit/optimizers.def"
#undef CASE
};

/* The gradient of the loss is c + w/2. */
static const char *const page = "param w: f64[3] = cast([0.5, -1, 0.25], f64)\n"
                                "train fit(c: f64[3], rate: f32[]) -> f64 {\n"
                                "  loss = sum(c * w + 0.25 * w * w)\n"
                                "  minimize loss with %s\n"
                                "  return loss\n"
                                "}\n";

/* What the context of a program keeps: each tensor's numbers, 0 at first. */
typedef struct {
  const char *names[8];
  double numbers[8][3];
  int count;
  int writes;
} Memory;

static double *numbers_of(Memory *memory, const char *name) {
  for (int i = 0; i < memory->count; i++)
    if (strcmp(memory->names[i], name) == 0) return memory->numbers[i];
  assert_true(memory->count < 8);
  memory->names[memory->count] = name;
  return memory->numbers[memory->count++];
}

/* In the run's mode floats are doubles. */
static bool give(void *user, const Tensor *tensor, RunTensor *value) {
  (void)tensor;
  value->bytes = numbers_of(user, tensor->name);
  return true;
}

static void take(void *user, const Tensor *tensor, const RunTensor *value) {
  Memory *memory = user;
  memory->writes++;
  memcpy(numbers_of(memory, tensor->name), value->bytes, (size_t)value->count * sizeof(double));
}

static Module *elaborated(Arena *arena, const Case *c) {
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  const char *text = arena_format(arena, page, c->expression);
  int32_t file = sources_add(sources, "test.dl", NULL, text, strlen(text));
  Interner *interner = interner_new(arena);
  const Program *program = program_load_text(arena, interner, diagnostics, file);
  ElaborateOptions options = {.program = program, .interner = interner, .training = true};
  Module *module = program ? elaborate(arena, diagnostics, &options, NULL) : NULL;
  PassOptions standard = PASS_OPTIONS_DEFAULT;
  bool fine = module && pass_run(pass_find("gradient"), module, &standard, diagnostics, NULL);
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, true);
  if (!fine) fail_msg("%s: not elaborated", c->name);
  return module;
}

static double run(Module *module, const char *entry, Memory *memory, int step) {
  Arena *arena = arena_new();
  double c[3], rate = 0.25;
  for (int i = 0; i < 3; i++) c[i] = (step * 3 + i) * 7 % 11 / 8.0 - 0.5;
  RunTensor inputs[] = {{ELEMENT_f64, 1, {3}, 3, c}, {ELEMENT_f32, 0, {0}, 1, &rate}}, result[1];
  InterpretOptions options = {
      .arena = arena, .wide = true, .tensor = give, .written = take, .user = memory};
  const char *message;
  if (!interpret(module_function(module, entry), &options, inputs, result, &message))
    fail_msg("%s: %s", entry, message);
  double loss = strcmp(entry, "init") == 0 ? 0 : *(const double *)result[0].bytes;
  arena_free(arena);
  return loss;
}

static void run_case(void **state) {
  const Case *c = *state;
  Arena *arena = arena_new();
  Module *module = elaborated(arena, c);
  Memory memory = {0};
  run(module, "init", &memory, 0);
  for (int step = 0; step < 5; step++) {
    memory.writes = 0;
    double value = run(module, "fit_value", &memory, step);
    assert_int_equal(memory.writes, 0);
    double loss = run(module, "fit", &memory, step);
    assert_true(memory.writes > 0);
    assert_true(value == loss);
  }
  const double *w = numbers_of(&memory, "w");
  for (int i = 0; i < 3; i++) /* about 20 roundings of doubles a step; t and its powers too */
    if (!(fabs(w[i] - c->values[i]) <= 1e-13))
      fail_msg("%s: w[%d] is %.17g, not %.17g", c->name, i, w[i], c->values[i]);
  arena_free(arena);
}

int main(void) {
  enum { CASES = sizeof cases / sizeof *cases };
  static struct CMUnitTest tests[CASES];
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){cases[i].name, run_case, NULL, NULL, (void *)&cases[i]};
  return cmocka_run_group_tests_name("optimizers", tests, NULL, NULL);
}
