/* context.h - the inside of a context, for the runtime's own files.
 *
 * One block of memory, each part a multiple of 64 bytes: the struct (DLRT_CONTROL_BYTES), the
 * values of the model's dims and the trips of running loops, the operands of the step being run and
 * the loops' cursors, parameters, arena; then for each
 * thread a slot and its scratch. model.h has the sum as macros, for headers.
 */
#ifndef DLRT_CONTEXT_H
#define DLRT_CONTEXT_H

#include "runtime/error.h"
#include "runtime/pool.h"

struct dlrt_context {
  const dlrt_model *model;
  void *allocated; /* what close frees */
  int threads;
  int64_t *dims;
  void **operands, **cursors;
  char *parameters, *arena;
  dlrt_slot *slots;
  const char *constants;
  const void *mapped; /* constants beside the program */
  size_t mapped_bytes;
  dlrt_error error;
  dlrt_pool_state pool;
};

_Static_assert(sizeof(struct dlrt_context) <= DLRT_CONTROL_BYTES, "the control block is too small");
_Static_assert(sizeof(dlrt_slot) == DLRT_THREAD_BYTES(0, 0, 0),
               "a thread has another size in model.h");

/* Threads that this process may run at once. */
int dlrt_machine_threads(void);
/* The CPUs that this process may use, one of each core first, then the cores' others; returns how
 * many, at most `most`, 0 if the system does not say. */
int dlrt_machine_cpus(int *cpus, int most);
/* Keeps a thread on one CPU, if the system lets it. */
void dlrt_machine_pin(pthread_t thread, int cpu);
/* Whether this machine has the CPU level (2, 3, 4 of x86-64; 0: not checked). */
int dlrt_machine_has_level(int64_t level);

/* Of a model for several CPU levels the highest that this machine has; NULL: it has none. `cpu`,
 * unless NULL or empty, is the most to take: a name of one of them, or x86-64-vN. */
const dlrt_model *dlrt_level(const dlrt_model *model, const char *cpu);
/* A variable of the environment is there, and neither empty nor 0. */
int dlrt_is_on(const char *variable);
/* Which threads stay on one CPU each: those of the pool, the caller's too. */
typedef enum { DLRT_UNPINNED, DLRT_PIN_POOL, DLRT_PIN_ALL } dlrt_pinning;
/* dlrt_open of this very level, which the machine has. */
dlrt_status dlrt_open_level(const dlrt_model *model, dlrt_context **context, void *memory,
                            int threads, dlrt_pinning pinning);

/* The parts of dlrt_call, for those that time each step: check the arguments, bind the dims; run
 * one step. dlrt_begin must succeed before steps are run and dlrt_end follows. */
dlrt_status dlrt_begin(dlrt_context *context, int64_t entry, const int64_t *dims,
                       const void *const *inputs, void *const *outputs);
dlrt_status dlrt_step_run(dlrt_context *context, int64_t entry, int64_t step,
                          const void *const *inputs, void *const *outputs);
/* Where an operand lies for a thread that has these cursors, and this memory for its trips. */
void *dlrt_resolve(const dlrt_context *context, const dlrt_operand *operand, void *const *cursors,
                   char *trip, const void *const *inputs, void *const *outputs);

/* The order of an entry's steps, with those of loops as often as they are run (loop.c).
 *
 *   dlrt_walk walk = dlrt_walk_begin(context, entry, inputs, outputs);
 *   while (!status && (step = dlrt_walk_next(&walk)) >= 0)
 *     status = dlrt_step_run(context, index, step, inputs, outputs); */
typedef struct {
  const dlrt_loop *loop;
  int64_t trip, trips;
  int tested; /* this trip is made */
} dlrt_running;

typedef struct {
  dlrt_context *context;
  const dlrt_entry *entry;
  const void *const *inputs;
  void *const *outputs;
  int apart; /* loops whose trips are apart are run at once, if there are threads for them */
  int64_t step, loop; /* the next ones */
  int depth;
  dlrt_running running[DLRT_LOOPS];
} dlrt_walk;

dlrt_walk dlrt_walk_begin(dlrt_context *context, const dlrt_entry *entry, const void *const *inputs,
                          void *const *outputs);
int64_t dlrt_stride_of(const dlrt_context *context, const dlrt_cursor *cursor);
int64_t dlrt_walk_next(dlrt_walk *walk); /* -1: there are no more */
/* Runs all of such a loop, its trips shared out (apart.c); 0: too few for the threads. */
int dlrt_apart_run(dlrt_walk *walk, const dlrt_loop *loop, int64_t trips);
void dlrt_end(dlrt_context *context);

#endif
