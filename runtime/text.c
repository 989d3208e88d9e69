/* Numbers as a person reads them. */
#include "runtime/program.h"

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

double dlrt_step_work(const dlrt_step *step, const int64_t *dims, double *bytes) {
  if (step->work) {
    int64_t moved = 0, flop = step->work(dims, &moved);
    *bytes = (double)moved;
    return (double)flop;
  }
  *bytes = (double)step->bytes;
  return (double)step->flop;
}
