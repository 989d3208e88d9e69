/* dlc dump FILE: the graph after a pass, what each pass changed, or the plan of memory. */
#include "driver/compile.h"
#include "driver/diff.h"
#include "driver/ir_file.h"
#include "driver/output.h"
#include "driver/tune.h"
#include "driver/verify.h"
#include "passes/memory_report.h"

#include <string.h>

typedef struct {
  Session *session;
  const char *after; /* NULL: the last pass */
  bool all, diff, done, verify;
  PrintOptions print;
  Text out;           /* of several passes, or what they changed */
  IrFile file;        /* one graph, with the data that its text elides */
  const char *before; /* the text before the pass, for --diff */
} Dump;

static const char *text_of(Dump *dump, const Module *module) {
  Text text = text_new(dump->session->arena);
  module_print(&text, module, dump->print);
  return text_get(&text);
}

static bool after_pass(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Dump *dump = user;
  if (dump->verify) verify_after(dump->session, pass, effect, module);
  bool wanted = dump->all || (dump->after && strcmp(dump->after, pass->name) == 0);
  if (dump->diff) {
    const char *now = text_of(dump, module);
    bool more = option_given(dump->session->options, OPTION_all);
    if (wanted) diff_print(&dump->out, pass->name, effect, dump->before, now, more);
    dump->before = now;
  } else if (wanted && dump->all) {
    text_string(&dump->out, text_of(dump, module));
  } else if (wanted) {
    dump->file = ir_file_of(dump->session, module, dump->print);
  }
  if (wanted && !dump->all) dump->done = true;
  return !dump->done;
}

static int memory(Session *session, Compilation *c, const char *form) {
  bool svg = strcmp(form, "svg") == 0;
  if (!svg && strcmp(form, "text") != 0) {
    diag_usage(session->diagnostics, "--memory is '%s', not text or svg", form);
    return EXIT_USAGE;
  }
  const Pass *specialise = pass_find("specialise"); /* naive at the dims that are asked for */
  if (!pass_run(specialise, c->module, &c->passes, session->diagnostics, NULL)) return EXIT_INPUT;
  size_t count = c->module->functions.count;
  MemorySum *naive = ARENA_ARRAY(session->arena, count + 1, MemorySum);
  for (size_t i = 0; i < count; i++) naive[i] = memory_naive(c->module->functions.items[i]);
  if (!compile_passes(c, NULL, NULL)) return EXIT_INPUT;
  Text text = text_new(session->arena);
  for (size_t i = 0; i < count; i++) {
    MemoryReport report = memory_report(session->arena, c->module->functions.items[i], naive[i]);
    if (svg)
      memory_report_svg(&text, &report);
    else
      memory_report_text(&text, &report);
  }
  return output_text(session, &text) ? EXIT_DONE : EXIT_INPUT;
}

int command_dump(Session *session) {
  const Options *options = session->options;
  Compilation c;
  int code;
  if (!compile_open(session, &c, &code)) return code;
  const char *form = option_text(options, OPTION_memory, NULL);
  if (form) return memory(session, &c, form);
  Dump dump = {.session = session,
               .after = option_text(options, OPTION_after, NULL),
               .diff = option_given(options, OPTION_diff),
               .verify = option_given(options, OPTION_verify),
               .print = {.locations = !option_given(options, OPTION_no_locations),
                         .why = option_given(options, OPTION_why)},
               .out = text_new(session->arena)};
  dump.all = dump.after ? strcmp(dump.after, "all") == 0 : dump.diff;
  bool elaborate_only = dump.after && strcmp(dump.after, "elaborate") == 0;
  if (dump.after && !dump.all && !elaborate_only && !pass_find(dump.after)) {
    const char *names[PASSES + 2] = {"elaborate", "all"};
    for (int i = 0; i < PASSES; i++) names[i + 2] = passes[i].name;
    Diagnostic *d = diag_usage(session->diagnostics, "no pass '%s'", dump.after);
    const char *near = nearest_name(dump.after, names, PASSES + 2);
    if (near)
      diag_help(d, "--after=%s", near);
    else
      diag_help(d, "'dlc help passes' lists them");
    return EXIT_USAGE;
  }
  if (dump.diff)
    dump.before = text_of(&dump, c.module);
  else if (dump.all)
    text_string(&dump.out, text_of(&dump, c.module));
  else if (elaborate_only)
    dump.file = ir_file_of(session, c.module, dump.print);
  Tuning tuning;
  const char *tune = option_text(options, OPTION_tune, NULL);
  if (tune && !tune_open(&tuning, &c, tune)) return EXIT_INPUT;
  if (!elaborate_only && !compile_passes(&c, after_pass, &dump)) return EXIT_INPUT;
  if (tune && !tune_close(&tuning)) return EXIT_INPUT;
  if (!dump.after && !dump.diff) dump.file = ir_file_of(session, c.module, dump.print);
  if (dump.after && !dump.all && !elaborate_only && !dump.done) {
    diag_usage(session->diagnostics, "'%s' does not run at -O%d", dump.after, c.passes.level);
    return EXIT_USAGE;
  }
  const char *path = option_text(options, OPTION_output, "-");
  bool written =
      dump.file.text ? ir_file_put(session, &dump.file, path) : output_text(session, &dump.out);
  return written ? EXIT_DONE : EXIT_INPUT;
}
