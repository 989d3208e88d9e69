/* training.c - gradients, `minimize`, optimizers and the schedule of train entries. */
#include "frontend/elaborator.h"

#include <string.h>

bool is_optimizer(const Instance *instance) {
  return instance->layer->definition->kind == DEFINITION_OPTIMIZER;
}

static bool in_training(const Elaborator *e) {
  return e->builder && e->builder != &e->init_builder &&
         (e->entry_kind == FUNCTION_TRAIN || e->entry_kind == FUNCTION_VALUE);
}

/* ---- what a loss reaches ---- */

enum { VISITS_STEP = 64 }; /* that cost as much as a step */

/* Marks, with a new epoch, each value that `from` is computed of; where no gradient passes it ends.
 */
static bool mark_reached(const Site *site, Value *from) {
  Elaborator *e = site->e;
  int64_t visited = 0;
  VEC(Value *) stack = {0};
  e->epoch++;
  vec_push(e->arena, &stack, from);
  while (stack.count) {
    Value *value = stack.items[--stack.count];
    if (value->mark == e->epoch) continue;
    value->mark = e->epoch;
    visited++;
    if (!value->op || value->op->kind == OP_stop_gradient) continue;
    for (int i = 0; i < value->op->operand_count; i++)
      vec_push(e->arena, &stack, value->op->operands[i]);
  }
  return take_step(e, site->frame, site->span, visited / VISITS_STEP);
}

/* The value of a parameter that the loss was computed of: the last one, if it was written. */
static Value *reached_version(Elaborator *e, const NamedParameter *parameter) {
  return marked_version(e, parameter, e->epoch);
}

static Value *reached_value(Elaborator *e, const Object *wrt) {
  if (wrt->kind == OBJECT_TENSOR && wrt->tensor->mark == e->epoch) return wrt->tensor;
  return wrt->parameter ? reached_version(e, wrt->parameter) : NULL;
}

/* ---- gradients ---- */

typedef VEC(Object *) Objects;

static bool add_wrt(const Site *site, Object *object, Span span, Objects *wrt) {
  Elaborator *e = site->e;
  if (!take_step(e, site->frame, span, 1)) return false;
  if (is_error(object)) return false;
  if (object->kind == OBJECT_LIST) {
    for (size_t i = 0; i < object->count; i++)
      if (!add_wrt(site, object->items[i], span, wrt)) return false;
    return true;
  }
  if (object->kind == OBJECT_INSTANCE || object->kind == OBJECT_PATH) {
    Object *list = object_list(e, 0);
    return collect_tensors(e, site->frame, object, TENSOR_PARAM, list, span) &&
           add_wrt(site, list, span, wrt);
  }
  bool fits = is_tensor(object) && element_is_float(object_tensor_type(object)->element);
  if (fits) {
    vec_push(e->arena, wrt, object);
    return true;
  }
  Diagnostic *d = report(e, site->frame, E0407, span, "a gradient is taken for floats, not for %s",
                         object_text(e, object));
  if (is_tensor(object))
    diag_help(d, "numbers of this type do not change by small steps; cast it to f32 first");
  return false;
}

static Value *scalar_loss(const Site *site, Object *loss, Span span) {
  Elaborator *e = site->e;
  Site at = *site;
  at.span = span;
  Value *value = to_tensor(&at, loss, NULL);
  if (!value) return NULL;
  if (!value->type.rank && element_is_float(value->type.element)) return value;
  Diagnostic *d = report(e, site->frame, E0402, span, "a loss is a single float");
  diag_label(d, "%s", type_text(e->arena, &value->type));
  if (value->type.rank) diag_help(d, "take its mean or its sum: mean(loss)");
  return NULL;
}

static const char *wrt_text(Elaborator *e, const Object *wrt) {
  return wrt->parameter ? arena_format(e->arena, "'%s'", wrt->parameter->path) : "this value";
}

static Object *no_gradient(const Site *site, Object *wrt, Span span) {
  Elaborator *e = site->e;
  Diagnostic *d =
      report(e, site->frame, W0401, span, "the loss does not depend on %s", wrt_text(e, wrt));
  diag_label(d, "its gradient is 0");
  Attribute value = {ATTRIBUTE_value, attribute_number(number_integer(0))};
  return object_tensor(e, emit_typed(site, OP_full, *object_tensor_type(wrt), NULL, &value, 1));
}

/* One `grad` operation for all that the loss reaches. */
static Object *differentiate(const Site *site, Value *loss, const Objects *wrt, Span wrt_span) {
  Elaborator *e = site->e;
  Value **operands = ARENA_ARRAY(e->arena, wrt->count + 1, Value *);
  int *places = ARENA_ARRAY(e->arena, wrt->count + 1, int); /* among the results; -1: none */
  int count = 0;
  operands[0] = loss;
  for (size_t i = 0; i < wrt->count; i++) {
    Value *value = reached_value(e, wrt->items[i]);
    places[i] = -1;
    if (value) {
      places[i] = count;
      operands[++count] = value;
    }
  }
  Value *first = count ? emit(site, OP_grad, operands, count + 1, NULL, 0) : NULL;
  if (count && !first) return error_object;
  Object *list = object_list(e, wrt->count);
  for (size_t i = 0; i < wrt->count; i++) {
    list->items[i] = places[i] < 0 ? no_gradient(site, wrt->items[i], wrt_span)
                                   : object_tensor(e, first->op->results[places[i]]);
    if (is_error(list->items[i])) return error_object;
  }
  return list;
}

