/* lower_row.c - reductions over rows: softmax, layer norm, global pooling, sums.
 *
 * A kernel's reductions run over the same axes. If those are the last ones, a trip is a row: its
 * elements pass through vector registers, once for each reduction, and once more for what is made
 * of them. If the last axis stays (the middle ones are reduced, nhwc), a trip is a strip of
 * channels, one a lane. What a reduction gives is known everywhere in its row.
 *
 * Of short rows a trip takes several: each pass goes over all of them before the next one begins,
 * so that what is at the end of a pass, sums over lanes and divisions, overlaps with other rows.
 * What is known of each row lies in arrays on the stack meanwhile.
 *
 * With sums of blocks of rows (ir/block_sum.h) a trip is a block, and each row is added to the
 * block's sums, which lie in the first cache, where its results are made.
 */
#include "backend/lower_row.h"

#include "ir/block_sum.h"
#include "support/bug.h"

#include <math.h>

enum {
  SUM_REGISTERS = 8,        /* accumulators: hide the latency of additions */
  LANE_REGISTERS = 4,       /* of what is made of a row, of channels */
  MOST_ROW_BYTES = 1 << 18, /* of a row kept in scratch */
};

static const Op *first_op(const Region *r) {
  return r->block ? r->block->first : r->op;
}

static bool is_reduction(const Op *op) {
  return operator_has(op->kind, TRAIT_REDUCTION) || op->kind == OP_softmax;
}

/* ---- which axes, which values ---- */

/* What a block sum adds up, whose rows are the last axis; of other rows it is a sum like any other.
 */
static Value *block_source(const Op *op) {
  Value *source = block_sum_source(op);
  const Type *type = source ? &source->type : NULL;
  return type && type->dims[type->rank - 1] == op->operands[0]->type.dims[2] ? source : NULL;
}

static void find_axes(Row *row) {
  const Region *r = &row->region;
  row->first = -1;
  for (const Op *op = first_op(r); op; op = r->block ? op->next : NULL) {
    row->is_costly = row->is_costly || op->kind == OP_softmax || op->kind == OP_exp;
    if (!is_reduction(op)) continue;
    const Type *type = &op->operands[0]->type;
    if (block_source(op)) {
      if (row->sum && !type_equal(&row->sum->operands[0]->type, type))
        bug("blocks differ in '%s'", row->l->kernel->name);
      row->sum = op;
      continue;
    }
    if (row->shape) continue;
    row->shape = type;
    if (op->kind == OP_softmax)
      row->reduced[op_integer(op, ATTRIBUTE_axis)] = true;
    else
      for (int i = 0; i < op_list_count(op, ATTRIBUTE_axis); i++)
        row->reduced[op_list_integer(op, ATTRIBUTE_axis, i)] = true;
  }
  if (!row->shape && row->sum) {
    row->shape = &block_source(row->sum)->type;
    row->reduced[row->shape->rank - 1] = true;
  }
  if (!row->shape) bug("no reduction in '%s'", row->l->kernel->name);
  for (int i = 0; i < row->shape->rank; i++) {
    if (!row->reduced[i]) continue;
    if (row->first < 0) row->first = i;
    row->last = i;
  }
  row->lanes_stay = row->shape->rank > 0 && !row->reduced[row->shape->rank - 1];
  if (row->sum && (row->first != row->shape->rank - 1 ||
                   row->shape->dims[row->first] != row->sum->operands[0]->type.dims[2]))
    bug("rows are summed across in '%s'", row->l->kernel->name);
}

static bool is_row_value(const Row *row, const Value *value) {
  for (size_t i = 0; i < row->row_values.count; i++)
    if (row->row_values.items[i] == value) return true;
  return false;
}

static bool is_uniform(const Value *value) {
  Number number;
  return value->type.rank == 0 || value_is_uniform(value, &number);
}

/* Has `type` the row's axes alone, the reduced ones gone or 1? */
static bool has_row_shape(const Row *row, const Type *type) {
  if (type->rank == row->shape->rank) {
    for (int i = 0; i < type->rank; i++)
      if (row->reduced[i] ? !dim_is(type->dims[i], 1) : false) return false;
    return true;
  }
  int kept = 0;
  for (int i = 0; i < row->shape->rank; i++) kept += !row->reduced[i];
  return type->rank == kept;
}

