/* emulator.c - Bochs's CPU on this process's memory.
 *
 * The guest is in 64-bit mode at ring 0, so that `hlt` may end a call, and its linear addresses are
 * the process's. Its page tables map whole GiB: each GiB that holds a mapping gets the next GiB of
 * physical memory, of which Bochs asks for every page once (`give_page`). */
#include "tests/emulator/emulator.h"

#include <asm/prctl.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, GIB_SHIFT = 30, STACK_BYTES = 8 << 20, HOOKS = 32 };
static const uint64_t tables_start =
    1ull << 39; /* of the page tables; physical addresses have 40 bits */

/* ---- what is called of the library: Bochs's CPU, and bochscpu's way of running it ---- */

typedef struct {
  void *context;
  void (*functions[HOOKS])(void);
} Hooks;
enum { HOOK_HLT = 1, HOOK_EXCEPTION = 9 };

static void *(*cpu_new)(uint32_t id);
static void (*cpu_run)(void *cpu, Hooks **hooks);
static void (*cpu_stop)(void *cpu);
static void (*memory_missing)(void (*handler)(uint64_t physical));
static void (*memory_insert)(uint64_t physical, void *page);
static void (*set_cr0)(uint32_t id, uint32_t value);
static void (*set_cr3)(uint32_t id, uint64_t value);
static void (*set_cr4)(uint32_t id, uint64_t value);
static void (*set_efer)(uint32_t id, uint32_t value);
static void (*set_xcr0)(uint32_t id, uint32_t value);
static void (*set_star)(uint32_t id, uint64_t value);
static void (*set_lstar)(uint32_t id, uint64_t value);
static void (*set_eflags)(uint32_t id, uint32_t value);
static void (*set_segment)(uint32_t id, uint32_t number, uint32_t present, uint16_t selector,
                           uint64_t base, uint32_t limit, uint16_t attributes);
static void (*set_mode)(uint32_t id);
static void (*set_pc)(uint32_t id, uint64_t value);
static void (*set_sp)(uint32_t id, uint64_t value);
static void (*set_register)(uint32_t id, uint32_t number, uint64_t value);
static uint64_t (*get_pc)(uint32_t id);
static uint64_t (*get_register)(uint32_t id, uint32_t number);
static uint64_t (*get_cr2)(uint32_t id);

static const struct {
  const char *name;
  void *function; /* a pointer to one of the above */
} imports[] = {
    {"bochscpu_cpu_new", &cpu_new},
    {"bochscpu_cpu_run", &cpu_run},
    {"bochscpu_cpu_stop", &cpu_stop},
    {"bochscpu_mem_missing_page", &memory_missing},
    {"bochscpu_mem_page_insert", &memory_insert},
    {"cpu_set_cr0", &set_cr0},
    {"cpu_set_cr3", &set_cr3},
    {"cpu_set_cr4", &set_cr4},
    {"cpu_set_efer", &set_efer},
    {"cpu_set_xcr0", &set_xcr0},
    {"cpu_set_star", &set_star},
    {"cpu_set_lstar", &set_lstar},
    {"cpu_set_eflags", &set_eflags},
    {"cpu_set_seg", &set_segment},
    {"cpu_set_mode", &set_mode},
    {"cpu_set_pc", &set_pc},
    {"cpu_set_sp", &set_sp},
    {"cpu_set_reg64", &set_register},
    {"cpu_get_pc", &get_pc},
    {"cpu_get_reg64", &get_register},
    {"cpu_get_cr2", &get_cr2},
};

static bool load(const char *folder, const char **error) {
  char path[1024];
  /* first what the library needs of Python, which is never called, and of glibc */
  snprintf(path, sizeof path, "%s/imports.so", folder);
  void *needed = dlopen(path, RTLD_NOW | RTLD_GLOBAL), *library = NULL;
  void **told = needed ? dlsym(needed, "bochscpu_library") : NULL;
  if (told) {
    snprintf(path, sizeof path, "%s/bochscpu.so", folder);
    library = *told = dlopen(path, RTLD_LAZY);
  }
  if (!library) *error = dlerror();
  for (size_t i = 0; library && i < sizeof imports / sizeof *imports; i++) {
    void *symbol = dlsym(library, imports[i].name);
    if (!symbol) {
      *error = imports[i].name;
      return false;
    }
    memcpy(imports[i].function, &symbol, sizeof symbol);
  }
  return library != NULL;
}

/* ---- memory ---- */

static struct {
  uint64_t *top, *tables[512];
  uint64_t next_table; /* physical */
  uint64_t gibs[511];  /* linear, by physical number less one */
  unsigned gib_count;
} paging;

static void *map(size_t bytes, int protection) {
  void *memory = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) return memory;
  perror("emulator");
  exit(70);
}

static uint64_t new_table(uint64_t **table) {
  uint64_t physical = paging.next_table;
  *table = map(PAGE, PROT_READ | PROT_WRITE);
  memory_insert(physical, *table);
  paging.next_table += PAGE;
  return physical;
}

static void see_gib(uint64_t gib) {
  enum { PRESENT_WRITABLE = 3, LARGE = 0x80 };
  uint64_t upper = gib >> 9, lower = gib & 511;
  if (!paging.tables[upper])
    paging.top[upper] = new_table(&paging.tables[upper]) | PRESENT_WRITABLE;
  if (paging.tables[upper][lower]) return;
  if (paging.gib_count == sizeof paging.gibs / sizeof *paging.gibs) {
    fprintf(stderr, "emulator: memory lies in too many places\n");
    exit(70);
  }
  paging.gibs[paging.gib_count++] = gib;
  paging.tables[upper][lower] = (uint64_t)paging.gib_count << GIB_SHIFT | LARGE | PRESENT_WRITABLE;
}

