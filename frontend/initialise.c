/* initialise.c - the function `init`: first values of parameters and states. */
#include "frontend/elaborator.h"

static Value *initial_value(const Site *site, const NamedParameter *parameter, Object *object,
                            const Type *type) {
  Elaborator *e = site->e;
  if (!type) return to_tensor(site, object, NULL);
  if (is_number(object) || object->kind == OBJECT_BOOL) {
    Value *number = to_tensor(site, object, &type->element);
    return number ? broadcast_to(site, number, type->dims, type->rank) : NULL;
  }
  if (is_callable(object) && object->kind != OBJECT_LIST) {
    CallSite call = {e, site->frame, parameter->declared->init, site->span, false};
    Actual argument = {NULL, object_type(e, *type, false), site->span, SPAN_NONE};
    object = call_object(&call, object, &argument, 1);
  }
  return is_error(object) ? NULL : to_tensor(site, object, &type->element);
}

/* Without an initialiser it is 0. */
static Value *zero(const Site *site, const Type *type) {
  Attribute value = {ATTRIBUTE_value, attribute_number(number_integer(0))};
  return emit_typed(site, OP_full, *type, NULL, &value, 1);
}

/* In `init`, whatever is being built: with sites of its own, so that a new layer leaves the random
 * numbers of others as they were. */
static Value *first_value(Elaborator *e, NamedParameter *parameter, const Type *type) {
  Frame *frame = parameter->frame;
  const Expr *init = parameter->declared->init;
  Builder *builder = e->builder;
  Block *block = e->init_builder.block;
  const NamedParameter *outer = e->initialised;
  const Type *declared = frame->declared;
  int site_number = e->site;
  Region *region = e->region;
  Scan *scan = e->scan;
  e->builder = &e->init_builder;
  e->init_builder.block = e->init->body;
  e->region = NULL;
  e->scan = NULL;
  e->initialised = parameter;
  e->site = 0;
  frame->declared = type;
  Object *object = init ? evaluate(e, frame, init) : none_object;
  frame->declared = NULL;
  Site site = {e,    frame, init ? init->span : parameter->declared->span,
               NULL, 0,     parameter->declared->name.name};
  Value *value = NULL;
  if (!is_error(object) && !e->stopped)
    value = init ? initial_value(&site, parameter, object, type) : zero(&site, type);
  frame->declared = declared;
  e->site = site_number;
  e->initialised = outer;
  e->init_builder.block = block;
  e->region = region;
  e->scan = scan;
  e->builder = builder;
  return value;
}

bool initialise_type(Elaborator *e, NamedParameter *parameter) {
  parameter->first = first_value(e, parameter, NULL);
  if (!parameter->first) return false;
  parameter->type = parameter->first->type;
  return true;
}

void initialise(Elaborator *e, NamedParameter *parameter) {
  if (e->stopped) return;
  Value *value = parameter->first;
  if (!value) value = first_value(e, parameter, &parameter->type);
  if (!value || e->stopped) return;
  const Stmt *declared = parameter->declared;
  Span span = declared->init ? declared->init->span : declared->span;
  if (!type_equal(&value->type, &parameter->type)) {
    Diagnostic *d = report(e, parameter->frame, E0226, span,
                           "the first value of '%s' has another type", declared->name.name);
    diag_label(d, "%s declared, %s given", type_text(e->arena, &parameter->type),
               type_text(e->arena, &value->type));
    return;
  }
  Held *held = ARENA_NEW(e->arena, Held);
  vec_push(e->arena, &held->versions, value);
  pointer_set(&e->init_held, parameter, held);
  Builder writer = {.function = e->init, .block = e->init->body};
  writer.at = location_at(e, parameter->frame, span);
  build_write(&writer, parameter->path, value);
}
