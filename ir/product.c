#include "ir/product.h"

#include "ir/whole_checks.h"

/* Columns are taken in blocks that stay in the cache while k runs, four of k at a time, so that
 * sums are loaded less often; their order stays that of k. Integers are computed unsigned, which
 * wraps. */
enum { COLUMNS = 256 };

#define PRODUCT(name, type, arithmetic, target)                                                    \
  CHECKED_WHOLE target static void name##_row(int64_t width, int64_t n, int64_t k, const type *a,  \
                                              const type *b, type *restrict y) {                   \
    int64_t j = 0;                                                                                 \
    for (; j + 4 <= k; j += 4) {                                                                   \
      const type *restrict row = b + j * n;                                                        \
      arithmetic f0 = (arithmetic)a[j], f1 = (arithmetic)a[j + 1];                                 \
      arithmetic f2 = (arithmetic)a[j + 2], f3 = (arithmetic)a[j + 3];                             \
      for (int64_t c = 0; c < width; c++) {                                                        \
        arithmetic sum = (arithmetic)y[c] + f0 * (arithmetic)row[c];                               \
        sum += f1 * (arithmetic)row[c + n];                                                        \
        sum += f2 * (arithmetic)row[c + 2 * n];                                                    \
        sum += f3 * (arithmetic)row[c + 3 * n];                                                    \
        y[c] = (type)sum;                                                                          \
      }                                                                                            \
    }                                                                                              \
    for (; j < k; j++)                                                                             \
      for (int64_t c = 0; c < width; c++)                                                          \
        y[c] = (type)((arithmetic)y[c] + (arithmetic)a[j] * (arithmetic)b[j * n + c]);             \
  }                                                                                                \
  static void name(int64_t m, int64_t n, int64_t k, const type *a, const type *b, type *y) {       \
    for (int64_t from = 0; from < n; from += COLUMNS)                                              \
      for (int64_t i = 0; i < m; i++)                                                              \
        name##_row(from + COLUMNS < n ? COLUMNS : n - from, n, k, a + i * k, b + from,             \
                   y + i * n + from);                                                              \
  }

PRODUCT(real, double, double, )
PRODUCT(integer, int64_t, uint64_t, )
#ifdef __x86_64__
PRODUCT(wide_real, double, double, __attribute__((target("avx2")))) /* the same bits: no fma */
#endif

static void look_at_all(int64_t m, int64_t n, int64_t k, const void *a, const void *b,
                        const void *y) {
  look_at(a, (size_t)m * (size_t)k * sizeof(Scalar));
  look_at(b, (size_t)k * (size_t)n * sizeof(Scalar));
  look_at(y, (size_t)m * (size_t)n * sizeof(Scalar));
}

void product_reals(int64_t m, int64_t n, int64_t k, const double *a, const double *b, double *y) {
  look_at_all(m, n, k, a, b, y);
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2")) {
    wide_real(m, n, k, a, b, y);
    return;
  }
#endif
  real(m, n, k, a, b, y);
}

void product(bool reals, int64_t m, int64_t n, int64_t k, const Scalar *a, const Scalar *b,
             Scalar *y) {
  if (reals) {
    product_reals(m, n, k, &a->real, &b->real, &y->real);
    return;
  }
  look_at_all(m, n, k, a, b, y);
  integer(m, n, k, &a->integer, &b->integer, &y->integer);
}
