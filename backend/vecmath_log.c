/* vecmath_log.c - logarithms, and powers by way of them. */
#include "backend/vecmath.h"

#include <math.h>

#define LN2_HIGH 0x1.62e4p-1
#define LN2_LOW  0x1.7f7d1cf79abcap-20

/* log of a positive finite u, plus a small `rest` (NULL: none). With u = 2^n (1 + f), 1 + f between
 * sqrt(1/2) and sqrt(2): n ln 2 + f - f^2 / 2 + f^3 P(f). */
static LLVMValueRef log_of(Vm *m, LLVMValueRef u, LLVMValueRef rest) {
  static const double p[] = {0.3333331260562706,   -0.25000009603901833, 0.20002118575438258,
                             -0.16667995587564251, 0.14219553707032162,  -0.12405594137462611,
                             0.1188815789086967,   -0.11675619503557366, 0.067466107595964312};
  const int64_t root_half = 0x3f3504f3; /* 2^-30 */
  LLVMValueRef tiny = vm_compare(m, LLVMRealOLT, u, vm_real(m, 0x1p-126));
  u = vm_select(m, tiny, vm_mul(m, u, vm_real(m, 0x1p23)), u);
  LLVMValueRef bits = vm_bits(m, u);
  LLVMValueRef n = LLVMBuildSub(m->b, bits, vm_int(m, root_half), "");
  n = LLVMBuildAShr(m->b, n, vm_int(m, 23), "");
  LLVMValueRef shift = LLVMBuildShl(m->b, n, vm_int(m, 23), "");
  LLVMValueRef f = vm_float(m, LLVMBuildSub(m->b, bits, shift, ""));
  f = vm_sub(m, f, vm_real(m, 1));
  n = LLVMBuildSub(m->b, n, vm_select(m, tiny, vm_int(m, 23), vm_int(m, 0)), "");
  n = LLVMBuildSIToFP(m->b, n, m->f, "");
  LLVMValueRef square = vm_mul(m, f, f);
  LLVMValueRef y = vm_mul(m, vm_mul(m, f, square), vm_polynomial(m, f, p, 9));
  y = vm_fma(m, n, vm_real(m, LN2_LOW), y);
  if (rest) y = vm_add(m, y, rest);
  y = vm_fma(m, square, vm_real(m, -0.5), y);
  return vm_fma(m, n, vm_real(m, LN2_HIGH), vm_add(m, f, y));
}

/* The ends: log 0 = -inf, of inf and NaN itself, of a negative number NaN. */
static LLVMValueRef log_ends(Vm *m, LLVMValueRef u, LLVMValueRef result) {
  LLVMValueRef zero = vm_real(m, 0), infinite = vm_real(m, INFINITY);
  result = vm_select(m, vm_compare(m, LLVMRealOLT, u, infinite), result, u);
  result = vm_select(m, vm_compare(m, LLVMRealOLT, u, zero), vm_real(m, NAN), result);
  return vm_select(m, vm_compare(m, LLVMRealOEQ, u, zero), vm_real(m, -INFINITY), result);
}

LLVMValueRef vm_log(Vm *m, LLVMValueRef x) {
  return log_ends(m, x, log_of(m, x, NULL));
}

/* log(u) + c / u, where u + c = 1 + x and u is 1 + x rounded. */
LLVMValueRef vm_log1p(Vm *m, LLVMValueRef x) {
  LLVMValueRef one = vm_real(m, 1), u = vm_add(m, x, one);
  LLVMValueRef lost = vm_sub(m, x, vm_sub(m, u, one));
  LLVMValueRef rest = vm_div(m, lost, u);
  LLVMValueRef large = vm_compare(m, LLVMRealOGE, x, vm_real(m, 0x1p24));
  rest = vm_select(m, large, vm_real(m, 0), rest);
  LLVMValueRef result = log_ends(m, u, log_of(m, u, rest));
  LLVMValueRef small = vm_compare(m, LLVMRealOLT, vm_abs(m, x), vm_real(m, 0x1p-25));
  return vm_select(m, small, x, result);
}

/* ---- powers, in f64: the exponent y log2 x needs the bits ---- */

