/* leftovers.c - a handler of signals: all that it calls is safe in one. */
#include "backend/leftovers.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic(const char *) folder, file;
static _Atomic(pid_t) child;

/* A folder cannot be listed in a handler; another program can. */
static void remove_folder(const char *path) {
  pid_t remover = fork();
  if (remover == 0) {
    execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
    _exit(1);
  }
  while (remover > 0 && waitpid(remover, NULL, 0) < 0 && errno == EINTR) {
  }
}

static void end(int number) {
  pid_t running = child;
  const char *path = folder, *part = file;
  if (running > 0) {
    kill(running, SIGTERM);
    while (waitpid(running, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  if (part) unlink(part);
  if (path) remove_folder(path);
  raise(number); /* SA_RESETHAND has put its own action back: delivered when this returns */
}

/* What dlc was started to ignore (nohup) stays ignored. */
static void watch(void) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  static bool watched;
  if (watched) return;
  watched = true;
  struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESETHAND | SA_RESTART}, before;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    sigaddset(&action.sa_mask, signals[i]);
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
}

void leftovers_child(pid_t running) {
  child = running;
}
