/* link.c - runs the linking driver and binutils. */
#include "backend/link.h"

#include "backend/leftovers.h"
#include "support/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef VEC(const char *) Arguments;

typedef struct {
  Arena *arena;
  const LinkRequest *request;
  const char *folder;
  Diagnostics *diagnostics;
} Linker;

/* ---- files ---- */

const char *link_folder(Arena *arena, Diagnostics *diagnostics) {
  const char *base = getenv("TMPDIR");
  if (!base || !*base) base = "/tmp";
  char *folder = arena_format(arena, "%s/dlc-XXXXXX", base);
  sigset_t before = leftovers_hold();
  int error = mkdtemp(folder) ? 0 : errno;
  if (!error) leftovers_folder(folder);
  leftovers_release(&before);
  if (!error) return folder;
  Diagnostic *d = diag_report(diagnostics, E0603, SPAN_NONE,
                              "no folder for temporary files can be made: %s", strerror(error));
  diag_help(d, "set TMPDIR to a folder that can be written to");
  return NULL;
}

void link_folder_remove(const char *folder) {
  DIR *list = opendir(folder);
  if (!list) return;
  for (struct dirent *entry; (entry = readdir(list));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      unlinkat(dirfd(list), entry->d_name, 0);
  closedir(list);
  rmdir(folder);
  leftovers_folder(NULL);
}

/* ".NAME.tmp" in the same folder. */
static char *temporary_beside(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  int folder = slash ? (int)(slash - path) + 1 : 0;
  return arena_format(arena, "%.*s.%s.tmp", folder, path, path + folder);
}

static bool fail_write(Diagnostics *diagnostics, const char *path, int error) {
  diag_report(diagnostics, E0603, SPAN_NONE, "'%s' cannot be written: %s", path, strerror(error));
  return false;
}

bool link_write(const char *path, const char *bytes, size_t length, Diagnostics *diagnostics) {
  Arena *arena = arena_new();
  const char *temporary = temporary_beside(arena, path);
  FILE *file = fopen(temporary, "wb");
  int error = file ? 0 : errno;
  if (file) {
    if (fwrite(bytes, 1, length, file) != length) error = errno ? errno : EIO;
    if (fclose(file) != 0 && !error) error = errno;
    if (!error && rename(temporary, path) != 0) error = errno;
    if (error) unlink(temporary);
  }
  arena_free(arena);
  return error ? fail_write(diagnostics, path, error) : true;
}

/* ---- other programs ---- */

static const char *read_text(Arena *arena, const char *path) {
  const char *message;
  size_t length;
  const char *text = source_read(arena, path, 1 << 20, &length, &message);
  return text ? text : "";
}

static bool missing_program(Linker *l, const char *name, int error) {
  Diagnostic *d = diag_report(l->diagnostics, E0604, SPAN_NONE, "'%s' cannot be run: %s", name,
                              strerror(error));
  diag_help(d, strcmp(name, "ar") == 0 || strcmp(name, "objcopy") == 0
                   ? "install binutils"
                   : "install a C compiler, or set CC to one; --emit asm, llvm and ir need none");
  return false;
}

static bool failed_program(Linker *l, const char *name, const char *log) {
  Diagnostic *d = diag_report(l->diagnostics, E0605, SPAN_NONE, "'%s' failed on '%s'", name,
                              l->request->output);
  const char *text = read_text(l->arena, log);
  for (int lines = 0; *text && lines < 12; lines++) {
    size_t length = strcspn(text, "\n");
    diag_table(d, "  %.*s", (int)(length < 200 ? length : 200), text);
    text += length + (text[length] == '\n');
  }
  return false;
}

static bool run(Linker *l, Arguments *args) {
  vec_push(l->arena, args, NULL);
  const char *log = arena_format(l->arena, "%s/log", l->folder);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes; /* a group of its own, which a signal can end */
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child;
  sigset_t before = leftovers_hold();
  posix_spawnattr_setsigmask(&attributes, &before);
  int error = posix_spawnp(&child, args->items[0], &actions, &attributes,
                           (char *const *)args->items, environ);
  if (!error) leftovers_child(child);
  leftovers_release(&before);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error) return missing_program(l, args->items[0], error);
  int status = 0, lost = 0;
  while (!lost && waitpid(child, &status, 0) < 0)
    if (errno != EINTR) lost = errno;
  leftovers_child(0);
  if (lost) return missing_program(l, args->items[0], lost);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return missing_program(l, args->items[0], ENOENT);
  return failed_program(l, args->items[0], log);
}

