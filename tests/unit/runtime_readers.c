/* Readers of arrays: what they give for good files, and that cut and damaged ones are refused
 * without a crash (the sanitizers look on). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/array.h"
#include "runtime/element.h"
#include "runtime/inflate.h"
#include "tests/unit/runtime_folder.h"
#include "tests/unit/runtime_samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static dlrt_error error;

static void put_file(const char *name, const void *data, size_t size) {
  FILE *file = fopen(in_folder(name), "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  fclose(file);
}

static dlrt_status read_bytes(const char *name, const void *data, size_t size,
                              const dlrt_wanted *wanted, dlrt_array *array) {
  put_file(name, data, size);
  error.text[0] = 0;
  dlrt_status status = dlrt_array_read(in_folder(name), wanted, array, &error);
  if (status) assert_true(error.text[0] != 0 && error.status == status);
  return status;
}

static const dlrt_wanted image = {"image", DLRT_F32, 1, {-1}};

/* Every prefix is refused; every changed byte is refused or read, within memory's bounds. */
static void damage(const char *name, const unsigned char *data, size_t size) {
  unsigned char *copy = malloc(size);
  dlrt_array array;
  for (size_t cut = 0; cut < size; cut++) {
    memcpy(copy, data, cut);
    assert_true(read_bytes(name, copy, cut, &image, &array) != DLRT_OK);
  }
  static const unsigned char changes[] = {1, 0x80, 0xff};
  memcpy(copy, data, size);
  for (size_t at = 0; at < size; at++)
    for (size_t c = 0; c < sizeof changes; c++) {
      copy[at] = data[at] ^ changes[c];
      if (read_bytes(name, copy, size, &image, &array) == DLRT_OK) {
        assert_true(dlrt_array_bytes(array.element, array.rank, array.shape) == array.bytes);
        unsigned sum = 0;
        for (size_t i = 0; i < array.bytes; i++) sum += ((const unsigned char *)array.data)[i];
        (void)sum;
        dlrt_array_free(&array);
      }
      copy[at] = data[at];
    }
  free(copy);
}

static void test_idx(void **state) {
  (void)state;
  dlrt_array array;
  for (int gz = 0; gz < 2; gz++) {
    const unsigned char *data = gz ? sample_idx_gz : sample_idx;
    size_t size = gz ? sizeof sample_idx_gz : sizeof sample_idx;
    assert_int_equal(read_bytes("idx3-ubyte", data, size, NULL, &array), DLRT_OK);
    assert_int_equal(array.element, DLRT_U8);
    assert_int_equal(array.rank, 3);
    assert_int_equal(array.shape[0], 2);
    assert_int_equal(array.shape[1], 3);
    assert_int_equal(array.shape[2], 2);
    for (int i = 0; i < 12; i++) assert_int_equal(((const uint8_t *)array.data)[i], i);
    dlrt_array_free(&array);
    damage("idx3-ubyte", data, size);
  }
  static const unsigned char shorts[] = {0, 0, 0x0b, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 2};
  assert_int_equal(read_bytes("shorts", shorts, sizeof shorts, NULL, &array), DLRT_OK);
  assert_int_equal(((const int32_t *)array.data)[0], -2);
  assert_int_equal(((const int32_t *)array.data)[1], 258);
  dlrt_array_free(&array);
  static const unsigned char huge[] = {0,    0,    8,    4,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  assert_int_equal(read_bytes("huge", huge, sizeof huge, NULL, &array), DLRT_BAD_FILE);
}

static size_t make_npy(unsigned char *to, int version, const char *head, const void *data,
                       size_t size) {
  size_t length = strlen(head), begin = version == 1 ? 10 : 12;
  memcpy(to, "\x93NUMPY", 6);
  to[6] = (unsigned char)version;
  to[7] = 0;
  to[8] = (unsigned char)length;
  to[9] = (unsigned char)(length >> 8);
  if (version > 1) to[10] = to[11] = 0;
  memcpy(to + begin, head, length);
  memcpy(to + begin + length, data, size);
  return begin + length + size;
}

static void test_npy(void **state) {
  (void)state;
  unsigned char bytes[512];
  dlrt_array array;
  static const float numbers[] = {1, 2, 3, 4, 5, 6};
  for (int version = 1; version <= 3; version++) {
    size_t size =
        make_npy(bytes, version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n",
                 numbers, sizeof numbers);
    assert_int_equal(read_bytes("a.npy", bytes, size, NULL, &array), DLRT_OK);
    assert_int_equal(array.rank, 2);
    assert_memory_equal(array.data, numbers, sizeof numbers);
    dlrt_array_free(&array);
    damage("a.npy", bytes, size);
  }
  size_t size = make_npy(bytes, 1, "{\"shape\":(2,3),\"fortran_order\":True,\"descr\":\"<f4\"}",
                         numbers, sizeof numbers);
  assert_int_equal(read_bytes("f.npy", bytes, size, NULL, &array), DLRT_OK);
  static const float turned[] = {1, 3, 5, 2, 4, 6};
  assert_memory_equal(array.data, turned, sizeof turned);
  dlrt_array_free(&array);
  static const unsigned char big[] = {0, 0, 0, 0, 0, 0, 1, 2};
  size = make_npy(bytes, 1, "{'descr': '>i8', 'fortran_order': False, 'shape': ()}", big, 8);
  assert_int_equal(read_bytes("s.npy", bytes, size, NULL, &array), DLRT_OK);
  assert_int_equal(array.rank, 0);
  assert_int_equal(dlrt_element_get_integer(array.element, array.data), 258);
  dlrt_array_free(&array);
}

static void test_npy_refused(void **state) {
  (void)state;
  static const char *const heads[] = {
      "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
      "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}",
      "{'descr': '<f4', 'shape': (2,",
      "{'descr': '|b1', 'fortran_order': False, 'shape': (8,)}",
      "",
  };
  unsigned char bytes[512];
  dlrt_array array;
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    size_t size = make_npy(bytes, 1, heads[i], "\2\0\0\0\0\0\0\0", 8);
    assert_int_equal(read_bytes("bad.npy", bytes, size, NULL, &array), DLRT_BAD_FILE);
  }
}

