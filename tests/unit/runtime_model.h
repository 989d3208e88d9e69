/* runtime_model.h - a small model, written by hand as dlc would emit it.
 *
 *   dim N <= 8, T <= 8
 *   line(x: f32[N,3]) -> out: f32[N,3]      x * scale.weight, then + scale.bias
 *   pick(index: i64[N]) -> out: f32[N]      table[index], from the object's constants
 *   room(y: f32[N,T]) -> out: f32[N,T]      y; check N + T <= 10
 */
#ifndef RUNTIME_MODEL_H
#define RUNTIME_MODEL_H

#include "runtime/dlrt.h"

enum { MODEL_WEIGHT_AT = 0, MODEL_BIAS_AT = 64 };

static inline void model_scale(void *const *operands, const int64_t *dims, int64_t begin,
                               int64_t end, dlrt_worker *worker) {
  const float *x = operands[0], *weight = operands[1];
  float *y = operands[2];
  (void)dims, (void)worker;
  for (int64_t i = 3 * begin; i < 3 * end; i++) y[i] = x[i] * weight[i % 3];
}

static inline void model_add(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                             dlrt_worker *worker) {
  const float *x = operands[0], *bias = operands[1];
  float *y = operands[2];
  (void)dims, (void)worker;
  for (int64_t i = 3 * begin; i < 3 * end; i++) y[i] = x[i] + *bias;
}

static inline void model_pick(void *const *operands, const int64_t *dims, int64_t begin,
                              int64_t end, dlrt_worker *worker) {
  const int64_t *index = operands[0];
  const float *table = operands[1];
  float *y = operands[2];
  (void)dims;
  for (int64_t i = begin; i < end; i++) {
    int64_t at = index[i];
    if (at < 0 || at > 3) {
      worker->fault = 1;
      worker->index = at;
      worker->size = 4;
      at = 0;
    }
    y[i] = table[at];
  }
}

static inline void model_copy(void *const *operands, const int64_t *dims, int64_t begin,
                              int64_t end, dlrt_worker *worker) {
  const float *x = operands[0];
  float *y = operands[1];
  (void)worker;
  for (int64_t i = begin * dims[1]; i < end * dims[1]; i++) y[i] = x[i];
}

static inline int64_t model_rows(const int64_t *dims) {
  return dims[0];
}

static inline void line_shapes(const int64_t *dims, int64_t *shapes) {
  shapes[0] = shapes[2] = dims[0];
  shapes[1] = shapes[3] = 3;
}
static inline void pick_shapes(const int64_t *dims, int64_t *shapes) {
  shapes[0] = shapes[1] = dims[0];
}
static inline void room_shapes(const int64_t *dims, int64_t *shapes) {
  shapes[0] = shapes[2] = dims[0];
  shapes[1] = shapes[3] = dims[1];
}
static inline int64_t room_failing(const int64_t *dims) {
  return dims[0] + dims[1] > 10 ? 0 : -1;
}

static const int64_t model_three[] = {3}, model_bound[] = {8, 3}, model_square[] = {8, 8};
static const int64_t model_n[] = {0, 1};
static const dlrt_dim model_dims[] = {{"N", 1, 8, "line.dl:1"}, {"T", 1, 8, "line.dl:1"}};
static const dlrt_tensor model_tensors[] = {
    {"scale.weight", DLRT_F32, 1, model_three, 12, MODEL_WEIGHT_AT, 0, "line.dl:4:8"},
    {"scale.bias", DLRT_F32, 0, model_three, 4, MODEL_BIAS_AT, 0, "line.dl:4:8"}};
static const float model_table[] = {10, 11, 12, 13};

static const dlrt_operand scale_operands[] = {
    {DLRT_INPUT, 0, 0}, {DLRT_PARAMETERS, 0, MODEL_WEIGHT_AT}, {DLRT_ARENA, 0, 64}};
