/* canon - brings operations into their one form; what does nothing goes.
 *
 *   before  %1 = div %x, 4    %2 = reshape %1 {shape=[N,8]}   %3 = reshape %2 {shape=[N,2,4]}
 *   after   %1 = mul %x, 0.25                                 %3 = reshape %1 {shape=[N,2,4]}
 *
 * Results change by rounding alone, and only where a division by a constant becomes a product.
 * x * 0, x - x and x / x stay, since x may be nan; x + 0 stays too (-0 + 0 is 0) but for integers.
 * Afterwards constants are second operands, chains of moves are single ones, and stop_gradient and
 * checkpoint, which only gradients look at, are gone. Linear: one walk in order. */
#include "passes/canon.h"

#include "ir/op_traits.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

/* Each rule gives the value that replaces the operation, or NULL. `is_new`: it was made for this.
 */
typedef struct {
  Module *module;
  Op *op;
  Builder builder;
  bool is_new;
} Canon;

static Value *made(Canon *c, Value *value) {
  c->is_new = true;
  return value;
}

/* `x` stands for the result if it has its type; else it is broadcast to it. */
static Value *as_result(Canon *c, Value *x) {
  const Type *type = &op_result(c->op)->type;
  if (type_equal(&x->type, type)) return x;
  if (x->type.element != type->element) return NULL;
  Attribute shape = {ATTRIBUTE_shape, attribute_dims(c->module, type->dims, type->rank)};
  return made(c, build(&c->builder, OP_broadcast, &x, 1, &shape, 1));
}

static bool is_number(const Value *value, double wanted) {
  double number;
  return value_number(value, &number) && number == wanted;
}

static Value *canon_div(Canon *c, Value *x, Value *y) {
  if (is_number(y, 1)) return as_result(c, x);
  double number;
  Element element = y->type.element;
  if (!element_is_float(element) || !value_number(y, &number)) return NULL;
  double inverse = element_round(element, 1 / number);
  if (!isnormal(inverse) || !isnormal(number)) return NULL;
  if (element == ELEMENT_f32 && !isnormal((float)inverse)) return NULL;
  if (!type_equal(&x->type, &op_result(c->op)->type)) return NULL; /* y has more axes */
  return made(c, build_binary(&c->builder, OP_mul, x, build_number(&c->builder, element, inverse)));
}

static Value *canon_pow(Canon *c, Value *x, Value *y) {
  double number;
  if (!value_number(y, &number)) return NULL;
  Value *result = NULL;
  if (number == 1) return as_result(c, x);
  if (number == 2)
    result = build_binary(&c->builder, OP_mul, x, x);
  else if (number == 3 || number == 4) {
    result = build_binary(&c->builder, OP_mul, x, x);
    result = build_binary(&c->builder, OP_mul, result, number == 3 ? x : result);
  } else
    return NULL;
  return type_equal(&result->type, &op_result(c->op)->type) ? made(c, result) : NULL;
}

static Value *canon_binary(Canon *c) {
  Op *op = c->op;
  Value *x = op->operands[0], *y = op->operands[1];
  bool integer = element_is_integer(x->type.element);
  double ignored;
  bool swaps = op->kind == OP_add || op->kind == OP_mul || op->kind == OP_eq ||
               op->kind == OP_and || op->kind == OP_or;
  if (swaps && value_number(x, &ignored) && !value_number(y, &ignored)) {
    op->operands[0] = y, op->operands[1] = x;
    x = op->operands[0], y = op->operands[1];
  }
  switch (op->kind) {
  case OP_add:
    if (integer && is_number(y, 0)) return as_result(c, x);
    if (is_number(y, 0) && value_number(y, &ignored) && signbit(ignored)) return as_result(c, x);
    if (y->op && y->op->kind == OP_neg)
      return made(c, build_binary(&c->builder, OP_sub, x, y->op->operands[0]));
    return NULL;
  case OP_sub:
    if (integer && is_number(y, 0)) return as_result(c, x);
    if (is_number(y, 0) && value_number(y, &ignored) && !signbit(ignored)) return as_result(c, x);
    if (y->op && y->op->kind == OP_neg)
      return made(c, build_binary(&c->builder, OP_add, x, y->op->operands[0]));
    return NULL;
  case OP_mul:
    return is_number(y, 1) ? as_result(c, x) : NULL;
  case OP_div:
    return canon_div(c, x, y);
  case OP_pow:
    return canon_pow(c, x, y);
  case OP_maximum:
  case OP_minimum:
    return x == y ? x : NULL;
  default:
    return NULL;
  }
}

