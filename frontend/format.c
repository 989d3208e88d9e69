#include "frontend/parse.h"
const char *ast_format(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file,
                       size_t *length) {
  (void)arena;
  (void)interner;
  (void)diagnostics;
  (void)file;
  (void)length;
  return 0;
}
