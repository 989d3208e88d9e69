#include "runtime/element.h"
#include "runtime/json.h"
#include "runtime/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dtypes[DLRT_ELEMENTS] = {
    [DLRT_F32] = "F32",   [DLRT_F64] = "F64", [DLRT_F16] = "F16",
    [DLRT_BF16] = "BF16", [DLRT_I8] = "I8",   [DLRT_U8] = "U8",
    [DLRT_I32] = "I32",   [DLRT_I64] = "I64", [DLRT_BOOL] = "BOOL"};

static void put_head(FILE *to, const dlrt_stored *const *order, int count,
                     const dlrt_metadata *metadata, int metadata_count) {
  const char *comma = "";
  fputc('{', to);
  if (metadata_count) {
    fputs("\"__metadata__\":{", to);
    for (int i = 0; i < metadata_count; i++) {
      if (i) fputc(',', to);
      dlrt_json_put(to, metadata[i].key);
      fputc(':', to);
      dlrt_json_put(to, metadata[i].value);
    }
    fputc('}', to);
    comma = ",";
  }
  size_t offset = 0;
  for (int i = 0; i < count; i++) {
    const dlrt_stored *tensor = order[i];
    fputs(comma, to);
    comma = ",";
    dlrt_json_put(to, tensor->name);
    fprintf(to, ":{\"dtype\":\"%s\",\"shape\":[", dtypes[tensor->element]);
    for (int a = 0; a < tensor->rank; a++)
      fprintf(to, "%s%lld", a ? "," : "", (long long)tensor->shape[a]);
    fprintf(to, "],\"data_offsets\":[%zu,%zu]}", offset, offset + tensor->bytes);
    offset += tensor->bytes;
  }
  fputc('}', to);
}

/* Widest elements first, as other writers do, so that each tensor is aligned to its element. */
static int by_width(const void *a, const void *b) {
  const dlrt_stored *left = *(const dlrt_stored *const *)a, *right = *(const dlrt_stored *const *)b;
  size_t x = dlrt_element_size(left->element), y = dlrt_element_size(right->element);
  if (x != y) return x > y ? -1 : 1;
  return left < right ? -1 : left > right;
}

dlrt_status dlrt_safetensors_write(const char *path, const dlrt_stored *tensors, int count,
                                   const dlrt_metadata *metadata, int metadata_count,
                                   dlrt_error *error) {
  char *head = NULL;
  size_t length = 0;
  const dlrt_stored **order = malloc((count ? (size_t)count : 1) * sizeof *order);
  FILE *to = open_memstream(&head, &length);
  if (!order || !to) {
    if (to) fclose(to);
    free(head);
    free(order);
    return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to write it", path);
  }
  for (int i = 0; i < count; i++) order[i] = &tensors[i];
  qsort(order, (size_t)count, sizeof *order, by_width);
  put_head(to, order, count, metadata, metadata_count);
  while (ftell(to) % 8) fputc(' ', to);
  bool failed = ferror(to) != 0;
  if (fclose(to) || failed) {
    free(head);
    free(order);
    return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to write it", path);
  }
  dlrt_output output;
  dlrt_status status = dlrt_output_open(path, &output, error);
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)length >> 8 * i);
  if (!status) status = dlrt_output_write(&output, size, sizeof size, error);
  if (!status) status = dlrt_output_write(&output, head, length, error);
  for (int i = 0; !status && i < count; i++)
    status = dlrt_output_write(&output, order[i]->data, order[i]->bytes, error);
  status = dlrt_output_close(&output, status, error);
  free(head);
  free(order);
  return status;
}
