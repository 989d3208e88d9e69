/* random.h - the bits of the operator `random`: Philox 4x32-10 (Salmon et al., 2011), the same on
 * every target.
 *
 * A stream belongs to one operation in one call:
 *   (r0, r1, r2, r3) = philox(key = seed, counter = (site, call))
 *   for each scan around the operation, outermost first, with its trip t from 0:
 *     (r0, r1, r2, r3) = philox(key = (r0, r1), counter = (t, r2, r3))
 * and element i (row-major, at the actual dims) is word i % 4 of
 *   philox(key = (r0, r1), counter = (i / 4, r2, r3)).
 * 64-bit numbers fill two words, the low one first. The number is the word's upper 24 bits (f16:
 * 11, bf16: 8, so that rounding never gives 1) as a fraction.
 */
#ifndef IR_RANDOM_H
#define IR_RANDOM_H

#include "ir/type.h"

typedef struct {
  uint32_t word[4];
} RandomStream;

RandomStream random_stream(uint64_t seed, uint64_t call, uint64_t site, const int64_t *trips,
                           int trip_count);
uint32_t random_bits(const RandomStream *stream, uint64_t element);
/* In [0, 1), exact in the element type. */
double random_number(Element element, uint32_t bits);

void philox(const uint32_t key[2], const uint32_t counter[4], uint32_t result[4]);

#endif
