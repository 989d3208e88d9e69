/* What parameters were trained with stays with them: in their file's metadata, and in a model that
 * holds them. */
#include "runtime/bind.h"

#include <stdlib.h>
#include <string.h>

/* "0.485,0.456,0.406" into `to`; returns how many, 0 if it is no list of numbers. */
static int read_list(const char *at, double *to, size_t most) {
  int count = 0;
  while ((size_t)count < most) {
    char *end;
    to[count] = strtod(at, &end);
    if (end == at) return 0;
    count++;
    if (*end != ',') return count;
    at = end + 1;
  }
  return 0;
}

/* image=u8 /255 mean 0.286 std 0.353; other=... */
double *dlrt_kept_norm(const char *kept, const char *name, int *channels) {
  size_t length = strlen(name);
  for (const char *at = kept; at && *at;) {
    while (*at == ' ' || *at == ';') at++;
    const char *end = strchr(at, ';');
    if (strncmp(at, name, length) == 0 && at[length] == '=') {
      const char *mean = strstr(at, " mean "), *deviation = strstr(at, " std ");
      size_t most = strlen(at) / 2 + 1; /* a number and its comma */
      double *numbers = calloc(2 * most, sizeof *numbers);
      if (!numbers || !mean || !deviation || (end && (mean > end || deviation > end))) {
        free(numbers);
        return NULL;
      }
      int count = read_list(mean + sizeof " mean " - 1, numbers, most);
      bool good =
          count && read_list(deviation + sizeof " std " - 1, numbers + count, most) == count;
      for (int i = count; good && i < 2 * count; i++) good = numbers[i] > 0;
      *channels = count;
      if (good) return numbers;
      free(numbers);
      return NULL;
    }
    at = end;
  }
  return NULL;
}
