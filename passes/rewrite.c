#include "passes/rewrite.h"

#include "passes/dce.h"
#include "support/bug.h"

Value *value_follow(Value *value) {
  while (value->forward) value = value->forward;
  return value;
}

void op_follow(Op *op) {
  for (int i = 0; i < op->operand_count; i++) op->operands[i] = value_follow(op->operands[i]);
}

Builder builder_before(Op *op) {
  return (Builder){.function = op->block->function,
                   .block = op->block,
                   .before = op,
                   .at = op->at,
                   .layer = op->layer,
                   .again = op->again};
}

void op_replace(Op *op, Value *by, bool is_new) {
  Value *old = op_result(op);
  if (!by) bug("a %s cannot be replaced by nothing", operator_infos[op->kind].name);
  if (is_new) {
    int number = by->number;
    by->number = old->number;
    old->number = number;
    by->name = old->name;
  }
  old->forward = by;
  op_remove(op);
}

Value *build_like(Builder *builder, const Op *op, Value *const *operands) {
  int count = 0;
  while (count < MOST_ATTRIBUTES && operator_infos[op->kind].attributes[count].standard) count++;
  return build(builder, op->kind, operands, op->operand_count, op->attributes, count);
}

AttributeValue attribute_sizes(Module *module, const Dim *const *dims, int count) {
  return attribute_dims(module, dims, count);
}

unsigned op_axes(const Op *op) {
  unsigned axes = 0;
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_axis); i++)
    axes |= 1u << op_list_integer(op, ATTRIBUTE_axis, i);
  return axes;
}

void op_permutation(const Op *op, int *perm) {
  for (int i = 0; i < op_result(op)->type.rank; i++)
    perm[i] = (int)op_list_integer(op, ATTRIBUTE_perm, i);
}

bool permutation_is_identity(const int *perm, int rank) {
  for (int i = 0; i < rank; i++)
    if (perm[i] != i) return false;
  return true;
}

int slice_turned_axis(const Op *op) {
  const Type *type = &op_result(op)->type;
  int turned = -1;
  if (op->kind != OP_slice || !type_equal(type, &op->operands[0]->type)) return -1;
  for (int i = 0; i < type->rank; i++) {
    if (op_list_integer(op, ATTRIBUTE_step, i) == 1) continue; /* of equal size, so all */
    if (turned >= 0 || op_list_integer(op, ATTRIBUTE_step, i) != -1) return -1;
    turned = i;
  }
  return turned;
}

Value *build_turned(Builder *b, Value *x, int axis) {
  Module *module = b->function->module;
  const Dim *start[MOST_AXES], *stop[MOST_AXES], *step[MOST_AXES];
  const Dim *one = dim_constant(module->dims, 1), *before = dim_constant(module->dims, -1);
  for (int i = 0; i < x->type.rank; i++) {
    start[i] =
        i == axis ? dim_sub(module->dims, x->type.dims[i], one) : dim_constant(module->dims, 0);
    stop[i] = i == axis ? before : x->type.dims[i];
    step[i] = i == axis ? before : one;
  }
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(module, start, x->type.rank)},
                            {ATTRIBUTE_stop, attribute_dims(module, stop, x->type.rank)},
                            {ATTRIBUTE_step, attribute_dims(module, step, x->type.rank)}};
  Value *turned = build(b, OP_slice, &x, 1, attributes, 3);
  if (!turned) bug("an axis cannot be turned round: %s", b->failure.message);
  return turned;
}

bool transpose_is_reshape(const Type *type, const int *perm) {
  int last = -1;
  for (int i = 0; i < type->rank; i++) {
    if (dim_is(type->dims[perm[i]], 1)) continue;
    if (perm[i] < last) return false;
    last = perm[i];
  }
  return true;
}

static void visit_blocks(Block *block, void (*visit)(Block *block, void *user), void *user) {
  visit(block, user);
  for (Op *op = block->first; op; op = op->next)
    if (op->region) visit_blocks(op->region, visit, user);
}

void function_blocks(Function *function, void (*visit)(Block *block, void *user), void *user) {
  visit_blocks(function->body, visit, user);
}

int module_rewrite(Module *module, void (*visit)(Block *block, void *changed)) {
  int all = 0;
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = module->functions.items[i];
    int changed = 0;
    graph_count_uses(function);
    function_blocks(function, visit, &changed);
    if (!changed) continue;
    graph_resolve(function);
    dce_function(function);
    all += changed;
  }
  return all;
}

bool value_number(const Value *value, double *number) {
  Number exact;
  if (!value_is_uniform(value, &exact)) return false;
  *number = exact.is_integer ? (double)exact.integer : exact.real;
  return true;
}
