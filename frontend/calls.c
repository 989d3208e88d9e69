/* calls.c - calls, pipes and holes: who is called, with what, and the frame of the body. */
#include "frontend/elaborator.h"

#include <string.h>

Frame *frame_new(Elaborator *e, FrameKind kind, const Definition *definition,
                 const ProgramFile *home, const CallSite *site) {
  Frame *frame = ARENA_NEW(e->arena, Frame);
  frame->kind = kind;
  frame->definition = definition;
  frame->home = home;
  frame->scope = scope_new(e, NULL);
  frame->named.arena = e->arena;
  if (site) {
    frame->caller = site->frame;
    frame->call = site->span;
    frame->depth = site->frame->depth + 1;
    frame->layer = site->frame->layer;
  }
  return frame;
}

static const char *callee_name(const Object *callee) {
  return callee->kind == OBJECT_BUILTIN ? callee->builtin->name : callee->definition->name.name;
}

/* ---- parameters ---- */

static size_t find_parameter(const ParameterList *parameters, const char *name) {
  for (size_t i = 0; i < parameters->count; i++)
    if (parameters->items[i].name.name == name) return i;
  return parameters->count;
}

static bool unknown_argument(const CallSite *site, const ParameterList *parameters,
                             const char *callee, const Actual *argument) {
  Elaborator *e = site->e;
  Diagnostic *d = report(e, site->frame, E0220, argument->name_span, "'%s' takes no '%s'", callee,
                         argument->name);
  const char **names = ARENA_ARRAY(e->arena, parameters->count + 1, const char *);
  for (size_t i = 0; i < parameters->count; i++) names[i] = parameters->items[i].name.name;
  const char *near = nearest_name(argument->name, names, parameters->count);
  if (near) {
    diag_help(d, "did you mean '%s'?", near);
  } else if (parameters->count) {
    Text all = text_new(e->arena);
    for (size_t i = 0; i < parameters->count; i++)
      text_format(&all, "%s%s", i ? ", " : "", names[i]);
    diag_help(d, "it takes: %s", text_get(&all));
  }
  return false;
}

static const char *signature_text(Elaborator *e, const ParameterList *parameters) {
  return parameters->present ? source_text(e, parameters->span, 160) : "()";
}

bool bind_parameters(const CallSite *site, Frame *body, const ParameterList *parameters,
                     const char *callee, Actual *arguments, size_t count, Object **values) {
  Elaborator *e = site->e;
  Span *spans = ARENA_ARRAY(e->arena, parameters->count + 1, Span);
  size_t next = 0;
  bool fine = true;
  for (size_t i = 0; i < count; i++) {
    size_t at = arguments[i].name ? find_parameter(parameters, arguments[i].name) : next++;
    if (at >= parameters->count) {
      if (arguments[i].name) return unknown_argument(site, parameters, callee, &arguments[i]);
      Diagnostic *d =
          report(e, site->frame, E0222, arguments[i].span, "'%s' takes %zu argument%s, not %zu",
                 callee, parameters->count, parameters->count == 1 ? "" : "s", count);
      if (site->is_piped && body->kind == FRAME_FUNCTION)
        diag_help(d, "if '%s' returns a layer, bind it first: f = %s(..), then x |> f", callee,
                  callee);
      else
        diag_help(d, "%s%s", callee, signature_text(e, parameters));
      return false;
    }
    if (values[at]) {
      report(e, site->frame, E0222, arguments[i].span, "'%s' of '%s' is given twice",
             parameters->items[at].name.name, callee);
      return false;
    }
    values[at] = arguments[i].value;
    spans[at] = arguments[i].span;
    fine = fine && !is_error(values[at]);
  }
  if (!fine) return false;
  for (size_t i = 0; i < parameters->count && !e->stopped; i++) {
    const Parameter *parameter = &parameters->items[i];
    if (!values[i]) {
      if (!parameter->init) {
        Diagnostic *d = report(e, site->frame, E0221, site->span, "'%s' of '%s' is missing",
                               parameter->name.name, callee);
        diag_help(d, "%s%s", callee, signature_text(e, parameters));
        const Expr *type = parameter->type;
        if (type && type->kind == EXPR_NAME && !strcmp(type->name, "type"))
          diag_help(d, "as an initialiser that is told its type later: %s(_, ..)", callee);
        return false;
      }
      values[i] = evaluate(e, body, parameter->init);
      spans[i] = site->span;
    }
    values[i] = bind_argument(e, body, site, parameter, callee, values[i], spans[i]);
    if (is_error(values[i])) return false;
    pointer_set(&body->scope->names, parameter->name.name, values[i]);
  }
  return !e->stopped;
}

