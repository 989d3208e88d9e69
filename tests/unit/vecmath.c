/* The vectorised functions against the C library's in double, at every level that the machine has:
 * every 1021st float and all special ones; with the argument --all, all 2^32. */
#include "backend/emit.h"
#include "runtime/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CHUNK = 1 << 16, MOST_ULP = 4 };
static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
enum { CPUS = sizeof cpus / sizeof cpus[0] };
static uint32_t stride = 1021; /* a prime: 4.2 million floats */

static Arena *arena;
static Jit *jits[256]; /* all that were made, for the end */
static int jit_count;

/* y = op(x), or pow(x, z); `lanes` at a time. */
static dlrt_kernel *compile(LoopOp op, const char *cpu, int lanes) {
  Target target;
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  if (!target_find(&target, arena, NULL, cpu, diagnostics) || !target_runs_here(&target))
    return NULL;
  LoopKernel *k = loop_kernel(arena, "function", (LoopPlace){0});
  LoopExpr *n = loop_int(k, CHUNK);
  LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 1, n), *y = loop_operand(k, "y", LOOP_F32, 1, n);
  LoopBuffer *z = loop_operand(k, "z", LOOP_F32, 1, n);
  loop_parallel(k, "p", loop_int(k, 1));
  LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), n, lanes);
  LoopExpr *a = loop_lanes(k, x, lanes, j), *b = loop_lanes(k, z, lanes, j);
  LoopExpr *value = op == LOOP_POW ? loop_binary(k, op, a, b) : loop_unary(k, op, a);
  loop_store(k, loop_lanes(k, y, lanes, j), value);
  loop_end(k);
  loop_end(k);
  Emission *e = emission_new(arena, &target, (EmitOptions){.level = 2, .public_kernels = true});
  emit_kernel(e, k);
  const char *error = "";
  Jit *jit = jit_new(arena, emission_object(e), NULL, 0, &error);
  emission_free(e);
  if (!jit) fail_msg("%s", error);
  assert_true(jit_count < 256);
  jits[jit_count++] = jit;
  dlrt_kernel *function = NULL;
  *(void **)&function = jit_find(jit, "function");
  return function;
}

static void call(dlrt_kernel *kernel, float *x, float *y, float *z) {
  kernel((void *[]){x, y, z}, NULL, 0, 1, &(dlrt_worker){0});
}

/* The distance to the exact value in units of the nearest float's last place. */
static double ulps(float got, double exact) {
  float rounded = (float)exact;
  if (isnan(exact)) return isnan(got) ? 0 : INFINITY;
  if (isinf(rounded)) {
    if (got == rounded) return 0;
    exact = copysign(0x1p128, exact); /* the largest float is one unit below */
    return fabs(got - exact) / 0x1p104;
  }
  if (isnan(got) || isinf(got)) return isinf(got) && fabs(exact) > 0x1.fffffcp127 ? 1 : INFINITY;
  int exponent;
  frexp(rounded, &exponent);
  double unit = ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
  return fabs(got - exact) / unit;
}

static float of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

typedef struct {
  const char *name;
  LoopOp op;
  double (*exact)(double);
} Function;

static double exp_raised(double x) {
  return 0x1p64 * exp(x < -104 ? -104 : x);
}

/* EXP_RAISED reduces by one number for ln 2, since what it is given is rounded by more, a
 * difference: an ulp and a half, and what that number is wrong by times |x| / ln 2. */
static double most_ulps(const Function *f, float x) {
  if (f->op != LOOP_EXP_RAISED) return MOST_ULP;
  double size = x > -104 ? -x : 104, wrong = fabs((double)(float)log(2) - log(2));
  return 1.5 + size / log(2) * wrong * 0x1p24;
}

static bool is_outside(const Function *f, float x) {
  return f->op == LOOP_EXP_RAISED && x > 0;
}

