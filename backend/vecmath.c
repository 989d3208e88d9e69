/* vecmath.c - the tools of vecmath, exponentials and what is made of them, and the choice among
 * all. Coefficients are minimax fits (Remez, 40 digits), errors relative to the function's. */
#include "backend/vecmath.h"

#include "support/bug.h"

#include <math.h>
#include <string.h>

Vm vm_of(Emission *e, LLVMValueRef like) {
  LLVMTypeRef type = LLVMTypeOf(like);
  bool is_vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
  Vm m = {.e = e, .b = e->builder, .size = is_vector ? (int)LLVMGetVectorSize(type) : 0, .f = type};
  m.scalar_f = is_vector ? LLVMGetElementType(type) : type;
  m.scalar_i = m.scalar_f == e->f64 ? e->i64 : e->i32;
  m.i = vector_type(e, m.scalar_i, m.size);
  return m;
}

LLVMValueRef vm_real(Vm *m, double value) {
  return emit_splat(m->e, LLVMConstReal(m->scalar_f, value), m->size);
}
LLVMValueRef vm_int(Vm *m, int64_t value) {
  return emit_splat(m->e, LLVMConstInt(m->scalar_i, (uint64_t)value, true), m->size);
}
LLVMValueRef vm_add(Vm *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildFAdd(m->b, a, b, "");
}
LLVMValueRef vm_sub(Vm *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildFSub(m->b, a, b, "");
}
LLVMValueRef vm_mul(Vm *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildFMul(m->b, a, b, "");
}
LLVMValueRef vm_div(Vm *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildFDiv(m->b, a, b, "");
}
LLVMValueRef vm_fma(Vm *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  return emit_fma(m->e, a, b, c);
}
LLVMValueRef vm_select(Vm *m, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(m->b, c, a, b, "");
}
LLVMValueRef vm_compare(Vm *m, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildFCmp(m->b, p, a, b, "");
}
LLVMValueRef vm_abs(Vm *m, LLVMValueRef a) {
  return emit_intrinsic_of(m->e, "llvm.fabs", &a, 1);
}
LLVMValueRef vm_copysign(Vm *m, LLVMValueRef size, LLVMValueRef sign) {
  return emit_intrinsic_of(m->e, "llvm.copysign", (LLVMValueRef[]){size, sign}, 2);
}
LLVMValueRef vm_bits(Vm *m, LLVMValueRef a) {
  return LLVMBuildBitCast(m->b, a, m->i, "");
}
LLVMValueRef vm_float(Vm *m, LLVMValueRef a) {
  return LLVMBuildBitCast(m->b, a, m->f, "");
}

/* Pairs of terms, added up in the square of x: half as long a chain as one term after the other. */
LLVMValueRef vm_polynomial(Vm *m, LLVMValueRef x, const double *c, int n) {
  LLVMValueRef square = vm_mul(m, x, x), sum = NULL;
  for (int i = (n - 1) / 2 * 2; i >= 0; i -= 2) {
    LLVMValueRef pair = vm_real(m, c[i]);
    if (i + 1 < n) pair = vm_fma(m, x, vm_real(m, c[i + 1]), pair);
    sum = sum ? vm_fma(m, sum, square, pair) : pair;
  }
  return sum;
}

/* One term after the other, from the last: what is rounded is small until the end. */
LLVMValueRef vm_polynomial_by_terms(Vm *m, LLVMValueRef x, const double *c, int n) {
  LLVMValueRef sum = vm_real(m, c[n - 1]);
  for (int i = n - 2; i >= 0; i--) sum = vm_fma(m, sum, x, vm_real(m, c[i]));
  return sum;
}

/* Adding 1.5 * 2^(mantissa bits) leaves the rounded integer in the low bits. */
LLVMValueRef vm_nearest(Vm *m, LLVMValueRef x, LLVMValueRef *integer) {
  double magic = m->scalar_f == m->e->f64 ? 0x1.8p52 : 0x1.8p23;
  LLVMValueRef shifted = vm_add(m, x, vm_real(m, magic));
  *integer = LLVMBuildSub(m->b, vm_bits(m, shifted), vm_bits(m, vm_real(m, magic)), "");
  return vm_sub(m, shifted, vm_real(m, magic));
}

LLVMValueRef vm_power_of_two(Vm *m, LLVMValueRef n) {
  bool is_double = m->scalar_f == m->e->f64;
  LLVMValueRef biased = LLVMBuildAdd(m->b, n, vm_int(m, is_double ? 1023 : 127), "");
  return vm_float(m, LLVMBuildShl(m->b, biased, vm_int(m, is_double ? 52 : 23), ""));
}

