/* attention.c - what the kernels of attention share; attention.h says how. */
#include "backend/attention.h"

#include "ir/attention.h"
#include "support/whole.h"

#include <math.h>

enum { UNROLL = 4, MOST_ROWS = 8 };

static const Value *operand_of(const Op *op, int number) {
  return number < 0 ? NULL : op->operands[number];
}

/* Registers of a tile's row: fewer than three rows for each would wait for their sums. */
static int most_vectors(const Target *target) {
  return target->registers >= 32 ? 4 : 2;
}

/* Blocks of queries as large as may be and as even as can be, in columns that divide them. */
static void choose_block(Attention *a) {
  int64_t most = dim_max(a->queries), blocks = (most + BLOCK_QUERIES - 1) / BLOCK_QUERIES;
  if (blocks < 1) blocks = 1;
  int64_t block = ceil_of(ceil_of(most, blocks), a->lanes) * a->lanes;
  if (block < a->lanes) block = a->lanes;
  int vectors = most_vectors(a->l->target);
  while (block % (vectors * a->lanes)) vectors--;
  a->columns = vectors * a->lanes;
  /* constants and sums of more than one register's would go by way of the stack */
  a->dear = a->l->target->registers >= 32 ? a->columns : a->lanes;
  a->block = (int)block;
}

Attention attention_open(Lowering *l, Region *r, const Op *op) {
  Attention a = {.l = l,
                 .r = r,
                 .op = op,
                 .q = op->operands[0],
                 .k = op->operands[1],
                 .v = op->operands[2],
                 .mask = operand_of(op, attention_mask(op)),
                 .factor = operand_of(op, attention_factor(op)),
                 .batch = op->operands[0]->type.rank - 2,
                 .causal = op_flag(op, ATTRIBUTE_causal),
                 .lanes = l->target->lanes};
  a.queries = a.q->type.dims[a.batch], a.width = a.q->type.dims[a.batch + 1];
  a.keys = a.k->type.dims[a.batch], a.out = a.v->type.dims[a.batch + 1];
  choose_block(&a);
  int written = a.factor ? FACTOR_KEYS + 1 : 1;                  /* times, the loop over scores */
  l->kernel->expansions = 4 + 2 * written * a.columns / a.lanes; /* and a row's */
  return a;
}

void attention_open_matrices(Attention *a) {
  Lowering *l = a->l;
  LoopKernel *k = l->kernel;
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < a->batch; i++) l->trips = dim_mul(l->dims, l->trips, a->q->type.dims[i]);
  l->grain = 1;
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips));
  index_split(k, trip, a->q->type.dims, a->batch, a->at);
  a->ahead = loop_let(k, "ahead", loop_sub(k, dim_expr(k, a->keys), dim_expr(k, a->queries)));
}

LoopExpr *attention_blocks(Attention *a, LoopExpr **count) {
  Lowering *l = a->l;
  LoopKernel *k = l->kernel;
  const Dim *split[MOST_AXES];
  for (int i = 0; i < a->batch; i++) split[i] = a->q->type.dims[i];
  split[a->batch] = dim_floor(
      l->dims, dim_add(l->dims, a->queries, dim_constant(l->dims, a->block - 1)), a->block);
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i <= a->batch; i++) l->trips = dim_mul(l->dims, l->trips, split[i]);
  l->grain = 1;
  LoopExpr *trip = loop_parallel(k, "t", dim_expr(k, l->trips));
  index_split(k, trip, split, a->batch + 1, a->at);
  LoopExpr *queries = dim_expr(k, a->queries), *block = loop_int(k, a->block);
  LoopExpr *first = loop_let(k, "first", loop_mul(k, a->at[a->batch], block));
  *count = dim_is_constant(a->queries) && dim_value(a->queries) % a->block == 0
               ? block
               : loop_let(k, "count", loop_min(k, block, loop_sub(k, queries, first)));
  a->ahead = loop_let(k, "ahead", loop_sub(k, dim_expr(k, a->keys), queries));
  return first;
}

/* ---- operands ---- */

LoopExpr *attention_element(const Attention *a, const Value *x, LoopExpr *row, LoopExpr *column) {
  Index index[MOST_AXES];
  for (int i = 0; i < a->batch; i++) index[i] = index_scalar(a->at[i]);
  index[a->batch] = index_scalar(row);
  index[a->batch + 1] = index_scalar(column);
  return region_value(a->r, x, index);
}

