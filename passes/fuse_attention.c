#include "passes/fuse_attention.h"

#include "ir/attention.h"
#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

enum { MOST_MEMBERS = 32 };

typedef struct {
  Function *function;
  Arena *scratch;
  Uses uses;
  Op **root;  /* of each operation: the attention in whose kernel it is; NULL: in none */
  int *count; /* of an attention's kernel: operations */
} Fuse;

/* Is the value used in the kernel alone? */
static bool is_only_in(const Fuse *f, const Value *value, const Op *root) {
  for (int i = 0; i < use_count(&f->uses, value); i++) {
    const Op *user = use_at(&f->uses, value, i);
    if (!user || f->root[user->mark] != root) return false;
  }
  return true;
}

static bool can_join(const Fuse *f, const Op *op, Op *root) {
  return op && op->block == f->function->body && op->result_count == 1 && !f->root[op->mark] &&
         f->count[root->mark] < MOST_MEMBERS && is_only_in(f, op_result(op), root);
}

static void join(Fuse *f, const Op *op, Op *root) {
  f->root[op->mark] = root;
  f->count[root->mark]++;
}

/* A view of rows: their numbers stay side by side. */
static bool keeps_rows(const Op *op) {
  int last = op_result(op)->type.rank - 1;
  if (op->kind == OP_transpose) return op_list_integer(op, ATTRIBUTE_perm, last) == last;
  return op->kind == OP_slice && op_list_integer(op, ATTRIBUTE_step, last) == 1;
}

/* The transpose that is all that uses a result, if rows stay rows; or NULL. */
static Op *transpose_of(const Fuse *f, const Value *result) {
  Op *user = use_count(&f->uses, result) == 1 ? use_at(&f->uses, result, 0) : NULL;
  bool can = user && user->kind == OP_transpose && keeps_rows(user) && !f->root[user->mark];
  return can ? user : NULL;
}

/* ---- views for each kernel that can take them ---- */

static bool takes_views(const Op *op) {
  return op && (is_attention(op->kind) || operator_has(op->kind, TRAIT_ELEMENTWISE));
}

/* Views of rows that others take into their kernels too (the gradient takes what attention has
 * taken) are made for each kernel anew: so none has to be written. */
static Value *own_view(const Fuse *f, Builder *b, Value *value, bool shared) {
  Op *op = value->op;
  if (!op || op->block != f->function->body || op->result_count != 1 || !keeps_rows(op))
    return value;
  for (int i = 0; i < use_count(&f->uses, value); i++) {
    const Op *user = use_at(&f->uses, value, i);
    if (!takes_views(user) && !(user && keeps_rows(user))) return value;
  }
  shared = shared || use_count(&f->uses, value) > 1;
  Value *from = own_view(f, b, op->operands[0], shared);
  return from == op->operands[0] && !shared ? value : build_like(b, op, &from);
}

/* A result that is used turned, and as it is by what can look at the turned one. */
static void turn_uses(const Fuse *f, Value *result) {
  Op *turn = NULL;
  for (int i = 0; i < use_count(&f->uses, result); i++) {
    Op *user = use_at(&f->uses, result, i);
    bool turns = user && user->kind == OP_transpose && keeps_rows(user);
    if (turns ? turn != NULL : !takes_views(user) || is_attention(user->kind)) return;
    if (turns) turn = user;
  }
  if (!turn || use_count(&f->uses, result) < 2) return;
  int perm[MOST_AXES], back[MOST_AXES], rank = result->type.rank;
  op_permutation(turn, perm);
  for (int i = 0; i < rank; i++) back[perm[i]] = i;
  for (int i = 0; i < use_count(&f->uses, result); i++)
    if (use_at(&f->uses, result, i)->mark < turn->mark) return;
  Builder b = builder_before(turn->next);
  Value *as_was = build_transpose(&b, op_result(turn), back);
  for (int i = 0; i < use_count(&f->uses, result); i++) {
    Op *user = use_at(&f->uses, result, i);
    for (int k = 0; k < user->operand_count && user != turn; k++)
      if (user->operands[k] == result) user->operands[k] = as_was;
  }
}

static int row_operands(const Op *root) {
  return root->kind == OP_attention ? 3 : 4;
}

static void part_views(const Fuse *f, Op *root) {
  Builder b = builder_before(root);
  for (int i = 0; i < row_operands(root); i++)
    root->operands[i] = own_view(f, &b, root->operands[i], false);
  for (int i = 0; i < root->result_count; i++) turn_uses(f, root->results[i]);
  for (int i = root->result_count - 1; i >= 0;
       i--) { /* in front of what uses others of the results */
    Op *turn = transpose_of(f, root->results[i]);
    if (!turn) continue;
    op_remove(turn);
    op_insert_after(root, turn);
  }
}

/* ---- what is in a kernel ---- */

static void join_rows(Fuse *f, Op *root, int operand) {
  for (Op *op = root->operands[operand]->op; op && can_join(f, op, root) && keeps_rows(op);
       op = op->operands[0]->op)
    join(f, op, root);
}

/* Whether the kernel may make an element of the operation for each score: there are as many, or it
 * is next to nothing. */
