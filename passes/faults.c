#include "passes/faults.h"

#include "passes/scan_bodies.h"
#include "support/vec.h"

/* An index that was checked against a size. */
typedef struct {
  const Value *index;
  const Dim *size;
} Checked;

typedef struct {
  Arena *arena;
  const Module *module;
  DimTable *dims;
  bool *moves;         /* of each value: may differ between calls with equal inputs */
  const Value **outer; /* of each argument of a region: what it is bound to */
  VEC(Checked) checked;
} Faults;

/* The value whose elements these are. */
static const Value *source(const Faults *f, const Value *value) {
  for (;;) {
    const Op *op = value->op;
    if (!op && f->outer[value->mark])
      value = f->outer[value->mark];
    else if (op && (op->kind == OP_reshape || op->kind == OP_transpose || op->kind == OP_broadcast))
      value = op->operands[0];
    else
      return value;
  }
}

/* Whether the index must be checked here. */
static bool check(Faults *f, const Value *index, const Dim *size) {
  if (f->moves[index->mark]) return false;
  index = source(f, index);
  for (size_t i = 0; i < f->checked.count; i++)
    if (f->checked.items[i].index == index && f->checked.items[i].size == size) return false;
  vec_push(f->arena, &f->checked, ((Checked){index, size}));
  return true;
}

static bool visit(Faults *f, const Op *op);

static bool visit_region(Faults *f, const Op *op) {
  const Block *region = op->region;
  bool checks = false, all = false;
  for (int i = 0; i < op->operand_count; i++) all = all || f->moves[op->operands[i]->mark];
  for (int i = 0; i < region->argument_count; i++) {
    const Value *argument = region->arguments[i], *given = op->operands[i];
    f->moves[argument->mark] = op->kind == OP_fused ? f->moves[given->mark] : all;
    f->outer[argument->mark] = op->kind == OP_fused ? given : NULL;
  }
  for (const Op *inner = region->first; inner; inner = inner->next) checks |= visit(f, inner);
  return checks;
}

static bool can_fault(const Faults *f, const Op *op) {
  const Function *body = scan_body(f->module, op);
  const Block *block = body ? body->body : op->region;
  if (!block)
    return op->kind == OP_gather || op->kind == OP_scatter_add ||
           (op->kind == OP_update && op->operand_count > 2);
  for (const Op *inner = block->first; inner; inner = inner->next)
    if (can_fault(f, inner)) return true;
  return false;
}

/* Whether the operation checks an index for the first time. */
static bool visit(Faults *f, const Op *op) {
  bool moves = op->kind == OP_read || op->kind == OP_random, checks = false;
  for (int i = 0; i < op->operand_count; i++) moves = moves || f->moves[op->operands[i]->mark];
  if (op->region) {
    checks = visit_region(f, op);
    for (const Op *inner = op->region->first; inner; inner = inner->next)
      moves = moves || inner->kind == OP_random;
  }
  if (op->kind == OP_scan) checks = !moves && can_fault(f, op);
  for (int i = 0; i < op->result_count; i++) f->moves[op->results[i]->mark] = moves;
  const Type *type = op->operand_count > 0 ? &op->operands[0]->type : NULL;
  if (op->kind == OP_gather || op->kind == OP_scatter_add)
    checks = check(f, op->operands[1], type->dims[op_integer(op, ATTRIBUTE_axis)]);
  for (int i = 2; op->kind == OP_update && i < op->operand_count; i++) {
    const Dim *room = dim_sub(f->dims, type->dims[i - 2], op->operands[1]->type.dims[i - 2]);
    checks |= check(f, op->operands[i], room);
  }
  return checks;
}

const bool *faults_of(Arena *arena, Function *function) {
  Faults f = {.arena = arena, .module = function->module, .dims = function->module->dims};
  size_t values = (size_t)graph_number_values(function) + 1, count = 0, at = 0;
  f.moves = ARENA_ARRAY(arena, values, bool);
  f.outer = ARENA_ARRAY(arena, values, const Value *);
  for (const Op *op = function->body->first; op; op = op->next) count++;
  bool *checks = ARENA_ARRAY(arena, count + 1, bool), any = false;
  for (const Op *op = function->body->first; op; op = op->next, at++) {
    checks[at] = visit(&f, op);
    any = any || checks[at];
  }
  return any ? checks : NULL;
}
