/* runs.c - `run NAME { .. }`: lines of models by name, as data of the module. */
#include "frontend/elaborator.h"

#include "ir/runs.h"

#include <string.h>

static const Declaration *model_of(const Elaborator *e, const char *name) {
  const AstFile *file = e->program->main->ast;
  for (size_t i = 0; i < file->count; i++) {
    const Declaration *declaration = file->items[i];
    if (declaration->definition && declaration->definition->kind == DEFINITION_MODEL &&
        declaration->name.name == name)
      return declaration;
  }
  return NULL;
}

static void add_names(Elaborator *e, NameVec *to, const IdentList *names) {
  for (size_t i = 0; i < names->count; i++)
    vec_push(e->module->arena, to, intern(e->module->names, names->items[i].name));
}

/* "token, pos" */
static const char *parameters_text(Elaborator *e, const ParameterList *list) {
  Text text = text_new(e->arena);
  for (size_t i = 0; i < list->count; i++)
    text_format(&text, "%s%s", i ? ", " : "", list->items[i].name.name);
  return text_get(&text);
}

/* The inputs by their order; index dims, which count, are left out. */
static bool add_line(Elaborator *e, PageRun *run, const RunPart *part) {
  const Declaration *model = model_of(e, part->entry.name);
  const ParameterList *parameters = &model->definition->parameters;
  RunLine line = {.entry = intern(e->module->names, part->entry.name)};
  if (part->inputs.count != parameters->count) {
    Diagnostic *d = report(e, e->file_frame, E0121, part->span, "'%s' takes %zu inputs, not %zu",
                           part->entry.name, parameters->count, part->inputs.count);
    diag_help(d, "%s -> %s", parameters_text(e, parameters), part->entry.name);
    return false;
  }
  for (size_t i = 0; i < parameters->count; i++)
    if (!parameters->items[i].range)
      vec_push(e->module->arena, &line.inputs,
               intern(e->module->names, part->inputs.items[i].name));
  add_names(e, &line.outputs, &part->outputs);
  vec_push(e->module->arena, &run->lines, line);
  return true;
}

static bool add_setting(Elaborator *e, PageRun *run, const RunPart *part) {
  Object *value = evaluate(e, e->file_frame, part->value);
  if (is_error(value)) return false;
  if (value->kind != OBJECT_INTEGER || value->integer < 0 || value->integer > INT32_MAX) {
    report(e, e->file_frame, E0223, part->value->span, "'%s' is the number of a token, not %s",
           part->entry.name, object_text(e, value));
    return false;
  }
  *(strcmp(part->entry.name, "start") == 0 ? &run->start : &run->end) = value->integer;
  return true;
}

static bool all_built(const Elaborator *e, const Declaration *declaration) {
  for (size_t i = 0; i < declaration->parts.count; i++)
    if (!declaration->parts.items[i].value &&
        !module_function(e->module, declaration->parts.items[i].entry.name))
      return false;
  return true;
}

/* The part that line number `line` was made of. */
static Span line_span(const Declaration *declaration, int line) {
  for (size_t i = 0; i < declaration->parts.count; i++)
    if (!declaration->parts.items[i].value && line-- == 0) return declaration->parts.items[i].span;
  return declaration->span;
}

static void add_run(Elaborator *e, const Declaration *declaration) {
  PageRun run = {.name = intern(e->module->names, declaration->run.name), .start = -1, .end = -1};
  for (size_t i = 0; i < declaration->parts.count; i++) {
    const RunPart *part = &declaration->parts.items[i];
    if (!(part->value ? add_setting(e, &run, part) : add_line(e, &run, part))) return;
  }
  RunMeaning meaning;
  int line;
  const char *message = run_meaning(e->arena, e->module, &run, &meaning, &line);
  if (message)
    report(e, e->file_frame, E0121, line_span(declaration, line), "%s", message);
  else
    vec_push(e->module->arena, &e->module->runs, run);
}

void elaborate_runs(Elaborator *e) {
  const AstFile *file = e->program->main->ast;
  for (size_t i = 0; i < file->count; i++)
    if (file->items[i]->kind == DECLARATION_RUN && all_built(e, file->items[i]))
      add_run(e, file->items[i]); /* else --entry left something out */
}
