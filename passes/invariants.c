/* invariants - makes what is the same in each trip in front of the loop.
 *
 *   before  scan (carry %h = %h0, %w = %w) { %1 = transpose %w   %2 = dot_panel %h, %1 .. }
 *   after   %1 = transpose %w    scan (carry %h = %h0, %1 = %1) { %2 = dot_panel %h, %1 .. }
 *
 * `hoist` has done so with arithmetic; this is what `select` made in the body since: weights
 * brought into panels, pads, layouts. What is larger than all it is made of stays, and weights that
 * were made small on purpose. Works on opened
 * bodies, inner ones first, so that an operation leaves all the loops that it can. Linear. */
#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/cse.h"
#include "passes/dce.h"
#include "passes/plan.h"
#include "passes/rewrite.h"

typedef struct {
  Module *module;
  Function *body, *around;
  Op *scan;
  bool *same, *moves; /* by Op.mark */
  Value **outer;      /* by Value.mark; NULL: not the same in each trip, or not outside yet */
  int count;
} Invariants;

static bool is_same(const Invariants *v, const Value *value) {
  return value->op ? v->same[value->op->mark] : v->outer[value->mark] != NULL;
}

static bool is_larger(const Op *op) {
  double all = 0;
  for (int i = 0; i < op->operand_count; i++) {
    double size = type_elements(&op->operands[i]->type);
    all += size;
  }
  return type_elements(&op_result(op)->type) > 2 * all;
}

static void find_same(Invariants *v, Arena *scratch) {
  Block *block = v->body->body;
  int ops = 0, values = 0;
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = values++;
  for (Op *op = block->first; op; op = op->next) {
    op->mark = ops++;
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = values++;
  }
  v->same = ARENA_ARRAY(scratch, (size_t)ops + 1, bool);
  v->moves = ARENA_ARRAY(scratch, (size_t)ops + 1, bool);
  v->outer = ARENA_ARRAY(scratch, (size_t)values + 1, Value *);
  for (int i = 0; i < block->argument_count; i++)
    if (block->binds[i] == BIND_PLAIN) v->outer[block->arguments[i]->mark] = v->scan->operands[i];
  for (const Op *op = block->first; op; op = op->next) {
    bool same = op->kind != OP_scan && op->result_count == 1 && !op->region && !op_can_fault(op) &&
                !operator_has(op->kind, TRAIT_ORDERED | TRAIT_SYMBOL);
    for (int i = 0; i < op->operand_count; i++) same = same && is_same(v, op->operands[i]);
    v->same[op->mark] = same;
  }
}

/* From the last to the first: an operation moves if one that moves needs it, or if it is worth it
 * by itself: makes a kernel, of a result that is no larger than what it reads. */
static void choose(Invariants *v) {
  for (const Op *op = v->body->body->last; op; op = op->previous) {
    if (!v->same[op->mark]) continue;
    if (op->operand_count > 0 && op_makes_kernel(op) && op->kind != OP_broadcast &&
        !is_larger(op) && !op_widens(op))
      v->moves[op->mark] = true;
    for (int i = 0; v->moves[op->mark] && i < op->operand_count; i++)
      if (op->operands[i]->op) v->moves[op->operands[i]->op->mark] = true;
  }
}

/* A copy in front of the loop; the operation itself goes when nothing uses it any more. */
static void copy_out(Invariants *v, const Op *op) {
  Value *operands[3], **all = operands;
  if (op->operand_count > 3)
    all = ARENA_ARRAY(v->module->arena, (size_t)op->operand_count, Value *);
  for (int i = 0; i < op->operand_count; i++) all[i] = v->outer[op->operands[i]->mark];
  Op *copy =
      op_new(v->around, op->kind, all, op->operand_count, op->attributes, &op_result(op)->type, 1);
  copy->at = op->at;
  copy->layer = op->layer;
  copy->why = op->why;
  copy->again = op->again;
  op_insert_before(v->scan, copy);
  v->outer[op_result(op)->mark] = op_result(copy);
  v->count++;
}

static Value *bind(Invariants *v, Value *operand) {
  Op *scan = v->scan;
  size_t count = (size_t)scan->operand_count;
  scan->operands =
      arena_grow(v->module->arena, scan->operands, count, count + 1, sizeof *scan->operands);
  scan->operands[scan->operand_count++] = operand;
  return block_add_argument(v->body->body, NULL, operand->type, BIND_PLAIN);
}

static void use_outer(Invariants *v, Value **place) {
  Value *value = *place;
  if (value->op && value->op->mark >= 0 && v->moves[value->op->mark] &&
      value->op->operand_count > 0) {
    if (!value->forward) value->forward = bind(v, v->outer[value->mark]);
    *place = value->forward;
  }
}

static int move_out(PassContext *context, Function *body) {
  Invariants v = {.module = context->module, .body = body, .scan = body->scan};
  v.around = body->scan->block->function;
  find_same(&v, context->scratch);
  choose(&v);
  for (const Op *op = body->body->first; op; op = op->next)
    if (v.moves[op->mark]) copy_out(&v, op);
  if (v.count == 0) return 0;
  for (Op *op = body->body->first; op; op = op->next)
    for (int i = 0; !v.moves[op->mark] && i < op->operand_count; i++)
      use_outer(&v, &op->operands[i]);
  for (int i = 0; i < body->body->yield_count; i++) use_outer(&v, &body->body->yields[i]);
  graph_resolve(body);
  dce_function(body);
  return v.count;
}

bool pass_invariants(PassContext *context) {
  Module *module = context->module;
  int count = 0;
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = module->functions.items[i];
    if (function->scan) count += move_out(context, function);
  }
  if (count == 0) return true;
  for (size_t i = 0; i < module->functions.count; i++)
    cse_function(module->functions.items[i], context->scratch);
  context->effect = arena_format(module->arena, "%d moved", count);
  return true;
}
