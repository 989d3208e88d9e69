/* product - time a compiled product beside a library's: product LIBRARY WEIGHTS M K N [OPTION..]
 *
 *   --threads T   of both; default 1
 *   --seconds S   to take about so long; default 1
 *   --cold        before each call the caches are filled with something else
 *   --given FORM  of W, which is brought in each call: nk, or kn: [K, N]; there is no bias, no relu
 *   --blas FILE   a library that has cblas_sgemm, cblas_sgemv and, for threads,
 *                 openblas_set_num_threads
 *
 * LIBRARY is what `dlc build --emit shared` made of products.py's page: relu(x W^T + b) of x [M,
 * K]. WEIGHTS is the safetensors file that it was built with, W [N, K] first, then b. Both sides,
 * and a loop that does nothing but read W, take turns, and one call of each turn is not counted.
 * One line of JSON: microseconds, the least and the median; the peak of the machine's
 * multiply-adds; the greatest difference of the results as a share of what rounding may make it.
 * Exit 1 if it is more.
 */
#include "runtime/context.h"
#include "runtime/program.h"
#include "tests/bench/cblas.h"
#include "tests/bench/clock.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void SetThreads(int threads);
typedef char *CoreName(void);
typedef dlrt_status Open(dlrt_context **context, const char *weights, int threads);
typedef dlrt_status Call(dlrt_context *context, const float *x, float *y);
typedef dlrt_status CallGiven(dlrt_context *context, const float *x, const float *w, float *y);

enum { DLC, BLAS, READ, SIDES, MOST_TIMES = 1 << 16, SCRUB = 64 << 20 };
static const char *const names[SIDES] = {"dlc", "blas", "read"};

typedef struct {
  int m, k, n, threads;
  bool cold, plain; /* W is [K, N] */
  float *x, *w, *b, *y[2];
  char *scrub;
  dlrt_context *context;
  Call *call; /* or, if W is given, */
  CallGiven *call_given;
  Sgemm *gemm; /* NULL: no library */
  Sgemv *gemv;
  double *times[SIDES];
  int counts[SIDES];
} Bench;

static double seconds(void) {
  return clock_seconds(CLOCK_MONOTONIC);
}

static void *find(void *library, const char *name, bool must) {
  void *function = dlsym(library, name);
  if (!function && must) {
    fprintf(stderr, "product: %s\n", dlerror());
    exit(1);
  }
  return function;
}

static void *open_library(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library) return library;
  fprintf(stderr, "product: %s\n", dlerror());
  exit(1);
}

/* In pages of 2 MiB, if it is larger. */
static void *room(size_t bytes) {
  const size_t huge = 2 << 20, align = bytes > huge ? huge : 64;
  void *memory = aligned_alloc(align, (bytes / align + 1) * align);
  if (memory && align == huge) madvise(memory, bytes, MADV_HUGEPAGE);
  if (memory) return memory;
  fprintf(stderr, "product: no memory for %zu bytes\n", bytes);
  exit(1);
}

static void read_weights(Bench *b, const char *path) {
  uint64_t head = 0;
  size_t weights = (size_t)b->n * (size_t)b->k, bias = (size_t)b->n;
  b->w = room(4 * weights), b->b = room(4 * bias);
  FILE *file = fopen(path, "rb");
  bool done = file && fread(&head, sizeof head, 1, file) == 1 && head < 1 << 20 &&
              fseek(file, (long)(8 + head), SEEK_SET) == 0 &&
              fread(b->w, 4, weights, file) == weights && fread(b->b, 4, bias, file) == bias;
  if (file) fclose(file);
  if (done) return;
  fprintf(stderr, "product: %s: not the weights of %d x %d\n", path, b->n, b->k);
  exit(1);
}

/* ---- the sides ---- */

typedef uint64_t Words __attribute__((vector_size(16)));

/* Trips are pieces of PIECE bytes of operands[1], read at several places in turns: one walk through
 * memory alone does not reach what the machine can. */
