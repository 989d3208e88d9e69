/* --log, an object a line, each in one write; and --json, the report. */
#include "runtime/element.h"
#include "runtime/json.h"
#include "runtime/train.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int dlrt_log_open(dlrt_training *t) {
  const char *path = t->program->log;
  t->log = -1;
  if (!path) return 0;
  t->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (t->log >= 0) return 0;
  return dlrt_complain(t->program, EXIT_INPUT, "%.300s: %s", path, strerror(errno));
}

void dlrt_log_close(dlrt_training *t) {
  if (t->log >= 0) close(t->log);
}

/* A line that cannot be written is told once; training is worth more than its log. */
static void finish(dlrt_training *t, dlrt_writing *writing) {
  if (writing->to) fputs("}\n", writing->to);
  char *line = dlrt_writing_end(writing);
  size_t length = line ? strlen(line) : 0;
  ssize_t put = line ? write(t->log, line, length) : -1;
  if (put < 0 || (size_t)put != length) {
    dlrt_complain(t->program, EXIT_INPUT, "%.300s: %s; the log ends here", t->program->log,
                  strerror(put < 0 ? errno : ENOSPC));
    close(t->log);
    t->log = -1;
  }
  free(line);
}

static bool begin(dlrt_training *t, dlrt_writing *writing, const char *event) {
  if (t->log < 0 || !dlrt_writing_begin(writing)) return false;
  fprintf(writing->to, "{\"event\":\"%s\"", event);
  return true;
}

/* Reads back exactly: 9 digits of a float, 17 of a double. */
static void put_number(FILE *to, const char *name, double value, int digits) {
  fputc(',', to);
  dlrt_json_put(to, name);
  if (isfinite(value))
    fprintf(to, ":%.*g", digits, value);
  else
    fputs(":null", to);
}

static double elapsed(const dlrt_training *t) {
  double seconds = dlrt_seconds() - t->epoch_started;
  for (int64_t i = 0; i < t->at.epochs; i++) seconds += t->seconds[i];
  return seconds;
}

void dlrt_log_start(dlrt_training *t) {
  dlrt_writing writing;
  if (!begin(t, &writing, "start")) return;
  int64_t numbers = 0;
  for (int64_t i = 0; i < t->model->tensor_count; i++) {
    const dlrt_tensor *tensor = &t->model->tensors[i];
    if (tensor->kind == DLRT_PARAMETER && tensor->offset >= 0)
      numbers += tensor->bytes / (int64_t)dlrt_element_size(tensor->element);
  }
  fputs(",\"model\":", writing.to);
  dlrt_json_put(writing.to, t->model->name);
  fputs(",\"arguments\":[", writing.to);
  for (int i = 1; i < t->program->argc; i++) {
    if (i > 1) fputc(',', writing.to);
    dlrt_json_put(writing.to, t->program->argv[i]);
  }
  fprintf(writing.to, "],\"parameters\":%lld,\"threads\":%d,\"seed\":%llu", (long long)numbers,
          dlrt_threads(t->context), (unsigned long long)t->seed);
  finish(t, &writing);
}

static void put_scalar(FILE *to, const dlrt_port *port, const void *data) {
  if (!dlrt_element_is_float(port->element))
    put_number(to, port->name, (double)dlrt_element_get_integer(port->element, data), 17);
  else
    put_number(to, port->name, dlrt_element_get(port->element, data),
               port->element == DLRT_F64 ? 17 : 9);
}

void dlrt_log_step(dlrt_training *t, const dlrt_task *task, int64_t rows) {
  dlrt_writing writing;
  if (!begin(t, &writing, "step")) return;
  int64_t step = t->at.step, epoch = (step - 1) / t->epoch_steps + 1;
  fprintf(writing.to, ",\"step\":%lld,\"epoch\":%lld,\"entry\":", (long long)step,
          (long long)epoch);
  dlrt_json_put(writing.to, task->entry->name);
  fprintf(writing.to, ",\"n\":%lld", (long long)rows);
  for (int64_t i = 0; i < task->entry->input_count; i++)
    if (!task->entry->inputs[i].rank)
      put_scalar(writing.to, &task->entry->inputs[i], task->inputs[i]);
  for (int64_t i = 0; i < task->entry->output_count; i++)
    if (!task->entry->outputs[i].rank)
      put_scalar(writing.to, &task->entry->outputs[i], task->outputs[i]);
  fprintf(writing.to, ",\"seconds\":%.6g", elapsed(t));
  finish(t, &writing);
}

/* "loss":0.5,"validation":{"loss":0.4,"accuracy":0.9} */
static void put_epoch(const dlrt_training *t, int64_t epoch, FILE *to) {
  const double *values = t->history + epoch * t->column_count;
  fprintf(to, "\"epoch\":%lld", (long long)epoch + 1);
  for (int64_t i = 0; i < t->column_count; i++)
    if (t->columns[i].kind == DLRT_LOSS) put_number(to, t->columns[i].name, values[i], 17);
  for (int64_t i = 0; i < t->column_count; i++) {
    if (t->columns[i].kind != DLRT_VALIDATION) continue;
    fputs(",\"validation\":{\"loss\":", to);
    fprintf(to, isfinite(values[i]) ? "%.17g" : "null", values[i]);
    if (t->judges) put_number(to, "accuracy", values[i + 1], 17);
    if (t->reads_text) put_number(to, "perplexity", values[t->column_count - 1], 17);
    fputc('}', to);
  }
  if (t->reads_text && !t->validates) put_number(to, "perplexity", values[t->column_count - 1], 17);
  fprintf(to, ",\"seconds\":%.6g", t->seconds[epoch]);
}

void dlrt_log_epoch(dlrt_training *t) {
  dlrt_writing writing;
  if (!begin(t, &writing, "epoch")) return;
  fputc(',', writing.to);
  put_epoch(t, t->at.epochs - 1, writing.to);
  finish(t, &writing);
}

void dlrt_log_event(dlrt_training *t, const char *event, const char *key, const char *value) {
  dlrt_writing writing;
  if (!begin(t, &writing, event)) return;
  fprintf(writing.to, ",\"step\":%lld", (long long)t->at.step);
  if (key) {
    fprintf(writing.to, ",\"%s\":", key);
    dlrt_json_put(writing.to, value);
  }
  finish(t, &writing);
}

void dlrt_train_json(dlrt_training *t) {
  FILE *to = stdout;
  fputs("{\"model\":", to);
  dlrt_json_put(to, t->model->name);
  fprintf(to, ",\"reason\":\"%s\",\"steps\":%lld,\"threads\":%d,\"seed\":%llu,\"epochs\":[",
          t->reason, (long long)t->at.step, dlrt_threads(t->context), (unsigned long long)t->seed);
  for (int64_t i = 0; i < t->at.epochs; i++) {
    fputs(i ? ",{" : "{", to);
    put_epoch(t, i, to);
    fputc('}', to);
  }
  fputc(']', to);
  if (t->at.best) fprintf(to, ",\"best\":%lld", (long long)t->at.best);
  const char *saved = strcmp(t->reason, "interrupt") ? t->program->save : NULL;
  if (saved) {
    fputs(",\"saved\":", to);
    dlrt_json_put(to, saved);
  }
  if (t->checkpoint) {
    fputs(",\"checkpoint\":", to);
    dlrt_json_put(to, t->checkpoint);
  }
  fprintf(to, ",\"seconds\":%.6g}\n", dlrt_seconds() - t->started);
}
