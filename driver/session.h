/* session.h - what every command has: an arena, the sources, the diagnostics, the options; and how
 * a command ends. */
#ifndef DRIVER_SESSION_H
#define DRIVER_SESSION_H

#include "driver/options.h"
#include "runtime/safetensors.h"

/* Exit codes of dlc and of the binaries it makes. */
enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_BUG = 70, EXIT_INTERRUPTED = 130 };

typedef struct {
  Arena *arena;
  Sources *sources;
  Diagnostics *diagnostics;
  Options *options;
  const char *program; /* argv[0] */
  bool colour, quiet, verbose;
  DiagForm form;
  VEC(dlrt_safetensors *) mapped; /* whose data are used until the end; main closes them */
} Session;

/* Prints what was reported and gives the exit code: `code`, or EXIT_INPUT if it is 0 and there were
 * errors. */
int session_end(Session *session, int code);

/* What the runtime says of a file, whose name the diagnostic has already: false. */
bool session_file_failed(Session *session, DiagnosticCode code, const char *path,
                         const dlrt_error *error);

/* The one file of a command; a usage diagnostic and NULL if there is none or several. */
const char *session_file(Session *session);

#define COMMAND(name, group, arguments, meaning) int command_##name(Session *session);
#include "driver/commands.def"
#undef COMMAND

#endif
