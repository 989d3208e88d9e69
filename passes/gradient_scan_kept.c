/* What the forward scan emits for its gradient, and what is made again: see gradient_scan.h.
 *
 * The cut's nodes are the body's operations and what is carried in. Elements of sequences, what the
 * body reads and what is made from nothing are at hand. What is carried into a trip is at hand too
 * if the next values of the carry are: moved by one trip they are the same. Random numbers are
 * those of an element, so they can be drawn again. Loops in the body are made again.
 *
 * checkpoint(x) in the body: x is kept, and all that leads to a checkpoint is made again. */
#include "passes/cost.h"
#include "passes/gradient_scan.h"
#include "passes/recompute.h"

#include <string.h>

/* What a kept value costs beside its bytes: it is stored by a kernel of its own. */
static const double cost_of_kernel = 2000;

/* An operation of the body, or a carry. */
typedef struct {
  int in, out;        /* nodes of the cut; 0: none */
  bool leads;         /* to a checkpoint */
  bool is_kept;       /* by a checkpoint */
  const Value *carry; /* the argument; NULL: an operation */
  const Value *next;  /* what a carry becomes */
  const Op *op;
} Item;

typedef struct {
  ScanGradient *s;
  Cut *cut;
  Item *items; /* of operations by Op.mark, then of carries by Value.index */
  int ops;
  bool checkpoints;
} Choice;

static Value *copy_of(const Choice *c, const Value *value) {
  return c->s->map[value->mark];
}

/* Of a value of the body; NULL: it is at hand. */
static Item *item_of(const Choice *c, const Value *value) {
  if (value->op) return &c->items[value->op->mark];
  bool carried = value->block->binds[value->index] == BIND_CARRY;
  return carried ? &c->items[c->ops + value->index] : NULL;
}

static double bytes_of(const Value *value) {
  return type_elements(&value->type) * element_infos[value->type.element].bytes;
}

static bool is_generated(const Op *op) {
  return op->operand_count == 0 && op->kind != OP_random && !op->region;
}

/* ---- checkpoints ---- */

static void find_checkpoints(Choice *c) {
  for (const Op *op = c->s->last; op; op = op->previous) {
    Item *item = &c->items[op->mark];
    bool is_checkpoint = op->kind == OP_checkpoint;
    c->checkpoints = c->checkpoints || is_checkpoint;
    for (int i = 0; i < op->operand_count; i++) {
      Item *from = item_of(c, op->operands[i]);
      if (!from) continue;
      from->is_kept = from->is_kept || is_checkpoint;
      from->leads = from->leads || is_checkpoint || item->leads;
    }
  }
}

/* ---- the cut ---- */

static int64_t making_cost(const Choice *c, const Item *item) {
  if (item->carry) return CUT_NEVER;
  return item->leads && c->checkpoints ? 1 : cut_cost(op_work(item->op));
}

static bool is_emitted(const ScanGradient *s, const Value *value) {
  for (int i = 0; i < s->body->emit_count; i++)
    if (s->body->emits[i] == value) return true;
  return false;
}

static bool is_at_hand(const Choice *c, const Op *op) {
  for (int i = 0; i < op->result_count; i++)
    if (!is_emitted(c->s, op->results[i])) return false;
  return true;
}

static int64_t keeping_cost(const Choice *c, const Item *item) {
  if (item->is_kept || (item->op && is_at_hand(c, item->op))) return 1;
  if (item->carry) return cut_cost(bytes_of(item->carry) * worth_of_byte + cost_of_kernel);
  if (item->op->region || (item->leads && c->checkpoints)) return CUT_NEVER;
  double cost = cost_of_kernel;
  for (int i = 0; i < item->op->result_count; i++)
    cost += bytes_of(item->op->results[i]) * worth_of_byte;
  return cut_cost(cost);
}

/* The next value of a carry, if it stands for the carry in the trip after. There must be a trip. */
static const Value *next_value(const ScanGradient *s, const Value *argument, const Dim *trips) {
  int carry = 0;
  for (int i = 0; i < argument->index; i++) carry += s->body->binds[i] == BIND_CARRY;
  const Value *next = s->body->yields[carry];
  bool usable = next->op && next->op->kind != OP_write && !next->op->region &&
                next->type.rank >= s->axis && dim_min(trips) > 0;
  return usable ? next : NULL;
}

static void add_item(Choice *c, Item *item) {
  item->in = cut_node(c->cut);
  item->out = cut_node(c->cut);
  cut_edge(c->cut, CUT_SOURCE, item->in, making_cost(c, item));
  cut_edge(c->cut, item->in, item->out, keeping_cost(c, item));
}

/* The copy of a loop has further results: what it emits for its own gradient. */
static bool is_needed(const Choice *c, const Item *item) {
  if (item->carry) return copy_of(c, item->carry)->mark > 0;
  if (item->op->result_count == 0) return false;
  const Op *copy = copy_of(c, op_result(item->op))->op;
  for (int i = 0; i < copy->result_count; i++)
    if (copy->results[i]->mark > 0) return true;
  return false;
}

