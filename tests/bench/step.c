/* step - time training steps of a compiled network: step THREADS SECONDS. One line of JSON.
 *
 * The same batch each time, from the network's own first values. Memory is what the process holds
 * at its largest, above what it held when it began. Compiled by train.py beside the network's
 * header page.h, with BATCH and SIZE, the rows of a step and the numbers of an image; the entry is
 * by_adam.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "page.h"
#include "tests/reference/formula.h"

enum { MOST = 100000, FEWEST = 5, WARM = 3 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* In bytes; 0 if the system does not say. */
static long resident(void) {
  long all, here = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f && fscanf(f, "%ld %ld", &all, &here) != 2) here = 0;
  if (f) fclose(f);
  return here * sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long idle = resident();
  page_context *net = NULL;
  float *image = malloc(sizeof *image * BATCH * SIZE), loss = 0;
  double *times = malloc(sizeof *times * MOST), longest = atof(argv[2]), end = 0;
  int64_t label[BATCH];
  if (!image || !times) return 1;
  uint64_t images = formula_hash("input ", "image"), labels = formula_hash("input ", "label");
  for (uint64_t i = 0; i < (uint64_t)BATCH * SIZE; i++)
    image[i] = (float)formula_symmetric(images, i);
  for (uint64_t i = 0; i < BATCH; i++) label[i] = formula_integer(labels, i, 0, 10);
  page_status status = page_open(&net, NULL, atoi(argv[1]));
  if (!status) status = page_init(net, 1);
  int calls = 0;
  for (int i = 0; !status && (i < WARM + FEWEST || seconds() < end) && calls < MOST; i++) {
    double start = seconds();
    status = page_by_adam(net, image, label, &loss);
    if (i == WARM - 1) end = seconds() + longest;
    if (i >= WARM) times[calls++] = seconds() - start;
  }
  if (status) {
    fprintf(stderr, "step: %s: %s\n", page_text(status), page_detail(net));
    return 1;
  }
  qsort(times, (size_t)calls, sizeof *times, by_size);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"ms\": %.6g, \"least_ms\": %.6g, \"calls\": %d, \"loss\": %.9g, \"memory\": %ld}\n",
         times[calls / 2] * 1e3, times[0] * 1e3, calls, loss, usage.ru_maxrss * 1024 - idle);
  page_close(net);
  free(image);
  free(times);
  return 0;
}
