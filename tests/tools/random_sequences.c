#include "tests/tools/random_generator.h"

#include <math.h>

/* Networks over sequences [N, T, D] whose lengths a call may give: attention with masks and caches,
 * recurrent cells, norms, tables, and what stands between them. */
enum { LONGEST = 24, MOST_WIDTH = 64 };

static const int widths[] = {1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64};
enum { WIDTHS = sizeof widths / sizeof *widths };

static const Dim *dim(Generator *g, int64_t value) {
  return dim_constant(g->module->dims, value);
}

static int64_t width_of(const Value *x) {
  return dim_value(x->type.dims[x->type.rank - 1]);
}

static Value *input(Generator *g, Element element, int rank, const Dim *const *dims) {
  Type type = {.element = element, .rank = rank};
  for (int a = 0; a < rank; a++) type.dims[a] = dims[a];
  const char *name = arena_format(g->module->arena, "input%d", g->inputs++);
  return function_add_input(g->function, name, type);
}

static Value *fresh_sequence(Generator *g) {
  const Dim *dims[] = {g->n, g->long_n, dim(g, widths[below(g, WIDTHS)])};
  if (!dims[1] || chance(g, 10)) dims[1] = dim(g, 1 + below(g, 13));
  return keep(g, input(g, ELEMENT_f32, 3, dims), 1, true);
}

static bool is_sequence(const Value *x) {
  return x->type.rank == 3 && x->type.element == ELEMENT_f32 && dim_is_constant(x->type.dims[2]) &&
         width_of(x) <= MOST_WIDTH && dim_max(x->type.dims[0]) <= LONGEST &&
         dim_max(x->type.dims[1]) <= LONGEST && dim_min(x->type.dims[1]) > 0 &&
         dim_min(x->type.dims[0]) > 0;
}

static Value *pick_sequence(Generator *g) {
  for (int tries = 0; tries < 8 && g->values.count; tries++) {
    size_t back = (size_t)below(g, g->values.count < 5 ? (int)g->values.count : 5);
    Value *x = g->values.items[g->values.count - 1 - back];
    if (is_sequence(x)) return x;
  }
  return fresh_sequence(g);
}

static Value *pick_same(Generator *g, const Value *x) {
  for (size_t i = g->values.count; i > 0; i--) {
    Value *y = g->values.items[i - 1];
    if (y != x && type_equal(&y->type, &x->type) && chance(g, 70)) return y;
  }
  return NULL;
}

/* x @ w of its last axis; w may be [out, in], turned. */
static Value *linear(Generator *g, Value *x, int64_t out) {
  int64_t in = width_of(x), x_axes[] = {x->type.rank - 1}, y_axes[] = {0};
  bool turned = chance(g, 50);
  Type type = {.element = ELEMENT_f32, .rank = 2, .dims = {dim(g, in), dim(g, out)}};
  if (turned) type.dims[0] = dim(g, out), type.dims[1] = dim(g, in);
  Value *w = scaled(g, &type, in);
  if (turned) w = build_transpose(&g->builder, w, (int[]){1, 0});
  Attribute contract = {ATTRIBUTE_contract, attribute_two_lists(g->module, x_axes, y_axes, 1)};
  Value *y = op(g, OP_dot, (Value *[]){x, w}, 2, &contract, 1);
  Type bias = {.element = ELEMENT_f32, .rank = 1, .dims = {dim(g, out)}};
  return chance(g, 70) ? binary(g, OP_add, y, scaled(g, &bias, 3)) : y;
}

static Value *logistic(Generator *g, Value *x) {
  Value *one = number(g, ELEMENT_f32, 1);
  return binary(g, OP_div, one,
                binary(g, OP_add, one, unary(g, OP_exp, unary(g, OP_neg, unary(g, OP_tanh, x)))));
}

static Value *activated(Generator *g, Value *x) {
  int what = below(g, g->options->exclude ? 75 : 100);
  if (what < 25) return unary(g, OP_tanh, x);
  if (what < 50) return binary(g, OP_mul, x, logistic(g, x));
  if (what < 75) {
    Value *half = number(g, ELEMENT_f32, 0.5), *one = number(g, ELEMENT_f32, 1);
    return binary(g, OP_mul, binary(g, OP_mul, x, half),
                  binary(g, OP_add, one, unary(g, OP_erf, x)));
  }
  return binary(g, OP_maximum, x, number(g, ELEMENT_f32, 0));
}

