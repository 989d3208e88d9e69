#include "runtime/safetensors.h"
#include "runtime/element.h"
#include "runtime/json.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_HEAD = 100 * 1000 * 1000 };

static const struct {
  char dtype[6];
  unsigned char element, size;
} types[] = {
    {"F32", DLRT_F32, 4},      {"F64", DLRT_F64, 8},      {"F16", DLRT_F16, 2},
    {"BF16", DLRT_BF16, 2},    {"I8", DLRT_I8, 1},        {"U8", DLRT_U8, 1},
    {"I32", DLRT_I32, 4},      {"I64", DLRT_I64, 8},      {"BOOL", DLRT_BOOL, 1},
    {"I16", DLRT_ELEMENTS, 2}, {"U16", DLRT_ELEMENTS, 2}, {"U32", DLRT_ELEMENTS, 4},
    {"U64", DLRT_ELEMENTS, 8},
};

static int by_name(const void *a, const void *b) {
  return strcmp(((const dlrt_stored *)a)->name, ((const dlrt_stored *)b)->name);
}

/* Room for one more in an array that doubles. */
static bool grow(void **items, int count, size_t size) {
  if (count & (count - 1)) return true;
  size_t room = count ? (size_t)count * 2 : 1;
  void *more = realloc(*items, room * size);
  if (more) *items = more;
  return more != NULL;
}

typedef struct {
  const char *path;
  dlrt_json json;
  char *room;
  const unsigned char *data;
  size_t size;
  dlrt_error *error;
} reading;

static dlrt_status bad_head(const reading *r) {
  return dlrt_fail(r->error, DLRT_BAD_FILE, "%.300s: the head is not safetensors' JSON", r->path);
}

static void read_shape(reading *r, dlrt_stored *tensor) {
  dlrt_json_need(&r->json, '[');
  tensor->rank = 0;
  if (dlrt_json_take(&r->json, ']')) return;
  do {
    int64_t length = dlrt_json_count(&r->json);
    if (tensor->rank < DLRT_AXES) tensor->shape[tensor->rank] = length;
    tensor->rank++;
  } while (!r->json.bad && tensor->rank < 1000 && dlrt_json_take(&r->json, ','));
  dlrt_json_need(&r->json, ']');
}

static dlrt_status check_size(const reading *r, dlrt_stored *tensor) {
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    if (strcmp(types[t].dtype, tensor->dtype)) continue;
    if (tensor->rank > DLRT_AXES) return DLRT_OK;
    tensor->element = (dlrt_element)types[t].element;
    size_t bytes = dlrt_bytes(types[t].size, tensor->rank, tensor->shape);
    if (bytes != tensor->bytes)
      return dlrt_fail(r->error, DLRT_BAD_FILE,
                       "%.200s: '%.100s' has %zu bytes, its shape and type need %zu", r->path,
                       tensor->name, tensor->bytes, bytes);
  }
  return DLRT_OK;
}

static dlrt_status read_tensor(reading *r, dlrt_stored *tensor) {
  dlrt_json *json = &r->json;
  int64_t from = -1, to = -1;
  bool has_shape = false;
  dlrt_json_need(json, '{');
  if (!dlrt_json_take(json, '}')) {
    do {
      const char *key = dlrt_json_string(json, &r->room);
      dlrt_json_need(json, ':');
      if (json->bad) return bad_head(r);
      if (strcmp(key, "dtype") == 0) {
        tensor->dtype = dlrt_json_string(json, &r->room);
      } else if (strcmp(key, "shape") == 0) {
        read_shape(r, tensor);
        has_shape = true;
      } else if (strcmp(key, "data_offsets") == 0) {
        dlrt_json_need(json, '[');
        from = dlrt_json_count(json);
        dlrt_json_need(json, ',');
        to = dlrt_json_count(json);
        dlrt_json_need(json, ']');
      } else {
        dlrt_json_skip(json);
      }
    } while (dlrt_json_take(json, ','));
    dlrt_json_need(json, '}');
  }
  if (json->bad || !tensor->dtype || !has_shape || from < 0) return bad_head(r);
  if (from > to || (uint64_t)to > r->size)
    return dlrt_fail(r->error, DLRT_BAD_FILE,
                     "%.200s: '%.100s' ends at byte %lld of %zu: the file is cut short or damaged",
                     r->path, tensor->name, (long long)to, r->size);
  tensor->data = r->data + from;
  tensor->bytes = (size_t)(to - from);
  return check_size(r, tensor);
}

