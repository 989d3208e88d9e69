/* Operations of a loop's body for all trips at once: see hoist.h. */
#include "passes/hoist.h"

#include "support/bug.h"

#include <string.h>

static bool has_trips(const Hoist *h, const Value *value) {
  return h->kind[value->mark] != HOIST_SAME;
}

static bool can_gather(const Hoist *h, const Op *op) {
  bool x = has_trips(h, op->operands[0]), i = has_trips(h, op->operands[1]);
  int64_t axis = op_integer(op, ATTRIBUTE_axis), batch = op_integer(op, ATTRIBUTE_batch);
  return x && i ? true : batch == 0 && (x || axis == 0);
}

bool hoist_can_lift(const Hoist *h, const Op *op) {
  if (op->result_count != 1 || op->region || op_result(op)->type.rank >= MOST_AXES) return false;
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i]->type.rank >= MOST_AXES) return false;
  if (operator_has(op->kind, TRAIT_ELEMENTWISE | TRAIT_REDUCTION)) return true;
  switch (op->kind) {
  case OP_reshape:
  case OP_transpose:
  case OP_broadcast:
  case OP_slice:
  case OP_pad:
  case OP_concat:
  case OP_softmax:
  case OP_dot:
    return true;
  case OP_gather:
    return can_gather(h, op);
  default:
    return false;
  }
}

/* ---- attributes ---- */

static AttributeValue led_by(const Hoist *h, const Op *op, AttributeName name, const Dim *first) {
  const Dim *dims[MOST_AXES + 1];
  int count = op_list_count(op, name);
  dims[0] = first;
  for (int i = 0; i < count; i++) dims[i + 1] = op_list_dim(op, name, i);
  return attribute_dims(h->module, dims, count + 1);
}

static AttributeValue number_led_by(const Hoist *h, const Op *op, AttributeName name, int64_t n) {
  return led_by(h, op, name, dim_constant(h->module->dims, n));
}

/* Axes of a list, one further. */
static AttributeValue axes_moved(const Hoist *h, const Op *op) {
  int64_t axes[MOST_AXES];
  int count = op_list_count(op, ATTRIBUTE_axis);
  for (int i = 0; i < count; i++) axes[i] = op_list_integer(op, ATTRIBUTE_axis, i) + 1;
  return attribute_integers(h->module, axes, count);
}

/* ---- operands ---- */

/* With as many axes behind the trips as the result has. */
static Value *aligned(const Hoist *h, Builder *b, const Value *x, int rank) {
  Value *outer = h->outer[x->mark];
  if (!has_trips(h, x) || x->type.rank == rank) return outer;
  const Dim *dims[MOST_AXES];
  int lead = rank - x->type.rank;
  dims[0] = h->trips;
  for (int i = 0; i < rank; i++)
    dims[i + 1] = i < lead ? dim_constant(h->module->dims, 1) : x->type.dims[i - lead];
  return build_reshape(b, outer, dims, rank + 1);
}

/* The same in each trip, written out for all. */
static Value *repeated(const Hoist *h, Builder *b, const Value *x) {
  Value *outer = h->outer[x->mark];
  if (has_trips(h, x)) return outer;
  const Dim *dims[MOST_AXES];
  dims[0] = h->trips;
  for (int i = 0; i < x->type.rank; i++) dims[i + 1] = x->type.dims[i];
  Attribute shape = {ATTRIBUTE_shape, attribute_dims(h->module, dims, x->type.rank + 1)};
  return build(b, OP_broadcast, &outer, 1, &shape, 1);
}

/* ---- dot ---- */

typedef struct {
  int64_t x[MOST_AXES + 1], y[MOST_AXES + 1];
  int count;
} AxisPairs;

/* The axes of both sides, one further where the trips come first. */
static AxisPairs pairs_of(const Op *op, AttributeName name, bool x_trips, bool y_trips) {
  const DimList *lists = op_attribute(op, name)->lists.items;
  AxisPairs pairs = {.count = lists[0].count};
  for (int i = 0; i < pairs.count; i++) {
    pairs.x[i] = dim_value(lists[0].items[i]) + x_trips;
    pairs.y[i] = dim_value(lists[1].items[i]) + y_trips;
  }
  return pairs;
}

