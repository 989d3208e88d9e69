/* faults.h - which operations of a function look for indices out of range, before it writes.
 *
 * Indices that depend on inputs alone must be found to be right before the first parameter or state
 * changes, so that a call with a wrong label has changed nothing. `order` and `plan` keep what
 * checks them in front of what writes. An index that an earlier operation has checked against the
 * same size needs no second look: so an embedding's gradient, which scatters where the embedding
 * gathered, may come after the first update. */
#ifndef PASSES_FAULTS_H
#define PASSES_FAULTS_H

#include "ir/graph.h"

/* For each operation of the function's block, by its number in order: does it check an index that
 * depends on inputs alone, and that none before it has checked? NULL: none does. Value.mark is
 * changed. */
const bool *faults_of(Arena *arena, Function *function);

#endif
