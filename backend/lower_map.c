/* lower_map.c - kernels whose every element is computed on its own. */
#include "backend/families.h"

#include "ir/part.h"
#include "support/bug.h"

#include <string.h>

enum {
  BLOCK = 4096,      /* elements of a trip where there is one long axis */
  ENOUGH_TRIPS = 32, /* leading axes become trips until there are as many */
  LANE_REGISTERS = 4 /* vector registers of one step */
};

int64_t grain_for(int64_t elements_per_trip, bool dear) {
  const int64_t least = dear ? 4096 : 32768;
  int64_t grain = elements_per_trip > 0 ? least / elements_per_trip : least;
  return grain < 1 ? 1 : grain;
}

static bool has_dear(const Op *op) {
  if (!op->region) return operator_has(op->kind, TRAIT_DEAR);
  for (const Op *o = op->region->first; o; o = o->next)
    if (operator_has(o->kind, TRAIT_DEAR)) return true;
  return false;
}

/* ---- flat kernels: elementwise alone, so neighbouring axes that all operands treat alike are one
 * axis ---- */

typedef struct {
  const Region *region;
  const Type *shape;       /* of the results */
  int tags[64][MOST_AXES]; /* of each operand: the result's axis, or -1 */
  bool seen[64];
  bool ends[MOST_AXES]; /* the result's axes where an operand's or result's lines are apart */
  int visits;           /* values are visited once for each use */
} Flat;

enum { MOST_VISITS = 4096 };

static bool trace(Flat *flat, const Value *value, const int *tags);

static bool trace_operand(Flat *flat, const Value *x, const int *tags, int result_rank) {
  int inner[MOST_AXES], more = result_rank - x->type.rank;
  for (int i = 0; i < x->type.rank; i++)
    inner[i] = dim_is(x->type.dims[i], 1) ? -1 : tags[i + more];
  return trace(flat, x, inner);
}

static bool trace_reshape(Flat *flat, const Op *op, const int *tags) {
  const Type *from = &op->operands[0]->type, *to = &op->results[0]->type;
  int inner[MOST_AXES], j = 0;
  for (int i = 0; i < from->rank; i++) {
    inner[i] = -1;
    if (dim_is(from->dims[i], 1)) continue;
    while (j < to->rank && dim_is(to->dims[j], 1)) j++;
    if (j == to->rank || to->dims[j] != from->dims[i]) return false;
    inner[i] = tags[j++];
  }
  return trace(flat, op->operands[0], inner);
}

static bool trace(Flat *flat, const Value *value, const int *tags) {
  if (flat->visits++ > MOST_VISITS) return false;
  const Region *region = flat->region;
  for (int i = 0; i < region->op->operand_count; i++) {
    if (region->buffers.items[i].value != value) continue;
    if (i >= 64) return false;
    for (int a = 0; a < value->type.rank; a++) {
      if (flat->seen[i] && flat->tags[i][a] != tags[a]) return false;
      flat->tags[i][a] = tags[a];
    }
    for (int a = 0, last = -1; a < value->type.rank; a++)
      if (tags[a] >= 0) {
        if (tags[a] <= last) return false;
        last = tags[a];
      }
    flat->seen[i] = true;
    return true;
  }
  const Op *op = value->op;
  if (!op) return false;
  if (op->kind == OP_full || op->kind == OP_constant || op->kind == OP_dim_value) return true;
  if (op->kind == OP_reshape) return trace_reshape(flat, op, tags);
  bool passes = operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_broadcast ||
                op->kind == OP_stop_gradient || op->kind == OP_checkpoint;
  if (!passes) return false;
  for (int i = 0; i < op->operand_count; i++)
    if (!trace_operand(flat, op->operands[i], tags, value->type.rank)) return false;
  return true;
}

static bool uses_axis(const Flat *flat, int operand, int axis) {
  int rank = flat->region->buffers.items[operand].value->type.rank;
  for (int a = 0; a < rank; a++)
    if (flat->tags[operand][a] == axis) return true;
  return false;
}

/* The value outside of the kernel: an operand, or behind those a result. */
static const Value *outer_value(const Op *op, int i) {
  return i < op->operand_count ? op->operands[i] : op->results[i - op->operand_count];
}

