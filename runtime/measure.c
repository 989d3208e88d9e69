#include "runtime/measure.h"
#include "runtime/element.h"

#include <stdlib.h>
#include <string.h>

/* Floats between 0 and 1; whole numbers are 0, which is an index of anything. */
static void *make_array(const dlrt_port *port, const int64_t *shape) {
  size_t bytes = dlrt_bytes(dlrt_element_size(port->element), port->rank, shape);
  char *data = bytes < SIZE_MAX - 64 ? aligned_alloc(DLRT_ALIGN, DLRT_ROUND(bytes + 1)) : NULL;
  if (!data) return NULL;
  memset(data, 0, bytes);
  size_t size = dlrt_element_size(port->element);
  uint32_t bits = 1;
  for (size_t i = 0; dlrt_element_is_float(port->element) && i < bytes / size; i++) {
    bits = bits * 1664525 + 1013904223;
    dlrt_element_set(port->element, data + i * size, (double)(bits >> 8) * 0x1p-24);
  }
  return data;
}

static bool make_arrays(dlrt_measure *m) {
  const dlrt_entry *entry = m->binding.entry;
  size_t inputs = (size_t)entry->input_count, outputs = (size_t)entry->output_count;
  m->entry_dims = calloc((size_t)entry->dim_count + 1, sizeof *m->entry_dims);
  m->model_dims = calloc((size_t)m->binding.model->dim_count + 1, sizeof *m->model_dims);
  m->inputs = calloc(inputs + 1, sizeof *m->inputs);
  m->outputs = calloc(outputs + 1, sizeof *m->outputs);
  int64_t *shapes = calloc((inputs + outputs) * DLRT_AXES + 1, sizeof *shapes);
  bool good = m->entry_dims && m->model_dims && m->inputs && m->outputs && shapes;
  if (good) {
    dlrt_bind_values(&m->binding, m->binding.batch, m->entry_dims, m->model_dims);
    entry->shapes(m->model_dims, shapes);
  }
  const int64_t *shape = shapes;
  for (size_t i = 0; good && i < inputs; shape += entry->inputs[i++].rank)
    good = (m->inputs[i] = make_array(&entry->inputs[i], shape)) != NULL;
  for (size_t i = 0; good && i < outputs; shape += entry->outputs[i++].rank)
    good = (m->outputs[i] = make_array(&entry->outputs[i], shape)) != NULL;
  free(shapes);
  return good;
}

int dlrt_measure_begin(dlrt_program *program, dlrt_measure *m) {
  *m = (dlrt_measure){0};
  dlrt_request request = dlrt_program_request(program);
  dlrt_status status = dlrt_bind_dims(&request, &m->binding, &program->error);
  if (status) return dlrt_complain_status(program, status, &program->error);
  int code = dlrt_program_open(program, false, &m->context);
  if (!code && !make_arrays(m)) code = dlrt_complain(program, EXIT_INPUT, "no memory for inputs");
  if (code) dlrt_measure_end(m);
  return code;
}

void dlrt_measure_end(dlrt_measure *m) {
  const dlrt_entry *entry = m->binding.entry;
  for (int64_t i = 0; m->inputs && i < entry->input_count; i++) free(m->inputs[i]);
  for (int64_t i = 0; m->outputs && i < entry->output_count; i++) free(m->outputs[i]);
  free(m->inputs);
  free(m->outputs);
  free(m->entry_dims);
  free(m->model_dims);
  dlrt_close(m->context);
  dlrt_bind_free(&m->binding);
}

void dlrt_measure_dims(const dlrt_measure *m, char *text, size_t size) {
  const dlrt_entry *entry = m->binding.entry;
  size_t used = 0;
  text[0] = 0;
  for (int64_t i = 0; i < entry->dim_count && used < size; i++)
    used +=
        (size_t)snprintf(text + used, size - used, "%s%s=%lld", i ? " " : "",
                         m->binding.model->dims[entry->dims[i]].name, (long long)m->entry_dims[i]);
}
