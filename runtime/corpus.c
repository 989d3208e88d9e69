#include "runtime/corpus.h"

#include <stdlib.h>
#include <string.h>

/* A row's first token is number `skip` of the piece that begins at `offset`. */
typedef struct {
  uint64_t offset;
  uint32_t skip;
} mark;

/* Longer pieces are cut, so that no row has to look at more than a part of the text. */
enum { LONGEST = 1 << 16 };

struct dlrt_corpus {
  const dlrt_vocabulary *vocabulary;
  dlrt_encoder *encoder; /* NULL: a byte is a token */
  dlrt_file file;
  int64_t window, rows, tokens;
  mark *marks;
  size_t room;
};

static dlrt_status no_memory(dlrt_error *error) {
  return dlrt_fail(error, DLRT_NO_MEMORY, "no memory for where rows of a text begin");
}

static bool push(dlrt_corpus *c, size_t offset, uint32_t skip) {
  size_t used = (size_t)c->rows;
  if (used == c->room) {
    size_t room = c->room ? 2 * c->room : 1024;
    mark *more = room > PTRDIFF_MAX / sizeof *more ? NULL : realloc(c->marks, room * sizeof *more);
    if (!more) return false;
    c->marks = more;
    c->room = room;
  }
  c->marks[used] = (mark){offset, skip};
  c->rows++;
  return true;
}

static dlrt_status unknown(const char *path, const dlrt_corpus *c, const unsigned char *from,
                           const unsigned char *to, dlrt_error *error) {
  return dlrt_fail(error, DLRT_BAD_FILE,
                   "%.200s: byte %zu: '%.*s' is not in the vocabulary, which has no <unk>", path,
                   (size_t)(from - c->file.data), to - from > 40 ? 40 : (int)(to - from),
                   (const char *)from);
}

/* Finds where rows begin. */
static dlrt_status measure(const char *path, dlrt_corpus *c, int64_t after, dlrt_error *error) {
  const unsigned char *at = c->file.data, *end = at + c->file.size;
  int64_t next = 0; /* the token that the next row begins with */
  for (;;) {
    const unsigned char *begin = at;
    const uint32_t *tokens;
    int64_t count = dlrt_encode(c->encoder, &at, end, LONGEST, &tokens);
    if (count < 0) return no_memory(error);
    if (count == 0) break;
    if (tokens[0] == DLRT_UNKNOWN) return unknown(path, c, begin, at, error);
    for (; next < c->tokens + count; next += c->window)
      if (!push(c, (size_t)(begin - c->file.data), (uint32_t)(next - c->tokens)))
        return no_memory(error);
    c->tokens += count;
  }
  c->rows = c->tokens > after ? (c->tokens - after) / c->window : 0;
  return DLRT_OK;
}

dlrt_status dlrt_corpus_open(const char *path, const dlrt_vocabulary *vocabulary, int64_t window,
                             int64_t after, dlrt_corpus **corpus, dlrt_error *error) {
  *corpus = NULL;
  dlrt_corpus *c = calloc(1, sizeof *c);
  if (!c) return no_memory(error);
  c->vocabulary = vocabulary;
  c->window = window;
  dlrt_status status = dlrt_file_open(path, &c->file, error);
  if (!status) status = dlrt_file_gunzip(path, &c->file, error);
  if (!status && vocabulary && dlrt_vocabulary_kind_of(vocabulary) != DLRT_BYTES) {
    c->encoder = dlrt_encoder_new(vocabulary);
    status = c->encoder ? DLRT_OK : no_memory(error);
    if (!status && c->file.size) status = measure(path, c, after, error);
  } else if (!status) {
    c->tokens = (int64_t)c->file.size;
    c->rows = c->tokens > after ? (c->tokens - after) / window : 0;
  }
  if (!status && !c->rows)
    status = dlrt_fail(error, DLRT_BAD_FILE,
                       "%.300s: %lld tokens are no row, which takes %lld and %lld after it", path,
                       (long long)c->tokens, (long long)window, (long long)after);
  if (!status) {
    *corpus = c;
    return DLRT_OK;
  }
  dlrt_corpus_close(c);
  return status;
}

void dlrt_corpus_close(dlrt_corpus *c) {
  if (!c) return;
  dlrt_encoder_free(c->encoder);
  dlrt_file_close(&c->file);
  free(c->marks);
  free(c);
}

int64_t dlrt_corpus_rows(const dlrt_corpus *c) {
  return c->rows;
}

int64_t dlrt_corpus_tokens(const dlrt_corpus *c) {
  return c->tokens;
}

const dlrt_file *dlrt_corpus_file(const dlrt_corpus *c) {
  return &c->file;
}

dlrt_status dlrt_corpus_row(dlrt_corpus *c, int64_t row, int64_t shift, int64_t *tokens,
                            dlrt_error *error) {
  if (!c->encoder) {
    const unsigned char *from = c->file.data + row * c->window + shift;
    for (int64_t i = 0; i < c->window; i++) tokens[i] = from[i];
    return DLRT_OK;
  }
  const unsigned char *at = c->file.data + c->marks[row].offset;
  const unsigned char *end = c->file.data + c->file.size;
  int64_t skip = c->marks[row].skip + shift, made = 0;
  while (made < c->window) {
    const uint32_t *piece;
    int64_t count = dlrt_encode(c->encoder, &at, end, LONGEST, &piece);
    if (count < 0) return no_memory(error);
    /* The file is mapped: someone may have cut it since. */
    if (count == 0) return dlrt_fail(error, DLRT_BAD_FILE, "a text is not what it was");
    for (int64_t i = skip < count ? skip : count; i < count && made < c->window; i++)
      tokens[made++] = piece[i];
    skip = skip > count ? skip - count : 0;
  }
  return DLRT_OK;
}
