/* leftovers.c - a handler of signals: all that it calls is safe in one. */
#include "backend/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic(const char *) folder, file;
static _Atomic(pid_t) child;

/* Of a flat folder. By the system's own calls: opendir and fork take locks that the program may
 * hold. */
static void remove_folder(const char *path) {
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  union {
    struct dirent64 first; /* its alignment */
    char bytes[4096];
  } list;
  for (ssize_t size; (size = getdents64(directory, list.bytes, sizeof list.bytes)) > 0;)
    for (ssize_t at = 0; at < size;) {
      const struct dirent64 *entry = (const struct dirent64 *)(list.bytes + at);
      unlinkat(directory, entry->d_name, 0); /* not . and .., which are folders */
      at += entry->d_reclen;
    }
  close(directory);
  rmdir(path);
}

static void end(int number) {
  pid_t running = child;
  const char *path = folder, *part = file;
  if (running > 0) {
    kill(-running, SIGTERM); /* and what it has started */
    while (waitpid(running, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  if (part) unlink(part);
  if (path) remove_folder(path);
  signal(number, SIG_DFL);
  raise(number); /* delivered when this returns */
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static void watch_set(sigset_t *set) {
  sigemptyset(set);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(set, signals[i]);
}

/* What dlc was started to ignore (nohup) stays ignored. */
static void watch(void) {
  static bool watched;
  if (watched) return;
  watched = true;
  /* No SA_RESETHAND: a second signal (timeout sends two) that comes when the first one's action is
   * reset and it is not blocked yet would end dlc before its handler has run. */
  struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART}, before;
  watch_set(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
      sigaction(signals[i], &action, NULL);
}

void leftovers_folder(const char *path) {
  folder = path;
  watch();
}

void leftovers_file(const char *path) {
  file = path;
  watch();
}

void leftovers_child(pid_t running) {
  child = running;
}

sigset_t leftovers_hold(void) {
  sigset_t set, before;
  watch_set(&set);
  sigprocmask(SIG_BLOCK, &set, &before);
  return before;
}

void leftovers_release(const sigset_t *before) {
  sigprocmask(SIG_SETMASK, before, NULL);
}
