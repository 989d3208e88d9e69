/* Blocks, groups and kinds of tiles of a conv_winograd, from its shape alone. */
#include "backend/winograd_tiles.h"

#include "support/bug.h"

#include <math.h>

enum {
  MOST_SCRATCH = 1 << 22, /* bytes of a block's points, if it has more tiles than a register tile */
  LEAST_SPLIT = 32        /* output channels of a split */
};

static int64_t ceil_of(int64_t a, int64_t by) {
  return (a + by - 1) / by;
}

/* Where part number `number` of `parts` of all begins. */
static int64_t part_of(int64_t all, int64_t number, int64_t parts) {
  return all / parts * number + all % parts * number / parts;
}

/* ---- blocks ---- */

/* What a block of `rows` rows (tiles) takes for all panels, in multiply-adds of a whole row, as the
 * one number of KERNELS' model max(m, c + 0.4 m): m to read w, c to compute. */
static double block_time(const Tiles *b, double rows) {
  const Target *target = b->l->target;
  double rate = b->far ? target->rates.memory : target->rates.cache;
  double reading = 4 / rate * target->rates.flops / 2;
  double computing = rows + 0.4 * reading;
  return computing > reading ? computing : reading;
}

/* How many times its own time a block takes whose points and sums are not near: a little more for
 * each doubling beyond half of L2. */
static double spilling(const Tiles *b, int64_t tiles) {
  static const double doubling = 0.04, most = 0.15;
  int64_t each = b->lines * b->room + b->columns;
  double bytes = (double)(tiles * b->points * each * (int64_t)sizeof(float));
  double more = doubling * log2(bytes / ((double)b->l->target->l2 / 2));
  return 1 + (more < 0 ? 0 : more > most ? most : more);
}

/* Are the points of so many tiles so far beyond L2 that several panels go by them at once? */
static bool are_far(const Tiles *b, int64_t tiles) {
  enum { BEYOND = 3 };
  int64_t bytes = tiles * b->lines * b->points * b->room * (int64_t)sizeof(float);
  return bytes > BEYOND * b->l->target->l2;
}

/* What trips begin..end take, in blocks; each block that is begun takes `input` more. */
static double trips_time(const Tiles *b, int64_t splits, int64_t begin, int64_t end, double input) {
  if (begin >= end) return 0;
  int64_t first = begin / splits, last = (end - 1) / splits;
  int64_t panels = part_of(b->panels, end % splits, splits);
  panels -= part_of(b->panels, begin % splits, splits);
  double blocks = (double)(end / splits - first) + (double)panels / (double)b->panels;
  return blocks + (double)(last - first + 1) * input;
}

/* `blocks` blocks in `splits`, on `threads`: what the one takes that has most to do. */
static double threads_time(const Tiles *b, int64_t blocks, int64_t splits, int64_t threads,
                           double input) {
  int64_t trips = blocks * splits;
  double most = 0;
  for (int64_t i = 0; i < threads; i++) {
    int64_t begin = part_of(trips, i, threads), end = part_of(trips, i + 1, threads);
    double own = trips_time(b, splits, begin, end, input);
    most = own > most ? own : most;
  }
  return most;
}

/* Blocks of so many tiles, in splits that take the least time on one thread, two and four; each
 * thread transforms the input of each of its blocks. Gives the time, and sets what is better than
 * `least`. */
static double plan_splits(Tiles *b, int64_t all, int rows, int64_t tiles, double least) {
  static const double narrow = 0.5;   /* of a row: what a register tile costs beside its rows */
  static const double transform = 12; /* of the input: multiply-adds for each of its points */
  int64_t blocks = all > 0 ? ceil_of(all, tiles) : 1;
  bool even = !are_far(b, tiles), known = dim_is_constant(b->total);
  if (known) tiles = ceil_of(ceil_of(all, blocks), rows) * rows;
  double padded = (double)tiles * (1 + narrow / (double)rows), more = spilling(b, tiles);
  double input = padded * transform / (double)(b->panels * b->columns) * more;
  double block = block_time(b, padded * b->share) * more;
  for (int64_t splits = 1; splits <= b->panels; splits++) {
    int64_t split = b->panels / splits; /* the smallest */
    if (splits > 1 && split * b->columns < LEAST_SPLIT) break;
    if (b->panels % splits && !even) continue;
    double time = 0;
    for (int64_t threads = 1; threads <= 4; threads *= 2) {
      double each = block * threads_time(b, blocks, splits, threads, input / block);
      time += each * (double)threads / (threads > 2 ? 2 : 1);
    }
    if (least > 0 && time >= least) continue;
    least = time, b->tiles = tiles, b->splits = splits, b->tile.rows = rows;
  }
  return least;
}

