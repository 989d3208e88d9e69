/* train: steps over data until the epochs are done, with validation, checkpoints, a log. */
#include "runtime/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKPOINT_SECONDS = 30, USUAL_LOG_EVERY = 100, GOING_ON = -1 };

/* ---- before ---- */

static int open_context(dlrt_training *t) {
  const dlrt_program *program = t->program;
  dlrt_status status = dlrt_open_level(t->model, &t->context, NULL, (int)program->threads,
                                       dlrt_pinning_wanted(program));
  if (status) return dlrt_complain(program, EXIT_INPUT, "%s", dlrt_text(status));
  status = dlrt_init(t->context, t->seed);
  if (status == DLRT_BAD_ARGUMENT && (program->weights || program->resume)) {
    dlrt_seed(t->context, t->seed);
    status = DLRT_OK;
  }
  if (!status && program->weights && !program->resume)
    status = dlrt_load(t->context, program->weights);
  return status ? dlrt_complain(program, EXIT_INPUT, "%s", dlrt_detail(t->context)) : 0;
}

static int make_history(dlrt_training *t) {
  size_t epochs = (size_t)t->epochs + 1, columns = (size_t)t->column_count + 1;
  t->history = calloc(epochs * columns, sizeof *t->history);
  t->seconds = calloc(epochs, sizeof *t->seconds);
  if (!t->history || !t->seconds)
    return dlrt_complain(t->program, EXIT_INPUT, "no memory for %lld epochs", (long long)t->epochs);
  dlrt_status status = dlrt_keep_open(t);
  return status ? dlrt_complain_status(t->program, status, &t->program->error) : 0;
}

static int check_classes(const dlrt_training *t) {
  dlrt_names names;
  if (!t->program->classes) return 0;
  int code = dlrt_names_read(t->program, t->program->classes, &names);
  if (code) return code;
  if (t->judges && names.count != t->classes)
    code = dlrt_complain(t->program, EXIT_INPUT, "%.300s: %lld names, the model has %lld classes",
                         t->program->classes, (long long)names.count, (long long)t->classes);
  dlrt_names_free(&names);
  return code;
}

/* Of steps whose rows are tokens of a text. */
static void add_perplexity(dlrt_training *t) {
  for (int64_t i = 0; t->lead && t->lead->measured && i < t->lead->entry->input_count; i++)
    t->reads_text = t->reads_text || t->lead->binding.inputs[i].corpus;
  if (!t->reads_text) return;
  snprintf(t->columns[t->column_count].name, sizeof t->columns->name, "perplexity");
  t->columns[t->column_count++].kind = DLRT_PERPLEXITY;
}

static int begin(dlrt_training *t) {
  dlrt_program *program = t->program;
  int code = dlrt_paths_check(t);
  if (!code) code = dlrt_kept_read(program);
  if (!code) code = dlrt_tasks_open(t);
  if (!code) code = dlrt_validate_open(t);
  if (!code) add_perplexity(t);
  if (!code) code = dlrt_labels_check(t);
  if (!code) code = check_classes(t);
  if (!code) code = dlrt_describe(t);
  if (!code) code = open_context(t);
  if (!code) code = make_history(t);
  if (!code && program->resume) code = dlrt_resume(t);
  t->first_step = t->at.step;
  if (!code && !dlrt_keep(t))
    code = dlrt_complain(program, EXIT_INPUT, "a parameter is not finite before the first step");
  return code ? code : dlrt_log_open(t);
}

/* ---- during ---- */

/* A checkpoint that cannot be written is told; the work goes on, there may be room again. */
static void save_checkpoint(dlrt_training *t) {
  if (!t->checkpoint) return;
  dlrt_status status = dlrt_checkpoint(t);
  t->checkpoint_failed = status != DLRT_OK;
  if (status)
    dlrt_complain_status(t->program, status, &t->program->error);
  else
    dlrt_log_event(t, "save", "file", t->checkpoint);
}

static void judge_epoch(dlrt_training *t, double validation) {
  if (isfinite(validation) && (!t->at.best || validation < t->at.best_value)) {
    t->at.best = t->at.epochs;
    t->at.best_value = validation;
    t->at.stale = 0;
    dlrt_keep_best(t);
  } else {
    t->at.stale++;
  }
}

static int finish_epoch(dlrt_training *t) {
  double *values = t->history + t->at.epochs * t->column_count;
  int64_t measured = t->column_count - t->validates - t->judges - t->reads_text;
  for (int64_t i = 0; i < measured; i++) values[i] = dlrt_column_mean(t, i);
  bool done = true;
  if (t->validates) {
    dlrt_status status = dlrt_validate(t, values + measured, &done);
    if (status) return dlrt_complain_status(t->program, status, &t->program->error);
  }
  if (!done) return GOING_ON; /* interrupted */
  if (t->reads_text)
    values[t->column_count - 1] = exp(values[t->validates ? measured : t->lead->metric]);
  double now = dlrt_seconds();
  t->seconds[t->at.epochs++] = now - t->epoch_started;
  if (t->validates) judge_epoch(t, values[measured]);
  memset(t->sums, 0, 2 * (size_t)t->column_count * sizeof *t->sums);
  if (!dlrt_keep(t)) return dlrt_nan_explain(t, t->at.step - 1, 0);
  save_checkpoint(t);
  dlrt_log_epoch(t);
  dlrt_show_epoch(t);
  t->epoch_started = dlrt_seconds();
  t->busy = 0;
  t->epoch_rows = 0;
  return GOING_ON;
}

