#include "passes/attention.h"

#include "support/bug.h"

#include <math.h>

static Value *made(Builder *b, Value *value) {
  if (!value) bug("attention has no products: %s", b->failure.message);
  return value;
}

static Value *binary(Builder *b, Operator kind, Value *x, Value *y) {
  return made(b, build_binary(b, kind, x, y));
}

/* The scale that is given, or 1/sqrt of the keys' width, which the call may have to compute. */
static Value *scale_of(Builder *b, const Op *op, const Value *q) {
  double scale = attention_scale(op);
  const Dim *width = q->type.dims[q->type.rank - 1];
  Element element = q->type.element;
  if (scale != 0) return build_number(b, element, scale);
  if (dim_is_constant(width)) return build_number(b, element, 1 / sqrt((double)dim_value(width)));
  Attribute value = {ATTRIBUTE_value, attribute_dim(width)};
  Value *number = build_typed(b, OP_dim_value, type_scalar(ELEMENT_i64), NULL, &value, 1);
  Attribute to = {ATTRIBUTE_to, attribute_element(element)};
  return build_unary(b, OP_rsqrt, build(b, OP_cast, &number, 1, &to, 1));
}

AttentionOperands attention_operands(Builder *b, const Op *op, Value *const *operands) {
  int mask = attention_mask(op), factor = attention_factor(op);
  return (AttentionOperands){.q = operands[0],
                             .k = operands[1],
                             .v = operands[2],
                             .mask = mask < 0 ? NULL : operands[mask],
                             .factor = factor < 0 ? NULL : operands[factor],
                             .scale = scale_of(b, op, operands[0]),
                             .causal = op_flag(op, ATTRIBUTE_causal)};
}

Value *attention_matrices(Builder *b, Value *x, Value *y, int x_axis, int y_axis) {
  Module *module = b->function->module;
  int64_t leading[MOST_AXES], lead = x->type.rank - 2;
  for (int64_t i = 0; i < lead; i++) leading[i] = i;
  int64_t over[2] = {lead + x_axis, lead + y_axis};
  Attribute attributes[] = {
      {ATTRIBUTE_contract, attribute_two_lists(module, &over[0], &over[1], 1)},
      {ATTRIBUTE_batch, attribute_two_lists(module, leading, leading, (int)lead)}};
  return made(b, build(b, OP_dot, (Value *[]){x, y}, 2, attributes, 2));
}

/* true where the query may see the key: key <= query + (keys - queries). */
static Value *causal_mask(Builder *b, const Dim *queries, const Dim *keys) {
  Module *module = b->function->module;
  const Dim *one = dim_constant(module->dims, 1);
  Type type = {ELEMENT_i64, 2, {queries, one}};
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(module, 0)};
  Value *row = build_typed(b, OP_iota, type, NULL, &axis, 1);
  type.dims[0] = one, type.dims[1] = keys;
  axis.value = attribute_integer(module, 1);
  Value *column = build_typed(b, OP_iota, type, NULL, &axis, 1);
  if (keys != queries) {
    Attribute value = {ATTRIBUTE_value, attribute_dim(dim_sub(module->dims, keys, queries))};
    Value *ahead = build_typed(b, OP_dim_value, type_scalar(ELEMENT_i64), NULL, &value, 1);
    row = binary(b, OP_add, row, ahead);
  }
  return binary(b, OP_le, column, row);
}

static Value *where_seen(Builder *b, Value *mask, Value *scores) {
  Value *lowest = build_number(b, scores->type.element, -INFINITY);
  return made(b, build(b, OP_where, (Value *[]){mask, scores, lowest}, 3, NULL, 0));
}

