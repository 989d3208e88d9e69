/* gradients: compares what the pass `gradient` makes with central differences.
 *
 *   gradients [--print NAME] FILE.ir...
 *
 * Each function of the files is a case. Of its results r and fixed numbers w the loss
 * f = sum(w * r) is made; its gradient is by every floating-point input, but for those whose name
 * begins with k. Values of inputs follow from name and index: floats of both signs, positive ones
 * where the name begins with p; no two of a tensor are near. Dims are at their bounds. Then the
 * same for s = sum(w * g * g) of the gradients g, which tests their gradients.
 *
 * A difference over a step of h is wrong by h^2/6 of the third derivative and by the rounding of
 * the two values, over 2 h. The first is estimated by differences over a hundred times the step;
 * for the second a sum of n terms is taken to be right within `rounding` units of its largest
 * intermediate, which the sum of the terms' sizes stands for. With h = eps^(1/3) both are about
 * 1e-10 of f.
 *
 * Every operator that has a gradient must be in a case.
 */
#include "ir/interpret.h"
#include "ir/module_text.h"
#include "passes/gradient.h"
#include "tests/tools/numbers.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double rounding = 64, most_tolerance = 1e-5;
static const char *print_name;
static bool is_covered[OPERATORS];

/* ---- values ---- */

static uint64_t hash_name(const char *name) {
  uint64_t state = 14695981039346656037u;
  for (; *name; name++) state = (state ^ (unsigned char)*name) * 1099511628211u;
  return (state ^ state >> 29) * 0x9e3779b97f4a7c15u;
}

/* In steps of the golden ratio no two of a few hundred numbers are near. */
static double invent(const char *name, int64_t i) {
  double unit = (double)(hash_name(name) >> 40) / (1 << 24) + 0.6180339887498949 * (double)(i + 1);
  unit -= floor(unit);
  return *name == 'p' ? 0.4 + 1.3 * unit : 2.9 * unit - 1.5;
}

static RunTensor make_tensor(Arena *arena, const char *name, const Type *type,
                             const int64_t *dims) {
  RunTensor t = numbers_tensor(arena, type, dims);
  for (int64_t i = 0; i < t.count; i++)
    if (element_is_float(t.element))
      element_store(t.element, t.bytes, i, invent(name, i));
    else
      element_store_integer(t.element, t.bytes, i,
                            t.element == ELEMENT_bool ? i % 3 != 1 : (i * 5 + 1) % 3);
  return t;
}

static int64_t *dims_of(Arena *arena, const Module *module) {
  int symbols = dim_symbol_count(module->dims);
  int64_t *dims = ARENA_ARRAY(arena, (size_t)symbols + 1, int64_t);
  for (int i = 0; i < symbols; i++) dims[i] = dim_symbol_at(module->dims, i)->max;
  return dims;
}

/* ---- the functions that are tested ---- */

static bool is_learned(const Value *input) {
  return element_is_float(input->type.element) && input->name[0] != 'k';
}

static Value *sum_all(Builder *b, Value *x) {
  int64_t axes[MOST_AXES];
  for (int i = 0; i < x->type.rank; i++) axes[i] = i;
  Attribute axis = {ATTRIBUTE_axis, attribute_integers(b->function->module, axes, x->type.rank)};
  return x->type.rank ? build(b, OP_sum, &x, 1, &axis, 1) : x;
}

/* sum(w * v), or sum(w * v * v) */
static Value *weigh(Builder *b, Value *value, int number, bool square) {
  Module *module = b->function->module;
  Type type = value->type;
  const char *name = arena_format(module->arena, "w%d", number);
  RunTensor w = make_tensor(module->arena, name, &type, dims_of(module->arena, module));
  for (int i = 0; i < type.rank; i++) type.dims[i] = dim_constant(module->dims, w.shape[i]);
  bool fixed = type_equal(&type, &value->type); /* else all elements weigh the same */
  if (!fixed) type = type_scalar(type.element), w.count = 1;
  Attribute data = {ATTRIBUTE_value,
                    attribute_data(data_new(module->arena, type.element, w.count, w.bytes))};
  Value *weights = build_typed(b, OP_constant, type, NULL, &data, 1);
  if (square) value = build_binary(b, OP_mul, value, value);
  return sum_all(b, build_binary(b, OP_mul, value, weights));
}

