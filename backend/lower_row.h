/* lower_row.h - what the files of row kernels share: a kernel's rows, and how a trip goes over
 * several of them.
 *
 *   row.group = row_group(&row, rows);
 *   row_open_pass(&row);      the loop over the trip's rows; nothing if it has one
 *   .. row_know(&row, value, of_this_row);
 *   row_close_pass(&row);
 *   row_open_pass(&row);      where the value is known again
 */
#ifndef BACKEND_LOWER_ROW_H
#define BACKEND_LOWER_ROW_H

#include "backend/families.h"

enum { MOST_SOFTMAX = 8 };

typedef struct {
  const Op *op;
  LoopExpr *top, *sum;
  LoopBuffer *kept;        /* of the row's exponentials, or NULL */
  LoopBuffer *tops, *sums; /* of all rows of a trip of several */
} RowSoftmax;

/* What is known of each row of a trip of several. */
typedef struct {
  const Value *value;
  LoopBuffer *rows;
} RowKnown;

typedef struct {
  Lowering *l;
  Region region;
  const Type *shape;          /* of what is reduced */
  bool reduced[MOST_AXES];    /* of shape's axes */
  int first, last;            /* reduced axes; -1: none */
  bool lanes_stay;            /* the last axis is not reduced */
  const Op *sum;              /* one of those of blocks of rows; NULL: there is none */
  Index index[MOST_AXES];     /* of the current element */
  int passes;                 /* over the row, so far */
  const Dim *dims[MOST_AXES]; /* that are not reduced, and which axes they are */
  int axes[MOST_AXES], kept;
  int group;                 /* rows of a trip; in one of several: */
  LoopExpr *begin, *members; /* the first and their number */
  LoopExpr *member;          /* the one of the open pass; NULL: none is open */
  size_t scope;              /* its memos */
  VEC(RowKnown) known;
  VEC(const Value *) row_values;
  RowSoftmax softmax[MOST_SOFTMAX];
  int softmax_count;
} Row;

/* How many of the map's rows a trip takes: as many as lie in a part of the first cache; one if the
 * map is so large that memory decides. */
int row_group(const Row *row, const Dim *rows);
/* A pass over the trip's rows, in which what is known of each is remembered. */
void row_open_pass(Row *row);
void row_close_pass(Row *row);
/* From here on `value` is known in the row, in later passes too. */
void row_know(Row *row, const Value *value, LoopExpr *result);
/* The same for what is no value: where it lies for all rows, and that of the row. */
LoopBuffer *row_keep(Row *row, LoopExpr *result);
LoopExpr *row_kept(const Row *row, LoopBuffer *rows);
/* In the innermost loop of each pass over a row: has what comes next fetched in one of them. */
void row_fetch_next(Row *row);

#endif
