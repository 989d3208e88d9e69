/* random_text: graph text of random graphs, as it is and mutated, through the rest of the compiler.
 *
 *   random_text [--from SEED] [--count K] [--operations M] [--mutations L] [--print]
 *
 * The text after each pass is read again, and the passes that are left must make of it the very
 * graph that they make without text between. Then, L times a graph, some text is changed at random:
 * a line goes or comes twice, numbers, values, operators, element types are others. That must be
 * refused, or compiled; never end in an internal error or a crash, or take MOST_SECONDS. What fails
 * is printed; --print prints every mutated text before it is read.
 */
#include "backend/lower.h"
#include "ir/module_text.h"
#include "passes/pass.h"
#include "passes/stage_verify.h"
#include "support/bug.h"
#include "tests/tools/random_graph.h"

#include <ctype.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { MOST_SECONDS = 10 };

typedef struct {
  Arena *arena;
  const char *texts[PASSES + 1];
  StoredDataList data; /* of the stages, which text elides */
  int count;
} Stages;

/* ---- what must not happen comes back here ---- */

static sigjmp_buf back;
static bool on_bug(void) {
  siglongjmp(back, 1);
}
static void on_signal(int number) {
  siglongjmp(back, number);
}

static void limit_seconds(int count) {
  setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {count, 0}}, NULL);
}

/* ---- text ---- */

static const char *print(Arena *arena, const Module *module) {
  Text text = text_new(arena);
  module_print(&text, module, (PrintOptions){0});
  return text_get(&text);
}

/* As the driver reads it. */
static Module *parse(Arena *arena, Diagnostics *diagnostics, const char *text,
                     const Stages *given) {
  Sources *sources = diagnostics_sources(diagnostics);
  int32_t file = sources_add(sources, "random.ir", NULL, text, strlen(text));
  Module *module = module_parse_checked(arena, diagnostics, file, stage_verify);
  for (size_t i = 0; module && i < given->data.count; i++) {
    const StoredData *d = &given->data.items[i];
    const char *message;
    if (d->data && data_is_known(d->data))
      module_attach(module, d->name, d->type->element, type_static_count(d->type),
                    data_contents(d->data), &message);
  }
  return module;
}

static bool note_stage(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Stages *s = user;
  (void)pass, (void)effect;
  s->texts[s->count++] = print(s->arena, module);
  StoredDataList stored = module_stored_data(module);
  for (size_t i = 0; i < stored.count; i++) vec_push(s->arena, &s->data, stored.items[i]);
  return true;
}

/* ---- mutations ---- */

typedef struct {
  const char *at;
  size_t length;
} Piece;

static Piece line_of(uint64_t *state, const char *text) {
  int lines = 0;
  for (const char *c = text; *c; c++) lines += *c == '\n';
  int wanted = lines ? (int)random_below(state, (uint64_t)lines) : 0;
  const char *line = text;
  while (wanted--) line = strchr(line, '\n') + 1;
  const char *end = strchr(line, '\n');
  return (Piece){line, end ? (size_t)(end + 1 - line) : strlen(line)};
}

static const char *replaced(Arena *arena, const char *text, Piece what, const char *by) {
  return arena_format(arena, "%.*s%s%s", (int)(what.at - text), text, by, what.at + what.length);
}

/* One of the places in a line where `starts` says that a word starts, whose letters `goes_on`. */
static bool find_word(uint64_t *state, Piece line, int kind, Piece *word) {
  int found = 0;
  for (const char *c = line.at; c < line.at + line.length; c++) {
    char before = c > line.at ? c[-1] : ' ';
    bool starts = kind == 0 ? isdigit((unsigned char)*c) && !isalnum((unsigned char)before) &&
                                  before != '%' && before != '_'
                  : kind == 1 ? *c == '%'
                              : islower((unsigned char)*c) && !isalnum((unsigned char)before) &&
                                    before != '_' && before != '%' && before != '@';
    if (!starts) continue;
    const char *end = c + 1;
    while (isalnum((unsigned char)*end) || *end == '_') end++;
    found++;
    if (random_below(state, (uint64_t)found) == 0) *word = (Piece){c, (size_t)(end - c)};
  }
  return found > 0;
}

