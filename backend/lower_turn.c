/* lower_turn.c - transposes: squares of registers are turned round between their loads and stores,
 * so that memory is read and written in whole lines.
 *
 *   for each block of `across`:              a line of the operand
 *     for each block of the last axis:       a line of the result
 *       for each square in them: load its rows along `across`, turn it, store along the last axis
 *
 * Where a size is no multiple of the square's, the last one reaches back into the one before. */
#include "backend/families.h"

enum {
  LINE = 16, /* elements of f32 in a cache line */
  MOST_TURNED = 8
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

/* `at` is the first of `across` and of the last axis. */
static void turn_square(const Turn *t, LoopExpr *across, LoopExpr *last) {
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
  for (int i = 0; i < size; i++) {
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

bool lower_turned(Lowering *l, Region *region, const Type *shape, int across, int last) {
  if (!fits(region, shape, across, last)) return false;
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
