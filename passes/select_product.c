#include "passes/attention.h"
#include "passes/cost.h"
#include "passes/scan_bodies.h"
#include "passes/select.h"

#include "support/bug.h"

#include <math.h>

const Dim *select_number(Select *s, int64_t value) {
  return dim_constant(s->module->dims, value);
}

Value *select_pad(Select *s, Builder *b, Value *x, const int64_t *before, const int64_t *after,
                  const int64_t *between) {
  bool none = true;
  for (int i = 0; i < x->type.rank; i++)
    none = none && before[i] == 0 && after[i] == 0 && (!between || between[i] == 0);
  if (none) return x;
  Attribute attributes[3] = {
      {ATTRIBUTE_before, attribute_integers(s->module, before, x->type.rank)},
      {ATTRIBUTE_after, attribute_integers(s->module, after, x->type.rank)}};
  if (between)
    attributes[2] =
        (Attribute){ATTRIBUTE_between, attribute_integers(s->module, between, x->type.rank)};
  return build(b, OP_pad, &x, 1, attributes, between ? 3 : 2);
}

int64_t select_panel_columns(const Select *s, int64_t size, int64_t depth) {
  PanelWork work = {.rows = INT16_MAX, .size = size, .depth = depth, .groups = 1, .share = 1};
  work.within = true;
  Candidates list = {0};
  candidates_add_panels(s, &list, "panel", 0, &work);
  int best = 0;
  for (int i = 1; i < list.count; i++)
    if (list.items[i].seconds <= list.items[best].seconds) best = i;
  return list.items[best].columns;
}

double select_panel_waste(const Select *s, int64_t size, int64_t depth) {
  int64_t columns = select_panel_columns(s, size, depth);
  return (double)((size + columns - 1) / columns * columns) / (double)size;
}

Value *select_pack_rows(Select *s, Builder *b, Value *w, int64_t groups, const int *perm,
                        int64_t columns) {
  int rank = w->type.rank;
  int64_t size = dim_value(w->type.dims[0]) / groups, depth = 1;
  for (int i = 1; i < rank; i++) depth *= dim_value(w->type.dims[i]);
  if (columns == 0) columns = select_panel_columns(s, size, depth);
  int64_t panels = (size + columns - 1) / columns;
  const Dim *dims[MOST_AXES];
  int64_t zero[MOST_AXES] = {0}, after[MOST_AXES] = {0};
  int order[MOST_AXES];
  if (groups > 1) {
    dims[0] = select_number(s, groups), dims[1] = select_number(s, size);
    for (int i = 1; i < rank; i++) dims[i + 1] = w->type.dims[i];
    if (panels * columns != size) w = build_reshape(b, w, dims, rank + 1);
    after[1] = panels * columns - size;
  } else
    after[0] = panels * columns - size;
  w = select_pad(s, b, w, zero, after, NULL);
  int shift = w->type.rank - rank;
  dims[0] = select_number(s, groups * panels), dims[1] = select_number(s, columns);
  for (int i = 1; i < rank; i++) dims[i + 1] = w->type.dims[i + shift];
  w = build_reshape(b, w, dims, rank + 1);
  order[0] = 0, order[rank] = 1;
  for (int i = 1; i < rank; i++) order[i] = perm[i - 1] + 1;
  return build_transpose(b, w, order);
}

/* w [K, size] to [P, K, B]. */
static Value *pack_columns(Select *s, Builder *b, Value *w) {
  int64_t size = dim_value(w->type.dims[1]), columns = s->columns;
  int64_t panels = (size + columns - 1) / columns;
  w = select_pad(s, b, w, (int64_t[]){0, 0}, (int64_t[]){0, panels * columns - size}, NULL);
  const Dim *dims[] = {w->type.dims[0], select_number(s, panels), select_number(s, columns)};
  w = build_reshape(b, w, dims, 3);
  return build_transpose(b, w, (int[]){1, 0, 2});
}

static const Value *behind_views(const Value *value) {
  while (value->op && operator_has(value->op->kind, TRAIT_VIEW)) value = value->op->operands[0];
  return value;
}

Element select_element(const Value *weight) {
  const Op *op = behind_views(weight)->op;
  return op && op_widens(op) ? op->operands[0]->type.element : weight->type.element;
}

