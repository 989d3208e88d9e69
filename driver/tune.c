#include "driver/tune.h"

#include <string.h>

/* Weights beyond this many bytes are read from memory in each call. */
static const int64_t cold_weights = 16 << 20;

static int64_t weight_bytes(const Module *module) {
  int64_t bytes = 0;
  for (size_t i = 0; i < module->tensors.count; i++)
    bytes += type_bytes_at_bound(&module->tensors.items[i]->type);
  return bytes;
}

/* The number of the candidate that the finding names first; -1: there is none of that name now. */
static int take(Arena *arena, const Choice *choice, const TuneFinding *finding, double *seconds) {
  int taken = -1;
  for (int i = 0; i < choice->count; i++) {
    const char *name = candidate_text(arena, &choice->candidates[i]);
    for (size_t t = 0; t < finding->times.count; t++)
      if (strcmp(name, finding->times.items[t].name) == 0) {
        seconds[i] = finding->times.items[t].seconds;
        if (t == 0) taken = i;
      }
  }
  return taken;
}

static const TuneFinding *measure(Tuning *t, const Choice *choice, const char *key) {
  Session *session = t->compilation->session;
  if (t->failed) return NULL;
  if (!t->machine.target) {
    Diagnostic *d = diag_report(session->diagnostics, E0507, SPAN_NONE,
                                "%s lacks '%s', which this machine cannot measure for %s",
                                t->file.path, key, t->compilation->target.name);
    diag_help(d, "--cpu native, or one that this machine has");
    t->failed = true;
    return NULL;
  }
  double *seconds = ARENA_ARRAY(session->arena, (size_t)choice->count, double);
  tune_measure(&t->machine, choice, seconds);
  TuneFinding finding = {.key = key};
  for (int i = 0; i < choice->count; i++) {
    TuneTime time = {candidate_text(session->arena, &choice->candidates[i]), seconds[i]};
    if (seconds[i] >= 0) vec_push(session->arena, &finding.times, time);
  }
  if (finding.times.count == 0) return NULL;
  t->measured++;
  if (session->verbose) fprintf(stderr, "tune: %s\n", key);
  tune_file_add(session, &t->file, finding);
  if (!tune_file_write(session, &t->file)) t->failed = true;
  return &vec_last(&t->file.findings);
}

/* One candidate is no choice. */
static int choose(void *user, const Choice *choice, double *seconds) {
  Tuning *t = user;
  if (choice->count == 1) return 0;
  Arena *arena = t->compilation->session->arena;
  const char *key = arena_format(arena, "%s %s", t->where, choice->key);
  const TuneFinding *finding = tune_file_find(&t->file, key);
  if (!finding) finding = measure(t, choice, key);
  int taken = finding ? take(arena, choice, finding, seconds) : -1;
  if (taken < 0 && finding && !t->failed) {
    Text names = text_new(arena);
    for (int i = 0; i < choice->count; i++)
      text_format(&names, "%s%s", i ? ", " : "", candidate_text(arena, &choice->candidates[i]));
    Session *session = t->compilation->session;
    Diagnostic *d =
        diag_report(session->diagnostics, E0506, tune_file_place(session, &t->file, finding),
                    "%s takes '%s' for '%s', which is no candidate here", t->file.path,
                    finding->times.items[0].name, key);
    diag_help(d, "remove the line, so that they are measured anew: %s", text_get(&names));
    t->failed = true;
  }
  return taken;
}

bool tune_open(Tuning *t, Compilation *c, const char *path) {
  Session *session = c->session;
  *t = (Tuning){.compilation = c, .chooser = {choose, t}};
  if (!tune_file_read(session, path, &t->file)) return false;
  Text names = text_new(session->arena);
  for (size_t i = 0; i < c->target_count; i++)
    text_format(&names, "%s%s", i ? "," : "", c->targets[i].cpu);
  t->where = arena_format(session->arena, "%s %d", text_get(&names), c->passes.threads);
  for (size_t i = 0; i < c->target_count && !t->machine.target; i++)
    if (target_runs_here(&c->targets[i])) t->machine.target = &c->targets[i];
  t->machine.options = &c->passes;
  t->machine.threads = c->passes.threads;
  t->machine.cold = weight_bytes(c->module) > cold_weights;
  c->passes.chooser = &t->chooser;
  return true;
}

bool tune_close(Tuning *t) {
  Session *session = t->compilation->session;
  if (!t->failed && session->verbose)
    fprintf(stderr, "tune: %d operation%s measured, %s\n", t->measured, t->measured == 1 ? "" : "s",
            t->file.path);
  return !t->failed;
}
