/* Attributes in their one form. */
#include "ir/attention.h"
#include "ir/blocking.h"
#include "ir/infer.h"
#include "ir/winograd_blocks.h"

#include "support/bug.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Inference i; /* for its failures */
  const Type *declared;
  Attribute *complete;
  const AttributeRow *row;
} Completion;

/* Axes that the attribute has a number for; -1: its length is free. */
static int axes_wanted(const Completion *c) {
  const Inference *i = &c->i;
  int rank = i->in_count ? i->in[0].rank : 0;
  if (c->row->kind == ATTRIBUTE_LISTS) return -1;
  switch (i->kind) {
  case OP_slice:
  case OP_pad:
  case OP_update:
    return c->row->name == ATTRIBUTE_value ? -1 : rank;
  case OP_windows:
  case OP_overlap_add:
    return c->row->name == ATTRIBUTE_axes ? -1 : c->complete[0].value.dims.count;
  case OP_conv:
  case OP_conv_transpose:
  case OP_conv_weight:
    return rank > 2 ? rank - 2 : 0;
  case OP_conv_winograd:
    if (c->row->name == ATTRIBUTE_blocking) return WINOGRAD_BLOCKS_NUMBERS;
    return rank > 2 ? rank - 2 : 0;
  case OP_conv_panel:
    if (c->row->name == ATTRIBUTE_blocking) return BLOCKING_NUMBERS;
    return rank > 2 ? rank - 2 : 0;
  case OP_dot_panel:
    return BLOCKING_NUMBERS;
  case OP_winograd_weight:
    return rank > 3 ? rank - 3 : 0;
  default:
    return -1;
  }
}

static bool length_fail(Completion *c, int count, int wanted) {
  if (c->row->name == ATTRIBUTE_blocking)
    return infer_fail(&c->i, E0210, -1, "'blocking' has %d numbers, not %d", count, wanted);
  return infer_fail(&c->i, E0210, -1, "'%s' of '%s' has %d number%s for %d ax%s",
                    attribute_names[c->row->name], operator_spelling(c->i.kind), count,
                    count == 1 ? "" : "s", wanted, wanted == 1 ? "is" : "es");
}

static AttributeValue repeated(Completion *c, const Dim *dim, int count) {
  const Dim **items = ARENA_ARRAY(c->i.module->arena, (size_t)count, const Dim *);
  for (int n = 0; n < count; n++) items[n] = dim;
  return (AttributeValue){.kind = ATTRIBUTE_DIMS, .dims = {items, count}};
}

/* [p, q] is [[p,p],[q,q]]: the same before and after. */
static AttributeValue paired(Completion *c, const DimList *list) {
  Arena *arena = c->i.module->arena;
  DimList *pairs = ARENA_ARRAY(arena, (size_t)list->count, DimList);
  for (int n = 0; n < list->count; n++) pairs[n] = repeated(c, list->items[n], 2).dims;
  return (AttributeValue){.kind = ATTRIBUTE_PAIRS, .lists = {pairs, list->count}};
}

/* Short forms of lists become whole ones. */
static bool widen(Completion *c, AttributeValue *value) {
  AttributeKind kind = c->row->kind;
  if (kind != ATTRIBUTE_DIMS && kind != ATTRIBUTE_PAIRS) return true;
  int wanted = axes_wanted(c);
  if (value->kind == ATTRIBUTE_DIM) *value = repeated(c, value->dim, wanted < 0 ? 1 : wanted);
  if (value->kind == ATTRIBUTE_DIMS && kind == ATTRIBUTE_PAIRS) *value = paired(c, &value->dims);
  if (value->kind == ATTRIBUTE_LISTS && kind == ATTRIBUTE_PAIRS) value->kind = ATTRIBUTE_PAIRS;
  if (value->kind != kind) return true; /* reported by the caller */
  int count = kind == ATTRIBUTE_DIMS ? value->dims.count : value->lists.count;
  if (kind == ATTRIBUTE_PAIRS)
    for (int n = 0; n < count; n++)
      if (value->lists.items[n].count != 2) return length_fail(c, value->lists.items[n].count, 1);
  if (wanted >= 0 && count != wanted) return length_fail(c, count, wanted);
  if (wanted < 0 && count > 2 * MOST_AXES) return length_fail(c, count, MOST_AXES);
  return true;
}

