/* product_attention.c - attention as one kernel: a block of queries goes through the keys, block by
 * block, and keeps for each query the greatest score so far, the sum of exponentials and the
 * weighted sum of values, both for that greatest score.
 *
 *   for each block of keys:
 *     S'[key][query] = k q'                     in scratch; -inf where a query may not look
 *     top'   = max(top, S')                     sums so far are multiplied with exp(top - top')
 *     P'     = exp(S' - top')                   sum += P'
 *     o     += P v
 *   y = o / sum
 *
 * Blocks of keys that no query of the block sees are left out. Results depend on the blocks, which
 * the shapes' bounds decide, never on the threads.
 */
#include "backend/attention.h"

#include <math.h>

/* A trip: a block of queries. */
typedef struct {
  Attention *a;
  LoopExpr *first, *count;      /* queries */
  LoopExpr *key, *keys;         /* of the block of keys: the first and their number */
  LoopExpr *column;             /* of the tile that is made */
  LoopExpr *shown;              /* keys that its queries see */
  LoopBuffer *packed;           /* queries: [width][block] */
  LoopBuffer *k, *v;            /* of the block, where they are copied; NULL: they lie near */
  LoopBuffer *scores;           /* [keys][block] */
  LoopBuffer *sums;             /* [block][out] */
  LoopBuffer *top, *sum, *fade; /* [1][block] */
} Trip;

static LoopExpr *zero(const Trip *t) {
  return loop_int(t->a->l->kernel, 0);
}

/* ---- scores ---- */

static LoopExpr *key_element(void *user, LoopExpr *row, LoopExpr *at) {
  Trip *t = user;
  if (t->k) return loop_element(t->a->l->kernel, t->k, row, at);
  return attention_element(t->a, t->a->k, loop_add(t->a->l->kernel, t->key, row), at);
}

static LoopExpr *query_lanes(void *user, LoopExpr *at) {
  Trip *t = user;
  return loop_lanes(t->a->l->kernel, t->packed, t->a->columns, at, t->column);
}

static LoopExpr *score_lanes(const Trip *t, int lanes, LoopExpr *row) {
  return loop_lanes(t->a->l->kernel, t->scores, lanes, row, t->column);
}

static void take_score(void *user, LoopExpr *row, LoopExpr *sum) {
  Trip *t = user;
  loop_store(t->a->l->kernel, score_lanes(t, t->a->columns, row), sum);
}

static void make_scores(Trip *t) {
  attention_tiles(t->a, &(Tiles){.lanes = t->a->columns,
                                 .rows = t->shown,
                                 .depth = dim_expr(t->a->l->kernel, t->a->width),
                                 .left = key_element,
                                 .right = query_lanes,
                                 .into = take_score,
                                 .user = t});
}

static AttentionTile tile_of(const Trip *t, int lanes) {
  return (AttentionTile){t->a, t->first, t->count, t->key, t->shown, t->column, lanes};
}

/* ---- from scores to probabilities ---- */

static LoopExpr *state_lanes(const Trip *t, int lanes, LoopBuffer *state) {
  return loop_lanes(t->a->l->kernel, state, lanes, zero(t), t->column);
}

/* e^x of an x of at most 0; all below -104 is 0. */
static LoopExpr *falling_exp(LoopKernel *k, LoopExpr *x) {
  return loop_mul(k, loop_exp_raised(k, x), loop_number(k, 0x1p-64));
}

