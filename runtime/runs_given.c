/* Values of a run that its lines do not make. */
#include "runtime/element.h"
#include "runtime/runs.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(const dlrt_runner *r) {
  return dlrt_complain(r->program, EXIT_INPUT, "no memory for the run '%s'", r->run->name);
}

static size_t count_of(const dlrt_value *value, int64_t from) {
  size_t count = 1;
  for (int64_t a = from; a < value->port->rank; a++) count *= (size_t)value->shape[a];
  return count;
}

/* Axis `axis` is so long; a dim's value must be the same everywhere. */
static bool set_axis(dlrt_runner *r, dlrt_value *value, int64_t axis, int64_t length) {
  dlrt_axis *a = &value->axes[axis];
  value->shape[axis] = length;
  if (a->dim < 0) return a->length < 0 || a->length == length;
  const dlrt_dim *dim = &r->model->dims[a->dim];
  if (length < dim->min || length > dim->max) return false;
  r->dims[a->dim] = length;
  return true;
}

static int does_not_fit(const dlrt_runner *r, const dlrt_value *value, const char *found) {
  return dlrt_complain(r->program, EXIT_INPUT, "'%s' is %s, %s does not fit", value->name,
                       value->port->type, found);
}

/* One row for all, or as many as there are. */
static int read_array(dlrt_runner *r, dlrt_value *value, const char *path) {
  const dlrt_port *port = value->port;
  dlrt_wanted wanted = {value->name, (dlrt_element)port->element, (int)port->rank, {0}};
  dlrt_array array;
  for (int64_t a = 0; a < port->rank; a++)
    wanted.shape[a] = value->axes[a].dim < 0 ? value->axes[a].length : -1;
  dlrt_status status = dlrt_array_read(path, &wanted, &array, &r->program->error);
  if (status) return dlrt_complain_status(r->program, status, &r->program->error);
  bool by_rows = port->rank && value->axes[0].dim == r->row_dim &&
                 (r->row_dim >= 0 || value->axes[0].length == r->rows);
  bool one = by_rows &&
             (array.rank == port->rank - 1 || (array.rank == port->rank && array.shape[0] == 1));
  int missing = (int)port->rank - array.rank;
  bool good = missing == 0 || (missing == 1 && one);
  for (int64_t a = 0; good && a < port->rank; a++) {
    int64_t length = a < missing ? 1 : array.shape[a - missing];
    good = set_axis(r, value, a, a == 0 && by_rows ? (one ? r->rows : length) : length);
  }
  if (good && by_rows) good = value->shape[0] == r->rows;
  char found[96];
  dlrt_shape_text(found, sizeof found, array.element, array.rank, array.shape);
  int code = good ? 0 : does_not_fit(r, value, found);
  double scale = 1;
  if (dlrt_element_is_float(port->element) && (array.full || array.element == DLRT_U8))
    scale = 1.0 / (array.full ? array.full : 255);
  size_t row = good ? count_of(value, by_rows ? 1 : 0) : 0;
  size_t size = row * dlrt_element_size(port->element), rows = by_rows ? (size_t)r->rows : 1;
  for (size_t i = 0; !code && i < rows; i++) {
    const char *from = (const char *)array.data;
    if (!one) from += i * row * dlrt_element_size(array.element);
    if (dlrt_convert(array.element, from, port->element, value->data + i * size, row, scale))
      code = does_not_fit(r, value, "a number of it");
  }
  dlrt_array_free(&array);
  return code;
}

static int read_number(dlrt_runner *r, dlrt_value *value, const char *text) {
  char number[8];
  dlrt_typed typed = dlrt_element_read(value->port->element, number, text);
  if (typed == DLRT_TYPED_OTHER) return read_array(r, value, text);
  if (value->port->rank) return does_not_fit(r, value, "a number");
  if (typed == DLRT_TYPED_BEYOND) return does_not_fit(r, value, text);
  memcpy(value->data, number, dlrt_element_size(value->port->element));
  return 0;
}

