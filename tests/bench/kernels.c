/* kernels: the speed of each kernel on one thread, beside the machine's limits.
 *
 *   kernels [--cpu NAME] [--level N] [--dim VALUE] [--rounds N] [--blas LIBRARY] [--exact]
 *           [--loops] [--asm] [--movers] [FILE.ir | WORD]...
 *
 * Without a file the built-in cases run, those alone whose group or name has one of the words. A
 * step's time is the least of many rounds over the whole entry, so that other processes on the
 * machine count little; in a file of a network each kernel finds its data as the one before left
 * it. Percentages are of what is measured at the start: the fused multiply-adds; and the reading,
 * and the copying, at the level of memory that the step's data fits in. --vectors sets the most
 * columns of a panel, in vector registers; --exact is dlc's --conv exact; --loops prints the
 * kernels, --asm their machine code. --blas has a library's sgemm (or sgemv) do the built-in
 * products in turns with the kernels, on one thread and without the bias that the kernels add.
 * --movers runs what only moves memory instead, in turns with a copy, or a reading, of as many
 * bytes.
 */
#include "backend/emit.h"
#include "backend/lower.h"
#include "ir/module_text.h"
#include "passes/pass.h"
#include "tests/bench/cblas.h"
#include "tests/bench/clock.h"
#include "tests/bench/kernel_cases.h"
#include "tests/bench/mover_cases.h"
#include "tests/tools/native.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A library to compare with; gemm NULL: none. */
typedef struct {
  Sgemm *gemm;
  Sgemv *gemv;
} Blas;

/* A level of the memory: what is fastest read from there, and copied within (read + written). */
typedef struct {
  const char *name;
  int64_t most;      /* bytes of data that are found there */
  double read, copy; /* bytes/s */
} Level;
enum { LEVELS = 4 };

typedef struct {
  Target target;
  int level, rounds, vectors;
  int64_t dim;
  bool loops, assembly, exact;
  Blas blas;
  const KernelCase *current; /* of the built-in cases; NULL */
  dlrt_kernel *peak_kernel;  /* runs in turns with what is measured, */
  float *peak_data;
  double peak; /* and is the FLOP/s of its best time */
  Level levels[LEVELS];
  Streams streams;
  bool movers; /* what runs is compared with them, of as many bytes, in turns */
} Bench;

/* Of this thread alone: other processes on the machine take time, but are not counted. */
static double seconds(void) {
  return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- the machine's limits, by kernels of the same loop IR ---- */

static LoopKernel *peak_kernel(Arena *arena, const Target *target) {
  LoopKernel *k = loop_kernel(arena, "peak", (LoopPlace){0});
  LoopBuffer *y = loop_operand(k, "y", LOOP_F32, 1, loop_int(k, 1024));
  loop_parallel(k, "t", loop_int(k, 1 << 20));
  int rows = target->registers - 4, lanes = target->lanes;
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *a = loop_let(k, "a", loop_lanes(k, y, lanes, zero));
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, rows, lanes, loop_number(k, 0));
  LoopExpr *r = loop_each(k, "r", zero, loop_int(k, rows));
  loop_set(k, loop_row(k, acc, r), loop_lanes(k, y, lanes, loop_mul(k, r, loop_int(k, lanes))));
  loop_end(k);
  loop_for(k, "i", zero, loop_int(k, 256));
  r = loop_each(k, "r", zero, loop_int(k, rows));
  loop_set(k, loop_row(k, acc, r), loop_fma(k, a, a, loop_row(k, acc, r)));
  loop_end(k);
  loop_end(k);
  r = loop_each(k, "r", zero, loop_int(k, rows));
  loop_store(k, loop_lanes(k, y, lanes, loop_mul(k, r, loop_int(k, lanes))), loop_row(k, acc, r));
  loop_end(k);
  loop_end(k);
  return k;
}

static double best_time(dlrt_kernel *kernel, void **operands, int64_t trips, int rounds) {
  double best = 1e9;
  for (int i = 0; i < rounds; i++) {
    double start = seconds();
    kernel(operands, NULL, 0, trips, NULL);
    double time = seconds() - start;
    if (time < best) best = time;
  }
  return best;
}

static void measure_peak(Bench *b, int rounds) {
  enum { TRIPS = 400 };
  double flop = 2.0 * b->target.lanes * (b->target.registers - 4) * 256 * TRIPS;
  double peak = flop / best_time(b->peak_kernel, (void *[]){b->peak_data}, TRIPS, rounds);
  if (peak > b->peak) b->peak = peak;
}