/* The trips are axis 0 of both, and come first. */
static void add_trips(AxisPairs *pairs) {
  memmove(pairs->x + 1, pairs->x, (size_t)pairs->count * sizeof *pairs->x);
  memmove(pairs->y + 1, pairs->y, (size_t)pairs->count * sizeof *pairs->y);
  pairs->x[0] = pairs->y[0] = 0;
  pairs->count++;
}

static Value *build_dot(const Hoist *h, Builder *b, Value *x, Value *y, const AxisPairs *contract,
                        const AxisPairs *batch) {
  Attribute attributes[] = {
      {ATTRIBUTE_contract,
       attribute_two_lists(h->module, contract->x, contract->y, contract->count)},
      {ATTRIBUTE_batch, attribute_two_lists(h->module, batch->x, batch->y, batch->count)}};
  return build(b, OP_dot, (Value *[]){x, y}, 2, attributes, 2);
}

static Value *lift_dot(const Hoist *h, Builder *b, const Op *op) {
  const Value *x = op->operands[0], *y = op->operands[1];
  bool x_trips = has_trips(h, x), y_trips = has_trips(h, y);
  AxisPairs contract = pairs_of(op, ATTRIBUTE_contract, x_trips, y_trips);
  AxisPairs batch = pairs_of(op, ATTRIBUTE_batch, x_trips, y_trips);
  if (x_trips && y_trips) add_trips(&batch);
  Value *result = build_dot(h, b, h->outer[x->mark], h->outer[y->mark], &contract, &batch);
  if (!result || (x_trips && y_trips)) return result;
  int at = batch.count; /* where the trips are */
  if (y_trips) at = x->type.rank - contract.count;
  if (at == 0) return result;
  int perm[MOST_AXES];
  for (int i = 0; i < result->type.rank; i++) perm[i] = i == 0 ? at : i <= at ? i - 1 : i;
  return build_transpose(b, result, perm);
}

Value *hoist_sum_dot(Hoist *h, Builder *b, const Op *op) {
  const Value *x = op->operands[0], *y = op->operands[1];
  AxisPairs contract = pairs_of(op, ATTRIBUTE_contract, true, true);
  AxisPairs batch = pairs_of(op, ATTRIBUTE_batch, true, true);
  add_trips(&contract);
  return build_dot(h, b, h->outer[x->mark], h->outer[y->mark], &contract, &batch);
}

Value *hoist_sum_trips(Builder *b, Value *sequence) {
  Attribute axis = {ATTRIBUTE_axis, attribute_integers(b->function->module, (int64_t[]){0}, 1)};
  return build(b, OP_sum, &sequence, 1, &axis, 1);
}

Value *hoist_sum_reduction(Hoist *h, Builder *b, const Op *op) {
  int64_t axes[MOST_AXES + 1] = {0};
  int count = op_list_count(op, ATTRIBUTE_axis);
  for (int i = 0; i < count; i++) axes[i + 1] = op_list_integer(op, ATTRIBUTE_axis, i) + 1;
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integers(h->module, axes, count + 1)},
                            {ATTRIBUTE_keepdims, attribute_flag(false)}};
  Value *sum = build(b, OP_sum, &h->outer[op->operands[0]->mark], 1, attributes, 2);
  const Type *type = &op_result(op)->type;
  return sum && sum->type.rank != type->rank ? build_reshape(b, sum, type->dims, type->rank) : sum;
}

/* ---- the others ---- */

static Value *lift_gather(const Hoist *h, Builder *b, const Op *op) {
  const Value *x = op->operands[0], *i = op->operands[1];
  bool x_trips = has_trips(h, x);
  int64_t both = x_trips && has_trips(h, i);
  Attribute attributes[] = {
      {ATTRIBUTE_axis, attribute_integer(h->module, op_integer(op, ATTRIBUTE_axis) + x_trips)},
      {ATTRIBUTE_batch, attribute_integer(h->module, op_integer(op, ATTRIBUTE_batch) + both)}};
  return build(b, OP_gather, (Value *[]){h->outer[x->mark], h->outer[i->mark]}, 2, attributes, 2);
}

static Value *lift_concat(const Hoist *h, Builder *b, const Op *op) {
  Value **parts = ARENA_ARRAY(h->context->scratch, (size_t)op->operand_count, Value *);
  for (int i = 0; i < op->operand_count; i++) parts[i] = repeated(h, b, op->operands[i]);
  Attribute axis = {ATTRIBUTE_axis,
                    attribute_integer(h->module, op_integer(op, ATTRIBUTE_axis) + 1)};
  return build(b, OP_concat, parts, op->operand_count, &axis, 1);
}