/* $CC may hold options, parted by blanks. */
static void add_driver(Linker *l, Arguments *args) {
  const char *cc = getenv("CC");
  if (!cc || cc[strspn(cc, " ")] == 0) cc = "cc";
  while (*(cc += strspn(cc, " "))) {
    size_t length = strcspn(cc, " ");
    vec_push(l->arena, args, arena_string(l->arena, cc, length));
    cc += length;
  }
}

static void add_all(Linker *l, Arguments *args, const char *const *items, size_t count) {
  for (size_t i = 0; i < count; i++) vec_push(l->arena, args, items[i]);
}
#define ADD(l, args, ...)                                                                          \
  add_all((l), (args), (const char *const[]){__VA_ARGS__},                                         \
          sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* ---- the runtime ---- */

static const char *find_runtime(Linker *l) {
  static const char *const places[] = {"../lib/dlc/libdlrt.a", "libdlrt.a", "../libdlrt.a"};
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length > 0) {
    self[length] = 0;
    int folder = (int)(strrchr(self, '/') - self);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
      const char *path = arena_format(l->arena, "%.*s/%s", folder, self, places[i]);
      if (access(path, R_OK) == 0) return path;
    }
  }
  Diagnostic *d = diag_report(l->diagnostics, E0606, SPAN_NONE, "dlc's runtime library is missing");
  diag_help(d, "libdlrt.a belongs in ../lib/dlc/ seen from dlc; install dlc again");
  return NULL;
}

/* ---- forms ---- */

/* A file of the symbols, one a line; NULL and a diagnostic. */
static const char *symbols_file(Linker *l, const char *name) {
  Text list = text_new(l->arena);
  for (size_t i = 0; i < l->request->symbol_count; i++)
    text_format(&list, "%s\n", l->request->symbols[i]);
  const char *path = arena_format(l->arena, "%s/%s", l->folder, name);
  return link_write(path, text_get(&list), list.length, l->diagnostics) ? path : NULL;
}

static bool link_executable(Linker *l, const char *runtime, const char *to) {
  Arguments args = {0};
  add_driver(l, &args);
  ADD(l, &args, "-o", to);
  add_all(l, &args, l->request->objects, l->request->object_count);
  ADD(l, &args, runtime, "-lm", "-lpthread", "-Wl,--gc-sections", "-Wl,--as-needed",
      "-Wl,--build-id=none", "-Wl,-z,noseparate-code",
      "-Wl,-z,pack-relative-relocs"); /* of tables of names: 7 KiB less */
  if (l->request->symbol_count) {
    const char *path = symbols_file(l, "symbols");
    if (!path) return false;
    ADD(l, &args, arena_format(l->arena, "-Wl,--retain-symbols-file=%s", path));
  }
  return run(l, &args);
}

/* A version script keeps everything inside but the header's names. */
static bool link_shared(Linker *l, const char *runtime, const char *to) {
  Text script = text_new(l->arena);
  text_string(&script, "{ global:");
  for (size_t i = 0; i < l->request->symbol_count; i++)
    text_format(&script, " %s;", l->request->symbols[i]);
  text_string(&script, " local: *; };\n");
  const char *path = arena_format(l->arena, "%s/exports", l->folder);
  if (!link_write(path, text_get(&script), script.length, l->diagnostics)) return false;
  const char *slash = strrchr(l->request->output, '/');
  Arguments args = {0};
  add_driver(l, &args);
  ADD(l, &args, "-shared", "-o", to);
  add_all(l, &args, l->request->objects, l->request->object_count);
  ADD(l, &args, runtime, "-lm", "-lpthread", "-Wl,--gc-sections", "-Wl,--as-needed",
      "-Wl,--build-id=none", "-Wl,-z,defs", arena_format(l->arena, "-Wl,--version-script=%s", path),
      arena_format(l->arena, "-Wl,-soname,%s", slash ? slash + 1 : l->request->output));
  return run(l, &args);
}

