#include "frontend/scope.h"

#include <ctype.h>
#include <string.h>

void scope_push(Names *names, bool function) {
  Scope *scope = ARENA_NEW(names->arena, Scope);
  scope->outer = names->scope;
  scope->function = function;
  names->scope = scope;
}

static const char *binding_word(BindingKind kind) {
  switch (kind) {
  case BINDING_VALUE:
    return "value";
  case BINDING_TENSOR:
    return "tensor";
  case BINDING_FUNCTION:
    return "function";
  case BINDING_HYPER:
    return "hyperparameter";
  case BINDING_DIM:
    return "dim";
  default:
    return "name";
  }
}

void scope_pop(Names *names) {
  const Scope *scope = names->scope;
  if (scope->outer)
    for (size_t i = 0; i < scope->order.count; i++) {
      Binding *binding = scope->order.items[i];
      if (binding->uses <= (binding->kind == BINDING_DIM) && binding->name[0] != '_')
        vec_push(names->arena, &names->unused, binding);
    }
  names->scope = scope->outer;
}

Binding *scope_add(Names *names, Ident name, BindingKind kind) {
  Scope *scope = names->scope;
  Binding *binding = names_get(&scope->names, name.name);
  if (binding) return binding;
  binding = ARENA_NEW(names->arena, Binding);
  *binding = (Binding){.name = name.name, .span = name.span, .kind = kind};
  names_put(names->arena, &scope->names, name.name, binding);
  vec_push(names->arena, &scope->order, binding);
  return binding;
}

static Binding *find(const Names *names, const char *name, bool whole, bool local) {
  for (const Scope *scope = names->scope; scope; scope = scope->outer) {
    if (local && !scope->outer) break;
    Binding *binding = names_get(&scope->names, name);
    if (binding && (binding->bound || whole)) return binding;
    whole |= scope->function;
  }
  return NULL;
}

Binding *scope_find(const Names *names, const char *name, bool whole) {
  return find(names, name, whole, false);
}

Binding *scope_find_local(const Names *names, const char *name) {
  return find(names, name, false, true);
}

bool is_builtin(const Names *names, const char *name) {
  return names_get(&names->builtins, name) != NULL;
}

static const char *const type_names[] = {
    "int", "float", "bool", "str", "type", "dim", "fn", "layer", "optimizer",
#define ELEMENT(name, bytes, class, meaning) #name,
#include "ir/elements.def"
#undef ELEMENT
};

bool is_type_name(const char *name) {
  for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
    if (!strcmp(type_names[i], name)) return true;
  return false;
}

/* ---- names that nothing has ---- */

typedef VEC(const char *) Candidates;

static void add_declarations(Names *names, Candidates *all, const ProgramFile *file,
                             Wanted wanted) {
  for (size_t i = 0; i < file->ast->count; i++) {
    const Declaration *declaration = file->ast->items[i];
    bool is_dim = declaration->kind == DECLARATION_DIM || declaration->kind == DECLARATION_CONST;
    bool is_step = declaration->definition && declaration->definition->kind == DEFINITION_TRAIN;
    bool is_model = declaration->definition && declaration->definition->kind == DEFINITION_MODEL;
    if (!declaration->name.name || (wanted == WANTED_DIM && !is_dim) ||
        (wanted == WANTED_STEP && !is_step) || (wanted == WANTED_MODEL && !is_model))
      continue;
    vec_push(names->arena, all, declaration->name.name);
  }
}

