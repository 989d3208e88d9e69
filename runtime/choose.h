/* choose.h - the next token, chosen from a row of logits.
 *
 *   dlrt_choosing how = {.temperature = 0.8, .top_k = 40, .top_p = 0.95, .seed = 1};
 *   dlrt_chooser *chooser = dlrt_chooser_new(50257);
 *   int64_t token = dlrt_choose(chooser, &how, logits, 50257, step);
 *
 * The number that a token is drawn by is a function of (seed, step): the same whatever came before.
 */
#ifndef DLRT_CHOOSE_H
#define DLRT_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  double temperature; /* of the softmax; 0: the largest logit, of equals the first */
  int64_t top_k;      /* of the k most probable alone; 0: of all */
  double top_p;       /* of the fewest most probable that have p together; 1: of all */
  uint64_t seed;
} dlrt_choosing;

typedef struct dlrt_chooser dlrt_chooser;

dlrt_chooser *dlrt_chooser_new(int64_t count); /* for at most so many logits; NULL: no memory */
void dlrt_chooser_free(dlrt_chooser *chooser);

/* -1: a logit is nan, or none is above minus infinity. */
int64_t dlrt_choose(dlrt_chooser *chooser, const dlrt_choosing *how, const float *logits,
                    int64_t count, uint64_t step);

/* Logits become logarithms of probabilities; false as above. */
bool dlrt_log_softmax(float *logits, int64_t count);

/* The `most` largest of `count` numbers, the largest first, of equals the first one first: their
 * indices; returns how many (fewer if there are fewer above minus infinity). */
int64_t dlrt_largest(const float *numbers, int64_t count, int64_t *indices, int64_t most);

#endif
