/* Inflate (RFC 1951) with its wrappers gzip (RFC 1952) and zlib (RFC 1950), written to be small:
 * a whole input in memory, a whole output in memory. Codes of up to FAST bits are looked up at
 * once, longer ones are counted out canonically, bit by bit. */
#include "runtime/inflate.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 15, FAST = 9, LITERALS = 288, DISTANCES = 32 };

typedef struct {
  uint16_t count[LONGEST + 1]; /* codes of each length */
  uint16_t symbol[LITERALS];   /* by length, then value */
  uint16_t fast[1 << FAST];    /* symbol << 4 | length of the code in the low bits, or 0 */
} code;

typedef struct {
  const unsigned char *at, *end;
  uint64_t bits;
  unsigned held; /* bits of `bits` that are there */
  unsigned char *to;
  size_t used, room, most; /* of the output; `most`: it may grow to that */
  bool grows;
  dlrt_inflate_result result;
} stream;

static bool fail(stream *s, dlrt_inflate_result result) {
  if (!s->result) s->result = result;
  return false;
}

/* Keeps 32 bits or more at hand while the input lasts; after its end there are zeros, and whoever
 * takes more than there is fails in `take`. */
static void refill(stream *s) {
  while (s->held <= 56 && s->at < s->end) {
    s->bits |= (uint64_t)*s->at++ << s->held;
    s->held += 8;
  }
}

static bool take(stream *s, unsigned count, unsigned *value) {
  refill(s);
  if (s->held < count) return fail(s, DLRT_INFLATE_SHORT);
  *value = (unsigned)(s->bits & ((1u << count) - 1));
  s->bits >>= count;
  s->held -= count;
  return true;
}

/* Room for `count` more bytes. */
static bool reserve(stream *s, size_t count) {
  if (count <= s->room - s->used) return true;
  if (!s->grows || count > s->most - s->used) return fail(s, DLRT_INFLATE_BAD);
  size_t room = s->room + s->room / 2;
  while (room - s->used < count) room += room / 2;
  unsigned char *more = realloc(s->to, room);
  if (!more) return fail(s, DLRT_INFLATE_NO_MEMORY);
  s->to = more;
  s->room = room;
  return true;
}

/* From the lengths of codes; false if there are more codes than the lengths allow. A code that
 * leaves some unused is let pass (one distance alone is coded so): they fail where they are met. */
static bool make_code(code *c, const unsigned char *lengths, int count) {
  uint16_t offset[LONGEST + 2] = {0}, next[LONGEST + 1] = {0};
  memset(c, 0, sizeof *c);
  for (int i = 0; i < count; i++) c->count[lengths[i]]++;
  c->count[0] = 0;
  int left = 1;
  for (int l = 1; l <= LONGEST; l++) {
    left = left * 2 - c->count[l];
    if (left < 0) return false;
    offset[l + 1] = (uint16_t)(offset[l] + c->count[l]);
    next[l] = (uint16_t)((next[l - 1] + c->count[l - 1]) << 1);
  }
  for (int i = 0; i < count; i++) {
    int length = lengths[i];
    if (!length) continue;
    c->symbol[offset[length]++] = (uint16_t)i;
    unsigned value = next[length]++, turned = 0;
    if (length > FAST) continue;
    for (int b = 0; b < length; b++) turned |= (value >> b & 1) << (length - 1 - b);
    for (; turned < 1 << FAST; turned += 1u << length)
      c->fast[turned] = (uint16_t)(i << 4 | length);
  }
  return true;
}

