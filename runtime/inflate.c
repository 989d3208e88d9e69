#include "runtime/file.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* z_stream counts in unsigned ints, so a large buffer is handed over in portions. */
static uInt portion(size_t size) {
  return size > 1u << 30 ? 1u << 30 : (uInt)size;
}

static unsigned char *without_const(const void *pointer) {
  union {
    const void *from;
    void *to;
  } u = {pointer};
  return u.to;
}

bool dlrt_inflate(const void *from, size_t from_size, void *to, size_t size, bool zlib_head) {
  z_stream stream = {.next_in = without_const(from), .next_out = to};
  unsigned char spare; /* room for one more byte: data that goes on is longer than it should be */
  if (inflateInit2(&stream, zlib_head ? 15 : -15) != Z_OK) return false;
  const unsigned char *in_end = (const unsigned char *)from + from_size;
  unsigned char *out_end = (unsigned char *)to + size;
  bool full = size == 0;
  if (full) stream.next_out = &spare;
  int result = Z_OK;
  while (result == Z_OK || result == Z_BUF_ERROR) {
    size_t in_left = (size_t)(in_end - stream.next_in);
    if (!full && stream.next_out == out_end) {
      full = true;
      stream.next_out = &spare;
    }
    stream.avail_in = portion(in_left);
    stream.avail_out = full ? 1 : portion((size_t)(out_end - stream.next_out));
    result = inflate(&stream, Z_NO_FLUSH);
    if (full && stream.avail_out == 0) result = Z_DATA_ERROR;
    if (result == Z_BUF_ERROR && in_left == 0) break;
    if (result == Z_OK && in_left == 0 && stream.avail_out) break;
  }
  bool whole = result == Z_STREAM_END && (full || stream.next_out == out_end);
  inflateEnd(&stream);
  return whole;
}

/* Deflate makes at most 1032 bytes of one, so what a damaged file can ask for is bounded by its
 * size; room is made as data comes, not as the file's length field says. */
dlrt_status dlrt_file_gunzip(const char *path, dlrt_file *file, dlrt_error *error) {
  if (file->size < 2 || file->data[0] != 0x1f || file->data[1] != 0x8b) return DLRT_OK;
  z_stream stream = {.next_in = without_const(file->data)};
  const unsigned char *in_end = file->data + file->size;
  if (inflateInit2(&stream, 15 + 16) != Z_OK)
    return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to unpack it", path);
  unsigned char *data = NULL;
  size_t used = 0, room = 0;
  int result = Z_OK;
  dlrt_status status = DLRT_OK;
  while (!status) {
    if (used == room) {
      room = room ? room + room / 2 : file->size < 1 << 20 ? 1 << 20 : file->size * 4;
      unsigned char *more = room > PTRDIFF_MAX ? NULL : realloc(data, room);
      if (!more) {
        status = dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory to unpack it", path);
        break;
      }
      data = more;
    }
    size_t in_left = (size_t)(in_end - stream.next_in);
    stream.avail_in = portion(in_left);
    stream.next_out = data + used;
    stream.avail_out = portion(room - used);
    result = inflate(&stream, Z_NO_FLUSH);
    used = (size_t)(stream.next_out - data);
    if (result == Z_STREAM_END) {
      /* gzip files may be joined: another member, or the end (padding of zeros is let pass). */
      in_left = (size_t)(in_end - stream.next_in);
      if (in_left < 2 || stream.next_in[0] != 0x1f || stream.next_in[1] != 0x8b) break;
      inflateReset(&stream);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      status = dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the gzip data is damaged", path);
    } else if (in_left == 0 && stream.avail_out) {
      status = dlrt_fail(error, DLRT_BAD_FILE, "%.300s: the gzip data ends too soon", path);
    }
  }
  inflateEnd(&stream);
  if (status) {
    free(data);
    return status;
  }
  dlrt_file_close(file);
  *file = (dlrt_file){data, used, DLRT_ALLOCATED};
  return DLRT_OK;
}
