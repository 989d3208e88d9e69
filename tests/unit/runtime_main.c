/* The command line of a binary: what it prints, what it writes, its exit codes. Each case runs
 * dlrt_main in a process of its own, with its streams in files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/bind.h"
#include "runtime/safetensors.h"
#include "tests/unit/runtime_model.h"
#include "tests/unit/runtime_pictures.h"
#include "tests/unit/runtime_program.h"

static void test_help(void **state) {
  (void)state;
  assert_int_equal(run(&pictures, "--help"), 0);
  has(out, "bright - a neural network, compiled by dlc 0.1.0 from bright.dl for x86-64-v3");
  has(out, "usage: ./net COMMAND [input=FILE ...] [options]");
  has(out, "predict  image=FILE  -> out f32[N,2]   run the model 'bright'");
  has(out, "image  f32[N,1,2,2]");
  has(out, "N      1 to 4 a call");
  has(out, "--weights FILE");
  lacks(out, "train");
  lacks(out, "--seed");
  for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
    assert_true(strlen(line) <= 100);
  assert_string_equal(err, "");
  assert_int_equal(run(&pictures, "help"), 0);
  assert_int_equal(run(&pictures, "predict -h"), 0);
}

static void test_usage(void **state) {
  (void)state;
  static const struct {
    const char *line, *error, *help;
  } cases[] = {
      {"", "net: error: no command", "help: predict, info, bench, profile"},
      {"predct image=x", "no command 'predct'", "help: predict"},
      {"info --weight=x", "no option '--weight=x'", "help: --weights FILE"},
      {"info --thread 2", "no option '--thread'", "help: --threads K"},
      {"predict --threads", "'--threads' needs a value", ""},
      {"predict --threads 0 image=x", "'0' is no value for '--threads K'", ""},
      {"predict --threads 2x image=x", "'2x' is no value for '--threads K'", ""},
      {"predict --json=1 image=x", "'--json' takes no value", ""},
      {"predict image.png", "'image.png' is no input=FILE", "help: image=image.png"},
      {"predict picture=x", "'bright' has no input 'picture'", "help: image=FILE, f32[N,1,2,2]"},
      {"predict", "'image' is missing: image=FILE, f32[N,1,2,2]", ""},
      {"predict image=x --entry dark", "no entry 'dark'", "help: --entry bright"},
      {"bench --expect x", "'--expect' is no option of 'bench'", ""},
      {"bench --batch 5", "a batch of 5: N goes from 1 to 4 (bright.dl:1)", ""},
      {"bench --dim N=5", "N is 5, it goes from 1 to 4 (bright.dl:1)", ""},
      {"bench --dim M=5", "there is no dim 'M'", ""},
      {"bench --dim N", "'N' is no value for '--dim N=K'", ""},
      {"bench --entry pairs --batch 3", "a batch is 2: 'bright' was built for it", ""},
      {"predict image=a.csv --norm x=1,2", "there is no input 'x'", ""},
      {"predict image=a.csv --norm image=1", "a mean and a deviation", ""},
      {"predict image=a.csv --norm image=1,0", "a mean and a deviation", ""},
      {"predict image=a.csv -o out.doc", "name it .npy, .npz or .csv", ""},
      {"predict image=a.csv --json -o -", "both want stdout", ""},
      {"predict image=a.csv --weights x", "the parameters are inside", ""},
  };
  put("a.csv", "0,0,0,0", 7);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(run(&pictures, cases[i].line), 2);
    has(err, cases[i].error);
    has(err, cases[i].help);
    assert_string_equal(out, "");
  }
}

static void test_predict(void **state) {
  (void)state;
  /* Six rows in batches of four, four and two: 0 0 0 0, 1 1 1 1, .. */
  put("a.csv", "0,0,0,0\n1,1,1,1\n2,2,2,2\n3,3,3,3\n4,4,4,4\n5,5,5,6\n", 48);
  put("out.csv", "0,1\n4,1\n8,1\n12,1\n16,1\n21,1\n", 27);
  assert_int_equal(run(&pictures, "predict image=a.csv --threads 1"), 0);
  has(out, "image    f64[6,4] as f32[N,1,2,2]\n");
  has(out, "1 thread, batch 4\n");
  has(out, "out      f32[6,2]\n  0 1\n  4 1\n  8 1\n  12 1\n  16 1\n  21 1\n");
  for (int batch = 1; batch <= 4; batch++) {
    char line[100];
    snprintf(line, sizeof line, "predict image=a.csv -o o.csv -q --batch=%d", batch);
    assert_int_equal(run(&pictures, line), 0);
    assert_string_equal(out, "");
    assert_string_equal(err, "");
    slurp("o.csv", out, sizeof out);
    assert_string_equal(out, "0,1\n4,1\n8,1\n12,1\n16,1\n21,1\n");
  }
  assert_int_equal(run(&pictures, "predict image=a.csv -o -"), 0);
  assert_string_equal(out, "0,1\n4,1\n8,1\n12,1\n16,1\n21,1\n");
  has(err, "predict  6 in ");
  assert_int_equal(run(&pictures, "predict image=a.csv --expect out.csv"), 0);
  has(out, "largest difference 0,");
  put("out.csv", "0,1\n4,1\n8,1\n12,1\n16,1\n20.9,1\n", 29);
  assert_int_equal(run(&pictures, "predict image=a.csv --expect out.csv"), 1);
  has(err, "largest difference 0.1, 0.00478 of the largest value 20.9, at number 10; tolerance");
  assert_int_equal(run(&pictures, "predict image=a.csv --expect out.csv --tolerance 0.01"), 0);
  assert_int_equal(run(&pictures, "predict image=a.csv --norm image=1,2 -o - -q"), 0);
  has(out, "-2,1\n0,1\n2,1\n");
  assert_int_equal(run(&pictures, "predict image=a.csv --json"), 0);
  has(out, "\"rows\":6,");
  has(out, "\"values\":[0,1,4,1,8,1,12,1,16,1,21,1]}]}\n");
}

