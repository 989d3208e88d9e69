/* Calls the network twice, as it was built for several CPU levels, and prints what comes out. */
#include "small.h"

#include <stdio.h>
#include <stdlib.h>

int main(void) {
  enum { N = 5, IN = 3 * 12 * 12, OUT = 10 };
  static float x[N * IN], y[N * OUT], z[N];
  for (int i = 0; i < N * IN; i++) x[i] = (float)(i * 37 % 101) / 50 - 1;
  small_context *net;
  small_status status = small_open(&net, NULL, 2);
  if (status) {
    fprintf(stderr, "%s\n", small_text(status));
    return 3;
  }
  /* memory of the caller's, of the size that the header says, does for any level */
  void *memory = aligned_alloc(SMALL_ALIGN, SMALL_CONTEXT_SIZE(1));
  small_context *own;
  if (!memory || small_open(&own, memory, 1)) return 4;
  if (small(net, N, x, y) || small_again(own, N, y, z)) return 5;
  for (int i = 0; i < N * OUT; i++) printf("%.9g\n", (double)y[i]);
  for (int i = 0; i < N; i++) printf("%.9g\n", (double)z[i]);
  small_close(own);
  small_close(net);
  free(memory);
  return 0;
}
