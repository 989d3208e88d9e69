/* zip.h - the members of a zip archive in memory (.npz is one of .npy files).
 *
 * Members are found in the directory at the archive's end, stored or deflated; encrypted ones and
 * archives in several parts are refused.
 */
#ifndef DLRT_ZIP_H
#define DLRT_ZIP_H

#include "runtime/file.h"

typedef struct {
  const char *name; /* not terminated */
  size_t name_length, packed, size;
  const unsigned char *data;
  unsigned method;
  uint32_t crc;
} dlrt_zip_member;

typedef struct {
  const dlrt_file *file;
  size_t directory, directory_end;
  int64_t count;
} dlrt_zip;

dlrt_status dlrt_zip_open(const char *path, const dlrt_file *file, dlrt_zip *zip,
                          dlrt_error *error);
/* The member whose entry begins at *at (0: the first), which moves to the next; at the end `name`
 * is NULL. */
dlrt_status dlrt_zip_next(const char *path, const dlrt_zip *zip, size_t *at,
                          dlrt_zip_member *member, dlrt_error *error);
/* Its content, which may be a part of the archive (DLRT_BORROWED). */
dlrt_status dlrt_zip_unpack(const char *path, const dlrt_zip_member *member, dlrt_file *content,
                            dlrt_error *error);

#endif
