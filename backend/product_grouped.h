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

/* A convolution, and what a trip has at hand of it: some lines of a block of channels. */
typedef struct {
  Grouping block;
  int64_t kernel[2], stride[2], dilation[2], before[2];
  int64_t size[2], result[2]; /* of x; of the result, or of its gradient */
  int64_t columns, lines;     /* of a copied line of x; of the result, for one copy of x */
  LoopBuffer *x;              /* copied: [lines, columns, channels of the block] */
  LoopExpr *n, *first, *past; /* the picture, and lines of the result */
  LoopExpr *in, *out;         /* the block's first channels */
  LoopExpr *vector;           /* in the block */
} GroupPart;

/* Takes these sizes from the operation, all but the kernel's. False: there is nothing to do. */
bool group_sizes(GroupPart *part, const Op *op, const Type *x, const Type *result);
/* Lines of x that so many lines of the result see. */
int64_t group_lines_seen(const GroupPart *part, int64_t lines);
/* Copies all lines that the part sees of x, [N, H, W, C]. */
void group_copy_x(LoopKernel *k, const GroupPart *part, LoopBuffer *x);

#endif
