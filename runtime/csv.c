/* Numbers in lines, parted by commas, semicolons, tabs or blanks: [lines, columns]. A first line
 * without numbers is a heading; lines that are empty or begin with '#' are left out, and the mark
 * of UTF-8 that some programs put first. */
#include "runtime/array.h"
#include "runtime/element.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *path;
  bool integers;
  char *numbers; /* 8 bytes each: doubles, or int64_t */
  size_t count, room;
  dlrt_error *error;
} table;

static bool is_separator(char c) {
  return c == ',' || c == ';' || c == '\t' || c == ' ';
}

static bool parse(const table *t, const char *cell, size_t length, void *number) {
  char text[64], *end;
  if (length >= 2 && cell[0] == '"' && cell[length - 1] == '"') cell++, length -= 2;
  if (length == 0 || length >= sizeof text) return false;
  memcpy(text, cell, length);
  text[length] = 0;
  errno = 0;
  if (t->integers) {
    long long value = strtoll(text, &end, 10);
    memcpy(number, &value, sizeof value);
    return end == text + length && !errno;
  }
  double value = strtod(text, &end);
  memcpy(number, &value, sizeof value);
  return end == text + length; /* too large is inf, too small 0: what a file may well mean */
}

static dlrt_status add(table *t, const char *number) {
  if (t->count == t->room) {
    size_t room = t->room ? t->room * 2 : 1024;
    char *more = room > PTRDIFF_MAX / 8 ? NULL : realloc(t->numbers, room * 8);
    if (!more) return dlrt_fail(t->error, DLRT_NO_MEMORY, "%.300s: no memory", t->path);
    t->numbers = more;
    t->room = room;
  }
  memcpy(t->numbers + 8 * t->count++, number, 8);
  return DLRT_OK;
}

/* Whether a line that could not be read is a heading: its first cell does not even begin like a
 * number. */
static bool is_heading(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '"')) at++;
  return at < end && !strchr("+-.0123456789", *at);
}

/* One line's cells. A bad cell is told by *bad, its column from 1. */
static dlrt_status read_line(table *t, const char *at, const char *end, size_t *bad) {
  *bad = 0;
  for (size_t column = 1; at <= end; column++) {
    while (at < end && *at == ' ') at++;
    const char *start = at;
    while (at < end && !is_separator(*at)) at++;
    const char *stop = at;
    while (at < end && *at == ' ') at++;
    if (at < end && *at != ' ' && is_separator(*at))
      at++;
    else if (at == end)
      at = end + 1;
    char number[8];
    if (!parse(t, start, (size_t)(stop - start), number)) {
      *bad = column;
      return DLRT_OK;
    }
    dlrt_status status = add(t, number);
    if (status) return status;
  }
  return DLRT_OK;
}

static dlrt_status read_lines(table *t, const char *at, const char *end, int64_t shape[2]) {
  bool first = true;
  shape[0] = shape[1] = 0;
  if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
  for (int64_t line = 1; at < end; line++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    const char *next = stop ? stop + 1 : end;
    if (!stop) stop = end;
    while (stop > at && (stop[-1] == '\r' || stop[-1] == ' ')) stop--;
    if (stop > at && *at != '#') {
      size_t before = t->count, bad;
      dlrt_status status = read_line(t, at, stop, &bad);
      if (status) return status;
      int64_t columns = (int64_t)(t->count - before);
      if (bad && !(first && is_heading(at, stop)))
        return dlrt_fail(t->error, DLRT_BAD_FILE, "%.300s:%lld: column %zu is not %s", t->path,
                         (long long)line, bad, t->integers ? "a whole number" : "a number");
      first = false;
      if (bad) t->count = before;
      if (!bad && shape[0]++ == 0) shape[1] = columns;
      if (!bad && columns != shape[1])
        return dlrt_fail(t->error, DLRT_BAD_FILE, "%.300s:%lld: %lld columns, %lld before", t->path,
                         (long long)line, (long long)columns, (long long)shape[1]);
    }
    at = next;
  }
  if (!shape[0]) return dlrt_fail(t->error, DLRT_BAD_FILE, "%.300s: no numbers", t->path);
  return DLRT_OK;
}

dlrt_status dlrt_csv_read(const char *path, dlrt_file *file, dlrt_element element,
                          dlrt_array *array, dlrt_error *error) {
  table t = {.path = path, .integers = !dlrt_element_is_float(element), .error = error};
  int64_t shape[2];
  const char *text = (const char *)file->data;
  dlrt_status status = read_lines(&t, text, text + file->size, shape);
  if (status) {
    free(t.numbers);
    return status;
  }
  dlrt_file_close(file);
  *array = (dlrt_array){.element = t.integers ? DLRT_I64 : DLRT_F64,
                        .rank = 2,
                        .shape = {shape[0], shape[1]},
                        .data = t.numbers,
                        .bytes = t.count * 8,
                        .keep = {(unsigned char *)t.numbers, t.count * 8, DLRT_ALLOCATED}};
  return DLRT_OK;
}
