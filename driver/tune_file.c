#include "driver/tune_file.h"

#include "driver/output.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char head[] = "# dlc --tune: CPU, threads, operation : candidates with their "
                           "microseconds. The first is taken.\n";

enum { MOST_BYTES = 1 << 26 };

static void add(Session *session, TuneFile *file, TuneFinding finding) {
  finding.key = intern(file->keys, finding.key);
  vec_push(session->arena, &file->findings, finding);
  map_set(session->arena, &file->numbers, map_key(finding.key),
          (void *)(uintptr_t)file->findings.count);
}

/* One line without its end. NULL, or what was expected. */
static const char *read_line(Session *session, TuneFile *file, size_t place, size_t length) {
  const char *line = file->bytes + place;
  Arena *arena = session->arena;
  const char *text = arena_string(arena, line, length);
  if (strlen(text) != length) return "a line of text";
  if (text[strspn(text, " \t\r")] == 0 || text[0] == '#') return NULL;
  const char *colon = strstr(text, " : ");
  if (!colon || colon == text) return "' : ' between an operation and its candidates";
  TuneFinding finding = {.key = arena_string(arena, text, (size_t)(colon - text)),
                         .at = (uint32_t)place,
                         .length = (uint32_t)length};
  if (tune_file_find(file, finding.key)) return "an operation that has no line before this one";
  for (const char *at = colon + 3;; at += 2) {
    size_t name = strcspn(at, " ,");
    if (name == 0 || at[name] != ' ') return "the name of a candidate and its microseconds";
    char *end;
    double time = strtod(at + name, &end);
    if (end == at + name || !isfinite(time) || time < 0) return "microseconds";
    TuneTime row = {arena_string(arena, at, name), time * 1e-6};
    vec_push(arena, &finding.times, row);
    at = end;
    if (at[0] == 0 || (at[0] == '\r' && at[1] == 0)) break;
    if (at[0] != ',' || at[1] != ' ') return "', ' between candidates";
  }
  add(session, file, finding);
  return NULL;
}

bool tune_file_read(Session *session, const char *path, TuneFile *file) {
  *file = (TuneFile){
      .path = path, .text = text_new(session->arena), .keys = interner_new(session->arena)};
  if (access(path, F_OK) != 0 && errno == ENOENT) return true;
  size_t length;
  const char *message;
  char *bytes = source_read(session->arena, path, MOST_BYTES, &length, &message);
  if (!bytes) {
    int32_t number = sources_add(session->sources, path, path, NULL, 0);
    diag_report(session->diagnostics, E0501, (Span){number, 0, 0}, "%s", message);
    return false;
  }
  file->bytes = bytes, file->length = length;
  text_bytes(&file->text, bytes, length);
  if (length && bytes[length - 1] != '\n') text_char(&file->text, '\n');
  for (size_t at = 0; at < length;) {
    const char *end = memchr(bytes + at, '\n', length - at);
    size_t size = end ? (size_t)(end - bytes) - at : length - at;
    const char *wanted = read_line(session, file, at, size);
    if (wanted) {
      TuneFinding line = {.at = (uint32_t)at, .length = (uint32_t)size};
      Diagnostic *d = diag_report(session->diagnostics, E0506,
                                  tune_file_place(session, file, &line), "expected %s", wanted);
      diag_help(d, "remove the line: what it says is measured anew");
      return false;
    }
    at += size + 1;
  }
  return true;
}

/* The file is a source only then: a program's hash is of its network alone. */
Span tune_file_place(Session *session, TuneFile *file, const TuneFinding *finding) {
  if (!finding->length) return SPAN_NONE;
  int32_t number = sources_add(session->sources, file->path, file->path, file->bytes, file->length);
  return (Span){number, finding->at, finding->length};
}

const TuneFinding *tune_file_find(const TuneFile *file, const char *key) {
  uintptr_t number = (uintptr_t)map_get(&file->numbers, map_key(intern(file->keys, key)));
  return number ? &file->findings.items[number - 1] : NULL;
}

static int by_time(const void *a, const void *b) {
  double x = ((const TuneTime *)a)->seconds, y = ((const TuneTime *)b)->seconds;
  return (x > y) - (x < y);
}

void tune_file_add(Session *session, TuneFile *file, TuneFinding finding) {
  qsort(finding.times.items, finding.times.count, sizeof *finding.times.items, by_time);
  add(session, file, finding);
  if (file->text.length == 0) text_string(&file->text, head);
  text_format(&file->text, "%s : ", finding.key);
  for (size_t i = 0; i < finding.times.count; i++)
    text_format(&file->text, "%s%s %.4g", i ? ", " : "", finding.times.items[i].name,
                finding.times.items[i].seconds * 1e6);
  text_char(&file->text, '\n');
  file->grown = true;
}

bool tune_file_write(Session *session, TuneFile *file) {
  bool grown = file->grown;
  file->grown = false;
  return !grown || output_write(session, file->path, file->text.bytes, file->text.length);
}
