#include "passes/plan_scan.h"

#include "passes/plan.h"
#include "passes/plan_writes.h"
#include "passes/scan_bodies.h"

/* Op.mark: 1 of what the value needs. */
static void mark_needed(Op *op) {
  if (!op || op->mark) return;
  op->mark = 1;
  for (int i = 0; i < op->operand_count; i++) mark_needed(op->operands[i]->op);
}

static void put_first(Block *block) {
  Op *after = NULL;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    if (!op->mark) continue;
    Op *where = after ? after->next : block->first;
    if (where != op) {
      op_remove(op);
      op_insert_before(where, op);
    }
    after = op;
  }
}

static bool is_made(Value *value) {
  const Value *storage = value_storage(value);
  return storage->op && op_makes_kernel(storage->op);
}

/* Whether the carry's old value has been read, or is read element by element, when the operation
 * that makes the next one writes. Op.mark is the operation's place in the block. */
static bool is_last_reader(const Function *body, const Value *carry, const Value *made) {
  for (const Op *op = body->body->first; op; op = op->next) {
    if (!op_makes_kernel(op) || op->mark < made->op->mark) continue;
    for (int i = 0; i < op->operand_count; i++) {
      if (value_storage(op->operands[i]) != carry) continue;
      if (op != made->op || !plan_reads_in_place(op, i, made->index)) return false;
    }
  }
  return true;
}

static const Value *carry_argument(const Block *block, int carry) {
  for (int i = 0;; i++)
    if (block->binds[i] == BIND_CARRY && carry-- == 0) return block->arguments[i];
}

static bool can_be_in_place(const Function *body, int carry) {
  const Block *block = body->body;
  const Value *made = value_storage(block->yields[carry]);
  if (!plan_is_whole(block->yields[carry])) return false;
  for (int i = 0; i < body->carries; i++)
    if (i != carry && value_storage(block->yields[i]) == made) return false;
  return is_last_reader(body, carry_argument(block, carry), made);
}

void plan_body_results(Arena *scratch, Function *body) {
  Block *block = body->body;
  int results = body->carries + body->emits, steps = 0;
  for (Op *op = block->first; op; op = op->next) op->mark = 0;
  if (block->yield_count > results) mark_needed(block->yields[results]->op);
  put_first(block);
  bool *early = ARENA_ARRAY(scratch, (size_t)results + 1, bool); /* made before that is known */
  for (int i = 0; i < results; i++) {
    const Op *op = value_storage(block->yields[i])->op;
    early[i] = op && op->mark;
  }
  for (int i = 0; i < body->carries; i++) {
    bool stays = block->yields[i] == carry_argument(block, i);
    if (!stays && !is_made(block->yields[i])) block->yields[i] = plan_copy(body, block->yields[i]);
  }
  for (int i = body->carries; i < results; i++) {
    Value *storage = value_storage(block->yields[i]);
    bool here = !early[i] && plan_is_whole(block->yields[i]) && storage->place.kind == PLACE_NONE;
    if (!here) storage = block->yields[i] = plan_copy(body, block->yields[i]);
    storage->place = (MemoryPlace){PLACE_CALLER, i, NULL};
  }
  for (Op *op = block->first; op; op = op->next) op->mark = steps++;
  for (int i = 0; i < body->carries; i++)
    if (!early[i] && is_made(block->yields[i]) &&
        value_storage(block->yields[i])->place.kind == PLACE_NONE && can_be_in_place(body, i))
      value_storage(block->yields[i])->place = (MemoryPlace){PLACE_CALLER, i, NULL};
}

/* What a trip must not make before it is known to take place comes after what decides that. */
static int number_steps(Function *body) {
  Block *block = body->body;
  int results = body->carries + body->emits, steps = 0, decided = -1;
  for (Op *op = block->first; op; op = op->next) op->mark = 0;
  if (block->yield_count > results) mark_needed(block->yields[results]->op);
  for (Op *op = block->first; op; op = op->next) {
    if (op->mark) decided = steps;
    op->mark = steps++;
  }
  return decided;
}

const Value *plan_body_wrong(Function *body) {
  Block *block = body->body;
  int decided = number_steps(body);
  for (int i = 0; i < body->carries + body->emits; i++) {
    Value *value = block->yields[i], *storage = value_storage(value);
    bool carries = i < body->carries;
    if (carries && value == carry_argument(block, i)) continue;
    if (!is_made(value)) return value;
    const MemoryPlace *place = &storage->place;
    if (carries && place->kind == PLACE_ARENA) continue;
    if (carries && place->kind == PLACE_CALLER && place->offset >= body->carries) continue;
    bool here = place->kind == PLACE_CALLER && place->offset == i && plan_is_whole(value) &&
                storage->op->mark > decided;
    if (!here || (carries && !can_be_in_place(body, i))) return value;
  }
  return NULL;
}

void plan_body_move(const Function *body, int64_t offset) {
  for (Op *op = body->body->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++)
      if (op->results[i]->place.kind == PLACE_ARENA) op->results[i]->place.offset += offset;
    const Function *inner = scan_body(body->module, op);
    if (inner) plan_body_move(inner, offset);
  }
}
