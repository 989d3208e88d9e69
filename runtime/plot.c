/* --plot: the learning curve as SVG, losses over epochs; accuracy below, if there is one. */
#include "runtime/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDE = 640, HIGH = 280, LEFT = 70, RIGHT = 20, TOP = 40, BOTTOM = 36 };

static const char *const colours[] = {"#1f5fa8", "#d1661b", "#2a8a4a", "#8a3fa0", "#a02b3c"};

typedef struct {
  dlrt_training *t;
  FILE *to;
  bool accuracy;
  double top; /* of this panel */
  double least, most;
} panel;

static bool is_in(const panel *p, const dlrt_column *column) {
  return column->kind != DLRT_PERPLEXITY && (column->kind == DLRT_ACCURACY) == p->accuracy;
}

static double x_of(const panel *p, int64_t epoch) {
  int64_t last = p->t->at.epochs - 1;
  return LEFT + (last ? (double)epoch / (double)last : 0.5) * (WIDE - LEFT - RIGHT);
}

static double y_of(const panel *p, double value) {
  return p->top + TOP + (p->most - value) / (p->most - p->least) * (HIGH - TOP - BOTTOM);
}

static double value_at(const panel *p, int64_t epoch, int64_t column) {
  double value = p->t->history[epoch * p->t->column_count + column];
  return p->accuracy ? 100 * value : value;
}

/* Bounds at round numbers, with the distance of the lines between them. */
static double scale(panel *p) {
  p->least = INFINITY;
  p->most = -INFINITY;
  for (int64_t e = 0; e < p->t->at.epochs; e++)
    for (int64_t i = 0; i < p->t->column_count; i++) {
      double value = value_at(p, e, i);
      if (!is_in(p, &p->t->columns[i]) || !isfinite(value)) continue;
      p->least = fmin(p->least, value);
      p->most = fmax(p->most, value);
    }
  if (!(p->least <= p->most)) return 0;
  if (p->most - p->least < 1e-9) p->most = p->least + 1;
  double rough = (p->most - p->least) / 5, power = pow(10, floor(log10(rough)));
  double step = power * (rough / power < 2 ? 2 : rough / power < 5 ? 5 : 10);
  p->least = floor(p->least / step) * step;
  p->most = ceil(p->most / step) * step;
  return step;
}

static void draw_axes(const panel *p, double step) {
  int lines = (int)lround((p->most - p->least) / step);
  for (int i = 0; i <= lines; i++) {
    double value = p->least + i * step;
    double y = y_of(p, value), shown = fabs(value) < step / 2 ? 0 : value;
    fprintf(p->to,
            "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%.4g%s</text>\n",
            LEFT, y, WIDE - RIGHT, LEFT - 8, y + 4, shown, p->accuracy ? " %" : "");
  }
  int64_t epochs = p->t->at.epochs, every = epochs / 10 + 1;
  for (int64_t e = 0; e < epochs; e++)
    if (e == 0 || (e + 1) % every == 0)
      fprintf(p->to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%lld</text>\n", x_of(p, e),
              p->top + HIGH - BOTTOM + 18, (long long)e + 1);
  fprintf(p->to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">epoch</text>\n", WIDE - RIGHT,
          p->top + HIGH - 4);
}

static void draw_line(const panel *p, int64_t column, int number) {
  const char *colour = colours[number % (int)(sizeof colours / sizeof *colours)];
  bool down = false;
  fputs("<path fill=\"none\" stroke-width=\"2\" d=\"", p->to);
  for (int64_t e = 0; e < p->t->at.epochs; e++) {
    double value = value_at(p, e, column);
    if (isfinite(value))
      fprintf(p->to, "%c%.1f %.1f", down ? 'L' : 'M', x_of(p, e), y_of(p, value));
    down = isfinite(value) != 0;
  }
  fprintf(p->to, "\" stroke=\"%s\"/>\n", colour);
  for (int64_t e = 0; e < p->t->at.epochs; e++)
    if (isfinite(value_at(p, e, column)))
      fprintf(p->to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"%s\"/>\n", x_of(p, e),
              y_of(p, value_at(p, e, column)), colour);
  fprintf(p->to, "<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s</text>\n", LEFT + 110 * number,
          p->top + TOP - 14, colour, p->t->columns[column].name);
}

static void draw_panel(panel *p) {
  double step = scale(p);
  int number = 0;
  if (step <= 0) return;
  draw_axes(p, step);
  for (int64_t i = 0; i < p->t->column_count; i++)
    if (is_in(p, &p->t->columns[i])) draw_line(p, i, number++);
}

static void draw(dlrt_training *t, FILE *to) {
  int panels = t->judges ? 2 : 1;
  fprintf(to,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
          "font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
          "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
          WIDE, panels * HIGH);
  for (int i = 0; i < panels; i++) {
    panel p = {.t = t, .to = to, .accuracy = i == 1, .top = i * HIGH};
    draw_panel(&p);
  }
  fputs("</svg>\n", to);
}

dlrt_status dlrt_plot(dlrt_training *t, const char *path) {
  dlrt_writing writing;
  dlrt_output output;
  if (dlrt_writing_begin(&writing)) draw(t, writing.to);
  char *text = dlrt_writing_end(&writing);
  if (!text) return dlrt_fail(&t->program->error, DLRT_NO_MEMORY, "no memory to draw");
  dlrt_status status = dlrt_output_open(path, &output, &t->program->error);
  if (!status) status = dlrt_output_write(&output, text, strlen(text), &t->program->error);
  status = dlrt_output_close(&output, status, &t->program->error);
  free(text);
  return status;
}
