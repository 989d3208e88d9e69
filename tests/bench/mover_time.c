/* mover_time.c - what moves memory, in turns with a copy, or a reading, of as many bytes. */

#include "tests/bench/mover_cases.h"

#include "tests/bench/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int64_t read, written;
} Traffic;

static double seconds(void) {
  return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

static double step_seconds(const NativeStep *s, const int64_t *dims, dlrt_worker *worker) {
  double from = seconds();
  s->kernel((void *const *)s->operands, dims, 0, s->trips, worker);
  return seconds() - from;
}

static int64_t bytes_of(const Type *type, const int64_t *dims) {
  int64_t bytes = element_infos[type->element].bytes, size = 1;
  for (int i = 0; i < type->rank; i++, bytes *= size) dim_evaluate(type->dims[i], dims, &size);
  return bytes;
}

/* Of an entry whose operands pass by once: a gathered table counts by what is taken. */
static Traffic traffic_of(const MoverRun *t, const NativeStep *steps, size_t count) {
  const Block *body = t->function->body;
  const int64_t *dims = t->dims;
  Traffic traffic = {0, 0};
  for (size_t i = 0; i < t->function->results.count; i++)
    traffic.written += bytes_of(&t->function->results.items[i].type, dims);
  for (const Op *op = body->first; op; op = op->next) {
    if (op->kind == OP_read) traffic.read += bytes_of(&op->results[0]->type, dims);
    if (op->kind == OP_write) traffic.written += bytes_of(&op->operands[0]->type, dims);
  }
  for (int i = 0; i < body->argument_count; i++)
    traffic.read += bytes_of(&body->arguments[i]->type, dims);
  int64_t all = 0;
  if (count == 1 && steps[0].step->bytes) dim_evaluate(steps[0].step->bytes, dims, &all);
  if (all > traffic.written && all < traffic.read) traffic.read = all - traffic.written;
  return traffic;
}

static double stream_time(const Streams *streams, const Traffic *traffic, float *x, float *y) {
  int64_t trip = (int64_t)STREAM_TRIP * 4, all = traffic->read + traffic->written;
  bool copies = traffic->written * 8 > all;
  int64_t bytes = copies ? all / 2 : all, walk = bytes / 4 / trip,
          trips = (bytes + trip / 2) / trip;
  if (trips < 1) trips = 1;
  double best = 1e9, from = seconds();
  (copies ? streams->copies : streams->reads)((void *[]){x, y}, NULL, 0, trips, NULL);
  best = (seconds() - from) * (double)bytes / (double)(trips * trip);
  if (copies || walk < 1) return best;
  from = seconds();
  streams->walks((void *[]){x, y}, &walk, 0, walk, NULL);
  double time = (seconds() - from) * (double)bytes / (double)(4 * walk * trip);
  return time < best ? time : best;
}

void mover_time(const MoverRun *t, const NativeStep *steps, size_t count, dlrt_worker *worker) {
  enum { BURST = 20, SMALL = 1 << 21 };
  Traffic traffic = traffic_of(t, steps, count);
  int64_t all = traffic.read + traffic.written, room = all + (INT64_C(1) << 20);
  float *x = aligned_alloc(4096, (size_t)room / 4096 * 4096),
        *y = aligned_alloc(4096, (size_t)room / 4096 * 4096);
  if (!x || !y) return;
  memset(x, 0, (size_t)room / 4096 * 4096);
  memset(y, 0, (size_t)room / 4096 * 4096);
  double ours = 1e9, limit = 1e9, start = seconds(), *best = calloc(count + 1, sizeof *best);
  if (!best) return;
  for (size_t s = 0; s < count; s++) best[s] = 1e9;
  int burst = all < SMALL ? BURST : 1;
  for (int round = 0; round < t->rounds || (round < 300 && seconds() - start < 0.2); round++) {
    for (int i = 0; i < burst; i++) {
      double time = 0; /* each step's by itself: reading the clock takes as long as a small step */
      for (size_t s = 0; s < count; s++) {
        double step = step_seconds(&steps[s], t->dims, worker);
        if (step < best[s]) best[s] = step;
        time += step;
      }
      if (time < ours) ours = time;
    }
    for (int i = 0; i < burst; i++) {
      double time = stream_time(t->streams, &traffic, x, y);
      if (time < limit) limit = time;
    }
  }
  printf("%-42.42s %2zu kernels %9.1f us %6.1f GB/s, %s %6.1f: %4.0f%%\n", t->name, count,
         ours * 1e6, (double)all / ours * 1e-9, traffic.written * 8 > all ? "copy" : "read",
         (double)all / limit * 1e-9, 100 * limit / ours);
  for (size_t s = 0; s < count && count > 1; s++) {
    int64_t bytes = 0;
    if (steps[s].step->bytes) dim_evaluate(steps[s].step->bytes, t->dims, &bytes);
    if (best[s] > ours / 20)
      printf("  %-50.50s %9.1f us %6.1f GB/s\n", steps[s].step->kernel->name, best[s] * 1e6,
             (double)bytes / best[s] * 1e-9);
  }
  free(best);
  free(x);
  free(y);
}
