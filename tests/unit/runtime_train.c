/* The command `train`: what it learns, keeps, says and refuses; that it goes on to the same bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/safetensors.h"
#include "runtime/train.h"
#include "tests/unit/runtime_program.h"
#include "tests/unit/runtime_training.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

static char first[65536], second[65536];

static void pause_for(double seconds) {
  struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&time, NULL);
}

/* Twenty points, of class 1 where the second number is 1. */
static void put_data(void) {
  char x[1000] = "", label[1000] = "";
  for (int i = 0; i < 20; i++) {
    snprintf(x + strlen(x), 40, "%d.%d,%d\n", i % 3, i, i % 2);
    snprintf(label + strlen(label), 40, "%d\n", i % 2);
  }
  put("x.csv", x, strlen(x));
  put("label.csv", label, strlen(label));
}

#define DATA "train x=x.csv label=label.csv "

static void test_usage(void **state) {
  (void)state;
  static const struct {
    const char *line;
    int code;
    const char *error, *help;
  } cases[] = {
      {"train", 2, "'x' is missing: x=FILE, f32[N,2]", ""},
      {"train x=x.csv lr=1", 2, "'label' is missing", ""},
      {DATA, 2, "'lr' is missing", ""},
      {DATA "lr=1 --norm y=1,2", 2, "fit has no input 'y'", ""},
      {DATA "lr=1 rate=2", 2, "'fit' has no input 'rate'", "help: x=FILE, f32[N,2]"},
      {DATA "lr=1 --epochs 0", 2, "'0' is no value for '--epochs K'", ""},
      {DATA "--lr fast", 2, "'fast' is no value for '--lr X'", ""},
      {DATA "lr=1 --batch 9", 2, "a batch of 9: N goes from 1 to 8 (learn.dl:1)", ""},
      {DATA "lr=1 --validate 20", 1, "--validate 20: there are 20 rows", ""},
      {DATA "lr=1 --validate y=x.csv", 2, "--validate: 'fit' has no input 'y'", ""},
      {DATA "lr=1 --patience 2", 2, "--patience looks at the validation", ""},
      {DATA "lr=1 --save none/a.safetensors", 1, "none/a.safetensors: No such file", ""},
      {DATA "lr=1 --plot none/a.svg", 1, "none/a.svg: No such file", ""},
      {DATA "lr=1 --log none/a", 1, "none/a: No such file", ""},
      {DATA "lr=1 --resume none", 1, "none: No such file", ""},
      {DATA "lr=1 --entry guess", 2, "no entry 'guess' to train", "help: --entry fit"},
      {DATA "lr=1 --expect x", 2, "'--expect' is no option of 'train'", ""},
      {"train --entry draw", 2, "no step has rows of data", "help: --steps K"},
      {"train --entry draw --steps 2 --validate 3", 2, "--validate: no step has rows", ""},
      {"predict x=x.csv", 2, "no parameters are inside", "which 'train .. --save FILE' writes"},
      {"predict x=x.csv --epochs 2", 2, "'--epochs' is no option of 'predict'", ""},
  };
  put_data();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(run(&training, cases[i].line), cases[i].code);
    has(err, cases[i].error);
    has(err, cases[i].help);
    assert_string_equal(out, "");
  }
  put("short.csv", "0\n1\n", 4);
  assert_int_equal(run(&training, "train x=x.csv label=short.csv lr=1"), 1);
  has(err, "short.csv: 'label' has 2 rows, 'x' 20");
  dlrt_model two = training;
  two.schedule_count = 0;
  assert_int_equal(run(&two, DATA "lr=1"), 2);
  has(err, "several steps, and learn.dl has no schedule");
  has(err, "help: --entry fit, or write train { .. } there");
}

