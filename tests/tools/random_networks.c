/* random_networks: random networks as machine code for several CPU levels, against the interpreter.
 *
 *   random_networks --maps|--sequences [--from SEED] [--count K] [--operations M] [--gradient]
 * [--emulator FOLDER]
 *                   [--verbose] [--print]
 *
 * The seed decides, beside the graph, how it is compiled: for one CPU level, for two, or for three,
 * of which every one that runs here is run; -O0 or -O2; by estimates, or any candidate of `select`
 * at random; how many pictures go through at a time; weights in a smaller type. Results must lie
 * within what tests/tools/bounds.h derives from the sums that lead to them, and be the same bits
 * whether a step is made in one part, two, three or four. With --gradient each network is made the
 * loss of a train entry first, with its gradient by every input. Compiling and running may take
 * MOST_SECONDS. A network that fails is made with fewer operations as long as it fails, and
 * printed.
 */
#include "ir/module_text.h"
#include "passes/choice.h"
#include "passes/pass.h"
#include "passes/stage_verify.h"
#include "support/bug.h"
#include "tests/emulator/kernels.h"
#include "tests/tools/bounds.h"
#include "tests/tools/native.h"
#include "tests/tools/numbers.h"
#include "tests/tools/random_graph.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { CPUS = 3, MOST_PARTS = 4, MOST_SECONDS = 10, HANG_SECONDS = 100 };
static const char *const cpus[CPUS] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};

/* How a network is compiled. */
typedef struct {
  int first, end; /* of cpus */
  PassOptions options;
  bool any; /* candidate of `select` */
} Way;

typedef struct {
  Arena *arena;
  RandomGraph graph;
  bool gradient;
  Way way;
  uint64_t state;
  Diagnostics *diagnostics;
  Module *original;
  int64_t *dims;
  RunTensor *inputs;
  Bounded *want, *kept;
  const char *failure;
} Case;

static double closest; /* the largest part of what was allowed that a result was off by */

/* ---- what ends the program says where ---- */