/* x where it is within, else the end of the range; a NaN stays. */
static LLVMValueRef clamp(Vm *m, LLVMValueRef x, double low, double high) {
  LLVMValueRef least = vm_real(m, low), most = vm_real(m, high);
  x = vm_select(m, vm_compare(m, LLVMRealOGT, least, x), least, x);
  return vm_select(m, vm_compare(m, LLVMRealOLT, most, x), most, x);
}

/* ---- exponentials: x = n ln 2 + r ---- */

#define LN2_HIGH 0x1.62e4p-1 /* 15 bits: times n it is exact without FMA */
#define LN2_LOW  0x1.7f7d1cf79abcap-20

/* n, and in the low nine bits of *bits n + bias. */
static LLVMValueRef power_and_bits(Vm *m, LLVMValueRef x, int bias, LLVMValueRef *bits) {
  LLVMValueRef magic = vm_real(m, 0x1.8p23 + bias); /* its own low nine bits are those of bias */
  LLVMValueRef sum = vm_fma(m, x, vm_real(m, M_LOG2E), magic);
  *bits = vm_bits(m, sum);
  return vm_sub(m, sum, magic);
}

/* The same, and r, at most half of ln 2. */
static LLVMValueRef reduce_exp(Vm *m, LLVMValueRef x, int bias, LLVMValueRef *n,
                               LLVMValueRef *bits) {
  *n = power_and_bits(m, x, bias, bits);
  LLVMValueRef r = vm_fma(m, *n, vm_real(m, -LN2_HIGH), x);
  return vm_fma(m, *n, vm_real(m, -LN2_LOW), r);
}

/* 2^(low nine bits - 127), which are 1 to 254. */
static LLVMValueRef power_of_bits(Vm *m, LLVMValueRef bits) {
  return vm_float(m, LLVMBuildShl(m->b, bits, vm_int(m, 23), ""));
}

/* Lanes first, first + 1, .. of a vector, or of two on end. */
static LLVMValueRef lanes_from(Emission *e, LLVMValueRef a, LLVMValueRef b, int first, int count) {
  LLVMValueRef numbers[64];
  for (int i = 0; i < count; i++) numbers[i] = LLVMConstInt(e->i32, (unsigned)(first + i), false);
  LLVMValueRef mask = LLVMConstVector(numbers, (unsigned)count);
  return LLVMBuildShuffleVector(e->builder, a, b ? b : LLVMGetPoison(LLVMTypeOf(a)), mask, "");
}

/* p * 2^n, rounded once: one instruction of AVX-512, else in two steps that stay normal. The low
 * nine bits of `bits` are n + 254. */
static LLVMValueRef scale(Vm *m, LLVMValueRef p, LLVMValueRef n, LLVMValueRef bits) {
  Emission *e = m->e;
  if (e->target.masks && m->size > 16) {
    LLVMValueRef halves[2];
    int size = m->size / 2;
    for (int i = 0; i < 2; i++) {
      LLVMValueRef half = lanes_from(e, p, NULL, size * i, size);
      Vm narrow = vm_of(e, half);
      halves[i] = scale(&narrow, half, lanes_from(e, n, NULL, size * i, size), NULL);
    }
    return lanes_from(e, halves[0], halves[1], 0, m->size);
  }
  if (e->target.masks && m->size == 16) {
    LLVMValueRef args[] = {p, n, LLVMGetPoison(m->f), LLVMConstAllOnes(e->i16),
                           LLVMConstInt(e->i32, 4, false)};
    return emit_intrinsic(e, "llvm.x86.avx512.mask.scalef.ps.512", NULL, 0, args, 5);
  }
  if (e->target.masks && (m->size == 8 || m->size == 4)) {
    LLVMValueRef args[] = {p, n, LLVMGetPoison(m->f), LLVMConstAllOnes(e->i8)};
    const char *name =
        m->size == 8 ? "llvm.x86.avx512.mask.scalef.ps.256" : "llvm.x86.avx512.mask.scalef.ps.128";
    return emit_intrinsic(e, name, NULL, 0, args, 4);
  }
  LLVMValueRef half = LLVMBuildLShr(m->b, bits, vm_int(m, 1), "");
  LLVMValueRef rest = LLVMBuildSub(m->b, bits, half, "");
  return vm_mul(m, vm_mul(m, p, power_of_bits(m, half)), power_of_bits(m, rest));
}

