/* The steps of the schedule: what they take from which files, and the calls of them. */
#include "runtime/element.h"
#include "runtime/train.h"

#include <stdlib.h>
#include <string.h>

enum { USUAL_BATCH = 64 };

static int no_memory(const dlrt_training *t) {
  return dlrt_complain(t->program, EXIT_INPUT, "no memory to train");
}

static int64_t value_of(const dlrt_model *model, const dlrt_entry *entry) {
  size_t length = strlen(entry->name);
  for (int64_t i = 0; i < model->entry_count; i++)
    if (model->entries[i].kind == DLRT_VALUE_ENTRY &&
        strncmp(model->entries[i].name, entry->name, length) == 0 &&
        strcmp(model->entries[i].name + length, "_value") == 0)
      return i;
  return -1;
}

/* ---- the schedule ---- */

static int64_t task_of(dlrt_training *t, int64_t entry) {
  for (int64_t i = 0; i < t->task_count; i++)
    if (t->tasks[i].index == entry) return i;
  dlrt_task *task = &t->tasks[t->task_count];
  task->entry = &t->model->entries[entry];
  task->index = entry;
  task->value = value_of(t->model, task->entry);
  task->pass = -1;
  return t->task_count++;
}

static int read_schedule(dlrt_training *t) {
  enum { LONGEST_ROUND = 1 << 20 };
  const dlrt_model *model = t->model;
  bool one = t->program->entry_name || !model->schedule_count;
  t->tasks = calloc((size_t)model->entry_count + 1, sizeof *t->tasks);
  for (int64_t i = 0; i < model->schedule_count && !one; i++)
    t->round += model->schedule[i].entry < 0 ? 0 : model->schedule[i].times;
  if (one) t->round = 1;
  if (t->round < 1 || t->round > LONGEST_ROUND)
    return dlrt_complain(t->program, EXIT_INPUT, "the schedule has %lld steps",
                         (long long)t->round);
  t->sequence = calloc((size_t)t->round, sizeof *t->sequence);
  if (!t->tasks || !t->sequence) return no_memory(t);
  int64_t used = 0;
  if (one) t->sequence[used++] = task_of(t, t->program->entry_index);
  for (int64_t i = 0; i < model->schedule_count && !one; i++)
    for (int64_t k = 0; k < model->schedule[i].times && model->schedule[i].entry >= 0; k++)
      t->sequence[used++] = task_of(t, model->schedule[i].entry);
  for (int64_t i = 0; i < t->round; i++) t->tasks[t->sequence[i]].per_round++;
  for (int64_t i = 0; i < t->task_count; i++) {
    const dlrt_entry *entry = t->tasks[i].entry;
    if (entry->output_count &&
        (entry->outputs[0].rank || !dlrt_element_is_float(entry->outputs[0].element)))
      return dlrt_complain(t->program, EXIT_INPUT, "the first result of '%s' is no loss",
                           entry->name);
  }
  return 0;
}

/* ---- data ---- */

static bool takes(const dlrt_entry *entry, const dlrt_setting *setting) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (dlrt_setting_is(setting, entry->inputs[i].name)) return true;
  return false;
}

/* The batch that was asked for, or the usual one, within the dim's bounds and the rows there are.
 */
static int settle_batch(dlrt_training *t, dlrt_task *task) {
  const dlrt_program *program = t->program;
  dlrt_binding *b = &task->binding;
  if (b->row_dim < 0) {
    if (program->batch && program->batch != b->batch)
      return dlrt_complain(program, EXIT_USAGE, "a batch is %lld: '%s' was built for it",
                           (long long)b->batch, t->model->name);
  } else {
    const dlrt_dim *dim = &t->model->dims[b->row_dim];
    if (program->batch && (program->batch < dim->min || program->batch > dim->max))
      return dlrt_complain(program, EXIT_USAGE, "a batch of %lld: %s goes from %lld to %lld (%s)",
                           (long long)program->batch, dim->name, (long long)dim->min,
                           (long long)dim->max, dim->place);
    bool given = b->dims[b->row_dim] > 0; /* --dim N=K */
    if (program->batch)
      b->batch = program->batch;
    else if (!given && b->batch > USUAL_BATCH)
      b->batch = USUAL_BATCH < dim->min ? dim->min : USUAL_BATCH;
  }
  task->batch = b->batch;
  return 0;
}

