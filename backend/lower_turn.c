/* lower_turn.c - transposes: squares of registers are turned round between their loads and stores,
 * so that memory is read and written in whole lines.
 *
 *   for each block of `across`:              a line of the operand
 *     for each block of the last axis:       a line of the result
 *       for each square in them: load its rows along `across`, turn it, store along the last axis
 *
 * Where a size is no multiple of the square's, the last one reaches back into the one before.
 *
 * What does not lie in the first cache goes by tiles through scratch: lines that are rows apart
 * fall into few sets of the caches, so a line of the result would be gone before its second half is
 * written, and each row is of another page. A tile is read by a few lines of each of its rows, and
 * written by whole runs of lines (1024 x 1024, Zen 3: 31 GB/s, not 15). Results far beyond the
 * caches have tiles of half of L2, runs of 128 elements and more go past the caches (4096 x 4096:
 * 16 GB/s, not 11; of trials by hand the best had 15). */
#include "backend/families.h"

enum {
  LINE = 16, /* elements of f32 in a cache line */
  MOST_TURNED = 8,
  TILE = 4096, /* elements: half of a first cache */
  LEAST_TILE = 32,
  MOST_RUN = 128, /* of the result's row in a tile */
  TILED_BYTES = 1 << 17,
  MOST_LINES = 512,   /* of a tile whose runs are streamed */
  FAR_BYTES = 1 << 24 /* comes from memory: the next tile is fetched */
};

/* Does the operation's value at an index depend on operands' elements there alone? */
static bool keeps_to_places(const Op *op) {
  switch (op->kind) {
  case OP_transpose:
  case OP_broadcast:
  case OP_reshape:
  case OP_constant:
  case OP_full:
    return true;
  default:
    return operator_has(op->kind, TRAIT_ELEMENTWISE) && !operator_has(op->kind, TRAIT_DEAR);
  }
}

static bool fits(const Region *region, const Type *shape, int across, int last) {
  Element element = shape->element;
  if (region_result_count(region) != 1 || across < 0 || across == last) return false;
  if (element != ELEMENT_f32 && element != ELEMENT_i32) return false;
  int size = region->natural;
  if (dim_min(shape->dims[across]) < size || dim_min(shape->dims[last]) < size) return false;
  if (!region->block) return keeps_to_places(region->op);
  int count = 0;
  for (const Op *op = region->block->first; op; op = op->next, count++)
    if (!keeps_to_places(op)) return false;
  return count <= MOST_TURNED;
}

typedef struct {
  Region *region;
  const Type *shape;
  int across, last;
  Index *index;
} Turn;

/* Of a square's first place along both axes: rows of the result. */
static LoopExpr *turned_square(const Turn *t, LoopExpr *across, LoopExpr *last) {
  Region *r = t->region;
  LoopKernel *k = r->k;
  int size = r->natural;
  LoopElement element = compute_element(t->shape->element);
  LoopExpr *square = loop_array(k, "square", element, size, size, loop_literal(k, element, 0));
  Index index[MOST_AXES];
  for (int i = 0; i < t->shape->rank; i++) index[i] = t->index[i];
  size_t scope = region_push(r);
  for (int i = 0; i < size; i++) {
    index[t->across] = index_lanes(across);
    index[t->last] = index_scalar(loop_add(k, last, loop_int(k, i)));
    LoopExpr *value = region_value(r, region_result(r, 0), index);
    loop_set(k, loop_row(k, square, loop_int(k, i)), value);
  }
  region_pop(r, scope);
  loop_transpose(k, square);
  return square;
}

static void turn_square(const Turn *t, LoopExpr *across, LoopExpr *last) {
  Region *r = t->region;
  LoopKernel *k = r->k;
  LoopExpr *square = turned_square(t, across, last);
  Index index[MOST_AXES];
  for (int i = 0; i < t->shape->rank; i++) index[i] = t->index[i];
  for (int i = 0; i < r->natural; i++) {
    index[t->across] = index_scalar(loop_add(k, across, loop_int(k, i)));
    index[t->last] = index_lanes(last);
    region_store(r, region_result_buffer(r, 0), t->shape->rank, index,
                 loop_row(k, square, loop_int(k, i)));
  }
}

