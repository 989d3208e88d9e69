/* Winograd's algorithm: its matrices, transformed weights, and the error of its kernels.
 * The last is held, element by element, to the bound of tests/tools/bounds_winograd.h. */
#include "ir/winograd.h"

#include "ir/module_text.h"
#include "passes/pass.h"
#include "tests/tools/bounds_winograd.h"
#include "tests/tools/native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* y[i] of the algorithm for the filter that is 1 at place j and the input that is 1 at k: 1 where
 * k = i + j, else 0. */
static void matrices_convolve(void **state) {
  (void)state;
  int found = 0;
  for (int64_t tile = 1; tile <= WINOGRAD_POINTS + 1; tile++)
    for (int64_t kernel = 1; kernel <= WINOGRAD_POINTS + 1; kernel++) {
      Winograd w;
      if (!winograd_find(tile, kernel, 1, &w)) {
        int64_t count = tile + kernel - 1;
        assert_true(count > WINOGRAD_INTERPOLATED || (count % 2 == 1 && count > 1));
        assert_true(tile > 1 || kernel > WINOGRAD_POINTS);
        continue;
      }
      found++;
      for (int i = 0; i < tile; i++)
        for (int j = 0; j < kernel; j++)
          for (int k = 0; k < w.points; k++) {
            double y = 0;
            for (int p = 0; p < w.points; p++) y += w.a[i][p] * w.g[p][j] * w.b[p][k];
            assert_true(fabs(y - (k == i + j)) < 1e-12);
          }
    }
  assert_true(found >= 16);
}

/* The same of any algorithm, its points' weights being those of `whole`. */
static void expect_convolves(const Winograd *w, const Winograd *whole) {
  for (int i = 0; i < w->tile; i++)
    for (int j = 0; j < w->kernel; j++)
      for (int k = 0; k < w->seen; k++) {
        double y = 0;
        for (int p = 0; p < w->points; p++)
          y += w->a[i][p] * whole->g[winograd_weight(whole, w->at[p])][j] * w->b[p][k];
        assert_true(fabs(y - (k == i * w->stride + j)) < 1e-12);
      }
}

/* So do those of a stride of 2, and their last tiles. */
static void strides_convolve(void **state) {
  (void)state;
  static const int points[][4] = {{0}, {0}, {0, 3}, {0}, {0, 4, 5, 8}}; /* of tiles of 2 and 4 */
  Winograd w, edge;
  assert_false(winograd_find(3, 3, 2, &w) || winograd_find(3, 5, 2, &w) ||
               winograd_find(2, 3, 3, &w) || winograd_find(1, 1, 2, &w));
  for (int tile = 2; tile <= 4; tile += 2) {
    assert_true(winograd_find(tile, 3, 2, &w));
    assert_int_equal(w.points, 2 * tile + 1);
    assert_int_equal(w.weights, tile + 2);
    expect_convolves(&w, &w);
    for (int rest = 1; rest < tile; rest++) {
      winograd_edge(&w, rest, &edge);
      assert_int_equal(edge.tile, rest);
      assert_int_equal(edge.points, points[tile][rest]);
      expect_convolves(&edge, &w);
    }
  }
}

/* So do longer kernels with a stride of 2, whose even and odd places are apart, and direct sums. */
static void parts_convolve(void **state) {
  (void)state;
  Winograd w, edge;
  for (int tile = 2; tile <= 4; tile += 2)
    for (int kernel = 5; kernel <= 7; kernel += 2) {
      assert_true(winograd_find(tile, kernel, 2, &w));
      assert_int_equal(w.points, 2 * (tile - 1) + kernel);
      assert_int_equal(w.weights, w.points);
      expect_convolves(&w, &w);
      for (int rest = 1; rest < tile; rest++) {
        winograd_edge(&w, rest, &edge);
        assert_int_equal(edge.tile, rest);
        expect_convolves(&edge, &w);
      }
    }
  for (int stride = 1; stride <= 3; stride++)
    for (int kernel = 2; kernel <= WINOGRAD_POINTS; kernel++) {
      assert_true(winograd_find(1, kernel, stride, &w) && winograd_is_direct(&w));
      assert_int_equal(w.points, kernel);
      expect_convolves(&w, &w);
    }
}

