/* Calls of a run's lines. */
#include "runtime/context.h"
#include "runtime/element.h"
#include "runtime/runs.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(const dlrt_runner *r) {
  return dlrt_complain(r->program, EXIT_INPUT, "no memory for the run '%s'", r->run->name);
}

/* ---- one call ---- */

static bool is_index(const dlrt_runner *r, const dlrt_entry *entry, int64_t dim) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (dlrt_type_names(entry->inputs[i].type, r->model->dims[dim].name)) return false;
  return true;
}

int64_t dlrt_runner_cache(const dlrt_runner *r) {
  const dlrt_entry *entry = r->lines[r->run->repeated].entry;
  for (int64_t i = 0; i < entry->dim_count; i++)
    if (is_index(r, entry, entry->dims[i])) return r->model->dims[entry->dims[i]].max + 1;
  return 0;
}

/* The dims of a call that takes `count` tokens at r->seen; false: they are out of their bounds. */
static bool set_dims(dlrt_runner *r, const dlrt_call_line *line, int64_t count) {
  const dlrt_entry *entry = line->entry;
  bool good = true;
  for (int64_t i = 0; i < entry->input_count; i++) {
    const dlrt_value *value = &r->values[line->line->inputs[i]];
    dlrt_axis axes[DLRT_AXES];
    dlrt_axes_read(r->model, &entry->inputs[i], axes);
    for (int64_t a = 0; a < entry->inputs[i].rank; a++) {
      if (axes[a].dim < 0 || axes[a].dim == r->row_dim) continue;
      bool chosen = line->line->inputs[i] == r->run->chosen;
      if (!chosen || a == 1) r->dims[axes[a].dim] = chosen ? count : value->shape[a];
    }
  }
  for (int64_t i = 0; i < entry->dim_count; i++) {
    int64_t d = entry->dims[i];
    const dlrt_dim *dim = &r->model->dims[d];
    if (is_index(r, entry, d)) r->dims[d] = r->seen;
    good = good && r->dims[d] >= dim->min && r->dims[d] <= dim->max;
    line->entry_dims[i] = r->dims[d];
  }
  return good && (!entry->failing || entry->failing(r->dims) < 0);
}

/* Logits of the last of `count` tokens, of each row. */
static void keep_logits(dlrt_runner *r, const dlrt_call_line *line, const int64_t *shape,
                        int64_t count) {
  const float *from = line->outputs[line->chosen_output];
  int64_t rank = line->entry->outputs[line->chosen_output].rank;
  int64_t steps = rank == 3 ? shape[1] : 1, last = rank == 3 ? count - 1 : 0;
  if (last >= steps) last = steps - 1;
  for (int64_t row = 0; row < r->rows; row++)
    memcpy(r->logits + row * r->classes, from + (row * steps + last) * r->classes,
           (size_t)r->classes * sizeof *from);
}

/* What a line gave is a value from now on; its old data are the line's room. */
static void keep_values(dlrt_runner *r, dlrt_call_line *line, int64_t count) {
  const dlrt_entry *entry = line->entry;
  const int64_t *shape = line->shapes;
  for (int64_t i = 0; i < entry->input_count; i++) shape += entry->inputs[i].rank;
  for (int64_t k = 0; k < entry->output_count; k++) {
    int64_t number = line->line->outputs[k];
    if (k == line->chosen_output) {
      keep_logits(r, line, shape, count);
    } else if (number >= 0) {
      dlrt_value *value = &r->values[number];
      char *old = value->data;
      value->data = line->outputs[k];
      line->outputs[k] = old;
      for (int64_t a = 0; a < entry->outputs[k].rank; a++) value->shape[a] = shape[a];
    }
    shape += entry->outputs[k].rank;
  }
}

/* With the tokens of r->fed, [rows, width], the first `count` of which are a text's. */
static int call(dlrt_runner *r, int64_t number, int64_t width, int64_t count) {
  dlrt_call_line *line = &r->lines[number];
  const dlrt_entry *entry = line->entry;
  if (!set_dims(r, line, width)) {
    r->full = "the bound of a dim is reached";
    return 0;
  }
  for (int64_t i = 0; i < entry->input_count; i++) {
    int64_t value = line->line->inputs[i];
    line->inputs[i] = value == r->run->chosen ? (const void *)r->fed : r->values[value].data;
    if (value == r->run->chosen && entry->inputs[i].element == DLRT_I32)
      for (int64_t k = 0; k < r->rows * width; k++) {
        int32_t token = (int32_t)r->fed[k];
        memcpy((char *)r->fed + 4 * k, &token, sizeof token);
      }
  }
  dlrt_status status =
      dlrt_call(r->context, line->line->entry, line->entry_dims, line->inputs, line->outputs);
  if (status)
    return dlrt_complain(r->program, EXIT_INPUT, "'%s': %s", entry->name, dlrt_detail(r->context));
  entry->shapes(r->dims, line->shapes);
  keep_values(r, line, count);
  return 0;
}