/* Blocks along an axis: of a line, or if it is shorter of a square. */
typedef struct {
  const Dim *all, *count;
  int size;
} Blocks;

static Blocks blocks_of(DimTable *t, const Region *region, const Dim *all) {
  Blocks blocks = {.all = all, .size = dim_min(all) < LINE ? region->natural : LINE};
  if (blocks.size < region->natural) blocks.size = region->natural;
  blocks.count = dim_floor(t, dim_add(t, all, dim_constant(t, blocks.size - 1)), blocks.size);
  return blocks;
}

/* Where a block starts: none goes beyond the end. */
static LoopExpr *block_start(LoopKernel *k, const Blocks *blocks, LoopExpr *number) {
  LoopExpr *size = loop_int(k, blocks->size), *start = loop_mul(k, number, size);
  if (dim_is_constant(blocks->all) && dim_value(blocks->all) % blocks->size == 0) return start;
  LoopExpr *last = loop_sub(k, dim_expr(k, blocks->all), size);
  return loop_let(k, "start", loop_min(k, start, last));
}

/* ---- tiles ---- */

/* An axis in parts of `size`. */
typedef struct {
  const Dim *all, *count;
  int64_t size;
  LoopExpr *from, *some; /* of a trip: the first, and how many, at least a square's */
} Part;

static Part part_of(DimTable *t, const Dim *all, int64_t size) {
  const Dim *more = dim_add(t, all, dim_constant(t, size - 1));
  return (Part){.all = all, .size = size, .count = dim_floor(t, more, size)};
}

static bool is_even(const Part *p) {
  return dim_is_constant(p->all) && dim_value(p->all) % p->size == 0;
}

static void open_part(LoopKernel *k, Part *p, LoopExpr *number, int square) {
  LoopExpr *size = loop_int(k, p->size), *from = loop_mul(k, number, size);
  p->from = from, p->some = size; /* unnamed, it is known to be a multiple of the size */
  if (is_even(p)) return;
  LoopExpr *all = dim_expr(k, p->all);
  p->from = loop_let(k, "from", loop_min(k, from, loop_sub(k, all, loop_int(k, square))));
  p->some = loop_let(k, "some", loop_min(k, size, loop_sub(k, all, p->from)));
}

/* Opens a loop over squares of a part: the place in it where one begins. */
static LoopExpr *open_squares(LoopKernel *k, const Part *p, const char *name, int square) {
  LoopExpr *size = loop_int(k, square), *zero = loop_int(k, 0);
  if (is_even(p)) return loop_for_step(k, name, zero, p->some, square);
  LoopExpr *more = loop_add(k, p->some, loop_int(k, square - 1));
  LoopExpr *number = loop_for(k, name, zero, loop_div(k, more, size));
  LoopExpr *place = loop_mul(k, number, size), *last = loop_sub(k, p->some, size);
  return loop_let(k, "at", loop_min(k, place, last));
}

/* The same place in the tile that comes next along the operand's lines. */
static void fetch_square(const Turn *t, const Part *lines, LoopExpr *across, LoopExpr *last) {
  Region *r = t->region;
  LoopKernel *k = r->k;
  Index index[MOST_AXES];
  for (int i = 0; i < t->shape->rank; i++) index[i] = t->index[i];
  for (int i = 0; i < r->natural; i++) {
    index[t->across] = index_scalar(loop_add(k, across, loop_int(k, lines->size)));
    index[t->last] = index_scalar(loop_add(k, last, loop_int(k, i)));
    region_fetch(r, region_result(r, 0), index);
  }
}

