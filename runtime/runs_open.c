/* What a run needs: rooms for its values, the number of rows, how much is fed at a time. */
#include "runtime/element.h"
#include "runtime/runs.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(const dlrt_runner *r) {
  return dlrt_complain(r->program, EXIT_INPUT, "no memory for the run '%s'", r->run->name);
}

static void *room_for(size_t bytes) {
  return bytes < SIZE_MAX - 64 ? aligned_alloc(DLRT_ALIGN, DLRT_ROUND(bytes + 1)) : NULL;
}

static size_t bound_bytes(const dlrt_port *port) {
  return dlrt_bytes(dlrt_element_size(port->element), port->rank, port->bound);
}

/* ---- values ---- */

static bool note_port(dlrt_runner *r, int64_t number, const dlrt_port *port, bool given) {
  dlrt_value *value = &r->values[number];
  size_t bytes = bound_bytes(port);
  if (!value->port) {
    value->port = port;
    dlrt_axes_read(r->model, port, value->axes);
  }
  if (given) value->given = false;
  if (bytes > value->room) value->room = bytes;
  return bytes != SIZE_MAX;
}

static int open_line(dlrt_runner *r, dlrt_call_line *line) {
  const dlrt_entry *entry = line->entry;
  size_t axes = (size_t)(entry->input_count + entry->output_count) * DLRT_AXES;
  bool good = true;
  line->chosen_output = -1;
  line->inputs = calloc((size_t)entry->input_count + 1, sizeof *line->inputs);
  line->outputs = calloc((size_t)entry->output_count + 1, sizeof *line->outputs);
  line->entry_dims = calloc((size_t)entry->dim_count + 1, sizeof *line->entry_dims);
  line->shapes = calloc(axes + 1, sizeof *line->shapes);
  if (!line->inputs || !line->outputs || !line->entry_dims || !line->shapes) return no_memory(r);
  for (int64_t i = 0; i < entry->input_count; i++) {
    /* Lines behind the repeated one are told which rows go on. */
    bool told = r->run->repeated >= 0 && line->line > &r->run->lines[r->run->repeated];
    good = good && note_port(r, line->line->inputs[i], &entry->inputs[i], told);
    if (line->line->inputs[i] == r->run->chosen) line->takes_chosen = true;
  }
  for (int64_t i = 0; i < entry->output_count; i++) {
    int64_t value = line->line->outputs[i];
    if (value >= 0 && value == r->run->chosen)
      line->chosen_output = i;
    else if (value >= 0)
      good = good && note_port(r, value, &entry->outputs[i], true);
  }
  return good ? 0 : no_memory(r);
}

/* Each output as large as the value that it is changed for. */
static int make_rooms(dlrt_runner *r) {
  for (int64_t i = 0; i < r->run->value_count; i++) {
    if (i == r->run->chosen) continue;
    r->values[i].data = room_for(r->values[i].room);
    if (!r->values[i].data) return no_memory(r);
    memset(r->values[i].data, 0, r->values[i].room);
  }
  for (int64_t i = 0; i < r->run->line_count; i++) {
    dlrt_call_line *line = &r->lines[i];
    for (int64_t k = 0; k < line->entry->output_count; k++) {
      int64_t value = line->line->outputs[k];
      bool kept = value >= 0 && value != r->run->chosen;
      size_t bytes = kept ? r->values[value].room : bound_bytes(&line->entry->outputs[k]);
      line->outputs[k] = room_for(bytes);
      if (!line->outputs[k]) return no_memory(r);
    }
  }
  return 0;
}

/* ---- rows ---- */

/* The value whose first axis is the rows': the chosen one, else the first with axes. */
static const dlrt_value *leading(const dlrt_runner *r) {
  if (r->run->chosen >= 0) return &r->values[r->run->chosen];
  for (int64_t i = 0; i < r->run->value_count; i++)
    if (r->values[i].port->rank) return &r->values[i];
  return NULL;
}

