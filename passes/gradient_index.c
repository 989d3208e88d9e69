/* Gradients of what takes and writes at indices. */
#include "passes/gradient.h"

static Value *with_index(Gradient *g, Operator kind, Value *const *operands, int count,
                         int64_t axis, int64_t batch) {
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integer(g->module, axis)},
                            {ATTRIBUTE_batch, attribute_integer(g->module, batch)}};
  return slope_build(g, kind, operands, count, attributes, 2);
}

/* One pick for each row: a mask, which can be computed together with what comes before and after.
 */
static void give_one_hot(Gradient *g, int axis) {
  const Type *type = &gradient_x(g, 0)->type;
  const Dim *one = dim_constant(g->module->dims, 1);
  Value *index = gradient_x(g, 1), *d = g->of[0];
  if (d->type.rank > 0) d = slope_full_of(g, 0);
  Type at = {.element = index->type.element, .rank = type->rank};
  Type count = {.element = index->type.element, .rank = type->rank - axis};
  Type row = {.element = d->type.element, .rank = type->rank};
  for (int i = 0; i < type->rank; i++) {
    at.dims[i] = i < axis ? index->type.dims[i] : one;
    row.dims[i] = i == axis ? one : type->dims[i];
    if (i >= axis) count.dims[i - axis] = i == axis ? type->dims[i] : one;
  }
  index = slope_reshape(g, index, &at);
  if (d->type.rank > 0) d = slope_reshape(g, d, &row);
  Value *hit = slope_binary(g, OP_eq, index, slope_iota(g, &count, 0));
  gradient_give(g, 0, slope_where(g, hit, d, slope_number(g, d->type.element, 0)));
}

GRADIENT(gather) {
  int64_t axis = op_integer(g->op, ATTRIBUTE_axis), batch = op_integer(g->op, ATTRIBUTE_batch);
  Value *x = gradient_x(g, 0), *index = gradient_x(g, 1);
  if (batch == axis && index->type.rank == batch) {
    give_one_hot(g, (int)axis);
    return;
  }
  if (!gradient_wants(g, 0)) return;
  /* a table that is used several times has one gradient to which all add where they are */
  Value *before = gradient_take(g, 0);
  before = before ? slope_full(g, before, &x->type) : slope_zeros(g, &x->type);
  Value *operands[] = {before, index, slope_full_of(g, 0)};
  gradient_give(g, 0, with_index(g, OP_scatter_add, operands, 3, axis, batch));
}

GRADIENT(scatter_add) {
  gradient_give(g, 0, g->of[0]);
  if (!gradient_wants(g, 2)) return;
  Value *operands[] = {slope_full_of(g, 0), gradient_x(g, 1)};
  gradient_give(g, 2,
                with_index(g, OP_gather, operands, 2, op_integer(g->op, ATTRIBUTE_axis),
                           op_integer(g->op, ATTRIBUTE_batch)));
}

/* Added at the indices, with the axis last, where all others can run together. */
GRADIENT(top_k) {
  int axis = (int)op_integer(g->op, ATTRIBUTE_axis), perm[MOST_AXES];
  if (!g->of[0]) return;
  Type type = gradient_x(g, 0)->type;
  int last = type.rank - 1;
  for (int i = 0; i <= last; i++) perm[i] = i;
  perm[axis] = last, perm[last] = axis; /* its own inverse */
  const Dim *n = type.dims[axis];
  type.dims[axis] = type.dims[last], type.dims[last] = n;
  Value *operands[] = {slope_zeros(g, &type), slope_transpose(g, g->op->results[1], perm),
                       slope_transpose(g, slope_full_of(g, 0), perm)};
  Value *sum = with_index(g, OP_scatter_add, operands, 3, last, last);
  gradient_give(g, 0, slope_transpose(g, sum, perm));
}

/* ---- update ---- */

/* What update wrote, read again: from static starts a slice, from others rows at start + i. */
static Value *written(Gradient *g, Value *d) {
  const Type *type = &gradient_x(g, 1)->type;
  Module *m = g->module;
  const Dim *start[MOST_AXES], *stop[MOST_AXES];
  bool moves = g->op->operand_count > 2, whole = true;
  for (int i = 0; i < type->rank; i++) {
    bool all = type->dims[i] == d->type.dims[i];
    start[i] = moves ? dim_constant(m->dims, 0) : op_list_dim(g->op, ATTRIBUTE_at, i);
    stop[i] = moves ? d->type.dims[i] : dim_add(m->dims, start[i], type->dims[i]);
    whole = whole && all;
    if (!moves || all) continue;
    Type row = {.element = ELEMENT_i64, .rank = 1, .dims = {type->dims[i]}};
    Value *index = slope_binary(g, OP_add, slope_iota(g, &row, 0), gradient_x(g, 2 + i));
    const Dim *at = op_list_dim(g->op, ATTRIBUTE_at, i);
    if (!dim_is(at, 0)) index = slope_binary(g, OP_add, index, slope_dim(g, ELEMENT_i64, at));
    d = with_index(g, OP_gather, (Value *[]){d, index}, 2, i, 0);
  }
  if (moves || whole) return d;
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(m, start, type->rank)},
                            {ATTRIBUTE_stop, attribute_dims(m, stop, type->rank)}};
  return slope_build(g, OP_slice, &d, 1, attributes, 2);
}

GRADIENT(update) {
  Value *d = slope_full_of(g, 0);
  if (gradient_wants(g, 0)) {
    int count = g->op->operand_count;
    Value **operands = ARENA_ARRAY(g->scratch, (size_t)count, Value *);
    for (int i = 2; i < count; i++) operands[i] = gradient_x(g, i);
    operands[0] = d;
    operands[1] = slope_zeros(g, &gradient_x(g, 1)->type);
    Attribute at = {ATTRIBUTE_at, *op_attribute(g->op, ATTRIBUTE_at)};
    gradient_give(g, 0, slope_build(g, OP_update, operands, count, &at, 1));
  }
  if (gradient_wants(g, 1)) gradient_give(g, 1, written(g, d));
}