static void turn_tile(const Turn *t, const Part *lines, const Part *rows, bool far) {
  Region *r = t->region;
  LoopKernel *k = r->k;
  int size = r->natural;
  LoopElement element = compute_element(t->shape->element);
  int64_t row = rows->size + (lines->size * rows->size > TILE ? LINE : 0); /* all of L1's sets */
  LoopBuffer *tile =
      loop_scratch(k, "tile", element, 2, loop_int(k, lines->size), loop_int(k, row));
  Index index[MOST_AXES];
  for (int i = 0; i < t->shape->rank; i++) index[i] = t->index[i];
  LoopExpr *y = open_squares(k, rows, "y", size), *x = open_squares(k, lines, "x", size);
  LoopExpr *across = loop_let(k, "across", loop_add(k, lines->from, x));
  LoopExpr *last = loop_let(k, "last", loop_add(k, rows->from, y));
  if (far) fetch_square(t, lines, across, last);
  LoopExpr *square = turned_square(t, across, last);
  for (int i = 0; i < size; i++)
    loop_store(k, loop_lanes(k, tile, size, loop_add(k, x, loop_int(k, i)), y),
               loop_row(k, square, loop_int(k, i)));
  loop_end(k);
  loop_end(k);
  x = loop_for(k, "x", loop_int(k, 0), lines->some);
  index[t->across] = index_scalar(loop_add(k, lines->from, x));
  int together = is_even(rows) && rows->size % (2 * size) == 0 ? 2 * size : size;
  int outer_lanes = r->lanes;
  r->lanes = together;
  y = open_squares(k, rows, "y", together);
  index[t->last] = index_lanes(loop_add(k, rows->from, y));
  region_store(r, region_result_buffer(r, 0), t->shape->rank, index,
               loop_lanes(k, tile, together, x, y));
  r->lanes = outer_lanes;
  loop_end(k);
  loop_end(k);
}

static int64_t streamed_tile(const Lowering *l, const Type *shape) {
  return l->target->l2 / 2 / element_infos[shape->element].bytes;
}

/* Lines so many bytes apart that a cache keeps. */
static int64_t kept_lines(int64_t cache, int64_t bytes) {
  enum { WAYS = 8, LINE_BYTES = 64 };
  int64_t sets = cache / WAYS / LINE_BYTES, apart = bytes / LINE_BYTES;
  while (sets > 1 && apart % 2 == 0) sets /= 2, apart /= 2;
  return sets * WAYS;
}

static bool wants_tiles(const Lowering *l, const Type *shape, int across, int last, double apart) {
  int64_t lines = dim_min(shape->dims[across]), rows = dim_min(shape->dims[last]);
  int64_t bytes = element_infos[shape->element].bytes, from = (int64_t)apart * bytes, to = bytes;
  if (lines < LEAST_TILE || rows < LEAST_TILE || apart < 1 || apart > INT32_MAX) return false;
  if (type_bytes_at_bound(shape) < TILED_BYTES) return false;
  for (int i = across + 1; i <= last; i++)
    if (__builtin_mul_overflow(to, dim_max(shape->dims[i]), &to)) return false;
  if (kept_lines(l->target->l1, from) < LINE || kept_lines(l->target->l1, to) < LINE) return true;
  return (double)rows * (double)from > FAR_BYTES && rows > kept_lines(l->target->l2, from) / 2;
}

/* Runs of whole lines in rows that are, for tiles of half of L2: what is written past the caches
 * must fill its lines at once. 0: rows are not of whole lines. */
static int64_t streamed_run(const Lowering *l, const Type *shape, int across, int last) {
  const Dim *row = shape->dims[last];
  if (l->op->result_count != 1 || !dim_is_constant(row)) return 0;
  int64_t lines = dim_min(shape->dims[across]), most = streamed_tile(l, shape);
  most /= lines < MOST_LINES ? lines : MOST_LINES;
  int64_t run = dim_value(row) < most ? dim_value(row) : most;
  for (run -= run % LINE; run > 0 && dim_value(row) % run; run -= LINE) continue;
  return run;
}

