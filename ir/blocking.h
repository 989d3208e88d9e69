/* blocking.h - how the loops of a product with packed weights are cut.
 *
 *   for each strip of rows and group of columns:                  what a thread takes
 *     for each piece of the sum:  for each panel of the group:  for each tile of rows in the strip
 *
 * `select` lists ways to cut a product with their estimates (passes/select_blocking.c) and writes
 * the one it takes into the product's attributes; the back end asks for the usual one where there
 * are none, as in code for several CPUs.
 */
#ifndef IR_BLOCKING_H
#define IR_BLOCKING_H

#include <stdbool.h>
#include <stdint.h>

/* The machine, as far as this depends on it. */
typedef struct {
  int lanes, registers; /* f32 in a vector; vectors */
  int64_t l1, l2;       /* bytes of a core's caches */
} BlockingMachine;

/* [lines, rows, segments, run] by [groups, segments, run, size]. */
typedef struct {
  int64_t lines, rows; /* sets of rows, which share no tile; rows of each, at most */
  int64_t groups, size;
  int64_t segments, run; /* of the sum; run 0: only a call knows */
  int64_t columns;       /* of a tile, */
  int64_t tile;          /* and rows */
  int64_t apart;         /* numbers from row to row of x; 0: this is not one distance */
  int64_t step_bytes;    /* of a tile's columns of the weight */
  bool copies;           /* pieces of the weight are copied first */
} BlockingProduct;

typedef struct {
  int64_t tile;            /* rows of a tile */
  int64_t segments, depth; /* of a piece of the sum, */
  bool given;              /* by the attribute */
  bool pieces;             /* of which there are several */
  int64_t strip, columns;  /* rows of a strip, columns of a group */
  int split;               /* SPLIT_ROWS: threads take strips, with all columns; or groups */
} Blocking;

/* As the attribute `blocking` has it: tile, terms of a piece, strip, columns, and what a thread
 * takes. */
enum { BLOCKING_NUMBERS = 5 };
enum { SPLIT_ANY, SPLIT_ROWS, SPLIT_COLUMNS };

/* Columns that tiles take of panels of `width`, for at most `rows` rows. */
int64_t blocking_tile_columns(int lanes, int registers, int64_t width, int64_t rows);
/* Rows of a tile that fit the registers beside so many columns. */
int blocking_tile_rows(int lanes, int registers, int64_t columns);
/* Rows of each tile for `count` of them: as few tiles as there must be, as even as can be. */
int blocking_even_rows(int most, int64_t count);
/* `size` in equal parts, as few as there must be for each to be at most `most`; each a multiple of
 * `by`. */
int64_t blocking_even_part(int64_t size, int64_t most, int64_t by);

/* The sum in pieces of about so many terms: of some segments, or of a part of one. */
void blocking_cut_sum(Blocking *blocking, int64_t segments, int64_t run, int64_t terms);

/* The usual way. */
Blocking blocking_usual(const BlockingMachine *machine, const BlockingProduct *product);
/* What threads take where nothing says it: each reads all of w, or all of x, half of which another
 * core has made. */
int blocking_split(int64_t x_bytes, int64_t w_bytes);
/* Rows of x, `depth` numbers of each, that stay in L2 beside a panel. */
int64_t blocking_room(const BlockingMachine *machine, const BlockingProduct *product,
                      int64_t depth);
/* The trips of a product: strips of tiles of rows by groups of blocks of columns, of each line.
 * Number i of n parts of `all` tiles or blocks begins at all * i / n, so that parts of neighbouring
 * numbers hold nearly the same. */
typedef struct {
  int64_t lines, tiles, blocks; /* of a line */
  int64_t strips, groups;       /* parts of its tiles and blocks */
  bool by_rows;                 /* neighbouring trips are of one strip, else of one group */
} BlockingTrips;

/* More strips and groups, where threads, who take as many neighbouring trips each, would otherwise
 * have unlike work. Each strip more, and each group, costs a part of the whole. */
void blocking_even_trips(BlockingTrips *trips, double strip, double group);

/* The usual way first, then others; no two are the same. One alone where there is nothing to
 * choose: few rows, or what only a call knows. */
enum { MOST_BLOCKINGS = 24 };
int blocking_ways(const BlockingMachine *machine, const BlockingProduct *product,
                  Blocking list[MOST_BLOCKINGS]);

#endif
