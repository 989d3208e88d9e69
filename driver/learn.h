/* learn.h - vocabularies from texts, for `dlc subwords learn`.
 *
 *   Pieces *pieces = pieces_new(arena, cutter);      // of its kind and special tokens alone
 *   pieces_count(pieces, text, size);                // for each text, which must last
 *   bool whole = learn_subwords(pieces, v, 8000);    // or learn_list
 */
#ifndef DRIVER_LEARN_H
#define DRIVER_LEARN_H

#include "runtime/tokens.h"
#include "support/vec.h"

enum { LEAST_TIMES = 2, LONGEST_PIECE = 1024 };

/* What merges do not cross, and how often it stands in the texts. */
typedef struct {
  const unsigned char *bytes;
  uint32_t size;
  int64_t times;
} Piece;

typedef struct {
  Arena *arena;
  const dlrt_vocabulary *cutter;
  VEC(Piece) list; /* by their first place */
  uint32_t *slots; /* numbers of pieces + 1, by their bytes */
  size_t slot_count;
  int64_t total;
} Pieces;

Pieces *pieces_new(Arena *arena, const dlrt_vocabulary *cutter);
void pieces_count(Pieces *pieces, const unsigned char *text, size_t size);

/* Adds tokens until there are `wanted`; false: the texts do not make as many.
 *
 * Byte-pair encoding (Gage 1994; Sennrich, Haddow, Birch 2016): again and again the two neighbours
 * that stand together most often become one token, of equals those with the lowest numbers. Stops
 * at pairs that stand there less than LEAST_TIMES times. */
bool learn_subwords(const Pieces *pieces, dlrt_vocabulary *v, int64_t wanted);
/* The most frequent ones: words in the order of how often they occur, characters by their bytes. */
bool learn_list(Pieces *pieces, dlrt_vocabulary *v, int64_t wanted);

#endif
