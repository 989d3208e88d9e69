#include "passes/fuse_rows.h"

#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/fuse_region.h"
#include "passes/rewrite.h"

enum {
  LEAST_CHANNELS = 64,
  LEAST_ELEMENTS = 16384, /* below, a pass of its own is nothing */
  MOST_ARGUMENTS = 24,
  MOST_REDUCTIONS = 8,
  MOST_MADE = 64,
  MOST_BETWEEN = 24, /* operations that change places with the second kernel */
};
/* What it is worth not to read or to write a value, in operations for each of its elements. */
static const double worth = 8, worth_from_far = 24;
static const double far_bytes = 1 << 20;

static bool is_reduction(const Op *op) {
  return operator_has(op->kind, TRAIT_REDUCTION) || op->kind == OP_softmax;
}

static bool reduces_rows(const Op *op, const Type *type) {
  if (!type_same_dims(&op->operands[0]->type, type)) return false;
  int last = type->rank - 1;
  if (op->kind == OP_softmax) return op_integer(op, ATTRIBUTE_axis) == last;
  return (op->kind == OP_sum || op->kind == OP_max) && op_axes(op) == 1u << last;
}

static const Op *first_of(const Op *op) {
  return op->kind == OP_fused ? op->region->first : op;
}

static const Op *next_of(const Op *op, const Op *inner) {
  return op->kind == OP_fused ? inner->next : NULL;
}

/* Of the rows' type, or one value a row. */
static bool has_rows(const Type *type, const Type *rows) {
  if (type_same_dims(type, rows)) return true;
  int last = rows->rank - 1;
  if (type->rank < last || type->rank > rows->rank) return false;
  if (type->rank > last && !dim_is(type->dims[last], 1)) return false;
  for (int i = 0; i < last; i++)
    if (type->dims[i] != rows->dims[i]) return false;
  return true;
}

bool goes_by_rows(const Op *op, const Type *type, bool *reduces) {
  *reduces = false;
  for (const Op *inner = first_of(op); inner; inner = next_of(op, inner)) {
    if (op_is_generator(inner)) continue;
    if (is_reduction(inner)) {
      if (!reduces_rows(inner, type)) return false;
      *reduces = true;
    } else if (!op_keeps_places(inner))
      return false;
  }
  for (int i = 0; i < op->result_count; i++)
    if (!has_rows(&op->results[i]->type, type)) return false;
  return true;
}

/* ---- two kernels ---- */

typedef struct {
  const Op *first, *second; /* kernels, or operations alone */
  const Type *rows;
  bool joined; /* what the second reads of the first is made again, not read */
} Pair;

static Value *yielded(const Op *op, int result) {
  return op->kind == OP_fused ? op->region->yields[result] : op->results[result];
}

/* Operations on a row's elements, of those in each pass that makes `value`, that are not marked. */
static double work_for(const Pair *p, const Op *of, Value *value) {
  const Op *op = value->op;
  if (!op) { /* an argument of the region */
    Value *outer = value->block && value->block->op == of ? of->operands[value->index] : NULL;
    if (!p->joined || of != p->second || !outer || outer->op != p->first) return 0;
    return work_for(p, p->first, yielded(p->first, outer->index));
  }
  if (of->kind != OP_fused && op != of) { /* what the operation alone reads */
    if (!p->joined || of != p->second || op != p->first) return 0;
    return work_for(p, p->first, yielded(p->first, value->index));
  }
  if (op->mark || is_reduction(op) || !type_same_dims(&op_result(op)->type, p->rows)) return 0;
  ((Op *)op)->mark = 1;
  double work = operator_cost(op->kind);
  for (int i = 0; i < op->operand_count; i++) work += work_for(p, of, op->operands[i]);
  return work;
}

static void unmark(const Pair *p) {
  const Op *both[] = {p->first, p->second};
  for (int i = 0; i < 2; i++)
    for (const Op *op = first_of(both[i]); op; op = next_of(both[i], op)) ((Op *)op)->mark = 0;
}

/* In the passes of one of the two that end in reductions. */
static double work_before(const Pair *p, const Op *of) {
  double work = 0;
  for (const Op *op = first_of(of); op; op = next_of(of, op)) {
    if (!is_reduction(op)) continue;
    unmark(p);
    work += work_for(p, of, op->operands[0]);
  }
  return work;
}

