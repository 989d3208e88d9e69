/* What moves behind a loop: see hoist.h.
 *
 *   before  scan (each %h, each %d, carry %dw = 0, %w) {
 *             %1 = dot %d, %w   %2 = dot %d, %h   %3 = add %dw, %2   yield %3 emit %1 }
 *   after   %d' = scan (each %h, each %d) { .. emit %d }
 *           %1 = dot %d', %w   %3 = dot %d', %h'                   both over all trips
 */
#include "passes/hoist.h"

#include "passes/cost.h"
#include "passes/scan_bodies.h"
#include "support/bug.h"

enum { MOST_DEPTH = 64 }; /* of the operations that a carry's growth is made by */
/* Bytes that may be emitted for each byte of a carry that is not updated in each trip instead. */
static const double most_emitted = 4;

typedef struct {
  Hoist *h;
  Op **growth;   /* of each carry the addition by which it grows; NULL: not by one alone */
  bool *is_sunk; /* of each carry */
  bool *sinks;   /* by Op.mark: leaves the body */
  bool *planned; /* by Value.mark: will be emitted, or is */
} Sink;

static bool is_same(const Sink *s, const Value *value) {
  return s->h->kind[value->mark] == HOIST_SAME;
}

static double bytes_of(const Value *value) {
  return type_elements(&value->type) * element_infos[value->type.element].bytes;
}

/* ---- carries that only grow ---- */

static const Value *carry_argument(const Block *body, int carry) {
  for (int i = 0;; i++)
    if (body->binds[i] == BIND_CARRY && carry-- == 0) return body->arguments[i];
}

static Op *growth_of(const Sink *s, int carry) {
  const Block *body = s->h->body;
  const Value *argument = carry_argument(body, carry), *next = body->yields[carry];
  Op *op = next->op;
  if (!op || op->kind != OP_add || s->h->uses[next->mark] != 1 || s->h->uses[argument->mark] != 1 ||
      !type_equal(&next->type, &argument->type) || !element_is_float(next->type.element))
    return NULL;
  return op->operands[0] == argument || op->operands[1] == argument ? op : NULL;
}

static Value *added(const Sink *s, int carry) {
  const Op *op = s->growth[carry];
  return op->operands[op->operands[0] == carry_argument(s->h->body, carry) ? 1 : 0];
}

/* What to emit, in bytes a trip, for the sum of a value over all trips; whether products are
 * summed.
 */
typedef struct {
  double bytes;
  bool products, possible;
} Need;

static bool is_free(const Sink *s, const Value *value) {
  while (value->op && operator_has(value->op->kind, TRAIT_VIEW) && !s->h->outer[value->mark] &&
         !s->planned[value->mark] && hoist_can_lift(s->h, value->op))
    value = value->op->operands[0];
  return s->h->outer[value->mark] || s->planned[value->mark] || is_same(s, value);
}

static void need_value(const Sink *s, Need *need, const Value *value) {
  if (!is_free(s, value)) need->bytes += bytes_of(value);
}

static bool is_linear(const Op *op) {
  switch (op->kind) {
  case OP_neg:
  case OP_reshape:
  case OP_transpose:
  case OP_broadcast:
    return true;
  default:
    return false;
  }
}

/* x + y or x - y without broadcasting. */
static bool is_sum_of_two(const Op *op) {
  const Type *type = &op_result(op)->type;
  return (op->kind == OP_add || op->kind == OP_sub) && type_equal(&op->operands[0]->type, type) &&
         type_equal(&op->operands[1]->type, type);
}

static bool is_product_of_two(const Sink *s, const Op *op) {
  if (op->kind != OP_dot || is_same(s, op->operands[0]) || is_same(s, op->operands[1]))
    return false;
  return op->operands[0]->type.rank < MOST_AXES && op->operands[1]->type.rank < MOST_AXES;
}

static bool is_row_sum(const Op *op) {
  return op->kind == OP_sum && op->operands[0]->type.rank < MOST_AXES;
}

static void need_total(const Sink *s, Need *need, const Value *value, int depth) {
  const Op *op = value->op;
  if (is_same(s, value) || value->type.rank >= MOST_AXES || depth > MOST_DEPTH) {
    need->possible = false;
  } else if (op && !is_free(s, value) && (is_linear(op) || is_sum_of_two(op))) {
    for (int i = 0; i < op->operand_count; i++) need_total(s, need, op->operands[i], depth + 1);
  } else if (op && is_product_of_two(s, op)) {
    need->products = true;
    need_value(s, need, op->operands[0]);
    need_value(s, need, op->operands[1]);
  } else if (op && is_row_sum(op)) {
    need_value(s, need, op->operands[0]);
  } else {
    need_value(s, need, value);
  }
}

