/* The examples and the decade's other programs: they parse, their names are known, and they
 * stand in their canonical form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <string.h>

#include "frontend/program.h"

static int errors_of(const char *path) {
  Arena *arena = arena_new();
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  Interner *interner = interner_new(arena);
  Program *program = program_load(arena, interner, diagnostics, path);
  if (program && diagnostics_errors(diagnostics) == 0)
    resolve_program(arena, interner, diagnostics, program);
  int errors = diagnostics_errors(diagnostics) + (program == NULL);
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
  arena_free(arena);
  return errors;
}

/* The text of a file in its form, in `arena`. */
static const char *formatted(Arena *arena, const char *name, const char *text, size_t *length) {
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  int32_t file = sources_add(sources, name, name, text, *length);
  const char *form = ast_format(arena, interner_new(arena), diagnostics, file, length);
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
  return form;
}

/* The files are kept in their form, so that formatting one changes nothing. */
static bool is_in_form(const char *path) {
  Arena *arena = arena_new();
  size_t length, formatted_length;
  const char *message;
  const char *text = source_read(arena, path, 1 << 20, &length, &message);
  formatted_length = length;
  const char *form = text ? formatted(arena, path, text, &formatted_length) : NULL;
  bool same = form && formatted_length == length && memcmp(form, text, length) == 0;
  arena_free(arena);
  return same;
}

static void all_programs(void **state) {
  (void)state;
  static const char *const patterns[] = {TEST_SOURCE_DIR "/examples/*/*.dl",
                                         TEST_SOURCE_DIR "/tests/programs/*.dl"};
  size_t count = 0, bad = 0;
  for (size_t p = 0; p < 2; p++) {
    glob_t found;
    assert_int_equal(glob(patterns[p], 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++, count++) {
      if (errors_of(found.gl_pathv[i]) > 0) {
        print_error("%s: has errors\n", found.gl_pathv[i]);
        bad++;
      } else if (!is_in_form(found.gl_pathv[i])) {
        print_error("%s: not in its form\n", found.gl_pathv[i]);
        bad++;
      }
    }
    globfree(&found);
  }
  assert_true(count >= 30);
  assert_int_equal(bad, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_programs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