static void measure_level(Bench *b, int number, float *x, float *y) {
  enum { TRIP_BYTES = STREAM_TRIP * 4 };
  static const int trips[LEVELS] = {64, 4, 128, 2048}, rounds[LEVELS] = {100, 300, 30, 5};
  bool around = number == 0;
  double bytes = (double)trips[number] * TRIP_BYTES;
  const Streams *streams = &b->streams;
  dlrt_kernel *reads = around ? streams->reads_around : streams->reads;
  dlrt_kernel *copies = around ? streams->copies_around : streams->copies;
  Level *level = &b->levels[number];
  level->read = bytes / best_time(reads, (void *[]){x, y}, trips[number], rounds[number]);
  int half = around ? trips[number] : trips[number] / 2;
  double copied = 2.0 * half * TRIP_BYTES;
  level->copy = copied / best_time(copies, (void *[]){x, y}, half, rounds[number]);
}

static bool measure_machine(Bench *b, Arena *arena) {
  Emission *e = emission_new(arena, &b->target, (EmitOptions){.level = 2, .public_kernels = true});
  emit_kernel(e, peak_kernel(arena, &b->target));
  streams_emit(e, arena, &b->target);
  const char *error;
  Jit *jit = jit_new(arena, emission_object(e), NULL, 0, &error);
  emission_free(e);
  if (!jit) return false;
  enum { LARGE = 1 << 27 };
  float *y = aligned_alloc(64, LARGE), *x = aligned_alloc(64, LARGE);
  if (!x || !y) return false;
  memset(x, 0, LARGE);
  memset(y, 0, LARGE);
  b->peak_kernel = stream_named(jit, "peak");
  b->streams = streams_find(jit);
  b->peak_data = aligned_alloc(64, 4096);
  if (!b->peak_data) return false;
  memset(b->peak_data, 0, 4096);
  measure_peak(b, 60);
  static const char *const names[LEVELS] = {"L1", "L2", "L3", "memory"};
  const int64_t most[LEVELS] = {b->target.l1, b->target.l2, INT64_C(16) << 20, INT64_MAX};
  printf("%s: %.1f GFLOP/s; reads, copies in GB/s:", b->target.name, b->peak * 1e-9);
  for (int i = 0; i < LEVELS; i++) {
    b->levels[i] = (Level){.name = names[i], .most = most[i]};
    measure_level(b, i, x, y);
    printf("%s %s %.1f, %.1f", i ? ";" : "", names[i], b->levels[i].read * 1e-9,
           b->levels[i].copy * 1e-9);
  }
  printf("\n");
  free(x);
  free(y);
  return true; /* the code stays, for more of the peak */
}

static const Level *level_of(const Bench *b, int64_t bytes) {
  int level = 0;
  while (bytes > b->levels[level].most) level++;
  return &b->levels[level];
}

/* ---- steps ---- */

