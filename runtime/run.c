/* Calls of an entry until all rows have gone through. */
#include "runtime/bind.h"
#include "runtime/element.h"
#include "runtime/texts.h"

#include <stdlib.h>
#include <string.h>

static dlrt_status no_memory(dlrt_error *error) {
  return dlrt_fail(error, DLRT_NO_MEMORY, "no memory for a batch");
}

/* Numbers of one row, or of all if the input has none. */
static size_t row_count(const dlrt_input *input) {
  size_t count = 1;
  for (int i = input->by_rows ? 1 : 0; i < input->port->rank; i++) count *= (size_t)input->shape[i];
  return count;
}

static void normalise(const dlrt_input *input, void *data, size_t count) {
  size_t inner = 1, size = dlrt_element_size(input->port->element);
  for (int i = 2; i < input->port->rank; i++) inner *= (size_t)input->shape[i];
  for (size_t i = 0; i < count; i++) {
    size_t channel = input->channels > 1 ? i / inner % (size_t)input->channels : 0;
    char *at = (char *)data + i * size;
    if (input->port->element == DLRT_F32) {
      float *value = (float *)at;
      *value = (*value - (float)input->mean[channel]) / (float)input->deviation[channel];
    } else {
      double value = dlrt_element_get(input->port->element, at);
      dlrt_element_set(input->port->element, at,
                       (value - input->mean[channel]) / input->deviation[channel]);
    }
  }
}

/* Rows of tokens, one after the other. */
static dlrt_status text_rows(const dlrt_binding *binding, const dlrt_input *input, int64_t first,
                             int64_t count, dlrt_error *error) {
  dlrt_status status = DLRT_OK;
  size_t size = row_count(input) * dlrt_element_size(input->port->element);
  for (int64_t i = 0; !status && i < count; i++) {
    int64_t row = first + i;
    status = binding->model->texts->rows(input, &row, 1, (char *)input->buffer + (size_t)i * size,
                                         error);
  }
  return status;
}

dlrt_status dlrt_bind_rows(dlrt_binding *binding, int64_t first, int64_t count, const void **inputs,
                           dlrt_error *error) {
  for (int64_t i = 0; i < binding->entry->input_count; i++) {
    dlrt_input *input = &binding->inputs[i];
    dlrt_element from = input->array.element, to = (dlrt_element)input->port->element;
    size_t row = row_count(input), rows = input->by_rows ? (size_t)count : 1;
    size_t batch = input->by_rows ? (size_t)binding->batch : 1;
    const char *data = input->array.data;
    if (input->by_rows && data) data += (size_t)first * row * dlrt_element_size(from);
    if (!input->corpus && from == to && input->scale == 1 && !input->channels && rows == batch &&
        (uintptr_t)data % dlrt_element_size(to) == 0) {
      inputs[i] = data;
      continue;
    }
    size_t size = row * dlrt_element_size(to);
    if (!input->buffer) input->buffer = aligned_alloc(DLRT_ALIGN, DLRT_ROUND(batch * size + 1));
    if (!input->buffer) return no_memory(error);
    inputs[i] = input->buffer;
    if (input->corpus) {
      dlrt_status status = text_rows(binding, input, first, count, error);
      if (status) return status;
    } else if (dlrt_convert(from, data, to, input->buffer, rows * row, input->scale))
      return dlrt_fail(error, DLRT_BAD_FILE, "'%s': a number does not fit %s", input->port->name,
                       input->port->type);
    if (input->channels) normalise(input, input->buffer, rows * row);
    /* Of a fixed batch, rows that are not there are zeros; their results are dropped. */
    memset((char *)input->buffer + rows * size, 0, (batch - rows) * size);
  }
  return DLRT_OK;
}

