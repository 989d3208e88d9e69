/* dlc check FILE.dl: layers, shapes, parameters, arithmetic and memory of a network. */
#include "driver/check_rows.h"
#include "driver/compile.h"
#include "driver/output.h"
#include "ir/cost.h"
#include "passes/memory_report.h"

#include <jansson.h>
#include <string.h>

typedef struct {
  Session *session;
  Compilation c;
  Text out;
  MemorySum *naive;          /* of each function, before the pipeline */
  int64_t *flops, *products; /* of each, of a step with its gradient; -1: too many */
} Checking;

static const char *dims_text(const Checking *k) {
  Text text = text_new(k->session->arena);
  const DimTable *dims = k->c.module->dims;
  for (int i = 0; i < dim_symbol_count(dims); i++) {
    const Symbol *s = dim_symbol_at(dims, i);
    if (s->min == s->max)
      text_format(&text, "   %s = %lld", s->name, (long long)s->min);
    else
      text_format(&text, "   %lld <= %s <= %lld", (long long)s->min, s->name, (long long)s->max);
  }
  return text_get(&text);
}

/* What a report is about: a step's value and the first values are not. */
static bool is_shown(const Function *f) {
  return f->kind == FUNCTION_MODEL || f->kind == FUNCTION_TRAIN;
}

/* FLOPs with each size at its least: one image. */
static int64_t flops_of_one(const Function *f, bool products) {
  const Dim *flops = function_flops(f, products);
  return flops ? dim_min(flops) : -1;
}

static void print_entry(Checking *k, const Function *f) {
  text_format(&k->out, "%s   %s %s%s\n", k->c.module->files.items[0], function_kind_names[f->kind],
              f->name, dims_text(k));
  check_rows_print(&k->out, &k->c.extra, k->c.module, f, k->session->sources,
                   option_given(k->session->options, OPTION_all));
}

/* The layers of models; of steps where there is no model. */
static void print_tables(Checking *k) {
  const Module *module = k->c.module;
  FunctionKind kind = FUNCTION_TRAIN;
  for (size_t i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->kind == FUNCTION_MODEL) kind = FUNCTION_MODEL;
  for (size_t i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->kind == kind) print_entry(k, module->functions.items[i]);
}

static void parameter_totals(const Module *module, int64_t *numbers, int64_t *bytes, int *tensors) {
  *numbers = *bytes = 0;
  *tensors = 0;
  for (size_t i = 0; i < module->tensors.count; i++) {
    const Tensor *t = module->tensors.items[i];
    if (t->kind != TENSOR_PARAM) continue;
    int64_t size = type_bytes_at_bound(&t->type);
    *bytes += size;
    *numbers += size / element_infos[t->type.element].bytes;
    ++*tensors;
  }
}

static void print_totals(Checking *k) {
  int64_t numbers, bytes;
  int tensors;
  parameter_totals(k->c.module, &numbers, &bytes, &tensors);
  text_string(&k->out, " parameters  ");
  text_thousands(&k->out, numbers);
  text_format(&k->out, " in %d tensors, ", tensors);
  text_thousands(&k->out, bytes);
  if (bytes >= 1 << 20)
    text_format(&k->out, " bytes (%.1f MiB)\n", (double)bytes / 0x1p20);
  else
    text_format(&k->out, " bytes (%.1f KiB)\n", (double)bytes / 1024);
}

static void print_arithmetic(Checking *k) {
  for (size_t i = 0; i < k->c.module->functions.count; i++) {
    const Function *f = k->c.module->functions.items[i];
    int64_t all = k->flops[i], products = k->products[i];
    if (!is_shown(f) || all <= 0) continue;
    text_format(&k->out,
                " arithmetic  %s  %.3f %s with each dim at its least, %.1f %% in products\n",
                f->name, all >= 1000000000 ? (double)all / 1e9 : (double)all / 1e6,
                all >= 1000000000 ? "GFLOP" : "MFLOP", 100.0 * (double)products / (double)all);
  }
}

/* ---- --json ---- */

