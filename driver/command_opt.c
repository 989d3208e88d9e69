/* dlc opt FILE.ir --passes=fold,cse: chosen passes over graph text. */
#include "driver/compile.h"
#include "driver/ir_file.h"
#include "driver/verify.h"

int command_opt(Session *session) {
  Compilation c;
  int code;
  if (!compile_open_text(session, &c, &code)) return code;
  PassCallback *callback = option_given(session->options, OPTION_verify) ? verify_after : NULL;
  const char *names = option_joined(session->arena, session->options, OPTION_passes);
  bool done = !*names || pipeline_run_list(c.module, names, &c.passes, session->diagnostics,
                                           callback, session);
  if (!done) return EXIT_INPUT;
  PrintOptions print = {.locations = !option_given(session->options, OPTION_no_locations)};
  const char *to = option_text(session->options, OPTION_output, "-");
  return ir_file_write(session, c.module, to, print) ? EXIT_DONE : EXIT_INPUT;
}
