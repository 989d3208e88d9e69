/* source.h - the texts that are compiled, and places in them.
 *
 * A Span is a range of bytes of one file; line and column are computed when something is shown.
 * Lines and columns count from 1, columns in characters (UTF-8).
 */
#ifndef SUPPORT_SOURCE_H
#define SUPPORT_SOURCE_H

#include "support/arena.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  int32_t file;      /* index into Sources from 1; 0: no place */
  uint32_t from, to; /* bytes [from, to) */
} Span;

#define SPAN_NONE ((Span){0, 0, 0})

typedef struct {
  const char *name;  /* as the user typed it; "std.dl" for the library's */
  const char *path;  /* where it was read from; NULL if it never was a file */
  const char *bytes; /* NUL after the last; NULL: only the name is known */
  size_t length;
  uint32_t *lines; /* offset of each line's first byte */
  size_t line_count;
} Source;

typedef struct Sources Sources;

Sources *sources_new(Arena *arena);
/* Adds a text that stays the caller's (or, with NULL, a name alone); returns its number. Texts of
 * 4 GiB and above are refused by source_read. */
int32_t sources_add(Sources *sources, const char *name, const char *path, const char *bytes,
                    size_t length);
const Source *sources_get(const Sources *sources, int32_t file);
int32_t sources_count(const Sources *sources); /* files are 1 .. count */

typedef struct {
  int line, column;
} Place;
Place source_place(const Source *source, uint32_t offset);
/* The line's text without its end. */
const char *source_line(const Source *source, int line, size_t *length);

/* The span from the start of one to the end of the other. */
Span span_join(Span first, Span last);

/* Reads a whole file ("-": standard input) into the arena, with a NUL after it. NULL and a message
 * (strerror's, or that it is a folder or larger than `limit`) if it cannot. */
char *source_read(Arena *arena, const char *path, size_t limit, size_t *length,
                  const char **message);

#endif
