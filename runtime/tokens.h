/* tokens.h - the inside of a vocabulary, for the runtime's own files and for `dlc subwords learn`.
 */
#ifndef DLRT_TOKENS_H
#define DLRT_TOKENS_H

#include "runtime/vocabulary.h"

#include <string.h>

typedef struct {
  uint32_t left, right, rank, result; /* result: DLRT_UNKNOWN in an empty slot */
} dlrt_merge;

enum { DLRT_SPECIALS = 64, DLRT_LONGEST_SPECIAL = 255 };

struct dlrt_vocabulary {
  dlrt_vocabulary_kind kind;
  uint32_t count;
  unsigned char *bytes; /* of all tokens, one after the other */
  uint32_t *starts;     /* count + 1 places in bytes */
  size_t bytes_room, starts_room;
  uint32_t *slots; /* tokens that are not special, by their bytes; DLRT_UNKNOWN: empty */
  size_t slot_count;
  dlrt_merge *merges; /* by left and right */
  size_t merge_slots;
  uint32_t *pairs; /* left and right of each merge, by rank */
  uint32_t pair_count;
  size_t pair_room;
  uint32_t specials[DLRT_SPECIALS];
  uint32_t special_count;
  uint32_t unknown, line_end; /* tokens, or DLRT_UNKNOWN */
  uint32_t of_byte[256];      /* tokens that are one byte, or DLRT_UNKNOWN */
  size_t longest;             /* bytes of a token */
  unsigned char classes[256]; /* split's */
};

static inline uint64_t dlrt_hash(const unsigned char *at, size_t size) {
  const uint64_t odd = 0x9e3779b97f4a7c15;
  uint64_t hash = size * odd, word;
  for (; size >= 8; at += 8, size -= 8) {
    memcpy(&word, at, 8);
    hash = (hash ^ word) * odd;
    hash ^= hash >> 29;
  }
  word = 0;
  for (size_t i = 0; i < size; i++) word = word << 8 | at[i];
  hash = (hash ^ word) * odd;
  return hash ^ hash >> 32;
}

static inline uint64_t dlrt_hash_pair(uint32_t left, uint32_t right) {
  uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 32;
}

/* The token of these bytes, or DLRT_UNKNOWN. */
uint32_t dlrt_token_of(const dlrt_vocabulary *v, const unsigned char *bytes, size_t size);

/* The merge of two tokens, or NULL. */
static inline const dlrt_merge *dlrt_merge_of(const dlrt_vocabulary *v, uint32_t left,
                                              uint32_t right) {
  if (!v->merge_slots) return NULL;
  for (size_t at = dlrt_hash_pair(left, right);; at++) {
    const dlrt_merge *merge = &v->merges[at & (v->merge_slots - 1)];
    if (merge->result == DLRT_UNKNOWN) return NULL;
    if (merge->left == left && merge->right == right) return merge;
  }
}

/* The special token that begins at `at`, or DLRT_UNKNOWN. */
uint32_t dlrt_special_at(const dlrt_vocabulary *v, const unsigned char *at,
                         const unsigned char *end, size_t *size);

/* ---- making one: tokens.c ---- */

dlrt_vocabulary *dlrt_vocabulary_new(dlrt_vocabulary_kind kind);
/* false: no memory, or more bytes than places can count. */
bool dlrt_token_add(dlrt_vocabulary *v, const unsigned char *bytes, size_t size, bool special);
/* Tokens that are there; false: no memory. *again: these two are merged already. */
bool dlrt_merge_add(dlrt_vocabulary *v, uint32_t left, uint32_t right, uint32_t result,
                    bool *again);
/* When all is there. */
void dlrt_vocabulary_finish(dlrt_vocabulary *v);
dlrt_vocabulary *dlrt_vocabulary_bytes(void); /* NULL: no memory */

#endif
