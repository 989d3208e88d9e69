#include "runtime/context.h"
#include "runtime/element.h"
#include "runtime/program.h"
#include "runtime/safetensors.h"
#include "runtime/texts.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The only state outside of a context: a signal handler has no other place for it. It belongs to
 * the main alone, no library links it. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

bool dlrt_interrupted(void) {
  return interrupted;
}

double dlrt_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int dlrt_complain(const dlrt_program *program, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s: error: ", program->name);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  return code;
}

void dlrt_hint(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("help: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

int dlrt_complain_status(const dlrt_program *program, dlrt_status status, const dlrt_error *error) {
  const char *text = error->text[0] ? error->text : dlrt_text(status);
  int code = status == DLRT_BAD_DIM || status == DLRT_BAD_ARGUMENT ? EXIT_USAGE : EXIT_INPUT;
  return dlrt_complain(program, code, "%s", text);
}

dlrt_request dlrt_program_request(const dlrt_program *program) {
  return (dlrt_request){.model = program->model,
                        .entry = program->entry_index,
                        .inputs = program->inputs.items,
                        .input_count = program->inputs.count,
                        .dims = program->dims.items,
                        .dim_count = program->dims.count,
                        .norms = program->norms.items,
                        .norm_count = program->norms.count,
                        .batch = program->batch,
                        .kept = program->kept_inputs,
                        .vocabulary = program->tokens};
}

static bool has_variables(const dlrt_model *model) {
  for (int64_t i = 0; i < model->tensor_count; i++)
    if (model->tensors[i].offset >= 0 && model->tensors[i].kind != DLRT_MEMORY) return true;
  return false;
}

/* The parameters' file may say how its inputs were prepared and what its classes are called. */
int dlrt_kept_read(dlrt_program *program) {
  const dlrt_model *model = program->model;
  dlrt_safetensors file = {0};
  const char *inputs = model->inputs, *classes = model->classes, *vocabulary = NULL;
  bool beside = model->constants_bytes && !model->constants;
  if (program->weights && !beside && has_variables(model)) {
    dlrt_status status = dlrt_safetensors_open(program->weights, &file, &program->error);
    if (status) return dlrt_complain_status(program, status, &program->error);
    inputs = dlrt_safetensors_metadata(&file, "dlc.inputs");
    classes = dlrt_safetensors_metadata(&file, "dlc.classes");
    vocabulary = dlrt_safetensors_metadata(&file, "dlc.vocabulary");
  }
  if (inputs && *inputs) program->kept_inputs = strdup(inputs);
  if (classes && *classes) program->kept_classes = strdup(classes);
  if (vocabulary && model->texts) program->kept_vocabulary = strdup(vocabulary);
  dlrt_safetensors_close(&file);
  return model->texts ? model->texts->open(program) : 0;
}

/* OUT.weights, in the program's own folder. */
static char *weights_beside(void) {
  enum { ROOM = 4096 };
  char *path = malloc(ROOM + sizeof ".weights");
  ssize_t length = path ? readlink("/proc/self/exe", path, ROOM) : -1;
  if (length <= 0) {
    free(path);
    return NULL;
  }
  memcpy(path + length, ".weights", sizeof ".weights");
  return path;
}

/* Small numbers, for zeros could be faster than what will be there; states may be variances, which
 * are positive. */
static void randomise(dlrt_context *context, const dlrt_model *model) {
  uint32_t bits = 1;
  for (int t = 0; t < dlrt_count(model); t++) {
    dlrt_tensor_view view;
    const dlrt_tensor *tensor = &model->tensors[t];
    bool has_first_values = tensor->kind == DLRT_MEMORY;
    if (dlrt_at(context, t, &view) || !view.data || has_first_values ||
        !dlrt_element_is_float(tensor->element))
      continue;
    size_t size = dlrt_element_size(tensor->element);
    for (size_t i = 0; i < (size_t)tensor->bytes / size; i++) {
      bits = bits * 1664525 + 1013904223;
      dlrt_element_set(tensor->element, (char *)view.data + i * size,
                       ((double)(bits >> 8) * 0x1p-24 - (tensor->kind ? 0 : 0.5)) * 0.1);
    }
  }
}

dlrt_pinning dlrt_pinning_wanted(const dlrt_program *program) {
  return program->pin || dlrt_is_on(getenv("DLC_PIN")) ? DLRT_PIN_ALL : DLRT_UNPINNED;
}

int dlrt_program_open(dlrt_program *program, bool needed, dlrt_context **context) {
  const dlrt_model *model = program->model;
  bool beside = model->constants_bytes && !model->constants, variables = has_variables(model);
  *context = NULL;
  if (needed && variables && !program->weights && !beside) {
    dlrt_complain(program, EXIT_USAGE, "no parameters are inside");
    dlrt_hint("--weights FILE.safetensors%s",
              model->train ? ", which 'train .. --save FILE' writes" : "");
    return EXIT_USAGE;
  }
  if (program->weights && !variables && !beside)
    return dlrt_complain(program, EXIT_USAGE, "the parameters are inside, --weights is for others");
  dlrt_status status =
      dlrt_open_level(model, context, NULL, (int)program->threads, dlrt_pinning_wanted(program));
  if (status) return dlrt_complain(program, EXIT_INPUT, "%s", dlrt_text(status));
  dlrt_seed(*context, (uint64_t)program->seed);
  char *own = beside && !program->weights ? weights_beside() : NULL;
  const char *path = program->weights ? program->weights : own;
  if (path) status = dlrt_load(*context, path);
  int code = 0;
  if (status) code = dlrt_complain(program, EXIT_INPUT, "%s", dlrt_detail(*context));
  if (!path && dlrt_init(*context, (uint64_t)program->seed)) randomise(*context, model);
  free(own);
  if (!code) return 0;
  dlrt_close(*context);
  *context = NULL;
  return code;
}

/* Whatever was printed must have arrived; a pipe that was closed is not complained of. */
static int finish(const dlrt_program *program, int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  if (errno == EPIPE) return code;
  return dlrt_complain(program, EXIT_INPUT, "stdout: %s", strerror(errno));
}

void dlrt_look_around(dlrt_program *program) {
  const char *threads = getenv("DLC_THREADS");
  if (threads && !program->threads) {
    long value = strtol(threads, NULL, 10);
    if (value > 0 && value < INT32_MAX) program->threads = value;
  }
  bool taken = program->json || (program->output && strcmp(program->output, "-") == 0);
  program->report = taken ? stderr : stdout;
  const char *plain = getenv("NO_COLOR");
  program->colour = !(plain && *plain) && isatty(taken ? STDERR_FILENO : STDOUT_FILENO);
  program->bar = !program->quiet && isatty(STDERR_FILENO);
}

void dlrt_cpus_text(const dlrt_model *built, char room[DLRT_CPUS_ROOM]) {
  size_t used = 0;
  room[0] = 0;
  for (const dlrt_model *m = built; m && used < DLRT_CPUS_ROOM; m = m->lower)
    used += (size_t)snprintf(room + used, DLRT_CPUS_ROOM - used, "%s%s", m == built ? "" : ", ",
                             m->cpu);
}

const dlrt_model *dlrt_level_wanted(const dlrt_program *program) {
  return dlrt_level(program->built, program->cpu ? program->cpu : getenv("DLC_CPU"));
}

int dlrt_choose_level(dlrt_program *program) {
  const dlrt_model *chosen = dlrt_level_wanted(program);
  if (chosen) {
    program->model = chosen;
    if (program->entry) program->entry = &chosen->entries[program->entry_index];
    return 0;
  }
  char names[DLRT_CPUS_ROOM];
  dlrt_cpus_text(program->built, names);
  if (!dlrt_level(program->built, NULL))
    return dlrt_complain(program, EXIT_INPUT, "this machine's CPU lacks what code for %s needs",
                         names);
  dlrt_complain(program, EXIT_USAGE, "no code for the CPU '%.60s'",
                program->cpu ? program->cpu : getenv("DLC_CPU"));
  dlrt_hint("built for %s", names);
  return EXIT_USAGE;
}

static int run(dlrt_program *program) {
  switch (program->command) {
  case COMMAND_PREDICT:
    return dlrt_predict(program);
  case COMMAND_TRAIN:
    return program->model->train(program);
  case COMMAND_RUN:
    return program->model->run(program);
  case COMMAND_BENCH:
    return dlrt_bench(program);
  case COMMAND_PROFILE:
    return dlrt_profile(program);
  default:
    return dlrt_info(program);
  }
}

int dlrt_main(const dlrt_model *model, int argc, char **argv) {
  const char *path = argc > 0 && argv[0] ? argv[0] : model->name, *slash = strrchr(path, '/');
  dlrt_program program = {.model = model,
                          .built = model,
                          .argc = argc,
                          .argv = argv,
                          .path = path,
                          .name = slash ? slash + 1 : path,
                          .tolerance = 1e-4,
                          .temperature = -1,
                          .length_penalty = -1};
  int code = dlrt_options_read(&program, argc, argv);
  if (!code && !program.help) code = dlrt_choose_level(&program);
  if (!code && program.help) {
    dlrt_help(&program, stdout);
  } else if (!code) {
    dlrt_look_around(&program);
    struct sigaction action = {.sa_handler = interrupt};
    interrupted = 0;
    sigaction(SIGTERM, &action, NULL); /* timeout sends it twice: to the program and to its group */
    action.sa_flags = (int)SA_RESETHAND; /* a second Ctrl-C ends at once */
    sigaction(SIGINT, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a write beyond a limit fails like one to a full disk */
    code = run(&program);
  }
  dlrt_options_free(&program);
  return finish(&program, code);
}
