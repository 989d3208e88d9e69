/* dlc bisect FILE: runs the graph after each pass through the reference interpreter and names the
 * first pass, and the operation in it, where results part from the original's. */
#include "driver/compile.h"
#include "driver/inputs.h"
#include "driver/output.h"
#include "ir/module_text.h"

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
  const char *parted; /* the pass at which results parted */
  const char *before; /* the graph before it */
  const char *text;   /* the graph now */
  bool failed;
} Bisect;

static bool give_tensor(void *user, const Tensor *tensor, RunTensor *value) {
  Bisect *b = user;
  if (!run_tensor_make(b->session->arena, &tensor->type, b->dims, value)) return false;
  if (tensor->data && tensor->data->bytes)
    value->bytes = (void *)tensor->data->bytes;
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

/* Largest difference by the reference's own scale; NaN where only one is NaN counts as infinite. */
static double difference(const RunTensor *a, const RunTensor *b) {
  if (a->count != b->count) return INFINITY;
  double scale = 0, most = 0;
  for (int64_t i = 0; i < a->count; i++) {
    double x = element_load(a->element, a->bytes, i);
    if (isfinite(x) && fabs(x) > scale) scale = fabs(x);
  }
  for (int64_t i = 0; i < a->count; i++) {
    double x = element_load(a->element, a->bytes, i), y = element_load(b->element, b->bytes, i);
    if (x == y || (isnan(x) && isnan(y))) continue;
    double d = fabs(x - y) / (scale > 0 ? scale : 1);
    if (!(d <= most)) most = isnan(d) ? INFINITY : d;
  }
  return most;
}

static const char *text_of(Session *session, const Module *module) {
  Text text = text_new(session->arena);
  module_print(&text, module, (PrintOptions){.locations = true});
  return text_get(&text);
}

static bool after_pass(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Bisect *b = user;
  RunTensor *results = ARENA_ARRAY(b->session->arena, (size_t)b->result_count, RunTensor);
  const char *text = text_of(b->session, module);
  if (strcmp(text, b->text) == 0) return true;
  if (!run(b, module, results)) return false;
  double most = 0;
  for (int i = 0; i < b->result_count; i++) {
    double d = difference(&b->reference[i], &results[i]);
    if (d > most) most = d;
  }
  text_format(&b->table, " %-12s %10d   %.1e%s\n", pass->name, effect->after, most,
              most > tolerance ? "  parts here" : "");
  if (most > tolerance) {
    b->parted = pass->name;
    return false;
  }
  b->before = text;
  b->text = text;
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
  b.reference = ARENA_ARRAY(session->arena, (size_t)b.result_count, RunTensor);
  b.before = b.text = text_of(session, c.module);
  if (!run(&b, c.module, b.reference)) return EXIT_INPUT;
  text_format(&b.table, " after        operations   largest difference, by the output's scale\n");
  text_format(&b.table, " %-12s %10d   reference\n", "elaborate",
              function_operations(function, false));
  bool ran = compile_passes(&c, after_pass, &b);
  fputs(text_get(&b.table), stdout);
  if (b.failed || (!ran && !b.parted)) return EXIT_INPUT;
  if (!b.parted) return EXIT_DONE;
  const char *path = arena_format(session->arena, "%s.bisect.ir", c.name);
  if (!output_write(session, path, b.before, strlen(b.before))) return EXIT_INPUT;
  printf(" again dlc opt %s --passes=%s\n", path, b.parted);
  return EXIT_INPUT;
}
