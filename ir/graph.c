#include "ir/graph.h"

#include "support/bug.h"

#include <string.h>

/* ---- modules ---- */

struct TensorIndex {
  Tensor **slots; /* open addressing by the interned name's address: order never depends on it */
  size_t slot_count, indexed;
  Tensor *const *items; /* what was indexed: another array or count means again */
};

const char *const function_kind_names[FUNCTION_KINDS] = {"model", "train", "init", "value"};

Module *module_new(Arena *arena, const char *name) {
  Module *module = ARENA_NEW(arena, Module);
  module->arena = arena;
  module->names = interner_new(arena);
  module->dims = dim_table_new(arena);
  module->name = intern(module->names, name);
  vec_push(arena, &module->files, arena_format(arena, "%s.dl", name));
  vec_push(arena, &module->file_words, "");
  return module;
}

Function *module_function(const Module *module, const char *name) {
  for (size_t i = 0; i < module->functions.count; i++)
    if (strcmp(module->functions.items[i]->name, name) == 0) return module->functions.items[i];
  return NULL;
}

static bool block_uses(const Block *block, const char *tensor) {
  for (const Op *op = block->first; op; op = op->next)
    if ((op->symbol && op->kind != OP_fused && strcmp(op->symbol, tensor) == 0) ||
        (op->region && block_uses(op->region, tensor)))
      return true;
  return false;
}

/* What follows "ENTRY." in the name, or NULL. */
static const char *name_in(const Function *function, const Tensor *tensor) {
  size_t length = strlen(function->name);
  bool inside = strncmp(tensor->name, function->name, length) == 0 && tensor->name[length] == '.';
  return inside ? tensor->name + length + 1 : NULL;
}

static bool block_writes(const Block *block, const char *tensor) {
  for (const Op *op = block->first; op; op = op->next)
    if (op->kind == OP_write && strcmp(op->symbol, tensor) == 0) return true;
  return false;
}

/* Is it of a layer that has parameters? */
static bool beside_parameter(const Module *module, const Tensor *tensor) {
  const char *dot = strrchr(tensor->name, '.');
  size_t owner = dot ? (size_t)(dot - tensor->name) + 1 : 0;
  for (size_t i = 0; owner && i < module->tensors.count; i++) {
    const Tensor *other = module->tensors.items[i];
    if (other->kind != TENSOR_STATE && strncmp(other->name, tensor->name, owner) == 0 &&
        !strchr(other->name + owner, '.'))
      return true;
  }
  return false;
}

TensorRole tensor_role(const Module *module, const Tensor *tensor) {
  if (tensor->kind != TENSOR_STATE) return ROLE_PARAMETER;
  bool trained = false, used = false;
  for (size_t i = 0; i < module->functions.count; i++) {
    const Function *function = module->functions.items[i];
    if (function->kind == FUNCTION_MODEL && block_writes(function->body, tensor->name))
      return ROLE_MEMORY;
    if (function->kind == FUNCTION_TRAIN) {
      if (name_in(function, tensor)) return ROLE_TRAINING;
      trained = true;
    } else if (function->kind != FUNCTION_INIT) {
      used = used || block_uses(function->body, tensor->name);
    }
  }
  return trained && !used && !beside_parameter(module, tensor) ? ROLE_TRAINING : ROLE_STATE;
}

const char *function_optimizer(const Function *function) {
  const Module *module = function->module;
  for (size_t i = 0; i < module->tensors.count; i++) {
    const Tensor *tensor = module->tensors.items[i];
    if (tensor_role(module, tensor) != ROLE_TRAINING || !block_uses(function->body, tensor->name))
      continue;
    const char *name = name_in(function, tensor), *end;
    if (!name) name = tensor->name;
    for (end = name; *end && *end != '.';) end++;
    const char *mark = end; /* adam_0 */
    while (mark > name && mark[-1] >= '0' && mark[-1] <= '9') mark--;
    if (mark > name + 1 && mark < end && mark[-1] == '_') end = mark - 1;
    return arena_string(module->arena, name, (size_t)(end - name));
  }
  return NULL;
}

static size_t first_slot(const struct TensorIndex *index, const char *name) {
  return (size_t)((uintptr_t)name * 0x9e3779b97f4a7c15u >> 20) & (index->slot_count - 1);
}

