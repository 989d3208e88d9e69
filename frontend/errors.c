/* errors.c - reports with the way that led to them, locations, and the limits of elaboration. */
#include "frontend/elaborator.h"

#include <stdarg.h>
#include <string.h>

bool is_standard(const Elaborator *e, Span span) {
  for (size_t i = 0; i < e->program->count; i++)
    if (e->program->files[i]->ast->file == span.file) return e->program->files[i]->standard;
  return false;
}

static const char *frame_title(Elaborator *e, const Frame *frame) {
  if (!frame->definition) return "the file";
  if (frame->kind == FRAME_LAYER && frame->instance && frame->instance->call)
    return frame->instance->call;
  return frame->definition->name.name ? frame->definition->name.name : arena_format(e->arena, "?");
}

/* A mistake met again (in another application of the same body) is told once. */
static bool told_before(Elaborator *e, DiagnosticCode code, Span span, Span shown) {
  const char *key = arena_format(e->arena, "%d:%d:%u:%d:%u", (int)code, span.file, span.from,
                                 shown.file, shown.from);
  key = intern(e->interner, key);
  if (pointer_get(&e->reported, key)) return true;
  pointer_set(&e->reported, key, &e->reported);
  return false;
}

/* Where it is in the library, and what the user called to get there. */
static void note_inner(Elaborator *e, Diagnostic *d, const Frame *frame, const Frame *outer,
                       Span span) {
  const Frame *called = frame;
  while (called->caller != outer) called = called->caller;
  if (called == frame)
    diag_note(d, span, "here, in '%s'", frame_title(e, frame));
  else
    diag_note(d, span, "here, in '%s' called by '%s'", frame_title(e, frame),
              frame_title(e, called));
}

Diagnostic *report(Elaborator *e, const Frame *frame, DiagnosticCode code, Span span,
                   const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = arena_vformat(e->arena, format, args);
  va_end(args);
  /* The user's own line comes first: the deepest call that stands in one of their files. */
  const Frame *outer = frame;
  Span shown = span;
  while (is_standard(e, shown) && outer && outer->caller) {
    shown = outer->call;
    outer = outer->caller;
  }
  if (told_before(e, code, span, shown)) return diag_report(e->hidden, code, shown, "%s", message);
  Diagnostic *d = diag_report(e->diagnostics, code, shown, "%s", message);
  if (outer != frame)
    note_inner(e, d, frame, outer, span);
  else if (frame && frame->caller && frame->caller->caller &&
           (frame->kind == FRAME_LAYER || frame->kind == FRAME_FUNCTION))
    diag_note(d, frame->call,
              frame->kind == FRAME_LAYER ? "in '%s', applied here" : "in '%s', called here",
              frame_title(e, frame));
  if (diagnostics_errors(e->diagnostics) > 20) stop(e);
  return d;
}

void stop(Elaborator *e) {
  e->stopped = true;
}

void unsupported(Elaborator *e, const Frame *frame, Span span, const char *what) {
  if (!e->stopped) report(e, frame, E0650, span, "%s cannot be compiled yet", what);
  stop(e);
}

bool take_step(Elaborator *e, const Frame *frame, Span span, int64_t steps) {
  if (e->stopped) return false;
  e->steps += steps;
  int64_t most = e->options->most_steps ? e->options->most_steps : MOST_STEPS;
  if (e->steps <= most) return true;
  Diagnostic *d = report(e, frame, E0306, span, "compiling '%s' takes too many steps",
                         e->entry ? e->entry : "the file");
  diag_help(d, "loops and calls that run while compiling make at most 10,000,000 steps in all");
  stop(e);
  return false;
}

