/* descriptor.c - the structs of runtime/model.h as LLVM constants, field by field in its order;
 * every field has 8 bytes. A changed layout needs another ABI in both. */
#include "backend/descriptor.h"

#include "backend/interface.h"
#include "backend/region.h"
#include "backend/wrappers.h"
#include "ir/runs.h"
#include "support/bug.h"

#include <string.h>

enum { ABI = 14 }; /* DLRT_ABI of the layout that is written here */

/* Of an entry, what is the same for all CPU levels. */
typedef struct {
  LLVMValueRef arguments, inputs, outputs, shapes, checks, failing, faults;
} Common;

/* Many steps have the same trips or work: it is one function of the dims. */
typedef struct {
  const Dim *result, *stored;
  bool is_work;
  LLVMValueRef function;
} DimFunction;

typedef struct {
  Emission *e;
  const NativeProgram *program; /* of the level that is written */
  const DescriptorOptions *options;
  Arena *arena;
  LoopKernel *scope; /* holds the expressions of dims */
  int functions;
  VEC(DimFunction) made;
  LLVMValueRef texts, vocabulary, runs; /* the same for all levels, as */
  LLVMValueRef dims, tensors;           /* tables, and as */
  Common *common;                       /* by entry */
} Writer;

/* ---- constants ---- */

static LLVMValueRef number(Writer *w, int64_t value) {
  return LLVMConstInt(w->e->i64, (uint64_t)value, true);
}

static LLVMValueRef small(const Writer *w, int64_t value) {
  return LLVMConstInt(w->e->i32, (uint64_t)value, false);
}

static LLVMValueRef none(Writer *w) {
  return LLVMConstNull(w->e->pointer);
}

static LLVMValueRef private_data(Writer *w, LLVMValueRef data, const char *name) {
  LLVMValueRef global = LLVMAddGlobal(w->e->module, LLVMTypeOf(data), name);
  LLVMSetInitializer(global, data);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  return global;
}

static LLVMValueRef string(Writer *w, const char *text) {
  if (!text) text = "";
  LLVMValueRef data = LLVMConstStringInContext2(w->e->context, text, strlen(text), false);
  LLVMValueRef global = private_data(w, data, "text");
  LLVMSetAlignment(global, 1);
  return global;
}

static LLVMValueRef structure(Writer *w, LLVMValueRef *fields, size_t count) {
  return LLVMConstStructInContext(w->e->context, fields, (unsigned)count, false);
}
#define STRUCTURE(w, ...)                                                                          \
  structure((w), (LLVMValueRef[]){__VA_ARGS__},                                                    \
            sizeof((LLVMValueRef[]){__VA_ARGS__}) / sizeof(LLVMValueRef))

static LLVMValueRef *list_new(Writer *w, size_t count) {
  return ARENA_ARRAY(w->arena, count + 1, LLVMValueRef);
}

/* A pointer to an array of equal structs or numbers. */
static LLVMValueRef array(Writer *w, LLVMValueRef *items, size_t count, const char *name) {
  if (count == 0) return none(w);
  LLVMValueRef data = LLVMConstArray2(LLVMTypeOf(items[0]), items, count);
  LLVMValueRef global = private_data(w, data, name);
  LLVMSetAlignment(global, 8);
  return global;
}

/* ---- functions of dims ---- */

static LLVMValueRef function_of(Writer *w, const LoopExpr *result, LoopExpr *const *stored,
                                int count) {
  const char *name = arena_format(w->arena, "%s_dims_%d", w->program->name, w->functions++);
  return emit_dims_function(w->e, name, result, stored, count);
}

static LLVMValueRef dim_function(Writer *w, const Dim *result, const Dim *stored, bool is_work) {
  for (size_t i = 0; i < w->made.count; i++) {
    const DimFunction *made = &w->made.items[i];
    if (made->result == result && made->stored == stored && made->is_work == is_work)
      return made->function;
  }
  LoopExpr *zero = loop_int(w->scope, 0), *other = stored ? dim_expr(w->scope, stored) : zero;
  LoopExpr *first = result ? dim_expr(w->scope, result) : zero;
  DimFunction made = {result, stored, is_work, function_of(w, first, &other, is_work ? 1 : 0)};
  vec_push(w->arena, &w->made, made);
  return made.function;
}