/* ---- axes ---- */

/* Of which type the attribute's axes are; NULL: it holds none. */
static const Type *axes_of(const Completion *c, int side) {
  const Inference *i = &c->i;
  switch (c->row->name) {
  case ATTRIBUTE_axis:
    if (i->kind == OP_scan) return NULL;
    return i->kind == OP_iota ? c->declared : &i->in[0];
  case ATTRIBUTE_axes:
  case ATTRIBUTE_perm:
    return &i->in[0];
  case ATTRIBUTE_contract:
    return side < i->in_count ? &i->in[side] : NULL;
  case ATTRIBUTE_batch:
    return i->kind == OP_dot && side < i->in_count ? &i->in[side] : NULL;
  default:
    return NULL;
  }
}

static const Dim *count_from_front(Completion *c, const Dim *axis, const Type *type) {
  Inference *i = &c->i;
  if (!dim_is_constant(axis)) {
    infer_fail(i, E0205, -1, "an axis of '%s' is no number", operator_spelling(i->kind));
    return NULL;
  }
  int64_t value = dim_value(axis);
  if (value >= 0 && value < type->rank) return axis;
  if (value < 0 && value >= -type->rank) return dim_constant(i->dims, value + type->rank);
  infer_fail(i, E0205, i->in_count ? 0 : -1, "'%s' has no axis %lld to work on",
             operator_spelling(i->kind), (long long)value);
  infer_label(i, "%s", infer_type_text(i, type));
  if (type->rank)
    infer_help(i, "axes are 0 to %d, or -%d to -1 from the end", type->rank - 1, type->rank);
  else
    infer_help(i, "a single number has no axes");
  return NULL;
}

static bool front_list(Completion *c, DimList *list, const Type *type) {
  const Dim **items = ARENA_ARRAY(c->i.module->arena, (size_t)list->count, const Dim *);
  for (int n = 0; n < list->count; n++)
    if (!(items[n] = count_from_front(c, list->items[n], type))) return false;
  list->items = items;
  return true;
}

static int by_value(const void *a, const void *b) {
  int64_t x = dim_value(*(const Dim *const *)a), y = dim_value(*(const Dim *const *)b);
  return (x > y) - (x < y);
}

static bool distinct(Completion *c, const DimList *list) {
  for (int n = 1; n < list->count; n++)
    for (int m = 0; m < n; m++)
      if (list->items[n] == list->items[m])
        return infer_fail(&c->i, E0205, -1, "axis %lld is named twice in '%s' of '%s'",
                          (long long)dim_value(list->items[n]), attribute_names[c->row->name],
                          operator_spelling(c->i.kind));
  return true;
}

static bool normalise_axes(Completion *c, AttributeValue *value) {
  const Type *type = axes_of(c, 0);
  if (!type) return true;
  if (value->kind == ATTRIBUTE_DIM)
    return (value->dim = count_from_front(c, value->dim, type)) != NULL;
  if (value->kind == ATTRIBUTE_DIMS) {
    if (!front_list(c, &value->dims, type) || !distinct(c, &value->dims)) return false;
    if (operator_has(c->i.kind, TRAIT_REDUCTION)) /* their order has no meaning */
      qsort((void *)value->dims.items, (size_t)value->dims.count, sizeof(Dim *), by_value);
    return true;
  }
  if (value->lists.count != 2)
    return infer_fail(&c->i, E0205, -1, "'%s' of '%s' must be two lists",
                      attribute_names[c->row->name], operator_spelling(c->i.kind));
  DimList *lists = arena_copy(c->i.module->arena, value->lists.items, 2 * sizeof *lists);
  for (int side = 0; side < 2; side++)
    if (!axes_of(c, side) || !front_list(c, &lists[side], axes_of(c, side))) return false;
  value->lists.items = lists;
  return true;
}

/* ---- the other kinds ---- */