/* In the last pass of one; marks stay, so that nothing is counted twice in both. */
static double work_at_end(const Pair *p, const Op *of, const bool *leaves) {
  double work = 0;
  for (int i = 0; i < of->result_count; i++)
    if (!leaves || leaves[i]) work += work_for(p, of, yielded(of, i));
  return work;
}

static double work_of(Pair *p, bool joined, const bool *leaves) {
  p->joined = joined;
  double work = work_before(p, p->first) + work_before(p, p->second);
  unmark(p);
  work += work_at_end(p, p->first, joined ? leaves : NULL);
  if (!joined) unmark(p);
  return work + work_at_end(p, p->second, NULL);
}

static bool reads(const Op *op, const Value *value) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i] == value) return true;
  return false;
}

static int count_inner(const Op *op, bool reductions) {
  int count = 0;
  for (const Op *inner = first_of(op); inner; inner = next_of(op, inner))
    count += !reductions || is_reduction(inner);
  return count;
}

static bool fits(const Op *first, const Op *second) {
  int arguments = first->operand_count + second->operand_count;
  return arguments <= MOST_ARGUMENTS &&
         first->result_count + second->result_count <= MOST_RESULTS &&
         count_inner(first, true) + count_inner(second, true) <= MOST_REDUCTIONS &&
         count_inner(first, false) + count_inner(second, false) <= MOST_MADE;
}

/* Results of the first that others than the second use. */
static void find_leaving(const Op *first, const Op *second, bool *leaves) {
  for (int i = 0; i < first->result_count; i++) leaves[i] = false;
  const Block *block = first->block;
  for (const Op *op = first->next; op; op = op->next)
    for (int i = 0; op != second && i < op->operand_count; i++)
      if (op->operands[i]->op == first) leaves[op->operands[i]->index] = true;
  for (int i = 0; i < block->yield_count; i++)
    if (block->yields[i]->op == first) leaves[block->yields[i]->index] = true;
}

/* Is less read and written by far than is made again? */
static bool pays(Pair *p, const bool *leaves) {
  int saved = 0;
  for (int i = 0; i < p->first->result_count; i++) {
    const Value *value = p->first->results[i];
    if (!type_same_dims(&value->type, p->rows) || !reads(p->second, value)) continue;
    saved += 1 + !leaves[i];
  }
  for (int i = 0; i < p->first->operand_count; i++) {
    const Value *value = p->first->operands[i];
    saved += type_same_dims(&value->type, p->rows) && reads(p->second, value);
  }
  if (saved == 0) return false;
  double again = work_of(p, true, leaves) - work_of(p, false, leaves);
  bool far = type_elements(p->rows) * element_infos[p->rows->element].bytes >= far_bytes;
  return again <= saved * (far ? worth_from_far : worth);
}

/* ---- places ---- */

/* Marks what stands between the two and waits for the first; false, and no marks: the second waits
 * for one of those, or there are many. Other operations of the block have no marks. */
static bool changes_places(Op *first, const Op *second) {
  int count = 0;
  bool can = true;
  first->mark = 1;
  Op *op = first->next;
  for (; op != second && can; op = op->next) {
    for (int i = 0; i < op->operand_count && !op->mark; i++)
      if (op->operands[i]->op && op->operands[i]->op->mark) op->mark = 1;
    if (!op->mark) continue;
    for (int i = 0; i < op->result_count; i++) can = can && !reads(second, op->results[i]);
    can = can && ++count <= MOST_BETWEEN && op->kind != OP_scan;
  }
  first->mark = 0;
  for (const Op *end = op; !can && op != first; op = op->previous)
    if (op != end) op->mark = 0;
  return can;
}

static void change_places(Op *first, Op *second) {
  Op *where = second;
  for (Op *op = first->next, *next; op != second; op = next) {
    next = op->next;
    if (!op->mark) continue;
    op->mark = 0;
    op_remove(op);
    op_insert_after(where, op);
    where = op;
  }
}

/* ---- rewriting ---- */

static void set_result(Op *kernel, int number, Value *outer, Value *inner) {
  outer->op = kernel;
  outer->index = number;
  kernel->results[number] = outer;
  kernel->region->yields[number] = inner;
}

