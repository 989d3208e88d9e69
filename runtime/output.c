#include "runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 65536 };

static dlrt_status cannot(const char *path, dlrt_error *error) {
  return dlrt_fail(error, DLRT_NO_SPACE, "%.300s: %s", path, strerror(errno));
}

char *dlrt_output_temporary(const char *path) {
  size_t length = strlen(path);
  char *name = malloc(length + sizeof "..tmp");
  if (!name) return NULL;
  const char *slash = strrchr(path, '/');
  size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
  memcpy(name, path, folder);
  name[folder] = '.';
  memcpy(name + folder + 1, path + folder, length - folder);
  memcpy(name + length + 1, ".tmp", sizeof ".tmp");
  return name;
}

/* A file in the folder of `temporary` that has no name yet, so that nothing is left of it however
 * the program ends; -1: the file system has none such. */
static int open_unnamed(char *temporary) {
  char *slash = strrchr(temporary, '/'), *end = slash ? slash + 1 : temporary, first = *end;
  if (access("/proc/self/fd", X_OK)) return -1; /* by which it gets its name */
  *end = 0;
  int file = open(slash ? temporary : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  *end = first;
  return file;
}

/* What an earlier program left under the name goes. */
static bool name_it(int file, const char *name) {
  char from[40];
  snprintf(from, sizeof from, "/proc/self/fd/%d", file);
  if (linkat(AT_FDCWD, from, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) return true;
  return errno == EEXIST && unlink(name) == 0 &&
         linkat(AT_FDCWD, from, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}

dlrt_status dlrt_output_open(const char *path, dlrt_output *output, dlrt_error *error) {
  *output = (dlrt_output){.file = -1};
  struct stat about;
  bool straight = strcmp(path, "-") == 0, there = !straight && stat(path, &about) == 0;
  bool special = there && !S_ISREG(about.st_mode);
  output->path = strdup(path);
  output->buffer = malloc(BUFFER);
  if (!straight && !special) output->temporary = dlrt_output_temporary(path);
  if (!output->path || !output->buffer || (!straight && !special && !output->temporary))
    return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to write it", path);
  if (straight)
    output->file = dup(STDOUT_FILENO);
  else if (special)
    output->file = open(path, O_WRONLY | O_CLOEXEC);
  else
    output->file = open_unnamed(output->temporary);
  output->unnamed = output->temporary && output->file >= 0;
  if (output->temporary && output->file < 0)
    output->file = open(output->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (output->file < 0) {
    free(output->temporary); /* nothing was made, so there is nothing to remove */
    output->temporary = NULL;
    return cannot(path, error);
  }
  /* What takes a file's place is as open to others as that was. */
  if (there && !special) (void)fchmod(output->file, about.st_mode & 0777);
  return DLRT_OK;
}

static dlrt_status write_all(dlrt_output *output, const unsigned char *data, size_t size,
                             dlrt_error *error) {
  while (size) {
    ssize_t put = write(output->file, data, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return cannot(output->path, error);
    data += put;
    size -= (size_t)put;
  }
  return DLRT_OK;
}

static dlrt_status flush(dlrt_output *output, dlrt_error *error) {
  size_t used = output->used;
  output->used = 0;
  return write_all(output, output->buffer, used, error);
}

/* Where it gets no name after all (a sandbox, a layered file system), a file that has one from the
 * start takes its bytes and its place. */
static dlrt_status copy_it(dlrt_output *output, dlrt_error *error) {
  int from = output->file;
  int to = open(output->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (to < 0) return cannot(output->path, error);
  output->file = to;
  output->unnamed = false; /* there is something to remove */
  struct stat about;
  dlrt_status status = DLRT_OK;
  ssize_t got = fstat(from, &about) || fchmod(to, about.st_mode & 0777) ? -1 : 1;
  for (off_t at = 0; got > 0 && !status; at += got) {
    got = pread(from, output->buffer, BUFFER, at);
    if (got > 0) status = write_all(output, output->buffer, (size_t)got, error);
  }
  if (!status && (got < 0 || fsync(to))) status = cannot(output->path, error);
  close(from);
  return status;
}

dlrt_status dlrt_output_write(dlrt_output *output, const void *data, size_t size,
                              dlrt_error *error) {
  if (size > BUFFER - output->used) {
    dlrt_status status = flush(output, error);
    if (status) return status;
    if (size > BUFFER) return write_all(output, data, size, error);
  }
  if (size) memcpy(output->buffer + output->used, data, size);
  output->used += size;
  return DLRT_OK;
}

dlrt_status dlrt_output_close(dlrt_output *output, dlrt_status status, dlrt_error *error) {
  if (output->file >= 0) {
    if (!status) status = flush(output, error);
    if (!status && output->temporary && fsync(output->file)) status = cannot(output->path, error);
    if (!status && output->unnamed) {
      output->unnamed = !name_it(output->file, output->temporary);
      if (output->unnamed) status = copy_it(output, error);
    }
    if (close(output->file) && !status) status = cannot(output->path, error);
    if (!status && output->temporary && rename(output->temporary, output->path))
      status = cannot(output->path, error);
  }
  if (status && output->temporary && !output->unnamed) unlink(output->temporary);
  free(output->temporary);
  free(output->path);
  free(output->buffer);
  *output = (dlrt_output){.file = -1};
  return status;
}