static int make_step(dlrt_training *t) {
  dlrt_task *task;
  int64_t rows;
  double started = dlrt_seconds();
  dlrt_status status = dlrt_task_prepare(t, t->at.step, &task, &rows);
  if (!status) status = dlrt_task_call(t, task);
  if (status == DLRT_BAD_INDEX) return dlrt_index_explain(t, task, t->at.step);
  if (status) return dlrt_complain_status(t->program, status, &t->program->error);
  double loss = dlrt_task_result(task, 0);
  if (!isfinite(loss)) {
    int64_t step = t->at.step;
    t->reason = "nan";
    return dlrt_nan_explain(t, step, loss);
  }
  dlrt_task_account(t, task, rows);
  t->at.step++;
  double now = dlrt_seconds();
  t->busy += now - started;
  t->epoch_rows += t->lead ? (task == t->lead ? rows : 0) : 1;
  int64_t every = t->program->log_every ? t->program->log_every : USUAL_LOG_EVERY;
  if (t->log >= 0 && t->at.step % every == 0) dlrt_log_step(t, task, rows);
  dlrt_show_progress(t, now);
  bool saves = t->checkpoint && now - t->saved_at > CHECKPOINT_SECONDS;
  if (!saves && !dlrt_keep_is_due(t, now)) return GOING_ON;
  if (dlrt_keep(t) && saves) save_checkpoint(t);
  return GOING_ON;
}

static int run(dlrt_training *t) {
  int code = GOING_ON;
  while (code == GOING_ON) {
    bool full = t->at.step == (t->at.epochs + 1) * t->epoch_steps;
    if (dlrt_interrupted()) {
      t->reason = "interrupt";
      return EXIT_INTERRUPT;
    }
    if (t->program->patience && t->at.stale >= t->program->patience) {
      t->reason = "patience";
      return 0;
    }
    if (t->at.epochs == t->epochs) return 0;
    code = full ? finish_epoch(t) : make_step(t);
  }
  return code;
}

/* ---- after ---- */

static int finish(dlrt_training *t) {
  dlrt_program *program = t->program;
  int code = 0;
  if (program->save) {
    dlrt_status status = dlrt_save_result(t);
    if (status) return dlrt_complain_status(program, status, &program->error);
    dlrt_log_event(t, "save", "file", program->save);
  }
  if (program->plot && t->at.epochs) {
    dlrt_status status = dlrt_plot(t, program->plot);
    if (status) code = dlrt_complain_status(program, status, &program->error);
  }
  dlrt_show_curve(t);
  return code ? code : t->checkpoint_failed ? EXIT_INPUT : 0;
}

static int train(dlrt_training *t) {
  int code = begin(t);
  if (code) return code;
  t->started = t->epoch_started = t->saved_at = dlrt_seconds();
  t->reason = "done";
  if (t->first_step)
    dlrt_log_event(t, "resume", "file", t->program->resume);
  else
    dlrt_log_start(t);
  dlrt_show_head(t);
  code = run(t);
  if (code == EXIT_INTERRUPT) {
    if (dlrt_keep(t)) save_checkpoint(t);
  } else if (!code) {
    code = finish(t);
  }
  dlrt_log_event(t, "stop", "reason",
                 code && code != EXIT_INTERRUPT && strcmp(t->reason, "nan") ? "error" : t->reason);
  if (!code || code == EXIT_INTERRUPT) dlrt_show_end(t);
  if (t->program->json && (!code || code == EXIT_INTERRUPT)) dlrt_train_json(t);
  return code;
}

int dlrt_train(dlrt_program *program) {
  char **words = NULL;
  int code = program->resume ? dlrt_resume_arguments(program, &words) : 0;
  dlrt_training t = {.program = program, .model = program->model, .log = -1};
  t.seed = (uint64_t)program->seed;
  t.epochs = program->epochs ? program->epochs : 1;
  if (!code) code = train(&t);
  dlrt_log_close(&t);
  dlrt_keep_close(&t);
  dlrt_validate_close(&t);
  dlrt_tasks_close(&t);
  dlrt_close(t.context);
  free(t.history);
  free(t.seconds);
  free(t.checkpoint);
  free(t.data);
  free(t.options);
  free(t.inputs_text);
  /* The program's options point into them. */
  if (words) {
    dlrt_options_free(program);
    *program =
        (dlrt_program){.model = program->model, .path = program->path, .name = program->name};
    free(words);
  }
  return code;
}
