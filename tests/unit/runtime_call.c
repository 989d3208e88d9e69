/* Opening, calling and closing a model: results, threads, bounds, checks, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/context.h"
#include "tests/unit/runtime_model.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

static void set_parameters(dlrt_context *net) {
  dlrt_tensor_view view;
  assert_int_equal(dlrt_find(net, "scale.weight", &view), DLRT_OK);
  assert_string_equal(view.type, "f32");
  assert_int_equal(view.rank, 1);
  assert_int_equal(view.dims[0], 3);
  memcpy(view.data, (float[]){1, 2, 3}, 12);
  assert_int_equal(dlrt_at(net, 1, &view), DLRT_OK);
  assert_string_equal(view.name, "scale.bias");
  memcpy(view.data, (float[]){0.5f}, 4);
}

static dlrt_status call(dlrt_context *net, int64_t entry, const int64_t *dims, const void *input,
                        void *output) {
  return dlrt_call(net, entry, dims, (const void *[]){input}, (void *[]){output});
}

static void test_call(void **state) {
  (void)state;
  dlrt_context *net;
  assert_int_equal(dlrt_open(&model, &net, NULL, 0), DLRT_OK);
  assert_int_equal(dlrt_count(&model), 2);
  float x[24], out[24];
  for (int i = 0; i < 24; i++) x[i] = (float)i;
  assert_int_equal(call(net, 0, (int64_t[]){8}, x, out), DLRT_OK);
  for (int i = 0; i < 24; i++) assert_true(out[i] == 0); /* parameters begin as zeros */
  set_parameters(net);
  for (int64_t n = 1; n <= 8; n++) {
    memset(out, 0, sizeof out);
    assert_int_equal(call(net, 0, &n, x, out), DLRT_OK);
    for (int i = 0; i < 24; i++)
      assert_true(out[i] == (i < 3 * n ? x[i] * (float)(i % 3 + 1) + 0.5f : 0));
  }
  dlrt_close(net);
}

static void test_memory_of_the_caller(void **state) {
  (void)state;
  size_t size = dlrt_context_size(&model, 2);
  assert_int_equal(size, DLRT_CONTEXT_BYTES(128, 192, 2, 3) + 2 * DLRT_THREAD_BYTES(64, 0, 0));
  char *memory = aligned_alloc(DLRT_ALIGN, size);
  dlrt_context *net;
  assert_int_equal(dlrt_open(&model, &net, memory, 0), DLRT_BAD_ARGUMENT);
  assert_null(net);
  assert_int_equal(dlrt_open(&model, &net, memory + 8, 1), DLRT_BAD_ARGUMENT);
  assert_int_equal(dlrt_open(&model, &net, memory, 2), DLRT_OK);
  assert_ptr_equal(net, memory);
  set_parameters(net);
  float x[3] = {1, 1, 1}, out[3];
  assert_int_equal(call(net, 0, (int64_t[]){1}, x, out), DLRT_OK);
  assert_true(out[2] == 3.5f);
  dlrt_close(net);
  free(memory);
}

static void test_bounds(void **state) {
  (void)state;
  dlrt_context *net;
  assert_int_equal(dlrt_open(&model, &net, NULL, 1), DLRT_OK);
  float x[64] = {0}, out[64];
  memset(out, 1, sizeof out);
  char before[sizeof out];
  memcpy(before, out, sizeof out);
  assert_int_equal(call(net, 0, (int64_t[]){9}, x, out), DLRT_BAD_DIM);
  assert_string_equal(dlrt_detail(net), "N is 9, at most 8 (line.dl:1)");
  assert_int_equal(call(net, 0, (int64_t[]){0}, x, out), DLRT_BAD_DIM);
  assert_string_equal(dlrt_detail(net), "N is 0, at least 1 (line.dl:1)");
  assert_int_equal(call(net, 2, (int64_t[]){5, 6}, x, out), DLRT_BAD_DIM);
  assert_string_equal(dlrt_detail(net), "N + T <= 10 does not hold (line.dl:11:9)");
  assert_int_equal(call(net, 0, (int64_t[]){1}, NULL, out), DLRT_BAD_ARGUMENT);
  assert_string_equal(dlrt_detail(net), "'x' is NULL");
  assert_int_equal(call(net, 0, (int64_t[]){1}, (char *)x + 1, out), DLRT_BAD_ARGUMENT);
  assert_int_equal(call(net, 3, (int64_t[]){1}, x, out), DLRT_BAD_ARGUMENT);
  assert_memory_equal(before, out, sizeof out);
  assert_int_equal(call(net, 2, (int64_t[]){4, 6}, x, out), DLRT_OK);
  assert_string_equal(dlrt_detail(net), "");
  dlrt_close(net);
  dlrt_close(NULL);
  assert_string_equal(dlrt_detail(NULL), "");
}

