/* From graph text to native code: in memory through libdlrt, and as a shared library, a static one
 * and an object, called from C by their header. */
#include "backend/descriptor.h"
#include "backend/elf.h"
#include "backend/header.h"
#include "backend/link.h"
#include "backend/lower.h"
#include "ir/interpret.h"
#include "ir/module_text.h"
#include "passes/pass.h"
#include "runtime/dlrt.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char graph[] = "module net\n"
                            "dim N <= 9\n"
                            "param @w : f32[3,5]\n"
                            "param @b : f32[3] = dense<[0.5, -0.25, 2]>\n"
                            "func model @net(%x: f32[N,5]) -> f32[N,3] {\n"
                            "  check N < 8 at 4:2\n"
                            "  %0 = read @w : f32[3,5]\n"
                            "  %1 = dot %x, %0 {contract=[[1],[1]]} : f32[N,3] at 6:8\n"
                            "  %2 = read @b : f32[3]\n"
                            "  %3 = add %1, %2 : f32[N,3]\n"
                            "  %4 = tanh %3 : f32[N,3] at 7:8\n"
                            "  return %4\n"
                            "}\n"
                            "func model @twice(%x: f32[N,3], %bool: f32[3]) -> f32[N,3] {\n"
                            "  %0 = add %x, %x : f32[N,3]\n"
                            "  %1 = mul %0, %bool : f32[N,3]\n"
                            "  return %1\n"
                            "}\n";

enum { ROWS = 7, IN = 5, OUT = 3 };

typedef struct {
  Arena *arena;
  Diagnostics *diagnostics;
  Target target;
  NativePrograms programs;
  const NativeProgram *program;
  DescriptorOptions options;
  float w[OUT * IN], x[ROWS * IN], wanted[ROWS * OUT];
} Net;

static Net net;

static void show_errors(void) {
  diag_flush(net.diagnostics, stderr, DIAG_TEXT, false, false);
}
#define CHECKED(condition)                                                                         \
  do {                                                                                             \
    if (!(condition)) show_errors();                                                               \
    assert_true(condition);                                                                        \
  } while (0)

static int setup(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Sources *sources = sources_new(arena);
  net = (Net){.arena = arena, .diagnostics = diagnostics_new(arena, sources)};
  int32_t file = sources_add(sources, "net.ir", NULL, graph, sizeof graph - 1);
  Module *module = module_parse(arena, net.diagnostics, file);
  CHECKED(module != NULL);
  vec_push(arena, &module->files, "net.dl");
  CHECKED(target_find(&net.target, arena, NULL, "native", net.diagnostics));
  PassOptions options = PASS_OPTIONS_DEFAULT;
  options.vector_lanes = net.target.lanes;
  CHECKED(pipeline_run(module, &options, net.diagnostics, NULL, NULL));
  net.programs = lower_all(arena, module, &net.target, 1, "net");
  net.program = net.programs.items[0];
  net.options = (DescriptorOptions){
      .source = "net.dl", .source_hash = "00", .constants_hash = "", .wrappers = true};
  for (int i = 0; i < OUT * IN; i++) net.w[i] = (float)(i % 7) * 0.25f - 0.6f;
  for (int i = 0; i < ROWS * IN; i++) net.x[i] = (float)(i % 11) * 0.2f - 1;
  const float b[] = {0.5f, -0.25f, 2};
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < OUT; j++) {
      double sum = b[j];
      for (int k = 0; k < IN; k++) sum += (double)net.x[i * IN + k] * net.w[j * IN + k];
      net.wanted[i * OUT + j] = (float)tanh(sum);
    }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_free(net.arena);
  return 0;
}

static EmitBytes object_of(DescriptorOptions options, bool public) {
  Emission *e =
      emission_new(net.arena, &net.target,
                   (EmitOptions){.source = "net.dl", .level = 2, .public_kernels = public});
  emit_programs(e, net.programs, options);
  EmitBytes object = emission_object(e);
  emission_free(e);
  return object;
}

static void assert_outputs(const float *got, int rows) {
  for (int i = 0; i < rows * OUT; i++) assert_true(fabsf(got[i] - net.wanted[i]) < 1e-6f);
}

static char *constants(void) {
  char *bytes = arena_alloc(net.arena, (size_t)net.program->constants_bytes + 64);
  bytes += 64 - (uintptr_t)bytes % 64;
  for (size_t i = 0; i < net.program->constants.count; i++) {
    const ProgramConstant *c = &net.program->constants.items[i];
    data_read(c->data, 0, c->data->count, bytes + c->offset);
  }
  return bytes;
}

