/* tensors.c - making operations: operands from objects, mistakes told in the user's words. */
#include "frontend/elaborator.h"

#include <string.h>

static bool count_operation(const Site *site) {
  Elaborator *e = site->e;
  if (e->stopped) return false;
  if (!e->builder) {
    Diagnostic *d =
        report(e, site->frame, E0120, site->span, "tensors are computed in entries only");
    diag_help(d, "make it a function: fn name() = .., and call it where it is used");
    return false;
  }
  if (++e->operations <= MOST_OPERATIONS) return true;
  report(e, site->frame, E0306, site->span, "more than 1,000,000 operations");
  stop(e);
  return false;
}

static void prepare(const Site *site) {
  Builder *builder = site->e->builder;
  builder->at = location_at(site->e, site->frame, site->span);
  builder->layer = site->frame->layer;
}

void report_failure(const Site *site) {
  const Failure *failure = &site->e->builder->failure;
  int operand = failure->operand;
  Span span = operand >= 0 && operand < site->operand_count && site->operands &&
                      site->operands[operand].file
                  ? site->operands[operand]
                  : site->span;
  if (failure->code == E0203 || failure->code == E0201) span = site->span;
  Diagnostic *d = report(site->e, site->frame, failure->code, span, "%s", failure->message);
  if (failure->label) diag_label(d, "%s", failure->label);
  if (failure->help) diag_help(d, "%s", failure->help);
}

/* A dim below 1 in a result, for some sizes: checked when the entry is called. */
Value *emit(const Site *site, Operator kind, Value *const *operands, int operand_count,
            const Attribute *attributes, int attribute_count) {
  if (!count_operation(site)) return NULL;
  prepare(site);
  Value *value =
      build(site->e->builder, kind, operands, operand_count, attributes, attribute_count);
  if (!value) report_failure(site);
  return value;
}

Value *emit_typed(const Site *site, Operator kind, Type type, const char *symbol,
                  const Attribute *attributes, int attribute_count) {
  if (!count_operation(site)) return NULL;
  prepare(site);
  Value *value = build_typed(site->e->builder, kind, type, symbol, attributes, attribute_count);
  if (!value) report_failure(site);
  return value;
}

Object *emit_object(const Site *site, Operator kind, Value *const *operands, int operand_count,
                    const Attribute *attributes, int attribute_count) {
  return object_tensor(site->e,
                       emit(site, kind, operands, operand_count, attributes, attribute_count));
}

/* ---- numbers as tensors ---- */

static bool fits_element(Element element, Number number) {
  if (element_is_float(element)) return true;
  if (!number.is_integer) return false;
  int64_t v = number.integer;
  switch (element) {
  case ELEMENT_i8:
    return v >= INT8_MIN && v <= INT8_MAX;
  case ELEMENT_u8:
    return v >= 0 && v <= UINT8_MAX;
  case ELEMENT_i32:
    return v >= INT32_MIN && v <= INT32_MAX;
  case ELEMENT_bool:
    return v == 0 || v == 1;
  default:
    return true;
  }
}

static void store_number(Element element, void *bytes, int64_t index, Number number) {
  if (number.is_integer && !element_is_float(element))
    element_store_integer(element, bytes, index, number.integer);
  else
    element_store(element, bytes, index, number.is_integer ? (double)number.integer : number.real);
}

Value *number_tensor(const Site *site, Element element, Number number) {
  Elaborator *e = site->e;
  void *bytes = arena_alloc(e->module->arena, 8);
  store_number(element, bytes, 0, number);
  Attribute value = {ATTRIBUTE_value,
                     attribute_data(data_new(e->module->arena, element, 1, bytes))};
  return emit_typed(site, OP_constant, type_scalar(element), NULL, &value, 1);
}

static bool number_of(const Object *object, Number *number) {
  if (object->kind == OBJECT_INTEGER || object->kind == OBJECT_BOOL)
    *number = number_integer(object->integer);
  else if (object->kind == OBJECT_REAL)
    *number = number_real(object->real);
  else
    return false;
  return true;
}

