/* The reference interpreter: products, convolutions and attention. */
#include "interpret_case.h"

static Attribute lists(Case *c, AttributeName name, const char *text) {
  return pairs(c, name, ATTRIBUTE_LISTS, text);
}
static Attribute pads(Case *c, const char *text) {
  return pairs(c, ATTRIBUTE_pad, ATTRIBUTE_PAIRS, text);
}

/* count small whole numbers, of both signs, no two rows alike. */
static RunTensor counted(Case *c, const char *text, int seed) {
  double values[4096];
  for (int i = 0; i < 4096; i++) values[i] = (i * 7 + seed * 5 + i / 11) % 9 - 4;
  return tensor(c, text, values);
}

static void dots(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[2,3]", VALUES(1, 2, 3, 4, 5, 6));
  RunTensor w = tensor(c, "f32[3,2]", VALUES(1, 0, 0, 1, 2, 2));
  Attribute none = lists(c, ATTRIBUTE_batch, ";");
  RunTensor y =
      apply(c, OP_dot, "f32[2,2]", WITH(lists(c, ATTRIBUTE_contract, "1;0"), none), TENSORS(x, w));
  expect(c, &y, VALUES(7, 8, 16, 17));
  y = apply(c, OP_dot, "f32[3,3]", WITH(lists(c, ATTRIBUTE_contract, "0;1"), none), TENSORS(x, w));
  expect(c, &y, VALUES(1, 4, 10, 2, 5, 14, 3, 6, 18));
  y = apply(c, OP_dot, "f32", WITH(lists(c, ATTRIBUTE_contract, "0,1;1,0"), none), TENSORS(x, w));
  expect(c, &y, VALUES(1 * 1 + 2 * 0 + 3 * 2 + 4 * 0 + 5 * 1 + 6 * 2));
  y = apply(c, OP_dot, "f32[2,3,3,2]", WITH(lists(c, ATTRIBUTE_contract, ";"), none),
            TENSORS(x, w));
  assert_true(element_of(c, &y, 17) == 3 * 2 && element_of(c, &y, 35) == 6 * 2);
  y = apply(c, OP_dot, "f32[1,2]", WITH(lists(c, ATTRIBUTE_contract, "1;0"), none),
            TENSORS(tensor(c, "f32[1,0]", VALUES(0)), tensor(c, "f32[0,2]", VALUES(0))));
  expect(c, &y, VALUES(0, 0));
}

static void batched_dots(void **state) {
  Case *c = *state;
  /* Batch is axis 1 of x and axis 0 of w. */
  RunTensor x = tensor(c, "f32[1,2,2]", VALUES(1, 2, 3, 4));
  RunTensor w = tensor(c, "f32[2,2,1]", VALUES(5, 6, 7, 8));
  RunTensor y = apply(c, OP_dot, "f32[2,1,1]",
                      WITH(lists(c, ATTRIBUTE_contract, "2;1"), lists(c, ATTRIBUTE_batch, "1;0")),
                      TENSORS(x, w));
  expect(c, &y, VALUES(17, 53));
}

static void integer_dots(void **state) {
  Case *c = *state;
  Attribute contract = lists(c, ATTRIBUTE_contract, "0;0"), none = lists(c, ATTRIBUTE_batch, ";");
  RunTensor y =
      apply(c, OP_dot, "i32", WITH(contract, none),
            TENSORS(tensor(c, "u8[2]", VALUES(255, 255)), tensor(c, "i8[2]", VALUES(-128, 127))));
  expect(c, &y, VALUES(-255));
  y = apply(c, OP_dot, "i32", WITH(contract, none),
            TENSORS(tensor(c, "i32[2]", VALUES(65536, 1)), tensor(c, "i32[2]", VALUES(65536, 3))));
  expect(c, &y, VALUES(3));
}

/* In f32 the small terms would be lost; in bf16 the result is rounded at the end alone. */
static void sums_of_products_are_kept_in_double(void **state) {
  Case *c = *state;
  Attribute contract = lists(c, ATTRIBUTE_contract, "0;0"), none = lists(c, ATTRIBUTE_batch, ";");
  RunTensor y = apply(c, OP_dot, "f32", WITH(contract, none),
                      TENSORS(tensor(c, "f32[3]", VALUES(16777216, 1, -16777216)),
                              tensor(c, "f32[3]", VALUES(1, 1, 1))));
  expect(c, &y, VALUES(1));
  y = apply(
      c, OP_dot, "bf16", WITH(contract, none),
      TENSORS(tensor(c, "bf16[3]", VALUES(256, 1, 1)), tensor(c, "bf16[3]", VALUES(1, 1, 1))));
  expect(c, &y, VALUES(258));
}

