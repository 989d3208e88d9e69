#include "driver/compile.h"

#include "driver/entries.h"
#include "driver/ir_file.h"
#include "driver/target_file.h"

#include "ir/module_text.h"
#include "passes/stage_verify.h"
#include "runtime/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LARGEST_TEXT = 1 << 30 };

double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static const char *base_name(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  const char *dot = strrchr(name, '.');
  size_t length = dot && dot != name ? (size_t)(dot - name) : strlen(name);
  return arena_string(arena, name, length);
}

static bool ends_with(const char *text, const char *end) {
  size_t m = strlen(text), n = strlen(end);
  return m >= n && strcmp(text + m - n, end) == 0;
}

/* ---- options ---- */

static bool read_dims(Session *session, PassOptions *changed, OptionId id, bool is_bound) {
  const Options *options = session->options;
  for (size_t i = 0; i < options->values[id].count; i++) {
    const char *text = options->values[id].items[i];
    Assignment a;
    int64_t value;
    const char *spelling = is_bound ? "--dim-max" : "--dim";
    if (!assignment_split(session->arena, text, &a)) {
      Diagnostic *d =
          diag_usage(session->diagnostics, "%s is '%s', not NAME=NUMBER", spelling, text);
      diag_help(d, "%s N=8", spelling);
      return false;
    }
    if (!is_bound && strstr(a.value, "..")) {
      Diagnostic *d =
          diag_usage(session->diagnostics, "--dim fixes a dim, '%s' is a range", a.value);
      diag_help(d, "a bound is --dim-max %s=32", a.name);
      return false;
    }
    const char *what = arena_format(session->arena, "%s %s", spelling, a.name);
    if (!option_integer(session->diagnostics, what, a.value, 1, (int64_t)1 << 40, &value))
      return false;
    DimChange *changes = ARENA_ARRAY(session->arena, (size_t)changed->dim_count + 1, DimChange);
    if (changed->dim_count)
      memcpy(changes, changed->dims, (size_t)changed->dim_count * sizeof *changes);
    changes[changed->dim_count++] = (DimChange){a.name, value, is_bound};
    changed->dims = changes;
  }
  return true;
}

enum { LARGEST_FOLD = 1 << 20 };

