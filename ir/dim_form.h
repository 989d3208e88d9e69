/* dim_form.h - how a Dim is stored; for dim*.c alone. */
#ifndef IR_DIM_FORM_H
#define IR_DIM_FORM_H

#include "ir/dim.h"
#include "support/vec.h"

struct Dim {
  DimTable *table;
  const DimTerm *terms; /* sorted: higher degree first, the constant last; no zero coefficient */
  int term_count;
  int size;  /* nodes when written out, at most DIM_MOST_NODES */
  int depth; /* of floors in floors, at most DIM_MOST_DEPTH */
  uint64_t hash;
  bool has_min, has_max; /* computed when first asked for */
  int64_t min, max;
};

/* Shared parts make what is written out exponentially longer than what is stored; this bounds both
 * and with them every walk. */
enum { DIM_MOST_NODES = 2048, DIM_MOST_DEPTH = 64 };

struct DimTable {
  Arena *arena;
  VEC(Symbol *) symbols;
  const Dim **slots; /* open addressing */
  size_t slot_count, used;
};

static inline int64_t floor_divide(int64_t a, int64_t b) { /* b > 0 */
  return a / b - (a % b < 0);
}

#endif
