#include "runtime/zip.h"
#include "runtime/inflate.h"

#include <stdlib.h>
#include <string.h>

enum { END = 22, ENTRY = 46, LOCAL = 30, END64 = 56, LOCATOR = 20, LONGEST_COMMENT = 65535 };

static uint64_t field(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) value = value << 8 | at[i];
  return value;
}

static dlrt_status damaged(const char *path, dlrt_error *error) {
  return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the zip archive is damaged or cut short", path);
}

dlrt_status dlrt_zip_open(const char *path, const dlrt_file *file, dlrt_zip *zip,
                          dlrt_error *error) {
  if (file->size < END) return damaged(path, error);
  size_t at = file->size - END;
  size_t least = at > LONGEST_COMMENT ? at - LONGEST_COMMENT : 0;
  while (memcmp(file->data + at, "PK\5\6", 4)) {
    if (at == least) return damaged(path, error);
    at--;
  }
  const unsigned char *end = file->data + at;
  uint64_t count = field(end + 10, 2), size = field(end + 12, 4), from = field(end + 16, 4);
  if (from == UINT32_MAX || size == UINT32_MAX || count == UINT16_MAX) {
    if (at < LOCATOR || memcmp(end - LOCATOR, "PK\6\7", 4)) return damaged(path, error);
    uint64_t wide = field(end - LOCATOR + 8, 8);
    if (file->size < END64 || wide > file->size - END64 || memcmp(file->data + wide, "PK\6\6", 4))
      return damaged(path, error);
    count = field(file->data + wide + 32, 8);
    size = field(file->data + wide + 40, 8);
    from = field(file->data + wide + 48, 8);
  }
  if (from > at || size > at - from || count > size / ENTRY) return damaged(path, error);
  *zip = (dlrt_zip){file, (size_t)from, (size_t)(from + size), (int64_t)count};
  return DLRT_OK;
}

/* Sizes beyond 32 bits stand in an extra field, in this order, those alone that do not fit. */
static bool read_extra(const unsigned char *extra, size_t length, uint64_t *size, uint64_t *packed,
                       uint64_t *local) {
  while (length >= 4) {
    size_t id = field(extra, 2), bytes = field(extra + 2, 2);
    if (bytes > length - 4) return false;
    if (id == 1) {
      const unsigned char *at = extra + 4, *end = at + bytes;
      uint64_t *values[] = {size, packed, local};
      for (int i = 0; i < 3; i++) {
        if (*values[i] != UINT32_MAX) continue;
        if (end - at < 8) return false;
        *values[i] = field(at, 8);
        at += 8;
      }
    }
    extra += 4 + bytes;
    length -= 4 + bytes;
  }
  return true;
}

dlrt_status dlrt_zip_next(const char *path, const dlrt_zip *zip, size_t *at,
                          dlrt_zip_member *member, dlrt_error *error) {
  const dlrt_file *file = zip->file;
  *member = (dlrt_zip_member){0};
  if (*at == 0) *at = zip->directory;
  if (*at == zip->directory_end) return DLRT_OK;
  const unsigned char *entry = file->data + *at;
  size_t left = zip->directory_end - *at;
  if (left < ENTRY || memcmp(entry, "PK\1\2", 4)) return damaged(path, error);
  size_t name = field(entry + 28, 2), extra = field(entry + 30, 2), note = field(entry + 32, 2);
  if (name + extra + note > left - ENTRY) return damaged(path, error);
  uint64_t packed = field(entry + 20, 4), size = field(entry + 24, 4), local = field(entry + 42, 4);
  if (!read_extra(entry + ENTRY + name, extra, &size, &packed, &local)) return damaged(path, error);
  if (field(entry + 8, 2) & 1)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the zip archive is encrypted", path);
  if (local > file->size || file->size - local < LOCAL || memcmp(file->data + local, "PK\3\4", 4))
    return damaged(path, error);
  size_t head = LOCAL + field(file->data + local + 26, 2) + field(file->data + local + 28, 2);
  if (head > file->size - local || packed > file->size - local - head) return damaged(path, error);
  member->name = (const char *)entry + ENTRY;
  member->name_length = name;
  member->method = (unsigned)field(entry + 10, 2);
  member->crc = (uint32_t)field(entry + 16, 4);
  member->packed = (size_t)packed;
  member->size = (size_t)size;
  member->data = file->data + local + head;
  *at += ENTRY + name + extra + note;
  return DLRT_OK;
}

dlrt_status dlrt_zip_unpack(const char *path, const dlrt_zip_member *member, dlrt_file *content,
                            dlrt_error *error) {
  *content = (dlrt_file){member->data, member->size, DLRT_BORROWED};
  if (member->method == 0) {
    if (member->size != member->packed) return damaged(path, error);
  } else if (member->method == 8) {
    /* Deflate makes at most 1032 bytes of one: more is a lie, and not worth the memory. */
    if (member->size / 1032 > member->packed + 1) return damaged(path, error);
    unsigned char *data = malloc(member->size ? member->size : 1);
    if (!data) return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to unpack it", path);
    *content = (dlrt_file){data, member->size, DLRT_ALLOCATED};
    if (!dlrt_inflate(member->data, member->packed, data, member->size, false)) {
      dlrt_file_close(content);
      return damaged(path, error);
    }
  } else {
    return dlrt_fail(error, DLRT_BAD_FILE,
                     "%.300s: packed by method %u; stored and deflated are read", path,
                     member->method);
  }
  if (dlrt_crc32(0, content->data, content->size) != member->crc) {
    dlrt_file_close(content);
    return damaged(path, error);
  }
  return DLRT_OK;
}
