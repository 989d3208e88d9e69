/* random_compare: random graphs through passes and as machine code, against the interpreter.
 *
 *   random_compare [--from SEED] [--count K] [--operations M] [--native] [--cpu CPU] [--emulator
 * FOLDER] [--verbose]
 *                  [--print] [--gradient] [--rows]
 *
 * Each graph is interpreted, then after every pass of -O0 and -O2 (or as one kernel after another)
 * verified and interpreted again; with --native it is run as machine code in the end. A graph that
 * fails is made with fewer operations as long as it fails, and printed. --print prints them and
 * does nothing else. With --gradient each is made the loss of a train entry first, with its
 * gradient by every input; operators whose slope jumps where two values are nearly equal are left
 * out. With --rows they are of few operators and large enough for what passes do with rows.
 *
 * Tolerance: a second run of the original with all floats in double shows how rounding errors grow
 * in this very graph; another order of rounding may be some times as far from it, plus a few ulp of
 * the scale for what that run cannot show.
 */
#include "ir/build.h"
#include "ir/module_text.h"
#include "passes/pass.h"
#include "passes/plan_verify.h"
#include "support/bug.h"
#include "tests/emulator/kernels.h"
#include "tests/tools/native.h"
#include "tests/tools/numbers.h"
#include "tests/tools/random_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_FACTOR = 16, ULPS = 64 };

typedef struct {
  Arena *arena;
  RandomGraph graph;
  int level;
  bool native, gradient;
  const char *cpu;
  Module *original;
  int64_t *dims;
  RunTensor *inputs, *wide_inputs, *narrow, *wide;
  const char *text; /* after the pass before, which was compared */
  const char *failure;
} Case;

static uint64_t current_seed;
static bool say_seed(void) {
  printf("while at seed %llu\n", (unsigned long long)current_seed);
  return false;
}

/* ---- running ---- */

static void native_zeros(const char *name, Element element, void *bytes, int64_t count) {
  (void)name;
  memset(bytes, 0, (size_t)count * (size_t)element_infos[element].bytes);
}

static RunTensor make_input(Case *c, uint64_t *state, const Value *value) {
  RunTensor t = numbers_tensor(c->arena, &value->type, c->dims);
  random_fill(state, t.element, t.count, t.bytes);
  return t;
}

static RunTensor widened(Case *c, const RunTensor *from) {
  RunTensor t = *from;
  if (!element_is_float(t.element)) return t;
  double *wide = arena_array(c->arena, (size_t)t.count + 1, sizeof *wide);
  for (int64_t i = 0; i < t.count; i++) wide[i] = element_load(t.element, t.bytes, i);
  t.bytes = wide;
  return t;
}

/* Results, and behind them the module's tensors after the call; parameters have no elements. */
typedef struct {
  Case *c;
  RunTensor *all;
  int64_t item; /* bytes of a float; 0: the element's own */
} Outputs;

static int output_count(const Case *c) {
  return (int)(c->original->functions.items[0]->results.count + c->original->tensors.count);
}

static RunTensor *tensor_output(const Outputs *o, const char *name) {
  const Module *module = o->c->original;
  for (size_t i = 0; i < module->tensors.count; i++)
    if (strcmp(module->tensors.items[i]->name, name) == 0)
      return &o->all[module->functions.items[0]->results.count + i];
  return NULL;
}

static void note_written(void *user, const Tensor *tensor, const RunTensor *value) {
  const Outputs *o = user;
  RunTensor *to = tensor_output(o, tensor->name);
  if (!to) return;
  int64_t item =
      o->item && element_is_float(value->element) ? o->item : element_infos[value->element].bytes;
  *to = *value;
  to->bytes = arena_array(o->c->arena, (size_t)value->count + 1, 8);
  memcpy(to->bytes, value->bytes, (size_t)(value->count * item));
}

/* As large as the interpreter's. */
static void note_kept(void *user, const Tensor *tensor, const void *bytes) {
  const Outputs *o = user;
  RunTensor *to = tensor_output(o, tensor->name);
  if (!to) return;
  *to = o->c->narrow[to - o->all];
  to->bytes = arena_array(o->c->arena, (size_t)to->count + 1, 8);
  memcpy(to->bytes, bytes, (size_t)(to->count * element_infos[to->element].bytes));
}

static bool zeros(void *user, const Tensor *tensor, RunTensor *value) {
  const Outputs *o = user;
  if (tensor->data) return false;
  value->bytes = arena_array(o->c->arena, (size_t)value->count + 1, 8);
  return true;
}

static RunTensor state_before(Case *c, const Tensor *tensor) {
  RunTensor t = {.element = tensor->type.element, .rank = tensor->type.rank, .count = 1};
  for (int i = 0; i < t.rank; i++) {
    t.shape[i] = dim_max(tensor->type.dims[i]);
    t.count *= t.shape[i];
  }
  t.bytes = arena_array(c->arena, (size_t)t.count + 1, 8);
  return t;
}

