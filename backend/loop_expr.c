/* loop_expr.c - expressions of the loop IR: their types, and folding of integer literals. */
#include "backend/loop.h"

#include "support/bug.h"

#include <math.h>

typedef enum { SAME, BOOL, PICK, LAST, FLOAT } Result;
static const struct {
  const char *text;
  int operands;
  Result result;
} ops[LOOP_OPS] = {
#define LOOP_OP(name, text, operands, notation, result) {text, operands, result},
#include "backend/loop_ops.def"
#undef LOOP_OP
};

LoopType loop_type(const LoopExpr *a) {
  return a->type;
}

static LoopExpr *make(LoopKernel *k, LoopExprKind kind, LoopElement element, int lanes) {
  LoopExpr *expr = ARENA_NEW(k->arena, LoopExpr);
  expr->kind = kind;
  expr->type = (LoopType){element, lanes};
  return expr;
}

static LoopExpr *literal(LoopKernel *k, LoopElement element, int64_t integer, double number,
                         bool soft) {
  LoopExpr *expr = make(k, LOOP_EXPR_LITERAL, element, 1);
  expr->integer = integer;
  expr->natural = integer >= 0;
  expr->number = number;
  expr->soft = soft;
  return expr;
}

LoopExpr *loop_int(LoopKernel *k, int64_t value) {
  return literal(k, LOOP_I64, value, (double)value, true);
}

static int64_t to_integer(double value) {
  if (!(value > -0x1p63 && value < 0x1p63)) return value > 0 ? INT64_MAX : INT64_MIN;
  return (int64_t)value;
}

LoopExpr *loop_number(LoopKernel *k, double value) {
  return literal(k, LOOP_F32, isnan(value) ? 0 : to_integer(value), value, true);
}

LoopExpr *loop_literal(LoopKernel *k, LoopElement element, double value) {
  return literal(k, element, isnan(value) ? 0 : to_integer(value), value, false);
}

bool loop_is_int(const LoopExpr *a, int64_t *value) {
  if (a->kind != LOOP_EXPR_LITERAL || a->type.element != LOOP_I64) return false;
  *value = a->integer;
  return true;
}

LoopExpr *loop_dim(LoopKernel *k, const char *name, int slot) {
  for (size_t i = 0; i < k->dims.count; i++)
    if (k->dims.items[i]->slot == slot) return k->dims.items[i];
  LoopExpr *dim = make(k, LOOP_EXPR_DIM, LOOP_I64, 1);
  dim->name = name;
  dim->natural = true;
  dim->slot = slot;
  vec_push(k->arena, &k->dims, dim);
  return dim;
}

LoopExpr *loop_given(LoopKernel *k, int64_t value) {
  for (size_t i = 0; i < k->given.count; i++)
    if (k->given.items[i]->integer == value) return k->given.items[i];
  LoopExpr *given = make(k, LOOP_EXPR_GIVEN, LOOP_I64, 1);
  given->slot = (int)k->given.count;
  given->integer = value;
  given->name = arena_format(k->arena, "given%d", given->slot);
  vec_push(k->arena, &k->given, given);
  return given;
}

bool loop_mentions(const LoopExpr *a, const LoopExpr *what) {
  if (!a) return false;
  if (a == what) return true;
  if (a->kind == LOOP_EXPR_REGISTER) return !a->reg->is_set && loop_mentions(a->reg->value, what);
  if (a->kind == LOOP_EXPR_ACCESS) {
    const LoopAccess *access = a->access;
    for (int axis = 0; axis < access->buffer->rank; axis++)
      if (loop_mentions(access->index[axis], what)) return true;
    return loop_mentions(access->bound, what) || loop_mentions(access->mask, what) ||
           loop_mentions(access->other, what);
  }
  for (int i = 0; i < 3; i++)
    if (loop_mentions(a->args[i], what)) return true;
  return false;
}

/* ---- operators ---- */

static LoopExpr *harden(LoopKernel *k, LoopExpr *a, LoopElement element) {
  return a->soft ? literal(k, element, a->integer, a->number, false) : a;
}

