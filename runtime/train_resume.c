/* --resume: a checkpoint's arguments, then its tensors, counters and position. What would change
 * the bits of what follows must be as it was. */
#include "runtime/safetensors.h"
#include "runtime/train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_END = '\x1f' };

/* ---- arguments ---- */

/* argv[0], the checkpoint's words, those that were typed; in one block with their text. */
static char **merge(const dlrt_program *program, const char *stored, int *count) {
  size_t words = 2 + (size_t)program->argc, length = strlen(stored) + 1;
  for (const char *c = stored; *c; c++) words += *c == WORD_END;
  char **list = calloc(1, words * sizeof *list + length);
  if (!list) return NULL;
  char *text = memcpy(list + words, stored, length);
  int used = 0;
  list[used++] = program->argv[0];
  while (*text) {
    char *end = strchr(text, WORD_END);
    list[used++] = text;
    if (!end) break;
    *end = 0;
    text = end + 1;
  }
  for (int i = 1; i < program->argc; i++) list[used++] = program->argv[i];
  *count = used;
  return list;
}

int dlrt_resume_arguments(dlrt_program *program, char ***words) {
  dlrt_safetensors file;
  *words = NULL;
  dlrt_status status = dlrt_safetensors_open(program->resume, &file, &program->error);
  if (status) return dlrt_complain_status(program, status, &program->error);
  const char *stored = dlrt_safetensors_metadata(&file, "dlc.arguments");
  int count = 0, code = 0;
  if (!stored)
    code = dlrt_complain(program, EXIT_INPUT, "%.300s: no checkpoint of 'train --save'",
                         program->resume);
  else if (!(*words = merge(program, stored, &count)))
    code = dlrt_complain(program, EXIT_INPUT, "no memory to train");
  dlrt_safetensors_close(&file);
  if (code) return code;
  dlrt_program again = {.model = program->model,
                        .built = program->built,
                        .argc = count,
                        .argv = *words,
                        .path = program->path,
                        .name = program->name,
                        .tolerance = program->tolerance,
                        .again = true};
  code = dlrt_options_read(&again, count, *words);
  again.quiet = program->quiet; /* what is said now is not the checkpoint's to tell */
  if (!code) code = dlrt_choose_level(&again);
  dlrt_options_free(program);
  *program = again;
  dlrt_look_around(program);
  return code;
}

/* ---- what it holds ---- */

typedef struct {
  dlrt_training *t;
  dlrt_safetensors file;
  const char *path;
  int code;
} resuming;

static void refuse(resuming *r, const char *what) {
  if (!r->code) r->code = dlrt_complain(r->t->program, EXIT_INPUT, "%.300s: %s", r->path, what);
}

static const char *text_of(resuming *r, const char *key) {
  const char *text = dlrt_safetensors_metadata(&r->file, key);
  if (!text) refuse(r, "the checkpoint is not whole");
  return text ? text : "";
}

static int64_t number_of(resuming *r, const char *key, int64_t most) {
  const char *text = text_of(r, key);
  char *end;
  long long value = strtoll(text, &end, 10);
  if (!r->code && (*end || end == text || value < 0 || value > most))
    refuse(r, "a number of the checkpoint makes no sense");
  return r->code ? 0 : value;
}

static void read_numbers(resuming *r, const char *key, double *to, int64_t count) {
  const char *at = text_of(r, key);
  for (int64_t i = 0; i < count && !r->code; i++) {
    char *end;
    to[i] = strtod(at, &end);
    if (end == at) refuse(r, "a number of the checkpoint makes no sense");
    at = end;
  }
}

/* What must be the same says how it differs, from the first word that does. */
static void agree(resuming *r, const char *key, const char *now, const char *what) {
  const char *then = text_of(r, key);
  if (r->code || strcmp(then, now) == 0) return;
  size_t same = 0;
  for (size_t i = 0; then[i] && then[i] == now[i]; i++)
    if (then[i] == ';') same = i + 1 + (then[i + 1] == ' ');
  r->code = dlrt_complain(
      r->t->program, EXIT_INPUT, "%.200s was made with other %s: '%.*s', not '%.*s'", r->path, what,
      (int)strcspn(then + same, ";"), then + same, (int)strcspn(now + same, ";"), now + same);
}

/* Number inputs, such as lr, are typed: another one than the checkpoint's is meant. */
static bool is_number(const dlrt_training *t, const char *part, size_t length) {
  for (int64_t i = 0; i < t->task_count; i++)
    for (int64_t k = 0; k < t->tasks[i].entry->input_count; k++) {
      const dlrt_port *port = t->tasks[i].binding.inputs[k].port;
      size_t name = strlen(port->name);
      if (!port->rank && name < length && part[name] == '=' && !memcmp(part, port->name, name))
        return true;
    }
  return false;
}

static const char *next_option(const char *end) {
  end += *end == ';';
  return end + (*end == ' ');
}