Value *attention_scores(Builder *b, const AttentionOperands *a) {
  Value *scores = binary(b, OP_mul, attention_matrices(b, a->q, a->k, 1, 1), a->scale);
  const Type *type = &scores->type;
  if (a->mask && a->mask->type.element != ELEMENT_bool) scores = binary(b, OP_add, scores, a->mask);
  if (a->causal)
    scores = where_seen(b, causal_mask(b, type->dims[type->rank - 2], type->dims[type->rank - 1]),
                        scores);
  if (a->mask && a->mask->type.element == ELEMENT_bool) scores = where_seen(b, a->mask, scores);
  return scores;
}

Value *attention_softmax(Builder *b, Value *scores) {
  Module *module = b->function->module;
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(module, scores->type.rank - 1)};
  return made(b, build(b, OP_softmax, &scores, 1, &axis, 1));
}

Value *attention_logarithm(Builder *b, Value *scores) {
  Module *module = b->function->module;
  int64_t last = scores->type.rank - 1;
  Attribute keep[] = {{ATTRIBUTE_axis, attribute_integers(module, &last, 1)},
                      {ATTRIBUTE_keepdims, attribute_flag(true)}};
  Value *top = made(b, build(b, OP_max, &scores, 1, keep, 2));
  Value *lowest = build_number(b, scores->type.element, -INFINITY);
  Value *nothing = binary(b, OP_eq, top, lowest);
  Value *all = made(b, build_unary(b, OP_exp, binary(b, OP_sub, scores, top)));
  Value *sum = made(b, build(b, OP_sum, &all, 1, keep, 2));
  Value *logs = binary(b, OP_add, build_unary(b, OP_log, sum), top);
  Value *most = build_number(b, scores->type.element, INFINITY);
  logs = made(b, build(b, OP_where, (Value *[]){nothing, most, logs}, 3, NULL, 0));
  return build_reshape(b, logs, scores->type.dims, (int)last);
}

Value *attention_weighted(Builder *b, const AttentionOperands *a, Value *p) {
  if (a->factor) p = binary(b, OP_mul, p, a->factor);
  return attention_matrices(b, p, a->v, 1, 0);
}

Value *attention_value_slope(Builder *b, const AttentionOperands *a, Value *p, Value *d) {
  if (a->factor) p = binary(b, OP_mul, p, a->factor);
  return attention_matrices(b, p, d, 0, 0);
}

Value *attention_score_slope(Builder *b, const AttentionOperands *a, Value *p, Value *d,
                             Value *delta) {
  Value *slope = attention_matrices(b, d, a->v, 1, 1);
  if (a->factor) slope = binary(b, OP_mul, slope, a->factor);
  return binary(b, OP_mul, p, binary(b, OP_sub, slope, delta));
}

/* [..., T] as [..., T, 1] */
static Value *as_column(Builder *b, Value *rows, Element element) {
  const Dim *dims[MOST_AXES];
  int rank = rows->type.rank;
  for (int i = 0; i < rank; i++) dims[i] = rows->type.dims[i];
  dims[rank] = dim_constant(b->function->module->dims, 1);
  rows = build_reshape(b, rows, dims, rank + 1);
  if (rows->type.element == element) return rows;
  Attribute to = {ATTRIBUTE_to, attribute_element(element)};
  return made(b, build(b, OP_cast, &rows, 1, &to, 1));
}

Value *attention_probabilities(Builder *b, Value *scores, Value *logs) {
  logs = as_column(b, logs, scores->type.element);
  return made(b, build_unary(b, OP_exp, binary(b, OP_sub, scores, logs)));
}

void attention_expand_gradient(Builder *b, Op *op, Value *const *operands) {
  AttentionOperands a = attention_operands(b, op, operands);
  Value *d = operands[3], *delta = as_column(b, operands[5], d->type.element);
  Value *p = attention_probabilities(b, attention_scores(b, &a), operands[4]);
  Value *slope = binary(b, OP_mul, attention_score_slope(b, &a, p, d, delta), a.scale);
  op->results[0]->forward = attention_matrices(b, slope, a.k, 1, 0);
  op->results[1]->forward = attention_matrices(b, slope, a.q, 0, 0);
  op->results[2]->forward = attention_value_slope(b, &a, p, d);
}