static void index_tensor(struct TensorIndex *index, Tensor *tensor) {
  size_t slot = first_slot(index, tensor->name);
  while (index->slots[slot] && index->slots[slot]->name != tensor->name)
    slot = (slot + 1) & (index->slot_count - 1);
  if (!index->slots[slot]) index->slots[slot] = tensor; /* of equal names the first */
}

static struct TensorIndex *index_tensors(Module *module) {
  struct TensorIndex *index = module->index;
  size_t count = module->tensors.count;
  if (!index) index = module->index = ARENA_NEW(module->arena, struct TensorIndex);
  if (count * 2 >= index->slot_count) {
    index->slot_count = 64;
    while (index->slot_count < count * 4) index->slot_count *= 2;
    index->slots = ARENA_ARRAY(module->arena, index->slot_count, Tensor *);
  } else {
    memset(index->slots, 0, index->slot_count * sizeof *index->slots);
  }
  for (size_t i = 0; i < count; i++) index_tensor(index, module->tensors.items[i]);
  index->indexed = count;
  index->items = module->tensors.items;
  return index;
}

Tensor *module_tensor(const Module *module, const char *name) {
  struct TensorIndex *index = module->index;
  if (!index || index->indexed != module->tensors.count || index->items != module->tensors.items)
    index = index_tensors((Module *)module); /* a cache: the module means the same */
  name = intern(module->names, name);
  for (size_t slot = first_slot(index, name); index->slots[slot];
       slot = (slot + 1) & (index->slot_count - 1))
    if (index->slots[slot]->name == name) return index->slots[slot];
  return NULL;
}

Tensor *module_add_tensor(Module *module, TensorKind kind, const char *name, Type type,
                          const Location *at) {
  Tensor *tensor = ARENA_NEW(module->arena, Tensor);
  *tensor = (Tensor){.kind = kind, .name = intern(module->names, name), .type = type, .at = at};
  struct TensorIndex *index = module->index;
  bool current = index && index->indexed == module->tensors.count &&
                 index->items == module->tensors.items &&
                 (module->tensors.count + 1) * 2 < index->slot_count;
  vec_push(module->arena, &module->tensors, tensor);
  if (current) {
    index_tensor(index, tensor);
    index->indexed = module->tensors.count;
    index->items = module->tensors.items;
  }
  return tensor;
}

Function *module_add_function(Module *module, FunctionKind kind, const char *name) {
  Function *function = ARENA_NEW(module->arena, Function);
  function->kind = kind;
  function->name = intern(module->names, name);
  function->module = module;
  function->body = block_new(function, NULL);
  vec_push(module->arena, &module->functions, function);
  return function;
}

Value *function_add_input(Function *function, const char *name, Type type) {
  return block_add_argument(function->body, name, type, BIND_PLAIN);
}

/* ---- blocks, values, operations ---- */

Block *block_new(Function *function, Op *op) {
  Block *block = ARENA_NEW(function->module->arena, Block);
  block->op = op;
  block->function = function;
  return block;
}

Value *value_new(Function *function, Type type) {
  Value *value = ARENA_NEW(function->module->arena, Value);
  value->type = type;
  value->number = function->next_number++;
  return value;
}

Value *block_add_argument(Block *block, const char *name, Type type, BindKind bind) {
  Module *module = block->function->module;
  Value *value = ARENA_NEW(module->arena, Value);
  value->type = type;
  value->block = block;
  value->index = block->argument_count;
  value->number = name ? -1 : block->function->next_number++;
  value->name = name ? intern(module->names, name) : NULL;
  size_t count = (size_t)block->argument_count;
  if ((count & (count - 1)) == 0) { /* room doubles at each power of two */
    size_t room = count ? 2 * count : 1;
    block->arguments =
        arena_grow(module->arena, block->arguments, count, room, sizeof *block->arguments);
    block->binds = arena_grow(module->arena, block->binds, count, room, sizeof *block->binds);
  }
  block->arguments[count] = value;
  block->binds[count] = bind;
  block->argument_count++;
  return value;
}

