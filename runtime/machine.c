#include "runtime/context.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

int dlrt_machine_threads(void) {
#ifdef CPU_COUNT
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online < 1 ? 1 : online > DLRT_THREADS ? DLRT_THREADS : (int)online;
}

/* The number of a core, that of its first CPU; of one that the system does not tell about `cpu`. */
static int core_of(int cpu) {
  char path[80];
  int first = cpu;
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  FILE *file = fopen(path, "re");
  if (!file) return cpu;
  if (fscanf(file, "%d", &first) != 1) first = cpu;
  fclose(file);
  return first;
}

int dlrt_machine_cpus(int *cpus, int most) {
  int count = 0;
#ifdef CPU_COUNT
  cpu_set_t set, cores, left;
  if (sched_getaffinity(0, sizeof set, &set)) return 0;
  CPU_ZERO(&cores);
  CPU_ZERO(&left);
  for (int cpu = 0; cpu < CPU_SETSIZE && count < most; cpu++) {
    if (!CPU_ISSET(cpu, &set)) continue;
    int core = core_of(cpu);
    if (core < 0 || core >= CPU_SETSIZE) core = cpu;
    if (CPU_ISSET(core, &cores))
      CPU_SET(cpu, &left);
    else
      cpus[count++] = cpu;
    CPU_SET(core, &cores);
  }
  for (int cpu = 0; cpu < CPU_SETSIZE && count < most; cpu++)
    if (CPU_ISSET(cpu, &left)) cpus[count++] = cpu;
#endif
  return count;
}

void dlrt_machine_pin(pthread_t thread, int cpu) {
#ifdef CPU_COUNT
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(thread, sizeof set, &set);
#endif
}

#if defined(__x86_64__)
/* What the x86-64 psABI asks of each level, beyond the one before; level 5 is ours. */
enum {
  LEVEL2_1C = 1 << 0 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23, /* sse3 .. sse4.2, popcnt */
  LEVEL3_1C = 1 << 12 | 1 << 22 | 1 << 27 | 1 << 28 | 1 << 29, /* fma movbe osxsave avx f16c */
  LEVEL3_7B = 1 << 3 | 1 << 5 | 1 << 8,                        /* bmi avx2 bmi2 */
  LEVEL3_81C = 1 << 5,                                         /* lzcnt */
  LEVEL5_71A = 1 << 5                                          /* avx512_bf16 */
};
#define LEVEL4_7B                                                                                  \
  (1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) /* avx512 f dq cd bw vl                   \
                                                          */

int dlrt_machine_has_level(int64_t level) {
  unsigned a, b, c, d, leaf1c, leaf7b = 0, leaf81c = 0, saved = 0;
  if (level <= 1) return 1;
  if (level > 5) return 0; /* of a later time */
  if (!__get_cpuid(1, &a, &b, &leaf1c, &d)) return 0;
  if ((leaf1c & LEVEL2_1C) != LEVEL2_1C) return 0;
  if (level == 2) return 1;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) leaf7b = b;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) leaf81c = c;
  if ((leaf1c & LEVEL3_1C) != LEVEL3_1C || (leaf7b & LEVEL3_7B) != LEVEL3_7B ||
      !(leaf81c & LEVEL3_81C))
    return 0;
  /* The system must save the wide registers: xcr0. */
  __asm__ volatile("xgetbv" : "=a"(saved), "=d"(d) : "c"(0));
  if ((saved & 6) != 6) return 0;
  if (level == 3) return 1;
  if ((leaf7b & LEVEL4_7B) != LEVEL4_7B || (saved & 0xe6) != 0xe6) return 0;
  if (level == 4) return 1;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & LEVEL5_71A);
}
#else
int dlrt_machine_has_level(int64_t level) {
  return level == 0;
}
#endif
