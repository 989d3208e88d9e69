/* product_row.h - products of one row, a vector by a matrix: each number of the weight is read once
 * and in the order in which it lies, so that the memory decides how fast they are. Decoding token
 * by token is made of them.
 *
 *   RowProduct p = {.l = lowering, .r = region, .product = op, .x = x, .w = w, ..};
 *   row_by_rows(&p, from, past);       w [depth, size]: columns from..past
 *   row_by_columns(&p, from, past);    w [size, depth]: the same
 *   row_by_panels(&p, first, past);    w [panels, depth, B]: the columns of these panels
 *
 * Sums are in the order of the depth, as those of other products are; those of row_by_columns, of
 * which each lane has a part, are not.
 */
#ifndef BACKEND_PRODUCT_ROW_H
#define BACKEND_PRODUCT_ROW_H

#include "backend/product_tile.h"

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  LoopBuffer *x, *w;   /* x as one axis; w perhaps in a smaller type */
  int64_t depth, size; /* terms of a sum (of pairs: pairs), columns */
} RowProduct;

void row_by_rows(const RowProduct *p, LoopExpr *from, LoopExpr *past);
void row_by_columns(const RowProduct *p, LoopExpr *from, LoopExpr *past);
void row_by_panels(const RowProduct *p, LoopExpr *first, LoopExpr *past);

#endif
