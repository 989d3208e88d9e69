/* runtime_folder.h - a folder for a test's files, made before and removed after all of a group's
 * tests. */
#ifndef RUNTIME_FOLDER_H
#define RUNTIME_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/tmp/dlrt-test-XXXXXX";

/* The path of a file there, until the next call. */
static inline const char *in_folder(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static inline int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) == NULL;
}

static inline int remove_folder(void **state) {
  (void)state;
  char command[300];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

#endif
