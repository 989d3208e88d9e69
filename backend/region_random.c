/* region_random.c - the operator `random` in kernels: Philox 4x32-10 in 64-bit integers, the same
 * numbers as ir/random.h defines. The seed and the number of the entry's call come as two more dims
 * after the module's own, and the trips of loops after the calls of all entries (runtime/model.h).
 */
#include "backend/region.h"

typedef struct {
  LoopKernel *k;
  LoopExpr *word[4]; /* i64, each below 2^32; scalars or vectors */
} Words;

static LoopExpr *number(LoopKernel *k, int64_t value) {
  return loop_int(k, value);
}

static LoopExpr *low(LoopKernel *k, LoopExpr *x) {
  return loop_and(k, x, number(k, 0xffffffff));
}

static LoopExpr *high(LoopKernel *k, LoopExpr *x) {
  return loop_binary(k, LOOP_SHR, x, number(k, 32));
}

static LoopExpr *either(LoopKernel *k, LoopExpr *a, LoopExpr *b) {
  return loop_binary(k, LOOP_XOR, a, b);
}

static Words philox(LoopKernel *k, LoopExpr *k0, LoopExpr *k1, Words c) {
  enum { ROUNDS = 10 };
  for (int round = 0; round < ROUNDS; round++) {
    LoopExpr *a = loop_let(k, "a", loop_mul(k, c.word[0], number(k, 0xD2511F53)));
    LoopExpr *b = loop_let(k, "b", loop_mul(k, c.word[2], number(k, 0xCD9E8D57)));
    Words next = {.k = k};
    next.word[0] = loop_let(k, "c", either(k, either(k, high(k, b), c.word[1]), k0));
    next.word[1] = low(k, b);
    next.word[2] = loop_let(k, "c", either(k, either(k, high(k, a), c.word[3]), k1));
    next.word[3] = low(k, a);
    c = next;
    k0 = loop_let(k, "key", low(k, loop_add(k, k0, number(k, 0x9E3779B9))));
    k1 = loop_let(k, "key", low(k, loop_add(k, k1, number(k, 0xBB67AE85))));
  }
  return c;
}

static int scans_around(const Op *op) {
  int scans = 0;
  for (; op; op = op->block ? op->block->op : NULL) scans += op->kind == OP_scan;
  return scans;
}

LoopExpr *region_random(Region *r, const Op *op, LoopExpr *element, LoopExpr *within) {
  LoopKernel *k = r->k;
  int slots = dim_symbol_count(r->dims);
  LoopExpr *seed = loop_dim(k, "seed", slots), *call = loop_dim(k, "call", slots + 1);
  const Dim *place = op_attribute(op, ATTRIBUTE_site)->dim;
  LoopExpr *site = dim_is_constant(place) ? loop_given(k, dim_value(place)) : dim_expr(k, place);
  Words start = {.k = k, .word = {low(k, site), high(k, site), low(k, call), high(k, call)}};
  Words stream = philox(k, low(k, seed), high(k, seed), start);
  for (int i = 0; i < 4; i++) stream.word[i] = loop_let(k, "stream", stream.word[i]);
  if (op->block) slots += 2 + (int)op->block->function->module->functions.count;
  for (int scan = 0, scans = scans_around(op); scan < scans; scan++) {
    LoopExpr *trip = loop_dim(k, "trip", slots + scan);
    Words counter = {.word = {low(k, trip), high(k, trip), stream.word[2], stream.word[3]}};
    stream = philox(k, stream.word[0], stream.word[1], counter);
    for (int i = 0; i < 4; i++) stream.word[i] = loop_let(k, "stream", stream.word[i]);
  }
  LoopExpr *block = loop_let(k, "block", loop_binary(k, LOOP_SHR, element, number(k, 2)));
  LoopExpr *which = within ? within : loop_let(k, "which", loop_and(k, element, number(k, 3)));
  Words counter = {.word = {low(k, block), high(k, block), stream.word[2], stream.word[3]}};
  Words bits = philox(k, stream.word[0], stream.word[1], counter);
  LoopExpr *result = bits.word[3];
  for (int i = 2; i >= 0; i--)
    result = loop_select(k, loop_eq(k, which, number(k, i)), bits.word[i], result);
  Element type = op->results[0]->type.element;
  int kept = type == ELEMENT_bf16 ? 8 : type == ELEMENT_f16 ? 11 : 24;
  LoopExpr *top = loop_binary(k, LOOP_SHR, result, number(k, 32 - kept));
  LoopElement e = compute_element(type);
  top = loop_cast(k, top, LOOP_I32); /* which turns to floats in one instruction */
  return loop_mul(k, loop_cast(k, top, e), loop_literal(k, e, 1.0 / (double)(1 << kept)));
}
