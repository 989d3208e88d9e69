/* file.h - whole files in, whole files out.
 *
 * Reading maps a regular file and slurps anything else ("-" is stdin). Writing goes to a
 * file without a name in the file's folder, which is synced, and named and renamed at the end: a
 * reader finds the old file or the new one, never a part, and a program that is ended before leaves
 * nothing. Where the file system has no such files (NFS), it is `.NAME.tmp` from the start; where
 * they cannot be named, `.NAME.tmp` takes their bytes at the end.
 *
 *   dlrt_output output;
 *   status = dlrt_output_open(path, &output, error);
 *   if (!status) status = dlrt_output_write(&output, data, size, error);
 *   status = dlrt_output_close(&output, status, error);    // commits if status is OK
 */
#ifndef DLRT_FILE_H
#define DLRT_FILE_H

#include "runtime/error.h"

#include <stdbool.h>

typedef struct {
  const unsigned char *data;
  size_t size;
  enum { DLRT_BORROWED, DLRT_MAPPED, DLRT_ALLOCATED } kind; /* what close does with data */
} dlrt_file;

dlrt_status dlrt_file_open(const char *path, dlrt_file *file, dlrt_error *error);
void dlrt_file_close(dlrt_file *file);

/* If the file is gzip, replaces it by its content. */
dlrt_status dlrt_file_gunzip(const char *path, dlrt_file *file, dlrt_error *error);

typedef struct {
  int file;
  char *path, *temporary; /* NULL: written straight (a pipe, a device, stdout) */
  unsigned char *buffer;
  size_t used;
  bool unnamed; /* `temporary` is not there yet */
} dlrt_output;

char *dlrt_output_temporary(const char *path); /* `.NAME.tmp`; to be freed; NULL: no memory */
dlrt_status dlrt_output_open(const char *path, dlrt_output *output, dlrt_error *error);
dlrt_status dlrt_output_write(dlrt_output *output, const void *data, size_t size,
                              dlrt_error *error);
/* Commits if `status` is DLRT_OK, else leaves no trace; returns the first failure. */
dlrt_status dlrt_output_close(dlrt_output *output, dlrt_status status, dlrt_error *error);

#endif
