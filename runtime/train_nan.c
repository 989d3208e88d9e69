/* Where a loss that is no number came from. Calls are functions of the state and of their number,
 * so those since the last copy in memory are made again, to the same bits, with every result looked
 * at: the first call after which a number is not finite is the culprit, the state before it the
 * last good one, and in it the first operation whose result holds what it did not hold before. */
#include "runtime/element.h"
#include "runtime/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NANS = 1, RISEN = 2, FALLEN = 4, SEEN = 8 };

typedef struct {
  const dlrt_step *step; /* NULL: none */
  int64_t nans, infinite, count;
} finding;

typedef struct {
  dlrt_training *t;
  unsigned char **usual; /* for each task what its steps' results held before */
  char *before;          /* tensors before the call */
  int64_t *slots;
} search;

static double number_at(int64_t element, const char *data, size_t size, int64_t i) {
  return dlrt_element_get(element, data + (size_t)i * size);
}

/* The kinds of numbers that are not finite, and how many. */
static unsigned look(const search *s, const dlrt_step *step, finding *found) {
  unsigned kinds = 0;
  *found = (finding){.step = step};
  for (int64_t w = 0; w < step->written_count; w++) {
    const dlrt_written *written = &step->written[w];
    if (!dlrt_element_is_float(written->element)) continue;
    const char *data = s->t->context->operands[written->operand];
    size_t size = dlrt_element_size(written->element);
    int64_t count = written->count_of ? written->count_of(s->t->context->dims) : written->count;
    found->count += count;
    for (int64_t i = 0; i < count; i++) {
      int64_t gap = written->stride - written->row;
      int64_t at = written->row ? i + i / written->row * gap : i;
      double value = number_at(written->element, data, size, at);
      if (isfinite(value)) continue;
      kinds |= isnan(value) ? NANS : value > 0 ? RISEN : FALLEN;
      found->nans += isnan(value) != 0;
      found->infinite += isnan(value) == 0;
    }
  }
  return kinds;
}

/* The call with its results looked at. Of a step seen for the first time -inf is usual: masks. */
static dlrt_status call(search *s, dlrt_task *task, finding *first) {
  dlrt_context *context = s->t->context;
  unsigned char *usual = s->usual[task - s->t->tasks];
  const void *const *inputs = task->inputs;
  dlrt_status status = dlrt_begin(context, task->index, task->entry_dims, inputs, task->outputs);
  if (status) return status;
  dlrt_walk walk = dlrt_walk_begin(context, task->entry, inputs, task->outputs);
  for (int64_t i; !status && (i = dlrt_walk_next(&walk)) >= 0;) {
    finding found = {0};
    status = dlrt_step_run(context, task->index, i, inputs, task->outputs);
    unsigned kinds = status ? 0 : look(s, &task->entry->steps[i], &found);
    unsigned known = usual[i] & SEEN ? usual[i] : FALLEN;
    if (kinds & ~known && !first->step) *first = found;
    usual[i] = (unsigned char)(usual[i] | kinds | SEEN);
  }
  dlrt_end(context);
  return status;
}

/* "; first: the input 'image', row 12" */
static bool look_at_inputs(const dlrt_training *t, const dlrt_task *task, int64_t step,
                           int64_t rows, char *text, size_t room) {
  for (int64_t i = 0; i < task->entry->input_count; i++) {
    const dlrt_input *input = &task->binding.inputs[i];
    if (!dlrt_element_is_float(input->port->element)) continue;
    int64_t row = 1, count = input->by_rows ? rows : 1;
    for (int a = input->by_rows ? 1 : 0; a < input->port->rank; a++) row *= input->shape[a];
    size_t size = dlrt_element_size(input->port->element);
    for (int64_t k = 0; k < row * count; k++) {
      double value = number_at(input->port->element, task->inputs[i], size, k);
      if (isfinite(value)) continue;
      int used = snprintf(text, room, "the input '%s' is %s", input->port->name,
                          isnan(value) ? "nan" : "infinite");
      if (input->by_rows)
        snprintf(text + used, room - (size_t)used, " in row %lld",
                 (long long)dlrt_task_row(t, task, step, k / row));
      return true;
    }
  }
  return false;
}

static size_t slot_bytes(const dlrt_model *m) {
  return 8 * (size_t)(DLRT_SLOTS(m->dim_count, m->entry_count, m->draws) - m->dim_count);
}

static void describe(const finding *found, char *text, size_t room) {
  bool nans = found->nans >= found->infinite;
  const char *layer = *found->step->layer ? found->step->layer : found->step->name;
  snprintf(text, room, "%.80s (%.80s), %s of %s values %s", layer, found->step->place,
           dlrt_thousands(nans ? found->nans : found->infinite), dlrt_thousands(found->count),
           nans ? "nan" : "infinite");
}

