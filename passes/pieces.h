/* pieces.h - the pieces of `pieces`: pieces.c makes the loops, pieces_apart.c knows which
 * operations can be in one, pieces_cost.c chooses how many pictures a trip takes.
 *
 * A batch is the outermost axis of values, N long; a picture is an element of it. A chain is a run
 * of operations, in the order of the text, each of which makes every picture of its results of that
 * picture of its operands, and of what is the same for all (weights). */
#ifndef PASSES_PIECES_H
#define PASSES_PIECES_H

#include "ir/build.h"
#include "passes/pass.h"

/* ---- pieces_apart.c ---- */

/* The operation can be in a chain over that batch. */
bool piece_can_hold(const Op *op, const Dim *batch);
/* Of such an operation: a picture needs the same picture of the operand; else it needs all of it.
 */
bool piece_is_each(const Op *op, int operand, const Dim *batch);
/* Of what does not depend on the entry's inputs: it is as quick to make for a picture, or (not
 * `each`) for all, as to read. */
bool piece_is_made_again(const Op *op, bool each, const Dim *batch);
/* The operation for `pictures` of the batch, or, NULL, as it is, of other operands, where the
 * builder is. */
Op *piece_copy(Builder *b, const Op *op, Value *const *operands, const Dim *pictures);

/* ---- pieces_cost.c ---- */

/* Operations from..to-1 of a chain, `pictures` at a time; 0: all at once. */
typedef struct {
  int from, to;
  int64_t pictures;
  const char *why;
} Piece;

typedef struct {
  Op *const *ops;
  int count;
  const Dim *batch;
  /* Bytes of a picture that the chain made before operation i, which it or a later one reads. */
  const double *alive;
} Chain;

/* Cuts the chain, into at most its count; returns how many. */
int pieces_choose(const PassContext *context, const Chain *chain, Piece *pieces);

#endif
