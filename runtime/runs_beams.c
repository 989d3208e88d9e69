/* Beam search: of all beams' next tokens those are kept that make the most probable texts. A text
 * that ends is finished; texts are compared by log probability over ((5 + tokens) / 6)^penalty (Wu
 * et al. 2016). It is over when no text that goes on can become better than those that are
 * finished. */
#include "runtime/runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int64_t *tokens, count;
  double score;
  bool ended; /* by the end token */
} finished;

typedef struct {
  dlrt_runner *r;
  int64_t beams, begun, known, most;
  double *scores; /* of each row; -infinity: not a beam */
  float *totals;  /* of each row's next tokens */
  int64_t *best, *from, *tokens;
  double *next;
  finished *done; /* the best first */
  int64_t done_count;
} search;

static double by_length(const search *s, double score, int64_t tokens) {
  return score / pow((5 + (double)tokens) / 6, s->r->program->length_penalty);
}

/* The text of a row, ended; the worst one gives way. */
static bool finish(search *s, int64_t row, double score, bool ended) {
  const dlrt_runner *r = s->r;
  int64_t count = r->length - s->begun;
  double value = by_length(s, score, count + ended);
  if (s->done_count == s->beams && value <= s->done[s->done_count - 1].score) return true;
  int64_t *tokens = malloc(((size_t)count + 1) * sizeof *tokens);
  if (!tokens) return false;
  memcpy(tokens, r->text + row * r->room + s->begun, (size_t)count * sizeof *tokens);
  if (s->done_count == s->beams) free(s->done[--s->done_count].tokens);
  int64_t at = s->done_count++;
  for (; at && value > s->done[at - 1].score; at--) s->done[at] = s->done[at - 1];
  s->done[at] = (finished){tokens, count, value, ended};
  return true;
}

static bool is_over(const search *s) {
  double hope = -INFINITY;
  for (int64_t row = 0; row < s->beams; row++) hope = fmax(hope, s->scores[row]);
  if (hope == -INFINITY) return true;
  return s->done_count == s->beams &&
         by_length(s, hope, s->most) <= s->done[s->done_count - 1].score;
}

/* The next tokens of all beams; 0, or an exit code. */
static int step(search *s) {
  dlrt_runner *r = s->r;
  int64_t kept = 0;
  for (int64_t row = 0; row < s->beams; row++) {
    float *totals = s->totals + row * s->known;
    if (s->scores[row] > -INFINITY && !dlrt_log_softmax(r->logits + row * r->classes, r->classes))
      return dlrt_complain(r->program, EXIT_INPUT, "the logits of token %lld are nan or infinite",
                           (long long)r->length + 1);
    for (int64_t i = 0; i < s->known; i++)
      totals[i] = (float)(s->scores[row] + (double)r->logits[row * r->classes + i]);
  }
  int64_t found = dlrt_largest(s->totals, s->beams * s->known, s->best, 2 * s->beams);
  for (int64_t i = 0; i < found && kept < s->beams; i++) {
    int64_t row = s->best[i] / s->known, token = s->best[i] % s->known;
    double score = s->scores[row] + (double)r->logits[row * r->classes + token];
    if (token == r->end) {
      if (i < s->beams && !finish(s, row, score, true))
        return dlrt_complain(r->program, EXIT_INPUT, "no memory for beams");
      continue;
    }
    s->from[kept] = row;
    s->tokens[kept] = token;
    s->next[kept++] = score;
  }
  for (int64_t row = 0; row < r->rows; row++) {
    bool live = row < kept;
    if (row < s->beams) s->scores[row] = live ? s->next[row] : -INFINITY;
    if (!live) {
      s->from[row] = kept ? s->from[0] : row;
      s->tokens[row] = kept ? s->tokens[0] : 0;
    }
  }
  if (is_over(s)) return 0;
  int code = dlrt_runner_reorder(r, s->from);
  return code ? code : dlrt_runner_go_on(r, s->tokens);
}

static bool open_search(search *s) {
  const dlrt_runner *r = s->r;
  size_t rows = (size_t)r->rows, beams = (size_t)s->beams;
  s->scores = malloc(beams * sizeof *s->scores);
  s->next = malloc(2 * beams * sizeof *s->next);
  s->totals = malloc(beams * (size_t)s->known * sizeof *s->totals);
  s->best = malloc(2 * beams * sizeof *s->best);
  s->from = malloc((rows + beams) * sizeof *s->from);
  s->tokens = malloc((rows + beams) * sizeof *s->tokens);
  s->done = calloc(beams + 1, sizeof *s->done);
  return s->scores && s->next && s->totals && s->best && s->from && s->tokens && s->done;
}

static void close_search(search *s) {
  for (int64_t i = 0; s->done && i < s->done_count; i++) free(s->done[i].tokens);
  free(s->scores);
  free(s->next);
  free(s->totals);
  free(s->best);
  free(s->from);
  free(s->tokens);
  free(s->done);
}

int dlrt_runner_search(dlrt_runner *r, dlrt_sink *sink, const char **why) {
  search s = {.r = r, .beams = r->beams, .begun = r->length};
  s.known = r->program->tokens ? dlrt_vocabulary_count(r->program->tokens) : r->classes;
  s.most = r->program->token_count ? r->program->token_count : DLRT_USUAL_TOKENS;
  int code = open_search(&s) ? 0 : dlrt_complain(r->program, EXIT_INPUT, "no memory for beams");
  for (int64_t row = 0; !code && row < s.beams; row++) s.scores[row] = row ? -INFINITY : 0;
  *why = "end";
  bool over = false;
  while (!code && !over) {
    if (dlrt_interrupted()) {
      *why = "interrupt";
      break;
    }
    code = step(&s);
    over = is_over(&s) || r->full || r->length - s.begun >= s.most;
  }
  /* Those that were not ended, at the bound. */
  for (int64_t row = 0; !code && row < s.beams; row++)
    if (s.scores[row] > -INFINITY && s.done_count < s.beams &&
        !finish(&s, row, s.scores[row], false))
      code = dlrt_complain(r->program, EXIT_INPUT, "no memory for beams");
  if (!code && r->full) *why = "full";
  if (!code && s.done_count && !s.done[0].ended && !strcmp(*why, "end")) *why = "tokens";
  int64_t count = s.done_count ? s.done[0].count : 0;
  for (int64_t i = 0; !code && i < count && !sink->stopped; i++) {
    dlrt_sink_token(sink, s.done[0].tokens[i]);
    r->text[s.begun + i] = s.done[0].tokens[i];
  }
  r->length = s.begun + count;
  close_search(&s);
  return code;
}
