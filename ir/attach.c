/* Data given back to text that elides them. */
#include "ir/module_text.h"

#include <string.h>

typedef struct {
  Module *module;
  const char *name;
  Data read; /* what the file has */
  int attached;
  const char *message;
} Attachment;

static bool attach(Attachment *a, Data *data) {
  Arena *arena = a->module->arena;
  if (data_is_known(data)) return true;
  if (data->element != a->read.element || data->count != a->read.count) {
    a->message = arena_format(arena, "'%s' has %lld elements of %s, not %lld of %s", a->name,
                              (long long)a->read.count, element_infos[a->read.element].name,
                              (long long)data->count, element_infos[data->element].name);
    return false;
  }
  const char *found = data_hash(arena, &a->read), *wanted = data_hash(arena, data);
  if (strcmp(found, wanted) != 0) {
    a->message =
        arena_format(arena, "'%s' has the hash %s, the text says %s", a->name, found, wanted);
    return false;
  }
  data->bytes = a->read.bytes;
  memcpy(data->sha256, a->read.sha256, sizeof data->sha256);
  a->attached++;
  return true;
}

static bool attach_constants(Attachment *a, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->region && !attach_constants(a, op->region)) return false;
    if (op->kind != OP_constant) continue;
    Data *data = (Data *)op_attribute(op, ATTRIBUTE_value)->data; /* of this module, not shared */
    if (!data_is_known(data) && strcmp(data_hash(a->module->arena, data), a->name) == 0 &&
        !attach(a, data))
      return false;
  }
  return true;
}

int module_attach(Module *module, const char *name, Element element, int64_t count,
                  const void *bytes, const char **message) {
  Attachment a = {
      .module = module, .name = name, .read = {.element = element, .count = count, .bytes = bytes}};
  Tensor *tensor = module_tensor(module, name);
  bool fine = !tensor || !tensor->data || attach(&a, tensor->data);
  for (size_t i = 0; fine && !tensor && i < module->functions.count; i++)
    fine = attach_constants(&a, module->functions.items[i]->body);
  *message = a.message;
  return fine ? a.attached : -1;
}