Op *op_new(Function *function, Operator kind, Value *const *operands, int operand_count,
           const Attribute *attributes, const Type *results, int result_count) {
  Arena *arena = function->module->arena;
  Op *op = ARENA_NEW(arena, Op);
  op->kind = kind;
  op->operands = arena_copy(arena, operands, (size_t)operand_count * sizeof *operands);
  op->operand_count = operand_count;
  op->results = ARENA_ARRAY(arena, (size_t)result_count, Value *);
  op->result_count = result_count;
  for (int i = 0; i < result_count; i++) {
    op->results[i] = value_new(function, results[i]);
    op->results[i]->op = op;
    op->results[i]->index = i;
  }
  int count = operator_attribute_count(kind);
  op->attributes = arena_copy(arena, attributes, (size_t)count * sizeof *attributes);
  return op;
}

void op_append(Block *block, Op *op) {
  op->block = block;
  op->previous = block->last;
  op->next = NULL;
  *(block->last ? &block->last->next : &block->first) = op;
  block->last = op;
}

void op_insert_before(Op *where, Op *op) {
  op->block = where->block;
  op->next = where;
  op->previous = where->previous;
  *(where->previous ? &where->previous->next : &where->block->first) = op;
  where->previous = op;
}

void op_insert_after(Op *where, Op *op) {
  if (where->next)
    op_insert_before(where->next, op);
  else
    op_append(where->block, op);
}

void op_remove(Op *op) {
  *(op->previous ? &op->previous->next : &op->block->first) = op->next;
  *(op->next ? &op->next->previous : &op->block->last) = op->previous;
  op->previous = op->next = NULL;
  op->block = NULL;
}

/* ---- walks ---- */

static Value *follow(Value *value) {
  if (!value || !value->forward) return value;
  Value *end = value;
  while (end->forward) end = end->forward;
  while (value->forward) { /* shorten the way for the next one */
    Value *next = value->forward;
    value->forward = end;
    value = next;
    if (value == end) break;
  }
  return end;
}

static void resolve_block(Block *block) {
  for (Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) op->operands[i] = follow(op->operands[i]);
    for (int i = 0; i < op->result_count; i++)
      op->results[i]->place.of = follow(op->results[i]->place.of);
    if (op->region) resolve_block(op->region);
  }
  for (int i = 0; i < block->yield_count; i++) block->yields[i] = follow(block->yields[i]);
  for (int i = 0; i < block->emit_count; i++) block->emits[i] = follow(block->emits[i]);
  block->while_ = follow(block->while_);
}

void graph_resolve(Function *function) {
  resolve_block(function->body);
}

static void clear_marks(Block *block) {
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = 0;
  for (Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
    if (op->region) clear_marks(op->region);
  }
}

static void count_uses(Block *block) {
  for (Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) op->operands[i]->mark++;
    if (op->region) count_uses(op->region);
  }
  for (int i = 0; i < block->yield_count; i++) block->yields[i]->mark++;
  for (int i = 0; i < block->emit_count; i++) block->emits[i]->mark++;
  if (block->while_) block->while_->mark++;
}

void graph_count_uses(Function *function) {
  clear_marks(function->body);
  count_uses(function->body);
}

static int number_block(Block *block, int next) {
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = next++;
  for (Op *op = block->first; op; op = op->next) {
    if (op->region) next = number_block(op->region, next);
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = next++;
  }
  return next;
}

int graph_number_values(Function *function) {
  return number_block(function->body, 0);
}

static int block_operations(const Block *block, bool into_regions) {
  int count = 0;
  for (const Op *op = block->first; op; op = op->next) {
    count++;
    if (into_regions && op->region) count += block_operations(op->region, true);
  }
  return count;
}

int function_operations(const Function *function, bool into_regions) {
  return block_operations(function->body, into_regions);
}

/* ---- attributes ---- */

static AttributeValue *find_attribute(const Op *op, AttributeName name) {
  for (int i = 0; i < operator_attribute_count(op->kind); i++)
    if (op->attributes[i].name == name) return &op->attributes[i].value;
  bug("%s has no attribute %s", operator_infos[op->kind].name, attribute_names[name]);
}

const AttributeValue *op_attribute(const Op *op, AttributeName name) {
  return find_attribute(op, name);
}

void op_set_attribute(Op *op, AttributeName name, AttributeValue value) {
  *find_attribute(op, name) = value;
}

