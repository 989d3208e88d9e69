/* Loops whose trips are apart: any number of trips over any number of threads gives the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/context.h"
#include "tests/unit/runtime_model.h"

#include <string.h>

enum { ROW = 12 }; /* bytes of a trip: f32[3] */

/* In a trip one row, through the thread's memory: x * weight, + bias. */
static const dlrt_operand in_operands[] = {
    {DLRT_CURSOR, 0, 0}, {DLRT_PARAMETERS, 0, MODEL_WEIGHT_AT}, {DLRT_TRIP, 0, 64}};
static const dlrt_operand out_operands[] = {
    {DLRT_TRIP, 0, 64}, {DLRT_PARAMETERS, 0, MODEL_BIAS_AT}, {DLRT_CURSOR, 1, 0}};
static const dlrt_step steps[] = {
    {model_scale, "k0_mul", "scale", "line.dl:5:8", "loop", 3, in_operands, .trips = 1, .grain = 1},
    {model_add, "k1_add", "scale", "line.dl:6:8", "loop", 3, out_operands, .trips = 1}};
static const dlrt_cursor cursors[] = {{{DLRT_INPUT, 0, 0}, ROW, NULL},
                                      {{DLRT_OUTPUT, 0, 0}, ROW, NULL}};
static const dlrt_loop loops[] = {{.first = 0,
                                   .count = 2,
                                   .trips_of = model_rows,
                                   .apart = 1,
                                   .test = -1,
                                   .cursor_count = 2,
                                   .cursors = cursors}};
static const dlrt_entry entries[] = {{"line", DLRT_MODEL_ENTRY, "line.dl:3", 1, model_n, 1, line_in,
                                      1, line_out, 2, steps, line_shapes, .loop_count = 1,
                                      .loops = loops}};

static dlrt_model apart_model(void) {
  dlrt_model made = model;
  made.entry_count = 1;
  made.entries = entries;
  made.trip_bytes = 128;
  made.max_operands = made.trip_operands = 5;
  made.cursors = 2;
  made.nesting = 1;
  return made;
}

static void test_trips(void **state) {
  (void)state;
  dlrt_model made = apart_model();
  float x[24], out[24];
  for (int i = 0; i < 24; i++) x[i] = (float)i;
  for (int threads = 1; threads <= 4; threads++) {
    dlrt_context *net;
    dlrt_tensor_view view;
    assert_int_equal(dlrt_open(&made, &net, NULL, threads), DLRT_OK);
    assert_int_equal(dlrt_find(net, "scale.weight", &view), DLRT_OK);
    memcpy(view.data, (float[]){1, 2, 3}, 12);
    for (int round = 0; round < 100; round++)
      for (int64_t n = 1; n <= 8; n++) {
        memset(out, 0, sizeof out);
        assert_int_equal(dlrt_call(net, 0, &n, (const void *[]){x}, (void *[]){out}), DLRT_OK);
        for (int i = 0; i < 24; i++)
          assert_true(out[i] == (i < 3 * n ? x[i] * (float)(i % 3 + 1) : 0));
      }
    dlrt_close(net);
  }
}

/* Threads take trips where no more than a quarter of their time is lost. */
static void test_few_trips(void **state) {
  (void)state;
  dlrt_model made = apart_model();
  dlrt_context *net;
  assert_int_equal(dlrt_open(&made, &net, NULL, 2), DLRT_OK);
  if (net->threads == 2) {
    float x[24] = {0}, out[24];
    dlrt_walk walk = dlrt_walk_begin(net, entries, (const void *[]){x}, (void *[]){out});
    for (int64_t n = 1; n <= 8; n++) assert_int_equal(dlrt_apart_run(&walk, loops, n), n != 1);
  }
  dlrt_close(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_trips),
                                     cmocka_unit_test(test_few_trips)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
