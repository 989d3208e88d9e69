/* order - orders operations so that less is alive at a time.
 *
 *   before  %1 = f %x   %2 = f %x   %3 = g %1   %4 = g %2      (two large, then two small ones)
 *   after   %1 = f %x   %3 = g %1   %2 = f %x   %4 = g %2
 *
 * Of all operations that could be next it takes the one after which the least is alive: what it
 * makes less what it is the last to read; the earlier of equals. If the most that is alive at one
 * time does not get smaller so, the order stays. Reads, constants and views, which take no time,
 * come just before their first use. An entry that writes keeps its order. n log n. */
#include "passes/offsets.h"
#include "passes/plan.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

#include <stdlib.h>

typedef struct {
  int64_t delta;
  int op, version;
} Candidate;

typedef struct {
  PassContext *context;
  Function *function;
  Uses uses;
  int *waiting;   /* of each operation: kernels that it waits for */
  int *version;   /* of each operation: its newest candidate */
  int *remaining; /* of each value: kernels that still read it */
  int64_t *bytes; /* of each value: in the arena */
  VEC(Candidate) heap;
} Order;

static bool before(const Candidate *a, const Candidate *b) {
  return a->delta != b->delta ? a->delta < b->delta : a->op < b->op;
}

static void heap_push(Order *o, Candidate candidate) {
  vec_push(o->context->scratch, &o->heap, candidate);
  size_t at = o->heap.count - 1;
  while (at > 0 && before(&candidate, &o->heap.items[(at - 1) / 2])) {
    o->heap.items[at] = o->heap.items[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  o->heap.items[at] = candidate;
}

static Candidate heap_pop(Order *o) {
  Candidate top = o->heap.items[0], last = o->heap.items[--o->heap.count];
  size_t at = 0, count = o->heap.count;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && before(&o->heap.items[child + 1], &o->heap.items[child])) child++;
    if (!before(&o->heap.items[child], &last)) break;
    o->heap.items[at] = o->heap.items[child];
    at = child;
  }
  if (count > 0) o->heap.items[at] = last;
  return top;
}

/* Each kernel operand's storage once, with a visit. */
static bool is_repeated(const Op *op, int operand) {
  for (int i = 0; i < operand; i++)
    if (value_storage(op->operands[i]) == value_storage(op->operands[operand])) return true;
  return false;
}

static void push_op(Order *o, const Op *op) {
  int64_t delta = 0;
  for (int i = 0; i < op->result_count; i++) delta += o->bytes[op->results[i]->mark];
  for (int i = 0; i < op->operand_count; i++) {
    const Value *storage = value_storage(op->operands[i]);
    if (!is_repeated(op, i) && o->remaining[storage->mark] == 1) delta -= o->bytes[storage->mark];
  }
  heap_push(o, (Candidate){delta, (int)op->mark, ++o->version[op->mark]});
}

/* Kernels that read a storage, through views too; `visit` for each use. */
static void each_reader(Order *o, const Value *value, void (*visit)(Order *o, Op *reader)) {
  for (int i = 0; i < use_count(&o->uses, value); i++) {
    Op *user = use_at(&o->uses, value, i);
    if (!user) continue;
    if (op_makes_kernel(user))
      visit(o, user);
    else if (op_is_view(user))
      each_reader(o, op_result(user), visit);
  }
}

static void count_wait(Order *o, Op *reader) {
  o->waiting[reader->mark]++;
}
static void end_wait(Order *o, Op *reader) {
  if (--o->waiting[reader->mark] == 0) push_op(o, reader);
}
static void push_again(Order *o, Op *reader) {
  if (o->waiting[reader->mark] == 0 && o->version[reader->mark] > 0) push_op(o, reader);
}

static void prepare(Order *o) {
  Block *body = o->function->body;
  for (int i = 0; i < body->argument_count; i++) o->bytes[body->arguments[i]->mark] = 0;
  for (Op *op = body->first; op; op = op->next) {
    if (!op_makes_kernel(op)) continue;
    for (int i = 0; i < op->result_count; i++) {
      o->bytes[op->results[i]->mark] = type_bytes_at_bound(&op->results[i]->type);
      each_reader(o, op->results[i], count_wait);
    }
    for (int i = 0; i < op->operand_count; i++)
      if (!is_repeated(op, i)) o->remaining[value_storage(op->operands[i])->mark]++;
  }
  for (int i = 0; i < body->yield_count; i++) { /* lies in the caller's memory */
    Value *storage = value_storage(body->yields[i]);
    o->bytes[storage->mark] = 0;
  }
}

