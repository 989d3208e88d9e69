/* step - time training steps of a compiled network: step THREADS SECONDS. One line of JSON.
 *
 * The same batch each time, from weights by formula, as peer_train.py has them; "losses" are those
 * of the first steps. Memory is what the process holds at its largest, above what it held when it
 * began. Compiled by train.py beside the network's header page.h; the entry is by_adam(given,
 * wanted), with
 *   GIVEN, WANTED   how many numbers these are
 *   WORDS           1: what is given are words, 0: floats
 *   LABELS          how many words or labels there are
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

/* Parameters and layers' states; what an optimizer keeps is named after its entry. */
static page_status fill(page_context *net) {
  for (int i = 0; i < page_count(); i++) {
    page_tensor t;
    page_status status = page_at(net, i, &t);
    if (status) return status;
    if (strncmp(t.name, "by_adam", 7) == 0) continue;
    Formula f = formula_parameter_of(t.name, t.dims, t.rank, NULL, 0);
    int64_t count = 1;
    for (int axis = 0; axis < t.rank; axis++) count *= t.dims[axis];
    for (int64_t k = 0; k < count; k++) ((float *)t.data)[k] = formula_parameter(&f, (uint64_t)k);
  }
  return PAGE_OK;
}

#if WORDS
typedef int64_t Given;
#else
typedef float Given;
#endif

static Given given[GIVEN];
static int64_t wanted[WANTED];

static void fill_batch(void) {
  uint64_t numbers = formula_hash("input ", "given"), labels = formula_hash("input ", "wanted");
  for (uint64_t i = 0; i < GIVEN; i++)
    given[i] = WORDS ? (Given)formula_integer(numbers, i, 0, LABELS)
                     : (Given)formula_symmetric(numbers, i);
  for (uint64_t i = 0; i < WANTED; i++) wanted[i] = formula_integer(labels, i, 0, LABELS);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long idle = resident();
  page_context *net = NULL;
  float loss = 0, losses[WARM];
  double *times = malloc(sizeof *times * MOST), longest = atof(argv[2]), end = 0;
  if (!times) return 1;
  fill_batch();
  page_status status = page_open(&net, NULL, atoi(argv[1]));
  if (!status) status = page_init(net, 1);
  if (!status) status = fill(net);
  int calls = 0;
  for (int i = 0; !status && (i < WARM + FEWEST || seconds() < end) && calls < MOST; i++) {
    double start = seconds();
    status = page_by_adam(net, given, wanted, &loss);
    if (i < WARM) losses[i] = loss;
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
  printf("{\"ms\": %.6g, \"least_ms\": %.6g, \"calls\": %d, \"memory\": %ld, \"losses\": [",
         times[calls / 2] * 1e3, times[0] * 1e3, calls, usage.ru_maxrss * 1024 - idle);
  for (int i = 0; i < WARM; i++) printf("%s%.9g", i ? ", " : "", losses[i]);
  puts("]}");
  page_close(net);
  free(times);
  return 0;
}
