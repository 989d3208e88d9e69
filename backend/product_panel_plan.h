/* product_panel_plan.h - the plan of a product's loops, for product_panel.c, which makes them.
 *
 * Strips of rows and groups of columns hold nearly the same, and are so many that threads have the
 * same work (ir/blocking.h); a strip is whole tiles.
 */
#ifndef BACKEND_PRODUCT_PANEL_PLAN_H
#define BACKEND_PRODUCT_PANEL_PLAN_H

#include "backend/product_panel.h"

typedef struct {
  Tile tile;
  PanelRows rows;
  int64_t parts;                /* blocks of tile.columns in a panel, */
  int64_t blocks;               /* and in a group of columns */
  int64_t group;                /* blocks of a trip */
  int64_t strip;                /* rows of a trip, at most */
  int64_t strips, groups;       /* of a line's tiles and blocks; strips 0: a call knows */
  int64_t segments, depth;      /* of a piece of the sum */
  bool pieces;                  /* there is more than one */
  LoopBuffer *sums;             /* so far: [group, strip, columns] */
  LoopBuffer *weights;          /* as [groups * P, segments, run, B], or words; NULL: elsewhere, */
  LoopBuffer *filled;           /* and a piece of a block of it here, if it is not read there */
  LoopExpr *mask;               /* then, of the last block's columns */
  bool by_rows;                 /* neighbouring trips are strips' */
  bool inner;                   /* blocks go by within a tile */
  bool streams;                 /* a group's go by at once: rows are one tile */
  LoopExpr *line, *begin;       /* of the trip: its line, first row, */
  LoopExpr *first_block, *past; /* first block, and past the last, */
  LoopExpr *block;              /* and the block at hand; its */
  LoopExpr *of_group;           /* group of columns, */
  LoopExpr *panel, *offset;     /* panel and place in it, */
  LoopExpr *column, *within;    /* and column in the result and in the group */
  LoopExpr *segment[2], *from, *to; /* the piece of the sum */
  LoopExpr *start, *k;              /* the segment's place in x; the place in the run, */
  LoopExpr *word, *place;           /* where rows take turns: that of their word, and in it */
} Panel;

/* From tile, rows, weights and blocks: the rest of what is known before the loops. */
void panel_plan(Panel *panel);
/* The strips of a line. */
const Dim *panel_strips(const Panel *panel);
/* The tiles that a strip has at least. */
int64_t panel_strip_tiles(const Panel *panel);
/* Begins strip number `number` of `strips`: sets panel->begin, gives where its rows end. */
LoopExpr *panel_open_strip(Panel *panel, LoopExpr *number, const Dim *strips);
/* Do panels come from beyond L2? */
bool panel_is_far(const Panel *panel);

#endif