static void transform(Generator *g) {
  Value *x = pick_sequence(g), *y = linear(g, x, widths[below(g, WIDTHS)]);
  if (chance(g, 50)) y = activated(g, y);
  if (chance(g, 40)) y = linear(g, y, width_of(x));
  Value *beside = chance(g, 50) ? type_equal(&y->type, &x->type) ? x : pick_same(g, y) : NULL;
  if (beside) y = binary(g, OP_add, beside, y);
  keep(g, y, 8, false);
}

static void normalise(Generator *g) {
  Value *x = pick_sequence(g);
  Attribute over[] = {{ATTRIBUTE_axis, integer(g, 2)}, {ATTRIBUTE_keepdims, attribute_flag(true)}};
  over[0].value = attribute_integers(g->module, (int64_t[]){2}, 1);
  Value *by = number(g, ELEMENT_f32, 1 / (double)width_of(x)), *off = x;
  if (chance(g, 70))
    off = binary(g, OP_sub, x, binary(g, OP_mul, op(g, OP_sum, &x, 1, over, 2), by));
  Value *square = binary(g, OP_mul, off, off);
  Value *variance = binary(g, OP_mul, op(g, OP_sum, &square, 1, over, 2), by);
  variance = binary(g, OP_add, variance, number(g, ELEMENT_f32, 0.25));
  Value *y = binary(g, OP_mul, off, unary(g, OP_rsqrt, variance));
  Type type = {.element = ELEMENT_f32, .rank = 1, .dims = {dim(g, width_of(x))}};
  y = binary(g, OP_mul, y, scaled(g, &type, 3));
  keep(g, chance(g, 60) ? binary(g, OP_add, y, scaled(g, &type, 3)) : y, 8, false);
}

/* ---- attention ---- */

/* [N, T, heads * each] as [N, heads, T, each]; `part` of `parts` along the last axis. */
static Value *split(Generator *g, Value *x, int64_t heads, int64_t each, int part) {
  const Dim *const *d = x->type.dims;
  const Dim *start[] = {dim(g, 0), dim(g, 0), dim(g, part * heads * each)};
  const Dim *stop[] = {d[0], d[1], dim(g, (part + 1) * heads * each)};
  Attribute cut[] = {{ATTRIBUTE_start, attribute_dims(g->module, start, 3)},
                     {ATTRIBUTE_stop, attribute_dims(g->module, stop, 3)}};
  if (part > 0 || width_of(x) > heads * each) x = op(g, OP_slice, &x, 1, cut, 2);
  const Dim *dims[] = {d[0], d[1], dim(g, heads), dim(g, each)};
  return build_transpose(&g->builder, build_reshape(&g->builder, x, dims, 4), (int[]){0, 2, 1, 3});
}

static Value *merge(Generator *g, Value *y) {
  y = build_transpose(&g->builder, y, (int[]){0, 2, 1, 3});
  const Dim *const *d = y->type.dims;
  const Dim *dims[] = {d[0], d[1], dim_mul(g->module->dims, d[2], d[3])};
  return build_reshape(&g->builder, y, dims, 3);
}

/* Keys or values of earlier calls, with those of this one written from `at` on. */
static Value *cached(Generator *g, Value *x, Value *at) {
  Type type = x->type;
  type.dims[2] = dim(g, LONGEST);
  const char *name = arena_format(g->module->arena, "state.%d", g->writes++);
  module_add_tensor(g->module, TENSOR_STATE, name, type, NULL);
  Value *old = must(g, build_typed(&g->builder, OP_read, type, name, NULL, 0));
  Value *zero = number(g, ELEMENT_i64, 0), *operands[] = {old, x, zero, zero, at, zero};
  Value *y = op(g, OP_update, operands, 6, NULL, 0);
  if (!build_write(&g->builder, name, y)) must(g, NULL);
  return y;
}

/* Where a call begins to write: 0 <= at <= LONGEST - T. */
static Value *place(Generator *g, const Dim *length) {
  Value *free =
      must(g, build_typed(&g->builder, OP_dim_value, type_scalar(ELEMENT_i64), NULL,
                          &(Attribute){
                              ATTRIBUTE_value,
                              attribute_dim(dim_sub(g->module->dims, dim(g, LONGEST + 1), length))},
                          1));
  return binary(g, OP_rem, input(g, ELEMENT_i64, 0, NULL), free);
}