static void test_help(void **state) {
  (void)state;
  assert_int_equal(run(&training, "--help"), 0);
  has(out, "  train    x=FILE label=FILE lr=X  -> out f32   run the step 'fit', momentum\n");
  has(out, "    --validate K|FILE ");
  has(out, "    --seed S ");
  for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
    if (strlen(line) > 100) fail_msg("longer than 100: %s", line);
  assert_int_equal(run(&training, "info"), 0);
  has(out, "train    fit   x f32[N,2], label i64[N], lr f32 -> out f32   momentum");
  has(out, "weights  none inside; 2 parameters in 1 tensors, 8 bytes\n");
  has(out, "optimizer 64 bytes, states 128 bytes, parameters 64 bytes");
  assert_int_equal(run(&training, "info --json"), 0);
  has(out, "{\"name\":\"fit\",\"kind\":\"train\"");
  assert_int_equal(run(&training, "bench --entry fit --threads 1"), 0);
  has(out, "fit   N=8   1 thread");
  assert_int_equal(run(&training, "profile --entry fit --json"), 0);
  has(out, "\"place\":\"learn.dl:7:3\"");
}

static void test_order(void **state) {
  (void)state;
  enum { COUNT = 100 };
  int64_t a[COUNT], b[COUNT], seen[COUNT] = {0};
  for (int i = 0; i < COUNT; i++) a[i] = b[i] = i;
  dlrt_shuffle(7, 3, a, COUNT);
  dlrt_shuffle(7, 3, b, COUNT);
  assert_memory_equal(a, b, sizeof a);
  int moved = 0;
  for (int i = 0; i < COUNT; i++) {
    assert_in_range(a[i], 0, COUNT - 1);
    assert_int_equal(seen[a[i]]++, 0);
    moved += a[i] != i;
  }
  assert_true(moved > 80);
  for (int other = 0; other < 2; other++) {
    for (int i = 0; i < COUNT; i++) b[i] = i;
    dlrt_shuffle(other ? 8 : 7, other ? 3 : 4, b, COUNT);
    assert_memory_not_equal(a, b, sizeof a);
  }
  /* Each of three items is about as often at each place. */
  int places[3][3] = {{0}};
  for (int pass = 0; pass < 3000; pass++) {
    int64_t items[] = {0, 1, 2};
    dlrt_shuffle(1, pass, items, 3);
    for (int i = 0; i < 3; i++) places[i][items[i]]++;
  }
  for (int i = 0; i < 9; i++) assert_in_range(places[i / 3][i % 3], 880, 1120); /* 1000 +- 4.5 s */
}

static void test_learns(void **state) {
  (void)state;
  put_data();
  put("names", "even,\nodd\n", 10);
  assert_int_equal(run(&training,
                       DATA "--lr 0.05 --epochs 60 --validate 4 --seed 3 --batch 4 --norm "
                            "x=0,1 --classes names --save w.safetensors --plot p.svg "
                            "--log log --log-every 2 --threads 1"),
                   0);
  assert_string_equal(out, "");
  has(err, "data     16 to learn from, 4 to validate; batch 4, 4 steps an epoch; 1 thread\n");
  has(err, "epoch        loss  validation    accuracy      rows/s     time\n");
  has(err, " 60/60 ");
  has(err, "100.00 %");
  has(err, "* loss   o validation");
  has(err, "saved    w.safetensors: epoch ");
  has(err, "; 240 steps in ");
  lacks(err, "\x1b");
  for (char *line = strtok(err, "\n"); line; line = strtok(NULL, "\n"))
    assert_true(strlen(line) <= 100);
  dlrt_safetensors file;
  dlrt_error error;
  assert_int_equal(dlrt_safetensors_open("w.safetensors", &file, &error), 0);
  assert_int_equal(file.count, 3); /* the network alone */
  assert_non_null(dlrt_safetensors_find(&file, "line.weight"));
  assert_non_null(dlrt_safetensors_find(&file, "line.seen"));
  assert_string_equal(dlrt_safetensors_metadata(&file, "dlc.inputs"), "x=f64 mean 0 std 1");
  assert_string_equal(dlrt_safetensors_metadata(&file, "dlc.classes"), "even ,odd");
  assert_non_null(dlrt_safetensors_metadata(&file, "dlc.loss"));
  dlrt_safetensors_close(&file);
  assert_int_equal(dlrt_safetensors_open("w.checkpoint.safetensors", &file, &error), 0);
  assert_int_equal(file.count, 7); /* and the optimizer, and the best */
  assert_non_null(dlrt_safetensors_find(&file, "fit.momentum_0.line.weight.m"));
  assert_non_null(dlrt_safetensors_find(&file, "best.line.weight"));
  assert_string_equal(dlrt_safetensors_metadata(&file, "dlc.step"), "240");
  dlrt_safetensors_close(&file);
  slurp("p.svg", first, sizeof first);
  has(first, "<svg xmlns=");
  has(first, ">accuracy</text>");
  has(first, "</svg>\n");
  slurp("log", first, sizeof first);
  has(first, "{\"event\":\"start\",\"model\":\"learn\",\"arguments\":[\"train\",\"x=x.csv\",");
  has(first,
      "{\"event\":\"step\",\"step\":2,\"epoch\":1,\"entry\":\"fit\",\"n\":4,\"lr\":0.0500000007,");
  has(first, "{\"event\":\"epoch\",\"epoch\":60,\"loss\":");
  has(first, "\"validation\":{\"loss\":");
  has(first, "{\"event\":\"save\",\"step\":240,\"file\":\"w.safetensors\"}\n");
  has(first, "{\"event\":\"stop\",\"step\":240,\"reason\":\"done\"}\n");
  assert_int_equal(run(&training, "predict x=x.csv --expect label.csv --weights w.safetensors "
                                  "--norm x=0,1 --threads 1"),
                   0);
  has(out, "accuracy 100.00 %, 20 of 20");
}

