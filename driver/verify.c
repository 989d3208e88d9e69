#include "driver/verify.h"

#include "driver/crash.h"
#include "ir/module_text.h"
#include "passes/plan_verify.h"
#include "support/bug.h"

#include <stdlib.h>
#include <string.h>

static bool is_spoilt(const Pass *pass) {
  const char *wanted = getenv("DLC_BUG");
  return wanted && strcmp(wanted, pass->name) == 0;
}

void verify_spoil_number(const Pass *pass, Module *module) {
  for (size_t i = 0; is_spoilt(pass) && i < module->functions.count; i++)
    for (Op *op = module->functions.items[i]->body->first; op; op = op->next)
      if (op->kind == OP_add) {
        op->kind = OP_sub;
        return;
      }
}

/* For the test of what a bug leaves: DLC_BUG=PASS moves an operation before what it uses. */
static void spoil(const Pass *pass, Module *module) {
  if (!is_spoilt(pass) || !module->functions.count) return;
  Block *block = module->functions.items[0]->body;
  Op *last = block->last;
  if (!last || last == block->first) return;
  block->last = last->previous;
  block->last->next = NULL;
  last->previous = NULL;
  last->next = block->first;
  block->first->previous = last;
  block->first = last;
}

bool verify_after(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Session *session = user;
  (void)effect;
  const Op *where = NULL;
  spoil(pass, module);
  const char *fault = module_verify(session->arena, module, &where);
  if (!fault && pass >= &passes[PASS_plan]) fault = plan_verify(session->arena, module, &where);
  if (!fault) return true;
  Text text = text_new(session->arena);
  if (where) {
    op_print(&text, where, (PrintOptions){.locations = true});
    crash_operation(text_get(&text));
  }
  bug("after '%s', %s", pass->name, fault);
}