/* So do those of the last tiles, with the weights of the whole one. */
static void edges_convolve(void **state) {
  (void)state;
  Winograd w, edge;
  int found = 0;
  for (int64_t tile = 2; tile <= WINOGRAD_POINTS; tile++)
    for (int64_t kernel = 2; kernel <= WINOGRAD_POINTS; kernel++)
      for (int rest = 1; rest < tile && winograd_find(tile, kernel, 1, &w); rest++) {
        winograd_edge(&w, rest, &edge);
        assert_int_equal(edge.points, rest + kernel - 1);
        found++;
        expect_convolves(&edge, &w);
      }
  assert_true(found >= 20);
}

/* Rows of pairs differ in the signs that the kernels' transforms rely on. */
static void points_come_in_pairs(void **state) {
  (void)state;
  Winograd w;
  for (int64_t points = 2; points <= WINOGRAD_INTERPOLATED; points += 2) {
    assert_true(winograd_find(points - 2 > 1 ? points - 2 : 1, points - 2 > 1 ? 3 : points, 1, &w));
    int last = w.points - 1;
    for (int k = 0; k <= last; k++) {
      if (k % 2) assert_true(w.b[0][k] == 0);
      if (k % 2 == 0 && last > 1) assert_true(w.b[last][k] == 0);
      for (int i = 1; i + 1 < last; i += 2)
        assert_true(w.b[i + 1][k] == (k % 2 ? -w.b[i][k] : w.b[i][k]));
    }
    for (int i = 0; i < w.tile; i++)
      for (int p = 1; p + 1 < last; p += 2)
        assert_true(w.a[i][p + 1] == (i % 2 ? -w.a[i][p] : w.a[i][p]));
  }
}

static uint32_t noise_state;
static float noise(void) {
  noise_state = noise_state * 1664525u + 1013904223u;
  return (float)(noise_state >> 8) / 8388608.0f - 1;
}

/* Any piece of the weights is that of the whole. */
static void weights_are_made_in_pieces(void **state) {
  (void)state;
  enum { PANELS = 3, EACH = 37 * 16, TAPS = 9, POINTS = 36 };
  Arena *arena = arena_new();
  Winograd axes[2];
  for (int i = 0; i < 2; i++) assert_true(winograd_find(4, 3, 1, &axes[i]));
  float *w = arena_alloc(arena, sizeof(float) * PANELS * TAPS * EACH);
  for (int i = 0; i < PANELS * TAPS * EACH; i++) w[i] = noise();
  const Data *from = data_new(arena, ELEMENT_f32, PANELS * TAPS * EACH, w);
  Data *data = data_winograd(arena, from, axes, PANELS, EACH);
  Data *again = data_winograd(arena, from, axes, PANELS, EACH);
  assert_int_equal(data->count, PANELS * POINTS * EACH);
  assert_null(data->bytes);
  assert_true(data_is_known(data) && data_equal(data, again));
  assert_true(data_digest(data) == data_digest(again));
  float *part = arena_alloc(arena, sizeof(float) * PANELS * POINTS * EACH);
  for (int64_t at = 0, step = 1; at < data->count; at += step, step = step * 3 % 70001 + 1)
    data_read(data, at, at + step < data->count ? step : data->count - at, part + at);
  const float *whole = data_contents(data);
  assert_memory_equal(part, whole, sizeof(float) * (size_t)data->count);
  for (int p = 0; p < PANELS; p++)
    for (int i = 0; i < 6; i++)
      for (int j = 0; j < 6; j++)
        for (int e = 0; e < EACH; e += 100) {
          double sum = 0;
          for (int t = 0; t < TAPS; t++)
            sum += axes[0].g[i][t / 3] * axes[1].g[j][t % 3] * w[(p * TAPS + t) * EACH + e];
          assert_true(whole[(p * POINTS + i * 6 + j) * EACH + e] == (float)sum);
        }
  arena_free(arena);
}

/* ---- the kernels ---- */

typedef struct {
  int images, height, width, channels, out, kernel[2], tile[2], pad;
  int stride;
} Shape;

