#include "support/source.h"

#include "support/bug.h"
#include "support/vec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct Sources {
  Arena *arena;
  VEC(Source) files;
};

Sources *sources_new(Arena *arena) {
  Sources *sources = ARENA_NEW(arena, Sources);
  sources->arena = arena;
  return sources;
}

static void index_lines(Arena *arena, Source *source) {
  VEC(uint32_t) lines = {0};
  vec_push(arena, &lines, 0);
  for (size_t i = 0; i < source->length; i++)
    if (source->bytes[i] == '\n') vec_push(arena, &lines, (uint32_t)(i + 1));
  source->lines = lines.items;
  source->line_count = lines.count;
}

int32_t sources_add(Sources *sources, const char *name, const char *path, const char *bytes,
                    size_t length) {
  Source source = {.name = name, .path = path, .bytes = bytes, .length = length};
  if (bytes) index_lines(sources->arena, &source);
  vec_push(sources->arena, &sources->files, source);
  return (int32_t)sources->files.count;
}

const Source *sources_get(const Sources *sources, int32_t file) {
  if (file < 1 || (size_t)file > sources->files.count) return NULL;
  return &sources->files.items[file - 1];
}

int32_t sources_count(const Sources *sources) {
  return (int32_t)sources->files.count;
}

Place source_place(const Source *source, uint32_t offset) {
  if (!source->lines) return (Place){0, 0};
  if (offset > source->length) offset = (uint32_t)source->length;
  size_t low = 0, high = source->line_count;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (source->lines[middle] <= offset)
      low = middle;
    else
      high = middle;
  }
  int column = 1;
  for (uint32_t i = source->lines[low]; i < offset; i++)
    if (((unsigned char)source->bytes[i] & 0xc0) != 0x80) column++;
  return (Place){(int)low + 1, column};
}

const char *source_line(const Source *source, int line, size_t *length) {
  if (!source->lines || line < 1 || (size_t)line > source->line_count) {
    *length = 0;
    return "";
  }
  const char *start = source->bytes + source->lines[line - 1];
  const char *end = source->bytes + source->length;
  const char *newline = memchr(start, '\n', (size_t)(end - start));
  *length = (size_t)((newline ? newline : end) - start);
  if (*length && start[*length - 1] == '\r') --*length;
  return start;
}

Span span_join(Span first, Span last) {
  if (!first.file) return last;
  if (!last.file || last.file != first.file) return first;
  return (Span){first.file, first.from < last.from ? first.from : last.from,
                first.to > last.to ? first.to : last.to};
}

char *source_read(Arena *arena, const char *path, size_t limit, size_t *length,
                  const char **message) {
  FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
  struct stat status;
  if (!file) {
    *message = strerror(errno);
    return NULL;
  }
  if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
    if (file != stdin) fclose(file);
    *message = strerror(EISDIR);
    return NULL;
  }
  size_t room = 1 << 16, used = 0;
  char *bytes = arena_alloc(arena, room);
  *message = NULL;
  for (;;) {
    size_t got = fread(bytes + used, 1, room - 1 - used, file);
    used += got;
    if (used > limit || used >= UINT32_MAX) {
      *message = "the file is too large";
      break;
    }
    if (used < room - 1) {
      if (ferror(file)) *message = strerror(errno);
      break;
    }
    bytes = arena_grow(arena, bytes, used, room * 2, 1);
    room *= 2;
  }
  if (file != stdin) fclose(file);
  bytes[used] = 0;
  *length = used;
  return *message ? NULL : bytes;
}
