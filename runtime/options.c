#include "runtime/program.h"
#include "runtime/texts.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum { TEXT, COUNT, BEAMS, SEED, NUMBER, SHARE, FLAG, PAIRS, TEXTS, RATE } value_kind;

enum { CALLS = DLRT_COMMANDS_CALLING, BATCHED = DLRT_COMMANDS_BATCHED, ALL = DLRT_COMMANDS };
enum { DATA = COMMAND_PREDICT | COMMAND_TRAIN, MOST_BEAMS = 256 };

/* Texts stand at columns that fit help's 100. */
static const struct option {
  const char *name, *value, *help;
  unsigned short commands;
  unsigned char kind; /* value_kind */
  unsigned short field;
} options[] = {
#define AT(member) offsetof(dlrt_program, member)
    {"--weights", "FILE", "parameters to compute with (safetensors)", CALLS, TEXT, AT(weights)},
    {"--entry", "NAME", "the entry to run; default: the first", BATCHED | COMMAND_INFO, TEXT,
     AT(entry_name)},
    {"--threads", "K", "at most K threads; default: DLC_THREADS, or all of the machine", CALLS,
     COUNT, AT(threads)},
    {"--pin", NULL, "keep each thread on a CPU of its own; default: DLC_PIN", CALLS, FLAG, AT(pin)},
    {"--cpu", "CPU", "at most this CPU's code: x86-64-v3; default: DLC_CPU, or what fits", ALL,
     TEXT, AT(cpu)},
    {"--batch", "K", "rows of a call; default: as many as the bound allows", BATCHED, COUNT,
     AT(batch)},
    {"--dim", "N=K", "the value of a dim that no input tells; may be repeated", CALLS, PAIRS,
     AT(dims)},
    {"--seed", "S", "of random numbers; default: 0", CALLS | COMMAND_DRAWS, SEED, AT(seed)},
    {"--norm", "NAME=M,S", "(x - M) / S for the input NAME, after the division by 255", DATA, PAIRS,
     AT(norms)},
    {"--vocabulary", "FILE", "of texts, as 'dlc subwords' writes it; default: kept ones, or bytes",
     DATA | COMMAND_RUN | COMMAND_TEXT, TEXT, AT(vocabulary)},
    {"--classes", "FILE", "names of the classes, one a line", DATA, TEXT, AT(classes)},
    {"--expect", "FILE", "what should come out: labels of classes, or values", COMMAND_PREDICT,
     TEXT, AT(expect)},
    {"--tolerance", "X", "of values, by the largest of them; default: 1e-4", COMMAND_PREDICT,
     NUMBER, AT(tolerance)},
    {"--show", "K", "draw the first K pictures with what was said of them", COMMAND_PREDICT, COUNT,
     AT(show)},
    {"-o", "FILE", "write the results: .npy, .npz, .csv, or - for csv to stdout; a run's text",
     COMMAND_PREDICT | COMMAND_RUN, TEXT, AT(output)},
    {"--tokens", "K", "write at most K tokens; default: 200", COMMAND_RUN, COUNT, AT(token_count)},
    {"--temperature", "X", "of the draw; 0: the most probable; default: 1, of translations 0",
     COMMAND_RUN, NUMBER, AT(temperature)},
    {"--top-k", "K", "draw among the K most probable tokens", COMMAND_RUN, COUNT, AT(top_k)},
    {"--top-p", "P", "draw among the most probable that have P together", COMMAND_RUN, SHARE,
     AT(top_p)},
    {"--beams", "K", "search with K beams and write the best text", COMMAND_RUN, BEAMS, AT(beams)},
    {"--length-penalty", "X", "beams compare log p / ((5 + tokens) / 6)^X; default: 0.6",
     COMMAND_RUN, NUMBER, AT(length_penalty)},
    {"--stop", "TEXT", "end before this text", COMMAND_RUN, TEXT, AT(stop)},
    {"--epochs", "K", "times through the data; default: 1", COMMAND_TRAIN, COUNT, AT(epochs)},
    {"--lr", "X", "the input lr, as lr=X", COMMAND_TRAIN, RATE, AT(inputs)},
    {"--steps", "K", "of an epoch; default: as the data has batches", COMMAND_TRAIN, COUNT,
     AT(steps)},
    {"--streams", NULL, "row i of a call goes on where row i of the last ended: lasting states",
     COMMAND_TRAIN | COMMAND_TEXT, FLAG, AT(streams)},
    {"--validate", "K|FILE", "keep K rows apart, or an .npz of all inputs, or NAME=FILE of each",
     COMMAND_TRAIN, TEXTS, AT(validate)},
    {"--patience", "K", "stop after K epochs without a better validation", COMMAND_TRAIN, COUNT,
     AT(patience)},
    {"--save", "FILE", "what was learnt (safetensors); checkpoints go beside it", COMMAND_TRAIN,
     TEXT, AT(save)},
    {"--resume", "FILE", "go on from a checkpoint, with its arguments", COMMAND_TRAIN, TEXT,
     AT(resume)},
    {"--log", "FILE", "append what happens, a JSON object a line", COMMAND_TRAIN, TEXT, AT(log)},
    {"--log-every", "K", "log each K-th step; default: 100", COMMAND_TRAIN, COUNT, AT(log_every)},
    {"--plot", "FILE", "draw the learning curve (SVG)", COMMAND_TRAIN, TEXT, AT(plot)},
    {"--all", NULL, "each step of the profile in a row of its own", COMMAND_PROFILE, FLAG, AT(all)},
    {"--json", NULL, "the report as one JSON value on stdout", ALL, FLAG, AT(json)},
    {"-q", NULL, "errors only", ALL, FLAG, AT(quiet)},
    {"--help", NULL, "this text", ALL, FLAG, AT(help)},
#undef AT
};