Op *kernels_merge(Op *first, Op *second, const bool *leaves) {
  Arena *arena = first->block->function->module->arena;
  Value *outer[2 * MOST_RESULTS], *inner[2 * MOST_RESULTS];
  int count = 0, own = second->result_count;
  Op *place = second->next;
  for (int i = 0; i < own; i++) outer[count++] = second->results[i];
  fused_absorb(first, second);
  for (int i = 0; i < own; i++) inner[i] = value_follow(second->region->yields[i]);
  for (int i = 0; i < first->result_count; i++)
    if (leaves[i]) outer[count] = first->results[i], inner[count++] = first->region->yields[i];
  first->results = ARENA_ARRAY(arena, (size_t)count, Value *);
  first->region->yields = ARENA_ARRAY(arena, (size_t)count, Value *);
  first->result_count = first->region->yield_count = count;
  for (int i = 0; i < count; i++) set_result(first, i, outer[i], inner[i]);
  fused_rename(first);
  first->at = second->at, first->layer = second->layer;
  if (place != first->next) {
    Block *block = first->block;
    op_remove(first);
    if (place)
      op_insert_before(place, first);
    else
      op_append(block, first);
  }
  return first;
}

Op *kernel_of(Op *op) {
  if (op->kind == OP_fused) return op;
  Block *block = op->block;
  Op *kernel = fused_wrap(op);
  for (Op *user = kernel->next; user; user = user->next)
    for (int i = 0; i < user->operand_count; i++)
      if (user->operands[i] == op_result(op)) user->operands[i] = op_result(kernel);
  for (int i = 0; i < block->yield_count; i++)
    if (block->yields[i] == op_result(op)) block->yields[i] = op_result(kernel);
  return kernel;
}

/* What a row of the operation is, if it may be one of two; NULL: it goes by no rows. */
static const Type *rows_of(const Op *op) {
  const Type *rows = NULL;
  bool reduces;
  if (op->kind != OP_fused && !is_reduction(op) && !operator_has(op->kind, TRAIT_ELEMENTWISE))
    return NULL;
  for (const Op *inner = first_of(op); inner && !rows; inner = next_of(op, inner))
    if (is_reduction(inner)) rows = &inner->operands[0]->type;
  if (!rows && op->result_count) rows = &op->results[0]->type;
  if (!rows || rows->rank < 2 || rows->element != ELEMENT_f32) return NULL;
  const Dim *channels = rows->dims[rows->rank - 1];
  if (!dim_is_constant(channels) || dim_value(channels) < LEAST_CHANNELS ||
      type_elements(rows) < LEAST_ELEMENTS)
    return NULL;
  return goes_by_rows(op, rows, &reduces) ? rows : NULL;
}

bool kernel_is_written(const Op *op) {
  for (const Op *user = op->block->last; user && user->kind == OP_write; user = user->previous)
    if (user->operands[0]->op == op) return true;
  return false;
}

/* One kernel of the operation and one that it reads from; NULL if there is none to take. */
static Op *merge_with_operand(Op *second) {
  const Type *rows = rows_of(second);
  bool reduces, also, leaves[MOST_RESULTS];
  if (!rows || !goes_by_rows(second, rows, &reduces) || kernel_is_written(second)) return NULL;
  for (int i = 0; i < second->operand_count; i++) {
    Op *first = second->operands[i]->op;
    const Type *same = first && first->block == second->block ? rows_of(first) : NULL;
    if (!same || !type_same_dims(same, rows) || !goes_by_rows(first, rows, &also)) continue;
    if (!(reduces || also) || !fits(first, second) || kernel_is_written(first)) continue;
    Pair pair = {.first = first, .second = second, .rows = rows};
    find_leaving(first, second, leaves);
    bool good = pays(&pair, leaves);
    unmark(&pair);
    if (!good || !changes_places(first, second)) continue;
    change_places(first, second);
    first = kernel_of(first);
    return kernels_merge(first, kernel_of(second), leaves);
  }
  return NULL;
}

void fuse_rows(PassContext *context, Function *function) {
  (void)context;
  if (function->scan || function->kind != FUNCTION_TRAIN) return;
  for (Op *op = function->body->first; op; op = op->next) op->mark = 0;
  for (Op *op = function->body->first; op; op = op->next)
    for (Op *merged = op; merged; merged = merge_with_operand(op)) op = merged;
}
