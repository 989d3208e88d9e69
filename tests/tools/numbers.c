#include "tests/tools/numbers.h"

#include "ir/module_text.h"
#include "support/bug.h"

#include <string.h>

static const uint64_t factor = 1099511628211u; /* FNV-1a, from NUMBERS_DIGEST on */

RunTensor numbers_tensor(Arena *arena, const Type *type, const int64_t *dims) {
  RunTensor t = {.element = type->element, .rank = type->rank, .count = 1};
  for (int i = 0; i < t.rank; i++) {
    if (!dim_evaluate(type->dims[i], dims, &t.shape[i])) bug("a dim that is not known");
    t.count *= t.shape[i];
  }
  t.bytes = arena_array(arena, (size_t)t.count + 1, 8);
  return t;
}

void numbers_invent(const char *name, bool positive, Element element, void *bytes, int64_t count) {
  uint64_t state = NUMBERS_DIGEST;
  for (; *name; name++) state = (state ^ (unsigned char)*name) * factor;
  for (int64_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    int64_t n = (int64_t)(state >> 33);
    if (element_is_float(element))
      element_store(element, bytes, i,
                    (double)(n % (positive ? 2000 : 4001) + positive) / 2000 - !positive);
    else
      element_store_integer(element, bytes, i, element == ELEMENT_bool ? n & 1 : n % 3);
  }
}

bool numbers_positive(const char *name) {
  static const char *const ends[] = {".v", ".s", ".t", "running_var"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    size_t length = strlen(ends[i]), all = strlen(name);
    if (all > length && strcmp(name + all - length, ends[i]) == 0) return true;
  }
  return false;
}

void numbers_constant(Arena *arena, Module *module) {
  for (size_t i = 0; i < module->tensors.count; i++) {
    Tensor *tensor = module->tensors.items[i];
    int64_t count = 1;
    if (tensor->data || !type_is_static(&tensor->type)) continue;
    for (int axis = 0; axis < tensor->type.rank; axis++) count *= dim_max(tensor->type.dims[axis]);
    void *bytes = arena_array(arena, (size_t)count + 1, 8);
    numbers_invent(tensor->name, numbers_positive(tensor->name), tensor->type.element, bytes,
                   count);
    tensor->data = data_new(arena, tensor->type.element, count, bytes);
  }
}

double numbers_unit(Element element) {
  switch (element) {
  case ELEMENT_f64:
    return 0x1p-53;
  case ELEMENT_f16:
    return 0x1p-11;
  case ELEMENT_bf16:
    return 0x1p-8;
  default:
    return 0x1p-24;
  }
}

uint64_t numbers_digest(uint64_t digest, const Module *module) {
  Arena *arena = arena_new();
  Text text = text_new(arena);
  module_print(&text, module, (PrintOptions){0});
  for (const char *c = text_get(&text); *c; c++) digest = (digest ^ (unsigned char)*c) * factor;
  arena_free(arena);
  return digest;
}
