/* map_named_rows.c - rows that indices name in a table (an embedding), with what is
 * elementwise behind them.
 *
 *   parallel row: its place, checked once; of a table beyond L2 the place of one that comes later
 *     for a row's elements: load them, fetch those of the later one, store
 *
 * No processor guesses where the next row lies. From memory rows of 3 KB take .67 of the time that
 * they take unfetched and stored by way of the caches, those of 256 bytes .62; neither the fetches
 * nor the streamed stores alone gain as much. */
#include "backend/map.h"

enum { LINE_BYTES = 64, AHEAD = 4096, MOST_ROWS = 16 };

/* The one gather of the kernel, whose elements are the results' at the same places; NULL. */
static const Op *find_gather(const Region *r, const Type *shape) {
  const Op *gather = NULL;
  for (const Op *op = r->block ? r->block->first : r->op; op; op = r->block ? op->next : NULL) {
    if (op->kind == OP_gather) {
      if (gather) return NULL;
      gather = op;
      continue;
    }
    bool passes = operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_broadcast ||
                  op->kind == OP_full || op->kind == OP_constant || op->kind == OP_iota;
    if (!passes || operator_has(op->kind, TRAIT_DEAR)) return NULL;
  }
  if (!gather || !type_same_dims(&gather->results[0]->type, shape)) return NULL;
  return gather;
}

/* Whether what is gathered are rows of vectors that lie in memory. */
static bool is_table(const Region *r, const Op *gather) {
  const Value *x = gather->operands[0];
  int last = x->type.rank - 1;
  return region_buffer(r, x) && op_integer(gather, ATTRIBUTE_axis) < last &&
         dim_min(x->type.dims[last]) >= r->natural;
}

static int64_t rows_ahead(const Type *table) {
  int64_t row = dim_max(table->dims[table->rank - 1]) * element_infos[table->element].bytes;
  int64_t rows = row > 0 ? (AHEAD + row - 1) / row : 1;
  return rows < MOST_ROWS ? rows : MOST_ROWS;
}

/* The table's lines at this place of the row that comes later. */
static void fetch_lines(Region *r, const Op *gather, const Index *index, LoopExpr *place) {
  LoopKernel *k = r->k;
  const Value *x = gather->operands[0];
  Index inner[MOST_AXES];
  LoopExpr *at[MOST_AXES];
  region_gather_index(gather, index, place, inner);
  for (int a = 0; a < x->type.rank; a++) at[a] = inner[a].at;
  LoopExpr *column = at[x->type.rank - 1];
  int line = (int)(LINE_BYTES / element_infos[x->type.element].bytes);
  for (int i = 0; i < r->lanes; i += line) {
    at[x->type.rank - 1] = loop_add(k, column, loop_int(k, i));
    loop_prefetch(k, loop_element_of(k, region_buffer(r, x), at));
  }
}

/* The place that the row names which comes some rows behind the trip's; `later`: its index. */
static LoopExpr *later_place(Lowering *l, Region *r, const Op *gather, LoopExpr *trip,
                             Index *later) {
  LoopKernel *k = l->kernel;
  const Type *table = &gather->operands[0]->type, *shape = &gather->results[0]->type;
  int last = shape->rank - 1;
  LoopExpr *one = loop_int(k, 1), *end = loop_sub(k, dim_expr(k, l->trips), one), *at[MOST_AXES];
  LoopExpr *row = loop_min(k, loop_add(k, trip, loop_int(k, rows_ahead(table))), end);
  index_split(k, loop_let(k, "later", row), shape->dims, last, at);
  for (int i = 0; i < last; i++) later[i] = index_scalar(at[i]);
  later[last] = index_scalar(loop_int(k, 0));
  LoopExpr *place = loop_max(k, region_gather_given(r, gather, later), loop_int(k, 0));
  end = loop_sub(k, dim_expr(k, table->dims[op_integer(gather, ATTRIBUTE_axis)]), one);
  return loop_let(k, "next", loop_min(k, place, end));
}

bool map_named_rows(Lowering *l, Region *region, const Type *shape) {
  const Op *gather = find_gather(region, shape);
  if (!gather || !is_table(region, gather)) return false;
  LoopKernel *k = l->kernel;
  int last = shape->rank - 1;
  const Value *x = gather->operands[0];
  LoopExpr *size = dim_expr(k, x->type.dims[op_integer(gather, ATTRIBUTE_axis)]);
  l->algorithm = "rows";
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < last; i++) l->trips = dim_mul(l->dims, l->trips, shape->dims[i]);
  l->grain = grain_for(dim_max(shape->dims[last]), false);
  lower_streams_all(l, region);
  region->lanes = MAP_REGISTERS * region->natural;
  while (region->lanes > region->natural && dim_max(shape->dims[last]) < region->lanes)
    region->lanes /= 2;
  LoopExpr *trip = loop_parallel(k, "row", dim_expr(k, l->trips)), *at[MOST_AXES];
  Index index[MOST_AXES], later[MOST_AXES];
  index_split(k, trip, shape->dims, last, at);
  for (int i = 0; i < last; i++) index[i] = index_scalar(at[i]);
  index[last] = index_scalar(loop_int(k, 0));
  LoopExpr *place = region_gather_given(region, gather, index);
  place = loop_let(k, "place", loop_checked(k, place, size, l->first_fault));
  bool far = type_bytes_at_bound(&x->type) > l->target->l2;
  LoopExpr *next = far ? later_place(l, region, gather, trip, later) : NULL;
  LoopExpr *j =
      loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, shape->dims[last]), region->lanes);
  index[last] = later[last] = index_lanes(j);
  Index inner[MOST_AXES];
  region_gather_index(gather, index, place, inner);
  region_remember(region, gather->results[0], region_value(region, x, inner));
  if (far) fetch_lines(region, gather, later, next);
  LoopExpr *results[64];
  int count = region_result_count(region);
  for (int i = 0; i < count; i++)
    results[i] = loop_let(k, "r", region_value(region, region_result(region, i), index));
  for (int i = 0; i < count; i++)
    region_store(region, region_result_buffer(region, i), shape->rank, index, results[i]);
  loop_end(k);
  loop_end(k);
  return true;
}
