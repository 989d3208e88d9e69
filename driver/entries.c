#include "driver/entries.h"

#include <string.h>

static bool is_reset(const Function *function) {
  return function->kind == FUNCTION_INIT && strcmp(function->name, "reset") == 0;
}

void entries_add_reset(Module *module) {
  const Function *init = module_function(module, "init");
  bool needed = false;
  for (size_t i = 0; i < module->tensors.count; i++)
    needed = needed || tensor_role(module, module->tensors.items[i]) == ROLE_MEMORY;
  if (!needed || !init || init->kind != FUNCTION_INIT) return;
  Function *reset = function_copy(module, init, "reset");
  for (Op *op = reset->body->first, *next; op; op = next) {
    next = op->next;
    if (op->kind == OP_write &&
        tensor_role(module, module_tensor(module, op->symbol)) != ROLE_MEMORY)
      op_remove(op);
  }
}

void entries_drop_init(Module *module) {
  size_t kept = 0;
  for (size_t i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->kind == FUNCTION_TRAIN) return;
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = module->functions.items[i];
    if (function->kind != FUNCTION_INIT || is_reset(function))
      module->functions.items[kept++] = function;
  }
  module->functions.count = kept;
}

static bool is_used(const Block *block, const char *tensor) {
  for (const Op *op = block->first; op; op = op->next)
    if (((op->kind == OP_read || op->kind == OP_write) && strcmp(op->symbol, tensor) == 0) ||
        (op->region && is_used(op->region, tensor)))
      return true;
  return false;
}

/* Runs whose entries are not all there. */
static void drop_runs(Module *module) {
  size_t kept = 0;
  for (size_t i = 0; i < module->runs.count; i++) {
    const PageRun *run = &module->runs.items[i];
    bool whole = true;
    for (size_t k = 0; k < run->lines.count; k++)
      whole = whole && module_function(module, run->lines.items[k].entry);
    if (whole) module->runs.items[kept++] = *run;
  }
  module->runs.count = kept;
}

void entries_drop_training(Module *module) {
  size_t kept = 0, models = 0;
  for (size_t i = 0; i < module->functions.count; i++)
    models += module->functions.items[i]->kind == FUNCTION_MODEL;
  if (!models) return;
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = module->functions.items[i];
    if (function->kind == FUNCTION_MODEL || is_reset(function))
      module->functions.items[kept++] = function;
  }
  bool dropped = kept < module->functions.count;
  module->functions.count = kept;
  module->schedule.count = 0;
  drop_runs(module);
  size_t tensors = 0;
  for (size_t i = 0; i < module->tensors.count && dropped; i++) {
    bool used = false;
    for (size_t k = 0; k < kept && !used; k++)
      used = is_used(module->functions.items[k]->body, module->tensors.items[i]->name);
    if (used) module->tensors.items[tensors++] = module->tensors.items[i];
  }
  if (!dropped) return;
  module->tensors.count = tensors;
  module->index = NULL;
}
