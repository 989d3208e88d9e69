/* product_tile.h - the register-tiled micro-kernel of all products with packed weights.
 *
 * A tile is `rows` rows of x by one panel of `columns` columns of w:
 *
 *   acc[rows][columns] += x[row, k] * w[panel, k, 0:columns]        for all k, in order
 *
 * rows * columns accumulators, a row of w and an element of x fit the registers. The order of the
 * sum is k's whatever the tile, so that results do not depend on it. Weights may be stored smaller
 * than f32 (bf16, f16, i8) and are widened in registers. Of a product by pairs (the attribute) x
 * and w are read as i32, each the two bf16 of neighbouring places in the sum: k counts pairs then,
 * and a step is dot2.
 * Where rows of bf16 take `turns` of two, w is read as i32, too, whose halves are widened each by
 * one instruction, and multiplied by x in f32.
 *
 *   Tile t = tile_open(lowering, region, product, columns);
 *   LoopExpr *acc = tile_sums(&t, 1);
 *   ... loops over k: tile_accumulate(&t, acc, 0, count, weights, x, user);
 *   tile_finish(&t, acc, 0, count, column, within, index_of, user);
 *
 * Loops, what a row of x is and where results go are the caller's.
 */
#ifndef BACKEND_PRODUCT_TILE_H
#define BACKEND_PRODUCT_TILE_H

#include "backend/product.h"

enum { TILE_UNROLL = 4 }; /* of the loop over k: more hoists loads until sums spill */

typedef struct {
  Lowering *l;
  Region *r;
  const Op *product;
  int64_t columns; /* of a panel */
  int64_t size;    /* columns of the result, of a group */
  int rows;        /* of the tile */
  bool pairs;
  int64_t turns;    /* rows of a panel that take turns: 2 or 1 */
  LoopBuffer *flat; /* w as one axis, if the next panel is fetched ahead; else NULL */
  LoopExpr *ahead;  /* where this tile's part of it starts, */
  int64_t step;     /* and how far a place in the sum goes on */
} Tile;

/* Rows that fit the registers beside `columns` columns. */
int tile_rows(const Target *target, int64_t columns);
/* Blocks of so many columns whose sums, for a few `rows`, fill most of the registers; each is a
 * walk through memory of its own, and more than a few at a time are fetched worse. */
int tile_streams(const Target *target, int64_t rows, int64_t columns);
/* Can the operands be so? */
bool tile_takes(const Op *product);
/* What an element of them is read as, given its type; and how many places of the sum it holds. */
LoopElement tile_element(const Op *product, LoopElement element);
int64_t tile_places(const Op *product);

Tile tile_open(Lowering *lowering, Region *region, const Op *product, int64_t columns,
               int64_t size);
/* The sums of as many neighbouring tiles, 0 at first: rows of the first, of the second .. */
LoopExpr *tile_sums(const Tile *t, int tiles);

/* An element of x, for a row of the tile. */
typedef LoopExpr *TileElement(void *user, LoopExpr *row);
/* One multiply-add for each of `count` rows, by `weights`, a row of a panel in memory; the sums are
 * acc's from row `from` on. */
void tile_accumulate(const Tile *t, LoopExpr *acc, int from, LoopExpr *count, LoopExpr *weights,
                     TileElement *x, void *user);

/* The result's index of a row of the tile, but for its last axis. */
typedef void TileIndex(void *user, LoopExpr *row, Index *index);
/* The epilogue on the tile's sums, which are stored: columns from `column` on, the group's
 * `within` of them. What lies past the group's size is left out. */
void tile_finish(const Tile *t, LoopExpr *acc, int from, LoopExpr *count, LoopExpr *column,
                 LoopExpr *within, TileIndex *index_of, void *user);
/* Does the epilogue compute a function? Written out for each row it would be most of the code. */
bool tile_is_costly(const Op *op);

/* Rows begin..end of `all`, tile by tile: `body` is called inside of loops, with the tile's first
 * row and their number, which is known when code is emitted. The last tiles of a known `all` share
 * what would be a small one's: they are tile_tail(t, all) rows, all or none of which are in
 * begin..end, and what is before them are multiples of t->rows. */
typedef void TileBody(void *user, LoopExpr *first, LoopExpr *count);
void tile_each(const Tile *t, const Dim *all, LoopExpr *begin, LoopExpr *end, TileBody *body,
               void *user);
int64_t tile_tail(const Tile *t, int64_t all);
/* Where part number `number` of `parts` of `all` begins: at all * number / parts. */
LoopExpr *tile_part(LoopKernel *k, int64_t all, LoopExpr *number, int64_t parts);

/* With few rows a panel is used only a few times, so that reading it from memory takes as long as
 * the arithmetic. Each of its `tiles` then fetches its share of what comes next: tile_plan_ahead
 * before the loops, for `depth` places of the sum at a time; tile_begin_ahead for each tile, where
 * `next` is the row of all panels that comes next; tile_fetch at place `at` of these. All do
 * nothing where it would not pay. */
void tile_plan_ahead(Tile *t, int64_t tiles, int64_t depth);
void tile_begin_ahead(Tile *t, LoopExpr *next, LoopExpr *tile, int64_t depth);
void tile_fetch(const Tile *t, LoopExpr *at);
/* Weights smaller than f32 take several instructions a line, which leave little of the processor's
 * window to loads that wait: memory gives less the more there are. Fetched a few lines ahead, all
 * of them, they come as fast as f32's. For the places k .. k + TILE_UNROLL of the sum, of the walk
 * through `panel` of `w` [panels, depth, columns]; the one after it is `apart` panels on. */
void tile_fetch_near(const Tile *tile, LoopBuffer *w, LoopExpr *panel, LoopExpr *k, int64_t depth,
                     int64_t apart);
/* Does the epilogue read operands as large as the result? */
bool tile_reads_rows(const Tile *tile);
/* Fetches what the epilogue reads beside vectors: its operands as large as the result, row by row,
 * whose lines no walk of memory brings, while the sum is made. */
void tile_fetch_operands(const Tile *tile, LoopExpr *count, LoopExpr *column, TileIndex *index_of,
                         void *user);

#endif
