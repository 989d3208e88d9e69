/* ir/dim: the normal form against evaluation on random values, bounds, and how dims print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/dim.h"

static uint64_t seed = 1;
static int64_t random_below(int64_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int64_t)((seed >> 33) % (uint64_t)n);
}

__extension__ typedef __int128 Wide;

static int64_t floor_of(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

/* A dim beside the way to compute it without dim.c: operations in order, operands by number. */
enum { STEPS = 14, SYMBOLS = 3 };
typedef struct {
  char kind;
  int a, b;
  int64_t number;
} Step;
typedef struct {
  Step steps[STEPS];
  const Dim *dims[STEPS];
} Program;

static void make_program(DimTable *table, Program *p) {
  for (int i = 0; i < STEPS; i++) {
    Step s = {0};
    s.kind = i < SYMBOLS ? 's' : "c+-*/%+/"[random_below(8)];
    s.a = i ? (int)random_below(i) : 0;
    s.b = i ? (int)random_below(i) : 0;
    s.number = s.kind == 'c' ? random_below(41) - 20 : 1 + random_below(6);
    const Dim *a = p->dims[s.a], *b = p->dims[s.b], *d = NULL;
    switch (s.kind) {
    case 's':
      d = dim_of_symbol(table, dim_symbol_at(table, i));
      break;
    case 'c':
      d = dim_constant(table, s.number);
      break;
    case '+':
      d = dim_add(table, a, b);
      break;
    case '-':
      d = dim_sub(table, a, b);
      break;
    case '*':
      d = dim_mul(table, a, b);
      break;
    case '/':
      d = dim_floor(table, a, s.number);
      break;
    default:
      d = dim_mod(table, a, s.number);
      break;
    }
    p->steps[i] = s;
    p->dims[i] = d;
  }
}

/* Reference values, and whether they stayed small enough to be compared. */
static void run(const Program *p, const int64_t *values, int64_t *out, int *fine) {
  for (int i = 0; i < STEPS; i++) {
    Step s = p->steps[i];
    int64_t a = out[s.a], b = out[s.b];
    Wide r = s.kind == 's'   ? values[i]
             : s.kind == 'c' ? s.number
             : s.kind == '+' ? (Wide)a + b
             : s.kind == '-' ? (Wide)a - b
             : s.kind == '*' ? (Wide)a * b
             : s.kind == '/' ? floor_of(a, s.number)
                             : a - s.number * floor_of(a, s.number);
    fine[i] = (s.kind == 's' || s.kind == 'c' || (fine[s.a] && fine[s.b])) && r < (1LL << 40) &&
              r > -(1LL << 40);
    out[i] = fine[i] ? (int64_t)r : 0;
  }
}

static void agrees_with_evaluation(void **state) {
  (void)state;
  int compared = 0, decided = 0;
  for (int round = 0; round < 400; round++) {
    Arena *arena = arena_new();
    DimTable *table = dim_table_new(arena);
    dim_symbol_new(table, "N", 1, 40, false);
    dim_symbol_new(table, "M", 1, 7, false);
    dim_symbol_new(table, "pos", 0, 100, true);
    Program p = {0};
    make_program(table, &p);
    for (int trial = 0; trial < 30; trial++) {
      int64_t values[SYMBOLS], out[STEPS];
      int fine[STEPS];
      for (int i = 0; i < SYMBOLS; i++) {
        const Symbol *s = dim_symbol_at(table, i);
        values[i] = s->min + random_below(s->max - s->min + 1);
      }
      run(&p, values, out, fine);
      for (int i = 0; i < STEPS; i++) {
        int64_t got;
        if (!fine[i] || !p.dims[i] || !dim_evaluate(p.dims[i], values, &got)) continue;
        assert_int_equal(got, out[i]);
        assert_true(dim_min(p.dims[i]) <= got && got <= dim_max(p.dims[i]));
        compared++;
        int j = (int)random_below(i + 1);
        if (!fine[j] || !p.dims[j]) continue;
        Truth equal = dim_equal(table, p.dims[i], p.dims[j]);
        Truth less = dim_less(table, p.dims[i], p.dims[j]);
        if (equal != SOMETIMES) assert_int_equal(equal == ALWAYS, out[i] == out[j]);
        if (less != SOMETIMES) assert_int_equal(less == ALWAYS, out[i] < out[j]);
        decided += less != SOMETIMES;
        const Dim *quotient = dim_quotient(table, p.dims[i], p.dims[j]);
        if (quotient && dim_evaluate(quotient, values, &got))
          assert_int_equal(got * out[j], out[i]);
        const Dim *by[SYMBOLS] = {NULL, dim_constant(table, values[1]), NULL};
        const Dim *fixed = dim_substitute(table, p.dims[i], by);
        if (fixed && dim_evaluate(fixed, values, &got)) assert_int_equal(got, out[i]);
      }
    }
    arena_free(arena);
  }
  assert_true(compared > 50000 && decided > 20000); /* most cases must not be skipped */
}

