/* What training says while it runs: on stderr, redrawn only on a terminal. */
#include "runtime/texts.h"
#include "runtime/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 32, COLUMN = 12 };

static int digits(int64_t number) {
  int count = 1;
  for (; number >= 10; number /= 10) count++;
  return count;
}

/* 0:01.2, 12:34, 1:02:03 */
static const char *duration(double seconds, char *text, size_t room) {
  if (seconds < 60)
    snprintf(text, room, "0:%04.1f", seconds < 59.95 ? seconds : 59.9);
  else if (seconds < 3600)
    snprintf(text, room, "%d:%02d", (int)seconds / 60, (int)seconds % 60);
  else
    snprintf(text, room, "%lld:%02d:%02d", (long long)seconds / 3600, (int)fmod(seconds / 60, 60),
             (int)fmod(seconds, 60));
  return text;
}

static void clear_bar(dlrt_training *t) {
  if (t->bar_drawn) fputs("\r\x1b[K", stderr);
  t->bar_drawn = false;
}

static void say_text(const dlrt_training *t) {
  for (int64_t i = 0; i < t->lead->entry->input_count; i++) {
    const dlrt_input *input = &t->lead->binding.inputs[i];
    if (!input->owns_corpus) continue;
    fputs("; ", stderr);
    t->model->texts->say(input, t->program->tokens, stderr);
  }
}

static void say_head(const dlrt_training *t) {
  int threads = dlrt_threads(t->context);
  if (t->lead) {
    fprintf(stderr, "data     %s to learn from", dlrt_thousands(t->lead->row_count));
    if (t->validates) fprintf(stderr, ", %s to validate", dlrt_thousands(t->held_count));
    if (t->reads_text) say_text(t);
    fprintf(stderr, "; batch %s, ", dlrt_thousands(t->lead->batch));
  } else {
    fputs("data     none; ", stderr);
  }
  fprintf(stderr, "%s steps an epoch; %d thread%s\n", dlrt_thousands(t->epoch_steps), threads,
          threads == 1 ? "" : "s");
  if (t->task_count > 1) {
    fputs("round    ", stderr);
    for (int64_t i = 0; i < t->task_count; i++)
      fprintf(stderr, "%s%s * %lld", i ? ", " : "", t->tasks[i].entry->name,
              (long long)t->tasks[i].per_round);
    fputc('\n', stderr);
  }
  if (t->first_step)
    fprintf(stderr, "resume   step %s of %s; data, options and seed as before: %s\n",
            dlrt_thousands(t->first_step), dlrt_thousands(t->epochs * t->epoch_steps),
            t->other_numbers ? "all but the numbers that were typed"
            : t->other_cpu   ? "another CPU's code, so nearly the same numbers"
                             : "the same bits as if never stopped");
  if (!t->program->save && !t->checkpoint)
    fputs("save     nothing is kept; --save FILE.safetensors\n", stderr);
}

void dlrt_show_head(dlrt_training *t) {
  if (t->program->quiet) return;
  say_head(t);
  fprintf(stderr, "%*s", 2 * digits(t->epochs) + 3, "epoch");
  for (int64_t i = 0; i < t->column_count; i++)
    fprintf(stderr, "%*.*s", COLUMN, COLUMN - 1, t->columns[i].name);
  fprintf(stderr, "%*s%9s\n", COLUMN, t->lead ? "rows/s" : "steps/s", "time");
}

static double speed(const dlrt_training *t) {
  return t->busy > 0 ? (double)t->epoch_rows / t->busy : 0;
}

void dlrt_show_progress(dlrt_training *t, double now) {
  if (!t->program->bar || now - t->bar_time < 0.1 || now - t->epoch_started < 0.3) return;
  int64_t at = t->at.step - t->at.epochs * t->epoch_steps, mine = at;
  int64_t epoch_start = t->at.epochs * t->epoch_steps;
  if (t->first_step > epoch_start) mine = t->at.step - t->first_step;
  int filled = (int)(at * BAR / t->epoch_steps), width = digits(t->epochs) + 1;
  double left = mine ? (now - t->epoch_started) * (double)(t->epoch_steps - at) / (double)mine : 0;
  char room[24];
  fprintf(stderr, "\r%*lld/%lld  [%.*s%*s]  %s/%s  %.12s %.4g  %s/s  %s left\x1b[K", width,
          (long long)t->at.epochs + 1, (long long)t->epochs, filled,
          "################################", BAR - filled, "", dlrt_thousands(at),
          dlrt_thousands(t->epoch_steps), t->columns[0].name, dlrt_column_mean(t, 0),
          dlrt_thousands((int64_t)speed(t)), duration(left, room, sizeof room));
  fflush(stderr);
  t->bar_drawn = true;
  t->bar_time = now;
}

void dlrt_show_epoch(dlrt_training *t) {
  if (t->program->quiet) return;
  int64_t epoch = t->at.epochs;
  const double *values = t->history + (epoch - 1) * t->column_count;
  char room[24];
  clear_bar(t);
  fprintf(stderr, "%*lld/%lld", digits(t->epochs) + 2, (long long)epoch, (long long)t->epochs);
  for (int64_t i = 0; i < t->column_count; i++)
    if (t->columns[i].kind == DLRT_ACCURACY)
      fprintf(stderr, "%*.2f %%", COLUMN - 2, 100 * values[i]);
    else if (t->columns[i].kind == DLRT_PERPLEXITY)
      fprintf(stderr, "%*.*f", COLUMN, values[i] < 1e6 ? 2 : 0, values[i]);
    else
      fprintf(stderr, "%*.*f", COLUMN, fabs(values[i]) < 1000 ? 4 : 0, values[i]);
  fprintf(stderr, "%*s%9s%s\n", COLUMN, dlrt_thousands((int64_t)speed(t)),
          duration(t->seconds[epoch - 1], room, sizeof room), t->at.best == epoch ? "   best" : "");
}

