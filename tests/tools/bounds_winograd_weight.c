#include "tests/tools/bounds_winograd.h"

#include <math.h>
#include <string.h>

/* An image [n, height, width, channels] in either layout, by strides in elements. */
typedef struct {
  const double *at;
  int64_t images, size[2], channels, apart[4]; /* of images, lines, pixels, channels */
  int64_t step[2];                             /* between the places that are seen */
} Image;

static Image image_of(const RunTensor *x, bool nhwc) {
  int spatial = x->rank - 2, channel = nhwc ? x->rank - 1 : 1, first = nhwc ? 1 : 2;
  int64_t apart[MOST_AXES], all = 1;
  for (int i = x->rank - 1; i >= 0; i--) apart[i] = all, all *= x->shape[i];
  Image image = {.at = x->bytes, .images = x->shape[0], .size = {1, 1}, .step = {1, 1}};
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
        int64_t h = top + i * image->step[0], v = left + j * image->step[1];
        double by = turned ? axes[0].a[i][p / columns] * axes[1].a[j][p % columns]
                           : axes[0].b[p / columns][i] * axes[1].b[p % columns][j];
        if (by == 0 || h < 0 || v < 0 || h >= image->size[0] || v >= image->size[1]) continue;
        const double *from = image->at + n * image->apart[0] + h * image->apart[1];
        from += v * image->apart[2];
        for (int64_t c = 0; c < image->channels; c++)
          seen[p * image->channels + c] += fabs(by * from[c * image->apart[3]]);
      }
}

/* The kernel's places from the sums [points][C][out]: y [out][C][k..], `step` from each other from
 * `first` on. */
static void turn_back(const Winograd axes[2], const double *sums, int64_t channels, int64_t out,
                      const int64_t *first, const int64_t *step, double *y) {
  int columns = axes[1].points, points = axes[0].points * columns, width = axes[1].kernel;
  int64_t all = axes[0].kernel * step[0] * width * step[1];
  for (int64_t c = 0; c < channels; c++)
    for (int64_t o = 0; o < out; o++)
      for (int64_t t = 0; t < axes[0].kernel * width; t++) {
        double sum = 0;
        for (int p = 0; p < points; p++)
          sum += fabs(axes[0].g[p / columns][t / width] * axes[1].g[p % columns][t % width]) *
                 sums[(p * channels + c) * out + o];
        int64_t at = (t / width * step[0] + first[0]) * width * step[1];
        y[(o * channels + c) * all + at + t % width * step[1] + first[1]] = sum;
      }
}

/* What `select` makes of it: along an axis `by` phases, of a dilation or of a stride. */
typedef struct {
  Winograd axes[2];
  int64_t by[2];
  bool dilated, strided;
} Algorithm;

static bool algorithm_of(const Op *op, int axes, Algorithm *a) {
  enum { MOST_POINTS = 4 };
  bool given = conv_weight_is_winograd(op), some = given;
  if (op_integer(op, ATTRIBUTE_groups) != 1) return false;
  *a = (Algorithm){.by = {1, 1}};
  for (int i = 0; i < 2; i++) winograd_find(1, 1, 1, &a->axes[i]);
  for (int i = 0; i < axes; i++) {
    int64_t stride = op_list_integer(op, ATTRIBUTE_stride, i);
    int64_t dilation = op_list_integer(op, ATTRIBUTE_dilation, i);
    int64_t kernel = op_list_integer(op, ATTRIBUTE_kernel, i);
    if (kernel % stride || (given && stride * dilation > 1)) return false;
    kernel /= stride;
    int64_t tile = kernel == 1 ? 1 : kernel == 2 ? 3 : 2; /* of four points */
    if (given) tile = op_list_integer(op, ATTRIBUTE_tile, i);
    Winograd *axis = &a->axes[i + 2 - axes];
    if (!winograd_find(tile, kernel, 1, axis) || (!given && axis->points > MOST_POINTS))
      return false;
    some = some || kernel > 1;
    a->strided = a->strided || stride > 1, a->dilated = a->dilated || dilation > 1;
    a->by[i + 2 - axes] = stride * dilation;
  }
  return some && !(a->strided && a->dilated);
}