/* A part of a concat's result (ir/part.h) is not dense in front of the axis that is joined. */
static void find_ends(Flat *flat) {
  const Op *op = flat->region->op;
  for (int i = 0; i < op->operand_count + op->result_count; i++) {
    const Value *value = outer_value(op, i), *whole = value_whole(value);
    bool is_operand = i < op->operand_count;
    if (!whole || (is_operand && !flat->seen[i])) continue;
    bool apart = false;
    for (int a = 0; a < value->type.rank; a++) {
      int axis = is_operand ? flat->tags[i][a] : dim_is(value->type.dims[a], 1) ? -1 : a;
      apart = apart || whole->type.dims[a] != value->type.dims[a];
      if (!apart || axis < 0) continue;
      flat->ends[axis] = true;
      apart = false;
    }
  }
}

/* Elements from one index of a group of axes to the next, for what is not dense: NULL, it is. */
static LoopExpr *group_stride(LoopKernel *k, const Value *value, int last) {
  const Value *whole = value_whole(value);
  if (!whole) return NULL;
  LoopExpr *stride = loop_int(k, 1);
  for (int a = last + 1; a < value->type.rank; a++)
    stride = loop_mul(k, stride, dim_expr(k, whole->type.dims[a]));
  return stride;
}

/* Whether axes `a` and `b` of the result (neighbours but for axes of size 1) are one for all. */
static bool together(const Flat *flat, int a, int b) {
  if (flat->ends[b]) return false;
  for (int i = 0; i < flat->region->op->operand_count; i++)
    if (flat->seen[i] && uses_axis(flat, i, a) != uses_axis(flat, i, b)) return false;
  return true;
}

/* Group number of each of the result's axes (-1: of size 1); the number of groups. */
static int group_axes(const Flat *flat, int *group) {
  int count = 0, last = -1;
  for (int a = 0; a < flat->shape->rank; a++) {
    group[a] = -1;
    if (dim_is(flat->shape->dims[a], 1)) continue;
    if (last < 0 || !together(flat, last, a)) count++;
    group[a] = count - 1;
    last = a;
  }
  return count;
}

/* Where the trips of a kernel over `sizes` are: all axes but the last are trips; a single axis is
 * cut into blocks. Opens the loops; the caller closes two. */
static void open_flat(Lowering *l, LoopKernel *k, LoopExpr *const *sizes, const Dim *const *dims,
                      int count, int lanes, LoopExpr **at) {
  DimTable *t = l->dims;
  if (count == 1) {
    const Dim *more = dim_constant(t, BLOCK - 1);
    l->trips = dim_floor(t, dim_add(t, dims[0], more), BLOCK);
    LoopExpr *trip = loop_parallel(k, "block", dim_expr(k, l->trips));
    LoopExpr *begin = loop_mul(k, trip, loop_int(k, BLOCK));
    LoopExpr *end = loop_min(k, sizes[0], loop_add(k, begin, loop_int(k, BLOCK)));
    at[0] = loop_for_lanes(k, "j", begin, end, lanes);
    l->grain = grain_for(BLOCK, has_dear(l->op));
    return;
  }
  l->trips = dims[0];
  for (int i = 1; i < count - 1; i++) l->trips = dim_mul(t, l->trips, dims[i]);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count - 1, at);
  at[count - 1] = loop_for_lanes(k, "j", loop_int(k, 0), sizes[count - 1], lanes);
  l->grain = grain_for(dim_max(dims[count - 1]), has_dear(l->op));
}

static int64_t common_multiple(int64_t a, int64_t b) {
  int64_t x = a, y = b;
  while (y) {
    int64_t rest = x % y;
    x = y, y = rest;
  }
  return a / x * b;
}

/* Rows of few columns, where an operand is a row alone (a bias of few channels): as many whole rows
 * as fill registers are one step, so that each lane always meets the same column. Their number of
 * lanes; 0: it is not so. */
