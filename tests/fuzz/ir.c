/* Graph text: what is parsed verifies, and prints as a text that parses to the same text. */
#include "ir/cost.h"
#include "ir/module_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Module *parse(Arena *arena, const char *bytes, size_t length) {
  Sources *sources = sources_new(arena);
  int32_t file = sources_add(sources, "fuzz.ir", NULL, bytes, length);
  return module_parse(arena, diagnostics_new(arena, sources), file);
}

static const char *print(Arena *arena, const Module *module) {
  Text text = text_new(arena);
  module_print(&text, module, (PrintOptions){.locations = true});
  return text_get(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_new(), *other = arena_new();
  const char *text = arena_string(arena, (const char *)data, size);
  Module *module = parse(arena, text, size);
  if (module) {
    const char *printed = print(arena, module);
    Module *again = parse(arena, printed, strlen(printed));
    if (!again || strcmp(print(arena, again), printed) != 0) abort();
    Module *copy = module_copy(other, module);
    if (strcmp(print(other, copy), printed) != 0) abort();
    for (size_t i = 0; i < module->functions.count; i++)
      function_flops(module->functions.items[i], false);
  }
  arena_free(arena);
  arena_free(other);
  return 0;
}
