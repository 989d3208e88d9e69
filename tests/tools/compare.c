/* compare: runs every entry of graph text as machine code and through the reference interpreter,
 * and compares.
 *
 *   compare [--verbose] [--pipeline | --steps | --pairs] [--faults] [--emulator FOLDER] FILE.ir...
 *
 * Each file is taken as it is ("plain": only placed) and through the whole pipeline at -O0 and -O2,
 * for each CPU level that runs here, and at -O2 by each level's kernels of a graph that all share.
 * A file's `dim` is run at three values, each step in one part and in three. With --pipeline, for
 * files of many kernels, it is -O2 alone, one value, the highest CPU level, and also with batches
 * of convolutions taken one picture and two at a time; with --steps, for whole steps of training,
 * -O0 and -O2, one value. --pairs: at -O2 with constant parameters and products of bf16 pairs, held
 * to the graph that says where numbers are rounded to bf16. --emulator: for x86-64-v4 alone (with
 * --pairs znver4), its kernels on the CPU of tests/emulator, plain and at -O2. What is allowed
 * follows from the sums that lead to each number, see bounds.h. Parameters and states are compared
 * after the call, those too that are not written. Every split of the trips must give the same bits.
 * A graph that several ways come to is compiled once.
 * --faults: integer inputs out of range must fail and change nothing.
 */
#include "ir/module_text.h"
#include "passes/pass.h"
#include "passes/plan_writes.h"
#include "tests/emulator/kernels.h"
#include "tests/tools/compare_reference.h"
#include "tests/tools/native.h"
#include "tests/tools/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool verbose;
static double closest; /* the largest part of what was allowed that a result was off by */
static bool faults;    /* inputs out of range too */
static bool pairs;     /* products of bf16 pairs */

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
  double off = bounds_excess(want, got, &where);
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

/* An entry as it is compiled, and where it is run. */
typedef struct {
  const char *what;
  const Module *original;
  const Function *function, *compiled;
  const NativeCode *code;
  const int64_t *dims;
  const Reference *reference;
} Entry;

/* Runs it in `parts`; the tensors are those after the call. */
static bool run_entry(Arena *arena, const Entry *e, int parts, RunTensor *in, RunTensor *out,
                      Given *tensors, bool *faulted) {
  *tensors = given_new(arena, e->original, e->dims);
  NativeRun run = {.arena = arena,
                   .dims = e->dims,
                   .parts = parts,
                   .inputs = in,
                   .outputs = out,
                   .tensor = reference_invent,
                   .kept = given_keep,
                   .user = tensors};
  bool ok = native_call(e->code, e->compiled, &run);
  *faulted = run.faulted;
  if (!ok && !run.faulted) printf("%s: native: %s\n", e->what, run.message ? run.message : "?");
  return ok;
}

static RunTensor *make_inputs(Arena *arena, const Entry *e) {
  const Block *body = e->function->body;
  RunTensor *in = ARENA_ARRAY(arena, (size_t)body->argument_count + 1, RunTensor);
  for (int i = 0; i < body->argument_count; i++)
    in[i] = reference_input(arena, body->arguments[i], e->dims);
  return in;
}

static int compare_entry(Arena *arena, const Entry *e) {
  int outputs = (int)e->function->results.count, tensors = (int)e->original->tensors.count;
  int failures = 0;
  RunTensor *in = make_inputs(arena, e), *got[2];
  Given after[2];
  bool faulted;
  for (int i = 0; i < 2; i++) {
    got[i] = ARENA_ARRAY(arena, (size_t)outputs + 1, RunTensor);
    if (!run_entry(arena, e, i ? 3 : 1, in, got[i], &after[i], &faulted)) {
      if (faulted) printf("%s: a fault\n", e->what);
      return failures + 1;
    }
    for (int k = 0; k < outputs; k++)
      failures += compare_value(e->what, "result", k, &e->reference->want[k], &got[i][k]);
    for (int k = 0; k < tensors; k++)
      failures += compare_value(e->what, "tensor", k, &e->reference->kept[k], &after[i].tensors[k]);
  }
  if (!same_bits(got[0], got[1], outputs) ||
      !same_bits(after[0].tensors, after[1].tensors, tensors)) {
    printf("%s: other bits in three parts than in one\n", e->what);
    failures++;
  }
  return failures;
}