static void plan_value(const Sink *s, const Value *value) {
  while (value->op && operator_has(value->op->kind, TRAIT_VIEW) && !s->h->outer[value->mark] &&
         hoist_can_lift(s->h, value->op))
    value = value->op->operands[0];
  s->planned[value->mark] = true;
}

static void plan_total(const Sink *s, const Value *value) {
  const Op *op = value->op;
  if (op && !is_free(s, value) && (is_linear(op) || is_sum_of_two(op))) {
    for (int i = 0; i < op->operand_count; i++) plan_total(s, op->operands[i]);
  } else if (op && is_product_of_two(s, op)) {
    plan_value(s, op->operands[0]);
    plan_value(s, op->operands[1]);
  } else {
    plan_value(s, op && is_row_sum(op) ? op->operands[0] : value);
  }
}

/* Carries of products first; others where what they need is emitted for those. */
static void choose_carries(Sink *s) {
  const Block *body = s->h->body;
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < body->yield_count; i++) {
      if (!s->growth[i] || s->is_sunk[i]) continue;
      Need need = {.possible = true};
      const Value *value = added(s, i);
      need_total(s, &need, value, 0);
      double share = round == 0 ? most_emitted : 0.5;
      if (!need.possible || need.products != (round == 0) ||
          need.bytes > share * bytes_of(body->yields[i]))
        continue;
      s->is_sunk[i] = true;
      plan_total(s, value);
    }
}

/* ---- operations that nothing in the loop waits for ---- */

static bool can_leave(const Sink *s, const Op *op) {
  if (op->region || operator_has(op->kind, TRAIT_ORDERED | TRAIT_SYMBOL)) return false;
  return op->kind != OP_gather && hoist_can_lift(s->h, op);
}

static bool is_sunk_growth(const Sink *s, const Op *op) {
  for (int i = 0; i < s->h->body->yield_count; i++)
    if (s->is_sunk[i] && s->growth[i] == op) return true;
  return false;
}

/* Products with what is the same in each trip, and all that is made of them. */
static bool choose_operations(Sink *s) {
  Hoist *h = s->h;
  Block *body = h->body;
  bool *in_loop = ARENA_ARRAY(h->context->scratch, (size_t)h->values + 1, bool), any = false;
  bool *stays = ARENA_ARRAY(h->context->scratch, (size_t)h->ops + 1, bool);
  for (int i = 0; i < body->yield_count; i++)
    if (!s->is_sunk[i]) in_loop[body->yields[i]->mark] = true;
  for (const Op *op = body->last; op; op = op->previous) {
    if (is_sunk_growth(s, op)) continue;
    stays[op->mark] = !can_leave(s, op);
    for (int i = 0; i < op->result_count; i++)
      stays[op->mark] = stays[op->mark] || in_loop[op->results[i]->mark];
    for (int i = 0; stays[op->mark] && i < op->operand_count; i++)
      in_loop[op->operands[i]->mark] = true;
  }
  for (const Op *op = body->first; op; op = op->next) {
    if (stays[op->mark] || is_sunk_growth(s, op) || op->result_count != 1) continue;
    bool sinks = hoist_is_worth_product(h, op) && h->uses[op_result(op)->mark] > 0;
    for (int i = 0; i < op->operand_count; i++) {
      const Op *from = op->operands[i]->op;
      sinks = sinks || (from && s->sinks[from->mark]);
    }
    s->sinks[op->mark] = sinks;
    any = any || sinks;
  }
  return any;
}

/* ---- making it so ---- */

static Value *emitted(Hoist *h, Value *value) {
  Type type = value->type;
  for (int a = type.rank++; a > 0; a--) type.dims[a] = type.dims[a - 1];
  type.dims[0] = h->trips;
  return scan_emit(h->scan, h->body, value, &type);
}