/* A part of the last axis, which is then split in two (heads), is a part of what is split so: both
 * are views, and no element moves. */
static Value *canon_split_part(Canon *c, const Op *slice) {
  const Type *from = &slice->operands[0]->type, *to = &op_result(c->op)->type;
  int last = from->rank - 1;
  const Dim *by = to->rank == last + 2 ? to->dims[last + 1] : NULL;
  if (!by || !dim_is_constant(by) || dim_value(by) < 1 || op_result(slice)->mark != 1) return NULL;
  Module *module = c->module;
  const Dim *start[MOST_AXES], *stop[MOST_AXES], *dims[MOST_AXES];
  for (int i = 0; i < last; i++) {
    if (from->dims[i] != to->dims[i] || op_list_integer(slice, ATTRIBUTE_step, i) != 1) return NULL;
    start[i] = dim_constant(module->dims, 0), stop[i] = dims[i] = from->dims[i];
  }
  const Dim *begin = op_list_dim(slice, ATTRIBUTE_start, last), *all = from->dims[last];
  if (op_list_integer(slice, ATTRIBUTE_step, last) != 1 || !dim_is_constant(begin) ||
      !dim_is_constant(all) || dim_value(begin) % dim_value(by) || dim_value(all) % dim_value(by))
    return NULL;
  dims[last] = dim_constant(module->dims, dim_value(all) / dim_value(by)), dims[last + 1] = by;
  start[last] = dim_constant(module->dims, dim_value(begin) / dim_value(by));
  stop[last] = dim_add(module->dims, start[last], to->dims[last]);
  start[last + 1] = dim_constant(module->dims, 0), stop[last + 1] = by;
  Value *split = build_reshape(&c->builder, slice->operands[0], dims, last + 2);
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(module, start, last + 2)},
                            {ATTRIBUTE_stop, attribute_dims(module, stop, last + 2)}};
  return made(c, build(&c->builder, OP_slice, &split, 1, attributes, 2));
}

static Value *canon_reshape(Canon *c) {
  Value *x = c->op->operands[0];
  const Type *type = &op_result(c->op)->type;
  if (type_equal(&x->type, type)) return x;
  if (x->op && x->op->kind == OP_slice) return canon_split_part(c, x->op);
  if (!x->op || x->op->kind != OP_reshape) return NULL;
  x = x->op->operands[0];
  if (type_equal(&x->type, type)) return x;
  return made(c, build_reshape(&c->builder, x, type->dims, type->rank));
}

/* The transpose of a product, the rest of y before that of x, is the product of y and x; not where
 * y is a weight, whose panels are made while compiling. */
static Value *canon_dot_turned(Canon *c, const Op *dot, const int *perm) {
  const DimList *batch = op_attribute(dot, ATTRIBUTE_batch)->lists.items;
  const DimList *contract = op_attribute(dot, ATTRIBUTE_contract)->lists.items;
  Value *x = dot->operands[0], *y = dot->operands[1];
  int batches = batch[0].count, rank = op_result(dot)->type.rank;
  int rows = x->type.rank - batches - contract[0].count, columns = rank - batches - rows;
  bool weight = y->op && (y->op->kind == OP_read || y->op->kind == OP_constant);
  if (op_result(dot)->mark != 1 || weight) return NULL;
  for (int i = 0; i < rank; i++) {
    int wanted = i < batches ? i : i < batches + columns ? i + rows : i - columns;
    if (perm[i] != wanted) return NULL;
  }
  DimList *lists = ARENA_ARRAY(c->module->arena, 4, DimList);
  lists[0] = contract[1], lists[1] = contract[0], lists[2] = batch[1], lists[3] = batch[0];
  Attribute attributes[] = {{ATTRIBUTE_contract, {.kind = ATTRIBUTE_LISTS}},
                            {ATTRIBUTE_batch, {.kind = ATTRIBUTE_LISTS}}};
  attributes[0].value.lists.items = lists, attributes[0].value.lists.count = 2;
  attributes[1].value.lists.items = lists + 2, attributes[1].value.lists.count = 2;
  return made(c, build(&c->builder, OP_dot, (Value *[]){y, x}, 2, attributes, 2));
}

