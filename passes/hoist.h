/* hoist.h - the pieces of the pass `hoist`, for its files alone: hoist.c walks the scans and moves
 * what comes before a loop, hoist_sink.c what comes after it, hoist_lift.c computes an operation
 * for all trips at once.
 *
 * The body's values are of three kinds: the same in each trip, made of a trip's element alone, or
 * waiting for the trip before. `outer` is what a value is outside of the loop: itself, or the
 * sequence of all its values, the trips along the first axis in the order of the elements. */
#ifndef PASSES_HOIST_H
#define PASSES_HOIST_H

#include "passes/rewrite.h"

typedef enum { HOIST_SAME, HOIST_ALONG, HOIST_WAITS } HoistKind;

typedef struct {
  PassContext *context;
  Module *module;
  Op *scan;
  Block *body;
  const Dim *trips;
  int ops, values;
  HoistKind *kind; /* by Value.mark, which numbers the body's own values */
  Value **outer;   /* the same; NULL: not outside yet */
  int *uses;       /* the same: in the body, its yields, emits and `while` included */
  bool *moved;     /* by Op.mark: leaves the body */
  int *stamps;     /* by Op.mark: of the last search that met it */
  int stamp;
  int moves;
} Hoist;

/* ---- hoist_lift.c ---- */

/* Whether the operation can be computed for all trips at once. */
bool hoist_can_lift(const Hoist *h, const Op *op);
/* Does so, from the operands' outer values; or copies it, if it is the same in each trip. */
Value *hoist_lift(Hoist *h, Builder *b, const Op *op);
/* The sum of the operation's values in all trips; a dot contracts the trips too. */
Value *hoist_sum_dot(Hoist *h, Builder *b, const Op *dot);
Value *hoist_sum_reduction(Hoist *h, Builder *b, const Op *sum);
Value *hoist_sum_trips(Builder *b, Value *sequence);

/* ---- hoist.c ---- */

/* A value that is the same in each trip, in front of the loop. */
Value *hoist_same(Hoist *h, Value *value);
/* x W, x of a trip and W the same for all; not where a trip's own product is large enough. */
bool hoist_is_worth_product(const Hoist *h, const Op *op);
/* An operand of the scan and its argument in the body. */
Value *hoist_bind(Hoist *h, Value *operand, const Type *type, BindKind kind);
/* Takes an emitted value, or a carry, away from the scan. */
void hoist_drop_emit(Hoist *h, int emit);
void hoist_drop_carry(Hoist *h, int carry);

/* ---- hoist_sink.c ---- */

/* Moves what is only emitted or summed up behind the loop. */
void hoist_sink(Hoist *h);

#endif
