/* slices.c - brackets behind a value: tables, lists, types, and parts of tensors. */
#include "frontend/elaborator.h"

#include <string.h>

/* ---- lists, texts and tables ---- */

static Object *table_entry(Elaborator *e, Frame *frame, const Object *table, const Expr *expr) {
  if (expr->items.count != 1) {
    report(e, frame, E0305, expr->span, "a table has one key");
    return error_object;
  }
  Object *key = evaluate(e, frame, expr->items.items[0]);
  if (is_error(key)) return key;
  for (size_t i = 0; i < table->count; i++)
    if (object_equal(table->keys[i], key)) return table->items[i];
  Diagnostic *d = report(e, frame, E0305, expr->items.items[0]->span, "the table has no key %s",
                         object_text(e, key));
  Text keys = text_new(e->arena);
  for (size_t i = 0; i < table->count && i < 20; i++)
    text_format(&keys, "%s%s", i ? ", " : "", object_text(e, table->keys[i]));
  diag_help(d, "its keys are: %s", text_get(&keys));
  return error_object;
}

static bool list_bound(Elaborator *e, Frame *frame, const Expr *expr, int64_t count,
                       int64_t standard, int64_t *bound) {
  *bound = standard;
  if (!expr) return true;
  Object *o = evaluate(e, frame, expr);
  if (is_error(o)) return false;
  if (o->kind != OBJECT_INTEGER) {
    report(e, frame, E0223, expr->span, "a bound is a whole number, not %s", object_text(e, o));
    return false;
  }
  *bound = o->integer < 0 ? o->integer + count : o->integer;
  if (*bound < 0) *bound = 0;
  if (*bound > count) *bound = count;
  return true;
}

