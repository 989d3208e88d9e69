/* context.h - the inside of a context, for the runtime's own files.
 *
 * One block of memory, each part a multiple of 64 bytes: the struct (DLRT_CONTROL_BYTES), the
 * values of the model's dims, the operands of the step being run, parameters, arena; then for each
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
  void **operands;
  char *parameters, *arena;
  dlrt_slot *slots;
  const char *constants;
  const void *mapped; /* constants beside the program */
  size_t mapped_bytes;
  dlrt_error error;
  dlrt_pool_state pool;
};

_Static_assert(sizeof(struct dlrt_context) <= DLRT_CONTROL_BYTES, "the control block is too small");
_Static_assert(sizeof(dlrt_slot) == DLRT_THREAD_BYTES(0), "a thread has another size in model.h");

/* Threads that this process may run at once. */
int dlrt_machine_threads(void);
/* Whether this machine has the CPU level (2, 3, 4 of x86-64; 0: not checked). */
int dlrt_machine_has_level(int64_t level);

/* The parts of dlrt_call, for those that time each step: check the arguments, bind the dims; run
 * one step. dlrt_begin must succeed before steps are run and dlrt_end follows. */
dlrt_status dlrt_begin(dlrt_context *context, int64_t entry, const int64_t *dims,
                       const void *const *inputs, void *const *outputs);
dlrt_status dlrt_step_run(dlrt_context *context, int64_t entry, int64_t step,
                          const void *const *inputs, void *const *outputs);
void dlrt_end(dlrt_context *context);

#endif
