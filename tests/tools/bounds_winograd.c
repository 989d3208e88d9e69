#include "tests/tools/bounds_winograd.h"

#include "support/bug.h"

#include <math.h>
#include <string.h>

/* A convolution; strides of x and y in elements: of images, lines, pixels, channels. Along an axis
 * it goes by `step` in x, where it sees `phases` neighbours as so many times its own channels, and
 * in y; it begins at `x_first` and `y_first`. */
typedef struct {
  Winograd axes[2];
  int64_t images, channels, out, made[2], x_apart[4], y_apart[4];
  int64_t x_size[2], x_first[2], step[2], phases[2], y_size[2], y_first[2], y_step[2];
  const double *x, *u; /* u: |G| |w| |G^T| as [matrix][channel][out] */
} Magnitudes;

/* A direct axis makes the sum longer; even and odd places are transformed apart. */
double winograd_roundings(const Winograd axes[2], int64_t channels) {
  double terms = (double)channels, n = 3;
  for (int i = 0; i < 2; i++) {
    int odd = axes[i].first - axes[i].odd, most = axes[i].odd > odd ? axes[i].odd : odd;
    if (winograd_is_direct(&axes[i]))
      terms *= axes[i].points;
    else if (axes[i].points > 1)
      n += 2 * most + 4 + (axes[i].stride > 1);
  }
  return terms + n;
}

/* y [rows, columns, each] = |left [rows, n]| * x [n, m, each] * transpose(|right [columns, m]|), by
 * way of `half` [rows, m, each]. */
static void spread(const double left[][WINOGRAD_POINTS], int rows, int n,
                   const double right[][WINOGRAD_POINTS], int columns, int m, int64_t each,
                   const double *x, double *half, double *y) {
  memset(half, 0, (size_t)(rows * m * each) * sizeof *half);
  for (int row = 0; row < rows; row++)
    for (int i = 0; i < n; i++) {
      double by = fabs(left[row][i]);
      if (by == 0) continue;
      for (int64_t e = 0; e < m * each; e++) half[row * m * each + e] += by * x[i * m * each + e];
    }
  memset(y, 0, (size_t)(rows * columns * each) * sizeof *y);
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++, y += each)
      for (int j = 0; j < m; j++) {
        double by = fabs(right[column][j]);
        const double *from = half + (row * m + j) * each;
        if (by == 0) continue;
        for (int64_t e = 0; e < each; e++) y[e] += by * from[e];
      }
}

/* For a tile: of its input, transformed; of the product; of its results. */
typedef struct {
  double *input, *half, *seen, *sums, *made;
} Scratch;

static int64_t all_channels(const Magnitudes *m) {
  return m->channels * m->phases[0] * m->phases[1];
}

/* |x| of the tile at (top, left) of image n, as [point, phase, channel]; 0 beyond the edge. */
static void see(const Magnitudes *m, const Winograd *down, const Winograd *across, int64_t n,
                int64_t top, int64_t left, double *to) {
  int64_t phases = m->phases[0] * m->phases[1];
  for (int64_t p = 0; p < down->seen * across->seen * phases; p++, to += m->channels) {
    int64_t i = p / phases / across->seen, j = p / phases % across->seen;
    int64_t r[] = {p % phases / m->phases[1], p % m->phases[1]};
    int64_t h = (top * down->stride + i) * m->step[0] + m->x_first[0] + r[0];
    int64_t v = (left * across->stride + j) * m->step[1] + m->x_first[1] + r[1];
    bool inside = h >= 0 && h < m->x_size[0] && v >= 0 && v < m->x_size[1];
    const double *x = m->x + n * m->x_apart[0] + h * m->x_apart[1] + v * m->x_apart[2];
    for (int64_t c = 0; c < m->channels; c++) to[c] = inside ? fabs(x[c * m->x_apart[3]]) : 0;
  }
}