static void test_fixed_batch(void **state) {
  (void)state;
  put("x.csv", "1,2,3\n4,5,6\n7,8,9\n", 18);
  assert_int_equal(run(&pictures, "predict --entry pairs x=x.csv -o - -q"), 0);
  assert_string_equal(out, "2,3,4\n5,6,7\n8,9,10\n");
}

static void test_pictures(void **state) {
  (void)state;
  put("g.pgm", "P5 2 2 255 \x00\xff\xff\x00", 15);
  assert_int_equal(run(&pictures, "predict image=g.pgm -q"), 0);
  has(out, "out      f32[1,2]\n  2 1\n");
  assert_int_equal(run(&pictures, "predict image=g.pgm"), 0);
  has(out, "image    u8[1,2,2] as f32[N,1,2,2]: /255\n");
  /* Grey for three channels, coloured for one. */
  put("g.pgm", "P5 2 1 100 \x00\x64", 13);
  assert_int_equal(run(&pictures, "predict --entry colours image=g.pgm -o - -q"), 0);
  assert_string_equal(out, "0.5,0.5,0.5\n");
  put("c.ppm", "P6 2 1 255 \xff\x00\x00\xff\xff\x00", 17);
  assert_int_equal(run(&pictures, "predict --entry colours image=c.ppm -o - -q"), 0);
  assert_string_equal(out, "1,0.5,0\n");
  assert_int_equal(run(&pictures, "predict --entry colours image=c.ppm -o - -q "
                                  "--norm image=0,1,2,1,0.5,2"),
                   0);
  assert_string_equal(out, "1,-1,-1\n");
  put("c.ppm", "P6 2 2 255 \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 23);
  assert_int_equal(run(&pictures, "predict image=c.ppm -o - -q"), 0);
  assert_string_equal(out, "4,1\n");
  put("c.ppm", "P6 1 1 255 \xff\xff\xff", 14);
  assert_int_equal(run(&pictures, "predict image=c.ppm"), 1);
  has(err, "c.ppm: u8[1,1,1] does not fit 'image', f32[N,1,2,2]");
}

static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0,   3,   0, 0, 0,   2,   0,   0,
                                       0, 2, 0, 0, 0, 0, 255, 255, 0, 0, 255, 255, 255, 255};
static const unsigned char classes[] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1};

