/* lower_top_k.c - the k greatest along an axis: kept in a heap, which lies in the results, with the
 * worst of them at its root, so that an element that is no better costs one comparison; then the
 * heap is taken apart from its root into the last places. k log n steps for a whole sort, and no
 * further memory. Equal elements come in the order of their indices. */
#include "backend/families.h"

typedef struct {
  LoopExpr *value, *at;
} HeapElement;

typedef struct {
  Region *r;
  const Value *x;
  int axis;
  Index *index;               /* of the row; [axis] is set for each access */
  LoopExpr *pos, *size;       /* where an element sinks from, and in how large a heap */
  LoopExpr *value, *value_at; /* that element */
  int64_t most_levels;
} Heap;

static HeapElement heap_load(Heap *h, LoopExpr *place) {
  h->index[h->axis] = index_scalar(place);
  HeapElement e;
  for (int i = 0; i < 2; i++)
    *(i ? &e.at : &e.value) = region_load(h->r, region_result_buffer(h->r, i), h->r->op->results[i],
                                          h->x->type.rank, h->index);
  return e;
}

static void heap_store(Heap *h, LoopExpr *place, HeapElement e) {
  h->index[h->axis] = index_scalar(place);
  region_store(h->r, region_result_buffer(h->r, 0), h->x->type.rank, h->index, e.value);
  region_store(h->r, region_result_buffer(h->r, 1), h->x->type.rank, h->index, e.at);
}

static LoopExpr *operand_at(Heap *h, LoopExpr *place) {
  h->index[h->axis] = index_scalar(place);
  return region_value(h->r, h->x, h->index);
}

static LoopExpr *alike(LoopKernel *k, LoopExpr *x, LoopExpr *y) {
  LoopExpr *equal = loop_eq(k, x, y);
  if (!loop_element_is_float(loop_type(x).element)) return equal;
  return loop_or(k, equal, loop_and(k, loop_ne(k, x, x), loop_ne(k, y, y)));
}

static LoopExpr *comes_after(LoopKernel *k, HeapElement a, HeapElement b) {
  LoopExpr *later = loop_and(k, alike(k, a.value, b.value), loop_gt(k, a.at, b.at));
  return loop_let(k, "after", loop_or(k, region_beats(k, b.value, a.value), later));
}

static void sinks(Heap *h, LoopExpr *pos, LoopExpr *size, LoopExpr *value, LoopExpr *at) {
  LoopKernel *k = h->r->k;
  loop_set(k, h->pos, pos);
  loop_set(k, h->size, size);
  loop_set(k, h->value, value);
  loop_set(k, h->value_at, at);
}

/* The element goes down until what is below comes before it; that moves up. */
static void sink(Heap *h) {
  LoopKernel *k = h->r->k;
  LoopExpr *one = loop_int(k, 1);
  loop_if(k, loop_gt(k, h->size, loop_int(k, 0)));
  loop_for(k, "level", loop_int(k, 0), loop_int(k, h->most_levels));
  LoopExpr *left = loop_let(k, "left", loop_add(k, loop_add(k, h->pos, h->pos), one));
  loop_if(k, loop_lt(k, left, h->size));
  LoopExpr *right =
      loop_let(k, "right", loop_min(k, loop_add(k, left, one), loop_sub(k, h->size, one)));
  HeapElement a = heap_load(h, left), b = heap_load(h, right), worse;
  LoopExpr *other = comes_after(k, b, a);
  worse.value = loop_let(k, "worse", loop_select(k, other, b.value, a.value));
  worse.at = loop_let(k, "worse_at", loop_select(k, other, b.at, a.at));
  loop_if(k, comes_after(k, worse, (HeapElement){h->value, h->value_at}));
  heap_store(h, h->pos, worse);
  loop_set(k, h->pos, loop_select(k, other, right, left));
  loop_otherwise(k);
  loop_set(k, h->size, loop_int(k, 0)); /* no further level */
  loop_end(k);
  loop_end(k);
  loop_end(k);
  heap_store(h, h->pos, (HeapElement){h->value, h->value_at});
  loop_end(k);
}

/* One loop, so that what sinks is code once: k/2 turns that make a heap of the first k, n - k that
 * let others in, k - 1 that take it apart. */
static void turn_of(Heap *h, LoopExpr *turn, LoopExpr *count, LoopExpr *n) {
  LoopKernel *k = h->r->k;
  LoopExpr *one = loop_int(k, 1), *zero = loop_int(k, 0);
  LoopExpr *half = loop_let(k, "half", loop_div(k, count, loop_int(k, 2)));
  loop_if(k, loop_lt(k, turn, half));
  LoopExpr *pos = loop_let(k, "pos", loop_sub(k, loop_sub(k, half, one), turn));
  HeapElement own = heap_load(h, pos);
  sinks(h, pos, count, own.value, own.at);
  loop_otherwise(k);
  LoopExpr *j = loop_let(k, "j", loop_add(k, loop_sub(k, turn, half), count));
  loop_if(k, loop_lt(k, j, n));
  size_t scope = region_push(h->r);
  LoopExpr *next = operand_at(h, j);
  HeapElement root = heap_load(h, zero);
  LoopExpr *enters = loop_let(k, "enters", region_beats(k, next, root.value));
  sinks(h, zero, loop_select(k, enters, count, zero), next, j);
  region_pop(h->r, scope);
  loop_otherwise(k);
  LoopExpr *left = loop_let(k, "left", loop_sub(k, loop_sub(k, loop_add(k, n, count), j), one));
  HeapElement first = heap_load(h, zero), last = heap_load(h, left);
  heap_store(h, left, first);
  sinks(h, zero, left, last.value, last.at);
  loop_end(k);
  loop_end(k);
}

static int64_t levels_of(int64_t count) {
  int64_t levels = 1;
  while (count > 1) count /= 2, levels++;
  return levels;
}

void lower_top_k(Lowering *l) {
  LoopKernel *k = l->kernel;
  Region r = region_open(k, l->op, l->target, l->dims);
  Index index[MOST_AXES];
  const Dim *size = op_attribute(l->op, ATTRIBUTE_k)->dim;
  Heap h = {
      .r = &r, .x = l->op->operands[0], .index = index, .most_levels = levels_of(dim_max(size))};
  h.axis = (int)op_integer(l->op, ATTRIBUTE_axis);
  l->algorithm = "heap";
  index_open_rows(l, &h.x->type, h.axis, index);
  LoopExpr *count = loop_let(k, "count", dim_expr(k, size));
  LoopExpr *n = loop_let(k, "n", dim_expr(k, h.x->type.dims[h.axis])), *zero = loop_int(k, 0);
  size_t scope = region_push(&r);
  LoopExpr *j = loop_for(k, "j", zero, count);
  heap_store(&h, j, (HeapElement){operand_at(&h, j), j});
  loop_end(k);
  region_pop(&r, scope);
  LoopElement e = compute_element(h.x->type.element);
  h.pos = loop_var(k, "at", LOOP_I64, 1, zero);
  h.size = loop_var(k, "size", LOOP_I64, 1, zero);
  h.value = loop_var(k, "value", e, 1, loop_literal(k, e, 0));
  h.value_at = loop_var(k, "value_at", LOOP_I64, 1, zero);
  LoopExpr *turns = loop_sub(k, loop_add(k, loop_div(k, count, loop_int(k, 2)), n), loop_int(k, 1));
  LoopExpr *turn = loop_for(k, "turn", zero, turns);
  turn_of(&h, turn, count, n);
  sink(&h);
  loop_end(k);
  loop_end(k);
}
