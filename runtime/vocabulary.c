/* Vocabularies in files: read whole, every count and place checked. */
#include "runtime/json.h"
#include "runtime/tokens.h"
#include "runtime/unicode.h"

#include <stdlib.h>

typedef struct {
  const char *path, *at, *end;
  int64_t line; /* number of the one that was taken last */
  dlrt_vocabulary *v;
  unsigned char *room; /* for a token's bytes, as long as the text */
  short of_name[512];  /* bytes by GPT-2's names, or -1 */
  dlrt_error *error;
} reader;

static dlrt_status no_memory(const reader *r) {
  return dlrt_fail(r->error, DLRT_NO_MEMORY, "%.300s: no memory for its tokens", r->path);
}

static dlrt_status bad(const reader *r, const char *what) {
  return dlrt_fail(r->error, DLRT_BAD_FILE, "%.300s:%lld: %s", r->path, (long long)r->line, what);
}

/* The next line, without its end. */
static bool take_line(reader *r, const char **line, size_t *size) {
  if (r->at >= r->end) return false;
  const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
  if (!stop) stop = r->end;
  *line = r->at;
  *size = (size_t)(stop - r->at);
  if (*size && stop[-1] == '\r') --*size;
  r->at = stop < r->end ? stop + 1 : stop;
  r->line++;
  return true;
}

/* ---- names of tokens ---- */

/* Characters that stand for bytes; 0: one stands for none. */
static size_t bytes_of_names(const reader *r, const char *text, size_t size, unsigned char *to) {
  const unsigned char *at = (const unsigned char *)text, *end = at + size;
  size_t used = 0;
  while (at < end) {
    uint32_t character;
    size_t step = dlrt_utf8(at, end, &character);
    if (!step || character >= 512 || r->of_name[character] < 0) return 0;
    to[used++] = (unsigned char)r->of_name[character];
    at += step;
  }
  return used;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \\ \n \r \t \s \xHH; 0: an escape that is none. */
static size_t bytes_of_escapes(const char *text, size_t size, unsigned char *to) {
  static const char from[] = "\\nrts", into[] = "\\\n\r\t ";
  size_t used = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] != '\\') {
      to[used++] = (unsigned char)text[i];
      continue;
    }
    if (++i == size) return 0;
    const char *found = text[i] ? strchr(from, text[i]) : NULL;
    if (found) {
      to[used++] = (unsigned char)into[found - from];
    } else if (text[i] == 'x' && i + 2 < size && digit(text[i + 1]) >= 0 &&
               digit(text[i + 2]) >= 0) {
      to[used++] = (unsigned char)(16 * digit(text[i + 1]) + digit(text[i + 2]));
      i += 2;
    } else {
      return 0;
    }
  }
  return used;
}

static bool is_special_name(const char *name, size_t size) {
  if (!size || size > DLRT_LONGEST_SPECIAL) return false;
  for (size_t i = 0; i < size; i++)
    if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f) return false;
  return true;
}

/* ---- what a text holds ---- */

typedef struct {
  int64_t count; /* of tokens that follow; -1: merges alone */
  const char *names[DLRT_SPECIALS];
  size_t sizes[DLRT_SPECIALS];
  size_t specials;
  bool said; /* the special ones */
  dlrt_vocabulary_kind kind;
} heading;

static size_t take_word(const char **at, const char *end, const char **word) {
  while (*at < end && (**at == ' ' || **at == '\t')) ++*at;
  *word = *at;
  while (*at < end && **at != ' ' && **at != '\t') ++*at;
  return (size_t)(*at - *word);
}

static bool is_word(const char *word, size_t size, const char *wanted) {
  return size == strlen(wanted) && memcmp(word, wanted, size) == 0;
}

/* #version: 0.2 special <|endoftext|> */
static dlrt_status read_heading(reader *r, heading *h) {
  const char *at, *word;
  size_t size, length;
  *h = (heading){.count = -1, .kind = DLRT_SUBWORDS};
  if (!take_line(r, &at, &length)) return bad(r, "empty; a vocabulary begins with its kind");
  const char *end = at + length;
  size = take_word(&at, end, &word);
  if (is_word(word, size, "#version:")) {
    take_word(&at, end, &word);
  } else if (is_word(word, size, "#subwords") || is_word(word, size, "#words") ||
             is_word(word, size, "#characters")) {
    h->kind = word[1] == 's' ? DLRT_SUBWORDS : word[1] == 'w' ? DLRT_WORDS : DLRT_CHARACTERS;
    size = take_word(&at, end, &word);
    int64_t count = 0;
    for (size_t i = 0; i < size && count <= INT32_MAX; i++)
      count = word[i] >= '0' && word[i] <= '9' ? 10 * count + (word[i] - '0') : INT64_MAX / 16;
    if (!size || count < 1 || count > INT32_MAX) return bad(r, "how many tokens follow?");
    h->count = count;
  } else {
    return bad(r, "no vocabulary: its first line says #version:, #subwords, #words or #characters");
  }
  size = take_word(&at, end, &word);
  if (!size) return DLRT_OK;
  if (!is_word(word, size, "special")) return bad(r, "after the kind 'special NAME ..' may follow");
  h->said = true;
  while ((size = take_word(&at, end, &word))) {
    if (h->specials == DLRT_SPECIALS) return bad(r, "more than 64 special tokens");
    if (!is_special_name(word, size)) return bad(r, "this is no name of a special token");
    h->names[h->specials] = word;
    h->sizes[h->specials++] = size;
  }
  return DLRT_OK;
}