Object *gradient(const Site *site, Object *loss, Span loss_span, Object *wrt, Span wrt_span) {
  Objects all = {0};
  Value *value = scalar_loss(site, loss, loss_span);
  if (!value || !add_wrt(site, wrt, wrt_span, &all)) return error_object;
  if (!mark_reached(site, value)) return error_object;
  Object *list = differentiate(site, value, &all, wrt_span);
  return is_error(list) || !is_tensor(wrt) ? list : list->items[0];
}

/* ---- optimizers ---- */

static bool optimizer_is_allowed(Elaborator *e, Frame *frame, Span span, const char *what) {
  if (in_training(e)) return true;
  Diagnostic *d = report(e, frame, E0404, span, "%s stands outside of a train entry", what);
  diag_help(d, "train fit(..) -> f32 { loss = ..; minimize loss with adam(lr=1e-3); return loss }");
  return false;
}

static bool fits_parameter(const CallSite *site, const NamedParameter *parameter, const Object *g,
                           Span span) {
  Elaborator *e = site->e;
  if (!is_tensor(g) || type_equal(object_tensor_type(g), &parameter->type)) return true;
  Diagnostic *d =
      report(e, site->frame, E0405, span, "this is no gradient of '%s'", parameter->path);
  diag_label(d, "%s for %s", object_text(e, g), type_text(e->arena, &parameter->type));
  return false;
}

/* opt(p, g): its body with p for the parameter, and its states, kept for each parameter. */
Object *apply_optimizer(const CallSite *site, Object *object, Actual *arguments, size_t count) {
  Elaborator *e = site->e;
  Instance *made = object->instance; /* with this call's hyperparameters */
  const Definition *definition = made->layer->definition;
  const char *name = definition->name.name;
  if (instance_of(object)->is_broken) return error_object;
  if (!optimizer_is_allowed(e, site->frame, site->span, arena_format(e->arena, "'%s'", name)))
    return error_object;
  if (!instance_of(object)->path && !name_unnamed(site, instance_of(object))) return error_object;
  Frame *body = frame_new(e, FRAME_OPTIMIZER, definition, made->layer->home, site);
  body->instance = instance_of(object);
  body->layer = intern(e->module->names, body->instance->path);
  for (size_t i = 0; i < definition->hyper.count; i++)
    pointer_set(&body->scope->names, definition->hyper.items[i].name.name, made->hyper[i]);
  Object **values = ARENA_ARRAY(e->arena, definition->parameters.count + 1, Object *);
  if (!bind_parameters(site, body, &definition->parameters, name, arguments, count, values))
    return error_object;
  NamedParameter *subject =
      definition->parameters.count && is_tensor(values[0]) ? values[0]->parameter : NULL;
  if (!subject || subject->kind != TENSOR_PARAM) {
    Diagnostic *d = report(e, site->frame, E0408, site->span, "'%s' steps no parameter", name);
    diag_help(d, "for p, g in zip(params(net), grad(loss, params(net))) { opt(p, g) }");
    return error_object;
  }
  for (size_t i = 1; i < definition->parameters.count; i++)
    if (!fits_parameter(site, subject, values[i], count > i ? arguments[i].span : site->span))
      return error_object;
  if (e->entry_kind == FUNCTION_VALUE) return none_object; /* nothing is learned there */
  Object *parameter = object_new(e, OBJECT_PARAMETER);
  parameter->parameter = body->subject = subject;
  pointer_set(&body->scope->names, definition->parameters.items[0].name.name, parameter);
  return run_body(e, body);
}

/* ---- minimize ---- */

static bool add_all_reached(Elaborator *e, Objects *wrt) {
  for (size_t i = 0; i < e->parameters.entries.count; i++) {
    NamedParameter *parameter = e->parameters.entries.items[i].value;
    if (parameter->kind != TENSOR_PARAM || !element_is_float(parameter->type.element) ||
        !reached_version(e, parameter))
      continue;
    Object *object = object_new(e, OBJECT_PARAMETER);
    object->parameter = parameter;
    vec_push(e->arena, wrt, object);
  }
  return wrt->count > 0;
}

static bool add_over(const Site *site, const Stmt *stmt, Objects *wrt) {
  Elaborator *e = site->e;
  Object *list = object_list(e, 0);
  for (size_t i = 0; i < stmt->values.count; i++) {
    const Expr *expr = stmt->values.items[i];
    Object *over = evaluate(e, site->frame, expr);
    if (!collect_tensors(e, site->frame, over, TENSOR_PARAM, list, expr->span)) return false;
  }
  return add_wrt(site, list, stmt->values.items[0]->span, wrt);
}

