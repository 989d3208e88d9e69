/* Convolutions by Winograd's algorithm, in double: the same steps as the kernel's, tile by tile. */
#include "ir/evaluate.h"
#include "ir/product.h"
#include "ir/whole_checks.h"
#include "ir/winograd.h"

#include "support/bug.h"

#include <string.h>

/* y [count] += factor * x */
CHECKED_WHOLE static void add_scaled(int64_t count, double factor, const double *restrict x,
                                     double *restrict y) {
  for (int64_t i = 0; i < count; i++) y[i] += factor * x[i];
}

/* y [rows, columns, each] = left [rows, n] * x [n, m, each] * transpose(right [columns, m]), the
 * left product first: by rows of x, which lie whole. */
static void transform(double left[][WINOGRAD_POINTS], int rows, int n,
                      double right[][WINOGRAD_POINTS], int columns, int m, int64_t each,
                      const double *x, double *half, double *y) {
  look_at(x, (size_t)(n * m * each) * sizeof *x);
  look_at(half, (size_t)(m * each) * sizeof *half);
  look_at(y, (size_t)(rows * columns * each) * sizeof *y);
  for (int row = 0; row < rows; row++) {
    memset(half, 0, (size_t)(m * each) * sizeof *half);
    for (int i = 0; i < n; i++)
      if (left[row][i] != 0) add_scaled(m * each, left[row][i], x + i * m * each, half);
    for (int column = 0; column < columns; column++, y += each) {
      memset(y, 0, (size_t)each * sizeof *y);
      for (int j = 0; j < m; j++)
        if (right[column][j] != 0) add_scaled(each, right[column][j], half + j * each, y);
    }
  }
}

static bool find_axes(Evaluation *e, const int64_t *kernel, Winograd axes[2]) {
  int64_t tile[2], stride[2];
  int count;
  if (!get_list(e, ATTRIBUTE_tile, 2, tile, &count) ||
      !get_list(e, ATTRIBUTE_stride, 2, stride, &count))
    return false;
  for (int i = 0; i < 2; i++)
    if (count != 2 || !winograd_find(tile[i], kernel[i], stride[i], &axes[i]))
      bug("no tile of Winograd's algorithm");
  return true;
}

bool evaluate_winograd_weight(Evaluation *e) {
  const RunTensor *w = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  Winograd axes[2];
  if (!y || !find_axes(e, w->shape + 1, axes)) return false;
  int64_t each = w->shape[3] * w->shape[4], taps = w->shape[1] * w->shape[2] * each;
  int64_t all = axes[0].weights * axes[1].weights * each;
  double *from = scratch_doubles(e, taps), *to = scratch_doubles(e, all);
  double *half = scratch_doubles(e, w->shape[2] * each);
  if (!from || !to || !half) return false;
  for (int64_t p = 0; p < w->shape[0]; p++) {
    load_reals(e, w, p * taps, 1, taps, from);
    transform(axes[0].g, axes[0].weights, axes[0].kernel, axes[1].g, axes[1].weights,
              axes[1].kernel, each, from, half, to);
    store_reals(e, y, p * all, all, to);
  }
  return true;
}

/* The numbers that the tile at (top, left) of image n sees; 0 beyond the edge. */
static void see(const RunTensor *x, const double *values, int64_t n, int64_t top, int64_t left,
                const Winograd axes[2], double *seen) {
  int64_t height = x->shape[1], width = x->shape[2], channels = x->shape[3];
  for (int64_t h = top; h < top + axes[0].seen; h++)
    for (int64_t v = left; v < left + axes[1].seen; v++, seen += channels) {
      bool inside = h >= 0 && h < height && v >= 0 && v < width;
      const double *from = values + ((n * height + h) * width + v) * channels;
      for (int64_t c = 0; c < channels; c++) seen[c] = inside ? from[c] : 0;
    }
}

bool evaluate_conv_winograd(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *w = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  Winograd axes[2];
  int64_t pad[2][2], kernel[2];
  int count;
  if (!y || !get_pairs(e, ATTRIBUTE_pad, 2, pad, &count) ||
      !get_list(e, ATTRIBUTE_kernel, 2, kernel, &count) || !find_axes(e, kernel, axes))
    return false;
  int64_t channels = x->shape[3], size = y->shape[3], columns = w->shape[4], panels = w->shape[0];
  int64_t all = axes[0].points * axes[1].points, matrices = axes[0].weights * axes[1].weights;
  int64_t places = axes[0].tile * axes[1].tile;
  double *values = all_reals(e, x), *weights = all_reals(e, w);
  double *seen = scratch_doubles(e, (int64_t)axes[0].seen * axes[1].seen * channels),
         *points = scratch_doubles(e, all * channels);
  double *sums = scratch_doubles(e, all * columns), *made = scratch_doubles(e, places * columns);
  double *half = scratch_doubles(e, WINOGRAD_POINTS * (channels > columns ? channels : columns));
  if (!values || !weights || !seen || !points || !sums || !made || !half) return false;
  for (int64_t n = 0; n < y->shape[0]; n++)
    for (int64_t top = 0; top < y->shape[1]; top += axes[0].tile)
      for (int64_t left = 0; left < y->shape[2]; left += axes[1].tile) {
        see(x, values, n, top * axes[0].stride - pad[0][0], left * axes[1].stride - pad[1][0], axes,
            seen);
        transform(axes[0].b, axes[0].points, axes[0].seen, axes[1].b, axes[1].points, axes[1].seen,
                  channels, seen, half, points);
        for (int64_t p = 0; p < panels; p++) {
          for (int64_t i = 0; i < all * columns; i++) sums[i] = 0;
          for (int i = 0; i < (int)all; i++) {
            int down = i / axes[1].points, across = i % axes[1].points;
            int64_t matrix = winograd_weight(&axes[0], down) * axes[1].weights +
                             winograd_weight(&axes[1], across);
            product_reals(1, columns, channels, points + i * channels,
                          weights + (p * matrices + matrix) * channels * columns,
                          sums + i * columns);
          }
          transform(axes[0].a, axes[0].tile, axes[0].points, axes[1].a, axes[1].tile,
                    axes[1].points, columns, sums, half, made);
          int64_t used = size - p * columns < columns ? size - p * columns : columns;
          for (int64_t i = 0; i < places; i++) {
            int64_t h = top + i / axes[1].tile, v = left + i % axes[1].tile;
            if (h < y->shape[1] && v < y->shape[2])
              store_reals(e, y, ((n * y->shape[1] + h) * y->shape[2] + v) * size + p * columns,
                          used, made + i * columns);
          }
        }
      }
  return true;
}
