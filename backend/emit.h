/* emit.h - loop IR to LLVM IR, and that to objects, assembly and running code.
 *
 *   Emission *e = emission_new(arena, &target, (EmitOptions){.source = "lenet.dl", .level = 2});
 *   emit_kernel(e, kernel);                 for each; then emit_program (program.h)
 *   emission_object(e, &object);            or _assembly, _llvm
 *   emission_free(e);                       LLVM's memory is not the arena's
 *
 * Output is a function of the input alone. Kernels are hidden functions of their loop IR's name
 * with the signature of dlrt_kernel (runtime/model.h).
 */
#ifndef BACKEND_EMIT_H
#define BACKEND_EMIT_H

#include "backend/loop.h"
#include "backend/target.h"

typedef struct Emission Emission;

typedef struct {
  const char *source;  /* the file that DWARF names: "lenet.dl" */
  int level;           /* -O: 0 to 2 */
  bool no_debug;       /* no DWARF */
  bool public_kernels; /* kernels are seen outside of the object: for tests and the JIT */
} EmitOptions;

typedef struct {
  const char *bytes; /* in the arena */
  size_t length;
} EmitBytes;

Emission *emission_new(Arena *arena, const Target *target, EmitOptions options);
void emission_free(Emission *e);

/* What follows is code for this target, of the same architecture: one object holds several. */
void emission_target(Emission *e, const Target *target);
void emit_kernel(Emission *e, const LoopKernel *kernel);
/* Each may be asked for once or more, in any order, after the last kernel. */
EmitBytes emission_llvm(Emission *e);     /* as emitted */
EmitBytes emission_assembly(Emission *e); /* Intel syntax */
EmitBytes emission_object(Emission *e);

/* ---- running in memory ---- */

typedef struct Jit Jit;

typedef struct {
  const char *name;
  void *address;
} JitSymbol;

/* Links an object in memory against `symbols` and the process's own libm. NULL and a bug-free
 * message in *error if a symbol is missing. */
Jit *jit_new(Arena *arena, EmitBytes object, const JitSymbol *symbols, size_t count,
             const char **error);
void *jit_find(Jit *jit, const char *name); /* NULL: no such symbol */
void jit_free(Jit *jit);

#endif
