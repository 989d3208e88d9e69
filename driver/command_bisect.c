/* dlc bisect FILE: runs the graph after each pass through the reference interpreter and names the
 * first pass, and the operation in it, where results part from the original's. Where weights or
 * products are rounded on demand, `quantise` says so in the graph: its results are the original's
 * from there on. */
#include "driver/compile.h"
#include "driver/inputs.h"
#include "driver/ir_file.h"
#include "driver/parting.h"
#include "driver/verify.h"
#include "ir/difference.h"

#include <math.h>
#include <string.h>

/* Passes may change the order of sums; f32 results of deep nets then differ by about this share of
 * their scale. More is a mistake. */
static const double tolerance = 1e-4;

typedef struct {
  Session *session;
  const char *entry;
  const RunTensor *inputs;
  const int64_t *dims;
  RunTensor *reference;
  int result_count;
  Text table;
  const Pass *rounds; /* the pass that rounds as it was asked to; NULL: none does */
  const char *parted; /* the pass at which results parted */
  IrFile before;      /* the graph before it */
  bool failed;
} Bisect;

static bool give_tensor(void *user, const Tensor *tensor, RunTensor *value) {
  Bisect *b = user;
  if (!run_tensor_make(b->session->arena, &tensor->type, b->dims, value)) return false;
  if (tensor->data && data_is_known(tensor->data))
    value->bytes = (void *)(uintptr_t)data_contents(tensor->data);
  else
    invent_numbers(tensor->name, tensor->type.element, value->bytes, value->count);
  return true;
}

static bool run(Bisect *b, const Module *module, RunTensor *results) {
  const Function *function = module_function(module, b->entry);
  const char *message = NULL;
  InterpretOptions options = {
      .arena = b->session->arena, .dims = b->dims, .tensor = give_tensor, .user = b};
  if (function && interpret(function, &options, b->inputs, results, &message)) return true;
  diag_report(b->session->diagnostics, E0504, SPAN_NONE, "'%s' cannot be run: %s", b->entry,
              message ? message : "it is gone");
  b->failed = true;
  return false;
}

static const PrintOptions whole = {.locations = true};

/* The graph before the pass, from its text; NULL if that cannot be. */
static const Function *read_again(Bisect *b, const Module *module, const int64_t **dims) {
  Session *session = b->session;
  int32_t file =
      sources_add(session->sources, "bisect", "bisect", b->before.text, strlen(b->before.text));
  Module *before = module_parse(session->arena, session->diagnostics, file);
  if (!before) return NULL;
  for (size_t i = 0; i < b->before.data.count; i++) {
    const StoredData *stored = &b->before.data.items[i];
    const char *message;
    if (data_is_known(stored->data))
      module_attach(before, stored->name, stored->data->element, stored->data->count,
                    data_contents(stored->data), &message);
  }
  int count = dim_symbol_count(before->dims);
  int64_t *values = ARENA_ARRAY(session->arena, (size_t)count + 1, int64_t);
  for (int i = 0; i < count; i++)
    for (int k = 0; k < dim_symbol_count(module->dims); k++)
      if (strcmp(dim_symbol_at(before->dims, i)->name, dim_symbol_at(module->dims, k)->name) == 0)
        values[i] = b->dims[k];
  *dims = values;
  return module_function(before, b->entry);
}