static int bind(dlrt_training *t, dlrt_task *task) {
  const dlrt_program *program = t->program;
  dlrt_request request = dlrt_program_request(program);
  size_t norms = 0, dims = 0;
  char batch[24];
  dlrt_setting *mine =
      calloc((size_t)program->norms.count + (size_t)program->dims.count + 2, sizeof *mine);
  if (!mine) return no_memory(t);
  for (int i = 0; i < program->norms.count; i++)
    if (takes(task->entry, &program->norms.items[i])) mine[norms++] = program->norms.items[i];
  dlrt_setting *own = mine + norms;
  /* A step without rows of its own, such as a generator's, takes as many as the others. */
  if (t->lead && t->lead->binding.row_dim >= 0) {
    const char *name = t->model->dims[t->lead->binding.row_dim].name;
    snprintf(batch, sizeof batch, "%lld", (long long)t->lead->batch);
    own[dims++] = (dlrt_setting){name, strlen(name), batch};
  }
  bool has_rows = false;
  for (int64_t i = 0; i < task->entry->input_count; i++)
    has_rows = has_rows || task->entry->inputs[i].rank;
  if (has_rows) dims = 0;
  for (int i = 0; i < program->dims.count; i++) own[dims++] = program->dims.items[i];
  request.entry = task->index;
  request.batch = 0;
  request.norms = mine;
  request.norm_count = (int)norms;
  request.dims = own;
  request.dim_count = (int)dims;
  dlrt_status status = dlrt_bind(&request, &task->binding, &t->program->error);
  free(mine);
  if (status) return dlrt_complain_status(program, status, &program->error);
  return task->binding.has_rows ? settle_batch(t, task) : 0;
}

/* Rows that are kept apart are drawn by the seed: files are often sorted. */
static int split_rows(dlrt_training *t, dlrt_task *task, int64_t held) {
  dlrt_binding *b = &task->binding;
  int64_t count = b->rows;
  if (held >= count)
    return dlrt_complain(t->program, EXIT_INPUT, "--validate %lld: there are %lld rows",
                         (long long)held, (long long)count);
  int64_t *all = malloc((size_t)count * sizeof *all);
  unsigned char *apart = calloc((size_t)count, 1);
  task->rows = malloc((size_t)count * sizeof *task->rows);
  task->order = malloc((size_t)count * sizeof *task->order);
  if (held) t->held_rows = malloc((size_t)held * sizeof *t->held_rows);
  bool good = all && apart && task->rows && task->order && (!held || t->held_rows);
  for (int64_t i = 0; good && i < count; i++) all[i] = i;
  /* What goes on from row to row is kept whole: its end is kept apart. */
  if (good && t->program->streams)
    for (int64_t i = 0; i < count; i++) all[i] = count - 1 - i;
  else if (good)
    dlrt_shuffle(t->seed, -1, all, held ? count : 0);
  for (int64_t i = 0; good && i < held; i++) apart[all[i]] = 1;
  for (int64_t i = 0; good && i < count; i++)
    if (apart[i])
      t->held_rows[t->held_count++] = i;
    else
      task->rows[task->row_count++] = i;
  free(all);
  free(apart);
  if (!good) return no_memory(t);
  if (task->row_count < task->batch && b->row_dim < 0)
    return dlrt_complain(t->program, EXIT_INPUT, "%lld rows, a batch is %lld",
                         (long long)task->row_count, (long long)task->batch);
  if (task->row_count < task->batch) task->batch = task->row_count;
  b->batch = task->batch;
  task->batches = task->row_count / task->batch;
  int64_t rest = task->row_count % task->batch;
  if (t->program->streams)
    task->row_count -= rest;
  else if (rest && b->row_dim >= 0 && rest >= t->model->dims[b->row_dim].min)
    task->batches++;
  return 0;
}

