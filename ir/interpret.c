#include "ir/interpret.h"
#include "ir/machine.h"

#include "support/bug.h"

static Evaluate *const evaluators[OPERATORS] = {
#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning) evaluate_##name,
#include "ir/operators.def"
#undef OPERATOR
};

bool machine_evaluate(Machine *machine, const Op *op, Cell *operands, Cell *results) {
  for (int i = 0; i < op->result_count; i++) {
    results[i] = (Cell){0};
    if (!machine_shape(machine, op, &op->results[i]->type, &results[i].tensor)) return false;
  }
  Evaluation e = {.machine = machine, .op = op, .operands = operands, .results = results};
  e.wide = machine->options->wide;
  e.scratch = arena_new();
  bool done = evaluators[op->kind](&e);
  arena_free(e.scratch);
  machine->live -= e.scratch_bytes;
  if (!done)
    for (int i = 0; i < op->result_count; i++) cell_drop(machine, &results[i]);
  return done;
}

/* ---- blocks ---- */
static bool is_local(const Block *block, const Value *value) {
  return value->op ? value->op->block == block : value->block == block;
}

/* Counts what is still to be used of each of the block's values, so that the last use ends it. */
static void count_uses(Machine *machine, const Block *block) {
  for (const Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++)
      machine->uses[machine_slot(machine, op->results[i])] = 0;
  for (int i = 0; i < block->argument_count; i++)
    machine->uses[machine_slot(machine, block->arguments[i])] = 0;
  for (const Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++)
      machine->uses[machine_slot(machine, op->operands[i])]++;
  for (int i = 0; i < block->yield_count; i++)
    machine->uses[machine_slot(machine, block->yields[i])]++;
  for (int i = 0; i < block->emit_count; i++)
    machine->uses[machine_slot(machine, block->emits[i])]++;
  if (block->while_) machine->uses[machine_slot(machine, block->while_)]++;
}

static void mark_while(Machine *machine, const Block *block) {
  for (const Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++)
      machine->feeds_while[machine_slot(machine, op->results[i])] = false;
  machine->feeds_while[machine_slot(machine, block->while_)] = true;
  for (const Op *op = block->last; op; op = op->previous)
    for (int i = 0; i < op->result_count; i++)
      if (machine->feeds_while[machine_slot(machine, op->results[i])])
        for (int k = 0; k < op->operand_count; k++)
          machine->feeds_while[machine_slot(machine, op->operands[k])] = true;
}

static bool feeds_while(const Machine *machine, const Op *op) {
  for (int i = 0; i < op->result_count; i++)
    if (machine->feeds_while[machine_slot(machine, op->results[i])]) return true;
  return false;
}

static bool run_op(Machine *machine, const Block *block, const Op *op) {
  Arena *arena = arena_new();
  Cell *operands = ARENA_ARRAY(arena, (size_t)op->operand_count, Cell);
  Cell *results = ARENA_ARRAY(arena, (size_t)op->result_count, Cell);
  for (int i = 0; i < op->operand_count; i++)
    operands[i] = machine->cells[machine_slot(machine, op->operands[i])];
  bool done = machine_evaluate(machine, op, operands, results);
  for (int i = 0; done && i < op->result_count; i++) {
    const Value *value = op->results[i];
    if (machine->options->watch)
      machine->options->watch(machine->options->user, value, &results[i].tensor);
    machine_release(machine, value);
    if (machine->uses[machine_slot(machine, value)] == 0)
      cell_drop(machine, &results[i]);
    else
      machine->cells[machine_slot(machine, value)] = results[i];
  }
  for (int i = 0; done && i < op->operand_count; i++) {
    const Value *value = op->operands[i];
    if (is_local(block, value) && --machine->uses[machine_slot(machine, value)] == 0)
      machine_release(machine, value);
  }
  arena_free(arena);
  return done;
}

bool machine_run(Machine *machine, const Block *block, RunPart part) {
  if (part != RUN_REST) count_uses(machine, block);
  if (part == RUN_WHILE) mark_while(machine, block);
  for (const Op *op = block->first; op; op = op->next)
    if (part == RUN_ALL || feeds_while(machine, op) == (part == RUN_WHILE))
      if (!run_op(machine, block, op)) return false;
  return true;
}

/* ---- functions ---- */
static int count_block(const Block *block);

/* Values that an operation and its region know; some may be counted twice. */
static int count_values(const Op *op) {
  return op->operand_count + op->result_count + (op->region ? count_block(op->region) : 0);
}

static int count_block(const Block *block) {
  int count = block->argument_count + block->yield_count + block->emit_count + 1;
  for (const Op *op = block->first; op; op = op->next) count += count_values(op);
  return count;
}

/* Dims that were not given have their minimum; so have, whatever was given, the fixed ones. */
static void fill_dims(Machine *machine) {
  const DimTable *table = machine->module->dims;
  int count = dim_symbol_count(table);
  int64_t *dims = ARENA_ARRAY(machine->tables, (size_t)count, int64_t);
  for (int i = 0; i < count; i++) {
    const Symbol *symbol = dim_symbol_at(table, i);
    bool given = machine->options->dims && symbol->min < symbol->max;
    dims[i] = given ? machine->options->dims[i] : symbol->min;
  }
  machine->dims = dims;
}

