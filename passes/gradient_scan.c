/* The gradient of scan: a scan over the same trips, the last one first.
 *
 *   forward   h, ys = scan (each %a = %as, carry h = %h0, %w) {
 *               .. yield h' emit y }
 *   gradient  dh0, dw, das = scan {backward} (each a, h, dy = the sequences, %w,
 *                                             carry dh = %dh, carry dw = 0) {
 *               the body again; dh, da, dw from dh and dy by the rules
 *               yield dh, dw + .. emit da }
 *
 * The new scan goes over the same elements in the opposite order. What the rules need of the body
 * is either emitted by the forward scan, which costs memory in each trip, or made again from what
 * is (scan_kept_choose). With a `while` the forward scan also emits whether the trip was made;
 * those not made change nothing. */
#include "passes/gradient_scan.h"
#include "passes/scan_bodies.h"

#include "support/bug.h"

/* ---- sequences ---- */

static const Dim *trips_of(const Op *op, int axis) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->region->binds[i] == BIND_EACH) return op->operands[i]->type.dims[axis];
  bug("a scan without a sequence");
}

static Type with_trips(const Op *op, const Type *type, int axis) {
  Type result = *type;
  for (int a = result.rank++; a > axis; a--) result.dims[a] = result.dims[a - 1];
  result.dims[axis] = trips_of(op, axis);
  return result;
}

Value *scan_emitted(ScanGradient *s, Value *value) {
  Op *op = s->op;
  Block *body = s->body;
  if (value->type.rank < s->axis) {
    const Dim *dims[MOST_AXES];
    int lead = s->axis - value->type.rank;
    for (int i = 0; i < s->axis; i++)
      dims[i] = i < lead ? dim_constant(s->g->module->dims, 1) : value->type.dims[i - lead];
    Builder b = {.function = body->function, .block = body, .at = op->at, .layer = op->layer};
    value = build_reshape(&b, value, dims, s->axis);
  }
  Type type = with_trips(op, &value->type, s->axis);
  return scan_emit(op, body, value, &type);
}

/* ---- the new region ---- */

Value *scan_bind(ScanGradient *s, Value *operand, const Type *type, BindKind kind) {
  vec_push(s->g->scratch, &s->operands, operand);
  return block_add_argument(s->inner.b.block, NULL, *type, kind);
}

Value *scan_bind_emitted(ScanGradient *s, Value *value) {
  Value *sequence = scan_emitted(s, value);
  Type type = sequence->type;
  type.rank--;
  for (int a = s->axis; a < type.rank; a++) type.dims[a] = type.dims[a + 1];
  Value *part = scan_bind(s, sequence, &type, BIND_EACH);
  if (type_equal(&type, &value->type)) return part;
  Builder b = {.function = s->body->function, .block = s->inner.b.block, .at = s->op->at};
  b.before = b.block->first;
  return build_reshape(&b, part, value->type.dims, value->type.rank);
}

static void number_block(const Block *block, int64_t *count) {
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = (*count)++;
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = (*count)++;
    if (op->region) number_block(op->region, count);
  }
}

static Value **mapped(const ScanGradient *s, Value *const *values, int count) {
  Value **result = ARENA_ARRAY(s->g->module->arena, (size_t)count + 1, Value *);
  for (int i = 0; i < count; i++) result[i] = s->map[values[i]->mark];
  return result;
}

static void copy_op(ScanGradient *s, Block *to, const Op *op) {
  Type *types = ARENA_ARRAY(s->g->scratch, (size_t)op->result_count + 1, Type);
  for (int i = 0; i < op->result_count; i++) types[i] = op->results[i]->type;
  Op *copy = op_new(to->function, op->kind, mapped(s, op->operands, op->operand_count),
                    op->operand_count, op->attributes, types, op->result_count);
  copy->symbol = op->symbol;
  copy->at = op->at;
  copy->layer = op->layer;
  for (int i = 0; i < op->result_count; i++) s->map[op->results[i]->mark] = copy->results[i];
  if (op->region) {
    const Block *from = op->region;
    Block *block = copy->region = block_new(to->function, copy);
    for (int i = 0; i < from->argument_count; i++)
      s->map[from->arguments[i]->mark] =
          block_add_argument(block, NULL, from->arguments[i]->type, from->binds[i]);
    for (const Op *inner = from->first; inner; inner = inner->next) copy_op(s, block, inner);
    block->yields = mapped(s, from->yields, from->yield_count);
    block->yield_count = from->yield_count;
    block->emits = mapped(s, from->emits, from->emit_count);
    block->emit_count = from->emit_count;
    block->while_ = from->while_ ? s->map[from->while_->mark] : NULL;
  }
  op_append(to, copy);
}