/* Batches are the same whatever is done with them; the last one is short. */
static void test_batches(void **state) {
  (void)state;
  put_data();
  assert_int_equal(run(&training, DATA "lr=0.01 --json -q --batch 8 --epochs 2"), 0);
  assert_string_equal(err, "");
  has(out, "{\"model\":\"learn\",\"reason\":\"done\",\"steps\":6,");
  has(out, "\"epochs\":[{\"epoch\":1,\"loss\":");
  memcpy(first, out, sizeof out);
  *strstr(first, ",\"seconds\"") = 0;
  assert_int_equal(run(&training, DATA "lr=0.01 --json -q --batch 8 --epochs 2"), 0);
  *strstr(out, ",\"seconds\"") = 0;
  assert_string_equal(out, first);
  assert_int_equal(run(&training, DATA "lr=0.01 --json -q --batch 8 --epochs 2 --seed 5"), 0);
  *strstr(out, ",\"seconds\"") = 0;
  assert_string_not_equal(strstr(out, "epochs"), strstr(first, "epochs"));
}

static void test_validation_file(void **state) {
  (void)state;
  put_data();
  assert_int_equal(run(&training, DATA "lr=0.01 --validate x=x.csv --validate label=label.csv"), 0);
  has(err, "20 to learn from, 20 to validate");
  assert_int_equal(run(&training, DATA "lr=0.01 --validate x=x.csv"), 0);
  assert_int_equal(run(&training, DATA "lr=9 --epochs 9 --validate 5 --patience 1 --seed 1"), 0);
  has(err, "patience validation was best in epoch ");
}

static void test_schedule(void **state) {
  (void)state;
  dlrt_model net = training;
  net.schedule = learn_round;
  net.schedule_count = 2;
  put_data();
  /* 20 rows in batches of 4 are 5 calls of fit, so 3 rounds. */
  assert_int_equal(run(&net, DATA "lr=0.01 --batch 4 --epochs 2 --log log2 --log-every 1"), 0);
  has(err, "batch 4, 9 steps an epoch");
  has(err, "round    fit * 2, draw * 1\n");
  has(err, "epoch         fit        draw");
  slurp("log2", out, sizeof out);
  has(out, "\"step\":3,\"epoch\":1,\"entry\":\"draw\",\"n\":0,");
  has(out, "\"step\":10,\"epoch\":2,\"entry\":\"fit\",\"n\":4,");
  assert_int_equal(run(&net, "train --entry draw --steps 4 --epochs 2"), 0);
  has(err, "data     none; 4 steps an epoch");
}

/* ---- going on ---- */

