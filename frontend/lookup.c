/* lookup.c - what a name means: a body's own names, the file's, the imported files', the library's,
 * the language's. Inner names win. */
#include "frontend/elaborator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

Scope *scope_new(Elaborator *e, Scope *parent) {
  Scope *scope = ARENA_NEW(e->arena, Scope);
  scope->parent = parent;
  scope->names.arena = e->arena;
  return scope;
}

/* ---- dims of the file ---- */

const Symbol *find_symbol(Elaborator *e, const char *name, Span span) {
  Symbol *symbol = pointer_get(&e->symbols, name);
  if (symbol) return symbol;
  const Declaration *found = NULL;
  const AstFile *file = e->program->main->ast;
  for (size_t i = 0; i < file->count; i++)
    if (file->items[i]->kind == DECLARATION_DIM && file->items[i]->name.name == name)
      found = file->items[i];
  if (!found) return NULL;
  Object *value = evaluate(e, e->file_frame, found->value);
  int64_t bound = 1;
  if (value->kind != OBJECT_INTEGER) {
    if (!is_error(value))
      report(e, e->file_frame, E0223, found->value->span,
             "the size of 'dim %s' is %s, not a number", name, object_text(e, value));
  } else if (value->integer < 1) {
    report(e, e->file_frame, E0233, found->value->span, "'dim %s' is %lld; a size is at least 1",
           name, (long long)value->integer);
  } else {
    bound = value->integer;
  }
  (void)span;
  symbol = dim_symbol_new(e->module->dims, intern(e->module->names, name),
                          found->bounded ? 1 : bound, bound, false);
  pointer_set(&e->symbols, name, symbol);
  return symbol;
}

/* ---- constants ---- */

static Object *parse_override(Elaborator *e, const char *text) {
  if (strcmp(text, "true") == 0) return object_bool(e, true);
  if (strcmp(text, "false") == 0) return object_bool(e, false);
  char *end;
  if ((*text >= '0' && *text <= '9') || *text == '-' || *text == '+') {
    int64_t integer = 0;
    bool fits = true, digits = false;
    const char *at = text + (*text == '-' || *text == '+');
    for (; *at >= '0' && *at <= '9'; at++) {
      digits = true;
      fits = fits && !__builtin_mul_overflow(integer, 10, &integer) &&
             !__builtin_add_overflow(integer, *at - '0', &integer);
    }
    if (digits && !*at) return fits ? object_integer(e, *text == '-' ? -integer : integer) : NULL;
    double real = strtod(text, &end);
    if (!*end && isfinite(real)) return object_real(e, real);
  }
  size_t length = strlen(text);
  if (length >= 2 && text[0] == '"' && text[length - 1] == '"')
    return object_string(e, intern_bytes(e->interner, text + 1, length - 2));
  return object_string(e, intern(e->interner, text));
}

static const char *kind_name(const Object *o) {
  switch (o->kind) {
  case OBJECT_INTEGER:
    return "a whole number";
  case OBJECT_REAL:
    return "a number";
  case OBJECT_BOOL:
    return "true or false";
  case OBJECT_STRING:
    return "a text";
  default:
    return "neither number nor text";
  }
}

/* `-D name=value`, if there is one; it must be of the kind that the file gives. */
static Object *overridden(Elaborator *e, const Declaration *declaration, Object *standard) {
  for (int i = e->options->override_count - 1; i >= 0; i--) {
    const ConstOverride *o = &e->options->overrides[i];
    if (strcmp(o->name, declaration->name.name) != 0) continue;
    Object *value = parse_override(e, o->value);
    if (value && standard->kind == OBJECT_REAL && value->kind == OBJECT_INTEGER)
      return object_real(e, (double)value->integer);
    if (value && standard->kind == OBJECT_STRING && value->kind != OBJECT_STRING)
      return object_string(e, intern(e->interner, o->value));
    if (value && value->kind == standard->kind) return value;
    Diagnostic *d =
        report(e, e->file_frame, E0309, declaration->name.span, "-D %s=%s does not fit: '%s' is %s",
               o->name, o->value, o->name, kind_name(standard));
    diag_label(d, "%s here", object_text(e, standard));
    return error_object;
  }
  return standard;
}

/* Overridden constants need no value of their own, unless its kind is asked for. */
static Object *evaluate_const(Elaborator *e, const Declaration *declaration,
                              const ProgramFile *home) {
  Frame *frame = frame_new(e, FRAME_VALUE, NULL, home, NULL);
  Object *standard = evaluate(e, frame, declaration->value);
  if (home->standard || is_error(standard)) return standard;
  return overridden(e, declaration, standard);
}

static int busy_mark;

Object *declared_object(Elaborator *e, const Declaration *declaration, const ProgramFile *home) {
  void *known = pointer_get(&e->declarations, declaration);
  if (known == &busy_mark) {
    report(e, e->file_frame, E0310, declaration->name.span, "the value of '%s' needs itself",
           declaration->name.name);
    return error_object;
  }
  if (known) return known;
  Object *object = error_object;
  if (declaration->kind == DECLARATION_CONST) {
    if (e->depth > MOST_EVALUATIONS / 2) {
      report(e, e->file_frame, E0307, declaration->span,
             "constants depend on each other too deeply");
      return error_object;
    }
    pointer_set(&e->declarations, declaration, &busy_mark);
    object = evaluate_const(e, declaration, home);
  } else if (declaration->kind == DECLARATION_DEFINITION) {
    static const ObjectKind kinds[] = {OBJECT_FUNCTION, OBJECT_LAYER, OBJECT_ENTRY, OBJECT_ENTRY,
                                       OBJECT_OPTIMIZER};
    object = object_new(e, kinds[declaration->definition->kind]);
    object->definition = declaration->definition;
    object->home = home;
  }
  pointer_set(&e->declarations, declaration, object);
  return object;
}

