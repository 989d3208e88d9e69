#include "passes/stage_verify.h"

#include "ir/attention.h"
#include "ir/block_sum.h"
#include "passes/pass.h"
#include "passes/plan_verify.h"

static bool is_reduction(const Op *op) {
  return operator_has(op->kind, TRAIT_REDUCTION) || op->kind == OP_softmax;
}

static unsigned reduced_axes(const Op *op) {
  if (op->kind == OP_softmax) return 1u << op_integer(op, ATTRIBUTE_axis);
  unsigned axes = 0;
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_axis); i++)
    axes |= 1u << op_list_integer(op, ATTRIBUTE_axis, i);
  return axes;
}

/* Kernels of products have loops of their own, and pooling is a part of a map. */
static bool goes_by_rows(const Op *fused) {
  bool rows = false;
  for (const Op *op = fused->region->first; op; op = op->next) {
    if (operator_has(op->kind, TRAIT_PRODUCT)) return false;
    if (!is_reduction(op)) continue;
    const Op *from = op->operands[0]->op;
    rows = rows || op->kind == OP_softmax || !from || from->kind != OP_windows;
  }
  return rows;
}

/* The first that goes through other rows than those before it, or NULL. */
static const Op *other_rows(const Op *fused) {
  const Op *first = NULL;
  for (const Op *op = fused->region->first; op; op = op->next) {
    if (!is_reduction(op) || block_sum_source(op)) continue;
    if (!first) first = op;
    if (!type_same_dims(&op->operands[0]->type, &first->operands[0]->type) ||
        reduced_axes(op) != reduced_axes(first))
      return op;
  }
  return NULL;
}

static const char *block_fault(const Block *block, const Pass *after, const Op **where) {
  for (const Op *op = block->first; op; op = op->next) {
    if (where) *where = op;
    if (op->kind == OP_scan && op_integer(op, ATTRIBUTE_axis) != 0)
      return "behind 'loops' every scan goes along axis 0";
    if (after >= &passes[PASS_canon] && operator_has(op->kind, TRAIT_REDUCTION) &&
        op_list_count(op, ATTRIBUTE_axis) == 0)
      return "behind 'canon' it goes along an axis";
    if (after >= &passes[PASS_gradient] && op->kind == OP_grad)
      return "behind 'gradient' there is none to be made";
    if (after >= &passes[PASS_select] && is_attention(op->kind) &&
        op->operands[0]->type.element != ELEMENT_f32)
      return "behind 'select' attention is of f32 alone";
    if (after >= &passes[PASS_fuse] && op->kind == OP_fused && goes_by_rows(op) && other_rows(op)) {
      if (where) *where = other_rows(op);
      return "the kernel goes through other rows before";
    }
    const char *fault = op->region ? block_fault(op->region, after, where) : NULL;
    if (fault) return fault;
  }
  return NULL;
}

const char *stage_verify(Arena *arena, Module *module, const Op **where) {
  const Pass *after = module->after ? pass_find(module->after) : NULL;
  if (!after || after < &passes[PASS_loops]) return NULL;
  for (size_t i = 0; i < module->functions.count; i++) {
    const char *fault = block_fault(module->functions.items[i]->body, after, where);
    if (fault) return fault;
  }
  return after >= &passes[PASS_plan] ? plan_verify(arena, module, where) : NULL;
}
