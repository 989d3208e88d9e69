#include "backend/product_tile.h"

#include "ir/blocking.h"

enum { LINE = 64 };

int tile_rows(const Target *target, int64_t columns) {
  return blocking_tile_rows(target->lanes, target->registers, columns);
}

int tile_streams(const Target *target, int64_t rows, int64_t columns) {
  enum { MOST_STREAMS = 8 };
  int64_t room = target->registers * (target->fma ? 3 : 2) / 4; /* else products need one too */
  int64_t streams = room / (rows * ((columns + target->lanes - 1) / target->lanes));
  return streams < 1 ? 1 : streams > MOST_STREAMS ? MOST_STREAMS : (int)streams;
}

static bool by_pairs(const Op *product) {
  bool is_panel = product->kind == OP_dot_panel || product->kind == OP_conv_panel;
  return is_panel && op_flag(product, ATTRIBUTE_pairs);
}

static int64_t turns_of(const Op *product) {
  return product->kind == OP_dot_panel ? op_integer(product, ATTRIBUTE_turns) : 1;
}

bool tile_takes(const Op *product) {
  Element x = product->operands[0]->type.element, w = product->operands[1]->type.element;
  if (by_pairs(product)) return true;
  if (turns_of(product) > 1 && (turns_of(product) != 2 || w != ELEMENT_bf16)) return false;
  return x == ELEMENT_f32 &&
         (w == ELEMENT_f32 || w == ELEMENT_bf16 || w == ELEMENT_f16 || w == ELEMENT_i8);
}

LoopElement tile_element(const Op *product, LoopElement element) {
  return by_pairs(product) ? LOOP_I32 : element;
}

int64_t tile_places(const Op *product) {
  return by_pairs(product) ? 2 : 1;
}

Tile tile_open(Lowering *l, Region *r, const Op *product, int64_t columns, int64_t size) {
  r->lanes = (int)columns;
  return (Tile){.l = l,
                .r = r,
                .product = product,
                .columns = columns,
                .size = size,
                .rows = tile_rows(l->target, columns),
                .pairs = by_pairs(product),
                .turns = turns_of(product)};
}

LoopExpr *tile_sums(const Tile *t, int tiles) {
  LoopKernel *k = t->l->kernel;
  return loop_array(k, "acc", LOOP_F32, t->rows * tiles, (int)t->columns, loop_number(k, 0));
}

/* ---- the next panel ---- */

void tile_plan_ahead(Tile *t, int64_t tiles, int64_t depth) {
  enum { MOST_TILES = 64, LEAST_DEPTH = 128 };
  LoopKernel *k = t->l->kernel;
  const Value *w = t->product->operands[1];
  LoopElement element = tile_element(t->product, loop_element_of_type(w->type.element));
  int64_t bytes = loop_element_bytes(element);
  int64_t all = type_static_count(&w->type) / tile_places(t->product);
  if (depth > t->l->target->l2 * 3 / 4 / (2 * t->columns * bytes)) return; /* two panels and x */
  if (tiles < 2 || tiles > MOST_TILES || depth < LEAST_DEPTH || all <= depth * t->columns) return;
  t->step = (t->columns + tiles - 1) / tiles;
  t->flat = loop_view(k, region_buffer(t->r, w), "next", element, 1, loop_int(k, all));
}

void tile_begin_ahead(Tile *t, LoopExpr *next, LoopExpr *tile, int64_t depth) {
  if (!t->flat) return;
  LoopKernel *k = t->l->kernel;
  next = loop_mul(k, next, loop_int(k, t->columns));
  t->ahead =
      loop_let(k, "ahead", loop_add(k, next, loop_mul(k, tile, loop_int(k, depth * t->step))));
}

void tile_fetch(const Tile *t, LoopExpr *at) {
  if (!t->flat) return;
  LoopKernel *k = t->l->kernel;
  at = loop_add(k, t->ahead, loop_mul(k, at, loop_int(k, t->step)));
  LoopExpr *element = loop_element(k, t->flat, at);
  if (t->step * TILE_UNROLL * (int64_t)loop_element_bytes(t->flat->element) <= LINE)
    loop_prefetch_once(k, element);
  else
    loop_prefetch(k, element);
}

/* Further ahead more lines are on their way than the processor keeps track of, and what it does not
 * is not fetched. */