/* Gives both one element, if a literal stands between them. */
static void meet(LoopKernel *k, LoopOp op, LoopExpr **a, LoopExpr **b) {
  LoopElement x = (*a)->type.element, y = (*b)->type.element;
  if ((*a)->soft && (*b)->soft) {
    if (x != y) {
      *a = loop_number(k, (*a)->number);
      *b = loop_number(k, (*b)->number);
    }
  } else if ((*a)->soft) {
    *a = harden(k, *a, y);
  } else if ((*b)->soft) {
    *b = harden(k, *b, x);
  } else if (x != y) {
    bug("loop: '%s' of %s and %s", ops[op].text, loop_element_name(x), loop_element_name(y));
  }
  int m = (*a)->type.lanes, n = (*b)->type.lanes;
  if (m != n && m != 1 && n != 1) bug("loop: '%s' of %d and %d lanes", ops[op].text, m, n);
}

static int wider(const LoopExpr *a, const LoopExpr *b) {
  return a->type.lanes > b->type.lanes ? a->type.lanes : b->type.lanes;
}

static void check_computes(LoopOp op, LoopElement element) {
  if (element == LOOP_F16 || element == LOOP_BF16)
    bug("loop: '%s' of %s, which is for storage", ops[op].text, loop_element_name(element));
}

