/* walk.h - going through several tensors at once, each by its own strides, row by row.
 *
 *   Walk walk = walk_new(rank, shape, 2);
 *   walk.strides[0][axis] = ...; a stride of 0 repeats, a negative one goes backwards
 *   for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
 *     for (int64_t i = 0; i < walk.length; i++)
 *       x[walk.offset[0] + i * walk.step[0]] ...
 *
 * Offsets may be set to a start before walk_begin. Axes that are contiguous in all tensors are
 * joined, so that rows are as long as they can be; the order of elements stays row-major.
 */
#ifndef IR_WALK_H
#define IR_WALK_H

#include "ir/type.h"

enum { MOST_WALKED = 4 };

typedef struct {
  int rank, tensors;
  int64_t shape[MOST_AXES];
  int64_t strides[MOST_WALKED][MOST_AXES];
  int64_t offset[MOST_WALKED]; /* of the row's first element */
  int64_t length;              /* of a row */
  int64_t step[MOST_WALKED];   /* within a row */
  int64_t index[MOST_AXES];
  bool more;
} Walk;

Walk walk_new(int rank, const int64_t *shape, int tensors);
void walk_begin(Walk *walk);
void walk_next(Walk *walk);
static inline bool walk_more(const Walk *walk) {
  return walk->more;
}

/* Row-major strides of a dense tensor. */
void strides_dense(int rank, const int64_t *shape, int64_t *strides);
/* Strides that make `shape` run along a result of `rank` axes as broadcasting does. */
void strides_broadcast(int shape_rank, const int64_t *shape, int rank, int64_t *strides);

#endif
