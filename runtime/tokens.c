/* A vocabulary in memory: tokens by number and by bytes, merges by their parts. */
#include "runtime/tokens.h"

#include <stdlib.h>

static const char *const kinds[] = {"bytes", "characters", "words", "subwords"};

const char *dlrt_vocabulary_kind_name(dlrt_vocabulary_kind kind) {
  return kinds[kind];
}

dlrt_vocabulary_kind dlrt_vocabulary_kind_of(const dlrt_vocabulary *v) {
  return v->kind;
}

int64_t dlrt_vocabulary_count(const dlrt_vocabulary *v) {
  return v->count;
}

const unsigned char *dlrt_token(const dlrt_vocabulary *v, int64_t token, size_t *size) {
  *size = v->starts[token + 1] - v->starts[token];
  return v->bytes + v->starts[token];
}

bool dlrt_token_is_special(const dlrt_vocabulary *v, int64_t token) {
  for (uint32_t i = 0; i < v->special_count; i++)
    if (v->specials[i] == token) return true;
  return false;
}

int64_t dlrt_token_special(const dlrt_vocabulary *v, const char *name) {
  for (uint32_t i = 0; i < v->special_count; i++) {
    size_t size;
    const unsigned char *bytes = dlrt_token(v, v->specials[i], &size);
    if (size == strlen(name) && memcmp(bytes, name, size) == 0) return v->specials[i];
  }
  return DLRT_NO_TOKEN;
}

uint32_t dlrt_special_at(const dlrt_vocabulary *v, const unsigned char *at,
                         const unsigned char *end, size_t *size) {
  uint32_t best = DLRT_UNKNOWN; /* the longest */
  *size = 0;
  for (uint32_t i = 0; i < v->special_count; i++) {
    size_t length;
    const unsigned char *bytes = dlrt_token(v, v->specials[i], &length);
    if (length <= *size || (size_t)(end - at) < length || memcmp(at, bytes, length)) continue;
    *size = length;
    best = v->specials[i];
  }
  return best;
}

static size_t slot_of(const dlrt_vocabulary *v, const unsigned char *bytes, size_t size) {
  for (size_t at = dlrt_hash(bytes, size);; at++) {
    size_t slot = at & (v->slot_count - 1), length;
    if (v->slots[slot] == DLRT_UNKNOWN) return slot;
    const unsigned char *there = dlrt_token(v, v->slots[slot], &length);
    if (length == size && memcmp(there, bytes, size) == 0) return slot;
  }
}

uint32_t dlrt_token_of(const dlrt_vocabulary *v, const unsigned char *bytes, size_t size) {
  return v->slot_count ? v->slots[slot_of(v, bytes, size)] : DLRT_UNKNOWN;
}

/* ---- making one ---- */

static void set_all(uint32_t *to, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = DLRT_UNKNOWN;
}

dlrt_vocabulary *dlrt_vocabulary_new(dlrt_vocabulary_kind kind) {
  dlrt_vocabulary *v = calloc(1, sizeof *v);
  if (!v) return NULL;
  v->kind = kind;
  v->unknown = v->line_end = DLRT_UNKNOWN;
  set_all(v->of_byte, 256);
  dlrt_split_classes(v->classes);
  v->starts = calloc(2, sizeof *v->starts);
  if (!v->starts) {
    free(v);
    return NULL;
  }
  v->starts_room = 2;
  return v;
}

void dlrt_vocabulary_free(dlrt_vocabulary *v) {
  if (!v) return;
  free(v->bytes);
  free(v->starts);
  free(v->slots);
  free(v->merges);
  free(v->pairs);
  free(v);
}

/* Room for one more in `*items`. */
static bool grow(void *items, size_t *room, size_t wanted, size_t size) {
  void *old, *more;
  if (wanted <= *room) return true;
  memcpy(&old, items, sizeof old);
  size_t now = *room < 64 ? 64 : *room * 2;
  if (now < wanted) now = wanted;
  more = now > PTRDIFF_MAX / size ? NULL : realloc(old, now * size);
  if (!more) return false;
  memcpy(items, &more, sizeof more);
  *room = now;
  return true;
}