static Element own_element(const Object *object) {
  return object->kind == OBJECT_BOOL   ? ELEMENT_bool
         : object->kind == OBJECT_REAL ? ELEMENT_f32
                                       : ELEMENT_i64;
}

static bool check_number(const Site *site, const Object *object, Element element, Number number) {
  Elaborator *e = site->e;
  if ((object->kind == OBJECT_BOOL) != (element == ELEMENT_bool)) {
    Diagnostic *d = report(e, site->frame, E0201, site->span, "%s meets a tensor of %s",
                           object_text(e, object), element_infos[element].name);
    diag_help(d, "bool and numbers do not mix; cast(x, %s) makes one of the other",
              element == ELEMENT_bool ? "f32" : element_infos[element].name);
    return false;
  }
  if (fits_element(element, number)) return true;
  Diagnostic *d = report(e, site->frame, E0227, site->span, "%s does not fit into %s",
                         object_text(e, object), element_infos[element].name);
  if (!number.is_integer) diag_help(d, "cast the tensor: cast(x, f32)");
  return false;
}

/* ---- lists of numbers as constants ---- */

static bool list_shape(const Object *list, int64_t *shape, int *rank) {
  *rank = 0;
  for (const Object *o = list; o->kind == OBJECT_LIST; o = o->items[0]) {
    if (!o->count || *rank == MOST_AXES) return false;
    shape[(*rank)++] = (int64_t)o->count;
  }
  return true;
}

static bool collect_numbers(const Object *object, const int64_t *shape, int rank, int axis,
                            const Object **flat, int64_t *count) {
  if (axis == rank) {
    if (!is_number(object) && object->kind != OBJECT_BOOL) return false;
    flat[(*count)++] = object;
    return true;
  }
  if (object->kind != OBJECT_LIST || (int64_t)object->count != shape[axis]) return false;
  for (size_t i = 0; i < object->count; i++)
    if (!collect_numbers(object->items[i], shape, rank, axis + 1, flat, count)) return false;
  return true;
}

static Value *not_a_tensor(const Site *site, const Object *object) {
  Elaborator *e = site->e;
  Diagnostic *d = report(e, site->frame, E0223, site->span, "%s wants a tensor, not %s",
                         site->name ? arena_format(e->arena, "'%s'", site->name) : "this",
                         object_text(e, object));
  if (object->kind == OBJECT_LAYER)
    diag_help(d, "make an instance and apply it: %s(..)(x)", object->definition->name.name);
  else if (object->kind == OBJECT_NONE)
    diag_help(d, "it may be None here: ask with 'if x != None'");
  return NULL;
}

static Value *list_tensor(const Site *site, Object *list, const Element *wanted) {
  Elaborator *e = site->e;
  int64_t shape[MOST_AXES], total = 1, count = 0;
  int rank;
  if (!list_shape(list, shape, &rank)) return not_a_tensor(site, list);
  for (int i = 0; i < rank; i++)
    if (__builtin_mul_overflow(total, shape[i], &total) || total > MOST_OPERATIONS)
      return not_a_tensor(site, list);
  const Object **flat = ARENA_ARRAY(e->arena, (size_t)total, const Object *);
  if (!collect_numbers(list, shape, rank, 0, flat, &count)) return not_a_tensor(site, list);
  Element element = wanted ? *wanted : own_element(flat[0]);
  for (int64_t i = 0; i < count && !wanted; i++)
    if (flat[i]->kind == OBJECT_REAL) element = ELEMENT_f32;
  uint8_t *bytes =
      arena_array(e->module->arena, (size_t)count, (size_t)element_infos[element].bytes);
  Type type = {element, rank, {0}};
  for (int i = 0; i < rank; i++) type.dims[i] = dim_constant(e->module->dims, shape[i]);
  for (int64_t i = 0; i < count; i++) {
    Number number = {0};
    number_of(flat[i], &number);
    if (!check_number(site, flat[i], element, number)) return NULL;
    store_number(element, bytes, i, number);
  }
  Attribute value = {ATTRIBUTE_value,
                     attribute_data(data_new(e->module->arena, element, count, bytes))};
  return emit_typed(site, OP_constant, type, NULL, &value, 1);
}