static bool is_special(const heading *h, const char *name, size_t size) {
  for (size_t i = 0; i < h->specials; i++)
    if (h->sizes[i] == size && memcmp(h->names[i], name, size) == 0) return true;
  return false;
}

static dlrt_status add_special(reader *r, const char *name, size_t size) {
  dlrt_vocabulary *v = r->v;
  for (uint32_t i = 0; i < v->special_count; i++) {
    size_t length;
    const unsigned char *there = dlrt_token(v, v->specials[i], &length);
    if (length == size && memcmp(there, name, size) == 0)
      return bad(r, "a special token is there twice");
  }
  return dlrt_token_add(v, (const unsigned char *)name, size, true) ? DLRT_OK : no_memory(r);
}

static dlrt_status add_token(reader *r, const unsigned char *bytes, size_t size) {
  if (dlrt_token_of(r->v, bytes, size) != DLRT_UNKNOWN) return bad(r, "a token is there twice");
  return dlrt_token_add(r->v, bytes, size, false) ? DLRT_OK : no_memory(r);
}

static dlrt_status read_tokens(reader *r, const heading *h) {
  const char *line;
  size_t size, used;
  for (int64_t i = 0; i < h->count; i++) {
    if (!take_line(r, &line, &size)) return bad(r, "it ends before all its tokens");
    dlrt_status status;
    if (is_special(h, line, size)) {
      status = add_special(r, line, size);
    } else {
      used = h->kind == DLRT_SUBWORDS ? bytes_of_names(r, line, size, r->room)
                                      : bytes_of_escapes(line, size, r->room);
      status = used ? add_token(r, r->room, used) : bad(r, "this is no token");
    }
    if (status) return status;
  }
  if (r->v->special_count != h->specials) return bad(r, "a special token is not among the tokens");
  return DLRT_OK;
}

static dlrt_status add_bytes(reader *r) {
  for (int i = 0; i < 256; i++) {
    unsigned char byte = dlrt_byte_ordered(i);
    dlrt_status status = add_token(r, &byte, 1);
    if (status) return status;
  }
  return DLRT_OK;
}

/* A line is two tokens with a blank between; `make`: what they make is a new token. */
static dlrt_status read_merge(reader *r, const char *line, size_t size, bool make) {
  const char *blank = memchr(line, ' ', size);
  if (!blank || memchr(blank + 1, ' ', size - (size_t)(blank + 1 - line)))
    return bad(r, "a merge is two tokens with a blank between");
  size_t left = bytes_of_names(r, line, (size_t)(blank - line), r->room);
  size_t right = bytes_of_names(r, blank + 1, size - (size_t)(blank + 1 - line), r->room + left);
  if (!left || !right) return bad(r, "this is no token");
  uint32_t first = dlrt_token_of(r->v, r->room, left);
  uint32_t second = dlrt_token_of(r->v, r->room + left, right);
  uint32_t both = dlrt_token_of(r->v, r->room, left + right);
  if (first == DLRT_UNKNOWN || second == DLRT_UNKNOWN)
    return bad(r, "a merge of what is no token yet");
  if (both == DLRT_UNKNOWN) {
    if (!make) return bad(r, "what this merge makes is no token");
    both = r->v->count;
    if (!dlrt_token_add(r->v, r->room, left + right, false)) return no_memory(r);
  }
  bool again;
  if (!dlrt_merge_add(r->v, first, second, both, &again)) return no_memory(r);
  return again ? bad(r, "this merge is there twice") : DLRT_OK;
}

static dlrt_status read_merges(reader *r, bool make) {
  const char *line;
  size_t size;
  while (take_line(r, &line, &size)) {
    if (!size && r->at == r->end) break;
    dlrt_status status = read_merge(r, line, size, make);
    if (status) return status;
  }
  return DLRT_OK;
}

