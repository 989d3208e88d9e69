/* lower_map.c - kernels whose every element is computed on its own. */
#include "backend/map.h"

#include "support/bug.h"

enum {
  ENOUGH_TRIPS = 32,  /* leading axes become trips until there are as many */
  DEAR_PART = 1 << 12 /* elements of a thread's part, at least */
};

int64_t grain_for(int64_t elements_per_trip, bool dear) {
  const int64_t least = dear ? DEAR_PART : 32768;
  int64_t grain = elements_per_trip > 0 ? least / elements_per_trip : least;
  return grain < 1 ? 1 : grain;
}

bool map_is_dear(const Op *op) {
  if (!op->region) return operator_has(op->kind, TRAIT_DEAR);
  for (const Op *o = op->region->first; o; o = o->next)
    if (operator_has(o->kind, TRAIT_DEAR)) return true;
  return false;
}

void map_open(Lowering *l, LoopKernel *k, LoopExpr *const *sizes, const Dim *const *dims, int count,
              int lanes, LoopExpr **at) {
  DimTable *t = l->dims;
  if (count == 1) {
    const Dim *more = dim_constant(t, MAP_BLOCK - 1);
    l->trips = dim_floor(t, dim_add(t, dims[0], more), MAP_BLOCK);
    LoopExpr *trip = loop_parallel(k, "block", dim_expr(k, l->trips));
    LoopExpr *begin = loop_mul(k, trip, loop_int(k, MAP_BLOCK));
    LoopExpr *end = loop_min(k, sizes[0], loop_add(k, begin, loop_int(k, MAP_BLOCK)));
    at[0] = loop_for_lanes(k, "j", begin, end, lanes);
    l->grain = grain_for(MAP_BLOCK, map_is_dear(l->op));
    return;
  }
  l->trips = dims[0];
  for (int i = 1; i < count - 1; i++) l->trips = dim_mul(t, l->trips, dims[i]);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count - 1, at);
  at[count - 1] = loop_for_lanes(k, "j", loop_int(k, 0), sizes[count - 1], lanes);
  l->grain = grain_for(dim_max(dims[count - 1]), map_is_dear(l->op));
}

/* A window's elements come one after the other, with much arithmetic on their places: so as many
 * channels as can be are taken along. */
static int step_lanes(const Lowering *l, const Region *region, const MapOrder *order,
                      const Type *shape) {
  int lanes = region->natural;
  if (order->pieces) return (int)dim_max(shape->dims[order->lanes]);
  if (!region->block || map_is_dear(l->op)) return lanes;
  bool pools = false;
  for (const Op *op = region->block->first; op; op = op->next) {
    pools = pools || operator_has(op->kind, TRAIT_REDUCTION);
    if (op->kind == OP_overlap_add || op->kind == OP_argmax) return lanes;
    for (int i = 0; op->kind == OP_windows && i < op_list_count(op, ATTRIBUTE_axes); i++)
      if (op_list_integer(op, ATTRIBUTE_axes, i) >= order->lanes) return lanes;
  }
  int64_t size = dim_max(shape->dims[order->lanes]);
  if (!pools || order->across >= 0 || order->inner_count > 0) return lanes;
  while (lanes < MAP_REGISTERS * region->natural && size > lanes) lanes *= 2;
  return lanes;
}

