/* train.h - the command `train`, shared by its files.
 *
 *   train.c            the command: from options to what is said at the end
 *   train_task.c       the steps of the schedule: their data, batches, calls
 *   train_order.c      an epoch's order of rows, a function of (seed, epoch)
 *   train_validate.c   loss and accuracy of the rows kept apart
 *   train_keep.c       copies of all that a step changes, in memory
 *   train_nan.c        where a loss that is no number came from
 *   train_save.c       --save, and checkpoints
 *   train_resume.c     --resume: going on from a checkpoint
 *   train_describe.c   data and options as text, which must be the same when one goes on
 *   train_log.c        --log and --json
 *   train_show.c       progress, table and the learning curve on a terminal
 *   plot.c             --plot, as SVG
 *
 * Training is a list of calls: round after round of the schedule, `step` counts them from 0. Which
 * entry a step calls, with which rows, follows from `step` and the seed alone, so that a checkpoint
 * holds numbers and no order. The data of the first step that has rows makes an epoch; without data
 * --steps says it.
 */
#ifndef DLRT_TRAIN_H
#define DLRT_TRAIN_H

#include "runtime/context.h"
#include "runtime/program.h"

/* A step of the schedule. */
typedef struct {
  const dlrt_entry *entry;
  int64_t index, value; /* entry numbers; value: of NAME_value, or -1 */
  int64_t per_round;    /* its calls in one round */
  dlrt_binding binding;
  int64_t *rows, row_count; /* to learn from, ascending */
  int64_t batch, batches;   /* rows of a call; calls of one pass through the rows; 0: no rows */
  int64_t *order, pass;     /* the rows in the order of this pass, -1: of none yet */
  const void **inputs;      /* of the call being made */
  void **outputs;
  int64_t *entry_dims, *model_dims;
  int64_t metric;   /* the first of its columns */
  int64_t measured; /* numbers of columns: results that are one float each */
} dlrt_task;

/* What is measured: results of steps, then validation's loss, then accuracy, then the perplexity of
 * texts, exp of the validation's loss or of the step's. */
typedef struct {
  char name[32];
  const dlrt_task *task; /* NULL: of validation */
  int64_t output;        /* of the task */
  enum { DLRT_LOSS, DLRT_VALIDATION, DLRT_ACCURACY, DLRT_PERPLEXITY } kind;
} dlrt_column;

/* All that calls change, but for parameters and random counters. */
typedef struct {
  int64_t step;   /* calls made */
  int64_t epochs; /* finished and validated */
  int64_t best;   /* epoch, from 1; 0: none yet */
  int64_t stale;  /* epochs since */
  double best_value;
} dlrt_position;

/* A copy of a context's tensors and counters, with the position and sums that belong to them. */
typedef struct {
  char *tensors;
  int64_t *slots;
  dlrt_position position;
  double *sums;
  double taken, cost; /* when, and how long it took, in seconds */
  bool there;
} dlrt_kept;

typedef struct {
  dlrt_program *program;
  const dlrt_model *model;
  dlrt_context *context;
  dlrt_task *tasks;
  int64_t task_count;
  int64_t *sequence; /* a round: numbers of tasks */
  int64_t round;     /* its length */
  dlrt_task *lead;   /* whose rows make an epoch; NULL: none has rows */
  int64_t epoch_steps, epochs;
  uint64_t seed;

  bool validates, judges, reads_text;
  dlrt_task held, judged; /* lead's value entry on the rows kept apart; a model, for accuracy */
  int64_t *held_rows, held_count;
  char *put_by;           /* with --streams: states of training while rows apart are judged */
  int64_t label, classes; /* the input of held that says what the model should */

  dlrt_column *columns;
  int64_t column_count;
  double *sums;    /* of the running epoch: of each column, and the rows it is of */
  double *history; /* of finished epochs, columns of each */
  double *seconds; /* of finished epochs */
  dlrt_position at;
  dlrt_kept kept, best; /* the last good state; the best one (its tensors alone) */

  char *checkpoint;                   /* its path, or NULL */
  char *data, *options, *inputs_text; /* dlc.data, dlc.options, dlc.inputs */
  double started, epoch_started, saved_at;
  double busy;        /* seconds of the running epoch's steps, in this run, .. */
  int64_t epoch_rows; /* .. and the lead's rows in them */
  int64_t first_step; /* of this run */
  int log;            /* a file, or -1 */
  bool bar_drawn, checkpoint_failed;
  bool other_cpu, other_numbers; /* than the checkpoint that was resumed: inputs such as lr */
  double bar_time;
  const char *reason; /* why it ended: done, interrupt, patience, nan */
} dlrt_training;

