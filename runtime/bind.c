#include "runtime/bind.h"
#include "runtime/element.h"
#include "runtime/texts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool dlrt_setting_read(const char *text, dlrt_setting *setting) {
  const char *equals = strchr(text, '=');
  if (!equals) return false;
  *setting = (dlrt_setting){text, (size_t)(equals - text), equals + 1};
  return true;
}

bool dlrt_setting_is(const dlrt_setting *setting, const char *name) {
  return strlen(name) == setting->name_length &&
         memcmp(name, setting->name, setting->name_length) == 0;
}

static dlrt_status no_memory(dlrt_error *error) {
  return dlrt_fail(error, DLRT_NO_MEMORY, "no memory for the inputs");
}

/* Whether the entry has rows, and of which dim. */
static void find_rows(dlrt_binding *binding) {
  const dlrt_model *model = binding->model;
  const dlrt_entry *entry = binding->entry;
  bool by_results = entry->kind == DLRT_MODEL_ENTRY;
  int64_t first = 0;
  binding->row_dim = -1;
  while (!by_results && first < entry->input_count && !entry->inputs[first].rank) first++;
  if (first == entry->input_count || !entry->output_count || !entry->inputs[first].rank) return;
  dlrt_axis lead = binding->inputs[first].axes[0];
  for (int64_t i = 0; by_results && i < entry->output_count; i++) {
    dlrt_axis axes[DLRT_AXES];
    if (!entry->outputs[i].rank) return;
    dlrt_axes_read(model, &entry->outputs[i], axes);
    if (axes[0].length != lead.length || axes[0].dim != lead.dim) return;
  }
  if (lead.length < 0 && lead.dim < 0) return;
  /* A dim that is also something else than the number of rows cannot be split. */
  for (int64_t i = 0; lead.dim >= 0 && i < entry->input_count + entry->output_count; i++) {
    const dlrt_port *port =
        i < entry->input_count ? &entry->inputs[i] : &entry->outputs[i - entry->input_count];
    const char *comma = strchr(port->type, ',');
    dlrt_axis axes[DLRT_AXES] = {{-1, -1}};
    dlrt_axes_read(model, port, axes);
    const char *name = model->dims[lead.dim].name;
    if (port->rank && axes[0].dim != lead.dim && dlrt_type_names(port->type, name)) return;
    if (port->rank > 1 && comma) {
      char rest[256] = "[";
      strncat(rest, comma, sizeof rest - 2);
      if (dlrt_type_names(rest, name)) return;
    }
  }
  binding->has_rows = true;
  binding->row_dim = lead.dim;
  for (int64_t i = 0; i < entry->input_count; i++) {
    dlrt_axis *axes = binding->inputs[i].axes;
    binding->inputs[i].by_rows =
        entry->inputs[i].rank && axes[0].length == lead.length && axes[0].dim == lead.dim;
  }
}

static dlrt_status set_dim(dlrt_binding *binding, const dlrt_setting *setting, dlrt_error *error) {
  const dlrt_model *model = binding->model;
  for (int d = 0; d < model->dim_count; d++) {
    const dlrt_dim *dim = &model->dims[d];
    if (!dlrt_setting_is(setting, dim->name)) continue;
    char *end;
    long long value = strtoll(setting->value, &end, 10);
    if (*end || end == setting->value)
      return dlrt_fail(error, DLRT_BAD_ARGUMENT, "'%.60s' is not a number for the dim %s",
                       setting->value, dim->name);
    if (value < dim->min || value > dim->max)
      return dlrt_fail(error, DLRT_BAD_DIM, "%s is %lld, it goes from %lld to %lld (%s)", dim->name,
                       value, (long long)dim->min, (long long)dim->max, dim->place);
    binding->dims[d] = value;
    return DLRT_OK;
  }
  return dlrt_fail(error, DLRT_BAD_ARGUMENT, "there is no dim '%.*s'", (int)setting->name_length,
                   setting->name);
}

