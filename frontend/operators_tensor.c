/* operators_tensor.c - builtins that are one operation: reductions, shapes, indices, products. */
#include "frontend/operators.h"

#include <math.h>
#include <string.h>

/* ---- reductions ---- */

static Object *reduction(BuiltinCall *call, Operator kind) {
  Elaborator *e = call->site.e;
  Value *x = tensor_argument(call, 0, NULL);
  int64_t axes[MOST_AXES];
  int count;
  bool keep;
  if (!x || !axes_argument(call, 1, x->type.rank, axes, &count) || !flag_argument(call, 2, &keep))
    return error_object;
  if (!count) return object_tensor(e, x);
  Attribute attributes[] = {integers_attribute(e, ATTRIBUTE_axis, axes, count),
                            {ATTRIBUTE_keepdims, attribute_flag(keep)}};
  return emit_object(&call->site, kind, &x, 1, attributes, 2);
}

Object *builtin_sum(BuiltinCall *call) {
  return reduction(call, OP_sum);
}

Object *builtin_max(BuiltinCall *call) {
  Object *second = call->values[1];
  if (is_tensor(second) || second->kind == OBJECT_REAL) {
    Elaborator *e = call->site.e;
    Diagnostic *d = report(e, call->site.frame, E0223, call->site.span,
                           "'max' goes over the axes of one tensor");
    diag_help(d, "the greater of two is maximum(x, y)");
    return error_object;
  }
  return reduction(call, OP_max);
}

static Object *along(BuiltinCall *call, Operator kind, int index) {
  Elaborator *e = call->site.e;
  Value *x = tensor_argument(call, 0, NULL);
  int64_t axis;
  if (!x || !axis_argument(call, index, x->type.rank, &axis)) return error_object;
  Attribute attribute = integer_attribute(e, ATTRIBUTE_axis, axis);
  return emit_object(&call->site, kind, &x, 1, &attribute, 1);
}

Object *builtin_argmax(BuiltinCall *call) {
  return along(call, OP_argmax, 1);
}

Object *builtin_softmax(BuiltinCall *call) {
  return along(call, OP_softmax, 1);
}

/* ---- shapes ---- */

/* -1 is what is left of the count; it must come out even. */
static bool fill_hole(BuiltinCall *call, const Value *x, const Dim **dims, int count) {
  Elaborator *e = call->site.e;
  DimTable *table = e->module->dims;
  int hole = -1;
  const Dim *rest = dim_constant(table, 1);
  for (int i = 0; i < count && rest; i++) {
    if (!dim_is(dims[i], -1)) {
      rest = dim_mul(table, rest, dims[i]);
    } else if (hole >= 0) {
      report(e, call->site.frame, E0206, call->spans[1], "a reshape has one -1 at most");
      return false;
    } else {
      hole = i;
    }
  }
  if (hole < 0) return true;
  const Dim *total = type_count(table, &x->type);
  const Dim *quotient = total && rest && !dim_is(rest, 0) ? dim_quotient(table, total, rest) : NULL;
  if (quotient) {
    dims[hole] = quotient;
    return true;
  }
  Diagnostic *d =
      report(e, call->site.frame, E0206, call->site.span, "a reshape keeps the number of elements");
  diag_label(d, "the %s elements of %s are not a multiple of %s",
             total ? dim_text(e, total) : "many", type_text(e->arena, &x->type),
             rest ? dim_text(e, rest) : "that many");
  return false;
}

Object *builtin_reshape(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *x = tensor_argument(call, 0, NULL);
  const Dim *dims[MOST_AXES];
  int count;
  if (!x || !dims_argument(call, 1, dims, &count, MOST_AXES) || !fill_hole(call, x, dims, count))
    return error_object;
  return object_tensor(e, reshape_to(&call->site, x, dims, count));
}

Object *builtin_broadcast(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *x = tensor_argument(call, 0, NULL);
  const Dim *dims[MOST_AXES];
  int count;
  if (!x || !dims_argument(call, 1, dims, &count, MOST_AXES)) return error_object;
  return object_tensor(e, broadcast_to(&call->site, x, dims, count));
}

