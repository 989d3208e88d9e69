#include "passes/select.h"

#include <string.h>

Alternate *alternate_of(const Value *value) {
  return (Alternate *)(intptr_t)value->mark;
}

static void set_mark(Value *value, Alternate *alternate) {
  value->mark = (int64_t)(intptr_t)alternate;
}

void alternate_set(Select *s, Value *original, Value *alternate, const int *perm) {
  Alternate *a = ARENA_NEW(s->context->scratch, Alternate);
  a->value = alternate;
  memcpy(a->perm, perm, (size_t)original->type.rank * sizeof *perm);
  set_mark(original, a);
}

static void invert(const int *perm, int rank, int *inverse) {
  for (int i = 0; i < rank; i++) inverse[perm[i]] = i;
}

/* A transpose, or a reshape where no element moves. */
static Value *transposed(Builder *b, Value *value, const int *perm) {
  int rank = value->type.rank;
  if (permutation_is_identity(perm, rank)) return value;
  if (!transpose_is_reshape(&value->type, perm)) return build_transpose(b, value, perm);
  const Dim *dims[MOST_AXES];
  for (int i = 0; i < rank; i++) dims[i] = value->type.dims[perm[i]];
  return build_reshape(b, value, dims, rank);
}

/* Splits the last axis into the group's dims as the alternate has them, and back in order. */
static Value *unflatten(Builder *b, const Alternate *a, const Type *type) {
  int lead = type->rank - 1, rank = lead + a->group_rank, perm[MOST_AXES];
  const Dim *dims[MOST_AXES];
  for (int i = 0; i < lead; i++) dims[i] = type->dims[i], perm[i] = i;
  for (int i = 0; i < a->group_rank; i++) {
    dims[lead + i] = a->group_dims[a->group_perm[i]];
    perm[lead + a->group_perm[i]] = lead + i;
  }
  Value *split = build_reshape(b, a->value, dims, rank);
  return build_reshape(b, transposed(b, split, perm), type->dims, type->rank);
}

Value *original_order(Select *s, Builder *b, Value *value) {
  (void)s;
  value = value_follow(value);
  Alternate *a = alternate_of(value);
  if (!a) return value;
  if (a->original) return a->original;
  Value *made;
  if (a->flat)
    made = unflatten(b, a, &value->type);
  else {
    int inverse[MOST_AXES];
    invert(a->perm, value->type.rank, inverse);
    made = transposed(b, a->value, inverse);
  }
  if (made != a->value) {
    int number = made->number;
    made->number = value->number, value->number = number;
    made->name = value->name;
    set_mark(made, a);
  }
  a->original = made;
  value->forward = made;
  return made;
}

Value *permuted(Select *s, Builder *b, Value *value, const int *perm) {
  Alternate *a = alternate_of(value);
  int rank = value->type.rank;
  if (a && !a->flat && memcmp(a->perm, perm, (size_t)rank * sizeof *perm) == 0) return a->value;
  if (a && !a->flat) {
    int composed[MOST_AXES], inverse[MOST_AXES];
    invert(a->perm, rank, inverse);
    for (int i = 0; i < rank; i++) composed[i] = inverse[perm[i]];
    return transposed(b, a->value, composed);
  }
  return transposed(b, original_order(s, b, value), perm);
}

/* Attributes of a copy of the operation, to be changed. */
static int copy_attributes(const Op *op, Attribute *attributes) {
  int count = 0;
  for (; count < MOST_ATTRIBUTES && operator_infos[op->kind].attributes[count].standard; count++)
    attributes[count] = op->attributes[count];
  return count;
}

static void change_attribute(Attribute *attributes, int count, AttributeName name,
                             AttributeValue value) {
  for (int i = 0; i < count; i++)
    if (attributes[i].name == name) attributes[i].value = value;
}

static AttributeValue permuted_dims(Select *s, const Op *op, AttributeName name, const int *perm,
                                    int rank) {
  const Dim *dims[MOST_AXES];
  for (int i = 0; i < rank; i++) dims[i] = op_list_dim(op, name, perm[i]);
  return attribute_dims(s->module, dims, rank);
}

