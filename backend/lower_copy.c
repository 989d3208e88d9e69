/* lower_copy.c - copies of a tensor into a part of another's memory: a concat's operands, what lies
 * at the corner of its bound, an update. */
#include "backend/map.h"

#include "ir/part.h"

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
  if (dim_max(mine) * loop_element_bytes(x->type.element) >= LOWER_STREAM_ROW)
    lower_streams(l, to, op_result(op));
  int lanes = MAP_REGISTERS * l->target->lanes;
  l->algorithm = "copy";
  LoopExpr *row = loop_int(k, 0), *column;
  if (dim_is(outer, 1)) {
    map_open(l, k, (LoopExpr *[]){dim_expr(k, mine)}, &mine, 1, lanes, &column);
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
  int rank = tensor->rank, lanes = MAP_REGISTERS * l->target->lanes;
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
