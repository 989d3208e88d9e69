/* scan.c - loops that run: the body is elaborated once, as the region of a `scan` operation.
 *
 *   ys = scan x in xs axis 1 carry h while c { .. emit y }
 *
 * The region binds elements of the sequences ("each"), the carried names ("carry"), and what its
 * operations use of the values around it. Parameters and states are read outside; one that the body
 * writes becomes a carry, so that each trip sees what the trip before has written.
 */
#include "frontend/elaborator.h"

#include <string.h>

typedef VEC(Value *) Values;

struct Scan {
  Scan *outer;
  Elaborator *e;
  Frame *frame;
  const Stmt *stmt;
  Scope *scope; /* of the body */
  Site site;
  int axis;
  const Dim *trips;
  Region region;
  Values operands;       /* of the operation, as many as the region has arguments */
  Object **carried;      /* for each carried name what it is in the body at first */
  Object **emitted;      /* of the one `emit`; NULL until it is met */
  Values yields, emits;  /* tensors, lists taken apart */
  PointerTable captured; /* value around the region -> its argument */
};

static Value *bind_value(Scan *s, Value *outer, Type type, BindKind kind) {
  vec_push(s->e->arena, &s->operands, outer);
  return block_add_argument(s->region.block, NULL, type, kind);
}

/* ---- parameters and states ---- */

Value *region_bind(Elaborator *e, const Region *region, Value *outer) {
  Scan *s = e->scan;
  while (&s->region != region) s = s->outer;
  return bind_value(s, outer, outer->type, BIND_PLAIN);
}

/* ---- sequences ---- */

static Value *range_values(Scan *s, const Expr *range) {
  Elaborator *e = s->e;
  DimTable *table = e->module->dims;
  Object *ends[] = {evaluate(e, s->frame, range->left), evaluate(e, s->frame, range->right)};
  const Dim *dims[2];
  for (int i = 0; i < 2; i++) {
    if (is_error(ends[i])) return NULL;
    dims[i] = object_to_dim(e, ends[i]);
    if (dims[i]) continue;
    Diagnostic *d = report(e, s->frame, E0303, i ? range->right->span : range->left->span,
                           "a range needs known ends");
    diag_label(d, "%s", object_text(e, ends[i]));
    if (is_tensor(ends[i])) diag_help(d, "bound it, and end it earlier: scan i in 0..100 while ..");
    return NULL;
  }
  Site site = s->site;
  site.span = range->span;
  const Dim *count = dim_sub(table, dims[1], dims[0]);
  if (!count || dim_max(count) < 0) {
    report(e, s->frame, E0212, range->span, "a range of %s trips",
           count ? dim_text(e, count) : "?");
    return NULL;
  }
  Type type = {ELEMENT_i64, 1, {count}};
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(e->module, 0)};
  Value *numbers = emit_typed(&site, OP_iota, type, NULL, &axis, 1);
  if (!numbers || dim_is(dims[0], 0)) return numbers;
  const Element index = ELEMENT_i64;
  Value *first = to_tensor(&site, object_dim(e, dims[0]), &index);
  return first ? emit(&site, OP_add, (Value *[]){numbers, first}, 2, NULL, 0) : NULL;
}

static bool read_axis(Scan *s, int rank, Span span) {
  Elaborator *e = s->e;
  int64_t axis = 0;
  if (s->stmt->axis) {
    Object *object = evaluate(e, s->frame, s->stmt->axis);
    if (is_error(object)) return false;
    if (object->kind != OBJECT_INTEGER) {
      report(e, s->frame, E0223, s->stmt->axis->span, "an axis is a whole number, not %s",
             object_text(e, object));
      return false;
    }
    axis = object->integer < 0 ? object->integer + rank : object->integer;
    if (s->trips && axis != s->axis) axis = -1; /* counted from the end, of another rank */
    span = s->stmt->axis->span;
  }
  s->axis = (int)axis;
  if (axis >= 0 && axis < rank) return true;
  Diagnostic *d = report(e, s->frame, E0205, span, "there is no axis %lld", (long long)axis);
  diag_label(d, "a tensor of %d axes", rank);
  return false;
}