static LLVMValueRef trips_function(Writer *w, const Dim *trips) {
  return dim_function(w, trips, NULL, false);
}

/* With every dim at its least, which is 1 for sizes. */
static int64_t at_least(Writer *w, const Dim *dim) {
  if (!dim) return 0;
  DimTable *table = w->program->module->dims;
  int count = dim_symbol_count(table);
  int64_t *values = ARENA_ARRAY(w->arena, (size_t)count + 1, int64_t), result;
  for (int i = 0; i < count; i++) values[i] = dim_symbol_at(table, i)->min;
  return dim_evaluate(dim, values, &result) ? result : INT64_MAX;
}

static LLVMValueRef shapes_function(Writer *w, const Function *f) {
  VEC(LoopExpr *) sizes = {0};
  for (int i = 0; i < f->body->argument_count; i++) {
    const Type *type = &f->body->arguments[i]->type;
    for (int axis = 0; axis < type->rank; axis++)
      vec_push(w->arena, &sizes, dim_expr(w->scope, type->dims[axis]));
  }
  for (size_t i = 0; i < f->results.count; i++) {
    const Type *type = &f->results.items[i].type;
    for (int axis = 0; axis < type->rank; axis++)
      vec_push(w->arena, &sizes, dim_expr(w->scope, type->dims[axis]));
  }
  if (sizes.count == 0) vec_push(w->arena, &sizes, loop_int(w->scope, 0)); /* room for one always */
  return function_of(w, NULL, sizes.items, (int)sizes.count);
}

static LLVMValueRef failing_function(Writer *w, const Function *f) {
  LoopExpr *first = loop_int(w->scope, -1);
  for (size_t i = f->checks.count; i-- > 0;) {
    const Check *check = &f->checks.items[i];
    LoopOp op = check->kind == CHECK_EQUAL  ? LOOP_EQ
                : check->kind == CHECK_LESS ? LOOP_LT
                                            : LOOP_LE;
    LoopExpr *left = dim_expr(w->scope, check->left), *right = dim_expr(w->scope, check->right);
    left = loop_cast(w->scope, left, LOOP_I64);
    LoopExpr *holds = loop_binary(w->scope, op, left, loop_cast(w->scope, right, LOOP_I64));
    first = loop_select(w->scope, holds, first, loop_int(w->scope, (int64_t)i));
  }
  return function_of(w, first, NULL, 0);
}

/* ---- the tables ---- */

static const char *place_of(Writer *w, const Location *at) {
  if (!at || !w->program->module->files.count) return "";
  return arena_format(w->arena, "%s:%d:%d", w->program->module->files.items[at->file], at->line,
                      at->column);
}

static LLVMValueRef dims_table(Writer *w) {
  DimTable *table = w->program->module->dims;
  int count = dim_symbol_count(table);
  LLVMValueRef *rows = list_new(w, (size_t)count);
  for (int i = 0; i < count; i++) {
    const Symbol *symbol = dim_symbol_at(table, i);
    rows[i] = STRUCTURE(w, string(w, symbol->name), number(w, symbol->min), number(w, symbol->max),
                        string(w, w->options->source));
  }
  return array(w, rows, (size_t)count, "dims");
}

/* The shape with every dim at its bound. */
static LLVMValueRef bound_shape(Writer *w, const Type *type) {
  LLVMValueRef sizes[MOST_AXES];
  for (int axis = 0; axis < type->rank; axis++) sizes[axis] = number(w, dim_max(type->dims[axis]));
  return array(w, sizes, (size_t)type->rank, "shape");
}

static LLVMValueRef tensors_table(Writer *w) {
  size_t count = w->program->tensors.count;
  LLVMValueRef *rows = list_new(w, count);
  for (size_t i = 0; i < count; i++) {
    const ProgramTensor *row = &w->program->tensors.items[i];
    const Tensor *tensor = row->tensor;
    rows[i] = STRUCTURE(w, string(w, tensor->name), number(w, tensor->type.element),
                        number(w, tensor->type.rank), bound_shape(w, &tensor->type),
                        number(w, row->bytes), number(w, row->offset), number(w, row->role),
                        string(w, place_of(w, tensor->at)));
  }
  return array(w, rows, count, "tensors");
}