static bool is_argument(const Function *function, const Symbol *symbol) {
  for (size_t i = 0; i < function->dims.count; i++)
    if (function->dims.items[i] == symbol) return true;
  for (int i = 0; i < function->body->argument_count; i++) {
    const Type *type = &function->body->arguments[i]->type;
    for (int axis = 0; axis < type->rank; axis++)
      if (dim_uses(type->dims[axis], symbol)) return true;
  }
  return false;
}

static bool check_dims(Machine *machine, const Function *function) {
  static const char *const signs[] = {
      [CHECK_EQUAL] = "==", [CHECK_LESS_OR_EQUAL] = "<=", [CHECK_LESS] = "<"};
  for (int i = 0; i < dim_symbol_count(machine->module->dims); i++) {
    const Symbol *symbol = dim_symbol_at(machine->module->dims, i);
    int64_t value = machine->dims[i];
    if ((value < symbol->min || value > symbol->max) && is_argument(function, symbol))
      return machine_fail(machine, NULL, "%s is %lld, not in %lld..%lld", symbol->name,
                          (long long)value, (long long)symbol->min, (long long)symbol->max + 1);
  }
  for (size_t i = 0; i < function->checks.count; i++) {
    const Check *check = &function->checks.items[i];
    int64_t left, right;
    if (!dim_evaluate(check->left, machine->dims, &left) ||
        !dim_evaluate(check->right, machine->dims, &right))
      return machine_fail(machine, NULL, "a dim leaves 64 bits");
    bool holds = check->kind == CHECK_EQUAL           ? left == right
                 : check->kind == CHECK_LESS_OR_EQUAL ? left <= right
                                                      : left < right;
    if (holds) continue;
    Text text = text_new(machine->options->arena);
    dim_print(&text, check->left);
    text_format(&text, " %s ", signs[check->kind]);
    dim_print(&text, check->right);
    return machine_fail(machine, NULL, "%s does not hold: %lld and %lld", text_get(&text),
                        (long long)left, (long long)right);
  }
  return true;
}

static bool bind_input(Machine *machine, const Value *argument, const RunTensor *input) {
  Cell cell = {0};
  if (!machine_shape(machine, NULL, &argument->type, &cell.tensor)) return false;
  const char *name = argument->name ? argument->name : "";
  if (input->rank != cell.tensor.rank || input->element != cell.tensor.element)
    return machine_fail(machine, NULL, "input %s has another type", name);
  for (int i = 0; i < input->rank; i++)
    if (input->shape[i] != cell.tensor.shape[i])
      return machine_fail(machine, NULL, "axis %d of input %s has size %lld, not %lld", i, name,
                          (long long)input->shape[i], (long long)cell.tensor.shape[i]);
  cell.tensor.bytes = input->bytes;
  machine_bind(machine, argument, &cell);
  return true;
}

static bool run_function(Machine *machine, const Function *function, const RunTensor *inputs,
                         RunTensor *outputs) {
  const Block *body = function->body;
  if (!check_dims(machine, function)) return false;
  for (int i = 0; i < body->argument_count; i++)
    if (!bind_input(machine, body->arguments[i], &inputs[i])) return false;
  if (!machine_run(machine, body, RUN_ALL)) return false;
  for (int i = 0; i < body->yield_count; i++)
    outputs[i] = machine_result(machine, &machine_value(machine, body->yields[i])->tensor);
  for (size_t i = 0; i < machine->written.count && machine->options->written; i++) {
    const Written *written = &machine->written.items[i];
    machine->options->written(machine->options->user, written->tensor, &written->cell.tensor);
  }
  return true;
}

bool interpret(const Function *function, const InterpretOptions *options, const RunTensor *inputs,
               RunTensor *outputs, const char **message) {
  Machine machine;
  machine_open(&machine, options, function->module, count_block(function->body), message);
  fill_dims(&machine);
  bool done = run_function(&machine, function, inputs, outputs);
  machine_close(&machine);
  return done;
}

bool interpret_op(const Op *op, const InterpretOptions *options, const RunTensor *operands,
                  RunTensor *results, const char **message) {
  const Module *module = op->block ? op->block->function->module : NULL;
  Machine machine;
  machine_open(&machine, options, module, count_values(op), message);
  if (module) fill_dims(&machine);
  Cell *given = ARENA_ARRAY(machine.tables, (size_t)op->operand_count, Cell);
  Cell *made = ARENA_ARRAY(machine.tables, (size_t)op->result_count, Cell);
  for (int i = 0; i < op->operand_count; i++) given[i].tensor = operands[i];
  bool done = machine_evaluate(&machine, op, given, made);
  for (int i = 0; done && i < op->result_count; i++) {
    results[i] = machine_result(&machine, &made[i].tensor);
    cell_drop(&machine, &made[i]);
  }
  machine_close(&machine);
  return done;
}
