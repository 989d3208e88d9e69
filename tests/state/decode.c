/* Piece by piece against the whole: what the calls before have left stands for the text before. Two
 * contexts run side by side. Prints "decode: ok", or which line is wrong. An argument: where the
 * parameters are saved to; CONSTANT: they are in the library. */
#include "decode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      printf("decode: line %d: %s (%s)\n", __LINE__, #condition, decode_detail(a));                \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

enum { N = 2, T = 24, V = 11, IN = 6, H = 20 };

static decode_context *a, *b;
static int64_t token[N * T];
static float all[N * T * V], x[N * T * IN], whole[N * T * H];

/* Between the whole and its pieces only the order of sums may differ. From an element of x to one
 * of the result lead at most 12 sums of at most 32 terms (4 products a block, 2 statistics, the
 * softmax, the output), each of which another order moves by at most 32 * 2^-24 of its terms' sum;
 * norms keep that near the numbers themselves. */
static void compare(const float *got, const float *wanted, int count, float scale, int line) {
  float most = 12 * 32 * 0x1p-24f * scale;
  for (int i = 0; i < count; i++)
    if (!(fabsf(got[i] - wanted[i]) <= most)) {
      printf("decode: line %d: %.9g at %d, not %.9g\n", line, (double)got[i], i, (double)wanted[i]);
      exit(1);
    }
}

static float largest(const float *values, int count) {
  float most = 0;
  for (int i = 0; i < count; i++) most = fmaxf(most, fabsf(values[i]));
  return most;
}

/* The text's tokens from `pos` on, `count` of them for each row, in one call. */
static void read_on(decode_context *net, int pos, int count, float *out) {
  int64_t part[N * T];
  for (int n = 0; n < N; n++)
    for (int t = 0; t < count; t++) part[n * count + t] = token[n * T + pos + t];
  NEED(decode_next(net, N, count, pos, part, out) == DECODE_OK);
}

static void check_part(const float *out, int pos, int count, int line) {
  float scale = largest(all, N * T * V);
  for (int n = 0; n < N; n++)
    compare(out + n * count * V, all + (n * T + pos) * V, count * V, scale, line);
}

/* A prompt of `prompt` tokens on one context and single tokens on the other, by turns. */
static void decode(int prompt) {
  float out[N * T * V];
  read_on(b, 0, prompt, out);
  check_part(out, 0, prompt, __LINE__);
  for (int t = 0; t < T; t++) {
    read_on(a, t, 1, out);
    check_part(out, t, 1, __LINE__);
    if (t < prompt) continue;
    read_on(b, t, 1, out);
    check_part(out, t, 1, __LINE__);
  }
}

/* A call that is refused has changed nothing; reset forgets. */
static void refuse_and_reset(void) {
  float first[N * V], again[N * V];
  int64_t part[N * T] = {0};
  NEED(decode_next(a, N, 2, T - 1, part, first) == DECODE_BAD_DIM);
  NEED(strstr(decode_detail(a), "pos + T") || strstr(decode_detail(a), "T + pos"));
  NEED(decode_next(a, N, 1, T, part, first) == DECODE_BAD_DIM);
  NEED(decode_next(a, N, 1, -1, part, first) == DECODE_BAD_DIM);
  NEED(decode_next(a, N + 2, 1, 0, part, first) == DECODE_BAD_DIM);
  part[0] = V;
  NEED(decode_next(a, N, 1, 0, part, first) == DECODE_BAD_INDEX);
  NEED(decode_reset(a) == DECODE_OK);
  decode_tensor cache;
  NEED(decode_find(a, "blocks.0.k_cache", &cache) == DECODE_OK);
  for (int64_t i = 0; i < cache.dims[0] * cache.dims[1] * cache.dims[2] * cache.dims[3]; i++)
    NEED(((const float *)cache.data)[i] == 0);
  read_on(a, 0, 1, first);
  NEED(decode_reset(a) == DECODE_OK);
  read_on(a, 0, 1, again);
  NEED(memcmp(first, again, sizeof first) == 0);
}

/* Pieces of any length of a stream. */
static void stream(const int *lengths) {
  float part[N * T * IN], out[N * T * H], scale = largest(whole, N * T * H);
  for (int at = 0, count; at < T; at += count) {
    count = *lengths++;
    for (int n = 0; n < N; n++)
      memcpy(part + n * count * IN, x + (n * T + at) * IN, sizeof(float) * (size_t)(count * IN));
    NEED(decode_stream(a, N, count, part, out) == DECODE_OK);
    for (int n = 0; n < N; n++)
      compare(out + n * count * H, whole + (n * T + at) * H, count * H, scale, __LINE__);
  }
  NEED(decode_reset(a) == DECODE_OK);
}

int main(int count, char **arguments) {
  NEED(decode_open(&a, NULL, 1) == DECODE_OK && decode_open(&b, NULL, 2) == DECODE_OK);
#ifndef CONSTANT
  NEED(decode_init(a, 3) == DECODE_OK && decode_init(b, 3) == DECODE_OK);
  if (count > 1) NEED(decode_save(a, arguments[1]) == DECODE_OK);
#else
  (void)count, (void)arguments;
#endif
  for (int i = 0; i < N * T; i++) token[i] = (i * 7 + i / 3) % V;
  for (int i = 0; i < N * T * IN; i++) x[i] = (float)((i * 37) % 101) / 50 - 1;
  NEED(decode_all(a, N, T, token, all) == DECODE_OK);
  NEED(decode_whole(a, N, T, x, whole) == DECODE_OK);
  decode(9);
  NEED(decode_reset(a) == DECODE_OK && decode_reset(b) == DECODE_OK);
  decode(1);
  refuse_and_reset();
  stream((const int[]){1, 7, 16});
  stream((const int[]){24});
  stream((const int[]){12, 1, 11});
  decode_close(a);
  decode_close(b);
  puts("decode: ok");
  return 0;
}
