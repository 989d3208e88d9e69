/* winograd_tiles.h - the tiles of a conv_winograd, and how its kernel goes through them.
 *
 * Tiles that do not fill the map's last line or column may be tiles of fewer pixels, which take
 * fewer points (winograd_edge). Then there are up to four kinds of tiles, and they are numbered so
 * that those that have a point are always neighbours, whatever the point:
 *
 *   the last line's, those inside, the last column's, the corner's
 *
 *   of all images:    [ last line | inside | last column | corner ]
 *   any point                all
 *   no last column    [................)
 *   no last line                  [................)
 *   neither                       [........)
 *
 * So a point's product goes through one range of a block's rows. */
#ifndef BACKEND_WINOGRAD_TILES_H
#define BACKEND_WINOGRAD_TILES_H

#include "backend/product_tile.h"
#include "ir/winograd_blocks.h"

enum { WINOGRAD_KINDS = 4 };

typedef struct {
  const Winograd *axes[2];
  bool last[2];          /* of the map's last line, of its last column of tiles */
  const Dim *map[3];     /* images, tiles down and across; 1 where it is the last one */
  const Dim *before;     /* tiles of the kinds before it */
  LoopExpr *begin, *end; /* in the block */
} TileKind;

typedef struct {
  Lowering *l;
  Region *r;
  const Op *op;
  WinogradWork work;
  Winograd edges[2];
  bool has_edge[2];          /* are the last tiles along the axis edges[i]? */
  int64_t size;              /* columns of the result */
  int64_t splits;            /* of a block's panels, */
  int64_t group;             /* of which a step takes so many */
  Tile tile;                 /* of registers; its columns are a part of a panel */
  int64_t tiles;             /* of a block, at most; a whole number of register tiles */
  const Dim *total, *blocks; /* number i of n blocks of a known total begins at total * i / n */
  TileKind kinds[WINOGRAD_KINDS];
  int kind_count;
  LoopBuffer *x, *in, *sums;
  LoopExpr *first, *count; /* the block's first tile, and how many there are */
} Tiles;

/* Fills in the work, of the operation; false: this kernel does not take it. */
bool tiles_work(Tiles *b);
/* Fills in all of the plan, and the kernel's trips, from what is known of the operation. */
void tiles_plan(Tiles *b);
/* Begins block number `number`: its first tile, and how many there are. */
void tiles_begin_block(Tiles *b, LoopExpr *number);
/* The first panel of split number `number`, and the one past it. */
void tiles_split(const Tiles *b, LoopExpr *number, LoopExpr **begin, LoopExpr **end);
/* The block's first tile and their number are known: where each kind of them begins and ends. */
void tiles_open_block(Tiles *b);
/* The rows of the block that a point (i down, j across) has: begin, and a number that is rounded up
 * to whole register tiles. */
void tiles_of_point(const Tiles *b, LoopExpr *point, LoopExpr **begin, LoopExpr **end);
/* Rows that the block's buffers have. */
int64_t tiles_rows(const Tiles *b);

#endif