/* Made of reductions and what is the same in the whole row. */
static bool made_of_row_values(const Row *row, const Op *op) {
  bool keeps_shape = operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_reshape ||
                     op->kind == OP_stop_gradient;
  if (!keeps_shape || !has_row_shape(row, &op->results[0]->type)) return false;
  bool any = false;
  for (int i = 0; i < op->operand_count; i++) {
    bool is_row = is_row_value(row, op->operands[i]);
    any = any || is_row;
    if (!is_row && !is_uniform(op->operands[i])) return false;
  }
  return any;
}

/* Of the current element in what is kept of the trip's rows. */
static LoopExpr *row_place(Row *row) {
  LoopKernel *k = row->l->kernel;
  LoopExpr *place = row->member ? row->member : loop_int(k, 0);
  for (int i = 0; i < row->shape->rank; i++)
    if (row->reduced[i])
      place = loop_add(k, loop_mul(k, place, dim_expr(k, row->shape->dims[i])), row->index[i].at);
  return place;
}

/* Times 2^64, which the division by their sum takes away. */
static LoopExpr *exponential(Row *row, const RowSoftmax *s) {
  LoopKernel *k = row->l->kernel;
  return loop_exp_raised(
      k, loop_sub(k, region_value(&row->region, s->op->operands[0], row->index), s->top));
}

static LoopExpr *softmax_value(Row *row, const RowSoftmax *s) {
  LoopKernel *k = row->l->kernel;
  LoopExpr *e =
      s->kept ? loop_lanes(k, s->kept, row->region.lanes, row_place(row)) : exponential(row, s);
  return loop_mul(k, e, s->sum);
}

void row_remember_softmax(Row *row) {
  for (int i = 0; i < row->softmax_count; i++)
    region_remember(&row->region, row->softmax[i].op->results[0],
                    loop_let(row->l->kernel, "p", softmax_value(row, &row->softmax[i])));
}

/* ---- softmax: exponentials are kept in scratch between their sum and the division ---- */

/* Of a pass that makes exponentials: more than their constants leave would go by way of the stack,
 * and what follows each other overlaps anyway. */
static int exp_registers(const Row *row) {
  return row->l->target->registers >= 32 ? LANE_REGISTERS : 1;
}

static LoopExpr *softmax_step(Row *row, void *user) {
  RowSoftmax *s = user;
  LoopKernel *k = row->l->kernel;
  LoopExpr *e = loop_let(k, "e", exponential(row, s));
  if (s->kept) loop_store(k, loop_lanes(k, s->kept, row->region.lanes, row_place(row)), e);
  return e;
}

static LoopExpr *plain_step(Row *row, void *user) {
  return region_value(&row->region, user, row->index);
}

static int64_t row_length(const Row *row) {
  int64_t length = 1;
  for (int i = 0; i < row->shape->rank; i++)
    if (row->reduced[i] && __builtin_mul_overflow(length, dim_max(row->shape->dims[i]), &length))
      return INT64_MAX;
  return length;
}

static void softmax(Row *row, const Op *op, RowSoftmax *s) {
  LoopKernel *k = row->l->kernel;
  LoopElement e = compute_element(op->operands[0]->type.element);
  s->op = op;
  /* a NaN makes the sum NaN, and by it all of the row */
  row_close_pass(row);
  LoopExpr *top = NULL;
  if (row->apart && row->passes == 0) {
    s->tops = row_reduce_walks(row, "top", ROW_GREATEST_NUMBER, e, SUM_REGISTERS, plain_step,
                               op->operands[0]);
  } else {
    row_open_pass(row);
    top =
        row_reduce(row, "top", ROW_GREATEST_NUMBER, e, SUM_REGISTERS, plain_step, op->operands[0]);
    if (row->member) s->tops = row_keep(row, top);
    row_close_pass(row);
  }
  row_open_pass(row);
  if (row->member) top = row_kept(row, s->tops);
  /* a row of -inf alone: subtract 0 instead, and multiply with 0 */
  LoopExpr *lowest = loop_literal(k, e, -INFINITY), *zero = loop_literal(k, e, 0);
  LoopExpr *none = loop_let(k, "none", loop_eq(k, top, lowest));
  s->top = loop_let(k, "top", loop_select(k, none, zero, top));
  int64_t length = row_length(row);
  if (!row->lanes_stay && length <= MOST_ROW_BYTES / loop_element_bytes(e))
    s->kept = loop_scratch(k, "row", e, 1, loop_int(k, length * row->group));
  LoopExpr *sum = row_reduce(row, "sum", ROW_SUM, e, exp_registers(row), softmax_step, s);
  LoopExpr *scale = loop_div(k, loop_literal(k, e, 1), sum);
  s->sum = loop_let(k, "scale", loop_select(k, none, loop_mul(k, sum, zero), scale));
  if (row->member) s->sums = row_keep(row, s->sum);
}

