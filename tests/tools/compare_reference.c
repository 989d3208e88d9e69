#include "tests/tools/compare_reference.h"

#include "tests/tools/numbers.h"

#include <string.h>

void reference_invent(const char *name, Element element, void *bytes, int64_t count) {
  numbers_invent(name, numbers_positive(name), element, bytes, count);
}

static bool give(void *user, const Tensor *tensor, RunTensor *value) {
  Given *g = user;
  *value = (RunTensor){.element = tensor->type.element, .rank = tensor->type.rank, .count = 1};
  for (int i = 0; i < tensor->type.rank; i++) {
    value->shape[i] = dim_max(tensor->type.dims[i]);
    value->count *= value->shape[i];
  }
  value->bytes = arena_array(g->arena, (size_t)value->count + 1, 8);
  if (tensor->data)
    memcpy(value->bytes, data_contents(tensor->data),
           (size_t)value->count * (size_t)element_infos[value->element].bytes);
  else
    reference_invent(tensor->name, tensor->type.element, value->bytes, value->count);
  return true;
}

static RunTensor *tensor_after(Given *g, const Tensor *tensor) {
  for (size_t i = 0; i < g->module->tensors.count; i++)
    if (strcmp(g->module->tensors.items[i]->name, tensor->name) == 0) return &g->tensors[i];
  return NULL;
}

static void note_written(void *user, const Tensor *tensor, const RunTensor *value) {
  memcpy(tensor_after(user, tensor)->bytes, value->bytes,
         (size_t)value->count * (size_t)element_infos[value->element].bytes);
}

void given_keep(void *user, const Tensor *tensor, const void *bytes) {
  const RunTensor *to = tensor_after(user, tensor);
  memcpy(to->bytes, bytes, (size_t)to->count * (size_t)element_infos[to->element].bytes);
}

Given given_new(Arena *arena, const Module *module, const int64_t *dims) {
  Given g = {arena, dims, module, NULL};
  g.tensors = ARENA_ARRAY(arena, module->tensors.count + 1, RunTensor);
  for (size_t i = 0; i < module->tensors.count; i++)
    give(&g, module->tensors.items[i], &g.tensors[i]);
  return g;
}

RunTensor reference_input(Arena *arena, const Value *value, const int64_t *dims) {
  RunTensor t = numbers_tensor(arena, &value->type, dims);
  reference_invent(value->name ? value->name : "x", t.element, t.bytes, t.count);
  return t;
}

/* A tensor that is not written keeps its value; one that is written may be larger than what is. */
static Bounded after_call(Arena *arena, const Bounded *written, const RunTensor *plain) {
  Bounded after = {.value = *plain};
  if (!element_is_float(plain->element)) return after;
  double most = 0, *value = arena_array(arena, (size_t)plain->count + 1, sizeof *value);
  after.error = arena_array(arena, (size_t)plain->count + 1, sizeof *after.error);
  bool same = written->error && written->value.count == plain->count;
  for (int64_t i = 0; written->error && i < written->value.count; i++)
    if (written->error[i] > most) most = written->error[i];
  for (int64_t i = 0; i < plain->count; i++) {
    value[i] = same ? ((const double *)written->value.bytes)[i]
                    : element_load(plain->element, plain->bytes, i);
    after.error[i] = same ? written->error[i] : 2 * most;
  }
  after.value.bytes = value;
  return after;
}

static Bounded copy_bounded(Arena *arena, const Bounded *from) {
  Bounded to = *from;
  size_t count = (size_t)from->value.count, size = from->error ? 8 : 0;
  if (!size) size = (size_t)element_infos[from->value.element].bytes;
  to.value.bytes = arena_array(arena, count + 1, size);
  memcpy(to.value.bytes, from->value.bytes, count * size);
  if (!from->error) return to;
  to.error = arena_array(arena, count + 1, sizeof *to.error);
  memcpy(to.error, from->error, count * sizeof *to.error);
  return to;
}

static void interpret_entry(Arena *arena, const Module *original, const Function *f,
                            const int64_t *dims, Reference *r, Arena *to) {
  int inputs = f->body->argument_count, outputs = (int)f->results.count;
  int tensors = (int)original->tensors.count;
  RunTensor *in = ARENA_ARRAY(arena, (size_t)inputs + 1, RunTensor);
  RunTensor *plain = ARENA_ARRAY(arena, (size_t)outputs + 1, RunTensor);
  Bounded *want = ARENA_ARRAY(arena, (size_t)outputs + 1, Bounded);
  Bounded *kept = ARENA_ARRAY(arena, (size_t)tensors + 1, Bounded);
  for (int i = 0; i < inputs; i++) in[i] = reference_input(arena, f->body->arguments[i], dims);
  Given given = given_new(arena, original, dims);
  InterpretOptions options = {
      .arena = arena, .dims = dims, .tensor = give, .written = note_written, .user = &given};
  options.seed = (uint64_t)dims[dim_symbol_count(original->dims)];
  options.call = (uint64_t)dims[dim_symbol_count(original->dims) + 1];
  const char *message = NULL;
  if (!bounds_find(f, &options, r->winograd, in, want, kept, &message) ||
      !interpret(f, &options, in, plain, &message)) {
    r->message = arena_format(to, "%s", message);
    return;
  }
  r->want = ARENA_ARRAY(to, (size_t)outputs + 1, Bounded);
  r->kept = ARENA_ARRAY(to, (size_t)tensors + 1, Bounded);
  for (int i = 0; i < outputs; i++) r->want[i] = copy_bounded(to, &want[i]);
  for (int i = 0; i < tensors; i++) {
    Bounded after = after_call(arena, &kept[i], &given.tensors[i]);
    r->kept[i] = copy_bounded(to, &after);
  }
}

const Reference *reference_find(References *references, const Module *original, const Function *f,
                                const int64_t *dims, int64_t dim, bool winograd) {
  Arena *arena = arena_new();
  uint64_t text = numbers_digest(NUMBERS_DIGEST, original);
  Reference *found = NULL;
  for (size_t i = 0; i < references->all.count && !found; i++) {
    Reference *r = references->all.items[i];
    if (r->text == text && r->dim == dim && r->winograd == winograd &&
        strcmp(r->function, f->name) == 0)
      found = r;
  }
  if (!found) {
    found = ARENA_NEW(references->arena, Reference);
    *found = (Reference){.text = text, .dim = dim, .winograd = winograd};
    found->function = arena_format(references->arena, "%s", f->name);
    interpret_entry(arena, original, f, dims, found, references->arena);
    vec_push(references->arena, &references->all, found);
  }
  arena_free(arena);
  return found;
}
