/* runtime_training.h - a model that learns, written by hand as dlc would emit it.
 *
 *   dim N <= 8
 *   guess(x: f32[N,2]) -> out: f32[N,2]                [0, x w], two classes
 *   fit(x: f32[N,2], label: i64[N], lr: f32) -> out    squared distance of x w and the label, with
 *                                                      momentum: m = 0.5 m + g, w = w - lr m; the
 *                                                      state `seen` counts rows, a layer's
 *   fit_value                                          the loss alone
 *   draw() -> out                                      noise of (seed, call), added to `noise`
 *   init()                                             w = seed / 100
 *   train { fit }                                      or, of learn_round, { fit * 2; draw }
 */
#ifndef RUNTIME_TRAINING_H
#define RUNTIME_TRAINING_H

#include "runtime/program.h"

enum { AT_W = 0, AT_SEEN = 64, AT_NOISE = 128, AT_M = 192, TENSOR_BYTES = 256 };

/* p[i] = x w */
static inline void learn_product(void *const *o, const int64_t *dims, int64_t begin, int64_t end,
                                 dlrt_worker *worker) {
  const float *x = o[0], *w = o[1];
  float *p = o[2];
  (void)dims, (void)worker;
  for (int64_t i = begin; i < end; i++) p[i] = x[2 * i] * w[0] + x[2 * i + 1] * w[1];
}

static inline void learn_guess(void *const *o, const int64_t *dims, int64_t begin, int64_t end,
                               dlrt_worker *worker) {
  const float *p = o[0];
  float *y = o[1];
  (void)dims, (void)worker;
  for (int64_t i = begin; i < end; i++) {
    y[2 * i] = 0.5f;
    y[2 * i + 1] = p[i];
  }
}

/* d[i] = p[i] - label[i]; labels are 0 and 1 */
static inline void learn_distance(void *const *o, const int64_t *dims, int64_t begin, int64_t end,
                                  dlrt_worker *worker) {
  const float *p = o[0];
  const int64_t *label = o[1];
  float *d = o[2];
  (void)dims;
  for (int64_t i = begin; i < end; i++) {
    if (label[i] < 0 || label[i] > 1) {
      worker->fault = 1;
      worker->index = label[i];
      worker->size = 2;
    }
    d[i] = p[i] - (float)label[i];
  }
}

static inline void learn_loss(void *const *o, const int64_t *dims, int64_t begin, int64_t end,
                              dlrt_worker *worker) {
  const float *d = o[0];
  float *y = o[1], sum = 0;
  (void)begin, (void)end, (void)worker;
  for (int64_t i = 0; i < dims[0]; i++) sum += d[i] * d[i];
  *y = sum / (float)dims[0];
}

static inline void learn_update(void *const *o, const int64_t *dims, int64_t begin, int64_t end,
                                dlrt_worker *worker) {
  const float *x = o[0], *d = o[1], *lr = o[2];
  float *w = o[3], *m = o[4], *seen = o[5];
  (void)begin, (void)end, (void)worker;
  for (int k = 0; k < 2; k++) {
    float g = 0;
    for (int64_t i = 0; i < dims[0]; i++) g += 2 * d[i] * x[2 * i + k] / (float)dims[0];
    m[k] = 0.5f * m[k] + g;
    w[k] -= *lr * m[k];
  }
  *seen += (float)dims[0];
}

static inline void learn_draw(void *const *o, const int64_t *dims, int64_t begin, int64_t end,
                              dlrt_worker *worker) {
  float *y = o[0], *noise = o[1];
  (void)begin, (void)end, (void)worker;
  *y = (float)((dims[1] * 31 + dims[2] * 17) % 101) / 101; /* seed and call follow the dims */
  *noise += *y;
}

static inline void learn_init(void *const *o, const int64_t *dims, int64_t begin, int64_t end,
                              dlrt_worker *worker) {
  float *w = o[0];
  (void)begin, (void)end, (void)worker;
  w[0] = w[1] = (float)dims[1] / 100;
}

