#include "ir/winograd_blocks.h"

#include "ir/blocking.h"
#include "support/whole.h"

#include <math.h>

enum {
  MOST_SCRATCH = 1 << 22, /* bytes of a block's points, if it has more tiles than a register tile */
  LEAST_SPLIT = 32        /* output channels of a split */
};

/* Where part number `number` of `parts` of all begins. */
static int64_t part_of(int64_t all, int64_t number, int64_t parts) {
  return all / parts * number + all % parts * number / parts;
}

/* ---- the work ---- */

/* Last tiles of fewer points, where that leaves out enough for a kernel of more code. */
static double share_of(const WinogradWork *w, const Type *out) {
  static const double most_used = 0.96, least = 1e5; /* multiply-adds of an image */
  int64_t size[2];
  double products = (double)(w->lines * w->points * w->channels) * (double)(w->panels * w->columns);
  for (int i = 0; i < 2; i++) {
    if (!dim_is_constant(out->dims[i + 1])) return 1;
    size[i] = dim_value(out->dims[i + 1]);
    products *= (double)ceil_of(size[i], w->axes[i].tile);
  }
  double used = winograd_used(w->axes, size);
  return used > most_used || (1 - used) * products < least ? 1 : used;
}

/* All images' tiles, at most. */
static int64_t tiles_of(const WinogradWork *w, const Type *out) {
  double all = (double)dim_max(out->dims[0]);
  for (int i = 0; i < 2; i++) all *= (double)ceil_of(dim_max(out->dims[i + 1]), w->axes[i].tile);
  return all < (double)INT32_MAX ? (int64_t)all : INT32_MAX;
}

bool winograd_work(const Op *conv, const WinogradMachine *m, WinogradWork *w) {
  const Type *x = &conv->operands[0]->type, *panels = &conv->operands[1]->type;
  const Type *out = &conv->results[0]->type;
  if (x->element != ELEMENT_f32 || !dim_is_constant(x->dims[3])) return false;
  *w = (WinogradWork){.points = 1, .matrices = 1, .lines = 1, .known = true};
  w->channels = dim_value(x->dims[3]);
  w->columns = dim_value(panels->dims[4]), w->panels = dim_value(panels->dims[0]);
  if (w->columns % m->lanes || w->channels == 0) return false;
  for (int i = 0; i < 2; i++) {
    if (!winograd_find(op_list_integer(conv, ATTRIBUTE_tile, i),
                       op_list_integer(conv, ATTRIBUTE_kernel, i),
                       op_list_integer(conv, ATTRIBUTE_stride, i), &w->axes[i]))
      return false;
    w->points *= w->axes[i].points, w->matrices *= w->axes[i].weights;
  }
  if (winograd_is_direct(&w->axes[1])) return false;
  w->direct = winograd_is_direct(&w->axes[0]);
  if (w->direct) w->lines = w->axes[0].points, w->points = w->axes[1].points;
  w->wide = blocking_tile_columns(m->lanes, m->registers, w->columns, WINOGRAD_MOST_TILES);
  w->rows = blocking_tile_rows(m->lanes, m->registers, w->wide);
  w->room = w->channels;
  if (w->channels < m->lanes) { /* as many lanes as a power of two */
    for (w->few = 2; w->few < w->channels;) w->few *= 2;
    w->room = w->few;
  }
  if (w->channels % 128 == 0) w->room += 16; /* else points would share few sets of the cache */
  for (int i = 0; i < 3; i++) w->known = w->known && dim_is_constant(out->dims[i]);
  w->tiles = tiles_of(w, out);
  w->share = share_of(w, out);
  double weights = (double)w->matrices * (double)w->channels * (double)(w->panels * w->columns);
  w->far = weights > 2 * (double)m->l2; /* elements: eight times L2 */
  w->ahead = weights > (double)m->l2 / 4;
  return true;
}

/* ---- estimates ---- */

/* Of a tile's points, whatever a graph's text says. */
static double row_bytes(const WinogradWork *w) {
  return (double)(w->lines * w->points) * (double)w->room * (double)sizeof(float);
}