/* One of the first `count` types: f32, bf16, int8. */
static bool read_type(Session *session, OptionId id, const char *spelling, int count,
                      Element *element) {
  static const Element elements[] = {ELEMENT_f32, ELEMENT_bf16, ELEMENT_i8};
  const char *given = option_text(session->options, id, "f32"), *names[3];
  Text list = text_new(session->arena);
  for (int i = 0; i < count; i++) {
    names[i] = small_type_name(elements[i]);
    *element = elements[i];
    if (strcmp(given, names[i]) == 0) return true;
    text_format(&list, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", names[i]);
  }
  Diagnostic *d =
      diag_usage(session->diagnostics, "%s is '%s', not %s", spelling, given, text_get(&list));
  const char *nearest = nearest_name(given, names, (size_t)count);
  diag_help(d, "%s %s", spelling, nearest ? nearest : "bf16");
  return false;
}

static bool read_types(Compilation *c) {
  Session *session = c->session;
  PassOptions *changed = &c->passes;
  Diagnostics *diagnostics = session->diagnostics;
  if (!read_type(session, OPTION_weights_type, "--weights-type", 3, &changed->weights_type) ||
      !read_type(session, OPTION_compute_type, "--compute-type", 2, &changed->compute_type))
    return false;
  if (changed->compute_type == ELEMENT_f32) return true;
  if (changed->weights_type == ELEMENT_i8) {
    Diagnostic *d = diag_usage(diagnostics, "--compute-type bf16 computes with weights in bf16");
    diag_help(d, "one of --weights-type int8 and --compute-type bf16");
    return false;
  }
  const Target *without = NULL;
  for (size_t i = 0; i < c->target_count; i++)
    if (!c->targets[i].bf16) without = &c->targets[i];
  if (!without) return true;
  Text list = text_new(session->arena);
  for (size_t i = 0; target_cpu(i); i++)
    if (target_cpu_has_bf16(i)) text_format(&list, "%s%s", list.length ? ", " : "", target_cpu(i));
  Diagnostic *d =
      diag_report(diagnostics, E0613, SPAN_NONE,
                  "--compute-type bf16 needs AVX512-BF16, which '%s' has not", without->name);
  diag_help(d, "--cpu %s have it; --weights-type bf16 runs everywhere", text_get(&list));
  return false;
}

/* What is given at run time, or learned, is stored as it is. */
static bool weights_are_there(const Compilation *c) {
  const Module *module = c->module;
  bool computes = c->passes.compute_type != ELEMENT_f32;
  if ((c->passes.weights_type == ELEMENT_f32 && !computes) || c->is_text_ir) return true;
  for (size_t i = 0; i < module->tensors.count; i++)
    if (module->tensors.items[i]->data) return true;
  const char *spelling = computes ? "--compute-type" : "--weights-type";
  Diagnostic *d = diag_usage(c->session->diagnostics,
                             "%s wants the weights: parameters that are learned or given at run "
                             "time stay as they are",
                             spelling);
  OptionId id = computes ? OPTION_compute_type : OPTION_weights_type;
  diag_help(d, "--weights FILE.safetensors %s %s", spelling,
            option_text(c->session->options, id, ""));
  return false;
}

static bool read_pass_options(Session *session, PassOptions *changed, TargetShape shape) {
  *changed = PASS_OPTIONS_DEFAULT;
  const char *level = option_text(session->options, OPTION_level, "2");
  int64_t number;
  if (!option_integer(session->diagnostics, "-O", level, 0, 2, &number)) return false;
  changed->level = (int)number;
  changed->vector_lanes = shape.lanes;
  changed->vector_registers = shape.registers;
  changed->flop_rate = shape.rates.flops;
  changed->memory_rate = shape.rates.memory;
  changed->cache_rate = shape.rates.cache;
  changed->near_rate = shape.rates.near;
  changed->fork_seconds = shape.rates.fork;
  changed->near_bytes = shape.l1;
  changed->cache_bytes = shape.l2;
  changed->several_cpus = shape.cpus > 1;
  changed->panel_columns = shape.columns;
  const char *conv = option_text(session->options, OPTION_conv, "auto");
  changed->exact_conv = strcmp(conv, "exact") == 0;
  if (!changed->exact_conv && strcmp(conv, "auto") != 0) {
    diag_usage(session->diagnostics, "--conv is '%s', not auto or exact", conv);
    return false;
  }
  const char *pictures = option_text(session->options, OPTION_pictures, "auto");
  if (strcmp(pictures, "all") == 0)
    changed->pictures = -1;
  else if (strcmp(pictures, "auto") != 0) {
    if (pictures[strspn(pictures, "0123456789")] != 0) {
      diag_usage(session->diagnostics, "--pictures is '%s', not auto, all or a number", pictures);
      return false;
    }
    if (!option_integer(session->diagnostics, "--pictures", pictures, 1, INT32_MAX, &number))
      return false;
    changed->pictures = number;
  }
  if (option_given(session->options, OPTION_threads)) {
    const char *threads = option_text(session->options, OPTION_threads, "");
    if (!option_integer(session->diagnostics, "--threads", threads, 1, 1024, &number)) return false;
    changed->threads = (int)number;
  }
  return read_dims(session, changed, OPTION_dim, false) &&
         read_dims(session, changed, OPTION_dim_max, true);
}

/* ---- reading ---- */

static Module *load_text_ir(Session *session, const char *path) {
  size_t length;
  const char *message;
  char *bytes = source_read(session->arena, path, LARGEST_TEXT, &length, &message);
  const char *shown = strcmp(path, "-") == 0 ? "stdin" : path;
  int32_t file = sources_add(session->sources, shown, path, bytes, bytes ? length : 0);
  if (!bytes) {
    diag_report(session->diagnostics, E0501, (Span){file, 0, 0}, "%s", message);
    return NULL;
  }
  Module *module = module_parse_checked(session->arena, session->diagnostics, file, stage_verify);
  return module && ir_file_attach(session, module, path) ? module : NULL;
}

/* With --weights parameters are constants: nothing trains. */
static bool wants_training(const Options *options) {
  if (option_given(options, OPTION_weights)) return false;
  return options->command == COMMAND_check || options->command == COMMAND_build ||
         options->command == COMMAND_dump;
}

/* Those whose states need first values. */
static bool calls_models(CommandName command) {
  return command == COMMAND_build || command == COMMAND_run;
}

static Module *load_dl(Compilation *c) {
  Session *session = c->session;
  const Options *options = session->options;
  ElaborateOptions elaborate_options = {.path = c->path};
  VEC(ConstOverride) overrides = {0};
  for (size_t i = 0; i < options->values[OPTION_define].count; i++) {
    Assignment a;
    const char *text = options->values[OPTION_define].items[i];
    if (!assignment_split(session->arena, text, &a)) {
      Diagnostic *d = diag_usage(session->diagnostics, "-D is '%s', not CONST=VALUE", text);
      diag_help(d, "-D depth=18");
      return NULL;
    }
    vec_push(session->arena, &overrides, ((ConstOverride){a.name, a.value}));
  }
  elaborate_options.overrides = overrides.items;
  elaborate_options.override_count = (int)overrides.count;
  if (option_given(options, OPTION_entry)) {
    elaborate_options.entries = options->values[OPTION_entry].items;
    elaborate_options.entry_count = (int)options->values[OPTION_entry].count;
  }
  elaborate_options.training = wants_training(options);
  elaborate_options.initialisers = calls_models(options->command);
  double start = now_ms();
  Module *module = elaborate(session->arena, session->diagnostics, &elaborate_options, &c->extra);
  c->elaborate_ms = now_ms() - start;
  return module;
}

/* Those that make programs, or show or run the passes on the way there, take several CPUs. */
static bool takes_several(CommandName command) {
  return command == COMMAND_build || command == COMMAND_dump || command == COMMAND_opt;
}

static bool read_target(Compilation *c, const char *otherwise) {
  Session *session = c->session;
  const Options *options = session->options;
  const char *triple = option_text(options, OPTION_target, NULL);
  const char *alone = triple ? NULL : otherwise;
  const char *const *cpus = &alone;
  c->target_count = 1;
  if (option_given(options, OPTION_cpu)) {
    cpus = options->values[OPTION_cpu].items;
    c->target_count = options->values[OPTION_cpu].count;
  }
  if (c->target_count > 1 && !takes_several(options->command)) {
    Diagnostic *d = diag_usage(session->diagnostics, "--cpu names %zu CPUs", c->target_count);
    diag_help(d, "'build', 'dump' and 'opt' alone take several");
    return false;
  }
  c->targets = ARENA_ARRAY(session->arena, c->target_count, Target);
  if (!target_find_all(c->targets, session->arena, triple, cpus, c->target_count,
                       session->diagnostics))
    return false;
  const char *measured = option_text(options, OPTION_target_file, NULL);
  if (measured && !target_file_read(session, measured, c->targets, c->target_count)) return false;
  c->target = c->targets[0];
  return true;
}

/* --vocabulary: another one than the parameters were trained with, or of a program without them. */
static bool read_vocabulary(Session *session, WeightsNotes *notes) {
  const char *path = option_text(session->options, OPTION_vocabulary, NULL);
  dlrt_vocabulary *vocabulary;
  dlrt_error error = {0};
  if (!path) return true;
  dlrt_status status = dlrt_vocabulary_read(path, &vocabulary, &error);
  char *text = status ? NULL : dlrt_vocabulary_text(vocabulary);
  if (text) {
    notes->vocabulary = arena_string(session->arena, text, strlen(text));
    free(text);
    dlrt_vocabulary_free(vocabulary);
    return true;
  }
  if (!status) {
    dlrt_vocabulary_free(vocabulary);
    dlrt_fail(&error, DLRT_NO_MEMORY, "no memory for it");
  }
  return session_file_failed(session, E0501, path, &error);
}

static bool open_file(Session *session, Compilation *c, bool is_text, const char *cpu, int *code) {
  *c = (Compilation){.session = session};
  *code = EXIT_USAGE;
  c->path = session_file(session);
  if (!c->path || !read_target(c, cpu) ||
      !read_pass_options(session, &c->passes, target_shape(c->targets, c->target_count)) ||
      !read_types(c))
    return false;
  c->name = base_name(session->arena, c->path);
  c->is_text_ir = is_text || ends_with(c->path, ".ir");
  *code = EXIT_INPUT;
  c->module = c->is_text_ir ? load_text_ir(session, c->path) : load_dl(c);
  if (!c->module) return false;
  const char *weights = option_text(session->options, OPTION_weights, NULL);
  if (calls_models(session->options->command)) entries_add_reset(c->module);
  if (option_given(session->options, OPTION_entry) || session->options->command == COMMAND_run)
    entries_drop_init(c->module);
  if (weights) entries_drop_training(c->module);
  if (weights && !weights_load(session, c->module, weights, &c->notes)) return false;
  if (!read_vocabulary(session, &c->notes)) return false;
  if (weights_are_there(c)) return true;
  *code = EXIT_USAGE;
  return false;
}

bool compile_open(Session *session, Compilation *c, int *code) {
  return open_file(session, c, false, "native", code);
}

bool compile_open_text(Session *session, Compilation *c, int *code) {
  return open_file(session, c, true, "x86-64-v3", code);
}

bool compile_passes(Compilation *c, PassCallback *callback, void *user) {
  return pipeline_run(c->module, &c->passes, c->session->diagnostics, callback, user);
}
