/* program.h - a .dl file with all that it imports, and the standard library.
 *
 *   Program *program = program_load(arena, interner, diagnostics, "vgg.dl");
 *   if (program && !diagnostics_errors(diagnostics) &&
 *       resolve_program(arena, interner, diagnostics, program)) elaborate ...
 *
 * Every file is parsed once, whatever the number of imports. What a name at the top level means
 * is asked with program_find: the file's own declarations first, then those of the files that it
 * imports (layers, functions, optimizers and consts), then the standard library's.
 */
#ifndef FRONTEND_PROGRAM_H
#define FRONTEND_PROGRAM_H

#include "frontend/names.h"
#include "frontend/parse.h"

typedef struct ProgramFile ProgramFile;
struct ProgramFile {
  AstFile *ast;
  ProgramFile **imports; /* in text order, each once */
  size_t import_count;
  bool standard;          /* of the standard library */
  NameTable declarations; /* by name: Declaration, the first of that name */
};

typedef struct {
  ProgramFile **files; /* a file comes after those that it imports; the standard library first */
  size_t count;
  ProgramFile *main;
  size_t standard_count; /* how many of the files are the standard library's */
} Program;

/* NULL if the file cannot be read. After other errors (syntax, missing imports, imports in a
 * circle), which are reported, the program is not to be resolved or elaborated. */
Program *program_load(Arena *arena, Interner *interner, Diagnostics *diagnostics, const char *path);
/* The same with a text in memory: `file` is in the diagnostics' Sources. */
Program *program_load_text(Arena *arena, Interner *interner, Diagnostics *diagnostics,
                           int32_t file);

/* The DECLARATION_CONST, _DIM or _DEFINITION that `name` (interned) means at the top level of
 * `from`, or NULL; `home` (may be NULL) becomes the file where it stands. A bare name bound by a
 * statement at the top level is no declaration and not found here. */
const Declaration *program_find(const Program *program, const ProgramFile *from, const char *name,
                                const ProgramFile **home);
/* Another import's declaration that `name` could mean as well, or NULL. */
const Declaration *program_find_another(const ProgramFile *from, const char *name);
/* The standard library's alone, as `std.name` asks for. */
const Declaration *program_find_standard(const Program *program, const char *name,
                                         const ProgramFile **home);

/* Checks what can be said of names without elaborating: unknown, defined twice, used before they
 * are bound, never used; layers that contain themselves. False if there was an error. */
bool resolve_program(Arena *arena, Interner *interner, Diagnostics *diagnostics,
                     const Program *program);

#endif
