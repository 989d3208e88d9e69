/* passes: runs the default pipeline over graph text; after each pass the graph must verify, and the
 * interpreter must get from it what it got from the original; where that has gradients, after the
 * pass `gradient` has replaced them.
 *
 *   passes [--print PASS] FILE.ir...
 *
 * Each file goes through -O0 to -O2, with its parameters given at run time and as constants, for
 * vectors of 16 and of 8 lanes; and with constants in bf16 and i8, and computed with in bf16; at
 * -O2 also with batches of convolutions taken one picture and two at a time. A file's dims are run
 * at their bound and at 1. The tolerance is that of f32 sums whose order and rounding passes may
 * change: here at most a few hundred terms. With
 * --print the graph after that pass, at -O2 with constants, goes to stdout; --print memory: the
 * memory reports.
 */
#include "ir/difference.h"
#include "ir/interpret.h"
#include "ir/module_text.h"
#include "passes/memory_report.h"
#include "passes/pass.h"
#include "passes/plan_verify.h"
#include "tests/tools/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tolerance = 2e-5;
/* What storing weights in bf16 or i8 may change. The weights here are uniform in -1..1, so rounding
 * them to i8 is off by 1/440 of the range at most, by 1/254 of their rms as a rule, and a sum by as
 * much of its own; several layers add up. This sees a wrong scale, not a digit. */
static const double coarse = 5e-2;
static const char *print_after;

typedef struct {
  Arena *arena;
  Module *original; /* or what `quantise` made of it */
  bool constants, small;
  int64_t bound; /* dims at their bounds, or at 1 */
  const char *file;
  int failures;
  struct Wanted *wanted; /* of the original's functions, at 1 and at their bounds */
} Run;

/* What the interpreter gets: results, and what was written. */
typedef struct Wanted {
  RunTensor *results, *written;
} Wanted;

static RunTensor make_tensor(Arena *arena, const char *name, const Type *type,
                             const int64_t *dims) {
  RunTensor t = numbers_tensor(arena, type, dims);
  numbers_invent(name, false, t.element, t.bytes, t.count);
  return t;
}

typedef struct {
  Arena *arena;
  const int64_t *bounds;
  const Module *module;
  RunTensor *written;
} Given;

/* Tensors lie at their bounds. */
static bool give(void *user, const Tensor *tensor, RunTensor *value) {
  Given *g = user;
  *value = make_tensor(g->arena, tensor->name, &tensor->type, g->bounds);
  return true;
}

static void note_written(void *user, const Tensor *tensor, const RunTensor *value) {
  Given *g = user;
  for (size_t i = 0; i < g->module->tensors.count; i++)
    if (strcmp(g->module->tensors.items[i]->name, tensor->name) == 0) {
      RunTensor *to = &g->written[i];
      *to = *value;
      size_t size = (size_t)value->count * (size_t)element_infos[value->element].bytes;
      to->bytes = arena_array(g->arena, size + 1, 1);
      memcpy(to->bytes, value->bytes, size);
    }
}

/* `written`: of each of the module's tensors, with no bytes if it was not written. */
static bool run(Arena *arena, const Module *module, const Function *function, bool at_bound,
                RunTensor *outputs, RunTensor *written, const char **message) {
  int symbols = dim_symbol_count(module->dims);
  int64_t *dims = ARENA_ARRAY(arena, (size_t)symbols + 1, int64_t);
  int64_t *bounds = ARENA_ARRAY(arena, (size_t)symbols + 1, int64_t);
  for (int i = 0; i < symbols; i++) {
    const Symbol *s = dim_symbol_at(module->dims, i);
    dims[i] = at_bound ? s->max : s->min;
    bounds[i] = s->max;
  }
  Given given = {arena, bounds, module, written};
  int inputs = function->body->argument_count;
  RunTensor *in = ARENA_ARRAY(arena, (size_t)inputs + 1, RunTensor);
  for (int i = 0; i < inputs; i++) {
    const Value *value = function->body->arguments[i];
    in[i] = make_tensor(arena, value->name ? value->name : "x", &value->type, dims);
  }
  InterpretOptions options = {
      .arena = arena, .dims = dims, .tensor = give, .written = note_written, .user = &given};
  return interpret(function, &options, in, outputs, message);
}

