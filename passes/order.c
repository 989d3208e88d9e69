/* order - orders operations so that less is alive at a time.
 *
 *   before  %1 = f %x   %2 = f %x   %3 = g %1   %4 = g %2      (two large, then two small ones)
 *   after   %1 = f %x   %3 = g %1   %2 = f %x   %4 = g %2
 *
 * Two orders are tried beside the given one, each as it is and with all that takes more than it
 * frees moved down to what needs it. The first takes, of all operations that could be next,
 * the one after which the least is alive: what it makes less what it is the last to read; the
 * earlier of equals. The second keeps the given order, but for those that free as much as they
 * make: they come as soon as they can. So a parameter's update follows its gradient, which dies
 * there. The order with the least peak is taken; the given one if none is less. Entries that write
 * take the second unless the first is less by a sixteenth: it leaves things near their use.
 *
 * What makes a written value waits for all that reads the old one, so that it can be made in place,
 * and for all that may find an input wrong (faults.h); where that is a circle, it does not.
 *
 * Reads, constants and views, which take no time, come just before their first use; writes at the
 * end. n log n. */
#include "passes/faults.h"
#include "passes/offsets.h"
#include "passes/plan.h"
#include "passes/plan_writes.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  int64_t delta;
  int op, version;
} Candidate;

/* A kernel that should come before another. */
typedef struct {
  int to, next; /* `next`: the following wish of the same kernel; -1: none */
} Wish;

typedef struct {
  PassContext *context;
  Function *function;
  Uses uses;
  const bool *checks; /* of each operation: may find an input wrong; NULL: none */
  int *readers;       /* of each value: kernels that read it */
  int64_t *bytes;     /* of each value: in the arena */
  int *writes;        /* of each operation: tensors that its results become */
  int *wishes;        /* of each operation: its first wish, -1: none */
  VEC(Wish) wish;
  /* While a schedule is made: */
  bool given_first; /* the second order */
  int *waiting;     /* of each operation: kernels that it waits for */
  int *wished;      /* ... and those that it should wait for */
  int *version;     /* of each operation: its newest candidate; -1: done */
  int *remaining;   /* of each value: kernels that still read it */
  int unchecked;    /* kernels to come that may find an input wrong */
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
  if (o->given_first) delta = delta <= 0 ? 0 : 1;
  heap_push(o, (Candidate){delta, (int)op->mark, ++o->version[op->mark]});
}

static bool may_be_next(const Order *o, const Op *op) {
  if (o->waiting[op->mark] > 0 || o->version[op->mark] < 0) return false;
  return o->wished[op->mark] == 0 && (o->writes[op->mark] == 0 || o->unchecked == 0);
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
  if (--o->waiting[reader->mark] == 0 && may_be_next(o, reader)) push_op(o, reader);
}
static void push_again(Order *o, Op *reader) {
  if (may_be_next(o, reader) && o->version[reader->mark] > 0) push_op(o, reader);
}

/* The kernel that makes the new value of a tensor should come after those that read the old one. */
static void wish_order(Order *o, const Op *write) {
  const Value *value = value_storage(write->operands[0]);
  if (!value->op || !op_makes_kernel(value->op)) return;
  const Op *maker = value->op;
  o->writes[maker->mark]++;
  o->bytes[value->mark] = 0;
  for (int i = 0; i < o->uses.op_count; i++) {
    const Op *read = o->uses.ops[i];
    if (read->kind != OP_read || read->symbol != write->symbol) continue;
    VEC(const Value *) views = {0};
    vec_push(o->context->scratch, &views, op_result(read));
    for (size_t v = 0; v < views.count; v++)
      for (int u = 0; u < use_count(&o->uses, views.items[v]); u++) {
        const Op *user = use_at(&o->uses, views.items[v], u);
        if (!user || user == maker) continue;
        if (op_is_view(user)) vec_push(o->context->scratch, &views, op_result(user));
        if (!op_makes_kernel(user)) continue;
        vec_push(o->context->scratch, &o->wish, ((Wish){(int)maker->mark, o->wishes[user->mark]}));
        o->wishes[user->mark] = (int)o->wish.count - 1;
      }
  }
}

static void prepare(Order *o) {
  Block *body = o->function->body;
  for (int i = 0; i < o->uses.op_count; i++) o->wishes[i] = -1;
  for (Op *op = body->first; op; op = op->next) {
    if (!op_makes_kernel(op)) continue;
    for (int i = 0; i < op->result_count; i++)
      o->bytes[op->results[i]->mark] = type_bytes_at_bound(&op->results[i]->type);
    for (int i = 0; i < op->operand_count; i++)
      if (!is_repeated(op, i)) o->readers[value_storage(op->operands[i])->mark]++;
  }
  for (int i = 0; i < body->yield_count; i++) /* lies in the caller's memory */
    o->bytes[value_storage(body->yields[i])->mark] = 0;
  for (const Op *op = body->first; op; op = op->next)
    if (op->kind == OP_write) wish_order(o, op);
}

