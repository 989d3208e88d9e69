/* target.h - the machine that code is made for.
 *
 *   Target target;
 *   if (!target_find(&target, arena, NULL, "x86-64-v3", diagnostics)) return false;
 *   ... target.lanes, target.registers ...                 choose tiles by these
 *
 * Several CPUs in one binary (target_find_all) have one graph: layouts and packed weights that suit
 * all of them, and kernels for each.
 *
 * One table lists the CPUs that `--cpu` takes; `native` asks the machine that runs dlc. Nothing
 * else in the compiler looks at the host.
 */
#ifndef BACKEND_TARGET_H
#define BACKEND_TARGET_H

#include "support/arena.h"
#include "support/diag.h"

#include <stdbool.h>
#include <stdint.h>

/* What a core does in a second, roughly, or as measured (driver/target_file.h). */
typedef struct {
  double flops;         /* f32 operations at its peak */
  double memory, cache; /* bytes that it reads from memory, from caches beyond L2, */
  double near;          /* and from L2 */
  double fork;          /* seconds that threads take to begin a kernel and to wait for its end */
} TargetRates;

typedef struct {
  const char *name;     /* as --cpu has it: "x86-64-v3"; of native: "native" */
  const char *suffix;   /* of its kernels' names, if code is made for several: "_v3"; else "" */
  const char *triple;   /* LLVM's: "x86_64-linux-gnu" */
  const char *cpu;      /* LLVM's name of the CPU that code is tuned for, */
  const char *base;     /* and of one whose instructions alone are used, with these features: of */
  const char *features; /* x86-64 its level's, so that the level says where the code runs */
  int level;            /* x86-64-vN that the machine must have; 0: another architecture */
  int lanes;            /* f32 in a vector register: 4, 8, 16 */
  int registers;        /* vector registers: 16, 32 */
  int64_t l1, l2;       /* data cache bytes of a core; */
  int64_t l3;           /* of the last cache, what may still be there when it is read again */
  TargetRates rates;
  bool fma;   /* a * b + c rounds once */
  bool f16;   /* converts f16 in registers */
  bool bf16;  /* sums products of bf16 in pairs (AVX512-BF16) */
  bool masks; /* lanes are masked at no cost (AVX-512) */
  bool links; /* executables and libraries can be made: the runtime exists for it */
} Target;

/* The target of `--target` and `--cpu`; NULL: this machine's architecture, native. On a failure
 * a diagnostic (E0601, E0602) names the known ones. */
bool target_find(Target *target, Arena *arena, const char *triple, const char *cpu,
                 Diagnostics *diagnostics);
/* Of several CPUs of x86-64, the highest level first; no two of one level, which could not be told
 * apart when the program starts. */
bool target_find_all(Target *targets, Arena *arena, const char *triple, const char *const *cpus,
                     size_t count, Diagnostics *diagnostics);
/* What the graph may be shaped by, for the code of all to do well. */
typedef struct {
  int lanes; /* a vector of the widest */
  int registers;
  int columns; /* most of a panel of packed weights */
  int64_t l1, l2;
  TargetRates rates;
  size_t cpus; /* that code is made for */
} TargetShape;
TargetShape target_shape(const Target *targets, size_t count);
/* Whose rates those are: of several CPUs the middle one. */
const Target *target_middle(const Target *targets, size_t count);
/* Can the machine that runs dlc run this? */
bool target_runs_here(const Target *target);
/* The known architectures, for `dlc help targets`: NULL at the end. */
const char *target_architecture(size_t number);
const char *target_architecture_text(size_t number);
/* The known CPUs of x86-64, for `dlc help cpus`: NULL at the end. */
const char *target_cpu(size_t number);
const char *target_cpu_text(size_t number); /* one line about it */
bool target_cpu_has_bf16(size_t number);

#endif