static bool nothing_to_learn(Elaborator *e, Frame *frame, const Stmt *stmt) {
  bool is_over = stmt->values.count > 0;
  Span span = is_over ? stmt->values.items[0]->span : stmt->loss->span;
  Diagnostic *d = report(e, frame, E0406, span,
                         is_over ? "there are no parameters in what 'over' names"
                                 : "the loss depends on no parameter");
  if (!is_over) diag_help(d, "a gradient does not pass stop_gradient, nor what another call wrote");
  return false;
}

static bool is_step(const Object *object) {
  return object->kind == OBJECT_FUNCTION || object->kind == OBJECT_PARTIAL ||
         (object->kind == OBJECT_INSTANCE && is_optimizer(object->instance));
}

/* What stands behind 'with': an optimizer, or a function of a parameter and its gradient. */
static Object *evaluate_optimizer(Elaborator *e, Frame *frame, const Expr *expr) {
  Object *optimizer = evaluate(e, frame, expr);
  if (is_error(optimizer) || is_step(optimizer)) return optimizer;
  Diagnostic *d =
      report(e, frame, E0409, expr->span, "this is no optimizer but %s", object_text(e, optimizer));
  if (optimizer->kind == OBJECT_OPTIMIZER)
    diag_help(d, "make one: %s()", optimizer->definition->name.name);
  else
    diag_help(d, "minimize loss with adam(lr=1e-3)");
  return error_object;
}

void execute_minimize(Elaborator *e, Frame *frame, const Stmt *stmt) {
  if (!optimizer_is_allowed(e, frame, stmt->span, "'minimize'")) return;
  if (e->entry_kind == FUNCTION_VALUE) return;
  Site site = {e, frame, stmt->span, NULL, 0, "minimize"};
  Object *loss = evaluate(e, frame, stmt->loss);
  if (is_error(loss)) return;
  Value *value = scalar_loss(&site, loss, stmt->loss->span);
  if (!value) return;
  Objects wrt = {0};
  if (stmt->values.count && !add_over(&site, stmt, &wrt)) return;
  if (!mark_reached(&site, value)) return;
  bool any = stmt->values.count ? wrt.count > 0 : add_all_reached(e, &wrt);
  if (!any && !nothing_to_learn(e, frame, stmt)) return;
  Object *optimizer = evaluate_optimizer(e, frame, stmt->optimizer);
  if (is_error(optimizer) || !mark_reached(&site, value)) return;
  Site at_loss = {e, frame, stmt->loss->span, NULL, 0, "minimize"};
  Object *gradients = differentiate(
      &at_loss, value, &wrt, stmt->values.count ? stmt->values.items[0]->span : stmt->loss->span);
  if (is_error(gradients)) return;
  CallSite call = {e, frame, stmt->optimizer, stmt->optimizer->span, false};
  for (size_t i = 0; i < wrt.count && take_step(e, frame, stmt->span, CALL_STEPS); i++) {
    Actual arguments[] = {{NULL, wrt.items[i], stmt->span, SPAN_NONE},
                          {NULL, gradients->items[i], stmt->loss->span, SPAN_NONE}};
    if (is_error(call_object(&call, optimizer, arguments, 2))) return;
  }
}

/* ---- the order of the steps ---- */

static bool is_built(const Elaborator *e, const char *name) {
  const Function *function = module_function(e->module, name);
  return function && function->kind == FUNCTION_TRAIN;
}

static void add_step(Elaborator *e, const Step *step) {
  int64_t times = 1;
  if (!is_built(e, step->name.name)) return; /* --entry left it out */
  if (step->times) {
    Object *value = evaluate(e, e->file_frame, step->times);
    if (is_error(value)) return;
    if (value->kind != OBJECT_INTEGER || value->integer < 1) {
      Diagnostic *d =
          report(e, e->file_frame, E0223, step->times->span,
                 "a step is made a whole number of times, not %s", object_text(e, value));
      diag_help(d, "%s * 5", step->name.name);
      return;
    }
    times = value->integer;
  }
  ScheduledStep scheduled = {intern(e->module->names, step->name.name), times};
  vec_push(e->module->arena, &e->module->schedule, scheduled);
}

void elaborate_schedule(Elaborator *e) {
  const AstFile *file = e->program->main->ast;
  const Function *only = NULL;
  int trained = 0;
  bool is_said = false;
  for (size_t i = 0; i < file->count; i++) {
    if (file->items[i]->kind != DECLARATION_STEPS) continue;
    is_said = true;
    for (size_t k = 0; k < file->items[i]->steps.count; k++)
      add_step(e, &file->items[i]->steps.items[k]);
  }
  for (size_t i = 0; i < e->module->functions.count; i++)
    if (e->module->functions.items[i]->kind == FUNCTION_TRAIN) {
      only = e->module->functions.items[i];
      trained++;
    }
  if (!is_said && trained == 1)
    vec_push(e->module->arena, &e->module->schedule, ((ScheduledStep){only->name, 1}));
}
