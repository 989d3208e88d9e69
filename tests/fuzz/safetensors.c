#include "runtime/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static volatile unsigned kept; /* so that the reads are made */
  unsigned sum = 0;
  dlrt_safetensors file;
  dlrt_error error;
  if (dlrt_safetensors_read("safetensors", data, size, &file, &error)) return 0;
  for (int i = 0; i < file.count; i++) {
    const dlrt_stored *tensor = dlrt_safetensors_find(&file, file.tensors[i].name);
    if (tensor != &file.tensors[i]) abort(); /* names are there once */
    for (size_t b = 0; b < tensor->bytes; b++) sum += ((const unsigned char *)tensor->data)[b];
  }
  kept = kept + sum;
  dlrt_safetensors_close(&file);
  return 0;
}
