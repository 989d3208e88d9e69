/* The machine's limits: a loop of fused multiply-adds, and sums over memory. */
#include "runtime/context.h"
#include "runtime/program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CHAINS = 12, ROUNDS = 20000 };

/* CHAINS independent sums hide the latency of each; operands[0] takes the result. Each starts
 * elsewhere: of equal ones the C compiler makes one, whose latency is then taken for the speed of
 * twelve. */
static void fma_plain(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                      dlrt_worker *worker) {
  (void)dims, (void)begin, (void)end;
  float sums[CHAINS * 4];
  for (int c = 0; c < CHAINS * 4; c++) sums[c] = (float)c;
  for (int i = 0; i < ROUNDS; i++)
    for (int c = 0; c < CHAINS * 4; c++) sums[c] = sums[c] * 0.5f + 1.5f;
  float total = 0;
  for (int c = 0; c < CHAINS * 4; c++) total += sums[c];
  ((float *)operands[0])[16 * worker->thread] = total;
}

#if defined(__x86_64__)
#define FMA_LOOP(name, features, type, width, set1, fma, store)                                    \
  __attribute__((target(features))) static void name(void *const *operands, const int64_t *dims,   \
                                                     int64_t begin, int64_t end,                   \
                                                     dlrt_worker *worker) {                        \
    (void)dims, (void)begin, (void)end;                                                            \
    type half = set1(0.5f), more = set1(1.5f), s0 = set1(0), s1 = set1(1), s2 = set1(2);           \
    type s3 = set1(3), s4 = set1(4), s5 = set1(5), s6 = set1(6), s7 = set1(7), s8 = set1(8);       \
    type s9 = set1(9), sa = set1(10), sb = set1(11);                                               \
    for (int i = 0; i < ROUNDS; i++) {                                                             \
      s0 = fma(s0, half, more), s1 = fma(s1, half, more), s2 = fma(s2, half, more);                \
      s3 = fma(s3, half, more), s4 = fma(s4, half, more), s5 = fma(s5, half, more);                \
      s6 = fma(s6, half, more), s7 = fma(s7, half, more), s8 = fma(s8, half, more);                \
      s9 = fma(s9, half, more), sa = fma(sa, half, more), sb = fma(sb, half, more);                \
    }                                                                                              \
    s0 = fma(s0, s1, fma(s2, s3, fma(s4, s5, fma(s6, s7, fma(s8, s9, fma(sa, sb, more))))));       \
    float lanes[width];                                                                            \
    store(lanes, s0);                                                                              \
    ((float *)operands[0])[16 * worker->thread] = lanes[0];                                        \
  }

FMA_LOOP(fma_256, "avx2,fma", __m256, 8, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps)
FMA_LOOP(fma_512, "avx512f", __m512, 16, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps)
#endif

/* Trips are pieces of PIECE bytes of operands[1]. A thread reads its own in WALKS walks, a line of
 * each by turns: processors fetch ahead for each walk on its own, and a single one does not get all
 * that the memory gives a core. */
enum { PIECE = 65536, WALKS = 4 };

static void read_plain(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                       dlrt_worker *worker) {
  (void)dims;
  const uint64_t *at = (const uint64_t *)operands[1] + begin * (PIECE / 8);
  int64_t apart = (end - begin) * (PIECE / 8 / WALKS);
  uint64_t sums[8] = {0};
  for (const uint64_t *stop = at + apart; at < stop; at += 8)
    for (int walk = 0; walk < WALKS; walk++)
      for (int i = 0; i < 8; i++) sums[i] ^= at[walk * apart + i];
  for (int i = 1; i < 8; i++) sums[0] ^= sums[i];
  memcpy((float *)operands[0] + 16 * worker->thread, sums, 8);
}

#if defined(__x86_64__)
/* Written out: built for size, a loop over the sums would be what is measured. */
__attribute__((target("avx2"))) static void read_256(void *const *operands, const int64_t *dims,
                                                     int64_t begin, int64_t end,
                                                     dlrt_worker *worker) {
  (void)dims;
  int64_t apart = (end - begin) * (PIECE / 32 / WALKS);
  const __m256i *a = (const __m256i *)operands[1] + begin * (PIECE / 32);
  const __m256i *b = a + apart, *c = b + apart, *d = c + apart, *stop = b;
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
  for (; a < stop; a += 2, b += 2, c += 2, d += 2) {
    s0 = _mm256_xor_si256(s0, a[0]), s1 = _mm256_xor_si256(s1, b[0]);
    s2 = _mm256_xor_si256(s2, c[0]), s3 = _mm256_xor_si256(s3, d[0]);
    s0 = _mm256_xor_si256(s0, a[1]), s1 = _mm256_xor_si256(s1, b[1]);
    s2 = _mm256_xor_si256(s2, c[1]), s3 = _mm256_xor_si256(s3, d[1]);
  }
  s0 = _mm256_xor_si256(_mm256_xor_si256(s0, s1), _mm256_xor_si256(s2, s3));
  _mm_storeu_si128((__m128i *)(void *)((float *)operands[0] + 16 * worker->thread),
                   _mm256_castsi256_si128(s0));
}
#endif

