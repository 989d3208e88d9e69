/* jit.c - an object linked in memory, for `dlc run` and tests: ORC's LLJIT given finished objects.
 */
#include "backend/emit.h"

#include "support/bug.h"

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <stdlib.h>
#include <string.h>

struct Jit {
  Arena *arena;
  LLVMOrcLLJITRef lljit;
};

static const char *take_message(Arena *arena, LLVMErrorRef error) {
  char *message = LLVMGetErrorMessage(error);
  const char *copy = arena_string(arena, message, strlen(message));
  LLVMDisposeErrorMessage(message);
  return copy;
}

static LLVMErrorRef define_symbols(LLVMOrcLLJITRef lljit, const JitSymbol *symbols, size_t count) {
  if (count == 0) return NULL;
  LLVMOrcCSymbolMapPair *pairs = calloc(count, sizeof *pairs);
  if (!pairs) out_of_memory(count * sizeof *pairs);
  for (size_t i = 0; i < count; i++) {
    pairs[i].Name = LLVMOrcLLJITMangleAndIntern(lljit, symbols[i].name);
    pairs[i].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)symbols[i].address;
    pairs[i].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported;
  }
  LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, count);
  LLVMErrorRef error = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(lljit), unit);
  free(pairs);
  return error;
}

static LLVMErrorRef start(Jit *jit, EmitBytes object, const JitSymbol *symbols, size_t count) {
  LLVMErrorRef error = LLVMOrcCreateLLJIT(&jit->lljit, NULL);
  if (error) return error;
  LLVMOrcJITDylibRef main = LLVMOrcLLJITGetMainJITDylib(jit->lljit);
  error = define_symbols(jit->lljit, symbols, count);
  if (error) return error;
  LLVMOrcDefinitionGeneratorRef process;
  error = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
      &process, LLVMOrcLLJITGetGlobalPrefix(jit->lljit), NULL, NULL);
  if (error) return error;
  LLVMOrcJITDylibAddGenerator(main, process);
  LLVMMemoryBufferRef buffer =
      LLVMCreateMemoryBufferWithMemoryRangeCopy(object.bytes, object.length, "model.o");
  return LLVMOrcLLJITAddObjectFile(jit->lljit, main, buffer);
}

Jit *jit_new(Arena *arena, EmitBytes object, const JitSymbol *symbols, size_t count,
             const char **error) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  Jit *jit = ARENA_NEW(arena, Jit);
  jit->arena = arena;
  LLVMErrorRef failed = start(jit, object, symbols, count);
  if (!failed) return jit;
  *error = take_message(arena, failed);
  jit_free(jit);
  return NULL;
}

void *jit_find(Jit *jit, const char *name) {
  LLVMOrcExecutorAddress address = 0;
  LLVMErrorRef error = LLVMOrcLLJITLookup(jit->lljit, &address, name);
  if (error) {
    LLVMConsumeError(error);
    return NULL;
  }
  return (void *)(uintptr_t)address;
}

void jit_free(Jit *jit) {
  if (!jit || !jit->lljit) return;
  LLVMErrorRef error = LLVMOrcDisposeLLJIT(jit->lljit);
  if (error) LLVMConsumeError(error);
  jit->lljit = NULL;
}