/* A parsed function with its losses: results become f, its gradients, and so on to `order`. */
typedef struct {
  Module *module;
  Function *function;
  int results; /* 1 + gradients */
} Subject;

static bool make_subject(Arena *arena, const char *text, size_t length, const char *name, int order,
                         bool gradients, Subject *subject) {
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  Module *module = module_parse(arena, diagnostics, sources_add(sources, name, name, text, length));
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  if (!module) return false;
  Function *function = NULL;
  for (size_t i = 0; i < module->functions.count; i++)
    if (strcmp(module->functions.items[i]->name, name) == 0) function = module->functions.items[i];
  module->functions.items[0] = function;
  module->functions.count = 1;
  Block *body = function->body;
  Builder b = {.function = function, .block = body};
  VEC(Value *) operands = {0};
  Value *loss = NULL;
  vec_push(arena, &operands, NULL);
  for (int i = 0; i < body->argument_count; i++)
    if (is_learned(body->arguments[i])) vec_push(arena, &operands, body->arguments[i]);
  int learned = (int)operands.count - 1;
  VEC(Value *) yields = {0};
  for (int i = 0; i < body->yield_count; i++) vec_push(arena, &yields, body->yields[i]);
  for (int round = 0;; round++) {
    loss = NULL;
    for (size_t i = 0; i < yields.count; i++) {
      if (!element_is_float(yields.items[i]->type.element)) continue;
      Value *part = weigh(&b, yields.items[i], (int)i, round > 0);
      loss = loss ? build_binary(&b, OP_add, loss, part) : part;
    }
    if (round == order && !gradients) break;
    operands.items[0] = loss;
    Op *grad = build(&b, OP_grad, operands.items, learned + 1, NULL, 0)->op;
    yields.count = 0;
    for (int i = 0; i < learned; i++) vec_push(arena, &yields, grad->results[i]);
    if (round == order) break;
  }
  subject->module = module;
  subject->function = function;
  subject->results = 1 + (gradients ? learned : 0);
  body->yields = ARENA_ARRAY(module->arena, (size_t)subject->results, Value *);
  body->yields[0] = loss;
  for (int i = 0; i < learned && gradients; i++) body->yields[1 + i] = yields.items[i];
  body->yield_count = subject->results;
  function->results.count = 0;
  for (int i = 0; i < subject->results; i++)
    vec_push(module->arena, &function->results,
             ((Result){arena_format(module->arena, "r%d", i), body->yields[i]->type, false}));
  PassContext context = {.module = module, .diagnostics = diagnostics, .scratch = arena};
  bool ok = pass_gradient(&context);
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  const char *fault = ok ? module_verify(arena, module, NULL) : NULL;
  if (fault) printf("%s: %s\n", name, fault);
  return ok && !fault;
}

/* ---- one case ---- */

typedef struct {
  Arena *arena;
  int64_t *dims;
  RunTensor *inputs;
  const char *name;
} Given;

static bool evaluate(const Given *given, const Subject *subject, RunTensor *results) {
  const char *message = NULL;
  InterpretOptions options = {.arena = given->arena, .dims = given->dims, .wide = false};
  if (interpret(subject->function, &options, given->inputs, results, &message)) return true;
  printf("@%s: %s\n", given->name, message);
  return false;
}

static double loss_at(const Given *given, const Subject *loss, int input, int64_t i, double at) {
  RunTensor result;
  double *x = given->inputs[input].bytes, old = x[i];
  Given inner = *given;
  inner.arena = arena_new();
  x[i] = at;
  bool ok = evaluate(&inner, loss, &result);
  x[i] = old;
  double value = ok ? *(double *)result.bytes : NAN;
  arena_free(inner.arena);
  return value;
}