static int settle_rows(dlrt_runner *r) {
  const dlrt_value *lead = leading(r);
  r->row_dim = lead ? lead->axes[0].dim : -1;
  r->rows = r->beams;
  if (!lead) return 0;
  if (r->row_dim < 0) {
    r->rows = lead->axes[0].length;
  } else {
    const dlrt_dim *dim = &r->model->dims[r->row_dim];
    if (r->rows < dim->min) r->rows = dim->min;
    if (r->rows > dim->max) r->rows = dim->max;
    r->dims[r->row_dim] = r->rows;
  }
  if (r->rows >= r->beams) return 0;
  return dlrt_complain(r->program, EXIT_USAGE, "--beams %lld: '%s' has room for %lld rows",
                       (long long)r->beams, r->model->name, (long long)r->rows);
}

/* ---- the repeated line ---- */

static bool is_index(const dlrt_model *model, const dlrt_entry *entry, int64_t dim) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (dlrt_type_names(entry->inputs[i].type, model->dims[dim].name)) return false;
  return true;
}

static bool has_index(const dlrt_model *model, const dlrt_entry *entry) {
  for (int64_t i = 0; i < entry->dim_count; i++)
    if (is_index(model, entry, entry->dims[i])) return true;
  return false;
}

/* Lies in a tensor that models write. */
static bool is_memory(const dlrt_model *model, const dlrt_operand *operand) {
  for (int64_t i = 0; i < model->tensor_count && operand->base == DLRT_PARAMETERS; i++) {
    const dlrt_tensor *tensor = &model->tensors[i];
    if (tensor->kind == DLRT_MEMORY && operand->offset >= tensor->offset &&
        operand->offset < tensor->offset + tensor->bytes)
      return true;
  }
  return false;
}

bool dlrt_entry_remembers(const dlrt_model *model, const dlrt_entry *entry) {
  for (int64_t s = 0; s < entry->step_count; s++)
    for (int64_t i = 0; i < entry->steps[s].operand_count; i++)
      if (is_memory(model, &entry->steps[s].operands[i])) return true;
  for (int64_t l = 0; l < entry->loop_count; l++)
    for (int64_t i = 0; i < entry->loops[l].cursor_count; i++)
      if (is_memory(model, &entry->loops[l].cursors[i].base)) return true;
  return false;
}

/* Carries a value from call to call. */
static bool carries(const dlrt_runner *r, const dlrt_call_line *line) {
  for (int64_t k = 0; k < line->entry->output_count; k++)
    for (int64_t i = 0; i < line->entry->input_count; i++)
      if (line->line->outputs[k] >= 0 && line->line->outputs[k] != r->run->chosen &&
          line->line->outputs[k] == line->line->inputs[i])
        return true;
  return false;
}

static int settle_window(dlrt_runner *r) {
  const dlrt_call_line *line = &r->lines[r->run->repeated];
  dlrt_axis axes[DLRT_AXES] = {{1, -1}, {1, -1}};
  for (int64_t i = 0; i < line->entry->input_count; i++)
    if (line->line->inputs[i] == r->run->chosen)
      dlrt_axes_read(r->model, &line->entry->inputs[i], axes);
  const dlrt_port *logits = &line->entry->outputs[line->chosen_output];
  bool fixed = axes[1].dim < 0;
  r->window = fixed ? axes[1].length : r->model->dims[axes[1].dim].max;
  if (r->values[r->run->chosen].port->rank == 1) r->window = 1;
  r->classes = logits->bound[logits->rank - 1];
  r->remembers = r->window == 1 || has_index(r->model, line->entry) ||
                 dlrt_entry_remembers(r->model, line->entry) || carries(r, line);
  if (r->remembers && fixed && r->window > 1)
    return dlrt_complain(r->program, EXIT_INPUT,
                         "'%s' takes %lld tokens at a time; what remembers takes one, or as many "
                         "as a dim says",
                         line->entry->name, (long long)r->window);
  r->logits = room_for((size_t)r->rows * (size_t)r->classes * sizeof *r->logits);
  r->fed = room_for((size_t)r->rows * (size_t)r->window * sizeof *r->fed);
  r->chooser = dlrt_chooser_new(r->classes);
  return r->logits && r->fed && r->chooser ? 0 : no_memory(r);
}

