/* product_attention_gradient.c - the gradients of attention as one kernel: nothing of the size of
 * the scores is kept from the forward part, since each row's logarithm makes its probabilities
 * again.
 *
 * A trip is a pair of matrices: blocks of queries one after the other, each through the keys block
 * by block, with scores turned round as in product_attention.c:
 *
 *   P' = exp(k q' - log)                      dP' = v d' * factor
 *   S' = P' * (dP' - delta) * scale           P' *= factor
 *   dv += P' d      dk += S' q      dq += S k
 *
 * dk and dv grow in their places in memory, in the order of the queries; dq in scratch, in the
 * order of the keys. So results do not depend on the threads.
 */
#include "backend/attention.h"

#include <math.h>

typedef struct {
  Attention *a;
  const Value *d, *logs, *delta;
  LoopExpr *first, *count;      /* queries */
  LoopExpr *key, *keys;         /* of the block of keys: the first and their number */
  LoopExpr *column;             /* of the tile that is made */
  LoopExpr *shown;              /* keys that its queries see */
  LoopBuffer *near[4];          /* of q, k, v, d: the block's rows, copied; NULL: they lie near */
  LoopBuffer *queries, *slopes; /* the block, turned round: [width][block], [out][block] */
  LoopBuffer *scores, *dscores; /* [keys][block] */
  LoopBuffer *sums;             /* dq: [block][width] */
  LoopBuffer *log, *mean;       /* [1][block] */
  LoopBuffer *packed, *into;    /* of the product that is made */
  const Value *rows;            /* number `which` of q, k, v, d */
  int which;
  int made; /* the result that grows */
} Trip;

static LoopExpr *zero(const Trip *t) {
  return loop_int(t->a->l->kernel, 0);
}

/* Of one of the operands that are rows. */
static const Value *rows_value(const Trip *t, int i) {
  return i == 0 ? t->a->q : i == 1 ? t->a->k : i == 2 ? t->a->v : t->d;
}

/* ---- scores and their slopes ---- */

static LoopExpr *row_element(void *user, LoopExpr *row, LoopExpr *at) {
  Trip *t = user;
  LoopBuffer *near = t->near[t->which];
  if (near) return loop_element(t->a->l->kernel, near, row, at);
  return attention_element(t->a, t->rows, loop_add(t->a->l->kernel, t->key, row), at);
}

static LoopExpr *packed_lanes(void *user, LoopExpr *at) {
  Trip *t = user;
  return loop_lanes(t->a->l->kernel, t->packed, t->a->columns, at, t->column);
}

static void take_tile(void *user, LoopExpr *row, LoopExpr *sum) {
  Trip *t = user;
  loop_store(t->a->l->kernel, loop_lanes(t->a->l->kernel, t->into, t->a->columns, row, t->column),
             sum);
}

/* rows of the keys' block by the packed queries' block */
static void make_tile(Trip *t, int which, const Dim *width, LoopBuffer *packed, LoopBuffer *into) {
  t->which = which, t->rows = rows_value(t, which), t->packed = packed, t->into = into;
  attention_tiles(t->a, &(Tiles){.lanes = t->a->columns,
                                 .rows = t->shown,
                                 .depth = dim_expr(t->a->l->kernel, width),
                                 .left = row_element,
                                 .right = packed_lanes,
                                 .into = take_tile,
                                 .user = t});
}

static AttentionTile tile_of(const Trip *t, int lanes) {
  return (AttentionTile){t->a, t->first, t->count, t->key, t->shown, t->column, lanes};
}

