/* whole_checks.h - under the sanitizers, memory that a loop goes through is looked at whole before
 * the loop, not number by number: what lies outside is found as ever, and the loop is as fast as
 * without them.
 *
 *   CHECKED_WHOLE static void add(const double *x, int64_t count, double *y) { .. }
 *   ..
 *   look_at(x, count * sizeof *x), look_at(y, count * sizeof *y), add(x, count, y);
 *
 * For the interpreter's loops alone, in which tests spend their time. */
#ifndef IR_WHOLE_CHECKS_H
#define IR_WHOLE_CHECKS_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESSES_ARE_CHECKED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESSES_ARE_CHECKED
#endif
#endif

#define CHECKED_WHOLE __attribute__((no_sanitize("address", "undefined")))

#ifdef ADDRESSES_ARE_CHECKED
#include <sanitizer/asan_interface.h>

/* Touches the first byte that may not be touched, of which the sanitizer tells then. */
static inline void look_at(const void *memory, size_t bytes) {
  const volatile char *wrong = __asan_region_is_poisoned((void *)memory, bytes);
  if (wrong) (void)*wrong;
}
#else
static inline void look_at(const void *memory, size_t bytes) {
  (void)memory, (void)bytes;
}
#endif

#endif
