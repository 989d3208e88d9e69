/* The axes of a port, as its type is written, and files' shapes fitted to them. */
#include "runtime/bind.h"
#include "runtime/element.h"

#include <stdlib.h>
#include <string.h>

static bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

bool dlrt_type_names(const char *type, const char *name) {
  size_t length = strlen(name);
  const char *at = strchr(type, '[');
  while (at && *at) {
    if (!is_word(*at)) {
      at++;
      continue;
    }
    const char *start = at;
    while (is_word(*at)) at++;
    if ((size_t)(at - start) == length && memcmp(start, name, length) == 0) return true;
  }
  return false;
}

void dlrt_axes_read(const dlrt_model *model, const dlrt_port *port, dlrt_axis *axes) {
  const char *at = strchr(port->type, '[');
  for (int i = 0; i < port->rank && i < DLRT_AXES; i++) {
    axes[i] = (dlrt_axis){-1, -1};
    if (!at) continue;
    while (*at == '[' || *at == ',' || *at == ' ') at++;
    const char *start = at;
    int depth = 0;
    for (; *at && (depth || (*at != ',' && *at != ']')); at++)
      depth += *at == '(' || *at == '[' ? 1 : *at == ')' || *at == ']' ? -1 : 0;
    char *end;
    long long length = strtoll(start, &end, 10);
    if (end == at && end != start) axes[i].length = length;
    for (int d = 0; d < model->dim_count; d++)
      if (strlen(model->dims[d].name) == (size_t)(at - start) &&
          memcmp(model->dims[d].name, start, (size_t)(at - start)) == 0)
        axes[i].dim = d;
  }
}

static bool agrees(const dlrt_binding *binding, const dlrt_input *input, const int64_t *shape) {
  for (int i = 0; i < input->port->rank; i++) {
    const dlrt_axis *axis = &input->axes[i];
    bool row = i == 0 && input->by_rows;
    if (row) continue;
    if (axis->length >= 0 && axis->length != shape[i]) return false;
    if (axis->dim >= 0 && binding->dims[axis->dim] >= 0 && binding->dims[axis->dim] != shape[i])
      return false;
  }
  return true;
}

static bool try_shape(const dlrt_binding *binding, dlrt_input *input, int rank,
                      const int64_t *shape) {
  if (rank != input->port->rank || !agrees(binding, input, shape)) return false;
  memcpy(input->shape, shape, (size_t)rank * sizeof *shape);
  return true;
}

/* As it is, with a row axis before it, or with the port's axes of length 1 put in. */
static bool try_all(const dlrt_binding *binding, dlrt_input *input, int rank,
                    const int64_t *shape) {
  int64_t other[DLRT_AXES + 1] = {1};
  if (try_shape(binding, input, rank, shape)) return true;
  memcpy(other + 1, shape, (size_t)rank * sizeof *shape);
  if (rank < DLRT_AXES && try_shape(binding, input, rank + 1, other)) return true;
  int used = 0, port_rank = (int)input->port->rank;
  for (int i = 0; i < port_rank; i++) {
    if (input->axes[i].length == 1 && !(i == 0 && input->by_rows))
      other[i] = 1;
    else if (used < rank)
      other[i] = shape[used++];
    else
      return false;
  }
  return used == rank && try_shape(binding, input, port_rank, other);
}

bool dlrt_fit(const dlrt_binding *binding, dlrt_input *input) {
  const dlrt_array *array = &input->array;
  int port_rank = (int)input->port->rank;
  if (try_all(binding, input, array->rank, array->shape)) return true;
  int64_t shape[DLRT_AXES];
  int rank = 0;
  for (int i = 0; i < array->rank; i++)
    if (array->shape[i] != 1) shape[rank++] = array->shape[i];
  if (try_all(binding, input, rank, shape)) return true;
  /* A line of numbers for each row: axes after the first are one. */
  int64_t row = 1;
  for (int i = 1; i < port_rank; i++) {
    if (input->axes[i].length < 0) return false;
    shape[i] = input->axes[i].length;
    row *= shape[i];
  }
  if (port_rank < 1 || array->rank < 1 || row < 1) return false;
  /* The other way about: pictures for a port that takes each as a line of numbers. */
  if (port_rank == 2 && array->rank > 2 && input->by_rows) {
    int64_t numbers = 1;
    for (int i = 1; i < array->rank; i++) numbers *= array->shape[i];
    shape[0] = array->shape[0];
    return numbers == row && try_shape(binding, input, port_rank, shape);
  }
  if (array->rank > 2) return false;
  if (array->shape[array->rank - 1] != row) return false;
  shape[0] = array->rank == 2 ? array->shape[0] : 1;
  return try_shape(binding, input, port_rank, shape);
}

/* A grey picture for three channels, or a coloured one for one: repeated, or weighted as the eye
 * does (ITU-R BT.601). */
dlrt_status dlrt_fit_channels(const char *path, dlrt_input *input, dlrt_error *error) {
  dlrt_array *array = &input->array, made;
  int port_rank = (int)input->port->rank;
  if (!array->full || port_rank < 3) return DLRT_OK;
  int64_t wanted = input->axes[port_rank - 3].length, found = array->shape[0];
  if (wanted == found || !((wanted == 1 && found == 3) || (wanted == 3 && found == 1)))
    return DLRT_OK;
  int64_t plane = array->shape[1] * array->shape[2];
  char *to = dlrt_array_make(&made, array->element, 3,
                             (int64_t[]){wanted, array->shape[1], array->shape[2]});
  if (!to) return dlrt_fail(error, DLRT_NO_MEMORY, "%.300s: no memory for the picture", path);
  size_t size = dlrt_element_size(array->element);
  const char *from = array->data;
  for (int64_t i = 0; i < plane; i++) {
    static const double weights[] = {0.299, 0.587, 0.114};
    double value = 0;
    for (int64_t c = 0; c < found; c++)
      value += dlrt_element_get(array->element, from + (size_t)(c * plane + i) * size) *
               (found == 3 ? weights[c] : 1);
    for (int64_t c = 0; c < wanted; c++)
      dlrt_element_set(array->element, to + (size_t)(c * plane + i) * size, value + 0.5);
  }
  made.full = array->full;
  dlrt_array_free(array);
  *array = made;
  return DLRT_OK;
}
