/* The examples and programs elaborate, their steps and first values too, pass the verifier, and
 * have as many parameters as published, with those that training alone has. */
#include "frontend/elaborate.h"
#include "ir/module_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  const char *path, *name, *value; /* name, value: of -D; NULL */
  int64_t parameters;
} Network;

static const Network networks[] = {
    {"examples/alexnet/alexnet.dl", NULL, NULL, 61100840},
    {"examples/alexnet_2012/alexnet_2012.dl", NULL, NULL, 60965224},
    {"examples/alphago_zero/alphago_zero.dl", NULL, NULL, 22827877},
    {"examples/bert/bert.dl", NULL, NULL, 110106428 + 1538}, /* and which sentence is next */
    {"examples/char_rnn/char_rnn.dl", NULL, NULL, 1118336},
    {"examples/char_rnn/char_rnn.dl", "cell", "gru", 855168},
    {"examples/densenet/densenet.dl", NULL, NULL, 7978856},
    {"examples/densenet/densenet.dl", "depth", "161", 28681000},
    {"examples/densenet/densenet.dl", "depth", "169", 14149480},
    {"examples/densenet/densenet.dl", "depth", "201", 20013928},
    {"examples/dqn/dqn.dl", NULL, NULL, 2 * 1687206}, /* online and target */
    {"examples/googlenet/googlenet.dl", NULL, NULL, 13004888},
    {"examples/gpt2/gpt2.dl", NULL, NULL, 124439808},
    {"examples/gpt2/gpt2.dl", "size", "medium", 354823168},
    {"examples/gpt2/gpt2.dl", "size", "large", 774030080},
    {"examples/gpt2/gpt2.dl", "size", "xl", 1557611200},
    {"examples/highway/highway.dl", NULL, NULL, 294760},
    {"examples/inception_v3/inception_v3.dl", NULL, NULL, 27161264},
    {"examples/lenet/lenet.dl", NULL, NULL, 61706},
    {"examples/lenet5_1998/lenet5_1998.dl", NULL, NULL, 60000},
    {"examples/mobilenet_v2/mobilenet_v2.dl", NULL, NULL, 3504872},
    {"examples/resnet/resnet.dl", "depth", "18", 11689512},
    {"examples/resnet/resnet.dl", "depth", "34", 21797672},
    {"examples/resnet/resnet.dl", "depth", "50", 25557032},
    {"examples/resnet/resnet.dl", "depth", "101", 44549160},
    {"examples/resnet/resnet.dl", "depth", "152", 60192808},
    {"examples/transformer/transformer.dl", NULL, NULL, 63082496},
    {"examples/vgg/vgg.dl", "depth", "16", 138357544},
    {"examples/vgg/vgg.dl", "depth", "19", 143667240},
    {"tests/programs/double_descent.dl", NULL, NULL, 11171146},
    {"tests/programs/elmo.dl", NULL, NULL, 500651491}, /* 93.6 M, and 793,471 words' */
    {"tests/programs/gan.dl", NULL, NULL, 3735425},
    {"tests/programs/glove.dl", NULL, NULL, 30100000},
    {"tests/programs/gpt2.dl", NULL, NULL, 124439808},
    {"tests/programs/init_study.dl", NULL, NULL, 4799010},
    {"examples/lottery/lottery.dl", NULL, NULL, 266610},
    {"tests/programs/lstm_lm.dl", NULL, NULL, 19780400},
    {"tests/programs/neural_ode.dl", NULL, NULL, 252},
    {"tests/programs/nmt_attention.dl", NULL, NULL, 80451000},
    {"tests/programs/optimizers.dl", NULL, NULL, 9},
    {"tests/programs/transformer.dl", NULL, NULL, 63082496},
    {"tests/programs/transformer_xl.dl", NULL, NULL, 41055436},
    {"tests/programs/wgan_gp.dl", NULL, NULL, 2586818},
    {"tests/programs/wgan_gp.dl", "penalty", "false", 2586818},
    {"tests/programs/word2vec.dl", NULL, NULL, 44999700},
    {"tests/programs/xlnet.dl", NULL, NULL, 116750336},
};

static void check_network(void **state) {
  const Network *network = *state;
  Arena *arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  ConstOverride override = {network->name, network->value};
  ElaborateOptions options = {
      .path = arena_format(arena, "%s/%s", TEST_SOURCE_DIR, network->path),
      .overrides = &override,
      .override_count = network->name ? 1 : 0,
      .training = true,
  };
  Module *module = elaborate(arena, diagnostics, &options, NULL);
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, true);
  assert_non_null(module);
  const Op *where;
  const char *wrong = module_verify(arena, module, &where);
  if (wrong) fail_msg("%s: %s", network->path, wrong);
  int64_t count = 0;
  for (size_t i = 0; i < module->tensors.count; i++)
    if (module->tensors.items[i]->kind == TENSOR_PARAM)
      count += type_static_count(&module->tensors.items[i]->type);
  assert_int_equal(count, network->parameters);
  arena_free(arena);
}

int main(void) {
  enum { NETWORKS = sizeof networks / sizeof *networks };
  static struct CMUnitTest tests[NETWORKS];
  for (int i = 0; i < NETWORKS; i++)
    tests[i] =
        (struct CMUnitTest){networks[i].path, check_network, NULL, NULL, (void *)&networks[i]};
  return cmocka_run_group_tests_name("elaborate", tests, NULL, NULL);
}