static dlrt_status begin(const dlrt_request *request, dlrt_binding *binding, dlrt_error *error) {
  const dlrt_model *model = request->model;
  const dlrt_entry *entry = &model->entries[request->entry];
  *binding = (dlrt_binding){
      .model = model, .entry = entry, .entry_index = request->entry, .kept = request->kept};
  binding->inputs = calloc((size_t)entry->input_count + 1, sizeof *binding->inputs);
  binding->dims = calloc((size_t)model->dim_count + 1, sizeof *binding->dims);
  if (!binding->inputs || !binding->dims) return no_memory(error);
  for (int64_t d = 0; d < model->dim_count; d++) binding->dims[d] = -1;
  for (int64_t i = 0; i < entry->input_count; i++) {
    binding->inputs[i].port = &entry->inputs[i];
    binding->inputs[i].scale = 1;
    dlrt_axes_read(model, &entry->inputs[i], binding->inputs[i].axes);
  }
  find_rows(binding);
  dlrt_status status = DLRT_OK;
  for (int i = 0; !status && i < request->dim_count; i++)
    status = set_dim(binding, &request->dims[i], error);
  binding->batch = request->batch;
  if (!status && request->batch && !binding->has_rows)
    status = dlrt_fail(error, DLRT_BAD_ARGUMENT,
                       "the inputs of '%s' have no rows to make batches of", entry->name);
  if (status || !binding->has_rows) return status;
  if (binding->row_dim < 0) {
    int64_t fixed = binding->inputs[0].axes[0].length;
    if (request->batch && request->batch != fixed)
      return dlrt_fail(error, DLRT_BAD_DIM, "a batch is %lld: '%s' was built for it",
                       (long long)fixed, model->name);
    binding->batch = fixed;
    return DLRT_OK;
  }
  const dlrt_dim *dim = &model->dims[binding->row_dim];
  if (!binding->batch && binding->dims[binding->row_dim] > 0)
    binding->batch = binding->dims[binding->row_dim];
  if (binding->batch && (binding->batch > dim->max || binding->batch < dim->min))
    return dlrt_fail(error, DLRT_BAD_DIM, "a batch of %lld: %s goes from %lld to %lld (%s)",
                     (long long)binding->batch, dim->name, (long long)dim->min, (long long)dim->max,
                     dim->place);
  return DLRT_OK;
}

/* Dims that nobody gave are at their bounds; where the entry's checks forbid that (pos + T <= 24),
 * the first ones give way. */
static void lower_dims(const dlrt_request *request, dlrt_binding *binding) {
  const dlrt_model *model = binding->model;
  const dlrt_entry *entry = binding->entry;
  int64_t *dims = malloc(((size_t)model->dim_count + (size_t)entry->dim_count + 1) * sizeof *dims);
  for (int64_t i = 0; dims && entry->failing && i < entry->dim_count; i++) {
    int64_t d = entry->dims[i];
    bool given = d == binding->row_dim;
    for (int k = 0; k < request->dim_count; k++)
      given = given || dlrt_setting_is(&request->dims[k], model->dims[d].name);
    while (!given && binding->dims[d] > model->dims[d].min) {
      dlrt_bind_values(binding, binding->batch, dims + model->dim_count, dims);
      if (entry->failing(dims) < 0) break;
      binding->dims[d] /= 2;
      if (binding->dims[d] < model->dims[d].min) binding->dims[d] = model->dims[d].min;
    }
  }
  free(dims);
}

dlrt_status dlrt_bind_dims(const dlrt_request *request, dlrt_binding *binding, dlrt_error *error) {
  dlrt_status status = begin(request, binding, error);
  if (status) {
    dlrt_bind_free(binding);
    return status;
  }
  for (int64_t d = 0; d < binding->model->dim_count; d++)
    if (binding->dims[d] < 0) binding->dims[d] = binding->model->dims[d].max;
  if (binding->row_dim >= 0 && !binding->batch) binding->batch = binding->dims[binding->row_dim];
  if (!binding->has_rows) binding->batch = 1;
  binding->rows = binding->batch;
  lower_dims(request, binding);
  return DLRT_OK;
}

/* mean, deviation, or those of all channels: first the means, then the deviations. */
static dlrt_status read_norm(dlrt_input *input, const dlrt_setting *setting, dlrt_error *error) {
  size_t room = strlen(setting->value) / 2 + 2, count = 0;
  double *numbers = calloc(room, sizeof *numbers);
  if (!numbers) return no_memory(error);
  const char *at = setting->value;
  bool good = dlrt_element_is_float(input->port->element);
  while (good && count < room) {
    char *end;
    numbers[count++] = strtod(at, &end);
    good = end != at && (*end == ',' || !*end);
    if (!*end) break;
    at = end + 1;
  }
  int64_t channels = input->port->rank > 1 ? input->axes[1].length : 1;
  good = good && (count == 2 || (channels > 0 && count == 2 * (size_t)channels));
  for (size_t i = count / 2; good && i < count; i++) good = numbers[i] > 0;
  free(input->mean);
  input->mean = numbers;
  input->deviation = numbers + count / 2;
  input->channels = (int)(count / 2);
  if (good) return DLRT_OK;
  return dlrt_fail(error, DLRT_BAD_ARGUMENT,
                   "--norm %s=%.60s: a mean and a deviation, or those of each channel, first the "
                   "means; for floats",
                   input->port->name, setting->value);
}