/* ---- texts ---- */

/* The next `count` tokens of each row's text, from number `from` on, and zeros. */
static void fill(dlrt_runner *r, int64_t from, int64_t count, int64_t width) {
  for (int64_t row = 0; row < r->rows; row++)
    for (int64_t i = 0; i < width; i++)
      r->fed[row * width + i] = i < count ? r->text[row * r->room + from + i] : 0;
}

/* Tokens of an input of a line that is called once. */
static int64_t width_of(const dlrt_runner *r, const dlrt_call_line *line, int64_t there) {
  for (int64_t i = 0; i < line->entry->input_count; i++) {
    dlrt_axis axes[DLRT_AXES];
    if (line->line->inputs[i] != r->run->chosen) continue;
    dlrt_axes_read(r->model, &line->entry->inputs[i], axes);
    if (line->entry->inputs[i].rank == 1) return 1;
    if (axes[1].dim < 0) return axes[1].length;
    int64_t most = r->model->dims[axes[1].dim].max;
    return there < most ? there : most;
  }
  return 0;
}

/* All that was not seen; in several calls if it is long. */
static int feed(dlrt_runner *r) {
  int64_t line = r->run->repeated;
  bool fixed =
      r->values[r->run->chosen].port->rank == 2 && r->values[r->run->chosen].axes[1].dim < 0;
  int code = 0;
  if (!r->remembers) {
    int64_t count = r->length < r->window ? r->length : r->window;
    int64_t width = fixed ? r->window : count;
    const dlrt_port *logits = &r->lines[line].entry->outputs[r->lines[line].chosen_output];
    if (count < width && logits->rank == 2)
      return dlrt_complain(r->program, EXIT_INPUT, "'%s' wants %lld tokens, the text has %lld",
                           r->lines[line].entry->name, (long long)width, (long long)count);
    fill(r, r->length - count, count, width);
    r->seen = r->length;
    return call(r, line, width, count);
  }
  while (!code && !r->full && r->seen < r->length) {
    int64_t count = r->length - r->seen < r->window ? r->length - r->seen : r->window;
    fill(r, r->seen, count, count);
    code = call(r, line, count, count);
    if (!r->full) r->seen += count;
  }
  return code;
}

int dlrt_runner_room(dlrt_runner *r, int64_t tokens) {
  free(r->text);
  r->room = tokens;
  size_t rows = (size_t)r->rows, room = (size_t)tokens + 1;
  r->text = room < PTRDIFF_MAX / 8 / rows ? calloc(rows * room, sizeof *r->text) : NULL;
  return r->text ? 0 : no_memory(r);
}

static int call_first(dlrt_runner *r) {
  int code = 0;
  for (int64_t i = 0; !code && !r->full && i < r->run->repeated; i++) {
    dlrt_call_line *line = &r->lines[i];
    int64_t width = 0;
    if (line->takes_chosen) {
      width = width_of(r, line, r->length - r->seen);
      if (width > r->length - r->seen || width > r->window)
        return dlrt_complain(r->program, EXIT_INPUT, "'%s' wants %lld tokens, there are %lld",
                             line->entry->name, (long long)width, (long long)(r->length - r->seen));
      fill(r, r->seen, width, width);
    }
    code = call(r, i, width, width);
    if (!r->full) r->seen += width;
  }
  return code;
}

/* What only the repeated line gives begins as zeros. */
static void clear_carried(dlrt_runner *r) {
  const dlrt_call_line *line = &r->lines[r->run->repeated];
  for (int64_t k = 0; k < line->entry->output_count; k++) {
    int64_t number = line->line->outputs[k];
    if (number < 0 || k == line->chosen_output) continue;
    dlrt_value *value = &r->values[number];
    memset(value->data, 0, value->room);
    for (int64_t a = 0; a < value->port->rank; a++)
      value->shape[a] =
          value->axes[a].dim < 0 ? value->axes[a].length : r->dims[value->axes[a].dim];
  }
}

