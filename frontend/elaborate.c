#include "frontend/elaborate.h"

#include "frontend/elaborator.h"

#include <pthread.h>
#include <string.h>

/* Recursion through calls and expressions is bounded by MOST_EVALUATIONS; this holds that many
 * frames, those of sanitizers too. Pages that are not used cost nothing. */
#define STACK_BYTES ((size_t)1 << 30)

static bool is_entry(const Declaration *d) {
  return d->kind == DECLARATION_DEFINITION &&
         (d->definition->kind == DEFINITION_MODEL || d->definition->kind == DEFINITION_TRAIN);
}

static const Declaration *find_entry(const Elaborator *e, const char *name) {
  const AstFile *file = e->program->main->ast;
  for (size_t i = 0; i < file->count; i++)
    if (is_entry(file->items[i]) && strcmp(file->items[i]->name.name, name) == 0)
      return file->items[i];
  return NULL;
}

static const char **entry_names(const Elaborator *e, size_t *count) {
  const AstFile *file = e->program->main->ast;
  const char **names = ARENA_ARRAY(e->arena, file->count + 1, const char *);
  *count = 0;
  for (size_t i = 0; i < file->count; i++)
    if (is_entry(file->items[i])) names[(*count)++] = file->items[i]->name.name;
  return names;
}

static Span file_start(const Elaborator *e) {
  return (Span){e->program->main->ast->file, 0, 0};
}

static void elaborate_one(Elaborator *e, const Declaration *entry) {
  if (entry->definition->kind == DEFINITION_MODEL) {
    elaborate_entry(e, entry, FUNCTION_MODEL);
    return;
  }
  elaborate_entry(e, entry, FUNCTION_TRAIN);
  if (!e->stopped) elaborate_entry(e, entry, FUNCTION_VALUE);
}

static void elaborate_named(Elaborator *e) {
  for (int i = 0; i < e->options->entry_count && !e->stopped; i++) {
    const char *name = e->options->entries[i];
    const Declaration *entry = find_entry(e, name);
    if (entry) {
      elaborate_one(e, entry);
      continue;
    }
    size_t count;
    const char **names = entry_names(e, &count);
    Diagnostic *d =
        diag_report(e->diagnostics, E0118, file_start(e), "there is no entry '%s'", name);
    const char *near = nearest_name(name, names, count);
    Text all = text_new(e->arena);
    for (size_t k = 0; k < count; k++) text_format(&all, "%s%s", k ? ", " : "", names[k]);
    if (near)
      diag_help(d, "there is '%s'", near);
    else if (count)
      diag_help(d, "its entries are: %s", text_get(&all));
  }
}

static void elaborate_all(Elaborator *e) {
  const AstFile *file = e->program->main->ast;
  const Declaration *train = NULL;
  bool any = false;
  for (size_t i = 0; i < file->count && !e->stopped; i++) {
    const Declaration *d = file->items[i];
    if (!is_entry(d)) continue;
    if (d->definition->kind == DEFINITION_MODEL || e->options->training) {
      any = true;
      elaborate_one(e, d);
    } else if (!train) {
      train = d;
    }
  }
  if (any || e->stopped) return;
  if (train) {
    Diagnostic *d = diag_report(e->diagnostics, E0118, train->definition->header,
                                "the file has no model to compute with given parameters");
    diag_help(d,
              "a model shares what stands at the top level; 'dlc build' without --weights makes a "
              "program that trains");
    return;
  }
  Diagnostic *d = diag_report(e->diagnostics, E0118, file_start(e), "the file has no entry");
  diag_help(d, "an entry is what can be called: model net(x: f32[N, 3]) -> f32[N, 3] { return x }");
}

static void run_file(Elaborator *e) {
  const AstFile *file = e->program->main->ast;
  StmtList one = {.count = 1};
  for (size_t i = 0; i < file->count && !e->stopped; i++) {
    if (file->items[i]->kind == DECLARATION_CONST)
      declared_object(e, file->items[i], e->program->main);
    if (file->items[i]->kind != DECLARATION_STMT) continue;
    one.items = &file->items[i]->statement;
    execute(e, e->file_frame, &one);
  }
}

