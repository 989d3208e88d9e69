/* emit_lanes.c - what goes by a vector's lanes: reductions, numbers of lanes, picks. */
#include "backend/emission.h"

#include "support/bug.h"

#include <string.h>

/* One part's lanes, halves onto halves. */
static LLVMValueRef reduce_part(Emission *e, LoopOp op, LoopElement element, LLVMValueRef part,
                                int size) {
  if (size == 0) return part;
  for (; size > 1; size /= 2) {
    LLVMValueRef low[64], high[64];
    for (int i = 0; i < size / 2; i++) {
      low[i] = LLVMConstInt(e->i32, (unsigned)i, false);
      high[i] = LLVMConstInt(e->i32, (unsigned)(size / 2 + i), false);
    }
    LLVMValueRef none = LLVMGetPoison(LLVMTypeOf(part));
    LLVMValueRef masks[] = {LLVMConstVector(low, (unsigned)size / 2),
                            LLVMConstVector(high, (unsigned)size / 2)};
    LLVMValueRef a = LLVMBuildShuffleVector(e->builder, part, none, masks[0], "");
    LLVMValueRef b = LLVMBuildShuffleVector(e->builder, part, none, masks[1], "");
    part = emit_combine(e, op, element, a, b);
  }
  return LLVMBuildExtractElement(e->builder, part, LLVMConstInt(e->i32, 0, false), "");
}

LLVMValueRef emit_reduce(Emission *e, LoopOp op, EmitValue value) {
  int count;
  const int *sizes = emit_cut(e, value.type.lanes, &count);
  LoopElement element = value.type.element;
  LLVMValueRef parts[value.count > 0 ? value.count : 1];
  memcpy(parts, value.parts, sizeof parts);
  int equal = 0;
  while (equal < count && sizes[equal] == sizes[0]) equal++;
  for (int step = 1; step < equal; step *= 2)
    for (int i = 0; i + step < equal; i += 2 * step)
      parts[i] = emit_combine(e, op, element, parts[i], parts[i + step]);
  LLVMValueRef result = reduce_part(e, op, element, parts[0], sizes[0]);
  for (int i = equal; i < count; i++)
    result = emit_combine(e, op, element, result, reduce_part(e, op, element, parts[i], sizes[i]));
  return result;
}

LLVMValueRef emit_any(Emission *e, EmitValue flags) {
  return emit_reduce(e, LOOP_OR, flags);
}

EmitValue emit_iota(Emission *e, const LoopExpr *expr) {
  EmitValue first = value_widen(e, emit_expr(e, expr->args[0]), expr->type.lanes);
  EmitValue value = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count);
  int number = 0;
  for (int part = 0; part < value.count; part++) {
    LLVMValueRef numbers[64] = {LLVMConstInt(e->types[expr->type.element], 0, false)};
    for (int i = 0; i < sizes[part]; i++)
      numbers[i] = LLVMConstInt(e->types[expr->type.element], (unsigned)number++, false);
    LLVMValueRef count = sizes[part] ? LLVMConstVector(numbers, (unsigned)sizes[part]) : numbers[0];
    value.parts[part] = LLVMBuildAdd(e->builder, first.parts[part], count, "");
  }
  return value;
}

EmitValue emit_inside(Emission *e, const LoopExpr *expr) {
  for (const LaneMask *m = e->masks; m; m = m->outer)
    if (m->variable == expr->args[0] && m->lanes == expr->type.lanes) return m->mask;
  EmitValue all = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &all.count);
  for (int i = 0; i < all.count; i++)
    all.parts[i] = LLVMConstAllOnes(vector_type(e, e->i1, sizes[i]));
  return all;
}

LLVMValueRef emit_lane(Emission *e, const LoopExpr *expr) {
  EmitValue vector = emit_expr(e, expr->args[0]);
  if (vector.type.lanes == 1) return vector.parts[0];
  LLVMValueRef number = emit_scalar(e, expr->args[1]);
  int count, first = 0;
  const int *sizes = emit_cut(e, vector.type.lanes, &count);
  LLVMValueRef result = NULL;
  int64_t known = 0;
  bool is_known = emit_known(number, &known);
  for (int part = 0; part < count; first += sizes[part++]) {
    if (is_known && (known < first || known >= first + sizes[part])) continue;
    LLVMValueRef within =
        LLVMBuildSub(e->builder, number, LLVMConstInt(e->i64, (unsigned)first, false), "");
    if (!is_known) /* any place will do where another part has it */
      within = LLVMBuildAnd(e->builder, within,
                            LLVMConstInt(e->i64, (unsigned)sizes[part] - 1, false), "");
    LLVMValueRef one = LLVMBuildExtractElement(e->builder, vector.parts[part], within, "");
    if (!result) {
      result = one;
      continue;
    }
    LLVMValueRef here = LLVMBuildICmp(e->builder, LLVMIntSGE, number,
                                      LLVMConstInt(e->i64, (unsigned)first, false), "");
    result = LLVMBuildSelect(e->builder, here, one, result, "");
  }
  if (!result) bug("loop: lane %lld of %d", (long long)known, vector.type.lanes);
  return result;
}

/* Lanes that are all of one register are one shuffle; others are put together register by register,
 * those of a smaller one (the vector's rest) widened. */
static LLVMValueRef pick_part(Emission *e, EmitValue vector, const int *sizes, const int *places,
                              int size) {
  LLVMValueRef result = NULL;
  for (int part = 0, first = 0; part < vector.count; first += sizes[part++]) {
    LLVMValueRef numbers[64], from = vector.parts[part], none = LLVMGetPoison(LLVMTypeOf(from));
    LLVMValueRef nothing = LLVMGetPoison(e->i32);
    int own = 0;
    for (int i = 0; i < size; i++) {
      bool here = places[i] >= first && places[i] < first + sizes[part];
      own += here;
      numbers[i] = here ? LLVMConstInt(e->i32, (unsigned)(places[i] - first), false) : nothing;
    }
    if (own == 0) continue;
    LLVMValueRef mask = LLVMConstVector(numbers, (unsigned)size);
    LLVMValueRef mine = LLVMBuildShuffleVector(e->builder, from, none, mask, "");
    if (!result) {
      result = mine;
      continue;
    }
    for (int i = 0; i < size; i++) {
      bool here = places[i] >= first && places[i] < first + sizes[part];
      numbers[i] = LLVMConstInt(e->i32, (unsigned)(here ? size + i : i), false);
    }
    mask = LLVMConstVector(numbers, (unsigned)size);
    result = LLVMBuildShuffleVector(e->builder, result, mine, mask, "");
  }
  return result;
}

EmitValue emit_pick(Emission *e, const LoopExpr *expr) {
  EmitValue vector = emit_expr(e, expr->args[0]);
  if (vector.type.lanes == 1) return value_widen(e, vector, expr->type.lanes);
  EmitValue value = emit_value_new(e, expr->type);
  int count;
  const int *from = emit_cut(e, vector.type.lanes, &count);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count), *places = expr->places;
  for (int i = 0; i < value.count; places += sizes[i++])
    value.parts[i] = pick_part(e, vector, from, places, sizes[i]);
  return value;
}