static void invent(const char *name, Element element, void *bytes, int64_t count) {
  uint32_t state = (uint32_t)strlen(name) * 2654435761u + 1;
  if (element != ELEMENT_f32) {
    memset(bytes, 0, (size_t)(count * element_infos[element].bytes));
    return;
  }
  float *f = bytes;
  for (int64_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    f[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
  }
}

typedef struct {
  Bench *bench;
  const NativeRun *run;
  const Function *function;
  const char *name;
} Timing;

/* A step in pieces of a quarter of a millisecond or so, each of which can find a quiet moment. */
enum { MOST_PIECES = 200 };
static const double piece_seconds = 250e-6;

static double run_pieces(const NativeStep *s, const int64_t *dims, dlrt_worker *worker, int pieces,
                         double *best) {
  double all = 0;
  for (int i = 0; i < pieces; i++) {
    double from = seconds();
    s->kernel((void *const *)s->operands, dims, s->trips * i / pieces, s->trips * (i + 1) / pieces,
              worker);
    double time = seconds() - from;
    if (time < best[i]) best[i] = time;
    all += time;
  }
  return all;
}

/* ---- a library's product, in turns with ours ---- */

static void *blas_function(void *library, const char *name) {
  void *function = library ? dlsym(library, name) : NULL;
  if (!function) printf("%s\n", dlerror());
  return function;
}

static bool blas_open(Blas *blas, const char *path) {
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  void *library = dlopen(path, RTLD_NOW);
  union {
    void *object;
    Sgemm *gemm;
  } gemm = {blas_function(library, "cblas_sgemm")};
  union {
    void *object;
    Sgemv *gemv;
  } gemv = {gemm.object ? blas_function(library, "cblas_sgemv") : NULL};
  *blas = (Blas){gemm.gemm, gemv.gemv};
  return gemv.object != NULL;
}

static void blas_product(const Blas *blas, const KernelCase *c, const float *x, const float *w,
                         float *y) {
  if (c->m == 1)
    blas->gemv(ROW_MAJOR, PLAIN, c->n, c->k, 1, w, c->k, x, 1, 0, y, 1);
  else
    blas->gemm(ROW_MAJOR, PLAIN, TRANSPOSED, c->m, c->n, c->k, 1, x, c->k, w, c->k, 0, y, c->n);
}

static double step_time(const NativeStep *s, const int64_t *dims, dlrt_worker *worker) {
  double from = seconds();
  s->kernel((void *const *)s->operands, dims, 0, s->trips, worker);
  return seconds() - from;
}

static void compare_blas(const Timing *t, const NativeStep *step, dlrt_worker *worker) {
  const Bench *b = t->bench;
  const KernelCase *c = b->current;
  size_t m = (size_t)c->m, k = (size_t)c->k, n = (size_t)c->n;
  float *x = malloc(4 * m * k), *w = malloc(4 * n * k), *y = malloc(4 * m * n);
  if (!x || !w || !y) return;
  invent("x", ELEMENT_f32, x, (int64_t)(m * k));
  invent("w", ELEMENT_f32, w, (int64_t)(n * k));
  double ours = 1e9, theirs = 1e9, start = seconds();
  for (int round = 0; round < 3 * b->rounds || (round < 3000 && seconds() - start < 0.6); round++) {
    double time = step_time(step, t->run->dims, worker), from = seconds();
    if (time < ours) ours = time;
    blas_product(&b->blas, c, x, w, y);
    time = seconds() - from;
    if (time < theirs) theirs = time;
  }
  double flop = 2.0 * (double)m * (double)k * (double)n;
  printf(
      "%-28.28s ours %.1f us %.1f GFLOP/s %.1f%%, blas %.1f us %.1f GFLOP/s %.1f%%, %.2f times\n",
      t->name, ours * 1e6, flop / ours * 1e-9, 100 * flop / ours / b->peak, theirs * 1e6,
      flop / theirs * 1e-9, 100 * flop / theirs / b->peak, theirs / ours);
  free(x);
  free(w);
  free(y);
}

static void time_steps(void *user, const NativeStep *steps, size_t count, dlrt_worker *worker) {
  Timing *t = user;
  if (t->bench->movers) {
    mover_time(
        &(MoverRun){&t->bench->streams, t->function, t->run->dims, t->name, t->bench->rounds},
        steps, count, worker);
    return;
  }
  double *best = calloc(count + 1, sizeof *best), total = 0, start = seconds();
  double *pieces_best = calloc((count + 1) * MOST_PIECES, sizeof *best);
  int *pieces = calloc(count + 1, sizeof *pieces);
  if (!best || !pieces_best || !pieces) return;
  for (size_t i = 0; i < (count + 1) * MOST_PIECES; i++) pieces_best[i] = 1e9;
  for (size_t i = 0; i < count; i++) {
    double once = run_pieces(&steps[i], t->run->dims, worker, 1, &best[count]);
    pieces[i] = 1 + (int)(once / piece_seconds);
    if (pieces[i] > MOST_PIECES) pieces[i] = MOST_PIECES;
    if (pieces[i] > steps[i].trips) pieces[i] = (int)steps[i].trips;
  }
  for (int round = 0; round < t->bench->rounds || (round < 3000 && seconds() - start < 0.15);
       round++)
    for (size_t i = 0; i < count; i++) {
      if (i % 16 == 0) measure_peak(t->bench, 1);
      run_pieces(&steps[i], t->run->dims, worker, pieces[i], pieces_best + i * MOST_PIECES);
    }
  for (size_t i = 0; i < count; i++)
    for (int j = 0; j < pieces[i]; j++) best[i] += pieces_best[i * MOST_PIECES + (size_t)j];
  for (size_t i = 0; i < count; i++) {
    const ProgramStep *s = steps[i].step;
    int64_t flop = 0, bytes = 0;
    if (s->flop) dim_evaluate(s->flop, t->run->dims, &flop);
    if (s->bytes) dim_evaluate(s->bytes, t->run->dims, &bytes);
    double speed = (double)flop / best[i], rate = (double)bytes / best[i];
    const Level *level = level_of(t->bench, bytes);
    printf(
        "%-28.28s %-22.22s %-8s %9.1f us %6.1f GFLOP/s %3.0f%% %6.1f GB/s %4.0f%% %4.0f%% of %s\n",
        t->name, s->kernel->name, s->algorithm ? s->algorithm : "", best[i] * 1e6, speed * 1e-9,
        100 * speed / t->bench->peak, rate * 1e-9, 100 * rate / level->read,
        100 * rate / level->copy, level->name);
    total += best[i];
  }
  if (count == 1 && t->bench->blas.gemm && t->bench->current && t->bench->current->m)
    compare_blas(t, &steps[0], worker);
  if (count > 1) printf("%-28.28s all steps %.1f us\n", t->name, total * 1e6);
  free(best);
  free(pieces);
  free(pieces_best);
}

static void print_kernels(const Bench *b, Arena *arena, const Module *module) {
  NativeProgram *program = lower(arena, module, &b->target, "bench");
  Text text = text_new(arena);
  for (size_t i = 0; i < program->kernels.count && b->loops; i++)
    loop_print(&text, program->kernels.items[i]);
  if (b->loops) fputs(text_get(&text), stdout);
  if (!b->assembly) return;
  Emission *e =
      emission_new(arena, &b->target,
                   (EmitOptions){.level = b->level, .no_debug = true, .public_kernels = true});
  for (size_t i = 0; i < program->kernels.count; i++) emit_kernel(e, program->kernels.items[i]);
  fputs(emission_assembly(e).bytes, stdout);
  emission_free(e);
}

static bool trains(const Module *module) {
  for (size_t i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->kind == FUNCTION_TRAIN) return true;
  return false;
}

static bool time_module(Bench *b, Arena *arena, const char *name, Module *module,
                        Diagnostics *diagnostics) {
  for (size_t i = 0; i < module->tensors.count && !trains(module);
       i++) { /* weights are constants */
    Tensor *tensor = module->tensors.items[i];
    if (tensor->data && tensor->data->bytes) continue;
    int64_t count = dim_max(type_count(module->dims, &tensor->type));
    void *bytes = arena_array(arena, (size_t)count + 1, 8);
    invent(tensor->name, tensor->type.element, bytes, count);
    tensor->data = data_new(arena, tensor->type.element, count, bytes);
  }
  PassOptions options = PASS_OPTIONS_DEFAULT;
  options.level = b->level;
  TargetShape shape = target_shape(&b->target, 1);
  options.vector_lanes = shape.lanes;
  options.vector_registers = shape.registers;
  options.panel_columns = b->vectors ? b->target.lanes * b->vectors : shape.columns;
  options.flop_rate = shape.rates.flops;
  options.memory_rate = shape.rates.memory;
  options.cache_rate = shape.rates.cache;
  options.near_rate = shape.rates.near;
  options.near_bytes = shape.l1;
  options.cache_bytes = shape.l2;
  options.exact_conv = b->exact;
  options.threads = 1;
  if (!pipeline_run(module, &options, diagnostics, NULL, NULL)) return false;
  if (b->loops || b->assembly) print_kernels(b, arena, module);
  int symbols = dim_symbol_count(module->dims);
  int64_t *dims = ARENA_ARRAY(arena, (size_t)symbols + 2, int64_t);
  for (int i = 0; i < symbols; i++) {
    const Symbol *s = dim_symbol_at(module->dims, i);
    dims[i] = b->dim < s->min ? s->min : b->dim > s->max ? s->max : b->dim;
  }
  for (size_t i = 0; i < module->functions.count; i++) {
    const Function *f = module->functions.items[i];
    if (f->kind != FUNCTION_MODEL && f->kind != FUNCTION_TRAIN) continue;
    NativeRun run = {
        .arena = arena, .dims = dims, .parts = 1, .tensor = invent, .again = time_steps};
    Timing timing = {b, &run, f, name};
    run.user = &timing;
    int inputs = f->body->argument_count;
    RunTensor *in = ARENA_ARRAY(arena, (size_t)inputs + 1, RunTensor);
    for (int j = 0; j < inputs; j++) {
      const Type *type = &f->body->arguments[j]->type;
      int64_t count = 1, size = 1;
      for (int a = 0; a < type->rank; a++, count *= size) dim_evaluate(type->dims[a], dims, &size);
      in[j] = (RunTensor){.element = type->element, .rank = type->rank, .count = count};
      in[j].bytes = arena_array(arena, (size_t)count + 1, 8);
      invent("x", type->element, in[j].bytes, count);
    }
    run.inputs = in;
    run.outputs = ARENA_ARRAY(arena, f->results.count + 1, RunTensor);
    if (!native_run(module, f, &b->target, b->level, &run)) {
      printf("%s: %s\n", name, run.message ? run.message : "?");
      return false;
    }
    if (!b->movers)
      printf("%-28.28s LLVM %.1f ms, object %zu bytes\n", name, run.compile_seconds * 1e3,
             run.object_bytes);
  }
  return true;
}

static bool time_text(Bench *b, const char *name, const char *text, size_t length) {
  Arena *arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  Sources *sources = diagnostics_sources(diagnostics);
  char *copy = arena_string(arena, text, length);
  Module *module = module_parse(arena, diagnostics, sources_add(sources, name, name, copy, length));
  bool ok = module && time_module(b, arena, name, module, diagnostics);
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  arena_free(arena);
  return ok;
}

static bool time_file(Bench *b, const char *path) {
  Arena *arena = arena_new();
  size_t length;
  const char *message;
  char *bytes = source_read(arena, path, 1 << 26, &length, &message);
  bool ok = bytes && time_text(b, path, bytes, length);
  if (!bytes) printf("%s: %s\n", path, message);
  arena_free(arena);
  return ok;
}

static bool wanted(const KernelCase *c, char **words, int count) {
  for (int i = 0; i < count; i++)
    if (strstr(c->name, words[i]) || strcmp(c->group, words[i]) == 0) return true;
  return count == 0;
}

static bool time_cases(Bench *b, char **words, int count) {
  bool ok = true;
  KernelCase found;
  for (size_t i = 0;; i++) {
    Arena *arena = arena_new();
    Text text = text_new(arena);
    bool more = kernel_case(i, &found, &text);
    b->current = &found;
    if (more && wanted(&found, words, count))
      ok = time_text(b, found.name, text_get(&text), strlen(text_get(&text))) && ok;
    arena_free(arena);
    if (!more) return ok;
  }
}

static bool time_movers(Bench *b, char **words, int count) {
  bool ok = true;
  for (size_t i = 0;; i++) {
    Arena *arena = arena_new();
    Text name = text_new(arena), text = text_new(arena);
    bool more = mover_case(i, &name, &text), meant = count == 0;
    for (int w = 0; w < count && more; w++) meant = meant || strstr(text_get(&name), words[w]);
    if (more && meant)
      ok = time_text(b, text_get(&name), text_get(&text), strlen(text_get(&text))) && ok;
    arena_free(arena);
    if (!more) return ok;
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Bench b = {.level = 2, .rounds = 5, .dim = 1};
  const char *cpu = "native";
  int words = 0;
  bool ok = true, files = false;
  Arena *arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--cpu") == 0 && i + 1 < argc)
      cpu = argv[++i];
    else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
      b.level = atoi(argv[++i]);
    else if (strcmp(argv[i], "--dim") == 0 && i + 1 < argc)
      b.dim = atoi(argv[++i]);
    else if (strcmp(argv[i], "--vectors") == 0 && i + 1 < argc)
      b.vectors = atoi(argv[++i]);
    else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
      b.rounds = atoi(argv[++i]);
    else if (strcmp(argv[i], "--blas") == 0 && i + 1 < argc)
      ok = blas_open(&b.blas, argv[++i]) && ok;
    else if (strcmp(argv[i], "--movers") == 0)
      b.movers = true;
    else if (strcmp(argv[i], "--exact") == 0)
      b.exact = true;
    else if (strcmp(argv[i], "--loops") == 0)
      b.loops = true;
    else if (strcmp(argv[i], "--asm") == 0)
      b.assembly = true;
    else
      argv[1 + words++] = argv[i];
  if (!ok || !target_find(&b.target, arena, NULL, cpu, diagnostics) ||
      !target_runs_here(&b.target) || !measure_machine(&b, arena)) {
    diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
    return 1;
  }
  for (int i = 1; i <= words; i++) {
    size_t length = strlen(argv[i]);
    if (length < 4 || strcmp(argv[i] + length - 3, ".ir") != 0) continue;
    files = true;
    ok = time_file(&b, argv[i]) && ok;
  }
  if (!files)
    ok = (b.movers ? time_movers(&b, argv + 1, words) : time_cases(&b, argv + 1, words)) && ok;
  arena_free(arena);
  return !ok;
}
