/* hoist - takes out of scans what no trip waits for.
 *
 *   before  scan (each %a = %x, carry %h = %h0, %w = %w, %u = %u) {
 *             %1 = dot %a, %w   %2 = dot %h, %u   %3 = add %1, %2 .. }
 *   after   %4 = dot %x, %w                                  the products of all trips as one
 *           scan (each %1 = %4, carry %h = %h0, %u = %u) { %2 = dot %h, %u   %3 = add %1, %2 .. }
 *
 * - What is the same in each trip is computed before the loop.
 * - A product of an element and what is the same is one product of the sequence, with what is added
 *   to it.
 * - Products that are only emitted are made of the emitted operands behind the loop; products that
 *   are summed over all trips, a weight's gradient, are one that contracts the trips, too. So what
 * a scan's gradient carries is what the trip before waits for, nothing else (hoist_sink.c).
 *
 * What an input may make fail is not done where the loop may make no trip. Loops with a `while`
 * keep what belongs to an element. Sums get another order, nothing else changes. Inner loops come
 * first. Afterwards operations and arguments that nothing uses are gone from bodies. Linear but for
 * the loops' nesting. */
#include "passes/hoist.h"

#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/dce.h"
#include "support/bug.h"

#include <stdlib.h>
#include <string.h>

/* Rows of a product from which on one a trip is as fast as one for all, and how large what is made
 * for all may be then. */
static const double many_rows = 128;
static const double most_bytes = 64 << 20;

typedef VEC(Op *) Ops;

/* ---- the scan's operands and results ---- */

static void compact_results(Op *scan) {
  int count = 0;
  for (int i = 0; i < scan->result_count; i++) {
    if (!scan->results[i]) continue;
    scan->results[count] = scan->results[i];
    scan->results[count]->index = count;
    count++;
  }
  scan->result_count = count;
}

static void drop_operand(Op *scan, int index) {
  Block *body = scan->region;
  int rest = scan->operand_count - index - 1;
  memmove(scan->operands + index, scan->operands + index + 1,
          (size_t)rest * sizeof *scan->operands);
  memmove(body->arguments + index, body->arguments + index + 1,
          (size_t)rest * sizeof *body->arguments);
  memmove(body->binds + index, body->binds + index + 1, (size_t)rest * sizeof *body->binds);
  scan->operand_count = --body->argument_count;
  for (int i = index; i < body->argument_count; i++) body->arguments[i]->index = i;
}

static void drop_emit(Op *scan, int emit) {
  Block *body = scan->region;
  for (int i = emit; i + 1 < body->emit_count; i++) body->emits[i] = body->emits[i + 1];
  scan->results[body->yield_count + emit] = NULL;
  body->emit_count--;
  compact_results(scan);
}

static int carry_operand(const Op *scan, int carry) {
  for (int i = 0;; i++)
    if (scan->region->binds[i] == BIND_CARRY && carry-- == 0) return i;
}

static void drop_carry(Op *scan, int carry) {
  Block *body = scan->region;
  int operand = carry_operand(scan, carry);
  for (int i = carry; i + 1 < body->yield_count; i++) body->yields[i] = body->yields[i + 1];
  scan->results[carry] = NULL;
  body->yield_count--;
  compact_results(scan);
  drop_operand(scan, operand);
}

void hoist_drop_emit(Hoist *h, int emit) {
  drop_emit(h->scan, emit);
}

void hoist_drop_carry(Hoist *h, int carry) {
  drop_carry(h->scan, carry);
}

Value *hoist_bind(Hoist *h, Value *operand, const Type *type, BindKind kind) {
  Op *scan = h->scan;
  size_t count = (size_t)scan->operand_count;
  scan->operands =
      arena_grow(h->module->arena, scan->operands, count, count + 1, sizeof *scan->operands);
  scan->operands[scan->operand_count++] = operand;
  return block_add_argument(h->body, NULL, *type, kind);
}

/* ---- dropping what is not used ---- */

