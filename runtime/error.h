/* error.h - how a function of the runtime says what went wrong: a status that a program can test
 * and a sentence for a person, which names the file, what was expected and what was found.
 *
 *   return dlrt_fail(error, DLRT_BAD_FILE, "%s: ends after %zu bytes", path, size);
 */
#ifndef DLRT_ERROR_H
#define DLRT_ERROR_H

#include "runtime/dlrt.h"

typedef struct {
  dlrt_status status;
  char text[508];
} dlrt_error;

/* Sets *error (which may be NULL) and returns the status. */
__attribute__((format(printf, 3, 4))) dlrt_status dlrt_fail(dlrt_error *error, dlrt_status status,
                                                            const char *format, ...);

#endif