/* Arguments for what the body reads, and the body again. */
static void copy_body(ScanGradient *s) {
  int64_t count = 0;
  number_block(s->body, &count);
  s->map = ARENA_ARRAY(s->g->scratch, (size_t)count, Value *);
  for (int i = 0; i < s->body->argument_count; i++) {
    const Value *argument = s->body->arguments[i];
    BindKind kind = s->body->binds[i];
    Value *operand = kind == BIND_CARRY ? NULL : s->op->operands[i];
    s->map[argument->mark] =
        scan_bind(s, operand, &argument->type, kind == BIND_CARRY ? BIND_EACH : kind);
  }
  for (const Op *op = s->body->first; s->last; op = op->next) {
    if (op->kind != OP_write) copy_op(s, s->inner.b.block, op);
    if (op == s->last) break;
  }
}

static void follow_block(Block *block) {
  for (Op *op = block->first; op; op = op->next) {
    op_follow(op);
    if (op->region) follow_block(op->region);
  }
  for (int i = 0; i < block->yield_count; i++) block->yields[i] = value_follow(block->yields[i]);
  for (int i = 0; i < block->emit_count; i++) block->emits[i] = value_follow(block->emits[i]);
}

/* Stand-ins have no operand. */
static void drop_stand_ins(ScanGradient *s) {
  Block *block = s->inner.b.block;
  int count = 0;
  for (int i = 0; i < block->argument_count; i++) {
    if (!s->operands.items[i]) continue;
    s->operands.items[count] = s->operands.items[i];
    block->binds[count] = block->binds[i];
    block->arguments[count] = block->arguments[i];
    block->arguments[count]->index = count;
    count++;
  }
  block->argument_count = count;
  s->operands.count = (size_t)count;
}

/* ---- what is wanted ---- */

/* What is carried is wanted if its first value is, or if what it becomes in some trip is. */
static void find_wanted(ScanGradient *s) {
  const Block *body = s->body;
  int count = s->op->operand_count;
  s->is_wanted = ARENA_ARRAY(s->g->scratch, (size_t)count + 1, bool);
  for (int i = 0; i < count; i++) s->is_wanted[i] = gradient_wants(s->g, i);
  for (bool changed = true; changed;) {
    VEC(Value *) wanted = {0};
    changed = false;
    for (int i = 0; i < count; i++)
      if (s->is_wanted[i]) vec_push(s->g->scratch, &wanted, body->arguments[i]);
    const GradientSlot *slots =
        gradient_slots(s->g->scratch, body, NULL, wanted.items, (int)wanted.count);
    for (int i = 0, carry = 0; i < count; i++) {
      if (body->binds[i] != BIND_CARRY) continue;
      bool becomes = slots[body->yields[carry++]->mark].is_wanted;
      changed = changed || (becomes && !s->is_wanted[i]);
      s->is_wanted[i] = s->is_wanted[i] || becomes;
    }
  }
}

/* ---- the rule ---- */

/* In a trip that was not made the old value stays. */
static Value *if_made(ScanGradient *s, Value *value, Value *otherwise) {
  return s->made ? slope_where(&s->inner, s->made, value, otherwise) : value;
}

static Value *total(ScanGradient *s, const Value *argument) {
  Value *x = s->map[argument->mark], *sum = gradient_total(&s->inner, x);
  return sum ? slope_full(&s->inner, sum, &x->type) : slope_zeros(&s->inner, &x->type);
}

static Op *finish(ScanGradient *s) {
  Gradient *g = s->g;
  Block *block = s->inner.b.block;
  int count = block->yield_count + block->emit_count, next = 0;
  Type *types = ARENA_ARRAY(g->scratch, (size_t)count + 1, Type);
  for (int i = 0; i < block->yield_count; i++) types[next++] = block->yields[i]->type;
  for (int i = 0; i < block->emit_count; i++)
    types[next++] = with_trips(s->op, &block->emits[i]->type, s->axis);
  Op *op = op_new(block->function, OP_scan, s->operands.items, (int)s->operands.count,
                  s->op->attributes, types, count);
  op_set_attribute(op, ATTRIBUTE_backward, attribute_flag(!op_flag(s->op, ATTRIBUTE_backward)));
  op_set_attribute(op, ATTRIBUTE_apart, attribute_flag(false)); /* sums go from trip to trip */
  op->at = g->b.at;
  op->layer = g->b.layer;
  op->region = block;
  block->op = op;
  if (g->b.before)
    op_insert_before(g->b.before, op);
  else
    op_append(g->b.block, op);
  return op;
}

/* The gradients that come in: of what is carried on, of what is summed over all trips, and of what
 * a trip emitted. */
static void bind_slopes(ScanGradient *s) {
  Gradient *g = s->g;
  int count = s->op->operand_count, carry = 0;
  s->slopes = ARENA_ARRAY(g->scratch, (size_t)count + 1, Value *);
  s->emit_slopes = ARENA_ARRAY(g->scratch, (size_t)s->emits + 1, Value *);
  for (int i = 0; i < count; i++) {
    if (s->body->binds[i] != BIND_CARRY) continue;
    const Type *type = &s->op->operands[i]->type;
    Value *from = g->of[carry++];
    if (!s->is_wanted[i]) continue;
    from = from ? slope_full(g, from, type) : slope_zeros(g, type);
    s->slopes[i] = scan_bind(s, from, type, BIND_CARRY);
  }
  for (int i = 0; i < count; i++) {
    const Type *type = &s->op->operands[i]->type;
    if (s->body->binds[i] == BIND_PLAIN && s->is_wanted[i])
      s->slopes[i] = scan_bind(s, slope_zeros(g, type), type, BIND_CARRY);
  }
  for (int i = 0; i < s->emits; i++)
    if (g->of[s->yields + i])
      s->emit_slopes[i] =
          scan_bind(s, slope_full_of(g, s->yields + i), &s->body->emits[i]->type, BIND_EACH);
}

