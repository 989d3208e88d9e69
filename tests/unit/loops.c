/* Kernels of loop IR, run in memory and compared with plain C, at every level that the machine has.
 */
#include "backend/emit.h"
#include "ir/data.h"
#include "runtime/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "native"};
static Arena *arena;
static const LoopPlace nowhere = {0};

static void run(const LoopKernel *kernel, const char *cpu, int level, void *const *operands,
                const int64_t *dims, int64_t trips, dlrt_worker *worker) {
  Target target;
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  assert_true(target_find(&target, arena, NULL, cpu, diagnostics));
  Emission *e = emission_new(arena, &target, (EmitOptions){.level = level, .public_kernels = true});
  emit_kernel(e, kernel);
  const char *error = "";
  Jit *jit = jit_new(arena, emission_object(e), NULL, 0, &error);
  emission_free(e);
  if (!jit) fail_msg("%s", error);
  dlrt_kernel *function = NULL;
  *(void **)&function = jit_find(jit, kernel->name);
  assert_non_null(function);
  function(operands, dims, 0, trips / 2, worker);
  function(operands, dims, trips / 2, trips, worker);
  jit_free(jit);
}

/* The cases below run once for each CPU that the machine can be. */
static bool can_run(const char *cpu) {
  Target target;
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  return target_find(&target, arena, NULL, cpu, diagnostics) && target_runs_here(&target);
}
#define EACH_CPU(cpu)                                                                              \
  for (size_t cpu##_i = 0; cpu##_i < sizeof cpus / sizeof cpus[0]; cpu##_i++)                      \
    for (const char *cpu = cpus[cpu##_i]; cpu && can_run(cpu); cpu = NULL)

static float *random_floats(size_t count, unsigned seed) {
  float *numbers = arena_array(arena, count + 1, sizeof(float));
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    numbers[i] = (float)(int32_t)seed * 0x1p-30f;
  }
  return numbers;
}

static void assert_near(const float *got, const float *wanted, size_t count, float tolerance) {
  for (size_t i = 0; i < count; i++)
    if (!(fabsf(got[i] - wanted[i]) <= tolerance) && !(isnan(got[i]) && isnan(wanted[i])))
      fail_msg("at %zu: %.9g, not %.9g", i, (double)got[i], (double)wanted[i]);
}

static LoopKernel *softmax(LoopExpr *(*columns_of)(LoopKernel *)) {
  LoopKernel *k = loop_kernel(arena, "softmax_rows", (LoopPlace){"classes.dl", 12, 10});
  LoopExpr *rows = loop_dim(k, "M", 0), *columns = columns_of(k), *zero = loop_int(k, 0);
  LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 2, rows, columns);
  LoopBuffer *y = loop_operand(k, "y", LOOP_F32, 2, rows, columns);
  x->noalias = y->noalias = true;
  LoopExpr *lowest = loop_number(k, -INFINITY);
  LoopExpr *i = loop_parallel(k, "i", rows);
  LoopExpr *m = loop_var(k, "m", LOOP_F32, 16, lowest);
  LoopExpr *j = loop_for_lanes(k, "j", zero, columns, 16);
  loop_set(k, m, loop_max(k, m, loop_else(loop_lanes(k, x, 16, i, j), lowest)));
  loop_end(k);
  LoopExpr *top = loop_let(k, "top", loop_reduce(k, LOOP_MAX, m));
  LoopExpr *s = loop_var(k, "s", LOOP_F32, 16, loop_int(k, 0));
  j = loop_for_lanes(k, "j", zero, columns, 16);
  LoopExpr *from = loop_else(loop_lanes(k, x, 16, i, j), lowest);
  LoopExpr *power = loop_let(k, "e", loop_exp(k, loop_sub(k, from, top)));
  loop_store(k, loop_lanes(k, y, 16, i, j), power);
  loop_set(k, s, loop_add(k, s, power));
  loop_end(k);
  LoopExpr *r = loop_let(k, "r", loop_div(k, loop_int(k, 1), loop_reduce(k, LOOP_ADD, s)));
  j = loop_for_lanes(k, "j", zero, columns, 16);
  LoopExpr *at = loop_lanes(k, y, 16, i, j);
  loop_store(k, at, loop_mul(k, at, r));
  loop_end(k);
  loop_end(k);
  return k;
}

static LoopExpr *fixed_1000(LoopKernel *k) {
  return loop_int(k, 1000);
}
static LoopExpr *fixed_37(LoopKernel *k) {
  return loop_int(k, 37);
}
static LoopExpr *fixed_5(LoopKernel *k) {
  return loop_int(k, 5);
}
static LoopExpr *dynamic_n(LoopKernel *k) {
  return loop_dim(k, "N", 1);
}

static void check_softmax(LoopExpr *(*columns_of)(LoopKernel *), int64_t columns, int most_level) {
  enum { ROWS = 3 };
  float *x = random_floats(ROWS * (size_t)columns, 1), *wanted = random_floats(ROWS * 1000, 2);
  for (int i = 0; i < ROWS; i++) {
    double sum = 0, top = -INFINITY;
    const float *row = x + i * columns;
    for (int64_t j = 0; j < columns; j++) top = fmax(top, row[j]);
    for (int64_t j = 0; j < columns; j++) sum += exp(row[j] - top);
    for (int64_t j = 0; j < columns; j++)
      wanted[i * columns + j] = (float)(exp(row[j] - top) / sum);
  }
  int64_t dims[] = {ROWS, columns};
  EACH_CPU(cpu) {
    for (int level = 0; level <= most_level; level++) {
      float *y = random_floats(ROWS * (size_t)columns + 16, 3);
      y[ROWS * columns] = 77;
      dlrt_worker worker = {0};
      run(softmax(columns_of), cpu, level, (void *[]){x, y}, dims, ROWS, &worker);
      assert_near(y, wanted, ROWS * (size_t)columns, 1e-6f); /* a few roundings of numbers < 1 */
      assert_true(y[ROWS * columns] == 77);
    }
  }
}

static void test_softmax(void **state) {
  (void)state;
  check_softmax(fixed_1000, 1000, 0);
  check_softmax(fixed_37, 37, 2);
  check_softmax(fixed_5, 5, 0);
  check_softmax(dynamic_n, 1, 0);
  check_softmax(dynamic_n, 16, 0);
  check_softmax(dynamic_n, 45, 2);
}

/* y = gelu(x w + b), a register tile of 8 x 48. */
static LoopKernel *product(int64_t depth, int64_t columns, LoopExpr *(*rows_of)(LoopKernel *)) {
  LoopKernel *k = loop_kernel(arena, "dot_gelu", nowhere);
  int64_t panels = (columns + 47) / 48;
  LoopExpr *rows = rows_of(k), *zero = loop_int(k, 0), *n = loop_int(k, columns);
  LoopExpr *inner = loop_int(k, depth), *width = loop_int(k, 48), *eight = loop_int(k, 8);
  LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 2, rows, inner);
  LoopBuffer *w = loop_operand(k, "w", LOOP_F32, 3, loop_int(k, panels), inner, width);
  LoopBuffer *b = loop_operand(k, "b", LOOP_F32, 1, n);
  LoopBuffer *y = loop_operand(k, "y", LOOP_F32, 2, rows, n);
  w->packed = x->noalias = w->noalias = b->noalias = y->noalias = true;
  (void)eight;
  LoopExpr *p = loop_parallel(k, "p", loop_int(k, panels));
  loop_remark(k, "a panel is %lld KiB, stays in L2", (long long)(depth * 48 * 4 / 1024));
  LoopExpr *count, *i = loop_for_tail(k, "i", zero, rows, 8, &count);
  loop_remark(k, "8 x 48 floats: 24 registers of 16");
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, 8, 48, zero);
  LoopExpr *q = loop_for_unroll(k, "k", zero, inner, 4);
  LoopExpr *v = loop_let(k, "v", loop_lanes(k, w, 48, p, q, zero));
  LoopExpr *r = loop_each(k, "r", zero, count);
  LoopExpr *row = loop_row(k, acc, r);
  loop_set(k, row, loop_fma(k, loop_element(k, x, loop_add(k, i, r), q), v, row));
  loop_end(k);
  loop_end(k);
  r = loop_each(k, "r", zero, count);
  LoopExpr *column = loop_mul(k, width, p);
  LoopExpr *bias = loop_below(loop_lanes(k, b, 48, column), n);
  LoopExpr *u = loop_let(k, "u", loop_add(k, loop_row(k, acc, r), bias));
  LoopExpr *cube = loop_mul(k, loop_mul(k, loop_mul(k, loop_number(k, 0.044715), u), u), u);
  LoopExpr *inside = loop_mul(k, loop_number(k, 0.7978846), loop_add(k, u, cube));
  LoopExpr *gelu = loop_mul(k, loop_mul(k, loop_number(k, 0.5), u),
                            loop_add(k, loop_number(k, 1), loop_tanh(k, inside)));
  loop_store(k, loop_below(loop_lanes(k, y, 48, loop_add(k, i, r), column), n), gelu);
  loop_end(k);
  loop_end(k);
  loop_end(k);
  return k;
}

