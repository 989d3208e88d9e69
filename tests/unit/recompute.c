/* What is made again gives the same bits, and checkpoints make a plan smaller. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/interpret.h"
#include "ir/module_text.h"
#include "passes/pass.h"

#include <stdio.h>
#include <string.h>

static const char *const without = "gradient,canon,fold,cse,dce,affine,select,fuse,plan";
static const char *const with = "gradient,recompute,canon,fold,cse,dce,affine,select,fuse,plan";

static Module *compiled(Arena *arena, const char *text, const char *list) {
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  Module *module =
      module_parse(arena, diagnostics, sources_add(sources, "graph", NULL, text, strlen(text)));
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
  assert_non_null(module);
  PassOptions options = PASS_OPTIONS_DEFAULT;
  assert_true(pipeline_run_list(module, list, &options, diagnostics, NULL, NULL));
  const char *fault = module_verify(arena, module, NULL);
  if (fault) fail_msg("%s", fault);
  return module;
}

static RunTensor invent(Arena *arena, const Type *type, int seed) {
  RunTensor t = {.element = type->element, .rank = type->rank, .count = 1};
  for (int i = 0; i < t.rank; i++) t.count *= t.shape[i] = dim_max(type->dims[i]);
  t.bytes = arena_array(arena, (size_t)t.count, 8);
  for (int64_t i = 0; i < t.count; i++)
    element_store(t.element, t.bytes, i, (double)((i * 37 + seed * 11) % 64) / 32 - 1);
  return t;
}

static bool give(void *user, const Tensor *tensor, RunTensor *value) {
  *value = invent(user, &tensor->type, (int)strlen(tensor->name));
  return true;
}

static RunTensor *run(Arena *arena, const Module *module) {
  const Function *function = module->functions.items[0];
  const Block *body = function->body;
  RunTensor *inputs = ARENA_ARRAY(arena, (size_t)body->argument_count + 1, RunTensor);
  RunTensor *outputs = ARENA_ARRAY(arena, function->results.count, RunTensor);
  for (int i = 0; i < body->argument_count; i++)
    inputs[i] = invent(arena, &body->arguments[i]->type, i);
  InterpretOptions options = {.arena = arena, .tensor = give, .user = arena, .seed = 7};
  const char *message = NULL;
  if (!interpret(function, &options, inputs, outputs, &message)) fail_msg("%s", message);
  return outputs;
}

static int operations(const Module *module, Operator kind) {
  int count = 0;
  for (const Op *op = module->functions.items[0]->body->first; op; op = op->next) {
    count += op->kind == kind;
    for (const Op *inner = op->region ? op->region->first : NULL; inner; inner = inner->next)
      count += inner->kind == kind;
  }
  return count;
}

/* Compiles with and without the pass: equal results to the bit. Returns the arenas' sizes. */
static void compare(const char *text, int64_t bytes[2]) {
  Arena *arena = arena_new();
  Module *first = compiled(arena, text, without), *second = compiled(arena, text, with);
  RunTensor *a = run(arena, first), *b = run(arena, second);
  for (size_t i = 0; i < first->functions.items[0]->results.count; i++) {
    size_t size = (size_t)(a[i].count * element_infos[a[i].element].bytes);
    assert_memory_equal(a[i].bytes, b[i].bytes, size);
  }
  bytes[0] = first->functions.items[0]->arena_bytes;
  bytes[1] = second->functions.items[0]->arena_bytes;
  arena_free(arena);
}