/* The next symbol, or -1. */
static int decode(stream *s, const code *c) {
  refill(s);
  unsigned entry = c->fast[s->bits & ((1 << FAST) - 1)], length = entry & 15;
  if (length) {
    if (length > s->held) return fail(s, DLRT_INFLATE_SHORT), -1;
    s->bits >>= length;
    s->held -= length;
    return (int)(entry >> 4);
  }
  int value = 0, first = 0, index = 0;
  for (length = 1; length <= LONGEST; length++) {
    if (length > s->held) return fail(s, DLRT_INFLATE_SHORT), -1;
    value |= (int)(s->bits >> (length - 1) & 1);
    int count = c->count[length];
    if (value - first < count) {
      s->bits >>= length;
      s->held -= length;
      return c->symbol[index + value - first];
    }
    index += count;
    first = (first + count) << 1;
    value <<= 1;
  }
  return fail(s, DLRT_INFLATE_BAD), -1;
}

static bool stored(stream *s) {
  unsigned unused, length, inverse;
  if (!take(s, s->held % 8, &unused) || !take(s, 16, &length) || !take(s, 16, &inverse))
    return false;
  if (length != (inverse ^ 0xffff)) return fail(s, DLRT_INFLATE_BAD);
  s->at -= s->held / 8; /* what was looked at ahead goes back */
  s->bits = s->held = 0;
  if ((size_t)(s->end - s->at) < length) return fail(s, DLRT_INFLATE_SHORT);
  if (!reserve(s, length)) return false;
  if (length) memcpy(s->to + s->used, s->at, length);
  s->used += length;
  s->at += length;
  return true;
}

/* Of lengths 257 .. 285 and of distances: the least value and how many bits more. */
static unsigned base_of(int symbol, unsigned *extra, int per) {
  *extra = symbol < 2 * per ? 0 : (unsigned)(symbol / per - 1);
  return symbol < 2 * per ? (unsigned)symbol : (unsigned)(per + symbol % per) << *extra;
}

static void copy_bytes(unsigned char *to, unsigned distance, unsigned length) {
  if (distance >= length)
    memcpy(to, to - distance, length);
  else /* what was just written repeats */
    for (unsigned i = 0; i < length; i++) to[i] = to[(ptrdiff_t)i - (ptrdiff_t)distance];
}

static bool copy(stream *s, int symbol, const code *distances) {
  unsigned extra, more, length, distance;
  if (symbol == 285) {
    length = 258;
  } else {
    length = 3 + base_of(symbol - 257, &extra, 4);
    if (symbol > 285) return fail(s, DLRT_INFLATE_BAD);
    if (!take(s, extra, &more)) return false;
    length += more;
  }
  int far = decode(s, distances);
  if (far < 0) return false;
  if (far > 29) return fail(s, DLRT_INFLATE_BAD);
  distance = 1 + base_of(far, &extra, 2);
  if (!take(s, extra, &more)) return false;
  distance += more;
  if (distance > s->used) return fail(s, DLRT_INFLATE_BAD);
  if (!reserve(s, length)) return false;
  copy_bytes(s->to + s->used, distance, length);
  s->used += length;
  return true;
}

/* Symbols with short codes while there is plenty of input and room: 36 bits at most are taken for
 * one, of 56 at hand. Stops before a symbol that is not of this kind; true at the block's end. */
static bool compressed_fast(stream *s, const code *literals, const code *distances) {
  const unsigned char *at = s->at;
  unsigned char *to = s->to;
  uint64_t bits = s->bits;
  size_t used = s->used;
  unsigned held = s->held;
  bool ended = false;
  while (s->end - at >= 8 && s->room - used >= 258) {
    for (; held <= 56; held += 8) bits |= (uint64_t)*at++ << held;
    uint64_t ahead = bits;
    unsigned entry = literals->fast[ahead & ((1 << FAST) - 1)], taken = entry & 15;
    int symbol = (int)(entry >> 4);
    if (!taken || symbol > 284) break;
    ahead >>= taken;
    if (symbol < 256) {
      to[used++] = (unsigned char)symbol;
    } else if (symbol > 256) {
      unsigned extra, length = 3 + base_of(symbol - 257, &extra, 4);
      length += (unsigned)(ahead & ((1u << extra) - 1));
      ahead >>= extra;
      taken += extra;
      entry = distances->fast[ahead & ((1 << FAST) - 1)];
      if (!(entry & 15) || entry >> 4 > 29) break;
      ahead >>= entry & 15;
      taken += entry & 15;
      unsigned distance = 1 + base_of((int)(entry >> 4), &extra, 2);
      distance += (unsigned)(ahead & ((1u << extra) - 1));
      ahead >>= extra;
      taken += extra;
      if (distance > used) break;
      copy_bytes(to + used, distance, length);
      used += length;
    }
    bits = ahead;
    held -= taken;
    ended = symbol == 256;
    if (ended) break;
  }
  s->at = at;
  s->bits = bits;
  s->held = held;
  s->used = used;
  return ended;
}

