/* names.h - a table from interned names to anything. */
#ifndef FRONTEND_NAMES_H
#define FRONTEND_NAMES_H

#include "support/arena.h"

typedef struct {
  const char *name; /* interned; NULL: free */
  void *value;
} NameSlot;

typedef struct {
  NameSlot *slots; /* open addressing; the room is a power of two */
  size_t count, room;
} NameTable;

/* NULL if it is not there. */
void *names_get(const NameTable *table, const char *name);
/* Adds or replaces. */
void names_put(Arena *arena, NameTable *table, const char *name, void *value);

#endif
