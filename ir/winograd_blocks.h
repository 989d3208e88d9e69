/* winograd_blocks.h - how a conv_winograd is cut.
 *
 *   for each block of tiles, for each split of its panels:        what a thread takes
 *     the tiles' points;  for each panel of the split:  their products, and pixels
 *
 * `select` lists ways with their estimates and writes the one it takes into the operation's
 * attribute `blocking` (passes/select_blocking.c), as far as all tiles are known; the back end asks
 * for the usual one where there is none.
 */
#ifndef IR_WINOGRAD_BLOCKS_H
#define IR_WINOGRAD_BLOCKS_H

#include "ir/graph.h"
#include "ir/winograd.h"

typedef struct {
  int lanes, registers;
  int64_t l2;
  double flops, memory, cache; /* a core's rates */
  int threads;                 /* that there are at most; 0: only a call knows */
} WinogradMachine;

typedef struct {
  Winograd axes[2];
  bool direct;              /* the first axis is: its points are terms of the others' sums */
  int64_t points, matrices; /* of both axes, or of the second alone; of w in a panel */
  int64_t lines;            /* if so, of the kernel; else 1 */
  int64_t channels, room;   /* room: floats from point to point in a tile's row */
  int few;                  /* lanes of channels that fill no vector; else 0 */
  int64_t columns, panels;  /* of w */
  int64_t wide;             /* columns of a register tile, */
  int rows;                 /* and rows at most */
  int64_t tiles;            /* of all images, at most, */
  bool known;               /* exactly */
  double share;             /* of all tiles' points are used; 1: last tiles are whole, too */
  bool far;                 /* w comes from memory, */
  bool ahead;               /* or from beyond L2: it is fetched while what is before it is used */
} WinogradWork;

/* False: no kernel of blocks takes it. */
bool winograd_work(const Op *conv, const WinogradMachine *machine, WinogradWork *work);

typedef struct {
  int rows;              /* of a register tile */
  int64_t tiles, splits; /* of a block, at most: whole register tiles; of its panels */
  double seconds;        /* estimated, of one thread: the mean of one, two and four */
} WinogradBlocks;

enum { WINOGRAD_MOST_TILES = 96 /* of a block */, WINOGRAD_MOST_WAYS = 12 };

/* The usual way: the one with the least estimate. */
WinogradBlocks winograd_blocks_usual(const WinogradMachine *machine, const WinogradWork *work);
/* It first, then others; one alone where the number of tiles is not known. */
int winograd_blocks_ways(const WinogradMachine *machine, const WinogradWork *work,
                         WinogradBlocks list[WINOGRAD_MOST_WAYS]);
/* What the attribute says, as far as it can be done: any numbers make a way. */
WinogradBlocks winograd_blocks_given(const WinogradWork *work, int64_t rows, int64_t tiles,
                                     int64_t splits);
/* As the attribute `blocking` has it: rows, tiles, splits. */
enum { WINOGRAD_BLOCKS_NUMBERS = 3 };
/* Do the points of so many tiles lie so far beyond L2 that several panels should go by at once? */
bool winograd_is_far(const WinogradMachine *machine, const WinogradWork *work, int64_t tiles);

#endif