static bool compressed(stream *s, const code *literals, const code *distances) {
  for (;;) {
    if (compressed_fast(s, literals, distances)) return true;
    int symbol = decode(s, literals);
    if (symbol < 0) return false;
    if (symbol == 256) return true;
    if (symbol > 256) {
      if (!copy(s, symbol, distances)) return false;
    } else {
      if (s->used == s->room && !reserve(s, 1)) return false;
      s->to[s->used++] = (unsigned char)symbol;
    }
  }
}

static bool fixed(stream *s, code *literals, code *distances) {
  unsigned char lengths[LITERALS];
  for (int i = 0; i < LITERALS; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  make_code(literals, lengths, LITERALS);
  memset(lengths, 5, DISTANCES);
  make_code(distances, lengths, DISTANCES);
  return compressed(s, literals, distances);
}

static bool dynamic(stream *s, code *literals, code *distances) {
  static const unsigned char order[] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                        11, 4,  12, 3, 13, 2, 14, 1, 15};
  unsigned char lengths[LITERALS + DISTANCES + 138] = {0};
  unsigned literal_count, distance_count, code_count, value;
  if (!take(s, 5, &literal_count) || !take(s, 5, &distance_count) || !take(s, 4, &code_count))
    return false;
  literal_count += 257;
  distance_count += 1;
  for (unsigned i = 0; i < code_count + 4; i++) {
    if (!take(s, 3, &value)) return false;
    lengths[order[i]] = (unsigned char)value;
  }
  if (literal_count > 286 || !make_code(literals, lengths, sizeof order))
    return fail(s, DLRT_INFLATE_BAD);
  memset(lengths, 0, sizeof order);
  for (unsigned i = 0; i < literal_count + distance_count;) {
    int symbol = decode(s, literals);
    if (symbol < 0) return false;
    if (symbol < 16) {
      lengths[i++] = (unsigned char)symbol;
      continue;
    }
    if (symbol == 16 && !i) return fail(s, DLRT_INFLATE_BAD);
    unsigned char repeated = symbol == 16 ? lengths[i - 1] : 0;
    unsigned bits = symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    if (!take(s, bits, &value)) return false;
    for (value += symbol == 18 ? 11 : 3; value; value--) lengths[i++] = repeated;
    if (i > literal_count + distance_count) return fail(s, DLRT_INFLATE_BAD);
  }
  if (!lengths[256] || !make_code(literals, lengths, (int)literal_count) ||
      !make_code(distances, lengths + literal_count, (int)distance_count))
    return fail(s, DLRT_INFLATE_BAD);
  return compressed(s, literals, distances);
}

static bool blocks(stream *s) {
  code *codes = malloc(2 * sizeof *codes);
  if (!codes) return fail(s, DLRT_INFLATE_NO_MEMORY);
  bool good = true;
  for (unsigned last = 0, kind; good && !last;) {
    good = take(s, 1, &last) && take(s, 2, &kind);
    if (good)
      good = kind == 0   ? stored(s)
             : kind == 1 ? fixed(s, codes, codes + 1)
             : kind == 2 ? dynamic(s, codes, codes + 1)
                         : fail(s, DLRT_INFLATE_BAD);
  }
  free(codes);
  s->at -= s->held / 8; /* whole bytes that were looked at ahead */
  s->bits = s->held = 0;
  return good;
}

