/* Validation: the loss of rows that are not learnt from, by the step's value entry, and the share
 * of them whose class a model says, if one takes the step's inputs but for the labels. */
#include "runtime/element.h"
#include "runtime/train.h"

#include <stdlib.h>
#include <string.h>

enum { LEFT_OUT = -100 }; /* a label that cross_entropy skips */

/* ---- the data ---- */

static const dlrt_setting *named(const dlrt_settings *list, const char *name) {
  const dlrt_setting *found = NULL;
  for (int i = 0; i < list->count; i++)
    if (dlrt_setting_is(&list->items[i], name)) found = &list->items[i];
  return found;
}

/* --validate FILE, an .npz with an array for each input, or NAME=FILE of each. */
static int bind_files(dlrt_training *t) {
  const dlrt_program *program = t->program;
  const dlrt_entry *entry = &t->model->entries[t->lead->value];
  dlrt_setting *inputs = calloc((size_t)entry->input_count + 1, sizeof *inputs);
  dlrt_setting *norms = calloc((size_t)program->norms.count + 1, sizeof *norms);
  char(*shifts)[24] = calloc((size_t)entry->input_count + 1, sizeof *shifts);
  int count = 0, norm_count = 0, code = 0;
  if (!inputs || !norms || !shifts) code = dlrt_complain(program, EXIT_INPUT, "no memory to train");
  for (int64_t i = 0; !code && i < entry->input_count; i++) {
    const char *name = entry->inputs[i].name;
    const dlrt_setting *file = named(&program->validate, name);
    for (int k = 0; !file && entry->inputs[i].rank && k < program->validate.count; k++)
      if (!program->validate.items[k].name_length) file = &program->validate.items[k];
    if (!file) file = named(&program->inputs, name);
    const dlrt_input *lead = &t->lead->binding.inputs[i];
    bool follows = file && !file->name_length && lead->corpus && lead->shift;
    if (follows) snprintf(shifts[i], sizeof shifts[i], "+%lld", (long long)lead->shift);
    if (file)
      inputs[count++] = (dlrt_setting){name, strlen(name), follows ? shifts[i] : file->value};
    const dlrt_setting *norm = named(&program->norms, name);
    if (norm) norms[norm_count++] = *norm;
  }
  dlrt_request request = dlrt_program_request(program);
  request.entry = t->lead->value;
  request.inputs = inputs;
  request.input_count = count;
  request.norms = norms;
  request.norm_count = norm_count;
  request.batch = 0;
  if (!code) {
    dlrt_status status = dlrt_bind(&request, &t->held.binding, &t->program->error);
    if (status) code = dlrt_complain_status(program, status, &program->error);
  }
  free(inputs);
  free(norms);
  free(shifts);
  if (code) return code;
  dlrt_binding *b = &t->held.binding;
  if (b->row_dim >= 0) b->batch = t->lead->batch;
  t->held_count = b->rows;
  t->held_rows = malloc((size_t)b->rows * sizeof *t->held_rows);
  if (!t->held_rows) return dlrt_complain(program, EXIT_INPUT, "no memory to train");
  for (int64_t i = 0; i < b->rows; i++) t->held_rows[i] = i;
  return 0;
}

static int check_names(const dlrt_training *t) {
  const dlrt_entry *entry = t->lead->entry;
  for (int i = 0; i < t->program->validate.count; i++) {
    const dlrt_setting *setting = &t->program->validate.items[i];
    bool found = !setting->name_length;
    for (int64_t k = 0; k < entry->input_count; k++)
      found = found || dlrt_setting_is(setting, entry->inputs[k].name);
    if (!found)
      return dlrt_complain(t->program, EXIT_USAGE, "--validate: '%s' has no input '%.*s'",
                           entry->name, (int)setting->name_length, setting->name);
  }
  return 0;
}

/* ---- the judge ---- */

static bool has_input(const dlrt_entry *entry, const dlrt_port *port) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (strcmp(entry->inputs[i].name, port->name) == 0 &&
        strcmp(entry->inputs[i].type, port->type) == 0)
      return true;
  return false;
}

