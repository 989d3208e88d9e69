/* lower.h - from planned graph IR to a program: each operation of an entry's block that is no view
 * becomes a step, whose kernel is loop IR.
 *
 * Kernels come from four families, one file each: lower_map.c (every element on its own),
 * lower_row.c (reductions over rows), lower_product.c (dot, conv and their like) and lower_index.c
 * (what writes or searches by index). What a kernel computes for one element, or for the lanes of a
 * vector, is region.c's. Kernels whose loops are equal are made once.
 */
#ifndef BACKEND_LOWER_H
#define BACKEND_LOWER_H

#include "backend/program.h"
#include "backend/target.h"

/* A module that `plan` has run on. `name`: the program's, for symbols. */
NativeProgram *lower(Arena *arena, const Module *module, const Target *target, const char *name);
/* The same for each of the targets (target_find_all), whose contexts have one size. */
NativePrograms lower_all(Arena *arena, const Module *module, const Target *targets, size_t count,
                         const char *name);

#endif
