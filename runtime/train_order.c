/* Fisher and Yates' shuffle, fed by a generator that begins at a mix of seed and pass (splitmix64:
 * Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
#include "runtime/train.h"

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

/* Below `bound`, each number as likely as the others. */
static uint64_t below(uint64_t *state, uint64_t bound) {
  uint64_t limit = UINT64_MAX - UINT64_MAX % bound, number;
  do number = mix(*state += 0x9e3779b97f4a7c15);
  while (number >= limit);
  return number % bound;
}

void dlrt_shuffle(uint64_t seed, int64_t pass, int64_t *items, int64_t count) {
  uint64_t state = mix(mix(seed + 0x9e3779b97f4a7c15) + (uint64_t)pass);
  for (int64_t i = count - 1; i > 0; i--) {
    int64_t k = (int64_t)below(&state, (uint64_t)i + 1), item = items[i];
    items[i] = items[k];
    items[k] = item;
  }
}