static LoopExpr *rows_13(LoopKernel *k) {
  return loop_int(k, 13);
}
static LoopExpr *rows_m(LoopKernel *k) {
  return loop_dim(k, "M", 0);
}

static void check_product(int64_t rows, int64_t depth, int64_t columns,
                          LoopExpr *(*rows_of)(LoopKernel *)) {
  int64_t panels = (columns + 47) / 48;
  float *x = random_floats((size_t)(rows * depth), 5), *w = random_floats(depth * columns, 6);
  float *b = random_floats((size_t)columns, 7);
  float *packed = arena_array(arena, (size_t)(panels * depth * 48), sizeof(float));
  for (int64_t k = 0; k < depth; k++)
    for (int64_t j = 0; j < columns; j++)
      packed[(j / 48 * depth + k) * 48 + j % 48] = w[k * columns + j];
  float *wanted = arena_array(arena, (size_t)(rows * columns), sizeof(float));
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) {
      double u = b[j];
      for (int64_t k = 0; k < depth; k++) u += (double)x[i * depth + k] * w[k * columns + j];
      wanted[i * columns + j] =
          (float)(0.5 * u * (1 + tanh(0.7978846 * (u + 0.044715 * u * u * u))));
    }
  int64_t dims[] = {rows};
  EACH_CPU(cpu) {
    float *y = random_floats((size_t)(rows * columns), 8);
    dlrt_worker worker = {0};
    run(product(depth, columns, rows_of), cpu, 2, (void *[]){x, packed, b, y}, dims, panels,
        &worker);
    assert_near(y, wanted, (size_t)(rows * columns), 2e-4f); /* sums of 70 products below 4 */
  }
}