double select_bytes(const Value *weight) {
  return element_infos[select_element(weight)].bytes * type_elements(&weight->type);
}

bool select_is_constant(const Select *s, const Value *weight) {
  weight = behind_views(weight);
  if (weight->op && op_widens(weight->op)) weight = behind_views(weight->op->operands[0]);
  return constant_data(&s->constants, weight) != NULL;
}

Value *select_because(const Select *s, Value *value) {
  if (value) value->op->why = s->why;
  return value;
}

static Value *rounded(Value *value) {
  const Op *op = value->op;
  bool is_rounded = op && op_widens(op) && op->operands[0]->type.element == ELEMENT_bf16;
  return is_rounded ? op->operands[0] : NULL;
}

bool select_pairs(const Select *s, const Op *op, Value *operands[2]) {
  const PassOptions *options = s->context->options;
  if (options->level < 2 || options->compute_type != ELEMENT_bf16) return false;
  for (int i = 0; i < 2; i++) {
    operands[i] = rounded(op->operands[i]);
    if (!operands[i]) return false;
  }
  return select_is_constant(s, operands[1]);
}

/* Panels [.., K, B] whose rows take turns, so many. */
static Value *turned_panels(Select *s, Builder *b, Value *panels, int64_t turns) {
  Type type = panels->type;
  int rank = type.rank, perm[MOST_AXES];
  const Dim *split[MOST_AXES];
  for (int i = 0; i <= rank; i++) perm[i] = i, split[i] = type.dims[i < rank ? i : rank - 1];
  split[rank - 2] = select_number(s, dim_value(type.dims[rank - 2]) / turns);
  split[rank - 1] = select_number(s, turns);
  split[rank] = type.dims[rank - 1];
  perm[rank - 1] = rank, perm[rank] = rank - 1;
  panels = build_transpose(b, build_reshape(b, panels, split, rank + 1), perm);
  return build_reshape(b, panels, type.dims, rank);
}

Value *select_pair_panels(Select *s, Builder *b, const Value *x, Value *panels,
                          Attribute *attribute) {
  const Type *type = &panels->type;
  bool pairs = s->context->options->compute_type == ELEMENT_bf16 &&
               x->type.element == ELEMENT_bf16 && dim_value(type->dims[type->rank - 2]) % 2 == 0;
  *attribute = (Attribute){ATTRIBUTE_pairs, attribute_flag(pairs)};
  return pairs ? turned_panels(s, b, panels, 2) : panels;
}

/* Constant weights in bf16 that are widened to the f32 of x: two rows lie in one lane of a
 * register, where one instruction takes each of them out. Of i8, four rows, that needs two and the
 * conversion: a row alone comes 2 % sooner than from lanes that are spread, but many rows 7 %
 * later. */
static int64_t turns_of(const Select *s, const Value *x, const Value *panels) {
  bool small = x->type.element == ELEMENT_f32 && panels->type.element == ELEMENT_f32 &&
               select_element(panels) == ELEMENT_bf16;
  if (s->context->options->level < 2 || !small || !select_is_constant(s, panels)) return 1;
  return dim_value(panels->type.dims[1]) % 2 ? 1 : 2;
}

Value *select_dot_panel(Select *s, Builder *b, Value *x, Value *panels, int64_t size) {
  Attribute attributes[4] = {{ATTRIBUTE_size, attribute_integer(s->module, size)}};
  int64_t turns = turns_of(s, x, panels);
  panels = select_pair_panels(s, b, x, panels, &attributes[1]);
  bool pairs = attributes[1].value.flag;
  attributes[2] = (Attribute){ATTRIBUTE_turns, attribute_integer(s->module, turns)};
  if (turns > 1) panels = turned_panels(s, b, panels, turns);
  bool chosen = select_blocking(s, &x->type, &panels->type, pairs, size, &attributes[3]);
  return build(b, OP_dot_panel, (Value *[]){x, panels}, 2, attributes, chosen ? 4 : 3);
}

/* ---- dot ---- */

typedef struct {
  Value *value;
  int batch[MOST_AXES], batch_count;
  int contract[MOST_AXES], contract_count;
  int rest[MOST_AXES], rest_count;
} Side;

