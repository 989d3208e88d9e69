/* product_attention_row.c - attention of few queries, one by one: what decoding does. Keys and
 * values are read once, each row of them as vectors; so the memory decides how fast it is. As in
 * product_attention.c the keys come in blocks, here of a row of scores. Each block is read by
 * several walks at a time, a row of each by turns: processors fetch ahead for each walk on its own,
 * and a single one does not get all that the memory gives a core. */
#include "backend/attention.h"

#include <math.h>

/* Blocks are long, for walks start anew in each. */
enum { ROW_KEYS = 1024, WALKS = 8, MOST_VECTORS = 8 };

typedef struct {
  const Attention *a;
  LoopExpr *query, *key, *keys; /* the block of keys: the first and their number */
  LoopBuffer *packed, *scores, *sums;
} Row;

static LoopExpr *scores_at(const Row *r, LoopExpr *at) {
  LoopKernel *k = r->a->l->kernel;
  return loop_lanes(k, r->scores, r->a->lanes, loop_int(k, 0), at);
}

/* `rows` keys of a block: `near` of them side by side from `at` on, and so on `apart` further. */
typedef struct {
  LoopExpr *at, *apart;
  int rows, near;
} Keys;

static LoopExpr *key_of(const Row *r, const Keys *keys, LoopExpr *i) {
  LoopKernel *k = r->a->l->kernel;
  if (keys->near == 1) return loop_add(k, keys->at, loop_mul(k, i, keys->apart));
  LoopExpr *near = loop_int(k, keys->near), *walk = loop_div(k, i, near);
  LoopExpr *first = loop_add(k, keys->at, loop_mul(k, walk, keys->apart));
  return loop_add(k, first, loop_sub(k, i, loop_mul(k, walk, near)));
}

/* One dot for each of the keys: sums over lanes are still to be made. */
static LoopExpr *multiply(const Row *r, const Keys *keys) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *sums = loop_array(k, "sums", LOOP_F32, keys->rows, a->lanes, loop_number(k, 0));
  LoopExpr *d = loop_for_lanes(k, "d", zero, dim_expr(k, a->width), a->lanes);
  LoopExpr *query = loop_let(k, "q", loop_lanes(k, r->packed, a->lanes, zero, d));
  size_t scope = region_push(a->r);
  LoopExpr *i = loop_each(k, "r", zero, loop_int(k, keys->rows)), *sum = loop_row(k, sums, i);
  LoopExpr *key = attention_lanes(a, a->k, a->lanes, loop_add(k, r->key, key_of(r, keys, i)), d);
  loop_set(k, sum, loop_fma(k, key, query, sum));
  loop_end(k);
  region_pop(a->r, scope);
  loop_end(k);
  return sums;
}

static void store_score(const Row *r, LoopExpr *at, LoopExpr *score) {
  LoopKernel *k = r->a->l->kernel;
  loop_store(k, loop_element(k, r->scores, loop_int(k, 0), at), score);
}

/* As many keys at a time as a register has lanes, from all walks; the last ones one by one. */
static void make_scores(const Row *r) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *one = loop_int(k, 1), *lanes = loop_int(k, a->lanes);
  LoopExpr *groups = loop_let(k, "groups", loop_div(k, r->keys, lanes));
  int near = a->lanes > WALKS ? a->lanes / WALKS : 1;
  LoopExpr *apart = loop_let(k, "apart", loop_mul(k, groups, loop_int(k, near)));
  LoopExpr *at = loop_for_step(k, "j", zero, apart, near);
  Keys keys = {at, apart, a->lanes, near};
  LoopExpr *sums = multiply(r, &keys);
  loop_transpose(k, sums);
  LoopExpr *scores = loop_let(k, "s", loop_sum_rows(k, sums, 0, a->lanes));
  LoopExpr *i = loop_each(k, "r", zero, lanes);
  store_score(r, key_of(r, &keys, i), loop_lane(k, scores, i));
  loop_end(k);
  loop_end(k);
  at = loop_for(k, "j", loop_mul(k, groups, lanes), r->keys);
  LoopExpr *sum = loop_row(k, multiply(r, &(Keys){at, one, 1, 1}), zero);
  store_score(r, at, loop_reduce(k, LOOP_ADD, sum));
  loop_end(k);
}

static LoopExpr *extra(const Row *r, const Value *x, LoopExpr *at) {
  const Attention *a = r->a;
  Index key = index_lanes(loop_add(a->l->kernel, r->key, at));
  return attention_extra(a, x, a->lanes, index_scalar(r->query), key);
}

static LoopExpr *open_scores(const Row *r) {
  LoopKernel *k = r->a->l->kernel;
  return loop_for_lanes(k, "j", loop_int(k, 0), r->keys, r->a->lanes);
}

static void hide_masked(const Row *r) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  if (!a->mask) return;
  size_t scope = region_push(a->r);
  LoopExpr *at = open_scores(r);
  LoopExpr *score = attention_masked(a, scores_at(r, at), extra(r, a->mask, at));
  loop_store(k, scores_at(r, at), score);
  loop_end(k);
  region_pop(a->r, scope);
}

/* The block's greatest score. */
static LoopExpr *greatest(const Row *r) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *least = loop_number(k, -INFINITY);
  LoopExpr *top = loop_var(k, "top", LOOP_F32, a->lanes, least), *at = open_scores(r);
  LoopExpr *score = loop_let(k, "s", loop_else(scores_at(r, at), least));
  loop_set(k, top, loop_select(k, loop_gt(k, score, top), score, top));
  loop_end(k);
  return loop_reduce(k, LOOP_MAX, top);
}

