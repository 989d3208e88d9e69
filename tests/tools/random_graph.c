#include "tests/tools/random_graph.h"

#include "ir/build.h"
#include "support/bug.h"
#include "support/map.h"

#include <math.h>

typedef struct {
  const RandomGraph *options;
  Module *module;
  Function *function;
  Builder builder;
  uint64_t state;
  VEC(Value *) values;
  Map facts; /* Fact by value */
  int inputs, params, writes;
  const Dim *n;
} Generator;

typedef struct {
  double bound; /* of |x|, but for what cannot be known */
  bool exact;   /* the same bits whichever way it is computed */
} Fact;

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

static int below(Generator *g, int n) {
  return (int)random_below(&g->state, (uint64_t)n);
}
static bool chance(Generator *g, int percent) {
  return below(g, 100) < percent;
}

/* ---- facts ---- */

static Fact fact(const Generator *g, const Value *value) {
  const Fact *known = map_get(&g->facts, map_key(value));
  return known ? *known : (Fact){8, false};
}

static Value *keep(Generator *g, Value *value, double bound, bool exact) {
  if (!value) return NULL;
  if (!element_is_float(value->type.element)) exact = true;
  Fact *known = ARENA_NEW(g->module->arena, Fact);
  *known = (Fact){bound, exact};
  map_set(g->module->arena, &g->facts, map_key(value), known);
  vec_push(g->module->arena, &g->values, value);
  return value;
}

static Value *must(Generator *g, Value *value) {
  if (!value)
    bug("random_graph, seed %llu: %s: %s", (unsigned long long)g->options->seed,
        g->builder.failure.message, g->builder.failure.label ? g->builder.failure.label : "");
  return value;
}

/* ---- small steps ---- */

static AttributeValue integer(Generator *g, int64_t value) {
  return attribute_integer(g->module, value);
}

static Value *op(Generator *g, Operator kind, Value *const *operands, int count,
                 const Attribute *attributes, int attribute_count) {
  return must(g, build(&g->builder, kind, operands, count, attributes, attribute_count));
}
static Value *unary(Generator *g, Operator kind, Value *x) {
  return op(g, kind, &x, 1, NULL, 0);
}
static Value *binary(Generator *g, Operator kind, Value *x, Value *y) {
  return op(g, kind, (Value *[]){x, y}, 2, NULL, 0);
}
static Value *number(Generator *g, Element element, double value) {
  return build_number(&g->builder, element, value);
}
static Value *cast(Generator *g, Value *x, Element element) {
  if (x->type.element == element) return x;
  return op(g, OP_cast, &x, 1, &(Attribute){ATTRIBUTE_to, attribute_element(element)}, 1);
}
/* Floats that may have grown are brought back to [-1, 1]. */
static Value *calm(Generator *g, Value *x, double bound, bool exact) {
  if (!element_is_float(x->type.element) || bound < 50) return keep(g, x, bound, exact);
  return keep(g, unary(g, OP_tanh, x), 1, false);
}

/* ---- leaves ---- */

static const Dim *size(Generator *g) {
  if (g->options->dynamic && chance(g, 30)) return g->n;
  return dim_constant(g->module->dims, 1 + below(g, 5));
}

static Value *constant(Generator *g, const Type *type) {
  int64_t count = type_static_count(type);
  void *bytes = arena_array(g->module->arena, (size_t)count, 8);
  random_fill(&g->state, type->element, count, bytes);
  AttributeValue value = attribute_data(data_new(g->module->arena, type->element, count, bytes));
  return must(g, build_typed(&g->builder, OP_constant, *type, NULL,
                             &(Attribute){ATTRIBUTE_value, value}, 1));
}

static Value *param(Generator *g, const Type *type) {
  const char *name = arena_format(g->module->arena, "layer.%d.weight", g->params++);
  Tensor *tensor = module_add_tensor(g->module, TENSOR_PARAM, name, *type, NULL);
  int64_t count = type_static_count(type);
  void *bytes = arena_array(g->module->arena, (size_t)count, 8);
  random_fill(&g->state, type->element, count, bytes);
  tensor->data = data_new(g->module->arena, type->element, count, bytes);
  return must(g, build_typed(&g->builder, OP_read, *type, tensor->name, NULL, 0));
}

