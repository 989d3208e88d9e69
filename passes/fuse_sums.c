#include "passes/fuse_sums.h"

#include "ir/block_sum.h"
#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/fuse_region.h"
#include "passes/fuse_rows.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

enum {
  LEAST_CHANNELS = 64,
  MOST_CHANNELS = 4096,
  LEAST_ELEMENTS = 16384, /* below, a pass of its own is nothing */
  MOST_SUMS = 6,          /* of a kernel */
  MOST_ARGUMENTS = 28,
  FAR_BYTES = 1 << 22
};

typedef struct {
  Op *sum;
  Op *map; /* whose result alone is summed, and which the kernel takes in; NULL: none */
} Taken;

typedef VEC(Taken) TakenList;

typedef struct {
  Arena *scratch;
  Function *function;
  int lanes; /* of a vector */
  Uses uses;
  TakenList *taken; /* of each operation */
  bool *moves;      /* of each operation: a map that another kernel takes in */
  int64_t *places;  /* of each operation: its number, or that of the kernel to which it goes */
} Sums;

/* A sum, or a maximum, over all rows that is worth it. */
static bool is_over_rows(const Op *op, Operator kind) {
  if (op->kind != kind || op_flag(op, ATTRIBUTE_keepdims)) return false;
  const Type *type = &op->operands[0]->type;
  if (type->element != ELEMENT_f32 || op_axes(op) != (1u << (type->rank - 1)) - 1) return false;
  if (type->rank < 2 || block_sum_blocks(type) == 0) return false;
  int64_t channels = dim_value(type->dims[type->rank - 1]);
  return channels >= LEAST_CHANNELS && channels <= MOST_CHANNELS &&
         type_elements(type) >= LEAST_ELEMENTS;
}

/* ---- kernels that pass by rows ---- */

/* How well the kernel suits: 2 for one of rows, 1 for a map, 0 not. */
static int passes_rows(const Sums *s, const Op *op, const Type *type) {
  if (op->kind != OP_fused || op->operand_count >= MOST_ARGUMENTS || s->moves[op->mark] ||
      s->taken[op->mark].count >= MOST_SUMS)
    return 0;
  bool whole = false;
  for (int i = 0; i < op->result_count; i++) {
    whole = whole || type_same_dims(&op->results[i]->type, type);
    for (int j = 0; j < use_count(&s->uses, op->results[i]); j++) {
      const Op *user = use_at(&s->uses, op->results[i], j);
      if (user && user->kind == OP_write) return 0; /* an update, which is made in place */
    }
  }
  bool reduces;
  return !whole || !goes_by_rows(op, type, &reduces) ? 0 : reduces ? 2 : 1;
}

/* Do all that use the sum come after the kernel, none of them in it? */
static bool is_early(const Sums *s, const Op *kernel, const Op *sum) {
  for (int i = 0; i < use_count(&s->uses, op_result(sum)); i++) {
    const Op *user = use_at(&s->uses, op_result(sum), i);
    if (user && s->places[user->mark] <= kernel->mark) return false;
  }
  return true;
}

static bool reads_or_makes(const Op *kernel, const Value *value) {
  for (int i = 0; i < kernel->operand_count; i++)
    if (kernel->operands[i] == value) return true;
  return value->op == kernel;
}

/* Has the kernel all that the map goes through by rows, and is the rest there before it? A sum that
 * a kernel takes comes behind that kernel. */
static bool takes_map(const Sums *s, const Op *kernel, const Op *map, const Type *type) {
  int more = 0;
  for (int i = 0; i < map->operand_count; i++) {
    const Value *x = map->operands[i];
    if (reads_or_makes(kernel, x)) continue;
    if (type_same_dims(&x->type, type) || (x->op && s->places[x->op->mark] >= kernel->mark))
      return false;
    more++;
  }
  return kernel->operand_count + more <= MOST_ARGUMENTS;
}

static bool is_plain_map(const Op *op, const Type *type) {
  if (op->result_count != 1 || !type_same_dims(&op_result(op)->type, type)) return false;
  if (op->kind != OP_fused) return operator_has(op->kind, TRAIT_ELEMENTWISE);
  for (const Op *inner = op->region->first; inner; inner = inner->next)
    if (!op_is_generator(inner) && !op_keeps_places(inner)) return false;
  return true;
}