/* All in one object, of which only the header's names are seen. */
static bool link_object(Linker *l, const char *runtime, const char *to) {
  const char *whole = arena_format(l->arena, "%s/whole.o", l->folder);
  Arguments join = {0};
  add_driver(l, &join);
  ADD(l, &join, "-r", "-nostdlib", "-o", whole);
  add_all(l, &join, l->request->objects, l->request->object_count);
  ADD(l, &join, runtime, "-Wl,--build-id=none");
  if (!run(l, &join)) return false;
  const char *path = symbols_file(l, "keep");
  if (!path) return false;
  Arguments localize = {0};
  ADD(l, &localize, "objcopy", arena_format(l->arena, "--keep-global-symbols=%s", path), whole, to);
  return run(l, &localize);
}

static bool link_static(Linker *l, const char *runtime, const char *to) {
  const char *slash = strrchr(l->request->output, '/');
  const char *base = slash ? slash + 1 : l->request->output;
  if (strncmp(base, "lib", 3) == 0) base += 3;
  const char *object =
      arena_format(l->arena, "%s/%.*s.o", l->folder, (int)strcspn(base, "."), base);
  if (!link_object(l, runtime, object)) return false;
  const char *archive = arena_format(l->arena, "%s/archive.a", l->folder);
  Arguments args = {0};
  ADD(l, &args, "ar", "rcsD", archive, object);
  if (!run(l, &args)) return false;
  Arguments move = {0};
  ADD(l, &move, "cp", archive, to);
  return run(l, &move);
}

/* A device or a pipe is written to: renaming would put a file in its place. */
static bool is_special(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && !S_ISREG(about.st_mode);
}

static bool copy_to(Linker *l, const char *from, const char *path) {
  char bytes[1 << 16];
  FILE *source = fopen(from, "rb"), *to = source ? fopen(path, "wb") : NULL;
  int error = to ? 0 : errno;
  for (size_t got; !error && (got = fread(bytes, 1, sizeof bytes, source)) > 0;)
    if (fwrite(bytes, 1, got, to) != got) error = errno ? errno : EIO;
  if (!error && ferror(source)) error = EIO;
  if (to && fclose(to) != 0 && !error) error = errno;
  if (source) fclose(source);
  return error ? fail_write(l->diagnostics, path, error) : true;
}

bool link_program(Arena *arena, const LinkRequest *request, const char *folder,
                  Diagnostics *diagnostics) {
  Linker l = {arena, request, folder, diagnostics};
  const char *runtime = find_runtime(&l);
  if (!runtime) return false;
  bool done = false, special = is_special(request->output);
  char *to =
      special ? arena_format(arena, "%s/linked", folder) : temporary_beside(arena, request->output);
  if (!special) leftovers_file(to);
  switch (request->form) {
  case LINK_EXECUTABLE:
    done = link_executable(&l, runtime, to);
    break;
  case LINK_SHARED:
    done = link_shared(&l, runtime, to);
    break;
  case LINK_STATIC:
    done = link_static(&l, runtime, to);
    break;
  case LINK_OBJECT:
    done = link_object(&l, runtime, to);
    break;
  }
  if (special)
    done = done && copy_to(&l, to, request->output);
  else if (done && rename(to, request->output) != 0)
    done = fail_write(diagnostics, request->output, errno);
  if (!done || special) unlink(to);
  leftovers_file(NULL);
  return done;
}
