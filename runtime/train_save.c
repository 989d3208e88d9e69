/* --save and checkpoints. What a network is, parameters and layers' states, goes to --save and
 * nothing else, so that others read it strictly; a checkpoint stands alone and holds the best
 * epoch's too (best.*), optimizers' states and, as metadata, all that a run needs to go on. */
#include "runtime/safetensors.h"
#include "runtime/train.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_METADATA = 24 };
#define WORD_END "\x1f" /* between arguments */

typedef struct {
  dlrt_metadata items[MOST_METADATA];
  char *texts[MOST_METADATA];
  int count;
  bool failed;
} metadata;

static void add(metadata *m, const char *key, char *text) {
  if (!text || m->count == MOST_METADATA) {
    free(text);
    m->failed = true;
    return;
  }
  m->texts[m->count] = text;
  m->items[m->count++] = (dlrt_metadata){key, text};
}

static void free_metadata(metadata *m) {
  for (int i = 0; i < m->count; i++) free(m->texts[i]);
}

/* Numbers that read back exactly. */
static char *numbers(const double *values, int64_t count) {
  dlrt_writing writing;
  if (!dlrt_writing_begin(&writing)) return NULL;
  for (int64_t i = 0; i < count; i++) fprintf(writing.to, "%s%.17g", i ? " " : "", values[i]);
  return dlrt_writing_end(&writing);
}

static char *calls(const dlrt_training *t) {
  dlrt_writing writing;
  if (!dlrt_writing_begin(&writing)) return NULL;
  for (int64_t i = 0; t->model->draws && i < t->model->entry_count; i++)
    fprintf(writing.to, "%s%s=%lld", i ? " " : "", t->model->entries[i].name,
            (long long)t->kept.slots[2 + i]);
  return dlrt_writing_end(&writing);
}

/* All words but --resume FILE. */
static char *arguments(const dlrt_program *program) {
  dlrt_writing writing;
  if (!dlrt_writing_begin(&writing)) return NULL;
  bool first = true;
  for (int i = 1; i < program->argc; i++) {
    const char *word = program->argv[i];
    if (strcmp(word, "--resume") == 0) {
      i++;
      continue;
    }
    if (strncmp(word, "--resume=", sizeof "--resume=" - 1) == 0) continue;
    fprintf(writing.to, "%s%s", first ? "" : WORD_END, word);
    first = false;
  }
  return dlrt_writing_end(&writing);
}

/* Names of classes, parted by commas. */
static char *classes(const dlrt_training *t) {
  dlrt_names names;
  if (t->program->kept_classes && !t->program->classes) return strdup(t->program->kept_classes);
  if (!t->program->classes || dlrt_names_read(t->program, t->program->classes, &names)) return NULL;
  size_t size = 1;
  for (int64_t i = 0; i < names.count; i++) size += strlen(names.names[i]) + 1;
  char *text = calloc(size, 1), *to = text;
  for (int64_t i = 0; text && i < names.count; i++) {
    if (i) *to++ = ',';
    for (const char *c = names.names[i]; *c; c++) *to++ = *c == ',' ? ' ' : *c;
  }
  dlrt_names_free(&names);
  return text;
}

static void describe_network(const dlrt_training *t, metadata *m, int64_t epoch, double loss) {
  add(m, "dlc.version", strdup(t->model->version));
  add(m, "dlc.model", strdup(t->model->source_hash));
  if (*t->inputs_text) add(m, "dlc.inputs", strdup(t->inputs_text));
  char *names = classes(t);
  if (names) add(m, "dlc.classes", names);
  if (t->program->kept_vocabulary) add(m, "dlc.vocabulary", strdup(t->program->kept_vocabulary));
  add(m, "dlc.epoch", dlrt_format("%lld", (long long)epoch));
  if (epoch) add(m, "dlc.loss", dlrt_format("%.9g", loss));
}

/* ---- tensors ---- */

static bool is_network(const dlrt_tensor *tensor) {
  return tensor->offset >= 0 && tensor->kind <= DLRT_STATE;
}

static dlrt_stored stored(const dlrt_tensor *tensor, const char *name, const char *base) {
  dlrt_stored s = {.name = name,
                   .element = (dlrt_element)tensor->element,
                   .rank = (int)tensor->rank,
                   .data = base + tensor->offset,
                   .bytes = (size_t)tensor->bytes};
  for (int a = 0; a < s.rank && a < DLRT_AXES; a++) s.shape[a] = tensor->shape[a];
  return s;
}

static double column_value(const dlrt_training *t, int64_t epoch) {
  int64_t column = 0;
  for (int64_t i = 0; i < t->column_count; i++)
    if (t->columns[i].kind == DLRT_VALIDATION) column = i;
  return epoch ? t->history[(epoch - 1) * t->column_count + column] : 0;
}

