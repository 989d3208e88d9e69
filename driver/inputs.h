/* inputs.h - what a call is given: `input=FILE` from the command line, or invented numbers. */
#ifndef DRIVER_INPUTS_H
#define DRIVER_INPUTS_H

#include "driver/session.h"
#include "ir/interpret.h"

/* Fills `inputs` (as many as the function has) and the values of all dims, by number: fixed ones,
 * those given by `--dim` before, those that the data tells, `pos=3`, and else the least. u8 data
 * for a float input is divided by 255, as the binary does. Without `invent` a missing input is an
 * error; with it, it gets numbers in [-1, 1) that depend on its name alone. False after errors;
 * *code. */
bool inputs_read(Session *session, const Function *function, bool invent, int64_t *dims,
                 RunTensor *inputs, int *code);

/* `count` invented numbers for a name. */
void invent_numbers(const char *name, Element element, void *bytes, int64_t count);

/* Space for a tensor of that type at those dims; false if a dim overflows. */
bool run_tensor_make(Arena *arena, const Type *type, const int64_t *dims, RunTensor *tensor);

/* The one function of a module that is meant: --entry, or the only one. */
const Function *entry_choose(Session *session, const Module *module);

#endif