static bool is_made_for_scores(const Op *op, double scores) {
  switch (op->kind) {
  case OP_broadcast:
  case OP_transpose:
    return true;
  case OP_reshape: /* axes of size 1 alone come and go: else indices take divisions */
    return reshape_is_of_units(op);
  case OP_random:
    return type_elements(&op_result(op)->type) >= scores;
  default:
    return operator_has(op->kind, TRAIT_ELEMENTWISE) &&
           (operator_cost(op->kind) <= 1 || type_elements(&op_result(op)->type) >= scores);
  }
}

static void join_extra(Fuse *f, Op *root, Value *value, double scores) {
  Op *op = value->op;
  if (!op || op_is_generator(op) || !can_join(f, op, root) || !is_made_for_scores(op, scores))
    return;
  join(f, op, root);
  for (int i = 0; i < op->operand_count; i++) join_extra(f, root, op->operands[i], scores);
}

static bool is_used_before(const Fuse *f, const Value *value, const Op *place) {
  for (int i = 0; i < use_count(&f->uses, value); i++) {
    const Op *user = use_at(&f->uses, value, i);
    if (user && user->mark < place->mark) return true;
  }
  return false;
}

/* A kernel stands where its last operation did: nothing that it makes may be used before. */
static bool can_stand_at(const Fuse *f, const Op *root, const Op *place) {
  for (int i = 0; i < root->result_count; i++) {
    const Op *transpose = transpose_of(f, root->results[i]);
    bool inside = transpose && transpose->mark <= place->mark;
    if (is_used_before(f, inside ? op_result(transpose) : root->results[i], place)) return false;
  }
  return true;
}

/* The transposes of results, as many as can be. */
static void join_transposes(Fuse *f, Op *root) {
  Op *joined[3];
  int count = 0;
  for (int i = 0; i < root->result_count; i++) {
    Op *transpose = transpose_of(f, root->results[i]);
    if (!transpose) continue;
    int at = count++;
    for (; at > 0 && joined[at - 1]->mark > transpose->mark; at--) joined[at] = joined[at - 1];
    joined[at] = transpose;
  }
  while (count > 0 && !can_stand_at(f, root, joined[count - 1])) count--;
  for (int i = 0; i < count; i++) join(f, joined[i], root);
}

/* What the kernel makes for others, the last operation's result first. */
static ValueList results_of(const Fuse *f, const OpList *list, const Op *root) {
  ValueList yields = {0};
  for (size_t i = list->count; i > 0; i--) {
    const Op *op = list->items[i - 1];
    if (op != root && !(op->kind == OP_transpose && op->operands[0]->op == root)) continue;
    for (int k = 0; k < op->result_count; k++)
      if (use_count(&f->uses, op->results[k]) > 0 && !is_only_in(f, op->results[k], root))
        vec_push(f->scratch, &yields, op->results[k]);
  }
  return yields;
}

static void collect(Fuse *f, Op *root) {
  const Type *q = &root->operands[0]->type, *k = &root->operands[1]->type;
  double scores = type_elements(q) / (double)dim_max(q->dims[q->rank - 1]) *
                  (double)dim_max(k->dims[k->rank - 2]);
  int mask = attention_mask(root), factor = attention_factor(root);
  join(f, root, root);
  join_transposes(f, root);
  for (int i = 0; i < row_operands(root); i++) join_rows(f, root, i);
  if (mask >= 0) join_extra(f, root, root->operands[mask], scores);
  if (factor >= 0) join_extra(f, root, root->operands[factor], scores);
}

static bool is_used(const Fuse *f, const Op *op) {
  for (int i = 0; i < op->result_count; i++)
    if (use_count(&f->uses, op->results[i]) > 0) return true;
  return false;
}

int fuse_attention(PassContext *context, Function *function, int number) {
  Fuse f = {.function = function, .scratch = context->scratch};
  Block *body = function->body;
  f.uses = uses_of(f.scratch, function);
  f.root = ARENA_ARRAY(f.scratch, (size_t)f.uses.op_count + 1, Op *);
  for (int i = 0; i < f.uses.op_count; i++)
    if (is_attention(f.uses.ops[i]->kind) && is_used(&f, f.uses.ops[i]))
      part_views(&f, f.uses.ops[i]);
  f.uses = uses_of(f.scratch, function);
  f.root = ARENA_ARRAY(f.scratch, (size_t)f.uses.op_count + 1, Op *);
  f.count = ARENA_ARRAY(f.scratch, (size_t)f.uses.op_count + 1, int);
  for (int i = 0; i < f.uses.op_count; i++)
    if (is_attention(f.uses.ops[i]->kind) && is_used(&f, f.uses.ops[i])) collect(&f, f.uses.ops[i]);
  OpList *lists = ARENA_ARRAY(f.scratch, (size_t)f.uses.op_count + 1, OpList);
  for (int i = 0; i < f.uses.op_count; i++) {
    Op *root = f.root[i];
    if (!root) continue;
    OpList *list = &lists[root->mark];
    vec_push(f.scratch, list, f.uses.ops[i]);
    if ((int)list->count < f.count[root->mark]) continue;
    ValueList yields = results_of(&f, list, root);
    fuse_region(function, list, &yields, NULL, number++);
  }
  for (Op *op = body->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) op->operands[i] = fused_value(op->operands[i]);
  for (int i = 0; i < body->yield_count; i++) body->yields[i] = fused_value(body->yields[i]);
  return number;
}
