/* --expect and --show: results against labels (accuracy, confusion) or values (difference). */
#include "runtime/element.h"
#include "runtime/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST_TABLE = 24, CELL = 6 };

static size_t count_of(const dlrt_result *result) {
  size_t count = 1;
  for (int i = 0; i < result->rank; i++) count *= (size_t)result->shape[i];
  return count;
}

/* The index of the largest number of a row; NaN wins, as in the model's own argmax. */
static int64_t best_of(const dlrt_result *result, int64_t row) {
  int64_t columns = result->shape[1], best = 0;
  size_t size = dlrt_element_size(result->element);
  const char *at = (const char *)result->data + (size_t)(row * columns) * size;
  double most = dlrt_element_get(result->element, at);
  for (int64_t c = 1; c < columns && most == most; c++) {
    double value = dlrt_element_get(result->element, at + (size_t)c * size);
    if (value > most || value != value) {
      most = value;
      best = c;
    }
  }
  return best;
}

static void print_cut(FILE *to, const char *name, int width, bool right) {
  fprintf(to, right ? "%*.*s" : "%-*.*s", width, right ? width - 1 : width, name);
}

static void print_confusion(const dlrt_program *program, const int64_t *confusion, int64_t classes,
                            const dlrt_names *names) {
  FILE *to = program->report;
  char room[24];
  print_cut(to, "  is \\ said", 11, false);
  for (int64_t said = 0; said < classes; said++)
    print_cut(to, dlrt_class_name(names, said, room), CELL, true);
  fputc('\n', to);
  for (int64_t is = 0; is < classes; is++) {
    fputs("  ", to);
    print_cut(to, dlrt_class_name(names, is, room), 9, false);
    for (int64_t said = 0; said < classes; said++) {
      int64_t count = confusion[is * classes + said];
      if (count)
        fprintf(to, "%*lld", CELL, (long long)count);
      else
        fprintf(to, "%*s", CELL, ".");
    }
    fputc('\n', to);
  }
}

/* The three commonest mistakes. */
static void print_mistakes(const dlrt_program *program, const int64_t *confusion, int64_t classes,
                           const dlrt_names *names) {
  int64_t last = INT64_MAX, last_at = -1;
  for (int n = 0; n < 3; n++) {
    int64_t most = 0, at = -1;
    for (int64_t i = 0; i < classes * classes; i++) {
      if (i / classes == i % classes || confusion[i] <= most) continue;
      if (confusion[i] > last || (confusion[i] == last && i <= last_at)) continue;
      most = confusion[i];
      at = i;
    }
    if (at < 0) break;
    char is[24], said[24];
    fprintf(program->report, n ? ", %s %s %lld" : "  most often: %s said to be %s %lld",
            dlrt_class_name(names, at / classes, is), dlrt_class_name(names, at % classes, said),
            (long long)most);
    last = most;
    last_at = at;
  }
  if (last_at >= 0) fputc('\n', program->report);
}

static void print_json_confusion(FILE *json, const int64_t *confusion, int64_t classes) {
  fputs(",\"confusion\":[", json);
  for (int64_t i = 0; i < classes; i++) {
    fputs(i ? ",[" : "[", json);
    for (int64_t j = 0; j < classes; j++)
      fprintf(json, "%s%lld", j ? "," : "", (long long)confusion[i * classes + j]);
    fputc(']', json);
  }
  fputc(']', json);
}

static int compare_labels(const dlrt_program *program, const dlrt_result *result,
                          const int64_t *labels, const dlrt_names *names, FILE *json) {
  int64_t rows = result->shape[0], classes = result->shape[1], right = 0;
  bool table = classes <= WIDEST_TABLE;
  int64_t *confusion = calloc(table ? (size_t)(classes * classes) + 1 : 1, sizeof *confusion);
  if (!confusion) return dlrt_complain(program, EXIT_INPUT, "no memory for the table");
  for (int64_t row = 0; row < rows; row++) {
    if (labels[row] < 0 || labels[row] >= classes) {
      free(confusion);
      return dlrt_complain(program, EXIT_INPUT, "%s: label %lld of row %lld, classes are 0 to %lld",
                           program->expect, (long long)labels[row], (long long)row,
                           (long long)classes - 1);
    }
    int64_t said = best_of(result, row);
    right += said == labels[row];
    if (table) confusion[labels[row] * classes + said]++;
  }
  double accuracy = (double)right / (double)rows;
  if (!program->quiet) {
    fprintf(program->report, "accuracy %.2f %%, %s of %s\n", 100 * accuracy, dlrt_thousands(right),
            dlrt_thousands(rows));
    if (table && rows > 1) {
      print_confusion(program, confusion, classes, names);
      print_mistakes(program, confusion, classes, names);
    }
  }
  if (json) {
    fprintf(json, ",\"accuracy\":%.9g,\"correct\":%lld", accuracy, (long long)right);
    if (table) print_json_confusion(json, confusion, classes);
  }
  free(confusion);
  return 0;
}