/* ---- bodies ---- */

Object *run_body(Elaborator *e, Frame *body) {
  if (body->depth > MOST_CALLS) {
    report(e, body, E0307, body->call, "calls are nested more than 1,000 levels deep");
    stop(e);
    return error_object;
  }
  const Definition *definition = body->definition;
  if (definition->value) {
    body->result = evaluate(e, body, definition->value);
  } else {
    execute(e, body, &definition->body);
    if (!body->result) body->result = none_object;
  }
  if (e->stopped) return error_object;
  if (!check_result(e, body, &body->result)) return error_object;
  return body->result;
}

static Object *call_function(const CallSite *site, Object *function, Actual *arguments,
                             size_t count) {
  Elaborator *e = site->e;
  const Definition *definition = function->definition;
  Frame *body = frame_new(e, FRAME_FUNCTION, definition, function->home, site);
  if (function->frame) {
    body->lexical = function->frame;
    body->scope->parent = function->frame->scope;
  }
  if (!body->layer) body->layer = definition->name.name;
  Object **values = ARENA_ARRAY(e->arena, definition->parameters.count + 1, Object *);
  if (!bind_parameters(site, body, &definition->parameters, definition->name.name, arguments, count,
                       values))
    return error_object;
  return run_body(e, body);
}

static Object *call_list(const CallSite *site, Object *list, Actual *arguments, size_t count) {
  Elaborator *e = site->e;
  if (count != 1 || arguments[0].name) {
    report(e, site->frame, E0222, site->span,
           "a list of layers is applied to one argument, not %zu", count);
    return error_object;
  }
  Object *x = arguments[0].value;
  for (size_t i = 0; i < list->count && !is_error(x); i++) {
    Actual next = {NULL, x, arguments[0].span, SPAN_NONE};
    x = call_object(site, list->items[i], &next, 1);
  }
  return x;
}

static Object *call_partial(const CallSite *site, Object *partial, Actual *arguments,
                            size_t count) {
  Elaborator *e = site->e;
  if (count < 1 || arguments[0].name) {
    report(e, site->frame, E0221, site->span,
           "a function with '_' is called with the argument for it");
    return error_object;
  }
  size_t total = partial->argument_count + count - 1;
  Actual *all = ARENA_ARRAY(e->arena, total, Actual);
  for (size_t i = 0; i < partial->argument_count; i++) all[i] = partial->arguments[i];
  all[partial->hole].value = arguments[0].value;
  all[partial->hole].span = arguments[0].span;
  for (size_t i = 1; i < count; i++) all[partial->argument_count + i - 1] = arguments[i];
  return call_object(site, partial->callee, all, total);
}

static Object *not_callable(const CallSite *site, const Object *callee) {
  Elaborator *e = site->e;
  Diagnostic *d =
      report(e, site->frame, E0230, site->span, "%s cannot be applied", object_text(e, callee));
  if (callee->kind == OBJECT_LAYER)
    diag_help(d, "make an instance first: %s(..)", callee->definition->name.name);
  return error_object;
}

static Object *dispatch(const CallSite *site, Object *callee, Actual *arguments, size_t count) {
  switch (callee->kind) {
  case OBJECT_ERROR:
    return callee;
  case OBJECT_FUNCTION:
    return call_function(site, callee, arguments, count);
  case OBJECT_BUILTIN:
    return call_builtin(site, callee->builtin, arguments, count);
  case OBJECT_LAYER:
  case OBJECT_OPTIMIZER:
    return make_instance(site, callee, arguments, count);
  case OBJECT_INSTANCE:
    return is_optimizer(callee->instance) ? apply_optimizer(site, callee, arguments, count)
                                          : apply_instance(site, callee, arguments, count);
  case OBJECT_ENTRY:
    return call_entry(site, callee, arguments, count);
  case OBJECT_LIST:
    return call_list(site, callee, arguments, count);
  case OBJECT_PARTIAL:
    return call_partial(site, callee, arguments, count);
  default:
    return not_callable(site, callee);
  }
}