static void scan(const Function *f) {
  static float x[CHUNK], y[CHUNK];
  static double exact[CHUNK];
  dlrt_kernel *kernels[CPUS];
  double worst[CPUS] = {0};
  float worst_at[CPUS] = {0};
  bool too_far[CPUS] = {0};
  for (int c = 0; c < CPUS; c++) kernels[c] = compile(f->op, cpus[c], 16);
  for (uint64_t bits = 0; bits < UINT64_C(1) << 32;) {
    for (int i = 0; i < CHUNK; i++, bits += stride) x[i] = of_bits((uint32_t)bits);
    for (int i = 0; i < CHUNK; i++) {
      if (is_outside(f, x[i])) x[i] = -x[i];
      exact[i] = f->exact(x[i]);
    }
    for (int c = 0; c < CPUS; c++) {
      if (!kernels[c]) continue;
      call(kernels[c], x, y, x);
      for (int i = 0; i < CHUNK; i++) {
        double distance = ulps(y[i], exact[i]);
        if (!(distance <= worst[c])) worst[c] = distance, worst_at[c] = x[i];
        if (!(distance <= most_ulps(f, x[i]))) too_far[c] = true;
      }
    }
  }
  for (int c = 0; c < CPUS; c++) {
    if (!kernels[c]) {
      printf("%-6s %s: skipped, this machine lacks it\n", f->name, cpus[c]);
      continue;
    }
    printf("%-6s %s: %.3f ulp at %a\n", f->name, cpus[c], worst[c], (double)worst_at[c]);
    if (too_far[c]) fail_msg("%s on %s is too far off", f->name, cpus[c]);
  }
}

/* Values that a stride misses; also in scalars and odd numbers of lanes, which give the same bits.
 */
static void specials(const Function *f) {
  static const float values[] = {0,
                                 -0.0f,
                                 1,
                                 -1,
                                 INFINITY,
                                 -INFINITY,
                                 NAN,
                                 0x1p-149f,
                                 -0x1p-149f,
                                 0x1.fffffcp-127f,
                                 0x1p-126f,
                                 0x1.fffffep127f,
                                 -0x1.fffffep127f,
                                 0.5f,
                                 88.72283f,
                                 88.72284f,
                                 -87.33655f,
                                 -103.97208f,
                                 -103.97209f,
                                 -104,
                                 0x1p24f,
                                 0x1p27f,
                                 -0x1p27f,
                                 0x1.fffffep26f,
                                 0x1.921fb6p0f,
                                 0x1.921fb4p0f,
                                 0x1.921fb6p1f,
                                 1e22f,
                                 0x1.f9cbe2p7f,
                                 -1.0000001f,
                                 -0.99999994f,
                                 3.9f,
                                 4,
                                 -4,
                                 9,
                                 10,
                                 11,
                                 0.921875f,
                                 0.92187494f,
                                 0x1p-25f,
                                 0x1p-24f,
                                 1.1754942e-38f,
                                 1.0000001f};
  enum { N = sizeof values / sizeof values[0] };
  static float x[CHUNK], y[CHUNK], other[CHUNK];
  memcpy(x, values, sizeof values);
  for (int i = N; i < CHUNK; i++) x[i] = of_bits((uint32_t)i * 2654435761u);
  for (int i = 0; i < CHUNK; i++)
    if (is_outside(f, x[i])) x[i] = -x[i];
  for (int c = 0; c < CPUS; c++) {
    dlrt_kernel *kernel = compile(f->op, cpus[c], 16);
    if (!kernel) continue;
    call(kernel, x, y, x);
    for (int i = 0; i < N; i++) {
      double exact = f->exact(x[i]);
      if (!(ulps(y[i], exact) <= most_ulps(f, x[i])) ||
          (exact == 0 && !signbit(exact) != !signbit(y[i])))
        fail_msg("%s(%a) on %s is %a, not %a", f->name, (double)x[i], cpus[c], (double)y[i], exact);
    }
    const int lanes[] = {1, 7, 48};
    for (int l = 0; l < 3; l++) {
      call(compile(f->op, cpus[c], lanes[l]), x, other, x);
      for (int i = 0; i < CHUNK; i++)
        if (memcmp(&y[i], &other[i], 4) != 0 && !(isnan(y[i]) && isnan(other[i])))
          fail_msg("%s(%a) on %s with %d lanes is %a, not %a", f->name, (double)x[i], cpus[c],
                   lanes[l], (double)other[i], (double)y[i]);
    }
  }
}

