/* plan_verify.h - whether the places that `plan` gave, or that graph text says, hold: every value
 * has one of its kind (plan.h), and what is still needed is not written over.
 *
 *   const char *fault = plan_verify(arena, module, &where);
 */
#ifndef PASSES_PLAN_VERIFY_H
#define PASSES_PLAN_VERIFY_H

#include "ir/graph.h"

/* Of a module behind `plan` that module_verify accepts: what is wrong, or NULL. `where` (may be
 * NULL) is the operation. Changes marks. */
const char *plan_verify(Arena *arena, Module *module, const Op **where);

#endif