static const char *module_name(Elaborator *e) {
  const Source *source =
      sources_get(diagnostics_sources(e->diagnostics), e->program->main->ast->file);
  const char *slash = strrchr(source->name, '/'), *word = slash ? slash + 1 : source->name;
  const char *dot = strchr(word, '.');
  char *name = arena_string(e->arena, word, dot ? (size_t)(dot - word) : strlen(word));
  for (char *c = name; *c; c++)
    if (!(*c == '_' || (*c >= '0' && *c <= '9' && c != name) ||
          ((*c | 32) >= 'a' && (*c | 32) <= 'z')))
      *c = '_';
  return *name ? name : "model";
}

static void number_main_file(Elaborator *e) {
  Module *module = e->module;
  const Source *source =
      sources_get(diagnostics_sources(e->diagnostics), e->program->main->ast->file);
  const void *key = (const void *)(uintptr_t)(e->program->main->ast->file + 1);
  if (module->files.count) {
    module->files.items[0] = source->name;
  } else {
    vec_push(module->arena, &module->files, source->name);
    vec_push(module->arena, &module->file_words, "");
  }
  pointer_set(&e->file_numbers, key, (void *)(uintptr_t)1);
}

/* `init` was made first; it stands last, or not at all. */
static void place_init(Elaborator *e) {
  Module *module = e->module;
  size_t last = module->functions.count - 1;
  for (size_t i = 0; i < last; i++) module->functions.items[i] = module->functions.items[i + 1];
  module->functions.items[last] = e->init;
  if (!e->options->initialisers && !e->options->training) module->functions.count--;
}

static void run(Elaborator *e) {
  builtins_new(e);
  e->module = module_new(e->arena, module_name(e));
  e->module->after = "elaborate";
  number_main_file(e);
  e->init = module_add_function(e->module, FUNCTION_INIT, "init");
  e->init_builder = (Builder){.function = e->init, .block = e->init->body};
  e->file_scope = scope_new(e, NULL);
  e->file_frame = frame_new(e, FRAME_FILE, NULL, e->program->main, NULL);
  e->file_frame->scope = e->file_scope;
  check_overrides(e);
  run_file(e);
  if (!diagnostics_errors(e->diagnostics)) {
    if (e->options->entries)
      elaborate_named(e);
    else
      elaborate_all(e);
    if (!diagnostics_errors(e->diagnostics)) elaborate_schedule(e);
    if (!diagnostics_errors(e->diagnostics)) elaborate_runs(e);
  }
  place_init(e);
}

static void *run_thread(void *argument) {
  run(argument);
  return NULL;
}

static void run_on_own_stack(Elaborator *e) {
  pthread_attr_t attributes;
  pthread_t thread;
  bool started = pthread_attr_init(&attributes) == 0;
  if (started) {
    started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
              pthread_create(&thread, &attributes, run_thread, e) == 0;
    pthread_attr_destroy(&attributes);
  }
  if (started)
    pthread_join(thread, NULL);
  else
    diag_usage(e->diagnostics, "not enough memory for the elaborator's stack");
}

Module *elaborate(Arena *arena, Diagnostics *diagnostics, const ElaborateOptions *options,
                  Elaboration *extra) {
  Elaborator e = {.arena = arena, .diagnostics = diagnostics, .options = options, .extra = extra};
  if (extra) *extra = (Elaboration){0};
  e.program = options->program;
  e.interner = options->interner;
  if (!e.program) {
    e.interner = interner_new(arena);
    Program *program = program_load(arena, e.interner, diagnostics, options->path);
    if (!program || diagnostics_errors(diagnostics)) return NULL;
    if (!resolve_program(arena, e.interner, diagnostics, program)) return NULL;
    e.program = program;
  }
  e.hidden = diagnostics_new(arena, diagnostics_sources(diagnostics));
  PointerTable *maps[] = {&e.declarations, &e.paths,        &e.parameters, &e.symbols,
                          &e.unnamed,      &e.header_names, &e.reported,   &e.file_numbers,
                          &e.builtins,     &e.held,         &e.init_held};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) maps[i]->arena = arena;
  int errors = diagnostics_errors(diagnostics);
  run_on_own_stack(&e);
  if (extra) {
    extra->module = e.module;
    extra->program = e.program;
  }
  return diagnostics_errors(diagnostics) == errors && !e.stopped ? e.module : NULL;
}
