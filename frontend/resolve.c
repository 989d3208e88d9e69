/* What can be said of names without elaborating: NOTES on scope are in docs/language.md. A body
 * sees its own names, those around a local function, the file's top level, what imports bring, and
 * the standard library. `if` and `for` open no scope; scan and comprehensions do. What a body holds
 * is resolve_body.c's; here are the declarations of a file.
 */
#include "frontend/elaborate.h"
#include "frontend/resolver.h"

#include <string.h>

static void check_twice(Resolver *r, const Declaration *declaration) {
  const char *name = declaration->name.name;
  if (!name) return;
  const Declaration *first = names_get(&r->names.file->declarations, name);
  Span other = first->name.span;
  if (first == declaration) {
    const Binding *binding = names_get(&r->names.scope->names, name);
    if (!binding) return;
    other = binding->span;
  }
  Diagnostic *d = diag_report(r->names.diagnostics, E0102, declaration->name.span,
                              "'%s' is declared twice", name);
  diag_note(d, other, "the other one is here");
}

static void check_steps(Resolver *r, const Declaration *declaration) {
  for (size_t i = 0; i < declaration->steps.count; i++) {
    const Step *step = &declaration->steps.items[i];
    const Declaration *found = names_get(&r->names.file->declarations, step->name.name);
    if (!found || !found->definition || found->definition->kind != DEFINITION_TRAIN)
      name_unknown(&r->names, step->name.name, step->name.span, WANTED_STEP);
    if (step->times) resolve_expr(r, step->times, WANTED_VALUE);
  }
}

/* Words that the command line of every program has. */
static bool is_command(const char *name) {
  static const char *const words[] = {"predict", "train", "info", "bench", "profile", "help"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(name, words[i]) == 0) return true;
  return false;
}

static void check_run(Resolver *r, const Declaration *declaration) {
  const AstFile *file = r->names.file->ast;
  const Ident *name = &declaration->run;
  if (is_command(name->name))
    diag_report(r->names.diagnostics, E0117, name->span, "a run cannot be named '%s'", name->name);
  for (size_t i = 0; i < file->count && file->items[i] != declaration; i++)
    if (file->items[i]->run.name == name->name) {
      Diagnostic *d = diag_report(r->names.diagnostics, E0102, name->span, "'%s' is declared twice",
                                  name->name);
      diag_note(d, file->items[i]->run.span, "the other one is here");
    }
  for (size_t i = 0; i < declaration->parts.count; i++) {
    const RunPart *part = &declaration->parts.items[i];
    const char *word = part->entry.name;
    if (part->value) {
      resolve_expr(r, part->value, WANTED_VALUE);
      if (strcmp(word, "start") == 0 || strcmp(word, "end") == 0) continue;
      Diagnostic *d = diag_report(r->names.diagnostics, E0121, part->entry.span,
                                  "a run has no setting '%s'", word);
      diag_help(d, "start = TOKEN and end = TOKEN are known");
      continue;
    }
    const Declaration *found = names_get(&r->names.file->declarations, word);
    if (!found || !found->definition || found->definition->kind != DEFINITION_MODEL)
      name_unknown(&r->names, word, part->entry.span, WANTED_MODEL);
  }
}

static void resolve_file(Resolver *r, const ProgramFile *file) {
  int errors = diagnostics_errors(r->names.diagnostics);
  r->names.file = file;
  r->names.reported = (NameTable){0};
  scope_push(&r->names, false);
  for (size_t i = 0; i < file->ast->count; i++) {
    Stmt *statement = file->ast->items[i]->statement;
    if (statement) resolve_collect(r, &(StmtList){.items = &statement, .count = 1});
  }
  for (size_t i = 0; i < file->ast->count; i++) {
    const Declaration *declaration = file->ast->items[i];
    check_twice(r, declaration);
    if (declaration->statement) resolve_statement(r, declaration->statement);
    if (declaration->kind == DECLARATION_STEPS) check_steps(r, declaration);
    if (declaration->kind == DECLARATION_RUN) check_run(r, declaration);
    if (declaration->kind == DECLARATION_CONST || declaration->kind == DECLARATION_DIM)
      resolve_expr(r, declaration->value, WANTED_VALUE);
  }
  for (size_t i = 0; i < file->ast->count; i++) {
    r->definition = file->ast->items[i]->definition;
    if (r->definition) resolve_definition(r, r->definition);
  }
  r->definition = NULL;
  scope_pop(&r->names);
  if (diagnostics_errors(r->names.diagnostics) == errors) scope_warn_unused(&r->names);
}

bool resolve_program(Arena *arena, Interner *interner, Diagnostics *diagnostics,
                     const Program *program) {
  Resolver r = {.names = {.arena = arena,
                          .interner = interner,
                          .diagnostics = diagnostics,
                          .program = program},
                .endless = endless_new(arena)};
  size_t count;
  const char *const *builtins = elaborate_names(&count);
  for (size_t i = 0; i < count; i++)
    names_put(arena, &r.names.builtins, intern(interner, builtins[i]), &r);
  int errors = diagnostics_errors(diagnostics);
  for (size_t i = program->standard_count; i < program->count; i++)
    resolve_file(&r, program->files[i]);
  endless_report(r.endless, diagnostics);
  diag_sort(diagnostics);
  return diagnostics_errors(diagnostics) == errors;
}
