/* frontend: newlines, precedence, places; the formatter's form, and that it changes no tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/program.h"

typedef struct {
  Arena *arena;
  Interner *interner;
  Sources *sources;
  Diagnostics *diagnostics;
} Setup;

static Setup begin(void) {
  Setup setup = {.arena = arena_new()};
  setup.interner = interner_new(setup.arena);
  setup.sources = sources_new(setup.arena);
  setup.diagnostics = diagnostics_new(setup.arena, setup.sources);
  return setup;
}

static int32_t add(Setup *setup, const char *text, size_t length) {
  return sources_add(setup->sources, "test.dl", NULL, text, length);
}

static const char *tree(Setup *setup, int32_t file, bool places) {
  AstFile *ast = parse_file(setup->arena, setup->interner, setup->diagnostics, file);
  Text text = text_new(setup->arena);
  ast_print(ast, setup->sources, places, &text);
  return text_get(&text);
}

static const char *tree_of(Setup *setup, const char *text) {
  return tree(setup, add(setup, text, strlen(text)), false);
}

/* Both texts mean the same. */
static void same(const char *one, const char *other) {
  Setup setup = begin();
  assert_string_equal(tree_of(&setup, one), tree_of(&setup, other));
  assert_int_equal(diagnostics_errors(setup.diagnostics), 0);
  arena_free(setup.arena);
}

static void newlines(void **state) {
  (void)state;
  same("x = a +\n  b", "x = a + b");
  same("x = f(a,\n\n  b # why\n)", "x = f(a, b)");
  same("x = a\n  # a comment |> with a pipe\n  |> f", "x = a |> f");
  same("x = a; y = b", "x = a\ny = b\n\n\n");
  same("if a { x = 1 }\n\nelse { x = 2 }", "if a { x = 1 } else { x = 2 }");
  same("x = a\nelsewhere = b", "x = a\n\nelsewhere = b");
  same("x = {1: 2,\n 3: 4\n}[a]", "x = {1: 2, 3: 4}[a]");
  same("layer A(k: int)\n  (x)\n  -> f32[N] { return x }",
       "layer A(k: int)(x) -> f32[N] { return x }");
  same("x =\r\n 1\r\n", "x = 1");
}

static void precedence(void **state) {
  (void)state;
  same("x = -a ^ -b ^ c * d", "x = (-(a ^ (-(b ^ c)))) * d");
  same("x = a + b * c @ d - e", "x = (a + ((b * c) @ d)) - e");
  same("x = a or b and not c == d", "x = a or (b and (not (c == d)))");
  same("x = a + 1 .. b - 1 < c", "x = ((a + 1) .. (b - 1)) < c");
  same("x = a if b or c else d if e else f", "x = a if (b or c) else (d if e else f)");
  same("x = a if b else c |> f |> g(2)", "x = ((a if b else c) |> f) |> g(2)");
}

static void soft_words(void **state) {
  (void)state;
  same("for in in over { x = in + axis }\nlayer A()(x: f32[in]) { return self.layer.state }",
       "for in in (over) { x = in + (axis) }\nlayer A()(x: f32[in]) { return self.layer.state }");
}

static void places(void **state) {
  (void)state;
  Setup setup = begin();
  const char *plain = "y = 1\nx = f( a.b, k=2 )[:, 1]\n";
  const char *expected = "bind @1:1\n"
                         "  target name y @1:1\n"
                         "  value integer 1 @1:5\n"
                         "bind @2:1\n"
                         "  target name x @2:1\n"
                         "  value index @2:5\n"
                         "    call @2:5\n"
                         "      name f @2:5\n"
                         "      argument field b @2:8\n"
                         "        name a @2:8\n"
                         "      k = integer 2 @2:15\n"
                         "    slice @2:19\n"
                         "    integer 1 @2:22\n";
  assert_string_equal(tree(&setup, add(&setup, plain, strlen(plain)), true), expected);
  arena_free(setup.arena);
}

static void check_form(const char *text, const char *form) {
  Setup setup = begin();
  size_t length;
  const char *out = ast_format(setup.arena, setup.interner, setup.diagnostics,
                               add(&setup, text, strlen(text)), &length);
  assert_non_null(out);
  assert_string_equal(out, form);
  arena_free(setup.arena);
}

static void form(void **state) {
  (void)state;
  check_form("\n\n#c\nx  =f ( a ,b= 3 )\n\n\n\ny=- 1  # d", "# c\nx = f(a, b=3)\n\ny = -1  # d\n");
  check_form("fn f(x:f32[ N ],y = 2){\n return x[ 1: ,::-1 ]\n}",
             "fn f(x: f32[N], y = 2) {\n  return x[1:, ::-1]\n}\n");
  check_form("if a{x=1\n}\nelse{x=2}\n", "if a {\n  x = 1\n} else {\n  x = 2\n}\n");
  check_form("x = a\n|> f\n# tail\n", "x = a\n  |> f\n# tail\n");
  check_form("x = f(a,\n b,\n c)\n", "x = f(a,\n      b,\n      c)\n");
  check_form("x = [\na,\n]\n", "x = [\n  a,\n]\n");
  check_form("a    = 1\nlong = 2\nb = 3\n", "a    = 1\nlong = 2\nb = 3\n");
  check_form("a     = 1 # one\nlong  = 2 # two\n", "a    = 1  # one\nlong = 2  # two\n");
  check_form("x = a*b + c * d-e\n", "x = a*b + c * d-e\n");
  check_form("", "");
}

