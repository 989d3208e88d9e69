#include "support/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void (*bug_hook)(const char *message);

void bug_at(const char *file, int line, const char *format, ...) {
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  /* __FILE__ may be absolute; two last parts are enough to find the place. */
  const char *name = strrchr(file, '/');
  while (name && name > file && name[-1] != '/') name--;
  fprintf(stderr, "dlc: internal error: %s (%s:%d)\n", message, name ? name : file, line);
  void (*hook)(const char *) = bug_hook;
  bug_hook = NULL; /* a bug inside the hook must not come back here */
  if (hook) hook(message);
  fprintf(stderr, "This is a bug in dlc %s, not in your network. Please report it.\n", DLC_VERSION);
  exit(70);
}

void out_of_memory(size_t wanted) {
  fprintf(stderr, "dlc: error: no memory left (%zu bytes wanted)\n", wanted);
  exit(1);
}
