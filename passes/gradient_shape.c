/* Gradients of what moves elements, and of reductions. */
#include "passes/gradient.h"

static bool is_single(const Type *type) {
  for (int i = 0; i < type->rank; i++)
    if (!dim_is(type->dims[i], 1)) return false;
  return true;
}

/* One number for all elements stays one. */
static Value *single(Gradient *g, Value *d) {
  return slope_reshape(g, d, &(Type){.element = d->type.element});
}

GRADIENT(reshape) {
  const Type *type = &gradient_x(g, 0)->type;
  if (is_single(&g->of[0]->type))
    gradient_give(g, 0, single(g, g->of[0]));
  else
    gradient_give(g, 0, slope_reshape(g, slope_full_of(g, 0), type));
}

/* Leading axes of size 1, so that there is one for each axis. */
static Value *all_axes(Gradient *g, Value *d, int rank) {
  Type type = {.element = d->type.element, .rank = rank};
  int lead = rank - d->type.rank;
  for (int i = 0; i < rank; i++)
    type.dims[i] = i < lead ? dim_constant(g->module->dims, 1) : d->type.dims[i - lead];
  return slope_reshape(g, d, &type);
}

GRADIENT(transpose) {
  int perm[MOST_AXES], back[MOST_AXES], rank = op_result(g->op)->type.rank;
  if (is_single(&g->of[0]->type)) {
    gradient_give(g, 0, single(g, g->of[0]));
    return;
  }
  op_permutation(g->op, perm);
  for (int i = 0; i < rank; i++) back[perm[i]] = i;
  gradient_give(g, 0, slope_transpose(g, all_axes(g, g->of[0], rank), back));
}

GRADIENT(broadcast) {
  gradient_give_sum(g, 0, g->of[0]);
}

GRADIENT(slice) {
  gradient_give_slice(g, slope_full_of(g, 0));
}

static Value *take(Gradient *g, Value *x, const Dim *const *start, const Dim *const *stop,
                   const Dim *const *step) {
  int rank = x->type.rank;
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(g->module, start, rank)},
                            {ATTRIBUTE_stop, attribute_dims(g->module, stop, rank)},
                            {ATTRIBUTE_step, attribute_integer(g->module, 1)}};
  if (step) attributes[2].value = attribute_dims(g->module, step, rank);
  return slope_build(g, OP_slice, &x, 1, attributes, 3);
}

GRADIENT(pad) {
  const Type *type = &gradient_x(g, 0)->type;
  DimTable *t = g->module->dims;
  const Dim *start[MOST_AXES], *stop[MOST_AXES], *step[MOST_AXES], *one = dim_constant(t, 1);
  for (int i = 0; i < type->rank; i++) {
    const Dim *between = op_list_dim(g->op, ATTRIBUTE_between, i);
    start[i] = op_list_dim(g->op, ATTRIBUTE_before, i);
    step[i] = dim_add(t, between, one);
    const Dim *gaps =
        dim_is(between, 0) ? between : dim_mul(t, dim_sub(t, type->dims[i], one), between);
    stop[i] = dim_add(t, dim_add(t, start[i], type->dims[i]), gaps);
  }
  gradient_give(g, 0, take(g, slope_full_of(g, 0), start, stop, step));
}

GRADIENT(concat) {
  int axis = (int)op_integer(g->op, ATTRIBUTE_axis);
  const Type *type = &op_result(g->op)->type;
  const Dim *start[MOST_AXES], *stop[MOST_AXES];
  Value *d = slope_full_of(g, 0);
  for (int i = 0; i < type->rank; i++) {
    start[i] = dim_constant(g->module->dims, 0);
    stop[i] = type->dims[i];
  }
  stop[axis] = start[axis];
  for (int i = 0; i < g->op->operand_count; i++) {
    start[axis] = stop[axis];
    stop[axis] = dim_add(g->module->dims, stop[axis], gradient_x(g, i)->type.dims[axis]);
    if (gradient_wants(g, i)) gradient_give(g, i, take(g, d, start, stop, NULL));
  }
}

/* ---- windows ---- */

/* The attributes that windows and overlap_add share, and a place for one more. */
static int window_attributes(const Op *op, Attribute *attributes) {
  static const AttributeName names[] = {ATTRIBUTE_axes, ATTRIBUTE_kernel, ATTRIBUTE_stride,
                                        ATTRIBUTE_dilation, ATTRIBUTE_pad};
  for (int i = 0; i < 5; i++) attributes[i] = (Attribute){names[i], *op_attribute(op, names[i])};
  return 5;
}

GRADIENT(windows) {
  Attribute attributes[6];
  int count = window_attributes(g->op, attributes);
  const Dim *size[MOST_AXES];
  int axes = op_list_count(g->op, ATTRIBUTE_axes);
  for (int i = 0; i < axes; i++)
    size[i] = gradient_x(g, 0)->type.dims[op_list_integer(g->op, ATTRIBUTE_axes, i)];
  attributes[count++] = (Attribute){ATTRIBUTE_size, attribute_dims(g->module, size, axes)};
  Value *d = slope_full_of(g, 0);
  gradient_give(g, 0, slope_build(g, OP_overlap_add, &d, 1, attributes, count));
}