/* A number that stands for itself: of an input without axes. */
static dlrt_status read_scalar(dlrt_input *input, const char *value, bool *is_number,
                               dlrt_error *error) {
  char number[8];
  dlrt_element element = (dlrt_element)input->port->element;
  dlrt_typed typed = dlrt_element_read(element, number, value);
  *is_number = !input->port->rank && typed != DLRT_TYPED_OTHER;
  bool wants_file = input->port->rank > 0;
  if (wants_file == (typed != DLRT_TYPED_OTHER) && !input->corpus && strcmp(value, "-") != 0 &&
      access(value, F_OK))
    return dlrt_fail(error, DLRT_BAD_ARGUMENT, "'%s' is %s: %.60s must be a %sfile, none is there",
                     input->port->name, input->port->type, value, wants_file ? "" : "number or a ");
  if (!*is_number) return DLRT_OK;
  if (typed == DLRT_TYPED_BEYOND)
    return dlrt_fail(error, DLRT_BAD_ARGUMENT, "%.60s is no number that '%s' can be, %s", value,
                     input->port->name, input->port->type);
  void *to = dlrt_array_make(&input->array, element, 0, NULL);
  if (!to) return no_memory(error);
  memcpy(to, number, dlrt_element_size(element));
  return DLRT_OK;
}

static dlrt_status check_element(const char *path, dlrt_input *input, dlrt_error *error) {
  const dlrt_array *array = &input->array;
  int64_t wanted = input->port->element;
  if (dlrt_element_is_float(wanted)) {
    if (array->full)
      input->scale = 1.0 / array->full;
    else if (array->element == DLRT_U8)
      input->scale = 1.0 / 255;
    return DLRT_OK;
  }
  if (!dlrt_element_is_float(array->element)) return DLRT_OK;
  return dlrt_fail(error, DLRT_BAD_FILE, "%.200s: numbers of type %s; '%s' is %s", path,
                   dlrt_element_name(array->element), input->port->name, input->port->type);
}

/* Numbers that were 0 to 255 are prepared as they were in training; floats are taken as they are.
 */
static void use_kept(const dlrt_binding *binding, dlrt_input *input) {
  if (!binding->kept || input->channels || input->scale == 1) return;
  int channels;
  double *numbers = dlrt_kept_norm(binding->kept, input->port->name, &channels);
  if (!numbers) return;
  if (channels != 1 && (input->port->rank < 2 || channels != input->axes[1].length)) {
    free(numbers);
    return;
  }
  free(input->mean);
  input->mean = numbers;
  input->deviation = numbers + channels;
  input->channels = channels;
  input->kept = true;
}

static dlrt_status read_array(dlrt_binding *binding, dlrt_input *input, const char *path,
                              dlrt_error *error) {
  const dlrt_port *port = input->port;
  dlrt_array_free(&input->array);
  dlrt_wanted wanted = {port->name, (dlrt_element)port->element, (int)port->rank, {0}};
  for (int i = 0; i < port->rank; i++) {
    int dim = input->axes[i].dim;
    wanted.shape[i] = input->axes[i].length;
    if (i == 0 && input->by_rows)
      wanted.shape[i] = -1;
    else if (dim >= 0)
      wanted.shape[i] = binding->dims[dim];
  }
  dlrt_status status = dlrt_array_read(path, &wanted, &input->array, error);
  if (!status) status = check_element(path, input, error);
  if (!status) use_kept(binding, input);
  return status ? status : dlrt_fit_channels(path, input, error);
}

