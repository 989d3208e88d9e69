/* zlib's inflate, which runtime.cmake takes out of zlib's archive under names of its own
 * (Z_PREFIX). */
#include "runtime/inflate.h"

#include <stdlib.h>
#define ZLIB_CONST /* what it reads is const */
#include <zlib.h>

enum { RAW = -MAX_WBITS, ZLIB = MAX_WBITS, GZIP = 16 + MAX_WBITS, PIECE = 1 << 30 };

/* zlib's own sum would bring 13 KiB of tables into every program. */
uLong crc32(uLong before, const Bytef *data, uInt size) {
  return data ? dlrt_crc32((uint32_t)before, data, size) : 0;
}

/* Its other sum, of PNG's bytes, would bring 2 KiB. */
uLong adler32(uLong before, const Bytef *data, uInt size) {
  enum { BASE = 65521, LONGEST = 5552 }; /* so many bytes before the second sum passes 32 bits */
  uint32_t sum = before & 0xffff, sums = before >> 16 & 0xffff;
  if (!data) return 1;
  while (size) {
    uInt count = size < LONGEST ? size : LONGEST;
    for (size -= count; count; count--) {
      sum += *data++;
      sums += sum;
    }
    sum %= BASE;
    sums %= BASE;
  }
  return (uLong)sums << 16 | sum;
}

static uInt piece(const unsigned char *from, const unsigned char *end) {
  return end - from < PIECE ? (uInt)(end - from) : PIECE;
}

/* As far as the input and the room go: Z_STREAM_END, an error, or Z_BUF_ERROR if one of the two is
 * used up. */
static int unpack(z_stream *z, const unsigned char *from_end, const unsigned char *to_end) {
  int code;
  do {
    z->avail_in = piece(z->next_in, from_end);
    z->avail_out = piece(z->next_out, to_end);
    code = inflate(z, Z_NO_FLUSH);
  } while (code == Z_OK);
  return code;
}

bool dlrt_inflate(const void *from, size_t from_size, void *to, size_t size, bool zlib_head) {
  unsigned char none;
  unsigned char *begin = size ? to : &none;
  z_stream z = {.next_in = from, .next_out = begin};
  if (inflateInit2(&z, zlib_head ? ZLIB : RAW) != Z_OK) return false;
  bool whole = unpack(&z, (const unsigned char *)from + from_size, begin + size) == Z_STREAM_END &&
               z.next_out == begin + size;
  inflateEnd(&z);
  return whole;
}

/* Half as much room again; what there was is full. */
static bool grow(unsigned char **data, size_t *room, z_stream *z) {
  size_t more = *room + *room / 2;
  unsigned char *moved = realloc(*data, more);
  if (!moved) return false;
  z->next_out = moved + *room;
  *data = moved;
  *room = more;
  return true;
}

static bool is_member(const unsigned char *from, const unsigned char *end) {
  return end - from >= 2 && from[0] == 0x1f && from[1] == 0x8b;
}

dlrt_inflate_result dlrt_gunzip(const unsigned char *from, size_t from_size, unsigned char **to,
                                size_t *size) {
  const unsigned char *end = from + from_size;
  size_t room = 65536;
  unsigned char *data = malloc(room);
  z_stream z = {.next_in = from, .next_out = data};
  if (!data || inflateInit2(&z, GZIP) != Z_OK) {
    free(data);
    return DLRT_INFLATE_NO_MEMORY;
  }
  dlrt_inflate_result result = DLRT_INFLATE_DONE;
  for (bool done = false; !done;) {
    switch (unpack(&z, end, data + room)) {
    case Z_STREAM_END: /* files may be joined; what is no member after the first is let pass */
      done = !is_member(z.next_in, end) || inflateReset(&z) != Z_OK;
      continue;
    case Z_BUF_ERROR:
      if (z.next_out < data + room)
        result = DLRT_INFLATE_SHORT;
      else if (grow(&data, &room, &z))
        continue;
      else
        result = DLRT_INFLATE_NO_MEMORY;
      break;
    case Z_MEM_ERROR:
      result = DLRT_INFLATE_NO_MEMORY;
      break;
    default:
      result = DLRT_INFLATE_BAD;
    }
    done = true;
  }
  inflateEnd(&z);
  if (result) {
    free(data);
    return result;
  }
  *to = data;
  *size = (size_t)(z.next_out - data);
  return DLRT_INFLATE_DONE;
}