static Side side_of(Value *value, const Op *op, int which) {
  Side side = {.value = value};
  bool used[MOST_AXES] = {false};
  const DimList *batch = &op_attribute(op, ATTRIBUTE_batch)->lists.items[which];
  const DimList *contract = &op_attribute(op, ATTRIBUTE_contract)->lists.items[which];
  for (int i = 0; i < batch->count; i++)
    used[side.batch[side.batch_count++] = (int)dim_value(batch->items[i])] = true;
  for (int i = 0; i < contract->count; i++)
    used[side.contract[side.contract_count++] = (int)dim_value(contract->items[i])] = true;
  for (int i = 0; i < value->type.rank; i++)
    if (!used[i]) side.rest[side.rest_count++] = i;
  return side;
}

/* A transpose that feeds a product is the same product along other axes. */
static void absorb_transpose(Side *side) {
  const Op *op = side->value->op;
  if (!op || op->kind != OP_transpose || side->rest_count > 1 || alternate_of(side->value)) return;
  int perm[MOST_AXES];
  op_permutation(op, perm);
  for (int i = 0; i < side->batch_count; i++)
    if (perm[side->batch[i]] != i) return; /* would have to move anyway */
  for (int i = 0; i < side->batch_count; i++) side->batch[i] = perm[side->batch[i]];
  for (int i = 0; i < side->contract_count; i++) side->contract[i] = perm[side->contract[i]];
  for (int i = 0; i < side->rest_count; i++) side->rest[i] = perm[side->rest[i]];
  side->value = op->operands[0];
}

/* Product of the dims of some axes. */
static const Dim *dims_product(Select *s, const Type *type, const int *axes, int count) {
  const Dim *product = select_number(s, 1);
  for (int i = 0; i < count && product; i++)
    product = dim_mul(s->module->dims, product, type->dims[axes[i]]);
  return product;
}

/* Brings a side into [batch.., rest.., contract] (contract_last) or [batch.., contract, rest], with
 * the contracted axes joined to one and, with `join_rest`, the rest too. */
static Value *side_form(Select *s, Builder *b, const Side *side, bool contract_last,
                        bool join_rest) {
  int perm[MOST_AXES], rank = 0;
  const Dim *dims[MOST_AXES];
  const Type *type = &side->value->type;
  for (int i = 0; i < side->batch_count; i++) perm[rank++] = side->batch[i];
  for (int i = 0; i < side->contract_count && !contract_last; i++) perm[rank++] = side->contract[i];
  for (int i = 0; i < side->rest_count; i++) perm[rank++] = side->rest[i];
  for (int i = 0; i < side->contract_count && contract_last; i++) perm[rank++] = side->contract[i];
  Value *value = permuted(s, b, side->value, perm);
  if (side->contract_count == 1 && (!join_rest || side->rest_count == 1)) return value;
  int count = 0;
  const Dim *contract = dims_product(s, type, side->contract, side->contract_count);
  for (int i = 0; i < side->batch_count; i++) dims[count++] = type->dims[side->batch[i]];
  if (!contract_last) dims[count++] = contract;
  if (join_rest)
    dims[count++] = dims_product(s, type, side->rest, side->rest_count);
  else
    for (int i = 0; i < side->rest_count; i++) dims[count++] = type->dims[side->rest[i]];
  if (contract_last) dims[count++] = contract;
  for (int i = 0; i < count; i++)
    if (!dims[i]) return NULL;
  return build_reshape(b, value, dims, count);
}

static const Value *viewed(const Value *value) {
  while (value->op && (operator_has(value->op->kind, TRAIT_VIEW) || value->op->kind == OP_cast))
    value = value->op->operands[0];
  return value;
}

static bool is_weight(const Value *value) {
  value = scan_outer_value(viewed(value));
  return value->op && (value->op->kind == OP_read || value->op->kind == OP_constant);
}

/* The sum is over the last axis. */
static bool is_turned(const Side *y) {
  return y->rest_count == 0 || y->contract_count == 0 ||
         y->contract[0] > y->rest[y->rest_count - 1];
}

/* The fewest rows of x that a call may have. */
static double fewest_rows(const Side *x) {
  double rows = 1;
  for (int i = 0; i < x->rest_count; i++) rows *= (double)dim_min(x->value->type.dims[x->rest[i]]);
  return rows;
}

