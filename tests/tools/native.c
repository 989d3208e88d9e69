#include "tests/tools/native.h"

#include "backend/emit.h"
#include "backend/lower.h"
#include "passes/memory_report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
  NativeRun *run;
  const NativeProgram *program;
  char *arena, *trip, *parameters, *constants;
  int64_t *dims; /* with the trips of loops after them */
  char **cursors;
} Memory;

static void *at(const Memory *m, const ProgramOperand *o) {
  switch (o->base) {
  case BASE_ARENA:
    return m->arena + o->offset;
  case BASE_PARAMETERS:
    return m->parameters + o->offset;
  case BASE_CONSTANTS:
    return m->constants + o->offset;
  case BASE_INPUT:
    return (char *)m->run->inputs[o->index].bytes + o->offset;
  case BASE_CURSOR:
    return m->cursors[o->index] + o->offset;
  case BASE_TRIP:
    return m->trip + o->offset;
  default:
    return (char *)m->run->outputs[o->index].bytes + o->offset;
  }
}

/* Freshly allocated for each block, so that ASan sees what leaves it; filled, so that what is read
 * before it is written shows. */
static char *block(int64_t bytes) {
  char *result = aligned_alloc(64, (size_t)((bytes + 127) / 64 * 64));
  if (result) memset(result, 0xfd, (size_t)bytes);
  return result;
}

static bool make_outputs(const Function *function, NativeRun *run) {
  for (size_t i = 0; i < function->results.count; i++) {
    const Type *type = &function->results.items[i].type;
    RunTensor *t = &run->outputs[i];
    *t = (RunTensor){.element = type->element, .rank = type->rank, .count = 1};
    for (int a = 0; a < type->rank; a++) {
      if (!dim_evaluate(type->dims[a], run->dims, &t->shape[a])) return false;
      t->count *= t->shape[a];
    }
    char *bytes = arena_array(run->arena, (size_t)t->count + 64, 8);
    t->bytes = bytes + (64 - (uintptr_t)bytes % 64) % 64; /* as programs have theirs */
  }
  return true;
}

static bool find_step(const Memory *m, Jit *jit, const ProgramStep *step, NativeStep *found) {
  union {
    void *object;
    dlrt_kernel *kernel;
  } code = {jit_find(jit, step->kernel->name)};
  *found = (NativeStep){.step = step, .kernel = code.kernel};
  if (!code.object || step->operands.count > 128 ||
      !dim_evaluate(step->trips, m->run->dims, &found->trips)) {
    m->run->message = step->kernel->name;
    return false;
  }
  for (size_t o = 0; o < step->operands.count; o++)
    found->operands[o] = at(m, &step->operands.items[o]);
  return true;
}

/* The arena's buffers that are still to be used: a dead one is filled again, so that a read of it,
 * or of what the plan left of it, shows. */
typedef struct {
  MemoryReport report;
  bool *dead;
  int at; /* step of the report */
} Lives;

static Lives lives_new(const Memory *m, const Function *function) {
  Lives lives = {0};
  if (!function->is_planned || m->run->again) return lives;
  lives.report = memory_report(m->run->arena, function, (MemorySum){0, 0});
  lives.dead = ARENA_ARRAY(m->run->arena, (size_t)lives.report.buffer_count + 1, bool);
  return lives;
}

typedef struct {
  const Memory *m;
  Jit *jit;
  const ProgramEntry *entry;
  NativeStep *steps;
  dlrt_worker worker;
  Lives lives;
  size_t loop; /* the next one to be met */
  int depth;
} Steps;

/* After the last step of an operation, which scans' loops are parts of. */
static void end_lives(Steps *s, size_t step) {
  const Op *op = s->entry->steps.items[step].op;
  Lives *lives = &s->lives;
  const MemoryReport *report = &lives->report;
  if (step + 1 < s->entry->steps.count && s->entry->steps.items[step + 1].op == op) return;
  while (lives->at < report->step_count && report->steps[lives->at].op != op) lives->at++;
  for (int i = 0; i < report->buffer_count; i++) {
    const MemoryBuffer *buffer = &report->buffers[i];
    if (lives->dead[i] || buffer->last > lives->at) continue;
    lives->dead[i] = true;
    memset(s->m->arena + buffer->offset, 0xfd, (size_t)buffer->bytes);
  }
}

