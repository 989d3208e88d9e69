/* support/text: numbers print as the shortest text that reads back exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/text.h"

static void ordinary_numbers_are_plain(void **state) {
  (void)state;
  static const struct {
    double number;
    const char *text;
  } rows[] = {{10, "10"},
              {-250000, "-250000"},
              {999999999, "999999999"},
              {1e9, "1e+09"},
              {0.0001, "0.0001"},
              {0.00001, "1e-05"},
              {16777216, "16777216"},
              {100000.5, "100000.5"},
              {0, "0"}};
  Arena *arena = arena_new();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Text both = text_new(arena);
    text_double(&both, rows[i].number);
    assert_string_equal(text_get(&both), rows[i].text);
  }
  Text text = text_new(arena);
  text_float(&text, 123456784.0f); /* 1.2345678e+08 reads back as it, too */
  assert_string_equal(text_get(&text), "123456784");
  arena_free(arena);
}

static void shortest_numbers(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Text text = text_new(arena);
  text_double(&text, 0.1);
  text_char(&text, ' ');
  text_float(&text, 0.1f);
  text_char(&text, ' ');
  text_thousands(&text, -1234567);
  assert_string_equal(text_get(&text), "0.1 0.1 -1,234,567");
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(shortest_numbers),
                                     cmocka_unit_test(ordinary_numbers_are_plain)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