static dlrt_status check_bytes(reader *r) {
  for (int i = 0; i < 256; i++)
    if (r->v->of_byte[i] == DLRT_UNKNOWN)
      return dlrt_fail(r->error, DLRT_BAD_FILE, "%.300s: no token is the byte 0x%02x", r->path,
                       (unsigned)i);
  return DLRT_OK;
}

static dlrt_status read_text(reader *r) {
  heading h;
  dlrt_status status = read_heading(r, &h);
  if (status) return status;
  r->v = dlrt_vocabulary_new(h.kind);
  if (!r->v) return no_memory(r);
  if (h.count >= 0)
    status = read_tokens(r, &h);
  else
    status = add_bytes(r);
  if (!status && h.kind == DLRT_SUBWORDS) {
    status = read_merges(r, h.count < 0);
    if (!status) status = check_bytes(r);
  } else if (!status && r->at < r->end) {
    status = bad(r, "more lines than tokens");
  }
  if (!status && h.count < 0 && !h.said) status = add_special(r, "<|endoftext|>", 13);
  for (size_t i = 0; !status && h.count < 0 && i < h.specials; i++)
    status = add_special(r, h.names[i], h.sizes[i]);
  return status;
}

/* ---- JSON ---- */

typedef struct {
  const char *name;
  int64_t number;
} named;

static dlrt_status read_names(reader *r, const char *text, size_t size, named **list, char **names,
                              int64_t *count) {
  dlrt_json json = {text, text + size, false};
  size_t room = 0;
  char *to = *names = malloc(size + 1);
  if (!to) return no_memory(r);
  dlrt_json_need(&json, '{');
  if (!dlrt_json_take(&json, '}')) {
    do {
      if ((size_t)*count == room) {
        room = room ? 2 * room : 4096;
        named *more = realloc(*list, room * sizeof *more);
        if (!more) return no_memory(r);
        *list = more;
      }
      named *n = &(*list)[(*count)++];
      n->name = dlrt_json_string(&json, &to);
      dlrt_json_need(&json, ':');
      n->number = dlrt_json_count(&json);
    } while (!json.bad && dlrt_json_take(&json, ','));
    dlrt_json_need(&json, '}');
  }
  if (json.bad)
    return dlrt_fail(r->error, DLRT_BAD_FILE, "%.300s: not {\"token\": number, ..}: byte %lld",
                     r->path, (long long)(json.at - text));
  return DLRT_OK;
}

/* The merges' file beside vocab.json or encoder.json. */
static dlrt_status open_merges(const reader *r, dlrt_file *file, char **path) {
  static const char *const names[] = {"merges.txt", "vocab.bpe"};
  const char *slash = strrchr(r->path, '/');
  size_t folder = slash ? (size_t)(slash + 1 - r->path) : 0;
  dlrt_status status = DLRT_OK;
  *path = malloc(folder + 16);
  if (!*path) return no_memory(r);
  memcpy(*path, r->path, folder);
  for (int i = 0; i < 2; i++) {
    memcpy(*path + folder, names[i], strlen(names[i]) + 1);
    status = dlrt_file_open(*path, file, r->error);
    if (!status) return DLRT_OK;
  }
  return dlrt_fail(r->error, status,
                   "%.300s: its merges, merges.txt or vocab.bpe, are not beside it", r->path);
}

/* Whether some merge makes these bytes: the lines' halves together. */
static dlrt_status note_made(reader *merges, dlrt_vocabulary *made) {
  const char *line;
  size_t size;
  while (take_line(merges, &line, &size)) {
    const char *blank = memchr(line, ' ', size);
    if (!blank) continue;
    size_t left = bytes_of_names(merges, line, (size_t)(blank - line), merges->room);
    size_t right =
        bytes_of_names(merges, blank + 1, size - (size_t)(blank + 1 - line), merges->room + left);
    if (dlrt_token_of(made, merges->room, left + right) == DLRT_UNKNOWN && left + right &&
        !dlrt_token_add(made, merges->room, left + right, false))
      return no_memory(merges);
  }
  return DLRT_OK;
}