/* ---- the kernel ---- */

static void reduce_all(Row *row) {
  Region *r = &row->region;
  for (const Op *op = first_op(r); op; op = r->block ? op->next : NULL) {
    const Value *result = op->result_count ? op->results[0] : NULL;
    if (!result || block_source(op)) continue;
    if (op->kind == OP_softmax) {
      if (row->softmax_count == MOST_SOFTMAX) bug("too many softmax in '%s'", row->l->kernel->name);
      softmax(row, op, &row->softmax[row->softmax_count]);
      row->softmax_count++;
    } else if (is_reduction(op)) {
      RowReduction kind = op->kind == OP_sum ? ROW_SUM : ROW_GREATEST;
      const char *name = kind == ROW_SUM ? "sum" : "top";
      Value *x = op->operands[0];
      LoopElement e = compute_element(x->type.element);
      row_close_pass(row);
      if (row->apart && row->passes == 0) {
        row_know_all(row, result,
                     row_reduce_walks(row, name, kind, e, SUM_REGISTERS, plain_step, x));
        row_open_pass(row);
      } else {
        row_open_pass(row);
        row_know(row, result, row_reduce(row, name, kind, e, SUM_REGISTERS, plain_step, x));
      }
    } else if (made_of_row_values(row, op)) {
      Index nowhere[MOST_AXES];
      for (int i = 0; i < MOST_AXES; i++) nowhere[i] = index_scalar(loop_int(row->l->kernel, 0));
      row_know(row, result, region_value(r, result, nowhere));
    }
  }
}

/* A result with the row's axes alone: one element, or one strip, a trip. */
static void store_row_value(Row *row, int i) {
  const Value *result = region_result(&row->region, i);
  int rank = result->type.rank, from = 0;
  Index at[MOST_AXES];
  for (int a = 0; a < row->shape->rank; a++) {
    if (!row->reduced[a])
      at[from++] = row->index[a];
    else if (rank == row->shape->rank)
      at[from++] = index_scalar(loop_int(row->l->kernel, 0));
  }
  Index where[MOST_AXES];
  for (int a = 0; a < rank; a++) where[a] = at[a];
  region_store(&row->region, region_result_buffer(&row->region, i), rank, where,
               region_value(&row->region, result, where));
}

/* What the result, one of blocks of rows, adds up; NULL: it is none. */
static const Value *summed(const Row *row, int i) {
  const Value *result = region_result(&row->region, i);
  return row->sum && result->op ? block_source(result->op) : NULL;
}

static LoopExpr *block_sum(Row *row, int i, const Value *source, const Index *at) {
  Region *r = &row->region;
  LoopExpr *sum = region_load(r, region_result_buffer(r, i), region_result(r, i), 2, at);
  return loop_add(row->l->kernel, sum, region_value(r, source, row->index));
}

