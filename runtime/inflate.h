/* inflate.h - unpacking deflated data: gzip files, zip members, PNG's rows. */
#ifndef DLRT_INFLATE_H
#define DLRT_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  DLRT_INFLATE_DONE,
  DLRT_INFLATE_SHORT, /* the data ends too soon */
  DLRT_INFLATE_BAD,   /* it is damaged */
  DLRT_INFLATE_NO_MEMORY
} dlrt_inflate_result;

/* Raw deflate data (of a zip member) or zlib's (of a PNG) into exactly `size` bytes: false if it is
 * damaged, shorter or longer. */
bool dlrt_inflate(const void *from, size_t from_size, void *to, size_t size, bool zlib_head);

/* All members of a gzip file, joined, in memory that the caller frees. */
dlrt_inflate_result dlrt_gunzip(const unsigned char *from, size_t from_size, unsigned char **to,
                                size_t *size);

/* The sum of gzip, zip and PNG; `before`: of what came before, or 0. */
uint32_t dlrt_crc32(uint32_t before, const void *data, size_t size);

#endif
