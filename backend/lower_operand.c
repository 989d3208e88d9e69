/* lower_operand.c - where values lie: constants and tensors laid out, and operands of steps. */
#include "backend/lowerer.h"

#include "ir/trip.h"
#include "support/bug.h"

enum { ALIGN = 64 };

static int64_t align(int64_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static int64_t constant_offset(Lowerer *lw, const Data *data) {
  NativeProgram *p = lw->program;
  for (size_t i = 0; i < p->constants.count; i++)
    if (p->constants.items[i].data == data) return p->constants.items[i].offset;
  int64_t bytes = data->count * element_infos[data->element].bytes;
  ProgramConstant constant = {data, p->constants_bytes, bytes};
  vec_push(lw->arena, &p->constants, constant);
  p->constants_bytes = align(p->constants_bytes + bytes);
  return constant.offset;
}

void lowerer_lay_out(Lowerer *lw) {
  NativeProgram *p = lw->program;
  Module *module = lw->module;
  for (size_t i = 0; i < module->tensors.count; i++) module->tensors.items[i]->mark = 0;
  for (size_t i = 0; i < module->functions.count; i++)
    for (const Op *op = module->functions.items[i]->body->first; op; op = op->next)
      if (op->kind == OP_write) module_tensor(module, op->symbol)->mark = 1;
  for (int kind = TENSOR_PARAM; kind <= TENSOR_STATE; kind++)
    for (size_t i = 0; i < module->tensors.count; i++) {
      Tensor *tensor = module->tensors.items[i];
      if ((int)tensor->kind != kind) continue;
      int64_t bytes = type_bytes_at_bound(&tensor->type);
      ProgramTensor row = {tensor, -1, bytes, tensor_role(module, tensor)};
      bool written = tensor->mark != 0;
      tensor->mark = (int64_t)p->tensors.count;
      if (!tensor->data || written) {
        row.offset = p->parameter_bytes;
        p->parameter_bytes = align(p->parameter_bytes + bytes);
      }
      vec_push(lw->arena, &p->tensors, row);
    }
}

static ProgramOperand tensor_operand(Lowerer *lw, const char *name) {
  const Tensor *tensor = module_tensor(lw->module, name);
  if (!tensor) bug("no parameter '%s'", name);
  const ProgramTensor *row = &lw->program->tensors.items[tensor->mark];
  if (row->offset >= 0) return (ProgramOperand){BASE_PARAMETERS, 0, row->offset};
  return (ProgramOperand){BASE_CONSTANTS, 0, constant_offset(lw, tensor->data)};
}

const Tensor *lowerer_tensor(Lowerer *lw, const Value *value) {
  if (value->op && value->op->kind == OP_read) return module_tensor(lw->module, value->op->symbol);
  bool inside = value->place.kind == PLACE_PARAM || value->place.kind == PLACE_STATE;
  if (!inside) return NULL;
  if (value->mark == 0) bug("%%%d lies in a tensor that it is not written to", value->number);
  return lw->program->tensors.items[value->mark - 1].tensor;
}

static ProgramOperand cursor(const Lowerer *lw, const Op *scan, int number) {
  const OpenLoop *loop = lw->loop;
  while (loop->scan != scan) loop = loop->outer;
  return (ProgramOperand){BASE_CURSOR, loop->first_cursor + number, 0};
}

/* Carries lie where the scan's results do. */
static ProgramOperand scan_argument(Lowerer *lw, const Value *argument) {
  const Block *block = argument->block;
  int carries = 0, sequences = 0;
  for (int i = 0; i < argument->index; i++) {
    carries += block->binds[i] == BIND_CARRY;
    sequences += block->binds[i] == BIND_EACH;
  }
  switch (block->binds[argument->index]) {
  case BIND_CARRY:
    return lowerer_operand(lw, block->op->results[carries]);
  case BIND_EACH:
    return cursor(lw, block->op, sequences);
  default:
    return lowerer_operand(lw, block->op->operands[argument->index]);
  }
}

/* What a scan's body returns, by number: carries, then what is emitted, whose cursors come after
 * those of the sequences. */
static ProgramOperand scan_result(Lowerer *lw, const Op *scan, int64_t number) {
  int sequences = 0;
  if (number < scan->region->yield_count) return lowerer_operand(lw, scan->results[number]);
  for (int i = 0; i < scan->operand_count; i++) sequences += scan->region->binds[i] == BIND_EACH;
  return cursor(lw, scan, sequences + (int)number - scan->region->yield_count);
}

ProgramOperand lowerer_operand(Lowerer *lw, const Value *value) {
  const MemoryPlace *place = &value->place;
  const Op *op = value->op;
  const Tensor *tensor = lowerer_tensor(lw, value);
  if (tensor) return tensor_operand(lw, tensor->name);
  if (op && op->kind == OP_constant)
    return (ProgramOperand){BASE_CONSTANTS, 0,
                            constant_offset(lw, op_attribute(op, ATTRIBUTE_value)->data)};
  const Op *scan = op ? op->block->op : value->block->op;
  if (scan && !op) return scan_argument(lw, value);
  if (scan && place->kind == PLACE_CALLER) return scan_result(lw, scan, place->offset);
  switch (place->kind) {
  case PLACE_ARENA:
    return (ProgramOperand){op_is_apart(scan) ? BASE_TRIP : BASE_ARENA, 0, place->offset};
  case PLACE_CALLER:
    return (ProgramOperand){op ? BASE_OUTPUT : BASE_INPUT, place->offset, 0};
  case PLACE_VIEW: {
    ProgramOperand of = lowerer_operand(lw, place->of);
    of.offset += place->offset;
    return of;
  }
  default:
    bug("%%%d has no place", value->number);
  }
}

void lowerer_find_written(Lowerer *lw, const Function *function) {
  for (const Op *op = function->body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
  for (const Op *op = function->body->first; op; op = op->next) {
    if (op->kind != OP_write) continue;
    Value *value = op->operands[0];
    while (value->place.kind == PLACE_VIEW) value = value->place.of;
    value->mark = module_tensor(lw->module, op->symbol)->mark + 1;
  }
}