NativeCaller *native_caller;

static bool run_step(Steps *s, size_t i) {
  const NativeRun *run = s->m->run;
  NativeStep *step = &s->steps[i];
  if (!find_step(s->m, s->jit, &s->entry->steps.items[i], step)) return false;
  for (int part = run->parts - 1; part >= 0 && !s->worker.fault; part--) {
    int64_t first = step->trips * part / run->parts;
    int64_t end = step->trips * (part + 1) / run->parts;
    if (native_caller)
      native_caller(step->kernel, step->operands, s->m->dims, first, end, &s->worker);
    else
      step->kernel(step->operands, s->m->dims, first, end, &s->worker);
  }
  return !s->worker.fault;
}

static bool run_range(Steps *s, size_t first, size_t end, const ProgramLoop *around, bool *ends);

static bool run_loop(Steps *s, const ProgramLoop *loop) {
  const Memory *m = s->m;
  size_t next = s->loop;
  int64_t trips, stride;
  int slot = dim_symbol_count(m->program->module->dims) + 2 + (int)m->program->entries.count;
  if (!dim_evaluate(loop->trips, m->dims, &trips)) return false;
  bool ok = true, ends = false;
  s->depth++;
  for (int64_t trip = 0; trip < trips && ok && !ends; trip++) {
    int64_t place = loop->backward ? trips - 1 - trip : trip;
    for (size_t c = 0; c < loop->cursors.count && ok; c++) {
      ok = dim_evaluate(loop->cursors.items[c].stride, m->dims, &stride);
      m->cursors[loop->first_cursor + (int)c] =
          (char *)at(m, &loop->cursors.items[c].base) + place * stride;
    }
    m->dims[slot + s->depth - 1] = place;
    if (loop->apart) memset(m->trip, 0xfd, (size_t)m->program->trip_bytes);
    s->loop = next;
    ok = ok && run_range(s, loop->first, loop->first + loop->count, loop, &ends);
  }
  s->depth--;
  while (s->loop < s->entry->loops.count &&
         s->entry->loops.items[s->loop].first < loop->first + loop->count)
    s->loop++;
  return ok;
}

static bool run_range(Steps *s, size_t first, size_t end, const ProgramLoop *around, bool *ends) {
  bool tested = false;
  for (size_t i = first;;) {
    if (around && !tested && around->test == (int64_t)i) {
      tested = true;
      *ends = !*(const bool *)at(s->m, &around->condition);
      if (*ends) return true;
    } else if (i == end) {
      return true;
    } else if (s->loop < s->entry->loops.count && s->entry->loops.items[s->loop].first == i) {
      const ProgramLoop *loop = &s->entry->loops.items[s->loop++];
      if (!run_loop(s, loop)) return false;
      i += loop->count;
      if (!around) end_lives(s, i - 1);
    } else if (!run_step(s, i++)) {
      return false;
    } else if (!around) {
      end_lives(s, i - 1);
    }
  }
}

