/* scope.h - which names can be seen where, for resolve.c.
 *
 * A scope is a body's, a scan's, a comprehension's or the file's top level. All names that a body
 * binds are put into its scope first, unbound; they become bound in text order, so that a use
 * before the binding is told from a use of what does not exist. A local function sees the names
 * around it whether they are bound yet or not: it is called later.
 */
#ifndef FRONTEND_SCOPE_H
#define FRONTEND_SCOPE_H

#include "frontend/program.h"
#include "support/vec.h"

typedef enum {
  BINDING_VALUE,
  BINDING_TENSOR,   /* param, state */
  BINDING_FUNCTION, /* a local fn */
  BINDING_LOOP,     /* of for, scan, a comprehension */
  BINDING_HYPER,
  BINDING_PARAMETER,
  BINDING_DIM, /* bound by an argument's type */
} BindingKind;

typedef struct {
  const char *name;
  Span span;
  BindingKind kind;
  bool bound;
  int uses;  /* of a DIM also where it is bound */
  bool part; /* one of several that a value is unpacked into */
} Binding;

typedef struct Scope Scope;
struct Scope {
  Scope *outer;
  NameTable names; /* Binding */
  VEC(Binding *) order;
  bool function; /* of a definition: what is around it is seen whole */
};

typedef struct {
  Arena *arena;
  Interner *interner;
  Diagnostics *diagnostics;
  const Program *program;
  const ProgramFile *file;
  Scope *scope;
  NameTable reported; /* unknown names, each said once */
  NameTable builtins; /* elaborate_names */
  NameTable fields;   /* words that stand behind a dot in the file */
  VEC(Binding *) unused;
} Names;

/* What a name is wanted for. */
typedef enum {
  WANTED_VALUE,
  WANTED_CALLEE,
  WANTED_OPTIMIZER,
  WANTED_TYPE,
  WANTED_DIM,
  WANTED_STEP,
  WANTED_MODEL, /* of a run */
} Wanted;

void scope_push(Names *names, bool function);
void scope_pop(Names *names);
/* Warns of names that bodies bind and nothing reads, nor a field from outside. */
void scope_warn_unused(Names *names);
/* In the innermost scope; the binding that is there, or a new one. */
Binding *scope_add(Names *names, Ident name, BindingKind kind);
/* What a name means in the scopes, or NULL; `whole`: bound or not. */
Binding *scope_find(const Names *names, const char *name, bool whole);
/* The same, of the scopes of bodies alone, without the top level. */
Binding *scope_find_local(const Names *names, const char *name);

bool is_builtin(const Names *names, const char *name);
bool is_type_name(const char *name);
/* Notes the use; reports a name that nothing has or that is not bound yet. */
void name_use(Names *names, const char *name, Span span, Wanted wanted);
/* Reports it, with the nearest name. */
void name_unknown(Names *names, const char *name, Span span, Wanted wanted);
/* `op.name`, `std.name` */
void name_use_in(Names *names, const char *module, const char *name, Span span);

#endif
