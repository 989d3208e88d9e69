/* --show: pictures as characters, two pixels high each, with the likeliest classes beside them. */
#include "runtime/element.h"
#include "runtime/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST = 64, BEST = 3, BAR = 30 };

typedef struct {
  const dlrt_input *input;
  int64_t channels, height, width, row;
  double step; /* pixels of the picture a pixel drawn */
} picture;

/* The input that is pictures: rows of [channels, height, width] or [height, width]. */
static bool find_picture(const dlrt_binding *binding, picture *p) {
  for (int64_t i = 0; i < binding->entry->input_count; i++) {
    const dlrt_input *input = &binding->inputs[i];
    int rank = (int)input->port->rank, first = input->by_rows ? 1 : 0;
    if (rank - first < 2 || rank - first > 3) continue;
    int64_t channels = rank - first == 3 ? input->shape[first] : 1;
    if (channels != 1 && channels != 3) continue;
    *p = (picture){input, channels, input->shape[rank - 2], input->shape[rank - 1], 0, 1};
    if (p->width > WIDEST) p->step = (double)p->width / WIDEST;
    return p->width > 0 && p->height > 0;
  }
  return false;
}

static double number(const picture *p, int64_t channel, int64_t y, int64_t x) {
  const dlrt_array *array = &p->input->array;
  int64_t at = ((p->row * p->channels + channel) * p->height + y) * p->width + x;
  return dlrt_element_get(array->element, (const char *)array->data +
                                              (size_t)at * dlrt_element_size(array->element));
}

/* The least and the most number of the picture, which are black and white unless it says so. */
static void range(const picture *p, double *least, double *most) {
  const dlrt_array *array = &p->input->array;
  *least = 0;
  *most = array->full ? array->full : 255;
  if (array->full || array->element == DLRT_U8) return;
  *least = INFINITY;
  *most = -INFINITY;
  for (int64_t c = 0; c < p->channels; c++)
    for (int64_t y = 0; y < p->height; y++)
      for (int64_t x = 0; x < p->width; x++) {
        double value = number(p, c, y, x);
        if (value < *least) *least = value;
        if (value > *most) *most = value;
      }
  if (!(*most > *least)) *most = *least + 1;
}

/* The mean over a drawn pixel, 0 to 1. */
static double shade(const picture *p, int64_t channel, int64_t y, int64_t x, double least,
                    double most) {
  int64_t top = (int64_t)((double)y * p->step), left = (int64_t)((double)x * p->step);
  int64_t bottom = (int64_t)((double)(y + 1) * p->step),
          right = (int64_t)((double)(x + 1) * p->step);
  if (bottom <= top) bottom = top + 1;
  if (right <= left) right = left + 1;
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = top; i < bottom && i < p->height; i++)
    for (int64_t j = left; j < right && j < p->width; j++, count++) sum += number(p, channel, i, j);
  double value = count ? (sum / (double)count - least) / (most - least) : 0;
  return !(value > 0) ? 0 : value > 1 ? 1 : value;
}

static void draw_line(const picture *p, int64_t line, int64_t columns, bool colour, bool followed,
                      FILE *to) {
  static const char greys[] = " .:-=+*#%@";
  char text[WIDEST + 1] = "";
  double least, most;
  range(p, &least, &most);
  for (int64_t x = 0; x < columns; x++) {
    double upper[3], lower[3];
    for (int64_t c = 0; c < p->channels; c++) {
      upper[c] = shade(p, c, 2 * line, x, least, most);
      lower[c] = shade(p, c, 2 * line + 1, x, least, most);
    }
    for (int64_t c = p->channels; c < 3; c++) {
      upper[c] = upper[0];
      lower[c] = lower[0];
    }
    if (colour) {
      fprintf(to, "\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;%d;%dm\xe2\x96\x80", (int)(255 * upper[0]),
              (int)(255 * upper[1]), (int)(255 * upper[2]), (int)(255 * lower[0]),
              (int)(255 * lower[1]), (int)(255 * lower[2]));
    } else {
      double mean = 0;
      for (int c = 0; c < 3; c++) mean += (upper[c] + lower[c]) / 6;
      int grey = (int)(mean * 10);
      text[x] = greys[grey > 9 ? 9 : grey];
    }
  }
  /* No blanks at the end of a line. */
  for (int64_t x = columns; !followed && x > 0 && text[x - 1] == ' '; x--) text[x - 1] = 0;
  fputs(colour ? "\x1b[0m" : text, to);
}

