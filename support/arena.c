#include "support/arena.h"

#include "support/bug.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Chunk {
  struct Chunk *next;
  size_t size, used;
  alignas(max_align_t) unsigned char bytes[];
} Chunk;

struct Arena {
  Chunk *chunks; /* the newest first; only it has room */
  size_t total;
};

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20 };

Arena *arena_new(void) {
  Arena *arena = calloc(1, sizeof *arena);
  if (!arena) out_of_memory(sizeof *arena);
  return arena;
}

void arena_free(Arena *arena) {
  if (!arena) return;
  for (Chunk *chunk = arena->chunks; chunk;) {
    Chunk *next = chunk->next;
    free(chunk);
    chunk = next;
  }
  free(arena);
}

static Chunk *add_chunk(Arena *arena, size_t size) {
  size_t room = arena->chunks ? arena->chunks->size * 2 : FIRST_CHUNK;
  if (room > LARGEST_CHUNK) room = LARGEST_CHUNK;
  if (room < size) room = size;
  Chunk *chunk = calloc(1, sizeof *chunk + room);
  if (!chunk) out_of_memory(room);
  chunk->size = room;
  chunk->next = arena->chunks;
  arena->chunks = chunk;
  arena->total += sizeof *chunk + room;
  return chunk;
}

void *arena_alloc(Arena *arena, size_t size) {
  const size_t unit = alignof(max_align_t);
  if (size > SIZE_MAX / 2) out_of_memory(size);
  size = size ? (size + unit - 1) / unit * unit : unit;
  Chunk *chunk = arena->chunks;
  if (!chunk || chunk->size - chunk->used < size) chunk = add_chunk(arena, size);
  void *result = chunk->bytes + chunk->used;
  chunk->used += size;
  return result;
}

void *arena_array(Arena *arena, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) out_of_memory(SIZE_MAX);
  return arena_alloc(arena, total);
}

void *arena_copy(Arena *arena, const void *from, size_t size) {
  void *result = arena_alloc(arena, size);
  if (size) memcpy(result, from, size);
  return result;
}

void *arena_grow(Arena *arena, const void *from, size_t old, size_t count, size_t size) {
  void *result = arena_array(arena, count, size);
  if (old) memcpy(result, from, old * size);
  return result;
}

char *arena_string(Arena *arena, const char *from, size_t length) {
  char *result = arena_alloc(arena, length + 1);
  if (length) memcpy(result, from, length);
  return result;
}

char *arena_vformat(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) bug("a format failed: %s", format);
  char *result = arena_alloc(arena, (size_t)length + 1);
  vsnprintf(result, (size_t)length + 1, format, args);
  return result;
}

char *arena_format(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *result = arena_vformat(arena, format, args);
  va_end(args);
  return result;
}

size_t arena_bytes(const Arena *arena) {
  return arena->total;
}
