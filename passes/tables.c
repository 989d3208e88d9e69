/* tables - multiplies a table instead of the many rows that are gathered from it.
 *
 *   before  %x = gather %e, %i {axis=0}      e [V,K], i of far more than V indices: x [..,K]
 *           %y = dot %x, %w                                  x's last axis is contracted
 *           %dw = dot %x, %dy                                all others are
 *           %de = scatter_add 0, %i, dot %dy, %w
 *   after   %p = dot %e, %w                  [V,N]
 *           %y = gather %p, %i
 *           %s = scatter_add 0, %i, %dy      [V,N]
 *           %dw = dot %f, %s   %de = dot %s, %w      %f: e, 0 where no index is
 *
 * Letters or bytes in front of a linear layer or a recurrent net: 1,024 letters of an alphabet of
 * 128 are an eighth of the arithmetic, forwards and backwards. The forward rows are the same sums
 * in the same order; a gradient sums in another. It stands behind `hoist`, which brings an input's
 * products out of loops. Transposes and reshapes of the rows between become those of the indices.
 * Linear. */
#include "passes/cost.h"
#include "passes/rewrite.h"
#include "support/bug.h"

enum { MOST_VIEWS = 8 };

/* Indices for each row of the table from which on it pays to write and read what is moved instead.
 */
static const double fewest_indices = 2;

/* Views that leave the last axis as it is, from the last one back. */
typedef struct {
  const Op *ops[MOST_VIEWS];
  int count;
} Views;

static const Dim *last_dim(const Type *type) {
  return type->rank > 0 ? type->dims[type->rank - 1] : NULL;
}

static bool is_view_of_rows(const Op *op) {
  const Type *to = &op_result(op)->type;
  if (op->kind == OP_transpose)
    return to->rank > 0 && op_list_integer(op, ATTRIBUTE_perm, to->rank - 1) == to->rank - 1;
  return op->kind == OP_reshape && last_dim(to) && last_dim(to) == last_dim(&op->operands[0]->type);
}

/* What the views are of; `once`: only through values that nothing else uses. */
static Value *behind_views(Value *x, Views *views, bool once) {
  views->count = 0;
  while (x->op && is_view_of_rows(x->op) && views->count < MOST_VIEWS && (!once || x->mark == 1)) {
    views->ops[views->count++] = x->op;
    x = x->op->operands[0];
  }
  return x;
}

/* Rows of a table [V,K] at indices of any shape. */
static bool is_of_rows(const Op *op) {
  return op_result(op)->type.rank >= 2 && op->operands[0]->type.rank == 2 &&
         op_integer(op, ATTRIBUTE_axis) == 0 && op_integer(op, ATTRIBUTE_batch) == 0 &&
         op->operands[1]->type.rank > 0;
}

/* Training is meant to be called with as much as the bounds allow, a model with anything. */
static bool is_worth(const Op *op, const Type *table, const Type *index) {
  const Dim *rows = table->dims[0];
  return dim_is_constant(rows) &&
         (type_is_static(index) || op->block->function->kind == FUNCTION_TRAIN) &&
         type_elements(index) >= fewest_indices * (double)dim_max(rows);
}

static void place_at(Builder *b, const Op *op) {
  b->at = op->at;
  b->layer = op->layer;
}

static Value *reshaped_rows(Builder *b, Value *index, const Type *rows) {
  return build_reshape(b, index, rows->dims, rows->rank - 1);
}

/* The indices in the order of the rows of what the views make of the gathered ones. */
static Value *viewed(Builder *b, Value *index, const Views *views) {
  int perm[MOST_AXES];
  for (int i = views->count - 1; i >= 0; i--) {
    const Op *op = views->ops[i];
    if (op->kind == OP_reshape) {
      index = reshaped_rows(b, index, &op_result(op)->type);
      continue;
    }
    op_permutation(op, perm);
    index = build_transpose(b, index, perm);
  }
  return index;
}