static void make_slopes(Trip *t) {
  Attention *a = t->a;
  LoopKernel *k = a->l->kernel;
  int lanes = a->columns;
  LoopExpr *log = loop_let(k, "log", loop_lanes(k, t->log, lanes, zero(t), t->column));
  LoopExpr *mean = loop_let(k, "mean", loop_lanes(k, t->mean, lanes, zero(t), t->column));
  LoopExpr *scale = attention_scale_of(a);
  AttentionTile tile = tile_of(t, lanes);
  size_t scope = attention_open_extras(&tile);
  LoopExpr *row = attention_open_rows(&tile);
  LoopExpr *score = loop_lanes(k, t->scores, lanes, row, t->column);
  LoopExpr *slope = loop_lanes(k, t->dscores, lanes, row, t->column);
  LoopExpr *p = loop_let(k, "p", loop_exp(k, loop_sub(k, score, log)));
  LoopExpr *factor =
      a->factor ? loop_let(k, "f", attention_extra_lanes(&tile, a->factor, row)) : NULL;
  LoopExpr *dp = factor ? loop_mul(k, slope, factor) : slope;
  loop_store(k, slope, loop_mul(k, loop_mul(k, p, loop_sub(k, dp, mean)), scale));
  loop_store(k, score, factor ? loop_mul(k, p, factor) : p);
  attention_close_rows(&tile);
  attention_close_extras(&tile, scope);
}

/* ---- products that grow ---- */

static LoopExpr *score_element(void *user, LoopExpr *row, LoopExpr *at) {
  Trip *t = user;
  return loop_element(t->a->l->kernel, t->packed, row, at);
}

static LoopExpr *turned_element(void *user, LoopExpr *row, LoopExpr *at) {
  Trip *t = user;
  return loop_element(t->a->l->kernel, t->packed, at, row);
}

static int columns_of(const Trip *t) {
  return attention_columns(t->a, t->rows->type.dims[t->a->batch + 1]);
}

static LoopExpr *row_lanes(const Trip *t, LoopExpr *first, LoopExpr *at) {
  LoopKernel *k = t->a->l->kernel;
  LoopBuffer *near = t->near[t->which];
  if (near) return loop_lanes(k, near, columns_of(t), at, t->column);
  return attention_lanes(t->a, t->rows, columns_of(t), loop_add(k, first, at), t->column);
}

static LoopExpr *query_lanes(void *user, LoopExpr *at) {
  Trip *t = user;
  return row_lanes(t, t->first, at);
}

static LoopExpr *key_lanes(void *user, LoopExpr *at) {
  Trip *t = user;
  return row_lanes(t, t->key, at);
}

static LoopExpr *first_query(void *user, LoopExpr *row) {
  Trip *t = user;
  return attention_start(t->a, t->first, t->count, t->key, row);
}

static LoopExpr *last_key(void *user, LoopExpr *past) {
  Trip *t = user;
  return attention_stop(t->a, t->first, past, t->key, t->keys);
}

static LoopExpr *sum_lanes(const Trip *t, LoopExpr *row) {
  return loop_lanes(t->a->l->kernel, t->sums, columns_of(t), row, t->column);
}

static LoopExpr *from_sums(void *user, LoopExpr *row) {
  return sum_lanes(user, row);
}

static void into_sums(void *user, LoopExpr *row, LoopExpr *sum) {
  Trip *t = user;
  loop_store(t->a->l->kernel, sum_lanes(t, row), sum);
}

static LoopExpr *from_result(void *user, LoopExpr *row) {
  Trip *t = user;
  return attention_made(t->a, t->made, columns_of(t), loop_add(t->a->l->kernel, t->key, row),
                        t->column);
}

static void into_result(void *user, LoopExpr *row, LoopExpr *sum) {
  Trip *t = user;
  attention_make(t->a, t->made, columns_of(t), loop_add(t->a->l->kernel, t->key, row), t->column,
                 sum);
}

static void grow(Trip *t, int which, LoopBuffer *left, Tiles tiles) {
  LoopKernel *k = t->a->l->kernel;
  const Value *rows = rows_value(t, which);
  t->which = which, t->rows = rows, t->packed = left;
  tiles.lanes = columns_of(t);
  tiles.user = t;
  t->column =
      loop_for_lanes(k, "e", zero(t), dim_expr(k, rows->type.dims[t->a->batch + 1]), tiles.lanes);
  attention_tiles(t->a, &tiles);
  loop_end(k);
}

