#include "ir/evaluate.h"

#include "ir/whole_checks.h"
#include "support/bug.h"

#include <stdlib.h>
#include <string.h>

/* ---- elements ---- */
int64_t item_bytes(bool wide, Element element) {
  return wide && element_is_float(element) ? 8 : element_infos[element].bytes;
}

CHECKED_WHOLE static void copy_doubles(const double *from, int64_t stride, int64_t count,
                                       double *to) {
  for (int64_t i = 0; i < count; i++) to[i] = from[i * stride];
}

CHECKED_WHOLE static void widen(const float *from, int64_t stride, int64_t count, double *to) {
  for (int64_t i = 0; i < count; i++) to[i] = from[i * stride];
}

CHECKED_WHOLE static void narrow(const double *from, int64_t count, float *to) {
  for (int64_t i = 0; i < count; i++) to[i] = (float)from[i];
}

/* `count` numbers of `size` bytes, `stride` of them apart. */
static void look_at_row(const void *from, int64_t stride, int64_t count, int64_t size) {
  if (count <= 0) return;
  int64_t reach = (count - 1) * stride * size;
  look_at((const char *)from + (reach < 0 ? reach : 0), (size_t)(llabs(reach) + size));
}

void load_reals(const Evaluation *e, const RunTensor *x, int64_t offset, int64_t stride,
                int64_t count, double *values) {
  if (e->wide || x->element == ELEMENT_f64) {
    const double *from = (const double *)x->bytes + offset;
    look_at_row(from, stride, count, sizeof *from);
    look_at_row(values, 1, count, sizeof *values);
    copy_doubles(from, stride, count, values);
  } else if (x->element == ELEMENT_f32) {
    const float *from = (const float *)x->bytes + offset;
    look_at_row(from, stride, count, sizeof *from);
    look_at_row(values, 1, count, sizeof *values);
    widen(from, stride, count, values);
  } else {
    for (int64_t i = 0; i < count; i++)
      values[i] = element_load(x->element, x->bytes, offset + i * stride);
  }
}

void load_integers(const Evaluation *e, const RunTensor *x, int64_t offset, int64_t stride,
                   int64_t count, int64_t *values) {
  (void)e;
  if (x->element == ELEMENT_i64) {
    const int64_t *from = x->bytes;
    for (int64_t i = 0; i < count; i++) values[i] = from[offset + i * stride];
  } else {
    for (int64_t i = 0; i < count; i++)
      values[i] = element_load_integer(x->element, x->bytes, offset + i * stride);
  }
}

void store_reals(const Evaluation *e, RunTensor *y, int64_t offset, int64_t count,
                 const double *values) {
  if (e->wide || y->element == ELEMENT_f64) {
    double *to = (double *)y->bytes + offset;
    look_at_row(to, 1, count, sizeof *to);
    look_at_row(values, 1, count, sizeof *values);
    copy_doubles(values, 1, count, to);
  } else if (y->element == ELEMENT_f32) {
    float *to = (float *)y->bytes + offset;
    look_at_row(to, 1, count, sizeof *to);
    look_at_row(values, 1, count, sizeof *values);
    narrow(values, count, to);
  } else {
    for (int64_t i = 0; i < count; i++)
      element_store(y->element, y->bytes, offset + i, (double)(float)values[i]);
  }
}

void store_integers(const Evaluation *e, RunTensor *y, int64_t offset, int64_t count,
                    const int64_t *values) {
  (void)e;
  if (y->element == ELEMENT_i64) {
    int64_t *to = y->bytes;
    for (int64_t i = 0; i < count; i++) to[offset + i] = values[i];
  } else {
    for (int64_t i = 0; i < count; i++)
      element_store_integer(y->element, y->bytes, offset + i, values[i]);
  }
}

void load_scalars(const Evaluation *e, const RunTensor *x, int64_t offset, int64_t stride,
                  int64_t count, Scalar *values) {
  if (is_real(x))
    load_reals(e, x, offset, stride, count, &values->real);
  else
    load_integers(e, x, offset, stride, count, &values->integer);
}

void store_scalars(const Evaluation *e, RunTensor *y, int64_t offset, int64_t count,
                   const Scalar *values) {
  if (is_real(y))
    store_reals(e, y, offset, count, &values->real);
  else
    store_integers(e, y, offset, count, &values->integer);
}

Scalar *all_scalars(Evaluation *e, const RunTensor *x) {
  Scalar *values = scratch_scalars(e, x->count);
  if (values) load_scalars(e, x, 0, 1, x->count, values);
  return values;
}

Scalar *all_weights(Evaluation *e, const RunTensor *w, bool real) {
  Scalar *values = all_scalars(e, w);
  if (!values || !real || is_real(w)) return values;
  for (int64_t i = 0; i < w->count; i++) values[i].real = (double)values[i].integer;
  return values;
}

double *all_reals(Evaluation *e, const RunTensor *x) {
  double *values = scratch_doubles(e, x->count);
  if (values) load_reals(e, x, 0, 1, x->count, values);
  return values;
}

