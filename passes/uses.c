#include "passes/uses.h"

Uses uses_of(Arena *arena, const Function *function) {
  Uses uses = {0};
  Block *body = function->body;
  int operands = body->yield_count;
  for (int i = 0; i < body->argument_count; i++) body->arguments[i]->mark = uses.value_count++;
  for (Op *op = body->first; op; op = op->next) {
    op->mark = uses.op_count++;
    operands += op->operand_count;
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = uses.value_count++;
  }
  uses.ops = ARENA_ARRAY(arena, (size_t)uses.op_count, Op *);
  uses.first = ARENA_ARRAY(arena, (size_t)uses.value_count + 2, int);
  uses.users = ARENA_ARRAY(arena, (size_t)operands, Op *);
  /* Counts, one place further, become ends as the users are filled in. */
  int *next = uses.first + 1;
  for (Op *op = body->first; op; op = op->next) {
    uses.ops[op->mark] = op;
    for (int i = 0; i < op->operand_count; i++) next[op->operands[i]->mark + 1]++;
  }
  for (int i = 0; i < body->yield_count; i++) next[body->yields[i]->mark + 1]++;
  for (int i = 0; i < uses.value_count; i++) next[i + 1] += next[i];
  for (Op *op = body->first; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) uses.users[next[op->operands[i]->mark]++] = op;
  for (int i = 0; i < body->yield_count; i++) uses.users[next[body->yields[i]->mark]++] = NULL;
  return uses;
}
