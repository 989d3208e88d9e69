#include "ir/difference.h"

#include <math.h>
#include <string.h>

static double scale_of(const RunTensor *tensor) {
  double scale = 0;
  for (int64_t i = 0; i < tensor->count; i++) {
    double x = fabs(element_load(tensor->element, tensor->bytes, i));
    if (isfinite(x) && x > scale) scale = x;
  }
  return scale > 0 ? scale : 1;
}

static double difference_at(const RunTensor *wanted, const RunTensor *got, int64_t i,
                            double scale) {
  double x = element_load(wanted->element, wanted->bytes, i);
  double y = element_load(got->element, got->bytes, i);
  if (x == y || (isnan(x) && isnan(y))) return 0;
  double d = fabs(x - y) / scale;
  return isnan(d) ? INFINITY : d;
}

/* As most passes leave them. */
static bool same_bytes(const RunTensor *a, const RunTensor *b) {
  size_t bytes = (size_t)a->count * (size_t)element_infos[a->element].bytes;
  return a->element == b->element && (bytes == 0 || memcmp(a->bytes, b->bytes, bytes) == 0);
}

double tensor_difference(const RunTensor *wanted, const RunTensor *got) {
  if (wanted->count != got->count || wanted->rank != got->rank) return INFINITY;
  if (same_bytes(wanted, got)) return 0;
  double scale = scale_of(wanted), most = 0;
  for (int64_t i = 0; i < wanted->count; i++)
    most = fmax(most, difference_at(wanted, got, i, scale));
  return most;
}

int64_t tensor_first_difference(const RunTensor *wanted, const RunTensor *got, double tolerance) {
  double scale = scale_of(wanted);
  for (int64_t i = 0; i < wanted->count; i++)
    if (difference_at(wanted, got, i, scale) > tolerance) return i;
  return -1;
}
