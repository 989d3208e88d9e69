#include "driver/tune_measure.h"

#include "backend/descriptor.h"
#include "backend/lower.h"
#include "ir/build.h"
#include "ir/cost.h"
#include "runtime/context.h"
#include "support/bug.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_OPERANDS = 4, ROUNDS = 400, FEWEST = 8, FEW = 4, ALIGN = 64 };
static const double most_work = 1e9;  /* of a call */
static const double most_time = 0.06; /* of a candidate, more or less */
static const double hopeless = 8;     /* times the least estimate: not measured */

/* A thread alone is timed by its own clock, which stands while others have the processor. */
static double now(int threads) {
  struct timespec time;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- the operation as a module ---- */

/* Dims at their bounds, or as far below as makes a call short. */
static int64_t *choose_dims(Arena *arena, const Op *op) {
  const DimTable *table = op->block->function->module->dims;
  int count = dim_symbol_count(table);
  int64_t *dims = ARENA_ARRAY(arena, (size_t)count + 1, int64_t);
  for (int i = 0; i < count; i++) dims[i] = dim_symbol_at(table, i)->max;
  const Dim *flops = op_flops(op->block->function->module->dims, op);
  for (bool smaller = true; smaller;) {
    int64_t work;
    if (flops && dim_evaluate(flops, dims, &work) && (double)work <= most_work) break;
    smaller = false;
    for (int i = 0; i < count; i++) {
      int64_t least = dim_symbol_at(table, i)->min, half = dims[i] / 2;
      if (dims[i] == least) continue;
      dims[i] = half < least ? least : half;
      smaller = true;
    }
  }
  return dims;
}

static bool is_image(const Op *op, const Type *type) {
  return (op->kind == OP_conv || op->kind == OP_conv_transpose || op->kind == OP_conv_weight) &&
         (type->rank == 3 || type->rank == 4);
}

/* Numbers of the size of weights: none is 0, subnormal or large. */
static void fill(Element element, void *bytes, int64_t count, uint64_t state) {
  for (int64_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    double value = ((double)(state >> 40) / (1 << 24) - 0.5) / 8;
    if (element_is_float(element))
      element_store(element, bytes, i, value + (value < 0 ? -0.01 : 0.01));
    else
      element_store_integer(element, bytes, i, 0);
  }
}

/* A parameter with data, or an argument. */
static Value *make_operand(Builder *b, Module *module, const Type *type, int number,
                           bool constant) {
  const char *name = arena_format(module->arena, "x%d", number);
  if (!constant) return function_add_input(b->function, name, *type);
  Tensor *tensor = module_add_tensor(module, TENSOR_PARAM, name, *type, NULL);
  int64_t count = type_static_count(type);
  void *bytes =
      arena_array(module->arena, (size_t)count + 1, (size_t)element_infos[type->element].bytes);
  fill(type->element, bytes, count, (uint64_t)number + 1);
  tensor->data = data_new(module->arena, type->element, count, bytes);
  return build_typed(b, OP_read, *type, name, NULL, 0);
}

static Module *module_of(Arena *arena, const Choice *choice, const int64_t *dims) {
  static const int to_last[2][4] = {{0, 2, 1}, {0, 2, 3, 1}},
                   to_first[2][4] = {{0, 2, 1}, {0, 3, 1, 2}};
  const Op *op = choice->op;
  Module *module = module_new(arena, "tune");
  Function *function = module_add_function(module, op->block->function->kind, "tune");
  Builder b = {.function = function, .block = function->body};
  Value *operands[MOST_OPERANDS];
  if (op->operand_count > MOST_OPERANDS || op->region) return NULL;
  bool images = is_image(op, &op->operands[0]->type);
  for (int i = 0; i < op->operand_count; i++) {
    Type type, last;
    if (!type_copy_at(module, &op->operands[i]->type, dims, &type)) return NULL;
    bool constant = choice->constants & 1u << i;
    bool image = images && (i == 0 || op->kind == OP_conv_weight);
    last = type;
    const int *perm = to_last[type.rank == 4];
    for (int a = 0; image && a < type.rank; a++) last.dims[a] = type.dims[perm[a]];
    operands[i] = make_operand(&b, module, image ? &last : &type, i, constant);
    if (image) operands[i] = build_transpose(&b, operands[i], to_first[type.rank == 4]);
  }
  Op *copy = op_copy_at(function->body, op, operands, dims);
  if (!copy) return NULL;
  Value *result = copy->results[0];
  if (images && op->kind != OP_conv_weight)
    result = build_transpose(&b, result, to_last[result->type.rank == 4]);
  function->body->yields = ARENA_ARRAY(arena, 1, Value *);
  function->body->yields[0] = result;
  function->body->yield_count = 1;
  vec_push(arena, &function->results, ((Result){"out", result->type, false}));
  return module;
}

/* ---- a candidate as a program ---- */

typedef struct {
  Arena *arena;
  Jit *jit;
  dlrt_context *context;
  const void *inputs[MOST_OPERANDS];
  const char *constants;
  int64_t constant_bytes;
  void *output;
  size_t input_bytes[MOST_OPERANDS];
  int input_count;
  double least;
  int calls;
} Program;

/* A candidate that is to be taken, by its name; what else is chosen in its module is estimated. */
typedef struct {
  Arena *arena;
  const Choice *choice;
  const char *name;
  bool taken;
} Forced;

static bool same_phase(const Choice *a, const Choice *b) {
  return a->phase && b->phase ? strcmp(a->phase, b->phase) == 0 : a->phase == b->phase;
}

static int take(void *user, const Choice *choice, double *seconds) {
  Forced *forced = user;
  const Choice *of = forced->choice;
  (void)seconds;
  const char *wanted = NULL;
  if (!choice->given)
    wanted = of->given ? of->given : forced->name;
  else if (of->given && same_phase(choice, of))
    wanted = choice->loops == of->loops ? forced->name : of->of_phase;
  for (int i = 0; i < choice->count && wanted; i++)
    if (strcmp(candidate_text(forced->arena, &choice->candidates[i]), wanted) == 0) {
      forced->taken = forced->taken || wanted == forced->name;
      return i;
    }
  return -1;
}

static void *aligned(Arena *arena, int64_t bytes) {
  char *raw = arena_alloc(arena, (size_t)bytes + 2 * ALIGN);
  return raw + (ALIGN - (uintptr_t)raw % ALIGN) % ALIGN;
}

static char *make_constants(Arena *arena, const NativeProgram *program) {
  char *bytes = aligned(arena, program->constants_bytes);
  for (size_t i = 0; i < program->constants.count; i++) {
    const ProgramConstant *c = &program->constants.items[i];
    data_read(c->data, 0, c->data->count, bytes + c->offset);
  }
  return bytes;
}

static const dlrt_model *compile(const TuneMachine *machine, Program *p, Module *module) {
  NativePrograms programs = lower_all(p->arena, module, machine->target, 1, "tune");
  Emission *e = emission_new(p->arena, machine->target,
                             (EmitOptions){.source = "tune", .level = 2, .no_debug = true});
  emit_programs(e, programs,
                (DescriptorOptions){.source = "tune",
                                    .source_hash = "",
                                    .constants_hash = "",
                                    .thread_limit = machine->options->threads});
  EmitBytes object = emission_object(e);
  emission_free(e);
  union {
    const dlrt_threading *from;
    void *to;
  } pool = {&dlrt_pool};
  char *constants = make_constants(p->arena, programs.items[0]);
  p->constants = constants, p->constant_bytes = programs.items[0]->constants_bytes;
  const JitSymbol symbols[] = {{"dlrt_pool", pool.to}, {"tune_constants", constants}};
  const char *error = NULL;
  p->jit = jit_new(p->arena, object, symbols, 2, &error);
  return p->jit ? jit_find(p->jit, "tune_model") : NULL;
}

static bool open_program(const TuneMachine *machine, Program *p, const Choice *choice, int number,
                         const int64_t *dims) {
  p->arena = arena_new();
  Module *module = module_of(p->arena, choice, dims);
  if (!module) return false;
  Forced forced = {p->arena, choice, candidate_text(p->arena, &choice->candidates[number]), false};
  Chooser chooser = {take, &forced};
  PassOptions options = *machine->options;
  options.chooser = &chooser;
  options.dims = NULL, options.dim_count = 0;
  PassesRunning outer = passes_running;
  Diagnostics *quiet = diagnostics_new(p->arena, sources_new(p->arena));
  bool made = pipeline_run(module, &options, quiet, NULL, NULL);
  passes_running = outer;
  if (!made || !forced.taken) return false;
  const Function *function = module->functions.items[0];
  p->input_count = function->body->argument_count;
  for (int i = 0; i < p->input_count; i++) {
    const Type *type = &function->body->arguments[i]->type;
    p->input_bytes[i] = (size_t)type_bytes_at_bound(type);
    void *bytes = aligned(p->arena, (int64_t)p->input_bytes[i]);
    fill(type->element, bytes, type_static_count(type), (uint64_t)i + 7);
    p->inputs[i] = bytes;
  }
  p->output = aligned(p->arena, type_bytes_at_bound(&function->results.items[0].type));
  const dlrt_model *model = compile(machine, p, module);
  return model &&
         dlrt_open_level(model, &p->context, NULL, machine->threads, DLRT_UNPINNED) == DLRT_OK;
}

static void close_program(Program *p) {
  if (p->context) dlrt_close(p->context);
  if (p->jit) jit_free(p->jit);
  if (p->arena) arena_free(p->arena);
}

/* ---- the clock ---- */

static volatile uint64_t kept; /* so that what is read is read */

/* Weights out of the caches, what is given into them. */
static void prepare(const Program *p, bool cold) {
#if defined(__x86_64__)
  for (int64_t i = 0; cold && i < p->constant_bytes; i += ALIGN)
    __builtin_ia32_clflush(p->constants + i);
  __builtin_ia32_mfence();
#endif
  uint64_t sum = 0, word;
  for (int i = 0; i < p->input_count; i++)
    for (size_t at = 0; at + sizeof word <= p->input_bytes[i]; at += ALIGN) {
      memcpy(&word, (const char *)p->inputs[i] + at, sizeof word);
      sum += word;
    }
  kept = sum;
}

static double call(Program *p, const TuneMachine *machine, bool cold) {
  prepare(p, cold);
  double start = now(machine->threads);
  dlrt_status status = dlrt_call(p->context, 0, NULL, p->inputs, &p->output);
  if (status) bug("a candidate cannot be called: %s", dlrt_detail(p->context));
  return now(machine->threads) - start;
}

static void take_turns(const TuneMachine *machine, Program *programs, int count) {
  double start = now(0), best = 0;
  for (int round = 0; round < ROUNDS; round++) {
    if (round >= FEWEST && now(0) - start > most_time * count) break;
    for (int i = 0; i < count; i++) {
      Program *p = &programs[i];
      if (!p->context) continue;
      if (p->calls >= FEW && p->least > 3 * best) continue; /* it will not be the one */
      if (p->calls == 0) call(p, machine, false);           /* pages, and the pool's threads */
      double time = call(p, machine, machine->cold);
      if (p->calls++ == 0 || time < p->least) p->least = time;
      if (best == 0 || p->least < best) best = p->least;
    }
  }
}

void tune_measure(const TuneMachine *machine, const Choice *choice, double *seconds) {
  Arena *arena = arena_new();
  Program *programs = ARENA_ARRAY(arena, (size_t)choice->count, Program);
  const int64_t *dims = choose_dims(arena, choice->op);
  double least = choice->candidates[0].seconds;
  for (int i = 1; i < choice->count; i++)
    if (choice->candidates[i].seconds < least) least = choice->candidates[i].seconds;
  for (int i = 0; i < choice->count; i++) {
    programs[i] = (Program){0};
    if (choice->candidates[i].seconds > hopeless * least) continue;
    if (open_program(machine, &programs[i], choice, i, dims)) continue;
    close_program(&programs[i]);
    programs[i] = (Program){0};
  }
  take_turns(machine, programs, choice->count);
  for (int i = 0; i < choice->count; i++) {
    seconds[i] = programs[i].calls ? programs[i].least : -1;
    close_program(&programs[i]);
  }
  arena_free(arena);
}