static int periodic_lanes(const Region *region, const Flat *flat, const Dim *const *dims, int count,
                          const int *group) {
  enum { MOST_REGISTERS = 6 };
  for (int a = 0; a < flat->shape->rank; a++)
    if (flat->ends[a]) return 0;
  if (count != 2 || !dim_is_constant(dims[1]) || dim_value(dims[1]) >= region->natural) return 0;
  int64_t lanes = common_multiple(dim_value(dims[1]), region->natural);
  if (lanes > MOST_REGISTERS * region->natural) return 0;
  for (int i = 0; i < region->op->operand_count; i++) {
    bool has[2] = {false, false};
    for (int a = 0; a < flat->shape->rank; a++)
      if (group[a] >= 0 && flat->seen[i] && uses_axis(flat, i, a)) has[group[a]] = true;
    if (has[0] && !has[1]) return 0;
  }
  return (int)lanes;
}

/* `group` as in flat_kernel; all but rows alone are one long axis. */
static void periodic_kernel(Lowering *l, Region *region, const Flat *flat, const Dim *const *dims,
                            const int *group, int lanes) {
  LoopKernel *k = l->kernel;
  const Op *op = region->op;
  const Dim *all = dim_mul(l->dims, dims[0], dims[1]);
  if (!all) bug("a size above 64 bits in '%s'", k->name);
  LoopExpr *size = dim_expr(k, all), *at, *columns = loop_int(k, dim_value(dims[1]));
  int64_t block = BLOCK / lanes * lanes;
  int buffers = op->operand_count + op->result_count;
  bool row[64] = {false}, single[64] = {false};
  for (int i = 0; i < buffers; i++) {
    bool has[2] = {i >= op->operand_count, false};
    for (int a = 0; a < flat->shape->rank && i < op->operand_count; a++)
      if (group[a] >= 0 && flat->seen[i] && uses_axis(flat, i, a)) has[group[a]] = true;
    LoopBuffer *buffer = region->buffers.items[i].buffer;
    row[i] = !has[0] && has[1], single[i] = !has[0] && !has[1];
    buffer->rank = single[i] ? 0 : 1;
    buffer->sizes[0] = row[i] ? columns : size;
  }
  region->lanes = lanes;
  const Dim *more = dim_add(l->dims, all, dim_constant(l->dims, block - 1));
  l->trips = dim_floor(l->dims, more, block);
  l->grain = grain_for(block, has_dear(op));
  LoopExpr *trip = loop_parallel(k, "block", dim_expr(k, l->trips));
  LoopExpr *begin = loop_mul(k, trip, loop_int(k, block));
  LoopExpr *end = loop_min(k, size, loop_add(k, begin, loop_int(k, block)));
  LoopExpr *places =
      loop_let(k, "column", loop_mod(k, loop_iota(k, loop_int(k, 0), lanes), columns));
  for (int i = 0; i < op->operand_count; i++) { /* the same in all of the loop */
    if (!flat->seen[i] || !(row[i] || single[i])) continue;
    const RegionBuffer *b = &region->buffers.items[i];
    Index place = {places, 0};
    region_remember(region, b->value,
                    region_load(region, b->buffer, b->value, b->buffer->rank, &place));
  }
  at = loop_for_lanes(k, "j", begin, end, lanes);
  Index index = index_lanes(at), nowhere[MOST_AXES];
  for (int i = 0; i < op->operand_count; i++) {
    const RegionBuffer *b = &region->buffers.items[i];
    if (flat->seen[i] && !row[i] && !single[i])
      region_remember(region, b->value, region_load(region, b->buffer, b->value, 1, &index));
  }
  for (int i = 0; i < MOST_AXES; i++) nowhere[i] = index_scalar(loop_int(k, 0));
  LoopExpr *results[64];
  for (int i = 0; i < op->result_count; i++)
    results[i] = loop_let(k, "r", region_value(region, region_result(region, i), nowhere));
  for (int i = 0; i < op->result_count; i++)
    region_store(region, region_result_buffer(region, i), 1, &index, results[i]);
  loop_end(k);
  loop_end(k);
}

/* Of the last axis; if that is short and known, the whole of it is one step without a loop. */
static int flat_lanes(const Region *region, const Dim *last) {
  int natural = region->natural;
  int lanes = LANE_REGISTERS * natural;
  int64_t size = dim_max(last);
  if (size >= lanes) return lanes;
  return dim_is_constant(last) && size > natural ? (int)(size / natural * natural) : natural;
}