static dlrt_status read_metadata(reading *r, dlrt_safetensors *file) {
  dlrt_json *json = &r->json;
  dlrt_json_need(json, '{');
  if (dlrt_json_take(json, '}')) return DLRT_OK;
  do {
    if (!grow((void **)&file->metadata, file->metadata_count, sizeof *file->metadata))
      return dlrt_fail(r->error, DLRT_NO_MEMORY, "%.300s: no memory", r->path);
    dlrt_metadata *pair = &file->metadata[file->metadata_count];
    pair->key = dlrt_json_string(json, &r->room);
    dlrt_json_need(json, ':');
    pair->value = dlrt_json_string(json, &r->room);
    if (json->bad) return bad_head(r);
    file->metadata_count++;
  } while (dlrt_json_take(json, ','));
  dlrt_json_need(json, '}');
  return json->bad ? bad_head(r) : DLRT_OK;
}

static dlrt_status read_head(reading *r, dlrt_safetensors *file) {
  dlrt_json *json = &r->json;
  dlrt_json_need(json, '{');
  if (!dlrt_json_take(json, '}')) {
    do {
      const char *name = dlrt_json_string(json, &r->room);
      dlrt_json_need(json, ':');
      if (json->bad) return bad_head(r);
      dlrt_status status;
      if (strcmp(name, "__metadata__") == 0) {
        status = read_metadata(r, file);
      } else {
        if (!grow((void **)&file->tensors, file->count, sizeof *file->tensors))
          return dlrt_fail(r->error, DLRT_NO_MEMORY, "%.300s: no memory", r->path);
        dlrt_stored *tensor = &file->tensors[file->count];
        *tensor = (dlrt_stored){.name = name, .element = DLRT_ELEMENTS};
        status = read_tensor(r, tensor);
        file->count++;
      }
      if (status) return status;
    } while (dlrt_json_take(json, ','));
    dlrt_json_need(json, '}');
  }
  while (!json->bad && json->at < json->end) /* padded with blanks to a multiple of 8 */
    if (*json->at++ != ' ') json->bad = true;
  if (json->bad) return bad_head(r);
  if (file->count) qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_name);
  for (int i = 1; i < file->count; i++)
    if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
      return dlrt_fail(r->error, DLRT_BAD_FILE, "%.200s: '%.100s' is there twice", r->path,
                       file->tensors[i].name);
  return DLRT_OK;
}

dlrt_status dlrt_safetensors_read(const char *path, const void *data, size_t size,
                                  dlrt_safetensors *file, dlrt_error *error) {
  const unsigned char *bytes = data;
  *file = (dlrt_safetensors){.file = {bytes, size, DLRT_BORROWED}};
  uint64_t head = 0;
  for (int i = 7; size >= 8 && i >= 0; i--) head = head << 8 | bytes[i];
  if (size < 8 || head > size - 8 || head > LONGEST_HEAD || head < 2 || bytes[8] != '{')
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: not a safetensors file, or cut short", path);
  file->text = malloc((size_t)head);
  if (!file->text) return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory", path);
  const char *text = (const char *)bytes + 8;
  reading r = {path, {text, text + head, false}, file->text, bytes + 8 + head, size - 8 - head,
               error};
  dlrt_status status = read_head(&r, file);
  if (status) dlrt_safetensors_close(file);
  return status;
}

dlrt_status dlrt_safetensors_open(const char *path, dlrt_safetensors *file, dlrt_error *error) {
  dlrt_file bytes;
  *file = (dlrt_safetensors){0};
  dlrt_status status = dlrt_file_open(path, &bytes, error);
  if (status) return status;
  status = dlrt_safetensors_read(path, bytes.data, bytes.size, file, error);
  if (status)
    dlrt_file_close(&bytes);
  else
    file->file = bytes;
  return status;
}

void dlrt_safetensors_close(dlrt_safetensors *file) {
  dlrt_file_close(&file->file);
  free(file->tensors);
  free(file->metadata);
  free(file->text);
  *file = (dlrt_safetensors){0};
}

const dlrt_stored *dlrt_safetensors_find(const dlrt_safetensors *file, const char *name) {
  dlrt_stored key = {.name = name};
  if (!file->count) return NULL;
  return bsearch(&key, file->tensors, (size_t)file->count, sizeof key, by_name);
}

const char *dlrt_safetensors_metadata(const dlrt_safetensors *file, const char *key) {
  for (int i = 0; i < file->metadata_count; i++)
    if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
  return NULL;
}