static void build_cut(Choice *c) {
  c->cut = cut_new(c->s->g->scratch);
  for (int i = 0; i < c->ops + c->s->body->argument_count; i++) {
    Item *item = &c->items[i];
    if (!item->op && !item->carry) continue;
    if (item->op && (is_generated(item->op) || item->op->kind == OP_write)) continue;
    add_item(c, item);
  }
  for (int i = 0; i < c->ops + c->s->body->argument_count; i++) {
    Item *item = &c->items[i];
    if (!item->in) continue;
    if (is_needed(c, item)) cut_edge(c->cut, item->out, CUT_SINK, CUT_NEVER);
    for (int k = 0; item->op && k < item->op->operand_count; k++) {
      const Item *from = item_of(c, item->op->operands[k]);
      if (from && from->in) cut_edge(c->cut, from->out, item->in, CUT_NEVER);
    }
  }
  cut_solve(c->cut);
}

static bool is_kept(const Choice *c, const Item *item) {
  return item->in && !cut_is_sink_side(c->cut, item->in) && cut_is_sink_side(c->cut, item->out);
}

/* ---- what follows ---- */

static void keep(Choice *c, const Item *item) {
  for (int i = 0; i < item->op->result_count; i++) {
    Value *result = item->op->results[i], *copy = copy_of(c, result);
    copy->forward = scan_bind_emitted(c->s, result);
  }
}

/* What was carried into each trip: the first value, then what the carry became in all trips but the
 * last. */
static Value *carried_in(ScanGradient *s, const Value *argument, Value *next) {
  Gradient *g = s->g;
  Module *m = g->module;
  Value *sequence = scan_emitted(s, next), *first = s->op->operands[argument->index];
  Type one = first->type;
  bool backward = op_flag(s->op, ATTRIBUTE_backward);
  for (int a = one.rank++; a > s->axis; a--) one.dims[a] = one.dims[a - 1];
  one.dims[s->axis] = dim_constant(m->dims, 1);
  first = slope_reshape(g, first, &one);
  const Dim *start[MOST_AXES], *stop[MOST_AXES];
  for (int i = 0; i < one.rank; i++) {
    start[i] = dim_constant(m->dims, 0);
    stop[i] = sequence->type.dims[i];
  }
  const Dim *trips = stop[s->axis];
  if (dim_is(trips, 1)) return first;
  if (backward)
    start[s->axis] = dim_constant(m->dims, 1);
  else
    stop[s->axis] = dim_sub(m->dims, trips, dim_constant(m->dims, 1));
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(m, start, one.rank)},
                            {ATTRIBUTE_stop, attribute_dims(m, stop, one.rank)}};
  Value *rest = slope_build(g, OP_slice, &sequence, 1, attributes, 2);
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(m, s->axis)};
  Value *parts[] = {backward ? rest : first, backward ? first : rest};
  return slope_build(g, OP_concat, parts, 2, &axis, 1);
}

static void keep_carry(Choice *c, const Item *item, const Dim *trips) {
  ScanGradient *s = c->s;
  const Value *next = next_value(s, item->carry, trips);
  Value *copy = copy_of(c, item->carry);
  if (next && is_emitted(s, next))
    copy->forward = scan_bind(s, carried_in(s, item->carry, (Value *)(uintptr_t)next),
                              &item->carry->type, BIND_EACH);
  else
    copy->forward = scan_bind_emitted(s, s->body->arguments[item->carry->index]);
}

/* Copies of which nothing is used go, the last one first. Value.mark: uses. */
static void drop_copies(Block *block, const Op *last_copy) {
  bool is_copy = false;
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = 0;
  for (const Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
  for (int i = 0; i < block->yield_count; i++) value_follow(block->yields[i])->mark++;
  for (int i = 0; i < block->emit_count; i++) value_follow(block->emits[i])->mark++;
  for (Op *op = block->last, *previous; op; op = previous) {
    previous = op->previous;
    is_copy = is_copy || op == last_copy;
    bool used = !is_copy;
    for (int i = 0; i < op->result_count; i++) used = used || op->results[i]->mark > 0;
    for (int i = 0; used && i < op->operand_count; i++) value_follow(op->operands[i])->mark++;
    if (!used) op_remove(op);
  }
}

static void mark_needed(const Block *block, const Op *last_copy) {
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = 0;
  for (const Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
  for (const Op *op = last_copy ? last_copy->next : block->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) op->operands[i]->mark++;
  for (int i = 0; i < block->yield_count; i++) block->yields[i]->mark++;
  for (int i = 0; i < block->emit_count; i++) block->emits[i]->mark++;
}

void scan_kept_choose(ScanGradient *s, const Op *last_copy, const Dim *trips) {
  const Block *body = s->body;
  Choice c = {.s = s};
  for (Op *op = body->first; s->last; op = op->next) {
    op->mark = c.ops++;
    if (op == s->last) break;
  }
  c.items = ARENA_ARRAY(s->g->scratch, (size_t)(c.ops + body->argument_count) + 1, Item);
  for (const Op *op = body->first; s->last; op = op->next) {
    c.items[op->mark].op = op;
    if (op == s->last) break;
  }
  for (int i = 0; i < body->argument_count; i++)
    if (body->binds[i] == BIND_CARRY) c.items[c.ops + i].carry = body->arguments[i];
  find_checkpoints(&c);
  mark_needed(s->inner.b.block, last_copy);
  build_cut(&c);
  for (int i = 0; i < c.ops; i++)
    if (is_kept(&c, &c.items[i])) keep(&c, &c.items[i]);
  for (int i = 0; i < body->argument_count; i++)
    if (is_kept(&c, &c.items[c.ops + i])) keep_carry(&c, &c.items[c.ops + i], trips);
  if (last_copy) drop_copies(s->inner.b.block, last_copy);
  for (Op *op = body->first; op; op = op->next) op->mark = 0;
}
