#include "support/map.h"

static struct MapSlot *find(struct MapSlot *slots, size_t room, uint64_t key) {
  uint64_t hash = key * 0x9e3779b97f4a7c15u;
  size_t slot = (size_t)(hash >> 32) & (room - 1);
  while (slots[slot].value && slots[slot].key != key) slot = (slot + 1) & (room - 1);
  return &slots[slot];
}

void *map_get(const Map *map, uint64_t key) {
  return map->room ? find(map->slots, map->room, key)->value : NULL;
}

void map_set(Arena *arena, Map *map, uint64_t key, void *value) {
  if ((map->count + 1) * 2 > map->room) {
    size_t room = map->room ? map->room * 2 : 16;
    struct MapSlot *slots = ARENA_ARRAY(arena, room, struct MapSlot);
    for (size_t i = 0; i < map->room; i++)
      if (map->slots[i].value) *find(slots, room, map->slots[i].key) = map->slots[i];
    map->slots = slots;
    map->room = room;
  }
  struct MapSlot *slot = find(map->slots, map->room, key);
  if (!slot->value) map->count++;
  slot->key = key;
  slot->value = value;
}
