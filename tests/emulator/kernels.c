#include "tests/emulator/kernels.h"

#include "tests/emulator/emulator.h"
#include "tests/tools/native.h"

#include <stdio.h>
#include <stdlib.h>

static void call(dlrt_kernel *kernel, void *const *operands, const int64_t *dims, int64_t first,
                 int64_t end, dlrt_worker *worker) {
  union {
    dlrt_kernel *kernel;
    void (*function)(void);
  } code = {kernel};
  const uint64_t arguments[6] = {(uintptr_t)operands, (uintptr_t)dims, (uint64_t)first,
                                 (uint64_t)end, (uintptr_t)worker};
  emulator_call(code.function, arguments);
}

void emulate_kernels(const char *folder) {
  const char *error;
  if (!emulator_open(folder, &error)) {
    printf("%s: %s\n", folder, error);
    exit(2);
  }
  native_caller = call;
}
