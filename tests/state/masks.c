/* Padding has no influence on any result, gradient or step; a sequence in a batch equals itself
 * alone; truncated gradients are those of the written-out loop. Prints "masks: ok", or which line
 * is wrong. */
#include "masks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      printf("masks: line %d: %s (%s)\n", __LINE__, #condition, masks_detail(net));                \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

enum { N = 3, T = 6, IN = 4, Y = 10, Z = 5, W = 3 };
static const int lengths[N] = {6, 3, 1};
static uint8_t mask[N * T];

typedef struct {
  float x[N * T * IN], y[N * T * Y], z[N * T * Z], w[N * T * W], loss, dx[N * T * IN];
} Case;

static void fill(Case *c, float beyond) {
  for (int n = 0; n < N; n++)
    for (int t = 0; t < T; t++)
      for (int i = 0; i < IN; i++) {
        int k = (n * T + t) * IN + i;
        c->x[k] = t < lengths[n] ? (float)((k * 31) % 41) / 20 - 1 : beyond * (float)(k % 7 - 3);
      }
}

/* 20 * 2^-24 for each of at most 6 steps in 2 layers: the sums of a step have at most 20 terms. */
static void compare(const float *got, const float *wanted, int count, int line) {
  float scale = 0;
  for (int i = 0; i < count; i++) scale = fmaxf(scale, fabsf(wanted[i]));
  for (int i = 0; i < count; i++)
    if (!(fabsf(got[i] - wanted[i]) <= 12 * 20 * 0x1p-24f * fmaxf(scale, 1))) {
      printf("masks: line %d: %.9g at %d, not %.9g\n", line, (double)got[i], i, (double)wanted[i]);
      exit(1);
    }
}

static void alone(masks_context *net, const Case *all) {
  for (int n = 0; n < N; n++) {
    static Case one;
    int length = lengths[n];
    memcpy(one.x, all->x + n * T * IN, sizeof(float) * (size_t)(length * IN));
    NEED(masks_all(net, 1, length, one.x, mask, one.y, one.z, one.w) == MASKS_OK); /* all true */
    compare(one.y, all->y + n * T * Y, length * Y, __LINE__);
    compare(one.z, all->z + n * T * Z, length * Z, __LINE__);
    compare(one.w, all->w + n * T * W, length * W, __LINE__);
  }
}

int main(void) {
  static Case a, b;
  masks_context *net, *other;
  if (masks_open(&net, NULL, 1) || masks_open(&other, NULL, 2)) return 1;
  NEED(masks_init(net, 4) == MASKS_OK && masks_init(other, 4) == MASKS_OK);
  for (int n = 0; n < N; n++)
    for (int t = 0; t < T; t++) mask[n * T + t] = t < lengths[n];
  fill(&a, 0);
  fill(&b, 1e6f);
  NEED(masks_all(net, N, T, a.x, mask, a.y, a.z, a.w) == MASKS_OK);
  NEED(masks_all(other, N, T, b.x, mask, b.y, b.z, b.w) == MASKS_OK);
  NEED(!memcmp(a.y, b.y, sizeof a.y) && !memcmp(a.z, b.z, sizeof a.z) &&
       !memcmp(a.w, b.w, sizeof a.w));
  alone(net, &a);
  for (int step = 0; step < 3; step++) {
    NEED(masks_step(net, N, T, a.x, mask, &a.loss, a.dx) == MASKS_OK);
    NEED(masks_step(other, N, T, b.x, mask, &b.loss, b.dx) == MASKS_OK);
    NEED(!memcmp(&a.loss, &b.loss, sizeof a.loss));
    for (int i = 0; i < N * T * IN; i++) {
      NEED(a.dx[i] == b.dx[i]);
      if (i / IN % T >= lengths[i / IN / T]) NEED(a.dx[i] == 0);
    }
  }
  for (int i = 0; i < masks_count(); i++) {
    masks_tensor mine, its;
    NEED(masks_at(net, i, &mine) == MASKS_OK && masks_at(other, i, &its) == MASKS_OK);
    size_t count = 1;
    for (int d = 0; d < mine.rank; d++) count *= (size_t)mine.dims[d];
    NEED(!memcmp(mine.data, its.data, 4 * count));
  }
  NEED(masks_cut(net, N, a.x, &a.loss, a.dx) == MASKS_OK);
  NEED(masks_pieces(net, N, a.x, &b.loss, b.dx) == MASKS_OK);
  compare(&b.loss, &a.loss, 1, __LINE__);
  compare(b.dx, a.dx, N * T * IN, __LINE__);
  masks_close(net);
  masks_close(other);
  puts("masks: ok");
  return 0;
}