/* ---- the curve ---- */

enum { HIGH = 8, WIDE = 61 };

static bool is_drawn(const dlrt_column *column) {
  return column->kind == DLRT_VALIDATION || (column->kind == DLRT_LOSS && column->output == 0);
}

static char mark_of(const dlrt_training *t, int64_t column) {
  static const char marks[] = "*+x#%&";
  int64_t number = 0;
  if (t->columns[column].kind == DLRT_VALIDATION) return 'o';
  for (int64_t i = 0; i < column; i++) number += is_drawn(&t->columns[i]);
  return marks[number % (int64_t)(sizeof marks - 1)];
}

static bool bounds(const dlrt_training *t, double *least, double *most) {
  *least = INFINITY;
  *most = -INFINITY;
  for (int64_t e = 0; e < t->at.epochs; e++)
    for (int64_t i = 0; i < t->column_count; i++) {
      double value = t->history[e * t->column_count + i];
      if (!is_drawn(&t->columns[i]) || !isfinite(value)) continue;
      *least = fmin(*least, value);
      *most = fmax(*most, value);
    }
  return *least <= *most;
}

void dlrt_show_curve(dlrt_training *t) {
  char grid[HIGH][WIDE + 1];
  double least, most;
  int64_t epochs = t->at.epochs;
  if (t->program->quiet || epochs < 2 || !bounds(t, &least, &most)) return;
  if (most - least < 1e-12) most = least + 1;
  int wide = epochs <= 7 ? (int)(epochs - 1) * 10 + 1 : WIDE;
  for (int y = 0; y < HIGH; y++) {
    memset(grid[y], ' ', WIDE);
    grid[y][WIDE] = 0;
  }
  bool both = false;
  for (int64_t e = 0; e < epochs; e++)
    for (int64_t i = 0; i < t->column_count; i++) {
      double value = t->history[e * t->column_count + i];
      if (!is_drawn(&t->columns[i]) || !isfinite(value)) continue;
      int x = (int)(e * (wide - 1) / (epochs - 1));
      int y = (int)lround((most - value) / (most - least) * (HIGH - 1));
      char mark = mark_of(t, i), *at = &grid[y][x];
      bool shared = *at != ' ' && *at != mark;
      both = both || shared;
      *at = shared ? '8' : mark;
    }
  fprintf(stderr, "%9s  ", "");
  for (int64_t i = 0; i < t->column_count; i++)
    if (is_drawn(&t->columns[i])) fprintf(stderr, "%c %.12s   ", mark_of(t, i), t->columns[i].name);
  fprintf(stderr, "%s%s\n", both ? "8 both   " : "",
          t->program->plot ? "" : "--plot FILE.svg draws it");
  for (int y = 0; y < HIGH; y++) {
    double value = most - (most - least) * y / (HIGH - 1);
    fprintf(stderr, "%9.4g |%.*s", value, wide, grid[y]);
    fputc('\n', stderr);
  }
  char axis[WIDE + 24];
  memset(axis, '-', sizeof axis);
  int end = -1; /* numbers do not touch */
  for (int64_t e = 0; e < epochs; e++) {
    int x = (int)(e * (wide - 1) / (epochs - 1));
    char number[24];
    int length = snprintf(number, sizeof number, "%lld", (long long)e + 1);
    if (x <= end || (e && e < epochs - 1 && x + length >= wide - 1)) continue;
    memcpy(axis + x, number, (size_t)length);
    end = x + length;
  }
  fprintf(stderr, "          +%.*s epochs\n", end > wide ? end : wide, axis);
}

void dlrt_show_end(dlrt_training *t) {
  if (t->program->quiet) return;
  int64_t ran = t->at.step - t->first_step, running = t->at.step / t->epoch_steps + 1;
  clear_bar(t);
  if (strcmp(t->reason, "interrupt") == 0) {
    fprintf(stderr, "^C stopped at step %s of %s (epoch %lld); ", dlrt_thousands(t->at.step),
            dlrt_thousands(t->epochs * t->epoch_steps), (long long)running);
    if (t->checkpoint && !t->checkpoint_failed)
      fprintf(stderr, "saved %s\ngo on with: %s train --resume %s\n", t->checkpoint,
              t->program->path, t->checkpoint);
    else
      fputs("not saved\n", stderr);
    return;
  }
  if (strcmp(t->reason, "patience") == 0)
    fprintf(stderr, "patience validation was best in epoch %lld\n", (long long)t->at.best);
  fprintf(stderr, "%-9s", t->program->save ? "saved" : "done");
  if (t->program->save) fprintf(stderr, "%s: ", t->program->save);
  int64_t epoch = t->at.best ? t->at.best : t->at.epochs;
  fprintf(stderr, "epoch %lld", (long long)epoch);
  for (int64_t i = 0; i < t->column_count && epoch; i++)
    if (t->columns[i].kind == DLRT_VALIDATION)
      fprintf(stderr, ", validation %.4f", t->history[(epoch - 1) * t->column_count + i]);
  fprintf(stderr, "; %s steps in %.1f s\n", dlrt_thousands(ran), dlrt_seconds() - t->started);
}