/* Each integer input with its last number out of range: the call must fail and change nothing. */
static int fault_entry(Arena *arena, const Entry *e) {
  int failures = 0;
  for (int wrong = 0; wrong < e->function->body->argument_count; wrong++) {
    RunTensor *in = make_inputs(arena, e);
    RunTensor *out = ARENA_ARRAY(arena, e->function->results.count + 1, RunTensor);
    if (element_is_float(in[wrong].element) || in[wrong].count == 0) continue;
    element_store_integer(in[wrong].element, in[wrong].bytes, in[wrong].count - 1, 1000);
    Given before = given_new(arena, e->original, e->dims), after;
    bool faulted, ok = run_entry(arena, e, 1, in, out, &after, &faulted);
    if (ok || !faulted) {
      printf("%s: no fault though input %d is out of range\n", e->what, wrong);
      failures++;
    } else if (!same_bits(before.tensors, after.tensors, (int)e->original->tensors.count)) {
      printf("%s: a fault of input %d, and tensors have changed\n", e->what, wrong);
      failures++;
    }
  }
  return failures;
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

enum { CPUS = 3, MOST_VALUES = 3 };
static const char *const cpus[CPUS] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
static const char *const pairs_cpus[CPUS] = {"znver4", "x86-64-v3", "x86-64-v2"};

/* One way of compiling a file, and the values that its dims are run at. */
typedef struct {
  const char *path;
  int cpu;          /* of cpus */
  bool shared;      /* of a graph for all of the CPUs */
  int level;        /* -1: plain */
  int64_t pictures; /* PassOptions.pictures */
  int64_t values[MOST_VALUES];
  int count;
} Way;

/* Each symbol has the value, or its bound that is nearest; then seed and call. */
static int64_t *dims_at(Arena *arena, const DimTable *table, int64_t value) {
  int symbols = dim_symbol_count(table);
  int64_t *dims = ARENA_ARRAY(arena, (size_t)symbols + 2, int64_t);
  for (int i = 0; i < symbols; i++) {
    const Symbol *s = dim_symbol_at(table, i);
    dims[i] = value < s->min ? s->min : value > s->max ? s->max : value;
  }
  dims[symbols] = 42;
  dims[symbols + 1] = 7;
  return dims;
}

/* At each value, unless the dims are the same as at the one before. */
static int compare_function(const Way *way, Entry *e, const char *cpu, References *references) {
  int failures = 0;
  const DimTable *table = e->original->dims;
  size_t size = (size_t)dim_symbol_count(table) * sizeof(int64_t);
  bool winograd = bounds_winograd(e->compiled->body);
  for (int i = 0; i < way->count; i++) {
    Arena *arena = arena_new();
    e->dims = dims_at(arena, table, way->values[i]);
    e->what = arena_format(arena, "%s %s -O%d N=%lld: @%s", way->path, cpu, way->level,
                           (long long)way->values[i], e->function->name);
    bool same = i && memcmp(e->dims, dims_at(arena, table, way->values[i - 1]), size) == 0;
    if (!same)
      e->reference =
          reference_find(references, e->original, e->function, e->dims, way->values[i], winograd);
    if (!same && e->reference->message) {
      printf("%s: the interpreter: %s\n", e->what, e->reference->message);
      failures++;
    } else if (!same) {
      int before = failures;
      failures += compare_entry(arena, e);
      if (faults) failures += fault_entry(arena, e);
      if (verbose) printf("%s: %s\n", e->what, failures > before ? "FAILED" : "ok");
    }
    arena_free(arena);
  }
  return failures;
}

/* The graph with its roundings to bf16, which say what pairs compute. */
static bool quantise(Module *module, const PassOptions *options, Diagnostics *diagnostics) {
  for (int p = 0; p <= PASS_quantise; p++)
    if (passes[p].level <= options->level &&
        !pass_run(&passes[p], module, options, diagnostics, NULL))
      return false;
  return true;
}

static bool compile(const Way *way, Arena *arena, Diagnostics *diagnostics, const Target *target,
                    Module *original, Module *compiled) {
  PassOptions options = PASS_OPTIONS_DEFAULT;
  if (way->level < 0 && /* no kernel is of what asks for gradients */
      !(pass_run(&passes[PASS_gradient], compiled, &options, diagnostics, NULL) &&
        pass_run(&passes[PASS_gradient], original, &options, diagnostics, NULL)))
    return false;
  if (way->level < 0 && has_scan(compiled)) /* bodies of loops are placed by `plan` alone */
    return pass_run(&passes[PASS_loops], compiled, &options, diagnostics, NULL) &&
           pass_run(&passes[PASS_plan], compiled, &options, diagnostics, NULL);
  for (size_t i = 0; way->level < 0 && i < compiled->functions.count; i++)
    place_plainly(arena, compiled->functions.items[i]);
  if (way->level < 0) return true;
  Target targets[CPUS];
  if (way->shared && !target_find_all(targets, arena, NULL, cpus, CPUS, diagnostics)) return false;
  options.level = way->level;
  options.pictures = way->pictures;
  TargetShape shape = way->shared ? target_shape(targets, CPUS) : target_shape(target, 1);
  options.vector_lanes = shape.lanes;
  options.vector_registers = shape.registers;
  options.panel_columns = shape.columns;
  if (pairs) {
    numbers_constant(arena, original);
    numbers_constant(arena, compiled);
    options.compute_type = ELEMENT_bf16;
    if (!quantise(original, &options, diagnostics)) return false;
  }
  return pipeline_run(compiled, &options, diagnostics, NULL, NULL) &&
         pass_run(&passes[PASS_gradient], original, &options, diagnostics, NULL);
}

/* Whether no way before has compiled the same graph for the same CPU at the same level: the code
 * would be the same. */
static bool is_new(References *references, const Way *way, int level, const Module *original,
                   const Module *compiled) {
  uint64_t digest = NUMBERS_DIGEST + (uint64_t)(way->cpu * 4 + level);
  digest = numbers_digest(numbers_digest(digest, original), compiled);
  for (size_t i = 0; i < references->compared.count; i++)
    if (references->compared.items[i] == digest) return false;
  vec_push(references->arena, &references->compared, digest);
  return true;
}

static int compare_as(const Way *way, References *references) {
  Arena *arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  Target target;
  const char *cpu = (pairs ? pairs_cpus : cpus)[way->cpu];
  int failures = 0;
  if (way->shared) cpu = arena_format(arena, "%s of all", cpu);
  if (!target_find(&target, arena, NULL, (pairs ? pairs_cpus : cpus)[way->cpu], diagnostics))
    failures = 1;
  else if (!native_caller && !target_runs_here(&target))
    printf("%s: not run: this machine has no %s\n", way->path, cpu);
  else {
    if (way->level < 2) target.l3 = 0; /* results stream: at -O2, none of this size does */
    Module *original = read_module(arena, diagnostics, way->path);
    Module *compiled = original ? module_copy(arena, original) : NULL;
    if (!compiled || !compile(way, arena, diagnostics, &target, original, compiled)) failures = 1;
    NativeRun compiling = {.arena = arena, .message = "?"};
    NativeCode *code = NULL;
    int level = way->level < 0 ? 1 : way->level;
    bool asked = !failures && is_new(references, way, level, original, compiled);
    if (asked) code = native_open(compiled, NULL, &target, level, &compiling);
    if (asked && !code) {
      printf("%s %s -O%d: native: %s\n", way->path, cpu, way->level, compiling.message);
      failures++;
    }
    for (size_t i = 0; code && i < original->functions.count; i++) {
      Entry e = {.original = original, .function = original->functions.items[i], .code = code};
      e.compiled = module_function(compiled, e.function->name);
      failures += compare_function(way, &e, cpu, references);
    }
    native_close(code);
  }
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  arena_free(arena);
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
  int failures = 0, files = 0;
  size_t first_level = 0;
  bool pipeline = false, steps = false;
  int best = highest_cpu();
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') {
      verbose |= strcmp(argv[i], "--verbose") == 0;
      faults |= strcmp(argv[i], "--faults") == 0;
      pipeline |= strcmp(argv[i], "--pipeline") == 0;
      steps |= strcmp(argv[i], "--steps") == 0;
      pairs |= strcmp(argv[i], "--pairs") == 0;
      first_level = pipeline || pairs ? 2 : steps ? 1 : 0;
      if (strcmp(argv[i], "--emulator") == 0 && i + 1 < argc) {
        emulate_kernels(argv[++i]);
        best = 0;
      }
      continue;
    }
    files++;
    References references = {.arena = arena_new()};
    Way way = {.path = argv[i], .values = {1, 3, 17}, .count = MOST_VALUES};
    if (pipeline || steps) way = (Way){.path = argv[i], .values = {3}, .count = 1};
    int cpu_end = pipeline || native_caller ? best + 1 : CPUS;
    for (way.cpu = pipeline ? best : 0; way.cpu < cpu_end; way.cpu++) {
      for (size_t l = first_level; l < sizeof levels / sizeof *levels; l++) {
        if (native_caller && levels[l] == 0 && !steps) continue;
        way.level = levels[l];
        failures += compare_as(&way, &references);
      }
      for (way.pictures = 1; pipeline && way.pictures <= 2; way.pictures++)
        failures += compare_as(&way, &references);
      way.pictures = 0;
      way.shared = true;
      if (first_level == 0 && !native_caller) failures += compare_as(&way, &references);
      way.shared = false;
    }
    arena_free(references.arena);
  }
  printf("%d files, %d failed; off by at most %.2f of what is allowed\n", files, failures, closest);
  return files == 0 || failures > 0;
}