/* All bytes as the numbers that they become, which is looked up much faster than computed. */
static dlrt_status gather_bytes(const dlrt_input *input, const int64_t *rows, int64_t count,
                                dlrt_error *error) {
  unsigned char bytes[256];
  float numbers[256], *to = input->buffer;
  for (int i = 0; i < 256; i++) bytes[i] = (unsigned char)i;
  if (dlrt_convert(DLRT_U8, bytes, DLRT_F32, numbers, 256, input->scale))
    return dlrt_fail(error, DLRT_BAD_FILE, "'%s': a number does not fit", input->port->name);
  if (input->channels) normalise(input, numbers, 256);
  size_t row = row_count(input);
  for (int64_t r = 0; r < count; r++, to += row) {
    const unsigned char *from = (const unsigned char *)input->array.data + (size_t)rows[r] * row;
    for (size_t i = 0; i < row; i++) to[i] = numbers[from[i]];
  }
  return DLRT_OK;
}

static dlrt_status gather(dlrt_binding *binding, dlrt_input *input, const int64_t *rows,
                          int64_t count, dlrt_error *error) {
  dlrt_element from = input->array.element, to = (dlrt_element)input->port->element;
  size_t row = row_count(input), size = row * dlrt_element_size(to);
  size_t room = (input->by_rows ? (size_t)binding->batch : 1) * size;
  bool first = !input->buffer;
  const int64_t the_only = 0;
  if (first) input->buffer = aligned_alloc(DLRT_ALIGN, DLRT_ROUND(room + 1));
  if (!input->buffer) return no_memory(error);
  if (!input->by_rows) {
    if (!first) return DLRT_OK;
    rows = &the_only;
    count = 1;
  }
  if (input->corpus) return binding->model->texts->rows(input, rows, count, input->buffer, error);
  if (from == DLRT_U8 && to == DLRT_F32 && input->channels <= 1)
    return gather_bytes(input, rows, count, error);
  for (int64_t r = 0; r < count; r++)
    if (dlrt_convert(
            from, (const char *)input->array.data + (size_t)rows[r] * row * dlrt_element_size(from),
            to, (char *)input->buffer + (size_t)r * size, row, input->scale))
      return dlrt_fail(error, DLRT_BAD_FILE, "'%s': a number of row %lld does not fit %s",
                       input->port->name, (long long)rows[r], input->port->type);
  if (input->channels) normalise(input, input->buffer, (size_t)count * row);
  return DLRT_OK;
}

dlrt_status dlrt_bind_gather(dlrt_binding *binding, const int64_t *rows, int64_t count,
                             const void **inputs, dlrt_error *error) {
  dlrt_status status = DLRT_OK;
  for (int64_t i = 0; !status && i < binding->entry->input_count; i++) {
    status = gather(binding, &binding->inputs[i], rows, count, error);
    inputs[i] = binding->inputs[i].buffer;
  }
  return status;
}

typedef struct {
  int64_t *entry_dims, *model_dims, *shapes;
  const void **inputs;
  void **outputs;
  size_t *row_bytes; /* of an output, all of it if the entry has no rows */
  char **spare;      /* outputs of a fixed batch that is not full */
} room;

static void free_room(const dlrt_binding *binding, room *r) {
  for (int64_t i = 0; r->spare && i < binding->entry->output_count; i++) free(r->spare[i]);
  free(r->spare);
  free(r->row_bytes);
  free(r->outputs);
  free(r->inputs);
  free(r->shapes);
  free(r->model_dims);
  free(r->entry_dims);
}

static bool make_room(const dlrt_binding *binding, room *r) {
  const dlrt_entry *entry = binding->entry;
  size_t inputs = (size_t)entry->input_count, outputs = (size_t)entry->output_count;
  r->entry_dims = calloc((size_t)entry->dim_count + 1, 8);
  r->model_dims = calloc((size_t)binding->model->dim_count + 1, 8);
  r->shapes = calloc((inputs + outputs) * DLRT_AXES + 1, 8);
  r->inputs = calloc(inputs + 1, sizeof *r->inputs);
  r->outputs = calloc(outputs + 1, sizeof *r->outputs);
  r->row_bytes = calloc(outputs + 1, sizeof *r->row_bytes);
  r->spare = calloc(outputs + 1, sizeof *r->spare);
  return r->entry_dims && r->model_dims && r->shapes && r->inputs && r->outputs && r->row_bytes &&
         r->spare;
}

static bool is_fixed(const dlrt_binding *binding) {
  return binding->has_rows && binding->row_dim < 0;
}

