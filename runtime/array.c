#include "runtime/array.h"
#include "runtime/element.h"

#include <stdlib.h>
#include <string.h>

int64_t dlrt_array_count(const dlrt_array *array) {
  int64_t count = 1;
  for (int i = 0; i < array->rank; i++) count *= array->shape[i];
  return count;
}

size_t dlrt_array_bytes(dlrt_element element, int rank, const int64_t *shape) {
  return dlrt_bytes(dlrt_element_size(element), rank, shape);
}

void *dlrt_array_make(dlrt_array *array, dlrt_element element, int rank, const int64_t *shape) {
  size_t bytes = dlrt_array_bytes(element, rank, shape);
  void *data = bytes == SIZE_MAX ? NULL : calloc(bytes ? bytes : 1, 1);
  if (!data) return NULL;
  *array = (dlrt_array){.element = element, .rank = rank, .data = data, .bytes = bytes};
  for (int i = 0; i < rank; i++) array->shape[i] = shape[i];
  array->keep = (dlrt_file){data, bytes, DLRT_ALLOCATED};
  return data;
}

void dlrt_array_free(dlrt_array *array) {
  dlrt_file_close(&array->keep);
  *array = (dlrt_array){0};
}

static uint64_t number(const unsigned char *at, size_t size, bool big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) value = value << 8 | at[big_endian ? i : size - 1 - i];
  return value;
}

static bool machine_is_big_endian(void) {
  const uint16_t one = 1;
  unsigned char first;
  memcpy(&first, &one, 1);
  return first == 0;
}

dlrt_status dlrt_array_from(const char *path, dlrt_file *file, const unsigned char *data,
                            const dlrt_layout *layout, dlrt_array *array, dlrt_error *error) {
  size_t size = dlrt_element_size(layout->element);
  bool big_endian = layout->swapped != machine_is_big_endian();
  array->element = layout->element;
  array->bytes = dlrt_array_bytes(layout->element, array->rank, array->shape);
  if (size == layout->size && !layout->swapped) {
    array->data = data;
    array->keep = *file;
    *file = (dlrt_file){0};
    return DLRT_OK;
  }
  dlrt_array made;
  unsigned char *to = dlrt_array_make(&made, layout->element, array->rank, array->shape);
  if (!to) return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory for its numbers", path);
  size_t count = made.bytes / size;
  for (size_t i = 0; i < count; i++) {
    uint64_t value = number(data + i * layout->size, layout->size, big_endian);
    unsigned unused = 64 - 8 * (unsigned)layout->size;
    if (layout->is_signed) value = (uint64_t)((int64_t)(value << unused) >> unused);
    for (size_t b = 0; b < size; b++)
      to[i * size + (machine_is_big_endian() ? size - 1 - b : b)] = (unsigned char)(value >> 8 * b);
  }
  dlrt_file_close(file);
  *array = made;
  return DLRT_OK;
}