/* Where in the graph results part, if a value of that name was there before. */
static void say_parting(Bisect *b, const Module *module) {
  const int64_t *dims = NULL;
  const Function *before = read_again(b, module, &dims);
  InterpretOptions options = {
      .arena = b->session->arena, .dims = b->dims, .tensor = give_tensor, .user = b};
  Parting parting;
  bool found = before && parting_find(before, dims, module_function(module, b->entry), options,
                                      b->inputs, tolerance, &parting);
  const Value *value = found ? parting.value : NULL;
  if (!value) {
    text_string(&b->table, "   parts here\n");
    return;
  }
  text_string(&b->table, "   parts at ");
  value_print(&b->table, value);
  if (value->op && value->op->layer) text_format(&b->table, " %s", value->op->layer);
  const Location *at = value->op ? value->op->at : NULL;
  if (at) text_format(&b->table, ", %s:%d:%d", module->files.items[at->file], at->line, at->column);
  text_string(&b->table, "\n ");
  value_print(&b->table, value);
  text_format(&b->table, "  inputs agree (%.1e); ", parting.inputs);
  type_print(&b->table, &value->type);
  text_string(&b->table, " first differs at [");
  for (int i = 0; i < parting.rank; i++)
    text_format(&b->table, "%s%lld", i ? "," : "", (long long)parting.index[i]);
  text_format(&b->table, "]: %.6g, not %.6g\n", parting.got, parting.wanted);
}

static bool after_pass(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Bisect *b = user;
  verify_spoil_number(pass, module);
  RunTensor *results = ARENA_ARRAY(b->session->arena, (size_t)b->result_count, RunTensor);
  IrFile now = ir_file_of(b->session, module, whole);
  if (strcmp(now.text, b->before.text) == 0) return true;
  if (!run(b, module, results)) return false;
  double most = 0;
  for (int i = 0; i < b->result_count; i++) {
    double d = tensor_difference(&b->reference[i], &results[i]);
    if (d > most) most = d;
  }
  text_format(&b->table, " %-12s %10d   %.1e", pass->name, effect->after, most);
  if (pass == b->rounds) {
    text_string(&b->table, "   rounds as asked; from here on the reference");
    b->reference = results;
  } else if (most > tolerance) {
    b->parted = pass->name;
    say_parting(b, module);
    return false;
  }
  text_char(&b->table, '\n');
  b->before = now;
  return true;
}

int command_bisect(Session *session) {
  Compilation c;
  int code;
  if (!compile_open(session, &c, &code)) return code;
  const Function *function = entry_choose(session, c.module);
  if (!function) return EXIT_USAGE;
  int count = dim_symbol_count(c.module->dims);
  int64_t *dims = ARENA_ARRAY(session->arena, (size_t)count + 1, int64_t);
  RunTensor *inputs =
      ARENA_ARRAY(session->arena, (size_t)function->body->argument_count + 1, RunTensor);
  const Pass *specialise = pass_find("specialise"); /* first, so that dims are what they will be */
  if (!pass_run(specialise, c.module, &c.passes, session->diagnostics, NULL)) return EXIT_INPUT;
  if (!inputs_read(session, function, true, dims, inputs, &code)) return code;
  Bisect b = {.session = session,
              .entry = function->name,
              .inputs = inputs,
              .dims = dims,
              .result_count = (int)function->results.count,
              .table = text_new(session->arena)};
  if (c.passes.weights_type != ELEMENT_f32 || c.passes.compute_type != ELEMENT_f32)
    b.rounds = pass_find("quantise");
  b.reference = ARENA_ARRAY(session->arena, (size_t)b.result_count, RunTensor);
  b.before = ir_file_of(session, c.module, whole);
  if (!run(&b, c.module, b.reference)) return EXIT_INPUT;
  text_format(&b.table, " after        operations   largest difference, by the output's scale\n");
  text_format(&b.table, " %-12s %10d   reference\n", "elaborate",
              function_operations(function, false));
  bool ran = compile_passes(&c, after_pass, &b);
  fputs(text_get(&b.table), stdout);
  if (b.failed || (!ran && !b.parted)) return EXIT_INPUT;
  if (!b.parted) return EXIT_DONE;
  const char *path = arena_format(session->arena, "%s.bisect.ir", c.name);
  if (!ir_file_put(session, &b.before, path)) return EXIT_INPUT;
  printf(" again dlc opt %s --passes=%s\n", path, b.parted);
  return EXIT_INPUT;
}