static void agree_on_options(resuming *r) {
  dlrt_training *t = r->t;
  const char *then = text_of(r, "dlc.options"), *now = t->options;
  for (bool more = !r->code; more;) {
    size_t a = strcspn(then, ";"), b = strcspn(now, ";"), name = strcspn(then, "=") + 1;
    bool same = a == b && strncmp(then, now, a) == 0;
    bool changed =
        !same && is_number(t, then, a) && is_number(t, now, b) && strncmp(then, now, name) == 0;
    if (!same && !changed) {
      agree(r, "dlc.options", t->options, "options");
      return;
    }
    t->other_numbers = t->other_numbers || changed;
    if (changed && !t->program->quiet)
      fprintf(stderr, "resume   with %.*s, before %.*s\n", (int)b, now, (int)(a - name),
              then + name);
    more = then[a] && now[b];
    then = next_option(then + a), now = next_option(now + b);
  }
  if (*then || *now) agree(r, "dlc.options", t->options, "options");
}

static void read_tensor(resuming *r, const dlrt_tensor *tensor, const char *prefix, char *base) {
  char *name = dlrt_format("%s%s", prefix, tensor->name);
  const dlrt_stored *found = name ? dlrt_safetensors_find(&r->file, name) : NULL;
  free(name);
  if (!found || (int64_t)found->element != tensor->element || found->rank != tensor->rank ||
      found->bytes != (size_t)tensor->bytes ||
      (tensor->rank &&
       memcmp(found->shape, tensor->shape, (size_t)tensor->rank * sizeof *tensor->shape))) {
    r->code =
        dlrt_complain(r->t->program, EXIT_INPUT, "%.300s: '%s%.100s' is not there as it should",
                      r->path, prefix, tensor->name);
    return;
  }
  memcpy(base + tensor->offset, found->data, found->bytes);
}

static void read_tensors(resuming *r) {
  const dlrt_training *t = r->t;
  bool best = t->validates && t->at.best;
  for (int64_t i = 0; i < t->model->tensor_count && !r->code; i++) {
    const dlrt_tensor *tensor = &t->model->tensors[i];
    if (tensor->offset < 0) continue;
    read_tensor(r, tensor, "", t->context->parameters);
    if (best && tensor->kind <= DLRT_STATE && !r->code)
      read_tensor(r, tensor, "best.", t->best.tensors);
  }
}

/* fit=4300 fit_value=120 .. */
static void read_calls(resuming *r) {
  const dlrt_model *model = r->t->model;
  if (!model->draws) return;
  const char *at = text_of(r, "dlc.calls");
  int64_t *slots = r->t->context->dims + model->dim_count;
  for (int64_t i = 0; i < model->entry_count && !r->code; i++) {
    size_t length = strlen(model->entries[i].name);
    bool named = strncmp(at, model->entries[i].name, length) == 0 && at[length] == '=';
    char *end = NULL;
    if (named) slots[2 + i] = strtoll(at + length + 1, &end, 10);
    if (!end || (*end && *end != ' ')) {
      refuse(r, "its counters of calls are of other entries");
      return;
    }
    at = *end ? end + 1 : end;
  }
}

static void read_position(resuming *r) {
  dlrt_training *t = r->t;
  t->at.step = number_of(r, "dlc.step", INT64_MAX / 2);
  t->at.epochs = number_of(r, "dlc.epoch", INT64_MAX / 2);
  t->at.stale = number_of(r, "dlc.stale", INT64_MAX / 2);
  if (r->code) return;
  if (t->at.epochs > t->at.step / t->epoch_steps ||
      t->at.step > (t->at.epochs + 1) * t->epoch_steps)
    refuse(r, "a number of the checkpoint makes no sense");
  else if (t->at.epochs > t->epochs || t->at.step > t->epochs * t->epoch_steps)
    refuse(r, "it is further than --epochs");
  const char *best = text_of(r, "dlc.best");
  char *end;
  long long epoch = strtoll(best, &end, 10);
  t->at.best_value = strtod(end, NULL);
  if (epoch < 0 || epoch > t->at.epochs) refuse(r, "a number of the checkpoint makes no sense");
  t->at.best = r->code ? 0 : epoch;
}

int dlrt_resume(dlrt_training *t) {
  resuming r = {.t = t, .path = t->program->resume};
  dlrt_status status = dlrt_safetensors_open(r.path, &r.file, &t->program->error);
  if (status) return dlrt_complain_status(t->program, status, &t->program->error);
  if (strcmp(text_of(&r, "dlc.model"), t->model->source_hash))
    refuse(&r, "it was made by a program of another network");
  if (!r.code) agree_on_options(&r);
  agree(&r, "dlc.data", t->data, "data");
  t->other_cpu = strcmp(text_of(&r, "dlc.cpu"), t->model->cpu) != 0;
  if (!r.code) read_position(&r);
  if (!r.code) read_tensors(&r);
  if (!r.code) read_calls(&r);
  if (!r.code) read_numbers(&r, "dlc.sums", t->sums, 2 * t->column_count);
  if (!r.code) read_numbers(&r, "dlc.history", t->history, t->at.epochs * t->column_count);
  if (!r.code) read_numbers(&r, "dlc.seconds", t->seconds, t->at.epochs);
  dlrt_safetensors_close(&r.file);
  return r.code;
}