void tile_fetch_near(const Tile *t, LoopBuffer *w, LoopExpr *panel, LoopExpr *at, int64_t depth,
                     int64_t apart) {
  enum { LINES = 4 };
  LoopKernel *k = t->l->kernel;
  int64_t bytes = loop_element_bytes(w->element), row = t->columns * bytes;
  if (bytes >= 4) return;
  int64_t ahead = (LINES * LINE + row - 1) / row, step = TILE_UNROLL * row;
  if (depth < 2 * ahead) return;
  LoopExpr *place = loop_add(k, at, loop_int(k, ahead));
  LoopExpr *after = loop_add(k, place, loop_int(k, (apart - 1) * depth));
  place = loop_select(k, loop_lt(k, place, loop_int(k, depth)), place, after);
  for (int64_t i = 0; i < step; i += LINE)
    loop_prefetch(k, loop_element(k, w, panel, place, loop_int(k, i / bytes)));
}

/* An operand of the epilogue that has an element for each of the result's. */
static bool is_as_large(const Tile *t, const Value *x) {
  const Op *product = t->product;
  return x != product->operands[0] && x != product->operands[1] && region_buffer(t->r, x) &&
         type_equal(&x->type, &product->results[0]->type);
}

bool tile_reads_rows(const Tile *t) {
  const Op *op = t->l->op;
  bool reads = false;
  for (int i = 0; op->region && i < op->operand_count; i++)
    reads = reads || is_as_large(t, op->region->arguments[i]);
  return reads;
}

/* Row by row the lines of the tile in a buffer of the result's shape. */
static void fetch_rows(const Tile *t, LoopBuffer *buffer, LoopExpr *count, LoopExpr *column,
                       TileIndex *index_of, void *user) {
  LoopKernel *k = t->l->kernel;
  LoopExpr *row = loop_each(k, "r", loop_int(k, 0), count), *at[MOST_AXES];
  Index index[MOST_AXES];
  int last = buffer->rank - 1, step = LINE / (int)loop_element_bytes(buffer->element);
  index_of(user, row, index);
  for (int a = 0; a < last; a++) at[a] = index[a].at;
  for (int64_t j = 0; j < t->columns; j += step) {
    at[last] = loop_add(k, column, loop_int(k, j));
    loop_prefetch(k, loop_element_of(k, buffer, at));
  }
  loop_end(k);
}

void tile_fetch_operands(const Tile *t, LoopExpr *count, LoopExpr *column, TileIndex *index_of,
                         void *user) {
  const Op *op = t->l->op;
  const Type *made = &t->product->results[0]->type;
  if (type_bytes_at_bound(made) <= t->l->target->l2) return;
  for (int i = 0; op->region && i < op->operand_count; i++)
    if (is_as_large(t, op->region->arguments[i]))
      fetch_rows(t, region_buffer(t->r, op->region->arguments[i]), count, column, index_of, user);
  if (type_equal(&region_result(t->r, 0)->type, made))
    fetch_rows(t, region_result_buffer(t->r, 0), count, column, index_of, user);
}

/* ---- rows ---- */

int64_t tile_tail(const Tile *t, int64_t all) {
  int64_t left = all % t->rows;
  return left > 0 && left <= t->rows / 2 && all > t->rows ? left + t->rows : left;
}

LoopExpr *tile_part(LoopKernel *k, int64_t all, LoopExpr *number, int64_t parts) {
  if (parts <= 1) return loop_mul(k, number, loop_int(k, all));
  if (all % parts == 0) return loop_mul(k, number, loop_int(k, all / parts));
  return loop_div(k, loop_mul(k, number, loop_int(k, all)), loop_int(k, parts));
}

void tile_each(const Tile *t, const Dim *all, LoopExpr *begin, LoopExpr *end, TileBody *body,
               void *user) {
  LoopKernel *k = t->l->kernel;
  LoopExpr *first, *count;
  if (!dim_is_constant(all)) {
    first = loop_for_tail(k, "i", begin, end, t->rows, &count);
    body(user, first, count);
    loop_end(k);
    return;
  }
  int64_t size = dim_value(all), left = tile_tail(t, size), tails = left > t->rows ? 2 : 1;
  LoopExpr *full = loop_int(k, size - left);
  if (size > left) {
    first = loop_for_step(k, "i", begin, loop_min(k, end, full), t->rows);
    body(user, first, loop_int(k, t->rows));
    loop_end(k);
  }
  if (left == 0) return;
  int64_t more = (left + tails - 1) / tails, less = left / tails;
  if (size > left) loop_if(k, loop_gt(k, end, full));
  first = loop_for_step(k, "i", full, loop_int(k, less < more ? size - less : size), (int)more);
  body(user, first, loop_int(k, more));
  loop_end(k);
  if (less < more) body(user, loop_int(k, size - less), loop_int(k, less));
  if (size > left) loop_end(k);
}

/* ---- sums ---- */

