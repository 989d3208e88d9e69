#include "passes/plan_writes.h"

#include "ir/block_sum.h"
#include "passes/faults.h"
#include "passes/fuse_region.h"
#include "passes/plan.h"
#include "support/bug.h"

Value *plan_copy(Function *function, Value *value) {
  Module *module = function->module;
  Op *op = fused_new(function, &value, 1, &value->type, 1);
  int kernels = 0;
  for (const Op *other = function->body->first; other; other = other->next)
    kernels += op_makes_kernel(other);
  op->symbol = intern(module->names, arena_format(module->arena, "k%d_copy", kernels));
  op->region->yields = ARENA_ARRAY(module->arena, 1, Value *);
  op->region->yields[0] = block_add_argument(op->region, NULL, value->type, BIND_PLAIN);
  op->region->yield_count = 1;
  if (value->op) op->at = value->op->at, op->layer = value->op->layer;
  op_append(function->body, op);
  return op_result(op);
}

/* Sums of blocks of rows read each element where others do. */
static bool sums_blocks(const Op *op) {
  return block_sum_source(op) ||
         (op->kind == OP_reshape && op->next && block_sum_source(op->next) &&
          op->next->operands[0] == op_result(op));
}

static int results_but_sums(const Op *fused) {
  int count = fused->result_count;
  for (int i = 0; i < fused->region->yield_count; i++) {
    const Op *op = fused->region->yields[i]->op;
    count -= op && block_sum_source(op);
  }
  return count;
}

/* Elementwise operations of the whole shape read where they write; reductions over rows, and
 * softmax, read a row before its result is written. What does not depend on the operand may move
 * other ones' elements, but for a product's. A kernel of several results reads an element of all
 * its operands before it writes any. */
bool plan_reads_in_place(const Op *op, int operand, int result) {
  const Type *type = &op->results[result]->type;
  if (!type_equal(&op->operands[operand]->type, type)) return false;
  if (operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_softmax) return true;
  if (op->kind == OP_update) return operand == 0; /* keeps what it does not replace */
  if (op->kind == OP_scatter_add) {               /* but a wrong index must not change a tensor */
    const Op *from = value_storage(op->operands[0])->op;
    return operand == 0 && (!from || from->kind != OP_read);
  }
  if (op->kind != OP_fused) return false;
  const Value *argument = op->region->arguments[operand];
  int results = results_but_sums(op);
  for (Op *inner = op->region->first; inner; inner = inner->next) {
    bool reads = false, depends = false;
    inner->mark = false;
    if (sums_blocks(inner)) continue;
    for (int i = 0; i < inner->operand_count; i++) {
      const Value *x = inner->operands[i];
      reads = reads || x == argument;
      depends = depends || x == argument || (x->op && x->op->mark);
    }
    inner->mark = depends;
    bool moves = inner->kind == OP_reshape || inner->kind == OP_broadcast;
    bool reduces = operator_has(inner->kind, TRAIT_REDUCTION) || inner->kind == OP_softmax;
    if ((reduces && results > 1) || operator_has(inner->kind, TRAIT_PRODUCT)) return false;
    if (operator_has(inner->kind, TRAIT_ELEMENTWISE)) {
      if (reads && inner->results[0]->type.rank != type->rank) return false;
    } else if (moves ? reads : depends && !reduces)
      return false;
  }
  return true;
}

bool plan_is_copy(const Op *op) {
  return op->kind == OP_fused && op->operand_count == 1 && op->result_count == 1 &&
         !op->region->first && op->region->yields[0] == op->region->arguments[0];
}

bool plan_is_whole(const Value *value) {
  for (; value->op && op_is_view(value->op); value = value->op->operands[0])
    if (value->op->kind == OP_slice) return false;
  return value->op && op_makes_kernel(value->op);
}

static Tensor *tensor_of(const Function *function, const Op *op) {
  Tensor *tensor = module_tensor(function->module, op->symbol);
  if (!tensor) bug("there is no tensor @%s", op->symbol);
  return tensor;
}

static void replace_uses(Function *function, const Op *but, const Value *old, Value *by) {
  Block *body = function->body;
  for (Op *op = body->first; op; op = op->next)
    for (int i = 0; op != but && i < op->operand_count; i++)
      if (op->operands[i] == old) op->operands[i] = by;
  for (int i = 0; i < body->yield_count; i++)
    if (body->yields[i] == old) body->yields[i] = by;
}

void plan_reads(Function *function) {
  for (Op *op = function->body->first; op; op = op->next) {
    if (op->kind != OP_read || type_corner_is_dense(&op_result(op)->type)) continue;
    Op *copy = plan_copy(function, op_result(op))->op;
    op_remove(copy);
    op_insert_after(op, copy);
    replace_uses(function, copy, op_result(op), op_result(copy));
  }
}

/* ---- writes ---- */

/* What is known of one written tensor. */
typedef struct {
  Op *write;
  Tensor *tensor;
  int last_step;  /* that reads the old value; -1: none */
  const Op *last; /* that step's operation */
} Target;

typedef struct {
  Function *function;
  VEC(Target) targets;
  int checked; /* the last step that may find an input wrong; -1: none */
} Writes;

/* Takes the writes out of the block; those that give a tensor the value it has are dropped. */
static void collect(Arena *scratch, Writes *w) {
  Block *body = w->function->body;
  for (Op *op = body->first, *next; op; op = next) {
    next = op->next;
    if (op->kind != OP_write) continue;
    op_remove(op);
    const Op *from = op->operands[0]->op;
    if (from && from->kind == OP_read && from->symbol == op->symbol) continue;
    Target target = {op, tensor_of(w->function, op), -1, NULL};
    vec_push(scratch, &w->targets, target);
  }
}