enum { WALKS = 4, PIECE = WALKS * 8192 };
static void read_pieces(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                        dlrt_worker *worker) {
  (void)dims;
  Words sums[WALKS] = {{0}};
  for (int64_t trip = begin; trip < end; trip++) {
    const char *at = (const char *)operands[1] + trip * PIECE;
    for (int64_t i = 0; i < PIECE / WALKS; i += 4 * (int64_t)sizeof(Words)) {
#pragma GCC unroll 8
      for (int64_t walk = 0; walk < WALKS; walk++) {
        const Words *words = (const void *)(at + walk * (PIECE / WALKS) + i);
        sums[walk] ^= words[0] ^ words[1] ^ words[2] ^ words[3];
      }
    }
  }
  for (int walk = 1; walk < WALKS; walk++) sums[0] ^= sums[walk];
  memcpy((char *)operands[0] + 64 * worker->thread, &sums[0], sizeof(Words));
}

static void read_all(Bench *b) {
  static alignas(64) char sums[64 * DLRT_THREADS];
  int64_t pieces = (int64_t)b->n * b->k * 4 / PIECE;
  void *operands[] = {sums, b->w};
  dlrt_context *c = b->context;
  if (pieces < 1) return;
  if (c->threads == 1 || pieces < c->threads) {
    read_pieces(operands, NULL, 0, pieces, &c->slots[0].worker);
    return;
  }
  c->model->threading->calling(&c->pool, 1);
  c->model->threading->run(&c->pool, c->threads, read_pieces, operands, NULL, pieces, pieces);
  c->model->threading->calling(&c->pool, 0);
}

static void blas_product(Bench *b) {
  int rows = b->plain ? b->k : b->n, row = b->plain ? b->n : b->k;
  if (b->m == 1)
    b->gemv(ROW_MAJOR, b->plain ? TRANSPOSED : PLAIN, rows, row, 1, b->w, row, b->x, 1, 0,
            b->y[BLAS], 1);
  else
    b->gemm(ROW_MAJOR, PLAIN, b->plain ? PLAIN : TRANSPOSED, b->m, b->n, b->k, 1, b->x, b->k, b->w,
            row, 0, b->y[BLAS], b->n);
}

static void do_side(Bench *b, int side) {
  if (side == DLC) {
    if (b->call_given ? b->call_given(b->context, b->x, b->w, b->y[DLC])
                      : b->call(b->context, b->x, b->y[DLC])) {
      fprintf(stderr, "product: the call failed\n");
      exit(1);
    }
  } else if (side == BLAS)
    blas_product(b);
  else
    read_all(b);
}

/* ---- time ---- */

static volatile char kept;

/* Something else into the caches; what is given stays as it is in a network. */
static void scrub(Bench *b) {
  char sum = 0;
  for (size_t i = 0; i < SCRUB; i += 64) sum = (char)(sum + b->scrub[i]);
  for (size_t i = 0; i < (size_t)b->m * (size_t)b->k; i += 16) sum = (char)(sum + (char)b->x[i]);
  kept = sum;
}

static double once(Bench *b, int side) {
  if (b->cold) scrub(b);
  double start = seconds();
  do_side(b, side);
  return seconds() - start;
}