GRADIENT(overlap_add) {
  Attribute attributes[6];
  int count = window_attributes(g->op, attributes);
  Value *d = slope_full_of(g, 0);
  gradient_give(g, 0, slope_build(g, OP_windows, &d, 1, attributes, count));
}

/* ---- reductions ---- */

/* What has the axes of a reduction's result, with the reduced ones as 1 again. `rank`: of what
 * comes, were it not held small. */
static Value *with_reduced_axes(Gradient *g, Value *d, int rank) {
  const Type *from = &gradient_x(g, 0)->type;
  unsigned axes = op_axes(g->op);
  if (is_single(&d->type)) return single(g, d);
  if (rank == from->rank) return d;
  d = all_axes(g, d, rank);
  Type type = {.element = d->type.element};
  int next = 0;
  bool started = false; /* leading axes of 1 are left out */
  for (int i = 0; i < from->rank; i++) {
    bool reduced = axes >> i & 1;
    started = started || !reduced;
    const Dim *n = reduced ? dim_constant(g->module->dims, 1) : d->type.dims[next++];
    if (started) type.dims[type.rank++] = n;
  }
  return slope_reshape(g, d, &type);
}

GRADIENT(sum) {
  gradient_give(g, 0, with_reduced_axes(g, g->of[0], op_result(g->op)->type.rank));
}

/* The reduced axes of x as one last axis. */
static Value *reduced_last(Gradient *g, Value *x, unsigned axes, Type *inside) {
  int perm[MOST_AXES], kept = 0;
  const Dim *length = dim_constant(g->module->dims, 1);
  Type type = {.element = x->type.element};
  *inside = (Type){.element = ELEMENT_i64};
  for (int i = 0; i < x->type.rank; i++)
    if (!(axes >> i & 1)) {
      perm[kept++] = i;
      type.dims[type.rank++] = x->type.dims[i];
    }
  for (int i = 0; i < x->type.rank; i++)
    if (axes >> i & 1) {
      perm[kept++] = i;
      length = dim_mul(g->module->dims, length, x->type.dims[i]);
    }
  for (int i = 0; i < x->type.rank; i++)
    inside->dims[inside->rank++] =
        axes >> i & 1 ? x->type.dims[i] : dim_constant(g->module->dims, 1);
  type.dims[type.rank++] = length;
  return slope_reshape(g, slope_transpose(g, x, perm), &type);
}

/* The number of each element among those of its reduction, 1 on the other axes: what argmax over
 * the axes taken as one counts. */
static Value *places(Gradient *g, const Type *inside) {
  Value *sum = NULL;
  const Dim *step = dim_constant(g->module->dims, 1);
  for (int i = inside->rank - 1; i >= 0; i--) {
    if (dim_is(inside->dims[i], 1)) continue;
    Type type = {.element = ELEMENT_i64, .rank = inside->rank - i};
    for (int k = 0; k < type.rank; k++)
      type.dims[k] = k ? dim_constant(g->module->dims, 1) : inside->dims[i];
    Value *index = slope_iota(g, &type, 0);
    if (!dim_is(step, 1)) index = slope_binary(g, OP_mul, index, slope_dim(g, ELEMENT_i64, step));
    sum = sum ? slope_binary(g, OP_add, index, sum) : index;
    step = dim_mul(g->module->dims, step, inside->dims[i]);
  }
  return sum;
}

/* To the first of equals, and to a NaN: where argmax says. */
GRADIENT(max) {
  Value *x = gradient_x(g, 0);
  unsigned axes = op_axes(g->op);
  Type inside;
  Value *row = reduced_last(g, x, axes, &inside), *place = places(g, &inside);
  Value *d = with_reduced_axes(g, g->of[0], op_result(g->op)->type.rank);
  if (!place) {
    gradient_give(g, 0, d);
    return;
  }
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(g->module, row->type.rank - 1)};
  Value *first = slope_build(g, OP_argmax, &row, 1, &axis, 1);
  const Dim *length = row->type.dims[row->type.rank - 1];
  if (dim_max(length) <= UINT8_MAX + 1) { /* a byte says which, of pooling's windows at least */
    first = slope_cast(g, slope_cast(g, first, ELEMENT_u8), ELEMENT_i32);
    place = slope_cast(g, place, ELEMENT_i32);
  }
  first = with_reduced_axes(g, first, first->type.rank);
  Value *zero = slope_number(g, d->type.element, 0);
  gradient_give(g, 0, slope_where(g, slope_binary(g, OP_eq, first, place), d, zero));
}

NO_GRADIENT(argmax, "an index jumps, it has no slope")

/* y * (d - sum(d * y)) along the axis */
GRADIENT(softmax) {
  Value *y = op_result(g->op), *d = g->of[0];
  int64_t axis = op_integer(g->op, ATTRIBUTE_axis);
  Value *mean = slope_sum(g, slope_mul(g, y, d), &axis, 1, true);
  gradient_give(g, 0, slope_mul(g, slope_binary(g, OP_sub, d, mean), y));
}
