/* Elementwise operators: broadcast operands, row by row through blocks of double or int64_t. */
#include "ir/evaluate.h"

#include "support/bug.h"

#include <math.h>

enum { BLOCK = 256 };

typedef double RealFunction(double x, double y);
typedef int64_t IntegerFunction(int64_t x, int64_t y);

static Walk walk_broadcast(const Evaluation *e, const RunTensor *y) {
  Walk walk = walk_new(y->rank, y->shape, e->op->operand_count);
  for (int i = 0; i < e->op->operand_count; i++)
    strides_broadcast(operand(e, i)->rank, operand(e, i)->shape, y->rank, walk.strides[i]);
  return walk;
}

/* One or two operands. A function that is NULL is of a type that the operator does not take. */
static bool map(Evaluation *e, RealFunction *real, IntegerFunction *integer) {
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  const RunTensor *a = operand(e, 0), *b = operand(e, e->op->operand_count - 1);
  if (is_real(a) ? !real : !integer)
    bug("%s of a wrong element type", operator_infos[e->op->kind].name);
  Walk walk = walk_broadcast(e, y);
  int last = e->op->operand_count - 1;
  int64_t written = 0;
  for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
    for (int64_t at = 0; at < walk.length; at += BLOCK) {
      int64_t count = walk.length - at < BLOCK ? walk.length - at : BLOCK;
      int64_t from = walk.offset[0] + at * walk.step[0],
              other = walk.offset[last] + at * walk.step[last];
      if (is_real(a)) {
        double p[BLOCK], q[BLOCK];
        load_reals(e, a, from, walk.step[0], count, p);
        load_reals(e, b, other, walk.step[last], count, q);
        for (int64_t i = 0; i < count; i++) p[i] = real(p[i], q[i]);
        store_reals(e, y, written, count, p);
      } else {
        int64_t p[BLOCK], q[BLOCK];
        load_integers(e, a, from, walk.step[0], count, p);
        load_integers(e, b, other, walk.step[last], count, q);
        for (int64_t i = 0; i < count; i++) p[i] = integer(p[i], q[i]);
        store_integers(e, y, written, count, p);
      }
      written += count;
    }
  return true;
}

/* ---- integers: two's complement, whatever happens ---- */
static int64_t wrap_add(int64_t x, int64_t y) {
  return (int64_t)((uint64_t)x + (uint64_t)y);
}
static int64_t wrap_sub(int64_t x, int64_t y) {
  return (int64_t)((uint64_t)x - (uint64_t)y);
}
static int64_t wrap_mul(int64_t x, int64_t y) {
  return (int64_t)((uint64_t)x * (uint64_t)y);
}
static int64_t wrap_neg(int64_t x) {
  return wrap_sub(0, x);
}
static int64_t floor_div(int64_t x, int64_t y) {
  if (y == 0) return 0;
  if (y == -1) return wrap_neg(x); /* the one quotient that overflows */
  return x / y - (x % y != 0 && (x < 0) != (y < 0));
}
static int64_t floor_rem(int64_t x, int64_t y) {
  if (y == 0) return x;
  if (y == -1) return 0;
  int64_t r = x % y;
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
/* A negative exponent gives the floor of the fraction. */
static int64_t integer_power(int64_t x, int64_t y) {
  uint64_t left = y < 0 ? -(uint64_t)y : (uint64_t)y;
  int64_t result = 1;
  for (int64_t square = x; left > 0; left >>= 1, square = wrap_mul(square, square))
    if (left & 1) result = wrap_mul(result, square);
  return y < 0 ? floor_div(1, result) : result;
}

/* ---- reals ---- */
static double floor_rem_real(double x, double y) {
  double r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
/* Small whole exponents are products, as in compiled code. */
static double real_power(double x, double y) {
  if (y == 2) return x * x;
  if (y == 3) return x * x * x;
  if (y == 4) return (x * x) * (x * x);
  if (y == -1) return 1 / x;
  if (y == -2) return 1 / (x * x);
  return pow(x, y);
}

/* MAP(name, real, integer): the two formulas in x (and y). */
#define MAP(name, real_formula, integer_formula)                                                   \
  static double real_##name(double x, double y) {                                                  \
    (void)y;                                                                                       \
    return real_formula;                                                                           \
  }                                                                                                \
  static int64_t integer_##name(int64_t x, int64_t y) {                                            \
    (void)y;                                                                                       \
    return integer_formula;                                                                        \
  }                                                                                                \
  bool evaluate_##name(Evaluation *e) {                                                            \
    return map(e, real_##name, integer_##name);                                                    \
  }
#define MAP_REAL(name, formula)                                                                    \
  static double real_##name(double x, double y) {                                                  \
    (void)y;                                                                                       \
    return formula;                                                                                \
  }                                                                                                \
  bool evaluate_##name(Evaluation *e) {                                                            \
    return map(e, real_##name, NULL);                                                              \
  }
