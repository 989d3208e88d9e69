/* predict: files through the model, results to a file, against labels or values, or as text. */
#include "runtime/element.h"
#include "runtime/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 32 };

typedef struct {
  const dlrt_program *program;
  int64_t rows;
  double started, drawn;
} progress;

static bool draw_progress(void *argument, int64_t done) {
  progress *p = argument;
  double now = dlrt_seconds();
  if (p->program->bar && (now - p->drawn > 0.1 || (done == p->rows && p->drawn > 0)) &&
      now - p->started > 0.3) {
    int filled = (int)(done * BAR / p->rows);
    double left = (now - p->started) * (double)(p->rows - done) / (double)done;
    fprintf(stderr, "\r[%.*s%*s]  %s/%s  %s/s  %.1f s left \x1b[K", filled,
            "################################", BAR - filled, "", dlrt_thousands(done),
            dlrt_thousands(p->rows), dlrt_thousands((int64_t)((double)done / (now - p->started))),
            left);
    if (done == p->rows) fputs("\r\x1b[K", stderr);
    fflush(stderr);
    p->drawn = now;
  }
  return !dlrt_interrupted();
}

static void say_inputs(const dlrt_program *program, const dlrt_binding *binding) {
  for (int64_t i = 0; i < binding->entry->input_count; i++) {
    const dlrt_input *input = &binding->inputs[i];
    char found[96];
    if (!input->port->rank) continue;
    dlrt_shape_text(found, sizeof found, input->array.element, input->array.rank,
                    input->array.shape);
    fprintf(program->report, "%-8s %s as %s", input->port->name, found, input->port->type);
    const char *mark = ": ";
    if (input->scale != 1) {
      fprintf(program->report, "%s/%.0f", mark, 1 / input->scale);
      mark = ", ";
    }
    for (int c = 0; c < input->channels; c++) {
      fprintf(program->report, "%smean %g, std %g", mark, input->mean[c], input->deviation[c]);
      mark = "; ";
    }
    fputs(input->kept ? " (kept with the weights)\n" : "\n", program->report);
  }
}

static void say_speed(const dlrt_program *program, const dlrt_binding *binding, int threads,
                      double seconds) {
  double each = seconds / (double)binding->rows;
  const char *unit = each < 1e-3 ? "us" : "ms";
  fprintf(program->report, "predict  %s in %.3f s with reading, %.1f %s each, %s/s; %d thread%s",
          dlrt_thousands(binding->rows), seconds, each * (each < 1e-3 ? 1e6 : 1e3), unit,
          dlrt_thousands((int64_t)(1 / each)), threads, threads == 1 ? "" : "s");
  if (binding->has_rows)
    fprintf(program->report, ", batch %lld",
            (long long)(binding->batch < binding->rows ? binding->batch : binding->rows));
  fputc('\n', program->report);
}

static void print_number(FILE *to, dlrt_element element, const char *at) {
  if (!dlrt_element_is_float(element)) {
    fprintf(to, "%lld", (long long)dlrt_element_get_integer(element, at));
    return;
  }
  double value = dlrt_element_get(element, at);
  if (to && value != value)
    fputs("nan", to);
  else
    fprintf(to, "%.6g", value);
}

