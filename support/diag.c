#include "support/diag.h"

#include "support/bug.h"
#include "support/vec.h"

#include <jansson.h>
#include <string.h>

const DiagnosticInfo diagnostic_infos[] = {
#define DIAGNOSTIC(code, severity, title, text) {#code, SEVERITY_##severity, title, text},
#include "support/diagnostics.def"
#undef DIAGNOSTIC
};

enum { MOST_ERRORS = 20 };

typedef struct {
  Span span;
  const char *message, *label;
} Note;

typedef struct {
  Span span;
  const char *text;
} Fix;

struct Diagnostic {
  Arena *arena;
  const DiagnosticInfo *info; /* NULL: a mistake on the command line */
  Severity severity;
  Span span;
  const char *message, *label;
  VEC(const char *) table;
  VEC(Note) notes;
  VEC(const char *) help;
  VEC(Fix) fixes;
};

struct Diagnostics {
  Arena *arena;
  Sources *sources;
  VEC(Diagnostic *) list;
  size_t shown;
  int errors, warnings;
};

Diagnostics *diagnostics_new(Arena *arena, Sources *sources) {
  Diagnostics *diagnostics = ARENA_NEW(arena, Diagnostics);
  diagnostics->arena = arena;
  diagnostics->sources = sources;
  return diagnostics;
}

Sources *diagnostics_sources(Diagnostics *diagnostics) {
  return diagnostics->sources;
}

static Diagnostic *add(Diagnostics *diagnostics, const DiagnosticInfo *info, Span span,
                       const char *message) {
  Diagnostic *d = ARENA_NEW(diagnostics->arena, Diagnostic);
  d->arena = diagnostics->arena;
  d->info = info;
  d->severity = info ? info->severity : SEVERITY_error;
  d->span = span;
  d->message = message;
  bool is_error = d->severity == SEVERITY_error;
  if (is_error)
    diagnostics->errors++;
  else
    diagnostics->warnings++;
  if ((is_error ? diagnostics->errors : diagnostics->warnings) <= MOST_ERRORS)
    vec_push(diagnostics->arena, &diagnostics->list, d);
  return d;
}

