/* Gradients of dot and attention, which are products again. */
#include "passes/gradient.h"

#include <math.h>

/* ---- dot ---- */

/* One side of a dot: its batch and contracted axes in the order of the lists, and the others, which
 * are in the result from `first` on. */
typedef struct {
  Value *value;
  int64_t batch[MOST_AXES], contract[MOST_AXES], rest[MOST_AXES], at[MOST_AXES];
  int batches, contracts, rests;
} Side;

static Side side_of(const Op *op, int operand, int first) {
  Side side = {.value = op->operands[operand]};
  const DimList *batch = &op_attribute(op, ATTRIBUTE_batch)->lists.items[operand];
  const DimList *contract = &op_attribute(op, ATTRIBUTE_contract)->lists.items[operand];
  bool used[MOST_AXES] = {false};
  for (int i = 0; i < batch->count; i++)
    used[side.batch[side.batches++] = dim_value(batch->items[i])] = true;
  for (int i = 0; i < contract->count; i++)
    used[side.contract[side.contracts++] = dim_value(contract->items[i])] = true;
  for (int i = 0; i < side.value->type.rank; i++) {
    if (used[i]) continue;
    side.at[side.rests] = first + side.rests;
    side.rest[side.rests++] = i;
  }
  return side;
}

/* The gradient of `x` from that of the result, `d`, and the other side: their product over the
 * other side's rest. Of the two orders of operands the one is taken whose result needs no
 * transpose, if there is one. */
static Value *dot_share(Gradient *g, Value *d, const Side *x, const Side *y) {
  Module *m = g->module;
  int64_t leading[MOST_AXES];
  int perm[2][MOST_AXES], next[2] = {x->batches, x->batches};
  for (int i = 0; i < x->batches; i++) {
    leading[i] = i;
    perm[0][x->batch[i]] = perm[1][x->batch[i]] = i;
  }
  /* d first: [batch, rest of x, contracted axes in the order that they have in y] */
  for (int i = 0; i < x->rests; i++) perm[0][x->rest[i]] = next[0]++;
  for (int axis = 0; axis < y->value->type.rank; axis++)
    for (int i = 0; i < y->contracts; i++)
      if (y->contract[i] == axis) {
        perm[0][x->contract[i]] = next[0]++;
        perm[1][x->contract[i]] = next[1]++;
      }
  for (int i = 0; i < x->rests; i++) perm[1][x->rest[i]] = next[1]++;
  int rank = x->value->type.rank;
  bool swap = !permutation_is_identity(perm[0], rank) && permutation_is_identity(perm[1], rank);
  const int64_t *batch[] = {leading, y->batch}, *contract[] = {y->at, y->rest};
  Value *operands[] = {swap ? y->value : d, swap ? d : y->value};
  Attribute attributes[] = {
      {ATTRIBUTE_contract, attribute_two_lists(m, contract[swap], contract[!swap], y->rests)},
      {ATTRIBUTE_batch, attribute_two_lists(m, batch[swap], batch[!swap], y->batches)}};
  Value *share = slope_build(g, OP_dot, operands, 2, attributes, 2);
  return slope_transpose(g, share, perm[swap]);
}

GRADIENT(dot) {
  Side x = side_of(g->op, 0, 0);
  Side y = side_of(g->op, 1, x.batches + x.rests);
  for (int i = 0; i < x.rests; i++) x.at[i] += x.batches;
  Value *d = slope_full_of(g, 0);
  if (gradient_wants(g, 0)) gradient_give(g, 0, dot_share(g, d, &x, &y));
  if (gradient_wants(g, 1)) gradient_give(g, 1, dot_share(g, d, &y, &x));
}

/* ---- attention ---- */

/* A product of matrices along their last two axes, contracted over axis `a` of x and `b` of y, both
 * counted from the front of these two. */
static Value *matrices(Gradient *g, Value *x, Value *y, int a, int b) {
  int64_t leading[MOST_AXES], lead = x->type.rank - 2;
  for (int64_t i = 0; i < lead; i++) leading[i] = i;
  int64_t over[2] = {lead + a, lead + b};
  Attribute attributes[] = {
      {ATTRIBUTE_contract, attribute_two_lists(g->module, &over[0], &over[1], 1)},
      {ATTRIBUTE_batch, attribute_two_lists(g->module, leading, leading, (int)lead)}};
  return slope_build(g, OP_dot, (Value *[]){x, y}, 2, attributes, 2);
}

/* The scores where they are seen, -inf elsewhere. */
static Value *hide(Gradient *g, Value *scores, bool causal, Value *mask) {
  Value *least = slope_number(g, scores->type.element, -INFINITY);
  const Type *type = &scores->type;
  const Dim *queries = type->dims[type->rank - 2], *keys = type->dims[type->rank - 1];
  if (causal) {
    Type row = {.element = ELEMENT_i64, .rank = 1, .dims = {keys}};
    Type column = {
        .element = ELEMENT_i64, .rank = 2, .dims = {queries, dim_constant(g->module->dims, 1)}};
    Value *last = slope_iota(g, &column, 0);
    if (keys != queries)
      last = slope_binary(g, OP_add, last,
                          slope_dim(g, ELEMENT_i64, dim_sub(g->module->dims, keys, queries)));
    Value *sees = slope_binary(g, OP_le, slope_iota(g, &row, 0), last);
    scores = slope_where(g, sees, scores, least);
  }
  return mask ? slope_where(g, mask, scores, least) : scores;
}

/* With p = softmax(scale * q k'), y = p v:  dv = p' dy,  ds = p * (dy v' - sum(dy * y)),
 * dq = scale * ds k,  dk = scale * ds' q. The weights p are made again. */
GRADIENT(attention) {
  Value *q = gradient_x(g, 0), *k = gradient_x(g, 1), *v = gradient_x(g, 2);
  Value *mask = g->op->operand_count > 3 ? gradient_x(g, 3) : NULL, *d = slope_full_of(g, 0);
  int64_t last = q->type.rank - 1;
  Element element = q->type.element;
  Number number = op_attribute(g->op, ATTRIBUTE_scale)->number;
  double given = number.is_integer ? (double)number.integer : number.real;
  Value *scale = given != 0 ? slope_number(g, element, given)
                            : slope_unary(g, OP_rsqrt, slope_dim(g, element, q->type.dims[last]));
  Value *p = slope_mul(g, matrices(g, q, k, 1, 1), scale);
  p = hide(g, p, op_flag(g->op, ATTRIBUTE_causal), mask);
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(g->module, last)};
  p = slope_build(g, OP_softmax, &p, 1, &axis, 1);
  if (gradient_wants(g, 2)) gradient_give(g, 2, matrices(g, p, d, 0, 0));
  if (!gradient_wants(g, 0) && !gradient_wants(g, 1)) return;
  Value *mean = slope_sum(g, slope_mul(g, d, op_result(g->op)), &last, 1, true);
  Value *slope = slope_binary(g, OP_sub, matrices(g, d, v, 1, 1), mean);
  slope = slope_mul(g, slope_mul(g, p, slope), scale);
  if (gradient_wants(g, 0)) gradient_give(g, 0, matrices(g, slope, k, 1, 0));
  if (gradient_wants(g, 1)) gradient_give(g, 1, matrices(g, slope, q, 0, 0));
}
