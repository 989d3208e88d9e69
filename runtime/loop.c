/* loop.c - the order of an entry's steps: those of loops again and again. */
#include "runtime/context.h"

dlrt_walk dlrt_walk_begin(dlrt_context *context, const dlrt_entry *entry, const void *const *inputs,
                          void *const *outputs) {
  return (dlrt_walk){.context = context, .entry = entry, .inputs = inputs, .outputs = outputs};
}

static int64_t end_of(const dlrt_loop *loop) {
  return loop->first + loop->count;
}

/* Random numbers are drawn for an element, whichever way the loop goes. */
static void set_trip(const dlrt_walk *walk, const dlrt_running *running) {
  const dlrt_model *model = walk->context->model;
  int64_t slots = DLRT_SLOTS(model->dim_count, model->entry_count, model->draws);
  int backward = running->loop->backward != 0;
  walk->context->dims[slots + walk->depth - 1] =
      backward ? running->trips - 1 - running->trip : running->trip;
}

/* The next step is the one after the loop, and the next loop one that begins there or later. */
static void pass_by(dlrt_walk *walk, const dlrt_loop *loop) {
  const dlrt_entry *entry = walk->entry;
  walk->step = end_of(loop);
  while (walk->loop < entry->loop_count && entry->loops[walk->loop].first < walk->step)
    walk->loop++;
}

int64_t dlrt_stride_of(const dlrt_context *context, const dlrt_cursor *cursor) {
  return cursor->stride_of ? cursor->stride_of(context->dims) : cursor->stride;
}

static char *resolve(const dlrt_walk *walk, const dlrt_operand *operand) {
  dlrt_context *context = walk->context;
  return dlrt_resolve(context, operand, context->cursors, context->slots[0].worker.trip,
                      walk->inputs, walk->outputs);
}

static void enter(dlrt_walk *walk, const dlrt_loop *loop) {
  dlrt_context *context = walk->context;
  int64_t trips = loop->trips_of ? loop->trips_of(context->dims) : loop->trips;
  walk->loop++;
  if (trips <= 0 || (loop->apart && walk->apart && dlrt_apart_run(walk, loop, trips))) {
    pass_by(walk, loop);
    return;
  }
  for (int64_t i = 0; i < loop->cursor_count; i++) {
    char *first = resolve(walk, &loop->cursors[i].base);
    if (loop->backward) first += (trips - 1) * dlrt_stride_of(context, &loop->cursors[i]);
    context->cursors[loop->first_cursor + i] = first;
  }
  walk->running[walk->depth++] = (dlrt_running){.loop = loop, .trips = trips};
  set_trip(walk, &walk->running[walk->depth - 1]);
}

/* After a trip's last step. */
static void next_trip(dlrt_walk *walk, dlrt_running *running) {
  dlrt_context *context = walk->context;
  const dlrt_loop *loop = running->loop;
  if (++running->trip == running->trips) {
    walk->depth--;
    return;
  }
  for (int64_t i = 0; i < loop->cursor_count; i++) {
    int64_t stride = dlrt_stride_of(context, &loop->cursors[i]);
    char **at = (char **)&context->cursors[loop->first_cursor + i];
    *at += loop->backward ? -stride : stride;
  }
  running->tested = 0;
  walk->step = loop->first;
  walk->loop = loop - walk->entry->loops + 1;
  set_trip(walk, running);
}

int64_t dlrt_walk_next(dlrt_walk *walk) {
  const dlrt_entry *entry = walk->entry;
  for (;;) {
    dlrt_running *running = walk->depth ? &walk->running[walk->depth - 1] : NULL;
    if (running && !running->tested && walk->step == running->loop->test) {
      running->tested = 1;
      if (*resolve(walk, &running->loop->condition)) continue;
      pass_by(walk, running->loop);
      walk->depth--;
    } else if (running && walk->step == end_of(running->loop)) {
      next_trip(walk, running);
    } else if (walk->loop < entry->loop_count && entry->loops[walk->loop].first == walk->step) {
      enter(walk, &entry->loops[walk->loop]);
    } else {
      return walk->step < entry->step_count ? walk->step++ : -1;
    }
  }
}
