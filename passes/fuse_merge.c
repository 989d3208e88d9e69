#include "passes/fuse_merge.h"

#include "passes/fuse_region.h"

enum { MOST_MERGED = 128, MOST_OUTSIDE = 48, MOST_OPERANDS = 24 }; /* outside: of loops */

/* The operations that a kernel would have, and the kernels that they come from. */
typedef struct {
  Fuse *f;
  Kernel *kernel; /* that takes the others in */
  VEC(Op *) ops;
  VEC(Kernel *) of;
} Merge;

/* Reads its operand, which lies in memory then, at another index. */
static bool is_view(const Op *op) {
  return op->kind == OP_slice || op->kind == OP_broadcast;
}

/* Every element on its own, so that all of a merged kernel's are computed at one index. */
static bool takes(const Fuse *f, const Op *op) {
  const Kernel *kernel = f->kernel[op->mark];
  return kernel && kernel->kind == KERNEL_MAP && kernel->reductions == 0 &&
         type_same_dims(&op_result(op)->type, &op_result(kernel->root)->type) &&
         (operator_has(op->kind, TRAIT_ELEMENTWISE) || is_view(op));
}

/* Where an operation's value is to be had, in the order of the block. */
static int64_t made_at(const Fuse *f, const Op *op) {
  return f->kernel[op->mark] ? f->kernel[op->mark]->root->mark : op->mark;
}

static bool leaves(const Merge *m, const Op *op) {
  const Uses *uses = &m->f->uses;
  for (int i = 0; i < use_count(uses, op_result(op)); i++) {
    const Op *user = use_at(uses, op_result(op), i);
    if (!user || m->f->kernel[user->mark] != m->kernel) return true;
  }
  return false;
}

/* With the kernel's operations as they are now: do what they wait for and what waits for them allow
 * the place of `root`, and does little enough pass through the kernel? */
static bool fits(const Merge *m, const Op *root) {
  const Fuse *f = m->f;
  const Value *operands[MOST_OPERANDS];
  int yields = 0, count = 0;
  for (size_t i = 0; i < m->ops.count; i++) {
    const Op *op = m->ops.items[i];
    for (int j = 0; j < op->operand_count; j++) {
      const Value *value = op->operands[j];
      const Op *from = value->op;
      if (from && (f->kernel[from->mark] == m->kernel || op_is_generator(from))) {
        if (is_view(op) && !op_is_generator(from)) return false;
        continue;
      }
      if (from && made_at(f, from) > root->mark) return false;
      int known = 0;
      while (known < count && operands[known] != value) known++;
      if (known < count) continue;
      if (count == MOST_OPERANDS) return false;
      operands[count++] = value;
    }
    if (!leaves(m, op)) continue;
    if (op != root && ++yields > MOST_YIELDS) return false;
    if (!element_is_float(op_result(op)->type.element)) return false;
    for (int j = 0; j < use_count(&f->uses, op_result(op)); j++) {
      const Op *user = use_at(&f->uses, op_result(op), j);
      if (user && f->kernel[user->mark] != m->kernel && made_at(f, user) < root->mark) return false;
    }
  }
  return true;
}

/* Adds the operations of a kernel, if all are such. */
static bool add(Merge *m, Kernel *kernel) {
  int found = 0;
  size_t before = m->ops.count;
  for (int64_t i = kernel->root->mark; i >= 0 && found < kernel->count; i--) {
    Op *op = m->f->uses.ops[i];
    if (m->f->kernel[i] != kernel) continue;
    if (!takes(m->f, op)) break;
    vec_push(m->f->scratch, &m->ops, op);
    vec_push(m->f->scratch, &m->of, kernel);
    found++;
  }
  if (found < kernel->count) m->ops.count = m->of.count = before;
  return found == kernel->count;
}

static bool is_between(const Fuse *f, const Op *op) {
  const Kernel *kernel = f->kernel[op->mark];
  return kernel ? kernel->kind == KERNEL_MAP : op_is_generator(op) || op->kind == OP_read;
}

/* Does the kernel read what one of those makes that are taken so far? */
static bool is_fed(const Merge *m, const Kernel *kernel) {
  for (size_t i = 0; i < m->ops.count; i++) {
    const Value *made = op_result(m->ops.items[i]);
    for (int j = 0; j < use_count(&m->f->uses, made); j++) {
      const Op *user = use_at(&m->f->uses, made, j);
      if (user && m->f->kernel[user->mark] == kernel) return true;
    }
  }
  return false;
}

/* Gives the operations from number `from` on back to their kernels. */
static void give_back(Merge *m, size_t from) {
  for (size_t i = from; i < m->ops.count; i++) m->f->kernel[m->ops.items[i]->mark] = m->of.items[i];
  m->ops.count = m->of.count = from;
}

/* The kernel and as many as may be of those that come after it; outside of loops, where much more
 * memory would be in use for longer, of those that follow it at once and read what it makes. A
 * value may leave what is taken so far in a way that is not to be, and no more when its users are
 * taken, too. */
static void merge_after(Fuse *f, Kernel *first) {
  Merge m = {.f = f, .kernel = first};
  Op *root = first->root, *best_root = root;
  if (!add(&m, first)) return;
  bool trip = f->function->scan, near = true;
  size_t best = m.ops.count, most = trip ? MOST_MERGED : MOST_OUTSIDE;
  for (int64_t i = root->mark + 1; i < f->uses.op_count && (trip || near); i++) {
    Kernel *kernel = f->kernel[i];
    size_t before = m.ops.count;
    near = is_between(f, f->uses.ops[i]);
    if (!kernel || kernel == first || f->uses.ops[i] != kernel->root) continue;
    if (!type_same_dims(&op_result(kernel->root)->type, &op_result(root)->type)) continue;
    if (!trip && !is_fed(&m, kernel)) continue;
    if (before + (size_t)kernel->count > most || !add(&m, kernel)) continue;
    for (size_t j = before; j < m.ops.count; j++) f->kernel[m.ops.items[j]->mark] = first;
    first->root = kernel->root;
    if (fits(&m, kernel->root)) best = m.ops.count, best_root = kernel->root;
  }
  give_back(&m, best);
  first->root = best_root;
  first->count = (int)best;
  for (size_t i = 0; i < best && best_root != root; i++) {
    const Op *op = m.ops.items[i];
    f->returned[op->mark] = op != best_root && leaves(&m, op);
  }
}

void fuse_merge(Fuse *f) {
  for (int i = 0; i < f->uses.op_count; i++) {
    Kernel *kernel = f->kernel[i];
    if (kernel && f->uses.ops[i] == kernel->root && kernel->kind == KERNEL_MAP)
      merge_after(f, kernel);
  }
}