static LLVMValueRef port(Writer *w, const char *name, const Type *type) {
  return STRUCTURE(w, string(w, name), number(w, type->element), number(w, type->rank),
                   string(w, type_text(w->arena, type)), bound_shape(w, type));
}

static LLVMValueRef inputs_table(Writer *w, const Function *f) {
  LLVMValueRef *rows = list_new(w, (size_t)f->body->argument_count);
  for (int i = 0; i < f->body->argument_count; i++)
    rows[i] = port(w, f->body->arguments[i]->name, &f->body->arguments[i]->type);
  return array(w, rows, (size_t)f->body->argument_count, "inputs");
}

static LLVMValueRef outputs_table(Writer *w, const Function *f) {
  LLVMValueRef *rows = list_new(w, f->results.count);
  for (size_t i = 0; i < f->results.count; i++)
    rows[i] = port(w, f->results.items[i].name, &f->results.items[i].type);
  return array(w, rows, f->results.count, "outputs");
}

static LLVMValueRef written_table(Writer *w, const ProgramStep *s) {
  LLVMValueRef *rows = list_new(w, s->results.count);
  for (size_t i = 0; i < s->results.count; i++) {
    const ProgramResult *r = &s->results.items[i];
    bool fixed = dim_is_constant(r->count);
    rows[i] = STRUCTURE(w, small(w, r->operand), small(w, r->element), small(w, r->row),
                        small(w, r->stride), number(w, fixed ? dim_value(r->count) : -1),
                        fixed ? none(w) : trips_function(w, r->count));
  }
  return array(w, rows, s->results.count, "written");
}

static LLVMValueRef operand(Writer *w, const ProgramOperand *o) {
  return STRUCTURE(w, number(w, o->base), number(w, o->index), number(w, o->offset));
}

static LLVMValueRef step(Writer *w, const ProgramStep *s) {
  LLVMValueRef *operands = list_new(w, s->operands.count);
  for (size_t i = 0; i < s->operands.count; i++) operands[i] = operand(w, &s->operands.items[i]);
  LLVMValueRef kernel = LLVMGetNamedFunction(w->e->module, s->kernel->name);
  if (!kernel) bug("kernel '%s' was not emitted", s->kernel->name);
  bool fixed = dim_is_constant(s->trips);
  bool known_work =
      (!s->flop || dim_is_constant(s->flop)) && (!s->bytes || dim_is_constant(s->bytes));
  LLVMValueRef work = known_work ? none(w) : dim_function(w, s->flop, s->bytes, true);
  return STRUCTURE(w, kernel, string(w, s->kernel->name), string(w, s->layer), string(w, s->place),
                   string(w, s->algorithm), number(w, (int64_t)s->operands.count),
                   array(w, operands, s->operands.count, "operands"),
                   number(w, fixed ? dim_value(s->trips) : -1),
                   fixed ? none(w) : trips_function(w, s->trips), number(w, s->grain),
                   number(w, at_least(w, s->flop)), number(w, at_least(w, s->bytes)), work,
                   number(w, (int64_t)s->results.count), written_table(w, s));
}

static LLVMValueRef steps_table(Writer *w, const ProgramEntry *entry) {
  LLVMValueRef *rows = list_new(w, entry->steps.count);
  for (size_t i = 0; i < entry->steps.count; i++) rows[i] = step(w, &entry->steps.items[i]);
  return array(w, rows, entry->steps.count, "steps");
}