static Object *list_slice(Elaborator *e, Frame *frame, const Object *list, const Expr *slice) {
  int64_t count = (int64_t)list->count, from, to;
  if (!list_bound(e, frame, slice->left, count, 0, &from) ||
      !list_bound(e, frame, slice->right, count, count, &to))
    return error_object;
  int64_t step = 1;
  if (slice->third) {
    Object *o = evaluate(e, frame, slice->third);
    if (is_error(o)) return o;
    if (o->kind != OBJECT_INTEGER || !o->integer) {
      report(e, frame, E0223, slice->third->span,
             "the step of a slice is a whole number other than 0, not %s", object_text(e, o));
      return error_object;
    }
    step = o->integer;
    if (step < 0 && !slice->left) from = count - 1;
    if (step < 0 && slice->left && from > count - 1) from = count - 1;
    if (step < 0 && !slice->right) to = -1;
  }
  if (!take_step(e, frame, slice->span, count)) return error_object;
  Object *part = object_list(e, list->count);
  part->count = 0;
  for (int64_t i = from; step > 0 ? i < to : i > to;) {
    part->items[part->count++] = list->items[i];
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return part;
}

static Object *list_element(Elaborator *e, Frame *frame, const Object *list, const Expr *expr) {
  if (expr->items.count != 1) {
    report(e, frame, E0228, expr->span, "a list has one index; of nested lists it is a[i][j]");
    return error_object;
  }
  const Expr *item = expr->items.items[0];
  if (item->kind == EXPR_SLICE) return list_slice(e, frame, list, item);
  Object *index = evaluate(e, frame, item);
  if (is_error(index)) return index;
  if (index->kind != OBJECT_INTEGER) {
    report(e, frame, E0223, item->span, "the index of a list is a whole number, not %s",
           object_text(e, index));
    return error_object;
  }
  int64_t i = index->integer < 0 ? index->integer + (int64_t)list->count : index->integer;
  if (i >= 0 && i < (int64_t)list->count) return list->items[i];
  Diagnostic *d = report(e, frame, E0228, item->span, "the list has no element %lld",
                         (long long)index->integer);
  diag_label(d, "it has %zu", list->count);
  return error_object;
}

/* ---- tensors ---- */

typedef struct {
  Elaborator *e;
  Frame *frame;
  Site site;
  Value *x;
  const Dim *start[MOST_AXES], *stop[MOST_AXES], *step[MOST_AXES];
  bool is_sliced; /* anything but whole axes */
  bool drops[MOST_AXES];
  Value *gathers[MOST_AXES]; /* index known at run time */
  Span spans[MOST_AXES];
  int order[2 * MOST_AXES]; /* axes of the result: an axis of x, or -1 */
  int order_count;
} Slicing;

static const Dim *constant(const Slicing *s, int64_t value) {
  return dim_constant(s->e->module->dims, value);
}

static bool too_many(Slicing *s, const Expr *expr, size_t count) {
  Diagnostic *d =
      report(s->e, s->frame, E0205, expr->span, "%zu indices for %d axes", count, s->x->type.rank);
  diag_label(d, "%s", type_text(s->e->arena, &s->x->type));
  return false;
}

/* A bound of a slice; a negative number counts from the end. */
static bool slice_bound(Slicing *s, const Expr *expr, int axis, const Dim *standard,
                        const Dim **bound) {
  Elaborator *e = s->e;
  *bound = standard;
  if (!expr) return true;
  Object *o = evaluate(e, s->frame, expr);
  if (is_error(o)) return false;
  const Dim *dim = object_to_dim(e, o);
  if (!dim) {
    Diagnostic *d = report(e, s->frame, E0223, expr->span,
                           "the bound of a slice is a whole number, not %s", object_text(e, o));
    if (is_tensor(o)) diag_help(d, "sizes never depend on data; use where and a mask");
    return false;
  }
  *bound = o->kind == OBJECT_INTEGER && o->integer < 0
               ? dim_add(e->module->dims, s->x->type.dims[axis], dim)
               : dim;
  return *bound != NULL;
}

static bool take_slice(Slicing *s, const Expr *item, int axis) {
  Elaborator *e = s->e;
  int64_t step = 1;
  if (item->third) {
    Object *o = evaluate(e, s->frame, item->third);
    if (is_error(o)) return false;
    if (o->kind != OBJECT_INTEGER || !o->integer) {
      report(e, s->frame, E0208, item->third->span,
             "the step of a slice is a whole number other than 0, not %s", object_text(e, o));
      return false;
    }
    step = o->integer;
  }
  const Dim *size = s->x->type.dims[axis];
  const Dim *last = dim_sub(e->module->dims, size, constant(s, 1));
  if (!slice_bound(s, item->left, axis, step > 0 ? constant(s, 0) : last, &s->start[axis]) ||
      !slice_bound(s, item->right, axis, step > 0 ? size : constant(s, -1), &s->stop[axis]))
    return false;
  s->step[axis] = constant(s, step);
  if (item->left || item->right || step != 1) s->is_sliced = true;
  return true;
}

static bool take_index(Slicing *s, const Expr *item, int axis) {
  Elaborator *e = s->e;
  Object *o = evaluate(e, s->frame, item);
  if (is_error(o)) return false;
  s->drops[axis] = true;
  if (is_tensor(o)) {
    const Type *type = object_tensor_type(o);
    if (type->rank || !element_is_integer(type->element)) {
      Diagnostic *d = report(e, s->frame, E0205, item->span, "an index is one whole number");
      diag_label(d, "%s", type_text(e->arena, type));
      diag_help(d, "many indices: gather(x, i, axis=%d)", axis);
      return false;
    }
    Site site = s->site;
    site.span = item->span;
    s->gathers[axis] = to_tensor(&site, o, NULL);
    return s->gathers[axis] != NULL;
  }
  const Dim *dim = object_to_dim(e, o);
  if (!dim) {
    Diagnostic *d = report(e, s->frame, E0223, item->span, "an index is a whole number, not %s",
                           object_text(e, o));
    if (o->kind == OBJECT_LIST) diag_help(d, "many indices: gather(x, i, axis=%d)", axis);
    return false;
  }
  const Dim *size = s->x->type.dims[axis];
  bool from_end = o->kind == OBJECT_INTEGER && o->integer < 0;
  const Dim *start = from_end ? dim_add(e->module->dims, size, dim) : dim;
  const Dim *stop_ = start ? dim_add(e->module->dims, start, constant(s, 1)) : NULL;
  if (!stop_) return false;
  if (dim_max(start) < 0 || dim_less(e->module->dims, start, size) == NEVER) {
    Diagnostic *d =
        report(e, s->frame, E0208, item->span, "there is no index %s", object_text(e, o));
    diag_label(d, "axis %d of %s", axis, type_text(e->arena, &s->x->type));
    return false;
  }
  s->start[axis] = start;
  s->stop[axis] = stop_;
  s->is_sliced = true;
  return true;
}

static bool read_items(Slicing *s, const Expr *expr) {
  size_t count = expr->items.count, indices = 0;
  int rank = s->x->type.rank, axis = 0;
  bool dots = false;
  for (size_t i = 0; i < count; i++) {
    const Expr *item = expr->items.items[i];
    if (item->kind == EXPR_ELLIPSIS) {
      if (dots) {
        report(s->e, s->frame, E0205, item->span, "'...' stands once");
        return false;
      }
      dots = true;
    } else if (item->kind != EXPR_NONE) {
      indices++;
    }
  }
  if (indices > (size_t)rank) return too_many(s, expr, indices);
  for (int i = 0; i < rank; i++) {
    s->start[i] = constant(s, 0);
    s->stop[i] = s->x->type.dims[i];
    s->step[i] = constant(s, 1);
  }
  for (size_t i = 0; i < count; i++) {
    const Expr *item = expr->items.items[i];
    if (item->kind == EXPR_NONE) {
      if (s->order_count >= 2 * MOST_AXES) return too_many(s, expr, count);
      s->order[s->order_count++] = -1;
      continue;
    }
    int covered = item->kind == EXPR_ELLIPSIS ? rank - (int)indices : 1;
    for (int k = 0; k < covered; k++, axis++) {
      s->spans[axis] = item->span;
      if (item->kind == EXPR_SLICE ? !take_slice(s, item, axis)
                                   : item->kind != EXPR_ELLIPSIS && !take_index(s, item, axis))
        return false;
      if (!s->drops[axis]) s->order[s->order_count++] = axis;
    }
  }
  for (; axis < rank; axis++) s->order[s->order_count++] = axis;
  return true;
}

/* `x[i]` with a run-time i drops the axis; from the last axis on, so that numbers stay right. */
static bool apply_gathers(Slicing *s) {
  for (int axis = s->x->type.rank - 1; axis >= 0; axis--) {
    if (!s->gathers[axis]) continue;
    Attribute attribute = {ATTRIBUTE_axis, attribute_integer(s->e->module, axis)};
    s->x = emit(&s->site, OP_gather, (Value *[]){s->x, s->gathers[axis]}, 2, &attribute, 1);
    if (!s->x) return false;
  }
  return true;
}

static Object *slice_tensor(Elaborator *e, Frame *frame, Object *object, const Expr *expr) {
  Slicing s = {.e = e, .frame = frame, .site = {e, frame, expr->span, NULL, 0, NULL}};
  s.x = to_tensor(&s.site, object, NULL);
  if (!s.x || !read_items(&s, expr)) return error_object;
  int rank = s.x->type.rank;
  if (s.is_sliced) {
    Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(e->module, s.start, rank)},
                              {ATTRIBUTE_stop, attribute_dims(e->module, s.stop, rank)},
                              {ATTRIBUTE_step, attribute_dims(e->module, s.step, rank)}};
    s.x = emit(&s.site, OP_slice, &s.x, 1, attributes, 3);
    if (!s.x) return error_object;
  }
  if (s.order_count > MOST_AXES) {
    report(e, frame, E0611, expr->span, "a tensor has at most %d axes", MOST_AXES);
    return error_object;
  }
  const Dim *dims[MOST_AXES];
  for (int i = 0; i < s.order_count; i++)
    dims[i] = s.order[i] < 0 ? constant(&s, 1) : s.x->type.dims[s.order[i]];
  if (!apply_gathers(&s)) return error_object;
  return object_tensor(e, reshape_to(&s.site, s.x, dims, s.order_count));
}

