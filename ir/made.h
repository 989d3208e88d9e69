/* made.h - data that are computed from others when they are read: weights that a kernel wants in
 * another form, larger than they are, so that they need not be held until they are written.
 *
 *   typedef struct { MadeData made; ... what else it depends on, no pointers ... } MadeWeights;
 *   m->made = (MadeData){source, read_weights, sizeof *m};      the rest zeroed before it was set
 *   Data *data = data_made(arena, &m->made, ELEMENT_f32, count);
 */
#ifndef IR_MADE_H
#define IR_MADE_H

#include "ir/data.h"

typedef struct MadeData MadeData;
struct MadeData {
  const Data *source;
  /* Elements [from, from + count). */
  void (*read)(const MadeData *made, int64_t from, int64_t count, void *to);
  size_t bytes; /* of the struct that this begins */
};

Data *data_made(Arena *arena, const MadeData *made, Element element, int64_t count);

/* ---- for data.c ---- */
/* Of what it depends on but the source. */
uint64_t made_digest(const MadeData *made);
/* The same elements, since they are made alike of the same; false says nothing. */
bool made_equal(const MadeData *a, const MadeData *b);

#endif
