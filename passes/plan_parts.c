#include "passes/plan_parts.h"

#include "ir/op_traits.h"
#include "ir/part.h"
#include "ir/trip.h"
#include "passes/fuse.h"
#include "passes/plan.h"

/* ---- who goes by strides ---- */

/* Kernels of lower_map.c and lower_row.c take each element by its index; pads alone are copies of
 * rows. What a product multiplies is read as it lies, but what follows the product is not. */
static bool goes_by_index(const Op *op) {
  return op->kind == OP_transpose || op->kind == OP_broadcast || op->kind == OP_windows ||
         op->kind == OP_softmax || operator_has(op->kind, TRAIT_ELEMENTWISE) ||
         operator_has(op->kind, TRAIT_REDUCTION);
}

static bool multiplies(const Op *op, const Value *value) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i] == value && !(op->kind == OP_conv_winograd && i == 0)) return true;
  return false;
}

static bool reads_by_strides(const Op *op, int operand) {
  if (op->kind == OP_conv_winograd) return operand == 0;
  if (op->kind != OP_fused) return goes_by_index(op);
  const Value *value = op->region->arguments[operand];
  for (const Op *inner = op->region->first; inner; inner = inner->next) {
    if (inner->kind == OP_attention || inner->kind == OP_attention_gradient) return false;
    if (operator_has(inner->kind, TRAIT_PRODUCT) && multiplies(inner, value)) return false;
    if (op_widens(inner) && inner->operands[0] == value) return false; /* a product's */
  }
  return true;
}

/* Products hand over each vector of sums with its index; attention's gradients are stored, and
 * grow, by theirs. */
static bool product_by_strides(const Op *op) {
  switch (op->kind) {
  case OP_attention_gradient:
  case OP_dot_panel:
  case OP_conv_panel:
  case OP_conv_winograd:
    return true;
  case OP_conv:
  case OP_conv_transpose:
    return op_is_channels_last(op);
  default:
    return false;
  }
}

static bool writes_by_strides(const Op *op) {
  if (op->kind == OP_concat) return true;
  if (op->kind != OP_fused) return product_by_strides(op) || goes_by_index(op);
  if (kernel_kind(op) != KERNEL_PRODUCT) return true;
  for (const Op *inner = op->region->first; inner; inner = inner->next)
    if (product_by_strides(inner)) return true;
  return false;
}

/* ---- parts ---- */

/* Beside the axes' bits of Value.mark: no concat has met it, or one at most. */
static const int64_t no_concat = INT64_C(1) << 62, one_concat = INT64_C(1) << 61;

/* Value.mark: a bit for each axis along which it may be cut from the whole, as all who read it go
 * by strides. A concat that copies it takes what follows its own axis as one row. */
static void mark_readable(const Function *function) {
  const Block *body = function->body;
  for (const Op *op = body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = -1;
  for (const Op *op = body->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) {
      Value *value = op->operands[i];
      int64_t axes = reads_by_strides(op, i) ? -1 : 0;
      if (op->kind == OP_concat) {
        axes = (int64_t)1 << op_integer(op, ATTRIBUTE_axis);
        if (value->mark & no_concat) axes |= one_concat;
      }
      value->mark &= axes;
    }
  }
  for (int i = 0; i < body->yield_count; i++) body->yields[i]->mark = 0;
  for (int i = 0; i < body->emit_count; i++) body->emits[i]->mark = 0;
  if (body->while_) body->while_->mark = 0;
}

/* A step that trains tells how many numbers lie side by side. */
static bool rows_are_known(const Type *type, int axis) {
  int64_t row = 1;
  for (int i = axis; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i]) ||
        __builtin_mul_overflow(row, dim_value(type->dims[i]), &row) || row > INT32_MAX)
      return false;
  return true;
}

static bool can_be_part(const Value *value, int axis) {
  const Op *op = value->op;
  return op && (value->mark >> axis & 1) && op_makes_kernel(op) && writes_by_strides(op);
}

/* Is it joined along another axis than what it is a part of? Such a concat can't copy: rows before
 * its axis do not stand at one distance. So all that it joins must be parts of it, with the whole's
 * strides, which are its own from its axis on if that comes later; and of these none may copy or
 * be copied. */
static bool turns_axes(const Value *value, int axis) {
  return value->op->kind == OP_concat && op_integer(value->op, ATTRIBUTE_axis) != axis;
}

static bool is_never_copied(const Value *value) {
  return value->op->kind != OP_concat && (value->mark & one_concat);
}

