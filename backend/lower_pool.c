/* lower_pool.c - pooling whose channels lie side by side, its gradients, and the numbers of
 * greatest elements: by tiles of results (pool_tile.c) wherever windows overlap.
 *
 *   parallel i over rows of tiles, for each tile, for each vector of channels: the tile
 *
 * Tiles at the edge have loops of their own. Where the sizes are known so is which elements of
 * theirs are missing: they are left out. Else each is asked for. */
#include "backend/pool.h"

#include "backend/map.h"

#include <math.h>

enum {
  ENOUGH_TRIPS = 32,
  DEAR_PART = 1 << 12, /* elements of a thread's part, at least */
  MOST_ELEMENTS = 64,  /* that a tile reads or sums up */
  NEAR = 1 << 18,      /* elements of results that lie in a cache */
  MOST_FORMS = 3       /* of the loops along an axis: the first tile, the last, others */
};

/* ---- what is pooled ---- */

/* Every result is computed, element by element, from the one value that is pooled. */
static bool only_elementwise_after(const Region *r, const Op *anchor) {
  enum { MOST = 64 };
  const Value *after[MOST];
  int count = 0;
  after[count++] = anchor->results[0];
  for (const Op *op = anchor->next; op; op = op->next) {
    bool uses = false;
    for (int i = 0; i < op->operand_count; i++)
      for (int a = 0; a < count; a++) {
        if (op->operands[i] != after[a]) continue;
        const Type *from = &op->operands[i]->type, *to = &op->results[0]->type;
        uses = true;
        if (!operator_has(op->kind, TRAIT_ELEMENTWISE) || from->rank != to->rank) return false;
        for (int d = 0; d < to->rank; d++)
          if (from->dims[d] != to->dims[d]) return false;
      }
    if (!uses) continue;
    if (count == MOST) return false;
    after[count++] = op->results[0];
  }
  for (int i = 0; i < region_result_count(r); i++) {
    bool found = false;
    for (int a = 0; a < count; a++) found = found || region_result(r, i) == after[a];
    if (!found) return false;
  }
  return true;
}

static bool reduces_windows(const Region *r, const Op *op) {
  if (op->kind != OP_sum && op->kind != OP_max) return false;
  const Op *windows = op->operands[0]->op;
  if (!windows || windows->kind != OP_windows || region_buffer(r, op->operands[0])) return false;
  int rank = windows->operands[0]->type.rank, count = op_list_count(windows, ATTRIBUTE_axes);
  if (op_list_count(op, ATTRIBUTE_axis) != count || op->results[0]->type.rank != rank) return false;
  bool reduced[MOST_AXES] = {false};
  for (int i = 0; i < count; i++) reduced[op_list_integer(op, ATTRIBUTE_axis, i)] = true;
  for (int i = 0; i < count; i++)
    if (!reduced[rank + i]) return false;
  return true;
}

static const Op *windows_of(const Region *r, const Op *op) {
  if (reduces_windows(r, op)) return op->operands[0]->op;
  if (op->kind == OP_overlap_add) return op;
  return op->kind == OP_argmax ? region_argmax_windows(r, op) : NULL;
}

static bool is_neutral(Number number, bool sums) {
  double v = number.is_integer ? (double)number.integer : number.real;
  return sums ? v == 0 : isinf(v) && v < 0;
}

/* Is it the same for all elements of a window, so that they need not be told apart? (False if that
 * is not known.) */
static bool is_uniform(const Region *r, const Value *value, int first, int count, int *visits) {
  bool ones = true;
  for (int i = 0; i < count; i++) ones = ones && dim_is(value->type.dims[first + i], 1);
  if (ones || value->type.rank == 0) return true;
  const Op *op = value->op;
  if (region_buffer(r, value) || !op || ++*visits > MAP_VISITS) return false;
  if (!operator_has(op->kind, TRAIT_ELEMENTWISE) && op->kind != OP_broadcast) return false;
  for (int i = 0; i < op->operand_count; i++) {
    const Value *x = op->operands[i];
    int fewer = value->type.rank - x->type.rank;
    if (first < fewer ? x->type.rank > 0 : !is_uniform(r, x, first - fewer, count, visits))
      return false;
  }
  return true;
}