static void test_product(void **state) {
  (void)state;
  check_product(13, 70, 100, rows_13);
  check_product(13, 70, 100, rows_m);
  check_product(8, 8, 48, rows_m);
  check_product(1, 9, 10, rows_m);
}

static void test_text(void **state) {
  (void)state;
  Text text = text_new(arena);
  loop_print(&text, softmax(fixed_1000));
  assert_string_equal(
      text_get(&text),
      "kernel softmax_rows(x: f32[M,1000], y: f32[M,1000])              # classes.dl:12:10\n"
      "  parallel i in 0..M\n"
      "    m: f32[16] = -inf\n"
      "    for j in 0..1000 by 16: m = max(m, x[i, j:16] else -inf)\n"
      "    top: f32 = max over m\n"
      "    s: f32[16] = 0\n"
      "    for j in 0..1000 by 16\n"
      "      e: f32[16] = exp((x[i, j:16] else -inf) - top)\n"
      "      y[i, j:16] = e\n"
      "      s = s + e\n"
      "    r: f32 = 1 / (sum over s)\n"
      "    for j in 0..1000 by 16: y[i, j:16] = y[i, j:16] * r\n");
  text = text_new(arena);
  loop_print(&text, product(768, 3072, rows_m));
  assert_string_equal(
      text_get(&text),
      "kernel dot_gelu(x: f32[M,768], w: packed f32[64,768,48], b: f32[3072], y: f32[M,3072])\n"
      "  parallel p in 0..64                       # a panel is 144 KiB, stays in L2\n"
      "    for i in 0..M by 8 tail                 # 8 x 48 floats: 24 registers of 16\n"
      "      acc: f32[8,48] = 0\n"
      "      for k in 0..768 by 4 unroll\n"
      "        v: f32[48] = w[p, k, 0:48]\n"
      "        each r in 0..8: acc[r] = fma(x[i+r, k], v, acc[r])\n"
      "      each r in 0..8\n"
      "        u: f32[48] = acc[r] + b[48*p : 48 below 3072]\n"
      "        y[i+r, 48*p : 48 below 3072] = 0.5*u * (1 + tanh(0.7978846 * (u + "
      "0.044715*u*u*u)))\n");
}

