#include "ir/product.h"

/* Columns are taken in blocks that stay in the cache while k runs; integers are computed unsigned,
 * which wraps. */
enum { COLUMNS = 256 };

#define PRODUCT(name, type, arithmetic)                                                            \
  void name(int64_t m, int64_t n, int64_t k, const type *a, const type *b, type *y) {              \
    for (int64_t from = 0; from < n; from += COLUMNS) {                                            \
      int64_t to = from + COLUMNS < n ? from + COLUMNS : n;                                        \
      for (int64_t i = 0; i < m; i++)                                                              \
        for (int64_t j = 0; j < k; j++) {                                                          \
          arithmetic factor = (arithmetic)a[i * k + j];                                            \
          const type *restrict row = b + j * n;                                                    \
          type *restrict sums = y + i * n;                                                         \
          for (int64_t c = from; c < to; c++)                                                      \
            sums[c] = (type)((arithmetic)sums[c] + factor * (arithmetic)row[c]);                   \
        }                                                                                          \
    }                                                                                              \
  }

PRODUCT(product_reals, double, double)
static PRODUCT(product_integers, int64_t, uint64_t)

    void product(bool real, int64_t m, int64_t n, int64_t k, const Scalar *a, const Scalar *b,
                 Scalar *y) {
  if (real)
    product_reals(m, n, k, &a->real, &b->real, &y->real);
  else
    product_integers(m, n, k, &a->integer, &b->integer, &y->integer);
}
