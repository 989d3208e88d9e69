#include "tests/fuzz/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int element = DLRT_F32; element <= DLRT_I64; element += DLRT_I64 - DLRT_F32) {
    dlrt_file file = {data, size, DLRT_BORROWED};
    dlrt_array array = {0};
    dlrt_error error;
    if (dlrt_csv_read("csv", &file, (dlrt_element)element, &array, &error) == DLRT_OK)
      check_array(&array);
  }
  return 0;
}
