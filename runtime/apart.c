/* apart.c - loops whose trips need nothing of each other: a thread takes whole trips.
 *
 * So threads wait for each other once, not after each step, and what a trip makes stays in the
 * thread's own cache. The kernels are given the same trips as ever, so results are the same. */
#include "runtime/context.h"

typedef struct {
  const dlrt_walk *walk;
  const dlrt_loop *loop;
} apart;

static void begin_trip(const apart *a, void **cursors, int64_t trip) {
  const dlrt_walk *walk = a->walk;
  for (int64_t i = 0; i < a->loop->cursor_count; i++) {
    const dlrt_cursor *cursor = &a->loop->cursors[i];
    char *first = dlrt_resolve(walk->context, &cursor->base, walk->context->cursors, NULL,
                               walk->inputs, walk->outputs);
    cursors[a->loop->first_cursor + i] = first + trip * dlrt_stride_of(walk->context, cursor);
  }
}

/* A dlrt_kernel, of which the loop's trips are the trips. */
static void run_trips(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                      dlrt_worker *worker) {
  const apart *a = operands[0];
  const dlrt_walk *walk = a->walk;
  const dlrt_model *model = walk->context->model;
  void **cursors = worker->operands + model->max_operands - model->cursors;
  for (int64_t i = 0; i < a->loop->first_cursor; i++) /* of the loops around it */
    cursors[i] = walk->context->cursors[i];
  for (int64_t trip = begin; trip < end; trip++) {
    begin_trip(a, cursors, trip);
    for (int64_t s = 0; s < a->loop->count; s++) {
      const dlrt_step *step = &walk->entry->steps[a->loop->first + s];
      for (int64_t i = 0; i < step->operand_count; i++)
        worker->operands[i] = dlrt_resolve(walk->context, &step->operands[i], cursors, worker->trip,
                                           walk->inputs, walk->outputs);
      int64_t trips = step->trips_of ? step->trips_of(dims) : step->trips;
      if (trips > 0) step->kernel(worker->operands, dims, 0, trips, worker);
    }
  }
}

/* More than a quarter of the threads' time is not to be waited for. */
static int are_busy(int64_t trips, int64_t threads) {
  int64_t rounds = trips / threads + (trips % threads != 0);
  return trips >= threads && 4 * trips >= 3 * rounds * threads;
}

int dlrt_apart_run(dlrt_walk *walk, const dlrt_loop *loop, int64_t trips) {
  dlrt_context *context = walk->context;
  apart a = {walk, loop};
  void *operands[] = {&a};
  if (!are_busy(trips, context->threads)) return 0;
  context->model->threading->run(&context->pool, context->threads, run_trips, operands,
                                 context->dims, trips, 0);
  return 1;
}
