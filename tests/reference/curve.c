/* curve - a compiled network's learning curves: the losses of the steps that curves.py describes.
 *
 *   curve SEED THREADS [OWNER=OFFSET]      a line "OPTIMIZER LOSS ..." for each optimizer
 *
 * The last loss of a line is that of inference. OFFSET is added to the biases of what is called
 * OWNER. Compiled by run_curves.py beside the network's header, with
 *   ENTRIES        X(sgd) X(adam) ..: the optimizers that have an entry by_NAME
 *   BATCH, SIZE    rows of a step, numbers of an image
 *   STEPS
 */
#include <stdio.h>
#include <stdlib.h>

#include "page.h"
#include "tests/reference/formula.h"

typedef page_status (*step_function)(page_context *, int64_t, const float *, const int64_t *,
                                     float *);

static const struct {
  const char *name;
  step_function step, value;
} entries[] = {
#define X(name) {#name, page_by_##name, page_by_##name##_value},
    ENTRIES
#undef X
};

static float pattern[10 * SIZE], image[BATCH * SIZE];
static int64_t label[BATCH];
static char prefix[40], owner[40];
static double offset;

static bool owned(const char *name) {
  char end[64];
  snprintf(end, sizeof end, ".%s.bias", owner);
  return *owner && formula_ends(name, end);
}

/* Parameters and layers' states by formula; what an optimizer keeps is named after its entry. */
static page_status fill(page_context *net) {
  for (int i = 0; i < page_count(); i++) {
    page_tensor t;
    page_status status = page_at(net, i, &t);
    if (status) return status;
    if (strncmp(t.name, "by_", 3) == 0) continue;
    Formula f = formula_parameter_of(t.name, t.dims, t.rank, NULL, 0);
    f.hash = formula_hash(prefix, t.name);
    if (owned(t.name)) f.offset += offset;
    int64_t count = 1;
    for (int axis = 0; axis < t.rank; axis++) count *= t.dims[axis];
    for (int64_t k = 0; k < count; k++) ((float *)t.data)[k] = formula_parameter(&f, (uint64_t)k);
  }
  return PAGE_OK;
}

static void batch(uint64_t step) {
  uint64_t noise = formula_hash(prefix, "noise"), labels = formula_hash(prefix, "label");
  for (uint64_t row = 0; row < BATCH; row++) {
    uint64_t k = step * BATCH + row;
    label[row] = formula_integer(labels, k, 0, 10);
    for (uint64_t i = 0; i < SIZE; i++)
      image[row * SIZE + i] = (float)((pattern[(uint64_t)label[row] * SIZE + i] +
                                       3.0 * formula_symmetric(noise, k * SIZE + i)) /
                                      4.0);
  }
}

static page_status learn(page_context *net, step_function step, step_function value) {
  page_status status = page_init(net, 1);
  if (!status) status = fill(net);
  for (uint64_t i = 0; !status && i <= STEPS; i++) {
    float loss;
    batch(i);
    status = (i < STEPS ? step : value)(net, BATCH, image, label, &loss);
    if (!status) printf(" %.9g", loss);
  }
  return status;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  snprintf(prefix, sizeof prefix, "seed %s ", argv[1]);
  if (argc > 3 && sscanf(argv[3], "%39[^=]=%lf", owner, &offset) != 2) return 2;
  uint64_t patterns = formula_hash(prefix, "pattern");
  for (uint64_t i = 0; i < sizeof pattern / sizeof pattern[0]; i++)
    pattern[i] = (float)formula_symmetric(patterns, i);
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    page_context *net = NULL;
    page_status status = page_open(&net, NULL, atoi(argv[2]));
    printf("%s", entries[i].name);
    if (!status) status = learn(net, entries[i].step, entries[i].value);
    printf("\n");
    if (status) fprintf(stderr, "curve: %s: %s\n", page_text(status), page_detail(net));
    page_close(net);
    if (status) return 1;
  }
  return 0;
}