static void flat_kernel(Lowering *l, Region *region, Flat *flat) {
  LoopKernel *k = l->kernel;
  find_ends(flat);
  int group[MOST_AXES], count = group_axes(flat, group);
  const Dim *dims[MOST_AXES];
  LoopExpr *sizes[MOST_AXES], *at[MOST_AXES];
  for (int g = 0; g < count; g++) dims[g] = dim_constant(l->dims, 1);
  for (int a = 0; a < flat->shape->rank; a++)
    if (group[a] >= 0) {
      dims[group[a]] = dim_mul(l->dims, dims[group[a]], flat->shape->dims[a]);
      if (!dims[group[a]]) bug("a size above 64 bits in '%s'", k->name);
    }
  if (count == 0) {
    dims[0] = dim_constant(l->dims, 1);
    count = 1;
  }
  int periodic = periodic_lanes(region, flat, dims, count, group);
  if (periodic) {
    periodic_kernel(l, region, flat, dims, group, periodic);
    return;
  }
  for (int g = 0; g < count; g++) sizes[g] = dim_expr(k, dims[g]);
  region->lanes = flat_lanes(region, dims[count - 1]);

  /* the operands' buffers with their groups for axes */
  LoopBuffer *views[64];
  Index index[64][MOST_AXES];
  int ranks[64];
  const Op *op = region->op;
  int buffers = op->operand_count + op->result_count;
  for (int i = 0; i < buffers; i++) {
    LoopBuffer *buffer = region->buffers.items[i].buffer;
    const Value *value = outer_value(op, i);
    ranks[i] = 0;
    for (int g = 0; g < count; g++) {
      int last = -1; /* of the value's own axes in the group */
      bool has = i >= op->operand_count;
      for (int a = 0; a < value->type.rank; a++) {
        int axis = i >= op->operand_count ? a : flat->seen[i] ? flat->tags[i][a] : -1;
        if (axis >= 0 && group[axis] == g) last = a, has = true;
      }
      if (!has) continue;
      buffer->sizes[ranks[i]] = sizes[g];
      buffer->strides[ranks[i]] = last < 0 ? NULL : group_stride(k, value, last);
      index[i][ranks[i]++] = (Index){NULL, g};
    }
    buffer->rank = ranks[i];
    views[i] = buffer;
  }
  open_flat(l, k, sizes, dims, count, region->lanes, at);
  for (int i = 0; i < buffers; i++)
    for (int a = 0; a < ranks[i]; a++) {
      int64_t g = index[i][a].step;
      index[i][a] = g == count - 1 ? index_lanes(at[g]) : index_scalar(at[g]);
    }
  for (int i = 0; i < op->operand_count; i++) {
    if (!flat->seen[i]) continue;
    const Value *value = region->buffers.items[i].value;
    region_remember(region, value, region_load(region, views[i], value, ranks[i], index[i]));
  }
  /* operands are known everywhere, so the index of what is made of them does not matter */
  Index nowhere[MOST_AXES];
  for (int i = 0; i < MOST_AXES; i++) nowhere[i] = index_scalar(loop_int(k, 0));
  LoopExpr *results[64];
  for (int i = 0; i < op->result_count; i++)
    results[i] = loop_let(k, "r", region_value(region, region_result(region, i), nowhere));
  for (int i = 0; i < op->result_count; i++)
    region_store(region, views[op->operand_count + i], count, index[op->operand_count + i],
                 results[i]);
  loop_end(k);
  loop_end(k);
}

/* ---- the general form ---- */

/* Looks for the result's axis along which the largest operand lies side by side in memory.
 * `tags`: for each of the value's axes the result's that it is; -1: none. */
typedef struct {
  const Region *region;
  int axis; /* -1: none found */
  int next; /* the result's axis along which its lines follow each other; -1: none */
  int visits;
  double elements;
  double turned, straight; /* elements of operands that lie along other axes, and along the last */
  int last;
} Along;

static void find_along(Along *along, const Value *value, const int *tags);