/* The sequence of a value that the loop makes; views are taken of what they see. */
static Value *outside(Sink *s, Builder *b, Value *value) {
  Hoist *h = s->h;
  VEC(Value *) views = {0};
  if (is_same(s, value)) return hoist_same(h, value);
  while (!h->outer[value->mark] && value->op && operator_has(value->op->kind, TRAIT_VIEW) &&
         hoist_can_lift(h, value->op)) {
    vec_push(h->context->scratch, &views, value);
    value = value->op->operands[0];
  }
  if (!h->outer[value->mark]) h->outer[value->mark] = emitted(h, value);
  while (views.count > 0) {
    value = views.items[--views.count];
    h->outer[value->mark] = hoist_lift(h, b, value->op);
  }
  return h->outer[value->mark];
}

static Value *total_of(Sink *s, Builder *b, Value *value) {
  Hoist *h = s->h;
  Op *op = value->op;
  Value *result;
  if (op && !is_free(s, value) && (is_linear(op) || is_sum_of_two(op))) {
    Value *operands[2];
    for (int i = 0; i < op->operand_count; i++) operands[i] = total_of(s, b, op->operands[i]);
    result = build_like(b, op, operands);
  } else if (op && is_product_of_two(s, op)) {
    outside(s, b, op->operands[0]);
    outside(s, b, op->operands[1]);
    result = hoist_sum_dot(h, b, op);
  } else if (op && is_row_sum(op)) {
    outside(s, b, op->operands[0]);
    result = hoist_sum_reduction(h, b, op);
  } else {
    result = hoist_sum_trips(b, outside(s, b, value));
  }
  if (!result) bug("a sum over trips cannot be built: %s", b->failure.message);
  return result;
}

/* In front of the operation after the loop; what is built is so in order. */
static Builder builder_behind(const Op *scan) {
  return (Builder){.function = scan->block->function,
                   .block = scan->block,
                   .before = scan->next,
                   .at = scan->at,
                   .layer = scan->layer,
                   .again = scan->again};
}

static void sink_carries(Sink *s, Builder *b) {
  Hoist *h = s->h;
  Block *body = h->body;
  for (int i = 0; i < body->yield_count; i++) {
    if (!s->is_sunk[i]) continue;
    const Op *growth = s->growth[i];
    b->at = growth->at;
    b->layer = growth->layer;
    Value *total = total_of(s, b, added(s, i)), *first;
    first = h->scan->operands[carry_argument(body, i)->index];
    double number;
    bool from_zero = value_number(first, &number) && number == 0;
    if (!from_zero || !type_equal(&total->type, &first->type))
      total = build_binary(b, OP_add, first, total);
    h->scan->results[i]->forward = total;
    h->moves++;
  }
}

void hoist_sink(Hoist *h) {
  Block *body = h->body;
  if (body->while_) return;
  Arena *scratch = h->context->scratch;
  Sink s = {.h = h,
            .growth = ARENA_ARRAY(scratch, (size_t)body->yield_count + 1, Op *),
            .is_sunk = ARENA_ARRAY(scratch, (size_t)body->yield_count + 1, bool),
            .sinks = ARENA_ARRAY(scratch, (size_t)h->ops + 1, bool),
            .planned = ARENA_ARRAY(scratch, (size_t)h->values + 1, bool)};
  for (int i = 0; i < body->yield_count; i++) s.growth[i] = growth_of(&s, i);
  for (int i = 0; i < body->emit_count; i++) s.planned[body->emits[i]->mark] = true;
  choose_carries(&s);
  bool operations = choose_operations(&s), carries = false;
  for (int i = 0; i < body->yield_count; i++) carries = carries || s.is_sunk[i];
  if (!operations && !carries) return;
  Builder b = builder_behind(h->scan);
  for (const Op *op = body->first; op; op = op->next) {
    if (!s.sinks[op->mark]) continue;
    for (int i = 0; i < op->operand_count; i++) outside(&s, &b, op->operands[i]);
    h->outer[op_result(op)->mark] = hoist_lift(h, &b, op);
    h->moves++;
  }
  sink_carries(&s, &b);
  for (int i = body->emit_count - 1; i >= 0; i--) {
    const Op *op = body->emits[i]->op;
    if (!op || op->mark >= h->ops || !s.sinks[op->mark]) continue;
    h->scan->results[body->yield_count + i]->forward = h->outer[body->emits[i]->mark];
    hoist_drop_emit(h, i);
  }
  for (int i = body->yield_count - 1; i >= 0; i--)
    if (s.is_sunk[i]) hoist_drop_carry(h, i);
}
