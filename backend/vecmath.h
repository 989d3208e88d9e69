/* vecmath.h - elementary functions as LLVM IR on scalars and vectors, of f32 and f64.
 *
 * Each is a straight line of IR, in place or (what a kernel uses often) in a function of the
 * module, written once for every width and CPU level; without FMA multiply and add are apart. Of
 * f32, errors are at most 4 ulp over all floats (tests/unit/vecmath.c measures; mostly below 2; of
 * EXP_RAISED up to 6 below -60), infinities, NaN and subnormals included; signs of zero are kept.
 * Of f64, lanes are given one by one to the C library (`exp` ..), whose errors are below 1 ulp
 * (glibc).
 */
#ifndef BACKEND_VECMATH_H
#define BACKEND_VECMATH_H

#include "backend/emission.h"

/* EXP, EXP_RAISED, EXPM1, LOG, LOG1P, TANH, ERF, SIN, COS. */
LLVMValueRef vecmath_unary(Emission *e, LoopOp op, LLVMValueRef x);
enum { VECMATH_GROUP = 4 }; /* at most */
/* Whether several vectors of f32 are better done together, and that, of 2 or 4; the numbers are the
 * same. */
bool vecmath_takes_groups(LoopOp op);
void vecmath_group(Emission *e, LoopOp op, const LLVMValueRef *x, int count, LLVMValueRef *results);
LLVMValueRef vecmath_pow(Emission *e, LLVMValueRef x, LLVMValueRef y);
/* x - floor(x / y) * y with the divisor's sign; x % 0 is NaN, as of floats. */
LLVMValueRef vecmath_mod(Emission *e, LLVMValueRef x, LLVMValueRef y);

/* ---- for the files of vecmath ---- */

typedef struct {
  Emission *e;
  LLVMBuilderRef b;
  int size;         /* lanes; 0: a scalar */
  LLVMTypeRef f, i; /* f32 or f64 of this size, and integers as wide */
  LLVMTypeRef scalar_f, scalar_i;
} Vm;

Vm vm_of(Emission *e, LLVMValueRef like);
LLVMValueRef vm_real(Vm *m, double value);
LLVMValueRef vm_int(Vm *m, int64_t value);
LLVMValueRef vm_add(Vm *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vm_sub(Vm *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vm_mul(Vm *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vm_div(Vm *m, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vm_fma(Vm *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
LLVMValueRef vm_select(Vm *m, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vm_compare(Vm *m, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vm_abs(Vm *m, LLVMValueRef a);
LLVMValueRef vm_copysign(Vm *m, LLVMValueRef size, LLVMValueRef sign);
LLVMValueRef vm_bits(Vm *m, LLVMValueRef a);  /* float to integer of the same bits */
LLVMValueRef vm_float(Vm *m, LLVMValueRef a); /* and back */
/* c[0] + c[1] x + .. + c[n-1] x^(n-1): in a short chain, or in one that rounds less. */
LLVMValueRef vm_polynomial_by_terms(Vm *m, LLVMValueRef x, const double *c, int n);
LLVMValueRef vm_polynomial(Vm *m, LLVMValueRef x, const double *c, int n);
/* The nearest integer, as a float and as an integer; |x| < 2^22 (f32), 2^51 (f64). */
LLVMValueRef vm_nearest(Vm *m, LLVMValueRef x, LLVMValueRef *integer);
/* 2^n of integers within the exponent's range. */
LLVMValueRef vm_power_of_two(Vm *m, LLVMValueRef n);

LLVMValueRef vm_exp(Vm *m, LLVMValueRef x);
LLVMValueRef vm_exp_raised(Vm *m, LLVMValueRef x);
LLVMValueRef vm_expm1(Vm *m, LLVMValueRef x);
LLVMValueRef vm_log(Vm *m, LLVMValueRef x);
LLVMValueRef vm_log1p(Vm *m, LLVMValueRef x);
LLVMValueRef vm_tanh(Vm *m, LLVMValueRef x);
LLVMValueRef vm_erf(Vm *m, LLVMValueRef x);
LLVMValueRef vm_sincos(Vm *m, LLVMValueRef x, bool cosine);
LLVMValueRef vm_pow(Vm *m, LLVMValueRef x, LLVMValueRef y);

#endif