static uint32_t adler(const unsigned char *data, size_t size) {
  uint32_t a = 1, b = 0;
  while (size) {
    size_t part = size < 5552 ? size : 5552; /* as many as 32 bits can sum */
    size -= part;
    for (; part; part--) b += a += *data++;
    a %= 65521;
    b %= 65521;
  }
  return b << 16 | a;
}

bool dlrt_inflate(const void *from, size_t from_size, void *to, size_t size, bool zlib_head) {
  stream s = {.at = from, .end = (const unsigned char *)from + from_size, .to = to, .room = size};
  const unsigned char *at = from;
  if (zlib_head) {
    if (from_size < 2 || (at[0] & 15) != 8 || (at[0] << 8 | at[1]) % 31 || at[1] & 32) return false;
    s.at += 2;
  }
  if (!blocks(&s) || s.used != size) return false;
  if (!zlib_head) return true;
  if (s.end - s.at < 4) return false;
  uint32_t sum =
      (uint32_t)s.at[0] << 24 | (uint32_t)s.at[1] << 16 | (uint32_t)s.at[2] << 8 | s.at[3];
  return sum == adler(to, size);
}

static uint32_t little(const unsigned char *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Past the text that ends with a NUL. */
static bool skip_text(stream *s) {
  const unsigned char *end = memchr(s->at, 0, (size_t)(s->end - s->at));
  if (!end) return fail(s, DLRT_INFLATE_SHORT);
  s->at = end + 1;
  return true;
}

static bool member(stream *s) {
  enum { HEAD_SUM = 2, EXTRA = 4, NAME = 8, COMMENT = 16 };
  if (s->end - s->at < 10) return fail(s, DLRT_INFLATE_SHORT);
  unsigned flags = s->at[3];
  if (s->at[2] != 8 || flags & 0xe0) return fail(s, DLRT_INFLATE_BAD);
  s->at += 10;
  if (flags & EXTRA) {
    if (s->end - s->at < 2) return fail(s, DLRT_INFLATE_SHORT);
    size_t length = 2 + (size_t)(s->at[0] | s->at[1] << 8);
    if ((size_t)(s->end - s->at) < length) return fail(s, DLRT_INFLATE_SHORT);
    s->at += length;
  }
  if ((flags & NAME && !skip_text(s)) || (flags & COMMENT && !skip_text(s))) return false;
  if (flags & HEAD_SUM) {
    if (s->end - s->at < 2) return fail(s, DLRT_INFLATE_SHORT);
    s->at += 2;
  }
  size_t begin = s->used;
  if (!blocks(s)) return false;
  if (s->end - s->at < 8) return fail(s, DLRT_INFLATE_SHORT);
  if (little(s->at) != dlrt_crc32(0, s->to + begin, s->used - begin) ||
      little(s->at + 4) != (uint32_t)(s->used - begin))
    return fail(s, DLRT_INFLATE_BAD);
  s->at += 8;
  return true;
}

dlrt_inflate_result dlrt_gunzip(const unsigned char *from, size_t from_size, unsigned char **to,
                                size_t *size) {
  enum { FIRST_ROOM = 65536 };
  stream s = {.at = from,
              .end = from + from_size,
              .to = malloc(FIRST_ROOM),
              .room = FIRST_ROOM,
              .grows = true};
  if (!s.to) return DLRT_INFLATE_NO_MEMORY;
  /* Deflate makes at most 1032 bytes of one. */
  s.most = from_size > PTRDIFF_MAX / 2048 ? PTRDIFF_MAX / 2 : from_size * 1040 + 65536;
  do {
    if (!member(&s)) break;
    /* Files may be joined; what is no member after the first, as padding, is let pass. */
  } while (s.end - s.at >= 2 && s.at[0] == 0x1f && s.at[1] == 0x8b);
  if (s.result) {
    free(s.to);
    return s.result;
  }
  *to = s.to;
  *size = s.used;
  return DLRT_INFLATE_DONE;
}
