#include "runtime/context.h"
#include "runtime/element.h"
#include "runtime/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

/* Parameters and arena are bounded (2^47 bytes each) by the compiler, so the sum cannot overflow.
 */
static int64_t slot_count(const dlrt_model *model) {
  return DLRT_SLOTS(model->dim_count, model->entry_count, model->draws) + model->nesting;
}

static size_t fixed_size(const dlrt_model *model) {
  int64_t slots = slot_count(model);
  return (size_t)DLRT_CONTEXT_BYTES(model->parameter_bytes, model->arena_bytes, slots,
                                    model->max_operands);
}

static size_t thread_size(const dlrt_model *model) {
  return (size_t)DLRT_THREAD_BYTES(model->scratch_bytes, model->trip_bytes, model->trip_operands);
}

size_t dlrt_context_size(const dlrt_model *model, int threads) {
  return fixed_size(model) + (size_t)threads * thread_size(model);
}

static int threads_granted(const dlrt_model *model, int wanted) {
  int threads = dlrt_machine_threads();
  if (wanted && wanted < threads) threads = wanted;
  if (model->thread_limit && model->thread_limit < threads) threads = (int)model->thread_limit;
  if (!model->threading) threads = 1;
  return threads > DLRT_THREADS ? DLRT_THREADS : threads;
}

static void *allocate(size_t size) {
  void *memory = NULL;
  if (posix_memalign(&memory, size >= 4 * HUGE_PAGE ? HUGE_PAGE : DLRT_ALIGN, size)) return NULL;
#ifdef MADV_HUGEPAGE
  if (size >= 4 * HUGE_PAGE) madvise(memory, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return memory;
}

static void lay_out(dlrt_context *context, char *memory, int threads) {
  const dlrt_model *model = context->model;
  char *at = memory + DLRT_CONTROL_BYTES;
  context->dims = (int64_t *)at;
  int64_t slots = slot_count(model);
  memset(context->dims, 0, (size_t)(8 * slots));
  at += DLRT_ROUND(8 * slots);
  context->operands = (void **)at;
  context->cursors = context->operands + model->max_operands - model->cursors;
  at += DLRT_ROUND(8 * model->max_operands);
  context->parameters = at;
  at += DLRT_ROUND(model->parameter_bytes);
  context->arena = at;
  at += DLRT_ROUND(model->arena_bytes);
  memset(context->parameters, 0, (size_t)model->parameter_bytes);
  context->slots = (dlrt_slot *)at;
  memset(at, 0, (size_t)threads * sizeof(dlrt_slot));
  at += (size_t)threads * sizeof(dlrt_slot);
  for (int i = 0; i < threads; i++) {
    dlrt_worker *worker = &context->slots[i].worker;
    worker->thread = i;
    worker->operands = (void **)at;
    at += DLRT_ROUND(8 * model->trip_operands);
    worker->scratch = at;
    at += DLRT_ROUND(model->scratch_bytes);
    worker->trip = at;
    at += DLRT_ROUND(model->trip_bytes);
  }
}

/* The caller's thread, which is part 0 of what is split, has the first CPU, the pool's the others.
 * With more threads than CPUs the system does better. */
static void pin(dlrt_context *context, dlrt_pinning pinning) {
  int cpus[DLRT_THREADS], count = dlrt_machine_cpus(cpus, DLRT_THREADS);
  if (count < context->threads) return;
  for (int i = 1; i < context->threads; i++) dlrt_machine_pin(context->slots[i].thread, cpus[i]);
  if (pinning == DLRT_PIN_ALL) dlrt_machine_pin(pthread_self(), cpus[0]);
}

dlrt_status dlrt_open_level(const dlrt_model *model, dlrt_context **context, void *memory,
                            int threads, dlrt_pinning pinning) {
  *context = NULL;
  if (model->nesting > DLRT_LOOPS || threads < 0 || (memory && !threads) ||
      (uintptr_t)memory % DLRT_ALIGN)
    return DLRT_BAD_ARGUMENT;
  threads = threads_granted(model, threads);
  void *allocated = NULL;
  if (!memory) memory = allocated = allocate(dlrt_context_size(model, threads));
  if (!memory) return DLRT_NO_MEMORY;
  dlrt_context *made = memory;
  memset(made, 0, sizeof *made);
  made->model = model;
  made->allocated = allocated;
  made->constants = model->constants;
  lay_out(made, memory, threads);
  made->threads = threads > 1 ? model->threading->start(&made->pool, made->slots, threads) : 1;
  if (!made->threads) {
    free(allocated);
    return DLRT_NO_MEMORY;
  }
  /* A pool of one was started if the system refused all threads: it is stopped at once. */
  if (threads > 1 && made->threads == 1) model->threading->stop(&made->pool);
  if (pinning) pin(made, pinning);
  *context = made;
  dlrt_reset(made);
  return DLRT_OK;
}

void dlrt_close(dlrt_context *context) {
  if (!context) return;
  if (context->threads > 1) context->model->threading->stop(&context->pool);
  dlrt_file mapped = {context->mapped, context->mapped_bytes,
                      context->mapped ? DLRT_MAPPED : DLRT_BORROWED};
  dlrt_file_close(&mapped);
  free(context->allocated);
}

void dlrt_seed(dlrt_context *context, uint64_t seed) {
  const dlrt_model *model = context->model;
  if (!model->draws) return;
  int64_t *slots = context->dims + model->dim_count;
  slots[0] = (int64_t)seed;
  memset(slots + 1, 0, (size_t)(8 * (1 + model->entry_count)));
}

static int64_t find_first_values(const dlrt_model *model, const char *name) {
  for (int64_t e = 0; e < model->entry_count; e++)
    if (model->entries[e].kind == DLRT_INIT_ENTRY && strcmp(model->entries[e].name, name) == 0)
      return e;
  return -1;
}

dlrt_status dlrt_init(dlrt_context *context, uint64_t seed) {
  const dlrt_model *model = context->model;
  int64_t entry = find_first_values(model, "init");
  context->error.text[0] = 0;
  if (entry < 0)
    return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "'%s' has no first values", model->name);
  memset(context->parameters, 0, (size_t)model->parameter_bytes);
  dlrt_seed(context, seed);
  dlrt_status status = dlrt_call(context, entry, NULL, NULL, NULL);
  dlrt_seed(context, seed); /* what it drew counts for nothing */
  return status;
}

