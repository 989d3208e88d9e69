/* Names of classes, from a file or from the parameters' metadata. */
#include "runtime/program.h"

#include <stdlib.h>
#include <string.h>

/* Takes over `text`, which ends with a NUL after `size` bytes. */
static int split(const dlrt_program *program, char *text, size_t size, char mark,
                 dlrt_names *names) {
  int64_t most = 1;
  for (size_t i = 0; text && i < size; i++) most += text[i] == mark;
  *names = (dlrt_names){.text = text};
  names->names = calloc((size_t)most, sizeof *names->names);
  if (!text || !names->names) {
    dlrt_names_free(names);
    return dlrt_complain(program, EXIT_INPUT, "no memory for the names of the classes");
  }
  for (char *at = text, *end = at + size; at < end;) {
    char *stop = memchr(at, mark, (size_t)(end - at));
    if (!stop) stop = end;
    char *next = stop + 1;
    while (stop > at && (stop[-1] == '\r' || stop[-1] == ' ')) stop--;
    *stop = 0;
    for (char *c = at; c < stop; c++)
      if ((unsigned char)*c < ' ') *c = ' '; /* a terminal would obey */
    if (*at) names->names[names->count++] = at;
    at = next;
  }
  return 0;
}

int dlrt_names_read(const dlrt_program *program, const char *path, dlrt_names *names) {
  dlrt_file file;
  dlrt_error error = {0};
  *names = (dlrt_names){0};
  dlrt_status status = dlrt_file_open(path, &file, &error);
  if (status) return dlrt_complain_status(program, status, &error);
  char *text = malloc(file.size + 1);
  if (text && file.size) memcpy(text, file.data, file.size);
  if (text) text[file.size] = 0;
  size_t size = file.size;
  dlrt_file_close(&file);
  return split(program, text, size, '\n', names);
}

int dlrt_names_split(const dlrt_program *program, const char *text, dlrt_names *names) {
  return split(program, strdup(text), strlen(text), ',', names);
}

void dlrt_names_free(dlrt_names *names) {
  free(names->names);
  free(names->text);
  *names = (dlrt_names){0};
}

const char *dlrt_class_name(const dlrt_names *names, int64_t index, char *room) {
  if (index >= 0 && index < names->count) return names->names[index];
  snprintf(room, 24, "%lld", (long long)index);
  return room;
}
