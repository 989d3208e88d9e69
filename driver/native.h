/* native.h - from planned graph IR to machine code, for `build` and `run`. */
#ifndef DRIVER_NATIVE_H
#define DRIVER_NATIVE_H

#include "backend/descriptor.h"
#include "backend/elf.h"
#include "driver/compile.h"

typedef struct {
  Compilation *compilation;
  NativePrograms programs;      /* for each CPU */
  const NativeProgram *program; /* for the highest */
  const char *symbol;           /* first part of every C symbol */
  const char *source;           /* "lenet.dl" */
  const char *source_hash, *constants_hash;
  ElfPiece *pieces; /* of the constants */
  size_t piece_count;
  double lower_ms, llvm_ms, object_ms;
} Native;

/* Reports what there is no machine code for yet. */
bool native_is_possible(const Compilation *compilation);
/* Lowers the module; the pipeline has run. */
Native native_new(Compilation *compilation);
/* Machine code in memory: kernels, descriptor, and the C functions or a main. `form`: what to give.
 */
typedef enum { NATIVE_OBJECT, NATIVE_ASSEMBLY, NATIVE_LLVM } NativeForm;
typedef struct {
  NativeForm form;
  bool main, wrappers, beside, public_kernels;
} NativeOptions;
EmitBytes native_emit(Native *native, NativeOptions options);
DescriptorOptions native_descriptor(const Native *native, NativeOptions options);

#endif
