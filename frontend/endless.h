/* endless.h - layers and functions that use themselves whatever their hyperparameters are.
 *
 * resolve.c adds a use for each call that is always elaborated: not behind an `if`, in a loop that
 * may be empty, or after a conditional return. A circle of such uses never ends.
 */
#ifndef FRONTEND_ENDLESS_H
#define FRONTEND_ENDLESS_H

#include "frontend/ast.h"
#include "support/diag.h"

typedef struct Endless Endless;

Endless *endless_new(Arena *arena);
/* `user`'s body always calls `used`, at `span`. */
void endless_add(Endless *endless, const Definition *user, const Definition *used, Span span);
/* One error for each circle that is found. Linear in the uses. */
void endless_report(Endless *endless, Diagnostics *diagnostics);

#endif