/* ---- the record of calls ---- */

static bool is_recorded(const Elaborator *e, const CallSite *site, const Object *callee) {
  if (!e->extra || !e->entry || !e->builder || e->builder == &e->init_builder ||
      site->frame->home->standard)
    return false;
  if (callee->kind == OBJECT_INSTANCE) return !is_optimizer(callee->instance);
  return callee->kind == OBJECT_FUNCTION || callee->kind == OBJECT_BUILTIN;
}

static size_t start_record(const CallSite *site, const Object *callee) {
  Elaborator *e = site->e;
  LayerCall call = {.entry = e->entry, .place = site->span, .depth = site->frame->depth};
  if (callee->kind == OBJECT_INSTANCE) {
    const Object *layer = instance_of(callee)->layer;
    call.layer = layer->definition->name.name;
    call.call = instance_of(callee)->call;
    call.is_inner = !layer->home->standard;
  } else {
    bool whole = site->expr->kind != EXPR_INDEX && site->expr->kind != EXPR_LIST;
    call.call = whole ? source_text(e, site->expr->span, 60) : callee_name(callee);
    call.is_inner = callee->kind == OBJECT_FUNCTION && !callee->home->standard;
  }
  call.first = e->builder->function->next_number;
  call.parameters = e->parameter_numbers;
  vec_push(e->arena, &e->extra->calls, call);
  return e->extra->calls.count - 1;
}

static void end_record(const CallSite *site, size_t index, const Object *callee,
                       const Object *result) {
  Elaborator *e = site->e;
  LayerCall *call = &e->extra->calls.items[index];
  if (callee->kind == OBJECT_INSTANCE) call->path = instance_of(callee)->path;
  call->parameters = e->parameter_numbers - call->parameters;
  call->end = e->builder->function->next_number;
  call->has_type = result->kind == OBJECT_TENSOR;
  if (call->has_type) call->type = result->tensor->type;
  bool has_tensors = call->has_type ||
                     (result->kind == OBJECT_LIST && result->count && is_tensor(result->items[0]));
  if (!has_tensors && index + 1 == e->extra->calls.count) e->extra->calls.count--;
}

Object *call_object(const CallSite *site, Object *callee, Actual *arguments, size_t count) {
  Elaborator *e = site->e;
  if (!take_step(e, site->frame, site->span, CALL_STEPS)) return error_object;
  if (!is_recorded(e, site, callee)) return dispatch(site, callee, arguments, count);
  size_t index = start_record(site, callee);
  Object *result = dispatch(site, callee, arguments, count);
  end_record(site, index, callee, result);
  return result;
}

/* ---- calls in the text ---- */

/* The arguments of a call; `hole` is the place of `_`, or the count. False after an error. */
static bool evaluate_arguments(Elaborator *e, Frame *frame, const ArgumentList *list,
                               Actual *actuals, size_t *hole) {
  *hole = list->count;
  for (size_t i = 0; i < list->count; i++) {
    const Argument *argument = &list->items[i];
    actuals[i].name = argument->name.name;
    actuals[i].span = argument->value->span;
    actuals[i].name_span = argument->name.span;
    if (argument->value->kind == EXPR_HOLE) {
      if (*hole < list->count) {
        report(e, frame, E0009, argument->value->span, "a call has one '_' at most");
        return false;
      }
      *hole = i;
      actuals[i].value = none_object;
      continue;
    }
    actuals[i].value = evaluate(e, frame, argument->value);
    if (e->stopped) return false;
  }
  return true;
}

