/* zlib's inflateBack, which runtime.cmake takes out of zlib's archive under names of its own
 * (Z_PREFIX). It is half as large as its `inflate`, which can stop anywhere: here the input lies
 * there whole. It knows raw deflate data alone, so what gzip and zlib put around is read here. */
#include "runtime/inflate.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* what it reads is const */
#include <zlib.h>

enum { PIECE = 1 << 30, WINDOW = 1 << MAX_WBITS };

typedef dlrt_inflate_result Result;

/* What is left to read, and what was made: `data` grows if `grows`, else it holds `room`. */
typedef struct {
  const unsigned char *from, *end;
  unsigned char *data;
  size_t size, room;
  bool grows, no_memory;
} Job;

static unsigned read_piece(void *context, const unsigned char **piece) {
  Job *job = context;
  size_t left = (size_t)(job->end - job->from);
  unsigned size = left < PIECE ? (unsigned)left : PIECE;
  *piece = job->from;
  job->from += size;
  return size;
}

static int write_piece(void *context, unsigned char *piece, unsigned size) {
  Job *job = context;
  while (size > job->room - job->size && job->grows) { /* half as much again */
    unsigned char *moved = realloc(job->data, job->room + job->room / 2);
    job->no_memory = !moved;
    if (!moved) return 1;
    job->data = moved;
    job->room += job->room / 2;
  }
  if (size > job->room - job->size) return 1;
  memcpy(job->data + job->size, piece, size);
  job->size += size;
  return 0;
}

/* One piece of raw deflate data, up to its end. */
static Result unpack(Job *job, z_stream *z) {
  z->next_in = NULL;
  z->avail_in = 0;
  int code = inflateBack(z, read_piece, job, write_piece, job);
  if (code == Z_STREAM_END) {
    job->from -= z->avail_in;
    return DLRT_INFLATE_DONE;
  }
  if (job->no_memory) return DLRT_INFLATE_NO_MEMORY;
  return code == Z_BUF_ERROR && !z->next_in ? DLRT_INFLATE_SHORT : DLRT_INFLATE_BAD;
}

static bool open_window(z_stream *z, unsigned char **window) {
  *window = malloc(WINDOW);
  if (*window && inflateBackInit(z, MAX_WBITS, *window) == Z_OK) return true;
  free(*window);
  return false;
}

static void close_window(z_stream *z, unsigned char *window) {
  inflateBackEnd(z);
  free(window);
}

/* ---- zlib's form, of PNG: two bytes before, a sum behind ---- */

static uint32_t adler32_of(const unsigned char *data, size_t size) {
  enum { BASE = 65521, LONGEST = 5552 }; /* so many bytes before the second sum passes 32 bits */
  uint32_t sum = 1, sums = 0;
  while (size) {
    size_t count = size < LONGEST ? size : LONGEST;
    for (size -= count; count; count--) {
      sum += *data++;
      sums += sum;
    }
    sum %= BASE;
    sums %= BASE;
  }
  return sums << 16 | sum;
}

static bool zlib_begins(Job *job) {
  enum { METHOD = 0x0f, DEFLATE = 8, LARGEST_WINDOW = 7, DICTIONARY = 0x20 };
  const unsigned char *p = job->from;
  if (job->end - p < 2 || (p[0] & METHOD) != DEFLATE || p[0] >> 4 > LARGEST_WINDOW ||
      (p[0] << 8 | p[1]) % 31 || (p[1] & DICTIONARY))
    return false;
  job->from += 2;
  return true;
}

static bool zlib_ends(Job *job) {
  const unsigned char *p = job->from;
  if (job->end - p < 4) return false;
  uint32_t sum = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  return sum == adler32_of(job->data, job->size);
}

