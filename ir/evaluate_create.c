/* Operators that are made from nothing. */
#include "ir/evaluate.h"
#include "ir/random.h"

#include <string.h>

bool evaluate_constant(Evaluation *e) {
  const Data *data = op_attribute(e->op, ATTRIBUTE_value)->data;
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  if (!data_is_known(data) && data->count > 0)
    return evaluation_fail(e, "the constant's data is not there");
  if (data->count != y->count || data->element != y->element)
    return evaluation_fail(e, "the constant's data has another type");
  if (e->wide && is_real(y)) {
    for (int64_t i = 0; i < y->count; i++) ((double *)y->bytes)[i] = data_get(data, i);
  } else if (y->count > 0) {
    data_read(data, 0, y->count, y->bytes);
  }
  return true;
}

bool evaluate_full(Evaluation *e) {
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  fill_number(e, y, op_attribute(e->op, ATTRIBUTE_value)->number);
  return true;
}

bool evaluate_iota(Evaluation *e) {
  RunTensor *y = result_new(e, 0);
  int axis;
  if (!y || !get_axis(e, ATTRIBUTE_axis, y->rank, &axis)) return false;
  int64_t inner = sizes_product(y->shape, axis + 1, y->rank);
  for (int64_t i = 0; i < y->count; i++) {
    int64_t index = i / inner % y->shape[axis];
    double real = (double)index;
    if (is_real(y))
      store_reals(e, y, i, 1, &real);
    else
      store_integers(e, y, i, 1, &index);
  }
  return true;
}

bool evaluate_dim_value(Evaluation *e) {
  RunTensor *y = result_new(e, 0);
  int64_t value;
  if (!y || !get_integer(e, ATTRIBUTE_value, &value)) return false;
  store_integers(e, y, 0, 1, &value);
  return true;
}

bool evaluate_random(Evaluation *e) {
  RunTensor *y = result_new(e, 0);
  int64_t site;
  if (!y || !get_integer(e, ATTRIBUTE_site, &site)) return false;
  const InterpretOptions *options = machine_options(e->machine);
  int count;
  const int64_t *trips = machine_trips(e->machine, &count);
  RandomStream stream = random_stream(options->seed, options->call, (uint64_t)site, trips, count);
  for (int64_t i = 0; i < y->count; i++) {
    double value = random_number(y->element, random_bits(&stream, (uint64_t)i));
    store_reals(e, y, i, 1, &value);
  }
  return true;
}