enum { OPTIONS = sizeof options / sizeof *options };

static const struct {
  const char *name;
  int command;
} commands[] = {{"predict", COMMAND_PREDICT},
                {"train", COMMAND_TRAIN},
                {"info", COMMAND_INFO},
                {"bench", COMMAND_BENCH},
                {"profile", COMMAND_PROFILE}};

enum { COMMANDS = sizeof commands / sizeof *commands };

const char *dlrt_command_name(int command) {
  for (int i = 0; i < COMMANDS; i++)
    if (commands[i].command == command) return commands[i].name;
  return "run";
}

const char *dlrt_commands(const dlrt_model *model) {
  return model->train ? "predict, train, info, bench, profile" : "predict, info, bench, profile";
}

void dlrt_options_print(FILE *to, unsigned wanted) {
  for (int i = 0; i < OPTIONS; i++)
    if (options[i].commands == wanted) {
      char left[40];
      snprintf(left, sizeof left, "%s %s", options[i].name,
               options[i].value ? options[i].value : "");
      fprintf(to, "    %-21s %s\n", left, options[i].help);
    }
}

/* How many letters differ, at most `room`. */
static size_t distance(const char *a, const char *b) {
  size_t m = strlen(a), n = strlen(b), row[33];
  if (m > 32 || n > 32) return 99;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 1; i <= m; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      size_t best = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[n];
}

/* What a network that draws nothing, runs nothing or has no texts has no use for is no option. */
static bool is_offered(const dlrt_model *model, const struct option *option) {
  if (option->commands & COMMAND_DRAWS && !model->draws && !model->train && !model->run_count)
    return false;
  if (option->commands == COMMAND_RUN && !model->run_count) return false;
  return !(option->commands & COMMAND_TEXT) || model->texts;
}

