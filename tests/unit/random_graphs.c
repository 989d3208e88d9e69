/* Random graphs over all operators verify, print, parse back to the same text, and copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/module_text.h"
#include "tests/tools/random_graph.h"

#include <stdlib.h>
#include <string.h>

static const char *print(Arena *arena, const Module *module) {
  Text text = text_new(arena);
  module_print(&text, module, (PrintOptions){.locations = true});
  return text_get(&text);
}

static void count_operators(const Block *block, int *seen) {
  for (const Op *op = block->first; op; op = op->next) {
    seen[op->kind]++;
    if (op->region) count_operators(op->region, seen);
  }
}

static void round_trips(void **state) {
  (void)state;
  int seen[OPERATORS] = {0};
  for (uint64_t seed = 1; seed <= 300; seed++) {
    Arena *arena = arena_new(), *other = arena_new();
    RandomGraph options = {.seed = seed,
                           .operations = 40,
                           .dynamic = seed % 2,
                           .halves = true,
                           .regions = true,
                           .states = true,
                           .panels = true};
    Module *module = random_graph(arena, &options);
    const Op *where;
    const char *fault = module_verify(arena, module, &where), *text = print(arena, module);
    if (fault) fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, fault, text);
    count_operators(module->functions.items[0]->body, seen);

    Sources *sources = sources_new(arena);
    int32_t file = sources_add(sources, "random.ir", NULL, text, strlen(text));
    Diagnostics *diagnostics = diagnostics_new(arena, sources);
    Module *parsed = module_parse(arena, diagnostics, file);
    if (!parsed) {
      diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
      fail_msg("seed %llu: %s", (unsigned long long)seed, text);
    }
    assert_string_equal(print(arena, parsed), text);
    assert_string_equal(print(other, module_copy(other, module)), text);
    arena_free(arena);
    arena_free(other);
  }
  for (int i = 0; i < OPERATORS; i++) /* grad has no value of its own: the elaborator makes it */
    if (i != OP_grad && seen[i] < 10)
      fail_msg("'%s' was made %d times", operator_infos[i].name, seen[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(round_trips)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