static void plan_blocks(Tiles *b, int64_t all) {
  int64_t row = b->lines * b->points * b->room * 4;
  int most = b->tile.rows;
  double least = 0;
  for (int rows = most; rows > 0 && 3 * rows >= 2 * most; rows--) /* fewer leave fewer empty */
    for (int64_t tiles = rows; tiles <= WINOGRAD_MOST_TILES; tiles += rows) {
      if (tiles > rows && tiles * row > MOST_SCRATCH) break;
      least = plan_splits(b, all, rows, tiles, least);
      if (tiles >= all) break;
    }
}

/* How many panels of w a step takes: several where the points lie far beyond L2, so that they come
 * less often. */
static void plan_group(Tiles *b) {
  enum { MOST_GROUP = 4 };
  int64_t l2 = b->l->target->l2, sums = b->tiles * b->points * b->columns * 4;
  int64_t split = b->panels / b->splits;
  b->group = 1;
  if (!are_far(b, b->tiles) || b->panels % b->splits) return;
  for (int64_t group = 2; group <= split && group <= MOST_GROUP && group * sums <= l2; group++)
    if (split % group == 0) b->group = group;
}

/* ---- kinds of tiles ---- */

/* How many tiles lie along an axis. */
static const Dim *tiles_along(const Tiles *b, int axis) {
  DimTable *dims = b->l->dims;
  int64_t tile = b->axes[axis].tile;
  const Dim *size = b->op->results[0]->type.dims[axis + 1];
  return dim_floor(dims, dim_add(dims, size, dim_constant(dims, tile - 1)), tile);
}

/* Last tiles of fewer points, where that leaves out enough for a kernel of more code. */
static void plan_edges(Tiles *b) {
  static const double most_used = 0.96, least = 1e5; /* multiply-adds of an image */
  const Type *out = &b->op->results[0]->type;
  int64_t size[2];
  double products = (double)(b->lines * b->points * b->channels) * (double)(b->panels * b->columns);
  b->share = 1;
  for (int i = 0; i < 2; i++) {
    if (!dim_is_constant(out->dims[i + 1])) return;
    size[i] = dim_value(out->dims[i + 1]);
    products *= (double)dim_value(tiles_along(b, i));
  }
  double used = winograd_used(b->axes, size);
  if (used > most_used || (1 - used) * products < least) return;
  b->share = used;
  for (int i = 0; i < 2; i++) {
    b->has_edge[i] = winograd_has_edge(&b->axes[i], size[i]);
    if (b->has_edge[i]) winograd_edge(&b->axes[i], (int)(size[i] % b->axes[i].tile), &b->edges[i]);
  }
}

static void add_kind(Tiles *b, bool last_line, bool last_column) {
  DimTable *dims = b->l->dims;
  TileKind *kind = &b->kinds[b->kind_count];
  *kind = (TileKind){.last = {last_line, last_column}, .before = dim_constant(dims, 0)};
  kind->map[0] = b->op->results[0]->type.dims[0];
  for (int i = 0; i < 2; i++) {
    const Dim *one = dim_constant(dims, 1), *all = tiles_along(b, i);
    kind->axes[i] = kind->last[i] ? &b->edges[i] : &b->axes[i];
    kind->map[i + 1] = kind->last[i] ? one : b->has_edge[i] ? dim_sub(dims, all, one) : all;
  }
  if (b->kind_count > 0) {
    const TileKind *other = kind - 1;
    const Dim *count = dim_mul(dims, dim_mul(dims, other->map[0], other->map[1]), other->map[2]);
    kind->before = dim_add(dims, other->before, count);
  }
  b->kind_count++;
}

void tiles_plan(Tiles *b) {
  DimTable *dims = b->l->dims;
  const Type *out = &b->op->results[0]->type;
  b->total = dim_mul(dims, dim_mul(dims, out->dims[0], tiles_along(b, 0)), tiles_along(b, 1));
  if (!b->total) bug("a size above 64 bits in '%s'", b->l->kernel->name);
  plan_edges(b);
  if (b->has_edge[0]) add_kind(b, true, false);
  add_kind(b, false, false);
  if (b->has_edge[1]) add_kind(b, false, true);
  if (b->has_edge[0] && b->has_edge[1]) add_kind(b, true, true);
  int64_t weights = b->matrices * b->channels * b->panels * b->columns;
  b->far = weights > 2 * b->l->target->l2; /* elements: eight times L2 */
  b->ahead = weights > b->l->target->l2 / 4;
  plan_blocks(b, dim_max(b->total));
  plan_group(b);
  b->blocks = dim_floor(dims, dim_add(dims, b->total, dim_constant(dims, b->tiles - 1)), b->tiles);
  b->l->trips = dim_mul(dims, dim_constant(dims, b->splits), b->blocks);
  b->l->grain = 1;
}