/* A call may bring one row alone, as when a text is decoded token by token: it counts as much as
 * one with the most rows. `packing`: of the weight, in each call. */
static void weigh_one_row(const Select *s, Candidate *candidate, double weights, bool turned,
                          double packing) {
  double one = packing + select_rows_time(s, 2 * weights, weights, 1, turned, 4 * weights);
  candidate->seconds = sqrt(candidate->seconds * one);
}

/* Whether to bring the second operand into panels (of s->columns), which costs a copy of it in each
 * call unless it is constant. */
static bool wants_panels(Select *s, const Op *op, const Side *x, const Side *y) {
  const Type *type = &y->value->type;
  double weights = type_elements(type), size = 1;
  for (int i = 0; i < y->rest_count; i++) size *= (double)dim_max(type->dims[y->rest[i]]);
  double given = type_elements(&x->value->type), made = type_elements(&op_result(op)->type);
  double flops = size > 0 ? 2 * made * weights / size : 0;
  for (int i = 0; i < y->batch_count; i++) flops /= (double)dim_max(type->dims[y->batch[i]]);
  double rows = flops / (2 * weights); /* of x */
  enum { ROWS, PANELS };
  Candidates list = {0};
  double bytes = 4 * (given + made) + select_bytes(y->value);
  double seconds = select_rows_time(s, flops, weights, rows, is_turned(y), bytes);
  bool small = type->element == ELEMENT_bf16 || select_bytes(y->value) < 4 * weights;
  bool can = s->context->options->level >= 2 && (type->element == ELEMENT_f32 || small) &&
             y->batch_count == 0 && type_is_static(type) && y->rest_count > 0 &&
             y->contract_count > 0 && weights > 0;
  if (!can || !small) /* what is small is widened in panels alone */
    candidates_add(&list, (Candidate){.name = "rows", .seconds = seconds}, ROWS);
  if (can) {
    double packing = select_is_constant(s, y->value) ? 0 : select_packing(s, weights);
    packing /= scan_repeats(viewed(y->value)); /* `invariants` takes it out of the loop */
    PanelWork work = {.rows = made / size,
                      .size = (int64_t)size,
                      .depth = (int64_t)(weights / size),
                      .groups = 1,
                      .run = select_pairs(s, op, (Value *[2]){0}) ? 0 : (int64_t)(weights / size),
                      .bytes = bytes,
                      .share = costs[COST_panel_share],
                      .before = packing};
    candidates_add_panels(s, &list, "panel", PANELS, &work);
    if (packing > 0 && !small && rows > costs[COST_few_rows] && fewest_rows(x) <= 1)
      for (int i = 0; i < list.count; i++)
        weigh_one_row(s, &list.items[i], weights, is_turned(y),
                      list.forms[i] == PANELS ? packing : 0);
  }
  return list.forms[select_choose(s, op, &list)] == PANELS;
}

/* Rows of the weight in the order of a flattened nhwc map instead of reordering the map; in each
 * call where it is no constant, so only if it is no larger than the map. */
static Value *unflattened_weight(Select *s, Builder *b, const Alternate *a, Side *y) {
  int rank = y->value->type.rank, axis = y->contract[0], perm[MOST_AXES];
  if (rank - 1 + a->group_rank > MOST_AXES || y->contract_count != 1) return NULL;
  Value *w = original_order(s, b, y->value);
  const Dim *dims[MOST_AXES];
  int count = 0;
  for (int i = 0; i < rank; i++) {
    if (i != axis) {
      perm[count] = count;
      dims[count++] = w->type.dims[i];
      continue;
    }
    for (int j = 0; j < a->group_rank; j++) {
      perm[count + j] = count + a->group_perm[j];
      dims[count + j] = a->group_dims[j];
    }
    count += a->group_rank;
  }
  Value *split = build_transpose(b, build_reshape(b, w, dims, count), perm);
  return build_reshape(b, split, w->type.dims, rank);
}