/* A new value of a type: input, parameter, or constant. */
static Value *fresh(Generator *g, const Type *type) {
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

static Element float_element(Generator *g) {
  static const Element elements[] = {ELEMENT_f16, ELEMENT_bf16, ELEMENT_f64};
  if (chance(g, 75)) return ELEMENT_f32;
  return elements[g->options->halves ? below(g, 3) : 2];
}

static Value *fresh_ranked(Generator *g, Element element, int rank) {
  Type type = {.element = element, .rank = rank};
  for (int i = 0; i < rank; i++) type.dims[i] = size(g);
  return fresh(g, &type);
}

typedef enum { ANY, FLOAT, ARITHMETIC, INDEX, BOOLEAN } Wanted;

static bool fits(const Value *value, Wanted wanted) {
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
static bool is_handy(const Value *value) {
  int64_t bytes = type_bytes_at_bound(&value->type);
  if (bytes < 0 || bytes > 1 << 14) return false;
  for (int i = 0; i < value->type.rank; i++)
    if (dim_min(value->type.dims[i]) < 1) return false;
  return true;
}

/* An earlier value, or a new one, with `least` to `most` axes. */
static Value *pick(Generator *g, Wanted wanted, int least, int most, bool exact) {
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
static Value *partner(Generator *g, const Value *x, Element element) {
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

static int axis_of(Generator *g, const Value *x) {
  return below(g, x->type.rank);
}

/* ---- elementwise ---- */

static void make_unary(Generator *g, Operator kind) {
  bool jumps = kind == OP_floor || kind == OP_sign; /* wants exact operands */
  Value *x = pick(g, kind == OP_neg || kind == OP_abs ? ARITHMETIC : FLOAT, 0, 6, jumps);
  Fact f = fact(g, x);
  Element e = x->type.element;
  switch (kind) {
  case OP_neg:
  case OP_abs:
  case OP_sign:
  case OP_floor:
    keep(g, unary(g, kind, x), f.bound + 1, f.exact);
    return;
  case OP_exp:
  case OP_expm1:
    if (f.bound > 3) x = unary(g, OP_tanh, x), f.bound = 1;
    calm(g, unary(g, kind, x), exp(f.bound), false);
    return;
  case OP_sqrt:
  case OP_rsqrt:
  case OP_log:
    x = binary(g, OP_add, unary(g, OP_abs, x), number(g, e, 0.5));
    calm(g, unary(g, kind, x), f.bound + 1.5, false);
    return;
  case OP_log1p:
    keep(g, unary(g, kind, unary(g, OP_abs, x)), f.bound, false);
    return;
  default:
    keep(g, unary(g, kind, x), 1, false);
    return; /* sin, cos, tanh, erf */
  }
}

static void make_binary(Generator *g, Operator kind) {
  Value *x = pick(g, kind == OP_pow ? FLOAT : ARITHMETIC, 0, 5, kind == OP_rem);
  Value *y = partner(g, x, x->type.element);
  Element e = x->type.element;
  bool real = element_is_float(e);
  Fact a = fact(g, x), b = fact(g, y);
  if (real && (kind == OP_div || kind == OP_rem || kind == OP_pow)) {
    if (kind == OP_rem && !b.exact) return;
    y = kind == OP_rem ? number(g, e, 0.75)
                       : binary(g, OP_add, unary(g, OP_abs, y), number(g, e, 0.5));
    if (kind == OP_pow) {
      Value *base = binary(g, OP_add, unary(g, OP_abs, x), number(g, e, 0.5));
      calm(g, binary(g, kind, base, number(g, e, below(g, 2) ? 1.5 : -2)),
           (a.bound + 1) * (a.bound + 1) + 4, false);
      return;
    }
  }
  double bound = kind == OP_mul   ? a.bound * b.bound
                 : kind == OP_div ? 2 * a.bound
                 : kind == OP_rem ? 8
                                  : a.bound + b.bound;
  bool exact = (kind == OP_maximum || kind == OP_minimum) && a.exact && b.exact;
  calm(g, binary(g, kind, x, y), bound, exact);
}

static void make_compare(Generator *g, Operator kind) {
  Value *x = pick(g, ANY, 0, 5, true), *y = partner(g, x, x->type.element);
  if (fact(g, y).exact) keep(g, binary(g, kind, x, y), 1, true);
}

static void make_logic(Generator *g, Operator kind) {
  Value *x = pick(g, BOOLEAN, 0, 5, true);
  keep(g, kind == OP_not ? unary(g, kind, x) : binary(g, kind, x, partner(g, x, ELEMENT_bool)), 1,
       true);
}

static void make_where(Generator *g) {
  Value *x = pick(g, ANY, 0, 5, false), *y = partner(g, x, x->type.element);
  Value *c = partner(g, x, ELEMENT_bool);
  Fact a = fact(g, x), b = fact(g, y);
  keep(g, op(g, OP_where, (Value *[]){c, x, y}, 3, NULL, 0), fmax(a.bound, b.bound),
       a.exact && b.exact);
}

static void make_cast(Generator *g) {
  Element to = (Element)below(g, ELEMENTS);
  if (!g->options->halves && (to == ELEMENT_f16 || to == ELEMENT_bf16)) to = ELEMENT_f32;
  Value *x = pick(g, ANY, 0, 6, !element_is_float(to));
  Fact f = fact(g, x);
  /* a wrapped integer may be anything; as a float it is brought back */
  calm(g, cast(g, x, to), element_is_float(x->type.element) ? f.bound : 1e9, f.exact);
}

/* ---- reductions and rows ---- */

static void make_reduction(Generator *g, Operator kind) {
  Value *x = pick(g, ARITHMETIC, 1, 6, false);
  int64_t axes[MOST_AXES], count = 0;
  double elements = 1;
  for (int a = 0; a < x->type.rank; a++)
    if (chance(g, 40)) {
      axes[count++] = a;
      elements *= (double)dim_max(x->type.dims[a]);
    }
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integers(g->module, axes, (int)count)},
                            {ATTRIBUTE_keepdims, attribute_flag(chance(g, 30))}};
  Fact f = fact(g, x);
  calm(g, op(g, kind, &x, 1, attributes, 2), kind == OP_sum ? f.bound * elements : f.bound,
       kind == OP_max && f.exact);
}

static void make_along_axis(Generator *g, Operator kind) {
  Value *x = pick(g, kind == OP_softmax ? FLOAT : ARITHMETIC, 1, 5, kind != OP_softmax);
  int axis = axis_of(g, x);
  Attribute attributes[] = {{ATTRIBUTE_axis, integer(g, axis)}, {ATTRIBUTE_k, integer(g, 1)}};
  if (kind == OP_top_k && dim_is_constant(x->type.dims[axis]))
    attributes[1].value = integer(g, 1 + below(g, (int)dim_value(x->type.dims[axis])));
  Fact f = fact(g, x);
  Value *y = op(g, kind, &x, 1, attributes, kind == OP_top_k ? 2 : 1);
  keep(g, y, kind == OP_top_k ? f.bound : 8, f.exact && kind != OP_softmax);
  if (kind == OP_top_k) keep(g, y->op->results[1], 8, true);
}

/* ---- shape ---- */

static void make_reshape(Generator *g) {
  Value *x = pick(g, ANY, 0, 6, false);
  const Dim *dims[MOST_AXES];
  int rank = 0;
  const Type *t = &x->type;
  for (int a = 0; a < t->rank; a++) { /* neighbours are joined, sizes split, ones added */
    const Dim *dim = t->dims[a];
    if (a + 1 < t->rank && chance(g, 40)) dim = dim_mul(g->module->dims, dim, t->dims[++a]);
    if (rank < 6 && dim_is_constant(dim) && dim_value(dim) % 2 == 0 && chance(g, 40)) {
      dims[rank++] = dim_constant(g->module->dims, 2);
      dim = dim_constant(g->module->dims, dim_value(dim) / 2);
    }
    if (rank < 6 && chance(g, 10)) dims[rank++] = dim_constant(g->module->dims, 1);
    dims[rank++] = dim;
  }
  Fact f = fact(g, x);
  keep(g, build_reshape(&g->builder, x, dims, rank), f.bound, f.exact);
}

static void make_transpose(Generator *g) {
  Value *x = pick(g, ANY, 2, 6, false);
  int perm[MOST_AXES];
  for (int a = 0; a < x->type.rank; a++) {
    int other = below(g, a + 1);
    perm[a] = perm[other];
    perm[other] = a;
  }
  Fact f = fact(g, x);
  keep(g, build_transpose(&g->builder, x, perm), f.bound, f.exact);
}

static void make_broadcast(Generator *g) {
  Value *x = pick(g, ANY, 0, 4, false);
  const Dim *dims[MOST_AXES];
  int lead = below(g, 2);
  for (int a = 0; a < lead; a++) dims[a] = size(g);
  for (int a = 0; a < x->type.rank; a++)
    dims[lead + a] = dim_is(x->type.dims[a], 1) ? size(g) : x->type.dims[a];
  Fact f = fact(g, x);
  AttributeValue shape = attribute_dims(g->module, dims, lead + x->type.rank);
  keep(g, op(g, OP_broadcast, &x, 1, &(Attribute){ATTRIBUTE_shape, shape}, 1), f.bound, f.exact);
}

static void make_slice(Generator *g) {
  Value *x = pick(g, ANY, 1, 5, false);
  DimTable *t = g->module->dims;
  const Dim *start[MOST_AXES], *stop[MOST_AXES], *step[MOST_AXES];
  for (int a = 0; a < x->type.rank; a++) {
    const Dim *n = x->type.dims[a];
    int by = 1 + below(g, 2);
    bool backwards = chance(g, 25), part = dim_min(n) >= 3 && chance(g, 50);
    const Dim *low = dim_constant(t, part), *high = part ? dim_sub(t, n, dim_constant(t, 1)) : n;
    const Dim *one = dim_constant(t, 1);
    start[a] = backwards ? dim_sub(t, high, one) : low;
    stop[a] = backwards ? dim_sub(t, low, one) : high;
    step[a] = dim_constant(t, backwards ? -by : by);
  }
  int rank = x->type.rank;
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(g->module, start, rank)},
                            {ATTRIBUTE_stop, attribute_dims(g->module, stop, rank)},
                            {ATTRIBUTE_step, attribute_dims(g->module, step, rank)}};
  Fact f = fact(g, x);
  keep(g, op(g, OP_slice, &x, 1, attributes, 3), f.bound, f.exact);
}