static Value *iota(Generator *g, const Dim *length, int rank, int axis) {
  Type type = {.element = ELEMENT_i64, .rank = 1, .dims = {length}};
  Attribute along = {ATTRIBUTE_axis, integer(g, 0)};
  Value *x = must(g, build_typed(&g->builder, OP_iota, type, NULL, &along, 1));
  const Dim *dims[] = {dim(g, 1), dim(g, 1)};
  dims[axis] = length;
  return build_reshape(&g->builder, x, dims, rank);
}

/* softmax(q k^T * scale + mask) v, as a page writes it. */
static Value *written_out(Generator *g, Value *q, Value *k, Value *v, Value *mask, double scale) {
  DimList *lists = ARENA_ARRAY(g->module->arena, 4, DimList);
  int64_t both[] = {0, 1}, third[] = {3}, second[] = {2};
  lists[0] = lists[1] = attribute_integers(g->module, both, 2).dims;
  lists[2] = attribute_integers(g->module, third, 1).dims;
  lists[3] = attribute_integers(g->module, second, 1).dims;
  DimList contracted[2][2] = {{lists[2], lists[2]}, {lists[2], lists[3]}};
  AttributeValue batch = {.kind = ATTRIBUTE_LISTS}, contract = {.kind = ATTRIBUTE_LISTS};
  batch.lists.items = lists, batch.lists.count = 2;
  contract.lists.items = arena_copy(g->module->arena, contracted[0], sizeof contracted[0]);
  contract.lists.count = 2;
  Attribute attributes[] = {{ATTRIBUTE_contract, contract}, {ATTRIBUTE_batch, batch}};
  Value *scores = op(g, OP_dot, (Value *[]){q, k}, 2, attributes, 2);
  scores = binary(g, OP_mul, scores, number(g, ELEMENT_f32, scale));
  if (mask && mask->type.element == ELEMENT_bool)
    scores =
        op(g, OP_where, (Value *[]){mask, scores, number(g, ELEMENT_f32, -INFINITY)}, 3, NULL, 0);
  else if (mask)
    scores = binary(g, OP_add, scores, mask);
  Attribute axis = {ATTRIBUTE_axis, integer(g, 3)};
  Value *p = op(g, OP_softmax, &scores, 1, &axis, 1);
  attributes[0].value.lists.items =
      arena_copy(g->module->arena, contracted[1], sizeof contracted[1]);
  return op(g, OP_dot, (Value *[]){p, v}, 2, attributes, 2);
}

static void attend(Generator *g) {
  static const int each_of[] = {1, 2, 4, 5, 8, 12, 16};
  Value *x = pick_sequence(g), *from = chance(g, 25) ? pick_sequence(g) : x;
  if (from->type.dims[0] != x->type.dims[0]) from = x;
  int64_t heads = 1 + below(g, 4), each = each_of[below(g, 7)], all = heads * each;
  const Dim *length = x->type.dims[1], *seen = from->type.dims[1];
  bool together = from == x && chance(g, 60), cache = g->options->states && chance(g, 35);
  Value *qkv = together ? linear(g, x, 3 * all) : NULL;
  Value *q = split(g, together ? qkv : linear(g, x, all), heads, each, 0);
  Value *k = split(g, together ? qkv : linear(g, from, all), heads, each, together ? 1 : 0);
  Value *v = split(g, together ? qkv : linear(g, from, all), heads, each, together ? 2 : 0);
  Value *mask = NULL;
  bool causal = from == x && chance(g, 40);
  if (cache) {
    Value *at = place(g, seen);
    k = cached(g, k, at), v = cached(g, v, at);
    Value *now = binary(g, OP_add, iota(g, length, 2, 0), at);
    mask = binary(g, OP_le, iota(g, dim(g, LONGEST), 2, 1), now);
    seen = dim(g, LONGEST), causal = false;
  } else if (causal && chance(g, 50)) {
    mask = binary(g, OP_le, iota(g, seen, 2, 1), iota(g, length, 2, 0)), causal = false;
  } else if (chance(g, 50)) {
    const Dim *dims[] = {x->type.dims[0], dim(g, 1), chance(g, 50) ? length : dim(g, 1), seen};
    mask = input(g, chance(g, 70) ? ELEMENT_bool : ELEMENT_f32, 4, dims);
  }
  double scale = 1 / sqrt((double)each);
  Value *y;
  if (!causal && chance(g, 60)) {
    y = written_out(g, q, k, v, mask, scale);
  } else {
    Attribute attributes[] = {{ATTRIBUTE_causal, attribute_flag(causal)},
                              {ATTRIBUTE_scale, attribute_number(number_real(scale))},
                              {ATTRIBUTE_factor, attribute_flag(false)}};
    y = op(g, OP_attention, (Value *[]){q, k, v, mask}, mask ? 4 : 3, attributes, 3);
  }
  y = merge(g, y);
  if (chance(g, 60)) y = linear(g, y, width_of(x));
  if (type_equal(&y->type, &x->type)) y = binary(g, OP_add, x, y);
  keep(g, y, 8, false);
}