/* What a block of `rows` rows (tiles) takes for all panels, in multiply-adds of a whole row, as the
 * one number of KERNELS' model max(m, c + 0.4 m): m to read w, c to compute. */
static double block_time(const WinogradMachine *m, const WinogradWork *w, double rows) {
  double reading = 4 / (w->far ? m->memory : m->cache) * m->flops / 2;
  double computing = rows + 0.4 * reading;
  return computing > reading ? computing : reading;
}

/* How many times its own time a block takes whose points and sums are not near: a little more for
 * each doubling beyond half of L2. */
static double spilling(const WinogradMachine *m, const WinogradWork *w, int64_t tiles) {
  static const double doubling = 0.04, most = 0.15;
  double sums = (double)(w->points * w->columns) * (double)sizeof(float);
  double bytes = (double)tiles * (row_bytes(w) + sums);
  double more = doubling * log2(bytes / ((double)m->l2 / 2));
  return 1 + (more < 0 ? 0 : more > most ? most : more);
}

bool winograd_is_far(const WinogradMachine *m, const WinogradWork *w, int64_t tiles) {
  enum { BEYOND = 3 };
  return (double)tiles * row_bytes(w) > (double)(BEYOND * m->l2);
}

/* What trips begin..end take, in blocks; each block that is begun takes `input` more. */
static double trips_time(const WinogradWork *w, int64_t splits, int64_t begin, int64_t end,
                         double input) {
  if (begin >= end) return 0;
  int64_t first = begin / splits, last = (end - 1) / splits;
  int64_t panels = part_of(w->panels, end % splits, splits);
  panels -= part_of(w->panels, begin % splits, splits);
  double blocks = (double)(end / splits - first) + (double)panels / (double)w->panels;
  return blocks + (double)(last - first + 1) * input;
}

/* `blocks` blocks in `splits`, on `threads`: what the one takes that has most to do. */
static double threads_time(const WinogradWork *w, int64_t blocks, int64_t splits, int64_t threads,
                           double input) {
  int64_t trips = blocks * splits;
  double most = 0;
  for (int64_t i = 0; i < threads; i++) {
    int64_t begin = part_of(trips, i, threads), end = part_of(trips, i + 1, threads);
    double own = trips_time(w, splits, begin, end, input);
    most = own > most ? own : most;
  }
  return most;
}

/* Blocks of at most so many tiles, in splits, on one thread, two and four; each thread transforms
 * the input of each of its blocks. */
static WinogradBlocks way_of(const WinogradMachine *m, const WinogradWork *w, int rows,
                             int64_t tiles, int64_t splits) {
  static const double narrow = 0.5;   /* of a row: what a register tile costs beside its rows */
  static const double transform = 12; /* of the input: multiply-adds for each of its points */
  int64_t blocks = w->tiles > 0 ? ceil_of(w->tiles, tiles) : 1;
  if (w->known) tiles = ceil_of(w->tiles > 0 ? ceil_of(w->tiles, blocks) : 1, rows) * rows;
  double padded = (double)tiles * (1 + narrow / (double)rows), more = spilling(m, w, tiles);
  double input = padded * transform / (double)(w->panels * w->columns) * more;
  double block = block_time(m, w, padded * w->share) * more, time = 0, weights = 0;
  for (int64_t threads = 1; threads <= 4 && (!m->threads || threads <= m->threads); threads *= 2) {
    double weight = threads > 1 ? 0.5 : 1;
    time +=
        weight * (double)threads * block * threads_time(w, blocks, splits, threads, input / block);
    weights += weight;
  }
  double row = (double)(w->points * w->lines * w->channels) * (double)(w->panels * w->columns);
  return (WinogradBlocks){rows, tiles, splits, time / weights * 2 * row / m->flops};
}