static void general_kernel(Lowering *l, Region *region, const Type *shape) {
  LoopKernel *k = l->kernel;
  DimTable *t = l->dims;
  MapAlong along = map_along(region, shape);
  if (along.turned >= 4 * along.straight &&
      lower_turned(l, region, shape, along.axis, along.last, along.apart))
    return;
  MapOrder order = map_order(region, shape, &along);
  region->lanes = step_lanes(l, region, &order, shape);
  if (order.lanes == shape->rank - 1 && order.inner_count == 0 && order.across < 0 &&
      region->lanes > region->natural) /* a line at a time */
    lower_streams_all(l, region);
  const Dim *dims[MOST_AXES];
  int leading = 0, blocks = 1;
  int64_t trips = 1, work = 1;
  for (int i = 0; i < order.outer_count; i++) {
    dims[i] = shape->dims[order.outer[i]];
    if (order.outer[i] == order.across)
      dims[i] = dim_floor(t, dim_add(t, dims[i], dim_constant(t, MAP_ACROSS - 1)), MAP_ACROSS);
  }
  for (int i = 0; i < shape->rank; i++) {
    int64_t most = dim_max(shape->dims[i]);
    work = work > INT32_MAX ? work : work * (most < INT32_MAX ? most : INT32_MAX);
  }
  int64_t enough = work < 2 * DEAR_PART ? 1 : ENOUGH_TRIPS; /* one thread's: places are counted */
  while (leading < order.outer_count && (leading == 0 || trips < enough)) {
    int64_t least = dim_min(dims[leading++]);
    trips = least > ENOUGH_TRIPS ? ENOUGH_TRIPS : trips * least;
  }
  l->trips = dim_constant(t, 1);
  for (int i = 0; i < leading; i++) l->trips = dim_mul(t, l->trips, dims[i]);
  int64_t all = dim_max(l->trips);
  l->grain = grain_for(all > 0 ? work / all : work, true);

  Index index[MOST_AXES];
  LoopExpr *at[MOST_AXES], *zero = loop_int(k, 0), *lanes;
  for (int i = 0; i < shape->rank; i++) index[i] = index_scalar(zero);
  const Dim *lane_size = shape->dims[order.lanes];
  if (leading == 0) {
    map_open(l, k, (LoopExpr *[]){dim_expr(k, lane_size)}, &lane_size, 1, region->lanes, &lanes);
    blocks = 2;
  } else {
    LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
    index_split(k, trip, dims, leading, at);
    for (int i = leading; i < order.outer_count; i++, blocks++)
      at[i] = loop_for(k, "i", zero, dim_expr(k, dims[i]));
    for (int i = 0; i < order.outer_count; i++) index[order.outer[i]] = index_scalar(at[i]);
    lanes = loop_for_lanes(k, "j", zero, dim_expr(k, lane_size), region->lanes);
    blocks++;
  }
  index[order.lanes] = index_lanes(lanes);
  for (int i = 0; i < order.inner_count; i++, blocks++)
    index[order.inner[i]] =
        index_scalar(loop_for(k, "i", zero, dim_expr(k, shape->dims[order.inner[i]])));
  if (order.across >= 0) {
    LoopExpr *begin = loop_mul(k, index[order.across].at, loop_int(k, MAP_ACROSS));
    LoopExpr *end = loop_add(k, begin, loop_int(k, MAP_ACROSS));
    const Dim *size = shape->dims[order.across];
    if (!dim_is_constant(size) || dim_value(size) % MAP_ACROSS)
      end = loop_min(k, end, dim_expr(k, size));
    index[order.across] = index_scalar(loop_for(k, "across", begin, end));
    blocks++;
  }
  LoopExpr *results[64];
  int count = region_result_count(region);
  for (int i = 0; i < count; i++)
    results[i] = loop_let(k, "r", region_value(region, region_result(region, i), index));
  for (int i = 0; i < count; i++)
    region_store(region, region_result_buffer(region, i), shape->rank, index, results[i]);
  while (blocks--) loop_end(k);
}

static void scalar_kernel(Lowering *l, Region *region) {
  LoopKernel *k = l->kernel;
  l->trips = dim_constant(l->dims, 1);
  l->grain = 0;
  loop_parallel(k, "i", loop_int(k, 1));
  LoopExpr *results[64]; /* all first: one may lie over an operand */
  for (int i = 0; i < region_result_count(region); i++)
    results[i] = loop_let(k, "r", region_value(region, region_result(region, i), NULL));
  for (int i = 0; i < region_result_count(region); i++)
    region_store(region, region_result_buffer(region, i), 0, NULL, results[i]);
  loop_end(k);
}

/* A single op that has its own name for a value that it makes must be computed, not loaded. */
void lower_map(Lowering *l) {
  if (lower_pad(l) || lower_joined(l)) return;
  Region region = region_open(l->kernel, l->op, l->target, l->dims);
  region.next_fault = l->first_fault;
  l->algorithm = "loop";
  const Type *shape = &l->op->results[0]->type;
  if (l->op->operand_count + l->op->result_count > 64)
    bug("too many operands in '%s'", l->kernel->name);
  if (shape->rank == 0) {
    scalar_kernel(l, &region);
    return;
  }
  if (lower_random(l, &region)) return;
  if (lower_pool(l, &region)) return;
  if (map_named_rows(l, &region, shape)) return;
  if (map_repeated(l, &region, shape)) return;
  if (!map_flat(l, &region, shape)) general_kernel(l, &region, shape);
}