static const dlrt_operand add_operands[] = {
    {DLRT_ARENA, 0, 64}, {DLRT_PARAMETERS, 0, MODEL_BIAS_AT}, {DLRT_OUTPUT, 0, 0}};
static const dlrt_operand pick_operands[] = {
    {DLRT_INPUT, 0, 0}, {DLRT_CONSTANTS, 0, 0}, {DLRT_OUTPUT, 0, 0}};
static const dlrt_operand copy_operands[] = {{DLRT_INPUT, 0, 0}, {DLRT_OUTPUT, 0, 0}};

static const dlrt_step line_steps[] = {{model_scale, "k0_mul", "scale", "line.dl:5:8", "loop", 3,
                                        scale_operands, -1, model_rows, 1, 3, 24, NULL, 0, NULL},
                                       {model_add, "k1_add", "scale", "line.dl:6:8", "loop", 3,
                                        add_operands, -1, model_rows, 0, 3, 24, NULL, 0, NULL}};
static const dlrt_step pick_steps[] = {{model_pick, "k2_gather", "pick", "line.dl:9:8", "loop", 3,
                                        pick_operands, -1, model_rows, 1, 0, 12, NULL, 0, NULL}};
static const dlrt_step room_steps[] = {{model_copy, "k3_copy", "room", "line.dl:12:8", "loop", 2,
                                        copy_operands, -1, model_rows, 1, 0, 8, NULL, 0, NULL}};

static const dlrt_port line_in[] = {{"x", DLRT_F32, 2, "f32[N,3]", model_bound}};
static const dlrt_port line_out[] = {{"out", DLRT_F32, 2, "f32[N,3]", model_bound}};
static const dlrt_port pick_in[] = {{"index", DLRT_I64, 1, "i64[N]", model_bound}};
static const dlrt_port pick_out[] = {{"out", DLRT_F32, 1, "f32[N]", model_bound}};
static const dlrt_port room_in[] = {{"y", DLRT_F32, 2, "f32[N,T]", model_square}};
static const dlrt_port room_out[] = {{"out", DLRT_F32, 2, "f32[N,T]", model_square}};
static const dlrt_check room_checks[] = {{"N + T <= 10", "line.dl:11:9"}};
static const char *const pick_faults[] = {"line.dl:9:8: index"};

static const dlrt_entry model_entries[] = {
    {"line", DLRT_MODEL_ENTRY, "line.dl:3", 1, model_n, 1, line_in, 1, line_out, 2, line_steps,
     line_shapes, 0, NULL, NULL, 0, NULL, .flop = 6},
    {"pick", DLRT_MODEL_ENTRY, "line.dl:8", 1, model_n, 1, pick_in, 1, pick_out, 1, pick_steps,
     pick_shapes, 0, NULL, NULL, 1, pick_faults, .flop = 0},
    {"room", DLRT_MODEL_ENTRY, "line.dl:11", 2, model_n, 1, room_in, 1, room_out, 1, room_steps,
     room_shapes, 1, room_checks, room_failing, 0, NULL, .flop = 0}};

static const dlrt_model model = {.abi = DLRT_ABI,
                                 .name = "line",
                                 .source = "line.dl",
                                 .source_hash = "3f1c09aa3f1c09aa3f1c09aa3f1c09aa"
                                                "3f1c09aa3f1c09aa3f1c09aa3f1c09aa",
                                 .version = "0.1.0",
                                 .cpu = "x86-64-v2",
                                 .cpu_level = 2,
                                 .dim_count = 2,
                                 .dims = model_dims,
                                 .tensor_count = 2,
                                 .tensors = model_tensors,
                                 .parameter_bytes = 128,
                                 .arena_bytes = 192,
                                 .scratch_bytes = 64,
                                 .max_operands = 3,
                                 .constants_bytes = sizeof model_table,
                                 .constants = model_table,
                                 .constants_hash = "0",
                                 .entry_count = 3,
                                 .entries = model_entries,
                                 .threading = &dlrt_pool,
                                 .inputs = "",
                                 .classes = ""};

#endif