static int64_t floor_div(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return (int64_t)(0 - (uint64_t)a);
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* a op b of literals that are i64; NULL if it is not folded. */
static LoopExpr *fold(LoopKernel *k, LoopOp op, LoopExpr *a, LoopExpr *b) {
  int64_t x, y;
  if (!loop_is_int(a, &x) || !loop_is_int(b, &y)) return NULL;
  uint64_t u = (uint64_t)x, v = (uint64_t)y;
  switch (op) {
  case LOOP_ADD:
    return loop_int(k, (int64_t)(u + v));
  case LOOP_SUB:
    return loop_int(k, (int64_t)(u - v));
  case LOOP_MUL:
    return loop_int(k, (int64_t)(u * v));
  case LOOP_DIV:
    return loop_int(k, floor_div(x, y));
  case LOOP_MOD:
    return loop_int(k, (int64_t)(u - v * (uint64_t)floor_div(x, y)));
  case LOOP_MIN:
    return loop_int(k, x < y ? x : y);
  case LOOP_MAX:
    return loop_int(k, x > y ? x : y);
  default:
    return NULL;
  }
}

/* i64 identities, so that indices read and address well. */
static LoopExpr *simplify(LoopKernel *k, LoopOp op, LoopExpr *a, LoopExpr *b) {
  if (a->type.element != LOOP_I64 || a->type.lanes != 1 || b->type.lanes != 1) return NULL;
  LoopExpr *folded = fold(k, op, a, b);
  if (folded) return folded;
  int64_t c, d;
  bool left = loop_is_int(a, &c);
  if (left && (op == LOOP_ADD || op == LOOP_MUL) && c == (op == LOOP_MUL)) return b;
  if (left && op == LOOP_MUL && c == 0) return loop_int(k, 0);
  if (left && op == LOOP_ADD) return loop_add(k, b, a);
  if (!loop_is_int(b, &c)) return NULL;
  if ((op == LOOP_ADD || op == LOOP_SUB) && c == 0) return a;
  if ((op == LOOP_MUL || op == LOOP_DIV) && c == 1) return a;
  if ((op == LOOP_MUL && c == 0) || (op == LOOP_MOD && c == 1)) return loop_int(k, 0);
  if (op == LOOP_MUL) return loop_mul(k, b, a); /* literals stand left in products, right in sums */
  if (op == LOOP_SUB && c != INT64_MIN) return loop_add(k, a, loop_int(k, -c));
  if (op == LOOP_ADD && a->kind == LOOP_EXPR_OP && a->op == LOOP_ADD && loop_is_int(a->args[1], &d))
    return loop_add(k, a->args[0], loop_int(k, (int64_t)((uint64_t)c + (uint64_t)d)));
  return NULL;
}

LoopExpr *loop_binary(LoopKernel *k, LoopOp op, LoopExpr *a, LoopExpr *b) {
  if (ops[op].operands != 2) bug("loop: '%s' is not binary", ops[op].text);
  bool both_soft = a->soft && b->soft;
  LoopExpr *whole = both_soft ? fold(k, op, a, b) : NULL;
  if (whole) return whole;
  meet(k, op, &a, &b);
  check_computes(op, a->type.element);
  LoopExpr *simple = simplify(k, op, a, b);
  if (simple) return simple;
  LoopElement element = ops[op].result == BOOL ? LOOP_BOOL : a->type.element;
  LoopExpr *expr = make(k, LOOP_EXPR_OP, element, wider(a, b));
  expr->op = op;
  expr->args[0] = a;
  expr->args[1] = b;
  bool monotone = op == LOOP_ADD || op == LOOP_MUL || op == LOOP_DIV || op == LOOP_MIN;
  expr->natural = element == LOOP_I64 &&
                  ((monotone && a->natural && b->natural) || (op == LOOP_MOD && b->natural) ||
                   (op == LOOP_MAX && (a->natural || b->natural)));
  return expr;
}

LoopExpr *loop_unary(LoopKernel *k, LoopOp op, LoopExpr *a) {
  if (ops[op].operands != 1) bug("loop: '%s' is not unary", ops[op].text);
  check_computes(op, a->type.element);
  if (op >= LOOP_FLOOR && !loop_element_is_float(a->type.element))
    bug("loop: '%s' of %s", ops[op].text, loop_element_name(a->type.element));
  LoopExpr *expr = make(k, LOOP_EXPR_OP, a->type.element, a->type.lanes);
  expr->op = op;
  expr->args[0] = a;
  return expr;
}

LoopExpr *loop_fma(LoopKernel *k, LoopExpr *a, LoopExpr *b, LoopExpr *c) {
  meet(k, LOOP_FMA, &a, &b);
  meet(k, LOOP_FMA, &a, &c);
  meet(k, LOOP_FMA, &b, &c);
  check_computes(LOOP_FMA, a->type.element);
  int lanes = wider(a, b);
  LoopExpr *expr =
      make(k, LOOP_EXPR_OP, a->type.element, lanes > c->type.lanes ? lanes : c->type.lanes);
  expr->op = LOOP_FMA;
  expr->args[0] = a;
  expr->args[1] = b;
  expr->args[2] = c;
  return expr;
}

LoopExpr *loop_dot2(LoopKernel *k, LoopExpr *a, LoopExpr *b, LoopExpr *c) {
  meet(k, LOOP_DOT2, &a, &b);
  if (a->type.element != LOOP_I32 || c->type.element != LOOP_F32) bug("loop: 'dot2' of no pairs");
  int lanes = wider(a, b);
  if (c->type.lanes != lanes && c->type.lanes != 1 && lanes != 1)
    bug("loop: 'dot2' of %d and %d lanes", lanes, c->type.lanes);
  LoopExpr *expr = make(k, LOOP_EXPR_OP, LOOP_F32, lanes > c->type.lanes ? lanes : c->type.lanes);
  expr->op = LOOP_DOT2;
  expr->args[0] = a;
  expr->args[1] = b;
  expr->args[2] = c;
  return expr;
}

LoopExpr *loop_half(LoopKernel *k, LoopExpr *words, LoopExpr *which) {
  if (words->kind != LOOP_EXPR_ACCESS || words->type.element != LOOP_I32)
    bug("loop: 'half' of what are no words in memory");
  LoopExpr *expr = make(k, LOOP_EXPR_OP, LOOP_F32, words->type.lanes);
  expr->op = LOOP_HALF;
  expr->args[0] = words;
  expr->args[1] = which;
  return expr;
}

LoopExpr *loop_select(LoopKernel *k, LoopExpr *condition, LoopExpr *yes, LoopExpr *no) {
  if (condition->type.element != LOOP_BOOL) bug("loop: 'select' by what is no bool");
  meet(k, LOOP_SELECT, &yes, &no);
  int lanes = wider(yes, no), by = condition->type.lanes;
  if (by != 1 && lanes != 1 && by != lanes) bug("loop: 'select' of %d and %d lanes", by, lanes);
  LoopExpr *expr = make(k, LOOP_EXPR_OP, yes->type.element, by > lanes ? by : lanes);
  expr->op = LOOP_SELECT;
  expr->args[0] = condition;
  expr->args[1] = yes;
  expr->args[2] = no;
  return expr;
}

/* ---- conversions and lanes ---- */

static LoopExpr *convert(LoopKernel *k, LoopExprKind kind, LoopExpr *a, LoopElement element,
                         int lanes) {
  LoopExpr *expr = make(k, kind, element, lanes);
  expr->args[0] = a;
  return expr;
}

LoopExpr *loop_cast(LoopKernel *k, LoopExpr *a, LoopElement to) {
  if (a->soft) return harden(k, a, to);
  if (a->type.element == to) return a;
  return convert(k, LOOP_EXPR_CAST, a, to, a->type.lanes);
}

LoopExpr *loop_bits(LoopKernel *k, LoopExpr *a, LoopElement to) {
  if (loop_element_bytes(a->type.element) != loop_element_bytes(to) || to == LOOP_BOOL ||
      a->type.element == LOOP_BOOL)
    bug("loop: bits of %s as %s", loop_element_name(a->type.element), loop_element_name(to));
  return convert(k, LOOP_EXPR_BITS, a, to, a->type.lanes);
}

LoopExpr *loop_splat(LoopKernel *k, LoopExpr *a, int lanes) {
  if (a->type.lanes != 1) bug("loop: a vector is broadcast");
  return convert(k, LOOP_EXPR_SPLAT, a, a->type.element, lanes);
}

LoopExpr *loop_iota(LoopKernel *k, LoopExpr *first, int lanes) {
  if (first->type.lanes != 1 || loop_element_is_float(first->type.element))
    bug("loop: lanes count in integers");
  LoopExpr *expr = convert(k, LOOP_EXPR_IOTA, first, first->type.element, lanes);
  expr->natural = first->natural && first->type.element == LOOP_I64;
  return expr;
}

LoopExpr *loop_inside(LoopKernel *k, LoopExpr *variable, int lanes) {
  if (variable->kind != LOOP_EXPR_VARIABLE) bug("loop: lanes inside of what is no loop");
  return convert(k, LOOP_EXPR_INSIDE, variable, LOOP_BOOL, lanes);
}

LoopExpr *loop_lane(LoopKernel *k, LoopExpr *vector, LoopExpr *lane) {
  LoopExpr *expr = convert(k, LOOP_EXPR_LANE, vector, vector->type.element, 1);
  expr->args[1] = lane;
  return expr;
}

LoopExpr *loop_pick(LoopKernel *k, LoopExpr *vector, int lanes, const int *places) {
  LoopExpr *expr = convert(k, LOOP_EXPR_PICK, vector, vector->type.element, lanes);
  int *own = ARENA_ARRAY(k->arena, (size_t)lanes, int);
  for (int i = 0; i < lanes; i++) {
    if (places[i] < 0 || places[i] >= vector->type.lanes)
      bug("loop: lane %d of %d is picked", places[i], vector->type.lanes);
    own[i] = places[i];
  }
  expr->places = own;
  return expr;
}

LoopExpr *loop_reduce(LoopKernel *k, LoopOp op, LoopExpr *vector) {
  bool truth = op == LOOP_AND || op == LOOP_OR;
  if (!truth && op != LOOP_ADD && op != LOOP_MUL && op != LOOP_MIN && op != LOOP_MAX &&
      op != LOOP_GREATER)
    bug("loop: '%s' over lanes", ops[op].text);
  check_computes(op, vector->type.element);
  LoopExpr *expr = convert(k, LOOP_EXPR_REDUCE, vector, vector->type.element, 1);
  expr->op = op;
  return expr;
}
