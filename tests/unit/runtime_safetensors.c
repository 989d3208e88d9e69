/* safetensors: round trip, damaged files, and loading a model's parameters: all names or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/safetensors.h"
#include "tests/unit/runtime_folder.h"
#include "tests/unit/runtime_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static dlrt_error error;

/* A file of a head and some zeros. */
static size_t make(unsigned char *to, const char *head, size_t data) {
  size_t length = strlen(head);
  memset(to, 0, 8 + length + data);
  to[0] = (unsigned char)length;
  to[1] = (unsigned char)(length >> 8);
  memcpy(to + 8, head, length);
  return 8 + length + data;
}

static void test_round_trip(void **state) {
  (void)state;
  dlrt_stored tensors[] = {{"b\"\\\n\xc3\xa9", DLRT_I8, NULL, 1, {3}, "abc", 3},
                           {"a", DLRT_F32, NULL, 2, {1, 2}, (float[]){1, 2}, 8},
                           {"c", DLRT_I64, NULL, 0, {0}, (int64_t[]){7}, 8}};
  dlrt_metadata metadata[] = {{"dlc.version", "0.1.0"}, {"k", "v \"x\""}};
  assert_int_equal(dlrt_safetensors_write(in_folder("a"), tensors, 3, metadata, 2, &error),
                   DLRT_OK);
  dlrt_safetensors file;
  assert_int_equal(dlrt_safetensors_open(in_folder("a"), &file, &error), DLRT_OK);
  assert_int_equal(file.count, 3);
  for (int i = 0; i < 3; i++) {
    const dlrt_stored *found = dlrt_safetensors_find(&file, tensors[i].name);
    assert_non_null(found);
    assert_int_equal(found->element, tensors[i].element);
    assert_int_equal(found->rank, tensors[i].rank);
    assert_int_equal(found->bytes, tensors[i].bytes);
    assert_memory_equal(found->data, tensors[i].data, found->bytes);
  }
  assert_int_equal((uintptr_t)dlrt_safetensors_find(&file, "c")->data % 8, 0);
  assert_null(dlrt_safetensors_find(&file, "d"));
  assert_string_equal(dlrt_safetensors_metadata(&file, "k"), "v \"x\"");
  assert_null(dlrt_safetensors_metadata(&file, "x"));
  unsigned char copy[1024];
  size_t size = file.file.size;
  assert_true(size < sizeof copy);
  memcpy(copy, file.file.data, size);
  dlrt_safetensors_close(&file);
  for (size_t cut = 0; cut < size; cut++) {
    unsigned char *part = malloc(cut ? cut : 1);
    memcpy(part, copy, cut);
    assert_int_equal(dlrt_safetensors_read("cut", part, cut, &file, &error), DLRT_BAD_FILE);
    free(part);
  }
  for (size_t at = 0; at < size; at++)
    for (int change = 1; change < 256; change = change * 3 + 1) {
      copy[at] ^= (unsigned char)change;
      if (dlrt_safetensors_read("changed", copy, size, &file, NULL) == DLRT_OK)
        dlrt_safetensors_close(&file);
      copy[at] ^= (unsigned char)change;
    }
}

static void test_refused(void **state) {
  (void)state;
  static const char *const heads[] = {
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,18446744073709551624]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}",
      "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
      "{\"a\\u0000\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}",
      "{\"a\":{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
      "[[[[[",
      "{\"__metadata__\":{\"a\":1}}",
      "[]",
      "{",
      "{}x",
  };
  unsigned char bytes[1024];
  dlrt_safetensors file;
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    size_t size = make(bytes, heads[i], 8);
    assert_int_equal(dlrt_safetensors_read("x", bytes, size, &file, &error), DLRT_BAD_FILE);
  }
  /* Types that are not read do no harm until they are asked for; unknown fields are passed over. */
  size_t size = make(bytes,
                     "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]},\"b\":{"
                     "\"more\":[1,{\"x\":null}],\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":["
                     "0,8]}}  ",
                     8);
  assert_int_equal(dlrt_safetensors_read("x", bytes, size, &file, &error), DLRT_OK);
  assert_int_equal(dlrt_safetensors_find(&file, "a")->element, DLRT_ELEMENTS);
  assert_int_equal(dlrt_safetensors_find(&file, "b")->element, DLRT_F32);
  dlrt_safetensors_close(&file);
}

static float weight_of(dlrt_context *net, int index) {
  dlrt_tensor_view view;
  assert_int_equal(dlrt_find(net, "scale.weight", &view), DLRT_OK);
  return ((const float *)view.data)[index];
}