static dlrt_status make_results(const dlrt_binding *binding, room *r, dlrt_result *results,
                                dlrt_error *error) {
  const dlrt_entry *entry = binding->entry;
  dlrt_bind_values(binding, binding->batch, r->entry_dims, r->model_dims);
  entry->shapes(r->model_dims, r->shapes);
  const int64_t *shape = r->shapes;
  for (int64_t i = 0; i < entry->input_count; i++) shape += entry->inputs[i].rank;
  for (int64_t i = 0; i < entry->output_count; i++) {
    const dlrt_port *port = &entry->outputs[i];
    dlrt_result *result = &results[i];
    *result = (dlrt_result){
        .name = port->name, .element = (dlrt_element)port->element, .rank = (int)port->rank};
    for (int a = 0; a < port->rank; a++) result->shape[a] = shape[a];
    shape += port->rank;
    if (binding->has_rows) result->shape[0] = binding->rows;
    size_t bytes = dlrt_array_bytes(result->element, result->rank, result->shape);
    r->row_bytes[i] = binding->has_rows ? bytes / (size_t)binding->rows : bytes;
    if (bytes < SIZE_MAX - 64) result->data = aligned_alloc(DLRT_ALIGN, DLRT_ROUND(bytes + 1));
    if (!result->data)
      return dlrt_fail(error, DLRT_NO_MEMORY, "no memory for the results '%s'", port->name);
    if (!is_fixed(binding) || binding->rows % binding->batch == 0) continue;
    r->spare[i] =
        aligned_alloc(DLRT_ALIGN, DLRT_ROUND(r->row_bytes[i] * (size_t)binding->batch + 1));
    if (!r->spare[i]) return no_memory(error);
  }
  return DLRT_OK;
}

void dlrt_results_free(const dlrt_binding *binding, dlrt_result *results) {
  for (int64_t i = 0; binding->entry && i < binding->entry->output_count; i++) {
    union {
      const void *from;
      void *to;
    } data = {results[i].data};
    free(data.to);
    results[i].data = NULL;
  }
}

static dlrt_status run_batch(dlrt_context *context, dlrt_binding *binding, room *r,
                             dlrt_result *results, int64_t first, int64_t count,
                             dlrt_error *error) {
  const dlrt_entry *entry = binding->entry;
  bool padded = is_fixed(binding) && count < binding->batch;
  int64_t rows_there = binding->batch;
  /* Rows are converted to fill a batch that is fixed, else just as many as there are. */
  if (!padded) binding->batch = count;
  dlrt_status status = dlrt_bind_rows(binding, first, count, r->inputs, error);
  binding->batch = rows_there;
  if (status) return status;
  dlrt_bind_values(binding, count, r->entry_dims, r->model_dims);
  for (int64_t i = 0; i < entry->output_count; i++) {
    union {
      const void *from;
      char *to;
    } data = {results[i].data};
    r->outputs[i] =
        padded ? r->spare[i] : data.to + (binding->has_rows ? (size_t)first * r->row_bytes[i] : 0);
  }
  status = dlrt_call(context, binding->entry_index, r->entry_dims, r->inputs, r->outputs);
  if (status) return dlrt_fail(error, status, "%s", dlrt_detail(context));
  for (int64_t i = 0; padded && i < entry->output_count; i++) {
    union {
      const void *from;
      char *to;
    } data = {results[i].data};
    memcpy(data.to + (size_t)first * r->row_bytes[i], r->spare[i], (size_t)count * r->row_bytes[i]);
  }
  return DLRT_OK;
}

dlrt_status dlrt_run(dlrt_context *context, dlrt_binding *binding, dlrt_result *results,
                     bool (*progress)(void *, int64_t done), void *argument, dlrt_error *error) {
  room r = {0};
  for (int64_t i = 0; i < binding->entry->output_count; i++) results[i].data = NULL;
  dlrt_status status =
      make_room(binding, &r) ? make_results(binding, &r, results, error) : no_memory(error);
  for (int64_t first = 0; !status && first < binding->rows;) {
    int64_t count = binding->rows - first;
    if (count > binding->batch) count = binding->batch;
    status = run_batch(context, binding, &r, results, first, count, error);
    first += count;
    if (!status && progress && !progress(argument, first)) break;
  }
  free_room(binding, &r);
  return status;
}
