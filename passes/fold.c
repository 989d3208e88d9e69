/* fold - computes what constants alone decide.
 *
 *   before  %1 = constant {value=2}   %2 = sqrt %1   %3 = mul %x, %2
 *   after   %2 = constant {value=1.4142135}          %3 = mul %x, %2
 *
 * The reference interpreter computes, so a result is what it would have been at run time, or nearer
 * to the exact one. What would be large (a broadcast, the product of two weights) stays. Weights
 * are reordered without the interpreter. Linear in the operations, and in the elements that are
 * made. */
#include "ir/interpret.h"
#include "ir/move.h"
#include "ir/winograd.h"
#include "passes/constants.h"
#include "passes/dce.h"
#include "passes/rewrite.h"
#include "passes/scan_bodies.h"

#include <string.h>

/* Multiply-adds that folding one product may take. */
#define MOST_PRODUCT_WORK ((int64_t)1 << 24)

Constants constants_of(PassContext *context) {
  Constants constants = {context->module, context->options->fold_bytes, {0}};
  for (size_t i = 0; i < context->module->functions.count; i++) {
    const Function *function = context->module->functions.items[i];
    for (const Op *op = function->body->first; op; op = op->next)
      if (op->kind == OP_write) vec_push(context->scratch, &constants.written, op->symbol);
  }
  return constants;
}

const Data *constant_data(const Constants *constants, const Value *value) {
  value = scan_outer_value(value);
  const Op *op = value->op;
  if (!op) return NULL;
  const Data *data = NULL;
  if (op->kind == OP_constant) data = op_attribute(op, ATTRIBUTE_value)->data;
  if (op->kind == OP_read) {
    const Tensor *tensor = module_tensor(constants->module, op->symbol);
    for (size_t i = 0; i < constants->written.count; i++)
      if (strcmp(constants->written.items[i], op->symbol) == 0) return NULL;
    if (tensor && type_equal(&tensor->type, &value->type)) data = tensor->data;
  }
  return data && data_is_known(data) ? data : NULL;
}

Value *constant_before(Op *op, Type type, const Data *data) {
  Builder b = builder_before(op);
  Attribute value = {ATTRIBUTE_value, attribute_data(data)};
  return build_typed(&b, OP_constant, type, NULL, &value, 1);
}

static RunTensor run_tensor(const Type *type, const Data *data) {
  RunTensor tensor = {.element = type->element, .rank = type->rank, .count = data->count};
  for (int i = 0; i < type->rank; i++) tensor.shape[i] = dim_value(type->dims[i]);
  tensor.bytes = (void *)(uintptr_t)data_contents(data);
  return tensor;
}

/* Elementwise on numbers that fill their tensors: one number computed, and again filled. */
static Value *fold_uniform(const Constants *constants, Op *op) {
  if (!operator_has(op->kind, TRAIT_ELEMENTWISE) || op->operand_count == 0) return NULL;
  Module *module = constants->module;
  RunTensor operands[3], result;
  Type scalar[3];
  Value arguments[3] = {0}, *pointers[3];
  int64_t bytes[3];
  for (int i = 0; i < op->operand_count; i++) {
    Number number;
    Element element = op->operands[i]->type.element;
    if (!value_is_uniform(op->operands[i], &number)) return NULL;
    if (number.is_integer)
      element_store_integer(element, &bytes[i], 0, number.integer);
    else
      element_store(element, &bytes[i], 0, number.real);
    operands[i] = (RunTensor){.element = element, .count = 1, .bytes = &bytes[i]};
    scalar[i] = type_scalar(element);
    arguments[i].type = scalar[i];
    pointers[i] = &arguments[i];
  }
  Type type = type_scalar(op_result(op)->type.element);
  Op *one =
      op_new(op->block->function, op->kind, pointers, op->operand_count, op->attributes, &type, 1);
  const char *message;
  InterpretOptions options = {.arena = module->arena};
  if (!interpret_op(one, &options, operands, &result, &message)) return NULL;
  Number number = element_is_float(type.element)
                      ? number_real(element_load(type.element, result.bytes, 0))
                      : number_integer(element_load_integer(type.element, result.bytes, 0));
  Builder b = builder_before(op);
  if (op_result(op)->type.rank == 0)
    return constant_before(op, type, data_new(module->arena, type.element, 1, result.bytes));
  Attribute value = {ATTRIBUTE_value, attribute_number(number)};
  return build_typed(&b, OP_full, op_result(op)->type, NULL, &value, 1);
}

/* Whether computing the result pays: it is small, or not larger than what it is made of. */
static bool is_worth(const Constants *constants, const Op *op) {
  int64_t operands = 0, result = 0, work = 1;
  for (int i = 0; i < op->operand_count; i++) {
    if (!type_is_static(&op->operands[i]->type)) return false;
    operands += type_bytes_at_bound(&op->operands[i]->type);
  }
  for (int i = 0; i < op->result_count; i++) {
    if (!type_is_static(&op->results[i]->type)) return false;
    int64_t bytes = type_bytes_at_bound(&op->results[i]->type);
    if (bytes < 0) return false;
    result += bytes;
  }
  if (operator_has(op->kind, TRAIT_PRODUCT)) {
    work = type_static_count(&op_result(op)->type);
    int64_t weights = type_static_count(&op->operands[1]->type);
    if (work > 0 && weights > MOST_PRODUCT_WORK / work) return false;
  }
  return result <= constants->most_bytes || result <= operands || op->kind == OP_pad ||
         op->kind == OP_winograd_weight;
}

