/* Texts as inputs of training. */
#include "runtime/texts.h"
#include "runtime/element.h"
#include "runtime/inflate.h"

#include <stdlib.h>
#include <string.h>

/* ---- the vocabulary ---- */

static int open_vocabulary(dlrt_program *program) {
  const char *kept =
      program->kept_vocabulary ? program->kept_vocabulary : program->model->vocabulary;
  dlrt_status status = DLRT_OK;
  if (program->tokens) return 0;
  if (program->vocabulary)
    status = dlrt_vocabulary_read(program->vocabulary, &program->tokens, &program->error);
  else if (kept && *kept)
    status = dlrt_vocabulary_parse("the kept vocabulary", kept, strlen(kept), &program->tokens,
                                   &program->error);
  if (status) return dlrt_complain_status(program, status, &program->error);
  if (!program->tokens || (program->kept_vocabulary && !program->vocabulary)) return 0;
  free(program->kept_vocabulary);
  program->kept_vocabulary = dlrt_vocabulary_text(program->tokens);
  return program->kept_vocabulary ? 0 : dlrt_complain(program, EXIT_INPUT, "no memory");
}

static void close_vocabulary(dlrt_program *program) {
  dlrt_vocabulary_free(program->tokens);
  program->tokens = NULL;
}

/* ---- inputs ---- */

static bool ends_with(const char *path, const char *end) {
  size_t length = strlen(path), tail = strlen(end);
  return length >= tail && memcmp(path + length - tail, end, tail) == 0;
}

/* Files of numbers say so, by name or by what they begin with. */
static bool is_text(const char *path) {
  static const char *const numbers[] = {".npy",    ".npz",    ".csv",    ".tsv",    ".raw",
                                        ".bin",    "ubyte",   ".npy.gz", ".npz.gz", ".csv.gz",
                                        ".tsv.gz", ".raw.gz", ".bin.gz", "ubyte.gz"};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (ends_with(path, numbers[i])) return false;
  if (ends_with(path, ".txt") || ends_with(path, ".txt.gz") || strcmp(path, "-") == 0) return true;
  dlrt_file file;
  dlrt_error ignored;
  if (dlrt_file_open(path, &file, &ignored)) return true; /* reading it says what is wrong */
  bool text = !(file.size > 6 &&
                (memcmp(file.data, "\x93NUMPY", 6) == 0 || memcmp(file.data, "PK\3\4", 4) == 0 ||
                 memcmp(file.data, "\0\0", 2) == 0));
  dlrt_file_close(&file);
  return text;
}

/* +K: the text of another input, K tokens on. */
static bool read_shift(const char *value, int64_t *shift) {
  if (*value != '+') return false;
  char *end;
  long long number = strtoll(value + 1, &end, 10);
  *shift = number;
  return !*end && end != value + 1 && number > 0 && number < INT32_MAX;
}

static bool may_be_text(const dlrt_input *input) {
  return input->port->rank == 2 && input->by_rows &&
         (input->port->element == DLRT_I64 || input->port->element == DLRT_I32);
}

/* Tokens of a row. */
static int64_t window_of(const dlrt_binding *binding, const dlrt_input *input) {
  int dim = input->axes[1].dim;
  if (dim < 0) return input->axes[1].length;
  return binding->dims[dim] > 0 ? binding->dims[dim] : binding->model->dims[dim].max;
}

static void take(dlrt_input *input, dlrt_corpus *corpus, int64_t window, int64_t shift) {
  input->corpus = corpus;
  input->shift = shift;
  input->array = (dlrt_array){.element = (dlrt_element)input->port->element,
                              .rank = 2,
                              .shape = {dlrt_corpus_rows(corpus), window}};
}

