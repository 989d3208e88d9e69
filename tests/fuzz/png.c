#include "tests/fuzz/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  dlrt_file file = {data, size, DLRT_BORROWED};
  dlrt_array array = {0};
  dlrt_error error;
  if (dlrt_png_read("png", &file, &array, &error) == DLRT_OK) check_array(&array);
  return 0;
}
