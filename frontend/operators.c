/* operators.c - the table of builtins, their arguments, and the elementwise ones. */
#include "frontend/operators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUILTIN(name, signature) static BuiltinFunction *const function_##name = builtin_##name;
#include "frontend/builtins.def"

/* ---- the table ---- */

static Object *parse_default(Elaborator *e, const char *text, size_t length) {
  char word[32];
  if (length >= sizeof word) length = sizeof word - 1;
  memcpy(word, text, length);
  word[length] = 0;
  if (strcmp(word, "None") == 0) return none_object;
  if (strcmp(word, "true") == 0) return object_bool(e, true);
  if (strcmp(word, "false") == 0) return object_bool(e, false);
  return object_integer(e, strtoll(word, NULL, 10));
}

static void add_builtin(Elaborator *e, const char *name, const char *signature,
                        BuiltinFunction *function) {
  Builtin *builtin = ARENA_NEW(e->arena, Builtin);
  builtin->name = intern(e->interner, name);
  builtin->function = function;
  builtin->parameters = ARENA_ARRAY(e->arena, 16, BuiltinParameter);
  for (const char *at = signature; *at;) {
    size_t length = strcspn(at, " "), word = strcspn(at, "= ");
    BuiltinParameter *parameter = &builtin->parameters[builtin->parameter_count++];
    parameter->name = intern_bytes(e->interner, at, word);
    if (word < length) parameter->standard = parse_default(e, at + word + 1, length - word - 1);
    at += length;
    while (*at == ' ') at++;
  }
  pointer_set(&e->builtins, builtin->name, builtin);
}

void builtins_new(Elaborator *e) {
#define BUILTIN(name, signature) add_builtin(e, #name, signature, function_##name);
#include "frontend/builtins.def"
}

static const char *builtin_signature(Elaborator *e, const Builtin *builtin) {
  Text text = text_new(e->arena);
  text_format(&text, "%s(", builtin->name);
  for (int i = 0; i < builtin->parameter_count; i++) {
    const BuiltinParameter *p = &builtin->parameters[i];
    text_format(&text, "%s%s", i ? ", " : "", p->name);
    if (p->standard) text_format(&text, "=%s", object_text(e, p->standard));
  }
  text_char(&text, ')');
  return text_get(&text);
}

static bool place_arguments(const CallSite *site, const Builtin *builtin, Actual *arguments,
                            size_t count, BuiltinCall *call) {
  Elaborator *e = site->e;
  int next = 0;
  for (size_t i = 0; i < count; i++) {
    int at = next;
    if (arguments[i].name) {
      for (at = 0; at < builtin->parameter_count; at++)
        if (builtin->parameters[at].name == arguments[i].name) break;
    } else {
      next++;
    }
    if (at >= builtin->parameter_count) {
      const char *name = arguments[i].name;
      Diagnostic *d =
          name ? report(e, site->frame, E0220, arguments[i].name_span, "'%s' takes no '%s'",
                        builtin->name, name)
               : report(e, site->frame, E0222, arguments[i].span,
                        "'%s' takes %d argument%s, not %zu", builtin->name,
                        builtin->parameter_count, builtin->parameter_count == 1 ? "" : "s", count);
      const char *names[16];
      for (int k = 0; k < builtin->parameter_count; k++) names[k] = builtin->parameters[k].name;
      const char *near = name ? nearest_name(name, names, (size_t)builtin->parameter_count) : NULL;
      if (near)
        diag_help(d, "did you mean '%s'?", near);
      else
        diag_help(d, "%s", builtin_signature(e, builtin));
      return false;
    }
    if (call->values[at]) {
      report(e, site->frame, E0222, arguments[i].span, "'%s' of '%s' is given twice",
             builtin->parameters[at].name, builtin->name);
      return false;
    }
    if (is_error(arguments[i].value)) return false;
    call->values[at] = arguments[i].value;
    call->spans[at] = arguments[i].span;
  }
  for (int i = 0; i < builtin->parameter_count; i++) {
    if (call->values[i]) continue;
    call->values[i] = builtin->parameters[i].standard;
    call->spans[i] = site->span;
    if (call->values[i]) continue;
    Diagnostic *d = report(e, site->frame, E0221, site->span, "'%s' of '%s' is missing",
                           builtin->parameters[i].name, builtin->name);
    diag_help(d, "%s", builtin_signature(e, builtin));
    return false;
  }
  return true;
}