static void test_npz(void **state) {
  (void)state;
  dlrt_array array;
  dlrt_wanted label = {"label", DLRT_F32, 1, {-1}}, none = {"none", DLRT_F32, 1, {-1}};
  assert_int_equal(read_bytes("a.npz", sample_npz, sizeof sample_npz, &image, &array), DLRT_OK);
  assert_memory_equal(array.data, ((float[]){1, 2, 3}), 12);
  dlrt_array_free(&array);
  assert_int_equal(read_bytes("a.npz", sample_npz, sizeof sample_npz, &label, &array), DLRT_OK);
  assert_true(dlrt_element_get(DLRT_F32, array.data) == 7);
  dlrt_array_free(&array);
  assert_int_equal(read_bytes("a.npz", sample_npz, sizeof sample_npz, &none, &array),
                   DLRT_BAD_FILE);
  assert_non_null(strstr(error.text, "no array 'none'; it has image, label"));
  damage("a.npz", sample_npz, sizeof sample_npz);
}

static void test_png(void **state) {
  (void)state;
  dlrt_array array;
  assert_int_equal(read_bytes("a.png", sample_png_grey, sizeof sample_png_grey, &image, &array),
                   DLRT_OK);
  assert_int_equal(array.full, 255);
  assert_int_equal(array.shape[0], 1);
  assert_int_equal(array.shape[1], 5);
  assert_int_equal(array.shape[2], 4);
  for (int i = 0; i < 20; i++)
    assert_int_equal(((const uint8_t *)array.data)[i], i / 4 * 10 + i % 4 * 3);
  dlrt_array_free(&array);
  assert_int_equal(
      read_bytes("p.png", sample_png_palette, sizeof sample_png_palette, &image, &array), DLRT_OK);
  static const uint8_t planes[] = {1,   10, 100, 100, 10, 1,   2,   20, 150,
                                   150, 20, 2,   3,   30, 200, 200, 30, 3};
  assert_int_equal(array.bytes, sizeof planes);
  static const uint8_t first_row[] = {1, 10, 100};
  assert_memory_equal(array.data, first_row, 3);
  assert_memory_equal(array.data, planes, sizeof planes);
  dlrt_array_free(&array);
  assert_int_equal(read_bytes("r.png", sample_png_rgba, sizeof sample_png_rgba, &image, &array),
                   DLRT_OK);
  assert_int_equal(array.full, 65535);
  assert_memory_equal(array.data, ((int32_t[]){1, 256, 2, 257, 3, 65535}), 24);
  dlrt_array_free(&array);
  assert_int_equal(
      read_bytes("i.png", sample_png_interlaced, sizeof sample_png_interlaced, &image, &array),
      DLRT_BAD_FILE);
  assert_non_null(strstr(error.text, "interlaced"));
  assert_int_equal(read_bytes("b.png", sample_png_bomb, sizeof sample_png_bomb, &image, &array),
                   DLRT_BAD_FILE);
  damage("a.png", sample_png_grey, sizeof sample_png_grey);
  damage("p.png", sample_png_palette, sizeof sample_png_palette);
}