bool dlrt_inflate(const void *from, size_t from_size, void *to, size_t size, bool zlib_head) {
  unsigned char none, *window;
  z_stream z = {0};
  const unsigned char *begin = from;
  Job job = {.from = begin, .end = begin + from_size, .data = size ? to : &none, .room = size};
  if ((zlib_head && !zlib_begins(&job)) || !open_window(&z, &window)) return false;
  bool whole =
      unpack(&job, &z) == DLRT_INFLATE_DONE && job.size == size && (!zlib_head || zlib_ends(&job));
  close_window(&z, window);
  return whole;
}

/* ---- gzip's form: a head with names, the sum and the length behind ---- */

static uint32_t number_at(const unsigned char *p) {
  return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool is_member(const Job *job) {
  return job->end - job->from >= 2 && job->from[0] == 0x1f && job->from[1] == 0x8b;
}

/* Goes on by some bytes; false if so many are not there. */
static bool skip(Job *job, size_t count) {
  if ((size_t)(job->end - job->from) < count) return false;
  job->from += count;
  return true;
}

static bool skip_text(Job *job) {
  const unsigned char *zero = memchr(job->from, 0, (size_t)(job->end - job->from));
  if (zero) job->from = zero + 1;
  return zero != NULL;
}

static Result gzip_begins(Job *job) {
  enum { HEAD = 10, DEFLATE = 8, SUM = 2, EXTRA = 4, NAME = 8, COMMENT = 16, UNKNOWN = 0xe0 };
  const unsigned char *head = job->from;
  if (!skip(job, HEAD)) return DLRT_INFLATE_SHORT;
  if (head[2] != DEFLATE || (head[3] & UNKNOWN)) return DLRT_INFLATE_BAD;
  if ((head[3] & EXTRA) &&
      (!skip(job, 2) || !skip(job, (size_t)(job->from[-2] | job->from[-1] << 8))))
    return DLRT_INFLATE_SHORT;
  if (((head[3] & NAME) && !skip_text(job)) || ((head[3] & COMMENT) && !skip_text(job)))
    return DLRT_INFLATE_SHORT;
  if (!(head[3] & SUM)) return DLRT_INFLATE_DONE;
  uint32_t sum = dlrt_crc32(0, head, (size_t)(job->from - head)) & 0xffff;
  if (!skip(job, 2)) return DLRT_INFLATE_SHORT;
  return sum == (uint32_t)(job->from[-2] | job->from[-1] << 8) ? DLRT_INFLATE_DONE
                                                               : DLRT_INFLATE_BAD;
}

static Result unpack_member(Job *job, z_stream *z) {
  size_t before = job->size;
  Result result = gzip_begins(job);
  if (!result) result = unpack(job, z);
  if (result) return result;
  if (!skip(job, 8)) return DLRT_INFLATE_SHORT;
  size_t made = job->size - before;
  bool same = number_at(job->from - 8) == dlrt_crc32(0, job->data + before, made) &&
              number_at(job->from - 4) == (uint32_t)made;
  return same ? DLRT_INFLATE_DONE : DLRT_INFLATE_BAD;
}

dlrt_inflate_result dlrt_gunzip(const unsigned char *from, size_t from_size, unsigned char **to,
                                size_t *size) {
  enum { FIRST_ROOM = 65536 };
  z_stream z = {0};
  unsigned char *window;
  Job job = {.from = from, .end = from + from_size, .room = FIRST_ROOM, .grows = true};
  if (!open_window(&z, &window)) return DLRT_INFLATE_NO_MEMORY;
  job.data = malloc(FIRST_ROOM);
  Result result = !job.data         ? DLRT_INFLATE_NO_MEMORY
                  : is_member(&job) ? unpack_member(&job, &z)
                                    : DLRT_INFLATE_BAD;
  /* files may be joined; what is no member after the first is let pass */
  while (!result && is_member(&job)) result = unpack_member(&job, &z);
  close_window(&z, window);
  if (result) {
    free(job.data);
    return result;
  }
  *to = job.data;
  *size = job.size;
  return DLRT_INFLATE_DONE;
}