static const char *mutated(Arena *arena, uint64_t *state, const char *text) {
  static const char *const numbers[] = {
      "0", "1", "2", "3", "7", "16", "255", "1000000000", "9223372036854775807"};
  Piece line = line_of(state, text), word, other;
  const char *copy = arena_format(arena, "%.*s", (int)line.length, line.at);
  int kind = (int)random_below(state, 12);
  if (kind == 0) return replaced(arena, text, line, "");
  if (kind == 1) return replaced(arena, text, (Piece){line.at, 0}, copy);
  if (kind == 2) { /* the line goes elsewhere */
    const char *rest = replaced(arena, text, line, "");
    return replaced(arena, rest, (Piece){line_of(state, rest).at, 0}, copy);
  }
  if (kind < 6 && find_word(state, line, 0, &word)) {
    long value = strtol(word.at, NULL, 10);
    const char *by = numbers[random_below(state, 9)];
    if (random_below(state, 3) == 0) by = arena_format(arena, "%ld", value + 1);
    if (random_below(state, 4) == 0) by = arena_format(arena, "%ld", value - 1);
    if (random_below(state, 6) == 0) by = arena_format(arena, "%ld", value * 2 % 100000);
    return replaced(arena, text, word, by);
  }
  if (kind < 9 && find_word(state, line, 1, &word)) {
    for (int tries = 0; tries < 20; tries++)
      if (find_word(state, line_of(state, text), 1, &other))
        return replaced(arena, text, word,
                        arena_format(arena, "%.*s", (int)other.length, other.at));
  }
  if (kind < 11 && find_word(state, line, 2, &word)) {
    const char *by = operator_infos[random_below(state, OPERATORS)].name;
    if (random_below(state, 3) == 0) by = passes[random_below(state, PASSES)].name;
    if (random_below(state, 3) == 0) by = element_infos[random_below(state, ELEMENTS)].name;
    return replaced(arena, text, word, by);
  }
  const char *brace = memchr(line.at, '{', line.length);
  const char *end = brace ? memchr(brace, '}', line.length - (size_t)(brace - line.at)) : NULL;
  if (!end) return text;
  return replaced(arena, text, (Piece){brace, (size_t)(end + 1 - brace)}, "");
}

/* ---- one graph ---- */

static void target_of(Arena *arena, Target *target) {
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  if (!target_find(target, arena, NULL, "x86-64-v3", diagnostics)) bug("no x86-64-v3");
}

/* The text with values numbered in order, since passes number what they make by what there was. */
static const char *renumbered(Arena *arena, const char *text) {
  Text to = text_new(arena);
  int count = 0, known = 1024, *numbers = arena_array(arena, (size_t)known, sizeof *numbers);
  for (int i = 0; i < known; i++) numbers[i] = -1;
  while (*text) {
    if (*text != '%' || !isdigit((unsigned char)text[1])) {
      text_char(&to, *text++);
      continue;
    }
    char *end;
    long number = strtol(text + 1, &end, 10);
    while (number >= known) {
      int *more = arena_array(arena, (size_t)known * 2, sizeof *more);
      for (int i = 0; i < known * 2; i++) more[i] = i < known ? numbers[i] : -1;
      numbers = more, known *= 2;
    }
    if (numbers[number] < 0) numbers[number] = count++;
    text_format(&to, "%%%d", numbers[number]);
    text = end;
  }
  return text_get(&to);
}

static const char *read_again(Arena *arena, const Stages *s, int stage,
                              const PassOptions *options) {
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  Module *module = parse(arena, diagnostics, s->texts[stage], s);
  bool fine = module && pipeline_run(module, options, diagnostics, NULL, NULL);
  if (!fine) {
    diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
    return "is refused";
  }
  const char *want = renumbered(arena, s->texts[s->count - 1]);
  const char *got = renumbered(arena, print(arena, module));
  if (strcmp(got, want) == 0) return NULL;
  size_t same = 0;
  while (got[same] == want[same]) same++;
  while (same > 0 && got[same - 1] != '\n') same--;
  return arena_format(arena, "becomes another graph:\n%.*s\ninstead of\n%.*s\nfrom",
                      (int)strcspn(got + same, "\n"), got + same, (int)strcspn(want + same, "\n"),
                      want + same);
}