static Value *canon_transpose(Canon *c) {
  Value *x = c->op->operands[0];
  const Type *type = &op_result(c->op)->type;
  int perm[MOST_AXES], inner[MOST_AXES];
  op_permutation(c->op, perm);
  if (permutation_is_identity(perm, type->rank)) return x;
  if (transpose_is_reshape(&x->type, perm))
    return made(c, build_reshape(&c->builder, x, type->dims, type->rank));
  if (x->op && x->op->kind == OP_dot) return canon_dot_turned(c, x->op, perm);
  if (!x->op || x->op->kind != OP_transpose) return NULL;
  op_permutation(x->op, inner);
  for (int i = 0; i < type->rank; i++) perm[i] = inner[perm[i]];
  x = x->op->operands[0];
  if (permutation_is_identity(perm, type->rank)) return x;
  return made(c, build_transpose(&c->builder, x, perm));
}

/* An operand's broadcast is not needed where the operation would broadcast it as far anyway. */
static void drop_broadcasts(Op *op) {
  for (int i = 0; i < op->operand_count; i++) {
    Value *operand = op->operands[i];
    if (!operand->op || operand->op->kind != OP_broadcast) continue;
    Type type = operand->op->operands[0]->type;
    int axis;
    bool ok = true;
    for (int j = 0; j < op->operand_count && ok; j++)
      if (j != i) {
        Type joined;
        ok = type_broadcast(&type, &op->operands[j]->type, &joined, &axis);
        joined.element = type.element;
        type = joined;
      }
    const Type *result = &op_result(op)->type;
    type.element = result->element;
    if (ok && type_equal(&type, result)) op->operands[i] = operand->op->operands[0];
  }
}

static Value *canon_broadcast(Canon *c) {
  Value *x = c->op->operands[0];
  const Type *type = &op_result(c->op)->type;
  if (type_equal(&x->type, type)) return x;
  if (x->op && x->op->kind == OP_broadcast) return as_result(c, x->op->operands[0]);
  return NULL;
}

static bool all_dims_are(const Op *op, AttributeName name, int64_t wanted) {
  for (int i = 0; i < op_list_count(op, name); i++)
    if (!dim_is(op_list_dim(op, name, i), wanted)) return false;
  return true;
}

static Value *canon_slice(Canon *c) {
  Value *x = c->op->operands[0];
  bool whole = type_equal(&x->type, &op_result(c->op)->type) &&
               all_dims_are(c->op, ATTRIBUTE_start, 0) && all_dims_are(c->op, ATTRIBUTE_step, 1);
  return whole ? x : NULL;
}

static Value *canon_pad(Canon *c) {
  bool none = all_dims_are(c->op, ATTRIBUTE_before, 0) && all_dims_are(c->op, ATTRIBUTE_after, 0) &&
              all_dims_are(c->op, ATTRIBUTE_between, 0);
  return none ? c->op->operands[0] : NULL;
}

/* Are `x`, a part, and `like` equal but for their sizes along the axis, and as a concatenation of
 * the type up to it? */
static bool fits_part(const Type *x, const Type *like, const Type *type, int axis) {
  if (x->rank != like->rank || x->rank <= axis) return false;
  for (int i = 0; i < x->rank; i++)
    if (i < axis ? x->dims[i] != type->dims[i] : i > axis && x->dims[i] != like->dims[i])
      return false;
  return true;
}

/* Parts that are reshaped from the axis on are joined as they were: so what makes them can make
 * them in their places. */
static Value *concat_as_made(Canon *c) {
  const Op *op = c->op;
  int axis = (int)op_integer(op, ATTRIBUTE_axis);
  const Type *type = &op_result(op)->type;
  VEC(Value *) parts = {0};
  for (int i = 0; i < op->operand_count; i++) {
    const Op *reshape = op->operands[i]->op;
    if (!reshape || reshape->kind != OP_reshape) return NULL;
    vec_push(c->module->arena, &parts, reshape->operands[0]);
    if (!fits_part(&parts.items[i]->type, &parts.items[0]->type, type, axis)) return NULL;
  }
  Attribute at = {ATTRIBUTE_axis, attribute_integer(c->module, axis)};
  Value *joined = build(&c->builder, OP_concat, parts.items, (int)parts.count, &at, 1);
  return joined ? made(c, build_reshape(&c->builder, joined, type->dims, type->rank)) : NULL;
}

/* A concatenation of concatenations along the same axis is one. */
static Value *canon_concat(Canon *c) {
  Op *op = c->op;
  if (op->operand_count == 1) return op->operands[0];
  Value *as_made = concat_as_made(c);
  if (as_made) return as_made;
  int64_t axis = op_integer(op, ATTRIBUTE_axis);
  VEC(Value *) parts = {0};
  bool nested = false;
  for (int i = 0; i < op->operand_count; i++) {
    Op *inner = op->operands[i]->op;
    if (inner && inner->kind == OP_concat && inner->results[0]->mark == 1 &&
        op_integer(inner, ATTRIBUTE_axis) == axis) {
      nested = true;
      for (int j = 0; j < inner->operand_count; j++)
        vec_push(c->module->arena, &parts, inner->operands[j]);
    } else
      vec_push(c->module->arena, &parts, op->operands[i]);
  }
  if (!nested) return NULL;
  Attribute at = {ATTRIBUTE_axis, attribute_integer(c->module, axis)};
  return made(c, build(&c->builder, OP_concat, parts.items, (int)parts.count, &at, 1));
}