int dlrt_task_room(dlrt_training *t, dlrt_task *task) {
  const dlrt_entry *entry = task->entry;
  task->inputs = calloc((size_t)entry->input_count + 1, sizeof *task->inputs);
  task->outputs = calloc((size_t)entry->output_count + 1, sizeof *task->outputs);
  task->entry_dims = calloc((size_t)entry->dim_count + 1, sizeof *task->entry_dims);
  task->model_dims = calloc((size_t)t->model->dim_count + 1, sizeof *task->model_dims);
  if (!task->inputs || !task->outputs || !task->entry_dims || !task->model_dims)
    return no_memory(t);
  for (int64_t i = 0; i < entry->output_count; i++) {
    const dlrt_port *port = &entry->outputs[i];
    size_t bytes = dlrt_bytes(dlrt_element_size(port->element), port->rank, port->bound);
    if (bytes < SIZE_MAX - 64) task->outputs[i] = aligned_alloc(DLRT_ALIGN, DLRT_ROUND(bytes + 1));
    if (!task->outputs[i]) return no_memory(t);
    memset(task->outputs[i], 0, bytes);
  }
  return 0;
}

/* --validate K */
static int64_t rows_apart(const dlrt_program *program) {
  if (program->validate.count != 1 || program->validate.items[0].name_length) return 0;
  const char *text = program->validate.items[0].value;
  return text[strspn(text, "0123456789")] ? 0 : strtoll(text, NULL, 10);
}

static bool has_arrays(const dlrt_entry *entry) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (entry->inputs[i].rank) return true;
  return false;
}

static int open_data(dlrt_training *t) {
  int64_t held = rows_apart(t->program);
  int code = 0;
  for (int with = 1; with >= 0; with--) /* those with data first: they tell dims */
    for (int64_t i = 0; !code && i < t->task_count; i++) {
      dlrt_task *task = &t->tasks[i];
      if (has_arrays(task->entry) != (with == 1)) continue;
      code = bind(t, task);
      if (code || !task->binding.has_rows) continue;
      bool first = !t->lead;
      if (first) t->lead = task;
      code = split_rows(t, task, first ? held : 0);
    }
  return code;
}

static int make_columns(dlrt_training *t) {
  int64_t most = 3;
  for (int64_t i = 0; i < t->task_count; i++) most += t->tasks[i].entry->output_count;
  t->columns = calloc((size_t)most, sizeof *t->columns);
  if (!t->columns) return no_memory(t);
  for (int64_t i = 0; i < t->task_count; i++) {
    dlrt_task *task = &t->tasks[i];
    task->metric = t->column_count;
    for (int64_t k = 0; k < task->entry->output_count; k++) {
      const dlrt_port *port = &task->entry->outputs[k];
      if (port->rank || !dlrt_element_is_float(port->element)) continue;
      dlrt_column *column = &t->columns[t->column_count++];
      column->task = task;
      column->output = k;
      bool plain = k == 0 && strcmp(port->name, "loss") && t->task_count == 1;
      if (t->task_count == 1)
        snprintf(column->name, sizeof column->name, "%s", plain ? "loss" : port->name);
      else if (k == 0)
        snprintf(column->name, sizeof column->name, "%s", task->entry->name);
      else
        snprintf(column->name, sizeof column->name, "%.15s.%.15s", task->entry->name, port->name);
    }
    task->measured = t->column_count - task->metric;
  }
  return 0;
}

int dlrt_tasks_open(dlrt_training *t) {
  int code = read_schedule(t);
  if (!code) code = open_data(t);
  for (int64_t i = 0; !code && i < t->task_count; i++) code = dlrt_task_room(t, &t->tasks[i]);
  if (!code) code = make_columns(t);
  if (code) return code;
  int64_t rounds = t->program->steps;
  if (!rounds && t->lead) rounds = (t->lead->batches + t->lead->per_round - 1) / t->lead->per_round;
  if (!rounds) {
    dlrt_complain(t->program, EXIT_USAGE, "no step has rows of data that would make an epoch");
    dlrt_hint("--steps K");
    return EXIT_USAGE;
  }
  t->epoch_steps = rounds * t->round;
  return 0;
}

void dlrt_task_free(dlrt_task *task) {
  for (int64_t k = 0; task->outputs && k < task->entry->output_count; k++) free(task->outputs[k]);
  free(task->outputs);
  free(task->inputs);
  free(task->entry_dims);
  free(task->model_dims);
  free(task->rows);
  free(task->order);
  if (task->binding.entry) dlrt_bind_free(&task->binding);
}

