/* target - what this machine's cores can do, measured: the constants of the cost model as a file
 * that
 * `--target-file` reads. */
#include "driver/output.h"
#include "driver/target_file.h"
#include "driver/target_measure.h"

int command_target(Session *session) {
  const Options *options = session->options;
  if (options->files.count > 0) {
    diag_usage(session->diagnostics, "target takes no file; '%s' is one", options->files.items[0]);
    return EXIT_USAGE;
  }
  if (options->values[OPTION_cpu].count > 1) {
    diag_usage(session->diagnostics, "target measures one CPU, not %zu",
               options->values[OPTION_cpu].count);
    return EXIT_USAGE;
  }
  Target target;
  const char *cpu = option_text(options, OPTION_cpu, NULL);
  if (!target_find(&target, session->arena, NULL, cpu, session->diagnostics)) return EXIT_INPUT;
  if (!target_runs_here(&target)) {
    Diagnostic *d = diag_report(session->diagnostics, E0509, SPAN_NONE,
                                "this machine cannot run code for %s", target.name);
    diag_help(d, "--cpu native, or one that this machine has");
    return EXIT_INPUT;
  }
  if (!target_measure(&target)) {
    diag_report(session->diagnostics, E0509, SPAN_NONE, "no memory to measure in");
    return EXIT_INPUT;
  }
  Text text = text_new(session->arena);
  text_string(&text, target_file_text(session->arena, &target));
  return output_text(session, &text) ? EXIT_DONE : EXIT_INPUT;
}