static void test_labels(void **state) {
  (void)state;
  put("images", (const char *)images, sizeof images);
  put("labels", (const char *)classes, sizeof classes);
  put("names", "bright\ndark\n", 12);
  assert_int_equal(run(&pictures, "predict image=images --expect labels --classes names --show 2"),
                   0);
  has(out, "image    u8[3,2,2] as f32[N,1,2,2]: /255\n");
  has(out, "accuracy 66.67 %, 2 of 3\n");
  has(out, "  is \\ said brigh  dark\n");
  has(out, "  bright        1     .\n");
  has(out, "  dark          1     1\n");
  has(out, "  most often: dark said to be bright 1\n");
  has(out, "image 0, is dark\n");
  has(out, "image 1, is bright\n  ++   said bright     ###################### 73.1 %\n");
  lacks(out, "image 2");
  lacks(out, "\x1b");
  assert_int_equal(run(&pictures, "predict image=images --expect labels --json -q"), 0);
  has(out, ",\"accuracy\":0.666666667,\"correct\":2,\"confusion\":[[1,0],[1,1]]}");
  put("labels", "\0\0\x08\1\0\0\0\3\1\0\2", 11);
  assert_int_equal(run(&pictures, "predict image=images --expect labels"), 1);
  has(err, "label 2 of row 2, classes are 0 to 1");
  put("labels", "\0\0\x08\1\0\0\0\2\1\0", 10);
  assert_int_equal(run(&pictures, "predict image=images --expect labels"), 1);
  has(err, "labels: u8[2] is neither labels nor values of 'out', f32[3,2]");
}

/* How inputs were prepared and what classes are called stays with the parameters. */
static void test_kept(void **state) {
  (void)state;
  dlrt_model kept = pictures;
  kept.inputs = "other=u8 /255 mean 3 std 3; image=u8 /255 mean 0.5 std 0.25";
  kept.classes = "bright,dark";
  put("images", (const char *)images, sizeof images);
  put("labels", (const char *)classes, sizeof classes);
  assert_int_equal(run(&kept, "predict image=images --expect labels"), 0);
  has(out, "u8[3,2,2] as f32[N,1,2,2]: /255, mean 0.5, std 0.25 (kept with the weights)\n");
  has(out, "  is \\ said brigh  dark\n");
  assert_int_equal(run(&kept, "predict image=images -o - -q"), 0);
  assert_string_equal(out, "-8,1\n0,1\n8,1\n");
  assert_int_equal(run(&kept, "predict image=images -o - -q --norm image=0,1"), 0);
  assert_string_equal(out, "0,1\n2,1\n4,1\n");
  put("a.csv", "0,0,0,0", 7);
  assert_int_equal(run(&kept, "predict image=a.csv -o - -q"), 0); /* floats are as they are */
  assert_string_equal(out, "0,1\n");
  kept.inputs = "image=u8 /255 mean x std 0";
  assert_int_equal(run(&kept, "predict image=images -o - -q"), 0);
  assert_string_equal(out, "0,1\n2,1\n4,1\n");
  assert_int_equal(run(&kept, "info"), 0);
  has(out, "classes  bright,dark\n");
  dlrt_model line = model;
  dlrt_stored tensors[] = {{"scale.weight", DLRT_F32, NULL, 1, {3}, (float[]){1, 2, 3}, 12},
                           {"scale.bias", DLRT_F32, NULL, 0, {0}, (float[]){0.5f}, 4}};
  dlrt_metadata metadata[] = {{"dlc.inputs", "x=u8 /255 mean 1,1,1 std 1,0.5,1"}};
  dlrt_safetensors_write("w", tensors, 2, metadata, 1, NULL);
  put("x", "\0\0\x08\2\0\0\0\1\0\0\0\3\xff\xff\x00", 15);
  assert_int_equal(run(&line, "predict x=x -o - -q --weights w"), 0);
  assert_string_equal(out, "0.5,0.5,-2.5\n");
  /* Of as many channels as there are. */
  char many[600] = "x=u8 /255 mean 0";
  for (int i = 1; i < 100; i++) strcat(many, ",2");
  strcat(many, " std 1");
  for (int i = 1; i < 100; i++) strcat(many, ",3");
  int channels;
  double *numbers = dlrt_kept_norm(many, "x", &channels);
  assert_non_null(numbers);
  assert_int_equal(channels, 100);
  assert_true(numbers[99] == 2 && numbers[100] == 1 && numbers[199] == 3);
  free(numbers);
}