/* Products of pairs are made in panels alone. */
static bool pairs_of(const Select *s, const Op *op, Side *x, Side *y) {
  Value *operands[2];
  int64_t places = 1;
  if (y->batch_count > 0 || y->rest_count == 0 || !select_pairs(s, op, operands)) return false;
  for (int i = 0; i < y->contract_count; i++)
    places *= dim_value(y->value->type.dims[y->contract[i]]) % 2;
  if (places != 0) return false;
  x->value = operands[0], y->value = operands[1];
  return true;
}

bool select_dot(Select *s, Op *op) {
  Side x = side_of(op->operands[0], op, 0), y = side_of(op->operands[1], op, 1);
  bool pairs = pairs_of(s, op, &x, &y);
  Builder b = builder_before(op);
  const Alternate *flat = alternate_of(x.value);
  if (flat && flat->flat) {
    bool last = x.contract_count == 1 && x.contract[0] == x.value->type.rank - 1 &&
                is_weight(y.value) && x.batch_count == 0 &&
                (select_is_constant(s, y.value) ||
                 type_elements(&y.value->type) <= type_elements(&x.value->type));
    Value *w = last ? unflattened_weight(s, &b, flat, &y) : NULL;
    if (w) x.value = flat->value, y.value = w;
  }
  absorb_transpose(&x);
  absorb_transpose(&y);
  bool panels = wants_panels(s, op, &x, &y) || pairs;
  bool contract_last = is_turned(&y);
  Value *left = side_form(s, &b, &x, true, !panels), *result;
  Value *right = side_form(s, &b, &y, contract_last, true);
  if (!left || !right) return false;
  if (panels) {
    s->choices++;
    const Type *type = &right->type;
    int64_t size = dim_value(type->dims[contract_last ? 0 : 1]);
    right = contract_last ? select_pack_rows(s, &b, right, 1, (int[]){1}, s->columns)
                          : pack_columns(s, &b, right);
    result = select_dot_panel(s, &b, left, right, size);
  } else {
    int64_t batch[MOST_AXES], last_x = x.batch_count + 1;
    int64_t last_y = x.batch_count + (contract_last ? 1 : 0);
    for (int i = 0; i < x.batch_count; i++) batch[i] = i;
    DimList *lists = ARENA_ARRAY(s->module->arena, 4, DimList);
    lists[0] = lists[1] = attribute_integers(s->module, batch, x.batch_count).dims;
    lists[2] = attribute_integers(s->module, &last_x, 1).dims;
    lists[3] = attribute_integers(s->module, &last_y, 1).dims;
    AttributeValue both = {.kind = ATTRIBUTE_LISTS}, contract = {.kind = ATTRIBUTE_LISTS};
    both.lists.items = lists, both.lists.count = 2;
    contract.lists.items = lists + 2, contract.lists.count = 2;
    Attribute attributes[] = {{ATTRIBUTE_contract, contract}, {ATTRIBUTE_batch, both}};
    result = build(&b, OP_dot, (Value *[]){left, right}, 2, attributes, 2);
  }
  select_because(s, result);
  if (!result) bug("a dot has no canonical form: %s", b.failure.message);
  const Type *type = &op_result(op)->type;
  if (!type_equal(&result->type, type)) result = build_reshape(&b, result, type->dims, type->rank);
  op_replace(op, result, true);
  return true;
}

/* ---- attention without a kernel of its own ---- */

bool select_attention(Select *s, Op *op) {
  if (attention_streams(op)) return false;
  Builder b = builder_before(op);
  Op *before = op->previous;
  Value **operands = ARENA_ARRAY(s->module->arena, (size_t)op->operand_count, Value *);
  for (int i = 0; i < op->operand_count; i++) operands[i] = original_order(s, &b, op->operands[i]);
  if (op->kind == OP_attention) {
    AttentionOperands a = attention_operands(&b, op, operands);
    Value *scores = attention_scores(&b, &a);
    op->results[0]->forward = attention_weighted(&b, &a, attention_softmax(&b, scores));
    op->results[1]->forward = attention_logarithm(&b, scores);
  } else
    attention_expand_gradient(&b, op, operands);
  for (Op *made = before ? before->next : op->block->first, *next; made != op; made = next) {
    next = made->next;
    op_follow(made);
    if (made->kind == OP_dot) select_dot(s, made);
  }
  op_remove(op);
  return true;
}
