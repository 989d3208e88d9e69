/* safetensors.h - reading and writing .safetensors files (the tensors of a network by name).
 *
 * A file is 8 bytes of head length, a JSON head {"name": {"dtype", "shape", "data_offsets"}, ..,
 * "__metadata__": {..}}, and data. Reading maps the file; `data` points into it, at any alignment.
 *
 *   dlrt_safetensors file;
 *   if (dlrt_safetensors_open("lenet.safetensors", &file, &error)) ..
 *   const dlrt_stored *weight = dlrt_safetensors_find(&file, "conv2d_0.weight");
 *   dlrt_safetensors_close(&file);
 */
#ifndef DLRT_SAFETENSORS_H
#define DLRT_SAFETENSORS_H

#include "runtime/file.h"

typedef struct {
  const char *name;
  dlrt_element element; /* DLRT_ELEMENTS: a type that dlc has not, or more than 8 axes */
  const char *dtype;    /* as the file spells it: "F32"; not needed for writing */
  int rank;
  int64_t shape[DLRT_AXES];
  const void *data;
  size_t bytes;
} dlrt_stored;

typedef struct {
  const char *key, *value;
} dlrt_metadata;

typedef struct {
  dlrt_file file;
  int count;
  dlrt_stored *tensors; /* sorted by name */
  int metadata_count;
  dlrt_metadata *metadata;
  char *text; /* of all names and values */
} dlrt_safetensors;

dlrt_status dlrt_safetensors_open(const char *path, dlrt_safetensors *file, dlrt_error *error);
/* From bytes that the caller keeps; `path` is for messages. */
dlrt_status dlrt_safetensors_read(const char *path, const void *data, size_t size,
                                  dlrt_safetensors *file, dlrt_error *error);
void dlrt_safetensors_close(dlrt_safetensors *file);
const dlrt_stored *dlrt_safetensors_find(const dlrt_safetensors *file, const char *name);
const char *dlrt_safetensors_metadata(const dlrt_safetensors *file, const char *key); /* or NULL */

/* Whole or not at all. */
dlrt_status dlrt_safetensors_write(const char *path, const dlrt_stored *tensors, int count,
                                   const dlrt_metadata *metadata, int metadata_count,
                                   dlrt_error *error);

#endif