/* The kernels in the new order. */
static int schedule(Order *o, int *sequence) {
  int count = 0;
  for (Op *op = o->function->body->first; op; op = op->next)
    if (op_makes_kernel(op) && o->waiting[op->mark] == 0) push_op(o, op);
  while (o->heap.count > 0) {
    Candidate next = heap_pop(o);
    if (next.version != o->version[next.op]) continue;
    const Op *op = o->uses.ops[next.op];
    o->version[next.op] = -1; /* done */
    sequence[count++] = next.op;
    for (int i = 0; i < op->operand_count; i++) {
      if (is_repeated(op, i)) continue;
      const Value *storage = value_storage(op->operands[i]);
      if (--o->remaining[storage->mark] == 1 && o->bytes[storage->mark] > 0)
        each_reader(o, storage, push_again);
    }
    for (int i = 0; i < op->result_count; i++) each_reader(o, op->results[i], end_wait);
  }
  return count;
}

/* The most bytes alive at one time in an order of the kernels. */
static int64_t peak_of(Order *o, const int *sequence, int count) {
  Arena *scratch = o->context->scratch;
  int *slot = ARENA_ARRAY(scratch, (size_t)o->uses.value_count + 1, int);
  VEC(Interval) intervals = {0};
  for (int step = 0; step < count; step++) {
    const Op *op = o->uses.ops[sequence[step]];
    for (int i = 0; i < op->operand_count; i++) {
      int at = slot[value_storage(op->operands[i])->mark];
      if (at > 0) intervals.items[at - 1].last = step;
    }
    for (int i = 0; i < op->result_count; i++) {
      int64_t bytes = o->bytes[op->results[i]->mark];
      if (bytes == 0) continue;
      Interval interval = {step, step, bytes, 0};
      vec_push(scratch, &intervals, interval);
      slot[op->results[i]->mark] = (int)intervals.count;
    }
  }
  return intervals_bound(scratch, intervals.items, (int)intervals.count, count, NULL);
}

/* Appends an operation after the reads, constants and views that it needs. */
static void append(Block *body, Op *op) {
  for (int i = 0; i < op->operand_count; i++) {
    Op *from = op->operands[i]->op;
    if (from && from->mark >= 0 && !op_makes_kernel(from)) append(body, from);
  }
  op->mark = -1;
  op_append(body, op);
}

static void rebuild(Order *o, const int *sequence, int count) {
  Block *body = o->function->body;
  while (body->first) op_remove(body->first);
  for (int i = 0; i < count; i++) append(body, o->uses.ops[sequence[i]]);
  for (int i = 0; i < o->uses.op_count; i++)
    if (o->uses.ops[i]->mark >= 0) append(body, o->uses.ops[i]);
}

static bool order_function(PassContext *context, Function *function) {
  for (const Op *op = function->body->first; op; op = op->next)
    if (operator_has(op->kind, TRAIT_ORDERED)) return false;
  Order o = {.context = context, .function = function};
  Arena *scratch = context->scratch;
  o.uses = uses_of(scratch, function);
  o.waiting = ARENA_ARRAY(scratch, (size_t)o.uses.op_count + 1, int);
  o.version = ARENA_ARRAY(scratch, (size_t)o.uses.op_count + 1, int);
  o.remaining = ARENA_ARRAY(scratch, (size_t)o.uses.value_count + 1, int);
  o.bytes = ARENA_ARRAY(scratch, (size_t)o.uses.value_count + 1, int64_t);
  prepare(&o);
  int *old = ARENA_ARRAY(scratch, (size_t)o.uses.op_count + 1, int), kernels = 0;
  int *new = ARENA_ARRAY(scratch, (size_t)o.uses.op_count + 1, int);
  for (int i = 0; i < o.uses.op_count; i++)
    if (op_makes_kernel(o.uses.ops[i])) old[kernels++] = i;
  if (schedule(&o, new) != kernels) return false; /* an operation in a circle: verify tells */
  if (peak_of(&o, new, kernels) >= peak_of(&o, old, kernels)) return false;
  rebuild(&o, new, kernels);
  return true;
}

bool pass_order(PassContext *context) {
  int changed = 0;
  for (size_t i = 0; i < context->module->functions.count; i++)
    changed += order_function(context, context->module->functions.items[i]);
  if (changed > 0) context->effect = arena_format(context->module->arena, "%d reordered", changed);
  return true;
}
