/* Numbers as a person reads them. */
#include "runtime/program.h"

#include <stdlib.h>
#include <string.h>

/* A report's line has a handful of numbers: each gets its own of these. Threads do not print. */
static char *next_buffer(void) {
  enum { BUFFERS = 16, LENGTH = 48 };
  static char buffers[BUFFERS][LENGTH];
  static unsigned next;
  return buffers[next++ % BUFFERS];
}

const char *dlrt_thousands(int64_t number) {
  char digits[24], *to = next_buffer(), *start = to;
  int length = snprintf(digits, sizeof digits, "%llu",
                        number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number);
  if (number < 0) *to++ = '-';
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) *to++ = ',';
    *to++ = digits[i];
  }
  *to = 0;
  return start;
}

const char *dlrt_bytes_text(double bytes) {
  char *to = next_buffer();
  if (bytes < 1024)
    snprintf(to, 48, "%.0f bytes", bytes);
  else if (bytes < 1024 * 1024)
    snprintf(to, 48, "%.1f KiB", bytes / 1024);
  else if (bytes < 1024 * 1024 * 1024)
    snprintf(to, 48, "%.2f MiB", bytes / (1024 * 1024));
  else
    snprintf(to, 48, "%.2f GiB", bytes / (1024 * 1024 * 1024));
  return to;
}

double dlrt_step_work(const dlrt_step *step, const int64_t *dims, const int64_t dim_count,
                      double *bytes) {
  if (step->work) {
    int64_t moved = 0, flop = step->work(dims, &moved);
    *bytes = (double)moved;
    return (double)flop;
  }
  double unit = 1;
  for (int64_t d = 0; d < dim_count; d++) unit *= (double)dims[d];
  *bytes = unit * (double)step->bytes_per_unit;
  return unit * (double)step->flop_per_unit;
}

/* A file of names, one a line. */
int dlrt_names_read(const dlrt_program *program, const char *path, dlrt_names *names) {
  dlrt_file file;
  dlrt_error error = {0};
  *names = (dlrt_names){0};
  dlrt_status status = dlrt_file_open(path, &file, &error);
  if (status) return dlrt_complain_status(program, status, &error);
  int64_t lines = 1;
  for (size_t i = 0; i < file.size; i++) lines += file.data[i] == '\n';
  names->text = malloc(file.size + 1);
  names->names = calloc((size_t)lines, sizeof *names->names);
  if (!names->text || !names->names) {
    dlrt_file_close(&file);
    dlrt_names_free(names);
    return dlrt_complain(program, EXIT_INPUT, "%s: no memory", path);
  }
  if (file.size) memcpy(names->text, file.data, file.size);
  names->text[file.size] = 0;
  for (char *at = names->text, *end = at + file.size; at < end;) {
    char *stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop) stop = end;
    char *next = stop + 1;
    while (stop > at && (stop[-1] == '\r' || stop[-1] == ' ')) stop--;
    *stop = 0;
    for (char *c = at; c < stop; c++)
      if ((unsigned char)*c < ' ') *c = ' '; /* a terminal would obey */
    if (*at) names->names[names->count++] = at;
    at = next;
  }
  dlrt_file_close(&file);
  return 0;
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