/* Sums and maxima over axes of size 1 move nothing. */
static Value *canon_reduction(Canon *c) {
  Value *x = c->op->operands[0];
  const Type *type = &op_result(c->op)->type;
  for (int i = 0; i < op_list_count(c->op, ATTRIBUTE_axis); i++)
    if (!dim_is(x->type.dims[op_list_integer(c->op, ATTRIBUTE_axis, i)], 1)) return NULL;
  return made(c, build_reshape(&c->builder, x, type->dims, type->rank));
}

/* Windows of one element, each next to the other, are the elements themselves. */
static Value *canon_windows(Canon *c) {
  Value *x = c->op->operands[0];
  const Type *type = &op_result(c->op)->type;
  if (!all_dims_are(c->op, ATTRIBUTE_kernel, 1)) return NULL;
  for (int i = 0; i < x->type.rank; i++)
    if (type->dims[i] != x->type.dims[i]) return NULL;
  for (int i = 0; i < op_list_count(c->op, ATTRIBUTE_axes); i++)
    if (op_pair_integer(c->op, ATTRIBUTE_pad, i, 0) != 0 ||
        op_list_integer(c->op, ATTRIBUTE_stride, i) != 1)
      return NULL;
  return made(c, build_reshape(&c->builder, x, type->dims, type->rank));
}

static Value *canon_where(Canon *c) {
  Op *op = c->op;
  double number;
  if (!value_number(op->operands[0], &number)) return NULL;
  return as_result(c, op->operands[number != 0 ? 1 : 2]);
}

/* A product with a transposed matrix is the product along its other axis: a weight is not copied.
 */
static Value *canon_dot(Canon *c) {
  Value *x = c->op->operands[0], *y = c->op->operands[1];
  const Op *from = y->op;
  const DimList *contract = op_attribute(c->op, ATTRIBUTE_contract)->lists.items;
  if (y->type.rank != 2 || !from || from->kind != OP_transpose || contract[1].count != 1 ||
      op_attribute(c->op, ATTRIBUTE_batch)->lists.items[1].count > 0)
    return NULL;
  int64_t other = 1 - dim_value(contract[1].items[0]);
  DimList *lists = ARENA_ARRAY(c->module->arena, 2, DimList);
  lists[0] = contract[0];
  lists[1] = attribute_integers(c->module, &other, 1).dims;
  AttributeValue value = {.kind = ATTRIBUTE_LISTS};
  value.lists.items = lists, value.lists.count = 2;
  Attribute attribute = {ATTRIBUTE_contract, value};
  return made(c, build(&c->builder, OP_dot, (Value *[]){x, from->operands[0]}, 2, &attribute, 1));
}

/* The value's axes from `axis` on as one; they are known. */
static Value *joined(Canon *c, Value *value, int axis) {
  const Dim *dims[MOST_AXES];
  int64_t size = 1;
  for (int i = 0; i < value->type.rank; i++)
    if (i < axis)
      dims[i] = value->type.dims[i];
    else
      size *= dim_value(value->type.dims[i]);
  dims[axis] = dim_constant(c->module->dims, size);
  return build_reshape(&c->builder, value, dims, axis + 1);
}

/* A map of one pixel that a kernel spreads, or whose gradient meets all of another map in one
 * place, is a row of a matrix: nothing overlaps.
 *
 *   conv_transpose x [N, C, 1, 1], w [C, out, k, k]   ->   x [N, C] . w [C, out * k * k]
 *   conv_weight x [N, C, k, k], dy [N, out, 1, 1]     ->   dy [N, out] . x [N, C * k * k] over N */