static bool run_steps(const Memory *m, Jit *jit, const ProgramEntry *entry) {
  NativeRun *run = m->run;
  char *scratch = block(m->program->scratch_bytes);
  size_t count = entry->steps.count;
  Steps s = {.m = m,
             .jit = jit,
             .entry = entry,
             .steps = ARENA_ARRAY(run->arena, count + 1, NativeStep),
             .worker = {.scratch = scratch},
             .lives = lives_new(m, entry->function)};
  bool ends = false, ok = run_range(&s, 0, count, NULL, &ends);
  run->faulted = s.worker.fault != 0;
  if (run->faulted) run->message = "a fault";
  if (ok && run->again) run->again(run->user, s.steps, count, &s.worker);
  free(scratch);
  return ok;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct NativeCode {
  const NativeProgram *program;
  Jit *jit;
};

static const ProgramEntry *find_entry(const NativeProgram *program, const Function *function) {
  for (size_t i = 0; i < program->entries.count; i++)
    if (program->entries.items[i].function == function) return &program->entries.items[i];
  return NULL;
}

static bool is_used(const ProgramEntry *entry, const LoopKernel *kernel) {
  for (size_t i = 0; i < entry->steps.count; i++)
    if (entry->steps.items[i].kernel == kernel) return true;
  return false;
}

NativeCode *native_open(const Module *module, const Function *function, const Target *target,
                        int level, NativeRun *run) {
  NativeCode *code = ARENA_NEW(run->arena, NativeCode);
  NativeProgram *program = lower(run->arena, module, target, "test");
  *code = (NativeCode){.program = program};
  const ProgramEntry *entry = function ? find_entry(program, function) : NULL;
  Emission *e =
      emission_new(run->arena, target,
                   (EmitOptions){.source = "test.dl", .level = level, .public_kernels = true});
  for (size_t i = 0; i < program->kernels.count; i++)
    if (!entry || is_used(entry, program->kernels.items[i]))
      emit_kernel(e, program->kernels.items[i]);
  const char *error = NULL;
  double start = seconds();
  EmitBytes object = emission_object(e);
  run->compile_seconds = seconds() - start;
  run->object_bytes = object.length;
  code->jit = jit_new(run->arena, object, NULL, 0, &error);
  emission_free(e);
  if (!code->jit) run->message = error;
  return code->jit ? code : NULL;
}

bool native_call(const NativeCode *code, const Function *function, NativeRun *run) {
  const NativeProgram *program = code->program;
  Memory m = {.run = run,
              .program = program,
              .arena = block(program->arena_bytes),
              .trip = block(program->trip_bytes),
              .parameters = block(program->parameter_bytes),
              .constants = block(program->constants_bytes)};
  for (size_t i = 0; i < program->constants.count; i++) {
    const ProgramConstant *c = &program->constants.items[i];
    if (data_is_known(c->data)) /* text may elide it; moves may be left to do */
      memcpy(m.constants + c->offset, data_contents(c->data), (size_t)c->bytes);
  }
  for (size_t i = 0; i < program->tensors.count; i++) {
    const ProgramTensor *t = &program->tensors.items[i];
    if (t->offset < 0) continue;
    int64_t count = t->bytes / element_infos[t->tensor->type.element].bytes;
    run->tensor(t->tensor->name, t->tensor->type.element, m.parameters + t->offset, count);
  }
  size_t slots = (size_t)dim_symbol_count(program->module->dims) + 2;
  m.dims =
      ARENA_ARRAY(run->arena, slots + program->entries.count + (size_t)program->nesting, int64_t);
  memcpy(m.dims, run->dims, slots * sizeof *m.dims);
  m.cursors = ARENA_ARRAY(run->arena, (size_t)program->cursors + 1, char *);
  bool ok = make_outputs(function, run) && run_steps(&m, code->jit, find_entry(program, function));
  for (size_t i = 0; (ok || run->faulted) && run->kept && i < program->tensors.count; i++) {
    const ProgramTensor *t = &program->tensors.items[i];
    if (t->offset >= 0) run->kept(run->user, t->tensor, m.parameters + t->offset);
  }
  free(m.arena);
  free(m.trip);
  free(m.parameters);
  free(m.constants);
  return ok;
}

void native_close(NativeCode *code) {
  if (code && !native_caller) jit_free(code->jit); /* an emulated CPU keeps what it decoded */
}

bool native_run(const Module *module, const Function *function, const Target *target, int level,
                NativeRun *run) {
  NativeCode *code = native_open(module, function, target, level, run);
  bool ok = code && native_call(code, function, run);
  native_close(code);
  return ok;
}