static void clear_sums(Row *row, LoopExpr *block) {
  LoopKernel *k = row->l->kernel;
  Region *r = &row->region;
  int lanes = row_lanes(row, LANE_REGISTERS), outer_lanes = r->lanes;
  LoopExpr *channels = dim_expr(k, row->shape->dims[row->shape->rank - 1]);
  LoopExpr *zero = loop_splat(k, loop_literal(k, LOOP_F32, 0), lanes);
  r->lanes = lanes;
  LoopExpr *c = loop_for_lanes(k, "c", loop_int(k, 0), channels, lanes);
  Index at[] = {index_scalar(block), index_lanes(c)};
  for (int i = 0; i < region_result_count(r); i++)
    if (summed(row, i)) region_store(r, region_result_buffer(r, i), 2, at, zero);
  loop_end(k);
  r->lanes = outer_lanes;
}

/* Of the whole rows that are stored: each once, its lanes side by side. Where exponentials bound
 * the kernel, caches take a row's stores while the next ones are made; stores to sums of blocks
 * between those of lines would have them written in pieces, at a quarter of the rate. */
static void stream_results(Row *row) {
  Region *r = &row->region;
  const Op *op = row->l->op;
  int whole = 0;
  for (int i = 0; i < op->result_count; i++) whole += type_equal(&op->results[i]->type, row->shape);
  if (row->is_costly || row->lanes_stay || row->sum || whole > LOWER_STREAMS) return;
  for (int i = 0; i < op->result_count; i++) {
    if (!type_equal(&op->results[i]->type, row->shape)) continue;
    lower_streams(row->l, region_result_buffer(r, i), op->results[i]);
    row->streams = row->streams || region_result_buffer(r, i)->streams;
  }
}

/* `block`: of the rows that are summed up, if any are. */
static void body(Row *row, LoopExpr *block) {
  Region *r = &row->region;
  reduce_all(row);
  bool whole = row->sum; /* any result of the whole shape? */
  for (int i = 0; i < region_result_count(r); i++) {
    const Value *result = region_result(r, i);
    if (summed(row, i)) continue;
    if (has_row_shape(row, &result->type) && !type_equal(&result->type, row->shape))
      store_row_value(row, i);
    else
      whole = true;
  }
  row_close_pass(row);
  if (!whole) return;
  row_open_pass(row);
  size_t scope = region_push(r);
  int blocks =
      row_open(row, row->lanes_stay ? r->lanes : row_lanes(row, LANE_REGISTERS), LOOP_F32, NULL);
  row_fetch_next(row, true);
  row_remember_softmax(row);
  LoopExpr *results[64];
  Index at[2];
  if (block) at[0] = index_scalar(block), at[1] = row->index[row->last];
  for (int i = 0; i < region_result_count(r); i++) {
    const Value *result = region_result(r, i), *source = summed(row, i);
    LoopExpr *value = source                                  ? block_sum(row, i, source, at)
                      : type_equal(&result->type, row->shape) ? region_value(r, result, row->index)
                                                              : NULL;
    results[i] = value ? loop_let(row->l->kernel, "r", value) : NULL;
  }
  for (int i = 0; i < region_result_count(r); i++)
    if (results[i])
      region_store(r, region_result_buffer(r, i), summed(row, i) ? 2 : row->shape->rank,
                   summed(row, i) ? at : row->index, results[i]);
  row_close(row, blocks);
  region_pop(r, scope);
  row_close_pass(row);
}

/* Is there a result of the whole shape? Written to places far apart, memory would be slower. */
static bool stores_map(const Row *row) {
  for (int i = 0; i < region_result_count(&row->region); i++) {
    const Type *type = &region_result(&row->region, i)->type;
    if (!has_row_shape(row, type) || type_equal(type, row->shape)) return true;
  }
  return false;
}

/* Channels of a trip, if lanes are channels. *whole: all trips have as many. */
static int strip_of(const Row *row, const Dim *channels, bool *whole) {
  int natural = row->region.natural;
  *whole = true;
  if (dim_is_constant(channels))
    for (int n = LANE_REGISTERS; n > 0; n--) {
      bool enough = n > 1 || dim_value(channels) == natural;
      if (enough && dim_value(channels) % (n * natural) == 0) return n * natural;
    }
  *whole = false;
  return dim_max(channels) <= natural ? natural : LANE_REGISTERS * natural;
}