static Object *make_partial(Elaborator *e, Object *callee, Actual *actuals, size_t count,
                            size_t hole) {
  Object *partial = object_new(e, OBJECT_PARTIAL);
  partial->callee = callee;
  partial->arguments = actuals;
  partial->argument_count = count;
  partial->hole = hole;
  return partial;
}

/* In a `param`'s initialiser, a function of a type gets the declared type. */
static bool wants_declared_type(const Frame *frame, const Object *callee, const Actual *actuals,
                                size_t count) {
  if (!frame->declared) return false;
  const Parameter *first = NULL;
  const char *first_name = NULL;
  if (callee->kind == OBJECT_FUNCTION && callee->definition->parameters.count) {
    first = &callee->definition->parameters.items[0];
    if (!first->type || first->type->kind != EXPR_NAME || strcmp(first->type->name, "type") != 0)
      return false;
    first_name = first->name.name;
  } else if (callee->kind == OBJECT_BUILTIN &&
             strcmp(callee->builtin->parameters[0].name, "type") == 0) {
    first_name = callee->builtin->parameters[0].name;
  } else {
    return false;
  }
  for (size_t i = 0; i < count; i++)
    if (actuals[i].name == first_name) return false;
  if (count && !actuals[0].name &&
      (actuals[0].value->kind == OBJECT_TYPE || is_tensor(actuals[0].value)))
    return false;
  return true;
}

static Object *call_with_type(const CallSite *site, Object *callee, Actual *actuals, size_t count) {
  Elaborator *e = site->e;
  Actual *all = ARENA_ARRAY(e->arena, count + 1, Actual);
  all[0] = (Actual){NULL, object_type(e, *site->frame->declared, false), site->span, SPAN_NONE};
  for (size_t i = 0; i < count; i++) all[i + 1] = actuals[i];
  return call_object(site, callee, all, count + 1);
}

Object *evaluate_call(Elaborator *e, Frame *frame, const Expr *expr) {
  const Type *declared = frame->declared;
  frame->declared = NULL;
  Object *callee = evaluate(e, frame, expr->left);
  size_t count = expr->arguments.count, hole;
  Actual *actuals = ARENA_ARRAY(e->arena, count + 1, Actual);
  bool fine = !e->stopped && evaluate_arguments(e, frame, &expr->arguments, actuals, &hole);
  frame->declared = declared;
  if (!fine || is_error(callee)) return error_object;
  if (hole < count) return make_partial(e, callee, actuals, count, hole);
  CallSite site = {e, frame, expr, expr->span, false};
  if (wants_declared_type(frame, callee, actuals, count))
    return call_with_type(&site, callee, actuals, count);
  return call_object(&site, callee, actuals, count);
}

Object *evaluate_pipe(Elaborator *e, Frame *frame, const Expr *expr) {
  Object *x = evaluate(e, frame, expr->left);
  const Expr *right = expr->right;
  CallSite site = {e, frame, right, right->span, true};
  Actual first = {NULL, x, expr->left->span, SPAN_NONE};
  if (right->kind != EXPR_CALL) {
    Object *callee = e->stopped ? error_object : evaluate(e, frame, right);
    if (is_error(x) || is_error(callee)) return error_object;
    if (callee->kind == OBJECT_LAYER) return not_callable(&site, callee);
    return call_object(&site, callee, &first, 1);
  }
  Object *callee = e->stopped ? error_object : evaluate(e, frame, right->left);
  size_t count = right->arguments.count, hole;
  Actual *actuals = ARENA_ARRAY(e->arena, count + 1, Actual);
  if (e->stopped || !evaluate_arguments(e, frame, &right->arguments, actuals + 1, &hole))
    return error_object;
  if (is_error(x) || is_error(callee)) return error_object;
  if (callee->kind == OBJECT_LAYER) {
    Object *instance = make_instance(&site, callee, actuals + 1, count);
    return is_error(instance) ? instance : call_object(&site, instance, &first, 1);
  }
  if (hole < count) {
    actuals[hole + 1].value = x;
    actuals[hole + 1].span = expr->left->span;
    return call_object(&site, callee, actuals + 1, count);
  }
  actuals[0] = first;
  return call_object(&site, callee, actuals, count + 1);
}
