#include "backend/interface.h"

#include <string.h>

static bool type_uses(const Type *type, const Symbol *symbol) {
  for (int axis = 0; axis < type->rank; axis++)
    if (dim_uses(type->dims[axis], symbol)) return true;
  return false;
}

/* In an input's type, or, as of noise that a step without inputs draws, in any value's. */
static bool block_uses(const Block *block, const Symbol *symbol) {
  for (int i = 0; i < block->argument_count; i++)
    if (type_uses(&block->arguments[i]->type, symbol)) return true;
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++)
      if (type_uses(&op->results[i]->type, symbol)) return true;
    if (op->region && block_uses(op->region, symbol)) return true;
  }
  return false;
}

int entry_dims(const NativeProgram *program, const ProgramEntry *entry, const Symbol **dims) {
  int count = 0;
  DimTable *table = program->module->dims;
  for (int i = 0; i < dim_symbol_count(table); i++) {
    const Symbol *symbol = dim_symbol_at(table, i);
    if (!symbol->is_index && symbol->min != symbol->max &&
        block_uses(entry->function->body, symbol))
      dims[count++] = symbol;
  }
  for (size_t i = 0; i < entry->function->dims.count; i++)
    dims[count++] = entry->function->dims.items[i];
  return count;
}

const char *entry_symbol(Arena *arena, const NativeProgram *program, const ProgramEntry *entry) {
  if (strcmp(entry->function->name, program->name) == 0) return program->name;
  return arena_format(arena, "%s_%s", program->name, entry->function->name);
}

bool program_has_variables(const NativeProgram *program) {
  for (size_t i = 0; i < program->tensors.count; i++)
    if (program->tensors.items[i].offset >= 0 && program->tensors.items[i].role != ROLE_MEMORY)
      return true;
  return false;
}