int64_t *all_integers(Evaluation *e, const RunTensor *x) {
  int64_t *values = scratch_integers(e, x->count);
  if (values) load_integers(e, x, 0, 1, x->count, values);
  return values;
}

void fill_number(const Evaluation *e, RunTensor *y, Number number) {
  if (y->count == 0) return;
  int64_t size = item_bytes(e->wide, y->element);
  if (is_real(y)) {
    double value = number.is_integer ? (double)number.integer : number.real;
    if (e->wide)
      *(double *)y->bytes = value;
    else
      element_store(y->element, y->bytes, 0, value);
  } else if (number.is_integer) {
    element_store_integer(y->element, y->bytes, 0, number.integer);
  } else {
    /* -inf as padding of integers: the least there is. */
    element_store(y->element, y->bytes, 0, number.real);
  }
  unsigned char *bytes = y->bytes;
  for (int64_t i = 1; i < y->count; i++) memcpy(bytes + i * size, bytes, (size_t)size);
}

#define COPY_ROW(bytes)                                                                            \
  CHECKED_WHOLE static void copy_row_of_##bytes(unsigned char *to, int64_t to_step,                \
                                                const unsigned char *from, int64_t from_step,      \
                                                int64_t length) {                                  \
    for (int64_t i = 0; i < length; i++)                                                           \
      __builtin_memcpy(to + i * to_step * (bytes), from + i * from_step * (bytes), bytes);         \
  }

COPY_ROW(1)
COPY_ROW(2)
COPY_ROW(4)
COPY_ROW(8)

void copy_elements(const Evaluation *e, Walk *walk, RunTensor *y, const RunTensor *x) {
  int64_t size = item_bytes(e->wide, y->element);
  for (walk_begin(walk); walk_more(walk); walk_next(walk)) {
    unsigned char *to = (unsigned char *)y->bytes + walk->offset[0] * size;
    const unsigned char *from = (const unsigned char *)x->bytes + walk->offset[1] * size;
    int64_t length = walk->length, to_step = walk->step[0], from_step = walk->step[1];
    if (to_step == 1 && from_step == 1) {
      memcpy(to, from, (size_t)(length * size));
      continue;
    }
    look_at_row(to, to_step, length, size);
    look_at_row(from, from_step, length, size);
    switch (size) {
    case 1:
      copy_row_of_1(to, to_step, from, from_step, length);
      break;
    case 2:
      copy_row_of_2(to, to_step, from, from_step, length);
      break;
    case 4:
      copy_row_of_4(to, to_step, from, from_step, length);
      break;
    case 8:
      copy_row_of_8(to, to_step, from, from_step, length);
      break;
    default:
      bug("an element of %lld bytes", (long long)size);
    }
  }
}

/* ---- attributes ---- */
bool get_integer(Evaluation *e, AttributeName name, int64_t *value) {
  return evaluate_dim(e, op_attribute(e->op, name)->dim, value);
}

static bool check_axis(Evaluation *e, int64_t axis, int rank, int *result) {
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank)
    return evaluation_fail(e, "there is no axis %lld in %d axes", (long long)axis, rank);
  *result = (int)axis;
  return true;
}

bool get_axis(Evaluation *e, AttributeName name, int rank, int *axis) {
  int64_t value;
  return get_integer(e, name, &value) && check_axis(e, value, rank, axis);
}

bool get_list(Evaluation *e, AttributeName name, int most, int64_t *values, int *count) {
  const DimList *list = &op_attribute(e->op, name)->dims;
  if (list->count > most)
    bug("%s has %d elements in '%s'", operator_infos[e->op->kind].name, list->count,
        attribute_names[name]);
  *count = list->count;
  for (int i = 0; i < list->count; i++)
    if (!evaluate_dim(e, list->items[i], &values[i])) return false;
  return true;
}

bool get_pairs(Evaluation *e, AttributeName name, int most, int64_t (*pairs)[2], int *count) {
  const AttributeValue *value = op_attribute(e->op, name);
  if (value->lists.count > most)
    bug("%s has %d elements in '%s'", operator_infos[e->op->kind].name, value->lists.count,
        attribute_names[name]);
  *count = value->lists.count;
  for (int i = 0; i < value->lists.count; i++)
    for (int side = 0; side < 2; side++)
      if (!evaluate_dim(e, value->lists.items[i].items[side], &pairs[i][side])) return false;
  return true;
}

bool get_axes(Evaluation *e, AttributeName name, int i, int rank, int *axes, int *count) {
  const AttributeValue *value = op_attribute(e->op, name);
  const DimList *list = value->kind == ATTRIBUTE_LISTS ? &value->lists.items[i] : &value->dims;
  if (list->count > rank) return evaluation_fail(e, "%d axes of %d", list->count, rank);
  *count = list->count;
  for (int k = 0; k < list->count; k++) {
    int64_t axis;
    if (!evaluate_dim(e, list->items[k], &axis) || !check_axis(e, axis, rank, &axes[k]))
      return false;
  }
  return true;
}

int64_t sizes_product(const int64_t *shape, int begin, int end) {
  int64_t product = 1;
  for (int i = begin; i < end; i++) product *= shape[i];
  return product;
}