static int unknown_option(const dlrt_program *program, const char *name) {
  int nearest = -1;
  size_t least = strlen(name) / 2 + 1;
  for (int i = 0; i < OPTIONS; i++)
    if (is_offered(program->model, &options[i]) && distance(name, options[i].name) < least) {
      least = distance(name, options[i].name);
      nearest = i;
    }
  dlrt_complain(program, EXIT_USAGE, "no option '%.60s'", name);
  if (nearest >= 0)
    dlrt_hint("%s%s%s", options[nearest].name, options[nearest].value ? " " : "",
              options[nearest].value ? options[nearest].value : "");
  else
    dlrt_hint("%s --help", program->path);
  return EXIT_USAGE;
}

static int unknown_command(const dlrt_program *program, const char *name) {
  const dlrt_model *model = program->model;
  int nearest = -1;
  size_t least = strlen(name) / 2 + 1;
  for (int i = 0; i < COMMANDS; i++)
    if (distance(name, commands[i].name) < least) {
      least = distance(name, commands[i].name);
      nearest = i;
    }
  const char *near = nearest >= 0 ? commands[nearest].name : NULL;
  for (int64_t i = 0; i < model->run_count; i++)
    if (distance(name, model->runs[i].name) < least) {
      least = distance(name, model->runs[i].name);
      near = model->runs[i].name;
    }
  dlrt_complain(program, EXIT_USAGE, "no command '%.60s'", name);
  dlrt_hint("%s", near ? near : dlrt_commands(model));
  return EXIT_USAGE;
}

static int no_entry(const dlrt_program *program) {
  static const char *const wanted[] = {[DLRT_MODEL_ENTRY] = "model", [DLRT_TRAIN_ENTRY] = "train"};
  const dlrt_model *model = program->model;
  int64_t kind = program->command == COMMAND_TRAIN ? DLRT_TRAIN_ENTRY : DLRT_MODEL_ENTRY;
  if (program->entry_name)
    dlrt_complain(program, EXIT_USAGE, "no entry '%.60s' to %s", program->entry_name,
                  dlrt_command_name(program->command));
  else
    dlrt_complain(program, EXIT_INPUT, "nothing to run: no entry '%s'", wanted[kind]);
  for (int64_t i = 0; i < model->entry_count; i++)
    if (model->entries[i].kind == kind) dlrt_hint("--entry %s", model->entries[i].name);
  if (kind == DLRT_TRAIN_ENTRY && !program->entry_name)
    dlrt_hint("dlc build without --weights, of a file with a train entry");
  return program->entry_name ? EXIT_USAGE : EXIT_INPUT;
}

static bool push_setting(dlrt_settings *settings, dlrt_setting setting) {
  dlrt_setting *more =
      realloc(settings->items, ((size_t)settings->count + 1) * sizeof *settings->items);
  if (!more) return false;
  settings->items = more;
  more[settings->count++] = setting;
  return true;
}

static bool add_setting(dlrt_settings *settings, const char *text) {
  dlrt_setting setting;
  return dlrt_setting_read(text, &setting) && setting.name_length &&
         push_setting(settings, setting);
}

static int64_t most_of(value_kind kind) {
  return kind == BEAMS ? MOST_BEAMS : INT32_MAX - 1;
}

static bool set(dlrt_program *program, const struct option *option, const char *value) {
  char *end, *field = (char *)program + option->field;
  switch (option->kind) {
  case TEXT:
    memcpy(field, &value, sizeof value);
    return *value != 0;
  case FLAG: {
    int on = 1;
    memcpy(field, &on, sizeof on);
    return true;
  }
  case COUNT:
  case BEAMS: {
    long long count = strtoll(value, &end, 10);
    int64_t wide = count;
    memcpy(field, &wide, sizeof wide);
    return !*end && end != value && count > 0 && count <= most_of(option->kind);
  }
  case SEED: {
    errno = 0;
    unsigned long long seed = strtoull(value, &end, 10);
    uint64_t wide = seed;
    memcpy(field, &wide, sizeof wide);
    return !*end && end != value && *value != '-' && !errno;
  }
  case NUMBER:
  case SHARE: {
    double number = strtod(value, &end);
    memcpy(field, &number, sizeof number);
    if (option->kind == SHARE && !(number > 0 && number <= 1)) return false;
    return !*end && end != value && number >= 0 && isfinite(number);
  }
  case PAIRS:
    return add_setting((dlrt_settings *)(void *)field, value);
  case TEXTS: {
    dlrt_setting setting = {.value = value};
    dlrt_setting_read(value, &setting);
    return *value && push_setting((dlrt_settings *)(void *)field, setting);
  }
  case RATE:
    strtod(value, &end);
    return !*end && end != value &&
           push_setting((dlrt_settings *)(void *)field, (dlrt_setting){"lr", 2, value});
  }
  return false;
}

