/* E0403: a loss that what is learned reaches only through operators without a slope.
 *
 * From the loss backwards every value is found that it depends on, and the ones it depends on with
 * a slope. What is differentiated by and is among the first alone is the mistake. Paths that end in
 * stop_gradient do not count, since the user wants those cut, nor those that an earlier gradient
 * made, where relu's slope, say, depends on x through a comparison. */
#include "passes/gradient.h"

#include <string.h>

typedef enum { UNREACHED, REACHED, SLOPED } Reach;

typedef struct {
  Reach reach;
  const Op *user; /* on the way to the loss */
} Step;

static void reach(Step *steps, const Value *value, Reach how, const Op *user) {
  Step *step = &steps[value->mark];
  if (how <= step->reach) return;
  if (step->reach == UNREACHED) step->user = user;
  step->reach = how;
}

static bool cuts_silently(const Op *op) {
  const GradientRule *rule = gradient_rules[op->kind];
  return !rule->run && (!rule->none || op->mark);
}

static Step *find_steps(Arena *scratch, const Op *grad) {
  int64_t count = 0;
  const Block *block = grad->block;
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = count++;
  for (Op *op = block->first; op != grad; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = count++;
  Step *steps = ARENA_ARRAY(scratch, (size_t)count + 1, Step);
  reach(steps, grad->operands[0], SLOPED, grad);
  for (const Op *op = grad->previous; op; op = op->previous) {
    Reach how = UNREACHED;
    for (int i = 0; i < op->result_count; i++)
      if (steps[op->results[i]->mark].reach > how) how = steps[op->results[i]->mark].reach;
    if (how == UNREACHED || cuts_silently(op)) continue;
    for (int i = 0; i < op->operand_count; i++)
      if (how == SLOPED && gradient_passes(op, i))
        reach(steps, op->operands[i], SLOPED, op);
      else if (!op->mark || element_is_float(op->operands[i]->type.element))
        reach(steps, op->operands[i], REACHED, op);
  }
  return steps;
}

/* ---- the message ---- */

/* How a user knows an operation: by the outermost function or layer it was made in. */
static const char *name_of(const Op *op) {
  return op->layer ? op->layer : operator_infos[op->kind].name;
}

/* NULL: it has none. */
static const char *loss_name(PassContext *context, const Op *grad) {
  Arena *arena = context->module->arena;
  const Value *loss = grad->operands[0];
  if (loss->name) return loss->name;
  Span span = grad->at ? grad->at->span : SPAN_NONE;
  const Source *source =
      span.file ? sources_get(diagnostics_sources(context->diagnostics), span.file) : NULL;
  bool word = source && source->bytes && span.to > span.from && span.to - span.from <= 40;
  for (uint32_t i = span.from; word && i < span.to; i++) {
    char c = source->bytes[i];
    word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  if (word)
    return arena_format(arena, "%.*s", (int)(span.to - span.from), source->bytes + span.from);
  return NULL;
}

static const char *ends(PassContext *context, const Value *wrt, int count) {
  Arena *arena = context->module->arena;
  if (count > 1) {
    bool learned = wrt->op && wrt->op->kind == OP_read;
    return arena_format(arena, "%d %s", count, learned ? "parameters" : "values");
  }
  if (wrt->op && wrt->op->symbol) return wrt->op->symbol;
  return wrt->name ? wrt->name : arena_format(arena, "%%%d", wrt->number);
}

enum { MOST_NAMES = 12 };

bool gradient_refuse(PassContext *context, const Op *grad) {
  const Step *steps = find_steps(context->scratch, grad);
  const Value *wrt = NULL;
  int count = 0;
  for (int i = 1; i < grad->operand_count; i++) {
    if (steps[grad->operands[i]->mark].reach != REACHED) continue;
    if (!wrt) wrt = grad->operands[i];
    count++;
  }
  if (!wrt) return false;

  /* From what is learned to the loss: the first operator without a slope is the one to name. */
  VEC(const Op *) path = {0};
  const Op *cut = NULL;
  const Value *value = wrt;
  while (steps[value->mark].user != grad) {
    const Op *op = steps[value->mark].user;
    int operand = 0;
    while (op->operands[operand] != value) operand++;
    if (!cut && !gradient_passes(op, operand)) cut = op;
    vec_push(context->scratch, &path, op);
    const Value *next = NULL;
    for (int i = 0; i < op->result_count && !next; i++)
      if (steps[op->results[i]->mark].reach != UNREACHED) next = op->results[i];
    value = next;
  }
  Text text = text_new(context->module->arena);
  const char *loss = loss_name(context, grad), *last = loss ? loss : "the loss";
  int names = 0;
  text_string(&text, last);
  bool behind = false; /* the cut: of what lies there the nearest is named */
  for (size_t i = path.count; i > 0; i--) {
    const char *name = name_of(path.items[i - 1]);
    bool is_new = strcmp(name, last) != 0 || path.items[i - 1] == cut;
    last = name;
    if (!is_new) continue;
    if (++names < MOST_NAMES) text_format(&text, " <- %s", name);
    if (names == MOST_NAMES) text_string(&text, " <- ..");
    if (behind && names < MOST_NAMES) names = MOST_NAMES - 1;
    behind = behind || path.items[i - 1] == cut;
  }
  text_format(&text, " <- %s", ends(context, wrt, count));
  Span span = grad->at ? grad->at->span : SPAN_NONE;
  const char *quote = loss ? "'" : "", *name = operator_infos[cut->kind].name;
  Diagnostic *d =
      diag_report(context->diagnostics, E0403, span, "%s%s%s has no gradient: '%s' is on its path",
                  quote, loss ? loss : "the loss", quote, name);
  diag_note(d, cut->at ? cut->at->span : SPAN_NONE, "%s", text_get(&text));
  const char *why = gradient_rules[cut->kind]->none;
  diag_note_label(d, "%s", why ? why : "whole numbers have no slope");
  if (cut->kind == OP_argmax)
    diag_help(d, "for classes: cross_entropy(logits, label)");
  else
    diag_help(d,
              "a loss must change smoothly with what is learned; '%s' belongs into a result "
              "beside it",
              name);
  return true;
}
