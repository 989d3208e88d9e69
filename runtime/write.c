#include "runtime/array.h"
#include "runtime/element.h"
#include "runtime/inflate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that is written passes through here, so that a zip's sums can be made on the way. */
typedef struct {
  dlrt_output *output; /* NULL: only measured */
  uint64_t size;
  uint32_t crc;
} sink;

static dlrt_status put(sink *to, const void *data, size_t size, dlrt_error *error) {
  to->size += size;
  if (to->output) return dlrt_output_write(to->output, data, size, error);
  to->crc = dlrt_crc32(to->crc, data, size);
  return DLRT_OK;
}

static size_t count_of(const dlrt_result *result) {
  size_t count = 1;
  for (int i = 0; i < result->rank; i++) count *= (size_t)result->shape[i];
  return count;
}

/* numpy has no bf16: such results are written as f32, which holds them exactly. */
static dlrt_status put_npy(sink *to, const dlrt_result *result, dlrt_error *error) {
  static const char *const types[DLRT_ELEMENTS] = {
      [DLRT_F32] = "<f4",  [DLRT_F64] = "<f8", [DLRT_F16] = "<f2",
      [DLRT_BF16] = "<f4", [DLRT_I8] = "|i1",  [DLRT_U8] = "|u1",
      [DLRT_I32] = "<i4",  [DLRT_I64] = "<i8", [DLRT_BOOL] = "|b1"};
  char head[256] = "\x93NUMPY\1\0\0\0";
  size_t used = 10;
  used += (size_t)snprintf(head + used, sizeof head - used,
                           "{'descr': '%s', 'fortran_order': False, 'shape': (",
                           types[result->element]);
  for (int i = 0; i < result->rank; i++)
    used += (size_t)snprintf(head + used, sizeof head - used, "%s%lld", i ? ", " : "",
                             (long long)result->shape[i]);
  used += (size_t)snprintf(head + used, sizeof head - used, "%s), }", result->rank == 1 ? "," : "");
  while (used % 64 != 63) head[used++] = ' ';
  head[used++] = '\n';
  head[8] = (char)(used - 10);
  dlrt_status status = put(to, head, used, error);
  size_t size = dlrt_element_size(result->element), count = count_of(result);
  if (result->element != DLRT_BF16)
    return status ? status : put(to, result->data, count * size, error);
  for (size_t i = 0; !status && i < count; i++) {
    float wide;
    dlrt_convert(DLRT_BF16, (const char *)result->data + 2 * i, DLRT_F32, &wide, 1, 1);
    status = put(to, &wide, sizeof wide, error);
  }
  return status;
}

dlrt_status dlrt_npy_write(dlrt_output *output, const dlrt_result *result, dlrt_error *error) {
  sink to = {.output = output};
  return put_npy(&to, result, error);
}

typedef struct {
  uint64_t size, offset;
  uint32_t crc;
} stored;

static void field(unsigned char **at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) *(*at)++ = i < 8 ? (unsigned char)(value >> 8 * i) : 0;
}

/* A member's head, local or in the directory. 20: the version that reads it; 0x21: 1980-01-01, for
 * results hold no dates. */
static dlrt_status put_entry(sink *to, const char *name, const stored *member, bool directory,
                             dlrt_error *error) {
  unsigned char head[46], *at = head;
  size_t length = strlen(name) + 4;
  field(&at, directory ? 0x02014b50 : 0x04034b50, 4);
  if (directory) field(&at, 20, 2);
  field(&at, 20, 2);
  field(&at, 0, 6); /* flags, stored, time */
  field(&at, 0x21, 2);
  field(&at, member->crc, 4);
  field(&at, member->size, 4);
  field(&at, member->size, 4);
  field(&at, length, 2);
  field(&at, 0, 2);
  if (directory) {
    field(&at, 0, 10); /* comment, disk, attributes */
    field(&at, member->offset, 4);
  }
  dlrt_status status = put(to, head, (size_t)(at - head), error);
  if (!status) status = put(to, name, length - 4, error);
  return status ? status : put(to, ".npy", 4, error);
}