static AttributeValue few(Generator *g, int count, int least, int most) {
  int64_t values[MOST_AXES];
  for (int a = 0; a < count; a++) values[a] = least + below(g, most - least + 1);
  return attribute_integers(g->module, values, count);
}

static void make_pad(Generator *g) {
  Value *x = pick(g, ANY, 1, 5, false);
  int rank = x->type.rank;
  Attribute attributes[] = {{ATTRIBUTE_before, few(g, rank, 0, 2)},
                            {ATTRIBUTE_after, few(g, rank, 0, 2)},
                            {ATTRIBUTE_between, chance(g, 60) ? integer(g, 0) : few(g, rank, 0, 1)},
                            {ATTRIBUTE_value, integer(g, below(g, 2))}};
  Fact f = fact(g, x);
  keep(g, op(g, OP_pad, &x, 1, attributes, 4), fmax(f.bound, 1), f.exact);
}

static void make_concat(Generator *g) {
  Value *operands[4];
  int count = 1 + below(g, 4);
  operands[0] = pick(g, ANY, 1, 5, false);
  int axis = axis_of(g, operands[0]);
  Fact f = fact(g, operands[0]);
  for (int i = 1; i < count; i++) {
    Type type = operands[0]->type;
    type.dims[axis] = size(g);
    operands[i] = chance(g, 30) ? operands[0] : fresh(g, &type);
    f.bound = fmax(f.bound, fact(g, operands[i]).bound);
    f.exact &= fact(g, operands[i]).exact;
  }
  keep(g, op(g, OP_concat, operands, count, &(Attribute){ATTRIBUTE_axis, integer(g, axis)}, 1),
       f.bound, f.exact);
}

