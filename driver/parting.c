#include "driver/parting.h"

#include "ir/module_text.h"
#include "support/map.h"

#include <math.h>
#include <string.h>

typedef struct {
  Arena *arena;
  Interner *names;
  Map values; /* by name: RunTensor */
  Parting *parting;
  double tolerance;
  InterpretOptions options; /* as given */
} Watch;

double tensor_difference(const RunTensor *a, const RunTensor *b) {
  if (a->count != b->count) return INFINITY;
  double scale = 0, most = 0;
  for (int64_t i = 0; i < a->count; i++) {
    double x = element_load(a->element, a->bytes, i);
    if (isfinite(x) && fabs(x) > scale) scale = fabs(x);
  }
  for (int64_t i = 0; i < a->count; i++) {
    double x = element_load(a->element, a->bytes, i), y = element_load(b->element, b->bytes, i);
    if (x == y || (isnan(x) && isnan(y))) continue;
    double d = fabs(x - y) / (scale > 0 ? scale : 1);
    if (!(d <= most)) most = isnan(d) ? INFINITY : d;
  }
  return most;
}

static bool give_tensor(void *user, const Tensor *tensor, RunTensor *value) {
  const Watch *w = user;
  return w->options.tensor && w->options.tensor(w->options.user, tensor, value);
}

static uint64_t key_of(Watch *w, const Value *value) {
  Text text = text_new(w->arena);
  value_print(&text, value);
  return map_key(intern(w->names, text_get(&text)));
}

static void keep(void *user, const Value *value, const RunTensor *result) {
  Watch *w = user;
  RunTensor *copy = arena_copy(w->arena, result, sizeof *result);
  copy->bytes = arena_copy(w->arena, result->bytes,
                           (size_t)(result->count * element_infos[result->element].bytes));
  map_set(w->arena, &w->values, key_of(w, value), copy);
}

/* The first element that differs by more than the tolerance. */
static void locate(const RunTensor *a, const RunTensor *b, double tolerance, Parting *parting) {
  RunTensor x = *a, y = *b;
  x.count = y.count = 1;
  double scale = 0;
  for (int64_t i = 0; i < a->count; i++) {
    double value = fabs(element_load(a->element, a->bytes, i));
    if (isfinite(value) && value > scale) scale = value;
  }
  int size = element_infos[a->element].bytes;
  for (int64_t i = 0; i < a->count; i++) {
    x.bytes = (char *)a->bytes + i * size, y.bytes = (char *)b->bytes + i * size;
    parting->wanted = element_load(a->element, x.bytes, 0);
    parting->got = element_load(b->element, y.bytes, 0);
    double d = fabs(parting->wanted - parting->got) / (scale > 0 ? scale : 1);
    if (tensor_difference(&x, &y) == 0 || d <= tolerance) continue;
    for (int axis = a->rank - 1; axis >= 0; axis--) {
      parting->index[axis] = i % a->shape[axis];
      i /= a->shape[axis];
    }
    parting->rank = a->rank;
    return;
  }
}

static void compare(void *user, const Value *value, const RunTensor *result) {
  Watch *w = user;
  if (w->parting->value) return;
  const RunTensor *wanted = map_get(&w->values, key_of(w, value));
  if (!wanted || wanted->element != result->element || wanted->rank != result->rank ||
      memcmp(wanted->shape, result->shape, (size_t)result->rank * sizeof *result->shape) != 0)
    return;
  double difference = tensor_difference(wanted, result);
  if (difference <= w->tolerance) {
    if (difference > w->parting->inputs) w->parting->inputs = difference;
    return;
  }
  w->parting->value = value;
  locate(wanted, result, w->tolerance, w->parting);
}

bool parting_find(const Function *before, const int64_t *dims, const Function *after,
                  InterpretOptions options, const RunTensor *inputs, double tolerance,
                  Parting *parting) {
  *parting = (Parting){0};
  Watch watch = {.arena = options.arena,
                 .names = interner_new(options.arena),
                 .parting = parting,
                 .tolerance = tolerance,
                 .options = options};
  RunTensor *results = ARENA_ARRAY(options.arena, after->results.count + 1, RunTensor);
  const char *message;
  options.user = &watch;
  options.tensor = give_tensor;
  options.dims = dims;
  options.watch = keep;
  if (!interpret(before, &options, inputs, results, &message)) return false;
  options.dims = watch.options.dims;
  options.watch = compare;
  return interpret(after, &options, inputs, results, &message);
}