static void dot_panels(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[1,2,2]", VALUES(1, 2, 3, 4));
  RunTensor w = tensor(c, "f32[2,2,2]", VALUES(1, 2, 3, 4, 5, 0, 6, 0)); /* columns 0, 1 and 2 */
  RunTensor y =
      apply(c, OP_dot_panel, "f32[1,2,3]",
            WITH(integer(c, ATTRIBUTE_size, 3), integers(c, ATTRIBUTE_blocking, "0,0,0,0,0")),
            TENSORS(x, w));
  expect(c, &y, VALUES(7, 10, 17, 15, 22, 39));
}

static void convolves_a_line(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[1,1,5]", VALUES(1, 2, 3, 4, 5));
  RunTensor w = tensor(c, "f32[1,1,2]", VALUES(10, 1));
  RunTensor y = apply(c, OP_conv, "f32[1,1,3]",
                      WITH(integers(c, ATTRIBUTE_stride, "2"), pads(c, "1,1"),
                           integers(c, ATTRIBUTE_dilation, "2")),
                      TENSORS(x, w));
  expect(c, &y, VALUES(2, 24, 40));
}

static void convolves_in_groups(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[1,4,1]", VALUES(1, 2, 3, 4));
  RunTensor w = tensor(c, "f32[2,2,1]", VALUES(1, 10, 100, 1000));
  RunTensor y = apply(c, OP_conv, "f32[1,2,1]",
                      WITH(integers(c, ATTRIBUTE_stride, "1"), pads(c, "0,0"),
                           integers(c, ATTRIBUTE_dilation, "1"), integer(c, ATTRIBUTE_groups, 2)),
                      TENSORS(x, w));
  expect(c, &y, VALUES(21, 4300));
}

/* The equation as it stands, for two spatial axes. */
typedef struct {
  int n, in, out, groups, h, w, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow;
} Plane;

static double seen(const Case *c, const Plane *p, const RunTensor *x, int n, int ch, int oy, int ox,
                   int ky, int kx) {
  int y = oy * p->sh + ky * p->dh - p->ph, at = ox * p->sw + kx * p->dw - p->pw;
  if (y < 0 || y >= p->h || at < 0 || at >= p->w) return 0;
  return element_of(c, x, ((n * p->in + ch) * p->h + y) * p->w + at);
}

static const Plane plane = {2, 4, 6, 2, 7, 6, 3, 2, 2, 1, 1, 2, 1, 3, 4, 7};
#define PLANE_ATTRIBUTES                                                                           \
  integers(c, ATTRIBUTE_stride, "2,1"), pads(c, "1,1;2,2"),                                        \
      integers(c, ATTRIBUTE_dilation, "1,3"), integer(c, ATTRIBUTE_groups, 2)

static void convolves_a_plane(void **state) {
  Case *c = *state;
  const Plane *p = &plane;
  RunTensor x = counted(c, "f32[2,4,7,6]", 1), w = counted(c, "f32[6,2,3,2]", 2);
  double y[2 * 6 * 4 * 7] = {0};
  int at = 0;
  for (int n = 0; n < p->n; n++)
    for (int o = 0; o < p->out; o++)
      for (int oy = 0; oy < p->oh; oy++)
        for (int ox = 0; ox < p->ow; ox++, at++)
          for (int ch = 0; ch < 2; ch++)
            for (int ky = 0; ky < p->kh; ky++)
              for (int kx = 0; kx < p->kw; kx++)
                y[at] += seen(c, p, &x, n, o / 3 * 2 + ch, oy, ox, ky, kx) *
                         element_of(c, &w, ((o * 2 + ch) * p->kh + ky) * p->kw + kx);
  RunTensor z = apply(c, OP_conv, "f32[2,6,4,7]", WITH(PLANE_ATTRIBUTES), TENSORS(x, w));
  expect(c, &z, y);

  /* The same with channels last. */
  RunTensor last = apply(c, OP_transpose, "f32[2,7,6,4]",
                         WITH(integers(c, ATTRIBUTE_perm, "0,2,3,1")), TENSORS(x));
  RunTensor turned = apply(c, OP_transpose, "f32[3,2,2,6]",
                           WITH(integers(c, ATTRIBUTE_perm, "2,3,1,0")), TENSORS(w));
  z = apply(c, OP_conv, "f32[2,4,7,6]", WITH(PLANE_ATTRIBUTES, word(ATTRIBUTE_layout, "nhwc")),
            TENSORS(last, turned));
  RunTensor back = apply(c, OP_transpose, "f32[2,6,4,7]",
                         WITH(integers(c, ATTRIBUTE_perm, "0,3,1,2")), TENSORS(z));
  expect(c, &back, y);

  /* And in panels of two: three outputs a group are two panels, the second half empty. */
  double packed[4 * 3 * 2 * 2 * 2] = {0};
  for (int o = 0; o < 6; o++)
    for (int k = 0; k < 6; k++)
      for (int ch = 0; ch < 2; ch++)
        packed[(((o / 3 * 2 + o % 3 / 2) * 6 + k) * 2 + ch) * 2 + o % 3 % 2] =
            element_of(c, &turned, (k * 2 + ch) * 6 + o);
  z = apply(c, OP_conv_panel, "f32[2,4,7,6]",
            WITH(PLANE_ATTRIBUTES, integer(c, ATTRIBUTE_size, 6),
                 integers(c, ATTRIBUTE_blocking, "0,0,0,0,0")),
            TENSORS(last, tensor(c, "f32[4,3,2,2,2]", packed)));
  back = apply(c, OP_transpose, "f32[2,6,4,7]", WITH(integers(c, ATTRIBUTE_perm, "0,3,1,2")),
               TENSORS(z));
  expect(c, &back, y);
}