/* ---- train_task.c ---- */
int dlrt_tasks_open(dlrt_training *t);
void dlrt_tasks_close(dlrt_training *t);
/* Room for what calls take and give. */
int dlrt_task_room(dlrt_training *t, dlrt_task *task);
void dlrt_task_free(dlrt_task *task);
/* Gathers rows for a call, and makes it. */
dlrt_status dlrt_task_gather(dlrt_training *t, dlrt_task *task, const int64_t *rows, int64_t count);
/* With --streams: before the call that begins its text anew, states that rows go on with are as
 * they were first. */
dlrt_status dlrt_task_forget(dlrt_training *t, int64_t step);
/* Prepares and makes the call number `step`; on success its results are in the task's outputs. */
dlrt_status dlrt_task_prepare(dlrt_training *t, int64_t step, dlrt_task **task, int64_t *rows);
dlrt_status dlrt_task_call(dlrt_training *t, dlrt_task *task);
/* Number i of the rows of the batch of call number `step`. */
int64_t dlrt_task_row(const dlrt_training *t, const dlrt_task *task, int64_t step, int64_t i);
/* One number of a result that is one float; of a step without results 0. */
double dlrt_task_result(const dlrt_task *task, int64_t output);

/* Adds the call's results to the sums. */
void dlrt_task_account(dlrt_training *t, const dlrt_task *task, int64_t rows);
double dlrt_column_mean(const dlrt_training *t, int64_t column); /* of the running epoch */

/* ---- train_order.c ---- */
/* A permutation of items that is a function of (seed, pass). */
void dlrt_shuffle(uint64_t seed, int64_t pass, int64_t *items, int64_t count);

/* ---- train_validate.c ---- */
int dlrt_validate_open(dlrt_training *t);
void dlrt_validate_close(dlrt_training *t);
/* Writes the columns of validation to `values`; DLRT_OK too after an interrupt, with *done false.
 */
dlrt_status dlrt_validate(dlrt_training *t, double *values, bool *done);
/* Labels beyond the classes are found before the work begins. */
int dlrt_labels_check(dlrt_training *t);

/* ---- train_keep.c ---- */
dlrt_status dlrt_keep_open(dlrt_training *t);
void dlrt_keep_close(dlrt_training *t);
/* Every parameter is finite, and no state is nan. */
bool dlrt_is_finite(const dlrt_training *t);
bool dlrt_keep(dlrt_training *t); /* false: not finite, the last copy stays */
bool dlrt_keep_is_due(const dlrt_training *t, double now);
void dlrt_keep_restore(dlrt_training *t);
void dlrt_keep_best(dlrt_training *t);

/* ---- train_nan.c ---- */
/* Says what made the loss of call number `step` infinite or nan; returns the exit code. */
int dlrt_nan_explain(dlrt_training *t, int64_t step, double loss);
/* Says which row of the call has an index out of range. */
int dlrt_index_explain(dlrt_training *t, dlrt_task *task, int64_t step);

/* ---- train_save.c ---- */
/* Finds the checkpoint's name; a path that cannot be written is told before the work begins. */
int dlrt_paths_check(dlrt_training *t);
dlrt_status dlrt_checkpoint(dlrt_training *t); /* from the kept copy */
/* What --save writes: the best epoch's, or the last. */
dlrt_status dlrt_save_result(dlrt_training *t);

/* ---- train_resume.c ---- */
/* Reads the arguments that a checkpoint holds, then those that were typed, into *program, which
 * then keeps pointers to *words. */
int dlrt_resume_arguments(dlrt_program *program, char ***words);
int dlrt_resume(dlrt_training *t); /* tensors, position, history; data and options must agree */

/* ---- train_describe.c ---- */
int dlrt_describe(dlrt_training *t); /* fills data, options, inputs_text */
/* Text that is written piece by piece; end gives it, to free, or NULL: no memory. */
typedef struct {
  FILE *to; /* NULL: no memory; end looks at it too */
  char *text;
  size_t size;
} dlrt_writing;
bool dlrt_writing_begin(dlrt_writing *writing);
char *dlrt_writing_end(dlrt_writing *writing);
/* What fprintf would write, likewise. */
__attribute__((format(printf, 1, 2))) char *dlrt_format(const char *format, ...);

/* ---- train_log.c ---- */
int dlrt_log_open(dlrt_training *t);
void dlrt_log_close(dlrt_training *t);
void dlrt_log_start(dlrt_training *t);
void dlrt_log_step(dlrt_training *t, const dlrt_task *task, int64_t rows);
void dlrt_log_epoch(dlrt_training *t);
void dlrt_log_event(dlrt_training *t, const char *event, const char *key, const char *value);
void dlrt_train_json(dlrt_training *t); /* the report, on stdout */

/* ---- train_show.c ---- */
void dlrt_show_head(dlrt_training *t);
void dlrt_show_progress(dlrt_training *t, double now);
void dlrt_show_epoch(dlrt_training *t);
void dlrt_show_curve(dlrt_training *t);
void dlrt_show_end(dlrt_training *t);

/* ---- plot.c ---- */
dlrt_status dlrt_plot(dlrt_training *t, const char *path);

#endif
