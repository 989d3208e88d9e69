/* elf.h - constants as a relocatable object of their own, streamed: no pass through LLVM, an
 * assembler or memory; what is moved (ir/move.h) is moved while it is written. */
#ifndef BACKEND_ELF_H
#define BACKEND_ELF_H

#include "ir/data.h"
#include "support/diag.h"

typedef struct {
  const Data *data;
  int64_t offset, length; /* in the symbol; in rising order, zeros between */
} ElfPiece;

/* Most bytes of a symbol: beyond, the small code model cannot reach it. */
#define ELF_MOST_BYTES (INT64_C(1) << 30)

/* Writes `path` (whole or not at all): an ELF64 object for x86-64 that defines `symbol`, hidden,
 * read-only, aligned to 64, of `size` bytes. False and a diagnostic if it cannot be written. */
bool elf_write(const char *path, const char *symbol, int64_t size, const ElfPiece *pieces,
               size_t count, Diagnostics *diagnostics);

/* The file beside a program (runtime/model.h, NAME.weights): a head of `head_size` bytes that
 * begins with `head`, then the same bytes. */
bool weights_write(const char *path, const char *head, int64_t head_size, int64_t size,
                   const ElfPiece *pieces, size_t count, Diagnostics *diagnostics);

#endif
