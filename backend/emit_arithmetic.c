/* emit_arithmetic.c - the operators of the loop IR on LLVM values, scalars or vectors alike. */
#include "backend/emission.h"

#include "backend/vecmath.h"
#include "support/bug.h"

static LLVMValueRef flagged(Emission *e, LLVMValueRef value) {
  bool exact = e->kernel && e->kernel->exact;
  if (!exact && LLVMIsAInstruction(value) && LLVMCanValueUseFastMathFlags(value))
    LLVMSetFastMathFlags(value, LLVMFastMathAllowContract);
  return value;
}

LLVMValueRef emit_fma(Emission *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  if (e->target.fma) return emit_intrinsic_of(e, "llvm.fma", (LLVMValueRef[]){a, b, c}, 3);
  return LLVMBuildFAdd(e->builder, LLVMBuildFMul(e->builder, a, b, ""), c, "");
}

/* The floor of a / b, which differs from truncation where the signs do. */
static LLVMValueRef floor_div(Emission *e, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef to = e->builder;
  LLVMTypeRef type = LLVMTypeOf(a);
  LLVMValueRef zero = LLVMConstNull(type);
  LLVMValueRef q = LLVMBuildSDiv(to, a, b, "");
  LLVMValueRef rest = LLVMBuildSub(to, a, LLVMBuildMul(to, q, b, ""), "");
  LLVMValueRef uneven = LLVMBuildICmp(to, LLVMIntNE, rest, zero, "");
  LLVMValueRef signs = LLVMBuildICmp(to, LLVMIntSLT, LLVMBuildXor(to, rest, b, ""), zero, "");
  LLVMValueRef down = LLVMBuildAnd(to, uneven, signs, "");
  return LLVMBuildAdd(to, q, LLVMBuildSExt(to, down, type, ""), "");
}

/* Division by whatever it is: x / 0 = 0, the least by -1 wraps. */
static LLVMValueRef safe_div(Emission *e, LLVMValueRef a, LLVMValueRef b, bool is_signed) {
  LLVMBuilderRef to = e->builder;
  LLVMTypeRef type = LLVMTypeOf(a);
  LLVMValueRef zero = LLVMConstNull(type), minus = LLVMConstAllOnes(type);
  LLVMValueRef one = LLVMBuildNeg(to, minus, "");
  LLVMValueRef none = LLVMBuildICmp(to, LLVMIntEQ, b, zero, "");
  if (!is_signed) {
    LLVMValueRef q = LLVMBuildUDiv(to, a, LLVMBuildSelect(to, none, one, b, ""), "");
    return LLVMBuildSelect(to, none, zero, q, "");
  }
  LLVMValueRef negative = LLVMBuildICmp(to, LLVMIntEQ, b, minus, "");
  LLVMValueRef special = LLVMBuildOr(to, none, negative, "");
  LLVMValueRef q = floor_div(e, a, LLVMBuildSelect(to, special, one, b, ""));
  q = LLVMBuildSelect(to, negative, LLVMBuildNeg(to, a, ""), q, "");
  return LLVMBuildSelect(to, none, zero, q, "");
}

static LLVMValueRef divide(Emission *e, const LoopExpr *expr, LLVMValueRef a, LLVMValueRef b) {
  bool is_signed = expr->type.element != LOOP_U8;
  const LoopExpr *by = expr->args[1];
  bool constant = by->kind == LOOP_EXPR_LITERAL && by->integer > 0;
  LLVMValueRef q;
  if (constant && (!is_signed || expr->args[0]->natural))
    q = LLVMBuildUDiv(e->builder, a, b, "");
  else if (constant)
    q = floor_div(e, a, b);
  else
    q = safe_div(e, a, b, is_signed);
  if (expr->op == LOOP_DIV) return q;
  return LLVMBuildSub(e->builder, a, LLVMBuildMul(e->builder, q, b, ""), "");
}