/* Adds up a tile at (top, left) of image n, whole or an edge's. */
static void add_tile(const Magnitudes *m, const Winograd *down, const Winograd *across, int64_t n,
                     int64_t top, int64_t left, const Scratch *s, double *y) {
  int points = down->points * across->points;
  int64_t channels = all_channels(m);
  see(m, down, across, n, top, left, s->input);
  spread(down->b, down->points, down->seen, across->b, across->points, across->seen, channels,
         s->input, s->half, s->seen);
  memset(s->sums, 0, (size_t)(points * m->out) * sizeof *s->sums);
  for (int64_t p = 0; p < points; p++)
    for (int64_t c = 0; c < channels; c++) {
      const Winograd *axes = m->axes;
      int64_t at = winograd_weight(&axes[0], down->at[p / across->points]) * axes[1].weights +
                   winograd_weight(&axes[1], across->at[p % across->points]);
      const double *u = m->u + (at * channels + c) * m->out;
      double by = s->seen[p * channels + c], *sums = s->sums + p * m->out;
      for (int64_t o = 0; o < m->out; o++) sums[o] += by * u[o];
    }
  spread(down->a, down->tile, down->points, across->a, across->tile, across->points, m->out,
         s->sums, s->half, s->made);
  for (int64_t i = 0; i < down->tile && top + i < m->made[0]; i++)
    for (int64_t j = 0; j < across->tile && left + j < m->made[1]; j++) {
      const double *from = s->made + (i * across->tile + j) * m->out;
      int64_t h = (top + i) * m->y_step[0] + m->y_first[0];
      int64_t v = (left + j) * m->y_step[1] + m->y_first[1];
      if (h < 0 || h >= m->y_size[0] || v < 0 || v >= m->y_size[1]) continue;
      double *to = y + n * m->y_apart[0] + h * m->y_apart[1] + v * m->y_apart[2];
      for (int64_t o = 0; o < m->out; o++)
        if (from[o] > to[o * m->y_apart[3]]) to[o * m->y_apart[3]] = from[o];
    }
}

/* The tile from `first` on, and what it may be if the map ends in it. */
static int find_kinds(const Magnitudes *m, int axis, int64_t first, Winograd kinds[2]) {
  int64_t left = m->made[axis] - first;
  kinds[0] = m->axes[axis];
  if (first == 0 || left >= kinds[0].tile) return 1;
  winograd_edge(&m->axes[axis], (int)left, &kinds[1]);
  return 2;
}

static void find_most(Arena *arena, const Magnitudes *m, double *y) {
  size_t points = (size_t)WINOGRAD_POINTS * WINOGRAD_POINTS;
  size_t channels = (size_t)all_channels(m), out = (size_t)m->out;
  Scratch s = {arena_array(arena, points * channels + 1, sizeof(double)),
               arena_array(arena, points * (channels + out) + 1, sizeof(double)),
               arena_array(arena, points * channels + 1, sizeof(double)),
               arena_array(arena, points * out + 1, sizeof(double)),
               arena_array(arena, points * out + 1, sizeof(double))};
  for (int64_t n = 0; n < m->images; n++)
    for (int64_t top = 0; top < m->made[0]; top += m->axes[0].tile)
      for (int64_t left = 0; left < m->made[1]; left += m->axes[1].tile) {
        Winograd down[2], across[2];
        int lines = find_kinds(m, 0, top, down), columns = find_kinds(m, 1, left, across);
        for (int i = 0; i < lines * columns; i++)
          add_tile(m, &down[i / columns], &across[i % columns], n, top, left, &s, y);
      }
}

void winograd_weight_magnitude(const Winograd axes[2], const RunTensor *w, double *result) {
  int64_t each = w->shape[3] * w->shape[4], columns = axes[1].weights;
  int64_t taps = w->shape[1] * w->shape[2], points = axes[0].weights * columns;
  const double *from = w->bytes;
  for (int64_t p = 0; p < w->shape[0]; p++)
    for (int64_t q = 0; q < points; q++)
      for (int64_t e = 0; e < each; e++) {
        double sum = 0;
        for (int64_t t = 0; t < taps; t++)
          sum += fabs(axes[0].g[q / columns][t / w->shape[2]] *
                      axes[1].g[q % columns][t % w->shape[2]] * from[(p * taps + t) * each + e]);
        result[(p * points + q) * each + e] = sum;
      }
}