/* Differentiates the copied body, whose last operation is `last`. */
static void differentiate_body(ScanGradient *s, const Op *last) {
  VEC(Value *) wanted = {0};
  int carry = 0;
  for (int i = 0; i < s->op->operand_count; i++)
    if (s->is_wanted[i]) vec_push(s->g->scratch, &wanted, s->map[s->body->arguments[i]->mark]);
  s->inner.slots =
      gradient_slots(s->g->scratch, s->inner.b.block, NULL, wanted.items, (int)wanted.count);
  for (int i = 0; i < s->op->operand_count; i++) {
    if (s->body->binds[i] != BIND_CARRY) continue;
    const Value *next = s->body->yields[carry++];
    if (s->slopes[i]) gradient_seed(&s->inner, s->map[next->mark], s->slopes[i]);
  }
  for (int i = 0; i < s->emits; i++)
    if (s->emit_slopes[i])
      gradient_seed(&s->inner, s->map[s->body->emits[i]->mark], s->emit_slopes[i]);
  gradient_through(&s->inner, last);
  s->inner.b.at = s->op->at;
  s->inner.b.layer = s->op->layer;
  s->inner.op = s->op;
}

/* What goes on to the trip before, for operands of one kind; `place` is among the new results. */
static void yield_slopes(ScanGradient *s, BindKind kind, int *place) {
  Block *block = s->inner.b.block;
  for (int i = 0; i < s->op->operand_count; i++) {
    if (!s->slopes[i] || s->body->binds[i] != kind) continue;
    place[i] = block->yield_count++;
    block->yields[place[i]] = s->slopes[i];
    if (kind == BIND_PLAIN && !gradient_total(&s->inner, s->map[s->body->arguments[i]->mark])) {
      s->is_wanted[i] = false; /* the body does not use it */
      continue;
    }
    Value *value = total(s, s->body->arguments[i]);
    if (kind == BIND_PLAIN) value = slope_binary(&s->inner, OP_add, s->slopes[i], value);
    block->yields[place[i]] = if_made(s, value, s->slopes[i]);
  }
}

static void emit_slopes(ScanGradient *s, int *place) {
  Block *block = s->inner.b.block;
  for (int i = 0; i < s->op->operand_count; i++) {
    if (s->body->binds[i] != BIND_EACH || !s->is_wanted[i]) continue;
    Value *value = total(s, s->body->arguments[i]);
    place[i] = block->yield_count + block->emit_count;
    block->emits[block->emit_count++] =
        if_made(s, value, slope_number(&s->inner, value->type.element, 0));
  }
}

GRADIENT(scan) {
  Op *op = g->op->results[0]->op;
  Block *body = op->region;
  if (gradient_expand(body, NULL, NULL)) follow_block(body);
  ScanGradient s = {.g = g,
                    .inner = *g,
                    .op = op,
                    .body = body,
                    .last = body->last,
                    .axis = (int)op_integer(op, ATTRIBUTE_axis),
                    .yields = body->yield_count,
                    .emits = body->emit_count};
  size_t count = (size_t)op->operand_count;
  Block *block = s.inner.b.block = block_new(body->function, NULL);
  s.inner.b.before = NULL;
  find_wanted(&s);
  copy_body(&s);
  Op *last = block->last;
  if (body->while_) {
    Builder b = {.function = body->function, .block = body, .at = op->at, .layer = op->layer};
    Attribute yes = {ATTRIBUTE_value, attribute_number(number_integer(1))};
    s.made = scan_bind_emitted(
        &s, build_typed(&b, OP_constant, type_scalar(ELEMENT_bool), NULL, &yes, 1));
  }
  bind_slopes(&s);
  differentiate_body(&s, last);
  block->yields = ARENA_ARRAY(g->module->arena, count + 1, Value *);
  block->emits = ARENA_ARRAY(g->module->arena, count + 1, Value *);
  int *place = ARENA_ARRAY(g->scratch, count + 1, int);
  yield_slopes(&s, BIND_CARRY, place);
  yield_slopes(&s, BIND_PLAIN, place);
  emit_slopes(&s, place);
  scan_kept_choose(&s, last, trips_of(op, s.axis));
  follow_block(block);
  drop_stand_ins(&s);
  const Op *scan = finish(&s);
  for (int i = 0; i < op->operand_count; i++)
    if (s.is_wanted[i]) gradient_give(g, i, scan->results[place[i]]);
}
