/* operators_known.c - builtins that are computed while compiling. */
#include "frontend/operators.h"

#include <string.h>

static bool shape_of(const BuiltinCall *call, int i, Type *type) {
  const Object *o = call->values[i];
  if (is_tensor(o)) {
    *type = *object_tensor_type(o);
    return true;
  }
  if (o->kind == OBJECT_TYPE) {
    *type = *o->type;
    return true;
  }
  if (is_number(o) || o->kind == OBJECT_DIM || o->kind == OBJECT_BOOL) {
    *type = type_scalar(ELEMENT_f32);
    return true;
  }
  if (o->kind == OBJECT_LIST) { /* a constant */
    Value *value = tensor_argument(call, i, NULL);
    if (value) *type = value->type;
    return value != NULL;
  }
  wrong_argument(call, i, "a tensor");
  return false;
}

Object *builtin_shape(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Type type;
  if (!shape_of(call, 0, &type)) return error_object;
  Object *list = object_list(e, (size_t)type.rank);
  for (int i = 0; i < type.rank; i++) list->items[i] = object_dim(e, type.dims[i]);
  return list;
}

Object *builtin_rank(BuiltinCall *call) {
  Type type;
  return shape_of(call, 0, &type) ? object_integer(call->site.e, type.rank) : error_object;
}

Object *builtin_size(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Type type;
  int64_t axes[MOST_AXES];
  int count;
  if (!shape_of(call, 0, &type) || !axes_argument(call, 1, type.rank, axes, &count))
    return error_object;
  const Dim *size = dim_constant(e->module->dims, 1);
  for (int i = 0; i < count && size; i++) size = dim_mul(e->module->dims, size, type.dims[axes[i]]);
  if (size) return object_dim(e, size);
  report(e, call->site.frame, E0301, call->site.span, "the result does not fit into 64 bits");
  return error_object;
}

Object *builtin_len(BuiltinCall *call) {
  const Object *o = call->values[0];
  if (o->kind == OBJECT_LIST || o->kind == OBJECT_MAP)
    return object_integer(call->site.e, (int64_t)o->count);
  if (o->kind == OBJECT_STRING) return object_integer(call->site.e, (int64_t)strlen(o->text));
  return wrong_argument(call, 0, "a list");
}

Object *builtin_zip(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  size_t lists = 0, count = 0;
  for (; (int)lists < call->builtin->parameter_count && call->values[lists]->kind != OBJECT_NONE;
       lists++) {
    const Object *xs = call->values[lists];
    if (xs->kind != OBJECT_LIST) return wrong_argument(call, (int)lists, "a list");
    if (!lists) count = xs->count;
    if (xs->count == count) continue;
    Diagnostic *d =
        report(e, call->site.frame, E0231, call->site.span, "'zip' of lists of different length");
    diag_label(d, "%zu and %zu elements", count, xs->count);
    return error_object;
  }
  if (!take_step(e, call->site.frame, call->site.span, (int64_t)(count * lists)))
    return error_object;
  Object *list = object_list(e, count);
  for (size_t i = 0; i < count; i++) {
    list->items[i] = object_list(e, lists);
    for (size_t k = 0; k < lists; k++) list->items[i]->items[k] = call->values[k]->items[i];
  }
  return list;
}

Object *builtin_product(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  const Object *xs = call->values[0];
  if (xs->kind != OBJECT_LIST) return wrong_argument(call, 0, "a list of numbers");
  Object *result = object_integer(e, 1);
  for (size_t i = 0; i < xs->count && !is_error(result); i++) {
    if (!is_number(xs->items[i]) && xs->items[i]->kind != OBJECT_DIM)
      return wrong_argument(call, 0, "a list of numbers");
    result = binary(e, call->site.frame, AST_MULTIPLY, result, xs->items[i], call->site.span,
                    call->spans[0], call->spans[0]);
  }
  return result;
}

Object *builtin_str(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  const Object *o = call->values[0];
  if (o->kind == OBJECT_STRING) return call->values[0];
  if (!is_number(o) && o->kind != OBJECT_BOOL) return wrong_argument(call, 0, "a number");
  return object_string(e, intern(e->interner, object_text(e, o)));
}

/* ---- split ---- */

