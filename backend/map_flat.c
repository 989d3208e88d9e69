/* map_flat.c - maps of elementwise operations alone: neighbouring axes that all operands treat
 * alike are one axis, and what is left are rows or one long line. */
#include "backend/map.h"

#include "ir/part.h"
#include "support/bug.h"
#include "support/whole.h"

typedef struct {
  const Region *region;
  const Type *shape;       /* of the results */
  int tags[64][MOST_AXES]; /* of each operand: the result's axis, or -1 */
  bool seen[64];
  bool ends[MOST_AXES]; /* the result's axes where an operand's or result's lines are apart */
  int visits;           /* values are visited once for each use */
} Flat;

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
  if (flat->visits++ > MAP_VISITS) return false;
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

static int64_t common_multiple(int64_t a, int64_t b) {
  return a / common_divisor(a, b) * b;
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
  int64_t block = MAP_BLOCK / lanes * lanes;
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
  lower_streams_all(l, region);
  const Dim *more = dim_add(l->dims, all, dim_constant(l->dims, block - 1));
  l->trips = dim_floor(l->dims, more, block);
  l->grain = grain_for(block, map_is_dear(op));
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
  int lanes = MAP_REGISTERS * natural;
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
  lower_streams_all(l, region);
  map_open(l, k, sizes, dims, count, region->lanes, at);
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

bool map_flat(Lowering *l, Region *region, const Type *shape) {
  Flat flat = {.region = region, .shape = shape};
  int tags[MOST_AXES];
  for (int a = 0; a < shape->rank; a++) tags[a] = dim_is(shape->dims[a], 1) ? -1 : a;
  for (int i = 0; i < region_result_count(region); i++)
    if (!trace(&flat, region_result(region, i), tags)) return false;
  flat_kernel(l, region, &flat);
  return true;
}
