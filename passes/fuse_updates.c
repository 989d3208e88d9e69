#include "passes/fuse_updates.h"

#include "passes/plan.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

#include <string.h>

enum {
  MOST_IN_UPDATE = 48,
  MOST_OPERANDS = 24,
  MOST_SCALARS = 56 /* operands and results of a kernel of scalars */
};

typedef struct {
  Op *root;
  OpList ops; /* the last one first */
  int arguments;
  bool reads; /* the old value of something that it writes */
} Update;

typedef struct {
  Arena *scratch;
  Function *function;
  Uses uses;
  Update **update; /* of each operation; NULL: in none */
  bool *late;      /* of each operation: a scalar that updates alone use */
  bool *moved;     /* of each operation: to the block's start */
} Updates;

/* ---- which operations ---- */

/* The one update whose operations, beside writes, are all that use the result; NULL: there is none.
 * `written`: a write does. */
static Update *only_update(const Updates *u, const Op *op, bool *written) {
  Update *update = NULL;
  *written = false;
  for (int i = 0; i < use_count(&u->uses, op_result(op)); i++) {
    const Op *user = use_at(&u->uses, op_result(op), i);
    if (user && user->kind == OP_write) {
      *written = true;
      continue;
    }
    Update *of = user ? u->update[user->mark] : NULL;
    if (!of || (update && of != update)) {
      *written = false;
      return NULL;
    }
    update = of;
  }
  return update;
}

static bool reads_what_it_writes(const Updates *u, const Op *op, const Update *update) {
  for (int i = 0; i < op->operand_count; i++) {
    const Op *read = value_storage(op->operands[i])->op;
    if (!read || read->kind != OP_read) continue;
    for (size_t j = 0; j < update->ops.count; j++) {
      const Value *value = op_result(update->ops.items[j]);
      for (int k = 0; k < use_count(&u->uses, value); k++) {
        const Op *user = use_at(&u->uses, value, k);
        if (user && user->kind == OP_write && user->symbol == read->symbol) return true;
      }
    }
  }
  return false;
}

/* An elementwise operation joins the update that alone uses it, or begins one if its result is
 * written and not used. */
static void assign(Updates *u, Op *op) {
  if (!operator_has(op->kind, TRAIT_ELEMENTWISE) || op_result(op)->type.rank == 0) return;
  bool written;
  Update *update = only_update(u, op, &written);
  if (!update) {
    if (!written) return;
    update = ARENA_NEW(u->scratch, Update);
    *update = (Update){.root = op, .arguments = 1};
  } else if (!type_same_dims(&op_result(op)->type, &op_result(update->root)->type) ||
             update->ops.count >= MOST_IN_UPDATE ||
             update->arguments + op->operand_count > MOST_OPERANDS)
    return;
  vec_push(u->scratch, &update->ops, op);
  update->arguments += op->operand_count - 1;
  u->update[op->mark] = update;
}

/* ---- scalars ---- */

static bool is_early(const Value *value) {
  return !value->op || value->op->kind == OP_read || op_is_generator(value->op);
}

static bool is_scalar_work(const Op *op) {
  return operator_has(op->kind, TRAIT_ELEMENTWISE) && op_result(op)->type.rank == 0;
}

static bool is_late(const Updates *u, const Op *op) {
  int count = use_count(&u->uses, op_result(op));
  for (int i = 0; i < count; i++) {
    const Op *user = use_at(&u->uses, op_result(op), i);
    if (!user || !(user->kind == OP_write || u->late[user->mark] || u->update[user->mark]))
      return false;
  }
  return count > 0;
}

/* Late scalars that are made of inputs, tensors and each other come first in the block, behind what
 * they read, in as few kernels as can be. Returns how many kernels. */
static OpList *collect_scalars(Updates *u, int *lists) {
  for (int i = u->uses.op_count - 1; i >= 0; i--) {
    const Op *op = u->uses.ops[i];
    u->late[i] = is_scalar_work(op) && is_late(u, op);
  }
  OpList *list = ARENA_ARRAY(u->scratch, (size_t)u->uses.op_count + 1, OpList);
  int room = 0;
  *lists = 0;
  for (int i = 0; i < u->uses.op_count; i++) {
    Op *op = u->uses.ops[i];
    bool made = u->late[i];
    for (int j = 0; j < op->operand_count; j++) {
      const Value *value = op->operands[j];
      made = made && (is_early(value) || u->late[value->op->mark]);
    }
    u->late[i] = made;
    if (!made) continue;
    if (*lists == 0 || room + op->operand_count + 1 > MOST_SCALARS) (*lists)++, room = 0;
    room += op->operand_count + 1;
    vec_push(u->scratch, &list[*lists - 1], op);
  }
  return list;
}

