/* attention - makes one operation of attention that is written out.
 *
 *   before  %1 = transpose %k {perm=[0,1,3,2]}     %2 = dot %q, %1 {..}     %3 = mul %2, 0.125
 *           %4 = where %seen, %3, -inf             %5 = softmax %4 {axis=3}   %6 = dot %5, %v {..}
 *   after   %6, %7 = attention %q, %k, %v, %seen {scale=0.125}
 *
 * Scores and probabilities then need not be in memory, in the gradient neither, which is why this
 * comes before it. The batch axes stand in front in all three. Between the products stand:
 *
 *   scores         times or divided by a number; plus or minus a bias, of any shape that broadcasts
 *                  to the scores; `where` with -inf on one side
 *   probabilities  softmax over the keys; then times or divided by numbers, times one tensor;
 *                  `where` with 0 on one side: dropout
 *
 * A comparison of the key's number with the query's that says causal becomes that attribute. What
 * lies between must have no other use. Linear. */
#include "passes/attention.h"
#include "passes/dce.h"
#include "passes/rewrite.h"

#include <math.h>

/* ---- products along the last two axes ---- */

static bool list_is(DimList list, int64_t axis) {
  return list.count == 1 && dim_is(list.items[0], axis);
}

static bool lists_lead(const AttributeValue *batch, int lead) {
  for (int side = 0; side < 2; side++) {
    DimList list = batch->lists.items[side];
    if (list.count != lead) return false;
    for (int i = 0; i < lead; i++)
      if (!dim_is(list.items[i], i)) return false;
  }
  return true;
}

/* A dot of equal ranks whose leading axes are its batch, over the last axis of x; the axis of y,
 * counted from the end, or 0. */
static int over_last(const Op *op) {
  if (!op || op->kind != OP_dot) return 0;
  int rank = op->operands[0]->type.rank;
  const AttributeValue *contract = op_attribute(op, ATTRIBUTE_contract);
  if (rank < 2 || op->operands[1]->type.rank != rank ||
      !lists_lead(op_attribute(op, ATTRIBUTE_batch), rank - 2) ||
      !list_is(contract->lists.items[0], rank - 1))
    return 0;
  if (list_is(contract->lists.items[1], rank - 1)) return 1;
  return list_is(contract->lists.items[1], rank - 2) ? 2 : 0;
}

/* The last two axes change places. */
static bool is_turned(const Op *op) {
  if (!op || op->kind != OP_transpose) return false;
  int rank = op_result(op)->type.rank;
  for (int i = 0; i < rank; i++) {
    int64_t from = i < rank - 2 ? i : i == rank - 2 ? rank - 1 : rank - 2;
    if (op_list_integer(op, ATTRIBUTE_perm, i) != from) return false;
  }
  return rank >= 2;
}

static Value *turned(Builder *b, Value *x) {
  int perm[MOST_AXES], rank = x->type.rank;
  if (is_turned(x->op)) return x->op->operands[0];
  for (int i = 0; i < rank; i++) perm[i] = i;
  perm[rank - 2] = rank - 1, perm[rank - 1] = rank - 2;
  return build_transpose(b, x, perm);
}

/* ---- what stands between ---- */

enum { MOST_STEPS = 16 };

typedef struct {
  Builder b;
  DimTable *dims;
  const Dim *queries, *keys;
  Type scores;
  Op *softmax, *product; /* of the scores */
  Op *steps[MOST_STEPS]; /* from the softmax to the product, outermost first */
  int sides[MOST_STEPS]; /* the operand that comes from the scores */
  int count;
  Value *q, *mask, *bias, *factor;
  double scale;
  bool causal;
} Match;

static bool is_once(const Value *value) {
  return value->mark == 1;
}

static bool is_number(const Value *value, double number) {
  double is;
  return value_number(value, &is) && is == number;
}

static bool same_shape(const Value *x, const Type *type) {
  Type is = x->type;
  is.element = type->element;
  return type_equal(&is, type);
}

/* The operand of an operation on scores that may be one on the way to their product; -1: none. */
static int score_side(const Match *m, const Op *op) {
  switch (op->kind) {
  case OP_where:
    if (is_number(op->operands[2], -INFINITY)) return 1;
    return is_number(op->operands[1], -INFINITY) ? 2 : -1;
  case OP_mul:
  case OP_add:
    if (op->operands[1]->op && same_shape(op->operands[1], &m->scores) &&
        !same_shape(op->operands[0], &m->scores))
      return 1;
    return 0;
  case OP_div:
  case OP_sub:
    return 0;
  default:
    return -1;
  }
}

static bool scales(const Op *op) {
  return op->kind == OP_mul || op->kind == OP_div;
}

/* From the softmax's operand to the product, which is found whichever operand of a sum it is. */
static bool find_product(Match *m, Value *value, int depth) {
  Op *op = value->op;
  if (!op || !is_once(value) || !same_shape(value, &m->scores)) return false;
  if (over_last(op) > 0) {
    m->product = op;
    m->count = depth;
    return true;
  }
  if (depth == MOST_STEPS) return false;
  int side = score_side(m, op);
  if (side < 0) return false;
  m->steps[depth] = op;
  m->sides[depth] = side;
  if (find_product(m, op->operands[side], depth + 1)) return true;
  if (op->kind != OP_add && op->kind != OP_mul) return false;
  m->steps[depth] = op;
  m->sides[depth] = 1 - side;
  return find_product(m, op->operands[1 - side], depth + 1);
}