/* Value.mark of the scan's results: whether they are used. Carries that only carry themselves on go
 * too. */
static void drop_unused(Op *scan) {
  Block *body = scan->region;
  for (int i = body->emit_count - 1; i >= 0; i--)
    if (scan->results[body->yield_count + i]->mark == 0) drop_emit(scan, i);
  for (int i = 0; i < body->argument_count; i++) body->arguments[i]->mark = 0;
  for (Op *op = body->first; op; op = op->next) {
    op->mark = 0;
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
  }
  for (int i = 0; i < body->emit_count; i++) body->emits[i]->mark = 1;
  if (body->while_) body->while_->mark = 1;
  for (int i = 0; i < body->yield_count; i++)
    if (scan->results[i]->mark > 0) body->yields[i]->mark = 1;
  for (bool changed = true; changed;) {
    changed = false;
    for (Op *op = body->last; op; op = op->previous) {
      bool used = op->kind == OP_write || op->mark;
      for (int i = 0; i < op->result_count; i++) used = used || op->results[i]->mark;
      op->mark = used;
      for (int i = 0; used && i < op->operand_count; i++) op->operands[i]->mark = 1;
    }
    for (int i = 0, carry = 0; i < body->argument_count; i++) {
      if (body->binds[i] != BIND_CARRY) continue;
      Value *next = body->yields[carry++];
      if (!body->arguments[i]->mark || next->mark) continue;
      next->mark = 1;
      changed = true;
    }
  }
  for (Op *op = body->last, *previous; op; op = previous) {
    previous = op->previous;
    if (!op->mark) op_remove(op);
  }
  for (int i = body->yield_count - 1; i >= 0; i--) {
    const Value *argument = body->arguments[carry_operand(scan, i)];
    if (scan->results[i]->mark == 0 && !argument->mark) drop_carry(scan, i);
  }
  int sequences = 0;
  for (int i = 0; i < body->argument_count; i++) sequences += body->binds[i] == BIND_EACH;
  for (int i = body->argument_count - 1; i >= 0; i--) {
    if (body->arguments[i]->mark || body->binds[i] == BIND_CARRY) continue;
    if (body->binds[i] == BIND_EACH && sequences-- == 1) continue; /* it says how many trips */
    drop_operand(scan, i);
  }
}

/* ---- kinds ---- */

static bool always_runs(const Hoist *h) {
  return !h->body->while_ && dim_min(h->trips) > 0;
}

static HoistKind kind_of(const Hoist *h, const Op *op) {
  if (op->region || operator_has(op->kind, TRAIT_ORDERED | TRAIT_SYMBOL)) return HOIST_WAITS;
  if (op_can_fault(op) && !always_runs(h)) return HOIST_WAITS;
  HoistKind kind = HOIST_SAME;
  for (int i = 0; i < op->operand_count; i++)
    if (h->kind[op->operands[i]->mark] > kind) kind = h->kind[op->operands[i]->mark];
  return kind;
}

static void count_use(const Hoist *h, const Value *value) {
  h->uses[value->mark]++;
}