/* The best kernel, the first of equals, among those that make or use the value. */
static void look_around(const Sums *s, const Value *value, const Op *sum, const Op *map, Op **best,
                        int *how_good) {
  const Type *type = &sum->operands[0]->type;
  int count = use_count(&s->uses, value);
  for (int i = value->op ? -1 : 0; i < count; i++) {
    Op *op = i < 0 ? value->op : use_at(&s->uses, value, i);
    if (!op || op == map || op == sum) continue;
    int good = passes_rows(s, op, type);
    if (good <= *how_good || !is_early(s, op, sum)) continue;
    if (map && !takes_map(s, op, map, type)) continue;
    *best = op, *how_good = good;
  }
}

static void take(Sums *s, Op *kernel, Op *sum, Op *map) {
  Taken taken = {sum, map};
  vec_push(s->scratch, &s->taken[kernel->mark], taken);
  s->places[sum->mark] = kernel->mark;
  if (map) s->moves[map->mark] = true, s->places[map->mark] = kernel->mark;
}

/* A sum of what a map makes for it alone. */
static void find_for_map(Sums *s, Op *sum) {
  const Value *value = sum->operands[0];
  Op *map = value->op, *best = NULL;
  int how_good = 0;
  if (!map || use_count(&s->uses, value) != 1 || s->taken[map->mark].count > 0 ||
      !is_plain_map(map, &value->type))
    return;
  for (int i = 0; i < map->operand_count; i++)
    if (type_same_dims(&map->operands[i]->type, &value->type))
      look_around(s, map->operands[i], sum, map, &best, &how_good);
  if (best) take(s, best, sum, map);
}

static bool find_for_value(Sums *s, Op *sum) {
  Op *best = NULL;
  int how_good = 0;
  look_around(s, sum->operands[0], sum, NULL, &best, &how_good);
  if (best) take(s, best, sum, NULL);
  return best;
}

/* ---- panels ---- */

/* Does the transpose bring rows of the sum's operand, of which it has a view, into panels? */
static bool packs_rows(const Sums *s, const Op *op, const Op *sum) {
  if (op->kind != OP_transpose || s->taken[op->mark].count > 0) return false;
  const Type *type = &op->operands[0]->type, *row = &op_result(sum)->type;
  int perm[MOST_AXES];
  op_permutation(op, perm);
  if (type->rank != 3 || perm[0] != 1 || perm[1] != 0) return false;
  for (int i = 1; i < 3; i++)
    if (!dim_is_constant(type->dims[i])) return false;
  int64_t panel = dim_value(type->dims[2]), panels = dim_value(type->dims[1]);
  return panel > 0 && panel % s->lanes == 0 && panel <= 4 * (int64_t)s->lanes &&
         panels == dim_value(row->dims[0]) / panel && dim_value(row->dims[0]) % panel == 0 &&
         is_early(s, op, sum);
}

/* A product reads the value by panels: what makes those sums it up. */
static void find_for_panels(Sums *s, Op *sum) {
  const Value *value = sum->operands[0];
  while (value->op && value->op->kind == OP_reshape) value = value->op->operands[0];
  for (int i = 0; i < use_count(&s->uses, value); i++) {
    const Op *view = use_at(&s->uses, value, i);
    if (!view || view->kind != OP_reshape) continue;
    for (int j = 0; j < use_count(&s->uses, op_result(view)); j++) {
      Op *op = use_at(&s->uses, op_result(view), j);
      if (!op || !packs_rows(s, op, sum)) continue;
      take(s, op, sum, NULL);
      return;
    }
  }
}

/* ---- rewriting ---- */

/* The map's value in the kernel's region. */
static Value *absorb(Op *map, Op *kernel) {
  fused_absorb(kernel, map);
  return map->kind == OP_fused ? value_follow(map->region->yields[0]) : op_result(map);
}