/* The option that `text` begins with, and its value if that is in the same word. */
static const struct option *find(const dlrt_model *model, const char *text, const char **value) {
  for (int i = 0; i < OPTIONS; i++) {
    size_t length = strlen(options[i].name);
    if (!is_offered(model, &options[i])) continue;
    if (strncmp(text, options[i].name, length)) continue;
    bool is_long = options[i].name[1] == '-';
    if (text[length] == 0)
      *value = NULL;
    else if (is_long && text[length] == '=')
      *value = text + length + 1;
    else if (!is_long && options[i].value)
      *value = text + length;
    else
      continue;
    return &options[i];
  }
  return NULL;
}

static void hint_wanted(value_kind kind) {
  if (kind == COUNT || kind == BEAMS)
    dlrt_hint("a whole number from 1 to %lld", (long long)most_of(kind));
  else if (kind == SEED)
    dlrt_hint("a whole number from 0 to 2^64 - 1");
  else if (kind == NUMBER)
    dlrt_hint("a number that is not below 0");
  else if (kind == SHARE)
    dlrt_hint("a number above 0, at most 1");
  else if (kind == RATE)
    dlrt_hint("a number");
}

static int read_option(dlrt_program *program, int argc, char **argv, int *at) {
  const char *value;
  const struct option *option = find(program->model, argv[*at], &value);
  if (!option) return unknown_option(program, argv[*at]);
  if (!option->value && value)
    return dlrt_complain(program, EXIT_USAGE, "'%s' takes no value", option->name);
  if (option->value && !value) {
    if (*at + 1 >= argc)
      return dlrt_complain(program, EXIT_USAGE, "'%s' needs a value: %s %s", option->name,
                           option->name, option->value);
    value = argv[++*at];
  }
  if (set(program, option, value)) return 0;
  dlrt_complain(program, EXIT_USAGE, "'%.60s' is no value for '%s %s'", value, option->name,
                option->value);
  hint_wanted(option->kind);
  return EXIT_USAGE;
}

/* Options that the chosen command has no use for would be dropped silently. */
static int check_commands(const dlrt_program *program, int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
    const char *value;
    const struct option *option =
        argv[i][0] == '-' && argv[i][1] ? find(program->model, argv[i], &value) : NULL;
    if (!option) continue;
    if (program->command == COMMAND_RUN && !(option->commands & COMMAND_RUN))
      return dlrt_complain(program, EXIT_USAGE, "'%s' is no option of '%s'", option->name,
                           program->run->name);
    if (!(option->commands & (unsigned)program->command))
      for (int c = 0; c < COMMANDS; c++)
        if (commands[c].command == program->command)
          return dlrt_complain(program, EXIT_USAGE, "'%s' is no option of '%s'", option->name,
                               commands[c].name);
    if (option->value && !value) i++;
  }
  return 0;
}

static bool is_scheduled(const dlrt_model *model, int64_t entry) {
  for (int64_t i = 0; i < model->schedule_count; i++)
    if (model->schedule[i].entry == entry) return true;
  return model->schedule_count == 0;
}

bool dlrt_is_run(const dlrt_program *program, int64_t entry) {
  const dlrt_model *model = program->model;
  if (program->command != COMMAND_TRAIN) return entry == program->entry_index;
  if (model->entries[entry].kind != DLRT_TRAIN_ENTRY) return false;
  return program->entry_name ? strcmp(program->entry_name, model->entries[entry].name) == 0
                             : is_scheduled(model, entry);
}

