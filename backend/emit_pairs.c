/* emit_pairs.c - sums of products of bf16 pairs: one instruction where the target has it
 * (AVX512-BF16), else both halves widened to f32 and multiplied, in the same order. The instruction
 * takes subnormal numbers as 0. And halves of pairs in memory alone: a number must come to the
 * upper half of its lane, with zeros below. */
#include "backend/emission.h"

#include "support/bug.h"

static LLVMValueRef half(Emission *e, LLVMValueRef pair, LLVMTypeRef type, bool upper) {
  bool is_vector = LLVMGetTypeKind(LLVMTypeOf(pair)) == LLVMVectorTypeKind;
  int size = is_vector ? (int)LLVMGetVectorSize(LLVMTypeOf(pair)) : 0;
  LLVMValueRef by = LLVMConstInt(e->i32, upper ? 0xffff0000u : 16, false);
  by = emit_splat(e, by, size);
  LLVMValueRef bits =
      upper ? LLVMBuildAnd(e->builder, pair, by, "") : LLVMBuildShl(e->builder, pair, by, "");
  return LLVMBuildBitCast(e->builder, bits, type, "");
}

static const char *instruction(int size) {
  return size == 16  ? "llvm.x86.avx512bf16.dpbf16ps.512"
         : size == 8 ? "llvm.x86.avx512bf16.dpbf16ps.256"
         : size == 4 ? "llvm.x86.avx512bf16.dpbf16ps.128"
                     : NULL;
}

LLVMValueRef emit_dot2(Emission *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  LLVMTypeRef type = LLVMTypeOf(c);
  bool is_vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
  unsigned size = is_vector ? LLVMGetVectorSize(type) : 0;
  const char *name = e->target.bf16 ? instruction((int)size) : NULL;
  if (name) {
    emit_feature(e, "+avx512bf16");
    LLVMTypeRef pairs = LLVMVectorType(LLVMBFloatTypeInContext(e->context), 2 * size);
    LLVMValueRef args[] = {c, LLVMBuildBitCast(e->builder, a, pairs, ""),
                           LLVMBuildBitCast(e->builder, b, pairs, "")};
    return emit_intrinsic(e, name, NULL, 0, args, 3);
  }
  c = emit_fma(e, half(e, a, type, true), half(e, b, type, true), c);
  return emit_fma(e, half(e, a, type, false), half(e, b, type, false), c);
}

/* The upper half is an `and` with memory, which runs on any port. So is the lower one if the load
 * begins two bytes earlier: where the register's part of a line is not the first. The first, before
 * which there may be nothing, is shifted; kept from one half to the other it would push sums out of
 * their registers, so it is loaded again. */
EmitValue emit_halves(Emission *e, const LoopExpr *expr) {
  enum { LINE = 64 };
  int64_t upper;
  int first = 0;
  if (!emit_known(emit_scalar(e, expr->args[1]), &upper)) bug("a half that is not known");
  EmitValue value = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count);
  for (int i = 0; i < value.count; first += sizes[i++]) {
    bool near = !upper && first > 0 && 4 * sizes[i] < LINE; /* a wider one would cross lines */
    LLVMValueRef words =
        emit_load_before(e, expr->args[0], first, sizes[i], near ? 2 : 0, !upper && !near);
    value.parts[i] = half(e, words, vector_type(e, e->f32, sizes[i]), upper || near);
  }
  return value;
}