Object *builtin_transpose(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *x = tensor_argument(call, 0, NULL);
  if (!x) return error_object;
  int64_t perm[MOST_AXES];
  int count = x->type.rank;
  if (call->values[1]->kind != OBJECT_NONE) {
    if (!axes_argument(call, 1, x->type.rank, perm, &count)) return error_object;
    if (count != x->type.rank) {
      Diagnostic *d =
          report(e, call->site.frame, E0205, call->spans[1], "'perm' does not name each axis once");
      diag_label(d, "%d of the %d axes of %s", count, x->type.rank, type_text(e->arena, &x->type));
      return error_object;
    }
  } else {
    if (count < 2) return wrong_argument(call, 0, "a tensor of at least two axes");
    for (int i = 0; i < count; i++) perm[i] = i;
    perm[count - 2] = count - 1;
    perm[count - 1] = count - 2;
  }
  Attribute attribute = integers_attribute(e, ATTRIBUTE_perm, perm, count);
  return emit_object(&call->site, OP_transpose, &x, 1, &attribute, 1);
}

/* One value for each of `count` axes. */
static bool per_axis(BuiltinCall *call, int i, AttributeName name, int count,
                     Attribute *attribute) {
  Elaborator *e = call->site.e;
  const Dim *dims[MOST_AXES];
  int found;
  if (!dims_argument(call, i, dims, &found, MOST_AXES)) return false;
  if (call->values[i]->kind != OBJECT_LIST) {
    for (int k = 1; k < count; k++) dims[k] = dims[0];
  } else if (found != count) {
    wrong_argument(call, i, arena_format(e->arena, "one number, or %d", count));
    return false;
  }
  *attribute = dims_attribute(e, name, dims, count);
  return true;
}

Object *builtin_pad(BuiltinCall *call) {
  Value *x = tensor_argument(call, 0, NULL);
  Attribute attributes[4];
  Number value;
  if (!x || !per_axis(call, 1, ATTRIBUTE_before, x->type.rank, &attributes[0]) ||
      !per_axis(call, 2, ATTRIBUTE_after, x->type.rank, &attributes[1]) ||
      !per_axis(call, 3, ATTRIBUTE_between, x->type.rank, &attributes[2]) ||
      !number_argument(call, 4, &value))
    return error_object;
  attributes[3] = (Attribute){ATTRIBUTE_value, attribute_number(value)};
  return emit_object(&call->site, OP_pad, &x, 1, attributes, 4);
}

Object *builtin_concat(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  const Object *list = call->values[0];
  if (list->kind != OBJECT_LIST || !list->count)
    return wrong_argument(call, 0, "a list of tensors");
  if (!take_step(e, call->site.frame, call->site.span, (int64_t)list->count)) return error_object;
  Value **operands = ARENA_ARRAY(e->arena, list->count, Value *);
  Element element = ELEMENT_f32;
  bool known = false;
  for (size_t i = 0; i < list->count && !known; i++)
    if ((known = is_tensor(list->items[i]))) element = object_tensor_type(list->items[i])->element;
  Site site = call->site;
  site.span = call->spans[0];
  for (size_t i = 0; i < list->count; i++) {
    operands[i] = to_tensor(&site, list->items[i], known ? &element : NULL);
    if (!operands[i]) return error_object;
  }
  int64_t axis;
  if (!axis_argument(call, 1, operands[0]->type.rank, &axis)) return error_object;
  if (list->count == 1) return object_tensor(e, operands[0]);
  Attribute attribute = integer_attribute(e, ATTRIBUTE_axis, axis);
  return emit_object(&call->site, OP_concat, operands, (int)list->count, &attribute, 1);
}

Object *builtin_update(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *operands[2 + MOST_AXES];
  operands[0] = tensor_argument(call, 0, NULL);
  if (!operands[0]) return error_object;
  operands[1] = tensor_argument(call, 1, &operands[0]->type.element);
  if (!operands[1]) return error_object;
  int rank = operands[0]->type.rank;
  const Object *at = call->values[2];
  bool is_run_time = false;
  for (size_t i = 0; at->kind == OBJECT_LIST && i < at->count; i++)
    is_run_time |= is_tensor(at->items[i]);
  if (!is_run_time) {
    Attribute attribute;
    if (!per_axis(call, 2, ATTRIBUTE_at, rank, &attribute)) return error_object;
    return emit_object(&call->site, OP_update, operands, 2, &attribute, 1);
  }
  if (at->count != (size_t)rank)
    return wrong_argument(call, 2, arena_format(e->arena, "a list of %d", rank));
  const Element index = ELEMENT_i64;
  for (int i = 0; i < rank; i++) {
    operands[2 + i] = to_tensor(&call->site, at->items[i], &index);
    if (!operands[2 + i]) return error_object;
  }
  return emit_object(&call->site, OP_update, operands, 2 + rank, NULL, 0);
}

