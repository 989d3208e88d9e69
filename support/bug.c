#include "support/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool (*bug_hook)(void);

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
  bool (*hook)(void) = bug_hook;
  bug_hook = NULL; /* a bug inside the hook must not come back here */
  bool written = hook && hook();
  fprintf(stderr, "This is a bug in dlc %s, not in your network. Please report it%s.\n",
          DLC_VERSION, written ? " with the graph" : "");
  exit(70);
}

void out_of_memory(size_t wanted) {
  fprintf(stderr, "dlc: error: no memory left (%zu bytes wanted)\n", wanted);
  exit(1);
}
