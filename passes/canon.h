/* canon.h - the one form of operations, also at the end of other passes. */
#ifndef PASSES_CANON_H
#define PASSES_CANON_H

#include "passes/pass.h"

void canon_function(Function *function);

#endif
