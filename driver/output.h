/* output.h - results of commands: a file, written whole or not at all, or stdout. */
#ifndef DRIVER_OUTPUT_H
#define DRIVER_OUTPUT_H

#include "driver/session.h"

/* Writes bytes to a path ("-": stdout). False and a diagnostic (E0603) if it cannot be. */
bool output_write(Session *session, const char *path, const void *bytes, size_t length);
/* To -o, or stdout without it. */
bool output_text(Session *session, const Text *text);

#endif
