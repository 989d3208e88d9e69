/* map.h - from 64-bit keys (numbers, interned strings' addresses) to pointers, in an arena.
 *
 * A zeroed Map is empty. Nothing can be removed, and there is no walk: addresses must not decide
 * an order.
 */
#ifndef SUPPORT_MAP_H
#define SUPPORT_MAP_H

#include "support/arena.h"

#include <stdint.h>

typedef struct {
  struct MapSlot {
    uint64_t key;
    void *value; /* NULL: empty */
  } * slots;
  size_t room, count;
} Map;

void *map_get(const Map *map, uint64_t key); /* NULL if there is none */
/* `value` must not be NULL; replaces an earlier one. */
void map_set(Arena *arena, Map *map, uint64_t key, void *value);

static inline uint64_t map_key(const void *pointer) {
  return (uint64_t)(uintptr_t)pointer;
}

#endif