static Value *sequence_values(Scan *s, const Expr *expr, bool *is_range) {
  Elaborator *e = s->e;
  *is_range = expr->kind == EXPR_RANGE;
  if (*is_range) return range_values(s, expr);
  Object *object = evaluate(e, s->frame, expr);
  if (is_error(object)) return NULL;
  Site site = s->site;
  site.span = expr->span;
  if (is_tensor(object)) return to_tensor(&site, object, NULL);
  Diagnostic *d = report(e, s->frame, E0223, expr->span,
                         "'scan' goes over tensors and ranges, not %s", object_text(e, object));
  if (object->kind == OBJECT_LIST)
    diag_help(d, "'for' goes over lists, or stack(xs) makes a tensor");
  return NULL;
}

/* A range has no axes before the scan's: of size 1 they are added around the loop, and taken away
 * in it. */
static Value *range_along(Scan *s, Value *numbers) {
  if (!s->axis) return numbers;
  const Dim *dims[MOST_AXES];
  for (int axis = 0; axis < s->axis; axis++) dims[axis] = dim_constant(s->e->module->dims, 1);
  dims[s->axis] = numbers->type.dims[0];
  return reshape_to(&s->site, numbers, dims, s->axis + 1);
}

static Value *range_element(Scan *s, Value *element) {
  Builder *builder = s->e->builder;
  Block *around = builder->block;
  builder->block = s->region.block;
  element = reshape_to(&s->site, element, NULL, 0);
  builder->block = around;
  return element;
}

static bool bind_sequence(Scan *s, size_t i) {
  Elaborator *e = s->e;
  const Expr *expr = s->stmt->values.items[i];
  bool is_range;
  Value *values = sequence_values(s, expr, &is_range);
  if (!values || !read_axis(s, is_range ? MOST_AXES : values->type.rank, expr->span)) return false;
  if (is_range) values = range_along(s, values);
  if (!values) return false;
  const Dim *trips = values->type.dims[s->axis];
  if (i == 0) s->trips = trips;
  if (trips != s->trips) {
    Diagnostic *d = report(e, s->frame, E0203, expr->span, "sequences of different lengths");
    diag_label(d, "%s and %s", dim_text(e, s->trips), dim_text(e, trips));
    return false;
  }
  Type type = values->type;
  type.rank--;
  for (int axis = s->axis; axis < type.rank; axis++) type.dims[axis] = type.dims[axis + 1];
  Value *element = bind_value(s, values, type, BIND_EACH);
  if (is_range) element = range_element(s, element);
  Object *object = object_tensor(e, element);
  object->is_index = is_range;
  pointer_set(&s->scope->names, s->stmt->names.items[i].name, object);
  return !is_error(object);
}

static bool bind_sequences(Scan *s) {
  const Stmt *stmt = s->stmt;
  if (stmt->names.count != stmt->values.count) {
    report(s->e, s->frame, E0231, stmt->span, "%zu names for %zu sequences", stmt->names.count,
           stmt->values.count);
    return false;
  }
  for (size_t i = 0; i < stmt->values.count; i++)
    if (!bind_sequence(s, i)) return false;
  return true;
}

/* ---- carried names: tensors, and lists of them ---- */

static Object *carry_object(Scan *s, Object *object, const char *name, Span span) {
  Elaborator *e = s->e;
  if (is_error(object)) return object;
  if (object->kind == OBJECT_LIST) {
    Object *list = object_list(e, object->count);
    for (size_t i = 0; i < list->count; i++) {
      list->items[i] = carry_object(s, object->items[i], name, span);
      if (is_error(list->items[i])) return error_object;
    }
    return list;
  }
  if (!is_tensor(object) && !is_number(object) && object->kind != OBJECT_BOOL) {
    report(e, s->frame, E0411, span, "'%s' cannot be carried: it is %s", name,
           object_text(e, object));
    return error_object;
  }
  Site site = s->site;
  site.span = span;
  Value *value = to_tensor(&site, object, NULL);
  return value ? object_tensor(e, bind_value(s, value, value->type, BIND_CARRY)) : error_object;
}