/* Everything else, small: element types, gathers, scatters, strides, masks, faults, scratch. */

static void test_casts(void **state) {
  (void)state;
  static const float from[] = {0,          -0.0f,    1.5f,      -2.5f,  300,   -300,  NAN,   1e10f,
                               -1e10f,     INFINITY, -INFINITY, 65504,  65520, 1e-7f, 6e-8f, 2e-8f,
                               1.0009765f, 3.14159f, 1e-40f,    127.9f, 3e38f, 0.5f,  2049,  2051};
  enum { N = sizeof from / sizeof from[0] };
  LoopKernel *k = loop_kernel(arena, "casts", nowhere);
  LoopExpr *n = loop_int(k, N), *zero = loop_int(k, 0);
  LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 1, n);
  LoopBuffer *to[ELEMENTS];
  for (int e = 0; e < ELEMENTS; e++)
    to[e] = loop_operand(k, loop_element_name((Element)e), (Element)e, 1, n);
  LoopBuffer *back = loop_operand(k, "back", LOOP_F32, 2, loop_int(k, 2), n);
  loop_parallel(k, "p", loop_int(k, 1));
  LoopExpr *j = loop_for_lanes(k, "j", zero, n, 16);
  for (int e = 0; e < ELEMENTS; e++)
    loop_store(k, loop_lanes(k, to[e], 16, j), loop_cast(k, loop_lanes(k, x, 16, j), (Element)e));
  loop_end(k);
  j = loop_for(k, "j", zero, n);
  loop_store(k, loop_element(k, back, zero, j),
             loop_cast(k, loop_element(k, to[LOOP_F16], j), LOOP_F32));
  loop_store(k, loop_element(k, back, loop_int(k, 1), j),
             loop_cast(k, loop_element(k, to[LOOP_BF16], j), LOOP_F32));
  loop_end(k);
  loop_end(k);
  EACH_CPU(cpu) {
    float f32[N], halves[2 * N];
    double f64[N];
    uint16_t f16[N], bf16[N];
    int8_t i8[N];
    uint8_t u8[N], truth[N];
    int32_t i32[N];
    int64_t i64[N];
    float input[N];
    memcpy(input, from, sizeof from);
    run(k, cpu, 1, (void *[]){input, f32, f64, f16, bf16, i8, u8, i32, i64, truth, halves}, NULL, 1,
        &(dlrt_worker){0});
    assert_int_equal(f16[2], 0x3e00);
    assert_int_equal(f16[1], 0x8000);
    assert_int_equal(f16[6] & 0x7e00, 0x7e00);
    assert_int_equal(f16[11], 0x7bff);
    assert_int_equal(f16[12], 0x7c00);
    assert_int_equal(f16[13], 2); /* 1e-7 is 1.68 units of 2^-24 */
    assert_int_equal(f16[14], 1);
    assert_int_equal(f16[15], 0);
    assert_int_equal(f16[16], 0x3c01);
    assert_int_equal(f16[22], 0x6800); /* 2049 is a tie: to even */
    assert_int_equal(f16[23], 0x6802);
    assert_int_equal(bf16[2], 0x3fc0);
    assert_int_equal(bf16[17], 0x4049);
    assert_int_equal(bf16[9], 0x7f80);
    assert_int_equal(bf16[6] & 0x7fc0, 0x7fc0);
    assert_true(halves[17] == 3.140625f && halves[14] == 0x1p-24f && halves[9] == INFINITY);
    assert_true(halves[N + 17] == 3.140625f && isnan(halves[6]) && isnan(halves[N + 6]));
    for (int i = 0; i < N; i++) {
      float v = from[i];
      double d = v;
      assert_true(memcmp(&f32[i], &v, 4) == 0);
      assert_true(isnan(v) ? isnan(f64[i]) : f64[i] == d);
      assert_int_equal(truth[i], v != 0);
      int64_t whole = isnan(v)       ? 0
                      : d >= 0x1p63  ? INT64_MAX
                      : d <= -0x1p63 ? INT64_MIN
                                     : (int64_t)d;
      assert_int_equal(i64[i], whole);
      assert_int_equal(i32[i], whole > INT32_MAX   ? INT32_MAX
                               : whole < INT32_MIN ? INT32_MIN
                                                   : whole);
      assert_int_equal(i8[i], whole > 127 ? 127 : whole < -128 ? -128 : whole);
      assert_int_equal(u8[i], whole > 255 ? 255 : whole < 0 ? 0 : whole);
    }
  }
}