static void note_operand(Along *along, const Value *value, const int *tags) {
  double elements = 1;
  int last = value->type.rank - 1;
  for (int i = 0; i <= last; i++) elements *= (double)dim_max(value->type.dims[i]);
  while (last > 0 && dim_is(value->type.dims[last], 1)) last--;
  if (last < 0 || tags[last] < 0) return;
  *(tags[last] == along->last ? &along->straight : &along->turned) += elements;
  if (elements <= along->elements) return;
  along->axis = tags[last];
  along->elements = elements;
  int before = last - 1;
  while (before >= 0 && dim_is(value->type.dims[before], 1)) before--;
  along->next = before < 0 ? -1 : tags[before];
}

static void find_along(Along *along, const Value *value, const int *tags) {
  if (region_buffer(along->region, value)) {
    note_operand(along, value, tags);
    return;
  }
  const Op *op = value->op;
  if (!op || along->visits++ > MOST_VISITS) return;
  int inner[MOST_AXES];
  for (int o = 0; o < op->operand_count; o++) {
    const Type *from = &op->operands[o]->type, *to = &value->type;
    bool aligned = operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_broadcast;
    bool same = op->kind == OP_pad || op->kind == OP_slice || op->kind == OP_concat;
    int j = 0;
    for (int i = 0; i < from->rank; i++) {
      inner[i] = -1;
      if (dim_is(from->dims[i], 1)) continue;
      if (aligned)
        inner[i] = tags[i + to->rank - from->rank];
      else if (same)
        inner[i] = tags[i];
      else if (op->kind == OP_reshape) { /* unit axes come and go */
        while (j < to->rank && dim_is(to->dims[j], 1)) j++;
        if (j < to->rank && to->dims[j] == from->dims[i]) inner[i] = tags[j++];
      }
    }
    bool reduces = operator_has(op->kind, TRAIT_REDUCTION);
    if (op->kind == OP_overlap_add)
      for (int i = 0; i < to->rank; i++) inner[i] = tags[i];
    else if (op->kind == OP_windows)
      for (int i = 0; i < from->rank; i++) inner[i] = tags[i];
    else if (reduces)
      for (int i = 0, next = 0; i < from->rank; i++) {
        bool kept = true;
        for (int a = 0; a < op_list_count(op, ATTRIBUTE_axis) && kept; a++)
          kept = op_list_integer(op, ATTRIBUTE_axis, a) != i;
        inner[i] = kept && next < to->rank ? tags[next] : -1;
        next += kept || op_flag(op, ATTRIBUTE_keepdims);
      }
    if (op->kind == OP_transpose)
      for (int i = 0; i < to->rank; i++) inner[op_list_integer(op, ATTRIBUTE_perm, i)] = tags[i];
    find_along(along, op->operands[o], inner);
  }
}

static Along operand_axis(const Region *region, const Type *shape) {
  Along along = {.region = region, .axis = -1, .next = -1, .last = shape->rank - 1};
  int tags[MOST_AXES];
  for (int i = 0; i < shape->rank; i++) tags[i] = dim_is(shape->dims[i], 1) ? -1 : i;
  while (along.last > 0 && tags[along.last] < 0) along.last--;
  find_along(&along, region_result(region, 0), tags);
  return along;
}

/* Where the loops over a shape go, from the outside in: `outer` axes and blocks of the `across`
 * axis, of which the first are trips; the lanes' axis; the rest. */
typedef struct {
  int lanes, across; /* -1: none */
  int outer[MOST_AXES], outer_count;
  int inner[MOST_AXES], inner_count;
  bool pieces; /* lines are moved in pieces, as they lie */
} Order;

enum {
  ACROSS = 16, /* a cache line of f32 */
  LEAST_LANES = 4,
  MOST_PIECE = 4 /* registers */
};

/* A weight that is brought into panels: lines of the operand are cut into pieces, which lie far
 * from each other in the result, and far apart in the operand lie those that follow each other in
 * the result. So some lines go by at once, piece by piece: both sides are then read and written in
 * longer runs. */
