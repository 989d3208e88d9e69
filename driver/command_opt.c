/* dlc opt FILE.ir --passes=fold,cse: chosen passes over graph text. */
#include "driver/compile.h"
#include "driver/ir_file.h"
#include "driver/verify.h"
#include "driver/weights.h"
#include "ir/module_text.h"

int command_opt(Session *session) {
  Target target;
  PassOptions options;
  const char *path = session_file(session);
  const char *cpu = option_text(session->options, OPTION_cpu, "x86-64-v3");
  if (!path || !target_find(&target, session->arena, NULL, cpu, session->diagnostics) ||
      !read_pass_options(session, &options, &target))
    return EXIT_USAGE;
  Module *module = load_text_ir(session, path);
  if (!module) return EXIT_INPUT;
  const char *weights = option_text(session->options, OPTION_weights, NULL);
  WeightsNotes notes;
  if (weights && !weights_load(session, module, weights, &notes)) return EXIT_INPUT;
  bool verify = option_given(session->options, OPTION_verify);
  PassCallback *callback = verify ? verify_after : NULL;
  Text names = text_new(session->arena);
  for (size_t i = 0; i < session->options->values[OPTION_passes].count; i++)
    text_format(&names, "%s%s", i ? "," : "", session->options->values[OPTION_passes].items[i]);
  bool done = names.length ? pipeline_run_list(module, text_get(&names), &options,
                                               session->diagnostics, callback, session)
                           : true;
  if (!done) return EXIT_INPUT;
  PrintOptions print = {.locations = !option_given(session->options, OPTION_no_locations)};
  const char *to = option_text(session->options, OPTION_output, "-");
  return ir_file_write(session, module, to, print) ? EXIT_DONE : EXIT_INPUT;
}