static void make_probabilities(Trip *t) {
  LoopKernel *k = t->a->l->kernel;
  int lanes = t->a->dear;
  LoopExpr *column = t->column;
  t->column = attention_open_parts(t->a, column);
  LoopExpr *before = loop_let(k, "before", state_lanes(t, lanes, t->top));
  LoopExpr *top = loop_var(k, "top", LOOP_F32, lanes, before);
  LoopExpr *row = loop_for_unroll(k, "j", zero(t), t->shown, 4);
  LoopExpr *score = loop_let(k, "s", score_lanes(t, lanes, row));
  loop_set(k, top, loop_select(k, loop_gt(k, score, top), score, top));
  loop_end(k);
  /* all -inf so far: 0 is subtracted instead, so that exponentials are 0 */
  LoopExpr *none = loop_eq(k, top, loop_number(k, -INFINITY));
  LoopExpr *from = loop_let(k, "from", loop_select(k, none, loop_number(k, 0), top));
  LoopExpr *fade = loop_let(k, "fade", loop_exp(k, loop_sub(k, before, from)));
  LoopExpr *sum =
      loop_var(k, "sum", LOOP_F32, lanes, loop_mul(k, state_lanes(t, lanes, t->sum), fade));
  AttentionTile tile = tile_of(t, lanes);
  size_t scope = t->a->factor ? attention_open_extras(&tile) : 0;
  row = attention_open_rows(&tile);
  LoopExpr *p = loop_let(k, "p", falling_exp(k, loop_sub(k, score_lanes(t, lanes, row), from)));
  loop_set(k, sum, loop_add(k, sum, p));
  if (t->a->factor) p = loop_mul(k, p, attention_extra_lanes(&tile, t->a->factor, row));
  loop_store(k, score_lanes(t, lanes, row), p);
  attention_close_rows(&tile);
  if (t->a->factor) attention_close_extras(&tile, scope);
  loop_store(k, state_lanes(t, lanes, t->top), top);
  loop_store(k, state_lanes(t, lanes, t->fade), fade);
  loop_store(k, state_lanes(t, lanes, t->sum), sum);
  attention_close_parts(t->a);
  t->column = column;
}

/* ---- weighted values ---- */

static LoopExpr *sum_lanes(const Trip *t, LoopExpr *row) {
  return loop_lanes(t->a->l->kernel, t->sums, attention_columns(t->a, t->a->out), row, t->column);
}

static LoopExpr *faded(void *user, LoopExpr *row) {
  Trip *t = user;
  LoopKernel *k = t->a->l->kernel;
  return loop_mul(k, sum_lanes(t, row), loop_element(k, t->fade, zero(t), row));
}

static LoopExpr *probability(void *user, LoopExpr *row, LoopExpr *at) {
  Trip *t = user;
  return loop_element(t->a->l->kernel, t->scores, at, row);
}

static LoopExpr *value_lanes(void *user, LoopExpr *at) {
  Trip *t = user;
  int lanes = attention_columns(t->a, t->a->out);
  if (t->v) return loop_lanes(t->a->l->kernel, t->v, lanes, at, t->column);
  return attention_lanes(t->a, t->a->v, lanes, loop_add(t->a->l->kernel, t->key, at), t->column);
}

static void take_sum(void *user, LoopExpr *row, LoopExpr *sum) {
  Trip *t = user;
  loop_store(t->a->l->kernel, sum_lanes(t, row), sum);
}

static LoopExpr *last_key(void *user, LoopExpr *past) {
  Trip *t = user;
  return attention_stop(t->a, t->first, past, t->key, t->keys);
}

static void add_values(Trip *t) {
  LoopKernel *k = t->a->l->kernel;
  int lanes = attention_columns(t->a, t->a->out);
  t->column = loop_for_lanes(k, "e", zero(t), dim_expr(k, t->a->out), lanes);
  attention_tiles(t->a, &(Tiles){.lanes = lanes,
                                 .rows = t->count,
                                 .depth = t->keys,
                                 .stop = last_key,
                                 .from = faded,
                                 .left = probability,
                                 .right = value_lanes,
                                 .into = take_sum,
                                 .user = t});
  loop_end(k);
}

/* ---- a block of queries ---- */

static LoopExpr *open_columns(Trip *t) {
  LoopKernel *k = t->a->l->kernel;
  LoopExpr *tile = loop_for(k, "tile", zero(t), attention_ceil(k, t->count, t->a->columns));
  t->column = loop_let(k, "column", loop_mul(k, tile, loop_int(k, t->a->columns)));
  return t->column;
}

