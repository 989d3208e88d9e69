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

enum {
  MOST_SOFTMAX = 8,
  WALKS = 4, /* through memory at once: one alone gets two thirds of its rate */
};

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
  bool is_costly;             /* exponentials bound it, not memory */
  bool streams;               /* a whole result goes past the caches */
  const Dim *dims[MOST_AXES]; /* that are not reduced, and which axes they are */
  int axes[MOST_AXES], kept;
  const Dim *rows;           /* all of them */
  int group;                 /* rows of a trip; in one of several: */
  LoopExpr *begin, *members; /* the first and their number */
  LoopExpr *apart;           /* from one to the next, if the first pass is walks; else NULL: 1 */
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
/* Is the first pass over rows from memory, so that a trip should take some a quarter of the map
 * apart? Then row.group is WALKS, and row.apart is set. */
bool row_walks(const Row *row, const Dim *rows);
/* Is the row itself so long that the next pass over it, from memory, should walk its quarters? */
bool row_stretches(const Row *row);
/* The index of the trip's row `number` is the current one's. */
void row_set(Row *row, LoopExpr *number);
/* A pass over the trip's rows, in which what is known of each is remembered. */
void row_open_pass(Row *row);
void row_close_pass(Row *row);
/* From here on `value` is known in the row, in later passes too. */
void row_know(Row *row, const Value *value, LoopExpr *result);
void row_know_all(Row *row, const Value *value, LoopBuffer *rows);
/* The same for what is no value: where it lies for all rows, and that of the row. */
LoopBuffer *row_keep(Row *row, LoopExpr *result);
LoopBuffer *row_keep_all(Row *row, LoopExpr *const *results);
LoopExpr *row_kept(const Row *row, LoopBuffer *rows);
/* In the innermost loop of each pass over a row, of which the last one stores: has what comes next
 * fetched in one of them. */
void row_fetch_next(Row *row, bool stores);

/* ---- lower_row_reduce.c ---- */

/* A NaN wins in GREATEST, and counts as nothing in GREATEST_NUMBER, which is cheaper. */
typedef enum { ROW_SUM, ROW_GREATEST, ROW_GREATEST_NUMBER } RowReduction;
/* What is reduced, at the current element. */
typedef LoopExpr *RowStep(Row *row, void *user);

/* Opens loops over the reduced axes; the number of them. Lanes run along the last axis. `part`, if
 * not NULL, becomes a variable made before the innermost loop, where it begins as its old value. */
int row_open(Row *row, int lanes, LoopElement e, LoopExpr **part);
void row_close(Row *row, int blocks);
/* Of so many registers; fewer if rows are short. */
int row_lanes(const Row *row, int registers);
/* Of one row, through `registers` vectors; if its lanes stay, a vector of them. */
LoopExpr *row_reduce(Row *row, const char *name, RowReduction kind, LoopElement e, int registers,
                     RowStep *step, void *user);
/* The first pass of a trip of rows that are apart: over all of them at once. */
LoopBuffer *row_reduce_walks(Row *row, const char *name, RowReduction kind, LoopElement e,
                             int registers, RowStep *step, void *user);
/* Within the loops over a row: what each softmax is here. (lower_row.c) */
void row_remember_softmax(Row *row);

#endif
