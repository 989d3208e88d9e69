/* product.h - the matrix product that dot, the convolutions and attention are made of. */
#ifndef IR_PRODUCT_H
#define IR_PRODUCT_H

#include "ir/evaluate.h"

/* y [m, n] += a [m, k] * b [k, n], all dense; each sum in the order of k. Integers wrap. */
void product(bool reals, int64_t m, int64_t n, int64_t k, const Scalar *a, const Scalar *b,
             Scalar *y);
void product_reals(int64_t m, int64_t n, int64_t k, const double *a, const double *b, double *y);

static inline void add_scalar(bool real, Scalar *sum, Scalar x) {
  if (real)
    sum->real += x.real;
  else
    sum->integer = (int64_t)((uint64_t)sum->integer + (uint64_t)x.integer);
}

#endif
