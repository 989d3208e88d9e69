#include "tests/tools/random_generator.h"

#include <stdio.h>

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
  Attribute attributes[] = {{ATTRIBUTE_axis, integer(g, 0)},
                            {ATTRIBUTE_backward, attribute_flag(scan && chance(g, 30))},
                            {ATTRIBUTE_apart, attribute_flag(false)}};
  if (!scan) attributes[0] = (Attribute){ATTRIBUTE_parts, integer(g, 0)};
  Op *made = op_new(g->function, kind, operands, 2, attributes, results, scan ? 2 : 1);
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
  case OP_winograd_weight:
  case OP_conv_winograd:
    make_winograd(g, kind);
    return;
  case OP_attention:
  case OP_attention_gradient:
    make_attention(g, kind);
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
  bool selected = kind == OP_dot_panel || kind == OP_conv_panel || kind == OP_winograd_weight ||
                  kind == OP_conv_winograd;
  return selected && !options->panels;
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

static const Dim *new_dim(Module *module, const char *name, int64_t least, int64_t most) {
  Symbol *symbol = dim_symbol_new(module->dims, intern(module->names, name), least, most, false);
  return dim_of_symbol(module->dims, symbol);
}

/* Batches and lengths: numbers, or known when an entry is called. */
static void choose_dims(Generator *g) {
  const RandomGraph *options = g->options;
  bool network = options->maps || options->sequences;
  g->n = dim_constant(g->module->dims, network ? 1 + (int64_t)(options->seed / 2 % 2) : 3);
  if (!options->dynamic) return;
  g->n = new_dim(g->module, "N", 1, network ? 3 : 5);
  if (options->maps && options->seed % 4 == 1)
    g->long_n =
        dim_add(g->module->dims, new_dim(g->module, "H", 1, 16), dim_constant(g->module->dims, 4));
  if (options->sequences && options->seed % 4 == 1) g->long_n = new_dim(g->module, "T", 1, 13);
}

Module *random_graph(Arena *arena, const RandomGraph *options) {
  Module *module = module_new(arena, "random");
  Generator g = {.options = options, .module = module, .state = options->seed};
  choose_dims(&g);
  bool trains = options->rows && options->seed % 4;
  g.function = module_add_function(module, trains ? FUNCTION_TRAIN : FUNCTION_MODEL, "random");
  g.builder = (Builder){.function = g.function, .block = g.function->body};
  while (function_operations(g.function, false) < options->operations) {
    Operator kind = (Operator)below(&g, OPERATORS);
    if (options->rows)
      make_rows(&g);
    else if (options->maps)
      make_maps(&g);
    else if (options->sequences)
      make_sequences(&g);
    else if (!is_left_out(options, kind))
      make(&g, kind);
  }
  finish(&g);
  return module;
}

void random_lessen(Arena *arena, RandomGraph *graph, RandomFailure *failure_with,
                   const void *user) {
  int all = graph->operations;
  for (graph->operations = 1; graph->operations < all; graph->operations++) {
    const char *failure = failure_with(arena, user, graph->operations);
    if (!failure) continue;
    printf("  with %d operations: %s\n", graph->operations, failure);
    break;
  }
}
