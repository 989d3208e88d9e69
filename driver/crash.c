#include "driver/crash.h"

#include "driver/compile.h"
#include "driver/output.h"
#include "ir/module_text.h"
#include "support/bug.h"

#include <string.h>

/* A bug has one hook for the process, and so one session. */
static struct {
  Session *session;
  const char *operation;
} crash;

typedef struct {
  const Pass *before; /* of the pipeline; NULL: its end */
  int level;
  int runs; /* of a list, which may name a pass twice: how many to make */
} Until;

static const Pass *next_pass(const Pass *next, int level) {
  while (next < passes + PASSES && next->level > level) next++;
  return next;
}

static bool stop_before(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Until *until = user;
  (void)effect, (void)module;
  if (until->runs > 0) return --until->runs > 0;
  return next_pass(pass + 1, until->level) != until->before;
}

/* The graph as the pass was given it; NULL if it cannot be made again. */
static Module *make_again(Session *session, Compilation *c) {
  const Options *options = session->options;
  PassesRunning running = passes_running; /* making it again runs passes, too */
  int code;
  if (options->files.count != 1 || strcmp(options->files.items[0], "-") == 0) return NULL;
  if (options->command == COMMAND_opt) {
    if (!compile_open_text(session, c, &code)) return NULL;
    Until until = {.runs = running.count - 1};
    bool done = !until.runs ||
                pipeline_run_list(c->module, option_joined(session->arena, options, OPTION_passes),
                                  &c->passes, session->diagnostics, stop_before, &until);
    return done ? c->module : NULL;
  }
  if (!compile_open(session, c, &code)) return NULL;
  const Pass *after = c->module->after ? pass_find(c->module->after) : NULL;
  Until until = {running.pass, c->passes.level, 0};
  bool done = next_pass(after ? after + 1 : passes, until.level) == until.before ||
              compile_passes(c, stop_before, &until);
  return done ? c->module : NULL;
}

static bool write_graph(void) {
  Session *session = crash.session;
  const Pass *pass = passes_running.pass;
  if (crash.operation) fprintf(stderr, "  operation  %s\n", crash.operation);
  if (!passes_running.count) return false; /* elaborating: the text is all there is */
  Compilation c;
  Module *module = make_again(session, &c);
  if (!module) return false;
  const char *name = pass ? pass->name : "lower";
  const char *path = arena_format(session->arena, "%s.before-%s.ir", c.name, name);
  Text text = text_new(session->arena);
  module_print(&text, module, (PrintOptions){.locations = true});
  if (!output_write(session, path, text_get(&text), text.length)) return false;
  bool given = option_given(session->options, OPTION_cpu);
  const char *cpu = given ? option_joined(session->arena, session->options, OPTION_cpu) : NULL;
  const char *level = option_text(session->options, OPTION_level, NULL);
  fprintf(stderr, "  graph      %s, without weights\n  again      dlc ", path);
  if (pass)
    fprintf(stderr, "opt %s --passes=%s --verify", path, pass->name);
  else
    fprintf(stderr, "build %s", path);
  if (pass && !cpu && session->options->command != COMMAND_opt) cpu = "native";
  if (cpu) fprintf(stderr, " --cpu %s", cpu);
  if (level) fprintf(stderr, " -O%s", level);
  const char *conv = option_text(session->options, OPTION_conv, NULL);
  if (conv) fprintf(stderr, " --conv %s", conv);
  fputc('\n', stderr);
  return true;
}

void crash_watch(Session *session) {
  crash.session = session;
  bug_hook = write_graph;
}

void crash_operation(const char *text) {
  crash.operation = text;
}
