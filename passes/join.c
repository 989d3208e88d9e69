/* join - makes one product of those in a loop that share an operand.
 *
 *   before  %1 = dot %h, %u   ..   %2 = dot %h, %v           u [6,4] and v [9,4], the same in each
 * trip after   %3 = concat %u, %v {axis=0}                      in front of the loop scan (.., %3)
 * { %4 = dot %h, %3   %1 = slice %4 {0:6}   ..   %2 = slice %4 {6:15} }
 *
 * The gates of a cell that a page writes one by one, each with its own weight: their sums are the
 * same, in the same order, but read one weight in one kernel. It is done before `gradient`, so that
 * theirs are one product too. Only where an operand has few rows, so that a kernel is mostly its
 * weight. What is put together once in a call (or, of constants, while compiling) is used in each
 * trip. Linear. */
#include "passes/cost.h"
#include "passes/rewrite.h"

/* Rows up to which products are joined. */
static const double most_rows = 64;

/* A dot of `x`, whose last axis is contracted, and of a weight [n, K], or [K, n] if `turned`. */
typedef struct {
  Op *dot;
  int operand; /* of the scan: the weight */
  bool turned;
} Product;

typedef VEC(Product) Products;

static const Value *argument_of(const Value *value, bool *turned) {
  int perm[MOST_AXES];
  const Op *op = value->op;
  if (op && op->kind == OP_transpose && op_result(op)->type.rank == 2) {
    op_permutation(op, perm);
    if (perm[0] == 1) *turned = !*turned;
    value = op->operands[0];
  }
  return value->op ? NULL : value;
}

static bool find_product(const Block *body, Op *op, Product *product) {
  if (op->kind != OP_dot) return false;
  const Value *x = op->operands[0];
  const DimList *contract = op_attribute(op, ATTRIBUTE_contract)->lists.items;
  const DimList *batch = op_attribute(op, ATTRIBUTE_batch)->lists.items;
  const Type *w = &op->operands[1]->type;
  if (batch->count > 0 || contract[0].count != 1 || w->rank != 2 || !type_is_static(w))
    return false;
  if (!dim_is(contract[0].items[0], x->type.rank - 1)) return false;
  *product = (Product){.dot = op, .turned = dim_is(contract[1].items[0], 0)};
  const Value *argument = argument_of(op->operands[1], &product->turned);
  if (!argument || argument->block != body || body->binds[argument->index] != BIND_PLAIN)
    return false;
  product->operand = argument->index;
  double depth = (double)dim_max(x->type.dims[x->type.rank - 1]);
  return depth > 0 && type_elements(&x->type) / depth <= most_rows;
}

static const Dim *columns_of(const Product *product) {
  const Type *type = &op_result(product->dot)->type;
  return type->dims[type->rank - 1];
}

/* All weights as [n, K], one after the other, in front of the scan. */
static Value *joined_weight(Op *scan, const Products *products) {
  Builder b = builder_before(scan);
  Module *module = scan->block->function->module;
  Value **parts = ARENA_ARRAY(module->arena, products->count, Value *);
  for (size_t i = 0; i < products->count; i++) {
    parts[i] = scan->operands[products->items[i].operand];
    if (products->items[i].turned) parts[i] = build_transpose(&b, parts[i], (int[]){1, 0});
  }
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(module, 0)};
  return build(&b, OP_concat, parts, (int)products->count, &axis, 1);
}

static Value *bind(Op *scan, Value *operand) {
  size_t count = (size_t)scan->operand_count;
  Arena *arena = scan->block->function->module->arena;
  scan->operands = arena_grow(arena, scan->operands, count, count + 1, sizeof *scan->operands);
  scan->operands[scan->operand_count++] = operand;
  return block_add_argument(scan->region, NULL, operand->type, BIND_PLAIN);
}

static Value *columns_slice(Builder *b, Value *x, const Dim *from, const Dim *to) {
  Module *module = b->function->module;
  const Dim *start[MOST_AXES], *stop[MOST_AXES];
  int last = x->type.rank - 1;
  for (int i = 0; i <= last; i++) {
    start[i] = i == last ? from : dim_constant(module->dims, 0);
    stop[i] = i == last ? to : x->type.dims[i];
  }
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(module, start, last + 1)},
                            {ATTRIBUTE_stop, attribute_dims(module, stop, last + 1)}};
  return build(b, OP_slice, &x, 1, attributes, 2);
}

static void join_products(Op *scan, const Products *products) {
  Module *module = scan->block->function->module;
  const Op *first = products->items[0].dot;
  Value *x = first->operands[0], *w = bind(scan, joined_weight(scan, products));
  Builder b = builder_before(products->items[0].dot);
  int64_t last = x->type.rank - 1, one = 1;
  Attribute contract = {ATTRIBUTE_contract, attribute_two_lists(module, &last, &one, 1)};
  Value *all = build(&b, OP_dot, (Value *[]){x, w}, 2, &contract, 1);
  const Dim *from = dim_constant(module->dims, 0);
  for (size_t i = 0; i < products->count; i++) {
    const Dim *to = dim_add(module->dims, from, columns_of(&products->items[i]));
    Builder at = builder_before(products->items[i].dot);
    op_replace(products->items[i].dot, columns_slice(&at, all, from, to), true);
    from = to;
  }
}

static int join_scan(Arena *scratch, Op *scan) {
  Block *body = scan->region;
  Products found = {0};
  int count = 0;
  for (Op *op = body->first; op; op = op->next) {
    Product product;
    op_follow(op);
    if (find_product(body, op, &product)) vec_push(scratch, &found, product);
  }
  for (size_t i = 0; i < found.count; i++) {
    if (!found.items[i].dot) continue;
    Products group = {0};
    const Op *first = found.items[i].dot;
    for (size_t j = i; j < found.count; j++) {
      const Op *dot = found.items[j].dot;
      if (!dot || dot->operands[0] != first->operands[0] ||
          dot->operands[1]->type.element != first->operands[1]->type.element)
        continue;
      vec_push(scratch, &group, found.items[j]);
      found.items[j].dot = NULL;
    }
    if (group.count < 2) continue;
    join_products(scan, &group);
    count += (int)group.count;
  }
  return count;
}

typedef struct {
  PassContext *context;
  int count;
} Walk;

/* A weight that is put together in the body around is put together once, too: `hoist` sees to it.
 */
static void join_block(Block *block, void *user) {
  Walk *walk = user;
  for (Op *op = block->first; op; op = op->next)
    if (op->kind == OP_scan) walk->count += join_scan(walk->context->scratch, op);
}

bool pass_join(PassContext *context) {
  Walk walk = {context, 0};
  for (size_t i = 0; i < context->module->functions.count; i++) {
    function_blocks(context->module->functions.items[i], join_block, &walk);
    graph_resolve(context->module->functions.items[i]);
  }
  if (walk.count > 0)
    context->effect = arena_format(context->module->arena, "%d joined", walk.count);
  return true;
}
