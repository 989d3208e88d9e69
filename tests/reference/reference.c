/* reference - weights and inputs by formula (formula.h) as files, and results against recorded
 * ones.
 *
 *   reference weights OUT.safetensors [gain=..] [unit=..]    lines "NAME ELEMENT SHAPE" on stdin
 *   reference input NAME ELEMENT SHAPE RANGE OUT.npy         RANGE: A..B, or - for the usual one
 *   reference compare VALUES.txt RESULT                      .npy, or .npz with the outputs' names
 *   reference equal A B                                      two results, to the same tolerance
 *
 * SHAPE is "64,3,7,7", or "-" for a scalar. Used by tests/reference/run.py.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/array.h"
#include "runtime/element.h"
#include "runtime/safetensors.h"
#include "tests/reference/formula.h"

/* Of an output's largest absolute value: the project's promise against PyTorch. */
static const double tolerance = 1e-4;

static int fail(const char *what, const char *name) {
  fprintf(stderr, "reference: %s: %s\n", name, what);
  return 2;
}

static int parse_shape(const char *text, int64_t *shape) {
  int rank = 0;
  if (strcmp(text, "-") == 0) return 0;
  for (char *end; rank < DLRT_AXES; text = end + 1) {
    shape[rank++] = strtoll(text, &end, 10);
    if (*end != ',') return *end ? -1 : rank;
  }
  return -1;
}

static int64_t count_of(const int64_t *shape, int rank) {
  int64_t count = 1;
  for (int i = 0; i < rank; i++) count *= shape[i];
  return count;
}

/* "gain=2", "unit=mapping:10000" */
static FormulaScale parse_scale(char *word) {
  FormulaScale scale = {"", strncmp(word, "unit=", 5) == 0, 1.0};
  char *value = strchr(word, '=') + 1, *colon = strrchr(value, ':');
  if (colon) {
    *colon = 0;
    scale.prefix = value;
    value = colon + 1;
  }
  scale.number = strtod(value, NULL);
  return scale;
}

static int weights(int count, char **words) {
  FormulaScale scales[16];
  if (count > 17) return fail("too many scales", words[0]);
  for (int i = 1; i < count; i++) scales[i - 1] = parse_scale(words[i]);
  dlrt_stored *tensors = NULL;
  int used = 0;
  char name[512], element[16], shape_text[256];
  while (scanf("%511s %15s %255s", name, element, shape_text) == 3) {
    dlrt_stored *more = realloc(tensors, sizeof *tensors * (size_t)(used + 1));
    if (!more) return fail("no memory", name);
    tensors = more;
    dlrt_stored *t = &tensors[used++];
    *t = (dlrt_stored){.name = strdup(name), .element = DLRT_F32};
    t->rank = parse_shape(shape_text, t->shape);
    if (t->rank < 0 || strcmp(element, "f32") != 0)
      return fail("not an f32 tensor of a known shape", name);
    int64_t n = count_of(t->shape, t->rank);
    t->bytes = (size_t)n * sizeof(float);
    float *data = malloc(t->bytes);
    if (!data) return fail("no memory", name);
    Formula f = formula_parameter_of(name, t->shape, t->rank, scales, (size_t)(count - 1));
    for (int64_t i = 0; i < n; i++) data[i] = formula_parameter(&f, (uint64_t)i);
    t->data = data;
  }
  dlrt_error error;
  dlrt_status status = dlrt_safetensors_write(words[0], tensors, used, NULL, 0, &error);
  for (int i = 0; i < used; i++) {
    free((void *)(uintptr_t)tensors[i].name);
    free((void *)(uintptr_t)tensors[i].data);
  }
  free(tensors);
  return status ? fail("cannot be written", words[0]) : 0;
}

static int input(char **words) {
  dlrt_result r = {.name = words[0], .element = dlrt_element_named(words[1], strlen(words[1]))};
  r.rank = parse_shape(words[2], r.shape);
  if (r.element == DLRT_ELEMENTS || r.rank < 0) return fail("unknown type", words[0]);
  int64_t n = count_of(r.shape, r.rank), low = 0, end = r.element == DLRT_U8 ? 256 : 10;
  char *dots = strstr(words[3], "..");
  if (dots) {
    low = strtoll(words[3], NULL, 10);
    end = strtoll(dots + 2, NULL, 10);
  }
  uint64_t hash = formula_hash("input ", words[0]);
  size_t size = dlrt_element_size(r.element);
  char *data = malloc((size_t)n * size);
  if (!data) return fail("no memory", words[0]);
  for (int64_t i = 0; i < n; i++) {
    double value = dlrt_element_is_float(r.element) ? formula_symmetric(hash, (uint64_t)i)
                   : r.element == DLRT_BOOL         ? formula_bool(hash, (uint64_t)i)
                                            : (double)formula_integer(hash, (uint64_t)i, low, end);
    dlrt_element_set(r.element, data + (size_t)i * size, value);
  }
  r.data = data;
  dlrt_error error;
  dlrt_status status = dlrt_array_write(words[4], &r, 1, &error);
  free(data);
  return status ? fail("cannot be written", words[4]) : 0;
}