static Value *part(const Site *site, Value *x, int64_t axis, const Dim *from, const Dim *to) {
  Elaborator *e = site->e;
  const Dim *start[MOST_AXES], *stop_[MOST_AXES];
  for (int i = 0; i < x->type.rank; i++) {
    start[i] = i == axis ? from : dim_constant(e->module->dims, 0);
    stop_[i] = i == axis ? to : x->type.dims[i];
  }
  Attribute attributes[] = {dims_attribute(e, ATTRIBUTE_start, start, x->type.rank),
                            dims_attribute(e, ATTRIBUTE_stop, stop_, x->type.rank)};
  return emit(site, OP_slice, &x, 1, attributes, 2);
}

static Object *uneven(BuiltinCall *call, const Dim *whole, const char *parts) {
  Elaborator *e = call->site.e;
  Diagnostic *d =
      report(e, call->site.frame, E0203, call->site.span, "'split' does not come out even");
  diag_label(d, "%s into %s", dim_text(e, whole), parts);
  return error_object;
}

static Object *parts_of(BuiltinCall *call, Value *x, int64_t axis, const Dim *const *sizes,
                        size_t count) {
  Elaborator *e = call->site.e;
  DimTable *table = e->module->dims;
  if (!take_step(e, call->site.frame, call->site.span, (int64_t)count)) return error_object;
  Object *list = object_list(e, count);
  const Dim *from = dim_constant(table, 0);
  for (size_t i = 0; i < count; i++) {
    const Dim *to = dim_add(table, from, sizes[count > 1 && sizes[1] ? i : 0]);
    list->items[i] = to ? object_tensor(e, part(&call->site, x, axis, from, to)) : error_object;
    if (is_error(list->items[i])) return error_object;
    from = to;
  }
  return list;
}

/* Into n equal parts, or into parts of the given sizes. */
Object *builtin_split(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  DimTable *table = e->module->dims;
  Value *x = tensor_argument(call, 0, NULL);
  int64_t axis;
  if (!x || !axis_argument(call, 2, x->type.rank, &axis)) return error_object;
  const Dim *whole = x->type.dims[axis];
  const Object *parts = call->values[1];
  if (parts->kind == OBJECT_INTEGER) {
    if (parts->integer < 1 || parts->integer > MOST_OPERATIONS)
      return wrong_argument(call, 1, "a number of parts");
    const Dim *sizes[2] = {dim_floor(table, whole, parts->integer), NULL};
    const Dim *back =
        sizes[0] ? dim_mul(table, sizes[0], dim_constant(table, parts->integer)) : NULL;
    if (back != whole)
      return uneven(call, whole, arena_format(e->arena, "%lld parts", (long long)parts->integer));
    return parts_of(call, x, axis, sizes, (size_t)parts->integer);
  }
  if (parts->kind != OBJECT_LIST || !parts->count)
    return wrong_argument(call, 1, "a number of parts, or their sizes");
  const Dim **sizes = ARENA_ARRAY(e->arena, parts->count + 1, const Dim *);
  const Dim *total = dim_constant(table, 0);
  for (size_t i = 0; i < parts->count; i++) {
    sizes[i] = object_to_dim(e, parts->items[i]);
    if (!sizes[i]) return wrong_argument(call, 1, "a number of parts, or their sizes");
    total = total ? dim_add(table, total, sizes[i]) : NULL;
  }
  if (!total || !same_dim(e, call->site.frame, call->site.span, total, whole))
    return uneven(call, whole, arena_format(e->arena, "%s", total ? dim_text(e, total) : "that"));
  return parts_of(call, x, axis, sizes, parts->count);
}

Object *builtin_einsum(BuiltinCall *call) {
  if (call->values[0]->kind != OBJECT_STRING)
    return wrong_argument(call, 0, "a text as \"nk,km->nm\"");
  int count = 1;
  while (count < 3 && call->values[1 + count]->kind != OBJECT_NONE) count++;
  return einsum(&call->site, call->values[0]->text, call->values + 1, count);
}

/* ---- parameters ---- */

static Object *tensors_under(BuiltinCall *call, TensorKind kind) {
  Elaborator *e = call->site.e;
  Object *list = object_list(e, 0);
  if (!collect_tensors(e, call->site.frame, call->values[0], kind, list, call->spans[0]))
    return error_object;
  return list;
}

Object *builtin_params(BuiltinCall *call) {
  return tensors_under(call, TENSOR_PARAM);
}

Object *builtin_states(BuiltinCall *call) {
  return tensors_under(call, TENSOR_STATE);
}

Object *builtin_grad(BuiltinCall *call) {
  return gradient(&call->site, call->values[0], call->spans[0], call->values[1], call->spans[1]);
}
