/* writes.c - parameters and states within a function: each is read once, a use after a write takes
 * the written value, and at the end the last value of each is written.
 */
#include "frontend/elaborator.h"

static PointerTable *held_table(Elaborator *e, Region *region) {
  if (region) return &region->held;
  return e->builder == &e->init_builder ? &e->init_held : &e->held;
}

Held *held_of(Elaborator *e, const NamedParameter *parameter) {
  return pointer_get(held_table(e, e->region), parameter);
}

Value *marked_version(Elaborator *e, const NamedParameter *parameter, int64_t mark) {
  for (Region *region = e->region;; region = region->outer) {
    const Held *held = pointer_get(held_table(e, region), parameter);
    for (size_t i = held ? held->versions.count : 0; i-- > 0;)
      if (held->versions.items[i]->mark == mark) return held->versions.items[i];
    if (!region) return NULL;
  }
}

static void add_version(Elaborator *e, Region *region, const NamedParameter *parameter,
                        Value *value) {
  Held *held = pointer_get(held_table(e, region), parameter);
  if (!held) {
    held = ARENA_NEW(e->arena, Held);
    pointer_set(held_table(e, region), parameter, held);
  }
  vec_push(e->arena, &held->versions, value);
}

/* The first use in any entry makes it a tensor of the module. */
static void add_tensor(Elaborator *e, NamedParameter *parameter) {
  if (parameter->tensor) return;
  parameter->tensor = module_add_tensor(e->module, parameter->kind, parameter->path,
                                        parameter->type, parameter->at);
  if (parameter->kind == TENSOR_PARAM) e->parameter_numbers += type_static_count(&parameter->type);
  initialise(e, parameter);
}

/* The `read` stands in the function's body: a scan binds its value. */
static Value *read_outside(const Site *site, const NamedParameter *parameter) {
  Builder *builder = site->e->builder;
  Block *block = builder ? builder->block : NULL;
  if (builder) builder->block = builder->function->body;
  Value *value = emit_typed(site, OP_read, parameter->type, parameter->path, NULL, 0);
  if (builder) builder->block = block;
  return value;
}

static Value *read_in(const Site *site, Region *region, const NamedParameter *parameter) {
  Elaborator *e = site->e;
  const Held *held = e->builder ? pointer_get(held_table(e, region), parameter) : NULL;
  if (held) return vec_last(&held->versions);
  Value *value = region ? read_in(site, region->outer, parameter) : read_outside(site, parameter);
  if (value && region) value = region_bind(e, region, value);
  if (value) add_version(e, region, parameter, value);
  return value;
}

Value *read_parameter(const Site *site, NamedParameter *parameter) {
  if (site->e->builder) add_tensor(site->e, parameter);
  return read_in(site, site->e->region, parameter);
}

Object *snapshot(Elaborator *e, Frame *frame, Object *object, Span span) {
  if (object->kind != OBJECT_PARAMETER || !e->builder) return object;
  Site site = {e, frame, span, NULL, 0, NULL};
  Object *tensor = object_tensor(e, read_parameter(&site, object->parameter));
  if (!is_error(tensor)) tensor->parameter = object->parameter;
  return tensor;
}

void write_parameter(const Site *site, NamedParameter *parameter, Value *value) {
  Elaborator *e = site->e;
  read_parameter(site, parameter);
  add_version(e, e->region, parameter, value);
  Held *held = held_of(e, parameter);
  held->is_written = true;
  held->at = location_at(e, site->frame, site->span);
}

void emit_writes(Elaborator *e) {
  for (size_t i = 0; i < e->held.entries.count; i++) {
    const NamedParameter *parameter = e->held.entries.items[i].key;
    const Held *held = e->held.entries.items[i].value;
    if (!held->is_written) continue;
    e->builder->at = held->at;
    build_write(e->builder, parameter->path, vec_last(&held->versions));
  }
}

/* ---- targets ---- */

static void note_declared(Elaborator *e, Diagnostic *d, const NamedParameter *parameter) {
  const Stmt *stmt = parameter->declared;
  if (!is_standard(e, stmt->span))
    diag_note(d, stmt->span, "'%s' is declared here", stmt->name.name);
}

static bool may_write(Elaborator *e, Frame *frame, const NamedParameter *parameter, Span span) {
  const char *name = parameter->path;
  if (!e->builder || e->builder == &e->init_builder) {
    report(e, frame, E0401, span, "'%s' is written outside of an entry", name);
    return false;
  }
  if (parameter->kind == TENSOR_STATE || e->entry_kind != FUNCTION_MODEL) return true;
  Diagnostic *d = report(e, frame, E0401, span, "the parameter '%s' is written in a model", name);
  note_declared(e, d, parameter);
  diag_help(d, "parameters change in train entries; what a model keeps is a state");
  return false;
}

