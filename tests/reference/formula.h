/* formula.h - weights and inputs by formula: the same numbers, bit for bit, as formula.py.
 *
 * formula.py says what the numbers are. Use: formula_scale once a tensor, then formula_parameter
 * for each element; formula_symmetric, formula_integer and formula_bool for inputs.
 */
#ifndef TESTS_REFERENCE_FORMULA_H
#define TESTS_REFERENCE_FORMULA_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One `gain=` or `unit=` of a case; the prefix may be empty. */
typedef struct {
  const char *prefix;
  bool unit;
  double number;
} FormulaScale;

typedef struct {
  uint64_t hash;
  double offset, scale;
} Formula;

static inline uint64_t formula_hash(const char *prefix, const char *name) {
  uint64_t h = 0xCBF29CE484222325u;
  for (; *prefix; prefix++) h = (h ^ (unsigned char)*prefix) * 0x100000001B3u;
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001B3u;
  return h;
}

/* splitmix64's output number i + 1 from the state `hash`. */
static inline uint64_t formula_bits(uint64_t hash, uint64_t i) {
  uint64_t z = hash + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* In [-1, 1), a multiple of 2^-23. */
static inline double formula_symmetric(uint64_t hash, uint64_t i) {
  return (double)(formula_bits(hash, i) >> 40) * 0x1p-23 - 1.0;
}

static inline bool formula_ends(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static inline Formula formula_parameter_of(const char *name, const int64_t *shape, int rank,
                                           const FormulaScale *scales, size_t scale_count) {
  Formula f = {formula_hash("", name), 0.0, (float)0.1};
  const char *dot = strrchr(name, '.');
  const char *last = dot ? dot + 1 : name;
  if (strcmp(last, "running_var") == 0) {
    f.offset = 1.0;
    f.scale = 0.5;
  } else if (strcmp(last, "running_mean") == 0 || formula_ends(last, "bias")) {
    f.offset = 0.0;
  } else if (rank < 2) {
    if (strcmp(last, "weight") == 0) {
      f.offset = 1.0;
      f.scale = 0.25;
    }
  } else {
    bool unit = false;
    double number = 1.0, fan = 1.0;
    for (int i = 1; i < rank; i++) fan *= (double)shape[i];
    for (size_t i = 0; i < scale_count; i++)
      if (strncmp(name, scales[i].prefix, strlen(scales[i].prefix)) == 0) {
        unit = scales[i].unit;
        number = scales[i].number;
      }
    f.scale = (float)sqrt(3.0 * number / (unit ? 1.0 : fan)); /* a float: see formula.py */
  }
  return f;
}

static inline float formula_parameter(const Formula *f, uint64_t i) {
  return (float)(f->offset + f->scale * formula_symmetric(f->hash, i));
}

/* Inputs: `hash` is formula_hash("input ", name). */
static inline int64_t formula_integer(uint64_t hash, uint64_t i, int64_t low, int64_t end) {
  return low + (int64_t)(((formula_bits(hash, i) >> 32) * (uint64_t)(end - low)) >> 32);
}

static inline bool formula_bool(uint64_t hash, uint64_t i) {
  return (formula_bits(hash, i) >> 32) >= (UINT64_C(1) << 30);
}

#endif