LoopExpr *attention_lanes(const Attention *a, const Value *x, int lanes, LoopExpr *row,
                          LoopExpr *column) {
  Index index[MOST_AXES];
  for (int i = 0; i < a->batch; i++) index[i] = index_scalar(a->at[i]);
  index[a->batch] = index_scalar(row);
  index[a->batch + 1] = index_lanes(column);
  a->r->lanes = lanes;
  return region_value(a->r, x, index);
}

LoopExpr *attention_extra(const Attention *a, const Value *x, int lanes, Index query, Index key) {
  int rank = x->type.rank, absent = a->batch + 2 - rank;
  Index index[MOST_AXES];
  for (int i = 0; i < rank; i++) {
    int axis = i + absent;
    index[i] = axis == a->batch + 1 ? key : axis == a->batch ? query : index_scalar(a->at[axis]);
    if (dim_is(x->type.dims[i], 1)) index[i] = index_scalar(loop_int(a->l->kernel, 0));
  }
  a->r->lanes = lanes;
  return region_value(a->r, x, index);
}

LoopExpr *attention_masked(const Attention *a, LoopExpr *score, LoopExpr *mask) {
  LoopKernel *k = a->l->kernel;
  if (loop_type(mask).element != LOOP_BOOL) return loop_add(k, score, mask);
  return loop_select(k, mask, score, loop_number(k, -INFINITY));
}

LoopExpr *attention_scale_of(const Attention *a) {
  LoopKernel *k = a->l->kernel;
  double scale = attention_scale(a->op);
  if (scale != 0) return loop_number(k, (double)(float)scale);
  if (dim_is_constant(a->width))
    return loop_number(k, (double)(float)(1 / sqrt((double)dim_value(a->width))));
  LoopExpr *width = loop_cast(k, dim_expr(k, a->width), LOOP_F32);
  return loop_let(k, "scale", loop_div(k, loop_number(k, 1), loop_sqrt(k, width)));
}

/* ---- numbers ---- */

LoopExpr *attention_ceil(LoopKernel *k, LoopExpr *x, int64_t by) {
  return loop_div(k, loop_add(k, x, loop_int(k, by - 1)), loop_int(k, by));
}

LoopExpr *attention_clamped(LoopKernel *k, LoopExpr *x, LoopExpr *most) {
  return loop_max(k, loop_int(k, 0), loop_min(k, x, most));
}

LoopExpr *attention_seen(const Attention *a, LoopExpr *end) {
  LoopKernel *k = a->l->kernel;
  LoopExpr *keys = dim_expr(k, a->keys);
  if (!a->causal) return keys;
  return loop_let(k, "seen", attention_clamped(k, loop_add(k, end, a->ahead), keys));
}

int64_t attention_padded(const Attention *a, const Dim *size) {
  return ceil_of(dim_max(size), a->lanes) * a->lanes;
}

LoopBuffer *attention_scratch(const Attention *a, const char *name, int64_t rows, int64_t columns) {
  LoopKernel *k = a->l->kernel;
  return loop_scratch(k, name, LOOP_F32, 2, loop_int(k, rows), loop_int(k, columns));
}

/* ---- the queries' block, turned round in registers ---- */

