/* runtime_pictures.h - two more models by hand, for the binaries' command line.
 *
 *   bright(image: f32[N,1,2,2]) -> out: f32[N,2]     the sum of the pixels, and 1
 *   colours(image: f32[N,3,1,2]) -> out: f32[N,3]    the mean of each channel
 *   pairs(x: f32[2,3]) -> out: f32[2,3]              x + 1: a batch that is fixed
 */
#ifndef RUNTIME_PICTURES_H
#define RUNTIME_PICTURES_H

#include "runtime/dlrt.h"

static inline void picture_sum(void *const *operands, const int64_t *dims, int64_t begin,
                               int64_t end, dlrt_worker *worker) {
  const float *x = operands[0];
  float *y = operands[1];
  (void)dims, (void)worker;
  for (int64_t i = begin; i < end; i++) {
    y[2 * i] = x[4 * i] + x[4 * i + 1] + x[4 * i + 2] + x[4 * i + 3];
    y[2 * i + 1] = 1;
  }
}

static inline void picture_means(void *const *operands, const int64_t *dims, int64_t begin,
                                 int64_t end, dlrt_worker *worker) {
  const float *x = operands[0];
  float *y = operands[1];
  (void)dims, (void)worker;
  for (int64_t i = 3 * begin; i < 3 * end; i++) y[i] = (x[2 * i] + x[2 * i + 1]) / 2;
}

static inline void picture_more(void *const *operands, const int64_t *dims, int64_t begin,
                                int64_t end, dlrt_worker *worker) {
  const float *x = operands[0];
  float *y = operands[1];
  (void)dims, (void)worker;
  for (int64_t i = 3 * begin; i < 3 * end; i++) y[i] = x[i] + 1;
}

static inline int64_t picture_rows(const int64_t *dims) {
  return dims[0];
}

static inline int64_t picture_work(const int64_t *dims, int64_t *bytes) {
  *bytes = 24 * dims[0];
  return 3 * dims[0];
}

static inline void bright_shapes(const int64_t *dims, int64_t *shapes) {
  const int64_t all[] = {dims[0], 1, 2, 2, dims[0], 2};
  for (int i = 0; i < 6; i++) shapes[i] = all[i];
}
static inline void colours_shapes(const int64_t *dims, int64_t *shapes) {
  const int64_t all[] = {dims[0], 3, 1, 2, dims[0], 3};
  for (int i = 0; i < 6; i++) shapes[i] = all[i];
}
static inline void pairs_shapes(const int64_t *dims, int64_t *shapes) {
  (void)dims;
  for (int i = 0; i < 4; i++) shapes[i] = 2 + i % 2;
}

static const int64_t picture_bound[] = {4, 1, 2, 2}, colours_bound[] = {4, 3, 1, 2};
static const int64_t scores_bound[] = {4, 2}, means_bound[] = {4, 3}, pairs_bound[] = {2, 3};
static const int64_t picture_n[] = {0};
static const dlrt_dim picture_dims[] = {{"N", 1, 4, "bright.dl:1"}};
static const dlrt_operand picture_operands[] = {{DLRT_INPUT, 0, 0}, {DLRT_OUTPUT, 0, 0}};
static const dlrt_port bright_in[] = {{"image", DLRT_F32, 4, "f32[N,1,2,2]", picture_bound}};
static const dlrt_port bright_out[] = {{"out", DLRT_F32, 2, "f32[N,2]", scores_bound}};
static const dlrt_port colours_in[] = {{"image", DLRT_F32, 4, "f32[N,3,1,2]", colours_bound}};
static const dlrt_port colours_out[] = {{"out", DLRT_F32, 2, "f32[N,3]", means_bound}};
static const dlrt_port pairs_in[] = {{"x", DLRT_F32, 2, "f32[2,3]", pairs_bound}};
static const dlrt_port pairs_out[] = {{"out", DLRT_F32, 2, "f32[2,3]", pairs_bound}};

static const dlrt_step bright_steps[] = {{picture_sum, "k0_sum", "part.1.sum", "bright.dl:3:8",
                                          "row", 2, picture_operands, -1, picture_rows, 1, 0, 0,
                                          picture_work, 0, NULL}};
static const dlrt_step colours_steps[] = {{picture_means, "k1_mean", "mean", "bright.dl:5:8", "row",
                                           2, picture_operands, -1, picture_rows, 1, 6, 36, NULL, 0,
                                           NULL}};
static const dlrt_step pairs_steps[] = {{picture_more, "k2_add", "add", "bright.dl:7:8", "loop", 2,
                                         picture_operands, 2, NULL, 0, 6, 48, NULL, 0, NULL}};

static const dlrt_entry picture_entries[] = {
    {"bright", DLRT_MODEL_ENTRY, "bright.dl:2", 1, picture_n, 1, bright_in, 1, bright_out, 1,
     bright_steps, bright_shapes, 0, NULL, NULL, 0, NULL, .flop = 3},
    {"colours", DLRT_MODEL_ENTRY, "bright.dl:4", 1, picture_n, 1, colours_in, 1, colours_out, 1,
     colours_steps, colours_shapes, 0, NULL, NULL, 0, NULL, .flop = 6},
    {"pairs", DLRT_MODEL_ENTRY, "bright.dl:6", 0, picture_n, 1, pairs_in, 1, pairs_out, 1,
     pairs_steps, pairs_shapes, 0, NULL, NULL, 0, NULL, .flop = 6}};

static const dlrt_model pictures = {.abi = DLRT_ABI,
                                    .name = "bright",
                                    .source = "bright.dl",
                                    .source_hash = "00c0ffee",
                                    .version = "0.1.0",
                                    .cpu = "x86-64-v3",
                                    .dim_count = 1,
                                    .dims = picture_dims,
                                    .max_operands = 2,
                                    .entry_count = 3,
                                    .entries = picture_entries,
                                    .threading = &dlrt_pool,
                                    .inputs = "",
                                    .classes = ""};

#endif