static Value *whole_value(const Site *site, const NamedParameter *parameter, Object *value) {
  Elaborator *e = site->e;
  const Type *type = &parameter->type;
  Value *tensor = to_tensor(site, value, &type->element);
  if (!tensor) return NULL;
  if (!is_tensor(value) && !tensor->type.rank)
    tensor = broadcast_to(site, tensor, type->dims, type->rank);
  if (!tensor) return NULL;
  bool fits = tensor->type.rank == type->rank && tensor->type.element == type->element;
  for (int i = 0; i < type->rank && fits; i++)
    fits = same_dim(e, site->frame, site->span, type->dims[i], tensor->type.dims[i]);
  if (fits) return tensor;
  Diagnostic *d = report(e, site->frame, E0405, site->span, "what is written does not fit '%s'",
                         parameter->declared->name.name);
  diag_label(d, "%s into %s", type_text(e->arena, &tensor->type), type_text(e->arena, type));
  note_declared(e, d, parameter);
  return NULL;
}

static void write_object(Elaborator *e, Frame *frame, Object *object, Object *value, Span span) {
  if (is_error(object) || is_error(value)) return;
  if (object->kind == OBJECT_LIST && value->kind == OBJECT_LIST) {
    if (object->count != value->count) {
      report(e, frame, E0231, span, "%s is written to %s", object_text(e, value),
             object_text(e, object));
      return;
    }
    for (size_t i = 0; i < object->count; i++)
      write_object(e, frame, object->items[i], value->items[i], span);
    return;
  }
  if (!is_tensor(object) || !object->parameter) {
    Diagnostic *d = report(e, frame, E0008, span, "this is no state: %s", object_text(e, object));
    diag_help(d, "'<-' writes states and parameters; a new value is bound with '='");
    return;
  }
  if (!may_write(e, frame, object->parameter, span)) return;
  Site site = {e, frame, span, NULL, 0, "<-"};
  Value *tensor = whole_value(&site, object->parameter, value);
  if (tensor) write_parameter(&site, object->parameter, tensor);
}

/* What a target names; states are not read by that. */
static Object *target_object(Elaborator *e, Frame *frame, const Expr *expr) {
  switch (expr->kind) {
  case EXPR_NAME:
    return look_up(e, frame, expr->name, expr->span);
  case EXPR_FIELD:
    return member_of(e, frame, target_object(e, frame, expr->left), expr->name, expr->span);
  case EXPR_INDEX: {
    Object *base = target_object(e, frame, expr->left);
    return is_tensor(base) ? base : element_of(e, frame, base, expr);
  }
  default:
    return evaluate(e, frame, expr);
  }
}

static void write_part(Elaborator *e, Frame *frame, Object *object, const Expr *target,
                       Object *value) {
  if (!object->parameter) {
    write_object(e, frame, object, value, target->span);
    return;
  }
  if (is_error(value) || !may_write(e, frame, object->parameter, target->span)) return;
  Site site = {e, frame, target->span, NULL, 0, "<-"};
  Value *old = read_parameter(&site, object->parameter);
  Value *whole = old ? update_part(e, frame, old, target, value) : NULL;
  if (whole) write_parameter(&site, object->parameter, whole);
}

static void write_target(Elaborator *e, Frame *frame, const Expr *target, Object *value) {
  if (target->kind == EXPR_INDEX) {
    Object *base = target_object(e, frame, target->left);
    if (is_tensor(base))
      write_part(e, frame, base, target, value);
    else
      write_object(e, frame, element_of(e, frame, base, target), value, target->span);
    return;
  }
  Object *object = target_object(e, frame, target);
  /* A name that was bound to a parameter stands for it from here on. */
  if (target->kind == EXPR_NAME && object->kind == OBJECT_TENSOR && object->parameter) {
    Object *parameter = object_new(e, OBJECT_PARAMETER);
    parameter->parameter = object->parameter;
    pointer_set(&frame->scope->names, target->name, parameter);
  }
  write_object(e, frame, object, value, target->span);
}

void execute_write(Elaborator *e, Frame *frame, const Stmt *stmt) {
  Object **values = ARENA_ARRAY(e->arena, stmt->targets.count, Object *);
  if (!evaluate_values(e, frame, stmt, values)) return;
  for (size_t i = 0; i < stmt->targets.count && !e->stopped; i++)
    write_target(e, frame, stmt->targets.items[i], values[i]);
}
