/* cblas.h - of a BLAS library what is called here, found by name while running. */
#ifndef BENCH_CBLAS_H
#define BENCH_CBLAS_H

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
typedef void Sgemm(int order, int x_form, int w_form, int m, int n, int k, float alpha,
                   const float *x, int x_row, const float *w, int w_row, float beta, float *y,
                   int y_row);
typedef void Sgemv(int order, int form, int rows, int columns, float alpha, const float *w,
                   int w_row, const float *x, int x_step, float beta, float *y, int y_step);

#endif
