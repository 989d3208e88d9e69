/* native.h - runs a planned module's entry as machine code in this process, without the runtime:
 * for tests that compare kernels with the reference interpreter. */
#ifndef TESTS_NATIVE_H
#define TESTS_NATIVE_H

#include "backend/program.h"
#include "backend/target.h"
#include "ir/interpret.h"
#include "runtime/model.h"

/* A step that can be run again. */
typedef struct {
  const ProgramStep *step;
  dlrt_kernel *kernel;
  void *operands[128];
  int64_t trips;
} NativeStep;

typedef struct {
  Arena *arena;
  const int64_t *dims; /* by symbol number, then seed and call */
  int parts;           /* each step's trips are split into as many calls, last part first */
  const RunTensor *inputs;
  RunTensor *outputs; /* made here */
  /* of parameters without data; fills bytes */
  void (*tensor)(const char *name, Element element, void *bytes, int64_t count);
  /* Called at the end, after a fault too, with the memory of each of those, if not NULL. */
  void (*kept)(void *user, const Tensor *tensor, const void *bytes);
  /* Called after the first time, which was checked for faults, if not NULL. */
  void (*again)(void *user, const NativeStep *steps, size_t count, dlrt_worker *worker);
  void *user;
  bool faulted;           /* a kernel met an index out of range, and the run ended after it */
  double compile_seconds; /* LLVM's, from loop IR to an object; and the object's size */
  size_t object_bytes;
  const char *message; /* what failed */
} NativeRun;

/* The kernels of an entry (NULL: of all) as code, to be called several times. `run` gives the
 * arena, and gets what compiling says; NULL if it fails. */
typedef struct NativeCode NativeCode;
NativeCode *native_open(const Module *module, const Function *function, const Target *target,
                        int level, NativeRun *run);
bool native_call(const NativeCode *code, const Function *function, NativeRun *run);
void native_close(NativeCode *code);

/* How a kernel is called; NULL: as it is. */
typedef void NativeCaller(dlrt_kernel *kernel, void *const *operands, const int64_t *dims,
                          int64_t first, int64_t end, dlrt_worker *worker);
extern NativeCaller *native_caller;

/* All three at once. */
bool native_run(const Module *module, const Function *function, const Target *target, int level,
                NativeRun *run);

#endif