static void read_file(const char *name, char *to) {
  memset(to, 0, sizeof first);
  slurp(name, to, sizeof first);
}

#define LONG DATA "lr=0.003 --batch 4 --epochs 150 --validate 3 --seed 9 -q "

/* Until the checkpoint is there, and a bit more. */
static void wait_for(const char *name) {
  for (int i = 0; i < 500 && access(name, F_OK); i++) pause_for(0.01);
  assert_int_equal(access(name, F_OK), 0);
  pause_for(0.05);
}

static void test_resume(void **state) {
  (void)state;
  dlrt_model net = training;
  net.schedule = learn_round;
  net.schedule_count = 2;
  put_data();
  assert_int_equal(run(&net, LONG "--save a.safetensors"), 0);
  read_file("a.safetensors", first);
  for (int way = 0; way < 3; way++) {
    static const int signals[] = {SIGKILL, SIGINT, SIGTERM};
    unlink("b.checkpoint.safetensors");
    unlink("b.safetensors");
    pid_t child = start(&net, LONG "--save b.safetensors");
    wait_for("b.checkpoint.safetensors");
    kill(child, signals[way]);
    int code = end(child);
    assert_int_equal(code, way ? 130 : 1000 + SIGKILL);
    assert_int_not_equal(access("b.safetensors", F_OK), 0);
    assert_int_equal(run(&net, "train --resume b.checkpoint.safetensors --threads 1"), 0);
    read_file("b.safetensors", second);
    assert_memory_equal(first, second, sizeof first);
  }
  assert_int_equal(run(&net, "train --resume b.checkpoint.safetensors --epochs 151"), 0);
  pid_t child = start(&net, DATA "lr=0.003 --epochs 1000000 --save c.safetensors");
  wait_for("c.checkpoint.safetensors");
  kill(child, SIGINT);
  assert_int_equal(end(child), 130);
  has(err, "^C stopped at step ");
  has(err, "; saved c.checkpoint.safetensors\ngo on with: ./net train --resume "
           "c.checkpoint.safetensors\n");
}

static void test_resume_refuses(void **state) {
  (void)state;
  put_data();
  assert_int_equal(run(&training, DATA "lr=0.01 --batch 4 --save d.safetensors"), 0);
  static const struct {
    const char *line, *error;
  } cases[] = {
      {"--batch 5", "made with other options: 'batch 4', not 'batch 5'"},
      {"--seed 1", "made with other options: 'seed 0', not 'seed 1'"},
      {"label=other.csv", "made with other data: 'label f32[20"},
      {"--epochs 3 x=nothing.csv", "nothing.csv: No such file"},
  };
  put("other.csv", "1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n", 40);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char line[200];
    snprintf(line, sizeof line, "train --resume d.checkpoint.safetensors %s", cases[i].line);
    assert_int_equal(run(&training, line), 1);
    if (i != 2) has(err, cases[i].error);
    if (i == 2) has(err, "made with other data: 'label ");
  }
  assert_int_equal(run(&training, "train --resume d.checkpoint.safetensors lr=0.02 --batch 5"), 1);
  has(err, "made with other options: 'batch 4', not 'batch 5'");
  assert_int_equal(run(&training, "train --resume d.safetensors"), 1);
  has(err, "d.safetensors: no checkpoint of 'train --save'");
  static const char *const names[] = {"d.checkpoint.safetensors", "./d.checkpoint.safetensors"};
  for (int i = 0; i < 2; i++) {
    char line[200];
    snprintf(line, sizeof line, "train --resume d.checkpoint.safetensors --save %s", names[i]);
    assert_int_equal(run(&training, line), 2);
    has(err, "d.checkpoint.safetensors: that is the checkpoint's file");
  }
  dlrt_model other = training;
  other.source_hash = "00";
  assert_int_equal(run(&other, "train --resume d.checkpoint.safetensors"), 1);
  has(err, "it was made by a program of another network");
  other = training;
  other.cpu = "x86-64-v3";
  assert_int_equal(run(&other, "train --resume d.checkpoint.safetensors --epochs 2"), 0);
  has(err, "another CPU's code");
  assert_int_equal(run(&training, "train --resume d.checkpoint.safetensors lr=0.02 --epochs 3"), 0);
  has(err, "resume   with lr=0.0199999996, before 0.00999999978\n");
  assert_int_equal(run(&training, "train --resume d.checkpoint.safetensors --epochs 4"), 0);
  assert_null(strstr(err, "with lr"));
}

