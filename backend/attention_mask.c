/* attention_mask.c - masks and factors of a tile of scores whose lanes are queries. */
#include "backend/attention.h"

#include <math.h>

static LoopExpr *score_lanes(const AttentionTile *t, LoopBuffer *scores, LoopExpr *row) {
  return loop_lanes(t->a->l->kernel, scores, t->lanes, row, t->column);
}

LoopExpr *attention_open_parts(const Attention *a, LoopExpr *column) {
  LoopKernel *k = a->l->kernel;
  if (a->dear == a->columns) return column;
  LoopExpr *part = loop_for(k, "part", loop_int(k, 0), loop_int(k, a->columns / a->dear));
  return loop_let(k, "column", loop_add(k, column, loop_mul(k, part, loop_int(k, a->dear))));
}

void attention_close_parts(const Attention *a) {
  if (a->dear != a->columns) loop_end(a->l->kernel);
}

LoopExpr *attention_extra_lanes(const AttentionTile *t, const Value *x, LoopExpr *row) {
  LoopKernel *k = t->a->l->kernel;
  Region *r = t->a->r;
  Index query = index_lanes(loop_add(k, t->first, t->column));
  Index key = index_scalar(loop_add(k, t->key, row));
  if (row == r->draw.at) r->draw.at = key.at, r->draw.from = loop_add(k, t->key, r->draw.from);
  LoopExpr *value = attention_extra(t->a, x, t->lanes, query, key);
  r->draw.at = NULL;
  return value;
}

size_t attention_open_extras(const AttentionTile *t) {
  LoopKernel *k = t->a->l->kernel;
  LoopExpr *place = loop_iota(k, t->column, t->lanes);
  t->a->r->mask = loop_let(k, "inside", loop_lt(k, place, t->count));
  return region_push(t->a->r);
}

LoopExpr *attention_open_rows(const AttentionTile *t) {
  LoopKernel *k = t->a->l->kernel;
  LoopExpr *zero = loop_int(k, 0), *count;
  if (!t->a->factor) return loop_for(k, "j", zero, t->keys);
  LoopExpr *first = loop_for_tail(k, "j", zero, t->keys, FACTOR_KEYS, &count);
  LoopExpr *within = loop_each(k, "u", zero, count), *row = loop_add(k, first, within);
  t->a->r->draw = (RegionDraw){.at = row, .from = first, .within = within};
  return row;
}

void attention_close_rows(const AttentionTile *t) {
  loop_end(t->a->l->kernel);
  if (t->a->factor) loop_end(t->a->l->kernel);
}

void attention_close_extras(const AttentionTile *t, size_t scope) {
  region_pop(t->a->r, scope);
  t->a->r->mask = NULL;
}

/* ---- what is seen of a block ---- */

LoopExpr *attention_stop(const Attention *a, LoopExpr *first, LoopExpr *past, LoopExpr *key,
                         LoopExpr *keys) {
  LoopKernel *k = a->l->kernel;
  if (!a->causal) return keys;
  LoopExpr *end = loop_add(k, loop_add(k, first, past), a->ahead);
  return loop_let(k, "stop", attention_clamped(k, loop_sub(k, end, key), keys));
}

LoopExpr *attention_start(const Attention *a, LoopExpr *first, LoopExpr *count, LoopExpr *key,
                          LoopExpr *row) {
  enum { UNROLLED = 4 };
  LoopKernel *k = a->l->kernel;
  if (!a->causal) return loop_int(k, 0);
  LoopExpr *query = loop_sub(k, loop_sub(k, loop_add(k, key, row), a->ahead), first);
  LoopExpr *by = loop_int(k, UNROLLED);
  query = loop_div(k, attention_clamped(k, query, count), by);
  return loop_let(k, "start", loop_mul(k, query, by));
}

/* By fours, since random numbers are. */
LoopExpr *attention_shown(const AttentionTile *t) {
  LoopKernel *k = t->a->l->kernel;
  if (!t->a->causal) return t->keys;
  LoopExpr *past = loop_add(k, t->column, loop_int(k, t->a->columns));
  LoopExpr *stop = attention_stop(t->a, t->first, past, t->key, t->keys);
  stop = loop_mul(k, attention_ceil(k, stop, FACTOR_KEYS), loop_int(k, FACTOR_KEYS));
  return loop_let(k, "shown", loop_min(k, stop, t->keys));
}

void attention_clear(const AttentionTile *t, LoopBuffer *scores, LoopExpr *shown) {
  LoopKernel *k = t->a->l->kernel;
  if (!t->a->causal) return;
  LoopExpr *row = loop_for(k, "j", shown, t->keys);
  loop_store(k, score_lanes(t, scores, row), loop_number(k, 0));
  loop_end(k);
}

/* ---- masks ---- */

static void hide_masked(const AttentionTile *t, LoopBuffer *scores) {
  LoopKernel *k = t->a->l->kernel;
  if (!t->a->mask) return;
  size_t scope = attention_open_extras(t);
  LoopExpr *row = loop_for(k, "j", loop_int(k, 0), t->keys);
  LoopExpr *mask = attention_extra_lanes(t, t->a->mask, row);
  LoopExpr *score = score_lanes(t, scores, row);
  loop_store(k, score, attention_masked(t->a, score, mask));
  loop_end(k);
  attention_close_extras(t, scope);
}

/* Keys behind their query, in blocks that hold some. */
static void hide_later(const AttentionTile *t, LoopBuffer *scores) {
  LoopKernel *k = t->a->l->kernel;
  if (!t->a->causal) return;
  LoopExpr *last = loop_add(k, loop_add(k, t->first, t->column), t->a->ahead);
  LoopExpr *all = loop_sub(k, loop_add(k, last, loop_int(k, 1)), t->key); /* see the keys before */
  LoopExpr *lane = loop_iota(k, loop_literal(k, LOOP_I32, 0), t->a->columns);
  LoopExpr *row = loop_for(k, "j", loop_let(k, "all", attention_clamped(k, all, t->keys)), t->keys);
  LoopExpr *least = loop_sub(k, loop_add(k, t->key, row), last);
  LoopExpr *sees = loop_ge(k, lane, loop_cast(k, least, LOOP_I32));
  LoopExpr *score = score_lanes(t, scores, row);
  loop_store(k, score, loop_select(k, sees, score, loop_number(k, -INFINITY)));
  loop_end(k);
}

void attention_hide(const AttentionTile *t, LoopBuffer *scores) {
  hide_masked(t, scores);
  hide_later(t, scores);
}
