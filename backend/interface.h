/* interface.h - what descriptor, wrappers and C header agree on: names and arguments of a program's
 * entries. */
#ifndef BACKEND_INTERFACE_H
#define BACKEND_INTERFACE_H

#include "backend/program.h"

/* The dims that are an entry's arguments: sizes in its inputs' types, as declared, then index dims.
 * Returns their number; `dims` has room for all of the module's. */
int entry_dims(const NativeProgram *program, const ProgramEntry *entry, const Symbol **dims);
/* "lenet", or "gpt2_step" of another entry. */
const char *entry_symbol(Arena *arena, const NativeProgram *program, const ProgramEntry *entry);
/* Has parameters or states that are given at run time. */
bool program_has_variables(const NativeProgram *program);

#endif