static bool find_pieces(const Region *region, const Type *shape, const Along *along, Order *order) {
  int last = along->last, before = last - 1;
  while (before >= 0 && dim_is(shape->dims[before], 1)) before--;
  if (along->turned > 0 || along->axis != last || along->next < 0 || along->next >= before)
    return false;
  const Dim *piece = shape->dims[last];
  if (!dim_is_constant(piece) || dim_value(piece) % region->natural) return false;
  if (dim_value(piece) > (int64_t)MOST_PIECE * region->natural || has_dear(region->op))
    return false;
  *order = (Order){.lanes = last, .across = before, .pieces = true};
  for (int i = 0; i < before; i++)
    if (i != along->next && !dim_is(shape->dims[i], 1)) order->outer[order->outer_count++] = i;
  order->outer[order->outer_count++] = before;
  order->outer[order->outer_count++] = along->next;
  return true;
}

/* Lanes run along the last axis; if it is short along a long one, with strided stores. Where an
 * operand is transposed its lines are used whole: by turns of the axis along which they run. */
static Order find_order(const Region *region, const Type *shape, const Along *along) {
  Order order;
  if (find_pieces(region, shape, along, &order)) return order;
  order = (Order){.lanes = along->last, .across = along->axis};
  const int last = along->last;
  /* A part of a register that lies side by side is quicker than a whole one from all over. */
  bool lies = order.across == last && dim_max(shape->dims[last]) >= LEAST_LANES;
  if (dim_max(shape->dims[last]) * 2 < region->natural && !lies) {
    for (int i = last - 1; i >= 0 && order.lanes == last; i--)
      if (dim_max(shape->dims[i]) >= region->natural) order.lanes = i;
  }
  if (order.across == order.lanes || order.across == last) order.across = -1;
  for (int i = 0; i <= last; i++) {
    if (i == order.lanes || i == order.across || dim_is(shape->dims[i], 1)) continue;
    if (i < order.lanes)
      order.outer[order.outer_count++] = i;
    else
      order.inner[order.inner_count++] = i;
  }
  if (order.across >= 0) order.outer[order.outer_count++] = order.across;
  return order;
}

/* A window's elements come one after the other, with much arithmetic on their places: so as many
 * channels as can be are taken along. */
static int step_lanes(const Lowering *l, const Region *region, const Order *order,
                      const Type *shape) {
  int lanes = region->natural;
  if (order->pieces) return (int)dim_max(shape->dims[order->lanes]);
  if (!region->block || has_dear(l->op)) return lanes;
  bool pools = false;
  for (const Op *op = region->block->first; op; op = op->next) {
    pools = pools || operator_has(op->kind, TRAIT_REDUCTION);
    if (op->kind == OP_overlap_add || op->kind == OP_argmax) return lanes;
    for (int i = 0; op->kind == OP_windows && i < op_list_count(op, ATTRIBUTE_axes); i++)
      if (op_list_integer(op, ATTRIBUTE_axes, i) >= order->lanes) return lanes;
  }
  int64_t size = dim_max(shape->dims[order->lanes]);
  if (!pools || order->across >= 0 || order->inner_count > 0) return lanes;
  while (lanes < LANE_REGISTERS * region->natural && size > lanes) lanes *= 2;
  return lanes;
}

