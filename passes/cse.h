/* cse.h - joining equal operations, also at the end of other passes. */
#ifndef PASSES_CSE_H
#define PASSES_CSE_H

#include "passes/pass.h"

void cse_function(Function *function, Arena *scratch);

#endif