static void test_function(void **state) {
  const Function *f = *state;
  specials(f);
  scan(f);
}

static void test_pow(void **state) {
  (void)state;
  static const float ends[] = {0,
                               -0.0f,
                               1,
                               -1,
                               2,
                               -2,
                               3,
                               -3,
                               0.5f,
                               -0.5f,
                               NAN,
                               4,
                               1e10f,
                               5e9f,
                               INFINITY,
                               -INFINITY,
                               0x1p-149f,
                               0x1p-126f,
                               127,
                               -149,
                               1.5f,
                               -1.5f,
                               0x1.fffffep127f,
                               16777215,
                               16777216,
                               1.0000001f};
  enum { N = sizeof ends / sizeof ends[0] };
  static float x[CHUNK], z[CHUNK], y[CHUNK];
  static double exact[CHUNK];
  double worst[CPUS] = {0};
  dlrt_kernel *kernels[CPUS];
  for (int c = 0; c < CPUS; c++) kernels[c] = compile(LOOP_POW, cpus[c], 16);
  int rounds = stride == 1 ? 4096 : 32;
  uint64_t seed = 1;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < CHUNK; i++) {
      seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
      x[i] = of_bits((uint32_t)(seed >> 32));
      /* mostly exponents whose power is a float, else any bits */
      double largest = 150 / (fabs(log2(fabs((double)x[i]))) + 1e-9);
      z[i] = i % 4 ? (float)(largest * (double)(int32_t)(seed >> 7) * 0x1p-31)
                   : of_bits((uint32_t)(seed >> 16));
      if (i % 8 == 1) z[i] = roundf(z[i]);
      if (round == 0 && i < N * N) x[i] = ends[i / N], z[i] = ends[i % N];
    }
    for (int i = 0; i < CHUNK; i++) exact[i] = pow(x[i], z[i]);
    for (int c = 0; c < CPUS; c++) {
      if (!kernels[c]) continue;
      call(kernels[c], x, y, z);
      for (int i = 0; i < CHUNK; i++) {
        double distance = ulps(y[i], exact[i]);
        if (!(distance <= MOST_ULP) || (exact[i] == 0 && !signbit(exact[i]) != !signbit(y[i])))
          fail_msg("pow(%a, %a) on %s is %a, not %a", (double)x[i], (double)z[i], cpus[c],
                   (double)y[i], exact[i]);
        if (distance > worst[c]) worst[c] = distance;
      }
    }
  }
  for (int c = 0; c < CPUS; c++) printf("pow    %s: %.3f ulp\n", cpus[c], worst[c]);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--all") == 0) stride = 1;
  static Function functions[] = {
      {"exp", LOOP_EXP, exp},       {"raised", LOOP_EXP_RAISED, exp_raised},
      {"expm1", LOOP_EXPM1, expm1}, {"log", LOOP_LOG, log},
      {"log1p", LOOP_LOG1P, log1p}, {"tanh", LOOP_TANH, tanh},
      {"erf", LOOP_ERF, erf},       {"sin", LOOP_SIN, sin},
      {"cos", LOOP_COS, cos}};
  enum { FUNCTIONS = sizeof functions / sizeof functions[0] };
  struct CMUnitTest tests[FUNCTIONS + 1];
  for (int i = 0; i < FUNCTIONS; i++)
    tests[i] = (struct CMUnitTest){functions[i].name, test_function, NULL, NULL, &functions[i]};
  tests[FUNCTIONS] = (struct CMUnitTest)cmocka_unit_test(test_pow);
  arena = arena_new();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  for (int i = 0; i < jit_count; i++) jit_free(jits[i]);
  arena_free(arena);
  return failed;
}