static void begin(Order *o, bool given_first) {
  o->given_first = given_first;
  o->heap.count = 0;
  o->unchecked = 0;
  for (int i = 0; i < o->uses.op_count; i++) o->waiting[i] = o->wished[i] = o->version[i] = 0;
  for (int i = 0; i < o->uses.value_count; i++) o->remaining[i] = o->readers[i];
  for (int i = 0; i < o->uses.op_count; i++) {
    const Op *op = o->uses.ops[i];
    if (!op_makes_kernel(op)) continue;
    o->unchecked += o->checks && o->checks[i];
    for (int j = 0; j < op->result_count; j++) each_reader(o, op->results[j], count_wait);
    for (int w = o->wishes[i]; w >= 0; w = o->wish.items[w].next) o->wished[o->wish.items[w].to]++;
  }
  for (int i = 0; i < o->uses.op_count; i++)
    if (op_makes_kernel(o->uses.ops[i]) && may_be_next(o, o->uses.ops[i]))
      push_op(o, o->uses.ops[i]);
}

/* What a kernel that is done leaves behind. */
static void done(Order *o, int number) {
  const Op *op = o->uses.ops[number];
  o->version[number] = -1;
  for (int i = 0; i < op->operand_count; i++) {
    if (is_repeated(op, i)) continue;
    const Value *storage = value_storage(op->operands[i]);
    if (--o->remaining[storage->mark] == 1 && o->bytes[storage->mark] > 0)
      each_reader(o, storage, push_again);
  }
  for (int i = 0; i < op->result_count; i++) each_reader(o, op->results[i], end_wait);
  for (int w = o->wishes[number]; w >= 0; w = o->wish.items[w].next) {
    Op *writer = o->uses.ops[o->wish.items[w].to];
    if (--o->wished[writer->mark] == 0 && may_be_next(o, writer)) push_op(o, writer);
  }
  if (o->checks && o->checks[number] && --o->unchecked == 0)
    for (int i = 0; i < o->uses.op_count; i++)
      if (o->writes[i] > 0 && may_be_next(o, o->uses.ops[i])) push_op(o, o->uses.ops[i]);
}

/* The first kernel that waits for wishes alone: they are a circle. NULL: there is none. */
static const Op *give_up_wishes(Order *o) {
  for (int i = 0; i < o->uses.op_count; i++) {
    const Op *op = o->uses.ops[i];
    if (!op_makes_kernel(op) || o->version[i] < 0 || o->waiting[i] > 0) continue;
    o->wished[i] = 0;
    o->writes[i] = 0; /* it waits for no check either; in this and later orders */
    return op;
  }
  return NULL;
}

/* The kernels in a new order; their number. */
static int schedule(Order *o, bool given_first, int *sequence) {
  int count = 0;
  begin(o, given_first);
  for (;;) {
    const Op *stuck = o->heap.count == 0 ? give_up_wishes(o) : NULL;
    if (stuck) push_op(o, stuck);
    if (o->heap.count == 0) return count;
    Candidate next = heap_pop(o);
    if (next.version != o->version[next.op]) continue;
    sequence[count++] = next.op;
    done(o, next.op);
  }
}

/* The most bytes alive at one time in an order of the kernels, as `plan` would have it. */
static int64_t peak_of(Order *o, const int *sequence, int count) {
  Arena *scratch = o->context->scratch;
  int *slot = ARENA_ARRAY(scratch, (size_t)o->uses.value_count + 1, int);
  int *last = ARENA_ARRAY(scratch, (size_t)o->uses.value_count + 1, int);
  VEC(Interval) intervals = {0};
  for (int step = 0; step < count; step++) {
    const Op *op = o->uses.ops[sequence[step]];
    for (int i = 0; i < op->operand_count; i++) last[value_storage(op->operands[i])->mark] = step;
  }
  for (int step = 0; step < count; step++) {
    const Op *op = o->uses.ops[sequence[step]];
    int over = 0;
    for (int i = 0; i < op->operand_count; i++) {
      const Value *storage = value_storage(op->operands[i]);
      int at = slot[storage->mark];
      if (at == 0) continue;
      intervals.items[at - 1].last = step;
      bool ends = last[storage->mark] == step && op->result_count > 0;
      if (ends && over == 0 && plan_reads_in_place(op, i, 0)) over = at;
    }
    for (int i = 0; i < op->result_count; i++) {
      int64_t bytes = o->bytes[op->results[i]->mark];
      if (bytes == 0) continue;
      if (over > 0 && i == 0 && intervals.items[over - 1].bytes == bytes) {
        slot[op->results[i]->mark] = over;
        continue;
      }
      Interval interval = {step, step, bytes, 0};
      vec_push(scratch, &intervals, interval);
      slot[op->results[i]->mark] = (int)intervals.count;
    }
  }
  return intervals_bound(scratch, intervals.items, (int)intervals.count, count, NULL);
}

/* ---- moving down ---- */

enum { MOST_SUNK = 20000 }; /* kernels: the square of it, at worst */

static int first_reader(const Order *o, const Value *value, const int *place, int first) {
  for (int i = 0; i < use_count(&o->uses, value); i++) {
    const Op *user = use_at(&o->uses, value, i);
    if (!user) continue;
    if (op_is_view(user))
      first = first_reader(o, op_result(user), place, first);
    else if (op_makes_kernel(user) && place[user->mark] < first)
      first = place[user->mark];
  }
  return first;
}