static bool test_element(const Given *given, const Subject *loss, int input, int64_t i,
                         double scale, double is, int order) {
  double x = ((double *)given->inputs[input].bytes)[i], h = cbrt(DBL_EPSILON), wide = 100 * h;
  volatile double above = x + h, below = x - h; /* the step that is made, rounded */
  double slope = (loss_at(given, loss, input, i, above) - loss_at(given, loss, input, i, below)) /
                 (above - below);
  double third =
      (loss_at(given, loss, input, i, x + 2 * wide) - 2 * loss_at(given, loss, input, i, x + wide) +
       2 * loss_at(given, loss, input, i, x - wide) -
       loss_at(given, loss, input, i, x - 2 * wide)) /
      (2 * wide * wide * wide);
  double tolerance = h * h / 3 * fabs(third) + rounding * DBL_EPSILON * scale * (1 + 1 / h);
  if (fabs(is - slope) <= tolerance && tolerance <= most_tolerance * (scale + fabs(slope)))
    return true;
  printf("@%s: order %d, element %lld of input %d: the gradient is %.12g, differences say %.12g "
         "+- %.2g\n",
         given->name, order + 1, (long long)i, input, is, slope, tolerance);
  return false;
}

static bool test_order(const char *text, size_t length, const char *name, int order) {
  Arena *arena = arena_new();
  Subject loss, gradient;
  bool ok = make_subject(arena, text, length, name, order, false, &loss) &&
            make_subject(arena, text, length, name, order, true, &gradient);
  if (!ok) printf("@%s: order %d\n", name, order + 1);
  if (ok && print_name && strcmp(print_name, name) == 0) {
    Text out = text_new(arena);
    module_print(&out, gradient.module, (PrintOptions){.locations = false});
    printf("%s", text_get(&out));
  }
  Given given = {arena, NULL, NULL, name};
  if (ok) {
    const Block *body = loss.function->body;
    given.dims = dims_of(arena, loss.module);
    given.inputs = ARENA_ARRAY(arena, (size_t)body->argument_count + 1, RunTensor);
    for (int i = 0; i < body->argument_count; i++)
      given.inputs[i] =
          make_tensor(arena, body->arguments[i]->name, &body->arguments[i]->type, given.dims);
    RunTensor *results = ARENA_ARRAY(arena, (size_t)gradient.results + 1, RunTensor);
    ok = evaluate(&given, &gradient, results);
    double scale = 1 + (ok ? fabs(*(double *)results[0].bytes) : 0);
    int next = 1;
    for (int i = 0; ok && i < body->argument_count; i++) {
      if (!is_learned(body->arguments[i])) continue;
      const RunTensor *g = &results[next++];
      for (int64_t k = 0; k < g->count; k++) {
        double is = ((double *)g->bytes)[k];
        ok = test_element(&given, &loss, i, k, scale, is, order) && ok;
      }
    }
  }
  arena_free(arena);
  return ok;
}

static void cover(const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    is_covered[op->kind] = true;
    if (op->region) cover(op->region);
  }
}

static int test_file(const char *file) {
  Arena *arena = arena_new();
  Sources *sources = sources_new(arena);
  Diagnostics *diagnostics = diagnostics_new(arena, sources);
  size_t length;
  const char *message;
  char *text = source_read(arena, file, 1 << 26, &length, &message);
  Module *module =
      text ? module_parse(arena, diagnostics, sources_add(sources, file, file, text, length))
           : NULL;
  diag_flush(diagnostics, stdout, DIAG_TEXT, false, false);
  int failures = module ? 0 : 1;
  for (size_t i = 0; module && i < module->functions.count; i++) {
    const Function *function = module->functions.items[i];
    cover(function->body);
    for (int order = 0; order < 2; order++)
      failures += !test_order(text, length, function->name, order);
  }
  arena_free(arena);
  return failures;
}

int main(int argc, char **argv) {
  int failures = 0;
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--print") == 0 && i + 1 < argc)
      print_name = argv[++i];
    else
      failures += test_file(argv[i]);
  for (int i = 0; i < OPERATORS && !print_name; i++)
    if (gradient_rules[i]->run && !is_covered[i]) {
      printf("'%s' has a gradient and is in no case\n", operator_infos[i].name);
      failures++;
    }
  return failures > 0;
}