/* The steps of a write are 1; an axis is kept, of one element where an index stands. */
static bool part_shape(Slicing *s, const Dim **sizes) {
  DimTable *table = s->e->module->dims;
  for (int axis = 0; axis < s->x->type.rank; axis++) {
    if (!dim_is(s->step[axis], 1)) {
      report(s->e, s->frame, E0405, s->spans[axis], "a part that is written has step 1");
      return false;
    }
    sizes[axis] = s->drops[axis] ? constant(s, 1) : dim_sub(table, s->stop[axis], s->start[axis]);
    if (!sizes[axis]) return false;
  }
  return true;
}

static bool run_time_starts(Slicing *s, Value **operands) {
  for (int axis = 0; axis < s->x->type.rank; axis++) {
    Object *start =
        s->gathers[axis] ? object_tensor(s->e, s->gathers[axis]) : object_dim(s->e, s->start[axis]);
    const Element index = ELEMENT_i64;
    operands[axis] = cast_to(&s->site, to_tensor(&s->site, start, &index), ELEMENT_i64);
    if (!operands[axis]) return false;
  }
  return true;
}

/* What is written, in the shape that the brackets read: a number stands for all elements. */
static Value *part_value(Slicing *s, Object *value, const Dim *const *sizes) {
  Elaborator *e = s->e;
  const Dim *wanted[2 * MOST_AXES];
  for (int i = 0; i < s->order_count; i++)
    wanted[i] = s->order[i] < 0 ? constant(s, 1) : sizes[s->order[i]];
  Value *u = to_tensor(&s->site, value, &s->x->type.element);
  if (!u) return NULL;
  if (!is_tensor(value) && !u->type.rank) return broadcast_to(&s->site, u, sizes, s->x->type.rank);
  bool fits = u->type.rank == s->order_count && u->type.element == s->x->type.element;
  for (int i = 0; i < s->order_count && fits; i++)
    fits = same_dim(e, s->frame, s->site.span, wanted[i], u->type.dims[i]);
  if (fits) return reshape_to(&s->site, u, sizes, s->x->type.rank);
  Type type = {s->x->type.element, s->order_count < MOST_AXES ? s->order_count : MOST_AXES, {0}};
  for (int i = 0; i < type.rank; i++) type.dims[i] = wanted[i];
  Diagnostic *d =
      report(e, s->frame, E0405, s->site.span, "what is written does not fit its place");
  diag_label(d, "%s into %s", type_text(e->arena, &u->type), type_text(e->arena, &type));
  return NULL;
}