dlrt_status dlrt_npz_write(dlrt_output *output, const dlrt_result *results, int count,
                           dlrt_error *error) {
  stored *members = calloc(count ? (size_t)count : 1, sizeof *members);
  if (!members) return dlrt_fail(error, DLRT_NO_MEMORY, "no memory to write it");
  sink to = {.output = output};
  dlrt_status status = DLRT_OK;
  for (int i = 0; !status && i < count; i++) {
    sink measured = {0};
    put_npy(&measured, &results[i], NULL);
    members[i] = (stored){measured.size, to.size, measured.crc};
    if (measured.size + to.size > UINT32_MAX - 65536)
      status = dlrt_fail(error, DLRT_NO_SPACE, "an .npz of 4 GiB or more; write .npy files");
    if (!status) status = put_entry(&to, results[i].name, &members[i], false, error);
    if (!status) status = put_npy(&to, &results[i], error);
  }
  uint64_t from = to.size;
  for (int i = 0; !status && i < count; i++)
    status = put_entry(&to, results[i].name, &members[i], true, error);
  unsigned char end[22], *at = end;
  field(&at, 0x06054b50, 4);
  field(&at, 0, 4);
  field(&at, (uint64_t)count, 2);
  field(&at, (uint64_t)count, 2);
  field(&at, to.size - from, 4);
  field(&at, from, 4);
  field(&at, 0, 2);
  if (!status) status = put(&to, end, sizeof end, error);
  free(members);
  return status;
}

dlrt_status dlrt_csv_write(dlrt_output *output, const dlrt_result *result, dlrt_error *error) {
  size_t count = count_of(result), size = dlrt_element_size(result->element);
  size_t rows = result->rank ? (size_t)result->shape[0] : 1;
  size_t columns = rows ? count / rows : 0;
  dlrt_status status = DLRT_OK;
  for (size_t i = 0; !status && i < count; i++) {
    const char *from = (const char *)result->data + i * size;
    char text[40];
    int length;
    char last = (i + 1) % columns ? ',' : '\n';
    if (!dlrt_element_is_float(result->element))
      length = snprintf(text, sizeof text, "%lld%c",
                        (long long)dlrt_element_get_integer(result->element, from), last);
    else /* digits enough to read back exactly */
      length = snprintf(text, sizeof text, "%.*g%c", result->element == DLRT_F64 ? 17 : 9,
                        dlrt_element_get(result->element, from), last);
    status = dlrt_output_write(output, text, (size_t)length, error);
  }
  return status;
}

static bool ends_with(const char *path, const char *end) {
  size_t length = strlen(path), tail = strlen(end);
  return length >= tail && strcmp(path + length - tail, end) == 0;
}

bool dlrt_array_names(const char *path) {
  return ends_with(path, ".npz") || ends_with(path, ".npy") || ends_with(path, ".csv");
}

dlrt_status dlrt_array_write(const char *path, const dlrt_result *results, int count,
                             dlrt_error *error) {
  bool npz = ends_with(path, ".npz"), npy = ends_with(path, ".npy");
  if (!dlrt_array_names(path) && strcmp(path, "-"))
    return dlrt_fail(error, DLRT_BAD_ARGUMENT, "%.300s: name it .npy, .npz or .csv", path);
  if (!npz && count != 1)
    return dlrt_fail(error, DLRT_BAD_ARGUMENT, "%.300s: %d results go into an .npz", path, count);
  dlrt_output output;
  dlrt_status status = dlrt_output_open(path, &output, error);
  if (!status)
    status = npz   ? dlrt_npz_write(&output, results, count, error)
             : npy ? dlrt_npy_write(&output, &results[0], error)
                   : dlrt_csv_write(&output, &results[0], error);
  return dlrt_output_close(&output, status, error);
}