/* e^r, within 2^-28. */
static LLVMValueRef small_exp(Vm *m, LLVMValueRef r) {
  static const double c[] = {1,
                             1,
                             0.4999999305076761,
                             0.16666514792403925,
                             0.041668456769744512,
                             0.0083694187210981166,
                             0.0013813145475178556};
  return vm_polynomial_by_terms(m, r, c, 7);
}

LLVMValueRef vm_exp(Vm *m, LLVMValueRef x) {
  LLVMValueRef n, bits, r = reduce_exp(m, clamp(m, x, -105, 89), 254, &n, &bits);
  return scale(m, small_exp(m, r), n, bits);
}

/* 2^64 keeps all that is not 0 in the end among the normal numbers. With FMA ln 2 is one number:
 * n times what it is wrong by, |x| 2^-28, is little beside what a difference is rounded by. */
LLVMValueRef vm_exp_raised(Vm *m, LLVMValueRef x) {
  LLVMValueRef least = vm_real(m, -104), n, bits, r;
  x = vm_select(m, vm_compare(m, LLVMRealOGT, least, x), least, x);
  if (m->e->target.fma) {
    n = power_and_bits(m, x, 127 + 64, &bits);
    r = vm_fma(m, n, vm_real(m, -M_LN2), x);
  } else
    r = reduce_exp(m, x, 127 + 64, &n, &bits);
  return vm_mul(m, small_exp(m, r), power_of_bits(m, bits));
}

/* 2^n (e^r - 1) + (2^n - 1), by halves so that 2^128 does not overflow. */
LLVMValueRef vm_expm1(Vm *m, LLVMValueRef x) {
  static const double q[] = {0.50000000563552945,   0.1666666691690925,    0.041666313042895946,
                             0.0083332154135342119, 0.0013944313214756587, 0.00019964591479968008};
  LLVMValueRef n, bits, r = reduce_exp(m, clamp(m, x, -30, 89), 126, &n, &bits); /* 2^-31 */
  LLVMValueRef p = vm_fma(m, vm_mul(m, r, r), vm_polynomial(m, r, q, 6), r);
  LLVMValueRef half = power_of_bits(m, bits);
  LLVMValueRef sum = vm_fma(m, half, p, vm_sub(m, half, vm_real(m, 0.5)));
  LLVMValueRef small = vm_compare(m, LLVMRealOEQ, n, vm_real(m, 0));
  LLVMValueRef result = vm_select(m, small, p, vm_add(m, sum, sum));
  return vm_copysign(m, result, x); /* of -0 */
}

/* `size`, which is not negative, with the sign of x. */
static LLVMValueRef with_sign(Vm *m, LLVMValueRef size, LLVMValueRef x) {
  LLVMValueRef sign = LLVMBuildAnd(m->b, vm_bits(m, x), vm_int(m, INT32_MIN), "");
  return vm_float(m, LLVMBuildOr(m->b, vm_bits(m, size), sign, ""));
}

static LLVMValueRef at_most(Vm *m, LLVMValueRef x, double high) {
  LLVMValueRef most = vm_real(m, high);
  return vm_select(m, vm_compare(m, LLVMRealOLT, most, x), most, x);
}

/* t / (t + 2) with t = e^2|x| - 1 = 2^n (e^2h - 1) + (2^n - 1); beyond 10 that is 1. */
LLVMValueRef vm_tanh(Vm *m, LLVMValueRef x) {
  static const double q[] = {1.9999999252064948, 1.3333234571179613, 0.66667525493424621,
                             0.26773053966044951, 0.088847863568382241}; /* 2^-26 */
  LLVMValueRef size = at_most(m, vm_abs(m, x), 10);
  LLVMValueRef magic = vm_real(m, 0x1.8p23 + 127);
  LLVMValueRef sum = vm_fma(m, size, vm_real(m, 2 * M_LOG2E), magic);
  LLVMValueRef n = vm_sub(m, sum, magic), power = power_of_bits(m, vm_bits(m, sum));
  LLVMValueRef h = vm_fma(m, n, vm_real(m, -M_LN2 / 2), size);
  LLVMValueRef p = vm_fma(m, vm_mul(m, h, h), vm_polynomial(m, h, q, 5), vm_add(m, h, h));
  LLVMValueRef t = vm_fma(m, power, p, vm_sub(m, power, vm_real(m, 1)));
  return with_sign(m, vm_div(m, t, vm_add(m, t, vm_real(m, 2))), x);
}

