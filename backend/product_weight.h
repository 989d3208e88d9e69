/* product_weight.h - what the kernels of conv_weight in nhwc share: their sums lie with the output
 * channels along the last axis, the weight has these first.
 */
#ifndef BACKEND_PRODUCT_WEIGHT_H
#define BACKEND_PRODUCT_WEIGHT_H

#include "backend/product.h"

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  LoopBuffer *sums; /* [rows, columns], with room for rows up to a multiple of the lanes */
  LoopExpr *from;   /* their first row; NULL: 0 */
  int columns;
  int64_t out, row;        /* output channels of a group; numbers of the weight for each */
  LoopExpr *column;        /* the first one, of all groups, */
  LoopExpr *within;        /* and in its group */
  LoopExpr *first, *count; /* where the rows lie among an output channel's numbers */
} WeightStore;

/* Stores them, turned around. */
void weight_store(const WeightStore *store);

/* Columns of a panel: those that leave the least of the last one empty, of these the most. */
int weight_columns(const Target *target, int64_t out);
/* Rows of a register tile beside them, at most. */
int weight_tile_rows(const Target *target, int columns);

#endif