static LLVMValueRef row_of_loop(Writer *w, const ProgramLoop *loop) {
  LLVMValueRef *rows = list_new(w, loop->cursors.count);
  for (size_t i = 0; i < loop->cursors.count; i++) {
    const ProgramCursor *c = &loop->cursors.items[i];
    bool fixed = dim_is_constant(c->stride);
    rows[i] = STRUCTURE(w, operand(w, &c->base), number(w, fixed ? dim_value(c->stride) : -1),
                        fixed ? none(w) : trips_function(w, c->stride));
  }
  bool fixed = dim_is_constant(loop->trips);
  return STRUCTURE(w, number(w, (int64_t)loop->first), number(w, (int64_t)loop->count),
                   number(w, fixed ? dim_value(loop->trips) : -1),
                   fixed ? none(w) : trips_function(w, loop->trips), number(w, loop->backward),
                   number(w, loop->apart), number(w, loop->test), operand(w, &loop->condition),
                   number(w, loop->first_cursor), number(w, (int64_t)loop->cursors.count),
                   array(w, rows, loop->cursors.count, "cursors"));
}

static LLVMValueRef loops_table(Writer *w, const ProgramEntry *entry) {
  LLVMValueRef *rows = list_new(w, entry->loops.count);
  for (size_t i = 0; i < entry->loops.count; i++) rows[i] = row_of_loop(w, &entry->loops.items[i]);
  return array(w, rows, entry->loops.count, "loops");
}

static LLVMValueRef checks_table(Writer *w, const Function *f) {
  static const char *const signs[] = {
      [CHECK_EQUAL] = "==", [CHECK_LESS_OR_EQUAL] = "<=", [CHECK_LESS] = "<"};
  LLVMValueRef *rows = list_new(w, f->checks.count);
  for (size_t i = 0; i < f->checks.count; i++) {
    const Check *check = &f->checks.items[i];
    Text text = text_new(w->arena);
    dim_print(&text, check->left);
    text_format(&text, " %s ", signs[check->kind]);
    dim_print(&text, check->right);
    rows[i] = STRUCTURE(w, string(w, text_get(&text)), string(w, place_of(w, check->at)));
  }
  return array(w, rows, f->checks.count, "checks");
}

static LLVMValueRef faults_table(Writer *w, const ProgramEntry *entry) {
  LLVMValueRef *rows = list_new(w, entry->faults.count);
  for (size_t i = 0; i < entry->faults.count; i++) rows[i] = string(w, entry->faults.items[i]);
  return array(w, rows, entry->faults.count, "faults");
}

static LLVMValueRef entry_row(Writer *w, const ProgramEntry *entry, Common *c) {
  const Function *f = entry->function;
  int most = dim_symbol_count(w->program->module->dims) + (int)f->dims.count;
  const Symbol **dims = ARENA_ARRAY(w->arena, (size_t)most + 1, const Symbol *);
  int count = entry_dims(w->program, entry, dims);
  if (!c->shapes) {
    LLVMValueRef *numbers = list_new(w, (size_t)count);
    for (int i = 0; i < count; i++) numbers[i] = number(w, dims[i]->number);
    *c = (Common){.arguments = array(w, numbers, (size_t)count, "arguments"),
                  .inputs = inputs_table(w, f),
                  .outputs = outputs_table(w, f),
                  .shapes = shapes_function(w, f),
                  .checks = checks_table(w, f),
                  .failing = f->checks.count ? failing_function(w, f) : none(w),
                  .faults = faults_table(w, entry)};
  }
  return STRUCTURE(
      w, string(w, f->name), number(w, f->kind), string(w, entry->place), number(w, count),
      c->arguments, number(w, f->body->argument_count), c->inputs,
      number(w, (int64_t)f->results.count), c->outputs, number(w, (int64_t)entry->steps.count),
      steps_table(w, entry), c->shapes, number(w, (int64_t)f->checks.count), c->checks, c->failing,
      number(w, (int64_t)entry->faults.count), c->faults, number(w, at_least(w, entry->flop)),
      number(w, (int64_t)entry->loops.count), loops_table(w, entry));
}

static LLVMValueRef external(Writer *w, const char *name) {
  LLVMValueRef global = LLVMGetNamedGlobal(w->e->module, name);
  return global ? global : LLVMAddGlobal(w->e->module, w->e->i8, name);
}