static bool finish(Select *s, Op *op, Value *result, const int *perm) {
  if (!result) return false;
  const Type *type = &op_result(op)->type;
  if (result->type.rank != type->rank || result->type.element != type->element) return false;
  for (int i = 0; i < type->rank; i++)
    if (result->type.dims[i] != type->dims[perm[i]]) return false;
  if (type->rank == 0) { /* has one order */
    op_replace(op, result, true);
    return true;
  }
  alternate_set(s, op_result(op), result, perm);
  return true;
}

/* An operand of an elementwise operation, its axes aligned to the result's and permuted. */
static Value *aligned(Select *s, Builder *b, Value *operand, const int *perm, int rank) {
  double number;
  if (operand->type.rank == 0) return operand;
  if (element_is_float(operand->type.element) && value_number(operand, &number))
    return build_number(b, operand->type.element, number);
  if (operand->type.rank < rank) {
    const Dim *dims[MOST_AXES];
    int missing = rank - operand->type.rank;
    for (int i = 0; i < missing; i++) dims[i] = dim_constant(s->module->dims, 1);
    for (int i = missing; i < rank; i++) dims[i] = operand->type.dims[i - missing];
    operand = build_reshape(b, original_order(s, b, operand), dims, rank);
  }
  return permuted(s, b, operand, perm);
}

static bool propagate_flat(Select *s, Op *op, Builder *b, const Alternate *a) {
  Value *operands[3];
  for (int i = 0; i < op->operand_count; i++) {
    const Alternate *other = alternate_of(op->operands[i]);
    double number;
    if (op->operands[i]->type.rank == 0)
      operands[i] = op->operands[i];
    else if (other == a)
      operands[i] = a->value;
    else if (value_number(op->operands[i], &number))
      operands[i] = build_number(b, op->operands[i]->type.element, number);
    else
      return false;
  }
  Value *result = build_like(b, op, operands);
  if (!result || result->type.rank != op_result(op)->type.rank) return false;
  Alternate *copy = ARENA_NEW(s->context->scratch, Alternate);
  *copy = *a;
  copy->value = result;
  set_mark(op_result(op), copy);
  return true;
}

static bool propagate_elementwise(Select *s, Op *op, Builder *b) {
  int rank = op_result(op)->type.rank;
  const Alternate *a = NULL;
  for (int i = 0; i < op->operand_count && !a; i++)
    if (op->operands[i]->type.rank == rank) a = alternate_of(op->operands[i]);
  if (!a) return false;
  if (a->flat) return propagate_flat(s, op, b, a);
  Value *operands[3];
  for (int i = 0; i < op->operand_count; i++)
    operands[i] = aligned(s, b, op->operands[i], a->perm, rank);
  return finish(s, op, build_like(b, op, operands), a->perm);
}

/* The reduction of `x` with these attributes. A sum over an image in nhwc and over all images is
 * one for each image first: there are as many trips, and that sum takes in what it is made of. */
static Value *reduced_value(Select *s, Builder *b, const Op *op, Value *x, Attribute *attributes,
                            int count) {
  AttributeValue axes = attributes[0].value;
  for (int i = 0; i < count; i++)
    if (attributes[i].name == ATTRIBUTE_axis) axes = attributes[i].value;
  if (op->kind != OP_sum || axes.dims.count != x->type.rank - 1 || axes.dims.count < 2 ||
      dim_value(axes.dims.items[axes.dims.count - 1]) != axes.dims.count - 1)
    return build(b, op->kind, &x, 1, attributes, count);
  int64_t inner[MOST_AXES], first = 0;
  for (int i = 1; i < axes.dims.count; i++) inner[i - 1] = i;
  change_attribute(attributes, count, ATTRIBUTE_axis,
                   attribute_integers(s->module, inner, axes.dims.count - 1));
  Value *each = build(b, op->kind, &x, 1, attributes, count);
  change_attribute(attributes, count, ATTRIBUTE_axis, attribute_integers(s->module, &first, 1));
  return build(b, op->kind, &each, 1, attributes, count);
}