void emulator_see_memory(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  uint64_t start, end;
  char line[1024];
  while (maps && fgets(line, sizeof line, maps)) {
    if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2 || start >> 47) continue;
    for (uint64_t gib = start >> GIB_SHIFT; gib <= (end - 1) >> GIB_SHIFT; gib++) see_gib(gib);
  }
  if (maps) fclose(maps);
}

static _Noreturn void give_up(const char *what, uint64_t address) {
  uint64_t pc = get_pc(0);
  fprintf(stderr, "emulator: %s %#" PRIx64 ", at %#" PRIx64, what, address, pc);
  Dl_info info;
  void *at;
  memcpy(&at, &pc, sizeof at);
  if (dladdr(at, &info) && info.dli_sname) fprintf(stderr, " in %s", info.dli_sname);
  fputc('\n', stderr);
  exit(70);
}

static void give_page(uint64_t physical) {
  uint64_t number = physical >> GIB_SHIFT;
  if (number == 0 || number > paging.gib_count) give_up("no memory at physical", physical);
  uint64_t linear = paging.gibs[number - 1] << GIB_SHIFT;
  linear += physical & ((1ull << GIB_SHIFT) - PAGE);
  void *page;
  memcpy(&page, &linear, sizeof page);
  if (msync(page, PAGE, MS_ASYNC) && errno == ENOMEM) give_up("no memory at", linear);
  memory_insert(physical & ~(uint64_t)(PAGE - 1), page);
}

/* ---- the CPU ---- */

static void *cpu;
static Hooks hooks;
static char *stack;
static uint64_t call_entry, call_end, system_call; /* addresses of the code below */

static const unsigned char code[] = {
    0xff, 0xd0,       /* call *%rax */
    0xf4, 0xeb, 0xfd, /* hlt, again if it goes on */
    0xf4, 0xeb, 0xfd, /* what `syscall` jumps to */
};

static void on_hlt(void *context, uint32_t id) {
  (void)context, (void)id;
  cpu_stop(cpu);
}

static void on_exception(void *context, uint32_t id, uint32_t vector, uint32_t error) {
  enum { PAGE_FAULT = 14 };
  (void)context, (void)id, (void)error;
  if (vector == PAGE_FAULT) give_up("no memory at", get_cr2(0));
  give_up("exception", vector);
}

static void run(void) {
  Hooks *all[] = {&hooks, NULL};
  cpu_run(cpu, all);
}

void emulator_set_thread(uint64_t base) {
  enum { FS = 4, DATA = 0xcf93 };
  set_segment(0, FS, 1, 0x10, base, 0xffffffff, DATA);
}

bool emulator_open(const char *folder, const char **error) {
  enum { SEGMENTS = 6, CS = 1, CODE_64 = 0xaf9b, DATA = 0xcf93 };
  if (!load(folder, error)) return false;
  cpu = cpu_new(0);
  memory_missing(give_page);
  paging.next_table = tables_start;
  set_cr3(0, new_table(&paging.top));
  set_cr0(0, 0x80010033); /* protected mode, paging, SSE */
  set_cr4(0, 0x40620);    /* PAE, SSE with its exceptions, XSAVE */
  set_efer(0, 0x501);     /* long mode, `syscall` */
  set_xcr0(0, 0xe7);      /* x87, SSE, AVX, AVX-512 */
  for (uint32_t i = 0; i < SEGMENTS; i++)
    set_segment(0, i, 1, i == CS ? 8 : 0x10, 0, 0xffffffff, i == CS ? CODE_64 : DATA);
  set_eflags(0, 2);
  void *page = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
  memcpy(page, code, sizeof code);
  memcpy(&call_entry, &page, sizeof page);
  call_end = call_entry + 2;
  system_call = call_end + 3;
  set_star(0, 8ull << 32);
  set_lstar(0, system_call);
  stack = map(STACK_BYTES, PROT_READ | PROT_WRITE);
  void (*hlt)(void *, uint32_t) = on_hlt;
  void (*exception)(void *, uint32_t, uint32_t, uint32_t) = on_exception;
  memcpy(&hooks.functions[HOOK_HLT], &hlt, sizeof hlt);
  memcpy(&hooks.functions[HOOK_EXCEPTION], &exception, sizeof exception);
  return true;
}

uint64_t emulator_call(void (*function)(void), const uint64_t arguments[6]) {
  static const uint32_t registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R8 + 1};
  uint64_t address, thread;
  char *top = stack + STACK_BYTES - 64;
  emulator_see_memory();
  syscall(SYS_arch_prctl, ARCH_GET_FS, &thread);
  emulator_set_thread(thread);
  for (int i = 0; i < 6; i++) set_register(0, registers[i], arguments[i]);
  memcpy(&address, &function, sizeof address);
  set_register(0, REG_RAX, address);
  memcpy(&address, &top, sizeof address);
  set_sp(0, address);
  set_pc(0, call_entry);
  set_mode(0);
  run();
  return get_register(0, REG_RAX);
}

void emulator_run(uint64_t start, uint64_t stack_pointer, EmulatorSystemCall *call) {
  static const uint32_t registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R8 + 2, REG_R8, REG_R8 + 1};
  emulator_see_memory();
  set_sp(0, stack_pointer);
  set_pc(0, start);
  set_mode(0);
  for (;;) {
    run();
    uint64_t arguments[6];
    for (int i = 0; i < 6; i++) arguments[i] = get_register(0, registers[i]);
    uint64_t result = call(get_register(0, REG_RAX), arguments);
    set_register(0, REG_RAX, result);
    set_pc(0, get_register(0, REG_RCX));
    set_mode(0);
  }
}
