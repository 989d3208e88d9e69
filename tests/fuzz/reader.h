/* reader.h - what the fuzzers of the array readers share: if a reader takes the bytes, its array
 * must be as large as its shape says and readable to its end. */
#ifndef FUZZ_READER_H
#define FUZZ_READER_H

#include "runtime/array.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check_array(dlrt_array *array) {
  unsigned sum = 0;
  if (dlrt_array_bytes(array->element, array->rank, array->shape) != array->bytes) abort();
  for (size_t i = 0; i < array->bytes; i++) sum += ((const unsigned char *)array->data)[i];
  static volatile unsigned kept; /* so that the reads are made */
  kept = sum + kept;
  dlrt_array_free(array);
}

#endif