/* ---- causal ---- */

/* rows * query + columns * key + more */
typedef struct {
  int64_t rows, columns;
  const Dim *more;
  bool fine;
} Affine;

static Affine affine_of(const Match *m, const Value *value);

static Affine affine_of_iota(const Match *m, const Op *op, int axis) {
  int last = op_result(op)->type.rank - 1 - axis;
  Affine a = {.more = dim_constant(m->dims, 0), .fine = last < 2};
  a.rows = last == 1, a.columns = last == 0;
  return a;
}

/* A reshape of what runs along one axis: the same, if but axes of size 1 were added. */
static Affine affine_of_reshape(const Match *m, const Op *op) {
  const Op *from = op->operands[0]->op;
  if (!from || from->kind != OP_iota || op->operands[0]->type.rank != 1) return (Affine){0};
  const Type *type = &op_result(op)->type;
  for (int axis = 0; axis < type->rank; axis++)
    if (!dim_is(type->dims[axis], 1)) return affine_of_iota(m, op, axis);
  return (Affine){0};
}

static Affine affine_of_sum(const Match *m, const Op *op) {
  Affine x = affine_of(m, op->operands[0]), y = affine_of(m, op->operands[1]);
  int64_t sign = op->kind == OP_add ? 1 : -1;
  if (!x.fine || !y.fine) return (Affine){0};
  const Dim *more = sign > 0 ? dim_add(m->dims, x.more, y.more) : dim_sub(m->dims, x.more, y.more);
  return (Affine){x.rows + sign * y.rows, x.columns + sign * y.columns, more, more != NULL};
}

static Affine affine_of(const Match *m, const Value *value) {
  const Op *op = value->op;
  double number;
  if (value_number(value, &number) && floor(number) == number && fabs(number) < 1e15)
    return (Affine){.more = dim_constant(m->dims, (int64_t)number), .fine = true};
  if (!op) return (Affine){0};
  switch (op->kind) {
  case OP_iota:
    return affine_of_iota(m, op, (int)op_integer(op, ATTRIBUTE_axis));
  case OP_dim_value:
    return (Affine){.more = op_attribute(op, ATTRIBUTE_value)->dim, .fine = true};
  case OP_broadcast:
    return affine_of(m, op->operands[0]); /* the last axes stay the last ones */
  case OP_reshape:
    return affine_of_reshape(m, op);
  case OP_add:
  case OP_sub:
    return affine_of_sum(m, op);
  default:
    return (Affine){0};
  }
}

/* Does `seen` (or, `hidden`, its opposite) say key <= query + (keys - queries)? */
static bool is_causal(const Match *m, const Value *seen, bool hidden) {
  const Op *op = seen->op;
  if (op && op->kind == OP_not) return is_causal(m, op->operands[0], !hidden);
  if (!op || (op->kind != OP_le && op->kind != OP_lt)) return false;
  /* not x <= y is y < x */
  bool strict = (op->kind == OP_lt) != hidden;
  Affine x = affine_of(m, op->operands[hidden]), y = affine_of(m, op->operands[!hidden]);
  if (!x.fine || !y.fine || x.rows - y.rows != -1 || x.columns - y.columns != 1) return false;
  const Dim *ahead = dim_sub(m->dims, y.more, x.more);
  if (ahead && strict) ahead = dim_sub(m->dims, ahead, dim_constant(m->dims, 1));
  const Dim *wanted = dim_sub(m->dims, m->keys, m->queries);
  return ahead && wanted && ahead == wanted;
}

/* ---- scores, from the product outwards ---- */

static Value *binary(Match *m, Operator kind, Value *x, Value *y) {
  return x ? build_binary(&m->b, kind, x, y) : y;
}

static bool take_mask(Match *m, const Op *op, int side) {
  Value *seen = op->operands[0];
  if (is_causal(m, seen, side == 2)) {
    m->causal = true;
    return true;
  }
  if (side == 2) seen = build_unary(&m->b, OP_not, seen);
  m->mask = binary(m, OP_and, m->mask, seen);
  return m->mask != NULL;
}

static bool take_scale(Match *m, const Op *op, Value *by) {
  double number;
  if (value_number(by, &number)) {
    bool divides = op->kind == OP_div;
    double scale = divides ? 1 / number : number;
    /* -inf stays where it is only under a positive factor */
    if (!isfinite(scale) || scale == 0 || (scale < 0 && (m->mask || m->bias || m->causal)))
      return false;
    m->scale *= scale;
  } else if (by->type.rank == 0 && !m->mask && !m->bias && !m->causal) {
    m->q = build_binary(&m->b, op->kind, m->q, by);
    return m->q != NULL;
  } else
    return false;
  if (!m->bias) return true;
  m->bias = build_binary(&m->b, op->kind, m->bias, by);
  return m->bias != NULL;
}