static double inner_product(const Case *c, const RunTensor *a, const RunTensor *b) {
  double sum = 0;
  for (int64_t i = 0; i < a->count; i++) sum += element_of(c, a, i) * element_of(c, b, i);
  return sum;
}

/* dw as the equation stands; and <conv(x, w), dy> = <w, conv_weight(x, dy)>
 *                                              = <x, conv_transpose(dy, w)>, exactly in integers.
 */
static void gradients_of_a_convolution(void **state) {
  Case *c = *state;
  RunTensor x = counted(c, "f32[2,4,7,6]", 1), w = counted(c, "f32[6,2,3,2]", 2);
  RunTensor dy = counted(c, "f32[2,6,4,7]", 3);
  RunTensor y = apply(c, OP_conv, "f32[2,6,4,7]", WITH(PLANE_ATTRIBUTES), TENSORS(x, w));
  RunTensor dw = apply(c, OP_conv_weight, "f32[6,2,3,2]",
                       WITH(PLANE_ATTRIBUTES, integers(c, ATTRIBUTE_kernel, "3,2"),
                            integers(c, ATTRIBUTE_tile, "1,1")),
                       TENSORS(x, dy));
  RunTensor dx =
      apply(c, OP_conv_transpose, "f32[2,4,7,6]",
            WITH(PLANE_ATTRIBUTES, integers(c, ATTRIBUTE_output_pad, "0,0")), TENSORS(dy, w));
  assert_true(inner_product(c, &y, &dy) == inner_product(c, &w, &dw));
  assert_true(inner_product(c, &y, &dy) == inner_product(c, &x, &dx));
  double values[6 * 2 * 3 * 2] = {0};
  int at = 0;
  for (int o = 0; o < 6; o++)
    for (int ch = 0; ch < 2; ch++)
      for (int ky = 0; ky < 3; ky++)
        for (int kx = 0; kx < 2; kx++, at++)
          for (int n = 0; n < 2; n++)
            for (int oy = 0; oy < 4; oy++)
              for (int ox = 0; ox < 7; ox++)
                values[at] += seen(c, &plane, &x, n, o / 3 * 2 + ch, oy, ox, ky, kx) *
                              element_of(c, &dy, ((n * 6 + o) * 4 + oy) * 7 + ox);
  expect(c, &dw, values);
}

static void transposed_convolution_of_a_line(void **state) {
  Case *c = *state;
  RunTensor x = tensor(c, "f32[1,1,2]", VALUES(1, 2));
  RunTensor w = tensor(c, "f32[1,1,3]", VALUES(1, 10, 100));
  RunTensor y =
      apply(c, OP_conv_transpose, "f32[1,1,5]",
            WITH(integers(c, ATTRIBUTE_stride, "2"), pads(c, "1,0"),
                 integers(c, ATTRIBUTE_dilation, "1"), integers(c, ATTRIBUTE_output_pad, "1")),
            TENSORS(x, w));
  expect(c, &y, VALUES(10, 102, 20, 200, 0));
}