static void test_load(void **state) {
  (void)state;
  dlrt_context *net;
  assert_int_equal(dlrt_open(&model, &net, NULL, 1), DLRT_OK);
  dlrt_stored good[] = {{"scale.weight", DLRT_F64, NULL, 1, {3}, (double[]){1, 2, 3}, 24},
                        {"scale.bias", DLRT_F16, NULL, 0, {0}, (uint16_t[]){0x3800}, 2},
                        {"other", DLRT_I64, NULL, 0, {0}, (int64_t[]){0}, 8}};
  dlrt_safetensors_write(in_folder("good"), good, 3, NULL, 0, &error);
  assert_int_equal(dlrt_load(net, in_folder("good")), DLRT_OK);
  assert_true(weight_of(net, 2) == 3);
  float x[3] = {1, 1, 1}, out[3];
  assert_int_equal(dlrt_call(net, 0, (int64_t[]){1}, (const void *[]){x}, (void *[]){out}),
                   DLRT_OK);
  assert_true(out[0] == 1.5f && out[2] == 3.5f);
  /* Each of these has one good tensor and changes nothing. */
  float nines[] = {9, 9, 9, 9};
  dlrt_stored bad[][2] = {
      {{"scale.weight", DLRT_F32, NULL, 1, {3}, nines, 12},
       {"scale.bia", DLRT_F32, NULL, 0, {0}, nines, 4}},
      {{"scale.weight", DLRT_F32, NULL, 1, {3}, nines, 12},
       {"scale.bias", DLRT_F32, NULL, 1, {1}, nines, 4}},
      {{"scale.weight", DLRT_F32, NULL, 1, {3}, nines, 12},
       {"scale.bias", DLRT_I32, NULL, 0, {0}, nines, 4}},
  };
  static const char *const texts[] = {"'scale.bias' is not there (made at line.dl:4:8)",
                                      "'scale.bias' is f32[1], wanted f32[]",
                                      "'scale.bias' is i32[], wanted f32[]"};
  for (int i = 0; i < 3; i++) {
    dlrt_safetensors_write(in_folder("bad"), bad[i], 2, NULL, 0, &error);
    assert_int_equal(dlrt_load(net, in_folder("bad")), DLRT_BAD_FILE);
    assert_non_null(strstr(dlrt_detail(net), texts[i]));
    assert_true(weight_of(net, 0) == 1);
  }
  assert_int_equal(dlrt_load(net, in_folder("nothing")), DLRT_NO_FILE);
  assert_int_equal(dlrt_load(net, NULL), DLRT_BAD_ARGUMENT);
  assert_int_equal(dlrt_save(net, in_folder("saved")), DLRT_OK);
  dlrt_context *other;
  assert_int_equal(dlrt_open(&model, &other, NULL, 1), DLRT_OK);
  assert_int_equal(dlrt_load(other, in_folder("saved")), DLRT_OK);
  assert_true(weight_of(other, 1) == 2);
  dlrt_close(other);
  assert_int_equal(dlrt_save(net, "/dev/full"), DLRT_NO_SPACE);
  assert_int_equal(dlrt_save(net, in_folder("none/saved")), DLRT_NO_SPACE);
  assert_int_not_equal(access(in_folder(".saved.tmp"), F_OK), 0);
  dlrt_close(net);
}

/* Constants that lie beside the program. */
static void test_beside(void **state) {
  (void)state;
  dlrt_model beside = model;
  beside.constants = NULL;
  beside.constants_hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  dlrt_context *net;
  assert_int_equal(dlrt_open(&beside, &net, NULL, 1), DLRT_OK);
  int64_t index[] = {2};
  float out[1];
  const void *inputs[] = {index};
  void *outputs[] = {out};
  assert_int_equal(dlrt_call(net, 1, (int64_t[]){1}, inputs, outputs), DLRT_BAD_ARGUMENT);
  char *bytes = calloc(1, DLRT_WEIGHTS_HEAD + sizeof model_table);
  sprintf(bytes, "%s%s\n", DLRT_WEIGHTS_MAGIC, beside.constants_hash);
  memcpy(bytes + DLRT_WEIGHTS_HEAD, model_table, sizeof model_table);
  size_t size = DLRT_WEIGHTS_HEAD + sizeof model_table;
  for (int damage = 0; damage < 4; damage++) {
    if (damage == 1) bytes[0] ^= 1;
    if (damage == 2) bytes[20] ^= 1;
    FILE *file = fopen(in_folder("w"), "wb");
    fwrite(bytes, 1, damage == 3 ? size - 1 : size, file);
    fclose(file);
    if (damage == 1) bytes[0] ^= 1;
    if (damage == 2) bytes[20] ^= 1;
    assert_int_equal(dlrt_load(net, in_folder("w")), damage ? DLRT_BAD_FILE : DLRT_OK);
  }
  FILE *file = fopen(in_folder("w2"), "wb");
  fwrite(bytes, 1, size, file);
  fclose(file);
  assert_int_equal(dlrt_load(net, in_folder("w2")), DLRT_OK);
  assert_int_equal(dlrt_call(net, 1, (int64_t[]){1}, inputs, outputs), DLRT_OK);
  assert_true(out[0] == 12);
  dlrt_close(net);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_load),
      cmocka_unit_test(test_beside),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