static void fail(Run *r, const Module *module, const Pass *pass, const char *message) {
  printf("%s: after '%s': %s\n", r->file, pass->name, message);
  Text text = text_new(r->arena);
  module_print(&text, module, (PrintOptions){.locations = false});
  printf("%s", text_get(&text));
  r->failures++;
}

static bool interpret_into(Arena *arena, const Module *module, const Function *function,
                           bool at_bound, Wanted *to, const char **message) {
  to->results = ARENA_ARRAY(arena, function->results.count + 1, RunTensor);
  to->written = ARENA_ARRAY(arena, module->tensors.count + 1, RunTensor);
  return run(arena, module, function, at_bound, to->results, to->written, message);
}

static bool want(Run *r, const char **message) {
  size_t count = r->original->functions.count;
  if (r->wanted) return true;
  r->wanted = ARENA_ARRAY(r->arena, 2 * count + 1, Wanted);
  for (size_t i = 0; i < 2 * count; i++)
    if (!interpret_into(r->arena, r->original, r->original->functions.items[i / 2], i % 2,
                        &r->wanted[i], message))
      return false;
  return true;
}

/* ---- a text that was compared with the same original need not be again ---- */

static Arena *lasting;
static VEC(uint64_t) compared;

static uint64_t digest_of(const Run *r, const Module *module, bool rounds) {
  return numbers_digest(numbers_digest(NUMBERS_DIGEST + rounds, r->original), module);
}

static bool was_compared(uint64_t digest) {
  for (size_t i = 0; i < compared.count; i++)
    if (compared.items[i] == digest) return true;
  return false;
}

/* ---- after each pass ---- */

static bool compare_function(Run *r, const Module *module, const Pass *pass, size_t i,
                             bool at_bound, double allowed) {
  const Function *before = r->original->functions.items[i];
  const Wanted *wanted = &r->wanted[2 * i + at_bound];
  Arena *arena = arena_new();
  Wanted got;
  const char *message = NULL;
  if (!interpret_into(arena, module, module->functions.items[i], at_bound, &got, &message))
    message = arena_format(r->arena, "%s", message);
  for (size_t j = 0; !message && j < r->original->tensors.count; j++) {
    double d = tensor_difference(&wanted->written[j], &got.written[j]);
    if (d > allowed)
      message = arena_format(r->arena, "@%s @%s differs by %g", before->name,
                             module->tensors.items[j]->name, d);
  }
  for (size_t j = 0; !message && j < before->results.count; j++) {
    double d = tensor_difference(&wanted->results[j], &got.results[j]);
    if (d > allowed)
      message = arena_format(r->arena, "@%s result %d differs by %g", before->name, (int)j, d);
  }
  if (message) fail(r, module, pass, message);
  arena_free(arena);
  return !message;
}

static bool check(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Run *r = user;
  (void)effect;
  if (print_after && strcmp(pass->name, print_after) == 0) {
    Text text = text_new(r->arena);
    module_print(&text, module, (PrintOptions){.locations = false});
    printf("%s", text_get(&text));
    return true;
  }
  if (print_after && strcmp(print_after, "memory") == 0 && strcmp(pass->name, "plan") == 0)
    for (size_t i = 0; i < module->functions.count; i++) {
      MemorySum naive = memory_naive(r->original->functions.items[i]);
      MemoryReport report = memory_report(r->arena, module->functions.items[i], naive);
      Text text = text_new(r->arena);
      memory_report_text(&text, &report);
      printf("%s", text_get(&text));
    }
  if (print_after) return true;
  if (pass < &passes[PASS_gradient]) return true; /* gradients cannot be interpreted yet */
  const Op *where = NULL;
  const char *fault = module_verify(r->arena, module, &where);
  if (!fault && pass >= &passes[PASS_plan]) fault = plan_verify(r->arena, module, &where);
  if (fault) {
    fail(r, module, pass, fault);
    return false;
  }
  bool rounds = pass == &passes[PASS_quantise] && r->small;
  double allowed = rounds ? coarse : tolerance;
  uint64_t digest = digest_of(r, module, rounds);
  if (!was_compared(digest)) {
    const char *message = NULL;
    if (!want(r, &message)) {
      fail(r, r->original, pass, message);
      return false;
    }
    for (size_t i = 0; i < 2 * module->functions.count; i++)
      if (!compare_function(r, module, pass, i / 2, i % 2, allowed)) return false;
    vec_push(lasting, &compared, digest);
  }
  if (rounds) r->wanted = NULL;
  if (rounds) r->original = module_copy(r->arena, module);
  return true;
}

