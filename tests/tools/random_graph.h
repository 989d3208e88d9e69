/* random_graph.h - valid random graphs over all operators, the same for the same options.
 *
 * They are meant for comparing two ways of computing: values stay small (a bound is kept for each,
 * and tanh applied where it grows), domains are respected (log of |x| + 1/2), indices lie within,
 * and what jumps (floor, comparisons, casts to integers, argmax) is only asked of values that
 * every way computes alike: inputs, parameters, what merely moves them, and integers.
 */
#ifndef TESTS_RANDOM_GRAPH_H
#define TESTS_RANDOM_GRAPH_H

#include "ir/graph.h"

typedef struct {
  uint64_t seed;
  int operations;      /* about how many */
  bool dynamic;        /* some sizes are the dim N <= 5 */
  bool halves;         /* f16 and bf16 among the element types */
  bool regions;        /* scan and fused among the operators */
  bool states;         /* reads and writes of states, and random */
  bool panels;         /* what select makes: dot_panel, conv_panel, conv_winograd */
  bool rows;           /* instead, of a few hundred rows: elementwise, reductions, sums, products */
  bool maps;           /* instead, convolutional networks; with `exclude` smooth ones */
  bool sequences;      /* instead, recurrent networks and attention, likewise */
  const bool *exclude; /* by Operator; NULL: none */
} RandomGraph;

/* A module with one model entry @random (of rows mostly a train entry), inputs in [-1, 1] (integers
 * in -8..8), parameters with data. It verifies. */
Module *random_graph(Arena *arena, const RandomGraph *options);

/* Gives a graph whose test failed the fewest operations with which it does, and prints why it does
 * then. `failure_with` tests it with that many: what is wrong, or NULL. */
typedef const char *RandomFailure(Arena *arena, const void *user, int operations);
void random_lessen(Arena *arena, RandomGraph *graph, RandomFailure *failure_with, const void *user);

/* Operators whose slope jumps where two values are nearly equal: to be excluded from graphs that
 * are differentiated. */
extern const bool random_jumps[];
/* Makes a random graph a train entry, of whose results the first is the loss, a weighted sum of all
 * results and inputs, so that it depends on each; then come what they were, and the gradients by
 * every input, which are asked for alone. */
void random_ask_gradient(Module *module);
/* And made; what is wrong, or NULL. */
const char *random_differentiate(Arena *arena, Module *module);

/* Numbers from 0 to n - 1 from a state that starts as the seed. */
uint64_t random_below(uint64_t *state, uint64_t n);
/* Fills `bytes` as an input or parameter: floats are multiples of 1/64 in [-1, 1]. */
void random_fill(uint64_t *state, Element element, int64_t count, void *bytes);

#endif
