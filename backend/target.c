/* target.c - the tables of architectures and CPUs, and what the host is. */
#include "backend/target.h"

#include "support/bug.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB INT64_C(1024)
enum { LAST_CACHE = 32 << 20 }; /* as most servers have for a few cores; others use it, too */

typedef struct {
  const char *name, *text;
  const char *cpu; /* LLVM's; NULL: the host's; code is tuned for it, of its level's instructions */
  int64_t l1, l2;
  int level;
  bool bf16;
} Cpu;

static const Cpu cpus[] = {
    {"native", "the machine that runs dlc", NULL, 32 * KIB, 512 * KIB, 0, false},
    {"x86-64-v2", "SSE4.2: every x86-64 since 2009", "x86-64-v2", 32 * KIB, 256 * KIB, 2, false},
    {"x86-64-v3", "AVX2 and FMA: Haswell 2013, Zen 2017", "x86-64-v3", 32 * KIB, 256 * KIB, 3,
     false},
    {"x86-64-v4", "AVX-512: Skylake-X 2017, Zen 4 2022", "x86-64-v4", 32 * KIB, 1024 * KIB, 4,
     false},
    {"haswell", "Intel 2013, AVX2", "haswell", 32 * KIB, 256 * KIB, 3, false},
    {"skylake", "Intel 2015, AVX2", "skylake", 32 * KIB, 256 * KIB, 3, false},
    {"alderlake", "Intel 2021, AVX2", "alderlake", 48 * KIB, 1280 * KIB, 3, false},
    {"skylake-avx512", "Intel 2017, AVX-512", "skylake-avx512", 32 * KIB, 1024 * KIB, 4, false},
    {"cascadelake", "Intel 2019, AVX-512", "cascadelake", 32 * KIB, 1024 * KIB, 4, false},
    {"icelake-server", "Intel 2021, AVX-512", "icelake-server", 48 * KIB, 1280 * KIB, 4, false},
    {"sapphirerapids", "Intel 2023, AVX-512", "sapphirerapids", 48 * KIB, 2048 * KIB, 4, true},
    {"znver2", "AMD 2019, AVX2", "znver2", 32 * KIB, 512 * KIB, 3, false},
    {"znver3", "AMD 2020, AVX2", "znver3", 32 * KIB, 512 * KIB, 3, false},
    {"znver4", "AMD 2022, AVX-512", "znver4", 32 * KIB, 1024 * KIB, 4, true},
    {"znver5", "AMD 2024, AVX-512", "znver5", 48 * KIB, 1024 * KIB, 4, true},
};
enum { CPUS = sizeof cpus / sizeof cpus[0] };

/* Of x86-64, what a level means for code. */
typedef struct {
  const char *base; /* LLVM's name */
  int lanes, registers;
  bool fma, f16, masks;
} Level;
static const Level levels[] = {
    [2] = {"x86-64-v2", 4, 16, false, false, false},
    [3] = {"x86-64-v3", 8, 16, true, true, false},
    [4] = {"x86-64-v4", 16, 32, true, true, true},
};

/* Other architectures: objects, assembly and LLVM IR only. */
typedef struct {
  const char *prefix, *triple, *cpu, *features;
  int lanes, registers;
  bool fma;
} Architecture;
static const Architecture architectures[] = {
    {"aarch64", "aarch64-linux-gnu", "generic", "+neon", 4, 32, true},
    {"riscv64", "riscv64-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c", 4, 32, true},
    {"wasm32", "wasm32", "generic", "+simd128", 4, 16, false},
};
enum { ARCHITECTURES = sizeof architectures / sizeof architectures[0] };

const char *target_architecture(size_t number) {
  if (number == 0) return "x86_64-linux-gnu";
  return number <= ARCHITECTURES ? architectures[number - 1].triple : NULL;
}
const char *target_architecture_text(size_t number) {
  return number ? "objects, assembly and LLVM IR; no programs yet"
                : "everything; CPUs: 'dlc help cpus'";
}

const char *target_cpu(size_t number) {
  return number < CPUS ? cpus[number].name : NULL;
}
const char *target_cpu_text(size_t number) {
  return number < CPUS ? cpus[number].text : NULL;
}

bool target_cpu_has_bf16(size_t number) {
  return number < CPUS && cpus[number].bf16;
}

