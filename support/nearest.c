#include "support/diag.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 64 };

/* Case and underscores carry little: `AvgPool2d` means `avg_pool2d`. */
static size_t plain(const char *name, char out[LONGEST]) {
  size_t length = 0;
  for (; *name && length < LONGEST; name++)
    if (*name != '_') out[length++] = (char)tolower((unsigned char)*name);
  return length;
}

static unsigned distance(const char *a, size_t m, const char *b, size_t n) {
  unsigned rows[3][LONGEST + 1];
  unsigned *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= n; j++) last[j] = (unsigned)j;
  for (size_t i = 1; i <= m; i++) {
    now[0] = (unsigned)i;
    for (size_t j = 1; j <= n; j++) {
      unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
      if (last[j] + 1 < best) best = last[j] + 1;
      if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
          before[j - 2] + 1 < best)
        best = before[j - 2] + 1; /* two letters exchanged */
      now[j] = best;
    }
    unsigned *free_row = before;
    before = last;
    last = now;
    now = free_row;
  }
  return last[n];
}

const char *nearest_name(const char *name, const char *const *candidates, size_t count) {
  char wanted[LONGEST], other[LONGEST];
  size_t m = plain(name, wanted);
  const char *best = NULL;
  unsigned best_distance = (unsigned)(m / 3 + 1);
  if (m <= 2) best_distance = 1;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(candidates[i], name) == 0) continue;
    size_t n = plain(candidates[i], other);
    unsigned d = distance(wanted, m, other, n);
    if (d < best_distance || (d == best_distance && !best)) {
      best = candidates[i];
      best_distance = d;
    }
  }
  return best;
}