/* The same from what the views make back to what they are of. */
static Value *unviewed(Builder *b, Value *index, const Views *views) {
  int perm[MOST_AXES], back[MOST_AXES];
  for (int i = 0; i < views->count; i++) {
    const Op *op = views->ops[i];
    if (op->kind == OP_reshape) {
      index = reshaped_rows(b, index, &op->operands[0]->type);
      continue;
    }
    op_permutation(op, perm);
    for (int k = 0; k < index->type.rank; k++) back[perm[k]] = k;
    index = build_transpose(b, index, back);
  }
  return index;
}

static Value *with_index(Builder *b, Operator kind, Value *const *operands, int count) {
  Module *module = b->function->module;
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integer(module, 0)},
                            {ATTRIBUTE_batch, attribute_integer(module, 0)}};
  Value *value = build(b, kind, operands, count, attributes, 2);
  if (!value) bug("rows cannot be moved: %s", b->failure.message);
  return value;
}

static Value *build_dot(Builder *b, Value *x, Value *y, int64_t x_axis, int64_t y_axis) {
  Attribute contract = {ATTRIBUTE_contract,
                        attribute_two_lists(b->function->module, &x_axis, &y_axis, 1)};
  Value *dot = build(b, OP_dot, (Value *[]){x, y}, 2, &contract, 1);
  if (!dot) bug("a table cannot be multiplied: %s", b->failure.message);
  return dot;
}

/* The sum, for each row of a table of `count` rows, of the `rows` that were made of it: `index` has
 * the shape of their first axes. */
static Value *sums_by_row(Builder *b, const Dim *count, Value *index, Value *rows) {
  Type type = {.element = rows->type.element, .dims[0] = count, .rank = 1};
  for (int a = index->type.rank; a < rows->type.rank; a++)
    type.dims[type.rank++] = rows->type.dims[a];
  Attribute zero = {ATTRIBUTE_value, attribute_number(number_real(0))};
  Value *none = build_typed(b, OP_full, type, NULL, &zero, 1);
  return with_index(b, OP_scatter_add, (Value *[]){none, index, rows}, 3);
}

static const DimList *contracted(const Op *dot) {
  return op_attribute(dot, ATTRIBUTE_contract)->lists.items;
}

/* The table, with 0 in rows that no index names: their sums are 0, and 0 * inf would be no number.
 */
static Value *named_rows(Builder *b, Value *table, Value *index) {
  Element element = table->type.element;
  if (!element_is_float(element)) return table;
  Type type = index->type;
  type.element = element;
  Attribute one = {ATTRIBUTE_value, attribute_number(number_real(1))};
  Value *ones = build_typed(b, OP_full, type, NULL, &one, 1);
  Value *count = sums_by_row(b, table->type.dims[0], index, ones);
  const Dim *dims[] = {table->type.dims[0], dim_constant(b->function->module->dims, 1)};
  Value *zero = build_number(b, element, 0);
  Value *is_named = build_binary(b, OP_lt, zero, build_reshape(b, count, dims, 2));
  Value *rows = build(b, OP_where, (Value *[]){is_named, table, zero}, 3, NULL, 0);
  if (!rows) bug("a table's rows cannot be chosen: %s", b->failure.message);
  return rows;
}

/* A dot without batch axes, that contracts one axis of each: x's last. */
static bool is_by_rows(const Op *op) {
  const Value *x = op->operands[0];
  return op->kind == OP_dot && op_attribute(op, ATTRIBUTE_batch)->lists.items[0].count == 0 &&
         contracted(op)[0].count == 1 && dim_is(contracted(op)[0].items[0], x->type.rank - 1);
}

/* %y, of rows times weights. */
static Value *product_of_table(Op *dot) {
  Views views;
  if (!is_by_rows(dot)) return NULL;
  const Op *gather = behind_views(dot->operands[0], &views, false)->op;
  if (!gather || gather->kind != OP_gather || gather->block != dot->block || !is_of_rows(gather))
    return NULL;
  Value *table = gather->operands[0], *index = gather->operands[1], *w = dot->operands[1];
  if (!is_worth(dot, &table->type, &index->type)) return NULL;
  Builder b = builder_before(dot);
  int64_t axis = dim_value(contracted(dot)[1].items[0]);
  Value *product = build_dot(&b, table, w, 1, axis);
  place_at(&b, gather); /* which tells of an index out of range */
  index = viewed(&b, index, &views);
  return with_index(&b, OP_gather, (Value *[]){product, index}, 2);
}

