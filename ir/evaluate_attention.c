/* Attention, as it is written: all scores, their softmax, their product with the values; and its
 * gradient. */
#include "ir/attention.h"
#include "ir/evaluate.h"
#include "ir/product.h"

#include <math.h>
#include <string.h>

/* An operand that broadcasts to the scores. */
typedef struct {
  const double *values; /* NULL: it is not there */
  int64_t strides[MOST_AXES];
} Extra;

typedef struct {
  int lead; /* leading axes */
  const int64_t *shape;
  int64_t matrices, queries, keys, width, out;
  double scale;
  bool causal, mask_is_bool;
  const double *q, *k, *v;
  Extra mask, factor;
  double *turned, *scores; /* of one pair of matrices: [width, keys], [queries, keys] */
} Attention;

static bool open_extra(Evaluation *e, int number, int rank, Extra *extra) {
  if (number < 0) return true;
  const RunTensor *x = operand(e, number);
  strides_broadcast(x->rank, x->shape, rank, extra->strides);
  if (is_real(x)) return (extra->values = all_reals(e, x)) != NULL;
  double *values = scratch_doubles(e, x->count);
  for (int64_t i = 0; values && i < x->count; i++) values[i] = ((const unsigned char *)x->bytes)[i];
  return (extra->values = values) != NULL;
}

static bool open_attention(Evaluation *e, Attention *a) {
  const RunTensor *q = operand(e, 0), *k = operand(e, 1), *v = operand(e, 2);
  int lead = q->rank - 2, mask = attention_mask(e->op);
  *a = (Attention){.lead = lead,
                   .shape = q->shape,
                   .matrices = sizes_product(q->shape, 0, lead),
                   .queries = q->shape[lead],
                   .keys = k->shape[lead],
                   .width = q->shape[lead + 1],
                   .out = v->shape[lead + 1],
                   .scale = attention_scale(e->op),
                   .causal = op_flag(e->op, ATTRIBUTE_causal),
                   .mask_is_bool = mask >= 0 && !is_real(operand(e, mask))};
  if (a->scale == 0) a->scale = 1 / sqrt((double)a->width);
  a->q = all_reals(e, q), a->k = all_reals(e, k), a->v = all_reals(e, v);
  a->turned = scratch_doubles(e, a->width * a->keys);
  a->scores = scratch_doubles(e, a->queries * a->keys);
  return a->q && a->k && a->v && a->turned && a->scores && open_extra(e, mask, q->rank, &a->mask) &&
         open_extra(e, attention_factor(e->op), q->rank, &a->factor);
}

/* Where an extra's part for matrix number `matrix` starts. */
static int64_t extra_start(const Attention *a, const Extra *extra, int64_t matrix) {
  int64_t start = 0;
  for (int axis = a->lead - 1; axis >= 0; axis--) {
    start += matrix % a->shape[axis] * extra->strides[axis];
    matrix /= a->shape[axis];
  }
  return start;
}

static double extra_at(const Attention *a, const Extra *extra, int64_t start, int64_t query,
                       int64_t key) {
  return extra->values[start + query * extra->strides[a->lead] + key * extra->strides[a->lead + 1]];
}

/* [rows, columns] to [columns, rows]. */
static void turn(int64_t rows, int64_t columns, const double *x, double *y) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) y[j * rows + i] = x[i * columns + j];
}

/* The scores of matrix number `matrix`, -inf where a query may not look. */
static void make_scores(const Attention *a, int64_t matrix) {
  int64_t start = a->mask.values ? extra_start(a, &a->mask, matrix) : 0;
  memset(a->scores, 0, (size_t)(a->queries * a->keys) * sizeof *a->scores);
  turn(a->keys, a->width, a->k + matrix * a->keys * a->width, a->turned);
  product_reals(a->queries, a->keys, a->width, a->q + matrix * a->queries * a->width, a->turned,
                a->scores);
  for (int64_t t = 0; t < a->queries; t++)
    for (int64_t s = 0; s < a->keys; s++) {
      double *score = &a->scores[t * a->keys + s];
      double given = a->mask.values ? extra_at(a, &a->mask, start, t, s) : 1;
      bool sees = !a->causal || s <= t + a->keys - a->queries;
      *score *= a->scale;
      if (a->mask.values && !a->mask_is_bool)
        *score += given;
      else
        sees = sees && given != 0;
      if (!sees) *score = -INFINITY;
    }
}

/* A row of scores becomes probabilities; the logarithm of its exponentials' sum. A row that sees
 * nothing becomes 0, and its logarithm inf, so that exp(score - inf) is 0 too. */
static double make_probabilities(int64_t count, double *row) {
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; i++)
    if (row[i] > most || isnan(row[i])) most = row[i];
  if (most == -INFINITY) {
    memset(row, 0, (size_t)count * sizeof *row);
    return INFINITY;
  }
  for (int64_t i = 0; i < count; i++) sum += row[i] = exp(row[i] - most);
  for (int64_t i = 0; i < count; i++) row[i] /= sum;
  return most + log(sum);
}