/* Sums and maxima, argmax, softmax: along axes that are now elsewhere. */
static bool propagate_reduction(Select *s, Op *op, Builder *b, const Alternate *a) {
  int rank = op->operands[0]->type.rank, inverse[MOST_AXES], perm[MOST_AXES];
  bool reduced[MOST_AXES] = {false}, many = operator_has(op->kind, TRAIT_REDUCTION);
  invert(a->perm, rank, inverse);
  Attribute attributes[MOST_ATTRIBUTES];
  int count = copy_attributes(op, attributes), axes = many ? op_list_count(op, ATTRIBUTE_axis) : 1;
  if (many) {
    int64_t moved[MOST_AXES];
    int found = 0;
    for (int i = 0; i < axes; i++) reduced[op_list_integer(op, ATTRIBUTE_axis, i)] = true;
    for (int i = 0; i < rank; i++)
      if (reduced[a->perm[i]]) moved[found++] = i;
    change_attribute(attributes, count, ATTRIBUTE_axis,
                     attribute_integers(s->module, moved, found));
  } else {
    int64_t axis = op_integer(op, ATTRIBUTE_axis);
    reduced[axis] = true;
    change_attribute(attributes, count, ATTRIBUTE_axis,
                     attribute_integer(s->module, inverse[axis]));
  }
  bool keeps = op->kind == OP_softmax || (many && op_flag(op, ATTRIBUTE_keepdims));
  int next = 0;
  for (int i = 0; i < rank; i++) {
    if (reduced[a->perm[i]] && !keeps) continue;
    int axis = a->perm[i];
    for (int j = 0; j < a->perm[i] && !keeps; j++) axis -= reduced[j];
    perm[next++] = axis;
  }
  return finish(s, op, reduced_value(s, b, op, a->value, attributes, count), perm);
}

/* Maps that are written in nhwc. */
static bool sum_images(Select *s, Op *op, Builder *b) {
  Attribute attributes[MOST_ATTRIBUTES];
  int count = copy_attributes(op, attributes);
  Value *sum = reduced_value(s, b, op, op->operands[0], attributes, count);
  if (sum->op->operands[0] == op->operands[0]) { /* the same sum again */
    op_remove(sum->op);
    return false;
  }
  op_replace(op, sum, true);
  return true;
}

static bool propagate_windows(Select *s, Op *op, Builder *b, const Alternate *a) {
  int rank = op->operands[0]->type.rank, inverse[MOST_AXES], perm[MOST_AXES];
  int64_t axes[MOST_AXES];
  invert(a->perm, rank, inverse);
  int axis_count = op_list_count(op, ATTRIBUTE_axes);
  for (int i = 0; i < axis_count; i++) {
    axes[i] = inverse[op_list_integer(op, ATTRIBUTE_axes, i)];
    if (i > 0 && axes[i] < axes[i - 1]) return false;
  }
  Attribute attributes[MOST_ATTRIBUTES];
  int count = copy_attributes(op, attributes);
  change_attribute(attributes, count, ATTRIBUTE_axes,
                   attribute_integers(s->module, axes, axis_count));
  for (int i = 0; i < rank + axis_count; i++) perm[i] = i < rank ? a->perm[i] : i;
  return finish(s, op, build(b, op->kind, &(Value *){a->value}, 1, attributes, count), perm);
}

static bool propagate_overlap(Select *s, Op *op, Builder *b, const Alternate *a) {
  int rank = op_result(op)->type.rank, all = op->operands[0]->type.rank, inverse[MOST_AXES];
  int count = all - rank;
  int64_t axes[MOST_AXES];
  for (int i = rank; i < all; i++)
    if (a->perm[i] != i) return false;
  invert(a->perm, all, inverse);
  for (int i = 0; i < count; i++) {
    axes[i] = inverse[op_list_integer(op, ATTRIBUTE_axes, i)];
    if (i > 0 && axes[i] < axes[i - 1]) return false;
  }
  Attribute attributes[MOST_ATTRIBUTES];
  int listed = copy_attributes(op, attributes);
  change_attribute(attributes, listed, ATTRIBUTE_axes, attribute_integers(s->module, axes, count));
  return finish(s, op, build(b, op->kind, &(Value *){a->value}, 1, attributes, listed), a->perm);
}

