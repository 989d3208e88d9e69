#include "ir/dim.h"

#include "ir/dim_form.h"
#include "support/bug.h"
#include "support/whole.h"

#include <string.h>

DimTable *dim_table_new(Arena *arena) {
  DimTable *table = ARENA_NEW(arena, DimTable);
  table->arena = arena;
  table->slot_count = 256;
  table->slots = ARENA_ARRAY(arena, table->slot_count, const Dim *);
  return table;
}

Symbol *dim_symbol_new(DimTable *table, const char *name, int64_t min, int64_t max, bool is_index) {
  Symbol *symbol = ARENA_NEW(table->arena, Symbol);
  *symbol = (Symbol){name, min, max, is_index, (int)table->symbols.count};
  vec_push(table->arena, &table->symbols, symbol);
  return symbol;
}

Symbol *dim_symbol_find(DimTable *table, const char *name) {
  for (size_t i = table->symbols.count; i > 0; i--)
    if (strcmp(table->symbols.items[i - 1]->name, name) == 0) return table->symbols.items[i - 1];
  return NULL;
}

int dim_symbol_count(const DimTable *table) {
  return (int)table->symbols.count;
}

Symbol *dim_symbol_at(const DimTable *table, int number) {
  if (number < 0 || (size_t)number >= table->symbols.count) bug("no symbol %d", number);
  return table->symbols.items[number];
}

/* ---- order: by structure, never by address, so that texts are the same in every run ---- */

static int compare_integers(int64_t a, int64_t b) {
  return (a > b) - (a < b);
}

static int compare_dims(const Dim *a, const Dim *b);

static int compare_factors(const DimFactor *a, const DimFactor *b) {
  if (a->symbol && b->symbol) {
    if (a->symbol->is_index != b->symbol->is_index) return a->symbol->is_index ? -1 : 1;
    return compare_integers(a->symbol->number, b->symbol->number);
  }
  if (a->symbol || b->symbol) return a->symbol ? -1 : 1;
  if (a->divisor != b->divisor) return compare_integers(a->divisor, b->divisor);
  return compare_dims(a->inner, b->inner);
}

/* By degree, then by the sorted factors: products keep this order, as dim_mul and dim_quotient
 * need. */
static int compare_products(const DimTerm *a, const DimTerm *b) {
  if (a->factor_count != b->factor_count) return b->factor_count - a->factor_count;
  for (int i = 0; i < a->factor_count; i++) {
    int order = compare_factors(&a->factors[i], &b->factors[i]);
    if (order) return order;
  }
  return 0;
}

static int compare_dims(const Dim *a, const Dim *b) {
  if (a == b) return 0;
  for (int i = 0; i < a->term_count && i < b->term_count; i++) {
    int order = compare_products(&a->terms[i], &b->terms[i]);
    if (order) return order;
    order = compare_integers(a->terms[i].coefficient, b->terms[i].coefficient);
    if (order) return order;
  }
  return a->term_count - b->term_count;
}

/* ---- interning ---- */

static uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

static uint64_t hash_terms(const DimTerm *terms, int count) {
  uint64_t hash = 1;
  for (int i = 0; i < count; i++) {
    hash = mix(hash, (uint64_t)terms[i].coefficient);
    for (int j = 0; j < terms[i].factor_count; j++) {
      const DimFactor *factor = &terms[i].factors[j];
      if (factor->symbol)
        hash = mix(hash, 2 * (uint64_t)factor->symbol->number + 1);
      else
        hash = mix(hash, factor->inner->hash + (uint64_t)factor->divisor);
    }
  }
  return hash;
}

static bool same_factors(const DimTerm *a, const DimTerm *b) {
  if (a->factor_count != b->factor_count) return false;
  for (int i = 0; i < a->factor_count; i++)
    if (a->factors[i].symbol != b->factors[i].symbol ||
        a->factors[i].inner != b->factors[i].inner ||
        a->factors[i].divisor != b->factors[i].divisor)
      return false;
  return true;
}

static bool same_terms(const Dim *dim, const DimTerm *terms, int count) {
  if (dim->term_count != count) return false;
  for (int i = 0; i < count; i++)
    if (dim->terms[i].coefficient != terms[i].coefficient ||
        !same_factors(&dim->terms[i], &terms[i]))
      return false;
  return true;
}

static void place(const Dim **slots, size_t slot_count, const Dim *dim) {
  size_t slot = dim->hash & (slot_count - 1);
  while (slots[slot]) slot = (slot + 1) & (slot_count - 1);
  slots[slot] = dim;
}

