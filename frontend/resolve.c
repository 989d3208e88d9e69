#include "frontend/program.h"

bool resolve_program(Arena *arena, Interner *interner, Diagnostics *diagnostics,
                     const Program *program) {
  (void)arena;
  (void)interner;
  (void)program;
  return !diagnostics_errors(diagnostics);
}
