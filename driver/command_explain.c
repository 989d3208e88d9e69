/* dlc explain E0204: what a code means, with an example and its cure. */
#include "driver/session.h"

#include <string.h>

int command_explain(Session *session) {
  const Options *options = session->options;
  if (options->files.count != 1) {
    Diagnostic *d = diag_usage(session->diagnostics, "explain wants one code");
    diag_help(d, "dlc explain E0001");
    return EXIT_USAGE;
  }
  const char *code = options->files.items[0];
  const char *codes[DIAGNOSTIC_CODES];
  for (int i = 0; i < DIAGNOSTIC_CODES; i++) {
    const DiagnosticInfo *info = &diagnostic_infos[i];
    codes[i] = info->code;
    if (strcasecmp(code, info->code) != 0) continue;
    printf("%s: %s\n", info->code, info->title);
    for (const char *line = info->text; *line;) {
      size_t length = strcspn(line, "\n");
      printf("  %.*s\n", (int)length, line);
      line += length + (line[length] == '\n');
    }
    return EXIT_DONE;
  }
  Diagnostic *d = diag_usage(session->diagnostics, "no code '%s'", code);
  const char *near = nearest_name(code, codes, DIAGNOSTIC_CODES);
  if (near) diag_help(d, "dlc explain %s", near);
  return EXIT_USAGE;
}