static const Shape shapes[] = {
    {1, 8, 8, 16, 16, {3, 3}, {2, 2}, 1, 1},
    {2, 7, 7, 33, 20, {3, 3}, {2, 2}, 1, 1},
    {1, 8, 8, 16, 16, {3, 3}, {4, 4}, 1, 1},
    {2, 13, 11, 7, 50, {3, 3}, {4, 4}, 1, 1},
    {1, 1, 1, 1, 1, {3, 3}, {4, 4}, 1, 1},
    {3, 14, 14, 64, 48, {3, 3}, {4, 4}, 1, 1},
    {1, 6, 6, 130, 16, {3, 3}, {4, 4}, 0, 1},
    {1, 29, 31, 5, 17, {3, 3}, {4, 4}, 2, 1},
    {2, 9, 10, 24, 32, {5, 5}, {2, 2}, 2, 1},
    {2, 9, 10, 24, 32, {5, 5}, {4, 4}, 2, 1},
    {2, 5, 17, 40, 16, {1, 7}, {1, 2}, 0, 1},
    {2, 17, 5, 40, 16, {7, 1}, {2, 1}, 0, 1},
    {2, 8, 8, 40, 30, {1, 3}, {1, 4}, 0, 1},
    {2, 9, 8, 40, 30, {3, 1}, {6, 1}, 0, 1},
    {1, 56, 56, 8, 16, {3, 3}, {4, 4}, 1, 1},
    {1, 4, 4, 256, 160, {3, 3}, {4, 4}, 1, 1},
    /* last tiles of fewer points */
    {2, 7, 7, 72, 64, {3, 3}, {2, 2}, 1, 1},
    {3, 11, 10, 64, 50, {3, 3}, {4, 4}, 1, 1},
    {5, 13, 8, 70, 48, {3, 3}, {4, 4}, 1, 1},
    {2, 8, 13, 70, 48, {3, 3}, {4, 4}, 1, 1},
    {2, 9, 10, 35, 48, {5, 5}, {4, 4}, 2, 1},
    {3, 8, 12, 112, 112, {1, 3}, {1, 4}, 0, 1},
    {2, 12, 9, 112, 112, {3, 1}, {6, 1}, 0, 1},
    {7, 14, 14, 64, 48, {3, 3}, {4, 4}, 0, 1},
    /* strides */
    {1, 16, 16, 16, 16, {3, 3}, {4, 4}, 1, 2},
    {2, 13, 14, 33, 20, {3, 3}, {2, 2}, 1, 2},
    {2, 29, 27, 7, 50, {3, 3}, {4, 4}, 0, 2},
    {1, 2, 3, 5, 7, {3, 3}, {4, 2}, 1, 2},
    {3, 28, 28, 40, 64, {3, 3}, {4, 4}, 1, 2},
    {2, 14, 14, 72, 64, {3, 3}, {2, 2}, 1, 2},
    {2, 35, 37, 40, 64, {3, 3}, {4, 4}, 0, 2},
    {2, 29, 30, 24, 50, {3, 3}, {4, 4}, 1, 2},
    /* lines of the kernel that are summed directly, and long kernels with a stride */
    {2, 21, 27, 3, 50, {7, 7}, {1, 4}, 3, 2},
    {1, 40, 40, 3, 64, {7, 7}, {1, 4}, 3, 2},
    {2, 13, 14, 3, 20, {7, 7}, {1, 2}, 3, 2},
    {2, 15, 19, 12, 32, {5, 5}, {1, 4}, 2, 2},
    {1, 9, 14, 5, 16, {3, 3}, {1, 4}, 1, 1},
    {2, 12, 13, 9, 20, {3, 3}, {1, 6}, 1, 1},
    {1, 6, 7, 1, 1, {3, 3}, {1, 2}, 1, 1},
    {1, 17, 9, 4, 16, {7, 7}, {4, 1}, 3, 2},
    {1, 19, 18, 2, 7, {7, 7}, {4, 4}, 3, 2},
};

static const Shape *shape; /* of the running case */
static float *weight, *input;

static int64_t weight_count(void) {
  return (int64_t)shape->kernel[0] * shape->kernel[1] * shape->channels * ((shape->out + 15) / 16) *
         16;
}

static void give(const char *name, Element element, void *bytes, int64_t count) {
  (void)name, (void)element;
  memcpy(bytes, weight, (size_t)count * sizeof(float));
}

/* The padding along an axis: none where the kernel is a single place. */
static int pad_of(int axis) {
  return shape->kernel[axis] == 1 ? 0 : shape->pad;
}

