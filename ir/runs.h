/* runs.h - what a `run` of a page means: which of its lines is called again and again, and which of
 * its values is chosen.
 *
 *   run generate { token, pos -> next -> token }
 *
 * A line calls a model: values in, values out. Lines are called in order; the last one that has
 * results and takes some of its own is called again and again, and what it gives is what it takes
 * the next time; the first time that is zeros if no line before gave it. Lines without results are
 * called after each choice: their one input says which row each row goes on from. A value that an
 * entry gives as floats [N,V] or [N,T,V] and that entries take as whole numbers, [N] or [N,T], is
 * chosen by the program that runs: there is one at most. All others that no line gives are given to
 * the program.
 */
#ifndef IR_RUNS_H
#define IR_RUNS_H

#include "ir/graph.h"

typedef struct {
  VEC(const char *) values; /* in order of appearance */
  int chosen;               /* of them; -1: none */
  int repeated;             /* a line; -1: each is called once */
} RunMeaning;

int run_value(const RunMeaning *meaning, const char *name); /* its number, or -1 */

/* NULL, or what is wrong with line *line. */
const char *run_meaning(Arena *arena, const Module *module, const PageRun *run, RunMeaning *meaning,
                        int *line);

#endif
