/* winograd.h - Winograd's minimal filtering: m neighbouring results of a filter with r places by
 * m + r - 1 products instead of m * r,
 *
 *   y = A ((G g) * (B d))        d: the m + r - 1 numbers that are seen, * element by element
 *
 * along each spatial axis of a convolution (operators winograd_weight and conv_winograd). It is
 * the interpolation of a product of polynomials at the points 0, +-1, +-2, +-1/2 and infinity, in
 * this order; each pair of points makes rows that differ in signs alone, which halves the work:
 *
 *   B's rows of a pair: the same at even places, negated at odd ones; its first row is 0 at odd
 *   places, its last one at even places
 *   A's columns of a pair: the same in even rows, negated in odd ones
 *
 * With a stride of 2 a filter of three places is two: its first and its last place meet the numbers
 * at even places, by the same algorithm, and the one between those at odd places, m products as
 * they are. Both are one set of matrices, where the second's points have one weight. Filters of
 * five and seven places likewise, where both are by the algorithm and each point has its weight.
 *
 * A tile of one result of a longer filter is that filter as it is, whatever the stride: along that
 * axis sums are made directly.
 *
 * The error grows with the number of points; docs/winograd.md has the bounds. */
#ifndef IR_WINOGRAD_H
#define IR_WINOGRAD_H

#include "ir/data.h"

enum {
  WINOGRAD_POINTS = 13,     /* at most, along an axis, */
  WINOGRAD_INTERPOLATED = 8 /* and by one interpolation */
};

typedef struct {
  int tile, kernel, stride, points;           /* m, r, 1 or 2, m + r - 1 or more */
  int seen, weights;                          /* numbers of d; different weights: G's rows */
  int first;                                  /* points that have a weight of their own; others
                                                 share the last one */
  int pairs;                                  /* that follow the point 0 */
  int odd, odd_pairs;                         /* of a stride: where odd places' points begin, else
                                                 `points`; pairs that follow the first of them */
  int at[WINOGRAD_POINTS];                    /* which point of the whole tile each one is */
  double a[WINOGRAD_POINTS][WINOGRAD_POINTS]; /* [m][points] */
  double b[WINOGRAD_POINTS][WINOGRAD_POINTS]; /* [points][seen] */
  double g[WINOGRAD_POINTS][WINOGRAD_POINTS]; /* [weights][r] */
} Winograd;

/* Along one axis; false: there is none of these sizes. With a stride of 1 the number of points is
 * even, or 1; with one of 2 there are tiles of 2 and 4 for 3, 5 and 7 places. */
bool winograd_find(int64_t tile, int64_t kernel, int64_t stride, Winograd *winograd);
/* Are sums along the axis made directly: every place of the kernel is a point of its own? */
bool winograd_is_direct(const Winograd *winograd);
/* 1 and 2 for the first and the second point of a pair, 0 for others. */
int winograd_pair(const Winograd *winograd, int point);
/* Which of the weights a point is multiplied by. */
int winograd_weight(const Winograd *winograd, int point);

/* The last tile of a line that others do not fill is of fewer pixels, 0 < tile < whole->tile. It
 * takes no more points than it needs, of those of the whole tile and with the same weights (G's
 * rows). What the points that are left out have in the scale of the others is in B. */
void winograd_edge(const Winograd *whole, int tile, Winograd *edge);
/* Whether the last tile along an axis of so many pixels is one of fewer (one tile alone is whole),
 * and how much of all points of a map's tiles is used then. */
bool winograd_has_edge(const Winograd *whole, int64_t size);
double winograd_used(const Winograd axes[2], const int64_t size[2]);

/* Weights w [panels, r, r, each] transformed: [panels, weights, weights, each], with the matrices
 * of the two axes. They are made when they are read, a piece at a time (data_read). */
Data *data_winograd(Arena *arena, const Data *w, const Winograd axes[2], int64_t panels,
                    int64_t each);

#endif