static void test_pnm(void **state) {
  (void)state;
  dlrt_array array;
  static const unsigned char grey[] = "P5 # a comment\n2 2\n255\n\1\2\3\4";
  assert_int_equal(read_bytes("a.pgm", grey, sizeof grey - 1, &image, &array), DLRT_OK);
  assert_int_equal(array.full, 255);
  assert_memory_equal(array.data, "\1\2\3\4", 4);
  dlrt_array_free(&array);
  damage("a.pgm", grey, sizeof grey - 1);
  static const unsigned char text[] = "P3\n1 2 1000\n1 20 1000\n4 50 600\n";
  assert_int_equal(read_bytes("a.ppm", text, sizeof text - 1, &image, &array), DLRT_OK);
  assert_int_equal(array.full, 1000);
  assert_memory_equal(array.data, ((int32_t[]){1, 4, 20, 50, 1000, 600}), 24);
  dlrt_array_free(&array);
  static const unsigned char wide[] = "P5 1 1 65535 \1\2";
  assert_int_equal(read_bytes("w.pgm", wide, sizeof wide - 1, &image, &array), DLRT_OK);
  assert_int_equal(*(const int32_t *)array.data, 258);
  dlrt_array_free(&array);
  static const char *const bad[] = {
      "P5 2147483647 2147483647 255 a", "P2 1 1 255 256", "P5 0 1 1 ", "P4 1 1 a",
      "P5 99999999999 1 255 ",          "P2 2 1 255 1 x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(read_bytes("b.pgm", bad[i], strlen(bad[i]), &image, &array), DLRT_BAD_FILE);
}

static void test_csv(void **state) {
  (void)state;
  dlrt_array array;
  dlrt_wanted label = {"label", DLRT_I64, 1, {-1}};
  static const char text[] = "x,y\n1, 2.5\r\n# left out\n\n-3e2;inf";
  assert_int_equal(read_bytes("a.csv", text, sizeof text - 1, &image, &array), DLRT_OK);
  assert_int_equal(array.shape[0], 2);
  assert_int_equal(array.shape[1], 2);
  assert_memory_equal(array.data, ((double[]){1, 2.5, -300, INFINITY}), 32);
  dlrt_array_free(&array);
  assert_int_equal(read_bytes("l.csv", "9007199254740993\n-7\n", 20, &label, &array), DLRT_OK);
  assert_memory_equal(array.data, ((int64_t[]){9007199254740993, -7}), 16);
  dlrt_array_free(&array);
  /* UTF-8's mark is no heading; a heading may stand below remarks. */
  static const char marked[] = "\xef\xbb\xbf"
                               "1,2\n",
                    below[] = "# made by hand\nx,y\n1,2\n";
  const char *const two[] = {marked, below};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(read_bytes("a.csv", two[i], strlen(two[i]), &image, &array), DLRT_OK);
    assert_memory_equal(array.data, ((double[]){1, 2}), 16);
    assert_int_equal(array.bytes, 16);
    dlrt_array_free(&array);
  }
  assert_int_equal(read_bytes("b.csv",
                              "1\0"
                              "9\n",
                              4, &image, &array),
                   DLRT_BAD_FILE);
  static const char *const bad[] = {
      "",
      "x,y\n",
      "1,2\n3",
      "1,,2",
      "1,x",
      "1 2 3,\n",
      ("99999999999999999999999999999999999999999999999999999999999999"
       "9999999\n1")};
  for (size_t i = 0; i < sizeof bad / sizeof *bad - 1; i++)
    assert_int_equal(read_bytes("b.csv", bad[i], strlen(bad[i]), &image, &array), DLRT_BAD_FILE);
  assert_int_equal(read_bytes("l.csv", "1.5\n2\n", 6, &label, &array), DLRT_BAD_FILE);
  assert_non_null(strstr(error.text, "l.csv:1: column 1 is not a whole number"));
}