/* `streamed`: runs that go past the caches, or 0. */
static void lower_tiles(Lowering *l, Region *region, const Type *shape, int across, int last,
                        int64_t streamed) {
  LoopKernel *k = l->kernel;
  const Dim *dims[MOST_AXES];
  int axes[MOST_AXES], count = 0, size = region->natural;
  for (int i = 0; i < last; i++)
    if (i != across && !dim_is(shape->dims[i], 1)) axes[count] = i, dims[count++] = shape->dims[i];
  int64_t run = MOST_RUN;
  while (run > dim_min(shape->dims[last])) run /= 2;
  int64_t tile = TILE, lines_most = TILE / run;
  if (streamed) run = streamed, tile = streamed_tile(l, shape), lines_most = tile / run;
  if (lines_most > dim_max(shape->dims[across])) lines_most = dim_max(shape->dims[across]);
  Part lines = part_of(l->dims, shape->dims[across], lines_most / size * size);
  Part rows = part_of(l->dims, shape->dims[last], run);
  dims[count] = rows.count, dims[count + 1] = lines.count;
  l->algorithm = "turn";
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < count + 2; i++) l->trips = dim_mul(l->dims, l->trips, dims[i]);
  l->grain = grain_for(tile, false);
  LoopExpr *at[MOST_AXES + 2], *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count + 2, at);
  Index index[MOST_AXES];
  for (int i = 0; i < shape->rank; i++) index[i] = index_scalar(loop_int(k, 0));
  for (int i = 0; i < count; i++) index[axes[i]] = index_scalar(at[i]);
  Turn turn = {region, shape, across, last, index};
  region->lanes = size;
  region->aligned = false;
  open_part(k, &rows, at[count], size);
  open_part(k, &lines, at[count + 1], size);
  turn_tile(&turn, &lines, &rows, !streamed && type_bytes_at_bound(shape) >= FAR_BYTES);
  loop_end(k);
}

bool lower_turned(Lowering *l, Region *region, const Type *shape, int across, int last,
                  double apart) {
  /* Squares and tiles reach back into those before: what they read must still be there. */
  if (l->over_operand || !fits(region, shape, across, last)) return false;
  int64_t streamed = streamed_run(l, shape, across, last);
  if (streamed) lower_streams(l, region_result_buffer(region, 0), l->op->results[0]);
  if (!region_result_buffer(region, 0)->streams) streamed = 0;
  if (streamed || wants_tiles(l, shape, across, last, apart)) {
    lower_tiles(l, region, shape, across, last, streamed);
    return true;
  }
  LoopKernel *k = l->kernel;
  const Dim *dims[MOST_AXES];
  int axes[MOST_AXES], count = 0, size = region->natural;
  for (int i = 0; i < last; i++)
    if (i != across && !dim_is(shape->dims[i], 1)) axes[count] = i, dims[count++] = shape->dims[i];
  Blocks from = blocks_of(l->dims, region, shape->dims[across]);
  Blocks to = blocks_of(l->dims, region, shape->dims[last]);
  axes[count] = across, dims[count++] = from.count;
  l->algorithm = "turn";
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < count; i++) l->trips = dim_mul(l->dims, l->trips, dims[i]);
  int64_t row = dim_max(shape->dims[last]);
  l->grain = grain_for(row > INT64_MAX / LINE ? row : row * LINE, false);
  LoopExpr *at[MOST_AXES], *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count, at);
  Index index[MOST_AXES];
  for (int i = 0; i < shape->rank; i++) index[i] = index_scalar(loop_int(k, 0));
  for (int i = 0; i < count - 1; i++) index[axes[i]] = index_scalar(at[i]);
  Turn turn = {region, shape, across, last, index};
  region->lanes = size;
  region->aligned = false;
  LoopExpr *x = block_start(k, &from, at[count - 1]);
  LoopExpr *y = block_start(k, &to, loop_for(k, "j", loop_int(k, 0), dim_expr(k, to.count)));
  for (int j = 0; j < to.size; j += size)
    for (int i = 0; i < from.size; i += size)
      turn_square(&turn, loop_add(k, x, loop_int(k, i)), loop_add(k, y, loop_int(k, j)));
  loop_end(k);
  loop_end(k);
  return true;
}
