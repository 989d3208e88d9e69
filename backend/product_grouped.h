/* product_grouped.h - what the kernels of convolutions in groups of few channels share: reading
 * a copy of a block's part of x (ir/grouping.h).
 */
#ifndef BACKEND_PRODUCT_GROUPED_H
#define BACKEND_PRODUCT_GROUPED_H

#include "backend/product.h"
#include "ir/grouping.h"

/* Of [lines, columns, channels of a block], for each lane of a vector its group's input `number`; a
 * scalar, if that is the same for all. Unless it is, `number` must be known, and `vector` if they
 * are not alike. */
LoopExpr *group_pick(LoopKernel *k, const Grouping *block, LoopBuffer *x, LoopExpr *line,
                     LoopExpr *column, LoopExpr *vector, LoopExpr *number);

typedef struct {
  LoopBuffer *from, *to;             /* [N, H, W, C], [lines, columns, channels of a block] */
  LoopExpr *n, *line, *channel, *at; /* of `from`, whose line may be outside; `to`'s line */
  int64_t channels;                  /* of a block */
  int64_t height, width;             /* of `from` */
  int64_t before, columns;           /* zeros in front; of `to` */
} GroupLine;

/* A line of a block's channels, zeros where it is outside. Channels from `all` on, if it is not 0,
 * are left out. */
void group_copy_line(LoopKernel *k, int64_t all, const GroupLine *line);

/* Lines of a result, and how those of x that they are made of lie. */
typedef struct {
  LoopExpr *first, *past; /* of the result */
  int64_t stride, taps, dilation, before;
} GroupReach;

/* All lines of x that `reach` needs; `line` has the rest, without a line. */
void group_copy_lines(LoopKernel *k, int64_t all, const GroupReach *reach, GroupLine line);

#endif
