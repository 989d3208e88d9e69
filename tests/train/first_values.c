/* The first values that a compiled network gives its parameters: what Drawn of first_values.dl
 * declares. Means and deviations are estimated from n numbers; they must lie within five standard
 * errors of what the initialiser's paper says, extremes within the bounds of its interval. */
#include "first_values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void expect(int fine, const char *name, const char *what, double found, double wanted) {
  if (fine) return;
  printf("%s: %s is %.9g, not %.9g\n", name, what, found, wanted);
  failures++;
}

static const float *values(first_values_context *net, const char *name, int64_t *count,
                           first_values_tensor *tensor) {
  char path[64];
  snprintf(path, sizeof path, "drawn.%s", name);
  if (first_values_find(net, path, tensor)) {
    printf("no tensor %s\n", path);
    exit(1);
  }
  *count = 1;
  for (int i = 0; i < tensor->rank; i++) *count *= tensor->dims[i];
  return tensor->data;
}

/* Rows (or, if they are more than the columns, columns) of length `gain`, at right angles. */
static void orthonormal(first_values_context *net, const char *name, double gain) {
  first_values_tensor tensor;
  int64_t count;
  const float *w = values(net, name, &count, &tensor);
  int64_t rows = tensor.dims[0], columns = count / rows;
  int64_t vectors = rows < columns ? rows : columns, length = count / vectors;
  int64_t step = rows < columns ? columns : 1, along = rows < columns ? 1 : columns;
  double worst = 0;
  for (int64_t a = 0; a < vectors; a++)
    for (int64_t b = 0; b < vectors; b++) {
      double sum = 0;
      for (int64_t k = 0; k < length; k++)
        sum += (double)w[a * step + k * along] * w[b * step + k * along];
      worst = fmax(worst, fabs(sum - (a == b ? gain * gain : 0)));
    }
  /* each product has `length` roundings of numbers up to gain^2 in single precision */
  expect(worst <= (double)length * gain * gain * 1.2e-7, name, "worst product of two vectors",
         worst, 0);
}

/* `fourth`: the fourth moment by the variance's square, 3 of a normal and 1.8 of a uniform one. */
static void moments(first_values_context *net, const char *name, double mean, double deviation,
                    double fourth, double least, double most) {
  first_values_tensor tensor;
  int64_t count;
  const float *w = values(net, name, &count, &tensor);
  double sum = 0, square = 0;
  for (int64_t i = 0; i < count; i++) {
    sum += w[i];
    square += ((double)w[i] - mean) * ((double)w[i] - mean);
    expect(w[i] >= least && w[i] <= most, name, "a value", w[i], w[i] < least ? least : most);
  }
  double n = (double)count, variance = deviation * deviation;
  expect(fabs(sum / n - mean) <= 5 * deviation / sqrt(n), name, "the mean", sum / n, mean);
  expect(fabs(square / n - variance) <= 5 * variance * sqrt((fourth - 1) / n), name, "the variance",
         square / n, variance);
}

static void uniform(first_values_context *net, const char *name, double from, double to) {
  double slack = 1e-6 * (to - from);
  moments(net, name, (from + to) / 2, (to - from) / sqrt(12), 1.8, from - slack, to + slack);
}

static void normal(first_values_context *net, const char *name, double mean, double deviation) {
  moments(net, name, mean, deviation, 3, -INFINITY, INFINITY);
}

/* All parameters of a network with this seed, one after the other. */
static float *all(uint64_t seed, int threads, size_t *count) {
  first_values_context *net;
  float *copy = NULL;
  *count = 0;
  if (first_values_open(&net, NULL, threads) || first_values_init(net, seed)) exit(1);
  for (int i = 0; i < first_values_count(); i++) {
    first_values_tensor tensor;
    if (first_values_at(net, i, &tensor)) exit(1);
    size_t n = 1;
    for (int k = 0; k < tensor.rank; k++) n *= (size_t)tensor.dims[k];
    copy = realloc(copy, (*count + n) * sizeof *copy);
    memcpy(copy + *count, tensor.data, n * sizeof *copy);
    *count += n;
  }
  first_values_close(net);
  return copy;
}

static void seeds(void) {
  size_t count, more, other;
  float *one = all(7, 1, &count), *two = all(7, 2, &more), *third = all(8, 1, &other);
  expect(count == more && memcmp(one, two, count * sizeof *one) == 0, "seed 7",
         "the number of threads that makes other bits", 2, 1);
  size_t same = 0;
  for (size_t i = 0; i < count; i++) same += one[i] == third[i];
  /* `same` is of 7 equal numbers; others meet by chance alone, one in 2^24 */
  expect(same < 7 + 10, "seed 8", "the count of numbers as of seed 7", (double)same, 7);
  free(one);
  free(two);
  free(third);
}

int main(void) {
  first_values_context *net;
  if (first_values_open(&net, NULL, 1) || first_values_init(net, 3)) return 1;
  orthonormal(net, "wide", 1);
  orthonormal(net, "tall", 2);
  orthonormal(net, "square", 1);
  orthonormal(net, "kernel", 1);
  double glorot = sqrt(6.0 / 160), he = sqrt(6.0 / 60), lecun = sqrt(3.0 / 60) / sqrt(3);
  uniform(net, "xavier", -glorot, glorot);
  normal(net, "xavier_n", 0, sqrt(2.0 / 160));
  uniform(net, "kaiming", -he, he);
  normal(net, "kaiming_n", 0, sqrt(2.0 / (40 * 9)));
  uniform(net, "lecun", -lecun, lecun);
  normal(net, "lecun_n", 0, sqrt(1.0 / 60));
  /* between two deviations: variance 0.7737 of 1, fourth moment 1.416 (Johnson, Kotz 1970) */
  moments(net, "truncated", 0, 0.5 * sqrt(0.773741), 1.416 / (0.773741 * 0.773741), -1, 1);
  uniform(net, "plain", -3, 1);
  normal(net, "gauss", 2, 0.25);
  moments(net, "same", 0.125, 0, 1, 0.125, 0.125);
  first_values_close(net);
  seeds();
  printf("first values: %d failures\n", failures);
  return failures != 0;
}
