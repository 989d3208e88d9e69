/* Indices that are parts of one number, and those that only look so. */
#include "backend/loop_join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static Arena *arena;

/* [n, 5, 7, 3] read at the parts of `number`, its line of `width`, and 2. */
typedef struct {
  LoopKernel *k;
  LoopExpr *number, *rest, *n, *index[4];
  LoopBuffer *buffer;
} Parts;

static Parts parts_of(int64_t height, int64_t width) {
  LoopKernel *k = loop_kernel(arena, "parts", (LoopPlace){0});
  Parts p = {.k = k, .n = loop_dim(k, "N", 0)};
  p.buffer = loop_operand(k, "x", LOOP_F32, 4, p.n, loop_int(k, 5), loop_int(k, 7), loop_int(k, 3));
  p.number = loop_parallel(k, "i", p.n);
  LoopExpr *rest = p.rest = loop_let(k, "rest", loop_div(k, p.number, loop_int(k, width)));
  p.index[2] = loop_let(k, "w", loop_mod(k, p.number, loop_int(k, width)));
  p.index[1] = loop_let(k, "h", loop_mod(k, rest, loop_int(k, height)));
  p.index[0] = loop_let(k, "n", loop_div(k, rest, loop_int(k, height)));
  p.index[3] = loop_int(k, 2);
  return p;
}

static const LoopExpr *joined(const Parts *p, int last, int *first) {
  const LoopExpr *x = loop_element_of(p->k, p->buffer, p->index);
  return loop_joined_index(x->access, last, first);
}

static void test_parts(void **state) {
  (void)state;
  Parts p = parts_of(5, 7);
  int first = -1;
  assert_ptr_equal(joined(&p, 2, &first), p.number);
  assert_int_equal(first, 0);
  assert_null(joined(&p, 3, &first));
  assert_ptr_equal(joined(&p, 1, &first), p.rest);
}

static void test_other_sizes(void **state) {
  (void)state;
  int first;
  Parts p = parts_of(5, 6);
  assert_null(joined(&p, 2, &first));
  p = parts_of(4, 7);
  assert_null(joined(&p, 2, &first));
}

static void test_strides(void **state) {
  (void)state;
  int first = -1;
  Parts p = parts_of(5, 7);
  p.buffer->strides[2] = loop_int(p.k, 4); /* rows of 4, one of them unused */
  assert_null(joined(&p, 2, &first));
  p.buffer->strides[1] = loop_int(p.k, 28);
  p.buffer->strides[0] = loop_int(p.k, 140);
  assert_ptr_equal(joined(&p, 2, &first), p.number);
  p.buffer->strides[0] = loop_int(p.k, 168);
  assert_null(joined(&p, 2, &first));
}

/* [1, 1, 7, 3] and [N, 1, 7, 3]. */
static void test_ones(void **state) {
  (void)state;
  int first = -1;
  Parts p = parts_of(5, 7);
  p.index[1] = loop_int(p.k, 0);
  p.index[0] = loop_div(p.k, p.number, loop_int(p.k, 7));
  assert_null(joined(&p, 2, &first));
  p.buffer = loop_operand(p.k, "y", LOOP_F32, 4, p.n, loop_int(p.k, 1), loop_int(p.k, 7),
                          loop_int(p.k, 3));
  assert_ptr_equal(joined(&p, 2, &first), p.number);
  assert_int_equal(first, 0);
}

/* Sizes that are known at run time alone. */
static void test_dims(void **state) {
  (void)state;
  int first = -1;
  LoopKernel *k = loop_kernel(arena, "dims", (LoopPlace){0});
  LoopExpr *h = loop_dim(k, "H", 0), *w = loop_dim(k, "W", 1);
  LoopExpr *line = loop_mul(k, w, loop_int(k, 2));
  LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 2, h, loop_mul(k, w, loop_int(k, 2)));
  LoopExpr *number = loop_parallel(k, "i", h);
  LoopExpr *access = loop_element(k, x, loop_div(k, number, line), loop_mod(k, number, line));
  assert_ptr_equal(loop_joined_index(access->access, 1, &first), number);
  access = loop_element(k, x, loop_div(k, number, w), loop_mod(k, number, w));
  assert_null(loop_joined_index(access->access, 1, &first));
}

/* What has changed since it was split may not be computed again. */
static void test_changed(void **state) {
  (void)state;
  int first = -1;
  Parts p = parts_of(5, 7);
  LoopExpr *at = loop_var(p.k, "at", LOOP_I64, 1, p.number), *five = loop_int(p.k, 5);
  LoopExpr *rest = loop_let(p.k, "rest", loop_div(p.k, at, loop_int(p.k, 7)));
  p.index[2] = loop_let(p.k, "w", loop_mod(p.k, at, loop_int(p.k, 7)));
  p.index[1] = loop_mod(p.k, rest, five);
  p.index[0] = loop_div(p.k, rest, five);
  loop_set(p.k, at, loop_int(p.k, 0));
  assert_null(joined(&p, 2, &first));
}

int main(void) {
  arena = arena_new();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_parts),   cmocka_unit_test(test_other_sizes),
      cmocka_unit_test(test_strides), cmocka_unit_test(test_ones),
      cmocka_unit_test(test_dims),    cmocka_unit_test(test_changed)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  arena_free(arena);
  return failed;
}
