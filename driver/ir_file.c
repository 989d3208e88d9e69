#include "driver/ir_file.h"

#include "driver/output.h"
#include "runtime/safetensors.h"

#include <string.h>
#include <unistd.h>

/* f.ir.safetensors for f.ir, as f.safetensors may be the weights that are read; NULL for other
 * names. */
static const char *data_path(Arena *arena, const char *path) {
  size_t length = strlen(path);
  if (length < 4 || strcmp(path + length - 3, ".ir") != 0) return NULL;
  return arena_format(arena, "%s.safetensors", path);
}

static Span span_of(Session *session, const char *path) {
  return (Span){sources_add(session->sources, path, path, NULL, 0), 0, 0};
}

static bool write_data(Session *session, const StoredDataList *list, const char *path) {
  size_t count = 0;
  dlrt_stored *stored = ARENA_ARRAY(session->arena, list->count + 1, dlrt_stored);
  for (size_t i = 0; i < list->count; i++) {
    const StoredData *from = &list->items[i];
    if (!data_is_known(from->data)) continue; /* it was not there when the text was read */
    dlrt_stored *to = &stored[count++];
    to->name = from->name;
    to->element = (dlrt_element)from->data->element;
    to->rank = from->type->rank;
    for (int a = 0; a < to->rank; a++) to->shape[a] = dim_max(from->type->dims[a]);
    to->data = data_contents(from->data);
    to->bytes = (size_t)from->data->count * (size_t)element_infos[from->data->element].bytes;
  }
  if (!count) return true;
  dlrt_error error = {0};
  if (dlrt_safetensors_write(path, stored, (int)count, NULL, 0, &error) == DLRT_OK) return true;
  return session_file_failed(session, E0603, path, &error);
}

IrFile ir_file_of(Session *session, const Module *module, PrintOptions print) {
  IrFile file = {.data = module_stored_data(module)};
  for (size_t i = 0; i < file.data.count; i++) {
    StoredData *stored = &file.data.items[i];
    stored->type = arena_copy(session->arena, stored->type, sizeof *stored->type);
  }
  Text text = text_new(session->arena);
  module_print(&text, module, print);
  file.text = text_get(&text);
  return file;
}

bool ir_file_put(Session *session, const IrFile *file, const char *path) {
  const char *beside = data_path(session->arena, path);
  if (beside && !write_data(session, &file->data, beside)) return false;
  return output_write(session, path, file->text, strlen(file->text));
}

bool ir_file_write(Session *session, const Module *module, const char *path, PrintOptions print) {
  IrFile file = ir_file_of(session, module, print);
  return ir_file_put(session, &file, path);
}

bool ir_file_attach(Session *session, Module *module, const char *path) {
  const char *beside = data_path(session->arena, path);
  if (!beside || access(beside, F_OK) != 0) return true;
  dlrt_safetensors *file = ARENA_NEW(session->arena, dlrt_safetensors);
  dlrt_error error = {0};
  if (dlrt_safetensors_open(beside, file, &error))
    return session_file_failed(session, E0501, beside, &error);
  vec_push(session->arena, &session->mapped, file);
  for (int i = 0; i < file->count; i++) {
    const dlrt_stored *s = &file->tensors[i];
    const char *message = NULL;
    if (s->element >= DLRT_ELEMENTS) continue;
    int64_t count = (int64_t)(s->bytes / (size_t)element_infos[s->element].bytes);
    const void *data = arena_copy(session->arena, s->data, s->bytes); /* aligned */
    if (module_attach(module, s->name, (Element)s->element, count, data, &message) >= 0) continue;
    diag_report(session->diagnostics, E0502, span_of(session, beside), "%s", message);
    return false;
  }
  return true;
}
