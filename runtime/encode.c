/* Texts to tokens. A piece of subwords begins as its bytes; as long as two neighbours can be
 * merged, the pair of the lowest rank is merged, wherever it stands, from left to right (Sennrich,
 * Haddow, Birch 2016). Short pieces look through all pairs; long ones keep the pairs in a heap by
 * rank and place, so that time grows with n log n whatever the text is. What short pieces become is
 * remembered. */
#include "runtime/tokens.h"
#include "runtime/unicode.h"

#include <stdlib.h>

enum { REMEMBERED = 1 << 15, SHORT = 32, FEW = 7, NEAR = 64 };
#define NO_RANK  UINT32_MAX
#define OLD_RANK (UINT32_MAX - 1)

typedef struct {
  unsigned char size, count; /* size 0: empty */
  unsigned char bytes[SHORT - 2];
  uint32_t tokens[FEW];
  uint32_t unused;
} remembered;

typedef struct {
  uint32_t token, before, after; /* places; DLRT_UNKNOWN: none */
  bool gone;
} symbol;

typedef struct {
  uint32_t rank, at, left, right;
} candidate;

struct dlrt_encoder {
  const dlrt_vocabulary *v;
  remembered *memory;
  uint32_t *tokens;
  size_t room;
  symbol *symbols;
  candidate *heap;
  size_t symbol_room, heap_room, heap_count;
};

dlrt_encoder *dlrt_encoder_new(const dlrt_vocabulary *v) {
  dlrt_encoder *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  e->v = v;
  e->room = NEAR;
  e->tokens = malloc(e->room * sizeof *e->tokens);
  if (v->kind == DLRT_SUBWORDS) e->memory = calloc(REMEMBERED, sizeof *e->memory);
  if (e->tokens && (e->memory || v->kind != DLRT_SUBWORDS)) return e;
  dlrt_encoder_free(e);
  return NULL;
}

void dlrt_encoder_free(dlrt_encoder *e) {
  if (!e) return;
  free(e->memory);
  free(e->tokens);
  free(e->symbols);
  free(e->heap);
  free(e);
}

/* ---- short pieces ---- */

static uint32_t rank_of(const dlrt_vocabulary *v, const uint32_t *tokens) {
  const dlrt_merge *merge = dlrt_merge_of(v, tokens[0], tokens[1]);
  return merge ? merge->rank : NO_RANK;
}

/* In place; returns how many are left. */
static size_t merge_near(const dlrt_vocabulary *v, uint32_t *tokens, size_t count) {
  uint32_t ranks[NEAR]; /* of each token with the next one */
  for (size_t i = 0; i + 1 < count; i++) ranks[i] = rank_of(v, tokens + i);
  while (count > 1) {
    uint32_t best = NO_RANK;
    for (size_t i = 0; i + 1 < count; i++) best = ranks[i] < best ? ranks[i] : best;
    if (best == NO_RANK) break;
    const dlrt_merge *merge = dlrt_merge_of(v, v->pairs[2 * best], v->pairs[2 * best + 1]);
    size_t to = 0;
    for (size_t i = 0; i < count; i++, to++) {
      bool merged = i + 1 < count && ranks[i] == best;
      tokens[to] = merged ? merge->result : tokens[i];
      i += merged;
      ranks[to] = merged ? OLD_RANK : ranks[i];
      if (merged && to) ranks[to - 1] = OLD_RANK;
    }
    count = to;
    for (size_t i = 0; i + 1 < count; i++)
      if (ranks[i] == OLD_RANK) ranks[i] = rank_of(v, tokens + i);
  }
  return count;
}

/* ---- long pieces ---- */

