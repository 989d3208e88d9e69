#include "runtime/file.h"
#include "runtime/inflate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static dlrt_status slurp(const char *path, int handle, dlrt_file *file, dlrt_error *error) {
  unsigned char *data = NULL;
  size_t size = 0, room = 0;
  for (;;) {
    if (size == room) {
      room = room ? room * 2 : 65536;
      unsigned char *more = room > PTRDIFF_MAX ? NULL : realloc(data, room);
      if (!more) {
        free(data);
        return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory for %zu bytes", path, room);
      }
      data = more;
    }
    ssize_t got = read(handle, data + size, room - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      int reason = errno;
      free(data);
      return dlrt_fail(error, DLRT_NO_FILE, "%.300s: %s", path, strerror(reason));
    }
    if (got == 0) break;
    size += (size_t)got;
  }
  *file = (dlrt_file){data, size, DLRT_ALLOCATED};
  return DLRT_OK;
}

dlrt_status dlrt_file_open(const char *path, dlrt_file *file, dlrt_error *error) {
  *file = (dlrt_file){0};
  if (strcmp(path, "-") == 0) return slurp("stdin", STDIN_FILENO, file, error);
  int handle = open(path, O_RDONLY | O_CLOEXEC);
  if (handle < 0) return dlrt_fail(error, DLRT_NO_FILE, "%.300s: %s", path, strerror(errno));
  struct stat about;
  dlrt_status status = DLRT_OK;
  if (fstat(handle, &about) == 0 && S_ISDIR(about.st_mode)) {
    status = dlrt_fail(error, DLRT_NO_FILE, "%.300s: %s", path, strerror(EISDIR));
  } else if (S_ISREG(about.st_mode) && about.st_size > 0) {
    void *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, handle, 0);
    if (data == MAP_FAILED)
      status = slurp(path, handle, file, error);
    else
      *file = (dlrt_file){data, (size_t)about.st_size, DLRT_MAPPED};
  } else {
    status = slurp(path, handle, file, error);
  }
  close(handle);
  return status;
}

dlrt_status dlrt_file_gunzip(const char *path, dlrt_file *file, dlrt_error *error) {
  if (file->size < 2 || file->data[0] != 0x1f || file->data[1] != 0x8b) return DLRT_OK;
  unsigned char *data = NULL;
  size_t size = 0;
  switch (dlrt_gunzip(file->data, file->size, &data, &size)) {
  case DLRT_INFLATE_DONE:
    break;
  case DLRT_INFLATE_SHORT:
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the gzip data ends too soon", path);
  case DLRT_INFLATE_BAD:
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the gzip data is damaged", path);
  case DLRT_INFLATE_NO_MEMORY:
    return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to unpack it", path);
  }
  dlrt_file_close(file);
  *file = (dlrt_file){data, size, DLRT_ALLOCATED};
  return DLRT_OK;
}

void dlrt_file_close(dlrt_file *file) {
  union {
    const unsigned char *from;
    void *to;
  } data = {file->data};
  if (file->kind == DLRT_MAPPED)
    munmap(data.to, file->size);
  else if (file->kind == DLRT_ALLOCATED)
    free(data.to);
  *file = (dlrt_file){0};
}
