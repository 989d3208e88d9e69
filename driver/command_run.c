/* dlc run FILE input=FILE: compiles in memory and runs one call. */
#include "backend/descriptor.h"
#include "driver/inputs.h"
#include "driver/native.h"
#include "runtime/array.h"
#include "runtime/dlrt.h"

#include <string.h>

enum { MOST_PORTS = 256 };

typedef struct {
  Session *session;
  Native *native;
  const Function *function;
  int64_t dims[MOST_PORTS];
  RunTensor *inputs, *outputs;
} Run;

static bool call(Run *r, const dlrt_model *model, int64_t entry) {
  Session *session = r->session;
  dlrt_context *context;
  int64_t threads = 0;
  if (option_given(session->options, OPTION_threads) &&
      !option_integer(session->diagnostics, "--threads",
                      option_text(session->options, OPTION_threads, ""), 1, 1024, &threads))
    return false;
  int64_t seed = 0;
  if (option_given(session->options, OPTION_seed) &&
      !option_integer(session->diagnostics, "--seed",
                      option_text(session->options, OPTION_seed, ""), 0, INT64_MAX, &seed))
    return false;
  dlrt_status status = dlrt_open(model, &context, NULL, (int)threads);
  if (!status) dlrt_seed(context, (uint64_t)seed);
  const NativeProgram *p = r->native->program;
  for (size_t i = 0; !status && i < p->tensors.count; i++) { /* none were given: invented ones */
    dlrt_tensor_view view;
    if (model->tensors[i].kind == DLRT_MEMORY) continue; /* it has its first values */
    if (p->tensors.items[i].offset >= 0 && dlrt_at(context, (int)i, &view) == DLRT_OK) {
      const Tensor *t = p->tensors.items[i].tensor;
      int64_t count = p->tensors.items[i].bytes / element_infos[t->type.element].bytes;
      invent_numbers(t->name, t->type.element, view.data, count);
    }
  }
  const void *inputs[MOST_PORTS];
  void *outputs[MOST_PORTS];
  int64_t dims[MOST_PORTS];
  const dlrt_entry *e = &model->entries[entry];
  for (int64_t i = 0; i < e->input_count; i++) inputs[i] = r->inputs[i].bytes;
  for (int64_t i = 0; i < e->output_count; i++) outputs[i] = r->outputs[i].bytes;
  for (int64_t i = 0; i < e->dim_count; i++) {
    const Symbol *symbol =
        dim_symbol_find(r->native->compilation->module->dims, model->dims[e->dims[i]].name);
    dims[i] = symbol ? r->dims[symbol->number] : 1;
  }
  if (!status) status = dlrt_call(context, entry, dims, inputs, outputs);
  if (status)
    diag_report(session->diagnostics, E0504, SPAN_NONE, "%s: %s", dlrt_text(status),
                context ? dlrt_detail(context) : "");
  dlrt_close(context);
  return status == DLRT_OK;
}

static void print_result(Session *session, const char *name, const RunTensor *t) {
  Text text = text_new(session->arena);
  text_format(&text, "%s %s[", name, element_infos[t->element].name);
  for (int i = 0; i < t->rank; i++)
    text_format(&text, "%s%lld", i ? "," : "", (long long)t->shape[i]);
  text_string(&text, "]");
  enum { MOST_SHOWN = 16 };
  for (int64_t i = 0; i < t->count && i < MOST_SHOWN; i++) {
    text_char(&text, ' ');
    double value = element_load(t->element, t->bytes, i);
    if (t->element == ELEMENT_f64)
      text_double(&text, value);
    else if (element_is_float(t->element))
      text_float(&text, (float)value);
    else
      text_format(&text, "%lld", (long long)element_load_integer(t->element, t->bytes, i));
  }
  if (t->count > MOST_SHOWN) text_string(&text, " ...");
  puts(text_get(&text));
}