static void collect_candidates(Names *names, Wanted wanted, Candidates *all) {
  if (wanted == WANTED_TYPE) {
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
      vec_push(names->arena, all, type_names[i]);
    return;
  }
  for (const Scope *scope = names->scope; scope && wanted < WANTED_DIM; scope = scope->outer)
    for (size_t i = 0; i < scope->order.count; i++)
      vec_push(names->arena, all, scope->order.items[i]->name);
  add_declarations(names, all, names->file, wanted);
  if (wanted == WANTED_STEP || wanted == WANTED_MODEL) return;
  for (size_t i = 0; i < names->file->import_count; i++)
    add_declarations(names, all, names->file->imports[i], wanted);
  if (wanted == WANTED_DIM) return;
  for (size_t i = 0; i < names->program->standard_count; i++)
    add_declarations(names, all, names->program->files[i], wanted);
  for (size_t i = 0; i < names->builtins.room; i++)
    if (names->builtins.slots[i].name) vec_push(names->arena, all, names->builtins.slots[i].name);
  static const char *const words[] = {"true", "false", "None"};
  for (size_t i = 0; i < 3; i++) vec_push(names->arena, all, words[i]);
}

/* "a function", "a layer" .. */
static const char *what_is(const Names *names, const char *name) {
  const Binding *binding = scope_find(names, intern(names->interner, name), true);
  if (binding) return binding_word(binding->kind);
  const Declaration *declaration =
      program_find(names->program, names->file, intern(names->interner, name), NULL);
  if (!declaration) return is_type_name(name) ? "type" : "function";
  switch (declaration->kind) {
  case DECLARATION_CONST:
    return "const";
  case DECLARATION_DIM:
    return "dim";
  case DECLARATION_DEFINITION:
    break;
  default:
    return "name";
  }
  switch (declaration->definition->kind) {
  case DEFINITION_LAYER:
    return "layer";
  case DEFINITION_MODEL:
    return "model";
  case DEFINITION_TRAIN:
    return "train step";
  case DEFINITION_OPTIMIZER:
    return "optimizer";
  case DEFINITION_FUNCTION:
    break;
  }
  return "function";
}

static void warn_dim(Names *names, const Binding *binding) {
  Diagnostic *d = diag_report(names->diagnostics, W0102, binding->span,
                              "the dim '%s' is bound here and never used", binding->name);
  Candidates all = {0};
  collect_candidates(names, WANTED_DIM, &all);
  const char *near = nearest_name(binding->name, all.items, all.count);
  if (near)
    diag_help(d, "there is a %s '%s'", what_is(names, near), near);
  else
    diag_help(d, "a size that may be anything has a capital letter");
}

static void warn_unused(Names *names, const Binding *binding) {
  switch (binding->kind) {
  case BINDING_DIM:
    if (!islower((unsigned char)binding->name[0]) || !strcmp(binding->name, "in")) return;
    warn_dim(names, binding);
    return;
  case BINDING_VALUE:
  case BINDING_TENSOR:
    if (binding->part || names_get(&names->fields, binding->name)) return;
    break;
  case BINDING_FUNCTION:
  case BINDING_HYPER:
    break;
  default:
    return;
  }
  diag_report(names->diagnostics, W0101, binding->span, "the %s '%s' is never used",
              binding_word(binding->kind), binding->name);
}

void scope_warn_unused(Names *names) {
  for (size_t i = 0; i < names->unused.count; i++) warn_unused(names, names->unused.items[i]);
  names->unused.count = 0;
}

static const char *wanted_word(Wanted wanted, const char *name) {
  bool camel = isupper((unsigned char)name[0]) && islower((unsigned char)name[1]) &&
               strcmp(name, "True") && strcmp(name, "False");
  switch (wanted) {
  case WANTED_VALUE:
    return camel ? "no layer is named" : "nothing is named";
  case WANTED_CALLEE:
    return camel ? "no layer is named" : "no function is named";
  case WANTED_OPTIMIZER:
    return "no optimizer is named";
  case WANTED_TYPE:
    return "no type is named";
  case WANTED_DIM:
    return "no dim or const is named";
  case WANTED_STEP:
    return "no train step is named";
  case WANTED_MODEL:
    return "no model is named";
  }
  return "nothing is named";
}