Value *update_part(Elaborator *e, Frame *frame, Value *old, const Expr *expr, Object *value) {
  Slicing s = {.e = e, .frame = frame, .site = {e, frame, expr->span, NULL, 0, "<-"}, .x = old};
  const Dim *sizes[MOST_AXES];
  if (!read_items(&s, expr) || !part_shape(&s, sizes)) return NULL;
  int rank = old->type.rank;
  Value *operands[2 + MOST_AXES] = {old, part_value(&s, value, sizes)};
  if (!operands[1]) return NULL;
  bool at_run_time = false;
  for (int axis = 0; axis < rank; axis++) at_run_time |= s.gathers[axis] != NULL;
  Attribute at = {ATTRIBUTE_at, attribute_dims(e->module, s.start, rank)};
  if (!at_run_time) return emit(&s.site, OP_update, operands, 2, &at, 1);
  return run_time_starts(&s, operands + 2) ? emit(&s.site, OP_update, operands, 2 + rank, NULL, 0)
                                           : NULL;
}

static bool is_element_name(Elaborator *e, Frame *frame, const Expr *expr) {
  Element element;
  bool is_class;
  if (expr->kind != EXPR_NAME || !element_word(frame, expr->name, &element, &is_class))
    return false;
  Object *object = look_up_quietly(e, frame, expr->name, expr->span);
  return object && object->kind == OBJECT_TYPE;
}

Object *element_of(Elaborator *e, Frame *frame, Object *object, const Expr *expr) {
  switch (object->kind) {
  case OBJECT_ERROR:
    return object;
  case OBJECT_MAP:
    return table_entry(e, frame, object, expr);
  case OBJECT_LIST:
    return list_element(e, frame, object, expr);
  case OBJECT_TENSOR:
  case OBJECT_PARAMETER:
    return slice_tensor(e, frame, object, expr);
  default:
    report(e, frame, E0228, expr->span, "%s has no elements", object_text(e, object));
    return error_object;
  }
}

Object *index_object(Elaborator *e, Frame *frame, const Expr *expr) {
  if (is_element_name(e, frame, expr->left)) {
    Type type;
    return resolve_type(e, frame, expr, &type) ? object_type(e, type, false) : error_object;
  }
  return element_of(e, frame, evaluate(e, frame, expr->left), expr);
}