/* The larger or smaller of two floats; a NaN wins. `a > b ? a : b` is one instruction and gives b
 * where one is NaN, which is right already if a is never NaN. */
static LLVMValueRef float_extreme(Emission *e, bool greatest, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef to = e->builder;
  if (LLVMIsConstant(b)) {
    LLVMValueRef other = a;
    a = b;
    b = other;
  }
  LLVMRealPredicate than = greatest ? LLVMRealOGT : LLVMRealOLT;
  LLVMValueRef pick = LLVMBuildSelect(to, LLVMBuildFCmp(to, than, a, b, ""), a, b, "");
  LLVMValueRef is_nan = LLVMBuildFCmp(to, LLVMRealUNO, a, a, "");
  LLVMTypeRef type = LLVMTypeOf(a);
  if (e->target.masks || LLVMGetTypeKind(type) != LLVMVectorTypeKind)
    return LLVMBuildSelect(to, is_nan, a, pick, "");
  /* all ones are a NaN, too: `or` takes a quarter of what a blend by a mask does */
  LLVMTypeRef bits = LLVMGetElementType(type) == e->f64 ? e->i64 : e->i32;
  bits = vector_type(e, bits, (int)LLVMGetVectorSize(type));
  LLVMValueRef ones = LLVMBuildSExt(to, is_nan, bits, "");
  pick = LLVMBuildOr(to, LLVMBuildBitCast(to, pick, bits, ""), ones, "");
  return LLVMBuildBitCast(to, pick, type, "");
}

static LLVMValueRef extreme(Emission *e, LoopElement element, bool greatest, LLVMValueRef a,
                            LLVMValueRef b) {
  if (loop_element_is_float(element)) return float_extreme(e, greatest, a, b);
  if (element == LOOP_BOOL)
    return greatest ? LLVMBuildOr(e->builder, a, b, "") : LLVMBuildAnd(e->builder, a, b, "");
  const char *name = element == LOOP_U8 ? (greatest ? "llvm.umax" : "llvm.umin")
                                        : (greatest ? "llvm.smax" : "llvm.smin");
  return emit_intrinsic_of(e, name, (LLVMValueRef[]){a, b}, 2);
}

static LLVMValueRef greater(Emission *e, LoopElement element, LLVMValueRef a, LLVMValueRef b) {
  if (!loop_element_is_float(element)) return extreme(e, element, true, a, b);
  LLVMValueRef wins = LLVMBuildFCmp(e->builder, LLVMRealOGT, a, b, "");
  return LLVMBuildSelect(e->builder, wins, a, b, "");
}

LLVMValueRef emit_combine(Emission *e, LoopOp op, LoopElement element, LLVMValueRef a,
                          LLVMValueRef b) {
  bool is_float = loop_element_is_float(element);
  switch (op) {
  case LOOP_ADD:
    return is_float ? LLVMBuildFAdd(e->builder, a, b, "") : LLVMBuildAdd(e->builder, a, b, "");
  case LOOP_MUL:
    return is_float ? LLVMBuildFMul(e->builder, a, b, "") : LLVMBuildMul(e->builder, a, b, "");
  case LOOP_MIN:
    return extreme(e, element, false, a, b);
  case LOOP_MAX:
    return extreme(e, element, true, a, b);
  case LOOP_GREATER:
    return greater(e, element, a, b);
  case LOOP_AND:
    return LLVMBuildAnd(e->builder, a, b, "");
  case LOOP_OR:
    return LLVMBuildOr(e->builder, a, b, "");
  default:
    bug("loop: operator %d combines no lanes", (int)op);
  }
}