/* What is meant by a name of another framework, or NULL. */
static const char *foreign_name(const char *name) {
  static const struct {
    const char *name, *meant;
  } all[] = {
#define FOREIGN(name, meant) {name, meant},
#include "frontend/foreign.def"
#undef FOREIGN
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(all[i].name, name)) return all[i].meant;
  return NULL;
}

void name_unknown(Names *names, const char *name, Span span, Wanted wanted) {
  if (names_get(&names->reported, name)) return;
  names_put(names->arena, &names->reported, name, names);
  Diagnostic *d =
      diag_report(names->diagnostics, E0101, span, "%s '%s'", wanted_word(wanted, name), name);
  if (diagnostics_errors(names->diagnostics) > 20) return; /* no more are shown */
  const char *meant = wanted <= WANTED_OPTIMIZER ? foreign_name(name) : NULL;
  if (meant) {
    diag_help(d, "write %s", meant);
    return;
  }
  Candidates all = {0};
  collect_candidates(names, wanted, &all);
  const char *near = name[1] ? nearest_name(name, all.items, all.count) : NULL;
  if (near && strchr("tfN", near[0]) &&
      (!strcmp(near, "true") || !strcmp(near, "false") || !strcmp(near, "None"))) {
    diag_help(d, "write %s", near);
  } else if (near) {
    const char *what = what_is(names, near);
    diag_help(d, "there is %s %s '%s'", strchr("aeiou", what[0]) ? "an" : "a", what, near);
  } else if (wanted == WANTED_DIM) {
    diag_help(d, "declare it at the top of the file: dim %s <= 64", name);
  }
  if (near) diag_fix(d, span, "%s", near);
}

/* Which of two imports is meant cannot be guessed. */
static void check_imports(Names *names, const char *name, Span span) {
  const Declaration *another = program_find_another(names->file, name);
  if (!another || names_get(&names->reported, name)) return;
  names_put(names->arena, &names->reported, name, names);
  const Declaration *first = program_find(names->program, names->file, name, NULL);
  Diagnostic *d =
      diag_report(names->diagnostics, E0102, span, "'%s' is declared in two imported files", name);
  diag_note(d, first->name.span, "one is here");
  diag_note(d, another->name.span, "the other one is here");
  diag_help(d, "give one of them another name");
}

void name_use(Names *names, const char *name, Span span, Wanted wanted) {
  Binding *binding = scope_find(names, name, false);
  if (binding) {
    binding->uses++;
    return;
  }
  if (program_find(names->program, names->file, name, NULL) || is_builtin(names, name)) {
    check_imports(names, name, span);
    return;
  }
  Binding *later = scope_find(names, name, true);
  if (!later) {
    name_unknown(names, name, span, wanted);
    return;
  }
  later->uses++;
  if (names_get(&names->reported, name)) return;
  names_put(names->arena, &names->reported, name, names);
  Diagnostic *d =
      diag_report(names->diagnostics, E0103, span, "'%s' is used before it is bound", name);
  diag_note(d, later->span, "'%s' is bound here", name);
}

void name_use_in(Names *names, const char *module, const char *name, Span span) {
  bool found = is_builtin(names, name);
  if (!strcmp(module, "std")) found |= program_find_standard(names->program, name, NULL) != NULL;
  if (found) return;
  Candidates all = {0};
  for (size_t i = 0; i < names->program->standard_count && !strcmp(module, "std"); i++)
    add_declarations(names, &all, names->program->files[i], WANTED_VALUE);
  for (size_t i = 0; i < names->builtins.room; i++)
    if (names->builtins.slots[i].name) vec_push(names->arena, &all, names->builtins.slots[i].name);
  Diagnostic *d =
      diag_report(names->diagnostics, E0101, span, "nothing in '%s' is named '%s'", module, name);
  const char *near = nearest_name(name, all.items, all.count);
  if (!near) return;
  diag_help(d, "there is %s.%s", module, near);
  diag_fix(d, span, "%s", near);
}