/* Lists with an element for each axis: pad, slice, broadcast to the same rank. */
static bool propagate_lists(Select *s, Op *op, Builder *b, const Alternate *a) {
  int rank = op->operands[0]->type.rank;
  if (op_result(op)->type.rank != rank) return false;
  Attribute attributes[MOST_ATTRIBUTES];
  int count = copy_attributes(op, attributes);
  for (int i = 0; i < count; i++)
    if (attributes[i].value.kind == ATTRIBUTE_DIMS)
      attributes[i].value = permuted_dims(s, op, attributes[i].name, a->perm, rank);
  return finish(s, op, build(b, op->kind, &(Value *){a->value}, 1, attributes, count), a->perm);
}

static bool propagate_concat(Select *s, Op *op, Builder *b, const Alternate *a) {
  int rank = op_result(op)->type.rank, inverse[MOST_AXES];
  invert(a->perm, rank, inverse);
  Value **operands = ARENA_ARRAY(s->context->scratch, op->operand_count, Value *);
  for (int i = 0; i < op->operand_count; i++)
    operands[i] = permuted(s, b, op->operands[i], a->perm);
  Attribute axis = {ATTRIBUTE_axis,
                    attribute_integer(s->module, inverse[op_integer(op, ATTRIBUTE_axis)])};
  return finish(s, op, build(b, OP_concat, operands, op->operand_count, &axis, 1), a->perm);
}

static bool propagate_transpose(Select *s, Op *op, const Alternate *a) {
  int rank = op_result(op)->type.rank, perm[MOST_AXES], inverse[MOST_AXES], composed[MOST_AXES];
  op_permutation(op, perm);
  invert(perm, rank, inverse);
  for (int i = 0; i < rank; i++) composed[i] = inverse[a->perm[i]];
  alternate_set(s, op_result(op), a->value, composed);
  return true;
}

/* Axes of a reshape that go together: in[i] and out[j] are the groups' numbers. False if dims do
 * not tell. */
static bool group_axes(DimTable *table, const Type *from, const Type *to, int *in, int *out,
                       int *groups) {
  int i = 0, j = 0;
  *groups = 0;
  while (i < from->rank || j < to->rank) {
    int group = (*groups)++;
    if (i < from->rank && j < to->rank && from->dims[i] == to->dims[j]) {
      in[i++] = group, out[j++] = group;
      continue;
    }
    if (i < from->rank && dim_is(from->dims[i], 1)) {
      in[i++] = group;
      continue;
    }
    if (j < to->rank && dim_is(to->dims[j], 1)) {
      out[j++] = group;
      continue;
    }
    if (i == from->rank || j == to->rank) return false;
    const Dim *left = from->dims[i], *right = to->dims[j];
    in[i++] = group, out[j++] = group;
    while (left != right) {
      if (!dim_is_constant(left) || !dim_is_constant(right)) return false;
      if (dim_value(left) < dim_value(right)) {
        if (i == from->rank || !(left = dim_mul(table, left, from->dims[i]))) return false;
        in[i++] = group;
      } else {
        if (j == to->rank || !(right = dim_mul(table, right, to->dims[j]))) return false;
        out[j++] = group;
      }
    }
  }
  return true;
}

/* [N, C, H, W] to [N, C*H*W]: a permutation of the last axis, for a product's weights to undo. */
static bool flatten(Select *s, Op *op, Builder *b, const Alternate *a) {
  const Type *from = &op->operands[0]->type, *to = &op_result(op)->type;
  int lead = to->rank - 1, group = from->rank - lead;
  if (lead < 0 || group < 2) return false;
  Alternate *flat = ARENA_NEW(s->context->scratch, Alternate);
  for (int i = 0; i < lead; i++)
    if (to->dims[i] != from->dims[i] || a->perm[i] != i) return false;
  for (int i = lead; i < from->rank; i++)
    if (!dim_is_constant(from->dims[i])) return false;
  flat->flat = true;
  flat->group_rank = group;
  for (int i = 0; i < group; i++) {
    flat->group_perm[i] = a->perm[lead + i] - lead;
    flat->group_dims[i] = from->dims[lead + i];
  }
  flat->value = build_reshape(b, a->value, to->dims, to->rank);
  set_mark(op_result(op), flat);
  return true;
}