int dlrt_runner_begin(dlrt_runner *r, const uint32_t *tokens, int64_t count) {
  dlrt_reset(r->context); /* BAD_ARGUMENT: no model writes states */
  r->length = count;
  r->seen = 0;
  r->full = NULL;
  for (int64_t row = 0; row < r->rows; row++)
    for (int64_t i = 0; i < count; i++) r->text[row * r->room + i] = tokens[i];
  clear_carried(r);
  int code = call_first(r);
  if (!code && !r->full && (!r->remembers || r->seen < r->length)) code = feed(r);
  if (code || !r->full) return code;
  if (!dlrt_runner_cache(r))
    return dlrt_complain(r->program, EXIT_INPUT, "%lld tokens are too many for '%s': %s",
                         (long long)count, r->run->name, r->full);
  dlrt_complain(r->program, EXIT_INPUT, "the text has %lld tokens, '%s' remembers %lld",
                (long long)count, r->run->name, (long long)dlrt_runner_cache(r));
  dlrt_hint("give a shorter text, or compile with a greater bound");
  return EXIT_INPUT;
}

int dlrt_runner_go_on(dlrt_runner *r, const int64_t *tokens) {
  for (int64_t row = 0; row < r->rows; row++) r->text[row * r->room + r->length] = tokens[row];
  r->length++;
  return feed(r);
}

/* ---- beams ---- */

static void gather(char *data, char *room, const int64_t *from, int64_t rows, size_t size) {
  for (int64_t row = 0; row < rows; row++)
    memcpy(room + (size_t)row * size, data + (size_t)from[row] * size, size);
}

/* Values that the repeated line gives; the others are the same in all rows. */
static void reorder_values(dlrt_runner *r, const int64_t *from) {
  dlrt_call_line *line = &r->lines[r->run->repeated];
  for (int64_t k = 0; k < line->entry->output_count; k++) {
    int64_t number = line->line->outputs[k];
    const dlrt_port *port = &line->entry->outputs[k];
    if (number < 0 || k == line->chosen_output || !port->rank) continue;
    dlrt_value *value = &r->values[number];
    if (value->shape[0] != r->rows) continue;
    size_t bytes = dlrt_bytes(dlrt_element_size(port->element), port->rank, value->shape);
    gather(value->data, line->outputs[k], from, r->rows, bytes / (size_t)r->rows);
    char *old = value->data;
    value->data = line->outputs[k];
    line->outputs[k] = old;
  }
}

int dlrt_runner_reorder(dlrt_runner *r, const int64_t *from) {
  bool same = true;
  for (int64_t row = 0; row < r->rows; row++) same = same && from[row] == row;
  if (same) return 0;
  size_t size = (size_t)r->room * sizeof *r->text;
  char *room = malloc((size_t)r->rows * size + 1);
  if (!room) return no_memory(r);
  gather((char *)r->text, room, from, r->rows, size);
  memcpy(r->text, room, (size_t)r->rows * size);
  free(room);
  reorder_values(r, from);
  for (int64_t i = r->run->repeated + 1; i < r->run->line_count; i++) {
    dlrt_call_line *line = &r->lines[i];
    dlrt_value *value = &r->values[line->line->inputs[0]];
    if (!set_dims(r, line, 0)) return no_memory(r);
    value->shape[0] = r->rows;
    for (int64_t row = 0; row < r->rows; row++) {
      if (value->port->element == DLRT_I64)
        ((int64_t *)(void *)value->data)[row] = from[row];
      else
        ((int32_t *)(void *)value->data)[row] = (int32_t)from[row];
    }
    line->inputs[0] = value->data;
    dlrt_status status =
        dlrt_call(r->context, line->line->entry, line->entry_dims, line->inputs, line->outputs);
    if (status)
      return dlrt_complain(r->program, EXIT_INPUT, "'%s': %s", line->entry->name,
                           dlrt_detail(r->context));
  }
  return 0;
}

int dlrt_runner_once(dlrt_runner *r) {
  int code = 0;
  dlrt_reset(r->context);
  for (int64_t i = 0; !code && i < r->run->line_count; i++) {
    code = call(r, i, 0, 0);
    if (!code && r->full)
      code = dlrt_complain(r->program, EXIT_INPUT, "'%s': %s", r->lines[i].entry->name, r->full);
  }
  return code;
}
