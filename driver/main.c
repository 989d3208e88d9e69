/* dlc: compiles neural networks (.dl) to native programs that infer and train. */
#include "driver/crash.h"
#include "driver/help.h"
#include "driver/session.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int (*const command_functions[COMMANDS])(Session *) = {
#define COMMAND(name, group, arguments, meaning) command_##name,
#include "driver/commands.def"
#undef COMMAND
};

static const char *const command_names[COMMANDS] = {
#define COMMAND(name, group, arguments, meaning) #name,
#include "driver/commands.def"
#undef COMMAND
};

int session_end(Session *session, int code) {
  diag_flush(session->diagnostics, stderr, session->form, session->colour, session->quiet);
  diag_summary(session->diagnostics, stderr, session->form);
  bool failed = diagnostics_errors(session->diagnostics) > 0;
  /* What did not fit into its buffer may have been lost before. */
  bool lost = fflush(stdout) != 0 || ferror(stdout);
  if (lost && code == EXIT_DONE && !failed) {
    fprintf(stderr, "dlc: error: stdout cannot be written\n");
    code = EXIT_INPUT;
  }
  return code == EXIT_DONE && failed ? EXIT_INPUT : code;
}

bool session_file_failed(Session *session, DiagnosticCode code, const char *path,
                         const dlrt_error *error) {
  Span span = {sources_add(session->sources, path, path, NULL, 0), 0, 0};
  const char *text = error->text;
  size_t length = strlen(path);
  if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0) text += length + 2;
  diag_report(session->diagnostics, code, span, "%s", text);
  return false;
}

const char *session_file(Session *session) {
  const Options *options = session->options;
  if (options->files.count == 1) return options->files.items[0];
  const char *command = command_names[options->command];
  if (options->files.count == 0)
    diag_usage(session->diagnostics, "%s wants a file", command);
  else
    diag_usage(session->diagnostics, "%s takes one file; '%s' is another", command,
               options->files.items[1]);
  return NULL;
}

/* What holds for all commands: colours, the form of diagnostics, how much is said. */
static void read_common(Session *session) {
  const Options *options = session->options;
  const char *color = option_text(options, OPTION_color, "auto");
  const char *form = option_text(options, OPTION_diagnostics, "text");
  session->quiet = option_given(options, OPTION_quiet);
  session->verbose = option_given(options, OPTION_verbose);
  session->colour = strcmp(color, "always") == 0 ||
                    (strcmp(color, "auto") == 0 && isatty(2) && !getenv("NO_COLOR"));
  if (strcmp(color, "auto") != 0 && strcmp(color, "always") != 0 && strcmp(color, "never") != 0)
    diag_usage(session->diagnostics, "--color is '%s', not auto, always or never", color);
  if (strcmp(form, "json") == 0)
    session->form = DIAG_JSON;
  else if (strcmp(form, "text") != 0)
    diag_usage(session->diagnostics, "--diagnostics is '%s', not text or json", form);
}

static int run(Session *session, int argc, char **argv) {
  if (argc < 2) {
    help_overview(stderr);
    return EXIT_USAGE;
  }
  const char *word = argv[1];
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
    help_overview(stdout);
    return EXIT_DONE;
  }
  if (strcmp(word, "--version") == 0) {
    printf("dlc " DLC_VERSION "\n");
    return EXIT_DONE;
  }
  for (int i = 0; i < COMMANDS; i++) {
    if (strcmp(word, command_names[i]) != 0) continue;
    for (int k = 2; k < argc; k++)
      if (strcmp(argv[k], "--help") == 0) {
        help_command(stdout, (CommandName)i);
        return EXIT_DONE;
      }
    session->options =
        options_read(session->arena, session->diagnostics, (CommandName)i, argc - 2, argv + 2);
    read_common(session);
    if (diagnostics_errors(session->diagnostics)) return EXIT_USAGE;
    crash_watch(session);
    return command_functions[i](session);
  }
  Diagnostic *d = diag_usage(session->diagnostics, "no command '%s'", word);
  const char *near = nearest_name(word, command_names, COMMANDS);
  if (near)
    diag_help(d, "dlc %s", near);
  else
    diag_help(d, "'dlc --help' lists them");
  return EXIT_USAGE;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_DFL); /* a closed pipe ends dlc silently */
  Session session = {.arena = arena_new(), .program = argv[0]};
  session.sources = sources_new(session.arena);
  session.diagnostics = diagnostics_new(session.arena, session.sources);
  int code = session_end(&session, run(&session, argc, argv));
  for (size_t i = 0; i < session.mapped.count; i++) dlrt_safetensors_close(session.mapped.items[i]);
  arena_free(session.arena);
  return code;
}
