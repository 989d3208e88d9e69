#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>

dlrt_status dlrt_fail(dlrt_error *error, dlrt_status status, const char *format, ...) {
  if (!error) return status;
  error->status = status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  return status;
}

const char *dlrt_text(dlrt_status status) {
  switch (status) {
  case DLRT_OK:
    return "done";
  case DLRT_BAD_DIM:
    return "a dim is out of its bounds";
  case DLRT_BAD_INDEX:
    return "an index is out of range";
  case DLRT_BAD_ARGUMENT:
    return "an argument is invalid";
  case DLRT_NO_MEMORY:
    return "there is not enough memory";
  case DLRT_NO_FILE:
    return "a file cannot be opened";
  case DLRT_BAD_FILE:
    return "a file does not hold what is needed";
  case DLRT_NO_SPACE:
    return "a file cannot be written";
  case DLRT_BAD_CPU:
    return "this machine's CPU lacks what the model was built for";
  }
  return "unknown status";
}