/* The largest difference, by the size of the largest number that was expected. */
static int compare_values(const dlrt_program *program, const dlrt_result *result,
                          const dlrt_array *wanted, FILE *json) {
  double largest = 0, scale = 0;
  size_t at = 0, count = count_of(result);
  bool lost = false;
  for (size_t i = 0; i < count; i++) {
    double have = dlrt_element_get(result->element, (const char *)result->data +
                                                        i * dlrt_element_size(result->element));
    double want = dlrt_element_get(wanted->element, (const char *)wanted->data +
                                                        i * dlrt_element_size(wanted->element));
    if (isfinite(want) && fabs(want) > scale) scale = fabs(want);
    if (have == want || (have != have && want != want)) continue;
    double difference = fabs(have - want);
    if (!isfinite(difference)) {
      if (!lost) at = i;
      lost = true;
    } else if (difference > largest && !lost) {
      largest = difference;
      at = i;
    }
  }
  double relative = lost ? INFINITY : scale > 0 ? largest / scale : largest;
  bool good = relative <= program->tolerance;
  if (!program->quiet || !good) {
    FILE *to = good ? program->report : stderr;
    if (!good) fprintf(to, "%s: error: ", program->name);
    fprintf(to, "%s  largest difference %.3g, %.3g of the largest value %.6g, at number %zu%s",
            result->name, lost ? INFINITY : largest, relative, scale, at, good ? "\n" : "");
    if (!good) fprintf(to, "; tolerance %g\n", program->tolerance);
  }
  if (json && isfinite(relative)) fprintf(json, ",\"difference\":%.9g", relative);
  if (json && !isfinite(relative)) fputs(",\"difference\":null", json);
  return good ? 0 : EXIT_INPUT;
}

/* A list for rows of one number each is their values: there is no class to tell from another. */
static bool same_shape(const dlrt_result *result, const dlrt_array *array) {
  return (int64_t)count_of(result) == dlrt_array_count(array) &&
         (array->rank != 1 || result->rank <= 1 || result->shape[0] == 1 ||
          (result->rank == 2 && result->shape[1] == 1));
}

static bool are_labels(const dlrt_result *result, const dlrt_array *array) {
  int64_t count = dlrt_array_count(array);
  size_t size = dlrt_element_size(array->element);
  bool good = result->rank == 2 && count == result->shape[0];
  for (int64_t i = 0; good && dlrt_element_is_float(array->element) && i < count; i++) {
    double number = dlrt_element_get(array->element, (const char *)array->data + (size_t)i * size);
    good = number == trunc(number);
  }
  return good;
}

static int64_t *read_labels(const dlrt_array *array) {
  size_t count = (size_t)dlrt_array_count(array);
  int64_t *labels = malloc((count + 1) * sizeof *labels);
  if (labels) dlrt_convert(array->element, array->data, DLRT_I64, labels, count, 1);
  return labels;
}

int dlrt_expect(dlrt_program *program, const dlrt_binding *binding, const dlrt_result *results,
                FILE *json) {
  const dlrt_result *result = &results[0];
  dlrt_names names = {0};
  dlrt_array array = {0};
  int64_t *labels = NULL;
  int code = program->classes        ? dlrt_names_read(program, program->classes, &names)
             : program->kept_classes ? dlrt_names_split(program, program->kept_classes, &names)
                                     : 0;
  if (!code && program->expect) {
    /* Whole numbers are labels if the results are scores; csv is read as what it then is. */
    dlrt_wanted wanted = {result->name, result->element, result->rank, {0}};
    memcpy(wanted.shape, result->shape, sizeof wanted.shape);
    dlrt_status status = dlrt_array_read(program->expect, &wanted, &array, &program->error);
    if (status) {
      code = dlrt_complain_status(program, status, &program->error);
    } else if (same_shape(result, &array)) {
      code = compare_values(program, result, &array, json);
    } else if (are_labels(result, &array)) {
      labels = read_labels(&array);
      code = labels ? compare_labels(program, result, labels, &names, json)
                    : dlrt_complain(program, EXIT_INPUT, "no memory for the labels");
    } else {
      char found[96], there[96];
      dlrt_shape_text(found, sizeof found, array.element, array.rank, array.shape);
      dlrt_shape_text(there, sizeof there, result->element, result->rank, result->shape);
      code = dlrt_complain(program, EXIT_INPUT, "%s: %s is neither labels nor values of '%s', %s",
                           program->expect, found, result->name, there);
    }
  }
  if (!code && program->show)
    code = dlrt_show(program, binding, results, labels, names.names, names.count);
  free(labels);
  dlrt_array_free(&array);
  dlrt_names_free(&names);
  return code;
}