Object *call_builtin(const CallSite *site, const Builtin *builtin, Actual *arguments,
                     size_t count) {
  Object *values[16] = {0};
  Span spans[16] = {0};
  BuiltinCall call = {
      .site = {site->e, site->frame, site->span, spans, builtin->parameter_count, builtin->name},
      .builtin = builtin,
      .values = values,
      .spans = spans};
  if (!place_arguments(site, builtin, arguments, count, &call)) return error_object;
  /* What was made without a layer or function around it is known by the operator's name. */
  const char *layer = site->frame->layer;
  if (!layer) site->frame->layer = builtin->name;
  Object *result = builtin->function(&call);
  site->frame->layer = layer;
  return result;
}

/* ---- arguments of builtins ---- */

Object *wrong_argument(const BuiltinCall *call, int i, const char *wanted) {
  Elaborator *e = call->site.e;
  if (is_error(call->values[i])) return error_object;
  Diagnostic *d = report(e, call->site.frame, E0223, call->spans[i], "'%s' of '%s' is %s, not %s",
                         call->builtin->parameters[i].name, call->builtin->name, wanted,
                         object_text(e, call->values[i]));
  if (call->values[i]->kind == OBJECT_LAYER)
    diag_help(d, "make an instance and apply it: %s(..)(x)",
              call->values[i]->definition->name.name);
  return error_object;
}

Value *tensor_argument(const BuiltinCall *call, int i, const Element *element) {
  Site site = call->site;
  site.span = call->spans[i];
  site.operands = NULL;
  site.operand_count = 0;
  return to_tensor(&site, call->values[i], element);
}

bool integer_argument(const BuiltinCall *call, int i, int64_t *value) {
  if (call->values[i]->kind == OBJECT_INTEGER) {
    *value = call->values[i]->integer;
    return true;
  }
  wrong_argument(call, i, "a whole number");
  return false;
}

bool flag_argument(const BuiltinCall *call, int i, bool *value) {
  if (call->values[i]->kind == OBJECT_BOOL) {
    *value = call->values[i]->integer != 0;
    return true;
  }
  wrong_argument(call, i, "true or false");
  return false;
}

bool number_argument(const BuiltinCall *call, int i, Number *value) {
  const Object *o = call->values[i];
  if (o->kind == OBJECT_INTEGER || o->kind == OBJECT_BOOL)
    *value = number_integer(o->integer);
  else if (o->kind == OBJECT_REAL)
    *value = number_real(o->real);
  else
    return wrong_argument(call, i, "a number"), false;
  return true;
}

bool type_argument(const BuiltinCall *call, int i, Type *type) {
  const Object *o = call->values[i];
  if (o->kind == OBJECT_TYPE)
    *type = *o->type;
  else if (is_tensor(o))
    *type = *object_tensor_type(o);
  else
    return wrong_argument(call, i, "a type"), false;
  return true;
}

/* A list of sizes; -1 stands where `hole` may be. */
bool dims_argument(const BuiltinCall *call, int i, const Dim **dims, int *count, int most) {
  Elaborator *e = call->site.e;
  const Object *o = call->values[i];
  if (o->kind != OBJECT_LIST) {
    dims[0] = object_to_dim(e, o);
    *count = 1;
    return dims[0] ? true : (wrong_argument(call, i, "a list of whole numbers"), false);
  }
  if (o->count > (size_t)most) {
    report(e, call->site.frame, E0611, call->spans[i], "a tensor has at most %d axes", MOST_AXES);
    return false;
  }
  *count = (int)o->count;
  for (int k = 0; k < *count; k++) {
    if (is_error(o->items[k])) return false;
    dims[k] = object_to_dim(e, o->items[k]);
    if (!dims[k]) return wrong_argument(call, i, "a list of whole numbers"), false;
  }
  return true;
}

