/* attention.h - what the kernels of attention share: its operands at an index, and the tiles that
 * all of its products are made of.
 *
 * Scores exist for a block of queries and a block of keys at a time, in a worker's scratch, turned
 * round: S' [keys][queries]. So a lane is a query: the softmax needs no sum over lanes, and of all
 * operands only the queries' block is packed, once:
 *
 *   S'[key][query lanes] += k[key, d]       * q'[d][query lanes]         q' packed [D][queries]
 *   o[query][e lanes]    += P'[key][query]  * v[key, e lanes]
 */
#ifndef BACKEND_ATTENTION_H
#define BACKEND_ATTENTION_H

#include "backend/product.h"

enum {
  BLOCK_KEYS = 48,    /* a multiple of the rows of most tiles */
  BLOCK_QUERIES = 64, /* most; of all widths, so that blocks lie in L1 */
  FACTOR_KEYS = 4,    /* that are written out */
};

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  const Value *q, *k, *v, *mask, *factor; /* mask, factor: NULL if there is none */
  int batch;                              /* leading axes */
  const Dim *queries, *keys, *width, *out;
  bool causal;
  LoopExpr *at[MOST_AXES]; /* the batch's indices */
  LoopExpr *ahead;         /* keys - queries: how far a causal query sees beyond its number */
  int lanes;               /* of a register */
  int columns;             /* lanes of a tile whose lanes are queries */
  int dear;                /* those whose probabilities are made at a time, forward */
  int block;               /* queries of a block: a multiple of `columns` */
} Attention;

Attention attention_open(Lowering *l, Region *r, const Op *op);
/* Opens the parallel loop over all matrices. */
void attention_open_matrices(Attention *a);
/* The same, and blocks of queries; the first query of the trip's
 * block, and how many there are. */
LoopExpr *attention_blocks(Attention *a, LoopExpr **count);

/* An element, or `lanes` of them along the last axis. */
LoopExpr *attention_element(const Attention *a, const Value *x, LoopExpr *row, LoopExpr *column);
LoopExpr *attention_lanes(const Attention *a, const Value *x, int lanes, LoopExpr *row,
                          LoopExpr *column);
/* A mask or a factor at query and key, of which one may have lanes; a scalar where it is the same
 * along them. */
LoopExpr *attention_extra(const Attention *a, const Value *x, int lanes, Index query, Index key);
/* A score with the mask applied, be it bool or added. */
LoopExpr *attention_masked(const Attention *a, LoopExpr *score, LoopExpr *mask);
LoopExpr *attention_scale_of(const Attention *a);

/* A size at most, rounded up to whole registers; a matrix of f32 in the worker's scratch. */
int64_t attention_padded(const Attention *a, const Dim *size);
LoopBuffer *attention_scratch(const Attention *a, const char *name, int64_t rows, int64_t columns);

/* x [rows of the block, width] * scale, turned round: packed[column][row]. Rows from `count` on are
 * the last one again. */
void attention_pack(const Attention *a, const Value *x, LoopExpr *first, LoopExpr *count,
                    const Dim *width, LoopExpr *scale, LoopBuffer *packed);

/* Rows of the block, copied to lie side by side: near[row][column]. What a view finds far apart
 * would meet in few sets of L1 each time that a tile goes by. */
void attention_copy(const Attention *a, const Value *x, LoopExpr *first, LoopExpr *count,
                    const Dim *width, LoopBuffer *near);
/* Whether the operand is a view, so that a block of its rows is copied. */
bool attention_is_far(const Attention *a, const Value *x);

/* For rows i below `rows`: sums[i] = from(i) + the sum over k below `depth` of left(i, k) *
 * right(k), `lanes` of them, to be taken by `into`. `from` NULL: 0. Of a tile's rows, from `row` on
 * and `past` the last, what is left of it is 0 for k before start(row) and from stop(past) on;
 * NULL: not known. */
typedef struct {
  int lanes;
  LoopExpr *rows, *depth;
  LoopExpr *(*start)(void *user, LoopExpr *row);
  LoopExpr *(*stop)(void *user, LoopExpr *past);
  LoopExpr *(*from)(void *user, LoopExpr *row);
  LoopExpr *(*left)(void *user, LoopExpr *row, LoopExpr *k);
  LoopExpr *(*right)(void *user, LoopExpr *k);
  void (*into)(void *user, LoopExpr *row, LoopExpr *sum);
  void *user;
} Tiles;
void attention_tiles(const Attention *a, const Tiles *tiles);
/* Lanes of a tile along an axis of this size that is read as it lies. */
int attention_columns(const Attention *a, const Dim *size);

/* A tile of scores, turned round: `lanes` queries from `first` + `column` on, of which the block
 * has `count`, by `keys` keys from `key` on. */
typedef struct {
  const Attention *a;
  LoopExpr *first, *count, *key, *keys, *column;
  int lanes;
} AttentionTile;
/* The loop over parts of a tile whose exponentials are made at a time; the part's first column. */
LoopExpr *attention_open_parts(const Attention *a, LoopExpr *column);
void attention_close_parts(const Attention *a);
/* How many of the block's keys the tile's queries see at most: the tile ends there, and is 0
 * beyond. */
LoopExpr *attention_shown(const AttentionTile *tile);
void attention_clear(const AttentionTile *tile, LoopBuffer *scores, LoopExpr *shown);
/* Of a block's keys, from `key` on, those that queries before `past` (of the block) see; and of its
 * `count` queries the first that sees the key at `row`, or one before. */
LoopExpr *attention_stop(const Attention *a, LoopExpr *first, LoopExpr *past, LoopExpr *key,
                         LoopExpr *keys);
LoopExpr *attention_start(const Attention *a, LoopExpr *first, LoopExpr *count, LoopExpr *key,
                          LoopExpr *row);
/* Scores become -inf where a query may not look. */
void attention_hide(const AttentionTile *tile, LoopBuffer *scores);
/* A mask or a factor of all queries of the tile, at a key of the block; between these two, so that
 * lanes past the last query load nothing. */
LoopExpr *attention_extra_lanes(const AttentionTile *tile, const Value *x, LoopExpr *row);
size_t attention_open_extras(const AttentionTile *tile);
/* A loop over the rows (keys) of the block, in which the factor may be read: by fours then, whose
 * random numbers are of one block of Philox. Gives the row's number. */
LoopExpr *attention_open_rows(const AttentionTile *tile);
void attention_close_rows(const AttentionTile *tile);
void attention_close_extras(const AttentionTile *tile, size_t scope);

/* The largest number of keys that queries below `end` see. */
LoopExpr *attention_seen(const Attention *a, LoopExpr *end);
LoopExpr *attention_clamped(LoopKernel *k, LoopExpr *x, LoopExpr *most); /* 0..most */
LoopExpr *attention_ceil(LoopKernel *k, LoopExpr *x, int64_t by);        /* x / by, rounded up */

/* One query against all of its keys, at the memory's speed (product_attention_row.c): for few
 * queries, of which blocks would be mostly empty. */
void attention_row(const Attention *a, LoopExpr *query);
/* Lanes of a row of one of the operation's results, in its place in the kernel's. */
LoopExpr *attention_made(const Attention *a, int number, int lanes, LoopExpr *row,
                         LoopExpr *column);
void attention_make(const Attention *a, int number, int lanes, LoopExpr *row, LoopExpr *column,
                    LoopExpr *value);
/* Stores the results of a row of sums, of all its columns: the weighted values, the logarithm. */
void attention_store(const Attention *a, LoopExpr *query, LoopBuffer *sums, LoopExpr *row,
                     LoopExpr *top, LoopExpr *sum);

#endif
