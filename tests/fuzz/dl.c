/* A .dl text: parsed, resolved, formatted; the form must be the same tree and stay as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/program.h"

static const char *tree(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file) {
  Text text = text_new(arena);
  ast_print(parse_file(arena, interner, diagnostics, file), diagnostics_sources(diagnostics), false,
            &text);
  return text_get(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* Files are not to be opened. */
  if (size && memmem(data, size, "import", 6)) return 0;
  Arena *arena = arena_new();
  Interner *interner = interner_new(arena);
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  int32_t file =
      sources_add(sources, "fuzz.dl", NULL, arena_string(arena, (const char *)data, size), size);
  parse_file(arena, interner, diagnostics, file);
  if (!diagnostics_errors(diagnostics)) {
    Program *program = program_load_text(arena, interner, diagnostics, file);
    resolve_program(arena, interner, diagnostics, program);
    size_t length, again_length;
    const char *once = ast_format(arena, interner, diagnostics, file, &length);
    if (!once) abort();
    int32_t form = sources_add(sources, "form.dl", NULL, once, length);
    const char *again = ast_format(arena, interner, diagnostics, form, &again_length);
    if (!again || length != again_length || memcmp(once, again, length)) abort();
    if (strcmp(tree(arena, interner, diagnostics, file), tree(arena, interner, diagnostics, form)))
      abort();
  }
  FILE *nowhere = fopen("/dev/null", "w");
  if (nowhere) {
    diag_flush(diagnostics, nowhere, DIAG_TEXT, true, false);
    fclose(nowhere);
  }
  arena_free(arena);
  return 0;
}