static void grow(DimTable *table) {
  size_t slot_count = table->slot_count * 2;
  const Dim **slots = ARENA_ARRAY(table->arena, slot_count, const Dim *);
  for (size_t i = 0; i < table->slot_count; i++)
    if (table->slots[i]) place(slots, slot_count, table->slots[i]);
  table->slots = slots;
  table->slot_count = slot_count;
}

static int written_size(const DimTerm *terms, int count) {
  int size = 1;
  for (int i = 0; i < count; i++) {
    size++;
    for (int j = 0; j < terms[i].factor_count; j++) {
      size += terms[i].factors[j].inner ? terms[i].factors[j].inner->size + 1 : 1;
      if (size > DIM_MOST_NODES) return size;
    }
  }
  return size;
}

static int nesting(const DimTerm *terms, int count) {
  int depth = 0;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < terms[i].factor_count; j++) {
      const Dim *inner = terms[i].factors[j].inner;
      if (inner && inner->depth >= depth) depth = inner->depth + 1;
    }
  return depth;
}

/* The one Dim of these terms, which are sorted and without zeros; NULL if it is too large. */
static const Dim *make(DimTable *table, const DimTerm *terms, int count) {
  if (count > DIM_MOST_TERMS) return NULL;
  uint64_t hash = hash_terms(terms, count);
  for (size_t slot = hash & (table->slot_count - 1); table->slots[slot];
       slot = (slot + 1) & (table->slot_count - 1))
    if (table->slots[slot]->hash == hash && same_terms(table->slots[slot], terms, count))
      return table->slots[slot];
  int size = written_size(terms, count), depth = nesting(terms, count);
  if (size > DIM_MOST_NODES || depth > DIM_MOST_DEPTH) return NULL;
  Dim *dim = ARENA_NEW(table->arena, Dim);
  DimTerm *copy = arena_copy(table->arena, terms, (size_t)count * sizeof *terms);
  for (int i = 0; i < count; i++)
    if (copy[i].factor_count)
      copy[i].factors = arena_copy(table->arena, terms[i].factors,
                                   (size_t)terms[i].factor_count * sizeof(DimFactor));
    else
      copy[i].factors = NULL;
  *dim = (Dim){.table = table,
               .terms = copy,
               .term_count = count,
               .size = size,
               .depth = depth,
               .hash = hash};
  if (table->used * 2 >= table->slot_count) grow(table);
  place(table->slots, table->slot_count, dim);
  table->used++;
  return dim;
}

const Dim *dim_constant(DimTable *table, int64_t value) {
  return make(table, &(DimTerm){.coefficient = value}, value != 0);
}

const Dim *dim_of_symbol(DimTable *table, const Symbol *symbol) {
  if (symbol->min == symbol->max) return dim_constant(table, symbol->min);
  DimFactor factor = {.symbol = symbol};
  return make(table, &(DimTerm){1, &factor, 1}, 1);
}

/* ---- sums and products ---- */

/* terms of `a` + `by` * terms of `b`, into `out` of twice DIM_MOST_TERMS; -1 on overflow. */
static int merge(const DimTerm *a, int a_count, const DimTerm *b, int b_count, int64_t by,
                 DimTerm *out) {
  int count = 0, i = 0, j = 0;
  while (i < a_count || j < b_count) {
    int order = i == a_count ? 1 : j == b_count ? -1 : compare_products(&a[i], &b[j]);
    DimTerm term;
    if (order < 0) {
      term = a[i++];
    } else {
      term = b[j++];
      if (__builtin_mul_overflow(term.coefficient, by, &term.coefficient)) return -1;
      if (order == 0 &&
          __builtin_add_overflow(term.coefficient, a[i++].coefficient, &term.coefficient))
        return -1;
    }
    if (term.coefficient != 0) out[count++] = term;
  }
  return count <= DIM_MOST_TERMS ? count : -1;
}

static const Dim *add_scaled(DimTable *table, const Dim *a, const Dim *b, int64_t by) {
  if (!a || !b) return NULL;
  DimTerm out[2 * DIM_MOST_TERMS];
  int count = merge(a->terms, a->term_count, b->terms, b->term_count, by, out);
  return count < 0 ? NULL : make(table, out, count);
}

const Dim *dim_add(DimTable *table, const Dim *a, const Dim *b) {
  return add_scaled(table, a, b, 1);
}

const Dim *dim_sub(DimTable *table, const Dim *a, const Dim *b) {
  return add_scaled(table, a, b, -1);
}

