/* gradient - replaces each `grad` by the operations that compute it.
 *
 *   before  %1 = sin %x   %2 = sum %1 {axis=[0]}   %3 = grad %2, %x
 *   after   %1 = sin %x   %2 = sum %1 {axis=[0]}   %4 = cos %x   (and, where %3 was used, %4)
 *
 * Reverse accumulation, in the order of the text, so that the loss of a later `grad` may be made of
 * the results of an earlier one. For each operation between what is differentiated by and the loss,
 * from the last to the first, the rule of its operator (gradient_*.c) gives its operands their
 * shares; a value's shares are summed in the order of the text, so results do not depend on
 * anything else. What the loss does not depend on has a gradient of zeros.
 *
 * New operations have the place and layer of the one that they belong to. Afterwards there is no
 * `grad`. Linear in operations for each `grad`. */
#include "passes/gradient.h"

#include "support/bug.h"

const GradientRule *const gradient_rules[OPERATORS] = {
#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning) &gradient_##name,
#include "ir/operators.def"
#undef OPERATOR
};

bool gradient_passes(const Op *op, int operand) {
  if (!gradient_rules[op->kind]->run) return false;
  if (!element_is_float(op->operands[operand]->type.element)) return false;
  for (int i = 0; i < op->result_count; i++)
    if (element_is_float(op->results[i]->type.element)) return true;
  return false;
}

/* ---- the sum of a value's shares ---- */

/* Shares of neighbouring slices are joined before they are padded, so that what was split becomes
 * a concatenation. */
typedef struct {
  int axis; /* the only one on which the slice does not take all; -1 if there is no such */
  const Dim *start, *stop;
} Part;

static Part part_of(const Op *slice) {
  const Type *type = &slice->operands[0]->type;
  Part part = {.axis = -1};
  for (int i = 0; i < type->rank; i++) {
    const Dim *start = op_list_dim(slice, ATTRIBUTE_start, i);
    const Dim *stop = op_list_dim(slice, ATTRIBUTE_stop, i);
    if (op_list_integer(slice, ATTRIBUTE_step, i) != 1) return (Part){.axis = -1};
    if (dim_is(start, 0) && stop == type->dims[i]) continue;
    if (part.axis >= 0) return (Part){.axis = -1};
    part = (Part){i, start, stop};
  }
  return part;
}

static Value *pad_part(Gradient *g, Value *share, const Part *part, const Type *whole) {
  const Dim *zero = dim_constant(g->module->dims, 0), *before[MOST_AXES], *after[MOST_AXES];
  for (int i = 0; i < whole->rank; i++) before[i] = after[i] = zero;
  before[part->axis] = part->start;
  after[part->axis] = dim_sub(g->module->dims, whole->dims[part->axis], part->stop);
  if (dim_is(before[part->axis], 0) && dim_is(after[part->axis], 0)) return share;
  Attribute attributes[] = {{ATTRIBUTE_before, attribute_dims(g->module, before, whole->rank)},
                            {ATTRIBUTE_after, attribute_dims(g->module, after, whole->rank)}};
  return slope_build(g, OP_pad, &share, 1, attributes, 2);
}

