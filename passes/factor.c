/* factor - makes of a sum, all of whose terms have the gradient that arrives as a factor, one
 * product with it.
 *
 *   before  the loss ..   %2 = mul %dy, %a   %3 = mul %dy, %b   %4 = mul %3, %c   %5 = add %2, %4
 *   after   %6 = mul %b, %c   %7 = add %a, %6   .. the loss ..   %5 = mul %dy, %7
 *
 * Gradients of activations that read their operand several times (GELU, SiLU) arrive so. What
 * stands by the factor depends on the forward part alone, and is put there: `recompute` then may
 * keep it, one value, instead of all that it is made of, and the product that makes %dy has a short
 * epilogue. Results differ by rounding alone.
 *
 * For each value of the backward part the operations that are linear in it: each is looked at once
 * for each value that reaches it by fewer than `most` of them. */
#include "passes/cost.h"
#include "passes/dce.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

enum { MOST = 48, FEWEST = 4 }; /* operations of a sum, with its terms */

/* Smaller ones are no trouble. */
static const double small_bytes = 4096;

typedef struct {
  Arena *arena;
  Function *function;
  Uses uses;
  int end;          /* the forward part's operations are before it */
  bool *is_forward; /* of an operation: it depends on the forward part alone */
  int *source;      /* of one that does: the last one of the forward part that it is made from */
  bool *is_taken;   /* belongs to a sum that was replaced */
  int *stamp;       /* of an operation: the value that it is linear in was number .. */
  Value **moved;    /* what stands for a forward value of the backward part; for the sum at hand: */
  const Value *by;  /* the factor, */
  Op *sum, *place;  /* the sum, and what the other factor is put before */
  VEC(Op *) members; /* linear in `by`, in order */
  VEC(Op *) terms;   /* those that the sum is made of, itself among them */
  int count;
} Factor;

/* ---- what is linear ---- */

static bool is_linear_in(const Factor *f, const Value *value) {
  return value == f->by || (value->op && f->stamp[value->op->mark] == f->by->mark + 1);
}

static bool is_forward(const Factor *f, const Value *value) {
  return !value->op || f->is_forward[value->op->mark];
}

static bool is_linear(const Factor *f, const Op *op) {
  if (f->is_taken[op->mark] || op->result_count != 1 || op->region) return false;
  if (!type_equal(&op_result(op)->type, &f->by->type)) return false;
  switch (op->kind) {
  case OP_neg:
    return true;
  case OP_add:
  case OP_sub:
    return is_linear_in(f, op->operands[0]) && is_linear_in(f, op->operands[1]);
  case OP_mul: {
    bool first = is_linear_in(f, op->operands[0]);
    return first != is_linear_in(f, op->operands[1]) && is_forward(f, op->operands[first]);
  }
  case OP_div:
    return is_linear_in(f, op->operands[0]) && is_forward(f, op->operands[1]);
  default:
    return false;
  }
}

/* The operations linear in `by`, up to `MOST` of them. */
static void find_members(Factor *f) {
  VEC(int) next = {0};
  f->members.count = 0;
  for (int i = 0; i < use_count(&f->uses, f->by); i++)
    if (use_at(&f->uses, f->by, i))
      vec_push(f->arena, &next, (int)use_at(&f->uses, f->by, i)->mark);
  while (next.count > 0 && f->members.count < MOST) {
    size_t least = 0, kept = 0;
    for (size_t i = 1; i < next.count; i++)
      if (next.items[i] < next.items[least]) least = i;
    int number = next.items[least];
    for (size_t i = 0; i < next.count; i++)
      if (next.items[i] != number) next.items[kept++] = next.items[i];
    next.count = kept;
    Op *op = f->uses.ops[number];
    if (!is_linear(f, op)) continue;
    f->stamp[number] = f->by->mark + 1;
    vec_push(f->arena, &f->members, op);
    const Value *made = op_result(op);
    for (int i = 0; i < use_count(&f->uses, made); i++)
      if (use_at(&f->uses, made, i))
        vec_push(f->arena, &next, (int)use_at(&f->uses, made, i)->mark);
  }
}

static bool is_term(const Factor *f, const Op *op) {
  for (size_t i = 0; i < f->terms.count; i++)
    if (f->terms.items[i] == op) return true;
  return false;
}

/* What the sum is made of; false if something of it is used elsewhere. */
static bool find_terms(Factor *f) {
  f->terms.count = 0;
  vec_push(f->arena, &f->terms, f->sum);
  for (size_t i = 0; i < f->terms.count; i++)
    for (int k = 0; k < f->terms.items[i]->operand_count; k++) {
      Value *x = f->terms.items[i]->operands[k];
      if (x != f->by && is_linear_in(f, x) && !is_term(f, x->op))
        vec_push(f->arena, &f->terms, x->op);
    }
  for (size_t i = 1; i < f->terms.count; i++) {
    const Value *made = op_result(f->terms.items[i]);
    for (int k = 0; k < use_count(&f->uses, made); k++) {
      const Op *user = use_at(&f->uses, made, k);
      if (!user || !is_term(f, user)) return false;
    }
  }
  return f->terms.count >= FEWEST;
}

/* ---- the other factor ---- */

static bool find_place(Factor *f) {
  int last = -1;
  for (size_t i = 0; i < f->terms.count; i++)
    for (int k = 0; k < f->terms.items[i]->operand_count; k++) {
      const Value *x = f->terms.items[i]->operands[k];
      int source = is_linear_in(f, x) || !x->op ? -1 : f->source[x->op->mark];
      last = source > last ? source : last;
    }
  f->place = last >= 0 && last + 1 < f->end ? f->uses.ops[last + 1] : NULL;
  return f->place != NULL;
}

