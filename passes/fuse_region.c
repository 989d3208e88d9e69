#include "passes/fuse_region.h"

#include "passes/rewrite.h"
#include "support/bug.h"

#include <stdio.h>
#include <string.h>

bool op_is_generator(const Op *op) {
  switch (op->kind) {
  case OP_constant:
    return op_result(op)->type.rank == 0;
  case OP_full:
  case OP_iota:
  case OP_dim_value:
    return true;
  default:
    return false;
  }
}

static bool is_product(const Op *op) {
  return operator_has(op->kind, TRAIT_PRODUCT);
}

KernelKind kernel_kind(const Op *fused) {
  KernelKind kind = KERNEL_MAP;
  for (const Op *op = fused->region->first; op; op = op->next) {
    if (is_product(op)) return KERNEL_PRODUCT;
    if (op->kind == OP_softmax) kind = KERNEL_ROW;
    if (!operator_has(op->kind, TRAIT_REDUCTION)) continue;
    const Op *from = op->operands[0]->op;
    if (!from || from->kind != OP_windows) kind = KERNEL_ROW;
  }
  return kind;
}

/* ---- names ---- */

/* The word for an operation in its kernel's name; NULL: it goes without saying. */
static const char *telling_word(const Op *op) {
  switch (op->kind) {
  case OP_conv:
  case OP_conv_panel:
  case OP_conv_winograd:
    return "conv";
  case OP_dot:
  case OP_dot_panel:
    return "dot";
  case OP_windows:
    return "pool";
  case OP_maximum: {
    double number;
    return value_number(op->operands[1], &number) && number == 0 ? "relu" : NULL;
  }
  case OP_rsqrt:
    return "norm";
  case OP_conv_transpose:
  case OP_conv_weight:
  case OP_winograd_weight:
  case OP_softmax:
  case OP_attention:
  case OP_attention_gradient:
  case OP_tanh:
  case OP_erf:
  case OP_exp:
  case OP_log:
  case OP_pow:
  case OP_gather:
  case OP_concat:
    return operator_infos[op->kind].name;
  default:
    return NULL;
  }
}

static const char *kernel_name(Module *module, const OpList *ops, const char *only, int number) {
  Text text = text_new(module->arena);
  text_format(&text, "k%d", number);
  const char *words[3];
  if (only) {
    text_format(&text, "_%s", only);
    return intern(module->names, text_get(&text));
  }
  int count = 0;
  for (size_t i = 0; i < ops->count && count < 3; i++) {
    const char *word = telling_word(ops->items[i]);
    bool again = false;
    for (int j = 0; j < count; j++) again = again || (word && strcmp(words[j], word) == 0);
    if (word && !again) words[count++] = word;
  }
  if (count == 0) words[count++] = operator_infos[vec_last(ops)->kind].name;
  for (int i = 0; i < count; i++) text_format(&text, "_%s", words[i]);
  return intern(module->names, text_get(&text));
}

static const char *argument_name(Module *module, int index, bool product) {
  static const char *const letters[] = {"xwbcdefgh", "xyzabcdef"};
  char name[24];
  if (index < 9)
    snprintf(name, sizeof name, "%c", letters[product ? 0 : 1][index]);
  else
    snprintf(name, sizeof name, "v%d", index);
  return intern(module->names, name);
}

/* ---- regions ---- */

typedef struct {
  Function *function;
  Op *fused;
  VEC(Value *) outside;
  VEC(Op *) generators; /* that have a copy in the region: */
  VEC(Value *) clones;
  bool product;
} Fusing;

static Value *bind(Fusing *f, Value *value) {
  Block *region = f->fused->region;
  for (size_t i = 0; i < f->outside.count; i++)
    if (f->outside.items[i] == value) return region->arguments[i];
  const char *name = argument_name(f->function->module, (int)f->outside.count, f->product);
  vec_push(f->function->module->arena, &f->outside, value);
  return block_add_argument(region, name, value->type, BIND_PLAIN);
}

/* Binds a product's first operand. */
static void bind_first(Fusing *f, const Op *product, const OpList *ops) {
  Value *value = product->operands[0];
  for (size_t i = 0; i < ops->count; i++)
    if (ops->items[i] == value->op) return;
  if (!value->op || !op_is_generator(value->op)) (void)bind(f, fused_value(value));
}

/* A copy of a generator, one in a region. */
static Value *clone(Fusing *f, Op *op) {
  for (size_t i = 0; i < f->generators.count; i++)
    if (f->generators.items[i] == op) return f->clones.items[i];
  Op *copy = op_new(f->function, op->kind, NULL, 0, op->attributes, &op_result(op)->type, 1);
  copy->at = op->at, copy->layer = op->layer, copy->why = op->why;
  op_append(f->fused->region, copy);
  vec_push(f->function->module->arena, &f->generators, op);
  vec_push(f->function->module->arena, &f->clones, op_result(copy));
  return op_result(copy);
}

Value *fused_value(Value *value) {
  const Op *kernel = value->op ? value->op->block->op : NULL;
  for (int i = 0; kernel && i < kernel->result_count; i++)
    if (kernel->region->yields[i] == value) return kernel->results[i];
  return value;
}

Op *fused_new(Function *function, Value *const *operands, int operand_count, const Type *results,
              int result_count) {
  Attribute parts = {ATTRIBUTE_parts, attribute_integer(function->module, 0)};
  Op *op = op_new(function, OP_fused, operands, operand_count, &parts, results, result_count);
  op->region = block_new(function, op);
  return op;
}

