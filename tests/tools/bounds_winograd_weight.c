#include "tests/tools/bounds_winograd.h"

#include <math.h>
#include <string.h>

/* An image [n, height, width, channels] in either layout, by strides in elements. */
typedef struct {
  const double *at;
  int64_t images, size[2], channels, apart[4]; /* of images, lines, pixels, channels */
} Image;

static Image image_of(const RunTensor *x, bool nhwc) {
  int spatial = x->rank - 2, channel = nhwc ? x->rank - 1 : 1, first = nhwc ? 1 : 2;
  int64_t apart[MOST_AXES], all = 1;
  for (int i = x->rank - 1; i >= 0; i--) apart[i] = all, all *= x->shape[i];
  Image image = {.at = x->bytes, .images = x->shape[0], .size = {1, 1}};
  image.channels = x->shape[channel], image.apart[3] = apart[channel], image.apart[0] = apart[0];
  for (int i = 0; i < spatial; i++) {
    image.size[i + 2 - spatial] = x->shape[first + i];
    image.apart[i + 3 - spatial] = apart[first + i];
  }
  return image;
}

/* Adds |left| |image| |right^T| of one tile: [points][channels]; `turned`: of the transposes. */
static void see(const Image *image, const Winograd axes[2], bool turned, int64_t n, int64_t top,
                int64_t left, double *seen) {
  int rows = axes[0].points, columns = axes[1].points;
  int down = turned ? axes[0].tile : rows, across = turned ? axes[1].tile : columns;
  memset(seen, 0, (size_t)(rows * columns * image->channels) * sizeof *seen);
  for (int p = 0; p < rows * columns; p++)
    for (int i = 0; i < down; i++)
      for (int j = 0; j < across; j++) {
        int64_t h = top + i, v = left + j;
        double by = turned ? axes[0].a[i][p / columns] * axes[1].a[j][p % columns]
                           : axes[0].b[p / columns][i] * axes[1].b[p % columns][j];
        if (by == 0 || h < 0 || v < 0 || h >= image->size[0] || v >= image->size[1]) continue;
        const double *from = image->at + n * image->apart[0] + h * image->apart[1];
        from += v * image->apart[2];
        for (int64_t c = 0; c < image->channels; c++)
          seen[p * image->channels + c] += fabs(by * from[c * image->apart[3]]);
      }
}

/* The kernel's places from the sums [points][C][out]: y [out][C][places]. */
static void turn_back(const Winograd axes[2], const double *sums, int64_t channels, int64_t out,
                      double *y) {
  int columns = axes[1].points, points = axes[0].points * columns, width = axes[1].kernel;
  int64_t taps = axes[0].kernel * width;
  for (int64_t c = 0; c < channels; c++)
    for (int64_t o = 0; o < out; o++)
      for (int64_t t = 0; t < taps; t++) {
        double sum = 0;
        for (int p = 0; p < points; p++)
          sum += fabs(axes[0].g[p / columns][t / width] * axes[1].g[p % columns][t % width]) *
                 sums[(p * channels + c) * out + o];
        y[(o * channels + c) * taps + t] = sum;
      }
}

static bool axes_of(const Op *op, int axes, Winograd *found) {
  enum { TILE = 2, MOST_POINTS = 4 }; /* what `select` takes */
  bool given = conv_weight_is_winograd(op), some = given;
  if (op_integer(op, ATTRIBUTE_groups) != 1) return false;
  for (int i = 0; i < 2; i++) winograd_find(1, 1, 1, &found[i]);
  for (int i = 0; i < axes; i++) {
    int64_t kernel = op_list_integer(op, ATTRIBUTE_kernel, i), tile = kernel == 1 ? 1 : TILE;
    if (given) tile = op_list_integer(op, ATTRIBUTE_tile, i);
    Winograd *axis = &found[i + 2 - axes];
    if (op_list_integer(op, ATTRIBUTE_stride, i) != 1 ||
        op_list_integer(op, ATTRIBUTE_dilation, i) != 1 || !winograd_find(tile, kernel, 1, axis) ||
        (!given && axis->points > MOST_POINTS))
      return false;
    some = some || kernel > 1;
  }
  return some;
}

bool conv_weight_magnitude(Arena *arena, const Op *op, const RunTensor *x, const RunTensor *dy,
                           double *result, double *roundings) {
  Winograd axes[2];
  if (op->kind != OP_conv_weight || x->element != ELEMENT_f32 || x->rank < 3 || x->rank > 4 ||
      !axes_of(op, x->rank - 2, axes))
    return false;
  bool nhwc = op_word(op, ATTRIBUTE_layout)[1] == 'h';
  Image image = image_of(x, nhwc), slopes = image_of(dy, nhwc);
  int64_t points = axes[0].points * axes[1].points, pad[2] = {0, 0}, tiles = 0;
  int64_t channels = image.channels, out = slopes.channels;
  for (int i = 0; i < x->rank - 2; i++)
    pad[i + 4 - x->rank] = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
  double *seen = arena_array(arena, (size_t)(points * channels) + 1, sizeof *seen);
  double *steep = arena_array(arena, (size_t)(points * out) + 1, sizeof *steep);
  double *sums = arena_array(arena, (size_t)(points * channels * out) + 1, sizeof *sums);
  memset(sums, 0, (size_t)(points * channels * out) * sizeof *sums);
  for (int64_t n = 0; n < image.images; n++)
    for (int64_t top = 0; top < slopes.size[0]; top += axes[0].tile)
      for (int64_t left = 0; left < slopes.size[1]; left += axes[1].tile, tiles++) {
        see(&image, axes, false, n, top - pad[0], left - pad[1], seen);
        see(&slopes, axes, true, n, top, left, steep);
        for (int64_t p = 0; p < points; p++)
          for (int64_t c = 0; c < channels; c++)
            for (int64_t o = 0; o < out; o++)
              sums[(p * channels + c) * out + o] += seen[p * channels + c] * steep[p * out + o];
      }
  turn_back(axes, sums, channels, out, result);
  *roundings = (double)tiles + 1;
  for (int i = 0; i < 2; i++)
    if (axes[i].points > 1) *roundings += 2.5 * axes[i].points + 3 + axes[i].tile;
  return true;
}