/* A number, a list of one for each axis, or a list of pairs: before and after. */
static bool pairs(BuiltinCall *call, int i, int count, Attribute *attribute) {
  Elaborator *e = call->site.e;
  const Object *o = call->values[i];
  int64_t values[MOST_AXES][2];
  for (int k = 0; k < count; k++) {
    const Object *one = o->kind == OBJECT_LIST && o->count == (size_t)count ? o->items[k] : o;
    bool is_pair = one != o && one->kind == OBJECT_LIST && one->count == 2;
    for (int side = 0; side < 2; side++) {
      const Object *number = is_pair ? one->items[side] : one;
      if (number->kind != OBJECT_INTEGER) {
        wrong_argument(call, i,
                       arena_format(e->arena, "a number, a list of %d, or of pairs", count));
        return false;
      }
      values[k][side] = number->integer;
    }
  }
  *attribute =
      (Attribute){ATTRIBUTE_pad, attribute_pairs(e->module, (const int64_t(*)[2])values, count)};
  return true;
}

Object *builtin_windows(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *x = tensor_argument(call, 0, NULL);
  Attribute attributes[6];
  int64_t axes[MOST_AXES];
  int count;
  Number value;
  if (!x || !axes_argument(call, 1, x->type.rank, axes, &count) ||
      !per_axis(call, 2, ATTRIBUTE_kernel, count, &attributes[1]) ||
      !per_axis(call, 3, ATTRIBUTE_stride, count, &attributes[2]) ||
      !per_axis(call, 4, ATTRIBUTE_dilation, count, &attributes[3]) ||
      !pairs(call, 5, count, &attributes[4]) || !number_argument(call, 6, &value))
    return error_object;
  attributes[0] = integers_attribute(e, ATTRIBUTE_axes, axes, count);
  attributes[5] = (Attribute){ATTRIBUTE_value, attribute_number(value)};
  return emit_object(&call->site, OP_windows, &x, 1, attributes, 6);
}

/* ---- indices ---- */

static Value *index_tensor(BuiltinCall *call, int i) {
  const Element index = ELEMENT_i64;
  return tensor_argument(call, i, is_tensor(call->values[i]) ? NULL : &index);
}

Object *builtin_gather(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *operands[] = {tensor_argument(call, 0, NULL), NULL};
  if (!operands[0] || !(operands[1] = index_tensor(call, 1))) return error_object;
  int64_t axis, batch;
  if (!axis_argument(call, 2, operands[0]->type.rank, &axis) || !integer_argument(call, 3, &batch))
    return error_object;
  Attribute attributes[] = {integer_attribute(e, ATTRIBUTE_axis, axis),
                            integer_attribute(e, ATTRIBUTE_batch, batch)};
  return emit_object(&call->site, OP_gather, operands, 2, attributes, 2);
}

Object *builtin_scatter_add(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *operands[3] = {tensor_argument(call, 0, NULL)};
  if (!operands[0] || !(operands[1] = index_tensor(call, 1)) ||
      !(operands[2] = tensor_argument(call, 2, &operands[0]->type.element)))
    return error_object;
  int64_t axis, batch;
  if (!axis_argument(call, 3, operands[0]->type.rank, &axis) || !integer_argument(call, 4, &batch))
    return error_object;
  Attribute attributes[] = {integer_attribute(e, ATTRIBUTE_axis, axis),
                            integer_attribute(e, ATTRIBUTE_batch, batch)};
  return emit_object(&call->site, OP_scatter_add, operands, 3, attributes, 2);
}

Object *builtin_top_k(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Value *x = tensor_argument(call, 0, NULL);
  const Dim *k = object_to_dim(e, call->values[1]);
  int64_t axis;
  if (!x || !axis_argument(call, 2, x->type.rank, &axis)) return error_object;
  if (!k) return wrong_argument(call, 1, "a whole number");
  Attribute attributes[] = {{ATTRIBUTE_k, attribute_dim(k)},
                            integer_attribute(e, ATTRIBUTE_axis, axis)};
  Value *values = emit(&call->site, OP_top_k, &x, 1, attributes, 2);
  if (!values) return error_object;
  Object *list = object_list(e, 2);
  for (int i = 0; i < 2; i++) list->items[i] = object_tensor(e, values->op->results[i]);
  return list;
}

/* ---- products ---- */

