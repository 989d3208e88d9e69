#include "driver/target_measure.h"

#include "runtime/context.h"
#include "runtime/program.h"

#include <stdlib.h>
#include <time.h>

/* A context needs a model; this one has nothing but threads. */
static const dlrt_model bare = {
    .abi = DLRT_ABI, .name = "target", .source = "", .threading = &dlrt_pool};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

enum { PART_NANOSECONDS = 3000 };

/* Long enough for every thread to come: the caller takes what nobody else has begun. */
static void wait_a_part(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                        dlrt_worker *worker) {
  (void)operands, (void)dims, (void)worker;
  for (int64_t i = begin; i < end; i++)
    for (double start = now(); now() - start < PART_NANOSECONDS * 1e-9;) continue;
}

/* What a kernel whose parts all last so long takes more, as the mean of a few in a row; the least
 * counts. */
static double fork_seconds(dlrt_context *c) {
  enum { ROUNDS = 1000, STEPS = 20 };
  double least = 1;
  c->model->threading->calling(&c->pool, 1);
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    for (int i = 0; i < STEPS; i++)
      c->model->threading->run(&c->pool, c->threads, wait_a_part, NULL, NULL, c->threads,
                               c->threads);
    double more = (now() - start) / STEPS - PART_NANOSECONDS * 1e-9;
    if (more < least) least = more;
  }
  c->model->threading->calling(&c->pool, 0);
  return least < 1e-8 ? 1e-8 : least;
}

bool target_measure(Target *target) {
  enum { TRIES = 3 };
  dlrt_context *one = NULL, *all = NULL;
  size_t large;
  void *data = dlrt_roof_room(&large);
  bool done = data && dlrt_open_level(&bare, &one, NULL, 1, DLRT_UNPINNED) == DLRT_OK &&
              dlrt_open_level(&bare, &all, NULL, 0, DLRT_UNPINNED) == DLRT_OK;
  TargetRates found = {0};
  size_t l2 = (size_t)target->l2;
  for (int i = 0; done && i < TRIES; i++) {
    double rate = dlrt_roof_flops(one, target->level);
    if (rate > found.flops) found.flops = rate;
    rate = dlrt_roof_read(one, data, large, 0.1);
    if (rate > found.memory) found.memory = rate;
    rate = dlrt_roof_read(one, data, 4 * l2 < large / 8 ? 4 * l2 : large / 8, 0.05);
    if (rate > found.cache) found.cache = rate;
    rate = dlrt_roof_read(one, data, l2 / 2, 0.05);
    if (rate > found.near) found.near = rate;
  }
  found.fork = target->rates.fork;
  if (done && all->threads > 1) found.fork = fork_seconds(all);
  if (done) target->rates = found;
  dlrt_close(all);
  dlrt_close(one);
  free(data);
  return done;
}