static void grow_all(Trip *t) {
  Tiles of_keys = {.rows = t->keys,
                   .depth = t->count,
                   .start = first_query,
                   .from = from_result,
                   .left = score_element,
                   .right = query_lanes,
                   .into = into_result};
  t->made = 2;
  grow(t, 3, t->scores, of_keys);
  t->made = 1;
  grow(t, 0, t->dscores, of_keys);
  grow(t, 1, t->dscores,
       (Tiles){.rows = t->count,
               .depth = t->keys,
               .stop = last_key,
               .from = from_sums,
               .left = turned_element,
               .right = key_lanes,
               .into = into_sums});
}

/* ---- a trip ---- */

/* Results start as 0. */
static void clear_result(Trip *t, int number, const Dim *rows, const Dim *columns) {
  LoopKernel *k = t->a->l->kernel;
  int lanes = attention_columns(t->a, columns);
  LoopExpr *row = loop_for(k, "i", zero(t), dim_expr(k, rows));
  LoopExpr *e = loop_for_lanes(k, "e", zero(t), dim_expr(k, columns), lanes);
  attention_make(t->a, number, lanes, row, e, loop_number(k, 0));
  loop_end(k);
  loop_end(k);
}

/* One number a query. Lanes past the last one get inf for the logarithm: their probabilities are 0.
 */
static void load_rows(Trip *t) {
  Attention *a = t->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *tile = loop_for(k, "tile", zero(t), attention_ceil(k, t->count, a->columns));
  LoopExpr *column = loop_let(k, "column", loop_mul(k, tile, loop_int(k, a->columns)));
  LoopExpr *inside = loop_lt(k, loop_iota(k, column, a->columns), t->count);
  Index index[MOST_AXES];
  for (int i = 0; i < a->batch; i++) index[i] = index_scalar(a->at[i]);
  index[a->batch] = index_lanes(loop_add(k, t->first, column));
  a->r->lanes = a->columns;
  a->r->mask = loop_let(k, "inside", inside);
  size_t scope = region_push(a->r);
  LoopExpr *log = region_value(a->r, t->logs, index), *mean = region_value(a->r, t->delta, index);
  log = loop_select(k, a->r->mask, log, loop_number(k, INFINITY));
  loop_store(k, loop_lanes(k, t->log, a->columns, zero(t), column), log);
  loop_store(k, loop_lanes(k, t->mean, a->columns, zero(t), column), mean);
  region_pop(a->r, scope);
  a->r->mask = NULL;
  loop_end(k);
}

