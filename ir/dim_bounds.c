/* Bounds of dims, and what follows from them. */
#include "ir/dim_form.h"

#include <string.h>

/* A bound has 64 bits, whose extremes stand for infinity. */
static bool is_infinite(int64_t v) {
  return v == INT64_MAX || v == INT64_MIN;
}

static int64_t multiply(int64_t a, int64_t b) {
  int64_t product;
  if (a == 0 || b == 0) return 0;
  if (!is_infinite(a) && !is_infinite(b) && !__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

/* `outside` where the sum is infinite or leaves 64 bits. */
static int64_t add(int64_t a, int64_t b, int64_t outside) {
  int64_t sum;
  if (is_infinite(a) || is_infinite(b) || __builtin_add_overflow(a, b, &sum)) return outside;
  return sum;
}

typedef struct {
  int64_t min, max;
} Range;

static Range multiply_ranges(Range a, Range b) {
  int64_t ends[] = {multiply(a.min, b.min), multiply(a.min, b.max), multiply(a.max, b.min),
                    multiply(a.max, b.max)};
  Range range = {ends[0], ends[0]};
  for (int i = 1; i < 4; i++) {
    if (ends[i] < range.min) range.min = ends[i];
    if (ends[i] > range.max) range.max = ends[i];
  }
  return range;
}

static int64_t divide(int64_t a, int64_t divisor) {
  return is_infinite(a) ? a : floor_divide(a, divisor);
}

static Range factor_range(const DimFactor *factor) {
  if (factor->symbol) return (Range){factor->symbol->min, factor->symbol->max};
  return (Range){divide(dim_min(factor->inner), factor->divisor),
                 divide(dim_max(factor->inner), factor->divisor)};
}

/* Each term for itself: exact only if no symbol stands in two of them. */
static Range sum_range(const Dim *dim) {
  Range sum = {0, 0};
  for (int i = 0; i < dim->term_count; i++) {
    Range term = {dim->terms[i].coefficient, dim->terms[i].coefficient};
    for (int j = 0; j < dim->terms[i].factor_count; j++)
      term = multiply_ranges(term, factor_range(&dim->terms[i].factors[j]));
    sum.min = add(sum.min, term.min, INT64_MIN);
    sum.max = add(sum.max, term.max, INT64_MAX);
  }
  return sum;
}

static const DimTerm *first_floor(const Dim *dim) {
  for (int i = 0; i < dim->term_count; i++)
    if (dim->terms[i].factor_count == 1 && !dim->terms[i].factors[0].symbol) return &dim->terms[i];
  return NULL;
}

/* divisor * dim, with c*floor(e/divisor) replaced by what it is at most (or least) without
 * rounding: so that N - N/2 is seen to be at least N/2. NULL where that overflows. */
static const Dim *without_floor(const Dim *dim, const DimTerm *floor, bool at_most) {
  DimTable *table = dim->table;
  const DimFactor *factor = &floor->factors[0];
  const Dim *by = dim_constant(table, factor->divisor);
  const Dim *c = dim_constant(table, floor->coefficient);
  const Dim *whole = dim_mul(table, dim, by);
  /* whole - c*divisor*floor(e/divisor) + c*e, shifted for the side that rounding pulls away from */
  const Dim *one = dim_floor(table, factor->inner, factor->divisor);
  whole = dim_sub(table, whole, dim_mul(table, dim_mul(table, c, by), one));
  whole = dim_add(table, whole, dim_mul(table, c, factor->inner));
  if (at_most ? floor->coefficient < 0 : floor->coefficient > 0)
    whole = dim_sub(table, whole, dim_mul(table, c, dim_constant(table, factor->divisor - 1)));
  return whole;
}

/* The bounds are a function of the dim: keeping them in it changes nothing. */
int64_t dim_min(const Dim *dim) {
  if (dim->has_min) return dim->min;
  int64_t min = sum_range(dim).min;
  const DimTerm *floor = dim->term_count > 1 ? first_floor(dim) : NULL;
  const Dim *scaled = floor ? without_floor(dim, floor, false) : NULL;
  if (scaled && !is_infinite(dim_min(scaled))) {
    int64_t tighter = -floor_divide(-dim_min(scaled), floor->factors[0].divisor);
    if (tighter > min) min = tighter;
  }
  ((Dim *)dim)->has_min = true;
  return ((Dim *)dim)->min = min;
}

int64_t dim_max(const Dim *dim) {
  if (dim->has_max) return dim->max;
  int64_t max = sum_range(dim).max;
  const DimTerm *floor = dim->term_count > 1 ? first_floor(dim) : NULL;
  const Dim *scaled = floor ? without_floor(dim, floor, true) : NULL;
  if (scaled && !is_infinite(dim_max(scaled))) {
    int64_t tighter = floor_divide(dim_max(scaled), floor->factors[0].divisor);
    if (tighter < max) max = tighter;
  }
  ((Dim *)dim)->has_max = true;
  return ((Dim *)dim)->max = max;
}

/* 2*N + 1 is never 0: the coefficients' common divisor does not divide the constant. */
static bool never_zero(const Dim *dim) {
  int64_t common = 0, constant = 0;
  for (int i = 0; i < dim->term_count; i++) {
    int64_t c = dim->terms[i].coefficient;
    if (c == INT64_MIN) return false;
    if (dim->terms[i].factor_count == 0) {
      constant = c;
      continue;
    }
    for (int64_t a = c < 0 ? -c : c; a != 0;) {
      int64_t rest = common % a;
      common = a;
      a = rest;
    }
  }
  return common > 1 && constant % common != 0;
}

Truth dim_equal(DimTable *table, const Dim *a, const Dim *b) {
  if (a == b) return ALWAYS;
  const Dim *difference = dim_sub(table, a, b);
  if (!difference) return SOMETIMES;
  if (dim_min(difference) > 0 || dim_max(difference) < 0 || never_zero(difference)) return NEVER;
  return dim_min(difference) == 0 && dim_max(difference) == 0 ? ALWAYS : SOMETIMES;
}

Truth dim_less(DimTable *table, const Dim *a, const Dim *b) {
  const Dim *difference = dim_sub(table, b, a);
  if (!difference) return SOMETIMES;
  return dim_min(difference) > 0 ? ALWAYS : dim_max(difference) <= 0 ? NEVER : SOMETIMES;
}

Truth dim_less_or_equal(DimTable *table, const Dim *a, const Dim *b) {
  Truth greater = dim_less(table, b, a);
  return greater == ALWAYS ? NEVER : greater == NEVER ? ALWAYS : SOMETIMES;
}

/* ---- printing ---- */

static void print_sum(Text *text, const Dim *dim);

static void print_factor(Text *text, const DimFactor *factor, bool alone) {
  if (factor->symbol) {
    text_string(text, factor->symbol->name);
    return;
  }
  const Dim *inner = factor->inner;
  bool bare = inner->term_count == 1 && inner->terms[0].coefficient == 1 &&
              inner->terms[0].factor_count == 1 && inner->terms[0].factors[0].symbol;
  if (!alone) text_char(text, '(');
  if (!bare) text_char(text, '(');
  print_sum(text, inner);
  if (!bare) text_char(text, ')');
  text_format(text, "/%lld", (long long)factor->divisor);
  if (!alone) text_char(text, ')');
}

static void print_term(Text *text, const DimTerm *term) { /* without its sign */
  uint64_t c = term->coefficient < 0 ? -(uint64_t)term->coefficient : (uint64_t)term->coefficient;
  if (c != 1 || !term->factor_count) text_format(text, "%llu", (unsigned long long)c);
  for (int i = 0; i < term->factor_count; i++) {
    if (i > 0 || c != 1) text_char(text, '*');
    print_factor(text, &term->factors[i], term->factor_count == 1 && c == 1);
  }
}

static void print_sum(Text *text, const Dim *dim) {
  if (dim->term_count == 0) text_char(text, '0');
  int first = 0; /* a positive term, if there is one: 64 - N */
  while (first < dim->term_count && dim->terms[first].coefficient < 0) first++;
  if (first == dim->term_count) first = 0;
  for (int n = 0; n < dim->term_count; n++) {
    int i = n == 0 ? first : n <= first ? n - 1 : n;
    bool negative = dim->terms[i].coefficient < 0;
    if (n == 0 && negative) text_char(text, '-');
    if (n > 0) text_string(text, negative ? " - " : " + ");
    print_term(text, &dim->terms[i]);
  }
}

void dim_print(Text *text, const Dim *dim) {
  print_sum(text, dim);
}