static void make_update(Generator *g) {
  Value *operands[2 + MOST_AXES];
  Value *x = operands[0] = pick(g, ANY, 1, 4, false);
  Type type = x->type;
  int64_t at[MOST_AXES];
  bool at_run_time = chance(g, 40);
  for (int a = 0; a < type.rank; a++) {
    bool part = dim_min(type.dims[a]) >= 2 && chance(g, 60);
    at[a] = part && !at_run_time;
    if (part)
      type.dims[a] = dim_sub(g->module->dims, type.dims[a], dim_constant(g->module->dims, 1));
    operands[2 + a] = number(g, ELEMENT_i64, part ? below(g, 2) : 0);
  }
  operands[1] = fresh(g, &type);
  Fact f = fact(g, x);
  keep(g,
       op(g, OP_update, operands, at_run_time ? 2 + type.rank : 2,
          &(Attribute){ATTRIBUTE_at, attribute_integers(g->module, at, type.rank)}, 1),
       fmax(f.bound, 8), f.exact);
}

/* Kernel, stride, dilation and pads that leave at least one window on these axes. */
static int window_attributes(Generator *g, const Dim *const *sizes, int count, Attribute *to) {
  int64_t kernel[MOST_AXES], dilation[MOST_AXES], pads[MOST_AXES][2];
  for (int a = 0; a < count; a++) {
    kernel[a] = 1 + below(g, 3);
    dilation[a] = chance(g, 25) ? 2 : 1;
    int64_t short_of = dilation[a] * (kernel[a] - 1) + 1 - dim_min(sizes[a]);
    pads[a][0] = below(g, 2);
    pads[a][1] = below(g, 2);
    if (short_of > pads[a][0] + pads[a][1]) pads[a][0] = short_of - pads[a][1];
  }
  to[0] = (Attribute){ATTRIBUTE_stride, few(g, count, 1, 2)};
  to[1] = (Attribute){ATTRIBUTE_dilation, attribute_integers(g->module, dilation, count)};
  to[2] = (Attribute){ATTRIBUTE_pad, attribute_pairs(g->module, (const int64_t(*)[2])pads, count)};
  to[3] = (Attribute){ATTRIBUTE_kernel, attribute_integers(g->module, kernel, count)};
  return 4;
}

static void make_windows(Generator *g, bool and_back) {
  Value *x = pick(g, and_back ? ARITHMETIC : ANY, 1, 4, false);
  int64_t axes[MOST_AXES];
  const Dim *sizes[MOST_AXES];
  int count = 0;
  for (int a = 0; a < x->type.rank && count < 2; a++)
    if (chance(g, 60) || a + 1 == x->type.rank) {
      axes[count] = a;
      sizes[count++] = x->type.dims[a];
    }
  Attribute attributes[6];
  int used = window_attributes(g, sizes, count, attributes);
  attributes[used++] = (Attribute){ATTRIBUTE_axes, attribute_integers(g->module, axes, count)};
  Fact f = fact(g, x);
  Value *windows = keep(g, op(g, OP_windows, &x, 1, attributes, used), f.bound, f.exact);
  if (!and_back) return;
  attributes[used++] = (Attribute){ATTRIBUTE_size, attribute_dims(g->module, sizes, count)};
  calm(g, op(g, OP_overlap_add, &windows, 1, attributes, used), f.bound * 9, false);
}

/* ---- indices ---- */

