/* arena.h - memory that is released all at once.
 *
 * One arena lives as long as a compilation, others as long as a pass. Allocation never returns
 * NULL: when the machine has no memory left, the process ends with a message and exit code 1
 * (bug.h: `out_of_memory`). Memory is zeroed.
 */
#ifndef SUPPORT_ARENA_H
#define SUPPORT_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *arena); /* NULL is fine */

/* `size` zeroed bytes, aligned for any type. */
void *arena_alloc(Arena *arena, size_t size);
/* `count` elements of `size` bytes; the product is checked for overflow. */
void *arena_array(Arena *arena, size_t count, size_t size);
/* A copy of `size` bytes. */
void *arena_copy(Arena *arena, const void *from, size_t size);
/* A grown copy of an array: the first `old` of `count` elements are kept. */
void *arena_grow(Arena *arena, const void *from, size_t old, size_t count, size_t size);

char *arena_string(Arena *arena, const char *from, size_t length); /* with a final NUL */
char *arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vformat(Arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Bytes taken from the system so far. */
size_t arena_bytes(const Arena *arena);

#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, count, type) ((type *)arena_array((arena), (count), sizeof(type)))

#endif