static void test_raw(void **state) {
  (void)state;
  dlrt_array array;
  dlrt_wanted pairs = {"x", DLRT_F32, 2, {-1, 2}}, two = {"x", DLRT_F32, 2, {-1, -1}};
  static const float numbers[] = {1, 2, 3, 4, 5, 6};
  assert_int_equal(read_bytes("a.raw", numbers, sizeof numbers, &pairs, &array), DLRT_OK);
  assert_int_equal(array.shape[0], 3);
  assert_memory_equal(array.data, numbers, sizeof numbers);
  dlrt_array_free(&array);
  assert_int_equal(read_bytes("a.raw", numbers, 20, &pairs, &array), DLRT_BAD_FILE);
  assert_int_equal(read_bytes("a.raw", numbers, 24, &two, &array), DLRT_BAD_FILE);
}

/* What is written is read back: each element in .npy, several in .npz, text in .csv. */
static void test_write(void **state) {
  (void)state;
  dlrt_array array;
  static const unsigned char bytes[24] = {1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1};
  for (int element = 0; element < DLRT_ELEMENTS; element++) {
    int64_t count = (int64_t)(sizeof bytes / dlrt_element_size(element));
    dlrt_result result = {"out", (dlrt_element)element, 1, {count}, bytes};
    assert_int_equal(dlrt_array_write(in_folder("w.npy"), &result, 1, &error), DLRT_OK);
    assert_int_equal(dlrt_array_read(in_folder("w.npy"), &image, &array, &error), DLRT_OK);
    assert_int_equal(array.shape[0], count);
    assert_int_equal(array.element, element == DLRT_BF16 ? DLRT_F32 : element);
    if (element != DLRT_BF16) assert_memory_equal(array.data, bytes, sizeof bytes);
    dlrt_array_free(&array);
  }
  static const float numbers[] = {1, 2.5f, 0.1f, -4};
  dlrt_result results[] = {{"out", DLRT_F32, 2, {2, 2}, numbers}, {"image", DLRT_U8, 0, {0}, "a"}};
  assert_int_equal(dlrt_array_write(in_folder("w.npz"), results, 2, &error), DLRT_OK);
  dlrt_wanted out = {"out", DLRT_F32, 2, {-1, -1}};
  assert_int_equal(dlrt_array_read(in_folder("w.npz"), &out, &array, &error), DLRT_OK);
  assert_memory_equal(array.data, numbers, sizeof numbers);
  dlrt_array_free(&array);
  assert_int_equal(dlrt_array_read(in_folder("w.npz"), &image, &array, &error), DLRT_OK);
  assert_int_equal(*(const char *)array.data, 'a');
  dlrt_array_free(&array);
  assert_int_equal(dlrt_array_write(in_folder("w.csv"), results, 1, &error), DLRT_OK);
  assert_int_equal(dlrt_array_read(in_folder("w.csv"), &out, &array, &error), DLRT_OK);
  for (int i = 0; i < 4; i++) assert_true((float)((const double *)array.data)[i] == numbers[i]);
  dlrt_array_free(&array);
  assert_int_equal(dlrt_array_write(in_folder("w.npy"), results, 2, &error), DLRT_BAD_ARGUMENT);
  assert_int_equal(dlrt_array_write(in_folder("w.doc"), results, 1, &error), DLRT_BAD_ARGUMENT);
  assert_int_equal(dlrt_array_write(in_folder("none/w.npy"), results, 1, &error), DLRT_NO_SPACE);
  assert_int_equal(dlrt_array_write("/dev/full", results, 1, &error), DLRT_BAD_ARGUMENT);
}

