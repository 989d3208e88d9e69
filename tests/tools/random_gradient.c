#include "ir/build.h"
#include "ir/module_text.h"
#include "passes/pass.h"
#include "tests/tools/random_graph.h"

const bool random_jumps[OPERATORS] = {
    [OP_abs] = true, [OP_maximum] = true, [OP_minimum] = true, [OP_max] = true, [OP_top_k] = true};

static Value *sum_of(Builder *b, Value *x, double weight) {
  int64_t axes[MOST_AXES];
  for (int i = 0; i < x->type.rank; i++) axes[i] = i;
  Attribute to = {ATTRIBUTE_to, attribute_element(ELEMENT_f32)};
  Attribute axis = {ATTRIBUTE_axis, attribute_integers(b->function->module, axes, x->type.rank)};
  x = build(b, OP_cast, &x, 1, &to, 1);
  if (x->type.rank > 0) x = build(b, OP_sum, &x, 1, &axis, 1);
  return build_binary(b, OP_mul, x, build_number(b, ELEMENT_f32, weight));
}

void random_ask_gradient(Module *module) {
  Function *f = module->functions.items[0];
  Block *body = f->body;
  Builder b = {.function = f, .block = body};
  VEC(Value *) yields = {0}, operands = {0};
  Value *loss = build_number(&b, ELEMENT_f32, 0);
  vec_push(module->arena, &yields, loss);
  vec_push(module->arena, &operands, loss);
  for (int i = 0; i < body->yield_count; i++) {
    vec_push(module->arena, &yields, body->yields[i]);
    if (element_is_float(body->yields[i]->type.element))
      loss = build_binary(&b, OP_add, loss, sum_of(&b, body->yields[i], 1.0 / (i + 2)));
  }
  for (int i = 0; i < body->argument_count; i++) {
    if (!element_is_float(body->arguments[i]->type.element)) continue;
    vec_push(module->arena, &operands, body->arguments[i]);
    loss = build_binary(&b, OP_add, loss, sum_of(&b, body->arguments[i], 0.125));
  }
  yields.items[0] = operands.items[0] = loss;
  if (operands.count > 1) {
    const Op *grad = build(&b, OP_grad, operands.items, (int)operands.count, NULL, 0)->op;
    for (int i = 0; i < grad->result_count; i++) vec_push(module->arena, &yields, grad->results[i]);
  }
  body->yields = yields.items;
  body->yield_count = (int)yields.count;
  f->kind = FUNCTION_TRAIN;
  f->results.count = 0;
  for (int i = 0; i < body->yield_count; i++)
    vec_push(module->arena, &f->results,
             ((Result){arena_format(module->arena, "r%d", i), body->yields[i]->type, false}));
}

const char *random_differentiate(Arena *arena, Module *module) {
  Diagnostics *diagnostics = diagnostics_new(arena, sources_new(arena));
  PassOptions options = PASS_OPTIONS_DEFAULT;
  random_ask_gradient(module);
  if (!pass_run(&passes[PASS_loops], module, &options, diagnostics, NULL) ||
      !pass_run(&passes[PASS_gradient], module, &options, diagnostics, NULL))
    return "it reported errors";
  return module_verify(arena, module, NULL);
}
