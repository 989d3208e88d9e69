/* recompute.h - what of the forward part is kept for the gradient, and what is made again.
 *
 * A minimum cut decides. Every value that may be needed has two nodes: `in`, made or not, and
 * `out`, at hand or not. An edge in -> out costs what keeping it costs, source -> in what making it
 * again costs, out of an operand -> in and out -> sink are not to be cut. A value whose `in` is on
 * the sink's side of the cheapest cut is made again.
 */
#ifndef PASSES_RECOMPUTE_H
#define PASSES_RECOMPUTE_H

#include "support/arena.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Cut Cut;

/* Simple operations on elements that are worth a byte which need not be kept: written, read again
 * later, and in the way of others until then. One exp is worth a float. */
static const double worth_of_byte = 6;

enum { CUT_SOURCE = 0, CUT_SINK = 1 };
#define CUT_NEVER ((int64_t)1 << 60)

Cut *cut_new(Arena *arena);
int cut_node(Cut *cut); /* from 2 on */
/* A cost as an edge's: at least 1. */
static inline int64_t cut_cost(double cost) {
  return cost < 1 ? 1 : cost < (double)CUT_NEVER ? (int64_t)cost : CUT_NEVER;
}
void cut_edge(Cut *cut, int from, int to, int64_t cost);
/* Finds the cheapest cut, of equal ones that nearest to the sink. Dinic's algorithm: n^2 m at
 * most, about linear on graphs as shallow as these. */
void cut_solve(Cut *cut);
bool cut_is_sink_side(const Cut *cut, int node);

#endif