static void test_weights(void **state) {
  (void)state;
  put("x.csv", "1,1,1\n", 6);
  assert_int_equal(run(&model, "predict x=x.csv"), 2);
  has(err, "no parameters are inside");
  dlrt_stored tensors[] = {{"scale.weight", DLRT_F32, NULL, 1, {3}, (float[]){1, 2, 3}, 12},
                           {"scale.bias", DLRT_F32, NULL, 0, {0}, (float[]){0.5f}, 4}};
  dlrt_safetensors_write("w", tensors, 2, NULL, 0, NULL);
  assert_int_equal(run(&model, "predict x=x.csv --weights w -o - -q"), 0);
  assert_string_equal(out, "1.5,2.5,3.5\n");
  dlrt_safetensors_write("w", tensors, 1, NULL, 0, NULL);
  assert_int_equal(run(&model, "predict x=x.csv --weights w"), 1);
  has(err, "w: 'scale.bias' is not there");
  assert_int_equal(run(&model, "predict x=x.csv --weights none"), 1);
  dlrt_safetensors_write("w", tensors, 2, NULL, 0, NULL);
  put("i.csv", "0\n3\n", 4);
  assert_int_equal(run(&model, "predict --entry pick index=i.csv -o - --weights w -q"), 0);
  assert_string_equal(out, "10\n13\n");
  put("i.csv", "0\n4\n", 4);
  assert_int_equal(run(&model, "predict --entry pick index=i.csv -o o.csv --weights w -q"), 1);
  has(err, "the index 4 is not in 0..4 at line.dl:9:8: index");
  assert_int_not_equal(access("o.csv.none", F_OK), 0);
  put("y.csv", "1,1,1\n1,1,1\n1,1,1\n1,1,1\n1,1,1\n1,1,1\n1,1,1\n1,1,1\n", 48);
  assert_int_equal(run(&model, "predict --entry room y=y.csv -o - --weights w -q"), 0);
  assert_int_equal(strlen(out), 48);
}

static void test_no_trace(void **state) {
  (void)state;
  put("x.csv", "1,1\n", 4);
  unlink("o.csv");
  assert_int_equal(run(&pictures, "predict image=x.csv -o o.csv"), 1);
  assert_int_not_equal(access("o.csv", F_OK), 0);
  put("a.csv", "0,0,0,0", 7);
  assert_int_equal(run(&pictures, "predict image=a.csv -o none/o.csv"), 1);
  has(err, "none/o.csv: No such file or directory");
  assert_int_equal(run(&pictures, "predict image=nothing.npy"), 1);
  has(err, "nothing.npy: No such file or directory");
  assert_int_equal(run(&pictures, "predict image=a.csv --show 1 -q"), 0);
  assert_int_equal(run(&pictures, "predict --entry pairs x=x.csv --show 1"), 1);
}

static void test_reports(void **state) {
  (void)state;
  assert_int_equal(run(&pictures, "info"), 0);
  has(out, "model    bright   image f32[N,1,2,2] -> out f32[N,2]");
  has(out, "dim      N is 1 to 4\n");
  has(out, "weights  none\n");
  has(out, "x86-64-v3; needs lib");
  has(out, "bright.dl sha256 00c0ffee");
  assert_int_equal(run(&model, "info"), 0);
  has(out, "weights  none inside; 4 parameters in 2 tensors, 16 bytes\n");
  assert_int_equal(run(&model, "info --json"), 0);
  has(out, "\"parameters\":{\"tensors\":2,\"numbers\":4,\"bytes\":16}");
  assert_int_equal(run(&pictures, "bench --threads 1"), 0);
  has(out, "bright   N=4   1 thread   ");
  has(out, "4000 calls\n");
  assert_int_equal(run(&pictures, "bench --json --batch 3"), 0);
  has(out, "\"dims\":{\"N\":3}");
  has(out, "\"flop\":9}");
  assert_int_equal(run(&pictures, "profile --threads 1"), 0);
  has(out, "part.1.sum");
  has(out, "3:8        sum              row");
  has(out, " total                        1");
  assert_int_equal(run(&pictures, "profile --threads 1 --all"), 0);
  has(out, "part.1.sum");
  assert_int_equal(run(&model, "profile --json"), 0);
  has(out, "{\"name\":\"scale\",\"count\":1,\"place\":\"line.dl:6:8\",\"algorithm\":\"loop\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_help),     cmocka_unit_test(test_usage),
      cmocka_unit_test(test_predict),  cmocka_unit_test(test_fixed_batch),
      cmocka_unit_test(test_pictures), cmocka_unit_test(test_labels),
      cmocka_unit_test(test_weights),  cmocka_unit_test(test_kept),
      cmocka_unit_test(test_no_trace), cmocka_unit_test(test_reports),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