static bool has_feature(const char *features, const char *name) {
  size_t length = strlen(name);
  for (const char *at = features; (at = strstr(at, name)); at += length)
    if (at > features && at[-1] == '+' && (at[length] == ',' || at[length] == 0)) return true;
  return false;
}

static bool has_all(const char *features, const char *const *names) {
  for (; *names; names++)
    if (!has_feature(features, *names)) return false;
  return true;
}

/* The highest level of which the host has everything. */
static int host_level(const char *features) {
  static const char *const v3[] = {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe", NULL};
  static const char *const v4[] = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", NULL};
  if (!has_all(features, v3)) return has_feature(features, "sse4.2") ? 2 : 0;
  return has_all(features, v4) ? 4 : 3;
}

static char *host_string(Arena *arena, char *(*ask)(void)) {
  char *answer = ask();
  char *copy = arena_string(arena, answer, strlen(answer));
  LLVMDisposeMessage(answer);
  return copy;
}

static int64_t cache_bytes(int name, int64_t otherwise) {
  long bytes = sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

static void known_cpus(Diagnostic *d, const char *wanted) {
  const char *names[CPUS];
  Text list = {0};
  Arena *arena = arena_new();
  list = text_new(arena);
  for (size_t i = 0; i < CPUS; i++) {
    names[i] = cpus[i].name;
    text_format(&list, "%s%s", i ? ", " : "", cpus[i].name);
  }
  const char *nearest = nearest_name(wanted, names, CPUS);
  diag_help(d, "%s%sknown: %s ('dlc help cpus')", nearest ? nearest : "", nearest ? "; " : "",
            text_get(&list));
  arena_free(arena);
}

static void set_level(Target *target, int level) {
  const Level *l = &levels[level];
  target->level = level;
  target->l3 = LAST_CACHE;
  target->base = l->base;
  target->features = "";
  target->lanes = l->lanes;
  target->registers = l->registers;
  target->fma = l->fma;
  target->f16 = l->f16;
  target->masks = l->masks;
  target->links = true;
}

static bool find_native(Target *target, Arena *arena, Diagnostics *diagnostics) {
  char *host = LLVMGetDefaultTargetTriple();
  bool is_x86 = strncmp(host, "x86_64", 6) == 0;
  LLVMDisposeMessage(host);
  target->cpu = host_string(arena, LLVMGetHostCPUName);
  const char *features = host_string(arena, LLVMGetHostCPUFeatures);
  int level = is_x86 ? host_level(features) : 0;
  if (level == 0) {
    Diagnostic *d = diag_report(diagnostics, E0601, SPAN_NONE,
                                "this machine is no x86-64 with SSE4.2, which 'native' needs");
    diag_help(d, "--target x86_64-linux-gnu --cpu x86-64-v2 builds for another machine");
    return false;
  }
  set_level(target, level);
  target->bf16 = level >= 4 && has_feature(features, "avx512bf16");
  target->l1 = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 * KIB);
  target->l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 * KIB);
  return true;
}

static bool find_x86(Target *target, Arena *arena, const char *cpu, Diagnostics *diagnostics) {
  target->triple = "x86_64-linux-gnu";
  target->name = cpu;
  if (strcmp(cpu, "native") == 0) return find_native(target, arena, diagnostics);
  for (size_t i = 0; i < CPUS; i++) {
    if (strcmp(cpu, cpus[i].name) != 0) continue;
    target->name = target->cpu = cpus[i].cpu;
    set_level(target, cpus[i].level);
    target->bf16 = cpus[i].bf16;
    target->l1 = cpus[i].l1;
    target->l2 = cpus[i].l2;
    return true;
  }
  known_cpus(diag_report(diagnostics, E0601, SPAN_NONE, "no CPU '%s' for x86_64-linux-gnu", cpu),
             cpu);
  return false;
}

