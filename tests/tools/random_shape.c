#include "tests/tools/random_generator.h"

#include <math.h>

/* ---- shape ---- */

void make_reshape(Generator *g) {
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

void make_transpose(Generator *g) {
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

void make_broadcast(Generator *g) {
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

void make_slice(Generator *g) {
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

AttributeValue few(Generator *g, int count, int least, int most) {
  int64_t values[MOST_AXES];
  for (int a = 0; a < count; a++) values[a] = least + below(g, most - least + 1);
  return attribute_integers(g->module, values, count);
}

void make_pad(Generator *g) {
  Value *x = pick(g, ANY, 1, 5, false);
  int rank = x->type.rank;
  Attribute attributes[] = {{ATTRIBUTE_before, few(g, rank, 0, 2)},
                            {ATTRIBUTE_after, few(g, rank, 0, 2)},
                            {ATTRIBUTE_between, chance(g, 60) ? integer(g, 0) : few(g, rank, 0, 1)},
                            {ATTRIBUTE_value, integer(g, below(g, 2))}};
  Fact f = fact(g, x);
  keep(g, op(g, OP_pad, &x, 1, attributes, 4), fmax(f.bound, 1), f.exact);
}

void make_concat(Generator *g) {
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

void make_update(Generator *g) {
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
int window_attributes(Generator *g, const Dim *const *sizes, int count, Attribute *to) {
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

void make_windows(Generator *g, bool and_back) {
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

void make_gather(Generator *g, bool scatter) {
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