static Module *parse(Arena *arena, const char *file, bool constants) {
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  size_t length;
  const char *message;
  char *bytes = source_read(arena, file, 1 << 26, &length, &message);
  if (!bytes) {
    printf("%s: %s\n", file, message);
    return NULL;
  }
  Module *module =
      module_parse(arena, diagnostics, sources_add(sources, file, file, bytes, length));
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  for (size_t i = 0; module && constants && i < module->tensors.count; i++) {
    Tensor *tensor = module->tensors.items[i];
    if (!type_is_static(&tensor->type)) continue;
    RunTensor t = make_tensor(arena, tensor->name, &tensor->type, NULL);
    tensor->data = data_new(arena, t.element, t.count, t.bytes);
  }
  return module;
}

/* Weights of training are never stored small. */
static bool is_model(const Module *module) {
  for (size_t i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->kind != FUNCTION_MODEL) return false;
  return true;
}

static int test_options(const char *file, bool constants, PassOptions options) {
  Arena *arena = arena_new();
  Run r = {.arena = arena,
           .constants = constants,
           .small = options.weights_type != options.compute_type, /* one of both is not f32 */
           .file = file};
  r.original = parse(arena, file, constants);
  Module *module = parse(arena, file, constants);
  if (!module || !r.original || (r.small && !is_model(module))) {
    bool read = module && r.original;
    arena_free(arena);
    return !read;
  }
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  if (!pass_run(&passes[PASS_gradient], r.original, &options, diagnostics, NULL)) r.failures++;
  if (!pipeline_run(module, &options, diagnostics, check, &r)) r.failures++;
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  if (r.failures)
    printf("%s: -O%d, %s parameters in %s, computed with in %s, %d lanes\n", file, options.level,
           constants ? "constant" : "variable", element_infos[options.weights_type].name,
           element_infos[options.compute_type].name, options.vector_lanes);
  arena_free(arena);
  return r.failures;
}

static int test_file(const char *file) {
  static const Element small[][2] = {
      {ELEMENT_bf16, ELEMENT_f32}, {ELEMENT_i8, ELEMENT_f32}, {ELEMENT_f32, ELEMENT_bf16}};
  int failures = 0;
  PassOptions options = PASS_OPTIONS_DEFAULT;
  for (options.level = print_after ? 2 : 0; options.level <= 2; options.level++) {
    for (int constants = print_after ? 1 : 0; constants < 2; constants++)
      for (int lanes = 8; lanes <= (print_after ? 8 : 16) && !failures; lanes += 8) {
        options.vector_lanes = lanes;
        options.panel_columns = lanes == 16 ? 48 : 16;
        failures += test_options(file, constants, options);
      }
    for (int i = 0; i < 3 && !failures && !print_after && options.level != 1; i++) {
      options.weights_type = small[i][0], options.compute_type = small[i][1];
      failures += test_options(file, true, options);
    }
    options.weights_type = options.compute_type = ELEMENT_f32;
    for (options.pictures = 1; options.pictures <= 2 && options.level == 2; options.pictures++)
      if (!failures && !print_after) failures += test_options(file, true, options);
    options.pictures = 0;
  }
  return failures;
}

int main(int argc, char **argv) {
  int failures = 0;
  lasting = arena_new();
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--print") == 0 && i + 1 < argc)
      print_after = argv[++i];
    else
      failures += test_file(argv[i]);
  arena_free(lasting);
  return failures > 0;
}