static void along_last(int64_t *apart, const int64_t *shape) {
  apart[3] = 1, apart[2] = shape[3], apart[1] = shape[3] * shape[2];
  apart[0] = apart[1] * shape[1];
}

void conv_winograd_magnitude(Arena *arena, const Op *op, const RunTensor *x, const RunTensor *w,
                             double *result) {
  Magnitudes m = {.images = x->shape[0],
                  .channels = x->shape[3],
                  .x = x->bytes,
                  .step = {1, 1},
                  .phases = {1, 1},
                  .y_step = {1, 1}};
  int64_t y_shape[] = {x->shape[0], 0, 0, op_integer(op, ATTRIBUTE_size)}, columns = w->shape[4];
  for (int i = 0; i < 2; i++) {
    int64_t kernel = op_list_integer(op, ATTRIBUTE_kernel, i);
    if (!winograd_find(op_list_integer(op, ATTRIBUTE_tile, i), kernel,
                       op_list_integer(op, ATTRIBUTE_stride, i), &m.axes[i]))
      bug("no tile of Winograd's algorithm");
    int64_t pad = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    m.x_size[i] = x->shape[i + 1], m.x_first[i] = -pad;
    m.made[i] = m.x_size[i] + pad + op_pair_integer(op, ATTRIBUTE_pad, i, 1) - kernel;
    m.made[i] = m.made[i] / m.axes[i].stride + 1;
    y_shape[i + 1] = m.y_size[i] = m.made[i];
  }
  m.out = y_shape[3];
  along_last(m.x_apart, x->shape);
  along_last(m.y_apart, y_shape);
  int64_t points = w->shape[1] * w->shape[2];
  double *u = arena_array(arena, (size_t)(points * m.channels * m.out) + 1, sizeof *u);
  const double *from = w->bytes;
  for (int64_t p = 0; p < points; p++)
    for (int64_t c = 0; c < m.channels; c++)
      for (int64_t o = 0; o < m.out; o++)
        u[(p * m.channels + c) * m.out + o] =
            fabs(from[(((o / columns) * points + p) * m.channels + c) * columns + o % columns]);
  m.u = u;
  memset(result, 0, (size_t)(m.images * m.made[0] * m.made[1] * m.out) * sizeof *result);
  find_most(arena, &m, result);
}

/* The places of a weight that are taken, along each axis from `first` on. */
typedef struct {
  const double *at;
  int64_t size[2], first[2], step[2];
  bool
      turned; /* of a conv_transpose, [C, out, k..], back to front; else of a conv, [out, C, k..] */
} Kernel;

static double place_of(const Magnitudes *m, const Kernel *w, int64_t c, int64_t o, int64_t i,
                       int64_t j) {
  int64_t phases = m->phases[0] * m->phases[1], at[] = {i, j};
  int64_t phase = c / m->channels, r[] = {phase / m->phases[1], phase % m->phases[1]};
  c %= m->channels;
  int64_t pair = w->turned ? c * m->out + o : o * m->channels + c;
  for (int a = 0; a < 2; a++) {
    if (w->turned) at[a] = m->axes[a].kernel - 1 - at[a];
    at[a] = at[a] * w->step[a] + w->first[a] + (phases > 1 ? r[a] : 0);
  }
  return w->at[(pair * w->size[0] + at[0]) * w->size[1] + at[1]];
}