static bool bind_carries(Scan *s) {
  const IdentList *names = &s->stmt->carry;
  s->carried = ARENA_ARRAY(s->e->arena, names->count + 1, Object *);
  for (size_t i = 0; i < names->count; i++) {
    const Ident *name = &names->items[i];
    Object *before =
        snapshot(s->e, s->frame, look_up(s->e, s->frame, name->name, name->span), name->span);
    s->carried[i] = carry_object(s, before, name->name, name->span);
    if (is_error(s->carried[i])) return false;
  }
  for (size_t i = 0; i < names->count; i++)
    pointer_set(&s->scope->names, names->items[i].name, s->carried[i]);
  return true;
}

static Object *changed(Scan *s, const char *name, const Object *first, const Object *last,
                       Span span) {
  Elaborator *e = s->e;
  Diagnostic *d = report(e, s->frame, E0411, span, "'%s' is carried, and changes its type", name);
  diag_label(d, "%s before, %s after a trip", object_text(e, first), object_text(e, last));
  if (is_tensor(first) && !object_tensor_type(first)->rank)
    diag_help(d, "give it its type before the loop: %s = full(f32, 0)", name);
  return error_object;
}

/* The value of a carried name after a trip, as yields. */
static bool yield_object(Scan *s, const char *name, const Object *first, Object *last, Span span) {
  Elaborator *e = s->e;
  if (is_error(last)) return false;
  if (first->kind == OBJECT_LIST) {
    if (last->kind != OBJECT_LIST || last->count != first->count)
      return changed(s, name, first, last, span), false;
    for (size_t i = 0; i < first->count; i++)
      if (!yield_object(s, name, first->items[i], last->items[i], span)) return false;
    return true;
  }
  const Type *type = object_tensor_type(first);
  if (!is_tensor(last) && !is_number(last) && last->kind != OBJECT_BOOL)
    return changed(s, name, first, last, span), false;
  Site site = s->site;
  site.span = span;
  Value *value = to_tensor(&site, last, &type->element);
  if (!value) return false;
  if (!type_equal(&value->type, type)) return changed(s, name, first, last, span), false;
  vec_push(e->arena, &s->yields, value);
  return true;
}

static bool yield_carries(Scan *s) {
  for (size_t i = 0; i < s->stmt->carry.count; i++) {
    const Ident *name = &s->stmt->carry.items[i];
    Object *last = pointer_get(&s->scope->names, name->name);
    if (!yield_object(s, name->name, s->carried[i], last, name->span)) return false;
  }
  for (size_t i = 0; i < s->region.held.entries.count; i++) {
    const Held *held = s->region.held.entries.items[i].value;
    if (!held->is_written) continue;
    s->region.block->binds[held->versions.items[0]->index] = BIND_CARRY;
    vec_push(s->e->arena, &s->yields, vec_last(&held->versions));
  }
  return true;
}

/* ---- emit ---- */

void execute_emit(Elaborator *e, Frame *frame, const Stmt *stmt) {
  Scan *s = e->scan;
  if (!s || s->frame != frame) {
    report(e, frame, E0007, stmt->span, "'emit' stands in the body of a 'scan'");
    return;
  }
  if (s->emitted) {
    Diagnostic *d = report(e, frame, E0412, stmt->span, "a trip emits twice");
    diag_help(d, "emit all of it at once: emit a, b");
    return;
  }
  s->emitted = ARENA_ARRAY(e->arena, stmt->values.count + 1, Object *);
  for (size_t i = 0; i < stmt->values.count; i++) {
    Object *object = evaluate(e, frame, stmt->values.items[i]);
    Site site = s->site;
    site.span = stmt->values.items[i]->span;
    Value *value = is_error(object) ? NULL : to_tensor(&site, object, NULL);
    if (value && value->type.rank < s->axis) {
      Diagnostic *d =
          report(e, frame, E0205, site.span, "what is emitted is put along axis %d", s->axis);
      diag_label(d, "%s", type_text(e->arena, &value->type));
      value = NULL;
    }
    if (!value) {
      s->emitted[0] = error_object;
      return;
    }
    s->emitted[i] = object_tensor(e, value);
    vec_push(e->arena, &s->emits, value);
  }
}

