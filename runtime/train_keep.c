/* Copies of all that a step changes: tensors, random counters, the position and the sums. */
#include "runtime/element.h"
#include "runtime/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t slot_bytes(const dlrt_training *t) {
  const dlrt_model *m = t->model;
  return 8 * (size_t)(DLRT_SLOTS(m->dim_count, m->entry_count, m->draws) - m->dim_count);
}

static int64_t *slots_of(const dlrt_training *t) {
  return t->context->dims + t->model->dim_count;
}

static size_t sum_bytes(const dlrt_training *t) {
  return 2 * (size_t)t->column_count * sizeof *t->sums;
}

dlrt_status dlrt_keep_open(dlrt_training *t) {
  size_t bytes = (size_t)t->model->parameter_bytes + 1;
  t->kept.tensors = malloc(bytes);
  t->kept.slots = malloc(slot_bytes(t) + 1);
  t->kept.sums = malloc(sum_bytes(t) + 1);
  t->sums = calloc(1, sum_bytes(t) + 1);
  if (t->validates) t->best.tensors = malloc(bytes);
  bool good = t->kept.tensors && t->kept.slots && t->kept.sums && t->sums &&
              (t->best.tensors || !t->validates);
  return good ? DLRT_OK : dlrt_fail(&t->program->error, DLRT_NO_MEMORY, "no memory to train");
}

void dlrt_keep_close(dlrt_training *t) {
  free(t->kept.tensors);
  free(t->kept.slots);
  free(t->kept.sums);
  free(t->best.tensors);
  free(t->sums);
}

/* A sum of products with 0 is nan if any factor is not finite; much faster than a test of each. */
static bool floats_are_finite(const float *data, size_t count) {
  float sums[8] = {0};
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int k = 0; k < 8; k++) sums[k] += data[i + k] * 0.0f;
  for (; i < count; i++) sums[0] += data[i] * 0.0f;
  for (int k = 0; k < 8; k++)
    if (isnan(sums[k])) return false;
  return true;
}

bool dlrt_is_finite(const dlrt_training *t) {
  for (int64_t i = 0; i < t->model->tensor_count; i++) {
    const dlrt_tensor *tensor = &t->model->tensors[i];
    if (tensor->offset < 0 || !dlrt_element_is_float(tensor->element)) continue;
    size_t size = dlrt_element_size(tensor->element), count = (size_t)tensor->bytes / size;
    const char *data = t->context->parameters + tensor->offset;
    if (tensor->element == DLRT_F32 && floats_are_finite((const float *)(const void *)data, count))
      continue;
    for (size_t k = 0; k < count; k++) {
      double value = dlrt_element_get(tensor->element, data + k * size);
      if (isnan(value) || (isinf(value) && tensor->kind == DLRT_PARAMETER)) return false;
    }
  }
  return true;
}

bool dlrt_keep(dlrt_training *t) {
  double started = dlrt_seconds();
  if (!dlrt_is_finite(t)) return false;
  memcpy(t->kept.tensors, t->context->parameters, (size_t)t->model->parameter_bytes);
  memcpy(t->kept.slots, slots_of(t), slot_bytes(t));
  memcpy(t->kept.sums, t->sums, sum_bytes(t));
  t->kept.position = t->at;
  t->kept.there = true;
  t->kept.taken = dlrt_seconds();
  t->kept.cost = t->kept.taken - started;
  return true;
}

/* Copies take a fiftieth of the time at most. */
bool dlrt_keep_is_due(const dlrt_training *t, double now) {
  double pause = 50 * t->kept.cost;
  return now - t->kept.taken > (pause > 1 ? pause : 1);
}

void dlrt_keep_restore(dlrt_training *t) {
  memcpy(t->context->parameters, t->kept.tensors, (size_t)t->model->parameter_bytes);
  memcpy(slots_of(t), t->kept.slots, slot_bytes(t));
  memcpy(t->sums, t->kept.sums, sum_bytes(t));
  t->at = t->kept.position;
}

void dlrt_keep_best(dlrt_training *t) {
  if (t->best.tensors)
    memcpy(t->best.tensors, t->context->parameters, (size_t)t->model->parameter_bytes);
}
