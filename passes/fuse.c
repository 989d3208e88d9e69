/* fuse - makes kernels of operations that share their data; fuse.h says what one may hold.
 *
 *   before  %1 = conv_panel %x, %w   %2 = add %1, %b   %3 = tanh %2   %4 = windows %3   %5 = max %4
 *   after   %3 = fused @k0_conv_tanh (%x, %w, %b) { .. }   %5 = fused @k1_pool (%x = %3) { .. }
 *
 * First attention takes what makes its operands, and each product what follows it elementwise, as
 * far as one value alone leaves the kernel. Then, from the end to the start, an operation joins the
 * kernel that uses it if no other does. So a kernel has one result, made by its last operation, and
 * no two kernels can wait for each other; but a loop's body may take from a kernel what it makes on
 * the way, too: an LSTM's c beside its h. Nothing that costs much is computed twice: not in a row's
 * second pass, not in overlapping windows. Linear, but for the limits on a kernel's size. */
#include "passes/fuse_attention.h"
#include "passes/fuse_channels.h"
#include "passes/fuse_copies.h"
#include "passes/fuse_epilogue.h"
#include "passes/fuse_members.h"
#include "passes/fuse_merge.h"
#include "passes/fuse_rows.h"
#include "passes/fuse_sums.h"
#include "passes/fuse_updates.h"
#include "passes/fuse_weights.h"

#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/dce.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

enum { MOST_OPERATIONS_FUSED = 48, MOST_ARGUMENTS = 24 };
/* How often a cheap operation may be done for each element it makes. */
static const double most_repeats = 9;
/* ... and what a kernel may do again in all, in operations for an element of its result. */
static const double most_repeated_work = 16;

/* A kernel may also give what it makes on the way: a trip's, if that is carried on or emitted,
 * others what is dear to make. */
static bool may_yield(const Op *op, const Kernel *kernel) {
  const Type *type = &op_result(op)->type, *root = &op_result(kernel->root)->type;
  return kernel->kind == KERNEL_MAP && kernel->yields < MOST_YIELDS && type_equal(type, root) &&
         operator_has(op->kind, TRAIT_ELEMENTWISE) && element_is_float(type->element);
}

/* The only kernel that uses the operation's result; NULL if there are several or none. `*returned`:
 * a loop's body gives it, too. */
static Kernel *only_user(const Fuse *f, const Op *op, bool *returned) {
  Kernel *kernel = NULL;
  *returned = false;
  for (int i = 0; i < use_count(&f->uses, op_result(op)); i++) {
    const Op *user = use_at(&f->uses, op_result(op), i);
    if (!user && f->function->scan) {
      *returned = true;
      continue;
    }
    if (!user || !f->kernel[user->mark]) return NULL;
    if (kernel && kernel != f->kernel[user->mark]) return NULL;
    kernel = f->kernel[user->mark];
  }
  if (!kernel || !kernel->is_open || (*returned && !may_yield(op, kernel))) return NULL;
  return kernel;
}

/* The kernel of the first user of what is dear to make, if all others come after it: it gives the
 * value, too, as it passes by. */
static Kernel *first_user(const Fuse *f, const Op *op) {
  if (f->function->scan || operator_cost(op->kind) < DEAR) return NULL;
  const Op *first = NULL;
  for (int i = 0; i < use_count(&f->uses, op_result(op)); i++) {
    const Op *user = use_at(&f->uses, op_result(op), i);
    if (!user) return NULL;
    if (!first || user->mark < first->mark) first = user;
  }
  Kernel *kernel = first ? f->kernel[first->mark] : NULL;
  if (!kernel || !kernel->is_open || kernel->reductions > 0 || !may_yield(op, kernel)) return NULL;
  for (int i = 0; i < use_count(&f->uses, op_result(op)); i++) {
    const Op *user = use_at(&f->uses, op_result(op), i);
    if (f->kernel[user->mark] != kernel && user->mark < kernel->root->mark) return NULL;
  }
  return kernel;
}

/* How often the operation's elements would be computed in the kernel of its users, for each one;
 * and in which passes over a row. */
static double repeats_in(const Fuse *f, const Op *op, const Kernel *kernel, unsigned *when) {
  double most = 0, own = type_elements(&op_result(op)->type);
  *when = 0;
  for (int i = 0; i < use_count(&f->uses, op_result(op)); i++) {
    const Op *user = use_at(&f->uses, op_result(op), i);
    unsigned axes;
    if (!user) { /* a loop's body gives it as it is */
      *when |= 1;
      most = most < 1 ? 1 : most;
      continue;
    }
    if (f->kernel[user->mark] != kernel) continue; /* is given it */
    double repeat = f->repeat[user->mark];
    double larger = type_elements(&op_result(user)->type) / (own > 0 ? own : 1);
    if (operator_has(user->kind, TRAIT_ELEMENTWISE) || user->kind == OP_broadcast ||
        user->kind == OP_windows)
      repeat *= larger > 1 ? larger : 1;
    if (repeat > most) most = repeat;
    if (!fuse_is_row_reduction(user, &axes))
      *when |= f->phases[user->mark];
    else
      *when |= (user->kind == OP_softmax ? 6u : 2u) << (user->mark % 30);
  }
  return most;
}