static bool multiply_terms(Arena *arena, const DimTerm *a, const DimTerm *b, DimTerm *out) {
  if (__builtin_mul_overflow(a->coefficient, b->coefficient, &out->coefficient)) return false;
  out->factor_count = a->factor_count + b->factor_count;
  if (out->factor_count > DIM_MOST_NODES) return false;
  out->factors = a->factor_count ? a->factors : b->factors;
  if (!a->factor_count || !b->factor_count) return true;
  DimFactor *factors = ARENA_ARRAY(arena, (size_t)out->factor_count, DimFactor);
  for (int i = 0, j = 0, k = 0; k < out->factor_count; k++) {
    bool first = j == b->factor_count ||
                 (i < a->factor_count && compare_factors(&a->factors[i], &b->factors[j]) <= 0);
    factors[k] = first ? a->factors[i++] : b->factors[j++];
  }
  out->factors = factors;
  return true;
}

static const Dim *multiply_by_term(DimTable *table, const Dim *a, const DimTerm *by) {
  DimTerm terms[DIM_MOST_TERMS] = {0};
  for (int i = 0; i < a->term_count; i++)
    if (!multiply_terms(table->arena, &a->terms[i], by, &terms[i])) return NULL;
  return make(table, terms, a->term_count);
}

const Dim *dim_mul(DimTable *table, const Dim *a, const Dim *b) {
  if (!a || !b) return NULL;
  const Dim *sum = dim_constant(table, 0);
  for (int i = 0; sum && i < b->term_count; i++)
    sum = dim_add(table, sum, multiply_by_term(table, a, &b->terms[i]));
  return sum;
}

/* ---- floors ---- */

/* floor((floor(e/a) + x) / k) = floor((e + a*x) / (a*k)); NULL if `rest` has no such floor. */
static const Dim *unnest(DimTable *table, const Dim *rest, int64_t divisor) {
  for (int i = 0; i < rest->term_count; i++) {
    const DimTerm *term = &rest->terms[i];
    if (term->coefficient != 1 || term->factor_count != 1 || term->factors[0].symbol) continue;
    int64_t by = term->factors[0].divisor, product;
    if (__builtin_mul_overflow(by, divisor, &product)) continue;
    const Dim *others = dim_sub(table, rest, make(table, term, 1));
    const Dim *inner =
        dim_add(table, term->factors[0].inner, dim_mul(table, others, dim_constant(table, by)));
    if (inner) return dim_floor(table, inner, product);
  }
  return NULL;
}

const Dim *dim_floor(DimTable *table, const Dim *a, int64_t divisor) {
  if (divisor <= 0) bug("a dim is divided by %lld", (long long)divisor);
  if (!a || divisor == 1) return a;
  DimTerm whole[DIM_MOST_TERMS] = {0}, rest[DIM_MOST_TERMS] = {0};
  int whole_count = 0, rest_count = 0;
  int64_t common = divisor;
  for (int i = 0; i < a->term_count; i++) {
    DimTerm term = a->terms[i];
    int64_t quotient = floor_divide(term.coefficient, divisor);
    int64_t left = term.coefficient - quotient * divisor;
    term.coefficient = quotient;
    if (quotient) whole[whole_count++] = term;
    term.coefficient = left;
    if (left) rest[rest_count++] = term;
    if (left && term.factor_count) common = common_divisor(common, left);
  }
  const Dim *outer = make(table, whole, whole_count), *floor;
  if (rest_count == 0 || rest[0].factor_count == 0) return outer;
  if (common > 1) {
    int count = 0;
    for (int i = 0; i < rest_count; i++) {
      rest[count] = rest[i];
      rest[count].coefficient = rest[i].coefficient / common;
      if (rest[count].coefficient) count++;
    }
    floor = dim_floor(table, make(table, rest, count), divisor / common);
    return dim_add(table, outer, floor);
  }
  const Dim *inner = make(table, rest, rest_count);
  if (!inner) return NULL;
  floor = unnest(table, inner, divisor);
  if (floor) return dim_add(table, outer, floor);
  int64_t least = floor_divide(dim_min(inner), divisor);
  if (least == floor_divide(dim_max(inner), divisor))
    return dim_add(table, outer, dim_constant(table, least));
  DimFactor factor = {.inner = inner, .divisor = divisor};
  return dim_add(table, outer, make(table, &(DimTerm){1, &factor, 1}, 1));
}