static LLVMValueRef constants_pointer(Writer *w) {
  if (w->program->constants_bytes == 0 || w->options->beside) return none(w);
  LLVMValueRef global = external(w, arena_format(w->arena, "%s_constants", w->program->name));
  LLVMSetVisibility(global, LLVMHiddenVisibility);
  return global;
}

static LLVMValueRef schedule_table(Writer *w) {
  const NativeProgram *p = w->program;
  LLVMValueRef *rows = list_new(w, p->module->schedule.count);
  for (size_t i = 0; i < p->module->schedule.count; i++) {
    const ScheduledStep *scheduled = &p->module->schedule.items[i];
    int64_t entry = -1;
    for (size_t k = 0; k < p->entries.count; k++)
      if (strcmp(p->entries.items[k].function->name, scheduled->entry) == 0) entry = (int64_t)k;
    rows[i] = STRUCTURE(w, number(w, entry), number(w, scheduled->times));
  }
  return array(w, rows, p->module->schedule.count, "schedule");
}

/* Of a program with steps of training alone. */
static LLVMValueRef train_command(Writer *w) {
  for (size_t i = 0; w->options->main && i < w->program->entries.count; i++)
    if (w->program->entries.items[i].function->kind == FUNCTION_TRAIN)
      return external(w, "dlrt_train");
  return none(w);
}

static LLVMValueRef numbers(Writer *w, const PageRun *run, const RunMeaning *meaning,
                            const NameVec *names, size_t count) {
  LLVMValueRef *rows = list_new(w, count);
  for (size_t i = 0; i < count; i++)
    rows[i] = number(w, i < names->count ? run_value(meaning, names->items[i]) : -1);
  return array(w, rows, count, run->name);
}

static int64_t entry_number(const NativeProgram *p, const char *name) {
  for (size_t i = 0; i < p->entries.count; i++)
    if (strcmp(p->entries.items[i].function->name, name) == 0) return (int64_t)i;
  return -1;
}

static LLVMValueRef run_row(Writer *w, const PageRun *run) {
  RunMeaning meaning;
  int wrong;
  const char *message = run_meaning(w->arena, w->program->module, run, &meaning, &wrong);
  if (message) bug("the run '%s': %s", run->name, message);
  LLVMValueRef *lines = list_new(w, run->lines.count);
  for (size_t i = 0; i < run->lines.count; i++) {
    const RunLine *line = &run->lines.items[i];
    const Function *f = module_function(w->program->module, line->entry);
    lines[i] = STRUCTURE(w, number(w, entry_number(w->program, line->entry)),
                         numbers(w, run, &meaning, &line->inputs, line->inputs.count),
                         numbers(w, run, &meaning, &line->outputs, f->results.count));
  }
  LLVMValueRef *values = list_new(w, meaning.values.count);
  for (size_t i = 0; i < meaning.values.count; i++) values[i] = string(w, meaning.values.items[i]);
  return STRUCTURE(w, string(w, run->name), number(w, (int64_t)meaning.values.count),
                   array(w, values, meaning.values.count, "values"),
                   number(w, (int64_t)run->lines.count), array(w, lines, run->lines.count, "lines"),
                   number(w, meaning.repeated), number(w, meaning.chosen), number(w, run->start),
                   number(w, run->end));
}

static LLVMValueRef runs_table(Writer *w) {
  const Module *module = w->program->module;
  LLVMValueRef *rows = list_new(w, module->runs.count);
  for (size_t i = 0; i < module->runs.count; i++) rows[i] = run_row(w, &module->runs.items[i]);
  return array(w, rows, module->runs.count, "runs");
}

/* Of a program whose steps take rows of whole numbers, which may be tokens of a text, or
 * that has runs. */
static LLVMValueRef text_parts(Writer *w) {
  if (w->options->main && w->program->module->runs.count) return external(w, "dlrt_text_parts");
  for (size_t i = 0; w->options->main && i < w->program->entries.count; i++) {
    const Function *f = w->program->entries.items[i].function;
    for (int k = 0; f->kind == FUNCTION_TRAIN && k < f->body->argument_count; k++) {
      const Type *type = &f->body->arguments[k]->type;
      if (type->rank == 2 && (type->element == ELEMENT_i64 || type->element == ELEMENT_i32))
        return external(w, "dlrt_text_parts");
    }
  }
  return none(w);
}