void attention_pack(const Attention *a, const Value *x, LoopExpr *first, LoopExpr *count,
                    const Dim *width, LoopExpr *scale, LoopBuffer *packed) {
  LoopKernel *k = a->l->kernel;
  Region *r = a->r;
  int lanes = a->lanes;
  LoopExpr *zero = loop_int(k, 0), *wide = dim_expr(k, width);
  LoopExpr *last = loop_let(k, "last", loop_sub(k, loop_add(k, first, count), loop_int(k, 1)));
  LoopExpr *rows = loop_for(k, "rows", zero, attention_ceil(k, count, lanes));
  LoopExpr *row = loop_let(k, "row", loop_mul(k, rows, loop_int(k, lanes)));
  LoopExpr *columns = loop_for(k, "columns", zero, attention_ceil(k, wide, lanes));
  LoopExpr *column = loop_let(k, "column", loop_mul(k, columns, loop_int(k, lanes)));
  LoopExpr *square = loop_array(k, "square", LOOP_F32, lanes, lanes, loop_number(k, 0));
  LoopExpr *outer = r->mask;
  size_t scope = region_push(r);
  if (!dim_is_constant(width) || dim_value(width) % lanes)
    r->mask = loop_let(k, "inside", loop_lt(k, loop_iota(k, column, lanes), wide));
  bool whole = dim_is_constant(a->queries) && dim_value(a->queries) % lanes == 0;
  for (int i = 0; i < lanes; i++) {
    LoopExpr *at = loop_add(k, loop_add(k, first, row), loop_int(k, i));
    if (!whole) at = loop_let(k, "at", loop_min(k, at, last));
    loop_set(k, loop_row(k, square, loop_int(k, i)), attention_lanes(a, x, lanes, at, column));
  }
  r->mask = outer;
  region_pop(r, scope);
  loop_transpose(k, square);
  LoopExpr *i = loop_each(k, "i", zero, loop_int(k, lanes));
  LoopExpr *value = loop_row(k, square, i);
  if (scale) value = loop_mul(k, value, scale);
  loop_store(k, loop_lanes(k, packed, lanes, loop_add(k, column, i), row), value);
  loop_end(k);
  loop_end(k);
  loop_end(k);
}

bool attention_is_far(const Attention *a, const Value *x) {
  return !region_buffer(a->r, x);
}

/* Over a row's columns, `lanes` at a time, written out if they are known and few. */
static LoopExpr *open_columns(const Attention *a, const Dim *width, int lanes) {
  enum { MOST_WRITTEN = 16 };
  LoopKernel *k = a->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  bool known = dim_is_constant(width) && dim_value(width) % lanes == 0;
  if (!known || dim_value(width) / lanes > MOST_WRITTEN)
    return loop_for_lanes(k, "e", zero, dim_expr(k, width), lanes);
  LoopExpr *part = loop_each(k, "e", zero, loop_int(k, dim_value(width) / lanes));
  return loop_mul(k, part, loop_int(k, lanes));
}

void attention_copy(const Attention *a, const Value *x, LoopExpr *first, LoopExpr *count,
                    const Dim *width, LoopBuffer *near) {
  LoopKernel *k = a->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *row = loop_for(k, "i", zero, count);
  int lanes = attention_columns(a, width);
  LoopExpr *e = open_columns(a, width, lanes);
  size_t scope = region_push(a->r);
  LoopExpr *value = attention_lanes(a, x, lanes, loop_let(k, "at", loop_add(k, first, row)), e);
  loop_store(k, loop_lanes(k, near, lanes, row, e), value);
  region_pop(a->r, scope);
  loop_end(k);
  loop_end(k);
}

/* ---- tiles ---- */

int attention_columns(const Attention *a, const Dim *size) {
  int most = most_vectors(a->l->target), vectors = 1;
  while (vectors < most && dim_max(size) > vectors * a->lanes) vectors++;
  return vectors * a->lanes;
}

static int tile_rows(const Target *target, int columns) {
  int vectors = columns / target->lanes, spare = target->registers / 8;
  int rows = (target->registers - vectors - spare) / vectors;
  return rows > MOST_ROWS ? MOST_ROWS : rows;
}

void attention_tiles(const Attention *a, const Tiles *t) {
  LoopKernel *k = a->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *count;
  int most = tile_rows(a->l->target, t->lanes);
  size_t scope = region_push(a->r);
  LoopExpr *first = loop_for_tail(k, "i", zero, t->rows, most, &count);
  LoopExpr *sums = loop_array(k, "sums", LOOP_F32, most, t->lanes, loop_number(k, 0));
  if (t->from) {
    LoopExpr *row = loop_each(k, "r", zero, count);
    loop_set(k, loop_row(k, sums, row), t->from(t->user, loop_add(k, first, row)));
    loop_end(k);
  }
  LoopExpr *start = t->start ? t->start(t->user, first) : zero;
  LoopExpr *stop = t->stop ? t->stop(t->user, loop_add(k, first, count)) : t->depth;
  LoopExpr *at = loop_for_unroll(k, "k", start, stop, UNROLL);
  LoopExpr *right = loop_let(k, "w", t->right(t->user, at));
  LoopExpr *row = loop_each(k, "r", zero, count), *sum = loop_row(k, sums, row);
  LoopExpr *left = t->left(t->user, loop_add(k, first, row), at);
  loop_set(k, sum, loop_fma(k, left, right, sum));
  loop_end(k);
  loop_end(k);
  row = loop_each(k, "r", zero, count);
  t->into(t->user, loop_add(k, first, row), loop_row(k, sums, row));
  loop_end(k);
  loop_end(k);
  region_pop(a->r, scope);
}

