/* emit_expr.c - expressions of the loop IR as LLVM values. */
#include "backend/emission.h"

#include "backend/vecmath.h"
#include "support/bug.h"

static LLVMValueRef literal(Emission *e, const LoopExpr *expr, LoopElement element) {
  LLVMTypeRef type = e->types[element];
  switch (element) {
  case LOOP_F32:
  case LOOP_F64:
    return LLVMConstReal(type, expr->number);
  case LOOP_F16:
  case LOOP_BF16: {
    LLVMValueRef wide = LLVMConstReal(e->f32, expr->number);
    return emit_cast_part(e, wide, 0, LOOP_F32, element);
  }
  case LOOP_BOOL:
    return LLVMConstInt(type, expr->integer != 0, false);
  default:
    return LLVMConstInt(type, (unsigned long long)expr->integer, true);
  }
}

static EmitValue scalar_value(Emission *e, LoopType type, LLVMValueRef scalar) {
  EmitValue value = emit_value_new(e, type);
  value.parts[0] = scalar;
  return value;
}

static EmitValue read_register(Emission *e, const LoopExpr *expr) {
  RegisterState *state = &e->registers[expr->reg->id];
  if (!expr->reg->is_set && expr->reg->rows == 0) return state->value;
  int64_t row = 0;
  if (expr->reg->rows) {
    if (!expr->row) bug("loop: '%s' is read whole", expr->name);
    if (!emit_known(emit_scalar(e, expr->row), &row))
      bug("loop: the row of '%s' must be known", expr->name);
    if (row < 0 || row >= expr->reg->rows)
      bug("loop: row %lld of '%s'", (long long)row, expr->name);
  }
  EmitValue value = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count);
  for (int i = 0; i < value.count; i++)
    value.parts[i] = LLVMBuildLoad2(e->builder, emit_part_type(e, expr->type.element, sizes[i]),
                                    state->slots[row * value.count + i], "");
  return value;
}

/* Functions of several registers at a time, in one sequence of instructions: those of one would
 * wait for each other. How many parts that makes, from part i on. */
static int function_parts(Emission *e, const LoopExpr *expr, EmitValue arg, EmitValue value,
                          int i) {
  if (expr->args[1] || !vecmath_takes_groups(expr->op) || expr->type.element != LOOP_F32) return 0;
  LLVMTypeRef type = LLVMTypeOf(arg.parts[i]);
  if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return 0;
  int count = 1, group;
  while (i + count < value.count && LLVMTypeOf(arg.parts[i + count]) == type) count++;
  for (group = VECMATH_GROUP; group > count;) group /= 2;
  if (group == 1) return 0;
  vecmath_group(e, expr->op, arg.parts + i, group, value.parts + i);
  return group;
}

static EmitValue op_value(Emission *e, const LoopExpr *expr) {
  EmitValue args[3];
  if (expr->op == LOOP_HALF) return emit_halves(e, expr);
  for (int i = 0; i < 3 && expr->args[i]; i++)
    args[i] = value_widen(e, emit_expr(e, expr->args[i]), expr->type.lanes);
  EmitValue value = emit_value_new(e, expr->type);
  for (int i = 0; i < value.count; i++) {
    int made = function_parts(e, expr, args[0], value, i);
    if (made) {
      i += made - 1;
      continue;
    }
    LLVMValueRef a = args[0].parts[i];
    if (expr->op == LOOP_FMA)
      value.parts[i] =
          loop_element_is_float(expr->type.element)
              ? emit_fma(e, a, args[1].parts[i], args[2].parts[i])
              : LLVMBuildAdd(e->builder, LLVMBuildMul(e->builder, a, args[1].parts[i], ""),
                             args[2].parts[i], "");
    else if (expr->op == LOOP_DOT2)
      value.parts[i] = emit_dot2(e, a, args[1].parts[i], args[2].parts[i]);
    else if (expr->op == LOOP_SELECT)
      value.parts[i] = LLVMBuildSelect(e->builder, a, args[1].parts[i], args[2].parts[i], "");
    else if (expr->args[1])
      value.parts[i] = emit_binary(e, expr, a, args[1].parts[i]);
    else
      value.parts[i] = emit_unary(e, expr, a);
  }
  return value;
}

static EmitValue convert(Emission *e, const LoopExpr *expr) {
  EmitValue from = emit_expr(e, expr->args[0]);
  EmitValue value = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count);
  for (int i = 0; i < value.count; i++)
    value.parts[i] =
        expr->kind == LOOP_EXPR_BITS
            ? LLVMBuildBitCast(e->builder, from.parts[i],
                               emit_part_type(e, expr->type.element, sizes[i]), "")
            : emit_cast_part(e, from.parts[i], sizes[i], from.type.element, expr->type.element);
  return value;
}

EmitValue emit_expr(Emission *e, const LoopExpr *expr) {
  switch (expr->kind) {
  case LOOP_EXPR_LITERAL:
    return scalar_value(e, expr->type, literal(e, expr, expr->type.element));
  case LOOP_EXPR_DIM:
    return scalar_value(e, expr->type, e->dim_values[expr->slot]);
  case LOOP_EXPR_GIVEN:
    return scalar_value(e, expr->type, emit_given(e, expr));
  case LOOP_EXPR_VARIABLE:
  case LOOP_EXPR_COUNT:
    return scalar_value(e, expr->type, emit_affine_value(e, e->variables[expr->id]));
  case LOOP_EXPR_REGISTER:
    return read_register(e, expr);
  case LOOP_EXPR_ACCESS:
    return emit_load(e, expr);
  case LOOP_EXPR_OP:
    return op_value(e, expr);
  case LOOP_EXPR_CAST:
  case LOOP_EXPR_BITS:
    return convert(e, expr);
  case LOOP_EXPR_SPLAT:
    return value_widen(e, emit_expr(e, expr->args[0]), expr->type.lanes);
  case LOOP_EXPR_IOTA:
    return emit_iota(e, expr);
  case LOOP_EXPR_INSIDE:
    return emit_inside(e, expr);
  case LOOP_EXPR_LANE:
    return scalar_value(e, expr->type, emit_lane(e, expr));
  case LOOP_EXPR_PICK:
    return emit_pick(e, expr);
  case LOOP_EXPR_REDUCE:
    return scalar_value(e, expr->type, emit_reduce(e, expr->op, emit_expr(e, expr->args[0])));
  }
  bug("loop: an expression of kind %d", (int)expr->kind);
}

EmitValue emit_expr_as(Emission *e, const LoopExpr *expr, LoopType type) {
  EmitValue value =
      expr->soft ? scalar_value(e, (LoopType){type.element, 1}, literal(e, expr, type.element))
                 : emit_expr(e, expr);
  return value_widen(e, value, type.lanes);
}

LLVMValueRef emit_scalar(Emission *e, const LoopExpr *expr) {
  EmitValue value = emit_expr(e, expr);
  if (value.type.lanes != 1) bug("loop: a vector where a scalar is wanted");
  return value.parts[0];
}