static bool find_pool(Pool *p) {
  const Region *r = p->region;
  const Op *windows = NULL;
  for (const Op *op = r->block ? r->block->first : r->op; op; op = r->block ? op->next : NULL) {
    const Op *found = windows_of(r, op);
    bool other = operator_has(op->kind, TRAIT_REDUCTION) || op->kind == OP_softmax ||
                 op->kind == OP_overlap_add || op->kind == OP_argmax;
    if (!found && other) return false;
    if (!found) continue;
    if (p->op) return false;
    p->op = op;
    windows = found;
  }
  if (!p->op || (r->block && !only_elementwise_after(r, p->op))) return false;
  const Type *type = &p->op->results[0]->type;
  int count = op_list_count(windows, ATTRIBUTE_axes);
  if (count > 2 || compute_element(windows->operands[0]->type.element) != LOOP_F32) return false;
  p->source = windows->operands[0];
  p->kind = p->op->kind == OP_overlap_add ? POOL_OVERLAP
            : p->op->kind == OP_argmax    ? POOL_WHICH
                                          : POOL_REDUCE;
  p->reduction = p->kind == POOL_WHICH ? OP_max : p->kind == POOL_REDUCE ? p->op->kind : OP_sum;
  p->other =
      p->kind == POOL_OVERLAP ? number_integer(0) : op_attribute(windows, ATTRIBUTE_value)->number;
  p->neutral = p->kind != POOL_WHICH && is_neutral(p->other, p->reduction == OP_sum);
  p->more = p->kind == POOL_OVERLAP ? count : 0;
  p->axes[0] = (PoolAxis){.axis = -1, .kernel = 1, .stride = 1};
  bool steps = false;
  for (int i = 0; i < count; i++) {
    PoolAxis *a = &p->axes[2 - count + i];
    const Dim *kernel = op_list_dim(windows, ATTRIBUTE_kernel, i);
    a->axis = (int)op_list_integer(windows, ATTRIBUTE_axes, i);
    a->stride = op_list_integer(windows, ATTRIBUTE_stride, i);
    a->pad = op_pair_integer(windows, ATTRIBUTE_pad, i, 0);
    if (a->axis >= type->rank - 1 || !dim_is_constant(kernel)) return false;
    if (op_list_integer(windows, ATTRIBUTE_dilation, i) != 1) return false;
    a->kernel = dim_value(kernel);
    a->size = type->dims[a->axis], a->source_size = p->source->type.dims[a->axis];
    steps = steps || a->stride != 1;
  }
  if (count == 2 && p->axes[0].axis == p->axes[1].axis) return false;
  int visits = 0;
  if (p->kind == POOL_OVERLAP && !steps && is_uniform(r, p->source, type->rank, count, &visits)) {
    p->kind = POOL_REDUCE; /* the sum over the windows around it */
    p->neutral = true;
    for (int i = 0; i < 2; i++)
      if (p->axes[i].axis >= 0) p->axes[i].pad = p->axes[i].kernel - 1 - p->axes[i].pad;
  }
  return true;
}

/* ---- tiles ---- */