static json_t *shape_json(Arena *arena, const Type *type) {
  json_t *shape = json_array();
  for (int i = 0; i < type->rank; i++) {
    if (dim_is_constant(type->dims[i])) {
      json_array_append_new(shape, json_integer(dim_value(type->dims[i])));
      continue;
    }
    Text text = text_new(arena);
    dim_print(&text, type->dims[i]);
    json_array_append_new(shape, json_string(text_get(&text)));
  }
  return shape;
}

static json_t *port_json(Arena *arena, const char *name, const Type *type) {
  json_t *port = json_object();
  json_object_set_new(port, "name", json_string(name));
  json_object_set_new(port, "type", json_string(element_infos[type->element].name));
  json_object_set_new(port, "shape", shape_json(arena, type));
  return port;
}

static json_t *entry_json(Checking *k, const Function *f) {
  Arena *arena = k->session->arena;
  json_t *entry = json_object(), *inputs = json_array(), *outputs = json_array();
  json_object_set_new(entry, "name", json_string(f->name));
  json_object_set_new(entry, "kind", json_string(function_kind_names[f->kind]));
  for (int i = 0; i < f->body->argument_count; i++)
    json_array_append_new(
        inputs, port_json(arena, f->body->arguments[i]->name, &f->body->arguments[i]->type));
  for (size_t i = 0; i < f->results.count; i++)
    json_array_append_new(outputs,
                          port_json(arena, f->results.items[i].name, &f->results.items[i].type));
  json_object_set_new(entry, "inputs", inputs);
  json_object_set_new(entry, "outputs", outputs);
  json_object_set_new(entry, "layers",
                      check_rows_json(&k->c.extra, k->c.module, f, k->session->sources));
  return entry;
}

static json_t *report_json(Checking *k) {
  Module *module = k->c.module;
  json_t *report = json_object(), *dims = json_array(), *parameters = json_array(),
         *states = json_array();
  json_t *entries = json_array();
  json_object_set_new(report, "dlc", json_string(DLC_VERSION));
  json_object_set_new(report, "file", json_string(module->files.items[0]));
  for (int i = 0; i < dim_symbol_count(module->dims); i++) {
    const Symbol *s = dim_symbol_at(module->dims, i);
    json_array_append_new(dims, json_pack("{s:s,s:I,s:I}", "name", s->name, "min",
                                          (json_int_t)s->min, "max", (json_int_t)s->max));
  }
  for (size_t i = 0; i < module->tensors.count; i++) {
    const Tensor *t = module->tensors.items[i];
    json_t *row = port_json(k->session->arena, t->name, &t->type);
    json_object_set_new(row, "line", json_integer(t->at ? t->at->line : 0));
    json_array_append_new(t->kind == TENSOR_PARAM ? parameters : states, row);
  }
  for (size_t i = 0; i < module->functions.count; i++)
    if (is_shown(module->functions.items[i]))
      json_array_append_new(entries, entry_json(k, module->functions.items[i]));
  json_object_set_new(report, "dims", dims);
  json_object_set_new(report, "parameters", parameters);
  json_object_set_new(report, "states", states);
  json_object_set_new(report, "entries", entries);
  return report;
}

/* Before the pipeline: a buffer for each value. */
static void sum_naive(Checking *k) {
  const Module *module = k->c.module;
  k->naive = ARENA_ARRAY(k->session->arena, module->functions.count + 1, MemorySum);
  k->flops = ARENA_ARRAY(k->session->arena, module->functions.count + 1, int64_t);
  k->products = ARENA_ARRAY(k->session->arena, module->functions.count + 1, int64_t);
  for (size_t i = 0; i < module->functions.count; i++)
    k->naive[i] = memory_naive(module->functions.items[i]);
}

/* After `gradient`, where a step is whole, and before kernels are chosen. */
static bool count_flops(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Checking *k = user;
  (void)effect;
  if (strcmp(pass->name, "gradient") != 0) return true;
  for (size_t i = 0; i < module->functions.count; i++) {
    k->flops[i] = flops_of_one(module->functions.items[i], false);
    k->products[i] = flops_of_one(module->functions.items[i], true);
  }
  return true;
}

