/* lower_row_channels.c - sums, or maxima, over the middle axes of maps whose channels lie side by
 * side: batch norm's mean, variance and gradients, a bias's gradient, global pooling. Several over
 * the same places are taken in one pass.
 *
 *   for each quarter row r:                     the first summed axis in four walks
 *     part[c] = 0
 *     for each place in the row, each c:        part[c] += (x[r] + x[r + q]) + (x[r + 2q] + x[r +
 * 3q]) total[c] += part[c]
 *
 * Memory is read as it lies, four streams at a time, which is what keeps it busy: strips of
 * channels in registers read every row in pieces, and took 1.4 times as long from the third
 * cache, 1.7 from memory. Sums of all channels lie in the first cache; one store for four loads. A
 * row's sums are added up by themselves, so that errors grow with a row's length and the number of
 * rows, not with their product. */
#include "backend/families.h"
#include "backend/map.h"

#include <math.h>

enum {
  WALKS = 4,
  MOST_CHANNELS = 4096,
  LEAST_WORK = 8192, /* elements of a trip: below, registers do */
  LEAST_TRIPS = 8,
  MOST_SUMS = 4
};

typedef struct {
  Lowering *l;
  Region region;
  const Op *sums[MOST_SUMS];
  int count;
  const Type *shape;
  int first, channels; /* axes: the first that is summed, the last */
  int64_t block;       /* channels of a trip */
  int lanes;
  LoopBuffer *part[MOST_SUMS], *total[MOST_SUMS];
  int walks; /* of a pass over the summed rows */
  Index index[MOST_AXES];
  LoopExpr *from; /* the trip's first channel */
} Channels;

static unsigned axes_of(const Op *op) {
  unsigned axes = 0;
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_axis); i++)
    axes |= 1u << op_list_integer(op, ATTRIBUTE_axis, i);
  return axes;
}

/* Is it made of one of the sums? (True if that is not known.) Each element would be made of all. */
static bool waits(const Channels *c, const Value *value, int *visits) {
  const Op *op = value->op;
  if (region_buffer(&c->region, value) || !op) return false;
  if (++*visits > MAP_VISITS) return true;
  for (int i = 0; i < c->count; i++)
    if (op == c->sums[i]) return true;
  for (int i = 0; i < op->operand_count; i++)
    if (waits(c, op->operands[i], visits)) return true;
  return false;
}

/* The kernel's reductions, if those are sums and maxima over the same axes, of which none waits for
 * another. */
static bool find_sums(Channels *c) {
  const Region *r = &c->region;
  for (const Op *op = r->block ? r->block->first : r->op; op; op = r->block ? op->next : NULL) {
    if (!operator_has(op->kind, TRAIT_REDUCTION) && op->kind != OP_softmax) continue;
    if (c->count == MOST_SUMS || (op->kind != OP_sum && op->kind != OP_max)) return false;
    const Op *first = c->count ? c->sums[0] : op;
    if (axes_of(op) != axes_of(first) ||
        !type_equal(&op->operands[0]->type, &first->operands[0]->type))
      return false;
    int visits = 0;
    if (c->count && waits(c, op->operands[0], &visits)) return false;
    c->sums[c->count++] = op;
  }
  return c->count > 0;
}

static bool find_axes(Channels *c) {
  const Op *sum = c->sums[0];
  const Type *shape = c->shape = &sum->operands[0]->type;
  bool reduced[MOST_AXES] = {false};
  int count = op_list_count(sum, ATTRIBUTE_axis);
  c->channels = shape->rank - 1;
  for (int i = 0; i < count; i++) reduced[op_list_integer(sum, ATTRIBUTE_axis, i)] = true;
  c->first = 0;
  while (c->first < shape->rank && !reduced[c->first]) c->first++;
  for (int i = c->first; i < shape->rank; i++)
    if (reduced[i] != (i < c->channels)) return false;
  return c->first + count == c->channels && count > 0;
}

/* Results are what the sum gives, one value a channel. */
static bool results_fit(const Channels *c) {
  const Region *r = &c->region;
  int64_t channels = dim_value(c->shape->dims[c->channels]);
  for (int i = 0; i < region_result_count(r); i++) {
    const Type *type = &region_result(r, i)->type;
    bool keeps = type->rank == c->shape->rank;
    if (!keeps && type->rank != c->first + 1) return false;
    if (!dim_is(type->dims[type->rank - 1], channels)) return false;
    for (int a = 0; a < type->rank - 1; a++)
      if (keeps && a >= c->first ? !dim_is(type->dims[a], 1) : type->dims[a] != c->shape->dims[a])
        return false;
  }
  return true;
}