static void run(dlrt_context *context, dlrt_kernel *kernel, void *const *operands, int64_t trips) {
  if (context->threads > 1)
    context->model->threading->run(&context->pool, context->threads, kernel, operands, NULL, trips,
                                   trips);
  else
    kernel(operands, NULL, 0, trips, &context->slots[0].worker);
}

/* The least time of a run, tried for `budget` seconds. */
static double least_time(dlrt_context *context, dlrt_kernel *kernel, void *const *operands,
                         int64_t trips, double budget) {
  double least = 1e9, started = dlrt_seconds();
  for (int i = 0; i < 3 || dlrt_seconds() - started < budget; i++) {
    double before = dlrt_seconds();
    run(context, kernel, operands, trips);
    double time = dlrt_seconds() - before;
    if (time < least) least = time;
  }
  return least;
}

/* `kernel` sums into a line of its own for each thread. */
static double measure(dlrt_context *context, dlrt_kernel *kernel, void *data, int64_t trips,
                      double budget) {
  float *sums = aligned_alloc(64, (size_t)context->threads * 64);
  if (!sums) return 0;
  void *operands[] = {sums, data};
  if (context->threads > 1) context->model->threading->calling(&context->pool, 1);
  double time = least_time(context, kernel, operands, trips, budget);
  if (context->threads > 1) context->model->threading->calling(&context->pool, 0);
  free(sums);
  return time;
}

double dlrt_roof_flops(dlrt_context *context, int level) {
  dlrt_kernel *kernel = fma_plain;
  double width = 4;
#if defined(__x86_64__)
  if (level >= 4 && dlrt_machine_has_level(4))
    kernel = fma_512, width = 16;
  else if (level >= 3 && dlrt_machine_has_level(3))
    kernel = fma_256, width = 8;
#endif
  (void)level;
  double time = measure(context, kernel, NULL, context->threads, 0.06);
  return time > 0 ? 2 * width * CHAINS * ROUNDS * context->threads / time : 0;
}

double dlrt_roof_read(dlrt_context *context, void *data, size_t bytes, double budget) {
  dlrt_kernel *reading = read_plain;
#if defined(__x86_64__)
  if (dlrt_machine_has_level(3)) reading = read_256;
#endif
  int64_t pieces = (int64_t)(bytes / PIECE);
  double time = measure(context, reading, data, pieces, budget);
  return time > 0 ? (double)(pieces * PIECE) / time : 0;
}

void *dlrt_roof_room(size_t *bytes) {
  /* More than the last cache holds, but not without end. */
  long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  *bytes = cache > 0 ? 2 * (size_t)cache : (size_t)128 << 20;
  if (*bytes > (size_t)256 << 20) *bytes = (size_t)256 << 20;
  if (*bytes < (size_t)32 << 20) *bytes = (size_t)32 << 20;
  *bytes = *bytes / PIECE * PIECE;
  void *data = aligned_alloc(PIECE, *bytes);
  if (data) memset(data, 1, *bytes);
  return data;
}

void dlrt_roof_measure(dlrt_context *context, dlrt_roof *roof) {
  *roof = (dlrt_roof){0};
  size_t large;
  void *data = dlrt_roof_room(&large);
  if (!data) return;
  /* Of the caches, what the second level of each thread holds half of. */
  long near = sysconf(_SC_LEVEL2_CACHE_SIZE);
  size_t each = near > 0 ? (size_t)near / 2 : 131072;
  size_t small = (each > PIECE ? each : PIECE) * (size_t)context->threads;
  roof->flops = dlrt_roof_flops(context, 4);
  roof->memory = dlrt_roof_read(context, data, large, 0.08);
  roof->cache = dlrt_roof_read(context, data, small < large ? small : large, 0.02);
  free(data);
}