/* The numbers themselves if they fit a screen, else what can be said of them. */
static void print_result(const dlrt_result *result, FILE *to) {
  enum { SCREEN = 400 };
  char type[96];
  size_t count = 1, size = dlrt_element_size(result->element);
  for (int i = 0; i < result->rank; i++) count *= (size_t)result->shape[i];
  dlrt_shape_text(type, sizeof type, result->element, result->rank, result->shape);
  fprintf(to, "%-8s %s\n", result->name, type);
  const char *data = result->data;
  if (count <= SCREEN) {
    size_t columns = result->rank ? (size_t)result->shape[result->rank - 1] : 1;
    for (size_t i = 0; i < count; i++) {
      fputs(i % columns ? " " : "  ", to);
      print_number(to, result->element, data + i * size);
      if ((i + 1) % columns == 0) fputc('\n', to);
    }
    return;
  }
  double least = INFINITY, most = -INFINITY, sum = 0;
  size_t nans = 0;
  for (size_t i = 0; i < count; i++) {
    double value = dlrt_element_get(result->element, data + i * size);
    if (value != value) {
      nans++;
      continue;
    }
    sum += value;
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  fprintf(to, "  %s numbers from %.6g to %.6g, mean %.6g", dlrt_thousands((int64_t)count), least,
          most, count > nans ? sum / (double)(count - nans) : 0);
  if (nans) fprintf(to, ", %s nan", dlrt_thousands((int64_t)nans));
  fputs("; -o FILE writes them\n", to);
}

static void print_json_result(const dlrt_result *result, bool first, FILE *to) {
  enum { MOST = 4096 };
  size_t count = 1, size = dlrt_element_size(result->element);
  fprintf(to, "%s{\"name\":\"%s\",\"type\":\"%s\",\"shape\":[", first ? "" : ",", result->name,
          dlrt_element_name(result->element));
  for (int i = 0; i < result->rank; i++) {
    count *= (size_t)result->shape[i];
    fprintf(to, "%s%lld", i ? "," : "", (long long)result->shape[i]);
  }
  fputc(']', to);
  if (count <= MOST) {
    fputs(",\"values\":[", to);
    for (size_t i = 0; i < count; i++) {
      const char *at = (const char *)result->data + i * size;
      if (i) fputc(',', to);
      if (!dlrt_element_is_float(result->element))
        fprintf(to, "%lld", (long long)dlrt_element_get_integer(result->element, at));
      else if (isfinite(dlrt_element_get(result->element, at)))
        fprintf(to, "%.9g", dlrt_element_get(result->element, at));
      else
        fputs("null", to);
    }
    fputc(']', to);
  }
  fputc('}', to);
}

static int report(dlrt_program *program, const dlrt_binding *binding, const dlrt_result *results,
                  int threads, double seconds) {
  int64_t outputs = binding->entry->output_count;
  FILE *json = program->json ? stdout : NULL;
  int code = 0;
  if (!program->quiet) {
    say_inputs(program, binding);
    say_speed(program, binding, threads, seconds);
  }
  if (json) {
    fprintf(json, "{\"model\":\"%s\",\"entry\":\"%s\",\"rows\":%lld,\"seconds\":%.6f,",
            program->model->name, binding->entry->name, (long long)binding->rows, seconds);
    fprintf(json, "\"threads\":%d,\"batch\":%lld,\"outputs\":[", threads,
            (long long)binding->batch);
    for (int64_t i = 0; i < outputs; i++) print_json_result(&results[i], i == 0, json);
    fputc(']', json);
  }
  if (program->expect || program->show) code = dlrt_expect(program, binding, results, json);
  if (json) fputs("}\n", json);
  if (!json && !program->expect && !program->show && !program->output)
    for (int64_t i = 0; i < outputs; i++) print_result(&results[i], stdout);
  return code;
}

/* A wrong name is told before hours of work. */
static int check_output(const dlrt_program *program) {
  const char *path = program->output;
  if (!path) return 0;
  size_t length = strlen(path);
  const char *end = length > 4 ? path + length - 4 : "";
  bool many = strcmp(end, ".npz") == 0;
  if (!many && strcmp(end, ".npy") && strcmp(end, ".csv") && strcmp(path, "-"))
    return dlrt_complain(program, EXIT_USAGE, "-o %s: name it .npy, .npz or .csv, or '-'", path);
  if (!many && program->entry->output_count != 1)
    return dlrt_complain(program, EXIT_USAGE, "-o %s: %lld results go into an .npz", path,
                         (long long)program->entry->output_count);
  if (program->json && strcmp(path, "-") == 0)
    return dlrt_complain(program, EXIT_USAGE, "-o - and --json both want stdout");
  return 0;
}

int dlrt_predict(dlrt_program *program) {
  dlrt_context *context;
  int code = check_output(program);
  if (code) return code;
  double started = dlrt_seconds();
  code = dlrt_kept_read(program);
  if (code) return code;
  dlrt_request request = dlrt_program_request(program);
  dlrt_binding binding;
  dlrt_status status = dlrt_bind(&request, &binding, &program->error);
  if (status) return dlrt_complain_status(program, status, &program->error);
  code = dlrt_program_open(program, true, &context);
  dlrt_result *results = calloc((size_t)program->entry->output_count + 1, sizeof *results);
  if (!code && !results) code = dlrt_complain(program, EXIT_INPUT, "no memory for the results");
  if (!code) {
    progress p = {program, binding.rows, started, 0};
    status = dlrt_run(context, &binding, results, draw_progress, &p, &program->error);
    if (p.drawn > 0) fputs("\r\x1b[K", stderr);
    if (status)
      code = dlrt_complain_status(program, status, &program->error);
    else if (dlrt_interrupted())
      code = EXIT_INTERRUPT;
  }
  if (!code)
    code = report(program, &binding, results, dlrt_threads(context), dlrt_seconds() - started);
  if (program->output && (code == 0 || (code == EXIT_INPUT && program->expect && !status))) {
    status = dlrt_array_write(program->output, results, (int)program->entry->output_count,
                              &program->error);
    if (status) code = dlrt_complain_status(program, status, &program->error);
  }
  if (results) dlrt_results_free(&binding, results);
  free(results);
  dlrt_close(context);
  dlrt_bind_free(&binding);
  return code;
}
