#include "passes/scan_bodies.h"

#include <string.h>

typedef struct {
  Op *scan;
  Function *outer, *body;
  int yields, emits;
} Opened;

struct ScanBodies {
  Module *module;
  Arena *scratch;
  VEC(Opened) opened; /* inner ones before outer ones */
  Function **functions;
  size_t count, room; /* of functions, before */
};

int scan_carries(const Op *scan) {
  const Block *block = scan->region;
  int carries = 0;
  if (!block) return scan_body(scan->block->function->module, scan)->carries;
  for (int i = 0; i < block->argument_count; i++) carries += block->binds[i] == BIND_CARRY;
  return carries;
}

Value *scan_emit(Op *scan, Block *body, Value *value, const Type *type) {
  Function *function = scan->block->function;
  Arena *arena = function->module->arena;
  for (int i = 0; i < body->emit_count; i++)
    if (body->emits[i] == value) return scan->results[body->yield_count + i];
  Value *result = value_new(function, *type);
  result->op = scan;
  result->index = scan->result_count;
  size_t emits = (size_t)body->emit_count, results = (size_t)scan->result_count;
  body->emits = arena_grow(arena, body->emits, emits, emits + 1, sizeof *body->emits);
  body->emits[body->emit_count++] = value;
  scan->results = arena_grow(arena, scan->results, results, results + 1, sizeof *scan->results);
  scan->results[scan->result_count++] = result;
  return result;
}

Function *scan_body(const Module *module, const Op *op) {
  for (size_t i = 0; op->kind == OP_scan && i < module->functions.count; i++)
    if (module->functions.items[i]->scan == op) return module->functions.items[i];
  return NULL;
}

static void set_function(Block *block, Function *function) {
  block->function = function;
  for (Op *op = block->first; op; op = op->next)
    if (op->region) set_function(op->region, function);
}

static void join_results(const ScanBodies *b, Block *block) {
  int count = block->yield_count + block->emit_count;
  Value **all = ARENA_ARRAY(b->module->arena, (size_t)count + 2, Value *);
  for (int i = 0; i < block->yield_count; i++) all[i] = block->yields[i];
  for (int i = 0; i < block->emit_count; i++) all[block->yield_count + i] = block->emits[i];
  if (block->while_) all[count++] = block->while_;
  block->yields = all;
  block->yield_count = count;
  block->emit_count = 0;
  block->while_ = NULL;
}

static void open_scan(ScanBodies *b, Op *op, Function *outer);

static void open_block(ScanBodies *b, Block *block, Function *function) {
  for (Op *op = block->first; op; op = op->next)
    if (op->kind == OP_scan) open_scan(b, op, function);
}

static void open_scan(ScanBodies *b, Op *op, Function *outer) {
  Block *block = op->region;
  Opened opened = {op, outer, ARENA_NEW(b->module->arena, Function), block->yield_count,
                   block->emit_count};
  *opened.body = (Function){.kind = outer->kind,
                            .name = arena_format(b->module->arena, "%s.scan", outer->name),
                            .body = block,
                            .at = op->at,
                            .next_number = outer->next_number,
                            .module = b->module,
                            .scan = op,
                            .carries = block->yield_count,
                            .emits = block->emit_count};
  join_results(b, block);
  set_function(block, opened.body);
  open_block(b, block, opened.body);
  op->region = NULL;
  block->op = NULL;
  vec_push(b->scratch, &b->opened, opened);
}

ScanBodies *scan_bodies_open(Module *module, Arena *scratch) {
  ScanBodies *b = ARENA_NEW(scratch, ScanBodies);
  *b = (ScanBodies){.module = module, .scratch = scratch};
  b->functions = module->functions.items;
  b->count = module->functions.count;
  b->room = module->functions.room;
  for (size_t i = 0; i < b->count; i++) open_block(b, b->functions[i]->body, b->functions[i]);
  if (b->opened.count == 0) return b;
  memset(&module->functions, 0, sizeof module->functions);
  for (size_t i = 0; i < b->opened.count; i++)
    vec_push(module->arena, &module->functions, b->opened.items[i].body);
  for (size_t i = 0; i < b->count; i++)
    vec_push(module->arena, &module->functions, b->functions[i]);
  return b;
}

static void close_scan(const Opened *opened) {
  Op *op = opened->scan;
  Block *block = opened->body->body;
  int first_emit = opened->yields, all = block->yield_count;
  block->emits = block->yields + first_emit;
  block->emit_count = opened->emits;
  block->while_ = all > first_emit + opened->emits ? block->yields[all - 1] : NULL;
  block->yield_count = first_emit;
  block->op = op;
  op->region = block;
  if (opened->body->next_number > opened->outer->next_number)
    opened->outer->next_number = opened->body->next_number;
}

void scan_bodies_close(ScanBodies *b) {
  if (b->opened.count == 0) return;
  for (size_t i = 0; i < b->opened.count; i++) close_scan(&b->opened.items[i]);
  b->module->functions.items = b->functions;
  b->module->functions.count = b->count;
  b->module->functions.room = b->room;
  for (size_t i = 0; i < b->count; i++) set_function(b->functions[i]->body, b->functions[i]);
}

/* The scan in whose body, opened or not, the argument is bound as it is; NULL. */
static const Op *passing_scan(const Value *value) {
  const Block *block = value->op ? NULL : value->block;
  if (!block || !block->binds || block->binds[value->index] != BIND_PLAIN) return NULL;
  return block->function->scan && block == block->function->body ? block->function->scan
                                                                 : block->op;
}

const Value *scan_outer_value(const Value *value) {
  for (const Op *scan; (scan = passing_scan(value)) && scan->kind == OP_scan;)
    value = scan->operands[value->index];
  return value;
}

double scan_repeats(const Value *value) {
  double trips = 1;
  for (const Op *scan; (scan = passing_scan(value)) && scan->kind == OP_scan;) {
    const Block *block = value->block;
    for (int i = 0; i < scan->operand_count; i++)
      if (block->binds[i] == BIND_EACH) {
        const Type *type = &scan->operands[i]->type;
        trips *= (double)dim_max(type->dims[op_integer(scan, ATTRIBUTE_axis)]);
        break;
      }
    value = scan->operands[value->index];
  }
  return trips;
}