static void multiply_factor(const Attention *a, int64_t matrix, double *x) {
  if (!a->factor.values) return;
  int64_t start = extra_start(a, &a->factor, matrix);
  for (int64_t t = 0; t < a->queries; t++)
    for (int64_t s = 0; s < a->keys; s++)
      x[t * a->keys + s] *= extra_at(a, &a->factor, start, t, s);
}

bool evaluate_attention(Evaluation *e) {
  RunTensor *y = result_new(e, 0), *logs = result_new(e, 1);
  Attention a;
  if (!y || !logs || !open_attention(e, &a)) return false;
  double *sums = scratch_doubles(e, a.queries * a.out), *rows = scratch_doubles(e, a.queries);
  if (!sums || !rows) return false;
  for (int64_t m = 0; m < a.matrices; m++) {
    make_scores(&a, m);
    for (int64_t t = 0; t < a.queries; t++)
      rows[t] = make_probabilities(a.keys, a.scores + t * a.keys);
    multiply_factor(&a, m, a.scores);
    memset(sums, 0, (size_t)(a.queries * a.out) * sizeof *sums);
    product_reals(a.queries, a.out, a.keys, a.scores, a.v + m * a.keys * a.out, sums);
    store_reals(e, y, m * a.queries * a.out, a.queries * a.out, sums);
    store_reals(e, logs, m * a.queries, a.queries, rows);
  }
  return true;
}

/* y [columns of x, n] += transpose(x [rows, columns]) * z [rows, n] */
static void add_turned(int64_t rows, int64_t columns, int64_t n, const double *x, const double *z,
                       double *turned, double *y) {
  turn(rows, columns, x, turned);
  product_reals(columns, n, rows, turned, z, y);
}

/* Probabilities from scores; then `slopes`, d v', becomes the slopes of q k', and the probabilities
 * are multiplied with the factor. */
static void make_slopes(const Attention *a, int64_t matrix, const double *logs, const double *delta,
                        double *slopes) {
  multiply_factor(a, matrix, slopes);
  for (int64_t t = 0; t < a->queries; t++)
    for (int64_t s = 0; s < a->keys; s++) {
      double *score = &a->scores[t * a->keys + s], *slope = &slopes[t * a->keys + s];
      *score = exp(*score - logs[t]);
      *slope = *score * (*slope - delta[t]) * a->scale;
    }
  multiply_factor(a, matrix, a->scores);
}

bool evaluate_attention_gradient(Evaluation *e) {
  Attention a;
  RunTensor *results[3];
  for (int i = 0; i < 3; i++)
    if (!(results[i] = result_new(e, i))) return false;
  if (!open_attention(e, &a)) return false;
  const double *d = all_reals(e, operand(e, 3)), *logs = all_reals(e, operand(e, 4));
  const double *delta = all_reals(e, operand(e, 5));
  int64_t most = a.width > a.out ? a.width : a.out;
  double *slopes = scratch_doubles(e, a.queries * a.keys);
  double *turned = scratch_doubles(e, a.keys * (a.queries > most ? a.queries : most));
  double *dq = scratch_doubles(e, a.queries * a.width), *dk = scratch_doubles(e, a.keys * a.width);
  double *dv = scratch_doubles(e, a.keys * a.out);
  if (!d || !logs || !delta || !slopes || !turned || !dq || !dk || !dv) return false;
  for (int64_t m = 0; m < a.matrices; m++) {
    const double *q = a.q + m * a.queries * a.width, *k = a.k + m * a.keys * a.width;
    const double *v = a.v + m * a.keys * a.out, *dy = d + m * a.queries * a.out;
    memset(slopes, 0, (size_t)(a.queries * a.keys) * sizeof *slopes);
    memset(dq, 0, (size_t)(a.queries * a.width) * sizeof *dq);
    memset(dk, 0, (size_t)(a.keys * a.width) * sizeof *dk);
    memset(dv, 0, (size_t)(a.keys * a.out) * sizeof *dv);
    make_scores(&a, m);
    turn(a.keys, a.out, v, turned);
    product_reals(a.queries, a.keys, a.out, dy, turned, slopes);
    make_slopes(&a, m, logs + m * a.queries, delta + m * a.queries, slopes);
    product_reals(a.queries, a.width, a.keys, slopes, k, dq);
    add_turned(a.queries, a.keys, a.width, slopes, q, turned, dk);
    add_turned(a.queries, a.keys, a.out, a.scores, dy, turned, dv);
    store_reals(e, results[0], m * a.queries * a.width, a.queries * a.width, dq);
    store_reals(e, results[1], m * a.keys * a.width, a.keys * a.width, dk);
    store_reals(e, results[2], m * a.keys * a.out, a.keys * a.out, dv);
  }
  return true;
}