static const AttributeValue *of_kind(const Op *op, AttributeName name, AttributeKind kind) {
  const AttributeValue *value = find_attribute(op, name);
  if (value->kind != kind)
    bug("attribute %s of %s is of another kind", attribute_names[name],
        operator_infos[op->kind].name);
  return value;
}

int64_t op_integer(const Op *op, AttributeName name) {
  return dim_value(of_kind(op, name, ATTRIBUTE_DIM)->dim);
}

bool op_flag(const Op *op, AttributeName name) {
  return of_kind(op, name, ATTRIBUTE_FLAG)->flag;
}

const char *op_word(const Op *op, AttributeName name) {
  return of_kind(op, name, ATTRIBUTE_WORD)->word;
}

int op_list_count(const Op *op, AttributeName name) {
  const AttributeValue *value = find_attribute(op, name);
  if (value->kind == ATTRIBUTE_PAIRS || value->kind == ATTRIBUTE_LISTS) return value->lists.count;
  return of_kind(op, name, ATTRIBUTE_DIMS)->dims.count;
}

const Dim *op_list_dim(const Op *op, AttributeName name, int i) {
  const AttributeValue *value = of_kind(op, name, ATTRIBUTE_DIMS);
  if (i < 0 || i >= value->dims.count)
    bug("%s of %s has no element %d", attribute_names[name], operator_infos[op->kind].name, i);
  return value->dims.items[i];
}

int64_t op_list_integer(const Op *op, AttributeName name, int i) {
  return dim_value(op_list_dim(op, name, i));
}

int64_t op_pair_integer(const Op *op, AttributeName name, int i, int side) {
  const AttributeValue *value = of_kind(op, name, ATTRIBUTE_PAIRS);
  if (i < 0 || i >= value->lists.count)
    bug("%s of %s has no pair %d", attribute_names[name], operator_infos[op->kind].name, i);
  return dim_value(value->lists.items[i].items[side]);
}

static Number data_number(const Data *data, int64_t index) {
  return element_is_float(data->element) ? number_real(data_get(data, index))
                                         : number_integer(data_get_integer(data, index));
}

/* Larger constants are weights, which hardly are uniform: not worth reading. */
enum { MOST_UNIFORM = 4096 };

static bool data_is_uniform(const Data *data, Number *number) {
  if (!data_is_known(data) || data->count < 1 || data->count > MOST_UNIFORM) return false;
  const char *bytes = data_contents(data);
  int size = element_infos[data->element].bytes;
  for (int64_t i = 1; i < data->count; i++)
    if (memcmp(bytes, bytes + i * size, (size_t)size) != 0) return false;
  *number = data_number(data, 0);
  return true;
}

bool windows_are_apart(const Op *op) {
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_kernel); i++) {
    int64_t kernel = op_list_integer(op, ATTRIBUTE_kernel, i);
    if (kernel > 1 && op_list_integer(op, ATTRIBUTE_dilation, i) != 1) return false;
    if (op_list_integer(op, ATTRIBUTE_stride, i) < kernel) return false;
  }
  return true;
}

const char *small_type_name(Element element) {
  return element == ELEMENT_i8 ? "int8" : element_infos[element].name;
}

bool op_widens(const Op *op) {
  if (op->kind != OP_cast || op->results[0]->type.element != ELEMENT_f32) return false;
  Element from = op->operands[0]->type.element;
  return from == ELEMENT_bf16 || from == ELEMENT_f16 || from == ELEMENT_i8;
}

int64_t panel_turns(const Op *op) {
  if (op_flag(op, ATTRIBUTE_pairs)) return 2;
  return op->kind == OP_dot_panel ? op_integer(op, ATTRIBUTE_turns) : 1;
}

bool conv_weight_is_winograd(const Op *op) {
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_tile); i++)
    if (op_list_integer(op, ATTRIBUTE_tile, i) != 1) return true;
  return false;
}

bool value_is_uniform(const Value *value, Number *number) {
  for (const Op *op = value->op; op; op = op->operands[0]->op) {
    switch (op->kind) {
    case OP_constant:
      return data_is_uniform(op_attribute(op, ATTRIBUTE_value)->data, number);
    case OP_full:
      *number = op_attribute(op, ATTRIBUTE_value)->number;
      return true;
    case OP_broadcast:
    case OP_reshape:
    case OP_transpose:
    case OP_slice:
      break;
    default:
      return false;
    }
  }
  return false;
}