static bool normalise_number(Completion *c, Number *number) {
  const Inference *i = &c->i;
  Element e = c->declared ? c->declared->element : i->in[0].element;
  if (element_is_float(e)) {
    double real = number->is_integer ? (double)number->integer : number->real;
    /* the scale of scores is no element: halves keep it in f32 */
    if (is_attention(i->kind) && e != ELEMENT_f64) e = ELEMENT_f32;
    real = element_round(e, real);
    *number = number_real(isnan(real) ? NAN : real);
    return true;
  }
  if (!number->is_integer) {
    double whole = trunc(number->real);
    if (whole != number->real || fabs(whole) > 0x1p53)
      return infer_fail(&c->i, E0210, -1, "'%s' of '%s' is no whole number for %s",
                        attribute_names[c->row->name], operator_spelling(i->kind),
                        element_infos[e].name);
    *number = number_integer((int64_t)whole);
  }
  int64_t slot;
  element_store_integer(e, &slot, 0, number->integer);
  if (element_load_integer(e, &slot, 0) != number->integer)
    return infer_fail(&c->i, E0210, -1, "%lld does not fit into %s", (long long)number->integer,
                      element_infos[e].name);
  return true;
}

/* A single constant may be given as its number. */
static bool number_as_data(Completion *c, AttributeValue *value) {
  if (!c->declared || c->declared->rank != 0) return true;
  Number number = value->number;
  if (!normalise_number(c, &number)) return false;
  Element e = c->declared->element;
  void *bytes = arena_alloc(c->i.module->arena, 8);
  if (number.is_integer)
    element_store_integer(e, bytes, 0, number.integer);
  else
    element_store(e, bytes, 0, number.real);
  *value = attribute_data(data_new(c->i.module->arena, e, 1, bytes));
  return true;
}

/* The one -1 in a shape follows from the count. */
static bool settle_reshape(Completion *c, AttributeValue *value) {
  Inference *i = &c->i;
  const Dim *known = dim_constant(i->dims, 1);
  int open = -1;
  for (int n = 0; n < value->dims.count; n++) {
    if (!dim_is(value->dims.items[n], -1))
      known = dim_mul(i->dims, known, value->dims.items[n]);
    else if (open < 0)
      open = n;
    else
      return infer_fail(i, E0206, 0, "-1 stands for one size of a reshape, not for two");
  }
  if (open < 0) return true;
  const Dim *rest = dim_quotient(i->dims, type_count(i->dims, &i->in[0]), known);
  if (!rest) {
    infer_fail(i, E0206, 0, "the -1 of a reshape does not come out even");
    infer_label(i, "%s: %s elements by %s", infer_type_text(i, &i->in[0]),
                infer_dim_text(i, type_count(i->dims, &i->in[0])), infer_dim_text(i, known));
    return false;
  }
  const Dim **items =
      arena_copy(i->module->arena, value->dims.items, (size_t)value->dims.count * sizeof *items);
  items[open] = rest;
  value->dims.items = items;
  return true;
}

static bool has_null(const AttributeValue *value) {
  if (value->kind == ATTRIBUTE_DIM) return !value->dim;
  if (value->kind == ATTRIBUTE_DIMS)
    for (int n = 0; n < value->dims.count; n++)
      if (!value->dims.items[n]) return true;
  if (value->kind == ATTRIBUTE_PAIRS || value->kind == ATTRIBUTE_LISTS)
    for (int n = 0; n < value->lists.count; n++)
      for (int m = 0; m < value->lists.items[n].count; m++)
        if (!value->lists.items[n].items[m]) return true;
  return false;
}

/* What attributes of words may say. */
static const struct {
  AttributeName name;
  const char *words[2], *help;
} word_rows[] = {{ATTRIBUTE_layout, {"nchw", "nhwc"}, "nchw or nhwc"}};

static bool known_word(Completion *c, const char *word) {
  AttributeName name = c->row->name;
  size_t row = 0, count = sizeof word_rows / sizeof *word_rows;
  while (row < count && word_rows[row].name != name) row++;
  if (row == count) bug("no words are known for '%s'", attribute_names[name]);
  for (int n = 0; n < 2; n++)
    if (strcmp(word, word_rows[row].words[n]) == 0) return true;
  infer_fail(&c->i, E0210, -1, "no %s is named '%s'", attribute_names[name], word);
  infer_help(&c->i, "%s", word_rows[row].help);
  return false;
}

