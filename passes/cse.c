/* cse - makes equal operations one.
 *
 *   before  %1 = exp %x   %2 = exp %x   %3 = add %1, %2
 *   after   %1 = exp %x                 %3 = add %1, %1
 *
 * Operations are equal if kind, operands, attributes and result types are; reads of a state, if no
 * write stands between. Those with regions, ordered ones and those made again on purpose stay.
 * Afterwards no two operations of a block are equal. Linear, by hashing. */
#include "passes/cse.h"

#include "ir/made.h"
#include "ir/move.h"
#include "passes/rewrite.h"

#include <string.h>

/* Constants above this are equal only if they are the same bytes in memory. */
enum { MOST_COMPARED = 4096 };

typedef struct {
  Op **slots;
  size_t mask;
  int64_t epoch; /* counts the writes before */
} Table;

static uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

static uint64_t hash_pointer(uint64_t hash, const void *pointer) {
  return mix(hash, (uint64_t)(uintptr_t)pointer);
}

static uint64_t hash_list(uint64_t hash, const DimList *list) {
  hash = mix(hash, (uint64_t)list->count);
  for (int i = 0; i < list->count; i++) hash = hash_pointer(hash, list->items[i]);
  return hash;
}

static uint64_t hash_data(uint64_t hash, const Data *data) {
  int64_t size = data_bytes(data);
  if (size > MOST_COMPARED || !data_is_known(data))
    return mix(hash_pointer(hash, data->bytes), (uint64_t)size);
  const unsigned char *bytes = data_contents(data);
  for (int64_t i = 0; i < size; i++) hash = hash * 31 + bytes[i];
  return mix(hash, (uint64_t)size);
}

static uint64_t hash_attribute(uint64_t hash, const AttributeValue *value) {
  switch (value->kind) {
  case ATTRIBUTE_DIM:
    return hash_pointer(hash, value->dim);
  case ATTRIBUTE_NUMBER: {
    double number = value->number.is_integer ? (double)value->number.integer : value->number.real;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return mix(hash, bits);
  }
  case ATTRIBUTE_FLAG:
    return mix(hash, value->flag);
  case ATTRIBUTE_WORD:
    return mix(hash, strlen(value->word));
  case ATTRIBUTE_ELEMENT:
    return mix(hash, value->element);
  case ATTRIBUTE_DIMS:
    return hash_list(hash, &value->dims);
  case ATTRIBUTE_PAIRS:
  case ATTRIBUTE_LISTS:
    for (int i = 0; i < value->lists.count; i++) hash = hash_list(hash, &value->lists.items[i]);
    return hash;
  case ATTRIBUTE_DATA:
    return hash_data(hash, value->data);
  }
  return hash;
}

static bool data_same(const Data *a, const Data *b) {
  if (a == b) return true;
  if (a->element != b->element || a->count != b->count) return false;
  if (a->bytes == b->bytes && a->bytes) return true;
  if (a->move && b->move && move_equal(a->move, b->move)) return true;
  if (a->made && b->made && made_equal(a->made, b->made)) return true;
  return data_is_known(a) && data_is_known(b) && data_bytes(a) <= MOST_COMPARED &&
         memcmp(data_contents(a), data_contents(b), (size_t)data_bytes(a)) == 0;
}

static int attribute_count(const Op *op) {
  int count = 0;
  while (count < MOST_ATTRIBUTES && operator_infos[op->kind].attributes[count].standard) count++;
  return count;
}

static uint64_t hash_op(const Op *op) {
  uint64_t hash = mix(0, op->kind);
  for (int i = 0; i < op->operand_count; i++) hash = hash_pointer(hash, op->operands[i]);
  for (int i = 0; i < attribute_count(op); i++)
    hash = hash_attribute(hash, &op->attributes[i].value);
  const Type *type = &op_result(op)->type;
  for (int i = 0; i < type->rank; i++) hash = hash_pointer(hash, type->dims[i]);
  hash = mix(hash, type->element);
  return hash_pointer(hash, op->symbol);
}

static bool op_equal(const Op *a, const Op *b) {
  if (a->kind != b->kind || a->operand_count != b->operand_count || a->symbol != b->symbol ||
      a->result_count != b->result_count || a->mark != b->mark)
    return false;
  for (int i = 0; i < a->operand_count; i++)
    if (a->operands[i] != b->operands[i]) return false;
  for (int i = 0; i < a->result_count; i++)
    if (!type_equal(&a->results[i]->type, &b->results[i]->type)) return false;
  for (int i = 0; i < attribute_count(a); i++) {
    const AttributeValue *x = &a->attributes[i].value, *y = &b->attributes[i].value;
    bool same = x->kind == ATTRIBUTE_DATA ? data_same(x->data, y->data) : attribute_equal(x, y);
    if (!same) return false;
  }
  return true;
}

static void cse_op(Table *table, Op *op) {
  if (op->region || op->again || op->result_count == 0 || operator_has(op->kind, TRAIT_ORDERED))
    return;
  op->mark = op->kind == OP_read ? table->epoch : 0;
  size_t slot = hash_op(op) & table->mask;
  for (Op *other; (other = table->slots[slot]); slot = (slot + 1) & table->mask) {
    if (!op_equal(other, op)) continue;
    for (int i = 0; i < op->result_count; i++) op->results[i]->forward = other->results[i];
    op_remove(op);
    return;
  }
  table->slots[slot] = op;
}

static void cse_block(Block *block, void *user) {
  Arena *scratch = user;
  size_t count = 0, room = 16;
  for (const Op *op = block->first; op; op = op->next) count++;
  while (room < 2 * count) room *= 2;
  Table table = {ARENA_ARRAY(scratch, room, Op *), room - 1, 0};
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    if (op->kind == OP_write || op->region) table.epoch++;
    cse_op(&table, op);
  }
}

void cse_function(Function *function, Arena *scratch) {
  function_blocks(function, cse_block, scratch);
  graph_resolve(function);
}

bool pass_cse(PassContext *context) {
  for (size_t i = 0; i < context->module->functions.count; i++)
    cse_function(context->module->functions.items[i], context->scratch);
  return true;
}