/* Indices of some shape, all below n: the remainder of integers. */
static Value *indices(Generator *g, const Type *shape, const Dim *n) {
  Type type = *shape;
  type.element = chance(g, 70) ? ELEMENT_i64 : ELEMENT_i32;
  Value *x = fresh(g, &type), *limit;
  if (dim_is_constant(n)) {
    limit = number(g, type.element, (double)dim_value(n));
  } else {
    limit = must(g, build_typed(&g->builder, OP_dim_value, type_scalar(ELEMENT_i64), NULL,
                                &(Attribute){ATTRIBUTE_value, attribute_dim(n)}, 1));
    limit = cast(g, limit, type.element);
  }
  return keep(g, binary(g, OP_rem, x, limit), 8, true);
}

static void make_gather(Generator *g, bool scatter) {
  Value *x = pick(g, scatter ? ARITHMETIC : ANY, 1, 4, false);
  int axis = axis_of(g, x), batch = axis ? below(g, 2) : 0;
  Type shape = {.rank = batch + below(g, 3)};
  for (int a = 0; a < shape.rank; a++) shape.dims[a] = a < batch ? x->type.dims[a] : size(g);
  Value *i = indices(g, &shape, x->type.dims[axis]);
  Attribute attributes[] = {{ATTRIBUTE_axis, integer(g, axis)},
                            {ATTRIBUTE_batch, integer(g, batch)}};
  Fact f = fact(g, x);
  Value *rows = op(g, OP_gather, (Value *[]){x, i}, 2, attributes, 2);
  keep(g, rows, f.bound, f.exact);
  if (!scatter) return;
  Value *u = fresh(g, &rows->type);
  calm(g, op(g, OP_scatter_add, (Value *[]){x, i, u}, 3, attributes, 2), f.bound + 1000, false);
}

/* ---- products ---- */

static Element other_side(Generator *g, Element element) {
  return element == ELEMENT_i8 || element == ELEMENT_u8 ? (chance(g, 50) ? ELEMENT_i8 : ELEMENT_u8)
                                                        : element;
}

static Value *pick_factor(Generator *g, int least, int most) {
  Value *x = pick(g, chance(g, 85) ? FLOAT : ANY, least, most, false);
  if (x->type.element == ELEMENT_bool) x = keep(g, cast(g, x, ELEMENT_u8), 1, true);
  return x;
}

static void make_dot(Generator *g) {
  Value *x = pick_factor(g, 1, 4);
  int rank = x->type.rank, batch = rank > 2 ? below(g, 2) : 0;
  int contracted = below(g, rank - batch > 2 ? 3 : rank - batch + 1), rest = below(g, 3);
  int64_t x_batch[] = {0}, y_batch[] = {0}, x_axes[2], y_axes[2];
  Type type = {.element = other_side(g, x->type.element)};
  if (batch) type.dims[type.rank++] = x->type.dims[0];
  for (int a = 0; a < contracted; a++) {
    x_axes[a] = rank - 1 - a;
    y_axes[a] = type.rank;
    type.dims[type.rank++] = x->type.dims[x_axes[a]];
  }
  for (int a = 0; a < rest; a++) type.dims[type.rank++] = size(g);
  Value *y = fresh(g, &type);
  Attribute attributes[] = {
      {ATTRIBUTE_contract, attribute_two_lists(g->module, x_axes, y_axes, contracted)},
      {ATTRIBUTE_batch, attribute_two_lists(g->module, x_batch, y_batch, batch)}};
  calm(g, op(g, OP_dot, (Value *[]){x, y}, 2, attributes, 2), fact(g, x).bound * 25, false);
}

/* A value [N, C, n...] (or [N, n..., C]) whose C divides by the groups, small and with sizes. */
static Value *image(Generator *g, int spatial, int64_t channels, bool last) {
  Type type = {.element = chance(g, 90) ? float_element(g) : ELEMENT_i32, .rank = spatial + 2};
  for (int a = 0; a < type.rank; a++) type.dims[a] = size(g);
  for (int a = 0; a < spatial; a++)
    type.dims[(last ? 1 : 2) + a] = dim_constant(g->module->dims, 2 + below(g, 5));
  type.dims[last ? type.rank - 1 : 1] = dim_constant(g->module->dims, channels);
  for (size_t i = 0; i < g->values.count && i < 20; i++) {
    Value *value = g->values.items[g->values.count - 1 - i];
    if (value->type.rank == type.rank && fits(value, ARITHMETIC) && is_handy(value) &&
        dim_is(value->type.dims[last ? type.rank - 1 : 1], channels) && chance(g, 50))
      return value;
  }
  return fresh(g, &type);
}