/* The first that is named, or that the command is for; bench and profile take any. */
static int find_entry(dlrt_program *program) {
  const dlrt_model *model = program->model;
  if (program->command == COMMAND_RUN) {
    const dlrt_run_plan *run = program->run;
    program->entry_index = run->lines[run->repeated < 0 ? 0 : run->repeated].entry;
    program->entry = &model->entries[program->entry_index];
    return 0;
  }
  bool any = program->command & (COMMAND_BENCH | COMMAND_PROFILE);
  int found = 0;
  for (int round = 0; round < 1 + any && !found; round++)
    for (int64_t i = model->entry_count - 1; i >= 0; i--) {
      int64_t kind = model->entries[i].kind;
      bool fits = program->command == COMMAND_TRAIN            ? dlrt_is_run(program, i)
                  : any && (program->entry_name || round == 1) ? kind != DLRT_INIT_ENTRY
                                                               : kind == DLRT_MODEL_ENTRY;
      if (!fits || (program->entry_name && strcmp(program->entry_name, model->entries[i].name)))
        continue;
      program->entry = &model->entries[i];
      program->entry_index = i;
      found++;
    }
  if (!found) return program->command == COMMAND_INFO ? 0 : no_entry(program);
  if (program->command != COMMAND_TRAIN || model->schedule_count || found == 1) return 0;
  dlrt_complain(program, EXIT_USAGE, "several steps, and %s has no schedule", model->source);
  dlrt_hint("--entry %s, or write train { .. } there", program->entry->name);
  return EXIT_USAGE;
}

static bool is_input_of(const dlrt_entry *entry, const dlrt_setting *setting) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (dlrt_setting_is(setting, entry->inputs[i].name)) return true;
  return false;
}

/* name=value: an input, or a dim that is an argument, of an entry that is run. */
static int read_value(dlrt_program *program, const char *text) {
  const dlrt_model *model = program->model;
  dlrt_setting setting;
  dlrt_setting_read(text, &setting);
  if (program->command == COMMAND_RUN)
    return push_setting(&program->inputs, setting)
               ? 0
               : dlrt_complain(program, EXIT_INPUT, "no memory");
  bool is_input = false, is_dim = false;
  for (int64_t e = 0; e < model->entry_count; e++) {
    const dlrt_entry *entry = &model->entries[e];
    if (!dlrt_is_run(program, e)) continue;
    is_input = is_input || is_input_of(entry, &setting);
    for (int64_t i = 0; i < entry->dim_count; i++)
      is_dim = is_dim || dlrt_setting_is(&setting, model->dims[entry->dims[i]].name);
  }
  if (is_input || is_dim)
    return add_setting(is_input ? &program->inputs : &program->dims, text)
               ? 0
               : dlrt_complain(program, EXIT_INPUT, "no memory");
  dlrt_complain(program, EXIT_USAGE, "'%s' has no input '%.*s'",
                program->entry ? program->entry->name : model->name, (int)setting.name_length,
                setting.name);
  for (int64_t e = 0; program->command != COMMAND_TRAIN && e < model->entry_count; e++)
    if (model->entries[e].kind == DLRT_MODEL_ENTRY && is_input_of(&model->entries[e], &setting)) {
      dlrt_hint("'%s' has one: --entry %s", model->entries[e].name, model->entries[e].name);
      return EXIT_USAGE;
    }
  for (int64_t i = 0; program->entry && i < program->entry->input_count; i++)
    dlrt_hint("%s=FILE, %s", program->entry->inputs[i].name, program->entry->inputs[i].type);
  return EXIT_USAGE;
}