/* In a row kernel: rows, one value a row, or what is broadcast into them. */
static bool fits_rows(const Kernel *kernel, const Op *op, unsigned when, double repeat) {
  const Type *type = &op_result(op)->type;
  if (type_same_dims(type, &kernel->shape)) {
    bool after = when & 1; /* needed for the result, so perhaps behind a reduction */
    return op_keeps_places(op) || !after;
  }
  if (fuse_is_row_shape(type, &kernel->shape, kernel->axes)) return op_keeps_places(op);
  return (when & 1) == 0 && __builtin_popcount(when) == 1 && repeat <= 1;
}

/* A reduction that the operation's value is made from by little arithmetic, which the kernel takes.
 */
static const Op *reduction_behind(const Fuse *f, const Kernel *kernel, const Op *op, int depth) {
  unsigned axes;
  if (fuse_is_row_reduction(op, &axes))
    return op->kind != OP_softmax && fuse_accepts_reduction(kernel, op, axes) ? op : NULL;
  if (depth == 0 || !op_keeps_places(op)) return NULL;
  const Op *found = NULL;
  for (int i = 0; i < op->operand_count && !found; i++)
    if (op->operands[i]->op) found = reduction_behind(f, kernel, op->operands[i]->op, depth - 1);
  return found;
}

/* A mean is one value a row, so computing it is nothing beside the row: the kernel becomes one of
 * rows before the reduction itself is met. */
static void expect_rows(const Fuse *f, Kernel *kernel, const Op *op) {
  if (kernel->reductions > 0 || kernel->moves || !op_keeps_places(op)) return;
  if (type_elements(&op_result(op)->type) >= type_elements(&op_result(kernel->root)->type)) return;
  const Op *reduction = reduction_behind(f, kernel, op, 6);
  unsigned axes;
  if (!reduction || !fuse_is_row_reduction(reduction, &axes)) return;
  const Type *shape = &reduction->operands[0]->type;
  if (!fuse_is_row_shape(&op_result(op)->type, shape, axes)) return;
  kernel->kind = KERNEL_ROW;
  kernel->shape = *shape;
  kernel->axes = axes;
  kernel->reductions = 1;
}

/* Windows go by rows of the last axis. */
static bool leaves_window_lanes(const Fuse *f, const Op *op) {
  const Type *type = &op_result(op)->type;
  const Op *user = use_at(&f->uses, op_result(op), 0);
  return operator_cost(op->kind) >= DEAR && user && user->kind == OP_windows && type->rank > 0 &&
         dim_is_constant(type->dims[type->rank - 1]) &&
         fuse_leaves_lanes(type, dim_value(type->dims[type->rank - 1]), f->lanes);
}

/* What takes less memory than what it is made of is kept rather than that. */
static bool is_narrowed(const Op *op) {
  return op->kind == OP_cast && element_infos[op_result(op)->type.element].bytes <
                                    element_infos[op->operands[0]->type.element].bytes;
}

static bool join(Fuse *f, Op *op, Kernel *kernel) {
  unsigned axes = 0, when;
  if (leaves_window_lanes(f, op)) return false;
  double repeat = repeats_in(f, op, kernel, &when);
  if (repeat > 1 && is_narrowed(op)) return false;
  bool reduces = fuse_is_row_reduction(op, &axes), windows = fuse_is_window_reduction(op);
  if (reduces && kernel->yields > 0) return false;
  if (kernel->count >= MOST_OPERATIONS_FUSED ||
      kernel->arguments + op->operand_count > MOST_ARGUMENTS || kernel->kind == KERNEL_PRODUCT)
    return false;
  if (kernel->yields == 0) expect_rows(f, kernel, op);
  if (reduces) {
    if (!fuse_accepts_reduction(kernel, op, axes)) return false;
  } else if (!windows && !fuse_is_map(op))
    return false;
  int times = kernel->reductions > 0 && !reduces ? __builtin_popcount(when) : 1;
  if (kernel->reductions > 0 && !reduces) {
    if (windows || !fits_rows(kernel, op, when, repeat)) return false;
    if (fuse_is_row_shape(&op_result(op)->type, &kernel->shape, kernel->axes))
      times = 1, repeat = 1;
  }
  double all = repeat * times, cost = windows ? 20 : operator_cost(op->kind);
  if (reduces ? repeat > 1 && kernel->reductions == 0 && kernel->moves
              : all > 1 && (cost > 1 || all > most_repeats))
    return false;
  double share =
      type_elements(&op_result(op)->type) / (1 + type_elements(&op_result(kernel->root)->type));
  double again = reduces ? 0 : cost * (all - 1) * share;
  if (kernel->repeated + again > most_repeated_work) return false;
  kernel->repeated += again;
  kernel->count++;
  kernel->arguments += op->operand_count - 1;
  kernel->moves = kernel->moves || !(op_keeps_places(op) || reduces);
  f->kernel[op->mark] = kernel;
  f->repeat[op->mark] = reduces ? 1 : repeat;
  f->phases[op->mark] = when;
  if (reduces) {
    kernel->kind = KERNEL_ROW;
    kernel->axes = axes;
    kernel->shape = op->operands[0]->type;
    kernel->reductions++;
  }
  return true;
}