static void general_kernel(Lowering *l, Region *region, const Type *shape) {
  LoopKernel *k = l->kernel;
  DimTable *t = l->dims;
  Along along = operand_axis(region, shape);
  if (along.turned >= 4 * along.straight && lower_turned(l, region, shape, along.axis, along.last))
    return;
  Order order = find_order(region, shape, &along);
  region->lanes = step_lanes(l, region, &order, shape);
  const Dim *dims[MOST_AXES];
  int leading = 0, blocks = 1;
  int64_t trips = 1, work = 1;
  for (int i = 0; i < order.outer_count; i++) {
    dims[i] = shape->dims[order.outer[i]];
    if (order.outer[i] == order.across)
      dims[i] = dim_floor(t, dim_add(t, dims[i], dim_constant(t, ACROSS - 1)), ACROSS);
  }
  while (leading < order.outer_count && trips < ENOUGH_TRIPS) {
    int64_t least = dim_min(dims[leading++]);
    trips = least > ENOUGH_TRIPS ? ENOUGH_TRIPS : trips * least;
  }
  l->trips = dim_constant(t, 1);
  for (int i = 0; i < leading; i++) l->trips = dim_mul(t, l->trips, dims[i]);
  for (int i = 0; i < shape->rank; i++) {
    int64_t most = dim_max(shape->dims[i]);
    work = work > INT32_MAX ? work : work * (most < INT32_MAX ? most : INT32_MAX);
  }
  int64_t all = dim_max(l->trips);
  l->grain = grain_for(all > 0 ? work / all : work, true);

  Index index[MOST_AXES];
  LoopExpr *at[MOST_AXES], *zero = loop_int(k, 0), *lanes;
  for (int i = 0; i < shape->rank; i++) index[i] = index_scalar(zero);
  const Dim *lane_size = shape->dims[order.lanes];
  if (leading == 0) {
    open_flat(l, k, (LoopExpr *[]){dim_expr(k, lane_size)}, &lane_size, 1, region->lanes, &lanes);
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
    LoopExpr *begin = loop_mul(k, index[order.across].at, loop_int(k, ACROSS));
    LoopExpr *end = loop_add(k, begin, loop_int(k, ACROSS));
    const Dim *size = shape->dims[order.across];
    if (!dim_is_constant(size) || dim_value(size) % ACROSS)
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
  if (lower_pad(l)) return;
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
  Flat flat = {.region = &region, .shape = shape};
  int tags[MOST_AXES];
  for (int a = 0; a < shape->rank; a++) tags[a] = dim_is(shape->dims[a], 1) ? -1 : a;
  bool is_flat = true;
  for (int i = 0; i < region_result_count(&region) && is_flat; i++)
    is_flat = trace(&flat, region_result(&region, i), tags);
  if (is_flat)
    flat_kernel(l, &region, &flat);
  else
    general_kernel(l, &region, shape);
}

static LoopExpr *row_stride(LoopKernel *k, const Value *whole, int axis) {
  LoopExpr *stride = loop_int(k, 1);
  for (int i = axis; i < whole->type.rank; i++)
    stride = loop_mul(k, stride, dim_expr(k, whole->type.dims[i]));
  return stride;
}

/* [outer, mine] into [outer, all], from column `start` on. */
void lower_concat_part(Lowering *l, int part) {
  LoopKernel *k = l->kernel;
  const Op *op = l->op;
  DimTable *t = l->dims;
  const Value *x = op->operands[part];
  const Value *outside = value_whole(x), *whole = value_whole(op_result(op));
  int axis = (int)op_integer(op, ATTRIBUTE_axis);
  const Dim *outer = dim_constant(t, 1), *inner = outer, *start = dim_constant(t, 0);
  for (int i = 0; i < axis; i++) outer = dim_mul(t, outer, x->type.dims[i]);
  for (int i = axis + 1; i < x->type.rank; i++) inner = dim_mul(t, inner, x->type.dims[i]);
  for (int i = 0; i < part; i++) start = dim_add(t, start, op->operands[i]->type.dims[axis]);
  const Dim *mine = dim_mul(t, x->type.dims[axis], inner);
  const Dim *all = dim_mul(t, op->results[0]->type.dims[axis], inner);
  start = dim_mul(t, start, inner);
  LoopElement element = loop_element_of_type(x->type.element);
  LoopBuffer *from = loop_operand(k, "x", element, 2, dim_expr(k, outer), dim_expr(k, mine));
  LoopBuffer *to = loop_operand(k, "y", element, 2, dim_expr(k, outer), dim_expr(k, all));
  if (outside) from->strides[0] = row_stride(k, outside, axis), from->strides[1] = loop_int(k, 1);
  if (whole) to->strides[0] = row_stride(k, whole, axis), to->strides[1] = loop_int(k, 1);
  int lanes = LANE_REGISTERS * l->target->lanes;
  l->algorithm = "copy";
  LoopExpr *row = loop_int(k, 0), *column;
  if (dim_is(outer, 1)) {
    open_flat(l, k, (LoopExpr *[]){dim_expr(k, mine)}, &mine, 1, lanes, &column);
  } else {
    l->trips = outer;
    l->grain = grain_for(dim_max(mine), false);
    row = loop_parallel(k, "i", dim_expr(k, outer));
    column = loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, mine), lanes);
  }
  LoopExpr *place = loop_add(k, column, dim_expr(k, start));
  loop_store(k, loop_lanes(k, to, lanes, row, place), loop_lanes(k, from, lanes, row, column));
  loop_end(k);
  loop_end(k);
}

