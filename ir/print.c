/* The graph IR as text; parse.c reads it. */
#include "ir/print.h"

#include <string.h>

enum { WIDTH = 100, LOCATION_COLUMN = 62 };

/* ---- places in memory and in sources ---- */

static void print_place(Text *text, const MemoryPlace *place) {
  static const char *const names[] = {"", "arena", "param", "state", "caller", ""};
  if (place->kind == PLACE_NONE) return;
  text_string(text, " in ");
  if (place->kind == PLACE_VIEW)
    value_print(text, place->of);
  else
    text_string(text, names[place->kind]);
  bool has_offset = place->kind != PLACE_CALLER && place->kind != PLACE_VIEW;
  if (has_offset || place->offset) text_format(text, "+%lld", (long long)place->offset);
}

/* Padded to a column where that fits, else one blank on, else on a line of its own. */
static void print_location(Printer *p, const Location *at) {
  if (!p->locations || !at) return;
  Text location = text_new(p->module->arena);
  for (const Location *l = at; l; l = l->via) {
    text_string(&location, l == at ? "at " : " via ");
    if (l->file > 0 && (size_t)l->file < p->module->file_words.count)
      text_format(&location, "%s:", p->module->file_words.items[l->file]);
    text_format(&location, "%d:%d", l->line, l->column);
  }
  size_t column = text_column(p->text);
  if (column >= LOCATION_COLUMN && column + 1 + location.length > WIDTH) text_char(p->text, '\n');
  text_pad(p->text, LOCATION_COLUMN, 1);
  text_string(p->text, text_get(&location));
}

/* ---- operations ---- */

static void indent(Text *text, int level) {
  for (int i = 0; i < level; i++) text_string(text, "  ");
}

static void print_block(Printer *p, const Block *block, int level);

static void print_region(Printer *p, const Op *op, int level) {
  static const char *const words[] = {"", "carry ", "each "};
  Text *text = p->text;
  const Block *region = op->region;
  text_string(text, " (");
  for (int i = 0; i < region->argument_count; i++) {
    text_format(text, "%s%s", i ? ", " : "", words[region->binds[i]]);
    value_print(text, region->arguments[i]);
    text_string(text, " = ");
    value_print(text, op->operands[i]);
  }
  text_string(text, level < 0 ? ") { ... }" : ") ");
  if (level >= 0) print_block(p, region, level);
}

static void print_op(Printer *p, const Op *op, int level) { /* level -1: in one line */
  Text *text = p->text;
  indent(text, level);
  print_values(text, op->results, op->result_count);
  if (op->result_count) text_string(text, " = ");
  text_string(text, operator_infos[op->kind].name);
  if (op->symbol) {
    text_char(text, ' ');
    print_global(text, op->symbol);
  }
  if (!op->region && op->operand_count) {
    text_char(text, ' ');
    print_values(text, op->operands, op->operand_count);
  }
  print_attributes(p, op);
  if (op->region) print_region(p, op, level);
  for (int i = 0; i < op->result_count; i++) {
    text_string(text, i ? ", " : " : ");
    type_print(text, &op->results[i]->type);
    print_place(text, &op->results[i]->place);
  }
  if (op->again) text_string(text, " again");
  print_location(p, op->at);
}

void op_print(Text *text, const Op *op, PrintOptions options) {
  Printer printer = {text, op->block->function->module, options.locations, false};
  print_op(&printer, op, -1);
}

static void print_checks(Printer *p, const Function *function, int level) {
  static const char *const signs[] = {"==", "<=", "<"};
  for (size_t i = 0; i < function->checks.count; i++) {
    const Check *check = &function->checks.items[i];
    indent(p->text, level);
    text_string(p->text, "check ");
    dim_print(p->text, check->left);
    text_format(p->text, " %s ", signs[check->kind]);
    dim_print(p->text, check->right);
    print_location(p, check->at);
    text_char(p->text, '\n');
  }
}

static void print_block(Printer *p, const Block *block, int level) {
  Text *text = p->text;
  text_string(text, "{\n");
  if (!block->op) print_checks(p, block->function, level + 1);
  for (const Op *op = block->first; op; op = op->next) {
    if (p->why && op->why) {
      indent(text, level + 1);
      text_format(text, "# %s\n", op->why);
    }
    print_op(p, op, level + 1);
    text_char(text, '\n');
  }
  indent(text, level + 1);
  text_string(text, block->op ? "yield" : "return");
  if (block->yield_count) text_char(text, ' ');
  print_values(text, block->yields, block->yield_count);
  if (block->emit_count) text_string(text, " emit ");
  print_values(text, block->emits, block->emit_count);
  if (block->while_) {
    text_string(text, " while ");
    value_print(text, block->while_);
  }
  text_char(text, '\n');
  indent(text, level);
  text_char(text, '}');
}

/* ---- functions and modules ---- */

