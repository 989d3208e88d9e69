/* product_panel.h - the loops of products with packed weights, around the micro-kernel of
 * product_tile.h; what rows of x are is said by the caller: rows of a matrix (product_packed.c), or
 * windows of an image (product_conv.c).
 */
#ifndef BACKEND_PRODUCT_PANEL_H
#define BACKEND_PRODUCT_PANEL_H

#include "backend/product_tile.h"

/* The rows of a product. A result's sum goes over `segments` runs of `run` numbers, which are
 * neighbours in x (of pairs, by pairs: tile_element). w is [groups * P, segments, run, B], unless
 * it lies otherwise. */
typedef struct {
  const Dim *lines, *rows; /* sets of rows, which share no tile; rows of each */
  int64_t groups;          /* of columns, each with its own part of x */
  int64_t segments;
  const Dim *run;
  LoopBuffer *x; /* as one axis */
  int64_t apart; /* from row to row in it; 0: this is not one distance */
  bool near;     /* rows overlap, so closely that places unrolled side by side read the same */
  /* A tile of `count` rows of a line begins, from row `first` on. */
  void (*begin)(void *user, LoopExpr *line, LoopExpr *first, LoopExpr *count);
  /* Where in x a row of the tile has the first number of segment 0, of group 0, */
  LoopExpr *(*row_at)(void *user, LoopExpr *row);
  /* and how far from there it has that of segment number `segment` of `group`. */
  LoopExpr *(*segment_at)(void *user, LoopExpr *segment, LoopExpr *group);
  TileIndex *index_of;
  /* Of a w that is in no panels (groups and segments 1, run known): rows from..to of a block of
   * columns, from `column` on, are brought into panel [.., columns], whose rows are a multiple of
   * the target's lanes; */
  void (*fill)(void *user, LoopBuffer *panel, LoopExpr *line, LoopExpr *column, LoopExpr *from,
               LoopExpr *to);
  /* or, if that is NULL too, a block's row k is read where it is, `mask` (may be NULL) of it. */
  LoopExpr *(*weights_at)(void *user, LoopExpr *line, LoopExpr *column, LoopExpr *k,
                          LoopExpr *mask);
  /* May be NULL: of one row alone, blocks first..past of tile.columns columns, all of the sum.
   * Taken where that may be all rows that a call gives; lines, groups and segments are 1 then. */
  void (*one_row)(void *user, LoopExpr *first, LoopExpr *past);
  void *user;
} PanelRows;

/* Columns that tiles take of panels of `width`, for at most `rows` rows. */
int64_t panel_tile_columns(const Target *target, int64_t width, int64_t rows);
/* All loops of the kernel, and its trips. */
void panel_loops(Tile tile, PanelRows rows);

#endif