/* The input of the step that the model does not take, if it is one and may be labels; else -1. */
static int64_t label_for(const dlrt_task *held, const dlrt_entry *model) {
  const dlrt_entry *step = held->entry;
  int64_t label = -1;
  if (model->kind != DLRT_MODEL_ENTRY || model->output_count != 1 || model->outputs[0].rank != 2 ||
      !dlrt_element_is_float(model->outputs[0].element))
    return -1;
  for (int64_t i = 0; i < model->input_count; i++)
    if (!has_input(step, &model->inputs[i])) return -1;
  for (int64_t i = 0; i < step->input_count; i++) {
    if (!step->inputs[i].rank || has_input(model, &step->inputs[i])) continue;
    if (label >= 0) return -1;
    label = i;
  }
  if (label < 0 || step->inputs[label].element != DLRT_I64 || step->inputs[label].rank != 1 ||
      !held->binding.inputs[label].by_rows)
    return -1;
  return label;
}

static int find_judge(dlrt_training *t) {
  const dlrt_model *model = t->model;
  for (int64_t e = 0; e < model->entry_count && !t->judges; e++) {
    int64_t label = label_for(&t->held, &model->entries[e]);
    if (label < 0) continue;
    dlrt_error error = {0};
    if (dlrt_bind_same(&t->held.binding, e, &t->judged.binding, &error)) continue;
    t->judged.entry = &model->entries[e];
    t->judged.index = e;
    if (!t->judged.binding.has_rows) {
      dlrt_task_free(&t->judged);
      t->judged = (dlrt_task){0};
      continue;
    }
    t->label = label;
    t->classes = model->entries[e].outputs[0].bound[1];
    t->judges = true;
    return dlrt_task_room(t, &t->judged);
  }
  return 0;
}

/* ---- states that rows go on with: the validation has its own ---- */

static bool is_memory(const dlrt_tensor *tensor) {
  return tensor->kind == DLRT_MEMORY && tensor->offset >= 0;
}

static size_t memory_bytes(const dlrt_model *model) {
  size_t sum = 0;
  for (int64_t i = 0; i < model->tensor_count; i++)
    if (is_memory(&model->tensors[i])) sum += (size_t)model->tensors[i].bytes;
  return sum;
}

/* They are as they were first; those of training are put by. */
static dlrt_status put_by(dlrt_training *t) {
  char *to = t->put_by;
  if (!to) return DLRT_OK;
  for (int64_t i = 0; i < t->model->tensor_count; i++) {
    const dlrt_tensor *tensor = &t->model->tensors[i];
    if (!is_memory(tensor)) continue;
    memcpy(to, t->context->parameters + tensor->offset, (size_t)tensor->bytes);
    to += tensor->bytes;
  }
  dlrt_status status = dlrt_reset(t->context);
  return status ? dlrt_fail(&t->program->error, status, "%s", dlrt_detail(t->context)) : DLRT_OK;
}

static void take_back(dlrt_training *t) {
  const char *from = t->put_by;
  for (int64_t i = 0; from && i < t->model->tensor_count; i++) {
    const dlrt_tensor *tensor = &t->model->tensors[i];
    if (!is_memory(tensor)) continue;
    memcpy(t->context->parameters + tensor->offset, from, (size_t)tensor->bytes);
    from += tensor->bytes;
  }
}

int dlrt_validate_open(dlrt_training *t) {
  const dlrt_program *program = t->program;
  if (!program->validate.count && program->patience)
    return dlrt_complain(program, EXIT_USAGE, "--patience looks at the validation: --validate K");
  if (!program->validate.count) return 0;
  if (!t->lead) return dlrt_complain(program, EXIT_USAGE, "--validate: no step has rows of data");
  if (t->lead->value < 0)
    return dlrt_complain(program, EXIT_USAGE, "--validate: there is no entry '%s_value'",
                         t->lead->entry->name);
  int code = check_names(t);
  t->held.index = t->lead->value;
  t->held.entry = &t->model->entries[t->lead->value];
  t->held.value = -1;
  if (!code && t->held_count) {
    dlrt_status status =
        dlrt_bind_same(&t->lead->binding, t->lead->value, &t->held.binding, &t->program->error);
    if (status) code = dlrt_complain_status(program, status, &program->error);
  } else if (!code) {
    code = bind_files(t);
  }
  if (code) return code;
  dlrt_binding *b = &t->held.binding;
  if (b->row_dim < 0 && t->held_count < b->batch)
    return dlrt_complain(program, EXIT_INPUT, "--validate: %lld rows, a batch is %lld",
                         (long long)t->held_count, (long long)b->batch);
  code = dlrt_task_room(t, &t->held);
  if (!code) code = find_judge(t);
  if (code) return code;
  if (program->streams && !(t->put_by = malloc(memory_bytes(t->model) + 1)))
    return dlrt_complain(program, EXIT_INPUT, "no memory to train");
  t->validates = true;
  snprintf(t->columns[t->column_count].name, sizeof t->columns->name, "validation");
  t->columns[t->column_count++].kind = DLRT_VALIDATION;
  if (!t->judges) return 0;
  snprintf(t->columns[t->column_count].name, sizeof t->columns->name, "accuracy");
  t->columns[t->column_count++].kind = DLRT_ACCURACY;
  return 0;
}