const Dim *dim_mod(DimTable *table, const Dim *a, int64_t divisor) {
  const Dim *floor = dim_floor(table, a, divisor);
  return dim_sub(table, a, dim_mul(table, floor, dim_constant(table, divisor)));
}

/* a / b of two terms, if it is one. */
static bool divide_terms(Arena *arena, const DimTerm *a, const DimTerm *b, DimTerm *out) {
  if (b->coefficient == -1 ? a->coefficient == INT64_MIN : a->coefficient % b->coefficient != 0)
    return false;
  if (b->factor_count > a->factor_count) return false;
  out->coefficient = a->coefficient / b->coefficient;
  DimFactor *factors = ARENA_ARRAY(arena, (size_t)a->factor_count + 1, DimFactor);
  int count = 0, j = 0;
  for (int i = 0; i < a->factor_count; i++) {
    if (j < b->factor_count && compare_factors(&a->factors[i], &b->factors[j]) == 0)
      j++;
    else
      factors[count++] = a->factors[i];
  }
  out->factors = factors;
  out->factor_count = count;
  return j == b->factor_count;
}

const Dim *dim_quotient(DimTable *table, const Dim *a, const Dim *b) {
  if (!a || !b || b->term_count == 0) return NULL;
  const Dim *quotient = dim_constant(table, 0), *rest = a;
  /* Long division: each step removes the rest's first product, what is added comes after it. */
  for (int steps = 0; rest && rest->term_count && steps < 4 * DIM_MOST_TERMS; steps++) {
    DimTerm term;
    if (!divide_terms(table->arena, &rest->terms[0], &b->terms[0], &term)) return NULL;
    quotient = dim_add(table, quotient, make(table, &term, 1));
    rest = dim_sub(table, rest, multiply_by_term(table, b, &term));
    if (!quotient) return NULL;
  }
  return rest && rest->term_count == 0 ? quotient : NULL;
}

/* ---- looking in ---- */

bool dim_is_constant(const Dim *dim) {
  return dim->term_count == 0 || (dim->term_count == 1 && dim->terms[0].factor_count == 0);
}

bool dim_is(const Dim *dim, int64_t value) {
  return dim_is_constant(dim) && dim_value(dim) == value;
}

int64_t dim_value(const Dim *dim) {
  if (!dim_is_constant(dim)) bug("the value of a dim that is no constant");
  return dim->term_count ? dim->terms[0].coefficient : 0;
}

int dim_terms(const Dim *dim, const DimTerm **terms) {
  *terms = dim->terms;
  return dim->term_count;
}

bool dim_evaluate(const Dim *dim, const int64_t *values, int64_t *result) {
  int64_t sum = 0;
  for (int i = 0; i < dim->term_count; i++) {
    const DimTerm *term = &dim->terms[i];
    int64_t product = term->coefficient;
    for (int j = 0; j < term->factor_count; j++) {
      const DimFactor *factor = &term->factors[j];
      int64_t value;
      if (factor->symbol) {
        value = values[factor->symbol->number];
      } else {
        if (!dim_evaluate(factor->inner, values, &value)) return false;
        value = floor_divide(value, factor->divisor);
      }
      if (__builtin_mul_overflow(product, value, &product)) return false;
    }
    if (__builtin_add_overflow(sum, product, &sum)) return false;
  }
  *result = sum;
  return true;
}

const Dim *dim_substitute(DimTable *table, const Dim *dim, const Dim *const *by) {
  const Dim *sum = dim_constant(table, 0);
  for (int i = 0; sum && i < dim->term_count; i++) {
    const DimTerm *term = &dim->terms[i];
    const Dim *product = dim_constant(table, term->coefficient);
    for (int j = 0; product && j < term->factor_count; j++) {
      const DimFactor *factor = &term->factors[j];
      const Dim *value;
      if (!factor->symbol) {
        value = dim_substitute(table, factor->inner, by);
        if (value) value = dim_floor(table, value, factor->divisor);
      } else {
        value = by[factor->symbol->number];
        if (!value) value = dim_of_symbol(table, factor->symbol);
      }
      product = dim_mul(table, product, value);
    }
    sum = dim_add(table, sum, product);
  }
  return sum;
}

bool dim_uses(const Dim *dim, const Symbol *symbol) {
  for (int i = 0; i < dim->term_count; i++)
    for (int j = 0; j < dim->terms[i].factor_count; j++) {
      const DimFactor *factor = &dim->terms[i].factors[j];
      if (factor->symbol ? factor->symbol == symbol : dim_uses(factor->inner, symbol)) return true;
    }
  return false;
}