/* ---- loops ---- */

typedef struct {
  Value *operands[16];
  BindKind binds[16];
  int count;
} Bound;

static int bind(Bound *b, Value *x, BindKind how) {
  b->operands[b->count] = x, b->binds[b->count] = how;
  return b->count++;
}

static Value *matrix(Generator *g, int64_t in, int64_t out) {
  Type type = {.element = ELEMENT_f32, .rank = 2, .dims = {dim(g, in), dim(g, out)}};
  return scaled(g, &type, 2 * in);
}

static Value *times(Generator *g, Value *x, Value *w) {
  Attribute contract = {ATTRIBUTE_contract,
                        attribute_two_lists(g->module, (int64_t[]){1}, (int64_t[]){0}, 1)};
  return op(g, OP_dot, (Value *[]){x, w}, 2, &contract, 1);
}

static Value *gate(Generator *g, Value *x, int64_t width, int number_of) {
  const Dim *start[] = {dim(g, 0), dim(g, number_of * width)};
  const Dim *stop[] = {x->type.dims[0], dim(g, (number_of + 1) * width)};
  Attribute cut[] = {{ATTRIBUTE_start, attribute_dims(g->module, start, 2)},
                     {ATTRIBUTE_stop, attribute_dims(g->module, stop, 2)}};
  return op(g, OP_slice, &x, 1, cut, 2);
}

/* A recurrent cell along time: plain, gated, or with a memory; perhaps with a mask, back to front,
 * ended by `while`, the products of its input within. */