void dlrt_validate_close(dlrt_training *t) {
  if (t->held.entry) dlrt_task_free(&t->held);
  if (t->judged.entry) dlrt_task_free(&t->judged);
  free(t->held_rows);
  free(t->put_by);
}

/* ---- labels ---- */

static int64_t label_of(const dlrt_input *input, int64_t row) {
  size_t size = dlrt_element_size(input->array.element);
  return dlrt_element_get_integer(input->array.element,
                                  (const char *)input->array.data + (size_t)row * size);
}

static int check_labels(const dlrt_training *t, const dlrt_task *task, const int64_t *rows,
                        int64_t count) {
  const dlrt_input *input = NULL;
  const char *name = t->held.entry->inputs[t->label].name;
  for (int64_t i = 0; i < task->entry->input_count; i++)
    if (strcmp(task->entry->inputs[i].name, name) == 0) input = &task->binding.inputs[i];
  for (int64_t i = 0; input && i < count; i++) {
    int64_t label = label_of(input, rows[i]);
    if ((label < 0 && label != LEFT_OUT) || label >= t->classes)
      return dlrt_complain(t->program, EXIT_INPUT,
                           "'%s' is %lld in row %lld, classes are 0 to %lld", name,
                           (long long)label, (long long)rows[i], (long long)t->classes - 1);
  }
  return 0;
}

int dlrt_labels_check(dlrt_training *t) {
  if (!t->judges) return 0;
  int code = check_labels(t, t->lead, t->lead->rows, t->lead->row_count);
  return code ? code : check_labels(t, &t->held, t->held_rows, t->held_count);
}

/* ---- the work ---- */

static int64_t best_of(const char *row, int64_t element, int64_t columns) {
  size_t size = dlrt_element_size(element);
  int64_t best = 0;
  double most = dlrt_element_get(element, row);
  for (int64_t c = 1; c < columns && most == most; c++) {
    double value = dlrt_element_get(element, row + (size_t)c * size);
    if (value > most || value != value) {
      most = value;
      best = c;
    }
  }
  return best;
}

static dlrt_status judge(dlrt_training *t, const int64_t *rows, int64_t count, int64_t *right,
                         int64_t *judged) {
  const dlrt_port *port = &t->judged.entry->outputs[0];
  dlrt_status status = dlrt_task_gather(t, &t->judged, rows, count);
  if (!status) status = dlrt_task_call(t, &t->judged);
  size_t width = (size_t)t->classes * dlrt_element_size(port->element);
  for (int64_t i = 0; !status && i < count; i++) {
    int64_t label = label_of(&t->held.binding.inputs[t->label], rows[i]);
    if (label < 0) continue;
    const char *row = (const char *)t->judged.outputs[0] + (size_t)i * width;
    *right += best_of(row, port->element, t->classes) == label;
    ++*judged;
  }
  return status;
}

static dlrt_status judge_rows(dlrt_training *t, double *values, bool *done) {
  const dlrt_binding *b = &t->held.binding;
  double sum = 0;
  int64_t weight = 0, right = 0, judged = 0;
  dlrt_status status = DLRT_OK;
  for (int64_t first = 0; first < t->held_count; first += b->batch) {
    if (dlrt_interrupted()) return DLRT_OK;
    int64_t count = t->held_count - first < b->batch ? t->held_count - first : b->batch;
    /* A fixed batch is not there in part. */
    if (count < (b->row_dim < 0 ? b->batch : t->model->dims[b->row_dim].min)) break;
    status = dlrt_task_gather(t, &t->held, t->held_rows + first, count);
    if (!status) status = dlrt_task_call(t, &t->held);
    if (!status && t->judges) status = judge(t, t->held_rows + first, count, &right, &judged);
    if (status) return status;
    sum += dlrt_task_result(&t->held, 0) * (double)count;
    weight += count;
  }
  values[0] = sum / (double)weight;
  if (t->judges) values[1] = judged ? (double)right / (double)judged : 0;
  *done = true;
  return DLRT_OK;
}

dlrt_status dlrt_validate(dlrt_training *t, double *values, bool *done) {
  *done = false;
  dlrt_status status = put_by(t);
  if (!status) status = judge_rows(t, values, done);
  take_back(t);
  return status;
}
