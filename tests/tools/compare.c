/* compare: runs every entry of graph text as machine code and through the reference interpreter,
 * and compares.
 *
 *   compare [--verbose] [--pipeline | --steps | --faults] FILE.ir...
 *
 * Each file is taken as it is ("plain": only placed) and through the whole pipeline at -O0 and -O2,
 * for each CPU level that runs here, each step in one part and in three, and at -O2 by each level's
 * kernels of a graph that all share. A file's `dim` is run at three values. With --pipeline, for
 * files of many kernels, it is -O2 alone, one value, the highest CPU level; with --steps, for whole
 * steps of training, -O2 for each CPU level and -O0 for the highest, one value. What is allowed
 * follows from the sums that lead to each number, see bounds.h. Parameters and states are compared
 * after the call, those too that are not written. Every split of the trips must give the same bits.
 */
#include "ir/module_text.h"
#include "passes/pass.h"
#include "passes/plan_writes.h"
#include "tests/tools/bounds.h"
#include "tests/tools/native.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool verbose;
static double closest; /* the largest part of what was allowed that a result was off by */
static bool faults;    /* inputs out of range, instead of a comparison */

/* Whether a state is a variance, a sum of squares or a count, by its name's end. */
static bool is_positive(const char *name) {
  static const char *const ends[] = {".v", ".s", ".t", "running_var"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    size_t length = strlen(ends[i]), all = strlen(name);
    if (all > length && strcmp(name + all - length, ends[i]) == 0) return true;
  }
  return false;
}

static void invent(const char *name, Element element, void *bytes, int64_t count) {
  bool positive = is_positive(name);
  uint64_t state = 14695981039346656037u;
  for (; *name; name++) state = (state ^ (unsigned char)*name) * 1099511628211u;
  for (int64_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    int64_t n = (int64_t)(state >> 33);
    if (element_is_float(element))
      element_store(element, bytes, i,
                    (double)(n % (positive ? 2000 : 4001) + positive) / 2000 - !positive);
    else
      element_store_integer(element, bytes, i, element == ELEMENT_bool ? n & 1 : n % 3);
  }
}

typedef struct {
  Arena *arena;
  const int64_t *dims;
  const Module *module;
  RunTensor *tensors; /* of the module's, in order: after the call */
} Given;

static bool give(void *user, const Tensor *tensor, RunTensor *value) {
  Given *g = user;
  *value = (RunTensor){.element = tensor->type.element, .rank = tensor->type.rank, .count = 1};
  for (int i = 0; i < tensor->type.rank; i++) {
    value->shape[i] = dim_max(tensor->type.dims[i]);
    value->count *= value->shape[i];
  }
  value->bytes = arena_array(g->arena, (size_t)value->count + 1, 8);
  if (tensor->data)
    memcpy(value->bytes, data_contents(tensor->data),
           (size_t)value->count * (size_t)element_infos[value->element].bytes);
  else
    invent(tensor->name, tensor->type.element, value->bytes, value->count);
  return true;
}

static RunTensor *tensor_after(Given *g, const Tensor *tensor) {
  for (size_t i = 0; i < g->module->tensors.count; i++)
    if (strcmp(g->module->tensors.items[i]->name, tensor->name) == 0) return &g->tensors[i];
  return NULL;
}

static void note_written(void *user, const Tensor *tensor, const RunTensor *value) {
  memcpy(tensor_after(user, tensor)->bytes, value->bytes,
         (size_t)value->count * (size_t)element_infos[value->element].bytes);
}

static void note_kept(void *user, const Tensor *tensor, const void *bytes) {
  const RunTensor *to = tensor_after(user, tensor);
  memcpy(to->bytes, bytes, (size_t)to->count * (size_t)element_infos[to->element].bytes);
}

/* The tensors as they are before a call, to be changed by it. */
static Given given_new(Arena *arena, const Module *module, const int64_t *dims) {
  Given g = {arena, dims, module, NULL};
  g.tensors = ARENA_ARRAY(arena, module->tensors.count + 1, RunTensor);
  for (size_t i = 0; i < module->tensors.count; i++)
    give(&g, module->tensors.items[i], &g.tensors[i]);
  return g;
}

static RunTensor make_input(Arena *arena, const Value *value, const int64_t *dims) {
  RunTensor t = {.element = value->type.element, .rank = value->type.rank, .count = 1};
  for (int i = 0; i < t.rank; i++) {
    dim_evaluate(value->type.dims[i], dims, &t.shape[i]);
    t.count *= t.shape[i];
  }
  t.bytes = arena_array(arena, (size_t)t.count + 1, 8);
  invent(value->name ? value->name : "x", t.element, t.bytes, t.count);
  return t;
}