/* ---- the operation ---- */

static Value *inside(Scan *s, Value *value) {
  const Block *block = value->op ? value->op->block : value->block;
  if (block == s->region.block) return value;
  Value *argument = pointer_get(&s->captured, value);
  if (argument) return argument;
  argument = bind_value(s, value, value->type, BIND_PLAIN);
  pointer_set(&s->captured, value, argument);
  return argument;
}

static void capture(Scan *s) {
  for (Op *op = s->region.block->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) op->operands[i] = inside(s, op->operands[i]);
  for (size_t i = 0; i < s->yields.count; i++) s->yields.items[i] = inside(s, s->yields.items[i]);
  for (size_t i = 0; i < s->emits.count; i++) s->emits.items[i] = inside(s, s->emits.items[i]);
  if (s->region.block->while_) s->region.block->while_ = inside(s, s->region.block->while_);
}

static Op *make_operation(Scan *s) {
  Elaborator *e = s->e;
  Block *block = s->region.block;
  Arena *arena = e->module->arena;
  block->yields = arena_copy(arena, s->yields.items, s->yields.count * sizeof(Value *));
  block->yield_count = (int)s->yields.count;
  block->emits = arena_copy(arena, s->emits.items, s->emits.count * sizeof(Value *));
  block->emit_count = (int)s->emits.count;
  size_t count = s->yields.count + s->emits.count;
  Type *types = ARENA_ARRAY(e->arena, count + 1, Type);
  for (size_t i = 0; i < s->yields.count; i++) types[i] = s->yields.items[i]->type;
  for (size_t i = 0; i < s->emits.count; i++) {
    Type type = s->emits.items[i]->type;
    if (type.rank == MOST_AXES) {
      report(e, s->frame, E0611, s->stmt->span, "a tensor has at most %d axes", MOST_AXES);
      return NULL;
    }
    for (int axis = type.rank++; axis > s->axis; axis--) type.dims[axis] = type.dims[axis - 1];
    type.dims[s->axis] = s->trips;
    types[s->yields.count + i] = type;
  }
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integer(e->module, s->axis)},
                            {ATTRIBUTE_backward, attribute_flag(false)},
                            {ATTRIBUTE_apart, attribute_flag(false)}};
  Op *op = op_new(e->builder->function, OP_scan, s->operands.items, (int)s->operands.count,
                  attributes, types, (int)count);
  op->region = block;
  block->op = op;
  op->at = location_at(e, s->frame, s->stmt->span);
  op->layer = s->frame->layer;
  op_append(e->builder->block, op);
  return op;
}

/* ---- after the loop ---- */

static Object *result_object(Scan *s, const Object *first, const Op *op, int *next) {
  if (first->kind != OBJECT_LIST) return object_tensor(s->e, op->results[(*next)++]);
  Object *list = object_list(s->e, first->count);
  for (size_t i = 0; i < list->count; i++)
    list->items[i] = result_object(s, first->items[i], op, next);
  return list;
}