dlrt_status dlrt_reset(dlrt_context *context) {
  int64_t entry = find_first_values(context->model, "reset");
  context->error.text[0] = 0;
  return entry < 0 ? DLRT_OK : dlrt_call(context, entry, NULL, NULL, NULL);
}

int dlrt_threads(const dlrt_context *context) {
  return context->threads;
}

const char *dlrt_detail(const dlrt_context *context) {
  return context ? context->error.text : "";
}

int dlrt_count(const dlrt_model *model) {
  return (int)model->tensor_count;
}

dlrt_status dlrt_at(dlrt_context *context, int index, dlrt_tensor_view *view) {
  if (index < 0 || index >= context->model->tensor_count)
    return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "there is no tensor number %d", index);
  const dlrt_tensor *tensor = &context->model->tensors[index];
  memset(view, 0, sizeof *view);
  view->name = tensor->name;
  view->type = dlrt_element_name(tensor->element);
  view->data = tensor->offset < 0 ? NULL : context->parameters + tensor->offset;
  view->rank = (int)tensor->rank;
  for (int i = 0; i < tensor->rank && i < DLRT_AXES; i++) view->dims[i] = tensor->shape[i];
  return DLRT_OK;
}

dlrt_status dlrt_find(dlrt_context *context, const char *name, dlrt_tensor_view *view) {
  for (int i = 0; name && i < context->model->tensor_count; i++)
    if (strcmp(context->model->tensors[i].name, name) == 0) return dlrt_at(context, i, view);
  return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "there is no tensor '%.200s'",
                   name ? name : "");
}
