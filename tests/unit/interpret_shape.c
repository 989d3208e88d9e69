/* The reference interpreter: what moves elements, and indices. */
#include "interpret_case.h"

static void transposes(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "i32[2,1,3]", VALUES(1, 2, 3, 4, 5, 6));
  RunTensor y =
      apply(c, OP_transpose, "i32[3,2,1]", WITH(integers(c, ATTRIBUTE_perm, "2,0,1")), TENSORS(x));
  expect(c, &y, VALUES(1, 4, 2, 5, 3, 6));
}

static void broadcasts_and_reshapes(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[2,1]", VALUES(1, 2));
  Attribute shape = integers(c, ATTRIBUTE_shape, "2,2,3");
  RunTensor y = apply(c, OP_broadcast, "f32[2,2,3]", WITH(shape), TENSORS(x));
  expect(c, &y, VALUES(1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2));
  y = apply(c, OP_reshape, "f32[1,2]", WITH(shape), TENSORS(x));
  expect(c, &y, VALUES(1, 2));
}

static RunTensor sliced(Case *c, const char *to, RunTensor x, const char *start, const char *stop,
                        const char *step) {
  return apply(c, OP_slice, to,
               WITH(integers(c, ATTRIBUTE_start, start), integers(c, ATTRIBUTE_stop, stop),
                    integers(c, ATTRIBUTE_step, step)),
               TENSORS(x));
}

