/* map_order.c - where the loops of a map go: along which axis the operands lie, which axis the
 * lanes take, and which lines are moved in pieces. */
#include "backend/map.h"

enum {
  LEAST_LANES = 4,
  MOST_PIECE = 4 /* registers */
};

/* `tags`: for each of the value's axes the result's that it is; -1: none. */
static void find_along(MapAlong *along, const Value *value, const int *tags);

static void note_operand(MapAlong *along, const Value *value, const int *tags) {
  double elements = 1;
  int last = value->type.rank - 1;
  for (int i = 0; i <= last; i++) elements *= (double)dim_max(value->type.dims[i]);
  while (last > 0 && dim_is(value->type.dims[last], 1)) last--;
  if (last < 0 || tags[last] < 0) return;
  *(tags[last] == along->last ? &along->straight : &along->turned) += elements;
  if (elements <= along->elements) return;
  along->axis = tags[last];
  along->elements = elements;
  along->apart = 0;
  double inner = 1;
  for (int i = value->type.rank - 1; i >= 0; i--) {
    if (tags[i] == along->last) along->apart = inner;
    inner *= (double)dim_max(value->type.dims[i]);
  }
  int before = last - 1;
  while (before >= 0 && dim_is(value->type.dims[before], 1)) before--;
  along->next = before < 0 ? -1 : tags[before];
}

static void find_along(MapAlong *along, const Value *value, const int *tags) {
  if (region_buffer(along->region, value)) {
    note_operand(along, value, tags);
    return;
  }
  const Op *op = value->op;
  if (!op || along->visits++ > MAP_VISITS) return;
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

MapAlong map_along(const Region *region, const Type *shape) {
  MapAlong along = {.region = region, .axis = -1, .next = -1, .last = shape->rank - 1};
  int tags[MOST_AXES];
  for (int i = 0; i < shape->rank; i++) tags[i] = dim_is(shape->dims[i], 1) ? -1 : i;
  while (along.last > 0 && tags[along.last] < 0) along.last--;
  find_along(&along, region_result(region, 0), tags);
  return along;
}

/* A weight that is brought into panels: lines of the operand are cut into pieces, which lie far
 * from each other in the result, and far apart in the operand lie those that follow each other in
 * the result. So some lines go by at once, piece by piece: both sides are then read and written in
 * longer runs. */
static bool find_pieces(const Region *region, const Type *shape, const MapAlong *along,
                        MapOrder *order) {
  int last = along->last, before = last - 1;
  while (before >= 0 && dim_is(shape->dims[before], 1)) before--;
  if (along->turned > 0 || along->axis != last || along->next < 0 || along->next >= before)
    return false;
  const Dim *piece = shape->dims[last];
  if (!dim_is_constant(piece) || dim_value(piece) % region->natural) return false;
  if (dim_value(piece) > (int64_t)MOST_PIECE * region->natural || map_is_dear(region->op))
    return false;
  *order = (MapOrder){.lanes = last, .across = before, .pieces = true};
  for (int i = 0; i < before; i++)
    if (i != along->next && !dim_is(shape->dims[i], 1)) order->outer[order->outer_count++] = i;
  order->outer[order->outer_count++] = before;
  order->outer[order->outer_count++] = along->next;
  return true;
}

/* Lanes run along the last axis; if it is short along a long one, with strided stores. Where an
 * operand is transposed its lines are used whole: by turns of the axis along which they run. */
MapOrder map_order(const Region *region, const Type *shape, const MapAlong *along) {
  MapOrder order;
  if (find_pieces(region, shape, along, &order)) return order;
  order = (MapOrder){.lanes = along->last, .across = along->axis};
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
