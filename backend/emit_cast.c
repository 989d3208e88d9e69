/* emit_cast.c - conversions between element types, as ARCHITECTURE's semantics have them: nearest
 * even between floats; from float to integer truncation, saturation, NaN to 0; low bits to narrower
 * integers. f16 and bf16 values are carried as i16. */
#include "backend/emission.h"

#include "support/bug.h"

static LLVMValueRef constant(Emission *e, LLVMTypeRef type, uint64_t value, int size) {
  return emit_splat(e, LLVMConstInt(type, value, false), size);
}

static LLVMValueRef from_bf16(Emission *e, LLVMValueRef part, int size) {
  LLVMTypeRef i32 = vector_type(e, e->i32, size);
  LLVMValueRef wide = LLVMBuildZExt(e->builder, part, i32, "");
  wide = LLVMBuildShl(e->builder, wide, constant(e, e->i32, 16, size), "");
  return LLVMBuildBitCast(e->builder, wide, vector_type(e, e->f32, size), "");
}

/* Adding just below half of the last kept bit, and that bit, rounds to even; a NaN is kept one. */
static LLVMValueRef to_bf16(Emission *e, LLVMValueRef part, int size) {
  LLVMBuilderRef to = e->builder;
  LLVMValueRef bits = LLVMBuildBitCast(to, part, vector_type(e, e->i32, size), "");
  LLVMValueRef sixteen = constant(e, e->i32, 16, size);
  LLVMValueRef odd =
      LLVMBuildAnd(to, LLVMBuildLShr(to, bits, sixteen, ""), constant(e, e->i32, 1, size), "");
  LLVMValueRef rounded =
      LLVMBuildAdd(to, LLVMBuildAdd(to, bits, constant(e, e->i32, 0x7fff, size), ""), odd, "");
  LLVMValueRef nan = LLVMBuildOr(to, bits, constant(e, e->i32, 0x400000, size), "");
  LLVMValueRef is_nan = LLVMBuildFCmp(to, LLVMRealUNO, part, part, "");
  LLVMValueRef result = LLVMBuildSelect(to, is_nan, nan, rounded, "");
  result = LLVMBuildLShr(to, result, sixteen, "");
  return LLVMBuildTrunc(to, result, vector_type(e, e->i16, size), "");
}

/* Without conversion instructions: the exponent is moved by a multiplication, which also makes the
 * subnormal ones right; infinity and NaN get f32's exponent. */
static LLVMValueRef from_f16_bits(Emission *e, LLVMValueRef part, int size) {
  LLVMBuilderRef to = e->builder;
  LLVMTypeRef f32 = vector_type(e, e->f32, size);
  LLVMValueRef wide = LLVMBuildZExt(to, part, vector_type(e, e->i32, size), "");
  LLVMValueRef sign = LLVMBuildAnd(to, wide, constant(e, e->i32, 0x8000, size), "");
  LLVMValueRef rest = LLVMBuildAnd(to, wide, constant(e, e->i32, 0x7fff, size), "");
  LLVMValueRef moved = LLVMBuildShl(to, rest, constant(e, e->i32, 13, size), "");
  LLVMValueRef scale = emit_splat(e, LLVMConstReal(e->f32, 0x1p112), size);
  LLVMValueRef scaled = LLVMBuildFMul(to, LLVMBuildBitCast(to, moved, f32, ""), scale, "");
  LLVMValueRef special = LLVMBuildICmp(to, LLVMIntUGE, rest, constant(e, e->i32, 0x7c00, size), "");
  LLVMValueRef infinite = LLVMBuildOr(to, moved, constant(e, e->i32, 0x7f800000, size), "");
  LLVMValueRef bits = LLVMBuildBitCast(to, scaled, vector_type(e, e->i32, size), "");
  bits = LLVMBuildSelect(to, special, infinite, bits, "");
  bits = LLVMBuildOr(to, bits, LLVMBuildShl(to, sign, constant(e, e->i32, 16, size), ""), "");
  return LLVMBuildBitCast(to, bits, f32, "");
}

/* Normal results round by integer addition, subnormal ones by adding 0.5, whose last bit is their
 * unit. */
static LLVMValueRef to_f16_bits(Emission *e, LLVMValueRef part, int size) {
  LLVMBuilderRef to = e->builder;
  LLVMTypeRef f32 = vector_type(e, e->f32, size), i32 = vector_type(e, e->i32, size);
  LLVMValueRef bits = LLVMBuildBitCast(to, part, i32, "");
  LLVMValueRef sign = LLVMBuildAnd(to, bits, constant(e, e->i32, 0x80000000, size), "");
  LLVMValueRef rest = LLVMBuildXor(to, bits, sign, "");
  LLVMValueRef odd = LLVMBuildAnd(to, LLVMBuildLShr(to, rest, constant(e, e->i32, 13, size), ""),
                                  constant(e, e->i32, 1, size), "");
  LLVMValueRef normal = LLVMBuildAdd(to, rest, constant(e, e->i32, 0xc8000fff, size), "");
  normal = LLVMBuildAdd(to, normal, odd, "");
  normal = LLVMBuildLShr(to, normal, constant(e, e->i32, 13, size), "");
  LLVMValueRef half = emit_splat(e, LLVMConstReal(e->f32, 0.5), size);
  LLVMValueRef small = LLVMBuildFAdd(to, LLVMBuildBitCast(to, rest, f32, ""), half, "");
  small = LLVMBuildSub(to, LLVMBuildBitCast(to, small, i32, ""),
                       constant(e, e->i32, 0x3f000000, size), "");
  LLVMValueRef is_small =
      LLVMBuildICmp(to, LLVMIntULT, rest, constant(e, e->i32, 0x38800000, size), "");
  LLVMValueRef result = LLVMBuildSelect(to, is_small, small, normal, "");
  LLVMValueRef is_large =
      LLVMBuildICmp(to, LLVMIntUGE, rest, constant(e, e->i32, 0x477ff000, size), "");
  result = LLVMBuildSelect(to, is_large, constant(e, e->i32, 0x7c00, size), result, "");
  LLVMValueRef is_nan =
      LLVMBuildICmp(to, LLVMIntUGT, rest, constant(e, e->i32, 0x7f800000, size), "");
  result = LLVMBuildSelect(to, is_nan, constant(e, e->i32, 0x7e00, size), result, "");
  LLVMValueRef top = LLVMBuildLShr(to, sign, constant(e, e->i32, 16, size), "");
  return LLVMBuildTrunc(to, LLVMBuildOr(to, result, top, ""), vector_type(e, e->i16, size), "");
}