static Arena *arena;
static DimTable *table;
static const Dim *N, *H, *P;

static int open_table(void **state) {
  (void)state;
  arena = arena_new();
  table = dim_table_new(arena);
  N = dim_of_symbol(table, dim_symbol_new(table, "N", 1, 64, false));
  H = dim_of_symbol(table, dim_symbol_new(table, "H", 1, 1 << 20, false));
  P = dim_of_symbol(table, dim_symbol_new(table, "pos", 0, 1023, true));
  return 0;
}
static int close_table(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

static const Dim *c(int64_t v) {
  return dim_constant(table, v);
}
static const Dim *plus(const Dim *a, int64_t v) {
  return dim_add(table, a, c(v));
}
static const Dim *times(const Dim *a, int64_t v) {
  return dim_mul(table, a, c(v));
}

static void one_normal_form(void **state) {
  (void)state;
  /* (H + 2*3 - 7)/2 + 1 is what a declared (H + 1)/2 gives */
  assert_ptr_equal(plus(dim_floor(table, plus(H, -1), 2), 1), dim_floor(table, plus(H, 1), 2));
  assert_ptr_equal(dim_floor(table, dim_floor(table, H, 3), 4), dim_floor(table, H, 12));
  assert_ptr_equal(dim_floor(table, plus(dim_floor(table, plus(H, 1), 2), 1), 2),
                   dim_floor(table, plus(H, 3), 4));
  assert_ptr_equal(dim_floor(table, times(H, 6), 4), dim_add(table, H, dim_floor(table, H, 2)));
  assert_ptr_equal(dim_floor(table, times(N, 8), 8), N);
  assert_ptr_equal(dim_floor(table, N, 100), c(0)); /* by the bound */
  assert_ptr_equal(dim_mul(table, plus(N, 1), plus(N, -1)), plus(dim_mul(table, N, N), -1));
  assert_ptr_equal(dim_quotient(table, dim_mul(table, times(N, 12), H), times(H, 4)), times(N, 3));
  assert_ptr_equal(dim_quotient(table, plus(times(N, 2), 2), plus(N, 1)), c(2));
  assert_null(dim_quotient(table, plus(N, 1), c(2)));
  assert_ptr_equal(dim_of_symbol(table, dim_symbol_new(table, "F", 8, 8, false)), c(8));
}

static void bounds_decide(void **state) {
  (void)state;
  /* N - N/2 is at least 1, which bounds of the single terms do not show */
  const Dim *rest = dim_sub(table, N, dim_floor(table, N, 2));
  assert_int_equal(dim_min(rest), 1);
  assert_int_equal(dim_max(rest), 32);
  assert_int_equal(dim_less(table, P, plus(N, 1023)), ALWAYS);
  assert_int_equal(dim_less(table, plus(P, 1), N), SOMETIMES);
  assert_int_equal(dim_less_or_equal(table, plus(N, 1), N), NEVER);
  assert_int_equal(dim_equal(table, N, plus(N, 1)), NEVER);
  assert_int_equal(dim_equal(table, times(N, 2), plus(times(H, 2), 1)), NEVER);
  assert_int_equal(dim_equal(table, N, H), SOMETIMES);
}

static void prints(void **state) {
  (void)state;
  const struct {
    const Dim *dim;
    const char *text;
  } cases[] = {
      {c(0), "0"},
      {c(-3), "-3"},
      {dim_sub(table, c(64), N), "64 - N"},
      {plus(dim_add(table, times(N, 2), dim_floor(table, plus(H, 1), 2)), 5),
       "2*N + (H + 1)/2 + 5"},
      {dim_floor(table, H, 2), "H/2"},
      {dim_mul(table, times(N, 3), dim_floor(table, H, 2)), "3*N*(H/2)"},
      {times(N, -1), "-N"},
      {dim_sub(table, dim_mul(table, N, H), P), "N*H - pos"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Text text = text_new(arena);
    dim_print(&text, cases[i].dim);
    assert_string_equal(text_get(&text), cases[i].text);
  }
}

static void overflow_and_size_are_bounded(void **state) {
  (void)state;
  assert_null(times(times(N, INT64_MAX / 2), 3));
  assert_null(plus(c(INT64_MAX), 1));
  const Dim *power = N, *nested = H;
  int steps = 0;
  for (; power && steps < 100000; steps++) power = dim_mul(table, power, N);
  assert_null(power);
  for (steps = 0; nested && steps < 100000; steps++)
    nested = dim_floor(table, dim_add(table, times(nested, 2), dim_mul(table, nested, N)), 3);
  assert_null(nested);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_evaluation),
      cmocka_unit_test_setup_teardown(one_normal_form, open_table, close_table),
      cmocka_unit_test_setup_teardown(bounds_decide, open_table, close_table),
      cmocka_unit_test_setup_teardown(prints, open_table, close_table),
      cmocka_unit_test_setup_teardown(overflow_and_size_are_bounded, open_table, close_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
