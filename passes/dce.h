/* dce.h - dropping dead operations, also at the end of other passes. */
#ifndef PASSES_DCE_H
#define PASSES_DCE_H

#include "passes/pass.h"

void dce_function(Function *function);

#endif
