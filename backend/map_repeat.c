/* map_repeat.c - maps whose elements are repeated a few times side by side: nearest neighbours of
 * planes. A register is loaded once and its lanes spread over several, which are stored whole. */
#include "backend/map.h"

#include "ir/part.h"

enum { MOST_TIMES = 4, LEAST_SIZE = 4, ENOUGH_TRIPS = 32 };

typedef struct {
  Lowering *l;
  Region *region;
  LoopBuffer *y; /* rows of all the repeated elements */
  int64_t times;
  int axis; /* whose elements are repeated */
  Index index[MOST_AXES];
} Repeat;

/* Whether its elements differ along the axis; true if that is not known. */
static bool varies(const Region *region, const Value *value, int axis, int *visits) {
  if (axis < 0 || dim_is(value->type.dims[axis], 1)) return false;
  const Op *op = value->op;
  if (region_buffer(region, value) || !op || ++*visits > MAP_VISITS) return true;
  if (op->kind != OP_broadcast && !operator_has(op->kind, TRAIT_ELEMENTWISE)) return true;
  for (int i = 0; i < op->operand_count; i++) {
    const Value *x = op->operands[i];
    if (varies(region, x, axis - (value->type.rank - x->type.rank), visits)) return true;
  }
  return false;
}

/* `lanes` elements from `at` on, each `times` times. */
static void store_repeated(Repeat *p, LoopExpr *row, LoopExpr *at, int lanes) {
  enum { MOST_LANES = 64 };
  LoopKernel *k = p->l->kernel;
  Region *r = p->region;
  int places[MOST_LANES * MOST_TIMES], all = lanes * (int)p->times;
  size_t scope = region_push(r);
  r->lanes = lanes;
  p->index[p->axis] = lanes == 1 ? index_scalar(at) : index_lanes(at);
  LoopExpr *value = loop_let(k, "r", region_value(r, region_result(r, 0), p->index));
  value = loop_cast(k, value, p->y->element);
  for (int i = 0; i < all; i++) places[i] = i / (int)p->times;
  value =
      loop_type(value).lanes == 1 ? loop_splat(k, value, all) : loop_pick(k, value, all, places);
  LoopExpr *first = loop_mul(k, at, loop_int(k, p->times));
  loop_store(k, loop_lanes(k, p->y, all, row, first), value);
  region_pop(r, scope);
}

bool map_repeated(Lowering *l, Region *region, const Type *shape) {
  LoopKernel *k = l->kernel;
  DimTable *t = l->dims;
  int last = shape->rank - 1, visits = 0;
  while (last > 0 && dim_is(shape->dims[last], 1)) last--;
  int axis = last - 1;
  while (axis > 0 && dim_is(shape->dims[axis], 1)) axis--;
  if (axis < 1 || l->op->result_count != 1 || l->over_operand || map_is_dear(l->op)) return false;
  if (!dim_is_constant(shape->dims[last]) || !dim_is_constant(shape->dims[axis])) return false;
  int64_t times = dim_value(shape->dims[last]), size = dim_value(shape->dims[axis]);
  if (times < 2 || times > MOST_TIMES || size < LEAST_SIZE) return false;
  const Value *result = region_result(region, 0);
  if (value_whole(l->op->results[0]) || varies(region, result, last, &visits) ||
      !varies(region, result, axis, &visits))
    return false;

  const Dim *rows = dim_constant(t, 1), *inner = shape->dims[axis - 1];
  for (int i = 0; i < axis - 1; i++) rows = dim_mul(t, rows, shape->dims[i]);
  const Dim *all = dim_mul(t, rows, inner);
  if (!all) return false;
  int leading = axis - 1; /* axes of trips: a place is found once for the lines of the next axis */
  if (dim_min(rows) < ENOUGH_TRIPS) rows = all, inner = dim_constant(t, 1), leading = axis;
  Repeat p = {.l = l, .region = region, .times = times, .axis = axis};
  p.y = region_result_buffer(region, 0);
  p.y->rank = 2;
  p.y->sizes[0] = dim_expr(k, all), p.y->sizes[1] = loop_int(k, size * times);
  p.y->strides[0] = p.y->strides[1] = NULL;
  lower_streams(l, p.y, l->op->results[0]);
  l->trips = rows;
  l->grain = grain_for(dim_max(inner) * size * times, false);

  LoopExpr *zero = loop_int(k, 0), *at[MOST_AXES];
  for (int i = 0; i < shape->rank; i++) p.index[i] = index_scalar(zero);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, shape->dims, leading, at);
  for (int i = 0; i < leading; i++) p.index[i] = index_scalar(at[i]);
  LoopExpr *line = loop_for(k, "line", zero, dim_expr(k, inner));
  if (leading < axis) p.index[leading] = index_scalar(line);
  LoopExpr *row = loop_let(k, "row", loop_add(k, loop_mul(k, trip, dim_expr(k, inner)), line));
  int lanes = region->natural;
  int64_t whole = size / lanes * lanes;
  if (whole > 0) {
    LoopExpr *j = loop_for_lanes(k, "j", zero, loop_int(k, whole), lanes);
    store_repeated(&p, row, j, lanes);
    loop_end(k);
  }
  for (int piece = lanes / 2; piece > 0; piece /= 2) {
    if (!((size - whole) & piece)) continue;
    store_repeated(&p, row, loop_int(k, whole), piece);
    whole += piece;
  }
  loop_end(k);
  loop_end(k);
  return true;
}
