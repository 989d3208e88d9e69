#include "tests/tools/random_generator.h"

#include "support/bug.h"

#include <math.h>

uint64_t random_below(uint64_t *state, uint64_t n) {
  uint64_t x = (*state += 0x9e3779b97f4a7c15u); /* SplitMix64 */
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return (x ^ x >> 31) % n;
}

void random_fill(uint64_t *state, Element element, int64_t count, void *bytes) {
  for (int64_t i = 0; i < count; i++)
    if (element == ELEMENT_bool)
      element_store_integer(element, bytes, i, (int64_t)random_below(state, 2));
    else if (element == ELEMENT_u8)
      element_store_integer(element, bytes, i, (int64_t)random_below(state, 9));
    else if (!element_is_float(element))
      element_store_integer(element, bytes, i, (int64_t)random_below(state, 17) - 8);
    else
      element_store(element, bytes, i, ((double)random_below(state, 129) - 64) / 64);
}

int below(Generator *g, int n) {
  return (int)random_below(&g->state, (uint64_t)n);
}
bool chance(Generator *g, int percent) {
  return below(g, 100) < percent;
}

/* ---- facts ---- */

Fact fact(const Generator *g, const Value *value) {
  const Fact *known = map_get(&g->facts, map_key(value));
  return known ? *known : (Fact){8, false};
}

Value *keep(Generator *g, Value *value, double bound, bool exact) {
  if (!value) return NULL;
  if (!element_is_float(value->type.element)) exact = true;
  Fact *known = ARENA_NEW(g->module->arena, Fact);
  *known = (Fact){bound, exact};
  map_set(g->module->arena, &g->facts, map_key(value), known);
  vec_push(g->module->arena, &g->values, value);
  return value;
}

Value *must(Generator *g, Value *value) {
  if (!value)
    bug("random_graph, seed %llu: %s: %s", (unsigned long long)g->options->seed,
        g->builder.failure.message, g->builder.failure.label ? g->builder.failure.label : "");
  return value;
}

/* ---- small steps ---- */

AttributeValue integer(Generator *g, int64_t value) {
  return attribute_integer(g->module, value);
}

Value *op(Generator *g, Operator kind, Value *const *operands, int count,
          const Attribute *attributes, int attribute_count) {
  return must(g, build(&g->builder, kind, operands, count, attributes, attribute_count));
}
Value *unary(Generator *g, Operator kind, Value *x) {
  return op(g, kind, &x, 1, NULL, 0);
}
Value *binary(Generator *g, Operator kind, Value *x, Value *y) {
  return op(g, kind, (Value *[]){x, y}, 2, NULL, 0);
}
Value *number(Generator *g, Element element, double value) {
  return build_number(&g->builder, element, value);
}
Value *cast(Generator *g, Value *x, Element element) {
  if (x->type.element == element) return x;
  return op(g, OP_cast, &x, 1, &(Attribute){ATTRIBUTE_to, attribute_element(element)}, 1);
}
/* Floats that may have grown are brought back to [-1, 1]. */
Value *calm(Generator *g, Value *x, double bound, bool exact) {
  if (!element_is_float(x->type.element) || bound < 50) return keep(g, x, bound, exact);
  return keep(g, unary(g, OP_tanh, x), 1, false);
}

/* ---- leaves ---- */

const Dim *size(Generator *g) {
  if (g->options->dynamic && chance(g, 30)) return g->n;
  return dim_constant(g->module->dims, 1 + below(g, 5));
}

Value *constant(Generator *g, const Type *type) {
  int64_t count = type_static_count(type);
  void *bytes = arena_array(g->module->arena, (size_t)count, 8);
  random_fill(&g->state, type->element, count, bytes);
  AttributeValue value = attribute_data(data_new(g->module->arena, type->element, count, bytes));
  return must(g, build_typed(&g->builder, OP_constant, *type, NULL,
                             &(Attribute){ATTRIBUTE_value, value}, 1));
}

Value *param(Generator *g, const Type *type) {
  const char *name = arena_format(g->module->arena, "layer.%d.weight", g->params++);
  Tensor *tensor = module_add_tensor(g->module, TENSOR_PARAM, name, *type, NULL);
  int64_t count = type_static_count(type);
  void *bytes = arena_array(g->module->arena, (size_t)count, 8);
  random_fill(&g->state, type->element, count, bytes);
  tensor->data = data_new(g->module->arena, type->element, count, bytes);
  return must(g, build_typed(&g->builder, OP_read, *type, tensor->name, NULL, 0));
}

