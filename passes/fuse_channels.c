#include "passes/fuse_channels.h"

#include "ir/op_traits.h"
#include "passes/cost.h"
#include "passes/fuse_region.h"
#include "passes/fuse_rows.h"
#include "passes/rewrite.h"

enum {
  LEAST_ELEMENTS = 16384, /* below, a pass of its own is nothing */
  MOST_CHANNELS = 4096,
  LEAST_ROWS = 4,  /* of the first summed axis */
  MOST_SUMS = 4,   /* of a kernel, with those of lower_row_channels.c */
  MOST_AHEAD = 64, /* operations from one to the other */
  MOST_ARGUMENTS = 24,
};

/* What is summed, and how often; NULL: the operation is more than sums over a map's middle axes. */
static const Op *sums_of(const Op *op, int *count) {
  const Op *first = NULL, *inner = op->kind == OP_fused ? op->region->first : op;
  *count = 0;
  for (; inner; inner = op->kind == OP_fused ? inner->next : NULL) {
    if (op_is_generator(inner)) continue;
    if (inner->kind == OP_sum || inner->kind == OP_max) {
      if (!first) first = inner;
      const Type *type = &inner->operands[0]->type;
      if (op_axes(inner) != op_axes(first) || !type_equal(type, &first->operands[0]->type))
        return NULL;
      ++*count;
    } else if (operator_has(inner->kind, TRAIT_REDUCTION) || !op_keeps_places(inner))
      return NULL;
  }
  return first;
}

/* Over neighbouring axes up to the last but one, of many elements in whole vectors. */
static bool is_over_middle(const Op *sum, int lanes) {
  const Type *type = &sum->operands[0]->type;
  int last = type->rank - 1, first = 0;
  unsigned axes = op_axes(sum);
  if (last < 1 || type->element != ELEMENT_f32 || axes == 0) return false;
  while (!(axes >> first & 1)) first++;
  if (axes != (1u << last) - (1u << first)) return false;
  const Dim *channels = type->dims[last];
  return dim_is_constant(channels) && dim_value(channels) % lanes == 0 &&
         dim_value(channels) <= MOST_CHANNELS && dim_min(type->dims[first]) >= LEAST_ROWS &&
         type_elements(type) >= LEAST_ELEMENTS;
}

/* The results are one value a channel, or of each of what is in front of the summed axes. */
static bool gives_sums(const Op *op, const Op *sum) {
  double size = type_elements(&op_result(sum)->type);
  for (int i = 0; i < op->result_count; i++)
    if (type_elements(&op->results[i]->type) != size) return false;
  return !kernel_is_written(op);
}

static bool share_map(const Op *a, const Op *b, const Type *type) {
  for (int i = 0; i < a->operand_count; i++)
    for (int j = 0; j < b->operand_count; j++)
      if (a->operands[i] == b->operands[j] && type_same_dims(&a->operands[i]->type, type))
        return true;
  return false;
}

/* May `second` be made where `first` is? */
static bool is_ready(const Op *first, const Op *second) {
  for (int i = 0; i < second->operand_count; i++) {
    const Op *from = second->operands[i]->op;
    if (from && from->block == first->block && from->mark >= first->mark) return false;
  }
  return true;
}

/* What may be joined with the operation, of those behind it; NULL: nothing. */
static Op *find_other(const Op *op, const Op *sum, int count, int lanes) {
  Op *other = op->next;
  for (int i = 0; other && i < MOST_AHEAD; i++, other = other->next) {
    int more;
    const Op *also = other->kind == OP_fused || other->kind == OP_sum || other->kind == OP_max
                         ? sums_of(other, &more)
                         : NULL;
    if (!also || count + more > MOST_SUMS || op_axes(also) != op_axes(sum)) continue;
    if (!type_equal(&also->operands[0]->type, &sum->operands[0]->type)) continue;
    if (op->operand_count + other->operand_count > MOST_ARGUMENTS) continue;
    if (op->result_count + other->result_count > MOST_RESULTS) continue;
    if (is_over_middle(also, lanes) && gives_sums(other, also) && is_ready(op, other) &&
        share_map(op, other, &sum->operands[0]->type))
      return other;
  }
  return NULL;
}

/* Sums of the second become further results of the first. */
static Op *join(Op *first, Op *second) {
  bool leaves[MOST_RESULTS];
  int64_t place = first->mark;
  op_remove(second);
  op_insert_after(first, second);
  first = kernel_of(first);
  for (int i = 0; i < first->result_count; i++) leaves[i] = true;
  first = kernels_merge(first, kernel_of(second), leaves);
  first->mark = place;
  return first;
}

void fuse_channels(PassContext *context, Function *function) {
  int lanes = context->options->vector_lanes;
  int64_t number = 0;
  if (function->scan) return; /* a trip's values are small */
  for (Op *op = function->body->first; op; op = op->next) op->mark = number++;
  for (Op *op = function->body->first; op; op = op->next) {
    int count;
    if (op->kind != OP_fused && op->kind != OP_sum && op->kind != OP_max) continue;
    const Op *sum = sums_of(op, &count);
    if (!sum || !is_over_middle(sum, lanes) || !gives_sums(op, sum)) continue;
    for (Op *other; (other = find_other(op, sum, count, lanes));) {
      op = join(op, other);
      sum = sums_of(op, &count);
    }
  }
}