static void print_arguments(Text *text, const Function *function) {
  const char *before = "";
  text_char(text, '(');
  for (size_t i = 0; i < function->dims.count; i++) {
    const Symbol *symbol = function->dims.items[i];
    text_format(text, "%s%s: dim in %lld..%lld", before, symbol->name, (long long)symbol->min,
                (long long)symbol->max + 1);
    before = ", ";
  }
  for (int i = 0; i < function->body->argument_count; i++) {
    const Value *value = function->body->arguments[i];
    text_string(text, before);
    value_print(text, value);
    text_string(text, ": ");
    type_print(text, &value->type);
    print_place(text, &value->place);
    before = ", ";
  }
  text_char(text, ')');
}

static void print_results(Text *text, const Function *function) {
  size_t count = function->results.count;
  if (!count) return;
  text_string(text, count > 1 ? " -> (" : " -> ");
  for (size_t i = 0; i < count; i++) {
    const Result *result = &function->results.items[i];
    if (i) text_string(text, ", ");
    if (result->is_named) {
      print_word(text, result->name);
      text_string(text, ": ");
    }
    type_print(text, &result->type);
    if (function->is_planned) text_string(text, " in caller");
  }
  if (count > 1) text_char(text, ')');
}

static void print_function(Printer *p, const Function *function) {
  Text *text = p->text;
  text_format(text, "func %s ", function_kind_names[function->kind]);
  print_global(text, function->name);
  print_arguments(text, function);
  print_results(text, function);
  if (function->is_planned)
    text_format(text, "\n     plan {arena=%lld, align=%lld}", (long long)function->arena_bytes,
                (long long)function->arena_align);
  text_char(text, ' ');
  print_block(p, function->body, 0);
  text_char(text, '\n');
}

static void print_tensor(Printer *p, const Tensor *tensor) {
  Text *text = p->text;
  text_string(text, tensor->kind == TENSOR_PARAM ? "param " : "state ");
  print_global(text, tensor->name);
  text_string(text, " : ");
  type_print(text, &tensor->type);
  if (tensor->data) {
    text_string(text, " = ");
    print_data(p, tensor->data, false);
  }
  print_place(text, &tensor->place);
  print_location(p, tensor->at);
  text_char(text, '\n');
}

static void print_head(Printer *p) {
  Text *text = p->text;
  const Module *module = p->module;
  text_string(text, "module ");
  print_word(text, module->name);
  if (module->after) {
    text_string(text, " after ");
    print_word(text, module->after);
  }
  text_char(text, '\n');
  for (size_t i = 0; i < module->files.count; i++) {
    const char *usual = arena_format(module->arena, "%s.dl", module->name);
    if (i == 0 && strcmp(module->files.items[0], usual) == 0) continue;
    text_string(text, "file ");
    print_word(text, i ? module->file_words.items[i] : module->name);
    text_string(text, " = ");
    print_string(text, module->files.items[i]);
    text_char(text, '\n');
  }
  for (int i = 0; i < dim_symbol_count(module->dims); i++) {
    const Symbol *symbol = dim_symbol_at(module->dims, i);
    if (symbol->is_index) continue;
    text_format(text, "dim %s %s %lld\n", symbol->name,
                symbol->min == symbol->max ? "=" : "<=", (long long)symbol->max);
  }
}

static void print_schedule(Text *text, const Module *module) {
  if (!module->schedule.count) return;
  text_string(text, "schedule ");
  for (size_t i = 0; i < module->schedule.count; i++) {
    const ScheduledStep *step = &module->schedule.items[i];
    if (i) text_string(text, ", ");
    print_global(text, step->entry);
    if (step->times != 1) text_format(text, " * %lld", (long long)step->times);
  }
  text_char(text, '\n');
}

static void print_run_values(Text *text, const NameVec *names) {
  text_string(text, " (");
  for (size_t i = 0; i < names->count; i++) {
    if (i) text_string(text, ", ");
    print_word(text, names->items[i]);
  }
  text_char(text, ')');
}

static void print_run(Text *text, const PageRun *run) {
  text_string(text, "run ");
  print_global(text, run->name);
  if (run->start >= 0) text_format(text, " start %lld", (long long)run->start);
  if (run->end >= 0) text_format(text, " end %lld", (long long)run->end);
  text_string(text, " {\n");
  for (size_t i = 0; i < run->lines.count; i++) {
    text_string(text, "  ");
    print_global(text, run->lines.items[i].entry);
    print_run_values(text, &run->lines.items[i].inputs);
    print_run_values(text, &run->lines.items[i].outputs);
    text_char(text, '\n');
  }
  text_string(text, "}\n");
}

void module_print(Text *text, const Module *module, PrintOptions options) {
  Printer printer = {text, module, options.locations, options.why};
  print_head(&printer);
  for (size_t i = 0; i < module->tensors.count; i++)
    print_tensor(&printer, module->tensors.items[i]);
  print_schedule(text, module);
  for (size_t i = 0; i < module->runs.count; i++) print_run(text, &module->runs.items[i]);
  for (size_t i = 0; i < module->functions.count; i++) {
    const Function *function = module->functions.items[i];
    if (!options.entry || strcmp(options.entry, function->name) == 0)
      print_function(&printer, function);
  }
}
