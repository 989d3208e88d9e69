#include "passes/pass.h"

#include "passes/scan_bodies.h"

#include <string.h>
#include <time.h>

const Pass passes[PASSES] = {
#define PASS(name, level, description) {#name, description, pass_##name, level},
#include "passes/passes.def"
#undef PASS
};

PassesRunning passes_running;

const Pass *pass_find(const char *name) {
  for (int i = 0; i < PASSES; i++)
    if (strcmp(passes[i].name, name) == 0) return &passes[i];
  return NULL;
}

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int module_operations(const Module *module) {
  int count = 0;
  for (size_t i = 0; i < module->functions.count; i++)
    count += function_operations(module->functions.items[i], false);
  return count;
}

/* `before`: the module's operations, which the pass before may have counted; -1: not known. */
static bool run(const Pass *pass, Module *module, const PassOptions *options,
                Diagnostics *diagnostics, int before, PassEffect *effect) {
  PassContext context = {module, options, diagnostics, arena_new(), NULL};
  effect->before = before < 0 ? module_operations(module) : before;
  passes_running.pass = pass;
  passes_running.count++;
  double start = milliseconds();
  /* From `canon` on, what is done to functions is done to bodies of scans, too. */
  ScanBodies *bodies =
      pass >= &passes[PASS_canon] ? scan_bodies_open(module, context.scratch) : NULL;
  bool ok = pass->run(&context);
  if (bodies) scan_bodies_close(bodies);
  effect->milliseconds = milliseconds() - start;
  effect->after = module_operations(module);
  effect->effect = context.effect;
  arena_free(context.scratch);
  if (ok) module->after = pass->name;
  return ok;
}

bool pass_run(const Pass *pass, Module *module, const PassOptions *options,
              Diagnostics *diagnostics, PassEffect *effect) {
  PassEffect unused;
  return run(pass, module, options, diagnostics, -1, effect ? effect : &unused);
}

bool pipeline_run(Module *module, const PassOptions *options, Diagnostics *diagnostics,
                  PassCallback *callback, void *user) {
  const Pass *after = module->after ? pass_find(module->after) : NULL;
  PassEffect effect = {.after = -1};
  for (const Pass *pass = after ? after + 1 : passes; pass < passes + PASSES; pass++) {
    if (options->level < pass->level) continue;
    if (!run(pass, module, options, diagnostics, effect.after, &effect)) return false;
    if (callback && !callback(user, pass, &effect, module)) return true;
  }
  return true;
}

/* "unknown pass", with the nearest name. */
static void report_unknown(Diagnostics *diagnostics, const char *name) {
  const char *names[PASSES];
  for (int i = 0; i < PASSES; i++) names[i] = passes[i].name;
  Diagnostic *d = diag_usage(diagnostics, "no pass '%s'", name);
  const char *nearest = nearest_name(name, names, PASSES);
  if (nearest)
    diag_help(d, "%s; 'dlc help passes' lists them", nearest);
  else
    diag_help(d, "'dlc help passes' lists them");
}

bool pipeline_run_list(Module *module, const char *names, const PassOptions *options,
                       Diagnostics *diagnostics, PassCallback *callback, void *user) {
  bool known = true;
  VEC(const Pass *) list = {0};
  for (const char *at = names; *at;) {
    size_t length = strcspn(at, ",");
    char *name = arena_string(module->arena, at, length);
    const Pass *pass = pass_find(name);
    if (pass)
      vec_push(module->arena, &list, pass);
    else {
      report_unknown(diagnostics, name);
      known = false;
    }
    at += length;
    if (*at == ',') at++;
  }
  if (!known) return false;
  PassEffect effect = {.after = -1};
  for (size_t i = 0; i < list.count; i++) {
    if (!run(list.items[i], module, options, diagnostics, effect.after, &effect)) return false;
    if (callback && !callback(user, list.items[i], &effect, module)) return true;
  }
  return true;
}
