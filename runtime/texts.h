/* texts.h - what programs do with texts, as one table that a model points to if it does: nothing of
 * it is linked into others.
 *
 *   texts.c       texts as inputs of training: rows of tokens, and the same some tokens on
 *   corpus.c, encode.c, ..    what they are made of
 *
 * An integer input of rows of tokens, i64[N,T], takes a text. Another one of its type may be
 * `target=+1`, the same text one token on, which is also what a single one that is not given takes.
 */
#ifndef DLRT_TEXTS_H
#define DLRT_TEXTS_H

#include "runtime/corpus.h"
#include "runtime/program.h"

struct dlrt_texts {
  /* Opens the vocabulary: --vocabulary, or what the parameters keep. 0 or an exit code. */
  int (*open)(dlrt_program *program);
  void (*close)(dlrt_program *program);
  /* Opens the texts among the inputs; their arrays get a shape and no data. `paths`: what was
   * given for each, or NULL. */
  dlrt_status (*bind)(dlrt_binding *binding, const dlrt_request *request, const char *const *paths,
                      dlrt_error *error);
  dlrt_status (*rows)(const dlrt_input *input, const int64_t *rows, int64_t count, void *to,
                      dlrt_error *error);
  void (*release)(dlrt_input *input);
  /* "text 4,123,456 bytes crc32 3f1c09aa by 3f1c09aa": its bytes' and its vocabulary's sums. */
  void (*describe)(const dlrt_input *input, const dlrt_vocabulary *vocabulary, FILE *to);
  /* "986,045 subwords in rows of 128" */
  void (*say)(const dlrt_input *input, const dlrt_vocabulary *vocabulary, FILE *to);
};

#endif