/* How far down an operation may go. */
static int first_after(const Order *o, const Op *op, const int *place, int end) {
  for (int i = 0; i < op->result_count; i++) end = first_reader(o, op->results[i], place, end);
  for (int w = o->wishes[op->mark]; w >= 0; w = o->wish.items[w].next) {
    int writer = place[o->wish.items[w].to];
    if (writer > place[op->mark] && writer < end) end = writer;
  }
  return end;
}

/* Each operation that makes more than dies with it goes down to just before the first that needs
 * it, from the last to the first. */
static void sink(Order *o, int *sequence, int count) {
  if (count > MOST_SUNK) return;
  int *place = ARENA_ARRAY(o->context->scratch, (size_t)o->uses.op_count + 1, int);
  int *last = ARENA_ARRAY(o->context->scratch, (size_t)o->uses.value_count + 1, int);
  for (int at = 0; at < count; at++) {
    const Op *op = o->uses.ops[sequence[at]];
    place[op->mark] = at;
    for (int i = 0; i < op->operand_count; i++)
      last[value_storage(op->operands[i])->mark] = sequence[at];
  }
  for (int at = count - 1; at >= 0; at--) {
    const Op *op = o->uses.ops[sequence[at]];
    int64_t more = 0;
    for (int i = 0; i < op->result_count; i++) more += o->bytes[op->results[i]->mark];
    for (int i = 0; i < op->operand_count; i++) {
      const Value *storage = value_storage(op->operands[i]);
      if (!is_repeated(op, i) && last[storage->mark] == op->mark) more -= o->bytes[storage->mark];
    }
    bool stays = more <= 0 || o->writes[op->mark] > 0 || (o->checks && o->checks[op->mark]);
    int to = stays ? at : first_after(o, op, place, count) - 1;
    for (int i = at; i < to; i++) {
      sequence[i] = sequence[i + 1];
      place[sequence[i]] = i;
    }
    if (to > at) sequence[to] = (int)op->mark, place[op->mark] = to;
  }
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
  Order o = {.context = context, .function = function};
  Arena *scratch = context->scratch;
  o.checks = faults_of(scratch, function);
  o.uses = uses_of(scratch, function);
  size_t ops = (size_t)o.uses.op_count + 1, values = (size_t)o.uses.value_count + 1;
  o.waiting = ARENA_ARRAY(scratch, ops, int);
  o.wished = ARENA_ARRAY(scratch, ops, int);
  o.version = ARENA_ARRAY(scratch, ops, int);
  o.writes = ARENA_ARRAY(scratch, ops, int);
  o.wishes = ARENA_ARRAY(scratch, ops, int);
  o.readers = ARENA_ARRAY(scratch, values, int);
  o.remaining = ARENA_ARRAY(scratch, values, int);
  o.bytes = ARENA_ARRAY(scratch, values, int64_t);
  prepare(&o);
  enum { GIVEN, GREEDY, GREEDY_SUNK, UPDATES, UPDATES_SUNK, ORDERS };
  int *sequence[ORDERS], kernels = 0, best = GIVEN;
  int64_t peak[ORDERS];
  for (int i = 0; i < ORDERS; i++) sequence[i] = ARENA_ARRAY(scratch, ops, int);
  bool writes = false;
  for (int i = 0; i < o.uses.op_count; i++) {
    if (op_makes_kernel(o.uses.ops[i])) sequence[GIVEN][kernels++] = i;
    writes = writes || o.writes[i] > 0;
  }
  if (schedule(&o, false, sequence[GREEDY]) != kernels) return false; /* verify tells */
  schedule(&o, true, sequence[UPDATES]);
  memcpy(sequence[GREEDY_SUNK], sequence[GREEDY], (size_t)kernels * sizeof(int));
  memcpy(sequence[UPDATES_SUNK], sequence[UPDATES], (size_t)kernels * sizeof(int));
  sink(&o, sequence[GREEDY_SUNK], kernels);
  sink(&o, sequence[UPDATES_SUNK], kernels);
  for (int i = 0; i < ORDERS; i++) peak[i] = peak_of(&o, sequence[i], kernels);
  if (writes) {
    best = peak[UPDATES_SUNK] <= peak[UPDATES] ? UPDATES_SUNK : UPDATES;
    peak[best] -= peak[best] / 16;
  }
  for (int i = 0; i < ORDERS; i++) {
    bool sunk = i == best + 1 && (i == GREEDY_SUNK || i == UPDATES_SUNK);
    if (peak[i] < peak[best] || (sunk && peak[i] == peak[best])) best = i;
  }
  if (best == GIVEN) return false;
  rebuild(&o, sequence[best], kernels);
  return true;
}

bool pass_order(PassContext *context) {
  int changed = 0;
  for (size_t i = 0; i < context->module->functions.count; i++)
    changed += order_function(context, context->module->functions.items[i]);
  if (changed > 0) context->effect = arena_format(context->module->arena, "%d reordered", changed);
  return true;
}
