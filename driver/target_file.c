#include "driver/target_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

enum {
#define RATE(name, field, unit, size, least, most, meaning) RATE_##name,
#include "driver/target_file.def"
#undef RATE
  RATES,
  CPU = RATES, /* the line that names it */
  NAMES
};

static const struct {
  const char *unit, *meaning;
  double size, least, most;
} rates[RATES] = {
#define RATE(name, field, unit, size, least, most, meaning) {unit, meaning, size, least, most},
#include "driver/target_file.def"
#undef RATE
};

static const char *const names[NAMES] = {
#define RATE(name, field, unit, size, least, most, meaning) #name,
#include "driver/target_file.def"
#undef RATE
    "cpu"};

static double get(const Target *target, int rate) {
  const double values[RATES] = {
#define RATE(name, field, unit, size, least, most, meaning) (double)target->field,
#include "driver/target_file.def"
#undef RATE
  };
  return values[rate];
}

static void set(Target *target, int rate, double value) {
#define RATE(name, field, unit, size, least, most, meaning)                                        \
  if (rate == RATE_##name) target->field = (__typeof__(target->field))value;
#include "driver/target_file.def"
#undef RATE
}

/* ---- reading ---- */

typedef struct {
  Session *session;
  const char *path, *bytes;
  size_t length;
  int32_t number; /* of the source; -1: nothing was reported so far */
  bool given[NAMES];
  const char *cpu;
  double values[RATES];
} Reader;

static Diagnostic *fail(Reader *r, DiagnosticCode code, size_t at, size_t size, const char *text) {
  if (r->number < 0)
    r->number = sources_add(r->session->sources, r->path, r->path, r->bytes, r->length);
  Span span = {r->number, (uint32_t)at, (uint32_t)size};
  return diag_report(r->session->diagnostics, code, span, "%s", text);
}

static bool read_line(Reader *r, size_t at, size_t size) {
  enum { WORDS = 3 };
  Arena *arena = r->session->arena;
  const char *line = arena_string(arena, r->bytes + at, size), *words[WORDS + 1] = {0};
  int count = 0;
  if (strlen(line) != size) {
    fail(r, E0508, at, 1, "a byte that no text has");
    return false;
  }
  char *text = arena_string(arena, line, strcspn(line, "#")), *rest = NULL;
  for (char *w = strtok_r(text, " \t\r", &rest); w && count <= WORDS;
       w = strtok_r(NULL, " \t\r", &rest))
    words[count++] = w;
  if (count == 0) return true;
  int found = 0;
  while (found < NAMES && strcmp(words[0], names[found]) != 0) found++;
  if (found == NAMES) {
    Diagnostic *d =
        fail(r, E0508, at, size, arena_format(arena, "nothing is named '%s'", words[0]));
    const char *nearest = nearest_name(words[0], names, NAMES);
    Text known = text_new(arena);
    for (int i = 0; i < NAMES; i++) text_format(&known, "%s%s", i ? ", " : "", names[i]);
    if (nearest) diag_help(d, "%s", nearest);
    diag_help(d, "known: %s", text_get(&known));
    return false;
  }
  if (r->given[found]) {
    fail(r, E0508, at, size, arena_format(arena, "a second line for '%s'", words[0]));
    return false;
  }
  r->given[found] = true;
  if (found == CPU) {
    r->cpu = words[1];
    if (count == 2) return true;
    fail(r, E0508, at, size, "expected one name of a CPU");
    return false;
  }
  char *end = NULL;
  double value = count == 3 ? strtod(words[1], &end) : 0;
  bool fine = count == 3 && *end == 0 && end != words[1] && isfinite(value) &&
              value >= rates[found].least && value <= rates[found].most;
  if (fine && strcmp(words[2], rates[found].unit) == 0) {
    r->values[found] = value * rates[found].size;
    return true;
  }
  fail(r, E0508, at, size,
       arena_format(arena, "expected '%s', a number from %g to %g, and %s", words[0],
                    rates[found].least, rates[found].most, rates[found].unit));
  return false;
}

bool target_file_read(Session *session, const char *path, Target *targets, size_t count) {
  Reader r = {.session = session, .path = path, .number = -1};
  const char *message;
  char *bytes = source_read(session->arena, path, MOST_BYTES, &r.length, &message);
  if (!bytes) {
    int32_t number = sources_add(session->sources, path, path, NULL, 0);
    diag_report(session->diagnostics, E0501, (Span){number, 0, 0}, "%s", message);
    return false;
  }
  r.bytes = bytes;
  for (size_t at = 0; at < r.length;) {
    const char *end = memchr(bytes + at, '\n', r.length - at);
    size_t size = end ? (size_t)(end - bytes) - at : r.length - at;
    if (!read_line(&r, at, size)) return false;
    at += size + 1;
  }
  if (!r.cpu) {
    Diagnostic *d = fail(&r, E0508, 0, 0, "no line says which CPU this is");
    diag_help(d, "cpu %s", targets[0].cpu);
    return false;
  }
  const Target *found = NULL, *middle = target_middle(targets, count);
  for (size_t i = 0; i < count; i++) {
    if (strcmp(targets[i].cpu, r.cpu) != 0) continue;
    found = &targets[i];
    for (int rate = 0; rate < RATES; rate++)
      if (r.given[rate]) set(&targets[i], rate, r.values[rate]);
  }
  if (found && found != middle) {
    Diagnostic *d = fail(
        &r, W0510, 0, 0,
        arena_format(session->arena, "no algorithm is chosen by what %s says of %s", path, r.cpu));
    diag_help(d, "of several CPUs the middle one's speed chooses: one of %s", middle->cpu);
  }
  if (found) return true;
  Diagnostic *d =
      fail(&r, E0509, 0, 0,
           arena_format(session->arena, "what %s says is of %s, and code is made for %s", path,
                        r.cpu, targets[0].cpu));
  diag_help(d, "'dlc target --cpu %s' on a machine that can run it, or --cpu %s", targets[0].cpu,
            r.cpu);
  return false;
}

/* ---- writing ---- */

const char *target_file_text(Arena *arena, const Target *target) {
  Text text = text_new(arena);
  text_format(&text,
              "# dlc target: what a CPU can do, for --target-file; lines may be changed\ncpu %s\n",
              target->cpu);
  for (int i = 0; i < RATES; i++)
    text_format(&text, "%s %.4g %s # %s\n", names[i], get(target, i) / rates[i].size, rates[i].unit,
                rates[i].meaning);
  return text_get(&text);
}