static void join(Op *kernel, const Taken *taken) {
  Op *sum = taken->sum;
  Module *module = kernel->block->function->module;
  const Type *type = &sum->operands[0]->type;
  bool packs = kernel->kind == OP_transpose;
  if (packs) kernel = fused_wrap(kernel);
  Value *value = packs        ? kernel->region->arguments[0]
                 : taken->map ? absorb(taken->map, kernel)
                              : fused_bind(kernel, sum->operands[0]);
  int64_t blocks = block_sum_blocks(type), rows = 1;
  for (int i = 0; i < type->rank - 1; i++) rows *= dim_value(type->dims[i]);
  const Dim *dims[] = {dim_constant(module->dims, blocks),
                       dim_constant(module->dims, rows / blocks), type->dims[type->rank - 1]};
  Builder b = builder_before(sum);
  b.block = kernel->region;
  b.before = NULL;
  Value *cut = build_reshape(&b, value, dims, 3);
  Attribute along = {ATTRIBUTE_axis, attribute_integers(module, (int64_t[]){1}, 1)};
  Value *part = fused_yield(kernel, build(&b, OP_sum, &cut, 1, &along, 1));
  op_remove(sum);
  op_insert_after(kernel, sum);
  sum->operands[0] = part;
  op_set_attribute(sum, ATTRIBUTE_axis, attribute_integers(module, (int64_t[]){0}, 1));
}

/* Blocks of whole rows are what memory gives fastest, and what threads take. */
static void cut_alone(Op *sum) {
  Module *module = sum->block->function->module;
  const Type *type = &sum->operands[0]->type;
  int64_t blocks = block_sum_blocks(type), rows = 1;
  for (int i = 0; i < type->rank - 1; i++) rows *= dim_value(type->dims[i]);
  const Dim *dims[] = {dim_constant(module->dims, blocks),
                       dim_constant(module->dims, rows / blocks), type->dims[type->rank - 1]};
  Builder b = builder_before(sum);
  b.at = sum->at;
  Value *cut = build_reshape(&b, sum->operands[0], dims, 3);
  Attribute along = {ATTRIBUTE_axis, attribute_integers(module, (int64_t[]){1}, 1)};
  sum->operands[0] = build(&b, sum->kind, &cut, 1, &along, 1);
  op_set_attribute(sum, ATTRIBUTE_axis, attribute_integers(module, (int64_t[]){0}, 1));
}

/* From memory, and taken by no kernel? */
static bool is_far(const Sums *s, const Op *sum) {
  const Type *type = &sum->operands[0]->type;
  return type_elements(type) * (double)sizeof(float) > FAR_BYTES &&
         dim_value(type->dims[type->rank - 1]) % s->lanes == 0 && s->places[sum->mark] == sum->mark;
}

void fuse_sums(PassContext *context, Function *function) {
  if (function->scan) return; /* a trip's values are small */
  Sums s = {
      .scratch = context->scratch, .function = function, .lanes = context->options->vector_lanes};
  s.uses = uses_of(s.scratch, function);
  s.taken = ARENA_ARRAY(s.scratch, (size_t)s.uses.op_count, TakenList);
  s.moves = ARENA_ARRAY(s.scratch, (size_t)s.uses.op_count, bool);
  s.places = ARENA_ARRAY(s.scratch, (size_t)s.uses.op_count, int64_t);
  for (int i = 0; i < s.uses.op_count; i++) s.places[i] = i;
  OpList sums = {0};
  for (int i = 0; i < s.uses.op_count; i++)
    if (is_over_rows(s.uses.ops[i], OP_sum)) vec_push(s.scratch, &sums, s.uses.ops[i]);
  bool *found = ARENA_ARRAY(s.scratch, sums.count + 1, bool);
  for (size_t i = 0; i < sums.count; i++) {
    find_for_map(&s, sums.items[i]);
    const Op *map = sums.items[i]->operands[0]->op;
    found[i] = map && s.moves[map->mark];
  }
  for (size_t i = 0; i < sums.count; i++)
    if (!found[i] && !find_for_value(&s, sums.items[i])) find_for_panels(&s, sums.items[i]);
  for (int i = 0; i < s.uses.op_count; i++)
    for (size_t j = 0; j < s.taken[i].count; j++) join(s.uses.ops[i], &s.taken[i].items[j]);
  for (int i = 0; i < s.uses.op_count; i++) {
    Op *op = s.uses.ops[i];
    if ((is_over_rows(op, OP_sum) || is_over_rows(op, OP_max)) && is_far(&s, op)) cut_alone(op);
  }
  for (Op *op = function->body->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) op->operands[i] = fused_value(op->operands[i]);
  for (int i = 0; i < function->body->yield_count; i++)
    function->body->yields[i] = fused_value(function->body->yields[i]);
}