static int size_of(int axis) {
  int size = axis == 0 ? shape->height : shape->width;
  return (size + 2 * pad_of(axis) - shape->kernel[axis]) / shape->stride + 1;
}

/* What the results are, and how far a kernel's may be off. */
typedef struct {
  double *exact, *bound;
  int64_t count;
} Expected;

static double *doubles(Arena *arena, int64_t count, const float *from) {
  double *to = arena_array(arena, (size_t)count + 1, sizeof *to);
  for (int64_t i = 0; from && i < count; i++) to[i] = from[i];
  return to;
}

/* The sums of a convolution, in double: y [images, height, width, out]. */
static void convolve(const double *x, const double *w, double *y) {
  const Shape *s = shape;
  int64_t taps = (int64_t)s->kernel[0] * s->kernel[1];
  for (int n = 0; n < s->images; n++)
    for (int h = 0; h < size_of(0); h++)
      for (int v = 0; v < size_of(1); v++, y += s->out)
        for (int64_t tap = 0; tap < taps; tap++) {
          int64_t row = (int64_t)h * s->stride - pad_of(0) + tap / s->kernel[1];
          int64_t column = (int64_t)v * s->stride - pad_of(1) + tap % s->kernel[1];
          if (row < 0 || row >= s->height || column < 0 || column >= s->width) continue;
          const double *from = x + ((n * s->height + row) * s->width + column) * s->channels;
          for (int c = 0; c < s->channels; c++)
            for (int o = 0; o < s->out; o++)
              y[o] += from[c] * w[(((o / 16) * taps + tap) * s->channels + c) * 16 + o % 16];
        }
}

static const Op *find_conv(const Module *module) {
  for (const Op *op = module->functions.items[0]->body->first; op; op = op->next)
    if (op->kind == OP_conv_winograd) return op;
  return NULL;
}

static Expected expect(Arena *arena, const Op *conv) {
  const Shape *s = shape;
  int64_t panels = (s->out + 15) / 16,
          inputs = (int64_t)s->images * s->height * s->width * s->channels;
  Winograd axes[2];
  for (int i = 0; i < 2; i++)
    assert_true(winograd_find(s->tile[i], s->kernel[i], s->stride, &axes[i]));
  RunTensor x = {.rank = 4,
                 .shape = {s->images, s->height, s->width, s->channels},
                 .count = inputs,
                 .bytes = doubles(arena, inputs, input)};
  RunTensor w = {.rank = 5,
                 .shape = {panels, s->kernel[0], s->kernel[1], s->channels, 16},
                 .count = weight_count(),
                 .bytes = doubles(arena, weight_count(), weight)};
  RunTensor u = {.rank = 5, .shape = {panels, axes[0].weights, axes[1].weights, s->channels, 16}};
  u.count = panels * axes[0].weights * axes[1].weights * s->channels * 16;
  u.bytes = doubles(arena, u.count, NULL);
  Expected e = {.count = (int64_t)s->images * size_of(0) * size_of(1) * s->out};
  e.exact = doubles(arena, e.count, NULL), e.bound = doubles(arena, e.count, NULL);
  convolve(x.bytes, w.bytes, e.exact);
  winograd_weight_magnitude(axes, &w, u.bytes);
  conv_winograd_magnitude(arena, conv, &x, &u, e.bound);
  double roundings = winograd_roundings(axes, s->channels), half_ulp = 0x1p-24;
  double factor = roundings * half_ulp / (1 - roundings * half_ulp);
  for (int64_t i = 0; i < e.count; i++) e.bound[i] = factor * e.bound[i] + 0x1p-126;
  return e;
}

static void expect_bounded(const char *cpu, const Expected *e, const float *y) {
  double worst = 0;
  for (int64_t i = 0; i < e->count; i++) {
    double off = fabs(y[i] - e->exact[i]);
    if (!(off <= e->bound[i]))
      fail_msg("%s, shape %d at %lld: %g, not %g +- %g", cpu, (int)(shape - shapes), (long long)i,
               y[i], e->exact[i], e->bound[i]);
    if (off / e->bound[i] > worst) worst = off / e->bound[i];
  }
  if (getenv("DLC_SHOW"))
    printf("%s, shape %d: %.3f of the bound\n", cpu, (int)(shape - shapes), worst);
}