static void test_memory(void **state) {
  (void)state;
  DescriptorOptions options = net.options;
  options.wrappers = false;
  const JitSymbol symbols[] = {{"dlrt_pool", (void *)(uintptr_t)&dlrt_pool},
                               {"net_constants", constants()}};
  const char *error = "";
  Jit *jit = jit_new(net.arena, object_of(options, true), symbols, 2, &error);
  if (!jit) fail_msg("%s", error);
  const dlrt_model *model = jit_find(jit, "net_model");
  assert_non_null(model);
  assert_int_equal(model->abi, DLRT_ABI);
  assert_string_equal(model->name, "net");
  assert_string_equal(model->source, "net.dl");
  assert_string_equal(model->cpu, "native");
  assert_int_equal(model->cpu_level, net.target.level);
  assert_int_equal(model->dim_count, 1);
  assert_string_equal(model->dims[0].name, "N");
  assert_int_equal(model->dims[0].max, 9);
  assert_int_equal(model->tensor_count, 2);
  assert_string_equal(model->tensors[0].name, "w");
  assert_int_equal(model->tensors[0].rank, 2);
  assert_int_equal(model->tensors[0].shape[1], IN);
  assert_int_equal(model->tensors[0].bytes, sizeof net.w);
  assert_int_equal(model->entry_count, 2);
  const dlrt_entry *entry = &model->entries[0];
  assert_int_equal(entry->dim_count, 1);
  assert_int_equal(entry->check_count, 1);
  assert_string_equal(entry->checks[0].text, "N < 8");
  assert_string_equal(entry->inputs[0].type, "f32[N,5]");
  assert_int_equal(entry->inputs[0].bound[0], 9);
  int64_t shapes[4];
  entry->shapes((int64_t[]){6}, shapes);
  assert_true(shapes[0] == 6 && shapes[1] == IN && shapes[2] == 6 && shapes[3] == OUT);
  assert_true(entry->failing((int64_t[]){7}) == -1 && entry->failing((int64_t[]){8}) == 0);

  dlrt_context *context;
  assert_int_equal(dlrt_open(model, &context, NULL, 2), DLRT_OK);
  dlrt_tensor_view view;
  assert_int_equal(dlrt_find(context, "w", &view), DLRT_OK);
  memcpy(view.data, net.w, sizeof net.w);
  for (int rows = 1; rows <= ROWS; rows++) {
    float y[ROWS * OUT + 1];
    y[rows * OUT] = 42;
    assert_int_equal(
        dlrt_call(context, 0, (int64_t[]){rows}, (const void *[]){net.x}, (void *[]){y}), DLRT_OK);
    assert_outputs(y, rows);
    assert_true(y[rows * OUT] == 42);
  }
  assert_int_equal(dlrt_call(context, 0, (int64_t[]){8}, (const void *[]){net.x}, (void *[]){NULL}),
                   DLRT_BAD_DIM);
  dlrt_close(context);
  int64_t fixed, each;
  context_size(net.program, &fixed, &each);
  assert_int_equal(fixed + 3 * each, dlrt_context_size(model, 3));
  jit_free(jit);
}

static const char client[] =
    "#include \"net.h\"\n"
    "#include <stdio.h>\n"
    "#include <string.h>\n"
    "static float x[7 * 5], y[7 * 3], w[15];\n"
    "int main(void) {\n"
    "  net_context *n = NULL;\n"
    "  net_tensor t;\n"
    "  for (int i = 0; i < 15; i++) w[i] = (float)(i % 7) * 0.25f - 0.6f;\n"
    "  for (int i = 0; i < 35; i++) x[i] = (float)(i % 11) * 0.2f - 1;\n"
    "  if (net_open(&n, NULL, 1) || net_find(n, \"w\", &t)) return 1;\n"
    "  memcpy(t.data, w, sizeof w);\n"
    "  if (sizeof x != NET_X_SIZE(7) || net(n, 7, x, y)) return 2;\n"
    "  if (net(n, 10, x, y) != NET_BAD_DIM || net_twice(n, 1, y, y + 3, y)) return 3;\n"
    "  puts(net_detail(n));\n"
    "  net_close(n);\n"
    "  return 0;\n"
    "}\n";

static void write_text(const char *folder, const char *name, const char *text, size_t length) {
  const char *path = arena_format(net.arena, "%s/%s", folder, name);
  CHECKED(link_write(path, text, length, net.diagnostics));
}

