/* vocabulary.h - tokens and their numbers: how a text becomes numbers and numbers a text.
 *
 * A token is some bytes, or special (<|endoftext|>): written by its name, never made of text that
 * only looks so after it was cut. Four kinds:
 *
 *   bytes       the 256 bytes; needs no file: "bytes"
 *   characters  those of a list; others are <unk>
 *   words       what blanks part, of a list; others are <unk>; a newline is <eos>
 *   subwords    bytes and what merges make of them, as GPT-2's: any text, also what is no UTF-8
 *
 * Files, each read by its first line (docs/text.md has them):
 *
 *   #version: 0.2 [special NAME ..]       merges.txt: a merge a line; tokens are the 256 bytes in
 *                                         the order of their names, the merges, then the special
 *                                         ones, which are <|endoftext|> unless the line says them
 *   #subwords COUNT [special NAME ..]     COUNT tokens, a line each, then merges
 *   #characters COUNT [special NAME ..]   COUNT tokens, a line each
 *   #words COUNT [special NAME ..]        likewise
 *   {"!": 0, ..}                          vocab.json, encoder.json: tokens and numbers; the merges
 *                                         are in merges.txt or vocab.bpe beside it
 *
 * In subwords' files bytes are named by characters that can be printed, as GPT-2's (0x20 is
 * U+0120); in the others \\, \n, \r, \t, \s (a blank) and \xHH are escapes.
 *
 *   dlrt_vocabulary *v;
 *   status = dlrt_vocabulary_read("kjv.vocabulary", &v, &error);
 *   dlrt_encoder *encoder = dlrt_encoder_new(v);
 *   const uint32_t *tokens;
 *   while ((count = dlrt_encode(encoder, &at, end, &tokens)) > 0) ..   // piece by piece
 *   dlrt_encoder_free(encoder);
 *   dlrt_vocabulary_free(v);
 */
#ifndef DLRT_VOCABULARY_H
#define DLRT_VOCABULARY_H

#include "runtime/file.h"

typedef enum { DLRT_BYTES, DLRT_CHARACTERS, DLRT_WORDS, DLRT_SUBWORDS } dlrt_vocabulary_kind;

typedef struct dlrt_vocabulary dlrt_vocabulary;

enum { DLRT_NO_TOKEN = -1 };

/* A file, or "bytes". */
dlrt_status dlrt_vocabulary_read(const char *path, dlrt_vocabulary **v, dlrt_error *error);
/* A text in one of the forms above but JSON; `path` is for messages. */
dlrt_status dlrt_vocabulary_parse(const char *path, const char *text, size_t size,
                                  dlrt_vocabulary **v, dlrt_error *error);
void dlrt_vocabulary_free(dlrt_vocabulary *v);
/* The text that parse makes the same vocabulary of; the caller frees it. NULL: no memory. */
char *dlrt_vocabulary_text(const dlrt_vocabulary *v);

dlrt_vocabulary_kind dlrt_vocabulary_kind_of(const dlrt_vocabulary *v);
const char *dlrt_vocabulary_kind_name(dlrt_vocabulary_kind kind); /* "subwords" */
int64_t dlrt_vocabulary_count(const dlrt_vocabulary *v);
/* A token's bytes; of a special one its name. */
const unsigned char *dlrt_token(const dlrt_vocabulary *v, int64_t token, size_t *size);
bool dlrt_token_is_special(const dlrt_vocabulary *v, int64_t token);
/* The special token of that name, or DLRT_NO_TOKEN. */
int64_t dlrt_token_special(const dlrt_vocabulary *v, const char *name);

/* ---- to numbers: encode.c ---- */

typedef struct dlrt_encoder dlrt_encoder;

dlrt_encoder *dlrt_encoder_new(const dlrt_vocabulary *v); /* NULL: no memory */
void dlrt_encoder_free(dlrt_encoder *encoder);
#define DLRT_UNKNOWN UINT32_MAX

/* What is looked up or merged as one: a word with the blank before it, a character, .. */
typedef struct {
  const unsigned char *begin;
  size_t size;
  uint32_t special; /* the token that it is, or DLRT_UNKNOWN */
} dlrt_piece;

/* The text's first piece, past which *at moves; false: none is left. Pieces do not depend on what
 * stood before, so that cutting can begin at any of them. `longest`: subwords' pieces of more bytes
 * are cut there; 0: never. */
bool dlrt_piece_next(const dlrt_vocabulary *v, const unsigned char **at, const unsigned char *end,
                     size_t longest, dlrt_piece *piece);
/* The tokens of the next piece and how many: 0 at the text's end, -1: no memory. They last until
 * the next call. A character or word that is not there, where there is no <unk>, is DLRT_UNKNOWN.
 */
int64_t dlrt_encode(dlrt_encoder *encoder, const unsigned char **at, const unsigned char *end,
                    size_t longest, const uint32_t **tokens);

/* All of a text; tokens are the caller's to free. -1: no memory. */
int64_t dlrt_encode_all(const dlrt_vocabulary *v, const void *text, size_t size, uint32_t **tokens);

/* ---- to text: decode.c ---- */

/* What to write for one token after others: its bytes and, of words, a blank before it. Special
 * tokens give nothing; of words their names, and <eos> a newline. *first: nothing stands before it
 * in its line; true at the beginning. */
size_t dlrt_decode(const dlrt_vocabulary *v, int64_t token, bool *first, unsigned char *to);
size_t dlrt_decode_room(const dlrt_vocabulary *v); /* that `to` must have */

/* ---- GPT-2's pieces of text: split.c ---- */

/* For each byte its class; DLRT_SPLIT_MANY for those that begin a longer character, and
 * DLRT_SPLIT_STOP where a special token may begin. */
enum { DLRT_SPLIT_MANY = 4, DLRT_SPLIT_STOP = 8 };
void dlrt_split_classes(unsigned char classes[256]);
/* Where the piece at `at` ends, that is < end. `stops` says whether a special token begins there.
 */
const unsigned char *
dlrt_split(const unsigned char *at, const unsigned char *end, const unsigned char classes[256],
           bool (*stops)(const void *, const unsigned char *, const unsigned char *),
           const void *argument);

/* GPT-2's names of bytes: the character that stands for a byte, and the byte of one, or -1. */
uint32_t dlrt_byte_name(unsigned char byte);
int dlrt_byte_named(uint32_t character);
/* The byte that is token number `token` of GPT-2's order. */
unsigned char dlrt_byte_ordered(int token);

#endif
