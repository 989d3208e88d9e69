/* entries.h - which of a module's functions a build holds, apart from those that are written. */
#ifndef DRIVER_ENTRIES_H
#define DRIVER_ENTRIES_H

#include "ir/graph.h"

/* `reset`, the part of `init` that is of states which models write; nothing if there are none. */
void entries_add_reset(Module *module);
/* Leaves `init` out where nothing trains, for who names models alone (--entry): first values would
 * be half of a small program. `reset` stays. */
void entries_drop_init(Module *module);
/* Parameters that are given become constants: what learns them is left out, with its tensors. */
void entries_drop_training(Module *module);

#endif
