/* .npy: a magic, a version, the length of a head that is a Python dict, numbers. */
#include "runtime/array.h"
#include "runtime/element.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *at, *end;
} cursor;

static void blanks(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take(cursor *c, const char *word) {
  size_t length = strlen(word);
  blanks(c);
  if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length)) return false;
  c->at += length;
  return true;
}

/* 'text' or "text" into `to`. */
static bool quoted(cursor *c, char *to, size_t room) {
  blanks(c);
  if (c->at >= c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  size_t used = 0;
  while (c->at < c->end && *c->at != quote && used + 1 < room) to[used++] = *c->at++;
  to[used] = 0;
  if (c->at >= c->end || *c->at != quote) return false;
  c->at++;
  return true;
}

static bool lengths(cursor *c, dlrt_array *array) {
  if (!take(c, "(")) return false;
  for (array->rank = 0; !take(c, ")"); array->rank++) {
    int64_t length = 0;
    blanks(c);
    const char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
      if (length > (INT64_MAX - 9) / 10) return false;
      length = length * 10 + (*c->at++ - '0');
    }
    if (c->at == start || array->rank == DLRT_AXES) return false;
    take(c, "L");
    array->shape[array->rank] = length;
    if (!take(c, ",") && (c->at >= c->end || *c->at != ')')) return false;
  }
  return true;
}

static bool layout_of(const char *type, dlrt_layout *layout) {
  static const struct {
    char code[3];
    unsigned char element, size;
    bool is_signed;
  } types[] = {
      {"f4", DLRT_F32, 4, false}, {"f8", DLRT_F64, 8, false},  {"f2", DLRT_F16, 2, false},
      {"i1", DLRT_I8, 1, true},   {"u1", DLRT_U8, 1, false},   {"i2", DLRT_I32, 2, true},
      {"u2", DLRT_I32, 2, false}, {"i4", DLRT_I32, 4, true},   {"u4", DLRT_I64, 4, false},
      {"i8", DLRT_I64, 8, true},  {"b1", DLRT_BOOL, 1, false},
  };
  if (!*type || !strchr("<>|=", *type)) return false;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i].code, type + 1) == 0) {
      const uint16_t one = 1;
      bool little = *(const unsigned char *)&one == 1;
      bool swapped = types[i].size > 1 && *type == (little ? '>' : '<');
      *layout =
          (dlrt_layout){(dlrt_element)types[i].element, types[i].size, types[i].is_signed, swapped};
      return true;
    }
  return false;
}

/* Numbers whose first axis runs fastest, as columns do in Fortran. */
static dlrt_status transpose(const char *path, dlrt_array *array, dlrt_error *error) {
  dlrt_array made;
  size_t size = dlrt_element_size(array->element), count = array->bytes / size;
  char *to = dlrt_array_make(&made, array->element, array->rank, array->shape);
  if (!to) return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory for its numbers", path);
  int64_t index[DLRT_AXES] = {0}, stride[DLRT_AXES], step = 1;
  for (int i = 0; i < array->rank; i++, step *= array->shape[i - 1]) stride[i] = step;
  int64_t from = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(to + i * size, (const char *)array->data + (size_t)from * size, size);
    for (int axis = array->rank - 1; axis >= 0; axis--) {
      from += stride[axis];
      if (++index[axis] < array->shape[axis]) break;
      from -= stride[axis] * index[axis];
      index[axis] = 0;
    }
  }
  dlrt_array_free(array);
  *array = made;
  return DLRT_OK;
}

static dlrt_status bad_head(const char *path, dlrt_error *error) {
  return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the .npy head is damaged", path);
}

dlrt_status dlrt_npy_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error) {
  const unsigned char *data = file->data;
  if (file->size < 12 || memcmp(data, "\x93NUMPY", 6))
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: not an .npy file, or cut short", path);
  if (data[6] < 1 || data[6] > 3)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: .npy version %d, 1 to 3 are read", path,
                     data[6]);
  size_t length = data[8] | (size_t)data[9] << 8, begin = 10;
  if (data[6] > 1) {
    length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    begin = 12;
  }
  if (length > file->size - begin) return bad_head(path, error);
  cursor c = {(const char *)data + begin, (const char *)data + begin + length};
  char key[32], type[32] = "";
  bool fortran = false, has_shape = false;
  if (!take(&c, "{")) return bad_head(path, error);
  while (!take(&c, "}")) {
    if (!quoted(&c, key, sizeof key) || !take(&c, ":")) return bad_head(path, error);
    if (strcmp(key, "descr") == 0) {
      if (!quoted(&c, type, sizeof type))
        return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: records are not read, only numbers", path);
    } else if (strcmp(key, "fortran_order") == 0) {
      fortran = take(&c, "True");
      if (!fortran && !take(&c, "False")) return bad_head(path, error);
    } else if (strcmp(key, "shape") == 0) {
      has_shape = lengths(&c, array);
      if (!has_shape) return bad_head(path, error);
    } else {
      return bad_head(path, error);
    }
    take(&c, ",");
  }
  dlrt_layout layout;
  if (!*type || !has_shape) return bad_head(path, error);
  if (!layout_of(type, &layout))
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: numbers of type '%s' are not read", path, type);
  size_t bytes = dlrt_bytes(layout.size, array->rank, array->shape);
  size_t there = file->size - begin - length;
  if (bytes != there)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: %zu bytes of data, its shape and type need %zu",
                     path, there, bytes);
  const unsigned char *numbers = data + begin + length;
  for (size_t i = 0; layout.element == DLRT_BOOL && i < bytes; i++)
    if (numbers[i] > 1)
      return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: a bool is %d, not 0 or 1", path, numbers[i]);
  dlrt_status status = dlrt_array_from(path, file, numbers, &layout, array, error);
  if (!status && fortran && array->rank > 1 && bytes) status = transpose(path, array, error);
  if (status) dlrt_array_free(array);
  return status;
}