static RunTensor *run(Case *c, const Module *module, bool wide) {
  const Function *f = module->functions.items[0];
  RunTensor *outputs = ARENA_ARRAY(c->arena, (size_t)output_count(c) + 1, RunTensor);
  Outputs to = {c, outputs, wide ? 8 : 0};
  for (size_t i = 0; i < c->original->tensors.count; i++) {
    const Tensor *tensor = c->original->tensors.items[i];
    if (!tensor->data) outputs[f->results.count + i] = state_before(c, tensor);
  }
  InterpretOptions options = {.arena = c->arena,
                              .wide = wide,
                              .dims = c->dims,
                              .seed = 42,
                              .call = 7,
                              .tensor = zeros,
                              .written = note_written,
                              .user = &to};
  const char *message = NULL;
  if (interpret(f, &options, wide ? c->wide_inputs : c->inputs, outputs, &message)) return outputs;
  c->failure = arena_format(c->arena, "the interpreter: %s", message);
  return NULL;
}

/* ---- comparing ---- */

static double load(const RunTensor *t, bool wide, int64_t i) {
  if (wide && element_is_float(t->element)) return ((const double *)t->bytes)[i];
  return element_load(t->element, t->bytes, i);
}

static bool agree(Case *c, const char *what, int result, const RunTensor *got) {
  const RunTensor *want = &c->narrow[result], *wide = &c->wide[result];
  bool real = element_is_float(want->element);
  if (want->count != got->count) {
    c->failure = arena_format(c->arena, "%s: result %d is not there", what, result);
    return false;
  }
  double scale = 0, error = 0;
  for (int64_t i = 0; real && i < want->count; i++) {
    double x = load(want, false, i), y = load(wide, true, i);
    if (isfinite(x)) scale = fmax(scale, fabs(x));
    if (isfinite(x) && isfinite(y)) error = fmax(error, fabs(x - y));
  }
  double allowed = ERROR_FACTOR * error + ULPS * 2 * numbers_unit(want->element) * scale;
  for (int64_t i = 0; i < want->count; i++) {
    double x = load(want, false, i), y = load(got, false, i);
    if (x == y || (isnan(x) && isnan(y)) || (real && fabs(x - y) <= allowed)) continue;
    c->failure = arena_format(c->arena, "%s: result %d at %lld is %.9g, not %.9g (allowed %.2g)",
                              what, result, (long long)i, y, x, real ? allowed : 0);
    return false;
  }
  return true;
}

static bool compare_all(Case *c, const char *what, const RunTensor *got) {
  for (int i = 0; i < output_count(c); i++)
    if (!agree(c, what, i, &got[i])) return false;
  return true;
}

static bool after_pass(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Case *c = user;
  (void)effect;
  const Op *where = NULL;
  const char *fault = module_verify(c->arena, module, &where);
  if (!fault && pass >= &passes[PASS_plan]) fault = plan_verify(c->arena, module, &where);
  if (fault) {
    Text text = text_new(c->arena);
    if (where) op_print(&text, where, (PrintOptions){0});
    c->failure = arena_format(c->arena, "after %s: %s: %s", pass->name, fault, text_get(&text));
    return false;
  }
  Text text = text_new(c->arena);
  module_print(&text, module, (PrintOptions){0});
  if (c->text && strcmp(c->text, text_get(&text)) == 0) return true;
  c->text = text_get(&text);
  const RunTensor *got = run(c, module, false);
  return got && compare_all(c, arena_format(c->arena, "after %s", pass->name), got);
}

static bool compare_native(Case *c, const Module *module, const Target *target) {
  for (int parts = 1; parts <= 3; parts += 2) {
    RunTensor *got = ARENA_ARRAY(c->arena, (size_t)output_count(c) + 1, RunTensor);
    Outputs to = {c, got, 0};
    NativeRun native = {.arena = c->arena,
                        .dims = c->dims,
                        .parts = parts,
                        .inputs = c->inputs,
                        .outputs = got,
                        .tensor = native_zeros,
                        .kept = note_kept,
                        .user = &to};
    if (!native_run(module, module->functions.items[0], target, c->level, &native)) {
      c->failure = arena_format(c->arena, "native: %s", native.message ? native.message : "?");
      return false;
    }
    if (!compare_all(c, arena_format(c->arena, "native in %d parts", parts), got)) return false;
  }
  return true;
}

/* ---- one graph ---- */

