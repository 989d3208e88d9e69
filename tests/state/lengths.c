/* The bits of results at lengths that the call gives (arguments), or at the one that was built in.
 */
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef DYNAMIC
#define DIMS(n, t) n, t,
#else
#define DIMS(n, t)
#endif

enum { N = 2, T = 24, V = 11, IN = 6, H = 20 };

static void print(const char *name, const float *values, int count) {
  printf("%s", name);
  for (int i = 0; i < count; i++) {
    unsigned bits;
    memcpy(&bits, &values[i], sizeof bits);
    printf(" %08x", bits);
  }
  printf("\n");
}

static int run(int length) {
  static int64_t token[N * T];
  static float x[N * T * IN], out[N * T * (H > V ? H : V)];
  decode_context *net;
  (void)length;
  if (decode_open(&net, NULL, 1)) return 1;
#ifndef CONSTANT
  if (decode_init(net, 5)) return 1;
#endif
  for (int i = 0; i < N * length; i++) token[i] = (i * 5 + i / 4) % V;
  for (int i = 0; i < N * length * IN; i++) x[i] = (float)((i * 29) % 97) / 48 - 1;
  if (decode_all(net, DIMS(N, length) token, out)) return 2;
  print("all", out, N * length * V);
  if (decode_next(net, DIMS(N, length) 0, token, out)) return 3;
  print("next", out, N * length * V);
  if (decode_whole(net, DIMS(N, length) x, out)) return 4;
  print("whole", out, N * length * H);
  decode_close(net);
  return 0;
}

int main(int count, char **arguments) {
  int status = 0;
#ifdef DYNAMIC
  for (int i = 1; i < count && !status; i++) status = run(atoi(arguments[i]));
#else
  (void)count, (void)arguments;
  status = run(LENGTH);
#endif
  if (status) fprintf(stderr, "lengths: %d\n", status);
  return status;
}