/* x P(x^2) near 0, else 1 - 2^Q(|x|); beyond 3.95 that is 1. */
LLVMValueRef vm_erf(Vm *m, LLVMValueRef x) {
  static const double near[] = {1.1283791637038052,   -0.37612601402425855,
                                0.11283112916904718,  -0.026820809205539125,
                                0.005085132215081407, -0.00065352345684929946}; /* 2^-28 */
  static const double far[] = {-8.201830530194198e-05, -1.6277514675880955,  -0.9177591146231785,
                               -0.15130460924218284,   0.032745370531443115, -0.0045659653268115722,
                               0.00030108878598815404}; /* 2^-28 of the result */
  static const double power[] = {1.0000000716531225,    0.69314696704030628,
                                 0.24022119722072394,   0.055507132997478364,
                                 0.0096755413747284957, 0.0013276465569093232};
  const double between = 0.8;
  LLVMValueRef size = vm_abs(m, x);
  LLVMValueRef inner = vm_mul(m, x, vm_polynomial_by_terms(m, vm_mul(m, x, x), near, 6));
  LLVMValueRef exponent = vm_polynomial(m, at_most(m, size, 3.95), far, 7);
  LLVMValueRef magic = vm_real(m, 0x1.8p23 + 127), sum = vm_add(m, exponent, magic);
  LLVMValueRef rest = vm_sub(m, exponent, vm_sub(m, sum, magic));
  LLVMValueRef complement =
      vm_mul(m, vm_polynomial(m, rest, power, 6), power_of_bits(m, vm_bits(m, sum)));
  LLVMValueRef outer = with_sign(m, vm_sub(m, vm_real(m, 1), complement), x);
  return vm_select(m, vm_compare(m, LLVMRealOLT, size, vm_real(m, between)), inner, outer);
}

/* ---- f64: the C library, lane by lane ---- */

static LLVMValueRef library(Vm *m, const char *name, LLVMValueRef *args, unsigned count) {
  Emission *e = m->e;
  LLVMTypeRef parameters[] = {e->f64, e->f64};
  LLVMTypeRef type = LLVMFunctionType(e->f64, parameters, count, false);
  LLVMValueRef function = LLVMGetNamedFunction(e->module, name);
  if (!function) function = LLVMAddFunction(e->module, name, type);
  if (m->size == 0) return LLVMBuildCall2(m->b, type, function, args, count, "");
  LLVMValueRef result = LLVMGetPoison(m->f);
  for (int lane = 0; lane < m->size; lane++) {
    LLVMValueRef at = LLVMConstInt(e->i32, (unsigned)lane, false), one[2];
    for (unsigned i = 0; i < count; i++) one[i] = LLVMBuildExtractElement(m->b, args[i], at, "");
    LLVMValueRef value = LLVMBuildCall2(m->b, type, function, one, count, "");
    result = LLVMBuildInsertElement(m->b, result, value, at, "");
  }
  return result;
}

static LLVMValueRef expand(Emission *e, LoopOp op, LLVMValueRef *args) {
  Vm m = vm_of(e, args[0]);
  switch (op) {
  case LOOP_EXP:
    return vm_exp(&m, args[0]);
  case LOOP_EXP_RAISED:
    return vm_exp_raised(&m, args[0]);
  case LOOP_EXPM1:
    return vm_expm1(&m, args[0]);
  case LOOP_LOG:
    return vm_log(&m, args[0]);
  case LOOP_LOG1P:
    return vm_log1p(&m, args[0]);
  case LOOP_TANH:
    return vm_tanh(&m, args[0]);
  case LOOP_ERF:
    return vm_erf(&m, args[0]);
  case LOOP_POW:
    return vm_pow(&m, args[0], args[1]);
  default:
    return vm_sincos(&m, args[0], op == LOOP_COS);
  }
}

static const char *const names[LOOP_OPS] = {
    [LOOP_EXP] = "exp",     [LOOP_EXP_RAISED] = "exp_raised",
    [LOOP_EXPM1] = "expm1", [LOOP_LOG] = "log",
    [LOOP_LOG1P] = "log1p", [LOOP_TANH] = "tanh",
    [LOOP_ERF] = "erf",     [LOOP_SIN] = "sin",
    [LOOP_COS] = "cos",     [LOOP_POW] = "pow"};

/* The function on its own, internal to the module: "dlc_tanh_16", or of several targets
 * "dlc_tanh_16_v4". */
