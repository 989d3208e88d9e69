/* corpus.h - a text as rows of tokens to learn from.
 *
 * The file stays where it is, mapped; what is kept in memory is where each row begins. Row r holds
 * the tokens r * window, r * window + 1, ..; tokens are made when a row is asked for.
 *
 *   dlrt_corpus *corpus;
 *   status = dlrt_corpus_open("kjv.txt", vocabulary, 128, 1, &corpus, &error);
 *   status = dlrt_corpus_row(corpus, 0, 0, token, &error);      // what goes in
 *   status = dlrt_corpus_row(corpus, 0, 1, target, &error);     // the same, one token on
 *   dlrt_corpus_close(corpus);
 */
#ifndef DLRT_CORPUS_H
#define DLRT_CORPUS_H

#include "runtime/vocabulary.h"

typedef struct dlrt_corpus dlrt_corpus;

/* `after`: tokens that there must be behind a row's last. The vocabulary must last; NULL: bytes.
 * BAD_FILE: a character or word is not in the vocabulary, or there are not enough for a row. */
dlrt_status dlrt_corpus_open(const char *path, const dlrt_vocabulary *vocabulary, int64_t window,
                             int64_t after, dlrt_corpus **corpus, dlrt_error *error);
void dlrt_corpus_close(dlrt_corpus *corpus);
int64_t dlrt_corpus_rows(const dlrt_corpus *corpus);
int64_t dlrt_corpus_tokens(const dlrt_corpus *corpus);
const dlrt_file *dlrt_corpus_file(const dlrt_corpus *corpus);

/* `window` tokens from number row * window + shift on, shift <= after. */
dlrt_status dlrt_corpus_row(dlrt_corpus *corpus, int64_t row, int64_t shift, int64_t *tokens,
                            dlrt_error *error);

#endif