static void test_integers(void **state) {
  (void)state;
  static const int64_t a[] = {7, -7, 7, -7, 5, INT64_MIN, INT64_MIN, 0};
  static const int64_t b[] = {2, 2, -2, -2, 0, -1, 0, 3};
  static const int64_t quotient[] = {3, -4, -4, 3, 0, INT64_MIN, 0, 0};
  static const int64_t rest[] = {1, 1, -1, -1, 5, 0, INT64_MIN, 0};
  LoopKernel *k = loop_kernel(arena, "integers", nowhere);
  LoopExpr *n = loop_int(k, 8);
  LoopBuffer *x = loop_operand(k, "a", LOOP_I64, 1, n), *y = loop_operand(k, "b", LOOP_I64, 1, n);
  LoopBuffer *q = loop_operand(k, "q", LOOP_I64, 1, n), *r = loop_operand(k, "r", LOOP_I64, 1, n);
  LoopBuffer *t = loop_operand(k, "t", LOOP_I64, 1, n);
  loop_parallel(k, "p", loop_int(k, 1));
  LoopExpr *zero = loop_int(k, 0), *u = loop_lanes(k, x, 8, zero), *v = loop_lanes(k, y, 8, zero);
  loop_store(k, loop_lanes(k, q, 8, zero), loop_div(k, u, v));
  loop_store(k, loop_lanes(k, r, 8, zero), loop_mod(k, u, v));
  loop_store(k, loop_lanes(k, t, 8, zero), loop_mod(k, u, loop_int(k, 3)));
  loop_end(k);
  EACH_CPU(cpu) {
    int64_t got[3][8];
    run(k, cpu, 1, (void *[]){(void *)a, (void *)b, got[0], got[1], got[2]}, NULL, 1,
        &(dlrt_worker){0});
    for (int i = 0; i < 8; i++) {
      assert_int_equal(got[0][i], quotient[i]);
      assert_int_equal(got[1][i], rest[i]);
      assert_int_equal(got[2][i], ((a[i] % 3) + 3) % 3);
    }
  }
}

/* Trips as a range: each element of the range is its distance from where the range begins. */
static void test_range(void **state) {
  (void)state;
  enum { N = 11 };
  LoopKernel *k = loop_kernel(arena, "range", nowhere);
  LoopBuffer *out = loop_operand(k, "out", LOOP_I64, 1, loop_int(k, N));
  LoopExpr *past, *first = loop_parallel_range(k, "t", loop_int(k, N), &past);
  LoopExpr *i = loop_for(k, "i", first, past);
  loop_store(k, loop_element(k, out, i), loop_sub(k, i, first));
  loop_end(k);
  loop_end(k);
  Text text = text_new(arena);
  loop_print(&text, k);
  assert_non_null(strstr(text_get(&text), "  parallel t..past in 0..11\n    for i in t..past: "));
  EACH_CPU(cpu) {
    int64_t got[N];
    run(k, cpu, 2, (void *[]){got}, NULL, N, &(dlrt_worker){0});
    for (int at = 1; at < N; at++) assert_true(got[at] == got[at - 1] + 1 || got[at] == 0);
    assert_int_equal(got[0], 0);
    assert_true(got[N - 1] < N - 1);
  }
}

