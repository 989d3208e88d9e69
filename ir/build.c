#include "ir/build.h"

#include "ir/infer.h"
#include "support/bug.h"

static void insert(Builder *builder, Op *op) {
  op->at = builder->at;
  op->layer = builder->layer;
  op->again = builder->again;
  if (builder->before)
    op_insert_before(builder->before, op);
  else
    op_append(builder->block, op);
}

static bool same_check(const Check *a, const Check *b) {
  return a->kind == b->kind && a->left == b->left && a->right == b->right;
}

static void add_checks(Builder *builder, const CheckList *checks) {
  CheckList *list = &builder->function->checks;
  for (size_t n = 0; n < checks->count; n++) {
    Check check = checks->items[n];
    bool known = false;
    for (size_t m = 0; m < list->count && !known; m++) known = same_check(&list->items[m], &check);
    check.at = builder->at;
    if (!known) vec_push(builder->function->module->arena, list, check);
  }
}

/* The operation, not inserted yet; NULL and builder->failure. */
static Op *make(Builder *builder, Operator kind, Value *const *operands, int operand_count,
                const Type *declared, const Attribute *given, int given_count) {
  Module *module = builder->function->module;
  Attribute attributes[MOST_ATTRIBUTES];
  Type few[8], few_results[8] = {0}, *types = few, *results = few_results;
  if (operand_count > 8) {
    types = ARENA_ARRAY(module->arena, (size_t)operand_count, Type);
    results = ARENA_ARRAY(module->arena, (size_t)infer_room(operand_count), Type);
  }
  for (int n = 0; n < operand_count; n++) types[n] = operands[n]->type;
  if (!attributes_complete(module, kind, types, operand_count, declared, given, given_count,
                           attributes, &builder->failure))
    return NULL;
  int result_count = 0;
  CheckList checks = {0};
  if (declared) results[0] = *declared;
  if (!infer(module, kind, types, operand_count, attributes, results, &result_count,
             &builder->failure, &checks))
    return NULL;
  add_checks(builder, &checks);
  Op *op =
      op_new(builder->function, kind, operands, operand_count, attributes, results, result_count);
  insert(builder, op);
  return op;
}

Value *build(Builder *builder, Operator kind, Value *const *operands, int operand_count,
             const Attribute *attributes, int attribute_count) {
  if (operator_has(kind, TRAIT_SYMBOL | TRAIT_REGION) || operator_infos[kind].most == 0)
    bug("'%s' is not made by build", operator_infos[kind].name);
  Op *op = make(builder, kind, operands, operand_count, NULL, attributes, attribute_count);
  return op ? op_result(op) : NULL;
}

/* A read gives its tensor's type, a write takes it. */
static bool check_symbol(Builder *builder, const char *symbol, const Type *type) {
  Module *module = builder->function->module;
  const Tensor *tensor = module_tensor(module, symbol);
  Failure *failure = &builder->failure;
  *failure = (Failure){.operand = -1};
  if (tensor && type_equal(&tensor->type, type)) return true;
  failure->code = E0213;
  failure->message = arena_format(
      module->arena, tensor ? "'%s' is of another type" : "no tensor is named '%s'", symbol);
  if (tensor)
    failure->label =
        arena_format(module->arena, "%s, declared as %s", type_text(module->arena, type),
                     type_text(module->arena, &tensor->type));
  return false;
}

Value *build_typed(Builder *builder, Operator kind, Type type, const char *symbol,
                   const Attribute *attributes, int attribute_count) {
  if (kind == OP_read && !check_symbol(builder, symbol, &type)) return NULL;
  Op *op = make(builder, kind, NULL, 0, &type, attributes, attribute_count);
  if (!op) return NULL;
  if (kind == OP_read) op->symbol = intern(builder->function->module->names, symbol);
  return op_result(op);
}

Op *build_write(Builder *builder, const char *symbol, Value *value) {
  if (!check_symbol(builder, symbol, &value->type)) return NULL;
  Op *op = make(builder, OP_write, &value, 1, NULL, NULL, 0);
  if (op) op->symbol = intern(builder->function->module->names, symbol);
  return op;
}

/* ---- short forms ---- */

