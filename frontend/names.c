#include "frontend/names.h"

#include <stdint.h>

static NameSlot *find(NameSlot *slots, size_t room, const char *name) {
  uint64_t hash = (uint64_t)(uintptr_t)name * 0x9E3779B97F4A7C15u;
  size_t i = (size_t)(hash >> 32) & (room - 1);
  while (slots[i].name && slots[i].name != name) i = (i + 1) & (room - 1);
  return &slots[i];
}

void *names_get(const NameTable *table, const char *name) {
  if (!table->room) return NULL;
  const NameSlot *slot = find(table->slots, table->room, name);
  return slot->name ? slot->value : NULL;
}

void names_put(Arena *arena, NameTable *table, const char *name, void *value) {
  if (2 * (table->count + 1) > table->room) {
    NameTable grown = {.count = table->count, .room = table->room ? table->room * 2 : 16};
    grown.slots = ARENA_ARRAY(arena, grown.room, NameSlot);
    for (size_t i = 0; i < table->room; i++)
      if (table->slots[i].name)
        *find(grown.slots, grown.room, table->slots[i].name) = table->slots[i];
    *table = grown;
  }
  NameSlot *slot = find(table->slots, table->room, name);
  if (!slot->name) table->count++;
  *slot = (NameSlot){name, value};
}