/* Elements of an axis, first + i * step for i below `count`, as what a slice takes. */
static Value *pad_slice(Gradient *g, Value *share, const Op *slice) {
  const Type *whole = &slice->operands[0]->type, *type = &op_result(slice)->type;
  DimTable *t = g->module->dims;
  const Dim *zero = dim_constant(t, 0), *one = dim_constant(t, 1);
  const Dim *start[MOST_AXES], *stop[MOST_AXES], *step[MOST_AXES];
  const Dim *before[MOST_AXES], *after[MOST_AXES], *between[MOST_AXES];
  bool turned = false, moved = false;
  for (int i = 0; i < whole->rank; i++) {
    const Dim *n = type->dims[i], *by = op_list_dim(slice, ATTRIBUTE_step, i);
    const Dim *last = dim_mul(t, dim_sub(t, n, one), by), *first;
    bool backwards = dim_value(by) < 0;
    start[i] = backwards ? dim_sub(t, n, one) : zero;
    stop[i] = backwards ? dim_constant(t, -1) : n;
    step[i] = backwards ? dim_constant(t, -1) : one;
    if (dim_is(n, 0)) return slope_zeros(g, whole);
    first = op_list_dim(slice, ATTRIBUTE_start, i);
    last = dim_add(t, first, last);
    before[i] = backwards ? last : first;
    after[i] = dim_sub(t, dim_sub(t, whole->dims[i], one), backwards ? first : last);
    between[i] = dim_sub(t, backwards ? dim_sub(t, zero, by) : by, one);
    turned = turned || backwards;
    moved = moved || !dim_is(before[i], 0) || !dim_is(after[i], 0) || !dim_is(between[i], 0);
  }
  Module *m = g->module;
  int rank = whole->rank;
  Attribute turn[] = {{ATTRIBUTE_start, attribute_dims(m, start, rank)},
                      {ATTRIBUTE_stop, attribute_dims(m, stop, rank)},
                      {ATTRIBUTE_step, attribute_dims(m, step, rank)}};
  Attribute pad[] = {{ATTRIBUTE_before, attribute_dims(m, before, rank)},
                     {ATTRIBUTE_after, attribute_dims(m, after, rank)},
                     {ATTRIBUTE_between, attribute_dims(m, between, rank)}};
  if (turned) share = slope_build(g, OP_slice, &share, 1, turn, 3);
  return moved ? slope_build(g, OP_pad, &share, 1, pad, 3) : share;
}

/* Joins what begins where `first` ends to it, as often as there is such a share. */
static Value *join_parts(Gradient *g, GradientSlot *slot, size_t first) {
  GradientShare *shares = slot->shares.items;
  const Op *slice = shares[first].slice;
  const Type *whole = &slice->operands[0]->type;
  Part part = part_of(slice);
  if (part.axis < 0) return pad_slice(g, shares[first].share, slice);
  VEC(Value *) row = {0};
  vec_push(g->scratch, &row, shares[first].share);
  for (size_t i = 0; i < slot->shares.count; i++) {
    if (!shares[i].share || !shares[i].slice || i == first) continue;
    Part other = part_of(shares[i].slice);
    bool behind = other.axis == part.axis && other.start == part.stop;
    if (!behind && !(other.axis == part.axis && other.stop == part.start)) continue;
    vec_push(g->scratch, &row, shares[i].share);
    if (behind)
      part.stop = other.stop;
    else {
      part.start = other.start;
      for (size_t k = row.count - 1; k > 0; k--) row.items[k] = row.items[k - 1];
      row.items[0] = shares[i].share;
    }
    shares[i].share = NULL;
    i = (size_t)-1; /* what did not fit may fit now */
  }
  Value *joined = row.items[0];
  if (row.count > 1) {
    Attribute axis = {ATTRIBUTE_axis, attribute_integer(g->module, part.axis)};
    joined = slope_build(g, OP_concat, row.items, (int)row.count, &axis, 1);
  }
  return pad_part(g, joined, &part, whole);
}

/* The gradient of a value; NULL: 0. Settled once, when all uses have given their shares. */
static Value *sum_shares(Gradient *g, GradientSlot *slot) {
  Value *sum = NULL;
  for (size_t i = 0; i < slot->shares.count; i++) {
    Value *share = slot->shares.items[i].share;
    if (!share) continue;
    if (slot->shares.items[i].slice) share = join_parts(g, slot, i);
    sum = sum ? slope_binary(g, OP_add, sum, share) : share;
  }
  slot->shares.count = 0;
  if (sum) vec_push(g->scratch, &slot->shares, ((GradientShare){sum, NULL}));
  return sum;
}

/* ---- one grad ---- */

