#include "ir/winograd.h"

#include "ir/made.h"
#include "support/bug.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double points[] = {0, 1, -1, 2, -2, 0.5, -0.5};

/* Coefficients of the product of (x - p) over the finite points but one; -1: over all. */
static void polynomial(int finite, int without, double *coefficients) {
  int degree = 0;
  coefficients[0] = 1;
  for (int i = 0; i < finite; i++) {
    if (i == without) continue;
    coefficients[degree + 1] = coefficients[degree];
    for (int k = degree; k > 0; k--)
      coefficients[k] = coefficients[k - 1] - points[i] * coefficients[k];
    coefficients[0] *= -points[i];
    degree++;
  }
}

/* The matrices of stride 1 by the first finite points, and infinity if one more is needed. */
static void interpolate(int tile, int kernel, int finite, Winograd *w) {
  int count = tile + kernel - 1;
  *w = (Winograd){.tile = tile, .kernel = kernel, .stride = 1, .points = count, .seen = count};
  w->weights = w->first = w->odd = count;
  w->pairs = finite % 2 ? finite / 2 : 0;
  for (int j = 0; j < finite; j++) {
    double scale = 1, power = 1;
    for (int i = 0; i < finite; i++)
      if (i != j) scale *= points[j] - points[i];
    for (int k = 0; k < count; k++, power *= points[j]) {
      if (k < tile) w->a[k][j] = power;
      if (k < kernel) w->g[j][k] = power / scale;
    }
    polynomial(finite, j, w->b[j]);
  }
  for (int j = 0; j < count; j++) w->at[j] = j;
  if (finite == count) return;
  w->a[tile - 1][finite] = 1;
  w->g[finite][kernel - 1] = 1;
  polynomial(finite, -1, w->b[finite]);
}

/* A stride of 2, of which `tile` results are wanted; the even places' algorithm may make more. */
static void alternate(int tile, const Winograd *even, Winograd *w) {
  int first = even->points;
  *w = (Winograd){.tile = tile, .kernel = 3, .stride = 2, .points = first + tile};
  w->seen = 2 * even->seen - 1;
  w->first = w->odd = first, w->weights = first + 1, w->pairs = even->pairs;
  for (int i = 0; i < tile; i++) {
    memcpy(w->a[i], even->a[i], sizeof w->a[i]);
    w->a[i][first + i] = 1;
    w->b[first + i][2 * i + 1] = 1;
  }
  for (int p = 0; p < first; p++) {
    for (int i = 0; i < even->seen; i++) w->b[p][2 * i] = even->b[p][i];
    w->g[p][0] = even->g[p][0], w->g[p][2] = even->g[p][1];
  }
  w->g[first][1] = 1;
  for (int j = 0; j < w->points; j++) w->at[j] = j;
}

/* A stride of 2 and a kernel of five or more places, those at even and those at odd ones apart. */
static void part(int tile, int kernel, Winograd *w) {
  int places[] = {(kernel + 1) / 2, kernel / 2};
  Winograd of[2];
  for (int i = 0; i < 2; i++) {
    int count = tile + places[i] - 1; /* 0 and pairs, then infinity */
    interpolate(tile, places[i], count % 2 ? count : count - 1, &of[i]);
  }
  *w = (Winograd){.tile = tile, .kernel = kernel, .stride = 2, .odd = of[0].points};
  w->points = w->weights = w->first = of[0].points + of[1].points;
  w->seen = 2 * (tile - 1) + kernel;
  w->pairs = of[0].pairs, w->odd_pairs = of[1].pairs;
  for (int i = 0, from = 0; i < 2; from = of[0].points, i++)
    for (int p = 0; p < of[i].points; p++) {
      w->at[from + p] = from + p;
      for (int k = 0; k < tile; k++) w->a[k][from + p] = of[i].a[k][p];
      for (int k = 0; k < of[i].seen; k++) w->b[from + p][2 * k + i] = of[i].b[p][k];
      for (int k = 0; k < places[i]; k++) w->g[from + p][2 * k + i] = of[i].g[p][k];
    }
}

static void direct(int kernel, int stride, Winograd *w) {
  *w = (Winograd){.tile = 1, .kernel = kernel, .stride = stride, .points = kernel};
  w->seen = w->weights = w->first = w->odd = kernel;
  for (int i = 0; i < kernel; i++) w->at[i] = i, w->a[0][i] = w->b[i][i] = w->g[i][i] = 1;
}

bool winograd_is_direct(const Winograd *w) {
  return w->tile == 1 && w->kernel > 1;
}

int winograd_pair(const Winograd *w, int point) {
  int from = point < w->odd ? 0 : w->odd, pairs = point < w->odd ? w->pairs : w->odd_pairs;
  int at = point - from;
  return at < 1 || at > 2 * pairs ? 0 : 2 - at % 2;
}