static dlrt_status read_input(dlrt_binding *binding, dlrt_input *input, const char *path,
                              dlrt_error *error) {
  const dlrt_port *port = input->port;
  bool is_number;
  dlrt_status status = read_scalar(input, path, &is_number, error);
  if (!status && !is_number && !input->corpus) status = read_array(binding, input, path, error);
  if (status || is_number) return status;
  if (!dlrt_fit(binding, input)) {
    char found[96];
    dlrt_shape_text(found, sizeof found, input->array.element, input->array.rank,
                    input->array.shape);
    return dlrt_fail(error, DLRT_BAD_FILE, "%.200s: %s does not fit '%s', %s", path, found,
                     port->name, port->type);
  }
  for (int i = 0; i < port->rank; i++) {
    if (i == 0 && input->by_rows) continue;
    if (input->axes[i].dim >= 0) binding->dims[input->axes[i].dim] = input->shape[i];
  }
  if (!input->by_rows) return DLRT_OK;
  if (binding->rows && binding->rows != input->shape[0])
    return dlrt_fail(error, DLRT_BAD_FILE, "%.200s: '%s' has %lld rows, '%s' %lld", path,
                     port->name, (long long)input->shape[0], binding->inputs[0].port->name,
                     (long long)binding->rows);
  binding->rows = input->shape[0];
  if (!binding->rows)
    return dlrt_fail(error, DLRT_BAD_FILE, "%.200s: '%s' has no rows", path, port->name);
  return DLRT_OK;
}

/* A batch that was not asked for gives way to the entry's checks (N + T <= 10). */
static void lower_batch(dlrt_binding *binding) {
  const dlrt_entry *entry = binding->entry;
  const dlrt_model *model = binding->model;
  int64_t *dims = malloc(((size_t)model->dim_count + (size_t)entry->dim_count) * sizeof *dims);
  int64_t batch = binding->batch, least = model->dims[binding->row_dim].min;
  bool good = false;
  for (; dims && entry->failing && !good && batch >= least; batch = good ? batch : batch / 2) {
    dlrt_bind_values(binding, batch, dims + model->dim_count, dims);
    good = entry->failing(dims) < 0;
  }
  if (good) binding->batch = batch;
  free(dims);
}

/* Dims that no file told, and the shapes that follow from all of them. */
static dlrt_status check_dims(dlrt_binding *binding, dlrt_error *error) {
  const dlrt_model *model = binding->model;
  const dlrt_entry *entry = binding->entry;
  for (int64_t i = 0; i < entry->dim_count; i++) {
    int64_t d = entry->dims[i];
    const dlrt_dim *dim = &model->dims[d];
    if (d == binding->row_dim) continue;
    if (binding->dims[d] < 0)
      return dlrt_fail(error, DLRT_BAD_ARGUMENT, "no input says what %s is: --dim %s=%lld",
                       dim->name, dim->name, (long long)dim->max);
    if (binding->dims[d] < dim->min || binding->dims[d] > dim->max)
      return dlrt_fail(error, DLRT_BAD_DIM, "%s is %lld, it goes from %lld to %lld (%s)", dim->name,
                       (long long)binding->dims[d], (long long)dim->min, (long long)dim->max,
                       dim->place);
  }
  if (binding->has_rows && !binding->batch) {
    int64_t most = model->dims[binding->row_dim].max;
    binding->batch = binding->rows < most ? binding->rows : most;
    lower_batch(binding);
  }
  if (!binding->has_rows) binding->rows = binding->batch = 1;
  int64_t *dims = malloc(((size_t)model->dim_count + (size_t)entry->dim_count + 1) * sizeof *dims);
  int64_t *shapes =
      calloc((size_t)(entry->input_count + entry->output_count) * DLRT_AXES + 1, sizeof *shapes);
  if (!dims || !shapes) {
    free(dims);
    free(shapes);
    return no_memory(error);
  }
  dlrt_bind_values(binding, binding->batch, dims + model->dim_count, dims);
  entry->shapes(dims, shapes);
  dlrt_status status = DLRT_OK;
  const int64_t *shape = shapes;
  for (int64_t i = 0; !status && i < entry->input_count; i++) {
    const dlrt_input *input = &binding->inputs[i];
    for (int64_t a = input->by_rows ? 1 : 0; !status && a < input->port->rank; a++)
      if (shape[a] != input->shape[a])
        status = dlrt_fail(error, DLRT_BAD_FILE, "'%s': axis %lld is %lld, %s needs %lld",
                           input->port->name, (long long)a, (long long)input->shape[a],
                           input->port->type, (long long)shape[a]);
    shape += input->port->rank;
  }
  free(dims);
  free(shapes);
  return status;
}