static void number_body(Hoist *h) {
  Arena *scratch = h->context->scratch;
  Block *body = h->body;
  h->values = h->ops = 0;
  for (int i = 0; i < body->argument_count; i++) body->arguments[i]->mark = h->values++;
  for (Op *op = body->first; op; op = op->next) {
    op->mark = h->ops++;
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = h->values++;
  }
  size_t values = (size_t)h->values + 1;
  h->kind = ARENA_ARRAY(scratch, values, HoistKind);
  h->outer = ARENA_ARRAY(scratch, values, Value *);
  h->uses = ARENA_ARRAY(scratch, values, int);
  h->moved = ARENA_ARRAY(scratch, (size_t)h->ops + 1, bool);
  h->stamps = ARENA_ARRAY(scratch, (size_t)h->ops + 1, int);
  h->stamp = 0;
  static const HoistKind kinds[] = {
      [BIND_PLAIN] = HOIST_SAME, [BIND_CARRY] = HOIST_WAITS, [BIND_EACH] = HOIST_ALONG};
  for (int i = 0; i < body->argument_count; i++) {
    h->kind[body->arguments[i]->mark] = kinds[body->binds[i]];
    if (body->binds[i] != BIND_CARRY) h->outer[body->arguments[i]->mark] = h->scan->operands[i];
  }
  for (const Op *op = body->first; op; op = op->next) {
    HoistKind kind = kind_of(h, op);
    for (int i = 0; i < op->result_count; i++) h->kind[op->results[i]->mark] = kind;
    for (int i = 0; i < op->operand_count; i++) count_use(h, op->operands[i]);
  }
  for (int i = 0; i < body->yield_count; i++) count_use(h, body->yields[i]);
  for (int i = 0; i < body->emit_count; i++) count_use(h, body->emits[i]);
  if (body->while_) count_use(h, body->while_);
}

/* ---- before the loop ---- */

static bool is_generator(const Op *op) {
  return op->operand_count == 0;
}

/* Arithmetic, of which the result is no larger than what it is made of. */
static bool is_worth_once(const Op *op) {
  if (is_generator(op) || op->result_count != 1 || operator_has(op->kind, TRAIT_VIEW)) return false;
  double all = 0;
  for (int i = 0; i < op->operand_count; i++) {
    double size = type_elements(&op->operands[i]->type);
    all += size;
  }
  return type_elements(&op_result(op)->type) <= 2 * all;
}

/* x W, x an element and W the same for all; not where a trip's own product is large enough. */
bool hoist_is_worth_product(const Hoist *h, const Op *op) {
  if (op->kind != OP_dot || h->body->while_) return false;
  const Value *x = op->operands[0], *y = op->operands[1];
  bool x_same = h->kind[x->mark] == HOIST_SAME, y_same = h->kind[y->mark] == HOIST_SAME;
  if (x_same == y_same) return false;
  double made = type_elements(&op_result(op)->type), weights = 1;
  const Value *w = x_same ? x : y;
  const DimList *lists = op_attribute(op, ATTRIBUTE_contract)->lists.items;
  const DimList *contract = &lists[x_same ? 0 : 1];
  for (int i = 0; i < w->type.rank; i++) weights *= (double)dim_max(w->type.dims[i]);
  for (int i = 0; i < contract->count; i++)
    weights /= (double)dim_max(w->type.dims[dim_value(contract->items[i])]);
  double bytes =
      made * (double)dim_max(h->trips) * element_infos[op_result(op)->type.element].bytes;
  return !(weights > 0 && made / weights >= many_rows && bytes > most_bytes);
}

/* What is added to a product that moves, and the like: as large, and the product's only use. */
static bool follows_product(const Hoist *h, const Op *op) {
  if (!operator_has(op->kind, TRAIT_ELEMENTWISE) || operator_cost(op->kind) > 1) return false;
  bool found = false;
  for (int i = 0; i < op->operand_count; i++) {
    const Value *x = op->operands[i];
    if (h->kind[x->mark] == HOIST_SAME) continue;
    if (!x->op || !h->moved[x->op->mark] || h->uses[x->mark] != 1) return false;
    if (!type_equal(&x->type, &op_result(op)->type)) return false;
    found = true;
  }
  return found;
}

/* What the operation is made of in the body and is not outside yet, itself included; false if some
 * of it cannot be computed outside. */
static bool find_closure(Hoist *h, const Op *root, Ops *closure) {
  bool good = true;
  closure->count = 0;
  h->stamp++;
  h->stamps[root->mark] = h->stamp;
  vec_push(h->context->scratch, closure, (Op *)(uintptr_t)root);
  for (size_t i = 0; i < closure->count && good; i++) {
    const Op *op = closure->items[i];
    bool along = h->kind[op_result(op)->mark] == HOIST_ALONG;
    good = op->result_count == 1 && (!along || hoist_can_lift(h, op));
    for (int k = 0; good && k < op->operand_count; k++) {
      Op *from = op->operands[k]->op;
      if (!from || h->stamps[from->mark] == h->stamp || h->outer[op->operands[k]->mark]) continue;
      h->stamps[from->mark] = h->stamp;
      vec_push(h->context->scratch, closure, from);
    }
  }
  return good;
}