/* The moves that select makes of weights, which are made where they are wanted, and affine's
 * arithmetic. */
static const Data *fold_fast(const Constants *constants, const Op *op, const Data *const *data) {
  Arena *arena = constants->module->arena;
  const Type *from = &op->operands[0]->type, *to = &op_result(op)->type;
  int64_t before[MOST_AXES], step[MOST_AXES];
  int perm[MOST_AXES];
  switch (op->kind) {
  case OP_reshape:
    return data[0];
  case OP_transpose:
    op_permutation(op, perm);
    return data_transpose(arena, data[0], from, perm);
  case OP_pad: {
    for (int i = 0; i < from->rank; i++) {
      before[i] = op_list_integer(op, ATTRIBUTE_before, i);
      if (op_list_integer(op, ATTRIBUTE_between, i) != 0) return NULL;
    }
    Number value = op_attribute(op, ATTRIBUTE_value)->number;
    return data_pad(arena, data[0], from, to, before,
                    value.is_integer ? (double)value.integer : value.real);
  }
  case OP_slice:
    for (int i = 0; i < from->rank; i++) {
      before[i] = op_list_integer(op, ATTRIBUTE_start, i);
      step[i] = op_list_integer(op, ATTRIBUTE_step, i);
    }
    return data_slice(arena, data[0], from, to, before, step);
  case OP_winograd_weight: {
    Winograd axes[2];
    for (int i = 0; i < 2; i++)
      if (!winograd_find(op_list_integer(op, ATTRIBUTE_tile, i), dim_value(from->dims[i + 1]),
                         op_list_integer(op, ATTRIBUTE_stride, i), &axes[i]))
        return NULL;
    return data_winograd(arena, data[0], axes, dim_value(from->dims[0]),
                         dim_value(from->dims[3]) * dim_value(from->dims[4]));
  }
  default:
    break;
  }
  if (op->operand_count != 2) return NULL;
  const void *bytes = compute_binary(arena, op->kind, from, data_contents(data[0]),
                                     &op->operands[1]->type, data_contents(data[1]), to);
  for (int i = 0; i < 2; i++) data_release(data[i]);
  return bytes ? data_new(arena, to->element, type_static_count(to), bytes) : NULL;
}

/* What only moves a widened constant moves the constant: what was made small stays small. */
static Value *fold_widened(const Constants *constants, Op *op) {
  Op *cast = op->operands[0]->op;
  if (!cast || !op_widens(cast) || cast->operands[0]->type.rank == 0) return NULL;
  if (!operator_has(op->kind, TRAIT_VIEW) && op->kind != OP_pad) return NULL;
  if (op->kind == OP_broadcast || !type_is_static(&op_result(op)->type)) return NULL;
  if (op->kind == OP_pad) {
    Number value = op_attribute(op, ATTRIBUTE_value)->number;
    if ((value.is_integer ? (double)value.integer : value.real) != 0) return NULL;
  }
  const Data *data = constant_data(constants, cast->operands[0]);
  data = data ? fold_fast(constants, op, &data) : NULL;
  if (!data) return NULL;
  Type type = op_result(op)->type;
  type.element = cast->operands[0]->type.element;
  Value *moved = constant_before(op, type, data);
  Builder b = builder_before(op);
  return build_like(&b, cast, &moved);
}

Value *constant_fold(const Constants *constants, Op *op) {
  if (op->result_count != 1 || op->operand_count == 0 || op->region ||
      operator_has(op->kind, TRAIT_ORDERED))
    return NULL;
  Value *uniform = fold_uniform(constants, op);
  if (uniform) return uniform;
  if (op_widens(op) && op_result(op)->type.rank > 0) return NULL; /* small on purpose */
  Value *widened = fold_widened(constants, op);
  if (widened) return widened;
  Arena *arena = constants->module->arena;
  const Data **data = ARENA_ARRAY(arena, op->operand_count, const Data *);
  for (int i = 0; i < op->operand_count; i++) {
    data[i] = constant_data(constants, op->operands[i]);
    if (!data[i]) return NULL;
  }
  if (!is_worth(constants, op)) return NULL;
  const Type *type = &op_result(op)->type;
  const Data *result = fold_fast(constants, op, data);
  if (!result) {
    RunTensor *operands = ARENA_ARRAY(arena, op->operand_count, RunTensor), computed;
    for (int i = 0; i < op->operand_count; i++)
      operands[i] = run_tensor(&op->operands[i]->type, data[i]);
    const char *message;
    InterpretOptions options = {.arena = arena};
    if (!interpret_op(op, &options, operands, &computed, &message)) return NULL;
    result = data_new(arena, type->element, type_static_count(type), computed.bytes);
  }
  return constant_before(op, *type, result);
}

static void fold_block(Block *block, void *user) {
  const Constants *constants = user;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    if (op->result_count == 0 || op_result(op)->mark == 0) continue; /* nobody uses it */
    Value *by = constant_fold(constants, op);
    if (by) op_replace(op, by, true);
  }
}

void fold_function(const Constants *constants, Function *function) {
  dce_function(function); /* counts uses, too */
  function_blocks(function, fold_block, (void *)(uintptr_t)constants);
  graph_resolve(function);
  dce_function(function);
}

bool pass_fold(PassContext *context) {
  Constants constants = constants_of(context);
  for (size_t i = 0; i < context->module->functions.count; i++) {
    Function *function = context->module->functions.items[i];
    graph_count_uses(function);
    function_blocks(function, fold_block, &constants);
    graph_resolve(function);
  }
  return true;
}