int64_t tiles_rows(const Tiles *b) {
  return b->tiles + (b->kind_count > 1 ? b->tile.rows - 1 : 0);
}

/* ---- in a block ---- */

void tiles_begin_block(Tiles *b, LoopExpr *number) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *tiles = loop_int(k, b->tiles);
  int64_t all = dim_max(b->total);
  if (dim_is_constant(b->total) && all > 0 && all <= INT32_MAX) {
    int64_t blocks = dim_value(b->blocks);
    LoopExpr *next = loop_add(k, number, loop_int(k, 1));
    b->first = loop_let(k, "first", tile_part(k, all, number, blocks));
    b->count = loop_int(k, all / blocks);
    if (all % blocks) {
      next = tile_part(k, all, next, blocks);
      b->count = loop_let(k, "count", loop_sub(k, next, b->first));
    }
    return;
  }
  b->first = loop_let(k, "first", loop_mul(k, number, tiles));
  LoopExpr *left = loop_sub(k, dim_expr(k, b->total), b->first);
  b->count = loop_let(k, "count", loop_min(k, left, tiles));
}

void tiles_split(const Tiles *b, LoopExpr *number, LoopExpr **begin, LoopExpr **end) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *next = loop_add(k, number, loop_int(k, 1));
  *begin = tile_part(k, b->panels, number, b->splits);
  *end = loop_let(k, "past", tile_part(k, b->panels, next, b->splits));
}

void tiles_open_block(Tiles *b) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *at = zero;
  for (int i = 0; i < b->kind_count; i++) {
    b->kinds[i].begin = at;
    if (i + 1 < b->kind_count) {
      LoopExpr *past = loop_sub(k, dim_expr(k, b->kinds[i + 1].before), b->first);
      at = loop_let(k, "past", loop_max(k, zero, loop_min(k, past, b->count)));
    }
    b->kinds[i].end = i + 1 < b->kind_count ? at : b->count;
  }
}

/* Is the point one of the edge's? */
static LoopExpr *is_of_edge(const Tiles *b, int axis, LoopExpr *point) {
  LoopKernel *k = b->l->kernel;
  const Winograd *edge = &b->edges[axis];
  LoopExpr *some = NULL;
  for (int i = 0; i < edge->points; i++) {
    int from = i;
    while (i + 1 < edge->points && edge->at[i + 1] == edge->at[i] + 1) i++;
    LoopExpr *run = loop_and(k, loop_ge(k, point, loop_int(k, edge->at[from])),
                             loop_le(k, point, loop_int(k, edge->at[i])));
    some = some ? loop_or(k, some, run) : run;
  }
  return loop_let(k, "kept", some);
}

void tiles_of_point(const Tiles *b, LoopExpr *point, LoopExpr **begin, LoopExpr **end) {
  LoopKernel *k = b->l->kernel;
  LoopExpr *rows = loop_int(k, b->tile.rows), *zero = loop_int(k, 0);
  LoopExpr *across = loop_int(k, b->axes[1].points);
  const TileKind *inside = &b->kinds[b->has_edge[0] ? 1 : 0];
  *begin = zero, *end = b->count;
  LoopExpr *past = b->has_edge[1] ? inside[1].end : b->count; /* of all but the corners */
  if (b->has_edge[0]) {
    LoopExpr *kept = is_of_edge(b, 0, loop_div(k, point, across));
    *begin = loop_let(k, "begin", loop_select(k, kept, zero, inside->begin));
    *end = loop_select(k, kept, b->count, past);
  }
  if (b->has_edge[1]) {
    LoopExpr *kept = is_of_edge(b, 1, loop_mod(k, point, across));
    *end = loop_select(k, kept, *end, inside->end);
  }
  LoopExpr *count = loop_add(k, loop_sub(k, *end, *begin), loop_int(k, b->tile.rows - 1));
  count = loop_mul(k, loop_div(k, count, rows), rows);
  *end = loop_let(k, "end", loop_add(k, *begin, count));
}
