/* bind.h - what a user names (files, numbers, dims) to the arguments of an entry, and calls of it
 * until all rows have gone through.
 *
 * The first axis of inputs and outputs is the rows' if it is one dim, or one number, of the first
 * input and of all outputs, and stands nowhere else: then files of any length go through in
 * batches. u8 numbers and pictures become floats between 0 and 1 (`scale`); other numbers stay.
 *
 * The results of a step, or of its value, are of all rows: its rows are the inputs' alone.
 *
 *   dlrt_request request = {.model = &model, .entry = 0, .inputs = inputs, .input_count = 1};
 *   dlrt_binding binding;
 *   dlrt_result results[1];
 *   status = dlrt_bind(&request, &binding, &error);
 *   if (!status) status = dlrt_run(net, &binding, results, NULL, NULL, &error);
 *   dlrt_results_free(&binding, results);
 *   dlrt_bind_free(&binding);
 */
#ifndef DLRT_BIND_H
#define DLRT_BIND_H

#include "runtime/array.h"

/* NAME=VALUE as it was typed; the name is not terminated. */
typedef struct {
  const char *name;
  size_t name_length;
  const char *value;
} dlrt_setting;

bool dlrt_setting_read(const char *text, dlrt_setting *setting); /* false: no '=' in it */
bool dlrt_setting_is(const dlrt_setting *setting, const char *name);

typedef struct {
  const dlrt_model *model;
  int64_t entry;
  const dlrt_setting *inputs; /* image=cat.png, lr=0.1 */
  int input_count;
  const dlrt_setting *dims; /* N=8 */
  int dim_count;
  const dlrt_setting *norms; /* image=MEAN,STD */
  int norm_count;
  int64_t batch;                            /* rows of a call; 0: as many as the bound allows */
  const char *kept;                         /* dlc.inputs of the parameters (model.h), or NULL */
  const struct dlrt_vocabulary *vocabulary; /* of texts; NULL: their bytes */
} dlrt_request;

/* An axis of a port's type. */
typedef struct {
  int64_t length; /* -1: not fixed */
  int dim;        /* index of the model's dim that it is; -1: none */
} dlrt_axis;

typedef struct {
  const dlrt_port *port;
  dlrt_axis axes[DLRT_AXES];
  dlrt_array array;         /* as it lies in the file */
  int64_t shape[DLRT_AXES]; /* the array's, by the port's axes */
  double scale;
  int channels; /* numbers of `mean` and of `deviation`: 0, 1, or of the second axis */
  double *mean, *deviation;
  bool kept; /* they came with the parameters */
  bool by_rows;
  void *buffer;               /* of a call's rows, converted */
  struct dlrt_corpus *corpus; /* the text whose tokens it is, from number `shift` on, or NULL */
  int64_t shift;
  bool owns_corpus;
} dlrt_input;

typedef struct {
  const dlrt_model *model;
  const dlrt_entry *entry;
  int64_t entry_index;
  dlrt_input *inputs;
  int64_t *dims; /* of the model; -1: not given */
  bool has_rows;
  int row_dim; /* index of the dim that counts rows; -1: their number is fixed */
  int64_t rows, batch;
  const char *kept;
} dlrt_binding;

/* Statuses: BAD_ARGUMENT, BAD_DIM: what was typed is wrong; others: what a file holds. */
dlrt_status dlrt_bind(const dlrt_request *request, dlrt_binding *binding, dlrt_error *error);
void dlrt_bind_free(dlrt_binding *binding);

/* Bound dims alone, for calls without files: every dim that was not given at its bound. */
dlrt_status dlrt_bind_dims(const dlrt_request *request, dlrt_binding *binding, dlrt_error *error);

/* The rows [first, first + count) of all inputs, as the entry wants them. */
dlrt_status dlrt_bind_rows(dlrt_binding *binding, int64_t first, int64_t count, const void **inputs,
                           dlrt_error *error);
/* Those of these numbers, `count` of them, at most the batch. Inputs without rows are prepared
 * once, so a binding is used with this or with dlrt_bind_rows. */
dlrt_status dlrt_bind_gather(dlrt_binding *binding, const int64_t *rows, int64_t count,
                             const void **inputs, dlrt_error *error);
/* For another entry, all of whose inputs `from` has too, by name and type: the same arrays, which
 * `from` keeps. */
dlrt_status dlrt_bind_same(const dlrt_binding *from, int64_t entry, dlrt_binding *binding,
                           dlrt_error *error);
/* Values of the entry's dims for a call of `count` rows, in its order, and of the model's. */
void dlrt_bind_values(const dlrt_binding *binding, int64_t count, int64_t *entry_dims,
                      int64_t *model_dims);

/* All calls; results have one element for each output, their data is allocated. `progress` (may be
 * NULL) is told the rows that are done and stops the run by returning false (DLRT_OK is returned
 * and results are incomplete). */
dlrt_status dlrt_run(dlrt_context *context, dlrt_binding *binding, dlrt_result *results,
                     bool (*progress)(void *, int64_t done), void *argument, dlrt_error *error);
void dlrt_results_free(const dlrt_binding *binding, dlrt_result *results);

/* For bind's own files: the axes of a type's text, and fitting an array to them. */
void dlrt_axes_read(const dlrt_model *model, const dlrt_port *port, dlrt_axis *axes);
bool dlrt_type_names(const char *type, const char *name); /* f32[2*N] names N */
bool dlrt_fit(const dlrt_binding *binding, dlrt_input *input);
/* Mean and deviation of `kept` for an input of that name: an array to free, first the means, and
 * how many they are; NULL: it says nothing. */
double *dlrt_kept_norm(const char *kept, const char *name, int *channels);
dlrt_status dlrt_fit_channels(const char *path, dlrt_input *input, dlrt_error *error);

#endif