static LLVMValueRef compare(Emission *e, LoopOp op, LoopElement element, LLVMValueRef a,
                            LLVMValueRef b) {
  static const LLVMRealPredicate reals[] = {LLVMRealOEQ, LLVMRealUNE, LLVMRealOLT,
                                            LLVMRealOLE, LLVMRealOGT, LLVMRealOGE};
  static const LLVMIntPredicate ints[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntSLT,
                                          LLVMIntSLE, LLVMIntSGT, LLVMIntSGE};
  static const LLVMIntPredicate naturals[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntULT,
                                              LLVMIntULE, LLVMIntUGT, LLVMIntUGE};
  int which = (int)op - LOOP_EQ;
  if (loop_element_is_float(element)) return LLVMBuildFCmp(e->builder, reals[which], a, b, "");
  bool is_signed = element != LOOP_U8 && element != LOOP_BOOL;
  return LLVMBuildICmp(e->builder, is_signed ? ints[which] : naturals[which], a, b, "");
}

LLVMValueRef emit_binary(Emission *e, const LoopExpr *expr, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef to = e->builder;
  LoopElement element = expr->args[0]->type.element;
  bool is_float = loop_element_is_float(element);
  switch (expr->op) {
  case LOOP_ADD:
  case LOOP_MUL:
    return flagged(e, emit_combine(e, expr->op, element, a, b));
  case LOOP_MIN:
  case LOOP_MAX:
  case LOOP_GREATER:
  case LOOP_AND:
  case LOOP_OR:
    return emit_combine(e, expr->op, element, a, b);
  case LOOP_SUB:
    return is_float ? flagged(e, LLVMBuildFSub(to, a, b, "")) : LLVMBuildSub(to, a, b, "");
  case LOOP_DIV:
    return is_float ? LLVMBuildFDiv(to, a, b, "") : divide(e, expr, a, b);
  case LOOP_MOD:
    return is_float ? vecmath_mod(e, a, b) : divide(e, expr, a, b);
  case LOOP_POW:
    return vecmath_pow(e, a, b);
  case LOOP_XOR:
    return LLVMBuildXor(to, a, b, "");
  case LOOP_SHL:
    return LLVMBuildShl(to, a, b, "");
  case LOOP_SHR:
    return LLVMBuildLShr(to, a, b, "");
  default:
    return compare(e, expr->op, element, a, b);
  }
}

LLVMValueRef emit_unary(Emission *e, const LoopExpr *expr, LLVMValueRef a) {
  LLVMBuilderRef to = e->builder;
  bool is_float = loop_element_is_float(expr->type.element);
  switch (expr->op) {
  case LOOP_NEG:
    return is_float ? LLVMBuildFNeg(to, a, "") : LLVMBuildNeg(to, a, "");
  case LOOP_NOT:
    return LLVMBuildNot(to, a, "");
  case LOOP_ABS:
    if (is_float) return emit_intrinsic_of(e, "llvm.fabs", &a, 1);
    if (expr->type.element == LOOP_U8 || expr->type.element == LOOP_BOOL) return a;
    return emit_intrinsic_of(e, "llvm.abs", (LLVMValueRef[]){a, LLVMConstInt(e->i1, 0, false)}, 2);
  case LOOP_FLOOR:
    return emit_intrinsic_of(e, "llvm.floor", &a, 1);
  case LOOP_CEIL:
    return emit_intrinsic_of(e, "llvm.ceil", &a, 1);
  case LOOP_TRUNC:
    return emit_intrinsic_of(e, "llvm.trunc", &a, 1);
  case LOOP_ROUND:
    return emit_intrinsic_of(e, "llvm.roundeven", &a, 1);
  case LOOP_SQRT:
    return emit_intrinsic_of(e, "llvm.sqrt", &a, 1);
  case LOOP_RSQRT: {
    LLVMValueRef root = emit_intrinsic_of(e, "llvm.sqrt", &a, 1);
    LLVMTypeRef type = LLVMTypeOf(a);
    bool is_vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
    LLVMValueRef one = LLVMConstReal(is_vector ? LLVMGetElementType(type) : type, 1);
    if (is_vector) one = emit_splat(e, one, (int)LLVMGetVectorSize(type));
    return LLVMBuildFDiv(to, one, root, "");
  }
  default:
    return vecmath_unary(e, expr->op, a);
  }
}