/* A block with codes of its own, matches and a long head, whole, joined and cut. */
static void test_gzip(void **state) {
  (void)state;
  size_t size = sizeof sample_text_gz;
  unsigned char twice[2 * sizeof sample_text_gz + 4] = {0};
  memcpy(twice, sample_text_gz, size);
  memcpy(twice + size, sample_text_gz, size);
  for (int joined = 1; joined <= 2; joined++) {
    dlrt_file file = {twice, joined == 1 ? size : sizeof twice, DLRT_BORROWED};
    assert_int_equal(dlrt_file_gunzip("text", &file, &error), DLRT_OK);
    assert_int_equal(file.size, joined * 3000);
    for (int n = 0; n < joined * 3000; n++) {
      int i = n % 3000;
      assert_int_equal(file.data[n], i % 7 ? i * i / 8 % 23 + 97 : i % 3 + 32);
    }
    dlrt_file_close(&file);
  }
  for (size_t cut = 2; cut < size; cut++) {
    unsigned char *part = malloc(cut);
    memcpy(part, sample_text_gz, cut);
    dlrt_file file = {part, cut, DLRT_BORROWED};
    assert_int_equal(dlrt_file_gunzip("text", &file, &error), DLRT_BAD_FILE);
    free(part);
  }
  for (size_t at = 28; at < size; at++) {
    if (at == size - 9) continue; /* the last byte of data is not full; each other one matters */
    twice[at] ^= 0x10;
    dlrt_file file = {twice, size, DLRT_BORROWED};
    assert_int_equal(dlrt_file_gunzip("text", &file, &error), DLRT_BAD_FILE);
    twice[at] ^= 0x10;
  }
  enum { FLAGS = 3, HEAD = 28, SUM = 2 }; /* a head that has a sum too */
  twice[FLAGS] |= SUM;
  uint32_t sum = dlrt_crc32(0, twice, HEAD);
  memcpy(twice + HEAD + 2, sample_text_gz + HEAD, size - HEAD);
  for (int right = 1; right >= 0; right--) {
    twice[HEAD] = (unsigned char)sum;
    twice[HEAD + 1] = (unsigned char)((sum >> 8) ^ !right);
    dlrt_file file = {twice, size + 2, DLRT_BORROWED};
    assert_int_equal(dlrt_file_gunzip("text", &file, &error), right ? DLRT_OK : DLRT_BAD_FILE);
    if (right) dlrt_file_close(&file);
  }
}

static void test_missing(void **state) {
  (void)state;
  dlrt_array array;
  assert_int_equal(dlrt_array_read(in_folder("nothing.npy"), &image, &array, &error), DLRT_NO_FILE);
  assert_int_equal(dlrt_array_read(folder, &image, &array, &error), DLRT_NO_FILE);
  assert_int_equal(read_bytes("x.jpg", "\xff\xd8\xff\xe0", 4, &image, &array), DLRT_BAD_FILE);
  assert_non_null(strstr(error.text, "JPEG"));
}

static void test_elements(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 65536; bits++) {
    float wide = dlrt_from_f16((uint16_t)bits);
    if (wide != wide)
      assert_true((dlrt_to_f16(wide) & 0x7c00) == 0x7c00 && (dlrt_to_f16(wide) & 0x3ff));
    else
      assert_int_equal(dlrt_to_f16(wide), bits);
    wide = dlrt_from_bf16((uint16_t)bits);
    if (wide == wide) assert_int_equal(dlrt_to_bf16(wide), bits);
  }
  /* Half way between two neighbours: to the even one. */
  assert_int_equal(dlrt_to_f16(1 + 0x1p-11f), 0x3c00);
  assert_int_equal(dlrt_to_f16(1 + 3 * 0x1p-11f), 0x3c02);
  assert_int_equal(dlrt_to_f16(0x1p-25f), 0);
  assert_int_equal(dlrt_to_f16(0x1.8p-24f), 2);
  assert_int_equal(dlrt_to_f16(65519.9f), 0x7bff);
  assert_int_equal(dlrt_to_f16(65520), 0x7c00);
  assert_int_equal(dlrt_to_bf16(1 + 0x1p-8f), 0x3f80);
  assert_int_equal(dlrt_to_bf16(1 + 3 * 0x1p-8f), 0x3f82);
  assert_int_equal(dlrt_to_bf16(INFINITY), 0x7f80);
  int8_t narrow[4];
  assert_int_equal(dlrt_convert(DLRT_F32, (float[]){300, -300, -1.9f, NAN}, DLRT_I8, narrow, 4, 1),
                   0);
  assert_memory_equal(narrow, ((int8_t[]){127, -128, -1, 0}), 4);
  assert_int_equal(dlrt_convert(DLRT_I64, (int64_t[]){1, 128}, DLRT_I8, narrow, 2, 1), 1);
  float scaled[2];
  dlrt_convert(DLRT_U8, (uint8_t[]){0, 255}, DLRT_F32, scaled, 2, 1.0 / 255);
  assert_true(scaled[0] == 0 && scaled[1] == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_idx),         cmocka_unit_test(test_npy),
      cmocka_unit_test(test_npy_refused), cmocka_unit_test(test_npz),
      cmocka_unit_test(test_png),         cmocka_unit_test(test_pnm),
      cmocka_unit_test(test_csv),         cmocka_unit_test(test_raw),
      cmocka_unit_test(test_gzip),        cmocka_unit_test(test_write),
      cmocka_unit_test(test_missing),     cmocka_unit_test(test_elements),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