static bool propagate_reshape(Select *s, Op *op, Builder *b, const Alternate *a) {
  const Type *from = &op->operands[0]->type, *to = &op_result(op)->type;
  int in[MOST_AXES], out[MOST_AXES], groups, order[2 * MOST_AXES], count = 0;
  if (transpose_is_reshape(from, a->perm)) return false;
  if (!group_axes(s->module->dims, from, to, in, out, &groups)) return flatten(s, op, b, a);
  /* Groups in the order in which their first long axes come in the alternate. */
  bool placed[2 * MOST_AXES] = {false};
  int last = -1;
  for (int i = 0; i < from->rank; i++) {
    int axis = a->perm[i], group = in[axis];
    if (dim_is(from->dims[axis], 1) && placed[group]) continue;
    bool alone = true; /* a group's only axis, or a unit one among others */
    for (int j = 0; j < from->rank; j++) alone = alone && (j == axis || in[j] != group);
    if (!alone && dim_is(from->dims[axis], 1)) continue;
    if (placed[group]) {
      if (last < 0 || in[last] != group || last > axis) return flatten(s, op, b, a);
    } else {
      for (int j = 0; j < axis; j++)
        if (in[j] == group && !dim_is(from->dims[j], 1)) return flatten(s, op, b, a);
      placed[group] = true;
      order[count++] = group;
    }
    if (!dim_is(from->dims[axis], 1)) last = axis;
  }
  for (int group = 0; group < groups; group++)
    if (!placed[group]) order[count++] = group; /* new axes of size 1 */
  const Dim *dims[MOST_AXES];
  int perm[MOST_AXES], next = 0;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < to->rank; j++)
      if (out[j] == order[i]) {
        dims[next] = to->dims[j];
        perm[next++] = j;
      }
  return finish(s, op, build_reshape(b, a->value, dims, to->rank), perm);
}

void expect_image(Select *s, Op *op) {
  const Type *from = &op->operands[0]->type, *to = &op_result(op)->type;
  if (s->function->kind != FUNCTION_TRAIN || !s->images || from->rank != 2 || to->rank != 4 ||
      to->element != ELEMENT_f32 || from->dims[0] != to->dims[0] || !op->next)
    return;
  static const int to_last[] = {0, 2, 3, 1};
  if (transpose_is_reshape(to, to_last)) return;
  Builder b = builder_before(op->next);
  b.at = op->at;
  alternate_set(s, op_result(op), build_transpose(&b, op_result(op), to_last), to_last);
}

bool propagate(Select *s, Op *op) {
  if (op->result_count != 1 || op->operand_count == 0 || op->region) return false;
  Builder b = builder_before(op);
  if (operator_has(op->kind, TRAIT_ELEMENTWISE)) return propagate_elementwise(s, op, &b);
  const Alternate *a = alternate_of(op->operands[0]);
  if (op->kind == OP_concat)
    for (int i = 1; i < op->operand_count && !a; i++) a = alternate_of(op->operands[i]);
  if (!a && op->kind == OP_sum && op->operands[0]->type.rank == 4) return sum_images(s, op, &b);
  if (!a || a->flat) return false;
  switch (op->kind) {
  case OP_sum:
  case OP_max:
  case OP_argmax:
  case OP_softmax:
    return propagate_reduction(s, op, &b, a);
  case OP_windows:
    return propagate_windows(s, op, &b, a);
  case OP_overlap_add:
    return propagate_overlap(s, op, &b, a);
  case OP_pad:
  case OP_slice:
  case OP_broadcast:
    return propagate_lists(s, op, &b, a);
  case OP_concat:
    return propagate_concat(s, op, &b, a);
  case OP_transpose:
    return propagate_transpose(s, op, a);
  case OP_reshape:
    return propagate_reshape(s, op, &b, a);
  default:
    return false;
  }
}
