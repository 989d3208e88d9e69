/* The examples' reduced forms, from the .dl text through the reference interpreter, against what
 * PyTorch gave (values/). This ties the interpreter, which everything else is compared with, to
 * something outside of the project.
 *
 *   reference_interpret CASE...          rows of tests/examples.txt; all `small` ones without a
 * name
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/elaborate.h"
#include "ir/data.h"
#include "ir/interpret.h"
#include "passes/pass.h"
#include "tests/reference/formula.h"

/* Of an output's largest absolute value: each operation rounds to f32 once, in up to some hundred
 * layers; 4e-6 is the most seen. */
static const double tolerance = 1e-5;
enum { MOST_WORDS = 16, MOST_RESULTS = 32 };

/* A state's value between calls. */
typedef struct Kept {
  const Tensor *tensor;
  void *bytes;
  struct Kept *next;
} Kept;

typedef struct {
  Arena *arena;
  char text[512];
  const char *name, *example, *entry;
  ConstOverride defines[MOST_WORDS];
  int define_count;
  ConstOverride dims[MOST_WORDS];
  int dim_count;
  FormulaScale scales[MOST_WORDS];
  size_t scale_count;
  ConstOverride given[MOST_WORDS]; /* inputs: a range or a number */
  int given_count;
  int calls; /* more than one: states begin with 0, and last */
  Kept *kept;
} Case;

/* "a=b" cut at its sign. */
static ConstOverride cut(char *word) {
  char *sign = strchr(word, '=');
  if (sign) *sign = 0;
  return (ConstOverride){word, sign ? sign + 1 : ""};
}

/* False: a comment, or not of that class. */
static bool parse_case(const char *line, Case *c) {
  *c = (Case){0};
  snprintf(c->text, sizeof c->text, "%s", line);
  char *rest, *words[64];
  int count = 0;
  for (char *w = strtok_r(c->text, " \n", &rest); w && count < 64; w = strtok_r(NULL, " \n", &rest))
    words[count++] = w;
  if (count < 5 || words[0][0] == '#') return false;
  c->name = words[0];
  c->example = words[1];
  c->entry = words[2];
  c->calls = 1;
  for (int i = 5; i < count && c->given_count < MOST_WORDS && c->scale_count < MOST_WORDS; i++) {
    if (strcmp(words[i], "-D") == 0) {
      c->defines[c->define_count++] = cut(words[++i]);
    } else if (strcmp(words[i], "--dim") == 0) {
      c->dims[c->dim_count++] = cut(words[++i]);
    } else if (strncmp(words[i], "calls=", 6) == 0) {
      c->calls = atoi(words[i] + 6);
    } else if (strncmp(words[i], "gain=", 5) == 0 || strncmp(words[i], "unit=", 5) == 0) {
      bool unit = words[i][0] == 'u';
      char *number = words[i] + 5, *colon = strrchr(number, ':');
      if (colon) *colon = 0;
      c->scales[c->scale_count++] =
          (FormulaScale){colon ? number : "", unit, strtod(colon ? colon + 1 : number, NULL)};
    } else {
      c->given[c->given_count++] = cut(words[i]);
    }
  }
  return strcmp(words[3], "small") == 0;
}

/* Bytes that hold any element: a tensor here is short. */
enum { WIDEST = 8 };

static bool parameter(void *user, const Tensor *tensor, RunTensor *value) {
  const Case *c = user;
  for (const Kept *k = c->kept; k; k = k->next)
    if (k->tensor == tensor) {
      value->bytes = k->bytes;
      return true;
    }
  Formula f =
      formula_parameter_of(tensor->name, value->shape, value->rank, c->scales, c->scale_count);
  float *data = arena_array(c->arena, (size_t)value->count, sizeof *data);
  for (int64_t i = 0; i < value->count; i++)
    data[i] = c->calls > 1 && tensor->kind == TENSOR_STATE ? 0 : formula_parameter(&f, (uint64_t)i);
  value->bytes = data;
  return true;
}

static void written(void *user, const Tensor *tensor, const RunTensor *value) {
  Case *c = user;
  Kept *k = c->kept;
  while (k && k->tensor != tensor) k = k->next;
  if (!k) {
    k = ARENA_NEW(c->arena, Kept);
    *k = (Kept){tensor, arena_array(c->arena, (size_t)value->count, WIDEST), c->kept};
    c->kept = k;
  }
  for (int64_t i = 0; i < value->count; i++)
    element_store(value->element, k->bytes, i, element_load(value->element, value->bytes, i));
}

static const char *given(const Case *c, const char *name) {
  for (int i = 0; i < c->given_count; i++)
    if (strcmp(c->given[i].name, name) == 0) return c->given[i].value;
  return NULL;
}

/* The rows that call number `call` reads, of those of all calls. */
static RunTensor input(const Case *c, const Value *v, const int64_t *dims, int call) {
  RunTensor t = {.element = v->type.element, .rank = v->type.rank, .count = 1};
  for (int i = 0; i < t.rank; i++) {
    if (!dim_evaluate(v->type.dims[i], dims, &t.shape[i])) t.shape[i] = 0;
    t.count *= t.shape[i];
  }
  t.bytes = arena_array(c->arena, (size_t)t.count, WIDEST);
  const char *value = given(c, v->name);
  const char *dots = value ? strstr(value, "..") : NULL;
  int64_t low = dots ? strtoll(value, NULL, 10) : 0;
  int64_t end = dots ? strtoll(dots + 2, NULL, 10) : t.element == ELEMENT_u8 ? 256 : 10;
  uint64_t hash = formula_hash("input ", v->name);
  for (int64_t i = 0; i < t.count; i++) {
    uint64_t at = (uint64_t)(call * t.count + i);
    if (value && !dots)
      element_store(t.element, t.bytes, i, strtod(value, NULL));
    else if (element_is_float(t.element))
      element_store(t.element, t.bytes, i, formula_symmetric(hash, at));
    else if (t.element == ELEMENT_bool)
      element_store_integer(t.element, t.bytes, i, formula_bool(hash, at));
    else
      element_store_integer(t.element, t.bytes, i, formula_integer(hash, at, low, end));
  }
  return t;
}