static void recur(Generator *g) {
  enum { PLAIN, GATED, MEMORY };
  Value *x = pick_sequence(g);
  int64_t in = width_of(x), width = widths[below(g, 8)];
  int kind = below(g, 3), gates = kind == PLAIN ? 1 : kind == GATED ? 2 : 4;
  const Dim *batch = x->type.dims[0], *length = x->type.dims[1];
  const Dim *carry_dims[] = {batch, dim(g, width)};
  bool within = chance(g, 40), masked = chance(g, 30), ends = !g->options->exclude && chance(g, 20);
  Value *seen = within ? x : linear(g, x, gates * width);
  Bound b = {0};
  int axis = below(g, 2) && !masked;
  if (axis == 0) seen = build_transpose(&g->builder, seen, (int[]){1, 0, 2});
  int each = bind(&b, seen, BIND_EACH), h = bind(&b, NULL, BIND_CARRY), c = 0, w = 0, m = 0, n = 0;
  Type zero = {.element = ELEMENT_f32, .rank = 2, .dims = {batch, dim(g, width)}};
  Attribute value = {ATTRIBUTE_value, integer(g, 0)};
  b.operands[h] = chance(g, 50) ? input(g, ELEMENT_f32, 2, carry_dims)
                                : must(g, build_typed(&g->builder, OP_full, zero, NULL, &value, 1));
  if (kind == MEMORY)
    c = bind(&b, must(g, build_typed(&g->builder, OP_full, zero, NULL, &value, 1)), BIND_CARRY);
  if (ends) n = bind(&b, number(g, ELEMENT_i64, 0), BIND_CARRY);
  if (masked) {
    const Dim *dims[] = {length, batch, dim(g, 1)};
    m = bind(&b, input(g, ELEMENT_bool, 3, dims), BIND_EACH);
  }
  if (within) w = bind(&b, matrix(g, in, gates * width), BIND_PLAIN);
  int u = bind(&b, matrix(g, width, gates * width), BIND_PLAIN);
  Type results[4];
  int carries = 0;
  for (int i = 0; i < b.count; i++)
    if (b.binds[i] == BIND_CARRY) results[carries++] = b.operands[i]->type;
  results[carries] = (Type){ELEMENT_f32, 3, {length, batch, dim(g, width)}};
  if (axis == 1) results[carries] = (Type){ELEMENT_f32, 3, {batch, length, dim(g, width)}};
  Attribute attributes[] = {{ATTRIBUTE_axis, integer(g, axis)},
                            {ATTRIBUTE_backward, attribute_flag(!ends && chance(g, 30))},
                            {ATTRIBUTE_apart, attribute_flag(false)}};
  Op *made = op_new(g->function, OP_scan, b.operands, b.count, attributes, results, carries + 1);
  made->region = block_new(g->function, made);
  Value *a[16];
  for (int i = 0; i < b.count; i++) {
    Type type = b.operands[i]->type;
    if (b.binds[i] == BIND_EACH) {
      type.rank--;
      int along = i == each ? axis : 0;
      for (int k = along; k < type.rank; k++) type.dims[k] = type.dims[k + 1];
    }
    a[i] = block_add_argument(made->region, arena_format(g->module->arena, "a%d", i), type,
                              b.binds[i]);
  }
  Builder outer = g->builder;
  g->builder.block = made->region;
  if (ends) made->region->while_ = binary(g, OP_lt, a[n], number(g, ELEMENT_i64, 1 + below(g, 9)));
  Value *sum = binary(g, OP_add, within ? times(g, a[each], a[w]) : a[each], times(g, a[h], a[u]));
  Value *next, *memory = NULL;
  if (kind == PLAIN) {
    next = unary(g, OP_tanh, sum);
  } else if (kind == GATED) {
    Value *z = logistic(g, gate(g, sum, width, 0)), *t = unary(g, OP_tanh, gate(g, sum, width, 1));
    next = binary(g, OP_add, a[h], binary(g, OP_mul, z, binary(g, OP_sub, t, a[h])));
  } else {
    memory = binary(g, OP_mul, logistic(g, gate(g, sum, width, 1)), a[c]);
    Value *t = unary(g, OP_tanh, gate(g, sum, width, 2));
    memory = binary(g, OP_add, memory, binary(g, OP_mul, logistic(g, gate(g, sum, width, 0)), t));
    next = binary(g, OP_mul, logistic(g, gate(g, sum, width, 3)), unary(g, OP_tanh, memory));
  }
  if (masked) next = op(g, OP_where, (Value *[]){a[m], next, a[h]}, 3, NULL, 0);
  Value *yields[3] = {next}, *emits[] = {next};
  int count = 1;
  if (kind == MEMORY) yields[count++] = memory;
  if (ends) yields[count++] = binary(g, OP_add, a[n], number(g, ELEMENT_i64, 1));
  Arena *arena = g->module->arena;
  made->region->yields = arena_copy(arena, yields, sizeof yields);
  made->region->yield_count = count;
  made->region->emits = arena_copy(arena, emits, sizeof emits);
  made->region->emit_count = 1;
  g->builder = outer;
  op_append(g->function->body, made);
  if (chance(g, 40)) keep(g, made->results[0], 8, false);
  Value *y = made->results[carries];
  keep(g, axis == 0 ? build_transpose(&g->builder, y, (int[]){1, 0, 2}) : y, 8, false);
}

/* ---- what moves numbers ---- */

static void look_up(Generator *g) {
  const Dim *dims[] = {g->n, g->long_n ? g->long_n : dim(g, 7)};
  int64_t rows = 3 + below(g, 40), width = widths[below(g, WIDTHS)];
  Value *i =
      binary(g, OP_rem, input(g, ELEMENT_i64, 2, dims), number(g, ELEMENT_i64, (double)rows));
  Type type = {.element = ELEMENT_f32, .rank = 2, .dims = {dim(g, rows), dim(g, width)}};
  Attribute attributes[] = {{ATTRIBUTE_axis, integer(g, 0)}, {ATTRIBUTE_batch, integer(g, 0)}};
  keep(g, op(g, OP_gather, (Value *[]){scaled(g, &type, 3), i}, 2, attributes, 2), 1, false);
}