static void test_faults(void **state) {
  (void)state;
  dlrt_context *net;
  assert_int_equal(dlrt_open(&model, &net, NULL, 2), DLRT_OK);
  int64_t index[8] = {0, 1, 2, 3, 3, 2, 1, 0};
  float out[8];
  assert_int_equal(call(net, 1, (int64_t[]){8}, index, out), DLRT_OK);
  assert_true(out[3] == 13 && out[7] == 10);
  for (int bad = 0; bad < 8; bad++) {
    int64_t keep = index[bad];
    index[bad] = bad % 2 ? 4 : -1;
    assert_int_equal(call(net, 1, (int64_t[]){8}, index, out), DLRT_BAD_INDEX);
    assert_string_equal(dlrt_detail(net),
                        bad % 2 ? "the index 4 is not in 0..4 at line.dl:9:8: index"
                                : "the index -1 is not in 0..4 at line.dl:9:8: index");
    index[bad] = keep;
  }
  assert_int_equal(call(net, 1, (int64_t[]){8}, index, out), DLRT_OK);
  dlrt_close(net);
}

static void test_wrong_builds(void **state) {
  (void)state;
  dlrt_context *net;
  dlrt_model other = model;
  other.abi = DLRT_ABI + 1;
  assert_int_equal(dlrt_open(&other, &net, NULL, 1), DLRT_BAD_ARGUMENT);
  other = model;
  other.threading = NULL;
  assert_int_equal(dlrt_open(&other, &net, NULL, 8), DLRT_OK);
  assert_int_equal(dlrt_threads(net), 1);
  dlrt_close(net);
  other = model;
  other.thread_limit = 1;
  assert_int_equal(dlrt_open(&other, &net, NULL, 0), DLRT_OK);
  assert_int_equal(dlrt_threads(net), 1);
  dlrt_close(net);
  assert_true(dlrt_machine_has_level(0));
}

static void test_levels(void **state) {
  (void)state;
  dlrt_context *net;
  dlrt_model top = model; /* a level that no machine has, above one that this one has */
  top.cpu = "later", top.cpu_level = 99, top.lower = &model;
  assert_ptr_equal(dlrt_level(&top, NULL), &model);
  assert_ptr_equal(dlrt_level(&top, ""), &model);
  assert_ptr_equal(dlrt_level(&top, "later"), &model);
  assert_ptr_equal(dlrt_level(&top, "x86-64-v4"), &model);
  assert_ptr_equal(dlrt_level(&top, "x86-64-v2"), &model);
  assert_null(dlrt_level(&top, "x86-64-v1"));
  assert_null(dlrt_level(&top, "x86-64-v22"));
  assert_null(dlrt_level(&top, "pentium"));
  assert_int_equal(dlrt_open(&top, &net, NULL, 1), DLRT_OK);
  dlrt_close(net);
  setenv("DLC_CPU", "pentium", 1);
  assert_int_equal(dlrt_open(&top, &net, NULL, 1), DLRT_BAD_CPU);
  assert_null(net);
  setenv("DLC_CPU", "x86-64-v3", 1);
  assert_int_equal(dlrt_open(&top, &net, NULL, 1), DLRT_OK);
  dlrt_close(net);
  unsetenv("DLC_CPU");
  top.lower = NULL;
  assert_int_equal(dlrt_open(&top, &net, NULL, 1), DLRT_BAD_CPU);
}

static int cpus_of(pthread_t thread) {
  cpu_set_t set;
  assert_int_equal(pthread_getaffinity_np(thread, sizeof set, &set), 0);
  return CPU_COUNT(&set);
}

static void test_pinned(void **state) {
  (void)state;
  dlrt_context *net;
  int cpus[DLRT_THREADS], count = dlrt_machine_cpus(cpus, DLRT_THREADS);
  assert_int_equal(count, dlrt_machine_threads());
  for (int i = 0; i < count; i++)
    for (int j = 0; j < i; j++) assert_int_not_equal(cpus[i], cpus[j]);
  setenv("DLC_PIN", "1", 1);
  assert_int_equal(dlrt_open(&model, &net, NULL, 2), DLRT_OK);
  unsetenv("DLC_PIN");
  if (dlrt_threads(net) > 1) assert_int_equal(cpus_of(net->slots[1].thread), 1);
  assert_int_equal(cpus_of(pthread_self()), count);
  dlrt_close(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_call),         cmocka_unit_test(test_memory_of_the_caller),
      cmocka_unit_test(test_bounds),       cmocka_unit_test(test_faults),
      cmocka_unit_test(test_wrong_builds), cmocka_unit_test(test_levels),
      cmocka_unit_test(test_pinned),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