static bool take_bias(Match *m, const Op *op, int side) {
  Value *bias = op->operands[1 - side];
  if (op->kind == OP_sub) bias = build_unary(&m->b, OP_neg, bias);
  m->bias = binary(m, OP_add, m->bias, bias);
  return m->bias != NULL;
}

static bool take_steps(Match *m) {
  for (int i = m->count - 1; i >= 0; i--) {
    const Op *op = m->steps[i];
    int side = m->sides[i];
    bool ok = op->kind == OP_where ? take_mask(m, op, side)
              : scales(op)         ? take_scale(m, op, op->operands[1 - side])
                                   : take_bias(m, op, side);
    if (!ok) return false;
  }
  if (!m->bias) return true;
  if (m->bias->type.element != m->scores.element) return false;
  if (m->mask) {
    Value *lowest = build_number(&m->b, m->scores.element, -INFINITY);
    m->mask = build(&m->b, OP_where, (Value *[]){m->mask, m->bias, lowest}, 3, NULL, 0);
  } else
    m->mask = m->bias;
  return m->mask != NULL;
}

/* ---- probabilities ---- */

/* A number for numbers: what they are all multiplied with. */
static bool multiply_by(Match *m, Operator kind, Value *by) {
  Element element = m->scores.element;
  double number;
  if (!m->factor && value_number(by, &number)) {
    if (kind == OP_div) number = 1 / number;
    m->factor = build_number(&m->b, element, number);
    return isfinite(number);
  }
  if (!m->factor) {
    m->factor = by;
    return kind == OP_mul;
  }
  m->factor = build_binary(&m->b, kind, m->factor, by);
  return m->factor != NULL;
}

/* From the weights of the values inwards to the softmax; then the factor from there outwards. */
static bool find_softmax(Match *m, Value *value, int depth) {
  Op *op = value->op;
  if (!op || depth > MOST_STEPS || !is_once(value) || !same_shape(value, &m->scores)) return false;
  if (op->kind == OP_softmax) {
    m->softmax = op;
    return op_integer(op, ATTRIBUTE_axis) == m->scores.rank - 1;
  }
  if (op->kind == OP_where && is_number(op->operands[2], 0)) {
    if (!find_softmax(m, op->operands[1], depth + 1)) return false;
    Value *one = m->factor ? m->factor : build_number(&m->b, m->scores.element, 1);
    Value *none = build_number(&m->b, m->scores.element, 0);
    m->factor = build(&m->b, OP_where, (Value *[]){op->operands[0], one, none}, 3, NULL, 0);
    return m->factor != NULL;
  }
  if (!scales(op)) return false;
  if (find_softmax(m, op->operands[0], depth + 1)) return multiply_by(m, op->kind, op->operands[1]);
  return op->kind == OP_mul && find_softmax(m, op->operands[1], depth + 1) &&
         multiply_by(m, op->kind, op->operands[0]);
}

/* ---- the pass ---- */

static bool replace(Match *m, Op *op) {
  Value *operands[5] = {m->q, m->product->operands[1], op->operands[1], m->mask};
  int count = m->mask ? 4 : 3;
  if (over_last(m->product) == 2) operands[1] = turned(&m->b, operands[1]);
  if (m->factor) operands[count++] = m->factor;
  Attribute attributes[] = {{ATTRIBUTE_causal, attribute_flag(m->causal)},
                            {ATTRIBUTE_scale, attribute_number(number_real(m->scale))},
                            {ATTRIBUTE_factor, attribute_flag(m->factor != NULL)}};
  Value *y = build(&m->b, OP_attention, operands, count, attributes, 3);
  if (!y || !type_equal(&y->type, &op_result(op)->type)) return false;
  y->op->at = m->softmax->at ? m->softmax->at : op->at;
  op_replace(op, y, true);
  return true;
}

static bool try_attention(Op *op) {
  if (over_last(op) != 2 || !element_is_float(op_result(op)->type.element)) return false;
  Match m = {.b = builder_before(op),
             .dims = op->block->function->module->dims,
             .scores = op->operands[0]->type,
             .scale = 1};
  int rank = m.scores.rank;
  m.queries = m.scores.dims[rank - 2], m.keys = m.scores.dims[rank - 1];
  if (!find_softmax(&m, op->operands[0], 0)) return false;
  Value *scores = m.softmax->operands[0];
  if (!find_product(&m, scores, 0)) return false;
  m.q = m.product->operands[0];
  return take_steps(&m) && replace(&m, op);
}

static void walk_block(Block *block, void *user) {
  int *found = user;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    *found += try_attention(op);
  }
}

bool pass_attention(PassContext *context) {
  int found = 0;
  for (size_t i = 0; i < context->module->functions.count; i++) {
    Function *function = context->module->functions.items[i];
    int before = found;
    graph_count_uses(function);
    function_blocks(function, walk_block, &found);
    if (found == before) continue;
    graph_resolve(function);
    dce_function(function);
  }
  if (found > 0) context->effect = arena_format(context->module->arena, "%d found", found);
  return true;
}