static const double *transformed(Arena *arena, const Magnitudes *m, const Kernel *w) {
  int rows = m->axes[0].kernel, columns = m->axes[1].kernel;
  int points = m->axes[0].weights * m->axes[1].weights, taps = rows * columns;
  int64_t channels = all_channels(m);
  double *u = arena_array(arena, (size_t)(points * channels * m->out) + 1, sizeof *u);
  for (int64_t c = 0; c < channels; c++)
    for (int64_t o = 0; o < m->out; o++)
      for (int p = 0; p < points; p++) {
        double sum = 0;
        for (int t = 0; t < taps; t++) {
          double by = m->axes[0].g[p / m->axes[1].weights][t / columns] *
                      m->axes[1].g[p % m->axes[1].weights][t % columns];
          if (by != 0) sum += fabs(by * place_of(m, w, c, o, t / columns, t % columns));
        }
        u[(p * channels + c) * m->out + o] = sum;
      }
  return u;
}

static void along_second(int64_t *apart, const int64_t *shape, int rank) {
  apart[2] = 1, apart[1] = shape[rank - 1];
  apart[3] = rank == 4 ? apart[1] * shape[2] : apart[1];
  apart[0] = apart[3] * shape[1];
}

/* By all tiles that there are. */
static bool each_tile(Arena *arena, Magnitudes *m, const Kernel *w, const int64_t *kernel,
                      const int64_t *stride, double *result, double *roundings) {
  bool some = false;
  for (int64_t tile = 2; tile <= 6; tile++)
    for (int direct = -1; direct < 2; direct++) { /* the axis along which sums are direct */
      bool fine = kernel[0] > 1 || kernel[1] > 1;
      if (direct >= 0 && (kernel[0] == 1 || kernel[1] == 1)) continue;
      for (int i = 0; i < 2; i++)
        fine = fine && winograd_find(kernel[i] == 1 || i == direct ? 1 : tile, kernel[i], stride[i],
                                     &m->axes[i]);
      if (!fine) continue;
      m->u = transformed(arena, m, w);
      find_most(arena, m, result);
      double n = winograd_roundings(m->axes, all_channels(m));
      if (n > *roundings) *roundings = n;
      some = true;
    }
  return some;
}

/* Of phases (passes/select_phases.h): places that are equal modulo the dilation, or the stride. */
static bool each_phase(Arena *arena, Magnitudes *m, Kernel *w, const int64_t *stride,
                       const int64_t *dilation, double *result, double *roundings) {
  static const int64_t one[] = {1, 1};
  bool dilated = dilation[0] > 1 || dilation[1] > 1, some = false;
  int64_t by[2], kernel[2], first[2] = {m->x_first[0], m->x_first[1]};
  for (int i = 0; i < 2; i++) {
    by[i] = dilated ? dilation[i] : stride[i];
    if (dilated ? stride[i] > 1 : w->size[i] % stride[i] != 0) return false;
    kernel[i] = dilated ? w->size[i] : w->size[i] / stride[i];
    if (dilated || !w->turned) m->step[i] = by[i];
    if (dilated) m->y_step[i] = by[i], m->made[i] = (m->y_size[i] + by[i] - 1) / by[i];
    if (dilated) continue;
    w->step[i] = by[i];
    if (!w->turned) m->phases[i] = by[i];
    if (w->turned) m->y_step[i] = by[i], m->made[i] = m->x_size[i] + kernel[i] - 1;
    if (w->turned) m->x_first[i] = 1 - kernel[i];
  }
  if (!dilated && !w->turned) return each_tile(arena, m, w, kernel, one, result, roundings);
  for (int64_t r = 0; r < by[0] * by[1]; r++) {
    int64_t phase[] = {r / by[1], r % by[1]};
    for (int i = 0; i < 2; i++)
      if (dilated)
        m->x_first[i] = first[i] + phase[i], m->y_first[i] = phase[i];
      else /* x_first was y's */
        w->first[i] = phase[i], m->y_first[i] = phase[i] + first[i];
    some = each_tile(arena, m, w, kernel, one, result, roundings) || some;
  }
  return some;
}

