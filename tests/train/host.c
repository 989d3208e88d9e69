/* A host program that owns the loop: everything that small.h declares is called. Prints "host: ok",
 * or which line is wrong. */
#include "small.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      printf("host: line %d: %s (%s)\n", __LINE__, #condition, small_detail(net));                 \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

enum { N = 32, STEPS = 60 };
static float image[N * 36], out[N * 3];
static int64_t label[N];

/* Class k has a bright row 2 k. */
static void make_data(void) {
  unsigned bits = 1;
  for (int n = 0; n < N; n++) {
    label[n] = n % 3;
    for (int i = 0; i < 36; i++) {
      bits = bits * 1664525 + 1013904223;
      image[n * 36 + i] = (float)(bits >> 8) / (1 << 24) + (i / 6 == 2 * (n % 3) ? 1 : 0);
    }
  }
}

static float train(small_context *net, int steps) {
  float loss = 0, lr = 0.01f;
  for (int i = 0; i < steps; i++) NEED(small_fit(net, N, image, label, &lr, &loss) == SMALL_OK);
  return loss;
}

static int optimizers_of(small_context *net) {
  small_tensor t;
  int count = 0;
  for (int i = 0; i < small_count(); i++) {
    NEED(small_at(net, i, &t) == SMALL_OK && t.name && t.data);
    count += strncmp(t.name, "fit.adam_0.", 11) == 0;
  }
  return count;
}

int main(void) {
  small_context *net = NULL, *other = NULL;
  small_tensor weight, again;
  static float kept[195];
  float loss, before, lr = 0.01f;
  make_data();
  NEED(small_open(&net, NULL, 2) == SMALL_OK);
  /* Memory of the caller's. */
  void *memory = aligned_alloc(SMALL_ALIGN, (SMALL_CONTEXT_SIZE(1) + 63) / 64 * 64);
  NEED(memory && small_open(&other, memory, 1) == SMALL_OK);
  NEED(SMALL_FIT_IMAGE_SIZE(N) == sizeof image && SMALL_FIT_LABEL_SIZE(N) == sizeof label);
  NEED(SMALL_OUT_SIZE(N) == sizeof out && SMALL_MAX_N == N);
  NEED(small_init(net, 1) == SMALL_OK && small_init(other, 1) == SMALL_OK);
  NEED(optimizers_of(net) == 18); /* three of each of the six parameters */

  /* It learns; the value is of no step. */
  before = train(net, 1);
  loss = train(net, STEPS);
  NEED(isfinite(before) && loss < before / 3);
  float value, same;
  NEED(small_fit_value(net, N, image, label, &lr, &value) == SMALL_OK && value < before / 3);
  NEED(small_fit_value(net, N, image, label, &lr, &same) == SMALL_OK && same == value);

  /* The same seed, the same bits, with one thread. */
  train(other, STEPS + 1);
  NEED(small_find(net, "linear_0.weight", &weight) == SMALL_OK && weight.rank == 2);
  NEED(weight.dims[0] == 3 && weight.dims[1] == 64 && strcmp(weight.type, "f32") == 0);
  NEED(small_find(other, "linear_0.weight", &again) == SMALL_OK);
  NEED(memcmp(weight.data, again.data, 192 * sizeof(float)) == 0);

  /* Set and get in place: a copy between networks. */
  memcpy(kept, weight.data, 192 * sizeof(float));
  memset(weight.data, 0, 192 * sizeof(float));
  NEED(small(net, N, image, out) == SMALL_OK && out[0] == out[3]);
  for (int i = 0; i < small_count(); i++) {
    small_tensor from, to;
    NEED(small_at(other, i, &from) == SMALL_OK && small_at(net, i, &to) == SMALL_OK);
    size_t numbers = 1;
    for (int a = 0; a < to.rank; a++) numbers *= (size_t)to.dims[a];
    memcpy(to.data, from.data, numbers * sizeof(float));
  }
  NEED(memcmp(weight.data, kept, 192 * sizeof(float)) == 0);

  /* Files hold the network; a file of other names changes nothing. */
  NEED(small_save(net, "host.safetensors") == SMALL_OK);
  NEED(small_init(net, 7) == SMALL_OK && memcmp(weight.data, kept, 192 * sizeof(float)) != 0);
  NEED(small_load(net, "host.safetensors") == SMALL_OK);
  NEED(memcmp(weight.data, kept, 192 * sizeof(float)) == 0);
  NEED(small_fit_value(net, N, image, label, &lr, &same) == SMALL_OK && same == value);
  NEED(small_load(net, "none.safetensors") == SMALL_NO_FILE && *small_detail(net));
  NEED(small_save(net, "none/a.safetensors") == SMALL_NO_SPACE);
  NEED(small_find(net, "linear_1.weight", &again) == SMALL_BAD_ARGUMENT);

  /* What fails has changed nothing. */
  label[5] = 3;
  NEED(small_fit(net, N, image, label, &lr, &loss) == SMALL_BAD_INDEX);
  NEED(memcmp(weight.data, kept, 192 * sizeof(float)) == 0);
  label[5] = 2;
  NEED(small_fit(net, N + 1, image, label, &lr, &loss) == SMALL_BAD_DIM);
  NEED(small_fit(net, 0, image, label, &lr, &loss) == SMALL_BAD_DIM);
  NEED(small_fit(net, N, NULL, label, &lr, &loss) == SMALL_BAD_ARGUMENT);
  NEED(strcmp(small_text(SMALL_BAD_DIM), "") != 0);

  /* init gives the optimizer and the random numbers their first values too. */
  NEED(small_init(net, 1) == SMALL_OK);
  train(net, STEPS + 1);
  NEED(memcmp(weight.data, kept, 192 * sizeof(float)) == 0);
  small_close(net);
  small_close(other);
  small_close(NULL);
  free(memory);
  puts("host: ok");
  return 0;
}