static bool is_before(const candidate *a, const candidate *b) {
  return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static bool push(dlrt_encoder *e, uint32_t at) {
  const symbol *left = &e->symbols[at];
  if (left->after == DLRT_UNKNOWN) return true;
  const symbol *right = &e->symbols[left->after];
  const dlrt_merge *merge = dlrt_merge_of(e->v, left->token, right->token);
  if (!merge) return true;
  if (e->heap_count == e->heap_room) {
    size_t room = e->heap_room ? 2 * e->heap_room : 1024;
    candidate *more = realloc(e->heap, room * sizeof *more);
    if (!more) return false;
    e->heap = more;
    e->heap_room = room;
  }
  candidate made = {merge->rank, at, left->token, right->token};
  size_t to = e->heap_count++;
  for (; to && is_before(&made, &e->heap[(to - 1) / 2]); to = (to - 1) / 2)
    e->heap[to] = e->heap[(to - 1) / 2];
  e->heap[to] = made;
  return true;
}

static candidate pop(dlrt_encoder *e) {
  candidate first = e->heap[0], last = e->heap[--e->heap_count];
  size_t to = 0;
  for (;;) {
    size_t child = 2 * to + 1;
    if (child >= e->heap_count) break;
    if (child + 1 < e->heap_count && is_before(&e->heap[child + 1], &e->heap[child])) child++;
    if (!is_before(&e->heap[child], &last)) break;
    e->heap[to] = e->heap[child];
    to = child;
  }
  if (e->heap_count) e->heap[to] = last;
  return first;
}

/* False: what stands there has changed since. */
static bool merge_one(dlrt_encoder *e, const candidate *c) {
  symbol *left = &e->symbols[c->at];
  if (left->gone || left->token != c->left || left->after == DLRT_UNKNOWN) return false;
  symbol *right = &e->symbols[left->after];
  if (right->token != c->right) return false;
  left->token = dlrt_merge_of(e->v, c->left, c->right)->result;
  left->after = right->after;
  right->gone = true;
  if (left->after != DLRT_UNKNOWN) e->symbols[left->after].before = c->at;
  return true;
}

/* All places of the lowest rank, then the pairs that they made; -1: no memory. */
static int64_t merge_far(dlrt_encoder *e, uint32_t *tokens, size_t count) {
  if (count > e->symbol_room) {
    symbol *more = count < UINT32_MAX ? realloc(e->symbols, count * sizeof *more) : NULL;
    if (!more) return -1;
    e->symbols = more;
    e->symbol_room = count;
  }
  for (size_t i = 0; i < count; i++)
    e->symbols[i] = (symbol){tokens[i], i ? (uint32_t)i - 1 : DLRT_UNKNOWN,
                             i + 1 < count ? (uint32_t)i + 1 : DLRT_UNKNOWN, false};
  e->heap_count = 0;
  for (size_t i = 0; i < count; i++)
    if (!push(e, (uint32_t)i)) return -1;
  while (e->heap_count) {
    uint32_t rank = e->heap[0].rank;
    size_t merged = 0; /* places of this round, written over the tokens, which symbols hold now */
    while (e->heap_count && e->heap[0].rank == rank) {
      candidate c = pop(e);
      if (merge_one(e, &c)) tokens[merged++] = c.at;
    }
    for (size_t i = 0; i < merged; i++) {
      uint32_t at = tokens[i], before = e->symbols[at].before;
      /* A neighbour on the left that was merged too makes the pair of both. */
      if (before != DLRT_UNKNOWN && !(i && tokens[i - 1] == before) && !push(e, before)) return -1;
      if (!push(e, at)) return -1;
    }
  }
  size_t left = 0;
  for (uint32_t at = 0; at != DLRT_UNKNOWN; at = e->symbols[at].after)
    tokens[left++] = e->symbols[at].token;
  return (int64_t)left;
}

/* ---- pieces ---- */

static bool stops(const void *argument, const unsigned char *at, const unsigned char *end) {
  size_t size;
  return dlrt_special_at(argument, at, end, &size) != DLRT_UNKNOWN;
}

/* Bytes of white space at `at`, or 0. */
static size_t blank(const unsigned char *at, const unsigned char *end) {
  uint32_t code;
  size_t size = dlrt_utf8(at, end, &code);
  return size && dlrt_class_of(code) == DLRT_SPACE ? size : 0;
}

static size_t character_size(const unsigned char *at, const unsigned char *end) {
  uint32_t code;
  size_t size = dlrt_utf8(at, end, &code);
  return size ? size : 1;
}

static bool word(const dlrt_vocabulary *v, const unsigned char **at, const unsigned char *end,
                 dlrt_piece *piece) {
  size_t size;
  while (*at < end && (size = blank(*at, end))) {
    *piece = (dlrt_piece){*at, 1, v->line_end};
    bool line = **at == '\n' && v->line_end != DLRT_UNKNOWN;
    *at += size;
    if (line) return true;
  }
  if (*at == end) return false;
  piece->begin = *at;
  while (*at < end && !blank(*at, end)) *at += character_size(*at, end);
  piece->size = (size_t)(*at - piece->begin);
  piece->special = dlrt_special_at(v, piece->begin, *at, &size);
  if (size != piece->size) piece->special = DLRT_UNKNOWN;
  return true;
}

bool dlrt_piece_next(const dlrt_vocabulary *v, const unsigned char **at, const unsigned char *end,
                     size_t longest, dlrt_piece *piece) {
  if (*at == end) return false;
  if (v->kind == DLRT_WORDS) return word(v, at, end, piece);
  *piece = (dlrt_piece){*at, 1, DLRT_UNKNOWN};
  if (v->classes[**at] & DLRT_SPLIT_STOP) {
    size_t size;
    piece->special = dlrt_special_at(v, *at, end, &size);
    if (size) piece->size = size;
  }
  if (piece->special == DLRT_UNKNOWN && v->kind == DLRT_CHARACTERS)
    piece->size = character_size(*at, end);
  if (piece->special == DLRT_UNKNOWN && v->kind == DLRT_SUBWORDS) {
    piece->size = (size_t)(dlrt_split(*at, end, v->classes, stops, v) - *at);
    if (longest && piece->size > longest) piece->size = longest;
  }
  *at += piece->size;
  return true;
}

static int64_t subwords(dlrt_encoder *e, const unsigned char *begin, size_t size,
                        const uint32_t **tokens) {
  const dlrt_vocabulary *v = e->v;
  remembered *known = NULL;
  if (size <= sizeof known->bytes) {
    known = &e->memory[dlrt_hash(begin, size) & (REMEMBERED - 1)];
    if (known->size == size && memcmp(known->bytes, begin, size) == 0) {
      *tokens = known->tokens;
      return known->count;
    }
  }
  if (size > e->room) {
    uint32_t *more = size < UINT32_MAX / 2 ? malloc(2 * size * sizeof *more) : NULL;
    if (!more) return -1;
    free(e->tokens);
    e->tokens = more;
    e->room = 2 * size;
  }
  for (size_t i = 0; i < size; i++) e->tokens[i] = v->of_byte[begin[i]];
  int64_t count =
      size <= NEAR ? (int64_t)merge_near(v, e->tokens, size) : merge_far(e, e->tokens, size);
  *tokens = e->tokens;
  if (!known || count > FEW) return count;
  known->size = (unsigned char)size;
  known->count = (unsigned char)count;
  memcpy(known->bytes, begin, size);
  memcpy(known->tokens, e->tokens, (size_t)count * sizeof *known->tokens);
  return count;
}

int64_t dlrt_encode(dlrt_encoder *e, const unsigned char **at, const unsigned char *end,
                    size_t longest, const uint32_t **tokens) {
  const dlrt_vocabulary *v = e->v;
  dlrt_piece piece;
  if (!dlrt_piece_next(v, at, end, longest, &piece)) return 0;
  uint32_t token = piece.special;
  if (token == DLRT_UNKNOWN && v->kind == DLRT_SUBWORDS)
    return subwords(e, piece.begin, piece.size, tokens);
  if (token == DLRT_UNKNOWN)
    token = piece.size == 1 ? v->of_byte[*piece.begin] : dlrt_token_of(v, piece.begin, piece.size);
  e->tokens[0] = token == DLRT_UNKNOWN ? v->unknown : token;
  *tokens = e->tokens;
  return 1;
}

int64_t dlrt_encode_all(const dlrt_vocabulary *v, const void *text, size_t size,
                        uint32_t **tokens) {
  dlrt_encoder *e = dlrt_encoder_new(v);
  const unsigned char *at = size ? text : (const unsigned char *)"", *end = at + size;
  size_t count = 0, room = 0;
  int64_t more = e ? 0 : -1;
  const uint32_t *piece;
  *tokens = NULL;
  while (e && (more = dlrt_encode(e, &at, end, 0, &piece)) > 0) {
    if (count + (size_t)more > room) {
      room = 2 * (count + (size_t)more);
      uint32_t *grown = realloc(*tokens, room * sizeof *grown);
      if (!grown) {
        more = -1;
        break;
      }
      *tokens = grown;
    }
    memcpy(*tokens + count, piece, (size_t)more * sizeof *piece);
    count += (size_t)more;
  }
  dlrt_encoder_free(e);
  if (more == 0) return (int64_t)count;
  free(*tokens);
  *tokens = NULL;
  return -1;
}
