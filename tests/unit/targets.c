/* Every known CPU and architecture makes code of one kernel that uses what they differ in: odd
 * lanes, masks, gathers, half floats, functions, multiply-add. What the machine lacks is compiled
 * all the same. */
#include "backend/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;

static LoopKernel *mixed(void) {
  LoopKernel *k = loop_kernel(arena, "mixed", (LoopPlace){"mixed.dl", 1, 1});
  LoopExpr *n = loop_dim(k, "N", 0), *zero = loop_int(k, 0);
  LoopBuffer *x = loop_operand(k, "x", LOOP_F16, 2, n, n);
  LoopBuffer *places = loop_operand(k, "places", LOOP_I64, 1, n);
  LoopBuffer *y = loop_operand(k, "y", LOOP_BF16, 2, n, n);
  LoopExpr *i = loop_parallel(k, "i", n);
  LoopExpr *j = loop_for_lanes(k, "j", zero, n, 13);
  LoopExpr *at = loop_checked(k, loop_lanes(k, places, 13, j), n, 1);
  LoopExpr *v = loop_let(k, "v", loop_cast(k, loop_lanes(k, x, 13, i, at), LOOP_F32));
  LoopExpr *f = loop_fma(k, loop_tanh(k, v), v, loop_unary(k, LOOP_SIN, v));
  loop_store(k, loop_along(loop_lanes(k, y, 13, j, i), 0, 1), loop_cast(k, f, LOOP_BF16));
  loop_end(k);
  loop_end(k);
  return k;
}

static bool find(Target *target, const char *triple, const char *cpu) {
  return target_find(target, arena, triple, cpu, diagnostics_new(arena, sources_new(arena)));
}

static EmitBytes object_of(const Target *target, int level) {
  Emission *e = emission_new(arena, target, (EmitOptions){.source = "mixed.dl", .level = level});
  emit_kernel(e, mixed());
  EmitBytes object = emission_object(e);
  emission_free(e);
  return object;
}

static void test_cpus(void **state) {
  (void)state;
  for (size_t i = 0; target_cpu(i); i++) {
    Target target;
    assert_true(find(&target, NULL, target_cpu(i)));
    assert_true(target.level >= 2 && target.level <= 4 && target.links);
    assert_int_equal(target.lanes, 2 << (target.level - 1));
    assert_true(target.l1 > 0 && target.l2 >= target.l1);
    assert_true(object_of(&target, 2).length > 0);
  }
  Target target;
  assert_false(find(&target, NULL, "x86-64-v5"));
  assert_false(find(&target, NULL, ""));
  assert_false(find(&target, "x86", NULL));
  assert_true(find(&target, NULL, NULL));
  assert_string_equal(target.name, "native");
}

static void test_architectures(void **state) {
  (void)state;
  static const char *const triples[] = {"aarch64-linux-gnu", "riscv64-linux-gnu", "wasm32"};
  for (size_t i = 0; i < sizeof triples / sizeof triples[0]; i++) {
    Target target;
    assert_true(find(&target, triples[i], NULL));
    assert_false(target.links);
    assert_true(object_of(&target, 1).length > 0);
    assert_false(find(&target, triples[i], "znver4"));
  }
}

/* The same input gives the same bytes, and each level its own code. */
static void test_bytes(void **state) {
  (void)state;
  Target target;
  assert_true(find(&target, NULL, "x86-64-v3"));
  EmitBytes first = object_of(&target, 2), second = object_of(&target, 2);
  assert_int_equal(first.length, second.length);
  assert_memory_equal(first.bytes, second.bytes, first.length);
  EmitBytes plain = object_of(&target, 0);
  assert_true(plain.length != first.length || memcmp(plain.bytes, first.bytes, first.length) != 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cpus),
                                     cmocka_unit_test(test_architectures),
                                     cmocka_unit_test(test_bytes)};
  arena = arena_new();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  arena_free(arena);
  return failed;
}