/* Tokens in the order of their numbers; special are those that no merge makes. */
static dlrt_status add_named(reader *r, const named *list, int64_t count,
                             const dlrt_vocabulary *made) {
  const char **ordered = calloc((size_t)count + 1, sizeof *ordered);
  dlrt_status status = ordered ? DLRT_OK : no_memory(r);
  for (int64_t i = 0; !status && i < count; i++) {
    if (list[i].number >= count || ordered[list[i].number])
      status = dlrt_fail(r->error, DLRT_BAD_FILE,
                         "%.300s: the numbers of %lld tokens are not 0 to %lld, each once", r->path,
                         (long long)count, (long long)count - 1);
    else
      ordered[list[i].number] = list[i].name;
  }
  for (int64_t i = 0; !status && i < count; i++) {
    size_t size = strlen(ordered[i]), used = bytes_of_names(r, ordered[i], size, r->room);
    if (used && (used == 1 || dlrt_token_of(made, r->room, used) != DLRT_UNKNOWN))
      status = add_token(r, r->room, used);
    else if (r->v->special_count < DLRT_SPECIALS && is_special_name(ordered[i], size))
      status = add_special(r, ordered[i], size);
    else
      status = dlrt_fail(r->error, DLRT_BAD_FILE, "%.200s: no merge makes the token '%.60s'",
                         r->path, ordered[i]);
  }
  free(ordered);
  return status;
}

static dlrt_status read_json(reader *r, const dlrt_file *file) {
  named *list = NULL;
  char *names = NULL, *path = NULL;
  int64_t count = 0;
  dlrt_file merges = {0};
  dlrt_vocabulary *made = dlrt_vocabulary_new(DLRT_SUBWORDS);
  dlrt_status status = made ? DLRT_OK : no_memory(r);
  r->v = dlrt_vocabulary_new(DLRT_SUBWORDS);
  if (!r->v) status = no_memory(r);
  if (!status) status = read_names(r, (const char *)file->data, file->size, &list, &names, &count);
  if (!status) status = open_merges(r, &merges, &path);
  const char *vocabulary = r->path;
  reader m = *r;
  m.path = path;
  m.room = malloc(merges.size + file->size + 1);
  if (!m.room) status = no_memory(r);
  const char *begin = merges.size ? (const char *)merges.data : "";
  m.at = begin;
  m.end = m.at + merges.size;
  if (!status) status = note_made(&m, made);
  free(r->room);
  r->room = m.room;
  if (!status) status = add_named(r, list, count, made);
  m.at = begin;
  m.line = 0;
  const char *line;
  size_t size;
  if (!status && m.end - m.at > 9 && memcmp(m.at, "#version:", 9) == 0) take_line(&m, &line, &size);
  if (!status) status = read_merges(&m, false);
  r->path = vocabulary;
  if (!status) status = check_bytes(r);
  dlrt_vocabulary_free(made);
  dlrt_file_close(&merges);
  free(path);
  free(names);
  free(list);
  return status;
}

/* ---- from outside ---- */

static dlrt_status read_any(const char *path, const dlrt_file *file, bool may_be_json,
                            dlrt_vocabulary **v, dlrt_error *error) {
  reader r = {.path = path, .error = error};
  r.at = file->size ? (const char *)file->data : "";
  r.end = r.at + file->size;
  r.room = malloc(file->size + 1);
  *v = NULL;
  if (!r.room) return no_memory(&r);
  for (int i = 0; i < 512; i++) r.of_name[i] = (short)dlrt_byte_named((uint32_t)i);
  size_t blanks = 0;
  while (blanks < file->size && file->data[blanks] <= ' ') blanks++;
  bool json = may_be_json && blanks < file->size && file->data[blanks] == '{';
  dlrt_status status = json ? read_json(&r, file) : read_text(&r);
  free(r.room);
  if (status) {
    dlrt_vocabulary_free(r.v);
    return status;
  }
  dlrt_vocabulary_finish(r.v);
  *v = r.v;
  return DLRT_OK;
}

static dlrt_status bytes(dlrt_vocabulary **v, dlrt_error *error) {
  *v = dlrt_vocabulary_bytes();
  return *v ? DLRT_OK : dlrt_fail(error, DLRT_NO_MEMORY, "no memory for a vocabulary");
}

dlrt_status dlrt_vocabulary_read(const char *path, dlrt_vocabulary **v, dlrt_error *error) {
  dlrt_file file;
  *v = NULL;
  if (strcmp(path, "bytes") == 0) return bytes(v, error);
  dlrt_status status = dlrt_file_open(path, &file, error);
  if (!status) status = dlrt_file_gunzip(path, &file, error);
  if (!status) status = read_any(path, &file, true, v, error);
  dlrt_file_close(&file);
  return status;
}

dlrt_status dlrt_vocabulary_parse(const char *path, const char *text, size_t size,
                                  dlrt_vocabulary **v, dlrt_error *error) {
  if (size == 5 && memcmp(text, "bytes", 5) == 0) return bytes(v, error);
  dlrt_file file = {(const unsigned char *)text, size, DLRT_BORROWED};
  return read_any(path, &file, false, v, error);
}