static char current[64];
static bool say_seed(void) {
  printf("while at %s\n", current);
  return false;
}
static void on_signal(int number) {
  static const char at[] = "ended while at ";
  if (write(STDOUT_FILENO, at, sizeof at - 1) < 0 ||
      write(STDOUT_FILENO, current, strlen(current)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
    _exit(2);
  signal(number, SIG_DFL);
  raise(number);
}

/* Of the processor's time, after which SIGPROF comes; 0: never. */
static void limit_seconds(int count) {
  setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {count, 0}}, NULL);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- the interpreter ---- */

static void invent(const char *name, Element element, void *bytes, int64_t count) {
  numbers_invent(name, false, element, bytes, count);
}

/* As large as a tensor may be. */
static bool give(void *user, const Tensor *tensor, RunTensor *value) {
  const Case *c = user;
  *value = (RunTensor){.element = tensor->type.element, .rank = tensor->type.rank, .count = 1};
  for (int i = 0; i < value->rank; i++) {
    value->shape[i] = dim_max(tensor->type.dims[i]);
    value->count *= value->shape[i];
  }
  value->bytes = arena_array(c->arena, (size_t)value->count + 1, 8);
  if (tensor->data)
    memcpy(value->bytes, data_contents(tensor->data),
           (size_t)value->count * (size_t)element_infos[value->element].bytes);
  else
    invent(tensor->name, value->element, value->bytes, value->count);
  return true;
}

static bool holds_scan(const Module *module) {
  for (const Op *op = module->functions.items[0]->body->first; op; op = op->next)
    if (op->kind == OP_scan) return true;
  return false;
}

static bool interpret_it(Case *c, bool winograd) {
  const Function *f = c->original->functions.items[0];
  c->want = ARENA_ARRAY(c->arena, f->results.count + 1, Bounded);
  c->kept = ARENA_ARRAY(c->arena, c->original->tensors.count + 1, Bounded);
  int symbols = dim_symbol_count(c->original->dims);
  InterpretOptions options = {.arena = c->arena,
                              .dims = c->dims,
                              .seed = (uint64_t)c->dims[symbols],
                              .call = (uint64_t)c->dims[symbols + 1],
                              .tensor = give,
                              .user = c};
  const char *message = NULL;
  if (bounds_find(f, &options, winograd, c->inputs, c->want, c->kept, &message)) return true;
  c->failure = arena_format(c->arena, "the interpreter: %s", message);
  return false;
}

/* ---- machine code ---- */

static void note_kept(void *user, const Tensor *tensor, const void *bytes) {
  Case *c = user;
  for (size_t i = 0; i < c->original->tensors.count && !c->failure; i++) {
    const Bounded *want = &c->kept[i];
    if (strcmp(c->original->tensors.items[i]->name, tensor->name) != 0 || !want->value.bytes)
      continue;
    RunTensor got = want->value;
    int64_t where;
    got.bytes = arena_array(c->arena, (size_t)got.count + 1, 8);
    memcpy(got.bytes, bytes, (size_t)got.count * (size_t)element_infos[got.element].bytes);
    double off = bounds_excess(want, &got, &where);
    if (off > 1)
      c->failure = arena_format(c->arena, "@%s is off by %.3g of what is allowed at %lld",
                                tensor->name, off, (long long)where);
  }
}

static bool agree(Case *c, const char *what, const RunTensor *got) {
  const Function *f = c->original->functions.items[0];
  for (size_t i = 0; i < f->results.count; i++) {
    const Bounded *want = &c->want[i];
    int64_t where = 0;
    double off =
        want->value.count == got[i].count ? bounds_excess(want, &got[i], &where) : INFINITY;
    if (off > closest && off <= 1) closest = off;
    if (off <= 1) continue;
    double x = want->error ? ((const double *)want->value.bytes)[where]
                           : element_load(want->value.element, want->value.bytes, where);
    c->failure = arena_format(c->arena,
                              "%s: result %zu is off by %.3g of what is allowed at %lld: %.9g, not "
                              "%.9g +- %.3g",
                              what, i, off, (long long)where,
                              element_load(got[i].element, got[i].bytes, where), x,
                              want->error ? want->error[where] : 0);
    return false;
  }
  return true;
}

static bool run_parts(Case *c, const Function *function, const NativeCode *code, const char *cpu) {
  const Function *f = c->original->functions.items[0];
  RunTensor *first = NULL;
  for (int parts = 1; parts <= MOST_PARTS; parts++) {
    RunTensor *got = ARENA_ARRAY(c->arena, f->results.count + 1, RunTensor);
    NativeRun native = {.arena = c->arena,
                        .dims = c->dims,
                        .parts = parts,
                        .inputs = c->inputs,
                        .outputs = got,
                        .tensor = invent,
                        .kept = note_kept,
                        .user = c};
    const char *what = arena_format(c->arena, "%s in %d parts", cpu, parts);
    if (!native_call(code, function, &native))
      c->failure = arena_format(c->arena, "%s: %s", what, native.message ? native.message : "?");
    if (c->failure || !agree(c, what, got)) return false;
    if (!first) first = got;
    for (size_t i = 0; i < f->results.count; i++)
      if (memcmp(first[i].bytes, got[i].bytes,
                 (size_t)got[i].count * (size_t)element_infos[got[i].element].bytes)) {
        c->failure = arena_format(c->arena, "%s: other bits than in one", what);
        return false;
      }
  }
  return true;
}

static bool run_native(Case *c, const Module *compiled, const Target *target) {
  NativeRun compiling = {.arena = c->arena, .message = "?"};
  NativeCode *code = native_open(compiled, NULL, target, c->way.options.level, &compiling);
  if (!code) c->failure = arena_format(c->arena, "%s: %s", target->name, compiling.message);
  bool ok = code && run_parts(c, compiled->functions.items[0], code, target->name);
  native_close(code);
  return ok;
}

/* ---- one network ---- */

static int choose_any(void *user, const Choice *choice, double *times) {
  (void)times;
  return (int)random_below(user, (uint64_t)choice->count);
}

static bool after_pass(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Case *c = user;
  (void)effect;
  const Op *where = NULL;
  const char *fault = module_verify(c->arena, module, &where);
  if (!fault) fault = stage_verify(c->arena, module, &where);
  if (!fault) return true;
  Text text = text_new(c->arena);
  if (where) op_print(&text, where, (PrintOptions){0});
  c->failure = arena_format(c->arena, "after %s: %s: %s", pass->name, fault, text_get(&text));
  return false;
}

/* The seed's. */
static Way choose_way(uint64_t *state, bool gradient) {
  static const int ranges[][2] = {{1, 2}, {2, 3}, {1, 3}, {0, 3}};
  Way way = {.options = PASS_OPTIONS_DEFAULT};
  const int *range = ranges[random_below(state, 4)];
  if (native_caller) range = ranges[3]; /* an emulated CPU has all */
  way.first = range[0], way.end = range[1];
  way.any = random_below(state, 2);
  way.options.level = random_below(state, 8) ? 2 : 0;
  way.options.exact_conv = random_below(state, 10) == 0;
  static const int64_t pictures[] = {0, 0, -1, 1, 2};
  way.options.pictures = pictures[random_below(state, 5)];
  static const Element small[] = {ELEMENT_bf16, ELEMENT_i8};
  if (random_below(state, 4) == 0 && !gradient)
    way.options.weights_type = small[random_below(state, 2)];
  if (random_below(state, 12) == 0 && !gradient) way.options.compute_type = ELEMENT_bf16;
  return way;
}

static void shape_options(PassOptions *options, const Target *targets, size_t count) {
  TargetShape shape = target_shape(targets, count);
  options->vector_lanes = shape.lanes;
  options->vector_registers = shape.registers;
  options->panel_columns = shape.columns;
  options->flop_rate = shape.rates.flops;
  options->memory_rate = shape.rates.memory;
  options->cache_rate = shape.rates.cache;
  options->near_rate = shape.rates.near;
  options->fork_seconds = shape.rates.fork;
  options->near_bytes = shape.l1;
  options->cache_bytes = shape.l2;
  options->several_cpus = count > 1;
}

/* What is interpreted has the roundings to smaller types. */
static bool round_original(Case *c) {
  const PassOptions *options = &c->way.options;
  if (options->weights_type == ELEMENT_f32 && options->compute_type == ELEMENT_f32) return true;
  numbers_constant(c->arena, c->original);
  for (int p = 0; p <= PASS_quantise; p++)
    if (passes[p].level <= options->level &&
        !pass_run(&passes[p], c->original, options, c->diagnostics, NULL))
      return false;
  return true;
}

static void fill(Case *c) {
  const Function *f = c->original->functions.items[0];
  int symbols = dim_symbol_count(c->original->dims);
  c->dims = ARENA_ARRAY(c->arena, (size_t)symbols + 2, int64_t);
  for (int i = 0; i < symbols; i++) {
    const Symbol *s = dim_symbol_at(c->original->dims, i);
    c->dims[i] = s->min + (int64_t)random_below(&c->state, (uint64_t)(s->max - s->min + 1));
  }
  c->dims[symbols] = 42;
  c->dims[symbols + 1] = 7;
  c->inputs = ARENA_ARRAY(c->arena, (size_t)f->body->argument_count + 1, RunTensor);
  for (int i = 0; i < f->body->argument_count; i++) {
    c->inputs[i] = numbers_tensor(c->arena, &f->body->arguments[i]->type, c->dims);
    random_fill(&c->state, c->inputs[i].element, c->inputs[i].count, c->inputs[i].bytes);
  }
}

static bool holds(Case *c) {
  c->state = c->graph.seed + 1;
  c->way = choose_way(&c->state, c->gradient);
  Target targets[CPUS];
  size_t count = (size_t)(c->way.end - c->way.first);
  if (!target_find_all(targets, c->arena, NULL, cpus + c->way.first, count, c->diagnostics))
    bug("no such CPUs");
  for (size_t i = 0; i < count && c->graph.seed % 2; i++) targets[i].l3 = 0; /* results stream */
  PassOptions *options = &c->way.options;
  shape_options(options, targets, count);
  uint64_t choices = c->graph.seed;
  Chooser any = {choose_any, &choices};
  if (c->way.any) options->chooser = &any;
  c->original = random_graph(c->arena, &c->graph);
  if (holds_scan(c->original)) options->compute_type = ELEMENT_f32; /* bounds of loops are of f32 */
  if (options->weights_type != ELEMENT_f32 || options->compute_type != ELEMENT_f32)
    numbers_constant(c->arena, c->original);
  Module *compiled = module_copy(c->arena, c->original);
  if (c->gradient) random_ask_gradient(compiled);
  c->failure = c->gradient ? random_differentiate(c->arena, c->original) : NULL;
  if (c->failure) return false;
  double start = seconds();
  bool fine = pipeline_run(compiled, options, c->diagnostics, after_pass, c);
  if (!fine || !round_original(c)) {
    if (!c->failure) c->failure = "a pass reported errors";
    return false;
  }
  fill(c);
  double compiled_at = seconds();
  if (!interpret_it(c, bounds_winograd(compiled->functions.items[0]->body))) return false;
  start += seconds() - compiled_at;
  bool some = false;
  for (size_t i = 0; i < count; i++) {
    if (!native_caller && !target_runs_here(&targets[i])) continue;
    some = true;
    if (!run_native(c, compiled, &targets[i])) return false;
  }
  double took = seconds() - start;
  if (some && took > MOST_SECONDS && !native_caller)
    c->failure = arena_format(c->arena, "it took %.1f s", took);
  return !c->failure;
}

static const char *failure_of(Arena *arena, const Case *as, int operations) {
  Arena *own = arena_new();
  Case c = *as;
  c.arena = own;
  c.diagnostics = diagnostics_new(own, sources_new(own));
  c.graph.operations = operations;
  snprintf(current, sizeof current, "seed %llu with %d operations",
           (unsigned long long)c.graph.seed, operations);
  limit_seconds(HANG_SECONDS);
  const char *failure = holds(&c) ? NULL : arena_format(arena, "%s", c.failure);
  limit_seconds(0);
  if (failure) diag_flush(c.diagnostics, stdout, DIAG_TEXT, false, false);
  arena_free(own);
  return failure;
}

static const char *failure_with(Arena *arena, const void *failed, int operations) {
  return failure_of(arena, failed, operations);
}

static void report(Arena *arena, const Case *failed) {
  RandomGraph graph = failed->graph;
  random_lessen(arena, &graph, failure_with, failed);
  uint64_t state = graph.seed + 1;
  Way way = choose_way(&state, failed->gradient);
  printf("  for %s to %s, -O%d,%s%s pictures %lld, weights %s, computed in %s\n", cpus[way.first],
         cpus[way.end - 1], way.options.level, way.any ? " any candidate," : "",
         way.options.exact_conv ? " exact convolutions," : "", (long long)way.options.pictures,
         element_infos[way.options.weights_type].name,
         element_infos[way.options.compute_type].name);
  Text text = text_new(arena);
  module_print(&text, random_graph(arena, &graph), (PrintOptions){0});
  printf("%s\n", text_get(&text));
}

int main(int argc, char **argv) {
  long from = 1, count = 20, operations = 40;
  Case model = {0};
  bool verbose = false, print = false;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--maps") == 0) {
      model.graph.maps = true;
    } else if (strcmp(argv[i], "--sequences") == 0) {
      model.graph.sequences = true;
    } else if (strcmp(argv[i], "--gradient") == 0) {
      model.gradient = true;
    } else if (strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
    } else if (strcmp(argv[i], "--print") == 0) {
      print = true;
    } else {
      if (strcmp(argv[i], "--from") == 0) from = atol(value);
      if (strcmp(argv[i], "--count") == 0) count = atol(value);
      if (strcmp(argv[i], "--operations") == 0) operations = atol(value);
      if (strcmp(argv[i], "--emulator") == 0) emulate_kernels(value);
      i++;
    }
  }
  bug_hook = say_seed;
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPROF};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], on_signal);
  setvbuf(stdout, NULL, _IOLBF, 0);
  int failures = 0;
  for (long seed = from; seed < from + count && failures < 5; seed++) {
    Arena *arena = arena_new();
    model.graph.seed = (uint64_t)seed;
    model.graph.operations = (int)operations;
    model.graph.dynamic = seed % 2;
    model.graph.states = seed % 3 == 0 && !model.gradient;
    model.graph.exclude = model.gradient ? random_jumps : NULL;
    double start = seconds();
    Text text = text_new(arena);
    if (print) module_print(&text, random_graph(arena, &model.graph), (PrintOptions){0});
    printf("%s", text_get(&text));
    const char *failure = print ? NULL : failure_of(arena, &model, (int)operations);
    if (verbose) printf("seed %ld: %.1f s\n", seed, seconds() - start);
    if (failure) {
      failures++;
      printf("seed %ld: %s\n", seed, failure);
      report(arena, &model);
    }
    arena_free(arena);
  }
  printf("%ld networks, %d failed; off by at most %.2f of what is allowed\n", count, failures,
         closest);
  return failures > 0;
}
