#include "runtime/array.h"
#include "runtime/element.h"

#include <stdio.h>
#include <string.h>

static bool ends_with(const char *path, const char *end) {
  size_t length = strlen(path), tail = strlen(end);
  return length >= tail && strcmp(path + length - tail, end) == 0;
}

static bool named(const char *path, const char *extension) {
  char zipped[16];
  snprintf(zipped, sizeof zipped, "%s.gz", extension);
  return ends_with(path, extension) || ends_with(path, zipped);
}

static bool begins(const dlrt_file *file, const char *magic, size_t length) {
  return file->size >= length && memcmp(file->data, magic, length) == 0;
}

static dlrt_status dispatch(const char *path, dlrt_file *file, const dlrt_wanted *wanted,
                            dlrt_array *array, dlrt_error *error) {
  if (named(path, ".raw") || named(path, ".bin"))
    return dlrt_raw_read(path, file, wanted, array, error);
  if (named(path, ".csv") || named(path, ".tsv") || named(path, ".txt"))
    return dlrt_csv_read(path, file, wanted->element, array, error);
  if (begins(file, "\x93NUMPY", 6)) return dlrt_npy_read(path, file, array, error);
  if (begins(file, "PK", 2)) return dlrt_npz_read(path, file, wanted->name, array, error);
  if (begins(file, "\x89PNG", 4)) return dlrt_png_read(path, file, array, error);
  if (file->size > 2 && file->data[0] == 'P' && file->data[1] >= '1' && file->data[1] <= '7')
    return dlrt_pnm_read(path, file, array, error);
  if (begins(file, "\0\0", 2)) return dlrt_idx_read(path, file, array, error);
  if (begins(file, "\xff\xd8\xff", 3))
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: JPEG is not read; convert it to PNG or PPM",
                     path);
  return dlrt_fail(
      error, DLRT_BAD_FILE,
      "%.300s: not .npy, .npz, IDX, PGM, PPM or PNG; name it .csv or .raw if it is one", path);
}

dlrt_status dlrt_array_read(const char *path, const dlrt_wanted *wanted, dlrt_array *array,
                            dlrt_error *error) {
  dlrt_file file;
  *array = (dlrt_array){0};
  dlrt_status status = dlrt_file_open(path, &file, error);
  if (!status) status = dlrt_file_gunzip(path, &file, error);
  if (!status) status = dispatch(path, &file, wanted, array, error);
  dlrt_file_close(&file); /* empty if the array took it over */
  return status;
}

/* Bytes alone: of the wanted element and shape, the first unknown length made to fit. */
dlrt_status dlrt_raw_read(const char *path, dlrt_file *file, const dlrt_wanted *wanted,
                          dlrt_array *array, dlrt_error *error) {
  int64_t shape[DLRT_AXES];
  int unknown = -1;
  memcpy(shape, wanted->shape, sizeof shape);
  for (int i = 0; i < wanted->rank; i++)
    if (shape[i] < 0) {
      if (unknown >= 0)
        return dlrt_fail(error, DLRT_BAD_FILE,
                         "%.300s: raw numbers do not say their shape; fix all dims but one", path);
      unknown = i;
      shape[i] = 1;
    }
  size_t bytes = dlrt_array_bytes(wanted->element, wanted->rank, shape);
  if (unknown >= 0 && bytes && bytes != SIZE_MAX) {
    shape[unknown] = (int64_t)(file->size / bytes);
    bytes *= file->size / bytes;
  }
  if (bytes != file->size)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: %zu bytes are not a whole '%.60s' of %s", path,
                     file->size, wanted->name, dlrt_element_name(wanted->element));
  array->rank = wanted->rank;
  memcpy(array->shape, shape, sizeof shape);
  dlrt_layout layout = {wanted->element, dlrt_element_size(wanted->element), false, false};
  return dlrt_array_from(path, file, file->data, &layout, array, error);
}
