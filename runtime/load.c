/* Parameters and states from and to files. */
#include "runtime/context.h"
#include "runtime/element.h"
#include "runtime/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dlrt_status check_tensor(const char *path, const dlrt_tensor *wanted,
                                const dlrt_stored *found, dlrt_error *error) {
  char need[96], have[96];
  if (!found)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.200s: '%.100s' is not there (made at %.60s)", path,
                     wanted->name, wanted->place);
  if (found->element == DLRT_ELEMENTS)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.200s: '%.100s' is of type %.20s, which is not read",
                     path, found->name, found->dtype);
  bool same = found->rank == wanted->rank &&
              (!wanted->rank ||
               memcmp(found->shape, wanted->shape, (size_t)wanted->rank * sizeof(int64_t)) == 0);
  /* A float of any width becomes the parameter's; an integer stays one. */
  if (same && dlrt_element_is_float(found->element) == dlrt_element_is_float(wanted->element))
    return DLRT_OK;
  dlrt_shape_text(need, sizeof need, wanted->element, wanted->rank, wanted->shape);
  dlrt_shape_text(have, sizeof have, found->element, found->rank, found->shape);
  return dlrt_fail(error, DLRT_BAD_FILE, "%.150s: '%.100s' is %s, wanted %s (made at %.60s)", path,
                   wanted->name, have, need, wanted->place);
}

static int64_t count_of(const dlrt_tensor *tensor) {
  int64_t count = 1;
  for (int64_t i = 0; i < tensor->rank; i++) count *= tensor->shape[i];
  return count;
}

/* Integers that get narrower may not fit: looked at before anything is written. */
static dlrt_status check_range(const char *path, const dlrt_tensor *wanted,
                               const dlrt_stored *found, dlrt_error *error) {
  if (dlrt_element_is_float(found->element) ||
      dlrt_element_size(found->element) <= dlrt_element_size(wanted->element))
    return DLRT_OK;
  size_t width = dlrt_element_size(found->element);
  for (int64_t i = 0; i < count_of(wanted); i++) {
    char narrow[8];
    if (dlrt_convert(found->element, (const char *)found->data + (size_t)i * width, wanted->element,
                     narrow, 1, 1))
      return dlrt_fail(error, DLRT_BAD_FILE, "%.200s: '%.100s' holds a number beyond %s", path,
                       wanted->name, dlrt_element_name(wanted->element));
  }
  return DLRT_OK;
}

static dlrt_status load_tensors(dlrt_context *context, const char *path) {
  const dlrt_model *model = context->model;
  dlrt_safetensors file;
  dlrt_status status = dlrt_safetensors_open(path, &file, &context->error);
  if (status) return status;
  for (int64_t i = 0; !status && i < model->tensor_count; i++) {
    const dlrt_tensor *tensor = &model->tensors[i];
    if (tensor->offset < 0 || tensor->kind == DLRT_MEMORY) continue;
    const dlrt_stored *found = dlrt_safetensors_find(&file, tensor->name);
    if (!found && tensor->kind == DLRT_OPTIMIZER) continue;
    status = check_tensor(path, tensor, found, &context->error);
    if (!status) status = check_range(path, tensor, found, &context->error);
  }
  for (int64_t i = 0; !status && i < model->tensor_count; i++) {
    const dlrt_tensor *tensor = &model->tensors[i];
    if (tensor->offset < 0 || tensor->kind == DLRT_MEMORY) continue;
    const dlrt_stored *found = dlrt_safetensors_find(&file, tensor->name);
    if (!found) continue;
    dlrt_convert(found->element, found->data, tensor->element, context->parameters + tensor->offset,
                 (size_t)count_of(tensor), 1);
  }
  dlrt_safetensors_close(&file);
  return status;
}

/* NAME.weights: model.h has its form. */
static dlrt_status map_constants(dlrt_context *context, const char *path) {
  const dlrt_model *model = context->model;
  dlrt_file file;
  dlrt_status status = dlrt_file_open(path, &file, &context->error);
  if (status) return status;
  char head[sizeof DLRT_WEIGHTS_MAGIC + 65];
  int length = snprintf(head, sizeof head, "%s%.64s\n", DLRT_WEIGHTS_MAGIC, model->constants_hash);
  if (file.size < sizeof DLRT_WEIGHTS_MAGIC ||
      memcmp(file.data, DLRT_WEIGHTS_MAGIC, sizeof DLRT_WEIGHTS_MAGIC - 1))
    status = dlrt_fail(&context->error, DLRT_BAD_FILE,
                       "%.300s: not a file of weights that dlc put beside a program", path);
  else if (file.size < (size_t)length || memcmp(file.data, head, (size_t)length))
    status = dlrt_fail(&context->error, DLRT_BAD_FILE,
                       "%.300s: these weights are of another build of '%.60s'", path, model->name);
  else if (file.size - DLRT_WEIGHTS_HEAD != (size_t)model->constants_bytes)
    status = dlrt_fail(&context->error, DLRT_BAD_FILE, "%.300s: %zu bytes, expected %lld", path,
                       file.size, (long long)model->constants_bytes + DLRT_WEIGHTS_HEAD);
  else if (file.kind != DLRT_MAPPED)
    status = dlrt_fail(&context->error, DLRT_BAD_FILE, "%.300s: not a regular file", path);
  if (status) {
    dlrt_file_close(&file);
    return status;
  }
  dlrt_file before = {context->mapped, context->mapped_bytes,
                      context->mapped ? DLRT_MAPPED : DLRT_BORROWED};
  dlrt_file_close(&before);
  context->mapped = file.data;
  context->mapped_bytes = file.size;
  context->constants = (const char *)file.data + DLRT_WEIGHTS_HEAD;
  return DLRT_OK;
}

dlrt_status dlrt_load(dlrt_context *context, const char *path) {
  context->error.text[0] = 0;
  if (!path) return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "the path is NULL");
  const dlrt_model *model = context->model;
  return model->constants_bytes && !model->constants ? map_constants(context, path)
                                                     : load_tensors(context, path);
}

dlrt_status dlrt_save(dlrt_context *context, const char *path) {
  const dlrt_model *model = context->model;
  context->error.text[0] = 0;
  if (!path) return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "the path is NULL");
  dlrt_stored *tensors = malloc(((size_t)model->tensor_count + 1) * sizeof *tensors);
  if (!tensors) return dlrt_fail(&context->error, DLRT_NO_MEMORY, "no memory to save");
  int count = 0;
  for (int64_t i = 0; i < model->tensor_count; i++) {
    const dlrt_tensor *tensor = &model->tensors[i];
    if (tensor->offset < 0 || tensor->kind > DLRT_STATE) continue;
    dlrt_stored *stored = &tensors[count++];
    *stored = (dlrt_stored){.name = tensor->name,
                            .element = (dlrt_element)tensor->element,
                            .rank = (int)tensor->rank,
                            .data = context->parameters + tensor->offset,
                            .bytes = (size_t)tensor->bytes};
    for (int a = 0; a < stored->rank && a < DLRT_AXES; a++) stored->shape[a] = tensor->shape[a];
  }
  dlrt_metadata metadata[] = {{"dlc.version", model->version}, {"dlc.model", model->source_hash}};
  dlrt_status status = dlrt_safetensors_write(path, tensors, count, metadata, 2, &context->error);
  free(tensors);
  return status;
}
