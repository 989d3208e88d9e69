/* dlc fmt: brings .dl files into their one form. Files are replaced as a whole, "-" goes from stdin
 * to stdout; --check changes nothing and names the first place of each file that would change.
 */
#include "driver/output.h"
#include "driver/session.h"

#include "frontend/parse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LONGEST_FILE = 64 << 20 };

/* The place where two texts part, and the line that the second has there. */
static void report_difference(Session *session, int32_t file, const char *formatted,
                              size_t length) {
  const Source *source = sources_get(session->sources, file);
  size_t at = 0, line = 0;
  while (at < source->length && at < length && source->bytes[at] == formatted[at]) {
    if (formatted[at] == '\n') line = at + 1;
    at++;
  }
  Place place = source_place(source, (uint32_t)at);
  while (line < length && formatted[line] == ' ') line++;
  size_t end = line;
  while (end < length && formatted[end] != '\n') end++;
  if (end > line)
    printf("%s:%d:%d: not in its form, which is: %.*s\n", source->name, place.line, place.column,
           (int)(end - line), formatted + line);
  else
    printf("%s:%d:%d: not in its form, which has an empty line here\n", source->name, place.line,
           place.column);
}

/* Whether the file is not in its form; it is then replaced, unless that is only to be said. */
static bool format_file(Session *session, Interner *interner, const char *path, bool check) {
  size_t length, formatted_length;
  const char *message;
  char *bytes = source_read(session->arena, path, LONGEST_FILE, &length, &message);
  bool input = strcmp(path, "-") == 0;
  if (!bytes) {
    Span nowhere = {sources_add(session->sources, path, path, NULL, 0), 0, 0};
    diag_report(session->diagnostics, E0501, nowhere, "the file cannot be read: %s", message);
    return false;
  }
  int32_t file =
      sources_add(session->sources, input ? "<input>" : path, input ? NULL : path, bytes, length);
  const char *formatted =
      ast_format(session->arena, interner, session->diagnostics, file, &formatted_length);
  if (!formatted) return false;
  bool differs = formatted_length != length || memcmp(formatted, bytes, length) != 0;
  if (check && differs) report_difference(session, file, formatted, formatted_length);
  if (!check && (differs || input)) {
    /* What a link points to is replaced, not the link. */
    struct stat status;
    bool link = !input && lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
    char *target = link ? realpath(path, NULL) : NULL;
    output_write(session, target ? target : path, formatted, formatted_length);
    free(target);
  }
  return differs;
}

int command_fmt(Session *session) {
  const Options *options = session->options;
  bool check = option_given(options, OPTION_check);
  if (!options->files.count) {
    Diagnostic *d = diag_usage(session->diagnostics, "fmt wants files");
    diag_help(d, "dlc fmt lenet.dl; from stdin to stdout: dlc fmt -");
    return EXIT_USAGE;
  }
  Interner *interner = interner_new(session->arena);
  size_t different = 0;
  for (size_t i = 0; i < options->files.count; i++)
    different += format_file(session, interner, options->files.items[i], check);
  if (!check || !different) return EXIT_DONE;
  printf("%zu of %zu files would change\n", different, options->files.count);
  return EXIT_INPUT;
}
