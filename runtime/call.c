#include "runtime/context.h"
#include "runtime/element.h"

#include <inttypes.h>

/* First values are written to states as they lie, at their bounds: no dims are given. */
static dlrt_status bind_dims(dlrt_context *context, const dlrt_entry *entry, const int64_t *dims) {
  const dlrt_model *model = context->model;
  for (int64_t i = 0; i < model->dim_count; i++) context->dims[i] = model->dims[i].min;
  for (int64_t i = 0; i < entry->dim_count; i++) {
    const dlrt_dim *dim = &model->dims[entry->dims[i]];
    int64_t value = dims ? dims[i] : dim->max;
    if (value < dim->min || value > dim->max)
      return dlrt_fail(&context->error, DLRT_BAD_DIM, "%s is %" PRId64 ", at %s %" PRId64 " (%s)",
                       dim->name, value, value < dim->min ? "least" : "most",
                       value < dim->min ? dim->min : dim->max, dim->place);
    context->dims[entry->dims[i]] = value;
  }
  int64_t check = entry->failing ? entry->failing(context->dims) : -1;
  if (check >= 0 && check < entry->check_count)
    return dlrt_fail(&context->error, DLRT_BAD_DIM, "%s does not hold (%s)",
                     entry->checks[check].text, entry->checks[check].place);
  return DLRT_OK;
}

static dlrt_status check_port(dlrt_context *context, const dlrt_port *port, const void *data) {
  if (!data) return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "'%s' is NULL", port->name);
  if ((uintptr_t)data % dlrt_element_size(port->element))
    return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "'%s' is not aligned to its element, %s",
                     port->name, dlrt_element_name(port->element));
  return DLRT_OK;
}

dlrt_status dlrt_begin(dlrt_context *context, int64_t index, const int64_t *dims,
                       const void *const *inputs, void *const *outputs) {
  const dlrt_model *model = context->model;
  context->error.text[0] = 0;
  if (index < 0 || index >= model->entry_count)
    return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT, "there is no entry number %" PRId64,
                     index);
  const dlrt_entry *entry = &model->entries[index];
  dlrt_status status = bind_dims(context, entry, dims);
  for (int64_t i = 0; !status && i < entry->input_count; i++)
    status = check_port(context, &entry->inputs[i], inputs[i]);
  for (int64_t i = 0; !status && i < entry->output_count; i++)
    status = check_port(context, &entry->outputs[i], outputs[i]);
  if (status) return status;
  if (model->draws) {
    int64_t *slots = context->dims + model->dim_count, *calls = slots + 2;
    slots[1] = calls[index]++;
  }
  if (model->constants_bytes && !context->constants)
    return dlrt_fail(&context->error, DLRT_BAD_ARGUMENT,
                     "the parameters of '%s' lie beside it and are not loaded", model->name);
  for (int i = 0; i < context->threads; i++) {
    dlrt_worker *worker = &context->slots[i].worker;
    worker->fault = worker->index = worker->size = 0;
  }
  if (context->threads > 1) model->threading->calling(&context->pool, 1);
  return DLRT_OK;
}

void dlrt_end(dlrt_context *context) {
  if (context->threads > 1) context->model->threading->calling(&context->pool, 0);
}

/* Kernels take pointers that they may write through; which they do write is the compiler's
 * promise, so constants and inputs lose their const here. */
static void *without_const(const void *pointer) {
  union {
    const void *from;
    void *to;
  } u = {pointer};
  return u.to;
}

void *dlrt_resolve(const dlrt_context *context, const dlrt_operand *operand, void *const *cursors,
                   char *trip, const void *const *inputs, void *const *outputs) {
  switch (operand->base) {
  case DLRT_ARENA:
    return context->arena + operand->offset;
  case DLRT_PARAMETERS:
    return context->parameters + operand->offset;
  case DLRT_CONSTANTS:
    return without_const(context->constants + operand->offset);
  case DLRT_INPUT:
    return without_const((const char *)inputs[operand->index] + operand->offset);
  case DLRT_CURSOR:
    return (char *)cursors[operand->index] + operand->offset;
  case DLRT_TRIP:
    return trip + operand->offset;
  default:
    return (char *)outputs[operand->index] + operand->offset;
  }
}

/* Of all threads' the smallest fault, and of that the index that is farthest out, so that the
 * message does not depend on their number. */
static dlrt_status look_at_faults(dlrt_context *context, const dlrt_entry *entry) {
  const dlrt_worker *first = NULL;
  for (int i = 0; i < context->threads; i++) {
    const dlrt_worker *worker = &context->slots[i].worker;
    if (!worker->fault) continue;
    if (!first || worker->fault < first->fault ||
        (worker->fault == first->fault && (uint64_t)worker->index > (uint64_t)first->index))
      first = worker;
  }
  if (!first) return DLRT_OK;
  bool known = first->fault > 0 && first->fault <= entry->fault_count;
  return dlrt_fail(&context->error, DLRT_BAD_INDEX, "the index %lld is not in 0..%lld at %s",
                   (long long)first->index, (long long)first->size,
                   known ? entry->faults[first->fault - 1] : "?");
}

dlrt_status dlrt_step_run(dlrt_context *context, int64_t index, int64_t number,
                          const void *const *inputs, void *const *outputs) {
  const dlrt_entry *entry = &context->model->entries[index];
  const dlrt_step *step = &entry->steps[number];
  for (int64_t i = 0; i < step->operand_count; i++)
    context->operands[i] = dlrt_resolve(context, &step->operands[i], context->cursors,
                                        context->slots[0].worker.trip, inputs, outputs);
  int64_t trips = step->trips_of ? step->trips_of(context->dims) : step->trips;
  if (trips <= 0) return DLRT_OK;
  int64_t parts = step->grain ? trips / step->grain : 1;
  if (parts > context->threads) parts = context->threads;
  if (parts > 1)
    context->model->threading->run(&context->pool, (int)parts, step->kernel, context->operands,
                                   context->dims, trips, step->grain);
  else
    step->kernel(context->operands, context->dims, 0, trips, &context->slots[0].worker);
  return entry->fault_count ? look_at_faults(context, entry) : DLRT_OK;
}

dlrt_status dlrt_call(dlrt_context *context, int64_t entry, const int64_t *dims,
                      const void *const *inputs, void *const *outputs) {
  dlrt_status status = dlrt_begin(context, entry, dims, inputs, outputs);
  if (status) return status;
  dlrt_walk walk = dlrt_walk_begin(context, &context->model->entries[entry], inputs, outputs);
  walk.apart = context->threads > 1;
  for (int64_t step; !status && (step = dlrt_walk_next(&walk)) >= 0;)
    status = dlrt_step_run(context, entry, step, inputs, outputs);
  dlrt_end(context);
  return status;
}