const char *source_text(Elaborator *e, Span span, size_t most) {
  const Source *source = sources_get(diagnostics_sources(e->diagnostics), span.file);
  if (!source || !source->bytes || span.to > source->length) return "?";
  Text text = text_new(e->arena);
  bool blank = false;
  for (uint32_t i = span.from; i < span.to; i++) {
    char c = source->bytes[i];
    if (c == '#') {
      while (i < span.to && source->bytes[i] != '\n') i++;
      c = ' ';
    }
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      blank = true;
      continue;
    }
    char last = text.length ? text.bytes[text.length - 1] : '(';
    if (blank && last != '(' && last != '[' && c != ')' && c != ']') text_char(&text, ' ');
    blank = false;
    if (text.length >= most) {
      text_string(&text, "..");
      break;
    }
    text_char(&text, c);
  }
  return text_get(&text);
}

/* ---- locations ---- */

static int file_number(Elaborator *e, int32_t file) {
  const void *key = (const void *)(uintptr_t)(file + 1);
  uintptr_t number = (uintptr_t)pointer_get(&e->file_numbers, key);
  if (number) return (int)number - 1;
  const Source *source = sources_get(diagnostics_sources(e->diagnostics), file);
  const char *name = source ? source->name : "?", *slash = strrchr(name, '/');
  const char *word = slash ? slash + 1 : name, *dot = strchr(word, '.');
  size_t length = dot ? (size_t)(dot - word) : strlen(word);
  char *clean = arena_string(e->module->arena, word, length);
  for (size_t i = 0; i < length; i++)
    if (!(clean[i] == '_' || (clean[i] >= '0' && clean[i] <= '9' && i) ||
          ((clean[i] | 32) >= 'a' && (clean[i] | 32) <= 'z')))
      clean[i] = '_';
  for (size_t i = 1; i < e->module->file_words.count; i++)
    if (strcmp(e->module->file_words.items[i], clean) == 0)
      clean = arena_format(e->module->arena, "%s_%zu", clean, e->module->files.count);
  number = e->module->files.count;
  vec_push(e->module->arena, &e->module->files, intern(e->module->names, name));
  vec_push(e->module->arena, &e->module->file_words, intern(e->module->names, clean));
  pointer_set(&e->file_numbers, key, (void *)(number + 1));
  return (int)number;
}

static Location *location_new(Elaborator *e, Span span) {
  Location *location = ARENA_NEW(e->module->arena, Location);
  Place place =
      source_place(sources_get(diagnostics_sources(e->diagnostics), span.file), span.from);
  location->file = file_number(e, span.file);
  location->line = place.line;
  location->column = place.column;
  location->span = span;
  return location;
}

/* Of a long chain of calls the outer and the inner ends are kept. */
enum { MOST_PLACES = 8, OUTER_PLACES = 4 };

const Location *location_at(Elaborator *e, const Frame *frame, Span span) {
  if (e->located && e->located_frame == frame && e->located_span.file == span.file &&
      e->located_span.from == span.from && e->located_span.to == span.to)
    return e->located;
  Span places[MOST_PLACES] = {span};
  int count = 1, calls = 0, skipped = 0;
  for (const Frame *f = frame; f && f->caller; f = f->caller)
    if (f->call.file) calls++;
  if (calls + 1 > MOST_PLACES) skipped = calls + 1 - MOST_PLACES;
  int at = 0;
  for (const Frame *f = frame; f && f->caller; f = f->caller) {
    if (!f->call.file) continue;
    at++;
    if (skipped && at >= MOST_PLACES - OUTER_PLACES && at < MOST_PLACES - OUTER_PLACES + skipped)
      continue;
    places[count++] = f->call;
  }
  const Location *deeper = NULL;
  for (int i = 0; i < count; i++) {
    Location *location = location_new(e, places[i]);
    location->via = deeper;
    deeper = location;
  }
  e->located_frame = frame;
  e->located_span = span;
  e->located = deeper;
  return deeper;
}

const char *nearest_in_table(const char *name, const PointerTable *map) {
  const char **names = ARENA_ARRAY(map->arena, map->entries.count + 1, const char *);
  for (size_t i = 0; i < map->entries.count; i++) names[i] = map->entries.items[i].key;
  return nearest_name(name, names, map->entries.count);
}