static LLVMValueRef outlined(Emission *e, LoopOp op, const Vm *m, unsigned count,
                             LLVMTypeRef *type) {
  LLVMTypeRef parameters[] = {m->f, m->f};
  *type = LLVMFunctionType(m->f, parameters, count, false);
  const char *name = arena_format(e->arena, "dlc_%s_%d%s", names[op], m->size, e->target.suffix);
  LLVMValueRef function = LLVMGetNamedFunction(e->module, name);
  if (function) return function;
  LLVMValueRef outer = e->function, outer_end = e->entry_end;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
  LLVMMetadataRef place = LLVMGetCurrentDebugLocation2(e->builder);
  LLVMSetCurrentDebugLocation2(e->builder, NULL);
  function = emit_function(e, name, *type, true);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  emit_attribute(e, function, "memory", 0); /* none that a caller sees */
  emit_attribute(e, function, "willreturn", 0);
  e->function = function;
  LLVMBasicBlockRef entry = emit_block(e, "entry"), body = emit_block(e, "body");
  LLVMPositionBuilderAtEnd(e->builder, entry);
  e->entry_end = LLVMBuildBr(e->builder, body);
  LLVMPositionBuilderAtEnd(e->builder, body);
  LLVMValueRef args[] = {LLVMGetParam(function, 0), count > 1 ? LLVMGetParam(function, 1) : NULL};
  LLVMBuildRet(e->builder, expand(e, op, args));
  e->function = outer;
  e->entry_end = outer_end;
  LLVMPositionBuilderAtEnd(e->builder, here);
  LLVMSetCurrentDebugLocation2(e->builder, place);
  return function;
}

/* A kernel's first uses are expanded in place, further ones (rows of a register tile) call: they
 * would be most of the code and of the time that it takes to compile. */
enum { MOST_EXPANDED = 4 };

static LLVMValueRef function_value(Emission *e, LoopOp op, LLVMValueRef *args, unsigned count) {
  Vm m = vm_of(e, args[0]);
  if (!names[op]) bug("loop: operator %d is no function", (int)op);
  if (m.scalar_f == e->f64 && op == LOOP_EXP_RAISED)
    return vm_mul(&m, library(&m, names[LOOP_EXP], args, count), vm_real(&m, 0x1p64));
  if (m.scalar_f == e->f64) return library(&m, names[op], args, count);
  if (m.scalar_f != e->f32) bug("loop: '%s' of integers", names[op]);
  bool calls = e->kernel && e->kernel->calls;
  int most = e->kernel && e->kernel->expansions ? e->kernel->expansions : MOST_EXPANDED;
  if (!calls && e->expanded++ < most) return expand(e, op, args);
  LLVMTypeRef type;
  LLVMValueRef function = outlined(e, op, &m, count, &type);
  return LLVMBuildCall2(e->builder, type, function, args, count, "");
}

LLVMValueRef vecmath_unary(Emission *e, LoopOp op, LLVMValueRef x) {
  return function_value(e, op, &x, 1);
}

bool vecmath_takes_groups(LoopOp op) {
  return op == LOOP_EXP || op == LOOP_EXP_RAISED || op == LOOP_EXPM1 || op == LOOP_TANH ||
         op == LOOP_ERF;
}

/* One vector of their width together, whose operations LLVM cuts again, each beside its like. */
void vecmath_group(Emission *e, LoopOp op, const LLVMValueRef *x, int count,
                   LLVMValueRef *results) {
  int size = (int)LLVMGetVectorSize(LLVMTypeOf(x[0]));
  LLVMValueRef wide[VECMATH_GROUP];
  for (int i = 0; i < count; i++) wide[i] = x[i];
  for (int n = count / 2, lanes = size; n > 0; n /= 2, lanes *= 2)
    for (int i = 0; i < n; i++) wide[i] = lanes_from(e, wide[2 * i], wide[2 * i + 1], 0, 2 * lanes);
  LLVMValueRef all = function_value(e, op, wide, 1);
  for (int i = 0; i < count; i++) results[i] = lanes_from(e, all, NULL, i * size, size);
}

LLVMValueRef vecmath_pow(Emission *e, LLVMValueRef x, LLVMValueRef y) {
  return function_value(e, LOOP_POW, (LLVMValueRef[]){x, y}, 2);
}

LLVMValueRef vecmath_mod(Emission *e, LLVMValueRef x, LLVMValueRef y) {
  Vm m = vm_of(e, x);
  LLVMValueRef quotient = vm_div(&m, x, y);
  LLVMValueRef whole = emit_intrinsic_of(e, "llvm.floor", &quotient, 1);
  return vm_fma(&m, LLVMBuildFNeg(m.b, whole, ""), y, x);
}