static void make_conv(Generator *g, Operator kind) {
  int spatial = 1 + below(g, 2), rank = spatial + 2;
  int64_t groups = chance(g, 30) ? 2 : 1, each = 1 + below(g, 3), out = groups * (1 + below(g, 3));
  bool nhwc = kind == OP_conv_panel || (kind == OP_conv && chance(g, 30));
  Value *x = image(g, spatial, groups * each, nhwc);
  Attribute attributes[7];
  int used = window_attributes(g, &x->type.dims[nhwc ? 1 : 2], spatial, attributes) - 1;
  DimList kernel = attributes[used].value.dims; /* conv's is the shape of w */
  attributes[used++] = (Attribute){ATTRIBUTE_groups, integer(g, groups)};
  if (kind == OP_conv) {
    attributes[used++] = (Attribute){ATTRIBUTE_layout, attribute_word(nhwc ? "nhwc" : "nchw")};
  }
  DimTable *t = g->module->dims;
  Type type = {.element = x->type.element, .rank = rank};
  for (int a = 0; a < spatial; a++) type.dims[(nhwc ? 0 : 2) + a] = kernel.items[a];
  type.dims[nhwc ? spatial : 1] = dim_constant(t, each);
  type.dims[nhwc ? spatial + 1 : 0] = dim_constant(t, out);
  if (kind == OP_conv_panel) {
    int64_t block = 1 + below(g, 3), panels = (out / groups + block - 1) / block;
    for (int a = rank - 2; a > 0; a--) type.dims[a] = type.dims[a - 1];
    type.rank = rank + 1;
    type.dims[0] = dim_constant(t, groups * panels);
    type.dims[rank - 1] = dim_constant(t, each);
    type.dims[rank] = dim_constant(t, block);
    attributes[used++] = (Attribute){ATTRIBUTE_size, integer(g, out)};
  }
  Value *w = fresh(g, &type);
  calm(g, op(g, kind, (Value *[]){x, w}, 2, attributes, used), fact(g, x).bound * 27, false);
}

static void make_conv_transpose(Generator *g) {
  int spatial = 1 + below(g, 2);
  int64_t groups = chance(g, 30) ? 2 : 1;
  Value *x = image(g, spatial, groups * (1 + below(g, 3)), false);
  Type type = {.element = x->type.element, .rank = spatial + 2};
  type.dims[0] = x->type.dims[1];
  type.dims[1] = dim_constant(g->module->dims, 1 + below(g, 3));
  for (int a = 0; a < spatial; a++)
    type.dims[2 + a] = dim_constant(g->module->dims, 1 + below(g, 3));
  Attribute attributes[] = {{ATTRIBUTE_stride, few(g, spatial, 1, 2)},
                            {ATTRIBUTE_dilation, few(g, spatial, 1, 2)},
                            {ATTRIBUTE_output_pad, few(g, spatial, 0, 1)},
                            {ATTRIBUTE_groups, integer(g, groups)}};
  Value *w = fresh(g, &type);
  calm(g, op(g, OP_conv_transpose, (Value *[]){x, w}, 2, attributes, 4), fact(g, x).bound * 27,
       false);
}

static void make_conv_weight(Generator *g) {
  int spatial = 1 + below(g, 2);
  int64_t groups = chance(g, 30) ? 2 : 1;
  Value *x = image(g, spatial, groups * (1 + below(g, 3)), false);
  Attribute attributes[6];
  int used = window_attributes(g, &x->type.dims[2], spatial, attributes);
  attributes[used++] = (Attribute){ATTRIBUTE_groups, integer(g, groups)};
  /* the gradient has the shape of what conv with this kernel gives */
  Type type = {.element = x->type.element, .rank = spatial + 2};
  DimTable *t = g->module->dims;
  type.dims[0] = dim_constant(t, groups * 2);
  type.dims[1] = dim_floor(t, x->type.dims[1], groups);
  for (int a = 0; a < spatial; a++) type.dims[2 + a] = attributes[3].value.dims.items[a];
  Attribute conv[] = {attributes[0], attributes[1], attributes[2], attributes[4]};
  Value *y = op(g, OP_conv, (Value *[]){x, fresh(g, &type)}, 2, conv, 4);
  calm(g, y, fact(g, x).bound * 27, false);
  Value *dy = fresh(g, &y->type);
  calm(g, op(g, OP_conv_weight, (Value *[]){x, dy}, 2, attributes, used), fact(g, x).bound * 100,
       false);
}

static void make_dot_panel(Generator *g) {
  Value *x = pick_factor(g, 1, 4);
  DimTable *t = g->module->dims;
  int64_t columns = 1 + below(g, 9), block = 1 + below(g, 4);
  Type type = {.element = other_side(g, x->type.element), .rank = 3};
  type.dims[0] = dim_constant(t, (columns + block - 1) / block);
  type.dims[1] = x->type.dims[x->type.rank - 1];
  type.dims[2] = dim_constant(t, block);
  Value *w = fresh(g, &type);
  calm(g,
       op(g, OP_dot_panel, (Value *[]){x, w}, 2, &(Attribute){ATTRIBUTE_size, integer(g, columns)},
          1),
       fact(g, x).bound * 8, false);
}