static int64_t ceil_divide(int64_t a, int64_t b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/* Whether windows along the axis have elements in common. */
static bool overlaps(const PoolAxis *a) {
  return a->axis >= 0 && a->kernel > a->stride && !dim_is(a->size, 1);
}

/* From beyond the caches lines are read and written as they lie: tiles of two columns, whose pixels
 * are walked in turns, took 1.6 times as long. */
static bool lies_near(const Type *type) {
  int64_t elements = 1;
  for (int i = 0; i < type->rank; i++) {
    int64_t most = dim_max(type->dims[i]);
    if (most > NEAR || (elements *= most) > NEAR) return false;
  }
  return true;
}

/* `shared`: two results' windows are taken at once, where they overlap. */
static bool cut_axis(const Pool *p, PoolAxis *a, bool shared) {
  enum { MOST = 1 << 20 };
  if (a->kernel < 1 || a->kernel > POOL_SOURCES || a->stride > POOL_SOURCES) return false;
  if (a->pad < 0 || a->pad > MOST) return false;
  if (p->kind == POOL_OVERLAP) {
    int64_t tiles = shared && a->stride == 1 ? 2 : 1;
    a->results = (int)(tiles * a->stride);
    a->step = tiles;
    a->first = ceil_divide(a->pad - a->kernel + 1, a->stride);
    int64_t last = (a->pad + a->results - 1) / a->stride;
    a->sources = (int)(last - a->first + 1);
  } else {
    a->results = shared ? 2 : 1;
    a->step = a->results * a->stride;
    a->first = -a->pad;
    a->sources = (int)(a->kernel + (a->results - 1) * a->stride);
  }
  return a->results <= POOL_TILE && a->sources <= POOL_SOURCES;
}

static bool cut(Pool *p) {
  int64_t elements = 1, windows = 1;
  bool rows = overlaps(&p->axes[0]), columns = overlaps(&p->axes[1]);
  for (int i = 0; i < 2; i++) {
    PoolAxis *a = &p->axes[i];
    if (!cut_axis(p, a, i ? columns && (!rows || lies_near(&p->op->results[0]->type)) : rows))
      return false;
    elements *= a->sources;
    windows *= a->kernel * (p->kind == POOL_OVERLAP ? a->step : a->results);
  }
  return (rows || columns || p->kind == POOL_WHICH) && elements <= MOST_ELEMENTS &&
         windows <= 2 * MOST_ELEMENTS;
}

/* ---- the loops along an axis ---- */

/* Tiles that have the same elements inside: those for which the condition holds (NULL: all others).
 */
typedef struct {
  LoopExpr *condition;
  bool known, asks; /* places are; each is asked for */
  PoolPlaces places;
} Form;

static bool knows_size(const PoolAxis *a) {
  return a->axis < 0 || (dim_is_constant(a->size) && dim_is_constant(a->source_size));
}

static int64_t tile_count(const PoolAxis *a) {
  return a->axis < 0 ? 1 : (dim_value(a->size) + a->results - 1) / a->results;
}

static PoolPlaceKind kind_at(int64_t at, int64_t size) {
  return at >= 0 && at < size ? PLACE_INSIDE : PLACE_OUTSIDE;
}

/* Places of a tile of known number. */
static void known_places(LoopKernel *k, const PoolAxis *a, int64_t tile, PoolPlaces *places) {
  int64_t size = a->axis < 0 ? 1 : dim_value(a->size),
          source = a->axis < 0 ? 1 : dim_value(a->source_size);
  for (int i = 0; i < a->sources; i++) {
    int64_t at = tile * a->step + a->first + i;
    places->sources[i] = (PoolPlace){loop_int(k, at), NULL, kind_at(at, source)};
  }
  for (int i = 0; i < a->results; i++) {
    int64_t at = tile * a->results + i;
    places->results[i] = (PoolPlace){loop_int(k, at), NULL, kind_at(at, size)};
  }
}

static bool is_whole(const PoolAxis *a, const PoolPlaces *places) {
  for (int i = 0; i < a->sources; i++)
    if (places->sources[i].kind != PLACE_INSIDE) return false;
  for (int i = 0; i < a->results; i++)
    if (places->results[i].kind != PLACE_INSIDE) return false;
  return true;
}

static PoolPlace place_at(LoopKernel *k, LoopExpr *from, int64_t more, const Dim *size, bool ask) {
  LoopExpr *at = loop_let(k, "at", loop_add(k, from, loop_int(k, more)));
  PoolPlace place = {.at = at};
  if (!ask) return place;
  LoopExpr *inside = loop_and(k, loop_ge(k, at, loop_int(k, 0)), loop_lt(k, at, dim_expr(k, size)));
  place.inside = loop_let(k, "inside", inside);
  place.kind = PLACE_ASKED;
  return place;
}

static void asked_places(LoopKernel *k, const PoolAxis *a, LoopExpr *tile, bool ask,
                         PoolPlaces *places) {
  LoopExpr *source = loop_mul(k, tile, loop_int(k, a->step));
  LoopExpr *result = loop_mul(k, tile, loop_int(k, a->results));
  for (int i = 0; i < a->sources; i++)
    places->sources[i] = place_at(k, source, a->first + i, a->source_size, ask);
  for (int i = 0; i < a->results; i++) places->results[i] = place_at(k, result, i, a->size, ask);
}

/* Where all of a tile is inside, by what is known when it runs. */
static LoopExpr *whole_tile(LoopKernel *k, const PoolAxis *a, LoopExpr *tile) {
  LoopExpr *source = loop_mul(k, tile, loop_int(k, a->step));
  LoopExpr *first = loop_add(k, source, loop_int(k, a->first));
  LoopExpr *end = loop_add(k, source, loop_int(k, a->first + a->sources));
  LoopExpr *last = loop_mul(k, loop_add(k, tile, loop_int(k, 1)), loop_int(k, a->results));
  LoopExpr *read =
      loop_and(k, loop_ge(k, first, loop_int(k, 0)), loop_le(k, end, dim_expr(k, a->source_size)));
  return loop_and(k, read, loop_le(k, last, dim_expr(k, a->size)));
}

static bool all_whole(LoopKernel *k, const PoolAxis *a, int64_t from, int64_t to) {
  PoolPlaces places;
  for (int64_t tile = from; tile < to; tile++) {
    known_places(k, a, tile, &places);
    if (!is_whole(a, &places)) return false;
    if (tile == from && to - from > 2) tile = to - 2; /* those between are inside too */
  }
  return true;
}

static int find_forms(LoopKernel *k, const PoolAxis *a, LoopExpr *tile, Form *forms) {
  int count = 0;
  if (knows_size(a)) {
    int64_t tiles = tile_count(a), from = 0, to = tiles;
    if (!all_whole(k, a, 0, tiles < 1 ? tiles : 1)) from = 1;
    if (to > from && !all_whole(k, a, to - 1, to)) to--;
    if (all_whole(k, a, from, to)) {
      bool more = to > from;
      if (from == 1) {
        bool last = to == 1 && tiles == 1;
        forms[count].condition = last ? NULL : loop_eq(k, tile, loop_int(k, 0));
        forms[count].known = true;
        known_places(k, a, 0, &forms[count++].places);
      }
      if (to < tiles) {
        forms[count].condition = more ? loop_eq(k, tile, loop_int(k, tiles - 1)) : NULL;
        forms[count].known = true;
        known_places(k, a, tiles - 1, &forms[count++].places);
      }
      if (more) forms[count++] = (Form){0};
      return count;
    }
  }
  forms[0].condition = whole_tile(k, a, tile);
  forms[1].asks = true;
  return 2;
}

/* ---- the loops ---- */

typedef struct {
  Pool *pool;
  LoopExpr *tile[2];
} Loops;

static void open_form(const Loops *loops, int axis, Form *form) {
  LoopKernel *k = loops->pool->l->kernel;
  if (form->condition) loop_if(k, form->condition);
  if (!form->known)
    asked_places(k, &loops->pool->axes[axis], loops->tile[axis], form->asks, &form->places);
}

static void close_forms(LoopKernel *k, const Form *forms, int count) {
  for (int i = 0; i < count; i++)
    if (forms[i].condition) loop_end(k);
}

static void by_channels(const Loops *loops, const PoolPlaces *rows, const PoolPlaces *columns) {
  Pool *p = loops->pool;
  LoopKernel *k = p->l->kernel;
  int last = p->op->results[0]->type.rank - 1;
  const Dim *channels = p->op->results[0]->type.dims[last];
  LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), dim_expr(k, channels), p->region->lanes);
  p->index[last] = index_lanes(j);
  pool_tile(p, rows, columns);
  loop_end(k);
}