static void run_shape(const char *cpu) {
  Arena *arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  Target target;
  assert_true(target_find(&target, arena, NULL, cpu, diagnostics));
  if (!target_runs_here(&target)) {
    arena_free(arena);
    return;
  }
  const Shape *s = shape;
  int panels = (s->out + 15) / 16;
  Winograd axes[2];
  for (int i = 0; i < 2; i++)
    assert_true(winograd_find(s->tile[i], s->kernel[i], s->stride, &axes[i]));
  char *text = arena_format(
      arena,
      "module m\nparam @w : f32[%d,%d,%d,%d,16]\n"
      "func model @f(%%x: f32[%d,%d,%d,%d]) -> f32[%d,%d,%d,%d] {\n"
      "  %%0 = read @w : f32[%d,%d,%d,%d,16]\n"
      "  %%1 = winograd_weight %%0 {tile=[%d,%d], stride=[%d,%d]} : f32[%d,%d,%d,%d,16]\n"
      "  %%2 = conv_winograd %%x, %%1 {pad=[[%d,%d],[%d,%d]], kernel=[%d,%d], tile=[%d,%d], "
      "size=%d, stride=[%d,%d]}"
      " : f32[%d,%d,%d,%d]\n"
      "  return %%2\n}\n",
      panels, s->kernel[0], s->kernel[1], s->channels, s->images, s->height, s->width, s->channels,
      s->images, size_of(0), size_of(1), s->out, panels, s->kernel[0], s->kernel[1], s->channels,
      s->tile[0], s->tile[1], s->stride, s->stride, panels, axes[0].weights, axes[1].weights,
      s->channels, pad_of(0), pad_of(0), pad_of(1), pad_of(1), s->kernel[0], s->kernel[1],
      s->tile[0], s->tile[1], s->out, s->stride, s->stride, s->images, size_of(0), size_of(1),
      s->out);
  int32_t file = sources_add(diagnostics_sources(diagnostics), "m.ir", NULL, text, strlen(text));
  Module *module = module_parse(arena, diagnostics, file);
  PassOptions options = PASS_OPTIONS_DEFAULT;
  options.vector_lanes = target.lanes;
  Expected expected = module ? expect(arena, find_conv(module)) : (Expected){0};
  if (!module || !pipeline_run(module, &options, diagnostics, NULL, NULL)) {
    diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
    fail_msg("%s", text);
  }
  RunTensor x = {.element = ELEMENT_f32,
                 .rank = 4,
                 .shape = {s->images, s->height, s->width, s->channels},
                 .count = (int64_t)s->images * s->height * s->width * s->channels,
                 .bytes = input};
  RunTensor y = {0};
  NativeRun run = {
      .arena = arena, .dims = (int64_t[2]){0}, .inputs = &x, .outputs = &y, .tensor = give};
  float *first = NULL;
  NativeCode *code = native_open(module, module->functions.items[0], &target, 2, &run);
  assert_non_null(code);
  for (run.parts = 1; run.parts <= 3; run.parts++) {
    assert_true(native_call(code, module->functions.items[0], &run));
    if (!first) first = y.bytes;
    assert_memory_equal(first, y.bytes, (size_t)y.count * sizeof(float)); /* however it is split */
  }
  native_close(code);
  expect_bounded(cpu, &expected, first);
  arena_free(arena);
}

static void errors_are_bounded(void **state) {
  (void)state;
  static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    shape = &shapes[i];
    int64_t count = (int64_t)shape->images * shape->height * shape->width * shape->channels;
    input = malloc((size_t)count * sizeof *input);
    weight = calloc((size_t)weight_count(), sizeof *weight);
    assert_true(input && weight);
    for (int64_t j = 0; j < count; j++) input[j] = noise();
    for (int64_t j = 0; j < weight_count(); j++) weight[j] = noise();
    for (size_t c = 0; c < sizeof cpus / sizeof *cpus; c++) run_shape(cpus[c]);
    free(input);
    free(weight);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matrices_convolve),    cmocka_unit_test(strides_convolve),
      cmocka_unit_test(parts_convolve),       cmocka_unit_test(edges_convolve),
      cmocka_unit_test(points_come_in_pairs), cmocka_unit_test(weights_are_made_in_pieces),
      cmocka_unit_test(errors_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
