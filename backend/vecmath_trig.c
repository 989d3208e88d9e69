/* vecmath_trig.c - sine and cosine of f32: the angle is reduced in f64, by subtraction below 2^27
 * and by multiplication with as many bits of 2 / pi as it takes above (Payne and Hanek), which is a
 * function of its own in the module, called if any lane needs it. */
#include "backend/vecmath.h"

#include <math.h>

/* The bits of 2 / pi, from 1/2 on. */
static const uint64_t two_over_pi[] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
                                       0xfe5163abdebbc561};
enum { LARGE = 0x4d000000 /* 2^27 as f32 */, NOT_FINITE = 0x7f800000 };

static LLVMValueRef word(Emission *e, LLVMBuilderRef b, LLVMValueRef table, LLVMValueRef index,
                         int more) {
  LLVMValueRef at = LLVMBuildAdd(b, index, LLVMConstInt(e->i64, (unsigned)more, false), "");
  return LLVMBuildLoad2(b, e->i64, LLVMBuildGEP2(b, e->i64, table, &at, 1, ""), "");
}

/* With |x| = m 2^k, the fixed-point fraction of m 2^(k-2) (2 / pi): two bits of quadrant, then the
 * rest. `bits` are those of |x|. */
static LLVMValueRef turn(Emission *e, LLVMBuilderRef b, LLVMValueRef table, LLVMValueRef bits) {
#define I64(value) LLVMConstInt(e->i64, (value), false)
  LLVMValueRef wide = LLVMBuildZExt(b, bits, e->i64, "");
  LLVMValueRef skip = LLVMBuildSub(b, LLVMBuildLShr(b, wide, I64(23), ""), I64(152), "");
  LLVMValueRef mantissa = LLVMBuildAnd(b, wide, I64(0x7fffff), "");
  mantissa = LLVMBuildOr(b, mantissa, I64(0x800000), "");
  LLVMValueRef index = LLVMBuildLShr(b, skip, I64(6), "");
  LLVMValueRef words[3];
  for (int i = 0; i < 3; i++) words[i] = word(e, b, table, index, i);
  LLVMTypeRef type = e->i64;
  unsigned id = LLVMLookupIntrinsicID("llvm.fshl", 9);
  LLVMValueRef fshl = LLVMGetIntrinsicDeclaration(e->module, id, &type, 1);
  LLVMTypeRef fshl_type = LLVMIntrinsicGetType(e->context, id, &type, 1);
  LLVMValueRef part[2];
  for (int i = 0; i < 2; i++)
    part[i] =
        LLVMBuildCall2(b, fshl_type, fshl, (LLVMValueRef[]){words[i], words[i + 1], skip}, 3, "");
  LLVMValueRef low = LLVMBuildMul(b, LLVMBuildLShr(b, part[1], I64(32), ""), mantissa, "");
  LLVMValueRef high = LLVMBuildMul(b, part[0], mantissa, "");
  return LLVMBuildAdd(b, high, LLVMBuildLShr(b, low, I64(32), ""), "");
}