/* A parameter of what sums of `terms` products want, an input, or what is computed of one. */
Value *scaled(Generator *g, const Type *type, int64_t terms) {
  double scale = exp2(-round(log2(sqrt((double)terms / 3))));
  int what = below(g, g->options->exclude ? 60 : 100); /* gradients are of inputs */
  if (what < 35) {
    Value *w = function_add_input(g->function,
                                  arena_format(g->module->arena, "input%d", g->inputs++), *type);
    return binary(g, OP_mul, w, number(g, ELEMENT_f32, scale));
  }
  const char *name = arena_format(g->module->arena, "layer.%d.weight", g->params++);
  Tensor *tensor = module_add_tensor(g->module, TENSOR_PARAM, name, *type, NULL);
  int64_t count = type_static_count(type);
  float *bytes = arena_array(g->module->arena, (size_t)count, sizeof *bytes);
  random_fill(&g->state, ELEMENT_f32, count, bytes);
  for (int64_t i = 0; i < count; i++) bytes[i] *= (float)scale;
  tensor->data = data_new(g->module->arena, ELEMENT_f32, count, bytes);
  Value *w = must(g, build_typed(&g->builder, OP_read, *type, tensor->name, NULL, 0));
  return what < 45 ? unary(g, OP_tanh, w) : w;
}

/* A new value of a type: input, parameter, or constant. */
Value *fresh(Generator *g, const Type *type) {
  Value *value;
  double bound = element_is_float(type->element) ? 1 : 8;
  if (!type_is_static(type) || chance(g, 40))
    value = function_add_input(g->function, arena_format(g->module->arena, "input%d", g->inputs++),
                               *type);
  else if (chance(g, 60))
    value = param(g, type);
  else
    value = constant(g, type);
  return keep(g, value, bound, true);
}

Element float_element(Generator *g) {
  static const Element elements[] = {ELEMENT_f16, ELEMENT_bf16, ELEMENT_f64};
  if (chance(g, 75)) return ELEMENT_f32;
  return elements[g->options->halves ? below(g, 3) : 2];
}

static Value *fresh_ranked(Generator *g, Element element, int rank) {
  Type type = {.element = element, .rank = rank};
  for (int i = 0; i < rank; i++) type.dims[i] = size(g);
  return fresh(g, &type);
}

bool fits(const Value *value, Wanted wanted) {
  Element e = value->type.element;
  bool index = e == ELEMENT_i32 || e == ELEMENT_i64;
  switch (wanted) {
  case ANY:
    return true;
  case FLOAT:
    return element_is_float(e);
  case ARITHMETIC:
    return element_is_float(e) || index;
  case INDEX:
    return index;
  case BOOLEAN:
    return e == ELEMENT_bool;
  }
  return false;
}

/* No axis is empty whatever the dims, and all together are few. */
bool is_handy(const Value *value) {
  int64_t bytes = type_bytes_at_bound(&value->type);
  if (bytes < 0 || bytes > 1 << 14) return false;
  for (int i = 0; i < value->type.rank; i++)
    if (dim_min(value->type.dims[i]) < 1) return false;
  return true;
}

/* An earlier value, or a new one, with `least` to `most` axes. */
Value *pick(Generator *g, Wanted wanted, int least, int most, bool exact) {
  for (int tries = 0; tries < 8 && g->values.count; tries++) {
    Value *value =
        g->values.items[g->values.count - 1 -
                        (size_t)below(g, g->values.count < 12 ? (int)g->values.count : 12)];
    if (fits(value, wanted) && value->type.rank >= least && value->type.rank <= most &&
        is_handy(value) && (!exact || fact(g, value).exact))
      return value;
  }
  static const Element others[] = {ELEMENT_i32, ELEMENT_i64, ELEMENT_i8, ELEMENT_u8, ELEMENT_bool};
  Element element = wanted == INDEX ? others[below(g, 2)] : ELEMENT_bool;
  if (wanted == FLOAT || (wanted != INDEX && wanted != BOOLEAN && chance(g, 75)))
    element = float_element(g);
  else if (wanted == ARITHMETIC || wanted == ANY)
    element = others[below(g, wanted == ANY ? 5 : 2)];
  int top = most < 4 ? most : least > 4 ? least : 4;
  return fresh_ranked(g, element, least + below(g, top - least + 1));
}

/* Something that broadcasts with x: its last axes, some of them 1. */
Value *partner(Generator *g, const Value *x, Element element) {
  Type type = {.element = element, .rank = below(g, x->type.rank + 1)};
  if (chance(g, 40)) type.rank = x->type.rank;
  for (int i = 0; i < type.rank; i++) {
    type.dims[i] = x->type.dims[x->type.rank - type.rank + i];
    if (chance(g, 15)) type.dims[i] = dim_constant(g->module->dims, 1);
  }
  for (size_t i = 0; i < g->values.count && chance(g, 90); i++) {
    Value *value = g->values.items[g->values.count - 1 - i];
    if (type_equal(&value->type, &type) && chance(g, 50)) return value;
  }
  return fresh(g, &type);
}

int axis_of(Generator *g, const Value *x) {
  return below(g, x->type.rank);
}