static Value *dim_tensor(const Site *site, const Dim *dim, const Element *element) {
  Attribute value = {ATTRIBUTE_value, attribute_dim(dim)};
  Value *number = emit_typed(site, OP_dim_value, type_scalar(ELEMENT_i64), NULL, &value, 1);
  return number && element ? cast_to(site, number, *element) : number;
}

static const Function *function_of(const Value *value) {
  return value->op ? value->op->block->function : value->block->function;
}

/* Of the function that is built, and of no loop that has ended. */
static bool is_visible(const Elaborator *e, const Value *value) {
  const Block *block = value->op ? value->op->block : value->block;
  if (block == e->builder->function->body) return true;
  for (const Region *region = e->region; region; region = region->outer)
    if (block == region->block) return true;
  return false;
}

static Value *known_tensor(const Site *site, Object *object) {
  Elaborator *e = site->e;
  if (!e->builder) return count_operation(site) ? NULL : NULL;
  if (is_visible(e, object->tensor)) return object->tensor;
  if (object->parameter) return read_parameter(site, object->parameter);
  report(e, site->frame, E0120, site->span, "this is a value of a %s, and not known here",
         function_of(object->tensor) == e->builder->function ? "trip" : "call");
  return NULL;
}

Value *to_tensor(const Site *site, Object *object, const Element *element) {
  Number number;
  if (object->kind == OBJECT_TENSOR) return known_tensor(site, object);
  if (object->kind == OBJECT_PARAMETER) return read_parameter(site, object->parameter);
  if (is_error(object)) return NULL;
  if (object->kind == OBJECT_DIM) return dim_tensor(site, object->dim, element);
  if (object->kind == OBJECT_LIST) return list_tensor(site, object, element);
  if (!number_of(object, &number)) return not_a_tensor(site, object);
  Element type = element ? *element : own_element(object);
  return check_number(site, object, type, number) ? number_tensor(site, type, number) : NULL;
}

Value *cast_to(const Site *site, Value *x, Element element) {
  if (!x || x->type.element == element) return x;
  Attribute to = {ATTRIBUTE_to, attribute_element(element)};
  return emit(site, OP_cast, &x, 1, &to, 1);
}

static bool same_shape(const Value *x, const Dim *const *dims, int rank) {
  if (x->type.rank != rank) return false;
  for (int i = 0; i < rank; i++)
    if (x->type.dims[i] != dims[i]) return false;
  return true;
}

Value *reshape_to(const Site *site, Value *x, const Dim *const *dims, int rank) {
  if (!x || same_shape(x, dims, rank)) return x;
  Attribute shape = {ATTRIBUTE_shape, attribute_dims(site->e->module, dims, rank)};
  return emit(site, OP_reshape, &x, 1, &shape, 1);
}

Value *broadcast_to(const Site *site, Value *x, const Dim *const *dims, int rank) {
  if (!x || same_shape(x, dims, rank)) return x;
  Attribute shape = {ATTRIBUTE_shape, attribute_dims(site->e->module, dims, rank)};
  return emit(site, OP_broadcast, &x, 1, &shape, 1);
}

/* ---- two operands ---- */

static Element known_element(const Object *object) {
  return object_tensor_type(object)->element;
}

/* Whether a cast to y's type keeps more of the numbers than one to x's. */
static bool keeps_more(Element x, Element y) {
  const ElementInfo *a = &element_infos[x], *b = &element_infos[y];
  return a->class != b->class ? b->class < a->class : b->bytes > a->bytes;
}

