/* choice.h - how an operation is computed, where there are several ways.
 *
 * `select` lists an operation's candidates with their estimated times. That list is all there is:
 * the least estimate decides, `dlc dump --why` prints it, and a Chooser, which `--tune` gives in
 * PassOptions, may decide by what it has measured. A new algorithm or width is one more row.
 */
#ifndef PASSES_CHOICE_H
#define PASSES_CHOICE_H

#include "ir/blocking.h"
#include "ir/graph.h"

typedef struct {
  const char *name;  /* of the algorithm: "direct" */
  double seconds;    /* estimated */
  int64_t columns;   /* of a panel of packed weights; 0: it has none, or those that fit */
  int64_t tile[2];   /* of Winograd's algorithm; 0: none */
  Blocking blocking; /* of loops in panels; tile 0: this is chosen by itself; */
  int64_t splits;    /* of Winograd's blocks: of their panels; else 0 */
} Candidate;

/* "direct/16", "winograd/4x4", "k256/m48/n256/r6/rows": pieces of a sum, rows of a strip, columns
 * of a group, rows of a tile, what threads take; "t78/r6/s2": tiles of a block, rows of a register
 * tile, splits of a block's panels */
const char *candidate_text(Arena *arena, const Candidate *candidate);

typedef struct {
  const Op *op;      /* before it is replaced */
  const char *key;   /* what the times depend on: "conv f32[1,3,8,8] f32[4,3,3,3]* {..}" */
  const char *given; /* what was taken for all of it, if this chooses a part; else NULL */
  const char *phase, *of_phase; /* of which phase, or NULL, and what was taken for that, or NULL */
  bool loops;                   /* the part: the loops of that; else how the phase is computed */
  unsigned constants;           /* bit i: operand i is known while compiling */
  const Candidate *candidates;
  int count;
} Choice;

typedef struct Chooser {
  /* The number of the candidate to take; -1: that with the least estimate. seconds[i], 0 at first,
   * is what candidate i was measured to take. */
  int (*choose)(void *user, const Choice *choice, double *seconds);
  void *user;
} Chooser;

#endif