static bool one_axis(const BuiltinCall *call, int i, const Object *o, int rank, int64_t *axis) {
  Elaborator *e = call->site.e;
  if (o->kind != OBJECT_INTEGER)
    return wrong_argument(call, i, "an axis, or a list of axes"), false;
  *axis = o->integer < 0 ? o->integer + rank : o->integer;
  if (*axis >= 0 && *axis < rank) return true;
  Diagnostic *d = report(e, call->site.frame, E0205, call->spans[i], "there is no axis %lld",
                         (long long)o->integer);
  diag_label(d, "a tensor of %d axes: 0 to %d, or -%d to -1", rank, rank - 1, rank);
  return false;
}

/* Axes of a tensor of `rank`; None: all. Sorted by no one: the order is the user's. */
bool axes_argument(const BuiltinCall *call, int i, int rank, int64_t *axes, int *count) {
  const Object *o = call->values[i];
  if (o->kind == OBJECT_NONE) {
    *count = rank;
    for (int k = 0; k < rank; k++) axes[k] = k;
    return true;
  }
  if (o->kind != OBJECT_LIST) {
    *count = 1;
    return one_axis(call, i, o, rank, axes);
  }
  if (o->count > MOST_AXES) return wrong_argument(call, i, "a list of axes"), false;
  *count = (int)o->count;
  for (int k = 0; k < *count; k++) {
    if (!one_axis(call, i, o->items[k], rank, &axes[k])) return false;
    for (int n = 0; n < k; n++)
      if (axes[n] == axes[k]) return wrong_argument(call, i, "a list of different axes"), false;
  }
  return true;
}

bool axis_argument(const BuiltinCall *call, int i, int rank, int64_t *axis) {
  return one_axis(call, i, call->values[i], rank, axis);
}

Attribute dims_attribute(Elaborator *e, AttributeName name, const Dim *const *dims, int count) {
  return (Attribute){name, attribute_dims(e->module, dims, count)};
}

Attribute integers_attribute(Elaborator *e, AttributeName name, const int64_t *values, int count) {
  return (Attribute){name, attribute_integers(e->module, values, count)};
}

Attribute integer_attribute(Elaborator *e, AttributeName name, int64_t value) {
  return (Attribute){name, attribute_integer(e->module, value)};
}

/* ---- elementwise ---- */

static Object *real_result(const BuiltinCall *call, double value) {
  if (!isnan(value) || (call->values[0]->kind == OBJECT_REAL && isnan(call->values[0]->real)))
    return object_real(call->site.e, value);
  report(call->site.e, call->site.frame, E0301, call->site.span, "'%s' of %s is not a number",
         call->builtin->name, object_text(call->site.e, call->values[0]));
  return error_object;
}

static Object *unary_operator(BuiltinCall *call, Operator kind, double (*compute)(double)) {
  Elaborator *e = call->site.e;
  Object *x = call->values[0];
  if (is_number(x))
    return real_result(call, compute(x->kind == OBJECT_REAL ? x->real : (double)x->integer));
  const Element real = ELEMENT_f32;
  Value *value = tensor_argument(call, 0, x->kind == OBJECT_DIM ? &real : NULL);
  return value ? object_tensor(e, emit(&call->site, kind, &value, 1, NULL, 0)) : error_object;
}

static double reciprocal_root(double x) {
  return 1 / sqrt(x);
}

#define UNARY(name, compute)                                                                       \
  Object *builtin_##name(BuiltinCall *call) {                                                      \
    return unary_operator(call, OP_##name, compute);                                               \
  }
UNARY(sqrt, sqrt)
UNARY(rsqrt, reciprocal_root)
UNARY(exp, exp)
UNARY(expm1, expm1)
UNARY(log, log)
UNARY(log1p, log1p)
UNARY(sin, sin)
UNARY(cos, cos)
UNARY(tanh, tanh)
UNARY(erf, erf)

Object *builtin_floor(BuiltinCall *call) {
  if (call->values[0]->kind == OBJECT_INTEGER) return call->values[0];
  return unary_operator(call, OP_floor, floor);
}

