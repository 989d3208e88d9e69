#include "runtime/choose.h"

#include <math.h>
#include <stdlib.h>

/* Of temperatures: below it the largest logit is all that is left in floats. */
#define LEAST 1e-6

typedef struct {
  float weight;
  int64_t token;
} option;

struct dlrt_chooser {
  option *options;
};

dlrt_chooser *dlrt_chooser_new(int64_t count) {
  dlrt_chooser *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->options = malloc((size_t)count * sizeof *c->options);
  if (c->options) return c;
  free(c);
  return NULL;
}

void dlrt_chooser_free(dlrt_chooser *c) {
  if (!c) return;
  free(c->options);
  free(c);
}

/* splitmix64 (Steele, Lea, Flood 2014), at the place that seed and step make; in [0, 1). */
static double draw(uint64_t seed, uint64_t step) {
  uint64_t x = (seed + 0x9e3779b97f4a7c15) * 0xd1342543de82ef95 + step * 0x9e3779b97f4a7c15;
  for (int round = 0; round < 2; round++) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
  }
  return (double)(x >> 11) * 0x1p-53;
}

static bool is_before(option a, option b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

static void swap(option *a, option *b) {
  option t = *a;
  *a = *b;
  *b = t;
}

/* Brings the first `most` in order to the front (Hoare's quickselect, with the median of three). */
static void select_first(option *o, int64_t count, int64_t most) {
  int64_t low = 0, high = count;
  while (high - low > 1 && most > low && most < high) {
    int64_t middle = low + (high - low) / 2, last = high - 1, to = low;
    if (is_before(o[middle], o[low])) swap(&o[middle], &o[low]);
    if (is_before(o[last], o[low])) swap(&o[last], &o[low]);
    if (is_before(o[last], o[middle])) swap(&o[last], &o[middle]);
    option pivot = o[middle];
    swap(&o[middle], &o[last]);
    for (int64_t i = low; i < last; i++)
      if (is_before(o[i], pivot)) swap(&o[i], &o[to++]);
    swap(&o[to], &o[last]);
    if (to == most) return;
    if (to > most)
      high = to;
    else
      low = to + 1;
  }
}

static int by_weight(const void *a, const void *b) {
  return is_before(*(const option *)a, *(const option *)b) ? -1 : 1;
}

/* The fewest of the first that have `share` of `sum`, sorted; more and more of them are looked at.
 */
static int64_t keep_share(option *o, int64_t count, double share, double sum) {
  for (int64_t most = 64;; most *= 8) {
    double mass = 0;
    if (most > count) most = count;
    select_first(o, count, most);
    qsort(o, (size_t)most, sizeof *o, by_weight);
    for (int64_t i = 0; i < most; i++) {
      mass += o[i].weight;
      if (mass >= share * sum) return i + 1;
    }
    if (most == count) return count;
  }
}

static int64_t first_largest(const float *logits, int64_t count) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; i++) {
    if (isnan(logits[i])) return -1;
    if (logits[i] > -INFINITY && (best < 0 || logits[i] > logits[best])) best = i;
  }
  return best;
}

int64_t dlrt_choose(dlrt_chooser *c, const dlrt_choosing *how, const float *logits, int64_t count,
                    uint64_t step) {
  int64_t best = first_largest(logits, count), kept = 0;
  if (best < 0 || how->temperature < LEAST || logits[best] == INFINITY) return best;
  /* exp of less than -104 is 0 in a float. */
  double scale = 1 / how->temperature, sum = 0, passed = 0, least = logits[best] - 104 / scale;
  for (int64_t i = 0; i < count; i++)
    if (logits[i] >= least) c->options[kept++] = (option){logits[i], i};
  if (how->top_k > 0 && how->top_k < kept) {
    select_first(c->options, kept, how->top_k);
    kept = how->top_k;
  }
  for (int64_t i = 0; i < kept; i++) {
    float difference = c->options[i].weight - logits[best];
    c->options[i].weight = expf((float)((double)difference * scale));
    sum += c->options[i].weight;
  }
  if (how->top_p < 1) {
    kept = keep_share(c->options, kept, how->top_p, sum);
    sum = 0;
    for (int64_t i = 0; i < kept; i++) sum += c->options[i].weight;
  }
  double mark = draw(how->seed, step) * sum;
  for (int64_t i = 0; i < kept; i++) {
    passed += c->options[i].weight;
    if (mark < passed) return c->options[i].token;
  }
  return kept ? c->options[kept - 1].token : best;
}

bool dlrt_log_softmax(float *logits, int64_t count) {
  int64_t best = first_largest(logits, count);
  if (best < 0 || logits[best] == INFINITY) return false;
  double top = logits[best], sum = 0;
  for (int64_t i = 0; i < count; i++) sum += exp(logits[i] - top);
  double shift = top + log(sum);
  for (int64_t i = 0; i < count; i++) logits[i] = (float)(logits[i] - shift);
  return true;
}

int64_t dlrt_largest(const float *numbers, int64_t count, int64_t *indices, int64_t most) {
  int64_t kept = 0; /* in order; few are asked for */
  for (int64_t i = 0; i < count; i++) {
    if (!(numbers[i] > -INFINITY)) continue;
    if (kept == most && !(numbers[i] > numbers[indices[kept - 1]])) continue;
    int64_t at = kept < most ? kept++ : kept - 1;
    for (; at && numbers[i] > numbers[indices[at - 1]]; at--) indices[at] = indices[at - 1];
    indices[at] = i;
  }
  return kept;
}
