/* A vocabulary as the text that is read back. */
#include "runtime/tokens.h"
#include "runtime/unicode.h"

#include <stdio.h>
#include <stdlib.h>

static void put_names(FILE *to, const dlrt_vocabulary *v, uint32_t token) {
  size_t size;
  const unsigned char *bytes = dlrt_token(v, token, &size);
  for (size_t i = 0; i < size; i++) {
    unsigned char name[4];
    fwrite(name, 1, dlrt_utf8_put(dlrt_byte_name(bytes[i]), name), to);
  }
}

static void put_escapes(FILE *to, const dlrt_vocabulary *v, uint32_t token) {
  size_t size;
  const unsigned char *at = dlrt_token(v, token, &size), *end = at + size;
  while (at < end) {
    static const char from[] = "\\\n\r\t ", into[] = "\\nrts";
    const char *found = *at ? strchr(from, *at) : NULL;
    uint32_t character;
    size_t step = dlrt_utf8(at, end, &character);
    if (found)
      fprintf(to, "\\%c", into[found - from]);
    else if (!step || *at < ' ' || *at == 0x7f)
      fprintf(to, "\\x%02x", *at);
    else
      fwrite(at, 1, step, to);
    at += step ? step : 1;
  }
}

static void put_specials(FILE *to, const dlrt_vocabulary *v) {
  fputs(" special", to);
  for (uint32_t i = 0; i < v->special_count; i++) {
    size_t size;
    const unsigned char *name = dlrt_token(v, v->specials[i], &size);
    fprintf(to, " %.*s", (int)size, (const char *)name);
  }
  fputc('\n', to);
}

/* Whether the numbers are those that the merges alone give. */
static bool is_by_merges(const dlrt_vocabulary *v) {
  uint32_t next = 256;
  if (v->kind != DLRT_SUBWORDS || v->count < 256) return false;
  for (int i = 0; i < 256; i++)
    if (v->of_byte[dlrt_byte_ordered(i)] != (uint32_t)i) return false;
  for (uint32_t i = 0; i < v->pair_count; i++) {
    uint32_t made = dlrt_merge_of(v, v->pairs[2 * i], v->pairs[2 * i + 1])->result;
    if (v->pairs[2 * i] >= next || v->pairs[2 * i + 1] >= next || made > next) return false;
    next += made == next;
  }
  for (uint32_t i = 0; i < v->special_count; i++)
    if (v->specials[i] != next++) return false;
  return next == v->count;
}

static void put(FILE *to, const dlrt_vocabulary *v) {
  bool by_merges = is_by_merges(v);
  if (v->kind == DLRT_BYTES) {
    fputs("bytes", to);
    return;
  }
  if (by_merges)
    fputs("#version: 0.2", to);
  else
    fprintf(to, "#%s %u", dlrt_vocabulary_kind_name(v->kind), v->count);
  put_specials(to, v);
  for (uint32_t i = 0; i < v->count && !by_merges; i++) {
    size_t size;
    const unsigned char *name = dlrt_token(v, i, &size);
    if (dlrt_token_is_special(v, i))
      fwrite(name, 1, size, to);
    else if (v->kind == DLRT_SUBWORDS)
      put_names(to, v, i);
    else
      put_escapes(to, v, i);
    fputc('\n', to);
  }
  for (uint32_t i = 0; i < v->pair_count; i++) {
    put_names(to, v, v->pairs[2 * i]);
    fputc(' ', to);
    put_names(to, v, v->pairs[2 * i + 1]);
    fputc('\n', to);
  }
}

char *dlrt_vocabulary_text(const dlrt_vocabulary *v) {
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  if (!to) return NULL;
  put(to, v);
  bool failed = ferror(to) != 0;
  if (!fclose(to) && !failed) return text;
  free(text);
  return NULL;
}