static Value *lift_elementwise(const Hoist *h, Builder *b, const Op *op) {
  Value *operands[3];
  for (int i = 0; i < op->operand_count; i++)
    operands[i] = aligned(h, b, op->operands[i], op_result(op)->type.rank);
  return build_like(b, op, operands);
}

static Value *lift_other(const Hoist *h, Builder *b, const Op *op) {
  Value *x = h->outer[op->operands[0]->mark];
  switch (op->kind) {
  case OP_reshape: {
    Attribute shape = {ATTRIBUTE_shape, led_by(h, op, ATTRIBUTE_shape, h->trips)};
    return build(b, OP_reshape, &x, 1, &shape, 1);
  }
  case OP_broadcast: {
    Attribute shape = {ATTRIBUTE_shape, led_by(h, op, ATTRIBUTE_shape, h->trips)};
    x = aligned(h, b, op->operands[0], op_result(op)->type.rank);
    return build(b, OP_broadcast, &x, 1, &shape, 1);
  }
  case OP_transpose: {
    int perm[MOST_AXES] = {0}, inner[MOST_AXES];
    op_permutation(op, inner);
    for (int i = 0; i < op_result(op)->type.rank; i++) perm[i + 1] = inner[i] + 1;
    return build_transpose(b, x, perm);
  }
  case OP_slice: {
    Attribute attributes[] = {{ATTRIBUTE_start, number_led_by(h, op, ATTRIBUTE_start, 0)},
                              {ATTRIBUTE_stop, led_by(h, op, ATTRIBUTE_stop, h->trips)},
                              {ATTRIBUTE_step, number_led_by(h, op, ATTRIBUTE_step, 1)}};
    return build(b, OP_slice, &x, 1, attributes, 3);
  }
  case OP_pad: {
    Attribute attributes[] = {{ATTRIBUTE_before, number_led_by(h, op, ATTRIBUTE_before, 0)},
                              {ATTRIBUTE_after, number_led_by(h, op, ATTRIBUTE_after, 0)},
                              {ATTRIBUTE_between, number_led_by(h, op, ATTRIBUTE_between, 0)},
                              {ATTRIBUTE_value, *op_attribute(op, ATTRIBUTE_value)}};
    return build(b, OP_pad, &x, 1, attributes, 4);
  }
  case OP_sum:
  case OP_max: {
    Attribute attributes[] = {{ATTRIBUTE_axis, axes_moved(h, op)},
                              {ATTRIBUTE_keepdims, *op_attribute(op, ATTRIBUTE_keepdims)}};
    return build(b, op->kind, &x, 1, attributes, 2);
  }
  default: {
    Attribute axis = {ATTRIBUTE_axis,
                      attribute_integer(h->module, op_integer(op, ATTRIBUTE_axis) + 1)};
    return build(b, op->kind, &x, 1, &axis, 1);
  }
  }
}

static Value *copied(const Hoist *h, Builder *b, const Op *op) {
  Value **operands = ARENA_ARRAY(h->context->scratch, (size_t)op->operand_count + 1, Value *);
  for (int i = 0; i < op->operand_count; i++) operands[i] = h->outer[op->operands[i]->mark];
  Op *copy = op_new(b->function, op->kind, operands, op->operand_count, op->attributes,
                    &op_result(op)->type, 1);
  copy->symbol = op->symbol;
  copy->at = op->at;
  copy->layer = op->layer;
  copy->again = op->again;
  if (b->before)
    op_insert_before(b->before, copy);
  else
    op_append(b->block, copy);
  return op_result(copy);
}

Value *hoist_lift(Hoist *h, Builder *b, const Op *op) {
  b->at = op->at;
  b->layer = op->layer;
  Value *result;
  if (!has_trips(h, op_result(op)))
    result = copied(h, b, op);
  else if (operator_has(op->kind, TRAIT_ELEMENTWISE))
    result = lift_elementwise(h, b, op);
  else if (op->kind == OP_dot)
    result = lift_dot(h, b, op);
  else if (op->kind == OP_gather)
    result = lift_gather(h, b, op);
  else if (op->kind == OP_concat)
    result = lift_concat(h, b, op);
  else
    result = lift_other(h, b, op);
  if (!result)
    bug("a '%s' of all trips cannot be built: %s", operator_infos[op->kind].name,
        b->failure.message);
  return result;
}