bool unify(const Site *site, Object *x, Object *y, Value **x_value, Value **y_value) {
  Elaborator *e = site->e;
  Element element;
  if (x->is_index && !y->is_index && is_tensor(y)) {
    element = known_element(y);
  } else if (y->is_index && !x->is_index && is_tensor(x)) {
    element = known_element(x);
  } else if ((x->is_index && y->kind == OBJECT_REAL) || (y->is_index && x->kind == OBJECT_REAL)) {
    element = ELEMENT_f32;
  } else if (is_tensor(x) && is_tensor(y)) {
    if (known_element(x) != known_element(y)) {
      Diagnostic *d =
          report(e, site->frame, E0201, site->span, "'%s' of two element types", site->name);
      diag_label(d, "%s and %s", object_text(e, x), object_text(e, y));
      bool left = keeps_more(known_element(x), known_element(y));
      diag_help(d, "cast the %s one: cast(.., %s)", left ? "left" : "right",
                element_infos[known_element(left ? y : x)].name);
      return false;
    }
    element = known_element(x);
  } else if (is_tensor(x)) {
    element = known_element(x);
  } else if (is_tensor(y)) {
    element = known_element(y);
  } else {
    element = x->kind == OBJECT_REAL || y->kind == OBJECT_REAL ? ELEMENT_f32 : ELEMENT_i64;
  }
  *x_value = to_tensor(site, x, &element);
  if (x->is_index) *x_value = cast_to(site, *x_value, element);
  *y_value = *x_value ? to_tensor(site, y, &element) : NULL;
  if (y->is_index) *y_value = cast_to(site, *y_value, element);
  return *y_value != NULL;
}

static Attribute list_attribute(Elaborator *e, AttributeName name, const int *x, int x_count,
                                const int *y, int y_count) {
  DimList *lists = ARENA_ARRAY(e->module->arena, 2, DimList);
  const int *values[] = {x, y};
  int counts[] = {x_count, y_count};
  for (int i = 0; i < 2; i++) {
    const Dim **dims = ARENA_ARRAY(e->module->arena, (size_t)counts[i] + 1, const Dim *);
    for (int k = 0; k < counts[i]; k++) dims[k] = dim_constant(e->module->dims, values[i][k]);
    lists[i] = (DimList){dims, counts[i]};
  }
  AttributeValue value = {.kind = ATTRIBUTE_LISTS};
  value.lists.items = lists;
  value.lists.count = 2;
  return (Attribute){name, value};
}

static Object *inner_differs(const Site *site, const Object *right, const Value *x, const Value *y,
                             const Dim *a, const Dim *b) {
  Elaborator *e = site->e;
  Diagnostic *d = report(e, site->frame, E0204, site->span, "the inner dimensions of '@' differ");
  diag_label(d, "%s @ %s: %s is not %s", type_text(e->arena, &x->type),
             type_text(e->arena, &y->type), dim_text(e, a), dim_text(e, b));
  if (y->type.rank >= 2 && y->type.dims[y->type.rank - 1] == a)
    diag_help(d, "it fits the other way round: x @ transpose(w)");
  const NamedParameter *parameter = is_tensor(right) ? right->parameter : NULL;
  if (!parameter) return error_object;
  const char *name = parameter->declared->name.name;
  diag_note(d, parameter->declared->name.span, "'%s' is declared here", name);
  if (y->type.rank != 2 || y->type.dims[1] == a) return error_object;
  Type wanted = y->type;
  wanted.dims[0] = a;
  diag_help(d, "declare '%s' as %s, or leave its size to the input: %s[in, %s]", name,
            type_text(e->arena, &wanted), element_infos[wanted.element].name,
            dim_text(e, wanted.dims[1]));
  return error_object;
}

