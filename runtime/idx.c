/* IDX: two zeros, a type, the rank, that many big-endian lengths, big-endian numbers. */
#include "runtime/array.h"
#include "runtime/element.h"

dlrt_status dlrt_idx_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error) {
  static const struct {
    unsigned char code;
    dlrt_layout layout;
  } types[] = {{0x08, {DLRT_U8, 1, false, false}}, {0x09, {DLRT_I8, 1, true, false}},
               {0x0b, {DLRT_I32, 2, true, true}},  {0x0c, {DLRT_I32, 4, true, true}},
               {0x0d, {DLRT_F32, 4, false, true}}, {0x0e, {DLRT_F64, 8, false, true}}};
  const unsigned char *at = file->data;
  const dlrt_layout *layout = NULL;
  for (size_t i = 0; file->size >= 4 && i < sizeof types / sizeof *types; i++)
    if (types[i].code == at[2]) layout = &types[i].layout;
  if (!layout || at[0] || at[1])
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: not an IDX file", path);
  int rank = at[3];
  if (rank > DLRT_AXES)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: %d axes, at most %d", path, rank, DLRT_AXES);
  size_t head = 4 + 4 * (size_t)rank;
  if (file->size < head)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the IDX head is cut short", path);
  array->rank = rank;
  for (int i = 0; i < rank; i++) {
    const unsigned char *length = at + 4 + 4 * i;
    array->shape[i] = (int64_t)length[0] << 24 | length[1] << 16 | length[2] << 8 | length[3];
  }
  size_t bytes = dlrt_bytes(layout->size, rank, array->shape);
  if (bytes != file->size - head)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: %zu bytes of data, its head promises %zu", path,
                     file->size - head, bytes);
  return dlrt_array_from(path, file, at + head, layout, array, error);
}
