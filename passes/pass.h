/* pass.h - the passes over the graph IR, their table and the default pipeline.
 *
 *   PassOptions options = PASS_OPTIONS_DEFAULT;
 *   options.level = 3;
 *   if (!pipeline_run(module, &options, diagnostics, after_each, user)) ...
 *
 * A pass is one function over a module, in one file of its name, with one row in passes.def. It may
 * use the values' and operations' `mark` freely and leaves a module that module_verify accepts.
 */
#ifndef PASSES_PASS_H
#define PASSES_PASS_H

#include "ir/graph.h"
#include "support/diag.h"

/* `--dim N=8` and `--dim-max N=32`. */
typedef struct {
  const char *name;
  int64_t value;
  bool is_bound; /* lowers the bound instead of fixing the dim */
} DimChange;

typedef struct {
  int level; /* -O0 .. -O2 */
  /* The target, as far as layouts depend on it. */
  int vector_lanes; /* f32 in a vector register: 16 with AVX-512, 8 with AVX2, 4 with SSE */
  int vector_registers;
  int panel_columns; /* most columns of a panel of dot_panel and conv_panel; a multiple of lanes */
  double flop_rate;  /* f32 operations of a core in a second; bytes from memory, from caches beyond
                        L2, */
  double memory_rate, cache_rate, near_rate; /* and from L2; */
  double fork_seconds;             /* that threads take to begin a kernel and to wait for its end */
  int64_t near_bytes, cache_bytes; /* of a core's caches: L1 and L2 */
  bool several_cpus;               /* kernels are made for more than this one */
  bool exact_conv;      /* convolutions by direct sums alone, not by Winograd's algorithm */
  Element weights_type; /* that constant weights are stored in: f32 (as they are), bf16 or i8 */
  Element compute_type; /* of products with constant weights: f32, or bf16 with sums in f32 */
  int threads;          /* never more; 1: nothing is split; 0: no limit */
  int64_t pictures;     /* of a batch, go through a network at a time; 0: as costs say; -1: all */
  int64_t fold_bytes; /* `fold` makes no constant larger than this, unless it only moves elements */
  const DimChange *dims;
  int dim_count;
  const struct Chooser *chooser; /* choice.h; NULL: estimates choose */
} PassOptions;

/* -O2 for a machine with AVX2. */
#define PASS_OPTIONS_DEFAULT                                                                       \
  ((PassOptions){.level = 2,                                                                       \
                 .vector_lanes = 8,                                                                \
                 .vector_registers = 16,                                                           \
                 .panel_columns = 16,                                                              \
                 .flop_rate = 96e9,                                                                \
                 .memory_rate = 12e9,                                                              \
                 .cache_rate = 48e9,                                                               \
                 .near_rate = 72e9,                                                                \
                 .fork_seconds = 0.7e-6,                                                           \
                 .near_bytes = 1 << 15,                                                            \
                 .cache_bytes = 1 << 18,                                                           \
                 .fold_bytes = 1 << 20})

/* What a running pass is given, and what it tells. */
typedef struct {
  Module *module;
  const PassOptions *options;
  Diagnostics *diagnostics;
  Arena *scratch; /* freed when the pass ends */
  const char
      *effect; /* "5 choices", in the module's arena; NULL: the counts of operations say it */
} PassContext;

/* False if it reported errors. */
typedef bool PassFunction(PassContext *context);

typedef struct {
  const char *name, *description;
  PassFunction *run;
  int level; /* runs at this -O level and above */
} Pass;

enum {
#define PASS(name, level, description) PASS_##name,
#include "passes/passes.def"
#undef PASS
  PASSES
};
extern const Pass passes[PASSES]; /* in the pipeline's order */

#define PASS(name, level, description) PassFunction pass_##name;
#include "passes/passes.def"
#undef PASS

const Pass *pass_find(const char *name); /* NULL if there is none */

/* The pass at work or the last one, and how many began: for the report of a bug. */
typedef struct {
  const Pass *pass; /* NULL: what follows the passes */
  int count;
} PassesRunning;
extern PassesRunning passes_running;

/* What one pass did. */
typedef struct {
  double milliseconds;
  int before, after;  /* operations, with those in regions; a fused kernel counts as one */
  const char *effect; /* "4 choices"; NULL: the counts say it, or nothing changed */
} PassEffect;

/* Runs one pass and notes in Module.after that it ran. `effect` may be NULL. */
bool pass_run(const Pass *pass, Module *module, const PassOptions *options,
              Diagnostics *diagnostics, PassEffect *effect);

/* Called after each pass; false ends the pipeline (--after). */
typedef bool PassCallback(void *user, const Pass *pass, const PassEffect *effect, Module *module);

/* Runs the passes of the options' level that stand after Module.after, in order. False if one
 * reported errors. `callback` may be NULL. */
bool pipeline_run(Module *module, const PassOptions *options, Diagnostics *diagnostics,
                  PassCallback *callback, void *user);

/* Runs the named passes, "fold,cse,fuse", in the order given. An unknown name is a usage error. */
bool pipeline_run_list(Module *module, const char *names, const PassOptions *options,
                       Diagnostics *diagnostics, PassCallback *callback, void *user);

#endif