/* log2 of a normal positive double: n + s P(s^2), s = (m - 1) / (m + 1). */
static LLVMValueRef log2_wide(Vm *d, LLVMValueRef x) {
  static const double p[] = {2.8853900817778491,  0.96179669411521792, 0.57707794177137816,
                             0.41220931680002191, 0.31990288659243132, 0.28294254283325205};
  Emission *e = d->e; /* 2^-45 */
  LLVMValueRef bits = vm_bits(d, x);
  LLVMValueRef n = LLVMBuildSub(d->b, bits, vm_int(d, 0x3fe6a09e667f3bcd), "");
  LLVMValueRef high = LLVMBuildLShr(d->b, n, vm_int(d, 32), ""); /* no 64-bit sign shift in AVX2 */
  LLVMTypeRef i32 = vector_type(e, e->i32, d->size);
  high = LLVMBuildTrunc(d->b, high, i32, "");
  high = LLVMBuildAShr(d->b, high, emit_splat(e, LLVMConstInt(e->i32, 20, false), d->size), "");
  LLVMValueRef shift = LLVMBuildShl(d->b, LLVMBuildSExt(d->b, high, d->i, ""), vm_int(d, 52), "");
  LLVMValueRef mantissa = vm_float(d, LLVMBuildSub(d->b, bits, shift, ""));
  LLVMValueRef s =
      vm_div(d, vm_sub(d, mantissa, vm_real(d, 1)), vm_add(d, mantissa, vm_real(d, 1)));
  LLVMValueRef sum = vm_polynomial(d, vm_mul(d, s, s), p, 6);
  return vm_fma(d, s, sum, LLVMBuildSIToFP(d->b, high, d->f, ""));
}

static LLVMValueRef exp2_wide(Vm *d, LLVMValueRef x) {
  static const double p[] = {0.99999999999975763,    0.69314718054630005,   0.24022650698927628,
                             0.055504109402127306,   0.0096181285361322038, 0.0013333451217136153,
                             0.00015403854291475295, 1.5309964384057653e-5, 1.3175704431741547e-6};
  LLVMValueRef low = vm_real(d, -160), top = vm_real(d, 130), integer; /* 2^-40 */
  x = vm_select(d, vm_compare(d, LLVMRealOGT, low, x), low, x);
  x = vm_select(d, vm_compare(d, LLVMRealOLT, top, x), top, x);
  LLVMValueRef n = vm_nearest(d, x, &integer);
  LLVMValueRef value = vm_polynomial(d, vm_sub(d, x, n), p, 9);
  return vm_mul(d, value, vm_power_of_two(d, integer));
}

/* |x|^y, then C's rules for signs and ends (ISO C, F.10.4.4). */
LLVMValueRef vm_pow(Vm *m, LLVMValueRef x, LLVMValueRef y) {
  Emission *e = m->e;
  LLVMTypeRef wide = vector_type(e, e->f64, m->size);
  LLVMValueRef zero = vm_real(m, 0), one = vm_real(m, 1), infinite = vm_real(m, INFINITY);
  LLVMValueRef size = vm_abs(m, x);
  LLVMValueRef base = LLVMBuildFPExt(m->b, size, wide, "");
  Vm d = vm_of(e, base);
  LLVMValueRef log = log2_wide(&d, base);
  log = vm_select(m, vm_compare(m, LLVMRealOEQ, size, zero), vm_real(&d, -INFINITY), log);
  log = vm_select(m, vm_compare(m, LLVMRealOEQ, size, infinite), vm_real(&d, INFINITY), log);
  LLVMValueRef nan = vm_compare(m, LLVMRealUNO, x, y);
  LLVMValueRef power = exp2_wide(&d, vm_mul(&d, log, LLVMBuildFPExt(m->b, y, wide, "")));
  power = LLVMBuildFPTrunc(m->b, power, m->f, "");

  LLVMValueRef whole = emit_intrinsic_of(e, "llvm.trunc", &y, 1);
  LLVMValueRef half = vm_mul(m, y, vm_real(m, 0.5));
  LLVMValueRef even = emit_intrinsic_of(e, "llvm.trunc", &half, 1);
  LLVMValueRef is_whole = vm_compare(m, LLVMRealOEQ, whole, y);
  LLVMValueRef is_odd = LLVMBuildAnd(m->b, is_whole, vm_compare(m, LLVMRealONE, even, half), "");
  LLVMValueRef signed_power = vm_copysign(m, power, x);
  power = vm_select(m, is_odd, signed_power, power);
  LLVMValueRef below = vm_compare(m, LLVMRealOLT, x, zero);
  LLVMValueRef finite = vm_compare(m, LLVMRealOLT, size, infinite);
  LLVMValueRef wrong = LLVMBuildAnd(m->b, LLVMBuildAnd(m->b, below, finite, ""),
                                    LLVMBuildNot(m->b, is_whole, ""), "");
  power = vm_select(m, LLVMBuildOr(m->b, wrong, nan, ""), vm_real(m, NAN), power);
  LLVMValueRef is_unit = vm_compare(m, LLVMRealOEQ, size, one);
  LLVMValueRef endless = vm_compare(m, LLVMRealOEQ, vm_abs(m, y), infinite);
  LLVMValueRef ones = LLVMBuildOr(m->b, vm_compare(m, LLVMRealOEQ, y, zero),
                                  vm_compare(m, LLVMRealOEQ, x, one), "");
  ones = LLVMBuildOr(m->b, ones, LLVMBuildAnd(m->b, is_unit, endless, ""), "");
  return vm_select(m, ones, one, power);
}