void lower_row(Lowering *l) {
  Row row = {.l = l, .region = region_open(l->kernel, l->op, l->target, l->dims)};
  row.region.next_fault = l->first_fault;
  if (lower_channel_sums(l, &row.region) || lower_panel_sums(l, &row.region)) return;
  LoopKernel *k = l->kernel;
  DimTable *t = l->dims;
  find_axes(&row);
  stream_results(&row);
  l->algorithm = "rows";
  int rank = row.shape->rank, *axes = row.axes;
  const Dim **dims = row.dims;
  for (int i = 0; i < rank; i++)
    if (!row.reduced[i]) {
      axes[row.kept] = i;
      dims[row.kept++] = row.shape->dims[i];
    }
  int kept = row.kept, leading = row.lanes_stay ? kept - 1 : kept;
  l->trips = dim_constant(t, 1);
  for (int i = 0; i < leading; i++) l->trips = dim_mul(t, l->trips, dims[i]);
  const Dim *channels = row.lanes_stay ? dims[kept - 1] : NULL, *all_rows = l->trips;
  bool walks = !channels && !stores_map(&row) && row_walks(&row, all_rows);
  row.rows = all_rows;
  row.group = channels ? 1 : walks ? WALKS : row_group(&row, all_rows);
  if (row.group > 1)
    l->trips = dim_floor(t, dim_add(t, all_rows, dim_constant(t, row.group - 1)), row.group);
  int strip = 1;
  bool whole = false;
  const Dim *strips = NULL;
  if (channels) {
    strip = strip_of(&row, channels, &whole);
    strips = dim_floor(t, dim_add(t, channels, dim_constant(t, strip - 1)), strip);
    l->trips = dim_mul(t, l->trips, strips);
  }
  int64_t length = row_length(&row), times = channels ? strip : row.group;
  const Dim *const *sums = row.sum ? row.sum->operands[0]->type.dims : NULL; /* blocks, rows */
  if (sums) l->trips = sums[0], times = dim_max(sums[1]);
  l->grain = grain_for(times > 0 && length > INT64_MAX / times ? length : length * times, true);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  LoopExpr *at[MOST_AXES];
  int blocks = 1;
  if (sums) {
    clear_sums(&row, trip);
    LoopExpr *rows = dim_expr(k, sums[1]);
    LoopExpr *within = loop_for(k, "row", loop_int(k, 0), rows);
    index_split(k, loop_let(k, "at", loop_add(k, loop_mul(k, trip, rows), within)), dims, kept, at);
    blocks++;
  } else if (channels) {
    const Dim *all[MOST_AXES + 1];
    LoopExpr *split[MOST_AXES + 1];
    for (int i = 0; i < leading; i++) all[i] = dims[i];
    all[leading] = strips;
    index_split(k, trip, all, leading + 1, split);
    for (int i = 0; i < leading; i++) at[i] = split[i];
    LoopExpr *begin = loop_let(k, "from", loop_mul(k, split[leading], loop_int(k, strip)));
    LoopExpr *end = loop_min(k, loop_add(k, begin, loop_int(k, strip)), dim_expr(k, channels));
    at[leading] = whole ? begin : loop_for_lanes(k, "c", begin, end, strip);
    row.region.lanes = strip;
    blocks += !whole;
  } else if (row.group > 1) {
    LoopExpr *group = loop_int(k, row.group), *rows = dim_expr(k, all_rows);
    row.begin = walks ? trip : loop_let(k, "begin", loop_mul(k, trip, group));
    if (walks) row.apart = dim_expr(k, l->trips);
    bool even = dim_is_constant(all_rows) && dim_value(all_rows) % row.group == 0;
    LoopExpr *left = even ? NULL : loop_sub(k, rows, row.begin);
    if (walks && left) /* of those behind each other that begin before the end */
      left = loop_div(k, loop_add(k, left, loop_sub(k, row.apart, loop_int(k, 1))), row.apart);
    row.members = even ? group : loop_let(k, "members", loop_min(k, group, left));
  } else {
    index_split(k, trip, dims, kept, at);
  }
  for (int i = 0; row.group == 1 && i < kept; i++)
    row.index[axes[i]] = channels && i == kept - 1 ? index_lanes(at[i]) : index_scalar(at[i]);
  body(&row, sums ? trip : NULL);
  while (blocks--) loop_end(k);
}