static bool prepare(Case *c) {
  c->original = random_graph(c->arena, &c->graph);
  const char *fault = c->gradient ? random_differentiate(c->arena, c->original) : NULL;
  if (fault) {
    c->failure = arena_format(c->arena, "gradient: %s", fault);
    return false;
  }
  const Function *f = c->original->functions.items[0];
  int symbols = dim_symbol_count(c->original->dims);
  c->dims = ARENA_ARRAY(c->arena, (size_t)symbols + 2, int64_t);
  uint64_t state = c->graph.seed + 1;
  for (int i = 0; i < symbols; i++)
    c->dims[i] =
        1 + (int64_t)random_below(&state, (uint64_t)dim_symbol_at(c->original->dims, i)->max);
  c->dims[symbols] = 42;
  c->dims[symbols + 1] = 7;
  size_t count = (size_t)f->body->argument_count;
  c->inputs = ARENA_ARRAY(c->arena, count + 1, RunTensor);
  c->wide_inputs = ARENA_ARRAY(c->arena, count + 1, RunTensor);
  for (size_t i = 0; i < count; i++) {
    c->inputs[i] = make_input(c, &state, f->body->arguments[i]);
    c->wide_inputs[i] = widened(c, &c->inputs[i]);
  }
  return (c->narrow = run(c, c->original, false)) && (c->wide = run(c, c->original, true));
}

static bool holds(Case *c) {
  if (!prepare(c)) return false;
  Diagnostics *diagnostics = diagnostics_new(c->arena, sources_new(c->arena));
  Target target;
  PassOptions options = PASS_OPTIONS_DEFAULT;
  options.level = c->level;
  if (c->native) {
    if (!target_find(&target, c->arena, NULL, c->cpu, diagnostics))
      bug("no CPU is named %s", c->cpu);
    if (!native_caller && !target_runs_here(&target)) {
      printf("not run: this machine has no %s\n", c->cpu);
      exit(0);
    }
    if (c->graph.seed % 2) target.l3 = 0; /* results stream */
    options.vector_lanes = target.lanes;
    options.panel_columns = target.lanes * (target.registers >= 32 ? 4 : 2);
  }
  Module *module = module_copy(c->arena, c->original);
  bool fine = pipeline_run(module, &options, diagnostics, after_pass, c);
  if (!fine && !c->failure) {
    c->failure = "a pass reported errors";
    diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  }
  return !c->failure && (!c->native || compare_native(c, module, &target));
}

static const char *failure_of(Arena *arena, const Case *as, int operations) {
  Arena *own = arena_new();
  Case c = {
      .arena = own, .graph = as->graph, .level = as->level, .native = as->native, .cpu = as->cpu};
  c.gradient = as->gradient;
  c.graph.operations = operations;
  const char *failure = holds(&c) ? NULL : arena_format(arena, "%s", c.failure);
  arena_free(own);
  return failure;
}

static const char *failure_with(Arena *arena, const void *failed, int operations) {
  return failure_of(arena, failed, operations);
}

static void report(Arena *arena, const Case *failed) {
  RandomGraph graph = failed->graph;
  random_lessen(arena, &graph, failure_with, failed);
  Text text = text_new(arena);
  module_print(&text, random_graph(arena, &graph), (PrintOptions){0});
  printf("%s\n", text_get(&text));
}

int main(int argc, char **argv) {
  long from = 1, count = 50, operations = 30;
  Case model = {.cpu = "x86-64-v3"};
  bool verbose = false, print = false, rows = false;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--native") == 0) {
      model.native = true;
    } else if (strcmp(argv[i], "--gradient") == 0) {
      model.gradient = true;
    } else if (strcmp(argv[i], "--rows") == 0) {
      rows = true;
    } else if (strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
    } else if (strcmp(argv[i], "--print") == 0) {
      print = true;
    } else {
      if (strcmp(argv[i], "--from") == 0) from = atol(value);
      if (strcmp(argv[i], "--count") == 0) count = atol(value);
      if (strcmp(argv[i], "--operations") == 0) operations = atol(value);
      if (strcmp(argv[i], "--cpu") == 0) model.cpu = value;
      if (strcmp(argv[i], "--emulator") == 0) emulate_kernels(value);
      i++;
    }
  }
  bug_hook = say_seed;
  setvbuf(stdout, NULL, _IOLBF, 0);
  int failures = 0;
  for (long seed = from; seed < from + count && failures < 5; seed++) {
    for (int level = 0; level <= 2; level += 2) {
      Arena *arena = arena_new();
      current_seed = (uint64_t)seed;
      model.level = level;
      model.graph = (RandomGraph){.seed = (uint64_t)seed,
                                  .operations = (int)operations,
                                  .dynamic = seed % 2,
                                  .halves = seed % 4 == 0,
                                  .states = seed % 3 == 0 && !model.gradient,
                                  .panels = !model.gradient,
                                  .rows = rows,
                                  .exclude = model.gradient ? random_jumps : NULL};
      if (verbose) printf("seed %ld -O%d\n", seed, level);
      Text text = text_new(arena);
      if (print && level == 0)
        module_print(&text, random_graph(arena, &model.graph), (PrintOptions){0});
      printf("%s", text_get(&text));
      const char *failure = print ? NULL : failure_of(arena, &model, (int)operations);
      if (failure) {
        failures++;
        printf("seed %ld -O%d: %s\n", seed, level, failure);
        report(arena, &model);
      }
      arena_free(arena);
    }
  }
  printf("%ld graphs, %d failed\n", count, failures);
  return failures > 0;
}