static bool write_results(Run *r) {
  const char *path = option_text(r->session->options, OPTION_output, NULL);
  int count = (int)r->function->results.count;
  if (!path) {
    for (int i = 0; i < count; i++)
      print_result(r->session, r->function->results.items[i].name, &r->outputs[i]);
    return true;
  }
  dlrt_result results[MOST_PORTS];
  for (int i = 0; i < count; i++) {
    results[i] = (dlrt_result){.name = r->function->results.items[i].name,
                               .element = (dlrt_element)r->outputs[i].element,
                               .rank = r->outputs[i].rank,
                               .data = r->outputs[i].bytes};
    memcpy(results[i].shape, r->outputs[i].shape, sizeof results[i].shape);
  }
  dlrt_error error = {0};
  if (dlrt_array_write(path, results, count, &error) == DLRT_OK) return true;
  return session_file_failed(r->session, E0603, path, &error);
}

/* All constants as one block in memory, as the object would hold them. */
static void *make_constants(const Native *n, Arena *arena) {
  char *raw = arena_alloc(arena, (size_t)n->program->constants_bytes + 64);
  char *bytes = raw + (64 - (uintptr_t)raw % 64) % 64;
  for (size_t i = 0; i < n->piece_count; i++)
    data_read(n->pieces[i].data, 0, n->pieces[i].data->count, bytes + n->pieces[i].offset);
  return bytes;
}

static int run_native(Run *r) {
  Session *session = r->session;
  Arena *arena = session->arena;
  Native *n = r->native;
  EmitBytes object = native_emit(n, (NativeOptions){.form = NATIVE_OBJECT});
  union { /* what the code may call or read: the pool, and its constants */
    const dlrt_threading *from;
    void *to;
  } pool = {&dlrt_pool};
  const JitSymbol symbols[] = {
      {"dlrt_pool", pool.to},
      {arena_format(arena, "%s_constants", n->symbol), make_constants(n, arena)}};
  const char *error = NULL;
  Jit *jit = jit_new(arena, object, symbols, 2, &error);
  if (!jit) {
    diag_report(session->diagnostics, E0609, SPAN_NONE, "the code cannot be loaded: %s", error);
    return EXIT_INPUT;
  }
  const dlrt_model *model = jit_find(jit, arena_format(arena, "%s_model", n->symbol));
  int64_t entry = -1;
  for (int64_t i = 0; model && i < model->entry_count; i++)
    if (strcmp(model->entries[i].name, r->function->name) == 0) entry = i;
  bool done = entry >= 0 && call(r, model, entry) && write_results(r);
  jit_free(jit);
  return done ? EXIT_DONE : EXIT_INPUT;
}

int command_run(Session *session) {
  Compilation c;
  int code;
  if (!compile_open(session, &c, &code)) return code;
  const Function *function = entry_choose(session, c.module);
  if (!function) return EXIT_USAGE;
  if (!target_runs_here(&c.target)) {
    diag_usage(session->diagnostics, "this machine cannot run code for '%s'", c.target.name);
    return EXIT_USAGE;
  }
  if (dim_symbol_count(c.module->dims) > MOST_PORTS ||
      function->body->argument_count > MOST_PORTS || function->results.count > MOST_PORTS) {
    diag_usage(session->diagnostics, "too many inputs, results or dims for one call");
    return EXIT_USAGE;
  }
  if (!compile_passes(&c, NULL, NULL)) return EXIT_INPUT;
  function = entry_choose(session, c.module);
  Run r = {.session = session, .function = function};
  r.inputs = ARENA_ARRAY(session->arena, (size_t)function->body->argument_count + 1, RunTensor);
  r.outputs = ARENA_ARRAY(session->arena, function->results.count + 1, RunTensor);
  if (!inputs_read(session, function, false, r.dims, r.inputs, &code)) return code;
  for (size_t i = 0; i < function->results.count; i++)
    if (!run_tensor_make(session->arena, &function->results.items[i].type, r.dims, &r.outputs[i]))
      return EXIT_INPUT;
  if (!native_is_possible(&c)) return EXIT_INPUT;
  Native native = native_new(&c);
  r.native = &native;
  return run_native(&r);
}