static void start_kernel(Fuse *f, Op *op) {
  unsigned axes = 0;
  bool reduces = fuse_is_row_reduction(op, &axes);
  if (!reduces && !fuse_is_window_reduction(op) && !fuse_is_map(op)) return;
  if (op->kind == OP_reshape) return; /* a view */
  Kernel *kernel = ARENA_NEW(f->scratch, Kernel);
  *kernel = (Kernel){.kind = reduces ? KERNEL_ROW : KERNEL_MAP,
                     .root = op,
                     .count = 1,
                     .arguments = op->operand_count,
                     .moves = !(reduces || op_keeps_places(op)),
                     .is_open = true};
  if (reduces) {
    kernel->reductions = 1;
    kernel->shape = op->operands[0]->type;
    kernel->axes = axes;
  }
  f->kernel[op->mark] = kernel;
  f->repeat[op->mark] = 1;
  f->phases[op->mark] = 1;
}

/* Reshapes at a kernel's edge are views of what it is given. */
static void release_edges(Fuse *f) {
  for (int i = 0; i < f->uses.op_count; i++) {
    Op *op = f->uses.ops[i];
    if (op->kind != OP_reshape || !f->kernel[i]) continue;
    Op *from = op->operands[0]->op;
    if (from && f->kernel[from->mark] == f->kernel[i]) continue;
    f->kernel[i]->count--;
    f->kernel[i] = NULL;
  }
}

static void fuse_function(PassContext *context, Function *function) {
  Fuse f = {.function = function,
            .dims = context->module->dims,
            .scratch = context->scratch,
            .lanes = context->options->vector_lanes};
  int number = fuse_attention(context, function, fuse_updates(context, function, 0));
  number = fuse_weights(context, function, number);
  fuse_part_widening(function);
  fuse_part_windows(function);
  fuse_copies(context, function);
  f.uses = uses_of(f.scratch, function);
  f.kernel = ARENA_ARRAY(f.scratch, f.uses.op_count, Kernel *);
  f.returned = ARENA_ARRAY(f.scratch, f.uses.op_count, bool);
  f.repeat = ARENA_ARRAY(f.scratch, f.uses.op_count, double);
  f.phases = ARENA_ARRAY(f.scratch, f.uses.op_count, unsigned);
  for (int i = 0; i < f.uses.op_count; i++)
    if (fuse_takes_epilogue(f.uses.ops[i])) fuse_epilogue(&f, f.uses.ops[i]);
  for (int i = f.uses.op_count - 1; i >= 0; i--) {
    Op *op = f.uses.ops[i];
    if (f.kernel[i] || op->result_count != 1 || op_is_generator(op)) continue;
    bool returned;
    Kernel *kernel = only_user(&f, op, &returned);
    if (!kernel) kernel = first_user(&f, op), returned = kernel != NULL;
    if (!kernel || !join(&f, op, kernel))
      start_kernel(&f, op);
    else if (returned)
      f.returned[i] = true, kernel->yields++;
  }
  release_edges(&f);
  if (function->scan || function->kind == FUNCTION_TRAIN) fuse_merge(&f);
  /* Kernels of one operation stay as they are. */
  OpList *lists = ARENA_ARRAY(f.scratch, f.uses.op_count, OpList);
  for (int i = 0; i < f.uses.op_count; i++) {
    Kernel *kernel = f.kernel[i];
    Op *op = f.uses.ops[i];
    for (int j = 0; j < op->operand_count; j++) op->operands[j] = fused_value(op->operands[j]);
    if (!kernel || kernel->count < 2) continue;
    OpList *list = &lists[kernel->root->mark];
    vec_push(f.scratch, list, op);
    if (op != kernel->root) continue;
    ValueList yields = {0};
    vec_push(f.scratch, &yields, op_result(op));
    for (size_t j = 0; j < list->count; j++)
      if (f.returned[list->items[j]->mark]) vec_push(f.scratch, &yields, op_result(list->items[j]));
    fuse_region(function, list, &yields, NULL, number++);
  }
  Block *body = function->body;
  for (int i = 0; i < body->yield_count; i++) body->yields[i] = fused_value(body->yields[i]);
  dce_function(function); /* generators that all have their copies */
  fuse_rows(context, function);
  fuse_sums(context, function);
  fuse_channels(context, function);
  fused_renumber(function);
}

bool pass_fuse(PassContext *context) {
  for (size_t i = 0; i < context->module->functions.count; i++)
    fuse_function(context, context->module->functions.items[i]);
  return true;
}