static Value *certain(Builder *builder, Operator kind, Value *value) {
  if (value) return value;
  const Failure *f = &builder->failure;
  bug("building '%s': %s%s%s", operator_infos[kind].name, f->message, f->label ? ": " : "",
      f->label ? f->label : "");
}

Value *build_unary(Builder *builder, Operator kind, Value *x) {
  return certain(builder, kind, build(builder, kind, &x, 1, NULL, 0));
}

Value *build_binary(Builder *builder, Operator kind, Value *x, Value *y) {
  return certain(builder, kind, build(builder, kind, (Value *[]){x, y}, 2, NULL, 0));
}

Value *build_number(Builder *builder, Element element, double value) {
  Attribute attribute = {ATTRIBUTE_value, attribute_number(number_real(value))};
  return certain(builder, OP_constant,
                 build_typed(builder, OP_constant, type_scalar(element), NULL, &attribute, 1));
}

Value *build_reshape(Builder *builder, Value *x, const Dim *const *dims, int rank) {
  Attribute shape = {ATTRIBUTE_shape, attribute_dims(builder->function->module, dims, rank)};
  return certain(builder, OP_reshape, build(builder, OP_reshape, &x, 1, &shape, 1));
}

Value *build_transpose(Builder *builder, Value *x, const int *perm) {
  int64_t axes[MOST_AXES];
  for (int n = 0; n < x->type.rank; n++) axes[n] = perm[n];
  Attribute order = {ATTRIBUTE_perm,
                     attribute_integers(builder->function->module, axes, x->type.rank)};
  return certain(builder, OP_transpose, build(builder, OP_transpose, &x, 1, &order, 1));
}

/* ---- attributes ---- */

AttributeValue attribute_dim(const Dim *dim) {
  return (AttributeValue){.kind = ATTRIBUTE_DIM, .dim = dim};
}

AttributeValue attribute_integer(Module *module, int64_t value) {
  return attribute_dim(dim_constant(module->dims, value));
}

AttributeValue attribute_number(Number number) {
  return (AttributeValue){.kind = ATTRIBUTE_NUMBER, .number = number};
}

AttributeValue attribute_flag(bool flag) {
  return (AttributeValue){.kind = ATTRIBUTE_FLAG, .flag = flag};
}

AttributeValue attribute_word(const char *word) {
  return (AttributeValue){.kind = ATTRIBUTE_WORD, .word = word};
}

AttributeValue attribute_element(Element element) {
  return (AttributeValue){.kind = ATTRIBUTE_ELEMENT, .element = element};
}

AttributeValue attribute_dims(Module *module, const Dim *const *dims, int count) {
  const Dim **items = arena_copy(module->arena, dims, (size_t)count * sizeof *items);
  return (AttributeValue){.kind = ATTRIBUTE_DIMS, .dims = {items, count}};
}

AttributeValue attribute_integers(Module *module, const int64_t *values, int count) {
  const Dim **items = ARENA_ARRAY(module->arena, (size_t)count, const Dim *);
  for (int n = 0; n < count; n++) items[n] = dim_constant(module->dims, values[n]);
  return (AttributeValue){.kind = ATTRIBUTE_DIMS, .dims = {items, count}};
}

static AttributeValue lists_of(AttributeKind kind, DimList *lists, int count) {
  return (AttributeValue){.kind = kind, .lists = {lists, count}};
}

AttributeValue attribute_pairs(Module *module, const int64_t (*pairs)[2], int count) {
  DimList *lists = ARENA_ARRAY(module->arena, (size_t)count, DimList);
  for (int n = 0; n < count; n++) lists[n] = attribute_integers(module, pairs[n], 2).dims;
  return lists_of(ATTRIBUTE_PAIRS, lists, count);
}

AttributeValue attribute_two_lists(Module *module, const int64_t *first, const int64_t *second,
                                   int count) {
  DimList *lists = ARENA_ARRAY(module->arena, 2, DimList);
  lists[0] = attribute_integers(module, first, count).dims;
  lists[1] = attribute_integers(module, second, count).dims;
  return lists_of(ATTRIBUTE_LISTS, lists, 2);
}

AttributeValue attribute_data(const Data *data) {
  return (AttributeValue){.kind = ATTRIBUTE_DATA, .data = data};
}