/* --lr and --norm name inputs that must be there. */
static int check_names(const dlrt_program *program) {
  const dlrt_model *model = program->model;
  const dlrt_settings *lists[] = {&program->inputs, &program->norms};
  for (int l = 0; program->command == COMMAND_TRAIN && l < 2; l++)
    for (int s = 0; s < lists[l]->count; s++) {
      bool found = false;
      for (int64_t e = 0; e < model->entry_count; e++)
        found = found ||
                (dlrt_is_run(program, e) && is_input_of(&model->entries[e], &lists[l]->items[s]));
      if (found) continue;
      dlrt_complain(program, EXIT_USAGE, "%s has no input '%.*s'", program->entry->name,
                    (int)lists[l]->items[s].name_length, lists[l]->items[s].name);
      if (dlrt_setting_is(&lists[l]->items[s], "lr"))
        dlrt_hint("write %s(.., lr: f32) and, say, adam(lr=lr)", program->entry->name);
      return EXIT_USAGE;
    }
  return 0;
}

/* Of a run: what has a '=' but no name of a value before it. */
static bool is_text(const dlrt_program *program, const char *word) {
  dlrt_setting setting;
  if (program->command != COMMAND_RUN) return false;
  dlrt_setting_read(word, &setting);
  for (int64_t i = 0; i < program->run->value_count; i++)
    if (dlrt_setting_is(&setting, program->run->values[i])) return false;
  return true;
}

int dlrt_options_read(dlrt_program *program, int argc, char **argv) {
  const char **values = calloc((size_t)argc + 1, sizeof *values);
  int count = 0, code = 0;
  bool options_end = false;
  if (!values) return dlrt_complain(program, EXIT_INPUT, "no memory");
  for (int i = 1; !code && i < argc; i++) {
    const char *word = argv[i];
    if (!options_end && strcmp(word, "--") == 0) {
      options_end = true;
    } else if (!options_end && word[0] == '-' && word[1]) {
      code =
          strcmp(word, "-h") == 0 ? (program->help = 1, 0) : read_option(program, argc, argv, &i);
    } else if (strchr(word, '=') && !is_text(program, word)) {
      values[count++] = word;
    } else if (!program->command && strcmp(word, "help") == 0) {
      program->help = 1;
    } else if (!program->command) {
      for (int c = 0; c < COMMANDS; c++)
        if (strcmp(commands[c].name, word) == 0) program->command = commands[c].command;
      for (int64_t r = 0; r < program->model->run_count && !program->command; r++)
        if (strcmp(program->model->runs[r].name, word) == 0) {
          program->run = &program->model->runs[r];
          program->command = COMMAND_RUN;
        }
      if (!program->command)
        code = unknown_command(program, word);
      else if (program->command == COMMAND_TRAIN && !program->model->train)
        code = no_entry(program);
    } else if (program->command == COMMAND_RUN && !program->text) {
      program->text = word;
    } else if (program->command == COMMAND_RUN) {
      code = dlrt_complain(program, EXIT_USAGE,
                           "'%.60s' is another text; a text with blanks stands "
                           "in quotes",
                           word);
    } else if (!program->again || strcmp(word, dlrt_command_name(program->command)) != 0) {
      code = dlrt_complain(program, EXIT_USAGE, "'%.60s' is no input=FILE", word);
      if (program->model->entry_count && program->model->entries[0].input_count)
        dlrt_hint("%s=%.60s", program->model->entries[0].inputs[0].name, word);
    }
  }
  if (!code && !program->help) {
    if (!program->command) {
      code = dlrt_complain(program, EXIT_USAGE, "no command");
      dlrt_hint("%s; %s --help", dlrt_commands(program->model), program->path);
    }
    if (!code) code = check_commands(program, argc, argv);
    if (!code) code = find_entry(program);
    for (int i = 0; !code && i < count; i++) code = read_value(program, values[i]);
    if (!code) code = check_names(program);
  }
  free(values);
  return code;
}

void dlrt_options_free(dlrt_program *program) {
  free(program->inputs.items);
  free(program->dims.items);
  free(program->norms.items);
  free(program->validate.items);
  free(program->kept_inputs);
  free(program->kept_classes);
  free(program->kept_vocabulary);
  if (program->tokens) program->model->texts->close(program);
}