void dlrt_tasks_close(dlrt_training *t) {
  for (int64_t i = 0; t->tasks && i < t->task_count; i++) dlrt_task_free(&t->tasks[i]);
  free(t->tasks);
  free(t->sequence);
  free(t->columns);
}

/* ---- calls ---- */

static dlrt_task *task_at(const dlrt_training *t, int64_t step, int64_t *call) {
  int64_t at = step % t->round, before = 0;
  dlrt_task *task = &t->tasks[t->sequence[at]];
  for (int64_t i = 0; i < at; i++) before += t->sequence[i] == t->sequence[at];
  *call = step / t->round * task->per_round + before;
  return task;
}

int64_t dlrt_task_row(const dlrt_training *t, const dlrt_task *task, int64_t step, int64_t i) {
  int64_t call;
  task_at(t, step, &call);
  return task->order[call % task->batches * task->batch + i];
}

dlrt_status dlrt_task_gather(dlrt_training *t, dlrt_task *task, const int64_t *rows,
                             int64_t count) {
  dlrt_status status =
      dlrt_bind_gather(&task->binding, rows, count, task->inputs, &t->program->error);
  if (!status) dlrt_bind_values(&task->binding, count, task->entry_dims, task->model_dims);
  return status;
}

/* The data in as many parts as a call has rows; each row of a call goes through its part. */
static void in_streams(dlrt_task *task) {
  for (int64_t call = 0; call < task->batches; call++)
    for (int64_t i = 0; i < task->batch; i++)
      task->order[call * task->batch + i] = task->rows[i * task->batches + call];
}

dlrt_status dlrt_task_forget(dlrt_training *t, int64_t step) {
  int64_t call;
  dlrt_task *task = task_at(t, step, &call);
  if (!t->program->streams || task != t->lead || call % task->batches) return DLRT_OK;
  dlrt_status status = dlrt_reset(t->context);
  return status ? dlrt_fail(&t->program->error, status, "%s", dlrt_detail(t->context)) : DLRT_OK;
}

dlrt_status dlrt_task_prepare(dlrt_training *t, int64_t step, dlrt_task **which, int64_t *rows) {
  int64_t call, count = 0;
  dlrt_task *task = *which = task_at(t, step, &call);
  const int64_t *order = NULL;
  dlrt_status status = dlrt_task_forget(t, step);
  if (status) return status;
  if (task->batches) {
    int64_t pass = call / task->batches, first = call % task->batches * task->batch;
    if (pass != task->pass) {
      memcpy(task->order, task->rows, (size_t)task->row_count * sizeof *task->rows);
      if (t->program->streams)
        in_streams(task);
      else
        dlrt_shuffle(t->seed + (uint64_t)(task - t->tasks), pass, task->order, task->row_count);
      task->pass = pass;
    }
    order = task->order + first;
    count = task->row_count - first < task->batch ? task->row_count - first : task->batch;
  }
  *rows = count;
  return dlrt_task_gather(t, task, order, count);
}

dlrt_status dlrt_task_call(dlrt_training *t, dlrt_task *task) {
  dlrt_status status =
      dlrt_call(t->context, task->index, task->entry_dims, task->inputs, task->outputs);
  return status ? dlrt_fail(&t->program->error, status, "%s", dlrt_detail(t->context)) : DLRT_OK;
}

double dlrt_task_result(const dlrt_task *task, int64_t output) {
  if (output >= task->entry->output_count) return 0;
  return dlrt_element_get(task->entry->outputs[output].element, task->outputs[output]);
}

void dlrt_task_account(dlrt_training *t, const dlrt_task *task, int64_t rows) {
  double weight = rows ? (double)rows : 1;
  for (int64_t i = task->metric; i < task->metric + task->measured; i++) {
    t->sums[i] += dlrt_task_result(task, t->columns[i].output) * weight;
    t->sums[t->column_count + i] += weight;
  }
}

double dlrt_column_mean(const dlrt_training *t, int64_t column) {
  double weight = column < t->column_count ? t->sums[t->column_count + column] : 0;
  return weight > 0 ? t->sums[column] / weight : 0;
}
