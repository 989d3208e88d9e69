/* uses.h - who uses a value, of the operations of a function's own block.
 *
 * A snapshot: made once, valid until operands change. Value.mark and Op.mark are its indices. */
#ifndef PASSES_USES_H
#define PASSES_USES_H

#include "ir/graph.h"

typedef struct {
  int op_count;
  Op **ops;        /* in order; Op.mark is the index */
  int value_count; /* Value.mark is the index */
  int *first;      /* users of value v: users[first[v]] .. users[first[v + 1] - 1], in order */
  Op **users;      /* NULL: the function returns it */
} Uses;

Uses uses_of(Arena *arena, const Function *function);

static inline int use_count(const Uses *uses, const Value *value) {
  return uses->first[value->mark + 1] - uses->first[value->mark];
}
static inline Op *use_at(const Uses *uses, const Value *value, int i) {
  return uses->users[uses->first[value->mark] + i];
}

#endif