/* out[i] = table[index[i]] (checked), and every other element of it doubled, through scratch. */
static void test_gather(void **state) {
  (void)state;
  enum { N = 37, SIZE = 50 };
  LoopKernel *k = loop_kernel(arena, "gather", nowhere);
  LoopExpr *n = loop_int(k, N), *zero = loop_int(k, 0);
  LoopBuffer *table = loop_operand(k, "table", LOOP_F32, 1, loop_int(k, SIZE));
  LoopBuffer *index = loop_operand(k, "index", LOOP_I64, 1, n);
  LoopBuffer *out = loop_operand(k, "out", LOOP_F32, 1, n);
  LoopBuffer *spread = loop_operand(k, "spread", LOOP_F32, 2, n, loop_int(k, 2));
  LoopBuffer *own = loop_scratch(k, "own", LOOP_F32, 1, n);
  loop_parallel(k, "p", loop_int(k, 1));
  LoopExpr *j = loop_for_lanes(k, "j", zero, n, 16);
  LoopExpr *at = loop_checked(k, loop_lanes(k, index, 16, j), loop_int(k, SIZE), 3);
  loop_store(k, loop_lanes(k, own, 16, j), loop_lanes(k, table, 16, at));
  loop_end(k);
  j = loop_for_lanes(k, "j", zero, n, 16);
  LoopExpr *v = loop_let(k, "v", loop_lanes(k, own, 16, j));
  loop_store(k, loop_lanes(k, out, 16, j), v);
  loop_store(k, loop_along(loop_lanes(k, spread, 16, j, loop_int(k, 1)), 0, 1),
             loop_mul(k, v, loop_int(k, 2)));
  loop_end(k);
  loop_end(k);
  EACH_CPU(cpu) {
    float *from = random_floats(SIZE, 9), got[N + 1] = {0}, wide[2 * N] = {0};
    int64_t places[N];
    for (int i = 0; i < N; i++) places[i] = i * 7 % SIZE;
    float *scratch = aligned_alloc(64, 4096);
    dlrt_worker worker = {.scratch = scratch};
    got[N] = 5;
    run(k, cpu, 2, (void *[]){from, places, got, wide}, NULL, 1, &worker);
    assert_int_equal(worker.fault, 0);
    for (int i = 0; i < N; i++) {
      assert_true(got[i] == from[places[i]]);
      assert_true(wide[2 * i + 1] == 2 * got[i] && wide[2 * i] == 0);
    }
    assert_true(got[N] == 5);
    places[20] = SIZE, places[3] = SIZE + 5, places[N - 1] = SIZE + 2;
    run(k, cpu, 2, (void *[]){from, places, got, wide}, NULL, 1, &worker);
    assert_int_equal(worker.fault, 3);
    assert_int_equal(worker.index, SIZE + 5);
    assert_int_equal(worker.size, SIZE);
    places[30] = -2, places[31] = -1;
    run(k, cpu, 2, (void *[]){from, places, got, wide}, NULL, 1, &worker);
    assert_int_equal(worker.index, -1);
    free(scratch);
  }
}

/* Maximum and its place, a NaN winning; odd lanes, reductions, selects, ifs, strided loads. */
static void test_reductions(void **state) {
  (void)state;
  enum { N = 23 };
  LoopKernel *k = loop_kernel(arena, "reductions", nowhere);
  LoopExpr *zero = loop_int(k, 0), *n = loop_int(k, N);
  LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 1, n);
  LoopBuffer *y = loop_operand(k, "y", LOOP_F32, 1, loop_int(k, 8));
  loop_parallel(k, "p", loop_int(k, 1));
  LoopExpr *v = loop_let(k, "v", loop_lanes(k, x, N, zero));
  LoopExpr *top = loop_let(k, "top", loop_reduce(k, LOOP_MAX, v));
  LoopExpr *is_top = loop_or(k, loop_eq(k, v, top), loop_ne(k, v, v));
  LoopExpr *places = loop_select(k, is_top, loop_iota(k, zero, N), loop_int(k, N));
  LoopExpr *results[] = {
      top,
      loop_cast(k, loop_reduce(k, LOOP_MIN, places), LOOP_F32),
      loop_reduce(k, LOOP_ADD, v),
      loop_reduce(k, LOOP_MIN, v),
      loop_lane(k, v, loop_int(k, 20)),
      loop_reduce(k, LOOP_ADD, loop_along(loop_lanes(k, x, 5, loop_int(k, 1)), 0, 4)),
      loop_cast(k, loop_reduce(k, LOOP_AND, loop_lt(k, v, loop_int(k, 3))), LOOP_F32),
  };
  for (int i = 0; i < 7; i++) loop_store(k, loop_element(k, y, loop_int(k, i)), results[i]);
  LoopExpr *sum = loop_var(k, "sum", LOOP_F32, 1, zero);
  LoopExpr *i = loop_for(k, "i", zero, n);
  loop_if(k, loop_eq(k, loop_mod(k, i, loop_int(k, 3)), zero));
  loop_set(k, sum, loop_add(k, sum, loop_element(k, x, i)));
  loop_otherwise(k);
  loop_set(k, sum, loop_sub(k, sum, loop_element(k, x, i)));
  loop_end(k);
  loop_end(k);
  loop_store(k, loop_element(k, y, loop_int(k, 7)), sum);
  loop_end(k);
  EACH_CPU(cpu) {
    float *numbers = random_floats(N, 11), got[8];
    for (int with_nan = 0; with_nan < 2; with_nan++) {
      if (with_nan) numbers[9] = NAN;
      run(k, cpu, 2, (void *[]){numbers, got}, NULL, 1, &(dlrt_worker){0});
      float most = -INFINITY, least = INFINITY, total = 0, strided = 0, mixed = 0;
      int place = 0;
      for (int j = 0; j < N; j++) {
        if (numbers[j] > most) most = numbers[place = j];
        least = fminf(least, numbers[j]);
        total += numbers[j];
        mixed += j % 3 ? -numbers[j] : numbers[j];
        if (j % 4 == 1 && j < 18) strided += numbers[j];
      }
      if (with_nan) {
        assert_true(isnan(got[0]) && isnan(got[2]) && isnan(got[3]) && isnan(got[7]));
        assert_true(got[1] == 9 && got[6] == 0);
        continue;
      }
      assert_true(got[0] == most && got[3] == least && got[1] == (float)place);
      assert_near(got + 2, &total, 1, 1e-5f);
      assert_near(got + 5, &strided, 1, 1e-5f);
      assert_near(got + 7, &mixed, 1, 1e-5f);
      assert_true(got[4] == numbers[20] && got[6] == 1);
    }
  }
}

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  return 0;
}
static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