static void make_attention(Generator *g) {
  Value *q = pick(g, FLOAT, 2, 4, false), *operands[4] = {q};
  Type k = q->type, v, mask;
  int rank = k.rank;
  k.dims[rank - 2] = size(g);
  v = mask = k;
  v.dims[rank - 1] = size(g);
  operands[1] = fresh(g, &k);
  operands[2] = fresh(g, &v);
  mask.element = ELEMENT_bool;
  mask.rank = 2;
  mask.dims[0] = q->type.dims[rank - 2];
  mask.dims[1] = k.dims[rank - 2];
  bool masked = chance(g, 40);
  if (masked) operands[3] = fresh(g, &mask);
  Attribute attributes[] = {{ATTRIBUTE_causal, attribute_flag(chance(g, 40))},
                            {ATTRIBUTE_scale, attribute_number(number_real(below(g, 2) * 0.5))}};
  keep(g, op(g, OP_attention, operands, masked ? 4 : 3, attributes, 2), 8, false);
}

/* ---- sources, marks, memory, regions ---- */

static void make_source(Generator *g, Operator kind) {
  Type type = {.element = chance(g, 50) ? ELEMENT_i64 : float_element(g),
               .rank = (kind == OP_iota) + below(g, 3)};
  for (int a = 0; a < type.rank; a++) type.dims[a] = size(g);
  Attribute attribute = {ATTRIBUTE_value, integer(g, below(g, 5) - 2)};
  if (kind == OP_iota) attribute = (Attribute){ATTRIBUTE_axis, integer(g, below(g, type.rank))};
  if (kind == OP_dim_value) {
    type = type_scalar(ELEMENT_i64);
    attribute.value =
        attribute_dim(dim_add(g->module->dims, g->n, dim_constant(g->module->dims, 2)));
  }
  if (kind == OP_random) {
    type.element = float_element(g);
    attribute = (Attribute){ATTRIBUTE_site, integer(g, below(g, 100))};
  }
  if (kind == OP_constant && type_is_static(&type)) {
    keep(g, constant(g, &type), 8, true);
    return;
  }
  if (kind == OP_constant) kind = OP_full;
  keep(g, must(g, build_typed(&g->builder, kind, type, NULL, &attribute, 1)), 8, true);
}

static void make_mark(Generator *g, Operator kind) {
  Value *x = pick(g, ANY, 0, 6, false);
  Fact f = fact(g, x);
  keep(g, unary(g, kind, x), f.bound, f.exact);
}

/* The newest value of the type: `x`, or what was made since. */
static Value *pick_like(const Generator *g, Value *x) {
  for (size_t i = g->values.count; i > 0; i--)
    if (type_equal(&g->values.items[i - 1]->type, &x->type)) return g->values.items[i - 1];
  return x;
}

static void make_memory(Generator *g, Operator kind) {
  if (kind == OP_read) {
    Type type = {.element = float_element(g), .rank = below(g, 4)};
    for (int a = 0; a < type.rank; a++)
      type.dims[a] = dim_constant(g->module->dims, 1 + below(g, 5));
    keep(g, param(g, &type), 1, true);
    return;
  }
  Value *x = pick(g, ANY, 0, 4, false);
  const char *name = arena_format(g->module->arena, "state.%d", g->writes++);
  module_add_tensor(g->module, TENSOR_STATE, name, x->type, NULL);
  if (below(g, 2)) { /* the old value, which is used before and after the write */
    keep(g, must(g, build_typed(&g->builder, OP_read, x->type, name, NULL, 0)), 1, true);
    if (!build_write(&g->builder, name, pick_like(g, x))) must(g, NULL);
    return;
  }
  if (!build_write(&g->builder, name, x)) must(g, NULL);
  keep(g, must(g, build_typed(&g->builder, OP_read, x->type, name, NULL, 0)), fact(g, x).bound,
       fact(g, x).exact);
}

static void set_ends(Generator *g, Block *region, Value *yield, Value *emit) {
  Arena *arena = g->module->arena;
  region->yields = arena_copy(arena, &yield, sizeof yield);
  region->yield_count = 1;
  region->emits = arena_copy(arena, &emit, sizeof emit);
  region->emit_count = emit ? 1 : 0;
}

/* tanh(x * y) as one kernel, or a running sum over the first axis. */
static void make_region(Generator *g, Operator kind) {
  bool scan = kind == OP_scan;
  Value *x = pick(g, FLOAT, scan ? 1 : 0, 4, false), *y, *operands[2];
  Type row = x->type, results[2];
  if (scan) {
    row.rank--;
    for (int a = 0; a < row.rank; a++) row.dims[a] = row.dims[a + 1];
  }
  y = fresh(g, &row);
  operands[0] = x;
  operands[1] = y;
  results[0] = row;
  results[1] = x->type;
  Attribute attribute = {ATTRIBUTE_axis, integer(g, 0)};
  if (!scan) attribute = (Attribute){ATTRIBUTE_serial, attribute_flag(false)};
  Op *made = op_new(g->function, kind, operands, 2, &attribute, results, scan ? 2 : 1);
  if (!scan)
    made->symbol =
        intern(g->module->names, arena_format(g->module->arena, "k%zu", g->values.count));
  made->region = block_new(g->function, made);
  Value *a = block_add_argument(made->region, "x", row, scan ? BIND_EACH : BIND_PLAIN);
  Value *b = block_add_argument(made->region, "y", row, scan ? BIND_CARRY : BIND_PLAIN);
  Builder outer = g->builder;
  g->builder.block = made->region;
  Value *end = unary(g, OP_tanh, binary(g, scan ? OP_add : OP_mul, a, b));
  set_ends(g, made->region, end, scan ? end : NULL);
  g->builder = outer;
  op_append(g->function->body, made);
  for (int i = 0; i < made->result_count; i++) keep(g, made->results[i], 1, false);
}