static void bind_results(Scan *s, const Op *op) {
  Elaborator *e = s->e;
  const Stmt *stmt = s->stmt;
  int next = 0;
  for (size_t i = 0; i < stmt->carry.count; i++)
    pointer_set(&s->frame->scope->names, stmt->carry.items[i].name,
                result_object(s, s->carried[i], op, &next));
  for (size_t i = 0; i < s->region.held.entries.count; i++) {
    const Held *held = s->region.held.entries.items[i].value;
    if (held->is_written)
      write_parameter(&s->site, (NamedParameter *)s->region.held.entries.items[i].key,
                      op->results[next++]);
  }
  size_t emits = s->emits.count, targets = stmt->targets.count;
  if (!targets) return;
  if (targets != emits && !(targets == 1 && emits > 1)) {
    Diagnostic *d = report(e, s->frame, E0412, stmt->span, "%zu name%s for %zu emitted values",
                           targets, targets == 1 ? "" : "s", emits);
    if (!emits) diag_help(d, "'emit y' in the body gives a value of each trip");
  }
  Object *list = object_list(e, emits);
  for (size_t i = 0; i < emits; i++) list->items[i] = object_tensor(e, op->results[next++]);
  for (size_t i = 0; i < targets; i++)
    bind_target(e, s->frame, stmt->targets.items[i],
                targets == emits        ? list->items[i]
                : targets == 1 && emits ? list
                                        : error_object);
}

static void fail(Scan *s) {
  const Stmt *stmt = s->stmt;
  for (size_t i = 0; i < stmt->carry.count; i++)
    pointer_set(&s->frame->scope->names, stmt->carry.items[i].name, error_object);
  for (size_t i = 0; i < stmt->targets.count; i++)
    bind_target(s->e, s->frame, stmt->targets.items[i], error_object);
}

static bool read_condition(Scan *s) {
  Elaborator *e = s->e;
  const Expr *expr = s->stmt->condition;
  if (!expr) return true;
  Object *condition = evaluate(e, s->frame, expr);
  Site site = s->site;
  site.span = expr->span;
  Value *value = is_error(condition) ? NULL : to_tensor(&site, condition, NULL);
  if (!value) return false;
  if (value->type.element == ELEMENT_bool && !value->type.rank) {
    s->region.block->while_ = value;
    return true;
  }
  Diagnostic *d = report(e, s->frame, E0308, expr->span, "'while' asks a single bool");
  diag_label(d, "%s", type_text(e->arena, &value->type));
  return false;
}

static bool execute_body(Scan *s) {
  if (!read_condition(s)) return false;
  execute(s->e, s->frame, &s->stmt->body);
  return !s->frame->is_done && !s->e->stopped && (!s->emitted || !is_error(s->emitted[0])) &&
         yield_carries(s);
}

void execute_scan(Elaborator *e, Frame *frame, const Stmt *stmt) {
  Site site = {e, frame, stmt->span, NULL, 0, "scan"};
  Scan s = {.outer = e->scan, .e = e, .frame = frame, .stmt = stmt, .site = site};
  Builder *builder = e->builder;
  if (!builder) {
    report(e, frame, E0120, stmt->span, "loops run in entries only");
    fail(&s);
    return;
  }
  Scope *outer = frame->scope;
  Block *around = builder->block;
  s.scope = scope_new(e, outer);
  s.region = (Region){.outer = e->region, .block = block_new(builder->function, NULL)};
  s.region.held.arena = s.captured.arena = e->arena;
  bool fine = bind_sequences(&s) && bind_carries(&s);
  if (fine) {
    e->scan = &s;
    e->region = &s.region;
    frame->scope = s.scope;
    builder->block = s.region.block;
    fine = execute_body(&s);
    builder->block = around;
    frame->scope = outer;
    e->region = s.region.outer;
    e->scan = s.outer;
  }
  Op *op = NULL;
  if (fine) {
    capture(&s);
    op = make_operation(&s);
  }
  if (op)
    bind_results(&s, op);
  else if (!e->stopped)
    fail(&s);
}

/* A name of the body is its own; one from around the loop must be carried to be changed. */
bool may_bind_in_scan(Elaborator *e, Frame *frame, const char *path, Span span) {
  const Scan *s = e->scan;
  if (!s || s->frame != frame || pointer_get(&s->scope->names, path)) return true;
  for (const Scope *scope = s->scope->parent; scope; scope = scope->parent) {
    if (!pointer_get(&scope->names, path)) continue;
    Diagnostic *d =
        report(e, frame, E0413, span, "'%s' is bound before the loop, and not carried", path);
    diag_help(d, "carry it, if a trip needs what the trip before gave: scan .. carry %s", path);
    return false;
  }
  return true;
}