static bool is_const(const Program *program, const ProgramFile *file, const char *name) {
  const Declaration *d = program_find(program, file, name, NULL);
  return d && d->kind == DECLARATION_CONST;
}

void check_overrides(Elaborator *e) {
  for (int i = 0; i < e->options->override_count; i++) {
    const char *name = intern(e->interner, e->options->overrides[i].name);
    const ProgramFile *home = NULL;
    const Declaration *d = program_find(e->program, e->program->main, name, &home);
    if (d && d->kind == DECLARATION_CONST && !home->standard) {
      declared_object(e, d, home);
      continue;
    }
    VEC(const char *) names = {0};
    for (size_t f = 0; f < e->program->count; f++) {
      const AstFile *file = e->program->files[f]->ast;
      for (size_t k = 0; k < file->count && !e->program->files[f]->standard; k++)
        if (file->items[k]->kind == DECLARATION_CONST &&
            is_const(e->program, e->program->main, file->items[k]->name.name))
          vec_push(e->arena, &names, file->items[k]->name.name);
    }
    Diagnostic *wrong = diag_report(e->diagnostics, E0110, SPAN_NONE,
                                    "-D %s: no const has this name", e->options->overrides[i].name);
    const char *near = nearest_name(name, names.items, names.count);
    if (near) {
      diag_help(wrong, "there is a const '%s'", near);
    } else if (names.count) {
      Text all = text_new(e->arena);
      for (size_t k = 0; k < names.count && k < 20; k++)
        text_format(&all, "%s%s", k ? ", " : "", names.items[k]);
      diag_help(wrong, "its consts are: %s", text_get(&all));
    }
  }
}

/* ---- looking up ---- */

static Object *language_object(Elaborator *e, const Frame *frame, const char *name) {
  const Builtin *builtin = pointer_get(&e->builtins, name);
  if (builtin) {
    Object *object = object_new(e, OBJECT_BUILTIN);
    object->builtin = builtin;
    return object;
  }
  Element element;
  bool is_class;
  if (element_word(frame, name, &element, &is_class))
    return object_type(e, type_scalar(element), true);
  if (strcmp(name, "pi") == 0) return object_real(e, 3.14159265358979323846);
  if (strcmp(name, "inf") == 0) return object_real(e, INFINITY);
  if (strcmp(name, "training") == 0)
    return object_bool(e, e->builder && e->builder != &e->init_builder &&
                              e->entry_kind == FUNCTION_TRAIN);
  if (strcmp(name, "std") == 0 || strcmp(name, "op") == 0) {
    Object *object = object_new(e, OBJECT_NAMESPACE);
    object->integer = name[0] == 'o';
    return object;
  }
  return NULL;
}

Object *look_up_quietly(Elaborator *e, Frame *frame, const char *name, Span span) {
  for (const Scope *scope = frame->scope; scope; scope = scope->parent) {
    Object *object = pointer_get(&scope->names, name);
    if (object) return object;
  }
  if (frame->home == e->program->main && e->file_scope) {
    Object *object = pointer_get(&e->file_scope->names, name);
    if (object) return object;
  }
  const ProgramFile *home = NULL;
  const Declaration *declaration = program_find(e->program, frame->home, name, &home);
  if (declaration && declaration->kind == DECLARATION_DIM) {
    const Symbol *symbol = frame->home == e->program->main ? find_symbol(e, name, span) : NULL;
    if (symbol) return object_dim(e, dim_of_symbol(e->module->dims, symbol));
  } else if (declaration) {
    return declared_object(e, declaration, home);
  }
  return language_object(e, frame, name);
}

static const char *nearest_anywhere(Elaborator *e, const Frame *frame, const char *name) {
  VEC(const char *) names = {0};
  for (const Scope *scope = frame->scope; scope; scope = scope->parent)
    for (size_t i = 0; i < scope->names.entries.count; i++)
      vec_push(e->arena, &names, scope->names.entries.items[i].key);
  for (size_t i = 0; e->file_scope && i < e->file_scope->names.entries.count; i++)
    vec_push(e->arena, &names, e->file_scope->names.entries.items[i].key);
  for (size_t f = e->program->count; f-- > 0;) {
    const AstFile *file = e->program->files[f]->ast;
    for (size_t i = 0; i < file->count; i++)
      if (file->items[i]->name.name) vec_push(e->arena, &names, file->items[i]->name.name);
  }
  size_t count;
  const char *const *words = elaborate_names(&count);
  for (size_t i = 0; i < count; i++) vec_push(e->arena, &names, words[i]);
  return nearest_name(name, names.items, names.count);
}

Object *look_up(Elaborator *e, Frame *frame, const char *name, Span span) {
  Object *object = look_up_quietly(e, frame, name, span);
  if (object) return object;
  Diagnostic *d = report(e, frame, E0101, span, "nothing is named '%s' here", name);
  const char *near = nearest_anywhere(e, frame, name);
  if (near) diag_help(d, "did you mean '%s'?", near);
  return error_object;
}
