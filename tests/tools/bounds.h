/* bounds.h - how far results of a function in machine arithmetic may lie from the exact ones: a
 * running error analysis.
 *
 * The function is interpreted in double, each value with a bound on its error. Local errors are
 *
 *   a sum of k products     gamma(k + 8) * sum of |a| * |b|, gamma(n) = n * u / (1 - n * u),
 *                           8 for what is folded into weights and the epilogue
 *   a sum of n numbers      gamma(n) * sum of |x|
 *   Winograd's algorithm    gamma(n) * what bounds_winograd.h says; of a convolution the larger
 * one, if it may be computed so elementwise             4 u |y|: functions of vecmath.h are good to
 * 2 ulp and more softmax, attention      see bounds.c
 *
 * with u of the result's element: 2^-24, of f16 2^-11, of bf16 2^-8. Errors of operands go through
 * products as sum of |a| * eb + ea * |b| + ea * eb, through sums as their sum, and through all else
 * as the change of the result when an operand moves by its bound up or down (first order: changes
 * of several operands add up). What scans make gets a simpler bound, of the length of the chain.
 */
#ifndef TESTS_BOUNDS_H
#define TESTS_BOUNDS_H

#include "ir/interpret.h"

/* A value in double and the bound on its error; of integers `error` is NULL. */
typedef struct {
  RunTensor value;
  double *error;
} Bounded;

/* Is anything in what was selected done by Winograd's algorithm, gradients for weights too? */
bool bounds_winograd(const Block *block);

/* Bounds of the function's results, and by the module's order of the tensors that it writes
 * (value.bytes NULL: it is not written). `options` is as interpret takes it, in f32; `winograd`:
 * convolutions may be by Winograd's algorithm. */
bool bounds_find(const Function *function, const InterpretOptions *options, bool winograd,
                 const RunTensor *inputs, Bounded *results, Bounded *tensors, const char **message);

/* By how much of what is allowed a result of machine code is off, at its worst; `where` that is. */
double bounds_excess(const Bounded *want, const RunTensor *got, int64_t *where);

#endif