/* ---- tokens ---- */

static int64_t special(const dlrt_runner *r, const char *first, const char *second) {
  const dlrt_vocabulary *v = r->program->tokens;
  int64_t token = v ? dlrt_token_special(v, first) : -1;
  return token >= 0 || !v ? token : dlrt_token_special(v, second);
}

static int settle_tokens(dlrt_runner *r) {
  const dlrt_vocabulary *v = r->program->tokens;
  int64_t count = v ? dlrt_vocabulary_count(v) : r->classes;
  r->start = r->run->start >= 0 ? r->run->start : special(r, "<s>", "<|endoftext|>");
  r->end = r->run->end >= 0 ? r->run->end : special(r, "</s>", "<|endoftext|>");
  if (r->run->chosen < 0) return 0;
  if (!v && r->classes > 256) {
    dlrt_complain(r->program, EXIT_USAGE, "no vocabulary is inside for %lld tokens",
                  (long long)r->classes);
    dlrt_hint("--vocabulary FILE, that it was trained with");
    return EXIT_USAGE;
  }
  if (count <= r->classes) return 0;
  return dlrt_complain(r->program, EXIT_INPUT, "the vocabulary has %lld tokens, '%s' knows %lld",
                       (long long)count, r->model->name, (long long)r->classes);
}

/* The text that is typed: whole numbers that no line gives. */
static void find_source(dlrt_runner *r) {
  r->source = -1;
  for (int64_t i = 0; i < r->run->value_count && r->source < 0; i++) {
    const dlrt_value *value = &r->values[i];
    bool whole = value->port->element == DLRT_I64 || value->port->element == DLRT_I32;
    if (value->given && i != r->run->chosen && whole && value->port->rank == 2) r->source = i;
  }
}

int dlrt_runner_open(dlrt_runner *r, dlrt_program *program) {
  *r = (dlrt_runner){.program = program, .model = program->model, .run = program->run};
  r->beams = program->beams ? program->beams : 1;
  r->values = calloc((size_t)r->run->value_count + 1, sizeof *r->values);
  r->lines = calloc((size_t)r->run->line_count + 1, sizeof *r->lines);
  r->dims = calloc((size_t)r->model->dim_count + 1, sizeof *r->dims);
  if (!r->values || !r->lines || !r->dims) return no_memory(r);
  for (int64_t d = 0; d < r->model->dim_count; d++) r->dims[d] = r->model->dims[d].min;
  for (int64_t i = 0; i < r->run->value_count; i++) {
    r->values[i].name = r->run->values[i];
    r->values[i].given = true;
  }
  int code = 0;
  for (int64_t i = 0; !code && i < r->run->line_count; i++) {
    r->lines[i].line = &r->run->lines[i];
    r->lines[i].entry = &r->model->entries[r->run->lines[i].entry];
    code = open_line(r, &r->lines[i]);
  }
  if (!code) code = make_rooms(r);
  if (!code) find_source(r);
  if (!code) code = settle_rows(r);
  if (!code && r->run->chosen >= 0) code = settle_window(r);
  if (!code && (r->run->chosen >= 0 || r->source >= 0)) code = settle_tokens(r);
  return code ? code : dlrt_program_open(program, true, &r->context);
}

void dlrt_runner_close(dlrt_runner *r) {
  for (int64_t i = 0; r->lines && i < r->run->line_count; i++) {
    dlrt_call_line *line = &r->lines[i];
    for (int64_t k = 0; line->outputs && k < line->entry->output_count; k++) free(line->outputs[k]);
    free(line->inputs);
    free(line->outputs);
    free(line->entry_dims);
    free(line->shapes);
  }
  for (int64_t i = 0; r->values && i < r->run->value_count; i++) free(r->values[i].data);
  free(r->lines);
  free(r->values);
  free(r->dims);
  free(r->logits);
  free(r->fed);
  free(r->text);
  dlrt_chooser_free(r->chooser);
  dlrt_close(r->context);
}