void lower_corner(Lowering *l, const Type *tensor, bool reads) {
  LoopKernel *k = l->kernel;
  int rank = tensor->rank, lanes = LANE_REGISTERS * l->target->lanes;
  LoopExpr *sizes[MOST_AXES], *at[MOST_AXES];
  for (int i = 0; i < rank; i++) sizes[i] = dim_expr(k, tensor->dims[i]);
  LoopElement element = loop_element_of_type(tensor->element);
  LoopBuffer *from = loop_operand_of(k, "x", element, rank, sizes);
  LoopBuffer *to = loop_operand_of(k, "y", element, rank, sizes);
  int64_t stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    (reads ? from : to)->strides[i] = loop_int(k, stride);
    stride *= dim_max(tensor->dims[i]);
  }
  l->algorithm = "copy";
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < rank - 1; i++) l->trips = dim_mul(l->dims, l->trips, tensor->dims[i]);
  l->grain = grain_for(dim_max(tensor->dims[rank - 1]), false);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, tensor->dims, rank - 1, at);
  at[rank - 1] = loop_for_lanes(k, "j", loop_int(k, 0), sizes[rank - 1], lanes);
  loop_store(k, loop_lanes_of(k, to, lanes, at), loop_lanes_of(k, from, lanes, at));
  loop_end(k);
  loop_end(k);
}

void lower_update_in_place(Lowering *l) {
  LoopKernel *k = l->kernel;
  const Op *op = l->op;
  const Value *u = op->operands[1];
  const Type *whole = &op->results[0]->type;
  int rank = u->type.rank;
  Region region = region_open(k, op, l->target, l->dims);
  region.next_fault = l->first_fault;
  l->algorithm = "copy";
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < rank - 1; i++) l->trips = dim_mul(l->dims, l->trips, u->type.dims[i]);
  l->grain = grain_for(dim_max(u->type.dims[rank - 1]), false);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips)), *at[MOST_AXES], *start[MOST_AXES];
  index_split(k, trip, u->type.dims, rank - 1, at);
  LoopExpr *inside = NULL;
  for (int i = 0; i < rank; i++) {
    start[i] = dim_expr(k, op_list_dim(op, ATTRIBUTE_at, i));
    if (2 + i >= op->operand_count) continue;
    LoopExpr *given = loop_cast(k, region_scalar(&region, op->operands[2 + i]), LOOP_I64);
    LoopExpr *room = loop_sub(k, dim_expr(k, whole->dims[i]), dim_expr(k, u->type.dims[i]));
    room = loop_let(k, "room", loop_add(k, room, loop_int(k, 1)));
    given = loop_let(k, "given", given);
    start[i] = loop_let(k, "start", loop_checked(k, given, room, l->first_fault));
    LoopExpr *fits = loop_and(k, loop_ge(k, given, loop_int(k, 0)), loop_lt(k, given, room));
    inside = inside ? loop_and(k, inside, fits) : fits;
  }
  if (inside) loop_if(k, inside); /* a wrong start changes nothing */
  LoopExpr *end = dim_expr(k, u->type.dims[rank - 1]);
  at[rank - 1] = loop_for_lanes(k, "j", loop_int(k, 0), end, region.lanes);
  Index from[MOST_AXES], to[MOST_AXES];
  for (int i = 0; i < rank; i++) {
    bool lanes = i == rank - 1;
    from[i] = lanes ? index_lanes(at[i]) : index_scalar(at[i]);
    LoopExpr *place = loop_add(k, at[i], start[i]);
    to[i] = lanes ? index_lanes(place) : index_scalar(place);
  }
  region_store(&region, region_result_buffer(&region, 0), rank, to, region_value(&region, u, from));
  loop_end(k);
  if (inside) loop_end(k);
  loop_end(k);
}