static bool normalise(Completion *c, AttributeValue *value) {
  Inference *i = &c->i;
  AttributeKind kind = c->row->kind;
  if (has_null(value))
    return infer_fail(i, E0610, -1, "'%s' of '%s' is too large", attribute_names[c->row->name],
                      operator_spelling(i->kind));
  if (!widen(c, value)) return false;
  if ((kind == ATTRIBUTE_NUMBER || kind == ATTRIBUTE_DATA) && value->kind == ATTRIBUTE_DIM &&
      dim_is_constant(value->dim))
    *value = attribute_number(number_integer(dim_value(value->dim)));
  if (kind == ATTRIBUTE_DATA && value->kind == ATTRIBUTE_NUMBER && !number_as_data(c, value))
    return false;
  if (value->kind != kind)
    return infer_fail(i, E0210, -1, "'%s' of '%s' is of another kind",
                      attribute_names[c->row->name], operator_spelling(i->kind));
  if (kind == ATTRIBUTE_WORD) {
    value->word = intern(i->module->names, value->word);
    if (!known_word(c, value->word)) return false;
  }
  if (kind == ATTRIBUTE_NUMBER) return normalise_number(c, &value->number);
  if (i->kind == OP_reshape && !settle_reshape(c, value)) return false;
  if (i->kind == OP_scan && c->row->name == ATTRIBUTE_axis &&
      !(dim_is_constant(value->dim) && dim_value(value->dim) >= 0 &&
        dim_value(value->dim) < MOST_AXES))
    return infer_fail(i, E0205, -1, "the axis of 'scan' must be 0 to %d", MOST_AXES - 1);
  return normalise_axes(c, value);
}

static AttributeValue standard_value(Completion *c) {
  const char *text = c->row->standard;
  Module *module = c->i.module;
  switch (c->row->kind) {
  case ATTRIBUTE_FLAG:
    return attribute_flag(strcmp(text, "true") == 0);
  case ATTRIBUTE_WORD:
    return attribute_word(intern(module->names, text));
  case ATTRIBUTE_NUMBER:
    return attribute_number(number_integer(strtoll(text, NULL, 10)));
  case ATTRIBUTE_LISTS: { /* "[[],[]]" is the only default there is */
    DimList *lists = ARENA_ARRAY(module->arena, 2, DimList);
    return (AttributeValue){.kind = ATTRIBUTE_LISTS, .lists = {lists, 2}};
  }
  default:
    return attribute_dim(dim_constant(module->dims, strtoll(text, NULL, 10)));
  }
}

bool attributes_complete(Module *module, Operator kind, const Type *operands, int operand_count,
                         const Type *declared, const Attribute *given, int given_count,
                         Attribute *complete, Failure *failure) {
  Completion c = {.i = {.module = module,
                        .dims = module->dims,
                        .kind = kind,
                        .in = operands,
                        .in_count = operand_count,
                        .failure = failure},
                  .declared = declared,
                  .complete = complete};
  const OperatorInfo *info = &operator_infos[kind];
  *failure = (Failure){.operand = -1};
  if (operand_count < info->least)
    return infer_fail(&c.i, E0211, -1, "'%s' takes at least %d operand%s, not %d",
                      operator_spelling(kind), info->least, info->least == 1 ? "" : "s",
                      operand_count);
  for (int n = 0; n < operator_attribute_count(kind); n++) {
    c.row = &info->attributes[n];
    const Attribute *found = NULL;
    for (int g = 0; g < given_count && !found; g++)
      if (given[g].name == c.row->name) found = &given[g];
    if (!found && !*c.row->standard)
      return infer_fail(&c.i, E0210, -1, "'%s' needs '%s'", operator_spelling(kind),
                        attribute_names[c.row->name]);
    complete[n] = (Attribute){c.row->name, found ? found->value : standard_value(&c)};
    if (!normalise(&c, &complete[n].value)) return false;
  }
  for (int g = 0; g < given_count; g++) {
    bool known = false;
    for (int n = 0; n < operator_attribute_count(kind); n++)
      known |= complete[n].name == given[g].name;
    if (!known)
      return infer_fail(&c.i, E0210, -1, "'%s' has no '%s'", operator_spelling(kind),
                        attribute_names[given[g].name]);
  }
  return true;
}