GradientSlot *gradient_slots(Arena *scratch, const Block *block, const Op *end,
                             Value *const *wanted, int wanted_count) {
  int64_t count = 0;
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = count++;
  for (Op *op = block->first; op != end; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = count++;
  GradientSlot *slots = ARENA_ARRAY(scratch, (size_t)count + 1, GradientSlot);
  for (int i = 0; i < wanted_count; i++) slots[wanted[i]->mark].is_wanted = true;
  for (const Op *op = block->first; op != end; op = op->next)
    for (int i = 0; i < op->operand_count; i++)
      if (slots[op->operands[i]->mark].is_wanted && gradient_passes(op, i))
        for (int k = 0; k < op->result_count; k++)
          if (element_is_float(op->results[k]->type.element))
            slots[op->results[k]->mark].is_wanted = true;
  return slots;
}

Value *gradient_total(Gradient *g, const Value *x) {
  return sum_shares(g, &g->slots[x->mark]);
}

static void differentiate_op(Gradient *g, const Op *op) {
  bool reached = false, wanted = false;
  Value *few[4] = {0};
  g->of = op->result_count > 4 ? ARENA_ARRAY(g->scratch, (size_t)op->result_count, Value *) : few;
  g->op = op;
  g->b.at = op->at;
  g->b.layer = op->layer;
  for (int i = 0; i < op->result_count; i++) {
    GradientSlot *slot = &g->slots[op->results[i]->mark];
    g->of[i] = slot->is_wanted ? sum_shares(g, slot) : NULL;
    reached = reached || g->of[i];
  }
  for (int i = 0; i < op->operand_count; i++) wanted = wanted || gradient_wants(g, i);
  if (reached && wanted) gradient_rules[op->kind]->run(g);
}

void gradient_through(Gradient *g, const Op *last) {
  for (const Op *op = last; op; op = op->previous) differentiate_op(g, op);
}

static GradientSlot *slots_of(PassContext *context, const Op *grad) {
  return gradient_slots(context->scratch, grad->block, grad, grad->operands + 1,
                        grad->operand_count - 1);
}

static void replace_grad(PassContext *context, Op *grad) {
  GradientSlot *slots = slots_of(context, grad);
  if (gradient_expand(grad->block, grad, slots)) {
    op_follow(grad);
    slots = slots_of(context, grad);
  }
  Gradient g = {.b = builder_before(grad),
                .module = context->module,
                .scratch = context->scratch,
                .slots = slots,
                .op = grad};
  Op *before = grad->previous;
  Value *loss = grad->operands[0];
  GradientSlot *slot = &g.slots[loss->mark];
  if (slot->is_wanted)
    vec_push(g.scratch, &slot->shares,
             ((GradientShare){slope_number(&g, loss->type.element, 1), NULL}));
  gradient_through(&g, before);
  g.b.at = grad->at;
  g.b.layer = grad->layer;
  for (int i = 1; i < grad->operand_count; i++) {
    Value *x = grad->operands[i];
    g.op = x->op ? x->op : grad;
    Value *sum = gradient_total(&g, x);
    sum = sum ? slope_full(&g, sum, &x->type) : slope_zeros(&g, &x->type);
    grad->results[i - 1]->forward = sum;
  }
  for (Op *op = before ? before->next : grad->block->first; op != grad; op = op->next) op->mark = 1;
  op_remove(grad);
}

/* ---- the pass ---- */

typedef struct {
  PassContext *context;
  bool ok;
} Walk;

/* Regions first: what they are made of may be differentiated. */
static void walk_block(Walk *walk, Block *block) {
  for (Op *op = block->first; op; op = op->next) op->mark = 0;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    if (op->region) walk_block(walk, op->region);
    if (op->kind != OP_grad) continue;
    if (gradient_refuse(walk->context, op))
      walk->ok = false;
    else
      replace_grad(walk->context, op);
  }
}

bool pass_gradient(PassContext *context) {
  Walk walk = {context, true};
  for (size_t i = 0; i < context->module->functions.count; i++) {
    Function *function = context->module->functions.items[i];
    walk_block(&walk, function->body);
    graph_resolve(function);
  }
  return walk.ok;
}