/* Whether the dot contracts all but the last axis of its operand `x` with the first ones of the
 * other; `order[i]`: the axis of x that runs with the other's i. */
static bool contracts_rows(const Op *dot, int x, int *order) {
  const DimList *mine = &contracted(dot)[x], *others = &contracted(dot)[1 - x];
  int rows = dot->operands[x]->type.rank - 1;
  if (rows < 1 || mine->count != rows || dot->operands[1 - x]->type.rank <= rows) return false;
  for (int i = 0; i < rows; i++) {
    if (dim_is(mine->items[i], rows) || dim_value(others->items[i]) >= rows) return false;
    order[dim_value(others->items[i])] = (int)dim_value(mine->items[i]);
  }
  return true;
}

/* %dw, of the rows' gradient and what they were multiplied with. */
static Value *gradient_of_weight(Op *dot) {
  int order[MOST_AXES];
  if (dot->kind != OP_dot || op_attribute(dot, ATTRIBUTE_batch)->lists.items[0].count > 0)
    return NULL;
  for (int x = 0; x < 2; x++) {
    Views views;
    if (!contracts_rows(dot, x, order)) continue;
    const Op *gather = behind_views(dot->operands[x], &views, false)->op;
    if (!gather || gather->kind != OP_gather || gather->block != dot->block || !is_of_rows(gather))
      continue;
    Value *table = gather->operands[0], *index = gather->operands[1], *d = dot->operands[1 - x];
    if (!is_worth(dot, &table->type, &index->type)) continue;
    Builder b = builder_before(dot);
    place_at(&b, gather);
    index = viewed(&b, index, &views);
    if (!permutation_is_identity(order, index->type.rank))
      index = build_transpose(&b, index, order);
    Value *sums = sums_by_row(&b, table->type.dims[0], index, d);
    place_at(&b, dot);
    table = named_rows(&b, table, index);
    return x == 0 ? build_dot(&b, table, sums, 0, 0) : build_dot(&b, sums, table, 0, 0);
  }
  return NULL;
}

/* %de, of the rows' gradient and weights. */
static Value *gradient_of_table(Op *scatter) {
  Views views;
  double number;
  if (scatter->kind != OP_scatter_add || !is_of_rows(scatter)) return NULL;
  Value *before = scatter->operands[0], *index = scatter->operands[1];
  const Value *rows = behind_views(scatter->operands[2], &views, true);
  const Op *dot = rows->op;
  if (!dot || rows->mark != 1 || dot->block != scatter->block || !is_by_rows(dot) ||
      dot->operands[0]->type.rank != rows->type.rank || dot->operands[1]->type.rank != 2 ||
      !is_worth(scatter, &before->type, &index->type))
    return NULL;
  Builder b = builder_before(scatter);
  index = unviewed(&b, index, &views);
  Value *sums = sums_by_row(&b, before->type.dims[0], index, dot->operands[0]);
  Value *product = build_dot(&b, sums, dot->operands[1], 1, dim_value(contracted(dot)[1].items[0]));
  bool from_zero = value_number(before, &number) && number == 0;
  return from_zero ? product : build_binary(&b, OP_add, before, product);
}

static void tables_block(Block *block, void *changed) {
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    if (op->kind != OP_dot && op->kind != OP_scatter_add) continue;
    Value *by = op->kind == OP_dot ? product_of_table(op) : gradient_of_table(op);
    if (!by) by = gradient_of_weight(op);
    if (!by) continue;
    by->mark = op_result(op)->mark;
    op_replace(op, by, true);
    ++*(int *)changed;
  }
}

bool pass_tables(PassContext *context) {
  int changed = module_rewrite(context->module, tables_block);
  if (changed > 0) context->effect = arena_format(context->module->arena, "%d products", changed);
  return true;
}