/* 5 and 16 sums of products of bf16 pairs: what a panel with pairs of k side by side is read with.
 */
static void check_pairs(int lanes) {
  enum { PAIRS = 37, MOST = 16 };
  LoopKernel *k = loop_kernel(arena, "pairs", nowhere);
  LoopExpr *n = loop_int(k, PAIRS), *zero = loop_int(k, 0), *all = loop_int(k, lanes);
  LoopBuffer *x = loop_operand(k, "x", LOOP_BF16, 1, loop_int(k, 2 * PAIRS));
  LoopBuffer *w = loop_operand(k, "w", LOOP_BF16, 3, n, all, loop_int(k, 2));
  LoopBuffer *y = loop_operand(k, "y", LOOP_F32, 1, all);
  LoopBuffer *xs = loop_view(k, x, "xs", LOOP_I32, 1, n);
  LoopBuffer *ws = loop_view(k, w, "ws", LOOP_I32, 2, n, all);
  loop_parallel(k, "t", loop_int(k, 1));
  LoopExpr *sum = loop_var(k, "sum", LOOP_F32, lanes, loop_number(k, 0));
  LoopExpr *i = loop_for_unroll(k, "i", zero, n, 2);
  loop_set(k, sum, loop_dot2(k, loop_element(k, xs, i), loop_lanes(k, ws, lanes, i, zero), sum));
  loop_end(k);
  loop_store(k, loop_lanes(k, y, lanes, zero), sum);
  loop_end(k);
  uint16_t a[2 * PAIRS], b[2 * PAIRS * MOST];
  float *from = random_floats(2 * PAIRS * (MOST + 1), 5), wanted[MOST] = {0}, got[MOST];
  for (int j = 0; j < 2 * PAIRS; j++) element_store(ELEMENT_bf16, a, j, (double)from[j]);
  for (int j = 0; j < 2 * PAIRS * lanes; j++)
    element_store(ELEMENT_bf16, b, j, (double)from[2 * PAIRS + j]);
  for (int l = 0; l < lanes; l++)
    for (int p = 0; p < PAIRS; p++)
      for (int half = 1; half >= 0; half--)
        wanted[l] += (float)(element_load(ELEMENT_bf16, a, 2 * p + half) *
                             element_load(ELEMENT_bf16, b, 2 * (p * lanes + l) + half));
  EACH_CPU(cpu) {
    dlrt_worker worker = {0};
    memset(got, 0, sizeof got);
    run(k, cpu, 2, (void *[]){a, b, got}, NULL, 1, &worker);
    assert_near(got, wanted, (size_t)lanes,
                2 * PAIRS * 4 * 0x1p-23f * 8); /* roundings of sums < 8 */
  }
}

static void test_pairs(void **state) {
  (void)state;
  check_pairs(16);
  check_pairs(5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text),       cmocka_unit_test(test_softmax),
      cmocka_unit_test(test_product),    cmocka_unit_test(test_casts),
      cmocka_unit_test(test_integers),   cmocka_unit_test(test_gather),
      cmocka_unit_test(test_reductions), cmocka_unit_test(test_pairs),
      cmocka_unit_test(test_range)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