static void place_all(Function *f) {
  for (Op *op = f->body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) {
      if (op->results[i]->place.kind != PLACE_NONE) continue;
      op->results[i]->place = (MemoryPlace){PLACE_ARENA, f->arena_bytes, NULL};
      f->arena_bytes += (type_bytes_at_bound(&op->results[i]->type) + 63) / 64 * 64;
    }
}

/* Every value at its own place, what is written copied at the end: what is tested are the kernels
 * alone. */
static void place_plainly(Arena *arena, Function *f) {
  for (int i = 0; i < f->body->argument_count; i++)
    f->body->arguments[i]->place = (MemoryPlace){PLACE_CALLER, i, NULL};
  for (int i = 0; i < f->body->yield_count; i++) {
    if (!plan_is_whole(f->body->yields[i])) f->body->yields[i] = plan_copy(f, f->body->yields[i]);
    f->body->yields[i]->place = (MemoryPlace){PLACE_CALLER, i, NULL};
  }
  plan_reads(f);
  place_all(f);
  plan_writes(arena, f);
  place_all(f);
}

static bool has_scan(const Module *module) {
  for (size_t i = 0; i < module->functions.count; i++)
    for (const Op *op = module->functions.items[i]->body->first; op; op = op->next)
      if (op->kind == OP_scan) return true;
  return false;
}

/* By how much of what is allowed a result is off, at its worst; `where` that is. */
static double excess(const Bounded *want, const RunTensor *got, int64_t *where) {
  const RunTensor *w = &want->value;
  double most = 0,
         half = got->element == ELEMENT_bf16 ? 0x1p-9 : 0x1p-12; /* of the last rounding */
  if (got->element == ELEMENT_f32 || got->element == ELEMENT_f64) half = 0x1p-24;
  *where = 0;
  for (int64_t i = 0; i < got->count; i++) {
    double x = want->error ? ((const double *)w->bytes)[i] : element_load(w->element, w->bytes, i);
    double y = element_load(got->element, got->bytes, i);
    if (x == y || (isnan(x) && isnan(y))) continue;
    double allowed = want->error ? want->error[i] + half * fabs(x) + 1e-37 : 0;
    double off = allowed > 0 && isfinite(x - y) ? fabs(x - y) / allowed : INFINITY;
    if (off > most) {
      most = off;
      *where = i;
    }
  }
  return most;
}

/* The bytes of results and tensors, for a comparison of bits. */
static bool same_bits(const RunTensor *a, const RunTensor *b, int count) {
  for (int i = 0; i < count; i++)
    if (memcmp(a[i].bytes, b[i].bytes,
               (size_t)a[i].count * (size_t)element_infos[a[i].element].bytes))
      return false;
  return true;
}

static int compare_value(const char *what, const char *kind, int number, const Bounded *want,
                         const RunTensor *got) {
  int64_t where;
  double off = excess(want, got, &where);
  if (off > closest) closest = off;
  if (off <= 1) return 0;
  const RunTensor *w = &want->value;
  double x =
      want->error ? ((const double *)w->bytes)[where] : element_load(w->element, w->bytes, where);
  printf("%s %s %d: off by %.3g of what is allowed at %lld: %.9g, not %.9g +- %.3g\n", what, kind,
         number, off, (long long)where, element_load(got->element, got->bytes, where), x,
         want->error ? want->error[where] : 0);
  return 1;
}

/* A tensor that is not written keeps its value; one that is written may be larger than what is. */
static Bounded after_call(Arena *arena, const Bounded *written, const RunTensor *plain) {
  Bounded after = {.value = *plain};
  if (!element_is_float(plain->element)) return after;
  double most = 0, *value = arena_array(arena, (size_t)plain->count + 1, sizeof *value);
  after.error = arena_array(arena, (size_t)plain->count + 1, sizeof *after.error);
  bool same = written->error && written->value.count == plain->count;
  for (int64_t i = 0; written->error && i < written->value.count; i++)
    if (written->error[i] > most) most = written->error[i];
  for (int64_t i = 0; i < plain->count; i++) {
    value[i] = same ? ((const double *)written->value.bytes)[i]
                    : element_load(plain->element, plain->bytes, i);
    after.error[i] = same ? written->error[i] : 2 * most;
  }
  after.value.bytes = value;
  return after;
}

static bool holds_winograd(const Block *block) {
  for (const Op *op = block->first; op; op = op->next)
    if (op->kind == OP_conv_winograd || (op->region && holds_winograd(op->region))) return true;
  return false;
}