static void breaks(void **state) {
  (void)state;
  check_form("model name(aaaaaaaaaaaaaaaaaaaa: f32[N, 1], bbbbbbbbbbbbbbbbbbbbbbbbb: f32[N, 2], "
             "cccccccccccccccc: f32[N]) { return a }\n",
             "model name(aaaaaaaaaaaaaaaaaaaa: f32[N, 1], bbbbbbbbbbbbbbbbbbbbbbbbb: f32[N, 2],\n"
             "           cccccccccccccccc: f32[N]) {\n"
             "  return a\n"
             "}\n");
}

/* Every program: parses, resolves, has a form that stays, and the form is the same tree. */
static void check_program(const char *path) {
  Setup setup = begin();
  Program *program = program_load(setup.arena, setup.interner, setup.diagnostics, path);
  assert_non_null(program);
  resolve_program(setup.arena, setup.interner, setup.diagnostics, program);
  size_t length, again_length;
  int32_t file = program->main->ast->file;
  const char *once = ast_format(setup.arena, setup.interner, setup.diagnostics, file, &length);
  assert_non_null(once);
  int32_t formatted = add(&setup, once, length);
  const char *again =
      ast_format(setup.arena, setup.interner, setup.diagnostics, formatted, &again_length);
  assert_non_null(again);
  assert_string_equal(once, again);
  assert_string_equal(tree(&setup, file, false), tree(&setup, formatted, false));
  if (diagnostics_errors(setup.diagnostics))
    diag_flush(setup.diagnostics, stderr, DIAG_TEXT, false, true);
  assert_int_equal(diagnostics_errors(setup.diagnostics), 0);
  arena_free(setup.arena);
}

static void programs(void **state) {
  (void)state;
  static const char *const patterns[] = {"/tests/programs/*.dl", "/examples/*/*.dl",
                                         "/frontend/std/*.dl"};
  size_t count = 0;
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s%s", SOURCE_FOLDER, patterns[i]);
    glob_t found;
    if (glob(pattern, 0, NULL, &found)) continue;
    for (size_t k = 0; k < found.gl_pathc; k++) check_program(found.gl_pathv[k]);
    count += found.gl_pathc;
    globfree(&found);
  }
  assert_true(count >= 30);
}

/* Texts that a compiler must survive, and be quick about. */
static char *repeat(const char *head, const char *part, size_t times, const char *tail) {
  size_t length = strlen(head) + times * strlen(part) + strlen(tail) + 1;
  char *text = malloc(length), *at = text;
  assert_non_null(text);
  at = stpcpy(at, head);
  for (size_t i = 0; i < times; i++) at = stpcpy(at, part);
  stpcpy(at, tail);
  return text;
}

static void check_hostile(char *text, bool error) {
  Setup setup = begin();
  size_t length;
  const char *out = ast_format(setup.arena, setup.interner, setup.diagnostics,
                               add(&setup, text, strlen(text)), &length);
  assert_int_equal(out == NULL, error);
  assert_int_equal(diagnostics_errors(setup.diagnostics) > 0, error);
  arena_free(setup.arena);
  free(text);
}

static void hostile(void **state) {
  (void)state;
  check_hostile(repeat("x = ", "(", 10000, "\n"), true);
  check_hostile(repeat("x = ", "-", 200000, "1\n"), true);
  check_hostile(repeat("x = 1", " + 1", 250000, "\n"), true);
  check_hostile(repeat("x = 2", "^2", 200000, "\n"), true);
  check_hostile(repeat("x = 1", " if a else 1", 100000, "\n"), true);
  check_hostile(repeat("fn f(x) { if x { }", " else if x { }", 20000, " }\n"), true);
  check_hostile(repeat("x = a", ".b", 200000, "\n"), true);
  check_hostile(repeat("fn f(x) ", "{ if x ", 5000, "\n"), true);
  check_hostile(repeat("", "x y\n", 100000, ""), true);
  check_hostile(repeat("", "\"\n", 100000, ""), true);
  check_hostile(repeat("", ")\n", 100000, ""), true);
  check_hostile(repeat("", "f(\n", 100000, ""), true);
  check_hostile(repeat("x = [", "1, ", 330000, "]\n"), false);
  check_hostile(repeat("", "\n", 1000000, ""), false);
  check_hostile(repeat("", "# c\n", 250000, "x = 1"), false);
  check_hostile(repeat("x = ", "aaaaaaaaaa", 100000, "\n"), false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(newlines), cmocka_unit_test(precedence), cmocka_unit_test(soft_words),
      cmocka_unit_test(places),   cmocka_unit_test(form),       cmocka_unit_test(breaks),
      cmocka_unit_test(programs), cmocka_unit_test(hostile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
