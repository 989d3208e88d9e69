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
#include "passes/fuse_copies.h"
#include "passes/fuse_merge.h"
#include "passes/fuse_rows.h"
#include "passes/fuse_sums.h"
#include "passes/fuse_updates.h"
#include "passes/fuse_weights.h"

#include "passes/cost.h"
#include "passes/dce.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include "passes/uses.h"

enum { MOST_OPERATIONS_FUSED = 48, MOST_ARGUMENTS = 24, MOST_EPILOGUE = 32 };
enum { DEAR = 20 }; /* operations of a function: exp, tanh .. */
/* How often a cheap operation may be done for each element it makes. */
static const double most_repeats = 9;
/* ... and what a kernel may do again in all, in operations for an element of its result. */
static const double most_repeated_work = 16;

static bool same_dims(const Type *a, const Type *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->dims[i] != b->dims[i]) return false;
  return true;
}

/* ---- products and what follows them ---- */

static bool takes_epilogue(const Op *op) {
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

/* Rows of so few places that a vector's others cost a function a quarter of its time: of many rows
 * it is cheaper by itself, going over all elements as they lie. */
static bool leaves_lanes(const Type *type, int64_t size, int64_t lanes) {
  enum { FEW = 1024 };
  int64_t whole = (size + lanes - 1) / lanes * lanes;
  return (whole - size) * 4 >= whole && type_elements(type) >= FEW;
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
         leaves_lanes(&op_result(product)->type, size, columns);
}

/* What an epilogue reads beside the product's value, made for it alone by little arithmetic: the
 * mask of a relu's gradient, the 1 - y * y of a tanh's. */
static void take_beside(Fuse *f, Kernel *kernel, const Op *user, const Type *type, OpList *taken) {
  for (int i = 0; i < user->operand_count; i++) {
    Op *op = user->operands[i]->op;
    if (!op || f->kernel[op->mark] || kernel->count >= MOST_EPILOGUE) continue;
    if (!operator_has(op->kind, TRAIT_ELEMENTWISE) || operator_cost(op->kind) >= DEAR ||
        !same_dims(&op_result(op)->type, type))
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
      if ((x->op && f->kernel[x->op->mark] == kernel) || !same_dims(&x->type, type)) continue;
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

/* Panels are widened in the product's registers, so that their cast falls away; each other product
 * gets a widened weight to itself. */
static void part_widening(Function *function) {
  graph_count_uses(function);
  for (Op *op = function->body->first; op; op = op->next) {
    Op *cast = takes_epilogue(op) ? op->operands[1]->op : NULL;
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

static void fuse_epilogue(Fuse *f, Op *product) {
  Kernel *kernel = ARENA_NEW(f->scratch, Kernel);
  Op *ops[MOST_EPILOGUE] = {product};
  const Type *type = &op_result(product)->type;
  int count = 1, best = 1;
  *kernel = (Kernel){.kind = KERNEL_PRODUCT};
  f->kernel[product->mark] = kernel;
  while (count < MOST_EPILOGUE) {
    Op *op = next_user(f, ops, count);
    if (!op || f->kernel[op->mark] || !operator_has(op->kind, TRAIT_ELEMENTWISE) ||
        !same_dims(&op_result(op)->type, type) ||
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

/* ---- maps and rows ---- */

/* Windows of few elements, each as one row. */
static bool is_window_row(const Op *op) {
  enum { MOST_ELEMENTS = 25 };
  const Op *windows = op->kind == OP_reshape ? op->operands[0]->op : NULL;
  if (!windows || windows->kind != OP_windows) return false;
  const Type *row = &op_result(op)->type, *type = &op_result(windows)->type;
  for (int i = 0; i < row->rank - 1; i++)
    if (row->dims[i] != type->dims[i]) return false;
  return dim_max(row->dims[row->rank - 1]) <= MOST_ELEMENTS &&
         dim_is_constant(row->dims[row->rank - 1]);
}

static bool is_map_op(const Op *op) {
  if (operator_has(op->kind, TRAIT_ELEMENTWISE)) return true;
  switch (op->kind) {
  case OP_broadcast:
  case OP_transpose:
  case OP_slice:
  case OP_pad:
  case OP_windows:
  case OP_gather:
    return true;
  case OP_overlap_add: /* each element of a window is added once */
    return true;
  case OP_reshape:
    return reshape_is_of_units(op) || is_window_row(op);
  case OP_argmax:
    return op->operands[0]->op && is_window_row(op->operands[0]->op);
  default:
    return false;
  }
}

static bool is_window_reduction(const Op *op) {
  if (!operator_has(op->kind, TRAIT_REDUCTION)) return false;
  const Op *windows = op->operands[0]->op;
  if (!windows || windows->kind != OP_windows) return false;
  int kernel_axes = op_list_count(windows, ATTRIBUTE_axes), rank = windows->results[0]->type.rank;
  return op_axes(op) == ((1u << rank) - (1u << (rank - kernel_axes)));
}

/* Windows are many times as large as their map. A maximum and its place, for the gradient, are made
 * by kernels of their own, each of which looks through windows of its own. */
static void part_windows(Function *function) {
  graph_count_uses(function);
  for (Op *op = function->body->first; op; op = op->next) {
    Op *windows = op->operand_count == 1 ? op->operands[0]->op : NULL;
    if (!windows || windows->kind != OP_windows || op_result(windows)->mark < 2) continue;
    if (!is_window_reduction(op) && !is_window_row(op)) continue;
    Builder b = builder_before(op);
    op_result(windows)->mark--;
    op->operands[0] = build_like(&b, windows, windows->operands);
    op->operands[0]->mark = 1;
  }
}

/* Softmax, and reductions over the trailing axes or over the ones before the last. */
static bool is_row_reduction(const Op *op, unsigned *axes) {
  int rank = op->operand_count ? op->operands[0]->type.rank : 0;
  if (op->kind == OP_softmax)
    *axes = 1u << op_integer(op, ATTRIBUTE_axis);
  else if (op->kind == OP_sum || op->kind == OP_max)
    *axes = op_axes(op);
  else
    return false;
  if (*axes == 0 || is_window_reduction(op)) return false;
  unsigned run = *axes / (*axes & -*axes);
  if (run & (run + 1)) return false; /* not neighbours */
  unsigned last = *axes >> (rank - 1);
  return last || (rank >= 3 && (*axes & 1) == 0 && *axes >> (rank - 2));
}

/* Whether a value has the rows' dims, the reduced ones gone or 1. */
static bool is_row_shape(const Type *type, const Type *shape, unsigned axes) {
  int j = 0;
  if (type->rank == shape->rank) {
    for (int i = 0; i < type->rank; i++)
      if (axes & (1u << i) ? !dim_is(type->dims[i], 1) : type->dims[i] != shape->dims[i])
        return false;
    return true;
  }
  for (int i = 0; i < shape->rank; i++) {
    if (axes & (1u << i)) continue;
    if (j == type->rank || type->dims[j++] != shape->dims[i]) return false;
  }
  return j == type->rank;
}

/* May the kernel, so far without reductions or with equal ones, reduce this? All it does after the
 * reduction must be elementwise on whole rows or on one value a row. */
static bool accepts_reduction(const Kernel *kernel, const Op *op, unsigned axes) {
  const Type *shape = &op->operands[0]->type;
  if (kernel->reductions > 0)
    return kernel->axes == axes && type_equal(&kernel->shape, shape) && kernel->reductions < 8;
  const Type *result = &op_result(kernel->root)->type;
  return !kernel->moves && (type_equal(result, shape) || is_row_shape(result, shape, axes)) &&
         result->element == shape->element;
}

static int count_bits(unsigned bits) {
  int count = 0;
  for (; bits; bits &= bits - 1) count++;
  return count;
}

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
    if (!is_row_reduction(user, &axes))
      *when |= f->phases[user->mark];
    else
      *when |= (user->kind == OP_softmax ? 6u : 2u) << (user->mark % 30);
  }
  return most;
}

static bool is_simple(const Op *op) {
  return operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_broadcast ||
         reshape_is_of_units(op);
}

/* In a row kernel: rows, one value a row, or what is broadcast into them. */
static bool fits_rows(const Kernel *kernel, const Op *op, unsigned when, double repeat) {
  const Type *type = &op_result(op)->type;
  if (same_dims(type, &kernel->shape)) {
    bool after = when & 1; /* needed for the result, so perhaps behind a reduction */
    return is_simple(op) || !after;
  }
  if (is_row_shape(type, &kernel->shape, kernel->axes)) return is_simple(op);
  return (when & 1) == 0 && count_bits(when) == 1 && repeat <= 1;
}

/* A reduction that the operation's value is made from by little arithmetic, which the kernel takes.
 */
static const Op *reduction_behind(const Fuse *f, const Kernel *kernel, const Op *op, int depth) {
  unsigned axes;
  if (is_row_reduction(op, &axes))
    return op->kind != OP_softmax && accepts_reduction(kernel, op, axes) ? op : NULL;
  if (depth == 0 || !is_simple(op)) return NULL;
  const Op *found = NULL;
  for (int i = 0; i < op->operand_count && !found; i++)
    if (op->operands[i]->op) found = reduction_behind(f, kernel, op->operands[i]->op, depth - 1);
  return found;
}

/* A mean is one value a row, so computing it is nothing beside the row: the kernel becomes one of
 * rows before the reduction itself is met. */
static void expect_rows(const Fuse *f, Kernel *kernel, const Op *op) {
  if (kernel->reductions > 0 || kernel->moves || !is_simple(op)) return;
  if (type_elements(&op_result(op)->type) >= type_elements(&op_result(kernel->root)->type)) return;
  const Op *reduction = reduction_behind(f, kernel, op, 6);
  unsigned axes;
  if (!reduction || !is_row_reduction(reduction, &axes)) return;
  const Type *shape = &reduction->operands[0]->type;
  if (!is_row_shape(&op_result(op)->type, shape, axes)) return;
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
         leaves_lanes(type, dim_value(type->dims[type->rank - 1]), f->lanes);
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
  bool reduces = is_row_reduction(op, &axes), windows = is_window_reduction(op);
  if (reduces && kernel->yields > 0) return false;
  if (kernel->count >= MOST_OPERATIONS_FUSED ||
      kernel->arguments + op->operand_count > MOST_ARGUMENTS || kernel->kind == KERNEL_PRODUCT)
    return false;
  if (kernel->yields == 0) expect_rows(f, kernel, op);
  if (reduces) {
    if (!accepts_reduction(kernel, op, axes)) return false;
  } else if (!windows && !is_map_op(op))
    return false;
  int times = kernel->reductions > 0 && !reduces ? count_bits(when) : 1;
  if (kernel->reductions > 0 && !reduces) {
    if (windows || !fits_rows(kernel, op, when, repeat)) return false;
    if (is_row_shape(&op_result(op)->type, &kernel->shape, kernel->axes)) times = 1, repeat = 1;
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
  kernel->moves = kernel->moves || !(is_simple(op) || reduces);
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
  bool reduces = is_row_reduction(op, &axes);
  if (!reduces && !is_window_reduction(op) && !is_map_op(op)) return;
  if (op->kind == OP_reshape) return; /* a view */
  Kernel *kernel = ARENA_NEW(f->scratch, Kernel);
  *kernel = (Kernel){.kind = reduces ? KERNEL_ROW : KERNEL_MAP,
                     .root = op,
                     .count = 1,
                     .arguments = op->operand_count,
                     .moves = !(reduces || is_simple(op)),
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
  part_widening(function);
  part_windows(function);
  fuse_copies(context, function);
  f.uses = uses_of(f.scratch, function);
  f.kernel = ARENA_ARRAY(f.scratch, f.uses.op_count, Kernel *);
  f.returned = ARENA_ARRAY(f.scratch, f.uses.op_count, bool);
  f.repeat = ARENA_ARRAY(f.scratch, f.uses.op_count, double);
  f.phases = ARENA_ARRAY(f.scratch, f.uses.op_count, unsigned);
  for (int i = 0; i < f.uses.op_count; i++)
    if (takes_epilogue(f.uses.ops[i])) fuse_epilogue(&f, f.uses.ops[i]);
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
  fused_renumber(function);
}

bool pass_fuse(PassContext *context) {
  for (size_t i = 0; i < context->module->functions.count; i++)
    fuse_function(context, context->module->functions.items[i]);
  return true;
}
