/* Byte-pair encoding. Every pair of neighbours knows how often it stands in the texts and in which
 * words; a heap holds pairs by how often they stood there when they were put in, which is corrected
 * when they come up: counts of pairs that are already in it only fall, those that a merge makes are
 * put in after it. */
#include "driver/learn.h"

#include "support/bug.h"

typedef struct {
  uint32_t left, right;
  int64_t times;
  VEC(uint32_t) words; /* where it stands or stood */
  bool touched;
} Pair;

typedef struct {
  uint32_t *symbols;
  uint32_t count;
  int64_t times;
} Word;

typedef struct {
  int64_t times;
  Pair *pair;
} Waiting;

typedef struct {
  Arena *arena;
  dlrt_vocabulary *v;
  Word *words;
  size_t word_count;
  Pair **slots;
  size_t slot_count, pair_count;
  VEC(Waiting) heap;
  VEC(Pair *) touched; /* by the running merge */
} Learner;

static Pair **slot_of(const Learner *l, uint32_t left, uint32_t right) {
  for (size_t at = dlrt_hash_pair(left, right);; at++) {
    Pair **slot = &l->slots[at & (l->slot_count - 1)];
    if (!*slot || ((*slot)->left == left && (*slot)->right == right)) return slot;
  }
}

static Pair *pair_of(Learner *l, uint32_t left, uint32_t right) {
  if (2 * (l->pair_count + 1) > l->slot_count) {
    Pair **old = l->slots;
    size_t before = l->slot_count;
    l->slot_count = before ? 4 * before : 4096;
    l->slots = ARENA_ARRAY(l->arena, l->slot_count, Pair *);
    for (size_t i = 0; i < before; i++)
      if (old[i]) *slot_of(l, old[i]->left, old[i]->right) = old[i];
  }
  Pair **slot = slot_of(l, left, right);
  if (*slot) return *slot;
  *slot = ARENA_NEW(l->arena, Pair);
  (*slot)->left = left;
  (*slot)->right = right;
  l->pair_count++;
  return *slot;
}

/* ---- the heap ---- */

static bool is_first(const Waiting *a, const Waiting *b) {
  if (a->times != b->times) return a->times > b->times;
  if (a->pair->left != b->pair->left) return a->pair->left < b->pair->left;
  return a->pair->right < b->pair->right;
}

static void push(Learner *l, Pair *pair) {
  if (pair->times < LEAST_TIMES) return;
  Waiting made = {pair->times, pair};
  vec_push(l->arena, &l->heap, made);
  size_t to = l->heap.count - 1;
  for (; to && is_first(&made, &l->heap.items[(to - 1) / 2]); to = (to - 1) / 2)
    l->heap.items[to] = l->heap.items[(to - 1) / 2];
  l->heap.items[to] = made;
}

static Waiting pop(Learner *l) {
  Waiting *items = l->heap.items, first = items[0], last = items[--l->heap.count];
  size_t to = 0, count = l->heap.count;
  for (;;) {
    size_t child = 2 * to + 1;
    if (child >= count) break;
    if (child + 1 < count && is_first(&items[child + 1], &items[child])) child++;
    if (!is_first(&items[child], &last)) break;
    items[to] = items[child];
    to = child;
  }
  if (count) items[to] = last;
  return first;
}

/* ---- words ---- */

static void forget_word(Learner *l, const Word *word) {
  for (uint32_t i = 0; i + 1 < word->count; i++)
    pair_of(l, word->symbols[i], word->symbols[i + 1])->times -= word->times;
}

/* `made`: the token whose pairs are new; DLRT_UNKNOWN: all are. */
static void note_word(Learner *l, uint32_t number, uint32_t made) {
  const Word *word = &l->words[number];
  for (uint32_t i = 0; i + 1 < word->count; i++) {
    uint32_t left = word->symbols[i], right = word->symbols[i + 1];
    Pair *pair = pair_of(l, left, right);
    pair->times += word->times;
    if (made != DLRT_UNKNOWN && left != made && right != made) continue;
    if (!pair->words.count || vec_last(&pair->words) != number)
      vec_push(l->arena, &pair->words, number);
    if (!pair->touched) vec_push(l->arena, &l->touched, pair);
    pair->touched = true;
  }
}

static void push_touched(Learner *l) {
  for (size_t i = 0; i < l->touched.count; i++) {
    l->touched.items[i]->touched = false;
    push(l, l->touched.items[i]);
  }
  l->touched.count = 0;
}

static bool holds(const Word *word, const Pair *pair) {
  for (uint32_t i = 0; i + 1 < word->count; i++)
    if (word->symbols[i] == pair->left && word->symbols[i + 1] == pair->right) return true;
  return false;
}

static void merge(Learner *l, Pair *pair, uint32_t made) {
  for (size_t n = 0; n < pair->words.count; n++) {
    Word *word = &l->words[pair->words.items[n]];
    if (!holds(word, pair)) continue;
    forget_word(l, word);
    uint32_t to = 0;
    for (uint32_t i = 0; i < word->count; i++)
      if (i + 1 < word->count && word->symbols[i] == pair->left &&
          word->symbols[i + 1] == pair->right) {
        word->symbols[to++] = made;
        i++;
      } else {
        word->symbols[to++] = word->symbols[i];
      }
    word->count = to;
    note_word(l, pair->words.items[n], made);
  }
  push_touched(l);
}

/* The token of both, which may be there already, made of others. */
static uint32_t make_token(Learner *l, const Pair *pair) {
  dlrt_vocabulary *v = l->v;
  size_t left, right;
  const unsigned char *first = dlrt_token(v, pair->left, &left);
  const unsigned char *second = dlrt_token(v, pair->right, &right);
  unsigned char *both = ARENA_ARRAY(l->arena, left + right, unsigned char);
  memcpy(both, first, left);
  memcpy(both + left, second, right);
  uint32_t made = dlrt_token_of(v, both, left + right);
  bool again, good = true;
  if (made == DLRT_UNKNOWN) {
    made = v->count;
    good = dlrt_token_add(v, both, left + right, false);
  }
  if (!good || !dlrt_merge_add(v, pair->left, pair->right, made, &again))
    out_of_memory(left + right);
  return made;
}

bool learn_subwords(const Pieces *pieces, dlrt_vocabulary *v, int64_t wanted) {
  Learner l = {.arena = pieces->arena, .v = v, .word_count = pieces->list.count};
  l.words = ARENA_ARRAY(l.arena, l.word_count + 1, Word);
  for (size_t i = 0; i < l.word_count; i++) {
    const Piece *piece = &pieces->list.items[i];
    Word *word = &l.words[i];
    word->symbols = ARENA_ARRAY(l.arena, piece->size, uint32_t);
    word->count = piece->size;
    word->times = piece->times;
    for (uint32_t k = 0; k < piece->size; k++) word->symbols[k] = l.v->of_byte[piece->bytes[k]];
    note_word(&l, (uint32_t)i, DLRT_UNKNOWN);
  }
  push_touched(&l);
  while (l.v->count < wanted && l.heap.count) {
    Waiting best = pop(&l);
    if (best.times != best.pair->times) {
      if (best.times > best.pair->times) push(&l, best.pair);
      continue;
    }
    merge(&l, best.pair, make_token(&l, best.pair));
  }
  return l.v->count == wanted;
}