typedef struct {
  int64_t count, index[BEST];
  double part[BEST];
} guesses;

/* Scores of a row as parts of one: as they are if they sum to one, else by softmax. */
static void guess(const dlrt_result *result, int64_t row, guesses *g) {
  *g = (guesses){0};
  if (result->rank != 2 || !dlrt_element_is_float(result->element) || !result->data) return;
  int64_t columns = result->shape[1];
  size_t size = dlrt_element_size(result->element);
  const char *at = (const char *)result->data + (size_t)(row * columns) * size;
  double most = -INFINITY, sum = 0, plain = 0;
  bool parts = true;
  for (int64_t c = 0; c < columns; c++) {
    double value = dlrt_element_get(result->element, at + (size_t)c * size);
    if (value > most) most = value;
    plain += value;
    parts = parts && value >= 0;
  }
  parts = parts && fabs(plain - 1) < 1e-3;
  for (int64_t c = 0; c < columns; c++)
    sum += exp(dlrt_element_get(result->element, at + (size_t)c * size) - most);
  for (int64_t c = 0; c < columns; c++) {
    double value = dlrt_element_get(result->element, at + (size_t)c * size);
    double part = parts ? value : exp(value - most) / sum;
    int64_t place = g->count;
    while (place > 0 && g->part[place - 1] < part) place--;
    if (place >= BEST) continue;
    if (g->count < BEST) g->count++;
    for (int64_t i = g->count - 1; i > place; i--) {
      g->part[i] = g->part[i - 1];
      g->index[i] = g->index[i - 1];
    }
    g->part[place] = part;
    g->index[place] = c;
  }
}

static void print_guess(const guesses *g, int64_t line, const dlrt_names *names, FILE *to) {
  char room[24];
  if (line >= g->count) return;
  fprintf(to, "   %-5s%-10.10s ", line ? "" : "said", dlrt_class_name(names, g->index[line], room));
  for (int i = 0; i < (int)(g->part[line] * BAR + 0.5); i++) fputc('#', to);
  fprintf(to, " %.1f %%\n", 100 * g->part[line]);
}

int dlrt_show(dlrt_program *program, const dlrt_binding *binding, const dlrt_result *results,
              const int64_t *labels, char *const *texts, int64_t name_count) {
  FILE *to = program->report;
  picture p;
  char room[24];
  union {
    char *const *from;
    char **to;
  } names_of = {texts};
  dlrt_names names = {NULL, names_of.to, name_count};
  if (!find_picture(binding, &p))
    return dlrt_complain(program, EXIT_USAGE, "no input of '%s' is a picture to show",
                         binding->entry->name);
  int64_t shown = p.input->by_rows ? binding->rows : 1;
  if (program->show < shown) shown = program->show;
  bool colour = program->colour && p.channels == 3;
  for (p.row = 0; p.row < shown; p.row++) {
    guesses g;
    guess(&results[0], p.row, &g);
    int64_t columns = p.width < WIDEST ? p.width : WIDEST;
    int64_t lines = ((int64_t)ceil((double)p.height / p.step) + 1) / 2;
    fprintf(to, "%s %lld", p.input->port->name, (long long)p.row);
    if (labels) fprintf(to, ", is %s", dlrt_class_name(&names, labels[p.row], room));
    fputc('\n', to);
    for (int64_t line = 0; line < lines; line++) {
      fputs("  ", to);
      draw_line(&p, line, columns, colour, line < g.count, to);
      if (line < g.count)
        print_guess(&g, line, &names, to);
      else
        fputc('\n', to);
    }
  }
  return 0;
}
