#include "passes/fuse_epilogue.h"
#include "passes/fuse_members.h"
#include "passes/fuse_region.h"

#include "passes/cost.h"
#include "passes/rewrite.h"

enum { MOST_EPILOGUE = 32 };

bool fuse_takes_epilogue(const Op *op) {
  return op->kind == OP_dot || op->kind == OP_dot_panel || op->kind == OP_conv_panel ||
         op->kind == OP_conv_winograd || op->kind == OP_conv || op->kind == OP_conv_transpose;
}

static int pending_uses(const Fuse *f, const Op *op, const Kernel *kernel) {
  int count = 0;
  for (int i = 0; i < use_count(&f->uses, op_result(op)); i++) {
    const Op *user = use_at(&f->uses, op_result(op), i);
    count += !user || f->kernel[user->mark] != kernel;
  }
  return count;
}

/* The first operation outside of the kernel that uses one of its values; NULL at the function's
 * end. */
static Op *next_user(const Fuse *f, Op *const *ops, int count) {
  Op *first = NULL;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < use_count(&f->uses, op_result(ops[i])); j++) {
      Op *user = use_at(&f->uses, op_result(ops[i]), j);
      if (!user) continue;
      if (user->kind == OP_write || f->kernel[user->mark] == f->kernel[ops[0]->mark]) continue;
      if (!first || user->mark < first->mark) first = user;
    }
  return first;
}

/* Does a panel hold so few columns that a function of the result is cheaper by itself? Those of one
 * column have lanes along the sum. */
static bool is_mostly_empty(const Op *product) {
  if (product->kind != OP_dot_panel && product->kind != OP_conv_panel &&
      product->kind != OP_conv_winograd)
    return false;
  const Type *w = &product->operands[1]->type;
  int64_t columns = dim_value(w->dims[0]) * dim_value(w->dims[w->rank - 1]);
  int64_t size = op_integer(product, ATTRIBUTE_size);
  return columns >= 2 * size || dim_is(w->dims[w->rank - 1], 1) ||
         fuse_leaves_lanes(&op_result(product)->type, size, columns);
}

/* What an epilogue reads beside the product's value, made for it alone by little arithmetic: the
 * mask of a relu's gradient, the 1 - y * y of a tanh's. */
static void take_beside(Fuse *f, Kernel *kernel, const Op *user, const Type *type, OpList *taken) {
  for (int i = 0; i < user->operand_count; i++) {
    Op *op = user->operands[i]->op;
    if (!op || f->kernel[op->mark] || kernel->count >= MOST_EPILOGUE) continue;
    if (!operator_has(op->kind, TRAIT_ELEMENTWISE) || operator_cost(op->kind) >= DEAR ||
        !type_same_dims(&op_result(op)->type, type))
      continue;
    f->kernel[op->mark] = kernel;
    if (pending_uses(f, op, kernel) > 0) {
      f->kernel[op->mark] = NULL;
      continue;
    }
    kernel->count++;
    vec_push(f->scratch, taken, op);
    take_beside(f, kernel, op, type, taken);
  }
}

/* Is the value, which lies in memory, not used any more when the product begins? */
static bool ends_before(const Fuse *f, const Value *value, const Op *product) {
  for (int i = 0; i < use_count(&f->uses, value); i++) {
    const Op *user = use_at(&f->uses, value, i);
    if (!user) return false;
    if (f->kernel[user->mark] != f->kernel[product->mark] && user->mark > product->mark)
      return false;
  }
  return true;
}

/* What lies in memory for the epilogue is one value, whatever it is made from: two or more that are
 * kept for it alone, until then, are not better. */
static void take_all_beside(Fuse *f, Kernel *kernel, const Op *user, const Op *product) {
  const Type *type = &op_result(product)->type;
  OpList taken = {0};
  const Value *kept = NULL;
  bool several = false;
  take_beside(f, kernel, user, type, &taken);
  for (size_t i = 0; i < taken.count; i++)
    for (int k = 0; k < taken.items[i]->operand_count; k++) {
      const Value *x = taken.items[i]->operands[k];
      if ((x->op && f->kernel[x->op->mark] == kernel) || !type_same_dims(&x->type, type)) continue;
      if (x == kept || !ends_before(f, x, product)) continue;
      several = several || kept;
      kept = x;
    }
  if (!several || f->function->scan) return;
  for (size_t i = 0; i < taken.count; i++) f->kernel[taken.items[i]->mark] = NULL;
  kernel->count -= (int)taken.count;
}

/* A weight that is stored in a smaller type is widened where the product reads it, which it does
 * once for a whole tile. */
static void take_widening(Fuse *f, Kernel *kernel, const Op *product) {
  Op *op = product->operands[1]->op;
  if (!op || !op_widens(op) || f->kernel[op->mark]) return;
  f->kernel[op->mark] = kernel;
  if (pending_uses(f, op, kernel) > 0)
    f->kernel[op->mark] = NULL;
  else
    kernel->count++;
}

void fuse_part_widening(Function *function) {
  graph_count_uses(function);
  for (Op *op = function->body->first; op; op = op->next) {
    Op *cast = fuse_takes_epilogue(op) ? op->operands[1]->op : NULL;
    if (!cast || !op_widens(cast)) continue;
    op->operands[1]->mark--;
    if (op->kind == OP_dot_panel || op->kind == OP_conv_panel) {
      op->operands[1] = cast->operands[0];
      continue;
    }
    if (op->operands[1]->mark == 0) continue;
    Builder b = builder_before(op);
    op->operands[1] = build_like(&b, cast, cast->operands);
    op->operands[1]->mark = 1;
  }
}

void fuse_epilogue(Fuse *f, Op *product) {
  Kernel *kernel = ARENA_NEW(f->scratch, Kernel);
  Op *ops[MOST_EPILOGUE] = {product};
  const Type *type = &op_result(product)->type;
  int count = 1, best = 1;
  *kernel = (Kernel){.kind = KERNEL_PRODUCT};
  f->kernel[product->mark] = kernel;
  while (count < MOST_EPILOGUE) {
    Op *op = next_user(f, ops, count);
    if (!op || f->kernel[op->mark] || !operator_has(op->kind, TRAIT_ELEMENTWISE) ||
        !type_same_dims(&op_result(op)->type, type) ||
        (operator_cost(op->kind) >= DEAR && is_mostly_empty(product)))
      break;
    f->kernel[op->mark] = kernel;
    ops[count++] = op;
    int leaving = 0;
    for (int i = 0; i < count; i++) leaving += pending_uses(f, ops[i], kernel) > 0;
    if (leaving == 1 && pending_uses(f, op, kernel) > 0 &&
        element_is_float(op_result(op)->type.element))
      best = count;
  }
  for (int i = best; i < count; i++) f->kernel[ops[i]->mark] = NULL;
  kernel->root = ops[best - 1];
  kernel->count = best;
  take_widening(f, kernel, product);
  for (int i = 1; i < best; i++) take_all_beside(f, kernel, ops[i], product);
}
