/* link.h - from objects to what a user asked for, by the system's own driver (`cc`, or $CC) and
 * binutils. Temporary files lie in $TMPDIR; outputs appear whole or not at all, and
 * a signal leaves neither (leftovers.h). */
#ifndef BACKEND_LINK_H
#define BACKEND_LINK_H

#include "support/diag.h"

#include <stdbool.h>

typedef enum {
  LINK_EXECUTABLE, /* its symbol table holds `symbols` alone, or all if there are none */
  LINK_SHARED,     /* exports `symbols` alone */
  LINK_STATIC,     /* an archive of one object; all but `symbols` made local */
  LINK_OBJECT      /* that object itself */
} LinkForm;

typedef struct {
  LinkForm form;
  const char *output;
  const char *const *objects;
  size_t object_count;
  const char *const *symbols;
  size_t symbol_count;
} LinkRequest;

/* A folder for the objects; NULL and a diagnostic. link_folder_remove deletes it and its files. */
const char *link_folder(Arena *arena, Diagnostics *diagnostics);
void link_folder_remove(const char *folder);
/* Writes a file, whole or not at all. */
bool link_write(const char *path, const char *bytes, size_t length, Diagnostics *diagnostics);

/* Links the objects and libdlrt.a, which is found from the place of the running dlc: beside its
 * build's dlc, or ../lib/dlc. `folder`: link_folder's. */
bool link_program(Arena *arena, const LinkRequest *request, const char *folder,
                  Diagnostics *diagnostics);

#endif
