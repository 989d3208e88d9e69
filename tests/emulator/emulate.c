/* emulate - runs a program of this machine on the emulated CPU of emulator.h, as valgrind would:
 *
 *   emulate FOLDER PROGRAM [ARGUMENT ..]      FOLDER is fetch.sh's
 *
 * The program and its loader are mapped into this process and start as the kernel would start them;
 * glibc finds a CPU with AVX-512 and takes its own code for it. System calls go to the kernel as
 * they are, but for those that would change what is the emulator's: threads, signals, new programs.
 */
#include "tests/emulator/emulator.h"

#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, STACK_BYTES = 16 << 20, MOST_WORDS = 1 << 16 };

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "emulate: %s: %s\n", what, why);
  exit(70);
}

static uint64_t number_of(const void *pointer) {
  return (uint64_t)(uintptr_t)pointer;
}

/* ---- the program's image ---- */

typedef struct {
  uint64_t base, entry, headers, header_count;
  char interpreter[256];
} Image;

static void map_segment(int file, const Elf64_Phdr *p, char *base, const char *path) {
  uint64_t skew = p->p_vaddr % PAGE;
  int protection = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
                   (p->p_flags & PF_X ? PROT_EXEC : 0);
  char *start = base + p->p_vaddr - skew, *of_file = base + p->p_vaddr + p->p_filesz;
  char *end = base + p->p_vaddr + p->p_memsz;
  if (p->p_filesz && mmap(start, p->p_filesz + skew, protection, MAP_PRIVATE | MAP_FIXED, file,
                          (off_t)(p->p_offset - skew)) == MAP_FAILED)
    fail(path, strerror(errno));
  if (p->p_memsz <= p->p_filesz) return;
  char *page = of_file + (PAGE - number_of(of_file) % PAGE) % PAGE;
  if (end > page && mmap(page, (size_t)(end - page), protection,
                         MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
    fail(path, strerror(errno));
  if (p->p_filesz) memset(of_file, 0, (size_t)(page - of_file)); /* as glibc counts on */
}

static Image map_image(const char *path) {
  Image image = {0};
  Elf64_Ehdr header;
  Elf64_Phdr p[64];
  uint64_t end = 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, strerror(errno));
  if (pread(file, &header, sizeof header, 0) != sizeof header ||
      memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_type != ET_DYN || header.e_phnum > 64)
    fail(path, "not a program of position-independent code");
  size_t bytes = header.e_phnum * sizeof *p;
  if (pread(file, p, bytes, (off_t)header.e_phoff) != (ssize_t)bytes) fail(path, "too short");
  for (int i = 0; i < header.e_phnum; i++)
    if (p[i].p_type == PT_LOAD && p[i].p_vaddr + p[i].p_memsz > end)
      end = p[i].p_vaddr + p[i].p_memsz;
  char *base = mmap(NULL, end, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) fail(path, strerror(errno));
  for (int i = 0; i < header.e_phnum; i++) {
    if (p[i].p_type == PT_LOAD) map_segment(file, &p[i], base, path);
    if (p[i].p_type == PT_INTERP && p[i].p_filesz < sizeof image.interpreter &&
        pread(file, image.interpreter, p[i].p_filesz, (off_t)p[i].p_offset) < 0)
      fail(path, strerror(errno));
  }
  close(file);
  image.base = number_of(base);
  image.entry = image.base + header.e_entry;
  image.headers = image.base + header.e_phoff;
  image.header_count = header.e_phnum;
  return image;
}

/* ---- its first stack: the arguments, the environment, what the kernel tells ---- */

static uint64_t make_stack(const Image *program, const Image *loader, char **arguments) {
  static uint64_t words[MOST_WORDS];
  size_t count = 1;
  for (; arguments[count - 1] && count < MOST_WORDS / 2; count++)
    words[count] = number_of(arguments[count - 1]);
  words[0] = count - 1;
  words[count++] = 0;
  for (char **e = environ; *e && count < MOST_WORDS - 64; e++) words[count++] = number_of(*e);
  words[count++] = 0;
  const uint64_t tells[][2] = {
      {AT_PHDR, program->headers},
      {AT_PHENT, sizeof(Elf64_Phdr)},
      {AT_PHNUM, program->header_count},
      {AT_PAGESZ, PAGE},
      {AT_BASE, loader->base},
      {AT_ENTRY, program->entry},
      {AT_UID, getuid()},
      {AT_EUID, geteuid()},
      {AT_GID, getgid()},
      {AT_EGID, getegid()},
      {AT_SECURE, 0},
      {AT_CLKTCK, 100},
      {AT_RANDOM, getauxval(AT_RANDOM)},
      {AT_EXECFN, number_of(arguments[0])},
      {AT_NULL, 0},
  };
  memcpy(&words[count], tells, sizeof tells);
  count += sizeof tells / sizeof **tells;
  char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) fail("stack", strerror(errno));
  char *top = stack + STACK_BYTES - count * sizeof *words;
  top -= number_of(top) % 64;
  memcpy(top, words, count * sizeof *words);
  return number_of(top);
}

/* ---- system calls ---- */

static uint64_t error(int number) {
  return (uint64_t) - (int64_t)number;
}

static uint64_t answer(uint64_t number, const uint64_t a[6]) {
  cpu_set_t *cpus;
  switch (number) {
  case SYS_exit:
  case SYS_exit_group:
    _exit((int)a[0]);
  case SYS_arch_prctl:
    if (a[0] != ARCH_SET_FS) return error(EINVAL);
    emulator_set_thread(a[1]);
    return 0;
  case SYS_brk:
    return 0; /* no heap grows there: malloc takes pages instead */
  case SYS_rseq:
  case SYS_set_robust_list:
  case SYS_clone:
  case SYS_clone3:
  case SYS_fork:
  case SYS_vfork:
  case SYS_execve:
  case SYS_execveat:
    return error(ENOSYS);
  case SYS_set_tid_address:
    return (uint64_t)gettid();
  case SYS_rt_sigaction:
  case SYS_rt_sigprocmask:
  case SYS_sigaltstack:
    return 0; /* no signal comes */
  case SYS_sched_getaffinity:
    if (a[1] < sizeof *cpus) return error(EINVAL);
    memcpy(&cpus, &a[2], sizeof cpus);
    CPU_ZERO(cpus);
    CPU_SET(0, cpus);
    return sizeof *cpus;
  default:
    break;
  }
  long result = syscall((long)number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (number == SYS_mmap || number == SYS_mremap) emulator_see_memory();
  return result == -1 ? error(errno) : (uint64_t)result;
}

int main(int argc, char **argv) {
  const char *why;
  if (argc < 3) fail("usage", "emulate FOLDER PROGRAM [ARGUMENT ..]");
  if (!emulator_open(argv[1], &why)) fail(argv[1], why);
  Image program = map_image(argv[2]);
  if (!*program.interpreter) fail(argv[2], "a static program");
  Image loader = map_image(program.interpreter);
  emulator_run(loader.entry, make_stack(&program, &loader, argv + 2), answer);
}