static const char *peak_place(const Checking *k, const MemoryReport *report) {
  if (report->peak < 0 || !report->steps[report->peak].op->at) return "";
  const Op *op = report->steps[report->peak].op;
  return arena_format(k->session->arena, "   peak at line %d", op->at->line);
}

/* After the pipeline: what --weights-type made of the weights. */
static void print_small(Checking *k) {
  const SmallWeights *small = &k->c.module->small;
  if (small->tensors == 0) return;
  text_format(&k->out, " stored      %lld weight%s as %s, %.1f KiB for %.1f\n",
              (long long)small->tensors, small->tensors == 1 ? "" : "s",
              small_type_name(small->element), (double)small->bytes / 1024,
              (double)small->was / 1024);
}

/* After the pipeline: what is planned, against the most that is alive at one time. */
static void print_memory(Checking *k) {
  for (size_t i = 0; i < k->c.module->functions.count; i++) {
    const Function *f = k->c.module->functions.items[i];
    if (!is_shown(f)) continue;
    MemoryReport report = memory_report(k->session->arena, f, k->naive[i]);
    text_format(&k->out, " memory      %s  %.2f MiB planned, %.2f the least possible%s\n", f->name,
                (double)report.plan / 0x1p20, (double)report.bound / 0x1p20,
                peak_place(k, &report));
    if (report.trip)
      text_format(&k->out, " memory      %s  %.2f MiB more for each thread, a few pictures' maps\n",
                  f->name, (double)report.trip / 0x1p20);
  }
}

static void add_costs_json(Checking *k, json_t *report) {
  const SmallWeights *small = &k->c.module->small;
  if (small->tensors)
    json_object_set_new(report, "stored",
                        json_pack("{s:s,s:I,s:I,s:I}", "type", small_type_name(small->element),
                                  "tensors", (json_int_t)small->tensors, "bytes",
                                  (json_int_t)small->bytes, "f32", (json_int_t)small->was));
  json_t *entries = json_object_get(report, "entries");
  for (size_t i = 0, n = 0; i < k->c.module->functions.count; i++) {
    const Function *f = k->c.module->functions.items[i];
    if (!is_shown(f)) continue;
    json_t *entry = json_array_get(entries, n++);
    json_object_set_new(entry, "flop", json_integer(k->flops[i]));
    MemoryReport m = memory_report(k->session->arena, f, k->naive[i]);
    json_t *memory = json_pack("{s:I,s:I,s:I}", "naive", (json_int_t)m.naive.bytes, "bound",
                               (json_int_t)m.bound, "plan", (json_int_t)m.plan);
    if (m.peak >= 0 && m.steps[m.peak].op->at)
      json_object_set_new(memory, "peak",
                          json_pack("{s:i,s:i}", "line", m.steps[m.peak].op->at->line, "column",
                                    m.steps[m.peak].op->at->column));
    json_object_set_new(entry, "memory", memory);
  }
}

int command_check(Session *session) {
  Checking k = {.session = session, .out = text_new(session->arena)};
  int code;
  if (!compile_open(session, &k.c, &code)) return code;
  const Pass *specialise = pass_find("specialise");
  if (!pass_run(specialise, k.c.module, &k.c.passes, session->diagnostics, NULL)) return EXIT_INPUT;
  sum_naive(&k);
  bool json = option_given(session->options, OPTION_json);
  if (json) {
    json_t *report = report_json(&k);
    if (!compile_passes(&k.c, count_flops, &k)) return EXIT_INPUT;
    add_costs_json(&k, report);
    json_dumpf(report, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(report);
    return EXIT_DONE;
  }
  print_tables(&k);
  print_totals(&k);
  if (!compile_passes(&k.c, count_flops, &k)) return EXIT_INPUT;
  print_small(&k);
  print_arithmetic(&k);
  print_memory(&k);
  return output_text(session, &k.out) ? EXIT_DONE : EXIT_INPUT;
}
