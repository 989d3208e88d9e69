/* Pieces of texts counted; word and character vocabularies, which are the most frequent of them. */
#include "driver/learn.h"

#include "support/bug.h"

#include <stdlib.h>

Pieces *pieces_new(Arena *arena, const dlrt_vocabulary *cutter) {
  Pieces *pieces = ARENA_NEW(arena, Pieces);
  pieces->arena = arena;
  pieces->cutter = cutter;
  return pieces;
}

static uint32_t *slot_of(Pieces *pieces, const unsigned char *bytes, size_t size) {
  for (size_t at = dlrt_hash(bytes, size);; at++) {
    uint32_t *slot = &pieces->slots[at & (pieces->slot_count - 1)];
    if (!*slot) return slot;
    const Piece *piece = &pieces->list.items[*slot - 1];
    if (piece->size == size && memcmp(piece->bytes, bytes, size) == 0) return slot;
  }
}

static void grow(Pieces *pieces) {
  if (2 * (pieces->list.count + 1) <= pieces->slot_count) return;
  pieces->slot_count = pieces->slot_count ? 4 * pieces->slot_count : 4096;
  pieces->slots = ARENA_ARRAY(pieces->arena, pieces->slot_count, uint32_t);
  for (size_t i = 0; i < pieces->list.count; i++)
    *slot_of(pieces, pieces->list.items[i].bytes, pieces->list.items[i].size) = (uint32_t)i + 1;
}

void pieces_count(Pieces *pieces, const unsigned char *text, size_t size) {
  const unsigned char *at = text, *end = text + size;
  dlrt_piece piece;
  while (dlrt_piece_next(pieces->cutter, &at, end, LONGEST_PIECE, &piece)) {
    if (piece.special != DLRT_UNKNOWN) continue;
    grow(pieces);
    uint32_t *slot = slot_of(pieces, piece.begin, piece.size);
    if (!*slot) {
      vec_push(pieces->arena, &pieces->list, ((Piece){piece.begin, (uint32_t)piece.size, 0}));
      *slot = (uint32_t)pieces->list.count;
    }
    pieces->list.items[*slot - 1].times++;
    pieces->total++;
  }
}

static int by_bytes(const void *a, const void *b) {
  const Piece *first = a, *second = b;
  size_t shorter = first->size < second->size ? first->size : second->size;
  int order = memcmp(first->bytes, second->bytes, shorter);
  return order ? order : (first->size > second->size) - (first->size < second->size);
}

static int by_times(const void *a, const void *b) {
  const Piece *first = a, *second = b;
  if (first->times != second->times) return first->times < second->times ? 1 : -1;
  return by_bytes(a, b);
}

bool learn_list(Pieces *pieces, dlrt_vocabulary *v, int64_t wanted) {
  size_t count = pieces->list.count, room = (size_t)(wanted - v->count);
  if (!count) return false;
  qsort(pieces->list.items, count, sizeof *pieces->list.items, by_times);
  bool whole = room <= count;
  if (count > room) count = room;
  if (v->kind == DLRT_CHARACTERS)
    qsort(pieces->list.items, count, sizeof *pieces->list.items, by_bytes);
  for (size_t i = 0; i < count; i++)
    if (!dlrt_token_add(v, pieces->list.items[i].bytes, pieces->list.items[i].size, false))
      out_of_memory(pieces->list.items[i].size);
  return whole;
}
