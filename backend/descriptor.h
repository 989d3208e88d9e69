/* descriptor.h - the kernels of a program, its constant dlrt_model, and the C functions around it.
 *
 *   emit_programs(e, programs, (DescriptorOptions){.source = "lenet.dl", .wrappers = true});
 *
 * Symbols: NAME_model, the table of the highest CPU level, and NAME_model_v3 .. of further ones;
 * NAME_constants is wanted from outside (elf.h writes it, the JIT is given it) if there are
 * constants and they do not lie beside. With `wrappers` the functions that header.h declares:
 * NAME_open .. and one for each entry; with `main` the program's main.
 */
#ifndef BACKEND_DESCRIPTOR_H
#define BACKEND_DESCRIPTOR_H

#include "backend/emit.h"
#include "backend/program.h"

typedef struct {
  const char *source;         /* "lenet.dl" */
  const char *source_hash;    /* SHA-256, hex */
  const char *constants_hash; /* likewise; "" without constants */
  bool beside;                /* constants lie in NAME.weights */
  int thread_limit;           /* 0: none; 1: no pool is linked */
  bool wrappers, main;
  /* What the weights' file says of its data (metadata dlc.inputs, dlc.classes); NULL: nothing. */
  const char *inputs, *classes;
  const char *vocabulary; /* its text, of programs that know texts; NULL: none */
} DescriptorOptions;

void emit_programs(Emission *e, NativePrograms programs, DescriptorOptions options);

/* A function of its own calls it; `init` is called by NAME_init(context, seed). */
bool entry_is_called(const ProgramEntry *entry);
/* Is NAME_`name` made: open, close, init, load, save, seed, count, at, find, text, detail? */
bool wrapper_is_made(const NativeProgram *program, DescriptorOptions options, const char *name);
/* The symbols that matter: of a library those that its header declares, all others are made local;
 * of an executable the kernels', which debuggers and profilers show. */
const char *const *program_symbols(Arena *arena, NativePrograms programs, DescriptorOptions options,
                                   size_t *count);

#endif
