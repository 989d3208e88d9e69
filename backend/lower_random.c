/* lower_random.c - a tensor of random numbers: all four of a block of Philox are used, where an
 * element on its own uses one.
 *
 *   for each square of n x n numbers, n the lanes of a register:
 *     row 4 s + w: number w of the blocks that begin at n l + 4 s, l the lane
 *     the square is turned round: row l is n numbers side by side
 *
 * Where there is no whole number of squares, the last one reaches back into the one before. */
#include "backend/families.h"

enum {
  NUMBERS = 4,  /* of a block */
  SQUARES = 16, /* of a trip */
};

/* Numbers of the whole tensor; NULL: it is not of this kind. */
static const Dim *count_of(const Lowering *l, const Region *region) {
  const Type *type = &l->op->results[0]->type;
  int n = region->natural;
  if (l->op->kind != OP_random || type->element != ELEMENT_f32 || n < NUMBERS) return NULL;
  const Dim *count = dim_constant(l->dims, 1), *last = type->dims[type->rank - 1];
  for (int i = 0; i < type->rank && count; i++) count = dim_mul(l->dims, count, type->dims[i]);
  if (!count || !dim_is_constant(last) || dim_value(last) % NUMBERS) return NULL;
  return dim_min(count) >= (int64_t)n * n ? count : NULL;
}

bool lower_random(Lowering *l, Region *region) {
  const Dim *count = count_of(l, region);
  if (!count) return false;
  LoopKernel *k = l->kernel;
  int n = region->natural, size = n * n;
  region->lanes = n;
  const Dim *all = dim_constant(l->dims, (int64_t)SQUARES * size - 1);
  l->trips = dim_floor(l->dims, dim_add(l->dims, count, all), (int64_t)SQUARES * size);
  l->grain = grain_for((int64_t)SQUARES * size, true);
  LoopExpr *end = dim_expr(k, count), *zero = loop_int(k, 0);
  LoopBuffer *flat = loop_view(k, region_result_buffer(region, 0), "flat", LOOP_F32, 1, end);
  LoopExpr *begin = loop_mul(k, loop_parallel(k, "i", dim_expr(k, l->trips)),
                             loop_int(k, (int64_t)SQUARES * size));
  LoopExpr *past = loop_min(k, end, loop_add(k, begin, loop_int(k, (int64_t)SQUARES * size)));
  LoopExpr *squares =
      loop_div(k, loop_add(k, loop_sub(k, past, begin), loop_int(k, size - 1)), loop_int(k, size));
  LoopExpr *at = loop_mul(k, loop_for(k, "square", zero, squares), loop_int(k, size));
  at = loop_min(k, loop_add(k, begin, at), loop_sub(k, end, loop_int(k, size)));
  at = loop_let(k, "at", at);
  LoopExpr *square = loop_array(k, "square", LOOP_F32, n, n, loop_number(k, 0));
  LoopExpr *lane = loop_mul(k, loop_iota(k, zero, n), loop_int(k, n));
  for (int s = 0; s < n / NUMBERS; s++) {
    LoopExpr *first = loop_add(k, at, loop_int(k, (int64_t)NUMBERS * s));
    LoopExpr *element = loop_let(k, "element", loop_add(k, lane, first));
    for (int w = 0; w < NUMBERS; w++)
      loop_set(k, loop_row(k, square, loop_int(k, NUMBERS * s + w)),
               region_random(region, l->op, element, loop_int(k, w)));
  }
  loop_transpose(k, square);
  LoopExpr *row = loop_each(k, "l", zero, loop_int(k, n));
  LoopExpr *to = loop_add(k, at, loop_mul(k, row, loop_int(k, n)));
  loop_store(k, loop_lanes(k, flat, n, to), loop_row(k, square, row));
  loop_end(k);
  loop_end(k);
  loop_end(k);
  return true;
}