static void clear_sums(Trip *t) {
  LoopKernel *k = t->a->l->kernel;
  LoopExpr *row = loop_for(k, "i", zero(t), t->count);
  LoopExpr *e =
      loop_for_step(k, "e", zero(t), loop_int(k, attention_padded(t->a, t->a->width)), t->a->lanes);
  loop_store(k, loop_lanes(k, t->sums, t->a->lanes, row, e), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
}

static void store_sums(Trip *t) {
  LoopKernel *k = t->a->l->kernel;
  int lanes = attention_columns(t->a, t->a->width);
  LoopExpr *row = loop_for(k, "i", zero(t), t->count);
  LoopExpr *e = loop_for_lanes(k, "e", zero(t), dim_expr(k, t->a->width), lanes);
  attention_make(t->a, 0, lanes, loop_add(k, t->first, row), e,
                 loop_lanes(k, t->sums, lanes, row, e));
  loop_end(k);
  loop_end(k);
}

/* Of the rows of queries, or of keys. */
static void copy_rows(Trip *t, int i, LoopExpr *first, LoopExpr *count) {
  const Value *rows = rows_value(t, i);
  if (t->near[i])
    attention_copy(t->a, rows, first, count, rows->type.dims[t->a->batch + 1], t->near[i]);
}

static void block_of_keys(Trip *t, LoopExpr *seen) {
  Attention *a = t->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *block = loop_for(k, "block", zero(t), attention_ceil(k, seen, BLOCK_KEYS));
  t->key = loop_let(k, "key", loop_mul(k, block, loop_int(k, BLOCK_KEYS)));
  t->keys = loop_let(k, "keys", loop_min(k, loop_int(k, BLOCK_KEYS), loop_sub(k, seen, t->key)));
  size_t scope = region_push(a->r);
  copy_rows(t, 1, t->key, t->keys);
  copy_rows(t, 2, t->key, t->keys);
  LoopExpr *tile = loop_for(k, "tile", zero(t), attention_ceil(k, t->count, a->columns));
  t->column = loop_let(k, "column", loop_mul(k, tile, loop_int(k, a->columns)));
  t->shown = t->keys;
  AttentionTile whole = tile_of(t, a->columns);
  t->shown = attention_shown(&whole);
  make_tile(t, 1, a->width, t->queries, t->scores);
  AttentionTile shown = tile_of(t, a->columns);
  attention_hide(&shown, t->scores);
  make_tile(t, 2, a->out, t->slopes, t->dscores);
  make_slopes(t);
  attention_clear(&whole, t->scores, t->shown);
  attention_clear(&whole, t->dscores, t->shown);
  loop_end(k);
  grow_all(t);
  region_pop(a->r, scope);
  loop_end(k);
}

bool product_attention_gradient(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_attention_gradient) return false;
  LoopKernel *k = l->kernel;
  Attention a = attention_open(l, r, product);
  Trip t = {.a = &a,
            .d = product->operands[3],
            .logs = product->operands[4],
            .delta = product->operands[5]};
  l->algorithm = "streaming";
  t.queries = attention_scratch(&a, "queries", attention_padded(&a, a.width), a.block);
  t.slopes = attention_scratch(&a, "slopes", attention_padded(&a, a.out), a.block);
  t.scores = attention_scratch(&a, "scores", BLOCK_KEYS, a.block);
  t.dscores = attention_scratch(&a, "dscores", BLOCK_KEYS, a.block);
  t.sums = attention_scratch(&a, "sums", a.block, attention_padded(&a, a.width));
  t.log = attention_scratch(&a, "log", 1, a.block);
  t.mean = attention_scratch(&a, "mean", 1, a.block);
  for (int i = 0; i < 4; i++) {
    const Value *rows = rows_value(&t, i);
    const Dim *width = rows->type.dims[a.batch + 1];
    if (attention_is_far(&a, rows))
      t.near[i] = attention_scratch(&a,
                                    i == 0   ? "q"
                                    : i == 1 ? "k"
                                    : i == 2 ? "v"
                                             : "d",
                                    i % 3 ? BLOCK_KEYS : a.block, attention_padded(&a, width));
  }
  attention_open_matrices(&a);
  clear_result(&t, 1, a.keys, a.width);
  clear_result(&t, 2, a.keys, a.out);
  LoopExpr *queries = dim_expr(k, a.queries);
  LoopExpr *block = loop_for(k, "rows", zero(&t), attention_ceil(k, queries, a.block));
  t.first = loop_let(k, "first", loop_mul(k, block, loop_int(k, a.block)));
  t.count = loop_let(k, "count", loop_min(k, loop_int(k, a.block), loop_sub(k, queries, t.first)));
  attention_pack(&a, a.q, t.first, t.count, a.width, attention_scale_of(&a), t.queries);
  attention_pack(&a, t.d, t.first, t.count, a.out, NULL, t.slopes);
  copy_rows(&t, 0, t.first, t.count);
  copy_rows(&t, 3, t.first, t.count);
  load_rows(&t);
  clear_sums(&t);
  block_of_keys(&t, attention_seen(&a, loop_add(k, t.first, t.count)));
  store_sums(&t);
  loop_end(k);
  loop_end(k);
  return true;
}