static Object *convolution(BuiltinCall *call, Operator kind) {
  bool transposed = kind == OP_conv_transpose;
  Value *x = tensor_argument(call, 0, NULL);
  if (!x) return error_object;
  Value *w = tensor_argument(call, 1, &x->type.element);
  if (!w) return error_object;
  int spatial = x->type.rank - 2, count = 0;
  if (spatial < 1) return wrong_argument(call, 0, "a tensor [N, C, ...] with axes to slide over");
  Attribute attributes[5];
  if (!per_axis(call, 2, ATTRIBUTE_stride, spatial, &attributes[count++]) ||
      !pairs(call, 3, spatial, &attributes[count++]) ||
      !per_axis(call, 4, ATTRIBUTE_dilation, spatial, &attributes[count++]))
    return error_object;
  if (transposed && !per_axis(call, 5, ATTRIBUTE_output_pad, spatial, &attributes[count++]))
    return error_object;
  int64_t groups;
  if (!integer_argument(call, transposed ? 6 : 5, &groups)) return error_object;
  attributes[count++] = integer_attribute(call->site.e, ATTRIBUTE_groups, groups);
  return emit_object(&call->site, kind, (Value *[]){x, w}, 2, attributes, count);
}

Object *builtin_conv(BuiltinCall *call) {
  return convolution(call, OP_conv);
}

Object *builtin_conv_transpose(BuiltinCall *call) {
  return convolution(call, OP_conv_transpose);
}

Object *builtin_attention(BuiltinCall *call) {
  Value *operands[5];
  int count = 3;
  for (int i = 0; i < 3; i++)
    if (!(operands[i] = tensor_argument(call, i, NULL))) return error_object;
  if (call->values[3]->kind != OBJECT_NONE && !(operands[count++] = tensor_argument(call, 3, NULL)))
    return error_object;
  bool factor = call->values[6]->kind != OBJECT_NONE;
  if (factor && !(operands[count++] = tensor_argument(call, 6, NULL))) return error_object;
  bool causal;
  Number scale = number_real(0);
  if (!flag_argument(call, 4, &causal) ||
      (call->values[5]->kind != OBJECT_NONE && !number_argument(call, 5, &scale)))
    return error_object;
  Attribute attributes[] = {{ATTRIBUTE_causal, attribute_flag(causal)},
                            {ATTRIBUTE_scale, attribute_number(scale)},
                            {ATTRIBUTE_factor, attribute_flag(factor)}};
  return emit_object(&call->site, OP_attention, operands, count, attributes, 3);
}

/* ---- made from nothing ---- */

Object *builtin_full(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Type type;
  if (!type_argument(call, 0, &type)) return error_object;
  Object *value = call->values[1];
  if (is_tensor(value) || value->kind == OBJECT_DIM || !type.rank) {
    Value *number = tensor_argument(call, 1, &type.element);
    return object_tensor(e, broadcast_to(&call->site, number, type.dims, type.rank));
  }
  Number number;
  if (!number_argument(call, 1, &number)) return error_object;
  if (!number.is_integer && !element_is_float(type.element))
    return wrong_argument(call, 1, "a whole number");
  Attribute attribute = {ATTRIBUTE_value, attribute_number(number)};
  return object_tensor(e, emit_typed(&call->site, OP_full, type, NULL, &attribute, 1));
}

Object *builtin_iota(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Type type;
  int64_t axis;
  if (!type_argument(call, 0, &type) || !axis_argument(call, 1, type.rank, &axis))
    return error_object;
  Attribute attribute = integer_attribute(e, ATTRIBUTE_axis, axis);
  return object_tensor(e, emit_typed(&call->site, OP_iota, type, NULL, &attribute, 1));
}

enum { MOST_SITES = 1 << 16 }; /* in one initialiser */

/* In `init` the site is the parameter's name, so that a new layer leaves others as they were. */
static int64_t random_site(Elaborator *e) {
  if (!e->initialised) return e->site++;
  uint32_t hash = 2166136261u;
  for (const char *c = e->initialised->path; *c; c++) hash = (hash ^ (uint8_t)*c) * 16777619u;
  return (int64_t)(hash >> 1) * MOST_SITES + e->site++ % MOST_SITES;
}

Object *builtin_random(BuiltinCall *call) {
  Elaborator *e = call->site.e;
  Type type;
  if (!type_argument(call, 0, &type)) return error_object;
  Attribute attribute = integer_attribute(e, ATTRIBUTE_site, random_site(e));
  return object_tensor(e, emit_typed(&call->site, OP_random, type, NULL, &attribute, 1));
}