/* ---- results ---- */

/* The index of a result of the kernel at one of what the operation made: itself, or its transpose.
 */
static bool index_in(const Value *result, const Value *made, const Index *index, Index *at) {
  if (result == made) {
    for (int i = 0; i < made->type.rank; i++) at[i] = index[i];
    return true;
  }
  Index inner[MOST_AXES];
  if (!result->op || result->op->kind != OP_transpose ||
      !index_in(result->op->operands[0], made, index, inner))
    return false;
  for (int i = 0; i < result->type.rank; i++)
    at[i] = inner[op_list_integer(result->op, ATTRIBUTE_perm, i)];
  return true;
}

static void store_made(const Attention *a, int number, const Index *index, LoopExpr *value) {
  const Value *made = a->op->results[number];
  Index at[MOST_AXES];
  for (int i = 0; i < region_result_count(a->r); i++)
    if (index_in(region_result(a->r, i), made, index, at))
      region_store(a->r, region_result_buffer(a->r, i), made->type.rank, at, value);
}

static void row_index(const Attention *a, int lanes, LoopExpr *row, LoopExpr *column,
                      Index *index) {
  for (int i = 0; i < a->batch; i++) index[i] = index_scalar(a->at[i]);
  index[a->batch] = index_scalar(row);
  index[a->batch + 1] = index_lanes(column);
  a->r->lanes = lanes;
}

void attention_make(const Attention *a, int number, int lanes, LoopExpr *row, LoopExpr *column,
                    LoopExpr *value) {
  Index index[MOST_AXES];
  row_index(a, lanes, row, column, index);
  store_made(a, number, index, value);
}

LoopExpr *attention_made(const Attention *a, int number, int lanes, LoopExpr *row,
                         LoopExpr *column) {
  const Value *made = a->op->results[number];
  Index index[MOST_AXES], at[MOST_AXES];
  row_index(a, lanes, row, column, index);
  for (int i = 0; i < region_result_count(a->r); i++)
    if (index_in(region_result(a->r, i), made, index, at))
      return region_load(a->r, region_result_buffer(a->r, i), made, made->type.rank, at);
  return loop_number(a->l->kernel, 0); /* nobody wants it */
}

static bool is_stored(const Attention *a, int number) {
  for (int i = 0; i < region_result_count(a->r); i++)
    if (region_result(a->r, i) == a->op->results[number]) return true;
  return false;
}

void attention_store(const Attention *a, LoopExpr *query, LoopBuffer *sums, LoopExpr *row,
                     LoopExpr *top, LoopExpr *sum) {
  LoopKernel *k = a->l->kernel;
  Index index[MOST_AXES];
  LoopExpr *zero = loop_number(k, 0), *nothing = loop_let(k, "nothing", loop_eq(k, sum, zero));
  LoopExpr *by = loop_div(k, loop_number(k, 1), sum);
  by = loop_let(k, "by", loop_select(k, nothing, zero, by));
  int lanes = attention_columns(a, a->out);
  for (int i = 0; i < a->batch; i++) index[i] = index_scalar(a->at[i]);
  index[a->batch] = index_scalar(query);
  if (is_stored(a, 1)) {
    LoopExpr *log = loop_add(k, top, loop_unary(k, LOOP_LOG, sum));
    store_made(a, 1, index, loop_select(k, nothing, loop_number(k, INFINITY), log));
  }
  LoopExpr *column = loop_for_lanes(k, "e", loop_int(k, 0), dim_expr(k, a->out), lanes);
  a->r->lanes = lanes;
  index[a->batch + 1] = index_lanes(column);
  store_made(a, 0, index, loop_mul(k, loop_lanes(k, sums, lanes, row, column), by));
  loop_end(k);
}