/* The output whose head line is in hand; its numbers follow. */
static bool compare(FILE *values, const char *line, const Function *f, const RunTensor *outputs,
                    const char *name) {
  char output[128], element[16], shape[128];
  double most, norm, worst = 0;
  long every, count;
  if (sscanf(line, "output %127s %15s %127s max %lf norm %lf every %ld count %ld", output, element,
             shape, &most, &norm, &every, &count) != 7)
    return false;
  const RunTensor *got = NULL;
  for (size_t i = 0; i < f->results.count; i++)
    if (strcmp(f->results.items[i].name, output) == 0) got = &outputs[i];
  if (!got || (count - 1) * every >= got->count) return false;
  for (long i = 0; i < count; i++) {
    double value;
    if (fscanf(values, "%lf", &value) != 1) return false;
    double d = fabs(element_load(got->element, got->bytes, i * every) - value);
    if (!(d <= worst)) worst = d;
  }
  double sum = 0;
  for (int64_t i = 0; i < got->count; i++) {
    double x = element_load(got->element, got->bytes, i);
    sum += x * x;
  }
  bool good = worst <= tolerance * most && fabs(sqrt(sum) - norm) <= tolerance * norm;
  printf("%s %s %s: largest difference %.2e of %.3g\n", good ? "ok  " : "FAIL", name, output,
         worst / (most > 0 ? most : 1), most);
  return good;
}

/* The entry's calls, their results one below the other. */
static bool call(Case *c, const Function *f, const int64_t *dims, RunTensor *outputs) {
  const char *message = "too many inputs or results";
  InterpretOptions how = {.arena = c->arena, .dims = dims, .tensor = parameter, .user = c};
  how.written = written;
  bool good = f->results.count <= MOST_RESULTS && f->body->argument_count <= MOST_WORDS;
  for (int k = 0; good && k < c->calls; k++) {
    RunTensor inputs[MOST_WORDS], results[MOST_RESULTS];
    for (int i = 0; i < f->body->argument_count; i++)
      inputs[i] = input(c, f->body->arguments[i], dims, k);
    good = interpret(f, &how, inputs, results, &message);
    for (size_t i = 0; good && i < f->results.count; i++) {
      RunTensor *all = &outputs[i];
      if (k == 0) {
        *all = results[i];
        all->bytes = arena_array(c->arena, (size_t)(all->count * c->calls), WIDEST);
        all->count = 0;
      }
      for (int64_t j = 0; j < results[i].count; j++, all->count++)
        element_store(all->element, all->bytes, all->count,
                      element_load(all->element, results[i].bytes, j));
    }
  }
  if (!good) printf("FAIL %s: %s\n", c->name, message);
  return good;
}

static bool run(Case *c) {
  Arena *arena = c->arena = arena_new();
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  char path[512], line[1024];
  snprintf(path, sizeof path, TEST_SOURCE_DIR "/examples/%s/%s.dl", c->example, c->example);
  if (access(path, R_OK))
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/reference/pages/%s.dl", c->example);
  if (access(path, R_OK))
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/programs/%s.dl", c->example);
  ElaborateOptions options = {.path = path, .overrides = c->defines, .entries = &c->entry};
  options.override_count = c->define_count;
  options.entry_count = 1;
  Module *module = elaborate(arena, diagnostics, &options, NULL);
  PassOptions passing = PASS_OPTIONS_DEFAULT; /* a model may hold gradients, which are made first */
  if (module && !pass_run(&passes[PASS_gradient], module, &passing, diagnostics, NULL))
    module = NULL;
  diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
  const Function *f = module ? module_function(module, c->entry) : NULL;
  bool good = f != NULL;
  if (good) {
    int64_t dims[MOST_WORDS] = {0};
    for (int i = 0; i < dim_symbol_count(module->dims) && i < MOST_WORDS; i++) {
      const Symbol *symbol = dim_symbol_at(module->dims, i);
      dims[i] = symbol->min;
      for (int j = 0; j < c->dim_count; j++)
        if (strcmp(c->dims[j].name, symbol->name) == 0)
          dims[i] = strtoll(c->dims[j].value, NULL, 10);
    }
    RunTensor outputs[MOST_RESULTS];
    good = call(c, f, dims, outputs);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/reference/values/%s.txt", c->name);
    FILE *values = good ? fopen(path, "r") : NULL;
    good = values != NULL;
    while (values && fgets(line, sizeof line, values))
      if (strncmp(line, "output ", 7) == 0) good &= compare(values, line, f, outputs, c->name);
    if (values) fclose(values);
  }
  arena_free(arena);
  return good;
}

int main(int argc, char **argv) {
  FILE *table = fopen(TEST_SOURCE_DIR "/tests/examples.txt", "r");
  if (!table) return 2;
  char line[512];
  int ran = 0, failed = 0;
  while (fgets(line, sizeof line, table)) {
    Case c;
    bool wanted = parse_case(line, &c) && argc == 1;
    for (int i = 1; c.name && i < argc; i++) wanted |= strcmp(argv[i], c.name) == 0;
    if (!wanted) continue;
    ran++;
    if (!run(&c)) {
      failed++;
      printf("FAIL %s\n", c.name);
    }
  }
  fclose(table);
  printf("%d cases, %d failed\n", ran, failed);
  return failed > 0 || ran == 0;
}