static void cut(Generator *g) {
  Value *x = pick_sequence(g);
  const Dim *start[3], *stop[3], *step[3];
  int axis = 1 + below(g, 2);
  for (int a = 0; a < 3; a++) {
    const Dim *n = x->type.dims[a];
    start[a] = dim(g, 0), stop[a] = n, step[a] = dim(g, 1);
    if (a != axis) continue;
    int64_t low = dim_min(n) > 2 ? below(g, (int)dim_min(n) / 2) : 0;
    start[a] = dim(g, low);
    if (!chance(g, 40)) continue;
    start[a] = dim_sub(g->module->dims, n, dim(g, 1)); /* backwards */
    stop[a] = dim(g, low - 1), step[a] = dim(g, -1);
  }
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(g->module, start, 3)},
                            {ATTRIBUTE_stop, attribute_dims(g->module, stop, 3)},
                            {ATTRIBUTE_step, attribute_dims(g->module, step, 3)}};
  keep(g, op(g, OP_slice, &x, 1, attributes, 3), 8, fact(g, x).exact);
}

static void join(Generator *g) {
  Value *operands[3] = {pick_sequence(g)};
  int axis = 1 + below(g, 2), count = 1, wanted = 2 + below(g, 2);
  for (size_t i = g->values.count; i > 0 && count < wanted; i--) {
    Value *y = g->values.items[i - 1];
    bool fine = is_sequence(y) && y != operands[0];
    for (int a = 0; a < 3; a++)
      fine = fine && (a == axis || y->type.dims[a] == operands[0]->type.dims[a]);
    if (fine && chance(g, 60)) operands[count++] = y;
  }
  if (count == 1) operands[count++] = operands[0];
  keep(g, op(g, OP_concat, operands, count, &(Attribute){ATTRIBUTE_axis, integer(g, axis)}, 1), 8,
       false);
}

static void turn(Generator *g) {
  Value *x = pick_sequence(g);
  Value *y = build_transpose(&g->builder, x, chance(g, 70) ? (int[]){1, 0, 2} : (int[]){0, 2, 1});
  keep(g, y, 8, fact(g, x).exact);
}

/* Over time: a mean that each place gets, or a line of a convolution. */
static void mix(Generator *g) {
  Value *x = pick_sequence(g);
  if (chance(g, 40)) {
    Attribute over[] = {{ATTRIBUTE_axis, attribute_integers(g->module, (int64_t[]){1}, 1)},
                        {ATTRIBUTE_keepdims, attribute_flag(true)}};
    Value *mean = binary(g, OP_mul, op(g, OP_sum, &x, 1, over, 2), number(g, ELEMENT_f32, 0.125));
    keep(g, binary(g, OP_sub, x, unary(g, OP_tanh, mean)), 8, false);
    return;
  }
  int64_t in = width_of(x), out = widths[below(g, WIDTHS)], kernel = 1 + below(g, 5);
  int64_t groups = chance(g, 70) ? 1 : in, stride[] = {1}, dilation[] = {1 + chance(g, 20)};
  if (groups > 1) out = in;
  int64_t pads[1][2] = {{dilation[0] * (kernel - 1), 0}};
  Type type = {ELEMENT_f32, 3, {dim(g, out), dim(g, in / groups), dim(g, kernel)}};
  Attribute attributes[] = {
      {ATTRIBUTE_stride, attribute_integers(g->module, stride, 1)},
      {ATTRIBUTE_dilation, attribute_integers(g->module, dilation, 1)},
      {ATTRIBUTE_pad, attribute_pairs(g->module, (const int64_t(*)[2])pads, 1)},
      {ATTRIBUTE_groups, integer(g, groups)},
      {ATTRIBUTE_layout, attribute_word("nchw")}};
  Value *lines = build_transpose(&g->builder, x, (int[]){0, 2, 1});
  Value *w = scaled(g, &type, in / groups * kernel);
  Value *y = op(g, OP_conv, (Value *[]){lines, w}, 2, attributes, 5);
  keep(g, build_transpose(&g->builder, y, (int[]){0, 2, 1}), 8, false);
}

void make_sequences(Generator *g) {
  static const struct {
    int percent;
    void (*make)(Generator *g);
  } kinds[] = {{20, transform}, {14, normalise}, {22, attend}, {16, recur},
               {6, look_up},    {6, cut},        {6, join},    {5, turn}};
  int what = below(g, 100);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; what -= kinds[i++].percent)
    if (what < kinds[i].percent) {
      kinds[i].make(g);
      return;
    }
  mix(g);
}