#define MAP_BOOL(name, formula)                                                                    \
  static int64_t integer_##name(int64_t x, int64_t y) {                                            \
    (void)y;                                                                                       \
    return formula;                                                                                \
  }                                                                                                \
  bool evaluate_##name(Evaluation *e) {                                                            \
    return map(e, NULL, integer_##name);                                                           \
  }
MAP(neg, -x, wrap_neg(x))
MAP(abs, fabs(x), x < 0 ? wrap_neg(x) : x)
MAP(sign, x > 0 ? 1 : x < 0 ? -1 : x, (x > 0) - (x < 0))
MAP(floor, floor(x), x)
MAP_REAL(sqrt, sqrt(x))
MAP_REAL(rsqrt, 1 / sqrt(x))
MAP_REAL(exp, exp(x))
MAP_REAL(expm1, expm1(x))
MAP_REAL(log, log(x))
MAP_REAL(log1p, log1p(x))
MAP_REAL(sin, sin(x))
MAP_REAL(cos, cos(x))
MAP_REAL(tanh, tanh(x))
MAP_REAL(erf, erf(x))
MAP_BOOL(not, x == 0)
MAP(add, x + y, wrap_add(x, y))
MAP(sub, x - y, wrap_sub(x, y))
MAP(mul, x *y, wrap_mul(x, y))
MAP(div, x / y, floor_div(x, y))
MAP(rem, floor_rem_real(x, y), floor_rem(x, y))
MAP(pow, real_power(x, y), integer_power(x, y))
MAP(maximum, x > y || isnan(x) ? x : y, x > y ? x : y)
MAP(minimum, x < y || isnan(x) ? x : y, x < y ? x : y)
MAP_BOOL(and, x != 0 && y != 0)
MAP_BOOL(or, x != 0 || y != 0)

/* A comparison gives bool from either: its real formula is stored through an integer result. */
static bool compare(Evaluation *e, IntegerFunction *integer, bool (*real)(double, double)) {
  if (!is_real(operand(e, 0))) return map(e, NULL, integer);
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  Walk walk = walk_broadcast(e, y);
  int64_t written = 0;
  for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
    for (int64_t at = 0; at < walk.length; at += BLOCK) {
      int64_t count = walk.length - at < BLOCK ? walk.length - at : BLOCK;
      double p[BLOCK], q[BLOCK];
      int64_t answer[BLOCK];
      load_reals(e, operand(e, 0), walk.offset[0] + at * walk.step[0], walk.step[0], count, p);
      load_reals(e, operand(e, 1), walk.offset[1] + at * walk.step[1], walk.step[1], count, q);
      for (int64_t i = 0; i < count; i++) answer[i] = real(p[i], q[i]);
      store_integers(e, y, written, count, answer);
      written += count;
    }
  return true;
}

#define COMPARE(name, formula)                                                                     \
  static bool compare_real_##name(double x, double y) {                                            \
    return formula;                                                                                \
  }                                                                                                \
  static int64_t compare_integer_##name(int64_t x, int64_t y) {                                    \
    return formula;                                                                                \
  }                                                                                                \
  bool evaluate_##name(Evaluation *e) {                                                            \
    return compare(e, compare_integer_##name, compare_real_##name);                                \
  }
COMPARE(eq, x == y)
COMPARE(lt, x < y)
COMPARE(le, x <= y)

bool evaluate_where(Evaluation *e) {
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  Walk walk = walk_broadcast(e, y);
  int64_t size = item_bytes(e->wide, y->element), written = 0;
  for (walk_begin(&walk); walk_more(&walk); walk_next(&walk))
    for (int64_t i = 0; i < walk.length; i++) {
      const unsigned char *chosen = operand(e, 0)->bytes;
      int side = chosen[walk.offset[0] + i * walk.step[0]] ? 1 : 2;
      const unsigned char *from = operand(e, side)->bytes;
      from += (walk.offset[side] + i * walk.step[side]) * size;
      for (int64_t byte = 0; byte < size; byte++)
        ((unsigned char *)y->bytes)[written * size + byte] = from[byte];
      written++;
    }
  return true;
}

/* Rounds once, so not by store_reals, and an i64 to f32 not by way of double. */
bool evaluate_cast(Evaluation *e) {
  const RunTensor *x = operand(e, 0);
  RunTensor *y = result_new(e, 0);
  if (!y) return false;
  for (int64_t i = 0; i < x->count; i++) {
    double real = 0;
    int64_t integer = 0;
    if (is_real(x))
      load_reals(e, x, i, 0, 1, &real);
    else
      load_integers(e, x, i, 0, 1, &integer);
    if (is_real(y) && e->wide)
      ((double *)y->bytes)[i] = is_real(x) ? real : (double)integer;
    else if (y->element == ELEMENT_bool)
      ((unsigned char *)y->bytes)[i] = is_real(x) ? real != 0 : integer != 0;
    else if (is_real(x))
      element_store(y->element, y->bytes, i, real);
    else if (y->element == ELEMENT_f64)
      ((double *)y->bytes)[i] = (double)integer;
    else if (is_real(y))
      element_store(y->element, y->bytes, i, (double)(float)integer);
    else
      element_store_integer(y->element, y->bytes, i, integer);
  }
  return true;
}
