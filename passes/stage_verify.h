/* stage_verify.h - whether graph text that stands behind a pass holds what later passes and the
 * back end take for granted of it: behind `loops` scans go along axis 0, behind `fuse` a kernel of
 * rows has rows of one kind, behind `plan` places are those of plan_verify.h.
 *
 *   const char *fault = stage_verify(arena, module, &where);
 */
#ifndef PASSES_STAGE_VERIFY_H
#define PASSES_STAGE_VERIFY_H

#include "ir/graph.h"

/* Of a module that module_verify accepts, by its Module.after: what is wrong, or NULL. `where` (may
 * be NULL) is the operation. Changes marks. */
const char *stage_verify(Arena *arena, Module *module, const Op **where);

#endif
