/* dlc subwords: vocabularies learnt from texts, texts as numbers of tokens, and back. */
#include "driver/learn.h"
#include "driver/output.h"
#include "driver/session.h"

#include "runtime/array.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { USUAL_SIZE = 8000, LARGEST_SIZE = 1 << 24 };

typedef struct {
  Session *session;
  Arena *arena;
  dlrt_file *files;
  size_t file_count;
  dlrt_vocabulary *cutter, *vocabulary;
  uint32_t *tokens;
  dlrt_error error;
} Work;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int fail(Work *w, const char *path) {
  session_file_failed(w->session, E0501, path, &w->error);
  return EXIT_INPUT;
}

/* The files after the action's word. */
static int open_files(Work *w) {
  const Options *options = w->session->options;
  size_t count = options->files.count - 1;
  w->files = ARENA_ARRAY(w->arena, count + 1, dlrt_file);
  for (size_t i = 0; i < count; i++) {
    const char *path = options->files.items[i + 1];
    dlrt_status status = dlrt_file_open(path, &w->files[i], &w->error);
    if (!status) {
      w->file_count++;
      status = dlrt_file_gunzip(path, &w->files[i], &w->error);
    }
    if (status) return fail(w, path);
  }
  if (count) return EXIT_DONE;
  Diagnostic *d =
      diag_usage(w->session->diagnostics, "subwords %s wants a file", options->files.items[0]);
  diag_help(d, "'-' is stdin");
  return EXIT_USAGE;
}

static const unsigned char *text_of(const dlrt_file *file) {
  return file->size ? file->data : (const unsigned char *)"";
}

static int open_vocabulary(Work *w) {
  const char *path = option_text(w->session->options, OPTION_vocabulary, NULL);
  if (!path) {
    Diagnostic *d = diag_usage(w->session->diagnostics, "which vocabulary?");
    diag_help(d, "--vocabulary FILE, which 'dlc subwords learn' writes");
    return EXIT_USAGE;
  }
  return dlrt_vocabulary_read(path, &w->vocabulary, &w->error) ? fail(w, path) : EXIT_DONE;
}

/* ---- learn ---- */

static bool add_special(Work *w, dlrt_vocabulary *v, const char *name) {
  size_t size = strlen(name);
  bool good = size && size <= DLRT_LONGEST_SPECIAL && v->special_count < DLRT_SPECIALS &&
              dlrt_token_special(v, name) == DLRT_NO_TOKEN;
  for (const char *c = name; *c; c++) good = good && (unsigned char)*c > ' ' && *c != 0x7f;
  if (good && dlrt_token_add(v, (const unsigned char *)name, size, true)) return true;
  diag_usage(w->session->diagnostics, "--special '%s': no blanks, each once, at most %d", name,
             DLRT_SPECIALS);
  return false;
}

static bool add_specials(Work *w, dlrt_vocabulary *v) {
  const Options *options = w->session->options;
  bool good =
      v->kind == DLRT_SUBWORDS ? add_special(w, v, "<|endoftext|>") : add_special(w, v, "<unk>");
  if (v->kind == DLRT_WORDS) good = good && add_special(w, v, "<eos>");
  for (size_t i = 0; good && i < options->values[OPTION_special].count; i++)
    good = add_special(w, v, options->values[OPTION_special].items[i]);
  return good;
}

static bool read_kind(Work *w, dlrt_vocabulary_kind *kind) {
  const char *name = option_text(w->session->options, OPTION_by, "subwords");
  for (*kind = DLRT_CHARACTERS; *kind <= DLRT_SUBWORDS; ++*kind)
    if (strcmp(name, dlrt_vocabulary_kind_name(*kind)) == 0) return true;
  diag_usage(w->session->diagnostics, "--by is '%s', not subwords, words or characters", name);
  return false;
}

static bool read_size(Work *w, dlrt_vocabulary_kind kind, int64_t *size) {
  const char *text = option_text(w->session->options, OPTION_size, NULL);
  int64_t least = kind == DLRT_SUBWORDS ? 256 + w->cutter->special_count
                                        : (int64_t)w->cutter->special_count + 1;
  *size = kind == DLRT_SUBWORDS ? USUAL_SIZE : LARGEST_SIZE;
  return !text ||
         option_integer(w->session->diagnostics, "--size", text, least, LARGEST_SIZE, size);
}

static bool write_vocabulary(Work *w) {
  char *text = dlrt_vocabulary_text(w->vocabulary);
  const char *path = option_text(w->session->options, OPTION_output, "-");
  if (!text) {
    diag_report(w->session->diagnostics, E0603, SPAN_NONE, "no memory to write the vocabulary");
    return false;
  }
  bool good = output_write(w->session, path, text, strlen(text));
  free(text);
  return good;
}