/* f64 to f32 so that a further rounding is right: an inexact result gets an odd last bit. */
static LLVMValueRef round_to_odd(Emission *e, LLVMValueRef part, int size) {
  LLVMBuilderRef to = e->builder;
  LLVMTypeRef f32 = vector_type(e, e->f32, size), i32 = vector_type(e, e->i32, size);
  LLVMValueRef narrow = LLVMBuildFPTrunc(to, part, f32, "");
  LLVMValueRef back = LLVMBuildFPExt(to, narrow, LLVMTypeOf(part), "");
  LLVMValueRef inexact = LLVMBuildFCmp(to, LLVMRealONE, back, part, "");
  LLVMValueRef large = LLVMBuildFCmp(to, LLVMRealOGT, emit_intrinsic_of(e, "llvm.fabs", &back, 1),
                                     emit_intrinsic_of(e, "llvm.fabs", &part, 1), "");
  LLVMValueRef bits = LLVMBuildBitCast(to, narrow, i32, "");
  LLVMValueRef down = LLVMBuildAdd(to, bits, LLVMBuildSExt(to, large, i32, ""), "");
  LLVMValueRef odd = LLVMBuildOr(to, down, constant(e, e->i32, 1, size), "");
  return LLVMBuildBitCast(to, LLVMBuildSelect(to, inexact, odd, bits, ""), f32, "");
}

static LLVMValueRef to_f32(Emission *e, LLVMValueRef part, int size, LoopElement from) {
  if (from == LOOP_BF16) return from_bf16(e, part, size);
  if (!e->target.f16) return from_f16_bits(e, part, size);
  LLVMValueRef half = LLVMBuildBitCast(e->builder, part, vector_type(e, e->half, size), "");
  return LLVMBuildFPExt(e->builder, half, vector_type(e, e->f32, size), "");
}

static LLVMValueRef narrow_f32(Emission *e, LLVMValueRef part, int size, LoopElement to) {
  if (to == LOOP_BF16) return to_bf16(e, part, size);
  if (!e->target.f16) return to_f16_bits(e, part, size);
  LLVMValueRef half = LLVMBuildFPTrunc(e->builder, part, vector_type(e, e->half, size), "");
  return LLVMBuildBitCast(e->builder, half, vector_type(e, e->i16, size), "");
}

static LLVMValueRef from_float(Emission *e, LLVMValueRef part, int size, LoopElement from,
                               LoopElement to) {
  LLVMTypeRef type = emit_part_type(e, to, size);
  if (to == LOOP_F64) return LLVMBuildFPExt(e->builder, part, type, "");
  if (to == LOOP_F32) return LLVMBuildFPTrunc(e->builder, part, type, "");
  if (to == LOOP_BOOL)
    return LLVMBuildFCmp(e->builder, LLVMRealUNE, part, LLVMConstNull(LLVMTypeOf(part)), "");
  if (loop_element_is_float(to))
    return narrow_f32(e, from == LOOP_F64 ? round_to_odd(e, part, size) : part, size, to);
  LLVMTypeRef overload[] = {type, LLVMTypeOf(part)};
  const char *name = to == LOOP_U8 ? "llvm.fptoui.sat" : "llvm.fptosi.sat";
  return emit_intrinsic(e, name, overload, 2, &part, 1);
}

static LLVMValueRef from_integer(Emission *e, LLVMValueRef part, int size, LoopElement from,
                                 LoopElement to) {
  LLVMBuilderRef b = e->builder;
  LLVMTypeRef type = emit_part_type(e, to, size);
  bool natural = from == LOOP_U8 || from == LOOP_BOOL;
  if (to == LOOP_BOOL)
    return LLVMBuildICmp(b, LLVMIntNE, part, LLVMConstNull(LLVMTypeOf(part)), "");
  if (to == LOOP_F32 || to == LOOP_F64)
    return natural ? LLVMBuildUIToFP(b, part, type, "") : LLVMBuildSIToFP(b, part, type, "");
  if (loop_element_is_float(to)) {
    LoopElement by = from == LOOP_I32 || from == LOOP_I64 ? LOOP_F64 : LOOP_F32;
    LLVMValueRef wide = from_integer(e, part, size, from, by);
    return from_float(e, wide, size, by, to);
  }
  if (natural) return LLVMBuildZExtOrBitCast(b, part, type, "");
  return LLVMBuildIntCast2(b, part, type, true, "");
}

LLVMValueRef emit_cast_part(Emission *e, LLVMValueRef part, int size, LoopElement from,
                            LoopElement to) {
  if (from == to) return part;
  if (from == LOOP_F16 || from == LOOP_BF16) {
    part = to_f32(e, part, size, from);
    from = LOOP_F32;
    if (to == LOOP_F32) return part;
  }
  if (loop_element_is_float(from)) return from_float(e, part, size, from, to);
  return from_integer(e, part, size, from, to);
}