static double sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : x;
}

Object *builtin_sign(BuiltinCall *call) {
  return unary_operator(call, OP_sign, sign);
}

Object *builtin_abs(BuiltinCall *call) {
  Object *x = call->values[0];
  if (x->kind == OBJECT_INTEGER && x->integer != INT64_MIN)
    return object_integer(call->site.e, x->integer < 0 ? -x->integer : x->integer);
  return unary_operator(call, OP_abs, fabs);
}

/* Of numbers a number, of dims the one that is known to be it. */
static Object *extreme(BuiltinCall *call, Operator kind) {
  Elaborator *e = call->site.e;
  Object *x = call->values[0], *y = call->values[1];
  bool greater = kind == OP_maximum;
  if (is_number(x) && is_number(y)) {
    double a = x->kind == OBJECT_REAL ? x->real : (double)x->integer;
    double b = y->kind == OBJECT_REAL ? y->real : (double)y->integer;
    return (greater ? a > b : a < b) ? x : y;
  }
  const Dim *a = object_to_dim(e, x), *b = object_to_dim(e, y);
  if (a && b) {
    Truth less = dim_less_or_equal(e->module->dims, a, b);
    Truth more = dim_less_or_equal(e->module->dims, b, a);
    if (less == ALWAYS) return greater ? y : x;
    if (more == ALWAYS) return greater ? x : y;
    report(e, call->site.frame, E0302, call->site.span,
           "which of %s and %s is the %s depends on the call", dim_text(e, a), dim_text(e, b),
           greater ? "greater" : "smaller");
    return error_object;
  }
  Value *operands[2];
  if (!unify(&call->site, x, y, &operands[0], &operands[1])) return error_object;
  return emit_object(&call->site, kind, operands, 2, NULL, 0);
}

Object *builtin_maximum(BuiltinCall *call) {
  return extreme(call, OP_maximum);
}

Object *builtin_minimum(BuiltinCall *call) {
  return extreme(call, OP_minimum);
}

Object *builtin_where(BuiltinCall *call) {
  Object *c = call->values[0], *x = call->values[1], *y = call->values[2];
  if (c->kind == OBJECT_BOOL) return c->integer ? x : y;
  Value *operands[3];
  operands[0] = tensor_argument(call, 0, NULL);
  if (!operands[0]) return error_object;
  if (operands[0]->type.element != ELEMENT_bool) return wrong_argument(call, 0, "a bool tensor");
  if (x->kind == OBJECT_BOOL && y->kind == OBJECT_BOOL) {
    operands[1] = tensor_argument(call, 1, NULL);
    operands[2] = tensor_argument(call, 2, NULL);
    if (!operands[1] || !operands[2]) return error_object;
  } else if (!unify(&call->site, x, y, &operands[1], &operands[2])) {
    return error_object;
  }
  return emit_object(&call->site, OP_where, operands, 3, NULL, 0);
}

Object *builtin_cast(BuiltinCall *call) {
  Type to;
  if (!type_argument(call, 1, &to)) return error_object;
  Object *x = call->values[0];
  /* A list or number is written in the wanted type, if it can be. */
  bool direct = x->kind == OBJECT_INTEGER || x->kind == OBJECT_LIST || x->kind == OBJECT_REAL;
  if (x->kind == OBJECT_REAL && !element_is_float(to.element)) direct = false;
  Value *value = tensor_argument(call, 0, direct ? &to.element : NULL);
  return object_tensor(call->site.e, cast_to(&call->site, value, to.element));
}

Object *builtin_stop_gradient(BuiltinCall *call) {
  Value *x = is_tensor(call->values[0]) ? tensor_argument(call, 0, NULL) : NULL;
  if (!x) return call->values[0];
  return emit_object(&call->site, OP_stop_gradient, &x, 1, NULL, 0);
}

Object *builtin_checkpoint(BuiltinCall *call) {
  Value *x = tensor_argument(call, 0, NULL);
  return x ? emit_object(&call->site, OP_checkpoint, &x, 1, NULL, 0) : error_object;
}
