/* diff.h - what a pass changed, as lines of graph text. */
#ifndef DRIVER_DIFF_H
#define DRIVER_DIFF_H

#include "passes/pass.h"
#include "support/text.h"

/* "== canon  38 -> 40 operations", then the first lines that left and came, all of them if `all`.
 */
void diff_print(Text *out, const char *pass, const PassEffect *effect, const char *before,
                const char *after, bool all);

#endif
