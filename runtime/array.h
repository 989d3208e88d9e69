/* array.h - arrays in files: read whatever a user has, write what they asked for.
 *
 * A reader checks every size before it uses it: a file may be cut short or hostile, and memory
 * stays in proportion to the file's size. Data that lies in the file as memory wants it stays
 * there (the file is mapped); other data is copied once.
 *
 *   dlrt_array image;
 *   status = dlrt_array_read("t10k-images-idx3-ubyte.gz", &wanted, &image, &error);
 *   ..  image.element DLRT_U8, image.shape {10000, 28, 28}
 *   dlrt_array_free(&image);
 */
#ifndef DLRT_ARRAY_H
#define DLRT_ARRAY_H

#include "runtime/file.h"

typedef struct {
  dlrt_element element;
  int rank;
  int64_t shape[DLRT_AXES];
  const void *data; /* dense, row-major, native order, at any alignment */
  size_t bytes;
  int full; /* of a picture: the number that means white (255, 65535, ..); else 0 */
  dlrt_file keep;
} dlrt_array;

/* What it is for; files that do not say what they hold (raw, csv) are read as this. */
typedef struct {
  const char *name; /* picks the member of an .npz */
  dlrt_element element;
  int rank;
  int64_t shape[DLRT_AXES]; /* -1: any */
} dlrt_wanted;

/* By content and, where that says nothing, by the name: .npy, .npz, IDX, PGM, PPM, PNG, .csv, .raw,
 * each of them gzipped or not. Pictures come as [channels, height, width] of u8 or i32, without
 * alpha. */
dlrt_status dlrt_array_read(const char *path, const dlrt_wanted *wanted, dlrt_array *array,
                            dlrt_error *error);
void dlrt_array_free(dlrt_array *array);
int64_t dlrt_array_count(const dlrt_array *array);

/* A zeroed array whose data can be written through the returned pointer; NULL: no memory, or sizes
 * beyond what memory could hold. */
void *dlrt_array_make(dlrt_array *array, dlrt_element element, int rank, const int64_t *shape);

/* Bytes of an array, or SIZE_MAX if they do not fit. */
size_t dlrt_array_bytes(dlrt_element element, int rank, const int64_t *shape);

/* One file holds one array (.npy, .csv, "-": csv to stdout) or any number by name (.npz). */
typedef struct {
  const char *name;
  dlrt_element element;
  int rank;
  int64_t shape[DLRT_AXES];
  const void *data;
} dlrt_result;

/* Is it a name of a file of arrays? */
bool dlrt_array_names(const char *path);
dlrt_status dlrt_array_write(const char *path, const dlrt_result *results, int count,
                             dlrt_error *error);

/* The readers. Each takes over *file on success alone; `path` is for messages. */
dlrt_status dlrt_npy_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error);
dlrt_status dlrt_npz_read(const char *path, dlrt_file *file, const char *member, dlrt_array *array,
                          dlrt_error *error);
dlrt_status dlrt_idx_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error);
dlrt_status dlrt_pnm_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error);
dlrt_status dlrt_png_read(const char *path, dlrt_file *file, dlrt_array *array, dlrt_error *error);
dlrt_status dlrt_csv_read(const char *path, dlrt_file *file, dlrt_element element,
                          dlrt_array *array, dlrt_error *error);
dlrt_status dlrt_raw_read(const char *path, dlrt_file *file, const dlrt_wanted *wanted,
                          dlrt_array *array, dlrt_error *error);

/* The writers. */
dlrt_status dlrt_npy_write(dlrt_output *output, const dlrt_result *result, dlrt_error *error);
dlrt_status dlrt_npz_write(dlrt_output *output, const dlrt_result *results, int count,
                           dlrt_error *error);
dlrt_status dlrt_csv_write(dlrt_output *output, const dlrt_result *result, dlrt_error *error);

/* Numbers of a file as they lie there: `size` bytes each, of either byte order. */
typedef struct {
  dlrt_element element; /* what they become; 2-byte integers become i32, u32 i64 */
  size_t size;
  bool is_signed, swapped;
} dlrt_layout;

/* Fills array->data from dense numbers of that layout, taking over `file` if they can stay. */
dlrt_status dlrt_array_from(const char *path, dlrt_file *file, const unsigned char *data,
                            const dlrt_layout *layout, dlrt_array *array, dlrt_error *error);

#endif