static void slices(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[2,5]", VALUES(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  RunTensor y = sliced(c, "f32[2,2]", x, "0,1", "2,4", "1,2");
  expect(c, &y, VALUES(1, 3, 6, 8));
  y = sliced(c, "f32[2,5]", x, "1,4", "-1,-1", "-1,-1");
  expect(c, &y, VALUES(9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  y = sliced(c, "f32[1,2]", x, "1,4", "2,0", "1,-3");
  expect(c, &y, VALUES(9, 6));
  y = sliced(c, "f32[2,0]", x, "0,3", "2,3", "1,1");
  assert_int_equal(y.count, 0);
  expect_failure(c, OP_slice, "f32[2,3]",
                 WITH(integers(c, ATTRIBUTE_start, "0,3"), integers(c, ATTRIBUTE_stop, "2,6"),
                      integers(c, ATTRIBUTE_step, "1,1")),
                 TENSORS(x), "slice: slice takes 3..6 of axis 1, whose size is 5");
}

static void pads(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[1,3]", VALUES(1, 2, 3));
  RunTensor y =
      apply(c, OP_pad, "f32[2,8]",
            WITH(integers(c, ATTRIBUTE_before, "1,2"), integers(c, ATTRIBUTE_after, "0,1"),
                 integers(c, ATTRIBUTE_between, "0,1"), real(ATTRIBUTE_value, 9)),
            TENSORS(x));
  expect(c, &y, VALUES(9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 1, 9, 2, 9, 3, 9));
  y = apply(c, OP_pad, "f32[1,2]",
            WITH(integers(c, ATTRIBUTE_before, "0,-2"), integers(c, ATTRIBUTE_after, "0,1"),
                 integers(c, ATTRIBUTE_between, "0,0")),
            TENSORS(x));
  expect(c, &y, VALUES(3, 0));
}

static void concatenates(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[2,1]", VALUES(1, 2)), y = tensor(c, "f32[2,2]", VALUES(3, 4, 5, 6));
  RunTensor none = tensor(c, "f32[2,0]", VALUES(0));
  RunTensor z =
      apply(c, OP_concat, "f32[2,3]", WITH(integer(c, ATTRIBUTE_axis, 1)), TENSORS(x, none, y));
  expect(c, &z, VALUES(1, 3, 4, 2, 5, 6));
}

static Attribute pad_pairs(Case *c, const char *text) {
  return pairs(c, ATTRIBUTE_pad, ATTRIBUTE_PAIRS, text);
}

/* kernel 2, stride 2, dilation 2, one of padding before: sees (-1, 1), (1, 3). */
static void windows_and_their_transpose(void **state) {
  Case *c = *state;
  Attribute axes = integers(c, ATTRIBUTE_axes, "1"), kernel = integers(c, ATTRIBUTE_kernel, "2");
  Attribute stride = integers(c, ATTRIBUTE_stride, "2");
  Attribute dilation = integers(c, ATTRIBUTE_dilation, "2"), pad = pad_pairs(c, "1,0");
  RunTensor x = tensor(c, "f32[2,4]", VALUES(1, 2, 3, 4, 5, 6, 7, 8));
  RunTensor y = apply(c, OP_windows, "f32[2,2,2]",
                      WITH(axes, kernel, stride, dilation, pad, real(ATTRIBUTE_value, -INFINITY)),
                      TENSORS(x));
  expect(c, &y, VALUES(-INFINITY, 2, 2, 4, -INFINITY, 6, 6, 8));
  RunTensor u = tensor(c, "f32[2,2,2]", VALUES(100, 1, 2, 3, 100, 4, 5, 6));
  RunTensor z = apply(c, OP_overlap_add, "f32[2,4]",
                      WITH(axes, kernel, stride, dilation, pad, integers(c, ATTRIBUTE_size, "4")),
                      TENSORS(u));
  expect(c, &z, VALUES(0, 3, 0, 3, 0, 9, 0, 6));
}

static void gathers(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[3,2]", VALUES(1, 2, 3, 4, 5, 6));
  RunTensor i = tensor(c, "i64[2]", VALUES(2, 0));
  RunTensor y = apply(c, OP_gather, "f32[2,2]", WITH(integer(c, ATTRIBUTE_axis, 0)), TENSORS(x, i));
  expect(c, &y, VALUES(5, 6, 1, 2));
  y = apply(c, OP_gather, "f32[3,2,2]", WITH(integer(c, ATTRIBUTE_axis, 1)),
            TENSORS(x, tensor(c, "i32[2,2]", VALUES(0, 1, 1, 1))));
  expect(c, &y, VALUES(1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6));
  y = apply(c, OP_gather, "f32[3]",
            WITH(integer(c, ATTRIBUTE_axis, 1), integer(c, ATTRIBUTE_batch, 1)),
            TENSORS(x, tensor(c, "i64[3]", VALUES(1, 0, 1))));
  expect(c, &y, VALUES(2, 3, 6));
  expect_failure(c, OP_gather, "f32[2,2]", WITH(integer(c, ATTRIBUTE_axis, 0)),
                 TENSORS(x, tensor(c, "i64[2]", VALUES(0, 3))), "gather: index 3 is not in 0..3");
  expect_failure(c, OP_gather, "f32[1,2]", WITH(integer(c, ATTRIBUTE_axis, 0)),
                 TENSORS(x, tensor(c, "i64[1]", VALUES(-1))), "gather: index -1 is not in 0..3");
}

static void scatters(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[3,2]", VALUES(0, 0, 10, 10, 20, 20));
  RunTensor i = tensor(c, "i64[3]", VALUES(2, 0, 2));
  RunTensor u = tensor(c, "f32[3,2]", VALUES(1, 2, 3, 4, 5, 6));
  RunTensor y =
      apply(c, OP_scatter_add, "f32[3,2]", WITH(integer(c, ATTRIBUTE_axis, 0)), TENSORS(x, i, u));
  expect(c, &y, VALUES(3, 4, 10, 10, 26, 28));
  y = apply(c, OP_scatter_add, "i32[2,2]",
            WITH(integer(c, ATTRIBUTE_axis, 1), integer(c, ATTRIBUTE_batch, 1)),
            TENSORS(tensor(c, "i32[2,2]", VALUES(0, 2147483647, 0, 0)),
                    tensor(c, "i64[2]", VALUES(1, 0)), tensor(c, "i32[2]", VALUES(1, 7))));
  expect(c, &y, VALUES(0, -2147483648.0, 7, 0));
}

static void updates(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[3,3]", VALUES(1, 2, 3, 4, 5, 6, 7, 8, 9));
  RunTensor u = tensor(c, "f32[1,2]", VALUES(-1, -2));
  RunTensor y =
      apply(c, OP_update, "f32[3,3]", WITH(integers(c, ATTRIBUTE_at, "2,1")), TENSORS(x, u));
  expect(c, &y, VALUES(1, 2, 3, 4, 5, 6, 7, -1, -2));
  RunTensor row = tensor(c, "i64", VALUES(1)), column = tensor(c, "i64", VALUES(1));
  Attribute zero = integers(c, ATTRIBUTE_at, "0,0");
  y = apply(c, OP_update, "f32[3,3]", WITH(zero), TENSORS(x, u, row, column));
  expect(c, &y, VALUES(1, 2, 3, 4, -1, -2, 7, 8, 9));
  expect_failure(c, OP_update, "f32[3,3]", WITH(zero),
                 TENSORS(x, u, row, tensor(c, "i64", VALUES(2))),
                 "update: update of 2 elements at 2 of axis 1, whose size is 3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(transposes),   CASE(broadcasts_and_reshapes),     CASE(slices),  CASE(pads),
      CASE(concatenates), CASE(windows_and_their_transpose), CASE(gathers), CASE(scatters),
      CASE(updates),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