static int compare_entry(Arena *arena, const char *what, const Module *original, const Function *f,
                         const Module *compiled, const Target *target, int level,
                         const int64_t *dims) {
  const Function *g = module_function(compiled, f->name);
  int inputs = f->body->argument_count, outputs = (int)f->results.count, failures = 0;
  int tensors = (int)original->tensors.count;
  RunTensor *in = ARENA_ARRAY(arena, (size_t)inputs + 1, RunTensor);
  RunTensor *plain = ARENA_ARRAY(arena, (size_t)outputs + 1, RunTensor);
  Bounded *want = ARENA_ARRAY(arena, (size_t)outputs + 1, Bounded);
  Bounded *kept = ARENA_ARRAY(arena, (size_t)tensors + 1, Bounded);
  RunTensor *got[2] = {ARENA_ARRAY(arena, (size_t)outputs + 1, RunTensor),
                       ARENA_ARRAY(arena, (size_t)outputs + 1, RunTensor)};
  for (int i = 0; i < inputs; i++) in[i] = make_input(arena, f->body->arguments[i], dims);
  Given given = given_new(arena, original, dims), after[2];
  const char *message = NULL;
  InterpretOptions options = {
      .arena = arena, .dims = dims, .tensor = give, .written = note_written, .user = &given};
  options.seed = (uint64_t)dims[dim_symbol_count(original->dims)];
  options.call = (uint64_t)dims[dim_symbol_count(original->dims) + 1];
  what = arena_format(arena, "%s: @%s", what, f->name);
  if (!bounds_find(f, &options, holds_winograd(g->body), in, want, kept, &message) ||
      !interpret(f, &options, in, plain, &message)) {
    printf("%s: the interpreter: %s\n", what, message);
    return 1;
  }
  for (int i = 0; i < tensors; i++) kept[i] = after_call(arena, &kept[i], &given.tensors[i]);
  NativeRun compiling = {.arena = arena};
  NativeCode *code = native_open(compiled, g, target, level, &compiling);
  if (!code) {
    printf("%s: native: %s\n", what, compiling.message);
    return 1;
  }
  for (int run_number = 0; run_number < 2; run_number++) {
    after[run_number] = given_new(arena, original, dims);
    NativeRun run = {.arena = arena,
                     .dims = dims,
                     .parts = run_number ? 3 : 1,
                     .inputs = in,
                     .outputs = got[run_number],
                     .tensor = invent,
                     .kept = note_kept,
                     .user = &after[run_number]};
    if (!native_call(code, &run)) {
      printf("%s: native: %s\n", what, run.message ? run.message : "?");
      native_close(code);
      return failures + 1;
    }
    for (int i = 0; i < outputs; i++)
      failures += compare_value(what, "result", i, &want[i], &got[run_number][i]);
    for (int i = 0; i < tensors; i++)
      failures += compare_value(what, "tensor", i, &kept[i], &after[run_number].tensors[i]);
  }
  native_close(code);
  if (!same_bits(got[0], got[1], outputs) ||
      !same_bits(after[0].tensors, after[1].tensors, tensors)) {
    printf("%s: other bits in three parts than in one\n", what);
    failures++;
  }
  return failures;
}

/* Each integer input with its last number out of range: the call must fail and change nothing. */
static int fault_entry(Arena *arena, const char *what, const Module *original, const Function *f,
                       const Module *compiled, const Target *target, int level,
                       const int64_t *dims) {
  const Function *g = module_function(compiled, f->name);
  int inputs = f->body->argument_count, failures = 0;
  NativeRun compiling = {.arena = arena};
  NativeCode *code = native_open(compiled, g, target, level, &compiling);
  what = arena_format(arena, "%s: @%s", what, f->name);
  for (int wrong = 0; code && wrong < inputs; wrong++) {
    if (element_is_float(f->body->arguments[wrong]->type.element)) continue;
    RunTensor *in = ARENA_ARRAY(arena, (size_t)inputs + 1, RunTensor);
    for (int i = 0; i < inputs; i++) in[i] = make_input(arena, f->body->arguments[i], dims);
    element_store_integer(in[wrong].element, in[wrong].bytes, in[wrong].count - 1, 1000);
    Given before = given_new(arena, original, dims), after = given_new(arena, original, dims);
    NativeRun run = {.arena = arena,
                     .dims = dims,
                     .parts = 1,
                     .inputs = in,
                     .outputs = ARENA_ARRAY(arena, f->results.count + 1, RunTensor),
                     .tensor = invent,
                     .kept = note_kept,
                     .user = &after};
    bool ok = native_call(code, &run);
    if (ok || !run.faulted) {
      printf("%s: no fault though input %d is out of range\n", what, wrong);
      failures++;
    } else if (!same_bits(before.tensors, after.tensors, (int)original->tensors.count)) {
      printf("%s: a fault of input %d, and tensors have changed\n", what, wrong);
      failures++;
    }
  }
  native_close(code);
  return code ? failures : 1;
}

static Module *read_module(Arena *arena, Diagnostics *diagnostics, const char *path) {
  size_t length;
  const char *message;
  char *bytes = source_read(arena, path, 1 << 26, &length, &message);
  if (!bytes) {
    printf("%s: %s\n", path, message);
    return NULL;
  }
  Sources *sources = diagnostics_sources(diagnostics);
  return module_parse(arena, diagnostics, sources_add(sources, path, path, bytes, length));
}

