#include "support/intern.h"

#include <stdint.h>
#include <string.h>

typedef struct {
  const char *string;
  size_t length;
  uint64_t hash;
} Slot;

struct Interner {
  Arena *arena;
  Slot *slots; /* open addressing; the room is a power of two */
  size_t count, room;
};

Interner *interner_new(Arena *arena) {
  Interner *interner = ARENA_NEW(arena, Interner);
  interner->arena = arena;
  interner->room = 256;
  interner->slots = ARENA_ARRAY(arena, interner->room, Slot);
  return interner;
}

static uint64_t hash_bytes(const char *bytes, size_t length) { /* FNV-1a */
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
  return hash;
}

static Slot *find(Slot *slots, size_t room, const char *bytes, size_t length, uint64_t hash) {
  size_t i = hash & (room - 1);
  while (slots[i].string && !(slots[i].hash == hash && slots[i].length == length &&
                              memcmp(slots[i].string, bytes, length) == 0))
    i = (i + 1) & (room - 1);
  return &slots[i];
}

static void grow(Interner *interner) {
  size_t room = interner->room * 2;
  Slot *slots = ARENA_ARRAY(interner->arena, room, Slot);
  for (size_t i = 0; i < interner->room; i++) {
    Slot *old = &interner->slots[i];
    if (old->string) *find(slots, room, old->string, old->length, old->hash) = *old;
  }
  interner->slots = slots;
  interner->room = room;
}

const char *intern_bytes(Interner *interner, const char *bytes, size_t length) {
  uint64_t hash = hash_bytes(bytes, length);
  Slot *slot = find(interner->slots, interner->room, bytes, length, hash);
  if (slot->string) return slot->string;
  if (2 * (interner->count + 1) > interner->room) {
    grow(interner);
    slot = find(interner->slots, interner->room, bytes, length, hash);
  }
  interner->count++;
  *slot = (Slot){arena_string(interner->arena, bytes, length), length, hash};
  return slot->string;
}

const char *intern(Interner *interner, const char *string) {
  return intern_bytes(interner, string, strlen(string));
}
