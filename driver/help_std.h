/* help_std.h - `dlc help std [NAME]`. */
#ifndef DRIVER_HELP_STD_H
#define DRIVER_HELP_STD_H

#include "support/arena.h"

#include <stdbool.h>
#include <stdio.h>

/* The heads of all that the standard library declares, or of one name, with their comments. False
 * if it has no such name; `nearest` (may become NULL) is the one that is like it. */
bool help_std(FILE *to, Arena *arena, const char *only, const char **nearest);
/* The same of all as docs/library.md. */
void help_std_page(FILE *to, Arena *arena);

#endif
