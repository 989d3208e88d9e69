/* intern.h - strings that are equal exactly if their pointers are. */
#ifndef SUPPORT_INTERN_H
#define SUPPORT_INTERN_H

#include "support/arena.h"

typedef struct Interner Interner;

Interner *interner_new(Arena *arena);
const char *intern(Interner *interner, const char *string);
const char *intern_bytes(Interner *interner, const char *bytes, size_t length);

#endif
