/* A .dl text: what elaborates must pass the verifier, and print as text that reads back. */
#include "frontend/elaborate.h"
#include "ir/module_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static Module *elaborate_text(Arena *arena, Diagnostics *diagnostics, const uint8_t *data,
                              size_t size) {
  Interner *interner = interner_new(arena);
  int32_t file = sources_add(diagnostics_sources(diagnostics), "fuzz.dl", NULL,
                             arena_string(arena, (const char *)data, size), size);
  const Program *program = program_load_text(arena, interner, diagnostics, file);
  if (!program || diagnostics_errors(diagnostics)) return NULL;
  if (!resolve_program(arena, interner, diagnostics, program)) return NULL;
  ElaborateOptions options = {
      .program = program, .interner = interner, .training = true, .most_steps = 20000};
  return elaborate(arena, diagnostics, &options, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* Files are not to be opened. */
  if (size && memmem(data, size, "import", 6)) return 0;
  Arena *arena = arena_new();
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  Module *module = elaborate_text(arena, diagnostics, data, size);
  if (module) {
    const Op *where;
    if (module_verify(arena, module, &where)) abort();
    Text text = text_new(arena);
    module_print(&text, module, (PrintOptions){.locations = true});
    Diagnostics *others = diagnostics_new(arena, sources);
    int32_t file = sources_add(sources, "fuzz.ir", NULL, text_get(&text), text.length);
    if (!module_parse(arena, others, file)) abort();
  }
  arena_free(arena);
  return 0;
}