/* What the machine must have: of AVX512-BF16 alone what is asked for. */
static int64_t cpu_level(const NativeProgram *p) {
  enum { AVX512 = 4, BF16 };
  bool pairs = p->target.bf16 && p->module->small.products > 0;
  return pairs && p->target.level == AVX512 ? BF16 : p->target.level;
}

/* The model of a level; `lower` is the next one's, `symbol` its own name. */
static LLVMValueRef model(Writer *w, LLVMValueRef lower, const char *symbol) {
  const NativeProgram *p = w->program;
  const DescriptorOptions *o = w->options;
  const SmallWeights *small = &p->module->small;
  LLVMValueRef *entries = list_new(w, p->entries.count);
  for (size_t i = 0; i < p->entries.count; i++)
    entries[i] = entry_row(w, &p->entries.items[i], &w->common[i]);
  LLVMValueRef row = STRUCTURE(
      w, number(w, ABI), lower, string(w, p->name), string(w, o->source), string(w, o->source_hash),
      string(w, DLC_VERSION), string(w, p->target.name), number(w, cpu_level(p)),
      number(w, dim_symbol_count(p->module->dims)), w->dims, number(w, (int64_t)p->tensors.count),
      w->tensors, number(w, p->parameter_bytes), number(w, p->arena_bytes),
      number(w, p->scratch_bytes), number(w, p->trip_bytes), number(w, p->trip_operands),
      number(w, p->most_operands), number(w, p->cursors), number(w, p->nesting),
      number(w, p->constants_bytes), constants_pointer(w), string(w, o->constants_hash),
      number(w, o->thread_limit), number(w, (int64_t)p->entries.count),
      array(w, entries, p->entries.count, "entries"),
      o->thread_limit == 1 ? none(w) : external(w, "dlrt_pool"), string(w, o->inputs),
      string(w, o->classes), string(w, small_type_name(small->element)), number(w, small->tensors),
      number(w, small->bytes), number(w, small->was), number(w, p->draws),
      number(w, (int64_t)p->module->schedule.count), schedule_table(w), train_command(w), w->texts,
      w->vocabulary, number(w, (int64_t)p->module->runs.count), w->runs,
      w->options->main && p->module->runs.count ? external(w, "dlrt_runs") : none(w));
  LLVMValueRef global = LLVMAddGlobal(w->e->module, LLVMTypeOf(row), symbol);
  LLVMSetInitializer(global, row);
  LLVMSetGlobalConstant(global, true);
  if (!w->e->options.public_kernels) LLVMSetVisibility(global, LLVMHiddenVisibility);
  LLVMSetAlignment(global, 8);
  return global;
}

void emit_programs(Emission *e, NativePrograms programs, DescriptorOptions options) {
  for (size_t i = 0; i < programs.count; i++) {
    const NativeProgram *program = programs.items[i];
    emission_target(e, &program->target);
    for (size_t k = 0; k < program->kernels.count; k++) emit_kernel(e, program->kernels.items[k]);
  }
  /* From here on the lowest level's code: whatever runs can run it. */
  const NativeProgram *program = programs.items[0];
  Writer w = {.e = e, .program = program, .options = &options, .arena = e->arena};
  w.scope = loop_kernel(e->arena, "dims", (LoopPlace){0});
  w.common = ARENA_ARRAY(e->arena, program->entries.count + 1, Common);
  w.dims = dims_table(&w);
  w.tensors = tensors_table(&w);
  w.texts = text_parts(&w);
  w.runs = runs_table(&w);
  w.vocabulary = string(&w, LLVMIsNull(w.texts) ? "" : options.vocabulary);
  LLVMValueRef table = none(&w);
  for (size_t i = programs.count; i-- > 0;) {
    w.program = programs.items[i];
    table = model(
        &w, table,
        arena_format(e->arena, "%s_model%s", program->name, i ? w.program->target.suffix : ""));
  }
  if (options.wrappers) emit_wrappers(e, program, options, table);
  if (options.main) emit_main(e, table);
}
