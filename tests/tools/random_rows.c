#include "tests/tools/random_generator.h"

/* What `fuse` takes together only where there is much of it: kernels of rows, in train entries
 * several as one, and sums over all rows beside them. */
typedef enum { WHOLE, ROW, COLUMN } Form; /* [rows.., C], [rows.., 1], [C] */

/* The sizes are those of the first value. */
static Type type_of(Generator *g, Form form) {
  static const int rows[] = {256, 264, 320}, channels[] = {64, 72, 128};
  DimTable *dims = g->module->dims;
  Type type = {.element = ELEMENT_f32, .rank = 2};
  if (g->values.count) {
    type = g->values.items[0]->type;
  } else {
    int64_t count = rows[below(g, 3)];
    if (chance(g, 40)) type.dims[0] = dim_constant(dims, 8), type.rank = 3, count /= 8;
    type.dims[type.rank - 2] = dim_constant(dims, count);
    type.dims[type.rank - 1] = dim_constant(dims, channels[below(g, 3)]);
  }
  int last = type.rank - 1;
  if (form == ROW) type.dims[last] = dim_constant(dims, 1);
  if (form == COLUMN) type.dims[0] = type.dims[last], type.rank = 1;
  return type;
}

/* One of the last values of the form, or a new one. */
static Value *pick_form(Generator *g, Form form) {
  Type type = type_of(g, form);
  for (size_t i = g->values.count; i > 0; i--)
    if (type_equal(&g->values.items[i - 1]->type, &type) && chance(g, 40))
      return g->values.items[i - 1];
  return fresh(g, &type);
}

static void reduce(Generator *g, Operator kind, Form to) {
  Value *x = pick_form(g, WHOLE);
  int last = x->type.rank - 1;
  int64_t axes[MOST_AXES] = {last};
  for (int i = 0; i < last && to == COLUMN; i++) axes[i] = i;
  Attribute attributes[] = {
      {ATTRIBUTE_axis, attribute_integers(g->module, axes, to == COLUMN ? last : 1)},
      {ATTRIBUTE_keepdims, attribute_flag(to == ROW)}};
  double bound = fact(g, x).bound;
  if (kind == OP_sum) bound *= (double)type_static_count(&x->type); /* more than enough */
  keep(g, op(g, kind, &x, 1, attributes, 2), bound, false);
}

static void multiply(Generator *g) {
  Value *x = pick_form(g, WHOLE);
  const Dim *channels = x->type.dims[x->type.rank - 1];
  Type square = {.element = ELEMENT_f32, .rank = 2, .dims = {channels, channels}};
  int64_t over[] = {x->type.rank - 1, 0};
  DimList *lists = ARENA_ARRAY(g->module->arena, 2, DimList);
  for (int i = 0; i < 2; i++) lists[i] = attribute_integers(g->module, &over[i], 1).dims;
  AttributeValue contract = {.kind = ATTRIBUTE_LISTS};
  contract.lists.items = lists, contract.lists.count = 2;
  Value *operands[] = {x, param(g, &square)};
  Value *y = op(g, OP_dot, operands, 2, &(Attribute){ATTRIBUTE_contract, contract}, 1);
  calm(g, y, fact(g, x).bound * (double)dim_value(channels), false);
}

void make_rows(Generator *g) {
  static const Operator alone[] = {OP_tanh, OP_erf, OP_abs, OP_neg};
  static const Operator two[] = {OP_add, OP_sub, OP_mul, OP_maximum};
  int what = below(g, 100);
  if (what < 15) {
    Value *x = pick_form(g, WHOLE);
    keep(g, unary(g, alone[below(g, 4)], x), fact(g, x).bound + 1, false);
  } else if (what < 45) {
    Value *x = pick_form(g, WHOLE), *y = pick_form(g, (Form)below(g, 3));
    double a = fact(g, x).bound, b = fact(g, y).bound;
    calm(g, binary(g, two[below(g, 4)], x, y), a + b + a * b, false);
  } else if (what < 60) {
    reduce(g, chance(g, 60) ? OP_sum : OP_max, ROW);
  } else if (what < 85) {
    reduce(g, OP_sum, COLUMN);
  } else if (what < 93) {
    Value *x = pick_form(g, WHOLE);
    Attribute axis = {ATTRIBUTE_axis, integer(g, x->type.rank - 1)};
    keep(g, op(g, OP_softmax, &x, 1, &axis, 1), 1, false);
  } else {
    multiply(g);
  }
}