static dlrt_status bind_texts(dlrt_binding *binding, const dlrt_request *request,
                              const char *const *paths, dlrt_error *error) {
  int64_t count = binding->entry->input_count, after = 0, missing = 0, shift;
  dlrt_input *first = NULL, *alone = NULL;
  for (int64_t i = 0; i < count; i++) {
    dlrt_input *input = &binding->inputs[i];
    if (!may_be_text(input)) continue;
    if (paths[i] && read_shift(paths[i], &shift))
      after = shift > after ? shift : after;
    else if (paths[i] && !first && is_text(paths[i]))
      first = input;
  }
  for (int64_t i = 0; first && i < count; i++) {
    dlrt_input *input = &binding->inputs[i];
    if (paths[i] || strcmp(input->port->type, first->port->type)) continue;
    alone = input;
    missing++;
  }
  if (missing == 1 && after < 1) after = 1;
  for (int64_t i = 0; first && i < count; i++) {
    dlrt_input *input = &binding->inputs[i];
    if (!may_be_text(input) || !paths[i] || read_shift(paths[i], &shift) || !is_text(paths[i]))
      continue;
    int64_t window = window_of(binding, input);
    dlrt_status status = DLRT_OK;
    for (int64_t k = 0; k < i; k++) /* the same text */
      if (binding->inputs[k].corpus && paths[k] && strcmp(paths[k], paths[i]) == 0 &&
          binding->inputs[k].array.shape[1] == window)
        take(input, binding->inputs[k].corpus, window, 0);
    if (!input->corpus) {
      dlrt_corpus *corpus;
      status = dlrt_corpus_open(paths[i], request->vocabulary, window, after, &corpus, error);
      if (status) return status;
      input->owns_corpus = true;
      take(input, corpus, window, 0);
    }
  }
  for (int64_t i = 0; i < count; i++) {
    dlrt_input *input = &binding->inputs[i];
    bool follows = paths[i] && may_be_text(input) && read_shift(paths[i], &shift);
    if (missing == 1 && input == alone) {
      follows = true;
      shift = 1;
    }
    if (!follows) continue;
    if (!first || window_of(binding, input) != first->array.shape[1])
      return dlrt_fail(error, DLRT_BAD_ARGUMENT, "'%s' follows no text of its length",
                       input->port->name);
    take(input, first->corpus, first->array.shape[1], shift);
  }
  return DLRT_OK;
}

static dlrt_status fill_rows(const dlrt_input *input, const int64_t *rows, int64_t count, void *to,
                             dlrt_error *error) {
  int64_t window = input->array.shape[1];
  bool wide = input->port->element == DLRT_I64;
  int64_t *row = wide ? NULL : malloc((size_t)window * sizeof *row);
  dlrt_status status = DLRT_OK;
  if (!wide && !row) return dlrt_fail(error, DLRT_NO_MEMORY, "no memory for a row of tokens");
  for (int64_t r = 0; !status && r < count; r++) {
    int64_t *tokens = wide ? (int64_t *)to + r * window : row;
    status = dlrt_corpus_row(input->corpus, rows[r], input->shift, tokens, error);
    for (int64_t i = 0; !wide && i < window; i++) ((int32_t *)to)[r * window + i] = (int32_t)row[i];
  }
  free(row);
  return status;
}

static void release(dlrt_input *input) {
  if (input->owns_corpus) dlrt_corpus_close(input->corpus);
  input->corpus = NULL;
}

static void describe(const dlrt_input *input, const dlrt_vocabulary *vocabulary, FILE *to) {
  const dlrt_file *file = dlrt_corpus_file(input->corpus);
  char *text = vocabulary ? dlrt_vocabulary_text(vocabulary) : NULL;
  fprintf(to, "text %zu bytes crc32 %08x by %s", file->size,
          (unsigned)dlrt_crc32(0, file->data, file->size),
          vocabulary ? dlrt_vocabulary_kind_name(dlrt_vocabulary_kind_of(vocabulary)) : "bytes");
  if (text) fprintf(to, " crc32 %08x", (unsigned)dlrt_crc32(0, text, strlen(text)));
  if (input->shift) fprintf(to, " +%lld", (long long)input->shift);
  free(text);
}

static void say(const dlrt_input *input, const dlrt_vocabulary *vocabulary, FILE *to) {
  fprintf(to, "%s %s in rows of %lld", dlrt_thousands(dlrt_corpus_tokens(input->corpus)),
          vocabulary ? dlrt_vocabulary_kind_name(dlrt_vocabulary_kind_of(vocabulary)) : "bytes",
          (long long)input->array.shape[1]);
}

const dlrt_texts dlrt_text_parts = {open_vocabulary, close_vocabulary, bind_texts, fill_rows,
                                    release,         describe,         say};
