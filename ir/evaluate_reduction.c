/* Reductions over axes, and what orders the elements of one: argmax, top_k. */
#include "ir/evaluate.h"

#include "support/bug.h"

#include <math.h>
#include <stdlib.h>

/* Walks x in order, so that sums are made in row-major order of x: tensor 0 is x, tensor 1 the
 * result, which stands still along the reduced axes. */
static bool walk_reduction(Evaluation *e, Walk *walk) {
  const RunTensor *x = operand(e, 0);
  int axes[MOST_AXES], count;
  if (!get_axes(e, ATTRIBUTE_axis, 0, x->rank, axes, &count)) return false;
  *walk = walk_new(x->rank, x->shape, 2);
  strides_dense(x->rank, x->shape, walk->strides[0]);
  bool reduced[MOST_AXES] = {false};
  for (int i = 0; i < count; i++) reduced[axes[i]] = true;
  int64_t stride = 1;
  for (int i = x->rank - 1; i >= 0; i--) {
    walk->strides[1][i] = reduced[i] ? 0 : stride;
    if (!reduced[i]) stride *= x->shape[i];
  }
  return true;
}

typedef void AddReal(double *sum, double x);
typedef void AddInteger(int64_t *sum, int64_t x);

static bool reduce(Evaluation *e, AddReal *real, double first_real, AddInteger *integer,
                   int64_t first_integer) {
  enum { BLOCK = 256 };
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  Walk walk;
  if (!y || !walk_reduction(e, &walk)) return false;
  double *reals = NULL;
  int64_t *integers = NULL;
  if (is_real(x) ? !(reals = scratch_doubles(e, y->count))
                 : !(integers = scratch_integers(e, y->count)))
    return false;
  for (int64_t i = 0; i < y->count; i++)
    if (reals)
      reals[i] = first_real;
    else
      integers[i] = first_integer;
  for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
    for (int64_t at = 0; at < walk.length; at += BLOCK) {
      int64_t count = walk.length - at < BLOCK ? walk.length - at : BLOCK;
      int64_t from = walk.offset[0] + at * walk.step[0], to = walk.offset[1] + at * walk.step[1];
      if (reals) {
        double p[BLOCK];
        load_reals(e, x, from, walk.step[0], count, p);
        for (int64_t i = 0; i < count; i++) real(&reals[to + i * walk.step[1]], p[i]);
      } else {
        int64_t p[BLOCK];
        load_integers(e, x, from, walk.step[0], count, p);
        for (int64_t i = 0; i < count; i++) integer(&integers[to + i * walk.step[1]], p[i]);
      }
    }
  if (reals)
    store_reals(e, y, 0, y->count, reals);
  else
    store_integers(e, y, 0, y->count, integers);
  return true;
}

static void add_real(double *sum, double x) {
  *sum += x;
}
static void add_integer(int64_t *sum, int64_t x) {
  *sum = (int64_t)((uint64_t)*sum + (uint64_t)x);
}
static void greater_real(double *most, double x) {
  if (x > *most || isnan(x)) *most = x;
}
static void greater_integer(int64_t *most, int64_t x) {
  if (x > *most) *most = x;
}

/* What max of nothing is. */
static int64_t least_integer(Element element) {
  switch (element) {
  case ELEMENT_i8:
    return INT8_MIN;
  case ELEMENT_i32:
    return INT32_MIN;
  case ELEMENT_i64:
    return INT64_MIN;
  default:
    return 0;
  }
}

bool evaluate_sum(Evaluation *e) {
  return reduce(e, add_real, 0, add_integer, 0);
}

bool evaluate_max(Evaluation *e) {
  return reduce(e, greater_real, -INFINITY, greater_integer, least_integer(operand(e, 0)->element));
}

/* ---- order: NaN first, then the greater, then the earlier ---- */
typedef struct {
  double real;
  int64_t integer;
  int64_t index;
} Item;

static bool item_greater(const Item *a, const Item *b) {
  if (isnan(a->real) || isnan(b->real)) return isnan(a->real) && !isnan(b->real);
  return a->real != b->real ? a->real > b->real : a->integer > b->integer;
}

static int compare_items(const void *a, const void *b) {
  const Item *p = a, *q = b;
  if (item_greater(p, q)) return -1;
  if (item_greater(q, p)) return 1;
  return p->index < q->index ? -1 : p->index > q->index;
}

/* A line of x along an axis; `real` stays 0 for integers. */
static void load_line(const Evaluation *e, const RunTensor *x, int64_t offset, int64_t stride,
                      int64_t count, Item *items) {
  for (int64_t i = 0; i < count; i++) {
    items[i] = (Item){.index = i};
    if (is_real(x))
      load_reals(e, x, offset + i * stride, 0, 1, &items[i].real);
    else
      load_integers(e, x, offset + i * stride, 0, 1, &items[i].integer);
  }
}

bool evaluate_argmax(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  int axis;
  if (!y || !get_axis(e, ATTRIBUTE_axis, x->rank, &axis)) return false;
  int64_t length = x->shape[axis], inner = sizes_product(x->shape, axis + 1, x->rank);
  if (length == 0 && y->count > 0) return evaluation_fail(e, "argmax of nothing");
  Item *items = arena_array(e->scratch, (size_t)length, sizeof *items);
  for (int64_t i = 0; i < y->count; i++) {
    load_line(e, x, i / inner * inner * length + i % inner, inner, length, items);
    const Item *best = items;
    for (int64_t k = 1; k < length; k++)
      if (item_greater(&items[k], best)) best = &items[k];
    store_integers(e, y, i, 1, &best->index);
  }
  return true;
}

bool evaluate_top_k(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0), *indices = result_new(e, 1);
  int axis;
  if (!y || !indices || !get_axis(e, ATTRIBUTE_axis, x->rank, &axis)) return false;
  int64_t length = x->shape[axis], k = y->shape[axis];
  if (k > length)
    return evaluation_fail(e, "the %lld greatest of %lld", (long long)k, (long long)length);
  int64_t inner = sizes_product(x->shape, axis + 1, x->rank);
  int64_t outer = sizes_product(x->shape, 0, axis);
  Item *items = arena_array(e->scratch, (size_t)length, sizeof *items);
  for (int64_t i = 0; i < outer * inner; i++) {
    load_line(e, x, i / inner * inner * length + i % inner, inner, length, items);
    if (length > 0) qsort(items, (size_t)length, sizeof *items, compare_items);
    for (int64_t j = 0; j < k; j++) {
      int64_t to = (i / inner * k + j) * inner + i % inner;
      /* Moved, not computed: stored exactly as loaded. */
      if (is_real(x))
        store_reals(e, y, to, 1, &items[j].real);
      else
        store_integers(e, y, to, 1, &items[j].integer);
      store_integers(e, indices, to, 1, &items[j].index);
    }
  }
  return true;
}