/* Scores become probabilities; their sum. */
static LoopExpr *make_probabilities(const Row *r, LoopExpr *from) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *sum = loop_var(k, "sum", LOOP_F32, a->lanes, loop_number(k, 0));
  size_t scope = region_push(a->r);
  LoopExpr *at = open_scores(r);
  LoopExpr *score = loop_else(scores_at(r, at), loop_number(k, -INFINITY));
  LoopExpr *p = loop_let(k, "p", loop_exp(k, loop_sub(k, score, from)));
  loop_set(k, sum, loop_add(k, sum, p));
  if (a->factor) p = loop_mul(k, p, extra(r, a->factor, at));
  loop_store(k, scores_at(r, at), p);
  loop_end(k);
  region_pop(a->r, scope);
  return loop_reduce(k, LOOP_ADD, sum);
}

static void add_value(const Row *r, LoopExpr *at, LoopExpr *e, LoopExpr *sum) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  int lanes = loop_type(sum).lanes;
  size_t scope = region_push(a->r);
  LoopExpr *value = attention_lanes(a, a->v, lanes, loop_add(k, r->key, at), e);
  LoopExpr *p = loop_let(k, "p", loop_element(k, r->scores, loop_int(k, 0), at));
  loop_set(k, sum, loop_fma(k, p, value, sum));
  region_pop(a->r, scope);
}

static void add_values(const Row *r, LoopExpr *fade) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *zero = loop_int(k, 0);
  int vectors = 1;
  while (vectors < MOST_VECTORS && dim_max(a->out) > vectors * a->lanes) vectors++;
  int lanes = vectors * a->lanes;
  LoopExpr *e = loop_for_lanes(k, "e", zero, dim_expr(k, a->out), lanes);
  LoopExpr *before = loop_mul(k, loop_lanes(k, r->sums, lanes, zero, e), fade);
  LoopExpr *sum = loop_var(k, "sum", LOOP_F32, lanes, before);
  LoopExpr *walks = loop_int(k, WALKS);
  LoopExpr *apart = loop_let(k, "apart", loop_div(k, r->keys, walks));
  LoopExpr *at = loop_for(k, "j", zero, apart), *walk = loop_each(k, "walk", zero, walks);
  add_value(r, loop_let(k, "at", loop_add(k, loop_mul(k, walk, apart), at)), e, sum);
  loop_end(k);
  loop_end(k);
  at = loop_for(k, "j", loop_mul(k, apart, walks), r->keys);
  add_value(r, at, e, sum);
  loop_end(k);
  loop_store(k, loop_lanes(k, r->sums, lanes, zero, e), sum);
  loop_end(k);
}

static LoopBuffer *row_of(const Attention *a, const char *name, int64_t size) {
  LoopKernel *k = a->l->kernel;
  size = (size + a->lanes - 1) / a->lanes * a->lanes;
  return loop_scratch(k, name, LOOP_F32, 2, loop_int(k, 1), loop_int(k, size));
}

static void start(const Row *r) {
  const Attention *a = r->a;
  LoopKernel *k = a->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *scale = attention_scale_of(a);
  size_t scope = region_push(a->r);
  LoopExpr *d = loop_for_lanes(k, "d", zero, dim_expr(k, a->width), a->lanes);
  LoopExpr *query = attention_lanes(a, a->q, a->lanes, r->query, d);
  loop_store(k, loop_lanes(k, r->packed, a->lanes, zero, d), loop_mul(k, query, scale));
  loop_end(k);
  region_pop(a->r, scope);
  LoopExpr *e = loop_for_lanes(k, "e", zero, dim_expr(k, a->out), a->lanes);
  loop_store(k, loop_lanes(k, r->sums, a->lanes, zero, e), loop_number(k, 0));
  loop_end(k);
}

void attention_row(const Attention *a, LoopExpr *query) {
  LoopKernel *k = a->l->kernel;
  Row r = {.a = a, .query = query};
  r.packed = row_of(a, "query", dim_max(a->width));
  r.scores = row_of(a, "row", ROW_KEYS);
  r.sums = row_of(a, "weighted", dim_max(a->out));
  start(&r);
  LoopExpr *least = loop_number(k, -INFINITY);
  LoopExpr *top = loop_var(k, "top", LOOP_F32, 1, least);
  LoopExpr *sum = loop_var(k, "sum", LOOP_F32, 1, loop_number(k, 0));
  LoopExpr *seen = attention_seen(a, loop_add(k, query, loop_int(k, 1)));
  LoopExpr *block = loop_for(k, "block", loop_int(k, 0), attention_ceil(k, seen, ROW_KEYS));
  r.key = loop_let(k, "key", loop_mul(k, block, loop_int(k, ROW_KEYS)));
  r.keys = loop_let(k, "keys", loop_min(k, loop_int(k, ROW_KEYS), loop_sub(k, seen, r.key)));
  make_scores(&r);
  hide_masked(&r);
  LoopExpr *before = loop_let(k, "before", loop_add(k, top, loop_number(k, 0)));
  LoopExpr *most = loop_let(k, "most", greatest(&r));
  loop_set(k, top, loop_select(k, loop_gt(k, most, before), most, before));
  LoopExpr *none = loop_eq(k, top, least);
  LoopExpr *from = loop_let(k, "from", loop_select(k, none, loop_number(k, 0), top));
  LoopExpr *fade = loop_let(k, "fade", loop_exp(k, loop_sub(k, before, from)));
  LoopExpr *more = make_probabilities(&r, from);
  loop_set(k, sum, loop_fma(k, sum, fade, more));
  add_values(&r, fade);
  loop_end(k);
  attention_store(a, query, r.sums, loop_int(k, 0), top, sum);
}
