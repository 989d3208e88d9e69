/* What a checkpoint says of the data and the options that it was made with. */
#include "runtime/element.h"
#include "runtime/inflate.h"
#include "runtime/texts.h"
#include "runtime/train.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool dlrt_writing_begin(dlrt_writing *writing) {
  *writing = (dlrt_writing){0};
  writing->to = open_memstream(&writing->text, &writing->size);
  return writing->to != NULL;
}

char *dlrt_writing_end(dlrt_writing *writing) {
  if (!writing->to) return NULL;
  bool failed = ferror(writing->to) != 0;
  if (!fclose(writing->to) && !failed) return writing->text;
  free(writing->text);
  return NULL;
}

char *dlrt_format(const char *format, ...) {
  dlrt_writing writing;
  if (!dlrt_writing_begin(&writing)) return NULL;
  va_list arguments;
  va_start(arguments, format);
  vfprintf(writing.to, format, arguments);
  va_end(arguments);
  return dlrt_writing_end(&writing);
}

/* "image u8[60000,28,28] crc32 3f1c09aa": a sum that finds mistakes, it is no protection. */
static void describe_arrays(const dlrt_binding *b, const dlrt_vocabulary *vocabulary,
                            const char *of, FILE *to) {
  for (int64_t i = 0; i < b->entry->input_count; i++) {
    const dlrt_input *input = &b->inputs[i];
    char shape[96];
    if (!input->port->rank) continue;
    if (input->corpus) {
      fprintf(to, "%s%s ", of, input->port->name);
      b->model->texts->describe(input, vocabulary, to);
      fputs("; ", to);
      continue;
    }
    dlrt_shape_text(shape, sizeof shape, input->array.element, input->array.rank,
                    input->array.shape);
    fprintf(to, "%s%s %s crc32 %08x; ", of, input->port->name, shape,
            (unsigned)dlrt_crc32(0, input->array.data, input->array.bytes));
  }
}

/* Of --validate K the rows are the step's own. */
static bool has_own_rows(const dlrt_training *t) {
  const dlrt_input *held = t->validates ? &t->held.binding.inputs[0] : NULL;
  const dlrt_input *lead = t->lead ? &t->lead->binding.inputs[0] : NULL;
  return held && (held->array.data != lead->array.data || held->corpus != lead->corpus);
}

static void describe_options(const dlrt_training *t, FILE *to) {
  const dlrt_program *p = t->program;
  fprintf(to, "batch %lld; seed %llu; epoch %lld steps; ",
          (long long)(t->lead ? t->lead->batch : 0), (unsigned long long)t->seed,
          (long long)t->epoch_steps);
  if (p->streams) fputs("streams; ", to);
  if (t->held_count) fprintf(to, "validate %lld rows; ", (long long)t->held_count);
  for (int64_t i = 0; i < t->task_count; i++)
    fprintf(to, "%s * %lld; ", t->tasks[i].entry->name, (long long)t->tasks[i].per_round);
  for (int64_t i = 0; i < t->task_count; i++)
    for (int64_t k = 0; k < t->tasks[i].entry->input_count; k++) {
      const dlrt_input *input = &t->tasks[i].binding.inputs[k];
      if (!input->port->rank)
        fprintf(to, "%s=%.9g; ", input->port->name,
                dlrt_element_get(input->array.element, input->array.data));
    }
  for (int i = 0; i < p->dims.count; i++)
    fprintf(to, "dim %.*s=%s; ", (int)p->dims.items[i].name_length, p->dims.items[i].name,
            p->dims.items[i].value);
  fprintf(to, "inputs %s", t->inputs_text);
}

/* How numbers are prepared: "image=u8 /255 mean 0.286 std 0.353", as dlrt_kept_norm reads it. */
static void describe_inputs(const dlrt_training *t, FILE *to) {
  const char *mark = "";
  for (int64_t n = 0; n < t->task_count; n++) {
    const dlrt_binding *b = &t->tasks[n].binding;
    for (int64_t i = 0; i < b->entry->input_count; i++) {
      const dlrt_input *input = &b->inputs[i];
      if (input->scale == 1 && !input->channels) continue;
      fprintf(to, "%s%s=%s", mark, input->port->name, dlrt_element_name(input->array.element));
      if (input->scale != 1) fprintf(to, " /%.0f", 1 / input->scale);
      for (int c = 0; c < input->channels; c++)
        fprintf(to, "%s%.9g", c ? "," : " mean ", input->mean[c]);
      for (int c = 0; c < input->channels; c++)
        fprintf(to, "%s%.9g", c ? "," : " std ", input->deviation[c]);
      mark = "; ";
    }
  }
}

static void describe_data(const dlrt_training *t, FILE *to) {
  const dlrt_vocabulary *words = t->program->tokens;
  for (int64_t i = 0; i < t->task_count; i++) describe_arrays(&t->tasks[i].binding, words, "", to);
  if (has_own_rows(t)) describe_arrays(&t->held.binding, words, "validate ", to);
}

static char *text_of(const dlrt_training *t, void (*describe)(const dlrt_training *, FILE *)) {
  dlrt_writing writing;
  if (dlrt_writing_begin(&writing)) describe(t, writing.to);
  return dlrt_writing_end(&writing);
}

int dlrt_describe(dlrt_training *t) {
  t->inputs_text = text_of(t, describe_inputs);
  if (t->inputs_text) t->options = text_of(t, describe_options);
  /* Every byte is read for it: not without a use. */
  if (t->options && t->checkpoint) t->data = text_of(t, describe_data);
  if (t->options && (t->data || !t->checkpoint)) return 0;
  return dlrt_complain(t->program, EXIT_INPUT, "no memory to train");
}
