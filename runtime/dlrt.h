/* dlrt.h - libdlrt's interface to compiled models.
 *
 * Three callers: the wrappers that dlc generates for a header (`lenet(net, N, image, out)` puts its
 * arguments into three arrays and calls dlrt_call), the main of a standalone binary (one line:
 * `return dlrt_main(&model, argc, argv)`), and dlc itself, which runs models that it compiled into
 * memory through the same functions.
 *
 *   dlrt_context *net;
 *   dlrt_status status = dlrt_open(&model, &net, NULL, 0);
 *   if (!status) status = dlrt_load(net, "lenet.safetensors");
 *   if (!status) status = dlrt_call(net, 0, (int64_t[]){1}, (const void *[]){image},
 *                                   (void *[]){out});
 *   if (status) fprintf(stderr, "%s: %s\n", dlrt_text(status), dlrt_detail(net));
 *   dlrt_close(net);
 *
 * All that a model remembers is in its context, which serves one call at a time; several run side
 * by side. Only dlrt_open allocates (threads; memory, if it was given none), only dlrt_load and
 * dlrt_save open files. There are no globals. Of the environment dlrt_open reads DLC_CPU and
 * DLC_PIN, and nothing else is read.
 */
#ifndef DLRT_H
#define DLRT_H

#include "runtime/model.h"

/* The numbers are the same in every generated header. */
typedef enum {
  DLRT_OK,
  DLRT_BAD_DIM,
  DLRT_BAD_INDEX,
  DLRT_BAD_ARGUMENT,
  DLRT_NO_MEMORY,
  DLRT_NO_FILE,
  DLRT_BAD_FILE,
  DLRT_NO_SPACE,
  DLRT_BAD_CPU
} dlrt_status;

#define DLRT_AXES 8

typedef struct dlrt_context dlrt_context;

/* A tensor in place. Generated headers declare the same struct under their own name, with
 * `int64_t dims[8]`. `type` is the element's name, "f32"; `data` is NULL for a constant of the
 * object. */
typedef struct {
  const char *name, *type;
  void *data;
  int rank;
  int64_t dims[DLRT_AXES];
} dlrt_tensor_view;

/* Bytes of a context for `threads` threads; model.h has the same formula as macros. */
size_t dlrt_context_size(const dlrt_model *model, int threads);

/* Of a model for several CPU levels the highest runs that this machine has; the environment's
 * DLC_CPU, x86-64-vN, allows no more than that. BAD_CPU: there is none. DLC_PIN=1 keeps each
 * thread that it starts on a CPU of its own; the caller's thread is left alone.
 * `memory`: dlrt_context_size bytes aligned to DLRT_ALIGN, or NULL to allocate them. At most
 * `threads` threads and never more than the machine grants; 0 (with NULL only): all of those.
 * Parameters and states begin as zeros, what models write with its first values. On failure
 * *context is NULL. */
dlrt_status dlrt_open(const dlrt_model *model, dlrt_context **context, void *memory, int threads);
void dlrt_close(dlrt_context *context);
int dlrt_threads(const dlrt_context *context);
/* Parameters, states and random counters to their first values. BAD_ARGUMENT: the model has no
 * entry for that. */
dlrt_status dlrt_init(dlrt_context *context, uint64_t seed);
/* Those states alone that models write to their first values. */
dlrt_status dlrt_reset(dlrt_context *context);
/* Random numbers begin anew from this seed (0 after open); nothing for models that draw none. */
void dlrt_seed(dlrt_context *context, uint64_t seed);

/* One call of entry number `entry`: `dims`, `inputs` and `outputs` in the entry's order. BAD_DIM,
 * BAD_ARGUMENT: nothing was written. BAD_INDEX: results are to be thrown away. */
dlrt_status dlrt_call(dlrt_context *context, int64_t entry, const int64_t *dims,
                      const void *const *inputs, void *const *outputs);

/* Parameters and layers' states from safetensors, all names or no change, and of optimizers' states
 * those that are there; if constants lie beside the program, maps that file and checks that it is
 * of this build. Save writes parameters and layers' states, whole or not at all. */
dlrt_status dlrt_load(dlrt_context *context, const char *path);
dlrt_status dlrt_save(dlrt_context *context, const char *path);

/* Tensors by number (parameters, then states, in text order) or by name. */
int dlrt_count(const dlrt_model *model);
dlrt_status dlrt_at(dlrt_context *context, int index, dlrt_tensor_view *view);
dlrt_status dlrt_find(dlrt_context *context, const char *name, dlrt_tensor_view *view);

const char *dlrt_text(dlrt_status status);            /* "a dim is out of its bounds" */
const char *dlrt_detail(const dlrt_context *context); /* "N is 300, at most 256 (lenet.dl:2)" */

/* The whole command line of a standalone binary; returns its exit code. */
int dlrt_main(const dlrt_model *model, int argc, char **argv);

#endif
