/* dim.h - sizes known while compiling: numbers, or expressions of bounded symbols.
 *
 * A Dim is immutable and interned in one normal form (sums of products of symbols and of floors of
 * divisions by a constant; terms sorted; floor((k*e + r)/k) = e + floor(r/k), floor(floor(e/a)/b) =
 * floor(e/(a*b))), so two dims of one table are equal exactly if their pointers are.
 *
 * All arithmetic is checked: a result whose constants leave 64 bits, or that has more terms than
 * DIM_MOST_TERMS, is NULL.
 */
#ifndef IR_DIM_H
#define IR_DIM_H

#include "support/text.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct DimTable DimTable;
typedef struct Dim Dim;

/* `dim N <= 64` (a size, at least 1), `dim N = 8` (fixed: min == max), `pos: dim in 0..1024` (an
 * index; its bounds here are inclusive). Compared by pointer. */
typedef struct Symbol {
  const char *name;
  int64_t min, max;
  bool is_index;
  int number; /* counts from 0 in the table: the slot in arrays of values */
} Symbol;

enum { DIM_MOST_TERMS = 256 };

DimTable *dim_table_new(Arena *arena);
Symbol *dim_symbol_new(DimTable *table, const char *name, int64_t min, int64_t max, bool is_index);
Symbol *dim_symbol_find(DimTable *table, const char *name); /* NULL if there is none */
int dim_symbol_count(const DimTable *table);
Symbol *dim_symbol_at(const DimTable *table, int number);

const Dim *dim_constant(DimTable *table, int64_t value);
const Dim *dim_of_symbol(DimTable *table, const Symbol *symbol);
const Dim *dim_add(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_sub(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_mul(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_floor(DimTable *table, const Dim *a, int64_t divisor); /* divisor > 0 */
const Dim *dim_mod(DimTable *table, const Dim *a, int64_t divisor);   /* a - divisor * floor */
/* a / b for the -1 of a reshape: NULL if it does not come out even for all values. */
const Dim *dim_quotient(DimTable *table, const Dim *a, const Dim *b);

bool dim_is_constant(const Dim *dim);
bool dim_is(const Dim *dim, int64_t value);
int64_t dim_value(const Dim *dim); /* of a constant; bug() otherwise */

/* Bounds that hold for all values of the symbols within theirs; saturated at 64 bits. */
int64_t dim_min(const Dim *dim);
int64_t dim_max(const Dim *dim);

typedef enum { NEVER, ALWAYS, SOMETIMES } Truth;
Truth dim_equal(DimTable *table, const Dim *a, const Dim *b);
Truth dim_less(DimTable *table, const Dim *a, const Dim *b);          /* a < b */
Truth dim_less_or_equal(DimTable *table, const Dim *a, const Dim *b); /* a <= b */

/* The value at `values[symbol->number]`; false on overflow. */
bool dim_evaluate(const Dim *dim, const int64_t *values, int64_t *result);
/* Every symbol for which `by[number]` is not NULL replaced by it. */
const Dim *dim_substitute(DimTable *table, const Dim *dim, const Dim *const *by);
bool dim_uses(const Dim *dim, const Symbol *symbol);

/* Structure, for code generators: a sum of `count` terms, coefficient * product of factors; no
 * factor for the constant term. A factor is a symbol, or the floor of `inner` by `divisor`. */
typedef struct {
  const Symbol *symbol; /* NULL: a floor */
  const Dim *inner;
  int64_t divisor;
} DimFactor;
typedef struct {
  int64_t coefficient;
  const DimFactor *factors;
  int factor_count;
} DimTerm;
int dim_terms(const Dim *dim, const DimTerm **terms);

void dim_print(Text *text, const Dim *dim); /* "2*N + (H - 1)/2 + 1" */

#endif