/* The sums over the tiles of what x and dy have from a phase on; gives how many tiles there were.
 */
static int64_t sum_tiles(const Algorithm *a, const Image *image, const Image *slopes,
                         const int64_t *x_first, const int64_t *y_first, double *seen,
                         double *steep, double *sums) {
  const Winograd *axes = a->axes;
  int64_t points = axes[0].points * axes[1].points, channels = image->channels, tiles = 0;
  int64_t out = slopes->channels, made[2];
  for (int i = 0; i < 2; i++) made[i] = (slopes->size[i] + slopes->step[i] - 1) / slopes->step[i];
  for (int64_t n = 0; n < image->images; n++)
    for (int64_t top = 0; top < made[0]; top += axes[0].tile)
      for (int64_t left = 0; left < made[1]; left += axes[1].tile, tiles++) {
        see(image, axes, false, n, top * image->step[0] + x_first[0],
            left * image->step[1] + x_first[1], seen);
        see(slopes, axes, true, n, top * slopes->step[0] + y_first[0],
            left * slopes->step[1] + y_first[1], steep);
        for (int64_t p = 0; p < points; p++)
          for (int64_t c = 0; c < channels; c++)
            for (int64_t o = 0; o < out; o++)
              sums[(p * channels + c) * out + o] += seen[p * channels + c] * steep[p * out + o];
      }
  return tiles;
}

bool conv_weight_magnitude(Arena *arena, const Op *op, const RunTensor *x, const RunTensor *dy,
                           double *result, double *roundings) {
  static const int64_t none[] = {0, 0}, one[] = {1, 1};
  Algorithm a;
  if (op->kind != OP_conv_weight || x->element != ELEMENT_f32 || x->rank < 3 || x->rank > 4 ||
      !algorithm_of(op, x->rank - 2, &a))
    return false;
  bool nhwc = op_word(op, ATTRIBUTE_layout)[1] == 'h';
  Image image = image_of(x, nhwc), slopes = image_of(dy, nhwc);
  int64_t points = a.axes[0].points * a.axes[1].points, pad[2] = {0, 0}, tiles = 0;
  int64_t channels = image.channels, out = slopes.channels;
  for (int i = 0; i < x->rank - 2; i++)
    pad[i + 4 - x->rank] = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
  for (int i = 0; i < 2; i++) {
    image.step[i] = a.by[i];
    if (a.dilated) slopes.step[i] = a.by[i];
  }
  double *seen = arena_array(arena, (size_t)(points * channels) + 1, sizeof *seen);
  double *steep = arena_array(arena, (size_t)(points * out) + 1, sizeof *steep);
  double *sums = arena_array(arena, (size_t)(points * channels * out) + 1, sizeof *sums);
  size_t bytes = (size_t)(points * channels * out) * sizeof *sums;
  memset(sums, 0, bytes);
  for (int64_t r = 0; r < a.by[0] * a.by[1]; r++) {
    int64_t phase[] = {r / a.by[1], r % a.by[1]};
    int64_t first[] = {phase[0] - pad[0], phase[1] - pad[1]};
    if (a.strided) memset(sums, 0, bytes), tiles = 0;
    tiles += sum_tiles(&a, &image, &slopes, first, a.dilated ? phase : none, seen, steep, sums);
    if (!a.dilated || r + 1 == a.by[0] * a.by[1])
      turn_back(a.axes, sums, channels, out, a.dilated ? none : phase, a.dilated ? one : a.by,
                result);
  }
  *roundings = (double)tiles + 1;
  for (int i = 0; i < 2; i++)
    if (a.axes[i].points > 1) *roundings += 2.5 * a.axes[i].points + 3 + a.axes[i].tile;
  return true;
}