/* The dims before the matrices, broadcast; NULL-terminated by `rank`. */
static bool batch_dims(const Site *site, const Value *x, const Value *y, Type *batch) {
  Type a = x->type, b = y->type;
  a.rank -= 2;
  b.rank -= 2;
  int axis;
  if (type_broadcast(&a, &b, batch, &axis)) return true;
  Elaborator *e = site->e;
  Diagnostic *d =
      report(e, site->frame, E0203, site->span, "the leading dimensions of '@' do not go together");
  diag_label(d, "%s @ %s", type_text(e->arena, &x->type), type_text(e->arena, &y->type));
  return false;
}

static Value *with_batch(const Site *site, Value *x, const Type *batch) {
  Type type = *batch;
  if (type.rank + 2 > MOST_AXES) return x;
  for (int i = 0; i < 2; i++) type.dims[type.rank++] = x->type.dims[x->type.rank - 2 + i];
  return broadcast_to(site, x, type.dims, type.rank);
}

Object *matmul(const Site *site, Object *left, Object *right) {
  Elaborator *e = site->e;
  Value *x, *y;
  if (!unify(site, left, right, &x, &y)) return error_object;
  if (!x->type.rank || !y->type.rank) {
    Diagnostic *d =
        report(e, site->frame, E0205, site->span, "'@' multiplies vectors and matrices");
    diag_label(d, "%s @ %s", type_text(e->arena, &x->type), type_text(e->arena, &y->type));
    diag_help(d, "the product of single numbers is '*'");
    return error_object;
  }
  int x_inner = x->type.rank - 1, y_inner = y->type.rank >= 2 ? y->type.rank - 2 : 0;
  const Dim *a = x->type.dims[x_inner], *b = y->type.dims[y_inner];
  if (a != b && dim_equal(e->module->dims, a, b) == NEVER)
    return inner_differs(site, right, x, y, a, b);
  if (a != b && !same_dim(e, site->frame, site->span, a, b))
    return inner_differs(site, right, x, y, a, b);
  int batch_axes[MOST_AXES], batch_count = 0;
  if (y->type.rank > 2 && x->type.rank >= 2) {
    Type batch;
    if (!batch_dims(site, x, y, &batch)) return error_object;
    x = with_batch(site, x, &batch);
    y = x ? with_batch(site, y, &batch) : NULL;
    if (!y) return error_object;
    batch_count = batch.rank;
    for (int i = 0; i < batch_count; i++) batch_axes[i] = i;
    x_inner = x->type.rank - 1;
    y_inner = y->type.rank - 2;
  }
  Attribute attributes[] = {
      list_attribute(e, ATTRIBUTE_contract, &x_inner, 1, &y_inner, 1),
      list_attribute(e, ATTRIBUTE_batch, batch_axes, batch_count, batch_axes, batch_count),
  };
  return emit_object(site, OP_dot, (Value *[]){x, y}, 2, attributes, batch_count ? 2 : 1);
}

/* ---- relations of dims ---- */

void add_check(Elaborator *e, Frame *frame, Span span, CheckKind kind, const Dim *left,
               const Dim *right) {
  if (!e->builder) return;
  CheckList *checks = &e->builder->function->checks;
  for (size_t i = 0; i < checks->count; i++)
    if (checks->items[i].kind == kind && checks->items[i].left == left &&
        checks->items[i].right == right)
      return;
  vec_push(e->module->arena, checks, ((Check){kind, left, right, location_at(e, frame, span)}));
}

static bool is_one_name(const Dim *dim) {
  const DimTerm *terms;
  return dim_terms(dim, &terms) == 1 && terms[0].coefficient == 1 && terms[0].factor_count == 1 &&
         terms[0].factors[0].symbol;
}

/* Two different names are a mistake; a relation that some sizes fulfil is checked at the call. */
bool same_dim(Elaborator *e, Frame *frame, Span span, const Dim *a, const Dim *b) {
  if (a == b) return true;
  Truth truth = dim_equal(e->module->dims, a, b);
  if (truth != SOMETIMES) return truth == ALWAYS;
  if (is_one_name(a) && is_one_name(b)) return false;
  add_check(e, frame, span, CHECK_EQUAL, a, b);
  return true;
}