static const char *const cpus[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
enum { CPUS = sizeof cpus / sizeof *cpus };

/* As cpus[c] runs it, of a graph for it alone or for all of the CPUs. */
static int compare_as(const char *path, int c, bool shared, int level, int64_t dim_value_wanted) {
  Arena *arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  Target targets[CPUS], target;
  const char *cpu = shared ? arena_format(arena, "%s of all", cpus[c]) : cpus[c];
  int failures = 0;
  if (!target_find(&target, arena, NULL, cpus[c], diagnostics) ||
      !target_find_all(targets, arena, NULL, cpus, CPUS, diagnostics))
    failures = 1;
  else if (!target_runs_here(&target))
    printf("%s: not run: this machine has no %s\n", path, cpu);
  else {
    Module *original = read_module(arena, diagnostics, path);
    Module *compiled = original ? module_copy(arena, original) : NULL;
    bool ok = compiled != NULL;
    PassOptions plain = PASS_OPTIONS_DEFAULT;
    if (ok && level < 0 && has_scan(compiled)) /* bodies of loops are placed by `plan` alone */
      ok = pass_run(&passes[PASS_loops], compiled, &plain, diagnostics, NULL) &&
           pass_run(&passes[PASS_plan], compiled, &plain, diagnostics, NULL);
    else if (ok && level < 0)
      for (size_t i = 0; i < compiled->functions.count; i++)
        place_plainly(arena, compiled->functions.items[i]);
    else if (ok) {
      PassOptions options = PASS_OPTIONS_DEFAULT;
      options.level = level;
      TargetShape shape = shared ? target_shape(targets, CPUS) : target_shape(&target, 1);
      options.vector_lanes = shape.lanes;
      options.vector_registers = shape.registers;
      options.panel_columns = shape.columns;
      ok = pipeline_run(compiled, &options, diagnostics, NULL, NULL) &&
           pass_run(&passes[PASS_gradient], original, &options, diagnostics, NULL);
    }
    if (!ok) failures = 1;
    int symbols = ok ? dim_symbol_count(original->dims) : 0;
    int64_t *dims = ARENA_ARRAY(arena, (size_t)symbols + 2, int64_t);
    for (int i = 0; i < symbols; i++) {
      const Symbol *s = dim_symbol_at(original->dims, i);
      dims[i] = dim_value_wanted < s->min   ? s->min
                : dim_value_wanted > s->max ? s->max
                                            : dim_value_wanted;
    }
    dims[symbols] = 42;
    dims[symbols + 1] = 7;
    const char *what = arena_format(arena, "%s %s -O%d", path, cpu, level);
    for (size_t i = 0; ok && i < original->functions.count; i++)
      failures += (faults ? fault_entry : compare_entry)(arena, what, original,
                                                         original->functions.items[i], compiled,
                                                         &target, level < 0 ? 1 : level, dims);
  }
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  arena_free(arena);
  if (verbose)
    printf("%s %s -O%d N=%lld: %s\n", path, cpu, level, (long long)dim_value_wanted,
           failures ? "FAILED" : "ok");
  return failures;
}

/* The number of the highest CPU level that runs here. */
static int highest_cpu(void) {
  Arena *arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  int c = 0;
  Target target;
  while (c + 1 < CPUS && target_find(&target, arena, NULL, cpus[c], diagnostics) &&
         !target_runs_here(&target))
    c++;
  arena_free(arena);
  return c;
}

int main(int argc, char **argv) {
  static const int levels[] = {-1, 0, 2};
  static const int64_t values[] = {1, 3, 17};
  int failures = 0, files = 0;
  size_t first_level = 0;
  bool steps = false;
  int best = highest_cpu();
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
      continue;
    }
    if (strcmp(argv[i], "--pipeline") == 0) {
      first_level = 2;
      continue;
    }
    if (strcmp(argv[i], "--steps") == 0 || strcmp(argv[i], "--faults") == 0) {
      first_level = 1;
      steps = true;
      faults = argv[i][2] == 'f';
      continue;
    }
    files++;
    for (int c = 0; c < CPUS; c++) {
      bool highest = c == best;
      for (size_t l = first_level; l < sizeof levels / sizeof *levels; l++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
          if (steps ? v == 1 : first_level > 0 ? v == 1 && highest : v == 0 || (highest && l > 0))
            failures += compare_as(argv[i], c, false, levels[l], values[v]);
      if (first_level == 0) failures += compare_as(argv[i], c, true, 2, values[1]);
    }
  }
  printf("%d files, %d failed; off by at most %.2f of what is allowed\n", files, failures, closest);
  return files == 0 || failures > 0;
}