#define FORMATTED(name, arena, format)                                                             \
  va_list args_of_##name;                                                                          \
  va_start(args_of_##name, format);                                                                \
  const char *name = arena_vformat(arena, format, args_of_##name);                                 \
  va_end(args_of_##name)

Diagnostic *diag_report(Diagnostics *diagnostics, DiagnosticCode code, Span span,
                        const char *format, ...) {
  FORMATTED(message, diagnostics->arena, format);
  return add(diagnostics, &diagnostic_infos[code], span, message);
}

Diagnostic *diag_usage(Diagnostics *diagnostics, const char *format, ...) {
  FORMATTED(message, diagnostics->arena, format);
  return add(diagnostics, NULL, SPAN_NONE, message);
}

void diag_label(Diagnostic *d, const char *format, ...) {
  FORMATTED(label, d->arena, format);
  d->label = label;
}

void diag_table(Diagnostic *d, const char *format, ...) {
  FORMATTED(line, d->arena, format);
  vec_push(d->arena, &d->table, line);
}

void diag_note(Diagnostic *d, Span span, const char *format, ...) {
  FORMATTED(message, d->arena, format);
  vec_push(d->arena, &d->notes, ((Note){span, message, NULL}));
}

void diag_note_label(Diagnostic *d, const char *format, ...) {
  FORMATTED(label, d->arena, format);
  if (!d->notes.count) bug("a label for a note that is not there");
  vec_last(&d->notes).label = label;
}

void diag_help(Diagnostic *d, const char *format, ...) {
  FORMATTED(help, d->arena, format);
  vec_push(d->arena, &d->help, help);
}

void diag_fix(Diagnostic *d, Span span, const char *format, ...) {
  FORMATTED(text, d->arena, format);
  vec_push(d->arena, &d->fixes, ((Fix){span, text}));
}

static bool stands_before(Span a, Span b) {
  return a.file != b.file ? a.file < b.file : a.from < b.from;
}

void diag_sort(Diagnostics *diagnostics) {
  Diagnostic **list = diagnostics->list.items;
  for (size_t i = diagnostics->shown + 1; i < diagnostics->list.count; i++) {
    Diagnostic *moved = list[i];
    size_t k = i;
    for (; k > diagnostics->shown && stands_before(moved->span, list[k - 1]->span); k--)
      list[k] = list[k - 1];
    list[k] = moved;
  }
}

int diagnostics_errors(const Diagnostics *diagnostics) {
  return diagnostics->errors;
}
int diagnostics_warnings(const Diagnostics *diagnostics) {
  return diagnostics->warnings;
}

/* ---- text ---- */

typedef struct {
  FILE *to;
  const Sources *sources;
  bool colour;
} Printer;

static const char *paint(const Printer *p, const char *escape) {
  return p->colour ? escape : "";
}

static const char *severity_name(Severity s) {
  return s == SEVERITY_error ? "error" : "warning";
}

static void print_where(const Printer *p, Span span) {
  const Source *source = sources_get(p->sources, span.file);
  if (!source) {
    fputs("dlc: ", p->to);
    return;
  }
  if (!source->lines) {
    fprintf(p->to, "%s: ", source->name);
    return;
  }
  Place place = source_place(source, span.from);
  fprintf(p->to, "%s:%d:%d: ", source->name, place.line, place.column);
}

enum { WIDEST_LINE = 200 };

/* A tab is drawn as one blank, control characters as '?': the carets must stay below their text. */
static void print_line_part(FILE *to, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)bytes[i];
    fputc(c == '\t' ? ' ' : c < 32 || c == 127 ? '?' : c, to);
  }
}

static size_t characters(const char *bytes, size_t length) {
  size_t count = 0;
  for (size_t i = 0; i < length; i++)
    if (((unsigned char)bytes[i] & 0xc0) != 0x80) count++;
  return count;
}

static void print_excerpt(const Printer *p, Span span, const char *label, const char *escape) {
  const Source *source = sources_get(p->sources, span.file);
  if (!source || !source->lines) {
    if (label) fprintf(p->to, "        %s\n", label);
    return;
  }
  Place place = source_place(source, span.from);
  size_t length;
  const char *line = source_line(source, place.line, &length);
  size_t start = (size_t)(source->bytes + span.from - line);
  if (start > length) start = length;
  size_t end = span.to > span.from ? start + (span.to - span.from) : start + 1;
  if (end > length) end = length; /* of a span over lines, the first */
  size_t skip = 0;                /* of a very long line, the part around the place */
  if (length > WIDEST_LINE && start > WIDEST_LINE / 2) skip = start - WIDEST_LINE / 2;
  while (skip && ((unsigned char)line[skip] & 0xc0) == 0x80) skip--;
  size_t shown = length - skip > WIDEST_LINE ? WIDEST_LINE : length - skip;
  if (end > skip + shown) end = skip + shown;
  fprintf(p->to, "%5d | %s", place.line, skip ? ".." : "");
  print_line_part(p->to, line + skip, shown);
  fprintf(p->to, "%s\n      | %s", skip + shown < length ? ".." : "", skip ? "  " : "");
  for (size_t i = characters(line + skip, start - skip); i > 0; i--) fputc(' ', p->to);
  size_t carets = end > start ? characters(line + start, end - start) : 1;
  fputs(paint(p, escape), p->to);
  for (; carets > 0; carets--) fputc('^', p->to);
  if (label) fprintf(p->to, " %s", label);
  fprintf(p->to, "%s\n", paint(p, "\033[0m"));
}

static void print_text(const Printer *p, const Diagnostic *d) {
  const char *escape = d->severity == SEVERITY_error ? "\033[1;31m" : "\033[1;35m";
  print_where(p, d->span);
  fprintf(p->to, "%s%s", paint(p, escape), severity_name(d->severity));
  if (d->info) fprintf(p->to, "[%s]", d->info->code);
  fprintf(p->to, ":%s %s\n", paint(p, "\033[0m"), d->message);
  print_excerpt(p, d->span, d->label, escape);
  for (size_t i = 0; i < d->table.count; i++) fprintf(p->to, "  %s\n", d->table.items[i]);
  for (size_t i = 0; i < d->notes.count; i++) {
    const Note *note = &d->notes.items[i];
    if (note->span.file) print_where(p, note->span);
    fprintf(p->to, "%snote:%s %s\n", paint(p, "\033[1;36m"), paint(p, "\033[0m"), note->message);
    print_excerpt(p, note->span, note->label, "\033[1;36m");
  }
  for (size_t i = 0; i < d->help.count; i++)
    fprintf(p->to, "%shelp:%s %s\n", paint(p, "\033[1;32m"), paint(p, "\033[0m"), d->help.items[i]);
}

/* ---- JSON: one object a line ---- */

static json_t *text_or_null(const char *text) {
  if (!text) return json_null();
  json_t *value = json_string(text);
  return value ? value : json_string("(not UTF-8)");
}

static void add_place(json_t *object, const Sources *sources, Span span) {
  const Source *source = sources_get(sources, span.file);
  json_object_set_new(object, "file", source ? text_or_null(source->name) : json_null());
  if (!source || !source->lines) return;
  Place from = source_place(source, span.from), to = source_place(source, span.to);
  json_object_set_new(object, "line", json_integer(from.line));
  json_object_set_new(object, "column", json_integer(from.column));
  json_object_set_new(object, "end_line", json_integer(to.line));
  json_object_set_new(object, "end_column", json_integer(to.column));
  json_object_set_new(object, "bytes",
                      json_pack("[I,I]", (json_int_t)span.from, (json_int_t)span.to));
}

static void print_json(FILE *to, const Sources *sources, const Diagnostic *d) {
  json_t *object = json_object();
  json_object_set_new(object, "severity", json_string(severity_name(d->severity)));
  json_object_set_new(object, "code", d->info ? json_string(d->info->code) : json_null());
  Text message = text_new(d->arena);
  text_string(&message, d->message);
  for (size_t i = 0; i < d->table.count; i++) text_format(&message, "\n%s", d->table.items[i]);
  json_object_set_new(object, "message", text_or_null(text_get(&message)));
  add_place(object, sources, d->span);
  json_object_set_new(object, "label", text_or_null(d->label));
  json_t *notes = json_array();
  for (size_t i = 0; i < d->notes.count; i++) {
    json_t *note = json_object();
    json_object_set_new(note, "message", text_or_null(d->notes.items[i].message));
    add_place(note, sources, d->notes.items[i].span);
    json_object_set_new(note, "label", text_or_null(d->notes.items[i].label));
    json_array_append_new(notes, note);
  }
  json_object_set_new(object, "notes", notes);
  Text help = text_new(d->arena);
  for (size_t i = 0; i < d->help.count; i++)
    text_format(&help, "%s%s", i ? "\n" : "", d->help.items[i]);
  json_object_set_new(object, "help", d->help.count ? text_or_null(text_get(&help)) : json_null());
  json_t *fixes = json_array();
  for (size_t i = 0; i < d->fixes.count; i++) {
    const Fix *fix = &d->fixes.items[i];
    json_t *one =
        json_pack("{s:[I,I]}", "bytes", (json_int_t)fix->span.from, (json_int_t)fix->span.to);
    json_object_set_new(one, "text", text_or_null(fix->text));
    json_array_append_new(fixes, one);
  }
  json_object_set_new(object, "fixes", fixes);
  json_dumpf(object, to, JSON_COMPACT);
  fputc('\n', to);
  json_decref(object);
}

void diag_flush(Diagnostics *diagnostics, FILE *to, DiagForm form, bool colour, bool quiet) {
  Printer printer = {to, diagnostics->sources, colour};
  for (; diagnostics->shown < diagnostics->list.count; diagnostics->shown++) {
    const Diagnostic *d = diagnostics->list.items[diagnostics->shown];
    if (quiet && d->severity != SEVERITY_error) continue;
    if (form == DIAG_JSON)
      print_json(to, diagnostics->sources, d);
    else
      print_text(&printer, d);
  }
  fflush(to);
}

void diag_summary(const Diagnostics *diagnostics, FILE *to, DiagForm form) {
  int errors = diagnostics->errors, warnings = diagnostics->warnings;
  if (form == DIAG_JSON || errors + warnings < 2) return;
  fputs("dlc: ", to);
  if (errors) fprintf(to, "%d error%s", errors, errors == 1 ? "" : "s");
  if (errors && warnings) fputs(", ", to);
  if (warnings) fprintf(to, "%d warning%s", warnings, warnings == 1 ? "" : "s");
  if (errors > MOST_ERRORS) fprintf(to, "; the first %d are shown", MOST_ERRORS);
  fputc('\n', to);
}