/* for each of `count` lanes of x that is large and finite: r and n anew. */
static LLVMValueRef reduce_function(Emission *e, LLVMTypeRef *type) {
  const char *name = arena_format(e->arena, "dlc_reduce_angles%s", e->target.suffix);
  LLVMTypeRef parameters[] = {e->pointer, e->pointer, e->pointer, e->i64};
  *type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), parameters, 4, false);
  LLVMValueRef function = LLVMGetNamedFunction(e->module, name);
  if (function) return function;
  function = emit_function(e, name, *type, false);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  LLVMValueRef words[4];
  for (int i = 0; i < 4; i++) words[i] = I64(two_over_pi[i]);
  LLVMValueRef table = LLVMAddGlobal(e->module, LLVMArrayType2(e->i64, 4), "dlc_two_over_pi");
  LLVMSetInitializer(table, LLVMConstArray2(e->i64, words, 4));
  LLVMSetLinkage(table, LLVMInternalLinkage);
  LLVMSetGlobalConstant(table, true);

  LLVMBuilderRef b = LLVMCreateBuilderInContext(e->context);
  LLVMBasicBlockRef block[5];
  for (int i = 0; i < 5; i++) block[i] = LLVMAppendBasicBlockInContext(e->context, function, "");
  LLVMPositionBuilderAtEnd(b, block[0]);
  LLVMBuildBr(b, block[1]);
  LLVMPositionBuilderAtEnd(b, block[1]);
  LLVMValueRef lane = LLVMBuildPhi(b, e->i64, "lane");
  LLVMValueRef at = LLVMBuildGEP2(b, e->i32, LLVMGetParam(function, 0), &lane, 1, "");
  LLVMValueRef all = LLVMBuildLoad2(b, e->i32, at, "");
  LLVMValueRef bits = LLVMBuildAnd(b, all, LLVMConstInt(e->i32, 0x7fffffff, false), "");
  LLVMValueRef from = LLVMBuildSub(b, bits, LLVMConstInt(e->i32, LARGE, false), "");
  LLVMValueRef range = LLVMConstInt(e->i32, NOT_FINITE - LARGE, false);
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, from, range, ""), block[2], block[3]);

  LLVMPositionBuilderAtEnd(b, block[2]);
  LLVMValueRef fraction = turn(e, b, table, bits);
  LLVMValueRef n = LLVMBuildAdd(b, fraction, I64(UINT64_C(1) << 61), "");
  n = LLVMBuildLShr(b, n, I64(62), "");
  LLVMValueRef rest = LLVMBuildSub(b, fraction, LLVMBuildShl(b, n, I64(62), ""), "");
  LLVMValueRef r = LLVMBuildSIToFP(b, rest, e->f64, "");
  r = LLVMBuildFMul(b, r, LLVMConstReal(e->f64, M_PI_2 * 0x1p-62), "");
  LLVMValueRef negative = LLVMBuildICmp(b, LLVMIntSLT, all, LLVMConstInt(e->i32, 0, false), "");
  r = LLVMBuildSelect(b, negative, LLVMBuildFNeg(b, r, ""), r, "");
  n = LLVMBuildTrunc(b, n, e->i32, "");
  n = LLVMBuildSelect(b, negative, LLVMBuildNeg(b, n, ""), n, "");
  LLVMBuildStore(b, r, LLVMBuildGEP2(b, e->f64, LLVMGetParam(function, 1), &lane, 1, ""));
  LLVMBuildStore(b, n, LLVMBuildGEP2(b, e->i32, LLVMGetParam(function, 2), &lane, 1, ""));
  LLVMBuildBr(b, block[3]);

  LLVMPositionBuilderAtEnd(b, block[3]);
  LLVMValueRef next = LLVMBuildAdd(b, lane, I64(1), "");
  LLVMValueRef more = LLVMBuildICmp(b, LLVMIntULT, next, LLVMGetParam(function, 3), "");
  LLVMBuildCondBr(b, more, block[1], block[4]);
  LLVMAddIncoming(lane, (LLVMValueRef[]){I64(0), next}, (LLVMBasicBlockRef[]){block[0], block[3]},
                  2);
  LLVMPositionBuilderAtEnd(b, block[4]);
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
  return function;
}