bool winograd_find(int64_t tile, int64_t kernel, int64_t stride, Winograd *w) {
  if (tile < 1 || kernel < 1 || tile > WINOGRAD_POINTS || kernel > WINOGRAD_POINTS) return false;
  if (stride == 2 && kernel == 3 && (tile == 2 || tile == 4)) {
    Winograd even; /* by 0, 1 and infinity, or 0, +-1 and +-2 */
    interpolate((int)tile, 2, tile == 2 ? 2 : 5, &even);
    alternate((int)tile, &even, w);
    return true;
  }
  if (tile == 1 && kernel > 1 && stride >= 1 && stride <= WINOGRAD_POINTS) {
    direct((int)kernel, (int)stride, w);
    return true;
  }
  if (stride == 2 && (kernel == 5 || kernel == 7) && (tile == 2 || tile == 4)) {
    part((int)tile, (int)kernel, w);
    return true;
  }
  int count = (int)(tile + kernel - 1);
  if (stride != 1 || count > WINOGRAD_INTERPOLATED || (count % 2 && count != 1)) return false;
  interpolate((int)tile, (int)kernel, count - 1, w);
  return true;
}

int winograd_weight(const Winograd *w, int point) {
  return point < w->first ? point : w->weights - 1;
}

void winograd_edge(const Winograd *whole, int tile, Winograd *edge) {
  Winograd plain;
  if (whole->stride == 2 && whole->kernel > 3) { /* its first results, by all points */
    *edge = *whole;
    edge->tile = tile;
    return;
  }
  int kernel = whole->stride == 1 ? whole->kernel : 2, count = tile + kernel - 1;
  int finite = count % 2 ? count : count - 1; /* 0 and pairs, then infinity */
  if (whole->stride == 2 && whole->pairs > 0) /* has no infinity: a point more, and one result */
    finite = count % 2 ? count : count + 1;
  interpolate(finite < count ? tile : finite - kernel + 1, kernel, finite, &plain);
  if (whole->stride == 2)
    alternate(tile, &plain, edge);
  else
    *edge = plain;
  if (finite < count) edge->at[finite] = whole->first - 1;
  for (int j = edge->first; j < edge->points; j++) edge->at[j] += whole->first - edge->first;
  for (int j = 0; j < finite; j++) {
    double by = edge->g[j][0] / whole->g[j][0];
    for (int k = 0; k < edge->seen; k++) edge->b[j][k] *= by;
    for (int k = 0; k < whole->kernel; k++) edge->g[j][k] = whole->g[j][k];
  }
}

bool winograd_has_edge(const Winograd *whole, int64_t size) {
  return size > whole->tile && size % whole->tile != 0;
}

double winograd_used(const Winograd axes[2], const int64_t size[2]) {
  double used = 1, all = 1;
  for (int i = 0; i < 2; i++) {
    int64_t tiles = (size[i] + axes[i].tile - 1) / axes[i].tile, sum = tiles * axes[i].points;
    all *= (double)sum;
    if (winograd_has_edge(&axes[i], size[i])) {
      Winograd edge;
      winograd_edge(&axes[i], (int)(size[i] % axes[i].tile), &edge);
      sum -= axes[i].points - edge.points;
    }
    used *= (double)sum;
  }
  return all > 0 ? used / all : 1;
}

/* ---- weights ---- */

typedef struct {
  MadeData made;
  Winograd axes[2];
  int64_t each;
} MadeWeights;

/* out[each] = sum over the kernel's places of coefficient * w[place][each] */
static void combine(const MadeWeights *m, const float *w, int row, int column, int64_t from,
                    int64_t count, double *sum) {
  memset(sum, 0, (size_t)count * sizeof *sum);
  for (int i = 0; i < m->axes[0].kernel; i++)
    for (int j = 0; j < m->axes[1].kernel; j++, w += m->each) {
      double factor = m->axes[0].g[row][i] * m->axes[1].g[column][j];
      if (factor == 0) continue;
      for (int64_t e = 0; e < count; e++) sum[e] += factor * (double)w[from + e];
    }
}

static void read_weights(const MadeData *made, int64_t from, int64_t count, void *to) {
  const MadeWeights *m = (const MadeWeights *)made;
  int64_t taps = m->axes[0].kernel * m->axes[1].kernel * m->each;
  int64_t all = m->axes[0].weights * m->axes[1].weights, panel = -1;
  float *w = malloc((size_t)taps * sizeof *w), *result = to;
  double *sum = malloc((size_t)m->each * sizeof *sum);
  if (!w || !sum) out_of_memory((size_t)taps * sizeof *w);
  while (count > 0) {
    int64_t point = from / m->each, start = from % m->each, part = m->each - start;
    if (part > count) part = count;
    if (point / all != panel) {
      panel = point / all;
      data_read(made->source, panel * taps, taps, w);
    }
    int at = (int)(point % all), columns = m->axes[1].weights;
    combine(m, w, at / columns, at % columns, start, part, sum);
    for (int64_t e = 0; e < part; e++) *result++ = (float)sum[e];
    from += part;
    count -= part;
  }
  free(sum);
  free(w);
}

Data *data_winograd(Arena *arena, const Data *w, const Winograd axes[2], int64_t panels,
                    int64_t each) {
  if (w->element != ELEMENT_f32) return NULL;
  MadeWeights *m = ARENA_NEW(arena, MadeWeights);
  m->made.source = w;
  m->made.read = read_weights;
  m->made.bytes = sizeof *m;
  m->axes[0] = axes[0];
  m->axes[1] = axes[1];
  m->each = each;
  return data_made(arena, &m->made, ELEMENT_f32, panels * axes[0].weights * axes[1].weights * each);
}
