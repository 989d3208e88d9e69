#include "driver/help.h"

#include "backend/target.h"
#include "driver/help_std.h"
#include "driver/session.h"
#include "frontend/program.h"
#include "ir/describe.h"
#include "passes/pass.h"

#include <string.h>

typedef struct {
  const char *name, *group, *arguments, *meaning;
} CommandInfo;

static const CommandInfo command_infos[COMMANDS] = {
#define COMMAND(name, group, arguments, meaning) {#name, group, arguments, meaning},
#include "driver/commands.def"
#undef COMMAND
};

void help_overview(FILE *to) {
  fprintf(to, "dlc " DLC_VERSION " - compiles neural networks (.dl) to native programs\n"
              "usage: dlc COMMAND FILE [options] [input=value ...]\n");
  for (int i = 0; i < COMMANDS; i++)
    fprintf(to, "%-8s %-9s %s\n", command_infos[i].group, command_infos[i].name,
            command_infos[i].meaning);
}

void help_command(FILE *to, CommandName command) {
  const CommandInfo *info = &command_infos[command];
  fprintf(to, "usage: dlc %s %s\n%s\n", info->name, info->arguments, info->meaning);
  for (int i = 0; i < option_info_count; i++) {
    const OptionInfo *option = &option_infos[i];
    if (!option->meaning || !(option->commands & 1u << command)) continue;
    char left[64];
    bool joined = strcmp(option->spelling, "-O") == 0;
    snprintf(left, sizeof left, "%s%s%s", option->spelling, *option->argument && !joined ? " " : "",
             option->argument);
    fprintf(to, "  %-22s %s\n", left, option->meaning);
  }
}

static int help_operators(Session *session) {
  Text text = text_new(session->arena);
  operators_describe(&text, option_given(session->options, OPTION_markdown));
  fputs(text_get(&text), stdout);
  return EXIT_DONE;
}

static int help_passes(void) {
  for (int i = 0; i < PASSES; i++)
    printf("%-11s -O%d  %s\n", passes[i].name, passes[i].level, passes[i].description);
  return EXIT_DONE;
}

static int help_standard(Session *session) {
  const char *only = session->options->files.count > 1 ? session->options->files.items[1] : NULL;
  const char *nearest;
  if (option_given(session->options, OPTION_markdown)) {
    help_std_page(stdout, session->arena);
    return EXIT_DONE;
  }
  if (help_std(stdout, session->arena, only, &nearest)) return EXIT_DONE;
  Diagnostic *d = diag_usage(session->diagnostics, "the standard library has no '%s'", only);
  if (nearest) diag_help(d, "dlc help std %s", nearest);
  return EXIT_USAGE;
}

static int help_targets(void) {
  for (size_t i = 0; target_architecture(i); i++)
    printf("%-18s %s\n", target_architecture(i), target_architecture_text(i));
  return EXIT_DONE;
}

static int help_cpus(void) {
  for (size_t i = 0; target_cpu(i); i++) printf("%-16s %s\n", target_cpu(i), target_cpu_text(i));
  return EXIT_DONE;
}

int command_help(Session *session) {
  const Options *options = session->options;
  if (options->files.count == 0) {
    help_overview(stdout);
    return EXIT_DONE;
  }
  const char *topic = options->files.items[0];
  for (int i = 0; i < COMMANDS; i++)
    if (strcmp(topic, command_infos[i].name) == 0) {
      help_command(stdout, (CommandName)i);
      return EXIT_DONE;
    }
  if (strcmp(topic, "ops") == 0) return help_operators(session);
  if (strcmp(topic, "passes") == 0) return help_passes();
  if (strcmp(topic, "std") == 0) return help_standard(session);
  if (strcmp(topic, "targets") == 0) return help_targets();
  if (strcmp(topic, "cpus") == 0) return help_cpus();
  Diagnostic *d = diag_usage(session->diagnostics, "no help on '%s'", topic);
  diag_help(d, "a command, or ops, passes, std, targets, cpus");
  return EXIT_USAGE;
}