static void run_client(const char *folder, const char *libraries) {
  const char *command = arena_format(
      net.arena,
      "cd %s && ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror client.c %s -o client && "
      "LD_LIBRARY_PATH=. ./client",
      folder, libraries);
  assert_int_equal(system(command), 0);
}

/* The model's and its constants' objects, as files in the folder. */
static void make_objects(const char *folder, DescriptorOptions options, const char *objects[2]) {
  EmitBytes object = object_of(options, false);
  objects[0] = arena_format(net.arena, "%s/model.o", folder);
  objects[1] = arena_format(net.arena, "%s/constants.o", folder);
  write_text(folder, "model.o", object.bytes, object.length);
  int64_t size = net.program->constants_bytes;
  ElfPiece piece = {data_new(net.arena, ELEMENT_u8, size, constants()), 0, size};
  CHECKED(elf_write(objects[1], "net_constants", size, &piece, 1, net.diagnostics));
}

static void test_libraries(void **state) {
  (void)state;
  const char *folder = link_folder(net.arena, net.diagnostics);
  CHECKED(folder != NULL);
  const char *objects[2];
  make_objects(folder, net.options, objects);
  Text header = text_new(net.arena);
  header_print(&header, net.program, net.options, "libnet.a");
  write_text(folder, "net.h", text_get(&header), header.length);
  write_text(folder, "client.c", client, sizeof client - 1);
  size_t symbol_count;
  const char *const *symbols = program_symbols(net.arena, net.programs, net.options, &symbol_count);
  static const struct {
    LinkForm form;
    const char *file, *libraries;
  } forms[] = {{LINK_SHARED, "libnet.so", "-L. -lnet"},
               {LINK_STATIC, "libnet.a", "libnet.a -lm -lpthread"},
               {LINK_OBJECT, "net.o", "net.o -lm -lpthread"}};
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    const char *path = arena_format(net.arena, "%s/%s", folder, forms[i].file);
    LinkRequest request = {forms[i].form, path, objects, 2, symbols, symbol_count};
    CHECKED(link_program(net.arena, &request, folder, net.diagnostics));
    run_client(folder, forms[i].libraries);
    unlink(path);
  }
  /* what does not work */
  const char *compiler = getenv("CC");
  if (compiler) compiler = arena_format(net.arena, "%s", compiler);
  setenv("CC", "no-such-compiler", 1);
  const char *path = arena_format(net.arena, "%s/out.so", folder);
  LinkRequest request = {LINK_SHARED, path, objects, 2, symbols, symbol_count};
  Diagnostics *quiet = diagnostics_new(net.arena, sources_new(net.arena));
  assert_false(link_program(net.arena, &request, folder, quiet));
  if (compiler)
    setenv("CC", compiler, 1);
  else
    unsetenv("CC");
  request.objects = (const char *[]){"/no/such.o"};
  request.object_count = 1;
  assert_false(link_program(net.arena, &request, folder, quiet));
  assert_int_equal(diagnostics_errors(quiet), 2);
  assert_false(elf_write("/no/such/folder/x.o", "x", 8, NULL, 0, quiet));
  assert_false(elf_write(path, "x", ELF_MOST_BYTES + 1, NULL, 0, quiet));
  assert_int_not_equal(access(path, F_OK), 0);
  link_folder_remove(folder);
}

static void test_executable(void **state) {
  (void)state;
  const char *folder = link_folder(net.arena, net.diagnostics);
  CHECKED(folder != NULL);
  DescriptorOptions options = net.options;
  options.wrappers = false;
  options.main = true;
  const char *objects[2];
  make_objects(folder, options, objects);
  const char *path = arena_format(net.arena, "%s/net", folder);
  size_t symbol_count;
  const char *const *symbols = program_symbols(net.arena, net.programs, options, &symbol_count);
  LinkRequest request = {LINK_EXECUTABLE, path, objects, 2, symbols, symbol_count};
  CHECKED(link_program(net.arena, &request, folder, net.diagnostics));
  assert_int_equal(system(arena_format(net.arena, "%s info > /dev/null 2>&1", path)), 0);
  /* the symbol and the line of each kernel are there for debuggers and profilers */
  for (size_t i = 0; i < net.program->kernels.count; i++)
    assert_int_equal(system(arena_format(net.arena, "nm %s | grep -qi ' t %s$'", path,
                                         net.program->kernels.items[i]->name)),
                     0);
  link_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory),
                                     cmocka_unit_test(test_executable),
                                     cmocka_unit_test(test_libraries)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