static void turn(Bench *b, int side, double budget) {
  /* idle threads of the other side wait for work for a while before they sleep */
  if (b->threads > 1) usleep(50000);
  once(b, side);
  double start = seconds();
  for (int i = 0; i < 2 || seconds() - start < budget; i++) {
    if (b->counts[side] == MOST_TIMES) return;
    b->times[side][b->counts[side]++] = once(b, side);
  }
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* ---- results ---- */

/* How far apart the results may be: each is within (K + 2) roundings of a sum of at most
 * |x| |w| + |b|, by the norms of rows. */
static double compare(const Bench *b) {
  size_t m = (size_t)b->m, k = (size_t)b->k, n = (size_t)b->n;
  double *norms = room(8 * n), worst = 0;
  for (size_t j = 0; j < n; j++) {
    norms[j] = 0;
    for (size_t i = 0; i < k; i++) {
      double w = b->w[b->plain ? i * n + j : j * k + i];
      norms[j] += w * w;
    }
  }
  for (size_t i = 0; i < m; i++) {
    double norm = 0;
    for (size_t j = 0; j < k; j++) norm += (double)b->x[i * k + j] * b->x[i * k + j];
    for (size_t j = 0; j < n; j++) {
      double theirs = (double)b->y[BLAS][i * n + j] + b->b[j];
      if (!b->call_given && theirs < 0) theirs = 0;
      double apart = fabs((double)b->y[DLC][i * n + j] - theirs);
      double bound = 2 * (double)(k + 2) * 0x1p-24 * (sqrt(norm * norms[j]) + fabs(b->b[j]));
      apart = apart <= bound || bound > 0 ? apart / bound : apart > 0 ? INFINITY : 0;
      if (!(apart <= worst)) worst = apart;
    }
  }
  free(norms);
  return worst;
}

static void print_side(const Bench *b, int side) {
  int count = b->counts[side];
  if (count == 0) return;
  qsort(b->times[side], (size_t)count, sizeof(double), by_size);
  printf("\"%s\": {\"least\": %.6g, \"median\": %.6g, \"calls\": %d}, ", names[side],
         b->times[side][0] * 1e6, b->times[side][count / 2] * 1e6, count);
}

int main(int argc, char **argv) {
  enum { FIXED = 6, ROUNDS = 7 };
  if (argc < FIXED) return 2;
  Bench b = {.m = atoi(argv[3]), .k = atoi(argv[4]), .n = atoi(argv[5]), .threads = 1};
  const char *core = "", *blas = NULL;
  double budget = 1;
  bool given_weight = false;
  for (int i = FIXED; i < argc; i++)
    if (strcmp(argv[i], "--cold") == 0)
      b.cold = true;
    else if (strcmp(argv[i], "--given") == 0 && i + 1 < argc)
      given_weight = true, b.plain = strcmp(argv[++i], "kn") == 0;
    else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
      b.threads = atoi(argv[++i]);
    else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
      budget = atof(argv[++i]);
    else if (strcmp(argv[i], "--blas") == 0 && i + 1 < argc)
      blas = argv[++i];
    else
      return 2;
  if (b.m < 1 || b.k < 1 || b.n < 1) return 2;
  void *library = open_library(argv[1]);
  union {
    void *object;
    Open *open;
    Call *call;
    CallGiven *call_given;
    Sgemm *gemm;
    Sgemv *gemv;
    SetThreads *set;
    CoreName *core;
  } function;
  function.object = find(library, "page_open", true);
  if (function.open(&b.context, NULL, b.threads)) return 1;
  function.object = find(library, "page_product", true);
  if (given_weight)
    b.call_given = function.call_given;
  else
    b.call = function.call;
  if (blas) {
    void *opened = open_library(blas);
    function.object = find(opened, "cblas_sgemm", true), b.gemm = function.gemm;
    function.object = find(opened, "cblas_sgemv", true), b.gemv = function.gemv;
    function.object = find(opened, "openblas_set_num_threads", b.threads > 1);
    if (function.object) function.set(b.threads);
    function.object = find(opened, "openblas_get_corename", false);
    if (function.object) core = function.core();
  }
  size_t given = (size_t)b.m * (size_t)b.k, made = (size_t)b.m * (size_t)b.n;
  b.x = room(4 * given), b.y[DLC] = room(4 * made), b.y[BLAS] = room(4 * made);
  uint32_t state = 1;
  for (size_t i = 0; i < given; i++) {
    state = state * 1664525u + 1013904223u;
    b.x[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
  }
  read_weights(&b, argv[2]);
  if (given_weight) memset(b.b, 0, 4 * (size_t)b.n);
  if (b.cold) memset(b.scrub = room(SCRUB), 1, SCRUB);
  for (int i = 0; i < SIDES; i++) b.times[i] = room(MOST_TIMES * sizeof(double));
  double flops = 0;
  for (int round = 0; round < ROUNDS; round++) {
    for (int side = 0; side < SIDES; side++)
      if (side != BLAS || b.gemm) turn(&b, side, budget / ROUNDS / SIDES);
    dlrt_roof roof;
    if (round % 3 == 0) dlrt_roof_measure(b.context, &roof);
    if (roof.flops > flops) flops = roof.flops;
  }
  double apart = b.gemm ? compare(&b) : 0;
  printf("{");
  for (int side = 0; side < SIDES; side++) print_side(&b, side);
  printf("\"flops\": %.6g, \"core\": \"%s\", \"difference\": %.3g}\n", flops, core, apart);
  return !(apart <= 1);
}
