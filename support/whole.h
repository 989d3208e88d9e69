/* whole.h - arithmetic of whole numbers: sizes, counts and steps.
 *
 *   ceil_of(10, 4)           3: parts of at most 4 that 10 are cut into
 *   common_divisor(12, 18)   6
 */
#ifndef SUPPORT_WHOLE_H
#define SUPPORT_WHOLE_H

#include <stdint.h>

/* a / by, rounded up, of an `a` of at least 0. */
static inline int64_t ceil_of(int64_t a, int64_t by) {
  return (a + by - 1) / by;
}

/* The greatest one; `a` if `b` is 0. */
static inline int64_t common_divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b, b = rest;
  }
  return a;
}

static inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

#endif