/* Much like gelu after a product: of its intermediate values none is kept. */
static void test_cheap(void **state) {
  (void)state;
  int64_t bytes[2];
  compare("module cheap\n"
          "param @w : f32[64,32]\nparam @v : f32[32,64]\n"
          "func train @f(%x: f32[64,32]) -> (f32, f32[64,32], f32[32,64]) {\n"
          "  %0 = read @w : f32[64,32]\n  %1 = read @v : f32[32,64]\n"
          "  %2 = dot %x, %0 {contract=[[1],[1]]} : f32[64,64]\n"
          "  %3 = constant {value=0.70710678} : f32\n  %s = mul %2, %3 : f32[64,64]\n"
          "  %4 = mul %s, %s : f32[64,64]\n  %5 = erf %4 : f32[64,64]\n  %6 = constant {value=1} : "
          "f32\n"
          "  %7 = add %5, %6 : f32[64,64]\n  %8 = mul %2, %7 : f32[64,64]\n"
          "  %9 = dot %8, %1 {contract=[[1],[1]]} : f32[64,32]\n"
          "  %10 = mul %9, %9 : f32[64,32]\n  %11 = sum %10 {axis=[0,1]} : f32\n"
          "  %12, %13 = grad %11, %0, %1 : f32[64,32], f32[32,64]\n"
          "  return %11, %12, %13\n}\n",
          bytes);
  assert_true(bytes[1] < bytes[0]);
}

/* Layers of a product, tanh and dropout, whose mask is made again from the same random numbers. */
static const char *deep(Arena *arena, bool checkpoints, int layers) {
  Text head = text_new(arena), text = text_new(arena), end = text_new(arena);
  Text types = text_new(arena);
  const char *x = "%x";
  text_string(&head, "module deep\n");
  for (int i = 0; i < layers; i++) {
    text_format(&head, "param @w%d : f32[64,64]\n", i);
    text_format(&end, "%s%%g%d", i ? ", " : "", i);
    text_format(&types, "%sf32[64,64]", i ? ", " : "");
    text_format(&text,
                "  %%w%d = read @w%d : f32[64,64]\n"
                "  %%d%d = dot %s, %%w%d {contract=[[1],[1]]} : f32[128,64]\n"
                "  %%t%d = tanh %%d%d : f32[128,64]\n"
                "  %%r%d = random {site=%d} : f32[128,64]\n"
                "  %%m%d = lt %%r%d, %%half : bool[128,64]\n"
                "  %%y%d = where %%m%d, %%t%d, %%zero : f32[128,64]\n",
                i, i, i, x, i, i, i, i, i, i, i, i, i, i);
    x = arena_format(arena, "%%y%d", i);
    if (!checkpoints || i % 3 != 2) continue;
    text_format(&text, "  %%c%d = checkpoint %s : f32[128,64]\n", i, x);
    x = arena_format(arena, "%%c%d", i);
  }
  text_format(&head,
              "func train @f(%%x: f32[128,64]) -> (f32, %s) {\n"
              "  %%zero = constant {value=0} : f32\n  %%half = constant {value=0.5} : f32\n%s"
              "  %%q = mul %s, %s : f32[128,64]\n  %%l = sum %%q {axis=[0,1]} : f32\n"
              "  %s = grad %%l",
              text_get(&types), text_get(&text), x, x, text_get(&end));
  for (int i = 0; i < layers; i++) text_format(&head, ", %%w%d", i);
  text_format(&head, " : %s\n  return %%l, %s\n}\n", text_get(&types), text_get(&end));
  return text_get(&head);
}

static void test_checkpoints(void **state) {
  (void)state;
  Arena *arena = arena_new();
  int64_t plain[2], marked[2];
  compare(deep(arena, false, 12), plain);
  compare(deep(arena, true, 12), marked);
  assert_int_equal(plain[0], marked[0]); /* the marks alone do nothing */
  print_message("arena of 12 layers: %lld bytes, with checkpoints %lld\n", (long long)plain[1],
                (long long)marked[1]);
  assert_true(marked[1] * 10 < plain[1] * 7);
  /* From the first checkpoint to the last are nine layers; those before and behind are not made
   * again. */
  Module *once = compiled(arena, deep(arena, true, 12), "gradient,canon,cse,dce");
  Module *again = compiled(arena, deep(arena, true, 12), "gradient,recompute,canon,cse,dce");
  assert_int_equal(operations(once, OP_random), 12);
  assert_int_equal(operations(again, OP_dot) - operations(once, OP_dot), 9);
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cheap),
      cmocka_unit_test(test_checkpoints),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
