/* GPT-2's pieces of text (Radford et al. 2019), which merges do not cross:
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * Bytes that are no UTF-8 are characters that are neither letter, number nor space. */
#include "runtime/unicode.h"
#include "runtime/vocabulary.h"

typedef struct {
  const unsigned char *end;
  const unsigned char *classes;
  bool (*stops)(const void *, const unsigned char *, const unsigned char *);
  const void *argument;
} cutter;

void dlrt_split_classes(unsigned char classes[256]) {
  for (uint32_t c = 0; c < 256; c++)
    classes[c] = c < 0x80   ? (unsigned char)dlrt_class_of(c)
                 : c < 0xc2 ? DLRT_OTHER
                            : DLRT_SPLIT_MANY;
}

/* The class of the character at `at` and its size; 0: the text ends there. */
static size_t look(const cutter *c, const unsigned char *at, dlrt_class *class) {
  if (at == c->end) return 0;
  unsigned char mark = c->classes[*at];
  if (mark & DLRT_SPLIT_STOP && c->stops(c->argument, at, c->end)) return 0;
  if (mark & DLRT_SPLIT_MANY) {
    uint32_t character;
    size_t size = dlrt_utf8(at, c->end, &character);
    *class = size ? dlrt_class_of(character) : DLRT_OTHER;
    return size ? size : 1;
  }
  *class = mark & 3;
  return 1;
}

/* Past the characters of a class. */
static const unsigned char *run(const cutter *c, const unsigned char *at, dlrt_class wanted) {
  for (;;) {
    dlrt_class class;
    /* Most characters. */
    while (at < c->end && c->classes[*at] == wanted) at++;
    size_t size = look(c, at, &class);
    if (!size || class != wanted) return at;
    at += size;
  }
}

/* 's 't 're 've 'm 'll 'd */
static size_t contraction(const unsigned char *at, const unsigned char *end) {
  size_t left = (size_t)(end - at);
  if (left < 2) return 0;
  switch (at[1]) {
  case 's':
  case 't':
  case 'm':
  case 'd':
    return 2;
  case 'r':
  case 'v':
    return left > 2 && at[2] == 'e' ? 3 : 0;
  case 'l':
    return left > 2 && at[2] == 'l' ? 3 : 0;
  default:
    return 0;
  }
}

/* \s+(?!\S)|\s+: a space that a word can begin with is left to it. */
static const unsigned char *spaces(const cutter *c, const unsigned char *at) {
  const unsigned char *last = at; /* the last space of the run */
  dlrt_class class;
  size_t size;
  const unsigned char *begin = at;
  while ((size = look(c, at, &class)) && class == DLRT_SPACE) {
    last = at;
    at += size;
  }
  return size && last != begin ? last : at;
}

const unsigned char *
dlrt_split(const unsigned char *at, const unsigned char *end, const unsigned char classes[256],
           bool (*stops)(const void *, const unsigned char *, const unsigned char *),
           const void *argument) {
  cutter c = {end, classes, stops, argument};
  dlrt_class class, next;
  const unsigned char *word = at;
  size_t size;
  if (*at == '\'' && (size = contraction(at, end))) {
    /* A special token that begins inside ends the piece before it. */
    bool whole = true;
    for (size_t i = 1; i < size; i++)
      whole = whole && !(classes[at[i]] & DLRT_SPLIT_STOP && stops(argument, at + i, end));
    if (whole) return at + size;
  }
  size = look(&c, at, &class);
  if (!size) return at; /* a special token, which the caller has seen */
  if (*at == ' ') {
    size = look(&c, at + 1, &next);
    if (size && next != DLRT_SPACE) {
      class = next;
      word = at + 1;
    }
  }
  return class == DLRT_SPACE ? spaces(&c, at) : run(&c, word, class);
}

/* ---- names of bytes ---- */

static bool is_printed(uint32_t c) {
  return (c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff);
}

/* Those that are no characters to print are the characters from 256 on, in order. */
uint32_t dlrt_byte_name(unsigned char byte) {
  if (is_printed(byte)) return byte;
  uint32_t name = 256;
  for (uint32_t c = 0; c < byte; c++) name += !is_printed(c);
  return name;
}

int dlrt_byte_named(uint32_t character) {
  if (character < 256) return is_printed(character) ? (int)character : -1;
  uint32_t name = 256;
  for (int c = 0; c < 256; c++)
    if (!is_printed((uint32_t)c) && name++ == character) return c;
  return -1;
}

unsigned char dlrt_byte_ordered(int token) {
  int at = 0;
  for (int printed = 1; printed >= 0; printed--)
    for (int c = 0; c < 256; c++)
      if (is_printed((uint32_t)c) == (printed == 1) && at++ == token) return (unsigned char)c;
  return 0;
}
