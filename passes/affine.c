/* affine - multiplies factors and offsets of channels into constant weights.
 *
 *   before  %1 = conv %x, %w   %2 = sub %1, %mean   %3 = mul %2, %scale   %4 = add %3, %shift
 *   after   %5 = conv %x, %w*scale                                        %4 = add %5, shift -
 * mean*scale
 *
 * This is batch norm at inference, in the form that elaborating and folding leave. It goes through
 * the chain of add, sub and mul by constants (a number, or one a channel) behind a conv,
 * conv_transpose or dot whose weight is constant, as long as nothing else uses the values between.
 * Afterwards such a product is followed by one add at most. Linear. */
#include "ir/op_traits.h"
#include "passes/constants.h"
#include "passes/dce.h"
#include "passes/rewrite.h"
#include "passes/uses.h"
#include "support/bug.h"

typedef struct {
  Constants *constants;
  Function *function;
  Uses uses;
  int changed;
} Affine;

/* A product's channels: the axis of its result, and of its weight. */
typedef struct {
  Op *op;
  int axis, weight_axis;
} Product;

static bool product_of(const Affine *a, Op *op, Product *product) {
  if (op->kind != OP_conv && op->kind != OP_conv_transpose && op->kind != OP_dot) return false;
  const Type *type = &op_result(op)->type, *weight = &op->operands[1]->type;
  if (type->element != ELEMENT_f32 && type->element != ELEMENT_f64) return false;
  if (!constant_data(a->constants, op->operands[1])) return false;
  *product = (Product){op, 1, 0};
  if (op->kind == OP_conv_transpose) {
    product->weight_axis = 1;
    return op_integer(op, ATTRIBUTE_groups) == 1 && !op_is_channels_last(op);
  }
  if (op->kind == OP_conv) return !op_is_channels_last(op);
  const DimList *batch = op_attribute(op, ATTRIBUTE_batch)->lists.items;
  const DimList *contract = op_attribute(op, ATTRIBUTE_contract)->lists.items;
  if (batch[0].count > 0 || contract[1].count != 1 || weight->rank != 2) return false;
  product->axis = type->rank - 1;
  product->weight_axis = 1 - (int)dim_value(contract[1].items[0]);
  return true;
}

/* Whether a value is a known number, or known numbers along one axis of a tensor of that type. */
static bool is_along(const Affine *a, const Value *value, const Type *type, int axis) {
  if (!constant_data(a->constants, value) || value->type.rank > type->rank) return false;
  for (int i = 0; i < value->type.rank; i++) {
    if (dim_is(value->type.dims[i], 1)) continue;
    if (type->rank - value->type.rank + i != axis) return false;
  }
  return true;
}

/* The numbers as [1, .., C, .., 1], with `rank` axes. */
static Value *shaped(Affine *a, Builder *b, Value *value, int axis, int rank) {
  DimTable *dims = a->function->module->dims;
  const Dim *shape[MOST_AXES];
  for (int i = 0; i < rank; i++) shape[i] = dim_constant(dims, 1);
  for (int i = 0; i < value->type.rank; i++)
    if (!dim_is(value->type.dims[i], 1)) shape[axis] = value->type.dims[i];
  return build_reshape(b, value, shape, rank);
}

static Op *only_user(const Affine *a, const Value *value) {
  return use_count(&a->uses, value) == 1 ? use_at(&a->uses, value, 0) : NULL;
}

/* Factor and offset of what follows, so far; NULL: none. In the result's shape, as [1, C, 1, 1]. */
typedef struct {
  Value *factor, *offset;
  int length;
} Chain;

static bool extend(Affine *a, Builder *b, const Product *p, Chain *chain, Op *op, Value *current) {
  if (op->kind != OP_add && op->kind != OP_sub && op->kind != OP_mul) return false;
  if (op->operands[0] == op->operands[1]) return false;
  bool first = op->operands[0] == current;
  const Type *type = &op_result(p->op)->type;
  Value *other = op->operands[first ? 1 : 0];
  if (!type_equal(&op_result(op)->type, type) || !is_along(a, other, type, p->axis)) return false;
  if (op->kind == OP_sub && !first) return false;
  Value *c = shaped(a, b, other, p->axis, type->rank);
  if (op->kind == OP_mul) {
    chain->factor = chain->factor ? build_binary(b, OP_mul, chain->factor, c) : c;
    if (chain->offset) chain->offset = build_binary(b, OP_mul, chain->offset, c);
  } else if (chain->offset)
    chain->offset = build_binary(b, op->kind, chain->offset, c);
  else
    chain->offset = op->kind == OP_add ? c : build_unary(b, OP_neg, c);
  chain->length++;
  return true;
}

/* The weight times one number for each of its channels along an axis. */
static Value *scaled_weight(Affine *a, Builder *b, Value *weight, Value *factor, int axis) {
  return build_binary(b, OP_mul, weight, shaped(a, b, factor, axis, weight->type.rank));
}

static void fold_behind(Affine *a, const Product *p) {
  Value *current = op_result(p->op);
  Op *last = NULL;
  Chain chain = {0};
  Op *ops[64];
  /* New values stand before the last operation of the chain, so that is found first. */
  for (Op *op = only_user(a, current); op && chain.length < 64; op = only_user(a, current)) {
    bool fits = op->kind == OP_add || op->kind == OP_sub || op->kind == OP_mul;
    if (!fits || op->operand_count != 2 || op->operands[0] == op->operands[1]) break;
    Value *other = op->operands[op->operands[0] == current ? 1 : 0];
    if (!type_equal(&op_result(op)->type, &op_result(p->op)->type) ||
        !is_along(a, other, &op_result(p->op)->type, p->axis) ||
        (op->kind == OP_sub && other == op->operands[0]))
      break;
    ops[chain.length++] = last = op;
    current = op_result(op);
  }
  int length = chain.length;
  bool pays = length >= 2 || (length == 1 && last->kind == OP_mul);
  if (!pays) return;
  Builder b = builder_before(last);
  chain.length = 0;
  current = op_result(p->op);
  for (int i = 0; i < length; i++) {
    if (!extend(a, &b, p, &chain, ops[i], current)) bug("a chain of affine operations changed");
    current = op_result(ops[i]);
  }
  Value *operands[2] = {p->op->operands[0], p->op->operands[1]};
  if (chain.factor) operands[1] = scaled_weight(a, &b, operands[1], chain.factor, p->weight_axis);
  b.at = p->op->at, b.layer = p->op->layer;
  Value *result = build_like(&b, p->op, operands);
  if (!result) bug("a product with another weight cannot be built: %s", b.failure.message);
  b.at = last->at, b.layer = last->layer;
  if (chain.offset) result = build_binary(&b, OP_add, result, chain.offset);
  op_replace(last, result, true);
  a->changed++;
}

static void affine_function(Affine *a, Arena *scratch) {
  a->uses = uses_of(scratch, a->function);
  for (int i = 0; i < a->uses.op_count; i++) {
    Product product;
    if (product_of(a, a->uses.ops[i], &product)) fold_behind(a, &product);
  }
  if (!a->changed) return;
  graph_resolve(a->function);
  dce_function(a->function);
  fold_function(a->constants, a->function);
}

bool pass_affine(PassContext *context) {
  Constants constants = constants_of(context);
  for (size_t i = 0; i < context->module->functions.count; i++) {
    Affine a = {.constants = &constants, .function = context->module->functions.items[i]};
    affine_function(&a, context->scratch);
  }
  return true;
}
