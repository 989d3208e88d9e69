#include "driver/verify.h"

#include "ir/module_text.h"
#include "support/bug.h"

bool verify_after(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Session *session = user;
  (void)effect;
  const Op *where = NULL;
  const char *fault = module_verify(session->arena, module, &where);
  if (!fault) return true;
  Text text = text_new(session->arena);
  if (where) op_print(&text, where, (PrintOptions){.locations = true});
  bug("after '%s', %s\n  operation  %s", pass->name, fault, text_get(&text));
}