static bool is_root(const Hoist *h, const Op *op) {
  if (op->result_count != 1) return false;
  switch (h->kind[op_result(op)->mark]) {
  case HOIST_SAME:
    return is_worth_once(op);
  case HOIST_ALONG:
    return hoist_is_worth_product(h, op) || follows_product(h, op);
  default:
    return false;
  }
}

/* An emitted value that is at hand outside is no longer emitted. */
static void take_emits(Hoist *h) {
  Block *body = h->body;
  for (int i = body->emit_count - 1; i >= 0; i--) {
    const Value *value = body->emits[i];
    if (body->while_ || h->kind[value->mark] != HOIST_ALONG || !h->outer[value->mark]) continue;
    h->scan->results[body->yield_count + i]->forward = h->outer[value->mark];
    h->uses[value->mark]--;
    hoist_drop_emit(h, i);
    h->moves++;
  }
}

static int by_place(const void *a, const void *b) {
  int64_t x = (*(Op *const *)a)->mark, y = (*(Op *const *)b)->mark;
  return (x > y) - (x < y);
}

Value *hoist_same(Hoist *h, Value *value) {
  if (h->outer[value->mark]) return h->outer[value->mark];
  Builder b = builder_before(h->scan);
  Ops closure = {0};
  if (!find_closure(h, value->op, &closure)) bug("%%%d does not leave its loop", value->number);
  qsort(closure.items, closure.count, sizeof *closure.items, by_place);
  for (size_t i = 0; i < closure.count; i++)
    h->outer[op_result(closure.items[i])->mark] = hoist_lift(h, &b, closure.items[i]);
  return h->outer[value->mark];
}

static void bind_moved(Hoist *h) {
  Block *body = h->body;
  bool *stays = ARENA_ARRAY(h->context->scratch, (size_t)h->values + 1, bool);
  for (const Op *op = body->first; op; op = op->next)
    for (int i = 0; !h->moved[op->mark] && i < op->operand_count; i++)
      stays[op->operands[i]->mark] = true;
  for (int i = 0; i < body->yield_count; i++) stays[body->yields[i]->mark] = true;
  for (int i = 0; i < body->emit_count; i++) stays[body->emits[i]->mark] = true;
  if (body->while_) stays[body->while_->mark] = true;
  for (const Op *op = body->first; op; op = op->next) {
    if (!h->moved[op->mark] || !stays[op_result(op)->mark]) continue;
    Value *value = op_result(op);
    BindKind kind = h->kind[value->mark] == HOIST_SAME ? BIND_PLAIN : BIND_EACH;
    value->forward = hoist_bind(h, h->outer[value->mark], &value->type, kind);
  }
}

static void hoist_before(Hoist *h) {
  bool *lifted = ARENA_ARRAY(h->context->scratch, (size_t)h->ops + 1, bool), any = false;
  Ops closure = {0};
  for (const Op *op = h->body->first; op; op = op->next) {
    if (!is_root(h, op) || !find_closure(h, op, &closure)) continue;
    for (size_t i = 0; i < closure.count; i++) lifted[closure.items[i]->mark] = true;
    h->moved[op->mark] = any = true;
    h->moves++;
  }
  Builder b = builder_before(h->scan);
  for (const Op *op = h->body->first; any && op; op = op->next)
    if (lifted[op->mark]) h->outer[op_result(op)->mark] = hoist_lift(h, &b, op);
  take_emits(h);
  if (any) bind_moved(h);
}

/* ---- the pass ---- */