static inline int64_t learn_rows(const int64_t *dims) {
  return dims[0];
}
static inline void guess_shapes(const int64_t *dims, int64_t *shapes) {
  shapes[0] = shapes[2] = dims[0];
  shapes[1] = shapes[3] = 2;
}
static inline void fit_shapes(const int64_t *dims, int64_t *shapes) {
  shapes[0] = shapes[2] = dims[0];
  shapes[1] = 2;
}
static inline void no_shapes(const int64_t *dims, int64_t *shapes) {
  (void)dims, (void)shapes;
}

static const int64_t learn_two[] = {2}, learn_bound[] = {8, 2}, learn_n[] = {0};
static const dlrt_dim learn_dims[] = {{"N", 1, 8, "learn.dl:1"}};
static const dlrt_tensor learn_tensors[] = {
    {"line.weight", DLRT_F32, 1, learn_two, 8, AT_W, DLRT_PARAMETER, "learn.dl:2:8"},
    {"line.seen", DLRT_F32, 0, learn_two, 4, AT_SEEN, DLRT_STATE, "learn.dl:2:8"},
    {"line.noise", DLRT_F32, 0, learn_two, 4, AT_NOISE, DLRT_STATE, "learn.dl:2:8"},
    {"fit.momentum_0.line.weight.m", DLRT_F32, 1, learn_two, 8, AT_M, DLRT_OPTIMIZER,
     "learn.dl:7:3"}};

static const dlrt_operand product_operands[] = {
    {DLRT_INPUT, 0, 0}, {DLRT_PARAMETERS, 0, AT_W}, {DLRT_ARENA, 0, 0}};
static const dlrt_operand guess_operands[] = {{DLRT_ARENA, 0, 0}, {DLRT_OUTPUT, 0, 0}};
static const dlrt_operand distance_operands[] = {
    {DLRT_ARENA, 0, 0}, {DLRT_INPUT, 1, 0}, {DLRT_ARENA, 0, 64}};
static const dlrt_operand loss_operands[] = {{DLRT_ARENA, 0, 64}, {DLRT_OUTPUT, 0, 0}};
static const dlrt_operand update_operands[] = {
    {DLRT_INPUT, 0, 0},         {DLRT_ARENA, 0, 64},        {DLRT_INPUT, 2, 0},
    {DLRT_PARAMETERS, 0, AT_W}, {DLRT_PARAMETERS, 0, AT_M}, {DLRT_PARAMETERS, 0, AT_SEEN}};
static const dlrt_operand draw_operands[] = {{DLRT_OUTPUT, 0, 0}, {DLRT_PARAMETERS, 0, AT_NOISE}};
static const dlrt_operand init_operands[] = {{DLRT_PARAMETERS, 0, AT_W}};

static const dlrt_written product_written[] = {{2, DLRT_F32, 0, 0, -1, learn_rows}};
static const dlrt_written loss_written[] = {{1, DLRT_F32, 0, 0, 1, NULL}};
static const dlrt_written update_written[] = {{3, DLRT_F32, 0, 0, 2, NULL},
                                              {4, DLRT_F32, 0, 0, 2, NULL}};

#define LEARN_PRODUCT                                                                              \
  {                                                                                                \
    learn_product, "k0_dot", "line", "learn.dl:3:8", "dot", 3, product_operands, -1, learn_rows,   \
        1, 4, 24, NULL, 1, product_written                                                         \
  }
#define LEARN_DISTANCE                                                                             \
  {                                                                                                \
    learn_distance, "k1_sub", "fit", "learn.dl:5:8", "loop", 3, distance_operands, -1, learn_rows, \
        1, 1, 16, NULL, 1, product_written                                                         \
  }
#define LEARN_LOSS                                                                                 \
  {                                                                                                \
    learn_loss, "k2_mean", "fit", "learn.dl:5:3", "row", 2, loss_operands, 1, NULL, 0, 2, 8, NULL, \
        1, loss_written                                                                            \
  }
static const dlrt_step guess_steps[] = {LEARN_PRODUCT,
                                        {learn_guess, "k3_guess", "guess", "learn.dl:4:8", "loop",
                                         2, guess_operands, -1, learn_rows, 1, 0, 8, NULL, 0,
                                         NULL}};
