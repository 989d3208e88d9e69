#include "driver/parting.h"

#include "ir/difference.h"
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
  int64_t i = tensor_first_difference(a, b, tolerance);
  if (i < 0) return;
  parting->wanted = element_load(a->element, a->bytes, i);
  parting->got = element_load(b->element, b->bytes, i);
  parting->rank = a->rank;
  for (int axis = a->rank - 1; axis >= 0; axis--) {
    parting->index[axis] = i % a->shape[axis];
    i /= a->shape[axis];
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
