#include "backend/winograd_transform.h"

/* The sum of factors[i] * x[i] over i = first, first + step, ..; a name, or NULL: all are 0. */
static LoopExpr *combine(LoopKernel *k, const double *factors, LoopExpr *const *x, int count,
                         int first, int step) {
  LoopExpr *sum = NULL;
  for (int plain = 1; plain >= 0; plain--) /* those that are only added come first */
    for (int i = first; i < count; i += step) {
      double factor = factors[i];
      if (factor == 0 || (factor == 1) != plain) continue;
      LoopExpr *by = loop_number(k, factor);
      if (!sum)
        sum = factor == 1 ? x[i] : factor == -1 ? loop_neg(k, x[i]) : loop_mul(k, x[i], by);
      else if (factor == 1)
        sum = loop_add(k, sum, x[i]);
      else if (factor == -1)
        sum = loop_sub(k, sum, x[i]);
      else
        sum = loop_fma(k, x[i], by, sum);
      sum = loop_let(k, "s", sum);
    }
  return sum;
}

LoopExpr *winograd_weight_of(LoopKernel *k, const Winograd *w, LoopExpr *point) {
  if (w->first == w->points) return point;
  return loop_let(k, "of", loop_min(k, point, loop_int(k, w->weights - 1)));
}

/* Points from..to, of which those at the places `first`, first + step .. of x are made. */
static void input_points(LoopKernel *k, const Winograd *w, int from, int to, int first,
                         LoopExpr *const *x, LoopExpr **y) {
  int n = w->seen, step = w->stride;
  for (int i = from; i < to; i++) {
    if (!winograd_pair(w, i)) {
      y[i] = combine(k, w->b[i], x, n, first, step);
      continue;
    }
    LoopExpr *even = combine(k, w->b[i], x, n, first, 2 * step);
    LoopExpr *odd = combine(k, w->b[i], x, n, first + step, 2 * step);
    y[i] = loop_let(k, "y", loop_add(k, even, odd));
    y[i + 1] = loop_let(k, "y", loop_sub(k, even, odd));
    i++;
  }
}

void winograd_input(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y) {
  input_points(k, w, 0, w->odd, 0, x, y);
  input_points(k, w, w->odd, w->points, 1, x, y);
}

void winograd_output(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y) {
  int n = w->points;
  LoopExpr *terms[2][WINOGRAD_POINTS]; /* sums and differences of pairs, for even and odd rows */
  for (int parity = 0; parity < 2; parity++)
    for (int j = 0; j < n; j++) terms[parity][j] = x[j];
  for (int j = 0; j < n; j++) {
    if (winograd_pair(w, j) != 1) continue;
    terms[0][j] = loop_let(k, "sum", loop_add(k, x[j], x[j + 1]));
    if (w->tile > 1) terms[1][j] = loop_let(k, "difference", loop_sub(k, x[j], x[j + 1]));
  }
  for (int i = 0; i < w->tile; i++) {
    double factors[WINOGRAD_POINTS];
    for (int j = 0; j < n; j++)
      factors[j] = winograd_pair(w, j) == 2 ? 0 : w->a[i][j]; /* a pair's first alone */
    y[i] = combine(k, factors, terms[i % 2], n, 0, 1);
  }
}

void winograd_kernel(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y) {
  for (int i = 0; i < w->weights; i++) y[i] = combine(k, w->g[i], x, w->kernel, 0, 1);
}

void winograd_tile(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y) {
  int n = w->points;
  for (int j = 0; j < n; j++) {
    double factors[WINOGRAD_POINTS];
    for (int i = 0; i < w->tile; i++) factors[i] = w->a[i][j];
    if (j == 0 || j == n - 1) {
      y[j] = combine(k, factors, x, w->tile, 0, 1);
      continue;
    }
    LoopExpr *even = combine(k, factors, x, w->tile, 0, 2);
    LoopExpr *odd = combine(k, factors, x, w->tile, 1, 2);
    y[j] = odd ? loop_let(k, "y", loop_add(k, even, odd)) : even;
    y[j + 1] = odd ? loop_let(k, "y", loop_sub(k, even, odd)) : even;
    j++;
  }
}

void winograd_taps(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y) {
  for (int i = 0; i < w->kernel; i++) {
    double factors[WINOGRAD_POINTS];
    for (int j = 0; j < w->points; j++) factors[j] = w->g[j][i];
    y[i] = combine(k, factors, x, w->points, 0, 1);
  }
}