/* ---- all of them ---- */

static void make(Generator *g, Operator kind) {
  const OperatorInfo *info = &operator_infos[kind];
  if (info->traits & TRAIT_COMPARE) {
    make_compare(g, kind);
    return;
  }
  switch (kind) {
  case OP_not:
  case OP_and:
  case OP_or:
    make_logic(g, kind);
    return;
  case OP_where:
    make_where(g);
    return;
  case OP_cast:
    make_cast(g);
    return;
  case OP_sum:
  case OP_max:
    make_reduction(g, kind);
    return;
  case OP_argmax:
  case OP_top_k:
  case OP_softmax:
    make_along_axis(g, kind);
    return;
  case OP_reshape:
    make_reshape(g);
    return;
  case OP_transpose:
    make_transpose(g);
    return;
  case OP_broadcast:
    make_broadcast(g);
    return;
  case OP_slice:
    make_slice(g);
    return;
  case OP_pad:
    make_pad(g);
    return;
  case OP_concat:
    make_concat(g);
    return;
  case OP_update:
    make_update(g);
    return;
  case OP_windows:
    make_windows(g, false);
    return;
  case OP_overlap_add:
    make_windows(g, true);
    return;
  case OP_gather:
    make_gather(g, false);
    return;
  case OP_scatter_add:
    make_gather(g, true);
    return;
  case OP_dot:
    make_dot(g);
    return;
  case OP_dot_panel:
    make_dot_panel(g);
    return;
  case OP_conv:
  case OP_conv_panel:
    make_conv(g, kind);
    return;
  case OP_conv_transpose:
    make_conv_transpose(g);
    return;
  case OP_conv_weight:
    make_conv_weight(g);
    return;
  case OP_attention:
    make_attention(g);
    return;
  case OP_constant:
  case OP_full:
  case OP_iota:
  case OP_dim_value:
  case OP_random:
    make_source(g, kind);
    return;
  case OP_stop_gradient:
  case OP_checkpoint:
    make_mark(g, kind);
    return;
  case OP_read:
  case OP_write:
    make_memory(g, kind);
    return;
  case OP_fused:
  case OP_scan:
    make_region(g, kind);
    return;
  default:
    if (info->least == 1)
      make_unary(g, kind);
    else
      make_binary(g, kind);
  }
}

static bool is_left_out(const RandomGraph *options, Operator kind) {
  if (options->exclude && options->exclude[kind]) return true;
  if (kind == OP_grad) return true; /* has no value of its own */
  if (operator_has(kind, TRAIT_REGION)) return !options->regions;
  if (kind == OP_write || kind == OP_random) return !options->states;
  return (kind == OP_dot_panel || kind == OP_conv_panel) && !options->panels;
}

/* The results: what operations made and nothing uses, the last ones first. */
static void finish(Generator *g) {
  enum { MOST_RESULTS = 12 };
  Function *f = g->function;
  Arena *arena = g->module->arena;
  VEC(Value *) yields = {0};
  graph_count_uses(f);
  for (size_t i = g->values.count; i > 0 && yields.count < MOST_RESULTS; i--) {
    Value *value = g->values.items[i - 1];
    if (!value->op || value->mark || value->op->kind == OP_read || value->op->kind == OP_constant)
      continue;
    value->mark = 1; /* once, though it may have been kept twice */
    vec_push(arena, &yields, value);
  }
  for (size_t i = 0; i < yields.count; i++) {
    const char *name = yields.count == 1 ? "out" : arena_format(arena, "out%zu", i);
    vec_push(arena, &f->results,
             ((Result){intern(g->module->names, name), yields.items[i]->type, false}));
  }
  f->body->yields = yields.items;
  f->body->yield_count = (int)yields.count;
}

Module *random_graph(Arena *arena, const RandomGraph *options) {
  Module *module = module_new(arena, "random");
  Generator g = {.options = options, .module = module, .state = options->seed};
  g.n = dim_constant(module->dims, 3);
  if (options->dynamic)
    g.n = dim_of_symbol(module->dims,
                        dim_symbol_new(module->dims, intern(module->names, "N"), 1, 5, false));
  g.function = module_add_function(module, FUNCTION_MODEL, "random");
  g.builder = (Builder){.function = g.function, .block = g.function->body};
  while (function_operations(g.function, false) < options->operations) {
    Operator kind = (Operator)below(&g, OPERATORS);
    if (!is_left_out(options, kind)) make(&g, kind);
  }
  finish(&g);
  return module;
}
