/* initialise.c - the function `init`: first values of parameters and states. */
#include "frontend/elaborator.h"

static Value *initial_value(const Site *site, const NamedParameter *parameter, Object *object) {
  Elaborator *e = site->e;
  const Type *type = &parameter->type;
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

void initialise(Elaborator *e, NamedParameter *parameter) {
  const Expr *init = parameter->declared->init;
  if (!init || e->stopped) return;
  Builder *builder = e->builder;
  const NamedParameter *outer = e->initialised;
  Frame *frame = parameter->frame;
  const Type *declared = frame->declared;
  int site_number = e->site;
  e->builder = &e->init_builder;
  e->initialised = parameter;
  e->site = 0;
  frame->declared = &parameter->type;
  Object *object = evaluate(e, frame, init);
  frame->declared = NULL;
  Site site = {e, frame, init->span, NULL, 0, parameter->declared->name.name};
  Value *value = is_error(object) ? NULL : initial_value(&site, parameter, object);
  if (value && !type_equal(&value->type, &parameter->type)) {
    Diagnostic *d = report(e, frame, E0226, init->span, "the first value of '%s' has another type",
                           parameter->declared->name.name);
    diag_label(d, "%s declared, %s given", type_text(e->arena, &parameter->type),
               type_text(e->arena, &value->type));
  } else if (value && !e->stopped) {
    e->init_builder.at = location_at(e, frame, init->span);
    build_write(&e->init_builder, parameter->path, value);
  }
  frame->declared = declared;
  e->site = site_number;
  e->initialised = outer;
  e->builder = builder;
}