static int learn(Work *w) {
  dlrt_vocabulary_kind kind;
  int64_t size, bytes = 0;
  double started = seconds();
  if (!read_kind(w, &kind)) return EXIT_USAGE;
  w->cutter = dlrt_vocabulary_new(kind);
  w->vocabulary = dlrt_vocabulary_new(kind);
  if (!w->cutter || !w->vocabulary) return EXIT_INPUT;
  if (!add_specials(w, w->cutter) || !read_size(w, kind, &size)) return EXIT_USAGE;
  dlrt_vocabulary_finish(w->cutter);
  int code = open_files(w);
  if (code) return code;
  Pieces *pieces = pieces_new(w->arena, w->cutter);
  for (size_t i = 0; i < w->file_count; i++) {
    pieces_count(pieces, text_of(&w->files[i]), w->files[i].size);
    bytes += (int64_t)w->files[i].size;
  }
  bool whole, good = true;
  if (kind == DLRT_SUBWORDS) {
    for (int i = 0; good && i < 256; i++) {
      unsigned char byte = dlrt_byte_ordered(i);
      good = dlrt_token_add(w->vocabulary, &byte, 1, false);
    }
    whole = good && learn_subwords(pieces, w->vocabulary, size - w->cutter->special_count);
    good = good && add_specials(w, w->vocabulary);
  } else {
    good = add_specials(w, w->vocabulary);
    whole = good && learn_list(pieces, w->vocabulary, size);
  }
  if (!good || !write_vocabulary(w)) return EXIT_INPUT;
  if (w->session->quiet) return EXIT_DONE;
  fprintf(stderr, "%u %s of %" PRId64 " bytes, %zu different pieces, %.2f s\n",
          w->vocabulary->count, dlrt_vocabulary_kind_name(kind), bytes, pieces->list.count,
          seconds() - started);
  if (!whole && option_given(w->session->options, OPTION_size))
    fprintf(stderr, "note: the texts do not make %" PRId64 "\n", size);
  return EXIT_DONE;
}

/* ---- encode ---- */

static bool write_tokens(Work *w, int64_t count) {
  const char *path = option_text(w->session->options, OPTION_output, "-");
  size_t length = strlen(path);
  if (length > 4 && strcmp(path + length - 4, ".npy") == 0) {
    dlrt_result result = {
        .name = "token", .element = DLRT_I32, .rank = 1, .shape = {count}, .data = w->tokens};
    if (!dlrt_array_write(path, &result, 1, &w->error)) return true;
    return session_file_failed(w->session, E0603, path, &w->error);
  }
  Text text = text_new(w->arena);
  for (int64_t i = 0; i < count; i++) text_format(&text, "%" PRIu32 "\n", w->tokens[i]);
  return output_text(w->session, &text);
}

static int encode(Work *w) {
  int code = open_vocabulary(w);
  if (!code) code = open_files(w);
  if (code) return code;
  if (w->file_count != 1) {
    diag_usage(w->session->diagnostics, "subwords encode takes one file");
    return EXIT_USAGE;
  }
  double started = seconds();
  const dlrt_file *file = &w->files[0];
  int64_t count = dlrt_encode_all(w->vocabulary, text_of(file), file->size, &w->tokens);
  double took = seconds() - started;
  if (count < 0) {
    snprintf(w->error.text, sizeof w->error.text, "no memory for the tokens of %zu bytes",
             file->size);
    return fail(w, w->session->options->files.items[1]);
  }
  for (int64_t i = 0; i < count; i++)
    if (w->tokens[i] == DLRT_UNKNOWN) {
      snprintf(w->error.text, sizeof w->error.text,
               "number %" PRId64 " of its %s is not in the vocabulary, which has no <unk>", i,
               dlrt_vocabulary_kind_name(w->vocabulary->kind));
      return fail(w, w->session->options->files.items[1]);
    }
  if (!write_tokens(w, count)) return EXIT_INPUT;
  if (!w->session->quiet)
    fprintf(stderr, "%" PRId64 " tokens of %zu bytes, %.2f bytes each; %.3f s, %.0f MB/s\n", count,
            file->size, count ? (double)file->size / (double)count : 0, took,
            took > 0 ? (double)file->size / took * 1e-6 : 0);
  return EXIT_DONE;
}

/* ---- decode ---- */

static int decode(Work *w) {
  int code = open_vocabulary(w);
  if (!code) code = open_files(w);
  if (code) return code;
  Text text = text_new(w->arena);
  unsigned char *room = ARENA_ARRAY(w->arena, dlrt_decode_room(w->vocabulary), unsigned char);
  bool first = true;
  for (size_t i = 0; i < w->file_count; i++) {
    const unsigned char *at = text_of(&w->files[i]), *end = at + w->files[i].size;
    for (;;) {
      int64_t token = 0;
      while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r' || *at == ','))
        at++;
      if (at == end) break;
      const unsigned char *begin = at;
      while (at < end && *at >= '0' && *at <= '9' && token <= INT32_MAX)
        token = 10 * token + (*at++ - '0');
      if (at == begin || token >= w->vocabulary->count) {
        snprintf(w->error.text, sizeof w->error.text,
                 "byte %zu: no number of a token, which are 0 to %" PRId64,
                 (size_t)(begin - text_of(&w->files[i])), (int64_t)w->vocabulary->count - 1);
        return fail(w, w->session->options->files.items[i + 1]);
      }
      size_t size = dlrt_decode(w->vocabulary, token, &first, room);
      text_bytes(&text, (const char *)room, size);
    }
  }
  return output_text(w->session, &text) ? EXIT_DONE : EXIT_INPUT;
}

int command_subwords(Session *session) {
  static const struct {
    const char *name;
    int (*run)(Work *);
  } actions[] = {{"learn", learn}, {"encode", encode}, {"decode", decode}};
  const Options *options = session->options;
  const char *word = options->files.count ? options->files.items[0] : "";
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    if (strcmp(word, actions[i].name) != 0) continue;
    Work w = {.session = session, .arena = session->arena};
    int code = actions[i].run(&w);
    for (size_t k = 0; k < w.file_count; k++) dlrt_file_close(&w.files[k]);
    dlrt_vocabulary_free(w.cutter);
    dlrt_vocabulary_free(w.vocabulary);
    free(w.tokens);
    return code;
  }
  Diagnostic *d = *word ? diag_usage(session->diagnostics, "subwords does not '%s'", word)
                        : diag_usage(session->diagnostics, "subwords wants to know what to do");
  diag_help(d, "learn, encode or decode: dlc subwords learn FILE -o FILE");
  return EXIT_USAGE;
}