/* Moves an operation in front of *first, unless it stands there. */
static void move_up(Updates *u, Op **first, Op *op) {
  if (u->moved[op->mark]) return;
  u->moved[op->mark] = true;
  if (*first == op) {
    *first = op->next;
    return;
  }
  op_remove(op);
  op_insert_before(*first, op);
}

/* To the block's start, each behind the tensors that it reads. The writes are at the end, so there
 * always is an operation that stays. */
static void move_scalars(Updates *u, const OpList *lists, int count) {
  Op *first = u->function->body->first;
  for (int i = 0; i < count; i++)
    for (size_t j = 0; j < lists[i].count; j++) {
      Op *op = lists[i].items[j];
      for (int k = 0; k < op->operand_count; k++)
        if (op->operands[k]->op) move_up(u, &first, op->operands[k]->op);
      move_up(u, &first, op);
    }
}

/* ---- kernels ---- */

static bool leaves(const Updates *u, const OpList *ops, const Op *op) {
  for (int i = 0; i < use_count(&u->uses, op_result(op)); i++) {
    const Op *user = use_at(&u->uses, op_result(op), i);
    bool inside = false;
    for (size_t j = 0; j < ops->count; j++) inside = inside || ops->items[j] == user;
    if (!inside) return true;
  }
  return false;
}

/* Operations in order; the last one's result is the first that is yielded. */
static void make_kernel(Updates *u, const OpList *ops, const char *word, int number) {
  ValueList yields = {0};
  vec_push(u->scratch, &yields, op_result(vec_last(ops)));
  for (size_t i = 0; i + 1 < ops->count; i++)
    if (leaves(u, ops, ops->items[i])) vec_push(u->scratch, &yields, op_result(ops->items[i]));
  fuse_region(u->function, ops, &yields, word, number);
}

static void sink_writes(Function *function) {
  OpList writes = {0};
  for (Op *op = function->body->first; op; op = op->next)
    if (op->kind == OP_write) vec_push(function->module->arena, &writes, op);
  for (size_t i = 0; i < writes.count; i++) {
    op_remove(writes.items[i]);
    op_append(function->body, writes.items[i]);
  }
}

int fuse_updates(PassContext *context, Function *function, int number) {
  Updates u = {.scratch = context->scratch, .function = function};
  sink_writes(function);
  const Op *last = function->body->last;
  if (!last || last->kind != OP_write) return number;
  u.uses = uses_of(u.scratch, function);
  u.update = ARENA_ARRAY(u.scratch, (size_t)u.uses.op_count, Update *);
  u.late = ARENA_ARRAY(u.scratch, (size_t)u.uses.op_count, bool);
  u.moved = ARENA_ARRAY(u.scratch, (size_t)u.uses.op_count, bool);
  for (int i = u.uses.op_count - 1; i >= 0; i--)
    if (u.uses.ops[i]->result_count == 1) assign(&u, u.uses.ops[i]);
  for (int i = 0; i < u.uses.op_count; i++) {
    Update *update = u.update[i];
    if (update && reads_what_it_writes(&u, u.uses.ops[i], update)) update->reads = true;
  }
  for (int i = 0; i < u.uses.op_count; i++)
    if (u.update[i] && !u.update[i]->reads) u.update[i] = NULL;
  int lists;
  OpList *scalars = collect_scalars(&u, &lists);
  move_scalars(&u, scalars, lists);
  for (int i = 0; i < lists; i++)
    if (scalars[i].count > 1) make_kernel(&u, &scalars[i], "scalars", number++);
  for (int i = 0; i < u.uses.op_count; i++) {
    Update *update = u.update[i];
    if (!update || update->root != u.uses.ops[i]) continue;
    OpList ops = {0};
    for (size_t j = update->ops.count; j > 0; j--)
      vec_push(u.scratch, &ops, update->ops.items[j - 1]);
    if (ops.count > 1) make_kernel(&u, &ops, "update", number++);
  }
  Block *body = function->body;
  for (Op *op = body->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) op->operands[i] = fused_value(op->operands[i]);
  for (int i = 0; i < body->yield_count; i++) body->yields[i] = fused_value(body->yields[i]);
  return number;
}