/* ---- what goes wrong ---- */

static void test_nan(void **state) {
  (void)state;
  put_data();
  assert_int_equal(run(&training, DATA "lr=1e15 --batch 4 --epochs 9 --save n.safetensors"), 1);
  has(err, "net: error: the loss is ");
  has(err, " at step 3; first: fit (learn.dl:5:3), 1 of 1 values infinite\n");
  has(err, "  step 2, the last good one, is in n.checkpoint.safetensors\n");
  dlrt_safetensors file;
  dlrt_error error;
  assert_int_equal(dlrt_safetensors_open("n.checkpoint.safetensors", &file, &error), 0);
  assert_string_equal(dlrt_safetensors_metadata(&file, "dlc.step"), "2");
  dlrt_safetensors_close(&file);
  assert_int_equal(run(&training, DATA "lr=3e38 --batch 4 --save n.safetensors --log nlog"), 1);
  has(err, " at step 2; first: at step 1, momentum (learn.dl:7:3), ");
  slurp("nlog", out, sizeof out);
  has(out, "\"reason\":\"nan\"}");
  put("bad.csv", "0,0\n0,0\n1,nan\n", 14);
  put("three.csv", "0\n0\n1\n", 6);
  assert_int_equal(run(&training, "train x=bad.csv label=three.csv lr=0.1"), 1);
  has(err, "the loss is nan at step 1; first: the input 'x' is nan in row 2\n");
}

static void test_labels(void **state) {
  (void)state;
  put_data();
  put("l.csv", "0\n1\n0\n1\n0\n1\n0\n1\n0\n1\n0\n1\n0\n1\n0\n1\n0\n2\n0\n1\n", 40);
  assert_int_equal(run(&training, "train x=x.csv label=l.csv lr=0.1 --validate 3"), 1);
  has(err, "'label' is 2 in row 17, classes are 0 to 1");
  lacks(err, "epoch");
  /* Without a model to judge by, the step itself finds it. */
  assert_int_equal(run(&training, "train x=x.csv label=l.csv lr=0.1"), 1);
  has(err, ": the index 2 is not in 0..2 at learn.dl:5:8: label, in row 17 of the data\n");
}

/* --weights are where training begins; optimizers begin anew. */
static void test_fine_tuning(void **state) {
  (void)state;
  put_data();
  dlrt_stored tensors[] = {
      {"line.weight", DLRT_F32, NULL, 1, {2}, (float[]){0, 1}, 8},
      {"line.seen", DLRT_F32, NULL, 0, {0}, (float[]){7}, 4},
      {"line.noise", DLRT_F32, NULL, 0, {0}, (float[]){0}, 4},
  };
  dlrt_metadata metadata[] = {{"dlc.classes", "even,odd"}};
  dlrt_safetensors_write("start", tensors, 3, metadata, 1, NULL);
  assert_int_equal(run(&training, DATA "lr=0 --weights start --save t.safetensors"), 0);
  has(err, "  1/1      0.0000 ");
  dlrt_safetensors file;
  assert_int_equal(dlrt_safetensors_open("t.safetensors", &file, NULL), 0);
  assert_memory_equal(dlrt_safetensors_find(&file, "line.weight")->data, tensors[0].data, 8);
  assert_float_equal(*(const float *)dlrt_safetensors_find(&file, "line.seen")->data, 27, 0);
  assert_string_equal(dlrt_safetensors_metadata(&file, "dlc.classes"), "even,odd");
  dlrt_safetensors_close(&file);
  ((float *)(uintptr_t)tensors[0].data)[0] = NAN;
  dlrt_safetensors_write("start", tensors, 3, NULL, 0, NULL);
  assert_int_equal(run(&training, DATA "lr=0 --weights start"), 1);
  has(err, "a parameter is not finite before the first step");
}