/* A forward value where the factor is made. */
static Value *bring(Factor *f, Builder *b, Value *value) {
  if (!value->op || (int)value->op->mark < f->end) return value_follow(value);
  Value **moved = &f->moved[value->op->mark];
  if (*moved) return *moved;
  const Op *op = value->op;
  Value *operands[MOST_AXES];
  for (int i = 0; i < op->operand_count; i++) operands[i] = bring(f, b, op->operands[i]);
  Type type = value->type;
  Op *copy = op_new(f->function, op->kind, operands, op->operand_count, op->attributes, &type, 1);
  copy->at = b->at;
  copy->layer = b->layer;
  op_insert_before(f->place, copy);
  return *moved = op_result(copy);
}

/* The term without `by`; NULL: it is 1. */
static Value *without(Factor *f, Builder *b, Value *value) {
  if (value == f->by) return NULL;
  Op *op = value->op;
  Element element = value->type.element;
  Value **made = &f->moved[op->mark];
  if (*made) return *made;
  bool first = is_linear_in(f, op->operands[0]);
  Value *x = first ? without(f, b, op->operands[0]) : bring(f, b, op->operands[0]);
  if (op->kind == OP_neg)
    return *made = x ? build_unary(b, OP_neg, x) : build_number(b, element, -1);
  bool second = is_linear_in(f, op->operands[1]);
  Value *y = second ? without(f, b, op->operands[1]) : bring(f, b, op->operands[1]);
  if (op->kind == OP_mul && !(x && y)) return *made = x ? x : y;
  if (!x) x = build_number(b, element, 1);
  if (!y) y = build_number(b, element, 1);
  return *made = build_binary(b, op->kind, x, y);
}

static void replace_sum(Factor *f) {
  Builder b = builder_before(f->place);
  b.at = f->sum->at;
  Value *other = without(f, &b, op_result(f->sum));
  for (size_t i = 0; i < f->terms.count; i++) f->is_taken[f->terms.items[i]->mark] = true;
  for (int i = 0; i < f->uses.op_count; i++) f->moved[i] = NULL;
  b = builder_before(f->sum);
  op_replace(f->sum, build_binary(&b, OP_mul, value_follow((Value *)f->by), other), true);
  f->count++;
}

static void factor_value(Factor *f, const Value *by) {
  double bytes = type_elements(&by->type) * element_infos[by->type.element].bytes;
  if (!element_is_float(by->type.element) || bytes <= small_bytes || use_count(&f->uses, by) < 2)
    return;
  f->by = by;
  find_members(f);
  for (size_t i = f->members.count; i-- > 0;) {
    f->sum = f->members.items[i];
    bool adds = f->sum->kind == OP_add || f->sum->kind == OP_sub;
    if (adds && find_terms(f) && find_place(f)) {
      replace_sum(f);
      return;
    }
  }
}

/* ---- the pass ---- */

static void find_forward(Factor *f) {
  for (int i = 0; i < f->uses.op_count; i++) {
    const Op *op = f->uses.ops[i];
    bool can = op->kind == OP_constant || operator_has(op->kind, TRAIT_ELEMENTWISE);
    can = can && op->result_count == 1 && !op->region && op->operand_count <= MOST_AXES;
    f->source[i] = i < f->end ? i : -1;
    for (int k = 0; can && i >= f->end && k < op->operand_count; k++) {
      const Op *from = op->operands[k]->op;
      can = is_forward(f, op->operands[k]);
      if (from && f->source[from->mark] > f->source[i]) f->source[i] = f->source[from->mark];
    }
    f->is_forward[i] = i < f->end || can;
  }
}

static int factor_function(Function *function, Arena *arena) {
  const Block *body = function->body;
  const Op *loss = body->yield_count > 0 ? body->yields[0]->op : NULL;
  if (function->kind != FUNCTION_TRAIN || !loss) return 0;
  for (const Op *op = body->first; op; op = op->next)
    if (op->kind == OP_checkpoint) return 0; /* it says what is kept */
  Factor f = {.arena = arena, .function = function, .uses = uses_of(arena, function)};
  size_t count = (size_t)f.uses.op_count + 1;
  f.end = (int)loss->mark + 1;
  f.is_forward = ARENA_ARRAY(arena, count, bool);
  f.source = ARENA_ARRAY(arena, count, int);
  f.is_taken = ARENA_ARRAY(arena, count, bool);
  f.stamp = ARENA_ARRAY(arena, count, int);
  f.moved = ARENA_ARRAY(arena, count, Value *);
  find_forward(&f);
  for (int i = f.end; i < f.uses.op_count; i++) {
    const Op *op = f.uses.ops[i];
    if (op->result_count == 1 && !f.is_forward[i] && !f.is_taken[i])
      factor_value(&f, op_result(op));
  }
  if (f.count == 0) return 0;
  graph_resolve(function);
  dce_function(function);
  return f.count;
}

bool pass_factor(PassContext *context) {
  int count = 0;
  for (size_t i = 0; i < context->module->functions.count; i++)
    count += factor_function(context->module->functions.items[i], context->scratch);
  if (count > 0)
    context->effect =
        arena_format(context->module->arena, "%d sum%s", count, count == 1 ? "" : "s");
  return true;
}