static double element_of(const dlrt_array *a, int64_t i) {
  return dlrt_element_get(a->element,
                          (const char *)a->data + (size_t)i * dlrt_element_size(a->element));
}

static int read_result(const char *path, const char *name, dlrt_array *array) {
  dlrt_error error;
  dlrt_wanted wanted = {.name = name, .element = DLRT_F32, .rank = 1, .shape = {-1}};
  return dlrt_array_read(path, &wanted, array, &error) ? fail("cannot be read", path) : 0;
}

/* NaN counts as the largest difference. */
static double difference(double a, double b) {
  double d = fabs(a - b);
  return d == d ? d : INFINITY;
}

/* One output of VALUES: its head line is in hand, its numbers follow. Returns 1 if it differs. */
static int compare_output(FILE *values, const char *line, const char *path) {
  char name[128], element[16], shape[128];
  double most, norm;
  long every, count;
  if (sscanf(line, "output %127s %15s [%127[^]]] max %lf norm %lf every %ld count %ld", name,
             element, shape, &most, &norm, &every, &count) != 7)
    return fail("damaged", line);
  dlrt_array got;
  if (read_result(path, name, &got)) return 2;
  int64_t wanted[DLRT_AXES];
  int rank = parse_shape(shape, wanted);
  int same = got.rank == rank && strcmp(dlrt_element_name(got.element), element) == 0;
  for (int i = 0; same && i < rank; i++) same = got.shape[i] == wanted[i];
  double sum = 0, worst = 0, scale = most > 0 ? most : 1;
  int64_t at = 0;
  for (int64_t i = 0, n = dlrt_array_count(&got); same && i < n; i++)
    sum += element_of(&got, i) * element_of(&got, i);
  for (long i = 0; i < count; i++) {
    double value;
    if (fscanf(values, "%lf", &value) != 1) return fail("damaged", name);
    double d = same ? difference(element_of(&got, i * every), value) / scale : 0;
    if (d > worst) {
      worst = d;
      at = i * every;
    }
  }
  double norm_error = same ? difference(sqrt(sum), norm) / (norm > 0 ? norm : 1) : 0;
  int bad = !same || worst > tolerance || norm_error > tolerance;
  printf("%s %s: ", bad ? "DIFFERS" : "equal", name);
  if (same)
    printf("largest difference %.2e of %.3g at %lld; of the norm %.2e\n", worst, most,
           (long long)at, norm_error);
  else
    printf("%s, rank %d; should be %s[%s]\n", dlrt_element_name(got.element), got.rank, element,
           shape);
  dlrt_array_free(&got);
  return bad;
}

static int compare(const char *values_path, const char *result) {
  FILE *values = fopen(values_path, "r");
  if (!values) return fail(strerror(errno), values_path);
  char line[1024];
  int status = 0, outputs = 0;
  while (fgets(line, sizeof line, values))
    if (strncmp(line, "output ", 7) == 0) {
      int one = compare_output(values, line, result);
      status = one > status ? one : status;
      outputs++;
    }
  fclose(values);
  return outputs ? status : fail("has no output", values_path);
}

static int equal(const char *a_path, const char *b_path) {
  dlrt_array a, b;
  if (read_result(a_path, NULL, &a)) return 2;
  if (read_result(b_path, NULL, &b)) {
    dlrt_array_free(&a);
    return 2;
  }
  int64_t n = dlrt_array_count(&a);
  double most = 0, worst = 0;
  bool same = n == dlrt_array_count(&b);
  for (int64_t i = 0; same && i < n; i++) {
    most = fmax(most, fabs(element_of(&a, i)));
    worst = fmax(worst, difference(element_of(&a, i), element_of(&b, i)));
  }
  worst /= most > 0 ? most : 1;
  bool bad = !same || worst > tolerance;
  printf("%s: largest difference %.2e of %.3g\n", bad ? "DIFFERS" : "equal", worst, most);
  dlrt_array_free(&a);
  dlrt_array_free(&b);
  return bad;
}

int main(int argc, char **argv) {
  const char *command = argc > 1 ? argv[1] : "";
  if (argc > 2 && strcmp(command, "weights") == 0) return weights(argc - 2, argv + 2);
  if (argc == 7 && strcmp(command, "input") == 0) return input(argv + 2);
  if (argc == 4 && strcmp(command, "compare") == 0) return compare(argv[2], argv[3]);
  if (argc == 4 && strcmp(command, "equal") == 0) return equal(argv[2], argv[3]);
  fprintf(stderr, "usage: reference weights|input|compare|equal ..., see reference.c\n");
  return 2;
}
