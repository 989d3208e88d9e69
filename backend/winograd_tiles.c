/* Blocks, groups and kinds of tiles of a conv_winograd, from its shape alone. */
#include "backend/winograd_tiles.h"

#include "support/bug.h"

/* ---- blocks ---- */

static WinogradMachine machine_of(const Target *target) {
  return (WinogradMachine){.lanes = target->lanes,
                           .registers = target->registers,
                           .l2 = target->l2,
                           .flops = target->rates.flops,
                           .memory = target->rates.memory,
                           .cache = target->rates.cache};
}

bool tiles_work(Tiles *b) {
  WinogradMachine machine = machine_of(b->l->target);
  return winograd_work(b->op, &machine, &b->work);
}

static void plan_blocks(Tiles *b) {
  WinogradMachine machine = machine_of(b->l->target);
  int64_t given[WINOGRAD_BLOCKS_NUMBERS];
  for (int i = 0; i < WINOGRAD_BLOCKS_NUMBERS; i++)
    given[i] = op_list_integer(b->op, ATTRIBUTE_blocking, i);
  WinogradBlocks blocks = given[0] ? winograd_blocks_given(&b->work, given[0], given[1], given[2])
                                   : winograd_blocks_usual(&machine, &b->work);
  b->tile.rows = blocks.rows, b->tiles = blocks.tiles, b->splits = blocks.splits;
}

/* How many panels of w a step takes: several where the points lie far beyond L2, so that they come
 * less often. */
static void plan_group(Tiles *b) {
  enum { MOST_GROUP = 4 };
  WinogradMachine machine = machine_of(b->l->target);
  int64_t sums = b->tiles * b->work.points * b->work.columns * 4,
          split = b->work.panels / b->splits;
  b->group = 1;
  if (!winograd_is_far(&machine, &b->work, b->tiles) || b->work.panels % b->splits) return;
  for (int64_t group = 2; group <= split && group <= MOST_GROUP && group * sums <= machine.l2;
       group++)
    if (split % group == 0) b->group = group;
}

/* ---- kinds of tiles ---- */

/* How many tiles lie along an axis. */
static const Dim *tiles_along(const Tiles *b, int axis) {
  DimTable *dims = b->l->dims;
  int64_t tile = b->work.axes[axis].tile;
  const Dim *size = b->op->results[0]->type.dims[axis + 1];
  return dim_floor(dims, dim_add(dims, size, dim_constant(dims, tile - 1)), tile);
}

static void plan_edges(Tiles *b) {
  const Type *out = &b->op->results[0]->type;
  for (int i = 0; i < 2 && b->work.share < 1; i++) {
    int64_t size = dim_value(out->dims[i + 1]);
    b->has_edge[i] = winograd_has_edge(&b->work.axes[i], size);
    if (b->has_edge[i])
      winograd_edge(&b->work.axes[i], (int)(size % b->work.axes[i].tile), &b->edges[i]);
  }
}

static void add_kind(Tiles *b, bool last_line, bool last_column) {
  DimTable *dims = b->l->dims;
  TileKind *kind = &b->kinds[b->kind_count];
  *kind = (TileKind){.last = {last_line, last_column}, .before = dim_constant(dims, 0)};
  kind->map[0] = b->op->results[0]->type.dims[0];
  for (int i = 0; i < 2; i++) {
    const Dim *one = dim_constant(dims, 1), *all = tiles_along(b, i);
    kind->axes[i] = kind->last[i] ? &b->edges[i] : &b->work.axes[i];
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
  plan_blocks(b);
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
  *begin = tile_part(k, b->work.panels, number, b->splits);
  *end = loop_let(k, "past", tile_part(k, b->work.panels, next, b->splits));
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
  LoopExpr *across = loop_int(k, b->work.axes[1].points);
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