/* With the best of all splits, if that is better. */
static void best_splits(const WinogradMachine *m, const WinogradWork *w, int rows, int64_t tiles,
                        WinogradBlocks *best) {
  bool even = !winograd_is_far(m, w, tiles);
  for (int64_t splits = 1; splits <= w->panels; splits++) {
    int64_t split = w->panels / splits; /* the smallest */
    if (splits > 1 && split * w->columns < LEAST_SPLIT) break;
    if (w->panels % splits && !even) continue;
    WinogradBlocks way = way_of(m, w, rows, tiles, splits);
    if (best->splits == 0 || way.seconds < best->seconds) *best = way;
  }
}

WinogradBlocks winograd_blocks_usual(const WinogradMachine *m, const WinogradWork *w) {
  double row = row_bytes(w);
  WinogradBlocks best = {.rows = w->rows, .tiles = w->rows};
  for (int rows = w->rows; rows > 0 && 3 * rows >= 2 * w->rows; rows--) /* fewer empty ones */
    for (int64_t tiles = rows; tiles <= WINOGRAD_MOST_TILES; tiles += rows) {
      if (tiles > rows && (double)tiles * row > MOST_SCRATCH) break;
      best_splits(m, w, rows, tiles, &best);
      if (tiles >= w->tiles) break;
    }
  if (best.splits == 0) best.splits = 1;
  return best;
}

/* ---- ways ---- */

static void add(WinogradBlocks *list, int *count, WinogradBlocks way) {
  for (int i = 0; i < *count; i++)
    if (list[i].rows == way.rows && list[i].tiles == way.tiles && list[i].splits == way.splits)
      return;
  if (*count < WINOGRAD_MOST_WAYS && way.splits > 0) list[(*count)++] = way;
}

int winograd_blocks_ways(const WinogradMachine *m, const WinogradWork *w,
                         WinogradBlocks list[WINOGRAD_MOST_WAYS]) {
  int count = 0;
  WinogradMachine any = *m; /* as the back end sees it */
  any.threads = 0;
  WinogradBlocks usual = winograd_blocks_usual(&any, w);
  usual.seconds = way_of(m, w, usual.rows, usual.tiles, usual.splits).seconds;
  add(list, &count, usual);
  if (!w->known || w->tiles < 2) return count;
  double row = row_bytes(w);
  /* One block, two, four .. of all tiles, each with the rows of register tiles that suit it. */
  for (int64_t blocks = 1; blocks <= 32 && blocks <= w->tiles; blocks *= 2) {
    WinogradBlocks best = {0};
    for (int rows = w->rows; rows > 0 && 3 * rows >= 2 * w->rows; rows--) {
      int64_t tiles = ceil_of(ceil_of(w->tiles, blocks), rows) * rows;
      if (tiles > WINOGRAD_MOST_TILES + rows ||
          (tiles > rows && (double)tiles * row > MOST_SCRATCH))
        continue;
      best_splits(m, w, rows, tiles, &best);
    }
    add(list, &count, best);
  }
  /* The usual blocks in fewer splits and in more, and with other register tiles. */
  const int64_t splits[] = {1, usual.splits / 2, usual.splits * 2};
  for (int i = 0; i < 3; i++)
    if (splits[i] >= 1 && splits[i] <= w->panels)
      add(list, &count, way_of(m, w, usual.rows, usual.tiles, splits[i]));
  for (int rows = w->rows; rows > 0 && 3 * rows >= 2 * w->rows; rows--)
    add(list, &count, way_of(m, w, rows, ceil_of(usual.tiles, rows) * rows, usual.splits));
  return count;
}

WinogradBlocks winograd_blocks_given(const WinogradWork *w, int64_t rows, int64_t tiles,
                                     int64_t splits) {
  enum { MOST = 2 * WINOGRAD_MOST_TILES };
  WinogradBlocks given = {.rows = rows < 1 ? 1 : rows > w->rows ? w->rows : (int)rows};
  double room = MOST_SCRATCH / row_bytes(w);
  int64_t most = room < MOST ? (int64_t)room : MOST;
  tiles = tiles > most ? most : tiles;
  given.tiles = ceil_of(tiles < 1 ? 1 : tiles, given.rows) * given.rows;
  splits = splits > w->panels ? w->panels : splits;
  given.splits = splits < 1 ? 1 : splits;
  return given;
}