/* Numbers the steps (Op.mark, -1: none), and finds each old value's last reader. Value.mark of a
 * read's result: the target's number + 1. */
static void find_readers(Arena *scratch, Writes *w) {
  const bool *checks = faults_of(scratch, w->function);
  Block *body = w->function->body;
  int steps = 0, number = 0;
  w->checked = -1;
  for (int i = 0; i < body->argument_count; i++) body->arguments[i]->mark = 0;
  for (const Op *op = body->first; op; op = op->next)
    if (op->kind == OP_read) tensor_of(w->function, op)->mark = 0;
  for (size_t i = 0; i < w->targets.count; i++) w->targets.items[i].tensor->mark = (int64_t)i + 1;
  for (Op *op = body->first; op; op = op->next, number++) {
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
    if (op->kind == OP_read) op_result(op)->mark = tensor_of(w->function, op)->mark;
    op->mark = op_makes_kernel(op) ? steps++ : -1;
    if (checks && checks[number]) w->checked = steps - 1;
    if (op->mark < 0) continue;
    for (int i = 0; i < op->operand_count; i++) {
      int64_t target = value_storage(op->operands[i])->mark;
      if (target == 0) continue;
      w->targets.items[target - 1].last_step = (int)op->mark;
      w->targets.items[target - 1].last = op;
    }
  }
}

/* An update in place stores nothing if it finds its own start wrong. */
static bool can_be_made_in_place(const Writes *w, const Target *target, int number) {
  const Value *value = target->write->operands[0];
  if (!plan_is_whole(value)) return false;
  const Value *made = value_storage((Value *)value);
  if (made->op->mark < w->checked) return false;
  if (made->op->mark == w->checked && made->op->kind != OP_update) return false;
  if (target->last_step != made->op->mark) return target->last_step < made->op->mark;
  for (int i = 0; i < made->op->operand_count; i++)
    if (value_storage(made->op->operands[i])->mark == number + 1 &&
        !plan_reads_in_place(made->op, i, made->index))
      return false;
  return true;
}

void plan_writes(Arena *scratch, Function *function) {
  Writes w = {.function = function};
  collect(scratch, &w);
  if (w.targets.count == 0) return;
  for (size_t i = 0; i < w.targets.count; i++) { /* an input, a constant, another tensor */
    Op *write = w.targets.items[i].write;
    const Op *from = value_storage(write->operands[0])->op;
    if (!from || !op_makes_kernel(from))
      write->operands[0] = plan_copy(function, write->operands[0]);
  }
  find_readers(scratch, &w);
  for (size_t i = 0; i < w.targets.count; i++) {
    Target *target = &w.targets.items[i];
    Value *value = value_storage(target->write->operands[0]);
    if (value->place.kind != PLACE_NONE || !type_corner_is_dense(&value->type) ||
        !can_be_made_in_place(&w, target, (int)i))
      value = target->write->operands[0] = plan_copy(function, target->write->operands[0]);
    value->place.kind = target->tensor->kind == TENSOR_STATE ? PLACE_STATE : PLACE_PARAM;
    value->place.offset = 0;
  }
  for (size_t i = 0; i < w.targets.count; i++) op_append(function->body, w.targets.items[i].write);
}

/* Each tensor is written once, by a value of its own. Value.mark: of such values 1. */
static const Value *collect_planned(Arena *scratch, Writes *w) {
  Block *body = w->function->body;
  for (Op *op = body->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
    if (op->kind == OP_write) tensor_of(w->function, op)->mark = 0;
  }
  for (Op *op = body->first; op; op = op->next) {
    if (op->kind != OP_write) continue;
    Target target = {op, tensor_of(w->function, op), -1, NULL};
    Value *value = value_storage(op->operands[0]);
    PlaceKind kind = target.tensor->kind == TENSOR_STATE ? PLACE_STATE : PLACE_PARAM;
    bool makes = value->op && op_makes_kernel(value->op) && value->place.kind == kind;
    if (!makes || value->mark || target.tensor->mark) return op->operands[0];
    value->mark = target.tensor->mark = 1;
    vec_push(scratch, &w->targets, target);
  }
  for (const Op *op = body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) {
      PlaceKind kind = op->results[i]->place.kind;
      bool holds = kind == PLACE_PARAM || kind == PLACE_STATE;
      if (holds && op->kind != OP_read && !op->results[i]->mark) return op->results[i];
    }
  return NULL;
}

static bool copies_dense(const Value *value) {
  const Op *op = value_storage((Value *)value)->op;
  if (!plan_is_copy(op)) return false;
  const Value *from = value_storage(op->operands[0]);
  return !from->op || from->op->kind != OP_read || type_corner_is_dense(&from->type);
}

const Value *plan_writes_wrong(Arena *scratch, Function *function) {
  Writes w = {.function = function};
  const Value *wrong = collect_planned(scratch, &w);
  if (wrong || w.targets.count == 0) return wrong;
  find_readers(scratch, &w);
  for (size_t i = 0; i < w.targets.count; i++) {
    const Target *target = &w.targets.items[i];
    const Value *value = target->write->operands[0];
    bool dense = type_corner_is_dense(&value->type);
    if ((!dense && !copies_dense(value)) || !can_be_made_in_place(&w, target, (int)i)) return value;
  }
  return NULL;
}
