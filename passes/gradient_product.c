/* The gradient of dot, which is products again. */
#include "passes/gradient.h"

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