/* A checkpoint is read with care: it may be cut, or anybody's. */
static void test_bad_checkpoints(void **state) {
  (void)state;
  put_data();
  assert_int_equal(run(&training, DATA "lr=0.01 --batch 4 --epochs 2 --save g.safetensors -q"), 0);
  static const struct {
    const char *key, *value, *error;
  } cases[] = {
      {"dlc.step", "-1", "a number of the checkpoint makes no sense"},
      {"dlc.step", "1e3", "a number of the checkpoint makes no sense"},
      {"dlc.step", "99", "a number of the checkpoint makes no sense"},
      {"dlc.epoch", "1000000000000", "a number of the checkpoint makes no sense"},
      {"dlc.best", "7 0", "a number of the checkpoint makes no sense"},
      {"dlc.sums", "1", "a number of the checkpoint makes no sense"},
      {"dlc.history", "", "a number of the checkpoint makes no sense"},
      {"dlc.calls", "fit=1", "its counters of calls are of other entries"},
      {"dlc.options", "batch 4;", "options"},
      {"dlc.options", "batch 4; seed", "options"},
      {"dlc.calls", NULL, "the checkpoint is not whole"},
      {"dlc.arguments", "bake\x1f", "no command 'bake'"},
      {"dlc.arguments", "train\x1f--epochs", "'train' is no value for '--epochs K'"},
  };
  dlrt_safetensors file;
  assert_int_equal(dlrt_safetensors_open("g.checkpoint.safetensors", &file, NULL), 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dlrt_metadata metadata[32];
    int count = 0;
    for (int m = 0; m < file.metadata_count; m++) {
      bool changed = strcmp(file.metadata[m].key, cases[i].key) == 0;
      if (changed && !cases[i].value) continue;
      metadata[count++] =
          (dlrt_metadata){file.metadata[m].key, changed ? cases[i].value : file.metadata[m].value};
    }
    dlrt_safetensors_write("h", file.tensors, file.count, metadata, count, NULL);
    assert_int_equal(run(&training, "train --resume h"), strstr(cases[i].key, "arg") ? 2 : 1);
    has(err, cases[i].error);
  }
  dlrt_safetensors_write("h", file.tensors, file.count - 1, file.metadata, file.metadata_count,
                         NULL);
  assert_int_equal(run(&training, "train --resume h"), 1);
  has(err, "is not there as it should");
  dlrt_safetensors_close(&file);
}

/* A log that cannot be written is told once; a file that cannot be, in the end. */
static void test_full_disk(void **state) {
  (void)state;
  put_data();
  assert_int_equal(run(&training, DATA "lr=0.01 --epochs 3 --log /dev/full"), 0);
  has(err, "net: error: /dev/full: No space left on device; the log ends here\n");
  char *again = strstr(err, "the log ends here");
  assert_null(strstr(again + 1, "the log ends here"));
  struct rlimit before, tight;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  tight = before;
  tight.rlim_cur = 1024; /* of bytes: a checkpoint is larger, what it prints is not */
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
  int code = run(&training, DATA "lr=0.01 --save s.safetensors --validate 3");
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(code, 1);
  has(err, "s.checkpoint.safetensors: File too large");
  assert_int_equal(access("s.safetensors", F_OK), 0);
  assert_int_not_equal(access("s.checkpoint.safetensors", F_OK), 0);
  assert_int_not_equal(access(".s.checkpoint.safetensors.tmp", F_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_usage),
      cmocka_unit_test(test_help),
      cmocka_unit_test(test_order),
      cmocka_unit_test(test_learns),
      cmocka_unit_test(test_batches),
      cmocka_unit_test(test_validation_file),
      cmocka_unit_test(test_schedule),
      cmocka_unit_test(test_resume),
      cmocka_unit_test(test_nan),
      cmocka_unit_test(test_resume_refuses),
      cmocka_unit_test(test_labels),
      cmocka_unit_test(test_fine_tuning),
      cmocka_unit_test(test_bad_checkpoints),
      cmocka_unit_test(test_full_disk),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