/* Half of the slots stay empty. */
static bool index_token(dlrt_vocabulary *v, uint32_t token) {
  size_t size;
  if (2 * ((size_t)token + 1) > v->slot_count) {
    size_t count = v->slot_count ? 2 * v->slot_count : 1024;
    while (count < 2 * ((size_t)token + 1)) count *= 2;
    uint32_t *slots = malloc(count * sizeof *slots), *old = v->slots;
    size_t before = v->slot_count;
    if (!slots) return false;
    set_all(slots, count);
    v->slots = slots;
    v->slot_count = count;
    for (size_t i = 0; i < before; i++) {
      if (old[i] == DLRT_UNKNOWN) continue;
      const unsigned char *bytes = dlrt_token(v, old[i], &size);
      slots[slot_of(v, bytes, size)] = old[i];
    }
    free(old);
  }
  const unsigned char *bytes = dlrt_token(v, token, &size);
  v->slots[slot_of(v, bytes, size)] = token;
  return true;
}

bool dlrt_token_add(dlrt_vocabulary *v, const unsigned char *bytes, size_t size, bool special) {
  size_t used = v->starts[v->count];
  if (v->count >= INT32_MAX || used + size > INT32_MAX) return false;
  if (special && v->special_count == DLRT_SPECIALS) return false;
  if (!grow(&v->bytes, &v->bytes_room, used + size, 1)) return false;
  if (!grow(&v->starts, &v->starts_room, (size_t)v->count + 2, sizeof *v->starts)) return false;
  if (size) memcpy(v->bytes + used, bytes, size);
  v->starts[++v->count] = (uint32_t)(used + size);
  if (size > v->longest) v->longest = size;
  if (special) {
    v->specials[v->special_count++] = v->count - 1;
    return true;
  }
  if (size == 1) v->of_byte[*bytes] = v->count - 1;
  return index_token(v, v->count - 1);
}

static bool grow_merges(dlrt_vocabulary *v) {
  size_t count = v->merge_slots ? 2 * v->merge_slots : 1024;
  dlrt_merge *merges = malloc(count * sizeof *merges);
  if (!merges) return false;
  for (size_t i = 0; i < count; i++) merges[i] = (dlrt_merge){.result = DLRT_UNKNOWN};
  for (size_t i = 0; i < v->merge_slots; i++) {
    const dlrt_merge *merge = &v->merges[i];
    if (merge->result == DLRT_UNKNOWN) continue;
    size_t at = dlrt_hash_pair(merge->left, merge->right);
    while (merges[at & (count - 1)].result != DLRT_UNKNOWN) at++;
    merges[at & (count - 1)] = *merge;
  }
  free(v->merges);
  v->merges = merges;
  v->merge_slots = count;
  return true;
}

bool dlrt_merge_add(dlrt_vocabulary *v, uint32_t left, uint32_t right, uint32_t result,
                    bool *again) {
  *again = dlrt_merge_of(v, left, right) != NULL;
  if (*again) return true;
  if (v->pair_count >= INT32_MAX) return false;
  if (2 * ((size_t)v->pair_count + 1) > v->merge_slots && !grow_merges(v)) return false;
  if (!grow(&v->pairs, &v->pair_room, 2 * (size_t)v->pair_count + 2, sizeof *v->pairs))
    return false;
  v->pairs[2 * v->pair_count] = left;
  v->pairs[2 * v->pair_count + 1] = right;
  size_t at = dlrt_hash_pair(left, right);
  while (v->merges[at & (v->merge_slots - 1)].result != DLRT_UNKNOWN) at++;
  v->merges[at & (v->merge_slots - 1)] = (dlrt_merge){left, right, v->pair_count++, result};
  return true;
}

void dlrt_vocabulary_finish(dlrt_vocabulary *v) {
  for (uint32_t i = 0; i < v->special_count; i++) {
    size_t size;
    const unsigned char *name = dlrt_token(v, v->specials[i], &size);
    if (size) v->classes[*name] |= DLRT_SPLIT_STOP;
  }
  int64_t unknown = dlrt_token_special(v, "<unk>"), line_end = dlrt_token_special(v, "<eos>");
  if (unknown != DLRT_NO_TOKEN) v->unknown = (uint32_t)unknown;
  if (line_end != DLRT_NO_TOKEN && v->kind == DLRT_WORDS) v->line_end = (uint32_t)line_end;
}

dlrt_vocabulary *dlrt_vocabulary_bytes(void) {
  dlrt_vocabulary *v = dlrt_vocabulary_new(DLRT_BYTES);
  for (int i = 0; v && i < 256; i++) {
    unsigned char byte = (unsigned char)i;
    if (dlrt_token_add(v, &byte, 1, false)) continue;
    dlrt_vocabulary_free(v);
    return NULL;
  }
  return v;
}
