/* elaborate.h - from the tree of a program to the graph IR of its entries.
 *
 *   ElaborateOptions options = {.path = "lenet.dl"};
 *   Elaboration extra;
 *   Module *module = elaborate(arena, diagnostics, &options, &extra);
 *   if (!module) ...                                      errors were reported
 *
 * Everything known while compiling is computed here: hyperparameters, lists, `for`, `if`, tables,
 * dims, names of parameters. What is left are the operations of each entry, whose layers and
 * functions are inlined. Dims stay symbols (the pass `specialise` fixes them).
 *
 * `@fit_value` is made of the train entry `fit` with its body, as it is outside of training. The
 * elaborator runs on a stack of its own, so that deep calls in a hostile text end with a
 * diagnostic.
 */
#ifndef FRONTEND_ELABORATE_H
#define FRONTEND_ELABORATE_H

#include "frontend/program.h"
#include "ir/graph.h"

/* `-D depth=18`: a number, true, false, or else a text. */
typedef struct {
  const char *name, *value;
} ConstOverride;

typedef struct {
  const char *path;       /* the main file; it is loaded and resolved */
  const Program *program; /* or a program that is; then `interner` is the one of its names */
  Interner *interner;
  const ConstOverride *overrides;
  int override_count;
  const char *const *entries; /* names, each once; NULL: all models, and: */
  int entry_count;
  bool training;      /* all train entries, their order, and `init` */
  bool initialisers;  /* add the function `init`, which gives parameters their first values */
  int64_t most_steps; /* made while compiling; 0: 10,000,000 */
} ElaborateOptions;

/* A layer or function that was applied in the user's own files, for tables: in the order of
 * execution, an outer one before those in its body. */
typedef struct {
  const char *entry;
  Span place;
  const char *path;  /* of the instance; NULL: a function */
  const char *call;  /* as written, in one line: "Conv2d(6, kernel=5, pad=2)", "tanh" */
  const char *layer; /* the layer's name, "Conv2d"; NULL: a function */
  Type type;         /* of the result, if it is one tensor */
  bool has_type;
  int64_t parameters; /* numbers in the parameters first reached here, inner ones included */
  int depth;          /* 0: called in the entry itself */
  bool is_inner;      /* its body is the user's: rows of it follow */
  int first, end;     /* operations made: results numbered from `first` up to before `end` */
} LayerCall;

typedef struct {
  Module *module;
  const Program *program;
  VEC(LayerCall) calls;
} Elaboration;

/* NULL after errors, which were reported. `extra` may be NULL. */
Module *elaborate(Arena *arena, Diagnostics *diagnostics, const ElaborateOptions *options,
                  Elaboration *extra);

/* Names that mean something without a declaration: operators, functions of the elaborator, element
 * types, constants. Sorted as in builtins.def. */
const char *const *elaborate_names(size_t *count);

#endif
