/* standard.h - the standard library's texts, which are inside the compiler (frontend/std). */
#ifndef FRONTEND_STANDARD_H
#define FRONTEND_STANDARD_H

#include <stddef.h>

typedef struct {
  const char *name; /* "std.dl" */
  const char *bytes;
  size_t length;
} StandardFile;

extern const StandardFile standard_files[];
extern const size_t standard_file_count;

#endif