/* More positions than are made at once, and integers. */
static void convolves_bytes(void **state) {
  Case *c = *state;
  RunTensor x = counted(c, "i8[1,1,2000]", 1);
  RunTensor y = apply(c, OP_conv, "i32[1,1,1999]",
                      WITH(integers(c, ATTRIBUTE_stride, "1"), pads(c, "0,0"),
                           integers(c, ATTRIBUTE_dilation, "1")),
                      TENSORS(x, tensor(c, "i8[1,1,2]", VALUES(-128, 127))));
  for (int i = 0; i < 1999; i++)
    assert_true(element_of(c, &y, i) ==
                -128 * element_of(c, &x, i) + 127 * element_of(c, &x, i + 1));
}

static RunTensor attend(Case *c, const char *type, const char *rows, int attribute_count,
                        const Attribute *attributes, int count, const RunTensor *operands) {
  RunTensor y[2];
  if (!apply_all(c, OP_attention, 2, (const char *[]){type, rows}, y, attribute_count, attributes,
                 count, operands))
    fail_msg("%s", c->message);
  return y[0];
}

static void attends(void **state) {
  Case *c = *state;
  /* Scores are 0 or ln 3 after the scale, so that weights are 1/2 or 1/4 and 3/4. */
  RunTensor q = tensor(c, "f64[1,2,1]", VALUES(0, 1));
  RunTensor k = tensor(c, "f64[1,2,1]", VALUES(0, 2));
  RunTensor v = tensor(c, "f64[1,2,2]", VALUES(4, 8, 0, 40));
  Attribute scale = real(ATTRIBUTE_scale, log(3) / 2);
  double bound = 1e-13; /* roundings of numbers below 40 */
  RunTensor y = attend(c, "f64[1,2,2]", "f64[1,2]", WITH(scale), TENSORS(q, k, v));
  expect_near(c, &y, VALUES(2, 24, 1, 32), bound);
  y = attend(c, "f64[1,2,2]", "f64[1,2]", WITH(flag(ATTRIBUTE_causal, true), scale),
             TENSORS(q, k, v));
  expect_near(c, &y, VALUES(4, 8, 1, 32), bound);
  RunTensor mask = tensor(c, "bool[2,2]", VALUES(0, 1, 0, 0));
  y = attend(c, "f64[1,2,2]", "f64[1,2]", WITH(scale), TENSORS(q, k, v, mask));
  expect(c, &y, VALUES(0, 40, 0, 0));
  /* One query more recent than the keys before it: it sees all. */
  y = attend(c, "f64[1,1,2]", "f64[1,1]", WITH(flag(ATTRIBUTE_causal, true), scale),
             TENSORS(tensor(c, "f64[1,1,1]", VALUES(0)), k, v));
  expect_near(c, &y, VALUES(2, 24), bound);
}

static void attends_in_heads(void **state) {
  Case *c = *state;
  RunTensor q = counted(c, "f64[2,3,4,2]", 1), k = counted(c, "f64[2,3,5,2]", 2);
  RunTensor v = counted(c, "f64[2,3,5,3]", 3);
  double bits[2 * 5];
  for (int i = 0; i < 10; i++) bits[i] = i % 3 != 0;
  RunTensor mask = tensor(c, "bool[2,1,1,5]", bits);
  RunTensor y = attend(c, "f64[2,3,4,3]", "f64[2,3,4]", WITHOUT, TENSORS(q, k, v, mask));
  for (int head = 0; head < 6; head++)
    for (int t = 0; t < 4; t++) {
      double sum = 0, out[3] = {0};
      for (int s = 0; s < 5; s++) {
        if (!bits[head / 3 * 5 + s]) continue;
        double score = 0;
        for (int i = 0; i < 2; i++)
          score +=
              element_of(c, &q, (head * 4 + t) * 2 + i) * element_of(c, &k, (head * 5 + s) * 2 + i);
        double weight = exp(score / sqrt(2));
        sum += weight;
        for (int i = 0; i < 3; i++) out[i] += weight * element_of(c, &v, (head * 5 + s) * 3 + i);
      }
      for (int i = 0; i < 3; i++)
        assert_true(fabs(element_of(c, &y, (head * 4 + t) * 3 + i) - out[i] / sum) < 1e-13);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(dots),
      CASE(batched_dots),
      CASE(integer_dots),
      CASE(sums_of_products_are_kept_in_double),
      CASE(dot_panels),
      CASE(convolves_a_line),
      CASE(convolves_in_groups),
      CASE(convolves_a_plane),
      CASE(gradients_of_a_convolution),
      CASE(transposed_convolution_of_a_line),
      CASE(convolves_bytes),
      CASE(attends),
      CASE(attends_in_heads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
