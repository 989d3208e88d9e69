/* runtime_program.h - dlrt_main in a process of its own, in a folder of its own, with its streams
 * in files. To be included after cmocka. */
#ifndef RUNTIME_PROGRAM_H
#define RUNTIME_PROGRAM_H

#include "runtime/dlrt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/dlrt-test-XXXXXX", home[4096];
static char out[65536], err[65536];

static inline void slurp(const char *name, char *to, size_t size) {
  FILE *file = fopen(name, "rb");
  assert_non_null(file);
  size_t length = fread(to, 1, size - 1, file);
  to[length] = 0;
  fclose(file);
}

static inline void put(const char *name, const char *text, size_t size) {
  FILE *file = fopen(name, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, size, file), size);
  fclose(file);
}

/* The words of `line` are the arguments of a program that runs beside this one. */
static inline pid_t start(const dlrt_model *net, const char *line) {
  char words[1024], *argv[32] = {(char[]){"./net"}};
  int argc = 1;
  snprintf(words, sizeof words, "%s", line);
  for (char *word = strtok(words, " "); word && argc < 31; word = strtok(NULL, " "))
    argv[argc++] = word;
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    if (!freopen("out", "w", stdout) || !freopen("err", "w", stderr)) _exit(99);
    exit(dlrt_main(net, argc, argv));
  }
  return child;
}

/* Its exit code, or 1000 + the signal; what it printed is in `out` and `err`. */
static inline int end(pid_t child) {
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  slurp("out", out, sizeof out);
  slurp("err", err, sizeof err);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline int run(const dlrt_model *net, const char *line) {
  return end(start(net, line));
}

static inline void has(const char *text, const char *part) {
  if (strstr(text, part)) return;
  fail_msg("'%s' is not in:\n%s", part, text);
}

static inline void lacks(const char *text, const char *part) {
  if (strstr(text, part)) fail_msg("'%s' is in:\n%s", part, text);
}

static inline int make_folder(void **state) {
  (void)state;
  unsetenv("DLC_THREADS");
  return !getcwd(home, sizeof home) || !mkdtemp(folder) || chdir(folder);
}

static inline int remove_folder(void **state) {
  (void)state;
  char command[300];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return chdir(home) || system(command);
}

#endif