void fuse_region(Function *function, const OpList *ops, const ValueList *yields, const char *word,
                 int number) {
  Module *module = function->module;
  Op *last = vec_last(ops);
  int count = (int)yields->count;
  Fusing f = {.function = function};
  const Op *product = NULL;
  for (size_t i = 0; i < ops->count; i++)
    if (is_product(ops->items[i])) product = ops->items[i];
  f.product = product != NULL;
  Type *types = ARENA_ARRAY(module->arena, (size_t)count, Type);
  for (int i = 0; i < count; i++) types[i] = yields->items[i]->type;
  Op *fused = f.fused = fused_new(function, NULL, 0, types, count);
  fused->symbol = kernel_name(module, ops, word, number);
  fused->at = last->at, fused->layer = last->layer;
  op_insert_before(last, fused);
  if (product) bind_first(&f, product, ops); /* x, w whatever stands before the product */
  for (size_t i = 0; i < ops->count; i++) {
    Op *op = ops->items[i];
    op_remove(op);
    for (int j = 0; j < op->operand_count; j++) {
      Op *from = op->operands[j]->op;
      if (from && from->block == fused->region) continue;
      bool copied = from && op_is_generator(from);
      op->operands[j] = copied ? clone(&f, from) : bind(&f, fused_value(op->operands[j]));
    }
    op_append(fused->region, op);
  }
  fused->operands = f.outside.items;
  fused->operand_count = (int)f.outside.count;
  fused->region->yields = ARENA_ARRAY(module->arena, (size_t)count, Value *);
  fused->region->yield_count = count;
  for (int i = 0; i < count; i++) {
    Value *inner = fused->region->yields[i] = yields->items[i], *outer = fused->results[i];
    outer->number = inner->number;
    outer->name = inner->name;
    outer->mark = inner->mark;
  }
}

Value *fused_bind(Op *kernel, Value *value) {
  Block *region = kernel->region;
  if (value->op == kernel) return region->yields[value->index];
  for (int i = 0; i < kernel->operand_count; i++)
    if (kernel->operands[i] == value) return region->arguments[i];
  size_t count = (size_t)kernel->operand_count;
  kernel->operands = arena_grow(region->function->module->arena, kernel->operands, count, count + 1,
                                sizeof *kernel->operands);
  kernel->operands[kernel->operand_count++] = value;
  return block_add_argument(region, NULL, value->type, BIND_PLAIN);
}

static void move_into(Op *op, Op *kernel) {
  op_remove(op);
  op_append(kernel->region, op);
}

void fused_absorb(Op *kernel, Op *op) {
  if (op->kind != OP_fused) {
    for (int i = 0; i < op->operand_count; i++)
      op->operands[i] = fused_bind(kernel, op->operands[i]);
    move_into(op, kernel);
    return;
  }
  for (int i = 0; i < op->operand_count; i++)
    op->region->arguments[i]->forward = fused_bind(kernel, op->operands[i]);
  for (Op *inner = op->region->first, *next; inner; inner = next) {
    next = inner->next;
    op_follow(inner);
    move_into(inner, kernel);
  }
  op_remove(op);
}

void fused_rename(Op *kernel) {
  Module *module = kernel->block->function->module;
  OpList ops = {0};
  for (Op *op = kernel->region->first; op; op = op->next) vec_push(module->arena, &ops, op);
  kernel->symbol = kernel_name(module, &ops, NULL, 0);
}

Value *fused_yield(Op *kernel, Value *inner) {
  Function *function = kernel->block->function;
  Arena *arena = function->module->arena;
  Block *region = kernel->region;
  size_t count = (size_t)kernel->result_count;
  Value *result = value_new(function, inner->type);
  result->op = kernel;
  result->index = kernel->result_count;
  result->number = inner->number;
  region->yields = arena_grow(arena, region->yields, count, count + 1, sizeof *region->yields);
  region->yields[region->yield_count++] = inner;
  kernel->results = arena_grow(arena, kernel->results, count, count + 1, sizeof *kernel->results);
  kernel->results[kernel->result_count++] = result;
  return result;
}

Op *fused_wrap(Op *op) {
  Function *function = op->block->function;
  Module *module = function->module;
  Op *kernel = fused_new(function, NULL, 0, &op_result(op)->type, 1);
  kernel->symbol =
      intern(module->names, arena_format(module->arena, "k0_%s", operator_infos[op->kind].name));
  kernel->at = op->at, kernel->layer = op->layer, kernel->mark = op->mark;
  op_result(kernel)->number = op_result(op)->number;
  op_insert_before(op, kernel);
  fused_absorb(kernel, op);
  kernel->region->yields = ARENA_ARRAY(module->arena, 1, Value *);
  kernel->region->yields[0] = op_result(op);
  kernel->region->yield_count = 1;
  return kernel;
}

void fused_renumber(Function *function) {
  Module *module = function->module;
  int number = 0;
  for (Op *op = function->body->first; op; op = op->next) {
    if (op->kind != OP_fused) continue;
    const char *word = strchr(op->symbol, '_'); /* none: a name of the reader's own */
    word = word ? word + 1 : op->symbol;
    op->symbol = intern(module->names, arena_format(module->arena, "k%d_%s", number++, word));
  }
}