/* Fewer channels a trip where there were too few trips for threads. */
static bool find_block(Channels *c) {
  const Type *shape = c->shape;
  int natural = c->region.natural;
  int64_t channels = dim_value(shape->dims[c->channels]), trips = 1, work = 1;
  for (int i = 0; i < c->first; i++)
    if (trips < LEAST_TRIPS) trips *= dim_min(shape->dims[i]);
  for (int i = c->first; i < c->channels; i++)
    if (work < LEAST_WORK) work *= dim_min(shape->dims[i]);
  if (trips == 0 || channels % natural || channels > MOST_CHANNELS) return false;
  c->block = channels;
  while (trips < LEAST_TRIPS && c->block % (4 * natural) == 0) c->block /= 2, trips *= 2;
  c->lanes = c->block % (2 * natural) ? natural : 2 * natural;
  return work >= LEAST_WORK || work * c->block >= LEAST_WORK;
}

static bool is_of_channels(Channels *c) {
  return find_sums(c) && find_axes(c) && dim_is_constant(c->shape->dims[c->channels]) &&
         dim_min(c->shape->dims[c->first]) >= WALKS &&
         compute_element(c->shape->element) == LOOP_F32 && results_fit(c) && find_block(c);
}

/* All streams of memory together are WALKS: of two maps each is read in half as many. */
static int walks_of(const Channels *c) {
  const Region *r = &c->region;
  int maps = 0;
  for (int i = 0; i < r->op->operand_count; i++)
    maps += type_same_dims(&r->op->operands[i]->type, c->shape);
  return maps > 1 ? WALKS / 2 : WALKS;
}

static LoopExpr *together(const Channels *c, int i, LoopExpr *x, LoopExpr *y) {
  LoopKernel *k = c->l->kernel;
  return c->sums[i]->kind == OP_sum ? loop_add(k, x, y) : loop_max(k, x, y);
}

static LoopExpr *open_block(const Channels *c) {
  return loop_for_lanes(c->l->kernel, "c", loop_int(c->l->kernel, 0),
                        loop_int(c->l->kernel, c->block), c->lanes);
}

static LoopExpr *of_block(const Channels *c, LoopBuffer *sums, LoopExpr *at) {
  return loop_lanes(c->l->kernel, sums, c->lanes, at);
}

static void clear(const Channels *c, LoopBuffer *const *sums) {
  LoopKernel *k = c->l->kernel;
  LoopExpr *at = open_block(c);
  for (int i = 0; i < c->count; i++) {
    LoopExpr *neutral = loop_literal(k, LOOP_F32, c->sums[i]->kind == OP_sum ? 0 : -INFINITY);
    loop_store(k, of_block(c, sums[i], at), loop_splat(k, neutral, c->lanes));
  }
  loop_end(k);
}

/* Adds elements of `walks` rows, `apart` from each other, to the sums. */
static void add_rows(Channels *c, LoopBuffer *const *sums, LoopExpr *row, LoopExpr *apart,
                     int walks) {
  LoopKernel *k = c->l->kernel;
  Region *r = &c->region;
  int blocks = 1;
  for (int i = c->first + 1; i < c->channels; i++, blocks++)
    c->index[i] = index_scalar(loop_for(k, "r", loop_int(k, 0), dim_expr(k, c->shape->dims[i])));
  LoopExpr *at = open_block(c), *values[MOST_SUMS][WALKS];
  c->index[c->channels] = index_lanes(loop_add(k, c->from, at));
  for (int w = 0; w < walks; w++) {
    size_t scope = region_push(r);
    LoopExpr *place = loop_add(k, row, loop_mul(k, apart, loop_int(k, w)));
    c->index[c->first] = index_scalar(place);
    for (int i = 0; i < c->count; i++)
      values[i][w] = loop_let(k, "x", region_value(r, c->sums[i]->operands[0], c->index));
    region_pop(r, scope);
  }
  for (int i = 0; i < c->count; i++) {
    LoopExpr **some = values[i], *sum = of_block(c, sums[i], at);
    for (int step = 1; step < walks; step *= 2)
      for (int w = 0; w < walks; w += 2 * step)
        some[w] = loop_let(k, "some", together(c, i, some[w], some[w + step]));
    loop_store(k, sum, together(c, i, sum, some[0]));
  }
  while (blocks--) loop_end(k);
}