static bool can_be_whole(const Function *function, const Value *value, int axis) {
  bool looks = function->kind == FUNCTION_TRAIN || function->kind == FUNCTION_INIT;
  return !looks || rows_are_known(&value->type, axis);
}

/* Loops whose trips follow each other have none. */
static bool has_parts(const Function *function) {
  return !function->scan || op_is_apart(function->scan);
}

static bool all_can_be_parts(const Op *concat, int outer) {
  int axis = (int)op_integer(concat, ATTRIBUTE_axis);
  if (axis < outer) return false;
  for (int i = 0; i < concat->operand_count; i++) {
    const Value *value = concat->operands[i];
    if (value->place.kind != PLACE_NONE || concat_start(concat, i) < 0 ||
        !can_be_part(value, axis) || !is_never_copied(value))
      return false;
    for (int j = 0; j < i; j++)
      if (concat->operands[j] == value) return false;
  }
  return true;
}

static void take_parts(Arena *scratch, const Op *op, Value *whole, int64_t offset,
                       PlanParts *parts) {
  int axis = (int)op_integer(op, ATTRIBUTE_axis);
  for (int i = 0; i < op->operand_count; i++) {
    Value *value = op->operands[i];
    int64_t start = concat_start(op, i);
    if (start < 0 || value->place.kind != PLACE_NONE || !can_be_part(value, axis)) continue;
    bool turns = turns_axes(value, axis);
    if (turns && !all_can_be_parts(value->op, axis)) continue;
    PlanPart part = {value, whole, offset + start};
    value->place = (MemoryPlace){PLACE_VIEW, part.offset, whole};
    vec_push(scratch, parts, part);
    if (turns) take_parts(scratch, value->op, whole, part.offset, parts);
  }
}

PlanParts plan_parts(Arena *scratch, Function *function) {
  PlanParts parts = {0};
  if (!has_parts(function)) return parts;
  mark_readable(function);
  for (Op *op = function->body->last; op; op = op->previous) {
    if (op->kind != OP_concat) continue;
    int axis = (int)op_integer(op, ATTRIBUTE_axis);
    Value *whole = op_result(op);
    int64_t offset = 0;
    if (whole->place.kind == PLACE_VIEW) { /* a part itself: of what is joined along its axis */
      offset = whole->place.offset;
      whole = whole->place.of;
    }
    if (whole->place.kind != PLACE_NONE) continue;
    if (can_be_whole(function, whole, axis)) take_parts(scratch, op, whole, offset, &parts);
  }
  return parts;
}

static bool are_parts_of(const Op *concat, const Value *whole, int outer) {
  bool all = op_integer(concat, ATTRIBUTE_axis) >= outer;
  for (int i = 0; i < concat->operand_count; i++) {
    const Value *value = concat->operands[i];
    int64_t start = concat_start(concat, i);
    all = all && value_whole(value) == whole && start >= 0 && is_never_copied(value) &&
          value->place.offset - op_result(concat)->place.offset == start;
  }
  return all;
}

const Value *plan_parts_wrong(const Function *function) {
  mark_readable(function);
  for (const Op *op = function->body->first; op; op = op->next) {
    if (op->kind != OP_concat) continue;
    int axis = (int)op_integer(op, ATTRIBUTE_axis);
    const Value *whole = value_whole(op_result(op));
    if (!whole) whole = op_result(op);
    for (int i = 0; i < op->operand_count; i++) {
      const Value *value = op->operands[i];
      if (value_whole(value) != whole || type_bytes_at_bound(&value->type) == 0) continue;
      if (!has_parts(function) || !can_be_whole(function, whole, axis) ||
          !can_be_part(value, axis) ||
          (turns_axes(value, axis) && !are_parts_of(value->op, whole, axis)))
        return value;
    }
  }
  return NULL;
}

int plan_parts_first(const PlanParts *parts, const Value *value, int step) {
  for (size_t i = 0; i < parts->count; i++) {
    const PlanPart *part = &parts->items[i];
    if (part->whole == value && part->value->op->mark < step) step = (int)part->value->op->mark;
  }
  return step;
}

void plan_parts_place(const PlanParts *parts) {
  for (size_t i = 0; i < parts->count; i++) {
    const PlanPart *part = &parts->items[i];
    part->value->place =
        (MemoryPlace){PLACE_ARENA, part->whole->place.offset + part->offset, part->whole};
  }
}