/* Of a conv_transpose with a stride, each phase of the result by itself, from its first place on.
 */
static bool each_turn(Arena *arena, Magnitudes *m, Kernel *w, const int64_t *stride,
                      const int64_t *pad, double *result, double *roundings) {
  static const int64_t one[] = {1, 1};
  bool some = false;
  for (int64_t r = 0; r < stride[0] * stride[1]; r++) {
    int64_t phase[] = {r / stride[1], r % stride[1]}, kernel[2];
    for (int i = 0; i < 2; i++) {
      m->made[i] = (m->y_size[i] + stride[i] - 1) / stride[i];
      m->y_step[i] = w->step[i] = stride[i], m->y_first[i] = phase[i];
      w->first[i] = (phase[i] + pad[i]) % stride[i];
      kernel[i] = (w->size[i] - w->first[i] + stride[i] - 1) / stride[i];
      m->x_first[i] = (phase[i] + pad[i]) / stride[i] - kernel[i] + 1;
    }
    if (w->first[0] < w->size[0] && w->first[1] < w->size[1])
      some = each_tile(arena, m, w, kernel, one, result, roundings) || some;
  }
  return some;
}

bool conv_magnitude(Arena *arena, const Op *op, const RunTensor *x, const RunTensor *w,
                    const RunTensor *y, double *result, double *roundings) {
  bool turned = op->kind == OP_conv_transpose;
  if ((op->kind != OP_conv && !turned) || x->element != ELEMENT_f32 || x->rank < 3 || x->rank > 4)
    return false;
  if (!turned && op_word(op, ATTRIBUTE_layout)[1] != 'c') return false;
  int axes = x->rank - 2;
  int64_t stride[2] = {1, 1}, dilation[2] = {1, 1};
  Kernel kernel = {.at = w->bytes, .size = {1, 1}, .step = {1, 1}, .turned = turned};
  Magnitudes m = {.images = x->shape[0],
                  .channels = x->shape[1],
                  .out = y->shape[1],
                  .x_size = {1, 1},
                  .y_size = {1, 1},
                  .step = {1, 1},
                  .phases = {1, 1},
                  .y_step = {1, 1},
                  .x = x->bytes};
  if (op_integer(op, ATTRIBUTE_groups) != 1) return false;
  bool strided = false, dilated = false;
  for (int i = 0; i < axes; i++) {
    int at = i + 2 - axes;
    stride[at] = op_list_integer(op, ATTRIBUTE_stride, i);
    dilation[at] = op_list_integer(op, ATTRIBUTE_dilation, i);
    strided = strided || stride[at] > 1, dilated = dilated || dilation[at] > 1;
    kernel.size[at] = w->shape[2 + i];
    m.x_size[at] = x->shape[2 + i], m.y_size[at] = y->shape[2 + i];
  }
  for (int i = 0; i < axes; i++) {
    int at = i + 2 - axes;
    m.x_first[at] = -op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    if (turned && !strided)
      m.x_first[at] += -dilation[at] * (kernel.size[at] - 1) - 2 * m.x_first[at];
  }
  memcpy(m.made, m.y_size, sizeof m.made);
  along_second(m.x_apart, x->shape, x->rank);
  along_second(m.y_apart, y->shape, y->rank);
  memset(result, 0, (size_t)y->count * sizeof *result);
  *roundings = 0;
  bool some = false;
  if (!dilated && !(turned && strided))
    some = each_tile(arena, &m, &kernel, kernel.size, stride, result, roundings);
  if (!dilated && !strided) return some;
  if (turned && strided && !dilated) {
    int64_t pad[] = {-m.x_first[0], -m.x_first[1]};
    some = each_turn(arena, &m, &kernel, stride, pad, result, roundings);
    for (int i = 0; i < 2; i++) m.x_first[i] = -pad[i];
  }
  return each_phase(arena, &m, &kernel, stride, dilation, result, roundings) || some;
}