dlrt_status dlrt_save_result(dlrt_training *t) {
  const dlrt_model *model = t->model;
  bool best = t->validates && t->at.best;
  int64_t epoch = best ? t->at.best : t->at.epochs;
  const char *base = best ? t->best.tensors : t->context->parameters;
  dlrt_stored *tensors = malloc(((size_t)model->tensor_count + 1) * sizeof *tensors);
  metadata m = {.count = 0};
  int count = 0;
  if (tensors) describe_network(t, &m, epoch, column_value(t, epoch));
  for (int64_t i = 0; tensors && i < model->tensor_count; i++)
    if (is_network(&model->tensors[i]))
      tensors[count++] = stored(&model->tensors[i], model->tensors[i].name, base);
  dlrt_error *error = &t->program->error;
  dlrt_status status = tensors && !m.failed ? dlrt_safetensors_write(t->program->save, tensors,
                                                                     count, m.items, m.count, error)
                                            : dlrt_fail(error, DLRT_NO_MEMORY, "no memory to save");
  free_metadata(&m);
  free(tensors);
  return status;
}

static void describe_run(const dlrt_training *t, metadata *m) {
  const dlrt_position *at = &t->kept.position;
  add(m, "dlc.cpu", strdup(t->model->cpu));
  add(m, "dlc.arguments", arguments(t->program));
  add(m, "dlc.options", strdup(t->options));
  add(m, "dlc.data", strdup(t->data));
  add(m, "dlc.step", dlrt_format("%lld", (long long)at->step));
  add(m, "dlc.position", dlrt_format("%lld", (long long)(at->step % t->epoch_steps)));
  add(m, "dlc.seed", dlrt_format("%llu", (unsigned long long)t->seed));
  add(m, "dlc.calls", calls(t));
  add(m, "dlc.best", dlrt_format("%lld %.17g", (long long)at->best, at->best_value));
  add(m, "dlc.stale", dlrt_format("%lld", (long long)at->stale));
  add(m, "dlc.sums", numbers(t->kept.sums, 2 * t->column_count));
  add(m, "dlc.history", numbers(t->history, at->epochs * t->column_count));
  add(m, "dlc.seconds", numbers(t->seconds, at->epochs));
}

dlrt_status dlrt_checkpoint(dlrt_training *t) {
  const dlrt_model *model = t->model;
  size_t most = 2 * (size_t)model->tensor_count + 1;
  dlrt_stored *tensors = malloc(most * sizeof *tensors);
  char **names = calloc(most, sizeof *names);
  metadata m = {.count = 0};
  int count = 0;
  bool good = tensors && names, best = t->validates && t->kept.position.best;
  int64_t epochs = t->kept.position.epochs;
  if (good) {
    describe_network(t, &m, epochs, column_value(t, epochs));
    describe_run(t, &m);
  }
  for (int64_t i = 0; good && i < model->tensor_count; i++)
    if (model->tensors[i].offset >= 0)
      tensors[count++] = stored(&model->tensors[i], model->tensors[i].name, t->kept.tensors);
  for (int64_t i = 0; good && best && i < model->tensor_count; i++) {
    if (!is_network(&model->tensors[i])) continue;
    names[i] = dlrt_format("best.%s", model->tensors[i].name);
    good = names[i] != NULL;
    if (good) tensors[count++] = stored(&model->tensors[i], names[i], t->best.tensors);
  }
  dlrt_error *error = &t->program->error;
  dlrt_status status =
      good && !m.failed
          ? dlrt_safetensors_write(t->checkpoint, tensors, count, m.items, m.count, error)
          : dlrt_fail(error, DLRT_NO_MEMORY, "no memory for a checkpoint");
  for (int64_t i = 0; names && i < model->tensor_count; i++) free(names[i]);
  free_metadata(&m);
  free(names);
  free(tensors);
  t->saved_at = dlrt_seconds();
  return status;
}

/* ---- paths ---- */

/* NAME.checkpoint.safetensors of NAME.safetensors. */
static char *checkpoint_name(const char *save) {
  static const char end[] = ".safetensors";
  size_t length = strlen(save), tail = sizeof end - 1;
  if (length > tail && strcmp(save + length - tail, end) == 0) length -= tail;
  return dlrt_format("%.*s.checkpoint%s", (int)length, save, end);
}

static int check_path(dlrt_training *t, const char *path) {
  dlrt_output output;
  dlrt_error ignored;
  if (!path) return 0;
  dlrt_status status = dlrt_output_open(path, &output, &t->program->error);
  dlrt_output_close(&output, status ? status : DLRT_BAD_ARGUMENT, &ignored); /* not to be written */
  return status ? dlrt_complain_status(t->program, status, &t->program->error) : 0;
}

/* By what is there, as one file has several names; a link is replaced, not what it leads to. */
static bool is_same_file(const char *a, const char *b) {
  struct stat one, other;
  return strcmp(a, b) == 0 || (lstat(a, &one) == 0 && lstat(b, &other) == 0 &&
                               one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

int dlrt_paths_check(dlrt_training *t) {
  const dlrt_program *program = t->program;
  if (program->resume)
    t->checkpoint = strdup(program->resume);
  else if (program->save)
    t->checkpoint = checkpoint_name(program->save);
  if ((program->resume || program->save) && !t->checkpoint)
    return dlrt_complain(program, EXIT_INPUT, "no memory to train");
  if (program->save && strcmp(program->save, "-") == 0)
    return dlrt_complain(program, EXIT_USAGE, "--save wants a file");
  if (program->save && is_same_file(program->save, t->checkpoint))
    return dlrt_complain(program, EXIT_USAGE, "--save %.300s: that is the checkpoint's file",
                         program->save);
  int code = check_path(t, program->save);
  if (!code) code = check_path(t, t->checkpoint);
  return code ? code : check_path(t, program->plot);
}
