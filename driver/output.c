#include "driver/output.h"

#include "backend/leftovers.h"
#include "runtime/file.h"

#include <stdlib.h>
#include <string.h>

bool output_write(Session *session, const char *path, const void *bytes, size_t length) {
  if (strcmp(path, "-") == 0) {
    fwrite(bytes, 1, length, stdout);
    return true;
  }
  dlrt_error error = {0};
  dlrt_output output;
  char *part = dlrt_output_temporary(path);
  leftovers_file(part);
  dlrt_status status = dlrt_output_open(path, &output, &error);
  if (!status) {
    status = dlrt_output_write(&output, bytes, length, &error);
    status = dlrt_output_close(&output, status, &error);
  }
  leftovers_file(NULL);
  free(part);
  if (!status) return true;
  return session_file_failed(session, E0603, path, &error);
}

bool output_text(Session *session, const Text *text) {
  const char *path = option_text(session->options, OPTION_output, "-");
  return output_write(session, path, text->bytes ? text->bytes : "", text->length);
}
