/* kernel_cases.h - graph text of single operations in the shapes that networks have. */
#ifndef TESTS_BENCH_KERNEL_CASES_H
#define TESTS_BENCH_KERNEL_CASES_H

#include "support/text.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  const char *group, *name;
  int m, k, n; /* of a product of x [m, k] by w [n, k]; 0: another case */
} KernelCase;

/* The cases in order: false after the last. `text` gets a module with one entry. */
bool kernel_case(size_t number, KernelCase *found, Text *text);

#endif
