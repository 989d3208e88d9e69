/* support/text: numbers print as the shortest text that reads back exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/text.h"

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
  const struct CMUnitTest tests[] = {cmocka_unit_test(shortest_numbers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