static dlrt_status bind_all(const dlrt_request *request, dlrt_binding *binding, dlrt_error *error) {
  const dlrt_entry *entry = binding->entry;
  dlrt_status status = DLRT_OK;
  for (int n = 0; n < request->norm_count; n++) {
    int64_t i = 0;
    while (i < entry->input_count && !dlrt_setting_is(&request->norms[n], entry->inputs[i].name))
      i++;
    if (i == entry->input_count)
      return dlrt_fail(error, DLRT_BAD_ARGUMENT, "--norm: there is no input '%.*s'",
                       (int)request->norms[n].name_length, request->norms[n].name);
    status = read_norm(&binding->inputs[i], &request->norms[n], error);
    if (status) return status;
  }
  const char **paths = calloc((size_t)entry->input_count + 1, sizeof *paths);
  if (!paths) return no_memory(error);
  for (int64_t i = 0; i < entry->input_count; i++)
    for (int n = 0; n < request->input_count; n++)
      if (dlrt_setting_is(&request->inputs[n], entry->inputs[i].name))
        paths[i] = request->inputs[n].value;
  if (binding->model->texts) status = binding->model->texts->bind(binding, request, paths, error);
  for (int64_t i = 0; !status && i < entry->input_count; i++) {
    dlrt_input *input = &binding->inputs[i];
    if (paths[i] || input->corpus)
      status = read_input(binding, input, paths[i] ? paths[i] : "its text", error);
    else
      status = dlrt_fail(error, DLRT_BAD_ARGUMENT, "'%s' is missing: %s=FILE, %s",
                         input->port->name, input->port->name, input->port->type);
  }
  free(paths);
  return status ? status : check_dims(binding, error);
}

dlrt_status dlrt_bind(const dlrt_request *request, dlrt_binding *binding, dlrt_error *error) {
  dlrt_status status = begin(request, binding, error);
  if (!status) status = bind_all(request, binding, error);
  if (status) dlrt_bind_free(binding);
  return status;
}

static dlrt_status share(const dlrt_binding *from, dlrt_input *to, dlrt_error *error) {
  for (int64_t i = 0; i < from->entry->input_count; i++) {
    const dlrt_input *input = &from->inputs[i];
    if (strcmp(input->port->name, to->port->name) || strcmp(input->port->type, to->port->type))
      continue;
    bool by_rows = to->by_rows;
    const dlrt_port *port = to->port;
    *to = *input;
    to->port = port;
    to->by_rows = by_rows;
    to->buffer = NULL;
    to->owns_corpus = false;
    to->array.keep = (dlrt_file){0};
    if (!input->channels) return DLRT_OK;
    to->mean = malloc(2 * (size_t)input->channels * sizeof *to->mean);
    if (!to->mean) return no_memory(error);
    memcpy(to->mean, input->mean, 2 * (size_t)input->channels * sizeof *to->mean);
    to->deviation = to->mean + input->channels;
    return DLRT_OK;
  }
  return dlrt_fail(error, DLRT_BAD_ARGUMENT, "'%s' is missing", to->port->name);
}

dlrt_status dlrt_bind_same(const dlrt_binding *from, int64_t entry, dlrt_binding *binding,
                           dlrt_error *error) {
  dlrt_request request = {.model = from->model, .entry = entry};
  dlrt_status status = begin(&request, binding, error);
  for (int64_t i = 0; !status && i < binding->entry->input_count; i++)
    status = share(from, &binding->inputs[i], error);
  if (status) {
    dlrt_bind_free(binding);
    return status;
  }
  memcpy(binding->dims, from->dims, (size_t)from->model->dim_count * sizeof *from->dims);
  binding->rows = from->rows;
  binding->batch = from->batch;
  return DLRT_OK;
}

void dlrt_bind_free(dlrt_binding *binding) {
  for (int64_t i = 0; binding->inputs && i < binding->entry->input_count; i++) {
    if (binding->inputs[i].corpus) binding->model->texts->release(&binding->inputs[i]);
    dlrt_array_free(&binding->inputs[i].array);
    free(binding->inputs[i].mean); /* deviation is its second half */
    free(binding->inputs[i].buffer);
  }
  free(binding->inputs);
  free(binding->dims);
  *binding = (dlrt_binding){0};
}

void dlrt_bind_values(const dlrt_binding *binding, int64_t count, int64_t *entry_dims,
                      int64_t *model_dims) {
  const dlrt_model *model = binding->model;
  for (int64_t d = 0; d < model->dim_count; d++)
    model_dims[d] = binding->dims[d] < 0 ? model->dims[d].min : binding->dims[d];
  if (binding->row_dim >= 0) model_dims[binding->row_dim] = count;
  for (int64_t i = 0; i < binding->entry->dim_count; i++)
    entry_dims[i] = model_dims[binding->entry->dims[i]];
}
