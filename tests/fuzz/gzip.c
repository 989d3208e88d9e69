#include "runtime/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  dlrt_file file = {data, size, DLRT_BORROWED};
  dlrt_error error;
  dlrt_file_gunzip("gzip", &file, &error);
  dlrt_file_close(&file);
  return 0;
}