static bool find_other(Target *target, Arena *arena, const char *triple, const char *cpu,
                       Diagnostics *diagnostics) {
  for (size_t i = 0; i < ARCHITECTURES; i++) {
    const Architecture *a = &architectures[i];
    size_t length = strlen(a->prefix);
    if (strncmp(triple, a->prefix, length) != 0 || (triple[length] && triple[length] != '-'))
      continue;
    if (cpu && strcmp(cpu, a->cpu) != 0) {
      Diagnostic *d = diag_report(diagnostics, E0601, SPAN_NONE, "no CPU '%s' for %s", cpu, triple);
      diag_help(d, "--cpu %s, or none", a->cpu);
      return false;
    }
    *target = (Target){.name = a->cpu,
                       .suffix = "",
                       .triple = arena_string(arena, triple, strlen(triple)),
                       .base = a->cpu,
                       .cpu = a->cpu,
                       .features = a->features,
                       .lanes = a->lanes,
                       .registers = a->registers,
                       .l1 = 32 * KIB,
                       .l2 = 256 * KIB,
                       .fma = a->fma};
    return true;
  }
  Diagnostic *d = diag_report(diagnostics, E0602, SPAN_NONE, "no target '%s'", triple);
  diag_help(d, "known: x86_64-linux-gnu; objects only: aarch64-linux-gnu, riscv64-linux-gnu, "
               "wasm32");
  return false;
}

/* Two units at 3 GHz, and half of what a memory channel gives: no machine's figures, but of the
 * size that choices between algorithms need. */
static void set_rates(Target *target) {
  target->rates = (TargetRates){.flops = target->lanes * (target->fma ? 2 : 1) * 2 * 3e9,
                                .memory = 12e9,
                                .cache = 48e9,
                                .near = 72e9,
                                .fork = 0.7e-6};
}

static bool find(Target *target, Arena *arena, const char *triple, const char *cpu,
                 Diagnostics *diagnostics) {
  if (!triple || strncmp(triple, "x86_64-linux", 12) == 0 ||
      strcmp(triple, "x86_64-unknown-linux-gnu") == 0 || strcmp(triple, "x86_64-pc-linux-gnu") == 0)
    return find_x86(target, arena, cpu ? cpu : "native", diagnostics);
  return find_other(target, arena, triple, cpu, diagnostics);
}

bool target_find(Target *target, Arena *arena, const char *triple, const char *cpu,
                 Diagnostics *diagnostics) {
  *target = (Target){.suffix = ""};
  if (!find(target, arena, triple, cpu, diagnostics)) return false;
  set_rates(target);
  return true;
}

static int by_level(const void *a, const void *b) {
  return ((const Target *)b)->level - ((const Target *)a)->level;
}

bool target_find_all(Target *targets, Arena *arena, const char *triple, const char *const *names,
                     size_t count, Diagnostics *diagnostics) {
  for (size_t i = 0; i < count; i++)
    if (!target_find(&targets[i], arena, triple, names[i], diagnostics)) return false;
  if (count == 1) return true;
  qsort(targets, count, sizeof *targets, by_level);
  for (size_t i = 0; i < count; i++) {
    Target *t = &targets[i];
    if (i > 0 && t->level == t[-1].level) {
      Diagnostic *d =
          t->level ? diag_report(diagnostics, E0601, SPAN_NONE,
                                 "'%s' and '%s' are both of level x86-64-v%d", t[-1].name, t->name,
                                 t->level)
                   : diag_report(diagnostics, E0601, SPAN_NONE, "several CPUs for %s", t->triple);
      diag_help(d, "of x86-64 one CPU a level, as in --cpu x86-64-v2,x86-64-v3,x86-64-v4");
      return false;
    }
    t->suffix = arena_format(arena, "_v%d", t->level);
  }
  return true;
}

const Target *target_middle(const Target *targets, size_t count) {
  return &targets[count / 2];
}

TargetShape target_shape(const Target *targets, size_t count) {
  const Target *best = &targets[0];
  /* tiles of 6 rows x 4 registers with 32 registers, 6 x 2 with 16; panels for several CPUs are as
   * wide as the narrower ones have registers for */
  int vectors = count == 1 && best->registers >= 32 ? 4 : 2;
  /* Algorithms are the same for all: what the middle one does in a second weighs. By the fastest
   * one's arithmetic Winograd's algorithm would save the others' too little. */
  TargetRates rates = target_middle(targets, count)->rates;
  TargetShape shape = {
      best->lanes, best->registers, best->lanes * vectors, best->l1, best->l2, rates, count};
  for (size_t i = 1; i < count; i++)
    if (targets[i].l2 < shape.l2) shape.l2 = targets[i].l2;
  return shape;
}

bool target_runs_here(const Target *target) {
  if (target->level == 0) return false;
  Arena *arena = arena_new();
  bool runs = host_level(host_string(arena, LLVMGetHostCPUFeatures)) >= target->level;
  arena_free(arena);
  return runs;
}