static void add_parts(const Channels *c) {
  LoopKernel *k = c->l->kernel;
  LoopExpr *at = open_block(c);
  for (int i = 0; i < c->count; i++) {
    LoopExpr *total = of_block(c, c->total[i], at);
    loop_store(k, total, together(c, i, total, of_block(c, c->part[i], at)));
  }
  loop_end(k);
}

/* Rows begin .. end, and those that lie `apart` behind them. */
static void sum_rows(Channels *c, LoopExpr *begin, LoopExpr *end, LoopExpr *apart, int walks) {
  LoopKernel *k = c->l->kernel;
  LoopExpr *row = loop_for(k, "row", begin, end);
  if (c->part[0]) clear(c, c->part);
  add_rows(c, c->part[0] ? c->part : c->total, row, apart, walks);
  if (c->part[0]) add_parts(c);
  loop_end(k);
}

static void store_results(Channels *c) {
  LoopKernel *k = c->l->kernel;
  Region *r = &c->region;
  LoopExpr *at = open_block(c), *results[64];
  size_t scope = region_push(r);
  for (int i = 0; i < c->count; i++)
    region_remember(r, c->sums[i]->results[0], loop_let(k, "sum", of_block(c, c->total[i], at)));
  Index last = index_lanes(loop_add(k, c->from, at));
  Index where[2][MOST_AXES]; /* without the summed axes, and with */
  for (int a = 0; a < c->shape->rank; a++)
    where[1][a] = a == c->channels ? last
                  : a < c->first   ? c->index[a]
                                   : index_scalar(loop_int(k, 0));
  for (int a = 0; a < c->first; a++) where[0][a] = c->index[a];
  where[0][c->first] = last;
  for (int i = 0; i < region_result_count(r); i++) {
    const Value *result = region_result(r, i);
    const Index *index = where[result->type.rank == c->shape->rank];
    results[i] = loop_let(k, "r", region_value(r, result, index));
  }
  for (int i = 0; i < region_result_count(r); i++) {
    int rank = region_result(r, i)->type.rank;
    region_store(r, region_result_buffer(r, i), rank, where[rank == c->shape->rank], results[i]);
  }
  region_pop(r, scope);
  loop_end(k);
}

bool lower_channel_sums(Lowering *l, Region *region) {
  Channels c = {.l = l, .region = *region};
  if (!is_of_channels(&c)) return false;
  LoopKernel *k = l->kernel;
  DimTable *t = l->dims;
  const Dim *dims[MOST_AXES];
  LoopExpr *at[MOST_AXES];
  int64_t blocks = dim_value(c.shape->dims[c.channels]) / c.block, work = c.block;
  l->algorithm = "rows";
  l->trips = dim_constant(t, blocks);
  for (int i = 0; i < c.first; i++) {
    dims[i] = c.shape->dims[i];
    l->trips = dim_mul(t, l->trips, dims[i]);
  }
  dims[c.first] = dim_constant(t, blocks);
  for (int i = c.first; i < c.channels; i++)
    if (__builtin_mul_overflow(work, dim_max(c.shape->dims[i]), &work)) work = INT64_MAX;
  l->grain = grain_for(work, true);
  for (int i = 0; i < c.count; i++) {
    if (c.channels > c.first + 1)
      c.part[i] = loop_scratch(k, "part", LOOP_F32, 1, loop_int(k, c.block));
    c.total[i] = loop_scratch(k, "total", LOOP_F32, 1, loop_int(k, c.block));
  }
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips)), *zero = loop_int(k, 0);
  index_split(k, trip, dims, c.first + 1, at);
  for (int i = 0; i < c.first; i++) c.index[i] = index_scalar(at[i]);
  c.from = blocks > 1 ? loop_let(k, "from", loop_mul(k, at[c.first], loop_int(k, c.block))) : zero;
  c.region.lanes = c.lanes;
  LoopExpr *rows = dim_expr(k, c.shape->dims[c.first]);
  c.walks = walks_of(&c);
  LoopExpr *walks = loop_int(k, c.walks);
  LoopExpr *walk = loop_let(k, c.walks == WALKS ? "quarter" : "walk", loop_div(k, rows, walks));
  clear(&c, c.total);
  sum_rows(&c, zero, walk, walk, c.walks);
  const Dim *all = c.shape->dims[c.first];
  if (!dim_is_constant(all) || dim_value(all) % c.walks)
    sum_rows(&c, loop_mul(k, walk, walks), rows, zero, 1);
  store_results(&c);
  loop_end(k);
  return true;
}