static void start(Trip *t) {
  LoopKernel *k = t->a->l->kernel;
  int lanes = t->a->lanes;
  open_columns(t);
  loop_store(k, state_lanes(t, t->a->columns, t->top), loop_number(k, -INFINITY));
  loop_store(k, state_lanes(t, t->a->columns, t->sum), loop_number(k, 0));
  loop_end(k);
  LoopExpr *row = loop_for(k, "i", zero(t), t->count);
  LoopExpr *e =
      loop_for_step(k, "e", zero(t), loop_int(k, attention_padded(t->a, t->a->out)), lanes);
  loop_store(k, loop_lanes(k, t->sums, lanes, row, e), loop_number(k, 0));
  loop_end(k);
  loop_end(k);
}

static void block_of_queries(Attention *a, LoopExpr *first, LoopExpr *count) {
  LoopKernel *k = a->l->kernel;
  Trip t = {.a = a, .first = first, .count = count};
  t.packed = attention_scratch(a, "queries", attention_padded(a, a->width), a->block);
  bool far_k = attention_is_far(a, a->k), far_v = attention_is_far(a, a->v);
  if (far_k) t.k = attention_scratch(a, "keys", BLOCK_KEYS, attention_padded(a, a->width));
  if (far_v) t.v = attention_scratch(a, "values", BLOCK_KEYS, attention_padded(a, a->out));
  t.scores = attention_scratch(a, "scores", BLOCK_KEYS, a->block);
  t.sums = attention_scratch(a, "sums", a->block, attention_padded(a, a->out));
  t.top = attention_scratch(a, "top", 1, a->block);
  t.sum = attention_scratch(a, "sum", 1, a->block);
  t.fade = attention_scratch(a, "fade", 1, a->block);
  attention_pack(a, a->q, first, count, a->width, attention_scale_of(a), t.packed);
  start(&t);
  LoopExpr *seen = attention_seen(a, loop_add(k, first, count));
  LoopExpr *block = loop_for(k, "block", zero(&t), attention_ceil(k, seen, BLOCK_KEYS));
  t.key = loop_let(k, "key", loop_mul(k, block, loop_int(k, BLOCK_KEYS)));
  t.keys = loop_let(k, "keys", loop_min(k, loop_int(k, BLOCK_KEYS), loop_sub(k, seen, t.key)));
  size_t scope = region_push(a->r);
  if (far_k) attention_copy(a, a->k, t.key, t.keys, a->width, t.k);
  if (far_v) attention_copy(a, a->v, t.key, t.keys, a->out, t.v);
  open_columns(&t);
  t.shown = t.keys;
  AttentionTile whole = tile_of(&t, a->columns);
  t.shown = attention_shown(&whole);
  make_scores(&t);
  AttentionTile tile = tile_of(&t, a->columns);
  attention_hide(&tile, t.scores);
  make_probabilities(&t);
  attention_clear(&whole, t.scores, t.shown);
  loop_end(k);
  region_pop(a->r, scope);
  add_values(&t);
  region_pop(a->r, scope);
  loop_end(k);
  LoopExpr *row = loop_for(k, "i", zero(&t), count);
  attention_store(a, loop_add(k, first, row), t.sums, row, loop_element(k, t.top, zero(&t), row),
                  loop_let(k, "sum", loop_element(k, t.sum, zero(&t), row)));
  loop_end(k);
}

bool product_attention(Lowering *l, Region *r, const Op *product) {
  if (product->kind != OP_attention) return false;
  LoopKernel *k = l->kernel;
  Attention a = attention_open(l, r, product);
  l->algorithm = "streaming";
  LoopExpr *count, *first = attention_blocks(&a, &count);
  int few = a.lanes / 2;
  bool known = dim_is_constant(a.queries), none_few = dim_min(a.queries) > few;
  if (!none_few && !known) loop_if(k, loop_le(k, dim_expr(k, a.queries), loop_int(k, few)));
  if (!none_few) {
    LoopExpr *row = loop_for(k, "i", loop_int(k, 0), count);
    attention_row(&a, loop_let(k, "query", loop_add(k, first, row)));
    loop_end(k);
  }
  if (!none_few && !known) loop_otherwise(k);
  if (none_few || !known) block_of_queries(&a, first, count);
  if (!none_few && !known) loop_end(k);
  loop_end(k);
  return true;
}