/* Whether it was compiled. */
static bool compile_mutated(Arena *arena, const Stages *s, const char *text,
                            const PassOptions *options, const Target *target) {
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  Module *module = parse(arena, diagnostics, text, s);
  if (!module) return false;
  if (!pipeline_run(module, options, diagnostics, NULL, NULL)) return false;
  lower(arena, module, target, "test");
  return true;
}

typedef struct {
  long compiled, tried, failed;
} Counts;

/* What must not be, or NULL. */
static const char *try_mutated(const Stages *s, const char *text, const PassOptions *options,
                               const Target *target, Counts *counts) {
  Arena *arena = arena_new();
  counts->tried++;
  bug_hook = on_bug;
  int number = sigsetjmp(back, 1);
  if (number == 0) {
    limit_seconds(MOST_SECONDS);
    counts->compiled += compile_mutated(arena, s, text, options, target);
  }
  limit_seconds(0);
  bug_hook = NULL;
  arena_free(arena);
  return number == 0         ? NULL
         : number == 1       ? "an internal error"
         : number == SIGPROF ? "it takes too long"
                             : "a crash";
}

static void test_seed(uint64_t seed, int operations, int mutations, bool shows, Counts *counts) {
  Arena *arena = arena_new();
  RandomGraph graph = {.seed = seed, .operations = operations, .dynamic = seed % 2};
  graph.maps = seed % 4 == 1, graph.sequences = seed % 4 == 2;
  graph.states = true, graph.regions = graph.panels = seed % 4 == 3;
  bool gradient = seed % 8 >= 5 && (graph.maps || graph.sequences);
  graph.exclude = gradient ? random_jumps : NULL;
  graph.states = !gradient;
  Module *module = random_graph(arena, &graph);
  if (gradient) random_ask_gradient(module);
  PassOptions options = PASS_OPTIONS_DEFAULT;
  Stages stages = {.arena = arena};
  Target target;
  target_of(arena, &target);
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  note_stage(&stages, NULL, NULL, module);
  if (!pipeline_run(module, &options, diagnostics, note_stage, &stages)) bug("passes fail");
  for (int i = 0; i < stages.count; i++) {
    Arena *own = arena_new();
    const char *failure = read_again(own, &stages, i, &options);
    if (failure) {
      printf("seed %llu: stage %d %s\n%s\n", (unsigned long long)seed, i, failure, stages.texts[i]);
      counts->failed++;
    }
    arena_free(own);
  }
  uint64_t state = seed;
  for (int i = 0; i < mutations; i++) {
    const char *text = stages.texts[random_below(&state, (uint64_t)stages.count)];
    for (uint64_t n = 1 + random_below(&state, 3); n > 0; n--) text = mutated(arena, &state, text);
    if (shows) printf("%s\n", text), fflush(stdout);
    const char *failure = try_mutated(&stages, text, &options, &target, counts);
    if (!failure) continue;
    counts->failed++;
    printf("seed %llu, mutation %d: %s\n%s\n", (unsigned long long)seed, i, failure, text);
  }
  arena_free(arena);
}

int main(int argc, char **argv) {
  long from = 1, count = 40, operations = 14, mutations = 60;
  bool shows = false;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    shows = shows || strcmp(argv[i], "--print") == 0;
    if (strcmp(argv[i], "--from") == 0) from = atol(value);
    if (strcmp(argv[i], "--count") == 0) count = atol(value);
    if (strcmp(argv[i], "--operations") == 0) operations = atol(value);
    if (strcmp(argv[i], "--mutations") == 0) mutations = atol(value);
  }
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPROF};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], on_signal);
  Counts counts = {0};
  for (long seed = from; seed < from + count; seed++)
    test_seed((uint64_t)seed, (int)operations, (int)mutations, shows, &counts);
  printf("%ld graphs, %ld mutations, %ld compiled; %ld failed\n", count, counts.tried,
         counts.compiled, counts.failed);
  return counts.failed > 0;
}