static void follow_body(Block *body) {
  for (Op *op = body->first; op; op = op->next) op_follow(op);
  for (int i = 0; i < body->yield_count; i++) body->yields[i] = value_follow(body->yields[i]);
  for (int i = 0; i < body->emit_count; i++) body->emits[i] = value_follow(body->emits[i]);
  if (body->while_) body->while_ = value_follow(body->while_);
}

static void mark_results(Op *scan, int mark) {
  for (int i = 0; i < scan->result_count; i++) scan->results[i]->mark = mark;
}

typedef struct {
  Value *inner, *outer;
} Lifted;
typedef VEC(Lifted) LiftedList;

/* What is outside already and still in the body, from one numbering to the next. */
static LiftedList lifted_values(const Hoist *h) {
  LiftedList list = {0};
  for (const Op *op = h->body->first; op; op = op->next)
    if (op->result_count == 1 && h->outer[op_result(op)->mark])
      vec_push(h->context->scratch, &list,
               ((Lifted){op_result(op), h->outer[op_result(op)->mark]}));
  return list;
}

static void use_lifted(Hoist *h, const LiftedList *list) {
  const Value **own = ARENA_ARRAY(h->context->scratch, (size_t)h->values + 1, const Value *);
  for (const Op *op = h->body->first; op; op = op->next)
    if (op->result_count == 1) own[op_result(op)->mark] = op_result(op);
  for (size_t i = 0; i < list->count; i++) {
    const Value *inner = list->items[i].inner; /* numbered anew, if it is still there */
    if (inner->mark < h->values && own[inner->mark] == inner)
      h->outer[inner->mark] = list->items[i].outer;
  }
}

/* What is carried on as it is, is the same in each trip. */
static void free_carries(Hoist *h) {
  Block *body = h->body;
  for (int i = body->yield_count - 1; i >= 0; i--) {
    int operand = carry_operand(h->scan, i);
    Value *argument = body->arguments[operand], *first = h->scan->operands[operand];
    if (body->yields[i] != argument) continue;
    argument->forward = hoist_bind(h, first, &first->type, BIND_PLAIN);
    h->scan->results[i]->forward = first;
    hoist_drop_carry(h, i);
  }
}

static int hoist_scan(PassContext *context, Op *scan) {
  Hoist h = {.context = context, .module = context->module, .scan = scan, .body = scan->region};
  follow_body(h.body);
  free_carries(&h);
  follow_body(h.body);
  for (int i = 0; i < scan->operand_count; i++)
    if (h.body->binds[i] == BIND_EACH) h.trips = scan->operands[i]->type.dims[0];
  number_body(&h);
  hoist_before(&h);
  LiftedList lifted = lifted_values(&h);
  follow_body(h.body);
  mark_results(scan, 1);
  drop_unused(scan);
  number_body(&h);
  use_lifted(&h, &lifted);
  hoist_sink(&h);
  follow_body(h.body);
  mark_results(scan, 1);
  drop_unused(scan);
  return h.moves;
}

static int hoist_block(PassContext *context, Block *block) {
  int moves = 0;
  for (Op *op = block->first; op; op = op->next) {
    op_follow(op);
    if (!op->region) continue;
    moves += hoist_block(context, op->region);
    if (op->kind == OP_scan) moves += hoist_scan(context, op);
  }
  return moves;
}

/* Value.mark: uses. */
static void drop_unused_in(Block *block, void *user) {
  (void)user;
  for (Op *op = block->first; op; op = op->next)
    if (op->kind == OP_scan) drop_unused(op);
}

bool pass_hoist(PassContext *context) {
  int moves = 0;
  for (size_t i = 0; i < context->module->functions.count; i++) {
    Function *function = context->module->functions.items[i];
    dce_function(function);
    graph_count_uses(function);
    function_blocks(function, drop_unused_in, NULL);
    moves += hoist_block(context, function->body);
    graph_resolve(function);
  }
  if (moves > 0) context->effect = arena_format(context->module->arena, "%d moved", moves);
  return true;
}