static const dlrt_step fit_steps[] = {LEARN_PRODUCT,
                                      LEARN_DISTANCE,
                                      LEARN_LOSS,
                                      {learn_update, "k4_update", "momentum", "learn.dl:7:3",
                                       "loop", 6, update_operands, 1, NULL, 0, 8, 8, NULL, 2,
                                       update_written}};
static const dlrt_step value_steps[] = {LEARN_PRODUCT, LEARN_DISTANCE, LEARN_LOSS};
static const dlrt_step draw_steps[] = {{learn_draw, "k5_draw", "draw", "learn.dl:9:3", "loop", 2,
                                        draw_operands, 1, NULL, 0, 1, 8, NULL, 0, NULL}};
static const dlrt_step init_steps[] = {{learn_init, "k6_init", "init", "learn.dl:2:8", "loop", 1,
                                        init_operands, 1, NULL, 0, 1, 8, NULL, 0, NULL}};

static const dlrt_port learn_in[] = {{"x", DLRT_F32, 2, "f32[N,2]", learn_bound},
                                     {"label", DLRT_I64, 1, "i64[N]", learn_bound},
                                     {"lr", DLRT_F32, 0, "f32", NULL}};
static const dlrt_port guess_out[] = {{"out", DLRT_F32, 2, "f32[N,2]", learn_bound}};
static const dlrt_port fit_out[] = {{"out", DLRT_F32, 0, "f32", NULL}};
static const char *const fit_faults[] = {"learn.dl:5:8: label"};

static const dlrt_entry learn_entries[] = {
    {"guess", DLRT_MODEL_ENTRY, "learn.dl:3", 1, learn_n, 1, learn_in, 1, guess_out, 2, guess_steps,
     guess_shapes, 0, NULL, NULL, 0, NULL, .flop = 6},
    {"fit", DLRT_TRAIN_ENTRY, "learn.dl:5", 1, learn_n, 3, learn_in, 1, fit_out, 4, fit_steps,
     fit_shapes, 0, NULL, NULL, 1, fit_faults, .flop = 10},
    {"fit_value", DLRT_VALUE_ENTRY, "learn.dl:5", 1, learn_n, 3, learn_in, 1, fit_out, 3,
     value_steps, fit_shapes, 0, NULL, NULL, 1, fit_faults, .flop = 6},
    {"draw", DLRT_TRAIN_ENTRY, "learn.dl:9", 0, NULL, 0, NULL, 1, fit_out, 1, draw_steps, no_shapes,
     0, NULL, NULL, 0, NULL, .flop = 1},
    {"init", DLRT_INIT_ENTRY, "learn.dl:2", 0, NULL, 0, NULL, 0, NULL, 1, init_steps, no_shapes, 0,
     NULL, NULL, 0, NULL, .flop = 1}};

static const dlrt_scheduled learn_schedule[] = {{1, 1}};
static const dlrt_scheduled learn_round[] = {{1, 2}, {3, 1}};

static const dlrt_model training = {.abi = DLRT_ABI,
                                    .name = "learn",
                                    .source = "learn.dl",
                                    .source_hash = "1ea51ea51ea51ea51ea51ea51ea51ea5"
                                                   "1ea51ea51ea51ea51ea51ea51ea51ea5",
                                    .version = "0.1.0",
                                    .cpu = "x86-64-v2",
                                    .cpu_level = 2,
                                    .dim_count = 1,
                                    .dims = learn_dims,
                                    .tensor_count = 4,
                                    .tensors = learn_tensors,
                                    .parameter_bytes = TENSOR_BYTES,
                                    .arena_bytes = 128,
                                    .max_operands = 6,
                                    .entry_count = 5,
                                    .entries = learn_entries,
                                    .threading = &dlrt_pool,
                                    .inputs = "",
                                    .classes = "",
                                    .draws = 1,
                                    .schedule_count = 1,
                                    .schedule = learn_schedule,
                                    .train = dlrt_train};

#endif