int dlrt_runner_given(dlrt_runner *r) {
  const dlrt_program *program = r->program;
  for (int i = 0; i < program->dims.count; i++) {
    const dlrt_setting *setting = &program->dims.items[i];
    char *end;
    int64_t d = 0, value = strtoll(setting->value, &end, 10);
    while (d < r->model->dim_count && !dlrt_setting_is(setting, r->model->dims[d].name)) d++;
    if (d == r->model->dim_count || value < r->model->dims[d].min ||
        value > r->model->dims[d].max || d == r->row_dim || *end || end == setting->value)
      return dlrt_complain(program, EXIT_USAGE, "--dim %.*s=%s: no such dim, or out of its bounds",
                           (int)setting->name_length, setting->name, setting->value);
    r->dims[d] = value;
  }
  for (int64_t i = 0; i < r->run->value_count; i++) {
    dlrt_value *value = &r->values[i];
    const char *text = NULL;
    if (!value->given || i == r->source || i == r->run->chosen) continue;
    for (int k = 0; k < program->inputs.count; k++)
      if (dlrt_setting_is(&program->inputs.items[k], value->name))
        text = program->inputs.items[k].value;
    if (!text)
      return dlrt_complain(program, EXIT_USAGE, "'%s' is missing: %s=%s, %s", value->name,
                           value->name, value->port->rank ? "FILE" : "X", value->port->type);
    int code = read_number(r, value, text);
    if (code) return code;
  }
  return 0;
}

/* Bytes are tokens. */
static int64_t encode_bytes(const char *text, size_t size, uint32_t **tokens) {
  *tokens = malloc((size + 1) * sizeof **tokens);
  for (size_t i = 0; *tokens && i < size; i++) (*tokens)[i] = (unsigned char)text[i];
  return *tokens ? (int64_t)size : -1;
}

static void say_foreign(const dlrt_runner *r, int64_t number, uint32_t token) {
  const dlrt_vocabulary *v = r->program->tokens;
  if (v)
    dlrt_complain(r->program, EXIT_INPUT,
                  "number %lld of the text's %s is not in the vocabulary, which has no <unk>",
                  (long long)number, dlrt_vocabulary_kind_name(dlrt_vocabulary_kind_of(v)));
  else
    dlrt_complain(r->program, EXIT_INPUT, "byte %lld of the text is 0x%02x, '%s' knows %lld",
                  (long long)number, token, r->model->name, (long long)r->classes);
}

int64_t dlrt_runner_encode(dlrt_runner *r, const char *text, size_t size, uint32_t **tokens) {
  const dlrt_vocabulary *v = r->program->tokens;
  int64_t count = v ? dlrt_encode_all(v, text, size, tokens) : encode_bytes(text, size, tokens);
  if (count < 0) {
    no_memory(r);
    return -1;
  }
  for (int64_t i = 0; i < count; i++) {
    if (v ? (*tokens)[i] != DLRT_UNKNOWN : !r->classes || (*tokens)[i] < r->classes) continue;
    say_foreign(r, i + 1, (*tokens)[i]);
    free(*tokens);
    *tokens = NULL;
    return -1;
  }
  return count;
}

int dlrt_runner_source(dlrt_runner *r, const uint32_t *tokens, int64_t count) {
  dlrt_value *value = &r->values[r->source];
  const dlrt_vocabulary *v = r->program->tokens;
  dlrt_axis axis = value->axes[1];
  int64_t length = axis.dim < 0 ? axis.length : count;
  int64_t filler = v ? dlrt_token_special(v, "<pad>") : -1;
  if (count > length || (count < length && filler < 0))
    return dlrt_complain(r->program, EXIT_INPUT, "the text has %lld tokens, '%s' takes %lld%s",
                         (long long)count, value->name, (long long)length,
                         count < length ? ", and the vocabulary has no <pad>" : "");
  if (!set_axis(r, value, 0, r->rows) || !set_axis(r, value, 1, length))
    return dlrt_complain(
        r->program, EXIT_INPUT, "the text has %lld tokens, '%s' is %s with %s %lld to %lld",
        (long long)count, value->name, value->port->type, r->model->dims[axis.dim].name,
        (long long)r->model->dims[axis.dim].min, (long long)r->model->dims[axis.dim].max);
  for (int64_t row = 0; row < r->rows; row++)
    for (int64_t i = 0; i < length; i++) {
      int64_t token = i < count ? (int64_t)tokens[i] : filler;
      if (value->port->element == DLRT_I64)
        ((int64_t *)(void *)value->data)[row * length + i] = token;
      else
        ((int32_t *)(void *)value->data)[row * length + i] = (int32_t)token;
    }
  return 0;
}