static void by_columns(const Loops *loops, const PoolPlaces *rows) {
  LoopKernel *k = loops->pool->l->kernel;
  Form forms[MOST_FORMS] = {{0}};
  int count = find_forms(k, &loops->pool->axes[1], loops->tile[1], forms);
  for (int i = 0; i < count; i++) {
    open_form(loops, 1, &forms[i]);
    by_channels(loops, rows, &forms[i].places);
    if (forms[i].condition) loop_otherwise(k);
  }
  close_forms(k, forms, count);
}

static const Dim *tiles_of(DimTable *t, const PoolAxis *a) {
  if (a->axis < 0) return dim_constant(t, 1);
  return dim_floor(t, dim_add(t, a->size, dim_constant(t, a->results - 1)), a->results);
}

static void make_loops(Pool *p) {
  Lowering *l = p->l;
  LoopKernel *k = l->kernel;
  DimTable *t = l->dims;
  const Type *type = &p->op->results[0]->type;
  Loops loops = {.pool = p};
  const Dim *dims[MOST_AXES + 1];
  int outer[MOST_AXES], count = 0;
  int64_t trips = 1, work = 1;
  for (int i = 0; i < type->rank; i++) {
    int64_t most = dim_max(type->dims[i]);
    work = work > INT32_MAX ? work : work * (most < INT32_MAX ? most : INT32_MAX);
    if (i == type->rank - 1 || i == p->axes[0].axis || i == p->axes[1].axis) continue;
    outer[count] = i;
    dims[count++] = type->dims[i];
  }
  int others = count;
  dims[count++] = tiles_of(t, &p->axes[0]);
  l->trips = dim_constant(t, 1);
  for (int i = 0; i < count; i++) {
    l->trips = dim_mul(t, l->trips, dims[i]);
    int64_t least = dim_min(dims[i]);
    trips = least > ENOUGH_TRIPS ? ENOUGH_TRIPS : trips * least;
  }
  bool apart = p->axes[0].axis < 0 || (trips < ENOUGH_TRIPS && work >= 2 * DEAR_PART);
  const Dim *across = tiles_of(t, &p->axes[1]);
  if (apart) {
    dims[count++] = across;
    l->trips = dim_mul(t, l->trips, across);
  }
  int64_t all = dim_max(l->trips);
  l->grain = grain_for(all > 0 ? work / all : work, true);
  LoopExpr *at[MOST_AXES + 1], *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count, at);
  for (int i = 0; i < type->rank; i++) p->index[i] = index_scalar(loop_int(k, 0));
  for (int i = 0; i < others; i++) p->index[outer[i]] = index_scalar(at[i]);
  loops.tile[0] = at[others];
  Form forms[MOST_FORMS] = {{0}};
  int rows = find_forms(k, &p->axes[0], loops.tile[0], forms);
  for (int i = 0; i < rows; i++) {
    open_form(&loops, 0, &forms[i]);
    loops.tile[1] = apart ? at[others + 1] : loop_for(k, "t", loop_int(k, 0), dim_expr(k, across));
    by_columns(&loops, &forms[i].places);
    if (!apart) loop_end(k);
    if (forms[i].condition) loop_otherwise(k);
  }
  close_forms(k, forms, rows);
  loop_end(k);
}

bool lower_pool(Lowering *l, Region *region) {
  Pool p = {.l = l, .region = region};
  if (l->over_operand || !find_pool(&p) || !cut(&p)) return false;
  const Type *shape = &p.op->results[0]->type;
  if (dim_max(shape->dims[shape->rank - 1]) < region->natural) return false;
  MapAlong along = map_along(region, shape);
  if (along.turned > 0) return false;
  region->lanes = region->natural;
  make_loops(&p);
  return true;
}