static Value *canon_pixel(Canon *c) {
  const Op *op = c->op;
  bool spreads = op->kind == OP_conv_transpose;
  Value *x = op->operands[0], *y = op->operands[1], *pixel = spreads ? x : y;
  Value *other = spreads ? y : x;
  const Type *made_type = &op_result(op)->type;
  if (op_is_channels_last(op) || op_integer(op, ATTRIBUTE_groups) != 1) return NULL;
  for (int i = 2; i < pixel->type.rank; i++) {
    const Dim *size = made_type->dims[i];
    if (!dim_is(pixel->type.dims[i], 1) || !dim_is_constant(other->type.dims[i]) ||
        !dim_is(size, dim_value(other->type.dims[i])) ||
        op_list_integer(op, ATTRIBUTE_dilation, i - 2) > 1)
      return NULL;
    for (int side = 0; side < 2; side++)
      if (op_pair_integer(op, ATTRIBUTE_pad, i - 2, side) != 0) return NULL;
  }
  if (!dim_is_constant(other->type.dims[1])) return NULL;
  const Dim *row[] = {pixel->type.dims[0], pixel->type.dims[1]};
  int64_t over[] = {spreads ? 1 : 0, 0};
  DimList *lists = ARENA_ARRAY(c->module->arena, 2, DimList);
  for (int i = 0; i < 2; i++) lists[i] = attribute_integers(c->module, &over[i], 1).dims;
  AttributeValue value = {.kind = ATTRIBUTE_LISTS};
  value.lists.items = lists, value.lists.count = 2;
  Attribute contract = {ATTRIBUTE_contract, value};
  Value *operands[] = {build_reshape(&c->builder, pixel, row, 2), joined(c, other, 1)};
  Value *dot = build(&c->builder, OP_dot, operands, 2, &contract, 1);
  return made(c, build_reshape(&c->builder, dot, made_type->dims, made_type->rank));
}

static Value *canon_op(Canon *c) {
  Op *op = c->op;
  Value *x = op->operand_count > 0 ? op->operands[0] : NULL;
  if (operator_has(op->kind, TRAIT_ELEMENTWISE) && op->operand_count > 1) drop_broadcasts(op);
  switch (op->kind) {
  case OP_stop_gradient:
  case OP_checkpoint:
    return x;
  case OP_cast:
    return type_equal(&x->type, &op_result(op)->type) ? x : NULL;
  case OP_neg:
  case OP_not:
    return x->op && x->op->kind == op->kind ? x->op->operands[0] : NULL;
  case OP_reshape:
    return canon_reshape(c);
  case OP_transpose:
    return canon_transpose(c);
  case OP_broadcast:
    return canon_broadcast(c);
  case OP_slice:
    return canon_slice(c);
  case OP_pad:
    return canon_pad(c);
  case OP_concat:
    return canon_concat(c);
  case OP_sum:
  case OP_max:
    return canon_reduction(c);
  case OP_windows:
    return canon_windows(c);
  case OP_dot:
    return canon_dot(c);
  case OP_conv_transpose:
  case OP_conv_weight:
    return canon_pixel(c);
  case OP_where:
    return canon_where(c);
  default:
    return op->operand_count == 2 && operator_has(op->kind, TRAIT_ELEMENTWISE) ? canon_binary(c)
                                                                               : NULL;
  }
}

static void canon_block(Block *block, void *user) {
  Module *module = user;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    Canon c = {module, op, builder_before(op), false};
    Value *by = canon_op(&c);
    if (by && c.is_new) by->mark = op_result(op)->mark; /* as often used */
    if (by) op_replace(op, by, c.is_new);
  }
}

/* A read after a write is what was written, and the last write of a tensor alone stays: so all
 * reads come before all writes in meaning, and a write may stand anywhere after its value. */
static void forward_writes(Function *function) {
  const Module *module = function->module;
  VEC(Op *) writes = {0};
  for (Op *op = function->body->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    if (op->kind != OP_read && op->kind != OP_write) continue;
    Tensor *tensor = module_tensor(module, op->symbol);
    Op *last = tensor->mark >= 0 && tensor->mark < (int64_t)writes.count
                   ? writes.items[tensor->mark]
                   : NULL;
    bool known = last && last->symbol == op->symbol;
    if (known && op->kind == OP_read) {
      op_replace(op, last->operands[0], false);
    } else if (op->kind == OP_write) {
      if (known) op_remove(last);
      if (!known) tensor->mark = (int64_t)writes.count;
      if (known)
        writes.items[tensor->mark] = op;
      else
        vec_push(module->arena, &writes, op);
    }
  }
  graph_resolve(function);
}

void canon_function(Function *function) {
  forward_writes(function);
  graph_count_uses(function);
  function_blocks(function, canon_block, function->module);
  graph_resolve(function);
}

bool pass_canon(PassContext *context) {
  for (size_t i = 0; i < context->module->functions.count; i++)
    canon_function(context->module->functions.items[i]);
  return true;
}