void tile_accumulate(const Tile *t, LoopExpr *acc, int from, LoopExpr *count, LoopExpr *weights,
                     TileElement *x, void *user) {
  LoopKernel *k = t->l->kernel;
  LoopExpr *v = loop_let(k, "v", t->pairs ? weights : loop_cast(k, weights, LOOP_F32));
  LoopExpr *row = loop_each(k, "r", loop_int(k, 0), count);
  LoopExpr *a = loop_row(k, acc, loop_add(k, loop_int(k, from), row));
  loop_set(k, a, t->pairs ? loop_dot2(k, x(user, row), v, a) : loop_fma(k, x(user, row), v, a));
  loop_end(k);
}

/* ---- the epilogue ---- */

bool tile_is_costly(const Op *op) {
  if (!op->region) return false;
  for (const Op *o = op->region->first; o; o = o->next)
    if (operator_has(o->kind, TRAIT_DEAR)) return true;
  return false;
}

/* The tile's rows one after the other, in the registers or (`*sum` is set) by way of memory. */
static LoopExpr *each_row(const Tile *t, LoopExpr *acc, int from, LoopExpr *count, LoopExpr **sum) {
  LoopKernel *k = t->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  if (t->rows == 1 || !tile_is_costly(t->l->op)) {
    LoopExpr *row = loop_each(k, "r", zero, count);
    *sum = loop_row(k, acc, loop_add(k, loop_int(k, from), row));
    return row;
  }
  int columns = (int)t->columns;
  k->calls = true;
  LoopBuffer *tile = loop_stack(k, "tile", LOOP_F32, 2, loop_int(k, t->rows), loop_int(k, columns));
  LoopExpr *row = loop_each(k, "r", zero, count);
  LoopExpr *made = loop_row(k, acc, loop_add(k, loop_int(k, from), row));
  loop_store(k, loop_lanes(k, tile, columns, row, zero), made);
  loop_end(k);
  row = loop_for(k, "r", zero, count);
  *sum = loop_let(k, "sum", loop_lanes(k, tile, columns, row, zero));
  return row;
}

/* Rows that lie a multiple of a page's size apart, in buffers that begin at the same place of a
 * page: a load waits for each store before it whose address has the same low 12 bits. So where the
 * epilogue loads rows, all of them are computed before the first is stored. */
static bool stores_behind(const Tile *t) {
  const Op *op = t->l->op;
  if (!op->region || region_result_count(t->r) != 1 || tile_is_costly(op)) return false;
  if (compute_element(region_result(t->r, 0)->type.element) != ELEMENT_f32) return false;
  return t->rows > 1 && tile_reads_rows(t);
}

static void place_row(const Tile *t, LoopExpr *row, LoopExpr *column, TileIndex *index_of,
                      void *user, Index *index) {
  index_of(user, row, index);
  index[t->product->results[0]->type.rank - 1] = index_lanes(column);
}

static void finish_rows(const Tile *t, LoopExpr *acc, int from, LoopExpr *count, LoopExpr *column,
                        TileIndex *index_of, void *user) {
  LoopKernel *k = t->l->kernel;
  bool behind = stores_behind(t);
  LoopExpr *sum, *row = each_row(t, acc, from, count, &sum);
  Index index[MOST_AXES];
  place_row(t, row, column, index_of, user, index);
  if (behind)
    loop_set(k, sum, product_result(t->r, t->product, index, sum));
  else
    product_finish(t->r, t->product, index, sum);
  loop_end(k);
  if (!behind) return;
  row = each_row(t, acc, from, count, &sum);
  place_row(t, row, column, index_of, user, index);
  product_store(t->r, index, sum);
  loop_end(k);
}

void tile_finish(const Tile *t, LoopExpr *acc, int from, LoopExpr *count, LoopExpr *column,
                 LoopExpr *within, TileIndex *index_of, void *user) {
  LoopKernel *k = t->l->kernel;
  bool part = t->size % t->columns != 0; /* the last panel is not full: its lanes are masked, */
  bool split = part && t->size > t->columns && !tile_is_costly(t->l->op); /* the others' are not */
  if (split) {
    loop_if(k, loop_le(k, within, loop_int(k, t->size - t->columns)));
    finish_rows(t, acc, from, count, column, index_of, user);
    loop_otherwise(k);
  }
  LoopExpr *outer = t->r->mask;
  if (part) {
    LoopExpr *places = loop_iota(k, within, (int)t->columns);
    t->r->mask = loop_let(k, "inside", loop_lt(k, places, loop_int(k, t->size)));
  }
  finish_rows(t, acc, from, count, column, index_of, user);
  t->r->mask = outer;
  if (split) loop_end(k);
}