/* Passes the lanes through memory to the function, if any of them is large. */
static void reduce_large(Vm *m, LLVMValueRef x, LLVMValueRef *r, LLVMValueRef *n) {
  Emission *e = m->e;
  LLVMValueRef size = vm_abs(m, x);
  LLVMValueRef any = vm_compare(m, LLVMRealOGE, size, vm_real(m, 0x1p27));
  if (m->size > 0) any = emit_intrinsic_of(e, "llvm.vector.reduce.or", &any, 1);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(m->b);
  LLVMBasicBlockRef slow = emit_block(e, "large"), after = emit_block(e, "");
  LLVMBuildCondBr(m->b, any, slow, after);
  LLVMPositionBuilderAtEnd(m->b, slow);
  LLVMTypeRef type;
  LLVMValueRef function = reduce_function(e, &type);
  LLVMValueRef slots[] = {emit_alloca(e, m->f, "angles"), emit_alloca(e, LLVMTypeOf(*r), "rests"),
                          emit_alloca(e, m->i, "quadrants")};
  LLVMBuildStore(m->b, x, slots[0]);
  LLVMBuildStore(m->b, *r, slots[1]);
  LLVMBuildStore(m->b, *n, slots[2]);
  LLVMValueRef args[] = {slots[0], slots[1], slots[2], I64(m->size ? (unsigned)m->size : 1)};
  LLVMBuildCall2(m->b, type, function, args, 4, "");
  LLVMValueRef new_r = LLVMBuildLoad2(m->b, LLVMTypeOf(*r), slots[1], "");
  LLVMValueRef new_n = LLVMBuildLoad2(m->b, m->i, slots[2], "");
  LLVMBuildBr(m->b, after);
  LLVMPositionBuilderAtEnd(m->b, after);
  LLVMBasicBlockRef blocks[] = {before, slow};
  LLVMValueRef phi_r = LLVMBuildPhi(m->b, LLVMTypeOf(*r), "");
  LLVMAddIncoming(phi_r, (LLVMValueRef[]){*r, new_r}, blocks, 2);
  LLVMValueRef phi_n = LLVMBuildPhi(m->b, m->i, "");
  LLVMAddIncoming(phi_n, (LLVMValueRef[]){*n, new_n}, blocks, 2);
  *r = phi_r;
  *n = phi_n;
}

/* x = n pi / 2 + r. The first two parts of pi / 2 have 25 bits, so that n times them is exact. */
static LLVMValueRef reduce(Vm *m, LLVMValueRef x, LLVMValueRef *n) {
  static const double parts[] = {0x1.921fb5p+0, 0x1.110b46p-26, 0x1.1a62633145c07p-54};
  Emission *e = m->e;
  LLVMValueRef wide = LLVMBuildFPExt(m->b, x, vector_type(e, e->f64, m->size), "");
  Vm d = vm_of(e, wide);
  LLVMValueRef integer;
  LLVMValueRef turns = vm_nearest(&d, vm_mul(&d, wide, vm_real(&d, M_2_PI)), &integer);
  LLVMValueRef r = wide;
  for (int i = 0; i < 3; i++) r = vm_fma(&d, turns, vm_real(&d, -parts[i]), r);
  *n = LLVMBuildTrunc(m->b, integer, m->i, "");
  reduce_large(m, x, &r, n);
  return LLVMBuildFPTrunc(m->b, r, m->f, "");
}

LLVMValueRef vm_sincos(Vm *m, LLVMValueRef x, bool cosine) {
  static const double s[] = {-0.16666654536706595, 0.0083321560588258887, -0.00019514632576491119};
  static const double c[] = {0.041666645554612962, -0.0013887309872802825, 2.4432413644980913e-5};
  LLVMValueRef n, r = reduce(m, x, &n); /* errors 2^-28 and 2^-33 */
  if (cosine) n = LLVMBuildAdd(m->b, n, vm_int(m, 1), "");
  LLVMValueRef square = vm_mul(m, r, r);
  LLVMValueRef sine = vm_fma(m, vm_mul(m, r, square), vm_polynomial(m, square, s, 3), r);
  LLVMValueRef other = vm_fma(m, square, vm_polynomial(m, square, c, 3), vm_real(m, -0.5));
  other = vm_fma(m, square, other, vm_real(m, 1));
  LLVMValueRef odd = LLVMBuildAnd(m->b, n, vm_int(m, 1), "");
  odd = LLVMBuildICmp(m->b, LLVMIntNE, odd, vm_int(m, 0), "");
  LLVMValueRef zero = vm_compare(m, LLVMRealOEQ, r, vm_real(m, 0)); /* keeps its sign */
  sine = vm_select(m, zero, r, sine);
  LLVMValueRef value = vm_select(m, odd, other, sine);
  LLVMValueRef flip = LLVMBuildAnd(m->b, n, vm_int(m, 2), "");
  flip = LLVMBuildShl(m->b, flip, vm_int(m, 30), "");
  return vm_float(m, LLVMBuildXor(m->b, vm_bits(m, value), flip, ""));
}