/* Calls from the kept copy on, until one breaks something; returns its number, the state is that
 * before it; -1: it did not happen again. */
static int64_t replay(search *s, int64_t last, char *text, size_t room) {
  dlrt_training *t = s->t;
  dlrt_keep_restore(t);
  int64_t *slots = t->context->dims + t->model->dim_count;
  for (int64_t step = t->at.step; step <= last; step++) {
    dlrt_task *task;
    int64_t rows;
    finding found = {0};
    memcpy(s->before, t->context->parameters, (size_t)t->model->parameter_bytes);
    memcpy(s->slots, slots, slot_bytes(t->model));
    if (dlrt_task_prepare(t, step, &task, &rows) || call(s, task, &found)) return -1;
    if (isfinite(dlrt_task_result(task, 0)) && dlrt_is_finite(t)) {
      dlrt_task_account(t, task, rows);
      t->at.step++;
      continue;
    }
    if (!look_at_inputs(t, task, step, rows, text, room) && found.step)
      describe(&found, text, room);
    memcpy(t->context->parameters, s->before, (size_t)t->model->parameter_bytes);
    memcpy(slots, s->slots, slot_bytes(t->model));
    return step;
  }
  return -1;
}

int dlrt_nan_explain(dlrt_training *t, int64_t step, double loss) {
  search s = {.t = t};
  char text[300] = "", when[40] = "";
  s.usual = calloc((size_t)t->task_count + 1, sizeof *s.usual);
  s.before = malloc((size_t)t->model->parameter_bytes + 1);
  s.slots = malloc(slot_bytes(t->model) + 1);
  bool good = s.usual && s.before && s.slots;
  for (int64_t i = 0; good && i < t->task_count; i++)
    good = (s.usual[i] = calloc((size_t)t->tasks[i].entry->step_count + 1, 1)) != NULL;
  int64_t culprit = good ? replay(&s, step, text, sizeof text) : -1;
  if (culprit >= 0 && culprit < step)
    snprintf(when, sizeof when, "at step %s, ", dlrt_thousands(culprit + 1));
  const char *first = *text ? "; first: " : "";
  if (isfinite(loss))
    dlrt_complain(t->program, EXIT_INPUT, "parameters are not finite after step %s%s%s%s",
                  dlrt_thousands(step + 1), first, *text ? when : "", text);
  else
    dlrt_complain(t->program, EXIT_INPUT, "the loss is %s at step %s%s%s%s",
                  isnan(loss) ? "nan" : "infinite", dlrt_thousands(step + 1), first,
                  *text ? when : "", text);
  bool kept = culprit >= 0 && t->checkpoint && dlrt_keep(t);
  if (kept && dlrt_checkpoint(t))
    dlrt_complain_status(t->program, DLRT_NO_SPACE, &t->program->error);
  else if (kept)
    fprintf(stderr, "  step %s, the last good one, is in %s\n", dlrt_thousands(culprit),
            t->checkpoint);
  for (int64_t i = 0; s.usual && i < t->task_count; i++) free(s.usual[i]);
  free(s.usual);
  free(s.before);
  free(s.slots);
  return EXIT_INPUT;
}

/* Rows alone, one after the other: the numbers that come out are of no use, nor is the state. */
int dlrt_index_explain(dlrt_training *t, dlrt_task *task, int64_t step) {
  char text[sizeof t->program->error.text];
  memcpy(text, t->program->error.text, sizeof text);
  const dlrt_binding *b = &task->binding;
  int64_t copies = b->row_dim >= 0 ? t->model->dims[b->row_dim].min : b->batch, rows = 0;
  int64_t *same = task->batches ? malloc((size_t)copies * sizeof *same) : NULL;
  dlrt_task *again;
  if (same && !dlrt_task_prepare(t, step, &again, &rows))
    for (int64_t i = 0; i < rows; i++) {
      int64_t row = dlrt_task_row(t, task, step, i);
      for (int64_t k = 0; k < copies; k++) same[k] = row;
      if (dlrt_task_gather(t, task, same, copies) || dlrt_task_call(t, task) != DLRT_BAD_INDEX)
        continue;
      free(same);
      return dlrt_complain(t->program, EXIT_INPUT, "step %s: %s, in row %lld of the data",
                           dlrt_thousands(step + 1), text, (long long)row);
    }
  free(same);
  return dlrt_complain(t->program, EXIT_INPUT, "step %s: %s", dlrt_thousands(step + 1), text);
}
